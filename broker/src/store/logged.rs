//! A log entry without its body, and how the body is found again by what the entry is about.

use nexus_wire::alert::{AlertChange, AlertNote};
use nexus_wire::audit::AuditEntry;
use nexus_wire::inbox::InboxClose;
use nexus_wire::log::{LogBody, LogEntry};
use nexus_wire::thread::{InboxTaken, Reacted};
use nexus_wire::{AspectName, DispatchId, ItemId, MessageId, Ms, Party, ThreadId};

use crate::hub::inbox::json_bytes;
use crate::hub::records::{MessageRecord, Reads, StoreError, Stored, as_accepted, outcome};

#[derive(Clone, Debug, PartialEq)]
pub(super) struct LoggedRow {
    pub(super) seq: u64,
    pub(super) at: Ms,
    pub(super) actor: Party,
    pub(super) thread: Option<ThreadId>,
    pub(super) what: Logged,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Logged {
    Message(MessageId),
    ItemClosed(ItemId),
    ItemTaken(MessageId),
    /// Of what is kept of it, the message alone may be needed elsewhere; the sign is short.
    Reacted {
        message: MessageId,
        emoji: String,
        removed: bool,
    },
    DispatchAccepted(DispatchId),
    DispatchAssigned {
        dispatch: DispatchId,
        attempt: u32,
        aspect: AspectName,
    },
    DispatchEnded(DispatchId),
    Alert(AlertNote),
    Other {
        kind: String,
        subject: String,
    },
}

impl From<&LogEntry> for LoggedRow {
    fn from(entry: &LogEntry) -> Self {
        let what = match &entry.body {
            LogBody::Message(message) => Logged::Message(message.id),
            LogBody::ItemClosed(close) => Logged::ItemClosed(close.item),
            LogBody::ItemTaken(taken) => Logged::ItemTaken(taken.message),
            LogBody::Reacted(reacted) => Logged::Reacted {
                message: reacted.message,
                emoji: reacted.emoji.clone(),
                removed: reacted.removed,
            },
            LogBody::DispatchAccepted(info) => Logged::DispatchAccepted(info.id),
            LogBody::DispatchAssigned { dispatch, attempt, aspect } => {
                Logged::DispatchAssigned { dispatch: *dispatch, attempt: *attempt, aspect: aspect.clone() }
            }
            LogBody::DispatchEnded(outcome) => Logged::DispatchEnded(outcome.dispatch),
            LogBody::Alert(note) => Logged::Alert(note.clone()),
            LogBody::Other { kind, subject } => {
                Logged::Other { kind: kind.clone(), subject: subject.clone() }
            }
        };
        Self { seq: entry.seq, at: entry.at, actor: entry.actor.clone(), thread: entry.thread, what }
    }
}

impl LoggedRow {
    /// As an auditor sees it.
    pub(super) fn audit(self) -> AuditEntry {
        let (kind, subject) = match self.what {
            Logged::Message(id) => ("message", id.to_string()),
            Logged::ItemClosed(item) => ("item.closed", item.to_string()),
            Logged::DispatchAccepted(id) => ("dispatch.accepted", id.to_string()),
            Logged::DispatchAssigned { dispatch, .. } => ("dispatch.assigned", dispatch.to_string()),
            Logged::DispatchEnded(id) => ("dispatch.ended", id.to_string()),
            Logged::ItemTaken(message) => ("item.taken", message.to_string()),
            Logged::Reacted { message, .. } => ("reacted", message.to_string()),
            Logged::Alert(AlertNote { change, key, .. }) => (alert_kind(change), key),
            Logged::Other { kind, subject } => {
                let Self { seq, at, actor, thread, .. } = self;
                return AuditEntry { seq, at, kind, actor, subject, thread };
            }
        };
        let kind = kind.to_owned();
        AuditEntry { seq: self.seq, at: self.at, kind, actor: self.actor, subject, thread: self.thread }
    }

    /// Whether what it is about is still there. Once it is pruned, a repeat of the request makes another with the same
    /// id; that one is newer than this entry.
    fn is_kept(&self, reads: &impl Reads) -> Stored<bool> {
        Ok(match &self.what {
            Logged::Message(id) => self.message(*id, reads)?.is_some(),
            Logged::ItemClosed(item) => match &self.actor {
                Party::Aspect(name) => reads.closed(name, *item)?.is_some_and(|it| it.at <= self.at),
                Party::Operator(_) | Party::System => true,
            },
            Logged::DispatchAccepted(id) | Logged::DispatchEnded(id) => {
                reads.dispatch_head(*id)?.is_some_and(|it| it.info.accepted_at <= self.at)
            }
            Logged::ItemTaken(_)
            | Logged::Reacted { .. }
            | Logged::DispatchAssigned { .. }
            | Logged::Alert(_)
            | Logged::Other { .. } => true,
        })
    }

    /// Not another one with the same id.
    fn message(&self, id: MessageId, reads: &impl Reads) -> Stored<Option<MessageRecord>> {
        Ok(reads.message(id)?.filter(|it| it.message.seq == self.seq))
    }

    /// The entry of something that is kept no longer: it says that it was there.
    pub(super) fn gone(self) -> LogEntry {
        let AuditEntry { seq, at, kind, actor, subject, thread } = self.audit();
        LogEntry { seq, at, actor, thread, body: LogBody::Other { kind, subject } }
    }

    /// The entry with its body, which `reads` must still hold.
    pub(super) fn entry(self, reads: &impl Reads) -> Stored<LogEntry> {
        if self.seq <= reads.contents_floor()? && !self.is_kept(reads)? {
            return Ok(self.gone());
        }
        let lost = |what: &dyn std::fmt::Display| {
            StoreError::Corrupt(format!("log entry {} is about {what}, which is not there", self.seq))
        };
        let body = match self.what {
            Logged::Message(id) => LogBody::Message(
                self.message(id, reads)?.ok_or_else(|| lost(&format_args!("message {id}")))?.message,
            ),
            Logged::ItemClosed(item) => {
                let closed = match &self.actor {
                    Party::Aspect(name) => reads.closed(name, item)?,
                    Party::Operator(_) | Party::System => None,
                };
                let closed = closed.ok_or_else(|| lost(&format_args!("closed item {item}")))?;
                LogBody::ItemClosed(Box::new(InboxClose {
                    item,
                    decision: closed.decision,
                    reason: closed.reason,
                    message: closed.message,
                    outcome: None,
                    spent: None,
                    meta: None,
                }))
            }
            Logged::ItemTaken(message) => LogBody::ItemTaken(InboxTaken { message }),
            Logged::Reacted { message, emoji, removed } => LogBody::Reacted(Reacted {
                message,
                thread: self.thread.ok_or_else(|| lost(&"a thread"))?,
                emoji,
                by: self.actor.clone(),
                removed,
            }),
            Logged::DispatchAccepted(id) => {
                let found = reads.dispatch(id)?.ok_or_else(|| lost(&format_args!("dispatch {id}")))?;
                LogBody::DispatchAccepted(Box::new(as_accepted(found)))
            }
            Logged::DispatchAssigned { dispatch, attempt, aspect } => {
                LogBody::DispatchAssigned { dispatch, attempt, aspect }
            }
            Logged::DispatchEnded(id) => {
                let found = reads.dispatch(id)?.ok_or_else(|| lost(&format_args!("dispatch {id}")))?;
                LogBody::DispatchEnded(Box::new(outcome(&found.info)))
            }
            Logged::Alert(note) => LogBody::Alert(note),
            Logged::Other { kind, subject } => LogBody::Other { kind, subject },
        };
        Ok(LogEntry { seq: self.seq, at: self.at, actor: self.actor, thread: self.thread, body })
    }
}

fn alert_kind(change: AlertChange) -> &'static str {
    match change {
        AlertChange::Raised => "alert.raised",
        AlertChange::Cleared => "alert.cleared",
        AlertChange::Acknowledged => "alert.acknowledged",
    }
}

/// Roughly how much text an entry holds.
pub(super) fn weight(entry: &LogEntry) -> usize {
    match &entry.body {
        LogBody::Message(message) => message.content.len(),
        LogBody::ItemClosed(close) => close.reason.as_ref().map_or(0, String::len),
        LogBody::DispatchAccepted(info) => json_bytes(&info.input),
        LogBody::DispatchEnded(outcome) => json_bytes(&outcome.output),
        LogBody::Alert(_)
        | LogBody::ItemTaken(_)
        | LogBody::Reacted(_)
        | LogBody::DispatchAssigned { .. }
        | LogBody::Other { .. } => 0,
    }
}
