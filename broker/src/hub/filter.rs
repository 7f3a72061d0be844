//! Which entries of the log somebody wants to see. Told of an entry and asked of a store, it says the same.

use nexus_wire::alert::AlertChange;
use nexus_wire::log::{LogBody, LogEntry, Subscribe};
use nexus_wire::{Party, ThreadId};

/// Everything that is not named is let through.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct LogFilter {
    pub thread: Option<ThreadId>,
    /// As a row of the log names them; empty: all.
    pub kinds: Vec<String>,
    pub by: Option<Party>,
}

impl LogFilter {
    pub fn of(subscribe: &Subscribe) -> Self {
        Self::waiting(&subscribe.kinds, subscribe.by.as_ref(), subscribe.thread)
    }

    /// Of what a trigger or a step waits for.
    pub(super) fn waiting(kinds: &[String], by: Option<&Party>, thread: Option<ThreadId>) -> Self {
        Self { thread, kinds: kinds.iter().flat_map(|kind| kinds_of(kind)).collect(), by: by.cloned() }
    }

    pub fn matches(&self, entry: &LogEntry) -> bool {
        (self.thread.is_none() || self.thread == entry.thread)
            && self.by.as_ref().is_none_or(|by| *by == entry.actor)
            && (self.kinds.is_empty() || self.kinds.iter().any(|kind| kind == kind_of(&entry.body)))
    }
}

impl From<Option<ThreadId>> for LogFilter {
    fn from(thread: Option<ThreadId>) -> Self {
        Self { thread, ..Self::default() }
    }
}

/// What a row of the log calls it.
pub fn kind_of(body: &LogBody) -> &str {
    match body {
        LogBody::Message(_) => "message",
        LogBody::ItemClosed(_) => "item.closed",
        LogBody::ItemTaken(_) => "item.taken",
        LogBody::Reacted(_) => "reacted",
        LogBody::DispatchAccepted(_) => "dispatch.accepted",
        LogBody::DispatchAssigned { .. } => "dispatch.assigned",
        LogBody::DispatchEnded(_) => "dispatch.ended",
        LogBody::Alert(note) => match note.change {
            AlertChange::Raised => "alert.raised",
            AlertChange::Cleared => "alert.cleared",
            AlertChange::Acknowledged => "alert.acknowledged",
        },
        LogBody::Other { kind, .. } => kind,
    }
}

/// The rows a kind on the wire stands for.
fn kinds_of(kind: &str) -> Vec<String> {
    let rows: &[&str] = match kind {
        "item_closed" => &["item.closed"],
        "item_taken" => &["item.taken"],
        "dispatch_accepted" => &["dispatch.accepted"],
        "dispatch_assigned" => &["dispatch.assigned"],
        "dispatch_ended" => &["dispatch.ended"],
        "alert" => &["alert.raised", "alert.cleared", "alert.acknowledged"],
        other => return vec![other.to_owned()],
    };
    rows.iter().map(|kind| (*kind).to_owned()).collect()
}
