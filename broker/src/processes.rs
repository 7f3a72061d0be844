//! What is known of the processes of aspects that the broker runs, for whoever shows the team: in memory, since it began.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use nexus_wire::AspectName;
use nexus_wire::roster::{AspectInfo, ProcessInfo};

#[derive(Debug, Default)]
pub(crate) struct Processes(Mutex<BTreeMap<AspectName, Known>>);

#[derive(Debug, Default)]
struct Known {
    starts: u64,
    last_end: Option<String>,
}

impl Processes {
    /// How it ended before, if it is started again.
    pub(crate) fn started(&self, name: &AspectName) -> Option<String> {
        let mut known = self.known();
        let it = known.entry(name.clone()).or_default();
        it.starts += 1;
        it.last_end.clone()
    }

    pub(crate) fn ended(&self, name: &AspectName, how: &str) {
        self.known().entry(name.clone()).or_default().last_end = Some(how.to_owned());
    }

    /// Over all of them.
    pub(crate) fn restarts(&self) -> u64 {
        self.known().values().map(Known::restarts).sum()
    }

    pub(crate) fn overlay(&self, team: &mut [AspectInfo]) {
        let known = self.known();
        for info in team {
            info.process = known
                .get(&info.name)
                .map(|it| ProcessInfo { restarts: it.restarts(), last_end: it.last_end.clone() });
        }
    }

    /// Nothing waits for anything while it is held.
    fn known(&self) -> MutexGuard<'_, BTreeMap<AspectName, Known>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Known {
    fn restarts(&self) -> u64 {
        self.starts.saturating_sub(1)
    }
}
