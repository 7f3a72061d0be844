//! Work that a Hand was chosen for and that waits for a host which is lost: another takes it, if one can. Lost is who has
//! been away for as long as a lease lasts; then what it had begun is pending again too, if it may be done twice.

use nexus_wire::{AspectName, DispatchId, Ms, Party};

use super::target::Begun;
use crate::hub::Hub;
use crate::hub::records::{Store, Stored};
use crate::hub::step::{Refusal, Step};

/// Looked at in one command; then others come in between.
const AT_ONCE: usize = 64;

impl Hub {
    /// When work of a lost host is to be looked at.
    pub(in crate::hub) fn move_due(&self) -> Option<Ms> {
        self.queue.movable().filter_map(|(host, _)| self.lost_at(host)).min()
    }

    /// When it counts as lost, if it does not come back.
    fn lost_at(&self, host: &AspectName) -> Option<Ms> {
        let record = self.roster.aspect(host);
        if record.is_some_and(|record| record.link.is_some()) {
            return None;
        }
        // While no broker ran, or its machine slept, nobody could come.
        let since = record.map_or(0, |record| record.since).max(self.started_at);
        Some(since.saturating_add(self.config.lease_ms))
    }
}

impl<S: Store> Step<'_, S> {
    pub(in crate::hub) fn move_lost(&mut self) -> Stored<()> {
        let is_lost = |host: &AspectName| self.hub.lost_at(host).is_some_and(|at| at <= self.at);
        let lost = self.hub.queue.movable().filter(|(host, _)| is_lost(host));
        let work: Vec<DispatchId> = lost.flat_map(|(_, work)| work).take(AT_ONCE).collect();
        for id in work {
            self.redirect(id)?;
        }
        Ok(())
    }

    /// To whoever would be chosen for it now; where nobody can do it, it stays.
    fn redirect(&mut self, id: DispatchId) -> Stored<()> {
        let Some(mut record) = self.store.dispatch(id)? else { return Ok(()) };
        let info = &mut record.info;
        let Some(wanted) = &info.capability else { return Ok(()) };
        let begun = if info.attempt > 0 { Begun::Yes } else { Begun::No };
        let target = match self.chosen(&info.invoker, wanted, &info.input, begun) {
            Ok(target) => target,
            Err(Refusal::Answer(_)) => {
                self.hub.queue.set_stuck(id);
                return self.settle(None, None);
            }
            Err(Refusal::Store(error)) => return Err(error),
        };
        let from = std::mem::replace(&mut info.hand, target.hand.clone());
        if let Some(stop) = &mut info.stop {
            stop.aspect.get_or_insert(from.aspect.clone());
        }
        record.timeout_s = target.timeout_s;
        self.store.put_dispatch(&record)?;
        self.log_other(Party::System, "dispatch.moved", id, &(&from, &target.hand))?;
        let timeout_ms = Ms::from(target.timeout_s) * 1000;
        self.hub.queue.redirect(id, target.hand, target.idempotent, timeout_ms, self.at);
        self.settle(None, None)?;
        self.show_work(&from.aspect);
        Ok(())
    }
}
