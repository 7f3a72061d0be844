//! A long inbox that an aspect has never seen, sent to it from the beginning and acknowledged.

use std::time::Duration;

use crate::broker::{Member, Nexus, ack, answered, delivered, say};
use crate::clock::{now, unix_ms};
use crate::fault::{Doing as _, Fault, Outcome};
use crate::input::BUSY;
use crate::jetstream;
use crate::report::Samples;
use crate::rows::durable::{message, payload};
use crate::run::Stage;
use crate::template::Template;

/// As a runtime does that syncs what one read brought, and well below the broker's credit.
const ACK_EVERY: u64 = 64;
const FILL_WINDOW: u64 = 512;
const PATIENCE: Duration = Duration::from_secs(60);

/// Stores in JetStream what is replayed in each round.
pub(crate) async fn fill_stream(stage: &Stage, items: u64) -> Outcome<()> {
    let Some(server) = &stage.nats else { return Ok(()) };
    let payload = payload();
    let filling = jetstream::fill(server.addr, "replay", &payload, items);
    tokio::time::timeout(PATIENCE, filling).await.doing(format!("fill a stream with {items} items"))?
}

/// Sends the items to an aspect that has not been there yet.
async fn fill_inbox(nexus: &Nexus, member: &Member, items: u64) -> Outcome<()> {
    let mut link = nexus.operator_link(BUSY).await?;
    let to = vec![member.name.to_string()];
    // The first message opens the thread.
    let thread = say(&mut link, message(to.clone(), None)).await?.thread;
    let mut template = Template::request(&message(to, Some(thread)).into());
    let (mut sent, mut stored) = (1, 1);
    let mut out = Vec::new();
    while stored < items {
        let room = (FILL_WINDOW - (sent - stored)).min(items - sent);
        out.clear();
        for _ in 0..room {
            template.append_request(unix_ms(), &mut out);
        }
        sent += room;
        link.send(&out).await?;
        link.fill().await?;
        while let Some(text) = link.next()? {
            stored += u64::from(answered(text)?.is_some());
        }
    }
    Ok(())
}

/// The yardstick's stream is the same in each round; the inbox is another, so that every acknowledgement counts.
/// Filling it is not timed.
pub(crate) async fn round(
    stage: &Stage,
    member: &mut Member,
    samples: &mut Samples,
    items: u64,
) -> Outcome<()> {
    let against = match &stage.nats {
        Some(server) => Some(jetstream::replay(server.addr, "replay", items).await?),
        None => None,
    };
    let filling = tokio::time::timeout(PATIENCE, fill_inbox(&stage.nexus, member, items));
    filling.await.doing(format!("fill the inbox of {} with {items} items", member.name))??;
    stage.nexus.settle().await?;
    let reading = tokio::time::timeout(PATIENCE, read_inbox(&stage.nexus, member, items));
    let ours = reading.await.doing(format!("replay the inbox of {}", member.name))??;
    samples.add("replay", ours, against);
    Ok(())
}

async fn read_inbox(nexus: &Nexus, member: &mut Member, items: u64) -> Outcome<f64> {
    // Asked for beforehand: a replay does not begin with a key exchange.
    member.bearer().await?;
    let begun = now();
    let (mut link, registered) = member.register(nexus).await?;
    let first = registered.offset;
    let (mut last, mut acked) = (first, first);
    loop {
        while let Some(text) = link.next()? {
            let Some(offset) = delivered(text) else { continue };
            if offset != last + 1 {
                return Err(Fault::new("read an inbox", format!("offset {offset} came after {last}")));
            }
            last = offset;
        }
        let is_done = last - first >= items;
        if last - acked >= ACK_EVERY || is_done {
            link.send(&ack(last)).await?;
            acked = last;
        }
        if is_done {
            return Ok((last - first) as f64 / begun.elapsed().as_secs_f64());
        }
        link.fill().await?;
    }
}
