//! The Model Context Protocol over streamable HTTP, at `/mcp`: other people's assistants use the team's tools as the
//! identity their bearer token stands for.
//!
//! `rmcp` speaks the protocol, both generations of it: 2025-11-25 and its elders with sessions, 2026-07-28 without.
//! Around it, here:
//!
//! - who asks is known before a byte of a body is read, and a session belongs to whoever opened it ([`sessions`]);
//! - what a session missed while its connection was away is kept, within bounds ([`replay`]);
//! - each session, and each request without one, is a link inside the process ([`link`]): it closes when the
//!   credential behind it is taken back and when the broker stops, and then what is under way is answered;
//! - an answer that takes long begins before it is known ([`patience`]), so that nothing between here and the client
//!   gives the connection up.

mod bus;
mod fixtures;
#[cfg(test)]
mod fuzz;
mod link;
mod metadata;
mod patience;
mod replay;
mod served;
mod sessions;

use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{any, get};
use axum::{Extension, Router};
use http_body_util::{BodyExt, Full};
use nexus_wire::limits::FRAME_BYTES_MAX;
use nexus_wire::{ErrorBody, ErrorCode};
use rmcp::model::{ClientJsonRpcMessage, ClientRequest, GetMeta, ProtocolVersion};
use rmcp::transport::{StreamableHttpServerConfig, StreamableHttpService};
use serde_json::{Value, json};
use tokio::time::timeout;

use super::problem::Problem;
use super::rest::Remote;
use super::rest::caller::authenticate;
use crate::edge::Edge;
use fixtures::Fixtures;
use link::Link;
use served::Served;
use sessions::{Manager, Sessions};

pub(super) const PATH: &str = "/mcp";
/// For the whole of a request's body.
const BODY_TIMEOUT: Duration = Duration::from_secs(30);
const KEEP_ALIVE: Duration = Duration::from_secs(15);
/// How long a client waits before it comes back for what it missed.
const RETRY: Duration = Duration::from_secs(1);
const SESSION: &str = "mcp-session-id";
const VERSION: &str = "mcp-protocol-version";
/// JSON-RPC's own code for what is no message, and ours beside theirs for a session that is not there.
const PARSE_ERROR: i32 = -32700;
const NO_SESSION: i32 = -32001;

pub(super) fn routes(edge: &Edge) -> Router<Arc<Edge>> {
    let door = Arc::new(Door {
        sessions: Arc::default(),
        fixtures: edge.conformance_fixtures.then(Fixtures::default).map(Arc::new),
    });
    Router::new()
        .route(PATH, any(serve))
        .route("/.well-known/oauth-protected-resource", get(metadata::resource))
        .route("/.well-known/oauth-protected-resource/mcp", get(metadata::resource))
        .layer(Extension(door))
}

/// What all requests share.
#[derive(Debug)]
struct Door {
    sessions: Arc<Sessions>,
    fixtures: Option<Arc<Fixtures>>,
}

async fn serve(
    State(edge): State<Arc<Edge>>,
    Extension(remote): Extension<Remote>,
    Extension(door): Extension<Arc<Door>>,
    request: Request,
) -> Response {
    answer(edge, remote, &door, request).await.unwrap_or_else(|refusal| *refusal)
}

async fn answer(
    edge: Arc<Edge>,
    remote: Remote,
    door: &Door,
    request: Request,
) -> Result<Response, Box<Response>> {
    let (mut parts, body) = request.into_parts();
    // The cookie of a browser is for our own pages.
    parts.headers.remove(header::COOKIE);
    let identity = authenticate(&edge, &parts.headers, remote)
        .map_err(|problem| metadata::challenge(&edge, &parts.headers, problem))?;
    if ![Method::GET, Method::POST, Method::DELETE].contains(&parts.method) {
        return Err(wrong_method());
    }
    let body = read(body).await.map_err(|problem| Box::new(problem.into_response()))?;
    let message = (parts.method == Method::POST).then(|| parse(&body)).transpose()?;
    let is_stateless = is_stateless(&parts.headers, message.as_ref());
    if is_stateless {
        // That generation knows no sessions, and says to ignore the header.
        parts.headers.remove(SESSION);
    }
    let named = parts.headers.get(SESSION).map(|value| value.to_str().unwrap_or_default().to_owned());
    let (link, replay) = match named {
        Some(name) => {
            let session = door.sessions.find(&name, &identity).ok_or_else(unknown_session)?;
            (session.link, Some(session.replay))
        }
        None if message.is_none() => return Err(needs_session(is_stateless)),
        None => (Link::open(&edge, identity).map_err(|it| Box::new(it.into_response()))?, None),
    };
    let manager = Manager::new(Arc::clone(&door.sessions), Arc::clone(&link), replay);
    let serving = Arc::clone(&link);
    let fixtures = door.fixtures.clone();
    let service = StreamableHttpService::new(
        move || Ok(Served::new(Arc::clone(&serving), fixtures.clone())),
        Arc::new(manager),
        settings(&link),
    );
    let going = link.in_use();
    let ends = parts.method == Method::DELETE;
    let request = axum::http::Request::from_parts(parts, Full::new(body));
    let answer = async move {
        let mut response = service.handle(request).await;
        if ends && response.status() == StatusCode::ACCEPTED {
            // It has ended already, and clients take other words for a failure.
            *response.status_mut() = StatusCode::NO_CONTENT;
        }
        // While the answer is on its way the link is in use.
        response.map(|body| Body::new(body.map_frame(move |frame| going.pass(frame))))
    };
    Ok(if is_stateless { patience::first_or_trickle(answer).await } else { answer.await })
}

fn settings(link: &Link) -> StreamableHttpServerConfig {
    let mut settings = StreamableHttpServerConfig::default();
    settings.sse_keep_alive = Some(KEEP_ALIVE);
    settings.sse_retry = Some(RETRY);
    settings.json_response = true;
    settings.cancellation_token = link.gone();
    settings.max_request_body_bytes = FRAME_BYTES_MAX;
    // Names and origins are judged before any handler, by our own settings.
    settings.disable_allowed_hosts()
}

async fn read(body: Body) -> Result<Bytes, Problem> {
    match timeout(BODY_TIMEOUT, to_bytes(body, FRAME_BYTES_MAX)).await {
        Ok(Ok(bytes)) => Ok(bytes),
        Ok(Err(_)) => {
            let message = format!("a message has at most {FRAME_BYTES_MAX} bytes");
            Err(ErrorBody::new(ErrorCode::TooLarge, message).into())
        }
        Err(_) => {
            let message = "the request was not complete in time";
            Err(Problem::new(StatusCode::REQUEST_TIMEOUT, ErrorCode::Invalid, message))
        }
    }
}

fn parse(body: &[u8]) -> Result<ClientJsonRpcMessage, Box<Response>> {
    serde_json::from_slice(body).map_err(|error| {
        // As far as it can be told, whoever waits for this answer finds it by its id.
        let id =
            serde_json::from_slice::<Value>(body).ok().and_then(|mut it| it.get_mut("id").map(Value::take));
        rpc_error(
            StatusCode::BAD_REQUEST,
            PARSE_ERROR,
            &format!("not a message of JSON-RPC 2.0: {error}"),
            id,
        )
    })
}

/// Whether the request is of the generation in which each stands for itself.
fn is_stateless(headers: &HeaderMap, message: Option<&ClientJsonRpcMessage>) -> bool {
    let first = ProtocolVersion::V_2026_07_28;
    let of_message = match message {
        // The handshake belongs to the generations before, whatever it names.
        Some(ClientJsonRpcMessage::Request(request))
            if matches!(request.request, ClientRequest::InitializeRequest(_)) =>
        {
            return false;
        }
        Some(ClientJsonRpcMessage::Request(request)) => request.request.get_meta().protocol_version(),
        Some(
            ClientJsonRpcMessage::Error(_)
            | ClientJsonRpcMessage::Notification(_)
            | ClientJsonRpcMessage::Response(_),
        )
        | None => None,
    };
    let of_header = headers.get(VERSION).and_then(|value| value.to_str().ok());
    // Dates compare as their text does.
    of_message.is_some_and(|it| it.as_str() >= first.as_str())
        || of_header.is_some_and(|it| it >= first.as_str())
}

fn rpc_error(status: StatusCode, code: i32, message: &str, id: Option<Value>) -> Box<Response> {
    let error = json!({"jsonrpc": "2.0", "id": id, "error": {"code": code, "message": message}});
    let mut response = (status, error.to_string()).into_response();
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    Box::new(response)
}

fn unknown_session() -> Box<Response> {
    let message = "there is no such session, or it has ended; initialize a new one";
    rpc_error(StatusCode::NOT_FOUND, NO_SESSION, message, None)
}

/// What neither brings a message nor names a session.
fn needs_session(is_stateless: bool) -> Box<Response> {
    if is_stateless {
        return wrong_method();
    }
    let message = "name the session in Mcp-Session-Id";
    rpc_error(StatusCode::BAD_REQUEST, PARSE_ERROR, message, None)
}

fn wrong_method() -> Box<Response> {
    let message = "messages come by POST; GET and DELETE are for sessions";
    let problem = Problem::new(StatusCode::METHOD_NOT_ALLOWED, ErrorCode::Invalid, message);
    let mut response = problem.into_response();
    response.headers_mut().insert(header::ALLOW, HeaderValue::from_static("GET, POST, DELETE"));
    Box::new(response)
}
