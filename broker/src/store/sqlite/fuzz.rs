//! Fuzz targets: what people type into a search, and blocks of numbers as they lie in the file.

use std::panic::AssertUnwindSafe;

use bolero::check;
use rusqlite::Connection;

use super::blocks::{Recent, unpack};
use crate::altered::Altered;
use crate::store::query;

#[test]
fn a_query() {
    // A statement that panics ends the test; nothing is asked of the connection after it.
    let database = AssertUnwindSafe(Connection::open_in_memory().expect("SQLite opens"));
    database.execute_batch("CREATE VIRTUAL TABLE t USING fts5 (topic, content)").expect("FTS5 is in");
    let texts =
        [r#"one "two three" -four OR fi* NEAR(six, 7) topic:x ^y + "\u{0}"#, "💥 \u{202e} ñandú", "\0\"*-"];
    check!().with_type::<Altered>().for_each(|altered| {
        let bytes = altered.of(&texts);
        let text = String::from_utf8_lossy(&bytes);
        let Some(expression) = query::fts5(&text) else { return };
        let mut search =
            database.prepare_cached("SELECT count(*) FROM t WHERE t MATCH ?1").expect("prepared");
        let found = search.query_row([&expression], |row| row.get::<_, i64>(0));
        assert_eq!(found, Ok(0), "{text:?} became {expression}");
    });
}

#[test]
fn a_block() {
    check!().for_each(|bytes: &[u8]| {
        let Some(numbers) = unpack(bytes) else { return };
        let mut recent = Recent::from_bytes(bytes.to_vec()).expect("what unpacks is a list");
        recent.push(5);
        assert_eq!(unpack(recent.bytes()), Some([&numbers[..], &[5]].concat()));
    });
}
