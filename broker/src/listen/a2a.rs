//! A2A 1.0: agents and programs of others talk to the team by the protocol they have already. Agent cards, and the
//! same operations in both bindings that are spoken over HTTP, JSON-RPC and HTTP+JSON.
//!
//! A door and no more: what is asked becomes frames of our own, admitted as the caller's identity like any other
//! link's ([`door`]), and what a task is derives from what the log and the receipts say ([`task`]).

mod call;
mod card;
mod door;
mod fault;
mod follow;
#[cfg(test)]
mod fuzz;
mod list;
pub(crate) mod push;
mod rest;
mod rpc;
mod send;
mod stream;
mod task;

use std::sync::Arc;
use std::time::Duration;

use a2a::{SVC_PARAM_VERSION, VERSION, error_code};
use axum::Router;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, FromRequest as _, Path, Request, State};
use axum::http::{HeaderMap, HeaderValue, Uri, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use nexus_wire::envelope::check_bounds;
use nexus_wire::limits::FRAME_BYTES_MAX;
use nexus_wire::roster::{Team, TeamList};
use nexus_wire::{ErrorBody, ErrorCode};
use tokio::time::timeout;

use super::problem::Problem;
use super::rest::caller::AnyParty;
use super::rest::guard::nothing_here;
use super::rest::input::is_json;
use crate::edge::Edge;
use card::Of;
use door::Door;
use fault::Fault;

/// Where all of it is, but for the card of the Nexus.
pub(super) const PATH: &str = "/a2a/";
const BODY_TIMEOUT: Duration = Duration::from_secs(30);

type Shared = State<Arc<Edge>>;

pub(super) fn router() -> Router<Arc<Edge>> {
    Router::new()
        .route("/.well-known/agent-card.json", get(card_of_nexus))
        .route("/.well-known/jwks.json", get(keys))
        .route("/a2a/{of}/.well-known/agent-card.json", get(card_of))
        .route("/a2a/{of}", post(rpc::answer))
        .merge(rest::router())
        .layer(DefaultBodyLimit::max(FRAME_BYTES_MAX))
}

/// What receivers check notifications with; it is for anybody.
async fn keys(State(edge): Shared) -> Response {
    let headers = [(header::CACHE_CONTROL, HeaderValue::from_static("public, max-age=300"))];
    (headers, axum::Json(edge.gate.jwks())).into_response()
}

async fn card_of_nexus(
    State(edge): Shared,
    headers: HeaderMap,
    caller: Result<AnyParty, Problem>,
) -> Result<Response, Problem> {
    shown_card(edge, &headers, caller, Of::Nexus).await
}

async fn card_of(
    State(edge): Shared,
    Path(of): Path<String>,
    headers: HeaderMap,
    caller: Result<AnyParty, Problem>,
    request: Request,
) -> Result<Response, Problem> {
    match of.parse() {
        Ok(of) => shown_card(edge, &headers, caller, of).await,
        Err(_) => Err(nothing_here(request).await),
    }
}

/// To whoever shows no credential what strangers may know; a credential that is no good is refused.
async fn shown_card(
    edge: Arc<Edge>,
    headers: &HeaderMap,
    caller: Result<AnyParty, Problem>,
    of: Of,
) -> Result<Response, Problem> {
    let origin = origin(&edge, headers);
    let (card, kept) = match caller {
        Ok(AnyParty(caller)) => {
            let door = Door::new(edge, caller, origin, of);
            (door.card().await.map_err(problem)?, "no-store")
        }
        Err(problem) if headers.contains_key(header::AUTHORIZATION) => return Err(problem),
        Err(_) => (card::public(&origin, &of), "public, max-age=300"),
    };
    let headers = [(header::CACHE_CONTROL, HeaderValue::from_static(kept))];
    Ok((headers, axum::Json(card)).into_response())
}

/// Of a card, which is fetched by plain HTTP.
fn problem(fault: Fault) -> Problem {
    ErrorBody::new(fault.ours(), fault.message()).into()
}

fn origin(edge: &Edge, headers: &HeaderMap) -> String {
    // The guard has refused whoever calls us by another's name.
    let host = headers.get(header::HOST).and_then(|value| value.to_str().ok()).unwrap_or_default();
    edge.hosts.origin(host)
}

/// Everything an operation needs to know beside its parameters.
async fn entered(
    edge: &Arc<Edge>,
    caller: AnyParty,
    of: &str,
    headers: &HeaderMap,
    uri: &Uri,
) -> Result<Arc<Door>, Fault> {
    version(headers, uri)?;
    let of: Of = of.parse().map_err(|error| Fault::params(format!("{error}")))?;
    let door = Door::new(Arc::clone(edge), caller.0, origin(edge, headers), of);
    door.exists().await?;
    Ok(Arc::new(door))
}

/// A request that names no version is one of 0.3, as the specification has it.
fn version(headers: &HeaderMap, uri: &Uri) -> Result<(), Fault> {
    let header = headers.get(SVC_PARAM_VERSION).map(|value| value.to_str().unwrap_or("?"));
    let query = uri.query().unwrap_or_default().split('&').find_map(|pair| {
        let (name, value) = pair.split_once('=')?;
        name.eq_ignore_ascii_case(SVC_PARAM_VERSION).then_some(value)
    });
    let said = header.or(query).map(str::trim).unwrap_or_default();
    let mut numbers = said.split('.');
    let ours = (numbers.next(), numbers.next()) == (Some("1"), Some("0")) && numbers.count() <= 1;
    if ours {
        return Ok(());
    }
    let said: String = if said.is_empty() { "0.3".to_owned() } else { said.chars().take(16).collect() };
    let message = format!("version {said} is not spoken here; send `{SVC_PARAM_VERSION}: {VERSION}`");
    Err(Fault::new(error_code::VERSION_NOT_SUPPORTED, message))
}

/// A body of JSON within the bounds of a frame, as text.
async fn body(edge: &Arc<Edge>, request: Request) -> Result<String, Fault> {
    if !is_json(request.headers()) {
        let message = "send the body as JSON, with `Content-Type: application/json`";
        return Err(Fault::new(error_code::CONTENT_TYPE_NOT_SUPPORTED, message));
    }
    let Ok(read) = timeout(BODY_TIMEOUT, Bytes::from_request(request, edge)).await else {
        return Err(Fault::new(error_code::INVALID_REQUEST, "the body did not come in time"));
    };
    let bytes = read.map_err(|rejection| {
        let message = format!("the body cannot be read: {}", rejection.body_text());
        Fault::new(error_code::INVALID_REQUEST, message)
    })?;
    let text = String::from_utf8(bytes.into()).map_err(|error| {
        let at = error.utf8_error().valid_up_to();
        Fault::new(error_code::PARSE_ERROR, format!("the body is not UTF-8 at byte {at}"))
    })?;
    check_bounds(&text).map_err(|error| Fault::new(error_code::INVALID_REQUEST, error.to_body().message))?;
    Ok(text)
}

impl Door {
    /// What the caller may know of whom the door leads to.
    async fn card(&self) -> Result<a2a::AgentCard, Fault> {
        let mut team = Vec::new();
        let mut after = None;
        loop {
            let page: Team = self.ask(TeamList { after, limit: None }).await?;
            after = page.aspects.last().map(|it| it.name.clone());
            team.extend(page.aspects);
            if !page.more {
                break;
            }
        }
        match self.of() {
            Of::Nexus => Ok(card::of_team(self.origin(), &team)),
            Of::Aspect(name) => match team.iter().find(|it| it.name == *name) {
                Some(info) => Ok(card::of_aspect(self.origin(), info)),
                None => Err(ErrorBody::new(ErrorCode::NotFound, format!("there is no aspect {name}")).into()),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_version_is_spoken_and_it_has_to_be_named() {
        let spoken = |header: Option<&str>, uri: &str| {
            let mut headers = HeaderMap::new();
            if let Some(value) = header {
                headers.insert("a2a-version", value.parse().unwrap());
            }
            version(&headers, &uri.parse().unwrap()).is_ok()
        };
        let cases: &[(Option<&str>, &str, bool)] = &[
            (Some("1.0"), "/a2a/wren", true),
            (Some("1.0.3"), "/a2a/wren", true),
            (None, "/a2a/wren?A2A-Version=1.0", true),
            (None, "/a2a/wren?x=1&a2a-version=1.0", true),
            (None, "/a2a/wren", false),
            (Some(""), "/a2a/wren", false),
            (Some("0.3"), "/a2a/wren", false),
            (Some("1"), "/a2a/wren", false),
            (Some("1.1"), "/a2a/wren", false),
            (Some("2.0"), "/a2a/wren", false),
            (Some("1.0.0.0"), "/a2a/wren", false),
            // A header wins.
            (Some("2.0"), "/a2a/wren?A2A-Version=1.0", false),
        ];
        for (header, uri, expected) in cases {
            assert_eq!(spoken(*header, uri), *expected, "{header:?} {uri}");
        }
    }
}
