//! Triggers and their slots, as rows.

use nexus_wire::{TriggerId, TriggerName};
use rusqlite::{Connection, Row, params};
use serde::de::DeserializeOwned;

use super::columns::{json, to_blob, to_json, to_number};
use super::fault::fault;
use super::read;
use crate::hub::records::{SlotRecord, Stored, TriggerRecord};

fn record<T: DeserializeOwned>(row: &Row<'_>) -> rusqlite::Result<T> {
    json(row, 0)
}

pub(super) fn one(connection: &Connection, name: &TriggerName) -> Stored<Option<TriggerRecord>> {
    read::one(connection, "SELECT record FROM triggers WHERE name = ?1", [name.as_str()], record)
}

/// By name.
pub(super) fn page(
    connection: &Connection,
    after: Option<&TriggerName>,
    limit: u32,
) -> Stored<Vec<TriggerRecord>> {
    let sql = "SELECT record FROM triggers WHERE name > ?1 ORDER BY name LIMIT ?2";
    read::all(connection, sql, params![after.map_or("", TriggerName::as_str), limit], record)
}

pub(super) fn slots(
    connection: &Connection,
    trigger: TriggerId,
    before: u64,
    limit: u32,
) -> Stored<Vec<SlotRecord>> {
    let sql = "SELECT record FROM trigger_slots WHERE trigger = ?1 AND no < ?2 ORDER BY no DESC LIMIT ?3";
    read::all(connection, sql, params![to_blob(trigger.0), to_number(before), limit], record)
}

/// Those that have not ended.
pub(super) fn open_slots(connection: &Connection) -> Stored<Vec<SlotRecord>> {
    read::all(connection, "SELECT record FROM trigger_slots WHERE open ORDER BY trigger, no", [], record)
}

pub(super) fn put(connection: &Connection, record: &TriggerRecord) -> Stored<()> {
    let sql = "INSERT INTO triggers (name, id, record) VALUES (?1, ?2, ?3)
        ON CONFLICT (name) DO UPDATE SET record = excluded.record";
    let row = params![record.name().as_str(), to_blob(record.info.id.0), to_json(record)];
    connection.prepare_cached(sql).and_then(|mut it| it.execute(row)).map_err(fault)?;
    Ok(())
}

pub(super) fn remove(connection: &Connection, name: &TriggerName, id: TriggerId) -> Stored<()> {
    let slots = "DELETE FROM trigger_slots WHERE trigger = ?1";
    connection.prepare_cached(slots).and_then(|mut it| it.execute([to_blob(id.0)])).map_err(fault)?;
    drop_deliveries(connection, id, i64::MAX as u64)?;
    let trigger = "DELETE FROM triggers WHERE name = ?1";
    connection.prepare_cached(trigger).and_then(|mut it| it.execute([name.as_str()])).map_err(fault)?;
    Ok(())
}

pub(super) fn put_slot(connection: &Connection, record: &SlotRecord) -> Stored<()> {
    let sql = "INSERT INTO trigger_slots (trigger, no, open, record) VALUES (?1, ?2, ?3, ?4)
        ON CONFLICT (trigger, no) DO UPDATE SET open = excluded.open, record = excluded.record";
    let row =
        params![to_blob(record.trigger.0), to_number(record.slot.no), record.is_open(), to_json(record)];
    connection.prepare_cached(sql).and_then(|mut it| it.execute(row)).map_err(fault)?;
    Ok(())
}

/// Those that have ended.
pub(super) fn drop_slots(connection: &Connection, trigger: TriggerId, up_to: u64) -> Stored<()> {
    let sql = "DELETE FROM trigger_slots WHERE trigger = ?1 AND no <= ?2 AND NOT open";
    let row = params![to_blob(trigger.0), to_number(up_to)];
    connection.prepare_cached(sql).and_then(|mut it| it.execute(row)).map_err(fault)?;
    Ok(())
}

/// Which slot a request of a service outside led to.
pub(super) fn delivery(connection: &Connection, trigger: TriggerId, delivery: &str) -> Stored<Option<u64>> {
    let sql = "SELECT no FROM hook_deliveries WHERE trigger = ?1 AND delivery = ?2";
    let number = |row: &Row<'_>| row.get::<_, i64>(0).map(|no| no.unsigned_abs());
    read::one(connection, sql, params![to_blob(trigger.0), delivery], number)
}

pub(super) fn put_delivery(
    connection: &Connection,
    trigger: TriggerId,
    delivery: &str,
    no: u64,
) -> Stored<()> {
    let sql = "INSERT OR REPLACE INTO hook_deliveries (trigger, delivery, no) VALUES (?1, ?2, ?3)";
    let row = params![to_blob(trigger.0), delivery, to_number(no)];
    connection.prepare_cached(sql).and_then(|mut it| it.execute(row)).map_err(fault)?;
    Ok(())
}

/// Those of slots up to that one.
pub(super) fn drop_deliveries(connection: &Connection, trigger: TriggerId, up_to: u64) -> Stored<()> {
    let sql = "DELETE FROM hook_deliveries WHERE trigger = ?1 AND no <= ?2";
    let row = params![to_blob(trigger.0), to_number(up_to)];
    connection.prepare_cached(sql).and_then(|mut it| it.execute(row)).map_err(fault)?;
    Ok(())
}
