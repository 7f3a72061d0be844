//! Whom clients want to be told of tasks, as rows.

use rusqlite::{Connection, Row, params};

use super::columns::{json, to_blob, to_json};
use super::fault::fault;
use super::read;
use crate::hub::records::{PushKey, PushRecord, Stored};

fn record(row: &Row<'_>) -> rusqlite::Result<PushRecord> {
    Ok(PushRecord { sealed: row.get(1)?, ..json(row, 0)? })
}

/// In the order of their keys, which is not that of their texts.
pub(super) fn all(connection: &Connection) -> Stored<Vec<PushRecord>> {
    let mut found = read::all(connection, "SELECT record, sealed FROM pushes", [], record)?;
    found.sort_by(|one, other| one.key.cmp(&other.key));
    Ok(found)
}

pub(super) fn put(connection: &Connection, record: &PushRecord) -> Stored<()> {
    let sql = "INSERT OR REPLACE INTO pushes (task, owner, id, record, sealed) VALUES (?1, ?2, ?3, ?4, ?5)";
    let PushKey { task, owner, id } = &record.key;
    let row = params![to_blob(*task), owner.to_string(), id, to_json(record), record.sealed];
    let mut statement = connection.prepare_cached(sql).map_err(fault)?;
    statement.execute(row).map_err(fault)?;
    Ok(())
}

pub(super) fn remove(connection: &Connection, key: &PushKey) -> Stored<()> {
    let sql = "DELETE FROM pushes WHERE task = ?1 AND owner = ?2 AND id = ?3";
    let row = params![to_blob(key.task), key.owner.to_string(), key.id];
    let mut statement = connection.prepare_cached(sql).map_err(fault)?;
    statement.execute(row).map_err(fault)?;
    Ok(())
}
