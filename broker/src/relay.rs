//! What streams while it happens, from one link to those who watch. In memory only, and nothing here waits: whoever
//! has no room is given what was kept meanwhile, and told of what was not. What one read brought is encoded once and
//! given to each who watches in one piece.

pub(crate) mod channel;
#[cfg(test)]
mod fuzz;
pub(crate) mod mark;
mod port;
pub(crate) mod presence;
pub(crate) mod sink;
mod splice;

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use nexus_wire::observe::ObserveGap;
use nexus_wire::{AspectName, LinkId, ThreadId};

use crate::deliver::Peer;
use channel::{Channel, Piece, Tally, Watcher, other_history};
pub(crate) use port::Port;
use sink::Sink;

/// The channels there are, and who watches them.
#[derive(Debug)]
pub(crate) struct Relay {
    /// All numbers of this run come after it.
    base: u64,
    sink: Option<Sink>,
    registry: Mutex<Registry>,
    tally: Tally,
}

#[derive(Debug, Default)]
struct Registry {
    channels: HashMap<AspectName, Arc<Channel>>,
    /// Replaced as a whole, so that all channels share one list.
    watchers: Arc<[Watcher]>,
}

/// Where a subscription begins.
#[derive(Clone, Debug, Default)]
pub(crate) struct Starts {
    /// As it was asked for: after which number of each aspect.
    pub(crate) from: Option<BTreeMap<AspectName, u64>>,
    /// The newest number of each aspect when it was asked.
    pub(crate) marks: BTreeMap<AspectName, u64>,
}

impl Starts {
    /// Who goes on from somewhere has seen nothing of an aspect it does not name.
    fn of(&self, aspect: &AspectName) -> u64 {
        self.from.as_ref().unwrap_or(&self.marks).get(aspect).copied().unwrap_or(0)
    }
}

impl Relay {
    pub(crate) fn new(base: u64, sink: Option<Sink>) -> Self {
        Self { base, sink, registry: Mutex::default(), tally: Tally::default() }
    }

    fn channel(&self, aspect: &AspectName) -> Arc<Channel> {
        let mut registry = self.registry();
        if let Some(channel) = registry.channels.get(aspect) {
            return Arc::clone(channel);
        }
        let channel = Arc::new(Channel::new(aspect.clone(), self.base, Arc::clone(&registry.watchers)));
        registry.channels.insert(aspect.clone(), Arc::clone(&channel));
        channel
    }

    /// The number of the newest frame of each aspect that has streamed since the start.
    pub(crate) fn marks(&self) -> BTreeMap<AspectName, u64> {
        self.registry().channels.iter().map(|(name, channel)| (name.clone(), channel.last())).collect()
    }

    /// The newest number there is.
    pub(crate) fn newest(&self) -> u64 {
        self.registry().channels.values().map(|channel| channel.last()).fold(self.base, u64::max)
    }

    /// `peer` does not watch yet. What came after `starts` it is given as it makes room, and then what comes.
    pub(crate) fn watch(&self, peer: &Arc<Peer>, thread: Option<ThreadId>, starts: &Starts) {
        let mut registry = self.registry();
        let watcher = Watcher { peer: Arc::clone(peer), thread };
        registry.watchers = registry.watchers.iter().cloned().chain([watcher]).collect();
        for (aspect, channel) in &registry.channels {
            channel.watched_by(&registry.watchers, Some((peer, starts.of(aspect))));
        }
        let named = starts.from.iter().flatten();
        let unknown = named.filter(|it| *it.1 > 0 && !registry.channels.contains_key(it.0));
        for (aspect, &after) in unknown {
            if after < self.base {
                let reason = "the broker has started since, and keeps nothing from before".to_owned();
                let gap = ObserveGap { aspect: aspect.clone(), from: after + 1, to: self.base, reason };
                peer.outbox.observe_gap(gap);
            } else if after > self.base {
                peer.outbox.observe_gap(other_history(aspect, self.base, after));
            }
        }
    }

    pub(crate) fn unwatch(&self, peer: &Peer) {
        let mut registry = self.registry();
        if registry.watchers.iter().any(|it| it.peer.link == peer.link) {
            registry.watchers =
                registry.watchers.iter().filter(|it| it.peer.link != peer.link).cloned().collect();
            for channel in registry.channels.values() {
                channel.watched_by(&registry.watchers, None);
            }
        }
        drop(registry);
        peer.outbox.unobserve();
    }

    /// Gives a link that has room again what it missed of an aspect.
    pub(crate) fn catch_up(&self, link: LinkId, aspect: &AspectName, after: u64) {
        let channel = self.registry().channels.get(aspect).cloned();
        if let Some(channel) = channel {
            channel.catch_up(link, after, &self.tally);
        }
    }

    fn publish(&self, channel: &Channel, generation: u64, piece: Piece) {
        let block = self.sink.is_some().then(|| piece.block.clone());
        let counts = channel.publish(generation, piece, &self.tally);
        if let (true, Some(sink), Some(block)) = (counts, &self.sink, block) {
            sink.put(block);
        }
    }

    /// Frames that found no room and were not kept for long enough, since the start.
    pub(crate) fn dropped(&self) -> u64 {
        self.tally.dropped.load(Ordering::Relaxed)
    }

    /// Frames the sink had no room for.
    pub(crate) fn sink_dropped(&self) -> u64 {
        self.sink.as_ref().map_or(0, Sink::dropped)
    }

    fn registry(&self) -> MutexGuard<'_, Registry> {
        self.registry.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests;
