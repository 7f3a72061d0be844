//! Its standard streams: whatever comes in, nothing but the protocol comes out.

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, ChildStdin, ChildStdout, Stdio};

use serde_json::{Value, json};

use crate::desk::Desk;

struct Raw {
    child: Child,
    input: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
}

impl Raw {
    fn start(desk: &Desk, log: &str) -> Self {
        let token = desk.world.data().join("operator.token");
        let mut command = desk.command(&["--token-file", &token.to_string_lossy()]);
        command.env("NEXUS_LOG", log).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = command.spawn().expect("it starts");
        let (input, output) = (child.stdin.take(), child.stdout.take().expect("piped"));
        Self { child, input, output: BufReader::new(output) }
    }

    fn write(&mut self, bytes: &[u8]) {
        let input = self.input.as_mut().expect("it is open");
        input.write_all(bytes).and_then(|()| input.write_all(b"\n")).expect("it reads");
    }

    fn send(&mut self, message: &Value) {
        self.write(message.to_string().as_bytes());
    }

    /// The answer with this id. Every line on the way is a message of the protocol.
    fn answer(&mut self, id: i64) -> Value {
        self.message(|message| message["id"] == id)
    }

    fn message(&mut self, fits: impl Fn(&Value) -> bool) -> Value {
        loop {
            let mut line = String::new();
            assert!(self.output.read_line(&mut line).expect("UTF-8") > 0, "it has ended");
            let message: Value =
                serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line}"));
            assert_eq!(message["jsonrpc"], "2.0", "{line}");
            if fits(&message) {
                return message;
            }
        }
    }

    /// The next notification of this kind.
    fn told(&mut self, method: &str) -> Value {
        self.message(|message| message["method"] == method)
    }

    fn begin(&mut self) {
        self.send(&json!({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": {
            "protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "raw", "version": "1"},
        }}));
        let info = self.answer(1);
        assert_eq!(info["result"]["protocolVersion"], "2025-11-25", "{info}");
        assert_eq!(info["result"]["serverInfo"]["name"], "nexus");
        self.send(&json!({"jsonrpc": "2.0", "method": "notifications/initialized"}));
    }
}

impl Drop for Raw {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn garbage_is_survived_and_standard_output_stays_pure() {
    let desk = Desk::new();
    // With everything it could ever log.
    let mut raw = Raw::start(&desk, "trace");
    raw.begin();
    let long = "x".repeat(200_000);
    let garbage: &[&[u8]] = &[
        b"hello?",
        b"{",
        b"[]",
        b"null",
        b"{\"jsonrpc\": \"2.0\"}",
        b"{\"jsonrpc\": \"2.0\", \"id\": 7, \"method\": 7}",
        b"{\"jsonrpc\": \"2.0\", \"id\": 8, \"method\": \"no/such\"}",
        b"\xff\xfe\x00",
        long.as_bytes(),
        b"",
    ];
    for bytes in garbage {
        raw.write(bytes);
    }
    raw.send(&json!({"jsonrpc": "2.0", "id": 2, "method": "tools/call", "params": {"name": "list_team", "arguments": {}}}));
    assert_eq!(raw.answer(2)["result"]["structuredContent"]["aspects"][0]["name"], "wren");
    raw.input = None;
    let status = raw.child.wait().expect("our own child");
    assert!(status.success(), "it ends with its input: {status}");
    let mut rest = String::new();
    while raw.output.read_line(&mut rest).expect("UTF-8") > 0 {
        assert!(serde_json::from_str::<Value>(&rest).is_ok(), "{rest}");
        rest.clear();
    }
}

#[test]
fn the_protocol_without_sessions_is_spoken_too() {
    let desk = Desk::new();
    let mut raw = Raw::start(&desk, "warn");
    let meta = json!({
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientInfo": {"name": "raw", "version": "1"},
        "io.modelcontextprotocol/clientCapabilities": {"extensions": {"io.modelcontextprotocol/tasks": {}}},
    });
    raw.send(&json!({"jsonrpc": "2.0", "id": 1, "method": "server/discover", "params": {"_meta": meta}}));
    let discovered = raw.answer(1);
    assert!(discovered["result"]["supportedVersions"].to_string().contains("2026-07-28"), "{discovered}");
    // What takes long is a task, and the task is the dispatch.
    let call = json!({"name": "hand_wren_hold_on", "arguments": {"input": 1}, "_meta": meta});
    raw.send(&json!({"jsonrpc": "2.0", "id": 2, "method": "tools/call", "params": call}));
    let created = raw.answer(2);
    assert_eq!(created["result"]["resultType"], "task", "{created}");
    let task = created["result"]["taskId"].as_str().expect("an id").to_owned();
    assert_eq!(desk.states(), [("wren/hold-on".to_owned(), "running".to_owned())]);
    let mut ask = |id: i64, method: &str| {
        let params = json!({"taskId": task, "_meta": meta});
        raw.send(&json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params}));
        raw.answer(id)
    };
    assert_eq!(ask(3, "tasks/get")["result"]["status"], "working");
    desk.open("hand-gate");
    desk.reaches("wren/hold-on", "done");
    let done = ask(4, "tasks/get");
    assert_eq!(done["result"]["status"], "completed", "{done}");
    assert_eq!(done["result"]["result"]["structuredContent"], json!({"output": "held"}));
    assert!(ask(5, "tasks/cancel").get("error").is_none(), "one that has ended may be cancelled");
    // Changes are told to whoever listens.
    let wanted =
        json!({"toolsListChanged": true, "resourceSubscriptions": ["nexus://team", "file:///etc/passwd"]});
    let listen = json!({"notifications": wanted, "_meta": meta});
    raw.send(&json!({"jsonrpc": "2.0", "id": 6, "method": "subscriptions/listen", "params": listen}));
    let acknowledged = raw.told("notifications/subscriptions/acknowledged");
    let accepted = json!({"toolsListChanged": true, "resourceSubscriptions": ["nexus://team"]});
    assert_eq!(acknowledged["params"]["notifications"], accepted, "{acknowledged}");
    let forge = desk.world.home("forge", json!({"hands": [{"name": "mend"}]}), "");
    // Whichever of the two it sees first: that the Hand has come, or that it has gone.
    desk.world.agent(&forge).kill();
    let changed = raw.told("notifications/tools/list_changed");
    assert_eq!(changed["params"]["_meta"]["io.modelcontextprotocol/subscriptionId"], 6, "{changed}");
}
