//! `/v1/responses`.

mod events;

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{Extension, State};
use axum::response::{IntoResponse, Response};
use nexus_wire::chat::{ChatPage, ChatRead};
use nexus_wire::{ErrorCode, MessageId, RequestId, ThreadId, ToBroker};
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::caller::{Asker, Terms};
use super::fault::Fault;
use super::input::{self, Params};
use super::place::Places;
use super::reply::{self, Done, Reply, Wanted};
use super::shown::{Shown, name_thread};
use super::talk::{Call, Role, Talk, Turn, instructions};
use super::{about, created, stream};
use crate::edge::Edge;
use crate::identity::Identity;
use events::Events;

const PASSED_OVER: [&str; 14] = [
    "max_output_tokens",
    "max_tool_calls",
    "parallel_tool_calls",
    "prompt_cache_key",
    "prompt_cache_retention",
    "reasoning",
    "safety_identifier",
    "service_tier",
    "store",
    "stream_options",
    "temperature",
    "top_p",
    "truncation",
    "user",
];
/// Where the instructions of a thread are looked for.
const MESSAGES_LOOKED_AT: u32 = 200;

pub(super) struct Asking {
    wanted: Wanted,
    instructions: Option<String>,
    turns: Vec<Turn>,
    previous: Option<String>,
    metadata: Value,
}

pub(super) fn read(body: &Bytes, terms: &Terms) -> Result<Asking, Fault> {
    let mut params = Params::of(body)?;
    let thread = params.thread(terms)?;
    let model = params.model()?;
    let instructions = params.text("instructions")?;
    let turns = turns(params.take("input"))?;
    let functions = input::functions(&mut params, false)?;
    let previous = params.text("previous_response_id")?;
    let stream = params.flag("stream")?;
    let metadata = params.take("metadata").unwrap_or_else(|| json!({}));
    params.only("background", &[json!(false)], "an answer is waited for: `background` is false")?;
    params.only("include", &[json!([])], "there is nothing to `include`")?;
    params.only("top_logprobs", &[json!(0)], "an aspect's answer has no `top_logprobs`")?;
    let whole = "an aspect's answer is text, and no format can be promised";
    params.only("text", &[json!({"format": {"type": "text"}}), json!({})], whole)?;
    for name in ["context_management", "conversation", "moderation", "prompt"] {
        params.only(name, &[], &format!("`{name}` is not supported"))?;
    }
    params.pass_over(&PASSED_OVER);
    params.nothing_else()?;
    let first = instructions.iter().map(|text| turn(Role::System, text.clone()));
    let all: Vec<Turn> = first.chain(turns.iter().cloned()).collect();
    let talk = Talk::of(all).ok_or_else(|| {
        Fault::invalid("input", "the last of the `input` is a user's, or what a function returned")
    })?;
    let wanted = Wanted { model, talk, functions, thread, stream };
    Ok(Asking { wanted, instructions, turns, previous, metadata })
}

fn turn(role: Role, text: String) -> Turn {
    Turn { role, text, name: None, calls: Vec::new(), call: None }
}

/// The `input`: a text, or items.
fn turns(input: Option<Value>) -> Result<Vec<Turn>, Fault> {
    match input {
        Some(Value::String(text)) if !text.trim().is_empty() => Ok(vec![turn(Role::User, text)]),
        Some(Value::Array(items)) => {
            let mut turns: Vec<Turn> = Vec::new();
            for (n, item) in items.into_iter().enumerate() {
                let said = self::item(&format!("input[{n}]"), item, &turns)?;
                turns.extend(said);
            }
            Ok(turns)
        }
        Some(_) | None => {
            Err(Fault::invalid("input", "`input` is a text or a list of items, and there is none"))
        }
    }
}

fn item(at: &str, item: Value, before: &[Turn]) -> Result<Option<Turn>, Fault> {
    let Value::Object(mut fields) = item else {
        return Err(Fault::invalid(at, format!("`{at}` is no object")));
    };
    let kind = fields.get("type").and_then(Value::as_str).unwrap_or("message").to_owned();
    let text = |fields: &Map<String, Value>, name: &str| {
        let text = fields.get(name).and_then(Value::as_str).map(str::to_owned);
        text.ok_or_else(|| Fault::invalid(format!("{at}.{name}"), format!("`{at}.{name}` is a string")))
    };
    match kind.as_str() {
        "message" => {
            fields.remove("type");
            Ok(Some(input::turn(at, Value::Object(fields))?))
        }
        "function_call" => {
            let (id, name) = (text(&fields, "call_id")?, text(&fields, "name")?);
            let calls = vec![Call { id, name, arguments: text(&fields, "arguments")? }];
            Ok(Some(Turn { calls, ..turn(Role::Assistant, String::new()) }))
        }
        "function_call_output" => {
            let call = text(&fields, "call_id")?;
            let called = before.iter().flat_map(|turn| &turn.calls).find(|it| it.id == call);
            let name = called.map(|call| call.name.clone());
            let text = input::content(&format!("{at}.output"), fields.remove("output"))?;
            Ok(Some(Turn { name, call: Some(call), ..turn(Role::Tool, text) }))
        }
        // What another model thought; an aspect has no use for it.
        "reasoning" => Ok(None),
        other => {
            let message = format!("`{at}`: items of type {other:?} are not supported");
            Err(Fault::unsupported(format!("{at}.type"), message))
        }
    }
}

pub(super) async fn respond(
    State(edge): State<Arc<Edge>>,
    Asker(caller): Asker,
    terms: Terms,
    Extension(places): Extension<Places>,
    super::Body(body): super::Body,
) -> Result<Response, Fault> {
    let Asking { mut wanted, instructions, turns, previous, metadata } = read(&body, &terms)?;
    if let Some(previous) = &previous {
        let thread = thread_of(&edge, &caller, previous).await?;
        wanted.thread = Some(thread);
        // What the thread was told already is not said again.
        if let Some(text) = &instructions
            && is_told(&edge, &caller, thread, text).await?
            && let Some(talk) = Talk::of(turns)
        {
            wanted.talk = talk;
        }
    }
    let is_streamed = wanted.stream;
    let mut reply = Reply::begin(&edge, &caller, &terms, &places, wanted).await?;
    let thread = reply.thread();
    let mut shape = Shape::of(&reply);
    shape.given =
        json!({"instructions": instructions, "previous_response_id": previous, "metadata": metadata});
    if is_streamed {
        let mut response = stream::respond(reply, |_| Events::of(shape));
        name_thread(&mut response, Some(thread));
        return Ok(response);
    }
    let done = reply.whole().await?;
    let output = shape.output(&done.text, &done.calls);
    let response = shape.response("completed", &output, Some(&done), about(&reply, Some(&done)));
    Ok(Shown::in_thread(&response, thread).into_response())
}

/// Where the response of that id is.
async fn thread_of(edge: &Edge, caller: &Identity, response: &str) -> Result<ThreadId, Fault> {
    let unknown = || {
        let message = format!("Previous response with id '{response}' not found.");
        let status = axum::http::StatusCode::NOT_FOUND;
        let fault = Fault::of(status, ErrorCode::NotFound, "previous_response_not_found", message);
        fault.about("previous_response_id")
    };
    let id = response.strip_prefix("resp_").and_then(|id| Uuid::try_parse(id).ok()).ok_or_else(unknown)?;
    match reply::message(edge, caller, MessageId(id)).await {
        Ok(message) => Ok(message.thread),
        Err(fault) if fault.is_not_found() => Err(unknown()),
        Err(fault) => Err(fault),
    }
}

async fn is_told(edge: &Edge, caller: &Identity, thread: ThreadId, text: &str) -> Result<bool, Fault> {
    let limit = Some(MESSAGES_LOOKED_AT);
    let read = ChatRead { thread: Some(thread), limit, ..ChatRead::default() };
    let answer = edge.request(caller, RequestId(Uuid::now_v7()), ToBroker::ChatRead(read), 0).await?;
    let page: ChatPage = answer.parse().map_err(|error| super::unreadable(&error))?;
    let told = instructions(text);
    Ok(page.messages.iter().any(|it| it.from == caller.party && it.content.contains(&told)))
}

/// What all pictures of one response have in common.
struct Shape {
    question: MessageId,
    model: String,
    created: i64,
    /// As the request said it.
    given: Value,
    about: Value,
}

impl Shape {
    fn of(reply: &Reply) -> Self {
        let (question, model) = (reply.question(), reply.model().to_owned());
        Self { question, model, created: created(), given: Value::Null, about: about(reply, None) }
    }

    fn message_id(&self) -> String {
        format!("msg_{}", self.question.0.simple())
    }

    fn message(&self, status: &str, content: &Value) -> Value {
        let id = self.message_id();
        json!({"id": id, "type": "message", "status": status, "role": "assistant", "content": content})
    }

    fn call(&self, call: &Call, status: &str) -> Value {
        let Call { id, name, arguments } = call;
        let item = format!("fc_{}", id.trim_start_matches("call_"));
        let arguments = if status == "completed" { arguments.as_str() } else { "" };
        json!({"id": item, "type": "function_call", "status": status, "call_id": id, "name": name, "arguments": arguments})
    }

    fn output(&self, text: &str, calls: &[Call]) -> Value {
        if calls.is_empty() {
            return json!([self.message("completed", &json!([part(text)]))]);
        }
        calls.iter().map(|call| self.call(call, "completed")).collect()
    }

    fn response(&self, status: &str, output: &Value, done: Option<&Done>, about: Value) -> Value {
        json!({
            "id": format!("resp_{}", self.question.0.simple()),
            "object": "response",
            "created_at": self.created,
            "status": status,
            "model": self.model,
            "output": output,
            "usage": done.map(usage),
            "error": null,
            "incomplete_details": null,
            "instructions": self.given["instructions"],
            "metadata": self.given["metadata"],
            "previous_response_id": self.given["previous_response_id"],
            "background": false,
            "parallel_tool_calls": true,
            "temperature": null,
            "text": {"format": {"type": "text"}},
            "tool_choice": "auto",
            "tools": [],
            "top_p": null,
            "truncation": "disabled",
            "nexus": about,
        })
    }
}

fn part(text: &str) -> Value {
    json!({"type": "output_text", "text": text, "annotations": [], "logprobs": []})
}

fn usage(done: &Done) -> Value {
    let usage = &done.usage;
    let input = usage.tokens().saturating_sub(usage.output_tokens);
    json!({
        "input_tokens": input,
        "input_tokens_details": {"cached_tokens": usage.cache_read_tokens},
        "output_tokens": usage.output_tokens,
        "output_tokens_details": {"reasoning_tokens": 0},
        "total_tokens": usage.tokens(),
    })
}
