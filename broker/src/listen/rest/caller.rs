//! Who asks: a credential becomes an identity, and extractors that want one of a certain role.

use std::sync::Arc;
use std::time::Duration;

use aide::OperationInput;
use aide::generate::GenContext;
use aide::openapi::Operation;
use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, header};
use nexus_wire::{ErrorBody, ErrorCode, Party};

use super::Remote;
use super::openapi::{SECURITY_SCHEME, may_fail, note};
use crate::admit::administer;
use crate::edge::Edge;
use crate::identity::{AuthError, Identity, Role};
use crate::listen::limits::{Standing, limited};
use crate::listen::problem::Problem;

/// Holds the session of a browser that logged in.
pub(super) const SESSION_COOKIE: &str = "nexus_session";

/// Anybody with a credential; what they may see and do is for `admit` and the readers to say.
#[derive(Debug)]
pub(in crate::listen) struct AnyParty(pub(in crate::listen) Identity);

/// An operator of any role.
#[derive(Debug)]
pub(in crate::listen) struct Viewer(pub(in crate::listen) Identity);

/// An operator who may act.
#[derive(Debug)]
pub(in crate::listen) struct Operator(pub(in crate::listen) Identity);

/// Who may let others in and shut them out.
#[derive(Debug)]
pub(in crate::listen) struct Admin(pub(in crate::listen) Identity);

impl Admin {
    pub(in crate::listen) fn party(self) -> Party {
        self.0.party
    }
}

/// The one place where a request's credential becomes an identity: the bearer token if there is an
/// `Authorization` header at all, else the session of the cookie.
pub(in crate::listen) fn authenticate(
    edge: &Edge,
    headers: &HeaderMap,
    remote: Remote,
) -> Result<Identity, Problem> {
    let now = edge.both_clocks();
    let found = match headers.get(header::AUTHORIZATION) {
        Some(value) => bearer(value).ok_or(AuthError::Missing).and_then(|it| edge.gate.identify(it, now)),
        None => match session(headers) {
            Some(session) => edge.gate.identify_session(session, now),
            None => Err(AuthError::Missing),
        },
    };
    let standing = edge.limits.standing(remote.0.ip());
    match (found, standing) {
        (_, Standing::ShutOut(wait)) | (Err(_), Standing::Guarded(wait)) => {
            Err(too_many_failures(edge, remote, wait))
        }
        // Nothing was tried: a browser asks who it is before anybody has logged in.
        (Err(error @ AuthError::Missing), Standing::Good) => Err(error.to_body().into()),
        (Err(error), Standing::Good) => Err(refused(edge, remote, &error)),
        (Ok(identity), Standing::Good | Standing::Guarded(_)) => {
            within_limits(edge, &identity.party)?;
            Ok(identity)
        }
    }
}

/// Counts a request of somebody who is known.
pub(super) fn within_limits(edge: &Edge, party: &Party) -> Result<(), Problem> {
    edge.limits.identity(party).inspect_err(|_| edge.too_much(party.clone(), "requests".to_owned()))?;
    Ok(())
}

fn too_many_failures(edge: &Edge, remote: Remote, wait: Duration) -> Problem {
    edge.too_much(Party::System, format!("credentials that were no good from {}", remote.0.ip()));
    limited("credentials from this address were no good", wait).into()
}

fn bearer(value: &HeaderValue) -> Option<&str> {
    let (scheme, token) = value.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

/// What the session cookie holds.
pub(super) fn session(headers: &HeaderMap) -> Option<&str> {
    let cookies = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
    cookies
        .flat_map(|value| value.split(';'))
        .find_map(|cookie| cookie.trim().strip_prefix(SESSION_COOKIE)?.strip_prefix('='))
}

/// Whether a secret that could be guessed, from that address, is looked at.
pub(super) fn admits(edge: &Edge, remote: Remote) -> Result<(), Problem> {
    match edge.limits.standing(remote.0.ip()) {
        Standing::Good => Ok(()),
        Standing::Guarded(wait) | Standing::ShutOut(wait) => Err(too_many_failures(edge, remote, wait)),
    }
}

/// A credential was no good.
pub(super) fn refused(edge: &Edge, remote: Remote, error: &AuthError) -> Problem {
    edge.limits.failed(remote.0.ip());
    tracing::warn!(from = %remote.0, %error, "refused a credential");
    edge.refused("refused.credential", format!("from {}: {error}", remote.0.ip()));
    error.to_body().into()
}

/// Somebody known asked for what is not theirs to do.
fn forbidden(edge: &Edge, parts: &Parts, party: &Party, body: ErrorBody) -> Problem {
    let subject = format!("{} {}", parts.method, parts.uri.path());
    edge.forbidden(party, subject);
    body.into()
}

fn identity(parts: &Parts, edge: &Edge) -> Result<Identity, Problem> {
    // The server puts it beside every request it takes.
    let remote = parts.extensions.get::<Remote>().copied().ok_or_else(|| {
        Problem::from(ErrorBody::new(ErrorCode::Internal, "where the request came from is not known"))
    })?;
    authenticate(edge, &parts.headers, remote)
}

fn at_least(identity: Identity, least: Role) -> Result<Identity, ErrorBody> {
    let (enough, needed) = match least {
        Role::Aspect => (true, ""),
        Role::Viewer => (identity.role != Role::Aspect, "this is shown to operators alone"),
        Role::Operator => (
            matches!(identity.role, Role::Operator | Role::Admin),
            "this takes the role operator; an admin can give it",
        ),
        Role::Admin => {
            administer(&identity)?;
            (true, "")
        }
    };
    if enough { Ok(identity) } else { Err(ErrorBody::new(ErrorCode::Forbidden, needed)) }
}

macro_rules! caller {
    ($name:ident, $least:expr, $who:literal) => {
        impl FromRequestParts<Arc<Edge>> for $name {
            type Rejection = Problem;

            async fn from_request_parts(parts: &mut Parts, edge: &Arc<Edge>) -> Result<Self, Problem> {
                let identity = identity(parts, edge)?;
                let party = identity.party.clone();
                at_least(identity, $least).map(Self).map_err(|body| forbidden(edge, parts, &party, body))
            }
        }

        impl OperationInput for $name {
            fn operation_input(_: &mut GenContext, operation: &mut Operation) {
                operation.security = vec![[(SECURITY_SCHEME.to_owned(), Vec::new())].into_iter().collect()];
                may_fail(operation, &[401, 403, 429]);
                note(operation, concat!("For ", $who, "."));
            }
        }
    };
}

caller!(AnyParty, Role::Aspect, "operators of any role, and for aspects, which see what concerns them");
caller!(Viewer, Role::Viewer, "operators of any role");
caller!(Operator, Role::Operator, "operators with the role operator or admin");
caller!(Admin, Role::Admin, "admins");
