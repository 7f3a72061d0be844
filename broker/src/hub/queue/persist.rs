//! The queue as rows: one JSON text for each unended dispatch, rewritten when its own standing changes, and the
//! clocks that move without it. Restoring them gives the queue that wrote them.

use std::collections::BTreeMap;

use nexus_wire::{AspectName, DispatchId, Ms};
use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::entry::{Entry, Phase};
use super::{Offer, Purse, PurseKey, Queue, QueueConfig};

/// What a batch must write.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Changes {
    /// The new state of each dispatch that changed; `None`: it has ended.
    pub dispatches: BTreeMap<DispatchId, Option<String>>,
    /// The clock of each dispatch of which it changed; `None`: it has none any more.
    pub clocks: ClockChanges,
    /// The purses that changed; `None`: there is none any more.
    pub purses: BTreeMap<PurseKey, Option<Purse>>,
}

pub type ClockChanges = BTreeMap<DispatchId, Option<Clock>>;

/// What moves of a dispatch while its row stays.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Clock {
    LeaseUntil(Ms),
    /// How often it was passed over, once it was.
    Passed(u32),
}

/// All clocks of a queue.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(default)]
pub struct Clocks {
    leases: BTreeMap<DispatchId, Ms>,
    passed: BTreeMap<DispatchId, u32>,
}

impl Clocks {
    pub fn change(&mut self, changes: &ClockChanges) {
        for (id, clock) in changes {
            self.leases.remove(id);
            self.passed.remove(id);
            match clock {
                Some(Clock::LeaseUntil(until)) => _ = self.leases.insert(*id, *until),
                Some(Clock::Passed(times)) => _ = self.passed.insert(*id, *times),
                None => {}
            }
        }
    }
}

#[derive(Debug, Error)]
pub enum RestoreError {
    #[error("the queue state of a dispatch cannot be read: {0}")]
    Entry(#[source] serde_json::Error),
    #[error("dispatch {0}, or its place in the queue, is there twice")]
    Twice(DispatchId),
    #[error("dispatch {0} is open and its parent is not")]
    Orphan(DispatchId),
    #[error("dispatch {0} is held by a worker and has no lease")]
    NoLease(DispatchId),
}

impl Queue {
    /// What has changed since the last call. A failure is a defect: nothing in an entry is unfit for JSON.
    pub fn take_changes(&mut self) -> serde_json::Result<Changes> {
        let mut dispatches = BTreeMap::new();
        for id in std::mem::take(&mut self.changed) {
            let state = self.entries.get(&id).map(serde_json::to_string).transpose()?;
            dispatches.insert(id, state);
        }
        let moved = std::mem::take(&mut self.clocks_changed);
        let clocks = moved.into_iter().map(|id| (id, self.entries.get(&id).and_then(clock))).collect();
        let purses = std::mem::take(&mut self.purses_changed)
            .into_iter()
            .map(|key| (key.clone(), self.purses.get(&key).cloned()))
            .collect();
        Ok(Changes { dispatches, clocks, purses })
    }

    /// The queue whose changes these were. `live` are the aspects that have a link.
    pub fn restore<'a>(
        config: QueueConfig,
        live: impl IntoIterator<Item = (AspectName, Offer)>,
        entries: impl IntoIterator<Item = &'a str>,
        clocks: &Clocks,
    ) -> Result<Self, RestoreError> {
        let mut queue = Self::new(config);
        queue.hosts.extend(live);
        for text in entries {
            let entry: Entry = serde_json::from_str(text).map_err(RestoreError::Entry)?;
            let id = entry.id;
            if queue.entries.insert(id, entry).is_some() {
                return Err(RestoreError::Twice(id));
            }
        }
        for id in queue.entries.keys().copied().collect::<Vec<_>>() {
            queue.restore_entry(id, clocks)?;
        }
        Ok(queue)
    }

    /// Puts back what an entry's own row does not say.
    fn restore_entry(&mut self, id: DispatchId, clocks: &Clocks) -> Result<(), RestoreError> {
        let Some(mut entry) = self.entries.remove(&id) else { return Ok(()) };
        if entry.parent.is_some_and(|parent| !self.entries.contains_key(&parent)) {
            return Err(RestoreError::Orphan(id));
        }
        if entry.phase.lease_until().is_some() {
            let until = clocks.leases.get(&id).ok_or(RestoreError::NoLease(id))?;
            entry.phase.set_lease_until(*until);
        }
        match &mut entry.phase {
            Phase::Pending { passed } => *passed = clocks.passed.get(&id).copied().unwrap_or(0),
            // A child that ended is gone from the entries; its parent's row was not rewritten for that.
            Phase::Waiting { on, .. } | Phase::Unreachable { yielded: Some(on), .. } => {
                on.retain(|child| self.entries.contains_key(child));
            }
            Phase::Running { .. } | Phase::Retaking { .. } | Phase::Unreachable { yielded: None, .. } => {}
        }
        if !self.index.add_new(&entry) {
            return Err(RestoreError::Twice(id));
        }
        self.entries.insert(id, entry);
        Ok(())
    }
}

pub(super) fn clock(entry: &Entry) -> Option<Clock> {
    let passed = entry.phase.passed();
    match entry.phase.lease_until() {
        Some(until) => Some(Clock::LeaseUntil(until)),
        None => (passed > 0).then_some(Clock::Passed(passed)),
    }
}
