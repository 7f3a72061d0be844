//! Who somebody is: the one function that turns a credential into an identity, for links and REST alike, and
//! the keys it is done with. Knows nothing of what an identity may do.

mod access;
mod assertion;
pub(crate) mod directory;
#[cfg(test)]
mod fuzz;
pub(crate) mod keys;
pub(crate) mod notice;
pub(crate) mod password;
pub(crate) mod seal;
pub(crate) mod signed;
pub(crate) mod terms;
pub(crate) mod tls;
pub(crate) mod token;
mod uses;

use std::sync::Arc;

use nexus_wire::admin::TokenResponse;
use nexus_wire::limits::{ACCESS_TOKEN_TTL, CLOCK_LEEWAY};
use nexus_wire::{AspectName, ErrorBody, ErrorCode, Ms, OperatorName, Party};
use thiserror::Error;

use directory::Directory;
use keys::NexusKeys;
use password::Passwords;
use uses::Uses;

use crate::hub::NO_INVITATION;
use crate::hub::records::{Digest, UsedAssertion};

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
    #[error(
        "this operator token is not known here, has expired, or was revoked; `nexus token` says where a good one is"
    )]
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
    #[error("no session of this broker, or one that has ended; log in again")]
    Session,
    #[error("the name or the password is wrong")]
    Login,
    #[error(
        "this setup token is not known, was used before or has expired; `nexus token setup` makes another"
    )]
    SetupToken,
    #[error("{NO_INVITATION}")]
    Invitation,
    #[error("the password could not be hashed; try again")]
    Password,
    #[error("too many passwords are being checked; try again in a few seconds")]
    Crowded,
}

impl AuthError {
    pub(crate) fn to_body(&self) -> ErrorBody {
        let code = match self {
            Self::GrantType => ErrorCode::Invalid,
            Self::Crowded => ErrorCode::RateLimited,
            Self::Password => ErrorCode::Internal,
            Self::Missing
            | Self::OperatorToken
            | Self::AccessToken(_)
            | Self::Expired
            | Self::Revoked
            | Self::Session
            | Self::Login
            | Self::SetupToken
            | Self::Invitation
            | Self::Assertion(_) => ErrorCode::Unauthorized,
        };
        ErrorBody::new(code, self.to_string())
    }
}

/// Seconds since 1970, as JWTs count.
pub(crate) type Seconds = u64;

/// Both clocks: tokens that are signed carry the wall's seconds, what the broker keeps has its own time.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Now {
    pub(crate) wall: Seconds,
    pub(crate) at: Ms,
}

/// Checks credentials against the published directory.
#[derive(Debug)]
pub(crate) struct Gate {
    keys: Arc<NexusKeys>,
    directory: Arc<Directory>,
    passwords: Passwords,
    uses: Uses,
}

/// What a signed assertion is good for.
#[derive(Debug)]
pub(crate) struct Exchange {
    /// Whose it is.
    pub(crate) aspect: AspectName,
    pub(crate) used: UsedAssertion,
    pub(crate) response: TokenResponse,
}

impl Gate {
    pub(crate) fn new(keys: Arc<NexusKeys>, directory: Arc<Directory>) -> Self {
        Self { keys, directory, passwords: Passwords::default(), uses: Uses::default() }
    }

    pub(crate) fn nexus_id(&self) -> uuid::Uuid {
        self.keys.nexus_id
    }

    pub(crate) fn ca_pem(&self) -> &str {
        &self.keys.ca_pem
    }

    /// `bearer` is what stands after `Bearer `.
    pub(crate) fn identify(&self, bearer: &str, now: Now) -> Result<Identity, AuthError> {
        if bearer.starts_with(token::PREFIX) {
            let digest = token::digest(bearer);
            let identity = self.directory.token(&digest, now.at).ok_or(AuthError::OperatorToken)?;
            self.uses.note(digest, now.at);
            return Ok(identity);
        }
        let claims = access::verify(&self.keys, bearer, now.wall)?;
        let entry = self.directory.aspect(&claims.sub).ok_or(AuthError::Revoked)?;
        if !entry.keys(now.at).any(|(_, generation)| generation == claims.key_generation) {
            return Err(AuthError::Revoked);
        }
        Ok(Identity {
            party: Party::Aspect(claims.sub),
            role: Role::Aspect,
            key_generation: claims.key_generation,
        })
    }

    /// `session` is what the cookie holds.
    pub(crate) fn identify_session(&self, session: &str, now: Now) -> Result<Identity, AuthError> {
        if !session.starts_with(token::SESSION_PREFIX) {
            return Err(AuthError::Session);
        }
        let digest = token::digest(session);
        let used_at = self.uses.last(&digest);
        let identity = self.directory.session(&digest, now.at, used_at).ok_or(AuthError::Session)?;
        self.uses.note(digest, now.at);
        Ok(identity)
    }

    /// What anybody may check this Nexus's signatures with, as a JWK set.
    pub(crate) fn jwks(&self) -> serde_json::Value {
        self.keys.jwks()
    }

    /// A JWT of what is said; it fails only where keys are damaged.
    pub(crate) fn sign_notice(&self, notice: &notice::Notice) -> Result<String, String> {
        self.keys.sign_notice(notice).map_err(|error| error.to_string())
    }

    /// Whoever `party` is now by the credential that was theirs.
    pub(crate) fn holder(&self, party: &Party, credential: u64, now: Now) -> Option<Identity> {
        self.directory.holder(party, credential, now.at)
    }

    /// Whether the credential behind `identity` still is good.
    pub(crate) fn is_current(&self, identity: &Identity, at: Ms) -> bool {
        self.directory.is_current(identity, at)
    }

    pub(crate) fn passwords(&self) -> &Passwords {
        &self.passwords
    }

    /// The hash the password fits. A name that nobody has, and one without a password, takes as long as a
    /// wrong password and is answered the same.
    pub(crate) async fn check_password(
        &self,
        name: &OperatorName,
        password: String,
    ) -> Result<String, AuthError> {
        let hash = self.directory.password(name);
        let fits = self.passwords.verify(hash.clone(), password).await?;
        hash.filter(|_| fits).ok_or(AuthError::Login)
    }

    /// Whether the operator may log in with a password.
    pub(crate) fn has_password(&self, name: &OperatorName) -> bool {
        self.directory.password(name).is_some()
    }

    /// Uses of tokens and sessions that are to be written.
    pub(crate) fn take_uses(&self, at: Ms) -> Vec<(Digest, Ms)> {
        self.uses.take(at)
    }

    /// A signed assertion becomes an access token, once that it was used is on disk: only then it is known that
    /// no other has used it.
    pub(crate) fn exchange(&self, assertion: &str, now: Now) -> Result<Exchange, AuthError> {
        let name = assertion::claimed_name(assertion)?;
        let entry = self.directory.aspect(&name).ok_or(assertion::UNKNOWN_KEY)?;
        let mut checked = Err(assertion::UNKNOWN_KEY);
        for (key, generation) in entry.keys(now.at) {
            checked = assertion::verify(assertion, &name, &key, self.keys.nexus_id, now.wall)
                .map(|claims| (claims, generation));
            if checked != Err(assertion::UNKNOWN_KEY) {
                break;
            }
        }
        let (claims, generation) = checked?;
        // By the wall, as its expiry is; a jump of the clock between can only make it be remembered longer or
        // refused.
        let left = claims.exp.saturating_add(CLOCK_LEEWAY.as_secs()).saturating_sub(now.wall);
        let left_ms = Ms::try_from(left.saturating_mul(1_000)).unwrap_or(Ms::MAX);
        let used = UsedAssertion {
            until: now.at.saturating_add(left_ms),
            digest: token::digest(&format!("{name}\0{}", claims.jti)),
        };
        let response = TokenResponse {
            access_token: access::issue(&self.keys, &name, generation, now.wall)?,
            token_type: "Bearer".to_owned(),
            expires_in: ACCESS_TOKEN_TTL.as_secs(),
        };
        Ok(Exchange { aspect: name, used, response })
    }
}

#[cfg(test)]
mod tests;
