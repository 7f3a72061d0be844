//! Shared knowledge: entries by author and topic, every change a version of its own.
//!
//! An entry is `shared` (readable by the whole team) or its author's own. An aspect reads its own entries, the
//! shared ones, and everything of the authors it has a `read` grant for; people read everything.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::Ms;
use crate::ids::EntryId;
use crate::name::{AspectName, Party};
use crate::snippet::Snippet;

/// `knowledge.store`: insert, or replace the sender's entry of the same topic.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
pub struct KnowledgeStore {
    pub topic: String,
    pub content: String,
    /// Readable by the whole team; needs an operator's grant.
    #[serde(default)]
    pub shared: bool,
}

/// The answer to `knowledge.store` and `knowledge.delete`: the version that was made.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
pub struct KnowledgeStored {
    pub entry: EntryId,
    /// 1 for a new topic, then counting up.
    pub version: u32,
}

/// `knowledge.delete`: a last version that says the entry is gone. Earlier ones stay in its history.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
pub struct KnowledgeDelete {
    pub topic: String,
    /// Whose entry, when it is not the sender's; for operators.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub of: Option<Party>,
}

/// `knowledge.get`: one entry whole.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
pub struct KnowledgeGet {
    pub topic: String,
    /// Whose; the reader's own when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub of: Option<Party>,
    /// An earlier version; the current one when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<u32>,
}

#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
pub struct KnowledgeEntry {
    #[serde(flatten)]
    pub head: KnowledgeHead,
    /// Empty when this version is a deletion.
    pub content: String,
}

/// An entry's version without its content.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
pub struct KnowledgeHead {
    pub entry: EntryId,
    pub from: Party,
    pub topic: String,
    pub shared: bool,
    pub version: u32,
    pub at: Ms,
    /// Of the content, as UTF-8.
    pub bytes: u64,
    /// This version is a deletion.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub deleted: bool,
    /// How the topic has been used; shown to its author and to people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub usage: Option<KnowledgeUsage>,
}

/// What became of a topic, all its versions together. Counted in memory and written down every few seconds: a
/// broker that is killed loses the last of it. No query is kept.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
pub struct KnowledgeUsage {
    /// Times an aspect's search brought it.
    pub found: u64,
    /// Times it was put into a session at the start of a thread.
    pub recalled: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_recalled_at: Option<Ms>,
}

/// `knowledge.list`: current entries the reader may read, by author and topic.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, PartialEq, Serialize)]
pub struct KnowledgeList {
    /// Of this author alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub of: Option<Party>,
    /// Only topics that begin so.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub prefix: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<u32>,
    /// Of the page before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cursor: Option<String>,
}

#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
pub struct KnowledgePage {
    pub entries: Vec<KnowledgeHead>,
    /// There are more: ask again with it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cursor: Option<String>,
}

/// `knowledge.history`: the versions of a topic, the newest first.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
pub struct KnowledgeHistory {
    pub topic: String,
    /// Whose; the reader's own when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub of: Option<Party>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cursor: Option<String>,
}

/// `knowledge.search`: full text over what the reader may read, best first.
///
/// Words all have to occur; `"a phrase"` as it stands; `OR` between alternatives; `-word` excludes;
/// `pre*` matches beginnings. Any text is a valid query.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, PartialEq, Serialize)]
pub struct KnowledgeSearch {
    pub query: String,
    /// Of this author alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub of: Option<Party>,
    /// Leave out what scores lower.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min_score: Option<f64>,
    /// The hits go into a session: they count as recalled.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub recall: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cursor: Option<String>,
}

#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
pub struct KnowledgeHit {
    pub entry: EntryId,
    pub from: Party,
    pub topic: String,
    pub content: String,
    pub shared: bool,
    pub version: u32,
    pub at: Ms,
    /// BM25 over what the reader may read, larger is better.
    pub score: f64,
    /// Where in the content it was found.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub snippet: Snippet,
}

#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
pub struct KnowledgeHits {
    pub hits: Vec<KnowledgeHit>,
    /// There are more: ask again with it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cursor: Option<String>,
}

/// What a grant allows.
#[derive(Clone, Copy, Debug, Deserialize, Eq, JsonSchema, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum KnowledgeMay {
    /// Read all entries of an author, shared or not.
    Read,
    /// Store entries for the whole team.
    Share,
}

impl KnowledgeMay {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Share => "share",
        }
    }
}

/// `knowledge.grant` by an operator or an admin.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
pub struct KnowledgeGrant {
    /// Who may.
    pub to: AspectName,
    pub may: KnowledgeMay,
    /// Whose entries; for `read`, and for it alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub of: Option<Party>,
}

/// `knowledge.revoke`: what was granted is granted no more. What was stored meanwhile stays as it is.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
pub struct KnowledgeRevoke {
    pub to: AspectName,
    pub may: KnowledgeMay,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub of: Option<Party>,
}

/// The answer to `knowledge.grant` and `knowledge.revoke`.
#[derive(Clone, Copy, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
pub struct KnowledgeGranted {
    /// Whether it holds after this request.
    pub granted: bool,
    /// Whether this request changed that.
    pub changed: bool,
}

/// `knowledge.grants`: what is granted; an aspect sees its own.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, PartialEq, Serialize)]
pub struct KnowledgeGrants {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<AspectName>,
}

#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
pub struct KnowledgeGrantInfo {
    pub to: AspectName,
    pub may: KnowledgeMay,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub of: Option<Party>,
    /// Who granted it and when; absent for what came with `nexus aspect add`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<Party>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<Ms>,
}

#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
pub struct KnowledgeGrantPage {
    pub grants: Vec<KnowledgeGrantInfo>,
}
