//! What the broker tells others of its own accord, signed so that whoever has its public key can check who said it.

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::Seconds;
use super::keys::NexusKeys;

/// Told apart from everything else that is signed with this key.
const TYPE: &str = "a2a-push+jwt";
/// From the moment it is sent; a clock that is off by minutes does no harm.
const LIFETIME: Seconds = 300;

/// What is said of a body that is sent somewhere.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub(crate) struct Notice {
    /// Where the key is: at `/.well-known/jwks.json` behind it.
    pub(crate) iss: String,
    /// Where it is sent.
    pub(crate) aud: String,
    /// The task it is about.
    pub(crate) sub: String,
    /// The same for whatever is sent again.
    pub(crate) jti: String,
    pub(crate) iat: Seconds,
    pub(crate) exp: Seconds,
    /// Hexadecimal.
    pub(crate) request_body_sha256: String,
}

impl Notice {
    pub(crate) fn of(body: &[u8], iss: String, aud: String, sub: String, jti: String, now: Seconds) -> Self {
        let request_body_sha256 = Sha256::digest(body).iter().map(|byte| format!("{byte:02x}")).collect();
        Self { iss, aud, sub, jti, iat: now, exp: now.saturating_add(LIFETIME), request_body_sha256 }
    }
}

impl NexusKeys {
    /// The key in the form of RFC 8037.
    fn jwk(&self) -> (String, Value) {
        let x = BASE64_URL_SAFE_NO_PAD.encode(self.signing_public);
        // RFC 7638: the members that are required, in this order and without a blank.
        let thumbprint = format!(r#"{{"crv":"Ed25519","kty":"OKP","x":"{x}"}}"#);
        let kid = BASE64_URL_SAFE_NO_PAD.encode(Sha256::digest(thumbprint));
        let key = json!({"kty": "OKP", "crv": "Ed25519", "x": x, "kid": kid, "use": "sig", "alg": "EdDSA"});
        (kid, key)
    }

    /// What anybody may check signatures with.
    pub(super) fn jwks(&self) -> Value {
        json!({"keys": [self.jwk().1]})
    }

    pub(super) fn sign_notice(&self, notice: &Notice) -> Result<String, jsonwebtoken::errors::Error> {
        let (kid, _) = self.jwk();
        let header = Header { typ: Some(TYPE.to_owned()), kid: Some(kid), ..Header::new(Algorithm::EdDSA) };
        jsonwebtoken::encode(&header, notice, &EncodingKey::from_ed_der(&self.signing_pkcs8()))
    }
}

#[cfg(test)]
mod tests {
    use jsonwebtoken::jwk::JwkSet;
    use jsonwebtoken::{DecodingKey, Validation};

    use super::*;
    use crate::datadir::DataDir;

    #[test]
    fn what_is_signed_is_checked_with_what_is_published() {
        let dir = tempfile::tempdir().unwrap();
        let (keys, _) = NexusKeys::open(&DataDir::open(dir.path()).unwrap(), 1_000).unwrap();
        let text = |it: &str| it.to_owned();
        let (iss, aud) = ("https://nexus.example", "https://a.test/hook");
        let notice = Notice::of(b"{}", text(iss), text(aud), text("task"), text("id"), 1_000);
        let token = keys.sign_notice(&notice).unwrap();
        let set: JwkSet = serde_json::from_value(keys.jwks()).unwrap();
        let header = jsonwebtoken::decode_header(&token).unwrap();
        assert_eq!(header.typ.as_deref(), Some(TYPE));
        let key = DecodingKey::from_jwk(set.find(&header.kid.unwrap()).unwrap()).unwrap();
        let mut validation = Validation::new(Algorithm::EdDSA);
        validation.validate_exp = false;
        validation.set_audience(&[aud]);
        validation.set_issuer(&[iss]);
        let found = jsonwebtoken::decode::<Notice>(&token, &key, &validation).unwrap().claims;
        assert_eq!((&found, found.exp - found.iat), (&notice, LIFETIME));
        let empty = "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a";
        assert_eq!(found.request_body_sha256, empty);
        // It opens nothing here.
        assert!(super::super::access::verify(&keys, &token, 1_000).is_err());
    }
}
