//! What a branch says to a model: the system text and messages every provider accepts.
//!
//! Tolerant, because a branch may end in the middle of a turn and a file may be damaged: roles alternate, the
//! first message is the user's, every tool call is followed at once by its result and no result stands without
//! its call. Where the file holds less than that, a few words stand in for what is missing.

use std::collections::HashSet;

use super::entry::{Compaction, Entry, Payload, Situation};
use crate::conversation::{Block, Message, Role};

/// The result of a call that has none in the file.
pub const INTERRUPTED: &str =
    "interrupted: the process ended before this call had a result; it may or may not have taken effect";
const LOST_START: &str = "[the beginning of this conversation is missing]";
const LOST_CALL: &str = "[result of a tool call that is missing from this conversation]";

#[derive(Clone, Debug, Default, PartialEq)]
pub struct Replay {
    /// Of the last `system.prompt`, and of all that add to it; empty without any.
    pub system: String,
    pub messages: Vec<Message>,
}

/// Replays a branch given from the root to its leaf.
pub fn replay(branch: &[&Entry]) -> Replay {
    let mut messages = Messages::default();
    let mut kept = branch;
    if let Some(begin) = Begin::of(branch) {
        let summary = format!("[summary of the conversation so far]\n{}", begin.compaction.summary);
        messages.user(&[Block::Text { text: summary }]);
        if let Some(situation) = begin.situation {
            messages.user(&[Block::Text { text: format!("[how things stand]\n{}", situation.text) }]);
        }
        kept = branch.get(begin.first_kept..).unwrap_or_default();
    }
    for entry in kept {
        match &entry.payload {
            Payload::User(_) | Payload::ToolResult(_) => messages.user(entry.payload.content()),
            Payload::Assistant(turn) => messages.assistant(&turn.content),
            Payload::BranchSummary(branch) => messages.user(&[Block::Text {
                text: format!("[summary of another branch of this conversation]\n{}", branch.summary),
            }]),
            Payload::SystemPrompt(_)
            | Payload::Compaction(_)
            | Payload::Situation(_)
            | Payload::Decision(_)
            | Payload::Head(_)
            | Payload::ToolStarted(_)
            | Payload::Other { .. } => {}
        }
    }
    Replay { system: system_of(branch), messages: messages.finish() }
}

fn system_of(branch: &[&Entry]) -> String {
    let mut system = String::new();
    let mut additions = Vec::new();
    for entry in branch {
        match &entry.payload {
            Payload::SystemPrompt(prompt) if prompt.adds => additions.push(prompt.text.as_str()),
            Payload::SystemPrompt(prompt) => system.clone_from(&prompt.text),
            Payload::User(_)
            | Payload::Assistant(_)
            | Payload::ToolResult(_)
            | Payload::Compaction(_)
            | Payload::BranchSummary(_)
            | Payload::Situation(_)
            | Payload::Decision(_)
            | Payload::Head(_)
            | Payload::ToolStarted(_)
            | Payload::Other { .. } => {}
        }
    }
    for addition in additions {
        if !system.is_empty() {
            system.push_str("\n\n");
        }
        system.push_str(addition);
    }
    system
}

/// What stands in the place of a branch's beginning.
pub(super) struct Begin<'a> {
    pub(super) compaction: &'a Compaction,
    /// Where the compaction stands on the branch.
    pub(super) at: usize,
    /// Where what is still told word by word begins.
    pub(super) first_kept: usize,
    /// The last one after the compaction.
    situation: Option<&'a Situation>,
}

impl<'a> Begin<'a> {
    /// A summary whose first kept entry is lost would hide everything, so it is passed over.
    pub(super) fn of(branch: &[&'a Entry]) -> Option<Self> {
        let mut situation = None;
        for (at, entry) in branch.iter().enumerate().rev() {
            match &entry.payload {
                Payload::Situation(this) => situation = situation.or(Some(this)),
                Payload::Compaction(compaction) => {
                    let kept = |entry: &&Entry| entry.id == compaction.first_kept;
                    if let Some(first_kept) = branch.iter().take(at).position(kept) {
                        return Some(Self { compaction, at, first_kept, situation });
                    }
                }
                Payload::User(_)
                | Payload::Assistant(_)
                | Payload::ToolResult(_)
                | Payload::SystemPrompt(_)
                | Payload::BranchSummary(_)
                | Payload::Decision(_)
                | Payload::Head(_)
                | Payload::ToolStarted(_)
                | Payload::Other { .. } => {}
            }
        }
        None
    }
}

/// Messages with alternating roles. Results go to the front of the user message after their calls.
#[derive(Default)]
struct Messages {
    done: Vec<Message>,
    /// The ids of the last assistant message's calls, in order, with the results that have come.
    calls: Vec<(String, Option<Block>)>,
    answered: HashSet<String>,
    /// What else the user says after it.
    said: Vec<Block>,
}

impl Messages {
    fn user(&mut self, content: &[Block]) {
        for block in content {
            match block {
                Block::ToolResult { tool_use_id, content, .. } => {
                    let open =
                        |(id, result): &&mut (String, Option<Block>)| id == tool_use_id && result.is_none();
                    if let Some((_, result)) = self.calls.iter_mut().find(open) {
                        *result = Some(block.clone());
                        self.answered.insert(tool_use_id.clone());
                    } else if !self.answered.contains(tool_use_id) {
                        self.said.push(Block::Text { text: format!("{LOST_CALL}\n{content}") });
                    }
                }
                Block::Text { text } if text.is_empty() => {}
                Block::Text { .. } => self.said.push(block.clone()),
                // Neither is a user's to say.
                Block::Thinking { .. } | Block::ToolUse { .. } => {}
            }
        }
    }

    fn assistant(&mut self, content: &[Block]) {
        self.end_user();
        let mut content: Vec<Block> = content
            .iter()
            .filter(|block| match block {
                Block::Text { text } => !text.is_empty(),
                Block::Thinking { .. } | Block::ToolUse { .. } => true,
                Block::ToolResult { .. } => false,
            })
            .cloned()
            .collect();
        self.answered.clear();
        for block in &content {
            if let Block::ToolUse { id, .. } = block {
                self.calls.push((id.clone(), None));
            }
        }
        match self.done.last_mut() {
            _ if content.is_empty() => {}
            Some(last) if last.role == Role::Assistant => last.content.append(&mut content),
            Some(_) => self.done.push(Message { role: Role::Assistant, content }),
            None => {
                let text = LOST_START.to_owned();
                self.done.push(Message { role: Role::User, content: vec![Block::Text { text }] });
                self.done.push(Message { role: Role::Assistant, content });
            }
        }
    }

    /// Closes the user's side: results first, in the order of the calls, and one for every call.
    fn end_user(&mut self) {
        let mut content: Vec<Block> = self
            .calls
            .drain(..)
            .map(|(tool_use_id, result)| {
                result.unwrap_or_else(|| Block::ToolResult {
                    tool_use_id,
                    content: INTERRUPTED.to_owned(),
                    is_error: true,
                })
            })
            .collect();
        content.append(&mut self.said);
        match self.done.last_mut() {
            _ if content.is_empty() => {}
            // The assistant in between said nothing.
            Some(last) if last.role == Role::User => last.content.append(&mut content),
            Some(_) | None => self.done.push(Message { role: Role::User, content }),
        }
    }

    fn finish(mut self) -> Vec<Message> {
        self.end_user();
        self.done
    }
}
