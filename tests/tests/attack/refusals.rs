//! Who is refused or shut out, what the audit trail says of it, and what `nexus doctor` says of what stands open.

use std::fs::Permissions;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Output;

use nexus_tests::raw::Raw;
use nexus_tests::world::text;
use nexus_tests::{World, connect, wait_until};
use nexus_wire::limits::CLOSE_REVOKED;
use serde_json::{Value, json};

use crate::http::{address, request};

fn nexus(world: &World, args: &[&str]) -> Output {
    let data = world.data().display().to_string();
    world.run("nexus", &[args, &["--data", &data]].concat())
}

fn said(world: &World, args: &[&str]) -> String {
    let out = nexus(world, args);
    assert!(out.status.success(), "nexus {args:?}: {}", text(&out));
    text(&out)
}

/// Begins a GET with these lines as its head.
fn get(world: &World, path: &str, lines: &str) -> BufReader<TcpStream> {
    let mut socket = connect(address(world));
    let head = format!("GET {path} HTTP/1.1\r\n{lines}connection: close\r\n\r\n");
    socket.write_all(head.as_bytes()).expect("it takes a request");
    BufReader::new(socket)
}

fn whole(mut answer: BufReader<TcpStream>) -> String {
    let mut text = String::new();
    answer.read_to_string(&mut text).expect("it answers");
    text
}

#[tokio::test]
async fn a_foreign_host_and_a_foreign_origin_are_refused_and_in_the_trail() {
    let world = World::new();
    let (bearer, at) = (format!("Bearer {}", world.token()), address(&world));
    let good = ("authorization", bearer.as_str());
    // A good credential makes neither of them known, and an upgrade is refused as any request is.
    let lines = format!("host: evil.example\r\nauthorization: {bearer}\r\n");
    for _ in 0..2 {
        let answer = whole(get(&world, "/api/v1/aspects", &lines));
        assert!(answer.starts_with("HTTP/1.1 403 ") && answer.contains("\"code\":\"forbidden\""), "{answer}");
    }
    let rebound = Raw::dial_host(&at, "rebound.example", &[good]).await.map(drop);
    assert_eq!(rebound, Err(403));
    let lines = format!("host: {at}\r\nauthorization: {bearer}\r\norigin: http://evil.example\r\n");
    let answer = whole(get(&world, "/api/v1/aspects", &lines));
    assert!(answer.starts_with("HTTP/1.1 403 ") && answer.contains("\"code\":\"forbidden\""), "{answer}");
    let page = Raw::dial(&world, &[good, ("origin", "https://page.example")]).await.map(drop);
    assert_eq!(page, Err(403));
    // What comes with it is nobody's, so nothing else is said of it.
    let wanted = [
        json!({"kind": "refused.host", "actor": "system", "subject": "\"evil.example\" from 127.0.0.1"}),
        json!({"kind": "refused.host", "actor": "system", "subject": "\"rebound.example\" from 127.0.0.1"}),
        json!({"kind": "refused.origin", "actor": "system", "subject": "\"http://evil.example\" from 127.0.0.1"}),
        json!({"kind": "refused.origin", "actor": "system", "subject": "\"https://page.example\" from 127.0.0.1"}),
    ];
    // Refusals are gathered for a second before they are written.
    let page = wait_until("the refusals in the trail", || {
        let page = world.nexctl_json(&["audit", "--kind", "refused"]);
        let entries = page["entries"].as_array().expect("a list").iter().rev();
        let told: Vec<Value> = entries
            .map(|it| json!({"kind": it["kind"], "actor": it["actor"], "subject": it["subject"]}))
            .collect();
        (told == wanted).then_some(page)
    });
    let asked = request(&world, "GET", "/api/v1/audit?kind=refused", Some(&world.token()), "");
    assert_eq!(asked, (200, page));
}

/// A stream of events, begun.
fn follow(world: &World, token: &str) -> BufReader<TcpStream> {
    let lines = format!("host: {}\r\nauthorization: Bearer {token}\r\n", address(world));
    let mut stream = get(world, "/api/v1/events", &lines);
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        assert!(stream.read_line(&mut head).expect("it answers") > 0, "{head}");
    }
    assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
    stream
}

#[tokio::test]
async fn a_token_that_is_taken_back_ends_its_links_and_streams_and_no_others() {
    let world = World::new();
    let token = |args: &[&str]| {
        let shown = said(&world, args);
        let word = shown.split_whitespace().find(|word| word.starts_with("nxo_"));
        word.expect("it is shown once").to_owned()
    };
    let desk = token(&["operator", "add", "eve", "--role", "viewer"]);
    let laptop = token(&["operator", "token", "add", "eve", "laptop"]);
    let (mut kept, mut closed) =
        (Raw::with_token(&world, &desk).await, Raw::with_token(&world, &laptop).await);
    let (mut goes_on, ends) = (follow(&world, &desk), follow(&world, &laptop));
    said(&world, &["operator", "token", "revoke", "eve", "laptop"]);
    assert_eq!(closed.closed().await, CLOSE_REVOKED);
    let rest = whole(ends);
    let close = format!("event: close\ndata: {}\n\n", json!({"code": CLOSE_REVOKED, "reason": "revoked"}));
    assert!(rest.contains(&close) && rest.ends_with("\r\n0\r\n\r\n"), "{rest}");
    let dialled = Raw::dial(&world, &[("authorization", &format!("Bearer {laptop}"))]).await.map(drop);
    assert_eq!(dialled, Err(401));
    assert_eq!(request(&world, "GET", "/api/v1/events", Some(&laptop), "").0, 401);
    assert_eq!(kept.request("team.list", json!({})).await["kind"], "ok");
    world.nexctl_json(&["say", "still here"]);
    let mut heard = String::new();
    while !heard.contains("still here") {
        assert!(goes_on.read_line(&mut heard).expect("it streams") > 0, "{heard}");
    }
    assert!(!heard.contains("event: close"), "{heard}");
}

fn doctor(world: &World) -> (Option<i32>, Vec<Value>) {
    let out = nexus(world, &["doctor", "-o", "json"]);
    let mut findings: Vec<Value> =
        serde_json::from_slice(&out.stdout).unwrap_or_else(|error| panic!("{error}: {}", text(&out)));
    // How much room there is is the machine's matter.
    findings.retain(|finding| finding["check"] != "disk");
    (out.status.code(), findings)
}

fn finding(check: &str, level: &str, found: &str, advice: &str) -> Value {
    json!({"check": check, "level": level, "found": found, "advice": advice})
}

fn good(check: &str, found: &str) -> Value {
    finding(check, "good", found, "")
}

fn set_mode(path: &Path, mode: u32) {
    std::fs::set_permissions(path, Permissions::from_mode(mode)).expect("the folder is ours");
}

fn write_settings(world: &World, toml: &str) {
    let path = world.data().join("nexus.toml");
    std::fs::write(&path, toml).expect("the folder is ours");
    set_mode(&path, 0o600);
}

/// Uses the setup token and gives wren a credential, so that nothing is left to say.
fn settled() -> World {
    let world = World::new();
    let setup = world.broker().wait_for("the setup token", |line| {
        line.trim().split_once("/#setup=").map(|(_, token)| token.to_owned())
    });
    let body = json!({"setup_token": setup, "name": "ana", "password": "correct horse battery"}).to_string();
    assert_eq!(request(&world, "POST", "/api/v1/setup", None, &body).0, 200);
    let secret = world.dir().join("secret").display().to_string();
    std::fs::write(&secret, "sk-of-the-tracker").expect("the folder is ours");
    let add = ["credential", "add", "tracker", "--kind", "jira", "--mode", "fetch", "--secret-file", &secret];
    let out = world.nexctl(&add);
    assert!(out.status.success(), "{}", text(&out));
    world
}

#[test]
fn a_nexus_in_order_is_found_so_and_exits_with_zero() {
    let world = World::new();
    let mut wanted = vec![
        good("listen", "127.0.0.1:7888, this machine only"),
        good("durability", "what is acknowledged is on disk"),
        good("file mode", "the data directory and its keys are the owner's alone"),
        good("wal", "the write-ahead log has 0 MiB"),
        good("database", "its pages are in order"),
        good("clock", "not behind the log"),
        finding(
            "setup token",
            "note",
            "one was made and not used",
            "use it, or wait: it is void 24 hours after it was made; whoever has it becomes an admin",
        ),
        good("operators", "everybody who is in has a way in"),
    ];
    assert_eq!(doctor(&world), (Some(0), wanted.clone()), "a note is no fault");
    wanted[6] = good("setup token", "none is good");
    wanted.push(good("credentials", "all can be opened"));
    let mut world = settled();
    assert_eq!(doctor(&world), (Some(0), wanted.clone()));
    world.kill_broker();
    assert_eq!(doctor(&world), (Some(0), wanted), "also when no broker runs");
}

#[test]
fn whatever_stands_open_or_is_broken_is_named_with_what_to_do() {
    let mut world = settled();
    let in_order = doctor(&world).1;
    // In the place of the good one of its check.
    let with = |finding: Value| -> Vec<Value> {
        let put = |it: &Value| if it["check"] == finding["check"] { finding.clone() } else { it.clone() };
        in_order.iter().map(put).collect()
    };
    let data = world.data();
    write_settings(&world, "");
    for (name, mode, wanted) in [
        ("", 0o755, 0o700),
        ("identity.json", 0o640, 0o600),
        ("operator.token", 0o644, 0o600),
        ("credentials.key", 0o604, 0o600),
        ("nexus.db", 0o660, 0o600),
        ("nexus.db-wal", 0o644, 0o600),
        ("nexus.toml", 0o644, 0o600),
    ] {
        let path = if name.is_empty() { data.clone() } else { data.join(name) };
        set_mode(&path, mode);
        let found = format!("{} may be read by others (mode {mode:04o})", path.display());
        let fault = finding("file mode", "bad", &found, &format!("chmod {wanted:o} {}", path.display()));
        assert_eq!(doctor(&world), (Some(1), with(fault)), "{name}");
        set_mode(&path, wanted);
    }

    let settings = [
        (
            "listen = \"0.0.0.0:7888\"",
            0,
            "listen",
            "note",
            "0.0.0.0:7888 is reachable from other machines, with TLS",
            "that is meant for a network you trust; 127.0.0.1 keeps it to this machine",
        ),
        (
            "storage.synchronous = \"off\"",
            1,
            "durability",
            "bad",
            "a power cut loses what was acknowledged",
            "remove storage.synchronous from nexus.toml and the environment",
        ),
        (
            "metrics.open_on_loopback = true",
            2,
            "metrics",
            "note",
            "everybody on this machine reads /metrics, without a token",
            "a viewer's token does as well: remove metrics.open_on_loopback",
        ),
        (
            "public_url = \"http://nexus.example\"",
            2,
            "public_url",
            "bad",
            "people are sent to http://nexus.example, where tokens and passwords travel in the clear",
            "let whatever stands before the broker speak TLS, and say https:// in public_url",
        ),
        (
            "push.allow = [\"10.0.0.7:80\"]",
            2,
            "push.allow",
            "note",
            "A2A clients may have the broker call 10.0.0.7:80 although that is inside",
            "leave out what nobody needs",
        ),
        (
            "watch.allow = [\"10.0.0.7:80\"]",
            2,
            "watch.allow",
            "note",
            "triggers may have the broker call 10.0.0.7:80 although that is inside",
            "leave out what nobody needs",
        ),
    ];
    for (toml, at, check, level, found, advice) in settings {
        write_settings(&world, toml);
        let mut wanted = in_order.clone();
        // The first two are there in any case.
        if at < 2 {
            wanted.remove(at);
        }
        wanted.insert(at, finding(check, level, found, advice));
        assert_eq!(doctor(&world), (Some(i32::from(level == "bad")), wanted), "{toml}");
    }
    write_settings(&world, "");

    let (key, away) = (data.join("credentials.key"), data.join("credentials.away"));
    std::fs::rename(&key, &away).expect("the folder is ours");
    let lost = finding(
        "credentials",
        "bad",
        "credentials.key in the data directory is not there; restore it from a backup, or set the secrets again",
        "restore the file, or set the secret again",
    );
    assert_eq!(doctor(&world), (Some(1), with(lost)));
    std::fs::rename(&away, &key).expect("the folder is ours");

    said(&world, &["operator", "add", "bo", "--role", "viewer"]);
    let lasting = finding(
        "tokens",
        "note",
        "bo has tokens that never expire: first",
        "`nexus operator token add bo NAME --expires 720h --replace`",
    );
    let mut wanted = in_order.clone();
    let at = in_order.iter().position(|it| it["check"] == "operators").expect("it is looked at");
    wanted.insert(at, lasting);
    assert_eq!(doctor(&world), (Some(0), wanted));
    said(&world, &["operator", "token", "revoke", "bo", "first"]);
    let note = finding(
        "operators",
        "note",
        "bo has no way in",
        "`nexus operator token add bo NAME`, `passwd bo` or `revoke bo`",
    );
    assert_eq!(doctor(&world), (Some(0), with(note)));
    said(&world, &["operator", "revoke", "bo"]);
    assert_eq!(doctor(&world), (Some(0), in_order.clone()), "all of it was put right");

    // For people: a table, and how many there are.
    set_mode(&data, 0o755);
    let shown = text(&nexus(&world, &["doctor"]));
    let line = shown.lines().find(|line| line.starts_with("file mode")).expect("a line of its own");
    let advice = format!("chmod 700 {}", data.display());
    assert!(line.contains("  BAD ") && line.ends_with(&advice), "{shown}");
    assert!(shown.ends_with("nexus: 1 of these want something done\n"), "{shown}");
    set_mode(&data, 0o700);

    world.broker().signal("TERM");
    world.broker_mut().wait();
    std::fs::rename(&data, world.dir().join("elsewhere")).expect("the folder is ours");
    let nothing = finding(
        "database",
        "bad",
        &format!("there is none in {}", data.display()),
        "`nexus serve` makes a Nexus there; name another directory with --data",
    );
    let wanted = vec![in_order[0].clone(), in_order[1].clone(), nothing];
    assert_eq!(doctor(&world), (Some(1), wanted));
}
