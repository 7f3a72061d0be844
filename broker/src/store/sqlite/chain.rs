//! The log's hash chain: each row's hash is SHA-256 over the hash before and the row in a fixed form.

use sha2::{Digest, Sha256};

use super::entries::MESSAGE;
use super::messages::Kept;

/// The hash of the entry that a message is, behind one with the hash `before`.
pub(super) fn hash_of_message(kept: &Kept<'_>, before: &[u8; 32]) -> [u8; 32] {
    Link::of_message(kept, &Sha256::digest(kept.content).into()).hash(before)
}

/// What is hashed of a row. `thread` is the thread's id, or empty.
#[derive(Debug)]
pub(super) struct Link<'a> {
    pub(super) seq: u64,
    pub(super) at: i64,
    pub(super) kind: &'a str,
    pub(super) actor: &'a str,
    pub(super) thread: &'a [u8],
    pub(super) subject: &'a [u8],
    pub(super) detail: &'a str,
    pub(super) content_sha256: &'a [u8],
}

impl<'a> Link<'a> {
    /// Of a message, which is its own entry.
    pub(super) fn of_message(kept: &'a Kept<'_>, content_sha256: &'a [u8; 32]) -> Self {
        Self {
            seq: kept.seq,
            at: kept.at,
            kind: MESSAGE,
            actor: kept.sender,
            thread: kept.thread.as_bytes(),
            subject: kept.id.as_bytes(),
            detail: "",
            content_sha256,
        }
    }

    /// Integers as 8 bytes, big-endian; everything else after its length, as 4 bytes.
    pub(super) fn hash(&self, before: &[u8; 32]) -> [u8; 32] {
        let mut hash = Sha256::new();
        hash.update(before);
        hash.update(self.seq.to_be_bytes());
        hash.update(self.at.to_be_bytes());
        let fields = [
            self.kind.as_bytes(),
            self.actor.as_bytes(),
            self.thread,
            self.subject,
            self.detail.as_bytes(),
            self.content_sha256,
        ];
        for field in fields {
            hash.update((field.len() as u32).to_be_bytes());
            hash.update(field);
        }
        hash.finalize().into()
    }
}
