//! The HTTP endpoints beside the link: tokens, health, and administration.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::rejection::JsonRejection;
use axum::extract::{DefaultBodyLimit, Path, Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{delete, get, post};
use axum::{Extension, Json, Router};
use nexus_wire::admin::{
    AspectAdd, AspectKey, GRANT_JWT_BEARER, NexusInfo, OperatorAdd, OperatorInfo, TokenRequest,
};
use nexus_wire::roster::Team;
use nexus_wire::{AspectName, ErrorBody, ErrorCode, FromBroker};
use serde::Serialize;

use super::connect;
use super::problem::Problem;
use crate::admit::administer;
use crate::clock;
use crate::core::State as HealthState;
use crate::edge::{Edge, seconds};
use crate::hub::CommandBody;
use crate::hub::records::{AspectRecord, OperatorRecord};
use crate::identity::{AuthError, Identity, Role};

const BODY_BYTES_MAX: usize = 64 * 1024;
const REQUEST_TIMEOUT: Duration = Duration::from_secs(30);

/// Whom the connection is with.
#[derive(Clone, Copy, Debug)]
pub(super) struct Remote(pub(super) SocketAddr);

type Shared = State<Arc<Edge>>;

pub(super) fn router(edge: Arc<Edge>) -> Router {
    let served = Router::new()
        .route("/connect", get(connect::connect))
        .route("/api/v1/token", post(token))
        .route("/api/v1/nexus", get(nexus))
        .route("/api/v1/aspects", get(aspects).post(add_aspect))
        .route("/api/v1/aspects/{name}", delete(revoke_aspect))
        .route("/api/v1/aspects/{name}/key", get(aspect_key))
        .route("/api/v1/operators", get(operators).post(add_operator))
        .route("/api/v1/operators/{name}", delete(revoke_operator))
        .fallback(nothing_here)
        .method_not_allowed_fallback(wrong_method)
        .layer(middleware::from_fn_with_state(Arc::clone(&edge), guard));
    // A load balancer names the host as it likes, and what these say is no secret.
    let health = Router::new().route("/healthz", get(healthz)).route("/readyz", get(readyz));
    served.merge(health).layer(DefaultBodyLimit::max(BODY_BYTES_MAX)).with_state(edge)
}

/// Before anything else: do we go by that name, and may that page talk to us? And nothing takes forever.
async fn guard(State(edge): Shared, request: Request, next: Next) -> Response {
    if let Err(problem) = known(&edge, &request) {
        return problem.into_response();
    }
    match tokio::time::timeout(REQUEST_TIMEOUT, next.run(request)).await {
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
        Problem::new(StatusCode::FORBIDDEN, ErrorCode::Forbidden, stranger.message())
    })
}

/// The one place where a request's credential becomes an identity.
pub(super) fn authenticate(edge: &Edge, headers: &HeaderMap, remote: Remote) -> Result<Identity, Problem> {
    let bearer = headers
        .get(header::AUTHORIZATION)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.split_once(' '))
        .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"))
        .map(|(_, token)| token.trim());
    throttled(edge, remote, || match bearer {
        Some(bearer) => edge.gate.identify(bearer, seconds()),
        None => Err(AuthError::Missing),
    })
}

fn throttled<T>(
    edge: &Edge,
    remote: Remote,
    check: impl FnOnce() -> Result<T, AuthError>,
) -> Result<T, Problem> {
    let (ip, now) = (remote.0.ip(), clock::now());
    let throttle = || edge.throttle.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    if !throttle().admits(ip, now) {
        let message = "too many credentials from this address were refused; try again in a minute";
        return Err(ErrorBody::new(ErrorCode::RateLimited, message).into());
    }
    check().map_err(|error| {
        throttle().failed(ip, now);
        tracing::warn!(from = %remote.0, %error, "refused a credential");
        error.to_body().into()
    })
}

/// A body that is not what it should be, said in our words.
fn body<T>(body: Result<Json<T>, JsonRejection>) -> Result<T, Problem> {
    body.map(|Json(value)| value).map_err(|rejection| {
        let code = if rejection.status() == StatusCode::PAYLOAD_TOO_LARGE {
            ErrorCode::TooLarge
        } else {
            ErrorCode::Invalid
        };
        Problem::new(rejection.status(), code, rejection.body_text())
    })
}

async fn token(
    State(edge): Shared,
    Extension(remote): Extension<Remote>,
    request: Result<Json<TokenRequest>, JsonRejection>,
) -> Result<Response, Problem> {
    let request = body(request)?;
    let response = throttled(&edge, remote, || {
        if request.grant_type != GRANT_JWT_BEARER {
            return Err(AuthError::GrantType);
        }
        edge.gate.exchange(&request.assertion, seconds())
    })?;
    Ok(([(header::CACHE_CONTROL, "no-store")], Json(response)).into_response())
}

async fn nexus(State(edge): Shared) -> Json<NexusInfo> {
    Json(edge.info())
}

async fn healthz() -> &'static str {
    "ok\n"
}

async fn readyz(State(edge): Shared) -> Response {
    match edge.published.health.state() {
        HealthState::Working => "ready\n".into_response(),
        HealthState::Starting | HealthState::Failed | HealthState::Stopping => {
            let message = edge.published.health.reason();
            Problem::new(StatusCode::SERVICE_UNAVAILABLE, ErrorCode::StorageUnavailable, message)
                .into_response()
        }
    }
}

async fn aspects(
    State(edge): Shared,
    Extension(remote): Extension<Remote>,
    headers: HeaderMap,
) -> Result<Json<Team>, Problem> {
    authenticate(&edge, &headers, remote)?;
    Ok(Json(edge.team().await?))
}

async fn add_aspect(
    State(edge): Shared,
    Extension(remote): Extension<Remote>,
    headers: HeaderMap,
    add: Result<Json<AspectAdd>, JsonRejection>,
) -> Result<Response, Problem> {
    let by = administer(&authenticate(&edge, &headers, remote)?)?;
    let add = body(add)?;
    done(&edge, CommandBody::AddAspect { by, add }).await
}

async fn aspect_key(
    State(edge): Shared,
    Extension(remote): Extension<Remote>,
    headers: HeaderMap,
    Path(name): Path<String>,
) -> Result<Json<AspectKey>, Problem> {
    operators_only(&authenticate(&edge, &headers, remote)?)?;
    let name: AspectName = named(&name)?;
    let missing = ErrorBody::new(ErrorCode::NotFound, format!("there is no aspect {name}"));
    let key = edge.ask(move |hub| hub.roster().aspect(&name).map(AspectRecord::key)).await?;
    Ok(Json(key.ok_or(missing)?))
}

async fn revoke_aspect(
    State(edge): Shared,
    Extension(remote): Extension<Remote>,
    headers: HeaderMap,
    Path(name): Path<String>,
) -> Result<Response, Problem> {
    let by = administer(&authenticate(&edge, &headers, remote)?)?;
    done(&edge, CommandBody::RevokeAspect { by, name: named(&name)? }).await
}

#[derive(Serialize)]
struct Operators {
    operators: Vec<OperatorInfo>,
}

async fn operators(
    State(edge): Shared,
    Extension(remote): Extension<Remote>,
    headers: HeaderMap,
) -> Result<Json<Operators>, Problem> {
    operators_only(&authenticate(&edge, &headers, remote)?)?;
    let operators = edge.ask(|hub| hub.roster().operators().map(OperatorRecord::info).collect()).await?;
    Ok(Json(Operators { operators }))
}

fn operators_only(identity: &Identity) -> Result<(), Problem> {
    match identity.role {
        Role::Viewer | Role::Operator | Role::Admin => Ok(()),
        Role::Aspect => Err(ErrorBody::new(ErrorCode::Forbidden, "this is shown to operators alone").into()),
    }
}

async fn add_operator(
    State(edge): Shared,
    Extension(remote): Extension<Remote>,
    headers: HeaderMap,
    add: Result<Json<OperatorAdd>, JsonRejection>,
) -> Result<Response, Problem> {
    let by = administer(&authenticate(&edge, &headers, remote)?)?;
    let add = body(add)?;
    done(&edge, CommandBody::AddOperator { by, add }).await
}

async fn revoke_operator(
    State(edge): Shared,
    Extension(remote): Extension<Remote>,
    headers: HeaderMap,
    Path(name): Path<String>,
) -> Result<Response, Problem> {
    let by = administer(&authenticate(&edge, &headers, remote)?)?;
    done(&edge, CommandBody::RevokeOperator { by, name: named(&name)? }).await
}

fn named<T: std::str::FromStr<Err = nexus_wire::NameError>>(name: &str) -> Result<T, Problem> {
    name.parse()
        .map_err(|error: nexus_wire::NameError| ErrorBody::new(ErrorCode::Invalid, error.to_string()).into())
}

/// Applies a command; its answer is JSON text already.
async fn done(edge: &Edge, command: CommandBody) -> Result<Response, Problem> {
    match edge.call(command).await? {
        FromBroker::Ok(json) => {
            Ok(([(header::CONTENT_TYPE, "application/json")], json.as_str().to_owned()).into_response())
        }
        FromBroker::Deliver(_)
        | FromBroker::Error(_)
        | FromBroker::Gap(_)
        | FromBroker::Log(_)
        | FromBroker::Observe(_)
        | FromBroker::Registered(_)
        | FromBroker::RosterChanged(_) => {
            Err(ErrorBody::new(ErrorCode::Internal, "the answer was of an unexpected kind").into())
        }
    }
}

async fn nothing_here(request: Request) -> Problem {
    let message =
        format!("there is nothing at {}", request.uri().path().chars().take(200).collect::<String>());
    ErrorBody::new(ErrorCode::NotFound, message).into()
}

async fn wrong_method(request: Request) -> Problem {
    let message = format!(
        "{} is not for {}",
        request.method(),
        request.uri().path().chars().take(200).collect::<String>()
    );
    Problem::new(StatusCode::METHOD_NOT_ALLOWED, ErrorCode::Invalid, message)
}
