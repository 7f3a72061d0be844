//! What people say about spending for one day: nothing more, or more than budgets of a day allow. Either ends with the
//! day.

use nexus_wire::alert::AlertKind;
use nexus_wire::budget::{
    Budget, BudgetGoOn, BudgetPer, BudgetStop, SpendingChanged, SpendingDay, SpendingStop,
};
use nexus_wire::limits::RESTRAINT_REASON_BYTES_MAX;
use nexus_wire::{ErrorCode, FromBroker, Party, RequestId};

use super::Hub;
use super::dispatch::check_budget;
use super::effect::Effect;
use super::queue::period;
use super::records::{Store, Stored};
use super::step::{Done, Step, refuse};

/// What the alert is about.
const EVERYBODY: &str = "all";

impl Hub {
    /// Why nothing may be spent now: somebody has said so, or nothing is left of everybody's budget of the day.
    pub(crate) fn spending_stop(&self) -> Option<SpendingStop> {
        let said = self.queue.day().and_then(|day| day.stop.clone());
        said.or_else(|| {
            let purse = self.queue.exhausted_day()?;
            let reason = Some(format!("everybody's budget of {} for the day is used up", purse.limit));
            Some(SpendingStop { reason, by: None, until: purse.until })
        })
    }
}

impl<S: Store> Step<'_, S> {
    pub(super) fn budget_stop(&mut self, sender: &Party, request: RequestId, stop: &BudgetStop) -> Done {
        let Some(fresh) = self.first_time(sender, request, stop)? else { return Ok(()) };
        let reason = stop.reason.clone().filter(|reason| !reason.trim().is_empty());
        let bytes = reason.as_ref().map_or(0, String::len);
        if bytes > RESTRAINT_REASON_BYTES_MAX {
            let message = format!("`reason` is {bytes} bytes; {RESTRAINT_REASON_BYTES_MAX} is the most");
            return refuse(ErrorCode::TooLarge, message);
        }
        let (_, until) = period(BudgetPer::Day, self.at);
        let because = reason.as_ref().map(|reason| format!(": {reason}")).unwrap_or_default();
        let stopped = SpendingStop { reason, by: Some(sender.clone()), until };
        let before = self.hub.queue.day().filter(|day| day.until > self.at);
        let day = SpendingDay {
            until,
            stop: Some(stopped),
            unlimited: before.is_some_and(|day| day.unlimited),
            cost_microusd: before.and_then(|day| day.cost_microusd),
            by: sender.clone(),
            at: self.at,
        };
        self.log_other(sender.clone(), "budget.stopped", EVERYBODY, stop)?;
        self.say_for_today(Some(day.clone()))?;
        let message = format!(
            "{sender} has stopped all spending until the day ends (UTC){because}; it goes on with: nexctl budget go-on"
        );
        self.raise_alert(AlertKind::SpendingStopped, EVERYBODY, &message)?;
        Ok(self.answer_once(fresh, &day)?)
    }

    pub(super) fn budget_go_on(&mut self, sender: &Party, request: RequestId, go_on: BudgetGoOn) -> Done {
        let Some(fresh) = self.first_time(sender, request, &go_on)? else { return Ok(()) };
        let BudgetGoOn { unlimited, cost_microusd } = go_on;
        if unlimited && cost_microusd.is_some() {
            return refuse(ErrorCode::Invalid, "`unlimited` needs no `cost_microusd`; leave one of them out");
        }
        check_budget("cost_microusd", Budget { tokens: None, cost_microusd })?;
        let (_, until) = period(BudgetPer::Day, self.at);
        let by = sender.clone();
        let day = SpendingDay { until, stop: None, unlimited, cost_microusd, by, at: self.at };
        let says_more = unlimited || cost_microusd.is_some();
        self.log_other(sender.clone(), "budget.goes_on", EVERYBODY, &go_on)?;
        self.clear_alert(AlertKind::SpendingStopped, EVERYBODY)?;
        self.say_for_today(says_more.then(|| day.clone()))?;
        Ok(self.answer_once(fresh, &day)?)
    }

    /// The day is over.
    pub(super) fn spending_due(&mut self) -> Stored<()> {
        if self.hub.queue.day().is_none_or(|day| day.until > self.at) {
            return Ok(());
        }
        let at = self.at;
        self.log_other(Party::System, "budget.day_over", EVERYBODY, &at)?;
        self.clear_alert(AlertKind::SpendingStopped, EVERYBODY)?;
        self.say_for_today(None)
    }

    fn say_for_today(&mut self, day: Option<SpendingDay>) -> Stored<()> {
        self.store.put_spending_day(day.as_ref())?;
        self.hub.queue.set_day(day, self.at);
        self.settle(None, None)
    }

    /// At the end of a command, where that has changed.
    pub(super) fn tell_spending(&mut self, before: Option<SpendingStop>) {
        let stop = self.hub.spending_stop();
        if stop == before {
            return;
        }
        let links = self.hub.roster.active().filter_map(|record| record.link).collect();
        let frame = FromBroker::SpendingChanged(SpendingChanged { stop });
        self.effect(Effect::Insist { links, frame });
    }
}
