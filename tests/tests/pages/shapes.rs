//! `docs/protocol.md`, with the pages it sends its reader to, says what the schemas of frames say: every kind, every
//! word that a field may have as its value, and of every object all fields, in one place. So whoever writes a client
//! needs no code of ours.

use std::collections::BTreeSet;
use std::fs;

use nexus_tests::process::checkout;
use serde_json::Value;

use super::page::read;

/// Where frames are described.
const PAGES: [&str; 4] = ["docs/protocol.md", "docs/flows.md", "docs/registries.md", "docs/triggers.md"];
const SCHEMAS: [&str; 3] = ["to-broker", "from-broker", "replies"];

type Words = BTreeSet<String>;

/// The words in code of each paragraph, table and block.
fn places(page: &str) -> Vec<Words> {
    let mut places = vec![String::new()];
    let mut is_block = false;
    for line in page.lines() {
        is_block ^= line.trim_start().starts_with("```");
        if line.trim().is_empty() && !is_block {
            places.push(String::new());
        } else if let Some(place) = places.last_mut() {
            place.push_str(line);
            place.push('\n');
        }
    }
    places.iter().map(|place| words(place)).collect()
}

/// Of blocks, and of what stands between backticks. A kind is a word, and so is each part of it.
fn words(place: &str) -> Words {
    let mut words = Words::new();
    let is_end = |c: char| !c.is_ascii_alphanumeric() && !matches!(c, '_' | '.');
    for (at, part) in place.split("```").enumerate() {
        // Every second part is a block, and every second piece of prose is code.
        let pieces: Vec<&str> =
            if at % 2 == 1 { vec![part] } else { part.split('`').skip(1).step_by(2).collect() };
        for word in pieces.into_iter().flat_map(|piece| piece.split(is_end)) {
            words.insert(word.trim_matches('.').to_owned());
            words.extend(word.split('.').map(str::to_owned));
        }
    }
    words
}

fn said() -> Vec<Words> {
    PAGES.iter().flat_map(|page| places(&read(page))).collect()
}

/// What the schemas describe, each with its name there.
fn described() -> Vec<(String, Value)> {
    let mut described = Vec::new();
    for schema in SCHEMAS {
        let text = read(&format!("docs/schema/{schema}.json"));
        let schema: Value = serde_json::from_str(&text).expect("a schema is JSON");
        // Types; answers by the kind of their request; frames.
        let named = ["$defs", "properties"].into_iter().filter_map(|part| schema[part].as_object()).flatten();
        described.extend(named.map(|(name, value)| (name.clone(), value.clone())));
        let frames = schema["oneOf"].as_array().into_iter().flatten();
        described.extend(frames.map(|it| (it["title"].as_str().unwrap_or_default().to_owned(), it.clone())));
    }
    described
}

fn children(node: &Value) -> impl Iterator<Item = &Value> {
    let fields = node.as_object().into_iter().flat_map(|fields| fields.values());
    fields.chain(node.as_array().into_iter().flatten())
}

/// The fields of each object within.
fn objects(node: &Value, found: &mut BTreeSet<Words>) {
    found.extend(node["properties"].as_object().map(|fields| fields.keys().cloned().collect::<Words>()));
    children(node).for_each(|child| objects(child, found));
}

/// The words that a field within may have as its value.
fn values(node: &Value, found: &mut Words) {
    let listed = node["enum"].as_array().into_iter().flatten();
    let words = listed.chain(node.get("const")).filter_map(Value::as_str);
    found.extend(words.map(str::to_owned));
    children(node).for_each(|child| values(child, found));
}

/// Which of these the place that has most of them lacks.
fn lacking(said: &[Words], fields: &Words) -> Words {
    let lacking = said.iter().map(|place| fields - place);
    lacking.min_by_key(BTreeSet::len).unwrap_or_else(|| fields.clone())
}

#[test]
fn the_fields_of_every_object_of_a_frame_stand_in_one_place() {
    let said = said();
    let (mut wrong, mut looked_at) = (BTreeSet::new(), 0);
    for (name, schema) in described() {
        let mut found = BTreeSet::new();
        objects(&schema, &mut found);
        looked_at += found.len();
        for fields in found {
            let lacking = lacking(&said, &fields);
            if !lacking.is_empty() {
                wrong.insert(format!("{name} {fields:?}: what is nearest to it has no {lacking:?}"));
            }
        }
    }
    assert_eq!(wrong, BTreeSet::new(), "on {PAGES:?}");
    assert!(looked_at > 500, "{looked_at}");
}

#[test]
fn every_kind_and_every_word_that_is_a_value_is_named() {
    let said: Words = said().into_iter().flatten().collect();
    let mut named = Words::new();
    described().iter().for_each(|(_, schema)| values(schema, &mut named));
    assert_eq!(&named - &said, Words::new(), "on {PAGES:?}");
    assert!(named.len() > 250, "{}", named.len());
}

/// The client whose author had the pages and nothing else.
#[test]
fn every_frame_is_sent_by_the_client_that_was_written_from_the_page() {
    let stories = fs::read_dir(checkout().join("tests/clients/python")).expect("there are stories").flatten();
    let stories: String = stories.filter_map(|it| fs::read_to_string(it.path()).ok()).collect();
    let schema: Value = serde_json::from_str(&read("docs/schema/to-broker.json")).expect("a schema is JSON");
    let kinds: Vec<&str> =
        schema["oneOf"].as_array().into_iter().flatten().filter_map(|it| it["title"].as_str()).collect();
    let unsent: Vec<&str> =
        kinds.iter().copied().filter(|kind| !stories.contains(&format!("\"{kind}\""))).collect();
    assert_eq!(unsent, Vec::<&str>::new());
    assert!(kinds.len() > 100, "{}", kinds.len());
}

#[test]
fn what_stands_in_two_places_or_in_no_code_is_missed() {
    let page = "An item `{id, at}`.\n\n```json\n{\"kind\": \"a.b\",\n\n \"seq\": 1}\n```\n\nIts `body` and thread.\n";
    let lacking = |fields: [&str; 2]| {
        let fields: Words = fields.map(str::to_owned).into();
        lacking(&places(page), &fields).into_iter().collect::<Vec<_>>()
    };
    assert_eq!(lacking(["at", "id"]), Vec::<String>::new());
    assert_eq!(lacking(["a.b", "seq"]), Vec::<String>::new());
    assert_eq!(lacking(["body", "thread"]), ["thread"]);
    assert_eq!(lacking(["body", "id"]).len(), 1);
}
