//! A file's values with their places, whatever it was written in.

use std::collections::BTreeMap;

use nexus_expr::Place;
use serde_json::{Map, Number, Value};

/// How deep a file nests.
pub(crate) const DEPTH_MAX: usize = 48;
/// Values in one file.
pub(crate) const NODES_MAX: usize = 16_384;

/// What cannot be read at all, and where.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Unreadable {
    pub(crate) place: Place,
    pub(crate) message: String,
}

impl Unreadable {
    pub(crate) fn new<T>(place: Place, message: impl Into<String>) -> Result<T, Self> {
        Err(Self { place, message: message.into() })
    }
}

/// Where something stands.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Spot {
    /// Of the key, and where there is none of the value.
    pub(crate) key: Place,
    pub(crate) value: Place,
    /// The text begins at `value` and is written as it is, each line from the same column on, so that a place in it
    /// is one in the file.
    pub(crate) is_verbatim: bool,
}

/// The values of a file, and where each stands by its path: `steps[1].do.ask.text`.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Document {
    pub(crate) value: Value,
    pub(crate) spots: BTreeMap<String, Spot>,
}

impl Document {
    /// The place of what is at `path`, or of what it would be in.
    pub(crate) fn spot(&self, path: &str) -> Spot {
        let mut path = path;
        loop {
            if let Some(spot) = self.spots.get(path) {
                return *spot;
            }
            if path.is_empty() {
                let start = Place { line: 1, column: 1 };
                return Spot { key: start, value: start, is_verbatim: false };
            }
            path = path.rfind(['.', '[']).map_or("", |cut| &path[..cut]);
        }
    }
}

pub(crate) fn join(path: &str, key: &str) -> String {
    if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") }
}

/// Builds a document from either reader.
#[derive(Debug, Default)]
pub(crate) struct Builder {
    spots: BTreeMap<String, Spot>,
}

impl Builder {
    pub(crate) fn note(&mut self, path: &str, spot: Spot) -> Result<(), Unreadable> {
        if self.spots.len() >= NODES_MAX {
            return Unreadable::new(spot.value, format!("more than {NODES_MAX} values in one file"));
        }
        self.spots.insert(path.to_owned(), spot);
        Ok(())
    }

    pub(crate) fn document(self, value: Value) -> Document {
        Document { value, spots: self.spots }
    }
}

pub(crate) fn deep(place: Place, depth: usize) -> Result<(), Unreadable> {
    if depth <= DEPTH_MAX {
        return Ok(());
    }
    Unreadable::new(place, format!("this nests deeper than {DEPTH_MAX}"))
}

/// A number with a point that JSON has, too.
pub(crate) fn fraction(text: &str) -> Option<Value> {
    text.parse().ok().and_then(Number::from_f64).map(Value::Number)
}

pub(crate) type Fields = Map<String, Value>;
