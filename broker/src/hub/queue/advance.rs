//! Who is next: eligibility, the order of places, ageing.

use nexus_wire::{DispatchId, HandRef, Ms, Party, limits};

use super::entry::{Entry, Phase};
use super::{Event, Queue};

/// The oldest eligible item of one key.
struct Head {
    key: Party,
    seq: u64,
    id: DispatchId,
}

enum Choice {
    Retake(DispatchId),
    Item(DispatchId),
}

impl Queue {
    /// Gives places until nothing moves. Of several orders that keep every key served, this one was simulated:
    /// aged items, retakes, items of idle keys, and any others only below the soft cap.
    pub(super) fn advance(&mut self, now: Ms) {
        while self.index.active < self.hard_cap() {
            let heads = self.heads();
            let Some(choice) = self.choose(&heads) else { return };
            match choice {
                Choice::Retake(id) => {
                    self.pass_over(&heads, id, None);
                    self.resume(id, now);
                }
                Choice::Item(id) => {
                    self.pass_over(&heads, id, self.entries.get(&id).map(|entry| entry.seq));
                    self.assign(id, now);
                }
            }
        }
    }

    fn choose(&self, heads: &[Head]) -> Option<Choice> {
        let oldest = |of: &mut dyn Iterator<Item = &Head>| of.min_by_key(|head| head.seq).map(|head| head.id);
        self.oldest_aged()
            .map(Choice::Item)
            .or_else(|| self.first_retake().map(Choice::Retake))
            .or_else(|| oldest(&mut heads.iter().filter(|h| self.index.is_idle(&h.key))).map(Choice::Item))
            .or_else(|| {
                let below = self.index.active < self.soft_cap();
                below.then(|| oldest(&mut heads.iter())).flatten().map(Choice::Item)
            })
    }

    fn oldest_aged(&self) -> Option<DispatchId> {
        self.index.aged.values().copied().find(|id| {
            self.entries.get(id).is_some_and(|entry| {
                !entry.moving.is_astray()
                    && self.has_place(&entry.hand)
                    && self.may_spend(&entry.hand)
                    && (!entry.is_root() || self.may_begin(entry))
            })
        })
    }

    fn first_retake(&self) -> Option<DispatchId> {
        let may = |id: &DispatchId| {
            self.entries.get(id).is_some_and(|e| self.has_place(&e.hand) && self.may_go_on(&e.hand))
        };
        self.index.retakes.values().copied().find(may)
    }

    fn heads(&self) -> Vec<Head> {
        let mut heads = Vec::new();
        for (key, lanes) in &self.index.pending {
            let may_begin_tree = self.may_begin_tree(key);
            let eligible = lanes.iter().filter(|(lane, _)| !lane.astray && (!lane.root || may_begin_tree));
            let paid = eligible.filter(|(lane, _)| self.lane_affords(key, lane));
            let open = paid.filter(|(lane, _)| self.has_place(&lane.hand));
            if let Some((seq, id)) = open.filter_map(|(_, line)| line.first_key_value()).min() {
                heads.push(Head { key: key.clone(), seq: *seq, id: *id });
            }
        }
        heads
    }

    /// Its host is live with a slot free, and offers the Hand with a place free.
    pub(super) fn has_place(&self, hand: &HandRef) -> bool {
        self.hosts.get(&hand.aspect).is_some_and(|offer| {
            self.index.running_on(&hand.aspect) < offer.slots
                && offer.hands.get(&hand.hand).is_some_and(|most| self.index.running_of(hand) < *most)
        })
    }

    /// A tree has begun while its root has a worker. A root that waits for its next attempt has neither worker
    /// nor children, and begins again: counted as begun, as many of them as the cap would block each other.
    fn may_begin_tree(&self, key: &Party) -> bool {
        self.index.trees_of(key) < self.hard_cap()
    }

    fn may_begin(&self, root: &Entry) -> bool {
        self.may_begin_tree(&root.key)
            && root.asked().is_none_or(|asked| self.grant(&root.key, asked).is_some())
    }

    /// Ages the heads of other keys: by every retake, and by an item only if it is younger than they are.
    fn pass_over(&mut self, heads: &[Head], taken: DispatchId, taken_seq: Option<u64>) {
        let Some(key) = self.entries.get(&taken).map(|entry| entry.key.clone()) else { return };
        for head in heads {
            let older = taken_seq.is_none_or(|seq| head.seq < seq);
            if head.key != key && older {
                self.edit(head.id, |entry| {
                    if let Phase::Pending { passed } = &mut entry.phase {
                        *passed = (*passed + 1).min(limits::AGED_AT);
                    }
                });
            }
        }
    }

    fn assign(&mut self, id: DispatchId, now: Ms) {
        let lease_until = now.saturating_add(self.config.lease_ms);
        let Some(entry) = self.entries.get(&id) else { return };
        // It was eligible, so there is one for a root that begins.
        let grant = entry.asked().and_then(|asked| self.grant(&entry.key, asked));
        self.update(id, |entry| {
            entry.account.granted = grant.unwrap_or(entry.account.granted);
            entry.attempt += 1;
            entry.waits = 0;
            entry.refused = false;
            entry.run(entry.timeout_ms, lease_until, now);
        });
        if let Some(entry) = self.entries.get(&id) {
            let (lease, host, granted) = (entry.lease(), entry.host().clone(), entry.account.granted);
            let budget = entry.account.left(self.index.lent_by(id));
            self.events.push(Event::Assigned { lease, host, granted, budget });
        }
    }

    fn resume(&mut self, id: DispatchId, now: Ms) {
        self.update(id, |entry| {
            if let Phase::Retaking { left_ms, lease_until, .. } = entry.phase {
                entry.run(left_ms, lease_until, now);
            }
        });
        if let Some(entry) = self.entries.get(&id) {
            let (lease, wait, host) = (entry.lease(), entry.waits, entry.host().clone());
            self.events.push(Event::Resumed { lease, wait, host });
        }
    }
}
