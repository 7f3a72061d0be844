//! Dispatches as the writer keeps them: rows, and in memory the heads of some that have not ended, since every step of
//! a dispatch begins with its head.

use std::collections::HashMap;

use nexus_wire::DispatchId;
use nexus_wire::hands::DispatchInfo;
use rusqlite::{Connection, Params, params};

use super::columns::{id, to_blob, to_json, to_number};
use super::fault::{damage, fault};
use super::read::{self, one};
use super::recent_ids::RecentIds;
use crate::hub::records::{DispatchRecord, Stored, without_contents};

/// Heads kept; beyond it all are dropped and read again when needed.
const OPEN_MAX: usize = 1024;

#[derive(Debug, Default)]
pub(super) struct Dispatches {
    recent: RecentIds,
    /// None of them has ended.
    open: HashMap<DispatchId, Open>,
}

#[derive(Debug)]
struct Open {
    no: i64,
    head: DispatchRecord,
}

impl Dispatches {
    pub(super) fn load(connection: &Connection) -> Stored<Self> {
        let sql = "SELECT id FROM dispatches ORDER BY id DESC LIMIT 1";
        let largest = one(connection, sql, [], |row| id(row, 0, |id| id))?;
        Ok(Self { recent: RecentIds::of(largest), open: HashMap::new() })
    }

    pub(super) fn head(&self, connection: &Connection, id: DispatchId) -> Stored<Option<DispatchRecord>> {
        if let Some(open) = self.open.get(&id) {
            return Ok(Some(open.head.clone()));
        }
        if self.recent.may_hold(id.0) { read::dispatch_head(connection, id) } else { Ok(None) }
    }

    pub(super) fn full(&self, connection: &Connection, id: DispatchId) -> Stored<Option<DispatchRecord>> {
        if self.recent.may_hold(id.0) { read::dispatch(connection, id) } else { Ok(None) }
    }

    pub(super) fn add(&mut self, connection: &Connection, record: &DispatchRecord) -> Stored<()> {
        let sql =
            "INSERT INTO dispatches (id, invoker, info, queue, timeout_s, assigned_offset, wait_request,
                clamped, request_sha256, why, refused_sha256, cancel, dead, trace)
            VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14)";
        let head = head_of(record);
        let row = params![
            to_blob(record.info.id.0),
            record.info.invoker.to_string(),
            to_json(&head.info),
            record.queue,
            record.timeout_s,
            to_number(record.assigned_offset),
            record.wait_request.map(|id| to_blob(id.0)),
            record.clamped,
            record.request_sha256,
            (!record.why.is_empty()).then(|| to_json(&record.why)),
            record.refused_sha256,
            record.cancel.as_ref().map(to_json),
            record.is_dead(),
            record.trace.as_ref().map(to_json),
        ];
        let no = connection.prepare_cached(sql).and_then(|mut it| it.insert(row)).map_err(fault)?;
        let sql = "INSERT INTO dispatch_inputs (dispatch, input) VALUES (?1, ?2)";
        execute(connection, sql, params![no, to_json(&record.info.input)])?;
        put_output(connection, no, &record.info)?;
        self.recent.add(record.info.id.0, ());
        self.keep(no, head);
        Ok(())
    }

    pub(super) fn put(&mut self, connection: &Connection, record: &DispatchRecord) -> Stored<()> {
        let no = self.no_of(connection, record.info.id)?;
        let head = head_of(record);
        let sql = "UPDATE dispatches SET info = ?2, queue = ?3, timeout_s = ?4, assigned_offset = ?5,
                wait_request = ?6, clamped = ?7, request_sha256 = ?8, refused_sha256 = ?9, cancel = ?10, dead = ?11
            WHERE no = ?1";
        let row = params![
            no,
            to_json(&head.info),
            record.queue,
            record.timeout_s,
            to_number(record.assigned_offset),
            record.wait_request.map(|id| to_blob(id.0)),
            record.clamped,
            record.request_sha256,
            record.refused_sha256,
            record.cancel.as_ref().map(to_json),
            record.is_dead(),
        ];
        execute(connection, sql, row)?;
        put_output(connection, no, &record.info)?;
        self.keep(no, head);
        Ok(())
    }

    fn no_of(&self, connection: &Connection, id: DispatchId) -> Stored<i64> {
        if let Some(open) = self.open.get(&id) {
            return Ok(open.no);
        }
        let found =
            one(connection, "SELECT no FROM dispatches WHERE id = ?1", [to_blob(id.0)], |row| row.get(0))?;
        found.ok_or_else(|| damage(format_args!("there is no dispatch {id}")))
    }

    fn keep(&mut self, no: i64, head: DispatchRecord) {
        let id = head.info.id;
        if head.queue.is_none() {
            self.open.remove(&id);
            return;
        }
        if self.open.len() >= OPEN_MAX && !self.open.contains_key(&id) {
            self.open.clear();
        }
        self.open.insert(id, Open { no, head });
    }
}

/// The part that is rewritten as the dispatch goes on, as [`read::dispatch_head`] reads it.
fn head_of(record: &DispatchRecord) -> DispatchRecord {
    DispatchRecord {
        info: without_contents(&record.info),
        queue: record.queue.clone(),
        timeout_s: record.timeout_s,
        assigned_offset: record.assigned_offset,
        wait_request: record.wait_request,
        clamped: record.clamped,
        why: record.why.clone(),
        refused_sha256: record.refused_sha256,
        cancel: record.cancel.clone(),
        trace: record.trace.clone(),
        request_sha256: record.request_sha256,
    }
}

fn put_output(connection: &Connection, no: i64, info: &DispatchInfo) -> Stored<()> {
    let Some(output) = &info.output else { return Ok(()) };
    let sql = "INSERT INTO dispatch_outputs (dispatch, output) VALUES (?1, ?2)
        ON CONFLICT (dispatch) DO UPDATE SET output = excluded.output";
    execute(connection, sql, params![no, to_json(output)])
}

fn execute(connection: &Connection, sql: &str, params: impl Params) -> Stored<()> {
    connection.prepare_cached(sql).and_then(|mut it| it.execute(params)).map_err(fault)?;
    Ok(())
}
