//! Calls: what a server gets, what comes back, and where secrets are not.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::Stdio;
use std::sync::{Arc, Mutex, PoisonError};

use nexus_tests::canary::Canaries;
use nexus_tests::world::text;
use nexus_tests::{World, wait_until};
use serde_json::{Value, json};

use super::common::{dispatch, outcome, runner};

const SECRET: &str = "canary-hook-61f2c0ffee";
const ADDRESS: &str = "canary-address-61f2c0ffee";
const KEY: &str = "canary-key-61f2c0ffee";

/// A service that answers by path, and keeps what it was asked.
pub(super) struct Service {
    pub(super) address: String,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Service {
    pub(super) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("loopback is there");
        let address = listener.local_addr().expect("it is bound").to_string();
        let asked: Arc<Mutex<Vec<String>>> = Arc::default();
        let told = Arc::clone(&asked);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let told = Arc::clone(&told);
                std::thread::spawn(move || answer(stream, &told));
            }
        });
        Self { address, asked }
    }

    /// Requests for this path, each with its headers and body.
    pub(super) fn asked(&self, path: &str) -> Vec<String> {
        let asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
        let is_for = |request: &&String| request.lines().next().is_some_and(|line| line.contains(path));
        asked.iter().filter(is_for).cloned().collect()
    }
}

fn answer(stream: TcpStream, told: &Mutex<Vec<String>>) {
    let mut reader = BufReader::new(stream);
    let (mut head, mut length) = (String::new(), 0);
    while !head.ends_with("\r\n\r\n") && reader.read_line(&mut head).is_ok_and(|read| read > 0) {}
    for line in head.lines() {
        if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length: ") {
            length = value.parse().unwrap_or(0);
        }
    }
    let mut body = vec![0; length];
    let _ = reader.read_exact(&mut body);
    let request = head.clone() + &String::from_utf8_lossy(&body);
    told.lock().unwrap_or_else(PoisonError::into_inner).push(request);
    let path = head.split(' ').nth(1).unwrap_or_default();
    let is_again = told.lock().unwrap_or_else(PoisonError::into_inner).len() > 1;
    let (status, kind, body) = match path {
        "/json" => ("200 OK", "application/json", r#"{"taken": [1, 2]}"#.to_owned()),
        "/echo" => ("201 Created", "text/plain", head.clone()),
        "/no" => ("500 Broken", "text/plain", format!("no such invoice, {SECRET}")),
        "/moved" => ("302 Found\r\nlocation: /json", "text/plain", String::new()),
        "/large" => ("200 OK", "application/json", format!("\"{}\"", "x".repeat(5000))),
        // The first one who asks is left waiting.
        "/held" if !is_again => return std::thread::park(),
        _ => ("200 OK", "text/plain", "ok".to_owned()),
    };
    let head = format!("HTTP/1.1 {status}\r\ncontent-type: {kind}\r\nconnection: close\r\n");
    let _ = reader
        .into_inner()
        .write_all(format!("{head}content-length: {}\r\n\r\n{body}", body.len()).as_bytes());
}

fn calling(world: &World, service: &Service, repeatable: bool) -> PathBuf {
    let at = &service.address;
    let webhook = json!({
        "hosts": ["hooks.invalid"],
        "allow_private": [at],
        "secrets": {"token": {"env": "HOOK_TOKEN", "hosts": [at]}, "kept": {"env": "HOOK_TOKEN", "hosts": ["hooks.invalid"]}},
        "credentials": ["crm"],
        "answer_bytes": 1000,
        "repeatable": repeatable,
    });
    runner(world, "runner", json!({"webhook": webhook}))
}

fn call(world: &World, input: &Value) -> Value {
    dispatch(world, &["runner/webhook", &input.to_string()])
}

pub(super) fn header<'a>(request: &'a str, name: &str) -> Option<&'a str> {
    let line = request.lines().find(|line| line.to_ascii_lowercase().starts_with(&format!("{name}:")))?;
    line.split_once(": ").map(|(_, value)| value)
}

#[test]
fn a_call_is_answered_or_fails_with_what_was_said_and_secrets_stay_where_they_belong() {
    let (service, world) = (Service::start(), World::new().env("HOOK_TOKEN", SECRET));
    let home = calling(&world, &service, false);
    let mut credential = world.nexctl_command(&[
        "credential",
        "add",
        "crm",
        "--kind",
        "custom",
        "--base-url",
        &format!("http://{}/api", service.address),
        "--header",
        "x-api-key",
        "--allow",
        "runner",
    ]);
    let mut adding = credential.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("nexctl runs");
    let mut typed = adding.stdin.take().expect("piped");
    typed.write_all(format!("{KEY}\n").as_bytes()).expect("it reads");
    drop(typed);
    assert!(adding.wait_with_output().expect("it ends").status.success());
    let agent = world.agent(&home);
    let at = |path: &str| format!("http://{}{path}", service.address);

    let bearer = json!({"authorization": "Bearer secret:token", "x-kind": "a"});
    let info = call(&world, &json!({"url": at("/json"), "headers": bearer, "body": {"paid": true}}));
    let answer = outcome(&info).unwrap_or_else(|failure| panic!("{failure:?}"));
    assert_eq!((&answer["status"], &answer["body"]), (&json!(200), &json!({"taken": [1, 2]})));
    let [request] = service.asked("/json").try_into().expect("it was asked once");
    let expected = format!("Bearer {SECRET}");
    assert_eq!(header(&request, "authorization"), Some(expected.as_str()));
    assert_eq!(
        (header(&request, "x-kind"), header(&request, "content-type")),
        (Some("a"), Some("application/json"))
    );
    assert_eq!(header(&request, "idempotency-key"), info["id"].as_str());
    assert!(request.starts_with("POST /json ") && request.ends_with(r#"{"paid":true}"#), "{request}");

    let info = call(&world, &json!({"url": at("/echo"), "method": "GET", "headers": {"x": "secret:token"}}));
    let answer = outcome(&info).expect("it answered");
    let body = answer["body"].as_str().expect("text");
    assert!(answer["status"] == 201 && body.contains("x: [secret]"), "{body}");
    let info = call(&world, &json!({"url": at("/large")}));
    let answer = outcome(&info).expect("it answered");
    assert_eq!((answer["body"].as_str().map(str::len), &answer["truncated"]), (Some(1000), &json!(true)));

    let info = call(&world, &json!({"url": "credential:crm/v1/contacts", "body": "text"}));
    assert_eq!(outcome(&info).unwrap_or_else(|failure| panic!("{failure:?}"))["body"], "ok");
    let [request] = service.asked("/api/v1/contacts").try_into().expect("it was asked once");
    assert_eq!((header(&request, "x-api-key"), header(&request, "authorization")), (Some(KEY), None));
    assert_eq!(header(&request, "idempotency-key"), info["id"].as_str());

    let failures = [
        (
            json!({"url": at("/no"), "headers": {"x": "secret:token"}}),
            "http_status",
            "answered 500: no such invoice, [secret]",
        ),
        (
            json!({"url": at("/moved"), "method": "GET"}),
            "http_status",
            "answered 302 (redirects are not followed)",
        ),
        (json!({"url": "https://hooks.invalid/x"}), "not_answered", "has no address"),
        (json!({"url": "https://evil.invalid/x"}), "invalid_input", "is not one of the servers"),
        (json!({"url": "http://127.0.0.1:1/x"}), "invalid_input", "unencrypted"),
        (json!({"url": "https://169.254.169.254/latest"}), "invalid_input", "is not one of the servers"),
        (json!({"url": "https://[::ffff:a9fe:a9fe]/latest"}), "invalid_input", "is not one of the servers"),
        (json!({"url": at("/x"), "headers": {"x": "secret:kept"}}), "invalid_input", "is not for 127.0.0.1"),
        (json!({"url": at("/x"), "headers": {"x": "a\r\ny: b"}}), "invalid_input", "a line break"),
    ];
    for (input, code, message) in failures {
        let info = call(&world, &input);
        let (found, said) = outcome(&info).expect_err("it failed");
        assert!(found == code && said.contains(message), "{input}: {found}: {said}");
    }
    assert_eq!(service.asked("/x"), [""; 0]);

    let mut canaries = Canaries::default();
    canaries.plant("the secret", SECRET);
    canaries.plant("the credential's", KEY);
    let log = agent.text() + &world.broker().text();
    assert_eq!(canaries.found_in(log.as_bytes()), [""; 0]);
    assert_eq!(canaries.found_below(world.dir(), &[]), [""; 0]);
    let shown = text(&world.nexctl(&["get", "dispatches", "-o", "json"]));
    assert_eq!(canaries.found_in(shown.as_bytes()), [""; 0]);
}

#[test]
fn a_call_that_may_be_repeated_has_the_same_key_the_second_time() {
    let (service, world) = (Service::start(), World::new().env("HOOK_TOKEN", SECRET));
    let home = calling(&world, &service, true);
    let mut agent = world.agent(&home);
    let input = json!({"url": format!("http://{}/held", service.address)}).to_string();
    let work = world.nexctl_json(&["dispatch", "runner/webhook", &input]);
    wait_until("it to be asked", || (service.asked("/held").len() == 1).then_some(()));
    agent.kill();
    let _agent = world.agent(&home);
    let requests = wait_until("it to be asked again", || {
        let asked = service.asked("/held");
        (asked.len() == 2).then_some(asked)
    });
    let keys: Vec<Option<&str>> = requests.iter().map(|request| header(request, "idempotency-key")).collect();
    assert_eq!(keys, [work["dispatch"].as_str(); 2]);
}

/// A dispatch picks a service by its name; its address, which is secret here, is the settings' own.
#[test]
fn a_service_outside_is_told_by_its_name() {
    let service = Service::start();
    let at = &service.address;
    let world = World::new().env("OPS_HOOK", &format!("http://{at}/{ADDRESS}"));
    let settings = json!({
        "webhook": {"hosts": ["hooks.invalid"], "allow_private": [at], "secrets": {"ops": {"env": "OPS_HOOK", "hosts": [at]}}},
        "notify": {"webhooks": {"down": format!("http://{at}/no"), "lost": "https://hooks.invalid/lost", "ops": "secret:ops"}},
    });
    let agent = world.agent(&runner(&world, "runner", settings));
    let tell = |input: Value| dispatch(&world, &["runner/notify", &input.to_string()]);
    let info = tell(json!({"text": "the disk is full", "webhook": "ops", "topic": "Disk"}));
    assert_eq!(outcome(&info), Ok(&json!({"webhook": "ops", "status": 200})));
    let [request] = service.asked(ADDRESS).try_into().expect("it was told once");
    assert!(
        request.starts_with("POST ") && request.ends_with(r#"{"text":"the disk is full","topic":"Disk"}"#),
        "{request}"
    );
    assert_eq!(header(&request, "idempotency-key"), info["id"].as_str());
    let down = tell(json!({"text": "x", "webhook": "down"}));
    let (code, message) = outcome(&down).expect_err("it says no");
    assert_eq!(code, "http_status");
    assert_eq!(message, "the service down answered 500");
    let lost = tell(json!({"text": "x", "webhook": "lost"}));
    let (code, message) = outcome(&lost).expect_err("nobody is there");
    assert_eq!(
        (code.as_str(), message.as_str()),
        ("not_answered", "the service lost was not reached; the runner's log says why")
    );
    let none = world.nexctl(&["dispatch", "runner/notify", r#"{"text": "x", "webhook": "sales"}"#]);
    assert!(text(&none).contains("the input is not what runner/notify takes"), "{}", text(&none));
    drop(agent);
    let mut canaries = Canaries::default();
    canaries.plant("hook", ADDRESS);
    assert_eq!(canaries.found_below(world.dir(), &[]), [""; 0]);
}
