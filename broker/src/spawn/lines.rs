//! What agents write, line by line, each with its name in front. One thread writes, and nobody waits for it: an
//! agent must not stand still because a terminal does.

use std::io::{self, IsTerminal as _, Write as _};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use tokio::io::{AsyncBufReadExt as _, AsyncRead, BufReader};

use crate::tenants::TenantName;

/// Lines that may wait to be written; more are left out.
const WAITING_MAX: usize = 1024;
/// More of one line is left out.
const LINE_BYTES_MAX: usize = 16 * 1024;
/// Of the terminal, for names: cyan, green, yellow, blue, magenta, red.
const COLOURS: [u8; 6] = [36, 32, 33, 34, 35, 31];

#[derive(Clone, Debug)]
pub(super) struct Lines {
    sender: SyncSender<String>,
    dropped: Arc<AtomicU64>,
    is_coloured: bool,
    /// Before each name: whose agents these are, where a broker serves several.
    whose: String,
}

impl Lines {
    /// To standard error.
    pub(super) fn start(tenant: Option<&TenantName>) -> io::Result<Self> {
        let whose = tenant.map_or_else(String::new, |tenant| format!("{tenant}/"));
        let (sender, lines) = sync_channel(WAITING_MAX);
        let dropped = Arc::new(AtomicU64::new(0));
        let seen = Arc::clone(&dropped);
        std::thread::Builder::new().name("agent-lines".to_owned()).spawn(move || write(&lines, &seen))?;
        let is_coloured = io::stderr().is_terminal() && !is_colour_unwanted();
        Ok(Self { sender, dropped, is_coloured, whose })
    }

    /// What stands before each line of `name`, which is the `at`th.
    pub(super) fn prefix(&self, name: &str, width: usize, at: usize) -> String {
        let name = format!("{}{name}", self.whose);
        prefix(&name, width + self.whose.len(), self.is_coloured.then(|| COLOURS[at % COLOURS.len()]))
    }

    /// Passes on what is read until it ends.
    pub(super) async fn pass_on(self, prefix: String, from: impl AsyncRead + Unpin) {
        let mut reader = BufReader::new(from);
        let mut line = Vec::new();
        while let Ok(is_more) = read_line(&mut reader, &mut line).await {
            if !line.is_empty() || is_more {
                let text = String::from_utf8_lossy(&line);
                if self.sender.try_send(format!("{prefix}{}\n", text.trim_end())).is_err() {
                    self.dropped.fetch_add(1, Ordering::Relaxed);
                }
            }
            if !is_more {
                return;
            }
            line.clear();
        }
    }
}

/// As https://no-color.org has it.
pub(crate) fn is_colour_unwanted() -> bool {
    std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty())
}

fn prefix(name: &str, width: usize, colour: Option<u8>) -> String {
    match colour {
        Some(colour) => format!("\x1b[{colour}m{name:>width$} │\x1b[0m "),
        None => format!("{name:>width$} │ "),
    }
}

/// `Ok(false)` at the end, with what came before it.
async fn read_line<R: AsyncRead + Unpin>(reader: &mut BufReader<R>, line: &mut Vec<u8>) -> io::Result<bool> {
    loop {
        let read = reader.fill_buf().await?;
        if read.is_empty() {
            return Ok(false);
        }
        let end = read.iter().position(|byte| *byte == b'\n');
        let taken = end.map_or(read.len(), |end| end + 1);
        let room = LINE_BYTES_MAX.saturating_sub(line.len());
        line.extend_from_slice(&read[..taken.min(room)]);
        reader.consume(taken);
        if end.is_some() {
            return Ok(true);
        }
    }
}

fn write(lines: &Receiver<String>, dropped: &AtomicU64) {
    while let Ok(line) = lines.recv() {
        // Whoever closed it has seen enough.
        let _ = io::stderr().lock().write_all(line.as_bytes());
        let left_out = dropped.swap(0, Ordering::Relaxed);
        if left_out > 0 {
            let _ = writeln!(io::stderr().lock(), "({left_out} lines of agents are left out here)");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn lines_have_their_names_and_one_without_end_is_cut() {
        let (sender, lines) = sync_channel(8);
        let told = Lines { sender, dropped: Arc::default(), is_coloured: false, whose: String::new() };
        let long = "x".repeat(LINE_BYTES_MAX + 7);
        let text = format!("one\n\n{long}\nlast\r\nno end");
        let prefix = told.prefix("wren", 6, 0);
        told.pass_on(prefix, text.as_bytes()).await;
        let expected = ["one", "", &long[..LINE_BYTES_MAX], "last", "no end"];
        let expected: Vec<String> = expected.iter().map(|line| format!("  wren │ {line}\n")).collect();
        assert_eq!(lines.iter().collect::<Vec<_>>(), expected);
    }

    #[tokio::test]
    async fn nobody_waits_for_a_screen_that_stands_still() {
        let (sender, lines) = sync_channel(2);
        let told = Lines { sender, dropped: Arc::default(), is_coloured: true, whose: String::new() };
        let dropped = Arc::clone(&told.dropped);
        let prefix = told.prefix("a", 1, 0);
        told.pass_on(prefix, &b"1\n2\n3\n4\n"[..]).await;
        assert_eq!(lines.iter().collect::<Vec<_>>(), ["\x1b[36ma │\x1b[0m 1\n", "\x1b[36ma │\x1b[0m 2\n"]);
        assert_eq!(dropped.load(Ordering::Relaxed), 2);
    }
}
