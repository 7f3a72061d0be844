//! Rows about who may get in: people with their tokens and sessions, keys that overlap, the setup token,
//! assertions that were used, and sealed credentials.

use std::fmt;

use nexus_wire::admin::OperatorRole;
use nexus_wire::credential::{CredentialKind, CredentialMode};
use nexus_wire::{AspectName, CredentialName, Ms, OperatorName, Party, TokenName};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A SHA-256; 64 hexadecimal digits as text.
#[derive(Clone, Copy, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Digest(pub [u8; 32]);

impl Digest {
    pub fn parse(text: &str) -> Option<Self> {
        let digits = text.as_bytes();
        if digits.len() != 64 || !digits.iter().all(u8::is_ascii_hexdigit) {
            return None;
        }
        let mut out = [0; 32];
        for (byte, pair) in out.iter_mut().zip(digits.chunks_exact(2)) {
            *byte = u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()?;
        }
        Some(Self(out))
    }

    /// Enough of it to tell the credentials of one party apart.
    pub fn piece(&self) -> u64 {
        self.0.iter().take(8).fold(0, |sum, byte| sum << 8 | u64::from(*byte))
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for Digest {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Digest {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).ok_or_else(|| serde::de::Error::custom("no SHA-256"))
    }
}

#[derive(Clone, Debug, PartialEq)]
pub struct OperatorRecord {
    pub name: OperatorName,
    pub role: OperatorRole,
    /// Argon2id, as a PHC string.
    pub password: Option<String>,
    /// By name.
    pub tokens: Vec<ApiToken>,
    /// The oldest first.
    pub sessions: Vec<Session>,
    pub created_at: Ms,
    pub revoked_at: Option<Ms>,
}

#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct ApiToken {
    pub name: TokenName,
    pub sha256: Digest,
    pub created_at: Ms,
    pub last_used_at: Option<Ms>,
    pub expires_at: Option<Ms>,
}

/// A browser that logged in.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct Session {
    pub sha256: Digest,
    pub created_at: Ms,
    pub seen_at: Ms,
    pub expires_at: Ms,
    /// The API token it was opened with; without one, a password.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token: Option<Digest>,
}

/// The key an aspect had before, while it is good beside the one it has.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Serialize)]
pub struct PreviousKey {
    pub public_key: Digest,
    pub key_generation: u64,
    pub until: Ms,
    /// The aspect's link was opened with it.
    pub holds_link: bool,
}

/// What the first person proves with that they may set this Nexus up.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Serialize)]
pub struct SetupToken {
    pub sha256: Digest,
    pub expires_at: Ms,
    pub used_at: Option<Ms>,
}

impl SetupToken {
    pub fn is_good(&self, at: Ms) -> bool {
        self.used_at.is_none() && at < self.expires_at
    }
}

/// Somebody may come in as `role`, once, with the token of that digest. There is no operator of that name until
/// then.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct Invitation {
    pub name: OperatorName,
    pub role: OperatorRole,
    pub sha256: Digest,
    pub invited_by: Party,
    pub created_at: Ms,
    pub expires_at: Ms,
}

impl Invitation {
    pub fn is_good(&self, at: Ms) -> bool {
        at < self.expires_at
    }
}

/// An assertion that was exchanged, remembered until it would be refused as expired.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct UsedAssertion {
    pub until: Ms,
    pub digest: Digest,
}

/// A credential for a service outside. `sealed` is nonce, ciphertext and tag; what opens it is not here.
#[derive(Clone, Debug, PartialEq)]
pub struct CredentialRecord {
    pub name: CredentialName,
    pub terms: CredentialTerms,
    pub sealed: Vec<u8>,
    pub created_at: Ms,
    pub rotated_at: Ms,
}

/// Who may use it, and how.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct CredentialTerms {
    pub kind: CredentialKind,
    pub mode: CredentialMode,
    pub base_url: Option<String>,
    pub header: String,
    pub prefix: String,
    pub allowed_aspects: Vec<AspectName>,
}
