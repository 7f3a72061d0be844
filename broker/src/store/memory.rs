//! The store in memory: the same rows and the same answers as the SQLite one, gone with the process. For
//! simulations and tests; a commit can be told to fail.

mod audit;
mod dispatches;
mod find;
mod knowledge;
mod oversight;
mod threads;
mod undo;

use std::collections::{BTreeMap, BTreeSet, HashMap};

use nexus_wire::alert::{Alert, AlertKind};
use nexus_wire::audit::{AuditEntry, AuditList};
use nexus_wire::chat::{Message, ThreadInfo};
use nexus_wire::gather::GatherInfo;
use nexus_wire::hands::DispatchInfo;
use nexus_wire::knowledge::{KnowledgeGrantInfo, KnowledgeHead, KnowledgeHit, KnowledgeMay, KnowledgeUsage};
use nexus_wire::log::LogEntry;
use nexus_wire::{
    AspectName, BlobId, CredentialName, DispatchId, EntryId, GatherId, GrantId, ItemId, MessageId, Ms,
    OperatorName, Party, ThreadId,
};
use uuid::Uuid;

use super::logged::{LoggedRow, weight};
use super::page::Page;
use super::sqlite::search;
use crate::hub::filter::LogFilter;
use crate::hub::inbox::as_answered;
use crate::hub::records::{
    AnsweredRecord, AspectRecord, BlobRecord, Checkpoint, ClosedRecord, CredentialRecord, DispatchRecord,
    GatherRecord, InboxRecord, KnowledgeGrantRecord, KnowledgePlace, KnowledgeRank, KnowledgeRecord,
    KnowledgeScope, LogRecord, MessageRecord, NewItem, OperatorRecord, Position, ReactionRecord, Reads,
    SetupToken, Snapshot, Spent, Store, StoreError, Stored, TakenRecord, ThreadRecord, UsedAssertion, Which,
};
use dispatches::head;
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
    inboxes: HashMap<AspectName, Vec<InboxRecord>>,
    inbox_floors: HashMap<AspectName, u64>,
    checkpoints: Vec<Checkpoint>,
    closed: HashMap<(AspectName, ItemId), ClosedRecord>,
    /// `seq` of the message an item carries.
    item_messages: HashMap<ItemId, u64>,
    marks: threads::Marks,
    dispatches: BTreeMap<DispatchId, DispatchRecord>,
    open_dispatches: BTreeSet<DispatchId>,
    queue_state: Option<String>,
    alerts: BTreeMap<String, Alert>,
    setup: Option<SetupToken>,
    assertions: BTreeSet<UsedAssertion>,
    credentials: BTreeMap<CredentialName, CredentialRecord>,
    /// With their numbers.
    blobs: BTreeMap<BlobId, (u64, BlobRecord)>,
    /// The number given last, also if its blob is gone.
    last_blob: u64,
    /// Which message, by its `seq`, attaches which blob.
    blob_references: BTreeSet<(BlobId, u64)>,
    knowledge: Knowledge,
    gathers: BTreeMap<GatherId, GatherRecord>,
    answered: HashMap<Uuid, AnsweredRecord>,
    log: Vec<LoggedRow>,
    last_at: Ms,
    started_at: Ms,
    undo: Vec<Undo>,
    commits_to_fail: u32,
}

#[derive(Clone, Debug)]
struct Thread {
    record: ThreadRecord,
    /// Indexes into `messages`.
    messages: Vec<usize>,
}

impl MemoryStore {
    pub fn new() -> Self {
        Self::default()
    }

    /// The next commit fails as if the disk were full.
    pub fn fail_next_commit(&mut self) {
        self.commits_to_fail = 1;
    }

    fn references_of(&self, id: BlobId) -> impl Iterator<Item = u64> + '_ {
        self.blob_references.range((id, 0)..=(id, u64::MAX)).map(|(_, seq)| *seq)
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
        Ok(self.references_of(id).count() as u64)
    }

    fn blob_threads(&self, id: BlobId) -> Stored<Vec<ThreadId>> {
        let of = |seq: u64| self.messages.iter().find(|it| it.message.seq == seq).map(|it| it.message.thread);
        let threads: BTreeSet<ThreadId> = self.references_of(id).filter_map(of).collect();
        Ok(threads.into_iter().collect())
    }

    fn blobs_unreferenced(&self, before: Ms, limit: u32) -> Stored<Vec<BlobId>> {
        let found = self.blobs.values().filter(|(_, it)| it.at < before).map(|(_, it)| it.id);
        Ok(found.filter(|id| self.references_of(*id).next().is_none()).take(limit as usize).collect())
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
        let mut found: Vec<&ThreadInfo> = self
            .threads
            .values()
            .map(|thread| &thread.record.info)
            .filter(|info| of.is_none_or(|party| info.participants.contains(party)))
            .filter(|info| before.is_none_or(|before| info.last_seq < before))
            .collect();
        found.sort_by_key(|info| std::cmp::Reverse(info.last_seq));
        Ok(found.into_iter().take(limit as usize).cloned().collect())
    }

    fn messages(&self, thread: ThreadId, after: u64, limit: u32) -> Stored<Vec<Message>> {
        let all = self.threads.get(&thread).map_or(&[][..], |thread| &thread.messages);
        let of = |at: &usize| self.messages.get(*at).map(|record| &record.message);
        let start = all.partition_point(|at| of(at).is_some_and(|message| message.seq <= after));
        let mut page = Page::new(limit);
        Ok(all[start..]
            .iter()
            .filter_map(of)
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
            .filter_map(|at| self.messages.get(*at).map(|record| &record.message))
            .skip_while(|message| message.seq >= before)
            .take_while(|message| message.seq > after && page.takes(message.content.len()))
            .cloned()
            .collect();
        found.reverse();
        Ok(found)
    }

    fn unread(&self, reader: &Party, thread: ThreadId) -> Stored<u64> {
        Ok(self.unread_of(reader, thread))
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
        Ok(items[start..]
            .iter()
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

    fn gather(&self, id: GatherId) -> Stored<Option<GatherRecord>> {
        Ok(self.gathers.get(&id).cloned())
    }

    fn open_gathers(&self, invoker: &Party) -> Stored<Vec<GatherInfo>> {
        let own = self.gathers.values().filter(|record| record.info.invoker == *invoker);
        Ok(own.filter(|record| record.info.ended_at.is_none()).map(|record| record.info.clone()).collect())
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

    fn log_where(&self, from_seq: u64, filter: &LogFilter, limit: u32) -> Stored<Vec<LogEntry>> {
        let start = self.log.partition_point(|row| row.seq <= from_seq);
        let mut page = Page::new(limit);
        let mut found = Vec::new();
        for row in &self.log[start..] {
            let entry = row.clone().entry(self)?;
            if !filter.matches(&entry) {
                continue;
            }
            if !page.takes(weight(&entry)) {
                break;
            }
            found.push(entry);
        }
        Ok(found)
    }

    fn audit(&self, wanted: &AuditList, limit: u32) -> Stored<Vec<AuditEntry>> {
        Ok(audit::list(self, wanted, limit))
    }

    fn spent(&self, since: Ms, until: Ms, visit: &mut dyn FnMut(&Spent)) -> Stored<()> {
        audit::spent(self, since, until, visit);
        Ok(())
    }

    fn snapshot(&self) -> Stored<Snapshot> {
        Ok(Snapshot {
            last_at: self.last_at,
            log_seq: self.log.last().map_or(0, |row| row.seq),
            started_at: self.started_at,
            aspects: self.aspects()?,
            operators: self.operators()?,
            open_dispatches: self
                .open_dispatches
                .iter()
                .filter_map(|id| self.dispatches.get(id))
                .map(head)
                .collect(),
            queue_state: self.queue_state.clone(),
            open_gathers: oversight::open_gathers(self),
            open_alerts: self.alerts.values().filter(|alert| alert.cleared_at.is_none()).cloned().collect(),
            setup: self.setup,
            assertions: self.assertions.iter().copied().collect(),
            credentials: self.credentials.values().cloned().collect(),
        })
    }
}

fn absent(what: &dyn std::fmt::Display) -> StoreError {
    StoreError::Corrupt(format!("{what} is not there"))
}

impl Store for MemoryStore {
    fn put_gather(&mut self, record: &GatherRecord) -> Stored<()> {
        let id = record.info.id;
        let old = self.gathers.insert(id, record.clone());
        self.undo.push(Undo::Gather(id, old.map(Box::new)));
        Ok(())
    }

    fn put_answered(&mut self, record: &AnsweredRecord) -> Stored<()> {
        self.answered.insert(record.key, record.clone());
        self.undo.push(Undo::Answered(record.key));
        Ok(())
    }

    fn put_alert(&mut self, alert: &Alert) -> Stored<()> {
        let old = self.alerts.insert(alert.key.clone(), alert.clone());
        self.undo.push(Undo::Alert(alert.key.clone(), old.map(Box::new)));
        Ok(())
    }

    fn put_aspect(&mut self, record: &AspectRecord) -> Stored<()> {
        let old = self.aspects.insert(record.name.clone(), record.clone());
        self.undo.push(Undo::Aspect(record.name.clone(), old.map(Box::new)));
        Ok(())
    }

    fn put_position(&mut self, aspect: &AspectName, position: Position) -> Stored<()> {
        let record = self.aspects.get_mut(aspect).ok_or_else(|| absent(&format_args!("aspect {aspect}")))?;
        self.undo.push(Undo::Position(aspect.clone(), record.position()));
        undo::set_position(record, position);
        Ok(())
    }

    fn put_blob(&mut self, record: &BlobRecord) -> Stored<()> {
        let old = self.blobs.get(&record.id).cloned();
        let no = old.as_ref().map_or(self.last_blob + 1, |(no, _)| *no);
        self.undo.push(Undo::LastBlob(self.last_blob));
        self.last_blob = self.last_blob.max(no);
        self.blobs.insert(record.id, (no, record.clone()));
        self.undo.push(Undo::Blob(record.id, old.map(Box::new)));
        Ok(())
    }

    fn delete_blob(&mut self, id: BlobId) -> Stored<()> {
        let old = self.blobs.remove(&id);
        self.undo.push(Undo::Blob(id, old.map(Box::new)));
        Ok(())
    }

    fn put_blob_reference(&mut self, id: BlobId, message_seq: u64) -> Stored<()> {
        if !self.blobs.contains_key(&id) {
            return Err(absent(&format_args!("blob {id}")));
        }
        if self.blob_references.insert((id, message_seq)) {
            self.undo.push(Undo::BlobReference(id, message_seq));
        }
        Ok(())
    }

    fn put_operator(&mut self, record: &OperatorRecord) -> Stored<()> {
        let old = self.operators.insert(record.name.clone(), record.clone());
        self.undo.push(Undo::Operator(record.name.clone(), old));
        Ok(())
    }

    fn put_setup(&mut self, setup: &SetupToken) -> Stored<()> {
        let old = self.setup.replace(*setup);
        self.undo.push(Undo::Setup(old));
        Ok(())
    }

    fn put_assertion(&mut self, used: &UsedAssertion) -> Stored<()> {
        if self.assertions.insert(*used) {
            self.undo.push(Undo::Assertion(*used, false));
        }
        Ok(())
    }

    fn drop_assertions(&mut self, at: Ms) -> Stored<()> {
        while let Some(first) = self.assertions.first().copied().filter(|it| it.until <= at) {
            self.assertions.remove(&first);
            self.undo.push(Undo::Assertion(first, true));
        }
        Ok(())
    }

    fn put_credential(&mut self, record: &CredentialRecord) -> Stored<()> {
        let old = self.credentials.insert(record.name.clone(), record.clone());
        self.undo.push(Undo::Credential(record.name.clone(), old.map(Box::new)));
        Ok(())
    }

    fn remove_credential(&mut self, name: &CredentialName) -> Stored<()> {
        let old = self.credentials.remove(name);
        self.undo.push(Undo::Credential(name.clone(), old.map(Box::new)));
        Ok(())
    }

    fn put_thread(&mut self, record: &ThreadRecord) -> Stored<()> {
        let id = record.info.id;
        match self.threads.get_mut(&id) {
            Some(thread) => {
                let old = std::mem::replace(&mut thread.record, record.clone());
                self.undo.push(Undo::Thread(id, Some(Box::new(old))));
            }
            None => {
                self.threads.insert(id, Thread { record: record.clone(), messages: Vec::new() });
                self.undo.push(Undo::Thread(id, None));
            }
        }
        Ok(())
    }

    fn put_message(&mut self, record: &MessageRecord) -> Stored<()> {
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
        let record = self.aspects.get_mut(aspect).ok_or_else(|| absent(&format_args!("aspect {aspect}")))?;
        record.tail = item.offset;
        if let Some(seq) = item.message_seq {
            self.item_messages.insert(item.id, seq);
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
        let Some(items) = self.inboxes.get_mut(aspect) else { return Ok(()) };
        let gone = items.partition_point(|item| item.offset <= floor);
        let gone: Vec<InboxRecord> = items.drain(..gone).collect();
        let old = self.inbox_floors.insert(aspect.clone(), floor).unwrap_or(0);
        self.undo.push(Undo::PrunedInbox(aspect.clone(), old, gone));
        Ok(())
    }

    fn prune_log(&mut self, checkpoint: &Checkpoint) -> Stored<()> {
        let gone = self.log.partition_point(|row| row.seq <= checkpoint.seq);
        self.undo.push(Undo::PrunedLog(self.log.drain(..gone).collect()));
        self.checkpoints.push(checkpoint.clone());
        Ok(())
    }

    fn put_closed(&mut self, record: &ClosedRecord) -> Stored<()> {
        let key = (record.aspect.clone(), record.item);
        self.closed.insert(key.clone(), record.clone());
        self.undo.push(Undo::Closed(key));
        Ok(())
    }

    fn put_taken(&mut self, record: &TakenRecord) -> Stored<()> {
        self.set_taken(record);
        Ok(())
    }

    fn put_read_position(&mut self, reader: &Party, thread: ThreadId, seq: u64) -> Stored<()> {
        self.set_position_of(reader, thread, seq);
        Ok(())
    }

    fn put_reaction(&mut self, reaction: &ReactionRecord) -> Stored<()> {
        self.set_reaction(reaction, true);
        Ok(())
    }

    fn remove_reaction(&mut self, reaction: &ReactionRecord) -> Stored<()> {
        self.set_reaction(reaction, false);
        Ok(())
    }

    fn add_dispatch(&mut self, record: &DispatchRecord) -> Stored<()> {
        self.set_dispatch(record.clone());
        Ok(())
    }

    fn put_dispatch(&mut self, record: &DispatchRecord) -> Stored<()> {
        let id = record.info.id;
        let old = self.dispatches.get(&id).ok_or_else(|| absent(&format_args!("dispatch {id}")))?;
        let mut record = record.clone();
        record.info.input = old.info.input.clone();
        record.info.output = record.info.output.or_else(|| old.info.output.clone());
        self.set_dispatch(record);
        Ok(())
    }

    fn put_queue_state(&mut self, json: &str) -> Stored<()> {
        let old = self.queue_state.replace(json.to_owned());
        self.undo.push(Undo::QueueState(old));
        Ok(())
    }

    fn put_knowledge(&mut self, record: &KnowledgeRecord) -> Stored<()> {
        self.knowledge.entries.push(record.clone());
        self.undo.push(Undo::Knowledge);
        Ok(())
    }

    fn put_knowledge_grant(&mut self, record: &KnowledgeGrantRecord) -> Stored<()> {
        self.knowledge.grants.push(record.clone());
        self.undo.push(Undo::KnowledgeGrant);
        Ok(())
    }

    fn put_knowledge_usage(&mut self, author: &Party, topic: &str, usage: KnowledgeUsage) -> Stored<()> {
        let key = (author.clone(), topic.to_owned());
        let old = self.knowledge.usage.insert(key.clone(), usage);
        self.undo.push(Undo::KnowledgeUsage(key, old));
        Ok(())
    }

    fn append_log(&mut self, record: &LogRecord) -> Stored<()> {
        self.log.push(LoggedRow::from(&record.entry));
        self.undo.push(Undo::Log);
        self.put_last_at(record.entry.at)
    }

    fn put_started_at(&mut self, at: Ms) -> Stored<()> {
        self.undo.push(Undo::StartedAt(std::mem::replace(&mut self.started_at, at)));
        Ok(())
    }

    fn put_last_at(&mut self, at: Ms) -> Stored<()> {
        if at > self.last_at {
            self.undo.push(Undo::LastAt(self.last_at));
            self.last_at = at;
        }
        Ok(())
    }
}
