//! A desk with files on it: plays an aspect's turns with its shipped script, answering tool calls from a
//! directory. It has the shapes of the tools' results and none of their care; confinement and limits are tested
//! where the tools are.

use std::fs;
use std::path::{Path, PathBuf};

use nexus_agent::conversation::{
    Block, Message, ModelRequest, Origin, Role, StopReason, StreamEvent, ToolSpec,
};
use nexus_agent::provider::{Provider, ProviderConfig};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::sync::mpsc;

/// A round limit no honest script reaches.
const ROUNDS_MAX: usize = 12;

pub(crate) struct Desk {
    files: TempDir,
    /// Calls that reach the bus, as they were made.
    pub(crate) sent: Vec<(String, Value)>,
}

/// What came of one turn.
#[derive(Debug, PartialEq)]
pub(crate) struct Turn {
    /// Names of the tools called, in order.
    pub(crate) called: Vec<String>,
    /// The text of the last round, which is the answer.
    pub(crate) answer: String,
}

impl Desk {
    pub(crate) fn new(files: &[(&str, &str)]) -> Self {
        let desk = Self { files: TempDir::new().expect("a directory"), sent: Vec::new() };
        for (path, text) in files {
            desk.write(path, text);
        }
        desk
    }

    pub(crate) fn write(&self, path: &str, text: &str) {
        let path = self.files.path().join(path);
        fs::create_dir_all(path.parent().expect("a parent")).expect("a directory");
        fs::write(path, text).expect("a file");
    }

    pub(crate) async fn ask(&mut self, aspect: &str, from: &str, text: &str) -> Turn {
        self.turn(aspect, None, from, text).await
    }

    pub(crate) async fn hand(&mut self, aspect: &str, hand: &str, input: &Value) -> Value {
        let turn = self.turn(aspect, Some(hand), "forge", &input.to_string()).await;
        serde_json::from_str(&turn.answer).expect("a Hand answers in JSON")
    }

    async fn turn(&mut self, aspect: &str, hand: Option<&str>, from: &str, text: &str) -> Turn {
        let home = shipped(aspect);
        let config = read_config(&home);
        let provider = Provider::new(config.resolve(|_| None).expect("valid"), &home).expect("a provider");
        let mut messages =
            vec![Message { role: Role::User, content: vec![Block::Text { text: text.to_owned() }] }];
        let mut called = Vec::new();
        for _ in 0..ROUNDS_MAX {
            let request = ModelRequest {
                system: String::new(),
                messages: messages.clone(),
                tools: tools(&home, hand),
                max_tokens: 1000,
                origin: Origin {
                    aspect: aspect.to_owned(),
                    hand: hand.map(str::to_owned),
                    from: Some(from.to_owned()),
                    thread: None,
                    trace: None,
                    summary: false,
                    asked: 1,
                },
            };
            let (events, mut told) = mpsc::channel(4096);
            let reply = provider.stream(request, events).await.expect("a reply").reply;
            let mut streamed = String::new();
            while let Some(event) = told.recv().await {
                match event {
                    StreamEvent::TextDelta(text) => streamed.push_str(&text),
                    StreamEvent::Done(done) => assert_eq!(done, reply),
                    StreamEvent::Restart | StreamEvent::ThinkingDelta(_) | StreamEvent::ToolUse { .. } => {}
                }
            }
            let said: String = reply.content.iter().filter_map(text_of).collect();
            assert_eq!(streamed, said, "what was streamed is what was said");
            if reply.stop != StopReason::ToolUse {
                return Turn { called, answer: said };
            }
            let mut results = Vec::new();
            for block in &reply.content {
                let Block::ToolUse { id, name, input } = block else { continue };
                called.push(name.clone());
                let (content, is_error) = match Box::pin(self.call(name, input)).await {
                    Ok(value) => (value.to_string(), false),
                    Err(reason) => (reason, true),
                };
                results.push(Block::ToolResult { tool_use_id: id.clone(), content, is_error });
            }
            messages.push(Message { role: Role::Assistant, content: reply.content });
            messages.push(Message { role: Role::User, content: results });
        }
        panic!("{aspect} did not come to an end: {called:?}");
    }

    async fn call(&mut self, tool: &str, input: &Value) -> Result<Value, String> {
        let text = |name: &str| input[name].as_str().unwrap_or_default().to_owned();
        match tool {
            "search_files" => Ok(self.search(&text("query"))),
            "read_file" => self.read(&text("path"), input["from_line"].as_u64(), input["lines"].as_u64()),
            "dispatch_hand" => {
                let (aspect, hand) =
                    input["hand"].as_str().and_then(|hand| hand.split_once('/')).expect("a Hand");
                let output = self.hand(aspect, hand, &input["input"]).await;
                Ok(json!({"dispatch_id": "d-1", "state": "done", "output": output}))
            }
            "list_team" => Ok(json!({"aspects": [
                {"name": "keel", "role": "frame", "state": "online", "capabilities": ["lead"], "hands": []},
                {"name": "wren", "role": "worker", "state": "offline", "capabilities": [],
                 "hands": [{"name": "verify-claim", "description": "Checks."}]},
            ]})),
            "send_message" | "store_knowledge" => {
                self.sent.push((tool.to_owned(), input.clone()));
                Ok(json!({"message_id": "m-1"}))
            }
            "search_knowledge" => Ok(json!({"hits": [
                {"from": "forge", "topic": "limits", "content": "Frames are at most 1 MiB."},
            ]})),
            other => Err(format!("no tool is called {other}")),
        }
    }

    fn search(&self, query: &str) -> Value {
        let words: Vec<String> = query.split_whitespace().map(str::to_lowercase).collect();
        let mut matches = Vec::new();
        for path in self.paths() {
            let text = fs::read_to_string(self.files.path().join(&path)).expect("a file");
            let weight = if path.contains("tests/") { 0.5 } else { 1.0 };
            for (index, line) in text.lines().enumerate() {
                let lower = line.to_lowercase();
                let score = words.iter().filter(|word| lower.contains(word.as_str())).count() as f64;
                if score > 0.0 {
                    matches.push(json!({"path": path, "line": index + 1, "text": line.trim(), "score": score * weight}));
                }
            }
        }
        let score = |hit: &Value| hit["score"].as_f64().expect("a score");
        matches.sort_by(|a, b| score(b).total_cmp(&score(a)));
        matches.truncate(20);
        json!({"matches": matches, "truncated": false})
    }

    fn read(&self, path: &str, from_line: Option<u64>, lines: Option<u64>) -> Result<Value, String> {
        let text =
            fs::read_to_string(self.files.path().join(path)).map_err(|error| format!("{path}: {error}"))?;
        let from = from_line.unwrap_or(1).max(1) as usize;
        let count = lines.unwrap_or(400) as usize;
        let total = text.lines().count();
        if from > total {
            return Err(format!("{path} has {total} lines, so nothing stands at line {from}"));
        }
        let part: Vec<&str> = text.lines().skip(from - 1).take(count).collect();
        Ok(json!({
            "path": path, "from_line": from, "text": part.join("\n"), "total_lines": total,
            "truncated": from - 1 + part.len() < total,
        }))
    }

    fn paths(&self) -> Vec<String> {
        let mut found = Vec::new();
        let mut open = vec![PathBuf::new()];
        while let Some(folder) = open.pop() {
            for entry in fs::read_dir(self.files.path().join(&folder)).expect("a folder") {
                let entry = entry.expect("an entry");
                let path = folder.join(entry.file_name());
                if entry.file_type().expect("a type").is_dir() {
                    open.push(path);
                } else {
                    found.push(path.to_string_lossy().into_owned());
                }
            }
        }
        found.sort();
        found
    }
}

fn text_of(block: &Block) -> Option<&str> {
    match block {
        Block::Text { text } => Some(text),
        Block::Thinking { .. } | Block::ToolUse { .. } | Block::ToolResult { .. } => None,
    }
}

pub(crate) fn shipped(aspect: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../agents").join(aspect)
}

pub(crate) fn aspect_json(home: &Path) -> Value {
    let text = fs::read_to_string(home.join("aspect.json")).expect("aspect.json");
    serde_json::from_str(&text).expect("JSON")
}

fn read_config(home: &Path) -> ProviderConfig {
    serde_json::from_value(aspect_json(home)["provider"].clone()).expect("a provider object")
}

fn tools(home: &Path, hand: Option<&str>) -> Vec<ToolSpec> {
    let aspect = aspect_json(home);
    let names = match hand {
        None => aspect["tools"].clone(),
        Some(hand) => {
            let hands = aspect["hands"].as_array().expect("hands").clone();
            hands.into_iter().find(|one| one["name"] == hand).expect("the Hand")["tools"].clone()
        }
    };
    let names: Vec<String> = serde_json::from_value(names).expect("names");
    names
        .into_iter()
        .map(|name| ToolSpec { name, description: String::new(), input_schema: json!({"type": "object"}) })
        .collect()
}
