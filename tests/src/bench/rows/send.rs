//! How long one durable message takes when nothing else is under way.

use std::time::Duration;

use crate::broker::{ack, answered, delivered};
use crate::clock::{micros, now, unix_ms};
use crate::disk::fdatasync;
use crate::fault::{Doing as _, Outcome};
use crate::flow::Lane as _;
use crate::report::{Samples, median};
use crate::rows::durable::chat_lanes;
use crate::rows::relay::EchoLane;
use crate::run::Stage;

const SYNCS: u64 = 500;
const ROUND_TRIPS: usize = 3_000;
const SENDS: usize = 2_000;
/// Below the broker's credit. A commit for an acknowledgement between two sends would be timed with the second.
const ACK_EVERY: usize = 64;
const PATIENCE: Duration = Duration::from_secs(30);

pub(crate) async fn round(stage: &mut Stage, samples: &mut Samples, share: f64) -> Outcome<()> {
    let some = |count: usize| (count as f64 * share) as usize;
    let disk = fdatasync(&stage.dir, SYNCS)?;
    let echo = round_trip(stage, some(ROUND_TRIPS)).await?;
    let sending = tokio::time::timeout(PATIENCE, send_one_by_one(stage, some(SENDS)));
    let (ok, deliver) = sending.await.doing("send one message after another")??;
    samples.add("send-ok", ok, Some(disk + echo));
    samples.add("send-deliver", deliver, Some(ok));
    samples.add("fdatasync", disk, None);
    samples.add("echo-rtt", echo, None);
    Ok(())
}

async fn round_trip(stage: &Stage, count: usize) -> Outcome<f64> {
    let mut lane = EchoLane::open(stage.echo.addr).await?;
    let mut took = Vec::with_capacity(count);
    for _ in 0..count {
        let begun = now();
        lane.send(1).await?;
        while lane.receive().await? == 0 {}
        took.push(micros(begun.elapsed()));
    }
    Ok(median(&took))
}

/// Medians in microseconds from a `chat.send` to its `ok` and to the recipient's `deliver`.
async fn send_one_by_one(stage: &mut Stage, count: usize) -> Outcome<(f64, f64)> {
    let mut lanes = chat_lanes(&stage.nexus, &mut stage.members[..1]).await?;
    let lane = lanes.first_mut().doing("open a lane")?;
    let (mut oks, mut delivers) = (Vec::with_capacity(count), Vec::with_capacity(count));
    let mut out = Vec::new();
    for number in 1..=count {
        out.clear();
        lane.template.append_request(unix_ms(), &mut out);
        let begun = now();
        lane.sender.send(&out).await?;
        let (mut ok, mut deliver) = (None, None);
        while ok.is_none() || deliver.is_none() {
            tokio::select! {
                filled = lane.sender.fill() => filled?,
                filled = lane.recipient.fill() => filled?,
            }
            let after = micros(begun.elapsed());
            while let Some(text) = lane.sender.next()? {
                ok = answered(text)?.map(|_| after).or(ok);
            }
            while let Some(text) = lane.recipient.next()? {
                if let Some(offset) = delivered(text) {
                    lane.acked = offset;
                    deliver = Some(after);
                }
            }
        }
        oks.extend(ok);
        delivers.extend(deliver);
        if number % ACK_EVERY == 0 {
            lane.recipient.send(&ack(lane.acked)).await?;
        }
    }
    lane.recipient.send(&ack(lane.acked)).await?;
    Ok((median(&oks), median(&delivers)))
}
