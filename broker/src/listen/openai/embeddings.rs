//! `/v1/embeddings`: vectors from the server that `embedder.base_url` names, if one is named. Only whole requests go
//! there, within bounds, and only whole answers come back.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Bytes;
use axum::extract::State;
use axum::http::{StatusCode, header};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use futures_util::StreamExt as _;
use nexus_wire::ErrorCode;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::sync::Semaphore;
use tokio::time::timeout;

use super::Body;
use super::caller::Looker;
use super::fault::Fault;
use super::input::Params;
use super::shown::Shown;
use crate::admit::writer;
use crate::config::EmbedderSettings;
use crate::edge::Edge;

/// Texts of one request; what OpenAI's own takes.
const INPUTS_MAX: usize = 2_048;
const TOKENS_MAX: u64 = 1 << 20;
const DIMENSIONS_MAX: u64 = 65_536;
const AT_ONCE: usize = 8;
const PATIENCE: Duration = Duration::from_secs(120);
const ANSWER_BYTES_MAX: usize = 64 * 1024 * 1024;
/// Of what the embedder says is wrong.
const WHY_BYTES_MAX: usize = 500;
const FORMATS: [&str; 2] = ["float", "base64"];

/// The server that makes vectors.
#[derive(Debug)]
pub(crate) struct Embedder {
    settings: EmbedderSettings,
    /// Requests on their way there.
    room: Semaphore,
}

impl Embedder {
    pub(crate) fn new(settings: EmbedderSettings) -> Self {
        Self { settings, room: Semaphore::new(AT_ONCE) }
    }
}

/// A request that was checked.
#[derive(Debug, PartialEq)]
pub(super) struct Asked {
    input: Value,
    count: usize,
    dimensions: Option<u64>,
    is_base64: bool,
}

/// An answer as far as it is used.
#[derive(Deserialize)]
struct Answered {
    data: Vec<Vector>,
    usage: Option<Usage>,
}

#[derive(Deserialize)]
struct Vector {
    #[serde(default)]
    index: Option<usize>,
    embedding: Vec<f32>,
}

#[derive(Clone, Copy, Default, Deserialize)]
struct Usage {
    #[serde(default)]
    prompt_tokens: u64,
    #[serde(default)]
    total_tokens: u64,
}

pub(super) async fn embed(
    State(edge): State<Arc<Edge>>,
    Looker(caller): Looker,
    Body(body): Body,
) -> Result<Shown, Fault> {
    let Some(embedder) = &edge.embedder else { return Err(none()) };
    writer(&caller).inspect_err(|_| edge.forbidden(&caller.party, "embeddings".to_owned()))?;
    let asked = read(&body, &embedder.settings.model)?;
    edge.may_spend()?;
    let Ok(_permit) = embedder.room.try_acquire() else {
        let message = "as many requests are on their way to the embedder as may be at once";
        let fault =
            Fault::of(StatusCode::TOO_MANY_REQUESTS, ErrorCode::RateLimited, "rate_limit_exceeded", message);
        return Err(fault.again_in(1));
    };
    let asking = ask(&edge, &embedder.settings, &asked);
    let bytes = tokio::select! {
        bytes = timeout(PATIENCE, asking) => bytes.unwrap_or_else(|_| Err(away("it did not answer in time")))?,
        why = edge.has_to_end() => return Err(why.into()),
    };
    let (value, usage) = checked(&bytes, &asked, &embedder.settings.model)?;
    edge.published.meter.embedded(usage.total_tokens);
    Ok(Shown::of(&value))
}

fn none() -> Fault {
    let message = "this Nexus has no embedder: aspects answer, and none of them makes vectors; an admin names a server that \
                   does as embedder.base_url and embedder.model in nexus.toml, and GET /api/v1/knowledge/search searches \
                   without one";
    Fault::of(StatusCode::NOT_IMPLEMENTED, ErrorCode::Unsupported, "no_embedder", message)
}

pub(super) fn read(body: &Bytes, model: &str) -> Result<Asked, Fault> {
    let mut params = Params::of(body)?;
    let named = params.model()?;
    if named != model {
        let named: String = named.chars().take(64).collect();
        let message = format!("The model `{named}` makes no vectors here: that is `{model}`");
        let fault = Fault::of(StatusCode::NOT_FOUND, ErrorCode::NotFound, "model_not_found", message);
        return Err(fault.about("model"));
    }
    let input = params.take("input").ok_or_else(|| Fault::invalid("input", "you must provide an `input`"))?;
    let count = count(&input)?;
    let dimensions = match params.take("dimensions") {
        None => None,
        Some(value) => match value.as_u64() {
            Some(number @ 1..=DIMENSIONS_MAX) => Some(number),
            Some(_) | None => {
                let message = format!("`dimensions` is a whole number from 1 to {DIMENSIONS_MAX}");
                return Err(Fault::invalid("dimensions", message));
            }
        },
    };
    let format = params.text("encoding_format")?.unwrap_or_else(|| "float".to_owned());
    if !FORMATS.contains(&format.as_str()) {
        return Err(Fault::invalid("encoding_format", "`encoding_format` is float or base64"));
    }
    params.pass_over(&["user"]);
    params.nothing_else()?;
    Ok(Asked { input, count, dimensions, is_base64: format == "base64" })
}

/// How many vectors `input` asks for: a text or its tokens, or a list of either.
fn count(input: &Value) -> Result<usize, Fault> {
    let wrong = |message: &str| Err(Fault::invalid("input", message));
    let is_text = |value: &Value| value.as_str().is_some_and(|text| !text.is_empty());
    let is_token = |value: &Value| value.as_u64().is_some_and(|token| token < TOKENS_MAX);
    let is_tokens =
        |value: &Value| value.as_array().is_some_and(|all| !all.is_empty() && all.iter().all(is_token));
    let Value::Array(all) = input else {
        return if is_text(input) {
            Ok(1)
        } else {
            wrong("`input` is a text that is not empty, a list of such, or tokens")
        };
    };
    if is_tokens(input) {
        return Ok(1);
    }
    if all.len() > INPUTS_MAX {
        return wrong(&format!("`input` has {} texts, at most {INPUTS_MAX}", all.len()));
    }
    if all.is_empty() || !(all.iter().all(is_text) || all.iter().all(is_tokens)) {
        return wrong("`input` is a list of texts, or of lists of tokens, none of them empty");
    }
    Ok(all.len())
}

/// The answer's body, if it is a good one.
async fn ask(edge: &Edge, settings: &EmbedderSettings, asked: &Asked) -> Result<Vec<u8>, Fault> {
    let mut request = json!({"model": settings.model, "input": asked.input, "encoding_format": "float"});
    if let Some(dimensions) = asked.dimensions {
        request["dimensions"] = json!(dimensions);
    }
    let client = edge.outside.client().map_err(|error| away(&error.message))?;
    let mut call = client.post(format!("{}/embeddings", settings.base_url)).json(&request);
    if let Some(key) = &settings.key {
        call = call.bearer_auth(key.expose());
    }
    let answer = call.send().await.map_err(|error| away(&reason(&error)))?;
    let (status, again) = (answer.status(), answer.headers().get(header::RETRY_AFTER).cloned());
    let mut body = Vec::new();
    let mut pieces = answer.bytes_stream();
    while let Some(piece) = pieces.next().await {
        body.extend_from_slice(&piece.map_err(|error| away(&reason(&error)))?);
        if body.len() > ANSWER_BYTES_MAX {
            return Err(bad("it is larger than may be"));
        }
    }
    if status.is_success() {
        return Ok(body);
    }
    let said = serde_json::from_slice::<Value>(&body).unwrap_or_default();
    let said =
        said["error"]["message"].as_str().or_else(|| said["error"].as_str()).unwrap_or("it says no more");
    let why = &said[..said.floor_char_boundary(WHY_BYTES_MAX)];
    Err(match status {
        StatusCode::TOO_MANY_REQUESTS => {
            let wait = again.and_then(|it| it.to_str().ok()?.parse().ok()).unwrap_or(1);
            let message = format!("the embedder is asked too often: {why}");
            let (counted, code) = (ErrorCode::RateLimited, "rate_limit_exceeded");
            Fault::of(StatusCode::TOO_MANY_REQUESTS, counted, code, message).again_in(wait)
        }
        StatusCode::BAD_REQUEST | StatusCode::PAYLOAD_TOO_LARGE | StatusCode::UNPROCESSABLE_ENTITY => {
            Fault::invalid("input", format!("the embedder refuses it: {why}"))
        }
        status if status.is_server_error() => away(&format!("it answered {}: {why}", status.as_u16())),
        status => bad(&format!("it answered {}: {why}", status.as_u16())),
    })
}

/// The same request can succeed later.
fn away(why: &str) -> Fault {
    let message = format!("the embedder gives no answer: {why}");
    Fault::of(StatusCode::SERVICE_UNAVAILABLE, ErrorCode::Unavailable, "embedder_unavailable", message)
        .again_in(2)
}

/// Somebody has to look at the embedder, or at how it is set.
fn bad(why: &str) -> Fault {
    let message = format!("the embedder's answer cannot be used: {why}");
    Fault::of(StatusCode::BAD_GATEWAY, ErrorCode::Internal, "embedder_failed", message)
}

/// The last of the causes says what really happened.
fn reason(error: &reqwest::Error) -> String {
    let mut cause: &dyn std::error::Error = error;
    while let Some(next) = cause.source() {
        cause = next;
    }
    cause.to_string()
}

/// One vector for each input, in their order and all of one length.
fn checked(bytes: &[u8], asked: &Asked, model: &str) -> Result<(Value, Usage), Fault> {
    let Answered { mut data, usage } = serde_json::from_slice(bytes)
        .map_err(|error| bad(&format!("it is no list of embeddings ({error})")))?;
    if data.len() != asked.count {
        return Err(bad(&format!("{} vectors came for {} inputs", data.len(), asked.count)));
    }
    if data.iter().any(|it| it.index.is_some()) {
        data.sort_by_key(|it| it.index);
        if data.iter().enumerate().any(|(at, it)| it.index != Some(at)) {
            return Err(bad("which vector belongs to which input cannot be told"));
        }
    }
    let length = data.first().map_or(0, |it| it.embedding.len());
    let is_good = |it: &Vector| it.embedding.len() == length && it.embedding.iter().all(|x| x.is_finite());
    if length == 0 || !data.iter().all(is_good) {
        return Err(bad("its vectors are empty, of different lengths, or no numbers"));
    }
    if asked.dimensions.is_some_and(|wanted| wanted != length as u64) {
        let message = format!("`dimensions` is not for this embedder to choose: its vectors have {length}");
        return Err(Fault::unsupported("dimensions", message));
    }
    let shown = |(at, it): (usize, Vector)| {
        let embedding = match asked.is_base64 {
            true => {
                let bytes: Vec<u8> = it.embedding.iter().flat_map(|x| x.to_le_bytes()).collect();
                json!(BASE64_STANDARD.encode(bytes))
            }
            false => json!(it.embedding),
        };
        json!({"object": "embedding", "index": at, "embedding": embedding})
    };
    let data: Vec<Value> = data.into_iter().enumerate().map(shown).collect();
    let usage = usage.unwrap_or_default();
    let Usage { prompt_tokens, total_tokens } = usage;
    let told = json!({"prompt_tokens": prompt_tokens, "total_tokens": total_tokens});
    Ok((json!({"object": "list", "data": data, "model": model, "usage": told}), usage))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(more: Value) -> Result<Asked, &'static str> {
        let mut body = json!({"model": "small", "input": "a"});
        for (name, value) in more.as_object().unwrap() {
            body[name] = value.clone();
        }
        read(&body.to_string().into(), "small").map_err(|fault| fault.code())
    }

    #[test]
    fn what_is_asked_has_bounds() {
        let count = |input: Value| asked(json!({"input": input})).map(|asked| asked.count);
        for (input, expected) in [
            (json!("a"), 1),
            (json!(["a", "b"]), 2),
            (json!([1, 2, 3]), 1),
            (json!([[1], [2, 3]]), 2),
            (json!(vec!["a"; INPUTS_MAX]), INPUTS_MAX),
        ] {
            assert_eq!(count(input.clone()), Ok(expected), "{input}");
        }
        for input in [
            json!(""),
            json!([]),
            json!(7),
            json!(["a", ""]),
            json!(["a", 1]),
            json!([[]]),
            json!([-1]),
            json!([1 << 21]),
            json!({"a": 1}),
            json!(vec!["a"; INPUTS_MAX + 1]),
        ] {
            assert_eq!(count(input.clone()), Err("invalid_value"), "{input}");
        }
        for (more, code) in [
            (json!({"model": "large"}), "model_not_found"),
            (json!({"dimensions": 0}), "invalid_value"),
            (json!({"dimensions": "3"}), "invalid_value"),
            (json!({"encoding_format": "int8"}), "invalid_value"),
            (json!({"colour": "red"}), "unknown_parameter"),
        ] {
            assert_eq!(asked(more.clone()), Err(code), "{more}");
        }
        let more = json!({"dimensions": 3, "encoding_format": "base64", "user": "ana"});
        let whole = Asked { input: json!("a"), count: 1, dimensions: Some(3), is_base64: true };
        assert_eq!(asked(more), Ok(whole));
    }

    #[test]
    fn an_answer_is_used_when_it_is_whole() {
        let asked = |count: usize, dimensions: Option<u64>, is_base64: bool| Asked {
            input: json!("a"),
            count,
            dimensions,
            is_base64,
        };
        let found = |answer: Value, asked: &Asked| {
            let found = checked(answer.to_string().as_bytes(), asked, "small");
            found.map(|(value, _)| value).map_err(|fault| fault.code())
        };
        let two = json!({
            "data": [{"index": 1, "embedding": [0.5, -2.0]}, {"index": 0, "embedding": [1, 2]}],
            "usage": {"prompt_tokens": 3, "total_tokens": 3},
        });
        let one =
            |at: usize, embedding: Value| json!({"object": "embedding", "index": at, "embedding": embedding});
        let usage = json!({"prompt_tokens": 3, "total_tokens": 3});
        let shown =
            |data: Value| Ok(json!({"object": "list", "data": data, "model": "small", "usage": usage}));
        let floats = json!([one(0, json!([1.0, 2.0])), one(1, json!([0.5, -2.0]))]);
        assert_eq!(found(two.clone(), &asked(2, None, false)), shown(floats));
        let texts = json!([one(0, json!("AACAPwAAAEA=")), one(1, json!("AAAAPwAAAMA="))]);
        assert_eq!(found(two.clone(), &asked(2, Some(2), true)), shown(texts));
        assert_eq!(found(two.clone(), &asked(2, Some(3), false)), Err("unsupported_parameter"));
        for answer in [
            two,
            json!({"data": []}),
            json!({"data": [{"embedding": []}]}),
            json!({"data": [{"embedding": ["a"]}]}),
            json!({"data": [{"index": 4, "embedding": [1]}]}),
            json!({"data": [{"embedding": [1e300]}]}),
            json!({"vectors": [[1]]}),
            json!([1]),
        ] {
            assert_eq!(found(answer.clone(), &asked(1, None, false)), Err("embedder_failed"), "{answer}");
        }
    }
}
