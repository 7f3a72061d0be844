//! An aspect to be asked, and what comes back.

pub(super) use nexus_tests::World;
pub(super) use serde_json::{Value, json};

const SCRIPT: &str = r#"
[[rule]]
match = "first question"
[[rule.step]]
say = "first answer"

[[rule]]
match = "second question"
[[rule.step]]
say = "second answer, after {{ history | length }}"

[[rule]]
match = "look it up"
[[rule.step]]
say = "Let me look."
[[rule.step]]
name = "note"
call = "read_file"
args = { path = "work/note.txt" }
[[rule.step]]
say = "It says: {{ note.text | excerpt(40) }}"

[[rule]]
match = "slowly"
[[rule.step]]
say = "It begins"
[[rule.step]]
name = "note"
call = "read_file"
args = { path = "work/note.txt" }
[[rule.step]]
hold = "go"
say = "and ends"

[[rule]]
match = "fail"
[[rule.step]]
fail = { kind = "auth", message = "no key" }

[[rule]]
match = "function_result"
[[rule.step]]
say = "So it rains."

[[rule]]
match = "weather"
[[rule.step]]
answer = { tool_calls = [{ name = "weather", arguments = { in = "Oslo" } }] }
"#;

pub(super) fn wren(world: &World) -> std::path::PathBuf {
    let home = world.home("wren", json!({"tools": ["read_file"]}), SCRIPT);
    std::fs::write(home.join("work/note.txt"), "a note\n").expect("the folder is ours");
    home
}

/// Status, head and body of an answer.
pub(super) struct Answer {
    pub(super) status: u16,
    head: String,
    pub(super) body: String,
}

impl Answer {
    pub(super) fn of(text: &str) -> Self {
        let (head, body) = text.split_once("\r\n\r\n").expect("a head and a body");
        let status = head.split(' ').nth(1).and_then(|it| it.parse().ok()).expect("a status");
        Self { status, head: head.to_ascii_lowercase(), body: body.to_owned() }
    }

    pub(super) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.body))
    }

    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
    }

    /// The events of a stream. Each comes in a chunk of its own.
    pub(super) fn events(&self) -> Vec<Value> {
        let lines = self.body.lines().filter_map(|line| line.strip_prefix("data: "));
        lines.filter(|data| *data != "[DONE]").map(|data| serde_json::from_str(data).expect("JSON")).collect()
    }
}

pub(super) fn ask(world: &World, path: &str, headers: &str, body: &Value) -> Answer {
    Answer::of(&world.http("POST", path, headers, &body.to_string()))
}

pub(super) fn chat(world: &World, body: &Value) -> Answer {
    ask(world, "/v1/chat/completions", "", body)
}

pub(super) fn user(text: &str) -> Value {
    json!({"role": "user", "content": text})
}

pub(super) fn assistant(text: &str) -> Value {
    json!({"role": "assistant", "content": text})
}

/// Sender and text of a thread's messages.
pub(super) fn messages(world: &World, thread: &str) -> Vec<(String, String)> {
    let page = world.nexctl_json(&["get", "messages", thread]);
    let messages = page["messages"].as_array().expect("a page has messages");
    let part = |message: &Value, field: &str| message[field].as_str().unwrap_or_default().to_owned();
    messages.iter().map(|message| (part(message, "from"), part(message, "content"))).collect()
}
