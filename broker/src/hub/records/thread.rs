//! A thread as the hub keeps it, and as it is shown.

use std::sync::Arc;

use nexus_wire::chat::ThreadInfo;
use nexus_wire::limits::PARTICIPANTS_SHOWN_MAX;
use nexus_wire::{Ms, Party, ThreadId};

/// A thread with what routing and the loop guard need to know of it. A copy is made for every message, which shares
/// what seldom changes.
#[derive(Clone, Debug, PartialEq)]
pub struct ThreadRecord {
    pub id: ThreadId,
    pub title: Arc<str>,
    pub participants: Arc<[Party]>,
    pub created_at: Ms,
    pub last_at: Ms,
    pub messages: u64,
    pub last_seq: u64,
    pub paused: bool,
    /// Aspect messages since an operator last spoke.
    pub agent_run: u32,
    /// SHA-256 of the last message's content, and how many in a row were the same.
    pub last_content: [u8; 32],
    pub same_run: u32,
}

impl ThreadRecord {
    /// One in which nothing has been said yet.
    pub fn opened(id: ThreadId, title: String, at: Ms) -> Self {
        Self {
            id,
            title: title.into(),
            participants: Arc::default(),
            created_at: at,
            last_at: at,
            messages: 0,
            last_seq: 0,
            paused: false,
            agent_run: 0,
            last_content: [0; 32],
            same_run: 0,
        }
    }

    /// What is shown of it; how much of it is unread is for whoever knows the reader to add.
    pub fn info(&self) -> ThreadInfo {
        ThreadInfo {
            id: self.id,
            title: self.title.to_string(),
            created_at: self.created_at,
            last_at: self.last_at,
            messages: self.messages,
            last_seq: self.last_seq,
            participants: self.participants.to_vec(),
            participants_left_out: 0,
            paused: self.paused,
            unread: 0,
        }
    }
}

/// A thread as it is shown: of many participants only some.
pub fn shown(mut thread: ThreadInfo) -> ThreadInfo {
    let more = thread.participants.len().saturating_sub(PARTICIPANTS_SHOWN_MAX);
    thread.participants.truncate(PARTICIPANTS_SHOWN_MAX);
    thread.participants_left_out = more as u64;
    thread
}
