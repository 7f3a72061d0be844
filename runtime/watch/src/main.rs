//! `nexus-watch`: see the library.

use std::process::ExitCode;

fn main() -> ExitCode {
    nexus_watch::main()
}
