//! A JSON file as text: where each of its values stands, and values without what cannot be read.
//!
//! Knows JSON; what the file is for is the caller's matter.

use std::collections::HashMap;
use std::path::PathBuf;

use jsonc_parser::ast;
use jsonc_parser::common::Ranged;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::fault::Fault;

#[derive(Debug)]
pub(super) struct Source {
    file: PathBuf,
    text: String,
    /// Byte offsets by path: `hands[0].timeout_s`.
    spots: HashMap<String, Spot>,
    /// The second and later ones of a name in an object.
    duplicates: Vec<(String, usize)>,
}

#[derive(Clone, Copy, Debug)]
struct Spot {
    /// Of the property's name; of the value where there is none.
    key: usize,
    value: usize,
}

impl Source {
    /// The text and its value. Not being JSON is the one fault that hides all others.
    pub(super) fn parse(file: PathBuf, text: String) -> Result<(Self, Value), Fault> {
        let mut source = Self { file, text, spots: HashMap::new(), duplicates: Vec::new() };
        let value = serde_json::from_str(&source.text).map_err(|error| {
            let said = error.to_string();
            // serde_json puts the position at the end; ours stands in front.
            let message = said.split(" at line ").next().unwrap_or_default();
            let at = Some((error.line().max(1), error.column().max(1)));
            Fault { at, ..Fault::of_file(&source.file, format!("this is not JSON: {message}")) }
        })?;
        let parsed = jsonc_parser::parse_to_ast(&source.text, &Default::default(), &Default::default());
        let mut index = Index::default();
        // Valid JSON is valid JSONC. Should the two ever differ, faults are told without their positions.
        if let Some(root) = parsed.as_ref().ok().and_then(|parsed| parsed.value.as_ref()) {
            index.value("", root.start(), root);
        }
        drop(parsed);
        source.spots = index.spots;
        source.duplicates = index.duplicates;
        Ok((source, value))
    }

    /// A fault at the value of `path`, or at what is nearest above it.
    pub(super) fn fault(&self, path: &str, message: impl Into<String>) -> Fault {
        self.fault_at(path, self.nearest(path).map(|spot| spot.value), message)
    }

    /// A fault at the name of a property.
    pub(super) fn fault_of_key(&self, path: &str, message: impl Into<String>) -> Fault {
        self.fault_at(path, self.nearest(path).map(|spot| spot.key), message)
    }

    /// A name that an object has twice; only one of them would count.
    pub(super) fn duplicates(&self) -> impl Iterator<Item = Fault> {
        self.duplicates
            .iter()
            .map(|(path, at)| self.fault_at(path, Some(*at), "stands here a second time; remove one of them"))
    }

    fn fault_at(&self, path: &str, offset: Option<usize>, message: impl Into<String>) -> Fault {
        Fault {
            file: self.file.clone(),
            at: offset.map(|offset| position(&self.text, offset)),
            field: path.to_owned(),
            message: message.into(),
        }
    }

    fn nearest(&self, path: &str) -> Option<Spot> {
        let mut path = path;
        loop {
            if let Some(spot) = self.spots.get(path) {
                return Some(*spot);
            }
            if path.is_empty() {
                return None;
            }
            path = &path[..path.rfind(['.', '[']).unwrap_or(0)];
        }
    }

    /// Reads `value`, leaving out what does not fit: each such part is a fault, and its default takes its place.
    pub(super) fn read<T: DeserializeOwned + Default>(&self, mut value: Value, faults: &mut Vec<Fault>) -> T {
        loop {
            let error = match serde_path_to_error::deserialize::<_, T>(value.clone()) {
                Ok(read) => return read,
                Err(error) => error,
            };
            let path: Vec<Step> = error.path().iter().filter_map(Step::of).collect();
            let shown = shown(&path);
            faults.push(self.fault(&shown, error.inner().to_string()));
            if !prune(&mut value, &path) {
                return T::default();
            }
        }
    }
}

/// A step of a path into a value.
enum Step {
    Key(String),
    Index(usize),
}

impl Step {
    fn of(segment: &serde_path_to_error::Segment) -> Option<Self> {
        use serde_path_to_error::Segment;
        match segment {
            Segment::Seq { index } => Some(Self::Index(*index)),
            Segment::Map { key } => Some(Self::Key(key.clone())),
            Segment::Enum { .. } | Segment::Unknown => None,
        }
    }
}

fn shown(path: &[Step]) -> String {
    path.iter().fold(String::new(), |path, step| match step {
        Step::Key(key) => join(&path, key),
        Step::Index(index) => format!("{path}[{index}]"),
    })
}

pub(super) fn join(path: &str, key: &str) -> String {
    if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") }
}

/// Takes the deepest property on the path out of its object; elements stay, or later ones would move.
fn prune(value: &mut Value, path: &[Step]) -> bool {
    let Some(last) = path.iter().rposition(|step| matches!(step, Step::Key(_))) else { return false };
    let (above, rest) = path.split_at(last);
    let inner = above.iter().try_fold(value, |value, step| match step {
        Step::Key(key) => value.get_mut(key),
        Step::Index(index) => value.get_mut(index),
    });
    match (inner.and_then(Value::as_object_mut), rest.first()) {
        (Some(object), Some(Step::Key(key))) => object.remove(key).is_some(),
        (_, Some(Step::Key(_) | Step::Index(_)) | None) => false,
    }
}

/// Line and column, both from 1; a column is a character.
fn position(text: &str, offset: usize) -> (usize, usize) {
    let before = text.get(..offset).unwrap_or(text);
    let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
    let line = before.bytes().filter(|byte| *byte == b'\n').count() + 1;
    (line, before[line_start..].chars().count() + 1)
}

#[derive(Default)]
struct Index {
    spots: HashMap<String, Spot>,
    duplicates: Vec<(String, usize)>,
}

impl Index {
    fn value(&mut self, path: &str, key: usize, value: &ast::Value<'_>) {
        self.spots.insert(path.to_owned(), Spot { key, value: value.start() });
        if let Some(object) = value.as_object() {
            for property in &object.properties {
                let path = join(path, property.name.as_str());
                if self.spots.contains_key(&path) {
                    self.duplicates.push((path.clone(), property.start()));
                }
                self.value(&path, property.start(), &property.value);
            }
        } else if let Some(array) = value.as_array() {
            for (at, element) in array.elements.iter().enumerate() {
                self.value(&format!("{path}[{at}]"), element.start(), element);
            }
        }
    }
}
