//! What is wrong with a home, said so that it can be put right: the place, the field, what to do.

use std::fmt;
use std::path::PathBuf;

use thiserror::Error;

/// One fault. `Display` is `file:line:column: field: message`, which editors and terminals make clickable.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct Fault {
    pub file: PathBuf,
    /// Line and column, from 1; absent for a file that is not there.
    pub at: Option<(usize, usize)>,
    /// `hands[0].timeout_s`; empty when it is about the file.
    pub field: String,
    pub message: String,
}

impl Fault {
    pub(crate) fn of_file(file: impl Into<PathBuf>, message: impl Into<String>) -> Self {
        Self { file: file.into(), at: None, field: String::new(), message: message.into() }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:", self.file.display())?;
        if let Some((line, column)) = self.at {
            write!(f, "{line}:{column}:")?;
        }
        if !self.field.is_empty() {
            write!(f, " {}:", self.field)?;
        }
        write!(f, " {}", self.message)
    }
}

/// Everything that is wrong with a home, in the order of its files.
#[derive(Clone, Debug, Eq, Error, PartialEq)]
pub struct Faults(pub Vec<Fault>);

impl fmt::Display for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, fault) in self.0.iter().enumerate() {
            let gap = if at == 0 { "" } else { "\n" };
            write!(f, "{gap}{fault}")?;
        }
        Ok(())
    }
}
