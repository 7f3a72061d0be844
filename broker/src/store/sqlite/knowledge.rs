//! Rows of knowledge: versions, grants and how topics are used. Search is beside it.

use nexus_wire::knowledge::{KnowledgeGrantInfo, KnowledgeHead, KnowledgeMay, KnowledgeUsage};
use nexus_wire::{AspectName, EntryId, GrantId, Party};
use rusqlite::types::Value;
use rusqlite::{Connection, Params, Row, params};

use super::columns::{count, id, parsed, small, to_blob, to_json, to_number, to_word, word};
use super::fault::fault;
use super::read::{all, one};
use crate::hub::records::{KnowledgeGrantRecord, KnowledgePlace, KnowledgeRecord, KnowledgeScope, Stored};

macro_rules! knowledge_select {
    ($rest:literal) => {
        concat!(
            "SELECT entry, author, topic, content, shared, version, at, deleted, request_sha256 FROM knowledge ",
            $rest
        )
    };
}

fn knowledge_row(row: &Row<'_>) -> rusqlite::Result<KnowledgeRecord> {
    Ok(KnowledgeRecord {
        entry: id(row, 0, EntryId)?,
        aspect: parsed(row, 1)?,
        topic: row.get(2)?,
        content: row.get(3)?,
        shared: row.get(4)?,
        version: small(row, 5)?,
        at: row.get(6)?,
        deleted: row.get(7)?,
        request_sha256: row.get(8)?,
    })
}

fn head_row(row: &Row<'_>) -> rusqlite::Result<KnowledgeHead> {
    Ok(KnowledgeHead {
        entry: id(row, 0, EntryId)?,
        from: parsed(row, 1)?,
        topic: row.get(2)?,
        bytes: count(row, 3)?,
        shared: row.get(4)?,
        version: small(row, 5)?,
        at: row.get(6)?,
        deleted: row.get(7)?,
        usage: None,
    })
}

pub(super) fn current(
    connection: &Connection,
    author: &Party,
    topic: &str,
) -> Stored<Option<KnowledgeRecord>> {
    let sql = knowledge_select!("WHERE author = ?1 AND topic = ?2 AND current");
    one(connection, sql, params![author.to_string(), topic], knowledge_row)
}

pub(super) fn entry(connection: &Connection, id: EntryId) -> Stored<Option<KnowledgeRecord>> {
    one(connection, knowledge_select!("WHERE entry = ?1"), [to_blob(id.0)], knowledge_row)
}

pub(super) fn version(
    connection: &Connection,
    author: &Party,
    topic: &str,
    version: u32,
) -> Stored<Option<KnowledgeRecord>> {
    let sql = knowledge_select!("WHERE author = ?1 AND topic = ?2 AND version = ?3");
    one(connection, sql, params![author.to_string(), topic, version], knowledge_row)
}

pub(super) fn history(
    connection: &Connection,
    author: &Party,
    topic: &str,
    before: u32,
    limit: u32,
) -> Stored<Vec<KnowledgeHead>> {
    let sql =
        "SELECT entry, author, topic, octet_length(content), shared, version, at, deleted FROM knowledge
        WHERE author = ?1 AND topic = ?2 AND version < ?3 ORDER BY version DESC LIMIT ?4";
    all(connection, sql, params![author.to_string(), topic, before, limit], head_row)
}

/// The authors of a scope as JSON for `json_each`; `NULL` is everyone.
pub(super) fn authors(scope: &KnowledgeScope) -> Value {
    match scope {
        KnowledgeScope::Everyones => Value::Null,
        KnowledgeScope::Of(authors) => Value::Text(to_json(authors)),
    }
}

pub(super) fn list(
    connection: &Connection,
    scope: &KnowledgeScope,
    of: Option<&Party>,
    prefix: &str,
    after: Option<&KnowledgePlace>,
    limit: u32,
) -> Stored<Vec<KnowledgeHead>> {
    // Compared as bytes: the functions for text end at a NUL.
    let sql =
        "SELECT entry, author, topic, octet_length(content), shared, version, at, deleted FROM knowledge
        WHERE current AND NOT deleted
            AND (?1 IS NULL OR shared OR author IN (SELECT value FROM json_each(?1)))
            AND (?2 IS NULL OR author = ?2)
            AND substr(CAST(topic AS BLOB), 1, octet_length(?3)) = ?3
            AND (?4 IS NULL OR (author, topic) > (?4, ?5))
        ORDER BY author, topic LIMIT ?6";
    let row = params![
        authors(scope),
        of.map(Party::to_string),
        prefix.as_bytes(),
        after.map(|(author, _)| author.to_string()),
        after.map(|(_, topic)| topic),
        limit,
    ];
    all(connection, sql, row, head_row)
}

macro_rules! grant_select {
    ($rest:literal) => {
        concat!(
            "SELECT id, reader, may, author, granted, changed, actor, at, request_sha256
             FROM knowledge_grants AS g ",
            $rest
        )
    };
}

fn grant_row(row: &Row<'_>) -> rusqlite::Result<KnowledgeGrantRecord> {
    Ok(KnowledgeGrantRecord {
        id: id(row, 0, GrantId)?,
        to: parsed(row, 1)?,
        may: word(row, 2)?,
        of: match row.get_ref(3)?.as_str_or_null()? {
            Some(_) => Some(parsed(row, 3)?),
            None => None,
        },
        granted: row.get(4)?,
        changed: row.get(5)?,
        by: parsed(row, 6)?,
        at: row.get(7)?,
        request_sha256: row.get(8)?,
    })
}

pub(super) fn grant(
    connection: &Connection,
    to: &AspectName,
    may: KnowledgeMay,
    of: Option<&Party>,
) -> Stored<Option<KnowledgeGrantRecord>> {
    let sql = grant_select!("WHERE reader = ?1 AND may = ?2 AND author IS ?3 ORDER BY no DESC LIMIT 1");
    one(connection, sql, params![to.as_str(), to_word(&may), of.map(Party::to_string)], grant_row)
}

pub(super) fn grant_by_id(connection: &Connection, id: GrantId) -> Stored<Option<KnowledgeGrantRecord>> {
    one(connection, grant_select!("WHERE id = ?1"), [to_blob(id.0)], grant_row)
}

pub(super) fn grants(connection: &Connection, to: Option<&AspectName>) -> Stored<Vec<KnowledgeGrantInfo>> {
    let sql = grant_select!(
        "WHERE granted AND (?1 IS NULL OR reader = ?1)
            AND no = (SELECT max(no) FROM knowledge_grants AS l
                WHERE l.reader = g.reader AND l.may = g.may AND l.author IS g.author)
         ORDER BY reader, may, author"
    );
    let rows = all(connection, sql, [to.map(AspectName::as_str)], grant_row)?;
    Ok(rows.into_iter().map(|row| row.info()).collect())
}

pub(super) fn usage(connection: &Connection, author: &Party, topic: &str) -> Stored<KnowledgeUsage> {
    let sql =
        "SELECT found, recalled, last_recalled_at FROM knowledge_usage WHERE author = ?1 AND topic = ?2";
    let found = one(connection, sql, params![author.to_string(), topic], |row| {
        Ok(KnowledgeUsage { found: count(row, 0)?, recalled: count(row, 1)?, last_recalled_at: row.get(2)? })
    })?;
    Ok(found.unwrap_or_default())
}

fn execute(connection: &Connection, sql: &str, params: impl Params) -> Stored<()> {
    connection.prepare_cached(sql).and_then(|mut statement| statement.execute(params)).map_err(fault)?;
    Ok(())
}

pub(in crate::store) fn put(connection: &Connection, record: &KnowledgeRecord) -> Stored<()> {
    let author = record.aspect.to_string();
    let sql =
        "SELECT no, topic, content, deleted FROM knowledge WHERE author = ?1 AND topic = ?2 AND current";
    let old = one(connection, sql, params![author, record.topic], |row| {
        Ok((
            row.get::<_, i64>(0)?,
            row.get::<_, String>(1)?,
            row.get::<_, String>(2)?,
            row.get::<_, bool>(3)?,
        ))
    })?;
    if let Some((no, topic, content, deleted)) = old {
        execute(connection, "UPDATE knowledge SET current = 0 WHERE no = ?1", [no])?;
        if !deleted {
            let sql = "INSERT INTO knowledge_index (knowledge_index, rowid, topic, content)
                VALUES ('delete', ?1, ?2, ?3)";
            execute(connection, sql, params![no, topic, content])?;
        }
    }
    let sql = "INSERT INTO knowledge (entry, author, topic, version, content, shared, at, deleted, current,
            request_sha256)
        VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, 1, ?9)";
    let row = params![
        to_blob(record.entry.0),
        author,
        record.topic,
        record.version,
        record.content,
        record.shared,
        record.at,
        record.deleted,
        record.request_sha256,
    ];
    execute(connection, sql, row)?;
    if record.deleted {
        return Ok(());
    }
    let sql = "INSERT INTO knowledge_index (rowid, topic, content) VALUES (last_insert_rowid(), ?1, ?2)";
    execute(connection, sql, params![record.topic, record.content])
}

pub(super) fn put_grant(connection: &Connection, record: &KnowledgeGrantRecord) -> Stored<()> {
    let sql =
        "INSERT INTO knowledge_grants (id, reader, may, author, granted, changed, actor, at, request_sha256)
        VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)";
    let row = params![
        to_blob(record.id.0),
        record.to.as_str(),
        to_word(&record.may),
        record.of.as_ref().map(Party::to_string),
        record.granted,
        record.changed,
        record.by.to_string(),
        record.at,
        record.request_sha256,
    ];
    execute(connection, sql, row)
}

pub(super) fn put_usage(
    connection: &Connection,
    author: &Party,
    topic: &str,
    usage: KnowledgeUsage,
) -> Stored<()> {
    let sql = "INSERT INTO knowledge_usage (author, topic, found, recalled, last_recalled_at)
        VALUES (?1, ?2, ?3, ?4, ?5)
        ON CONFLICT (author, topic) DO UPDATE SET found = excluded.found, recalled = excluded.recalled,
            last_recalled_at = excluded.last_recalled_at";
    let row = params![
        author.to_string(),
        topic,
        to_number(usage.found),
        to_number(usage.recalled),
        usage.last_recalled_at,
    ];
    execute(connection, sql, row)
}
