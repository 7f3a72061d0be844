//! The store in memory: the same rows and the same answers as the SQLite one, gone with the process. For
//! simulations and tests; a write or a commit can be told to fail.

mod audit;
mod dispatches;
mod faults;
mod find;
mod flows;
mod knowledge;
mod oversight;
mod registries;
mod snapshot;
mod threads;
mod triggers;
mod undo;
mod write;

use std::collections::{BTreeMap, BTreeSet};

use foldhash::HashMap;
use nexus_wire::alert::{Alert, AlertKind};
use nexus_wire::approval::ApprovalInfo;
use nexus_wire::audit::{AuditEntry, AuditList};
use nexus_wire::budget::SpendingDay;
use nexus_wire::chat::{Message, ThreadInfo};
use nexus_wire::gather::GatherInfo;
use nexus_wire::hands::DispatchInfo;
use nexus_wire::knowledge::{KnowledgeGrantInfo, KnowledgeHead, KnowledgeHit, KnowledgeMay, KnowledgeUsage};
use nexus_wire::log::LogEntry;
use nexus_wire::name::{FlowName, RegistryName};
use nexus_wire::registry::{RegistryChange, RegistryRow};
use nexus_wire::run::RunInfo;
use nexus_wire::{
    ApprovalId, AspectName, BlobId, CredentialName, DispatchId, EntryId, GatherId, GrantId, ItemId,
    MessageId, Ms, OperatorName, Party, RunId, ThreadId, TriggerId, TriggerName,
};
use uuid::Uuid;

use super::logged::LoggedRow;
use super::page::Page;
use super::sqlite::search;
use crate::hub::filter::LogFilter;
use crate::hub::inbox::as_answered;
use crate::hub::queue::Clocks;
use crate::hub::records::{
    AnsweredRecord, ApprovalRecord, AspectRecord, BlobMention, BlobRecord, Checkpoint, ClosedRecord,
    CredentialRecord, DispatchRecord, FlowRecord, GatherRecord, InboxRecord, Invitation,
    KnowledgeGrantRecord, KnowledgePlace, KnowledgeRank, KnowledgeRecord, KnowledgeScope, MessageRecord,
    OperatorRecord, Pruned, Purse, PurseKey, PushKey, PushRecord, ReactionRecord, Reads, RegistryRecord,
    RunRecord, RunsWanted, SetupToken, SlotRecord, Snapshot, Spent, StepTask, StoreError, Stored, Stretch,
    ThreadRecord, TriggerRecord, UsedAssertion, Which,
};
use dispatches::head;
use faults::Faults;
use knowledge::Knowledge;
use undo::Undo;

#[derive(Debug, Default)]
pub struct MemoryStore {
    aspects: BTreeMap<AspectName, AspectRecord>,
    operators: BTreeMap<OperatorName, OperatorRecord>,
    threads: HashMap<ThreadId, Thread>,
    /// In the order of their `seq`.
    messages: Vec<MessageRecord>,
    message_at: HashMap<MessageId, usize>,
    /// `seq`s of those that are kept no longer, which stay in `messages` as if they were not there.
    gone: BTreeSet<u64>,
    contents_floor: u64,
    inboxes: HashMap<AspectName, Vec<InboxRecord>>,
    inbox_floors: HashMap<AspectName, u64>,
    checkpoints: Vec<Checkpoint>,
    closed: HashMap<(AspectName, ItemId), ClosedRecord>,
    /// `seq` of the message that the item of an aspect at an offset carries.
    item_messages: HashMap<(AspectName, u64), u64>,
    marks: threads::Marks,
    dispatches: BTreeMap<DispatchId, DispatchRecord>,
    open_dispatches: BTreeSet<DispatchId>,
    clocks: Clocks,
    alerts: BTreeMap<String, Alert>,
    setup: Option<SetupToken>,
    invitations: BTreeMap<OperatorName, Invitation>,
    assertions: BTreeSet<UsedAssertion>,
    credentials: BTreeMap<CredentialName, CredentialRecord>,
    /// With their numbers.
    blobs: BTreeMap<BlobId, (u64, BlobRecord)>,
    /// The number given last, also if its blob is gone.
    last_blob: u64,
    /// Which message, by its `seq`, attaches which blob.
    blob_references: BTreeSet<(BlobId, u64)>,
    blob_mentions: BTreeSet<(BlobId, BlobMention)>,
    knowledge: Knowledge,
    approvals: BTreeMap<ApprovalId, ApprovalRecord>,
    gathers: BTreeMap<GatherId, GatherRecord>,
    flows: flows::Flows,
    registries: registries::Registries,
    answered: HashMap<Uuid, AnsweredRecord>,
    purses: BTreeMap<PurseKey, Purse>,
    spending_day: Option<SpendingDay>,
    pushes: BTreeMap<PushKey, PushRecord>,
    triggers: triggers::Triggers,
    log: Vec<LoggedRow>,
    last_at: Ms,
    started_at: Ms,
    undo: Vec<Undo>,
    faults: Faults,
}

#[derive(Clone, Debug)]
struct Thread {
    record: ThreadRecord,
    /// Indexes into `messages`.
    messages: Vec<usize>,
    pruned: Option<Pruned>,
}

impl MemoryStore {
    pub fn new() -> Self {
        Self::default()
    }

    fn references_of(&self, id: BlobId) -> impl Iterator<Item = u64> + '_ {
        self.blob_references.range((id, 0)..=(id, u64::MAX)).map(|(_, seq)| *seq)
    }

    fn threads_of_blob(&self, id: BlobId) -> impl Iterator<Item = ThreadId> + '_ {
        let of = |seq: u64| self.kept().find(|it| it.message.seq == seq).map(|it| it.message.thread);
        self.references_of(id).filter_map(of)
    }

    fn mentions_of(&self, id: BlobId) -> impl Iterator<Item = BlobMention> + '_ {
        let from = (id, BlobMention::Dispatch(DispatchId(Uuid::nil())));
        self.blob_mentions.range(from..).take_while(move |(of, _)| *of == id).map(|(_, by)| *by)
    }

    /// Those that are kept.
    fn kept(&self) -> impl DoubleEndedIterator<Item = &MessageRecord> {
        self.messages.iter().filter(|record| !self.gone.contains(&record.message.seq))
    }

    fn find_message(&self, id: MessageId) -> Option<&MessageRecord> {
        self.message_at.get(&id).and_then(|at| self.messages.get(*at))
    }
}

impl Reads for MemoryStore {
    fn alert(&self, kind: AlertKind, subject: &str) -> Stored<Option<Alert>> {
        Ok(self.alerts.get(&Alert::key_of(kind, subject)).cloned())
    }

    fn alerts(&self, all: bool, before: Option<u64>, limit: u32) -> Stored<Vec<Alert>> {
        Ok(oversight::alerts(self, all, before, limit))
    }

    fn aspect(&self, name: &AspectName) -> Stored<Option<AspectRecord>> {
        Ok(self.aspects.get(name).cloned())
    }

    fn aspects(&self) -> Stored<Vec<AspectRecord>> {
        Ok(self.aspects.values().cloned().collect())
    }

    fn blob(&self, id: BlobId) -> Stored<Option<BlobRecord>> {
        Ok(self.blobs.get(&id).map(|(_, record)| record.clone()))
    }

    fn blobs(&self, before: Option<u64>, limit: u32) -> Stored<Vec<(u64, BlobRecord)>> {
        let mut found: Vec<_> =
            self.blobs.values().filter(|(no, _)| before.is_none_or(|before| *no < before)).cloned().collect();
        found.sort_by_key(|(no, _)| std::cmp::Reverse(*no));
        found.truncate(limit as usize);
        Ok(found)
    }

    fn blob_usage(&self, of: Option<&Party>) -> Stored<u64> {
        let counted = self.blobs.values().filter(|(_, it)| of.is_none_or(|of| it.owners.contains(of)));
        Ok(counted.map(|(_, record)| record.bytes).sum())
    }

    fn blob_references(&self, id: BlobId) -> Stored<u64> {
        Ok((self.references_of(id).count() + self.mentions_of(id).count()) as u64)
    }

    fn blob_mentions(&self, id: BlobId, limit: u32) -> Stored<Vec<BlobMention>> {
        let mut all: Vec<BlobMention> = self.mentions_of(id).collect();
        all.sort_by_key(|mention| std::cmp::Reverse(mention.id()));
        all.truncate(limit as usize);
        Ok(all)
    }

    fn blob_is_shown_to(&self, id: BlobId, party: &Party) -> Stored<bool> {
        let mut threads = self.threads_of_blob(id).filter_map(|thread| self.threads.get(&thread));
        Ok(threads.any(|thread| thread.record.participants.contains(party)))
    }

    fn blob_is_shown_in(&self, id: BlobId, thread: ThreadId) -> Stored<bool> {
        Ok(self.threads_of_blob(id).any(|it| it == thread))
    }

    fn blobs_unreferenced(&self, before: Ms, limit: u32) -> Stored<Vec<BlobId>> {
        let found = self.blobs.values().filter(|(_, it)| it.at < before).map(|(_, it)| it.id);
        let is_free =
            |id: &BlobId| self.references_of(*id).next().is_none() && self.mentions_of(*id).next().is_none();
        Ok(found.filter(is_free).take(limit as usize).collect())
    }

    fn operators(&self) -> Stored<Vec<OperatorRecord>> {
        Ok(self.operators.values().cloned().collect())
    }

    fn message(&self, id: MessageId) -> Stored<Option<MessageRecord>> {
        Ok(self.find_message(id).cloned())
    }

    fn thread(&self, id: ThreadId) -> Stored<Option<ThreadRecord>> {
        Ok(self.threads.get(&id).map(|thread| thread.record.clone()))
    }

    fn threads(&self, of: Option<&Party>, before: Option<u64>, limit: u32) -> Stored<Vec<ThreadInfo>> {
        let mut found: Vec<&ThreadRecord> = self
            .threads
            .values()
            .map(|thread| &thread.record)
            .filter(|thread| of.is_none_or(|party| thread.participants.contains(party)))
            .filter(|thread| before.is_none_or(|before| thread.last_seq < before))
            .collect();
        found.sort_by_key(|thread| std::cmp::Reverse(thread.last_seq));
        Ok(found.into_iter().take(limit as usize).map(ThreadRecord::info).collect())
    }

    fn thread_pruned(&self, thread: ThreadId) -> Stored<Option<Pruned>> {
        Ok(self.threads.get(&thread).and_then(|thread| thread.pruned))
    }

    fn contents_floor(&self) -> Stored<u64> {
        Ok(self.contents_floor)
    }

    fn messages_older(&self, before: Ms, after: u64, limit: u32) -> Stored<Vec<(u64, MessageId)>> {
        let older = self.kept().map(|record| &*record.message).filter(|it| it.seq > after && it.at < before);
        Ok(older.map(|message| (message.seq, message.id)).take(limit as usize).collect())
    }

    fn dispatches_older(&self, before: Ms, after: Option<DispatchId>, limit: u32) -> Stored<Vec<DispatchId>> {
        let ended = self.dispatches.values().map(|record| &record.info);
        let older = ended.filter(|info| info.ended_at.is_some_and(|at| at < before));
        let ids = older.map(|info| info.id).filter(|id| after.is_none_or(|after| *id > after));
        Ok(ids.take(limit as usize).collect())
    }

    fn messages(&self, thread: ThreadId, after: u64, limit: u32) -> Stored<Vec<Message>> {
        let all = self.threads.get(&thread).map_or(&[][..], |thread| &thread.messages);
        let of = |at: &usize| self.messages.get(*at).map(|record| &*record.message);
        let is_kept = |message: &&Message| !self.gone.contains(&message.seq);
        let start = all.partition_point(|at| of(at).is_some_and(|message| message.seq <= after));
        let mut page = Page::new(limit);
        Ok(all[start..]
            .iter()
            .filter_map(of)
            .filter(is_kept)
            .take_while(|message| page.takes(message.content.len()))
            .cloned()
            .collect())
    }

    fn messages_before(&self, thread: ThreadId, after: u64, before: u64, limit: u32) -> Stored<Vec<Message>> {
        let all = self.threads.get(&thread).map_or(&[][..], |thread| &thread.messages);
        let mut page = Page::new(limit);
        let mut found: Vec<Message> = all
            .iter()
            .rev()
            .filter_map(|at| self.messages.get(*at).map(|record| &*record.message))
            .filter(|message| !self.gone.contains(&message.seq))
            .skip_while(|message| message.seq >= before)
            .take_while(|message| message.seq > after && page.takes(message.content.len()))
            .cloned()
            .collect();
        found.reverse();
        Ok(found)
    }

    fn unread(&self, reader: &Party, thread: ThreadId, most: u64) -> Stored<u64> {
        Ok(self.unread_of(reader, thread, most as usize))
    }

    fn read_position(&self, reader: &Party, thread: ThreadId) -> Stored<u64> {
        Ok(self.position_of(reader, thread))
    }

    fn reactions(&self, message: MessageId) -> Stored<Vec<ReactionRecord>> {
        Ok(self.reactions_of(message))
    }

    fn taken(&self, aspect: &AspectName, item: ItemId) -> Stored<Option<Ms>> {
        Ok(self.marks.taken.get(&(aspect.clone(), item)).copied())
    }

    fn first_unacked(&self, aspect: &AspectName) -> Stored<Option<u64>> {
        Ok(self.first_unacked_of(aspect))
    }

    fn inbox(&self, aspect: &AspectName, after: u64, limit: u32) -> Stored<Vec<InboxRecord>> {
        let Some(items) = self.inboxes.get(aspect) else { return Ok(Vec::new()) };
        let cursor = self.aspects.get(aspect).map_or(0, |record| record.cursor);
        let start = items.partition_point(|item| item.offset <= after);
        let mut page = Page::new(limit);
        let carries = |item: &&InboxRecord| self.item_messages.get(&(aspect.clone(), item.offset));
        Ok(items[start..]
            .iter()
            .filter(|item| carries(item).is_none_or(|seq| !self.gone.contains(seq)))
            .take_while(|item| page.takes(item.json.len()))
            .map(|item| {
                let is_closed = item.offset <= cursor && self.closed.contains_key(&(aspect.clone(), item.id));
                match is_closed {
                    true => InboxRecord { json: as_answered(&item.json).into(), ..item.clone() },
                    false => item.clone(),
                }
            })
            .collect())
    }

    fn inbox_at(&self, aspect: &AspectName, offset: u64) -> Stored<Option<InboxRecord>> {
        let found = self.inbox(aspect, offset.saturating_sub(1), 1)?;
        Ok(found.into_iter().find(|item| item.offset == offset))
    }

    fn inbox_floor(&self, aspect: &AspectName) -> Stored<u64> {
        Ok(self.inbox_floors.get(aspect).copied().unwrap_or(0))
    }

    fn log_floor(&self) -> Stored<u64> {
        Ok(self.checkpoints.last().map_or(0, |checkpoint| checkpoint.seq))
    }

    /// There is no chain here: the number alone.
    fn log_hash(&self, seq: u64) -> Stored<Option<[u8; 32]>> {
        let mut hash = [0; 32];
        hash[..8].copy_from_slice(&seq.to_be_bytes());
        Ok(self.log.iter().any(|row| row.seq == seq).then_some(hash))
    }

    fn checkpoints(&self) -> Stored<Vec<Checkpoint>> {
        Ok(self.checkpoints.clone())
    }

    fn log_before(&self, before: Ms, limit: u32) -> Stored<Option<u64>> {
        let found = self.log.iter().take(limit as usize).filter(|row| row.at < before);
        Ok(found.map(|row| row.seq).next_back())
    }

    fn closed(&self, aspect: &AspectName, item: ItemId) -> Stored<Option<ClosedRecord>> {
        Ok(self.closed.get(&(aspect.clone(), item)).cloned())
    }

    fn dispatch(&self, id: DispatchId) -> Stored<Option<DispatchRecord>> {
        Ok(self.dispatches.get(&id).cloned())
    }

    fn dispatch_head(&self, id: DispatchId) -> Stored<Option<DispatchRecord>> {
        Ok(self.dispatches.get(&id).map(head))
    }

    fn open_dispatches(&self, invoker: &Party) -> Stored<Vec<DispatchInfo>> {
        let open = self.open_dispatches.iter().filter_map(|id| self.dispatches.get(id));
        Ok(open.filter(|record| record.info.invoker == *invoker).map(|record| head(record).info).collect())
    }

    fn dispatches(&self, which: Which, before: Option<DispatchId>, limit: u32) -> Stored<Vec<DispatchInfo>> {
        let older = match before {
            Some(before) => self.dispatches.range(..before),
            None => self.dispatches.range(..),
        };
        let found = older.rev().map(|(_, record)| record).filter(|record| match which {
            Which::All => true,
            Which::Dead => record.is_dead(),
            Which::Open => record.queue.is_some(),
        });
        Ok(found.take(limit as usize).map(|record| head(record).info).collect())
    }

    fn knowledge(&self, author: &Party, topic: &str) -> Stored<Option<KnowledgeRecord>> {
        Ok(self.knowledge.versions(author, topic).next().cloned())
    }

    fn answered(&self, key: Uuid) -> Stored<Option<AnsweredRecord>> {
        Ok(self.answered.get(&key).cloned())
    }

    fn approval(&self, id: ApprovalId) -> Stored<Option<ApprovalRecord>> {
        Ok(self.approvals.get(&id).cloned())
    }

    fn approvals_older(&self, before: Ms, after: Option<ApprovalId>, limit: u32) -> Stored<Vec<ApprovalId>> {
        let ended = self.approvals.values().map(|record| &record.info);
        let older = ended.filter(|info| info.ended_at.is_some_and(|at| at < before));
        let ids = older.map(|info| info.id).filter(|id| after.is_none_or(|after| *id > after));
        Ok(ids.take(limit as usize).collect())
    }

    fn approvals(&self, all: bool, before: Option<ApprovalId>, limit: u32) -> Stored<Vec<ApprovalInfo>> {
        Ok(oversight::approvals(self, all, before, limit))
    }

    fn gather(&self, id: GatherId) -> Stored<Option<GatherRecord>> {
        Ok(self.gathers.get(&id).cloned())
    }

    fn open_gathers(&self, invoker: &Party) -> Stored<Vec<GatherInfo>> {
        let own = self.gathers.values().filter(|record| record.info.invoker == *invoker);
        Ok(own.filter(|record| record.info.ended_at.is_none()).map(|record| record.info.clone()).collect())
    }

    fn flow(&self, id: &FlowName) -> Stored<Option<FlowRecord>> {
        Ok(self.flows.flows.get(id).cloned())
    }

    fn flow_count(&self) -> Stored<u64> {
        Ok(self.flows.kept().count() as u64)
    }

    fn flows(&self, after: Option<&FlowName>, limit: u32) -> Stored<Vec<FlowRecord>> {
        let later = self.flows.kept().filter(|record| after.is_none_or(|after| record.id > *after));
        Ok(later.take(limit as usize).cloned().collect())
    }

    fn registry(&self, name: &RegistryName) -> Stored<Option<RegistryRecord>> {
        Ok(self.registries.by_name.get(name).cloned())
    }

    fn registry_count(&self) -> Stored<u64> {
        Ok(self.registries.kept().count() as u64)
    }

    fn registries(&self, after: Option<&RegistryName>, limit: u32) -> Stored<Vec<RegistryRecord>> {
        let later = self.registries.kept().filter(|record| after.is_none_or(|after| record.name > *after));
        Ok(later.take(limit as usize).cloned().collect())
    }

    fn registry_row(&self, name: &RegistryName, row: &str) -> Stored<Option<RegistryRow>> {
        Ok(self.registries.rows.get(&(name.clone(), row.to_owned())).map(|(row, _)| row.clone()))
    }

    fn registry_rows(
        &self,
        name: &RegistryName,
        after: Option<&str>,
        limit: u32,
    ) -> Stored<Vec<RegistryRow>> {
        Ok(self.registries.page(name, after, limit))
    }

    fn registry_holder(&self, name: &RegistryName, field: &str, value: &str) -> Stored<Option<String>> {
        Ok(self.registries.holder(name, field, value))
    }

    fn registry_changes(
        &self,
        name: &RegistryName,
        row: Option<&str>,
        before: u64,
        limit: u32,
    ) -> Stored<Vec<RegistryChange>> {
        Ok(self.registries.history(name, row, before, limit))
    }

    fn run(&self, id: RunId) -> Stored<Option<RunRecord>> {
        Ok(self.flows.runs.get(&id).cloned())
    }

    fn run_tasks(&self, id: RunId) -> Stored<Vec<StepTask>> {
        Ok(self.flows.tasks_of(id))
    }

    fn runs(&self, wanted: &RunsWanted, before: Option<RunId>, limit: u32) -> Stored<Vec<RunInfo>> {
        Ok(self.flows.page(wanted, before, limit))
    }

    fn runs_older(&self, before: Ms, after: Option<RunId>, limit: u32) -> Stored<Vec<RunId>> {
        let ended = self.flows.runs.values().filter(|it| it.info.ended_at.is_some_and(|at| at < before));
        let ids = ended.map(|record| record.info.id).filter(|id| after.is_none_or(|after| *id > after));
        Ok(ids.take(limit as usize).collect())
    }

    fn knowledge_entry(&self, id: EntryId) -> Stored<Option<KnowledgeRecord>> {
        Ok(self.knowledge.entries.iter().find(|it| it.entry == id).cloned())
    }

    fn knowledge_version(
        &self,
        author: &Party,
        topic: &str,
        version: u32,
    ) -> Stored<Option<KnowledgeRecord>> {
        Ok(self.knowledge.versions(author, topic).find(|it| it.version == version).cloned())
    }

    fn knowledge_history(
        &self,
        author: &Party,
        topic: &str,
        before: u32,
        limit: u32,
    ) -> Stored<Vec<KnowledgeHead>> {
        let versions = self.knowledge.versions(author, topic).filter(|it| it.version < before);
        Ok(versions.take(limit as usize).map(KnowledgeRecord::head).collect())
    }

    fn knowledge_list(
        &self,
        scope: &KnowledgeScope,
        of: Option<&Party>,
        prefix: &str,
        after: Option<&KnowledgePlace>,
        limit: u32,
    ) -> Stored<Vec<KnowledgeHead>> {
        Ok(self.knowledge.list(scope, of, prefix, after, limit))
    }

    fn knowledge_search(
        &self,
        scope: &KnowledgeScope,
        of: Option<&Party>,
        query: &str,
    ) -> Stored<Vec<KnowledgeRank>> {
        search::rank(&self.knowledge.indexed()?, scope, of, query)
    }

    fn knowledge_hit(&self, query: &str, rank: KnowledgeRank) -> Stored<Option<KnowledgeHit>> {
        search::hit(&self.knowledge.indexed()?, query, rank)
    }

    fn knowledge_grant(
        &self,
        to: &AspectName,
        may: KnowledgeMay,
        of: Option<&Party>,
    ) -> Stored<Option<KnowledgeGrantRecord>> {
        Ok(self.knowledge.grant(to, may, of).cloned())
    }

    fn knowledge_grant_by_id(&self, id: GrantId) -> Stored<Option<KnowledgeGrantRecord>> {
        Ok(self.knowledge.grants.iter().find(|it| it.id == id).cloned())
    }

    fn knowledge_grants(&self, to: Option<&AspectName>) -> Stored<Vec<KnowledgeGrantInfo>> {
        Ok(self.knowledge.granted(to))
    }

    fn knowledge_usage(&self, author: &Party, topic: &str) -> Stored<KnowledgeUsage> {
        Ok(self.knowledge.usage.get(&(author.clone(), topic.to_owned())).copied().unwrap_or_default())
    }

    fn log_where(&self, from_seq: u64, filter: &LogFilter, limit: u32) -> Stored<Stretch<LogEntry>> {
        audit::log(self, from_seq, filter, limit)
    }

    fn audit_where(&self, wanted: &AuditList, limit: u32) -> Stored<Stretch<AuditEntry>> {
        Ok(audit::list(self, wanted, limit))
    }

    fn spent(&self, since: Ms, until: Ms, visit: &mut dyn FnMut(&Spent)) -> Stored<()> {
        audit::spent(self, since, until, visit);
        Ok(())
    }

    fn trigger(&self, name: &TriggerName) -> Stored<Option<TriggerRecord>> {
        Ok(self.triggers.by_name.get(name).cloned())
    }

    fn triggers(&self, after: Option<&TriggerName>, limit: u32) -> Stored<Vec<TriggerRecord>> {
        Ok(self.triggers.page(after, limit))
    }

    fn trigger_slots(&self, trigger: TriggerId, before: u64, limit: u32) -> Stored<Vec<SlotRecord>> {
        Ok(self.triggers.slots(trigger, before, limit))
    }

    fn hook_delivery(&self, trigger: TriggerId, delivery: &str) -> Stored<Option<u64>> {
        Ok(self.triggers.deliveries.get(&(trigger, delivery.to_owned())).copied())
    }

    fn snapshot(&self) -> Stored<Snapshot> {
        snapshot::of(self)
    }
}

fn absent(what: &dyn std::fmt::Display) -> StoreError {
    StoreError::Corrupt(format!("{what} is not there"))
}
