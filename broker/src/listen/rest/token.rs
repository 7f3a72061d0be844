//! A signed assertion becomes an access token.

use aide::axum::ApiRouter;
use axum::Extension;
use axum::extract::State;
use nexus_wire::Party;
use nexus_wire::admin::{GRANT_JWT_BEARER, TokenRequest, TokenResponse};
use serde_json::json;

use super::answer::{Answer, Answered};
use super::caller::{admits, refused, within_limits};
use super::input::Body;
use super::openapi::{Group, doc_with, failing};
use super::routing::post_with;
use super::{Remote, Routes, Shared};
use crate::hub::{Access, CommandBody};
use crate::identity::{AuthError, Exchange};

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
    admits(&edge, remote)?;
    let exchanged = match request.grant_type.as_str() {
        GRANT_JWT_BEARER => edge.gate.exchange(&request.assertion, edge.both_clocks()),
        _ => Err(AuthError::GrantType),
    };
    let Exchange { aspect, used, response } = exchanged.map_err(|error| refused(&edge, remote, &error))?;
    // All of them together are remembered for a minute, and there is an end to how many.
    within_limits(&edge, &Party::Aspect(aspect))?;
    // On disk before the answer leaves, so that not even a restart lets it be used again.
    edge.call(CommandBody::Access { by: Party::System, act: Access::UseAssertion(used) }, 0).await?;
    Ok(Answer::of(&response))
}
