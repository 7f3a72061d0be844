//! A small OpenTelemetry collector: takes spans over HTTP as protobuf, or behaves badly.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value as Any;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue};
use opentelemetry_proto::tonic::trace::v1::status::StatusCode;
use prost::Message as _;

use crate::wait_until;

/// What it does with what comes.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Manner {
    Takes,
    /// Reads and never answers.
    Hangs,
    /// Says that it is not available.
    Refuses,
    /// Hangs up.
    Closes,
}

#[derive(Debug)]
pub struct Collector {
    pub url: String,
    seen: Arc<Mutex<Seen>>,
}

#[derive(Debug, Default)]
struct Seen {
    spans: Vec<Span>,
    /// Heads and bodies, as they came.
    heads: Vec<String>,
    bodies: Vec<u8>,
    /// Connections that nobody answers are kept open.
    hanging: Vec<TcpStream>,
}

#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Span {
    pub trace: String,
    pub id: String,
    /// Empty for a root.
    pub parent: String,
    pub name: String,
    pub kind: &'static str,
    pub attributes: BTreeMap<String, String>,
    pub links: Vec<String>,
    pub is_error: bool,
    /// `service.name`, and for an agent which.
    pub service: String,
    pub ended_before_it_began: bool,
}

impl Collector {
    pub fn start(manner: Manner) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("loopback is there");
        let url = format!("http://{}", listener.local_addr().expect("it is bound"));
        let seen = Arc::new(Mutex::new(Seen::default()));
        let into = Arc::clone(&seen);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let into = Arc::clone(&into);
                std::thread::spawn(move || serve(stream, manner, &into));
            }
        });
        Self { url, seen }
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn spans(&self) -> Vec<Span> {
        self.seen().spans.clone()
    }

    pub fn heads(&self) -> Vec<String> {
        self.seen().heads.clone()
    }

    pub fn bodies(&self) -> Vec<u8> {
        self.seen().bodies.clone()
    }

    /// The spans, once as many of each name are there.
    pub fn wait_for(&self, wanted: &[(&str, usize)]) -> Vec<Span> {
        let what = format!("{wanted:?}");
        wait_until(&what, || {
            let spans = self.spans();
            let enough =
                |(name, count): &(&str, usize)| spans.iter().filter(|it| it.name == *name).count() >= *count;
            wanted.iter().all(enough).then_some(spans)
        })
    }
}

fn serve(stream: TcpStream, manner: Manner, into: &Mutex<Seen>) -> Option<()> {
    let mut reader = BufReader::new(stream);
    loop {
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            if reader.read_line(&mut head).ok()? == 0 {
                return None;
            }
        }
        let head = head.to_lowercase();
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse().ok())?;
        let mut body = vec![0; length];
        reader.read_exact(&mut body).ok()?;
        let mut seen = into.lock().unwrap_or_else(PoisonError::into_inner);
        seen.heads.push(head);
        seen.bodies.extend(&body);
        let status = match manner {
            Manner::Takes => {
                seen.spans.extend(spans(&body));
                "200 OK"
            }
            Manner::Refuses => "503 Service Unavailable",
            Manner::Closes => return None,
            Manner::Hangs => {
                seen.hanging.push(reader.into_inner());
                return None;
            }
        };
        drop(seen);
        let reply =
            format!("HTTP/1.1 {status}\r\ncontent-type: application/x-protobuf\r\ncontent-length: 0\r\n\r\n");
        reader.get_mut().write_all(reply.as_bytes()).ok()?;
    }
}

fn spans(body: &[u8]) -> Vec<Span> {
    let request = ExportTraceServiceRequest::decode(body).expect("it is OTLP");
    let mut found = Vec::new();
    for resource in request.resource_spans {
        let about = attributes(&resource.resource.unwrap_or_default().attributes);
        let named = |key: &str| about.get(key).cloned().unwrap_or_default();
        let service = match named("service.name").as_str() {
            "nexus-agent" => format!("agent {}", named("service.instance.id")),
            other => other.to_owned(),
        };
        for span in resource.scope_spans.into_iter().flat_map(|scope| scope.spans) {
            found.push(Span {
                trace: hex(&span.trace_id),
                id: hex(&span.span_id),
                parent: hex(&span.parent_span_id),
                kind: span.kind().as_str_name().trim_start_matches("SPAN_KIND_"),
                attributes: attributes(&span.attributes),
                links: span.links.iter().map(|link| hex(&link.span_id)).collect(),
                is_error: span.status.as_ref().is_some_and(|it| it.code() == StatusCode::Error),
                service: service.clone(),
                ended_before_it_began: span.end_time_unix_nano < span.start_time_unix_nano,
                name: span.name,
            });
        }
    }
    found
}

fn attributes(list: &[KeyValue]) -> BTreeMap<String, String> {
    list.iter().map(|it| (it.key.clone(), it.value.as_ref().map(text).unwrap_or_default())).collect()
}

fn text(value: &AnyValue) -> String {
    match &value.value {
        Some(Any::StringValue(text)) => text.clone(),
        Some(Any::IntValue(number)) => number.to_string(),
        Some(Any::ArrayValue(array)) => {
            format!("[{}]", array.values.iter().map(text).collect::<Vec<_>>().join(","))
        }
        other => format!("{other:?}"),
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Every span below `parent` as one line, its children indented below it, in the order of their names.
pub fn outline(spans: &[Span], parent: &str) -> Vec<String> {
    let mut below: Vec<(String, Vec<String>)> = spans
        .iter()
        .filter(|span| span.parent == parent)
        .map(|span| {
            let line = format!("{} {} {}", span.service, span.kind, span.name);
            (line, outline(spans, &span.id).into_iter().map(|line| format!("  {line}")).collect())
        })
        .collect();
    below.sort();
    below.into_iter().flat_map(|(line, children)| std::iter::once(line).chain(children)).collect()
}

pub fn traces(spans: &[Span]) -> BTreeSet<&str> {
    spans.iter().map(|span| span.trace.as_str()).collect()
}
