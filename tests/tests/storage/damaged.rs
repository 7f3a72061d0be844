//! Databases that somebody, or a disk, has altered while no broker looked: `nexus verify` names what it is, and a start
//! goes well or says what to do.

use std::path::Path;
use std::process::Command;

use nexus_tests::raw::Raw;
use nexus_tests::world::text;
use nexus_tests::{Process, World, wait_until};
use serde_json::{Value, json};

use crate::upgrade;

/// A prime, so that pages of all kinds have their turn at a start.
const STRIDE: usize = 13;

/// Stops it as a system would: everything is in the one file afterwards.
pub(crate) fn stop(world: &mut World) {
    world.broker().signal("TERM");
    let status = world.broker_mut().wait();
    assert!(status.success(), "{}", world.broker().text());
}

/// What `nexus verify` exits with, and all it says.
pub(crate) fn verify(world: &World, data: &Path, more: &[&str]) -> (Option<i32>, String) {
    let out = upgrade::nexus(world, data, &[&["verify"], more].concat());
    let said = [out.stdout, out.stderr].concat();
    (out.status.code(), String::from_utf8_lossy(&said).trim_end().to_owned())
}

pub(crate) fn copy(from: &Path, to: &Path) {
    let copied = Command::new("cp").arg("-r").args([from, to]).status().expect("cp runs");
    assert!(copied.success(), "{}", to.display());
}

/// As anybody can who may write the file; how many rows it changed.
pub(crate) fn sql(database: &Path, statements: &str) -> usize {
    const PROGRAM: &str = "import sqlite3, sys
database = sqlite3.connect(sys.argv[1])
database.executescript(sys.argv[2])
print(database.total_changes)
database.close()";
    let out = Command::new("python3").args(["-c", PROGRAM]).arg(database).arg(statements).output();
    let out = out.expect("python3 runs");
    assert!(out.status.success(), "{statements}: {}", text(&out));
    String::from_utf8_lossy(&out.stdout).trim().parse().expect("it prints a number")
}

fn damaged(path: &Path, what: &str) -> String {
    format!("nexus: {} is damaged: {what}; restore a backup with `nexus restore FILE`", path.display())
}

/// What is said where nothing that could not be restored is made.
fn refused_backup(world: &World, data: &Path) -> String {
    let file = world.dir().join("refused.tar");
    let out = upgrade::nexus(world, data, &["backup", &file.to_string_lossy()]);
    assert!(out.status.code() == Some(1) && out.stdout.is_empty() && !file.exists(), "{}", text(&out));
    String::from_utf8_lossy(&out.stderr).into_owned()
}

/// Something is said; the number of its entry in the log.
async fn say(operator: &mut Raw, content: &str) -> u64 {
    let sent = operator.request("chat.send", json!({"content": content})).await;
    sent["payload"]["seq"].as_u64().unwrap_or_else(|| panic!("{sent}"))
}

fn put_blob(world: &World, content: &str) -> Value {
    let file = world.dir().join("content.txt");
    std::fs::write(&file, content).expect("the folder is ours");
    world.nexctl_json(&["blob", "put", &file.to_string_lossy()])
}

#[tokio::test]
async fn whatever_is_altered_in_a_stopped_database_is_named() {
    let mut world = World::new();
    let mut operator = Raw::operator(&world).await;
    let first = say(&mut operator, "the harbour is quiet").await;
    put_blob(&world, "a chart");
    world.home("wren", json!({}), "");
    let trail = world.nexctl_json(&["audit", "--kind", "blob.put"]);
    let put = trail["entries"][0]["seq"].as_u64().unwrap_or_else(|| panic!("{trail}"));
    let last = say(&mut operator, "and the tide is high").await;
    drop(operator);
    stop(&mut world);

    let changed = |seq: u64| format!("entry {seq} of the log was changed");
    let gap = |seq: u64| format!("the log goes from entry {} to {}", seq - 1, seq + 1);
    let replaced = |seq: u64, from: &str, to: &str| {
        format!(
            "UPDATE message_blocks SET body = CAST(replace(CAST(body AS TEXT), '{from}', '{to}') AS BLOB)
             WHERE first = {seq} AND instr(body, CAST('{from}' AS BLOB)) > 0"
        )
    };
    let cases = [
        (replaced(first, "harbour", "Harbour"), changed(first)),
        (replaced(last, "operator/admin", "operator/mason"), changed(last)),
        (format!("UPDATE log SET at = at + 1 WHERE seq = {put}"), changed(put)),
        (format!("UPDATE log SET actor = 'operator/mason' WHERE seq = {put}"), changed(put)),
        (format!("UPDATE log SET hash = zeroblob(32) WHERE seq = {put}"), changed(put)),
        (format!("UPDATE log SET content_sha256 = zeroblob(32) WHERE seq = {put}"), changed(put)),
        (format!("DELETE FROM log WHERE seq = {put}"), gap(put)),
        (format!("DELETE FROM message_blocks WHERE first = {first}"), gap(first)),
        (
            "INSERT INTO reactions VALUES (99999, '+1', 'operator/mason', 0)".to_owned(),
            "a row of reactions refers to message 99999, which is not there".to_owned(),
        ),
        (
            format!("INSERT INTO blob_references (blob, message) VALUES (99999, {first})"),
            "a row of blob_references refers to one that is not there".to_owned(),
        ),
        (
            "INSERT INTO message_id_blocks (first, body) VALUES (zeroblob(16), zeroblob(24))".to_owned(),
            "there is an id of a message that is not there".to_owned(),
        ),
        (
            "UPDATE inboxes SET tail = -1".to_owned(),
            "what the broker reads first cannot be read: the inbox of wren cannot be read: Integer -1 out of range at \
             index 2"
                .to_owned(),
        ),
        // As if the beginning had been pruned.
        (
            format!(
                "INSERT INTO checkpoints SELECT seq, at, hash, 'signed' FROM log WHERE seq = {put};
                 DELETE FROM log WHERE seq <= {put}; DELETE FROM message_blocks WHERE first <= {put}"
            ),
            format!("the checkpoint at entry {put} of the log is not signed by this Nexus"),
        ),
    ];
    let altered = |n: usize, statements: &str| {
        let data = world.dir().join(format!("altered-{n}"));
        copy(&world.data(), &data);
        assert!(sql(&data.join("nexus.db"), statements) > 0, "{statements}");
        data
    };
    // What alters it does no harm by itself.
    let (code, said) = verify(&world, &altered(cases.len(), "UPDATE log SET at = at"), &[]);
    assert_eq!(code, Some(0), "{said}");
    for (n, (statements, what)) in cases.iter().enumerate() {
        let data = altered(n, statements);
        let expected = damaged(&data.join("nexus.db"), what);
        assert_eq!(verify(&world, &data, &[]), (Some(3), expected), "{statements}");
        // Who signed what is gone is nothing a restore depends on.
        if !what.starts_with("the checkpoint") {
            let begin = format!("nexus: {} is damaged: {what}; no backup", data.join("nexus.db").display());
            assert!(refused_backup(&world, &data).starts_with(&begin), "{statements}");
        }
    }
}

#[tokio::test]
async fn an_end_that_was_cut_off_or_written_anew_is_seen_by_a_head_kept_elsewhere() {
    let mut world = World::new();
    say(&mut Raw::operator(&world).await, "the harbour is quiet").await;
    put_blob(&world, "a chart");
    stop(&mut world);
    let (data, database) = (world.data(), world.data().join("nexus.db"));
    let (code, head) = verify(&world, &data, &["--export-head"]);
    assert_eq!(code, Some(0), "{head}");
    let seq: u64 = head.split_once(':').and_then(|(seq, _)| seq.parse().ok()).expect("a head has two parts");
    assert_eq!(sql(&database, &format!("DELETE FROM log WHERE seq = {seq}")), 1);

    // By itself what is left is a log.
    let (code, said) = verify(&world, &data, &[]);
    let path = database.display();
    let whole = format!("{path} is whole: its pages, its references, and {} log entries\n", seq - 1);
    assert!(code == Some(0) && said.starts_with(&whole), "{said}");
    let cut = format!(
        "nexus: {path} was set back: its log ends at entry {}, and entry {seq} was written down",
        seq - 1
    );
    assert_eq!(verify(&world, &data, &["--against", &head]), (Some(4), cut));

    world.start_broker();
    say(&mut Raw::operator(&world).await, "nobody put a chart").await;
    stop(&mut world);
    let (code, said) = verify(&world, &data, &[]);
    assert_eq!(code, Some(0), "{said}");
    let rewritten = format!(
        "nexus: {path} holds another history than the one that was written down: entry {seq} of its log has another \
         hash. It was rewritten, or belongs to another Nexus"
    );
    assert_eq!(verify(&world, &data, &["--against", &head]), (Some(4), rewritten));
}

/// No older backup is needed for it: one that is made now is restored.
#[tokio::test]
async fn what_is_kept_twice_and_disagrees_is_made_anew_by_a_restore() {
    let mut world = World::new();
    put_blob(&world, "a chart");
    stop(&mut world);
    let (data, database) = (world.data(), world.data().join("nexus.db"));
    assert_eq!(sql(&database, "UPDATE blob_usage SET bytes = bytes + 1 WHERE owner = ''"), 1);
    let derived = format!(
        "nexus: {} disagrees with itself: what is kept of how much room blobs take is not what they take. It is made anew \
         from the rows that it stands for: stop the broker, make a backup and restore it",
        database.display()
    );
    assert_eq!(verify(&world, &data, &[]), (Some(3), derived));
    let (code, head) = verify(&world, &data, &["--export-head"]);
    assert_eq!(code, Some(0), "{head}");
    let file = world.dir().join("now.tar");
    for command in ["backup", "restore"] {
        let out = upgrade::nexus(&world, &data, &[command, &file.to_string_lossy()]);
        let said = text(&out);
        assert!(out.status.success() && !said.contains("restore a backup"), "{command}: {said}");
        assert_eq!(
            said.contains("made anew from the rows that it stands for"),
            command == "restore",
            "{said}"
        );
    }
    let (code, said) = verify(&world, &data, &["--against", &head]);
    assert_eq!(code, Some(0), "{said}");
}

/// How a start on this data went: `true`, it serves.
fn starts(world: &World, data: &Path) -> bool {
    let mut command = world.command("nexus");
    command.arg("serve").arg("--data").arg(data).args(["--listen", "127.0.0.1:0"]);
    let mut broker = Process::start("nexus", &mut command);
    let is_ready = wait_until("a start or a refusal", || {
        let is_ready = broker.text().contains("ready in");
        (is_ready || broker.has_ended()).then_some(is_ready)
    });
    if is_ready {
        broker.kill();
        return true;
    }
    let (status, said) = (broker.wait(), broker.text());
    assert_eq!(status.code(), Some(1), "{said}");
    for part in ["damaged", "backup"] {
        assert!(said.contains(part) && !said.contains("panicked"), "{part}: {said}");
    }
    false
}

#[test]
fn a_damaged_page_is_found_wherever_it_is_and_a_start_goes_well_or_says_what_to_do() {
    let mut world = World::new();
    let large = "Q".repeat(40_000);
    for content in ["the harbour is quiet", &large] {
        assert!(world.nexctl(&["say", content]).status.success());
    }
    world.nexctl_json(&["knowledge", "store", "tides", "High at noon."]);
    put_blob(&world, "a chart");
    stop(&mut world);
    let (data, database) = (world.data(), world.data().join("nexus.db"));
    // A page that nothing is on is nobody's loss.
    sql(&database, "VACUUM");
    assert_eq!(verify(&world, &data, &[]).0, Some(0));
    let good = std::fs::read(&database).expect("a stopped broker leaves a database");
    // The header's page size (https://sqlite.org/fileformat2.html#page_size).
    let size = usize::from(u16::from_be_bytes([good[16], good[17]]));
    let (mut ready, mut refused) = (0, 0);
    for page in 0..good.len() / size {
        let mut bytes = good.clone();
        bytes[page * size..][..size].fill(0xa5);
        std::fs::write(&database, &bytes).expect("the folder is ours");
        let (code, said) = verify(&world, &data, &[]);
        let (begin, end) = (format!("nexus: {} is damaged: ", database.display()), "`nexus restore FILE`");
        assert!(code == Some(3) && said.starts_with(&begin) && said.ends_with(end), "page {page}: {said}");
        if page % STRIDE == 0 {
            let said = refused_backup(&world, &data);
            assert!(said.starts_with(begin.trim_end_matches(": ")), "page {page}: {said}");
            let started = world.dir().join(format!("started-{page}"));
            copy(&data, &started);
            match starts(&world, &started) {
                true => ready += 1,
                false => {
                    refused += 1;
                    let left = std::fs::read(started.join("nexus.db")).expect("it is still there");
                    assert!(left == bytes, "page {page}: a refused start has changed the database");
                }
            }
        }
    }
    assert!(ready > 0 && refused > 0, "{ready} and {refused}: there are pages of either kind");
}

#[tokio::test]
async fn a_search_index_that_is_lost_or_damaged_is_made_again() {
    let mut world = World::new();
    let said = say(&mut Raw::operator(&world).await, "the harbour is quiet").await;
    let index = world.data().join("search.db");
    for (case, bytes) in [("lost", None), ("text", Some(b"dear aunt, ".repeat(900))), ("empty", Some(vec![]))]
    {
        stop(&mut world);
        // Anything of it that is left would mend it.
        for name in ["search.db", "search.db-wal", "search.db-shm"] {
            let _ = std::fs::remove_file(world.data().join(name));
        }
        if let Some(bytes) = bytes {
            std::fs::write(&index, bytes).expect("the folder is ours");
        }
        world.start_broker();
        let found = wait_until(&format!("{case}: a hit"), || {
            let out = world.nexctl(&["search", "harbour", "-o", "json"]);
            let page: Value = serde_json::from_slice(&out.stdout).ok()?;
            page["hits"].as_array().filter(|hits| !hits.is_empty()).cloned()
        });
        let found: Vec<_> = found.iter().map(|hit| &hit["seq"]).collect();
        assert_eq!(found, [said], "{case}");
    }
}
