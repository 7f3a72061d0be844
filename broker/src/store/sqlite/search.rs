//! Knowledge search: SQLite's index finds, and scores are made here.
//!
//! The index knows everybody's entries, and so do the scores it gives. What a reader may not read must not show
//! in a score either, so BM25 is worked out over the reader's scope alone.

use nexus_wire::knowledge::KnowledgeHit;
use nexus_wire::limits::SEARCH_HITS_MAX;
use nexus_wire::{EntryId, Party, snippet};
use rusqlite::{Connection, Row, params};

use super::columns::{count, id, parsed, small, to_blob, to_json};
use super::knowledge::authors;
use super::read::{all, one};
use crate::hub::records::{KnowledgeRank, KnowledgeScope, Stored};
use crate::store::query::{fts5, wanted};

/// Terms that count in a score; the others only have to match.
const SCORED_TERMS_MAX: usize = 24;
/// Documents with a term are counted up to here: beyond it the term says nothing anyway.
const COUNT_MAX: i64 = 10_000;
/// A content longer than this is not looked through for how often a term occurs.
const COUNTED_BYTES_MAX: i64 = 64 * 1024;
/// A scope with fewer entries counts as one of so many, so that the scores of a small store mean the same.
const ENTRIES_MIN: u64 = 50;
/// An occurrence in the topic weighs as much as so many in the content.
const TOPIC_WEIGHT: f64 = 4.0;
const K1: f64 = 1.2;
const B: f64 = 0.75;
/// The length that neither raises nor lowers a score.
const USUAL_BYTES: f64 = 800.0;

/// `?2`: the authors of the scope; `?3`: the author asked for.
macro_rules! in_scope {
    ($before:literal, $after:literal) => {
        concat!(
            $before,
            " (?2 IS NULL OR shared OR author IN (SELECT value FROM json_each(?2)))
              AND (?3 IS NULL OR author = ?3) ",
            $after
        )
    };
}

const CANDIDATES: &str = in_scope!(
    "SELECT k.no, entry, octet_length(k.content)
     FROM knowledge_index JOIN knowledge AS k ON k.no = knowledge_index.rowid WHERE knowledge_index MATCH ?1 AND",
    "ORDER BY bm25(knowledge_index, 4.0, 1.0), k.no LIMIT ?4"
);
const ENTRIES: &str =
    in_scope!("SELECT count(*) FROM knowledge WHERE ?1 IS NOT NULL AND current AND NOT deleted AND", "");
const WITH_TERM: &str = in_scope!(
    "SELECT count(*) FROM (SELECT 1 FROM knowledge_index JOIN knowledge AS k ON k.no = knowledge_index.rowid
     WHERE knowledge_index MATCH ?1 AND",
    "LIMIT ?4)"
);
/// How often the term occurs in each candidate: as many marks as that.
const OCCURRENCES: &str = "SELECT k.no,
        octet_length(highlight(knowledge_index, 0, char(1), '')) - octet_length(k.topic),
        iif(octet_length(k.content) > ?3, 1,
            octet_length(highlight(knowledge_index, 1, char(1), '')) - octet_length(k.content))
    FROM knowledge_index JOIN knowledge AS k ON k.no = knowledge_index.rowid
    WHERE knowledge_index MATCH ?1 AND k.no IN (SELECT value FROM json_each(?2))";
const HIT: &str = "SELECT author, k.topic, k.content, shared, version, at,
        snippet(knowledge_index, 1, char(1), char(2), '…', 24)
    FROM knowledge_index JOIN knowledge AS k ON k.no = knowledge_index.rowid
    WHERE knowledge_index MATCH ?1 AND k.no = (SELECT no FROM knowledge WHERE entry = ?2)";

#[derive(Debug)]
struct Candidate {
    no: i64,
    entry: EntryId,
    bytes: u64,
    score: f64,
}

fn candidate(row: &Row<'_>) -> rusqlite::Result<Candidate> {
    Ok(Candidate { no: row.get(0)?, entry: id(row, 1, EntryId)?, bytes: count(row, 2)?, score: 0.0 })
}

pub(in crate::store) fn rank(
    connection: &Connection,
    scope: &KnowledgeScope,
    of: Option<&Party>,
    query: &str,
) -> Stored<Vec<KnowledgeRank>> {
    let Some(expression) = fts5(query) else { return Ok(Vec::new()) };
    let (authors, of) = (authors(scope), of.map(Party::to_string));
    let row = params![expression, authors, of, SEARCH_HITS_MAX];
    let mut found = all(connection, CANDIDATES, row, candidate)?;
    if found.is_empty() {
        return Ok(Vec::new());
    }
    let number = |row: &Row<'_>| count(row, 0);
    let entries = one(connection, ENTRIES, params![expression, authors, of], number)?.unwrap_or(0);
    let numbers = to_json(&found.iter().map(|it| it.no).collect::<Vec<_>>());
    for term in wanted(query).into_iter().take(SCORED_TERMS_MAX) {
        let row = params![term, authors, of, COUNT_MAX];
        let with_term = one(connection, WITH_TERM, row, number)?.unwrap_or(0);
        let weight = weight(entries.max(ENTRIES_MIN), with_term);
        let occurrences = all(connection, OCCURRENCES, params![term, numbers, COUNTED_BYTES_MAX], |row| {
            Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?, row.get::<_, i64>(2)?))
        })?;
        for (no, in_topic, in_content) in occurrences {
            if let Some(candidate) = found.iter_mut().find(|it| it.no == no) {
                candidate.score += weight * saturation(in_topic, in_content, candidate.bytes);
            }
        }
    }
    // Few digits, so that a score reads back as what it was.
    found.iter_mut().for_each(|it| it.score = (it.score * 1e4).round() / 1e4);
    found.sort_by(|a, b| b.score.total_cmp(&a.score).then(a.no.cmp(&b.no)));
    Ok(found.into_iter().map(|it| KnowledgeRank { entry: it.entry, score: it.score }).collect())
}

pub(in crate::store) fn hit(
    connection: &Connection,
    query: &str,
    rank: KnowledgeRank,
) -> Stored<Option<KnowledgeHit>> {
    let Some(expression) = fts5(query) else { return Ok(None) };
    one(connection, HIT, params![expression, to_blob(rank.entry.0)], |row| {
        Ok(KnowledgeHit {
            entry: rank.entry,
            from: parsed(row, 0)?,
            topic: row.get(1)?,
            content: row.get(2)?,
            shared: row.get(3)?,
            version: small(row, 4)?,
            at: row.get(5)?,
            score: rank.score,
            snippet: snippet::parts(row.get_ref(6)?.as_str_or_null()?.unwrap_or_default()),
        })
    })
}

/// The rarer, the more a term says; never less than nothing.
fn weight(entries: u64, with_term: u64) -> f64 {
    let (all, with) = (entries as f64, with_term.min(entries) as f64);
    (1.0 + (all - with + 0.5) / (with + 0.5)).ln()
}

/// Each further occurrence says less, and less in a long text.
fn saturation(in_topic: i64, in_content: i64, bytes: u64) -> f64 {
    // At least one: it was found. Text behind a NUL is indexed and cannot be marked.
    let occurrences = (TOPIC_WEIGHT * in_topic.max(0) as f64 + in_content.max(0) as f64).max(1.0);
    let length = 1.0 - B + B * bytes as f64 / USUAL_BYTES;
    occurrences * (K1 + 1.0) / (occurrences + K1 * length)
}
