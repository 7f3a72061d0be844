//! Looking back over the log and over what was spent.

use nexus_wire::audit::{AuditEntry, AuditList};
use nexus_wire::chat::ReplyMeta;
use nexus_wire::hands::DispatchInfo;
use nexus_wire::{AspectName, Ms, Party, ThreadId};
use rusqlite::{Connection, params};
use uuid::Uuid;

use super::columns::{id, json, parsed, to_blob, to_number};
use super::entries::entries;
use super::fault::fault;
use super::pages::log_row;
use super::read::all;
use crate::hub::records::{Outlay, Spent, Stored};

pub(super) fn list(connection: &Connection, wanted: &AuditList, limit: u32) -> Stored<Vec<AuditEntry>> {
    // `kind` is a kind or a family of them; a family ends where the next character after '.' begins.
    let sql = entries!(
        "seq, at, actor, threads.id, kind, subject, detail",
        "LEFT JOIN threads ON threads.no = log.thread
        WHERE seq < ?1 AND (?2 IS NULL OR kind = ?2 OR (kind > ?2 || '.' AND kind < ?2 || '/'))
            AND (?3 IS NULL OR actor = ?3) AND (?4 IS NULL OR threads.id = ?4)
            AND (?5 IS NULL OR at >= ?5) AND (?6 IS NULL OR at < ?6)
            AND (?7 IS NULL OR subject = ?7 OR subject = ?8)",
        "ORDER BY seq DESC LIMIT ?9"
    );
    let subject = wanted.subject.as_deref();
    let row = params![
        wanted.before.map_or(i64::MAX, to_number),
        wanted.kind,
        wanted.by.as_ref().map(Party::to_string),
        wanted.thread.map(|thread| to_blob(thread.0)),
        wanted.since,
        wanted.until,
        subject,
        subject.and_then(|it| Uuid::parse_str(it).ok()).map(to_blob),
        limit,
    ];
    all(connection, sql, row, |row| log_row(row).map(|row| row.audit()))
}

pub(super) fn spent(
    connection: &Connection,
    since: Ms,
    until: Ms,
    visit: &mut dyn FnMut(&Spent),
) -> Stored<()> {
    let sql = "SELECT at, sender, meta, threads.id FROM messages JOIN threads ON threads.no = messages.thread
        WHERE meta IS NOT NULL AND at >= ?1 AND at < ?2";
    let mut statement = connection.prepare_cached(sql).map_err(fault)?;
    let mut rows = statement.query([since, until]).map_err(fault)?;
    while let Some(row) = rows.next().map_err(fault)? {
        let sender: Party = parsed(row, 1).map_err(fault)?;
        let meta: ReplyMeta = json(row, 2).map_err(fault)?;
        let thread = id(row, 3, ThreadId).map_err(fault)?;
        visit(&Spent::of_reply(row.get(0).map_err(fault)?, &sender, thread, &meta));
    }
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
