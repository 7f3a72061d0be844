//! Says by brute force who is next, from what was asked of the queue and what it answered; it shares no code
//! with the queue and looks at everything every time.

use std::collections::{BTreeMap, BTreeSet};

use nexus_wire::budget::{Budget, Spending};
use nexus_wire::hands::DispatchState;
use nexus_wire::{AspectName, DispatchId, HandRef, Ms, Party};

use super::super::entry::Phase;
use super::super::{Event, Offer, Queue};
use super::harness::Ask;
use super::ledger::Ledger;

#[derive(Clone, Debug)]
pub(super) struct Facts {
    pub(super) id: DispatchId,
    pub(super) hand: HandRef,
    pub(super) key: Party,
    pub(super) parent: Option<DispatchId>,
    pub(super) depth: u32,
    pub(super) idempotent: bool,
    pub(super) deadline_at: Ms,
    /// Since when that stands still.
    pub(super) stands_since: Option<Ms>,
    state: DispatchState,
    /// Another Hand would do.
    pub(super) movable: bool,
    /// Nobody is given it until another was looked for.
    pub(super) astray: bool,
    age: u32,
    /// The step at which it came to retake; those of one step go in any order.
    retaking_since: u64,
    pub(super) asked: Budget,
    pub(super) granted: Budget,
    pub(super) begun: bool,
    /// By the worker of this attempt, by those before, and by children that have ended.
    pub(super) own: Spending,
    pub(super) before: Spending,
    pub(super) below: Spending,
    /// What of the tree below this root has ended.
    pub(super) settled: Spending,
}

impl Facts {
    /// Of a dispatch that `parent` asked for, or else `invoker` itself.
    pub(super) fn new(id: DispatchId, ask: &Ask, parent: Option<&Self>, now: Ms) -> Self {
        Self {
            id,
            hand: ask.hand.clone(),
            key: parent.map_or_else(|| ask.invoker.clone(), |parent| parent.key.clone()),
            parent: parent.map(|parent| parent.id),
            depth: parent.map_or(1, |parent| parent.depth + 1),
            idempotent: ask.idempotent,
            deadline_at: now + ask.deadline_ms,
            stands_since: None,
            state: DispatchState::Pending,
            movable: ask.movable,
            astray: false,
            age: 0,
            retaking_since: 0,
            asked: ask.budget,
            granted: Budget::default(),
            begun: false,
            own: Spending::default(),
            before: Spending::default(),
            below: Spending::default(),
            settled: Spending::default(),
        }
    }
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Next {
    Retake,
    Item,
}

/// `open` is in the order of acceptance.
#[derive(Debug, Default)]
pub(super) struct Oracle {
    pub(super) soft_cap: u32,
    pub(super) live: BTreeMap<AspectName, Offer>,
    pub(super) open: Vec<Facts>,
    pub(super) ended: BTreeMap<DispatchId, DispatchState>,
    pub(super) ledger: Ledger,
    /// Somebody has said that nothing is to be spent.
    pub(super) is_said: bool,
    step: u64,
}

impl Oracle {
    pub(super) fn new(soft_cap: u32) -> Self {
        Self { soft_cap, ..Self::default() }
    }

    pub(super) fn facts(&self, id: DispatchId) -> Option<&Facts> {
        self.open.iter().find(|facts| facts.id == id)
    }

    fn hard_cap(&self) -> usize {
        (self.soft_cap as usize + 1).max(self.live.len() + 1)
    }

    fn in_state(&self, states: &[DispatchState]) -> impl Iterator<Item = &Facts> {
        self.open.iter().filter(move |facts| states.contains(&facts.state))
    }

    fn active(&self) -> usize {
        self.in_state(&[DispatchState::Running]).count()
    }

    fn has_place(&self, facts: &Facts) -> bool {
        let Some(offer) = self.live.get(&facts.hand.aspect) else { return false };
        let running = [DispatchState::Running];
        let on_host = self.in_state(&running).filter(|f| f.hand.aspect == facts.hand.aspect).count();
        let of_hand = self.in_state(&running).filter(|f| f.hand == facts.hand).count();
        let most = offer.hands.get(&facts.hand.hand).copied().unwrap_or(0);
        on_host < offer.slots as usize && of_hand < most as usize
    }

    fn is_eligible(&self, facts: &Facts) -> bool {
        let begun = [
            DispatchState::Running,
            DispatchState::Waiting,
            DispatchState::Retaking,
            DispatchState::Unreachable,
        ];
        let trees = self.in_state(&begun).filter(|f| f.parent.is_none() && f.key == facts.key).count();
        let is_root = facts.parent.is_none();
        !facts.astray
            && self.has_place(facts)
            && (!self.is_said || self.is_free(facts))
            && (!is_root || trees < self.hard_cap() && self.ledger.grant(&self.open, facts).is_some())
    }

    fn is_free(&self, facts: &Facts) -> bool {
        self.live.get(&facts.hand.aspect).is_some_and(|offer| offer.is_free)
    }

    fn is_stopped(&self) -> bool {
        self.is_said || self.ledger.is_used_up()
    }

    /// Whose deadline stands still from now on, and whose goes on.
    pub(super) fn stand(&mut self, queue: &Queue, now: Ms) -> Result<(), String> {
        let stands = |facts: &Facts| {
            let root = self.root_of(facts).and_then(|root| self.facts(root)).unwrap_or(facts);
            let is_away = match facts.state {
                DispatchState::Waiting => true,
                DispatchState::Pending | DispatchState::Retaking => !self.is_free(facts),
                DispatchState::Unreachable => {
                    let yielded = queue.entries.get(&facts.id).is_some_and(|entry| {
                        matches!(entry.phase, Phase::Unreachable { yielded: Some(_), .. })
                    });
                    yielded && !self.is_free(facts)
                }
                DispatchState::Running
                | DispatchState::Done
                | DispatchState::Failed
                | DispatchState::TimedOut
                | DispatchState::Cancelled => false,
            };
            self.is_stopped() && root.begun && is_away
        };
        let stands: Vec<bool> = self.open.iter().map(stands).collect();
        for (facts, stands) in self.open.iter_mut().zip(stands) {
            match facts.stands_since {
                None if stands => facts.stands_since = Some(now),
                Some(since) if !stands => {
                    facts.deadline_at = facts.deadline_at.saturating_add(now - since);
                    facts.stands_since = None;
                }
                Some(_) | None => {}
            }
            let is = (queue.deadline(facts.id), queue.stands(facts.id));
            ensure!(is == (Some(facts.deadline_at), stands), "{facts:?} has the deadline {is:?}");
        }
        Ok(())
    }

    fn eligible(&self) -> Vec<&Facts> {
        self.in_state(&[DispatchState::Pending]).filter(|facts| self.is_eligible(facts)).collect()
    }

    fn may_retake(&self, facts: &Facts) -> bool {
        self.has_place(facts) && (!self.is_stopped() || self.is_free(facts))
    }

    fn is_idle(&self, key: &Party) -> bool {
        let busy = [DispatchState::Running, DispatchState::Waiting, DispatchState::Retaking];
        !self.in_state(&busy).any(|facts| facts.key == *key)
    }

    /// Every choice the design allows now; nothing when nothing may move.
    fn next(&self) -> Vec<(Next, DispatchId)> {
        if self.active() >= self.hard_cap() {
            return Vec::new();
        }
        let eligible = self.eligible();
        if let Some(aged) = eligible.iter().find(|facts| facts.age >= 8) {
            return vec![(Next::Item, aged.id)];
        }
        let retakes: Vec<_> =
            self.in_state(&[DispatchState::Retaking]).filter(|facts| self.may_retake(facts)).collect();
        if let Some(first) = retakes.iter().map(|facts| facts.retaking_since).min() {
            let of_first = retakes.iter().filter(|facts| facts.retaking_since == first);
            return of_first.map(|facts| (Next::Retake, facts.id)).collect();
        }
        if let Some(of_idle) = eligible.iter().find(|facts| self.is_idle(&facts.key)) {
            return vec![(Next::Item, of_idle.id)];
        }
        let any = eligible.first().filter(|_| self.active() < self.soft_cap as usize);
        any.map(|facts| (Next::Item, facts.id)).into_iter().collect()
    }

    /// The oldest eligible item of every other key gets older, if it was there before what was taken.
    fn grow_older(&mut self, next: Next, taken: DispatchId) {
        let Some(at) = self.open.iter().position(|facts| facts.id == taken) else { return };
        let mut seen = BTreeSet::from([self.open[at].key.clone()]);
        let mut older = Vec::new();
        for (order, facts) in self.open.iter().enumerate() {
            if facts.state == DispatchState::Pending
                && self.is_eligible(facts)
                && seen.insert(facts.key.clone())
            {
                older.extend((next == Next::Retake || order < at).then_some(order));
            }
        }
        for order in older {
            let age = &mut self.open[order].age;
            *age = (*age + 1).min(8);
        }
    }

    /// Follows one call: its ends and expiries come first, then each place given must be the design's choice,
    /// and in the end nothing more may move.
    pub(super) fn follow(&mut self, queue: &Queue, events: &[Event]) -> Result<(), String> {
        self.step += 1;
        let given = events.iter().position(Self::gives_place).unwrap_or(events.len());
        self.follow_ends(&events[..given])?;
        for event in &events[given..] {
            ensure!(Self::gives_place(event), "{event:?} after places were given");
        }
        self.look(queue, &events[given..])?;
        for event in &events[given..] {
            let (next, lease) = match event {
                Event::Assigned { lease, host, .. } | Event::Resumed { lease, host, .. } => {
                    let facts =
                        self.facts(lease.dispatch).ok_or_else(|| format!("{event:?} of nothing open"))?;
                    ensure!(facts.hand.aspect == *host, "{event:?} went to the wrong host");
                    (if matches!(event, Event::Assigned { .. }) { Next::Item } else { Next::Retake }, *lease)
                }
                Event::CancelWork { .. } | Event::Ended { .. } => continue,
            };
            let allowed = self.next();
            ensure!(
                allowed.contains(&(next, lease.dispatch)),
                "{event:?} while the design says {allowed:?}; active {}",
                self.active()
            );
            self.grow_older(next, lease.dispatch);
            self.follow_grant(event)?;
            for facts in self.open.iter_mut().filter(|facts| facts.id == lease.dispatch) {
                (facts.state, facts.age) = (DispatchState::Running, 0);
            }
            ensure!(self.active() <= self.hard_cap(), "{event:?} made more active than H");
        }
        self.ledger.check(&self.open, queue)?;
        let stuck = self.next();
        ensure!(stuck.is_empty(), "{stuck:?} may move and does not");
        for facts in &self.open {
            let (is, says) = (queue.state(facts.id), facts.state);
            ensure!(is == Some(says), "{:?} is {is:?} and should be {says:?}", facts.id);
            let passed = queue.entries.get(&facts.id).map_or(0, |entry| entry.phase.passed());
            ensure!(passed == facts.age, "{:?} has the wrong age {passed}", facts.id);
        }
        ensure!(queue.len() == self.open.len(), "the queue holds {} of {}", queue.len(), self.open.len());
        ensure!(queue.active() as usize == self.active(), "active is miscounted");
        self.check_positions(queue)
    }

    fn gives_place(event: &Event) -> bool {
        matches!(event, Event::Assigned { .. } | Event::Resumed { .. })
    }

    fn root_of(&self, facts: &Facts) -> Option<DispatchId> {
        let mut root = self.facts(facts.parent?)?;
        while let Some(parent) = root.parent.and_then(|parent| self.facts(parent)) {
            root = parent;
        }
        Some(root.id)
    }

    fn follow_grant(&mut self, event: &Event) -> Result<(), String> {
        let Event::Assigned { lease, granted, budget, .. } = event else { return Ok(()) };
        let Some(facts) = self.facts(lease.dispatch) else { return Ok(()) };
        let grant = match facts.parent {
            None => self.ledger.grant(&self.open, facts),
            Some(_) => Some(facts.granted),
        };
        ensure!(grant == Some(*granted), "{event:?} while {grant:?} is there for it");
        for facts in self.open.iter_mut().filter(|facts| facts.id == lease.dispatch) {
            (facts.granted, facts.begun) = (*granted, true);
            facts.before = facts.before.plus(std::mem::take(&mut facts.own));
            ensure!(*budget == granted.less(facts.total()), "{event:?} with the wrong budget");
        }
        Ok(())
    }

    fn follow_ends(&mut self, events: &[Event]) -> Result<(), String> {
        for event in events {
            let Event::Ended { id, state, failure, granted, spent, .. } = event else { continue };
            ensure!(state.is_end(), "{event:?} is no end");
            ensure!(
                failure.is_some() == (*state != DispatchState::Done),
                "{event:?} gives no reason, or one too many"
            );
            ensure!(self.facts(*id).is_some(), "{event:?} of nothing open");
            let child = self.open.iter().find(|facts| facts.parent == Some(*id));
            ensure!(child.is_none(), "{event:?} before its child {child:?}");
            ensure!(self.ended.insert(*id, *state).is_none(), "{id:?} ended twice");
            let Some(at) = self.open.iter().position(|facts| facts.id == *id) else { continue };
            let gone = self.open.remove(at);
            let (own, total) = (gone.before.plus(gone.own), gone.total());
            ensure!((*granted, *spent) == (gone.granted, total), "{event:?} and not {gone:?}");
            let root = self.root_of(&gone);
            let of_root = root.and_then(|root| self.facts(root)).unwrap_or(&gone).granted;
            self.ledger.charge(&gone.key, own);
            for facts in &mut self.open {
                if Some(facts.id) == gone.parent && !facts.granted.is_unlimited() {
                    facts.below = facts.below.plus(total);
                }
                if Some(facts.id) == root && !facts.granted.is_unlimited() {
                    facts.settled = facts.settled.plus(own);
                }
            }
            if of_root.tokens.is_none() || of_root.cost_microusd.is_none() {
                // It had begun before anything was limited.
                self.ledger.forgive(&self.open);
            }
        }
        Ok(())
    }

    /// Where each stood before places were given: where it stands now, but for those that were given one.
    fn look(&mut self, queue: &Queue, places: &[Event]) -> Result<(), String> {
        let placed = |id: DispatchId| {
            places.iter().find_map(|event| match event {
                Event::Assigned { lease, .. } if lease.dispatch == id => Some(DispatchState::Pending),
                Event::Resumed { lease, .. } if lease.dispatch == id => Some(DispatchState::Retaking),
                Event::Assigned { .. }
                | Event::Resumed { .. }
                | Event::CancelWork { .. }
                | Event::Ended { .. } => None,
            })
        };
        for facts in &mut self.open {
            let is =
                queue.state(facts.id).ok_or_else(|| format!("{:?} is gone and never ended", facts.id))?;
            let before = placed(facts.id).unwrap_or(is);
            facts.astray = queue.entries.get(&facts.id).is_some_and(|entry| entry.moving.is_astray());
            let waits = is == DispatchState::Pending && facts.movable;
            ensure!(!facts.astray || waits, "{facts:?} is astray and is {is:?}");
            if before != facts.state {
                (facts.state, facts.age, facts.retaking_since) = (before, 0, self.step);
            }
        }
        Ok(())
    }

    fn check_positions(&self, queue: &Queue) -> Result<(), String> {
        let mut before: BTreeMap<&Party, u32> = BTreeMap::new();
        for facts in &self.open {
            let pending = facts.state == DispatchState::Pending;
            let n = before.entry(&facts.key).or_default();
            let says = if pending { *n } else { 0 };
            *n += u32::from(pending);
            let is = queue.position(facts.id);
            ensure!(is == says, "{:?} has position {is} instead of {says}", facts.id);
        }
        Ok(())
    }
}
