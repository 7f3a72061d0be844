//! Passing messages on, a bounded number under way: how every throughput here is taken, whatever the protocol.

use std::time::{Duration, Instant};

use super::clock::now;
use super::fault::{Doing as _, Fault, Outcome};

/// One way from a sender to a receiver.
pub(crate) trait Lane {
    /// Sends `count` messages.
    async fn send(&mut self, count: u64) -> Outcome<()>;
    /// Waits, and tells how many messages have arrived.
    async fn receive(&mut self) -> Outcome<u64>;
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Flow {
    /// Messages under way on each lane.
    pub(crate) window: u64,
    /// How long to go on sending; everything sent is waited for.
    pub(crate) length: Duration,
}

/// What is still missing this long after the end is lost.
const PATIENCE: Duration = Duration::from_secs(15);

/// Messages a second over all lanes.
pub(crate) async fn rate<L: Lane + 'static>(lanes: Vec<L>, flow: Flow) -> Outcome<f64> {
    let begun = now();
    let until = begun + flow.length;
    let all = together(lanes, flow.length, move |lane| pump(lane, flow.window, until)).await?;
    Ok(all.into_iter().sum::<u64>() as f64 / begun.elapsed().as_secs_f64())
}

/// Runs `each` over every lane at once, none longer than the length and some patience.
pub(crate) async fn together<L: 'static, T: 'static, F: Future<Output = Outcome<T>> + 'static>(
    lanes: Vec<L>,
    length: Duration,
    each: impl Fn(L) -> F,
) -> Outcome<Vec<T>> {
    let tasks: Vec<_> = lanes
        .into_iter()
        .map(|lane| tokio::task::spawn_local(tokio::time::timeout(length + PATIENCE, each(lane))))
        .collect();
    let mut all = Vec::with_capacity(tasks.len());
    for task in tasks {
        let ended = task.await.doing("run a lane")?;
        all.push(ended.map_err(|_| Fault::new("pass messages on", "some never arrived"))??);
    }
    Ok(all)
}

async fn pump<L: Lane>(mut lane: L, window: u64, until: Instant) -> Outcome<u64> {
    let (mut sent, mut got) = (0, 0);
    loop {
        let room = window - (sent - got);
        if now() < until {
            if room > 0 {
                lane.send(room).await?;
                sent += room;
            }
        } else if got == sent {
            return Ok(got);
        }
        got += lane.receive().await?;
    }
}
