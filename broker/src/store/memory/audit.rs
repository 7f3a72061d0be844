//! Looking back over the log and over what was spent.

use nexus_wire::Ms;
use nexus_wire::audit::{AuditEntry, AuditList};

use super::MemoryStore;
use crate::hub::records::Spent;

pub(super) fn list(store: &MemoryStore, wanted: &AuditList, limit: u32) -> Vec<AuditEntry> {
    let entries = store.log.iter().rev().map(|row| row.clone().audit());
    entries.filter(|entry| matches(entry, wanted)).take(limit as usize).collect()
}

fn matches(entry: &AuditEntry, wanted: &AuditList) -> bool {
    let AuditList { by, kind, subject, thread, since, until, before, limit: _ } = wanted;
    let of_kind = |kind: &String| {
        entry.kind == *kind || entry.kind.strip_prefix(kind).is_some_and(|rest| rest.starts_with('.'))
    };
    // Ids may be written in capitals.
    let of_subject = |subject: &String| {
        uuid::Uuid::parse_str(subject).is_ok_and(|id| id.to_string() == entry.subject)
            || entry.subject == *subject
    };
    before.is_none_or(|before| entry.seq < before)
        && kind.as_ref().is_none_or(of_kind)
        && by.as_ref().is_none_or(|by| entry.actor == *by)
        && thread.is_none_or(|thread| entry.thread == Some(thread))
        && since.is_none_or(|since| entry.at >= since)
        && until.is_none_or(|until| entry.at < until)
        && subject.as_ref().is_none_or(of_subject)
}

pub(super) fn spent(store: &MemoryStore, since: Ms, until: Ms, visit: &mut dyn FnMut(&Spent)) {
    let replies = store.kept().filter_map(|record| {
        let message = &record.message;
        message.meta.as_ref().map(|meta| Spent::of_reply(message.at, &message.from, message.thread, meta))
    });
    let closings = store.closed.values().filter_map(|closed| {
        closed.outlay.as_ref().map(|outlay| Spent::of_closing(closed.at, &closed.aspect, outlay))
    });
    let dispatches = store.dispatches.values().filter_map(|record| Spent::of_dispatch(&record.info));
    for spent in replies.chain(closings).chain(dispatches).filter(|it| (since..until).contains(&it.at)) {
        visit(&spent);
    }
}
