//! Reads of alerts, of what is asked of people, and of gathers.

use std::cmp::Reverse;

use nexus_wire::ApprovalId;
use nexus_wire::alert::Alert;
use nexus_wire::approval::ApprovalInfo;

use super::MemoryStore;
use crate::hub::records::{ApprovalRecord, GatherRecord};

pub(super) fn alerts(store: &MemoryStore, all: bool, before: Option<u64>, limit: u32) -> Vec<Alert> {
    let wanted = |alert: &&Alert| {
        (all || alert.cleared_at.is_none()) && before.is_none_or(|before| alert.seq < before)
    };
    let mut found: Vec<Alert> = store.alerts.values().filter(wanted).cloned().collect();
    found.sort_by_key(|alert| Reverse(alert.seq));
    found.truncate(limit as usize);
    found
}

pub(super) fn approvals(
    store: &MemoryStore,
    all: bool,
    before: Option<ApprovalId>,
    limit: u32,
) -> Vec<ApprovalInfo> {
    let is_before = |info: &&ApprovalInfo| before.is_none_or(|before| info.id < before);
    let found = store.approvals.values().rev().map(|record| &record.info);
    let wanted = found.filter(|info| all || info.ended_at.is_none()).filter(is_before);
    wanted.take(limit as usize).cloned().collect()
}

pub(super) fn open_approvals(store: &MemoryStore) -> Vec<ApprovalRecord> {
    store.approvals.values().filter(|record| record.info.ended_at.is_none()).cloned().collect()
}

pub(super) fn open_gathers(store: &MemoryStore) -> Vec<GatherRecord> {
    store.gathers.values().filter(|record| record.info.ended_at.is_none()).cloned().collect()
}
