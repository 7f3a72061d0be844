//! Who somebody is: the one function that turns a credential into an identity, for links and REST alike, and
//! the keys it is done with. Knows nothing of what an identity may do.

mod access;
mod assertion;
pub(crate) mod directory;
#[cfg(test)]
mod fuzz;
pub(crate) mod keys;
mod replay;
pub(crate) mod tls;
pub(crate) mod token;

use std::sync::{Arc, Mutex, PoisonError};

use nexus_wire::admin::TokenResponse;
use nexus_wire::limits::ACCESS_TOKEN_TTL;
use nexus_wire::{ErrorBody, ErrorCode, Party};
use thiserror::Error;

use directory::Directory;
use keys::NexusKeys;
use replay::Replay;

/// Whoever is behind a credential.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Identity {
    pub(crate) party: Party,
    pub(crate) role: Role,
    /// Of the key that was used. An operator's token has no generation; a piece of its digest tells it from
    /// the one that replaces it.
    pub(crate) key_generation: u64,
}

/// From the least to the most an operator may do; an aspect stands beside them.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Role {
    Aspect,
    Viewer,
    Operator,
    Admin,
}

/// Why a credential was refused. The text says what to do and tells nobody which names exist.
#[derive(Clone, Debug, Error, Eq, PartialEq)]
pub(crate) enum AuthError {
    #[error("no credential: send `Authorization: Bearer <token>`")]
    Missing,
    #[error("this operator token is not known here, or was revoked; `nexus token` says where a good one is")]
    OperatorToken,
    #[error("not an access token of this Nexus: {0}")]
    AccessToken(&'static str),
    #[error("the access token has expired; get a new one at /api/v1/token")]
    Expired,
    #[error("the key behind this token was revoked or replaced")]
    Revoked,
    #[error("the assertion was not accepted: {0}")]
    Assertion(&'static str),
    #[error("grant_type must be {}", nexus_wire::admin::GRANT_JWT_BEARER)]
    GrantType,
    #[error("too many assertions at once; try again in a minute")]
    Crowded,
}

impl AuthError {
    pub(crate) fn to_body(&self) -> ErrorBody {
        let code = match self {
            Self::GrantType => ErrorCode::Invalid,
            Self::Crowded => ErrorCode::RateLimited,
            Self::Missing
            | Self::OperatorToken
            | Self::AccessToken(_)
            | Self::Expired
            | Self::Revoked
            | Self::Assertion(_) => ErrorCode::Unauthorized,
        };
        ErrorBody::new(code, self.to_string())
    }
}

/// Seconds since 1970, as JWTs count.
pub(crate) type Seconds = u64;

/// Checks credentials against the published directory.
#[derive(Debug)]
pub(crate) struct Gate {
    keys: Arc<NexusKeys>,
    directory: Arc<Directory>,
    replay: Mutex<Replay>,
}

impl Gate {
    pub(crate) fn new(keys: Arc<NexusKeys>, directory: Arc<Directory>) -> Self {
        Self { keys, directory, replay: Mutex::new(Replay::default()) }
    }

    pub(crate) fn nexus_id(&self) -> uuid::Uuid {
        self.keys.nexus_id
    }

    /// `bearer` is what stands after `Bearer `.
    pub(crate) fn identify(&self, bearer: &str, now: Seconds) -> Result<Identity, AuthError> {
        if bearer.starts_with(token::PREFIX) {
            let digest = token::sha256(bearer);
            return self.directory.operator(&digest).ok_or(AuthError::OperatorToken);
        }
        let claims = access::verify(&self.keys, bearer, now)?;
        match self.directory.aspect(&claims.sub) {
            Some(entry) if entry.key_generation == claims.key_generation => Ok(Identity {
                party: Party::Aspect(claims.sub),
                role: Role::Aspect,
                key_generation: claims.key_generation,
            }),
            Some(_) | None => Err(AuthError::Revoked),
        }
    }

    /// Whether the credential behind `identity` still is good.
    pub(crate) fn is_current(&self, identity: &Identity) -> bool {
        self.directory.is_current(identity)
    }

    /// A signed assertion becomes an access token.
    pub(crate) fn exchange(&self, assertion: &str, now: Seconds) -> Result<TokenResponse, AuthError> {
        let name = assertion::claimed_name(assertion)?;
        let entry = self.directory.aspect(&name).ok_or(assertion::UNKNOWN_KEY)?;
        let claims = assertion::verify(assertion, &name, &entry.public_key, self.keys.nexus_id, now)?;
        self.replay.lock().unwrap_or_else(PoisonError::into_inner).note(
            &name,
            &claims.jti,
            claims.exp,
            now,
        )?;
        Ok(TokenResponse {
            access_token: access::issue(&self.keys, &name, entry.key_generation, now)?,
            token_type: "Bearer".to_owned(),
            expires_in: ACCESS_TOKEN_TTL.as_secs(),
        })
    }
}

#[cfg(test)]
mod tests;
