//! Before any handler: do we go by that name, may that page talk to us, and nothing takes forever.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Request, State};
use axum::http::{Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use nexus_wire::{ErrorBody, ErrorCode, Party};
use tracing::Instrument as _;

use super::caller::session;
use super::{Remote, proxy, trace};
use crate::edge::Edge;
use crate::listen::a2a;
use crate::listen::hosts::Stranger;
use crate::listen::mcp;
use crate::listen::openai;
use crate::listen::problem::Problem;
use crate::traces;

const REQUEST_TIMEOUT: Duration = Duration::from_secs(30);
/// For what has much to do; an upload that stands still ends earlier.
const LONG_REQUEST_TIMEOUT: Duration = Duration::from_secs(3_600);
const LONG: [(Method, &str); 2] = [(Method::PUT, "/api/v1/blobs"), (Method::POST, "/api/v1/backup")];

pub(super) async fn guard(State(edge): State<Arc<Edge>>, request: Request, next: Next) -> Response {
    let response = match known(&edge, &request) {
        Ok(()) => {
            let trace = trace::Begun::of(&edge, &request);
            let work = traces::on_account_of(trace.traced(), in_time(request, next));
            let response = work.instrument(trace.log_span()).await;
            trace.end(response.status());
            response
        }
        Err(problem) => openai::refuse(request.uri().path(), problem),
    };
    let meter = &edge.published.meter;
    meter.requested(response.status().as_u16());
    if let Some(code) = response.extensions().get::<ErrorCode>() {
        meter.refused(*code);
    }
    response
}

async fn in_time(request: Request, next: Next) -> Response {
    let is_long =
        LONG.iter().any(|(method, path)| request.method() == method && request.uri().path() == *path);
    let is_long = is_long || openai::is_long(request.method(), request.uri().path());
    let patience = if is_long { LONG_REQUEST_TIMEOUT } else { REQUEST_TIMEOUT };
    // A service outside may take longer, and so may what is asked of the team; these have bounds of their own.
    let path = request.uri().path();
    if path.starts_with(proxy::PATH) || path.starts_with(a2a::PATH) || path == mcp::PATH {
        return next.run(request).await;
    }
    match tokio::time::timeout(patience, next.run(request)).await {
        Ok(response) => response,
        Err(_) => {
            let message = "the request was not complete in time";
            Problem::new(StatusCode::REQUEST_TIMEOUT, ErrorCode::Invalid, message).into_response()
        }
    }
}

fn known(edge: &Edge, request: &Request) -> Result<(), Problem> {
    let text = |name| request.headers().get(name).map(|value| value.to_str().unwrap_or(""));
    let host = text(header::HOST).or_else(|| request.uri().authority().map(|it| it.as_str()));
    edge.hosts.check(host, text(header::ORIGIN)).map_err(|stranger| {
        tracing::warn!(?host, origin = ?text(header::ORIGIN), "refused a stranger");
        let (kind, said) = match stranger {
            Stranger::Host => ("refused.host", host),
            Stranger::Origin => ("refused.origin", text(header::ORIGIN)),
        };
        edge.refused(kind, format!("{:?} from {}", said.unwrap_or_default(), from(request)));
        Problem::new(StatusCode::FORBIDDEN, ErrorCode::Forbidden, stranger.message())
    })?;
    if let Some(remote) = request.extensions().get::<Remote>() {
        let from = remote.0.ip();
        let too_much = |_: &_| edge.too_much(Party::System, format!("requests from {from}"));
        edge.limits.request(from).inspect_err(too_much)?;
    }
    if text(header::ORIGIN).is_none() && rides_on_a_cookie(request) {
        edge.refused("refused.origin", format!("no Origin beside a session cookie from {}", from(request)));
        let message = "a request with a session cookie has to say its Origin; programs use a bearer token";
        return Err(Problem::new(StatusCode::FORBIDDEN, ErrorCode::Forbidden, message));
    }
    Ok(())
}

fn from(request: &Request) -> String {
    request.extensions().get::<Remote>().map_or_else(String::new, |remote| remote.0.ip().to_string())
}

/// A browser adds the cookie whoever made it ask, so what could do harm has to say which page that was.
fn rides_on_a_cookie(request: &Request) -> bool {
    let headers = request.headers();
    let acts = !request.method().is_safe() || headers.contains_key(header::UPGRADE);
    acts && !headers.contains_key(header::AUTHORIZATION) && session(headers).is_some()
}

fn path_of(request: &Request) -> String {
    request.uri().path().chars().take(200).collect()
}

pub(in crate::listen) async fn nothing_here(request: Request) -> Problem {
    let message = format!("there is nothing at {}", path_of(&request));
    ErrorBody::new(ErrorCode::NotFound, message).into()
}

pub(super) async fn wrong_method(request: Request) -> Problem {
    let message = format!("{} is not for {}", request.method(), path_of(&request));
    Problem::new(StatusCode::METHOD_NOT_ALLOWED, ErrorCode::Invalid, message)
}
