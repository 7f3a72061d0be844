//! `nexus-mcp`: see the library.

use std::process::ExitCode;

fn main() -> ExitCode {
    nexus_mcp::main()
}
