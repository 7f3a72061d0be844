//! Where a branch may be cut: never between a tool call and its result.
//!
//! A rewind or fork to a place in between is refused, and told the nearest place before and after it.

use std::collections::{HashMap, HashSet};

use serde_json::Value;
use thiserror::Error;
use uuid::Uuid;

use super::entry::Payload;
use super::tree::Tree;
use crate::conversation::Block;

/// A call of the active branch's last round that has no result.
#[derive(Clone, Debug, PartialEq)]
pub struct PendingCall {
    pub tool_use_id: String,
    pub name: String,
    pub input: Value,
    /// Whether it may have run already.
    pub started: bool,
}

#[derive(Clone, Debug, Eq, Error, PartialEq)]
pub enum CutError {
    #[error(
        "entry {0} is the record of a rewind, not a place in the conversation; name the entry it went to"
    )]
    Rewind(Uuid),
    #[error(
        "entry {entry} lies between a tool call and its result; take {after}, which has the result, or {}, \
         before the call", before.map_or_else(|| "the start".to_owned(), |id| id.to_string())
    )]
    SplitsToolCall { entry: Uuid, before: Option<Uuid>, after: Uuid },
    #[error("no entry {0} in this session")]
    Unknown(Uuid),
}

impl Tree {
    /// The calls at the head that wait for a result: what a crash has interrupted, or a turn is about to run.
    pub fn pending_calls(&self) -> Vec<PendingCall> {
        self.pending_at(self.head().and_then(|head| self.position(head)))
    }

    /// Whether a branch may end at `at` and another one begin there. `None`, the root, always may.
    pub fn check_cut(&self, at: Option<Uuid>) -> Result<(), CutError> {
        let Some(entry) = at else { return Ok(()) };
        let position = self.position(entry).ok_or(CutError::Unknown(entry))?;
        if self.nodes.get(position).is_some_and(|node| node.entry.payload.is_rewind()) {
            return Err(CutError::Rewind(entry));
        }
        let Some(after) = self.result_below(position) else { return Ok(()) };
        // `after` stands below the call, so the walk up ends at the call's own parent or above it.
        let before = self
            .upwards(Some(position))
            .skip(1)
            .filter_map(|node| self.position(node.entry.id))
            .find(|&above| self.result_below(above).is_none());
        let id_of = |position: usize| self.nodes.get(position).map(|node| node.entry.id);
        Err(CutError::SplitsToolCall {
            entry,
            before: before.and_then(id_of),
            after: id_of(after).unwrap_or(entry),
        })
    }

    fn pending_at(&self, at: Option<usize>) -> Vec<PendingCall> {
        let mut answered = HashSet::new();
        let mut started = HashSet::new();
        for node in self.upwards(at) {
            match &node.entry.payload {
                Payload::Assistant(turn) => {
                    return turn
                        .content
                        .iter()
                        .filter_map(call)
                        .filter(|(id, ..)| !answered.contains(id))
                        .map(|(id, name, input)| PendingCall {
                            tool_use_id: id.to_owned(),
                            name: name.to_owned(),
                            input: input.clone(),
                            started: started.contains(id),
                        })
                        .collect();
                }
                Payload::ToolStarted(call) => {
                    started.insert(call.tool_use_id.as_str());
                }
                payload @ (Payload::User(_) | Payload::ToolResult(_)) => {
                    answered.extend(payload.content().iter().filter_map(answers));
                }
                Payload::SystemPrompt(_)
                | Payload::Compaction(_)
                | Payload::BranchSummary(_)
                | Payload::Situation(_)
                | Payload::Decision(_)
                | Payload::Head(_)
                | Payload::Other { .. } => {}
            }
        }
        Vec::new()
    }

    /// An entry below `at` with a result for a call that is pending there: the first that completes the
    /// results, else the last that has one.
    fn result_below(&self, at: usize) -> Option<usize> {
        let pending: HashSet<String> =
            self.pending_at(Some(at)).into_iter().map(|call| call.tool_use_id).collect();
        if pending.is_empty() {
            return None;
        }
        let mut last = None;
        // What is still pending at each entry below; parents stand before their children.
        let mut open = HashMap::from([(at, pending)]);
        for (position, node) in self.nodes.iter().enumerate().skip(at + 1) {
            if matches!(node.entry.payload, Payload::Assistant(_)) {
                continue;
            }
            let Some(pending) = node.parent.and_then(|parent| open.get(&parent)) else { continue };
            let mut left = pending.clone();
            for id in node.entry.payload.content().iter().filter_map(answers) {
                if left.remove(id) {
                    last = Some(position);
                }
            }
            if left.is_empty() {
                return Some(position);
            }
            open.insert(position, left);
        }
        last
    }
}

fn call(block: &Block) -> Option<(&str, &str, &Value)> {
    match block {
        Block::ToolUse { id, name, input } => Some((id, name, input)),
        Block::Text { .. } | Block::Thinking { .. } | Block::ToolResult { .. } => None,
    }
}

fn answers(block: &Block) -> Option<&str> {
    match block {
        Block::ToolResult { tool_use_id, .. } => Some(tool_use_id),
        Block::Text { .. } | Block::Thinking { .. } | Block::ToolUse { .. } => None,
    }
}
