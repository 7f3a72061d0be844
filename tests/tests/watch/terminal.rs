//! A terminal that nobody sits at: a program runs in it, keys are sent to it, and its screen is waited for.

use std::io::{Read as _, Write};
use std::process::Command;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Instant;

use nexus_tests::process::PATIENCE;
use portable_pty::{Child, CommandBuilder, MasterPty, PtySize, native_pty_system};
use vt100::Parser;

/// What the program has drawn so far.
struct Drawn {
    parser: Parser,
    raw: Vec<u8>,
    is_over: bool,
}

pub(super) struct Terminal {
    master: Box<dyn MasterPty + Send>,
    child: Box<dyn Child + Send + Sync>,
    keys: Box<dyn Write + Send>,
    drawn: Arc<(Mutex<Drawn>, Condvar)>,
}

fn size(columns: u16, rows: u16) -> PtySize {
    PtySize { rows, cols: columns, pixel_width: 0, pixel_height: 0 }
}

fn parser(columns: u16, rows: u16) -> Parser {
    let side = |side: u16| side.try_into().expect("a screen has a size");
    Parser::new(side(rows), side(columns), 0)
}

impl Terminal {
    pub(super) fn run(command: &Command, columns: u16, rows: u16) -> Self {
        let pair = native_pty_system().openpty(size(columns, rows)).expect("a pseudo terminal");
        let mut builder = CommandBuilder::new(command.get_program());
        builder.args(command.get_args());
        builder.env("TERM", "xterm-256color");
        for (name, value) in command.get_envs() {
            match value {
                Some(value) => builder.env(name, value),
                None => builder.env_remove(name),
            }
        }
        if let Some(dir) = command.get_current_dir() {
            builder.cwd(dir);
        }
        let child = pair.slave.spawn_command(builder).expect("it starts");
        drop(pair.slave);
        let drawn = Drawn { parser: parser(columns, rows), raw: Vec::new(), is_over: false };
        let drawn = Arc::new((Mutex::new(drawn), Condvar::new()));
        let mut reader = pair.master.try_clone_reader().expect("what it draws can be read");
        let read = Arc::clone(&drawn);
        std::thread::spawn(move || {
            let mut bytes = [0; 4096];
            loop {
                // At the end of the program reading fails.
                let count = reader.read(&mut bytes).unwrap_or(0);
                let mut drawn = read.0.lock().unwrap_or_else(PoisonError::into_inner);
                drawn.parser.process(&bytes[..count]);
                drawn.raw.extend_from_slice(&bytes[..count]);
                drawn.is_over = count == 0;
                read.1.notify_all();
                if count == 0 {
                    return;
                }
            }
        });
        let keys = pair.master.take_writer().expect("keys can be sent");
        Self { master: pair.master, child, keys, drawn }
    }

    pub(super) fn pid(&self) -> u32 {
        self.child.process_id().expect("it runs")
    }

    pub(super) fn keys(&mut self, keys: &str) {
        self.keys.write_all(keys.as_bytes()).and_then(|()| self.keys.flush()).expect("keys can be sent");
    }

    pub(super) fn resize(&mut self, columns: u16, rows: u16) {
        self.drawn.0.lock().unwrap_or_else(PoisonError::into_inner).parser = parser(columns, rows);
        self.master.resize(size(columns, rows)).expect("it has a size");
    }

    #[expect(
        clippy::disallowed_methods,
        reason = "a test gives up after a while, whatever is drawn meanwhile"
    )]
    fn wait<T>(&self, what: &str, mut look: impl FnMut(&Drawn) -> Option<T>) -> T {
        let until = Instant::now() + PATIENCE;
        let mut drawn = self.drawn.0.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            if let Some(found) = look(&drawn) {
                return found;
            }
            let screen = drawn.parser.screen().contents();
            assert!(!drawn.is_over, "it ended without {what}:\n{screen}");
            let left = until.saturating_duration_since(Instant::now());
            assert!(!left.is_zero(), "it does not show {what}:\n{screen}");
            let waited = self.drawn.1.wait_timeout(drawn, left);
            (drawn, _) = waited.unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Waits for a screen for which `wanted` gives something.
    pub(super) fn wait_for<T>(&self, what: &str, mut wanted: impl FnMut(&str) -> Option<T>) -> T {
        self.wait(what, |drawn| wanted(&drawn.parser.screen().contents()))
    }

    pub(super) fn shows(&self, text: &str) {
        self.wait_for(text, |screen| screen.contains(text).then_some(()));
    }

    pub(super) fn shows_no_more(&self, text: &str) {
        self.wait_for(&format!("the end of {text}"), |screen| (!screen.contains(text)).then_some(()));
    }

    /// Waits for this text in a colour of its own; which one.
    pub(super) fn colour_of(&self, text: &str) -> vt100::Color {
        self.wait(text, |drawn| {
            let screen = drawn.parser.screen();
            let (rows, columns) = screen.size();
            (0..rows.get()).find_map(|row| {
                let line = screen.rows(0, columns.get()).nth(usize::from(row))?;
                let column = line[..line.find(text)?].chars().count();
                let colour = screen.cell(row, u16::try_from(column).ok()?)?.fgcolor();
                (colour != vt100::Color::Default).then_some(colour)
            })
        })
    }

    /// Waits for the end; its exit code, and all it has drawn.
    pub(super) fn end(mut self) -> (u32, String) {
        let raw = self.wait("its end", |drawn| drawn.is_over.then(|| drawn.raw.clone()));
        let status = self.child.wait().expect("our own child can be waited for");
        (status.exit_code(), String::from_utf8_lossy(&raw).into_owned())
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
