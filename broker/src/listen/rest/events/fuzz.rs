//! Fuzz targets: where a stream goes on, as its header and its parameter say it.

use axum::http::{HeaderName, HeaderValue, StatusCode};
use bolero::check;

use super::*;
use crate::altered::Altered;

fn is_refusal(problem: Problem) -> bool {
    let (status, body) = problem.into_parts();
    (status, body.code) == (StatusCode::BAD_REQUEST, ErrorCode::Invalid)
}

#[test]
fn a_last_event_id() {
    let read = |value: &HeaderValue| {
        let name = HeaderName::from_static("last-event-id");
        last_event(&HeaderMap::from_iter([(name, value.clone())]))
    };
    let texts = ["17", " 18446744073709551615 ", "", "-1", "+0005"];
    check!().with_type::<Altered>().for_each(|altered| {
        // What the front lets through.
        let Ok(value) = HeaderValue::from_bytes(&altered.of(&texts)) else { return };
        let text = value.to_str().ok().map(str::trim);
        match read(&value) {
            Ok(Some(seq)) => {
                assert_eq!(text.and_then(|text| text.parse().ok()), Some(seq));
                assert_eq!(read(&HeaderValue::from(seq)).ok(), Some(Some(seq)), "{value:?}");
            }
            Ok(None) => assert!(text.is_none_or(str::is_empty), "{value:?} says where"),
            Err(problem) => assert!(is_refusal(problem), "{value:?}"),
        }
    });
}

#[test]
fn numbers_of_what_was_streamed() {
    let texts = ["wren:1795665600000123,forge:7", " wren:1 , ,forge:0", "wren:1,wren:2", ",,"];
    check!().with_type::<Altered>().for_each(|altered| {
        let text = altered.of(&texts);
        let text = String::from_utf8_lossy(&text);
        match marks(&text) {
            Ok(found) => {
                assert!(found.len() <= text.split(',').count(), "{text:?}");
                let again: Vec<String> = found.iter().map(|(name, seq)| format!("{name}:{seq}")).collect();
                assert_eq!(marks(&again.join(",")).ok(), Some(found), "{text:?}");
            }
            Err(problem) => assert!(is_refusal(problem), "{text:?}"),
        }
    });
}
