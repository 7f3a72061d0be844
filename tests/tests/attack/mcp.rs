//! Assistants over HTTP: whoever is not let in learns nothing, a session is its owner's alone, and nobody can make the
//! broker keep more than it has room for.

use std::fmt::Write as _;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;

use nexus_tests::raw::Raw;
use nexus_tests::world::text;
use nexus_tests::{World, connect};
use serde_json::{Value, json};

use crate::http::address;

const ACCEPT: &str = "accept: application/json, text/event-stream\r\n";
const OLD: &str = "2025-11-25";
const NEW: &str = "2026-07-28";

#[derive(Debug, PartialEq)]
struct Said {
    status: u16,
    head: String,
    body: String,
}

impl Said {
    fn header(&self, name: &str) -> Option<&str> {
        let lines = self.head.lines().filter_map(|line| line.split_once(": "));
        lines.into_iter().find(|it| it.0 == name).map(|it| it.1)
    }

    /// The message, be it by itself or the last of a stream.
    fn message(&self) -> Value {
        let mut data = self.body.lines().filter_map(|line| line.strip_prefix("data: "));
        let text = data.next_back().unwrap_or(&self.body);
        serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    fn session(&self) -> String {
        self.header("mcp-session-id").unwrap_or_else(|| panic!("a session begins: {self:?}")).to_owned()
    }
}

/// Over HTTP/1.0, so that a stream comes as it is.
fn open(world: &World, method: &str, headers: &str, body: &str) -> TcpStream {
    let mut socket = connect(address(world));
    let host = if headers.contains("host: ") { "" } else { "host: localhost\r\n" };
    let length = body.len();
    let head = format!(
        "{method} /mcp HTTP/1.0\r\n{host}{ACCEPT}content-type: application/json\r\ncontent-length: {length}\r\n{headers}\r\n"
    );
    // One that is refused may be closed before all of it was taken.
    let _ = socket.write_all(head.as_bytes()).and_then(|()| socket.write_all(body.as_bytes()));
    socket
}

fn said(mut socket: TcpStream) -> Said {
    let mut bytes = Vec::new();
    let mut piece = [0; 4096];
    // A refusal may be followed by a reset.
    while let Ok(read) = socket.read(&mut piece)
        && read > 0
    {
        bytes.extend_from_slice(&piece[..read]);
    }
    let answer = String::from_utf8(bytes).expect("it is text");
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or_else(|| panic!("it answers: {answer:?}"));
    let status = head.split(' ').nth(1).and_then(|it| it.parse().ok()).expect("an answer has a status");
    Said { status, head: head.to_owned(), body: body.to_owned() }
}

/// Reads on until `wanted` has come.
fn until(socket: &mut TcpStream, wanted: &str) {
    let mut text = String::new();
    let mut byte = [0];
    while !text.contains(wanted) {
        assert_eq!(socket.read(&mut byte).expect("more comes"), 1, "it ended with {text:?}");
        text.push(byte[0].into());
    }
}

fn ask(world: &World, method: &str, headers: &str, body: &str) -> Said {
    said(open(world, method, headers, body))
}

fn bearer(token: &str) -> String {
    format!("authorization: Bearer {token}\r\n")
}

fn of(token: &str, session: &str) -> String {
    format!("{}mcp-session-id: {session}\r\nmcp-protocol-version: {OLD}\r\n", bearer(token))
}

fn initialize() -> String {
    let client = json!({"name": "test", "version": "1"});
    let params = json!({"protocolVersion": OLD, "capabilities": {}, "clientInfo": client});
    json!({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": params}).to_string()
}

fn begin(world: &World, token: &str) -> String {
    let begun = ask(world, "POST", &bearer(token), &initialize());
    assert_eq!(begun.status, 200, "{begun:?}");
    let session = begun.session();
    let ready = json!({"jsonrpc": "2.0", "method": "notifications/initialized"}).to_string();
    assert_eq!(ask(world, "POST", &of(token, &session), &ready).status, 202);
    session
}

fn list() -> String {
    json!({"jsonrpc": "2.0", "id": 2, "method": "tools/list"}).to_string()
}

/// As the generation without sessions asks.
fn stateless(method: &str) -> (String, String) {
    let meta = json!({
        "io.modelcontextprotocol/protocolVersion": NEW,
        "io.modelcontextprotocol/clientCapabilities": {},
    });
    let body = json!({"jsonrpc": "2.0", "id": 3, "method": method, "params": {"_meta": meta}});
    (format!("mcp-protocol-version: {NEW}\r\nmcp-method: {method}\r\n"), body.to_string())
}

fn nexus(world: &World, args: &[&str]) -> String {
    let data = world.data().display().to_string();
    let out = world.run("nexus", &[args, &["--data", &data]].concat());
    assert!(out.status.success(), "nexus {args:?}: {}", text(&out));
    text(&out)
}

fn operator(world: &World, name: &str) -> String {
    let shown = nexus(world, &["operator", "add", name, "--role", "operator"]);
    shown.split_whitespace().find(|word| word.starts_with("nxo_")).expect("the token is shown").to_owned()
}

#[test]
fn strangers_learn_how_to_get_in_and_nothing_else() {
    let world = World::new();
    let metadata = "http://localhost/.well-known/oauth-protected-resource/mcp";
    let bare = format!("Bearer resource_metadata=\"{metadata}\"");
    let tried = format!("Bearer error=\"invalid_token\", resource_metadata=\"{metadata}\"");
    let cases = [
        (String::new(), &bare),
        ("cookie: nexus_session=nxs_none\r\norigin: http://localhost\r\n".to_owned(), &bare),
        (bearer(""), &tried),
        (bearer("nxo_0000000000000000000000000000000000000000000"), &tried),
        (format!("authorization: Basic {}\r\n", world.token()), &tried),
        (bearer(&format!("{}x", world.token())), &tried),
    ];
    for (headers, challenge) in &cases {
        for (method, body) in [("POST", initialize()), ("GET", String::new()), ("DELETE", String::new())] {
            let refused = ask(&world, method, headers, &body);
            let shown = (refused.status, refused.header("www-authenticate"));
            assert_eq!(shown, (401, Some(challenge.as_str())), "{method} {headers:?}");
        }
    }
    for path in ["/.well-known/oauth-protected-resource/mcp", "/.well-known/oauth-protected-resource"] {
        let shown = world.http_with("", "GET", path, "");
        let document = shown.split_once("\r\n\r\n").expect("an answer has a head").1;
        let expected = json!({
            "resource": format!("{}/mcp", world.url()), "resource_name": "Nexus",
            "bearer_methods_supported": ["header"],
        });
        assert_eq!(serde_json::from_str::<Value>(document).expect("it is JSON"), expected);
    }
}

#[test]
fn pages_of_others_and_other_names_are_refused() {
    let world = World::new();
    let token = bearer(&world.token());
    let (version, body) = stateless("tools/list");
    let cases = [
        ("", 200),
        ("origin: http://localhost\r\n", 200),
        ("origin: http://evil.example\r\n", 403),
        ("origin: null\r\n", 403),
        ("host: evil.example\r\n", 403),
        ("host: localhost.evil.example\r\norigin: http://localhost.evil.example\r\n", 403),
        ("host: 127.0.0.1.nip.io\r\n", 403),
    ];
    for (headers, expected) in cases {
        let headers = format!("{token}{headers}");
        assert_eq!(ask(&world, "POST", &headers, &initialize()).status, expected, "{headers:?}");
        let headers = format!("{headers}{version}");
        assert_eq!(ask(&world, "POST", &headers, &body).status, expected, "{headers:?}");
    }
}

#[test]
fn a_session_is_its_owners_alone() {
    let world = World::new();
    let (ana, bob) = (operator(&world, "ana"), operator(&world, "bob"));
    let session = begin(&world, &ana);
    let unknown = ask(&world, "POST", &of(&bob, "00000000-0000-4000-8000-000000000000"), &list());
    assert_eq!((unknown.status, &unknown.message()["error"]["code"]), (404, &json!(-32001)));
    let longer = format!("{session}0");
    let long = "a".repeat(8_000);
    let forged = ["", "0", "../../x", "null", &session.to_uppercase(), &session[1..], &longer, &long];
    for (token, name) in forged.iter().map(|name| (&ana, *name)).chain([(&bob, session.as_str())]) {
        for (method, body) in [("POST", list()), ("GET", String::new()), ("DELETE", String::new())] {
            let refused = ask(&world, method, &of(token, name), &body);
            assert_eq!((refused.status, &refused.body), (404, &unknown.body), "{method} {name:?}");
        }
    }
    let listed = ask(&world, "POST", &of(&ana, &session), &list());
    assert!(listed.message()["result"]["tools"].is_array(), "nobody has ended it: {listed:?}");
    let (version, body) = stateless("tools/list");
    let headers = format!("{}mcp-session-id: {session}\r\n{version}", bearer(&bob));
    let listed = ask(&world, "POST", &headers, &body);
    assert_eq!(listed.status, 200, "the newer generation ignores the header: {listed:?}");
    assert_eq!(ask(&world, "DELETE", &of(&ana, &session), "").status, 204);
    assert_eq!(ask(&world, "POST", &of(&ana, &session), &list()).status, 404, "it has ended");
    assert_ne!(begin(&world, &ana), session);
}

#[test]
fn what_is_no_message_is_refused_in_words() {
    let world = World::new();
    let token = bearer(&world.token());
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    let cases = [
        ("", json!(null)),
        ("{", json!(null)),
        ("[]", json!(null)),
        ("\u{0}", json!(null)),
        (deep.as_str(), json!(null)),
        (r#"{"jsonrpc":"1.0","id":7,"method":"ping"}"#, json!(7)),
        (r#"{"jsonrpc":"2.0","id":"a"}"#, json!("a")),
    ];
    for (body, id) in cases {
        let refused = ask(&world, "POST", &token, body);
        let message = refused.message();
        let shown = (refused.status, &message["error"]["code"], &message["id"]);
        assert_eq!(shown, (400, &json!(-32700), &id), "{message}");
    }
    let large = format!("{}{}", initialize(), " ".repeat(2 << 20));
    assert_eq!(ask(&world, "POST", &token, &large).status, 413);
    assert_eq!(ask(&world, "PUT", &token, "").status, 405);
    assert_eq!(ask(&world, "GET", &token, "").status, 400, "it names no session");
    assert_eq!(ask(&world, "POST", &token, &list()).status, 400, "nor does this");
    let listed = ask(&world, "POST", &format!("{token}mcp-protocol-version: 1999-01-01\r\n"), &list());
    assert_eq!(listed.status, 400, "{listed:?}");
}

#[test]
fn requests_that_never_end_hold_up_nobody() {
    let world = World::new();
    let token = bearer(&world.token());
    let slow: Vec<TcpStream> = (0..200)
        .map(|_| {
            let mut socket = connect(address(&world));
            let head =
                format!("POST /mcp HTTP/1.1\r\nhost: localhost\r\n{token}content-length: 1000\r\n\r\n{{");
            socket.write_all(head.as_bytes()).expect("it takes a head");
            socket
        })
        .collect();
    begin(&world, &world.token());
    drop(slow);
}

#[test]
fn sessions_without_end_push_out_their_owners_oldest_alone() {
    let world = World::new();
    let (ana, bob) = (operator(&world, "ana"), operator(&world, "bob"));
    let bobs = begin(&world, &bob);
    let first = begin(&world, &ana);
    let listening = begin(&world, &ana);
    let mut stream = open(&world, "GET", &of(&ana, &listening), "");
    until(&mut stream, "retry: ");
    let last = (0..300).fold(String::new(), |_, _| begin(&world, &ana));
    let status = |token: &str, session: &str| ask(&world, "POST", &of(token, session), &list()).status;
    assert_eq!(
        [status(&ana, &first), status(&ana, &listening), status(&ana, &last), status(&bob, &bobs)],
        [404, 200, 200, 200]
    );
}

#[test]
fn a_credential_that_is_taken_back_ends_what_it_opened() {
    let world = World::new();
    let token = operator(&world, "ana");
    let session = begin(&world, &token);
    let mut stream = open(&world, "GET", &of(&token, &session), "");
    until(&mut stream, "retry: ");
    nexus(&world, &["operator", "revoke", "ana"]);
    let mut rest = Vec::new();
    stream.read_to_end(&mut rest).expect("it ends, and in time");
    assert_eq!(ask(&world, "POST", &of(&token, &session), &list()).status, 401);
    assert_eq!(ask(&world, "POST", &of(&world.token(), &session), &list()).status, 404);
}

#[test]
fn a_broker_that_stops_ends_its_streams() {
    let mut world = World::new();
    let token = world.token();
    let session = begin(&world, &token);
    let mut stream = open(&world, "GET", &of(&token, &session), "");
    until(&mut stream, "retry: ");
    world.broker().signal("TERM");
    let mut rest = String::new();
    stream.read_to_string(&mut rest).expect("it ends as an answer does");
    assert!(world.broker_mut().wait().success(), "nothing of it is held up");
    world.start_broker();
    assert_eq!(ask(&world, "POST", &of(&token, &session), &list()).status, 404);
    begin(&world, &token);
}

fn call(meta: &Value) -> String {
    let params = json!({"name": "hand_wren_wait", "arguments": {}, "_meta": meta});
    json!({"jsonrpc": "2.0", "id": 9, "method": "tools/call", "params": params}).to_string()
}

#[tokio::test]
async fn a_call_is_answered_when_the_broker_stops_and_when_the_credential_goes() {
    let world = World::new();
    let home = world.home("wren", json!({}), "");
    let hands = json!([{"name": "wait", "description": "takes its time", "timeout_s": 60, "concurrency": 9}]);
    let register = json!({"hands": hands, "slots": 9});
    let (mut wren, _) = Raw::registered(&world, &home, register).await;
    let (ana, admin) = (operator(&world, "ana"), world.token());
    let meta = json!({
        "io.modelcontextprotocol/protocolVersion": NEW,
        "io.modelcontextprotocol/clientCapabilities": {},
    });
    let headers = |token: &str| {
        let named = "mcp-method: tools/call\r\nmcp-name: hand_wren_wait\r\n";
        format!("{}mcp-protocol-version: {NEW}\r\n{named}", bearer(token))
    };
    let old = |token: &str| of(token, &begin(&world, token));
    let revoked = [
        open(&world, "POST", &old(&ana), &call(&json!({}))),
        open(&world, "POST", &headers(&ana), &call(&meta)),
    ];
    let stopped = [
        open(&world, "POST", &old(&admin), &call(&json!({}))),
        open(&world, "POST", &headers(&admin), &call(&meta)),
    ];
    // One beyond `hands.soft_cap` waits in the queue.
    for _ in 0..3 {
        let item = wren.next_of("deliver").await;
        assert_eq!(item["payload"]["item"]["body"]["type"], "assignment", "{item}");
    }
    let end = |socket: TcpStream| {
        let answer = said(socket).message();
        (answer["id"].clone(), answer["error"]["code"].clone())
    };
    nexus(&world, &["operator", "revoke", "ana"]);
    assert_eq!(revoked.map(end), [(json!(9), json!(-32000)), (json!(9), json!(-32000))]);
    world.broker().signal("TERM");
    assert_eq!(stopped.map(end), [(json!(9), json!(-32000)), (json!(9), json!(-32000))]);
}

#[test]
fn what_a_session_missed_is_not_anothers_to_ask_for() {
    let world = World::new();
    let (ana, bob) = (operator(&world, "ana"), operator(&world, "bob"));
    let (anas, bobs) = (begin(&world, &ana), begin(&world, &bob));
    let listed = ask(&world, "POST", &of(&ana, &anas), &list());
    let ids: Vec<&str> = listed.body.lines().filter_map(|line| line.strip_prefix("id: ")).collect();
    let again = |token: &str, session: &str, id: &str| {
        let mut headers = of(token, session);
        write!(headers, "last-event-id: {id}\r\n").expect("a string takes all");
        ask(&world, "GET", &headers, "")
    };
    let primed = ids.first().expect("a stream begins with a number to come back for");
    assert_eq!(again(&ana, &anas, primed).message(), listed.message(), "what it has not seen of it");
    for id in &ids {
        let stolen = again(&bob, &bobs, id);
        assert_eq!((stolen.status, stolen.body.contains("tools")), (200, false), "{stolen:?}");
    }
}
