//! Work for a Hand that nobody begins, and flows of triggers for which there is no room: the alert about it. Whoever waits
//! for money is told of by the budget's own.

use std::collections::BTreeMap;

use nexus_wire::alert::AlertKind;
use nexus_wire::hands::WaitingFor;
use nexus_wire::limits::{TRIGGER_RUNS_MAX, WORK_WAITS_LONG};
use nexus_wire::{HandRef, Ms};

use super::Hub;
use super::records::{Store, Stored};
use super::step::Step;

const KIND: AlertKind = AlertKind::WorkWaiting;
const LONG_MS: Ms = WORK_WAITS_LONG.as_millis() as Ms;
/// What the alert about flows is about.
const FLOWS: &str = "flows";

impl Hub {
    /// When work for a Hand will have waited for long. What is told of already has no timer any more.
    pub(super) fn long_wait_due(&self) -> Option<Ms> {
        let waits = self.queue.longest_waits().into_iter();
        let untold = waits
            .filter(|(hand, (_, why))| is_told_of(*why) && !self.alerts.is_open(KIND, &hand.to_string()));
        let line = self.flows_wait_since().filter(|_| !self.alerts.is_open(KIND, FLOWS));
        untold.map(|(_, (since, _))| since).chain(line).map(|since| self.is_long_at(since)).min()
    }

    fn is_long_at(&self, since: Ms) -> Ms {
        // While no broker ran, or its machine slept, nobody could begin it.
        since.max(self.started_at).saturating_add(LONG_MS)
    }

    fn flows_wait_long(&self, now: Ms) -> bool {
        self.flows_wait_since().is_some_and(|since| self.is_long_at(since) <= now)
    }

    /// Hands for which work has waited for long by `now`, and for what.
    fn long_waits(&self, now: Ms) -> BTreeMap<String, (HandRef, WaitingFor)> {
        let waits = self.queue.longest_waits().into_iter();
        let long = waits.filter(|(_, (since, _))| self.is_long_at(*since) <= now);
        long.map(|(hand, (_, why))| (hand.to_string(), (hand.clone(), why))).collect()
    }
}

/// What waits for money is no news, but what was told of and waits for money now is not over.
fn is_told_of(why: WaitingFor) -> bool {
    why != WaitingFor::Budget
}

impl<S: Store> Step<'_, S> {
    pub(super) fn tell_long_waits(&mut self) -> Stored<()> {
        for (subject, (hand, why)) in self.hub.long_waits(self.at) {
            if !is_told_of(why) || self.hub.alerts.is_open(KIND, &subject) {
                continue;
            }
            let why = match why {
                WaitingFor::Aspect => format!("{} is not here, or takes nothing", hand.aspect),
                WaitingFor::Place => "all its places are taken".to_owned(),
                // None of these waits for money.
                WaitingFor::Turn | WaitingFor::Budget => "others come first".to_owned(),
            };
            let message = format!(
                "work for {hand} has waited for more than {} minutes, because {why}; see: nexctl get dispatches",
                LONG_MS / 60_000
            );
            self.raise_alert(KIND, &subject, &message)?;
        }
        if self.hub.flows_wait_long(self.at) && !self.hub.alerts.is_open(KIND, FLOWS) {
            let message = format!(
                "flows that triggers are to run have waited for more than {} minutes, because {TRIGGER_RUNS_MAX} runs have not \
                 ended; see: nexctl run list",
                LONG_MS / 60_000
            );
            self.raise_alert(KIND, FLOWS, &message)?;
        }
        Ok(())
    }

    /// Once those who were the first in line have been called.
    pub(super) fn end_long_line(&mut self) -> Stored<()> {
        if self.hub.alerts.is_open(KIND, FLOWS) && !self.hub.flows_wait_long(self.at) {
            self.clear_alert(KIND, FLOWS)?;
        }
        Ok(())
    }

    /// Of Hands for which nothing has waited for long any more.
    pub(super) fn end_long_waits(&mut self) -> Stored<()> {
        let told = self.hub.alerts.subjects(KIND);
        if told.is_empty() {
            return Ok(());
        }
        let long = self.hub.long_waits(self.at);
        let is_over = |subject: &&String| *subject != FLOWS && !long.contains_key(*subject);
        for subject in told.iter().filter(is_over) {
            self.clear_alert(KIND, subject)?;
        }
        Ok(())
    }
}
