//! Credentials for services outside: what the broker keeps sealed and uses on behalf of aspects.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::Ms;
use crate::name::{AspectName, CredentialName};

#[derive(Clone, Copy, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum CredentialKind {
    Provider,
    Git,
    Jira,
    Imap,
    Custom,
}

impl CredentialKind {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Provider => "provider",
            Self::Git => "git",
            Self::Jira => "jira",
            Self::Imap => "imap",
            Self::Custom => "custom",
        }
    }

    /// Whether calls with it are calls of a model, which cost something.
    pub fn asks_models(self) -> bool {
        match self {
            Self::Provider => true,
            Self::Git | Self::Jira | Self::Imap | Self::Custom => false,
        }
    }
}

/// How an aspect gets to use a credential.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum CredentialMode {
    /// The broker makes the call; the aspect never sees the secret.
    #[default]
    Proxy,
    /// The aspect is handed the secret.
    Fetch,
    Both,
}

impl CredentialMode {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Proxy => "proxy",
            Self::Fetch => "fetch",
            Self::Both => "both",
        }
    }

    pub fn proxies(self) -> bool {
        match self {
            Self::Proxy | Self::Both => true,
            Self::Fetch => false,
        }
    }

    pub fn is_fetched(self) -> bool {
        match self {
            Self::Fetch | Self::Both => true,
            Self::Proxy => false,
        }
    }
}

/// `POST /api/v1/credentials`: keep a secret, or replace everything of the one of that name.
#[derive(Clone, Deserialize, JsonSchema, PartialEq, Serialize)]
pub struct CredentialAdd {
    pub name: CredentialName,
    pub kind: CredentialKind,
    #[serde(default)]
    pub mode: CredentialMode,
    /// Where the broker's calls go: scheme, host, port and the beginning of the path. Needed for `proxy`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub base_url: Option<String>,
    /// The header the secret goes into; `authorization` when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub header: Option<String>,
    /// What stands before the secret in that header; `Bearer ` for `authorization`, nothing for another.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prefix: Option<String>,
    /// Who may use it.
    #[serde(default)]
    pub allowed_aspects: Vec<AspectName>,
    pub secret: String,
}

/// `PUT /api/v1/credentials/{name}/secret`.
#[derive(Clone, Deserialize, JsonSchema, PartialEq, Serialize)]
pub struct CredentialRotate {
    pub secret: String,
}

/// `PUT /api/v1/credentials/{name}/allowed`: who may use it from now on; the secret stays as it is.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
pub struct CredentialAllow {
    pub allowed_aspects: Vec<AspectName>,
}

/// A credential without its secret.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
pub struct CredentialInfo {
    pub name: CredentialName,
    pub kind: CredentialKind,
    pub mode: CredentialMode,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub base_url: Option<String>,
    pub header: String,
    pub prefix: String,
    pub allowed_aspects: Vec<AspectName>,
    pub created_at: Ms,
    /// When its secret last changed.
    pub rotated_at: Ms,
}

/// `GET /api/v1/credentials`.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
pub struct CredentialList {
    pub credentials: Vec<CredentialInfo>,
}

/// `GET /api/v1/credentials/{name}/secret`, for an aspect that may fetch it.
#[derive(Clone, Deserialize, JsonSchema, PartialEq, Serialize)]
pub struct CredentialSecret {
    pub name: CredentialName,
    pub secret: String,
}

impl fmt::Debug for CredentialAdd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CredentialAdd")
            .field("name", &self.name)
            .field("kind", &self.kind)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for CredentialRotate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CredentialRotate").finish_non_exhaustive()
    }
}

impl fmt::Debug for CredentialSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CredentialSecret").field("name", &self.name).finish_non_exhaustive()
    }
}
