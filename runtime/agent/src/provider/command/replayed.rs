//! A conversation as one text, for a session elsewhere that has not seen it.

use crate::conversation::{Block, Message, ModelRequest, Role};

/// Of what a tool was given or gave back.
const TOOL_CHARS_MAX: usize = 2000;

/// Everything, for a session that is new.
pub(super) fn whole(request: &ModelRequest) -> String {
    let (last, before) = match request.messages.split_last() {
        Some((last, before)) if last.role == Role::User => (said(last), before),
        Some(_) | None => ("Go on.".to_owned(), request.messages.as_slice()),
    };
    let mut parts = Vec::new();
    if !request.system.trim().is_empty() {
        parts.push(request.system.trim().to_owned());
    }
    if !before.is_empty() {
        parts.push("The conversation so far, which you have been part of as \"you\":".to_owned());
        for message in before {
            let who = match message.role {
                Role::User => "they",
                Role::Assistant => "you",
            };
            parts.push(format!("[{who}]\n{}", said(message)));
        }
        parts.push("Answer what comes now:".to_owned());
    }
    parts.push(last);
    parts.join("\n\n")
}

/// What is new to a session that knows the rest; `None` when there is nothing to say.
pub(super) fn rest(messages: &[Message]) -> Option<String> {
    let said: Vec<String> = messages.iter().map(said).filter(|text| !text.is_empty()).collect();
    (!said.is_empty()).then(|| said.join("\n\n"))
}

fn said(message: &Message) -> String {
    let parts: Vec<String> = message.content.iter().filter_map(part).collect();
    parts.join("\n\n")
}

fn part(block: &Block) -> Option<String> {
    match block {
        Block::Text { text } => Some(text.trim().to_owned()).filter(|text| !text.is_empty()),
        Block::Thinking { .. } => None,
        Block::ToolUse { name, input, .. } => {
            Some(format!("(called {name} with {})", shortened(&input.to_string())))
        }
        Block::ToolResult { content, is_error, .. } => {
            let failed = if *is_error { "failed: " } else { "" };
            Some(format!("(the call gave back: {failed}{})", shortened(content)))
        }
    }
}

fn shortened(text: &str) -> String {
    match text.char_indices().nth(TOOL_CHARS_MAX) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::conversation::Origin;

    #[test]
    fn a_conversation_is_told_in_its_order_with_what_is_to_be_answered_last() {
        let message = |role, content| Message { role, content };
        let text = |text: &str| Block::Text { text: text.to_owned() };
        let call = Block::ToolUse { id: "a".into(), name: "list_team".into(), input: json!({}) };
        let result = Block::ToolResult { tool_use_id: "a".into(), content: "x".repeat(3000), is_error: true };
        let thinking = Block::Thinking { text: "hm".into(), signature: None };
        let mut request = ModelRequest {
            system: "You are wren.".to_owned(),
            messages: vec![message(Role::User, vec![text("who?")])],
            tools: Vec::new(),
            max_tokens: 0,
            origin: Origin::default(),
        };
        assert_eq!(whole(&request), "You are wren.\n\nwho?");
        request.messages.push(message(Role::Assistant, vec![thinking, text("Let me see."), call]));
        request.messages.push(message(Role::User, vec![result, text("hurry")]));
        let cut = "x".repeat(TOOL_CHARS_MAX);
        let last = format!("(the call gave back: failed: {cut}…)\n\nhurry");
        assert_eq!(
            whole(&request),
            format!(
                "You are wren.\n\nThe conversation so far, which you have been part of as \"you\":\n\n[they]\nwho?\n\n\
                 [you]\nLet me see.\n\n(called list_team with {{}})\n\nAnswer what comes now:\n\n{last}"
            )
        );
        assert_eq!(rest(&request.messages[2..]), Some(last));
        assert_eq!(rest(&[message(Role::User, vec![text(" ")])]), None);
        request.messages.pop();
        assert!(whole(&request).ends_with("Answer what comes now:\n\nGo on."));
    }
}
