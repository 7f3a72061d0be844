//! Fuzz target: what an agent elsewhere sends is an operation of A2A or is refused.

use bolero::check;

use super::call::Call;
use super::{rpc, send};
use crate::altered::Altered;

const ORIGIN: &str = "https://nexus.example";

/// As far as a request is understood before anything is looked up.
fn understood(text: &str) -> bool {
    let (_, Ok((method, params))) = rpc::parse(text) else { return false };
    match Call::named(&method, params) {
        Ok(Call::Send(request) | Call::Stream(request)) => send::parse(request, ORIGIN).is_ok(),
        Ok(_) => true,
        Err(_) => false,
    }
}

#[test]
fn a_request() {
    let texts = [
        r#"{"jsonrpc":"2.0","id":1,"method":"SendMessage","params":{"message":{"messageId":"m-1","role":"ROLE_USER","contextId":"01890a5d-ac96-774b-bcce-b302099a8057","parts":[{"text":"Which files are large?"},{"data":{"least":10},"mediaType":"application/json"},{"raw":"aGVsbG8=","filename":"a.txt","mediaType":"text/plain"}]},"configuration":{"acceptedOutputModes":["text/plain"],"historyLength":3,"returnImmediately":true}}}"#,
        r#"{"jsonrpc":"2.0","id":"b","method":"SendStreamingMessage","params":{"message":{"messageId":"m-2","role":"ROLE_USER","metadata":{"skill":"verify-claim"},"parts":[{"data":{"claim":"it rains"}}]}}}"#,
        r#"{"jsonrpc":"2.0","id":3,"method":"ListTasks","params":{"contextId":"01890a5d-ac96-774b-bcce-b302099a8057","pageSize":3,"status":"TASK_STATE_WORKING"}}"#,
        r#"{"jsonrpc":"2.0","id":4,"method":"CreateTaskPushNotificationConfig","params":{"taskId":"t","url":"https://client.example/told","token":"x","authentication":{"scheme":"Bearer","credentials":"y"}}}"#,
    ];
    for text in texts {
        assert!(understood(text), "unaltered it is taken: {text}");
    }
    check!().with_type::<Altered>().for_each(|altered| {
        understood(&String::from_utf8_lossy(&altered.of(&texts)));
    });
}
