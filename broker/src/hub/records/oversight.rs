//! What is kept for those who watch over the team: gathers, what is asked of people, answers to acts of people, restraints.

use nexus_wire::Ms;
use nexus_wire::approval::ApprovalInfo;
use nexus_wire::gather::GatherInfo;
use nexus_wire::roster::RestraintKind;
use uuid::Uuid;

use super::AspectRecord;

/// A request that created nothing with an id of its own, and how it was answered.
#[derive(Clone, Debug, PartialEq)]
pub struct AnsweredRecord {
    /// Derived from the request and its sender.
    pub key: Uuid,
    pub request_sha256: [u8; 32],
    /// JSON text.
    pub answer: String,
    pub at: Ms,
}

/// What an aspect asks of people; `request_sha256` as the digest in [`super::MessageRecord`].
#[derive(Clone, Debug, PartialEq)]
pub struct ApprovalRecord {
    pub info: ApprovalInfo,
    pub request_sha256: [u8; 32],
}

/// A gather; `request_sha256` as the digest in [`super::MessageRecord`].
#[derive(Clone, Debug, PartialEq)]
pub struct GatherRecord {
    pub info: GatherInfo,
    pub request_sha256: [u8; 32],
}

impl AspectRecord {
    pub fn is_restrained(&self, kind: RestraintKind) -> bool {
        self.restraint.as_ref().is_some_and(|restraint| restraint.kind == kind)
    }

    /// Connected, and not to be shown as if it were not.
    pub fn is_up(&self) -> bool {
        self.link.is_some() && !self.is_restrained(RestraintKind::Paused)
    }
}
