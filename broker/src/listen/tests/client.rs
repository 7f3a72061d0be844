//! A client that says what it likes.

use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use nexus_client::{Broker, KeyFile};
use nexus_wire::limits::SUBPROTOCOL;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::http::{HeaderName, HeaderValue};
use tokio_tungstenite::tungstenite::{Error, Message};
use uuid::Uuid;

use super::World;

/// Only a defect makes a test wait so long.
pub(super) const PATIENCE: Duration = Duration::from_secs(20);

pub(super) struct Raw(pub(super) WebSocketStream<TcpStream>);

impl Raw {
    /// `Err`: the status with which the upgrade was refused.
    pub(super) async fn dial(world: &World, headers: &[(&str, &str)]) -> Result<Self, u16> {
        let mut request = format!("ws://{}/connect", world.authority()).into_client_request().unwrap();
        request.headers_mut().insert("sec-websocket-protocol", HeaderValue::from_static(SUBPROTOCOL));
        for (name, value) in headers {
            request
                .headers_mut()
                .insert(HeaderName::try_from(*name).unwrap(), HeaderValue::from_str(value).unwrap());
        }
        let socket = TcpStream::connect(world.authority()).await.unwrap();
        match tokio_tungstenite::client_async(request, socket).await {
            Ok((socket, answer)) => {
                assert_eq!(answer.headers()["sec-websocket-protocol"], SUBPROTOCOL);
                Ok(Self(socket))
            }
            Err(Error::Http(answer)) => Err(answer.status().as_u16()),
            Err(error) => panic!("{error}"),
        }
    }

    pub(super) async fn with(world: &World, token: &str) -> Self {
        Self::dial(world, &[("authorization", &format!("Bearer {token}"))]).await.unwrap()
    }

    pub(super) async fn operator(world: &World) -> Self {
        Self::with(world, &world.token).await
    }

    pub(super) async fn aspect(world: &World, keyfile: &KeyFile) -> Self {
        let token = Broker::of_keyfile(keyfile.clone()).unwrap().bearer().await.unwrap();
        Self::with(world, token.expose()).await
    }

    pub(super) async fn registered(world: &World, keyfile: &KeyFile, register: Value) -> (Self, Value) {
        let mut raw = Self::aspect(world, keyfile).await;
        let reply = raw.request("register", register).await;
        assert_eq!(reply["kind"], "registered", "{reply}");
        (raw, reply["payload"].clone())
    }

    pub(super) async fn say(&mut self, text: impl Into<String>) {
        // A refusal to take more shows as the close that is read next.
        let _ = self.0.send(Message::text(text.into())).await;
    }

    pub(super) async fn send(&mut self, kind: &str, id: Option<Uuid>, payload: Value) {
        let mut frame = json!({"kind": kind, "payload": payload});
        if let Some(id) = id {
            frame["id"] = json!(id);
        }
        self.say(frame.to_string()).await;
    }

    pub(super) async fn request(&mut self, kind: &str, payload: Value) -> Value {
        let id = Uuid::now_v7();
        self.send(kind, Some(id), payload).await;
        loop {
            let frame = self.next().await.unwrap();
            if frame["in_reply_to"] == json!(id) {
                return frame;
            }
        }
    }

    /// The next frame, or the code of the close; 1006 without one.
    pub(super) async fn next(&mut self) -> Result<Value, u16> {
        loop {
            match timeout(PATIENCE, self.0.next()).await.expect("the broker says something") {
                Some(Ok(Message::Text(text))) => return Ok(serde_json::from_str(&text).unwrap()),
                Some(Ok(Message::Close(frame))) => return Err(frame.map_or(1006, |frame| frame.code.into())),
                Some(Ok(_)) => {}
                Some(Err(_)) | None => return Err(1006),
            }
        }
    }

    pub(super) async fn next_of(&mut self, kind: &str) -> Value {
        loop {
            let frame = self.next().await.unwrap_or_else(|code| panic!("closed {code}, waiting for {kind}"));
            if frame["kind"] == kind {
                return frame["payload"].clone();
            }
        }
    }

    /// The code of the close; frames before it are passed over.
    pub(super) async fn closed(&mut self) -> u16 {
        loop {
            if let Err(code) = self.next().await {
                return code;
            }
        }
    }
}

/// Status and body of one plain HTTP request.
pub(super) async fn http(
    world: &World,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: &str,
) -> (u16, String) {
    let answer = http_whole(world, method, path, headers, body).await;
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
    let status = head.split(' ').nth(1).and_then(|it| it.parse().ok()).unwrap_or(0);
    (status, body.to_owned())
}

/// The same with the headers, as it came.
pub(super) async fn http_whole(
    world: &World,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: &str,
) -> String {
    let headers = [headers, &[("connection", "close")]].concat();
    let mut request = head(world, method, path, &headers, body.len());
    request.push_str(body);
    let mut socket = TcpStream::connect(world.authority()).await.unwrap();
    socket.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    // A refused body may end in a reset after the answer.
    let _ = timeout(PATIENCE, socket.read_to_end(&mut answer)).await.unwrap();
    String::from_utf8(answer).unwrap()
}

/// What precedes a body of `length` bytes.
pub(super) fn head(
    world: &World,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    length: usize,
) -> String {
    let mut head = format!("{method} {path} HTTP/1.1\r\ncontent-length: {length}\r\n");
    if !headers.iter().any(|(name, _)| *name == "host") {
        head.push_str(&format!("host: {}\r\n", world.authority()));
    }
    for (name, value) in headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    head + "\r\n"
}
