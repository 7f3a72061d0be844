//! API tokens and passwords of operators.

use aide::axum::ApiRouter;
use axum::Extension;
use axum::extract::State;
use nexus_wire::access::{PasswordSet, TokenAdd, TokenInfo, TokenList, TokenMade};
use nexus_wire::admin::OperatorInfo;
use nexus_wire::{ErrorBody, ErrorCode, Ms, OperatorName, Party, TokenName};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::json;

use super::answer::{Answer, Answered};
use super::caller::{Viewer, admits, refused};
use super::input::{Body, Path};
use super::openapi::{Group, doc, doc_with};
use super::routing::{delete_with, get_with, post_with, put_with};
use super::{Remote, Routes, Shared, command};
use crate::admit::themselves_or_admin;
use crate::edge::Edge;
use crate::hub::records::{Digest, OperatorRecord};
use crate::hub::{Access, CommandBody, NewToken};
use crate::identity::{Identity, password, token};
use crate::listen::problem::Problem;

pub(super) fn routes() -> Routes {
    let group = Group::Operators;
    let list = doc("listTokens", group, "The API tokens of a person, without the secrets");
    let example = json!({"name": "laptop", "expires_in_s": 2_592_000});
    let add = doc_with("addToken", group, "A further API token; the answer shows it once", example);
    let revoke = doc("revokeToken", group, "Make one API token good no more; its links close at once");
    let example = json!({"password": "correct horse battery staple"});
    let password = doc_with("setPassword", group, "Set the password somebody logs in with", example);
    ApiRouter::new()
        .api_route("/api/v1/operators/{name}/password", put_with(set_password, password))
        .api_route("/api/v1/operators/{name}/tokens", get_with(tokens, list).merge(post_with(add_token, add)))
        .api_route("/api/v1/operators/{name}/tokens/{token}", delete_with(revoke_token, revoke))
}

#[derive(Debug, Deserialize, JsonSchema)]
struct ByName {
    name: OperatorName,
}

#[derive(Debug, Deserialize, JsonSchema)]
struct ByToken {
    name: OperatorName,
    token: TokenName,
}

fn access(caller: &Identity, act: Access) -> CommandBody {
    CommandBody::Access { by: caller.party.clone(), act }
}

async fn tokens(State(edge): Shared, caller: Viewer, Path(by): Path<ByName>) -> Answered<TokenList> {
    themselves_or_admin(&caller.0, &by.name)?;
    let missing = ErrorBody::new(ErrorCode::NotFound, format!("there is no operator {}", by.name));
    let found = edge.ask(move |hub| hub.roster().operator(&by.name).map(OperatorRecord::info)).await?;
    Ok(Answer::of(&TokenList { tokens: found.ok_or(missing)?.tokens }))
}

async fn add_token(
    State(edge): Shared,
    caller: Viewer,
    Path(by): Path<ByName>,
    body: Body<TokenAdd>,
) -> Answered<TokenMade> {
    themselves_or_admin(&caller.0, &by.name)?;
    made_for(&edge, caller.0.party, by.name, body.value).await
}

/// A token of an operator; made here and shown in the answer unless they made it.
pub(super) async fn made_for(
    edge: &Edge,
    by: Party,
    operator: OperatorName,
    add: TokenAdd,
) -> Answered<TokenMade> {
    let TokenAdd { name, token_sha256, expires_in_s } = add;
    let (sha256, made) = match token_sha256 {
        Some(text) => (digest(&text)?, None),
        None => {
            let made = token::mint();
            (token::digest(&made), Some(made))
        }
    };
    let lifetime_ms = expires_in_s.map(|it| Ms::try_from(it.saturating_mul(1_000)).unwrap_or(Ms::MAX));
    let act = Access::AddToken { operator, token: NewToken { name, sha256, lifetime_ms } };
    let kept: TokenMade = edge.call(CommandBody::Access { by, act }, 0).await?.parse().map_err(unexpected)?;
    Ok(Answer::of(&TokenMade { token: made, ..kept }))
}

async fn revoke_token(State(edge): Shared, caller: Viewer, Path(by): Path<ByToken>) -> Answered<TokenInfo> {
    themselves_or_admin(&caller.0, &by.name)?;
    command(&edge, access(&caller.0, Access::RevokeToken { operator: by.name, name: by.token })).await
}

async fn set_password(
    State(edge): Shared,
    Extension(remote): Extension<Remote>,
    caller: Viewer,
    Path(by): Path<ByName>,
    body: Body<PasswordSet>,
) -> Answered<OperatorInfo> {
    themselves_or_admin(&caller.0, &by.name)?;
    let PasswordSet { current, password } = body.value;
    password::acceptable(&password)?;
    if caller.0.party == Party::Operator(by.name.clone()) && edge.gate.has_password(&by.name) {
        check_current(&edge, remote, &by.name, current).await?;
    }
    let hash = edge.gate.passwords().hash(password).await.map_err(|error| error.to_body())?;
    command(&edge, access(&caller.0, Access::SetPassword { operator: by.name, hash })).await
}

/// A session somebody left open must not be enough to take the account over.
async fn check_current(
    edge: &Edge,
    remote: Remote,
    name: &OperatorName,
    current: Option<String>,
) -> Result<(), Problem> {
    let Some(current) = current else {
        let message = "say the password that is good now as `current`";
        return Err(ErrorBody::new(ErrorCode::Invalid, message).into());
    };
    admits(edge, remote)?;
    match edge.gate.check_password(name, current).await {
        Ok(_) => Ok(()),
        Err(error) => Err(refused(edge, remote, &error)),
    }
}

fn digest(text: &str) -> Result<Digest, ErrorBody> {
    Digest::parse(text).ok_or_else(|| {
        let message = "token_sha256 is to be the SHA-256 of the token, 64 hexadecimal digits";
        ErrorBody::new(ErrorCode::Invalid, message)
    })
}

pub(super) fn unexpected(error: serde_json::Error) -> Problem {
    ErrorBody::new(ErrorCode::Internal, format!("the answer was of an unexpected kind: {error}")).into()
}
