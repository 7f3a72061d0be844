//! A server that speaks as a provider's does, in the shapes that were recorded of them.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};

use nexus_tests::process::checkout;
use serde_json::{Value, json};

/// What was asked: head and body.
type Asked = Arc<Mutex<Vec<(String, Value)>>>;

/// A server that answers each request in turn; the last answer is for all that follow.
pub(crate) struct Stub {
    pub(crate) url: String,
    asked: Asked,
}

#[derive(Clone)]
pub(crate) struct Answer {
    status: &'static str,
    content_type: &'static str,
    headers: String,
    pub(crate) body: String,
}

impl Answer {
    pub(crate) fn events(events: &[Value], end: &str) -> Self {
        let mut body = String::new();
        for event in events {
            if let Some(kind) = event["type"].as_str() {
                body.push_str(&format!("event: {kind}\n"));
            }
            body.push_str(&format!("data: {event}\n\n"));
        }
        body.push_str(end);
        Self { status: "200 OK", content_type: "text/event-stream", headers: String::new(), body }
    }

    /// A recorded stream of Ollama's, `fixtures/ollama/<name>.jsonl`.
    pub(crate) fn ollama(name: &str) -> Self {
        let path = checkout().join("runtime/agent/tests/fixtures/ollama").join(name).with_extension("jsonl");
        let body = std::fs::read_to_string(path).expect("it was recorded");
        Self { status: "200 OK", content_type: "application/x-ndjson", headers: String::new(), body }
    }

    pub(crate) fn refusal(status: &'static str, body: &Value) -> Self {
        Self { status, content_type: "application/json", headers: String::new(), body: body.to_string() }
    }

    pub(crate) fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push_str(&format!("{name}: {value}\r\n"));
        self
    }
}

impl Stub {
    pub(crate) fn start(answers: Vec<Answer>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("loopback is there");
        let url = format!("http://{}", listener.local_addr().expect("it is bound"));
        let asked = Asked::default();
        let seen = Arc::clone(&asked);
        std::thread::spawn(move || {
            for (at, stream) in listener.incoming().enumerate() {
                let answer = answers.get(at).or_else(|| answers.last()).expect("a stub has an answer");
                let Some(request) = stream.ok().and_then(|stream| serve(stream, answer)) else { return };
                seen.lock().unwrap_or_else(PoisonError::into_inner).push(request);
            }
        });
        Self { url, asked }
    }

    pub(crate) fn asked(&self) -> Vec<(String, Value)> {
        let asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner).clone();
        // A vendor has no part in our traces.
        assert!(asked.iter().all(|(head, _)| !head.contains("traceparent")), "{asked:?}");
        asked
    }
}

/// One request, one answer, one connection.
fn serve(stream: TcpStream, answer: &Answer) -> Option<(String, Value)> {
    let mut reader = BufReader::new(stream);
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if reader.read_line(&mut head).ok()? == 0 {
            return None;
        }
    }
    let head = head.to_lowercase().replace("bearer sk", "Bearer sk");
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse().ok())?;
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    let Answer { status, content_type, headers, body: said } = answer;
    let length = said.len();
    let reply = format!(
        "HTTP/1.1 {status}\r\ncontent-type: {content_type}\r\ncontent-length: {length}\r\n{headers}connection: close\r\n\r\n{said}"
    );
    reader.get_mut().write_all(reply.as_bytes()).ok()?;
    Some((head, serde_json::from_slice(&body).ok()?))
}

pub(crate) fn anthropic(content: &[Value], stop: &str) -> Answer {
    let usage = json!({"input_tokens": 11, "output_tokens": 1});
    let mut events = vec![json!({"type": "message_start", "message": {
        "id": "msg_1", "type": "message", "role": "assistant", "content": [], "model": "stub-1-20260101",
        "stop_reason": null, "usage": usage,
    }})];
    for (index, block) in content.iter().enumerate() {
        let (start, delta) = if block["type"] == "tool_use" {
            let mut start = block.clone();
            start["input"] = json!({});
            (start, json!({"type": "input_json_delta", "partial_json": block["input"].to_string()}))
        } else {
            (json!({"type": "text", "text": ""}), json!({"type": "text_delta", "text": block["text"]}))
        };
        events.push(json!({"type": "content_block_start", "index": index, "content_block": start}));
        events.push(json!({"type": "content_block_delta", "index": index, "delta": delta}));
        events.push(json!({"type": "content_block_stop", "index": index}));
    }
    let delta = json!({"stop_reason": stop, "stop_sequence": null});
    events.push(json!({"type": "message_delta", "delta": delta, "usage": {"output_tokens": 7}}));
    events.push(json!({"type": "message_stop"}));
    Answer::events(&events, "")
}

pub(crate) fn openai(delta: Value, stop: &str) -> Answer {
    let chunk = |choices: Value| json!({"id": "c", "object": "chat.completion.chunk", "model": "stub-1", "choices": choices});
    let mut usage = chunk(json!([]));
    usage["usage"] = json!({"prompt_tokens": 11, "completion_tokens": 7, "total_tokens": 18});
    let events = [
        chunk(json!([{"index": 0, "delta": delta, "finish_reason": null}])),
        chunk(json!([{"index": 0, "delta": {}, "finish_reason": stop}])),
        usage,
    ];
    Answer::events(&events, "data: [DONE]\n\n")
}
