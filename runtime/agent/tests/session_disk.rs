//! Sessions on disks that are full or read-only, with lines of any length, and with two processes at one file.

use std::fs;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::Command;

use jiff::Timestamp;
use nexus_agent::conversation::Block;
use nexus_agent::journal::Durability;
use nexus_agent::session::{Blobs, Payload, Session, SessionKey, Tree, UserTurn};

const NOW: Timestamp = Timestamp::UNIX_EPOCH;
const INSIDE: &str = "NEXUS_TEST_ON_SMALL_DISK";

fn said(text: &str) -> Payload {
    Payload::User(UserTurn { content: vec![Block::Text { text: text.to_owned() }], item: None })
}

fn open(home: &Path) -> Session {
    Session::open(home, SessionKey::Global, Durability::Fsync, NOW).expect("opens")
}

/// Runs `body` with a small disk of its own; the test's binary calls itself for that.
fn on_small_disk(test: &str, body: impl FnOnce(&Path)) {
    if let Some(disk) = std::env::var_os(INSIDE) {
        return body(Path::new(&disk));
    }
    let disk = tempfile::tempdir().expect("a folder");
    let out = Command::new("unshare")
        .args(["--map-root-user", "--mount", "sh", "-c"])
        .arg(r#"mount -t tmpfs -o size=4m tmpfs "$DISK" && exec "$0" --exact "$1" --nocapture"#)
        .arg(std::env::current_exe().expect("a test has a path"))
        .arg(test)
        .env(INSIDE, disk.path())
        .env("DISK", disk.path())
        .process_group(0)
        .output()
        .expect("util-linux has unshare");
    let text = String::from_utf8_lossy(&out.stdout);
    assert!(
        out.status.success() && text.contains("1 passed"),
        "{text}{}",
        String::from_utf8_lossy(&out.stderr)
    );
}

#[test]
fn a_full_disk_costs_what_was_not_acknowledged_and_nothing_else() {
    on_small_disk("a_full_disk_costs_what_was_not_acknowledged_and_nothing_else", |disk| {
        let mut session = open(disk);
        let filler = disk.join("filler");
        fs::write(&filler, vec![0; 1024 * 1024]).expect("there is room");
        let text = "much ".repeat(20_000);
        let mut written = 0;
        let error = loop {
            match session.append(said(&text), NOW) {
                Ok(_) => written += 1,
                Err(error) => break error.to_string(),
            }
            assert!(written < 100, "the disk is never full");
        };
        assert!(written > 3 && error.contains("No space left"), "{written}: {error}");
        assert!(Blobs::of(disk, Durability::Fsync).put(text.repeat(40).as_bytes()).is_err());
        let left = fs::read_dir(disk.join("session/blobs")).map_or(0, Iterator::count);
        assert_eq!(left, 0, "what could not be stored leaves nothing");
        let known = session.tree().len();
        assert_eq!(Tree::load(session.path()).expect("loads").len(), known, "no part of it is left");
        fs::remove_file(filler).expect("removed");
        let last = session.append(said("room again"), NOW).expect("appends");
        drop(session);
        let tree = Tree::load(&SessionKey::Global.path(disk)).expect("loads");
        assert_eq!((tree.head(), tree.len(), tree.problems().len()), (Some(last), known + 1, 0));
    });
}

#[test]
fn a_read_only_disk_can_be_read_and_says_that_it_cannot_be_written() {
    on_small_disk("a_read_only_disk_can_be_read_and_says_that_it_cannot_be_written", |disk| {
        let mut session = open(disk);
        session.append(said("one"), NOW).expect("appends");
        drop(session);
        let status = Command::new("mount").args(["-o", "remount,ro"]).arg(disk).status().expect("mount runs");
        assert!(status.success());
        let error = Session::open(disk, SessionKey::Global, Durability::Fsync, NOW).expect_err("read-only");
        assert!(error.to_string().contains("Read-only file system"), "{error}");
        assert_eq!(Tree::load(&SessionKey::Global.path(disk)).expect("loads").len(), 1);
    });
}

#[test]
fn lines_of_fifty_megabytes_are_lines() {
    let home = tempfile::tempdir().expect("a folder");
    let mut session = open(home.path());
    let long = "fifty MB ".repeat(50 * 1024 * 1024 / 9);
    session.append(said("before"), NOW).expect("appends");
    let at = session.append(said(&long), NOW).expect("appends");
    session.append(said("after"), NOW).expect("appends");
    let expected = session.replay();
    drop(session);
    // By its index, and without.
    assert!(SessionKey::Global.path(home.path()).with_extension("index").exists());
    assert_eq!(open(home.path()).replay(), expected);
    let tree = Tree::load(&SessionKey::Global.path(home.path())).expect("loads");
    assert_eq!(tree.replay(tree.head()), expected);
    assert!(tree.place(at).is_some_and(|place| place.len > 50 * 1024 * 1024 - 10));
    // Torn in the middle of such a line.
    let path = SessionKey::Global.path(home.path());
    let file = fs::OpenOptions::new().write(true).open(&path).expect("opens");
    file.set_len(20 * 1024 * 1024).expect("cut");
    drop(file);
    let session = open(home.path());
    assert_eq!((session.tree().len(), session.tree().problems().len()), (1, 1));
}

#[test]
fn a_second_process_is_told_who_has_the_session() {
    let home = tempfile::tempdir().expect("a folder");
    let mut session = open(home.path());
    session.append(said("one"), NOW).expect("appends");
    let run = |args: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_agent"));
        let out = command.args(["session"]).args(args).arg(home.path()).output().expect("agent runs");
        (
            out.status.success(),
            format!("{}{}", String::from_utf8_lossy(&out.stdout), String::from_utf8_lossy(&out.stderr)),
        )
    };
    let (done, told) = run(&["compact"]);
    assert!(
        !done && told.contains("is in use by process") && told.contains(&std::process::id().to_string()),
        "{told}"
    );
    let (done, told) = run(&["tree"]);
    assert!(done && told.contains("one"), "looking needs no lock: {told}");
    session.append(said("two"), NOW).expect("the first one goes on");
}
