//! A signed assertion becomes an access token.

use aide::axum::ApiRouter;
use aide::axum::routing::post_with;
use axum::Extension;
use axum::extract::State;
use nexus_wire::admin::{GRANT_JWT_BEARER, TokenRequest, TokenResponse};
use serde_json::json;

use super::answer::{Answer, Answered};
use super::caller::throttled;
use super::input::Body;
use super::openapi::{Group, doc_with, failing};
use super::{Remote, Routes, Shared};
use crate::edge::seconds;
use crate::identity::AuthError;

pub(super) fn routes() -> Routes {
    let example =
        json!({"grant_type": GRANT_JWT_BEARER, "assertion": "<a JWT signed with the aspect's key>"});
    let about =
        doc_with("getToken", Group::Broker, "An access token for a signed assertion (RFC 7523)", example);
    let token = post_with(token, failing(&[401, 429], about));
    ApiRouter::new().api_route("/api/v1/token", token)
}

async fn token(
    State(edge): Shared,
    Extension(remote): Extension<Remote>,
    body: Body<TokenRequest>,
) -> Answered<TokenResponse> {
    let request = body.value;
    let response = throttled(&edge, remote, || {
        if request.grant_type != GRANT_JWT_BEARER {
            return Err(AuthError::GrantType);
        }
        edge.gate.exchange(&request.assertion, seconds())
    })?;
    Ok(Answer::of(&response))
}
