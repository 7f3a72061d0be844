//! Disks that have no room: what does not fit is refused as a whole, what is there stays as it is, and the same goes
//! well once there is room.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{ErrorKind, Write as _};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use nexus_tests::world::text;
use nexus_tests::{World, wait_until};
use serde_json::json;

use crate::blobs::{Answer, bytes, content, files, http, list, put};
use crate::damaged::{copy, stop, verify};
use crate::upgrade::{nexus, old_data};

const INSIDE: &str = "NEXUS_TEST_WITH_DISKS";
const FILLER: &str = "filler";
/// By so much more room is given each time, so that each step of what needs it is once the one that has none: some
/// pages, and a number of them that has no part in common with what is written at once.
const STRIDE: usize = 7 * 4096;

/// Runs `body` where it may mount disks; the test's binary calls itself for that.
fn with_disks(test: &str, body: impl FnOnce()) {
    if std::env::var_os(INSIDE).is_some() {
        return body();
    }
    let folder = tempfile::tempdir().expect("a temporary folder");
    let out = Command::new("unshare")
        .args(["--map-root-user", "--mount"])
        .arg(std::env::current_exe().expect("a test has a path"))
        .args(["--exact", test, "--nocapture"])
        .env(INSIDE, "1")
        .env("TMPDIR", folder.path())
        .process_group(0)
        .output()
        .expect("util-linux has unshare");
    assert!(out.status.success(), "{}", text(&out));
    assert!(String::from_utf8_lossy(&out.stdout).contains("1 passed"), "{}", text(&out));
}

/// Puts a small disk there; it goes with the test.
fn disk(at: &Path, size: &str) {
    std::fs::create_dir_all(at).expect("the folder is ours");
    let options = format!("size={size},mode=700");
    let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", &options, "tmpfs"]).arg(at).status();
    assert!(mounted.is_ok_and(|status| status.success()), "{}", at.display());
}

/// Takes all of a disk but so many bytes, some pages of them.
fn fill(disk: &Path, room: usize) {
    let mut filler = File::create(disk.join(FILLER)).expect("the disk is ours");
    let piece = vec![0; 64 * 1024];
    let full = loop {
        if let Err(error) = filler.write_all(&piece) {
            break error;
        }
    };
    assert_eq!(full.kind(), ErrorKind::StorageFull);
    let taken = filler.metadata().expect("it is there").len();
    filler.set_len(taken - room as u64).expect("it has as much");
}

fn empty(disk: &Path) {
    std::fs::remove_file(disk.join(FILLER)).expect("the disk is ours");
}

/// Every file below a folder with what is in it, but for locks.
fn contents(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    for entry in std::fs::read_dir(folder).expect("the folder is ours").flatten() {
        let path = entry.path();
        if path.is_dir() {
            found.extend(contents(&path));
        } else if !path.to_string_lossy().ends_with("lock") {
            let bytes = std::fs::read(&path).expect("the file is ours");
            found.insert(path, bytes);
        }
    }
    found
}

/// Beside a database while it is open, and after that it could not be.
fn is_sqlites(path: &Path) -> bool {
    let name = path.to_string_lossy();
    name.ends_with("-shm") || name.ends_with("-wal")
}

/// Says in one line, as a command line does that failed, that there is no room.
fn assert_says_full(out: &Output, room: usize) {
    const WORDS: [&str; 2] = ["No space left on device", "disk is full"];
    let said = String::from_utf8_lossy(&out.stderr);
    assert!(out.status.code() == Some(1) && out.stdout.is_empty(), "{room}: {}", text(out));
    assert!(WORDS.iter().any(|word| said.contains(word)) && said.lines().count() == 1, "{room}: {said}");
}

fn is_refused(answer: &Answer) {
    let problem = answer.json();
    let found = (answer.status, &problem["code"], &problem["retryable"], answer.header("retry-after"));
    assert_eq!(found, (503, &json!("storage_unavailable"), &json!(true), Some("1")), "{problem}");
}

#[test]
fn a_blob_that_finds_no_room_leaves_nothing_and_is_taken_once_there_is_some() {
    with_disks("full::a_blob_that_finds_no_room_leaves_nothing_and_is_taken_once_there_is_some", || {
        let mut world = World::asleep();
        disk(world.dir(), "16m");
        world.start_broker();
        let token = world.token();
        let try_put = |content: &[u8]| http(&world, "PUT", "/api/v1/blobs", &token, &[], content);
        let [small, fitting, large] =
            [(1, 10_000), (2, 700_000), (3, 3_000_000)].map(|(seed, length)| bytes(seed, length));
        let kept = put(&world, &small);
        let (before, there) = (list(&world), files(&world));

        fill(world.dir(), 1 << 20);
        // What is left of a few of these would take all the room there is.
        for _ in 0..3 {
            is_refused(&try_put(&large));
            assert_eq!((list(&world), files(&world)), (before.clone(), there.clone()));
            assert_eq!(content(&world, &kept), small);
        }
        wait_until("what fits to be taken", || (try_put(&fitting).status == 200).then_some(()));

        empty(world.dir());
        let id = put(&world, &large);
        assert_eq!(content(&world, &id), large);
        assert_eq!((list(&world).len(), files(&world).len()), (3, 3));
        let (code, said) = verify(&world, &world.data(), &[]);
        assert_eq!(code, Some(0), "{said}");
    });
}

#[test]
fn a_blob_whose_row_finds_no_room_is_no_file_either() {
    let mut world = World::asleep();
    // A write beyond the limit is an error then, and no signal.
    world.start_broker_under(&["sh", "-c", r#"trap "" XFSZ; exec "$0" "$@""#]);
    let limit_files = |bytes: &str| {
        let pid = world.broker().pid().to_string();
        let done = Command::new("prlimit").args(["--pid", &pid, &format!("--fsize={bytes}:")]).status();
        assert!(done.is_ok_and(|status| status.success()), "util-linux has prlimit");
    };
    let token = world.token();
    let small = bytes(1, 1_000);
    let kept = put(&world, &small);
    let (before, there) = (list(&world), files(&world));
    // Less than a page of the database, and more than the blob.
    limit_files("1500");
    let other = bytes(2, 1_000);
    is_refused(&http(&world, "PUT", "/api/v1/blobs", &token, &[], &other));
    assert_eq!((list(&world), files(&world)), (before, there));
    // The same bytes as before are refused as well, and their file is that of a blob.
    is_refused(&http(&world, "PUT", "/api/v1/blobs", &token, &[], &small));
    assert_eq!(content(&world, &kept), small);

    limit_files("unlimited");
    wait_until("the broker ready again", || {
        (http(&world, "GET", "/readyz", &token, &[], b"").status == 200).then_some(())
    });
    let id = put(&world, &other);
    assert_eq!(content(&world, &id), other);
    let (code, said) = verify(&world, &world.data(), &[]);
    assert_eq!(code, Some(0), "{said}");
}

#[test]
fn a_backup_that_finds_no_room_leaves_nothing_and_says_so() {
    with_disks("full::a_backup_that_finds_no_room_leaves_nothing_and_says_so", || {
        let world = World::new();
        assert!(world.nexctl(&["say", "in the backup"]).status.success());
        put(&world, &bytes(1, 200_000));
        let (_, head) = verify(&world, &world.data(), &["--export-head"]);
        let small = world.dir().join("disk");
        disk(&small, "8m");
        let file = small.join("nexus.tar").to_string_lossy().into_owned();
        let mut refused = 0;
        for room in (0..).step_by(STRIDE) {
            fill(&small, room);
            let out = nexus(&world, &world.data(), &["backup", &file]);
            if out.status.success() {
                break;
            }
            assert_says_full(&out, room);
            let left: Vec<_> = contents(&small).into_keys().collect();
            assert_eq!(left, [small.join(FILLER)], "{room}");
            refused += 1;
        }
        assert!(refused > 10, "{refused}: a backup takes more than that");
        let whole = nexus(&world, &world.data(), &["verify", &file, "--against", &head]);
        assert!(whole.status.success(), "{}", text(&whole));
        // Whoever it was made of has noticed nothing.
        assert!(world.nexctl(&["say", "after the backup"]).status.success());
        let (code, said) = verify(&world, &world.data(), &["--against", &head]);
        assert_eq!(code, Some(0), "{said}");
    });
}

#[test]
fn what_is_on_a_full_disk_is_backed_up_to_another() {
    with_disks("full::what_is_on_a_full_disk_is_backed_up_to_another", || {
        let mut world = World::asleep();
        disk(world.dir(), "16m");
        world.start_broker();
        assert!(world.nexctl(&["say", "in the backup"]).status.success());
        put(&world, &bytes(1, 200_000));
        let (_, head) = verify(&world, &world.data(), &["--export-head"]);
        fill(world.dir(), 0);
        let other = tempfile::tempdir().expect("a temporary folder");
        let file = other.path().join("nexus.tar").to_string_lossy().into_owned();
        for args in [&["backup", &file][..], &["verify", &file, "--against", &head]] {
            let out = nexus(&world, &world.data(), args);
            assert!(out.status.success(), "{args:?}: {}", text(&out));
        }
    });
}

#[test]
fn whatever_has_no_room_to_open_a_database_says_so() {
    with_disks("full::whatever_has_no_room_to_open_a_database_says_so", || {
        let mut world = World::new();
        assert!(world.nexctl(&["say", "before the disk is full"]).status.success());
        stop(&mut world);
        let small = world.dir().join("disk");
        disk(&small, "8m");
        let data = small.join("data");
        copy(&world.data(), &data);
        fill(&small, 0);
        let all =
            || contents(&data).into_iter().filter(|(path, _)| !is_sqlites(path)).collect::<BTreeMap<_, _>>();
        let before = all();
        let file = world.dir().join("nexus.tar").to_string_lossy().into_owned();
        let database = data.join("nexus.db").display().to_string();
        for args in [&["serve", "--listen", "127.0.0.1:0"][..], &["verify"], &["backup", &file]] {
            let out = nexus(&world, &data, args);
            assert_says_full(&out, 0);
            assert!(text(&out).contains(&database), "{args:?}: {}", text(&out));
            let left = all();
            let names = left.keys();
            assert!(left == before, "{args:?}: {names:?}");
        }
        empty(&small);
        let (code, said) = verify(&world, &data, &[]);
        assert_eq!(code, Some(0), "{said}");
    });
}

#[test]
fn a_restore_that_finds_no_room_leaves_what_was_there_and_says_so() {
    with_disks("full::a_restore_that_finds_no_room_leaves_what_was_there_and_says_so", || {
        let mut world = World::new();
        assert!(world.nexctl(&["say", "in the backup"]).status.success());
        put(&world, &bytes(1, 200_000));
        let file = world.dir().join("nexus.tar").to_string_lossy().into_owned();
        let made = nexus(&world, &world.data(), &["backup", &file, "--with-keys"]);
        let made = text(&made);
        let head = made.lines().find_map(|line| line.split_once("up to log entry ")).expect("it says so").1;
        assert!(world.nexctl(&["say", "after the backup"]).status.success());
        put(&world, &bytes(2, 200_000));
        stop(&mut world);
        let (_, later) = verify(&world, &world.data(), &["--export-head"]);
        let old = std::fs::read(world.data().join("nexus.db")).expect("a stopped broker leaves a database");

        let small = world.dir().join("disk");
        disk(&small, "8m");
        let (used, new) = (small.join("used"), small.join("new"));
        copy(&world.data(), &used);
        for data in [&used, &new] {
            std::fs::create_dir_all(data).expect("the disk is ours");
            let before = contents(data);
            let mut refused = 0;
            for room in (0..).step_by(STRIDE) {
                fill(&small, room);
                let out = nexus(&world, data, &["restore", &file]);
                if out.status.success() {
                    break;
                }
                assert_says_full(&out, room);
                let left = contents(data);
                let names = left.keys();
                assert!(left == before, "{room}: {names:?}");
                refused += 1;
            }
            assert!(refused > 10, "{refused}: a restore takes more than that");
            let (code, said) = verify(&world, data, &["--against", head]);
            assert_eq!(code, Some(0), "{said}");
            let (code, said) = verify(&world, data, &["--against", &later]);
            assert_eq!(code, Some(4), "{said}");
            // All of what is done to it has come along: the entry that says so is the last one.
            let number = |head: &str| head.split_once(':').and_then(|(seq, _)| seq.parse::<u64>().ok());
            let (_, restored) = verify(&world, data, &["--export-head"]);
            assert_eq!(number(&restored), number(head).map(|seq| seq + 1), "{restored}");
        }
        let mut names =
            std::fs::read_dir(&used).expect("the disk is ours").flatten().map(|entry| entry.path());
        let is_aside = |path: &PathBuf| path.to_string_lossy().contains(".replaced-") && !is_sqlites(path);
        let kept = names.find(is_aside).expect("it stays beside");
        assert!(std::fs::read(&kept).expect("it is there") == old, "{}", kept.display());
    });
}

#[test]
fn an_older_backup_that_finds_no_room_is_restored_as_a_whole_or_not_at_all() {
    with_disks("full::an_older_backup_that_finds_no_room_is_restored_as_a_whole_or_not_at_all", || {
        let mut world = World::new();
        stop(&mut world);
        // With the keys that every data directory has.
        let old = world.dir().join("old");
        copy(&world.data(), &old);
        old_data("v12", &old);
        let (_, head) = verify(&world, &old, &["--export-head"]);
        let file = world.dir().join("old.tar").to_string_lossy().into_owned();
        let made = nexus(&world, &old, &["backup", &file, "--with-keys"]);
        assert!(made.status.success(), "{}", text(&made));
        let small = world.dir().join("disk");
        disk(&small, "8m");
        let (used, new) = (small.join("used"), small.join("new"));
        copy(&old, &used);
        for data in [&used, &new] {
            std::fs::create_dir_all(data).expect("the disk is ours");
            let before = contents(data);
            for room in (0..).step_by(STRIDE) {
                fill(&small, room);
                let out = nexus(&world, data, &["restore", &file]);
                if out.status.success() {
                    break;
                }
                let left = contents(data);
                let names = left.keys();
                assert!(left == before, "{room}: {names:?}: {}", text(&out));
            }
            empty(&small);
            let (code, said) = verify(&world, data, &["--against", &head]);
            assert_eq!(code, Some(0), "{said}");
        }
    });
}

#[test]
fn a_blob_that_finds_no_room_for_its_folder_leaves_nothing() {
    with_disks("full::a_blob_that_finds_no_room_for_its_folder_leaves_nothing", || {
        let mut world = World::asleep();
        disk(world.dir(), "64m,nr_inodes=200");
        world.start_broker();
        put(&world, &bytes(1, 10_000));
        let there = files(&world);
        let names = (0..).map(|n| world.dir().join(format!("{FILLER}-{n}")));
        let made: Vec<_> = names.take_while(|path| File::create(path).is_ok()).collect();
        // One more file may be made, and nothing besides.
        std::fs::remove_file(&made[0]).expect("the disk is ours");
        let other = bytes(2, 10_000);
        is_refused(&http(&world, "PUT", "/api/v1/blobs", &world.token(), &[], &other));
        assert_eq!(files(&world), there);
        for path in &made[1..10] {
            std::fs::remove_file(path).expect("the disk is ours");
        }
        assert_eq!(content(&world, &put(&world, &other)), other);
    });
}
