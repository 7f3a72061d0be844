//! Names that cannot be there, found before anything runs.

use std::collections::BTreeMap;
use std::fmt;

use crate::Place;
use crate::parse::{Node, Part, Path};

/// What is known of a value beforehand.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Shape {
    /// It may be anything.
    Any,
    /// An object with these fields and no others.
    Fields(BTreeMap<String, Self>),
}

impl Shape {
    pub fn fields<'a>(fields: impl IntoIterator<Item = (&'a str, Self)>) -> Self {
        Self::Fields(fields.into_iter().map(|(name, shape)| (name.to_owned(), shape)).collect())
    }
}

/// A name that nothing has.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Missing {
    /// Where its path begins.
    pub place: Place,
    /// As far as it was understood, and the name that is not there.
    pub path: String,
    /// What there is instead, by name.
    pub known: Vec<String>,
}

impl fmt::Display for Missing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = self.path.rsplit('.').next().unwrap_or_default();
        write!(f, "there is no `{}`; {}", self.path, instead(name, self.known.iter().map(String::as_str)))
    }
}

/// What to write in the place of `given`.
fn instead<'a>(given: &str, known: impl Iterator<Item = &'a str> + Clone) -> String {
    let distances = known.clone().map(|name| (strsim::damerau_levenshtein(given, name), name));
    match distances.min().filter(|(distance, name)| *distance <= 1 + name.len() / 3) {
        Some((_, name)) => format!("did you mean `{name}`?"),
        None => match known.collect::<Vec<_>>().join(", ") {
            none if none.is_empty() => "there is nothing to name here".to_owned(),
            known => format!("known are {known}"),
        },
    }
}

pub(crate) fn node(of: &Node, shape: &Shape, missing: &mut Vec<Missing>) {
    match of {
        Node::Literal(_) => {}
        Node::List(items) => items.iter().for_each(|item| node(item, shape, missing)),
        Node::Path(path) | Node::Has(path) => in_path(path, shape, missing),
        Node::Default(path, otherwise) => {
            in_path(path, shape, missing);
            node(otherwise, shape, missing);
        }
        Node::Not(inner) | Node::Len(inner) => node(inner, shape, missing),
        Node::Both(_, left, right) | Node::Compare(_, left, right) => {
            node(left, shape, missing);
            node(right, shape, missing);
        }
    }
}

fn in_path(path: &Path, shape: &Shape, missing: &mut Vec<Missing>) {
    let root = Part::Name(path.root.clone());
    let mut at = shape;
    for (depth, part) in std::iter::once(&root).chain(&path.parts).enumerate() {
        let Shape::Fields(fields) = at else { return };
        let found = match part {
            Part::Name(name) => fields.get(name),
            Part::Index(_) => None,
        };
        let Some(found) = found else {
            let known = fields.keys().cloned().collect();
            missing.push(Missing { place: path.place, path: path.shown(depth), known });
            return;
        };
        at = found;
    }
}
