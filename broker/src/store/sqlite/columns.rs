//! Columns and what they stand for: ids as blobs, names and words as text, structures as JSON.

use std::str::FromStr;

use nexus_wire::Party;
use rusqlite::Row;
use rusqlite::types::Type;
use serde::Serialize;
use serde::de::DeserializeOwned;
use uuid::Uuid;

pub(super) use crate::hub::text::json_text as to_json;

type Column<T> = rusqlite::Result<T>;

fn unreadable(
    at: usize,
    kind: Type,
    error: impl std::error::Error + Send + Sync + 'static,
) -> rusqlite::Error {
    rusqlite::Error::FromSqlConversionFailure(at, kind, Box::new(error))
}

pub(super) fn id<T>(row: &Row<'_>, at: usize, of: fn(Uuid) -> T) -> Column<T> {
    Ok(of(Uuid::from_bytes(row.get(at)?)))
}

pub(super) fn opt_id<T>(row: &Row<'_>, at: usize, of: fn(Uuid) -> T) -> Column<Option<T>> {
    Ok(row.get::<_, Option<[u8; 16]>>(at)?.map(|bytes| of(Uuid::from_bytes(bytes))))
}

/// A number that is never negative.
pub(super) fn count(row: &Row<'_>, at: usize) -> Column<u64> {
    let number: i64 = row.get(at)?;
    u64::try_from(number).map_err(|_| rusqlite::Error::IntegralValueOutOfRange(at, number))
}

pub(super) fn small(row: &Row<'_>, at: usize) -> Column<u32> {
    let number: i64 = row.get(at)?;
    u32::try_from(number).map_err(|_| rusqlite::Error::IntegralValueOutOfRange(at, number))
}

pub(super) fn parsed<T>(row: &Row<'_>, at: usize) -> Column<T>
where
    T: FromStr,
    T::Err: std::error::Error + Send + Sync + 'static,
{
    let text = row.get_ref(at)?.as_str()?;
    text.parse().map_err(|error| unreadable(at, Type::Text, error))
}

pub(super) fn json<T: DeserializeOwned>(row: &Row<'_>, at: usize) -> Column<T> {
    let text = row.get_ref(at)?.as_str()?;
    serde_json::from_str(text).map_err(|error| unreadable(at, Type::Text, error))
}

pub(super) fn opt_json<T: DeserializeOwned>(row: &Row<'_>, at: usize) -> Column<Option<T>> {
    match row.get_ref(at)?.as_str_or_null()? {
        None => Ok(None),
        Some(text) => serde_json::from_str(text).map(Some).map_err(|error| unreadable(at, Type::Text, error)),
    }
}

/// An enum without data, written as its word.
pub(super) fn word<T: DeserializeOwned>(row: &Row<'_>, at: usize) -> Column<T> {
    let word = serde_json::Value::String(row.get(at)?);
    serde_json::from_value(word).map_err(|error| unreadable(at, Type::Text, error))
}

pub(super) fn parties(row: &Row<'_>, at: usize) -> Column<Vec<Party>> {
    let text = row.get_ref(at)?.as_str()?;
    text.split_ascii_whitespace()
        .map(|party| party.parse().map_err(|error| unreadable(at, Type::Text, error)))
        .collect()
}

pub(super) fn to_blob(id: Uuid) -> [u8; 16] {
    id.into_bytes()
}

pub(super) fn to_number(count: u64) -> i64 {
    // Offsets and sequence numbers count up from 0 and are gone in no lifetime.
    i64::try_from(count).unwrap_or(i64::MAX)
}

pub(super) fn to_word(value: &impl Serialize) -> String {
    to_json(value).trim_matches('"').to_owned()
}

pub(super) fn to_parties(parties: &[Party]) -> String {
    let mut text = String::with_capacity(parties.len() * 24);
    for party in parties {
        if !text.is_empty() {
            text.push(' ');
        }
        match party {
            Party::Aspect(name) => text.push_str(name.as_str()),
            Party::Operator(name) => {
                text.push_str("operator/");
                text.push_str(name.as_str());
            }
            Party::System => text.push_str("system"),
        }
    }
    text
}
