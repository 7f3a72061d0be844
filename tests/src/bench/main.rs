//! `nexus-bench`: measures a broker against yardsticks in the same run. `scripts/bench` builds and feeds it.

mod broker;
mod child;
mod cli;
mod clock;
mod disk;
mod echo;
mod fault;
mod flow;
mod input;
mod jetstream;
mod machine;
mod nats;
mod redis;
mod report;
mod rows;
mod run;
mod template;
mod ws;

/// What of the broker is measured in this process has what it has there.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> std::process::ExitCode {
    cli::main()
}
