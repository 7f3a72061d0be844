//! One request to a model's API, up to the point where its stream begins.
//!
//! Turns what HTTP can do wrong into [`ProviderErrorKind`]; knows no vendor's body format beyond "an error has
//! a message somewhere".

use std::time::Duration;

use futures_util::StreamExt;
use jiff::fmt::rfc2822;
use nexus_client::endpoint;
use nexus_wire::ErrorCode;
use reqwest::header::{CONTENT_TYPE, DATE, HeaderMap, HeaderName, RETRY_AFTER};
use reqwest::{Client, ClientBuilder, RequestBuilder, Response, StatusCode, Url};
use serde_json::Value;
use thiserror::Error;

use super::bounds::{self, ByteError, STREAM_BYTES_MAX, Unit};
use super::settings::Secret;
use super::via::Via;
use crate::conversation::ProviderErrorKind;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
const ERROR_BODY_BYTES_MAX: usize = 64 * 1024;
const ERROR_TEXT_CHARS_MAX: usize = 500;

#[derive(Debug, Error)]
pub enum ClientError {
    #[error("no TLS provider is installed; the program installs rustls' ring provider before it starts")]
    NoTlsProvider,
    #[error("the HTTP client could not be made: {0}")]
    Build(#[from] reqwest::Error),
}

/// For what is asked at `base_url`: of the broker where there is a way through it, else of a model's API itself.
pub(crate) fn client(base_url: &str, via: Option<&Via>) -> Result<Client, ClientError> {
    if rustls::crypto::CryptoProvider::get_default().is_none() {
        return Err(ClientError::NoTlsProvider);
    }
    let mut builder = builder_for(base_url, via);
    // The only certificate that is trusted, instead of the machine's.
    if let Some(root) = via.and_then(Via::ca_pem) {
        builder = builder.tls_certs_only([reqwest::Certificate::from_pem(root.as_bytes())?]);
    }
    Ok(builder.build()?)
}

/// How any server is reached that people name: a model's, or one that brings tools.
pub(crate) fn builder_for(url: &str, via: Option<&Via>) -> ClientBuilder {
    let host = host_of(url);
    // No redirects: they would carry the key to an address nobody named.
    let mut builder =
        Client::builder().connect_timeout(CONNECT_TIMEOUT).redirect(reqwest::redirect::Policy::none());
    if is_asked_directly(&host, via) {
        builder = builder.no_proxy();
    }
    if let Some(addresses) = endpoint::below_localhost(&host, 0) {
        // The port is the URL's.
        builder = builder.resolve_to_addrs(&host, &addresses);
    }
    builder
}

/// The proxy that the environment names is for servers elsewhere: what goes to the broker has the aspect's token in it, and
/// what stays on this machine may be in clear.
fn is_asked_directly(host: &str, via: Option<&Via>) -> bool {
    via.is_some() || endpoint::is_loopback(host)
}

/// Without the brackets of an IPv6 address.
fn host_of(url: &str) -> String {
    let url = Url::parse(url).ok();
    let host = url.as_ref().and_then(Url::host_str).unwrap_or_default();
    host.trim_start_matches('[').trim_end_matches(']').to_owned()
}

/// What a server said instead of a stream.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Refusal {
    pub(crate) status: StatusCode,
    pub(crate) retry_after: Option<Duration>,
    /// The body's error object, or null.
    pub(crate) error: Value,
    /// The error in the server's words, or the body's beginning.
    pub(crate) message: String,
}

#[derive(Debug)]
pub(crate) enum SendError {
    Failed(ProviderErrorKind),
    Refused(Refusal),
}

/// What an answer is to be.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Wanted {
    Events,
    Json,
    Lines,
}

impl Wanted {
    fn content_type(self) -> &'static str {
        match self {
            Self::Events => "text/event-stream",
            Self::Json => "application/json",
            Self::Lines => "application/x-ndjson",
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Events => "an event stream",
            Self::Json => "JSON",
            Self::Lines => "lines of JSON",
        }
    }
}

/// Sends and waits for a response of the wanted kind; no longer than `stall` for its first sign.
pub(crate) async fn open(
    request: RequestBuilder,
    wanted: Wanted,
    key: Option<&Secret>,
    stall: Duration,
) -> Result<Response, SendError> {
    let response = match tokio::time::timeout(stall, request.send()).await {
        Err(_) => return Err(SendError::Failed(ProviderErrorKind::Stalled(stall))),
        Ok(Err(error)) => {
            return Err(SendError::Failed(ProviderErrorKind::Transport(redact(&causes(&error), key))));
        }
        Ok(Ok(response)) => response,
    };
    let status = response.status();
    let content_type = response
        .headers()
        .get(CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default()
        .to_owned();
    // Some servers name no type for a stream; one that names another type is not streaming.
    let streams = content_type.is_empty() || content_type.starts_with(wanted.content_type());
    if status.is_success() && streams {
        return Ok(response);
    }
    let retry_after = retry_after(response.headers());
    let body = read_body(response, stall).await;
    let (error, message) = error_in(&body);
    let message = redact(&message, key);
    if status.is_success() && error.is_null() {
        return Err(SendError::Failed(ProviderErrorKind::Invalid(format!(
            "the server answered with {content_type} instead of {}; is base_url that of a model's API?",
            wanted.name()
        ))));
    }
    if status.is_redirection() {
        return Err(SendError::Failed(ProviderErrorKind::Invalid(format!(
            "the server answered {status}, a redirect; name the final address as base_url"
        ))));
    }
    Err(SendError::Refused(Refusal { status, retry_after, error, message }))
}

/// What a refusal means where a vendor's own code says nothing better.
pub(crate) fn by_status(refusal: Refusal) -> ProviderErrorKind {
    let Refusal { status, retry_after, error, message } = refusal;
    // Our own broker says so, which makes the call for us; no vendor has this code.
    if status == StatusCode::PAYMENT_REQUIRED && error["code"] == ErrorCode::SpendingStopped.as_str() {
        return ProviderErrorKind::Stopped(message);
    }
    let message =
        if message.is_empty() { status.to_string() } else { format!("{}: {message}", status.as_u16()) };
    match status.as_u16() {
        401 | 403 => ProviderErrorKind::Auth(message),
        408 => ProviderErrorKind::Transport(message),
        413 => ProviderErrorKind::ContextWindow(message),
        429 => ProviderErrorKind::RateLimit { message, retry_after },
        // A success here is an error object with status 200, as some proxies send when what is behind them fails.
        200..=299 | 500..=599 => ProviderErrorKind::Overloaded(message),
        0..=199 | 300..=499 | 600.. => ProviderErrorKind::Invalid(message),
    }
}

/// The wait a server asked for. Dates are measured against the server's own clock.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let text = |name: HeaderName| headers.get(name)?.to_str().ok().map(str::trim);
    if let Some(ms) =
        text(HeaderName::from_static("retry-after-ms")).and_then(|text| text.parse::<f64>().ok())
    {
        return seconds(ms / 1000.0);
    }
    let after = text(RETRY_AFTER)?;
    if let Ok(number) = after.parse::<f64>() {
        return seconds(number);
    }
    let until = rfc2822::parse(after).ok()?.timestamp();
    let now = rfc2822::parse(text(DATE)?).ok()?.timestamp();
    Some(Duration::try_from(until.duration_since(now)).unwrap_or(Duration::ZERO))
}

fn seconds(number: f64) -> Option<Duration> {
    Duration::try_from_secs_f64(number).ok()
}

/// The body of an answer that is no stream, whole or not at all.
pub(crate) async fn whole(response: Response, stall: Duration) -> Result<Vec<u8>, ProviderErrorKind> {
    let mut bytes = Box::pin(bounds::bounded(response.bytes_stream(), stall, Unit::Whole, STREAM_BYTES_MAX));
    let mut body = Vec::new();
    while let Some(chunk) = bytes.next().await {
        body.extend_from_slice(&chunk.map_err(ByteError::meaning)?);
    }
    Ok(body)
}

async fn read_body(response: Response, stall: Duration) -> Vec<u8> {
    let mut stream = response.bytes_stream();
    let mut body = Vec::new();
    // Whatever of the explanation arrived is worth showing, so a failure here only ends the reading.
    while let Ok(Some(Ok(chunk))) = tokio::time::timeout(stall, stream.next()).await {
        let room = ERROR_BODY_BYTES_MAX - body.len();
        body.extend_from_slice(&chunk[..chunk.len().min(room)]);
        if body.len() == ERROR_BODY_BYTES_MAX {
            break;
        }
    }
    body
}

/// The error object and its message, wherever this server keeps them.
pub(crate) fn error_in(body: &[u8]) -> (Value, String) {
    let Ok(value) = serde_json::from_slice::<Value>(body) else {
        return (Value::Null, shorten(&String::from_utf8_lossy(body)));
    };
    // An array is Google's way of wrapping it.
    let outer = value.get(0).unwrap_or(&value);
    let error = match outer.get("error") {
        Some(error) if !error.is_null() => error.clone(),
        Some(_) | None => {
            let named = outer.get("message").or_else(|| outer.get("detail"));
            named.map_or(Value::Null, |_| outer.clone())
        }
    };
    let message =
        ["message", "detail"].iter().find_map(|name| error.get(name)?.as_str()).or_else(|| error.as_str());
    let message = message
        .map_or_else(|| if error.is_null() { String::new() } else { error.to_string() }, str::to_owned);
    (error, shorten(&message))
}

fn shorten(text: &str) -> String {
    let text = text.trim();
    match text.char_indices().nth(ERROR_TEXT_CHARS_MAX) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

/// Servers like to repeat the key they refuse.
pub(crate) fn redact(text: &str, key: Option<&Secret>) -> String {
    match key.map(Secret::expose) {
        Some(key) if !key.is_empty() => text.replace(key, "[secret]"),
        Some(_) | None => text.to_owned(),
    }
}

/// An error with what caused it, on one line: the outer message of an HTTP client alone says nothing.
pub(crate) fn causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        let next = error.to_string();
        if !text.contains(&next) {
            text.push_str(": ");
            text.push_str(&next);
        }
        source = error.source();
    }
    text
}

#[cfg(test)]
mod tests;
