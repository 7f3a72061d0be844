//! Counts money by brute force, beside the oracle, and checks after every call that no more is promised than there
//! is: what is spent and what is set aside stay together within each limit, and each grant within its parent's.

use nexus_wire::budget::{Budget, BudgetPer, Spending};
use nexus_wire::hands::Lease;
use nexus_wire::limits::BUDGET_CHILD_PART;
use nexus_wire::{DispatchId, Ms, Party};

use super::super::{PurseKey, Queue};
use super::harness::Ask;
use super::oracle::{Facts, Oracle};

#[derive(Clone, Debug)]
struct Kept {
    key: PurseKey,
    limit: Budget,
    each: Budget,
    used: Spending,
    until: Ms,
    /// What spent and set aside came to when somebody last spent without asking, or changed the limit.
    forgiven: Spending,
}

#[derive(Debug, Default)]
pub(super) struct Ledger(Vec<Kept>);

/// One of the two limits.
type Side = (fn(&Budget) -> Option<u64>, fn(&Spending) -> u64);
const SIDES: [Side; 2] = [(|b| b.tokens, |s| s.tokens), (|b| b.cost_microusd, |s| s.cost_microusd)];

impl Facts {
    pub(super) fn total(&self) -> Spending {
        self.before.plus(self.own).plus(self.below)
    }

    fn set_aside(&self) -> Spending {
        if self.parent.is_some() { Spending::default() } else { self.granted.amount().minus(self.settled) }
    }
}

impl Kept {
    fn pays_for(&self, payer: &Party) -> bool {
        self.key.0.as_ref().is_none_or(|of| of == payer)
    }

    fn promised(&self, open: &[Facts]) -> Spending {
        let paid = open.iter().filter(|facts| self.pays_for(&facts.key));
        paid.fold(self.used, |sum, facts| sum.plus(facts.set_aside()))
    }
}

impl Ledger {
    pub(super) fn charge(&mut self, payer: &Party, spent: Spending) {
        for kept in self.0.iter_mut().filter(|kept| kept.pays_for(payer)) {
            kept.used = kept.used.plus(spent);
        }
    }

    /// Whether nothing at all is left of everybody's day.
    pub(super) fn is_used_up(&self) -> bool {
        let mut all = self.0.iter().filter(|kept| kept.key == (None, BudgetPer::Day));
        all.any(|kept| {
            SIDES
                .iter()
                .any(|(limit, spent)| limit(&kept.limit).is_some_and(|limit| spent(&kept.used) >= limit))
        })
    }

    /// What a root would be granted if it began now.
    pub(super) fn grant(&self, open: &[Facts], root: &Facts) -> Option<Budget> {
        if root.begun {
            return Some(root.granted);
        }
        let mut granted = [None, None];
        for (at, (limit, spent)) in SIDES.into_iter().enumerate() {
            let paying = || self.0.iter().filter(|kept| kept.pays_for(&root.key));
            granted[at] = limit(&root.asked).or_else(|| paying().filter_map(|kept| limit(&kept.each)).min());
            for kept in paying() {
                let promised = spent(&kept.promised(open));
                if limit(&kept.limit).is_some_and(|limit| promised + granted[at].unwrap_or(0) > limit) {
                    return None;
                }
            }
        }
        Some(Budget { tokens: granted[0], cost_microusd: granted[1] })
    }

    pub(super) fn check(&self, open: &[Facts], queue: &Queue) -> Result<(), String> {
        for kept in &self.0 {
            let purse = queue.purses().get(&kept.key);
            ensure!(
                purse.map(|it| (it.limit, it.each, it.used, it.until))
                    == Some((kept.limit, kept.each, kept.used, kept.until)),
                "{purse:?} is not {kept:?}"
            );
            let promised = kept.promised(open);
            let aside = purse.map(|purse| queue.set_aside(purse));
            ensure!(aside == Some(promised.minus(kept.used)), "{aside:?} is set aside of {kept:?}");
            for (limit, spent) in SIDES {
                let most = limit(&kept.limit).map(|limit| limit.max(spent(&kept.forgiven)));
                ensure!(
                    most.is_none_or(|most| spent(&promised) <= most),
                    "{promised:?} is promised of {kept:?}"
                );
            }
        }
        for facts in open {
            let lent = lent(open, facts.id);
            ensure!(facts.granted.covers(facts.total().plus(lent)), "{facts:?} has lent {lent:?}");
        }
        Ok(())
    }

    pub(super) fn forgive(&mut self, open: &[Facts]) {
        for kept in &mut self.0 {
            kept.forgiven = kept.promised(open);
        }
    }
}

fn lent(open: &[Facts], parent: DispatchId) -> Spending {
    let children = open.iter().filter(|facts| facts.parent == Some(parent));
    children.fold(Spending::default(), |sum, child| sum.plus(child.granted.amount()))
}

impl Oracle {
    pub(super) fn turn_purses(&mut self, now: Ms) {
        for kept in self.ledger.0.iter_mut().filter(|kept| kept.until <= now) {
            kept.used = Spending::default();
            // No month ends in these tests.
            kept.until = (now / 86_400_000 + 1) * 86_400_000;
        }
    }

    pub(super) fn set_purse(&mut self, key: PurseKey, limit: Budget, each: Budget, now: Ms) {
        let old = self.ledger.0.iter().position(|kept| kept.key == key);
        let used = old.map_or_else(Spending::default, |at| self.ledger.0.remove(at).used);
        let days = match key.1 {
            BudgetPer::Day => now / 86_400_000 + 1,
            BudgetPer::Month => 31,
        };
        let until = days * 86_400_000;
        self.ledger.0.push(Kept { key, limit, each, used, until, forgiven: Spending::default() });
        self.ledger.forgive(&self.open);
    }

    pub(super) fn clear_purse(&mut self, key: &PurseKey) -> bool {
        let before = self.ledger.0.len();
        self.ledger.0.retain(|kept| kept.key != *key);
        self.ledger.0.len() < before
    }

    pub(super) fn spend(&mut self, payer: &Party, spent: Spending) {
        self.ledger.charge(payer, spent);
        self.ledger.forgive(&self.open);
    }

    /// A worker says what it has spent.
    pub(super) fn report(&mut self, lease: Option<Lease>, own: Spending) {
        for facts in self.open.iter_mut().filter(|facts| lease.is_some_and(|it| it.dispatch == facts.id)) {
            facts.own = facts.own.max(own);
        }
    }

    fn left(&self, facts: &Facts) -> Budget {
        facts.granted.less(facts.total().plus(lent(&self.open, facts.id)))
    }

    /// What a dispatch is told that it has; `None`: it is refused.
    pub(super) fn allowed(&self, ask: &Ask) -> Option<Budget> {
        let Some(lease) = ask.parent else {
            let mut paying = self.ledger.0.iter().filter(|kept| kept.pays_for(&ask.invoker));
            return paying.all(|kept| kept.limit.covers(ask.budget.amount())).then_some(ask.budget);
        };
        let left = self.left(self.facts(lease.dispatch)?);
        let part = |asked: Option<u64>, left: Option<u64>| match (asked, left) {
            (Some(asked), Some(left)) if asked > left => None,
            (None, Some(left)) if left / BUDGET_CHILD_PART == 0 => None,
            (None, Some(left)) => Some(Some(left / BUDGET_CHILD_PART)),
            (asked, _) => Some(asked),
        };
        let tokens = part(ask.budget.tokens, left.tokens)?;
        let cost_microusd = part(ask.budget.cost_microusd, left.cost_microusd)?;
        Some(Budget { tokens, cost_microusd })
    }

    pub(super) fn within(&self, id: DispatchId, tenths: u64) -> Spending {
        let Some(facts) = self.facts(id) else { return Spending::default() };
        let left = self.left(facts).or(Budget { tokens: Some(100), cost_microusd: Some(100) });
        facts.own.plus(left.map(|left| left * tenths / 10).amount())
    }
}
