//! Search in messages, on a connection that has the index attached.

use std::cell::Cell;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use nexus_wire::chat::{ChatHit, ChatSearch};
use nexus_wire::{MessageId, Ms, Party, ThreadId};
use rusqlite::{Connection, Row, params};

use super::columns::{count, id, parsed, to_blob, to_json, to_number};
use super::fault::fault;
use super::index;
use super::open::uri;
use super::read::{all, one};
use crate::hub::records::{Found, Stored, Visible};
use crate::store::page::Page;
use crate::store::query::fts5;
use crate::store::snippet::matches;

/// Which file is attached, by device and number: an index that is made anew is another one.
pub(super) type Attached = Cell<Option<(u64, u64)>>;

/// `false`: there is no index yet.
pub(super) fn attach(connection: &Connection, attached: &Attached, database: &Path) -> Stored<bool> {
    let path = index::path_of(database);
    let Ok(file) = std::fs::metadata(&path) else { return Ok(false) };
    let file = Some((file.dev(), file.ino()));
    if attached.get() == file {
        return Ok(true);
    }
    if attached.take().is_some() {
        connection.flush_prepared_statement_cache();
        connection.execute("DETACH search", []).map_err(fault)?;
    }
    connection.execute("ATTACH ?1 AS search", [uri(&path)]).map_err(fault)?;
    attached.set(file);
    Ok(true)
}

struct Line {
    hit: ChatHit,
    content: String,
}

fn found(row: &Row<'_>) -> rusqlite::Result<Line> {
    let hit = ChatHit {
        message: id(row, 0, MessageId)?,
        seq: count(row, 1)?,
        thread: id(row, 2, ThreadId)?,
        title: row.get(3)?,
        from: parsed::<Party>(row, 4)?,
        at: row.get::<_, Ms>(5)?,
        snippet: Vec::new(),
    };
    Ok(Line { hit, content: row.get(6)? })
}

/// The file is there a moment before its tables are.
pub(super) fn is_made(connection: &Connection) -> Stored<bool> {
    let sql = "SELECT count(*) FROM search.sqlite_schema WHERE name = 'position'";
    Ok(one(connection, sql, [], |row| count(row, 0))? == Some(1))
}

pub(super) fn search(
    connection: &Connection,
    visible: &Visible,
    asked: &ChatSearch,
    limit: u32,
) -> Stored<Found> {
    let indexed_seq =
        one(connection, "SELECT seq FROM search.position", [], |row| count(row, 0))?.unwrap_or(0);
    let Some(expression) = fts5(&asked.query) else { return Ok(Found { hits: Vec::new(), indexed_seq }) };
    // The index comes first, newest message first, whatever else could be narrowed down by.
    let sql = "SELECT m.id, m.seq, t.id, t.title, m.sender, m.at, m.content
        FROM search.message_index CROSS JOIN messages AS m ON m.seq = message_index.rowid
            CROSS JOIN threads AS t ON t.no = m.thread
        WHERE message_index MATCH ?1 AND message_index.rowid < ?2
            AND (?3 IS NULL OR t.id = ?3) AND (?4 IS NULL OR m.sender = ?4)
            AND m.at >= ?5 AND m.at < ?6
            AND (?7 IS NULL OR instr(' ' || t.participants || ' ', ' ' || ?7 || ' ') > 0
                OR t.id IN (SELECT unhex(value) FROM json_each(?8)))
        ORDER BY message_index.rowid DESC LIMIT ?9";
    let (reader, worked) = match visible {
        Visible::All => (None, Vec::new()),
        Visible::To { party, worked } => {
            (Some(party.to_string()), worked.iter().map(|id| id.0.simple().to_string()).collect())
        }
    };
    let row = params![
        expression,
        to_number(asked.cursor.unwrap_or(u64::MAX)),
        asked.thread.map(|id| to_blob(id.0)),
        asked.by.as_ref().map(Party::to_string),
        asked.since.unwrap_or(Ms::MIN),
        asked.until.unwrap_or(Ms::MAX),
        reader,
        to_json(&worked),
        limit,
    ];
    let rows = all(connection, sql, row, found)?;
    let mut page = Page::new(limit);
    let kept: Vec<Line> = rows.into_iter().take_while(|row| page.takes(row.content.len())).collect();
    let mut snippets = matches(kept.iter().map(|row| (row.hit.seq, row.content.as_str())), &expression)?;
    let hits = kept.into_iter().map(|row| {
        let snippet = snippets.remove(&row.hit.seq).unwrap_or_default();
        ChatHit { snippet, ..row.hit }
    });
    Ok(Found { hits: hits.collect(), indexed_seq })
}
