//! Finds keys nobody reads, at every depth, by the file's own JSON Schema; and the key that was meant.

use serde_json::{Map, Value};

use super::fault::Fault;
use super::source::{Source, join};

/// Takes unknown keys out of `value`, and what should be an object and is none, with a fault for each. Says
/// whether something is left.
pub(super) fn remove_unknown(
    source: &Source,
    schema: &Value,
    value: &mut Value,
    faults: &mut Vec<Fault>,
) -> bool {
    Walk { source, root: schema, faults }.value("", schema, value)
}

struct Walk<'a> {
    source: &'a Source,
    root: &'a Value,
    faults: &'a mut Vec<Fault>,
}

impl<'a> Walk<'a> {
    /// Whether to keep the value.
    fn value(&mut self, path: &str, schema: &'a Value, value: &mut Value) -> bool {
        let schema = resolved(self.root, schema);
        if let Some(known) = schema.get("properties").and_then(Value::as_object) {
            let closed = schema.get("additionalProperties") == Some(&Value::Bool(false));
            let Some(object) = value.as_object_mut() else {
                self.faults.push(self.source.fault(path, "this has to be an object: { … }"));
                return false;
            };
            object.retain(|key, inner| self.property(&join(path, key), known, closed, key, inner));
        } else if let (Some(items), Some(elements)) = (schema.get("items"), value.as_array_mut()) {
            // Dropping one element would move the others, so then the list goes as a whole.
            return elements.iter_mut().enumerate().fold(true, |good, (at, element)| {
                self.value(&format!("{path}[{at}]"), items, element) && good
            });
        }
        true
    }

    fn property(
        &mut self,
        path: &str,
        known: &'a Map<String, Value>,
        closed: bool,
        key: &str,
        value: &mut Value,
    ) -> bool {
        if let Some(schema) = known.get(key) {
            return self.value(path, schema, value);
        }
        if closed {
            let names = known.keys().map(String::as_str);
            let message = format!("there is no such setting; {}", instead(key, names));
            self.faults.push(self.source.fault_of_key(path, message));
        }
        !closed
    }
}

/// Follows references and looks past the alternative `null`.
fn resolved<'a>(root: &'a Value, schema: &'a Value) -> &'a Value {
    let alternative = || {
        let alternatives = schema.get("anyOf")?.as_array()?;
        alternatives.iter().find(|schema| schema.get("type") != Some(&Value::String("null".to_owned())))
    };
    let reference = schema.get("$ref").and_then(Value::as_str).and_then(|to| to.strip_prefix('#'));
    match reference.and_then(|pointer| root.pointer(pointer)).or_else(alternative) {
        Some(schema) => resolved(root, schema),
        None => schema,
    }
}

/// What to write in the place of `given`.
pub(super) fn instead<'a>(given: &str, known: impl Iterator<Item = &'a str> + Clone) -> String {
    let near = known
        .clone()
        .map(|name| (strsim::damerau_levenshtein(given, name), name))
        .min()
        .filter(|(distance, name)| *distance <= 1 + name.len() / 3);
    match near {
        Some((_, name)) => format!("did you mean {name:?}?"),
        None => format!("known are {}", known.collect::<Vec<_>>().join(", ")),
    }
}
