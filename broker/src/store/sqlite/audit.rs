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
use crate::hub::records::{Outlay, Spent, Stored};

pub(super) fn list(connection: &Connection, wanted: &AuditList, limit: u32) -> Stored<Vec<AuditEntry>> {
    let _steady = steady(connection)?;
    // `kind` is a kind or a family of them; a family ends where the next character after '.' begins.
    let sql = "SELECT seq, at, actor, threads.id, kind, subject, detail
        FROM log LEFT JOIN threads ON threads.no = log.thread
        WHERE seq < ?1 AND (?2 IS NULL OR kind = ?2 OR (kind > ?2 || '.' AND kind < ?2 || '/'))
            AND (?3 IS NULL OR actor = ?3) AND (?4 IS NULL OR threads.id = ?4)
            AND (?5 IS NULL OR at >= ?5) AND (?6 IS NULL OR at < ?6)
            AND (?7 IS NULL OR subject = ?7 OR subject = ?8)
        ORDER BY seq DESC LIMIT ?9";
    let subject = wanted.subject.as_deref();
    let by = wanted.by.as_ref().map(Party::to_string);
    let row = params![
        wanted.before.map_or(i64::MAX, to_number),
        wanted.kind,
        by,
        wanted.thread.map(|thread| to_blob(thread.0)),
        wanted.since,
        wanted.until,
        subject,
        subject.and_then(|it| Uuid::parse_str(it).ok()).map(to_blob),
        limit,
    ];
    let mut found = all(connection, sql, row, |row| log_row(row).map(|row| row.audit()))?;
    if limit > 0 && wanted.kind.as_deref().is_none_or(|kind| kind == MESSAGE) {
        let mut left = limit;
        let (since, until) = (wanted.since.unwrap_or(Ms::MIN), wanted.until.unwrap_or(Ms::MAX));
        let subject = subject.map(|it| Uuid::parse_str(it).unwrap_or_default());
        let after = entries::after(connection)?;
        let before = wanted.before.unwrap_or(u64::MAX);
        Messages::of(connection)?.each_before(before, |kept| {
            // Time runs with `seq`: before one that is too old there is none.
            if kept.seq <= after || kept.at < since {
                return Ok(false);
            }
            if kept.at >= until
                || wanted.thread.is_some_and(|thread| thread.0 != kept.thread)
                || subject.is_some_and(|subject| subject != kept.id)
                || by.as_deref().is_some_and(|by| by != kept.sender)
            {
                return Ok(true);
            }
            found.push(AuditEntry {
                seq: kept.seq,
                at: kept.at,
                kind: MESSAGE.to_owned(),
                actor: kept.from()?,
                subject: kept.id.to_string(),
                thread: Some(ThreadId(kept.thread)),
            });
            left -= 1;
            Ok(left > 0)
        })?;
        found.sort_unstable_by_key(|entry| Reverse(entry.seq));
        found.truncate(limit as usize);
    }
    Ok(found)
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
