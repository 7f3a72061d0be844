//! Full blocks of inboxes and threads, as rows. They come into a table of new ones, in the order in which they became
//! full, and many at once are moved to where each inbox and each thread has pages of its own: a page for every block
//! would be a third of what a busy commit writes.

use rusqlite::{Connection, Params, params};

use super::blocks::BLOCK;
use super::columns::{count, to_number};
use super::fault::fault;
use super::read::one;
use crate::hub::records::Stored;

/// When there are so many new ones of a kind, all of them are moved. Whoever looks for one may have to go through them.
const NEW_MAX: u64 = 512;

/// One of an inbox (`?1`) by its number (`?2`).
pub(super) const OF_INBOX: &str = "SELECT refs FROM inbox_blocks WHERE aspect = ?1 AND block = ?2
    UNION ALL SELECT refs FROM new_inbox_blocks WHERE aspect = ?1 AND block = ?2";

/// Those of a thread (`?1`) from the one that holds a `seq` (`?2`) on, and perhaps the one before.
pub(super) const OF_THREAD_FROM: &str = "SELECT seqs, first FROM thread_blocks WHERE thread = ?1 AND first >=
        coalesce((SELECT max(first) FROM thread_blocks WHERE thread = ?1 AND first <= ?2), 0)
    UNION ALL SELECT seqs, first FROM new_thread_blocks WHERE thread = ?1 AND first >=
        coalesce((SELECT max(first) FROM new_thread_blocks WHERE thread = ?1 AND first <= ?2), 0)
    ORDER BY first";

/// Those of a thread (`?1`) from the last one back.
pub(super) const OF_THREAD_BACK: &str = "SELECT seqs, first FROM thread_blocks WHERE thread = ?1
    UNION ALL SELECT seqs, first FROM new_thread_blocks WHERE thread = ?1
    ORDER BY first DESC";

/// How many new ones there are.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct New {
    of_inboxes: u64,
    of_threads: u64,
    /// Of a kind; then they are moved.
    most: u64,
}

impl Default for New {
    fn default() -> Self {
        Self { of_inboxes: 0, of_threads: 0, most: NEW_MAX }
    }
}

impl New {
    pub(super) fn load(connection: &Connection) -> Stored<Self> {
        let sql = "SELECT (SELECT count(*) FROM new_inbox_blocks), (SELECT count(*) FROM new_thread_blocks)";
        let found = one(connection, sql, [], |row| {
            Ok(Self { of_inboxes: count(row, 0)?, of_threads: count(row, 1)?, ..Self::default() })
        })?;
        Ok(found.unwrap_or_default())
    }

    /// The one that ends with the item at `offset`.
    pub(super) fn put_of_inbox(
        &mut self,
        connection: &Connection,
        aspect: i64,
        offset: u64,
        refs: &[u8],
    ) -> Stored<()> {
        let sql = "INSERT INTO new_inbox_blocks (aspect, block, refs) VALUES (?1, ?2, ?3)";
        execute(connection, sql, params![aspect, to_number((offset - 1) / BLOCK), refs])?;
        self.of_inboxes += 1;
        Ok(())
    }

    /// The one that begins with the message at `first`.
    pub(super) fn put_of_thread(
        &mut self,
        connection: &Connection,
        thread: i64,
        first: u64,
        seqs: &[u8],
    ) -> Stored<()> {
        let sql = "INSERT INTO new_thread_blocks (thread, first, seqs) VALUES (?1, ?2, ?3)";
        execute(connection, sql, params![thread, to_number(first), seqs])?;
        self.of_threads += 1;
        Ok(())
    }

    /// Moves those there are enough of.
    pub(super) fn move_if_due(&mut self, connection: &Connection) -> Stored<()> {
        if self.of_inboxes >= self.most {
            self.move_of_inboxes(connection)?;
        }
        if self.of_threads >= self.most {
            let sql = "INSERT INTO thread_blocks (thread, first, seqs)
                SELECT thread, first, seqs FROM new_thread_blocks ORDER BY thread, first";
            execute(connection, sql, [])?;
            execute(connection, "DELETE FROM new_thread_blocks", [])?;
            self.of_threads = 0;
        }
        Ok(())
    }

    pub(super) fn move_of_inboxes(&mut self, connection: &Connection) -> Stored<()> {
        let sql = "INSERT INTO inbox_blocks (aspect, block, refs)
            SELECT aspect, block, refs FROM new_inbox_blocks ORDER BY aspect, block";
        execute(connection, sql, [])?;
        execute(connection, "DELETE FROM new_inbox_blocks", [])?;
        self.of_inboxes = 0;
        Ok(())
    }
}

fn execute(connection: &Connection, sql: &str, row: impl Params) -> Stored<()> {
    connection.prepare_cached(sql).and_then(|mut it| it.execute(row)).map_err(fault)?;
    Ok(())
}

#[cfg(test)]
mod tests;
