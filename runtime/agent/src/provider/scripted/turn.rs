//! The running turn, read out of a request's messages: what was asked in it, and which calls were answered since.
//!
//! This is all the state there is. How many texts belong to the turn the messages alone do not tell: a turn that
//! failed or kept silent leaves its text behind and nothing after it. So the request says it.

use std::collections::BTreeMap;

use serde_json::{Value as Json, json};

use crate::conversation::{Block, Message, ModelRequest, Role};

/// How much of what was said before a script may look at.
const HISTORY_MAX: usize = 20;

#[derive(Debug, PartialEq)]
pub(super) struct Turn {
    /// What came in, in order; more than one when messages arrived together or joined a running turn.
    pub(super) asked: Vec<String>,
    /// Calls made in this turn, in order.
    pub(super) calls: Vec<Answered>,
    /// What was said before, as `{role, text}`.
    pub(super) history: Vec<Json>,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) struct Answered {
    pub(super) tool: String,
    pub(super) input: Json,
    pub(super) content: String,
    pub(super) is_error: bool,
}

impl Answered {
    /// The result as templates see it.
    pub(super) fn as_json(&self) -> Json {
        json!({
            "tool": self.tool,
            "input": self.input,
            "ok": !self.is_error,
            "text": self.content,
            "json": serde_json::from_str::<Json>(&self.content).unwrap_or_default(),
        })
    }
}

impl Turn {
    pub(super) fn of(request: &ModelRequest) -> Self {
        let messages = &request.messages;
        let mut said = texts(messages);
        let mine = request.origin.asked.max(1);
        let theirs = said.iter().filter(|text| text.role == Role::User).count();
        let first = said
            .iter()
            .enumerate()
            .filter(|(_, text)| text.role == Role::User)
            .nth(theirs.saturating_sub(mine))
            .map_or(said.len(), |(index, _)| index);
        let running = said.split_off(first);
        let begin = running.first().map_or(messages.len(), |text| text.message);
        let asked =
            running.into_iter().filter(|text| text.role == Role::User).map(|text| text.text.to_owned());

        let skipped = said.len().saturating_sub(HISTORY_MAX);
        let history = said.iter().skip(skipped).map(|text| json!({"role": text.role, "text": text.text}));
        Self {
            asked: asked.collect(),
            history: history.collect(),
            calls: calls(messages.get(begin..).unwrap_or_default()),
        }
    }
}

/// A text, and the message it stands in.
struct Text<'a> {
    message: usize,
    role: Role,
    text: &'a str,
}

fn texts(messages: &[Message]) -> Vec<Text<'_>> {
    let mut texts = Vec::new();
    for (index, message) in messages.iter().enumerate() {
        for block in &message.content {
            match block {
                Block::Text { text } if !text.trim().is_empty() => {
                    texts.push(Text { message: index, role: message.role, text: text.trim() });
                }
                Block::Text { .. }
                | Block::Thinking { .. }
                | Block::ToolUse { .. }
                | Block::ToolResult { .. } => {}
            }
        }
    }
    texts
}

fn calls(messages: &[Message]) -> Vec<Answered> {
    let blocks = || messages.iter().flat_map(|message| &message.content);
    let mut results = BTreeMap::new();
    for block in blocks() {
        if let Block::ToolResult { tool_use_id, content, is_error } = block {
            results.insert(tool_use_id.as_str(), (content.clone(), *is_error));
        }
    }
    let mut calls = Vec::new();
    for block in blocks() {
        let Block::ToolUse { id, name, input } = block else { continue };
        let unanswered = || ("this call was never answered".to_owned(), true);
        let (content, is_error) = results.get(id.as_str()).cloned().unwrap_or_else(unanswered);
        calls.push(Answered { tool: name.clone(), input: input.clone(), content, is_error });
    }
    calls
}
