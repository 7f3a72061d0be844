//! `nexus-pages DIR`: writes the man pages and the shell completions of every program into a folder.

use std::path::Path;
use std::process::ExitCode;

#[expect(clippy::print_stderr, reason = "this program speaks to whoever packages")]
fn main() -> ExitCode {
    let Some(folder) = std::env::args_os().nth(1) else {
        eprintln!("nexus-pages: name a folder: nexus-pages DIR");
        return ExitCode::from(2);
    };
    match nexus_pages::write(Path::new(&folder)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("nexus-pages: {}: {error}", Path::new(&folder).display());
            ExitCode::FAILURE
        }
    }
}
