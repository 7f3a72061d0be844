//! Where messages are by their ids. What was written last is not in the table yet: an entry for each message would
//! cost a commit more than the message does, so many are written at once, a page of them in a row.

use nexus_wire::MessageId;
use rusqlite::Connection;
use uuid::Uuid;

use super::{Messages, id_blocks};
use crate::hub::records::Stored;
use crate::store::sqlite::columns::{count, to_number};
use crate::store::sqlite::fault::fault;
use crate::store::sqlite::read::one;
use crate::store::sqlite::recent_ids::RecentIds;

/// So many messages, or as many as have this many bytes together, are written into the table at once. Whoever has none
/// of this looks through them for an id that is not in the table.
const UNWRITTEN_MAX: usize = 1024;
const UNWRITTEN_BYTES_MAX: usize = 4 * 1024 * 1024;

/// What the writer knows of ids.
#[derive(Debug, Default)]
pub(in crate::store::sqlite) struct Ids {
    recent: RecentIds<u64>,
    /// Not in the table yet, in the order of `seq`.
    unwritten: Vec<(Uuid, u64)>,
    /// Of these messages together.
    bytes: usize,
}

impl Ids {
    pub(in crate::store::sqlite) fn load(connection: &Connection) -> Stored<Self> {
        let recent = RecentIds::of(id_blocks::largest(connection)?);
        let mut ids = Self { recent, ..Self::default() };
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
            None => id_blocks::seq_at(connection, id),
        }
    }

    pub(in crate::store::sqlite) fn are_due(&self) -> bool {
        self.unwritten.len() >= UNWRITTEN_MAX || self.bytes >= UNWRITTEN_BYTES_MAX
    }

    /// Writes all of them into the table.
    pub(in crate::store::sqlite) fn write(&mut self, connection: &Connection) -> Stored<()> {
        let Some(&(_, last)) = self.unwritten.last() else { return Ok(()) };
        self.unwritten.sort_unstable();
        id_blocks::insert(connection, &self.unwritten)?;
        self.unwritten.clear();
        let sql = "UPDATE meta SET ids_after = ?1";
        connection.prepare_cached(sql).and_then(|mut it| it.execute([to_number(last)])).map_err(fault)?;
        self.bytes = 0;
        Ok(())
    }
}

/// Fills the table from the messages.
pub(in crate::store::sqlite) fn write_all(connection: &Connection) -> Stored<()> {
    let mut ids = Ids::default();
    Messages::of(connection)?.each_after(0, |kept| {
        ids.add(kept.id, kept.seq, kept.content.len());
        if ids.are_due() {
            ids.write(connection)?;
        }
        Ok(true)
    })?;
    ids.write(connection)
}

/// Every message up to this `seq` is in the table.
pub(in crate::store::sqlite) fn written_up_to(connection: &Connection) -> Stored<u64> {
    Ok(one(connection, "SELECT ids_after FROM meta", [], |row| count(row, 0))?.unwrap_or(0))
}

/// Where the message with this id is, for those who know no more than what is committed.
pub(in crate::store::sqlite) fn seq_of(connection: &Connection, id: MessageId) -> Stored<Option<u64>> {
    if let Some(seq) = id_blocks::seq_at(connection, id.0)? {
        return Ok(Some(seq));
    }
    let mut found = None;
    Messages::of(connection)?.each_after(written_up_to(connection)?, |kept| {
        found = (kept.id == id.0).then_some(kept.seq);
        Ok(found.is_none())
    })?;
    Ok(found)
}
