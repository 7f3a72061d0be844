//! Blobs through real sockets and files: what came is given back, and whatever ends the broker, no row is without
//! its file.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::{Path, PathBuf};

use nexus_tests::raw::Raw;
use nexus_tests::world::text;
use nexus_tests::{World, connect, wait_until};
use serde_json::{Value, json};

use crate::damaged::stop;

type Headers<'a> = &'a [(&'a str, &'a str)];

pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| {
            let (key, value) = line.split_once(':')?;
            key.eq_ignore_ascii_case(name).then(|| value.trim())
        })
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&self.body)))
    }
}

fn socket(world: &World) -> TcpStream {
    connect(world.url().trim_start_matches("http://"))
}

fn head(method: &str, path: &str, token: &str, more: &[(&str, &str)]) -> String {
    let mut head = format!(
        "{method} {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\nauthorization: Bearer {token}\r\n"
    );
    for (name, value) in more {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    head + "\r\n"
}

pub(crate) fn http(
    world: &World,
    method: &str,
    path: &str,
    token: &str,
    more: &[(&str, &str)],
    body: &[u8],
) -> Answer {
    let length = body.len().to_string();
    let more = [more, &[("content-length", length.as_str())]].concat();
    let mut socket = socket(world);
    let _ = socket.write_all(head(method, path, token, &more).as_bytes());
    // A refusal may come before all of it was sent.
    let _ = socket.write_all(body);
    answer(socket)
}

fn answer(mut socket: TcpStream) -> Answer {
    let mut all = Vec::new();
    let read = socket.read_to_end(&mut all);
    assert!(read.is_ok() || !all.is_empty(), "{read:?}");
    let end = all.windows(4).position(|it| it == b"\r\n\r\n").expect("an answer has a head");
    let head = String::from_utf8_lossy(&all[..end]).into_owned();
    let status = head.split(' ').nth(1).and_then(|it| it.parse().ok()).expect("an answer has a status");
    let mut body = all.split_off(end + 4);
    if head.to_ascii_lowercase().contains("transfer-encoding: chunked") {
        body = unchunked(&body);
    }
    Answer { status, head, body }
}

fn unchunked(mut rest: &[u8]) -> Vec<u8> {
    let mut whole = Vec::new();
    while let Some(end) = rest.windows(2).position(|it| it == b"\r\n") {
        let size = usize::from_str_radix(String::from_utf8_lossy(&rest[..end]).trim(), 16).unwrap_or(0);
        if size == 0 {
            break;
        }
        whole.extend_from_slice(&rest[end + 2..end + 2 + size]);
        rest = &rest[end + 2 + size + 2..];
    }
    whole
}

pub(crate) fn bytes(seed: usize, length: usize) -> Vec<u8> {
    (0..length).map(|at| ((at * 31 + seed * 7) ^ (at >> 8)) as u8).collect()
}

/// Every file below `blobs`, the lock left out.
pub(crate) fn files(world: &World) -> Vec<PathBuf> {
    fn below(folder: &Path, found: &mut Vec<PathBuf>) {
        for entry in std::fs::read_dir(folder).expect("the folder is ours").flatten() {
            let path = entry.path();
            if path.is_dir() {
                below(&path, found);
            } else if path.file_name().is_some_and(|name| name != "lock") {
                found.push(path);
            }
        }
    }
    let mut found = Vec::new();
    below(&world.data().join("blobs"), &mut found);
    found
}

/// Puts a blob; its id.
pub(crate) fn put(world: &World, content: &[u8]) -> String {
    let put = http(world, "PUT", "/api/v1/blobs", &world.token(), &[], content);
    assert_eq!(put.status, 200, "{}", put.json());
    put.json()["id"].as_str().expect("a blob has an id").replace("blob:", "")
}

/// What is known of every blob, the latest first.
pub(crate) fn list(world: &World) -> Vec<Value> {
    let page = http(world, "GET", "/api/v1/blobs", &world.token(), &[], b"").json();
    page["blobs"].as_array().unwrap_or_else(|| panic!("{page}")).clone()
}

pub(crate) fn content(world: &World, id: &str) -> Vec<u8> {
    let get = http(world, "GET", &format!("/api/v1/blobs/{id}"), &world.token(), &[], b"");
    assert_eq!(get.status, 200, "{}", get.head);
    get.body
}

fn verify(world: &World) -> (i32, String) {
    let out = world.run("nexus", &["verify", "--data", &world.data().to_string_lossy()]);
    (out.status.code().expect("it was not killed"), text(&out))
}

#[test]
fn a_blob_is_given_back_as_it_came_whole_or_in_part() {
    let world = World::new();
    let token = world.token();
    let content = bytes(1, 3_000_000);
    let labels = [("content-type", "text/plain; charset=utf-8")];
    let put = http(&world, "PUT", "/api/v1/blobs?name=n%C3%B6te%22.txt", &token, &labels, &content);
    assert_eq!(put.status, 200, "{}", put.json());
    let info = put.json();
    assert_eq!((&info["bytes"], &info["references"]), (&json!(3_000_000), &json!(0)));
    let id =
        info["id"].as_str().and_then(|id| id.strip_prefix("blob:")).expect("a blob has an id").to_owned();
    let path = format!("/api/v1/blobs/{id}");

    let get = http(&world, "GET", &path, &token, &[], b"");
    assert!(get.status == 200 && get.body == content, "{}", get.head);
    let expected = [
        ("content-type", "text/plain; charset=utf-8"),
        ("content-length", "3000000"),
        ("content-disposition", "attachment; filename*=UTF-8''n%C3%B6te%22%2Etxt"),
        ("x-content-type-options", "nosniff"),
        ("cache-control", "private, max-age=31536000, immutable"),
        ("etag", &format!("\"{id}\"")),
        ("accept-ranges", "bytes"),
    ];
    for (name, value) in expected {
        assert_eq!(get.header(name), Some(value), "{}", get.head);
    }
    let looked = http(&world, "HEAD", &path, &token, &[], b"");
    assert_eq!(
        (looked.status, looked.header("content-length"), looked.body.len()),
        (200, Some("3000000"), 0)
    );

    let etag = format!("\"{id}\"");
    let cases: &[(Headers<'_>, u16, &[u8])] = &[
        (&[("range", "bytes=0-9")], 206, &content[..10]),
        (&[("range", "bytes=2999990-")], 206, &content[2_999_990..]),
        (&[("range", "bytes=-7")], 206, &content[2_999_993..]),
        (&[("range", "bytes=70000-140000"), ("if-range", &etag)], 206, &content[70_000..=140_000]),
        (&[("range", "bytes=0-9"), ("if-range", "\"another\"")], 200, &content),
        (&[("if-none-match", &etag)], 304, b""),
    ];
    for (headers, status, part) in cases {
        let got = http(&world, "GET", &path, &token, headers, b"");
        assert!(got.status == *status && got.body == *part, "{headers:?}: {}", got.head);
    }
    let beyond = http(&world, "GET", &path, &token, &[("range", "bytes=3000000-")], b"");
    assert_eq!(beyond.status, 416, "{}", beyond.head);

    // The same again is the same; one file, and nothing unfinished.
    let again = http(&world, "PUT", "/api/v1/blobs", &token, &[], &content);
    assert_eq!(again.json()["id"], info["id"]);
    assert_eq!(files(&world).len(), 1);
    let list = http(&world, "GET", "/api/v1/blobs", &token, &[], b"").json();
    assert_eq!(list["blobs"].as_array().map(Vec::len), Some(1));
    assert_eq!(verify(&world).0, 0);
    std::fs::write(&files(&world)[0], b"rotten").expect("the file is ours");
    let (code, said) = verify(&world);
    assert!(code == 3 && said.contains(&id), "{said}");
}

#[tokio::test]
async fn what_is_wrong_with_an_upload_is_said_and_nothing_of_it_is_kept() {
    let mut world = World::asleep().config("[blobs]\nquota_mb = 1\n");
    world.start_broker();
    let token = world.token();
    let none = format!("/api/v1/blobs?expect=sha256-{}", "0".repeat(64));
    let cases: &[(&str, &str, usize, u16, &str)] = &[
        ("no credential", "/api/v1/blobs", 10, 401, "unauthorized"),
        ("other bytes than expected", &none, 10, 400, "invalid"),
        ("no digest", "/api/v1/blobs?expect=sha256-xyz", 10, 400, "invalid"),
        ("a name with a line break", "/api/v1/blobs?name=a%0Ab", 10, 400, "invalid"),
        ("more than the quota", "/api/v1/blobs", 1_100_000, 507, "quota_exceeded"),
    ];
    for (case, path, length, status, code) in cases {
        let token = if *status == 401 { "nobody" } else { &token };
        let put = http(&world, "PUT", path, token, &[], &bytes(2, *length));
        assert_eq!((put.status, &put.json()["code"]), (*status, &json!(code)), "{case}: {}", put.head);
    }
    // Refused by its length alone, before a byte of it is there.
    let mut large = socket(&world);
    let length = (nexus_wire::limits::BLOB_BYTES_MAX + 1).to_string();
    let request = head("PUT", "/api/v1/blobs", &token, &[("content-length", &length)]);
    large.write_all(request.as_bytes()).expect("it takes a request");
    assert_eq!(answer(large).status, 413);
    // Cut off in the middle.
    let mut cut = socket(&world);
    let request = head("PUT", "/api/v1/blobs", &token, &[("content-length", "500000")]);
    cut.write_all(request.as_bytes())
        .and_then(|()| cut.write_all(&bytes(3, 300_000)))
        .expect("it takes some");
    wait_until("the upload begun", || (!files(&world).is_empty()).then_some(()));
    drop(cut);
    wait_until("nothing left of any", || files(&world).is_empty().then_some(()));
    assert_eq!(list(&world), [] as [Value; 0]);

    // Only whoever has to do with a blob may have it.
    let homes = (world.home("wren", json!({}), ""), world.home("forge", json!({}), ""));
    let token_of = async |home: &Path| {
        let keyfile =
            nexus_client::KeyFile::load(&nexus_client::KeyFile::path_in(home)).expect("it was let in");
        let broker = nexus_client::Broker::of_keyfile(keyfile).expect("a keyfile has an endpoint");
        broker.bearer().await.expect("the key is good").expose().to_owned()
    };
    let (wren, forge) = (token_of(&homes.0).await, token_of(&homes.1).await);
    let put = http(&world, "PUT", "/api/v1/blobs", &wren, &[], &bytes(4, 1_000));
    let id = put.json()["id"].as_str().expect("a blob has an id").replace("blob:", "");
    let status = |token: &str| http(&world, "GET", &format!("/api/v1/blobs/{id}"), token, &[], b"").status;
    assert_eq!((status(&wren), status(&forge), status(&token)), (200, 404, 200));
    assert_eq!(http(&world, "GET", "/api/v1/blobs", &wren, &[], b"").status, 403);
    let (mut sender, _) = Raw::registered(&world, &homes.0, json!({})).await;
    let file = json!({"blob": format!("blob:{id}"), "name": "table.csv"});
    let message = json!({"to": ["forge"], "content": "look", "attachments": [file]});
    let sent = sender.request("chat.send", message).await;
    assert_eq!(sent["kind"], "ok", "{sent}");
    assert_eq!(status(&forge), 200, "it was shown to it");
}

#[test]
fn a_blob_nothing_refers_to_goes_after_its_grace() {
    let mut world = World::asleep().config("[blobs]\ngrace_s = 1\n");
    world.start_broker();
    let token = world.token();
    assert_eq!(http(&world, "PUT", "/api/v1/blobs", &token, &[], &bytes(5, 1_000)).status, 200);
    wait_until("the blob gone", || (list(&world).is_empty() && files(&world).is_empty()).then_some(()));
    // A file that is no blob's, as a kill between its name and its row leaves it.
    let stray = world.data().join("blobs").join("ab");
    std::fs::create_dir_all(&stray).expect("the folder is ours");
    std::fs::write(stray.join("ab".repeat(32)), b"stray").expect("the folder is ours");
    wait_until("the stray gone", || files(&world).is_empty().then_some(()));
    assert_eq!(verify(&world).0, 0);
}

/// A message with an attachment, and another one in its thread.
fn attach(world: &World, id: &str) {
    let send = |message: Value| {
        let kind = [("content-type", "application/json")];
        let body = message.to_string();
        let sent = http(world, "POST", "/api/v1/messages", &world.token(), &kind, body.as_bytes());
        assert_eq!(sent.status, 200, "{}", sent.json());
        sent.json()["thread"].clone()
    };
    let attachment = json!({"blob": format!("blob:{id}"), "name": "chart.txt"});
    let thread = send(json!({"content": "look", "attachments": [attachment]}));
    send(json!({"thread": thread, "content": "and answer"}));
}

/// The blobs that the log says are gone, the last one first.
fn forgotten(world: &World) -> Vec<Value> {
    let trail = world.nexctl_json(&["audit", "--kind", "blob.forgotten"]);
    let entries = trail["entries"].as_array().unwrap_or_else(|| panic!("{trail}"));
    entries.iter().map(|entry| json!([entry["actor"], entry["subject"]])).collect()
}

#[test]
fn a_blob_outlives_its_grace_while_something_refers_to_it_and_no_longer() {
    let mut world = World::new();
    let contents = [6, 7, 8].map(|seed| bytes(seed, 1_000));
    // The one that goes was put last: whatever comes of its grace, that of the others is over by then.
    let [attached, named, idle] = contents.each_ref().map(|content| put(&world, content));
    attach(&world, &attached);
    world.nexctl_json(&["knowledge", "store", "tides", &format!("See blob:{named}.")]);
    let before = list(&world);
    let references: Vec<_> = before.iter().map(|blob| &blob["references"]).collect();
    assert_eq!(references, [0, 1, 1], "{before:?}");

    let again_with = |world: &mut World, settings: &str| {
        stop(world);
        std::fs::write(world.data().join("nexus.toml"), settings).expect("the folder is ours");
        world.start_broker();
    };
    let gone = |world: &World, id: &str, left: usize| {
        wait_until("the blob gone", || {
            let is_there = list(world).iter().any(|blob| blob["id"] == format!("blob:{id}"));
            (!is_there && files(world).len() == left).then_some(())
        });
    };
    again_with(&mut world, "[blobs]\ngrace_s = 1\n");
    gone(&world, &idle, 2);
    assert_eq!(list(&world), before[1..]);
    assert_eq!([&attached, &named].map(|id| content(&world, id)), contents[..2]);
    let looked = http(&world, "GET", &format!("/api/v1/blobs/{idle}"), &world.token(), &[], b"");
    assert_eq!((looked.status, &looked.json()["code"]), (404, &json!("not_found")));
    assert_eq!(forgotten(&world), [json!(["system", idle])]);

    // A second is all that is kept of messages; the last of a thread stays.
    again_with(&mut world, "[blobs]\ngrace_s = 1\n[retention]\nmessages_days = 0.0000116\n");
    gone(&world, &attached, 1);
    assert_eq!((list(&world), content(&world, &named)), (before[1..2].to_vec(), contents[1].clone()));
    assert_eq!(forgotten(&world), [json!(["system", attached]), json!(["system", idle])]);
    assert_eq!(verify(&world).0, 0);
}

/// kill -9 in a loop while blobs come and go.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kill_9_while_blobs_come_and_go_leaves_no_row_without_its_file() {
    const ROUNDS: usize = 6;
    let mut world = World::asleep().config("[blobs]\ngrace_s = 1\n");
    world.start_broker();
    let token = world.token();
    for round in 0..ROUNDS {
        let (world_of, token) = (&world, token.as_str());
        let put =
            |n: usize| http(world_of, "PUT", "/api/v1/blobs", token, &[], &bytes(round * 10 + n, 200_000));
        // One is waited for, so that the kill falls among the others.
        assert_eq!(put(0).status, 200);
        std::thread::scope(|scope| {
            for n in 1..4 {
                let request = head("PUT", "/api/v1/blobs", token, &[("content-length", "200000")]);
                let mut socket = socket(world_of);
                scope.spawn(move || {
                    let sent = socket.write_all(request.as_bytes());
                    let _ = sent.and_then(|()| socket.write_all(&bytes(round * 10 + n, 200_000)));
                    let mut end = Vec::new();
                    let _ = socket.read_to_end(&mut end);
                });
            }
            world_of.broker().signal("KILL");
        });
        world.restart_broker();
        let left = std::fs::read_dir(world.data().join("blobs/uploads")).expect("the folder is ours").count();
        assert_eq!(left, 0, "unfinished uploads go at the start");
        let (code, said) = verify(&world);
        assert_eq!(code, 0, "round {round}: {said}");
    }
    let mut operator = Raw::operator(&world).await;
    assert_eq!(operator.request("chat.send", json!({"content": "still here"})).await["kind"], "ok");
}

/// Attaches the report to what it says, and tells what is in a file that is attached to a message.
const SCRIPT: &str = r#"
[[rule]]
match = "share (?P<path>\\S+)"
[[rule.step]]
call = "attach_file"
name = "file"
args = { path = "{{ path }}" }
[[rule.step]]
when = "not file.ok"
say = "refused: {{ file.text }}"
stop = true
[[rule.step]]
call = "send_message"
args = { to = ["operator/ana"], content = "here", thread = "new", attachments = ["{{ file.json }}"] }
[[rule.step]]
say = "shared {{ file.json.blob }}"

[[rule]]
match = "(?s)read .*(?P<blob>blob:sha256-[0-9a-f]+)"
[[rule.step]]
call = "read_attachment"
name = "file"
args = { blob = "{{ blob }}" }
[[rule.step]]
say = "{% if file.ok %}{{ file.json.text }}{% else %}{{ file.text }}{% endif %}"
"#;

#[test]
fn an_agent_attaches_a_file_and_reads_one_and_people_put_and_get_them() {
    let world = World::new();
    let tools = json!(["attach_file", "read_attachment", "send_message"]);
    let home = world.home("wren", json!({"tools": tools, "roots": {"work": "work"}}), SCRIPT);
    std::fs::create_dir_all(home.join("work")).expect("the folder is ours");
    std::fs::write(home.join("work/report.md"), "# Report\nAll is well.\n").expect("the folder is ours");
    let _agent = world.agent(&home);
    let ask = |words: &str| {
        let out = world.nexctl(&["ask", "wren", words]);
        assert!(out.status.success(), "{}", text(&out));
        String::from_utf8_lossy(&out.stdout).trim().to_owned()
    };

    let said = ask("share work/report.md");
    let id = said.split("blob:").nth(1).unwrap_or_else(|| panic!("{said}")).trim().to_owned();
    let thread = world.nexctl_json(&["get", "threads", "--participant", "operator/ana"]);
    let thread = thread["threads"][0]["id"].as_str().map(str::to_owned);
    // Nobody is called ana here: the message opened a thread of wren's own, and is found among all of them.
    let threads = world.nexctl_json(&["get", "threads"]);
    assert!(thread.is_none() && threads["threads"].as_array().is_some_and(|it| it.len() == 2), "{threads}");
    let to = world.dir().join("fetched.md");
    let got = world.nexctl(&["blob", "get", &id, "--to", &to.to_string_lossy()]);
    assert!(got.status.success(), "{}", text(&got));
    assert_eq!(std::fs::read_to_string(&to).expect("it was fetched"), "# Report\nAll is well.\n");
    let again = world.nexctl(&["blob", "get", &id, "--to", &to.to_string_lossy()]);
    assert_eq!(again.status.code(), Some(2), "a file that is there stays as it is: {}", text(&again));
    let shown = world.nexctl_json(&["blob", "show", &id]);
    assert_eq!((&shown["name"], &shown["references"]), (&json!("report.md"), &json!(1)), "{shown}");
    for path in ["work/../.nexus/key.json", "/etc/passwd", "work/none"] {
        assert!(ask(&format!("share {path}")).starts_with("refused: "), "{path}");
    }

    // What a person puts, and names, an agent may read once it stands in a thread of its own.
    let file = world.dir().join("notes.txt");
    std::fs::write(&file, "one\ntwo\n").expect("the folder is ours");
    let put = world.nexctl(&["blob", "put", &file.to_string_lossy(), "--type", "text/plain"]);
    let id = String::from_utf8_lossy(&put.stdout).trim().to_owned();
    assert!(put.status.success() && id.starts_with("sha256-"), "{}", text(&put));
    let said = ask(&format!("read blob:{id}"));
    assert!(!said.contains("one"), "a name alone opens nothing: {said}");
    let list = world.nexctl_json(&["blob", "list", "--limit", "1"]);
    assert_eq!((&list["blobs"][0]["name"], &list["next_cursor"]), (&json!("notes.txt"), &json!(2)), "{list}");
    let missing = world.nexctl(&["blob", "show", &format!("sha256-{}", "0".repeat(64))]);
    assert_eq!(missing.status.code(), Some(1), "{}", text(&missing));
}

#[tokio::test]
async fn an_attachment_is_shown_to_the_model_and_may_be_read_by_it() {
    let world = World::new();
    let home = world.home("wren", json!({"tools": ["read_attachment"]}), SCRIPT);
    let _agent = world.agent(&home);
    let file = world.dir().join("notes.txt");
    std::fs::write(&file, "one\ntwo\n").expect("the folder is ours");
    let put = world.nexctl(&["blob", "put", &file.to_string_lossy(), "--type", "text/plain"]);
    let id = String::from_utf8_lossy(&put.stdout).trim().to_owned();
    let mut operator = Raw::operator(&world).await;
    operator.request("subscribe", json!({})).await;
    let attachment = json!({"blob": format!("blob:{id}"), "name": "notes.txt", "bytes": 8});
    let send = json!({"to": ["wren"], "content": "read it", "attachments": [attachment]});
    operator.request("chat.send", send).await;
    let said = loop {
        let entry = operator.next_of("log").await["payload"].clone();
        if entry["body"]["type"] == "message" && entry["actor"] == "wren" {
            break entry["body"]["content"].clone();
        }
    };
    assert!(said.as_str().is_some_and(|said| said.contains("one\ntwo")), "{said}");
}
