//! Redis that syncs before it answers: `XADD` with `appendfsync always`, over raw pre-encoded commands.

use std::io::{Read as _, Write as _};
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;

use super::child::{Process, free_addr};
use super::fault::{Doing as _, Fault, Outcome};
use super::flow;
use super::input::{BUSY, Input};

const START: Duration = Duration::from_secs(20);

#[derive(Debug)]
pub(crate) struct Server {
    #[expect(dead_code, reason = "stops the server when dropped")]
    process: Process,
    pub(crate) addr: SocketAddr,
}

impl Server {
    pub(crate) fn start(program: &Path, dir: &Path) -> Outcome<Self> {
        let addr = free_addr()?;
        let settings = [
            ("--bind", addr.ip().to_string()),
            ("--port", addr.port().to_string()),
            ("--dir", dir.display().to_string()),
            ("--appendonly", "yes".to_owned()),
            ("--appendfsync", "always".to_owned()),
            ("--auto-aof-rewrite-percentage", "0".to_owned()),
            ("--save", String::new()),
        ];
        let arguments: Vec<String> =
            settings.into_iter().flat_map(|(name, value)| [name.to_owned(), value]).collect();
        let mut process = Process::start("redis-server", program, &arguments, dir)?;
        process.wait_ready(START, || is_answering(addr).ok())?;
        Ok(Self { process, addr })
    }
}

fn is_answering(addr: SocketAddr) -> std::io::Result<()> {
    let mut stream = std::net::TcpStream::connect(addr)?;
    stream.write_all(b"PING\r\n")?;
    let mut answer = [0; 7];
    stream.read_exact(&mut answer)?;
    if &answer == b"+PONG\r\n" { Ok(()) } else { Err(std::io::ErrorKind::InvalidData.into()) }
}

#[derive(Debug)]
pub(crate) struct Lane {
    stream: TcpStream,
    input: Input,
    command: Vec<u8>,
    out: Vec<u8>,
}

impl Lane {
    /// A client that adds to the stream `key`.
    pub(crate) async fn open(addr: SocketAddr, key: &str, payload: &[u8]) -> Outcome<Self> {
        let stream = TcpStream::connect(addr).await.doing("connect to redis-server")?;
        stream.set_nodelay(true).doing("connect to redis-server")?;
        let mut command = format!(
            "*5\r\n$4\r\nXADD\r\n${}\r\n{key}\r\n$1\r\n*\r\n$1\r\nm\r\n${}\r\n",
            key.len(),
            payload.len()
        )
        .into_bytes();
        command.extend_from_slice(payload);
        command.extend_from_slice(b"\r\n");
        Ok(Self { stream, input: Input::new(BUSY / 16), command, out: Vec::new() })
    }
}

impl flow::Lane for Lane {
    async fn send(&mut self, count: u64) -> Outcome<()> {
        self.out.clear();
        (0..count).for_each(|_| self.out.extend_from_slice(&self.command));
        self.stream.write_all(&self.out).await.doing("send to redis-server")
    }

    async fn receive(&mut self) -> Outcome<u64> {
        self.input.fill(&mut self.stream).await.doing("read from redis-server")?;
        let mut count = 0;
        // A reply is two lines: the length of the entry's id, and the id.
        loop {
            let unread = self.input.unread();
            if unread.first().is_some_and(|&it| it != b'$') {
                return Err(Fault::new("add to a Redis stream", String::from_utf8_lossy(unread)));
            }
            let ends = unread.iter().enumerate().filter(|(_, it)| **it == b'\n').map(|(at, _)| at);
            let Some(end) = ends.take(2).nth(1) else { return Ok(count) };
            self.input.take(end + 1);
            count += 1;
        }
    }
}
