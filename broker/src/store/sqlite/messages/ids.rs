//! Where messages are by their ids. What was written last is not in the table yet: an entry for each message would
//! cost a commit more than the message does, so many are written at once.

use nexus_wire::MessageId;
use rusqlite::Connection;
use uuid::Uuid;

use super::Messages;
use super::recent::Recent;
use crate::hub::records::Stored;
use crate::store::sqlite::columns::{count, id, to_blob, to_number};
use crate::store::sqlite::fault::fault;
use crate::store::sqlite::read::one;

/// So many messages, or as many as have this many bytes together, are written into the table at once. Whoever has none
/// of this looks through them for an id that is not in the table.
const UNWRITTEN_MAX: usize = 4096;
const UNWRITTEN_BYTES_MAX: usize = 4 * 1024 * 1024;

/// What the writer knows of ids.
#[derive(Debug, Default)]
pub(in crate::store::sqlite) struct Ids {
    recent: Recent,
    /// Not in the table yet, in the order of `seq`.
    unwritten: Vec<(Uuid, u64)>,
    /// Of these messages together.
    bytes: usize,
}

impl Ids {
    pub(in crate::store::sqlite) fn load(connection: &Connection) -> Stored<Self> {
        let sql = "SELECT id FROM message_ids ORDER BY id DESC LIMIT 1";
        let largest = one(connection, sql, [], |row| id(row, 0, |id| id))?;
        let mut ids = Self { recent: Recent::of(largest), ..Self::default() };
        Messages::of(connection)?.each_after(written_up_to(connection)?, |kept| {
            ids.add(kept.id, kept.seq, kept.content.len());
            Ok(true)
        })?;
        Ok(ids)
    }

    /// The message is written, and took so many bytes.
    pub(in crate::store::sqlite) fn add(&mut self, id: Uuid, seq: u64, bytes: usize) {
        self.unwritten.push((id, seq));
        self.bytes += bytes;
        self.recent.add(id, seq);
    }

    /// `None`: it is not there. The message itself may be kept no longer.
    pub(in crate::store::sqlite) fn seq_of(&self, connection: &Connection, id: Uuid) -> Stored<Option<u64>> {
        let found = self.recent.get(id);
        if found.is_some() || !self.recent.may_be_older(id) {
            return Ok(found);
        }
        match self.unwritten.iter().find(|(unwritten, _)| *unwritten == id) {
            Some((_, seq)) => Ok(Some(*seq)),
            None => written(connection, id),
        }
    }

    pub(in crate::store::sqlite) fn are_due(&self) -> bool {
        self.unwritten.len() >= UNWRITTEN_MAX || self.bytes >= UNWRITTEN_BYTES_MAX
    }

    /// Writes all of them into the table.
    pub(in crate::store::sqlite) fn write(&mut self, connection: &Connection) -> Stored<()> {
        let Some(&(_, last)) = self.unwritten.last() else { return Ok(()) };
        // Neighbours in the table lie on one page of it.
        self.unwritten.sort_unstable();
        let sql = "INSERT INTO message_ids (id, seq) VALUES (?1, ?2)";
        let mut insert = connection.prepare_cached(sql).map_err(fault)?;
        for (id, seq) in self.unwritten.drain(..) {
            insert.execute((to_blob(id), to_number(seq))).map_err(fault)?;
        }
        let sql = "UPDATE meta SET ids_after = ?1";
        connection.prepare_cached(sql).and_then(|mut it| it.execute([to_number(last)])).map_err(fault)?;
        self.bytes = 0;
        Ok(())
    }
}

/// Every message up to this `seq` is in the table.
pub(in crate::store::sqlite) fn written_up_to(connection: &Connection) -> Stored<u64> {
    Ok(one(connection, "SELECT ids_after FROM meta", [], |row| count(row, 0))?.unwrap_or(0))
}

/// What the table says.
pub(in crate::store::sqlite) fn written(connection: &Connection, id: Uuid) -> Stored<Option<u64>> {
    one(connection, "SELECT seq FROM message_ids WHERE id = ?1", [to_blob(id)], |row| count(row, 0))
}

/// Where the message with this id is, for those who know no more than what is committed.
pub(in crate::store::sqlite) fn seq_of(connection: &Connection, id: MessageId) -> Stored<Option<u64>> {
    if let Some(seq) = written(connection, id.0)? {
        return Ok(Some(seq));
    }
    let mut found = None;
    Messages::of(connection)?.each_after(written_up_to(connection)?, |kept| {
        found = (kept.id == id.0).then_some(kept.seq);
        Ok(found.is_none())
    })?;
    Ok(found)
}
