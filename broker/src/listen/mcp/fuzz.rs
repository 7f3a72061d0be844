//! Fuzz target: what an assistant posts is a message of MCP or is refused.

use axum::http::{HeaderMap, StatusCode};
use bolero::check;

use super::{is_stateless, parse};
use crate::altered::Altered;

#[test]
fn a_message() {
    let texts = [
        r#"{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{"sampling":{}},"clientInfo":{"name":"an editor","version":"1"}}}"#,
        r#"{"jsonrpc":"2.0","id":"b","method":"tools/call","params":{"name":"send_chat","arguments":{"to":["wren"],"text":"hello"},"_meta":{"progressToken":7}}}"#,
        r#"{"jsonrpc":"2.0","id":3,"method":"tools/list","params":{"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28"}}}"#,
        r#"{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":3,"reason":"enough"}}"#,
    ];
    for text in texts {
        assert!(parse(text.as_bytes()).is_ok(), "unaltered it is taken: {text}");
    }
    check!().with_type::<Altered>().for_each(|altered| match parse(&altered.of(&texts)) {
        Ok(message) => {
            is_stateless(&HeaderMap::new(), Some(&message));
        }
        Err(refusal) => assert_eq!(refusal.status(), StatusCode::BAD_REQUEST),
    });
}
