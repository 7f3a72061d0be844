//! The wire contract against its fixtures: one file a frame, and whatever is no frame is refused, not feared.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use nexus_wire::frame::{FrameSet, FromBroker, ToBroker};
use nexus_wire::{envelope, schema};
use proptest::prelude::*;
use serde_json::Value;

fn fixtures(direction: &str) -> Vec<(String, String)> {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/wire").join(direction);
    let mut found: Vec<(String, String)> = std::fs::read_dir(&dir)
        .expect("the fixtures are there")
        .map(|entry| entry.expect("the folder is readable").path())
        .map(|path| {
            let kind = path.file_stem().expect("files have names").to_string_lossy().into_owned();
            (kind, std::fs::read_to_string(path).expect("fixtures are text"))
        })
        .collect();
    found.sort();
    found
}

fn check_direction<F: FrameSet + serde::Serialize + Clone + PartialEq + std::fmt::Debug>(direction: &str) {
    let fixtures = fixtures(direction);
    let kinds: BTreeSet<&str> = fixtures.iter().map(|(kind, _)| kind.as_str()).collect();
    assert_eq!(kinds, F::KINDS.iter().copied().collect(), "one fixture for each kind of {direction}");
    for (kind, text) in &fixtures {
        let decoded = envelope::decode::<F>(text).unwrap_or_else(|error| panic!("{kind}: {error}"));
        assert_eq!(decoded.frame.kind(), kind);
        let written = envelope::encode(&decoded.envelope, &decoded.frame);
        let (mut wanted, got): (Value, Value) =
            (serde_json::from_str(text).expect("json"), serde_json::from_str(&written).expect("json"));
        wanted.as_object_mut().expect("an object").remove("ts");
        assert_eq!(without_absent(wanted), without_absent(got), "{kind}: nothing of a frame is lost");
    }
}

/// `false` and an absent flag are the same.
fn without_absent(value: Value) -> Value {
    match value {
        Value::Object(map) => Value::Object(
            map.into_iter()
                .filter(|(_, value)| *value != Value::Bool(false) && !value.is_null())
                .map(|(key, value)| (key, without_absent(value)))
                .collect(),
        ),
        Value::Array(items) => Value::Array(items.into_iter().map(without_absent).collect()),
        plain @ (Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_)) => plain,
    }
}

#[test]
fn every_frame_has_a_fixture_that_reads_back_whole() {
    check_direction::<ToBroker>("to-broker");
    check_direction::<FromBroker>("from-broker");
}

#[test]
fn no_frame_a_client_sends_names_its_sender() {
    let schema = schema::direction::<ToBroker>("to-broker");
    for variant in schema["oneOf"].as_array().expect("variants") {
        let reference = variant["properties"]["payload"]["$ref"].as_str().expect("payloads are named types");
        let name = reference.rsplit('/').next().expect("a reference has a last part");
        let payload = &schema["$defs"][name];
        for field in ["from", "sender", "actor", "aspect", "identity", "via", "role"] {
            assert!(payload["properties"].get(field).is_none(), "{} has a field {field}", variant["title"]);
        }
    }
}

#[test]
fn the_published_schemas_are_current() {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/schema");
    let rewrite = std::env::var_os("UPDATE_SCHEMAS").is_some();
    let schemas = schema::files().into_iter().map(|(name, schema)| {
        (name, format!("{}\n", serde_json::to_string_pretty(&schema).expect("schemas are json")))
    });
    for (name, text) in schemas.chain([("openapi.json", nexus_broker::openapi())]) {
        let path: PathBuf = dir.join(name);
        if rewrite {
            std::fs::write(&path, &text).expect("docs/schema is writable");
        }
        let published = std::fs::read_to_string(&path).unwrap_or_default();
        assert!(published == text, "docs/schema/{name} is out of date: run scripts/schemas");
    }
}

proptest! {
    #[test]
    fn decoding_any_text_ends_in_a_frame_or_an_error(text in "\\PC{0,200}") {
        let _ = envelope::decode::<ToBroker>(&text);
        let _ = envelope::decode::<FromBroker>(&text);
    }

    #[test]
    fn a_damaged_frame_ends_in_a_frame_or_an_error(
        which in any::<prop::sample::Index>(),
        at in any::<prop::sample::Index>(),
        cut in 0_usize..8,
        insert in "[\\[\\]{}\",:0-9eE+\\-a-z\\\\]{0,4}",
    ) {
        let all = fixtures("to-broker");
        let mut text = all[which.index(all.len())].1.clone();
        let start = (0..=at.index(text.len())).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
        let end = (start + cut..=text.len()).find(|at| text.is_char_boundary(*at)).unwrap_or(text.len());
        text.replace_range(start..end, &insert);
        if let Err(error) = envelope::decode::<ToBroker>(&text) {
            prop_assert!(!error.to_string().is_empty());
        }
    }
}
