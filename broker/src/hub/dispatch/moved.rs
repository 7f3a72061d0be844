//! Work that a Hand was chosen for and that its host has lost: another takes it, if one can.
//!
//! A lease that ran out is looked at at once, and so is what waits for a Hand that is not there any more. What nobody has
//! begun waits until its host counts as lost, which is as long as a lease lasts.

use std::collections::BTreeSet;

use nexus_wire::hands::{DispatchInfo, EarlierWorker};
use nexus_wire::{AspectName, DispatchId, Ms, Party};

use super::target::{Begun, Target};
use crate::hub::Hub;
use crate::hub::records::{Store, Stored};
use crate::hub::step::{Refusal, Step};

/// Looked at in one command; then others come in between.
const AT_ONCE: usize = 64;

impl Hub {
    /// When work is to be looked at that another may have.
    pub(in crate::hub) fn move_due(&self) -> Option<Ms> {
        let at_once = self.queue.astray().next().map(|_| self.started_at);
        at_once.or_else(|| self.queue.movable().filter_map(|(host, _)| self.lost_at(host)).min())
    }

    /// When it counts as lost, if it does not come back.
    fn lost_at(&self, host: &AspectName) -> Option<Ms> {
        let record = self.roster.aspect(host);
        if record.is_some_and(|record| record.link.is_some()) {
            return None;
        }
        let since = record.map_or(0, |record| record.since);
        Some(since.saturating_add(self.config.lease_ms).max(self.all_back_by()))
    }

    /// While no broker ran, or its machine slept, nobody could come, and they take longer to come back.
    fn all_back_by(&self) -> Ms {
        self.started_at.saturating_add(self.config.lease_at_boot_ms)
    }
}

impl<S: Store> Step<'_, S> {
    pub(in crate::hub) fn move_lost(&mut self) -> Stored<()> {
        let is_lost = |host: &AspectName| self.hub.lost_at(host).is_some_and(|at| at <= self.at);
        let lost = self.hub.queue.movable().filter(|(host, _)| is_lost(host)).flat_map(|(_, work)| work);
        let work: Vec<DispatchId> = self.hub.queue.astray().chain(lost).take(AT_ONCE).collect();
        let mut left = BTreeSet::new();
        for id in &work {
            left.extend(self.redirect(*id)?);
        }
        if !work.is_empty() {
            self.settle(None, None)?;
        }
        left.iter().for_each(|host| self.show_work(host));
        Ok(())
    }

    /// To whoever would be chosen for it now; from whom it was taken, if somebody was.
    fn redirect(&mut self, id: DispatchId) -> Stored<Option<AspectName>> {
        let record = self.store.dispatch(id)?;
        let target = match &record {
            Some(record) => self.another(&record.info)?,
            None => None,
        };
        let (Some(mut record), Some(target)) = (record, target) else {
            self.hub.queue.nobody_else(id, self.at < self.hub.all_back_by(), self.at);
            return Ok(None);
        };
        let info = &mut record.info;
        let from = std::mem::replace(&mut info.hand, target.hand.clone());
        if info.attempt > info.earlier.last().map_or(0, |worker| worker.attempt) {
            let (aspect, stop) = (from.aspect.clone(), info.stop.take());
            info.earlier.push(EarlierWorker { aspect, attempt: info.attempt, stop });
        }
        record.timeout_s = target.timeout_s;
        self.store.put_dispatch(&record)?;
        self.log_other(Party::System, "dispatch.moved", id, &(&from, &target.hand))?;
        let timeout_ms = Ms::from(target.timeout_s) * 1000;
        self.hub.queue.redirect(id, target.hand, target.idempotent, timeout_ms, self.at);
        Ok(Some(from.aspect))
    }

    fn another(&self, info: &DispatchInfo) -> Stored<Option<Target>> {
        let Some(wanted) = &info.capability else { return Ok(None) };
        let begun = if info.attempt > 0 { Begun::Yes } else { Begun::No };
        let shunned = self.hub.queue.shunned(info.id);
        match self.chosen(&info.invoker, wanted, &info.input, begun, shunned) {
            Ok(target) => Ok(Some(target)),
            Err(Refusal::Answer(_)) => Ok(None),
            Err(Refusal::Store(error)) => Err(error),
        }
    }
}
