//! Alerts as rows, one for each key; and the answers to acts of people.

use nexus_wire::alert::{Alert, AlertChange, AlertKind, AlertNote};
use rusqlite::{Connection, Row, params};

use uuid::Uuid;

use super::columns::{count, parsed, small, to_blob, to_number};
use super::fault::fault;
use super::read;
use crate::hub::records::{AnsweredRecord, Stored};

macro_rules! select {
    ($rest:literal) => {
        concat!(
            "SELECT key, kind, subject, message, seq, raised_at, times, cleared_at, acked_at, acked_by FROM alerts ",
            $rest
        )
    };
}

fn alert(row: &Row<'_>) -> rusqlite::Result<Alert> {
    let kind: AlertKind = parsed(row, 1)?;
    Ok(Alert {
        key: row.get(0)?,
        kind,
        severity: kind.severity(),
        nature: kind.nature(),
        subject: row.get(2)?,
        message: row.get(3)?,
        seq: count(row, 4)?,
        raised_at: row.get(5)?,
        times: small(row, 6)?,
        cleared_at: row.get(7)?,
        acked_at: row.get(8)?,
        acked_by: match row.get_ref(9)?.as_str_or_null()? {
            Some(_) => Some(parsed(row, 9)?),
            None => None,
        },
    })
}

pub(super) fn one(connection: &Connection, kind: AlertKind, subject: &str) -> Stored<Option<Alert>> {
    read::one(connection, select!("WHERE key = ?1"), [Alert::key_of(kind, subject)], alert)
}

pub(super) fn page(
    connection: &Connection,
    all: bool,
    before: Option<u64>,
    limit: u32,
) -> Stored<Vec<Alert>> {
    let sql = match all {
        true => select!("WHERE seq < ?1 ORDER BY seq DESC LIMIT ?2"),
        false => select!("WHERE cleared_at IS NULL AND seq < ?1 ORDER BY seq DESC LIMIT ?2"),
    };
    read::all(connection, sql, params![before.map_or(i64::MAX, to_number), limit], alert)
}

pub(super) fn open(connection: &Connection) -> Stored<Vec<Alert>> {
    read::all(connection, select!("WHERE cleared_at IS NULL ORDER BY key"), [], alert)
}

pub(super) fn put(connection: &Connection, alert: &Alert) -> Stored<()> {
    let sql =
        "INSERT INTO alerts (key, kind, subject, message, seq, raised_at, times, cleared_at, acked_at, acked_by)
        VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)
        ON CONFLICT (key) DO UPDATE SET message = excluded.message, seq = excluded.seq,
            raised_at = excluded.raised_at, times = excluded.times, cleared_at = excluded.cleared_at,
            acked_at = excluded.acked_at, acked_by = excluded.acked_by";
    let row = params![
        alert.key,
        alert.kind.as_str(),
        alert.subject,
        alert.message,
        to_number(alert.seq),
        alert.raised_at,
        alert.times,
        alert.cleared_at,
        alert.acked_at,
        alert.acked_by.as_ref().map(ToString::to_string),
    ];
    let mut statement = connection.prepare_cached(sql).map_err(fault)?;
    statement.execute(row).map_err(fault)?;
    Ok(())
}

pub(super) fn answered(connection: &Connection, key: Uuid) -> Stored<Option<AnsweredRecord>> {
    let sql = "SELECT request_sha256, answer, at FROM answered WHERE key = ?1";
    read::one(connection, sql, [to_blob(key)], |row| {
        Ok(AnsweredRecord { key, request_sha256: row.get(0)?, answer: row.get(1)?, at: row.get(2)? })
    })
}

pub(super) fn put_answered(connection: &Connection, record: &AnsweredRecord) -> Stored<()> {
    let sql = "INSERT INTO answered (key, request_sha256, answer, at) VALUES (?1, ?2, ?3, ?4)";
    let mut statement = connection.prepare_cached(sql).map_err(fault)?;
    let row = params![to_blob(record.key), record.request_sha256, record.answer, record.at];
    statement.execute(row).map_err(fault)?;
    Ok(())
}

/// What a row of the log says of an alert: its subject is the key, its detail the message.
pub(super) fn alert_note(row: &Row<'_>, change: AlertChange) -> rusqlite::Result<AlertNote> {
    let key: String = row.get(5)?;
    let parts = key.split_once('/').and_then(|(kind, subject)| Some((kind.parse().ok()?, subject)));
    let Some((kind, subject)) = parts else {
        return Err(rusqlite::Error::InvalidColumnType(5, "subject".into(), rusqlite::types::Type::Text));
    };
    let subject = subject.to_owned();
    Ok(AlertNote { change, key, kind, subject, message: row.get(6)? })
}
