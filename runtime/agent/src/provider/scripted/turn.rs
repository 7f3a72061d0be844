//! The running turn, read out of a request's messages: what was asked in it, and which calls were answered.
//!
//! This is all the state there is. A turn begins after the last reply that called no tool.

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
        let ended = |message: &Message| {
            message.role == Role::Assistant
                && !message.content.iter().any(|block| matches!(block, Block::ToolUse { .. }))
        };
        let begin = messages.iter().rposition(ended).map_or(0, |last| last + 1);
        let (before, running) = messages.split_at(begin);

        let mut results = BTreeMap::new();
        for block in running.iter().flat_map(|message| &message.content) {
            if let Block::ToolResult { tool_use_id, content, is_error } = block {
                results.insert(tool_use_id.as_str(), (content.clone(), *is_error));
            }
        }
        let mut asked = Vec::new();
        let mut calls = Vec::new();
        for message in running {
            match message.role {
                Role::User => asked.extend(said(message)),
                Role::Assistant => {
                    for block in &message.content {
                        let Block::ToolUse { id, name, input } = block else { continue };
                        let unanswered = || ("this call was never answered".to_owned(), true);
                        let (content, is_error) =
                            results.get(id.as_str()).cloned().unwrap_or_else(unanswered);
                        calls.push(Answered { tool: name.clone(), input: input.clone(), content, is_error });
                    }
                }
            }
        }
        let mut history: Vec<Json> = before
            .iter()
            .filter_map(|message| Some(json!({"role": message.role, "text": said(message)?})))
            .collect();
        history.drain(..history.len().saturating_sub(HISTORY_MAX));
        Self { asked, calls, history }
    }
}

fn said(message: &Message) -> Option<String> {
    let texts: Vec<&str> = message
        .content
        .iter()
        .filter_map(|block| match block {
            Block::Text { text } => Some(text.trim()),
            Block::Thinking { .. } | Block::ToolUse { .. } | Block::ToolResult { .. } => None,
        })
        .filter(|text| !text.is_empty())
        .collect();
    (!texts.is_empty()).then(|| texts.join("\n\n"))
}
