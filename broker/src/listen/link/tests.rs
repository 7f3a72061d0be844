//! Links in memory whose peers say little, by a clock that waits for nobody.

use tempfile::TempDir;
use tokio::io::{DuplexStream, duplex};
use tokio::time::{Instant, pause};

use super::*;
use crate::config::Config;
use crate::serve::Running;

const TEXT: u8 = 0x81;
const CLOSE: u8 = 0x88;
const PING: u8 = 0x89;
const PONG: u8 = 0x8a;
/// Says what a link is for, and wants no answer.
const FIRST: &str = r#"{"kind":"team.list"}"#;
/// By the same clock: only a defect keeps a link for so long.
const PATIENCE: Duration = Duration::from_secs(60 * 60);

/// What a peer was sent: after so many seconds, the opcode with FIN, and what is in the frame.
type Sent = (u64, u8, Vec<u8>);

struct Broker {
    running: Running,
    _dir: TempDir,
}

impl Broker {
    async fn start() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let (config, _) =
            Config::load(dir.path(), &[("listen", "127.0.0.1:0".to_owned())], |_| None).unwrap();
        let running = Running::start(config).await.unwrap();
        // Not before: such a clock does not wait for the core, which is a thread.
        pause();
        Self { running, _dir: dir }
    }

    /// All that is sent to a peer that says the first of these at once, and one more after each frame it gets.
    async fn sent(&self, said: &[Vec<u8>]) -> Vec<Sent> {
        let edge = Arc::clone(&self.running.edge);
        let identity = edge.gate.identify(self.running.first_token().unwrap(), edge.both_clocks()).unwrap();
        let permit = room(&edge).unwrap();
        let (socket, mut peer) = duplex(4_096);
        let began = Instant::now();
        let link = run(socket, Bytes::new(), edge, identity, permit);
        let peer = async move {
            let (mut said, mut sent) = (said.iter(), Vec::new());
            loop {
                if let Some(frame) = said.next() {
                    peer.write_all(frame).await.unwrap();
                }
                let Some((opcode, content)) = next(&mut peer).await else { return sent };
                sent.push((began.elapsed().as_secs(), opcode, content));
            }
        };
        let (sent, ()) = timeout(PATIENCE, async { tokio::join!(peer, link) }).await.expect("the link ends");
        sent
    }
}

/// The next frame, which is a short one; `None` at the end.
async fn next(peer: &mut DuplexStream) -> Option<(u8, Vec<u8>)> {
    let mut head = [0; 2];
    peer.read_exact(&mut head).await.ok()?;
    let [opcode, length] = head;
    let mut content = vec![0; usize::from(length)];
    peer.read_exact(&mut content).await.ok()?;
    Some((opcode, content))
}

/// As a client writes it, masked with zeros.
fn frame(opcode: u8, content: &str) -> Vec<u8> {
    let length = u8::try_from(content.len()).unwrap();
    let mut frame = vec![opcode, 0x80 | length, 0, 0, 0, 0];
    frame.extend_from_slice(content.as_bytes());
    frame
}

/// One ping every 20 s, the last after `last` seconds, and the close.
fn pings_and_close(last: u64, closed: u64, reason: &str) -> Vec<Sent> {
    let close = [&1008_u16.to_be_bytes()[..], reason.as_bytes()].concat();
    let pings = (20..=last).step_by(20).map(|at| (at, PING, Vec::new()));
    pings.chain([(closed, CLOSE, close)]).collect()
}

#[tokio::test]
async fn a_link_is_pinged_and_closed_once_nothing_comes_any_more() {
    let broker = Broker::start().await;
    for answered in [0, 1, 30] {
        let said = [vec![frame(TEXT, FIRST)], vec![frame(PONG, ""); answered]].concat();
        // Whether something came is looked at with each ping: the silence begins with the one behind the answer.
        let heard = 20 * (answered as u64 + 1);
        let expected = pings_and_close(heard + 40, heard + 45, "nothing heard for too long");
        assert_eq!(broker.sent(&said).await, expected, "{answered} pings answered");
    }
}

#[tokio::test]
async fn a_link_that_does_not_say_what_it_is_for_is_closed() {
    let broker = Broker::start().await;
    let silence = Vec::new();
    let expected = pings_and_close(20, 30, "no frame said what this link is for");
    assert_eq!(broker.sent(&[]).await, expected);
    assert_eq!(broker.sent(&[silence.clone(), frame(PONG, "")]).await, expected, "a pong says nothing");
    let late = broker.sent(&[silence, frame(TEXT, FIRST)]).await;
    assert_eq!(late, pings_and_close(80, 85, "nothing heard for too long"), "said after 20 s");
}
