//! Work sent to another aspect's Hand and its result taken, the worker doing nothing: dispatched, assigned,
//! answered and delivered, all of it durable.

use std::path::Path;
use std::time::Duration;

use nexus_wire::hands::HandSpec;
use serde_json::json;

use crate::broker::{Member, Nexus, Variant, ack, answered, delivered};
use crate::child::free_addr;
use crate::clock::{now, unix_ms};
use crate::fault::{Doing as _, Fault, Outcome};
use crate::jetstream;
use crate::report::Samples;
use crate::rows::durable::payload;
use crate::run::Stage;
use crate::template::{ID, Template};
use crate::ws::{self, Link};

const WINDOW: u64 = 64;
const PATIENCE: Duration = Duration::from_secs(30);
/// As many at work as are under way: what is measured is the way, not the queue.
const UNHINDERED: Variant<'static> = Variant { tls: false, env: &["NEXUS_HANDS_SOFT_CAP=256"] };

#[derive(Debug)]
pub(crate) struct Workshop {
    nexus: Nexus,
    asker: Member,
    worker: Member,
}

impl Workshop {
    pub(crate) async fn open(program: &Path, dir: &Path) -> Outcome<Self> {
        let nexus = Nexus::start_as(UNHINDERED, program, &dir.join("hands"), free_addr()?, dir).await?;
        let mut members = nexus.add_members("hand", 2).await?;
        let (worker, asker) = (members.pop(), members.pop());
        Ok(Self { nexus, asker: asker.doing("let in")?, worker: worker.doing("let in")? })
    }

    /// Results a second.
    async fn rate(&mut self, length: Duration) -> Outcome<f64> {
        let (asker, _) = self.asker.register(&self.nexus).await?;
        let hand: HandSpec =
            serde_json::from_value(json!({"name": "echo", "concurrency": 256, "idempotent": true}))
                .doing("describe a Hand")?;
        let (worker, _) = self.worker.register_with(&self.nexus, vec![hand]).await?;
        let dispatch =
            json!({"hand": format!("{}/echo", self.worker.name), "input": {"text": "x".repeat(60)}});
        let frame = format!(r#"{{"kind":"dispatch","id":"{ID}","payload":{dispatch}}}"#);
        let trips = Trips { asker, worker, template: Template::request_text(&frame), done: 0 };
        tokio::time::timeout(length + PATIENCE, trips.run(length)).await.doing("send work to a Hand")?
    }
}

struct Trips {
    asker: Link,
    worker: Link,
    template: Template,
    done: u64,
}

impl Trips {
    async fn run(mut self, length: Duration) -> Outcome<f64> {
        let begun = now();
        let (mut sent, mut out) = (0, Vec::new());
        loop {
            let room = WINDOW - (sent - self.done);
            if begun.elapsed() < length && room > 0 {
                out.clear();
                for _ in 0..room {
                    self.template.append_request(unix_ms(), &mut out);
                }
                sent += room;
                self.asker.send(&out).await?;
            } else if begun.elapsed() >= length && self.done == sent {
                return Ok(self.done as f64 / begun.elapsed().as_secs_f64());
            }
            tokio::select! {
                filled = self.asker.fill() => filled?,
                filled = self.worker.fill() => filled?,
            }
            self.work(&mut out).await?;
            self.take_results().await?;
        }
    }

    /// Answers every assignment that has arrived, and acknowledges them all.
    async fn work(&mut self, out: &mut Vec<u8>) -> Outcome<()> {
        out.clear();
        let mut last = None;
        while let Some(text) = self.worker.next()? {
            answered(text)?;
            let Some(offset) = delivered(text) else { continue };
            last = Some(offset);
            if let Some(lease) = lease_in(text) {
                let result = format!(
                    r#"{{"kind":"dispatch.result","payload":{{"lease":{lease},"output":{{"text":"done"}}}}}}"#
                );
                out.extend(ws::encode(result.as_bytes()));
            }
        }
        out.extend(last.map(ack).unwrap_or_default());
        if out.is_empty() { Ok(()) } else { self.worker.send(out).await }
    }

    async fn take_results(&mut self) -> Outcome<()> {
        let mut last = None;
        while let Some(text) = self.asker.next()? {
            if answered(text)?.is_some() {
                continue;
            }
            let Some(offset) = delivered(text) else { continue };
            if find(text, br#""state":"done""#).is_none() {
                return Err(Fault::new("read a result", String::from_utf8_lossy(text)));
            }
            last = Some(offset);
            self.done += 1;
        }
        match last {
            Some(offset) => self.asker.send(&ack(offset)).await,
            None => Ok(()),
        }
    }
}

/// The lease of an assignment, as text.
pub(crate) fn lease_in(text: &[u8]) -> Option<&str> {
    find(text, br#""type":"assignment""#)?;
    let rest = &text[find(text, br#""lease":{"#)? + br#""lease":"#.len()..];
    std::str::from_utf8(&rest[..=find(rest, b"}")?]).ok()
}

fn find(text: &[u8], what: &[u8]) -> Option<usize> {
    text.windows(what.len()).position(|it| it == what)
}

pub(crate) async fn round(
    workshop: &mut Workshop,
    stage: &mut Stage,
    samples: &mut Samples,
    length: Duration,
) -> Outcome<()> {
    let against = match &stage.nats {
        Some(server) => {
            stage.subjects += 1;
            let tag = format!("trip-{}", stage.subjects);
            let payload = payload();
            let trips = jetstream::round_trips(server.addr, &tag, &payload, WINDOW, length);
            Some(tokio::time::timeout(length + PATIENCE, trips).await.doing("send work over JetStream")??)
        }
        None => None,
    };
    samples.add("hand-trip", workshop.rate(length).await?, against);
    Ok(())
}
