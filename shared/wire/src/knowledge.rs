//! Shared knowledge: entries by aspect and topic.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::Ms;
use crate::ids::EntryId;
use crate::name::Party;

/// `knowledge.store`: insert, or replace the sender's entry of the same topic.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
pub struct KnowledgeStore {
    pub topic: String,
    pub content: String,
    /// Readable by the whole team; needs an operator's grant.
    #[serde(default)]
    pub shared: bool,
}

#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
pub struct KnowledgeStored {
    pub entry: EntryId,
    /// 1 for a new topic, then counting up.
    pub version: u32,
}

/// `knowledge.search`: full text over the sender's own entries and the shared ones, best first.
///
/// Words all have to occur; `"a phrase"` as it stands; `OR` between alternatives; `-word` excludes;
/// `pre*` matches beginnings. Any text is a valid query.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
pub struct KnowledgeSearch {
    pub query: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<u32>,
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
    /// BM25, larger is better.
    pub score: f64,
}

#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
pub struct KnowledgeHits {
    pub hits: Vec<KnowledgeHit>,
    /// There are more, which did not fit into a frame: search for less at a time.
    #[serde(default)]
    pub more: bool,
}
