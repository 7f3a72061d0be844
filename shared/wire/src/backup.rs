//! Backups that the broker makes of itself, in a folder of its own.

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};
use thiserror::Error;

use crate::Ms;

const NAME_BYTES_MAX: usize = 128;

/// The name of a backup's file: letters, digits, `.`, `-` and `_`, beginning with a letter or a digit. It leads
/// nowhere else.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct BackupName(String);

#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
#[error(
    "a backup's name has 1 to {NAME_BYTES_MAX} letters, digits, `.`, `-` or `_`, begins with a letter or a digit, and does not end in .partial"
)]
pub struct NotABackupName;

impl BackupName {
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::str::FromStr for BackupName {
    type Err = NotABackupName;

    fn from_str(text: &str) -> Result<Self, NotABackupName> {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_');
        let is_good = (1..=NAME_BYTES_MAX).contains(&text.len())
            && text.bytes().all(plain)
            && text.bytes().next().is_some_and(|byte| byte.is_ascii_alphanumeric())
            && !text.ends_with(".partial");
        if is_good { Ok(Self(text.to_owned())) } else { Err(NotABackupName) }
    }
}

impl<'de> Deserialize<'de> for BackupName {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
    }
}

impl JsonSchema for BackupName {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "BackupName".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "pattern": "^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$",
            "not": {"pattern": "\\.partial$"},
        })
    }
}

/// `POST /api/v1/backup`: make one.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, PartialEq, Serialize)]
pub struct BackupMake {
    /// Of the file; one of the time when absent. A file that is there is not overwritten.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<BackupName>,
    /// The private keys of this Nexus too: whoever has the file can then speak for this Nexus.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub with_keys: bool,
}

/// A backup that is on disk.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
pub struct BackupMade {
    pub name: BackupName,
    /// Where it is, on the broker's machine.
    pub path: String,
    pub bytes: u64,
    pub made_at: Ms,
    /// The head of the log in it, as `nexus verify --against` takes it.
    pub head: String,
    pub with_keys: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_leads_nowhere_else() {
        for good in ["a", "2026-11-26.tar", "nexus_1.tar", &"x".repeat(128)] {
            assert_eq!(good.parse::<BackupName>().map(|name| name.0), Ok(good.to_owned()));
        }
        let wrong =
            ["", ".", "..", ".hidden", "-x", "a/b", "../a", "/a", "a\\b", "a b", "ä", "a\0", "a.partial"];
        for wrong in wrong.into_iter().chain([&*"x".repeat(129)]) {
            assert_eq!(wrong.parse::<BackupName>(), Err(NotABackupName), "{wrong:?}");
        }
    }
}
