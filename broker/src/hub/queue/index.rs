//! What is counted and looked up, kept in step with the entries: each is taken out before it changes and put
//! back after, so that the index is a function of the entries and needs no remembering.

use std::collections::{BTreeMap, BTreeSet};

use nexus_wire::budget::{Budget, Spending};
use nexus_wire::{AspectName, DispatchId, HandRef, Ms, Party, limits};

use super::entry::{Entry, Moving, Phase};

/// Which clock of a dispatch runs out; of those that do at once, the first here counts.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(super) enum Timer {
    Deadline,
    Timeout,
    Lease,
}

/// Pending items of one key that are eligible or not all together.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(super) struct Lane {
    pub(super) hand: HandRef,
    pub(super) root: bool,
    /// Of a root that has not begun: what it asks for.
    pub(super) asked: Option<Budget>,
    /// Given to nobody until another was looked for.
    pub(super) astray: bool,
}

/// By `seq`, oldest first.
pub(super) type Line = BTreeMap<u64, DispatchId>;

#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Index {
    /// Everything unended.
    order: Line,
    children: BTreeMap<DispatchId, Line>,
    pub(super) timers: BTreeSet<(Ms, Timer, DispatchId)>,
    /// Those whose deadline stands still.
    pub(super) standing: BTreeSet<DispatchId>,
    pub(super) pending: BTreeMap<Party, BTreeMap<Lane, Line>>,
    pending_roots: BTreeMap<Party, u32>,
    /// Pending items that another Hand may do if their host is lost, by that host,
    pub(super) movable: BTreeMap<AspectName, Line>,
    /// those that are looked at first,
    pub(super) astray: Line,
    /// and those that nobody could.
    pub(super) stuck: BTreeSet<DispatchId>,
    pub(super) aged: Line,
    /// By turn.
    pub(super) retakes: BTreeMap<u64, DispatchId>,
    /// Those with a good token, by the aspect that holds it.
    held: BTreeMap<AspectName, BTreeSet<DispatchId>>,
    pub(super) active: u32,
    on_host: BTreeMap<AspectName, u32>,
    of_hand: BTreeMap<HandRef, u32>,
    /// Running, waiting or retaking: what makes a key not idle.
    busy: BTreeMap<Party, u32>,
    /// Roots that have a worker, reachable or not.
    trees: BTreeMap<Party, u32>,
    /// Those with a lease, or passed over at least once.
    pub(super) clocked: BTreeSet<DispatchId>,
    /// Granted to children, by the parent out of whose budget that is.
    lent: BTreeMap<DispatchId, Spending>,
    /// Set aside for trees, by who pays for them, and all together.
    set_aside: BTreeMap<Party, Spending>,
    pub(super) set_aside_all: Spending,
}

impl Index {
    pub(super) fn add(&mut self, entry: &Entry) {
        self.put(entry, true);
    }

    /// False, and nothing done, if the entry's place or turn is taken.
    pub(super) fn add_new(&mut self, entry: &Entry) -> bool {
        let turn_taken = match &entry.phase {
            Phase::Retaking { turn, .. } => self.retakes.contains_key(turn),
            Phase::Pending { .. }
            | Phase::Running { .. }
            | Phase::Waiting { .. }
            | Phase::Unreachable { .. } => false,
        };
        let free = !turn_taken && !self.order.contains_key(&entry.seq);
        if free {
            self.add(entry);
        }
        free
    }

    pub(super) fn remove(&mut self, entry: &Entry) {
        self.put(entry, false);
    }

    fn put(&mut self, entry: &Entry, there: bool) {
        let id = entry.id;
        line(&mut self.order, entry.seq, id, there);
        if let Some(parent) = entry.parent {
            nested(&mut self.children, &parent, there, |l| line(l, entry.seq, id, there), Line::is_empty);
        }
        match entry.stands_since {
            None => member(&mut self.timers, (entry.deadline_at, Timer::Deadline, id), there),
            Some(_) => member(&mut self.standing, id, there),
        }
        self.put_budget(entry, there);
        if let Some(until) = entry.phase.lease_until() {
            member(&mut self.timers, (until, Timer::Lease, id), there);
            member(&mut self.clocked, id, there);
        }
        match &entry.phase {
            Phase::Pending { passed } => self.put_pending(entry, *passed, there),
            Phase::Running { timeout_at, .. } => {
                if entry.asks_since.is_none() {
                    member(&mut self.timers, (*timeout_at, Timer::Timeout, id), there);
                }
                self.active = if there { self.active + 1 } else { self.active.saturating_sub(1) };
                count(&mut self.on_host, entry.host(), there);
                count(&mut self.of_hand, &entry.hand, there);
                count(&mut self.busy, &entry.key, there);
            }
            Phase::Waiting { .. } => count(&mut self.busy, &entry.key, there),
            Phase::Retaking { turn, .. } => {
                line(&mut self.retakes, *turn, id, there);
                count(&mut self.busy, &entry.key, there);
            }
            Phase::Unreachable { .. } => {}
        }
        if !entry.phase.is_pending() {
            nested(&mut self.held, entry.host(), there, |s| member(s, id, there), BTreeSet::is_empty);
            if entry.is_root() {
                count(&mut self.trees, &entry.key, there);
            }
        }
    }

    fn put_budget(&mut self, entry: &Entry, there: bool) {
        if !entry.account.is_limited() {
            return;
        }
        match entry.parent {
            Some(parent) => amount(&mut self.lent, &parent, entry.account.granted.amount(), there),
            None => {
                let kept = entry.account.set_aside();
                amount(&mut self.set_aside, &entry.key, kept, there);
                let all = self.set_aside_all;
                self.set_aside_all = if there { all.plus(kept) } else { all.minus(kept) };
            }
        }
    }

    fn put_pending(&mut self, entry: &Entry, passed: u32, there: bool) {
        let astray = entry.moving.is_astray();
        let lane = Lane { hand: entry.hand.clone(), root: entry.is_root(), asked: entry.asked(), astray };
        let into_lane = |lanes: &mut BTreeMap<Lane, Line>| {
            nested(lanes, &lane, there, |l| line(l, entry.seq, entry.id, there), Line::is_empty);
        };
        nested(&mut self.pending, &entry.key, there, into_lane, BTreeMap::is_empty);
        if entry.is_root() {
            count(&mut self.pending_roots, &entry.key, there);
        }
        match entry.moving {
            Moving::No => {}
            Moving::May => {
                let into = |own: &mut Line| line(own, entry.seq, entry.id, there);
                nested(&mut self.movable, entry.host(), there, into, Line::is_empty);
            }
            Moving::Should | Moving::Must => line(&mut self.astray, entry.seq, entry.id, there),
            Moving::Stuck => member(&mut self.stuck, entry.id, there),
        }
        if passed > 0 {
            member(&mut self.clocked, entry.id, there);
        }
        if passed >= limits::AGED_AT {
            line(&mut self.aged, entry.seq, entry.id, there);
        }
    }

    pub(super) fn next_seq(&self) -> u64 {
        next(&self.order)
    }

    pub(super) fn next_turn(&self) -> u64 {
        next(&self.retakes)
    }

    pub(super) fn children_of(&self, id: DispatchId) -> Vec<DispatchId> {
        self.children.get(&id).map(|line| line.values().copied().collect()).unwrap_or_default()
    }

    pub(super) fn child_count(&self, id: DispatchId) -> usize {
        self.children.get(&id).map_or(0, Line::len)
    }

    pub(super) fn held_by(&self, host: &AspectName) -> Vec<DispatchId> {
        self.held.get(host).map(|held| held.iter().copied().collect()).unwrap_or_default()
    }

    pub(super) fn pending_roots_of(&self, key: &Party) -> usize {
        self.pending_roots.get(key).map_or(0, |n| *n as usize)
    }

    pub(super) fn running_on(&self, host: &AspectName) -> u32 {
        self.on_host.get(host).copied().unwrap_or(0)
    }

    pub(super) fn running_of(&self, hand: &HandRef) -> u32 {
        self.of_hand.get(hand).copied().unwrap_or(0)
    }

    /// What is pending for Hands of `host`, in the order of acceptance.
    pub(super) fn pending_for(&self, host: &AspectName) -> Vec<(DispatchId, HandRef)> {
        let mut found = BTreeMap::new();
        for (lane, line) in self.pending.values().flatten().filter(|(lane, _)| lane.hand.aspect == *host) {
            found.extend(line.iter().map(|(seq, id)| (*seq, (*id, lane.hand.clone()))));
        }
        found.into_values().collect()
    }

    pub(super) fn waiting(&self) -> BTreeMap<AspectName, u32> {
        let mut waiting = BTreeMap::new();
        for (lane, line) in self.pending.values().flatten() {
            let count = u32::try_from(line.len()).unwrap_or(u32::MAX);
            let of_host = waiting.entry(lane.hand.aspect.clone()).or_insert(0_u32);
            *of_host = of_host.saturating_add(count);
        }
        waiting
    }

    /// Granted to children of `id` that have not ended.
    pub(super) fn lent_by(&self, id: DispatchId) -> Spending {
        self.lent.get(&id).copied().unwrap_or_default()
    }

    pub(super) fn set_aside_for(&self, payer: &Party) -> Spending {
        self.set_aside.get(payer).copied().unwrap_or_default()
    }

    pub(super) fn trees_of(&self, key: &Party) -> u32 {
        self.trees.get(key).copied().unwrap_or(0)
    }

    pub(super) fn is_idle(&self, key: &Party) -> bool {
        !self.busy.contains_key(key)
    }

    /// Pending items of the same key accepted before a pending `entry`.
    pub(super) fn before(&self, entry: &Entry) -> u32 {
        if !entry.phase.is_pending() {
            return 0;
        }
        let lanes = self.pending.get(&entry.key).into_iter().flat_map(BTreeMap::values);
        let before: usize = lanes.map(|line| line.range(..entry.seq).count()).sum();
        u32::try_from(before).unwrap_or(u32::MAX)
    }
}

fn next(line: &Line) -> u64 {
    line.last_key_value().map_or(0, |(last, _)| last.saturating_add(1))
}

fn line(line: &mut Line, at: u64, id: DispatchId, there: bool) {
    if there {
        line.insert(at, id);
    } else {
        line.remove(&at);
    }
}

fn member<T: Ord>(set: &mut BTreeSet<T>, value: T, there: bool) {
    if there {
        set.insert(value);
    } else {
        set.remove(&value);
    }
}

fn count<K: Clone + Ord>(counts: &mut BTreeMap<K, u32>, key: &K, there: bool) {
    if there {
        *counts.entry(key.clone()).or_default() += 1;
    } else if let Some(n) = counts.get_mut(key) {
        *n -= 1;
        if *n == 0 {
            counts.remove(key);
        }
    }
}

fn amount<K: Clone + Ord>(amounts: &mut BTreeMap<K, Spending>, key: &K, more: Spending, there: bool) {
    let sum = amounts.get(key).copied().unwrap_or_default();
    let sum = if there { sum.plus(more) } else { sum.minus(more) };
    if sum.is_nothing() {
        amounts.remove(key);
    } else {
        amounts.insert(key.clone(), sum);
    }
}

/// Changes the collection under `key`, which exists only while it holds something.
fn nested<K: Clone + Ord, V: Default>(
    map: &mut BTreeMap<K, V>,
    key: &K,
    there: bool,
    change: impl FnOnce(&mut V),
    is_empty: impl FnOnce(&V) -> bool,
) {
    if there {
        change(map.entry(key.clone()).or_default());
    } else if let Some(inner) = map.get_mut(key) {
        change(inner);
        if is_empty(inner) {
            map.remove(key);
        }
    }
}
