//! An invitation is good for one thing: its token opens no other door, and a crash leaves it used or unused.

use std::io::Write as _;
use std::net::TcpStream;

use nexus_tests::raw::Raw;
use nexus_tests::world::text;
use nexus_tests::{World, connect, wait_until};
use serde_json::{Value, json};

use crate::http::request;

const PASSWORD: &str = "correct horse battery";

fn nexus(world: &World, args: &[&str]) -> String {
    let data = world.data().display().to_string();
    let out = world.run("nexus", &[args, &["--data", &data]].concat());
    assert!(out.status.success(), "nexus {args:?}: {}", text(&out));
    text(&out)
}

/// What follows `#invite=` in the link that was shown.
fn token_of(shown: &str) -> String {
    let token = shown.split_whitespace().find_map(|word| word.split_once("/#invite="));
    token.unwrap_or_else(|| panic!("no link in {shown}")).1.to_owned()
}

fn accept(world: &World, token: &str) -> (u16, Value) {
    let body = json!({"token": token, "password": PASSWORD}).to_string();
    request(world, "POST", "/api/v1/invitations/accept", None, &body)
}

fn log_in(world: &World, name: &str) -> u16 {
    let body = json!({"name": name, "password": PASSWORD}).to_string();
    request(world, "POST", "/api/v1/login", None, &body).0
}

#[tokio::test]
async fn the_token_of_an_invitation_opens_no_other_door() {
    let world = World::new();
    let _wren = world.home("wren", json!({}), "");
    let token = token_of(&nexus(&world, &["operator", "invite", "ana", "--role", "admin"]));
    let bearer = Some(token.as_str());
    let doors = [
        ("GET", "/api/v1/session", ""),
        ("GET", "/api/v1/aspects", ""),
        ("POST", "/api/v1/operators", r#"{"name":"eve","role":"admin","token_sha256":"00"}"#),
        ("POST", "/mcp", r#"{"jsonrpc":"2.0","id":1,"method":"tools/list"}"#),
        ("GET", "/v1/models", ""),
        ("POST", "/v1/chat/completions", r#"{"model":"wren","messages":[{"role":"user","content":"hi"}]}"#),
        ("POST", "/a2a/wren", r#"{"jsonrpc":"2.0","id":1,"method":"ListTasks","params":{}}"#),
        ("GET", "/a2a/wren/tasks", ""),
        ("GET", "/api/v1/events", ""),
    ];
    for (method, path, body) in doors {
        assert_eq!(request(&world, method, path, bearer, body).0, 401, "{method} {path}");
    }
    let exchanges = [
        ("/api/v1/login/token", json!({"token": token})),
        ("/api/v1/login", json!({"name": "ana", "password": token})),
        ("/api/v1/setup", json!({"setup_token": token, "name": "ana", "password": PASSWORD})),
        ("/api/v1/token/password", json!({"name": "ana", "password": token, "token": {"name": "t"}})),
    ];
    for (path, body) in exchanges {
        assert_eq!(request(&world, "POST", path, None, &body.to_string()).0, 401, "{path}");
    }
    let dialled = Raw::dial(&world, &[("authorization", &format!("Bearer {token}"))]).await.map(drop);
    assert_eq!(dialled, Err(401));
    let cookie = format!("cookie: nexus_session={token}\r\n");
    let answer = world.http_with(&cookie, "GET", "/api/v1/session", "");
    assert!(answer.starts_with("HTTP/1.1 401"), "{answer}");
    // And no other secret accepts an invitation.
    for other in [world.token(), String::new(), "nxsetup_AAAA".to_owned()] {
        assert_eq!(accept(&world, &other).0, 401);
    }
    assert_eq!((accept(&world, &token).0, accept(&world, &token).0, log_in(&world, "ana")), (200, 401, 200));
}

#[test]
fn what_is_shown_of_an_invitation_is_never_its_token_again() {
    let world = World::new();
    let shown = nexus(&world, &["operator", "invite", "ana", "--role", "viewer", "--expires", "12h"]);
    assert!(shown.contains("ana is invited as viewer, once, until "), "{shown}");
    let token = token_of(&shown);
    let from_afar = text(&world.nexctl(&["operator", "invite", "bo", "--role", "viewer"]));
    assert!(from_afar.contains("bo is invited as viewer"), "{from_afar}");
    let listed = nexus(&world, &["operator", "list"]);
    assert!(listed.contains("invited by admin until"), "{listed}");
    let people = text(&world.nexctl(&["operator", "list"]));
    assert!(people.contains("invited by admin, for"), "{people}");
    for said in [&listed, &people] {
        assert!(!said.contains(&token) && !said.contains(&token_of(&from_afar)), "{said}");
    }
    assert!(nexus(&world, &["operator", "revoke", "ana"]).contains("ana is invited no more"));
    let back = text(&world.nexctl(&["operator", "revoke", "bo"]));
    assert!(back.contains("bo is invited no more"), "{back}");
    assert_eq!((accept(&world, &token).0, accept(&world, &token_of(&from_afar)).0), (401, 401));
    let people = world.nexctl_json(&["operator", "list"]);
    assert_eq!(people["operators"].as_array().map(Vec::len), Some(1), "nobody came in: {people}");
    let rows = world.nexctl_json(&["audit", "--limit", "200"]);
    let rows = rows["entries"].as_array().expect("rows");
    let kinds = |kind: &str| rows.iter().filter(|it| it["kind"] == kind).count();
    assert_eq!((kinds("operator.invited"), kinds("operator.invitation_revoked")), (2, 2), "{rows:?}");
}

#[test]
fn without_a_broker_an_invitation_waits_for_it() {
    let mut world = World::asleep();
    let data = world.data().display().to_string();
    let invite = |expires: &str| {
        let args = ["operator", "invite", "ana", "--role", "viewer", "--expires", expires, "--data", &data];
        world.run("nexus", &args)
    };
    let long = invite("31d");
    assert!(!long.status.success() && text(&long).contains("30 days"), "{}", text(&long));
    let token = token_of(&text(&invite("30d")));
    let listed = text(&world.run("nexus", &["operator", "list", "--data", &data]));
    assert!(listed.contains("invited by the owner of the data directory"), "{listed}");
    world.start_broker();
    assert_eq!((accept(&world, &token).0, log_in(&world, "ana")), (200, 200));
}

/// Sends the acceptance and reads no answer.
fn accept_unheard(world: &World, token: &str) -> TcpStream {
    let url = world.url();
    let address = url.trim_start_matches("http://");
    let body = json!({"token": token, "password": PASSWORD}).to_string();
    let mut stream = connect(address);
    let length = body.len();
    let request = format!(
        "POST /api/v1/invitations/accept HTTP/1.1\r\nhost: {address}\r\ncontent-type: application/json\r\n\
         content-length: {length}\r\n\r\n{body}"
    );
    stream.write_all(request.as_bytes()).expect("it reads");
    stream
}

fn is_in(world: &World, name: &str) -> bool {
    let people = world.nexctl_json(&["operator", "list"]);
    people["operators"].as_array().expect("people").iter().any(|it| it["name"] == name)
}

#[test]
fn kill_9_leaves_an_invitation_used_or_unused() {
    let mut world = World::new();
    // After the commit and before anybody read the answer.
    let token = token_of(&nexus(&world, &["operator", "invite", "ana", "--role", "viewer"]));
    let unheard = accept_unheard(&world, &token);
    wait_until("ana is in", || is_in(&world, "ana").then_some(()));
    world.restart_broker();
    drop(unheard);
    let (status, again) = accept(&world, &token);
    assert_eq!((status, again["code"].as_str()), (401, Some("unauthorized")));
    assert!(again["detail"].as_str().expect("words").contains("if you accepted it, log in"), "{again}");
    assert_eq!(log_in(&world, "ana"), 200);
    // At whatever point it falls.
    for round in 0..6 {
        let name = format!("p{round}");
        let token = token_of(&nexus(&world, &["operator", "invite", &name, "--role", "viewer"]));
        let _unheard = accept_unheard(&world, &token);
        world.restart_broker();
        let was_in = is_in(&world, &name);
        assert_eq!(accept(&world, &token).0, if was_in { 401 } else { 200 }, "{name} was in: {was_in}");
        assert_eq!(log_in(&world, &name), 200, "{name}");
    }
}
