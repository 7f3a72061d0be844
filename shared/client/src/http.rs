//! One HTTP request on a connection of its own. What the endpoints mean is not known here.

use std::time::{Duration, SystemTime};

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, DATE, HOST, HeaderName};
use hyper::{HeaderMap, Method, Request, StatusCode};
use hyper_util::rt::TokioIo;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::endpoint::{Endpoint, Socket};
use crate::error::{DialError, DialErrorKind};
use crate::secret::Secret;

const ANSWER_TIMEOUT: Duration = Duration::from_secs(30);
const ANSWER_BYTES_MAX: usize = 16 * 1024 * 1024;

/// An answer of whatever status.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

/// A body and what it is.
#[derive(Clone, Debug)]
pub(crate) struct Content {
    pub(crate) bytes: Bytes,
    pub(crate) media_type: String,
}

impl Content {
    pub(crate) fn json(value: &impl Serialize) -> Result<Self, DialErrorKind> {
        Ok(Self { bytes: json_body(value)?, media_type: "application/json".to_owned() })
    }
}

/// How long an answer may take, and how large it may be.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bounds {
    pub(crate) patience: Duration,
    pub(crate) bytes_max: usize,
}

impl Default for Bounds {
    fn default() -> Self {
        Self { patience: ANSWER_TIMEOUT, bytes_max: ANSWER_BYTES_MAX }
    }
}

/// Sends one request and reads the whole answer.
pub(crate) async fn exchange(
    endpoint: &Endpoint,
    (method, path): (Method, &str),
    bearer: Option<&Secret>,
    content: Option<Content>,
    bounds: Bounds,
) -> Result<Answer, DialError> {
    let mut request = Request::builder().method(method).uri(path).header(HOST, endpoint.authority());
    if let Some(bearer) = bearer {
        request = request.header(AUTHORIZATION, format!("Bearer {}", bearer.expose()));
    }
    let body = match content {
        Some(Content { bytes, media_type }) => {
            request = request.header(CONTENT_TYPE, media_type);
            bytes
        }
        None => Bytes::new(),
    };
    let request = request
        .body(Full::new(body))
        .map_err(|error| endpoint.error(DialErrorKind::Foreign { detail: error.to_string() }))?;
    let socket = endpoint.open().await?;
    let exchanged = tokio::time::timeout(bounds.patience, converse(socket, request, bounds.bytes_max)).await;
    let exchanged = exchanged.unwrap_or(Err(DialErrorKind::Timeout { after: bounds.patience }));
    exchanged.map_err(|kind| endpoint.error(kind))
}

async fn converse(
    socket: Box<dyn Socket>,
    request: Request<Full<Bytes>>,
    bytes_max: usize,
) -> Result<Answer, DialErrorKind> {
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(socket)).await.map_err(kind_of)?;
    let exchange = async move {
        let (head, body) = sender.send_request(request).await?.into_parts();
        // With the body read the sender goes, and with it the connection ends.
        Ok::<_, hyper::Error>((head, Limited::new(body, bytes_max).collect().await))
    };
    match tokio::join!(exchange, connection) {
        (Ok((head, Ok(body))), _) => {
            Ok(Answer { status: head.status, headers: head.headers, body: body.to_bytes() })
        }
        // The connection knows better why it ended than the exchange that ended with it.
        (Err(_), Err(error)) | (Err(error), Ok(())) => Err(kind_of(error)),
        (Ok((_, Err(error))), _) => Err(DialErrorKind::Io(std::io::Error::other(error))),
    }
}

fn kind_of(error: hyper::Error) -> DialErrorKind {
    let broken = error.is_closed() || error.is_canceled() || error.is_incomplete_message();
    let source = std::error::Error::source(&error);
    if broken || source.is_some_and(<dyn std::error::Error>::is::<std::io::Error>) {
        return DialErrorKind::Io(std::io::Error::other(error));
    }
    DialErrorKind::Foreign {
        detail: "it does not speak HTTP; if it is a Nexus with TLS, use https://".into(),
    }
}

fn json_body(value: &impl Serialize) -> Result<Bytes, DialErrorKind> {
    serde_json::to_vec(value)
        .map(Bytes::from)
        .map_err(|source| DialErrorKind::Body { what: "a request", source })
}

impl Answer {
    /// The body as it came, or why there is none.
    pub(crate) fn bytes(&self) -> Result<Bytes, DialErrorKind> {
        if !self.status.is_success() {
            return Err(refusal(self.status, &self.headers, &self.body));
        }
        Ok(self.body.clone())
    }

    pub(crate) fn header(&self, name: HeaderName) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// The body, or why there is none.
    pub(crate) fn json<T: DeserializeOwned>(&self, what: &'static str) -> Result<T, DialErrorKind> {
        self.bytes()?;
        serde_json::from_slice(&self.body).map_err(|source| DialErrorKind::Body { what, source })
    }
}

/// What an answer that is no success means. The body is `application/problem+json`, or whatever stands
/// between us and the broker made of it.
pub(crate) fn refusal(status: StatusCode, headers: &HeaderMap, body: &[u8]) -> DialErrorKind {
    let message = message_of(status, body);
    match status.as_u16() {
        401 => DialErrorKind::Unauthorized { message, clock_off_s: clock_off_s(headers, wall()) },
        403 => DialErrorKind::Forbidden { message },
        503 => DialErrorKind::Unavailable { message },
        status => DialErrorKind::Status { status, message },
    }
}

fn message_of(status: StatusCode, body: &[u8]) -> String {
    #[derive(Deserialize)]
    struct Problem {
        title: Option<String>,
        detail: Option<String>,
    }
    if let Ok(Problem { title, detail }) = serde_json::from_slice(body)
        && let Some(message) = detail.or(title)
    {
        return message;
    }
    let text: String = String::from_utf8_lossy(body).trim().chars().take(200).collect();
    let reason = status.canonical_reason().unwrap_or("no reason given");
    if text.is_empty() || text.starts_with('<') { reason.to_owned() } else { text }
}

/// Seconds by which the broker's clock is ahead, if that is enough to make it refuse what we sign.
fn clock_off_s(headers: &HeaderMap, ours: SystemTime) -> Option<i64> {
    let theirs = httpdate::parse_http_date(headers.get(DATE)?.to_str().ok()?).ok()?;
    let seconds = |time: SystemTime| {
        time.duration_since(SystemTime::UNIX_EPOCH).ok().and_then(|it| i64::try_from(it.as_secs()).ok())
    };
    let off = seconds(theirs)? - seconds(ours)?;
    let leeway = i64::try_from(nexus_wire::limits::CLOCK_LEEWAY.as_secs()).unwrap_or(i64::MAX);
    (off.abs() > leeway).then_some(off)
}

#[expect(
    clippy::disallowed_methods,
    reason = "the client owns the clock that its assertions are signed with"
)]
pub(crate) fn wall() -> SystemTime {
    SystemTime::now()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_says_what_the_broker_said() {
        let cases: &[(&str, u16, &str, &str)] = &[
            (
                "detail",
                403,
                r#"{"title":"Forbidden","detail":"Host x is not mine"}"#,
                "forbidden: Host x is not mine",
            ),
            ("title", 401, r#"{"title":"no such key"}"#, "unauthorized: no such key"),
            ("text", 503, "too many links\n", "not available: too many links; try again"),
            ("nothing", 503, "", "not available: Service Unavailable; try again"),
            ("page", 502, "<html>", "HTTP 502: Bad Gateway"),
            ("bytes", 500, "\u{0}", "HTTP 500: \u{0}"),
        ];
        for (name, status, body, message) in cases {
            let status = StatusCode::from_u16(*status).expect("a status");
            assert_eq!(refusal(status, &HeaderMap::new(), body.as_bytes()).to_string(), *message, "{name}");
        }
    }

    #[test]
    fn a_clock_that_is_off_is_told_from_the_date_header() {
        let ours = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000_000);
        let headers = |off: i64| {
            let theirs =
                SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000_000_u64.saturating_add_signed(off));
            HeaderMap::from_iter([(DATE, httpdate::fmt_http_date(theirs).parse().expect("a header"))])
        };
        assert_eq!(clock_off_s(&headers(3), ours), None);
        assert_eq!(clock_off_s(&headers(-3600), ours), Some(-3600));
        assert_eq!(clock_off_s(&HeaderMap::new(), ours), None);
        let kind = DialErrorKind::Unauthorized { message: "expired".into(), clock_off_s: Some(-90) };
        assert_eq!(
            kind.to_string(),
            "unauthorized: expired; this machine's clock is 90 s ahead of the broker's: set it, then try again"
        );
    }
}
