//! Bodies of the HTTP endpoints that clients need before and beside a link.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::Ms;
use crate::access::{InvitationInfo, TokenInfo};
use crate::name::{AspectName, OperatorName};
use crate::roster::AspectRole;

/// The grant type of a signed assertion (RFC 7523 §2.1).
pub const GRANT_JWT_BEARER: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";

/// `POST /api/v1/token`.
#[derive(Clone, Deserialize, JsonSchema, Serialize)]
pub struct TokenRequest {
    pub grant_type: String,
    /// A JWT signed with the aspect's key: `iss` = `sub` = its name, `aud` = the Nexus id, `jti` used once,
    /// `exp` at most 60 s ahead, header `kid` absent, `alg` EdDSA.
    pub assertion: String,
}

#[derive(Clone, Deserialize, JsonSchema, Serialize)]
pub struct TokenResponse {
    pub access_token: String,
    /// Always `Bearer`.
    pub token_type: String,
    /// Seconds.
    pub expires_in: u64,
}

impl std::fmt::Debug for TokenRequest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TokenRequest").field("grant_type", &self.grant_type).finish_non_exhaustive()
    }
}

impl std::fmt::Debug for TokenResponse {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TokenResponse").field("expires_in", &self.expires_in).finish_non_exhaustive()
    }
}

/// `POST /api/v1/aspects`: let an aspect in, or replace its key (which closes links of the old one).
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
pub struct AspectAdd {
    pub name: AspectName,
    #[serde(default)]
    pub role: AspectRole,
    /// Ed25519, 32 bytes, base64url without padding.
    pub public_key: String,
    /// May store shared knowledge.
    #[serde(default)]
    pub share_knowledge: bool,
}

/// An aspect as `GET /api/v1/aspects/{name}/key` and the admin calls answer.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
pub struct AspectKey {
    pub name: AspectName,
    pub role: AspectRole,
    pub key_generation: u64,
    pub share_knowledge: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revoked_at: Option<Ms>,
    /// Until when the key before this one is good, too.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub previous_until: Option<Ms>,
}

#[derive(Clone, Copy, Debug, Deserialize, Eq, JsonSchema, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum OperatorRole {
    Viewer,
    Operator,
    Admin,
}

/// `POST /api/v1/operators`. The token is made by whoever calls; the broker keeps its SHA-256 only, as the
/// operator's token named `first`. Again with another token replaces that one.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
pub struct OperatorAdd {
    pub name: OperatorName,
    pub role: OperatorRole,
    /// SHA-256 of the token, 64 hexadecimal digits.
    pub token_sha256: String,
}

/// `PUT /api/v1/operators/{name}/role`. Tokens, password and sessions stay; links close, and come back with the
/// new role.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
pub struct OperatorRoleSet {
    pub role: OperatorRole,
}

#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
pub struct OperatorInfo {
    pub name: OperatorName,
    pub role: OperatorRole,
    pub created_at: Ms,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revoked_at: Option<Ms>,
    /// May log in with a password.
    #[serde(default)]
    pub has_password: bool,
    /// By name.
    #[serde(default)]
    pub tokens: Vec<TokenInfo>,
    /// Sessions of browsers that have not ended.
    #[serde(default)]
    pub sessions: u32,
}

/// `GET /api/v1/operators`.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
pub struct Operators {
    pub operators: Vec<OperatorInfo>,
    /// Who may come in and has not yet, by name; at most 100.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub invitations: Vec<InvitationInfo>,
}

/// `GET /api/v1/ca`: what a client of this Nexus trusts when it speaks TLS, as keyfiles have it.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
pub struct NexusCa {
    pub nexus_id: uuid::Uuid,
    /// A certificate in PEM. It is no secret; but who has it from a stranger trusts that stranger.
    pub ca_pem: String,
}

/// `GET /api/v1/nexus`: needs no credential.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
pub struct NexusInfo {
    pub nexus_id: uuid::Uuid,
    pub version: String,
    pub protocol: String,
}
