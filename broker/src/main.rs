//! `nexus`, the broker.

fn main() -> std::process::ExitCode {
    nexus_broker::cli::main()
}
