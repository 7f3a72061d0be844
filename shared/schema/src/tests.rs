//! What a schema may be, what it says of values, and that neither takes long.

use serde_json::json;

use super::*;

fn refused(schema: Value) -> String {
    match Schema::compile(&schema) {
        Ok(_) => panic!("{schema} is taken"),
        Err(fault) => fault.to_string(),
    }
}

#[test]
fn a_schema_that_cannot_be_checked_within_bounds_is_refused_with_its_place() {
    let nested = |levels| (0..levels).fold(json!({}), |inner, _| json!({"items": inner}));
    let doubling: serde_json::Map<String, Value> = (0..14)
        .map(|n| {
            let next = json!({"$ref": format!("#/$defs/d{}", n + 1)});
            (format!("d{n}"), json!({"properties": {"x": {"allOf": [next, next]}}}))
        })
        .chain([("d14".to_owned(), json!({}))])
        .collect();
    let cases = [
        (json!(7), "a schema is an object, true or false"),
        (json!({"type": "nothing"}), "at /type: "),
        (json!({"properties": {"a": {"minimum": "low"}}}), "at /properties/a/minimum: "),
        (json!({"$schema": "https://example.com/own"}), "at /$schema: "),
        (json!({"$ref": "https://example.com/s.json"}), "leads elsewhere"),
        (json!({"items": {"$ref": "file:///etc/passwd"}}), "at /items: $ref"),
        (json!({"items": {"$ref": "#/$defs/none"}}), "leads to nothing"),
        (json!({"items": {"$ref": "#"}}), "leads back to itself"),
        (
            json!({"$defs": {"a": {"not": {"$ref": "#/$defs/a"}}}, "$ref": "#/$defs/a"}),
            "leads back to itself",
        ),
        (json!({"properties": {"a": {"$id": "x", "$ref": "#/b"}}}), "$id is not used here"),
        (json!({"items": {"$dynamicRef": "#a"}}), "$dynamicRef is not used here"),
        (json!({"$dynamicRef": "#/$defs/d0", "$defs": &doubling}), "$dynamicRef is not used here"),
        (json!({"$recursiveRef": "#/$defs/d0", "$defs": &doubling}), "$recursiveRef is not used here"),
        (nested(SCHEMA_DEPTH), "nests deeper than 64"),
        (json!({"$defs": doubling, "$ref": "#/$defs/d0"}), "has more than 4096"),
        (json!({"description": "x".repeat(SCHEMA_BYTES_MAX)}), "65536 is the most"),
        (json!({"pattern": "("}), "at /pattern: "),
        (json!({"pattern": "(a{1000}){1000}"}), "at /pattern: "),
        (json!({"pattern": "(?=look)ahead"}), "at /pattern: "),
    ];
    for (schema, says) in cases {
        let found = refused(schema.clone());
        assert!(found.contains(says), "{schema}: {found}");
    }
    assert!(Schema::compile(&nested(SCHEMA_DEPTH - 1)).is_ok());
}

const SCHEMA_DEPTH: usize = nexus_wire::limits::SCHEMA_DEPTH_MAX;

#[test]
fn a_value_is_told_where_it_does_not_follow() {
    let schema = Schema::compile(&json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "type": "object",
        "properties": {"line": {"type": "integer", "minimum": 1}, "tags": {"items": {"$ref": "#/$defs/tag"}}},
        "required": ["line"],
        "$defs": {"tag": {"type": "string", "maxLength": 3}},
    }))
    .unwrap();
    assert_eq!(schema.faults(&json!({"line": 3, "tags": ["a", "b"]})), []);
    let found = schema.faults(&json!({"line": 0, "tags": ["ab", "abcd", 7]}));
    let mut at: Vec<&str> = found.iter().map(|fault| fault.at.as_str()).collect();
    at.sort_unstable();
    assert_eq!(at, ["/line", "/tags/1", "/tags/2"]);
    assert_eq!(schema.faults(&json!({})), [Fault::new("", "\"line\" is a required property")]);
    let large = "x".repeat(100_000);
    let [fault] = &schema.faults(&json!(large))[..] else { panic!("one fault") };
    assert!(fault.message.len() < 1000 && fault.message.ends_with('…'), "{}", fault.message);
}

#[test]
fn a_value_too_large_for_its_schema_is_not_checked_for_long() {
    let rules: Vec<Value> = (0..2000).map(|n| json!({"items": {"minimum": n}})).collect();
    let schema = Schema::compile(&json!({"allOf": rules})).unwrap();
    let found = schema.faults(&json!(vec![0; 100_000]));
    assert!(found[0].message.contains("too large to be checked"), "{found:?}");
    assert_eq!(schema.faults(&json!([5000])), []);
    // Just within the bound, and each rule has something against each value: one of them is told.
    let found = schema.faults(&json!(vec![-1; 3_900]));
    assert_eq!(found, [Fault::new("/0", "-1 is less than the minimum of 0")]);
}
