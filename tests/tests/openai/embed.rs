//! Vectors from the server that the broker is told of: who may ask, and what of its answers is passed on.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::sync::{Arc, Mutex};

use super::look::*;

/// Answers one request after the other with what it is told to; its address, and where to tell it.
fn embedder() -> (String, Arc<Mutex<(u16, Value)>>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let url = format!("http://{}/v1", listener.local_addr().expect("bound"));
    let told = Arc::new(Mutex::new((200, Value::Null)));
    let says = Arc::clone(&told);
    std::thread::spawn(move || {
        for socket in listener.incoming() {
            let Ok(mut socket) = socket else { return };
            // Requests here fit into one piece; what is said back does not depend on them.
            let _ = socket.read(&mut [0; 65536]);
            let (status, body) = says.lock().expect("whole").clone();
            let (body, more) = (body.to_string(), "location: http://169.254.169.254/\r\n");
            let head = format!(
                "HTTP/1.1 {status} x\r\n{more}content-length: {}\r\nconnection: close\r\n",
                body.len()
            );
            let _ = socket.write_all(format!("{head}\r\n{body}").as_bytes());
        }
    });
    (url, told)
}

#[test]
fn vectors_are_passed_on_when_they_are_whole() {
    let (url, told) = embedder();
    let settings = format!("[embedder]\nbase_url = \"{url}\"\nmodel = \"small\"\n");
    let mut world = World::asleep().config(&settings);
    world.start_broker();
    let ask = |token: &str| {
        let headers = format!("authorization: Bearer {token}\r\n");
        let body = json!({"model": "small", "input": "a"}).to_string();
        let answer = Answer::of(&world.http_with(&headers, "POST", "/v1/embeddings", &body));
        (answer.status, answer.json())
    };
    let viewer = world.nexctl_json(&["operator", "add", "vic", "--role", "viewer"]);
    let (status, refused) = ask(viewer["token"].as_str().expect("a token"));
    assert_eq!((status, &refused["error"]["code"]), (403, &json!("forbidden")), "{refused}");
    let admin = world.token();
    let vector = json!({"data": [{"index": 0, "embedding": [0.5, 2.0]}], "usage": {"prompt_tokens": 1, "total_tokens": 1}});
    *told.lock().expect("whole") = (200, vector);
    let whole = json!({
        "object": "list", "model": "small", "usage": {"prompt_tokens": 1, "total_tokens": 1},
        "data": [{"object": "embedding", "index": 0, "embedding": [0.5, 2.0]}],
    });
    assert_eq!(ask(&admin), (200, whole));
    let two = json!({"data": [{"embedding": [1.0]}, {"embedding": [2.0]}]});
    let cases = [
        (200, two, 502, "embedder_failed"),
        (200, json!("vectors"), 502, "embedder_failed"),
        // A redirect is not followed: the key is for one server.
        (307, Value::Null, 502, "embedder_failed"),
        (403, Value::Null, 502, "embedder_failed"),
        (500, Value::Null, 503, "embedder_unavailable"),
        (429, Value::Null, 429, "rate_limit_exceeded"),
        (400, json!({"error": {"message": "too long"}}), 400, "invalid_value"),
    ];
    for (says, body, status, code) in cases {
        *told.lock().expect("whole") = (says, body.clone());
        let (found, answer) = ask(&admin);
        assert_eq!((found, &answer["error"]["code"]), (status, &json!(code)), "{says} {body}: {answer}");
    }
}
