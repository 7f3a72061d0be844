//! How far one link has got in its inbox. No sockets, no store, no clock.
//!
//! Items come from two sides: pushed live, and fetched from the inbox when the link fell behind. After any
//! mutator, drain [`Pump::next`] into the socket's queue until `None`, then ask [`Pump::want`] whether a page
//! has to be fetched; at most one is under way.

use std::collections::VecDeque;
use std::sync::Arc;

use nexus_wire::limits::CREDIT_ITEMS;

/// Text held for want of credit; a link that is further behind fetches it again later.
const HELD_BYTES_MAX: usize = 1024 * 1024;
/// Items of a page.
const PAGE: u32 = CREDIT_ITEMS as u32;
/// Below this the next page is fetched, so that one is at hand when acknowledgements come.
const HELD_LOW: usize = CREDIT_ITEMS as usize / 2;
/// The page of a link that reads ahead: more than is sent at once, as each page is a way to another thread and back.
const PAGE_AHEAD: u32 = 4 * CREDIT_ITEMS as u32;
/// The same for such a link: the next page is read while the one before is sent.
const HELD_LOW_AHEAD: usize = PAGE_AHEAD as usize;

#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Step {
    Deliver {
        offset: u64,
        item: Arc<str>,
    },
    /// These offsets are not there any more.
    Gap {
        from: u64,
        to: u64,
    },
}

/// An acknowledgement of what was never sent.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct AckBeyondSent {
    pub(crate) sent: u64,
}

/// A page: the items after an offset.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Wanted {
    pub(crate) after: u64,
    /// Items at most.
    pub(crate) limit: u32,
    /// They are all that is left.
    pub(crate) is_last: bool,
}

#[derive(Debug)]
pub(crate) struct Pump {
    acked: u64,
    sent: u64,
    /// The last offset that was sent, is held, or was announced as a gap.
    reached: u64,
    /// The last offset there is.
    tail: u64,
    held: VecDeque<Step>,
    held_bytes: usize,
    is_ahead: bool,
    /// The tail when the page under way was asked for: all up to it was on disk then.
    fetching: Option<u64>,
    /// Gaps sent and not acknowledged; they cost no credit.
    gaps: VecDeque<(u64, u64)>,
}

impl Pump {
    pub(crate) fn new(cursor: u64, tail: u64) -> Self {
        Self {
            acked: cursor,
            sent: cursor,
            reached: cursor,
            tail: tail.max(cursor),
            held: VecDeque::new(),
            held_bytes: 0,
            is_ahead: false,
            fetching: None,
            gaps: VecDeque::new(),
        }
    }

    /// A new item. Dropped when it does not continue what is here: then it is fetched in its turn.
    pub(crate) fn push(&mut self, offset: u64, item: Arc<str>) {
        self.tail = self.tail.max(offset);
        let continues = offset == self.reached + 1 && self.fetching.is_none();
        if continues && self.held.len() < CREDIT_ITEMS as usize && self.held_bytes < HELD_BYTES_MAX {
            self.hold(offset, item);
        }
    }

    /// `true`: the cursor moved.
    pub(crate) fn ack(&mut self, offset: u64) -> Result<bool, AckBeyondSent> {
        if offset > self.sent {
            return Err(AckBeyondSent { sent: self.sent });
        }
        if offset <= self.acked {
            return Ok(false);
        }
        self.acked = offset;
        while self.gaps.front().is_some_and(|gap| gap.1 <= offset) {
            self.gaps.pop_front();
        }
        Ok(true)
    }

    /// What to send next; `None` until there is something and credit for it.
    pub(crate) fn next(&mut self) -> Option<Step> {
        match self.held.front()? {
            Step::Deliver { .. } if self.in_flight() >= CREDIT_ITEMS => return None,
            Step::Deliver { .. } | Step::Gap { .. } => {}
        }
        let step = self.held.pop_front()?;
        match &step {
            Step::Deliver { offset, item } => {
                self.held_bytes -= item.len();
                self.sent = *offset;
            }
            Step::Gap { from, to } => {
                self.gaps.push_back((*from, *to));
                self.sent = *to;
            }
        }
        Some(step)
    }

    pub(crate) fn is_behind(&self) -> bool {
        let low = if self.is_ahead { HELD_LOW_AHEAD } else { HELD_LOW };
        let is_low = self.held.len() < low && self.held_bytes < HELD_BYTES_MAX / 2;
        is_low && self.reached < self.tail && self.fetching.is_none()
    }

    /// Whether a page is needed. Counts as under way from here until [`Self::fetched`] or [`Self::fetch_failed`].
    pub(crate) fn want(&mut self) -> Option<Wanted> {
        if !self.is_behind() {
            return None;
        }
        self.fetching = Some(self.tail);
        let page = if self.is_ahead { PAGE_AHEAD } else { PAGE };
        let left = self.tail - self.reached;
        let limit = u32::try_from(left).map_or(page, |left| left.min(page));
        Some(Wanted { after: self.reached, limit, is_last: u64::from(limit) == left })
    }

    /// Whether more is held than is needed for the next acknowledgement. That keeps a long inbox flowing, and takes memory
    /// for as long as the other side does not read.
    pub(crate) fn read_ahead(&mut self, is_ahead: bool) {
        self.is_ahead = is_ahead;
    }

    /// The page that was wanted. Only an empty one says that there is no more.
    pub(crate) fn fetched(&mut self, items: impl IntoIterator<Item = (u64, Arc<str>)>) {
        let Some(tail) = self.fetching.take() else { return };
        let mut empty = true;
        for (offset, item) in items {
            empty = false;
            if offset > self.reached {
                self.skip_to(offset - 1);
                self.hold(offset, item);
            }
        }
        if empty {
            self.skip_to(tail);
        }
    }

    /// The page could not be read; [`Self::want`] asks again.
    pub(crate) fn fetch_failed(&mut self) {
        self.fetching = None;
    }

    pub(crate) fn acked(&self) -> u64 {
        self.acked
    }

    /// Items not acknowledged, sent or not.
    pub(crate) fn backlog(&self) -> u64 {
        self.tail - self.acked
    }

    /// Items sent and not acknowledged.
    pub(crate) fn in_flight(&self) -> u64 {
        let skipped: u64 = self.gaps.iter().map(|(from, to)| to - (*from).max(self.acked + 1) + 1).sum();
        self.sent - self.acked - skipped
    }

    fn hold(&mut self, offset: u64, item: Arc<str>) {
        self.reached = offset;
        self.tail = self.tail.max(offset);
        self.held_bytes += item.len();
        self.held.push_back(Step::Deliver { offset, item });
    }

    fn skip_to(&mut self, to: u64) {
        if to > self.reached {
            self.held.push_back(Step::Gap { from: self.reached + 1, to });
            self.reached = to;
        }
    }
}

#[cfg(test)]
mod tests;
