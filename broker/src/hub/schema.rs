//! The JSON Schemas of Hands: which ones a registration may bring, and whether a value follows one.
//!
//! A check runs on the one thread that decides everything, so its cost is bounded before it begins: nothing is
//! fetched, no schema refers to itself, patterns run in linear time, and the schema's size with all references
//! followed times the value's size has a limit.

mod survey;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use jsonschema::{PatternOptions, ValidationError, Validator};
use nexus_wire::hands::HandSpec;
use nexus_wire::limits::{FAULTS_TOLD_MAX, SCHEMA_BYTES_MAX};
use nexus_wire::name::HandName;
use nexus_wire::{AspectName, HandRef};
use serde::Serialize;
use serde_json::Value;

use super::inbox::json_bytes;
use super::records::AspectRecord;

/// Of schema nodes times value nodes.
const WORK_MAX: usize = 16_000_000;
/// So many bytes of text count as one more node.
const NODE_BYTES: usize = 16;
const PATTERN_BYTES_MAX: usize = 1024 * 1024;
const MESSAGE_CHARS_MAX: usize = 300;

/// What is wrong with a schema, or with a value by its schema: where, as a JSON pointer, and what.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub(super) struct Fault {
    pub(super) at: String,
    pub(super) message: String,
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
pub(super) struct Schema {
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
    pub(super) fn compile(source: &Value) -> Result<Self, Fault> {
        let bytes = json_bytes(source);
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
    pub(super) fn faults(&self, value: &Value) -> Vec<Fault> {
        let size = size_of(value);
        if self.nodes.saturating_mul(size) > WORK_MAX {
            let message = format!(
                "too large to be checked: {size} values and {} rules; their product may be {WORK_MAX}",
                self.nodes
            );
            return vec![Fault::new("", message)];
        }
        if self.validator.is_valid(value) {
            return Vec::new();
        }
        let told = |fault: ValidationError<'_>| Fault::of(fault.instance_path().to_string(), &fault);
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

/// Which of a Hand's two schemas.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Side {
    Input,
    Output,
}

impl Side {
    pub(super) fn field(self) -> &'static str {
        match self {
            Self::Input => "input_schema",
            Self::Output => "output_schema",
        }
    }

    fn of(self, spec: &HandSpec) -> Option<&Value> {
        match self {
            Self::Input => spec.input_schema.as_ref(),
            Self::Output => spec.output_schema.as_ref(),
        }
    }
}

/// Those of one Hand.
#[derive(Clone, Debug, Default, PartialEq)]
struct Pair {
    input: Option<Schema>,
    output: Option<Schema>,
}

/// A schema that no registration may bring.
#[derive(Debug)]
pub(super) struct BadSchema {
    pub(super) hand: HandName,
    pub(super) side: Side,
    pub(super) fault: Fault,
}

/// The compiled schemas of one aspect's Hands: a function of what it registered with.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Compiled(BTreeMap<HandName, Pair>);

impl Compiled {
    pub(super) fn of(hands: &[HandSpec]) -> Result<Self, BadSchema> {
        let mut compiled = BTreeMap::new();
        for spec in hands {
            let side = |side: Side| {
                let bad = |fault| BadSchema { hand: spec.name.clone(), side, fault };
                side.of(spec).map(Schema::compile).transpose().map_err(bad)
            };
            let pair = Pair { input: side(Side::Input)?, output: side(Side::Output)? };
            if pair != Pair::default() {
                compiled.insert(spec.name.clone(), pair);
            }
        }
        Ok(Self(compiled))
    }
}

/// Those of the whole team.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Schemas(BTreeMap<AspectName, Compiled>);

impl Schemas {
    /// Of aspects as they were stored. One whose schemas were let in by other rules is not checked until it
    /// registers again.
    pub(super) fn of<'a>(aspects: impl Iterator<Item = &'a AspectRecord>) -> Self {
        let mut schemas = Self::default();
        for record in aspects {
            schemas.put(&record.name, Compiled::of(&record.profile.hands).unwrap_or_default());
        }
        schemas
    }

    pub(super) fn put(&mut self, aspect: &AspectName, compiled: Compiled) {
        if compiled == Compiled::default() {
            self.0.remove(aspect);
        } else {
            self.0.insert(aspect.clone(), compiled);
        }
    }

    /// What `hand` has against a value; nothing when it has no schema.
    pub(super) fn faults(&self, hand: &HandRef, side: Side, value: &Value) -> Vec<Fault> {
        let pair = self.0.get(&hand.aspect).and_then(|compiled| compiled.0.get(&hand.hand));
        let schema = pair.and_then(|pair| match side {
            Side::Input => pair.input.as_ref(),
            Side::Output => pair.output.as_ref(),
        });
        schema.map(|schema| schema.faults(value)).unwrap_or_default()
    }
}

/// The faults in one line.
pub(super) fn listed(faults: &[Fault]) -> String {
    faults.iter().map(Fault::to_string).collect::<Vec<_>>().join("; ")
}

#[cfg(test)]
mod tests;
