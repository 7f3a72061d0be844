//! `nexctl trigger next`: when a trigger will be due, or what is next of all of them.

use nexus_client::{CallError, Client};
use nexus_wire::limits::PAGE_MAX;
use nexus_wire::trigger::{PlannedSlot, TriggerInfo, TriggerList, TriggerNext, TriggerPlan, TriggerStatus};
use nexus_wire::{ErrorCode, Ms, TriggerName};
use serde::Serialize;

use crate::failure::Failure;
use crate::page::Page;
use crate::ui::Tone;
use crate::{Run, table};

/// A time at which a trigger is due.
#[derive(Debug, Serialize)]
struct Planned {
    trigger: TriggerName,
    #[serde(flatten)]
    slot: PlannedSlot,
}

#[derive(Debug, Serialize)]
struct Plans {
    slots: Vec<Planned>,
}

pub(super) async fn of_one(
    run: &Run,
    client: &mut Client,
    trigger: TriggerName,
    number: u32,
) -> Result<Page, Failure> {
    let plan: TriggerPlan = client.call(TriggerNext { trigger, limit: Some(number) }).await?;
    let why = || plan.note.clone().unwrap_or_else(|| "there is nothing it will do".to_owned());
    let empty = plan.slots.is_empty().then(why);
    let note = plan.note.clone().filter(|_| !plan.slots.is_empty());
    let rows = || table::plan(&run.ui, &plan.slots, run.now(), &run.zone);
    Ok(Page::of(run, &plan, empty.as_deref(), rows)?.noting(Tone::Plain, note))
}

pub(super) async fn of_all(run: &Run, client: &mut Client, number: u32) -> Result<Page, Failure> {
    let mut slots = Vec::new();
    // Of those whose next slot is first, so many are enough: each other one comes after all of them, but for jitter.
    for (_, trigger) in soonest(client, number as usize).await? {
        let plan = match client.call(TriggerNext { trigger: trigger.clone(), limit: Some(number) }).await {
            Ok(plan) => plan,
            // Somebody has deleted it since it was listed.
            Err(CallError::Refused(refused)) if refused.code == ErrorCode::NotFound => continue,
            Err(error) => return Err(error.into()),
        };
        slots.extend(plan.slots.into_iter().map(|slot| Planned { trigger: trigger.clone(), slot }));
    }
    slots.sort_by(|one, other| (one.slot.due, &one.trigger).cmp(&(other.slot.due, &other.trigger)));
    slots.truncate(number as usize);
    let all = Plans { slots };
    let empty = "nothing is due by itself; `nexctl trigger list` shows what is there";
    let rows = || {
        let slots = all.slots.iter().map(|planned| (&planned.trigger, &planned.slot));
        table::plans(&run.ui, slots, run.now(), &run.zone)
    };
    Page::of(run, &all, all.slots.is_empty().then_some(empty), rows)
}

async fn soonest(client: &mut Client, number: usize) -> Result<Vec<(Ms, TriggerName)>, Failure> {
    let mut soonest: Vec<(Ms, TriggerName)> = Vec::new();
    let mut after = None;
    loop {
        let page = client.call(TriggerList { after, limit: Some(PAGE_MAX) }).await?;
        let is_due = |info: &TriggerInfo| {
            let is_active = info.status == TriggerStatus::Active;
            info.next.filter(|_| is_active).map(|next| (next, info.definition.name.clone()))
        };
        soonest.extend(page.triggers.iter().filter_map(is_due));
        soonest.sort();
        soonest.truncate(number);
        after = page.triggers.last().map(|info| info.definition.name.clone()).filter(|_| page.more);
        if after.is_none() {
            return Ok(soonest);
        }
    }
}
