//! Files that go with a message: what they are called here, and where their bytes are.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::blob::BlobId;

/// A file of a message.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
pub struct Attachment {
    pub blob: BlobId,
    /// What it is called, for people; no path.
    pub name: String,
    /// As its sender has it, for example `text/csv`; not to be believed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub media_type: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bytes: Option<u64>,
}
