//! Push notifications: clients are told of their tasks at addresses of theirs, and nobody else's network is entered.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use jsonwebtoken::jwk::JwkSet;
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use nexus_tests::{World, wait_until};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::client::{Team, message};
use super::rules::aspect_token;

/// One notification as it came.
#[derive(Clone, Debug)]
struct Got {
    /// Names in small letters.
    headers: Vec<(String, String)>,
    body: String,
}

impl Got {
    fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(it, _)| it == name).map(|(_, value)| value.as_str())
    }

    fn task(&self) -> Value {
        serde_json::from_str::<Value>(&self.body).expect("it is JSON")["task"].clone()
    }
}

/// A receiver, and what it answers.
struct Sink {
    port: u16,
    got: Arc<Mutex<Vec<Got>>>,
    status: Arc<AtomicU16>,
}

impl Sink {
    fn new() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = listener.local_addr().expect("bound").port();
        let sink = Self { port, got: Arc::default(), status: Arc::new(AtomicU16::new(200)) };
        let (got, status) = (Arc::clone(&sink.got), Arc::clone(&sink.status));
        std::thread::spawn(move || {
            for socket in listener.incoming() {
                let Ok(socket) = socket else { return };
                let Some((socket, request)) = read(socket) else { continue };
                got.lock().expect("whole").push(request);
                answer(socket, status.load(Ordering::SeqCst));
            }
        });
        sink
    }

    fn url(&self) -> String {
        format!("http://127.0.0.1:{}/hook", self.port)
    }

    fn answers(&self, status: u16) {
        self.status.store(status, Ordering::SeqCst);
    }

    fn got(&self) -> Vec<Got> {
        self.got.lock().expect("whole").clone()
    }

    /// The states that came, in order.
    fn states(&self) -> Vec<String> {
        let state = |it: &Got| it.task()["status"]["state"].as_str().expect("a state").to_owned();
        self.got().iter().map(state).collect()
    }

    fn until(&self, state: &str) -> Got {
        let is_it = |it: &Got| it.task()["status"]["state"] == state;
        wait_until(state, || self.got().into_iter().find(is_it))
    }
}

fn read(mut socket: TcpStream) -> Option<(TcpStream, Got)> {
    socket.set_read_timeout(Some(Duration::from_secs(10))).ok()?;
    let mut bytes = Vec::new();
    let end = loop {
        let mut piece = [0; 4096];
        let count = socket.read(&mut piece).ok().filter(|count| *count > 0)?;
        bytes.extend_from_slice(&piece[..count]);
        if let Some(at) = bytes.windows(4).position(|it| it == b"\r\n\r\n") {
            break at;
        }
    };
    let head = String::from_utf8(bytes[..end].to_vec()).ok()?;
    let headers: Vec<(String, String)> = head
        .lines()
        .skip(1)
        .filter_map(|line| line.split_once(": "))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()))
        .collect();
    let length = headers.iter().find(|(name, _)| name == "content-length")?.1.parse().ok()?;
    let mut body = bytes[end + 4..].to_vec();
    let have = body.len();
    body.resize(length, 0);
    socket.read_exact(&mut body[have..]).ok()?;
    Some((socket, Got { headers, body: String::from_utf8(body).ok()? }))
}

fn answer(mut socket: TcpStream, status: u16) {
    let more = if status == 307 { "location: http://169.254.169.254/latest/\r\n" } else { "" };
    let text = format!("HTTP/1.1 {status} x\r\n{more}content-length: 0\r\nconnection: close\r\n\r\n");
    // Whoever is killed while it waits does not read it.
    let _ = socket.write_all(text.as_bytes());
}

fn team(sinks: &[&Sink], tries: u32) -> Team {
    let allow: Vec<String> = sinks.iter().map(|sink| format!("127.0.0.1:{}", sink.port)).collect();
    let mut world = World::asleep().config(&format!("[push]\nallow = {}\ntries = {tries}\n", json!(allow)));
    world.start_broker();
    Team::on(world)
}

fn set(team: &Team, task: &Value, url: &str) -> Value {
    team.rpc("wren", "CreateTaskPushNotificationConfig", json!({"taskId": task["id"], "url": url}))
}

fn configs(team: &Team, task: &Value) -> Value {
    team.rpc("wren", "ListTaskPushNotificationConfigs", json!({"taskId": task["id"]}))["result"]["configs"]
        .clone()
}

#[test]
fn a_client_is_told_by_whom_it_can_check_until_the_end() {
    let sink = Sink::new();
    let team = team(&[&sink], 12);
    let config = json!({
        "id": "hook", "url": sink.url(), "token": "opaque",
        "authentication": {"scheme": "Bearer", "credentials": "theirs"},
    });
    let params = json!({
        "message": message("p-1", "wait for it"),
        "configuration": {"returnImmediately": true, "taskPushNotificationConfig": config},
    });
    let task = team.rpc("wren", "SendMessage", params)["result"]["task"].clone();
    let shown = json!({"id": "hook", "taskId": task["id"], "url": sink.url(), "authentication": {"scheme": "Bearer"}});
    assert_eq!(configs(&team, &task), json!([shown]), "secrets are not shown again");
    sink.until("TASK_STATE_WORKING");
    team.open("go");
    let last = sink.until("TASK_STATE_COMPLETED");
    assert_eq!(last.task()["artifacts"][0]["parts"], json!([{"text": "late"}]));
    assert_eq!(
        (last.header("x-a2a-notification-token"), last.header("a2a-version")),
        (Some("opaque"), Some("1.0"))
    );
    assert_eq!(last.header("authorization"), Some("Bearer theirs"));
    // Once the end is told nobody is told any more.
    wait_until("the end", || (configs(&team, &task) == Value::Null).then_some(()));

    let keys: JwkSet =
        serde_json::from_value(team.rest("GET", "/.well-known/jwks.json", "").1).expect("keys");
    let mut seen = Vec::new();
    for got in sink.got() {
        let token = got.header("x-a2a-notification-signature").expect("a signature");
        let kid = jsonwebtoken::decode_header(token).expect("a JWT").kid.expect("a kid");
        let key = DecodingKey::from_jwk(keys.find(&kid).expect("the key")).expect("a key");
        let mut validation = Validation::new(Algorithm::EdDSA);
        validation.set_audience(&[sink.url()]);
        validation.set_issuer(&[team.world.url()]);
        let claims = jsonwebtoken::decode::<Value>(token, &key, &validation).expect("it is signed").claims;
        let sha256: String = Sha256::digest(&got.body).iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!((&claims["request_body_sha256"], &claims["sub"]), (&json!(sha256), &task["id"]));
        seen.push(claims["jti"].to_string());
    }
    let count = seen.len();
    seen.sort();
    seen.dedup();
    assert_eq!(seen.len(), count, "each has an id of its own");
    let metrics =
        team.world.http("GET", "/metrics", &format!("authorization: Bearer {}\r\n", team.world.token()), "");
    assert!(metrics.contains(&format!("nexus_pushes_total{{outcome=\"delivered\"}} {count}")), "{metrics}");
}

#[test]
fn who_names_no_credentials_finds_the_signature_where_others_have_it() {
    let sink = Sink::new();
    let team = team(&[&sink], 12);
    let task = team.begun("p-2", "hello");
    let task = team.until(&task["id"], "TASK_STATE_COMPLETED");
    // What has ended is told once: whoever asks may have missed it.
    assert_eq!(set(&team, &task, &sink.url())["result"]["id"], task["id"]);
    let got = sink.until("TASK_STATE_COMPLETED");
    let signature = got.header("x-a2a-notification-signature").expect("a signature");
    assert_eq!(got.header("authorization"), Some(format!("Bearer {signature}").as_str()));
    wait_until("the end", || (configs(&team, &task) == Value::Null).then_some(()));
    assert_eq!(sink.states(), ["TASK_STATE_COMPLETED"]);
}

#[test]
fn a_broker_that_is_killed_goes_on_where_it_was() {
    let sink = Sink::new();
    let mut team = team(&[&sink], 12);
    let task = team.begun("p-3", "wait for it");
    team.until(&task["id"], "TASK_STATE_WORKING");
    // Not taken before the broker is killed: told by the next.
    sink.answers(503);
    set(&team, &task, &sink.url());
    sink.until("TASK_STATE_WORKING");
    team.world.kill_broker();
    sink.answers(200);
    let before = sink.got().len();
    team.world.start_broker();
    wait_until("it is told again", || (sink.got().len() > before).then_some(()));
    let ids: Vec<String> = sink.got().iter().map(id_of).collect();
    assert!(ids.iter().all(|id| *id == ids[0]), "the same notification has the same id: {ids:?}");
    team.open("go");
    sink.until("TASK_STATE_COMPLETED");
    wait_until("the end", || (configs(&team, &task) == Value::Null).then_some(()));
    let states = sink.states();
    assert_eq!(states.last().map(String::as_str), Some("TASK_STATE_COMPLETED"), "{states:?}");
    assert_eq!(states.iter().filter(|it| *it == "TASK_STATE_COMPLETED").count(), 1, "{states:?}");
}

/// The `jti`, without checking who signed it.
fn id_of(got: &Got) -> String {
    let token = got.header("x-a2a-notification-signature").expect("a signature");
    let claims = jsonwebtoken::dangerous::insecure_decode::<Value>(token).expect("a JWT").claims;
    claims["jti"].to_string()
}

#[test]
fn where_nobody_takes_it_it_is_given_up_and_others_are_told() {
    let (dead, moved, alive) = (Sink::new(), Sink::new(), Sink::new());
    let team = team(&[&dead, &moved, &alive], 2);
    dead.answers(500);
    moved.answers(307);
    let task = team.begun("p-5", "wait for it");
    for (id, sink) in [("dead", &dead), ("moved", &moved), ("alive", &alive)] {
        let config = json!({"taskId": task["id"], "id": id, "url": sink.url()});
        team.rpc("wren", "CreateTaskPushNotificationConfig", config);
    }
    let told = wait_until("alerts", || {
        let alerts = team.world.nexctl_json(&["get", "alerts"]);
        let all = alerts["alerts"].as_array().cloned().unwrap_or_default();
        let of = |id: &str| {
            let subject = format!("admin/{}/{id}", task["id"].as_str().unwrap_or_default());
            all.iter().find(|it| it["kind"] == "push_given_up" && it["subject"] == subject).cloned()
        };
        of("dead").zip(of("moved"))
    });
    let said = |alert: &Value| alert["message"].as_str().unwrap_or_default().to_owned();
    assert!(said(&told.0).contains("it answered 500"), "{told:?}");
    assert!(said(&told.1).contains("it answered 307"), "{told:?}");
    assert_eq!((dead.got().len(), moved.got().len()), (2, 2), "a redirect is not followed");
    team.open("go");
    alive.until("TASK_STATE_COMPLETED");
    let trail = team.world.nexctl_json(&["audit", "--kind", "push"]).to_string();
    for kind in ["push.set", "push.given_up"] {
        assert!(trail.contains(kind), "{trail}");
    }
}

#[test]
fn nobody_is_led_into_a_network_of_ours() {
    let sink = Sink::new();
    let team = team(&[], 12);
    let task = team.begun("p-6", "wait for it");
    let port = sink.port;
    for url in [
        format!("http://127.0.0.1:{port}/hook"),
        format!("https://127.0.0.1:{port}/hook"),
        format!("https://localhost:{port}/hook"),
        format!("https://[::ffff:127.0.0.1]:{port}/hook"),
        format!("https://2130706433:{port}/hook"),
        "https://[::1]/hook".to_owned(),
        "https://169.254.169.254/latest/meta-data/".to_owned(),
        "https://10.0.0.1/hook".to_owned(),
        "file:///etc/passwd".to_owned(),
        "https://ana:pw@example.com/hook".to_owned(),
    ] {
        let refused = set(&team, &task, &url);
        assert_eq!(refused["error"]["code"], -32602, "{url}: {refused}");
        let params = json!({
            "message": message("p-7", "hello"),
            "configuration": {"taskPushNotificationConfig": {"url": url}},
        });
        let refused = team.rpc("wren", "SendMessage", params);
        assert_eq!(refused["error"]["code"], -32602, "{url}: {refused}");
    }
    assert_eq!(configs(&team, &task), Value::Null);
    let listed = team.rpc("wren", "ListTasks", json!({}))["result"]["totalSize"].clone();
    assert_eq!((listed, sink.got().len()), (json!(1), 0), "nothing was said, and nobody was asked");
}

#[test]
fn what_one_has_set_is_ones_own_and_goes_with_the_credential() {
    let sink = Sink::new();
    let team = team(&[&sink], 12);
    let task = team.begun("p-8", "wait for it");
    let config = json!({"taskId": task["id"], "id": "hook", "url": sink.url()});
    let (bo, vic) = (team.token_of("bo", "operator"), team.token_of("vic", "viewer"));
    let forge = aspect_token(&team.world.dir().join("agents/forge"));
    let (_, made) = team.rpc_as(&bo, "wren", "CreateTaskPushNotificationConfig", config.clone());
    assert_eq!(made["result"]["id"], "hook", "{made}");
    assert_eq!(configs(&team, &task), Value::Null, "others' are not to be seen");
    let one = json!({"taskId": task["id"], "id": "hook"});
    assert_eq!(team.rpc("wren", "GetTaskPushNotificationConfig", one.clone())["error"]["code"], -32001);
    assert_eq!(team.rpc("wren", "DeleteTaskPushNotificationConfig", one.clone())["result"], json!({}));
    assert_eq!(
        team.rpc_as(&bo, "wren", "GetTaskPushNotificationConfig", one.clone()).1["result"],
        made["result"]
    );
    for (who, of, method, params) in [
        (&vic, "wren", "CreateTaskPushNotificationConfig", config.clone()),
        (&vic, "wren", "ListTaskPushNotificationConfigs", one.clone()),
        (&forge, "forge", "CreateTaskPushNotificationConfig", config),
        (&forge, "forge", "DeleteTaskPushNotificationConfig", one),
    ] {
        let (status, refused) = team.rpc_as(who, of, method, params);
        let reason = &refused["error"]["data"][0]["reason"];
        assert_eq!((status, reason), (403, &json!("FORBIDDEN")), "{method}: {refused}");
    }
    sink.until("TASK_STATE_WORKING");
    team.world.nexctl_json(&["operator", "revoke", "bo"]);
    team.open("go");
    team.until(&task["id"], "TASK_STATE_COMPLETED");
    // Somebody else is told after it, so whatever was to be told to them would have been.
    let after = team.begun("p-9", "hello");
    let path = format!("/a2a/wren/tasks/{}/pushNotificationConfigs", after["id"].as_str().expect("an id"));
    let (status, made) = team.rest("POST", &path, &json!({"id": "mine", "url": sink.url()}).to_string());
    assert_eq!((status, &made["taskId"]), (200, &after["id"]), "{made}");
    sink.until("TASK_STATE_COMPLETED");
    let ended = sink.got().into_iter().filter(|it| it.task()["status"]["state"] == "TASK_STATE_COMPLETED");
    let ended: Vec<Value> = ended.map(|it| it.task()["id"].clone()).collect();
    assert_eq!(ended, [after["id"].clone()]);
}

#[test]
fn the_other_binding_sets_lists_and_deletes_too() {
    let sink = Sink::new();
    let team = team(&[&sink], 12);
    let task = team.begun("p-10", "wait for it");
    let path = format!("/a2a/wren/tasks/{}/pushNotificationConfigs", task["id"].as_str().expect("an id"));
    let config = json!({"id": "hook", "url": sink.url()}).to_string();
    let (status, made) = team.rest("POST", &path, &config);
    assert_eq!((status, &made["id"]), (200, &json!("hook")), "{made}");
    assert_eq!(team.rest("GET", &path, ""), (200, json!({"configs": [made]})));
    assert_eq!(team.rest("GET", &format!("{path}/hook"), ""), (200, made));
    for _ in 0..2 {
        assert_eq!(
            team.rest("DELETE", &format!("{path}/hook"), ""),
            (200, json!({})),
            "what is gone is gone"
        );
    }
    assert_eq!(team.rest("GET", &format!("{path}/hook"), "").0, 404);
    assert_eq!(team.rest("GET", &path, ""), (200, json!({})));
    let (status, refused) = team.rest("POST", &path.replace("tasks/", "tasks/x"), &config);
    assert_eq!((status, &refused["error"]["status"]), (404, &json!("NOT_FOUND")), "{refused}");
}
