//! Looking back over the log and over what was spent.

use nexus_wire::Ms;
use nexus_wire::audit::{AuditEntry, AuditList};
use nexus_wire::log::LogEntry;

use super::MemoryStore;
use crate::hub::filter::LogFilter;
use crate::hub::records::{Spent, Stored, Stretch};
use crate::store::logged::weight;
use crate::store::page::{Page, SCAN_MAX};

pub(super) fn log(
    store: &MemoryStore,
    from_seq: u64,
    filter: &LogFilter,
    limit: u32,
) -> Stored<Stretch<LogEntry>> {
    let start = store.log.partition_point(|row| row.seq <= from_seq);
    let mut page = Page::new(limit);
    let (mut found, mut end) = (Vec::new(), from_seq);
    for row in store.log[start..].iter().take(SCAN_MAX as usize) {
        let entry = row.clone().entry(store)?;
        if filter.matches(&entry) {
            if !page.takes(weight(&entry)) {
                break;
            }
            found.push(entry);
        }
        end = row.seq;
    }
    let newest = store.log.last().map_or(0, |row| row.seq);
    Ok(Stretch { found, next: (end < newest).then_some(end) })
}

pub(super) fn list(store: &MemoryStore, wanted: &AuditList, limit: u32) -> Stretch<AuditEntry> {
    let before = wanted.before.unwrap_or(u64::MAX);
    let end = store.log.partition_point(|row| row.seq < before);
    let start = end.saturating_sub(SCAN_MAX as usize);
    let rows = store.log[start..end].iter().rev().map(|row| row.clone().audit());
    let found: Vec<AuditEntry> = rows.filter(|entry| matches(entry, wanted)).take(limit as usize).collect();
    let next = match found.last().filter(|_| found.len() == limit as usize) {
        Some(last) => Some(last.seq),
        None => store.log.get(start).map(|row| row.seq),
    };
    let first = store.log.first().map_or(0, |row| row.seq);
    Stretch { found, next: next.filter(|next| *next > first) }
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
