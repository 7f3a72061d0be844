//! Where what triggers set to work finds no room it waits in line, in the order in which it was due, and costs nothing
//! until it is called. So however much is due at once, nothing of it comes to nothing for being too much, and a part of
//! the room stays for what people do by hand.

use std::collections::{BTreeMap, BTreeSet};

use nexus_wire::limits::{TRIGGER_DISPATCHES_MAX, TRIGGER_RUNS_MAX};
use nexus_wire::trigger::{Act, Overlap, SlotState, TriggerInfo};
use nexus_wire::{Ms, TriggerName};

use crate::hub::Hub;
use crate::hub::records::{Room, SlotRecord, Store, Stored};
use crate::hub::step::Step;

/// When a slot was due, and which it is.
type Place = (Ms, TriggerName, u64);

#[derive(Clone, Debug, Default, PartialEq)]
struct Line {
    waiting: BTreeSet<Place>,
    /// There is room for these, and they have not begun yet.
    called: BTreeSet<Place>,
}

#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Lines(BTreeMap<Room, Line>);

impl Lines {
    pub(super) fn put(&mut self, slot: &SlotRecord) {
        let Some(room) = slot.waits_for.clone() else { return };
        let line = self.0.entry(room).or_default();
        let line = if slot.slot.due.is_some() { &mut line.called } else { &mut line.waiting };
        line.insert(place_of(slot));
    }

    pub(super) fn remove(&mut self, slot: &SlotRecord) {
        let Some(room) = &slot.waits_for else { return };
        let Some(line) = self.0.get_mut(room) else { return };
        let place = place_of(slot);
        line.waiting.remove(&place);
        line.called.remove(&place);
        if line.waiting.is_empty() && line.called.is_empty() {
            self.0.remove(room);
        }
    }
}

fn place_of(slot: &SlotRecord) -> Place {
    (slot.waits_since.unwrap_or(slot.slot.slot), slot.name.clone(), slot.slot.no)
}

/// Where there has to be room for the work of this trigger; `None`: it asks, and an inbox takes it.
fn room_of(info: &TriggerInfo) -> Option<Room> {
    match &info.definition.act {
        Act::Ask(_) => None,
        Act::Dispatch(_) => Some(Room::Dispatches(info.owner.clone())),
        Act::Flow(_) => Some(Room::Runs),
    }
}

impl Hub {
    /// When the first of those in line for a run was due.
    pub(in crate::hub) fn flows_wait_since(&self) -> Option<Ms> {
        let first = self.triggers.lines.0.get(&Room::Runs)?.waiting.first();
        first.map(|(since, ..)| *since)
    }

    fn free_in(&self, room: &Room) -> usize {
        match room {
            Room::Dispatches(owner) => {
                TRIGGER_DISPATCHES_MAX.saturating_sub(self.queue.pending_roots_of(owner))
            }
            Room::Runs => TRIGGER_RUNS_MAX.saturating_sub(self.runs.open_count()),
        }
    }
}

impl<S: Store> Step<'_, S> {
    /// Where a slot has to wait before its work can begin.
    pub(super) fn no_room(&self, info: &TriggerInfo, slot: &SlotRecord) -> Option<Room> {
        let room = room_of(info)?;
        let free = self.hub.free_in(&room);
        let has_room = match self.hub.triggers.lines.0.get(&room) {
            Some(line) if line.called.contains(&place_of(slot)) => free > 0,
            // It goes behind those who wait already.
            Some(line) => line.waiting.is_empty() && free > line.called.len(),
            None => free > 0,
        };
        (!has_room).then_some(room)
    }

    pub(super) fn stand_in_line(&mut self, mut slot: SlotRecord, room: Room) -> Stored<()> {
        slot.slot.due = None;
        // One that is tried again says why, and fails with that if its trigger is paused meanwhile.
        if slot.slot.state != SlotState::Retrying {
            slot.slot.reason = Some(match &room {
                Room::Dispatches(owner) => {
                    format!("waits for room: {TRIGGER_DISPATCHES_MAX} dispatches of {owner} wait already")
                }
                Room::Runs => format!("waits for room: {TRIGGER_RUNS_MAX} runs have not ended"),
            });
        }
        slot.waits_for = Some(room);
        slot.waits_since = self.replace_in_line(&slot)?;
        self.keep_slot(&slot)
    }

    /// With the overlap `replace`, those of its trigger that stand in line give way to it. Since when the first stood.
    fn replace_in_line(&mut self, slot: &SlotRecord) -> Stored<Option<Ms>> {
        let overlap = self.hub.triggers.get(&slot.name).map(|record| record.info.definition.overlap);
        if overlap != Some(Overlap::Replace) {
            return Ok(None);
        }
        let before = self.hub.triggers.open_of(&slot.name);
        let before = before.filter(|it| it.slot.no < slot.slot.no && it.waits_for.is_some());
        let before: Vec<SlotRecord> = before.cloned().collect();
        let since = before.iter().map(|it| it.waits_since.unwrap_or(it.slot.slot)).min();
        for one in before {
            self.end_slot(one, SlotState::Cancelled, Some(format!("replaced by slot {}", slot.slot.no)))?;
        }
        Ok(since.or(slot.waits_since))
    }

    /// Calls as many of those who wait as there is room for by now; they begin with the next tick.
    pub(in crate::hub) fn call_in(&mut self) -> Stored<()> {
        let mut called = Vec::new();
        for (room, line) in &self.hub.triggers.lines.0 {
            let free = self.hub.free_in(room).saturating_sub(line.called.len());
            called.extend(line.waiting.iter().take(free).cloned());
        }
        for (_, name, no) in called {
            let Some(mut slot) = self.hub.triggers.open.get(&(name, no)).cloned() else { continue };
            slot.slot.due = Some(self.at);
            if slot.slot.state != SlotState::Retrying {
                slot.slot.reason = None;
            }
            self.keep_slot(&slot)?;
        }
        Ok(())
    }
}
