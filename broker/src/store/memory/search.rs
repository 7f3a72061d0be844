//! Knowledge search over rows in memory. A full-text index is made for each query, so that stemming and
//! ranking are those of the SQLite store by construction.

use nexus_wire::Party;
use nexus_wire::knowledge::KnowledgeHit;
use rusqlite::{Connection, params};

use crate::hub::records::{KnowledgeRecord, Stored};
use crate::store::query::fts5;
use crate::store::sqlite::fault;

const INDEX: &str = "CREATE VIRTUAL TABLE found USING fts5(topic, content, tokenize = 'porter unicode61')";
const INSERT: &str = "INSERT INTO found(rowid, topic, content) VALUES (?1, ?2, ?3)";
const SEARCH: &str = "SELECT rowid, -bm25(found, 4.0, 1.0) AS score FROM found WHERE found MATCH ?1
    ORDER BY score DESC, rowid";

pub(super) fn search(
    all: &[KnowledgeRecord],
    reader: &Party,
    query: &str,
    limit: u32,
) -> Stored<Vec<KnowledgeHit>> {
    let Some(expression) = fts5(query) else { return Ok(Vec::new()) };
    let connection = Connection::open_in_memory().map_err(fault)?;
    connection.execute_batch(INDEX).map_err(fault)?;
    for (at, record) in all.iter().enumerate() {
        let is_current =
            !all[at + 1..].iter().any(|later| later.aspect == record.aspect && later.topic == record.topic);
        if is_current {
            connection.execute(INSERT, params![at as i64, record.topic, record.content]).map_err(fault)?;
        }
    }
    let mut statement = connection.prepare(SEARCH).map_err(fault)?;
    let ranked = statement
        .query_map([expression], |row| Ok((row.get::<_, i64>(0)?, row.get::<_, f64>(1)?)))
        .map_err(fault)?;
    let mut hits = Vec::new();
    for ranked in ranked {
        let (at, score) = ranked.map_err(fault)?;
        let Some(record) = all.get(at as usize) else { continue };
        if hits.len() < limit as usize && (record.shared || record.aspect == *reader) {
            hits.push(KnowledgeHit {
                entry: record.entry,
                from: record.aspect.clone(),
                topic: record.topic.clone(),
                content: record.content.clone(),
                shared: record.shared,
                version: record.version,
                at: record.at,
                score,
            });
        }
    }
    Ok(hits)
}
