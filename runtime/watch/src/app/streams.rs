//! What each aspect streams: its latest turns, and the gaps between what was seen.

use std::collections::{BTreeMap, VecDeque};

use nexus_wire::observe::{ObserveGap, Observed, ObservedWhat};
use nexus_wire::{AspectName, Ms, TurnId};

use super::line::clipped;
use super::listing::Scroll;
use super::turn::Turn;

/// Streams that are held, those that moved last.
pub(super) const STREAMS_MAX: usize = 64;
const ENTRIES_MAX: usize = 24;
/// All turns of one aspect.
pub(super) const STREAM_BYTES_MAX: usize = 256 * 1024;

#[derive(Clone, Debug)]
pub enum Entry {
    Turn(Turn),
    /// Something is missing here; why.
    Gap {
        at: Ms,
        why: String,
    },
}

#[derive(Debug, Default)]
pub struct Stream {
    pub entries: VecDeque<Entry>,
    pub scroll: Scroll,
    moved: Ms,
}

#[derive(Debug, Default)]
pub struct Streams(BTreeMap<AspectName, Stream>);

impl Streams {
    pub fn get(&self, name: &AspectName) -> Option<&Stream> {
        self.0.get(name)
    }

    pub(super) fn get_mut(&mut self, name: &AspectName) -> Option<&mut Stream> {
        self.0.get_mut(name)
    }

    pub(super) fn take(&mut self, observed: Observed, now: Ms) {
        let Observed { aspect, turn, thread, dispatch, what, .. } = observed;
        self.stream(&aspect, now).with_turn(turn, now, |turn| {
            turn.thread = thread.or(turn.thread);
            turn.dispatch = dispatch.or(turn.dispatch);
            match what {
                ObservedWhat::Begin(_) => {}
                ObservedWhat::Event(event) => turn.take(event),
                ObservedWhat::End(end) => turn.ended(&end, now),
                ObservedWhat::Progress { note } => turn.note(note),
            }
        });
    }

    pub(super) fn gap(&mut self, gap: &ObserveGap, now: Ms) {
        let count = gap.to.saturating_sub(gap.from).saturating_add(1);
        // When the broker starts its numbers leap, so that their difference says nothing.
        let what = if count > 1_000_000 {
            "what it streamed meanwhile".to_owned()
        } else {
            format!("{count} frames")
        };
        let why = format!("{what} cannot be had: {}", gap.reason);
        self.stream(&gap.aspect, now).push_gap(clipped(why, 256), now);
    }

    /// The connection was lost from `since` until now.
    pub(super) fn outage(&mut self, since: Ms, now: Ms) {
        for stream in self.0.values_mut() {
            let why = format!("no connection for {}", nexus_operator::shown::span(now - since));
            stream.push_gap(why, now);
        }
    }

    fn stream(&mut self, name: &AspectName, now: Ms) -> &mut Stream {
        if !self.0.contains_key(name) && self.0.len() >= STREAMS_MAX {
            let idle = self.0.iter().min_by_key(|(_, stream)| stream.moved).map(|(name, _)| name.clone());
            if let Some(idle) = idle {
                self.0.remove(&idle);
            }
        }
        let stream = self.0.entry(name.clone()).or_default();
        stream.moved = now;
        stream
    }

    pub fn weight(&self) -> usize {
        self.0.values().map(Stream::weight).sum()
    }
}

impl Stream {
    pub fn turns(&self) -> impl DoubleEndedIterator<Item = &Turn> {
        self.entries.iter().filter_map(|entry| match entry {
            Entry::Turn(turn) => Some(turn),
            Entry::Gap { .. } => None,
        })
    }

    /// What `change` does to the turn of that id, which begins now if it is not known.
    fn with_turn(&mut self, id: TurnId, now: Ms, change: impl FnOnce(&mut Turn)) {
        let known = self.entries.iter_mut().rev().find_map(|entry| match entry {
            Entry::Turn(turn) if turn.id == id => Some(turn),
            Entry::Turn(_) | Entry::Gap { .. } => None,
        });
        match known {
            Some(turn) => change(turn),
            None => {
                let mut turn = Turn::new(id, now);
                change(&mut turn);
                self.entries.push_back(Entry::Turn(turn));
            }
        }
        self.shrink();
    }

    fn push_gap(&mut self, why: String, at: Ms) {
        self.entries.push_back(Entry::Gap { at, why });
        self.shrink();
    }

    fn weight(&self) -> usize {
        let weigh = |entry: &Entry| match entry {
            Entry::Turn(turn) => turn.bytes() + 128,
            Entry::Gap { why, .. } => why.len() + 64,
        };
        self.entries.iter().map(weigh).sum()
    }

    fn shrink(&mut self) {
        while self.entries.len() > ENTRIES_MAX || (self.weight() > STREAM_BYTES_MAX && self.entries.len() > 1)
        {
            self.entries.pop_front();
        }
    }
}
