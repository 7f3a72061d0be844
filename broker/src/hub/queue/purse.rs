//! What operators let be spent in a day or a month, for somebody or for everybody together: eligibility of roots,
//! and what counts as spent. Whoever asked for a tree pays for all of it.

use std::collections::BTreeMap;

use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};
use nexus_wire::budget::{Budget, BudgetPer, Spending, SpendingDay};
use nexus_wire::limits::BUDGET_AMOUNT_MAX;
use nexus_wire::{DispatchId, HandRef, Ms, Party};

use super::entry::Phase;
use super::index::Lane;
use super::{Queue, WaitingFor};

const MOST: Spending = Spending { tokens: BUDGET_AMOUNT_MAX, cost_microusd: BUDGET_AMOUNT_MAX };

/// Whose, `None`: everybody's; and for how long.
pub type PurseKey = (Option<Party>, BudgetPer);

#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Purse {
    pub of: Option<Party>,
    pub per: BudgetPer,
    pub limit: Budget,
    /// Set aside for a root that asks for nothing.
    pub each: Budget,
    pub used: Spending,
    /// The day or month that is counted, up to the beginning of the next.
    pub since: Ms,
    pub until: Ms,
    pub set_by: Party,
    pub set_at: Ms,
}

/// What an operator says of a purse.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct PurseTerms {
    pub limit: Budget,
    pub each: Budget,
    pub set_by: Party,
}

impl Purse {
    pub fn key(&self) -> PurseKey {
        (self.of.clone(), self.per)
    }

    fn pays_for(&self, payer: &Party) -> bool {
        self.of.as_ref().is_none_or(|of| of == payer)
    }

    /// What may be spent, with what was said for today.
    fn limit_on(&self, day: Option<&SpendingDay>) -> Budget {
        match (self.per, day) {
            (BudgetPer::Day, Some(day)) if day.unlimited => Budget::default(),
            (BudgetPer::Day, Some(day)) => {
                let more = day.cost_microusd.unwrap_or(0);
                let cost_microusd = self.limit.cost_microusd.map(|limit| limit.saturating_add(more));
                Budget { cost_microusd, ..self.limit }
            }
            (BudgetPer::Day | BudgetPer::Month, _) => self.limit,
        }
    }

    /// What is left if everything set aside came back.
    fn rest(&self, day: Option<&SpendingDay>) -> Budget {
        self.limit_on(day).less(self.used)
    }
}

/// The day or month of `at`, in UTC, and the beginning of the next.
pub(in crate::hub) fn period(per: BudgetPer, at: Ms) -> (Ms, Ms) {
    const DAY: Ms = 24 * 60 * 60 * 1000;
    let day = at.div_euclid(DAY).saturating_mul(DAY);
    let of_day = (day, day.saturating_add(DAY));
    match per {
        BudgetPer::Day => of_day,
        // Times that no calendar has are counted by days.
        BudgetPer::Month => month(at).unwrap_or(of_day),
    }
}

fn month(at: Ms) -> Option<(Ms, Ms)> {
    let date = Timestamp::from_millisecond(at).ok()?.to_zoned(TimeZone::UTC).date();
    let first = date.first_of_month();
    let next = first.checked_add(1.month()).ok()?;
    let begin = |date: jiff::civil::Date| {
        date.to_zoned(TimeZone::UTC).ok().map(|zoned| zoned.timestamp().as_millisecond())
    };
    Some((begin(first)?, begin(next)?))
}

#[derive(Clone, Debug, Default, PartialEq)]
pub struct Purses(BTreeMap<PurseKey, Purse>);

impl Purses {
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub fn len(&self) -> usize {
        self.0.len()
    }

    pub fn get(&self, key: &PurseKey) -> Option<&Purse> {
        self.0.get(key)
    }

    /// Everybody's first, then by name.
    pub fn iter(&self) -> impl Iterator<Item = &Purse> {
        self.0.values()
    }

    /// Each is looked up: there may be hundreds of them, and this is asked for each lane of what waits.
    fn paying_for(&self, payer: &Party, day: Option<&SpendingDay>) -> impl Iterator<Item = &Purse> {
        let looks_at_days = day.is_none_or(|day| !day.unlimited);
        let keys = (!self.is_empty()).then(|| {
            let own = Some(payer.clone());
            [
                (None, BudgetPer::Day),
                (None, BudgetPer::Month),
                (own.clone(), BudgetPer::Day),
                (own, BudgetPer::Month),
            ]
        });
        let keys =
            keys.into_iter().flatten().filter(move |(_, per)| looks_at_days || *per == BudgetPer::Month);
        keys.filter_map(|key| self.0.get(&key))
    }

    /// What a root of `payer` has to be granted when it begins.
    fn needed(&self, payer: &Party, asked: Budget, day: Option<&SpendingDay>) -> Budget {
        let least = |limit: fn(&Budget) -> Option<u64>| {
            self.paying_for(payer, day).filter_map(|purse| limit(&purse.each)).min()
        };
        asked
            .or(Budget { tokens: least(|each| each.tokens), cost_microusd: least(|each| each.cost_microusd) })
    }
}

impl Queue {
    pub fn purses(&self) -> &Purses {
        &self.purses
    }

    pub fn with_purses(mut self, purses: impl IntoIterator<Item = Purse>) -> Self {
        self.purses.0.extend(purses.into_iter().map(|purse| (purse.key(), purse)));
        self
    }

    /// What was said for today.
    pub fn day(&self) -> Option<&SpendingDay> {
        self.day.as_ref()
    }

    pub fn with_day(mut self, day: Option<SpendingDay>) -> Self {
        self.day = day;
        self
    }

    pub fn set_day(&mut self, day: Option<SpendingDay>, now: Ms) {
        self.expire(now);
        self.day = day;
        self.settle(now);
    }

    /// In place of the one of the same key, whose counting goes on.
    pub fn set_purse(&mut self, key: PurseKey, terms: PurseTerms, now: Ms) {
        self.expire(now);
        let (of, per) = key.clone();
        let (since, until) = period(per, now);
        let used = self.purses.0.get(&key).map_or_else(Spending::default, |old| old.used);
        let PurseTerms { limit, each, set_by } = terms;
        let purse = Purse { of, per, limit, each, used, since, until, set_by, set_at: now };
        self.purses.0.insert(key.clone(), purse);
        self.purses_changed.insert(key);
        self.settle(now);
    }

    /// Whether there was one.
    pub fn clear_purse(&mut self, key: &PurseKey, now: Ms) -> bool {
        self.expire(now);
        let was_there = self.purses.0.remove(key).is_some();
        if was_there {
            self.purses_changed.insert(key.clone());
        }
        self.settle(now);
        was_there
    }

    /// `payer` spent this without anything being set aside for it.
    pub fn spend(&mut self, payer: &Party, spent: Spending, now: Ms) {
        self.expire(now);
        self.charge(payer, spent);
        self.settle(now);
    }

    pub(super) fn charge(&mut self, payer: &Party, spent: Spending) {
        if spent.is_nothing() {
            return;
        }
        for purse in self.purses.0.values_mut().filter(|purse| purse.pays_for(payer)) {
            let used = purse.used.plus(spent);
            // As much as a budget can name; nobody counts on after that.
            purse.used = used.minus(used.minus(MOST));
            self.purses_changed.insert(purse.key());
        }
    }

    /// A day or month has begun since: nothing of it is spent.
    pub(super) fn turn_purses(&mut self, now: Ms) {
        for purse in self.purses.0.values_mut().filter(|purse| purse.until <= now) {
            (purse.since, purse.until) = period(purse.per, now);
            purse.used = Spending::default();
            self.purses_changed.insert(purse.key());
        }
    }

    pub(super) fn purses_turn_at(&self) -> Option<Ms> {
        self.purses.iter().map(|purse| purse.until).min()
    }

    /// Set aside for trees that are at work.
    pub fn set_aside(&self, purse: &Purse) -> Spending {
        match &purse.of {
            None => self.index.set_aside_all,
            Some(of) => self.index.set_aside_for(of),
        }
    }

    fn affords(&self, purse: &Purse, needed: Budget) -> bool {
        purse.rest(self.day()).less(self.set_aside(purse)).covers(needed.amount())
    }

    /// What a root that begins now is granted; `None`: a purse has not that much left. One that has begun before
    /// goes on as it began.
    pub(super) fn grant(&self, payer: &Party, asked: Budget) -> Option<Budget> {
        let needed = self.purses.needed(payer, asked, self.day());
        self.purses.paying_for(payer, self.day()).all(|purse| self.affords(purse, needed)).then_some(needed)
    }

    /// Whether nobody has stopped all spending, or the work costs nothing wherever it is done.
    pub(super) fn may_spend(&self, hand: &HandRef) -> bool {
        self.day.as_ref().is_none_or(|day| day.stop.is_none()) || self.is_free(hand)
    }

    /// Everybody's budget of the day, once nothing at all is left of it.
    pub fn exhausted_day(&self) -> Option<&Purse> {
        let all = self.purses.get(&(None, BudgetPer::Day))?;
        all.rest(self.day()).is_spent().then_some(all)
    }

    pub(super) fn lane_affords(&self, payer: &Party, lane: &Lane) -> bool {
        self.may_spend(&lane.hand) && lane.asked.is_none_or(|asked| self.grant(payer, asked).is_some())
    }

    /// How many wait because not enough of `purse` is left.
    pub fn waiting_for_purse(&self, purse: &Purse) -> u32 {
        let short =
            |payer: &Party, asked: Budget| !self.affords(purse, self.purses.needed(payer, asked, self.day()));
        let lines = self.roots_paid_by(purse).filter(|(payer, asked, _)| short(payer, *asked));
        lines.map(|(_, _, count)| count).fold(0, u32::saturating_add)
    }

    /// Those that have too little left until they begin anew, whatever comes back of what is set aside: for a
    /// dispatch that asks for nothing, or for one that waits.
    pub fn spent_purses(&self) -> Vec<&Purse> {
        let is_spent = |purse: &&Purse| {
            let rest = purse.rest(self.day());
            let short = |needed: Budget| !rest.covers(needed.amount());
            short(purse.each)
                || self
                    .roots_paid_by(purse)
                    .any(|(payer, asked, _)| short(self.purses.needed(payer, asked, self.day())))
        };
        self.purses.iter().filter(is_spent).collect()
    }

    /// What roots that have not begun ask for, and how many ask for that.
    fn roots_paid_by<'a>(&'a self, purse: &'a Purse) -> impl Iterator<Item = (&'a Party, Budget, u32)> {
        let paid = self.index.pending.iter().filter(|(payer, _)| purse.pays_for(payer));
        let lanes = paid.flat_map(|(payer, lanes)| lanes.iter().map(move |(lane, line)| (payer, lane, line)));
        lanes.filter_map(|(payer, lane, line)| {
            Some((payer, lane.asked?, u32::try_from(line.len()).unwrap_or(u32::MAX)))
        })
    }

    /// What of `asked` no purse of `payer` could ever grant: its limit, if that is less.
    pub(super) fn beyond_purses(&self, payer: &Party, asked: Budget) -> Option<Budget> {
        let mut limits = self.purses.paying_for(payer, self.day()).map(|purse| purse.limit_on(self.day()));
        limits.find(|limit| !limit.covers(asked.amount()))
    }

    /// Why `id` is pending, or may not retake its place; `None` if neither is so.
    pub fn waiting_for(&self, id: DispatchId) -> Option<WaitingFor> {
        let entry = self.entries.get(&id)?;
        match entry.phase {
            Phase::Pending { .. } => {}
            Phase::Retaking { .. } => {
                return (!self.may_go_on(&entry.hand)).then_some(WaitingFor::Budget);
            }
            Phase::Running { .. } | Phase::Waiting { .. } | Phase::Unreachable { .. } => return None,
        }
        let is_short = |asked| self.grant(&entry.key, asked).is_none();
        if !self.may_spend(&entry.hand) || entry.asked().is_some_and(is_short) {
            return Some(WaitingFor::Budget);
        }
        match self.hosts.get(entry.host()) {
            None => Some(WaitingFor::Aspect),
            Some(_) if entry.moving.is_astray() => Some(WaitingFor::Aspect),
            Some(offer) if offer.slots == 0 => Some(WaitingFor::Aspect),
            Some(_) if !self.has_place(&entry.hand) => Some(WaitingFor::Place),
            Some(_) => Some(WaitingFor::Turn),
        }
    }
}
