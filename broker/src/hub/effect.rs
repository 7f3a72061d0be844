//! What the hub wants done once its batch is on disk. Effects of a batch that failed to commit are dropped.

use std::sync::Arc;

use nexus_wire::log::LogEntry;
use nexus_wire::{AspectName, ErrorBody, FromBroker, LinkId};

use super::command::Origin;

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
    },
    /// Something these links are told while they are up; it may be dropped.
    Tell {
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
    /// How many dispatches the aspect behind `link` is at work on.
    AtWork {
        link: LinkId,
        aspect: AspectName,
        dispatches: u32,
    },
    /// Who gets in by what has changed.
    DoorsChanged,
    /// An entry was appended to the log.
    Logged(LogEntry),
}
