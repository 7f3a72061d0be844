//! `nexctl`: see the library.

use std::process::ExitCode;

fn main() -> ExitCode {
    nexctl::main()
}
