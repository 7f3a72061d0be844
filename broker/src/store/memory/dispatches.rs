//! How a dispatch is kept, and what is shown of it without its contents.

use super::MemoryStore;
use super::undo::Undo;
use crate::hub::records::{DispatchRecord, without_contents};

impl MemoryStore {
    pub(super) fn set_dispatch(&mut self, record: DispatchRecord) {
        let id = record.info.id;
        if record.queue.is_some() {
            self.open_dispatches.insert(id);
        } else {
            self.open_dispatches.remove(&id);
        }
        let old = self.dispatches.insert(id, record);
        self.undo.push(Undo::Dispatch(id, old.map(Box::new)));
    }
}

/// Without input and output.
pub(super) fn head(record: &DispatchRecord) -> DispatchRecord {
    // Spelled out so that what is left out is never copied.
    let DispatchRecord {
        info,
        queue,
        timeout_s,
        assigned_offset,
        wait_request,
        clamped,
        why,
        refused_sha256,
        cancel,
        trace,
        request_sha256,
    } = record;
    DispatchRecord {
        info: without_contents(info),
        queue: queue.clone(),
        timeout_s: *timeout_s,
        assigned_offset: *assigned_offset,
        wait_request: *wait_request,
        clamped: *clamped,
        why: why.clone(),
        refused_sha256: *refused_sha256,
        cancel: cancel.clone(),
        trace: trace.clone(),
        request_sha256: *request_sha256,
    }
}
