//! Fuzz target: what a client of OpenAI's API puts into a body is a request or is refused.

use axum::body::Bytes;
use bolero::check;
use nexus_wire::derive;

use super::caller::Terms;
use super::{chat, embeddings, responses};
use crate::altered::Altered;

const MODEL: &str = "text-embedding-3-small";

fn terms() -> Terms {
    Terms { request: derive::request_id(b"a request"), is_named: false, is_retry: false, thread: None }
}

#[test]
fn a_completion() {
    let texts = [
        r#"{"model":"wren","stream":true,"stream_options":{"include_usage":true},"messages":[{"role":"system","content":"Short."},{"role":"user","content":[{"type":"text","text":"Which files are large?"}],"name":"ana"}]}"#,
        r#"{"model":"wren","n":1,"tool_choice":"auto","tools":[{"type":"function","function":{"name":"look","description":"Looks","parameters":{"type":"object"},"strict":true}}],"messages":[{"role":"user","content":"Look."},{"role":"assistant","content":null,"tool_calls":[{"id":"call_1","type":"function","function":{"name":"look","arguments":"{\"at\":1}"}}]},{"role":"tool","tool_call_id":"call_1","content":"nothing"}]}"#,
        r#"{"model":"wren","metadata":{"thread":"01890a5d-ac96-774b-bcce-b302099a8057"},"temperature":0.2,"response_format":{"type":"text"},"messages":[{"role":"user","content":"And now?"}]}"#,
    ];
    for text in texts {
        assert!(chat::read(&Bytes::from(text), &terms()).is_ok(), "unaltered it is taken: {text}");
    }
    check!().with_type::<Altered>().for_each(|altered| {
        let _ = chat::read(&Bytes::from(altered.of(&texts)), &terms());
    });
}

#[test]
fn a_response() {
    let texts = [
        r#"{"model":"wren","instructions":"Short.","input":"Which files are large?","stream":true,"metadata":{"of":"a test"}}"#,
        r#"{"model":"wren","previous_response_id":"resp_01890a5dac96774bbcceb302099a8057","tools":[{"type":"function","name":"look","parameters":{"type":"object"}}],"input":[{"role":"user","content":[{"type":"input_text","text":"Look."}]},{"type":"function_call","call_id":"call_1","name":"look","arguments":"{}"},{"type":"function_call_output","call_id":"call_1","output":"nothing"}]}"#,
    ];
    for text in texts {
        assert!(responses::read(&Bytes::from(text), &terms()).is_ok(), "unaltered it is taken: {text}");
    }
    check!().with_type::<Altered>().for_each(|altered| {
        let _ = responses::read(&Bytes::from(altered.of(&texts)), &terms());
    });
}

#[test]
fn an_embedding() {
    let texts = [
        r#"{"model":"text-embedding-3-small","input":["one","two"],"dimensions":256,"encoding_format":"base64"}"#,
        r#"{"model":"text-embedding-3-small","input":[[1,2,3],[4]],"user":"ana"}"#,
    ];
    for text in texts {
        assert!(embeddings::read(&Bytes::from(text), MODEL).is_ok(), "unaltered it is taken: {text}");
    }
    check!().with_type::<Altered>().for_each(|altered| {
        let _ = embeddings::read(&Bytes::from(altered.of(&texts)), MODEL);
    });
}
