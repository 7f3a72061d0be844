//! What is to be known of commands to send them again, and to check what they did.

use nexus_broker::hub::{Change, CommandBody};

/// What a client or the edge may say twice. A registration belongs to one link and comes once on it.
pub(super) fn may_come_again(body: &CommandBody) -> bool {
    match body {
        CommandBody::Request { .. }
        | CommandBody::Ack { .. }
        | CommandBody::LinkDown { .. }
        | CommandBody::Tick => true,
        CommandBody::BrokerStarted(_)
        | CommandBody::Register { .. }
        | CommandBody::Restored { .. }
        | CommandBody::KnowledgeUsed(_)
        | CommandBody::Hook(_)
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
