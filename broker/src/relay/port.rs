//! One aspect's end of the relay; belongs to its link's task. What one read brought is encoded once, numbered, and
//! given on in one piece.

use std::collections::BTreeMap;
use std::sync::Arc;

use nexus_wire::limits::SLOTS_MAX;
use nexus_wire::observe::{Activity, Doing, ObserveBegin, Observed, ObservedWhat, TurnEvent};
use nexus_wire::{AspectName, DispatchId, FromBroker, ThreadId, TurnId, envelope};

use super::channel::{Channel, Piece};
use super::{Relay, splice};
use crate::admit::Streamed;
use crate::framing::{Block, put_text};

/// Encoded frames held for one release, about.
const BLOCK_BYTES: usize = 32 * 1024;
/// Turns one link may have open: one for each slot, and its sessions' own.
const TURNS_MAX: usize = 2 * SLOTS_MAX as usize;

/// Of a tool's name, as far as it is shown in what an aspect does.
const TOOL_BYTES_MAX: usize = 64;

/// Where a turn belongs, and the beginning of each frame about it.
#[derive(Debug)]
struct Turn {
    thread: Option<ThreadId>,
    dispatch: Option<DispatchId>,
    prefix: String,
}

#[derive(Debug)]
pub(crate) struct Port {
    relay: Arc<Relay>,
    channel: Arc<Channel>,
    /// Of the link; the numbers are its own for as long as no later link streams.
    generation: u64,
    /// The number of the next frame.
    next: u64,
    /// Few, so that finding one costs less than hashing its id.
    turns: BTreeMap<TurnId, Turn>,
    /// Encoded and not released yet; all of it belongs to `block_thread`.
    block: Vec<u8>,
    block_frames: u64,
    block_thread: Option<ThreadId>,
    /// What the aspect does, as shown last; and whether that is news.
    doing: Activity,
    is_news: bool,
}

impl Port {
    pub(crate) fn new(relay: Arc<Relay>, aspect: &AspectName, generation: u64) -> Self {
        let channel = relay.channel(aspect);
        let next = channel.claim(generation);
        Self {
            relay,
            channel,
            generation,
            next,
            turns: BTreeMap::new(),
            block: Vec::new(),
            block_frames: 0,
            block_thread: None,
            doing: Activity::default(),
            is_news: false,
        }
    }

    /// Turns that have begun and not ended.
    pub(crate) fn open_turns(&self) -> usize {
        self.turns.len()
    }

    /// What the aspect does, if that has changed since it was asked.
    pub(crate) fn news(&mut self) -> Option<&Activity> {
        std::mem::take(&mut self.is_news).then_some(&self.doing)
    }

    fn does(&mut self, turn: TurnId, doing: Doing, tool: Option<&str>) {
        let same =
            self.doing.turn == Some(turn) && self.doing.doing == doing && self.doing.tool.as_deref() == tool;
        if same {
            return;
        }
        let place = self.turns.get(&turn).map(|turn| (turn.thread, turn.dispatch));
        let (thread, dispatch) = place.unwrap_or_default();
        let (tool, turn) = (tool.map(str::to_owned), Some(turn));
        self.doing = Activity { doing, tool, turn, thread, dispatch, ..Activity::default() };
        self.is_news = true;
    }

    /// The short way for the one kind that comes in great numbers: the event is checked and passed on as the
    /// text it came as. `false`: not such a frame, or not quite right; decode it the long way.
    pub(crate) fn pass(&mut self, text: &str) -> bool {
        let Some(event) = splice::event(text) else { return false };
        self.does(event.turn, event.doing, None);
        self.begin_frame(self.turns.get(&event.turn).and_then(|turn| turn.thread));
        match self.turns.get(&event.turn) {
            Some(turn) => splice::observe(&turn.prefix, &event, self.next, &mut self.block),
            None => {
                let prefix = splice::prefix(self.channel.aspect(), event.turn, None, None);
                splice::observe(&prefix, &event, self.next, &mut self.block);
            }
        }
        self.end_frame();
        true
    }

    /// Gives what has been streamed to those who watch. To be called when nothing more comes for now.
    pub(crate) fn release(&mut self) {
        let count = std::mem::take(&mut self.block_frames);
        if count == 0 {
            return;
        }
        let size = self.block.len();
        let mut frames = std::mem::take(&mut self.block);
        if frames.capacity() > 2 * size {
            // It is kept for a while, and was sized for more.
            frames.shrink_to_fit();
        }
        let (first, thread) = (self.next - count, self.block_thread);
        let block = Block::new(frames, count);
        self.relay.publish(&self.channel, self.generation, Piece { first, thread, block });
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

    fn end_frame(&mut self) {
        self.block_frames += 1;
        self.next += 1;
    }

    pub(crate) fn stream(&mut self, streamed: Streamed) {
        let (turn, what) = match streamed {
            Streamed::Begin(begin) => {
                self.begin(&begin);
                self.does(begin.turn, Doing::Waiting, None);
                (begin.turn, ObservedWhat::Begin(begin))
            }
            Streamed::Event(event) => {
                let (doing, tool) = match &event.event {
                    TurnEvent::Text { .. } => (Doing::Writing, None),
                    TurnEvent::Thinking { .. } => (Doing::Thinking, None),
                    TurnEvent::Restarted { .. } | TurnEvent::ToolResult { .. } => (Doing::Waiting, None),
                    TurnEvent::ToolCall { name, .. } => {
                        (Doing::Tool, Some(&name[..name.floor_char_boundary(TOOL_BYTES_MAX)]))
                    }
                };
                self.does(event.turn, doing, tool);
                (event.turn, ObservedWhat::Event(event))
            }
            Streamed::End(end) => (end.turn, ObservedWhat::End(end)),
            Streamed::Progress(progress) => {
                let dispatch = progress.lease.dispatch;
                let turn = self.turns.iter().find(|(_, turn)| turn.dispatch == Some(dispatch));
                // A note may come before or without a turn; the dispatch names it then.
                let turn = turn.map_or(TurnId(dispatch.0), |(id, _)| *id);
                let thread = self.turns.get(&turn).and_then(|turn| turn.thread);
                let what = ObservedWhat::Progress { note: progress.note };
                return self.emit(turn, thread, Some(dispatch), what);
            }
        };
        let place = self.turns.get(&turn).map(|turn| (turn.thread, turn.dispatch));
        let (thread, dispatch) = place.unwrap_or_default();
        if matches!(what, ObservedWhat::End(_)) {
            self.turns.remove(&turn);
            if self.doing.turn == Some(turn) {
                // Another may go on; it shows with what it does next.
                let doing = if self.turns.is_empty() { Doing::Idle } else { Doing::Waiting };
                self.doing = Activity { doing, ..Activity::default() };
                self.is_news = true;
            }
        }
        self.emit(turn, thread, dispatch, what);
    }

    fn begin(&mut self, begin: &ObserveBegin) {
        // Beyond the bound events still pass; they only do not say where they belong.
        if self.turns.len() >= TURNS_MAX && !self.turns.contains_key(&begin.turn) {
            return;
        }
        let prefix = splice::prefix(self.channel.aspect(), begin.turn, begin.thread, begin.dispatch);
        self.turns.insert(begin.turn, Turn { thread: begin.thread, dispatch: begin.dispatch, prefix });
    }

    fn emit(
        &mut self,
        turn: TurnId,
        thread: Option<ThreadId>,
        dispatch: Option<DispatchId>,
        what: ObservedWhat,
    ) {
        self.begin_frame(thread);
        let (aspect, seq) = (self.channel.aspect().clone(), self.next);
        let observed = Observed { aspect, turn, thread, dispatch, what, seq };
        put_text(&mut self.block, [&envelope::push(&FromBroker::Observe(observed))]);
        self.end_frame();
    }
}
