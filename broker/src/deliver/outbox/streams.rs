//! How far a link has got in what aspects stream. Who has no room is behind, and is fed from what the relay keeps.

use std::collections::BTreeMap;

use nexus_wire::AspectName;
use nexus_wire::observe::ObserveGap;

use super::{Out, Outbox, Wake};
use crate::framing::Block;

/// What somebody who was behind in what an aspect streams is given.
#[derive(Debug)]
pub(crate) struct Caught {
    pub(crate) gap: Option<ObserveGap>,
    pub(crate) block: Option<Block>,
    /// The last number that was looked at.
    pub(crate) after: u64,
    /// There is no more.
    pub(crate) is_all: bool,
}

/// How far it has got in what one aspect streams.
#[derive(Debug)]
struct Lag {
    after: u64,
    fetching: bool,
}

/// The streams it is behind in.
#[derive(Debug, Default)]
pub(super) struct Lags {
    behind: BTreeMap<AspectName, Lag>,
    /// The last of them a page was fetched of: the others come first.
    fetched_last: Option<AspectName>,
}

impl Lags {
    pub(super) fn is_behind(&self) -> bool {
        self.behind.values().any(|lag| !lag.fetching)
    }

    /// Whose stream is to be fetched next, and from where; each in its turn.
    pub(super) fn want(&mut self) -> Option<(AspectName, u64)> {
        let last = self.fetched_last.as_ref();
        let is_ready = |it: &(&AspectName, &mut Lag)| !it.1.fetching;
        let later = |it: &(&AspectName, &mut Lag)| last.is_none_or(|last| it.0 > last);
        let next = self.behind.iter_mut().filter(is_ready).find(later);
        let name = match next {
            Some((name, _)) => name.clone(),
            None => self.behind.iter_mut().find(is_ready)?.0.clone(),
        };
        let lag = self.behind.get_mut(&name)?;
        lag.fetching = true;
        self.fetched_last = Some(name.clone());
        Some((name, lag.after))
    }
}

impl Outbox {
    /// What an aspect streams, from number `first` on. Without room the link is behind, and fetches it later.
    pub(crate) fn observe(&self, aspect: &AspectName, first: u64, block: &Block) {
        let mut inner = self.inner();
        if inner.gone || inner.closing || inner.streams.behind.contains_key(aspect) {
            return;
        }
        if !inner.has_room() {
            let lag = Lag { after: first.saturating_sub(1), fetching: false };
            inner.streams.behind.insert(aspect.clone(), lag);
            return;
        }
        let writer = inner.is_idle();
        inner.put(Out::Stream(block.clone()));
        drop(inner);
        self.wake(Wake { writer, fetcher: false });
    }

    /// What an aspect streamed after this number is to be fetched before anything newer.
    pub(crate) fn fall_behind(&self, aspect: &AspectName, after: u64) {
        self.change(|inner| inner.streams.behind.insert(aspect.clone(), Lag { after, fetching: false }));
    }

    pub(crate) fn observe_gap(&self, gap: ObserveGap) {
        self.change(|inner| inner.put(Out::ObserveGap(Box::new(gap))));
    }

    /// The page that was wanted.
    pub(crate) fn caught_up(&self, aspect: &AspectName, caught: Caught) {
        self.change(|inner| {
            let Some(lag) = inner.streams.behind.get_mut(aspect).filter(|lag| lag.fetching) else { return };
            let Caught { gap, block, after, is_all } = caught;
            *lag = Lag { after, fetching: false };
            if is_all {
                inner.streams.behind.remove(aspect);
            }
            if let Some(gap) = gap {
                inner.put(Out::ObserveGap(Box::new(gap)));
            }
            if let Some(block) = block {
                inner.put(Out::Stream(block));
            }
        });
    }

    /// Nothing that streams is watched any more.
    pub(crate) fn unobserve(&self) {
        self.change(|inner| inner.streams.behind.clear());
    }
}
