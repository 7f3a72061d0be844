//! Checks what can be checked of a database: pages, foreign keys, and the log's hash chain.

use nexus_wire::ThreadId;
use rusqlite::fallible_streaming_iterator::FallibleStreamingIterator as _;
use rusqlite::types::ValueRef;
use rusqlite::{Connection, Row};
use sha2::{Digest, Sha256};

use super::chain::Link;
use super::columns::{count, id};
use super::derived;
use super::entries::{self, Form};
use super::fault::{damage, fault, readable};
use super::messages::{self, Kept, Messages};
use super::migrate::MIGRATIONS;
use super::pending::{Pending, recent_of};
use super::read::{self, all, one};
use super::retention;
use crate::hub::records::Stored;
use crate::store::head::Head;

/// What a database that passed every check holds.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Checked {
    pub head: Head,
    /// How the head it was compared with stands in this log.
    pub against: Option<Standing>,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Standing {
    /// The log holds that entry, so everything up to it is as it was.
    Contained,
    /// Another entry stands there: the log is another one, or was rewritten.
    Differs,
    /// The log ends before it: an older copy was put in its place.
    Missing,
    /// The entry is not kept any more, and the checkpoint that stands for it is a later one.
    Pruned,
}

/// Every check; otherwise the first fault.
pub(super) fn verify(connection: &Connection, against: Option<Head>) -> Stored<Checked> {
    let integrity: String =
        connection.query_row("PRAGMA integrity_check(1)", [], |row| row.get(0)).map_err(fault)?;
    if integrity != "ok" {
        return Err(damage(integrity));
    }
    let mut keys = connection.prepare("PRAGMA foreign_key_check").map_err(fault)?;
    let mut broken = keys.query([]).map_err(fault)?;
    if let Some(row) = broken.next().map_err(fault)? {
        let table: String = row.get(0).map_err(fault)?;
        return Err(damage(format_args!("a row of {table} refers to one that is not there")));
    }
    let version = one(connection, "PRAGMA user_version", [], |row| count(row, 0))?;
    let is_current = version == Some(MIGRATIONS.len() as u64);
    if is_current {
        derived::check_tables(connection)?;
    }
    threads(connection)?;
    let checked = chain(connection, against)?;
    if is_current {
        readable("what the broker reads first", Pending::load(connection))?;
    }
    Ok(checked)
}

/// Each can be read as a message for it reads it.
fn threads(connection: &Connection) -> Stored<()> {
    for id in all(connection, "SELECT id FROM threads ORDER BY no", [], |row| id(row, 0, ThreadId))? {
        let row = readable(format_args!("thread {id}"), read::thread(connection, id))?;
        let row = row.ok_or_else(|| damage(format_args!("the state of thread {id} is gone")))?;
        recent_of(row.recent, &id)?;
    }
    Ok(())
}

fn chain(connection: &Connection, against: Option<Head>) -> Stored<Checked> {
    let checkpoints = checkpoints_of(connection)?;
    let head = checkpoints.last().copied().unwrap_or(Head { seq: 0, hash: [0; 32] });
    let standing = against.map(|wanted| match checkpoints.iter().find(|it| it.seq == wanted.seq) {
        Some(checkpoint) => standing_at(*checkpoint, wanted),
        None if wanted.seq < head.seq => Standing::Pruned,
        None => standing_at(head, wanted),
    });
    let mut chain = Chain { head, sound: head.seq, against, standing };
    let sql = "SELECT seq, at, kind, actor, threads.id, subject, detail, content_sha256, hash
        FROM log LEFT JOIN threads ON threads.no = log.thread ORDER BY seq";
    let mut statement = connection.prepare(sql).map_err(fault)?;
    let mut rows = statement.query([]).map_err(fault)?;
    rows.advance().map_err(fault)?;
    let form = entries::form(connection)?;
    let after = if form == Form::Beside { u64::MAX } else { entries::after(connection)? };
    let mut check = |kept: &Kept<'_>| {
        if kept.seq <= after {
            return Ok(());
        }
        while let Some(row) = rows.get().filter(|row| count(row, 0).is_ok_and(|seq| seq < kept.seq)) {
            chain.check_row(row)?;
            rows.advance().map_err(fault)?;
        }
        chain.check_message(kept)
    };
    match form {
        Form::Beside => {}
        Form::Rows => messages::each_row(connection, &mut check)?,
        Form::Blocks => blocks(connection, &mut check)?,
    }
    while let Some(row) = rows.get() {
        chain.check_row(row)?;
        rows.advance().map_err(fault)?;
    }
    match chain.sound == chain.head.seq {
        true => Ok(Checked { head: chain.head, against: chain.standing }),
        false => Err(damage(format_args!("entry {} of the log has no hash", chain.head.seq))),
    }
}

/// Every message is found by its id, and what refers to one by `seq` finds it.
fn blocks(connection: &Connection, check: &mut impl FnMut(&Kept<'_>) -> Stored<()>) -> Stored<()> {
    messages::check_order(connection)?;
    // They are made from the messages where an older schema has them otherwise.
    let written = match has_table(connection, "message_id_blocks")? {
        true => Some((messages::written_up_to(connection)?, messages::check_ids(connection)?)),
        false => None,
    };
    let mut found = 0;
    Messages::of(connection)?.each_after(0, |kept| {
        check(kept)?;
        if written.is_some_and(|(up_to, _)| kept.seq <= up_to) {
            found += 1;
            if messages::written(connection, kept.id)? != Some(kept.seq) {
                return Err(damage(format_args!("message {} is not found by its id", kept.seq)));
            }
        }
        Ok(true)
    })?;
    if written.is_some_and(|(_, ids)| ids != found) {
        return Err(damage("there is an id of a message that is not there"));
    }
    for (table, sql) in [
        ("reactions", "SELECT DISTINCT message FROM reactions ORDER BY message"),
        ("blob_references", "SELECT DISTINCT message FROM blob_references ORDER BY message"),
    ] {
        let mut messages = Messages::of(connection)?;
        for seq in all(connection, sql, [], |row| count(row, 0))? {
            if !messages.has(seq)? {
                return Err(damage(format_args!(
                    "a row of {table} refers to message {seq}, which is not there"
                )));
            }
        }
    }
    Ok(())
}

/// Those that stand for entries that are gone; an older schema has none.
fn checkpoints_of(connection: &Connection) -> Stored<Vec<Head>> {
    if !has_table(connection, "checkpoints")? {
        return Ok(Vec::new());
    }
    let checkpoints = retention::checkpoints(connection)?;
    Ok(checkpoints.into_iter().map(|it| Head { seq: it.seq, hash: it.hash }).collect())
}

pub(super) fn has_table(connection: &Connection, name: &str) -> Stored<bool> {
    let sql = "SELECT EXISTS (SELECT 1 FROM sqlite_schema WHERE name = ?1)";
    connection.query_row(sql, [name], |row| row.get(0)).map_err(fault)
}

fn standing_at(head: Head, wanted: Head) -> Standing {
    match head == wanted {
        true => Standing::Contained,
        false if head.seq == wanted.seq => Standing::Differs,
        false => Standing::Missing,
    }
}

/// The chain as far as it was followed.
struct Chain {
    head: Head,
    /// The last entry whose hash was compared with what is written.
    sound: u64,
    against: Option<Head>,
    standing: Option<Standing>,
}

impl Chain {
    fn check_row(&mut self, row: &Row<'_>) -> Stored<()> {
        let bytes = |at: usize| {
            Ok::<_, rusqlite::Error>(match row.get_ref(at)? {
                ValueRef::Blob(bytes) | ValueRef::Text(bytes) => bytes,
                ValueRef::Null | ValueRef::Integer(_) | ValueRef::Real(_) => &[],
            })
        };
        let read = || {
            let link = Link {
                seq: count(row, 0)?,
                at: row.get(1)?,
                kind: row.get_ref(2)?.as_str()?,
                actor: row.get_ref(3)?.as_str()?,
                thread: bytes(4)?,
                subject: bytes(5)?,
                detail: row.get_ref(6)?.as_str_or_null()?.unwrap_or_default(),
                content_sha256: bytes(7)?,
            };
            Ok::<_, rusqlite::Error>((link, bytes(8)?))
        };
        let (link, hash) = read().map_err(fault)?;
        self.check(&link, Some(hash))
    }

    fn check_message(&mut self, kept: &Kept<'_>) -> Stored<()> {
        let content_sha256 = Sha256::digest(kept.content).into();
        self.check(&Link::of_message(kept, &content_sha256), kept.hash.as_ref().map(|hash| &hash[..]))
    }

    /// Goes on to the entry if it comes next and its hash is what it and the one before say. `None`: no hash is written
    /// with it, but with one that comes later.
    fn check(&mut self, link: &Link<'_>, written: Option<&[u8]>) -> Stored<()> {
        let (seq, before) = (link.seq, self.head.seq);
        if seq != before + 1 {
            return Err(damage(format_args!("the log goes from entry {before} to {seq}")));
        }
        let hash = link.hash(&self.head.hash);
        if let Some(written) = written {
            if written != hash {
                return Err(damage(match self.sound + 1 {
                    first if first == seq => format!("entry {seq} of the log was changed"),
                    first => format!("an entry of the log from {first} to {seq} was changed"),
                }));
            }
            self.sound = seq;
        }
        self.head = Head { seq, hash };
        if let Some(wanted) = self.against.filter(|wanted| wanted.seq == seq) {
            self.standing = Some(standing_at(self.head, wanted));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::hub::records::{Store as _, StoreError, ThreadRecord, Transaction as _};
    use crate::store::sqlite::{Options, ReaderPool, SqliteStore};

    #[test]
    fn a_thread_that_cannot_be_read_is_damage_and_so_is_a_table_that_is_gone() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("nexus.db");
        let mut store = SqliteStore::open(&path, Options::default()).unwrap();
        let [thread, other] = [77, 78].map(|id| ThreadId(Uuid::from_u128(id)));
        store.begin().unwrap();
        store.put_thread(&ThreadRecord::opened(thread, "one".into(), 0)).unwrap();
        store.put_thread(&ThreadRecord::opened(other, "other".into(), 0)).unwrap();
        store.commit().unwrap();
        drop(store);
        let verify = || ReaderPool::new(&path, 1).read(|reader| reader.verify(None));
        verify().unwrap();
        let whole = std::fs::read(&path).unwrap();
        let of_first = |what: &str| format!("UPDATE thread_states SET {what} WHERE thread = 1");
        for (sql, says) in [
            ("DROP TABLE blob_usage".to_owned(), "the table blob_usage is gone".to_owned()),
            (
                "DELETE FROM thread_states WHERE thread = 2".to_owned(),
                format!("the state of thread {other} is gone"),
            ),
            (
                of_first("last_seq = -1"),
                format!("thread {thread} cannot be read: Integer -1 out of range at index 7"),
            ),
            (of_first("recent = x'80'"), format!("the open block of {thread} cannot be read")),
        ] {
            std::fs::write(&path, &whole).unwrap();
            Connection::open(&path).unwrap().execute_batch(&sql).unwrap();
            let error = verify().unwrap_err().to_string();
            assert_eq!(error, StoreError::Corrupt(says).to_string(), "{sql}");
        }
    }
}
