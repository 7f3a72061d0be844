//! How people prove who they are: passwords, named API tokens, sessions of a browser, and the setup token.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::Ms;
use crate::admin::{OperatorInfo, OperatorRole};
use crate::name::{AspectName, OperatorName, TokenName};

/// `POST /api/v1/operators/{name}/tokens`: a further API token of an operator. A token of the same name is
/// replaced.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
pub struct TokenAdd {
    pub name: TokenName,
    /// SHA-256 of a token the caller made, 64 hexadecimal digits. Without it the broker makes one and shows it
    /// in its answer, once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token_sha256: Option<String>,
    /// Seconds until it is good no more; without it, until it is revoked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_in_s: Option<u64>,
}

#[derive(Clone, Deserialize, JsonSchema, PartialEq, Serialize)]
pub struct TokenMade {
    pub operator: OperatorName,
    pub token_info: TokenInfo,
    /// The token itself, if the broker made it. It is shown here and never again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token: Option<String>,
}

#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
pub struct TokenInfo {
    pub name: TokenName,
    pub created_at: Ms,
    /// When it last let somebody in; may be a minute old.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_used_at: Option<Ms>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Ms>,
}

/// `GET /api/v1/operators/{name}/tokens`.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
pub struct TokenList {
    pub tokens: Vec<TokenInfo>,
}

/// `PUT /api/v1/operators/{name}/password`. Ends every session of that operator.
#[derive(Clone, Deserialize, JsonSchema, PartialEq, Serialize)]
pub struct PasswordSet {
    /// The password that is good now. An admin who sets somebody else's leaves it out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub current: Option<String>,
    pub password: String,
}

/// `POST /api/v1/login`.
#[derive(Clone, Deserialize, JsonSchema, PartialEq, Serialize)]
pub struct Login {
    pub name: OperatorName,
    pub password: String,
}

/// `POST /api/v1/token/password`: a password for an API token, for programs that keep no cookie. A token of the same
/// name is replaced.
#[derive(Clone, Deserialize, JsonSchema, PartialEq, Serialize)]
pub struct TokenForPassword {
    pub name: OperatorName,
    pub password: String,
    pub token: TokenAdd,
}

/// `POST /api/v1/login/token`: a session of whoever has the API token, for a browser.
#[derive(Clone, Deserialize, JsonSchema, PartialEq, Serialize)]
pub struct TokenLogin {
    pub token: String,
}

/// Whose session the cookie is. `POST /api/v1/login`, `POST /api/v1/login/token` and `GET /api/v1/session` answer it.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
pub struct SessionInfo {
    pub operator: OperatorName,
    pub role: OperatorRole,
    /// Whatever happens meanwhile.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Ms>,
    /// Seconds without a request after which it ends.
    pub idle_s: u64,
}

/// `POST /api/v1/setup`: the setup token becomes the first person's way in, once.
#[derive(Clone, Deserialize, JsonSchema, PartialEq, Serialize)]
pub struct Setup {
    pub setup_token: String,
    /// Becomes an admin.
    pub name: OperatorName,
    /// To log in with. Without it the answer has an API token.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password: Option<String>,
}

#[derive(Clone, Deserialize, JsonSchema, PartialEq, Serialize)]
pub struct SetupDone {
    pub operator: OperatorInfo,
    /// An API token named `setup`, when no password was chosen. It is shown here and never again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token: Option<String>,
}

/// `POST /api/v1/aspects/{name}/rotate`: a new key for an aspect that is in.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
pub struct KeyRotate {
    /// Ed25519, 32 bytes, base64url without padding.
    pub public_key: String,
    /// Seconds for which the key it had stays good beside the new one; 0 ends it at once.
    #[serde(default)]
    pub overlap_s: u64,
}

/// The answer: the aspect's key as it is in force now.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
pub struct KeyRotated {
    pub name: AspectName,
    pub key_generation: u64,
    /// Until when the key before it is good, too.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub previous_until: Option<Ms>,
}

macro_rules! without_secrets {
    ($($name:ident { $($shown:ident),* })*) => {
        $(impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.debug_struct(stringify!($name))$(.field(stringify!($shown), &self.$shown))*.finish_non_exhaustive()
            }
        })*
    };
}

without_secrets! {
    Login { name }
    PasswordSet {}
    Setup { name }
    SetupDone { operator }
    TokenForPassword { name, token }
    TokenLogin {}
    TokenMade { operator, token_info }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_secret_is_not_in_a_debug_text() {
        let name: OperatorName = "ana".parse().unwrap();
        let secret = || "canary-3f9c".to_owned();
        let texts = [
            format!("{:?}", Login { name: name.clone(), password: secret() }),
            format!("{:?}", PasswordSet { current: Some(secret()), password: secret() }),
            format!("{:?}", TokenLogin { token: secret() }),
            format!("{:?}", Setup { setup_token: secret(), name, password: Some(secret()) }),
        ];
        for text in texts {
            assert!(!text.contains("canary"), "{text}");
        }
    }
}
