//! Triggers, and what became of their slots. An aspect sees those that set it to work.

use nexus_wire::limits::{REPLY_BYTES_MAX, TRIGGER_PLAN_MAX};
use nexus_wire::trigger::{
    Act, TriggerGet, TriggerHistory, TriggerInfo, TriggerList, TriggerNext, TriggerPage, TriggerPlan,
    TriggerSlots,
};
use nexus_wire::{Json, Ms, Party, TriggerName};

use super::{Refusal, fit, not_found, page};
use crate::hub::records::{Reads, Stored};
use crate::hub::{plan, watcher};

const PLAN_DEFAULT: u32 = 10;

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum TriggerRead {
    Get(TriggerGet),
    History(TriggerHistory),
    List(TriggerList),
    Next(TriggerNext),
}

/// `now` is what a plan of a trigger that is paused begins with.
pub(crate) fn answer(
    store: &impl Reads,
    reader: &Party,
    read: &TriggerRead,
    now: Ms,
) -> Result<Json, Refusal> {
    Ok(match read {
        TriggerRead::Get(get) => Json::of(&one(store, reader, &get.trigger)?),
        TriggerRead::History(history) => Json::of(&slots(store, reader, history)?),
        TriggerRead::List(wanted) => Json::of(&list(store, reader, wanted)?),
        TriggerRead::Next(next) => {
            let info = one(store, reader, &next.trigger)?;
            let limit = next.limit.unwrap_or(PLAN_DEFAULT).clamp(1, TRIGGER_PLAN_MAX);
            let planned: TriggerPlan = plan(&info, now, limit as usize);
            Json::of(&planned)
        }
    })
}

fn concerns(info: &TriggerInfo, reader: &Party) -> bool {
    let Party::Aspect(reader) = reader else { return true };
    match &info.definition.act {
        Act::Ask(ask) => ask.aspect == *reader,
        Act::Dispatch(dispatch) => dispatch.hand.as_ref().is_some_and(|hand| hand.aspect == *reader),
        Act::Flow(_) => false,
    }
}

fn one(store: &impl Reads, reader: &Party, name: &TriggerName) -> Result<TriggerInfo, Refusal> {
    let found = store.trigger(name)?.map(|record| record.info).filter(|info| concerns(info, reader));
    let mut found = found.ok_or_else(|| {
        not_found(format!("there is no trigger {name}; `nexctl trigger list` shows all of them"))
    })?;
    see_watcher(store, &mut found)?;
    Ok(found)
}

/// Whether somebody looks at the files it waits for.
fn see_watcher(store: &impl Reads, info: &mut TriggerInfo) -> Stored<()> {
    if let Some(files) = info.definition.when.files() {
        let aspect = store.aspect(&files.watch.aspect)?;
        info.watcher = Some(watcher(store, aspect.as_ref(), &files.watch)?);
    }
    Ok(())
}

fn slots(store: &impl Reads, reader: &Party, history: &TriggerHistory) -> Result<TriggerSlots, Refusal> {
    let info = one(store, reader, &history.trigger)?;
    let limit = page(history.limit);
    let before = history.before.unwrap_or(info.slots + 1).min(info.slots + 1);
    let mut found = store.trigger_slots(info.id, before, limit + 1)?;
    let more = found.len() > limit as usize;
    found.truncate(limit as usize);
    Ok(TriggerSlots { slots: found.into_iter().map(|record| record.slot).collect(), more })
}

fn list(store: &impl Reads, reader: &Party, wanted: &TriggerList) -> Stored<TriggerPage> {
    let limit = page(wanted.limit) as usize;
    let mut triggers = Vec::new();
    let mut after = wanted.after.clone();
    // Those of one aspect are picked out of all of them.
    while triggers.len() <= limit {
        let found = store.triggers(after.as_ref(), limit as u32 + 1)?;
        let Some(last) = found.last() else { break };
        after = Some(last.name().clone());
        triggers.extend(found.into_iter().map(|record| record.info).filter(|info| concerns(info, reader)));
    }
    let mut more = triggers.len() > limit;
    triggers.truncate(limit);
    for info in &mut triggers {
        see_watcher(store, info)?;
    }
    more |= fit(&mut triggers, REPLY_BYTES_MAX);
    Ok(TriggerPage { triggers, more })
}
