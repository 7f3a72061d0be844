//! The part of a text that a query finds, cut into what matches and what stands around it. A full-text index is made
//! of the few texts of a page, so that words match exactly as they do in the index that found them.

use std::collections::BTreeMap;

use nexus_wire::chat::Piece;
use rusqlite::{Connection, params};

use super::sqlite::fault;
use crate::hub::records::Stored;

const INDEX: &str = "CREATE VIRTUAL TABLE page USING fts5(content, tokenize = 'porter unicode61')";
const INSERT: &str = "INSERT INTO page (rowid, content) VALUES (?1, ?2)";
const MATCHES: &str =
    "SELECT rowid, snippet(page, 0, char(1), char(2), '…', 24) FROM page WHERE page MATCH ?1";
/// A single word can be as long as a message.
const PIECE_CHARS_MAX: usize = 200;

/// Of `texts` those that match the FTS5 `expression`, by their numbers, each with its snippet.
pub(super) fn matches<'a>(
    texts: impl Iterator<Item = (u64, &'a str)>,
    expression: &str,
) -> Stored<BTreeMap<u64, Vec<Piece>>> {
    let connection = Connection::open_in_memory().map_err(fault)?;
    connection.execute_batch(INDEX).map_err(fault)?;
    let mut insert = connection.prepare(INSERT).map_err(fault)?;
    for (number, text) in texts {
        insert.execute(params![number.cast_signed(), text]).map_err(fault)?;
    }
    let mut statement = connection.prepare(MATCHES).map_err(fault)?;
    let rows = statement.query_map([expression], |row| Ok((row.get::<_, i64>(0)?, row.get::<_, String>(1)?)));
    let found = rows.map_err(fault)?.map(|row| {
        let (number, text) = row.map_err(fault)?;
        Ok((number.cast_unsigned(), pieces(&text)))
    });
    found.collect()
}

/// `\u{1}` begins what matches and `\u{2}` ends it. A text that has them itself is cut oddly and loses them.
fn pieces(text: &str) -> Vec<Piece> {
    let mut pieces = Vec::new();
    let mut hit = false;
    for part in text.split_inclusive(['\u{1}', '\u{2}']) {
        let text = shortened(part.trim_end_matches(['\u{1}', '\u{2}']));
        if !text.is_empty() {
            pieces.push(Piece { text, hit });
        }
        match part.chars().next_back() {
            Some('\u{1}') => hit = true,
            Some('\u{2}') => hit = false,
            Some(_) | None => {}
        }
    }
    pieces
}

fn shortened(text: &str) -> String {
    match text.char_indices().nth(PIECE_CHARS_MAX) {
        Some((cut, _)) => format!("{}…", &text[..cut]),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::store::query::fts5;

    fn piece(text: &str, hit: bool) -> Piece {
        Piece { text: text.into(), hit }
    }

    #[test]
    fn a_snippet_shows_what_matches_where_it_stands() {
        let texts = [(7, "the rivers run to the sea"), (9, "nothing of it")];
        let expression = fts5("river sea").unwrap();
        let found = matches(texts.into_iter(), &expression).unwrap();
        let expected = vec![
            piece("the ", false),
            piece("rivers", true),
            piece(" run to the ", false),
            piece("sea", true),
        ];
        assert_eq!(found, BTreeMap::from([(7, expected)]));
        let long = "x".repeat(5000);
        let found = matches([(1, long.as_str())].into_iter(), &fts5("xx*").unwrap()).unwrap();
        assert_eq!(found[&1], vec![piece(&format!("{}…", "x".repeat(PIECE_CHARS_MAX)), true)]);
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]
        #[test]
        fn any_text_is_searched_by_any_query(
            texts in prop::collection::vec(any::<String>(), 0..4),
            query in "(\\PC|\\x00|\"|\\*|-| |OR|AND|NOT|NEAR\\(|content:|\\^|\\{|\\}|\\(|\\)){0,12}",
        ) {
            if let Some(expression) = fts5(&query) {
                let numbered = texts.iter().enumerate().map(|(at, text)| (at as u64, text.as_str()));
                let found = matches(numbered, &expression);
                prop_assert!(found.is_ok(), "{query:?} as {expression:?}: {found:?}");
            }
        }

        #[test]
        fn a_text_is_found_by_each_of_its_words(words in prop::collection::vec("[a-z]{1,8}", 1..8)) {
            let text = words.join(" ");
            for word in &words {
                // An operator is one in capitals only.
                let expression = fts5(word).unwrap();
                let found = matches([(1, text.as_str())].into_iter(), &expression).unwrap();
                prop_assert!(found.contains_key(&1), "{word} in {text}");
                prop_assert!(found[&1].iter().any(|piece| piece.hit));
            }
        }
    }
}
