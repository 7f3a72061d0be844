//! Where services outside knock: `POST /hooks/<trigger>`, with a signature in place of a credential. What is taken is on
//! disk before the answer; who has no good signature learns nothing, not even which triggers there are.

#[cfg(test)]
mod fuzz;

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::body::Bytes;
use axum::extract::{FromRequest as _, Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use nexus_wire::envelope::check_bounds;
use nexus_wire::hook::{HookPayload, HookPreset, HookTaken};
use nexus_wire::limits::{HOOK_BODY_BYTES_MAX, HOOK_DELIVERY_BYTES_MAX};
use nexus_wire::{ErrorBody, ErrorCode};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use tokio::sync::Semaphore;
use tokio::time::timeout;

use super::limits::{Standing, limited};
use super::problem::Problem;
use super::rest::Remote;
use super::rest::input::is_json;
use crate::edge::Edge;
use crate::hub::records::Digest;
use crate::hub::{CommandBody, HookCall, HookDoor};
use crate::identity::signed::{self, Unsigned};

pub(super) const PATH: &str = "/hooks/";

/// Bodies that are read at the same time, of strangers for all we know.
const AT_ONCE: usize = 32;
/// For a body to be there.
const BODY_TIMEOUT: Duration = Duration::from_secs(10);

/// Room for those who are at the door.
#[derive(Debug)]
pub(crate) struct Doorstep(Semaphore);

impl Default for Doorstep {
    fn default() -> Self {
        Self(Semaphore::new(AT_ONCE))
    }
}

/// What comes of a request with a good signature.
enum Told {
    /// To be done.
    Call(String, HookPayload),
    /// The service only wants to know whether somebody is there.
    Answer(Value),
}

pub(super) async fn call(State(edge): State<Arc<Edge>>, request: Request) -> Result<Response, Problem> {
    let remote = request.extensions().get::<Remote>().copied().ok_or_else(|| {
        Problem::from(ErrorBody::new(ErrorCode::Internal, "where the request came from is not known"))
    })?;
    if let Standing::ShutOut(wait) = edge.limits.standing(remote.0.ip()) {
        return Err(too_many(wait));
    }
    let name = request.uri().path().strip_prefix(PATH).unwrap_or_default().to_owned();
    let headers = request.headers().clone();
    let body = {
        let Ok(_room) = edge.doorstep.0.try_acquire() else {
            let message = "too many webhooks come in at the same time; send it again";
            return Err(ErrorBody::new(ErrorCode::RateLimited, message).into());
        };
        let body = timeout(BODY_TIMEOUT, Bytes::from_request(request, &edge));
        body.await.map_err(|_| slow())?.map_err(|rejection| unread(rejection.status()))?
    };
    let door = edge.published.hooks.borrow().get(name.as_str()).cloned();
    let Some(door) = door else {
        signed::check_nothing(&body);
        return Err(refused(&edge, remote, "there is no webhook of that name"));
    };
    checked(&edge, &door, &headers, &body)
        .map_err(|why| refused(&edge, remote, &format!("trigger {}: {why}", door.trigger)))?;
    match told(door.preset, &headers, &body)? {
        Told::Answer(answer) => {
            edge.published.meter.hooked("answered");
            Ok(Json(answer).into_response())
        }
        Told::Call(delivery, payload) => taken(&edge, &door, delivery, &payload, body.len()).await,
    }
}

async fn taken(
    edge: &Edge,
    door: &HookDoor,
    delivery: String,
    payload: &HookPayload,
    bytes: usize,
) -> Result<Response, Problem> {
    // It is made of texts and what was JSON before.
    let payload = serde_json::to_value(payload).unwrap_or_default();
    let call = HookCall { trigger: door.trigger.clone(), id: door.id, delivery, payload };
    let answer = edge.call(CommandBody::Hook(call), 2 * bytes).await;
    let answer = answer.map_err(|body| {
        // The trigger went while its signature was checked.
        if body.code == ErrorCode::Unauthorized { unauthorized() } else { body.into() }
    })?;
    let taken: HookTaken = serde_json::from_str(answer.as_str())
        .map_err(|_| ErrorBody::new(ErrorCode::Internal, "the answer was of an unexpected kind"))?;
    edge.published.meter.hooked(if taken.duplicate { "duplicate" } else { "taken" });
    let status = if taken.duplicate { StatusCode::OK } else { StatusCode::ACCEPTED };
    Ok((status, Json(taken)).into_response())
}

fn checked(edge: &Edge, door: &HookDoor, headers: &HeaderMap, body: &[u8]) -> Result<(), String> {
    let now = edge.now();
    let good = door.secrets.iter().filter(|secret| secret.until.is_none_or(|until| now < until));
    let opened: Vec<_> = good.filter_map(|secret| edge.sealer.open_hook(door.id, &secret.sealed)).collect();
    if opened.is_empty() {
        signed::check_nothing(body);
        return Err(match door.secrets.is_empty() {
            true => "it has no secret yet; nexctl trigger rotate gives it one".to_owned(),
            false => "its secret cannot be opened; set it again with nexctl trigger rotate".to_owned(),
        });
    }
    let secrets: Vec<&str> = opened.iter().map(|secret| secret.as_str()).collect();
    let header = |name: &'static str| text(headers, name);
    signed::check(door.preset, &secrets, header, body, now.div_euclid(1_000))
        .map_err(|why: Unsigned| why.to_string())
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

/// What is said to everybody who has no good signature.
fn unauthorized() -> Problem {
    let message = "nothing here takes this request: the path, the signature or its time is wrong";
    ErrorBody::new(ErrorCode::Unauthorized, message).into()
}

fn refused(edge: &Edge, remote: Remote, why: &str) -> Problem {
    edge.published.meter.hooked("refused");
    match edge.limits.standing(remote.0.ip()) {
        Standing::ShutOut(wait) | Standing::Guarded(wait) => too_many(wait),
        Standing::Good => {
            edge.limits.failed(remote.0.ip());
            edge.refused("refused.webhook", format!("from {}: {why}", remote.0.ip()));
            unauthorized()
        }
    }
}

fn too_many(wait: Duration) -> Problem {
    limited("webhooks from this address were no good", wait).into()
}

fn slow() -> Problem {
    Problem::new(StatusCode::REQUEST_TIMEOUT, ErrorCode::Invalid, "the body was not there in time")
}

fn unread(status: StatusCode) -> Problem {
    if status == StatusCode::PAYLOAD_TOO_LARGE {
        let message = format!("the body is larger than {HOOK_BODY_BYTES_MAX} bytes");
        return ErrorBody::new(ErrorCode::TooLarge, message).into();
    }
    ErrorBody::new(ErrorCode::Invalid, "the body cannot be read").into()
}

fn told(preset: HookPreset, headers: &HeaderMap, body: &Bytes) -> Result<Told, ErrorBody> {
    let content = content_of(preset, headers, body)?;
    let (event, delivery) = match preset {
        HookPreset::Generic => (word(&content["type"]), text(headers, "webhook-id").map(str::to_owned)),
        HookPreset::Github => {
            let event = text(headers, "x-github-event").map(str::to_owned);
            if event.as_deref() == Some("ping") {
                return Ok(Told::Answer(json!({"pong": true})));
            }
            (event, text(headers, "x-github-delivery").map(str::to_owned))
        }
        HookPreset::Slack => {
            if content["type"] == "url_verification" {
                return Ok(Told::Answer(json!({"challenge": content["challenge"]})));
            }
            let inner = [&content["event"]["type"], &content["command"], &content["type"]];
            let names = [&content["event_id"], &content["trigger_id"]];
            (inner.into_iter().find_map(word), names.into_iter().find_map(word))
        }
        HookPreset::Stripe => (word(&content["type"]), word(&content["id"])),
    };
    let delivery = named(delivery, body);
    let event = event.map(|event| event.chars().take(HOOK_DELIVERY_BYTES_MAX).collect());
    Ok(Told::Call(delivery.clone(), HookPayload { event, delivery, body: content }))
}

fn word(value: &Value) -> Option<String> {
    value.as_str().map(str::to_owned)
}

/// The service's name of its request. Without one, or where it is a strange one, what it says is its name.
fn named(delivery: Option<String>, body: &[u8]) -> String {
    let of = |bytes: &[u8]| format!("sha256:{}", Digest(Sha256::digest(bytes).into()));
    match delivery {
        None => of(body),
        Some(name) => {
            let is_plain = !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_graphic());
            if is_plain && name.len() <= HOOK_DELIVERY_BYTES_MAX { name } else { of(name.as_bytes()) }
        }
    }
}

/// JSON, a form, or text. Services that can send JSON in a form put it into the field `payload`.
fn content_of(preset: HookPreset, headers: &HeaderMap, body: &[u8]) -> Result<Value, ErrorBody> {
    let invalid = |message: String| ErrorBody::new(ErrorCode::Invalid, message);
    let text = std::str::from_utf8(body)
        .map_err(|error| invalid(format!("the body is not UTF-8 at byte {}", error.valid_up_to())))?;
    let json = |text: &str| {
        check_bounds(text).map_err(|error| error.to_body())?;
        serde_json::from_str::<Value>(text).map_err(|error| invalid(format!("the body is no JSON: {error}")))
    };
    let kind = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let kind = kind.split(';').next().unwrap_or_default().trim();
    if is_json(headers) || (preset == HookPreset::Stripe && !text.is_empty()) {
        return json(text);
    }
    if kind.eq_ignore_ascii_case("application/x-www-form-urlencoded") {
        let fields: serde_json::Map<String, Value> = form_urlencoded::parse(body)
            .map(|(name, value)| (name.into_owned(), Value::String(value.into_owned())))
            .collect();
        return match (preset, fields.get("payload").and_then(Value::as_str)) {
            (HookPreset::Github | HookPreset::Slack, Some(payload)) => json(payload),
            (HookPreset::Generic | HookPreset::Stripe, _)
            | (HookPreset::Github | HookPreset::Slack, None) => Ok(Value::Object(fields)),
        };
    }
    Ok(Value::String(text.to_owned()))
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    fn of(preset: HookPreset, headers: &[(&'static str, &'static str)], body: &str) -> Value {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.insert(*name, HeaderValue::from_static(value));
        }
        match told(preset, &map, &Bytes::from(body.to_owned())) {
            Ok(Told::Call(_, payload)) => serde_json::to_value(payload).unwrap(),
            Ok(Told::Answer(answer)) => json!({"answer": answer}),
            Err(error) => json!({"error": error.message}),
        }
    }

    const JSON: (&str, &str) = ("content-type", "application/json; charset=utf-8");
    const FORM: (&str, &str) = ("content-type", "application/x-www-form-urlencoded");

    #[test]
    fn each_service_has_its_own_words_for_what_happened() {
        let github = [JSON, ("x-github-event", "push"), ("x-github-delivery", "72d3162e-cc78-11e3")];
        assert_eq!(
            of(HookPreset::Github, &github, r#"{"ref": "main"}"#),
            json!({"event": "push", "delivery": "72d3162e-cc78-11e3", "body": {"ref": "main"}})
        );
        let form = [FORM, ("x-github-event", "push"), ("x-github-delivery", "d")];
        assert_eq!(
            of(HookPreset::Github, &form, "payload=%7B%22ref%22%3A%22main%22%7D"),
            json!({"event": "push", "delivery": "d", "body": {"ref": "main"}})
        );
        let ping = [JSON, ("x-github-event", "ping"), ("x-github-delivery", "d")];
        assert_eq!(of(HookPreset::Github, &ping, "{}"), json!({"answer": {"pong": true}}));
        let stripe = r#"{"id": "evt_1", "type": "charge.succeeded"}"#;
        let told = of(HookPreset::Stripe, &[], stripe);
        assert_eq!((&told["event"], &told["delivery"]), (&json!("charge.succeeded"), &json!("evt_1")));
        let slack = r#"{"type": "event_callback", "event_id": "Ev1", "event": {"type": "app_mention"}}"#;
        let told = of(HookPreset::Slack, &[JSON], slack);
        assert_eq!((&told["event"], &told["delivery"]), (&json!("app_mention"), &json!("Ev1")));
        let command = of(HookPreset::Slack, &[FORM], "command=%2Fask&text=why&trigger_id=1.2");
        let body = json!({"command": "/ask", "text": "why", "trigger_id": "1.2"});
        assert_eq!(command, json!({"event": "/ask", "delivery": "1.2", "body": body}));
        let verify = r#"{"type": "url_verification", "challenge": "3eZb", "token": "x"}"#;
        assert_eq!(of(HookPreset::Slack, &[JSON], verify), json!({"answer": {"challenge": "3eZb"}}));
        let generic = [("content-type", "text/plain"), ("webhook-id", "msg_1")];
        assert_eq!(
            of(HookPreset::Generic, &generic, "hello"),
            json!({"event": null, "delivery": "msg_1", "body": "hello"})
        );
    }

    #[test]
    fn a_name_that_is_none_is_made_of_what_was_said() {
        let one = named(None, b"x");
        assert_eq!(one, format!("sha256:{}", Digest(Sha256::digest(b"x").into())));
        assert_ne!(one, named(None, b"y"));
        for strange in ["", "a b", "a\nb", "\u{e4}", &"x".repeat(HOOK_DELIVERY_BYTES_MAX + 1)] {
            assert!(named(Some(strange.to_owned()), b"x").starts_with("sha256:"), "{strange:?}");
        }
        assert_eq!(named(Some("a-b_c:1".to_owned()), b"x"), "a-b_c:1");
    }

    #[test]
    fn what_cannot_be_read_is_refused_in_words() {
        let deep = format!("{}{}", "[".repeat(200), "]".repeat(200));
        for (body, said) in [("{", "no JSON"), (deep.as_str(), "nest")] {
            let told = of(HookPreset::Generic, &[JSON, ("webhook-id", "m")], body);
            assert!(told["error"].as_str().unwrap().contains(said), "{told}");
        }
    }
}
