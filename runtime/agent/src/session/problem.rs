//! What can be wrong with a session file, in words that name the line.

use std::fmt;

use uuid::Uuid;

/// Something in the file that is not as it was written.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Problem {
    pub line: u64,
    pub kind: ProblemKind,
}

#[derive(Clone, Debug, Eq, PartialEq)]
pub enum ProblemKind {
    DuplicateId(Uuid),
    Header(String),
    MissingHead(Uuid),
    MissingParent { parent: Uuid, attached_to: Option<Uuid> },
    Payload { entry: Uuid, kind: String, reason: String },
    Torn { bytes: u64 },
    Unreadable(String),
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: ", self.line)?;
        match &self.kind {
            ProblemKind::DuplicateId(id) => write!(f, "entry {id} stands here a second time; skipped"),
            ProblemKind::Header(reason) => write!(f, "no readable header ({reason})"),
            ProblemKind::MissingHead(id) => {
                write!(f, "rewinds to entry {id}, which is not before it; the head stays where it was")
            }
            ProblemKind::MissingParent { parent, attached_to: Some(to) } => {
                write!(f, "its parent {parent} is not before it; attached to {to}")
            }
            ProblemKind::MissingParent { parent, attached_to: None } => {
                write!(f, "its parent {parent} is not before it; it begins a branch of its own")
            }
            ProblemKind::Payload { entry, kind, reason } => {
                write!(f, "the payload of entry {entry} is no {kind} ({reason}); kept, but not replayed")
            }
            ProblemKind::Torn { bytes } => {
                write!(f, "torn: {bytes} bytes of a line that was never written to its end")
            }
            ProblemKind::Unreadable(reason) => write!(f, "unreadable ({reason}); skipped"),
        }
    }
}
