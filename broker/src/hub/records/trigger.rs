//! Triggers, and what became of each of their slots.

use nexus_wire::trigger::{SlotState, SlotWork, TriggerInfo, TriggerSlot, TriggerStatus};
use nexus_wire::{AspectName, ItemId, Ms, Party, RunId, TriggerId, TriggerName, derive};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// A trigger with what its rules need to know of it.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct TriggerRecord {
    pub info: TriggerInfo,
    /// What webhooks are signed with, the one that is good first; and what was before, while it is good as well.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub secrets: Vec<Sealed>,
    /// Slots up to here are skipped, and why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub void: Option<Void>,
    /// What has led to its last slot, itself left out: triggers that set each other off.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub lineage: Vec<TriggerName>,
    /// The minute in which events fired it last, and how often.
    #[serde(default)]
    pub rate: Rate,
}

/// Nonce, ciphertext and tag in Base64; what opens it is not here.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Sealed {
    pub sealed: String,
    /// Absent: until another one takes its place.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Ms>,
}

#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Void {
    pub until: Ms,
    pub reason: String,
}

#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub struct Rate {
    pub minute: Ms,
    pub count: u32,
}

impl Rate {
    /// With one more in `minute`.
    pub fn counted(self, minute: Ms) -> Self {
        let before = if self.minute == minute { self.count } else { 0 };
        Self { minute, count: before + 1 }
    }
}

impl TriggerRecord {
    pub fn name(&self) -> &TriggerName {
        &self.info.definition.name
    }

    pub fn is_active(&self) -> bool {
        self.info.status == TriggerStatus::Active
    }

    pub fn is_done(&self) -> bool {
        self.info.status == TriggerStatus::Done
    }
}

/// A slot with what is needed to work on it.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct SlotRecord {
    pub trigger: TriggerId,
    pub name: TriggerName,
    pub slot: TriggerSlot,
    /// What it is given to work with; gone when it has ended.
    #[serde(default, skip_serializing_if = "Value::is_null")]
    pub payload: Value,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub lineage: Vec<TriggerName>,
    /// Who was asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub asked: Option<AspectName>,
    /// There was no room for its work. It stands in line until it is called, which is when it is due.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub waits_for: Option<Room>,
    /// Since when, if it stands where one stood that it has replaced.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub waits_since: Option<Ms>,
}

/// Where there has to be room for what a slot sets to work.
#[derive(Clone, Debug, Deserialize, Eq, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Room {
    /// Among the dispatches of this owner that wait.
    Dispatches(Party),
    /// Among the runs that have not ended.
    Runs,
}

/// What tells that the work of a slot has ended.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Watched {
    Dispatch(nexus_wire::DispatchId),
    Item(ItemId),
    Run(RunId),
}

impl SlotRecord {
    pub fn is_open(&self) -> bool {
        !self.slot.state.is_end()
    }

    /// `None`: nothing of it is at work.
    pub fn watched(&self) -> Option<Watched> {
        if self.slot.state != SlotState::Running {
            return None;
        }
        match (self.slot.work?, &self.asked) {
            (SlotWork::Dispatch(id), _) => Some(Watched::Dispatch(id)),
            (SlotWork::Message(id), Some(asked)) => Some(Watched::Item(derive::message_item(id, asked))),
            (SlotWork::Message(_), None) => None,
            (SlotWork::Run(id), _) => Some(Watched::Run(id)),
        }
    }
}
