//! Inboxes: how an item is written and appended, where delivery starts after a registration, how far an
//! aspect has acknowledged and what it has closed. Knows nothing of links' outboxes.

use std::io::Write;

use nexus_wire::approval::ApprovalEnd;
use nexus_wire::budget::Spending;
use nexus_wire::gather::GatherResult;
use nexus_wire::hands::{Assignment, Lease, Outcome};
use nexus_wire::inbox::{Decision, InboxClose, Resume};
use nexus_wire::limits::DURABLE_BYTES_MAX;
use nexus_wire::log::LogBody;
use nexus_wire::run::RunEnd;
use nexus_wire::session::SessionOrder;
use nexus_wire::{AspectName, ErrorCode, ItemId, LinkId, Party, TraceContext};
use serde::Serialize;
use serde_json::json;
use sha2::{Digest, Sha256};

use super::effect::Effect;
use super::records::{AspectRecord, ClosedRecord, NewItem, Outlay, Reads, Store, Stored};
use super::step::{Done, Step, refuse};
use super::text::json_text;

/// `nexus_wire::inbox::ItemBody` but for messages, borrowed, so that nothing is copied to be written.
#[derive(Debug, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum BodyRef<'a> {
    Assignment(&'a Assignment),
    Result(&'a Outcome),
    Gather(&'a GatherResult),
    Approval(&'a ApprovalEnd),
    Run(&'a RunEnd),
    Cancel { lease: Lease, reason: &'a str },
    Resume { lease: Lease, wait: u32 },
    Session(&'a SessionOrder),
}

impl BodyRef<'_> {
    pub fn text(&self) -> String {
        json_text(self)
    }
}

/// The same item, marked as closed before.
pub fn as_answered(item: &str) -> String {
    // Id and time stand in front and hold no such text.
    item.replacen(r#","body":"#, r#","answered":true,"body":"#, 1)
}

/// SHA-256 of the JSON text of `value`.
pub(super) fn sha256_of(value: &impl Serialize) -> [u8; 32] {
    Sha256::digest(json_text(value)).into()
}

/// Length of the JSON text of `value`.
pub(crate) fn json_bytes(value: &impl Serialize) -> usize {
    struct Count(usize);
    impl Write for Count {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0 += bytes.len();
            Ok(bytes.len())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    let mut count = Count(0);
    let _ = serde_json::to_writer(&mut count, value);
    count.0
}

/// Where delivery starts after a registration.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Start {
    /// After `offset`. `verified`: the client has named the item there, so everything up to it is on its disk.
    At { offset: u64, verified: bool },
    /// The client's offsets belong to an earlier epoch and mean nothing in this one.
    OtherEpoch,
    /// Same epoch, and yet what lies at the client's offset is not what the client has there: the database
    /// was set back, or the home comes from elsewhere. A new epoch has to begin.
    OtherHistory,
}

pub(super) fn start(store: &impl Reads, record: &AspectRecord, resume: Option<&Resume>) -> Stored<Start> {
    let Some(resume) = resume else { return Ok(Start::At { offset: record.cursor, verified: false }) };
    if resume.epoch != record.epoch {
        return Ok(Start::OtherEpoch);
    }
    if resume.offset > record.tail {
        return Ok(Start::OtherHistory);
    }
    if resume.offset > 0 && resume.offset <= store.inbox_floor(&record.name)? {
        // The item is not kept any more and tells nothing; what is missing after it is announced as a gap.
        return Ok(Start::At { offset: resume.offset, verified: false });
    }
    if resume.offset == 0 {
        return Ok(Start::At { offset: 0, verified: false });
    }
    let Some(item) = resume.item else {
        return Ok(Start::At { offset: resume.offset, verified: false });
    };
    let Some(found) = store.inbox_at(&record.name, resume.offset)? else {
        // The message it carried is kept no longer.
        return Ok(Start::At { offset: resume.offset, verified: false });
    };
    Ok(if found.id == item {
        Start::At { offset: resume.offset, verified: true }
    } else {
        Start::OtherHistory
    })
}

impl<S: Store> Step<'_, S> {
    /// Appends an item to an aspect's inbox; `body` is the JSON text of its body.
    pub(super) fn push(
        &mut self,
        to: &AspectName,
        id: ItemId,
        message_seq: Option<u64>,
        trace: Option<&TraceContext>,
        body: &str,
    ) -> Stored<u64> {
        let at = self.at;
        let Some(record) = self.hub.roster.aspect_mut(to) else { return Ok(0) };
        record.tail += 1;
        let (offset, link) = (record.tail, record.link);
        let text = &mut self.effects.item;
        text.begin(body.len());
        text.item_around(id, at, trace, false, body);
        let item = NewItem { offset, id, at, message_seq, json: text.as_str().into() };
        self.store.put_inbox(to, &item)?;
        if let Some(link) = link {
            let trace = trace.cloned().map(Box::new);
            self.effects.pushed_bytes += item.json.len();
            self.effect(Effect::Push { link, offset, item: item.json, trace });
        }
        Ok(offset)
    }

    /// An acknowledgement counts forward only, and only on the link that is the aspect's own.
    pub(super) fn ack(&mut self, name: &AspectName, link: LinkId, offset: u64) -> Done {
        self.check_sender(&Party::Aspect(name.clone()), Some(link))?;
        let Some(record) = self.hub.roster.aspect_mut(name) else { return Ok(()) };
        if offset > record.tail {
            let tail = record.tail;
            return refuse(
                ErrorCode::Invalid,
                format!("offset {offset} cannot be acknowledged: the inbox of {name} ends at {tail}"),
            );
        }
        if offset > record.cursor {
            record.cursor = offset;
            record.acked_generation = record.generation;
            let position = record.position();
            self.store.put_position(name, position)?;
        }
        self.answer(&json!({}));
        Ok(())
    }

    /// The first decision on an item stands; a repeat of it is answered like the first.
    pub(super) fn inbox_close(&mut self, sender: &Party, close: InboxClose) -> Done {
        let Some(name) = sender.aspect() else {
            return refuse(ErrorCode::Invalid, "only an aspect has an inbox; operators follow the log");
        };
        let bytes = json_bytes(&close);
        if bytes > DURABLE_BYTES_MAX {
            return refuse(
                ErrorCode::TooLarge,
                format!("the decision is {bytes} bytes; {DURABLE_BYTES_MAX} is the most"),
            );
        }
        let at = self.at;
        let record = |close: &InboxClose| ClosedRecord {
            aspect: name.clone(),
            item: close.item,
            decision: close.decision,
            reason: close.reason.clone(),
            message: close.message,
            outlay: Outlay::of(close),
            at,
        };
        if let Some(first) = self.store.closed(name, close.item)? {
            let is_first =
                |close| ClosedRecord { at: first.at, outlay: first.outlay.clone(), ..record(close) } == first;
            if !is_first(&close) && !is_first(&unanswered(close.clone())) {
                return refuse(
                    ErrorCode::IdReused,
                    format!(
                        "item {} was closed before, with another decision ({:?})",
                        close.item, first.decision
                    ),
                );
            }
            self.answer(&json!({}));
            return Ok(());
        }
        let close = match close.message {
            // It was refused, by the loop guard perhaps, and came before this on the same link.
            Some(reply) if self.store.message(reply)?.is_none() => unanswered(close),
            Some(_) | None => close,
        };
        if let Some(outcome) = &close.outcome {
            self.command_ended(name, close.item, outcome)?;
        }
        let closed = record(&close);
        self.store.put_closed(&closed)?;
        if let Some(outlay) = &closed.outlay {
            self.spend(sender, Spending::of(&outlay.usage, outlay.cost_microusd))?;
        }
        self.answer(&json!({}));
        let content = sha256_of(&close);
        let shown = InboxClose { outcome: None, spent: None, meta: None, ..close };
        let (item, decision, reason) = (shown.item, shown.decision, shown.reason.clone());
        self.log(sender.clone(), None, LogBody::ItemClosed(Box::new(shown)), content)?;
        self.trigger_answered(name, item, decision, reason.as_deref())?;
        Ok(())
    }
}

/// What is to be told of an item whose answer there is not.
fn unanswered(close: InboxClose) -> InboxClose {
    let reason = Some("its answer was refused and is in the aspect's session alone".to_owned());
    InboxClose { decision: Decision::Failed, reason, message: None, ..close }
}
