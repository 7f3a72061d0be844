//! JSON Schemas of what agents and people bring: of the inputs and outputs of Hands, of flows, of skills.
//!
//! A check may run on the one thread that decides everything, so its cost is bounded before it begins: nothing is
//! fetched, no schema refers to itself, patterns run in linear time, and the schema's size with all references
//! followed times the value's size has a limit.

mod survey;

use std::fmt;
use std::sync::Arc;

use jsonschema::{PatternOptions, ValidationError, Validator};
use nexus_wire::limits::{FAULTS_TOLD_MAX, SCHEMA_BYTES_MAX};
use serde::Serialize;
use serde_json::Value;

/// Of schema nodes times value nodes.
const WORK_MAX: usize = 16_000_000;
/// Beyond this one fault is told, and the others are not looked for.
const WORK_TOLD_MAX: usize = 50_000;
/// So many bytes of text count as one more node.
const NODE_BYTES: usize = 16;
const PATTERN_BYTES_MAX: usize = 1024 * 1024;
const MESSAGE_CHARS_MAX: usize = 300;

/// What is wrong with a schema, or with a value by its schema: where, as a JSON pointer, and what.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct Fault {
    pub at: String,
    pub message: String,
}

impl Fault {
    fn new(at: &str, message: impl Into<String>) -> Self {
        Self { at: at.to_owned(), message: message.into() }
    }

    fn of(at: String, error: &ValidationError<'_>) -> Self {
        let message = error.to_string();
        let mut short: String = message.chars().take(MESSAGE_CHARS_MAX).collect();
        if short.len() < message.len() {
            short.push('…');
        }
        Self { at, message: short }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.at.is_empty() {
            f.write_str(&self.message)
        } else {
            write!(f, "at {}: {}", self.at, self.message)
        }
    }
}

/// A schema that is ready to judge. Equal when it was made of the same text.
#[derive(Clone)]
pub struct Schema {
    source: Value,
    nodes: usize,
    validator: Arc<Validator>,
}

impl fmt::Debug for Schema {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Schema").field(&self.source).finish()
    }
}

impl PartialEq for Schema {
    fn eq(&self, other: &Self) -> bool {
        self.source == other.source
    }
}

impl Schema {
    pub fn compile(source: &Value) -> Result<Self, Fault> {
        let bytes = source.to_string().len();
        if bytes > SCHEMA_BYTES_MAX {
            return Err(Fault::new("", format!("{bytes} bytes; {SCHEMA_BYTES_MAX} is the most")));
        }
        let nodes = survey::nodes(source)?;
        let patterns =
            PatternOptions::regex().size_limit(PATTERN_BYTES_MAX).dfa_size_limit(PATTERN_BYTES_MAX);
        let validator = jsonschema::options()
            .with_pattern_options(patterns)
            .should_validate_formats(false)
            .build(source)
            .map_err(|error| Fault::of(error.instance_path().to_string(), &error))?;
        Ok(Self { source: source.clone(), nodes, validator: Arc::new(validator) })
    }

    /// The first faults of `value`; none: it follows the schema.
    pub fn faults(&self, value: &Value) -> Vec<Fault> {
        let size = size_of(value);
        if self.nodes.saturating_mul(size) > WORK_MAX {
            let message = format!(
                "too large to be checked: {size} values and {} rules; their product may be {WORK_MAX}",
                self.nodes
            );
            return vec![Fault::new("", message)];
        }
        let told = |fault: ValidationError<'_>| Fault::of(fault.instance_path().to_string(), &fault);
        if self.nodes.saturating_mul(size) > WORK_TOLD_MAX {
            return self.validator.validate(value).err().map(told).into_iter().collect();
        }
        // Looks for all of them before it tells the first.
        self.validator.iter_errors(value).take(FAULTS_TOLD_MAX).map(told).collect()
    }
}

/// Values within `value`, itself included; long texts count for more.
fn size_of(value: &Value) -> usize {
    match value {
        Value::Null | Value::Bool(_) | Value::Number(_) => 1,
        Value::String(text) => 1 + text.len() / NODE_BYTES,
        Value::Array(items) => 1 + items.iter().map(size_of).sum::<usize>(),
        Value::Object(fields) => {
            1 + fields.iter().map(|(name, value)| name.len() / NODE_BYTES + size_of(value)).sum::<usize>()
        }
    }
}

/// The faults in one line.
pub fn listed(faults: &[Fault]) -> String {
    faults.iter().map(Fault::to_string).collect::<Vec<_>>().join("; ")
}

#[cfg(test)]
mod tests;
