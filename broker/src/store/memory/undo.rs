//! The way back of an open transaction: what each write replaced, reverted in reverse order.

use nexus_wire::alert::Alert;
use nexus_wire::budget::SpendingDay;
use nexus_wire::knowledge::KnowledgeUsage;
use nexus_wire::name::{FlowName, RegistryName};
use nexus_wire::registry::RegistryChange;
use nexus_wire::run::RunTask;
use nexus_wire::{
    ApprovalId, AspectName, BlobId, CredentialName, DispatchId, GatherId, ItemId, MessageId, Ms,
    OperatorName, Party, RunId, ThreadId, TriggerId, TriggerName,
};
use uuid::Uuid;

use super::MemoryStore;
use super::registries::{HeldRow, RowKey};
use crate::hub::queue::Clocks;
use crate::hub::records::{
    ApprovalRecord, AspectRecord, BlobMention, BlobRecord, ClosedRecord, CredentialRecord, DispatchRecord,
    FlowRecord, GatherRecord, InboxRecord, Invitation, KnowledgePlace, OperatorRecord, Position, Pruned,
    Purse, PurseKey, PushKey, PushRecord, ReactionRecord, RegistryRecord, RunRecord, SetupToken, SlotRecord,
    Stored, ThreadRecord, Transaction, TriggerRecord, UsedAssertion,
};
use crate::store::logged::LoggedRow;

#[derive(Debug)]
pub(super) enum Undo {
    Alert(String, Option<Box<Alert>>),
    Approval(ApprovalId, Option<Box<ApprovalRecord>>),
    Gather(GatherId, Option<Box<GatherRecord>>),
    Flow(FlowName, Option<Box<FlowRecord>>),
    Registry(RegistryName, Option<Box<RegistryRecord>>),
    RegistryRow(RowKey, Option<Box<HeldRow>>),
    RegistryChange((RegistryName, u64), Option<Box<RegistryChange>>),
    Run(RunId, Option<Box<RunRecord>>),
    RunTask((RunId, u32, u32), Option<Box<RunTask>>),
    Answered(Uuid),
    Slot((TriggerId, u64), Option<Box<SlotRecord>>),
    Trigger(TriggerName, Option<Box<TriggerRecord>>),
    Delivery((TriggerId, String), Option<u64>),
    Purse(PurseKey, Option<Box<Purse>>),
    SpendingDay(Option<Box<SpendingDay>>),
    Push(PushKey, Option<Box<PushRecord>>),
    Aspect(AspectName, Option<Box<AspectRecord>>),
    Blob(BlobId, Option<Box<(u64, BlobRecord)>>),
    BlobReference(BlobId, u64),
    BlobMention(BlobId, BlobMention),
    /// The floor there was, and what lay below the new one.
    PrunedInbox(AspectName, u64, Vec<InboxRecord>),
    PrunedLog(Vec<LoggedRow>),
    LastBlob(u64),
    GoneMessage(MessageId, Option<usize>, u64),
    GoneTaken((AspectName, ItemId), Ms),
    GoneClosed((AspectName, ItemId), Box<ClosedRecord>),
    GoneBlobReference(BlobId, u64),
    GoneBlobMention(BlobId, BlobMention),
    ThreadPruned(ThreadId, Option<Pruned>),
    ContentsFloor(u64),
    Position(AspectName, Position),
    Operator(OperatorName, Option<OperatorRecord>),
    Setup(Option<SetupToken>),
    Invitation(OperatorName, Option<Invitation>),
    /// Whether it was there.
    Assertion(UsedAssertion, bool),
    Credential(CredentialName, Option<Box<CredentialRecord>>),
    Thread(ThreadId, Option<Box<ThreadRecord>>),
    Message,
    Item(AspectName),
    Closed((AspectName, ItemId)),
    Taken((AspectName, ItemId)),
    ReadPosition((Party, ThreadId), Option<u64>),
    Reaction((MessageId, String, String), Option<ReactionRecord>),
    Dispatch(DispatchId, Option<Box<DispatchRecord>>),
    Clocks(Clocks),
    Knowledge,
    KnowledgeGrant,
    KnowledgeUsage(KnowledgePlace, Option<KnowledgeUsage>),
    Log,
    LastAt(Ms),
    StartedAt(Ms),
}

pub(super) fn set_position(record: &mut AspectRecord, position: Position) {
    record.tail = position.tail;
    record.cursor = position.cursor;
    record.acked_generation = position.acked_generation;
}

impl Undo {
    pub(super) fn revert(self, store: &mut MemoryStore) {
        match self {
            Self::Answered(key) => _ = store.answered.remove(&key),
            Self::Slot(key, Some(old)) => _ = store.triggers.slots.insert(key, *old),
            Self::Slot(key, None) => _ = store.triggers.slots.remove(&key),
            Self::Delivery(key, Some(old)) => _ = store.triggers.deliveries.insert(key, old),
            Self::Delivery(key, None) => _ = store.triggers.deliveries.remove(&key),
            Self::Trigger(name, Some(old)) => _ = store.triggers.by_name.insert(name, *old),
            Self::Trigger(name, None) => _ = store.triggers.by_name.remove(&name),
            Self::SpendingDay(old) => store.spending_day = old.map(|old| *old),
            Self::Purse(key, Some(old)) => _ = store.purses.insert(key, *old),
            Self::Purse(key, None) => _ = store.purses.remove(&key),
            Self::Push(key, Some(old)) => _ = store.pushes.insert(key, *old),
            Self::Push(key, None) => _ = store.pushes.remove(&key),
            Self::Approval(id, Some(old)) => _ = store.approvals.insert(id, *old),
            Self::Approval(id, None) => _ = store.approvals.remove(&id),
            Self::Gather(id, Some(old)) => _ = store.gathers.insert(id, *old),
            Self::Gather(id, None) => _ = store.gathers.remove(&id),
            Self::Flow(id, Some(old)) => _ = store.flows.flows.insert(id, *old),
            Self::Flow(id, None) => _ = store.flows.flows.remove(&id),
            Self::Registry(name, Some(old)) => _ = store.registries.by_name.insert(name, *old),
            Self::Registry(name, None) => _ = store.registries.by_name.remove(&name),
            Self::RegistryRow(key, Some(old)) => _ = store.registries.rows.insert(key, *old),
            Self::RegistryRow(key, None) => _ = store.registries.rows.remove(&key),
            Self::RegistryChange(key, Some(old)) => _ = store.registries.changes.insert(key, *old),
            Self::RegistryChange(key, None) => _ = store.registries.changes.remove(&key),
            Self::Run(id, Some(old)) => _ = store.flows.runs.insert(id, *old),
            Self::Run(id, None) => _ = store.flows.runs.remove(&id),
            Self::RunTask(key, Some(old)) => _ = store.flows.tasks.insert(key, *old),
            Self::RunTask(key, None) => _ = store.flows.tasks.remove(&key),
            Self::Alert(key, Some(old)) => _ = store.alerts.insert(key, *old),
            Self::Alert(key, None) => _ = store.alerts.remove(&key),
            Self::Aspect(name, Some(old)) => _ = store.aspects.insert(name, *old),
            Self::Aspect(name, None) => _ = store.aspects.remove(&name),
            Self::Blob(id, Some(old)) => _ = store.blobs.insert(id, *old),
            Self::Blob(id, None) => _ = store.blobs.remove(&id),
            Self::BlobReference(id, seq) => _ = store.blob_references.remove(&(id, seq)),
            Self::BlobMention(id, by) => _ = store.blob_mentions.remove(&(id, by)),
            Self::PrunedInbox(name, floor, mut gone) => {
                store.inbox_floors.insert(name.clone(), floor);
                if let Some(items) = store.inboxes.get_mut(&name) {
                    gone.append(items);
                    *items = gone;
                }
            }
            Self::PrunedLog(mut gone) => {
                gone.append(&mut store.log);
                store.log = gone;
                store.checkpoints.pop();
            }
            Self::GoneMessage(id, at, seq) => {
                store.gone.remove(&seq);
                if let Some(at) = at {
                    store.message_at.insert(id, at);
                }
            }
            Self::GoneTaken(key, at) => _ = store.marks.taken.insert(key, at),
            Self::GoneClosed(key, old) => _ = store.closed.insert(key, *old),
            Self::GoneBlobReference(id, seq) => _ = store.blob_references.insert((id, seq)),
            Self::GoneBlobMention(id, by) => _ = store.blob_mentions.insert((id, by)),
            Self::ThreadPruned(id, old) => {
                if let Some(thread) = store.threads.get_mut(&id) {
                    thread.pruned = old;
                }
            }
            Self::ContentsFloor(old) => store.contents_floor = old,
            Self::LastBlob(old) => store.last_blob = old,
            Self::Position(name, old) => {
                if let Some(record) = store.aspects.get_mut(&name) {
                    set_position(record, old);
                }
            }
            Self::Operator(name, Some(old)) => _ = store.operators.insert(name, old),
            Self::Operator(name, None) => _ = store.operators.remove(&name),
            Self::Setup(old) => store.setup = old,
            Self::Invitation(name, Some(old)) => _ = store.invitations.insert(name, old),
            Self::Invitation(name, None) => _ = store.invitations.remove(&name),
            Self::Assertion(used, true) => _ = store.assertions.insert(used),
            Self::Assertion(used, false) => _ = store.assertions.remove(&used),
            Self::Credential(name, Some(old)) => _ = store.credentials.insert(name, *old),
            Self::Credential(name, None) => _ = store.credentials.remove(&name),
            Self::Thread(id, Some(old)) => {
                if let Some(thread) = store.threads.get_mut(&id) {
                    thread.record = *old;
                }
            }
            Self::Thread(id, None) => _ = store.threads.remove(&id),
            Self::Message => {
                if let Some(record) = store.messages.pop() {
                    store.message_at.remove(&record.message.id);
                    if let Some(thread) = store.threads.get_mut(&record.message.thread) {
                        thread.messages.pop();
                    }
                }
            }
            Self::Item(name) => {
                if let Some(items) = store.inboxes.get_mut(&name) {
                    items.pop();
                }
                if let Some(record) = store.aspects.get_mut(&name) {
                    record.tail -= 1;
                }
            }
            Self::Closed(key) => _ = store.closed.remove(&key),
            Self::Taken(key) => _ = store.marks.taken.remove(&key),
            Self::ReadPosition(key, Some(old)) => _ = store.marks.positions.insert(key, old),
            Self::ReadPosition(key, None) => _ = store.marks.positions.remove(&key),
            Self::Reaction(key, Some(old)) => _ = store.marks.reactions.insert(key, old),
            Self::Reaction(key, None) => _ = store.marks.reactions.remove(&key),
            Self::Dispatch(id, old) => {
                let is_open = old.as_ref().is_some_and(|record| record.queue.is_some());
                if is_open {
                    store.open_dispatches.insert(id);
                } else {
                    store.open_dispatches.remove(&id);
                }
                match old {
                    Some(old) => _ = store.dispatches.insert(id, *old),
                    None => _ = store.dispatches.remove(&id),
                }
            }
            Self::Clocks(old) => store.clocks = old,
            Self::Knowledge => _ = store.knowledge.entries.pop(),
            Self::KnowledgeGrant => _ = store.knowledge.grants.pop(),
            Self::KnowledgeUsage(key, Some(old)) => _ = store.knowledge.usage.insert(key, old),
            Self::KnowledgeUsage(key, None) => _ = store.knowledge.usage.remove(&key),
            Self::Log => _ = store.log.pop(),
            Self::LastAt(old) => store.last_at = old,
            Self::StartedAt(old) => store.started_at = old,
        }
    }
}

impl Transaction for MemoryStore {
    fn begin(&mut self) -> Stored<()> {
        self.undo.clear();
        Ok(())
    }

    fn commit(&mut self) -> Stored<()> {
        self.begin_commit()?;
        self.undo.clear();
        Ok(())
    }

    fn rollback(&mut self) -> Stored<()> {
        while let Some(step) = self.undo.pop() {
            step.revert(self);
        }
        Ok(())
    }
}
