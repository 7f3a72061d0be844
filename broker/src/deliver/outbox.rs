//! What waits to be written to one link. Anybody puts things in without waiting; the link's own task takes
//! them out. Bounded for every kind of content:
//!
//! - replies by the requests a link may have open: while as many are owed, its frames are not read;
//! - items by credit, and by the room left; a link that falls behind is fed from its inbox later;
//! - log entries by the room left, likewise;
//! - what streams by the room left: who has none catches up from what the relay keeps, or is told of a gap;
//! - what else is pushed is dropped when there is no room;
//! - roster changes, and who does something else, are kept as names, each once.

mod out;
mod streams;

use std::collections::{BTreeSet, VecDeque};
use std::mem;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use futures_util::task::AtomicWaker;
use nexus_wire::inbox::Gap;
use nexus_wire::limits::{CREDIT_ITEMS, OUTBOX_FRAMES_MAX};
use nexus_wire::log::LogEntry;
use nexus_wire::{AspectName, ErrorBody, FromBroker, RequestId};
use tokio::sync::OwnedSemaphorePermit;

use super::LogLine;
use super::follow::{self, Follow};
use super::pump::{AckBeyondSent, Pump, Step, Wanted};
use crate::framing::Block;
use crate::hub::filter::LogFilter;
use crate::hub::records::Stretch;
use out::Held;
pub(crate) use out::{Out, Reply};
pub(crate) use streams::Caught;
use streams::Lags;

/// Requests of one link that may wait for their replies.
pub(crate) const OWED_MAX: usize = OUTBOX_FRAMES_MAX / 2;
/// Frames of other kinds that may wait while the socket is slow.
const PUSHES_MAX: usize = OUTBOX_FRAMES_MAX;
/// Text that may wait. One frame more than this is possible for each kind of content.
const BYTES_MAX: usize = 2 * 1024 * 1024;
/// Queues longer than this are given back when they run empty.
const KEEP_CAPACITY: usize = 64;

const _: () = assert!(CREDIT_ITEMS as usize <= PUSHES_MAX);

pub(crate) type Answer = Result<FromBroker, ErrorBody>;

#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Close {
    pub(crate) code: u16,
    pub(crate) reason: String,
}

/// What the writer has to do next.
#[derive(Debug)]
pub(crate) enum Work {
    /// The frames are in the queue that was passed in.
    Frames,
    Roster(BTreeSet<AspectName>),
    /// What they are doing.
    Active(BTreeSet<AspectName>),
    Close(Close),
}

/// A page the link needs.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Page {
    Inbox {
        aspect: AspectName,
        wanted: Wanted,
    },
    Log {
        filter: LogFilter,
        after: u64,
        limit: u32,
    },
    /// Of what an aspect streams.
    Observe {
        aspect: AspectName,
        after: u64,
    },
}

/// What an aspect's link is, once registered.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Seat {
    pub(crate) aspect: AspectName,
    pub(crate) generation: u64,
}

/// The link went before it could be told.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Gone;

/// Which parts of a link's task have something to do. Whoever makes many changes wakes once, after the last.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[must_use = "nobody else wakes them"]
pub(crate) struct Wake {
    writer: bool,
    fetcher: bool,
}

impl Wake {
    pub(crate) fn is_any(self) -> bool {
        self.writer || self.fetcher
    }
}

#[derive(Debug, Default)]
pub(crate) struct Outbox {
    // A leaf: held for a few instructions, never across anything that waits.
    inner: Mutex<Inner>,
    writer: AtomicWaker,
    reader: AtomicWaker,
    fetcher: AtomicWaker,
    closer: AtomicWaker,
}

#[derive(Debug, Default)]
struct Inner {
    queue: VecDeque<Out>,
    bytes: usize,
    /// Taken by the writer and perhaps not written yet.
    in_hand: usize,
    in_hand_bytes: usize,
    in_hand_answers: usize,
    /// Replies in the queue.
    answers: usize,
    /// Requests whose replies are not written yet.
    owed: usize,
    seat: Option<Seat>,
    inbox: Option<(AspectName, Pump)>,
    log: Option<Follow>,
    streams: Lags,
    roster: BTreeSet<AspectName>,
    active: BTreeSet<AspectName>,
    /// The answer to the peer's last ping: of several only that one counts.
    pong: Option<Box<[u8]>>,
    close: Option<Close>,
    closing: bool,
    /// Closes once nothing is owed any more.
    is_patient: bool,
    gone: bool,
}

impl Inner {
    fn has_room(&self) -> bool {
        // Replies have a bound of their own. A link that is being closed gets nothing else any more.
        let pushes = self.queue.len() - self.answers + self.in_hand - self.in_hand_answers;
        !self.closing && pushes < PUSHES_MAX && self.bytes + self.in_hand_bytes < BYTES_MAX
    }

    fn has_request_room(&self) -> bool {
        self.owed < OWED_MAX && self.bytes + self.in_hand_bytes < 2 * BYTES_MAX
    }

    fn put(&mut self, out: Out) {
        self.bytes += out.bytes();
        self.answers += usize::from(matches!(out, Out::Answer { .. }));
        self.queue.push_back(out);
    }

    fn wants_page(&self) -> bool {
        self.inbox.as_ref().is_some_and(|it| it.1.is_behind())
            || self.log.as_ref().is_some_and(Follow::is_behind)
            || self.streams.is_behind()
    }

    /// Moves what credit and room allow from the pump to the queue.
    fn fill(&mut self) {
        while self.has_room() {
            let Some((_, pump)) = &mut self.inbox else { return };
            match pump.next() {
                Some(Step::Deliver { offset, item }) => self.put(Out::Deliver { offset, item }),
                Some(Step::Gap { from, to }) => {
                    let reason = "older than what is kept".to_owned();
                    self.put(Out::Gap(Gap { from, to, reason }));
                }
                None => return,
            }
        }
    }

    /// There is a close that waits for what is owed.
    fn is_waiting(&self) -> bool {
        self.is_patient && self.owed > 0
    }

    fn is_idle(&self) -> bool {
        self.queue.is_empty()
            && self.roster.is_empty()
            && self.active.is_empty()
            && self.pong.is_none()
            && (self.close.is_none() || self.is_waiting())
    }
}

impl Outbox {
    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Does `change` and wakes whoever has something to do afterwards.
    fn change<T>(&self, change: impl FnOnce(&mut Inner) -> T) -> T {
        let (result, wake) = self.change_quietly(change);
        self.wake(wake);
        result
    }

    /// Does `change` and says who has something to do afterwards.
    fn change_quietly<T>(&self, change: impl FnOnce(&mut Inner) -> T) -> (T, Wake) {
        let mut inner = self.inner();
        if inner.gone {
            return (change(&mut Inner { gone: true, ..Inner::default() }), Wake::default());
        }
        let idle = inner.is_idle();
        let result = change(&mut inner);
        let wake = Wake { writer: idle && !inner.is_idle(), fetcher: inner.wants_page() };
        (result, wake)
    }

    pub(crate) fn wake(&self, wake: Wake) {
        if wake.writer {
            self.writer.wake();
        }
        if wake.fetcher {
            self.fetcher.wake();
        }
    }

    pub(crate) fn answer(&self, request: RequestId, answer: Answer) {
        let wake = self.answer_quietly(request, answer);
        self.wake(wake);
    }

    pub(crate) fn answer_quietly(&self, request: RequestId, answer: Answer) -> Wake {
        self.change_quietly(|inner| inner.put(Out::Answer { request, reply: answer.into() })).1
    }

    /// As [`Self::answer`], for what was read: `place` is given back once it is written.
    pub(crate) fn show(&self, request: RequestId, answer: Answer, place: OwnedSemaphorePermit) {
        let reply = Reply::Read(Box::new(Held { answer, _place: place }));
        self.change(|inner| inner.put(Out::Answer { request, reply }));
    }

    pub(crate) fn complain(&self, body: ErrorBody) {
        self.change(|inner| inner.put(Out::Complaint(body)));
    }

    pub(crate) fn ping(&self) {
        self.change(|inner| inner.put(Out::Ping));
    }

    pub(crate) fn pong(&self, payload: &[u8]) {
        self.change(|inner| inner.pong = Some(payload.into()));
    }

    /// Of what waits to be written.
    #[cfg(test)]
    pub(crate) fn bytes(&self) -> usize {
        let inner = self.inner();
        inner.bytes + inner.in_hand_bytes
    }

    /// The link speaks for an aspect from here on.
    pub(crate) fn seat(&self, seat: Seat) -> Result<(), Gone> {
        let mut inner = self.inner();
        if inner.gone {
            return Err(Gone);
        }
        inner.seat = Some(seat);
        Ok(())
    }

    /// Of the aspect it speaks for.
    pub(crate) fn generation(&self) -> Option<u64> {
        self.inner().seat.as_ref().map(|seat| seat.generation)
    }

    pub(crate) fn attach(&self, aspect: AspectName, cursor: u64, tail: u64) {
        self.change(|inner| inner.inbox = Some((aspect, Pump::new(cursor, tail))));
    }

    #[cfg(test)]
    pub(crate) fn push(&self, offset: u64, item: Arc<str>) {
        let wake = self.push_quietly(offset, item);
        self.wake(wake);
    }

    pub(crate) fn push_quietly(&self, offset: u64, item: Arc<str>) -> Wake {
        let push = |inner: &mut Inner| {
            let Some((_, pump)) = &mut inner.inbox else { return };
            pump.push(offset, item);
            inner.fill();
        };
        self.change_quietly(push).1
    }

    /// `true`: the cursor moved.
    pub(crate) fn ack(&self, offset: u64) -> Result<bool, AckBeyondSent> {
        self.change(|inner| {
            let Some((_, pump)) = &mut inner.inbox else { return Err(AckBeyondSent { sent: 0 }) };
            let moved = pump.ack(offset)?;
            inner.fill();
            Ok(moved)
        })
    }

    /// Follows the log from here; the answer goes first, then what is known to be missing.
    pub(crate) fn follow(
        &self,
        request: Option<RequestId>,
        answer: Answer,
        gap: Option<Gap>,
        follow: Follow,
    ) {
        self.change(|inner| {
            if let Some(request) = request {
                inner.put(Out::Answer { request, reply: answer.into() });
            }
            if let Some(gap) = gap {
                inner.put(Out::Gap(gap));
            }
            inner.log = Some(follow);
        });
    }

    /// Nothing of what was followed comes after this.
    pub(crate) fn unfollow(&self) {
        self.change(|inner| {
            inner.log = None;
            inner.roster.clear();
            inner.active.clear();
        });
    }

    #[cfg(test)]
    pub(crate) fn logged(&self, line: &Arc<LogLine>) {
        let wake = self.logged_quietly(line);
        self.wake(wake);
    }

    pub(crate) fn logged_quietly(&self, line: &Arc<LogLine>) -> Wake {
        let put = |inner: &mut Inner| {
            let room = inner.has_room();
            let Some(log) = &mut inner.log else { return };
            if log.live(line.entry(), room) {
                inner.put(Out::Log(Arc::clone(line)));
            }
        };
        self.change_quietly(put).1
    }

    /// `false`: dropped for want of room.
    pub(crate) fn stream(&self, block: Block) -> bool {
        self.change(|inner| {
            let room = inner.has_room();
            if room {
                inner.put(Out::Stream(block));
            }
            room
        })
    }

    pub(crate) fn activity_changed(&self, aspect: AspectName) {
        self.change(|inner| inner.active.insert(aspect));
    }

    pub(crate) fn roster_changed(&self, aspect: AspectName) {
        self.change(|inner| inner.roster.insert(aspect));
    }

    /// What is queued is written first; of several reasons the first counts.
    pub(crate) fn close(&self, code: u16, reason: impl Into<String>) {
        self.change(|inner| {
            if !inner.closing {
                inner.closing = true;
                inner.close = Some(Close { code, reason: reason.into() });
            }
        });
        self.closer.wake();
    }

    /// As [`Self::close`], but what is owed is answered first, and `last` is said before anything else of it.
    pub(crate) fn farewell(&self, last: Arc<str>, code: u16, reason: &str) {
        self.change(|inner| {
            if !inner.closing {
                inner.put(Out::Shutdown(last));
                inner.closing = true;
                inner.is_patient = true;
                inner.close = Some(Close { code, reason: reason.to_owned() });
            }
        });
        self.closer.wake();
    }

    /// Waits until the link has been told to close.
    pub(crate) fn poll_closing(&self, cx: &Context<'_>) -> Poll<()> {
        self.closer.register(cx.waker());
        if self.inner().closing { Poll::Ready(()) } else { Poll::Pending }
    }

    /// The link's task ends. Nothing is taken any more; the seat it had is handed over to be vacated.
    pub(crate) fn leave(&self) -> Option<Seat> {
        let mut inner = self.inner();
        let seat = inner.seat.take();
        *inner = Inner { gone: true, ..Inner::default() };
        seat
    }

    /// Waits until another request may be read.
    pub(crate) fn poll_request_room(&self, cx: &Context<'_>) -> Poll<()> {
        if self.inner().has_request_room() {
            return Poll::Ready(());
        }
        self.reader.register(cx.waker());
        if self.inner().has_request_room() { Poll::Ready(()) } else { Poll::Pending }
    }

    /// A request with an id was read: a reply is owed until it has been written. `false`: no other may be read
    /// before that.
    pub(crate) fn owe(&self) -> bool {
        let mut inner = self.inner();
        inner.owed += 1;
        inner.has_request_room()
    }

    /// Says that everything taken last time is written, and takes what there is now. `frames` is empty.
    pub(crate) fn poll_take(&self, cx: &Context<'_>, frames: &mut VecDeque<Out>) -> Poll<Work> {
        if let Some(work) = self.take(frames) {
            return Poll::Ready(work);
        }
        self.writer.register(cx.waker());
        if let Some(work) = self.take(frames) {
            return Poll::Ready(work);
        }
        if frames.capacity() > KEEP_CAPACITY {
            *frames = VecDeque::new();
        }
        Poll::Pending
    }

    fn take(&self, frames: &mut VecDeque<Out>) -> Option<Work> {
        let mut inner = self.inner();
        let waited = inner.in_hand > 0;
        let answered = mem::take(&mut inner.in_hand_answers);
        inner.owed = inner.owed.saturating_sub(answered);
        (inner.in_hand, inner.in_hand_bytes) = (0, 0);
        inner.fill();
        if let Some(pong) = inner.pong.take() {
            inner.queue.push_front(Out::Pong(pong));
        }
        let work = if !inner.queue.is_empty() {
            mem::swap(&mut inner.queue, frames);
            inner.in_hand = frames.len();
            inner.in_hand_bytes = mem::take(&mut inner.bytes);
            inner.in_hand_answers = mem::take(&mut inner.answers);
            Some(Work::Frames)
        } else if !inner.roster.is_empty() {
            Some(Work::Roster(mem::take(&mut inner.roster)))
        } else if !inner.active.is_empty() {
            Some(Work::Active(mem::take(&mut inner.active)))
        } else {
            if inner.queue.capacity() > KEEP_CAPACITY {
                inner.queue = VecDeque::new();
            }
            if inner.is_waiting() { None } else { inner.close.take().map(Work::Close) }
        };
        let wants_page = inner.wants_page();
        drop(inner);
        if waited {
            self.reader.wake();
        }
        if waited && wants_page {
            self.fetcher.wake();
        }
        work
    }

    /// Waits until the link needs a page and there is room for it.
    pub(crate) fn poll_page(&self, cx: &Context<'_>) -> Poll<Page> {
        if let Some(page) = self.want() {
            return Poll::Ready(page);
        }
        self.fetcher.register(cx.waker());
        self.want().map_or(Poll::Pending, Poll::Ready)
    }

    fn want(&self) -> Option<Page> {
        let mut inner = self.inner();
        if let Some((aspect, pump)) = &mut inner.inbox
            && let Some(wanted) = pump.want()
        {
            return Some(Page::Inbox { aspect: aspect.clone(), wanted });
        }
        let room = inner.queue.len() < PUSHES_MAX / 2 && inner.bytes + inner.in_hand_bytes < BYTES_MAX / 2;
        if !room {
            return None;
        }
        if let Some(log) = &mut inner.log
            && let Some(after) = log.want()
        {
            return Some(Page::Log { filter: log.filter().clone(), after, limit: follow::PAGE });
        }
        let (aspect, after) = inner.streams.want()?;
        Some(Page::Observe { aspect, after })
    }

    /// `is_ahead`: the link may hold more than the next acknowledgement needs.
    pub(crate) fn inbox_page(
        &self,
        items: Option<impl IntoIterator<Item = (u64, Arc<str>)>>,
        is_ahead: bool,
    ) {
        self.change(|inner| {
            let Some((_, pump)) = &mut inner.inbox else { return };
            pump.read_ahead(is_ahead);
            match items {
                Some(items) => pump.fetched(items),
                None => pump.fetch_failed(),
            }
            inner.fill();
        });
    }

    /// Entries, and the newest that is not kept any more.
    pub(crate) fn log_page(&self, page: Option<(Stretch<LogEntry>, u64)>) {
        self.change(|inner| {
            let Some(log) = &mut inner.log else { return };
            let Some((Stretch { found, next }, pruned)) = page else { return log.fetch_failed() };
            if let Some((from, to)) = log.missed(pruned) {
                let reason = "older than what is kept".to_owned();
                inner.put(Out::Gap(Gap { from, to, reason }));
            }
            let Some(log) = &mut inner.log else { return };
            let seqs: Vec<u64> = found.iter().map(|entry| entry.seq).collect();
            let fresh = log.fetched(&seqs, next);
            for (entry, fresh) in found.into_iter().zip(fresh) {
                if fresh {
                    inner.put(Out::Log(Arc::new(LogLine::new(entry))));
                }
            }
        });
    }

    /// Cursor, and how many items were sent and not acknowledged; for telling who has gone deaf.
    pub(crate) fn standing(&self) -> Option<Standing> {
        let inner = self.inner();
        let (_, pump) = inner.inbox.as_ref()?;
        Some(Standing { acked: pump.acked(), in_flight: pump.in_flight(), backlog: pump.backlog() })
    }
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Standing {
    pub(crate) acked: u64,
    pub(crate) in_flight: u64,
    pub(crate) backlog: u64,
}

#[cfg(test)]
mod tests;
