//! On whose account calls are made, and the ids of what they ask for, which are the same when they are made again.

use nexus_wire::budget::{Budget, Spending};
use nexus_wire::hands::Lease;
use nexus_wire::{AspectName, DispatchId, MessageId, Party, RequestId, ThreadId, derive};
use serde_json::Value;
use uuid::Uuid;

use super::{Tool, gather};

/// On whose account calls are made.
#[derive(Clone, Debug)]
pub struct Caller {
    pub me: AspectName,
    /// What the ids of posts derive from: the item that began the turn, or the dispatch a Hand works on.
    pub source: Uuid,
    /// The conversation it is about.
    pub thread: Option<ThreadId>,
    /// A Hand's right to its work, with the attempt that its ids belong to.
    pub lease: Option<Lease>,
    /// An operator is in the conversation, so that what people are asked is said there, too.
    pub is_heard: bool,
    /// What the turn has spent itself, and what it may spend yet.
    pub own: Spending,
    pub left: Budget,
}

impl Caller {
    pub fn of(me: AspectName, source: Uuid, thread: Option<ThreadId>, lease: Option<Lease>) -> Self {
        Self { me, source, thread, lease, is_heard: false, own: Spending::default(), left: Budget::default() }
    }

    /// What a dispatch made for a Hand has to say its Hand has spent.
    pub fn parent_used(&self) -> Spending {
        self.lease.map_or_else(Spending::default, |_| self.own)
    }

    /// Who has been shown what: the conversation, or a Hand's one piece of work.
    pub(super) fn reader(&self) -> Uuid {
        match (self.lease, self.thread) {
            (None, Some(thread)) => thread.0,
            (Some(_), Some(_)) | (_, None) => self.source,
        }
    }

    /// The id of what the `ordinal`-th call of the turn asks of the broker: the same when it is made again.
    pub fn request_id(&self, tool: Tool, ordinal: u64) -> RequestId {
        self.derived(tool.name(), ordinal)
    }

    /// The id of asking people whether the call may run; `blocked`: again, without its sandbox.
    pub fn leave_id(&self, ordinal: u64, blocked: bool) -> RequestId {
        self.derived(if blocked { "leave without the sandbox" } else { "leave" }, ordinal)
    }

    /// The message in which people are told of what was asked under this id, if they are.
    pub fn notice_of(&self, asked: RequestId) -> Option<MessageId> {
        let is_told = self.is_heard && self.thread.is_some() && self.lease.is_none();
        let sender = Party::Aspect(self.me.clone());
        is_told.then(|| derive::message_id(Self::notice_request(asked), &sender))
    }

    /// The id of posting it.
    pub fn notice_request(asked: RequestId) -> RequestId {
        RequestId(derive::derived(asked.0, "notice", 0))
    }

    fn derived(&self, what: &str, ordinal: u64) -> RequestId {
        let purpose = match self.lease {
            Some(lease) => format!("{what} of attempt {}", lease.attempt),
            None => what.to_owned(),
        };
        RequestId(derive::derived(self.source, &purpose, ordinal))
    }

    /// The dispatch that a `dispatch_hand` call makes.
    pub fn dispatch_id(&self, ordinal: u64) -> DispatchId {
        let sender = Party::Aspect(self.me.clone());
        derive::dispatch_id(self.request_id(Tool::DispatchHand, ordinal), &sender)
    }

    /// The dispatches that a call makes and that end when it is given up. Those of a Hand end with the Hand.
    pub fn dispatches_of(&self, tool: &str, ordinal: u64, input: &Value) -> Vec<DispatchId> {
        match Tool::from_name(tool) {
            _ if self.lease.is_some() => Vec::new(),
            Some(Tool::DispatchHand) => vec![self.dispatch_id(ordinal)],
            Some(tool @ Tool::Gather) => {
                gather::dispatch_ids(self.request_id(tool, ordinal), &self.me, input)
            }
            Some(_) | None => Vec::new(),
        }
    }
}
