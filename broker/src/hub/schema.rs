//! The JSON Schemas of Hands: which ones a registration may bring, and whether a value follows one.

use std::collections::BTreeMap;

use nexus_schema::{Fault, Schema};
use nexus_wire::hands::HandSpec;
use nexus_wire::name::HandName;
use nexus_wire::{AspectName, HandRef};
use serde_json::Value;

use super::records::AspectRecord;

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
