//! Who may send what. Pure functions over an authenticated identity; the identity is stamped here, and nothing
//! a frame says about its sender is believed.

use std::collections::BTreeMap;

use nexus_wire::alert::AlertList;
use nexus_wire::approval::{ApprovalGet, ApprovalList};
use nexus_wire::audit::{AuditList, UsageRead};
use nexus_wire::budget::Spending;
use nexus_wire::chat::{ChatGet, ChatRead, ChatSearch, ChatThreads};
use nexus_wire::flow::{FlowGet, FlowList};
use nexus_wire::gather::{GatherList, GatherStatus};
use nexus_wire::hands::{Dispatch, DispatchList, DispatchProgress, DispatchStatus, Wanted};
use nexus_wire::hook::TriggerRotate;
use nexus_wire::limits::{
    CHILDREN_PER_PARENT_MAX, CLAIM_COST_MICROUSD_MAX, CLAIM_TOKENS_MAX, DURABLE_BYTES_MAX, GATHER_MAX,
    KINDS_MAX, OBSERVE_FROM_MAX, PAGE_DEFAULT, PAGE_MAX, RECIPIENTS_MAX, REGISTRY_ENTRIES_MAX,
    REGISTRY_FILTER_BYTES_MAX, RESTRAINT_REASON_BYTES_MAX, SLOTS_MAX, TOPIC_BYTES_MAX, WANTED_MAX,
};
use nexus_wire::log::Subscribe;
use nexus_wire::observe::{ObserveBegin, ObserveEnd, ObserveEvent};
use nexus_wire::registry::{RegistryGet, RegistryHistory, RegistryList, RegistryRead, RegistryRowGet};
use nexus_wire::roster::{Register, TeamList};
use nexus_wire::run::{RunGet, RunList};
use nexus_wire::session::{
    SessionAct, SessionAnswer, SessionCommand, SessionCompact, SessionDiff, SessionEntry, SessionExpand,
    SessionFork, SessionList, SessionQuestion, SessionRewind, SessionStatus, SessionSummarise, SessionTree,
};
use nexus_wire::thread::{ChatReceipts, ThreadGet};
use nexus_wire::turn::TurnCancel;
use nexus_wire::{AspectName, ErrorBody, ErrorCode, OperatorName, Party, ToBroker};

use crate::hub::Change;
use crate::identity::{Identity, Role};
use crate::observe::{KnowledgeRead, TriggerRead};

/// A frame its sender may send, sorted by where it goes.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Admitted {
    /// To the core: a durable change.
    Change(Change),
    Register(AspectName, Register),
    Ack(AspectName, u64),
    /// A secret that is sealed on its way to the core.
    Rotate(TriggerRotate),
    /// To the read pool.
    Read(Read),
    /// To the relay, in memory only.
    Stream(AspectName, Streamed),
    Subscribe(Subscribe),
    /// To whoever asked; nothing of it is kept.
    Answered(SessionAnswer),
    Unsubscribe,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Read {
    AlertList(AlertList),
    ApprovalGet(ApprovalGet),
    ApprovalList(ApprovalList),
    AuditList(AuditList),
    BudgetList,
    ChatGet(ChatGet),
    ChatRead(ChatRead),
    ChatReceipts(ChatReceipts),
    ChatSearch(ChatSearch),
    ChatThreads(ChatThreads),
    DispatchList(DispatchList),
    DispatchStatus(DispatchStatus),
    Knowledge(KnowledgeRead),
    /// Answered by the aspect's own process.
    Session(AspectName, SessionQuestion),
    SessionStatus(SessionStatus),
    FlowGet(FlowGet),
    FlowList(FlowList),
    GatherList(GatherList),
    GatherStatus(GatherStatus),
    Registry(RegistryLook),
    RunGet(RunGet),
    RunList(RunList),
    Situation(AspectName),
    TeamList(TeamList),
    ThreadGet(ThreadGet),
    Trigger(TriggerRead),
    UsageRead(UsageRead),
}

/// What is read of registries.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum RegistryLook {
    Get(RegistryGet),
    History(RegistryHistory),
    List(RegistryList),
    Read(RegistryRead),
    Row(RegistryRowGet),
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Streamed {
    Begin(ObserveBegin),
    Event(ObserveEvent),
    End(ObserveEnd),
    Progress(DispatchProgress),
}

/// `bytes` is the size of the frame as it came.
pub(crate) fn admit(identity: &Identity, frame: ToBroker, bytes: usize) -> Result<Admitted, ErrorBody> {
    let admitted = match frame {
        ToBroker::Ack(ack) => Admitted::Ack(aspect(identity, "ack")?, ack.offset),
        ToBroker::AlertAck(ack) => {
            operator(identity, "alert.ack")?;
            writer(identity)?;
            Admitted::Change(Change::AlertAck(ack))
        }
        ToBroker::AlertList(list) => {
            operator(identity, "alert.list")?;
            Admitted::Read(Read::AlertList(list))
        }
        ToBroker::ApprovalAnswer(answer) => {
            acting_operator(identity, "approval.answer")?;
            Admitted::Change(Change::ApprovalAnswer(answer))
        }
        ToBroker::ApprovalAsk(ask) => {
            aspect(identity, "approval.ask")?;
            Admitted::Change(Change::ApprovalAsk(ask))
        }
        ToBroker::ApprovalGet(get) => {
            operator(identity, "approval.get")?;
            Admitted::Read(Read::ApprovalGet(get))
        }
        ToBroker::ApprovalList(list) => {
            operator(identity, "approval.list")?;
            Admitted::Read(Read::ApprovalList(list))
        }
        ToBroker::ApprovalWithdraw(withdraw) => {
            aspect(identity, "approval.withdraw")?;
            Admitted::Change(Change::ApprovalWithdraw(withdraw))
        }
        ToBroker::AuditList(list) => {
            operator(identity, "audit.list")?;
            Admitted::Read(Read::AuditList(list))
        }
        ToBroker::BudgetClear(clear) => {
            acting_operator(identity, "budget.clear")?;
            Admitted::Change(Change::BudgetClear(clear))
        }
        ToBroker::BudgetGoOn(go_on) => {
            acting_operator(identity, "budget.go_on")?;
            Admitted::Change(Change::BudgetGoOn(go_on))
        }
        ToBroker::BudgetList(_) => {
            operator(identity, "budget.list")?;
            Admitted::Read(Read::BudgetList)
        }
        ToBroker::BudgetSet(set) => {
            acting_operator(identity, "budget.set")?;
            Admitted::Change(Change::BudgetSet(set))
        }
        ToBroker::BudgetStop(stop) => {
            acting_operator(identity, "budget.stop")?;
            Admitted::Change(Change::BudgetStop(stop))
        }
        ToBroker::ChatGet(get) => Admitted::Read(Read::ChatGet(get)),
        ToBroker::ChatMark(mark) => Admitted::Change(Change::ChatMark(mark)),
        ToBroker::ChatReact(react) => {
            writer(identity)?;
            Admitted::Change(Change::ChatReact(react))
        }
        ToBroker::AspectRelease(release) => {
            administer(identity)?;
            Admitted::Change(Change::AspectRelease(release))
        }
        ToBroker::AspectRestrain(restrain) => {
            administer(identity)?;
            at_most("reason", restrain.reason.len(), RESTRAINT_REASON_BYTES_MAX, "bytes")?;
            Admitted::Change(Change::AspectRestrain(restrain))
        }
        ToBroker::ChatRead(read) => Admitted::Read(Read::ChatRead(read)),
        ToBroker::ChatReceipts(receipts) => Admitted::Read(Read::ChatReceipts(receipts)),
        ToBroker::ChatSearch(search) => Admitted::Read(Read::ChatSearch(search)),
        ToBroker::ChatSend(send) => {
            writer(identity)?;
            at_most("to", send.to.len(), RECIPIENTS_MAX, "recipients")?;
            if let Some(topic) = &send.topic {
                topic_fits(topic)?;
            }
            if let Some(meta) = &send.meta {
                plausible("usage", Spending::of(&meta.usage, meta.cost_microusd))?;
            }
            Admitted::Change(Change::ChatSend(send.into()))
        }
        ToBroker::ChatThreads(read) => Admitted::Read(Read::ChatThreads(read)),
        ToBroker::Deregister(_) => {
            aspect(identity, "deregister")?;
            Admitted::Change(Change::Deregister)
        }
        ToBroker::Dispatch(dispatch) => {
            writer(identity)?;
            wanted_fits(&dispatch)?;
            Admitted::Change(Change::Dispatch(dispatch.into()))
        }
        ToBroker::DispatchCancel(cancel) => {
            writer(identity)?;
            Admitted::Change(Change::DispatchCancel(cancel))
        }
        ToBroker::DispatchList(list) => Admitted::Read(Read::DispatchList(list)),
        ToBroker::DispatchProgress(progress) => {
            Admitted::Stream(aspect(identity, "dispatch.progress")?, Streamed::Progress(progress))
        }
        ToBroker::DispatchResult(result) => {
            aspect(identity, "dispatch.result")?;
            plausible("usage", Spending::of(&result.usage, result.cost_microusd))?;
            Admitted::Change(Change::DispatchResult(result))
        }
        ToBroker::DispatchRetry(retry) => {
            writer(identity)?;
            Admitted::Change(Change::DispatchRetry(retry))
        }
        ToBroker::DispatchStatus(status) => Admitted::Read(Read::DispatchStatus(status)),
        ToBroker::DispatchStopped(stopped) => {
            aspect(identity, "dispatch.stopped")?;
            plausible("usage", Spending::of(&stopped.usage, stopped.cost_microusd))?;
            Admitted::Change(Change::DispatchStopped(stopped))
        }
        ToBroker::DispatchWait(wait) => {
            aspect(identity, "dispatch.wait")?;
            at_most("on", wait.on.len(), CHILDREN_PER_PARENT_MAX, "dispatches")?;
            Admitted::Change(Change::DispatchWait(wait))
        }
        ToBroker::FlowDelete(delete) => {
            acting_operator(identity, "flow.delete")?;
            Admitted::Change(Change::FlowDelete(delete))
        }
        ToBroker::FlowGet(get) => Admitted::Read(Read::FlowGet(get)),
        ToBroker::FlowList(list) => Admitted::Read(Read::FlowList(list)),
        ToBroker::FlowPut(put) => {
            acting_operator(identity, "flow.put")?;
            Admitted::Change(Change::FlowPut(put))
        }
        ToBroker::Gather(gather) => {
            writer(identity)?;
            at_most("dispatches", gather.dispatches.len(), GATHER_MAX, "dispatches")?;
            Admitted::Change(Change::Gather(gather))
        }
        ToBroker::GatherCancel(cancel) => {
            writer(identity)?;
            let bytes = cancel.reason.as_ref().map_or(0, String::len);
            at_most("reason", bytes, RESTRAINT_REASON_BYTES_MAX, "bytes")?;
            Admitted::Change(Change::GatherCancel(cancel))
        }
        ToBroker::GatherList(list) => Admitted::Read(Read::GatherList(list)),
        ToBroker::GatherStatus(status) => Admitted::Read(Read::GatherStatus(status)),
        ToBroker::InboxClose(close) => {
            aspect(identity, "inbox.close")?;
            if let Some(spent) = close.spent {
                plausible("spent", spent)?;
            }
            if let Some(meta) = &close.meta {
                plausible("usage", Spending::of(&meta.usage, meta.cost_microusd))?;
            }
            Admitted::Change(Change::InboxClose(close))
        }
        ToBroker::InboxTaken(taken) => {
            aspect(identity, "inbox.taken")?;
            Admitted::Change(Change::InboxTaken(taken))
        }
        ToBroker::KnowledgeDelete(delete) => {
            writer(identity)?;
            Admitted::Change(Change::KnowledgeDelete(delete))
        }
        ToBroker::KnowledgeGet(get) => Admitted::Read(Read::Knowledge(KnowledgeRead::Get(get))),
        ToBroker::KnowledgeGrant(grant) => {
            acting_operator(identity, "knowledge.grant")?;
            Admitted::Change(Change::KnowledgeGrant(grant))
        }
        ToBroker::KnowledgeGrants(grants) => Admitted::Read(Read::Knowledge(KnowledgeRead::Grants(grants))),
        ToBroker::KnowledgeHistory(history) => {
            Admitted::Read(Read::Knowledge(KnowledgeRead::History(history)))
        }
        ToBroker::KnowledgeList(list) => Admitted::Read(Read::Knowledge(KnowledgeRead::List(list))),
        ToBroker::KnowledgeRevoke(revoke) => {
            acting_operator(identity, "knowledge.revoke")?;
            Admitted::Change(Change::KnowledgeRevoke(revoke))
        }
        ToBroker::KnowledgeSearch(search) => Admitted::Read(Read::Knowledge(KnowledgeRead::Search(search))),
        ToBroker::KnowledgeStore(store) => {
            writer(identity)?;
            topic_fits(&store.topic)?;
            Admitted::Change(Change::KnowledgeStore(store))
        }
        ToBroker::LeaseRenew(renew) => {
            aspect(identity, "lease.renew")?;
            at_most("leases", renew.leases.len(), SLOTS_MAX as usize, "leases")?;
            Admitted::Change(Change::LeaseRenew(renew))
        }
        ToBroker::ObserveBegin(begin) => {
            Admitted::Stream(aspect(identity, "observe.begin")?, Streamed::Begin(begin))
        }
        ToBroker::ObserveEnd(end) => Admitted::Stream(aspect(identity, "observe.end")?, Streamed::End(end)),
        ToBroker::ObserveEvent(event) => {
            Admitted::Stream(aspect(identity, "observe.event")?, Streamed::Event(event))
        }
        ToBroker::Register(register) => {
            at_most("leases", register.leases.len(), SLOTS_MAX as usize, "leases")?;
            Admitted::Register(aspect(identity, "register")?, register)
        }
        ToBroker::RegistryDelete(delete) => {
            acting_operator(identity, "registry.delete")?;
            Admitted::Change(Change::RegistryDelete(delete))
        }
        ToBroker::RegistryGet(get) => Admitted::Read(Read::Registry(RegistryLook::Get(get))),
        ToBroker::RegistryHistory(history) => Admitted::Read(Read::Registry(RegistryLook::History(history))),
        ToBroker::RegistryList(list) => Admitted::Read(Read::Registry(RegistryLook::List(list))),
        ToBroker::RegistryPut(put) => {
            acting_operator(identity, "registry.put")?;
            at_most("entries", put.entries.len(), REGISTRY_ENTRIES_MAX, "entries")?;
            Admitted::Change(Change::RegistryPut(put))
        }
        ToBroker::RegistryRead(read) => {
            let bytes = read.filter.as_ref().map_or(0, String::len);
            at_most("filter", bytes, REGISTRY_FILTER_BYTES_MAX, "bytes")?;
            Admitted::Read(Read::Registry(RegistryLook::Read(read)))
        }
        ToBroker::RegistryRemove(remove) => {
            writer(identity)?;
            Admitted::Change(Change::RegistryRemove(remove))
        }
        ToBroker::RegistryRow(get) => Admitted::Read(Read::Registry(RegistryLook::Row(get))),
        ToBroker::RegistryWrite(write) => {
            writer(identity)?;
            Admitted::Change(Change::RegistryWrite(write))
        }
        ToBroker::RunCancel(cancel) => {
            writer(identity)?;
            let bytes = cancel.reason.as_ref().map_or(0, String::len);
            at_most("reason", bytes, RESTRAINT_REASON_BYTES_MAX, "bytes")?;
            Admitted::Change(Change::RunCancel(cancel))
        }
        ToBroker::RunGet(get) => Admitted::Read(Read::RunGet(get)),
        ToBroker::RunList(list) => Admitted::Read(Read::RunList(list)),
        ToBroker::RunRetry(retry) => {
            writer(identity)?;
            Admitted::Change(Change::RunRetry(retry))
        }
        ToBroker::RunStart(start) => {
            writer(identity)?;
            Admitted::Change(Change::RunStart(start))
        }
        ToBroker::Situation(_) => Admitted::Read(Read::Situation(aspect(identity, "situation")?)),
        ToBroker::SessionAnswer(answer) => {
            aspect(identity, "session.answer")?;
            Admitted::Answered(answer)
        }
        ToBroker::SessionCompact(SessionCompact { of, session }) => {
            let act = SessionAct::Compact;
            session_command(identity, SessionCommand { of, session, act })?
        }
        ToBroker::SessionDiff(SessionDiff { of, session, one, other }) => {
            operator(identity, "session.diff")?;
            Admitted::Read(Read::Session(of, SessionQuestion::Diff { session, one, other }))
        }
        ToBroker::SessionExpand(SessionExpand { of, session, entry, limit, cursor }) => {
            operator(identity, "session.expand")?;
            let limit = limit.unwrap_or(PAGE_DEFAULT).clamp(1, PAGE_MAX);
            Admitted::Read(Read::Session(of, SessionQuestion::Expand { session, entry, limit, cursor }))
        }
        ToBroker::SessionFork(SessionFork { of, session, entry, say }) => {
            let act = SessionAct::Fork { entry, say };
            session_command(identity, SessionCommand { of, session, act })?
        }
        ToBroker::SessionRewind(SessionRewind { of, session, entry }) => {
            let act = SessionAct::Rewind { entry };
            session_command(identity, SessionCommand { of, session, act })?
        }
        ToBroker::SessionStuck(stuck) => {
            aspect(identity, "session.stuck")?;
            Admitted::Change(Change::SessionStuck(stuck))
        }
        ToBroker::SettingsBroken(broken) => {
            aspect(identity, "settings.broken")?;
            Admitted::Change(Change::SettingsBroken(broken))
        }
        ToBroker::SessionSummarise(SessionSummarise { of, session, entry }) => {
            let act = SessionAct::Summarise { entry };
            session_command(identity, SessionCommand { of, session, act })?
        }
        ToBroker::SessionStatus(status) => {
            operator(identity, "session.status")?;
            Admitted::Read(Read::SessionStatus(status))
        }
        ToBroker::SessionEntry(SessionEntry { of, session, entry }) => {
            operator(identity, "session.entry")?;
            Admitted::Read(Read::Session(of, SessionQuestion::Entry { session, entry }))
        }
        ToBroker::SessionList(SessionList { of, limit, cursor }) => {
            operator(identity, "session.list")?;
            let limit = limit.unwrap_or(PAGE_DEFAULT).clamp(1, PAGE_MAX);
            Admitted::Read(Read::Session(of, SessionQuestion::List { limit, cursor }))
        }
        ToBroker::SessionTree(SessionTree { of, session, limit, cursor }) => {
            operator(identity, "session.tree")?;
            let limit = limit.unwrap_or(PAGE_DEFAULT).clamp(1, PAGE_MAX);
            Admitted::Read(Read::Session(of, SessionQuestion::Tree { session, limit, cursor }))
        }
        ToBroker::Subscribe(subscribe) => {
            if identity.role == Role::Aspect {
                return Err(forbidden("subscribe is for operators; an aspect has its inbox"));
            }
            at_most("kinds", subscribe.kinds.len(), KINDS_MAX, "kinds")?;
            let from = subscribe.observe_from.as_ref();
            at_most("observe_from", from.map_or(0, BTreeMap::len), OBSERVE_FROM_MAX, "aspects")?;
            if !subscribe.observe && from.is_some() {
                let message = "`observe_from` says where `observe` goes on: set `observe` too";
                return Err(ErrorBody::new(ErrorCode::Invalid, message));
            }
            Admitted::Subscribe(subscribe)
        }
        ToBroker::TeamList(list) => Admitted::Read(Read::TeamList(list)),
        ToBroker::ThreadGet(get) => Admitted::Read(Read::ThreadGet(get)),
        ToBroker::ThreadRename(rename) => {
            writer(identity)?;
            Admitted::Change(Change::ThreadRename(rename))
        }
        ToBroker::TriggerDelete(delete) => {
            acting_operator(identity, "trigger.delete")?;
            Admitted::Change(Change::TriggerDelete(delete))
        }
        ToBroker::TriggerFire(fire) => {
            acting_operator(identity, "trigger.fire")?;
            Admitted::Change(Change::TriggerFire(fire))
        }
        ToBroker::TriggerGet(get) => Admitted::Read(Read::Trigger(TriggerRead::Get(get))),
        ToBroker::TriggerHistory(history) => Admitted::Read(Read::Trigger(TriggerRead::History(history))),
        ToBroker::TriggerList(list) => Admitted::Read(Read::Trigger(TriggerRead::List(list))),
        ToBroker::TriggerNext(next) => Admitted::Read(Read::Trigger(TriggerRead::Next(next))),
        ToBroker::TriggerPause(pause) => {
            acting_operator(identity, "trigger.pause")?;
            Admitted::Change(Change::TriggerPause(pause))
        }
        ToBroker::TriggerPut(put) => {
            acting_operator(identity, "trigger.put")?;
            Admitted::Change(Change::TriggerPut(Box::new(put)))
        }
        ToBroker::TriggerResume(resume) => {
            acting_operator(identity, "trigger.resume")?;
            Admitted::Change(Change::TriggerResume(resume))
        }
        ToBroker::TriggerRotate(rotate) => {
            acting_operator(identity, "trigger.rotate")?;
            Admitted::Rotate(rotate)
        }
        ToBroker::TurnCancel(cancel) => {
            reason_fits(&cancel)?;
            session_command(identity, cancel.into())?
        }
        ToBroker::TurnGoOn(go_on) => session_command(identity, go_on.into())?,
        ToBroker::Unsubscribe(_) => Admitted::Unsubscribe,
        ToBroker::UsageRead(read) => {
            operator(identity, "usage.read")?;
            Admitted::Read(Read::UsageRead(read))
        }
        ToBroker::WatchChanged(changed) => {
            aspect(identity, "watch.changed")?;
            Admitted::Change(Change::WatchChanged(changed))
        }
        ToBroker::WatchFailing(failing) => {
            aspect(identity, "watch.failing")?;
            Admitted::Change(Change::WatchFailing(failing))
        }
    };
    if goes_on(&admitted) && bytes > DURABLE_BYTES_MAX {
        let message =
            format!("{bytes} bytes are more than the {DURABLE_BYTES_MAX} that can be kept or passed on");
        return Err(ErrorBody::new(ErrorCode::TooLarge, message));
    }
    Ok(admitted)
}

/// Who may let aspects and operators in, and shut them out.
pub(crate) fn administer(identity: &Identity) -> Result<Party, ErrorBody> {
    match identity.role {
        Role::Admin => Ok(identity.party.clone()),
        Role::Operator | Role::Viewer | Role::Aspect => {
            Err(forbidden("this takes an admin's token; `nexus token` says where the first one is"))
        }
    }
}

/// Their own tokens and password are everybody's own; those of others are an admin's.
pub(crate) fn themselves_or_admin(identity: &Identity, name: &OperatorName) -> Result<(), ErrorBody> {
    if identity.role == Role::Admin || identity.party == Party::Operator(name.clone()) {
        return Ok(());
    }
    Err(forbidden(format!("this is {name}'s own, or an admin's to change")))
}

fn aspect(identity: &Identity, kind: &str) -> Result<AspectName, ErrorBody> {
    identity
        .party
        .aspect()
        .cloned()
        .ok_or_else(|| forbidden(format!("{kind} is for aspects, and {} is an operator", identity.party)))
}

/// For people, those who only look as well.
fn operator(identity: &Identity, kind: &str) -> Result<(), ErrorBody> {
    match identity.role {
        Role::Viewer | Role::Operator | Role::Admin => Ok(()),
        Role::Aspect => {
            Err(forbidden(format!("{kind} is for operators, and {} is an aspect", identity.party)))
        }
    }
}

pub(crate) fn writer(identity: &Identity) -> Result<(), ErrorBody> {
    match identity.role {
        Role::Aspect | Role::Operator | Role::Admin => Ok(()),
        Role::Viewer => Err(forbidden(format!(
            "{} may look and not act; an admin can give the role operator",
            identity.party
        ))),
    }
}

fn session_command(identity: &Identity, command: SessionCommand) -> Result<Admitted, ErrorBody> {
    acting_operator(identity, command.act.kind())?;
    Ok(Admitted::Change(Change::SessionCommand(command)))
}

/// For operators who may act.
fn acting_operator(identity: &Identity, kind: &str) -> Result<(), ErrorBody> {
    match identity.role {
        Role::Operator | Role::Admin => Ok(()),
        Role::Viewer => writer(identity),
        Role::Aspect => {
            Err(forbidden(format!("{kind} is for operators, and {} is an aspect", identity.party)))
        }
    }
}

fn forbidden(message: impl Into<String>) -> ErrorBody {
    ErrorBody::new(ErrorCode::Forbidden, message)
}

fn at_most(field: &str, count: usize, max: usize, what: &str) -> Result<(), ErrorBody> {
    if count <= max {
        return Ok(());
    }
    Err(ErrorBody::new(ErrorCode::Invalid, format!("`{field}`: {count} {what}, at most {max}")))
}

fn reason_fits(cancel: &TurnCancel) -> Result<(), ErrorBody> {
    let bytes = cancel.reason.as_ref().map_or(0, String::len);
    at_most("reason", bytes, RESTRAINT_REASON_BYTES_MAX, "bytes")
}

/// What somebody says they have used is believed within reason.
fn plausible(field: &str, claimed: Spending) -> Result<(), ErrorBody> {
    if claimed.tokens <= CLAIM_TOKENS_MAX && claimed.cost_microusd <= CLAIM_COST_MICROUSD_MAX {
        return Ok(());
    }
    let most = Spending { tokens: CLAIM_TOKENS_MAX, cost_microusd: CLAIM_COST_MICROUSD_MAX };
    let message = format!("`{field}`: nobody can have used {claimed}; at most {most}");
    Err(ErrorBody::new(ErrorCode::Invalid, message))
}

fn topic_fits(topic: &str) -> Result<(), ErrorBody> {
    at_most("topic", topic.len(), TOPIC_BYTES_MAX, "bytes")
}

fn wanted_fits(dispatch: &Dispatch) -> Result<(), ErrorBody> {
    let Some(Wanted { needs, likes, prefer, avoid }) = &dispatch.capability else { return Ok(()) };
    for (field, names) in [("capability.needs", needs), ("capability.likes", likes)] {
        at_most(field, names.len(), WANTED_MAX, "capabilities")?;
        if let Some(long) = names.iter().find(|name| name.len() > TOPIC_BYTES_MAX) {
            at_most(field, long.len(), TOPIC_BYTES_MAX, "bytes in one capability")?;
        }
    }
    at_most("capability.prefer", prefer.len(), WANTED_MAX, "aspects")?;
    at_most("capability.avoid", avoid.len(), WANTED_MAX, "aspects")
}

/// Others will be sent it, with something put around it.
fn goes_on(admitted: &Admitted) -> bool {
    match admitted {
        Admitted::Change(_) | Admitted::Register(..) | Admitted::Stream(..) => true,
        Admitted::Ack(..)
        | Admitted::Answered(_)
        | Admitted::Read(_)
        | Admitted::Rotate(_)
        | Admitted::Subscribe(_)
        | Admitted::Unsubscribe => false,
    }
}

#[cfg(test)]
mod tests;
