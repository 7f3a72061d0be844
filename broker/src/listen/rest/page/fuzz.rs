//! Fuzz target: whatever is passed for a cursor is where a list goes on, or is refused.

use std::fmt::{Debug, Display};

use axum::http::StatusCode;
use bolero::check;
use nexus_wire::{AspectName, DispatchId};

use super::*;
use crate::altered::Altered;

/// As a page gives it.
fn cursor_of(mark: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode([&b"@"[..], mark.as_ref()].concat())
}

/// The mark in it. What is refused is refused as something that was asked wrongly.
fn read<T: FromStr>(cursor: &str) -> Option<T> {
    match (At { cursor: Some(cursor.to_owned()) }).or(None) {
        Ok(mark) => Some(mark.expect("a cursor says where, or is refused")),
        Err(problem) => {
            let (status, body) = problem.into_parts();
            assert_eq!((status, body.code), (StatusCode::BAD_REQUEST, ErrorCode::Invalid), "{cursor:?}");
            None
        }
    }
}

fn leads_to_one_place<T: Debug + Display + FromStr + PartialEq>(cursor: &str) {
    if let Some(mark) = read::<T>(cursor) {
        assert_eq!(read(&cursor_of(mark.to_string())), Some(mark), "{cursor:?}");
    }
}

#[test]
fn a_cursor() {
    let marks = ["17", "18446744073709551615", "01890a5d-ac96-774b-bcce-b302099a8057", "wren", "a row, é"];
    let cursors = marks.map(cursor_of);
    let found = cursors.each_ref().map(|cursor| read::<String>(cursor));
    assert_eq!(found, marks.map(|mark| Some(mark.to_owned())), "unaltered they are taken");
    // As somebody passes it, and what is inside.
    check!().with_type::<(Altered, Altered)>().for_each(|(cursor, mark)| {
        let passed = String::from_utf8_lossy(&cursor.of(&cursors)).into_owned();
        for cursor in [passed, cursor_of(mark.of(&marks))] {
            leads_to_one_place::<u32>(&cursor);
            leads_to_one_place::<u64>(&cursor);
            leads_to_one_place::<DispatchId>(&cursor);
            leads_to_one_place::<AspectName>(&cursor);
            // The name of a row is any text, and one place has one cursor.
            if let Some(mark) = read::<String>(&cursor) {
                assert_eq!(cursor_of(mark), cursor);
            }
        }
    });
}
