//! One enum per direction. A broker cannot receive its own replies.

use serde::{Serialize, Serializer};

use crate::alert::{AlertAck, AlertList};
use crate::approval::{ApprovalAnswer, ApprovalAsk, ApprovalGet, ApprovalList, ApprovalWithdraw};
use crate::audit::{AuditList, UsageRead};
use crate::budget::{BudgetClear, BudgetGoOn, BudgetList, BudgetSet, BudgetStop, SpendingChanged};
use crate::chat::{ChatGet, ChatRead, ChatSearch, ChatSend, ChatThreads};
use crate::error::ErrorBody;
use crate::files::{WatchChanged, WatchFailing};
use crate::flow::{FlowDelete, FlowGet, FlowList, FlowPut};
use crate::gather::{Gather, GatherCancel, GatherList, GatherStatus};
use crate::hands::{
    Dispatch, DispatchCancel, DispatchList, DispatchProgress, DispatchResult, DispatchRetry, DispatchStatus,
    DispatchStopped, DispatchWait, LeaseRenew,
};
use crate::hook::TriggerRotate;
use crate::inbox::{Ack, Deliver, Gap, InboxClose};
use crate::json::Json;
use crate::knowledge::{
    KnowledgeDelete, KnowledgeGet, KnowledgeGrant, KnowledgeGrants, KnowledgeHistory, KnowledgeList,
    KnowledgeRevoke, KnowledgeSearch, KnowledgeStore,
};
use crate::limits::{JSON_DEPTH_MAX, JSON_DEPTH_SENT_MAX};
use crate::log::{LogEntry, Shutdown, Subscribe, Unsubscribe};
use crate::observe::{
    ActivityChanged, ObserveBegin, ObserveEnd, ObserveEvent, ObserveGap, Observed, RosterChanged,
};
use crate::registry::{
    RegistryDelete, RegistryGet, RegistryHistory, RegistryList, RegistryPut, RegistryRead, RegistryRemove,
    RegistryRowGet, RegistryWrite,
};
use crate::roster::{
    AspectRelease, AspectRestrain, Deregister, Register, Registered, SettingsBroken, SituationAsk, TeamList,
};
use crate::run::{RunCancel, RunGet, RunList, RunRetry, RunStart};
use crate::session::{
    SessionAnswer, SessionAsk, SessionCompact, SessionDiff, SessionEntry, SessionExpand, SessionFork,
    SessionList, SessionRewind, SessionStatus, SessionStuck, SessionSummarise, SessionTree,
};
use crate::thread::{ChatMark, ChatReact, ChatReceipts, InboxTaken, Reacted, ThreadGet, ThreadRename};
use crate::trigger::{
    Trigger, TriggerDelete, TriggerFire, TriggerGet, TriggerHistory, TriggerList, TriggerNext, TriggerPause,
    TriggerResume,
};
use crate::turn::{TurnCancel, TurnGoOn};

/// The frames of one direction.
pub trait FrameSet: Sized {
    const KINDS: &'static [&'static str];
    /// How deep a frame may nest, its own object included.
    const DEPTH_MAX: usize;
    fn kind(&self) -> &'static str;
    /// `None`: the kind is not one of this direction.
    fn decode_payload(kind: &str, payload: &str) -> Result<Option<Self>, serde_json::Error>;
    /// The JSON Schema of each kind's payload.
    fn payload_schemas(generator: &mut schemars::SchemaGenerator) -> Vec<(&'static str, schemars::Schema)>;
}

macro_rules! frames {
    ($(#[$doc:meta])* $name:ident, depth: $depth:expr, { $($variant:ident($payload:ty) = $kind:literal,)* }) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq)]
        pub enum $name {
            $($variant($payload),)*
        }

        impl FrameSet for $name {
            const KINDS: &'static [&'static str] = &[$($kind,)*];
            const DEPTH_MAX: usize = $depth;

            fn kind(&self) -> &'static str {
                match self { $(Self::$variant(_) => $kind,)* }
            }

            fn decode_payload(kind: &str, payload: &str) -> Result<Option<Self>, serde_json::Error> {
                match kind {
                    $($kind => serde_json::from_str::<$payload>(payload).map(|it| Some(Self::$variant(it))),)*
                    _ => Ok(None),
                }
            }

            fn payload_schemas(
                generator: &mut schemars::SchemaGenerator,
            ) -> Vec<(&'static str, schemars::Schema)> {
                vec![$(($kind, generator.subschema_for::<$payload>()),)*]
            }
        }

        impl Serialize for $name {
            /// The payload alone; the kind stands in the envelope.
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                match self { $(Self::$variant(payload) => payload.serialize(serializer),)* }
            }
        }

        $(impl From<$payload> for $name {
            fn from(payload: $payload) -> Self {
                Self::$variant(payload)
            }
        })*
    };
}

frames! {
    /// What a client may send.
    ToBroker, depth: JSON_DEPTH_MAX, {
        Ack(Ack) = "ack",
        AlertAck(AlertAck) = "alert.ack",
        AlertList(AlertList) = "alert.list",
        ApprovalAnswer(ApprovalAnswer) = "approval.answer",
        ApprovalAsk(ApprovalAsk) = "approval.ask",
        ApprovalGet(ApprovalGet) = "approval.get",
        ApprovalList(ApprovalList) = "approval.list",
        ApprovalWithdraw(ApprovalWithdraw) = "approval.withdraw",
        AuditList(AuditList) = "audit.list",
        BudgetClear(BudgetClear) = "budget.clear",
        BudgetGoOn(BudgetGoOn) = "budget.go_on",
        BudgetList(BudgetList) = "budget.list",
        BudgetSet(BudgetSet) = "budget.set",
        BudgetStop(BudgetStop) = "budget.stop",
        ChatGet(ChatGet) = "chat.get",
        ChatMark(ChatMark) = "chat.mark",
        ChatReact(ChatReact) = "chat.react",
        AspectRelease(AspectRelease) = "aspect.release",
        AspectRestrain(AspectRestrain) = "aspect.restrain",
        ChatRead(ChatRead) = "chat.read",
        ChatReceipts(ChatReceipts) = "chat.receipts",
        ChatSearch(ChatSearch) = "chat.search",
        ChatSend(ChatSend) = "chat.send",
        ChatThreads(ChatThreads) = "chat.threads",
        Deregister(Deregister) = "deregister",
        Dispatch(Dispatch) = "dispatch",
        DispatchCancel(DispatchCancel) = "dispatch.cancel",
        DispatchList(DispatchList) = "dispatch.list",
        DispatchProgress(DispatchProgress) = "dispatch.progress",
        DispatchResult(DispatchResult) = "dispatch.result",
        DispatchRetry(DispatchRetry) = "dispatch.retry",
        DispatchStatus(DispatchStatus) = "dispatch.status",
        DispatchStopped(DispatchStopped) = "dispatch.stopped",
        DispatchWait(DispatchWait) = "dispatch.wait",
        FlowDelete(FlowDelete) = "flow.delete",
        FlowGet(FlowGet) = "flow.get",
        FlowList(FlowList) = "flow.list",
        FlowPut(FlowPut) = "flow.put",
        Gather(Gather) = "gather",
        GatherCancel(GatherCancel) = "gather.cancel",
        GatherList(GatherList) = "gather.list",
        GatherStatus(GatherStatus) = "gather.status",
        InboxClose(InboxClose) = "inbox.close",
        InboxTaken(InboxTaken) = "inbox.taken",
        KnowledgeDelete(KnowledgeDelete) = "knowledge.delete",
        KnowledgeGet(KnowledgeGet) = "knowledge.get",
        KnowledgeGrant(KnowledgeGrant) = "knowledge.grant",
        KnowledgeGrants(KnowledgeGrants) = "knowledge.grants",
        KnowledgeHistory(KnowledgeHistory) = "knowledge.history",
        KnowledgeList(KnowledgeList) = "knowledge.list",
        KnowledgeRevoke(KnowledgeRevoke) = "knowledge.revoke",
        KnowledgeSearch(KnowledgeSearch) = "knowledge.search",
        KnowledgeStore(KnowledgeStore) = "knowledge.store",
        LeaseRenew(LeaseRenew) = "lease.renew",
        ObserveBegin(ObserveBegin) = "observe.begin",
        ObserveEnd(ObserveEnd) = "observe.end",
        ObserveEvent(ObserveEvent) = "observe.event",
        Register(Register) = "register",
        RegistryDelete(RegistryDelete) = "registry.delete",
        RegistryGet(RegistryGet) = "registry.get",
        RegistryHistory(RegistryHistory) = "registry.history",
        RegistryList(RegistryList) = "registry.list",
        RegistryPut(RegistryPut) = "registry.put",
        RegistryRead(RegistryRead) = "registry.read",
        RegistryRemove(RegistryRemove) = "registry.remove",
        RegistryRow(RegistryRowGet) = "registry.row",
        RegistryWrite(RegistryWrite) = "registry.write",
        RunCancel(RunCancel) = "run.cancel",
        RunGet(RunGet) = "run.get",
        RunList(RunList) = "run.list",
        RunRetry(RunRetry) = "run.retry",
        RunStart(RunStart) = "run.start",
        Situation(SituationAsk) = "situation",
        SessionAnswer(SessionAnswer) = "session.answer",
        SessionCompact(SessionCompact) = "session.compact",
        SessionDiff(SessionDiff) = "session.diff",
        SessionEntry(SessionEntry) = "session.entry",
        SessionExpand(SessionExpand) = "session.expand",
        SessionFork(SessionFork) = "session.fork",
        SessionList(SessionList) = "session.list",
        SessionRewind(SessionRewind) = "session.rewind",
        SessionStatus(SessionStatus) = "session.status",
        SessionStuck(SessionStuck) = "session.stuck",
        SessionSummarise(SessionSummarise) = "session.summarise",
        SessionTree(SessionTree) = "session.tree",
        SettingsBroken(SettingsBroken) = "settings.broken",
        Subscribe(Subscribe) = "subscribe",
        TeamList(TeamList) = "team.list",
        ThreadGet(ThreadGet) = "thread.get",
        ThreadRename(ThreadRename) = "thread.rename",
        TriggerDelete(TriggerDelete) = "trigger.delete",
        TriggerFire(TriggerFire) = "trigger.fire",
        TriggerGet(TriggerGet) = "trigger.get",
        TriggerHistory(TriggerHistory) = "trigger.history",
        TriggerList(TriggerList) = "trigger.list",
        TriggerNext(TriggerNext) = "trigger.next",
        TriggerPause(TriggerPause) = "trigger.pause",
        TriggerPut(Trigger) = "trigger.put",
        TriggerResume(TriggerResume) = "trigger.resume",
        TriggerRotate(TriggerRotate) = "trigger.rotate",
        TurnCancel(TurnCancel) = "turn.cancel",
        TurnGoOn(TurnGoOn) = "turn.go_on",
        Unsubscribe(Unsubscribe) = "unsubscribe",
        UsageRead(UsageRead) = "usage.read",
        WatchChanged(WatchChanged) = "watch.changed",
        WatchFailing(WatchFailing) = "watch.failing",
    }
}

frames! {
    /// What the broker sends.
    FromBroker, depth: JSON_DEPTH_SENT_MAX, {
        Activity(ActivityChanged) = "activity",
        ChatReacted(Reacted) = "chat.reacted",
        Deliver(Box<Deliver>) = "deliver",
        Error(ErrorBody) = "error",
        Gap(Gap) = "gap",
        Log(LogEntry) = "log",
        Observe(Observed) = "observe",
        ObserveGap(ObserveGap) = "observe.gap",
        Ok(Json) = "ok",
        Registered(Box<Registered>) = "registered",
        RosterChanged(Box<RosterChanged>) = "roster.changed",
        SessionAsk(SessionAsk) = "session.ask",
        Shutdown(Shutdown) = "shutdown",
        SpendingChanged(SpendingChanged) = "spending.changed",
    }
}
