//! What has changed since it was told last, and rests. No files, no clock.
//!
//! Call [`Tracker::look`] with each look; what it returns is to be told, and [`Tracker::took`] says that it was. Until then
//! the same comes again.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use nexus_wire::files::FileChangeKind;
use tokio::time::Instant;

use super::look::{Files, Stamp};

#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Change {
    pub(crate) path: PathBuf,
    pub(crate) kind: FileChangeKind,
    /// As it is now; `None`: it is gone.
    pub(crate) now: Option<Stamp>,
}

#[derive(Debug)]
pub(crate) struct Tracker {
    told: Files,
    /// Files that are not as they were told, as they were seen last and since when they have been so.
    restless: BTreeMap<PathBuf, (Option<Stamp>, Instant)>,
}

impl Tracker {
    pub(crate) fn new(told: Files) -> Self {
        Self { told, restless: BTreeMap::new() }
    }

    pub(crate) fn told(&self) -> &Files {
        &self.told
    }

    /// What is to be told, in the order of paths, and when the first of the others will have rested for long enough.
    pub(crate) fn look(
        &mut self,
        seen: &Files,
        settle: Duration,
        now: Instant,
    ) -> (Vec<Change>, Option<Instant>) {
        let mut restless = BTreeMap::new();
        let (mut changes, mut next) = (Vec::new(), None::<Instant>);
        let gone = self.told.keys().filter(|path| !seen.contains_key(*path));
        for path in seen.keys().chain(gone) {
            let (before, is) = (self.told.get(path), seen.get(path));
            let kind = match (before, is) {
                (before, is) if before == is => continue,
                (None, _) => FileChangeKind::Created,
                (Some(_), Some(_)) => FileChangeKind::Modified,
                (Some(_), None) => FileChangeKind::Removed,
            };
            let is = is.copied();
            let since = match self.restless.get(path) {
                Some((as_before, since)) if *as_before == is => *since,
                Some(_) | None => now,
            };
            restless.insert(path.clone(), (is, since));
            match since.checked_add(settle) {
                Some(due) if due > now => next = Some(next.map_or(due, |next| next.min(due))),
                Some(_) | None => changes.push(Change { path: path.clone(), kind, now: is }),
            }
        }
        self.restless = restless;
        changes.sort_by(|one, other| one.path.cmp(&other.path));
        (changes, next)
    }

    pub(crate) fn took(&mut self, changes: &[Change]) {
        for change in changes {
            match change.now {
                Some(stamp) => _ = self.told.insert(change.path.clone(), stamp),
                None => _ = self.told.remove(&change.path),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    const SETTLE: Duration = Duration::from_secs(2);

    fn stamp(size: u64) -> Stamp {
        Stamp { size, mtime: (0, 0) }
    }

    fn files(some: &[(&str, u64)]) -> Files {
        some.iter().map(|(path, size)| (PathBuf::from(path), stamp(*size))).collect()
    }

    fn change(path: &str, kind: FileChangeKind, now: Option<u64>) -> Change {
        Change { path: path.into(), kind, now: now.map(stamp) }
    }

    #[test]
    fn what_rests_is_told_and_what_does_not_is_waited_for() {
        let begin = Instant::now();
        let at = |ms: u64| begin + Duration::from_millis(ms);
        let mut tracker = Tracker::new(files(&[("gone", 1), ("kept", 1), ("moved/a", 7)]));
        let seen = files(&[("kept", 2), ("moved/b", 7), ("new", 1)]);
        assert_eq!(tracker.look(&seen, SETTLE, at(0)), (vec![], Some(at(2_000))));
        // `new` is still being written; nobody waits for it.
        let seen = files(&[("kept", 2), ("moved/b", 7), ("new", 2)]);
        assert_eq!(tracker.look(&seen, SETTLE, at(1_000)), (vec![], Some(at(2_000))));
        let (changes, next) = tracker.look(&seen, SETTLE, at(2_000));
        let expected = [
            change("gone", FileChangeKind::Removed, None),
            change("kept", FileChangeKind::Modified, Some(2)),
            change("moved/a", FileChangeKind::Removed, None),
            change("moved/b", FileChangeKind::Created, Some(7)),
        ];
        assert_eq!((&changes[..], next), (&expected[..], Some(at(3_000))));
        // Nobody has taken it yet.
        assert_eq!(tracker.look(&seen, SETTLE, at(2_500)).0, expected);
        tracker.took(&changes);
        assert_eq!(tracker.look(&seen, SETTLE, at(2_600)), (vec![], Some(at(3_000))));
        let (changes, next) = tracker.look(&seen, SETTLE, at(3_000));
        assert_eq!((&changes[..], next), (&[change("new", FileChangeKind::Created, Some(2))][..], None));
        tracker.took(&changes);
        assert_eq!(tracker.told(), &seen);
        // What comes and goes before it rests was never there.
        let more = files(&[("kept", 2), ("moved/b", 7), ("new", 2), ("brief", 1)]);
        assert_eq!(tracker.look(&more, SETTLE, at(4_000)), (vec![], Some(at(6_000))));
        assert_eq!(tracker.look(&seen, SETTLE, at(7_000)), (vec![], None));
        assert_eq!(
            tracker.look(&more, Duration::ZERO, at(7_000)).0.len(),
            1,
            "without a wait it is told at once"
        );
    }

    #[derive(Clone, Debug)]
    enum Act {
        Write(u8, u64),
        Remove(u8),
        Pass(u64),
        /// The answer to the report comes, or does not.
        Look {
            taken: bool,
        },
    }

    fn acts() -> impl Strategy<Value = Vec<Act>> {
        let act = prop_oneof![
            4 => (0_u8..4, 0_u64..3).prop_map(|(file, size)| Act::Write(file, size)),
            2 => (0_u8..4).prop_map(Act::Remove),
            3 => (0_u64..3_000).prop_map(Act::Pass),
            5 => any::<bool>().prop_map(|taken| Act::Look { taken }),
        ];
        prop::collection::vec(act, 0..80)
    }

    proptest! {
        #[test]
        fn what_was_told_adds_up_to_what_is_there(acts in acts()) {
            let mut now = Instant::now();
            let (mut tracker, mut seen, mut heard) = (Tracker::new(Files::new()), Files::new(), BTreeMap::new());
            let end = [Act::Look { taken: true }, Act::Pass(2_000), Act::Look { taken: true }];
            for act in acts.into_iter().chain(end) {
                match act {
                    Act::Write(file, size) => _ = seen.insert(file.to_string().into(), stamp(size)),
                    Act::Remove(file) => _ = seen.remove(&PathBuf::from(file.to_string())),
                    Act::Pass(ms) => now += Duration::from_millis(ms),
                    Act::Look { taken } => {
                        let (changes, _) = tracker.look(&seen, SETTLE, now);
                        prop_assert!(changes.is_sorted_by(|one, other| one.path < other.path));
                        if !taken {
                            continue;
                        }
                        tracker.took(&changes);
                        for Change { path, kind, now } in changes {
                            let before = heard.get(&path).copied();
                            let expected = match (before, now) {
                                (None, Some(_)) => FileChangeKind::Created,
                                (Some(_), Some(_)) => FileChangeKind::Modified,
                                (_, None) => FileChangeKind::Removed,
                            };
                            prop_assert_eq!(kind, expected);
                            prop_assert_ne!(before, now, "it is told once");
                            match now {
                                Some(stamp) => _ = heard.insert(path, stamp),
                                None => _ = heard.remove(&path),
                            }
                        }
                    }
                }
            }
            prop_assert_eq!(&heard, &seen);
            prop_assert_eq!(tracker.told(), &seen);
        }
    }
}
