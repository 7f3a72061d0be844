//! What streams while it happens, from one link to those who watch. In memory only; whoever has no room loses
//! frames, and the numbers of what arrives show it. Nothing here waits. What one read brought is encoded once and
//! given to each who watches in one piece.

#[cfg(test)]
mod fuzz;
pub(crate) mod presence;
mod splice;

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use nexus_wire::limits::SLOTS_MAX;
use nexus_wire::observe::{ObserveBegin, Observed, ObservedWhat};
use nexus_wire::{AspectName, DispatchId, FromBroker, LinkId, ThreadId, TurnId, envelope};

use crate::admit::Streamed;
use crate::deliver::Peer;
use crate::framing::{Block, put_text};

/// Encoded frames held for one release, about.
const BLOCK_BYTES: usize = 32 * 1024;
/// Turns one link may have open: one for each slot, and its sessions' own.
const TURNS_MAX: usize = 2 * SLOTS_MAX as usize;

#[derive(Clone, Debug)]
struct Watcher {
    peer: Arc<Peer>,
    thread: Option<ThreadId>,
}

/// Who watches. The list is replaced as a whole, so that a stream reads it without a lock.
#[derive(Debug, Default)]
pub(crate) struct Relay {
    watchers: RwLock<Arc<[Watcher]>>,
    version: AtomicU64,
    dropped: AtomicU64,
}

impl Relay {
    pub(crate) fn watch(&self, peer: &Arc<Peer>, thread: Option<ThreadId>) {
        self.change(peer.link, Some(Watcher { peer: Arc::clone(peer), thread }));
    }

    pub(crate) fn unwatch(&self, link: LinkId) {
        self.change(link, None);
    }

    fn change(&self, link: LinkId, watcher: Option<Watcher>) {
        let mut watchers = self.watchers.write().unwrap_or_else(PoisonError::into_inner);
        let others = watchers.iter().filter(|it| it.peer.link != link).cloned();
        *watchers = others.chain(watcher).collect();
        self.version.fetch_add(1, Ordering::Release);
    }

    /// Frames that found no room, since the start.
    pub(crate) fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }
}

/// Where a turn belongs, and the beginning of each frame about it.
#[derive(Debug)]
struct Turn {
    thread: Option<ThreadId>,
    dispatch: Option<DispatchId>,
    prefix: String,
}

/// One aspect's end of the relay; belongs to its link's task.
#[derive(Debug)]
pub(crate) struct Port {
    relay: Arc<Relay>,
    aspect: AspectName,
    version: u64,
    watchers: Arc<[Watcher]>,
    turns: HashMap<TurnId, Turn>,
    /// Encoded and not released yet; all of it belongs to `block_thread`.
    block: Vec<u8>,
    block_frames: u64,
    block_thread: Option<ThreadId>,
}

impl Port {
    pub(crate) fn new(relay: Arc<Relay>, aspect: AspectName) -> Self {
        let watchers = Arc::clone(&relay.watchers.read().unwrap_or_else(PoisonError::into_inner));
        Self {
            relay,
            aspect,
            version: u64::MAX,
            watchers,
            turns: HashMap::new(),
            block: Vec::new(),
            block_frames: 0,
            block_thread: None,
        }
    }

    /// Turns that have begun and not ended.
    pub(crate) fn open_turns(&self) -> usize {
        self.turns.len()
    }

    /// The short way for the one kind that comes in great numbers: the event is checked and passed on as the
    /// text it came as. `false`: not such a frame, or not quite right; decode it the long way.
    pub(crate) fn pass(&mut self, text: &str) -> bool {
        let Some(event) = splice::event(text) else { return false };
        self.refresh();
        if self.watchers.is_empty() {
            return true;
        }
        self.begin_frame(self.turns.get(&event.turn).and_then(|turn| turn.thread));
        match self.turns.get(&event.turn) {
            Some(turn) => splice::observe(&turn.prefix, &event, &mut self.block),
            None => {
                let prefix = splice::prefix(&self.aspect, event.turn, None, None);
                splice::observe(&prefix, &event, &mut self.block);
            }
        }
        self.block_frames += 1;
        true
    }

    /// Gives what has been streamed to those who watch. To be called when nothing more comes for now.
    pub(crate) fn release(&mut self) {
        if self.block_frames == 0 {
            return;
        }
        let size = self.block.len();
        let block = Block::new(std::mem::take(&mut self.block), std::mem::take(&mut self.block_frames));
        let thread = self.block_thread;
        for watcher in self.watchers.iter().filter(|it| it.thread.is_none() || it.thread == thread) {
            if !watcher.peer.outbox.stream(block.clone()) {
                self.relay.dropped.fetch_add(block.count(), Ordering::Relaxed);
            }
        }
        if size >= BLOCK_BYTES {
            // There is more where this came from.
            self.block.reserve(size);
        }
    }

    /// Makes room for a frame that belongs to `thread`.
    fn begin_frame(&mut self, thread: Option<ThreadId>) {
        if thread != self.block_thread || self.block.len() >= BLOCK_BYTES {
            self.release();
            self.block_thread = thread;
        }
    }

    pub(crate) fn stream(&mut self, streamed: Streamed) {
        self.refresh();
        let (turn, what) = match streamed {
            Streamed::Begin(begin) => {
                self.begin(&begin);
                (begin.turn, ObservedWhat::Begin(begin))
            }
            Streamed::Event(event) => (event.turn, ObservedWhat::Event(event)),
            Streamed::End(end) => (end.turn, ObservedWhat::End(end)),
            Streamed::Progress(progress) => {
                let dispatch = progress.lease.dispatch;
                let turn = self.turns.iter().find(|(_, turn)| turn.dispatch == Some(dispatch));
                // A note may come before or without a turn; the dispatch names it then.
                let turn = turn.map_or(TurnId(dispatch.0), |(id, _)| *id);
                let thread = self.turns.get(&turn).and_then(|turn| turn.thread);
                let what = ObservedWhat::Progress { note: progress.note };
                return self.emit_observed(turn, thread, Some(dispatch), what);
            }
        };
        let place = self.turns.get(&turn).map(|turn| (turn.thread, turn.dispatch));
        let (thread, dispatch) = place.unwrap_or_default();
        if matches!(what, ObservedWhat::End(_)) {
            self.turns.remove(&turn);
        }
        self.emit_observed(turn, thread, dispatch, what);
    }

    fn begin(&mut self, begin: &ObserveBegin) {
        // Beyond the bound events still pass; they only do not say where they belong.
        if self.turns.len() >= TURNS_MAX && !self.turns.contains_key(&begin.turn) {
            return;
        }
        let prefix = splice::prefix(&self.aspect, begin.turn, begin.thread, begin.dispatch);
        self.turns.insert(begin.turn, Turn { thread: begin.thread, dispatch: begin.dispatch, prefix });
    }

    fn refresh(&mut self) {
        let version = self.relay.version.load(Ordering::Acquire);
        if version != self.version {
            // It was streamed when the others watched.
            self.release();
            self.watchers = Arc::clone(&self.relay.watchers.read().unwrap_or_else(PoisonError::into_inner));
            self.version = version;
        }
    }

    fn emit_observed(
        &mut self,
        turn: TurnId,
        thread: Option<ThreadId>,
        dispatch: Option<DispatchId>,
        what: ObservedWhat,
    ) {
        if self.watchers.is_empty() {
            return;
        }
        let observed = Observed { aspect: self.aspect.clone(), turn, thread, dispatch, what };
        self.begin_frame(thread);
        put_text(&mut self.block, [&envelope::push(&FromBroker::Observe(observed))]);
        self.block_frames += 1;
    }
}

#[cfg(test)]
mod tests;
