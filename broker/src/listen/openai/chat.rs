//! `/v1/chat/completions`.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{Extension, State};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

use super::caller::{Asker, Terms};
use super::fault::Fault;
use super::input::{self, Params};
use super::place::Places;
use super::reply::{Done, Reply, Wanted};
use super::shown::{Shown, name_thread};
use super::stream::{self, Form};
use super::talk::{Call, Talk};
use super::{about, created};
use crate::edge::Edge;

const PASSED_OVER: [&str; 16] = [
    "frequency_penalty",
    "max_completion_tokens",
    "max_tokens",
    "metadata",
    "parallel_tool_calls",
    "presence_penalty",
    "prompt_cache_key",
    "prompt_cache_retention",
    "reasoning_effort",
    "safety_identifier",
    "seed",
    "service_tier",
    "store",
    "temperature",
    "top_p",
    "user",
];

pub(super) struct Asking {
    wanted: Wanted,
    include_usage: bool,
}

pub(super) fn read(body: &Bytes, terms: &Terms) -> Result<Asking, Fault> {
    let mut params = Params::of(body)?;
    let thread = params.thread(terms)?;
    let model = params.model()?;
    let turns = input::turns(params.take("messages"))?;
    let functions = input::functions(&mut params, true)?;
    let stream = params.flag("stream")?;
    let options = params.take("stream_options").unwrap_or_default();
    params.only("n", &[json!(1)], "an aspect gives one answer: `n` is 1")?;
    params.only("logprobs", &[json!(false)], "an aspect's answer has no `logprobs`")?;
    params.only("top_logprobs", &[json!(0)], "an aspect's answer has no `top_logprobs`")?;
    params.only("logit_bias", &[json!({})], "an aspect's words cannot be weighed")?;
    params.only("stop", &[json!([])], "an aspect's answer is not cut: there is no `stop`")?;
    let whole = "an aspect's answer is text, and no format can be promised";
    params.only("response_format", &[json!({"type": "text"})], whole)?;
    params.only("modalities", &[json!(["text"])], "an aspect answers with text")?;
    params.only("verbosity", &[json!("medium")], "how much an aspect says is its own to decide")?;
    for name in ["audio", "function_call", "functions", "prediction", "web_search_options"] {
        params.only(name, &[], &format!("`{name}` is not supported"))?;
    }
    params.pass_over(&PASSED_OVER);
    params.nothing_else()?;
    let talk = Talk::of(turns).ok_or_else(|| {
        Fault::invalid("messages", "the last of the `messages` is a user's, or what a function returned")
    })?;
    let include_usage = options["include_usage"] == json!(true);
    Ok(Asking { wanted: Wanted { model, talk, functions, thread, stream }, include_usage })
}

pub(super) async fn complete(
    State(edge): State<Arc<Edge>>,
    Asker(caller): Asker,
    terms: Terms,
    Extension(places): Extension<Places>,
    super::Body(body): super::Body,
) -> Result<Response, Fault> {
    let Asking { wanted, include_usage } = read(&body, &terms)?;
    let is_streamed = wanted.stream;
    let mut reply = Reply::begin(&edge, &caller, &terms, &places, wanted).await?;
    let thread = reply.thread();
    if is_streamed {
        let mut response = stream::respond(reply, |reply| Chunks::of(reply, include_usage));
        name_thread(&mut response, Some(thread));
        return Ok(response);
    }
    let done = reply.whole().await?;
    Ok(Shown::in_thread(&completion(&reply, &done), thread).into_response())
}

fn id(reply: &Reply) -> String {
    format!("chatcmpl-{}", reply.question().0.simple())
}

fn completion(reply: &Reply, done: &Done) -> Value {
    let mut message = json!({"role": "assistant", "content": done.text, "refusal": null});
    if !done.calls.is_empty() {
        message["content"] = Value::Null;
        message["tool_calls"] = done.calls.iter().map(shown).collect();
    }
    json!({
        "id": id(reply),
        "object": "chat.completion",
        "created": created(),
        "model": reply.model(),
        "choices": [{"index": 0, "message": message, "logprobs": null, "finish_reason": finish(done)}],
        "usage": usage(done),
        "nexus": about(reply, Some(done)),
    })
}

fn shown(Call { id, name, arguments }: &Call) -> Value {
    json!({"id": id, "type": "function", "function": {"name": name, "arguments": arguments}})
}

fn finish(done: &Done) -> &'static str {
    if done.calls.is_empty() { "stop" } else { "tool_calls" }
}

fn usage(done: &Done) -> Value {
    let usage = &done.usage;
    let prompt = usage.tokens().saturating_sub(usage.output_tokens);
    json!({
        "prompt_tokens": prompt,
        "completion_tokens": usage.output_tokens,
        "total_tokens": usage.tokens(),
        "prompt_tokens_details": {"cached_tokens": usage.cache_read_tokens, "audio_tokens": 0},
        "completion_tokens_details": {"reasoning_tokens": 0, "audio_tokens": 0},
    })
}

/// A completion in pieces.
struct Chunks {
    id: String,
    model: String,
    created: i64,
    about: Value,
    include_usage: bool,
}

impl Chunks {
    fn of(reply: &Reply, include_usage: bool) -> Self {
        let (id, model) = (id(reply), reply.model().to_owned());
        Self { id, model, created: created(), about: about(reply, None), include_usage }
    }

    fn chunk(&self, choices: &Value) -> Value {
        let mut chunk = json!({
            "id": self.id,
            "object": "chat.completion.chunk",
            "created": self.created,
            "model": self.model,
            "choices": choices,
        });
        if self.include_usage {
            chunk["usage"] = Value::Null;
        }
        chunk
    }

    fn choice(&self, delta: &Value, finish: Option<&str>) -> Value {
        self.chunk(&json!([{"index": 0, "delta": delta, "logprobs": null, "finish_reason": finish}]))
    }
}

impl Form for Chunks {
    fn begin(&mut self, out: &mut stream::Piece) {
        let mut first = self.choice(&json!({"role": "assistant", "content": "", "refusal": null}), None);
        first["nexus"] = self.about.clone();
        out.data(&first);
    }

    fn text(&mut self, text: &str, out: &mut stream::Piece) {
        out.data(&self.choice(&json!({"content": text}), None));
    }

    fn done(&mut self, done: &Done, about: Value, out: &mut stream::Piece) {
        for (n, call) in done.calls.iter().enumerate() {
            let mut call = shown(call);
            call["index"] = json!(n);
            out.data(&self.choice(&json!({"tool_calls": [call]}), None));
        }
        let mut last = self.choice(&json!({}), Some(finish(done)));
        last["nexus"] = about;
        out.data(&last);
        if self.include_usage {
            let mut with_usage = self.chunk(&json!([]));
            with_usage["usage"] = usage(done);
            out.data(&with_usage);
        }
        out.end();
    }

    fn failed(&mut self, fault: &Fault, out: &mut stream::Piece) {
        out.data(&fault.to_json());
    }
}
