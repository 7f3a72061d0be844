//! JetStream as its file store is by default: acknowledged publishes, consumers that are pushed to, ordered replay.
//! It syncs to disk every two minutes, not before its acknowledgement.

use std::net::SocketAddr;
use std::time::Duration;

use super::clock::now;
use super::fault::{Doing as _, Fault, Outcome};
use super::nats::{Connection, Event};

const STREAM: &str = "BENCH";
/// Publishes under way while the stream is filled.
const FILL_WINDOW: u64 = 512;
/// Acknowledged cumulatively, as ours are; never later than this many.
const ACK_EVERY: u64 = 64;

/// Makes the stream with the subjects `bench.>`.
pub(crate) async fn create_stream(addr: SocketAddr) -> Outcome<()> {
    let mut connection = Connection::open(addr).await?;
    connection.subscribe("_INBOX.setup").await?;
    let config =
        format!(r#"{{"name":"{STREAM}","subjects":["bench.>"],"storage":"file","retention":"limits"}}"#);
    connection.request(&format!("$JS.API.STREAM.CREATE.{STREAM}"), "_INBOX.setup", &config).await?;
    Ok(())
}

/// One publisher and one consumer over a subject of their own.
#[derive(Debug)]
pub(crate) struct Lane {
    publisher: Connection,
    consumer: Connection,
    publish: Vec<u8>,
}

impl Lane {
    /// `tag` names the subject: each lane of each round has its own.
    pub(crate) async fn open(addr: SocketAddr, tag: &str, payload: &[u8]) -> Outcome<Self> {
        let mut publisher = Connection::open(addr).await?;
        let inbox = format!("_INBOX.{tag}");
        publisher.subscribe(&inbox).await?;
        let mut consumer = Connection::open(addr).await?;
        consume(&mut consumer, tag, "all", "new").await?;
        let mut publish = format!("PUB bench.{tag} {inbox} {}\r\n", payload.len()).into_bytes();
        publish.extend_from_slice(payload);
        publish.extend_from_slice(b"\r\n");
        Ok(Self { publisher, consumer, publish })
    }

    /// Publishes for `length` with `window` under way; how many were acknowledged, consumed and acked.
    pub(crate) async fn run(mut self, window: u64, length: Duration) -> Outcome<u64> {
        let until = now() + length;
        let (mut sent, mut stored, mut consumed) = (0, 0, 0);
        let mut out = Vec::new();
        loop {
            let room = window - (sent - stored);
            if now() < until && room > 0 {
                out.clear();
                (0..room).for_each(|_| out.extend_from_slice(&self.publish));
                self.publisher.send(&out).await?;
                sent += room;
            } else if now() >= until && stored == sent && consumed == sent {
                return Ok(sent);
            }
            tokio::select! {
                filled = self.publisher.fill() => filled?,
                filled = self.consumer.fill() => filled?,
            }
            while let Some(event) = self.publisher.next()? {
                if let Event::Message(message) = event {
                    if !message.payload.starts_with(b"{\"stream\"") {
                        let said = String::from_utf8_lossy(message.payload);
                        return Err(Fault::new("publish to JetStream", said));
                    }
                    stored += 1;
                }
            }
            consumed += drain(&mut self.consumer, &mut out).await?;
        }
    }
}

/// Takes what has arrived and acknowledges it, all at once.
async fn drain(consumer: &mut Connection, out: &mut Vec<u8>) -> Outcome<u64> {
    out.clear();
    let (mut count, mut unacked) = (0, 0);
    let mut last = Vec::new();
    while let Some(event) = consumer.next()? {
        match event {
            Event::Message(message) => {
                let reply = message.reply();
                count += 1;
                unacked += 1;
                if unacked == ACK_EVERY {
                    ack(reply, out);
                    unacked = 0;
                } else {
                    last.clear();
                    last.extend_from_slice(reply);
                }
            }
            Event::Status { reply, headers } => answer_status(reply, headers, out),
            Event::Pong => {}
        }
    }
    if unacked > 0 {
        ack(&last, out);
    }
    if !out.is_empty() {
        consumer.send(out).await?;
    }
    consumer.answer_pings().await?;
    Ok(count)
}

fn ack(reply: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(b"PUB ");
    out.extend_from_slice(reply);
    out.extend_from_slice(b" 4\r\n+ACK\r\n");
}

/// Flow control stalls until it is answered.
fn answer_status(reply: &[u8], headers: &[u8], out: &mut Vec<u8>) {
    let stalled = String::from_utf8_lossy(headers);
    let stalled = stalled.lines().find_map(|line| line.strip_prefix("Nats-Consumer-Stalled: "));
    let to = if reply.is_empty() { stalled.map(str::as_bytes).unwrap_or_default() } else { reply };
    if !to.is_empty() {
        out.extend_from_slice(b"PUB ");
        out.extend_from_slice(to);
        out.extend_from_slice(b" 0\r\n\r\n");
    }
}

/// Makes a push consumer of `bench.<tag>`, its messages coming to this connection.
async fn consume(connection: &mut Connection, tag: &str, ack: &str, from: &str) -> Outcome<()> {
    let name = format!("c-{tag}-{}", super::template::fresh_id());
    connection.subscribe(&format!("deliver.{name}")).await?;
    let flow = if ack == "none" { r#","flow_control":true,"idle_heartbeat":5000000000"# } else { "" };
    let pending = if ack == "none" { "" } else { r#","max_ack_pending":65536"# };
    let config = format!(
        r#"{{"stream_name":"{STREAM}","config":{{"name":"{name}","deliver_subject":"deliver.{name}","filter_subject":"bench.{tag}","ack_policy":"{ack}","deliver_policy":"{from}","replay_policy":"instant","mem_storage":true,"inactive_threshold":30000000000{flow}{pending}}}}}"#
    );
    // The answer comes to an inbox of another connection, so that no message can be taken for it.
    let mut asker = open_beside(connection).await?;
    asker.subscribe("_INBOX.setup").await?;
    asker
        .request(&format!("$JS.API.CONSUMER.CREATE.{STREAM}.{name}.bench.{tag}"), "_INBOX.setup", &config)
        .await?;
    Ok(())
}

async fn open_beside(connection: &Connection) -> Outcome<Connection> {
    Connection::open(connection.peer()?).await
}

/// Publishes `count` messages under `tag` and waits until all are acknowledged.
pub(crate) async fn fill(addr: SocketAddr, tag: &str, payload: &[u8], count: u64) -> Outcome<()> {
    let mut connection = Connection::open(addr).await?;
    let inbox = format!("_INBOX.fill.{tag}");
    connection.subscribe(&inbox).await?;
    let mut message = format!("PUB bench.{tag} {inbox} {}\r\n", payload.len()).into_bytes();
    message.extend_from_slice(payload);
    message.extend_from_slice(b"\r\n");
    let (mut sent, mut stored) = (0, 0);
    while stored < count {
        let room = (FILL_WINDOW - (sent - stored)).min(count - sent);
        connection.send(&message.repeat(usize::try_from(room).unwrap_or_default())).await?;
        sent += room;
        connection.fill().await?;
        while let Some(event) = connection.next()? {
            if matches!(event, Event::Message(_)) {
                stored += 1;
            }
        }
        connection.answer_pings().await?;
    }
    Ok(())
}

/// Reads everything under `tag` as an ordered consumer does; items a second.
pub(crate) async fn replay(addr: SocketAddr, tag: &str, count: u64) -> Outcome<f64> {
    let mut connection = Connection::open(addr).await?;
    let begun = now();
    consume(&mut connection, tag, "none", "all").await?;
    let (mut got, mut out) = (0, Vec::new());
    while got < count {
        while let Some(event) = connection.next()? {
            match event {
                Event::Message(_) => got += 1,
                Event::Status { reply, headers } => answer_status(reply, headers, &mut out),
                Event::Pong => {}
            }
        }
        if !out.is_empty() {
            connection.send(&out).await?;
            out.clear();
        }
        if got < count {
            tokio::time::timeout(Duration::from_secs(30), connection.fill())
                .await
                .doing(format!("replay {count} items from JetStream, {got} came"))??;
        }
    }
    Ok(count as f64 / begun.elapsed().as_secs_f64())
}

/// Publishes, consumes and acknowledges, publishes an answer, consumes and acknowledges that: answers a second.
pub(crate) async fn round_trips(
    addr: SocketAddr,
    tag: &str,
    payload: &[u8],
    window: u64,
    length: Duration,
) -> Outcome<f64> {
    let (there, back) = (format!("{tag}-there"), format!("{tag}-back"));
    let mut asker = Connection::open(addr).await?;
    let mut worker = Connection::open(addr).await?;
    consume(&mut worker, &there, "all", "new").await?;
    consume(&mut asker, &back, "all", "new").await?;
    // What is stored is told to an inbox of its own, and counted by nobody: the answer says it as well.
    let publish = |subject: &str| {
        let mut frame = format!("PUB bench.{subject} _INBOX.stored {}\r\n", payload.len()).into_bytes();
        frame.extend_from_slice(payload);
        frame.extend_from_slice(b"\r\n");
        frame
    };
    let (ask, answer) = (publish(&there), publish(&back));
    let (mut sent, mut done, mut out) = (0, 0, Vec::new());
    let begun = now();
    loop {
        let room = window - (sent - done);
        if begun.elapsed() < length && room > 0 {
            asker.send(&ask.repeat(usize::try_from(room).unwrap_or_default())).await?;
            sent += room;
        } else if begun.elapsed() >= length && done == sent {
            return Ok(done as f64 / begun.elapsed().as_secs_f64());
        }
        tokio::select! {
            filled = asker.fill() => filled?,
            filled = worker.fill() => filled?,
        }
        let work = drain(&mut worker, &mut out).await?;
        if work > 0 {
            worker.send(&answer.repeat(usize::try_from(work).unwrap_or_default())).await?;
        }
        done += drain(&mut asker, &mut out).await?;
    }
}
