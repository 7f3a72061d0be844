//! Access tokens: what an aspect shows for a quarter of an hour after it has proved its key.

use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use nexus_wire::AspectName;
use nexus_wire::limits::{ACCESS_TOKEN_TTL, CLOCK_LEEWAY};
use serde::{Deserialize, Serialize};

use super::keys::NexusKeys;
use super::{AuthError, Seconds};

/// Told apart from an assertion by more than the key that signed it.
const TYPE: &str = "at+jwt";

#[derive(Debug, Deserialize, Serialize)]
pub(super) struct Claims {
    iss: String,
    aud: String,
    pub(super) sub: AspectName,
    pub(super) key_generation: u64,
    iat: Seconds,
    exp: Seconds,
}

pub(super) fn issue(
    keys: &NexusKeys,
    name: &AspectName,
    key_generation: u64,
    now: Seconds,
) -> Result<String, AuthError> {
    let header = Header { typ: Some(TYPE.to_owned()), ..Header::new(Algorithm::EdDSA) };
    let id = keys.nexus_id.to_string();
    let claims = Claims {
        iss: id.clone(),
        aud: id,
        sub: name.clone(),
        key_generation,
        iat: now,
        exp: now.saturating_add(ACCESS_TOKEN_TTL.as_secs()),
    };
    jsonwebtoken::encode(&header, &claims, &EncodingKey::from_ed_der(&keys.signing_pkcs8()))
        .map_err(|_| AuthError::AccessToken("it could not be signed"))
}

pub(super) fn verify(keys: &NexusKeys, token: &str, now: Seconds) -> Result<Claims, AuthError> {
    let id = keys.nexus_id.to_string();
    let validation = strict(&id);
    let key = DecodingKey::from_ed_der(&keys.signing_public);
    let data = jsonwebtoken::decode::<Claims>(token, &key, &validation)
        .map_err(|_| AuthError::AccessToken("its form, signature, issuer or audience is wrong"))?;
    if data.header.typ.as_deref() != Some(TYPE) {
        return Err(AuthError::AccessToken("its type is wrong"));
    }
    if data.claims.iss != id {
        return Err(AuthError::AccessToken("its issuer is wrong"));
    }
    if data.claims.exp.saturating_add(CLOCK_LEEWAY.as_secs()) <= now {
        return Err(AuthError::Expired);
    }
    Ok(data.claims)
}

/// EdDSA alone; everything required that the library leaves optional. Times are compared by the caller, who
/// has the clock.
pub(super) fn strict(audience: &str) -> Validation {
    let mut validation = Validation::new(Algorithm::EdDSA);
    validation.leeway = CLOCK_LEEWAY.as_secs();
    validation.validate_exp = false;
    validation.validate_nbf = false;
    validation.set_required_spec_claims(&["exp", "aud", "iss", "sub"]);
    validation.set_audience(&[audience]);
    validation
}
