//! What one aspect streams: numbered, the latest of it kept, and given to those who watch.
//!
//! One lock for all of it, taken once for each block: so who begins to watch, or has fallen behind, sees every frame
//! once, be it from what is kept or as it comes.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use nexus_wire::limits::OBSERVE_KEPT;
use nexus_wire::observe::ObserveGap;
use nexus_wire::{AspectName, LinkId, ThreadId};

use crate::deliver::Peer;
use crate::deliver::outbox::Caught;
use crate::framing::Block;

/// What is kept of one aspect, and of all together: beyond that each keeps no more than its last block.
const KEPT_BYTES: usize = 512 * 1024;
const ALL_KEPT_BYTES: usize = 64 * 1024 * 1024;
/// Given at once to somebody who catches up, about.
const PAGE_BYTES: usize = 256 * 1024;

#[derive(Clone, Debug)]
pub(super) struct Watcher {
    pub(super) peer: Arc<Peer>,
    pub(super) thread: Option<ThreadId>,
}

/// What all channels count together.
#[derive(Debug, Default)]
pub(super) struct Tally {
    /// Frames that found no room with somebody and were gone when there was some.
    pub(super) dropped: AtomicU64,
    kept_bytes: AtomicUsize,
}

/// Frames that belong together.
#[derive(Debug)]
pub(super) struct Piece {
    pub(super) first: u64,
    pub(super) thread: Option<ThreadId>,
    pub(super) block: Block,
}

impl Piece {
    fn last(&self) -> u64 {
        self.first + self.block.count().saturating_sub(1)
    }

    fn is_for(&self, thread: Option<ThreadId>) -> bool {
        thread.is_none() || thread == self.thread
    }
}

#[derive(Debug)]
pub(super) struct Channel {
    aspect: AspectName,
    /// Before the first number of this broker's run.
    base: u64,
    inner: Mutex<Inner>,
}

#[derive(Debug)]
struct Inner {
    /// Of the link whose frames count.
    generation: u64,
    /// The number of the newest frame.
    last: u64,
    kept: VecDeque<Piece>,
    frames: u64,
    bytes: usize,
    watchers: Arc<[Watcher]>,
}

impl Channel {
    pub(super) fn new(aspect: AspectName, base: u64, watchers: Arc<[Watcher]>) -> Self {
        let inner = Inner { generation: 0, last: base, kept: VecDeque::new(), frames: 0, bytes: 0, watchers };
        Self { aspect, base, inner: Mutex::new(inner) }
    }

    pub(super) fn aspect(&self) -> &AspectName {
        &self.aspect
    }

    /// The number of the newest frame.
    pub(super) fn last(&self) -> u64 {
        self.inner().last
    }

    /// The link of this generation streams from here on, unless a later one does; gives the next number.
    pub(super) fn claim(&self, generation: u64) -> u64 {
        let mut inner = self.inner();
        inner.generation = inner.generation.max(generation);
        inner.last + 1
    }

    /// Keeps the piece and gives it to those who watch. What a link streams after a later one has begun to counts
    /// no more, because its numbers are the later one's; then this is `false`.
    pub(super) fn publish(&self, generation: u64, piece: Piece, tally: &Tally) -> bool {
        let mut inner = self.inner();
        if inner.generation != generation {
            return false;
        }
        inner.last = piece.last();
        for watcher in inner.watchers.iter().filter(|it| piece.is_for(it.thread)) {
            watcher.peer.outbox.observe(&self.aspect, piece.first, &piece.block);
        }
        inner.keep(piece, tally);
        true
    }

    /// From here on these watch. `begins`: one of them that is new, and after which number for it.
    pub(super) fn watched_by(&self, watchers: &Arc<[Watcher]>, begins: Option<(&Peer, u64)>) {
        let mut inner = self.inner();
        inner.watchers = Arc::clone(watchers);
        let Some((peer, after)) = begins else { return };
        if after > inner.last {
            peer.outbox.observe_gap(other_history(&self.aspect, inner.last, after));
        } else if after < inner.last {
            peer.outbox.fall_behind(&self.aspect, after);
        }
    }

    /// Gives somebody who is behind what comes after `after`.
    pub(super) fn catch_up(&self, link: LinkId, after: u64, tally: &Tally) {
        let inner = self.inner();
        // Whoever watches no more has forgotten that it was behind.
        let Some(watcher) = inner.watchers.iter().find(|it| it.peer.link == link) else { return };
        let first = inner.kept.front().map_or(inner.last + 1, |piece| piece.first);
        let gap = (after > 0 && after + 1 < first).then(|| {
            let missed = first.saturating_sub((after + 1).max(self.base + 1));
            tally.dropped.fetch_add(missed, Ordering::Relaxed);
            let reason = if after < self.base {
                "the broker has started since, and keeps nothing from before".to_owned()
            } else {
                format!("the latest {OBSERVE_KEPT} are kept, or fewer that are large; these came before them")
            };
            ObserveGap { aspect: self.aspect.clone(), from: after + 1, to: first - 1, reason }
        });
        let (mut frames, mut count, mut reached) = (Vec::new(), 0, after.max(first - 1));
        for piece in inner.kept.iter().filter(|piece| piece.last() > after) {
            if frames.len() >= PAGE_BYTES {
                break;
            }
            reached = piece.last();
            if piece.is_for(watcher.thread) {
                let skipped = (after + 1).saturating_sub(piece.first);
                frames.extend_from_slice(piece.block.behind(skipped));
                count += piece.block.count() - skipped;
            }
        }
        let block = (count > 0).then(|| Block::new(frames, count));
        let caught = Caught { gap, block, after: reached, is_all: reached == inner.last };
        watcher.peer.outbox.caught_up(&self.aspect, caught);
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn keep(&mut self, piece: Piece, tally: &Tally) {
        let added = piece.block.frames().len();
        self.frames += piece.block.count();
        self.bytes += added;
        let mut all = tally.kept_bytes.fetch_add(added, Ordering::Relaxed) + added;
        self.kept.push_back(piece);
        while let Some(oldest) = self.kept.front().filter(|_| self.kept.len() > 1) {
            let (count, bytes) = (oldest.block.count(), oldest.block.frames().len());
            let is_spare = self.frames - count >= OBSERVE_KEPT;
            if !is_spare && self.bytes <= KEPT_BYTES && all <= ALL_KEPT_BYTES {
                return;
            }
            self.frames -= count;
            self.bytes -= bytes;
            all = tally.kept_bytes.fetch_sub(bytes, Ordering::Relaxed) - bytes;
            self.kept.pop_front();
        }
    }
}

/// For somebody who has seen more than there is.
pub(super) fn other_history(aspect: &AspectName, last: u64, after: u64) -> ObserveGap {
    let reason = "nothing with these numbers was streamed: they are of another history".to_owned();
    ObserveGap { aspect: aspect.clone(), from: last + 1, to: after, reason }
}
