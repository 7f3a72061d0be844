//! How people prove who they are: passwords, named API tokens, sessions of a browser, and the setup token.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::Ms;
use crate::admin::{OperatorInfo, OperatorRole};
use crate::name::{AspectName, OperatorName, Party, TokenName};

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

/// `POST /api/v1/invitations`: a person may come in, once, by a link. An open invitation of the same name is void.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct InvitationAdd {
    /// Of nobody who is in.
    pub name: OperatorName,
    pub role: OperatorRole,
    /// Seconds until it is good no more, 1 to 2592000 (30 days); 259200 (3 days) when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 2_592_000))]
    pub expires_in_s: Option<u64>,
}

/// An invitation nobody has accepted yet.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
pub struct InvitationInfo {
    pub name: OperatorName,
    pub role: OperatorRole,
    /// The admin whose word it is; it is void once they are none. `system` is the owner of the data directory.
    pub invited_by: Party,
    pub created_at: Ms,
    pub expires_at: Ms,
}

#[derive(Clone, Deserialize, JsonSchema, PartialEq, Serialize)]
pub struct InvitationMade {
    pub invitation: InvitationInfo,
    /// Good for accepting the invitation and nothing else. It is shown here and never again.
    pub token: String,
    /// The dashboard's page that accepts it; what follows `#invite=` is the token, which no server is sent.
    pub link: String,
}

/// `GET /api/v1/invitations`.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
pub struct Invitations {
    /// Those that can be accepted now, by name; at most 100.
    pub invitations: Vec<InvitationInfo>,
}

/// `POST /api/v1/invitations/accept`: the person who was invited chooses a password and is in, once.
#[derive(Clone, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct InvitationAccept {
    pub token: String,
    /// To log in with from now on.
    pub password: String,
}

/// Who is in now, and under which name they log in.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
pub struct InvitationAccepted {
    pub operator: OperatorInfo,
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
    InvitationAccept {}
    InvitationMade { invitation }
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
        let invitation = InvitationInfo {
            name: name.clone(),
            role: OperatorRole::Viewer,
            invited_by: Party::System,
            created_at: 1,
            expires_at: 2,
        };
        let texts = [
            format!("{:?}", Login { name: name.clone(), password: secret() }),
            format!("{:?}", PasswordSet { current: Some(secret()), password: secret() }),
            format!("{:?}", TokenLogin { token: secret() }),
            format!("{:?}", InvitationAccept { token: secret(), password: secret() }),
            format!("{:?}", InvitationMade { invitation, token: secret(), link: secret() }),
            format!("{:?}", Setup { setup_token: secret(), name, password: Some(secret()) }),
        ];
        for text in texts {
            assert!(!text.contains("canary"), "{text}");
        }
    }
}
