//! Files that go with a message: what they are called here, and where their bytes are.

use std::fmt;
use std::str::FromStr;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use thiserror::Error;

const PREFIX: &str = "blob:sha256-";

/// Not a reference to a blob.
#[derive(Clone, Debug, Eq, Error, PartialEq)]
#[error("{0:?} is no blob: write blob:sha256- and 64 lower-case hexadecimal digits")]
pub struct BlobRefError(String);

/// A blob by the SHA-256 of its bytes, written `blob:sha256-<64 hexadecimal digits>`.
#[derive(Clone, Copy, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct BlobRef(pub [u8; 32]);

impl FromStr for BlobRef {
    type Err = BlobRefError;
    fn from_str(text: &str) -> Result<Self, BlobRefError> {
        let wrong = || BlobRefError(text.chars().take(80).collect());
        let digits = text.strip_prefix(PREFIX).filter(|digits| digits.len() == 64).ok_or_else(wrong)?;
        let mut out = [0; 32];
        for (byte, pair) in out.iter_mut().zip(digits.as_bytes().chunks_exact(2)) {
            let value = |digit: u8| match digit {
                b'0'..=b'9' => Some(digit - b'0'),
                b'a'..=b'f' => Some(digit - b'a' + 10),
                _ => None,
            };
            let (high, low) = (value(pair[0]).ok_or_else(wrong)?, value(pair[1]).ok_or_else(wrong)?);
            *byte = high << 4 | low;
        }
        Ok(Self(out))
    }
}

impl fmt::Display for BlobRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(PREFIX)?;
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for BlobRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for BlobRef {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for BlobRef {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'_, str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

impl JsonSchema for BlobRef {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "BlobRef".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"type": "string", "pattern": "^blob:sha256-[0-9a-f]{64}$"})
    }
}

/// A file of a message.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
pub struct Attachment {
    pub blob: BlobRef,
    /// What it is called, for people; no path.
    pub name: String,
    /// As its sender has it, for example `text/csv`; not to be believed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub media_type: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bytes: Option<u64>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_blob_reads_back_as_it_is_written_or_is_none() {
        let text = format!("blob:sha256-{}", "0f".repeat(32));
        assert_eq!(text.parse::<BlobRef>().map(|blob| blob.to_string()), Ok(text.clone()));
        let cases = [
            "",
            "blob:sha256-",
            &text[1..],
            &text[..text.len() - 1],
            &text.to_uppercase(),
            &text.replace("0f", "0g"),
            &format!("{text}0"),
            &format!("blob:sha256-{}", "é".repeat(32)),
        ];
        for case in cases {
            assert!(case.parse::<BlobRef>().is_err(), "{case}");
        }
    }
}
