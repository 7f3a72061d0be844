//! Links in memory to a broker that says little, by a clock that waits for nobody.

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream, duplex};
use tokio::time::{Instant, timeout};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::protocol::Role;

use super::*;
use crate::endpoint::Socket;

const CLOSE: u8 = 0x88;
const PING: u8 = 0x89;
const PONG: u8 = 0x8a;
/// By the same clock: only a defect keeps a link for so long.
const PATIENCE: Duration = Duration::from_secs(60 * 60);

/// What a broker was sent: after so many seconds, the opcode with FIN, and what is in the frame.
type Sent = (u64, u8, Vec<u8>);

/// All that is sent to a broker that says one of these, without content, after each ping it gets; and why the link ended.
async fn sent(said: &[u8]) -> (Vec<Sent>, CloseReason) {
    let (socket, mut broker) = duplex(4_096);
    let socket: Box<dyn Socket> = Box::new(socket);
    let (link, _pushes) = Link::over(WebSocketStream::from_raw_socket(socket, Role::Client, None).await);
    let began = Instant::now();
    let (mut said, mut sent) = (said.iter(), Vec::new());
    let all = async {
        while let Some((opcode, content)) = next(&mut broker).await {
            sent.push((began.elapsed().as_secs(), opcode, content));
            if opcode == PING
                && let Some(answer) = said.next()
            {
                broker.write_all(&[*answer, 0]).await.expect("the client reads");
            }
        }
    };
    timeout(PATIENCE, all).await.expect("the link ends");
    (sent, link.ended().await)
}

/// The next frame, which is a short one; `None` at the end.
async fn next(broker: &mut DuplexStream) -> Option<(u8, Vec<u8>)> {
    let mut head = [0; 6];
    broker.read_exact(&mut head).await.ok()?;
    let [opcode, length, mask @ ..] = head;
    let mut content = vec![0; usize::from(length & 0x7f)];
    broker.read_exact(&mut content).await.ok()?;
    for (byte, mask) in content.iter_mut().zip(mask.iter().cycle()) {
        *byte ^= mask;
    }
    Some((opcode, content))
}

/// What is sent to a broker of which nothing comes once it has answered so many pings, each of which got it `back`.
fn expected(answered: u64, back: &[u8]) -> (Vec<Sent>, CloseReason) {
    let heard = 20 * answered;
    let mut sent = Vec::new();
    for at in (20..=heard + 40).step_by(20) {
        sent.push((at, PING, Vec::new()));
        if at <= heard {
            sent.extend(back.iter().map(|opcode| (at, *opcode, Vec::new())));
        }
    }
    sent.push((heard + 45, CLOSE, 1000_u16.to_be_bytes().to_vec()));
    (sent, CloseReason::Idle)
}

#[tokio::test(start_paused = true)]
async fn a_broker_of_which_nothing_comes_any_more_is_given_up() {
    assert_eq!(sent(&[]).await, expected(0, &[]));
    assert_eq!(sent(&[PONG]).await, expected(1, &[]));
}

#[tokio::test(start_paused = true)]
async fn a_broker_that_answers_pings_or_sends_its_own_is_not() {
    assert_eq!(sent(&[PONG; 30]).await, expected(30, &[]));
    assert_eq!(sent(&[PING; 30]).await, expected(30, &[PONG]));
}
