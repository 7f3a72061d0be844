//! `nexus`, the broker.

/// Frames are allocated by one thread and freed by another all the time; the system's allocator makes the threads
/// wait for each other there.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> std::process::ExitCode {
    nexus_broker::cli::main()
}
