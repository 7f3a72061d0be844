//! `expand_summary` and `read_output`: what is in this conversation and not shown any more: what was said before a
//! summary, and the rest of results that were cut.

use std::path::{Path, PathBuf};

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::args::whole;
use crate::session::{BadBlobName, BlobError, BlobName, Blobs, SessionError, Tree, Turns, told};

const TURNS_MAX: u64 = 20;
/// Of one turn; what is in its middle is left out.
const TURN_BYTES_MAX: usize = 16 * 1024;

/// The session that a call comes from.
#[derive(Clone, Debug)]
pub(super) struct OwnSession {
    pub(super) file: PathBuf,
    pub(super) blobs: Blobs,
}

#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ExpandSummary {
    /// The first turn wanted, counted from 1.
    #[serde(default, deserialize_with = "whole")]
    #[schemars(with = "Option<u64>")]
    from_turn: Option<u64>,
    /// How many turns (1; at most 20).
    #[serde(default, deserialize_with = "whole")]
    #[schemars(with = "Option<u64>")]
    turns: Option<u64>,
    /// Only turns in which each of these words occurs.
    #[serde(default)]
    words: Option<String>,
}

#[derive(Debug, PartialEq, Serialize)]
pub(crate) struct Expanded {
    /// Of the whole conversation so far.
    turns_in_all: usize,
    turns: Vec<ToldTurn>,
    /// There is more; go on with from_turn = next_turn.
    truncated: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_turn: Option<usize>,
}

#[derive(Debug, PartialEq, Serialize)]
struct ToldTurn {
    turn: usize,
    at: Timestamp,
    text: String,
}

impl super::Shrink for Expanded {
    fn shrink(&mut self) -> bool {
        let kept = self.turns.len() / 2;
        let Some(first) = self.turns.get(kept).map(|turn| turn.turn) else { return false };
        self.turns.truncate(kept);
        (self.truncated, self.next_turn) = (true, Some(first));
        kept > 0
    }
}

impl ExpandSummary {
    /// Reads the session that its own process is writing.
    pub(crate) fn run(&self, session: &Path) -> Result<Expanded, SessionError> {
        let tree = Tree::load(session)?;
        let branch = tree.branch(tree.head());
        let turns = Turns::of(&branch);
        let from = usize::try_from(self.from_turn.unwrap_or(1)).unwrap_or(usize::MAX).max(1);
        let most = usize::try_from(self.turns.unwrap_or(1).clamp(1, TURNS_MAX)).unwrap_or(1);
        let words = self.words.as_deref().unwrap_or_default().to_lowercase();
        let mut found = Vec::new();
        let mut next_turn = None;
        for turn in from..=turns.len() {
            let entries = turns.range(turn, branch.len()).and_then(|range| branch.get(range));
            let Some(entries) = entries else { break };
            let text = told(entries, TURN_BYTES_MAX);
            let lower = text.to_lowercase();
            if !words.split_whitespace().all(|word| lower.contains(word)) {
                continue;
            }
            if found.len() == most {
                next_turn = Some(turn);
                break;
            }
            let at = entries.first().map(|entry| entry.ts).unwrap_or_default();
            found.push(ToldTurn { turn, at, text });
        }
        Ok(Expanded { turns_in_all: turns.len(), turns: found, truncated: next_turn.is_some(), next_turn })
    }
}

#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ReadOutput {
    /// As it is named where the result was cut: sha256-…
    output: String,
    /// The first byte wanted, counted from 0.
    #[serde(default, deserialize_with = "whole")]
    #[schemars(with = "Option<u64>")]
    from_byte: Option<u64>,
}

#[derive(Debug, Serialize)]
pub(crate) struct OutputText {
    output: String,
    /// Of the whole.
    bytes: usize,
    from_byte: usize,
    text: String,
    /// There is more; go on with from_byte = next_byte.
    truncated: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_byte: Option<usize>,
}

#[derive(Debug, thiserror::Error)]
pub(crate) enum OutputError {
    #[error("argument `output`: {0}")]
    Name(#[from] BadBlobName),
    #[error(transparent)]
    Blob(#[from] BlobError),
}

impl ReadOutput {
    /// `text_max`: bytes of text in one result. By bytes and not by lines: much of what is long is one line of JSON.
    pub(crate) fn run(&self, blobs: &Blobs, text_max: usize) -> Result<OutputText, OutputError> {
        let name: BlobName = self.output.parse()?;
        let whole = blobs.get(&name)?;
        let whole = String::from_utf8_lossy(&whole);
        let from = usize::try_from(self.from_byte.unwrap_or(0)).unwrap_or(usize::MAX);
        let from = whole.floor_char_boundary(from.min(whole.len()));
        let to = whole.floor_char_boundary(from.saturating_add(text_max.max(4)).min(whole.len()));
        let text = whole.get(from..to).unwrap_or_default().to_owned();
        let next_byte = (to < whole.len()).then_some(to);
        let (output, bytes, truncated) = (self.output.clone(), whole.len(), next_byte.is_some());
        Ok(OutputText { output, bytes, from_byte: from, text, truncated, next_byte })
    }
}

/// How a result that was cut says where the rest is.
pub(crate) fn pointer(name: &BlobName) -> String {
    format!("the tool read_output shows all of it as {name}")
}

/// Whether a result is one that was cut and whose rest is kept.
pub(crate) fn is_cut(content: &str) -> bool {
    let end =
        content.get(content.ceil_char_boundary(content.len().saturating_sub(200))..).unwrap_or_default();
    end.contains("; the tool read_output shows all of it as sha256-")
}
