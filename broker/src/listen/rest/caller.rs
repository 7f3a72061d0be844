//! Who asks: a credential becomes an identity, and extractors that want one of a certain role.

use std::sync::{Arc, PoisonError};

use aide::OperationInput;
use aide::generate::GenContext;
use aide::openapi::Operation;
use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderMap, header};
use nexus_wire::{ErrorBody, ErrorCode, Party};

use super::Remote;
use super::openapi::{SECURITY_SCHEME, may_fail, note};
use crate::admit::administer;
use crate::clock;
use crate::edge::{Edge, seconds};
use crate::identity::{AuthError, Identity, Role};
use crate::listen::problem::Problem;

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

/// The one place where a request's credential becomes an identity.
pub(in crate::listen) fn authenticate(
    edge: &Edge,
    headers: &HeaderMap,
    remote: Remote,
) -> Result<Identity, Problem> {
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

/// Looks at a credential, unless too many from that address were no good.
pub(super) fn throttled<T>(
    edge: &Edge,
    remote: Remote,
    check: impl FnOnce() -> Result<T, AuthError>,
) -> Result<T, Problem> {
    let (ip, now) = (remote.0.ip(), clock::now());
    let throttle = || edge.throttle.lock().unwrap_or_else(PoisonError::into_inner);
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

fn identity(parts: &Parts, edge: &Edge) -> Result<Identity, Problem> {
    // The server puts it beside every request it takes.
    let remote = parts.extensions.get::<Remote>().copied().ok_or_else(|| {
        Problem::from(ErrorBody::new(ErrorCode::Internal, "where the request came from is not known"))
    })?;
    authenticate(edge, &parts.headers, remote)
}

fn at_least(identity: Identity, least: Role) -> Result<Identity, Problem> {
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
    if enough { Ok(identity) } else { Err(ErrorBody::new(ErrorCode::Forbidden, needed).into()) }
}

macro_rules! caller {
    ($name:ident, $least:expr, $who:literal) => {
        impl FromRequestParts<Arc<Edge>> for $name {
            type Rejection = Problem;

            async fn from_request_parts(parts: &mut Parts, edge: &Arc<Edge>) -> Result<Self, Problem> {
                at_least(identity(parts, edge)?, $least).map(Self)
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
