//! Backups are made under load and put back; what they held is there, and no session takes anything twice.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Command, Output};

use nexus_tests::raw::Raw;
use nexus_tests::session::SessionFile;
use nexus_tests::world::text;
use nexus_tests::{World, wait_until};
use nexus_wire::BlobId;
use serde_json::{Value, json};
use tokio::sync::oneshot::{self, Receiver, Sender};

use crate::blobs;
use crate::upgrade::{self, STRIDE, nexus_killed_at};

const SCRIPT: &str = r#"
[[rule]]
match = "(?P<what>marker\\S+)"
[[rule.step]]
say = "seen {{ what }}"
"#;

fn nexus(world: &World, args: &[&str]) -> Output {
    let data = world.data().to_string_lossy().into_owned();
    world.run("nexus", &[args, &["--data", &data]].concat())
}

/// One that has to succeed; what it printed.
fn done(world: &World, args: &[&str]) -> String {
    let out = nexus(world, args);
    assert!(out.status.success(), "nexus {args:?}: {}", text(&out));
    String::from_utf8_lossy(&out.stdout).into_owned()
}

/// Its exit code and what it said.
fn failed(world: &World, args: &[&str]) -> (i32, String) {
    let out = nexus(world, args);
    (out.status.code().expect("it was not killed"), text(&out))
}

fn ask(world: &World, marker: &str) {
    let out = world.nexctl(&["ask", "wren", marker]);
    assert!(out.status.success(), "{}", text(&out));
    assert!(text(&out).contains(&format!("seen {marker}")), "{}", text(&out));
}

/// Messages one after the other, from saying that it began until told to stop; those that were acknowledged.
async fn chatter(world: &World, begun: Sender<()>, mut stop: Receiver<()>) -> Vec<Value> {
    let mut raw = Raw::operator(world).await;
    let (mut taken, mut begun) = (Vec::new(), Some(begun));
    while stop.try_recv().is_err() {
        let content = format!("{} {}", taken.len(), "load ".repeat(200));
        let reply = raw.request("chat.send", json!({"to": ["forge"], "content": content})).await;
        assert_eq!(reply["kind"], "ok", "{reply}");
        taken.push(reply["payload"]["message"].clone());
        begun.take().map(|begun| begun.send(()));
    }
    taken
}

fn takes(home: &Path) -> BTreeMap<String, usize> {
    SessionFile::all(home).iter().flat_map(SessionFile::takes_by_item).fold(
        BTreeMap::new(),
        |mut all, (item, times)| {
            *all.entry(item).or_default() += times;
            all
        },
    )
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backup_made_under_load_is_put_back_and_agents_go_on_from_it() {
    let mut world = World::new();
    let home = world.home("wren", json!({}), SCRIPT);
    world.home("forge", json!({}), "");
    let agent = world.agent(&home);
    (1..=5).for_each(|n| ask(&world, &format!("marker-{n}")));
    let mut operator = Raw::operator(&world).await;
    let sent = operator.request("chat.send", json!({"to": ["forge"], "content": "the last before"})).await;
    let before = sent["payload"]["message"].clone();

    let file = world.dir().join("nexus.tar");
    let file = file.to_string_lossy().into_owned();
    let ((begun, begins), (stop, stopped)) = (oneshot::channel(), oneshot::channel());
    let (loaded, said) = tokio::join!(chatter(&world, begun, stopped), async {
        begins.await.expect("it begins");
        let said = tokio::task::block_in_place(|| done(&world, &["backup", &file]));
        stop.send(()).expect("it listens");
        said
    });
    assert!(said.contains("nexus.tar") && said.contains("--with-keys"), "{said}");
    let first = loaded[0].clone();
    let said = done(&world, &["verify", &file]);
    assert!(said.contains("is whole"), "{said}");

    // Work that the backup does not know.
    (6..=9).for_each(|n| ask(&world, &format!("marker-{n}")));
    let later = operator.request("chat.send", json!({"to": ["forge"], "content": "after"})).await;
    let (code, said) = failed(&world, &["restore", &file]);
    assert_eq!(code, 1, "{said}");
    assert!(said.contains(&world.broker().pid().to_string()), "it names who holds the data: {said}");

    world.kill_broker();
    let head = done(&world, &["verify", "--export-head"]);
    let said = done(&world, &["restore", &file]);
    for part in ["nexus.db.replaced-", "new epoch"] {
        assert!(said.contains(part), "{part}: {said}");
    }
    let (code, said) = failed(&world, &["verify", "--against", head.trim()]);
    assert_eq!(code, 4, "{said}");
    assert!(said.contains("set back") || said.contains("another history"), "{said}");

    let registered = agent.text().matches("registered").count();
    world.start_broker();
    wait_until("the agent back", || (agent.text().matches("registered").count() > registered).then_some(()));
    ask(&world, "marker-10");
    // What was acknowledged before the backup began is there; what came after it is gone.
    let mut operator = Raw::operator(&world).await;
    for acknowledged in [before, first] {
        let page = operator.request("chat.read", json!({"message": acknowledged})).await;
        assert_eq!(page["payload"]["messages"][0]["id"], acknowledged, "{page}");
    }
    let page = operator.request("chat.read", json!({"message": later["payload"]["message"]})).await;
    assert_eq!(page["payload"]["code"], "not_found", "{page}");
    let taken = takes(&home);
    assert_eq!(taken.len(), 10, "each marker was taken: {taken:?}");
    assert!(taken.values().all(|times| *times == 1), "{taken:?}");
    done(&world, &["verify"]);
}

#[test]
fn a_backup_with_its_keys_makes_the_same_nexus_elsewhere() {
    let mut world = World::new();
    let home = world.home("wren", json!({}), SCRIPT);
    let file = world.dir().join("all.tar").to_string_lossy().into_owned();
    let bare = world.dir().join("bare.tar").to_string_lossy().into_owned();
    // What credentials are sealed with is lost with the machine, unless the backup has it.
    let seal = world.data().join("credentials.key");
    std::fs::write(&seal, "a5".repeat(32)).expect("the folder is ours");
    done(&world, &["backup", &file, "--with-keys"]);
    done(&world, &["backup", &bare]);
    let mode = |path: &str| {
        use std::os::unix::fs::PermissionsExt as _;
        std::fs::metadata(path).expect("it was made").permissions().mode() & 0o777
    };
    assert_eq!((mode(&file), mode(&bare)), (0o600, 0o600));
    let (code, said) = failed(&world, &["backup", &file]);
    assert!(code == 1 && said.contains("not overwritten"), "{said}");
    let left: Vec<_> = std::fs::read_dir(world.dir()).expect("ours").flatten().collect();
    assert!(left.iter().all(|entry| !entry.file_name().to_string_lossy().contains("partial")), "{left:?}");

    // Another directory has another identity, and an empty one needs the keys.
    let stranger = World::asleep();
    done(&stranger, &["token", "new"]);
    let (code, said) = failed(&stranger, &["restore", &file]);
    assert!(code == 1 && said.contains("empty data directory"), "{said}");
    world.kill_broker();
    std::fs::remove_dir_all(world.data()).expect("the machine is lost");
    let (code, said) = failed(&world, &["restore", &bare]);
    assert!(code == 1 && said.contains("--with-keys"), "{said}");
    let said = done(&world, &["restore", &file]);
    assert!(!said.contains("nexus token new"), "the token came with the keys, and is good: {said}");
    assert_eq!(std::fs::read_to_string(&seal).expect("it is back"), "a5".repeat(32));
    world.start_broker();
    let _agent = world.agent(&home);
    ask(&world, "marker-1");
}

#[test]
fn a_backup_that_is_damaged_is_refused_and_the_database_stays() {
    let mut world = World::new();
    for n in 0..20 {
        assert!(world.nexctl(&["say", &format!("{n} {}", "x".repeat(3000))]).status.success());
    }
    let file = world.dir().join("nexus.tar");
    let name = file.to_string_lossy().into_owned();
    done(&world, &["backup", &name]);
    world.kill_broker();
    let good = std::fs::read(&file).expect("it was made");
    let head = done(&world, &["verify", "--export-head"]);
    let flipped = |at: usize| {
        let mut bytes = good.clone();
        bytes[at] ^= 0x40;
        bytes
    };
    let cases = [
        ("a flipped bit in a page", flipped(good.len() / 2)),
        ("cut off", good[..good.len() / 2].to_vec()),
        ("empty", Vec::new()),
        ("a letter", b"dear aunt, ".repeat(500)),
        ("a path that leads out", {
            let at = good.windows(8).position(|it| it == b"nexus.db").expect("the database has a name");
            let mut bytes = good.clone();
            bytes[at..at + 8].copy_from_slice(b"../../xx");
            bytes
        }),
    ];
    for (case, bytes) in cases {
        std::fs::write(&file, bytes).expect("the file is ours");
        let (code, said) = failed(&world, &["restore", &name]);
        assert!(code == 1 && said.contains(&name), "{case}: {said}");
        let (code, said) = failed(&world, &["verify", &name]);
        let advice = "it cannot be restored, use another backup\n";
        assert!(code == 3 && said.contains(&name) && said.ends_with(advice), "{case}: {said}");
        assert_eq!(done(&world, &["verify", "--export-head"]), head, "{case}");
        assert!(!world.data().join("restore.partial").exists(), "{case}");
    }
}

#[test]
fn a_restore_killed_at_any_call_leaves_the_old_database_or_the_restored_one() {
    let mut world = World::new();
    assert!(world.nexctl(&["say", "in the backup"]).status.success());
    let backed_up = done(&world, &["verify", "--export-head"]);
    let file = world.dir().join("nexus.tar").to_string_lossy().into_owned();
    done(&world, &["backup", &file]);
    assert!(world.nexctl(&["say", "after the backup"]).status.success());
    world.kill_broker();
    let before = done(&world, &["verify", "--export-head"]);
    let mut killed = 0;
    for at in (1..).step_by(STRIDE) {
        let data = world.dir().join(format!("killed-at-{at}"));
        let copied = Command::new("cp").arg("-r").args([&world.data(), &data]).status().expect("cp runs");
        assert!(copied.success());
        if nexus_killed_at(&world, &data, at, &["restore", &file]).status.success() {
            break;
        }
        killed += 1;
        let follows = |head: &str| {
            let found = upgrade::nexus(&world, &data, &["verify", "--against", head.trim()]);
            assert!(matches!(found.status.code(), Some(0 | 4)), "killed at {at}: {}", text(&found));
            found.status.success()
        };
        assert!(follows(&backed_up), "killed at {at}: it has what both have");
        let again = upgrade::nexus(&world, &data, &["restore", &file]);
        assert!(again.status.success(), "killed at {at}: {}", text(&again));
        assert_eq!((follows(&backed_up), follows(&before)), (true, false), "killed at {at}: it is restored");
        assert!(!data.join("restore.partial").exists(), "killed at {at}");
        std::fs::remove_dir_all(&data).expect("the folder is ours");
    }
    assert!(killed > 5, "{killed}: a restore makes more calls than that");
}

#[test]
fn a_log_is_held_against_a_head_that_was_written_down() {
    let world = World::new();
    assert!(world.nexctl(&["say", "one"]).status.success());
    let head = done(&world, &["verify", "--export-head"]);
    let file = world.dir().join("head");
    std::fs::write(&file, &head).expect("the folder is ours");
    let file = file.to_string_lossy().into_owned();
    assert!(world.nexctl(&["say", "two"]).status.success());
    for given in [head.trim(), &file] {
        let said = done(&world, &["verify", "--against", given]);
        assert!(said.contains("same up to entry"), "{said}");
    }
    let (seq, _) = head.split_once(':').expect("a head has two parts");
    let cases = [
        (format!("{seq}:{}", "0".repeat(64)), 4, "another hash"),
        (format!("99999:{}", "0".repeat(64)), 4, "set back"),
        ("nonsense".to_owned(), 1, "no head"),
    ];
    for (given, expected, part) in cases {
        let (code, said) = failed(&world, &["verify", "--against", &given]);
        assert_eq!(code, expected, "{given}: {said}");
        assert!(said.contains(part), "{given}: {said}");
    }
    let nowhere = World::asleep();
    assert_eq!(failed(&nowhere, &["verify"]).0, 1);
    assert!(!nowhere.data().exists(), "looking makes nothing");
}

#[test]
fn a_backup_asked_for_over_http_is_whole_and_goes_nowhere_else() {
    let world = World::new();
    world.nexctl_json(&["knowledge", "store", "bread", "Flour, water, salt."]);
    let made = world.nexctl_json(&["backup", "friday.tar"]);
    let file = world.data().join("backups/friday.tar");
    assert_eq!(
        (&made["path"], &made["with_keys"]),
        (&json!(file.display().to_string()), &json!(false)),
        "{made}"
    );
    let said = done(&world, &["verify", &file.to_string_lossy()]);
    assert!(said.contains("whole") || !said.is_empty(), "{said}");
    let trail = world.nexctl_json(&["audit", "--kind", "backup"]);
    let entry = &trail["entries"][0];
    assert_eq!((&entry["kind"], &entry["subject"]), (&json!("backup.made"), &json!("friday.tar")), "{trail}");

    let again = world.nexctl(&["backup", "friday.tar"]);
    assert!(again.status.code() == Some(1) && text(&again).contains("not overwritten"), "{}", text(&again));
    let named = world.nexctl_json(&["backup", "--with-keys"]);
    let name = named["name"].as_str().expect("it has a name").to_owned();
    assert!(name.starts_with("nexus-") && world.data().join("backups").join(&name).is_file(), "{named}");
    let leads_away = world.nexctl(&["backup", "../away.tar"]);
    assert_eq!(leads_away.status.code(), Some(2), "{}", text(&leads_away));
    let names: Vec<_> =
        std::fs::read_dir(world.data().join("backups")).expect("it was made").flatten().collect();
    assert_eq!(names.len(), 2, "nothing unfinished is left: {names:?}");
}

#[test]
fn a_database_that_waits_for_its_upgrade_is_backed_up_and_checked_with_its_blobs() {
    let mut world = World::new();
    let file = world.dir().join("table.csv");
    std::fs::write(&file, "a,b").expect("the folder is ours");
    let put = world.nexctl_json(&["blob", "put", &file.to_string_lossy()]);
    let id: BlobId = put["id"].as_str().expect("a blob has an id").parse().expect("one");
    world.broker().signal("TERM");
    world.broker_mut().wait();
    // An older version is in the header; what the newest ones added is nothing that a backup looks at.
    let path = world.data().join("nexus.db");
    let mut bytes = std::fs::read(&path).expect("there is a database");
    bytes[60..64].copy_from_slice(&24_u32.to_be_bytes());
    std::fs::write(&path, bytes).expect("the folder is ours");

    let archive = world.dir().join("older.tar").to_string_lossy().into_owned();
    done(&world, &["backup", &archive]);
    let listed = Command::new("tar").args(["-tf", &archive]).output().expect("tar runs");
    assert!(text(&listed).lines().any(|member| member == format!("blobs/{}", id.hex())), "{}", text(&listed));
    done(&world, &["verify", &archive]);
    done(&world, &["verify"]);
    let hex = id.hex();
    std::fs::remove_file(world.data().join("blobs").join(&hex[..2]).join(&hex)).expect("it is there");
    let (code, said) = failed(&world, &["verify"]);
    assert!(code == 3 && said.contains(&format!("blob {id}")), "{code}: {said}");
}

#[test]
fn blobs_are_read_back_where_a_backup_of_them_is_restored() {
    let world = World::new();
    let token = world.token();
    let contents = [blobs::bytes(1, 3_000_000), blobs::bytes(2, 1), Vec::new()];
    let ids = contents.each_ref().map(|content| {
        let labels = [("content-type", "text/x-chart; charset=utf-8")];
        let put = blobs::http(&world, "PUT", "/api/v1/blobs?name=chart.txt", &token, &labels, content);
        put.json()["id"].as_str().unwrap_or_else(|| panic!("{}", put.json())).replace("blob:", "")
    });
    let kept = blobs::list(&world);
    let file = world.dir().join("all.tar").to_string_lossy().into_owned();
    done(&world, &["backup", &file, "--with-keys"]);
    let later = blobs::put(&world, &blobs::bytes(3, 1_000));

    let mut elsewhere = World::asleep();
    done(&elsewhere, &["restore", &file]);
    elsewhere.start_broker();
    assert_eq!(blobs::list(&elsewhere), kept);
    for (id, content) in ids.iter().zip(&contents) {
        let get = blobs::http(&elsewhere, "GET", &format!("/api/v1/blobs/{id}"), &token, &[], b"");
        assert!(get.status == 200 && get.body == *content, "{}", get.head);
        assert_eq!(get.header("content-type"), Some("text/x-chart; charset=utf-8"), "{}", get.head);
    }
    let get = blobs::http(&elsewhere, "GET", &format!("/api/v1/blobs/{later}"), &token, &[], b"");
    assert_eq!(get.status, 404, "it was put after the backup: {}", get.head);
    done(&elsewhere, &["verify"]);
}

#[test]
fn a_backup_that_lacks_a_blob_names_it() {
    let world = World::new();
    let id = blobs::put(&world, &blobs::bytes(1, 1_000));
    std::fs::remove_file(&blobs::files(&world)[0]).expect("it is there");
    let file = world.dir().join("nexus.tar").to_string_lossy().into_owned();
    let (code, said) = failed(&world, &["backup", &file]);
    assert!(code == 1 && said.contains(id.trim_start_matches("sha256-")), "{said}");
}

#[test]
fn a_blob_that_has_rotted_is_named_before_it_is_needed() {
    let world = World::new();
    let content = blobs::bytes(1, 100_000);
    let id = blobs::put(&world, &content);
    let path = blobs::files(&world)[0].clone();
    let mut rotten = content.clone();
    rotten[50_000] ^= 1;
    std::fs::write(&path, &rotten).expect("the folder is ours");
    let file = world.dir().join("nexus.tar").to_string_lossy().into_owned();
    let (code, said) = failed(&world, &["backup", &file]);
    let what = format!("{} is damaged: its bytes are not those of blob {id}; ", path.display());
    assert!(code == 1 && said.contains(&what), "{said}");
    assert!(!Path::new(&file).exists());
    // The same bytes again are the blob.
    assert_eq!(blobs::put(&world, &content), id);
    done(&world, &["backup", &file]);
    done(&world, &["verify", &file]);
}
