//! Work that nobody has begun, and for how long it has waited.

use std::collections::BTreeMap;

use nexus_wire::hands::WaitingFor;
use nexus_wire::{HandRef, Ms};

use super::Queue;

impl Queue {
    /// Of each Hand the work that has waited the longest for its first worker: since when, and for what.
    pub fn longest_waits(&self) -> BTreeMap<&HandRef, (Ms, WaitingFor)> {
        let mut longest = BTreeMap::new();
        // All of a lane wait for the same.
        for (lane, line) in self.index.pending.values().flatten() {
            let first = line.values().filter_map(|id| self.entries.get(id)).find(|entry| entry.attempt == 0);
            let Some((since, id)) = first.map(|entry| (entry.accepted_at, entry.id)) else { continue };
            let Some(why) = self.waiting_for(id) else { continue };
            let before = longest.entry(&lane.hand).or_insert((since, why));
            // Of two that have waited as long as each other, one that waits for money says less.
            if (since, why == WaitingFor::Budget) < (before.0, before.1 == WaitingFor::Budget) {
                *before = (since, why);
            }
        }
        longest
    }
}
