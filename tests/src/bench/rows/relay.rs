//! Streamed events of an aspect, relayed to an operator who watches one thread; the yardsticks pass the same text.

use std::net::SocketAddr;
use std::time::Duration;

use nexus_wire::TurnId;
use nexus_wire::chat::ChatSend;
use nexus_wire::log::Subscribe;
use nexus_wire::observe::{ObserveBegin, ObserveEvent, TurnEvent};

use crate::broker::{Member, Nexus, ask, say, take_item};
use crate::fault::{Fault, Outcome};
use crate::flow::{Flow, Lane, rate};
use crate::input::BUSY;
use crate::nats::{Connection, Event};
use crate::report::Samples;
use crate::run::Stage;
use crate::template::{COUNTER, Template, fresh_id};
use crate::ws::Link;

/// So that a whole frame has about 300 bytes.
const TEXT_BYTES: usize = 170;
const PAIRS: [(usize, u64); 2] = [(1, 512), (25, 128)];

/// One round of all figures of the group.
pub(crate) async fn round(stage: &mut Stage, samples: &mut Samples, length: Duration) -> Outcome<()> {
    let mut one_echo = None;
    for (pairs, window) in PAIRS {
        let flow = Flow { window, length };
        let echo = rate(echo_lanes(stage.echo.addr, pairs).await?, flow).await?;
        let nexus = rate(relay_lanes(&stage.nexus, &mut stage.members[..pairs]).await?, flow).await?;
        let nats = match &stage.nats {
            Some(server) => Some(rate(nats_lanes(server.addr, pairs).await?, flow).await?),
            None => None,
        };
        let (against_echo, against_nats) =
            if pairs == 1 { ("relay-1-echo", "relay-1-nats") } else { ("relay-25-echo", "relay-25-nats") };
        samples.add(against_echo, nexus, Some(echo));
        samples.add(against_nats, nexus, nats);
        match one_echo {
            None => one_echo = Some(echo),
            Some(one_echo) => samples.add("relay-25-echo-1", nexus, Some(one_echo)),
        }
    }
    Ok(())
}

pub(crate) fn event(turn: TurnId) -> Template {
    let text = "the quick brown fox jumps over the lazy dog, ".repeat(8);
    let event = TurnEvent::Text { text: text[..TEXT_BYTES].to_owned() };
    Template::counted(&ObserveEvent { turn, n: COUNTER, event }.into())
}

#[derive(Debug)]
pub(crate) struct EchoLane {
    link: Link,
    template: Template,
    sent: u64,
    out: Vec<u8>,
}

impl EchoLane {
    pub(crate) async fn open(addr: SocketAddr) -> Outcome<Self> {
        let link = Link::dial(addr, "/echo", None, BUSY).await?;
        Ok(Self { link, template: event(TurnId(fresh_id().0)), sent: 0, out: Vec::new() })
    }
}

async fn echo_lanes(addr: SocketAddr, count: usize) -> Outcome<Vec<EchoLane>> {
    let mut lanes = Vec::new();
    for _ in 0..count {
        lanes.push(EchoLane::open(addr).await?);
    }
    Ok(lanes)
}

impl Lane for EchoLane {
    async fn send(&mut self, count: u64) -> Outcome<()> {
        encode(&mut self.template, &mut self.sent, count, &mut self.out);
        self.link.send(&self.out).await
    }

    async fn receive(&mut self) -> Outcome<u64> {
        self.link.fill().await?;
        let mut count = 0;
        while self.link.next()?.is_some() {
            count += 1;
        }
        Ok(count)
    }
}

fn encode(template: &mut Template, sent: &mut u64, count: u64, out: &mut Vec<u8>) {
    out.clear();
    for n in *sent..*sent + count {
        template.append_counted(n, out);
    }
    *sent += count;
}

#[derive(Debug)]
pub(crate) struct RelayLane {
    aspect: Link,
    watcher: Link,
    template: Template,
    sent: u64,
    out: Vec<u8>,
}

pub(crate) async fn relay_lanes(nexus: &Nexus, members: &mut [Member]) -> Outcome<Vec<RelayLane>> {
    let mut operator = nexus.operator_link(BUSY).await?;
    let mut lanes = Vec::new();
    for member in members {
        let (mut aspect, _) = member.register(nexus).await?;
        let opening =
            ChatSend { to: vec![member.name.to_string()], content: "relay".into(), ..ChatSend::default() };
        let thread = say(&mut operator, opening).await?.thread;
        take_item(&mut aspect).await?;
        let mut watcher = nexus.operator_link(BUSY).await?;
        let subscribe = Subscribe { thread: Some(thread), observe: true, ..Subscribe::default() };
        ask(&mut watcher, subscribe.into()).await?;
        let turn = TurnId(fresh_id().0);
        let begin = ObserveBegin { turn, thread: Some(thread), message: None, dispatch: None };
        let begin = nexus_wire::envelope::encode(
            &nexus_wire::Envelope::default(),
            &nexus_wire::ToBroker::from(begin),
        );
        aspect.send(&Template::fixed(&begin)).await?;
        while !watcher.text().await?.starts_with(OBSERVE) {}
        lanes.push(RelayLane { aspect, watcher, template: event(turn), sent: 0, out: Vec::new() });
    }
    Ok(lanes)
}

pub(crate) const OBSERVE: &[u8] = br#"{"kind":"observe","#;

impl Lane for RelayLane {
    async fn send(&mut self, count: u64) -> Outcome<()> {
        encode(&mut self.template, &mut self.sent, count, &mut self.out);
        self.aspect.send(&self.out).await
    }

    async fn receive(&mut self) -> Outcome<u64> {
        self.watcher.fill().await?;
        let mut count = 0;
        while let Some(text) = self.watcher.next()? {
            if text.starts_with(OBSERVE) {
                count += 1;
            }
        }
        self.watcher.answer_pings().await?;
        Ok(count)
    }
}

#[derive(Debug)]
struct NatsLane {
    publisher: Connection,
    subscriber: Connection,
    publish: Vec<u8>,
    out: Vec<u8>,
}

async fn nats_lanes(addr: SocketAddr, count: usize) -> Outcome<Vec<NatsLane>> {
    let mut lanes = Vec::new();
    for number in 0..count {
        // Outside of the subjects that JetStream stores.
        let subject = format!("core.{number}");
        let mut subscriber = Connection::open(addr).await?;
        subscriber.subscribe(&subject).await?;
        let publisher = Connection::open(addr).await?;
        let template = event(TurnId(fresh_id().0));
        let mut publish = format!("PUB {subject} {}\r\n", template.text().len()).into_bytes();
        publish.extend_from_slice(template.text());
        publish.extend_from_slice(b"\r\n");
        lanes.push(NatsLane { publisher, subscriber, publish, out: Vec::new() });
    }
    Ok(lanes)
}

impl Lane for NatsLane {
    async fn send(&mut self, count: u64) -> Outcome<()> {
        let count = usize::try_from(count).map_err(|error| Fault::new("send to nats-server", error))?;
        self.out.clear();
        (0..count).for_each(|_| self.out.extend_from_slice(&self.publish));
        self.publisher.send(&self.out).await
    }

    async fn receive(&mut self) -> Outcome<u64> {
        self.subscriber.fill().await?;
        let mut count = 0;
        while let Some(event) = self.subscriber.next()? {
            if matches!(event, Event::Message(_)) {
                count += 1;
            }
        }
        self.subscriber.answer_pings().await?;
        Ok(count)
    }
}
