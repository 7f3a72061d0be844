//! Triggers after a night: what a broker that was down for six hours has missed of ten thousand of them, how long it takes to
//! catch up as each one's policy says, and what that means to people who write meanwhile.

use std::path::{Path, PathBuf};
use std::time::Duration;

use nexus_wire::FromBroker;
use nexus_wire::trigger::{SlotState, TriggerHistory, TriggerSlot, TriggerSlots};
use serde_json::json;

use crate::broker::{Member, Nexus, Variant, ask};
use crate::child::free_addr;
use crate::clock::{now, unix_ms};
use crate::fault::{Doing as _, Fault, Outcome};
use crate::input::BUSY;
use crate::report::Samples;
use crate::rows::triggers::{TRIGGERS, drain, put};
use crate::ws::Link;

const HOUR_MS: u64 = 3_600_000;
/// The first slot comes half an hour after they are defined, the last one half an hour before the broker is back.
const MISSED: usize = 6;
const PATIENCE: Duration = Duration::from_secs(240);

/// A broker of its own, whose clock is six hours back while the triggers are defined.
pub(crate) async fn round(program: &Path, dir: &Path, round: u32, samples: &mut Samples) -> Outcome<()> {
    tokio::time::timeout(PATIENCE, night(program, dir, round, samples)).await.doing("wait for the morning")?
}

async fn night(program: &Path, dir: &Path, round: u32, samples: &mut Samples) -> Outcome<()> {
    let data = dir.join(format!("asleep-{round}"));
    let addr = free_addr()?;
    let faked = format!("LD_PRELOAD={}", faketime()?.display());
    // Its timers go by the monotonic clock, which is left as it is; the name of the setting depends on the version.
    let env = [faked.as_str(), "FAKETIME=-6h", "DONT_FAKE_MONOTONIC=1", "FAKETIME_DONT_FAKE_MONOTONIC=1"];
    let evening = Nexus::start_as(Variant { tls: false, env: &env }, program, &data, addr, dir).await?;
    let mut members = evening.add_members("night", 2).await?;
    let (mut chatty, mut worker) = (members.pop().doing("let in")?, members.pop().doing("let in")?);
    let mut operator = evening.operator_link(BUSY).await?;
    define(&mut operator, &worker).await?;
    evening.process.stop();

    let begun = now();
    let nexus = Nexus::start(program, &data, addr, dir).await?;
    let mut operator = nexus.operator_link(BUSY).await?;
    let expected = (0..TRIGGERS).map(caught_up).sum();
    let (drained, ok) = drain(&nexus, &mut operator, &mut worker, &mut chatty, expected, Some(begun)).await?;
    for n in 0..TRIGGERS {
        obeyed(&mut operator, n).await?;
    }
    samples.add("trigger-asleep", drained, None);
    samples.add("trigger-asleep-chat", ok, None);
    Ok(())
}

/// The library alone: its program stays between the broker and whoever stops it.
fn faketime() -> Outcome<PathBuf> {
    let doing = "find libfaketimeMT.so.1 below /usr/lib (install Debian's faketime)";
    let folders = std::fs::read_dir("/usr/lib").doing(doing)?;
    let mut paths = folders.flatten().map(|folder| folder.path().join("faketime/libfaketimeMT.so.1"));
    paths.find(|path| path.exists()).doing(doing)
}

fn name(n: usize) -> String {
    format!("night-{n:05}")
}

/// How many of the missed slots are caught up, as the policy of each says.
fn caught_up(n: usize) -> usize {
    n % 3
}

async fn define(operator: &mut Link, worker: &Member) -> Outcome<()> {
    let anchor = unix_ms() - 6 * HOUR_MS - HOUR_MS / 2;
    for n in 0..TRIGGERS {
        let misfire = match caught_up(n) {
            0 => json!("skip"),
            1 => json!("once"),
            most => json!({"all": most}),
        };
        let act = json!({"ask": {"aspect": worker.name, "text": "it is time"}});
        let when = json!({"every": {"seconds": 3600, "anchor": anchor}});
        let trigger =
            json!({"name": name(n), "when": when, "misfire": misfire, "overlap": "allow", "do": act});
        put(operator, trigger).await?;
    }
    Ok(())
}

/// Every slot that was missed has one record, and the last ones were caught up, as many as the policy says.
async fn obeyed(operator: &mut Link, n: usize) -> Outcome<()> {
    let doing = || format!("see that {} did as its policy says", name(n));
    let trigger = name(n).parse().doing(doing())?;
    let answer = ask(operator, TriggerHistory { trigger, before: None, limit: None }.into()).await?;
    let FromBroker::Ok(json) = answer else {
        return Err(Fault::new(doing(), format!("answered by {answer:?}")));
    };
    let TriggerSlots { slots, more } = json.parse().doing(doing())?;
    let latest = slots.first().map_or(0, |slot| slot.slot);
    let became = |(ago, slot): (usize, &TriggerSlot)| {
        let is_caught_up = ago < caught_up(n);
        let state = if is_caught_up { SlotState::Running } else { SlotState::Skipped };
        let slot_at = latest - ago as i64 * HOUR_MS as i64;
        (slot.slot, slot.count, slot.state, slot.caught_up) == (slot_at, 1, state, is_caught_up)
    };
    if slots.len() == MISSED && !more && slots.iter().enumerate().all(became) {
        return Ok(());
    }
    Err(Fault::new(doing(), format!("its records are {slots:?}")))
}
