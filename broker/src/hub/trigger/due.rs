//! Slots of schedules: each one that has come gets its record, in order, and the trigger moves on, in one step.

use std::ops::Range;

use nexus_wire::limits::{TRIGGER_CATCH_UP_MAX, TRIGGER_LATE, TRIGGER_RANGE_OVER, TRIGGER_SLOTS_KEPT};
use nexus_wire::trigger::{Cause, Misfire, SlotState, TriggerInfo, TriggerSlot, TriggerStatus};
use nexus_wire::{Ms, Party, TriggerName};
use serde_json::Value;

use super::define::WHILE_PAUSED;
use super::schedule::{self, Schedule};
use crate::hub::records::{SlotRecord, Store, Stored, TriggerRecord};
use crate::hub::step::Step;

/// Records after which a tick leaves the rest to the next one: others have their turn in between.
const RECORDS_PER_TICK: usize = 64;
/// Slots of one trigger that one tick looks at.
const LOOKED_AT: usize = 1_000;
const LATE_MS: Ms = TRIGGER_LATE.as_millis() as Ms;
pub(super) const MISSED: &str = "missed: no broker ran, or the machine slept";
pub(super) const LAST: &str = "its last time has come";
pub(super) const EXPIRED: &str = "the trigger has expired";

/// What becomes of a slot that has come.
#[derive(Clone, Debug, Eq, PartialEq)]
enum Verdict {
    Run { caught_up: bool },
    Skip(String),
}

impl<S: Store> Step<'_, S> {
    /// A part of what is due; the rest is due at once after it.
    pub(in crate::hub) fn triggers_due(&mut self) -> Stored<()> {
        let mut records = 0;
        while records < RECORDS_PER_TICK {
            let Some((_, name, no)) =
                self.hub.triggers.due.first().filter(|(at, ..)| *at <= self.at).cloned()
            else {
                break;
            };
            records += match no {
                0 => self.schedule_due(&name)?.max(1),
                no => self.slot_due(&name, no).map(|()| 1)?,
            };
        }
        Ok(())
    }

    /// How many records its slots got.
    fn schedule_due(&mut self, name: &TriggerName) -> Stored<usize> {
        let Some(record) = self.hub.triggers.get(name).cloned() else { return Ok(0) };
        let info = &record.info;
        let Ok(schedule) = Schedule::of(&info.definition, info.created_at) else {
            // It was read when it was defined.
            return self.finish_trigger(name, "its schedule cannot be read any more").map(|()| 0);
        };
        let is_over = |slot: Ms| info.definition.expires_at.is_some_and(|end| slot >= end);
        let Some(next) = info.next.filter(|next| !is_over(*next)) else {
            let is_expired = info.definition.expires_at.is_some_and(|end| end <= self.at);
            return self.finish_trigger(name, if is_expired { EXPIRED } else { LAST }).map(|()| 0);
        };
        if let Some((last, count)) = self.far_behind(&record, &schedule, next) {
            let verdict = Verdict::Skip(self.verdict_of(&record, next).unwrap_or_else(|| MISSED.to_owned()));
            self.move_on(name, schedule.next(last))?;
            return self.skip_range(name, next, last, count, verdict).map(|()| 1);
        }
        let come = |slot: &Ms| !is_over(*slot) && schedule::due(info.id, &info.definition, *slot) <= self.at;
        let ahead = LOOKED_AT + TRIGGER_CATCH_UP_MAX as usize;
        let mut slots: Vec<Ms> = std::iter::successors(Some(next), |slot| schedule.next(*slot))
            .take_while(come)
            .take(ahead + 1)
            .collect();
        // Where so many more have been missed, none of these is among the last ones, which alone may be caught up.
        // Where the last of those looked at have not been, these are all that have.
        let is_behind = slots.get(ahead).is_some() && self.is_missed(info, slots[ahead - 1]);
        if is_behind {
            slots.truncate(LOOKED_AT);
        }
        let Some(last) = slots.last().copied() else {
            // Only its end is due.
            if info.definition.expires_at.is_some_and(|end| end <= self.at) {
                self.finish_trigger(name, EXPIRED)?;
            }
            return Ok(0);
        };
        let verdicts = self.verdicts(&record, &slots, is_behind);
        let following = schedule.next(last).filter(|slot| !is_over(*slot));
        self.move_on(name, following)?;
        let mut records = 0;
        for run in runs(&verdicts) {
            let verdict = verdicts[run.start].clone();
            if run.len() > TRIGGER_RANGE_OVER {
                let (first, last) = (slots[run.start], slots[run.end - 1]);
                self.skip_range(name, first, last, run.len() as u64, verdict)?;
                records += 1;
                continue;
            }
            records += run.len();
            for slot in &slots[run] {
                self.decide(name, *slot, &verdict)?;
            }
        }
        if following.is_none() && self.hub.triggers.get(name).is_some_and(TriggerRecord::is_active) {
            self.finish_trigger(name, LAST)?;
        }
        Ok(records)
    }

    /// More slots than are worth looking at one by one, where they need not be: all of them are skipped.
    fn far_behind(&self, record: &TriggerRecord, schedule: &Schedule, next: Ms) -> Option<(Ms, u64)> {
        let jitter = Ms::from(record.info.definition.jitter_s) * 1000;
        let missed = self.at.checked_sub(LATE_MS)?.checked_sub(jitter)?;
        let ends =
            [record.void.as_ref().map(|void| void.until), record.info.definition.expires_at.map(|it| it - 1)];
        let until = ends.into_iter().flatten().filter(|end| *end >= next).fold(missed, Ms::min);
        let (last, count) = schedule.count(next, until)?;
        let kept = u64::from(TRIGGER_CATCH_UP_MAX);
        if count <= LOOKED_AT as u64 + kept {
            return None;
        }
        // The last ones are looked at.
        let step = (last - next) / Ms::try_from(count - 1).ok()?;
        Some((last - step * Ms::try_from(kept).ok()?, count - kept))
    }

    /// Why a slot is skipped, whatever the policy.
    fn verdict_of(&self, record: &TriggerRecord, slot: Ms) -> Option<String> {
        if let Some(void) = record.void.as_ref().filter(|void| slot <= void.until) {
            return Some(void.reason.clone());
        }
        let expired = record.info.definition.expires_at.is_some_and(|end| end <= self.at);
        expired.then(|| EXPIRED.to_owned())
    }

    fn verdicts(&self, record: &TriggerRecord, slots: &[Ms], is_behind: bool) -> Vec<Verdict> {
        let info = &record.info;
        let policy = match info.definition.misfire {
            Misfire::Skip => 0,
            Misfire::Once => 1,
            Misfire::All(most) => most,
        };
        let mut left = if is_behind { 0 } else { policy };
        let mut verdicts: Vec<Verdict> = slots
            .iter()
            .rev()
            .map(|slot| match self.verdict_of(record, *slot) {
                Some(reason) => Verdict::Skip(reason),
                None if !self.is_missed(info, *slot) => Verdict::Run { caught_up: false },
                None if left > 0 => {
                    left -= 1;
                    Verdict::Run { caught_up: true }
                }
                None => Verdict::Skip(MISSED.to_owned()),
            })
            .collect();
        verdicts.reverse();
        verdicts
    }

    fn is_missed(&self, info: &TriggerInfo, slot: Ms) -> bool {
        let patience = LATE_MS + Ms::from(info.definition.jitter_s) * 1000;
        slot < self.at.saturating_sub(patience)
    }

    fn move_on(&mut self, name: &TriggerName, next: Option<Ms>) -> Stored<()> {
        let Some(mut record) = self.hub.triggers.get(name).cloned() else { return Ok(()) };
        record.info.next = next;
        if record.void.as_ref().is_some_and(|void| next.is_none_or(|next| next > void.until)) {
            record.void = None;
        }
        self.keep_trigger(record)
    }

    fn decide(&mut self, name: &TriggerName, slot: Ms, verdict: &Verdict) -> Stored<()> {
        let Some(new) = self.new_slot(name, Cause::Schedule, slot, Value::Null)? else { return Ok(()) };
        let Some(record) = self.hub.triggers.get(name) else { return Ok(()) };
        match verdict {
            // By what came of a slot before it.
            Verdict::Run { .. } if record.info.status == TriggerStatus::Paused => {
                self.end_slot(new, SlotState::Skipped, Some(WHILE_PAUSED.to_owned()))
            }
            Verdict::Run { caught_up } => {
                let refused = self.overlap(record);
                let slot = TriggerSlot { caught_up: *caught_up, ..new.slot };
                self.take_on(SlotRecord { slot, ..new }, refused, true).map(drop)
            }
            Verdict::Skip(reason) => self.end_slot(new, SlotState::Skipped, Some(reason.clone())),
        }
    }

    fn skip_range(
        &mut self,
        name: &TriggerName,
        first: Ms,
        last: Ms,
        count: u64,
        verdict: Verdict,
    ) -> Stored<()> {
        let reason = match verdict {
            Verdict::Skip(reason) => reason,
            // More are never run at once than have a record each.
            Verdict::Run { .. } => MISSED.to_owned(),
        };
        let Some(new) = self.new_slot(name, Cause::Schedule, first, Value::Null)? else { return Ok(()) };
        let slot = TriggerSlot { until: Some(last), count, ..new.slot };
        self.end_slot(SlotRecord { slot, ..new }, SlotState::Skipped, Some(reason))
    }

    /// There is nothing it will do by itself any more.
    pub(super) fn finish_trigger(&mut self, name: &TriggerName, reason: &str) -> Stored<()> {
        let Some(mut record) = self.hub.triggers.get(name).cloned() else { return Ok(()) };
        if record.is_done() {
            return Ok(());
        }
        let info = &mut record.info;
        (info.status, info.reason, info.next) = (TriggerStatus::Done, Some(reason.to_owned()), None);
        self.log_other(Party::System, "trigger.done", name, &reason)?;
        self.keep_trigger(record)
    }

    /// The next record of a trigger, not kept yet.
    pub(super) fn new_slot(
        &mut self,
        name: &TriggerName,
        cause: Cause,
        slot: Ms,
        payload: Value,
    ) -> Stored<Option<SlotRecord>> {
        let Some(mut record) = self.hub.triggers.get(name).cloned() else { return Ok(None) };
        record.info.slots += 1;
        let (trigger, no) = (record.info.id, record.info.slots);
        self.keep_trigger(record)?;
        if no > TRIGGER_SLOTS_KEPT {
            self.store.drop_trigger_slots(trigger, no - TRIGGER_SLOTS_KEPT)?;
        }
        let slot = TriggerSlot {
            no,
            cause,
            slot,
            until: None,
            count: 1,
            at: self.at,
            state: SlotState::Queued,
            caught_up: false,
            reason: None,
            attempts: 0,
            work: None,
            due: None,
            ended_at: None,
        };
        let (name, lineage) = (name.clone(), Vec::new());
        Ok(Some(SlotRecord {
            trigger,
            name,
            slot,
            payload,
            lineage,
            asked: None,
            waits_for: None,
            waits_since: None,
        }))
    }
}

/// Where the same verdict follows on itself.
fn runs(verdicts: &[Verdict]) -> Vec<Range<usize>> {
    let mut runs: Vec<Range<usize>> = Vec::new();
    for (at, verdict) in verdicts.iter().enumerate() {
        match runs.last_mut().filter(|run| verdicts[run.start] == *verdict) {
            Some(run) => run.end = at + 1,
            None => runs.push(at..at + 1),
        }
    }
    runs
}
