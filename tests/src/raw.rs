//! A WebSocket that says whatever a test wants, well formed or not.

use futures_util::{SinkExt as _, StreamExt as _};
use nexus_wire::RequestId;
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::http::{HeaderName, HeaderValue};
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream};

use crate::World;
use crate::process::PATIENCE;

/// One raw link.
#[derive(Debug)]
pub struct Raw(WebSocketStream<MaybeTlsStream<TcpStream>>);

/// How a raw link ended: the close code, or 1006 when there was none.
pub const NO_CLOSE_FRAME: u16 = 1006;

impl Raw {
    /// Dials with these headers besides those of a WebSocket; the status when the upgrade is refused.
    pub async fn dial(world: &World, headers: &[(&str, &str)]) -> Result<Self, u16> {
        let url = world.url();
        let address = url.trim_start_matches("http://");
        Self::dial_host(address, address, headers).await
    }

    /// The same at this address, as `host`.
    pub async fn dial_host(address: &str, host: &str, headers: &[(&str, &str)]) -> Result<Self, u16> {
        let mut request = format!("ws://{host}/connect").into_client_request().expect("a URL");
        request
            .headers_mut()
            .insert("sec-websocket-protocol", HeaderValue::from_static(nexus_wire::limits::SUBPROTOCOL));
        for (name, value) in headers {
            let name = HeaderName::try_from(*name).expect("a header's name");
            request.headers_mut().insert(name, HeaderValue::from_str(value).expect("a header's value"));
        }
        let socket = TcpStream::connect(address).await.expect("the broker listens");
        match tokio_tungstenite::client_async(request, MaybeTlsStream::Plain(socket)).await {
            Ok((socket, _)) => Ok(Self(socket)),
            Err(Error::Http(answer)) => Err(answer.status().as_u16()),
            Err(error) => panic!("the broker cannot be reached: {error}"),
        }
    }

    pub async fn with_token(world: &World, token: &str) -> Self {
        let bearer = format!("Bearer {token}");
        Self::dial(world, &[("authorization", &bearer)]).await.expect("the token is good")
    }

    pub async fn operator(world: &World) -> Self {
        Self::with_token(world, &world.token()).await
    }

    /// A link of the aspect with this home, not registered yet.
    pub async fn aspect(world: &World, home: &std::path::Path) -> Self {
        let path = nexus_client::KeyFile::path_in(home);
        let keyfile = nexus_client::KeyFile::load(&path).expect("the aspect was let in");
        let broker = nexus_client::Broker::of_keyfile(keyfile).expect("a keyfile has an endpoint");
        let token = broker.bearer().await.expect("the key is good");
        Self::with_token(world, token.expose()).await
    }

    /// The same, registered with these settings.
    pub async fn registered(world: &World, home: &std::path::Path, register: Value) -> (Self, Value) {
        let mut raw = Self::aspect(world, home).await;
        let reply = raw.request("register", register).await;
        assert_eq!(reply["kind"], "registered", "{reply}");
        (raw, reply["payload"].clone())
    }

    pub async fn say(&mut self, text: impl Into<String>) {
        // A refusal to take more shows as the close that is read next.
        let _ = self.0.send(Message::text(text.into())).await;
    }

    /// Half of the frame that holds `text`, and then the end of its socket: a reset, or an orderly one.
    pub async fn torn(mut self, text: &str, is_reset: bool) {
        let MaybeTlsStream::Plain(socket) = self.0.get_mut() else {
            panic!("the tests' broker speaks plainly")
        };
        let length = u16::try_from(text.len()).expect("a text of a test is short");
        let [high, low] = length.to_be_bytes();
        // A text of more than 125 bytes, masked with zeros.
        let mut frame = vec![0x81, 0x80 | 126, high, low, 0, 0, 0, 0];
        frame.extend_from_slice(&text.as_bytes()[..text.len() / 2]);
        socket.write_all(&frame).await.expect("the broker reads");
        if is_reset {
            socket.set_zero_linger().expect("a socket may be reset");
        }
    }

    pub async fn say_binary(&mut self, bytes: Vec<u8>) {
        let _ = self.0.send(Message::binary(bytes)).await;
    }

    pub async fn send(&mut self, kind: &str, id: Option<RequestId>, payload: Value) {
        let mut frame = json!({"kind": kind, "payload": payload});
        if let Some(id) = id {
            frame["id"] = json!(id);
        }
        self.say(frame.to_string()).await;
    }

    /// The next frame, or the code of the close. A ping is neither.
    pub async fn next(&mut self) -> Result<Value, u16> {
        tokio::time::timeout(PATIENCE, self.read()).await.expect("the broker says something")
    }

    async fn read(&mut self) -> Result<Value, u16> {
        loop {
            match self.0.next().await {
                Some(Ok(Message::Text(text))) => {
                    return Ok(serde_json::from_str(&text).expect("frames are JSON"));
                }
                Some(Ok(Message::Close(frame))) => {
                    return Err(frame.map_or(NO_CLOSE_FRAME, |frame| u16::from(frame.code)));
                }
                Some(Ok(_)) => {}
                Some(Err(_)) | None => return Err(NO_CLOSE_FRAME),
            }
        }
    }

    /// The next frame of this kind; others are passed over.
    pub async fn next_of(&mut self, kind: &str) -> Value {
        loop {
            let frame =
                self.next().await.unwrap_or_else(|code| panic!("closed {code} while waiting for {kind}"));
            if frame["kind"] == kind {
                return frame;
            }
        }
    }

    /// Sends a request under a new id and returns its reply, the envelope included.
    pub async fn request(&mut self, kind: &str, payload: Value) -> Value {
        self.request_as(nexus_client::new_request_id(), kind, payload).await
    }

    pub async fn request_as(&mut self, id: RequestId, kind: &str, payload: Value) -> Value {
        self.send(kind, Some(id), payload).await;
        self.reply_to(id).await
    }

    pub async fn reply_to(&mut self, id: RequestId) -> Value {
        loop {
            let frame = self.next().await.unwrap_or_else(|code| panic!("closed {code} before the reply"));
            if frame["in_reply_to"] == json!(id) {
                return frame;
            }
        }
    }

    /// Reads to the end; returns the close code.
    pub async fn closed(&mut self) -> u16 {
        loop {
            if let Err(code) = self.next().await {
                return code;
            }
        }
    }

    /// Sends a request and returns what came before its reply, and the reply.
    pub async fn frames_until_reply(&mut self, kind: &str, payload: Value) -> (Vec<Value>, Value) {
        let id = nexus_client::new_request_id();
        self.send(kind, Some(id), payload).await;
        let mut before = Vec::new();
        loop {
            let frame = self.next().await.unwrap_or_else(|code| panic!("closed {code} before the reply"));
            if frame["in_reply_to"] == json!(id) {
                return (before, frame);
            }
            before.push(frame);
        }
    }
}
