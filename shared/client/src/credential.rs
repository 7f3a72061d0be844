//! What one proves oneself with: an aspect's key, by way of a signed assertion, or an operator's token.

use std::time::{Duration, SystemTime};

use ed25519_dalek::pkcs8::EncodePrivateKey as _;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use nexus_wire::limits::ASSERTION_TTL_MAX;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::keyfile::{KeyError, KeyFile};
use crate::secret::Secret;

/// Below the limit by enough for a broker whose clock is a little behind.
pub(crate) const ASSERTION_TTL: Duration = Duration::from_secs(50);
const _: () = assert!(ASSERTION_TTL.as_secs() < ASSERTION_TTL_MAX.as_secs());

#[derive(Clone, Debug)]
pub enum Credential {
    /// An aspect: exchanges assertions signed with its key for access tokens.
    Key(Box<KeyFile>),
    /// An operator: the token is sent as it is.
    Token(Secret),
}

/// What an assertion says (RFC 7523).
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct AssertionClaims {
    pub iss: String,
    pub sub: String,
    pub aud: String,
    pub jti: String,
    pub iat: u64,
    pub exp: u64,
}

/// An assertion of `keyfile`'s aspect, good for one use and less than a minute.
pub fn assertion(keyfile: &KeyFile, now: SystemTime) -> Result<Secret, KeyError> {
    let der = keyfile.signing_key()?.to_pkcs8_der().map_err(|_| KeyError::Encode)?;
    let iat = now.duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_secs());
    let claims = AssertionClaims {
        iss: keyfile.name.to_string(),
        sub: keyfile.name.to_string(),
        aud: keyfile.nexus_id.to_string(),
        jti: Uuid::now_v7().to_string(),
        iat,
        exp: iat + ASSERTION_TTL.as_secs(),
    };
    let key = EncodingKey::from_ed_der(der.as_bytes());
    jsonwebtoken::encode(&Header::new(Algorithm::EdDSA), &claims, &key)
        .map(Secret::from)
        .map_err(|_| KeyError::NotEd25519)
}

#[cfg(test)]
mod tests {
    use base64::Engine as _;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    use jsonwebtoken::{DecodingKey, Validation};

    use super::*;
    use crate::http::wall;

    #[test]
    fn an_assertion_verifies_against_the_public_key() {
        let name = "wren".parse().expect("a name");
        let keyfile = KeyFile::generate(name, Uuid::from_u128(7), "http://127.0.0.1:1".into(), None)
            .expect("keys can be made");
        let public = URL_SAFE_NO_PAD.decode(&keyfile.public_key).expect("base64url");
        assert_eq!(public.len(), 32);
        let mut validation = Validation::new(Algorithm::EdDSA);
        validation.leeway = 5;
        validation.set_audience(&[keyfile.nexus_id]);
        validation.set_required_spec_claims(&["aud", "exp", "sub"]);
        let first = assertion(&keyfile, wall()).expect("signed");
        let key = DecodingKey::from_ed_der(&public);
        let claims = jsonwebtoken::decode::<AssertionClaims>(first.expose(), &key, &validation)
            .expect("verifies")
            .claims;
        assert_eq!((claims.iss.as_str(), claims.sub.as_str()), ("wren", "wren"));
        assert_ne!(first, assertion(&keyfile, wall()).expect("signed"), "each has its own jti");
    }
}
