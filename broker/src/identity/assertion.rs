//! Assertions (RFC 7523): an aspect proves that it holds its key.

use jsonwebtoken::DecodingKey;
use nexus_wire::AspectName;
use nexus_wire::limits::{ASSERTION_TTL_MAX, CLOCK_LEEWAY};
use serde::Deserialize;
use uuid::Uuid;

use super::access::strict;
use super::{AuthError, Seconds};

/// The same for a name that is not known, one that is revoked and a key that does not fit.
pub(super) const UNKNOWN_KEY: AuthError = AuthError::Assertion(
    "no aspect of this name has this key here; `nexus aspect add` or `rotate` makes a keyfile",
);

const JTI_BYTES_MAX: usize = 128;

#[derive(Debug, Deserialize, Eq, PartialEq)]
pub(super) struct Claims {
    iss: String,
    sub: String,
    pub(super) jti: String,
    pub(super) exp: Seconds,
    #[serde(default)]
    nbf: Option<Seconds>,
}

#[derive(Deserialize)]
struct Claimed {
    sub: AspectName,
}

/// Whose key the assertion has to be checked with. Not believed before that.
pub(super) fn claimed_name(assertion: &str) -> Result<AspectName, AuthError> {
    jsonwebtoken::dangerous::insecure_decode_claims::<Claimed>(assertion)
        .map(|claimed| claimed.sub)
        .map_err(|_| AuthError::Assertion("it is no JWT with an aspect's name as `sub`"))
}

pub(super) fn verify(
    assertion: &str,
    name: &AspectName,
    public_key: &[u8; 32],
    nexus_id: Uuid,
    now: Seconds,
) -> Result<Claims, AuthError> {
    // The array's type is the length check: the library slices a shorter key and panics.
    let key = DecodingKey::from_ed_der(public_key.as_slice());
    let data = jsonwebtoken::decode::<Claims>(assertion, &key, &strict(&nexus_id.to_string()))
        .map_err(|error| refusal(&error))?;
    let claims = data.claims;
    if data.header.crit.is_some() {
        return Err(AuthError::Assertion("it has critical headers this broker does not know"));
    }
    if claims.sub != name.as_str() || claims.iss != claims.sub {
        return Err(AuthError::Assertion("`iss` and `sub` must both be the aspect's name"));
    }
    if claims.jti.is_empty() || claims.jti.len() > JTI_BYTES_MAX {
        return Err(AuthError::Assertion("`jti` must have 1 to 128 bytes"));
    }
    let leeway = CLOCK_LEEWAY.as_secs();
    if claims.exp.saturating_add(leeway) <= now {
        return Err(AuthError::Assertion("it has expired; is the clock of its machine right?"));
    }
    if claims.exp > now.saturating_add(ASSERTION_TTL_MAX.as_secs() + leeway) {
        return Err(AuthError::Assertion(
            "`exp` is more than 60 s ahead; is the clock of its machine right?",
        ));
    }
    if claims.nbf.is_some_and(|nbf| nbf > now.saturating_add(leeway)) {
        return Err(AuthError::Assertion("`nbf` lies ahead; is the clock of its machine right?"));
    }
    Ok(claims)
}

fn refusal(error: &jsonwebtoken::errors::Error) -> AuthError {
    use jsonwebtoken::errors::ErrorKind;
    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "the library adds kinds; what is not told apart is one answer"
    )]
    match error.kind() {
        ErrorKind::InvalidSignature => UNKNOWN_KEY,
        ErrorKind::InvalidAudience => AuthError::Assertion("`aud` must be the id of this Nexus"),
        ErrorKind::InvalidAlgorithm => AuthError::Assertion("`alg` must be EdDSA"),
        _ => AuthError::Assertion("`iss`, `sub`, `aud`, `exp` and `jti` are required, signed with EdDSA"),
    }
}
