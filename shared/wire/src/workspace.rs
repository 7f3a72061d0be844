//! The workspace a broker keeps, file by file; and its skills.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::Ms;

/// Where what is in effect of a file comes from.
#[derive(Clone, Copy, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum WorkspaceOrigin {
    /// Shipped with Nexus.
    Framework,
    /// The workspace's alone.
    Workspace,
    /// The workspace's, in the place of one that is shipped.
    Replaced,
    /// One that is there, with fields of a patch.
    Patched,
    /// Shipped, and hidden by the workspace.
    Hidden,
}

/// A file, and what there is of it.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
pub struct WorkspaceFile {
    pub path: String,
    /// Absent: nothing of it is in effect.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub origin: Option<WorkspaceOrigin>,
    /// The file of the workspace that has made it so, where that is another one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
    /// Of what is in effect.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bytes: Option<u64>,
    /// Of what is in effect, in hexadecimal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sha256: Option<String>,
    /// What is wrong with it, where that is known with `line:column: ` before it; up to 512 bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fault: Option<String>,
}

/// `GET /api/v1/workspace`: by path.
#[derive(Clone, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
pub struct WorkspaceFiles {
    /// Where it lies on the broker's machine. Absent: this broker keeps no workspace, and there are no files.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub folder: Option<String>,
    /// When it was last looked through, because something had changed or had been refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub read_at: Option<Ms>,
    /// Of all files, how many there is something wrong with.
    pub faults: u64,
    pub files: Vec<WorkspaceFile>,
    /// What to ask for as `cursor` to go on; absent at the end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_cursor: Option<String>,
}

/// A skill: a file that says how something is done, for whoever has an aspect's Hand `self` do it.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
pub struct Skill {
    /// Where its file lies below `skills/`, without `.md`.
    pub name: String,
    pub title: String,
    /// For people: what it is good for.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub description: String,
    /// What is to be done. Absent in a list.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instructions: Option<String>,
    /// JSON Schema of the input; absent: any object.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub input_schema: Option<Value>,
    /// The file that says so: in the workspace, or `framework:` and the path there.
    pub file: String,
}

/// `GET /api/v1/skills`: by name.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, PartialEq, Serialize)]
pub struct Skills {
    pub skills: Vec<Skill>,
    /// What to ask for as `cursor` to go on; absent at the end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_cursor: Option<String>,
}
