//! What a command that looks has found: to be printed once, or drawn again and again.

use serde::Serialize;

use crate::Run;
use crate::failure::Failure;
use crate::ui::{Shape, Tone};

#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(crate) struct Page {
    /// For the result: rows for people, or what the broker said for programs.
    pub(crate) text: String,
    /// The same for programs that are given one after the other.
    pub(crate) line: Option<String>,
    /// What is said beside it.
    pub(crate) notes: Vec<(Tone, String)>,
}

impl Page {
    /// `empty` says so when there is nothing, and what to do next.
    pub(crate) fn of(
        run: &Run,
        value: &impl Serialize,
        empty: Option<&str>,
        rows: impl FnOnce() -> String,
    ) -> Result<Self, Failure> {
        Ok(match (run.ui.shape(), empty) {
            (Shape::Data, _) => {
                let line = Some(run.ui.data_line(value)?);
                Self { text: run.ui.data_text(value)?, line, notes: Vec::new() }
            }
            (Shape::Text, Some(empty)) => {
                Self { notes: vec![(Tone::Plain, empty.to_owned())], ..Self::default() }
            }
            (Shape::Text, None) => Self { text: rows(), ..Self::default() },
        })
    }

    #[must_use]
    pub(crate) fn noting(mut self, tone: Tone, note: Option<String>) -> Self {
        self.notes.extend(note.map(|note| (tone, note)));
        self
    }

    /// Says how the next page is asked for, if there is one.
    #[must_use]
    pub(crate) fn going_on(self, flag: &str, next: Option<impl std::fmt::Display>) -> Self {
        self.noting(Tone::Dim, next.map(|next| format!("there are more; go on with {flag} {next}")))
    }

    pub(crate) fn print(&self, run: &Run) -> Result<(), Failure> {
        if !self.text.is_empty() {
            run.ui.result(&self.text)?;
        }
        for (tone, note) in &self.notes {
            run.ui.note(*tone, note);
        }
        Ok(())
    }
}
