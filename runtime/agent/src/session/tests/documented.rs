//! `docs/session-format.md` tells the truth: its example is read as it says.

use regex::Regex;

use super::*;

/// The ids of the example are shortened for people; `e3` stands for an id made of both its characters.
fn id(short: &str) -> Uuid {
    Uuid::from_u128(short.bytes().fold(0, |id, byte| id << 8 | u128::from(byte)))
}

#[test]
fn the_example_is_read_as_the_document_says() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/session-format.md");
    let document = fs::read_to_string(path).expect("is there");
    let (_, example) = document.split_once("## Example").expect("has an example");
    let short = Regex::new("\"([a-z][0-9])\"").expect("a pattern");
    let lines: Vec<String> = example
        .lines()
        .filter(|line| line.starts_with("{\""))
        .map(|line| {
            short
                .replace_all(line, |found: &regex::Captures<'_>| format!("\"{}\"", id(&found[1])))
                .into_owned()
        })
        .collect();
    let home = home();
    let file = home.path().join("example.jsonl");
    fs::write(&file, lines.join("\n") + "\n").expect("writes");

    let tree = Tree::load(&file).expect("loads");
    assert_eq!(tree.problems(), []);
    for (entry, line) in tree.entries().zip(&lines[1..]) {
        let written: serde_json::Value =
            serde_json::from_str(&entry.encode().expect("encodes")).expect("JSON");
        let documented: serde_json::Value = serde_json::from_str(line).expect("JSON");
        assert_eq!(written, documented, "no field is missing or too much");
    }
    let active: Vec<Uuid> = tree.branch(tree.head()).iter().map(|entry| entry.id).collect();
    assert_eq!(active, [id("e1"), id("e2"), id("e8")]);
    let replay = tree.replay(tree.head());
    assert_eq!(replay.system, "Be exact.");
    assert_eq!(
        replay.messages,
        [Message { role: Role::User, content: vec![text("What is in a.txt?"), text("And in b.txt?")] }]
    );
    assert_eq!(tree.open_items(), []);
    let refused = CutError::SplitsToolCall { entry: id("e3"), before: Some(id("e2")), after: id("e4") };
    assert_eq!(tree.check_cut(Some(id("e3"))), Err(refused));
}
