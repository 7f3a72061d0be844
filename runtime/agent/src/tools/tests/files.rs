//! What the file tools give back.

use std::fs;

use super::*;

fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    for (path, text) in files {
        let path = folder.path().join(path);
        fs::create_dir_all(path.parent().expect("a folder")).expect("made");
        fs::write(path, text).expect("written");
    }
    folder
}

fn places(found: &Value) -> Vec<(String, u64)> {
    let matches = found["matches"].as_array().expect("a list");
    let place = |hit: &Value| {
        (hit["path"].as_str().expect("a path").to_owned(), hit["line"].as_u64().expect("a number"))
    };
    matches.iter().map(place).collect()
}

#[tokio::test]
async fn lines_are_read_with_a_pointer_to_the_rest() {
    let ten: String = (1..=10).map(|n| format!("line {n}\n")).collect();
    let folder = folder(&[("ten", &ten), ("open", "a\r\nb"), ("empty", ""), ("long", &"x".repeat(200_000))]);
    let bench = bench(&[("w", folder.path())]);
    let read = async |input: Value| ok(&bench.toolbox, "read_file", input).await;
    assert_eq!(
        read(json!({"path": "w/ten", "from_line": 3, "lines": "2"})).await,
        json!({"path": "w/ten", "from_line": 3, "text": "line 3\nline 4\n", "total_lines": 10,
               "truncated": true, "next_line": 5})
    );
    assert_eq!(
        read(json!({"path": "w/ten", "from_line": 10})).await,
        json!({"path": "w/ten", "from_line": 10, "text": "line 10\n", "total_lines": 10, "truncated": false})
    );
    assert_eq!(read(json!({"path": "w/open"})).await["text"], "a\r\nb");
    assert_eq!(
        read(json!({"path": "w/empty"})).await,
        json!({"path": "w/empty", "from_line": 1, "text": "", "total_lines": 0, "truncated": false})
    );
    let long = read(json!({"path": "w/long"})).await;
    let text = long["text"].as_str().expect("text");
    assert!(text.len() < 10_000 && text.ends_with("more bytes in this line]"), "{text}");
    let told = refusal(&bench.toolbox, "read_file", json!({"path": "w/ten", "from_line": 11})).await;
    assert_eq!(told, "argument `from_line`: w/ten has 10 lines, so nothing stands at line 11");
}

#[tokio::test]
async fn every_line_of_a_large_file_can_be_reached() {
    let text: String = (1..=5000).map(|n| format!("{n} {}\n", "é".repeat(40))).collect();
    let folder = folder(&[("large", &text)]);
    let bench = bench(&[("w", folder.path())]);
    let (mut from, mut read) = (1, String::new());
    loop {
        let input = json!({"path": "w/large", "from_line": from, "lines": 2000});
        let part = ok(&bench.toolbox, "read_file", input).await;
        read.push_str(part["text"].as_str().expect("text"));
        let Some(next) = part["next_line"].as_u64() else { break };
        from = next;
    }
    assert_eq!(read, text);
}

#[tokio::test]
async fn binary_files_and_other_encodings_are_told_apart() {
    let folder = folder(&[]);
    fs::write(folder.path().join("program"), b"\x7fELF\0\0canary").expect("written");
    fs::write(folder.path().join("latin1"), b"caf\xe9\n").expect("written");
    let bench = bench(&[("w", folder.path())]);
    let told = refusal(&bench.toolbox, "read_file", json!({"path": "w/program"})).await;
    assert_eq!(told, "w/program is a binary file (12 bytes), not text");
    assert_eq!(ok(&bench.toolbox, "read_file", json!({"path": "w/latin1"})).await["text"], "caf\u{fffd}\n");
    let found = ok(&bench.toolbox, "search_files", json!({"pattern": "canary|caf"})).await;
    assert_eq!(places(&found), [("w/latin1".to_owned(), 1)]);
}

#[tokio::test]
async fn a_pattern_finds_lines_in_order_and_says_when_there_are_more() {
    let folder = folder(&[("b.rs", "fn two() {}\n\nfn three() {}\n"), ("a.rs", "// fn\nfn one() {}\n")]);
    let bench = bench(&[("w", folder.path())]);
    let search = async |input: Value| ok(&bench.toolbox, "search_files", input).await;
    let found = search(json!({"pattern": "^fn (\\w+)"})).await;
    assert_eq!(places(&found), [("w/a.rs".into(), 2), ("w/b.rs".into(), 1), ("w/b.rs".into(), 3)]);
    assert_eq!(found["truncated"], false);
    assert_eq!(found["matches"][0]["text"], "fn one() {}");
    let found = search(json!({"pattern": "fn", "limit": 1})).await;
    assert_eq!((places(&found).len(), &found["truncated"]), (1, &json!(true)));
    assert_eq!(places(&search(json!({"pattern": "fn", "path": "w/b.rs"})).await).len(), 2);
    assert_eq!(places(&search(json!({"pattern": "nothing"})).await), []);
    let found = search(json!({"pattern": "^fn", "query": "three"})).await;
    assert_eq!(places(&found)[0], ("w/b.rs".into(), 3));
}

#[tokio::test]
async fn words_find_the_place_that_speaks_of_most_of_them() {
    let filler: String = (0..40).map(|n| format!("let value_{n} = message_{n};\n")).collect();
    let folder = folder(&[
        ("src/socket.rs", &format!("//! A message leaves the broker here.\n{filler}")),
        (
            "src/route.rs",
            "//! The routing rule.\n\nuse std::collections::BTreeSet;\n\n/// Decides who receives a message: the \
             broker's one rule.\npub fn recipients() {}\n",
        ),
        ("src/queue.rs", &format!("/// Decides what begins next.\n{filler}")),
        ("notes.md", "The broker is fast.\n\n\n\n\n\n\n\nEverybody receives coffee.\n"),
    ]);
    let bench = bench(&[("w", folder.path())]);
    for query in [
        "broker decide who receives message",
        "where does the broker decide who receives a message?",
        "DECIDING receiver",
    ] {
        let found = ok(&bench.toolbox, "search_files", json!({"query": query})).await;
        assert_eq!(places(&found)[0], ("w/src/route.rs".to_owned(), 5), "{query}: {found}");
        let again = ok(&bench.toolbox, "search_files", json!({"query": query})).await;
        assert_eq!(found, again);
    }
    let quoted =
        "#[cfg(test)]\nmod tests {\n    const ASKED: &str = \"broker decides who receives a message\";\n}\n";
    fs::write(folder.path().join("src/words.rs"), quoted).expect("written");
    let found = ok(&bench.toolbox, "search_files", json!({"query": "broker decide receive message"})).await;
    assert_eq!(places(&found)[0].0, "w/src/route.rs", "tests come after what they test: {found}");
    let found = ok(&bench.toolbox, "search_files", json!({"query": "route", "limit": 1})).await;
    assert_eq!(places(&found)[0].0, "w/src/route.rs");
    assert_eq!(places(&ok(&bench.toolbox, "search_files", json!({"query": "zebra"})).await), []);
}

#[tokio::test]
async fn ignored_and_hidden_files_are_left_out_and_the_roots_own_rules_count() {
    let folder = folder(&[
        (".gitignore", "work\n"),
        ("work/.gitignore", "*.log\n"),
        ("work/a.txt", "word\n"),
        ("work/b.log", "word\n"),
        ("work/.hidden", "word\n"),
    ]);
    let bench = bench(&[("w", &folder.path().join("work"))]);
    let found = ok(&bench.toolbox, "search_files", json!({"query": "word"})).await;
    assert_eq!(places(&found), [("w/a.txt".to_owned(), 1)]);
    assert_eq!(
        ok(&bench.toolbox, "list_files", json!({})).await,
        json!({"entries": [{"path": "w/a.txt", "kind": "file", "bytes": 5}], "truncated": false})
    );
}

#[tokio::test]
async fn a_listing_goes_as_deep_as_asked_and_ends_somewhere() {
    let folder = folder(&[("a/b/c/d.txt", "x"), ("z.txt", "xyz")]);
    let bench = bench(&[("w", folder.path())]);
    let paths = async |input: Value| {
        let listed = ok(&bench.toolbox, "list_files", input).await;
        let entries = listed["entries"].as_array().expect("a list").clone();
        let paths = entries.iter().map(|entry| entry["path"].as_str().expect("a path").to_owned());
        paths.collect::<Vec<_>>()
    };
    assert_eq!(paths(json!({})).await, ["w/a", "w/a/b", "w/z.txt"]);
    assert_eq!(paths(json!({"path": "w/a", "depth": 1})).await, ["w/a/b"]);
    assert_eq!(paths(json!({"path": "w/a/b/c/d.txt"})).await, ["w/a/b/c/d.txt"]);
    for n in 0..600 {
        fs::write(folder.path().join(format!("f{n}")), "").expect("written");
    }
    let listed = ok(&bench.toolbox, "list_files", json!({})).await;
    assert_eq!((listed["entries"].as_array().map(Vec::len), &listed["truncated"]), (Some(500), &json!(true)));
}

#[tokio::test]
async fn what_does_not_fit_is_left_out_and_stays_json() {
    let folder = folder(&[]);
    for n in 0..90 {
        fs::write(folder.path().join(format!("f{n}")), "\"quoted\" word\n".repeat(200)).expect("written");
    }
    let mut bench = bench(&[("w", folder.path())]);
    bench.toolbox.result_bytes_max = 2000;
    for (tool, input) in [
        ("search_files", json!({"query": "word", "limit": 200})),
        ("list_files", json!({})),
        ("read_file", json!({"path": "w/f1"})),
    ] {
        let outcome = call(&bench.toolbox, tool, input).await;
        assert!(outcome.content.len() <= 2000, "{tool}");
        let value: Value = serde_json::from_str(&outcome.content).expect("JSON");
        assert_eq!(value["truncated"], true, "{tool}");
    }
}
