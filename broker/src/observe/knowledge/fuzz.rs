//! Fuzz target: whatever is passed for the cursor of a list of knowledge is a place in it, or is refused.

use bolero::check;

use super::*;
use crate::altered::Altered;

/// As a page gives it.
fn cursor_of(place: &KnowledgePlace) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(Json::of(place).as_str())
}

#[test]
fn a_place() {
    let places: [KnowledgePlace; 2] = [
        ("wren".parse().expect("a party"), "how \"we\" deploy".to_owned()),
        ("operator/ana".parse().expect("a party"), String::new()),
    ];
    let inside = places.each_ref().map(|place| Json::of(place).as_str().to_owned());
    let cursors = places.each_ref().map(cursor_of);
    // As somebody passes it, and what is inside.
    check!().with_type::<(Altered, Altered)>().for_each(|(cursor, json)| {
        let passed = String::from_utf8_lossy(&cursor.of(&cursors)).into_owned();
        for cursor in [passed, BASE64_URL_SAFE_NO_PAD.encode(json.of(&inside))] {
            match place(&cursor) {
                Ok(found) => assert_eq!(place(&cursor_of(&found)).ok(), Some(found), "{cursor:?}"),
                Err(Refusal::Told(body)) => assert_eq!(body.code, ErrorCode::Invalid, "{cursor:?}"),
                Err(Refusal::Store(error)) => panic!("{cursor:?} is looked up: {error}"),
            }
        }
    });
}
