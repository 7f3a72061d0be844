//! What must hold of the records of a trigger: its slots are in exactly one of them each, alone or within a range, and each
//! became what the policies say. The policies are read here a second time, slot by slot, from their words in
//! `docs/triggers.md`.

use nexus_broker::hub::plan;
use nexus_broker::hub::records::Reads;
use nexus_wire::Ms;
use nexus_wire::limits::{TRIGGER_LATE, TRIGGER_QUEUE_MAX, TRIGGER_RANGE_OVER};
use nexus_wire::trigger::{
    Cause, Misfire, Overlap, PlannedSlot, SlotState, SlotWork, TriggerInfo, TriggerSlot, TriggerStatus,
};

use super::check::Truth;

const MISSED: &str = "missed: no broker ran, or the machine slept";
const PAUSED: &str = "the trigger was paused";
const EXPIRED: &str = "the trigger has expired";

/// What is to become of a slot of a schedule, by the time at which that was decided.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Verdict {
    OnTime,
    CaughtUp,
    Missed,
    Paused,
    Expired,
}

/// What there was to be checked.
#[derive(Clone, Copy, Debug, Default)]
pub struct Seen {
    /// Records that stand for many slots.
    pub ranges: usize,
    pub caught_up: usize,
}

/// Its records, of which older ones may be forgotten, and what is known besides.
#[derive(Debug)]
pub(super) struct Kept<'a> {
    pub(super) seed: u64,
    pub(super) now: Ms,
    /// As it was defined, and as it is.
    pub(super) first: &'a TriggerInfo,
    pub(super) info: &'a TriggerInfo,
    /// In their order, the oldest that is kept first.
    pub(super) slots: &'a [TriggerSlot],
}

impl Kept<'_> {
    fn name(&self) -> &str {
        self.first.definition.name.as_str()
    }

    fn missed(&self, slot: Ms, at: Ms) -> bool {
        let late = TRIGGER_LATE.as_millis() as Ms + Ms::from(self.first.definition.jitter_s) * 1000;
        slot < at - late
    }

    fn caught_up_most(&self) -> usize {
        match self.first.definition.misfire {
            Misfire::Skip => 0,
            Misfire::Once => 1,
            Misfire::All(most) => most as usize,
        }
    }

    /// `planned` from the first slot that has a record; at its end are more of them than may be caught up.
    fn verdict(&self, planned: &[PlannedSlot], index: usize, at: Ms) -> Verdict {
        let slot = planned[index].slot;
        if self.first.definition.expires_at.is_some_and(|end| end <= at) {
            return Verdict::Expired;
        }
        if !self.missed(slot, at) {
            return Verdict::OnTime;
        }
        // The last of those that were missed are caught up: as many as the policy says come behind it, or it is one.
        let last = planned.get(index + self.caught_up_most());
        if last.is_some_and(|later| self.missed(later.slot, at)) {
            Verdict::Missed
        } else {
            Verdict::CaughtUp
        }
    }

    /// The records of a schedule cover its slots, one after the other, none twice and none left out.
    pub(super) fn scheduled(&self, truth: &Truth, seen: &mut Seen) {
        let (seed, name) = (self.seed, self.name());
        let scheduled: Vec<&TriggerSlot> =
            self.slots.iter().filter(|slot| slot.cause == Cause::Schedule).collect();
        let count: u64 = scheduled.iter().map(|slot| slot.count).sum();
        let is_whole = self.slots.len() as u64 == self.info.slots;
        let mut first = self.first.clone();
        if let Some(oldest) = scheduled.first().filter(|_| !is_whole) {
            first.next = Some(oldest.slot);
        }
        let planned = plan(&first, 0, count as usize + self.caught_up_most() + 1).slots;
        let mut at = 0;
        for slot in scheduled {
            let covered = at..at + slot.count as usize;
            assert_eq!(planned[at].slot, slot.slot, "seed {seed}: {name}: {slot:?}");
            at = covered.end;
            assert_eq!(
                planned[at - 1].slot,
                slot.until.unwrap_or(slot.slot),
                "seed {seed}: {name}: {slot:?}"
            );
            assert!(slot.at >= planned[at - 1].due, "seed {seed}: {name} is early: {slot:?}");
            let is_range = slot.until.is_some();
            assert_eq!(is_range, slot.count as usize > TRIGGER_RANGE_OVER, "seed {seed}: {name}: {slot:?}");
            assert!(!is_range || slot.state == SlotState::Skipped, "seed {seed}: {name}: {slot:?}");
            seen.ranges += usize::from(is_range);
            seen.caught_up += usize::from(slot.caught_up);
            for index in covered {
                self.misfire(truth, slot, planned[index].slot, self.verdict(&planned, index, slot.at));
            }
        }
        if self.info.status == TriggerStatus::Active {
            let next = planned.get(at);
            assert_eq!(self.info.next, next.map(|it| it.slot), "seed {seed}: {name} goes on with the next");
            assert!(next.is_none_or(|it| it.due > self.now), "seed {seed}: {name} is overdue");
        }
    }

    /// One slot of a record, and what was to become of it.
    fn misfire(&self, truth: &Truth, record: &TriggerSlot, slot: Ms, verdict: Verdict) {
        // What somebody did at that very moment may have come before or after.
        let resumed = truth.resumed(self.name());
        let was_void = resumed.iter().any(|resumed| slot <= *resumed && *resumed < record.at);
        let may_be_void = resumed.iter().any(|resumed| slot <= *resumed && *resumed <= record.at);
        let reason = record.reason.as_deref();
        let may_be_void = may_be_void || self.was_paused_by_one_before(record);
        let verdict =
            if was_void || may_be_void && reason == Some(PAUSED) { Verdict::Paused } else { verdict };
        let skipped = |why| {
            record.state == SlotState::Skipped
                && reason == Some(why)
                && !record.caught_up
                && record.ended_at == Some(record.at)
        };
        let goes_on = |caught_up| {
            // It waited for its turn when somebody stopped the trigger.
            let stopped =
                reason == Some(PAUSED) && record.ended_at.is_some_and(|at| truth.was_paused(self.name(), at));
            let because = reason.is_some_and(|why| [MISSED, PAUSED, EXPIRED].contains(&why));
            record.caught_up == caught_up && (stopped || !because)
        };
        let holds = match verdict {
            Verdict::OnTime => goes_on(false),
            Verdict::CaughtUp => goes_on(true),
            Verdict::Missed => skipped(MISSED),
            Verdict::Paused => skipped(PAUSED),
            Verdict::Expired => skipped(EXPIRED),
        };
        let (seed, name) = (self.seed, self.name());
        assert!(holds, "seed {seed}: slot {slot} of {name} is to be {verdict:?}: {record:?}");
    }

    /// Three in a row came to nothing, the last of them in the step in which `record` had its turn.
    fn was_paused_by_one_before(&self, record: &TriggerSlot) -> bool {
        let at = Some(record.at);
        record.ended_at == at
            && !record.caught_up
            && self
                .slots
                .iter()
                .any(|slot| slot.no < record.no && slot.state == SlotState::Failed && slot.ended_at == at)
    }

    /// What begins, waits, is skipped or makes room while something before it has not ended.
    pub(super) fn overlap(&self, store: &impl Reads) {
        let overlap = self.first.definition.overlap;
        let (seed, name) = (self.seed, self.name());
        let mut ended = Ms::MIN;
        for slot in self.slots {
            let reason = slot.reason.as_deref().unwrap_or_default();
            if let Some(rest) = reason.strip_prefix("overlap: ") {
                assert!(self.stood_in_the_way(overlap, slot, rest), "seed {seed}: {name}: {slot:?}");
            }
            let replaced_by =
                reason.strip_prefix("replaced by slot ").map(|no| no.parse::<u64>().expect("a number"));
            assert_eq!(replaced_by.is_some(), slot.state == SlotState::Cancelled, "seed {seed}: {slot:?}");
            if let Some(no) = replaced_by {
                let by = self.slots.iter().find(|other| other.no == no);
                let holds = by.is_some_and(|by| by.no > slot.no && by.attempts > 0);
                assert!(holds && overlap == Overlap::Replace, "seed {seed}: {name}: {slot:?}");
            }
            if slot.attempts == 0 {
                continue;
            }
            let begun = match overlap {
                Overlap::Allow => None,
                Overlap::Skip => Some(slot.at),
                // By the log it begins at a tick after the command that wrote the entry.
                Overlap::Replace => {
                    matches!(slot.cause, Cause::Schedule | Cause::Person(_)).then_some(slot.at)
                }
                Overlap::Queue => begun(slot, store),
            };
            assert!(
                begun.is_none_or(|begun| ended <= begun),
                "seed {seed}: {name}: what came before ended at {ended}, after this one began: {slot:?}"
            );
            ended = ended.max(slot.ended_at.unwrap_or(Ms::MAX));
        }
    }

    /// What it was skipped for was so at that time.
    fn stood_in_the_way(&self, overlap: Overlap, slot: &TriggerSlot, reason: &str) -> bool {
        let (from, until) =
            (slot.at, slot.until.filter(|_| slot.cause != Cause::Schedule).unwrap_or(slot.at));
        let was_open = |other: &&TriggerSlot| {
            other.no < slot.no && other.at <= from && other.ended_at.is_none_or(|ended| until <= ended)
        };
        match overlap {
            Overlap::Skip => {
                let no = reason.strip_prefix("slot ").and_then(|rest| rest.strip_suffix(" has not ended"));
                let no: u64 = no.and_then(|no| no.parse().ok()).expect("the reason names a slot");
                let is_kept = self.slots.first().is_some_and(|oldest| oldest.no <= no);
                !is_kept || self.slots.iter().filter(was_open).any(|other| other.no == no)
            }
            Overlap::Queue => {
                let is_whole = self.slots.len() as u64 == self.info.slots;
                !is_whole || self.slots.iter().filter(was_open).count() > TRIGGER_QUEUE_MAX
            }
            Overlap::Allow => self.slots.iter().filter(was_open).count() >= TRIGGER_QUEUE_MAX,
            Overlap::Replace => false,
        }
    }
}

/// When its work was made, where that is known: of what was tried again it is not.
fn begun(slot: &TriggerSlot, store: &impl Reads) -> Option<Ms> {
    if slot.attempts != 1 {
        return None;
    }
    match slot.work? {
        SlotWork::Message(id) => store.message(id).expect("the store reads").map(|sent| sent.message.at),
        SlotWork::Dispatch(id) => {
            store.dispatch(id).expect("the store reads").map(|record| record.info.accepted_at)
        }
        SlotWork::Run(id) => store.run(id).expect("the store reads").map(|record| record.info.accepted_at),
    }
}
