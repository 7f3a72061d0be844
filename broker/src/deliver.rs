//! Link → bounded outbox: releases what the core decided to whom it concerns, after the commit. Never waits for
//! a socket and never grows with one that does not read.

pub(crate) mod follow;
pub(crate) mod outbox;
pub(crate) mod pump;

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, RwLock};

use foldhash::fast::RandomState;
use nexus_wire::inbox::Gap;
use nexus_wire::limits::{CLOSE_GOING_AWAY, CLOSE_REVOKED, SHUTDOWN_RETRY};
use nexus_wire::log::{LogBody, LogEntry, Shutdown, Subscribe, Subscribed};
use nexus_wire::{AspectName, FromBroker, Json, LinkId, RequestId, envelope};
use serde_json::Value;
use tokio::sync::oneshot;

use crate::framing::{Block, put_text};
use crate::hub::Origin;
use crate::hub::filter::LogFilter;
use crate::identity::Identity;
use crate::relay::presence::Pulse;
use follow::Follow;
use outbox::{Answer, Gone, Outbox, Seat, Wake};

/// One entry of the log on its way to any number of subscribers; made into text once, by whoever is first.
#[derive(Debug)]
pub(crate) struct LogLine {
    entry: LogEntry,
    text: OnceLock<String>,
}

impl LogLine {
    pub(crate) fn new(entry: LogEntry) -> Self {
        Self { entry, text: OnceLock::new() }
    }

    pub(crate) fn entry(&self) -> &LogEntry {
        &self.entry
    }

    pub(crate) fn text(&self) -> &str {
        self.text.get_or_init(|| envelope::push(&FromBroker::Log(self.entry.clone())))
    }

    /// About how many bytes the text has or will have.
    pub(crate) fn weight(&self) -> usize {
        let content = match &self.entry.body {
            LogBody::Message(message) => message.content.len(),
            LogBody::DispatchAccepted(info) => weight(&info.input),
            LogBody::DispatchEnded(outcome) => outcome.output.as_ref().map_or(0, weight),
            LogBody::Alert(_)
            | LogBody::ItemClosed(_)
            | LogBody::ItemTaken(_)
            | LogBody::Reacted(_)
            | LogBody::DispatchAssigned { .. }
            | LogBody::Other { .. } => 0,
        };
        512 + content
    }
}

fn weight(value: &Value) -> usize {
    match value {
        Value::Null | Value::Bool(_) | Value::Number(_) => 8,
        Value::String(text) => text.len() + 8,
        Value::Array(items) => 8 + items.iter().map(weight).sum::<usize>(),
        Value::Object(fields) => {
            8 + fields.iter().map(|(key, value)| key.len() + 8 + weight(value)).sum::<usize>()
        }
    }
}

/// The part of a link that others than its own task may touch.
#[derive(Debug)]
pub(crate) struct Peer {
    pub(crate) link: LinkId,
    pub(crate) identity: Identity,
    pub(crate) outbox: Outbox,
    pub(crate) pulse: Pulse,
}

impl Peer {
    pub(crate) fn new(link: LinkId, identity: Identity) -> Self {
        Self { link, identity, outbox: Outbox::default(), pulse: Pulse::default() }
    }
}

/// A registration whose link had gone when it became durable; it has to be taken back.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Orphan {
    pub(crate) link: LinkId,
    pub(crate) seat: Seat,
}

#[derive(Debug, Default)]
pub(crate) struct Deliver {
    links: RwLock<HashMap<LinkId, Arc<Peer>, RandomState>>,
    calls: Mutex<HashMap<u64, oneshot::Sender<Answer>>>,
    next_call: AtomicU64,
    log: Mutex<Log>,
}

#[derive(Debug, Default)]
struct Log {
    head: u64,
    followers: Vec<Arc<Peer>>,
}

impl Deliver {
    pub(crate) fn new(log_head: u64) -> Self {
        Self { log: Mutex::new(Log { head: log_head, followers: Vec::new() }), ..Self::default() }
    }

    pub(crate) fn join(&self, peer: Arc<Peer>) {
        self.links.write().unwrap_or_else(PoisonError::into_inner).insert(peer.link, peer);
    }

    /// The seat the link had, if any: whoever ends a link has to say so to the core.
    pub(crate) fn leave(&self, peer: &Peer) -> Option<Seat> {
        self.links.write().unwrap_or_else(PoisonError::into_inner).remove(&peer.link);
        self.log().followers.retain(|it| it.link != peer.link);
        peer.outbox.leave()
    }

    pub(crate) fn peer(&self, link: LinkId) -> Option<Arc<Peer>> {
        self.links.read().unwrap_or_else(PoisonError::into_inner).get(&link).cloned()
    }

    /// Every link, for the sweep that looks for deaf ones.
    pub(crate) fn peers(&self) -> Vec<Arc<Peer>> {
        self.links.read().unwrap_or_else(PoisonError::into_inner).values().cloned().collect()
    }

    /// A ticket for a call from within this process, and where its answer arrives.
    pub(crate) fn call(&self) -> (Origin, oneshot::Receiver<Answer>) {
        let ticket = self.next_call.fetch_add(1, Ordering::Relaxed);
        let (sender, receiver) = oneshot::channel();
        self.calls().insert(ticket, sender);
        (Origin::Call(ticket), receiver)
    }

    /// The core has ended: whoever still waits for an answer of it learns that none comes.
    pub(crate) fn forget_calls(&self) {
        self.calls().clear();
    }

    /// Begins to let out what a commit has made durable.
    pub(crate) fn release(&self) -> Release<'_> {
        Release { deliver: self, answered: None, pushed: None, wakes: Vec::new() }
    }

    /// One answer by itself.
    pub(crate) fn answer(&self, origin: Origin, answer: Answer) -> Option<Orphan> {
        self.release().answer(origin, answer)
    }

    pub(crate) fn attach(&self, link: LinkId, aspect: AspectName, cursor: u64, tail: u64) {
        if let Some(peer) = self.peer(link) {
            peer.outbox.attach(aspect, cursor, tail);
        }
    }

    /// A link without room misses it.
    pub(crate) fn tell(&self, links: &[LinkId], frame: &FromBroker) {
        self.stream(links, frame, |_| {});
    }

    /// A link without room is closed: it hears it when it registers anew.
    pub(crate) fn insist(&self, links: &[LinkId], frame: &FromBroker) {
        self.stream(links, frame, |peer| {
            peer.outbox.close(CLOSE_GOING_AWAY, "it reads too slowly for what it has to know; dial again");
        });
    }

    /// Made into text once.
    fn stream(&self, links: &[LinkId], frame: &FromBroker, without_room: impl Fn(&Peer)) {
        let mut bytes = Vec::new();
        put_text(&mut bytes, [&envelope::push(frame)]);
        let block = Block::new(bytes, 1);
        for peer in links.iter().filter_map(|link| self.peer(*link)) {
            if !peer.outbox.stream(block.clone()) {
                without_room(&peer);
            }
        }
    }

    pub(crate) fn close(&self, link: LinkId, code: u16, reason: &str) {
        if let Some(peer) = self.peer(link) {
            peer.outbox.close(code, reason);
        }
    }

    /// The subscription and its answer agree on where the log ended.
    pub(crate) fn follow(
        &self,
        peer: &Arc<Peer>,
        request: Option<RequestId>,
        subscribe: &Subscribe,
        observed: BTreeMap<AspectName, u64>,
    ) {
        let mut log = self.log();
        let head = log.head;
        let after = subscribe.from_seq.unwrap_or(head);
        let gap = (after > head).then(|| Gap {
            from: head + 1,
            to: after,
            reason: "the log ends before that: it has another history than the one this was seen in"
                .to_owned(),
        });
        let answer = Ok(FromBroker::Ok(Json::of(&Subscribed { head, observed })));
        peer.outbox.follow(request, answer, gap, Follow::new(LogFilter::of(subscribe), after, head));
        if !log.followers.iter().any(|it| it.link == peer.link) {
            log.followers.push(Arc::clone(peer));
        }
    }

    pub(crate) fn unfollow(&self, peer: &Peer) {
        self.log().followers.retain(|it| it.link != peer.link);
        peer.outbox.unfollow();
    }

    /// Closes the links of those whose credential is not good any more.
    pub(crate) fn close_void(&self, is_current: impl Fn(&Identity) -> bool) {
        for peer in self.peers() {
            if !is_current(&peer.identity) {
                peer.outbox.close(CLOSE_REVOKED, "revoked");
            }
        }
    }

    pub(crate) fn close_all(&self) {
        let reason = "the broker is stopping";
        let retry_after_ms = u64::try_from(SHUTDOWN_RETRY.as_millis()).unwrap_or(u64::MAX);
        let shutdown = Shutdown { reason: reason.to_owned(), retry_after_ms };
        let text: Arc<str> = envelope::push(&FromBroker::Shutdown(shutdown)).into();
        for peer in self.peers() {
            peer.outbox.farewell(Arc::clone(&text), CLOSE_GOING_AWAY, reason);
        }
    }

    fn calls(&self) -> MutexGuard<'_, HashMap<u64, oneshot::Sender<Answer>>> {
        self.calls.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn log(&self) -> MutexGuard<'_, Log> {
        self.log.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What one commit lets out. Links are told of it when this is dropped, so that each wakes once and writes once.
#[derive(Debug)]
pub(crate) struct Release<'a> {
    deliver: &'a Deliver,
    /// Whom the last answer and the last item went to: the next is often for the same.
    answered: Option<Arc<Peer>>,
    pushed: Option<Arc<Peer>>,
    wakes: Vec<(Arc<Peer>, Wake)>,
}

impl Release<'_> {
    pub(crate) fn answer(&mut self, origin: Origin, answer: Answer) -> Option<Orphan> {
        match origin {
            Origin::Broker => None,
            Origin::Call(ticket) => {
                if let Some(caller) = self.deliver.calls().remove(&ticket) {
                    // A caller that gave up does not want the answer any more.
                    let _ = caller.send(answer);
                }
                None
            }
            Origin::Link { link, request } => {
                let seat = match &answer {
                    Ok(FromBroker::Registered(it)) => {
                        Some(Seat { aspect: it.name.clone(), generation: it.generation })
                    }
                    Ok(_) | Err(_) => None,
                };
                let peer = find(self.deliver, &mut self.answered, link);
                if let Some(seat) = seat {
                    let seated = peer.map_or(Err(Gone), |peer| peer.outbox.seat(seat.clone()));
                    if seated == Err(Gone) {
                        return Some(Orphan { link, seat });
                    }
                }
                if let (Some(peer), Some(request)) = (peer, request) {
                    let wake = peer.outbox.answer_quietly(request, answer);
                    note(&mut self.wakes, peer, wake);
                }
                None
            }
        }
    }

    pub(crate) fn push(&mut self, link: LinkId, offset: u64, item: Arc<str>) {
        if let Some(peer) = find(self.deliver, &mut self.pushed, link) {
            let wake = peer.outbox.push_quietly(offset, item);
            note(&mut self.wakes, peer, wake);
        }
    }

    pub(crate) fn logged(&mut self, entry: LogEntry) {
        let mut log = self.deliver.log();
        log.head = log.head.max(entry.seq);
        if log.followers.is_empty() {
            return;
        }
        let line = Arc::new(LogLine::new(entry));
        for follower in &log.followers {
            let wake = follower.outbox.logged_quietly(&line);
            note(&mut self.wakes, follower, wake);
        }
    }
}

/// The link's peer, which is `last` if it was looked for last. One that has left meanwhile takes nothing any more.
fn find<'a>(deliver: &Deliver, last: &'a mut Option<Arc<Peer>>, link: LinkId) -> Option<&'a Arc<Peer>> {
    if last.as_ref().is_none_or(|peer| peer.link != link) {
        *last = deliver.peer(link);
    }
    last.as_ref()
}

fn note(wakes: &mut Vec<(Arc<Peer>, Wake)>, peer: &Arc<Peer>, wake: Wake) {
    if wake.is_any() {
        wakes.push((Arc::clone(peer), wake));
    }
}

impl Drop for Release<'_> {
    fn drop(&mut self) {
        for (peer, wake) in self.wakes.drain(..) {
            peer.outbox.wake(wake);
        }
    }
}
