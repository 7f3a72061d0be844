//! A WebSocket client that is not the limit: frames encoded beforehand, a zero mask, no copy on the way in.
//! Knows nothing of what the frames say.

use std::fmt;
use std::net::SocketAddr;
use std::ops::Range;

use nexus_client::endpoint::Socket;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::fault::{Doing as _, Fault, Outcome};
use super::input::Input;

const TEXT: u8 = 0x81;
const CLOSE: u8 = 0x88;
const PING: u8 = 0x89;
const PONG: u8 = 0x8a;
const MASKED: u8 = 0x80;

pub(crate) struct Link {
    stream: Box<dyn Socket>,
    input: Input,
    pongs: Vec<u8>,
}

impl fmt::Debug for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Link").finish_non_exhaustive()
    }
}

/// A text frame as a client sends it. The mask is zero: a server unmasks it all the same.
pub(crate) fn encode(text: &[u8]) -> Vec<u8> {
    encode_as(TEXT, text)
}

fn encode_as(head: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![head];
    match (u8::try_from(payload.len()), u16::try_from(payload.len())) {
        (Ok(len), _) if len < 126 => frame.push(MASKED | len),
        (_, Ok(len)) => {
            frame.push(MASKED | 126);
            frame.extend(len.to_be_bytes());
        }
        (_, Err(_)) => {
            frame.push(MASKED | 127);
            frame.extend((payload.len() as u64).to_be_bytes());
        }
    }
    frame.extend([0; 4]);
    frame.extend_from_slice(payload);
    frame
}

/// How many bytes stand before the payload of an encoded frame.
pub(crate) fn head_bytes(frame: &[u8]) -> usize {
    match frame.get(1).map(|len| len & !MASKED) {
        Some(126) => 8,
        Some(127) => 14,
        Some(_) | None => 6,
    }
}

/// Opcode byte, size of the head and of the payload of the frame at the front; `None` until all of it is there.
fn whole(bytes: &[u8]) -> Option<(u8, usize, usize)> {
    let (&kind, &len) = (bytes.first()?, bytes.get(1)?);
    let (head, payload) = match len {
        126 => (4, usize::from(u16::from_be_bytes(bytes.get(2..4)?.try_into().ok()?))),
        127 => (10, usize::try_from(u64::from_be_bytes(bytes.get(2..10)?.try_into().ok()?)).ok()?),
        len => (2, usize::from(len)),
    };
    (bytes.len() >= head + payload).then_some((kind, head, payload))
}

impl Link {
    /// Opens a link; `buffer` is how much it reads at once.
    pub(crate) async fn dial(
        addr: SocketAddr,
        path: &str,
        bearer: Option<&str>,
        buffer: usize,
    ) -> Outcome<Self> {
        let doing = || format!("open a socket to {addr}");
        let stream = TcpStream::connect(addr).await.doing(doing())?;
        stream.set_nodelay(true).doing(doing())?;
        Self::over(Box::new(stream), &addr.to_string(), path, bearer, buffer).await
    }

    /// Opens a link on a connection that is there.
    pub(crate) async fn over(
        mut stream: Box<dyn Socket>,
        host: &str,
        path: &str,
        bearer: Option<&str>,
        buffer: usize,
    ) -> Outcome<Self> {
        let doing = || format!("open a WebSocket to {host}{path}");
        let bearer = bearer.map(|token| format!("Authorization: Bearer {token}\r\n")).unwrap_or_default();
        let request = format!(
            "GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: bmV4dXMtYmVuY2gtMTYhIQ==\r\n\
             Sec-WebSocket-Protocol: {}\r\n{bearer}\r\n",
            nexus_wire::limits::SUBPROTOCOL
        );
        stream.write_all(request.as_bytes()).await.doing(doing())?;
        stream.flush().await.doing(doing())?;
        // Byte by byte up to the blank line: what follows belongs to the first frame.
        let mut answer = Vec::with_capacity(256);
        while !answer.ends_with(b"\r\n\r\n") {
            answer.push(stream.read_u8().await.doing(doing())?);
        }
        if !answer.starts_with(b"HTTP/1.1 101") {
            return Err(Fault::new(doing(), String::from_utf8_lossy(&answer).trim_end()));
        }
        Ok(Self { stream, input: Input::new(buffer), pongs: Vec::new() })
    }

    /// Sends frames that are encoded already, any number of them.
    pub(crate) async fn send(&mut self, frames: &[u8]) -> Outcome<()> {
        if !self.pongs.is_empty() {
            let pongs = std::mem::take(&mut self.pongs);
            self.stream.write_all(&pongs).await.doing("answer a ping")?;
        }
        self.stream.write_all(frames).await.doing("send on a WebSocket")?;
        // TLS may keep what it was given until it is told.
        self.stream.flush().await.doing("send on a WebSocket")
    }

    /// Waits until more has arrived. Cancelling it loses nothing.
    pub(crate) async fn fill(&mut self) -> Outcome<()> {
        self.input.fill(&mut *self.stream).await.doing("read from a WebSocket")
    }

    /// The next text that has arrived whole.
    pub(crate) fn next(&mut self) -> Outcome<Option<&[u8]>> {
        Ok(self.next_range()?.map(|range| self.input.at(range)))
    }

    fn next_range(&mut self) -> Outcome<Option<Range<usize>>> {
        while let Some((kind, head, size)) = whole(self.input.unread()) {
            self.input.take(head);
            let payload = self.input.take(size);
            match kind {
                TEXT => return Ok(Some(payload)),
                PING => self.pongs.extend(encode_as(PONG, self.input.at(payload))),
                PONG => {}
                CLOSE => {
                    let said = self.input.at(payload);
                    let code = said.get(..2).map_or(0, |code| u16::from_be_bytes([code[0], code[1]]));
                    let reason = String::from_utf8_lossy(said.get(2..).unwrap_or_default());
                    return Err(Fault::new("read from a WebSocket", format!("closed: {code} {reason}")));
                }
                other => {
                    return Err(Fault::new("read from a WebSocket", format!("frame head {other:#x}")));
                }
            }
        }
        Ok(None)
    }

    /// Answers pings that came; for links that do not send by themselves.
    pub(crate) async fn answer_pings(&mut self) -> Outcome<()> {
        if self.pongs.is_empty() { Ok(()) } else { self.send(&[]).await }
    }

    /// Waits for the next text, and gives a copy.
    pub(crate) async fn text(&mut self) -> Outcome<Vec<u8>> {
        loop {
            if let Some(range) = self.next_range()? {
                return Ok(self.input.at(range).to_vec());
            }
            self.answer_pings().await?;
            self.fill().await?;
        }
    }
}
