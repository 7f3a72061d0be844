//! Blobs: bytes too large for a frame, named by what they are. They come and go by HTTP; frames refer to them.

use std::fmt;
use std::str::FromStr;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use thiserror::Error;

use crate::Ms;
use crate::name::Party;

/// The SHA-256 of a blob's bytes. In frames `blob:sha256-<64 hexadecimal digits>`; in paths without `blob:`.
#[derive(Clone, Copy, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct BlobId(pub [u8; 32]);

#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
#[error("a blob is named sha256- and 64 lower-case hexadecimal digits")]
pub struct NotABlob;

impl BlobId {
    /// The digits alone.
    pub fn hex(&self) -> String {
        self.0.iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

impl fmt::Display for BlobId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "sha256-{}", self.hex())
    }
}

impl fmt::Debug for BlobId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "blob:{self}")
    }
}

impl FromStr for BlobId {
    type Err = NotABlob;

    /// With `blob:` or without; one name has one spelling, so capitals are none.
    fn from_str(text: &str) -> Result<Self, NotABlob> {
        let digits = text.strip_prefix("blob:").unwrap_or(text).strip_prefix("sha256-").ok_or(NotABlob)?;
        if digits.len() != 64 || !digits.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f')) {
            return Err(NotABlob);
        }
        let mut bytes = [0; 32];
        for (byte, pair) in bytes.iter_mut().zip(digits.as_bytes().chunks_exact(2)) {
            let pair = std::str::from_utf8(pair).map_err(|_| NotABlob)?;
            *byte = u8::from_str_radix(pair, 16).map_err(|_| NotABlob)?;
        }
        Ok(Self(bytes))
    }
}

impl Serialize for BlobId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&format_args!("blob:{self}"))
    }
}

impl<'de> Deserialize<'de> for BlobId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(D::Error::custom)
    }
}

impl JsonSchema for BlobId {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "BlobId".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"type": "string", "pattern": "^(blob:)?sha256-[0-9a-f]{64}$"})
    }
}

/// A blob as the broker keeps it.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
pub struct BlobInfo {
    pub id: BlobId,
    pub bytes: u64,
    pub media_type: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// When it was last put.
    pub at: Ms,
    /// Who put it; each of them has it on their quota.
    pub owners: Vec<Party>,
    /// Messages that attach it, dispatches and entries that name it. Without any it is deleted after a grace time.
    pub references: u64,
}

/// `GET /api/v1/blobs`: the latest first.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
pub struct BlobPage {
    pub blobs: Vec<BlobInfo>,
    /// What to ask for as `cursor` to go on; absent at the end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_cursor: Option<u64>,
    /// Of all blobs together, each counted once.
    #[serde(default)]
    pub used_bytes: u64,
    /// What they may be: `blobs.quota_all_mb`.
    #[serde(default)]
    pub quota_bytes: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_blob_has_one_name() {
        let id = BlobId([0x0a; 32]);
        let digits = "0a".repeat(32);
        assert_eq!(id.to_string(), format!("sha256-{digits}"));
        assert_eq!(serde_json::to_string(&id).unwrap(), format!("\"blob:sha256-{digits}\""));
        for good in [format!("sha256-{digits}"), format!("blob:sha256-{digits}")] {
            assert_eq!(good.parse(), Ok(id));
        }
        let capitals = digits.to_uppercase();
        let accents = format!("blob:sha256-{}", "é".repeat(32));
        let other = format!("sha256-{}", digits.replace("0a", "0g"));
        let wrong = [
            "",
            "sha256-",
            "blob:",
            &accents,
            &other,
            &digits,
            &format!("sha256-{capitals}"),
            &format!("sha256-{digits}0"),
        ];
        for wrong in wrong.into_iter().chain(["sha256-../../../../../etc/passwd"]) {
            assert_eq!(wrong.parse::<BlobId>(), Err(NotABlob), "{wrong}");
        }
    }
}
