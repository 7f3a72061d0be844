//! Triggers: how soon one that is due is set to work, what ten thousand cost that wait, and what it means to everybody
//! else when all of them are due at once.

use std::path::Path;
use std::time::{Duration, Instant};

use nexus_wire::chat::ChatSend;
use nexus_wire::hands::HandSpec;
use nexus_wire::trigger::Trigger;
use serde_json::{Value, json};

use crate::broker::{Member, Nexus, ack, answered, ask, delivered, say, take_item};
use crate::child::free_addr;
use crate::clock::{micros, now, unix_ms};
use crate::fault::{Doing as _, Outcome};
use crate::input::BUSY;
use crate::report::{Samples, median, quantile};
use crate::rows::hands::lease_in;
use crate::template::Template;
use crate::ws::{self, Link};

pub(super) const TRIGGERS: usize = 10_000;
const FIRINGS: usize = 15;
const IDLE: Duration = Duration::from_secs(5);
/// To define them all before they are due.
const AHEAD_MS: u64 = 20_000;
const PATIENCE: Duration = Duration::from_secs(180);

/// A broker of its own, as its triggers would be at work in every other figure.
pub(crate) async fn round(program: &Path, dir: &Path, round: u32, samples: &mut Samples) -> Outcome<()> {
    let data = dir.join(format!("triggers-{round}"));
    let nexus = Nexus::start(program, &data, free_addr()?, dir).await?;
    let mut members = nexus.add_members("clock", 2).await?;
    let mut operator = nexus.operator_link(BUSY).await?;
    let (mut chatty, mut worker) = (members.pop().doing("let in")?, members.pop().doing("let in")?);
    let measured = async {
        samples.add("trigger-delay", delay(&nexus, &mut operator, &mut worker).await?, None);
        samples.add("trigger-idle", idle(&nexus, &mut operator, &worker).await?, None);
        let (drained, ok) = drain(&nexus, &mut operator, &mut worker, &mut chatty, TRIGGERS, None).await?;
        samples.add("trigger-drain", drained, None);
        samples.add("trigger-chat", ok, None);
        Ok(())
    };
    tokio::time::timeout(PATIENCE, measured).await.doing("watch triggers")?
}

pub(super) async fn put(operator: &mut Link, trigger: Value) -> Outcome<()> {
    let trigger: Trigger = serde_json::from_value(trigger).doing("describe a trigger")?;
    ask(operator, trigger.into()).await.map(drop)
}

/// Milliseconds from when one is due to its assignment at the worker, the median of some firings.
async fn delay(nexus: &Nexus, operator: &mut Link, worker: &mut Member) -> Outcome<f64> {
    let hand: HandSpec = serde_json::from_value(json!({"name": "echo"})).doing("describe a Hand")?;
    let (mut link, _) = worker.register_with(nexus, vec![hand]).await?;
    let work = json!({"dispatch": {"hand": format!("{}/echo", worker.name), "input": {"n": 1}}});
    // Due at every full second.
    put(operator, json!({"name": "second", "when": {"every": {"seconds": 1, "anchor": 0}}, "do": work}))
        .await?;
    let mut late = Vec::new();
    while late.len() < FIRINGS {
        let text = link.text().await?;
        let Some(offset) = delivered(&text) else { continue };
        if let Some(lease) = lease_in(&text) {
            late.push((unix_ms() % 1_000) as f64);
            let done = format!(r#"{{"kind":"dispatch.result","payload":{{"lease":{lease},"output":1}}}}"#);
            link.send(&ws::encode(done.as_bytes())).await?;
        }
        link.send(&ack(offset)).await?;
    }
    let pause = serde_json::from_value(json!({"trigger": "second"})).doing("name a trigger")?;
    ask(operator, nexus_wire::ToBroker::TriggerPause(pause)).await?;
    Ok(median(&late))
}

/// Processor time of the broker, in milliseconds a second, while as many wait as there are.
async fn idle(nexus: &Nexus, operator: &mut Link, worker: &Member) -> Outcome<f64> {
    let due = unix_ms() + AHEAD_MS;
    for n in 0..TRIGGERS {
        let act = json!({"ask": {"aspect": worker.name, "text": "it is time"}});
        put(operator, json!({"name": format!("at-{n}"), "when": {"at": due}, "do": act})).await?;
    }
    nexus.settle().await?;
    let before = nexus.process.cpu_ticks()?;
    let begun = now();
    tokio::time::sleep(IDLE).await;
    let spent = nexus.process.cpu_ticks()? - before;
    // A tick is ten milliseconds.
    Ok(spent as f64 * 10.0 / begun.elapsed().as_secs_f64())
}

/// Seconds until all have been set to work that are due at once, and the 99th percentile, in milliseconds, of a
/// message's `ok` meanwhile. They are counted from `begun`, or from when the first one comes.
pub(super) async fn drain(
    nexus: &Nexus,
    operator: &mut Link,
    worker: &mut Member,
    chatty: &mut Member,
    expected: usize,
    mut begun: Option<Instant>,
) -> Outcome<(f64, f64)> {
    let (mut asked, _) = worker.register(nexus).await?;
    let (mut heard, _) = chatty.register(nexus).await?;
    let to = ChatSend { to: vec![chatty.name.to_string()], content: "hello".into(), ..ChatSend::default() };
    let thread = say(operator, to.clone()).await?.thread;
    take_item(&mut heard).await?;
    let mut template = Template::request(&ChatSend { thread: Some(thread), ..to }.into());
    let (mut came, mut oks, mut out) = (0, Vec::new(), Vec::new());
    let mut sent = None;
    while came < expected {
        if sent.is_none() && begun.is_some() {
            out.clear();
            template.append_request(unix_ms(), &mut out);
            sent = Some(now());
            operator.send(&out).await?;
        }
        tokio::select! {
            filled = asked.fill() => filled?,
            filled = operator.fill() => filled?,
            filled = heard.fill() => filled?,
        }
        let mut last = None;
        while let Some(text) = asked.next()? {
            if let Some(offset) = delivered(text) {
                begun = begun.or_else(|| Some(now()));
                (came, last) = (came + 1, Some(offset));
            }
        }
        if let Some(offset) = last {
            asked.send(&ack(offset)).await?;
        }
        while let Some(text) = operator.next()? {
            if answered(text)?.is_some() {
                oks.extend(sent.take().map(|sent| micros(sent.elapsed()) / 1e3));
            }
        }
        let mut last = None;
        while let Some(text) = heard.next()? {
            last = delivered(text).or(last);
        }
        if let Some(offset) = last {
            heard.send(&ack(offset)).await?;
        }
    }
    let drained = begun.map_or(0.0, |begun| begun.elapsed().as_secs_f64());
    Ok((drained, quantile(&oks, 0.99)))
}
