//! Durable messages: sent by an operator, answered `ok`, delivered to an aspect and acknowledged by it.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use nexus_wire::ThreadId;
use nexus_wire::chat::ChatSend;

use crate::broker::{Member, Nexus, ack, answered, delivered, say, take_item};
use crate::clock::{micros, now, unix_ms};
use crate::fault::{Doing as _, Fault, Outcome};
use crate::flow::{Flow, rate, together};
use crate::input::BUSY;
use crate::report::{Samples, quantile};
use crate::run::Stage;
use crate::template::{Template, number_of};
use crate::ws::Link;
use crate::{jetstream, redis};

pub(crate) const LINKS: usize = 50;
/// So that a whole frame has about 300 bytes.
const CONTENT_BYTES: usize = 120;

/// An operator's link and the aspect it writes to, in a thread of their own.
#[derive(Debug)]
pub(crate) struct ChatLane {
    pub(crate) sender: Link,
    pub(crate) recipient: Link,
    pub(crate) template: Template,
    pub(crate) acked: u64,
}

/// One message of the kind all durable rows send.
pub(crate) fn message(to: Vec<String>, thread: Option<ThreadId>) -> ChatSend {
    let text = "a message as long as what one agent says to another in passing, no shorter. ".repeat(2);
    ChatSend { thread, to, content: text[..CONTENT_BYTES].to_owned(), ..ChatSend::default() }
}

pub(crate) async fn chat_lanes(nexus: &Nexus, members: &mut [Member]) -> Outcome<Vec<ChatLane>> {
    let mut lanes = Vec::new();
    for member in members {
        let (mut recipient, _) = member.register(nexus).await?;
        let mut sender = nexus.operator_link(BUSY / 4).await?;
        let to = vec![member.name.to_string()];
        let thread = say(&mut sender, message(to.clone(), None)).await?.thread;
        let acked = take_item(&mut recipient).await?;
        let template = Template::request(&message(to, Some(thread)).into());
        lanes.push(ChatLane { sender, recipient, template, acked });
    }
    Ok(lanes)
}

/// What all lanes of one round did.
#[derive(Debug, Default)]
struct Tally {
    messages: u64,
    /// Microseconds from a send to its `ok`.
    oks: Vec<f64>,
}

impl ChatLane {
    /// Sends until `until` with `window` unanswered; waits until all is answered, delivered and acknowledged.
    async fn run(mut self, window: usize, until: Instant) -> Outcome<Tally> {
        let mut tally = Tally::default();
        let mut under_way: VecDeque<(u64, Instant)> = VecDeque::with_capacity(window);
        let (mut sent, mut got) = (0_u64, 0_u64);
        let mut out = Vec::new();
        loop {
            let at = now();
            if at < until {
                out.clear();
                let ms = unix_ms();
                while under_way.len() < window {
                    under_way.push_back((self.template.append_request(ms, &mut out), at));
                    sent += 1;
                }
                if !out.is_empty() {
                    self.sender.send(&out).await?;
                }
            } else if under_way.is_empty() && got == sent {
                tally.messages = sent;
                return Ok(tally);
            }
            tokio::select! {
                filled = self.sender.fill() => filled?,
                filled = self.recipient.fill() => filled?,
            }
            self.take_answers(&mut under_way, &mut tally)?;
            got += self.take_items().await?;
        }
    }

    fn take_answers(&mut self, under_way: &mut VecDeque<(u64, Instant)>, tally: &mut Tally) -> Outcome<()> {
        let at = now();
        while let Some(text) = self.sender.next()? {
            let Some(number) = answered(text)?.and_then(number_of) else { continue };
            let place = under_way.iter().position(|(it, _)| *it == number);
            let (_, begun) =
                place.and_then(|place| under_way.remove(place)).doing("find what an ok answers")?;
            tally.oks.push(micros(at.duration_since(begun)));
        }
        Ok(())
    }

    /// Takes what has arrived and acknowledges it at once, as a runtime that has synced it does.
    async fn take_items(&mut self) -> Outcome<u64> {
        let before = self.acked;
        while let Some(text) = self.recipient.next()? {
            let Some(offset) = delivered(text) else { continue };
            if offset != self.acked + 1 {
                let cause = format!("offset {offset} came after {}", self.acked);
                return Err(Fault::new("read an inbox", cause));
            }
            self.acked = offset;
        }
        if self.acked > before {
            self.recipient.send(&ack(self.acked)).await?;
        }
        Ok(self.acked - before)
    }
}

async fn chat(stage: &mut Stage, links: usize, flow: Flow) -> Outcome<(f64, Tally)> {
    let lanes = chat_lanes(&stage.nexus, &mut stage.members[..links]).await?;
    let window = usize::try_from(flow.window).doing("size a window")?;
    let begun = now();
    let until = begun + flow.length;
    let tallies = together(lanes, flow.length, move |lane| lane.run(window, until)).await?;
    let took = begun.elapsed().as_secs_f64();
    let mut all = Tally::default();
    for tally in tallies {
        all.messages += tally.messages;
        all.oks.extend(tally.oks);
    }
    Ok((all.messages as f64 / took, all))
}

pub(crate) async fn round(stage: &mut Stage, samples: &mut Samples, length: Duration) -> Outcome<()> {
    let one = Flow { window: 1, length };
    let many = Flow { window: 16, length };
    let pair = Flow { window: 64, length };
    let redis = stage.redis.as_ref().map(|server| server.addr);
    let nats = stage.nats.as_ref().map(|server| server.addr);

    let (ours, _) = chat(stage, LINKS, one).await?;
    samples.add("durable-50x1-redis", ours, xadd(redis, one).await?);

    let before = stage.nexus.process.disk_bytes()?;
    let (ours, tally) = chat(stage, LINKS, many).await?;
    let written = stage.nexus.process.disk_bytes()? - before;
    samples.add("durable-50x16-redis", ours, xadd(redis, many).await?);
    samples.add("durable-50x16-jetstream", ours, streamed(stage, nats, LINKS, many).await?);
    samples.add("ok-p999", quantile(&tally.oks, 0.999) / 1e3, None);
    samples.add("disk-bytes", written / tally.messages as f64, None);

    let (ours, _) = chat(stage, 1, pair).await?;
    samples.add("durable-1x64-jetstream", ours, streamed(stage, nats, 1, pair).await?);
    Ok(())
}

/// The text of one message, for those who store the same.
pub(crate) fn payload() -> Vec<u8> {
    let thread = Some(ThreadId(crate::template::fresh_id().0));
    Template::request(&message(vec!["peer-0".into()], thread).into()).text().to_vec()
}

async fn xadd(addr: Option<SocketAddr>, flow: Flow) -> Outcome<Option<f64>> {
    let Some(addr) = addr else { return Ok(None) };
    let mut lanes = Vec::new();
    for number in 0..LINKS {
        lanes.push(redis::Lane::open(addr, &format!("bench-{number}"), &payload()).await?);
    }
    rate(lanes, flow).await.map(Some)
}

async fn streamed(
    stage: &mut Stage,
    addr: Option<SocketAddr>,
    links: usize,
    flow: Flow,
) -> Outcome<Option<f64>> {
    let Some(addr) = addr else { return Ok(None) };
    let mut lanes = Vec::new();
    for _ in 0..links {
        stage.subjects += 1;
        lanes.push(jetstream::Lane::open(addr, &format!("lane-{}", stage.subjects), &payload()).await?);
    }
    let begun = now();
    let all = together(lanes, flow.length, move |lane| lane.run(flow.window, flow.length)).await?;
    Ok(Some(all.into_iter().sum::<u64>() as f64 / begun.elapsed().as_secs_f64()))
}
