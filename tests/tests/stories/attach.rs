//! What goes with a text, and flags that narrow what is looked for: files that are put and come back, titles, stretches of
//! time, scores and kinds. Through the real programs.

use std::fs;
use std::process::Output;

use jiff::Timestamp;
use nexus_tests::session::SessionFile;
use nexus_tests::world::text;
use nexus_tests::{World, wait_until};
use nexus_wire::BlobId;
use nexus_wire::limits::{ATTACHMENTS_MAX, BLOB_BYTES_MAX};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

const SCRIPT: &str = r#"
[[rule]]
match = "(?s).*"
[[rule.step]]
say = "Noted."
"#;

/// A file where nexctl is called, and what its bytes are called.
fn write(world: &World, name: &str, bytes: &[u8]) -> BlobId {
    fs::write(world.dir().join(name), bytes).expect("the folder is ours");
    BlobId(Sha256::digest(bytes).into())
}

fn attachment(blob: BlobId, name: &str, bytes: usize) -> Value {
    json!({"blob": blob, "name": name, "media_type": "application/octet-stream", "bytes": bytes})
}

fn stdout(out: &Output) -> &str {
    assert!(out.status.success(), "{}", text(out));
    std::str::from_utf8(&out.stdout).expect("UTF-8")
}

fn stderr(out: &Output) -> &str {
    std::str::from_utf8(&out.stderr).expect("UTF-8")
}

/// What stands in a field of each.
fn each(rows: &Value, field: &str) -> Vec<Value> {
    rows.as_array().expect("a list").iter().map(|row| row[field].clone()).collect()
}

/// A thread's only message, below the line that says who wrote it and when.
fn below(shown: &str) -> Vec<&str> {
    shown.lines().skip(1).collect()
}

#[test]
fn files_go_with_what_is_said_and_come_back() {
    let world = World::new();
    world.home("wren", json!({}), SCRIPT);
    let chart = write(&world, "chart.bin", b"\x00\xff no text\n");
    let plan = write(&world, "plan.md", b"# Plan\n");
    let files = json!([attachment(chart, "chart.bin", 11), attachment(plan, "plan.md", 7)]);
    let say =
        ["say", "--to", "wren", "--topic", "the harbour", "--attach", "chart.bin", "--attach", "plan.md"];
    let say = [&say[..], &["look at", "these"]].concat();

    let rehearsed = world.nexctl_json(&[&say[..], &["--dry-run"]].concat());
    let payload =
        json!({"to": ["wren"], "content": "look at these", "attachments": files, "topic": "the harbour"});
    assert_eq!(rehearsed, json!({"dry_run": true, "kind": "chat.send", "payload": payload}));
    assert_eq!(world.nexctl_json(&["blob", "list"])["blobs"], json!([]), "a rehearsal puts nothing");

    let sent = world.nexctl_json(&say);
    let thread = sent["thread"].as_str().expect("a thread");
    assert_eq!(world.nexctl_json(&["get", "thread", thread])["title"], "the harbour");
    let page = world.nexctl_json(&["get", "messages", thread]);
    assert_eq!(each(&page["messages"], "attachments"), [files]);
    let shown = world.nexctl(&["get", "messages", thread]);
    let [of_chart, of_plan] =
        [("chart.bin", chart), ("plan.md", plan)].map(|(name, blob)| format!("  [{name}: {blob}]"));
    assert_eq!(below(stdout(&shown)), ["  look at these", &of_chart, &of_plan]);
    for (blob, bytes) in [(chart, &b"\x00\xff no text\n"[..]), (plan, &b"# Plan\n"[..])] {
        let got = world.nexctl(&["blob", "get", &blob.to_string()]);
        assert_eq!((got.status.code(), got.stdout.as_slice()), (Some(0), bytes), "{}", text(&got));
    }

    // The thread is there: it keeps its title, and whoever gave it another is told so. A file needs no text.
    let more = world.nexctl(&["say", "--thread", thread, "--topic", "the sea", "--attach", "plan.md"]);
    assert!(more.status.success(), "{}", text(&more));
    let kept = format!(
        "the thread was there before and keeps its title; another is given with: nexctl rename {thread} TITLE\n"
    );
    assert_eq!(stderr(&more), kept);
    assert_eq!(world.nexctl_json(&["get", "thread", thread])["title"], "the harbour");
    let page = world.nexctl_json(&["get", "messages", thread, "--after", &sent["seq"].to_string()]);
    let last = &page["messages"];
    assert_eq!(
        (each(last, "content"), each(last, "attachments")),
        (vec![json!("")], vec![json!([attachment(plan, "plan.md", 7)])])
    );
}

#[test]
fn what_cannot_be_sent_is_refused_before_anything_is() {
    let world = World::new();
    world.home("wren", json!({}), SCRIPT);
    write(&world, "a.txt", b"a\n");
    fs::create_dir(world.dir().join("folder")).expect("the folder is ours");
    let large = fs::File::create(world.dir().join("large")).expect("the folder is ours");
    large.set_len(BLOB_BYTES_MAX + 1).expect("it takes no room");
    let many = ["--attach", "a.txt"].repeat(ATTACHMENTS_MAX + 1);
    let cases: [(&[&str], &str); 5] = [
        (
            &["--attach", "a.txt", "--attach", "none.txt"],
            "nexctl: none.txt: No such file or directory (os error 2)\n",
        ),
        (
            &["--attach", "a.txt", "--attach", "folder"],
            "nexctl: folder is a directory; only files can be attached\n",
        ),
        (
            &["--attach", "a.txt", "--attach", "large"],
            "nexctl: large has more than the 104857600 bytes of the largest blob\n",
        ),
        (&many, "nexctl: 17 files are more than the 16 that a message may have\n"),
        (
            &["--attach", "a.txt", "--topic", " "],
            "error: invalid value ' ' for '--topic <TITLE>': a title is one line of 1 to 256 bytes; this one has 0\n\n\
             For more information, try '--help'.\n",
        ),
    ];
    for command in [&["say", "--to", "wren", "hello"][..], &["ask", "wren", "hello"]] {
        for (flags, said) in cases {
            let out = world.nexctl(&[command, flags].concat());
            assert_eq!((out.status.code(), stderr(&out)), (Some(2), said), "{command:?} {flags:?}");
        }
    }
    for command in [&["say", "--to", "wran", "hello"][..], &["ask", "wran", "hello"]] {
        let out = world.nexctl(&[command, &["--attach", "a.txt"]].concat());
        let said = "nexctl: there is no aspect named \"wran\"; did you mean wren?";
        assert_eq!((out.status.code(), stderr(&out).lines().next()), (Some(1), Some(said)), "{command:?}");
    }
    assert_eq!(world.nexctl_json(&["blob", "list"])["blobs"], json!([]));
    assert_eq!(world.nexctl_json(&["get", "threads"])["threads"], json!([]));
}

#[test]
fn who_is_asked_is_shown_the_file() {
    let world = World::new();
    let home = world.home("wren", json!({}), SCRIPT);
    let _agent = world.agent(&home);
    let notes = write(&world, "notes.txt", b"one\ntwo\n");
    let ask = ["ask", "--quiet", "wren", "--attach", "notes.txt", "--topic", "tides", "what is this?"];
    let out = world.nexctl(&ask);
    assert_eq!((stdout(&out), stderr(&out)), ("Noted.\n", ""));
    assert_eq!(each(&world.nexctl_json(&["get", "threads"])["threads"], "title"), ["tides"]);
    let sessions = SessionFile::all(&home);
    let said: Vec<&Value> = sessions
        .iter()
        .flat_map(|file| file.of_kind("turn.user"))
        .map(|entry| &entry["payload"]["content"])
        .collect();
    let shown =
        format!("what is this?\n\n[attached: notes.txt, application/octet-stream, 8 bytes; blob:{notes}]");
    assert_eq!(said, [&json!([{"type": "text", "text": shown}])]);
}

#[test]
fn messages_are_looked_for_by_when_and_where_they_stand() {
    let world = World::new();
    world.home("wren", json!({}), SCRIPT);
    let first = world.nexctl_json(&["say", "--to", "wren", "the moon is up"]);
    let thread = first["thread"].as_str().expect("a thread");
    for said in ["the moon is high", "the moon is down"] {
        world.nexctl_json(&["say", "--thread", thread, said]);
    }
    let all = &world.nexctl_json(&["get", "messages", thread])["messages"];
    let (ids, seqs) = (each(all, "id"), each(all, "seq"));
    let at = |n: usize| {
        let ms = all[n]["at"].as_i64().expect("a time");
        Timestamp::from_millisecond(ms).expect("a time").to_string()
    };

    let found = |flags: &[&str]| {
        let found = world.nexctl_json(&[&["search", "moon"], flags].concat());
        each(&found["hits"], "message")
    };
    // The index follows a moment behind.
    wait_until("the index", || (found(&[]).len() == 3).then_some(()));
    assert_eq!(found(&["--since", &at(1)]), [ids[2].clone(), ids[1].clone()]);
    assert_eq!(found(&["--until", &at(1)]), [ids[0].clone()]);
    assert_eq!(found(&["--since", &at(1), "--until", &at(2)]), [ids[1].clone()]);
    let none = world.nexctl(&["search", "moon", "--since", &at(2), "--until", &at(1)]);
    let said = "nexctl: --since is not before --until: nothing lies between them\n";
    assert_eq!((none.status.code(), stderr(&none)), (Some(2), said));

    let before = ["get", "messages", thread, "--before", &seqs[2].to_string(), "--limit", "1"];
    assert_eq!(world.nexctl_json(&before)["messages"], json!([all[1]]));
    let shown = world.nexctl(&before);
    assert_eq!(below(stdout(&shown)), ["  the moon is high"]);
    assert_eq!(stderr(&shown), format!("there are more; go on with --before {}\n", seqs[1]));
}

#[test]
fn knowledge_is_looked_for_by_its_score_and_the_log_by_kind_and_by_whom() {
    let world = World::new();
    world.home("wren", json!({}), SCRIPT);
    let sent = world.nexctl_json(&["say", "--to", "wren", "good morning"]);
    world.nexctl_json(&["knowledge", "store", "tides", "The moon, the moon."]);
    let long = "Of all that is said of the sea, the least is said of the moon, which is far.";
    world.nexctl_json(&["knowledge", "store", "sea", long]);
    let hits = |flags: &[&str]| -> Value {
        let search = [&["knowledge", "search", "-o", "json"], flags, &["moon"]].concat();
        let found: Value = serde_json::from_str(stdout(&world.nexctl(&search))).expect("JSON");
        found["hits"].clone()
    };
    let all = hits(&[]);
    assert_eq!(each(&all, "topic"), ["tides", "sea"]);
    let scores: Vec<f64> = each(&all, "score").iter().filter_map(Value::as_f64).collect();
    let between = f64::midpoint(scores[0], scores[1]);
    assert_eq!(hits(&["--min-score", &between.to_string()]), json!([all[0]]));

    // The log ends with what is of none of these kinds: that is not waited for.
    let logs = |flags: &[&str]| -> Vec<Value> {
        let out = world.nexctl(&[&["logs", "--since", "1h", "-o", "json"], flags].concat());
        let frames = stdout(&out).lines().map(|line| serde_json::from_str::<Value>(line).expect("JSON"));
        let bodies = frames.map(|frame| frame["payload"]["body"].clone());
        bodies
            .map(|body| if body["type"] == "message" { body["id"].clone() } else { body["kind"].clone() })
            .collect()
    };
    let (started, said) = (json!("broker.started"), sent["message"].clone());
    assert_eq!(logs(&["--kind", "message"]), std::slice::from_ref(&said));
    assert_eq!(logs(&["--kind", "message,broker.started"]), [started.clone(), said]);
    assert_eq!(logs(&["--kind", "message", "--kind", "broker.started", "--by", "system"]), [started]);
    assert_eq!(logs(&["--kind", "message", "--by", "wren"]), Vec::<Value>::new());
    let family = world.nexctl(&["logs", "--kind", "broker"]);
    let said =
        "nexctl: \"broker\" is no kind but the first word of some; name each whole, such as broker.started\n";
    assert_eq!((family.status.code(), stderr(&family)), (Some(2), said));
}
