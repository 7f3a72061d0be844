//! Registries: typed tables that people and aspects read and write, each change of a row with who, when and what.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::Ms;
use crate::name::{AspectName, Party, RegistryName};

/// A registry as it is kept: what its rows have to be like, and who may write them beside operators.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Registry {
    pub name: RegistryName,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub description: String,
    /// At most 64.
    pub fields: Vec<RegistryField>,
    /// The field whose value names a row: a text, an integer or a date. Absent: the broker names rows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// Aspects that may write and remove rows, at most 64. Everybody may read, operators may write.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub writers: Vec<AspectName>,
}

#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct RegistryField {
    /// A lower-case letter, then up to 31 lower-case letters, digits, `_` or `-`.
    pub name: String,
    #[serde(rename = "type")]
    pub kind: FieldType,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub description: String,
    /// Every row has it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub required: bool,
    /// No two rows have the same.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub unique: bool,
    /// The values there may be, at most 64; empty: any of its type.
    #[serde(default, rename = "enum", skip_serializing_if = "Vec::is_empty")]
    pub one_of: Vec<Value>,
}

#[derive(Clone, Copy, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum FieldType {
    String,
    Number,
    /// Within ±(2⁵³ − 1), so that it is exact everywhere.
    Integer,
    Boolean,
    /// `2026-11-26`.
    Date,
    /// As RFC 3339 writes it, with its offset: `2026-11-26T08:00:00Z`.
    Datetime,
    /// Any JSON.
    Json,
}

impl FieldType {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::String => "string",
            Self::Number => "number",
            Self::Integer => "integer",
            Self::Boolean => "boolean",
            Self::Date => "date",
            Self::Datetime => "datetime",
            Self::Json => "json",
        }
    }
}

/// The fields of a row by their names; one that has no value is not there.
pub type RegistryValues = BTreeMap<String, Value>;

/// `registry.put`: keep a registry under its name. One that is there is replaced, if the rows there are fit.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct RegistryPut {
    pub registry: Registry,
    /// Rows it begins with, of a registry with a `key`, at most 1 000: those that are not there are written, those
    /// that are there stay as they are.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub entries: Vec<RegistryValues>,
    /// Only if this is the version of the definition; 0: only if there is no such registry.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub if_version: Option<u32>,
}

/// A registry as it is written down in a file.
#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct RegistryFile {
    name: RegistryName,
    #[serde(default)]
    description: String,
    #[serde(default)]
    key: Option<String>,
    fields: Vec<RegistryField>,
    #[serde(default)]
    writers: Vec<AspectName>,
    #[serde(default)]
    entries: Vec<RegistryValues>,
}

impl From<RegistryFile> for RegistryPut {
    fn from(file: RegistryFile) -> Self {
        let RegistryFile { name, description, key, fields, writers, entries } = file;
        Self { registry: Registry { name, description, fields, key, writers }, entries, if_version: None }
    }
}

/// The answer to `registry.put`.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
pub struct RegistryStored {
    pub registry: RegistryName,
    /// Of the definition: counts from 1, and goes on after a deletion.
    pub version: u32,
    /// Whether the definition is another one than was there.
    pub changed: bool,
    /// Entries that were written.
    pub written: u32,
}

/// `registry.list`: by name.
#[derive(Clone, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct RegistryList {
    /// Only those behind this one: the last of the page before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<RegistryName>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<u32>,
}

#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
pub struct RegistryHead {
    pub name: RegistryName,
    pub description: String,
    /// Of the definition.
    pub version: u32,
    pub fields: u32,
    pub rows: u64,
    /// Who put this version of the definition, and when.
    pub by: Party,
    pub at: Ms,
}

#[derive(Clone, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
pub struct RegistryPage {
    pub registries: Vec<RegistryHead>,
    #[serde(default)]
    pub more: bool,
}

/// `registry.get`.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct RegistryGet {
    pub registry: RegistryName,
}

/// The answer to `registry.get`.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
pub struct RegistryInfo {
    pub registry: Registry,
    pub version: u32,
    pub rows: u64,
    /// Of all rows, as JSON.
    pub bytes: u64,
    pub by: Party,
    pub at: Ms,
}

/// `registry.delete`: with its rows and their history.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct RegistryDelete {
    pub registry: RegistryName,
}

/// The answer to `registry.delete`.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
pub struct RegistryDeleted {
    pub registry: RegistryName,
    /// Whether there was one.
    pub deleted: bool,
}

/// `registry.write`: a row that is new, or other values for one that is there.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct RegistryWrite {
    pub registry: RegistryName,
    /// Which row. May be left out where the value of the key field says it; of a registry without a key, for a new row.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub row: Option<String>,
    /// Of a row that is there, what is not named stays as it is, and null takes a value away.
    pub values: RegistryValues,
    /// Only if this is the row's version; 0: only if there is no such row.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub if_version: Option<u64>,
}

/// The answer to `registry.write`.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
pub struct RegistryWritten {
    pub registry: RegistryName,
    pub row: String,
    /// Counts the changes of the registry: the number of the one that made the row what it is.
    pub version: u64,
    /// Whether the row is another one than was there.
    pub changed: bool,
}

/// `registry.read`: rows, by what names them.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct RegistryRead {
    pub registry: RegistryName,
    /// An expression over the fields, as flows have them: `state == "open" and amount > 10`. A field without a value
    /// is null.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub filter: Option<String>,
    /// Only those behind this one: the last of the page before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<u32>,
}

#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
pub struct RegistryRow {
    /// What names it: the value of the key field as text, or an id.
    pub row: String,
    pub values: RegistryValues,
    /// The number of the registry's change that made it what it is.
    pub version: u64,
    /// Who made it that, and when.
    pub by: Party,
    pub at: Ms,
}

#[derive(Clone, Debug, Default, Deserialize, JsonSchema, PartialEq, Serialize)]
pub struct RegistryRows {
    pub rows: Vec<RegistryRow>,
    #[serde(default)]
    pub more: bool,
}

/// `registry.row`: one row.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct RegistryRowGet {
    pub registry: RegistryName,
    pub row: String,
}

/// `registry.remove`: take a row out. Its history stays.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct RegistryRemove {
    pub registry: RegistryName,
    pub row: String,
    /// Only if this is its version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub if_version: Option<u64>,
}

/// The answer to `registry.remove`.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
pub struct RegistryRemoved {
    pub registry: RegistryName,
    pub row: String,
    /// Whether there was one.
    pub removed: bool,
}

/// `registry.history`: changes of rows, the latest first.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct RegistryHistory {
    pub registry: RegistryName,
    /// Only of this one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub row: Option<String>,
    /// Only those before this one: the last of the page before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<u32>,
}

/// What a change made of a row.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
pub struct RegistryChange {
    /// Counts the changes of the registry.
    pub version: u64,
    pub row: String,
    pub by: Party,
    pub at: Ms,
    /// Absent: the row was new.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<RegistryValues>,
    /// Absent: it was removed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<RegistryValues>,
}

#[derive(Clone, Debug, Default, Deserialize, JsonSchema, PartialEq, Serialize)]
pub struct RegistryChanges {
    pub changes: Vec<RegistryChange>,
    #[serde(default)]
    pub more: bool,
}
