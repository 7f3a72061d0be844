//! The table of ids: in their order, so many to a row as a page of the database holds. A row for each, in a
//! tree, took about a twentieth of the core's time. In a block an id stands in its 16 bytes, then the `seq` of its message
//! in 8, big-endian.

use rusqlite::{Connection, Row, params};
use uuid::Uuid;

use crate::hub::records::Stored;
use crate::store::sqlite::columns::{id, to_blob};
use crate::store::sqlite::fault::{damage, fault};
use crate::store::sqlite::read::one;

type Entry = (Uuid, u64);
const ENTRY_BYTES: usize = 24;
/// What is in one row lies on one page of 4096 bytes, beside what SQLite writes there.
const ENTRIES_MAX: usize = (4096 - 64) / ENTRY_BYTES;

struct IdBlock {
    no: i64,
    entries: Vec<Entry>,
}

impl IdBlock {
    /// From its row: `no` and `body`.
    fn read(row: &Row<'_>) -> rusqlite::Result<(i64, Option<Vec<Entry>>)> {
        Ok((row.get(0)?, unpack(row.get_ref(1)?.as_blob()?)))
    }

    fn checked((no, entries): (i64, Option<Vec<Entry>>)) -> Stored<Self> {
        let entries = entries.ok_or_else(|| damage(format_args!("block {no} of ids cannot be read")))?;
        Ok(Self { no, entries })
    }

    /// The one in which an id is, if it is anywhere.
    fn around(connection: &Connection, id: Uuid) -> Stored<Option<Self>> {
        let sql = "SELECT no, body FROM message_id_blocks WHERE first <= ?1 ORDER BY first DESC LIMIT 1";
        one(connection, sql, [to_blob(id)], Self::read)?.map(Self::checked).transpose()
    }

    fn place(&self, id: Uuid) -> Result<usize, usize> {
        self.entries.binary_search_by_key(&id, |(id, _)| *id)
    }
}

fn pack(entries: &[Entry]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(entries.len() * ENTRY_BYTES);
    for (id, seq) in entries {
        bytes.extend(id.as_bytes());
        bytes.extend(seq.to_be_bytes());
    }
    bytes
}

/// `None`: the bytes are no such list.
fn unpack(bytes: &[u8]) -> Option<Vec<Entry>> {
    let (entries, rest) = bytes.as_chunks::<ENTRY_BYTES>();
    let entry = |bytes: &[u8; ENTRY_BYTES]| {
        let (id, seq) = bytes.split_first_chunk()?;
        Some((Uuid::from_bytes(*id), u64::from_be_bytes(*seq.first_chunk()?)))
    };
    let entries: Vec<Entry> = entries.iter().map(entry).collect::<Option<_>>()?;
    (rest.is_empty() && !entries.is_empty()).then_some(entries)
}

pub(in crate::store::sqlite) fn seq_at(connection: &Connection, id: Uuid) -> Stored<Option<u64>> {
    let Some(block) = IdBlock::around(connection, id)? else { return Ok(None) };
    Ok(block.place(id).ok().map(|place| block.entries[place].1))
}

/// `None`: there are no ids.
pub(super) fn largest(connection: &Connection) -> Stored<Option<Uuid>> {
    let last = IdBlock::around(connection, Uuid::max())?;
    Ok(last.and_then(|block| block.entries.last().map(|(id, _)| *id)))
}

/// Puts ids, which are in their order, where they belong.
pub(super) fn insert(connection: &Connection, mut ids: &[Entry]) -> Stored<()> {
    let sql = "SELECT first FROM message_id_blocks WHERE first > ?1 ORDER BY first LIMIT 1";
    while let Some(&(id, _)) = ids.first() {
        let behind = one(connection, sql, [to_blob(id)], |row| row.get(0).map(Uuid::from_bytes))?;
        let count = behind.map_or(ids.len(), |behind| ids.partition_point(|(id, _)| *id < behind));
        let (here, rest) = ids.split_at(count);
        let (no, mut entries) = match IdBlock::around(connection, id)? {
            Some(IdBlock { no, entries }) => (Some(no), entries),
            None => (None, Vec::new()),
        };
        entries.extend(here);
        // Both parts are in order, which it makes use of.
        entries.sort();
        if let Some(twice) = entries.windows(2).find(|pair| pair[0].0 == pair[1].0) {
            return Err(damage(format_args!("there are two messages with the id {}", twice[0].0)));
        }
        write(connection, no, &entries)?;
        ids = rest;
    }
    Ok(())
}

/// Writes what is in a block and what belongs there, which is something, into as many as are needed; `None`: there is
/// none yet.
fn write(connection: &Connection, no: Option<i64>, entries: &[Entry]) -> Stored<()> {
    let each = entries.len().div_ceil(entries.len().div_ceil(ENTRIES_MAX));
    let mut parts = entries.chunks(each);
    if let Some(no) = no {
        let sql = "UPDATE message_id_blocks SET body = ?2 WHERE no = ?1";
        let mut update = connection.prepare_cached(sql).map_err(fault)?;
        update.execute(params![no, pack(parts.next().unwrap_or_default())]).map_err(fault)?;
    }
    let sql = "INSERT INTO message_id_blocks (first, body) VALUES (?1, ?2)";
    let mut insert = connection.prepare_cached(sql).map_err(fault)?;
    for part in parts {
        insert.execute(params![to_blob(part[0].0), pack(part)]).map_err(fault)?;
    }
    Ok(())
}

/// One that is not there is as good as removed.
pub(super) fn remove(connection: &Connection, id: Uuid) -> Stored<()> {
    let Some(mut block) = IdBlock::around(connection, id)? else { return Ok(()) };
    let Ok(place) = block.place(id) else { return Ok(()) };
    block.entries.remove(place);
    if block.entries.is_empty() {
        let sql = "DELETE FROM message_id_blocks WHERE no = ?1";
        connection.prepare_cached(sql).and_then(|mut it| it.execute([block.no])).map_err(fault)?;
        return Ok(());
    }
    write(connection, Some(block.no), &block.entries)
}

/// How many ids there are, all of them in their order and in the block where they are looked for.
pub(in crate::store::sqlite) fn check_ids(connection: &Connection) -> Stored<u64> {
    let sql = "SELECT no, body, first FROM message_id_blocks ORDER BY first";
    let mut statement = connection.prepare(sql).map_err(fault)?;
    let mut rows = statement.query([]).map_err(fault)?;
    let (mut last, mut count) = (None, 0);
    while let Some(row) = rows.next().map_err(fault)? {
        let first = id(row, 2, |id| id).map_err(fault)?;
        let IdBlock { no, entries } = IdBlock::read(row).map_err(fault).and_then(IdBlock::checked)?;
        let is_whole =
            last < Some(first) && first <= entries[0].0 && entries.is_sorted_by(|one, next| one.0 < next.0);
        if !is_whole {
            return Err(damage(format_args!("block {no} of ids is not in order")));
        }
        last = entries.last().map(|(id, _)| *id);
        count += entries.len() as u64;
    }
    Ok(count)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;
    use crate::store::sqlite::migrate::empty_in_memory;

    fn number(connection: &Connection, sql: &str) -> u32 {
        connection.query_row(sql, [], |row| row.get(0)).unwrap()
    }

    #[test]
    fn a_block_lies_on_a_page() {
        let connection = empty_in_memory().unwrap();
        let pages = |connection: &Connection| {
            connection.execute_batch("VACUUM").unwrap();
            number(connection, "PRAGMA page_count")
        };
        let before = pages(&connection);
        let ids: Vec<Entry> = (1..=10_000).map(|n| (Uuid::from_u128(n), n as u64)).collect();
        ids.chunks(1_000).for_each(|ids| insert(&connection, ids).unwrap());
        let full = ids.len().div_ceil(ENTRIES_MAX) as u32;
        let found = pages(&connection) - before;
        assert!((full..full + 4).contains(&found), "{found} pages for {full} blocks");
    }

    #[test]
    fn the_same_id_twice_is_damage() {
        let connection = empty_in_memory().unwrap();
        insert(&connection, &[(Uuid::from_u128(7), 1)]).unwrap();
        let error = insert(&connection, &[(Uuid::from_u128(7), 2)]).unwrap_err().to_string();
        assert!(error.contains("two messages with the id 00000000-0000-0000-0000-000000000007"), "{error}");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn what_was_put_in_and_not_removed_is_found(
            steps in prop::collection::vec((any::<bool>(), 0_u16..3_000, 1_u16..400), 1..30),
        ) {
            let connection = empty_in_memory().unwrap();
            let mut there = BTreeMap::new();
            for (at, (is_insert, from, count)) in steps.into_iter().enumerate() {
                // Every third, so that later ones come in between.
                let ids = (from..).step_by(3).take(count.into()).map(|id| Uuid::from_u128(id.into()));
                if is_insert {
                    let new: Vec<Entry> =
                        ids.filter(|id| !there.contains_key(id)).map(|id| (id, at as u64)).collect();
                    insert(&connection, &new).unwrap();
                    there.extend(new);
                } else {
                    for id in ids {
                        remove(&connection, id).unwrap();
                        there.remove(&id);
                    }
                }
                prop_assert_eq!(check_ids(&connection).unwrap(), there.len() as u64);
                let largest_body = number(&connection, "SELECT coalesce(max(length(body)), 0) FROM message_id_blocks");
                prop_assert!(largest_body as usize <= ENTRIES_MAX * ENTRY_BYTES);
            }
            prop_assert_eq!(largest(&connection).unwrap(), there.keys().next_back().copied());
            for id in (0..4_300).map(Uuid::from_u128) {
                prop_assert_eq!(seq_at(&connection, id).unwrap(), there.get(&id).copied());
            }
        }
    }
}
