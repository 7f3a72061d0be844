//! Databases of earlier versions under today's program: nothing of them is lost, wherever the upgrade is cut off.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use nexus_tests::World;
use nexus_tests::process::checkout;
use nexus_tests::world::text;

/// The first version, with as many threads of a message each; and the last in which a message has its entry of the log in
/// a row of another table, with a reaction and an entry of knowledge.
const OLD: [(&str, usize, &str); 2] = [("v1", 70, "nexus.db.v1-"), ("v12", 2, "nexus.db.v12-")];
/// Calls that change what is on disk; an upgrade or a restore is killed at one of them.
const CALLS: &str = "pwrite64,write,fdatasync,fsync,rename,renameat2,unlink,ftruncate";
/// A prime, so that all kinds of calls have their turn.
pub(crate) const STRIDE: usize = 5;

fn fixture(version: &str) -> PathBuf {
    checkout().join("tests/fixtures/database").join(version).with_extension("db")
}

pub(crate) fn old_data(version: &str, data: &Path) {
    std::fs::create_dir_all(data).expect("the folder is ours");
    std::fs::copy(fixture(version), data.join("nexus.db")).expect("the fixture is there");
}

pub(crate) fn nexus(world: &World, data: &Path, args: &[&str]) -> Output {
    world.command("nexus").args(args).arg("--data").arg(data).output().expect("nexus runs")
}

/// The same, killed at the `at`-th call that changes what is on disk, if it makes so many.
pub(crate) fn nexus_killed_at(world: &World, data: &Path, at: usize, args: &[&str]) -> Output {
    let (trace, inject) = (format!("trace={CALLS}"), format!("inject={CALLS}:signal=KILL:when={at}"));
    let runner = ["strace", "-f", "-qq", "-o", "/dev/null", "-e", &trace, "-e", &inject];
    let mut command: Command = world.command_under(&runner, "nexus");
    command.args(args).arg("--data").arg(data).output().expect("strace runs")
}

fn version(data: &Path) -> u32 {
    let header = std::fs::read(data.join("nexus.db")).expect("there is a database");
    u32::from_be_bytes(header[60..64].try_into().expect("four bytes"))
}

fn copies(data: &Path) -> Vec<String> {
    let names = std::fs::read_dir(data).expect("the folder is ours").flatten();
    let mut names: Vec<String> =
        names.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
    names.retain(|name| name.contains(".bak"));
    names
}

#[test]
fn a_database_of_an_earlier_version_is_brought_up_to_date_and_served() {
    for (version, threads, copy) in OLD {
        let mut world = World::asleep();
        old_data(version, &world.data());
        let head = nexus(&world, &world.data(), &["verify", "--export-head"]);
        assert!(head.status.success(), "an old one can be verified as it is: {}", text(&head));
        assert!(nexus(&world, &world.data(), &["token", "new"]).status.success());
        let copies = copies(&world.data());
        assert!(copies.len() == 1 && copies[0].starts_with(copy), "{copies:?}");
        world.start_broker();
        let page = world.nexctl_json(&["get", "threads", "--limit", "200"]);
        assert_eq!(page["threads"].as_array().map(Vec::len), Some(threads), "{version}");
        // What is new goes on from what is old, and both are told as one.
        assert!(world.nexctl(&["say", "after the upgrade"]).status.success());
        let head = String::from_utf8_lossy(&head.stdout).trim().to_owned();
        let checked = nexus(&world, &world.data(), &["verify", "--against", &head]);
        assert!(checked.status.success(), "{}", text(&checked));
        let (last, _) = head.split_once(':').expect("an entry and its hash");
        let last: u64 = last.parse().expect("a number");
        let page = world.nexctl_json(&["audit", "--limit", "200"]);
        let entries = page["entries"].as_array().expect("entries");
        let seqs: Vec<Option<u64>> = entries.iter().map(|entry| entry["seq"].as_u64()).collect();
        let newest = seqs[0].expect("the newest comes first");
        assert!(newest > last, "{version}: {newest} comes after {last}");
        assert_eq!(seqs, (1..=newest).rev().map(Some).collect::<Vec<_>>(), "{version}");
    }
}

#[test]
fn a_database_of_a_newer_version_is_named_as_that_by_whatever_reads_it() {
    let world = World::asleep();
    let data = world.dir().join("newer");
    old_data("v12", &data);
    let path = data.join("nexus.db");
    let mut bytes = std::fs::read(&path).expect("there is a database");
    bytes[60..64].copy_from_slice(&9_999_u32.to_be_bytes());
    std::fs::write(&path, &bytes).expect("the folder is ours");
    let archive = world.dir().join("copy.nexus").to_string_lossy().into_owned();
    for args in [&["verify"][..], &["token", "new"], &["backup", &archive], &["doctor"]] {
        let out = nexus(&world, &data, args);
        assert!(!out.status.success(), "{args:?}");
        assert!(text(&out).contains("nexus.db has schema version 9999"), "{args:?}: {}", text(&out));
    }
    assert!(std::fs::read(&path).expect("it is still there") == bytes, "nothing was changed");
}

#[test]
fn an_upgrade_killed_at_any_call_leaves_the_old_database_or_the_new_one() {
    let world = World::asleep();
    let folder = world.dir().join("old");
    old_data("v1", &folder);
    let out = nexus(&world, &folder, &["verify", "--export-head"]);
    let head = String::from_utf8_lossy(&out.stdout).trim().to_owned();
    let mut killed = 0;
    for at in (1..).step_by(STRIDE) {
        let data = world.dir().join(format!("killed-at-{at}"));
        old_data("v1", &data);
        if nexus_killed_at(&world, &data, at, &["token", "new"]).status.success() {
            break;
        }
        killed += 1;
        let found = nexus(&world, &data, &["verify", "--against", &head]);
        assert!(found.status.success(), "killed at {at}: {}", text(&found));
        let again = nexus(&world, &data, &["token", "new"]);
        assert!(again.status.success(), "killed at {at}: {}", text(&again));
        let found = nexus(&world, &data, &["verify", "--against", &head]);
        assert!(found.status.success(), "killed at {at}: {}", text(&found));
        assert!(version(&data) > 1, "killed at {at}");
        let copies = copies(&data);
        assert!(copies.len() <= 3 && !copies.iter().any(|name| name.contains("partial")), "{copies:?}");
        std::fs::remove_dir_all(&data).expect("the folder is ours");
    }
    assert!(killed > 5, "{killed}: the upgrade makes more calls than that");
}
