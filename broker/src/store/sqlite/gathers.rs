//! Gathers as rows.

use nexus_wire::gather::GatherInfo;
use nexus_wire::{GatherId, Party};
use rusqlite::{Connection, Row, params};

use super::columns::{json, to_blob, to_json};
use super::fault::fault;
use super::read;
use crate::hub::records::{GatherRecord, Stored};

fn record(row: &Row<'_>) -> rusqlite::Result<GatherRecord> {
    Ok(GatherRecord { info: json(row, 0)?, request_sha256: row.get(1)? })
}

pub(super) fn one(connection: &Connection, id: GatherId) -> Stored<Option<GatherRecord>> {
    let sql = "SELECT info, request_sha256 FROM gathers WHERE id = ?1";
    read::one(connection, sql, [to_blob(id.0)], record)
}

pub(super) fn open_of(connection: &Connection, invoker: &Party) -> Stored<Vec<GatherInfo>> {
    let sql = "SELECT info FROM gathers WHERE open AND invoker = ?1 ORDER BY id";
    read::all(connection, sql, [invoker.to_string()], |row| json(row, 0))
}

pub(super) fn open(connection: &Connection) -> Stored<Vec<GatherRecord>> {
    read::all(connection, "SELECT info, request_sha256 FROM gathers WHERE open ORDER BY id", [], record)
}

pub(super) fn put(connection: &Connection, record: &GatherRecord) -> Stored<()> {
    let sql = "INSERT INTO gathers (id, invoker, open, info, request_sha256) VALUES (?1, ?2, ?3, ?4, ?5)
        ON CONFLICT (id) DO UPDATE SET open = excluded.open, info = excluded.info";
    let info = &record.info;
    let row = params![
        to_blob(info.id.0),
        info.invoker.to_string(),
        info.ended_at.is_none(),
        to_json(info),
        record.request_sha256,
    ];
    let mut statement = connection.prepare_cached(sql).map_err(fault)?;
    statement.execute(row).map_err(fault)?;
    Ok(())
}
