//! What keeps a figure from being measured: said in the table instead of the figure.

use std::fmt::Display;

use thiserror::Error;

#[derive(Debug, Error)]
#[error("{doing}: {cause}")]
pub(crate) struct Fault {
    doing: String,
    cause: String,
}

pub(crate) type Outcome<T> = Result<T, Fault>;

impl Fault {
    pub(crate) fn new(doing: impl Into<String>, cause: impl Display) -> Self {
        Self { doing: doing.into(), cause: cause.to_string() }
    }
}

/// Names what was being done when it went wrong.
pub(crate) trait Doing<T> {
    fn doing(self, what: impl Into<String>) -> Outcome<T>;
}

impl<T, E: Display> Doing<T> for Result<T, E> {
    fn doing(self, what: impl Into<String>) -> Outcome<T> {
        self.map_err(|error| Fault::new(what, error))
    }
}

impl<T> Doing<T> for Option<T> {
    fn doing(self, what: impl Into<String>) -> Outcome<T> {
        self.ok_or_else(|| Fault::new(what, "there is none"))
    }
}
