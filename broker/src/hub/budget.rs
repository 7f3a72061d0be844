//! What operators let be spent: set, cleared, shown, and told of when it is used up. The counting is the queue's.

use nexus_wire::alert::AlertKind;
use nexus_wire::budget::{
    Budget, BudgetClear, BudgetCleared, BudgetInfo, BudgetPer, BudgetSet, Budgets, Spending,
};
use nexus_wire::limits::{BUDGET_EACH_PART, BUDGETS_MAX};
use nexus_wire::{ErrorCode, Party, RequestId};

use super::Hub;
use super::dispatch::{check_amounts, check_budget};
use super::queue::{Purse, PurseKey, PurseTerms};
use super::records::{Store, Stored};
use super::step::{Done, Step, refuse};

impl Hub {
    pub fn budgets(&self) -> Budgets {
        let budgets = self.queue.purses().iter().map(|purse| self.budget(purse)).collect();
        Budgets { budgets, today: self.queue.day().cloned() }
    }

    fn budget(&self, purse: &Purse) -> BudgetInfo {
        BudgetInfo {
            of: purse.of.clone(),
            per: purse.per,
            limit: purse.limit,
            each: purse.each,
            used: purse.used,
            reserved: self.queue.set_aside(purse),
            since: purse.since,
            until: purse.until,
            set_by: purse.set_by.clone(),
            set_at: purse.set_at,
            waiting: self.queue.waiting_for_purse(purse),
        }
    }
}

impl<S: Store> Step<'_, S> {
    /// What is spent already of the day or month stays spent when the limit changes.
    pub(super) fn budget_set(&mut self, sender: &Party, request: RequestId, set: &BudgetSet) -> Done {
        let Some(fresh) = self.first_time(sender, request, set)? else { return Ok(()) };
        let each = self.each_of(set)?;
        let key: PurseKey = (set.of.clone(), set.per);
        let is_new = self.hub.queue.purses().get(&key).is_none();
        if is_new && self.hub.queue.purses().len() >= BUDGETS_MAX {
            let message = format!("there are {BUDGETS_MAX} budgets already; clear one that is not needed");
            return refuse(ErrorCode::Invalid, message);
        }
        let terms = PurseTerms { limit: set.limit, each, set_by: sender.clone() };
        self.hub.queue.set_purse(key.clone(), terms, self.at);
        self.log_other(sender.clone(), "budget.set", subject(&key), set)?;
        self.settle(None, None)?;
        if let Some(purse) = self.hub.queue.purses().get(&key) {
            let info = self.hub.budget(purse);
            self.answer_once(fresh, &info)?;
        }
        Ok(())
    }

    pub(super) fn budget_clear(&mut self, sender: &Party, request: RequestId, clear: &BudgetClear) -> Done {
        let Some(fresh) = self.first_time(sender, request, clear)? else { return Ok(()) };
        let key: PurseKey = (clear.of.clone(), clear.per);
        let cleared = self.hub.queue.clear_purse(&key, self.at);
        if cleared {
            self.log_other(sender.clone(), "budget.cleared", subject(&key), clear)?;
        }
        self.settle(None, None)?;
        self.answer_once(fresh, &BudgetCleared { cleared })?;
        Ok(())
    }

    /// What a dispatch that asks for nothing gets; for each limit there has to be something.
    fn each_of(&self, set: &BudgetSet) -> Done<Budget> {
        let BudgetSet { of, limit, each, .. } = set;
        match of {
            Some(of @ (Party::Aspect(_) | Party::Operator(_))) if !self.hub.roster.knows(of) => {
                return refuse(ErrorCode::NotFound, format!("there is no {of}; whose budget is it to be?"));
            }
            Some(Party::System) => {
                return refuse(
                    ErrorCode::Invalid,
                    "the broker itself spends nothing; leave `of` out for everybody",
                );
            }
            Some(Party::Aspect(_) | Party::Operator(_)) | None => {}
        }
        if limit.is_unlimited() {
            return refuse(ErrorCode::Invalid, "`limit` names no amount; budget.clear takes a limit away");
        }
        check_amounts("limit", *limit)?;
        check_budget("each", *each)?;
        let part = limit.map(|all| (all / BUDGET_EACH_PART).max(1));
        let fits = |each: Option<u64>, limit: Option<u64>| {
            each.is_none_or(|each| limit.is_some_and(|limit| each <= limit))
        };
        if !fits(each.tokens, limit.tokens) || !fits(each.cost_microusd, limit.cost_microusd) {
            return refuse(
                ErrorCode::Invalid,
                format!("`each` is {each} and the limit {limit}: a dispatch cannot get more than there is"),
            );
        }
        Ok(each.or(part))
    }

    /// Counts what nothing was set aside for.
    pub(super) fn spend(&mut self, payer: &Party, spent: Spending) -> Stored<()> {
        if self.hub.queue.purses().is_empty() || spent.is_nothing() {
            return Ok(());
        }
        self.hub.queue.spend(payer, spent, self.at);
        self.settle(None, None)
    }

    /// Raises an alert for each budget that is used up, and clears those of budgets that are not.
    pub(super) fn tell_purses(&mut self) -> Stored<()> {
        let open = self.hub.alerts.subjects(AlertKind::BudgetSpent);
        if self.hub.queue.purses().is_empty() && open.is_empty() {
            return Ok(());
        }
        let spent: Vec<(String, String)> = self
            .hub
            .queue
            .spent_purses()
            .into_iter()
            .map(|purse| (subject(&purse.key()), used_up(purse)))
            .collect();
        for over in open.iter().filter(|open| !spent.iter().any(|(subject, _)| subject == *open)) {
            self.clear_alert(AlertKind::BudgetSpent, over)?;
        }
        spent
            .iter()
            .try_for_each(|(subject, message)| self.raise_alert(AlertKind::BudgetSpent, subject, message))
    }
}

/// Whose and for how long, as one word.
fn subject((of, per): &PurseKey) -> String {
    let of = of.as_ref().map_or_else(|| "all".to_owned(), ToString::to_string);
    format!("{of}/{}", per.as_str())
}

/// The same as long as the budget is: it counts as one alert.
fn used_up(purse: &Purse) -> String {
    let whose = purse.of.as_ref().map_or_else(|| "everybody's".to_owned(), |of| format!("{of}'s"));
    let of = purse.of.as_ref().map(|of| format!(" {of}")).unwrap_or_default();
    let (per, next) = match purse.per {
        BudgetPer::Day => ("day", "the next day (UTC)"),
        BudgetPer::Month => ("month", "the next month (UTC)"),
    };
    format!(
        "not enough is left of {whose} budget of {} for this {per}: work waits for {next}, or until it is raised with: \
        nexctl budget set{of} --per {per}",
        purse.limit
    )
}
