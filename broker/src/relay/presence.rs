//! How each aspect is doing, from what it does and not from its socket being open.
//!
//! The roster says who is up; pulses say what they are at. The two together are published to whoever follows
//! the roster, when they change and not otherwise.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicI64, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use nexus_wire::observe::Activity;
use nexus_wire::roster::{AspectInfo, AspectState};
use nexus_wire::{AspectName, LinkId, Ms, limits};

use crate::clock::Clock;
use crate::deliver::Peer;
use crate::deliver::outbox::Standing;

/// What an aspect does is told to those who follow it no more often than this.
const SHOW_INTERVAL_MS: Ms = 200;

/// How long nothing may happen before it counts.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Patience {
    /// In a turn without any progress.
    pub stalled_ms: Ms,
    /// Before an item that was sent is acknowledged.
    pub deaf_ms: Ms,
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            stalled_ms: limits::STALLED_AFTER.as_millis() as Ms,
            deaf_ms: limits::DEAF_AFTER.as_millis() as Ms,
        }
    }
}

/// A link began to stall or to be deaf, or does neither any more: for the hub to be told.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Trouble {
    pub(crate) aspect: AspectName,
    pub(crate) link: LinkId,
    pub(crate) state: AspectState,
}

/// What a link does, counted where it happens.
#[derive(Debug, Default)]
pub(crate) struct Pulse {
    turns: AtomicU32,
    /// Dispatches it is at work on, as the hub has it.
    dispatches: AtomicU32,
    /// What it waits for people for, as the hub has it.
    approvals: AtomicU32,
    /// Time of the last token, tool call or frame handled; 0 before the first.
    last_progress: AtomicI64,
    /// What it does, as its turns show it.
    activity: Mutex<Activity>,
}

impl Pulse {
    pub(crate) fn progress(&self, at: Ms) {
        self.last_progress.store(at, Ordering::Relaxed);
    }

    pub(crate) fn set_activity(&self, activity: &Activity, since: Ms) {
        let mut kept = self.activity.lock().unwrap_or_else(PoisonError::into_inner);
        *kept = Activity { since, ..activity.clone() };
    }

    /// The aspect is here since then, and has done nothing yet.
    fn came(&self, at: Ms) {
        let mut kept = self.activity.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.since == 0 {
            kept.since = at;
        }
    }

    fn activity(&self) -> Activity {
        let kept = self.activity.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let turns = self.turns.load(Ordering::Relaxed);
        let (dispatches, approvals) = (&self.dispatches, &self.approvals);
        Activity {
            turns,
            dispatches: dispatches.load(Ordering::Relaxed),
            approvals: approvals.load(Ordering::Relaxed),
            ..kept
        }
    }

    /// Whether that is news.
    pub(crate) fn set_work(&self, dispatches: u32, approvals: u32, now: Ms) -> bool {
        let asked = self.approvals.swap(approvals, Ordering::Relaxed);
        if asked > approvals {
            // It has its answer, and goes on from now.
            self.progress(now);
        }
        let worked = self.dispatches.swap(dispatches, Ordering::Relaxed);
        worked != dispatches || asked != approvals
    }

    pub(crate) fn set_turns(&self, turns: usize) {
        self.turns.store(u32::try_from(turns).unwrap_or(u32::MAX), Ordering::Relaxed);
    }
}

#[derive(Debug)]
struct Entry {
    /// As the hub last told it, with state, times and backlog as last shown.
    info: AspectInfo,
    online: bool,
    peer: Option<Arc<Peer>>,
    /// The cursor when it last moved, and since when it has stood while items wait.
    acked: u64,
    waiting_since: Option<Ms>,
    /// When followers were last told what it does.
    shown_at: Ms,
    /// What of it the hub was told last; `None`: that it gets along.
    told: Option<AspectState>,
    /// It has got along since. That is told first, although by then there may be trouble again.
    has_recovered: bool,
}

#[derive(Debug)]
pub(crate) struct Presence {
    patience: Patience,
    /// It knows when the machine last woke: nobody was idle while it slept.
    clock: Clock,
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    aspects: BTreeMap<AspectName, Entry>,
    followers: Vec<Follower>,
    /// Nothing is to be spent: a turn that waits for that does not stall.
    is_stopped: bool,
}

#[derive(Debug)]
struct Follower {
    peer: Arc<Peer>,
    roster: bool,
    activity: bool,
}

impl Presence {
    pub(crate) fn new(patience: Patience, clock: Clock) -> Self {
        Self { patience, clock, inner: Mutex::default() }
    }

    /// The hub's entry changed: the aspect came, went, or was let in. `peer`: its link, when it has one.
    pub(crate) fn changed(&self, info: AspectInfo, peer: Option<Arc<Peer>>) {
        let mut inner = self.inner();
        let name = info.name.clone();
        let online = info.state != AspectState::Offline;
        let peer = peer.filter(|_| online);
        let before = inner.aspects.remove(&name);
        // The last progress of an aspect that went is worth knowing; the hub does not keep it.
        let last_progress =
            info.last_progress.or_else(|| before.as_ref().and_then(|it| it.info.last_progress));
        let info = AspectInfo { last_progress, ..info };
        let mut entry = Entry {
            info,
            online,
            peer,
            acked: 0,
            waiting_since: None,
            shown_at: 0,
            told: None,
            has_recovered: false,
        };
        if let Some(before) = before.filter(|before| before.is_same_link(&entry)) {
            // Something else of it changed; what it is doing goes on.
            (entry.info.state, entry.info.since) = (before.info.state, before.info.since);
            (entry.acked, entry.waiting_since) = (before.acked, before.waiting_since);
            (entry.told, entry.has_recovered) = (before.told, before.has_recovered);
            entry.shown_at = before.shown_at;
            entry.info.activity = before.info.activity;
        } else if let Some(peer) = &entry.peer {
            peer.pulse.came(entry.info.since);
            entry.info.activity = Some(peer.pulse.activity());
        }
        inner.aspects.insert(name.clone(), entry);
        inner.publish(&name);
    }

    /// Whether nothing is to be spent; turns that have waited for that go on from `now`.
    pub(crate) fn set_stopped(&self, is_stopped: bool, now: Ms) {
        let mut inner = self.inner();
        if std::mem::replace(&mut inner.is_stopped, is_stopped) && !is_stopped {
            let peers = inner.aspects.values().filter_map(|entry| entry.peer.as_ref());
            let at_work = peers.filter(|peer| peer.pulse.turns.load(Ordering::Relaxed) > 0);
            at_work.for_each(|peer| peer.pulse.progress(now));
        }
    }

    /// Looks at one aspect again, because a turn of it began or ended.
    pub(crate) fn refresh(&self, name: &AspectName, now: Ms) {
        self.inner().refresh(name, now, self.clock.woke_at(), self.patience);
    }

    /// Looks at all of them: time alone makes a turn stall and an aspect deaf. Gives what the hub has to be told.
    pub(crate) fn sweep(&self, now: Ms) -> Vec<Trouble> {
        let mut inner = self.inner();
        let names: Vec<AspectName> =
            inner.aspects.iter().filter(|(_, entry)| entry.peer.is_some()).map(|it| it.0.clone()).collect();
        let mut news = Vec::new();
        for name in names {
            inner.refresh(&name, now, self.clock.woke_at(), self.patience);
            news.extend(inner.aspects.get_mut(&name).and_then(|entry| entry.news(name)));
        }
        news
    }

    /// What an aspect that is here is doing.
    pub(crate) fn activity(&self, name: &AspectName) -> Option<(AspectName, Activity)> {
        let inner = self.inner();
        let activity = inner.aspects.get(name)?.peer.as_ref()?.pulse.activity();
        Some((name.clone(), activity))
    }

    pub(crate) fn info(&self, name: &AspectName) -> Option<AspectInfo> {
        self.inner().aspects.get(name).map(Entry::shown)
    }

    /// Adds to what the hub says of a team what is seen of it.
    pub(crate) fn overlay(&self, team: &mut [AspectInfo]) {
        let inner = self.inner();
        for info in team {
            let Some(entry) = inner.aspects.get(&info.name) else { continue };
            info.last_progress = entry.progress().or(info.last_progress);
            // Between a commit and its effects the hub may know of another link than is seen here.
            if info.state != AspectState::Offline && entry.info.generation == info.generation && entry.online
            {
                (info.state, info.since) = (entry.info.state, entry.info.since);
                info.activity = entry.peer.as_ref().map(|peer| peer.pulse.activity());
            }
        }
    }

    /// In place of what it followed before.
    pub(crate) fn follow(&self, peer: &Arc<Peer>, roster: bool, activity: bool) {
        let mut inner = self.inner();
        inner.followers.retain(|it| it.peer.link != peer.link);
        if roster || activity {
            inner.followers.push(Follower { peer: Arc::clone(peer), roster, activity });
        }
    }

    pub(crate) fn unfollow(&self, link: LinkId) {
        self.inner().followers.retain(|it| it.peer.link != link);
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn refresh(&mut self, name: &AspectName, now: Ms, woke_at: Ms, patience: Patience) {
        let stalled_ms = if self.is_stopped { Ms::MAX } else { patience.stalled_ms };
        let patience = Patience { stalled_ms, ..patience };
        let Some(entry) = self.aspects.get_mut(name) else { return };
        let standing = entry.peer.as_ref().and_then(|peer| peer.outbox.standing());
        entry.note_standing(standing, now);
        let state = entry.state(now, woke_at, patience);
        let changed = state != entry.info.state;
        if changed {
            (entry.info.state, entry.info.since) = (state, now);
            entry.has_recovered |= trouble(state).is_none();
        }
        let acts = entry.shows_news(now);
        if changed {
            self.publish(name);
        }
        if acts {
            for follower in self.followers.iter().filter(|it| it.activity) {
                follower.peer.outbox.activity_changed(name.clone());
            }
        }
    }

    fn publish(&self, name: &AspectName) {
        for follower in self.followers.iter().filter(|it| it.roster) {
            follower.peer.outbox.roster_changed(name.clone());
        }
    }
}

impl Entry {
    fn is_same_link(&self, other: &Self) -> bool {
        match (&self.peer, &other.peer) {
            (Some(own), Some(other)) => own.link == other.link,
            (Some(_) | None, None) | (None, Some(_)) => false,
        }
    }

    fn progress(&self) -> Option<Ms> {
        let seen = self.peer.as_ref().map_or(0, |peer| peer.pulse.last_progress.load(Ordering::Relaxed));
        if seen > 0 { Some(seen) } else { self.info.last_progress }
    }

    fn shown(&self) -> AspectInfo {
        let backlog = self.peer.as_ref().and_then(|peer| peer.outbox.standing()).map(|it| it.backlog);
        AspectInfo {
            last_progress: self.progress(),
            backlog: backlog.unwrap_or(self.info.backlog),
            activity: self.peer.as_ref().map(|peer| peer.pulse.activity()),
            ..self.info.clone()
        }
    }

    /// Whether followers are to be told what it does: not too often, and the next sweep tells what is left.
    fn shows_news(&mut self, now: Ms) -> bool {
        let activity = self.peer.as_ref().map(|peer| peer.pulse.activity());
        if activity == self.info.activity || now - self.shown_at < SHOW_INTERVAL_MS {
            return false;
        }
        self.info.activity = activity;
        self.shown_at = now;
        self.info.activity.is_some()
    }

    fn note_standing(&mut self, standing: Option<Standing>, now: Ms) {
        self.info.last_progress = self.progress();
        match standing {
            Some(standing) if standing.in_flight > 0 => {
                if standing.acked != self.acked || self.waiting_since.is_none() {
                    (self.acked, self.waiting_since) = (standing.acked, Some(now));
                }
            }
            Some(_) | None => self.waiting_since = None,
        }
    }

    fn news(&mut self, aspect: AspectName) -> Option<Trouble> {
        let link = self.peer.as_ref()?.link;
        let has_recovered = std::mem::take(&mut self.has_recovered) && self.told.is_some();
        let current = trouble(self.info.state);
        let (trouble, state) = match current {
            Some(_) if has_recovered => (None, AspectState::Busy),
            Some(_) | None => (current, self.info.state),
        };
        let changed = trouble != std::mem::replace(&mut self.told, trouble);
        changed.then_some(Trouble { aspect, link, state })
    }

    fn state(&self, now: Ms, woke_at: Ms, patience: Patience) -> AspectState {
        let Some(peer) = self.peer.as_ref().filter(|_| self.online) else { return AspectState::Offline };
        // A sleep of the machine is no silence of the aspect, and does not end one either.
        let silent =
            |since: Ms, state| now - if self.info.state == state { since } else { since.max(woke_at) };
        if self.waiting_since.is_some_and(|since| silent(since, AspectState::Deaf) >= patience.deaf_ms) {
            return AspectState::Deaf;
        }
        if peer.pulse.turns.load(Ordering::Relaxed) == 0 {
            return match peer.pulse.dispatches.load(Ordering::Relaxed) {
                0 => AspectState::Online,
                _ => AspectState::Busy,
            };
        }
        let waits_for_people = peer.pulse.approvals.load(Ordering::Relaxed) > 0;
        let progress = peer.pulse.last_progress.load(Ordering::Relaxed);
        // Progress since it stalled is told, however long ago it was and although it stalls again.
        let has_moved = self.info.state == AspectState::Stalled && progress >= self.info.since;
        if !waits_for_people && !has_moved && silent(progress, AspectState::Stalled) >= patience.stalled_ms {
            AspectState::Stalled
        } else {
            AspectState::Busy
        }
    }
}

/// What the hub has to be told of.
fn trouble(state: AspectState) -> Option<AspectState> {
    match state {
        AspectState::Stalled | AspectState::Deaf => Some(state),
        AspectState::Offline | AspectState::Online | AspectState::Busy => None,
    }
}

#[cfg(test)]
mod tests;
