//! The two streams a person or a program reads: results on one, everything else on the other.

use std::fmt;
use std::io::{self, IsTerminal as _, Write};
use std::sync::{Arc, Mutex, PoisonError};

use comfy_table::Color;
use nexus_operator::shown::{self, Hue};
pub use nexus_operator::shown::{printable, shortened};
use nexus_wire::hands::DispatchState;
use nexus_wire::roster::AspectState;

use crate::failure::Failure;

/// How a line of the second stream looks.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Tone {
    Plain,
    /// Of less interest.
    Dim,
    Warning,
    Error,
}

/// Where a command writes to. Clones write to the same streams.
#[derive(Clone)]
pub struct Ui {
    streams: Arc<Mutex<Streams>>,
    pub colour: bool,
    /// Results are read by a person as they come.
    pub live: bool,
}

struct Streams {
    results: Box<dyn Write + Send>,
    notes: Box<dyn Write + Send>,
}

impl Ui {
    /// The process's own streams.
    pub fn of_process(colour_wanted: bool) -> Self {
        let live = io::stdout().is_terminal();
        Self {
            streams: Arc::new(Mutex::new(Streams {
                results: Box::new(io::stdout()),
                notes: Box::new(io::stderr()),
            })),
            colour: colour_wanted && live && io::stderr().is_terminal(),
            live,
        }
    }

    /// Streams of a test's own.
    pub fn of(results: impl Write + Send + 'static, notes: impl Write + Send + 'static) -> Self {
        let streams = Streams { results: Box::new(results), notes: Box::new(notes) };
        Self { streams: Arc::new(Mutex::new(streams)), colour: false, live: false }
    }

    /// Writes a part of the result as it is.
    pub fn result(&self, text: &str) -> Result<(), Failure> {
        self.result_bytes(text.as_bytes())
    }

    /// The same, of what need be no text.
    pub fn result_bytes(&self, bytes: &[u8]) -> Result<(), Failure> {
        let mut streams = self.streams.lock().unwrap_or_else(PoisonError::into_inner);
        let written = streams.results.write_all(bytes).and_then(|()| streams.results.flush());
        written.map_err(|error| {
            if error.kind() == io::ErrorKind::BrokenPipe {
                Failure::ReaderGone
            } else {
                Failure::Failed(format!("the result cannot be written: {error}"))
            }
        })
    }

    pub fn result_line(&self, text: &str) -> Result<(), Failure> {
        self.result(&format!("{text}\n"))
    }

    /// Writes JSON for a program.
    pub fn json(&self, value: &impl serde::Serialize) -> Result<(), Failure> {
        let text = serde_json::to_string_pretty(value)
            .map_err(|error| Failure::Failed(format!("the result is no JSON: {error}")))?;
        self.result_line(&text)
    }

    /// Writes a line for whoever looks on. That it cannot be written is no reason to stop.
    pub fn note(&self, tone: Tone, line: &str) {
        let (begin, end) = match tone {
            _ if !self.colour => ("", ""),
            Tone::Plain => ("", ""),
            Tone::Dim => ("\u{1b}[2m", "\u{1b}[0m"),
            Tone::Warning => ("\u{1b}[33m", "\u{1b}[0m"),
            Tone::Error => ("\u{1b}[31m", "\u{1b}[0m"),
        };
        let mut streams = self.streams.lock().unwrap_or_else(PoisonError::into_inner);
        let line = printable(line);
        let _ = writeln!(streams.notes, "{begin}{line}{end}").and_then(|()| streams.notes.flush());
    }
}

impl fmt::Debug for Ui {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ui").field("colour", &self.colour).field("live", &self.live).finish_non_exhaustive()
    }
}

/// The time without a connection, told once however many dials fail in it.
#[derive(Debug, Default)]
pub struct Outage {
    lasts: bool,
}

impl Outage {
    pub fn lost(&mut self, ui: &Ui) {
        if !std::mem::replace(&mut self.lasts, true) {
            ui.note(Tone::Warning, "connection lost; reconnecting…");
        }
    }

    pub fn over(&mut self, ui: &Ui) {
        if std::mem::take(&mut self.lasts) {
            ui.note(Tone::Dim, "reconnected");
        }
    }
}

/// The shape and the colour that a state has everywhere.
pub fn aspect_mark(state: AspectState) -> (char, Color) {
    coloured(shown::aspect_mark(state))
}

pub fn dispatch_mark(state: DispatchState) -> (char, Color) {
    coloured(shown::dispatch_mark(state))
}

fn coloured((mark, hue): (char, Hue)) -> (char, Color) {
    let colour = match hue {
        Hue::Blue => Color::Blue,
        Hue::Green => Color::Green,
        Hue::Grey => Color::DarkGrey,
        Hue::Red => Color::Red,
        Hue::Yellow => Color::Yellow,
    };
    (mark, colour)
}
