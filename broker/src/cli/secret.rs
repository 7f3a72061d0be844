//! Secrets people give: typed without being shown, or one line of standard input. Never an argument, which
//! other users of the machine could see.

use std::io::{self, IsTerminal, Read};

use super::CliError;

const BYTES_MAX: u64 = 64 * 1024;

/// `again`: typed twice, so that a slip is noticed.
pub(super) fn read(what: &str, again: bool) -> Result<String, CliError> {
    if !io::stdin().is_terminal() {
        let mut text = String::new();
        io::stdin().lock().take(BYTES_MAX).read_to_string(&mut text).map_err(CliError::Secret)?;
        return Ok(text.trim_end_matches(['\r', '\n']).to_owned());
    }
    let first = rpassword::prompt_password(format!("{what}: ")).map_err(CliError::Secret)?;
    if again && rpassword::prompt_password("Once more: ").map_err(CliError::Secret)? != first {
        return Err(CliError::Secret(io::Error::other("the two are not the same; nothing was changed")));
    }
    Ok(first)
}
