//! Which agents should run, and when each is started again. No processes, no files, no clock.
//!
//! Tell it what was found on disk and what became of processes, carry out what [`Fleet::next`] says until it says
//! nothing, then wait until [`Fleet::due`].

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// The wait before a process is started again, doubled each time.
pub(super) const WAIT_MIN: Duration = Duration::from_secs(1);
pub(super) const WAIT_MAX: Duration = Duration::from_secs(60);
/// Whoever ran for this long is in order, and starts from the shortest wait again. Three that do not are some ten minutes.
pub(super) const STEADY: Duration = Duration::from_secs(3 * 60);
/// More than the time an agent gives its turns to end, and what it needs for a goodbye.
pub(super) const KILL_AFTER: Duration = Duration::from_secs(20);
/// Who ended this often in a row, each time sooner than [`STEADY`], fails.
pub(super) const STRIKES: u32 = 3;
/// A home that was missed this often is gone: editors and version control take files away for a moment.
const MISSES_MAX: u32 = 2;

/// What the files of a home are: differs when one of them has changed.
pub(super) type Stamp = u64;

/// A home as it was found.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Found {
    pub(super) dir: PathBuf,
    pub(super) stamp: Stamp,
    /// An admin keeps its aspect off.
    pub(super) is_held: bool,
}

#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Act {
    Start(PathBuf),
    /// Ask it to end.
    Terminate(PathBuf),
    Kill(PathBuf),
}

/// How a process ended.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum End {
    /// It may be started again.
    Ended,
    /// Another process speaks for the aspect.
    Displaced,
    /// An admin keeps it off.
    Held,
    /// Something of its home has to be put right first.
    Unfit,
}

/// What is going to happen about a process that ended.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Outlook {
    StartsIn(Duration),
    WhenReleased,
    WhenItsFilesChange,
    Never,
}

#[derive(Debug, Default)]
pub(super) struct Fleet {
    homes: BTreeMap<PathBuf, Home>,
    is_stopping: bool,
}

#[derive(Debug)]
struct Home {
    stamp: Stamp,
    is_held: bool,
    misses: u32,
    /// The wait after the next end.
    wait: Duration,
    /// Ends in a row that came too soon.
    strikes: u32,
    state: State,
}

#[derive(Debug)]
enum State {
    /// To be started then, unless it is held.
    Due { at: Instant },
    /// `stamp`: what it began with.
    Running { since: Instant, stamp: Stamp, told: Told, is_steady: bool },
    /// Not before its files differ from these.
    Waiting { stamp: Stamp },
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Told {
    Nothing,
    ToEnd { kill_at: Instant },
    Killed,
}

impl Told {
    fn is_over(self, now: Instant) -> bool {
        matches!(self, Self::ToEnd { kill_at } if kill_at <= now)
    }
}

impl Home {
    fn is_gone(&self) -> bool {
        self.misses >= MISSES_MAX
    }
}

impl Fleet {
    /// All homes that are there now.
    pub(super) fn found(&mut self, found: Vec<Found>, now: Instant) {
        for home in self.homes.values_mut() {
            home.misses = home.misses.saturating_add(1);
        }
        for Found { dir, stamp, is_held } in found {
            let home = self.homes.entry(dir).or_insert_with(|| Home {
                stamp,
                is_held,
                misses: 0,
                wait: WAIT_MIN,
                strikes: 0,
                state: State::Due { at: now },
            });
            home.misses = 0;
            home.is_held = is_held;
            home.stamp = stamp;
            if let State::Waiting { stamp: seen } = home.state
                && seen != stamp
            {
                home.wait = WAIT_MIN;
                home.state = State::Due { at: now };
            }
        }
        self.forget();
    }

    /// What [`Act::Start`] asked for could not be done.
    pub(super) fn not_started(&mut self, dir: &Path, now: Instant) -> Outlook {
        self.ended(dir, End::Ended, now)
    }

    pub(super) fn ended(&mut self, dir: &Path, end: End, now: Instant) -> Outlook {
        let Some(home) = self.homes.get_mut(dir) else { return Outlook::Never };
        let began_with = match home.state {
            State::Running { since, stamp, .. } => {
                if now.saturating_duration_since(since) >= STEADY {
                    home.wait = WAIT_MIN;
                    home.strikes = 0;
                }
                stamp
            }
            State::Due { .. } | State::Waiting { .. } => home.stamp,
        };
        let outlook = match end {
            End::Ended => Outlook::StartsIn(home.wait),
            End::Held => Outlook::WhenReleased,
            End::Displaced | End::Unfit => Outlook::WhenItsFilesChange,
        };
        home.strikes = match end {
            End::Ended => home.strikes.saturating_add(1),
            // It is not started before somebody has done something.
            End::Unfit => STRIKES,
            End::Held | End::Displaced => home.strikes,
        };
        home.state = match end {
            End::Ended => {
                let at = now + home.wait;
                home.wait = (home.wait * 2).min(WAIT_MAX);
                State::Due { at }
            }
            End::Held => {
                // Until the next look at the roster says otherwise.
                home.is_held = true;
                State::Due { at: now }
            }
            // Files that have changed since it began are worth another try at once.
            End::Displaced | End::Unfit if home.stamp != began_with => State::Due { at: now },
            End::Displaced | End::Unfit => State::Waiting { stamp: began_with },
        };
        let goes = self.is_stopping || self.homes.get(dir).is_some_and(Home::is_gone);
        self.forget();
        if goes { Outlook::Never } else { outlook }
    }

    /// Whether it is looked after.
    pub(super) fn has(&self, dir: &Path) -> bool {
        self.homes.contains_key(dir)
    }

    /// Whether it ends soon after each start, or cannot be started as it is.
    pub(super) fn is_failing(&self, dir: &Path) -> bool {
        self.homes.get(dir).is_some_and(|home| home.strikes >= STRIKES)
    }

    /// Those that have by now run for long enough to be in order; each is said once for a start.
    pub(super) fn steady(&mut self, now: Instant) -> Vec<PathBuf> {
        let mut steady = Vec::new();
        for (dir, home) in &mut self.homes {
            if let State::Running { since, is_steady, .. } = &mut home.state
                && !*is_steady
                && now.saturating_duration_since(*since) >= STEADY
            {
                *is_steady = true;
                home.strikes = 0;
                steady.push(dir.clone());
            }
        }
        steady
    }

    /// Nothing is started any more, and what runs is to end.
    pub(super) fn stop(&mut self) {
        self.is_stopping = true;
        self.forget();
    }

    /// Whether no process is left.
    pub(super) fn is_empty(&self) -> bool {
        !self.homes.values().any(|home| matches!(home.state, State::Running { .. }))
    }

    /// What is to be done now; it counts as done.
    pub(super) fn next(&mut self, now: Instant) -> Option<Act> {
        let is_stopping = self.is_stopping;
        self.homes.iter_mut().find_map(|(dir, home)| {
            let goes = is_stopping || home.is_gone();
            match &mut home.state {
                State::Due { at } if *at <= now && !home.is_held && !goes => {
                    home.state = State::Running {
                        since: now,
                        stamp: home.stamp,
                        told: Told::Nothing,
                        is_steady: false,
                    };
                    Some(Act::Start(dir.clone()))
                }
                State::Running { told, .. } if goes && *told == Told::Nothing => {
                    *told = Told::ToEnd { kill_at: now + KILL_AFTER };
                    Some(Act::Terminate(dir.clone()))
                }
                State::Running { told: told @ Told::ToEnd { .. }, .. } if told.is_over(now) => {
                    *told = Told::Killed;
                    Some(Act::Kill(dir.clone()))
                }
                State::Due { .. } | State::Running { .. } | State::Waiting { .. } => None,
            }
        })
    }

    /// When [`Self::next`] may have something to say without anything having happened.
    pub(super) fn due(&self) -> Option<Instant> {
        let due = |home: &Home| match home.state {
            State::Due { at } if !home.is_held && !self.is_stopping => Some(at),
            State::Running { told: Told::ToEnd { kill_at }, .. } => Some(kill_at),
            State::Due { .. } | State::Running { .. } | State::Waiting { .. } => None,
        };
        self.homes.values().filter_map(due).min()
    }

    /// Homes that are gone and whose process is, too.
    fn forget(&mut self) {
        let is_stopping = self.is_stopping;
        self.homes.retain(|_, home| {
            matches!(home.state, State::Running { .. }) || !(is_stopping || home.is_gone())
        });
    }
}

#[cfg(test)]
mod tests;
