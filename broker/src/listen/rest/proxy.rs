//! Calls to services outside that the broker makes for an aspect: it puts the secret in, so that the aspect
//! never holds it. Bodies stream both ways; where a call goes is fixed by the credential.

use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use futures_util::{Stream, StreamExt, stream};
use nexus_wire::{CredentialName, ErrorBody, ErrorCode};
use reqwest::{Client, Url};

use super::caller::authenticate;
use super::credentials::{refuse, sealing, usable, used};
use super::{Remote, trace};
use crate::edge::Edge;
use crate::hub::records::CredentialTerms;
use crate::listen::problem::Problem;

pub(super) const PATH: &str = "/api/v1/proxy/";

const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// Until the answer begins: a model may think for long before it says anything.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(10 * 60);
/// Between two pieces of an answer.
const STALL_TIMEOUT: Duration = Duration::from_secs(5 * 60);
/// From the request to the last byte.
const TOTAL_TIMEOUT: Duration = Duration::from_secs(60 * 60);
const REQUEST_BYTES_MAX: u64 = 64 * 1024 * 1024;
const ANSWER_BYTES_MAX: u64 = 256 * 1024 * 1024;

/// Of one connection, not of a message (RFC 9110 §7.6.1).
const HOP_BY_HOP: [HeaderName; 7] = [
    header::CONNECTION,
    header::PROXY_AUTHENTICATE,
    header::PROXY_AUTHORIZATION,
    header::TE,
    header::TRAILER,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
];
/// What the aspect says to us and not to the service; lengths and hosts are made anew.
const OURS: [HeaderName; 9] = [
    header::AUTHORIZATION,
    header::CONTENT_LENGTH,
    header::COOKIE,
    header::HOST,
    header::ORIGIN,
    header::FORWARDED,
    trace::PARENT,
    trace::STATE,
    HeaderName::from_static("baggage"),
];

/// Made at the first call: reading the machine's certificates takes longer than a start may.
#[derive(Debug, Default)]
pub(crate) struct Outside(OnceLock<Client>);

impl Outside {
    pub(crate) fn client(&self) -> Result<Client, ErrorBody> {
        if let Some(client) = self.0.get() {
            return Ok(client.clone());
        }
        // Somebody else in this process may have chosen the same one already.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = Client::builder()
            .connect_timeout(CONNECT_TIMEOUT)
            .timeout(TOTAL_TIMEOUT)
            // A redirect would carry the secret to an address nobody named.
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .build()
            .map_err(|error| ErrorBody::new(ErrorCode::Internal, format!("no HTTP client: {error}")))?;
        Ok(self.0.get_or_init(|| client).clone())
    }
}

pub(super) async fn proxy(State(edge): State<Arc<Edge>>, request: Request) -> Result<Response, Problem> {
    let (parts, body) = request.into_parts();
    let remote = parts.extensions.get::<Remote>().copied().ok_or_else(|| {
        Problem::from(ErrorBody::new(ErrorCode::Internal, "where the request came from is not known"))
    })?;
    let party = authenticate(&edge, &parts.headers, remote)?.party;
    let path = parts.uri.path().strip_prefix(PATH).unwrap_or_default();
    let (name, path) = path.split_once('/').unwrap_or((path, ""));
    let name: CredentialName = name
        .parse()
        .map_err(|error: nexus_wire::NameError| ErrorBody::new(ErrorCode::Invalid, error.to_string()))?;
    let record = usable(&edge, &party, &name)?;
    let base = record.terms.base_url.as_deref().filter(|_| record.terms.mode.proxies());
    let Some(base) = base else {
        refuse(&edge, &party, &name, "proxied call");
        let message = format!("credential {name} is to be fetched, the broker makes no calls with it");
        return Err(ErrorBody::new(ErrorCode::Forbidden, message).into());
    };
    let may_spend = || match record.terms.kind.asks_models() {
        true => {
            edge.may_spend().inspect_err(|_| refuse(&edge, &party, &name, "call while spending is stopped"))
        }
        false => Ok(()),
    };
    may_spend()?;
    let url = target(base, path, parts.uri.query()).ok_or_else(|| {
        refuse(&edge, &party, &name, "call beyond base_url");
        ErrorBody::new(ErrorCode::Forbidden, "the path leads out of what the credential is for")
    })?;
    let secret = edge.sealer.open(&record).map_err(|error| sealing(&error))?;
    let headers = outgoing(&parts.headers, &record.terms, &secret)?;
    drop(secret);
    used(&edge, &party, "credential.used", format!("{name} {} {}", parts.method, shown(url.path()))).await?;

    // Somebody may have stopped it meanwhile.
    may_spend()?;
    let mut end: End = match record.terms.kind.asks_models() {
        true => Box::pin(edge.has_to_end()),
        false => Box::pin(std::future::pending()),
    };
    let sent = bounded(body.into_data_stream(), REQUEST_BYTES_MAX, STALL_TIMEOUT);
    let mut call = edge.outside.client()?.request(parts.method, url).headers(headers);
    if parts.headers.contains_key(header::CONTENT_LENGTH)
        || parts.headers.contains_key(header::TRANSFER_ENCODING)
    {
        call = call.body(reqwest::Body::wrap_stream(sent));
    }
    let answer = tokio::select! {
        answer = tokio::time::timeout(ANSWER_TIMEOUT, call.send()) => answer,
        why = &mut end => return Err(why.into()),
    };
    let answer = match answer {
        Ok(Ok(answer)) => answer,
        Ok(Err(error)) => return Err(unreachable(&name, &error.without_url().to_string())),
        Err(_) => return Err(unreachable(&name, "it did not answer in time")),
    };
    let (status, headers) = (answer.status(), incoming(answer.headers()));
    let body = bounded(answer.bytes_stream(), ANSWER_BYTES_MAX, STALL_TIMEOUT);
    Ok((status, headers, Body::from_stream(ending(body, end))).into_response())
}

/// Resolves when a call has to end, and to why.
type End = Pin<Box<dyn Future<Output = ErrorBody> + Send>>;

/// Breaks off at `end`: an answer that has begun can say nothing else any more.
fn ending(
    from: impl Stream<Item = Result<Bytes, std::io::Error>> + Send + 'static,
    end: End,
) -> impl Stream<Item = Result<Bytes, std::io::Error>> + Send + 'static {
    stream::unfold(Some((Box::pin(from), end)), |state| async move {
        let (mut from, mut end) = state?;
        tokio::select! {
            biased;
            why = &mut end => {
                tracing::info!("a call of a model was broken off: {}", why.message);
                Some((Err(std::io::Error::other(why.message)), None))
            }
            piece = from.next() => piece.map(|piece| (piece, Some((from, end)))),
        }
    })
}

fn unreachable(name: &CredentialName, why: &str) -> Problem {
    let message = format!("the service behind credential {name} gave no answer: {why}");
    Problem::new(StatusCode::BAD_GATEWAY, ErrorCode::Unavailable, message)
}

/// `None` when the path would leave the credential's own address, however it is written.
fn target(base: &str, path: &str, query: Option<&str>) -> Option<Url> {
    let base = Url::parse(base).ok()?;
    let mut url = Url::parse(&format!("{}/{path}", base.as_str().trim_end_matches('/'))).ok()?;
    url.set_query(query);
    let within = url.path().strip_prefix(base.path().trim_end_matches('/'));
    let same = (url.scheme(), url.host_str(), url.port_or_known_default())
        == (base.scheme(), base.host_str(), base.port_or_known_default());
    let own = url.username().is_empty() && url.password().is_none() && url.fragment().is_none();
    // Dots that only the service would resolve.
    let lower = url.path().to_ascii_lowercase();
    let hidden = ["..", "%2e%2e", ".%2e", "%2e.", "%5c", "\\"].iter().any(|it| lower.contains(it))
        || lower.contains("%2f..")
        || lower.contains("..%2f");
    (same && own && !hidden && within.is_some_and(|rest| rest.is_empty() || rest.starts_with('/')))
        .then_some(url)
}

fn named_by_connection(headers: &HeaderMap) -> Vec<String> {
    let named = headers.get_all(header::CONNECTION).iter().filter_map(|value| value.to_str().ok());
    named.flat_map(|value| value.split(',')).map(|name| name.trim().to_ascii_lowercase()).collect()
}

fn is_hop(name: &HeaderName, connection: &[String]) -> bool {
    HOP_BY_HOP.contains(name)
        || matches!(name.as_str(), "keep-alive" | "proxy-connection")
        || connection.iter().any(|it| it == name.as_str())
}

fn outgoing(from: &HeaderMap, terms: &CredentialTerms, secret: &str) -> Result<HeaderMap, ErrorBody> {
    let connection = named_by_connection(from);
    let mut headers = HeaderMap::new();
    for (name, value) in from {
        let known =
            is_hop(name, &connection) || OURS.contains(name) || name.as_str().starts_with("x-forwarded");
        if !known && name.as_str() != terms.header {
            headers.append(name, value.clone());
        }
    }
    let broken = || ErrorBody::new(ErrorCode::Internal, "the credential's header cannot be written");
    let name = HeaderName::from_bytes(terms.header.as_bytes()).map_err(|_| broken())?;
    let mut value = HeaderValue::from_str(&format!("{}{secret}", terms.prefix)).map_err(|_| broken())?;
    value.set_sensitive(true);
    headers.insert(name, value);
    Ok(headers)
}

fn incoming(from: &HeaderMap) -> HeaderMap {
    let connection = named_by_connection(from);
    let kept = from.iter().filter(|(name, _)| {
        !is_hop(name, &connection) && **name != header::SET_COOKIE && **name != header::CONTENT_LENGTH
    });
    kept.map(|(name, value)| (name.clone(), value.clone())).collect()
}

/// Ends with an error when more comes than may, or nothing for too long.
fn bounded<E: std::error::Error + Send + Sync + 'static>(
    from: impl Stream<Item = Result<Bytes, E>> + Send + 'static,
    bytes_max: u64,
    stall: Duration,
) -> impl Stream<Item = Result<Bytes, std::io::Error>> + Send + 'static {
    let from = Box::pin(from);
    stream::unfold(Some((from, 0_u64)), move |state| async move {
        let (mut from, so_far) = state?;
        let failed = |message: &str| Some((Err(std::io::Error::other(message.to_owned())), None));
        match tokio::time::timeout(stall, from.next()).await {
            Err(_) => failed("nothing came for too long"),
            Ok(None) => None,
            Ok(Some(Err(error))) => Some((Err(std::io::Error::other(error)), None)),
            Ok(Some(Ok(piece))) => {
                let so_far = so_far.saturating_add(piece.len() as u64);
                if so_far > bytes_max {
                    failed("it is larger than may pass")
                } else {
                    Some((Ok(piece), Some((from, so_far))))
                }
            }
        }
    })
}

fn shown(path: &str) -> String {
    path.chars().take(200).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_stays_where_the_credential_is_for() {
        let base = "https://api.example/v1";
        let cases = [
            ("messages", Some("https://api.example/v1/messages?a=b")),
            ("", Some("https://api.example/v1/?a=b")),
            ("//evil.example/x", Some("https://api.example/v1///evil.example/x?a=b")),
            ("@evil.example", Some("https://api.example/v1/@evil.example?a=b")),
            ("../admin", None),
            ("a/../../admin", None),
            ("%2e%2e/admin", None),
            (".%2E/admin", None),
            ("..%2fadmin", None),
            ("a\\..\\..\\admin", None),
            ("a#b", None),
        ];
        for (path, url) in cases {
            let found = target(base, path, Some("a=b")).map(|url| url.to_string());
            assert_eq!(found.as_deref(), url, "{path}");
        }
        assert_eq!(target("https://api.example", "x", None).unwrap().as_str(), "https://api.example/x");
    }

    #[test]
    fn what_is_ours_does_not_leave_and_the_secret_goes_where_it_belongs() {
        let terms: CredentialTerms = serde_json::from_value(serde_json::json!({
            "kind": "provider", "mode": "proxy", "base_url": null, "header": "x-api-key", "prefix": "",
            "allowed_aspects": [],
        }))
        .unwrap();
        let mut from = HeaderMap::new();
        for (name, value) in [
            ("authorization", "Bearer ours"),
            ("cookie", "nexus_session=ours"),
            ("x-api-key", "theirs"),
            ("connection", "close, x-hop"),
            ("x-hop", "1"),
            ("x-forwarded-for", "10.0.0.7"),
            ("te", "trailers"),
            ("accept", "text/event-stream"),
            ("anthropic-version", "2023-06-01"),
        ] {
            from.insert(name, HeaderValue::from_static(value));
        }
        let sent = outgoing(&from, &terms, "canary-3f9c").unwrap();
        let mut names: Vec<&str> = sent.keys().map(HeaderName::as_str).collect();
        names.sort_unstable();
        assert_eq!(names, ["accept", "anthropic-version", "x-api-key"]);
        assert_eq!(sent["x-api-key"], "canary-3f9c");
        assert!(!format!("{sent:?}").contains("canary"));
    }

    #[tokio::test]
    async fn a_call_that_has_to_end_is_broken_off_between_two_pieces() {
        let pieces = || {
            let piece = |bytes: &'static [u8]| Ok::<_, std::io::Error>(Bytes::from_static(bytes));
            stream::iter([piece(b"abc"), piece(b"def")])
        };
        let why = ErrorBody::new(ErrorCode::SpendingStopped, "all spending is stopped");
        let cut = ending(pieces().chain(stream::pending()), Box::pin(std::future::ready(why)));
        let cut: Vec<_> = cut.map(|it| it.map_err(|error| error.to_string())).collect().await;
        assert_eq!(cut, [Err("all spending is stopped".to_owned())]);
        let whole: Vec<_> = ending(pieces(), Box::pin(std::future::pending())).collect().await;
        assert_eq!(whole.iter().filter(|it| it.is_ok()).count(), 2);
    }

    #[tokio::test]
    async fn too_much_is_cut_off() {
        let pieces = [Ok::<_, std::io::Error>(Bytes::from_static(b"abc")), Ok(Bytes::from_static(b"def"))];
        let passed: Vec<bool> =
            bounded(stream::iter(pieces), 5, Duration::from_secs(9)).map(|it| it.is_ok()).collect().await;
        assert_eq!(passed, [true, false]);
    }
}
