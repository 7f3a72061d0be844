//! Alerts: what an operator has to know of, each once however often its cause is seen.

use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::Ms;
use crate::name::Party;

macro_rules! kinds {
    ($($(#[$doc:meta])* $variant:ident = $text:literal, $nature:ident, $severity:ident;)*) => {
        /// What an alert is about. A *condition* is cleared when it is over; an *event* when it is acknowledged.
        #[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, JsonSchema, Ord, PartialEq, PartialOrd, Serialize)]
        #[serde(rename_all = "snake_case")]
        pub enum AlertKind {
            $($(#[$doc])* $variant,)*
        }

        impl AlertKind {
            pub const ALL: &[Self] = &[$(Self::$variant,)*];

            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text,)* }
            }

            pub fn nature(self) -> AlertNature {
                match self { $(Self::$variant => AlertNature::$nature,)* }
            }

            pub fn severity(self) -> AlertSeverity {
                match self { $(Self::$variant => AlertSeverity::$severity,)* }
            }
        }
    };
}

/// What ends an alert.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum AlertNature {
    /// It is over when what is wrong is.
    #[default]
    Condition,
    /// It has happened, and is over once somebody has acknowledged it.
    Event,
}

/// How much somebody is needed, the worst first.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, JsonSchema, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum AlertSeverity {
    /// Work stands still, or may be lost, until somebody does something about it.
    Urgent,
    #[default]
    Warning,
    /// It has happened, and work goes on.
    Note,
}

kinds! {
    /// Something an aspect asked people for has waited for long.
    ApprovalWaiting = "approval_waiting", Condition, Warning;
    /// An aspect's socket answers and its delivered items stay unacknowledged.
    AspectDeaf = "aspect_deaf", Condition, Warning;
    /// The process of an aspect that the broker runs ends soon after each start, or cannot be started.
    AspectFailing = "aspect_failing", Condition, Urgent;
    /// An aspect of the expected roster is not registered.
    AspectMissing = "aspect_missing", Condition, Warning;
    /// An aspect's turn makes no progress.
    AspectStalled = "aspect_stalled", Condition, Warning;
    /// The result of a dispatch used more than its budget.
    BudgetExceeded = "budget_exceeded", Event, Note;
    /// A budget is used up, so that work waits for its next day or month.
    BudgetSpent = "budget_spent", Condition, Urgent;
    /// The broker's time and its machine's clock differ.
    ClockOff = "clock_off", Condition, Warning;
    /// Little room is left on the disk of the broker.
    DiskLow = "disk_low", Condition, Urgent;
    /// Nobody takes what is pushed to an address, so nothing more is.
    PushGivenUp = "push_given_up", Event, Note;
    /// A run of a flow has failed, and none of that flow has come to something since.
    RunFailed = "run_failed", Event, Warning;
    /// A run of a flow is done, and the output that the flow promises is null.
    RunWithoutOutput = "run_without_output", Event, Note;
    /// An aspect cannot go on with one of its sessions.
    SessionStuck = "session_stuck", Event, Urgent;
    /// The files of an aspect's home cannot be used as they are.
    SettingsBroken = "settings_broken", Condition, Warning;
    /// Somebody has stopped all spending for today.
    SpendingStopped = "spending_stopped", Condition, Urgent;
    /// The database cannot be written, or does not say what was written.
    Storage = "storage", Condition, Urgent;
    /// A tenant of this broker is not served, or cannot write its database.
    TenantDown = "tenant_down", Condition, Urgent;
    /// The loop guard paused a thread.
    ThreadPaused = "thread_paused", Condition, Warning;
    /// A trigger was paused because it does not work.
    TriggerPaused = "trigger_paused", Condition, Urgent;
    /// What is at the address of a watch, or in its folder, cannot be seen.
    WatchFailing = "watch_failing", Condition, Warning;
    /// Work for a Hand has waited for long, and nobody has begun it.
    WorkWaiting = "work_waiting", Condition, Warning;
    /// A worker was lost and its dispatch failed for it.
    WorkerLost = "worker_lost", Event, Warning;
    /// Something in a file of the workspace keeps it from being loaded.
    WorkspaceFault = "workspace_fault", Condition, Warning;
}

/// Not the word of any kind.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("there is no alert kind {0:?}")]
pub struct UnknownAlertKind(pub String);

impl FromStr for AlertKind {
    type Err = UnknownAlertKind;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .iter()
            .copied()
            .find(|kind| kind.as_str() == text)
            .ok_or_else(|| UnknownAlertKind(text.to_owned()))
    }
}

impl std::fmt::Display for AlertKind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

/// An alert as it stands.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
pub struct Alert {
    /// `<kind>/<subject>`: the same cause has the same key.
    pub key: String,
    pub kind: AlertKind,
    #[serde(default)]
    pub severity: AlertSeverity,
    #[serde(default)]
    pub nature: AlertNature,
    /// An aspect, a Hand, a thread …, or empty.
    pub subject: String,
    /// What is wrong and what to do.
    pub message: String,
    /// The log entry that raised it last.
    pub seq: u64,
    pub raised_at: Ms,
    /// How often it was raised, with another message or anew after it was cleared.
    pub times: u32,
    /// Absent while it is open.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cleared_at: Option<Ms>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub acked_at: Option<Ms>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub acked_by: Option<Party>,
}

impl Alert {
    pub fn key_of(kind: AlertKind, subject: &str) -> String {
        format!("{kind}/{subject}")
    }
}

/// `alert.ack`: somebody has seen it. An alert about an event is cleared by it.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
pub struct AlertAck {
    pub key: String,
}

/// `alert.list`: the latest raised first.
#[derive(Clone, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
pub struct AlertList {
    /// Also those that were cleared.
    #[serde(default)]
    pub all: bool,
    /// Only those with a smaller `seq`: the last of the page before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<u32>,
}

#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
pub struct AlertPage {
    pub alerts: Vec<Alert>,
    pub more: bool,
}

#[derive(Clone, Copy, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum AlertChange {
    Raised,
    Cleared,
    Acknowledged,
}

/// What the log says of an alert.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
pub struct AlertNote {
    pub change: AlertChange,
    pub key: String,
    pub kind: AlertKind,
    pub subject: String,
    pub message: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kind_is_one_word_everywhere() {
        for kind in AlertKind::ALL {
            assert_eq!(serde_json::to_value(kind).ok(), Some(kind.as_str().into()));
            assert_eq!(kind.as_str().parse(), Ok(*kind));
        }
        assert_eq!("fire".parse::<AlertKind>(), Err(UnknownAlertKind("fire".into())));
    }
}
