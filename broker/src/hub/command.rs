//! What the hub can be told. Everything random, every clock reading and every change of the outside world
//! comes in as part of a command, so that the same commands always lead to the same state.

use nexus_wire::admin::{AspectAdd, OperatorAdd};
use nexus_wire::alert::{AlertAck, AlertKind};
use nexus_wire::approval::{ApprovalAnswer, ApprovalAsk, ApprovalWithdraw};
use nexus_wire::budget::{BudgetClear, BudgetGoOn, BudgetSet, BudgetStop};
use nexus_wire::files::{WatchChanged, WatchFailing};
use nexus_wire::flow::{FlowDelete, FlowPut};
use nexus_wire::gather::{Gather, GatherCancel};
use nexus_wire::hands::{
    DispatchCancel, DispatchResult, DispatchRetry, DispatchStopped, DispatchWait, LeaseRenew,
};
use nexus_wire::inbox::InboxClose;
use nexus_wire::knowledge::{KnowledgeDelete, KnowledgeGrant, KnowledgeRevoke, KnowledgeStore};
use nexus_wire::registry::{RegistryDelete, RegistryPut, RegistryRemove, RegistryWrite};
use nexus_wire::roster::{AspectRelease, AspectRestrain, AspectState, Register, SettingsBroken};
use nexus_wire::run::{RunCancel, RunRetry, RunStart};
use nexus_wire::session::{SessionCommand, SessionStuck};
use nexus_wire::thread::{ChatMark, ChatReact, InboxTaken, ThreadRename};
use nexus_wire::trigger::{Trigger, TriggerDelete, TriggerFire, TriggerPause, TriggerResume};
use nexus_wire::{
    ApprovalId, AspectName, BlobId, DispatchId, EpochId, LinkId, MessageId, Ms, OperatorName, Party,
    RequestId, RunId, TraceContext,
};

use super::access::Access;
use super::measured::{Measured, MeasuredDispatch};
use super::push::Push;
use super::records::Checkpoint;
use super::trigger::{HookCall, Look, RotateHook};

/// One command with its place in time. The sequencer makes sure that `at` never runs back.
#[derive(Clone, Debug, PartialEq)]
pub struct Command {
    pub at: Ms,
    pub origin: Origin,
    pub trace: Option<Box<Traced>>,
    pub body: CommandBody,
}

/// The span on whose account a command comes.
#[derive(Clone, Debug, PartialEq)]
pub struct Traced {
    pub context: TraceContext,
    /// What follows from it in the broker is told as spans, too, so that further ones may be children of those.
    pub is_recorded: bool,
}

impl Traced {
    /// By a broker that tells no spans: what comes of it goes on where it came from.
    pub fn passed_on(context: TraceContext) -> Self {
        Self { context, is_recorded: false }
    }
}

/// Whom the answer goes to.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Origin {
    /// A request on a link; without an id nobody waits for the answer.
    Link { link: LinkId, request: Option<RequestId> },
    /// A call inside this process, such as a REST handler; the number is its ticket.
    Call(u64),
    /// The broker itself.
    Broker,
}

#[derive(Clone, Debug, PartialEq)]
pub enum CommandBody {
    /// A broker took this store over: no link is up, every lease gets `LEASE_AT_BOOT`.
    BrokerStarted(HubConfig),
    /// Time has jumped: the machine was suspended while the broker ran. Nobody could show a sign of life meanwhile, so
    /// every lease gets `LEASE_AT_BOOT`. Comes before whatever else is seen of the time after.
    MachineWoke {
        slept_ms: Ms,
    },
    /// Time passed; see `Hub::next_timer`.
    Tick,
    LinkDown {
        aspect: AspectName,
        link: LinkId,
        generation: u64,
    },
    /// `new_epoch` is used if the histories turn out to differ. `key_generation` is the key's that opened
    /// the link, checked again because it may have been revoked meanwhile.
    Register {
        aspect: AspectName,
        link: LinkId,
        key_generation: u64,
        register: Register,
        new_epoch: EpochId,
    },
    /// An aspect's cursor moved.
    Ack {
        aspect: AspectName,
        link: LinkId,
        offset: u64,
    },
    /// A request of a sender whose identity was stamped by `admit`. `link` is there for aspects: the hub
    /// checks that it still is the aspect's own. `request` is the sender's id, or one minted at the edge.
    Request {
        sender: Party,
        link: Option<LinkId>,
        request: RequestId,
        change: Change,
    },
    /// How an aspect's link gets along, when that is stalled, deaf, or neither any more.
    Seen {
        aspect: AspectName,
        link: LinkId,
        state: AspectState,
    },
    /// Something outside the hub's sight is wrong. Said again it changes nothing.
    RaiseAlert {
        kind: AlertKind,
        subject: String,
        message: String,
    },
    /// It is so no longer.
    ClearAlert {
        kind: AlertKind,
        subject: String,
    },
    /// The bytes of a blob are on disk under its name.
    PutBlob {
        by: Party,
        blob: PutBlob,
    },
    /// Blobs nothing refers to that were last put before `before` are forgotten, `limit` at most. The answer names
    /// them: their files may go once it is there.
    ForgetBlobs {
        before: Ms,
        limit: u32,
    },
    /// Acknowledged items that came before `before` are kept no longer; `limit` blocks of them at most.
    PruneInboxes {
        before: Ms,
        limit: u32,
    },
    /// Of these messages those that came before `before` and that nobody waits for are kept no longer. The answer
    /// says how many went.
    PruneMessages {
        before: Ms,
        messages: Vec<MessageId>,
    },
    /// The same of dispatches that ended before it.
    PruneDispatches {
        before: Ms,
        dispatches: Vec<DispatchId>,
    },
    /// The same of what aspects asked people for.
    PruneApprovals {
        before: Ms,
        approvals: Vec<ApprovalId>,
    },
    /// The same of runs.
    PruneRuns {
        before: Ms,
        runs: Vec<RunId>,
    },
    /// The log up to the checkpoint is kept no longer.
    PruneLog(Checkpoint),
    /// The store was put back to an earlier state: every inbox begins `new_epoch`.
    Restored {
        new_epoch: EpochId,
    },
    /// About who gets in beyond the four below.
    Access {
        by: Party,
        act: Access,
    },
    /// About whom clients want to be told of tasks.
    Push(Push),
    /// A service outside fires a trigger.
    Hook(HookCall),
    /// An address of a watch was looked at.
    Looked(Look),
    /// How knowledge was used since the last time; counted beside the hub, because searches do not pass it.
    KnowledgeUsed(Vec<KnowledgeUse>),
    AddAspect {
        by: Party,
        add: AspectAdd,
    },
    RevokeAspect {
        by: Party,
        name: AspectName,
    },
    AddOperator {
        by: Party,
        add: OperatorAdd,
    },
    RevokeOperator {
        by: Party,
        name: OperatorName,
    },
}

/// What somebody says of the bytes they put.
#[derive(Clone, Debug, PartialEq)]
pub struct PutBlob {
    pub id: BlobId,
    pub bytes: u64,
    pub media_type: String,
    pub name: Option<String>,
}

/// A durable change somebody asks for.
#[derive(Clone, Debug, PartialEq)]
pub enum Change {
    AlertAck(AlertAck),
    ApprovalAnswer(ApprovalAnswer),
    ApprovalAsk(ApprovalAsk),
    ApprovalWithdraw(ApprovalWithdraw),
    BudgetClear(BudgetClear),
    BudgetGoOn(BudgetGoOn),
    BudgetSet(BudgetSet),
    BudgetStop(BudgetStop),
    ChatMark(ChatMark),
    ChatReact(ChatReact),
    AspectRelease(AspectRelease),
    AspectRestrain(AspectRestrain),
    ChatSend(Measured),
    Deregister,
    Dispatch(MeasuredDispatch),
    DispatchCancel(DispatchCancel),
    DispatchResult(DispatchResult),
    DispatchRetry(DispatchRetry),
    DispatchStopped(DispatchStopped),
    DispatchWait(DispatchWait),
    FlowDelete(FlowDelete),
    FlowPut(FlowPut),
    Gather(Gather),
    GatherCancel(GatherCancel),
    InboxClose(InboxClose),
    InboxTaken(InboxTaken),
    KnowledgeDelete(KnowledgeDelete),
    KnowledgeGrant(KnowledgeGrant),
    KnowledgeRevoke(KnowledgeRevoke),
    KnowledgeStore(KnowledgeStore),
    LeaseRenew(LeaseRenew),
    RegistryDelete(RegistryDelete),
    RegistryPut(RegistryPut),
    RegistryRemove(RegistryRemove),
    RegistryWrite(RegistryWrite),
    RunCancel(RunCancel),
    RunRetry(RunRetry),
    RunStart(RunStart),
    SessionCommand(SessionCommand),
    SessionStuck(SessionStuck),
    SettingsBroken(SettingsBroken),
    ThreadRename(ThreadRename),
    TriggerDelete(TriggerDelete),
    TriggerFire(TriggerFire),
    TriggerPause(TriggerPause),
    TriggerPut(Box<Trigger>),
    TriggerResume(TriggerResume),
    TriggerRotate(RotateHook),
    WatchChanged(WatchChanged),
    WatchFailing(WatchFailing),
}

/// How often a topic was found and recalled.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct KnowledgeUse {
    pub author: Party,
    pub topic: String,
    pub found: u64,
    pub recalled: u64,
    /// The last time.
    pub recalled_at: Option<Ms>,
}

/// Settings the rules depend on; part of the command stream so that a replay has them too.
#[derive(Clone, Debug, PartialEq)]
pub struct HubConfig {
    pub soft_cap: u32,
    /// Messages of aspects in a row that pause a thread, and the same one that often; 0: as many as they like.
    pub loop_messages: u32,
    pub loop_identical: u32,
    pub lease_ms: Ms,
    pub lease_at_boot_ms: Ms,
    pub deadline_default_ms: Ms,
    pub deadline_max_ms: Ms,
    /// Aspects somebody is told of when they are away for longer than the grace.
    pub expected: Vec<AspectName>,
    pub expected_grace_ms: Ms,
    /// Bytes of blobs one party may keep.
    pub blob_quota: u64,
    /// The same, of all together.
    pub blob_quota_all: u64,
    /// Addresses are looked at no more often.
    pub watch_every_min_s: u32,
}

impl Default for HubConfig {
    fn default() -> Self {
        use nexus_wire::limits;
        Self {
            soft_cap: limits::SOFT_CAP,
            loop_messages: limits::LOOP_MESSAGES_MAX,
            loop_identical: limits::LOOP_IDENTICAL_MAX,
            lease_ms: limits::LEASE.as_millis() as Ms,
            lease_at_boot_ms: limits::LEASE_AT_BOOT.as_millis() as Ms,
            deadline_default_ms: limits::DEADLINE_DEFAULT.as_millis() as Ms,
            deadline_max_ms: limits::DEADLINE_MAX.as_millis() as Ms,
            expected: Vec::new(),
            expected_grace_ms: limits::EXPECTED_GRACE.as_millis() as Ms,
            blob_quota: 1 << 30,
            blob_quota_all: 10 << 30,
            watch_every_min_s: limits::WATCH_EVERY_MIN_S,
        }
    }
}
