//! Work that nobody has begun, and for how long it has waited.

use std::collections::BTreeMap;

use nexus_wire::hands::WaitingFor;
use nexus_wire::{HandRef, Ms};

use super::Queue;

impl Queue {
    /// Of each Hand the work that has waited the longest for its first worker: since when, and for what. Work that waits for
    /// money is not among it.
    pub fn longest_waits(&self) -> BTreeMap<&HandRef, (Ms, WaitingFor)> {
        let mut longest = BTreeMap::new();
        // All of a lane wait for the same.
        for (lane, line) in self.index.pending.values().flatten() {
            let first = line.values().filter_map(|id| self.entries.get(id)).find(|entry| entry.attempt == 0);
            let Some((since, id)) = first.map(|entry| (entry.accepted_at, entry.id)) else { continue };
            match self.waiting_for(id) {
                None | Some(WaitingFor::Budget) => {}
                Some(why) => {
                    let before = longest.entry(&lane.hand).or_insert((since, why));
                    if since < before.0 {
                        *before = (since, why);
                    }
                }
            }
        }
        longest
    }
}
