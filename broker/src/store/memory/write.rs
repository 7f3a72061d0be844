//! The writing half of the store in memory.

use nexus_wire::alert::Alert;
use nexus_wire::budget::SpendingDay;
use nexus_wire::knowledge::KnowledgeUsage;
use nexus_wire::name::RegistryName;
use nexus_wire::registry::{RegistryChange, RegistryRow};
use nexus_wire::run::RunTask;
use nexus_wire::{
    ApprovalId, AspectName, BlobId, CredentialName, DispatchId, MessageId, Ms, OperatorName, Party, RunId,
    ThreadId, TriggerId, TriggerName, derive,
};

use super::undo::Undo;
use super::{MemoryStore, Thread, absent, undo};
use crate::hub::queue::ClockChanges;
use crate::hub::records::{
    AnsweredRecord, ApprovalRecord, AspectRecord, BlobMention, BlobRecord, Checkpoint, ClosedRecord,
    CredentialRecord, DispatchRecord, FlowRecord, GatherRecord, InboxRecord, Invitation,
    KnowledgeGrantRecord, KnowledgeRecord, LogRecord, MessageRecord, NewItem, OperatorRecord, Position,
    Pruned, Purse, PurseKey, PushKey, PushRecord, ReactionRecord, RegistryRecord, RunRecord, SetupToken,
    SlotRecord, Store, Stored, TakenRecord, ThreadRecord, TriggerRecord, UniqueValue, UsedAssertion,
};
use crate::store::logged::LoggedRow;

impl Store for MemoryStore {
    fn put_approval(&mut self, record: &ApprovalRecord) -> Stored<()> {
        self.begin_write()?;
        let id = record.info.id;
        let old = self.approvals.insert(id, record.clone());
        self.undo.push(Undo::Approval(id, old.map(Box::new)));
        Ok(())
    }

    fn put_flow(&mut self, record: &FlowRecord) -> Stored<()> {
        self.begin_write()?;
        let old = self.flows.flows.insert(record.id.clone(), record.clone());
        self.undo.push(Undo::Flow(record.id.clone(), old.map(Box::new)));
        Ok(())
    }

    fn put_registry(&mut self, record: &RegistryRecord) -> Stored<()> {
        self.begin_write()?;
        self.set_registry(record);
        Ok(())
    }

    fn put_registry_row(
        &mut self,
        name: &RegistryName,
        row: &RegistryRow,
        unique: &[UniqueValue],
    ) -> Stored<()> {
        self.begin_write()?;
        self.set_registry_row(name, row, unique);
        Ok(())
    }

    fn remove_registry_row(&mut self, name: &RegistryName, row: &str) -> Stored<()> {
        self.begin_write()?;
        self.drop_registry_row((name.clone(), row.to_owned()));
        Ok(())
    }

    fn put_registry_change(&mut self, name: &RegistryName, change: &RegistryChange) -> Stored<()> {
        self.begin_write()?;
        self.add_registry_change(name, change);
        Ok(())
    }

    fn drop_registry_changes(&mut self, name: &RegistryName, up_to: u64) -> Stored<()> {
        self.begin_write()?;
        self.forget_registry_changes(name, up_to);
        Ok(())
    }

    fn clear_registry(&mut self, name: &RegistryName) -> Stored<()> {
        self.begin_write()?;
        self.forget_registry(name);
        Ok(())
    }

    fn add_run(&mut self, record: &RunRecord) -> Stored<()> {
        self.begin_write()?;
        self.set_run(record);
        Ok(())
    }

    fn put_run(&mut self, record: &RunRecord) -> Stored<()> {
        self.begin_write()?;
        self.set_run(record);
        Ok(())
    }

    fn put_run_task(&mut self, run: RunId, step: u32, task: &RunTask) -> Stored<()> {
        self.begin_write()?;
        self.set_task(run, step, task);
        Ok(())
    }

    fn delete_run(&mut self, id: RunId) -> Stored<()> {
        self.begin_write()?;
        self.drop_run(id);
        Ok(())
    }

    fn put_gather(&mut self, record: &GatherRecord) -> Stored<()> {
        self.begin_write()?;
        let id = record.info.id;
        let old = self.gathers.insert(id, record.clone());
        self.undo.push(Undo::Gather(id, old.map(Box::new)));
        Ok(())
    }

    fn put_purse(&mut self, purse: &Purse) -> Stored<()> {
        self.begin_write()?;
        let old = self.purses.insert(purse.key(), purse.clone());
        self.undo.push(Undo::Purse(purse.key(), old.map(Box::new)));
        Ok(())
    }

    fn remove_purse(&mut self, key: &PurseKey) -> Stored<()> {
        self.begin_write()?;
        let old = self.purses.remove(key);
        self.undo.push(Undo::Purse(key.clone(), old.map(Box::new)));
        Ok(())
    }

    fn put_spending_day(&mut self, day: Option<&SpendingDay>) -> Stored<()> {
        self.begin_write()?;
        let old = std::mem::replace(&mut self.spending_day, day.cloned());
        self.undo.push(Undo::SpendingDay(old.map(Box::new)));
        Ok(())
    }

    fn put_push(&mut self, record: &PushRecord) -> Stored<()> {
        self.begin_write()?;
        let old = self.pushes.insert(record.key.clone(), record.clone());
        self.undo.push(Undo::Push(record.key.clone(), old.map(Box::new)));
        Ok(())
    }

    fn remove_push(&mut self, key: &PushKey) -> Stored<()> {
        self.begin_write()?;
        let old = self.pushes.remove(key);
        self.undo.push(Undo::Push(key.clone(), old.map(Box::new)));
        Ok(())
    }

    fn put_trigger(&mut self, record: &TriggerRecord) -> Stored<()> {
        self.begin_write()?;
        self.put_trigger_record(record);
        Ok(())
    }

    fn remove_trigger(&mut self, name: &TriggerName, id: TriggerId) -> Stored<()> {
        self.begin_write()?;
        self.remove_trigger_record(name, id);
        Ok(())
    }

    fn put_trigger_slot(&mut self, record: &SlotRecord) -> Stored<()> {
        self.begin_write()?;
        self.put_slot_record(record);
        Ok(())
    }

    fn drop_trigger_slots(&mut self, trigger: TriggerId, up_to: u64) -> Stored<()> {
        self.begin_write()?;
        self.drop_slot_records(trigger, |record| record.slot.no <= up_to && !record.is_open());
        Ok(())
    }

    fn put_hook_delivery(&mut self, trigger: TriggerId, delivery: &str, no: u64) -> Stored<()> {
        self.begin_write()?;
        let key = (trigger, delivery.to_owned());
        let old = self.triggers.deliveries.insert(key.clone(), no);
        self.undo.push(Undo::Delivery(key, old));
        Ok(())
    }

    fn drop_hook_deliveries(&mut self, trigger: TriggerId, up_to: u64) -> Stored<()> {
        self.begin_write()?;
        self.drop_delivery_records(trigger, up_to);
        Ok(())
    }

    fn put_answered(&mut self, record: &AnsweredRecord) -> Stored<()> {
        self.begin_write()?;
        self.answered.insert(record.key, record.clone());
        self.undo.push(Undo::Answered(record.key));
        Ok(())
    }

    fn put_alert(&mut self, alert: &Alert) -> Stored<()> {
        self.begin_write()?;
        let old = self.alerts.insert(alert.key.clone(), alert.clone());
        self.undo.push(Undo::Alert(alert.key.clone(), old.map(Box::new)));
        Ok(())
    }

    fn put_aspect(&mut self, record: &AspectRecord) -> Stored<()> {
        self.begin_write()?;
        let old = self.aspects.insert(record.name.clone(), record.clone());
        self.undo.push(Undo::Aspect(record.name.clone(), old.map(Box::new)));
        Ok(())
    }

    fn put_position(&mut self, aspect: &AspectName, position: Position) -> Stored<()> {
        self.begin_inbox_write(aspect)?;
        let record = self.aspects.get_mut(aspect).ok_or_else(|| absent(&format_args!("aspect {aspect}")))?;
        self.undo.push(Undo::Position(aspect.clone(), record.position()));
        undo::set_position(record, position);
        Ok(())
    }

    fn put_blob(&mut self, record: &BlobRecord) -> Stored<()> {
        self.begin_write()?;
        let old = self.blobs.get(&record.id).cloned();
        let no = old.as_ref().map_or(self.last_blob + 1, |(no, _)| *no);
        self.undo.push(Undo::LastBlob(self.last_blob));
        self.last_blob = self.last_blob.max(no);
        self.blobs.insert(record.id, (no, record.clone()));
        self.undo.push(Undo::Blob(record.id, old.map(Box::new)));
        Ok(())
    }

    fn delete_blob(&mut self, id: BlobId) -> Stored<()> {
        self.begin_write()?;
        let old = self.blobs.remove(&id);
        self.undo.push(Undo::Blob(id, old.map(Box::new)));
        Ok(())
    }

    fn put_blob_reference(&mut self, id: BlobId, _: ThreadId, message_seq: u64) -> Stored<()> {
        self.begin_write()?;
        if !self.blobs.contains_key(&id) {
            return Err(absent(&format_args!("blob {id}")));
        }
        if self.blob_references.insert((id, message_seq)) {
            self.undo.push(Undo::BlobReference(id, message_seq));
        }
        Ok(())
    }

    fn put_blob_mention(&mut self, id: BlobId, by: BlobMention) -> Stored<()> {
        self.begin_write()?;
        if !self.blobs.contains_key(&id) {
            return Err(absent(&format_args!("blob {id}")));
        }
        if self.blob_mentions.insert((id, by)) {
            self.undo.push(Undo::BlobMention(id, by));
        }
        Ok(())
    }

    fn put_operator(&mut self, record: &OperatorRecord) -> Stored<()> {
        self.begin_write()?;
        let old = self.operators.insert(record.name.clone(), record.clone());
        self.undo.push(Undo::Operator(record.name.clone(), old));
        Ok(())
    }

    fn put_setup(&mut self, setup: &SetupToken) -> Stored<()> {
        self.begin_write()?;
        let old = self.setup.replace(*setup);
        self.undo.push(Undo::Setup(old));
        Ok(())
    }

    fn put_invitation(&mut self, invitation: &Invitation) -> Stored<()> {
        self.begin_write()?;
        let old = self.invitations.insert(invitation.name.clone(), invitation.clone());
        self.undo.push(Undo::Invitation(invitation.name.clone(), old));
        Ok(())
    }

    fn remove_invitation(&mut self, name: &OperatorName) -> Stored<()> {
        self.begin_write()?;
        let old = self.invitations.remove(name);
        self.undo.push(Undo::Invitation(name.clone(), old));
        Ok(())
    }

    fn put_assertion(&mut self, used: &UsedAssertion) -> Stored<()> {
        self.begin_write()?;
        if self.assertions.insert(*used) {
            self.undo.push(Undo::Assertion(*used, false));
        }
        Ok(())
    }

    fn drop_assertions(&mut self, at: Ms) -> Stored<()> {
        self.begin_write()?;
        while let Some(first) = self.assertions.first().copied().filter(|it| it.until <= at) {
            self.assertions.remove(&first);
            self.undo.push(Undo::Assertion(first, true));
        }
        Ok(())
    }

    fn put_credential(&mut self, record: &CredentialRecord) -> Stored<()> {
        self.begin_write()?;
        let old = self.credentials.insert(record.name.clone(), record.clone());
        self.undo.push(Undo::Credential(record.name.clone(), old.map(Box::new)));
        Ok(())
    }

    fn remove_credential(&mut self, name: &CredentialName) -> Stored<()> {
        self.begin_write()?;
        let old = self.credentials.remove(name);
        self.undo.push(Undo::Credential(name.clone(), old.map(Box::new)));
        Ok(())
    }

    fn put_thread(&mut self, record: &ThreadRecord) -> Stored<()> {
        self.begin_write()?;
        let id = record.id;
        match self.threads.get_mut(&id) {
            Some(thread) => {
                let old = std::mem::replace(&mut thread.record, record.clone());
                self.undo.push(Undo::Thread(id, Some(Box::new(old))));
            }
            None => {
                self.threads
                    .insert(id, Thread { record: record.clone(), messages: Vec::new(), pruned: None });
                self.undo.push(Undo::Thread(id, None));
            }
        }
        Ok(())
    }

    fn put_message(&mut self, record: &MessageRecord, _: &[u8; 32]) -> Stored<()> {
        self.begin_write()?;
        let id = record.message.thread;
        let thread = self.threads.get_mut(&id).ok_or_else(|| absent(&format_args!("thread {id}")))?;
        let at = self.messages.len();
        thread.messages.push(at);
        self.message_at.insert(record.message.id, at);
        self.messages.push(record.clone());
        self.undo.push(Undo::Message);
        Ok(())
    }

    fn put_inbox(&mut self, aspect: &AspectName, item: &NewItem) -> Stored<()> {
        self.begin_inbox_write(aspect)?;
        let record = self.aspects.get_mut(aspect).ok_or_else(|| absent(&format_args!("aspect {aspect}")))?;
        record.tail = item.offset;
        // An item that was taken back may have stood there.
        let carried = (aspect.clone(), item.offset);
        match item.message_seq {
            Some(seq) => _ = self.item_messages.insert(carried, seq),
            None => _ = self.item_messages.remove(&carried),
        }
        let row = InboxRecord { offset: item.offset, id: item.id, json: item.json.clone() };
        match self.inboxes.get_mut(aspect) {
            Some(items) => items.push(row),
            None => _ = self.inboxes.insert(aspect.clone(), vec![row]),
        }
        self.undo.push(Undo::Item(aspect.clone()));
        Ok(())
    }

    fn prune_inbox(&mut self, aspect: &AspectName, floor: u64) -> Stored<()> {
        self.begin_write()?;
        let Some(items) = self.inboxes.get_mut(aspect) else { return Ok(()) };
        let gone = items.partition_point(|item| item.offset <= floor);
        let gone: Vec<InboxRecord> = items.drain(..gone).collect();
        let old = self.inbox_floors.insert(aspect.clone(), floor).unwrap_or(0);
        self.undo.push(Undo::PrunedInbox(aspect.clone(), old, gone));
        Ok(())
    }

    fn delete_message(&mut self, id: MessageId) -> Stored<()> {
        self.begin_write()?;
        let found = self.find_message(id).ok_or_else(|| absent(&format_args!("message {id}")))?;
        let message = found.message.clone();
        let at = self.message_at.remove(&id);
        self.gone.insert(message.seq);
        self.undo.push(Undo::GoneMessage(id, at, message.seq));
        for reaction in self.reactions_of(id) {
            self.set_reaction(&reaction, false);
        }
        for name in message.to.iter().filter_map(Party::aspect) {
            let key = (name.clone(), derive::message_item(id, name));
            if let Some(old) = self.marks.taken.remove(&key) {
                self.undo.push(Undo::GoneTaken(key.clone(), old));
            }
            if let Some(old) = self.closed.remove(&key) {
                self.undo.push(Undo::GoneClosed(key, Box::new(old)));
            }
        }
        let references = self.blob_references.iter().filter(|(_, seq)| *seq == message.seq);
        for (blob, seq) in references.copied().collect::<Vec<_>>() {
            self.blob_references.remove(&(blob, seq));
            self.undo.push(Undo::GoneBlobReference(blob, seq));
        }
        if let Some(thread) = self.threads.get_mut(&message.thread) {
            self.undo.push(Undo::ThreadPruned(message.thread, thread.pruned));
            let before = thread.pruned.unwrap_or(Pruned { messages: 0, up_to: 0 });
            let up_to = before.up_to.max(message.seq);
            thread.pruned = Some(Pruned { messages: before.messages + 1, up_to });
        }
        Ok(())
    }

    fn delete_approval(&mut self, id: ApprovalId) -> Stored<()> {
        self.begin_write()?;
        let old = self.approvals.remove(&id);
        self.undo.push(Undo::Approval(id, old.map(Box::new)));
        Ok(())
    }

    fn delete_dispatch(&mut self, id: DispatchId) -> Stored<()> {
        self.begin_write()?;
        let old = self.dispatches.remove(&id);
        self.undo.push(Undo::Dispatch(id, old.map(Box::new)));
        let mentions = self.blob_mentions.iter().filter(|(_, by)| *by == BlobMention::Dispatch(id));
        for (blob, by) in mentions.copied().collect::<Vec<_>>() {
            self.blob_mentions.remove(&(blob, by));
            self.undo.push(Undo::GoneBlobMention(blob, by));
        }
        Ok(())
    }

    fn put_contents_floor(&mut self, seq: u64) -> Stored<()> {
        self.begin_write()?;
        self.undo.push(Undo::ContentsFloor(std::mem::replace(&mut self.contents_floor, seq)));
        Ok(())
    }

    fn prune_log(&mut self, checkpoint: &Checkpoint) -> Stored<()> {
        self.begin_write()?;
        let gone = self.log.partition_point(|row| row.seq <= checkpoint.seq);
        self.undo.push(Undo::PrunedLog(self.log.drain(..gone).collect()));
        self.checkpoints.push(checkpoint.clone());
        Ok(())
    }

    fn put_closed(&mut self, record: &ClosedRecord) -> Stored<()> {
        self.begin_write()?;
        let key = (record.aspect.clone(), record.item);
        self.closed.insert(key.clone(), record.clone());
        self.undo.push(Undo::Closed(key));
        Ok(())
    }

    fn put_taken(&mut self, record: &TakenRecord) -> Stored<()> {
        self.begin_write()?;
        self.set_taken(record);
        Ok(())
    }

    fn put_read_position(&mut self, reader: &Party, thread: ThreadId, seq: u64) -> Stored<()> {
        self.begin_write()?;
        self.set_position_of(reader, thread, seq);
        Ok(())
    }

    fn put_reaction(&mut self, reaction: &ReactionRecord) -> Stored<()> {
        self.begin_write()?;
        self.set_reaction(reaction, true);
        Ok(())
    }

    fn remove_reaction(&mut self, reaction: &ReactionRecord) -> Stored<()> {
        self.begin_write()?;
        self.set_reaction(reaction, false);
        Ok(())
    }

    fn add_dispatch(&mut self, record: &DispatchRecord) -> Stored<()> {
        self.begin_write()?;
        self.set_dispatch(record.clone());
        Ok(())
    }

    fn put_dispatch(&mut self, record: &DispatchRecord) -> Stored<()> {
        self.begin_write()?;
        let id = record.info.id;
        let old = self.dispatches.get(&id).ok_or_else(|| absent(&format_args!("dispatch {id}")))?;
        let mut record = record.clone();
        record.info.input = old.info.input.clone();
        record.info.output = record.info.output.or_else(|| old.info.output.clone());
        self.set_dispatch(record);
        Ok(())
    }

    fn put_clocks(&mut self, changes: &ClockChanges) -> Stored<()> {
        self.begin_write()?;
        self.undo.push(Undo::Clocks(self.clocks.clone()));
        self.clocks.change(changes);
        Ok(())
    }

    fn put_knowledge(&mut self, record: &KnowledgeRecord) -> Stored<()> {
        self.begin_write()?;
        self.knowledge.entries.push(record.clone());
        self.undo.push(Undo::Knowledge);
        Ok(())
    }

    fn put_knowledge_grant(&mut self, record: &KnowledgeGrantRecord) -> Stored<()> {
        self.begin_write()?;
        self.knowledge.grants.push(record.clone());
        self.undo.push(Undo::KnowledgeGrant);
        Ok(())
    }

    fn put_knowledge_usage(&mut self, author: &Party, topic: &str, usage: KnowledgeUsage) -> Stored<()> {
        self.begin_write()?;
        let key = (author.clone(), topic.to_owned());
        let old = self.knowledge.usage.insert(key.clone(), usage);
        self.undo.push(Undo::KnowledgeUsage(key, old));
        Ok(())
    }

    fn append_log(&mut self, record: &LogRecord) -> Stored<()> {
        self.begin_write()?;
        self.log.push(LoggedRow::from(&record.entry));
        self.undo.push(Undo::Log);
        self.set_last_at(record.entry.at);
        Ok(())
    }

    fn put_started_at(&mut self, at: Ms) -> Stored<()> {
        self.begin_write()?;
        self.undo.push(Undo::StartedAt(std::mem::replace(&mut self.started_at, at)));
        Ok(())
    }

    fn put_last_at(&mut self, at: Ms) -> Stored<()> {
        self.begin_write()?;
        self.set_last_at(at);
        Ok(())
    }
}

impl MemoryStore {
    fn set_last_at(&mut self, at: Ms) {
        if at > self.last_at {
            self.undo.push(Undo::LastAt(self.last_at));
            self.last_at = at;
        }
    }
}
