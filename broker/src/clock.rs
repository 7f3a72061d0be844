//! Time of the command stream: it never runs back and a jump of the wall clock does not reach it.
//!
//! The only place of the broker, beside the edge's own deadlines, that reads a clock.

use std::time::{Duration, Instant, SystemTime};

use nexus_wire::Ms;

/// Monotonic time laid on the later of the wall clock at the start and the last time on disk.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock {
    base: Ms,
    started: Instant,
}

impl Clock {
    pub(crate) fn new(last_at: Ms, wall: Ms, now: Instant) -> Self {
        Self { base: last_at.max(wall), started: now }
    }

    /// A clock that goes on after `last_at`.
    pub(crate) fn start(last_at: Ms) -> Self {
        Self::new(last_at, wall(), now())
    }

    pub(crate) fn at(&self, now: Instant) -> Ms {
        self.base.saturating_add(millis(now.saturating_duration_since(self.started)))
    }

    /// How long from `now` until the clock shows `at`.
    pub(crate) fn until(&self, at: Ms, now: Instant) -> Duration {
        Duration::from_millis(u64::try_from(at.saturating_sub(self.at(now))).unwrap_or(0))
    }
}

pub(crate) fn millis(duration: Duration) -> Ms {
    Ms::try_from(duration.as_millis()).unwrap_or(Ms::MAX)
}

/// The wall clock; 0 if it stands before 1970.
#[expect(clippy::disallowed_methods, reason = "the edge owns the clock")]
pub(crate) fn wall() -> Ms {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, millis)
}

#[expect(clippy::disallowed_methods, reason = "the edge owns the clock")]
pub(crate) fn now() -> Instant {
    Instant::now()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_goes_on_from_the_later_of_disk_and_wall() {
        let start = now();
        let cases: &[(&str, Ms, Ms, Ms)] =
            &[("wall ahead", 1_000, 5_000, 5_000), ("wall set back an hour", 9_000, 5_000, 9_000)];
        for (name, last_at, wall, expected) in cases {
            let clock = Clock::new(*last_at, *wall, start);
            assert_eq!(clock.at(start), *expected, "{name}");
            let later = start + Duration::from_millis(250);
            assert_eq!(clock.at(later), expected + 250, "{name}");
            assert_eq!(clock.until(expected + 300, later), Duration::from_millis(50), "{name}");
            assert_eq!(clock.until(*expected, later), Duration::ZERO, "{name}");
        }
    }
}
