//! Credentials through real binaries: the broker makes the calls, what streams passes piece by piece, and no
//! secret is found anywhere it does not belong.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::Stdio;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use nexus_client::{Broker, KeyFile};
use nexus_tests::canary::Canaries;
use nexus_tests::collector::{Collector, Manner};
use nexus_tests::world::text;
use nexus_tests::{World, connect, wait_until};
use serde_json::{Value, json};

const SECRET: &str = "sk-canary-61f2c0ffee-never-to-be-seen";

/// A service that answers one request with two events, the second one when it is told to.
struct Service {
    url: String,
    asked: Receiver<String>,
    go_on: SyncSender<()>,
}

impl Service {
    fn start(events: [String; 2]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("loopback is there");
        let url = format!("http://{}", listener.local_addr().expect("it is bound"));
        let ((ask, asked), (go_on, wait)) = (sync_channel(16), sync_channel::<()>(16));
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let mut reader = BufReader::new(stream);
                let (mut head, mut length) = (String::new(), 0);
                while !head.ends_with("\r\n\r\n") && reader.read_line(&mut head).is_ok_and(|it| it > 0) {}
                for line in head.lines() {
                    if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length: ") {
                        length = value.parse().unwrap_or(0);
                    }
                }
                if head.to_ascii_lowercase().contains("transfer-encoding: chunked") {
                    let mut line = String::new();
                    while line != "0\r\n" {
                        line.clear();
                        if reader.read_line(&mut line).unwrap_or(0) == 0 {
                            break;
                        }
                    }
                }
                let mut body = vec![0; length];
                let _ = reader.read_exact(&mut body);
                let _ = ask.send(head);
                let mut stream = reader.into_inner();
                let first = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nset-cookie: a=b\r\nconnection: close\r\n\r\n";
                let _ = stream.write_all(format!("{first}{}", events[0]).as_bytes());
                let _ = wait.recv();
                let _ = stream.write_all(events[1].as_bytes());
            }
        });
        Self { url, asked, go_on }
    }
}

fn add(world: &World, name: &str, base_url: &str, allow: &str) -> String {
    add_as(world, "provider", name, base_url, allow)
}

fn add_as(world: &World, kind: &str, name: &str, base_url: &str, allow: &str) -> String {
    let mut command = world.nexctl_command(&[
        "credential",
        "add",
        name,
        "--kind",
        kind,
        "--base-url",
        base_url,
        "--header",
        "x-api-key",
        "--allow",
        allow,
    ]);
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("nexctl runs");
    let mut stdin = child.stdin.take().expect("piped");
    stdin.write_all(format!("{SECRET}\n").as_bytes()).expect("it reads");
    drop(stdin);
    let out = child.wait_with_output().expect("it ends");
    assert!(out.status.success(), "{}", text(&out));
    text(&out)
}

async fn access_token(home: &Path) -> String {
    let keyfile = KeyFile::load(&KeyFile::path_in(home)).expect("the aspect was let in");
    let broker = Broker::of_keyfile(keyfile).expect("a keyfile has an endpoint");
    broker.bearer().await.expect("the key is good").expose().to_owned()
}

/// Sends a request by hand and leaves the answer to be read.
fn call(world: &World, path: &str, headers: &str) -> BufReader<TcpStream> {
    let address = world.url().trim_start_matches("http://").to_owned();
    let mut socket = connect(address);
    let head = format!("GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n{headers}\r\n");
    socket.write_all(head.as_bytes()).expect("it takes a request");
    BufReader::new(socket)
}

fn whole(mut answer: BufReader<TcpStream>) -> String {
    let mut text = String::new();
    answer.read_to_string(&mut text).expect("it answers");
    text
}

#[tokio::test]
async fn what_streams_passes_piece_by_piece_and_nobody_else_may_use_it() {
    let service = Service::start(["data: one\n\n".into(), "data: two\n\n".into()]);
    let world = World::new();
    let (wren, forge) = (world.home("wren", json!({}), ""), world.home("forge", json!({}), ""));
    add(&world, "model", &service.url, "wren");
    let trace = "traceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01\r\ntracestate: mine=1\r\nbaggage: mine=1\r\n";
    let bearer = format!("authorization: Bearer {}\r\nx-api-key: mine\r\n{trace}", access_token(&wren).await);
    let mut answer = call(&world, "/api/v1/proxy/model/v1/stream?a=b", &bearer);
    let mut seen = String::new();
    while !seen.contains("data: one") {
        assert!(answer.read_line(&mut seen).expect("it streams") > 0, "{seen}");
    }
    // The service has not sent the second piece yet: the first has passed alone.
    let head = service.asked.recv().expect("it was asked").to_ascii_lowercase();
    assert!(head.starts_with("get /v1/stream?a=b http/1.1"), "{head}");
    assert!(head.contains(&format!("x-api-key: {SECRET}\r\n")), "{head}");
    assert!(!head.contains("bearer") && !head.contains("mine") && !head.contains("trace"), "{head}");
    service.go_on.send(()).expect("it waits");
    let rest = whole(answer);
    assert!(rest.contains("data: two") && !seen.contains("set-cookie"), "{seen}{rest}");

    let forge = format!("authorization: Bearer {}\r\n", access_token(&forge).await);
    let operator = format!("authorization: Bearer {}\r\n", world.token());
    let guess = "authorization: Bearer nxo_guess\r\n".to_owned();
    for (who, headers, path, status) in [
        ("another aspect", &forge, "/api/v1/proxy/model/v1", "404"),
        ("an operator", &operator, "/api/v1/proxy/model/v1", "404"),
        ("nobody", &String::new(), "/api/v1/proxy/model/v1", "401"),
        ("a guess", &guess, "/api/v1/proxy/model/v1", "401"),
        ("an unknown name", &bearer, "/api/v1/proxy/other/v1", "404"),
        ("a fetch of what is proxied", &bearer, "/api/v1/credentials/model/secret", "403"),
    ] {
        let text = whole(call(&world, path, headers));
        assert!(text.starts_with(&format!("HTTP/1.1 {status}")), "{who}: {text}");
        assert!(!text.contains(SECRET), "{who}");
    }
    let allowed = world.nexctl_json(&["credential", "allow", "model", "forge"]);
    assert_eq!(allowed["allowed_aspects"], json!(["forge"]), "{allowed}");
    let refused = whole(call(&world, "/api/v1/proxy/model/v1", &bearer));
    assert!(refused.starts_with("HTTP/1.1 404"), "wren is not among them any more: {refused}");
    service.go_on.send(()).expect("it waits");
    let answer = whole(call(&world, "/api/v1/proxy/model/v1/again", &forge));
    assert!(answer.contains("data: one") && answer.contains("data: two"), "the secret is the same: {answer}");
    let head = service.asked.recv().expect("it was asked").to_ascii_lowercase();
    assert!(head.contains(&format!("x-api-key: {SECRET}\r\n")), "{head}");
    let page = world.nexctl_json(&["audit", "--kind", "credential"]);
    let used =
        page["entries"].as_array().expect("entries").iter().rfind(|it| it["kind"] == "credential.used");
    let used = used.expect("the use is in the trail");
    assert_eq!((&used["actor"], &used["subject"]), (&json!("wren"), &json!("model GET /v1/stream")));
    // Refusals are gathered for a second before they are written.
    wait_until("the refusals in the trail", || {
        let page = world.nexctl_json(&["audit", "--kind", "refused"]);
        let actors: Vec<&Value> =
            page["entries"].as_array().expect("entries").iter().map(|it| &it["actor"]).collect();
        (actors.contains(&&json!("forge")) && actors.contains(&&json!("system"))).then_some(())
    });
}

/// What a header of a request says.
fn header<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    let mut headers = head.lines().filter_map(|line| line.split_once(": "));
    headers.find(|(it, _)| it.eq_ignore_ascii_case(name)).map(|(_, value)| value)
}

#[tokio::test]
async fn a_new_secret_is_in_the_next_call_and_one_that_is_forgotten_in_none() {
    let service = Service::start(["data: one\n\n".into(), "data: two\n\n".into()]);
    let mut world = World::new();
    let wren = world.home("wren", json!({}), "");
    let bearer = format!("authorization: Bearer {}\r\n", access_token(&wren).await);
    let file = world.dir().join("secret").display().to_string();
    let nexctl = |world: &World, secret: &str, args: &[&str]| {
        std::fs::write(&file, secret).expect("the folder is ours");
        world.nexctl_json(&[&["credential"][..], args].concat())
    };
    let called = |world: &World| {
        service.go_on.send(()).expect("it waits");
        let answer = whole(call(world, "/api/v1/proxy/model/v1", &bearer));
        assert!(answer.starts_with("HTTP/1.1 200 ") && answer.contains("data: two"), "{answer}");
        service.asked.recv().expect("it was asked")
    };
    let fetched = |world: &World| {
        let answer = whole(call(world, "/api/v1/credentials/model/secret", &bearer));
        let (head, body) = answer.split_once("\r\n\r\n").expect("a head and a body");
        let status = head.split(' ').nth(1).expect("a status").to_owned();
        (status, serde_json::from_str::<Value>(body).expect("JSON"))
    };
    add(&world, "model", &service.url, "wren");
    assert_eq!(header(&called(&world), "x-api-key"), Some(SECRET));
    let before = world.nexctl_json(&["credential", "show", "model"]);

    let mut rotated = nexctl(&world, "sk-the-second", &["rotate", "model", "--secret-file", &file]);
    assert!(rotated["rotated_at"].as_i64() > before["rotated_at"].as_i64(), "{rotated}");
    rotated["rotated_at"] = before["rotated_at"].clone();
    assert_eq!(rotated, before, "nothing else has changed");
    assert_eq!(header(&called(&world), "x-api-key"), Some("sk-the-second"));
    world.restart_broker();
    assert_eq!(header(&called(&world), "x-api-key"), Some("sk-the-second"));

    // All of it is replaced, the header and the mode among it: the secret is in the calls, and is handed out.
    let terms = ["--kind", "custom", "--mode", "both", "--base-url", &service.url, "--allow", "wren"];
    nexctl(&world, "sk-the-third", &[&["add", "model", "--secret-file", &file][..], &terms[..]].concat());
    let head = called(&world);
    let sent = ["authorization", "x-api-key"].map(|name| header(&head, name));
    assert_eq!(sent, [Some("Bearer sk-the-third"), None], "{head}");
    assert_eq!(fetched(&world), ("200".into(), json!({"name": "model", "secret": "sk-the-third"})));

    world.nexctl_json(&["credential", "remove", "model"]);
    let refused = whole(call(&world, "/api/v1/proxy/model/v1", &bearer));
    assert!(refused.starts_with("HTTP/1.1 404 "), "{refused}");
    assert_eq!((problem(&refused)["code"].clone(), fetched(&world).0), (json!("not_found"), "404".into()));
    assert_eq!(service.asked.try_iter().count(), 0, "the service was not asked");
    assert_eq!(world.nexctl_json(&["credential", "list"]), json!({"credentials": []}));
    let page = world.nexctl_json(&["audit", "--kind", "credential"]);
    let rows = page["entries"].as_array().expect("entries").iter().rev();
    let rows: Vec<(&Value, &Value)> = rows.map(|it| (&it["actor"], &it["kind"])).collect();
    let (admin, wren) = (json!("operator/admin"), json!("wren"));
    let kinds = ["added", "used", "rotated", "changed", "fetched", "removed"];
    let [added, used, rotated, changed, fetched, removed] = kinds.map(|it| json!(format!("credential.{it}")));
    let wanted = vec![
        (&admin, &added),
        (&wren, &used),
        (&admin, &rotated),
        (&wren, &used),
        (&wren, &used),
        (&admin, &changed),
        (&wren, &used),
        (&wren, &fetched),
        (&admin, &removed),
    ];
    assert_eq!(rows, wanted);
}

/// What was answered, as far as it came.
fn as_far_as_it_came(mut answer: BufReader<TcpStream>) -> String {
    let mut bytes = Vec::new();
    let _ = answer.read_to_end(&mut bytes);
    String::from_utf8_lossy(&bytes).into_owned()
}

fn problem(answer: &str) -> Value {
    let (head, body) = answer.split_once("\r\n\r\n").expect("a head and a body");
    assert!(head.to_ascii_lowercase().contains("content-type: application/problem+json"), "{head}");
    serde_json::from_str(body).unwrap_or_else(|error| panic!("{error}: {body}"))
}

#[tokio::test]
async fn no_call_of_a_model_goes_out_while_spending_is_stopped() {
    let events = || ["data: one\n\n".into(), "data: two\n\n".into()];
    let (service, tracker) = (Service::start(events()), Service::start(events()));
    let mut world = World::new();
    let wren = world.home("wren", json!({}), "");
    add(&world, "model", &service.url, "wren");
    add_as(&world, "jira", "tracker", &tracker.url, "wren");
    let file = world.dir().join("secret").display().to_string();
    std::fs::write(&file, SECRET).expect("the folder is ours");
    let lent = ["credential", "add", "lent", "--kind", "provider", "--mode", "fetch", "--allow", "wren"];
    let out = world.nexctl(&[&lent[..], &["--secret-file", &file]].concat());
    assert!(out.status.success(), "{}", text(&out));

    // One that is out when everything is stopped goes on within its time.
    let bearer = format!("authorization: Bearer {}\r\n", access_token(&wren).await);
    let mut under_way = call(&world, "/api/v1/proxy/model/v1/first", &bearer);
    let mut seen = String::new();
    while !seen.contains("data: one") {
        assert!(under_way.read_line(&mut seen).expect("it streams") > 0, "{seen}");
    }
    let said = text(&world.nexctl(&["budget", "stop", "--reason", "the bill is too high"]));
    assert!(said.contains("all spending is stopped by operator/admin until "), "{said}");
    service.go_on.send(()).expect("it waits");
    assert!(whole(under_way).contains("data: two"), "what is out ends as it would");
    assert_eq!(service.asked.try_iter().count(), 1);

    let refused = |world: &World, method: &str, path: &str, bearer: &str| {
        let answer = world.http_with(bearer, method, path, "{\"prompt\": \"go on\"}");
        assert!(answer.starts_with("HTTP/1.1 402 "), "{answer}");
        assert!(answer.to_ascii_lowercase().contains("\r\nretry-after: "), "{answer}");
        assert!(!answer.contains(SECRET), "{answer}");
        let problem = problem(&answer);
        assert_eq!((&problem["code"], &problem["status"]), (&json!("spending_stopped"), &json!(402)));
        let detail = problem["detail"].as_str().expect("a text");
        assert!(
            detail.starts_with("all spending is stopped by operator/admin (the bill is too high)")
                && detail.ends_with("or once an operator says: nexctl budget go-on"),
            "{detail}"
        );
        assert_eq!(problem["details"]["by"], "operator/admin");
    };
    refused(&world, "POST", "/api/v1/proxy/model/v1/messages", &bearer);
    refused(&world, "GET", "/api/v1/credentials/lent/secret", &bearer);
    // What costs nothing goes on.
    tracker.go_on.send(()).expect("it waits");
    assert!(whole(call(&world, "/api/v1/proxy/tracker/issues", &bearer)).contains("data: two"));

    // Neither a restart of the broker nor its death lets anything through.
    world.kill_broker();
    world.start_broker();
    let bearer = format!("authorization: Bearer {}\r\n", access_token(&wren).await);
    refused(&world, "POST", "/api/v1/proxy/model/v1/messages", &bearer);
    let page = world.nexctl_json(&["audit", "--kind", "credential"]);
    let used =
        page["entries"].as_array().expect("entries").iter().filter(|it| it["kind"] == "credential.used");
    let used: Vec<&Value> = used.map(|it| &it["subject"]).collect();
    assert_eq!(used, ["tracker GET /issues", "model GET /v1/first"], "what was refused is no use");
    wait_until("the refusals in the trail", || {
        let page = world.nexctl_json(&["audit", "--kind", "refused"]);
        let entries = page["entries"].as_array().expect("entries");
        let is_told = |subject: &str| entries.iter().any(|it| it["subject"] == subject);
        (is_told("call while spending is stopped of credential model")).then_some(())
    });
    assert_eq!(service.asked.try_iter().count(), 0, "not one of them reached the model");

    assert!(world.nexctl(&["budget", "go-on"]).status.success());
    service.go_on.send(()).expect("it waits");
    assert!(whole(call(&world, "/api/v1/proxy/model/v1/second", &bearer)).contains("data: two"));
    let fetched = world.http_with(&bearer, "GET", "/api/v1/credentials/lent/secret", "");
    assert!(fetched.contains(SECRET), "{fetched}");
    assert_eq!(service.asked.try_iter().count(), 1);

    // A day's budget that is used up is a stop, too; nobody has said it.
    assert!(world.nexctl(&["budget", "set", "--per", "day", "--tokens", "0"]).status.success());
    let answer = whole(call(&world, "/api/v1/proxy/model/v1/third", &bearer));
    let problem = problem(&answer);
    let detail = problem["detail"].as_str().expect("a text");
    assert!(detail.contains("everybody's budget of 0 tokens for the day is used up"), "{detail}");
    assert_eq!((&problem["details"]["by"], service.asked.try_iter().count()), (&Value::Null, 0));
}

#[tokio::test]
async fn a_call_of_a_model_that_is_out_ends_with_the_time_it_is_given() {
    let service = Service::start(["data: one\n\n".into(), "data: two\n\n".into()]);
    let mut world = World::asleep().config("[spending]\nfinish_s = 0\n");
    world.start_broker();
    let wren = world.home("wren", json!({}), "");
    add(&world, "model", &service.url, "wren");
    let bearer = format!("authorization: Bearer {}\r\n", access_token(&wren).await);
    let mut under_way = call(&world, "/api/v1/proxy/model/v1/first", &bearer);
    let mut seen = String::new();
    while !seen.contains("data: one") {
        assert!(under_way.read_line(&mut seen).expect("it streams") > 0, "{seen}");
    }
    assert!(world.nexctl(&["budget", "stop"]).status.success());
    // The service was not told to go on, and never is.
    let rest = as_far_as_it_came(under_way);
    assert!(!rest.contains("data: two") && !rest.ends_with("0\r\n\r\n"), "broken off: {rest}");
    world
        .broker()
        .wait_for_text("a call of a model was broken off: all spending is stopped by operator/admin");
}

#[tokio::test]
async fn an_agent_whose_call_is_broken_off_makes_it_anew_when_it_may() {
    let service = Service::start(reply());
    let mut world = World::asleep().config("[spending]\nfinish_s = 0\n");
    world.start_broker();
    add(&world, "model", &service.url, "wren");
    let provider = json!({"kind": "anthropic", "model": "stub-1", "credential": "model"});
    let home = world.home("wren", json!({"provider": provider}), "");
    let _agent = world.agent(&home);
    let sent = world.nexctl_json(&["say", "--to", "wren", "what is the word?"]);
    let thread = sent["thread"].as_str().expect("an id").to_owned();
    service.asked.recv().expect("it was asked");
    assert!(world.nexctl(&["budget", "stop", "--reason", "enough"]).status.success());
    let texts = |count: usize| {
        wait_until("what wren says", || {
            let page = world.nexctl_json(&["get", "messages", &thread]);
            let said = page["messages"].as_array().expect("a list").clone();
            (said.len() >= count).then_some(said)
        })
    };
    let waits = texts(2)[1]["content"].to_string();
    assert!(waits.contains("I wait: all spending is stopped by operator/admin"), "{waits}");
    // The call that was broken off, and nothing after it.
    service.go_on.send(()).expect("it waits");
    assert_eq!(service.asked.try_iter().count(), 0);
    service.go_on.send(()).expect("it waits");
    assert!(world.nexctl(&["budget", "go-on"]).status.success());
    let answer = texts(3)[2]["content"].to_string();
    assert!(answer.contains("It is heliotrope."), "{answer}");
    assert_eq!(service.asked.try_iter().count(), 1);
}

fn reply() -> [String; 2] {
    let event =
        |value: Value| format!("event: {}\ndata: {value}\n\n", value["type"].as_str().unwrap_or_default());
    let start = event(json!({"type": "message_start", "message": {
        "id": "msg_1", "type": "message", "role": "assistant", "content": [], "model": "stub-1",
        "stop_reason": null, "usage": {"input_tokens": 1, "output_tokens": 1},
    }}));
    let rest = [
        json!({"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}}),
        json!({"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "It is heliotrope."}}),
        json!({"type": "content_block_stop", "index": 0}),
        json!({"type": "message_delta", "delta": {"stop_reason": "end_turn", "stop_sequence": null}, "usage": {"output_tokens": 2}}),
        json!({"type": "message_stop"}),
    ];
    [start, rest.into_iter().map(event).collect()]
}

/// A proxy as an environment names one: what it was asked for, to which it has no answer.
pub(crate) fn proxy() -> (String, Receiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("loopback is there");
    let url = format!("http://{}", listener.local_addr().expect("it is bound"));
    let (ask, asked) = sync_channel(64);
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let mut line = String::new();
            let _ = BufReader::new(stream).read_line(&mut line);
            let _ = ask.send(line);
        }
    });
    (url, asked)
}

/// Where the environment names that proxy for everything.
pub(crate) fn behind(proxy: &str) -> World {
    let named = ["HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"];
    let world = named.iter().fold(World::asleep(), |world, name| world.env(name, proxy));
    world.env("NO_PROXY", "").env("no_proxy", "")
}

#[test]
fn a_proxy_of_the_environment_is_told_of_nothing_that_is_for_the_broker_or_for_this_machine() {
    let ((proxy, proxied), service) = (proxy(), Service::start(reply()));
    let mut world = behind(&proxy);
    world.start_broker();
    for _ in 0..8 {
        service.go_on.send(()).expect("it waits");
    }
    add(&world, "model", &service.url, "wren");
    let through = json!({"kind": "anthropic", "model": "stub-1", "credential": "model"});
    let beside = json!({"kind": "anthropic", "model": "stub-1", "base_url": service.url});
    let homes = [("wren", through), ("forge", beside)]
        .map(|(name, provider)| world.home(name, json!({"provider": provider}), ""));
    let _agents = homes.map(|home| world.agent(&home));
    for name in ["wren", "forge"] {
        let answer = text(&world.nexctl(&["ask", name, "what is the word?"]));
        let told: Vec<String> = proxied.try_iter().collect();
        assert_eq!(told, Vec::<String>::new(), "{name}: {answer}");
        assert!(answer.contains("It is heliotrope."), "{name}: {answer}");
    }

    // A call that a Hand makes.
    world.nexctl_json(&["credential", "allow", "model", "runner"]);
    let runner = json!({"provider": {"kind": "none"}, "runner": {"webhook": {"credentials": ["model"]}}});
    let _agent = world.agent(&world.home("runner", runner, ""));
    let input = json!({"url": "credential:model/v1/hook"}).to_string();
    let done = text(&world.nexctl(&["dispatch", "runner/webhook", &input, "--wait"]));
    let told: Vec<String> = proxied.try_iter().collect();
    assert_eq!(told, Vec::<String>::new(), "{done}");
    assert!(done.contains("It is heliotrope."), "{done}");
    let calls: Vec<Option<String>> =
        service.asked.try_iter().map(|head| header(&head, "x-api-key").map(str::to_owned)).collect();
    assert_eq!(calls, [Some(SECRET.to_owned()), None, Some(SECRET.to_owned())]);
}

#[tokio::test]
async fn no_secret_is_found_where_it_does_not_belong() {
    let collector = Collector::start(Manner::Takes);
    let mut world = World::asleep()
        .env("NEXUS_LOG", "trace")
        .env("OTEL_EXPORTER_OTLP_ENDPOINT", &collector.url)
        .env("OTEL_BSP_SCHEDULE_DELAY", "50");
    world.start_broker();
    let mut canaries = Canaries::default();
    canaries.plant("credential", SECRET);
    let shown = world.broker().wait_for("the setup token", |line| {
        line.trim().split_once("/#setup=").map(|(_, token)| token.to_owned())
    });
    let service = Service::start(reply());
    for _ in 0..8 {
        service.go_on.send(()).expect("it waits");
    }
    let mut said = add(&world, "model", &service.url, "wren");

    // People: a setup, a login, and both once more with something wrong.
    let password = "canary-77aa-password";
    canaries.plant("password", password);
    for body in [
        json!({"setup_token": shown, "name": "ana", "password": password}),
        json!({"setup_token": shown, "name": "eve", "password": password}),
    ] {
        said.push_str(&post(&world, "/api/v1/setup", &body));
    }
    for name in ["ana", "nobody"] {
        let answer = post(&world, "/api/v1/login", &json!({"name": name, "password": password}));
        // The one place a session's secret belongs to is the browser it is for.
        let (kept, cookies): (Vec<&str>, Vec<&str>) =
            answer.lines().partition(|line| !line.starts_with("set-cookie"));
        for cookie in cookies {
            let secret = cookie.split(['=', ';']).nth(1).expect("a cookie has a value");
            canaries.plant("session", secret);
        }
        said.push_str(&kept.join("\n"));
    }
    let data = world.data().display().to_string();
    let made = text(&world.run("nexus", &["operator", "token", "add", "ana", "laptop", "--data", &data]));
    let token = made.split_whitespace().find(|word| word.starts_with("nxo_")).expect("it is shown once");
    canaries.plant("API token", token);
    said.push_str(&text(&world.run("nexus", &["operator", "token", "list", "ana", "--data", &data])));
    let invited = ["operator", "invite", "bo", "--role", "viewer", "--data", &data];
    let made = text(&world.run("nexus", &invited));
    let invitation = made.split_whitespace().find_map(|word| word.split_once("/#invite="));
    let invitation = invitation.expect("it is shown once").1;
    canaries.plant("invitation", invitation);
    said.push_str(&text(&world.run("nexus", &["operator", "list", "--data", &data])));
    for _ in 0..2 {
        let body = json!({"token": invitation, "password": password});
        said.push_str(&post(&world, "/api/v1/invitations/accept", &body));
    }
    said.push_str(&whole(call(&world, "/api/v1/operators", &format!("authorization: Bearer {token}\r\n"))));
    said.push_str(&whole(call(&world, "/api/v1/operators", &format!("authorization: Bearer {token}x\r\n"))));

    // An agent whose provider is behind the broker.
    let provider = json!({"kind": "anthropic", "model": "stub-1", "credential": "model"});
    let home = world.home("wren", json!({"provider": provider}), "");
    let access = access_token(&home).await;
    canaries.plant("access token", &access);
    let keyfile = KeyFile::load(&KeyFile::path_in(&home)).expect("the aspect was let in");
    let pem: String = keyfile.private_key.expose().lines().filter(|line| !line.starts_with('-')).collect();
    canaries.plant("aspect key", &pem);
    said.push_str(&whole(call(
        &world,
        "/api/v1/proxy/model/..%2f..%2fy",
        &format!("authorization: Bearer {access}\r\n"),
    )));
    let agent = world.agent(&home);
    let answer = text(&world.nexctl(&["ask", "wren", "what is the word?"]));
    assert!(answer.contains("It is heliotrope."), "{answer}");
    let head = service.asked.recv().expect("it was asked");
    assert!(head.contains(SECRET), "the service got it: {head}");
    // The broker is told whose trace the call belongs to, and the service is not.
    let proxied = "POST /api/v1/proxy/{*path}";
    let spans = collector.wait_for(&[("chat stub-1", 1), (proxied, 1), ("nexus.chat.send", 2)]);
    let of = |name: &str| spans.iter().find(|span| span.name == name).expect("it was waited for");
    assert_eq!(
        (&of(proxied).parent, &of(proxied).trace),
        (&of("chat stub-1").id, &of("nexus.chat.send").trace)
    );
    assert!(!head.to_ascii_lowercase().contains("traceparent"), "{head}");
    said.push_str(&answer);
    for args in [
        &["credential", "list"][..],
        &["credential", "show", "model", "-o", "json"],
        &["audit"],
        &["get", "aspects"],
    ] {
        said.push_str(&text(&world.nexctl(args)));
    }
    for path in ["/metrics", "/api/v1/credentials", "/api/v1/audit", "/api/v1/nexus", "/api/v1/openapi.json"]
    {
        said.push_str(&whole(call(&world, path, &format!("authorization: Bearer {}\r\n", world.token()))));
    }
    canaries.plant("setup token", &shown);
    canaries.plant("local token", &world.token());

    // The setup token and no other secret was announced, once, to whoever started the broker.
    let announced = world.broker().text().replacen(&shown, "", 1).replacen(&world.token(), "", 1);
    let mut found =
        canaries.found_below(&world.data(), &["operator.token", "credentials.key", "identity.json"]);
    found.extend(canaries.found_below(&home, &["key.json"]));
    found.extend(canaries.found_in(&collector.bodies()).iter().map(|it| format!("{it} in a span")));
    for (name, text) in
        [("what was answered", &said), ("the broker", &announced), ("the agent", &agent.text())]
    {
        found.extend(canaries.found_in(text.as_bytes()).iter().map(|it| format!("{it} in {name}")));
    }
    assert_eq!(found, Vec::<String>::new());
}

fn post(world: &World, path: &str, body: &Value) -> String {
    let address = world.url().trim_start_matches("http://").to_owned();
    let mut socket = connect(address);
    let body = body.to_string();
    let head = format!(
        "POST {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\ncontent-type: application/json\r\n\
         content-length: {}\r\n\r\n{body}",
        body.len()
    );
    socket.write_all(head.as_bytes()).expect("it takes a request");
    whole(BufReader::new(socket))
}
