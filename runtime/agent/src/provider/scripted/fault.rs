//! Where in `script.toml` something stands, and what is said when it is wrong.

use std::ops::Range;
use std::path::PathBuf;

use thiserror::Error;

#[derive(Debug, Error)]
pub enum ScriptError {
    #[error("cannot read {}: {source}", path.display())]
    Read { path: PathBuf, source: std::io::Error },
    #[error("{}:{fault}", path.display())]
    Fault { path: PathBuf, fault: Fault },
}

/// What is wrong at one place of a script, and what to do about it.
#[derive(Clone, Debug, Eq, Error, PartialEq)]
#[error("{at}: {message}")]
pub struct Fault {
    pub at: At,
    pub message: String,
}

/// A place in the file, counted from 1.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct At {
    pub line: usize,
    pub column: usize,
}

impl std::fmt::Display for At {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}", self.line, self.column)
    }
}

impl At {
    pub(super) fn fault(self, message: impl Into<String>) -> Fault {
        Fault { at: self, message: message.into() }
    }
}

/// The text of a script, to find places in.
#[derive(Clone, Copy, Debug)]
pub(super) struct Source<'a>(pub(super) &'a str);

impl Source<'_> {
    pub(super) fn at(self, offset: usize) -> At {
        let before = self.0.get(..offset).unwrap_or(self.0);
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        At { line: before.matches('\n').count() + 1, column: before[line_start..].chars().count() + 1 }
    }

    /// Where the text of a TOML string begins: after its quotes, and after the newline a long string may have
    /// there, so that a template's own line numbers can be added to it.
    pub(super) fn text_at(self, span: Range<usize>) -> At {
        let literal = self.0.get(span.clone()).unwrap_or_default();
        let long = literal.starts_with("\"\"\"") || literal.starts_with("'''");
        let mut offset = span.start + if long { 3 } else { 1 };
        let rest = self.0.get(offset..).unwrap_or_default();
        if long {
            offset += if rest.starts_with("\r\n") { 2 } else { usize::from(rest.starts_with('\n')) };
        }
        self.at(offset)
    }

    pub(super) fn toml_fault(self, error: &toml::de::Error) -> Fault {
        let at = self.at(error.span().map_or(0, |span| span.start));
        at.fault(error.message().replace('\n', " "))
    }
}
