//! Search in messages, on a connection that has the index attached.

use std::cell::Cell;
use std::collections::HashMap;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use nexus_wire::chat::{ChatHit, ChatSearch};
use nexus_wire::{MessageId, Party, ThreadId};
use rusqlite::{Connection, params};

use super::columns::{count, parties, to_blob, to_number};
use super::fault::fault;
use super::index;
use super::messages::Messages;
use super::open::uri;
use super::read::{one, steady};
use crate::hub::records::{Found, Stored, Visible};
use crate::store::page::{Page, looked_at};
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

/// The file is there a moment before its tables are.
pub(super) fn is_made(connection: &Connection) -> Stored<bool> {
    let sql = "SELECT count(*) FROM search.sqlite_schema WHERE name = 'position'";
    Ok(one(connection, sql, [], |row| count(row, 0))? == Some(1))
}

/// Looks at `scan` matches and no more, long messages counted several times.
pub(super) fn search(
    connection: &Connection,
    visible: &Visible,
    asked: &ChatSearch,
    limit: u32,
    scan: u64,
) -> Stored<Found> {
    let _steady = steady(connection)?;
    let indexed_seq =
        one(connection, "SELECT seq FROM search.position", [], |row| count(row, 0))?.unwrap_or(0);
    let Some(expression) = fts5(&asked.query) else {
        return Ok(Found { hits: Vec::new(), next: None, indexed_seq });
    };
    let mut messages = Messages::of(connection)?;
    let (first, end) = span(&mut messages, asked, indexed_seq)?;
    // Newest message first.
    let sql = "SELECT rowid FROM search.message_index
        WHERE message_index MATCH ?1 AND rowid >= ?2 AND rowid < ?3 ORDER BY rowid DESC";
    let mut statement = connection.prepare_cached(sql).map_err(fault)?;
    let mut rows = statement.query(params![expression, to_number(first), to_number(end)]).map_err(fault)?;
    let mut threads = Threads::of(connection, visible);
    let by = asked.by.as_ref().map(Party::to_string);
    let (mut page, mut left) = (Page::new(limit), scan);
    let (mut last, mut next) = (None, None);
    let mut kept = Vec::new();
    while let Some(row) = rows.next().map_err(fault)? {
        if left == 0 || page.is_full() {
            next = last;
            break;
        }
        let seq = count(row, 0).map_err(fault)?;
        // What is kept no longer counts as well.
        let mut weight = 1;
        let line = messages.at(seq, |message| {
            weight = looked_at(message.content.len());
            let thread = ThreadId(message.thread);
            if asked.thread.is_some_and(|asked| asked != thread)
                || by.as_deref().is_some_and(|by| by != message.sender)
            {
                return Ok(None);
            }
            let Some(title) = threads.visible_title(thread)? else { return Ok(None) };
            let (id, from, at) = (MessageId(message.id), message.from()?, message.at);
            let hit = ChatHit { message: id, seq, thread, title, from, at, snippet: Vec::new() };
            Ok(Some(Line { hit, content: message.content.to_owned() }))
        })?;
        left = left.saturating_sub(weight);
        if let Some(line) = line.flatten() {
            if !page.takes(line.content.len()) {
                next = last;
                break;
            }
            kept.push(line);
        }
        last = Some(seq);
    }
    let mut snippets = matches(kept.iter().map(|row| (row.hit.seq, row.content.as_str())), &expression)?;
    let hits = kept.into_iter().map(|row| {
        let snippet = snippets.remove(&row.hit.seq).unwrap_or_default();
        ChatHit { snippet, ..row.hit }
    });
    Ok(Found { hits: hits.collect(), next, indexed_seq })
}

/// The first message that may be wanted, and what is behind the last.
fn span(messages: &mut Messages<'_>, asked: &ChatSearch, indexed_seq: u64) -> Stored<(u64, u64)> {
    let newest = indexed_seq.saturating_add(1);
    let first = match asked.since {
        Some(since) => messages.made_since(since, newest)?,
        None => 0,
    };
    let end = match asked.until {
        Some(until) => messages.made_since(until, newest)?,
        None => newest,
    };
    Ok((first, end.min(asked.cursor.unwrap_or(u64::MAX))))
}

/// What has been asked of threads already.
struct Threads<'a> {
    connection: &'a Connection,
    visible: &'a Visible,
    /// Their titles; `None`: whoever asks may not see them.
    found: HashMap<ThreadId, Option<String>>,
}

impl<'a> Threads<'a> {
    fn of(connection: &'a Connection, visible: &'a Visible) -> Self {
        Self { connection, visible, found: HashMap::new() }
    }

    fn visible_title(&mut self, id: ThreadId) -> Stored<Option<String>> {
        if let Some(found) = self.found.get(&id) {
            return Ok(found.clone());
        }
        let sql = "SELECT title, participants FROM threads WHERE id = ?1";
        let found = one(self.connection, sql, [to_blob(id.0)], |row| {
            Ok((row.get::<_, String>(0)?, parties(row, 1)?))
        })?;
        let title = found.filter(|(_, participants)| match self.visible {
            Visible::All => true,
            Visible::To { party, worked } => participants.contains(party) || worked.contains(&id),
        });
        let title = title.map(|(title, _)| title);
        self.found.insert(id, title.clone());
        Ok(title)
    }
}

#[cfg(test)]
mod tests;
