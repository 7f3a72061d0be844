//! `agent`, the process of one aspect.

fn main() -> std::process::ExitCode {
    nexus_agent::cli::main(|options| {
        Err(format!("{}: this build cannot run an aspect yet", options.home.display()).into())
    })
}
