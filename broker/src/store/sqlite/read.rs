//! Reads of one row or a list of rows, as functions on a connection: the writer and the readers share them.

use nexus_wire::chat::ThreadInfo;
use nexus_wire::hands::DispatchInfo;
use nexus_wire::{
    AspectName, CredentialName, DispatchId, EpochId, ItemId, LinkId, MessageId, OperatorName, Party,
    RequestId, ThreadId,
};
use rusqlite::{Connection, OptionalExtension, Params, Row, Transaction, params};

use super::activity::{ALL, era};
use super::columns::{count, id, json, opt_id, opt_json, parsed, parties, small, to_blob, to_number, word};
use super::entries;
use super::fault::fault;
use crate::hub::records::{
    AspectRecord, ClosedRecord, CredentialRecord, Digest, DispatchRecord, OperatorRecord, Snapshot, Stored,
    ThreadRecord, UsedAssertion, Which,
};

pub(super) fn one<T>(
    connection: &Connection,
    sql: &str,
    params: impl Params,
    of: impl FnOnce(&Row<'_>) -> rusqlite::Result<T>,
) -> Stored<Option<T>> {
    let mut statement = connection.prepare_cached(sql).map_err(fault)?;
    statement.query_row(params, of).optional().map_err(fault)
}

pub(super) fn all<T>(
    connection: &Connection,
    sql: &str,
    params: impl Params,
    of: impl FnMut(&Row<'_>) -> rusqlite::Result<T>,
) -> Stored<Vec<T>> {
    let mut statement = connection.prepare_cached(sql).map_err(fault)?;
    let rows = statement.query_map(params, of).map_err(fault)?;
    rows.collect::<rusqlite::Result<_>>().map_err(fault)
}

/// One state of the database for all that is read while it is held, and its locks taken once. The writer may be in a
/// transaction already, which does as well.
pub(super) fn steady(connection: &Connection) -> Stored<Option<Transaction<'_>>> {
    connection.is_autocommit().then(|| connection.unchecked_transaction()).transpose().map_err(fault)
}

macro_rules! aspect_select {
    ($rest:literal) => {
        concat!(
            "SELECT name, role, public_key, key_generation, share_knowledge, revoked_at, created_at, link,
                    generation, acked_generation, since, epoch, tail, cursor, profile, previous_key, restraint
             FROM aspects JOIN inboxes ON inboxes.aspect = aspects.no ",
            $rest
        )
    };
}

fn aspect_row(row: &Row<'_>) -> rusqlite::Result<AspectRecord> {
    Ok(AspectRecord {
        name: parsed(row, 0)?,
        role: word(row, 1)?,
        public_key: row.get(2)?,
        key_generation: count(row, 3)?,
        share_knowledge: row.get(4)?,
        revoked_at: row.get(5)?,
        created_at: row.get(6)?,
        link: opt_id(row, 7, LinkId)?,
        generation: count(row, 8)?,
        acked_generation: count(row, 9)?,
        since: row.get(10)?,
        epoch: id(row, 11, EpochId)?,
        tail: count(row, 12)?,
        cursor: count(row, 13)?,
        profile: json(row, 14)?,
        previous_key: opt_json(row, 15)?,
        restraint: opt_json(row, 16)?,
    })
}

pub(super) fn aspect(connection: &Connection, name: &AspectName) -> Stored<Option<AspectRecord>> {
    one(connection, aspect_select!("WHERE name = ?1"), [name.as_str()], aspect_row)
}

pub(super) fn aspects(connection: &Connection) -> Stored<Vec<AspectRecord>> {
    all(connection, aspect_select!("ORDER BY name"), [], aspect_row)
}

pub(super) fn operators(connection: &Connection) -> Stored<Vec<OperatorRecord>> {
    let sql = "SELECT name, role, password, tokens, sessions, created_at, revoked_at
        FROM operators ORDER BY name";
    all(connection, sql, [], |row| {
        Ok(OperatorRecord {
            name: parsed::<OperatorName>(row, 0)?,
            role: word(row, 1)?,
            password: row.get(2)?,
            tokens: json(row, 3)?,
            sessions: json(row, 4)?,
            created_at: row.get(5)?,
            revoked_at: row.get(6)?,
        })
    })
}

fn assertions(connection: &Connection) -> Stored<Vec<UsedAssertion>> {
    all(connection, "SELECT until, digest FROM assertions ORDER BY until, digest", [], |row| {
        Ok(UsedAssertion { until: row.get(0)?, digest: Digest(row.get(1)?) })
    })
}

fn credentials(connection: &Connection) -> Stored<Vec<CredentialRecord>> {
    let sql = "SELECT name, terms, sealed, created_at, rotated_at FROM credentials ORDER BY name";
    all(connection, sql, [], |row| {
        Ok(CredentialRecord {
            name: parsed::<CredentialName>(row, 0)?,
            terms: json(row, 1)?,
            sealed: row.get(2)?,
            created_at: row.get(3)?,
            rotated_at: row.get(4)?,
        })
    })
}

fn thread_info(row: &Row<'_>) -> rusqlite::Result<ThreadInfo> {
    Ok(ThreadInfo {
        id: id(row, 0, ThreadId)?,
        title: row.get(1)?,
        created_at: row.get(2)?,
        participants: parties(row, 3)?,
        last_at: row.get(4)?,
        messages: count(row, 5)?,
        paused: row.get(6)?,
        last_seq: count(row, 7)?,
        participants_left_out: 0,
        unread: 0,
    })
}

/// A thread with what only the store knows of it.
pub(super) struct ThreadRow {
    pub(super) no: i64,
    pub(super) record: ThreadRecord,
    /// Its open block.
    pub(super) recent: Vec<u8>,
}

pub(super) fn thread(connection: &Connection, id: ThreadId) -> Stored<Option<ThreadRow>> {
    let sql = "SELECT id, title, created_at, participants, last_at, messages, paused, last_seq,
            agent_run, same_run, last_content, no, recent
        FROM threads JOIN thread_states ON thread_states.thread = threads.no WHERE id = ?1";
    one(connection, sql, [to_blob(id.0)], |row| {
        let ThreadInfo { id, title, participants, created_at, last_at, messages, last_seq, paused, .. } =
            thread_info(row)?;
        let record = ThreadRecord {
            id,
            title: title.into(),
            participants: participants.into(),
            created_at,
            last_at,
            messages,
            last_seq,
            paused,
            agent_run: small(row, 8)?,
            same_run: small(row, 9)?,
            last_content: row.get(10)?,
        };
        Ok(ThreadRow { no: row.get(11)?, record, recent: row.get(12)? })
    })
}

/// Only of those that are wanted is everything read.
pub(super) const THREADS: &str =
    "SELECT id, title, created_at, participants, last_at, messages, paused, last_seq
    FROM (
        SELECT activity.thread, last_at, messages, paused, last_seq
        FROM thread_activity AS activity JOIN thread_states ON thread_states.thread = activity.thread
        WHERE party = ?1 AND era <= ?2 AND last_seq < ?3
        ORDER BY era DESC, last_seq DESC LIMIT ?4
    ) AS latest JOIN threads ON threads.no = latest.thread
    ORDER BY last_seq DESC";

pub(super) fn threads(
    connection: &Connection,
    of: Option<&Party>,
    before: Option<u64>,
    limit: u32,
) -> Stored<Vec<ThreadInfo>> {
    let party = of.map_or_else(|| ALL.to_owned(), Party::to_string);
    let before = before.unwrap_or(u64::MAX);
    all(connection, THREADS, params![party, to_number(era(before)), to_number(before), limit], thread_info)
}

pub(super) fn closed(
    connection: &Connection,
    aspect: &AspectName,
    item: ItemId,
) -> Stored<Option<ClosedRecord>> {
    let sql = "SELECT decision, reason, message, at, outlay FROM closed
        WHERE item = ?1 AND aspect = (SELECT no FROM aspects WHERE name = ?2)";
    one(connection, sql, params![to_blob(item.0), aspect.as_str()], |row| {
        Ok(ClosedRecord {
            aspect: aspect.clone(),
            item,
            decision: word(row, 0)?,
            reason: row.get(1)?,
            message: opt_id(row, 2, MessageId)?,
            at: row.get(3)?,
            outlay: opt_json(row, 4)?,
        })
    })
}

macro_rules! dispatch_select {
    ($rest:literal) => {
        concat!(
            "SELECT info, input, output, queue, timeout_s, assigned_offset, wait_request, clamped,
                    request_sha256, why, refused_sha256, cancel, trace
             FROM dispatches LEFT JOIN dispatch_inputs AS i ON i.dispatch = no
             LEFT JOIN dispatch_outputs AS o ON o.dispatch = no ",
            $rest
        )
    };
}

macro_rules! dispatch_head_select {
    ($rest:literal) => {
        concat!(
            "SELECT info, NULL, NULL, queue, timeout_s, assigned_offset, wait_request, clamped,
                    request_sha256, why, refused_sha256, cancel, trace
             FROM dispatches ",
            $rest
        )
    };
}

fn dispatch_info(row: &Row<'_>) -> rusqlite::Result<DispatchInfo> {
    let info: DispatchInfo = json(row, 0)?;
    Ok(DispatchInfo { input: opt_json(row, 1)?.unwrap_or_default(), output: opt_json(row, 2)?, ..info })
}

fn dispatch_row(row: &Row<'_>) -> rusqlite::Result<DispatchRecord> {
    Ok(DispatchRecord {
        info: dispatch_info(row)?,
        queue: row.get(3)?,
        timeout_s: small(row, 4)?,
        assigned_offset: count(row, 5)?,
        wait_request: opt_id(row, 6, RequestId)?,
        clamped: row.get(7)?,
        request_sha256: row.get(8)?,
        why: opt_json(row, 9)?.unwrap_or_default(),
        refused_sha256: row.get(10)?,
        cancel: opt_json(row, 11)?,
        trace: opt_json(row, 12)?,
    })
}

pub(super) fn dispatch(connection: &Connection, id: DispatchId) -> Stored<Option<DispatchRecord>> {
    one(connection, dispatch_select!("WHERE id = ?1"), [to_blob(id.0)], dispatch_row)
}

pub(super) fn dispatch_head(connection: &Connection, id: DispatchId) -> Stored<Option<DispatchRecord>> {
    one(connection, dispatch_head_select!("WHERE id = ?1"), [to_blob(id.0)], dispatch_row)
}

pub(super) fn open_dispatches(connection: &Connection, invoker: &Party) -> Stored<Vec<DispatchInfo>> {
    let sql = dispatch_head_select!("WHERE queue IS NOT NULL AND invoker = ?1 ORDER BY id");
    all(connection, sql, [invoker.to_string()], dispatch_info)
}

pub(super) fn dispatches(
    connection: &Connection,
    which: Which,
    before: Option<DispatchId>,
    limit: u32,
) -> Stored<Vec<DispatchInfo>> {
    let sql = match which {
        Which::All => dispatch_head_select!("WHERE id < ?1 ORDER BY id DESC LIMIT ?2"),
        Which::Dead => dispatch_head_select!("WHERE dead AND id < ?1 ORDER BY id DESC LIMIT ?2"),
        Which::Open => dispatch_head_select!("WHERE queue IS NOT NULL AND id < ?1 ORDER BY id DESC LIMIT ?2"),
    };
    // No id is all ones.
    let before = before.map_or([0xff; 16], |id| to_blob(id.0));
    all(connection, sql, params![before, limit], dispatch_info)
}

pub(super) fn snapshot(connection: &Connection) -> Stored<Snapshot> {
    let newest = entries::newest(connection)?;
    let meta = one(connection, "SELECT last_at, queue_state, started_at, setup FROM meta", [], |row| {
        Ok((row.get::<_, i64>(0)?, opt_json(row, 1)?, row.get(2)?, opt_json(row, 3)?))
    })?;
    let (last_at, clocks, started_at, setup) =
        meta.ok_or_else(|| super::fault::damage("the row of meta is gone"))?;
    Ok(Snapshot {
        last_at: newest.map_or(last_at, |(_, at)| at.max(last_at)),
        log_seq: newest.map_or(0, |(head, _)| head.seq),
        started_at,
        aspects: aspects(connection)?,
        operators: operators(connection)?,
        open_dispatches: all(
            connection,
            dispatch_head_select!("WHERE queue IS NOT NULL ORDER BY id"),
            [],
            dispatch_row,
        )?,
        clocks: clocks.unwrap_or_default(),
        open_alerts: super::alerts::open(connection)?,
        setup,
        invitations: all(connection, "SELECT record FROM invitations ORDER BY name", [], |row| json(row, 0))?,
        assertions: assertions(connection)?,
        credentials: credentials(connection)?,
        open_approvals: super::approvals::open(connection)?,
        open_gathers: super::gathers::open(connection)?,
        open_runs: super::flows::open(connection)?,
        purses: super::budgets::all(connection)?,
        spending_day: super::budgets::day(connection)?,
        pushes: super::pushes::all(connection)?,
        triggers: super::triggers::page(connection, None, u32::MAX)?,
        open_slots: super::triggers::open_slots(connection)?,
    })
}

pub(super) fn limit_of(limit: u32) -> i64 {
    to_number(u64::from(limit))
}
