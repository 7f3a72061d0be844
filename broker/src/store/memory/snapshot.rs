//! What a hub is rebuilt from, out of memory.

use super::{MemoryStore, head, oversight};
use crate::hub::records::{Reads, Snapshot, Stored};

pub(super) fn of(store: &MemoryStore) -> Stored<Snapshot> {
    Ok(Snapshot {
        last_at: store.last_at,
        log_seq: store.log.last().map_or(0, |row| row.seq),
        started_at: store.started_at,
        aspects: store.aspects()?,
        operators: store.operators()?,
        open_dispatches: store
            .open_dispatches
            .iter()
            .filter_map(|id| store.dispatches.get(id))
            .map(head)
            .collect(),
        clocks: store.clocks.clone(),
        open_approvals: oversight::open_approvals(store),
        open_gathers: oversight::open_gathers(store),
        open_runs: store.flows.open(),
        purses: store.purses.values().cloned().collect(),
        spending_day: store.spending_day.clone(),
        pushes: store.pushes.values().cloned().collect(),
        open_alerts: store.alerts.values().filter(|alert| alert.cleared_at.is_none()).cloned().collect(),
        setup: store.setup,
        invitations: store.invitations.values().cloned().collect(),
        assertions: store.assertions.iter().copied().collect(),
        credentials: store.credentials.values().cloned().collect(),
        triggers: store.triggers.by_name.values().cloned().collect(),
        open_slots: store.triggers.open_slots(),
    })
}
