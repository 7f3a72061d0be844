//! What the hub keeps, as rows, and the store it keeps them in.
//!
//! The hub names this trait and the store implements it, so the hub knows no database. All calls between two
//! commits belong to one transaction; an error from any of them fails the whole batch.

mod access;
mod flows;
mod oversight;
mod push;
mod registries;
mod store;
mod thread;
mod trigger;

use std::sync::Arc;

use nexus_wire::alert::Alert;
use nexus_wire::budget::{Budget, SpendingDay};
use nexus_wire::chat::{Message, Usage};
use nexus_wire::files::WatchSpec;
use nexus_wire::hands::{CancelReceipt, Candidate, DispatchInfo, DispatchState, HandSpec, Outcome};
use nexus_wire::inbox::Decision;
use nexus_wire::knowledge::{KnowledgeGrantInfo, KnowledgeHead, KnowledgeMay};
use nexus_wire::log::LogEntry;
use nexus_wire::roster::{AspectInfo, AspectRole, AspectState, ContextMode, Restraint};
use nexus_wire::{
    AspectName, BlobId, DispatchId, EntryId, EpochId, GrantId, HandRef, ItemId, LinkId, MessageId, Ms, Party,
    RequestId, TraceContext,
};
use serde_json::Value;
use uuid::Uuid;

use crate::hub::queue::Clocks;

pub use super::queue::{Purse, PurseKey};
pub use access::{
    ApiToken, CredentialRecord, CredentialTerms, Digest, Invitation, OperatorRecord, PreviousKey, Session,
    SetupToken, UsedAssertion,
};
pub use flows::{FlowRecord, RunRecord, RunsWanted, StepTask};
pub use oversight::{AnsweredRecord, ApprovalRecord, GatherRecord};
pub use push::{PushKey, PushRecord, PushTerms};
pub use registries::{RegistryRecord, UniqueValue};
pub use store::{
    Finds, Found, Outlay, PAGE_BYTES, Reads, Spent, SpentOn, Store, StoreError, Stored, Stretch, Transaction,
    Visible, Which,
};
pub use thread::{ThreadRecord, shown};
pub use trigger::{Rate, Room, Sealed, SlotRecord, TriggerRecord, Void, Watched};

/// An aspect: its key, its link, its inbox cursor and what it last registered with.
#[derive(Clone, Debug, PartialEq)]
pub struct AspectRecord {
    pub name: AspectName,
    pub role: AspectRole,
    /// Ed25519, raw.
    pub public_key: [u8; 32],
    pub key_generation: u64,
    pub previous_key: Option<PreviousKey>,
    pub share_knowledge: bool,
    pub revoked_at: Option<Ms>,
    pub created_at: Ms,
    /// The live link; `None` when offline.
    pub link: Option<LinkId>,
    /// Counts registrations.
    pub generation: u64,
    /// The newest generation that acknowledged anything.
    pub acked_generation: u64,
    /// When `link` last came or went.
    pub since: Ms,
    /// Nil until the aspect first registers.
    pub epoch: EpochId,
    /// Offset of the newest item; 0 when there is none.
    pub tail: u64,
    /// Everything up to here is acknowledged.
    pub cursor: u64,
    pub profile: Profile,
    /// What an admin keeps it from.
    pub restraint: Option<Restraint>,
}

impl AspectRecord {
    /// What is shown of it. Only `online` and `offline` follow from the store; whether it is busy or stalled
    /// is for whoever sees its progress to add.
    pub fn info(&self) -> AspectInfo {
        let (hands, watches) = (self.profile.hands.clone(), self.profile.watches.clone());
        AspectInfo { hands, watches, ..self.info_without_hands() }
    }

    pub(super) fn info_without_hands(&self) -> AspectInfo {
        AspectInfo {
            name: self.name.clone(),
            role: self.role,
            state: if self.is_up() { AspectState::Online } else { AspectState::Offline },
            since: self.restraint.as_ref().map_or(self.since, |it| it.at.max(self.since)),
            last_progress: None,
            model: self.profile.model.clone(),
            provider: self.profile.provider.clone(),
            context_mode: self.profile.context_mode,
            capabilities: self.profile.capabilities.clone(),
            hands: Vec::new(),
            slots: self.profile.slots,
            watches: Vec::new(),
            generation: self.generation,
            backlog: self.tail.saturating_sub(self.cursor),
            restraint: self.restraint.clone(),
            activity: None,
            process: None,
        }
    }

    pub fn is_active(&self) -> bool {
        self.revoked_at.is_none()
    }

    /// The part that moves with every item and acknowledgement.
    pub fn position(&self) -> Position {
        Position { tail: self.tail, cursor: self.cursor, acked_generation: self.acked_generation }
    }
}

/// Where an inbox ends and how much of it is acknowledged.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Position {
    pub tail: u64,
    pub cursor: u64,
    pub acked_generation: u64,
}

/// What an aspect says of itself when it registers.
#[derive(Clone, Debug, Default, PartialEq, serde::Deserialize, serde::Serialize)]
pub struct Profile {
    pub model: String,
    pub provider: String,
    pub context_mode: ContextMode,
    pub capabilities: Vec<String>,
    pub hands: Vec<HandSpec>,
    pub slots: u32,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub watches: Vec<WatchSpec>,
}

/// A message and the digest of the request that made it, by which a repeat is told from a reuse of its id.
#[derive(Clone, Debug, PartialEq)]
pub struct MessageRecord {
    pub message: Box<Message>,
    /// What the items that carry it say of their trace.
    pub trace: Option<TraceContext>,
    /// Names in the request's `to` that nobody had; part of the answer.
    pub unknown: Vec<String>,
    pub request_digest: [u8; 16],
}

/// Of the SHA-256 of a request to send a message its first half is kept: there are more messages than of anything else.
pub fn digest_kept(request_sha256: &[u8; 32]) -> [u8; 16] {
    std::array::from_fn(|at| request_sha256[at])
}

/// One item of an inbox; `json` is the text of a `nexus_wire::inbox::Item`, marked `answered` if it was
/// acknowledged and closed before.
#[derive(Clone, Debug, PartialEq)]
pub struct InboxRecord {
    pub offset: u64,
    pub id: ItemId,
    pub json: Arc<str>,
}

/// An item to append to an inbox.
#[derive(Clone, Debug, PartialEq)]
pub struct NewItem {
    /// The tail + 1.
    pub offset: u64,
    pub id: ItemId,
    pub at: Ms,
    /// `seq` of the message it carries: a store need not keep such an item's text a second time.
    pub message_seq: Option<u64>,
    pub json: Arc<str>,
}

/// How an aspect closed one of its items.
#[derive(Clone, Debug, PartialEq)]
pub struct ClosedRecord {
    pub aspect: AspectName,
    pub item: ItemId,
    pub decision: Decision,
    pub reason: Option<String>,
    pub message: Option<MessageId>,
    /// What was spent for it, where no message says so.
    pub outlay: Option<Outlay>,
    pub at: Ms,
}

/// An item that an aspect has put before its model.
#[derive(Clone, Debug, PartialEq)]
pub struct TakenRecord {
    pub aspect: AspectName,
    pub item: ItemId,
    pub at: Ms,
}

#[derive(Clone, Debug, PartialEq)]
pub struct ReactionRecord {
    pub message: MessageId,
    pub emoji: String,
    pub by: Party,
    pub at: Ms,
}

/// A dispatch. `info` is what is shown; `queue` is the queue's own state as JSON text, `None` once it has
/// ended; `request_sha256` as the digest in [`MessageRecord`].
#[derive(Clone, Debug, PartialEq)]
pub struct DispatchRecord {
    pub info: DispatchInfo,
    pub queue: Option<String>,
    /// As the Hand declared it when the dispatch was accepted.
    pub timeout_s: u32,
    /// Where the running attempt's assignment lies in its host's inbox; 0 before the first.
    pub assigned_offset: u64,
    /// The request of its latest `dispatch.wait`, so that a repeat does not yield again.
    pub wait_request: Option<RequestId>,
    /// The deadline asked for was longer than allowed.
    pub clamped: bool,
    /// Who came into question, when the Hand was chosen; part of the answer, and never changed.
    pub why: Vec<Candidate>,
    /// Hash of the running attempt's result that was refused, so that a repeat of it does not count again.
    pub refused_sha256: Option<[u8; 32]>,
    /// What ended it, if that was somebody's request, so that a repeat has the same receipt.
    pub cancel: Option<CancelRecord>,
    pub trace: Option<DispatchTrace>,
    pub request_sha256: [u8; 32],
}

/// Whose trace a dispatch belongs to.
#[derive(Clone, Debug, PartialEq, serde::Deserialize, serde::Serialize)]
pub struct DispatchTrace {
    /// What its items carry.
    pub context: TraceContext,
    /// The span above the one in `context`, when that one is the dispatch's own: the broker tells of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub under: Option<TraceContext>,
    /// The same of the dispatch that this one tries again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retries: Option<TraceContext>,
}

impl DispatchRecord {
    /// It has come to nothing, and nobody has tried it again.
    pub fn is_dead(&self) -> bool {
        is_dead(&self.info)
    }

    /// The one that was chosen when it was accepted; it may be another's by now.
    pub fn first_hand(&self) -> &HandRef {
        let chosen = self.why.first().filter(|first| first.lost.is_none());
        chosen.map_or(&self.info.hand, |first| &first.hand)
    }
}

pub fn is_dead(info: &DispatchInfo) -> bool {
    came_to_nothing(info.state) && info.retried_as.is_none()
}

/// Whether it is `reader`'s to know of: operators know of all.
pub fn concerns(info: &DispatchInfo, reader: &Party) -> bool {
    match reader {
        Party::Operator(_) | Party::System => true,
        Party::Aspect(name) => info.hand.aspect == *name || info.invoker == *reader || info.key == *reader,
    }
}

pub fn came_to_nothing(state: DispatchState) -> bool {
    match state {
        DispatchState::Failed | DispatchState::TimedOut => true,
        DispatchState::Pending
        | DispatchState::Running
        | DispatchState::Waiting
        | DispatchState::Retaking
        | DispatchState::Unreachable
        | DispatchState::Done
        | DispatchState::Cancelled => false,
    }
}

/// A `dispatch.cancel` and its answer.
#[derive(Clone, Debug, PartialEq, serde::Deserialize, serde::Serialize)]
pub struct CancelRecord {
    pub by: Party,
    pub request: RequestId,
    pub receipt: CancelReceipt,
}

/// A dispatch as it stood when it was accepted: what its log entry shows, however it went on.
pub fn as_accepted(record: DispatchRecord) -> DispatchInfo {
    let hand = record.first_hand().clone();
    let info = record.info;
    DispatchInfo {
        hand,
        state: DispatchState::Pending,
        attempt: 0,
        assigned_at: None,
        ended_at: None,
        retried_as: None,
        stop: None,
        earlier: Vec::new(),
        granted: Budget::default(),
        spent: None,
        waiting_for: None,
        why: Vec::new(),
        output: None,
        error: None,
        usage: Usage::default(),
        cost_microusd: None,
        ..info
    }
}

/// Everything but input and output, which may be large.
pub fn without_contents(info: &DispatchInfo) -> DispatchInfo {
    DispatchInfo {
        id: info.id,
        hand: info.hand.clone(),
        invoker: info.invoker.clone(),
        key: info.key.clone(),
        root: info.root,
        parent: info.parent,
        depth: info.depth,
        capability: info.capability.clone(),
        earlier: info.earlier.clone(),
        run: info.run,
        source: info.source.clone(),
        thread: info.thread,
        state: info.state,
        attempt: info.attempt,
        accepted_at: info.accepted_at,
        assigned_at: info.assigned_at,
        ended_at: info.ended_at,
        deadline_at: info.deadline_at,
        retry_of: info.retry_of,
        retried_as: info.retried_as,
        stop: info.stop,
        budget: info.budget,
        granted: info.granted,
        spent: info.spent,
        waiting_for: info.waiting_for,
        why: info.why.clone(),
        input: Value::Null,
        input_left_out: false,
        output: None,
        error: info.error.clone(),
        usage: info.usage,
        cost_microusd: info.cost_microusd,
    }
}

/// How a dispatch that has ended did so.
pub fn outcome(info: &DispatchInfo) -> Outcome {
    Outcome {
        dispatch: info.id,
        hand: info.hand.clone(),
        parent: info.parent,
        thread: info.thread,
        state: info.state,
        output: info.output.clone(),
        error: info.error.clone(),
        attempts: info.attempt,
        usage: info.usage,
        cost_microusd: info.cost_microusd,
        spent: info.spent,
    }
}

#[derive(Clone, Debug, PartialEq)]
pub struct KnowledgeRecord {
    pub entry: EntryId,
    pub aspect: Party,
    pub topic: String,
    pub content: String,
    pub shared: bool,
    pub version: u32,
    pub at: Ms,
    /// This version says that the entry is gone; it has no content.
    pub deleted: bool,
    pub request_sha256: [u8; 32],
}

impl KnowledgeRecord {
    pub fn head(&self) -> KnowledgeHead {
        KnowledgeHead {
            entry: self.entry,
            from: self.aspect.clone(),
            topic: self.topic.clone(),
            shared: self.shared,
            version: self.version,
            at: self.at,
            bytes: self.content.len() as u64,
            deleted: self.deleted,
            usage: None,
        }
    }
}

/// Whose entries somebody may read, beside those that are shared.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum KnowledgeScope {
    Everyones,
    /// Of these authors.
    Of(Vec<Party>),
}

impl KnowledgeScope {
    /// People read everything; an aspect what is its own, and what it has a grant for.
    pub fn of(reader: &Party, store: &impl Reads) -> Stored<Self> {
        let Party::Aspect(name) = reader else { return Ok(Self::Everyones) };
        let granted = store.knowledge_grants(Some(name))?;
        let authors = granted.into_iter().filter(|grant| grant.may == KnowledgeMay::Read);
        Ok(Self::Of(std::iter::once(reader.clone()).chain(authors.filter_map(|grant| grant.of)).collect()))
    }

    /// Whether this is among what it may read.
    pub fn covers(&self, author: &Party, shared: bool) -> bool {
        match self {
            Self::Everyones => true,
            Self::Of(authors) => shared || authors.contains(author),
        }
    }
}

/// A granting or revoking, whether or not it changed anything; `request_sha256` as the digest in [`MessageRecord`].
#[derive(Clone, Debug, PartialEq)]
pub struct KnowledgeGrantRecord {
    pub id: GrantId,
    pub to: AspectName,
    pub may: KnowledgeMay,
    pub of: Option<Party>,
    /// Whether it holds from here on, and whether that was otherwise before.
    pub granted: bool,
    pub changed: bool,
    pub by: Party,
    pub at: Ms,
    pub request_sha256: [u8; 32],
}

/// An entry that a search has found, and how well it fits.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct KnowledgeRank {
    pub entry: EntryId,
    pub score: f64,
}

impl KnowledgeGrantRecord {
    pub fn info(self) -> KnowledgeGrantInfo {
        let Self { to, may, of, by, at, .. } = self;
        KnowledgeGrantInfo { to, may, of, by: Some(by), at: Some(at) }
    }
}

/// Where a page of a list goes on: behind this author's topic.
pub type KnowledgePlace = (Party, String);

/// A blob whose bytes are in a file of its own.
#[derive(Clone, Debug, PartialEq)]
pub struct BlobRecord {
    pub id: BlobId,
    pub bytes: u64,
    pub media_type: String,
    pub name: Option<String>,
    /// When it was last put.
    pub at: Ms,
    /// Whose quota it counts against; in the order in which they put it.
    pub owners: Vec<Party>,
}

/// What names a blob in its text, without attaching it.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum BlobMention {
    /// In its input, or its output.
    Dispatch(DispatchId),
    /// A version of an entry.
    Knowledge(EntryId),
}

impl BlobMention {
    /// Its id, which tells the earlier from the later.
    pub fn id(self) -> Uuid {
        match self {
            Self::Dispatch(id) => id.0,
            Self::Knowledge(id) => id.0,
        }
    }
}

/// A log row to append; the store adds `hash = SHA-256(previous hash ‖ row)`. The body itself is not kept in
/// the log: it is found again by its subject, which is written in the same transaction.
#[derive(Clone, Debug, PartialEq)]
pub struct LogRecord {
    pub entry: LogEntry,
    /// SHA-256 of what the change brought in.
    pub content_sha256: [u8; 32],
}

/// What is kept of a thread no longer.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Pruned {
    pub messages: u64,
    /// `seq` of the last of them; not all before it need be gone.
    pub up_to: u64,
}

/// Stands for the entries of the log up to `seq`, which are not kept any more.
#[derive(Clone, Debug, PartialEq)]
pub struct Checkpoint {
    pub seq: u64,
    pub at: Ms,
    /// Of the entry `seq`: what the chain goes on from.
    pub hash: [u8; 32],
    /// Of seq and hash, with the key of the Nexus; base64url.
    pub signature: String,
}

/// Items of an inbox that go together.
pub const INBOX_BLOCK: u64 = 64;

/// What the whole hub is rebuilt from.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Snapshot {
    pub last_at: Ms,
    pub log_seq: u64,
    pub started_at: Ms,
    pub aspects: Vec<AspectRecord>,
    pub operators: Vec<OperatorRecord>,
    /// Those that have not ended, without input and output, in the order of their ids.
    pub open_dispatches: Vec<DispatchRecord>,
    /// Of the dispatches that have not ended.
    pub clocks: Clocks,
    /// Those not cleared, by key.
    pub open_alerts: Vec<Alert>,
    pub setup: Option<SetupToken>,
    /// By name.
    pub invitations: Vec<Invitation>,
    /// The first to expire first.
    pub assertions: Vec<UsedAssertion>,
    /// By name.
    pub credentials: Vec<CredentialRecord>,
    /// Those that have not ended, in the order of their ids.
    pub open_approvals: Vec<ApprovalRecord>,
    /// Those that have not ended, in the order of their ids.
    pub open_gathers: Vec<GatherRecord>,
    /// Those that have not ended, in the order of their ids, with their tasks by step and index.
    pub open_runs: Vec<(RunRecord, Vec<StepTask>)>,
    /// What operators let be spent; everybody's first, then by name.
    pub purses: Vec<Purse>,
    /// What was said for the day that is now.
    pub spending_day: Option<SpendingDay>,
    /// In the order of their keys.
    pub pushes: Vec<PushRecord>,
    /// By name.
    pub triggers: Vec<TriggerRecord>,
    /// Those that have not ended, in the order of their triggers' ids and their numbers.
    pub open_slots: Vec<SlotRecord>,
}
