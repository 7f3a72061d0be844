//! An HTTP server that says exactly what a test tells it to, a chunk at a time, and keeps what it was asked.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::http::HeaderMap;
use axum::response::Response;
use futures_util::{StreamExt, stream};
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

/// What becomes of a connection after the last chunk.
#[derive(Clone, Copy, Debug)]
pub(crate) enum End {
    /// It ends as it should.
    Close,
    /// It breaks off in the middle of the body.
    Cut,
    /// It stays open and nothing comes.
    Stall,
}

#[derive(Clone, Debug)]
pub(crate) struct Answer {
    status: u16,
    headers: Vec<(&'static str, String)>,
    chunks: Vec<Bytes>,
    end: End,
}

impl Answer {
    /// Events of a fixture, `size` bytes a chunk.
    pub(crate) fn stream(lines: &[String], size: usize) -> Self {
        let text: String = lines.iter().map(|line| format!("{}data: {line}\n\n", event_line(line))).collect();
        let chunks = text.as_bytes().chunks(size).map(Bytes::copy_from_slice).collect();
        Self {
            status: 200,
            headers: vec![("content-type", "text/event-stream".to_owned())],
            chunks,
            end: End::Close,
        }
    }

    /// The same as lines, the way Ollama streams.
    pub(crate) fn lines(lines: &[String], size: usize) -> Self {
        let text: String = lines.iter().map(|line| format!("{line}\n")).collect();
        let chunks = text.as_bytes().chunks(size).map(Bytes::copy_from_slice).collect();
        let headers = vec![("content-type", "application/x-ndjson".to_owned())];
        Self { status: 200, headers, chunks, end: End::Close }
    }

    pub(crate) fn json(status: u16, body: &Value) -> Self {
        let headers = vec![("content-type", "application/json".to_owned())];
        Self { status, headers, chunks: vec![Bytes::from(body.to_string())], end: End::Close }
    }

    pub(crate) fn text(status: u16, content_type: &str, body: &str) -> Self {
        let headers = vec![("content-type", content_type.to_owned())];
        Self { status, headers, chunks: vec![Bytes::from(body.to_owned())], end: End::Close }
    }

    pub(crate) fn header(mut self, name: &'static str, value: &str) -> Self {
        self.headers.push((name, value.to_owned()));
        self
    }

    pub(crate) fn ending(mut self, end: End) -> Self {
        self.end = end;
        self
    }
}

/// Anthropic names each event before its data; the name is the type.
fn event_line(line: &str) -> String {
    let kind =
        serde_json::from_str::<Value>(line).ok().and_then(|value| value["type"].as_str().map(str::to_owned));
    kind.map(|kind| format!("event: {kind}\n")).unwrap_or_default()
}

#[derive(Clone, Debug)]
pub(crate) struct Asked {
    pub(crate) path: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Value,
}

#[derive(Debug, Default)]
struct Desk {
    answers: Mutex<VecDeque<Answer>>,
    asked: Mutex<Vec<Asked>>,
}

pub(crate) struct Stub {
    pub(crate) url: String,
    desk: Arc<Desk>,
    server: JoinHandle<()>,
}

impl Stub {
    /// Gives these answers in order.
    pub(crate) async fn start(answers: Vec<Answer>) -> Self {
        let desk = Arc::new(Desk { answers: Mutex::new(answers.into()), asked: Mutex::default() });
        let router = Router::new().fallback(respond).with_state(Arc::clone(&desk));
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let server = tokio::spawn(async move { axum::serve(listener, router).await.expect("serving") });
        Self { url, desk, server }
    }

    pub(crate) fn asked(&self) -> Vec<Asked> {
        self.desk.asked.lock().expect("not poisoned").clone()
    }

    /// Every answer was fetched.
    pub(crate) fn is_done(&self) -> bool {
        self.desk.answers.lock().expect("not poisoned").is_empty()
    }
}

impl Drop for Stub {
    fn drop(&mut self) {
        self.server.abort();
    }
}

async fn respond(State(desk): State<Arc<Desk>>, request: Request) -> Response {
    let (head, body) = request.into_parts();
    let body = axum::body::to_bytes(body, usize::MAX).await.expect("a body");
    let body = serde_json::from_slice(&body).unwrap_or_default();
    let asked = Asked { path: head.uri.path().to_owned(), headers: head.headers, body };
    desk.asked.lock().expect("not poisoned").push(asked);
    let answer = desk.answers.lock().expect("not poisoned").pop_front();
    let Some(answer) = answer else {
        return Response::builder().status(418).body(Body::from("no answer is left")).expect("a response");
    };
    let mut response = Response::builder().status(answer.status);
    for (name, value) in answer.headers {
        response = response.header(name, value);
    }
    response.body(body_of(answer.chunks, answer.end)).expect("a response")
}

fn body_of(chunks: Vec<Bytes>, end: End) -> Body {
    type Chunk = Result<Bytes, Box<dyn std::error::Error + Send + Sync>>;
    let chunks = stream::iter(chunks.into_iter().map(Chunk::Ok));
    // The server writes out what it has whenever the body has nothing at hand, so each chunk leaves by itself,
    // the last one before the cut included.
    let separate = async |chunk: Chunk| {
        tokio::task::yield_now().await;
        chunk
    };
    match end {
        End::Close => Body::from_stream(chunks.then(separate)),
        End::Cut => Body::from_stream(chunks.chain(stream::iter([Chunk::Err("cut".into())])).then(separate)),
        End::Stall => Body::from_stream(chunks.chain(stream::pending()).then(separate)),
    }
}
