//! Triggers: what the team does while nobody types. Each time one is due is a slot, and each slot has one record;
//! giving it one and moving on to the next slot is one command.
//!
//! What is due lies in one ordered set, so that triggers that wait cost nothing. What a trigger sets to work is a
//! message or a dispatch of its owner's, made and checked like any other.

mod define;
mod due;
mod files;
mod fill;
mod hear;
mod hook;
mod look;
mod room;
pub(crate) mod schedule;
mod work;

use std::collections::{BTreeMap, BTreeSet};

use nexus_wire::name::FlowName;
use nexus_wire::trigger::{
    After, Event, PlannedSlot, SlotState, Trigger, TriggerInfo, TriggerPlan, TriggerStatus, When,
};
use nexus_wire::{Ms, ThreadId, TriggerName, WatchRef};

use super::cause::longer;
use super::filter::LogFilter;
use super::records::{SlotRecord, TriggerRecord, Watched};
pub(super) use files::check_watches;
pub use files::watcher;
pub(super) use hear::Heard;
pub use hook::{HookCall, HookDoor, RotateHook};
pub use look::{Found, Look, WatchDoor};
use room::Lines;
use schedule::Schedule;

/// All of them, and what is open of their slots. Everything but the first two is a function of those.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Triggers {
    by_name: BTreeMap<TriggerName, TriggerRecord>,
    open: BTreeMap<(TriggerName, u64), SlotRecord>,
    /// When something happens by itself: to a trigger with the number 0, to a slot of it with its own.
    due: BTreeSet<(Ms, TriggerName, u64)>,
    watched: BTreeMap<Watched, (TriggerName, u64)>,
    /// Slots for whose work there was no room.
    lines: Lines,
    /// Who is fired by the end of what.
    after: BTreeMap<Ending, BTreeSet<TriggerName>>,
    /// Those that are fired by entries of the log.
    listening: BTreeMap<TriggerName, LogFilter>,
    threads: BTreeMap<ThreadId, TriggerName>,
    /// Those that are fired by webhooks.
    hooked: BTreeSet<TriggerName>,
    /// Those that watch an address.
    watching: BTreeSet<TriggerName>,
    /// Those that wait for the reports of a watch of files.
    reported: BTreeMap<WatchRef, BTreeSet<TriggerName>>,
}

impl Triggers {
    pub(super) fn new(triggers: Vec<TriggerRecord>, open: Vec<SlotRecord>) -> Self {
        let mut all = Self::default();
        triggers.into_iter().for_each(|record| all.put(record));
        open.into_iter().for_each(|record| all.put_slot(record));
        all
    }

    /// When the first of them is due.
    pub(super) fn due(&self) -> Option<Ms> {
        self.due.first().map(|(at, ..)| *at)
    }

    fn get(&self, name: &TriggerName) -> Option<&TriggerRecord> {
        self.by_name.get(name)
    }

    fn put(&mut self, record: TriggerRecord) {
        let name = record.name().clone();
        self.remove(&name);
        if let Some(at) = due_at(&record) {
            self.due.insert((at, name.clone(), 0));
        }
        match &record.info.definition.when {
            When::After(after) => {
                if let Some(ending) = Ending::of(after) {
                    self.after.entry(ending).or_default().insert(name.clone());
                }
            }
            When::Event(event) => _ = self.listening.insert(name.clone(), filter_of(event)),
            When::Watch(_) => _ = self.watching.insert(name.clone()),
            When::Files(files) => {
                self.reported.entry(files.watch.clone()).or_default().insert(name.clone());
            }
            When::Webhook(_) => _ = self.hooked.insert(name.clone()),
            When::Cron(_) | When::Every(_) | When::At(_) | When::Manual => {}
        }
        if let Some(thread) = record.info.thread {
            self.threads.insert(thread, name.clone());
        }
        self.by_name.insert(name, record);
    }

    /// The trigger itself, not its slots.
    fn remove(&mut self, name: &TriggerName) {
        let Some(old) = self.by_name.remove(name) else { return };
        if let Some(at) = due_at(&old) {
            self.due.remove(&(at, name.clone(), 0));
        }
        if let When::After(after) = &old.info.definition.when
            && let Some(ending) = Ending::of(after)
            && let Some(followers) = self.after.get_mut(&ending)
        {
            followers.remove(name);
            if followers.is_empty() {
                self.after.remove(&ending);
            }
        }
        if let Some(files) = old.info.definition.when.files()
            && let Some(waiting) = self.reported.get_mut(&files.watch)
        {
            waiting.remove(name);
            if waiting.is_empty() {
                self.reported.remove(&files.watch);
            }
        }
        self.listening.remove(name);
        self.hooked.remove(name);
        self.watching.remove(name);
        if let Some(thread) = old.info.thread {
            self.threads.remove(&thread);
        }
    }

    fn put_slot(&mut self, record: SlotRecord) {
        let key = (record.name.clone(), record.slot.no);
        self.remove_slot(&key);
        if !record.is_open() {
            return;
        }
        if let Some(at) = record.slot.due {
            self.due.insert((at, key.0.clone(), key.1));
        }
        if let Some(watched) = record.watched() {
            self.watched.insert(watched, key.clone());
        }
        self.lines.put(&record);
        self.open.insert(key, record);
    }

    fn remove_slot(&mut self, key: &(TriggerName, u64)) {
        let Some(old) = self.open.remove(key) else { return };
        if let Some(at) = old.slot.due {
            self.due.remove(&(at, key.0.clone(), key.1));
        }
        if let Some(watched) = old.watched() {
            self.watched.remove(&watched);
        }
        self.lines.remove(&old);
    }

    /// Of one trigger, the oldest first.
    fn open_of<'a>(&'a self, name: &'a TriggerName) -> impl Iterator<Item = &'a SlotRecord> {
        self.open.range((name.clone(), 0)..=(name.clone(), u64::MAX)).map(|(_, record)| record)
    }

    /// What has led to a message in a thread in which one of them asks.
    pub(super) fn line_of_thread(&self, thread: ThreadId) -> Option<Vec<TriggerName>> {
        let name = self.threads.get(&thread)?;
        Some(longer(name, self.by_name.get(name).map_or(&[][..], |record| &record.lineage)))
    }

    /// What has led to work that an open slot waits for.
    pub(super) fn line_of(&self, watched: Watched) -> Option<Vec<TriggerName>> {
        let slot = self.open.get(self.watched.get(&watched)?)?;
        Some(longer(&slot.name, &slot.lineage))
    }

    fn waiting_for(&self, watch: &WatchRef) -> Vec<TriggerName> {
        self.reported.get(watch).into_iter().flatten().cloned().collect()
    }

    /// How many slots of it wait for room.
    fn in_line_of(&self, name: &TriggerName) -> usize {
        self.open_of(name).filter(|record| record.waits_for.is_some()).count()
    }

    fn queued_of(&self, name: &TriggerName) -> usize {
        self.open_of(name).filter(|record| record.slot.state == SlotState::Queued).count()
    }
}

/// What others may come after.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
enum Ending {
    Flow(FlowName),
    Trigger(TriggerName),
}

impl Ending {
    /// `None`: it names none, or both, which is refused when it is defined.
    fn of(after: &After) -> Option<Self> {
        match (&after.trigger, &after.flow) {
            (Some(trigger), None) => Some(Self::Trigger(trigger.clone())),
            (None, Some(flow)) => Some(Self::Flow(flow.clone())),
            (Some(_), Some(_)) | (None, None) => None,
        }
    }
}

fn filter_of(event: &Event) -> LogFilter {
    LogFilter::waiting(&event.kinds, event.by.as_ref(), event.thread)
}

/// When a trigger itself is due: for its next slot, or to end.
fn due_at(record: &TriggerRecord) -> Option<Ms> {
    let info = &record.info;
    if info.status != TriggerStatus::Active {
        return None;
    }
    let slot = info.next.map(|slot| schedule::due(info.id, &info.definition, slot));
    [slot, info.definition.expires_at].into_iter().flatten().min()
}

/// What a trigger will do by its schedule after `now`, `limit` times at most.
pub fn plan(info: &TriggerInfo, now: Ms, limit: usize) -> TriggerPlan {
    let Trigger { when, expires_at, .. } = &info.definition;
    let kind = match when {
        When::Cron(_) | When::Every(_) | When::At(_) => None,
        When::Event(_) => Some("it waits for an entry of the log"),
        When::After(after) if after.flow.is_some() => Some("it waits for a flow"),
        When::After(_) => Some("it waits for another trigger"),
        When::Watch(_) => Some("it waits for a change of what is at its address"),
        When::Files(_) => Some("it waits for changes of files"),
        When::Webhook(_) => Some("it waits for a webhook"),
        When::Manual => Some("it is fired by hand"),
    };
    let standing = match info.status {
        TriggerStatus::Active => None,
        TriggerStatus::Paused => Some("it is paused: these are skipped until it is resumed"),
        TriggerStatus::Done => Some("it is done"),
    };
    let Some(schedule) = Schedule::of(&info.definition, info.created_at).ok() else {
        return TriggerPlan::default();
    };
    let first = match info.status {
        TriggerStatus::Active => info.next,
        TriggerStatus::Paused => schedule.next(now),
        TriggerStatus::Done => None,
    };
    let slots = std::iter::successors(first, |slot| schedule.next(*slot));
    let slots = slots.take_while(|slot| expires_at.is_none_or(|end| *slot < end)).take(limit);
    let planned = slots.map(|slot| PlannedSlot { slot, due: schedule::due(info.id, &info.definition, slot) });
    TriggerPlan { slots: planned.collect(), note: standing.or(kind).map(str::to_owned) }
}
