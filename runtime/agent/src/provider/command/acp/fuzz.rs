//! Fuzz target: lines of a program that speaks the Agent Client Protocol, or something like it.

use bolero::check;

use super::*;
use crate::altered::Altered;

fn update(of: &str) -> String {
    let params = format!(r#"{{"sessionId":"s","update":{{"sessionUpdate":{of}}}}}"#);
    format!(r#"{{"jsonrpc":"2.0","method":"session/update","params":{params}}}"#)
}

/// What was said and what was thought, each in one text.
fn told(content: &[Block]) -> [String; 2] {
    let mut told = [String::new(), String::new()];
    for block in content {
        match block {
            Block::Text { text } => told[0].push_str(text),
            Block::Thinking { text, signature: None } => told[1].push_str(text),
            Block::Thinking { .. } | Block::ToolUse { .. } | Block::ToolResult { .. } => panic!("{block:?}"),
        }
    }
    told
}

/// Whether what is chosen is one of those offered, and what the settings say.
fn is_as_set(permissions: Permissions, options: &Value) -> bool {
    let Some(chosen) = permissions.choose(options) else { return true };
    let kinds = match permissions {
        Permissions::Allow => ["allow_once", "allow_always"],
        Permissions::Deny => ["reject_once", "reject_always"],
    };
    let is_it =
        |option: &Value| option["optionId"] == chosen && kinds.iter().any(|kind| option["kind"] == *kind);
    options.as_array().into_iter().flatten().any(is_it)
}

/// As far as a line is understood before anything is said to the agent.
fn hear(lines: &[u8]) -> Vec<Block> {
    let (mut heard, mut shown) = (Heard::default(), [String::new(), String::new()]);
    for line in lines.split(|byte| *byte == b'\n') {
        let Ok(message) = serde_json::from_slice::<Value>(line) else { break };
        let update = &message["params"]["update"];
        match heard.take(update) {
            Some(StreamEvent::TextDelta(text)) => shown[0].push_str(&text),
            Some(StreamEvent::ThinkingDelta(text)) => {
                let is_title = update["sessionUpdate"] == "tool_call";
                assert!(!is_title || text.chars().count() <= TITLE_CHARS_MAX + "\n[]\n".len(), "{text}");
                shown[1].push_str(&text);
            }
            Some(event @ (StreamEvent::Restart | StreamEvent::ToolUse { .. } | StreamEvent::Done(_))) => {
                panic!("{event:?}")
            }
            None => {}
        }
        let options = &message["params"]["options"];
        for permissions in [Permissions::Allow, Permissions::Deny] {
            assert!(is_as_set(permissions, options), "{permissions:?}: {options}");
        }
        if message["method"].is_string() || message.get("id").is_none() {
            continue;
        }
        match outcome(message.clone()) {
            Ok(result) => {
                assert_eq!((&message["error"], &message["result"]), (&Value::Null, &result));
                let _ = serde_json::from_value::<Stopped>(result);
            }
            Err(_) => assert_ne!(message["error"], Value::Null),
        }
    }
    assert_eq!(told(&heard.content), shown, "what is kept is what was shown");
    heard.content
}

#[test]
fn lines_of_an_agent() {
    let prompted = [
        update(r#""agent_thought_chunk","content":{"type":"text","text":"hm"}"#),
        update(r#""tool_call","toolCallId":"1","title":"Reads é.txt","status":"pending""#),
        update(r#""agent_message_chunk","content":{"type":"text","text":"Two "}"#),
        update(r#""agent_message_chunk","content":{"type":"image","data":"aGk=","mimeType":"image/png"}"#),
        update(r#""agent_message_chunk","content":{"type":"text","text":"\ud83e\udd80."}"#),
        update(r#""plan","entries":[]"#),
        r#"{"jsonrpc":"2.0","id":3,"result":{"stopReason":"end_turn","usage":{"inputTokens":7}}}"#.to_owned(),
    ];
    let asked = r#"{"jsonrpc":"2.0","id":"q","method":"session/request_permission","params":{"sessionId":"s","toolCall":{"title":"rm"},"options":[{"optionId":"a","kind":"allow_always"},{"optionId":"b","kind":"allow_once"},{"optionId":"c","kind":"reject_once"}]}}"#;
    let failed =
        r#"{"jsonrpc":"2.0","id":3,"error":{"code":-32000,"message":"no","data":{"why":["log in"]}}}"#;
    let texts = [prompted.join("\n"), asked.to_owned(), failed.to_owned()];
    let thinking = Block::Thinking { text: "hm\n[Reads é.txt]\n".to_owned(), signature: None };
    assert_eq!(hear(texts[0].as_bytes()), [thinking, Block::Text { text: "Two 🦀.".to_owned() }]);
    check!().with_type::<Altered>().for_each(|altered| {
        let content = hear(&altered.of(&texts));
        let is_one_kind = |two: &[Block]| std::mem::discriminant(&two[0]) == std::mem::discriminant(&two[1]);
        assert!(!content.windows(2).any(is_one_kind), "{content:?} is in pieces");
        // It goes into a session, and is read from there.
        let reply = reply::finished(content, StopReason::EndTurn, Usage::default(), String::new());
        let kept = serde_json::to_string(&reply.content).expect("it serializes");
        assert_eq!(serde_json::from_str::<Vec<Block>>(&kept).expect("it reads back"), reply.content);
    });
}
