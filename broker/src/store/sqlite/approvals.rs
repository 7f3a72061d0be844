//! What aspects ask of people, as rows.

use nexus_wire::ApprovalId;
use nexus_wire::approval::ApprovalInfo;
use rusqlite::{Connection, Row, params};

use super::columns::{json, to_blob, to_json};
use super::fault::fault;
use super::read;
use crate::hub::records::{ApprovalRecord, Stored};

fn record(row: &Row<'_>) -> rusqlite::Result<ApprovalRecord> {
    Ok(ApprovalRecord { info: json(row, 0)?, request_sha256: row.get(1)? })
}

pub(super) fn one(connection: &Connection, id: ApprovalId) -> Stored<Option<ApprovalRecord>> {
    let sql = "SELECT info, request_sha256 FROM approvals WHERE id = ?1";
    read::one(connection, sql, [to_blob(id.0)], record)
}

pub(super) fn page(
    connection: &Connection,
    all: bool,
    before: Option<ApprovalId>,
    limit: u32,
) -> Stored<Vec<ApprovalInfo>> {
    let sql = match all {
        true => "SELECT info FROM approvals WHERE id < ?1 ORDER BY id DESC LIMIT ?2",
        false => "SELECT info FROM approvals WHERE open AND id < ?1 ORDER BY id DESC LIMIT ?2",
    };
    let before = before.map_or([0xff; 16], |id| to_blob(id.0));
    read::all(connection, sql, params![before, limit], |row| json(row, 0))
}

pub(super) fn open(connection: &Connection) -> Stored<Vec<ApprovalRecord>> {
    read::all(connection, "SELECT info, request_sha256 FROM approvals WHERE open ORDER BY id", [], record)
}

pub(super) fn put(connection: &Connection, record: &ApprovalRecord) -> Stored<()> {
    let sql = "INSERT INTO approvals (id, open, info, request_sha256) VALUES (?1, ?2, ?3, ?4)
        ON CONFLICT (id) DO UPDATE SET open = excluded.open, info = excluded.info";
    let info = &record.info;
    let row = params![to_blob(info.id.0), info.ended_at.is_none(), to_json(info), record.request_sha256];
    let mut statement = connection.prepare_cached(sql).map_err(fault)?;
    statement.execute(row).map_err(fault)?;
    Ok(())
}
