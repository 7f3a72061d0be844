//! What the hub wants done once its batch is on disk. Effects of a batch that failed to commit are dropped.

use std::sync::Arc;

use nexus_wire::hands::Outcome;
use nexus_wire::log::LogEntry;
use nexus_wire::{AspectName, DispatchId, ErrorBody, FromBroker, HandRef, LinkId, Ms, Party, TraceContext};

use super::command::Origin;
use super::records::DispatchTrace;
use super::text::Text;

#[derive(Clone, Debug, PartialEq)]
#[must_use = "effects do nothing until they are carried out"]
pub enum Effect {
    /// The one reply to a request: `ok`, `registered` or `error`.
    Answer {
        origin: Origin,
        answer: Result<FromBroker, ErrorBody>,
    },
    /// The aspect's link registered: delivery starts after `cursor`; the inbox ends at `tail`. Comes after
    /// the `Answer` that carries `registered` and before any `Push` to that link.
    Attach {
        link: LinkId,
        aspect: AspectName,
        cursor: u64,
        tail: u64,
    },
    /// A new item of the aspect behind `link`. `item` is the JSON text of a `nexus_wire::inbox::Item`.
    Push {
        link: LinkId,
        offset: u64,
        item: Arc<str>,
        /// As it stands in the item.
        trace: Option<Box<TraceContext>>,
    },
    /// Something these links are told while they are up; it may be dropped.
    Tell {
        links: Vec<LinkId>,
        frame: FromBroker,
    },
    /// Something these links have to know: one that has no room for it is closed, and hears it when it registers.
    Insist {
        links: Vec<LinkId>,
        frame: FromBroker,
    },
    Close {
        link: LinkId,
        code: u16,
        reason: String,
    },
    /// This aspect's roster entry changed.
    RosterChanged {
        aspect: AspectName,
    },
    /// How many dispatches the aspect behind `link` is at work on, and how much it waits for people for.
    AtWork {
        link: LinkId,
        aspect: AspectName,
        dispatches: u32,
        approvals: u32,
    },
    /// Who gets in by what has changed.
    DoorsChanged,
    /// Whom clients want to be told of tasks has changed.
    PushesChanged,
    /// What webhooks are signed with has changed.
    HooksChanged,
    /// What is looked at, or what was seen there.
    WatchesChanged,
    /// An entry was appended to the log.
    Logged(LogEntry),
    /// A dispatch that is traced has come a step further.
    Passed(Box<Milestone>),
}

/// Once so much is pushed by a batch, the commands after it belong to the next.
const PUSHED_BYTES_MAX: usize = 64 * 1024 * 1024;

/// Those of a batch so far, and room for what is written on the way: kept for the next, so that it grows once.
#[derive(Debug, Default)]
pub struct Effects {
    pub(super) all: Vec<Effect>,
    /// Of what is pushed to links: each recipient of a message has a copy.
    pub(super) pushed_bytes: usize,
    pub(super) body: Text,
    pub(super) item: Text,
}

impl Effects {
    /// With room for so many.
    pub fn with_room(count: usize) -> Self {
        Self { all: Vec::with_capacity(count), ..Self::default() }
    }

    /// What goes to links with them is large; it is in memory until they are let out.
    pub fn are_large(&self) -> bool {
        self.pushed_bytes >= PUSHED_BYTES_MAX
    }

    pub fn into_all(self) -> Vec<Effect> {
        self.all
    }
}

impl Effect {
    /// Whether it says no more than that something is to be published anew.
    pub(crate) fn is_published(&self) -> bool {
        matches!(self, Self::DoorsChanged | Self::HooksChanged | Self::PushesChanged | Self::WatchesChanged)
    }
}

/// A span of a dispatch that is over. Its id derives from the dispatch, so that it is the same for whoever was told
/// of it before a restart.
#[derive(Clone, Debug, PartialEq)]
pub enum Milestone {
    /// The `attempt` has been assigned; `since` is when it began to wait for that. A child of `dispatch`'s span.
    Queued { trace: DispatchTrace, dispatch: DispatchId, hand: HandRef, attempt: u32, since: Ms, at: Ms },
    /// It has ended.
    Ended { trace: DispatchTrace, outcome: Box<Outcome>, invoker: Party, since: Ms, at: Ms },
}
