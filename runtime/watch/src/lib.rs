//! nexus-watch: a team of agents at a glance, in a terminal.

use std::process::ExitCode;

pub fn main() -> ExitCode {
    ExitCode::SUCCESS
}
