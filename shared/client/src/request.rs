//! Which reply belongs to which request.

use nexus_wire::alert::{Alert, AlertAck, AlertList, AlertPage};
use nexus_wire::approval::{
    ApprovalAnswer, ApprovalAsk, ApprovalGet, ApprovalInfo, ApprovalList, ApprovalPage, ApprovalWithdraw,
};
use nexus_wire::audit::{AuditList, AuditPage, UsageRead, UsageReport};
use nexus_wire::budget::{
    BudgetClear, BudgetCleared, BudgetGoOn, BudgetInfo, BudgetList, BudgetSet, BudgetStop, Budgets,
    SpendingDay,
};
use nexus_wire::chat::{
    ChatFound, ChatGet, ChatPage, ChatRead, ChatSearch, ChatSend, ChatSent, ChatThreads, Message, ThreadInfo,
    ThreadPage,
};
use nexus_wire::files::{WatchChanged, WatchFailing, WatchTold};
use nexus_wire::flow::{FlowDelete, FlowDeleted, FlowGet, FlowInfo, FlowList, FlowPage, FlowPut, FlowStored};
use nexus_wire::frame::ToBroker;
use nexus_wire::gather::{
    Gather, GatherCancel, GatherCancelled, GatherInfo, GatherList, GatherPage, GatherStatus, Gathered,
};
use nexus_wire::hands::{
    CancelReceipt, Dispatch, DispatchCancel, DispatchInfo, DispatchList, DispatchPage, DispatchProgress,
    DispatchResult, DispatchRetry, DispatchStanding, DispatchStatus, DispatchStopped, DispatchWait,
    Dispatched, LeaseRenew, LeasesRenewed,
};
use nexus_wire::hook::{TriggerRotate, TriggerRotated};
use nexus_wire::inbox::{Ack, InboxClose};
use nexus_wire::knowledge::{
    KnowledgeDelete, KnowledgeEntry, KnowledgeGet, KnowledgeGrant, KnowledgeGrantPage, KnowledgeGranted,
    KnowledgeGrants, KnowledgeHistory, KnowledgeHits, KnowledgeList, KnowledgePage, KnowledgeRevoke,
    KnowledgeSearch, KnowledgeStore, KnowledgeStored,
};
use nexus_wire::log::{Subscribe, Subscribed, Unsubscribe};
use nexus_wire::registry::{
    RegistryChanges, RegistryDelete, RegistryDeleted, RegistryGet, RegistryHistory, RegistryInfo,
    RegistryList, RegistryPage, RegistryPut, RegistryRead, RegistryRemove, RegistryRemoved, RegistryRow,
    RegistryRowGet, RegistryRows, RegistryStored, RegistryWrite, RegistryWritten,
};
use nexus_wire::roster::{
    AspectRelease, AspectRestrain, AspectRestraint, Deregister, Register, Registered, SettingsBroken,
    Situation, SituationAsk, Team, TeamList,
};
use nexus_wire::run::{
    RunCancel, RunDetail, RunGet, RunInfo, RunList, RunPage, RunRetry, RunStart, RunStarted,
};
use nexus_wire::session::{
    SessionCommandInfo, SessionCompact, SessionDiff, SessionDiffed, SessionEntry, SessionExpand,
    SessionExpanded, SessionFork, SessionList, SessionOrdered, SessionPage, SessionRewind, SessionShown,
    SessionStatus, SessionStuck, SessionSummarise, SessionTree, SessionTreePage,
};
use nexus_wire::thread::{
    ChatMark, ChatMarked, ChatReact, ChatReceipts, InboxTaken, Reacted, ReceiptPage, ThreadGet, ThreadRename,
    ThreadRenamed,
};
use nexus_wire::trigger::{
    Trigger, TriggerDelete, TriggerDeleted, TriggerFire, TriggerFired, TriggerGet, TriggerHistory,
    TriggerInfo, TriggerList, TriggerNext, TriggerPage, TriggerPause, TriggerPlan, TriggerResume,
    TriggerSlots,
};
use nexus_wire::turn::{TurnCancel, TurnGoOn};
use nexus_wire::{ErrorBody, Json};
use thiserror::Error;

use crate::link::CloseReason;

/// A reply that is no error.
#[derive(Clone, Debug, PartialEq)]
pub enum Reply {
    Ok(Json),
    Registered(Box<Registered>),
}

/// Why a request has no reply that is of use.
#[derive(Clone, Debug, Error, PartialEq)]
pub enum RequestError {
    /// Nothing of it happened.
    #[error("{0}")]
    Refused(ErrorBody),
    /// It may or may not have happened; sending it again with the same id tells.
    #[error("the connection was lost before the answer: {0}")]
    Lost(CloseReason),
    #[error("the broker's answer cannot be read: {0}; is it of this version?")]
    BadReply(String),
}

/// A frame that is answered, and with what.
pub trait Request: Clone + Into<ToBroker> + Send {
    type Reply: Send;

    fn read(reply: Reply) -> Result<Self::Reply, RequestError>;
}

macro_rules! requests {
    ($($request:ty => $reply:ty,)*) => {
        $(impl Request for $request {
            type Reply = $reply;

            fn read(reply: Reply) -> Result<$reply, RequestError> {
                match reply {
                    Reply::Ok(json) => json.parse().map_err(|error| RequestError::BadReply(error.to_string())),
                    Reply::Registered(_) => Err(RequestError::BadReply("registered, and no ok".into())),
                }
            }
        })*
    };
}

/// A frame of any kind: its reply is whatever it is.
impl Request for ToBroker {
    type Reply = Json;

    fn read(reply: Reply) -> Result<Json, RequestError> {
        match reply {
            Reply::Ok(json) => Ok(json),
            Reply::Registered(registered) => Ok(Json::of(&*registered)),
        }
    }
}

macro_rules! acknowledged {
    ($($request:ty,)*) => {
        $(impl Request for $request {
            type Reply = ();

            fn read(_: Reply) -> Result<(), RequestError> {
                Ok(())
            }
        })*
    };
}

requests! {
    AspectRelease => AspectRestraint,
    AspectRestrain => AspectRestraint,
    AlertAck => Alert,
    AlertList => AlertPage,
    ApprovalAnswer => ApprovalInfo,
    ApprovalAsk => ApprovalInfo,
    ApprovalGet => ApprovalInfo,
    ApprovalList => ApprovalPage,
    ApprovalWithdraw => ApprovalInfo,
    AuditList => AuditPage,
    BudgetClear => BudgetCleared,
    BudgetGoOn => SpendingDay,
    BudgetList => Budgets,
    BudgetSet => BudgetInfo,
    BudgetStop => SpendingDay,
    ChatGet => Message,
    ChatMark => ChatMarked,
    ChatReact => Reacted,
    ChatRead => ChatPage,
    ChatReceipts => ReceiptPage,
    ChatSearch => ChatFound,
    ChatSend => ChatSent,
    ChatThreads => ThreadPage,
    Dispatch => Dispatched,
    DispatchCancel => CancelReceipt,
    DispatchList => DispatchPage,
    DispatchResult => DispatchStanding,
    DispatchRetry => Dispatched,
    DispatchStatus => DispatchInfo,
    DispatchWait => DispatchStanding,
    KnowledgeDelete => KnowledgeStored,
    KnowledgeGet => KnowledgeEntry,
    KnowledgeGrant => KnowledgeGranted,
    KnowledgeGrants => KnowledgeGrantPage,
    KnowledgeHistory => KnowledgePage,
    KnowledgeList => KnowledgePage,
    KnowledgeRevoke => KnowledgeGranted,
    FlowDelete => FlowDeleted,
    FlowGet => FlowInfo,
    FlowList => FlowPage,
    FlowPut => FlowStored,
    RegistryDelete => RegistryDeleted,
    RegistryGet => RegistryInfo,
    RegistryHistory => RegistryChanges,
    RegistryList => RegistryPage,
    RegistryPut => RegistryStored,
    RegistryRead => RegistryRows,
    RegistryRemove => RegistryRemoved,
    RegistryRowGet => RegistryRow,
    RegistryWrite => RegistryWritten,
    RunCancel => RunInfo,
    RunGet => RunDetail,
    RunList => RunPage,
    RunRetry => RunStarted,
    RunStart => RunStarted,
    Gather => Gathered,
    GatherCancel => GatherCancelled,
    GatherList => GatherPage,
    GatherStatus => GatherInfo,
    KnowledgeSearch => KnowledgeHits,
    KnowledgeStore => KnowledgeStored,
    LeaseRenew => LeasesRenewed,
    SituationAsk => Situation,
    SessionCompact => SessionOrdered,
    SessionDiff => SessionDiffed,
    SessionEntry => SessionShown,
    SessionExpand => SessionExpanded,
    SessionFork => SessionOrdered,
    SessionList => SessionPage,
    SessionRewind => SessionOrdered,
    SessionStatus => SessionCommandInfo,
    SessionSummarise => SessionOrdered,
    SessionTree => SessionTreePage,
    Subscribe => Subscribed,
    TeamList => Team,
    Trigger => TriggerInfo,
    TriggerDelete => TriggerDeleted,
    TriggerFire => TriggerFired,
    TriggerGet => TriggerInfo,
    TriggerHistory => TriggerSlots,
    TriggerList => TriggerPage,
    TriggerNext => TriggerPlan,
    TriggerPause => TriggerInfo,
    TriggerResume => TriggerInfo,
    TriggerRotate => TriggerRotated,
    ThreadGet => ThreadInfo,
    ThreadRename => ThreadRenamed,
    TurnCancel => SessionOrdered,
    TurnGoOn => SessionOrdered,
    UsageRead => UsageReport,
    WatchChanged => WatchTold,
}

acknowledged! { Ack, Deregister, DispatchProgress, DispatchStopped, InboxClose, InboxTaken, SessionStuck, SettingsBroken, Unsubscribe, WatchFailing, }

impl Request for Register {
    type Reply = Registered;

    fn read(reply: Reply) -> Result<Registered, RequestError> {
        match reply {
            Reply::Registered(registered) => Ok(*registered),
            Reply::Ok(_) => Err(RequestError::BadReply("ok, and not registered".into())),
        }
    }
}
