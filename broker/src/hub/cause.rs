//! What has led to what: the triggers behind a slot, a run, a dispatch, an entry of the log, the nearest first.
//!
//! Nothing that a trigger has led to fires it again, and a line of them has an end, so whatever people define, what
//! it sets off ends. The line goes with the work: a slot and a run keep theirs, and what is written down while one of
//! them is at work belongs to it.

use nexus_wire::limits::TRIGGER_LINE_MAX;
use nexus_wire::log::{LogBody, LogEntry};
use nexus_wire::{ApprovalId, DispatchId, ItemId, TriggerName, derive};
use uuid::Uuid;

use super::filter::kind_of;
use super::records::{Store, Stored, Watched, Which};
use super::step::Step;

/// Dispatches that are looked at for the one that an item is of: those accepted in the same millisecond.
const SAME_TIME_MAX: u32 = 256;

/// The line of those that led to something, with one more.
pub(super) fn longer(name: &TriggerName, before: &[TriggerName]) -> Vec<TriggerName> {
    std::iter::once(name).chain(before).take(TRIGGER_LINE_MAX).cloned().collect()
}

/// Whether that line may lead on to this trigger.
pub(super) fn may_lead_to(line: &[TriggerName], name: &TriggerName) -> bool {
    line.len() < TRIGGER_LINE_MAX && !line.contains(name)
}

impl<S: Store> Step<'_, S> {
    /// What is done within `act` is what this line has led to.
    pub(super) fn caused<T>(&mut self, by: Vec<TriggerName>, act: impl FnOnce(&mut Self) -> T) -> T {
        let before = self.causes.replace(by);
        let result = act(self);
        self.causes = before;
        result
    }

    /// Which triggers have led to an entry of the log.
    pub(super) fn causes_of(&self, entry: &LogEntry) -> Stored<Vec<TriggerName>> {
        if let Some(causes) = &self.causes {
            return Ok(causes.clone());
        }
        if let Some(line) = entry.thread.and_then(|thread| self.hub.triggers.line_of_thread(thread)) {
            return Ok(line);
        }
        match &entry.body {
            LogBody::DispatchAccepted(info) => self.causes_of_dispatch(info.root),
            LogBody::DispatchAssigned { dispatch, .. } => self.causes_of_dispatch(*dispatch),
            LogBody::DispatchEnded(outcome) => self.causes_of_dispatch(outcome.dispatch),
            LogBody::ItemClosed(close) => self.causes_of_item(close.item),
            LogBody::Other { subject, .. } => self.causes_of_subject(kind_of(&entry.body), subject),
            // These are of a thread, or are raised while what has led to them is at work.
            LogBody::Message(_) | LogBody::ItemTaken(_) | LogBody::Reacted(_) | LogBody::Alert(_) => {
                Ok(Vec::new())
            }
        }
    }

    /// By the root of its tree: a slot's, or a step's of a run.
    fn causes_of_dispatch(&self, id: DispatchId) -> Stored<Vec<TriggerName>> {
        let Some(record) = self.store.dispatch_head(id)? else { return Ok(Vec::new()) };
        let root = record.info.root;
        if let Some(line) = self.hub.triggers.line_of(Watched::Dispatch(root)) {
            return Ok(line);
        }
        let root = if root == id { Some(record) } else { self.store.dispatch_head(root)? };
        let Some(run) = root.and_then(|root| root.info.run) else { return Ok(Vec::new()) };
        Ok(self.store.run(run)?.map(|run| run.info.causes).unwrap_or_default())
    }

    fn causes_of_item(&self, item: ItemId) -> Stored<Vec<TriggerName>> {
        if let Some(line) = self.hub.triggers.line_of(Watched::Item(item)) {
            return Ok(line);
        }
        match self.dispatch_of_item(item)? {
            Some(id) => self.causes_of_dispatch(id),
            None => Ok(Vec::new()),
        }
    }

    /// The dispatch that an item is about. The id of the item derives from that of the dispatch, whose time it has.
    fn dispatch_of_item(&self, item: ItemId) -> Stored<Option<DispatchId>> {
        let mut last = [0xff; 16];
        last[..6].copy_from_slice(&item.0.as_bytes()[..6]);
        let last = DispatchId(Uuid::from_bytes(last));
        let near = self.store.dispatches(Which::All, Some(last), SAME_TIME_MAX)?;
        let is_of = |id: DispatchId, attempts: u32| {
            let of_attempt = |attempt: u32| {
                ["assignment", "cancel"].map(|what| derive::dispatch_item(id, what, u64::from(attempt)))
            };
            derive::dispatch_item(id, "result", 0) == item
                || (1..=attempts).any(|attempt| of_attempt(attempt).contains(&item))
        };
        let same = near.iter().take_while(|info| info.id.0.as_bytes()[..6] == item.0.as_bytes()[..6]);
        Ok(same.filter(|info| is_of(info.id, info.attempt)).map(|info| info.id).next())
    }

    /// Of an entry that names what it is about and no more.
    fn causes_of_subject(&self, kind: &str, subject: &str) -> Stored<Vec<TriggerName>> {
        if kind.starts_with("dispatch.") {
            return subject.parse().map_or_else(|_| Ok(Vec::new()), |id| self.causes_of_dispatch(id));
        }
        if !kind.starts_with("approval.") {
            return Ok(Vec::new());
        }
        let Ok(id) = subject.parse::<ApprovalId>() else { return Ok(Vec::new()) };
        let Some(record) = self.store.approval(id)? else { return Ok(Vec::new()) };
        match (record.info.run, record.info.lease) {
            (Some(run), _) => Ok(self.store.run(run)?.map(|run| run.info.causes).unwrap_or_default()),
            (None, Some(lease)) => self.causes_of_dispatch(lease.dispatch),
            (None, None) => Ok(Vec::new()),
        }
    }
}
