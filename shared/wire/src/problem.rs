//! What every HTTP error carries (RFC 9457), as `application/problem+json`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::error::ErrorCode;

/// Why a request was not served. `code` is one of the error codes that frames have too.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
pub struct Problem {
    /// Always `about:blank`: `code` says more than a URL would.
    #[serde(rename = "type")]
    pub kind: String,
    /// The status in words.
    pub title: String,
    /// The HTTP status once more.
    pub status: u16,
    /// For people: what was wrong, where, and what to do.
    pub detail: String,
    pub code: ErrorCode,
    /// Whether the same request could succeed later with nothing else changed.
    pub retryable: bool,
    #[serde(default, skip_serializing_if = "Value::is_null")]
    pub details: Value,
}
