//! The store the hub keeps its rows in, as the hub asks for it, and what can be wrong with it.

use nexus_wire::alert::{Alert, AlertKind};
use nexus_wire::approval::ApprovalInfo;
use nexus_wire::audit::{AuditEntry, AuditList};
use nexus_wire::budget::{Spending, SpendingDay};
use nexus_wire::chat::{ChatHit, ChatSearch, Message, ReplyMeta, ThreadInfo, Usage};
use nexus_wire::gather::GatherInfo;
use nexus_wire::hands::{DispatchInfo, WorkSource};
use nexus_wire::inbox::InboxClose;
use nexus_wire::knowledge::{KnowledgeGrantInfo, KnowledgeHead, KnowledgeHit, KnowledgeMay, KnowledgeUsage};
use nexus_wire::log::LogEntry;
use nexus_wire::name::{FlowName, RegistryName};
use nexus_wire::registry::{RegistryChange, RegistryRow};
use nexus_wire::run::{RunInfo, RunTask};
use nexus_wire::{
    ApprovalId, AspectName, BlobId, CredentialName, DispatchId, EntryId, GatherId, GrantId, HandRef, ItemId,
    MessageId, Ms, OperatorName, Party, RunId, ThreadId, TriggerId, TriggerName,
};
use serde::{Deserialize, Serialize};
use thiserror::Error;
use uuid::Uuid;

use super::{
    AnsweredRecord, ApprovalRecord, AspectRecord, BlobMention, BlobRecord, Checkpoint, ClosedRecord,
    CredentialRecord, DispatchRecord, FlowRecord, GatherRecord, InboxRecord, Invitation,
    KnowledgeGrantRecord, KnowledgePlace, KnowledgeRank, KnowledgeRecord, KnowledgeScope, LogRecord,
    MessageRecord, NewItem, OperatorRecord, Position, Pruned, Purse, PurseKey, PushKey, PushRecord,
    ReactionRecord, RegistryRecord, RunRecord, RunsWanted, SetupToken, SlotRecord, Snapshot, StepTask,
    TakenRecord, ThreadRecord, TriggerRecord, UniqueValue, UsedAssertion,
};
use crate::hub::filter::LogFilter;
use crate::hub::queue::ClockChanges;

#[derive(Debug, Error)]
pub enum StoreError {
    /// Disk full, read-only, I/O error: the batch did not happen; later ones may.
    #[error("storage is unavailable: {0}")]
    Unavailable(String),
    /// The file does not say what we wrote.
    #[error("the database is damaged: {0}; restore a backup")]
    Corrupt(String),
}

/// Tokens and cost of one reply, or of one dispatch that has ended.
#[derive(Clone, Debug, PartialEq)]
pub struct Spent {
    pub at: Ms,
    pub by: Party,
    pub what: SpentOn,
    /// Of a reply.
    pub thread: Option<ThreadId>,
    /// Of a dispatch.
    pub source: Option<WorkSource>,
    /// `<provider>/<model>`, where that was said.
    pub model: Option<String>,
    pub usage: Usage,
    pub cost_microusd: Option<u64>,
}

/// What something was spent on.
#[derive(Clone, Debug, PartialEq)]
pub enum SpentOn {
    /// An item that no message answers.
    Closing,
    Dispatch(HandRef),
    Reply,
}

/// What was spent for an item that no message answers.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct Outlay {
    pub usage: Usage,
    pub cost_microusd: Option<u64>,
    /// `<provider>/<model>`; `None`: nobody said.
    pub model: Option<String>,
}

impl Outlay {
    /// A sum that says nothing of its kinds counts as tokens that were put in.
    pub fn of(close: &InboxClose) -> Option<Self> {
        let summed = |spent: Spending| Self {
            usage: Usage { input_tokens: spent.tokens, ..Usage::default() },
            cost_microusd: Some(spent.cost_microusd),
            model: None,
        };
        let told = |meta: &ReplyMeta| Self {
            usage: meta.usage,
            cost_microusd: meta.cost_microusd,
            model: Some(model_of(meta)),
        };
        close.meta.as_ref().map(told).or_else(|| close.spent.map(summed))
    }
}

fn model_of(meta: &ReplyMeta) -> String {
    format!("{}/{}", meta.provider, meta.model)
}

impl Spent {
    pub fn of_closing(at: Ms, aspect: &AspectName, outlay: &Outlay) -> Self {
        Self {
            at,
            by: Party::Aspect(aspect.clone()),
            what: SpentOn::Closing,
            thread: None,
            source: None,
            model: outlay.model.clone(),
            usage: outlay.usage,
            cost_microusd: outlay.cost_microusd,
        }
    }

    pub fn of_reply(at: Ms, sender: &Party, thread: ThreadId, meta: &ReplyMeta) -> Self {
        Self {
            at,
            by: sender.clone(),
            what: SpentOn::Reply,
            thread: Some(thread),
            source: None,
            model: Some(model_of(meta)),
            usage: meta.usage,
            cost_microusd: meta.cost_microusd,
        }
    }

    /// `None`: it has not ended.
    pub fn of_dispatch(info: &DispatchInfo) -> Option<Self> {
        Some(Self {
            at: info.ended_at?,
            by: Party::Aspect(info.hand.aspect.clone()),
            what: SpentOn::Dispatch(info.hand.clone()),
            thread: None,
            source: info.source.clone(),
            model: None,
            usage: info.usage,
            cost_microusd: info.cost_microusd,
        })
    }
}

pub type Stored<T> = Result<T, StoreError>;

/// Reads; they see everything committed, and inside a batch what the batch has written so far.
///
/// A page ends at `limit` or at [`PAGE_BYTES`], whichever comes first, and holds at least one row if there is
/// one: only an empty page is the end.
pub trait Reads {
    fn alert(&self, kind: AlertKind, subject: &str) -> Stored<Option<Alert>>;
    /// The latest raised first, before the one with that `seq`; `all`: also those that were cleared.
    fn alerts(&self, all: bool, before: Option<u64>, limit: u32) -> Stored<Vec<Alert>>;
    fn approval(&self, id: ApprovalId) -> Stored<Option<ApprovalRecord>>;
    /// Of those that ended before `before`, by their ids, those after `after`.
    fn approvals_older(&self, before: Ms, after: Option<ApprovalId>, limit: u32) -> Stored<Vec<ApprovalId>>;
    /// In the order of their ids, the last first, those before `before`; `all`: also those that have ended.
    fn approvals(&self, all: bool, before: Option<ApprovalId>, limit: u32) -> Stored<Vec<ApprovalInfo>>;
    fn aspect(&self, name: &AspectName) -> Stored<Option<AspectRecord>>;
    /// By name.
    fn aspects(&self) -> Stored<Vec<AspectRecord>>;
    fn blob(&self, id: BlobId) -> Stored<Option<BlobRecord>>;
    /// The latest first, those before the one with that number; with their numbers.
    fn blobs(&self, before: Option<u64>, limit: u32) -> Stored<Vec<(u64, BlobRecord)>>;
    /// Bytes on the quota of one party, or of all together.
    fn blob_usage(&self, of: Option<&Party>) -> Stored<u64>;
    /// How many messages attach it, and dispatches and versions of entries name it.
    fn blob_references(&self, id: BlobId) -> Stored<u64>;
    /// What names it without attaching it, in the order of their ids, the last first.
    fn blob_mentions(&self, id: BlobId, limit: u32) -> Stored<Vec<BlobMention>>;
    /// Whether a message attaches it in a thread that party takes part in.
    fn blob_is_shown_to(&self, id: BlobId, party: &Party) -> Stored<bool>;
    /// Whether a message of that thread attaches it.
    fn blob_is_shown_in(&self, id: BlobId, thread: ThreadId) -> Stored<bool>;
    /// Those nothing refers to that were last put before that time, by id.
    fn blobs_unreferenced(&self, before: Ms, limit: u32) -> Stored<Vec<BlobId>>;
    /// By name.
    fn operators(&self) -> Stored<Vec<OperatorRecord>>;
    fn message(&self, id: MessageId) -> Stored<Option<MessageRecord>>;
    fn thread(&self, id: ThreadId) -> Stored<Option<ThreadRecord>>;
    /// Latest activity first, after the thread whose `last_seq` is `before`; of one party if named.
    fn threads(&self, of: Option<&Party>, before: Option<u64>, limit: u32) -> Stored<Vec<ThreadInfo>>;
    /// What of it is kept no longer; `None`: nothing.
    fn thread_pruned(&self, thread: ThreadId) -> Stored<Option<Pruned>>;
    /// Of messages up to this `seq`, and of what entries of the log up to it are about, some may be gone.
    fn contents_floor(&self) -> Stored<u64>;
    /// Messages that came before that time, with a larger `seq`, the oldest first.
    fn messages_older(&self, before: Ms, after: u64, limit: u32) -> Stored<Vec<(u64, MessageId)>>;
    /// Dispatches that ended before that time, with a larger id, in the order of ids.
    fn dispatches_older(&self, before: Ms, after: Option<DispatchId>, limit: u32) -> Stored<Vec<DispatchId>>;
    /// Oldest first.
    fn messages(&self, thread: ThreadId, after: u64, limit: u32) -> Stored<Vec<Message>>;
    /// The last ones before `before` that are after `after`, oldest first; of messages that make a page too large
    /// the oldest are left out.
    fn messages_before(&self, thread: ThreadId, after: u64, before: u64, limit: u32) -> Stored<Vec<Message>>;
    /// Messages of others after `reader`'s read position and after their own last one, up to `most`. Of a thread
    /// the last `2 * most` are looked at, those that are kept no longer among them.
    fn unread(&self, reader: &Party, thread: ThreadId, most: u64) -> Stored<u64>;
    /// `seq` up to which `reader` has read; 0 at first.
    fn read_position(&self, reader: &Party, thread: ThreadId) -> Stored<u64>;
    /// By sign, then by party as text.
    fn reactions(&self, message: MessageId) -> Stored<Vec<ReactionRecord>>;
    /// When the item was put before the aspect's model.
    fn taken(&self, aspect: &AspectName, item: ItemId) -> Stored<Option<Ms>>;
    /// `seq` of the first message in the inbox that is not acknowledged: those before it are delivered.
    fn first_unacked(&self, aspect: &AspectName) -> Stored<Option<u64>>;
    /// Items with larger offsets, in order.
    fn inbox(&self, aspect: &AspectName, after: u64, limit: u32) -> Stored<Vec<InboxRecord>>;
    /// `None`: there is none with that offset, or the message it carried is kept no longer.
    fn inbox_at(&self, aspect: &AspectName, offset: u64) -> Stored<Option<InboxRecord>>;
    /// Items up to here are not kept any more; a multiple of [`INBOX_BLOCK`](super::INBOX_BLOCK).
    fn inbox_floor(&self, aspect: &AspectName) -> Stored<u64>;
    fn closed(&self, aspect: &AspectName, item: ItemId) -> Stored<Option<ClosedRecord>>;
    fn dispatch(&self, id: DispatchId) -> Stored<Option<DispatchRecord>>;
    /// Without input and output, which may be large.
    fn dispatch_head(&self, id: DispatchId) -> Stored<Option<DispatchRecord>>;
    /// What an invoker has open, without inputs; in the order of ids.
    fn open_dispatches(&self, invoker: &Party) -> Stored<Vec<DispatchInfo>>;
    /// Latest first, those older than `before`; without inputs and outputs.
    fn dispatches(&self, which: Which, before: Option<DispatchId>, limit: u32) -> Stored<Vec<DispatchInfo>>;
    fn answered(&self, key: Uuid) -> Stored<Option<AnsweredRecord>>;
    fn gather(&self, id: GatherId) -> Stored<Option<GatherRecord>>;
    /// What an invoker has open, in the order of ids.
    fn open_gathers(&self, invoker: &Party) -> Stored<Vec<GatherInfo>>;
    /// The latest version, deleted or not.
    fn flow(&self, id: &FlowName) -> Stored<Option<FlowRecord>>;
    /// Those that are not deleted.
    fn flow_count(&self) -> Stored<u64>;
    /// Those that are not deleted, by id, after `after`.
    fn flows(&self, after: Option<&FlowName>, limit: u32) -> Stored<Vec<FlowRecord>>;
    /// The latest version, deleted or not.
    fn registry(&self, name: &RegistryName) -> Stored<Option<RegistryRecord>>;
    /// Those that are not deleted.
    fn registry_count(&self) -> Stored<u64>;
    /// Those that are not deleted, by name, after `after`.
    fn registries(&self, after: Option<&RegistryName>, limit: u32) -> Stored<Vec<RegistryRecord>>;
    fn registry_row(&self, name: &RegistryName, row: &str) -> Stored<Option<RegistryRow>>;
    /// By what names them, as bytes, after `after`.
    fn registry_rows(&self, name: &RegistryName, after: Option<&str>, limit: u32)
    -> Stored<Vec<RegistryRow>>;
    /// The row that has that unique value.
    fn registry_holder(&self, name: &RegistryName, field: &str, value: &str) -> Stored<Option<String>>;
    /// Of one row or of all, those before `before`, the latest first.
    fn registry_changes(
        &self,
        name: &RegistryName,
        row: Option<&str>,
        before: u64,
        limit: u32,
    ) -> Stored<Vec<RegistryChange>>;
    fn run(&self, id: RunId) -> Stored<Option<RunRecord>>;
    /// By step and index.
    fn run_tasks(&self, id: RunId) -> Stored<Vec<StepTask>>;
    /// In the order of their ids, the last first, those before `before`.
    fn runs(&self, wanted: &RunsWanted, before: Option<RunId>, limit: u32) -> Stored<Vec<RunInfo>>;
    /// Of those that ended before `before`, by their ids, those after `after`.
    fn runs_older(&self, before: Ms, after: Option<RunId>, limit: u32) -> Stored<Vec<RunId>>;
    /// The newest version of a topic.
    fn knowledge(&self, aspect: &Party, topic: &str) -> Stored<Option<KnowledgeRecord>>;
    /// A version by its id, current or not.
    fn knowledge_entry(&self, id: EntryId) -> Stored<Option<KnowledgeRecord>>;
    fn knowledge_version(&self, author: &Party, topic: &str, version: u32)
    -> Stored<Option<KnowledgeRecord>>;
    /// Versions before `before`, the newest first.
    fn knowledge_history(
        &self,
        author: &Party,
        topic: &str,
        before: u32,
        limit: u32,
    ) -> Stored<Vec<KnowledgeHead>>;
    /// Current entries in `scope`, of one author if named, by author and topic as text.
    fn knowledge_list(
        &self,
        scope: &KnowledgeScope,
        of: Option<&Party>,
        prefix: &str,
        after: Option<&KnowledgePlace>,
        limit: u32,
    ) -> Stored<Vec<KnowledgeHead>>;
    /// Current entries in `scope` with their scores, best first, at most `SEARCH_HITS_MAX`. Any text is a valid
    /// query. A score depends on nothing outside of `scope`.
    fn knowledge_search(
        &self,
        scope: &KnowledgeScope,
        of: Option<&Party>,
        query: &str,
    ) -> Stored<Vec<KnowledgeRank>>;
    /// What a search has ranked; `None` if it was replaced meanwhile.
    fn knowledge_hit(&self, query: &str, rank: KnowledgeRank) -> Stored<Option<KnowledgeHit>>;
    /// The last change of a grant.
    fn knowledge_grant(
        &self,
        to: &AspectName,
        may: KnowledgeMay,
        of: Option<&Party>,
    ) -> Stored<Option<KnowledgeGrantRecord>>;
    /// A change of a grant by its id.
    fn knowledge_grant_by_id(&self, id: GrantId) -> Stored<Option<KnowledgeGrantRecord>>;
    /// What is granted by such changes now, by name; to one aspect if named.
    fn knowledge_grants(&self, to: Option<&AspectName>) -> Stored<Vec<KnowledgeGrantInfo>>;
    fn knowledge_usage(&self, author: &Party, topic: &str) -> Stored<KnowledgeUsage>;
    /// Entries after `from_seq`, with their bodies; what comes next is after `next`.
    fn log_where(&self, from_seq: u64, filter: &LogFilter, limit: u32) -> Stored<Stretch<LogEntry>>;
    /// The same of a log that one stretch covers.
    fn log(&self, from_seq: u64, thread: Option<ThreadId>, limit: u32) -> Stored<Vec<LogEntry>> {
        Ok(self.log_where(from_seq, &thread.into(), limit)?.found)
    }
    /// Entries up to here are not kept any more.
    fn log_floor(&self) -> Stored<u64>;
    /// The hash of an entry; a store without a chain gives what stands for it.
    fn log_hash(&self, seq: u64) -> Stored<Option<[u8; 32]>>;
    /// Every checkpoint, the oldest first.
    fn checkpoints(&self) -> Stored<Vec<Checkpoint>>;
    /// The last entry that came before that time, among the first `limit` after the floor.
    fn log_before(&self, before: Ms, limit: u32) -> Stored<Option<u64>>;
    /// Rows of the log that match, the latest first; what comes next is before `next`.
    fn audit_where(&self, wanted: &AuditList, limit: u32) -> Stored<Stretch<AuditEntry>>;
    /// The same of a log that one stretch covers.
    fn audit(&self, wanted: &AuditList, limit: u32) -> Stored<Vec<AuditEntry>> {
        Ok(self.audit_where(wanted, limit)?.found)
    }
    /// Shows everything spent from `since` on and before `until`, in no order.
    fn spent(&self, since: Ms, until: Ms, visit: &mut dyn FnMut(&Spent)) -> Stored<()>;
    fn trigger(&self, name: &TriggerName) -> Stored<Option<TriggerRecord>>;
    /// By name, those after `after`.
    fn triggers(&self, after: Option<&TriggerName>, limit: u32) -> Stored<Vec<TriggerRecord>>;
    /// Those before `before`, the latest first.
    fn trigger_slots(&self, trigger: TriggerId, before: u64, limit: u32) -> Stored<Vec<SlotRecord>>;
    /// Which slot a request of a service outside led to, while that is remembered.
    fn hook_delivery(&self, trigger: TriggerId, delivery: &str) -> Stored<Option<u64>>;
    fn snapshot(&self) -> Stored<Snapshot>;
}

/// What was found among the entries of the log that one read has looked at. It looks at so many and no more, and may
/// find nothing.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Stretch<T> {
    pub found: Vec<T>,
    /// Where it ended before all was looked at.
    pub next: Option<u64>,
}

/// Which dispatches are listed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Which {
    All,
    /// Those that have come to nothing; see [`is_dead`](super::is_dead).
    Dead,
    /// Those that have not ended.
    Open,
}

/// Beyond this much text a page of items, messages or log entries ends early.
pub const PAGE_BYTES: usize = 4 * 1024 * 1024;

/// Which messages a search may find.
#[derive(Clone, Debug, PartialEq)]
pub enum Visible {
    All,
    /// Those in threads in which `party` takes part, and in `worked`, which its Hands are at work for.
    To {
        party: Party,
        worked: Vec<ThreadId>,
    },
}

/// What a search has found, the newest first.
#[derive(Clone, Debug, PartialEq)]
pub struct Found {
    pub hits: Vec<ChatHit>,
    /// Where it ended, which is the `cursor` to go on with; `None`: there is nothing else.
    pub next: Option<u64>,
    /// How far the index had come.
    pub indexed_seq: u64,
}

/// Search in messages; may lie a moment behind what is committed.
pub trait Finds: Reads {
    /// A page as of [`Reads`], but of so many matches that are looked at: it may be empty and not the last. Any text
    /// is a valid query.
    fn chat_search(&self, visible: &Visible, search: &ChatSearch, limit: u32) -> Stored<Found>;
}

/// The one writer.
pub trait Store: Reads {
    /// Inserts or replaces by its key.
    fn put_alert(&mut self, alert: &Alert) -> Stored<()>;
    /// Inserts or replaces.
    fn put_approval(&mut self, record: &ApprovalRecord) -> Stored<()>;
    /// Inserts or replaces.
    fn put_gather(&mut self, record: &GatherRecord) -> Stored<()>;
    /// Inserts or replaces.
    fn put_trigger(&mut self, record: &TriggerRecord) -> Stored<()>;
    /// Drops one that is there, with its slots.
    fn remove_trigger(&mut self, name: &TriggerName, id: TriggerId) -> Stored<()>;
    /// Inserts or replaces.
    fn put_trigger_slot(&mut self, record: &SlotRecord) -> Stored<()>;
    /// Those up to `up_to` that have ended are kept no longer.
    fn drop_trigger_slots(&mut self, trigger: TriggerId, up_to: u64) -> Stored<()>;
    /// A request of a service outside that is new led to slot `no`.
    fn put_hook_delivery(&mut self, trigger: TriggerId, delivery: &str, no: u64) -> Stored<()>;
    /// Those that led to slots up to `up_to` are forgotten.
    fn drop_hook_deliveries(&mut self, trigger: TriggerId, up_to: u64) -> Stored<()>;
    fn put_flow(&mut self, record: &FlowRecord) -> Stored<()>;
    /// Inserts or replaces.
    fn put_registry(&mut self, record: &RegistryRecord) -> Stored<()>;
    /// Inserts or replaces; `unique` are all its values that no other row has.
    fn put_registry_row(
        &mut self,
        name: &RegistryName,
        row: &RegistryRow,
        unique: &[UniqueValue],
    ) -> Stored<()>;
    fn remove_registry_row(&mut self, name: &RegistryName, row: &str) -> Stored<()>;
    /// One that is new.
    fn put_registry_change(&mut self, name: &RegistryName, change: &RegistryChange) -> Stored<()>;
    /// Those up to `up_to` are kept no longer.
    fn drop_registry_changes(&mut self, name: &RegistryName, up_to: u64) -> Stored<()>;
    /// Drops its rows and their changes.
    fn clear_registry(&mut self, name: &RegistryName) -> Stored<()>;
    /// A run that is new; its flow and its input are kept from here on.
    fn add_run(&mut self, record: &RunRecord) -> Stored<()>;
    /// Replaces everything but flow and input.
    fn put_run(&mut self, record: &RunRecord) -> Stored<()>;
    /// Inserts or replaces by step and index.
    fn put_run_task(&mut self, run: RunId, step: u32, task: &RunTask) -> Stored<()>;
    /// Drops a run that has ended, and its tasks.
    fn delete_run(&mut self, id: RunId) -> Stored<()>;
    /// One that is new.
    fn put_answered(&mut self, record: &AnsweredRecord) -> Stored<()>;
    /// Inserts or replaces everything of the aspect, its position included.
    fn put_aspect(&mut self, record: &AspectRecord) -> Stored<()>;
    /// Replaces the position of an aspect that is there.
    fn put_position(&mut self, aspect: &AspectName, position: Position) -> Stored<()>;
    /// Inserts or replaces.
    fn put_blob(&mut self, record: &BlobRecord) -> Stored<()>;
    /// One that is there and that nothing refers to.
    fn delete_blob(&mut self, id: BlobId) -> Stored<()>;
    /// The message with that `seq`, which is there, attaches the blob, which is there too.
    fn put_blob_reference(&mut self, id: BlobId, thread: ThreadId, message_seq: u64) -> Stored<()>;
    /// The blob is there; said again it changes nothing.
    fn put_blob_mention(&mut self, id: BlobId, by: BlobMention) -> Stored<()>;
    fn put_operator(&mut self, record: &OperatorRecord) -> Stored<()>;
    fn put_setup(&mut self, setup: &SetupToken) -> Stored<()>;
    /// Inserts or replaces by its name.
    fn put_invitation(&mut self, invitation: &Invitation) -> Stored<()>;
    fn remove_invitation(&mut self, name: &OperatorName) -> Stored<()>;
    fn put_assertion(&mut self, used: &UsedAssertion) -> Stored<()>;
    /// Those with `until` at or before `at`.
    fn drop_assertions(&mut self, at: Ms) -> Stored<()>;
    fn put_credential(&mut self, record: &CredentialRecord) -> Stored<()>;
    fn remove_credential(&mut self, name: &CredentialName) -> Stored<()>;
    /// Inserts or replaces. Comes before the messages of the thread.
    fn put_thread(&mut self, record: &ThreadRecord) -> Stored<()>;
    /// The message is its entry of the log, too: the next [`Self::append_log`] is given it.
    fn put_message(&mut self, record: &MessageRecord, content_sha256: &[u8; 32]) -> Stored<()>;
    /// Appends to the inbox of an aspect that is there and moves its tail.
    fn put_inbox(&mut self, aspect: &AspectName, item: &NewItem) -> Stored<()>;
    /// Drops the items up to `floor`, a multiple of [`INBOX_BLOCK`](super::INBOX_BLOCK) that the cursor has passed.
    fn prune_inbox(&mut self, aspect: &AspectName, floor: u64) -> Stored<()>;
    /// Drops a message that is there and not the last of its thread, with its reactions, receipts and references.
    fn delete_message(&mut self, id: MessageId) -> Stored<()>;
    /// Drops a dispatch that has ended, and what it names.
    fn delete_approval(&mut self, id: ApprovalId) -> Stored<()>;
    fn delete_dispatch(&mut self, id: DispatchId) -> Stored<()>;
    fn put_contents_floor(&mut self, seq: u64) -> Stored<()>;
    /// Drops the entries up to the checkpoint, which stays for them.
    fn prune_log(&mut self, checkpoint: &Checkpoint) -> Stored<()>;
    fn put_closed(&mut self, record: &ClosedRecord) -> Stored<()>;
    /// An item that has not been taken before.
    fn put_taken(&mut self, record: &TakenRecord) -> Stored<()>;
    fn put_read_position(&mut self, reader: &Party, thread: ThreadId, seq: u64) -> Stored<()>;
    /// A reaction that is not there yet.
    fn put_reaction(&mut self, reaction: &ReactionRecord) -> Stored<()>;
    fn remove_reaction(&mut self, reaction: &ReactionRecord) -> Stored<()>;
    /// A dispatch that is new; `info.input` is kept from here on.
    fn add_dispatch(&mut self, record: &DispatchRecord) -> Stored<()>;
    /// Replaces everything but the input, and an output that is there by one only.
    fn put_dispatch(&mut self, record: &DispatchRecord) -> Stored<()>;
    fn put_clocks(&mut self, changes: &ClockChanges) -> Stored<()>;
    /// Inserts or replaces by its key.
    fn put_purse(&mut self, purse: &Purse) -> Stored<()>;
    fn remove_purse(&mut self, key: &PurseKey) -> Stored<()>;
    /// In place of what was said before; `None`: nothing.
    fn put_spending_day(&mut self, day: Option<&SpendingDay>) -> Stored<()>;
    /// Inserts or replaces by its key.
    fn put_push(&mut self, record: &PushRecord) -> Stored<()>;
    fn remove_push(&mut self, key: &PushKey) -> Stored<()>;
    /// A new version becomes the topic's current one; earlier ones are kept.
    fn put_knowledge(&mut self, record: &KnowledgeRecord) -> Stored<()>;
    fn put_knowledge_grant(&mut self, record: &KnowledgeGrantRecord) -> Stored<()>;
    /// Replaces what is known of how a topic is used.
    fn put_knowledge_usage(&mut self, author: &Party, topic: &str, usage: KnowledgeUsage) -> Stored<()>;
    fn append_log(&mut self, record: &LogRecord) -> Stored<()>;
    /// When the broker took the store over.
    fn put_started_at(&mut self, at: Ms) -> Stored<()>;
    /// For changes without a log row; one with a row moves the time by itself.
    fn put_last_at(&mut self, at: Ms) -> Stored<()>;
}

/// A store that groups writes. Everything between `begin` and `commit` is one transaction; `commit` returns
/// once it is on disk.
pub trait Transaction: Store {
    fn begin(&mut self) -> Stored<()>;
    fn commit(&mut self) -> Stored<()>;
    fn rollback(&mut self) -> Stored<()>;
    /// What a commit leaves to be done at some time. Nobody waits for it, so it is called when all who waited for the
    /// commit have been told.
    fn settle(&mut self) {}
}
