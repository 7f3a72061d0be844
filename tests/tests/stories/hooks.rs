//! Webhooks through the real programs: signed requests of services outside, and what hostile ones come to.

use std::fs;
use std::io::{Read as _, Write as _};
use std::path::PathBuf;
use std::time::{SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, Mac as _};
use nexus_tests::world::text;
use nexus_tests::{World, connect, wait_until};
use serde_json::{Value, json};
use sha2::Sha256;

const ANSWERS: &str = "[[rule]]\nmatch = '.'\n[[rule.step]]\nsay = \"Seen.\"\n";

fn mac(key: &[u8], text: &str) -> Vec<u8> {
    let mut mac = <Hmac<Sha256> as hmac::Mac>::new_from_slice(key).expect("any length will do");
    mac.update(text.as_bytes());
    mac.finalize().into_bytes().to_vec()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[expect(clippy::disallowed_methods, reason = "a signature carries the time of its machine")]
fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_secs()
}

/// Status and body of a request.
struct Answer {
    status: u16,
    body: String,
    headers: String,
}

impl Answer {
    fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.body))
    }
}

fn post(world: &World, path: &str, headers: &[(&str, &str)], body: &str) -> Answer {
    let url = world.url();
    let address = url.trim_start_matches("http://");
    let lines: String = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    let head = format!(
        "POST {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\ncontent-length: {}\r\n{lines}\r\n",
        body.len()
    );
    let mut stream = connect(address);
    stream.write_all(head.as_bytes()).expect("it reads");
    // One that is too large may be refused before all of it was read.
    let _ = stream.write_all(body.as_bytes());
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    let answer = String::from_utf8_lossy(&answer).into_owned();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0);
    let headers =
        head.lines().skip(1).filter(|line| !line.starts_with("date:")).collect::<Vec<_>>().join("\n");
    Answer { status, body: body.to_owned(), headers }
}

/// As GitHub sends one.
fn github(world: &World, name: &str, secret: &str, delivery: &str, body: &str) -> Answer {
    let signature = format!("sha256={}", hex(&mac(secret.as_bytes(), body)));
    let headers = [
        ("content-type", "application/json"),
        ("x-github-event", "push"),
        ("x-github-delivery", delivery),
        ("x-hub-signature-256", &signature),
    ];
    post(world, &format!("/hooks/{name}"), &headers, body)
}

fn add(world: &World, name: &str, preset: &str, more: &[&str]) -> Value {
    world.nexctl_json(&[&["trigger", "add", name, "--webhook", preset], more].concat())
}

fn secret_of(rotated: &Value) -> String {
    rotated["secret"].as_str().unwrap_or_else(|| panic!("{rotated} shows no secret")).to_owned()
}

#[test]
fn githubs_requests_fire_once_each_and_an_unsigned_one_learns_nothing() {
    let mut world = World::asleep();
    world.start_broker();
    let wren = world.home("wren", json!({}), ANSWERS);
    let _wren = world.agent(&wren);
    let shown =
        world.nexctl(&["trigger", "add", "gh", "--webhook", "github", "--ask", "wren", "Who pushed?"]);
    let shown = text(&shown);
    let url = format!("{}/hooks/gh", world.url());
    assert!(shown.contains("gh is active") && shown.contains(&url), "{shown}");
    let secret = shown.split("secret      ").nth(1).and_then(|rest| rest.split_whitespace().next());
    let secret = secret.expect("it is shown").to_owned();
    assert_eq!(secret.len(), 64, "{shown}");
    assert!(!text(&world.nexctl(&["trigger", "show", "gh"])).contains(&secret), "once");
    assert!(!world.nexctl_json(&["trigger", "show", "gh"]).to_string().contains(&secret));

    let body = r#"{"ref":"refs/heads/main","pusher":{"name":"bo"}}"#;
    let taken = github(&world, "gh", &secret, "d-1", body);
    assert_eq!(
        (taken.status, &taken.json()["duplicate"], &taken.json()["slot"]),
        (202, &json!(false), &json!(1))
    );
    let again = github(&world, "gh", &secret, "d-1", body);
    assert_eq!(
        (again.status, &again.json()["duplicate"], &again.json()["slot"]),
        (200, &json!(true), &json!(1))
    );
    let slots = world.ended_slots("gh", 1);
    assert_eq!(
        (slots.len(), &slots[0]["state"], &slots[0]["cause"]),
        (1, &json!("done"), &json!({"webhook": "d-1"}))
    );
    let thread = world.nexctl_json(&["trigger", "show", "gh"])["thread"].as_str().expect("asked").to_owned();
    let said = text(&world.nexctl(&["get", "messages", &thread]));
    assert!(
        said.contains("Who pushed?") && said.contains("refs/heads/main") && said.contains("Seen."),
        "{said}"
    );

    let ping = format!("sha256={}", hex(&mac(secret.as_bytes(), "{}")));
    let headers = [
        ("content-type", "application/json"),
        ("x-github-event", "ping"),
        ("x-github-delivery", "d-2"),
        ("x-hub-signature-256", &ping),
    ];
    let ping = post(&world, "/hooks/gh", &headers, "{}");
    assert_eq!((ping.status, ping.json()), (200, json!({"pong": true})));

    // Whoever has no good signature is told the same, whatever is there.
    let wrong = github(&world, "gh", "another secret of somebody", "d-3", body);
    let unsigned = post(&world, "/hooks/gh", &[("content-type", "application/json")], body);
    let nowhere = github(&world, "no-such-trigger", &secret, "d-3", body);
    let nonsense = github(&world, "..%2f..", &secret, "d-3", body);
    for other in [&unsigned, &nowhere, &nonsense] {
        assert_eq!((other.status, &other.body, &other.headers), (wrong.status, &wrong.body, &wrong.headers));
    }
    assert_eq!(wrong.status, 401);
    let large = post(&world, "/hooks/gh", &[], &"x".repeat(1024 * 1024 + 1));
    assert_eq!(large.status, 413, "{}", large.body);
    assert_eq!(world.slots("gh").len(), 1, "none of these left anything");
    let audit = wait_until("the refusals in the trail", || {
        let audit = text(&world.nexctl(&["audit", "--kind", "refused.webhook"]));
        audit.contains("trigger gh: the signature is another one").then_some(audit)
    });
    assert!(audit.contains("there is no webhook of that name"), "{audit}");
    let metrics = world.http("GET", "/metrics", "", "");
    for line in ["taken\"} 1", "duplicate\"} 1", "answered\"} 1", "refused\"} 4"] {
        assert!(metrics.contains(&format!("nexus_webhooks_total{{outcome=\"{line}")), "{line}: {metrics}");
    }

    // While it is paused what comes is skipped, and the answer says so.
    world.nexctl(&["trigger", "pause", "gh"]);
    let skipped = github(&world, "gh", &secret, "d-4", body);
    let expected = json!({
        "trigger": "gh", "slot": 2, "state": "skipped", "reason": "the trigger was paused", "duplicate": false,
    });
    assert_eq!((skipped.status, skipped.json()), (202, expected));
}

#[test]
fn each_service_signs_in_its_own_way_and_secrets_can_be_changed() {
    let mut world = World::asleep();
    world.start_broker();
    let wren = world.home("wren", json!({}), ANSWERS);
    let _wren = world.agent(&wren);
    let ask = ["--ask", "wren", "What was it?"];
    let body = r#"{"id":"evt_7","type":"charge.failed"}"#;

    // Stripe makes the secret itself.
    let told = world.nexctl(&[&["trigger", "add", "pay", "--webhook", "stripe"], &ask[..]].concat());
    assert!(text(&told).contains("nexctl trigger rotate pay --secret-file -"), "{}", text(&told));
    let stripe = |secret: &str, at: u64| {
        let signature = format!("t={at},v1={}", hex(&mac(secret.as_bytes(), &format!("{at}.{body}"))));
        post(&world, "/hooks/pay", &[("stripe-signature", &signature)], body)
    };
    assert_eq!(stripe("whsec_first_secret", now()).status, 401, "it has no secret yet");
    let refused = world.nexctl(&["trigger", "rotate", "pay"]);
    assert!(
        !refused.status.success() && text(&refused).contains("stripe makes the secret"),
        "{}",
        text(&refused)
    );
    let file = world.dir().join("secret");
    let rotate = |secret: &str, more: &[&str]| {
        fs::write(&file, format!("{secret}\n")).expect("written");
        let file = file.to_string_lossy().into_owned();
        world.nexctl_json(&[&["trigger", "rotate", "pay", "--secret-file", &file], more].concat())
    };
    let rotated = rotate("whsec_first_secret", &[]);
    assert_eq!(rotated, json!({"trigger": "pay", "path": "/hooks/pay"}));
    assert_eq!(stripe("whsec_first_secret", now()).status, 202);
    for wrong in [now() - 310, now() + 310] {
        assert_eq!(stripe("whsec_first_secret", wrong).status, 401, "{wrong}");
    }
    let rotated = rotate("whsec_second_secret", &["--overlap", "1h"]);
    assert!(rotated["previous_until"].is_i64(), "{rotated}");
    for secret in ["whsec_first_secret", "whsec_second_secret"] {
        assert_eq!(stripe(secret, now()).json()["duplicate"], json!(true), "{secret}");
    }
    rotate("whsec_third_secret_", &["--overlap", "0s"]);
    for (secret, status) in
        [("whsec_first_secret", 401), ("whsec_second_secret", 401), ("whsec_third_secret_", 200)]
    {
        assert_eq!(stripe(secret, now()).status, status, "{secret}");
    }

    // Slack asks whether somebody is there, signed like everything else.
    fs::write(&file, "8f742231b10e8888abcd99yyyzzz85a5").expect("written");
    let path = file.to_string_lossy().into_owned();
    add(&world, "talk", "slack", &[&["--secret-file", &path], &ask[..]].concat());
    let slack = |secret: &str, body: &str| {
        let at = now();
        let signature = format!("v0={}", hex(&mac(secret.as_bytes(), &format!("v0:{at}:{body}"))));
        let headers = [
            ("content-type", "application/json"),
            ("x-slack-request-timestamp", &at.to_string()),
            ("x-slack-signature", &signature),
        ];
        post(&world, "/hooks/talk", &headers, body)
    };
    let verify = r#"{"type":"url_verification","challenge":"3eZbrw1aB","token":"x"}"#;
    let good = slack("8f742231b10e8888abcd99yyyzzz85a5", verify);
    assert_eq!((good.status, good.json()), (200, json!({"challenge": "3eZbrw1aB"})));
    assert_eq!(slack("somebody else's secret", verify).status, 401);
    let event = r#"{"type":"event_callback","event_id":"Ev1","event":{"type":"app_mention"}}"#;
    assert_eq!(slack("8f742231b10e8888abcd99yyyzzz85a5", event).status, 202);

    // Standard Webhooks, with the secret that the broker made.
    let made = secret_of(&add(&world, "any", "generic", &ask));
    let key = STANDARD.decode(made.trim_start_matches("whsec_")).expect("Base64");
    let (at, id) = (now().to_string(), "msg_1");
    let signature = format!("v1,{}", STANDARD.encode(mac(&key, &format!("{id}.{at}.hello"))));
    let headers = [("webhook-id", id), ("webhook-timestamp", &at), ("webhook-signature", &signature)];
    assert_eq!(post(&world, "/hooks/any", &headers, "hello").status, 202);
    // A request for a secret that is sent again shows the same one; nothing readable is kept of any.
    let key = "idempotency-key: 0199a0b1-c2d3-7123-8456-789abcdef0aa\r\n";
    let again: Vec<String> = (0..2)
        .map(|_| world.http("POST", "/api/v1/triggers/any/secret", key, "{}"))
        .map(|answer| answer.split("\r\n\r\n").nth(1).expect("a body").to_owned())
        .collect();
    assert!(again[0].contains("whsec_") && again[0] == again[1], "{again:?}");
    world.kill_broker();
    for secret in [made.as_str(), "whsec_third_secret_", "8f742231b10e8888abcd99yyyzzz85a5"] {
        for entry in fs::read_dir(world.data()).expect("there").flatten() {
            let Ok(bytes) = fs::read(entry.path()) else { continue };
            let found = bytes.windows(secret.len()).any(|piece| piece == secret.as_bytes());
            assert!(!found, "{secret} is readable in {}", entry.path().display());
        }
    }
}

#[test]
fn killed_between_its_commit_and_its_answer_a_broker_takes_a_request_once() {
    let mut world = World::asleep();
    world.start_broker();
    let wren = world.home("wren", json!({}), ANSWERS);
    let _wren = world.agent(&wren);
    let secret = secret_of(&add(&world, "gh", "github", &["--ask", "wren", "Who pushed?"]));
    for no in 0..6 {
        let delivery = format!("d-{no}");
        let signature = format!("sha256={}", hex(&mac(secret.as_bytes(), "{}")));
        let url = world.url();
        let address = url.trim_start_matches("http://").to_owned();
        let request = format!(
            "POST /hooks/gh HTTP/1.1\r\nhost: {address}\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\
             x-github-event: push\r\nx-github-delivery: {delivery}\r\nx-hub-signature-256: {signature}\r\n\r\n{{}}"
        );
        let mut stream = connect(&address);
        stream.write_all(request.as_bytes()).expect("it reads");
        // The service never learns what became of it, and sends it again.
        world.kill_broker();
        drop(stream);
        world.start_broker();
        let answer = github(&world, "gh", &secret, &delivery, "{}");
        assert!(matches!(answer.status, 200 | 202), "{}: {}", answer.status, answer.body);
        assert_eq!(github(&world, "gh", &secret, &delivery, "{}").json()["duplicate"], json!(true));
    }
    let slots = world.ended_slots("gh", 6);
    let causes: Vec<Value> = slots.iter().map(|slot| slot["cause"]["webhook"].clone()).collect();
    assert_eq!(causes, (0..6).map(|no| json!(format!("d-{no}"))).collect::<Vec<_>>());
}

/// Says what it was started with.
const SHOW: &str = r#"
import json, os, sys
with open("seen", "a") as seen:
    seen.write(json.dumps({"args": sys.argv[1:], "stdin": sys.stdin.read()}) + "\n")
"#;

fn runner(world: &World) -> PathBuf {
    let scripts = json!({
        "show": {"run": ["python3", "show.py"], "args_max": 1},
        "paths": {"run": ["python3", "show.py"], "args_max": 1, "args": "path"},
    });
    let settings = json!({"provider": {"kind": "none"}, "runner": {"scripts": scripts}, "slots": 8});
    let home = world.home("runner", settings, "");
    for none in ["SOUL.md", "NEXUS.md", "script.toml"] {
        fs::remove_file(home.join(none)).expect("it needs none");
    }
    fs::write(home.join("work/show.py"), SHOW).expect("written");
    home
}

#[test]
fn what_a_service_sends_stays_data_whatever_it_is() {
    let mut world = World::asleep();
    world.start_broker();
    let home = runner(&world);
    let _runner = world.agent(&home);
    let of = |name: &str, script: &str| {
        let input =
            json!({"name": script, "args": ["{{ payload.body.text }}"], "input": "{{ payload.body }}"});
        let input = input.to_string();
        let more = ["--dispatch", "runner/script", &input];
        (name.to_owned(), secret_of(&add(&world, name, "github", &more)))
    };
    let (shows, paths) = (of("shows", "show"), of("paths", "paths"));
    let other =
        secret_of(&add(&world, "other", "github", &["--dispatch", "runner/script", r#"{"name": "show"}"#]));
    let send = |to: &(String, String), delivery: &str, body: &Value| {
        let answer = github(&world, &to.0, &to.1, delivery, &body.to_string());
        assert_eq!(answer.status, 202, "{body}: {}", answer.body);
        world
            .ended_slots(&to.0, answer.json()["slot"].as_u64().expect("a number") as usize)
            .pop()
            .expect("one")
    };
    let texts = [
        "; touch hit",
        "$(touch hit)",
        "`touch hit`",
        "a\ntouch hit",
        "' ; touch hit #",
        "../../secret",
        "*",
        "{{ trigger.name }}",
        "{{ payload }}",
        "}}{{",
        "{% raw %}",
        "${IFS}",
        "%s%n",
        "\u{202e}txt",
        "",
    ];
    for (no, one) in texts.iter().enumerate() {
        let body = json!({"text": one, "name": "rm", "args": ["-rf", "/"], "trigger": "other"});
        let slot = send(&shows, &format!("t-{no}"), &body);
        assert_eq!(slot["state"], json!("done"), "{one:?}: {slot}");
        let seen = fs::read_to_string(home.join("work/seen")).expect("it ran");
        let seen: Value = serde_json::from_str(seen.lines().last().expect("a line")).expect("JSON");
        let stdin: Value = serde_json::from_str(seen["stdin"].as_str().expect("text")).expect("JSON");
        assert_eq!((&seen["args"], stdin), (&json!([one]), body), "{one:?}");
    }
    // What is no text, an option, or a path out of its roots comes to nothing.
    let nothing = [
        (&shows, json!({"text": {"run": ["sh"]}})),
        (&shows, json!({"text": ["a", "b"]})),
        (&shows, json!({"text": "-c"})),
        (&shows, json!({"text": "a\0b"})),
        (&shows, json!({"other": 1})),
        (&paths, json!({"text": "../../.nexus/key.json"})),
        (&paths, json!({"text": "/etc/passwd"})),
        (&paths, json!({"text": "~"})),
    ];
    let lines = || fs::read_to_string(home.join("work/seen")).expect("it ran").lines().count();
    let before = lines();
    for (no, (to, body)) in nothing.iter().enumerate() {
        let slot = send(to, &format!("n-{no}"), body);
        assert_eq!(slot["state"], json!("failed"), "{body}: {slot}");
        world.nexctl(&["trigger", "resume", &to.0]);
    }
    assert_eq!(lines(), before, "none of these was run");
    assert!(!home.join("work/hit").exists() && !home.join("hit").exists(), "something was run");
    // The signature of one trigger opens no other, and nothing of it is another's.
    let body = json!({"text": "x"}).to_string();
    assert_eq!(github(&world, "other", &shows.1, "x", &body).status, 401);
    assert_eq!(github(&world, "shows", &other, "x", &body).status, 401);
    assert_eq!(world.slots("other"), Vec::<Value>::new());
    // The same name of a request is another one at another trigger.
    assert_eq!(github(&world, "other", &other, "t-0", &body).json()["duplicate"], json!(false));
    // JSON that is none, or too deep, is refused and leaves nothing.
    let count = world.slots("shows").len();
    for bad in ["{", &format!("{}1{}", "[".repeat(300), "]".repeat(300)), "\u{0}"] {
        assert_eq!(github(&world, "shows", &shows.1, "bad", bad).status, 400, "{bad:.20}");
    }
    assert_eq!(world.slots("shows").len(), count);
}

/// What is at a bound is taken, what is beyond it is refused and changes nothing.
#[test]
fn bodies_secrets_names_and_overlaps_have_bounds() {
    let mut world = World::asleep();
    world.start_broker();
    let wren = world.home("wren", json!({}), ANSWERS);
    let _wren = world.agent(&wren);
    let made = secret_of(&add(&world, "gh", "github", &["--ask", "wren", "Who pushed?"]));
    let file = world.dir().join("secret");
    let rotate = |secret: &str, more: &[&str]| {
        fs::write(&file, secret).expect("written");
        let file = file.to_string_lossy().into_owned();
        world.nexctl(&[&["trigger", "rotate", "gh", "--secret-file", &file, "-o", "json"], more].concat())
    };
    for wrong in
        ["x".repeat(15), "x".repeat(257), format!("{}é", "x".repeat(20)), format!("{}\u{7}", "x".repeat(20))]
    {
        let out = rotate(&wrong, &[]);
        let message = "the secret of a webhook has 16 to 256 letters, digits and signs of ASCII";
        assert!(!out.status.success() && text(&out).contains(message), "{wrong:?}: {}", text(&out));
    }
    let out = rotate(&"x".repeat(16), &["--overlap", "2592001s"]);
    assert!(!out.status.success() && text(&out).contains("2592000 is the most"), "{}", text(&out));
    assert_eq!(github(&world, "gh", &made, "d-1", "{}").status, 202, "none of these took its place");
    for bytes in [16, 256] {
        let rotated = rotate(&"x".repeat(bytes), &["--overlap", "2592000s"]);
        assert!(rotated.status.success(), "{}", text(&rotated));
        assert_eq!(github(&world, "gh", &"x".repeat(bytes), "d-1", "{}").status, 200, "{bytes}");
    }
    let hook = |world: &World| world.nexctl_json(&["trigger", "show", "gh"])["hook"].clone();
    let good_for = |hook: &Value| {
        let at = |field: &str| hook[field].as_i64().expect("a time");
        at("previous_until") - at("secret_since")
    };
    assert_eq!(good_for(&hook(&world)), 30 * 24 * 3_600_000);
    world.nexctl_json(&["trigger", "rotate", "gh"]);
    assert_eq!(good_for(&hook(&world)), 24 * 3_600_000, "a day where nobody says otherwise");

    // A body of 1 MiB is all there, and one byte more is none.
    let secret = "x".repeat(256);
    let input = r#"{"text": "{{ len(payload.body.text) }}"}"#;
    let large = secret_of(&add(&world, "large", "github", &["--dispatch", "wren/self", input]));
    let body = |bytes: usize| format!(r#"{{"text":"{}"}}"#, "x".repeat(bytes - 11));
    assert_eq!(github(&world, "large", &large, "d-1", &body(1024 * 1024)).status, 202);
    assert_eq!(github(&world, "large", &large, "d-2", &body(1024 * 1024 + 1)).status, 413);
    let slots = world.ended_slots("large", 1);
    let dispatch = slots[0]["work"]["dispatch"].as_str().unwrap_or_else(|| panic!("{slots:?}"));
    let input = world.nexctl_json(&["get", "dispatches", dispatch])["input"].clone();
    assert_eq!((slots.len(), input), (1, json!({"text": 1024 * 1024 - 11})));

    // A name of 128 bytes is kept as it is, a longer one as its SHA-256; either is known again.
    let hashed = |name: &str| format!("sha256:{}", hex(&<Sha256 as sha2::Digest>::digest(name.as_bytes())));
    let (kept, long) = ("n".repeat(128), "n".repeat(129));
    for name in [&kept, &long] {
        let answers = [(); 2].map(|()| github(&world, "gh", &secret, name, "{}").json()["duplicate"].clone());
        assert_eq!(answers, [json!(false), json!(true)]);
    }
    let causes: Vec<Value> = world.slots("gh").iter().map(|slot| slot["cause"]["webhook"].clone()).collect();
    assert_eq!(causes, [json!("d-1"), json!(kept), json!(hashed(&long))]);
}
