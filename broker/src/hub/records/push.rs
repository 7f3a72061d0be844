//! Rows about whom a client wants to be told of a task.

use nexus_wire::Party;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::Digest;

/// One address for one task.
#[derive(Clone, Debug, Deserialize, Eq, Ord, PartialEq, PartialOrd, Serialize)]
pub struct PushKey {
    /// A message or a dispatch.
    pub task: Uuid,
    /// Whoever set it.
    pub owner: Party,
    /// By which the owner knows it.
    pub id: String,
}

#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct PushRecord {
    pub key: PushKey,
    pub terms: PushTerms,
    /// The entry of the log that says it was set, which tells it from one that was set before under the same key.
    pub seq: u64,
    /// What of the task was told last.
    pub told: Option<Digest>,
    /// Token and credentials that go along: nonce, ciphertext and tag. Kept beside the others, which are JSON.
    #[serde(skip)]
    pub sealed: Vec<u8>,
}

/// What is not secret of it.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct PushTerms {
    /// Which of the owner's credentials it was set with.
    pub credential: u64,
    /// Who of the team was asked: an aspect, or the whole.
    pub of: String,
    /// Under which the broker was asked; addresses in a task begin with it.
    pub origin: String,
    pub url: String,
    /// How the address is authenticated to, when the client says how.
    pub scheme: Option<String>,
}
