//! Registries, their rows and what became of them, as rows.

use nexus_wire::name::RegistryName;
use nexus_wire::registry::{RegistryChange, RegistryRow};
use rusqlite::{Connection, Params, Row, params};

use super::columns::{count, json, opt_json, parsed, small, to_json, to_number};
use super::fault::fault;
use super::read;
use crate::hub::records::{RegistryRecord, Stored, UniqueValue};

fn execute(connection: &Connection, sql: &str, params: impl Params) -> Stored<()> {
    connection.prepare_cached(sql).and_then(|mut it| it.execute(params)).map_err(fault)?;
    Ok(())
}

fn record(row: &Row<'_>) -> rusqlite::Result<RegistryRecord> {
    Ok(RegistryRecord {
        name: parsed(row, 0)?,
        version: small(row, 1)?,
        registry: opt_json(row, 2)?,
        rows: count(row, 3)?,
        bytes: count(row, 4)?,
        changes: count(row, 5)?,
        by: parsed(row, 6)?,
        at: row.get(7)?,
    })
}

pub(super) fn registry(connection: &Connection, name: &RegistryName) -> Stored<Option<RegistryRecord>> {
    let sql = "SELECT name, version, definition, row_count, row_bytes, changes, put_by, at FROM registries
        WHERE name = ?1";
    read::one(connection, sql, [name.as_str()], record)
}

pub(super) fn count_all(connection: &Connection) -> Stored<u64> {
    let sql = "SELECT count(*) FROM registries WHERE definition IS NOT NULL";
    Ok(read::one(connection, sql, [], |row| count(row, 0))?.unwrap_or(0))
}

pub(super) fn list(
    connection: &Connection,
    after: Option<&RegistryName>,
    limit: u32,
) -> Stored<Vec<RegistryRecord>> {
    let sql = "SELECT name, version, definition, row_count, row_bytes, changes, put_by, at FROM registries
        WHERE definition IS NOT NULL AND name > ?1 ORDER BY name LIMIT ?2";
    read::all(connection, sql, params![after.map_or("", RegistryName::as_str), limit], record)
}

pub(super) fn row(connection: &Connection, name: &RegistryName, row: &str) -> Stored<Option<RegistryRow>> {
    let sql = "SELECT record FROM registry_rows WHERE registry = ?1 AND name = ?2";
    read::one(connection, sql, [name.as_str(), row], |row| json(row, 0))
}

pub(super) fn rows(
    connection: &Connection,
    name: &RegistryName,
    after: Option<&str>,
    limit: u32,
) -> Stored<Vec<RegistryRow>> {
    let sql = "SELECT record FROM registry_rows WHERE registry = ?1 AND name > ?2 ORDER BY name LIMIT ?3";
    read::all(connection, sql, params![name.as_str(), after.unwrap_or_default(), limit], |row| json(row, 0))
}

pub(super) fn holder(
    connection: &Connection,
    name: &RegistryName,
    field: &str,
    value: &str,
) -> Stored<Option<String>> {
    let sql = "SELECT name FROM registry_values WHERE registry = ?1 AND field = ?2 AND value = ?3";
    read::one(connection, sql, [name.as_str(), field, value], |row| row.get(0))
}

pub(super) fn changes(
    connection: &Connection,
    name: &RegistryName,
    row: Option<&str>,
    before: u64,
    limit: u32,
) -> Stored<Vec<RegistryChange>> {
    let before = to_number(before);
    match row {
        Some(row) => {
            let sql = "SELECT record FROM registry_changes WHERE registry = ?1 AND name = ?2 AND version < ?3
                ORDER BY version DESC LIMIT ?4";
            read::all(connection, sql, params![name.as_str(), row, before, limit], |row| json(row, 0))
        }
        None => {
            let sql = "SELECT record FROM registry_changes WHERE registry = ?1 AND version < ?2
                ORDER BY version DESC LIMIT ?3";
            read::all(connection, sql, params![name.as_str(), before, limit], |row| json(row, 0))
        }
    }
}

pub(super) fn put(connection: &Connection, record: &RegistryRecord) -> Stored<()> {
    let sql = "INSERT INTO registries (name, version, definition, row_count, row_bytes, changes, put_by, at)
        VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)
        ON CONFLICT (name) DO UPDATE SET version = excluded.version, definition = excluded.definition,
          row_count = excluded.row_count, row_bytes = excluded.row_bytes, changes = excluded.changes,
          put_by = excluded.put_by, at = excluded.at";
    let RegistryRecord { name, version, registry, rows, bytes, changes, by, at } = record;
    let registry = registry.as_ref().map(to_json);
    let (rows, bytes, changes) = (to_number(*rows), to_number(*bytes), to_number(*changes));
    let row = params![name.as_str(), version, registry, rows, bytes, changes, by.to_string(), at];
    execute(connection, sql, row)
}

pub(super) fn put_row(
    connection: &Connection,
    name: &RegistryName,
    row: &RegistryRow,
    unique: &[UniqueValue],
) -> Stored<()> {
    let sql = "INSERT INTO registry_rows (registry, name, record) VALUES (?1, ?2, ?3)
        ON CONFLICT (registry, name) DO UPDATE SET record = excluded.record";
    execute(connection, sql, params![name.as_str(), row.row, to_json(row)])?;
    forget_values(connection, name, &row.row)?;
    for (field, value) in unique {
        let sql = "INSERT INTO registry_values (registry, field, value, name) VALUES (?1, ?2, ?3, ?4)";
        execute(connection, sql, params![name.as_str(), field, value, row.row])?;
    }
    Ok(())
}

fn forget_values(connection: &Connection, name: &RegistryName, row: &str) -> Stored<()> {
    let sql = "DELETE FROM registry_values WHERE registry = ?1 AND name = ?2";
    execute(connection, sql, [name.as_str(), row])
}

pub(super) fn remove_row(connection: &Connection, name: &RegistryName, row: &str) -> Stored<()> {
    forget_values(connection, name, row)?;
    let sql = "DELETE FROM registry_rows WHERE registry = ?1 AND name = ?2";
    execute(connection, sql, [name.as_str(), row])
}

pub(super) fn put_change(
    connection: &Connection,
    name: &RegistryName,
    change: &RegistryChange,
) -> Stored<()> {
    let sql = "INSERT INTO registry_changes (registry, version, name, record) VALUES (?1, ?2, ?3, ?4)";
    execute(connection, sql, params![name.as_str(), to_number(change.version), change.row, to_json(change)])
}

pub(super) fn drop_changes(connection: &Connection, name: &RegistryName, up_to: u64) -> Stored<()> {
    let sql = "DELETE FROM registry_changes WHERE registry = ?1 AND version <= ?2";
    execute(connection, sql, params![name.as_str(), to_number(up_to)])
}

pub(super) fn clear(connection: &Connection, name: &RegistryName) -> Stored<()> {
    for sql in [
        "DELETE FROM registry_values WHERE registry = ?1",
        "DELETE FROM registry_rows WHERE registry = ?1",
        "DELETE FROM registry_changes WHERE registry = ?1",
    ] {
        execute(connection, sql, [name.as_str()])?;
    }
    Ok(())
}
