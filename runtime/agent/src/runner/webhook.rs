//! The Hand `webhook`: one request to a server of the settings.
//!
//! Secrets are named and never said: what a dispatch, an answer or a log holds is `secret:<name>`. Each goes to the servers
//! it is for and to no other.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use futures_util::StreamExt as _;
use nexus_outbound::{Allowed, Ask, Bounds, Failure, Outbound, Url};
use nexus_wire::CredentialName;
use nexus_wire::hands::HandFailure;
use reqwest::Method;
use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Job, failure, invalid, parse};
use crate::hands::bounded;
use crate::provider::{Secret, http};
use config::is_among;

mod config;

pub(super) use config::Webhook;
pub use config::{RawSecret, RawWebhook};

const USER_AGENT: &str = concat!("nexus-agent/", env!("CARGO_PKG_VERSION"));
const SECRET: &str = "secret:";
const CREDENTIAL: &str = "credential:";
const HEADERS_MAX: usize = 32;
const HEADER_BYTES_MAX: usize = 8 * 1024;
/// Of an answer that says no, in the message of the failure.
const SAID_CHARS_MAX: usize = 1000;
const SHOWN_CHARS_MAX: usize = 200;
/// The same for every attempt at a dispatch, so that whoever is asked twice can tell.
const IDEMPOTENCY_KEY: &str = "idempotency-key";
/// What is the connection's own matter, or the runner's.
const KEPT_HEADERS: [&str; 12] = [
    "connection",
    "content-length",
    "expect",
    "host",
    IDEMPOTENCY_KEY,
    "keep-alive",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Asked {
    url: String,
    #[serde(default)]
    method: Verb,
    #[serde(default)]
    headers: BTreeMap<String, String>,
    #[serde(default)]
    body: Option<Value>,
}

#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
enum Verb {
    Delete,
    Get,
    Patch,
    #[default]
    Post,
    Put,
}

impl From<Verb> for Method {
    fn from(verb: Verb) -> Self {
        match verb {
            Verb::Delete => Self::DELETE,
            Verb::Get => Self::GET,
            Verb::Patch => Self::PATCH,
            Verb::Post => Self::POST,
            Verb::Put => Self::PUT,
        }
    }
}

/// A request that may be made.
#[derive(Debug)]
struct Prepared {
    method: Method,
    to: To,
    /// The address as it may be said.
    shown: String,
    headers: HeaderMap,
    body: Bytes,
    /// What must not be said of what comes back.
    secrets: Vec<Secret>,
}

#[derive(Debug)]
enum To {
    Server(Url),
    /// A path of the service behind a credential of the broker.
    Credential(CredentialName, String),
}

/// What came back.
struct Answer {
    status: u16,
    headers: HeaderMap,
    bytes: Vec<u8>,
    truncated: bool,
}

pub(super) async fn call(job: &Job<'_>, input: &Value) -> Result<Value, HandFailure> {
    request(job, parse(input)?, None).await
}

/// A `POST` of this to an address of the settings, which is nobody else's to know; the status of the answer.
pub(super) async fn post(job: &Job<'_>, name: &str, url: &str, body: Value) -> Result<Value, HandFailure> {
    let (method, headers) = (Verb::Post, BTreeMap::new());
    let asked = Asked { url: url.to_owned(), method, headers, body: Some(body) };
    let mut answer = request(job, asked, Some(format!("the service {name}"))).await?;
    Ok(answer["status"].take())
}

/// `called` is what it is called, where its address is not said.
async fn request(job: &Job<'_>, asked: Asked, called: Option<String>) -> Result<Value, HandFailure> {
    let Some(webhook) = &job.runner.webhook else {
        return Err(failure("hand_gone", "this runner calls no servers any more"));
    };
    let key = job.assignment.lease.dispatch.to_string();
    let prepared = prepare(webhook, asked, &key)?;
    let Prepared { method, secrets, .. } = &prepared;
    let shown = called.as_ref().unwrap_or(&prepared.shown);
    job.show(format!("asks {shown}"));
    let answered = match &prepared.to {
        To::Server(url) => ask(webhook, url.clone(), &prepared).await,
        To::Credential(name, path) => ask_broker(job, webhook, name, path, &prepared).await,
    };
    let Answer { status, headers, bytes, truncated } = answered.map_err(|why| {
        let why = redacted(&format!("{shown} {why}"), secrets);
        match &called {
            None => failure("not_answered", why),
            Some(called) => {
                tracing::warn!("{why}");
                failure("not_answered", format!("{called} was not reached; the runner's log says why"))
            }
        }
    })?;
    let text = redacted(&String::from_utf8_lossy(&bytes), secrets);
    if !(200..300).contains(&status) {
        // It may repeat its address.
        if called.is_some() {
            return Err(failure("http_status", format!("{shown} answered {status}")));
        }
        let said: String = text.trim().chars().take(SAID_CHARS_MAX).collect();
        let hint = if (300..400).contains(&status) { " (redirects are not followed)" } else { "" };
        let colon = if said.is_empty() { "" } else { ": " };
        return Err(failure("http_status", format!("{method} {shown} answered {status}{hint}{colon}{said}")));
    }
    let content_type =
        headers.get(CONTENT_TYPE).map(|it| String::from_utf8_lossy(it.as_bytes()).into_owned());
    let is_json = content_type.as_deref().is_some_and(|kind| kind.contains("json")) && !truncated;
    let body = if is_json { serde_json::from_str(&text).ok() } else { None };
    bounded(json!({
        "status": status, "content_type": content_type.unwrap_or_default(), "truncated": truncated,
        "body": body.unwrap_or(Value::String(text)),
    }))
}

fn prepare(webhook: &Webhook, asked: Asked, key: &str) -> Result<Prepared, HandFailure> {
    let Asked { url, method, headers: given, body } = asked;
    let mut secrets = Vec::new();
    let (to, shown) = address(webhook, &url, &mut secrets)?;
    let mut headers = HeaderMap::new();
    let content_type = match &body {
        None => None,
        Some(Value::String(_)) => Some("text/plain; charset=utf-8"),
        Some(Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_)) => {
            Some("application/json")
        }
    };
    if let Some(kind) = content_type {
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    }
    if given.len() > HEADERS_MAX {
        return Err(invalid(format!("headers: {} are too many; at most {HEADERS_MAX}", given.len())));
    }
    for (name, value) in given {
        let (name, value) = header(webhook, &to, &name, &value, &mut secrets)?;
        headers.insert(name, value);
    }
    let key = HeaderValue::from_str(key).map_err(|error| failure("worker_broke", error.to_string()))?;
    headers.insert(HeaderName::from_static(IDEMPOTENCY_KEY), key);
    let body = match body {
        None => String::new(),
        Some(Value::String(text)) => text,
        Some(value) => value.to_string(),
    };
    let most = usize::try_from(webhook.about.body_bytes).unwrap_or(usize::MAX);
    if body.len() > most {
        return Err(invalid(format!("body: it has {} bytes; at most {most}", body.len())));
    }
    Ok(Prepared { method: method.into(), to, shown, headers, body: Bytes::from(body), secrets })
}

/// Where it goes, and how that may be said.
fn address(webhook: &Webhook, asked: &str, secrets: &mut Vec<Secret>) -> Result<(To, String), HandFailure> {
    if let Some(rest) = asked.strip_prefix(CREDENTIAL) {
        return behind_credential(webhook, rest);
    }
    let (text, is_secret) = match asked.strip_prefix(SECRET) {
        Some(name) => (secret(webhook, name, "url")?.0.expose().to_owned(), true),
        None => (asked.to_owned(), false),
    };
    let shown = |url: &Url| match is_secret {
        true => asked.to_owned(),
        // A query may hold what is nobody's business.
        false => {
            let mut url = url.clone();
            url.set_query(None);
            url.set_fragment(None);
            url.as_str().chars().take(SHOWN_CHARS_MAX).collect()
        }
    };
    let url = webhook.outbound().parse(&text).map_err(|error| match is_secret {
        true => invalid(format!("url: the value of {asked} is no address that is called")),
        false => invalid(format!("url: {error}")),
    })?;
    let shown = shown(&url);
    if !webhook.allows(&url) {
        let servers = webhook.servers();
        return Err(invalid(format!("url: {shown} is not one of the servers this runner calls: {servers}")));
    }
    if is_secret {
        let name = asked.trim_start_matches(SECRET);
        secrets.push(for_server(webhook, name, &url, "url")?);
    }
    Ok((To::Server(url), shown))
}

fn behind_credential(webhook: &Webhook, rest: &str) -> Result<(To, String), HandFailure> {
    let (name, path) = rest.split_once('/').unwrap_or((rest, ""));
    let known = webhook.about.credentials.iter().find(|known| known.as_str() == name);
    let Some(known) = known else {
        let name: String = name.chars().take(64).collect();
        return Err(invalid(format!("url: runner.webhook.credentials does not name {name:?}")));
    };
    let is_plain = path.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'\\' && byte != b'#');
    let (folders, _) = path.split_once('?').unwrap_or((path, ""));
    let climbs = folders.split('/').any(|part| {
        let part = part.to_ascii_lowercase().replace("%2e", ".");
        part == ".." || part == "."
    });
    if !is_plain || climbs || path.len() > HEADER_BYTES_MAX {
        return Err(invalid("url: what follows the credential is no path below the service's address"));
    }
    let shown = format!("{CREDENTIAL}{known}/{folders}").chars().take(SHOWN_CHARS_MAX).collect();
    Ok((To::Credential(known.clone(), path.to_owned()), shown))
}

fn header(
    webhook: &Webhook,
    to: &To,
    name: &str,
    value: &str,
    secrets: &mut Vec<Secret>,
) -> Result<(HeaderName, HeaderValue), HandFailure> {
    let named: String = name.chars().take(64).collect();
    let wrong = |what: &str| invalid(format!("headers: {named:?} {what}"));
    let parsed = HeaderName::from_bytes(name.as_bytes()).map_err(|_| wrong("is no name of a header"))?;
    if KEPT_HEADERS.contains(&parsed.as_str()) {
        return Err(wrong("is not a dispatch's to say"));
    }
    if value.len() > HEADER_BYTES_MAX {
        return Err(wrong("is too long"));
    }
    // `secret:crm`, or behind the name of a scheme: `Bearer secret:crm`.
    let (before, last) = value.rsplit_once(' ').map_or(("", value), |(before, last)| (before, last));
    let Some(secret) = last.strip_prefix(SECRET) else {
        let value = HeaderValue::from_str(value)
            .map_err(|_| wrong("holds a character that no header can, such as a line break"))?;
        return Ok((parsed, value));
    };
    let To::Server(url) = to else {
        return Err(wrong("names a secret, and the broker puts the credential's own in"));
    };
    let secret = for_server(webhook, secret, url, &format!("headers.{named}"))?;
    let text =
        if before.is_empty() { secret.expose().to_owned() } else { format!("{before} {}", secret.expose()) };
    let mut value = HeaderValue::from_str(&text).map_err(|_| wrong("cannot hold that secret"))?;
    value.set_sensitive(true);
    secrets.push(secret);
    Ok((parsed, value))
}

fn secret<'a>(
    webhook: &'a Webhook,
    name: &str,
    field: &str,
) -> Result<&'a (Secret, Vec<String>), HandFailure> {
    webhook.secrets.get(name).ok_or_else(|| {
        let name: String = name.chars().take(64).collect();
        invalid(format!("{field}: runner.webhook.secrets has no {name:?}"))
    })
}

/// The secret, if it is for that server.
fn for_server(webhook: &Webhook, name: &str, url: &Url, field: &str) -> Result<Secret, HandFailure> {
    let (value, hosts) = secret(webhook, name, field)?;
    if is_among(hosts, url) {
        Ok(value.clone())
    } else {
        let host = url.host_str().unwrap_or_default();
        Err(invalid(format!("{field}: the secret {name:?} is not for {host}")))
    }
}

/// The reason goes on from the address: `could not be reached: …`.
async fn ask(webhook: &Webhook, url: Url, prepared: &Prepared) -> Result<Answer, String> {
    let Prepared { method, headers, body, .. } = prepared;
    let ask = Ask { method: method.clone(), url, headers: headers.clone(), body: body.clone() };
    let bounds = Bounds { bytes: webhook.answer_bytes(), time: webhook.time() };
    match webhook.outbound().call(ask, bounds).await {
        Ok(reply) => Ok(Answer {
            status: reply.status,
            headers: reply.headers,
            bytes: reply.body.bytes,
            truncated: reply.body.truncated,
        }),
        // Said without the address, which may be secret.
        Err(Failure::Client(why)) => Err(format!("was not asked: {why}")),
        Err(Failure::Closed { address, what, .. }) => Err(format!(
            "leads to {address}, {what}; nothing is sent there unless runner.webhook.allow_private names it"
        )),
        Err(Failure::Failed { why, .. }) => Err(format!("could not be reached: {why}")),
        Err(Failure::Invalid(_)) => Err("is no address that is called".to_owned()),
        Err(Failure::NoAddress { why, .. }) => Err(format!("has no address: {why}")),
        Err(Failure::Redirects { .. }) => Err("leads on too often".to_owned()),
        Err(Failure::Slow { seconds, .. }) => Err(format!("took longer than {seconds} s")),
    }
}

/// The broker makes the call, and puts the secret in.
async fn ask_broker(
    job: &Job<'_>,
    webhook: &Webhook,
    name: &CredentialName,
    path: &str,
    prepared: &Prepared,
) -> Result<Answer, String> {
    let Prepared { method, headers, body, .. } = prepared;
    let whole = async {
        let base_url = job.via.base_url(name);
        let client = http::client(&base_url, Some(job.via)).map_err(|error| error.to_string())?;
        let token = job.via.bearer().await.map_err(|error| error.to_string())?;
        let url = format!("{base_url}/{path}");
        let request =
            client.request(method.clone(), url).headers(headers.clone()).bearer_auth(token.expose());
        let answer = request.body(body.clone()).send().await;
        let answer = answer.map_err(|error| error.without_url().to_string())?;
        let (status, headers) = (answer.status().as_u16(), answer.headers().clone());
        let (mut bytes, mut truncated, most) = (Vec::new(), false, webhook.answer_bytes());
        let mut stream = answer.bytes_stream();
        while let Some(piece) = stream.next().await {
            let piece = piece.map_err(|error| error.without_url().to_string())?;
            let room = most - bytes.len();
            bytes.extend_from_slice(piece.get(..room).unwrap_or(&piece));
            if piece.len() > room {
                truncated = true;
                break;
            }
        }
        Ok::<_, String>(Answer { status, headers, bytes, truncated })
    };
    match tokio::time::timeout(webhook.time(), whole).await {
        Ok(answered) => answered.map_err(|why| format!("could not be reached: {why}")),
        Err(_) => Err(format!("took longer than {} s", webhook.time().as_secs())),
    }
}

/// A server that repeats a secret gives none away.
fn redacted(text: &str, secrets: &[Secret]) -> String {
    let known = secrets.iter().map(Secret::expose).filter(|secret| !secret.trim().is_empty());
    known.fold(text.to_owned(), |text, secret| text.replace(secret, "[secret]"))
}

impl Webhook {
    /// What is wrong with an address that the settings name.
    pub(super) fn check(&self, address: &str) -> Result<(), String> {
        let checked = self::address(self, address, &mut Vec::new());
        checked.map(drop).map_err(|failure| failure.message.trim_start_matches("url: ").to_owned())
    }

    /// Judges every address after it was looked up.
    fn outbound(&self) -> Outbound {
        Outbound::new(USER_AGENT).allowing(Allowed::new(self.about.allow_private.clone())).encrypted()
    }

    fn answer_bytes(&self) -> usize {
        usize::try_from(self.about.answer_bytes).unwrap_or(usize::MAX)
    }

    fn time(&self) -> Duration {
        Duration::from_secs(self.about.timeout_s.into())
    }
}

#[cfg(test)]
mod tests;
