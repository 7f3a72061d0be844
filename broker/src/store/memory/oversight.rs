//! Reads of alerts and gathers.

use std::cmp::Reverse;

use nexus_wire::alert::Alert;

use super::MemoryStore;
use crate::hub::records::GatherRecord;

pub(super) fn alerts(store: &MemoryStore, all: bool, before: Option<u64>, limit: u32) -> Vec<Alert> {
    let wanted = |alert: &&Alert| {
        (all || alert.cleared_at.is_none()) && before.is_none_or(|before| alert.seq < before)
    };
    let mut found: Vec<Alert> = store.alerts.values().filter(wanted).cloned().collect();
    found.sort_by_key(|alert| Reverse(alert.seq));
    found.truncate(limit as usize);
    found
}

pub(super) fn open_gathers(store: &MemoryStore) -> Vec<GatherRecord> {
    store.gathers.values().filter(|record| record.info.ended_at.is_none()).cloned().collect()
}
