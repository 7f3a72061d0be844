//! What is read of a database, by its one writer and by those beside it.

use nexus_wire::alert::{Alert, AlertKind};
use nexus_wire::approval::ApprovalInfo;
use nexus_wire::audit::{AuditEntry, AuditList};
use nexus_wire::chat::{Message, ThreadInfo};
use nexus_wire::gather::GatherInfo;
use nexus_wire::hands::DispatchInfo;
use nexus_wire::knowledge::{KnowledgeGrantInfo, KnowledgeHead, KnowledgeHit, KnowledgeMay, KnowledgeUsage};
use nexus_wire::log::LogEntry;
use nexus_wire::name::{FlowName, RegistryName};
use nexus_wire::registry::{RegistryChange, RegistryRow};
use nexus_wire::run::RunInfo;
use nexus_wire::{
    ApprovalId, AspectName, BlobId, DispatchId, EntryId, GatherId, GrantId, ItemId, MessageId, Ms, Party,
    RunId, ThreadId, TriggerId, TriggerName,
};
use rusqlite::Connection;
use uuid::Uuid;

use super::{
    alerts, approvals, audit, blobs, entries, flows, gathers, knowledge, messages, pages, read, registries,
    retention, search, threads, triggers,
};
use crate::hub::filter::LogFilter;
use crate::hub::records::{
    AnsweredRecord, ApprovalRecord, AspectRecord, BlobMention, BlobRecord, Checkpoint, ClosedRecord,
    DispatchRecord, FlowRecord, GatherRecord, InboxRecord, KnowledgeGrantRecord, KnowledgePlace,
    KnowledgeRank, KnowledgeRecord, KnowledgeScope, MessageRecord, OperatorRecord, Pruned, ReactionRecord,
    Reads, RegistryRecord, RunRecord, RunsWanted, SlotRecord, Snapshot, Spent, StepTask, Stored, Stretch,
    ThreadRecord, TriggerRecord, Which,
};
use crate::store::page::SCAN_MAX;

/// Whoever has a database open. Some of it the writer knows from memory.
pub(super) trait Database {
    fn connection(&self) -> &Connection;

    /// The connection, with everything that is held back written to it.
    fn current(&self) -> Stored<&Connection> {
        Ok(self.connection())
    }

    fn seq_of(&self, message: MessageId) -> Stored<Option<u64>> {
        messages::seq_of(self.connection(), message)
    }

    fn find_message(&self, id: MessageId) -> Stored<Option<MessageRecord>> {
        messages::record(self.connection(), id)
    }

    fn find_thread(&self, id: ThreadId) -> Stored<Option<ThreadRecord>> {
        Ok(read::thread(self.connection(), id)?.map(|row| row.record))
    }

    fn find_dispatch(&self, id: DispatchId) -> Stored<Option<DispatchRecord>> {
        read::dispatch(self.connection(), id)
    }

    fn find_dispatch_head(&self, id: DispatchId) -> Stored<Option<DispatchRecord>> {
        read::dispatch_head(self.connection(), id)
    }
}

impl<D: Database> Reads for D {
    fn alert(&self, kind: AlertKind, subject: &str) -> Stored<Option<Alert>> {
        alerts::one(self.connection(), kind, subject)
    }

    fn alerts(&self, all: bool, before: Option<u64>, limit: u32) -> Stored<Vec<Alert>> {
        alerts::page(self.connection(), all, before, limit)
    }

    fn aspect(&self, name: &AspectName) -> Stored<Option<AspectRecord>> {
        read::aspect(self.current()?, name)
    }

    fn aspects(&self) -> Stored<Vec<AspectRecord>> {
        read::aspects(self.current()?)
    }

    fn blob(&self, id: BlobId) -> Stored<Option<BlobRecord>> {
        blobs::one(self.connection(), id)
    }

    fn blobs(&self, before: Option<u64>, limit: u32) -> Stored<Vec<(u64, BlobRecord)>> {
        blobs::page(self.connection(), before, limit)
    }

    fn blob_usage(&self, of: Option<&Party>) -> Stored<u64> {
        blobs::usage(self.connection(), of)
    }

    fn blob_references(&self, id: BlobId) -> Stored<u64> {
        blobs::references(self.connection(), id)
    }

    fn blob_mentions(&self, id: BlobId, limit: u32) -> Stored<Vec<BlobMention>> {
        blobs::mentions(self.connection(), id, limit)
    }

    fn blob_is_shown_to(&self, id: BlobId, party: &Party) -> Stored<bool> {
        blobs::is_shown_to(self.connection(), id, party)
    }

    fn blob_is_shown_in(&self, id: BlobId, thread: ThreadId) -> Stored<bool> {
        blobs::is_shown_in(self.connection(), id, thread)
    }

    fn blobs_unreferenced(&self, before: Ms, limit: u32) -> Stored<Vec<BlobId>> {
        blobs::unreferenced(self.connection(), before, limit)
    }

    fn operators(&self) -> Stored<Vec<OperatorRecord>> {
        read::operators(self.connection())
    }

    fn message(&self, id: MessageId) -> Stored<Option<MessageRecord>> {
        self.find_message(id)
    }

    fn thread(&self, id: ThreadId) -> Stored<Option<ThreadRecord>> {
        self.find_thread(id)
    }

    fn threads(&self, of: Option<&Party>, before: Option<u64>, limit: u32) -> Stored<Vec<ThreadInfo>> {
        read::threads(self.current()?, of, before, limit)
    }

    fn thread_pruned(&self, thread: ThreadId) -> Stored<Option<Pruned>> {
        retention::thread_pruned(self.connection(), thread)
    }

    fn contents_floor(&self) -> Stored<u64> {
        retention::contents_floor(self.connection())
    }

    fn messages_older(&self, before: Ms, after: u64, limit: u32) -> Stored<Vec<(u64, MessageId)>> {
        retention::messages_older(self.current()?, before, after, limit)
    }

    fn dispatches_older(&self, before: Ms, after: Option<DispatchId>, limit: u32) -> Stored<Vec<DispatchId>> {
        retention::dispatches_older(self.connection(), before, after, limit)
    }

    fn messages(&self, thread: ThreadId, after: u64, limit: u32) -> Stored<Vec<Message>> {
        pages::messages(self.current()?, thread, after, limit)
    }

    fn messages_before(&self, thread: ThreadId, after: u64, before: u64, limit: u32) -> Stored<Vec<Message>> {
        pages::messages_before(self.current()?, thread, after, before, limit)
    }

    fn unread(&self, reader: &Party, thread: ThreadId, most: u64) -> Stored<u64> {
        threads::unread(self.current()?, reader, thread, most)
    }

    fn read_position(&self, reader: &Party, thread: ThreadId) -> Stored<u64> {
        threads::read_position(self.connection(), reader, thread)
    }

    fn reactions(&self, message: MessageId) -> Stored<Vec<ReactionRecord>> {
        let _steady = read::steady(self.connection())?;
        match self.seq_of(message)? {
            Some(seq) => threads::reactions(self.connection(), message, seq),
            None => Ok(Vec::new()),
        }
    }

    fn taken(&self, aspect: &AspectName, item: ItemId) -> Stored<Option<Ms>> {
        threads::taken(self.connection(), aspect, item)
    }

    fn first_unacked(&self, aspect: &AspectName) -> Stored<Option<u64>> {
        threads::first_unacked(self.current()?, aspect)
    }

    fn inbox(&self, aspect: &AspectName, after: u64, limit: u32) -> Stored<Vec<InboxRecord>> {
        pages::inbox(self.current()?, aspect, after, limit)
    }

    fn inbox_at(&self, aspect: &AspectName, offset: u64) -> Stored<Option<InboxRecord>> {
        pages::inbox_at(self.current()?, aspect, offset)
    }

    fn inbox_floor(&self, aspect: &AspectName) -> Stored<u64> {
        retention::inbox_floor(self.connection(), aspect)
    }

    fn log_floor(&self) -> Stored<u64> {
        retention::log_floor(self.connection())
    }

    fn log_hash(&self, seq: u64) -> Stored<Option<[u8; 32]>> {
        let connection = self.current()?;
        let _steady = read::steady(connection)?;
        let hash = entries::hash_at(connection, seq)?;
        if let Some(hash) = hash {
            // It may be signed, and stand for all that is before it.
            messages::Messages::of(connection)?.check_hash(seq, hash)?;
        }
        Ok(hash)
    }

    fn checkpoints(&self) -> Stored<Vec<Checkpoint>> {
        retention::checkpoints(self.connection())
    }

    fn log_before(&self, before: Ms, limit: u32) -> Stored<Option<u64>> {
        entries::last_before(self.current()?, before, limit)
    }

    fn closed(&self, aspect: &AspectName, item: ItemId) -> Stored<Option<ClosedRecord>> {
        read::closed(self.connection(), aspect, item)
    }

    fn dispatch(&self, id: DispatchId) -> Stored<Option<DispatchRecord>> {
        self.find_dispatch(id)
    }

    fn dispatch_head(&self, id: DispatchId) -> Stored<Option<DispatchRecord>> {
        self.find_dispatch_head(id)
    }

    fn open_dispatches(&self, invoker: &Party) -> Stored<Vec<DispatchInfo>> {
        read::open_dispatches(self.connection(), invoker)
    }

    fn dispatches(&self, which: Which, before: Option<DispatchId>, limit: u32) -> Stored<Vec<DispatchInfo>> {
        read::dispatches(self.connection(), which, before, limit)
    }

    fn knowledge(&self, author: &Party, topic: &str) -> Stored<Option<KnowledgeRecord>> {
        knowledge::current(self.connection(), author, topic)
    }

    fn answered(&self, key: Uuid) -> Stored<Option<AnsweredRecord>> {
        alerts::answered(self.connection(), key)
    }

    fn approval(&self, id: ApprovalId) -> Stored<Option<ApprovalRecord>> {
        approvals::one(self.connection(), id)
    }

    fn approvals_older(&self, before: Ms, after: Option<ApprovalId>, limit: u32) -> Stored<Vec<ApprovalId>> {
        retention::approvals_older(self.connection(), before, after, limit)
    }

    fn approvals(&self, all: bool, before: Option<ApprovalId>, limit: u32) -> Stored<Vec<ApprovalInfo>> {
        approvals::page(self.connection(), all, before, limit)
    }

    fn gather(&self, id: GatherId) -> Stored<Option<GatherRecord>> {
        gathers::one(self.connection(), id)
    }

    fn open_gathers(&self, invoker: &Party) -> Stored<Vec<GatherInfo>> {
        gathers::open_of(self.connection(), invoker)
    }

    fn flow(&self, id: &FlowName) -> Stored<Option<FlowRecord>> {
        flows::flow(self.connection(), id)
    }

    fn flow_count(&self) -> Stored<u64> {
        flows::flow_count(self.connection())
    }

    fn flows(&self, after: Option<&FlowName>, limit: u32) -> Stored<Vec<FlowRecord>> {
        flows::flows(self.connection(), after, limit)
    }

    fn registry(&self, name: &RegistryName) -> Stored<Option<RegistryRecord>> {
        registries::registry(self.connection(), name)
    }

    fn registry_count(&self) -> Stored<u64> {
        registries::count_all(self.connection())
    }

    fn registries(&self, after: Option<&RegistryName>, limit: u32) -> Stored<Vec<RegistryRecord>> {
        registries::list(self.connection(), after, limit)
    }

    fn registry_row(&self, name: &RegistryName, row: &str) -> Stored<Option<RegistryRow>> {
        registries::row(self.connection(), name, row)
    }

    fn registry_rows(
        &self,
        name: &RegistryName,
        after: Option<&str>,
        limit: u32,
    ) -> Stored<Vec<RegistryRow>> {
        registries::rows(self.connection(), name, after, limit)
    }

    fn registry_holder(&self, name: &RegistryName, field: &str, value: &str) -> Stored<Option<String>> {
        registries::holder(self.connection(), name, field, value)
    }

    fn registry_changes(
        &self,
        name: &RegistryName,
        row: Option<&str>,
        before: u64,
        limit: u32,
    ) -> Stored<Vec<RegistryChange>> {
        registries::changes(self.connection(), name, row, before, limit)
    }

    fn run(&self, id: RunId) -> Stored<Option<RunRecord>> {
        flows::run(self.connection(), id)
    }

    fn run_tasks(&self, id: RunId) -> Stored<Vec<StepTask>> {
        flows::run_tasks(self.connection(), id)
    }

    fn runs(&self, wanted: &RunsWanted, before: Option<RunId>, limit: u32) -> Stored<Vec<RunInfo>> {
        flows::runs(self.connection(), wanted, before, limit)
    }

    fn runs_older(&self, before: Ms, after: Option<RunId>, limit: u32) -> Stored<Vec<RunId>> {
        flows::runs_older(self.connection(), before, after, limit)
    }

    fn knowledge_entry(&self, id: EntryId) -> Stored<Option<KnowledgeRecord>> {
        knowledge::entry(self.connection(), id)
    }

    fn knowledge_version(
        &self,
        author: &Party,
        topic: &str,
        version: u32,
    ) -> Stored<Option<KnowledgeRecord>> {
        knowledge::version(self.connection(), author, topic, version)
    }

    fn knowledge_history(
        &self,
        author: &Party,
        topic: &str,
        before: u32,
        limit: u32,
    ) -> Stored<Vec<KnowledgeHead>> {
        knowledge::history(self.connection(), author, topic, before, limit)
    }

    fn knowledge_list(
        &self,
        scope: &KnowledgeScope,
        of: Option<&Party>,
        prefix: &str,
        after: Option<&KnowledgePlace>,
        limit: u32,
    ) -> Stored<Vec<KnowledgeHead>> {
        knowledge::list(self.connection(), scope, of, prefix, after, limit)
    }

    fn knowledge_search(
        &self,
        scope: &KnowledgeScope,
        of: Option<&Party>,
        query: &str,
    ) -> Stored<Vec<KnowledgeRank>> {
        search::rank(self.connection(), scope, of, query)
    }

    fn knowledge_hit(&self, query: &str, rank: KnowledgeRank) -> Stored<Option<KnowledgeHit>> {
        search::hit(self.connection(), query, rank)
    }

    fn knowledge_grant(
        &self,
        to: &AspectName,
        may: KnowledgeMay,
        of: Option<&Party>,
    ) -> Stored<Option<KnowledgeGrantRecord>> {
        knowledge::grant(self.connection(), to, may, of)
    }

    fn knowledge_grant_by_id(&self, id: GrantId) -> Stored<Option<KnowledgeGrantRecord>> {
        knowledge::grant_by_id(self.connection(), id)
    }

    fn knowledge_grants(&self, to: Option<&AspectName>) -> Stored<Vec<KnowledgeGrantInfo>> {
        knowledge::grants(self.connection(), to)
    }

    fn knowledge_usage(&self, author: &Party, topic: &str) -> Stored<KnowledgeUsage> {
        knowledge::usage(self.connection(), author, topic)
    }

    fn log_where(&self, from_seq: u64, filter: &LogFilter, limit: u32) -> Stored<Stretch<LogEntry>> {
        pages::log(self.current()?, self, from_seq, filter, limit, SCAN_MAX)
    }

    fn audit_where(&self, wanted: &AuditList, limit: u32) -> Stored<Stretch<AuditEntry>> {
        audit::list(self.current()?, wanted, limit, SCAN_MAX)
    }

    fn spent(&self, since: Ms, until: Ms, visit: &mut dyn FnMut(&Spent)) -> Stored<()> {
        audit::spent(self.current()?, since, until, visit)
    }

    fn trigger(&self, name: &TriggerName) -> Stored<Option<TriggerRecord>> {
        triggers::one(self.connection(), name)
    }

    fn triggers(&self, after: Option<&TriggerName>, limit: u32) -> Stored<Vec<TriggerRecord>> {
        triggers::page(self.connection(), after, limit)
    }

    fn trigger_slots(&self, trigger: TriggerId, before: u64, limit: u32) -> Stored<Vec<SlotRecord>> {
        triggers::slots(self.connection(), trigger, before, limit)
    }

    fn hook_delivery(&self, trigger: TriggerId, delivery: &str) -> Stored<Option<u64>> {
        triggers::delivery(self.connection(), trigger, delivery)
    }

    fn snapshot(&self) -> Stored<Snapshot> {
        let connection = self.current()?;
        let _steady = read::steady(connection)?;
        read::snapshot(connection)
    }
}
