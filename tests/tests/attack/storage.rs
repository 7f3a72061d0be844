//! Disks that are full, read-only, taken or full of something else; ports that are taken; stops.

use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::Command;

use nexus_tests::process::Process;
use nexus_tests::raw::Raw;
use nexus_tests::world::text;
use nexus_tests::{World, wait_until};
use serde_json::{Value, json};

use crate::http::request;

const INSIDE: &str = "NEXUS_TEST_ON_SMALL_DISK";

/// Runs `body` with a small disk of its own for temporary files; the test's binary calls itself for that.
fn on_small_disk(test: &str, body: impl FnOnce(&Path)) {
    if let Some(disk) = std::env::var_os(INSIDE) {
        return body(Path::new(&disk));
    }
    let disk = tempfile::tempdir().expect("a temporary folder");
    let out = Command::new("unshare")
        .args(["--map-root-user", "--mount", "sh", "-c"])
        .arg(r#"mount -t tmpfs -o size=12m tmpfs "$TMPDIR" && exec "$0" --exact "$1" --nocapture"#)
        .arg(std::env::current_exe().expect("a test has a path"))
        .arg(test)
        .env(INSIDE, disk.path())
        .env("TMPDIR", disk.path())
        .process_group(0)
        .output()
        .expect("util-linux has unshare");
    assert!(out.status.success(), "{}", text(&out));
    assert!(String::from_utf8_lossy(&out.stdout).contains("1 passed"), "{}", text(&out));
}

/// `nexus serve` that has to refuse; what it says.
fn refused(world: &World, data: &Path, listen: &str) -> String {
    let mut command = world.command("nexus");
    command.arg("serve").arg("--data").arg(data).args(["--listen", listen]);
    let mut process = Process::start("nexus", &mut command);
    let status = process.wait();
    assert_eq!(status.code(), Some(1), "{}", process.text());
    process.text()
}

/// Every file below with its content, the locks of the running left out.
fn contents(dir: &Path) -> Vec<(String, Vec<u8>)> {
    let entries = std::fs::read_dir(dir).expect("the folder is ours");
    let mut files: Vec<_> = entries
        .map(|entry| entry.expect("the folder is ours"))
        .map(|entry| (entry.file_name().to_string_lossy().into_owned(), entry.path()))
        .filter(|(name, path)| path.is_file() && !name.ends_with(".lock"))
        .map(|(name, path)| (name, std::fs::read(path).expect("the file is ours")))
        .collect();
    files.sort();
    files
}

fn names(dir: &Path) -> Vec<String> {
    contents(dir).into_iter().map(|(name, _)| name).collect()
}

/// Stops it as a system would, and waits.
fn stop(world: &mut World) {
    world.broker().signal("TERM");
    let status = world.broker_mut().wait();
    assert_eq!(status.code(), Some(0), "{}", world.broker().text());
}

#[tokio::test]
async fn a_second_broker_on_the_same_data_names_the_first() {
    let world = World::new();
    let said = refused(&world, &world.data(), "127.0.0.1:0");
    let pid = world.broker().pid().to_string();
    for part in [pid.as_str(), &world.url(), "--data"] {
        assert!(said.contains(part), "{part}: {said}");
    }
    let mut operator = Raw::operator(&world).await;
    assert_eq!(operator.request("chat.send", json!({"content": "still here"})).await["kind"], "ok");
}

#[test]
fn a_port_that_is_taken_is_named_with_what_to_do() {
    let world = World::asleep();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("loopback is there");
    let address = taken.local_addr().expect("it is bound").to_string();
    let said = refused(&world, &world.data(), &address);
    assert!(said.contains(&address) && said.contains("--listen"), "{said}");
    // What it made on the way is good: the next one starts with it.
    let mut world = world;
    world.start_broker();
    stop(&mut world);
}

#[test]
fn a_file_that_is_no_database_of_ours_is_left_as_it_is() {
    let mut world = World::new();
    stop(&mut world);
    let database = world.data().join("nexus.db");
    let good = std::fs::read(&database).expect("a stopped broker leaves a database");
    let mut newer = good.clone();
    // The header's user_version (https://sqlite.org/fileformat2.html#the_database_header).
    newer[60..64].copy_from_slice(&99_u32.to_be_bytes());
    let mut torn = good.clone();
    torn.truncate(good.len() / 2);
    let mut scrambled = good.clone();
    scrambled[100..].fill(0xa5);
    let cases = [
        ("text", b"this is a letter to my aunt, not a database\n".repeat(200), "backup"),
        ("newer", newer, "newer"),
        ("torn", torn, "backup"),
        ("scrambled", scrambled, "backup"),
    ];
    for (name, bytes, advice) in cases {
        std::fs::write(&database, &bytes).expect("the folder is ours");
        let before = contents(&world.data());
        let said = refused(&world, &world.data(), "127.0.0.1:0");
        assert!(said.contains(&database.display().to_string()), "{name}: {said}");
        assert!(said.contains(advice), "{name}: {said}");
        assert!(contents(&world.data()) == before, "{name}: {:?}", names(&world.data()));
    }
    std::fs::write(&database, good).expect("the folder is ours");
    world.start_broker();
    assert_eq!(request(&world, "GET", "/readyz", None, "").0, 200);
}

#[test]
fn a_folder_that_cannot_be_written_is_named() {
    on_small_disk("storage::a_folder_that_cannot_be_written_is_named", |disk| {
        let mut world = World::new();
        stop(&mut world);
        let before = contents(&world.data());
        let remount = |how: &str| {
            let status = Command::new("mount").args(["-o", &format!("remount,{how}")]).arg(disk).status();
            assert!(status.is_ok_and(|status| status.success()), "the disk is this test's own");
        };
        remount("ro");
        let said = refused(&world, &world.data(), "127.0.0.1:0");
        assert!(said.contains(&world.data().display().to_string()) && said.contains("--data"), "{said}");
        assert!(contents(&world.data()) == before, "{:?}", names(&world.data()));
        remount("rw");
        world.start_broker();
    });
    let world = World::asleep();
    std::fs::write(world.dir().join("file"), "").expect("the folder is ours");
    let said = refused(&world, &world.dir().join("file/data"), "127.0.0.1:0");
    assert!(said.contains("file/data") && said.contains("--data"), "{said}");
}

#[tokio::test]
async fn a_stop_in_the_middle_of_work_leaves_all_that_was_acknowledged_in_one_file() {
    let mut world = World::new();
    let (mut sender, mut watcher) = (Raw::operator(&world).await, Raw::operator(&world).await);
    let mut waiting = Vec::new();
    for n in 0..500 {
        let id = nexus_client::new_request_id();
        sender.send("chat.send", Some(id), json!({"content": format!("{n}")})).await;
        waiting.push(id);
    }
    let first = sender.reply_to(waiting[0]).await;
    world.broker().signal("TERM");
    let mut acknowledged = vec![first["payload"]["message"].clone()];
    let code = loop {
        match sender.next().await {
            Ok(frame) if frame["kind"] == "ok" => acknowledged.push(frame["payload"]["message"].clone()),
            Ok(frame) if frame["kind"] == "shutdown" => {}
            Ok(frame) => assert_eq!(frame["payload"]["code"], "shutting_down", "{frame}"),
            Err(code) => break code,
        }
    };
    assert_eq!((code, watcher.closed().await), (1001, 1001));
    let status = world.broker_mut().wait();
    assert_eq!(status.code(), Some(0), "{}", world.broker().text());
    let mut left = names(&world.data());
    // The index gives way to the work, and may not have begun.
    left.retain(|name| name != "search.db");
    assert_eq!(left, ["ca.pem", "identity.json", "nexus.db", "observe.mark", "operator.token"]);
    world.start_broker();
    let mut operator = Raw::operator(&world).await;
    for message in &acknowledged {
        let page = operator.request("chat.read", json!({"message": message})).await;
        assert_eq!(&page["payload"]["messages"][0]["id"], message, "{page}");
    }
}

/// Sends messages of this size until one is refused; those that were taken, and the refusal with its id.
async fn send_until_refused(
    raw: &mut Raw,
    bytes: usize,
) -> (Vec<Value>, (nexus_wire::RequestId, Value, Value)) {
    let mut taken = Vec::new();
    loop {
        let content = format!("{} {}", taken.len(), "x".repeat(bytes));
        let (id, payload) = (nexus_client::new_request_id(), json!({"to": ["wren"], "content": content}));
        let reply = raw.request_as(id, "chat.send", payload.clone()).await;
        if reply["kind"] != "ok" {
            return (taken, (id, payload, reply["payload"].clone()));
        }
        taken.push(reply["payload"]["message"].clone());
    }
}

#[test]
fn a_full_disk_refuses_what_is_new_loses_nothing_and_is_got_over() {
    on_small_disk("storage::a_full_disk_refuses_what_is_new_loses_nothing_and_is_got_over", |disk| {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(full_disk(disk));
    });
}

/// Of each alert about the store, its key and whether it is over.
fn storage_alerts(page: &Value) -> Vec<(&str, bool)> {
    let alerts = page["payload"]["alerts"].as_array().expect("a page of alerts");
    let about = alerts.iter().filter(|it| it["kind"] == "storage");
    about.map(|it| (it["key"].as_str().unwrap_or_default(), it["cleared_at"].is_number())).collect()
}

async fn full_disk(disk: &Path) {
    let mut world = World::new();
    let home = world.home("wren", json!({}), "");
    let hands = json!({"hands": [{"name": "work"}], "slots": 4});
    let (mut wren, first) = Raw::registered(&world, &home, hands).await;
    let mut operator = Raw::operator(&world).await;
    operator.request("chat.send", json!({"to": ["wren"], "content": "before"})).await;
    let offset = wren.next_of("deliver").await["payload"]["offset"].clone();

    wait_until("little room to be told of in time", || {
        let page = world.nexctl_json(&["get", "alerts"]);
        page["alerts"].as_array()?.iter().any(|it| it["key"] == "disk_low/data").then_some(())
    });
    let filler = disk.join("filler");
    let filled = std::fs::write(&filler, vec![0; 64 << 20]);
    assert_eq!(filled.map_err(|error| error.kind()), Err(std::io::ErrorKind::StorageFull));
    let (mut taken, (id, payload, refusal)) = send_until_refused(&mut operator, 40_000).await;
    assert_eq!((&refusal["code"], &refusal["retryable"]), (&json!("storage_unavailable"), &json!(true)));

    // Everything that reads still does; what writes is refused in the same way; no link is lost over it.
    assert_eq!(request(&world, "GET", "/healthz", None, "").0, 200);
    assert_eq!(request(&world, "GET", "/readyz", None, "").0, 503);
    let threads = operator.request("chat.threads", json!({"limit": 200})).await;
    assert_eq!(threads["payload"]["threads"].as_array().map(Vec::len), Some(taken.len() + 1));
    let team = operator.request("team.list", json!({})).await;
    assert_eq!(team["payload"]["aspects"][0]["state"], "online");
    let alerts = operator.request("alert.list", json!({})).await;
    assert_eq!(storage_alerts(&alerts), [("storage/writes", false)], "{alerts}");
    let large = "x".repeat(700_000);
    for (kind, payload) in [
        ("chat.send", json!({"content": large})),
        ("dispatch", json!({"hand": "wren/work", "input": large})),
        ("knowledge.store", json!({"topic": "t", "content": large})),
    ] {
        let reply = operator.request(kind, payload).await;
        assert_eq!(reply["payload"]["code"], "storage_unavailable", "{kind}: {reply}");
    }
    // What happened outside meanwhile is not forgotten: an acknowledgement, and an end of a link.
    wren.send("ack", None, json!({"offset": offset})).await;
    wren.request("chat.threads", json!({})).await;
    drop(wren);

    std::fs::remove_file(&filler).expect("the filler is ours");
    wait_until("the broker ready again", || {
        (request(&world, "GET", "/readyz", None, "").0 == 200).then_some(())
    });
    let retried = operator.request_as(id, "chat.send", payload).await;
    assert_eq!(retried["kind"], "ok", "{retried}");
    taken.push(retried["payload"]["message"].clone());
    let alerts = operator.request("alert.list", json!({"all": true})).await;
    assert_eq!(storage_alerts(&alerts), [("storage/writes", true)], "{alerts}");
    wait_until("the aspect offline", || {
        let team = request(&world, "GET", "/api/v1/aspects", Some(&world.token()), "").1;
        (team["aspects"][0]["state"] == "offline").then_some(())
    });

    // Full again, and killed in it: all that was acknowledged is there.
    let _ = std::fs::write(&filler, vec![0; 64 << 20]);
    let (more, _) = send_until_refused(&mut operator, 40_000).await;
    taken.extend(more);
    world.kill_broker();
    std::fs::remove_file(&filler).expect("the filler is ours");
    world.start_broker();
    let mut operator = Raw::operator(&world).await;
    for message in &taken {
        let page = operator.request("chat.read", json!({"message": message})).await;
        assert_eq!(&page["payload"]["messages"][0]["id"], message, "{page}");
    }
    let (mut wren, registered) = Raw::registered(&world, &home, json!({"last_generation": 1})).await;
    assert_eq!((&registered["epoch"], &registered["offset"]), (&first["epoch"], &offset));
    for message in &taken {
        let delivered = wren.next_of("deliver").await;
        assert_eq!(&delivered["payload"]["item"]["body"]["id"], message);
        wren.send("ack", None, json!({"offset": delivered["payload"]["offset"]})).await;
    }
}

/// No file of the broker's may have more bytes than this; writes beyond it fail.
fn limit_files(world: &World, bytes: &str) {
    let pid = world.broker().pid().to_string();
    let status = Command::new("prlimit").args(["--pid", &pid, &format!("--fsize={bytes}:")]).status();
    assert!(status.is_ok_and(|status| status.success()), "util-linux has prlimit");
}

#[tokio::test]
async fn a_disk_that_takes_no_more_writes_is_read_on_and_got_over() {
    let mut world = World::asleep();
    // A write beyond the limit is an error then, and no signal.
    world.start_broker_under(&["sh", "-c", r#"trap "" XFSZ; exec "$0" "$@""#]);
    let mut operator = Raw::operator(&world).await;
    let before = operator.request("chat.send", json!({"content": "before"})).await["payload"].clone();
    limit_files(&world, "0");
    let (id, payload) = (nexus_client::new_request_id(), json!({"content": "meanwhile"}));
    let refused = operator.request_as(id, "chat.send", payload.clone()).await["payload"].clone();
    assert_eq!((&refused["code"], &refused["retryable"]), (&json!("storage_unavailable"), &json!(true)));
    assert_eq!(request(&world, "GET", "/healthz", None, "").0, 200);
    assert_eq!(request(&world, "GET", "/readyz", None, "").0, 503);
    let page = operator.request("chat.read", json!({"thread": before["thread"]})).await;
    assert_eq!(page["payload"]["messages"][0]["content"], "before", "{page}");

    limit_files(&world, "unlimited");
    wait_until("the broker ready again", || {
        (request(&world, "GET", "/readyz", None, "").0 == 200).then_some(())
    });
    let sent = operator.request_as(id, "chat.send", payload).await["payload"].clone();
    world.kill_broker();
    world.start_broker();
    let mut operator = Raw::operator(&world).await;
    for message in [&before["message"], &sent["message"]] {
        let page = operator.request("chat.read", json!({"message": message})).await;
        assert_eq!(&page["payload"]["messages"][0]["id"], message, "{page}");
    }
    let data = world.data().to_string_lossy().into_owned();
    let verified = world.run("nexus", &["verify", "--data", &data]);
    assert!(verified.status.success(), "{}", text(&verified));
}

/// Makes every page of the database that holds nothing but `byte` unreadable, in place.
fn damage_pages_of(database: &Path, byte: u8) {
    use std::os::unix::fs::FileExt as _;
    let bytes = std::fs::read(database).expect("the database is there");
    // The header's page size (https://sqlite.org/fileformat2.html#page_size).
    let size = usize::from(u16::from_be_bytes([bytes[16], bytes[17]]));
    let file = std::fs::File::options().write(true).open(database).expect("the database is ours");
    let mut damaged = 0;
    for (number, page) in bytes.chunks(size).enumerate() {
        // A page of text that goes on elsewhere begins with the number of that.
        if page[4..].iter().all(|it| *it == byte) {
            let at = u64::try_from(number * size).expect("a small file");
            file.write_all_at(&vec![0xff; size], at).expect("the database is ours");
            damaged += 1;
        }
    }
    assert!(damaged > 0, "the text is on pages of its own");
}

#[tokio::test]
async fn a_page_that_goes_bad_fails_what_needs_it_and_is_an_alert() {
    let mut world = World::new();
    let mut operator = Raw::operator(&world).await;
    let good = operator.request("chat.send", json!({"content": "good"})).await["payload"].clone();
    let bad = operator.request("chat.send", json!({"content": "Q".repeat(40_000)})).await["payload"].clone();
    // Everything is in the one file afterwards, and in no cache.
    stop(&mut world);
    world.start_broker();
    damage_pages_of(&world.data().join("nexus.db"), b'Q');

    let mut operator = Raw::operator(&world).await;
    for _ in 0..2 {
        let refused =
            operator.request("chat.get", json!({"message": bad["message"]})).await["payload"].clone();
        assert_eq!(refused["code"], "storage_unavailable", "{refused}");
        let message = refused["message"].as_str().unwrap_or_default();
        assert!(message.contains("damaged") && message.contains("backup"), "{message}");
    }
    let page = operator.request("chat.get", json!({"message": good["message"]})).await;
    assert_eq!(page["payload"]["content"], "good", "{page}");
    let sent = operator.request("chat.send", json!({"content": "after"})).await;
    assert_eq!(sent["kind"], "ok", "{sent}");
    let listed = operator.request("alert.list", json!({})).await["payload"].clone();
    let alert = &listed["alerts"][0];
    assert_eq!((&alert["key"], &alert["times"]), (&json!("storage/damage"), &json!(1)), "{listed}");
    assert_eq!(request(&world, "GET", "/readyz", None, "").0, 200);
}
