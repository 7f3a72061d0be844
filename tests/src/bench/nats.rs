//! A raw NATS client, no more of the protocol than the yardsticks need, and the server for it to talk to.

use std::io::{Read as _, Write as _};
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;

use super::child::{Process, free_addr};
use super::fault::{Doing as _, Fault, Outcome};
use super::input::{BUSY, Input};

const CONNECT: &str =
    "CONNECT {\"verbose\":false,\"pedantic\":false,\"headers\":true,\"no_responders\":true}\r\nPING\r\n";
const START: Duration = Duration::from_secs(20);

#[derive(Debug)]
pub(crate) struct Server {
    pub(crate) process: Process,
    pub(crate) addr: SocketAddr,
}

impl Server {
    /// Starts nats-server with JetStream's files in `dir`, and waits until it answers a PING.
    pub(crate) fn start(program: &Path, dir: &Path) -> Outcome<Self> {
        let addr = free_addr()?;
        let arguments = [
            "--addr".to_owned(),
            addr.ip().to_string(),
            "--port".to_owned(),
            addr.port().to_string(),
            "--jetstream".to_owned(),
            "--store_dir".to_owned(),
            dir.join("jetstream").display().to_string(),
        ];
        let mut process = Process::start("nats-server", program, &arguments, dir)?;
        process.wait_ready(START, || is_answering(addr).ok())?;
        Ok(Self { process, addr })
    }
}

fn is_answering(addr: SocketAddr) -> std::io::Result<()> {
    let mut stream = std::net::TcpStream::connect(addr)?;
    stream.set_read_timeout(Some(START))?;
    stream.write_all(CONNECT.as_bytes())?;
    let mut said = Vec::new();
    let mut more = [0; 4096];
    while !said.windows(6).any(|it| it == b"PONG\r\n") {
        match stream.read(&mut more)? {
            0 => return Err(std::io::ErrorKind::UnexpectedEof.into()),
            read => said.extend_from_slice(&more[..read]),
        }
    }
    Ok(())
}

/// What a server says of itself or passes on.
#[derive(Debug, Eq, PartialEq)]
pub(crate) enum Event<'a> {
    Message(Message<'a>),
    /// A message of JetStream about the flow itself; whoever gets one with a `reply` has to answer it.
    Status {
        reply: &'a [u8],
        headers: &'a [u8],
    },
    Pong,
}

/// Taken apart only as far as somebody asks: most are counted and no more.
#[derive(Debug, Eq, PartialEq)]
pub(crate) struct Message<'a> {
    head: &'a [u8],
    pub(crate) payload: &'a [u8],
}

impl<'a> Message<'a> {
    /// Where an answer is wanted; empty if none is.
    pub(crate) fn reply(&self) -> &'a [u8] {
        let sizes = if self.head.starts_with(b"H") { 2 } else { 1 };
        let mut words = self.head.split(|&it| it == b' ');
        let count = words.clone().count();
        if count == 4 + sizes { words.nth(3).unwrap_or_default() } else { &[] }
    }
}

#[derive(Debug)]
pub(crate) struct Connection {
    stream: TcpStream,
    input: Input,
    pings: usize,
}

impl Connection {
    pub(crate) async fn open(addr: SocketAddr) -> Outcome<Self> {
        let doing = || format!("connect to nats-server at {addr}");
        let stream = TcpStream::connect(addr).await.doing(doing())?;
        stream.set_nodelay(true).doing(doing())?;
        let mut connection = Self { stream, input: Input::new(BUSY), pings: 0 };
        connection.send(CONNECT.as_bytes()).await?;
        connection.wait_pong().await?;
        Ok(connection)
    }

    pub(crate) fn peer(&self) -> Outcome<SocketAddr> {
        self.stream.peer_addr().doing("ask for the address of nats-server")
    }

    pub(crate) async fn subscribe(&mut self, subject: &str) -> Outcome<()> {
        self.send(format!("SUB {subject} 1\r\nPING\r\n").as_bytes()).await?;
        self.wait_pong().await
    }

    async fn wait_pong(&mut self) -> Outcome<()> {
        loop {
            while let Some(event) = self.next()? {
                if event == Event::Pong {
                    return Ok(());
                }
            }
            self.fill().await?;
        }
    }

    /// Publishes and waits for the one answer, on an inbox this connection is subscribed to.
    pub(crate) async fn request(&mut self, subject: &str, inbox: &str, payload: &str) -> Outcome<Vec<u8>> {
        self.send(format!("PUB {subject} {inbox} {}\r\n{payload}\r\n", payload.len()).as_bytes()).await?;
        loop {
            while let Some(event) = self.next()? {
                if let Event::Message(message) = event {
                    let answer = message.payload.to_vec();
                    if answer.windows(8).any(|it| it == b"\"error\":") {
                        return Err(Fault::new(format!("ask {subject}"), String::from_utf8_lossy(&answer)));
                    }
                    return Ok(answer);
                }
            }
            self.fill().await?;
        }
    }

    pub(crate) async fn send(&mut self, bytes: &[u8]) -> Outcome<()> {
        self.stream.write_all(bytes).await.doing("send to nats-server")
    }

    /// Waits until more has arrived. Cancelling it loses nothing.
    pub(crate) async fn fill(&mut self) -> Outcome<()> {
        self.input.fill(&mut self.stream).await.doing("read from nats-server")
    }

    /// Answers the server's own pings; to be called now and then.
    pub(crate) async fn answer_pings(&mut self) -> Outcome<()> {
        if self.pings == 0 {
            return Ok(());
        }
        let pongs = "PONG\r\n".repeat(std::mem::take(&mut self.pings));
        self.send(pongs.as_bytes()).await
    }

    /// The next event that has arrived whole.
    pub(crate) fn next(&mut self) -> Outcome<Option<Event<'_>>> {
        loop {
            let unread = self.input.unread();
            let Some(end) = unread.iter().position(|&it| it == b'\n') else { return Ok(None) };
            let line = unread[..end].trim_ascii_end();
            let size = match line.first() {
                Some(b'M' | b'H') => number(line.rsplit(|&it| it == b' ').next().unwrap_or_default())? + 2,
                Some(_) | None => 0,
            };
            if unread.len() < end + 1 + size {
                return Ok(None);
            }
            let (line_length, first) = (line.len(), line.first().copied());
            let line = self.input.take(end + 1);
            let line = line.start..line.start + line_length;
            let body = self.input.take(size);
            let body = body.start..body.end.saturating_sub(2);
            match first {
                Some(b'M') => {
                    let message = Message { head: self.input.at(line), payload: self.input.at(body) };
                    return Ok(Some(Event::Message(message)));
                }
                Some(b'H') => {
                    let mut message = Message { head: self.input.at(line), payload: self.input.at(body) };
                    if message.payload.starts_with(b"NATS/1.0 100") {
                        return Ok(Some(Event::Status { reply: message.reply(), headers: message.payload }));
                    }
                    let headers = message.head.rsplit(|&it| it == b' ').nth(1).unwrap_or_default();
                    message.payload = message.payload.get(number(headers)?..).unwrap_or_default();
                    return Ok(Some(Event::Message(message)));
                }
                Some(b'P') if self.input.at(line.clone()) == b"PING" => self.pings += 1,
                Some(b'P') => return Ok(Some(Event::Pong)),
                Some(b'-') => {
                    return Err(Fault::new(
                        "talk to nats-server",
                        String::from_utf8_lossy(self.input.at(line)),
                    ));
                }
                Some(_) | None => {}
            }
        }
    }
}

fn number(text: &[u8]) -> Outcome<usize> {
    let parsed = std::str::from_utf8(text).ok().and_then(|text| text.parse().ok());
    parsed.doing(format!("read a size from nats-server in {:?}", String::from_utf8_lossy(text)))
}
