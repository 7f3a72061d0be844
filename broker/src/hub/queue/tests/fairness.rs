//! Nobody waits for ever: the number of assignments and completions that can come before an item has a bound.

use std::collections::BTreeMap;

use nexus_wire::DispatchId;

use super::super::{Event, NewDispatch, Queue, Verdict};
use super::harness::{aspect, config, hand, offer, party};
use super::world::Dice;

/// What an item may have to let go first: everything pending when it came, and for each item of its own key
/// up to itself, eight of anybody's; between two assignments as many may complete as are over the soft cap.
#[derive(Debug)]
struct Bound {
    assignments: usize,
    completions: usize,
}

#[derive(Debug)]
struct Crowd {
    queue: Queue,
    dice: Dice,
    made: u128,
    pending: BTreeMap<DispatchId, Bound>,
    fault: String,
}

impl Crowd {
    fn arrive(&mut self, key: &str) {
        self.made += 1;
        let id = DispatchId(uuid::Uuid::from_u128(self.made));
        let before = self.pending.len();
        let new = NewDispatch {
            id,
            hand: hand("wren/read"),
            idempotent: false,
            movable: false,
            timeout_ms: 1_000,
            deadline_at: 1_000,
            invoker: party(key),
            parent: None,
            budget: nexus_wire::budget::Budget::default(),
            parent_used: nexus_wire::budget::Spending::default(),
        };
        self.queue.accept(new, 0).unwrap();
        let own = self.queue.position(id) as usize + 1;
        let assignments = before + 8 * own;
        let over = (self.queue.hard_cap() - self.queue.soft_cap()) as usize;
        let completions = assignments + over + self.queue.active() as usize;
        self.pending.insert(id, Bound { assignments, completions });
        self.follow(false);
    }

    fn complete(&mut self, host: &str) {
        let Some(lease) = self.dice.pick(&self.queue.leases(&aspect(host))) else { return };
        self.queue.result(lease, &aspect(host), Verdict::Done, Default::default(), 0).unwrap();
        self.follow(true);
    }

    fn follow(&mut self, completed: bool) {
        for event in self.queue.take_events() {
            if let Event::Assigned { lease, .. } = event {
                self.pending.remove(&lease.dispatch);
                for (id, bound) in &mut self.pending {
                    let left = bound.assignments.checked_sub(1);
                    bound.assignments = left.unwrap_or_else(|| panic!("{}: {id:?} starves", self.fault));
                }
            }
        }
        for (id, bound) in &mut self.pending {
            let left = bound.completions.checked_sub(usize::from(completed));
            bound.completions = left.unwrap_or_else(|| panic!("{}: {id:?} waits too long", self.fault));
        }
    }
}

/// A few keys want more than there is, others come and go with one item each and are always idle: those go
/// first, and still nobody is passed over for ever.
#[test]
fn every_item_is_assigned_within_its_bound() {
    for seed in 0..60 {
        let mut dice = Dice(seed);
        let mut queue = Queue::new(config(1 + dice.below(4) as u32));
        for host in ["wren", "forge", "keel", "harrow"].iter().take(1 + dice.below(4) as usize) {
            queue.register(&aspect(host), offer(64, &[("read", 64)]), &[], 0);
        }
        let greedy = 1 + dice.below(4);
        let mut crowd =
            Crowd { queue, dice, made: 0, pending: BTreeMap::new(), fault: format!("seed {seed}") };
        for step in 0..400 {
            for _ in 0..crowd.dice.below(3) {
                if crowd.pending.len() < 40 {
                    let n = crowd.dice.below(greedy);
                    crowd.arrive(&format!("operator/greedy{n}"));
                }
            }
            if crowd.dice.one_in(2) {
                crowd.arrive(&format!("operator/passer{step}"));
            }
            crowd.complete("wren");
        }
        while !crowd.queue.is_empty() {
            crowd.complete("wren");
        }
        assert!(crowd.pending.is_empty());
    }
}

/// Two keys, one with hundreds in the queue: the other's single items do not notice.
#[test]
fn a_long_queue_of_one_key_does_not_delay_an_idle_one() {
    let mut queue = Queue::new(config(3));
    queue.register(&aspect("wren"), offer(64, &[("read", 64)]), &[], 0);
    let mut crowd =
        Crowd { queue, dice: Dice(7), made: 0, pending: BTreeMap::new(), fault: "two keys".into() };
    for _ in 0..250 {
        crowd.arrive("keel");
    }
    for _ in 0..100 {
        crowd.arrive("forge");
        let mut completions = 0;
        while crowd.queue.position(DispatchId(uuid::Uuid::from_u128(crowd.made))) > 0
            || crowd.pending.contains_key(&DispatchId(uuid::Uuid::from_u128(crowd.made)))
        {
            crowd.complete("wren");
            completions += 1;
        }
        assert!(completions <= 4, "waited for {completions} completions");
        crowd.complete("wren");
        while crowd.queue.placement(DispatchId(uuid::Uuid::from_u128(crowd.made))).is_some() {
            crowd.complete("wren");
        }
    }
}
