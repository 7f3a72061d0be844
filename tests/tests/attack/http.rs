//! One HTTP request by hand, so that nothing between a test and the broker makes it better than it is.

use std::io::{Read as _, Write as _};

use nexus_tests::{World, connect};
use serde_json::Value;

pub(crate) fn address(world: &World) -> String {
    world.url().trim_start_matches("http://").to_owned()
}

/// Status and body; a body that is not JSON is a string.
pub(crate) fn request(
    world: &World,
    method: &str,
    path: &str,
    bearer: Option<&str>,
    body: &str,
) -> (u16, Value) {
    let mut socket = connect(address(world));
    let authorization = bearer.map_or_else(String::new, |token| format!("authorization: Bearer {token}\r\n"));
    let length = body.len();
    let head = format!(
        "{method} {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n{authorization}\
         content-type: application/json\r\ncontent-length: {length}\r\n\r\n"
    );
    socket
        .write_all(head.as_bytes())
        .and_then(|()| socket.write_all(body.as_bytes()))
        .expect("it takes a request");
    let mut answer = String::new();
    socket.read_to_string(&mut answer).expect("it answers");
    let (head, body) = answer.split_once("\r\n\r\n").expect("an answer has a head");
    let status = head.split(' ').nth(1).and_then(|it| it.parse().ok()).expect("an answer has a status");
    (status, serde_json::from_str(body).unwrap_or_else(|_| body.into()))
}
