//! A team behind the door, and a client that speaks both bindings by hand.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::path::PathBuf;

use nexus_tests::{Process, World, connect, wait_until};
use serde_json::{Value, json};

const WREN: &str = r#"
[[rule]]
match = "hello"
[[rule.step]]
say = "hello yourself"

[[rule]]
match = "wait"
[[rule.step]]
name = "note"
call = "read_file"
args = { path = "work/note.txt" }
[[rule.step]]
hold = "go"
say = "late"

[[rule]]
match = "which colour"
[[rule.step]]
name = "said"
call = "ask_operator"
args = { question = "Which colour?", choices = ["red", "blue"] }
[[rule.step]]
say = "it is {{ said.json.answer }}"

[[rule]]
hand = "verify"
[[rule.step]]
hold = "gate"
answer = { holds = true }
"#;

pub(crate) struct Team {
    pub(crate) world: World,
    pub(crate) wren: PathBuf,
    pub(crate) agents: Vec<Process>,
}

impl Team {
    pub(crate) fn new() -> Self {
        Self::on(World::new())
    }

    /// wren, who leads, and forge.
    pub(crate) fn on(world: World) -> Self {
        let hand = json!({"name": "verify", "timeout_s": 600, "capabilities": ["facts"]});
        let settings = json!({"role": "frame", "tools": ["read_file", "ask_operator"], "hands": [hand]});
        let wren = world.home("wren", settings, WREN);
        std::fs::write(wren.join("work/note.txt"), "a note\n").expect("the folder is ours");
        let forge = world.home(
            "forge",
            json!({}),
            "[[rule]]\nmatch = \"hello\"\n[[rule.step]]\nsay = \"forge here\"\n",
        );
        let agents = vec![world.agent(&wren), world.agent(&forge)];
        Self { world, wren, agents }
    }

    /// Lets what holds at this file go on.
    pub(crate) fn open(&self, name: &str) {
        std::fs::write(self.wren.join(name), "").expect("the folder is ours");
    }

    pub(crate) fn address(&self) -> String {
        self.world.url().trim_start_matches("http://").to_owned()
    }

    /// Somebody else's token.
    pub(crate) fn token_of(&self, name: &str, role: &str) -> String {
        let added = self.world.nexctl_json(&["operator", "add", name, "--role", role]);
        added["token"].as_str().expect("a token").to_owned()
    }

    fn begin(&self, method: &str, path: &str, token: Option<&str>, headers: &str, body: &str) -> TcpStream {
        let mut socket = connect(self.address());
        let authorization = token.map(|it| format!("authorization: Bearer {it}\r\n")).unwrap_or_default();
        let (address, length) = (self.address(), body.len());
        let head = format!(
            "{method} {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n{authorization}{headers}\
             content-type: application/json\r\ncontent-length: {length}\r\n\r\n{body}"
        );
        socket.write_all(head.as_bytes()).expect("it takes a request");
        socket
    }

    /// Status and body.
    pub(crate) fn ask(
        &self,
        method: &str,
        path: &str,
        token: Option<&str>,
        headers: &str,
        body: &str,
    ) -> (u16, Value) {
        let mut answer = String::new();
        self.begin(method, path, token, headers, body).read_to_string(&mut answer).expect("it answers");
        let (head, body) = answer.split_once("\r\n\r\n").expect("an answer has a head");
        let status = head.split(' ').nth(1).and_then(|it| it.parse().ok()).expect("an answer has a status");
        (status, serde_json::from_str(body).unwrap_or_else(|_| body.into()))
    }

    /// A method of JSON-RPC as the first operator; the whole answer.
    pub(crate) fn rpc(&self, of: &str, method: &str, params: Value) -> Value {
        self.rpc_as(&self.world.token(), of, method, params).1
    }

    pub(crate) fn rpc_as(&self, token: &str, of: &str, method: &str, params: Value) -> (u16, Value) {
        let request = json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}).to_string();
        self.ask("POST", &format!("/a2a/{of}"), Some(token), VERSION, &request)
    }

    pub(crate) fn rest(&self, method: &str, path: &str, body: &str) -> (u16, Value) {
        self.ask(method, path, Some(&self.world.token()), VERSION, body)
    }

    /// Sends at once, and gives the task.
    pub(crate) fn begun(&self, message_id: &str, text: &str) -> Value {
        let params =
            json!({"message": message(message_id, text), "configuration": {"returnImmediately": true}});
        let answer = self.rpc("wren", "SendMessage", params);
        assert!(answer["result"]["task"].is_object(), "{answer}");
        answer["result"]["task"].clone()
    }

    pub(crate) fn task(&self, id: &Value) -> Value {
        self.rpc("wren", "GetTask", json!({"id": id}))["result"].clone()
    }

    /// Waits until a task has this state.
    pub(crate) fn until(&self, id: &Value, state: &str) -> Value {
        wait_until(state, || Some(self.task(id)).filter(|task| task["status"]["state"] == state))
    }

    pub(crate) fn stream(&self, method: &str, params: Value) -> Events {
        let request = json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}).to_string();
        let token = self.world.token();
        Events::new(self.begin("POST", "/a2a/wren", Some(&token), VERSION, &request))
    }

    pub(crate) fn rest_stream(&self, method: &str, path: &str, body: &str) -> Events {
        Events::new(self.begin(method, path, Some(&self.world.token()), VERSION, body))
    }
}

pub(crate) const VERSION: &str = "a2a-version: 1.0\r\n";

pub(crate) fn message(id: &str, text: &str) -> Value {
    json!({"messageId": id, "role": "ROLE_USER", "parts": [{"text": text}]})
}

/// Server-sent events as they come; chunks of the transfer are lines like others and are skipped.
pub(crate) struct Events(BufReader<TcpStream>);

impl Events {
    fn new(socket: TcpStream) -> Self {
        Self(BufReader::new(socket))
    }

    /// The next event's name and data; `None` when the stream has ended, in whatever way.
    pub(crate) fn next(&mut self) -> Option<(String, Value)> {
        let mut name = String::new();
        loop {
            let mut line = String::new();
            if self.0.read_line(&mut line).ok()? == 0 {
                return None;
            }
            let line = line.trim_end();
            if let Some(event) = line.strip_prefix("event: ") {
                event.clone_into(&mut name);
            }
            if let Some(data) = line.strip_prefix("data: ") {
                return Some((name, serde_json::from_str(data).expect("data is JSON")));
            }
        }
    }

    /// The `result`s up to the end.
    pub(crate) fn rest(mut self) -> Vec<Value> {
        std::iter::from_fn(|| self.next()).map(|(_, data)| data["result"].clone()).collect()
    }
}

/// What an event is, in a word.
pub(crate) fn kind(event: &Value) -> String {
    if let Some(state) = event["statusUpdate"]["status"]["state"].as_str() {
        return state.to_owned();
    }
    match event["artifactUpdate"]["append"].as_bool() {
        Some(true) => "more".to_owned(),
        Some(false) if event["artifactUpdate"]["lastChunk"] == true => "whole".to_owned(),
        Some(false) => "piece".to_owned(),
        None => "task".to_owned(),
    }
}
