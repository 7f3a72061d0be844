//! `agent`, the process of one aspect.

fn main() -> std::process::ExitCode {
    nexus_agent::cli::main(nexus_agent::agent::run)
}
