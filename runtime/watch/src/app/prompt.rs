//! The line at the foot of the screen in which something is typed, and what it is for.

use nexus_wire::{ApprovalId, AspectName, DispatchId, ThreadId};

use super::line::Line;

#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Purpose {
    /// `:`
    Command,
    /// `/`
    Filter,
    Say {
        to: Option<AspectName>,
        thread: Option<ThreadId>,
    },
    Approve(ApprovalId),
    Deny(ApprovalId),
    Answer {
        approval: ApprovalId,
        choices: Vec<String>,
    },
    Cancel(DispatchId),
    Stop(AspectName),
}

/// What could stand in the place of the word that is typed, one of them standing there.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Completion {
    pub candidates: Vec<String>,
    pub at: usize,
    pub(super) begin: usize,
}

#[derive(Clone, Debug)]
pub struct Prompt {
    pub purpose: Purpose,
    pub line: Line,
    pub completion: Option<Completion>,
    /// Why what was typed cannot be done.
    pub error: Option<String>,
    /// Which of the commands typed before is shown, counted from the last.
    pub(super) recalled: usize,
}

impl Prompt {
    pub(super) fn new(purpose: Purpose, text: &str) -> Self {
        Self { purpose, line: Line::of(text), completion: None, error: None, recalled: 0 }
    }
}
