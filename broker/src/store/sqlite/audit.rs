//! Looking back over the log and over what was spent.

use std::cmp::Reverse;

use nexus_wire::audit::{AuditEntry, AuditList};
use nexus_wire::chat::ReplyMeta;
use nexus_wire::hands::DispatchInfo;
use nexus_wire::{AspectName, Ms, Party, ThreadId};
use rusqlite::{Connection, params};
use uuid::Uuid;

use super::columns::{json, parsed, to_blob, to_number};
use super::entries::{self, MESSAGE};
use super::fault::{damage, fault};
use super::messages::Messages;
use super::pages::log_row;
use super::read::{all, steady};
use super::retention;
use crate::hub::records::{Outlay, Spent, Stored, Stretch};
use crate::store::page::{first_not, looked_at};

/// Looks at `scan` entries and no more, long messages counted several times.
pub(super) fn list(
    connection: &Connection,
    wanted: &AuditList,
    limit: u32,
    scan: u64,
) -> Stored<Stretch<AuditEntry>> {
    let _steady = steady(connection)?;
    let (first, end) = span(connection, wanted)?;
    let mut start = end.saturating_sub(scan).max(first);
    // `kind` is a kind or a family of them; a family ends where the next character after '.' begins.
    let sql = "SELECT seq, at, actor, threads.id, kind, subject, detail
        FROM log LEFT JOIN threads ON threads.no = log.thread
        WHERE seq >= ?1 AND seq < ?2 AND (?3 IS NULL OR kind = ?3 OR (kind > ?3 || '.' AND kind < ?3 || '/'))
            AND (?4 IS NULL OR actor = ?4) AND (?5 IS NULL OR threads.id = ?5)
            AND (?6 IS NULL OR subject = ?6 OR subject = ?7)
        ORDER BY seq DESC LIMIT ?8";
    let subject = wanted.subject.as_deref();
    let by = wanted.by.as_ref().map(Party::to_string);
    let row = params![
        to_number(start),
        to_number(end),
        wanted.kind,
        by,
        wanted.thread.map(|thread| to_blob(thread.0)),
        subject,
        subject.and_then(|it| Uuid::parse_str(it).ok()).map(to_blob),
        limit,
    ];
    let mut found = all(connection, sql, row, |row| log_row(row).map(|row| row.audit()))?;
    if found.len() == limit as usize {
        start = found.last().map_or(end, |entry| entry.seq);
    }
    if wanted.kind.as_deref().is_none_or(|kind| kind == MESSAGE) {
        let (mut room, mut left) = (limit, scan);
        let subject = subject.map(|it| Uuid::parse_str(it).unwrap_or_default());
        let after = entries::after(connection)?;
        Messages::of(connection)?.each_before(end, |kept| {
            if kept.seq < start || kept.seq <= after {
                return Ok(false);
            }
            left = left.saturating_sub(looked_at(kept.content.len()));
            let is_wanted = wanted.thread.is_none_or(|thread| thread.0 == kept.thread)
                && subject.is_none_or(|subject| subject == kept.id)
                && by.as_deref().is_none_or(|by| by == kept.sender);
            if is_wanted {
                found.push(AuditEntry {
                    seq: kept.seq,
                    at: kept.at,
                    kind: MESSAGE.to_owned(),
                    actor: kept.from()?,
                    subject: kept.id.to_string(),
                    thread: Some(ThreadId(kept.thread)),
                });
                room = room.saturating_sub(1);
            }
            if left == 0 || room == 0 {
                start = kept.seq;
            }
            Ok(kept.seq > start)
        })?;
        // What comes before may not be all there is: the messages were read no further.
        found.retain(|entry| entry.seq >= start);
        found.sort_unstable_by_key(|entry| Reverse(entry.seq));
        if found.len() > limit as usize {
            found.truncate(limit as usize);
            start = found.last().map_or(end, |entry| entry.seq);
        }
    }
    Ok(Stretch { found, next: (start > first).then_some(start) })
}

/// The first entry that may be wanted, and the one behind the last.
fn span(connection: &Connection, wanted: &AuditList) -> Stored<(u64, u64)> {
    let floor = retention::log_floor(connection)?;
    let newest = entries::newest(connection)?.map_or(floor, |(head, _)| head.seq);
    let made_since = |time: Ms| -> Stored<u64> {
        let mut messages = Messages::of(connection)?;
        // Time runs with `seq`.
        first_not(floor + 1, newest + 1, |seq| Ok(entries::made_at(connection, &mut messages, seq)? < time))
    };
    let first = wanted.since.map_or(Ok(floor + 1), made_since)?;
    let end = wanted.until.map_or(Ok(newest + 1), made_since)?;
    Ok((first, end.min(wanted.before.unwrap_or(u64::MAX))))
}

pub(super) fn spent(
    connection: &Connection,
    since: Ms,
    until: Ms,
    visit: &mut dyn FnMut(&Spent),
) -> Stored<()> {
    Messages::of(connection)?.each_before(u64::MAX, |kept| {
        if let Some(meta) = kept.meta.filter(|_| (since..until).contains(&kept.at)) {
            let meta: ReplyMeta = serde_json::from_str(meta)
                .map_err(|error| damage(format_args!("meta of message {}: {error}", kept.seq)))?;
            visit(&Spent::of_reply(kept.at, &kept.from()?, ThreadId(kept.thread), &meta));
        }
        // Time runs with `seq`: before one that is too old there is none.
        Ok(kept.at >= since)
    })?;
    let sql = "SELECT at, name, outlay FROM closed JOIN aspects ON aspects.no = closed.aspect
        WHERE outlay IS NOT NULL AND at >= ?1 AND at < ?2";
    let mut statement = connection.prepare_cached(sql).map_err(fault)?;
    let mut rows = statement.query([since, until]).map_err(fault)?;
    while let Some(row) = rows.next().map_err(fault)? {
        let aspect: AspectName = parsed(row, 1).map_err(fault)?;
        let outlay: Outlay = json(row, 2).map_err(fault)?;
        visit(&Spent::of_closing(row.get(0).map_err(fault)?, &aspect, &outlay));
    }
    let sql = "SELECT info FROM dispatches WHERE queue IS NULL";
    let mut statement = connection.prepare_cached(sql).map_err(fault)?;
    let mut rows = statement.query([]).map_err(fault)?;
    while let Some(row) = rows.next().map_err(fault)? {
        let info: DispatchInfo = json(row, 0).map_err(fault)?;
        if let Some(spent) = Spent::of_dispatch(&info).filter(|it| (since..until).contains(&it.at)) {
            visit(&spent);
        }
    }
    Ok(())
}
