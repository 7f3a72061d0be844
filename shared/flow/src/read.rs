//! A file as a flow, or what is wrong with it and where.

use std::fmt;

use nexus_expr::Place;
use nexus_wire::flow::Flow;
use nexus_wire::limits::FLOW_BYTES_MAX;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::check::check;
use crate::node::Document;
use crate::{keys, toml, yaml};

/// What a flow is written in.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Format {
    Toml,
    Yaml,
}

impl Format {
    /// By the ending of a file's name.
    pub fn of(name: &str) -> Option<Self> {
        match name.rsplit_once('.')?.1 {
            "toml" => Some(Self::Toml),
            "yaml" | "yml" | "json" => Some(Self::Yaml),
            _ => None,
        }
    }
}

/// Something wrong with a file, at its place.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct Fault {
    pub place: Place,
    pub message: String,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.place.line, self.place.column, self.message)
    }
}

/// The same by its path, before its place is looked up.
#[derive(Clone, Debug)]
pub(crate) struct Wrong {
    pub(crate) path: String,
    pub(crate) of_key: bool,
    pub(crate) message: String,
}

/// Where the values of a file stand.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Places(Document);

impl Places {
    /// The place of what is at a path such as `do.ask.text` or `[2].at`, or of what it would be in.
    pub fn of(&self, path: &str) -> Place {
        self.0.spot(path).value
    }

    /// The same of its name, which is what is wrong with a field that there is not.
    pub fn of_key(&self, path: &str) -> Place {
        self.0.spot(path).key
    }
}

/// Something else that is written as flows are, and where its values stand.
pub fn read_as<T: DeserializeOwned>(
    text: &str,
    format: Format,
    bytes_max: usize,
) -> Result<(T, Places), Vec<Fault>> {
    let document = document(text, format, bytes_max)?;
    match serde_path_to_error::deserialize(&document.value) {
        Ok(value) => Ok((value, Places(document))),
        Err(error) => {
            let path = error.path().to_string();
            let path = if path == "." { String::new() } else { path };
            let message = error.into_inner().to_string();
            let of_key = message.starts_with("unknown field");
            Err(vec![placed(&document, Wrong { path, of_key, message }, None)])
        }
    }
}

fn document(text: &str, format: Format, bytes_max: usize) -> Result<Document, Vec<Fault>> {
    if text.len() > bytes_max {
        let message = format!("the file is {} bytes; {bytes_max} is the most", text.len());
        return Err(vec![Fault { place: Place { line: 1, column: 1 }, message }]);
    }
    let parsed = match format {
        Format::Toml => toml::document(text),
        Format::Yaml => yaml::document(text),
    };
    parsed.map_err(|error| vec![Fault { place: error.place, message: error.message }])
}

/// The flow, or every fault there is to be found, in the order of the file.
pub fn read(text: &str, format: Format) -> Result<Flow, Vec<Fault>> {
    let mut document = document(text, format, FLOW_BYTES_MAX)?;
    if !document.value.is_object() {
        let message = "a flow is an object that begins with its `id`".to_owned();
        return Err(vec![Fault { place: document.spot("").value, message }]);
    }
    one_group(&mut document.value);
    let wrong = keys::unknown(&document.value);
    if !wrong.is_empty() {
        let faults = wrong.into_iter().map(|wrong| placed(&document, wrong, None));
        return Err(in_order(faults.collect()));
    }
    let flow: Flow = match serde_path_to_error::deserialize(&document.value) {
        Ok(flow) => flow,
        Err(error) => {
            let path = error.path().to_string();
            let path = if path == "." { String::new() } else { path };
            let message = error.into_inner().to_string();
            let wrong = Wrong { path, of_key: false, message };
            return Err(vec![placed(&document, wrong, None)]);
        }
    };
    let problems = check(&flow);
    if problems.is_empty() {
        return Ok(flow);
    }
    let faults = problems.into_iter().map(|problem| {
        let wrong = Wrong { path: problem.path, of_key: false, message: problem.message };
        placed(&document, wrong, problem.within)
    });
    Err(in_order(faults.collect()))
}

/// One group may be written without a list around it.
fn one_group(flow: &mut Value) {
    if let Some(group) = flow.get_mut("concurrency_group").filter(|group| group.is_string()) {
        *group = Value::Array(vec![group.take()]);
    }
}

fn placed(document: &Document, wrong: Wrong, within: Option<Place>) -> Fault {
    let spot = document.spot(&wrong.path);
    let mut place = if wrong.of_key { spot.key } else { spot.value };
    let mut message = wrong.message;
    match within {
        Some(within) if spot.is_verbatim => {
            place.line += within.line - 1;
            place.column += within.column - 1;
        }
        Some(within) if within != (Place { line: 1, column: 1 }) => {
            message = format!("at {}:{} of this text: {message}", within.line, within.column);
        }
        Some(_) | None => {}
    }
    Fault { place, message }
}

fn in_order(mut faults: Vec<Fault>) -> Vec<Fault> {
    faults.sort();
    faults.dedup();
    faults
}
