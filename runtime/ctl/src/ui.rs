//! The two streams a person or a program reads: results on one, everything else on the other.

use std::fmt;
use std::io::{self, IsTerminal as _, Write};
use std::sync::{Arc, Mutex, PoisonError};

pub use nexus_operator::shown::{Hue, aspect_mark, dispatch_mark, printable, shortened};

use crate::cli::Output;
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

/// What a terminal is told to write in a colour.
pub fn begin(hue: Hue) -> &'static str {
    match hue {
        Hue::Blue => "\u{1b}[34m",
        Hue::Green => "\u{1b}[32m",
        Hue::Grey => "\u{1b}[90m",
        Hue::Red => "\u{1b}[31m",
        Hue::Yellow => "\u{1b}[33m",
    }
}

/// For whom results are written.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Shape {
    /// People.
    Text,
    /// Programs.
    Data,
}

/// Where a command writes to. Clones write to the same streams.
#[derive(Clone)]
pub struct Ui {
    streams: Arc<Mutex<Streams>>,
    output: Output,
    pub colour: bool,
    /// Results are read by a person as they come.
    pub live: bool,
    /// Notes are, too.
    pub attended: bool,
    /// Columns of the terminal that results go to.
    width: Option<usize>,
}

struct Streams {
    results: Box<dyn Write + Send>,
    notes: Box<dyn Write + Send>,
}

impl Ui {
    /// The process's own streams.
    pub fn of_process(colour_wanted: bool) -> Self {
        let (live, attended) = (io::stdout().is_terminal(), io::stderr().is_terminal());
        Self {
            streams: Arc::new(Mutex::new(Streams {
                results: Box::new(io::stdout()),
                notes: Box::new(io::stderr()),
            })),
            output: Output::Table,
            colour: colour_wanted && live && attended,
            live,
            attended,
            width: None,
        }
    }

    /// Results in the form that was asked for.
    #[must_use]
    pub fn formed(self, output: Output) -> Self {
        Self { output, ..self }
    }

    /// A terminal of so many columns; without it the process's own is asked.
    #[must_use]
    pub fn sized(self, width: usize) -> Self {
        Self { width: Some(width), ..self }
    }

    pub fn shape(&self) -> Shape {
        match self.output {
            Output::Table | Output::Wide => Shape::Text,
            Output::Json | Output::Yaml => Shape::Data,
        }
    }

    /// Columns that a line has room for. Nothing is cut for programs that read tables, nor where all was asked for.
    pub fn room(&self) -> Option<usize> {
        match self.output {
            Output::Wide => None,
            Output::Json | Output::Table | Output::Yaml => self.columns(),
        }
    }

    /// Whether all columns were asked for.
    pub fn is_wide(&self) -> bool {
        self.output == Output::Wide
    }

    fn columns(&self) -> Option<usize> {
        self.width.or_else(|| self.live.then(size)?.map(|(columns, _)| columns))
    }

    /// Streams of a test's own.
    pub fn of(results: impl Write + Send + 'static, notes: impl Write + Send + 'static) -> Self {
        let streams = Streams { results: Box::new(results), notes: Box::new(notes) };
        Self {
            streams: Arc::new(Mutex::new(streams)),
            output: Output::Table,
            colour: false,
            live: false,
            attended: false,
            width: None,
        }
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

    /// Writes the result for a program.
    pub fn data(&self, value: &impl serde::Serialize) -> Result<(), Failure> {
        self.result(&self.data_text(value)?)
    }

    /// As it would be written: JSON, unless YAML was asked for.
    pub fn data_text(&self, value: &impl serde::Serialize) -> Result<String, Failure> {
        let failed =
            |error: &dyn fmt::Display| Failure::Failed(format!("the result cannot be shown: {error}"));
        match self.output {
            Output::Yaml => yaml(value).map_err(|error| failed(&error)),
            Output::Json | Output::Table | Output::Wide => {
                let text = serde_json::to_string_pretty(value).map_err(|error| failed(&error))?;
                Ok(text + "\n")
            }
        }
    }

    /// One of many results that follow each other: a line of JSON, or a document of YAML.
    pub fn data_line(&self, value: &impl serde::Serialize) -> Result<String, Failure> {
        match self.output {
            Output::Yaml => Ok(format!("---\n{}", self.data_text(value)?)),
            Output::Json | Output::Table | Output::Wide => serde_json::to_string(value)
                .map(|text| text + "\n")
                .map_err(|error| Failure::Failed(format!("the result cannot be shown: {error}"))),
        }
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

/// Columns and lines of the terminal that results go to.
pub fn size() -> Option<(usize, usize)> {
    let (columns, lines) = terminal_size::terminal_size_of(io::stdout())?;
    Some((usize::from(columns.0), usize::from(lines.0)))
}
/// YAML in which a choice is written as it stands in JSON, and not as a tag.
pub fn yaml(value: &impl serde::Serialize) -> Result<String, serde_yaml_ng::Error> {
    let mut text = Vec::new();
    let mut serializer = serde_yaml_ng::Serializer::new(&mut text);
    serde_yaml_ng::with::singleton_map_recursive::serialize(value, &mut serializer)?;
    Ok(String::from_utf8_lossy(&text).into_owned())
}

#[cfg(test)]
mod tests {
    use nexus_wire::flow::{FlowStep, StepAct, StepWait};

    use super::*;

    #[test]
    fn what_is_shown_of_a_flow_can_be_put_again() {
        let wait = StepAct::Wait(StepWait { event: None, seconds: Some(1), until: None });
        let text = yaml(&wait).expect("YAML");
        assert_eq!(text, "wait:\n  seconds: 1\n");
        let step = "id: a\ndo: { wait: { seconds: 1 } }\non_error: continue\n";
        let read: FlowStep = serde_yaml_ng::with::singleton_map_recursive::deserialize(
            serde_yaml_ng::Deserializer::from_str(step),
        )
        .expect("a step");
        assert_eq!(yaml(&read).expect("YAML"), "id: a\ndo:\n  wait:\n    seconds: 1\non_error: continue\n");
    }
}
