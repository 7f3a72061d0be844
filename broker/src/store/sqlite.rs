//! The store in a SQLite file: one writer, held by a lock to be the only one, and readers beside it.
//!
//! Rows that every message changes (positions of inboxes, states of threads) are held back in `pending` and
//! written once per commit; reads through the writer flush them first.

mod alerts;
mod approvals;
mod audit;
mod blobs;
mod blocks;
mod budgets;
mod chain;
mod columns;
mod copy;
mod dispatches;
mod entries;
mod fault;
mod find;
mod flows;
mod full_blocks;
#[cfg(test)]
mod fuzz;
mod gathers;
mod index;
pub(in crate::store) mod knowledge;
mod lock;
mod messages;
mod migrate;
mod newest;
mod open;
mod pages;
mod pending;
mod pushes;
mod read;
mod reader;
mod registries;
mod retention;
pub(in crate::store) mod search;
mod threads;
mod triggers;
mod verify;
mod write;

use std::cell::RefCell;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

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

use crate::hub::filter::LogFilter;
use crate::hub::records::{
    AnsweredRecord, ApprovalRecord, AspectRecord, BlobMention, BlobRecord, Checkpoint, ClosedRecord,
    DispatchRecord, FlowRecord, GatherRecord, InboxRecord, KnowledgeGrantRecord, KnowledgePlace,
    KnowledgeRank, KnowledgeRecord, KnowledgeScope, MessageRecord, OperatorRecord, Pruned, ReactionRecord,
    Reads, RegistryRecord, RunRecord, RunsWanted, SlotRecord, Snapshot, Spent, StepTask, StoreError, Stored,
    ThreadRecord, Transaction, TriggerRecord, Which,
};
pub(crate) use copy::merge;
pub use copy::{CopyError, copy};
pub(in crate::store) use fault::fault;
pub use index::{Indexed, Indexer};
pub(in crate::store) use migrate::empty_in_memory;
pub(crate) use migrate::stamp;
pub(crate) use open::sync_folder;
pub use open::{OpenError, Options, Synchronous};
use pending::Pending;
pub use reader::{ReaderPool, SqliteReader};
pub use verify::{Checked, Standing};

/// Each step of a migration is for whoever looks for it.
pub(crate) const LOG_FILTER: &str = "rusqlite_migration=warn";

/// The one writer of a database.
#[derive(Debug)]
pub struct SqliteStore {
    connection: Connection,
    pending: RefCell<Pending>,
    path: PathBuf,
    /// Which file was opened: its device and number.
    file: (u64, u64),
    /// Dropped last: the database is closed when another broker may open it.
    _lock: lock::Lock,
}

impl SqliteStore {
    /// Opens the database at `path`, or makes it there. Fails if another broker has it open.
    pub fn open(path: &Path, options: Options) -> Result<Self, OpenError> {
        Self::open_with(path, options, migrate::MIGRATIONS)
    }

    fn open_with(path: &Path, options: Options, migrations: &[&str]) -> Result<Self, OpenError> {
        // A file of its own: closing one that SQLite has open would drop SQLite's locks on it.
        let lock = lock::Lock::take(&open::beside(path, ".lock"))?;
        let connection = open::writer(path, options, migrations)?;
        let pending = Pending::load(&connection).map_err(|source| OpenError::content(path, source))?;
        let file = file_at(path).map_err(|source| OpenError::Io {
            what: "database",
            path: path.to_owned(),
            source,
        })?;
        Ok(Self { connection, pending: RefCell::new(pending), path: path.to_owned(), file, _lock: lock })
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// At most `size` connections that only read.
    pub fn readers(&self, size: usize) -> ReaderPool {
        ReaderPool::new(&self.path, size)
    }

    /// The connection, with everything that is held back written to it.
    fn current(&self) -> Stored<&Connection> {
        self.pending.borrow_mut().flush(&self.connection)?;
        Ok(&self.connection)
    }
}

fn file_at(path: &Path) -> std::io::Result<(u64, u64)> {
    let found = std::fs::metadata(path)?;
    Ok((found.dev(), found.ino()))
}

impl Transaction for SqliteStore {
    fn begin(&mut self) -> Stored<()> {
        self.check_place()?;
        self.run("BEGIN IMMEDIATE")
    }

    fn commit(&mut self) -> Stored<()> {
        let pending = self.pending.get_mut();
        pending.flush(&self.connection)?;
        if pending.ids.are_due() {
            pending.ids.write(&self.connection)?;
        }
        pending.new_blocks.move_if_due(&self.connection)?;
        self.run("COMMIT")?;
        self.pending.get_mut().trim();
        Ok(())
    }

    fn rollback(&mut self) -> Stored<()> {
        // Some errors, a full disk among them, have ended the transaction already.
        if !self.connection.is_autocommit() {
            self.run("ROLLBACK")?;
        }
        *self.pending.get_mut() = Pending::load(&self.connection)?;
        Ok(())
    }
}

impl SqliteStore {
    /// A file that was moved or deleted can still be written to, and nothing of that would be found again.
    fn check_place(&self) -> Stored<()> {
        match file_at(&self.path) {
            Ok(found) if found == self.file => Ok(()),
            Ok(_) => Err(StoreError::Unavailable(format!(
                "another file lies at {} than the one that is open; put the old one back, or start the broker again",
                self.path.display()
            ))),
            Err(error) => Err(StoreError::Unavailable(format!(
                "{} is not in its place: {error}; put it back, or stop the broker and restore a backup",
                self.path.display()
            ))),
        }
    }

    fn run(&self, sql: &str) -> Stored<()> {
        let mut statement = self.connection.prepare_cached(sql).map_err(fault)?;
        statement.execute([]).map_err(fault)?;
        Ok(())
    }
}

impl Reads for SqliteStore {
    fn alert(&self, kind: AlertKind, subject: &str) -> Stored<Option<Alert>> {
        alerts::one(&self.connection, kind, subject)
    }

    fn alerts(&self, all: bool, before: Option<u64>, limit: u32) -> Stored<Vec<Alert>> {
        alerts::page(&self.connection, all, before, limit)
    }

    fn aspect(&self, name: &AspectName) -> Stored<Option<AspectRecord>> {
        read::aspect(self.current()?, name)
    }

    fn aspects(&self) -> Stored<Vec<AspectRecord>> {
        read::aspects(self.current()?)
    }

    fn blob(&self, id: BlobId) -> Stored<Option<BlobRecord>> {
        blobs::one(&self.connection, id)
    }

    fn blobs(&self, before: Option<u64>, limit: u32) -> Stored<Vec<(u64, BlobRecord)>> {
        blobs::page(&self.connection, before, limit)
    }

    fn blob_usage(&self, of: Option<&Party>) -> Stored<u64> {
        blobs::usage(&self.connection, of)
    }

    fn blob_references(&self, id: BlobId) -> Stored<u64> {
        blobs::references(&self.connection, id)
    }

    fn blob_mentions(&self, id: BlobId, limit: u32) -> Stored<Vec<BlobMention>> {
        blobs::mentions(&self.connection, id, limit)
    }

    fn blob_threads(&self, id: BlobId) -> Stored<Vec<ThreadId>> {
        blobs::threads(self.current()?, id)
    }

    fn blobs_unreferenced(&self, before: Ms, limit: u32) -> Stored<Vec<BlobId>> {
        blobs::unreferenced(&self.connection, before, limit)
    }

    fn operators(&self) -> Stored<Vec<OperatorRecord>> {
        read::operators(&self.connection)
    }

    fn message(&self, id: MessageId) -> Stored<Option<MessageRecord>> {
        let pending = self.pending.borrow();
        let Some(seq) = pending.ids.seq_of(&self.connection, id.0)? else { return Ok(None) };
        match pending.block.find(seq)? {
            Some(kept) => kept.record().map(Some),
            None => messages::record_at(&self.connection, seq),
        }
    }

    fn thread(&self, id: ThreadId) -> Stored<Option<ThreadRecord>> {
        self.pending.borrow_mut().thread(&self.connection, id)
    }

    fn threads(&self, of: Option<&Party>, before: Option<u64>, limit: u32) -> Stored<Vec<ThreadInfo>> {
        read::threads(self.current()?, of, before, limit)
    }

    fn thread_pruned(&self, thread: ThreadId) -> Stored<Option<Pruned>> {
        retention::thread_pruned(&self.connection, thread)
    }

    fn contents_floor(&self) -> Stored<u64> {
        retention::contents_floor(&self.connection)
    }

    fn messages_older(&self, before: Ms, after: u64, limit: u32) -> Stored<Vec<(u64, MessageId)>> {
        retention::messages_older(self.current()?, before, after, limit)
    }

    fn dispatches_older(&self, before: Ms, after: Option<DispatchId>, limit: u32) -> Stored<Vec<DispatchId>> {
        retention::dispatches_older(&self.connection, before, after, limit)
    }

    fn messages(&self, thread: ThreadId, after: u64, limit: u32) -> Stored<Vec<Message>> {
        pages::messages(self.current()?, thread, after, limit)
    }

    fn messages_before(&self, thread: ThreadId, after: u64, before: u64, limit: u32) -> Stored<Vec<Message>> {
        pages::messages_before(self.current()?, thread, after, before, limit)
    }

    fn unread(&self, reader: &Party, thread: ThreadId) -> Stored<u64> {
        threads::unread(self.current()?, reader, thread)
    }

    fn read_position(&self, reader: &Party, thread: ThreadId) -> Stored<u64> {
        threads::read_position(&self.connection, reader, thread)
    }

    fn reactions(&self, message: MessageId) -> Stored<Vec<ReactionRecord>> {
        match self.pending.borrow().ids.seq_of(&self.connection, message.0)? {
            Some(seq) => threads::reactions(&self.connection, message, seq),
            None => Ok(Vec::new()),
        }
    }

    fn taken(&self, aspect: &AspectName, item: ItemId) -> Stored<Option<Ms>> {
        threads::taken(&self.connection, aspect, item)
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
        retention::inbox_floor(&self.connection, aspect)
    }

    fn log_floor(&self) -> Stored<u64> {
        retention::log_floor(&self.connection)
    }

    fn log_hash(&self, seq: u64) -> Stored<Option<[u8; 32]>> {
        entries::hash_at(self.current()?, seq)
    }

    fn checkpoints(&self) -> Stored<Vec<Checkpoint>> {
        retention::checkpoints(&self.connection)
    }

    fn log_before(&self, before: Ms, limit: u32) -> Stored<Option<u64>> {
        entries::last_before(self.current()?, before, limit)
    }

    fn closed(&self, aspect: &AspectName, item: ItemId) -> Stored<Option<ClosedRecord>> {
        read::closed(&self.connection, aspect, item)
    }

    fn dispatch(&self, id: DispatchId) -> Stored<Option<DispatchRecord>> {
        self.pending.borrow().dispatches.full(&self.connection, id)
    }

    fn dispatch_head(&self, id: DispatchId) -> Stored<Option<DispatchRecord>> {
        self.pending.borrow().dispatches.head(&self.connection, id)
    }

    fn open_dispatches(&self, invoker: &Party) -> Stored<Vec<DispatchInfo>> {
        read::open_dispatches(&self.connection, invoker)
    }

    fn dispatches(&self, which: Which, before: Option<DispatchId>, limit: u32) -> Stored<Vec<DispatchInfo>> {
        read::dispatches(&self.connection, which, before, limit)
    }

    fn knowledge(&self, author: &Party, topic: &str) -> Stored<Option<KnowledgeRecord>> {
        knowledge::current(&self.connection, author, topic)
    }

    fn answered(&self, key: Uuid) -> Stored<Option<AnsweredRecord>> {
        alerts::answered(&self.connection, key)
    }

    fn approval(&self, id: ApprovalId) -> Stored<Option<ApprovalRecord>> {
        approvals::one(&self.connection, id)
    }

    fn approvals_older(&self, before: Ms, after: Option<ApprovalId>, limit: u32) -> Stored<Vec<ApprovalId>> {
        retention::approvals_older(&self.connection, before, after, limit)
    }

    fn approvals(&self, all: bool, before: Option<ApprovalId>, limit: u32) -> Stored<Vec<ApprovalInfo>> {
        approvals::page(&self.connection, all, before, limit)
    }

    fn gather(&self, id: GatherId) -> Stored<Option<GatherRecord>> {
        gathers::one(&self.connection, id)
    }

    fn open_gathers(&self, invoker: &Party) -> Stored<Vec<GatherInfo>> {
        gathers::open_of(&self.connection, invoker)
    }

    fn flow(&self, id: &FlowName) -> Stored<Option<FlowRecord>> {
        flows::flow(&self.connection, id)
    }

    fn flow_count(&self) -> Stored<u64> {
        flows::flow_count(&self.connection)
    }

    fn flows(&self, after: Option<&FlowName>, limit: u32) -> Stored<Vec<FlowRecord>> {
        flows::flows(&self.connection, after, limit)
    }

    fn registry(&self, name: &RegistryName) -> Stored<Option<RegistryRecord>> {
        registries::registry(&self.connection, name)
    }

    fn registry_count(&self) -> Stored<u64> {
        registries::count_all(&self.connection)
    }

    fn registries(&self, after: Option<&RegistryName>, limit: u32) -> Stored<Vec<RegistryRecord>> {
        registries::list(&self.connection, after, limit)
    }

    fn registry_row(&self, name: &RegistryName, row: &str) -> Stored<Option<RegistryRow>> {
        registries::row(&self.connection, name, row)
    }

    fn registry_rows(
        &self,
        name: &RegistryName,
        after: Option<&str>,
        limit: u32,
    ) -> Stored<Vec<RegistryRow>> {
        registries::rows(&self.connection, name, after, limit)
    }

    fn registry_holder(&self, name: &RegistryName, field: &str, value: &str) -> Stored<Option<String>> {
        registries::holder(&self.connection, name, field, value)
    }

    fn registry_changes(
        &self,
        name: &RegistryName,
        row: Option<&str>,
        before: u64,
        limit: u32,
    ) -> Stored<Vec<RegistryChange>> {
        registries::changes(&self.connection, name, row, before, limit)
    }

    fn run(&self, id: RunId) -> Stored<Option<RunRecord>> {
        flows::run(&self.connection, id)
    }

    fn run_tasks(&self, id: RunId) -> Stored<Vec<StepTask>> {
        flows::run_tasks(&self.connection, id)
    }

    fn runs(&self, wanted: &RunsWanted, before: Option<RunId>, limit: u32) -> Stored<Vec<RunInfo>> {
        flows::runs(&self.connection, wanted, before, limit)
    }

    fn runs_older(&self, before: Ms, after: Option<RunId>, limit: u32) -> Stored<Vec<RunId>> {
        flows::runs_older(&self.connection, before, after, limit)
    }

    fn knowledge_entry(&self, id: EntryId) -> Stored<Option<KnowledgeRecord>> {
        knowledge::entry(&self.connection, id)
    }

    fn knowledge_version(
        &self,
        author: &Party,
        topic: &str,
        version: u32,
    ) -> Stored<Option<KnowledgeRecord>> {
        knowledge::version(&self.connection, author, topic, version)
    }

    fn knowledge_history(
        &self,
        author: &Party,
        topic: &str,
        before: u32,
        limit: u32,
    ) -> Stored<Vec<KnowledgeHead>> {
        knowledge::history(&self.connection, author, topic, before, limit)
    }

    fn knowledge_list(
        &self,
        scope: &KnowledgeScope,
        of: Option<&Party>,
        prefix: &str,
        after: Option<&KnowledgePlace>,
        limit: u32,
    ) -> Stored<Vec<KnowledgeHead>> {
        knowledge::list(&self.connection, scope, of, prefix, after, limit)
    }

    fn knowledge_search(
        &self,
        scope: &KnowledgeScope,
        of: Option<&Party>,
        query: &str,
    ) -> Stored<Vec<KnowledgeRank>> {
        search::rank(&self.connection, scope, of, query)
    }

    fn knowledge_hit(&self, query: &str, rank: KnowledgeRank) -> Stored<Option<KnowledgeHit>> {
        search::hit(&self.connection, query, rank)
    }

    fn knowledge_grant(
        &self,
        to: &AspectName,
        may: KnowledgeMay,
        of: Option<&Party>,
    ) -> Stored<Option<KnowledgeGrantRecord>> {
        knowledge::grant(&self.connection, to, may, of)
    }

    fn knowledge_grant_by_id(&self, id: GrantId) -> Stored<Option<KnowledgeGrantRecord>> {
        knowledge::grant_by_id(&self.connection, id)
    }

    fn knowledge_grants(&self, to: Option<&AspectName>) -> Stored<Vec<KnowledgeGrantInfo>> {
        knowledge::grants(&self.connection, to)
    }

    fn knowledge_usage(&self, author: &Party, topic: &str) -> Stored<KnowledgeUsage> {
        knowledge::usage(&self.connection, author, topic)
    }

    fn log_where(&self, from_seq: u64, filter: &LogFilter, limit: u32) -> Stored<Vec<LogEntry>> {
        pages::log(self.current()?, self, from_seq, filter, limit)
    }

    fn audit(&self, wanted: &AuditList, limit: u32) -> Stored<Vec<AuditEntry>> {
        audit::list(self.current()?, wanted, limit)
    }

    fn spent(&self, since: Ms, until: Ms, visit: &mut dyn FnMut(&Spent)) -> Stored<()> {
        audit::spent(self.current()?, since, until, visit)
    }

    fn trigger(&self, name: &TriggerName) -> Stored<Option<TriggerRecord>> {
        triggers::one(&self.connection, name)
    }

    fn triggers(&self, after: Option<&TriggerName>, limit: u32) -> Stored<Vec<TriggerRecord>> {
        triggers::page(&self.connection, after, limit)
    }

    fn trigger_slots(&self, trigger: TriggerId, before: u64, limit: u32) -> Stored<Vec<SlotRecord>> {
        triggers::slots(&self.connection, trigger, before, limit)
    }

    fn hook_delivery(&self, trigger: TriggerId, delivery: &str) -> Stored<Option<u64>> {
        triggers::delivery(&self.connection, trigger, delivery)
    }

    fn snapshot(&self) -> Stored<Snapshot> {
        read::snapshot(self.current()?)
    }
}

#[cfg(test)]
mod tests;
