//! Durable messages: sent, answered `ok`, delivered to an aspect and acknowledged by it. In a ring, where every link
//! sends to the next and receives from the one before; and in pairs of an operator's link and an aspect's.

use std::cell::Cell;
use std::collections::VecDeque;
use std::net::SocketAddr;
use std::rc::Rc;
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

/// An aspect's link in a ring: sends to the next one, in a thread of the two, and receives from the one before.
#[derive(Debug)]
struct RingLane {
    link: Link,
    template: Template,
    acked: u64,
    /// What each lane of the ring has sent.
    sent: Rc<Vec<Cell<u64>>>,
    place: usize,
}

async fn ring(nexus: &Nexus, members: &mut [Member]) -> Outcome<Vec<RingLane>> {
    let names: Vec<String> = members.iter().map(|member| member.name.to_string()).collect();
    let mut links = Vec::new();
    for member in members {
        links.push(member.register(nexus).await?.0);
    }
    let sent = Rc::new(vec![Cell::new(0); names.len()]);
    let mut operator = nexus.operator_link(BUSY / 4).await?;
    let mut lanes: Vec<RingLane> = Vec::new();
    for (place, link) in links.into_iter().enumerate() {
        let (name, next) = (names[place].clone(), names[(place + 1) % names.len()].clone());
        // Both take part from here on.
        let thread = say(&mut operator, message(vec![name, next.clone()], None)).await?.thread;
        let template = Template::request(&message(vec![next], Some(thread)).into());
        lanes.push(RingLane { link, template, acked: 0, sent: Rc::clone(&sent), place });
    }
    for lane in &mut lanes {
        take_item(&mut lane.link).await?;
        lane.acked = take_item(&mut lane.link).await?;
    }
    Ok(lanes)
}

impl RingLane {
    /// Sends until `until` with `window` unanswered; waits until all of its own is answered and all that was sent to
    /// it has arrived and is acknowledged.
    async fn run(mut self, window: usize, until: Instant) -> Outcome<Tally> {
        let mut tally = Tally::default();
        let mut under_way: VecDeque<(u64, Instant)> = VecDeque::with_capacity(window);
        let before = (self.place + self.sent.len() - 1) % self.sent.len();
        let mut got = 0;
        let mut out = Vec::new();
        loop {
            let at = now();
            if at < until {
                let ms = unix_ms();
                while under_way.len() < window {
                    under_way.push_back((self.template.append_request(ms, &mut out), at));
                    self.sent[self.place].update(|sent| sent + 1);
                }
            }
            if !out.is_empty() {
                self.link.send(&out).await?;
                out.clear();
            }
            // After `until` nobody sends any more, so the count of the one before is final.
            if now() >= until && under_way.is_empty() && got == self.sent[before].get() {
                tally.messages = self.sent[self.place].get();
                return Ok(tally);
            }
            tokio::select! {
                filled = self.link.fill() => filled?,
                () = tokio::time::sleep_until(until.into()), if now() < until => {}
            }
            got += self.take(&mut under_way, &mut tally, &mut out)?;
        }
    }

    /// Takes answers and items that have arrived; what acknowledges them goes with the next sends.
    fn take(
        &mut self,
        under_way: &mut VecDeque<(u64, Instant)>,
        tally: &mut Tally,
        out: &mut Vec<u8>,
    ) -> Outcome<u64> {
        let (at, before) = (now(), self.acked);
        while let Some(text) = self.link.next()? {
            if let Some(offset) = delivered(text) {
                self.acked = next_after(self.acked, offset)?;
            } else if let Some(number) = answered(text)?.and_then(number_of) {
                tally.answered(under_way, number, at)?;
            }
        }
        if self.acked > before {
            out.extend(ack(self.acked));
        }
        Ok(self.acked - before)
    }
}

/// Nothing is missing between two items.
fn next_after(acked: u64, offset: u64) -> Outcome<u64> {
    if offset == acked + 1 {
        return Ok(offset);
    }
    Err(Fault::new("read an inbox", format!("offset {offset} came after {acked}")))
}

/// What all lanes of one round did.
#[derive(Debug, Default)]
struct Tally {
    messages: u64,
    /// Microseconds from a send to its `ok`.
    oks: Vec<f64>,
}

impl Tally {
    fn answered(
        &mut self,
        under_way: &mut VecDeque<(u64, Instant)>,
        number: u64,
        at: Instant,
    ) -> Outcome<()> {
        let place = under_way.iter().position(|(it, _)| *it == number);
        let (_, begun) = place.and_then(|place| under_way.remove(place)).doing("find what an ok answers")?;
        self.oks.push(micros(at.duration_since(begun)));
        Ok(())
    }

    /// All together, and messages a second.
    fn sum(tallies: Vec<Self>, begun: Instant) -> (f64, Self) {
        let took = begun.elapsed().as_secs_f64();
        let mut all = Self::default();
        for tally in tallies {
            all.messages += tally.messages;
            all.oks.extend(tally.oks);
        }
        (all.messages as f64 / took, all)
    }
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
            tally.answered(under_way, number, at)?;
        }
        Ok(())
    }

    /// Takes what has arrived and acknowledges it at once, as a runtime that has synced it does.
    async fn take_items(&mut self) -> Outcome<u64> {
        let before = self.acked;
        while let Some(text) = self.recipient.next()? {
            let Some(offset) = delivered(text) else { continue };
            self.acked = next_after(self.acked, offset)?;
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
    Ok(Tally::sum(tallies, begun))
}

async fn ring_chat(stage: &mut Stage, flow: Flow) -> Outcome<(f64, Tally)> {
    let lanes = ring(&stage.nexus, &mut stage.members).await?;
    let window = usize::try_from(flow.window).doing("size a window")?;
    let begun = now();
    let until = begun + flow.length;
    let tallies = together(lanes, flow.length, move |lane| lane.run(window, until)).await?;
    Ok(Tally::sum(tallies, begun))
}

pub(crate) async fn round(stage: &mut Stage, samples: &mut Samples, length: Duration) -> Outcome<()> {
    let one = Flow { window: 1, length };
    let many = Flow { window: 16, length };
    let pair = Flow { window: 64, length };
    let redis = stage.redis.as_ref().map(|server| server.addr);
    let nats = stage.nats.as_ref().map(|server| server.addr);

    let (ours, _) = ring_chat(stage, one).await?;
    stage.nexus.settle().await?;
    samples.add("durable-50x1-redis", ours, xadd(redis, one).await?);

    let before = stage.nexus.process.disk_bytes()?;
    let (ours, tally) = ring_chat(stage, many).await?;
    let written = stage.nexus.process.disk_bytes()? - before;
    stage.nexus.settle().await?;
    samples.add("durable-50x16-redis", ours, xadd(redis, many).await?);
    samples.add("durable-50x16-jetstream", ours, streamed(stage, nats, LINKS, many).await?);
    samples.add("durable-pairs-50x1", chat(stage, LINKS, one).await?.0, None);
    stage.nexus.settle().await?;
    samples.add("durable-pairs-50x16", chat(stage, LINKS, many).await?.0, None);
    stage.nexus.settle().await?;
    samples.add("ok-p999", quantile(&tally.oks, 0.999) / 1e3, None);
    samples.add("disk-bytes", written / tally.messages as f64, None);

    let (ours, _) = chat(stage, 1, pair).await?;
    stage.nexus.settle().await?;
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
