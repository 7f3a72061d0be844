//! What frames are as commands, and what is to be known of those to send them again, and to check what they did.

use nexus_broker::hub::{Change, CommandBody};
use nexus_wire::inbox::Ack;
use nexus_wire::session::{SessionAct, SessionCommand, SessionRewind};
use nexus_wire::{EpochId, LinkId, Party, RequestId, ToBroker};

/// What the broker's edge makes of a frame; the identity is the link's.
pub(super) fn command(
    who: Party,
    link: LinkId,
    request: RequestId,
    frame: ToBroker,
    new_epoch: EpochId,
) -> CommandBody {
    let aspect = who.aspect().cloned();
    let change = match (frame, aspect) {
        (ToBroker::Register(register), Some(aspect)) => {
            return CommandBody::Register { aspect, link, key_generation: 1, register, new_epoch };
        }
        (ToBroker::Ack(Ack { offset }), Some(aspect)) => return CommandBody::Ack { aspect, link, offset },
        (ToBroker::ApprovalAnswer(it), _) => Change::ApprovalAnswer(it),
        (ToBroker::ApprovalAsk(it), _) => Change::ApprovalAsk(it),
        (ToBroker::ApprovalWithdraw(it), _) => Change::ApprovalWithdraw(it),
        (ToBroker::BudgetClear(it), _) => Change::BudgetClear(it),
        (ToBroker::BudgetGoOn(it), _) => Change::BudgetGoOn(it),
        (ToBroker::BudgetSet(it), _) => Change::BudgetSet(it),
        (ToBroker::BudgetStop(it), _) => Change::BudgetStop(it),
        (ToBroker::ChatMark(it), _) => Change::ChatMark(it),
        (ToBroker::ChatReact(it), _) => Change::ChatReact(it),
        (ToBroker::InboxTaken(it), _) => Change::InboxTaken(it),
        (ToBroker::AspectRelease(it), _) => Change::AspectRelease(it),
        (ToBroker::AspectRestrain(it), _) => Change::AspectRestrain(it),
        (ToBroker::ChatSend(it), _) => Change::ChatSend(it.into()),
        (ToBroker::Dispatch(it), _) => Change::Dispatch(it.into()),
        (ToBroker::DispatchCancel(it), _) => Change::DispatchCancel(it),
        (ToBroker::DispatchResult(it), _) => Change::DispatchResult(it),
        (ToBroker::DispatchRetry(it), _) => Change::DispatchRetry(it),
        (ToBroker::DispatchStopped(it), _) => Change::DispatchStopped(it),
        (ToBroker::DispatchWait(it), _) => Change::DispatchWait(it),
        (ToBroker::Gather(it), _) => Change::Gather(it),
        (ToBroker::GatherCancel(it), _) => Change::GatherCancel(it),
        (ToBroker::InboxClose(it), _) => Change::InboxClose(it),
        (ToBroker::LeaseRenew(it), _) => Change::LeaseRenew(it),
        (ToBroker::RegistryRemove(it), _) => Change::RegistryRemove(it),
        (ToBroker::RegistryWrite(it), _) => Change::RegistryWrite(it),
        (ToBroker::RunCancel(it), _) => Change::RunCancel(it),
        (ToBroker::RunRetry(it), _) => Change::RunRetry(it),
        (ToBroker::RunStart(it), _) => Change::RunStart(it),
        (ToBroker::SessionRewind(SessionRewind { of, session, entry }), _) => {
            Change::SessionCommand(SessionCommand { of, session, act: SessionAct::Rewind { entry } })
        }
        (ToBroker::SessionStuck(it), _) => Change::SessionStuck(it),
        (ToBroker::SettingsBroken(it), _) => Change::SettingsBroken(it),
        (ToBroker::TriggerFire(it), _) => Change::TriggerFire(it),
        (ToBroker::TriggerPause(it), _) => Change::TriggerPause(it),
        (ToBroker::TriggerResume(it), _) => Change::TriggerResume(it),
        (ToBroker::WatchChanged(it), _) => Change::WatchChanged(it),
        (ToBroker::WatchFailing(it), _) => Change::WatchFailing(it),
        (ToBroker::TurnCancel(it), _) => Change::SessionCommand(it.into()),
        (other, _) => unreachable!("the model sends no {other:?}"),
    };
    let link = who.aspect().map(|_| link);
    CommandBody::Request { sender: who, link, request, change }
}

/// What a client or the edge may say twice. A registration belongs to one link and comes once on it.
pub(super) fn may_come_again(body: &CommandBody) -> bool {
    match body {
        CommandBody::Request { .. }
        | CommandBody::Ack { .. }
        | CommandBody::LinkDown { .. }
        | CommandBody::Hook(_)
        | CommandBody::Tick => true,
        CommandBody::BrokerStarted(_)
        | CommandBody::MachineWoke { .. }
        | CommandBody::Register { .. }
        | CommandBody::Restored { .. }
        | CommandBody::KnowledgeUsed(_)
        | CommandBody::Looked(_)
        | CommandBody::Push(_)
        | CommandBody::AddAspect { .. }
        | CommandBody::RevokeAspect { .. }
        | CommandBody::AddOperator { .. }
        | CommandBody::RevokeOperator { .. }
        | CommandBody::RaiseAlert { .. }
        | CommandBody::Seen { .. }
        | CommandBody::Access { .. }
        | CommandBody::PutBlob { .. }
        | CommandBody::ForgetBlobs { .. }
        | CommandBody::PruneInboxes { .. }
        | CommandBody::PruneMessages { .. }
        | CommandBody::PruneDispatches { .. }
        | CommandBody::PruneApprovals { .. }
        | CommandBody::PruneRuns { .. }
        | CommandBody::PruneLog(_)
        | CommandBody::ClearAlert { .. } => false,
    }
}

/// Whether a command may bring a worker back to what it was at: nothing is preempted for that.
pub(super) fn brings_back(body: &CommandBody) -> bool {
    match body {
        CommandBody::Register { .. } => true,
        CommandBody::Request { change, .. } => {
            matches!(change, Change::LeaseRenew(_) | Change::DispatchWait(_))
        }
        CommandBody::BrokerStarted(_)
        | CommandBody::MachineWoke { .. }
        | CommandBody::Tick
        | CommandBody::LinkDown { .. }
        | CommandBody::Ack { .. }
        | CommandBody::PutBlob { .. }
        | CommandBody::ForgetBlobs { .. }
        | CommandBody::PruneInboxes { .. }
        | CommandBody::PruneMessages { .. }
        | CommandBody::PruneDispatches { .. }
        | CommandBody::PruneApprovals { .. }
        | CommandBody::PruneRuns { .. }
        | CommandBody::PruneLog(_)
        | CommandBody::Restored { .. }
        | CommandBody::KnowledgeUsed(_)
        | CommandBody::Hook(_)
        | CommandBody::Looked(_)
        | CommandBody::Push(_)
        | CommandBody::AddAspect { .. }
        | CommandBody::RevokeAspect { .. }
        | CommandBody::AddOperator { .. }
        | CommandBody::RevokeOperator { .. }
        | CommandBody::Seen { .. }
        | CommandBody::Access { .. }
        | CommandBody::RaiseAlert { .. }
        | CommandBody::ClearAlert { .. } => false,
    }
}
