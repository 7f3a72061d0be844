//! How people get in from a browser: log in, log out, and set a new Nexus up.

use aide::axum::ApiRouter;
use axum::Extension;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::{IntoResponse, Response};
use nexus_wire::access::{Login, SessionInfo, Setup, SetupDone, TokenForPassword, TokenLogin, TokenMade};
use nexus_wire::admin::OperatorRole;
use nexus_wire::limits::{SESSION_IDLE, SESSION_TTL};
use nexus_wire::{ErrorBody, ErrorCode, OperatorName, Party, TokenName};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::answer::{Answer, Answered};
use super::caller::{Admin, SESSION_COOKIE, Viewer, admits, refused, session};
use super::input::Body;
use super::openapi::{Group, doc, doc_with, failing};
use super::people::{made_for, unexpected};
use super::routing::{get_with, post_with};
use super::{Remote, Routes, Shared};
use crate::edge::Edge;
use crate::hub::{Access, CommandBody, NewToken, Proof};
use crate::identity::{AuthError, Role, password, token};
use crate::listen::problem::Problem;

pub(super) fn routes() -> Routes {
    let group = Group::Sessions;
    let example = json!({"name": "ana", "password": "correct horse battery staple"});
    let log_in =
        doc_with("logIn", group, "Log in with a password; the answer sets a session cookie", example);
    let example = json!({"token": "nxo_…"});
    let by_token =
        doc_with("logInByToken", group, "Log in with an API token; the session ends with the token", example);
    let example = json!({
        "name": "ana",
        "password": "correct horse battery staple",
        "token": {"name": "laptop", "expires_in_s": 2_592_000},
    });
    let for_password =
        doc_with("tokenForPassword", group, "An API token for a password; the answer shows it once", example);
    let log_out = doc("logOut", group, "End the session of the cookie; its links close");
    let who = doc("getSession", group, "Who the credential of this request is");
    let example =
        json!({"setup_token": "nxsetup_…", "name": "ana", "password": "correct horse battery staple"});
    let set_up = doc_with("setUp", group, "Exchange the setup token for the first admin, once", example);
    let offer = doc("offerSetup", group, "A new setup token; an unused one is void");
    ApiRouter::new()
        .api_route("/api/v1/login", post_with(log_in_with, failing(&[401, 429], log_in)))
        .api_route("/api/v1/login/token", post_with(log_in_by_token, failing(&[401, 429], by_token)))
        .api_route("/api/v1/logout", post_with(log_out_of, failing(&[400], log_out)))
        .api_route("/api/v1/session", get_with(who_am_i, who))
        .api_route("/api/v1/setup", post_with(set_up_with, failing(&[401, 429], set_up)))
        .api_route("/api/v1/setup/token", post_with(offer_setup, offer))
        .api_route(
            "/api/v1/token/password",
            post_with(token_for_password, failing(&[401, 429], for_password)),
        )
}

/// An answer that changes the browser's cookie, too.
#[derive(Debug)]
struct WithCookie<T>(Answer<T>, String);

impl<T> IntoResponse for WithCookie<T> {
    fn into_response(self) -> Response {
        let mut response = self.0.into_response();
        // Made of a fixed text and base64url.
        if let Ok(cookie) = HeaderValue::from_str(&self.1) {
            response.headers_mut().insert(header::SET_COOKIE, cookie);
        }
        response
    }
}

impl<T: JsonSchema> aide::OperationOutput for WithCookie<T> {
    type Inner = T;

    fn operation_response(
        context: &mut aide::generate::GenContext,
        operation: &mut aide::openapi::Operation,
    ) -> Option<aide::openapi::Response> {
        Answer::<T>::operation_response(context, operation)
    }

    fn inferred_responses(
        context: &mut aide::generate::GenContext,
        operation: &mut aide::openapi::Operation,
    ) -> Vec<(Option<aide::openapi::StatusCode>, aide::openapi::Response)> {
        Answer::<T>::inferred_responses(context, operation)
    }
}

fn cookie(value: &str, seconds: u64, tls: bool) -> String {
    let secure = if tls { "; Secure" } else { "" };
    format!("{SESSION_COOKIE}={value}; Path=/; Max-Age={seconds}; HttpOnly; SameSite=Strict{secure}")
}

async fn log_in_with(
    State(edge): Shared,
    Extension(remote): Extension<Remote>,
    body: Body<Login>,
) -> Result<WithCookie<SessionInfo>, Problem> {
    let Login { name, password } = body.value;
    admits(&edge, remote)?;
    let checked = edge.gate.check_password(&name, password).await;
    let hash = checked.map_err(|error| refused(&edge, remote, &error))?;
    open_session(&edge, name, Proof::Password { hash }).await
}

async fn log_in_by_token(
    State(edge): Shared,
    Extension(remote): Extension<Remote>,
    body: Body<TokenLogin>,
) -> Result<WithCookie<SessionInfo>, Problem> {
    let TokenLogin { token } = body.value;
    admits(&edge, remote)?;
    let found = match token.starts_with(token::PREFIX) {
        true => edge.gate.identify(&token, edge.both_clocks()),
        // What else lets somebody in belongs to an aspect, or to another browser.
        false => Err(AuthError::OperatorToken),
    };
    match found.map(|identity| identity.party) {
        Ok(Party::Operator(operator)) => {
            open_session(&edge, operator, Proof::Token { sha256: token::digest(&token) }).await
        }
        Ok(Party::Aspect(_) | Party::System) => Err(refused(&edge, remote, &AuthError::OperatorToken)),
        Err(error) => Err(refused(&edge, remote, &error)),
    }
}

async fn open_session(
    edge: &Edge,
    operator: OperatorName,
    proof: Proof,
) -> Result<WithCookie<SessionInfo>, Problem> {
    let secret = token::mint_with(token::SESSION_PREFIX);
    let act = Access::OpenSession { operator, sha256: token::digest(&secret), proof };
    let opened = edge.call(CommandBody::Access { by: Party::System, act }, 0).await?;
    Ok(WithCookie(Answer::of_json(opened), cookie(&secret, SESSION_TTL.as_secs(), edge.hosts.is_tls())))
}

async fn token_for_password(
    State(edge): Shared,
    Extension(remote): Extension<Remote>,
    body: Body<TokenForPassword>,
) -> Answered<TokenMade> {
    let TokenForPassword { name, password, token } = body.value;
    admits(&edge, remote)?;
    let checked = edge.gate.check_password(&name, password).await;
    checked.map_err(|error| refused(&edge, remote, &error))?;
    made_for(&edge, Party::Operator(name.clone()), name, token).await
}

#[derive(Debug, JsonSchema, Serialize)]
struct LoggedOut {}

async fn log_out_of(
    State(edge): Shared,
    caller: Viewer,
    headers: HeaderMap,
) -> Result<WithCookie<LoggedOut>, Problem> {
    let (Party::Operator(operator), Some(secret)) = (caller.0.party, session(&headers)) else {
        let message = "there is no session to end: this request came with a token";
        return Err(ErrorBody::new(ErrorCode::Invalid, message).into());
    };
    let act = Access::CloseSession { operator: operator.clone(), sha256: token::digest(secret) };
    edge.call(CommandBody::Access { by: Party::Operator(operator), act }, 0).await?;
    Ok(WithCookie(Answer::of(&LoggedOut {}), cookie("", 0, edge.hosts.is_tls())))
}

async fn who_am_i(State(edge): Shared, caller: Viewer, headers: HeaderMap) -> Answered<SessionInfo> {
    let role = match caller.0.role {
        Role::Admin => OperatorRole::Admin,
        Role::Operator => OperatorRole::Operator,
        // An aspect is not let in here.
        Role::Viewer | Role::Aspect => OperatorRole::Viewer,
    };
    let Party::Operator(operator) = caller.0.party else {
        return Err(ErrorBody::new(ErrorCode::Forbidden, "this is shown to operators alone").into());
    };
    let digest =
        session(&headers).filter(|_| !headers.contains_key(header::AUTHORIZATION)).map(token::digest);
    let name = operator.clone();
    let expires_at = edge.ask(move |hub| {
        let sessions =
            hub.roster().operator(&name).map(|record| record.sessions.as_slice()).unwrap_or_default();
        sessions.iter().find(|it| Some(it.sha256) == digest).map(|it| it.expires_at)
    });
    let expires_at = expires_at.await?;
    Ok(Answer::of(&SessionInfo { operator, role, expires_at, idle_s: SESSION_IDLE.as_secs() }))
}

async fn set_up_with(
    State(edge): Shared,
    Extension(remote): Extension<Remote>,
    body: Body<Setup>,
) -> Answered<SetupDone> {
    let Setup { setup_token, name, password } = body.value;
    admits(&edge, remote)?;
    let sha256 = token::digest(&setup_token);
    let at = edge.now();
    let good =
        edge.ask(move |hub| hub.doors().setup().is_some_and(|it| it.sha256 == sha256 && it.is_good(at)));
    // Before the password is hashed: strangers cost nothing.
    if !good.await? {
        return Err(refused(&edge, remote, &AuthError::SetupToken));
    }
    let (password_hash, made) = match password {
        Some(password) => {
            password::acceptable(&password)?;
            (Some(edge.gate.passwords().hash(password).await.map_err(|error| error.to_body())?), None)
        }
        None => (None, Some(token::mint())),
    };
    let token = match &made {
        Some(made) => Some(NewToken { name: setup_name()?, sha256: token::digest(made), lifetime_ms: None }),
        None => None,
    };
    let act = Access::UseSetup { sha256, operator: name, password_hash, token };
    let done: SetupDone =
        edge.call(CommandBody::Access { by: Party::System, act }, 0).await?.parse().map_err(unexpected)?;
    Ok(Answer::of(&SetupDone { token: made, ..done }))
}

/// What the token is called that a new admin without a password gets.
fn setup_name() -> Result<TokenName, Problem> {
    "setup"
        .parse()
        .map_err(|error: nexus_wire::NameError| ErrorBody::new(ErrorCode::Internal, error.to_string()).into())
}

#[derive(Deserialize, JsonSchema, Serialize)]
struct Offered {
    setup_token: String,
}

async fn offer_setup(State(edge): Shared, admin: Admin) -> Answered<Offered> {
    let setup_token = token::mint_with(token::SETUP_PREFIX);
    let act = Access::OfferSetup { sha256: token::digest(&setup_token) };
    edge.call(CommandBody::Access { by: admin.party(), act }, 0).await?;
    Ok(Answer::of(&Offered { setup_token }))
}
