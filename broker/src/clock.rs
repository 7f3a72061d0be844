//! Time of the command stream: it never runs back, a jump of the wall clock does not reach it, and it goes on while
//! the machine is suspended.
//!
//! The only place of the broker, beside the edge's own deadlines, that reads a clock.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant, SystemTime};

use nexus_wire::Ms;
use rustix::time::{ClockId, clock_gettime};

/// The machine was suspended if it was for as long as this; what is shorter takes nobody's patience.
const ASLEEP_MIN: Ms = 1_000;

/// What goes on through a suspend; `Instant` stands still in it, and so does every timer.
#[cfg(target_os = "linux")]
const THROUGHOUT: ClockId = ClockId::Boottime;
#[cfg(not(target_os = "linux"))]
const THROUGHOUT: ClockId = ClockId::Monotonic;

/// Time since the start, laid on the later of the wall clock at the start and the last time on disk. Its copies are one
/// clock.
#[derive(Clone, Debug)]
pub(crate) struct Clock {
    base: Ms,
    source: Source,
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    /// For how long the machine is known to have been suspended since the start.
    asleep: AtomicI64,
    /// When it was seen to have woken; 0: never.
    woke_at: AtomicI64,
}

#[derive(Clone, Debug)]
enum Source {
    Machine {
        started: Instant,
        throughout: Ms,
    },
    #[cfg(test)]
    Hand(Arc<Hand>),
}

/// Two clocks that a test moves.
#[cfg(test)]
#[derive(Debug, Default)]
pub(crate) struct Hand {
    awake: AtomicI64,
    asleep: AtomicI64,
}

#[cfg(test)]
impl Hand {
    pub(crate) fn pass(&self, ms: Ms) {
        self.awake.fetch_add(ms, Ordering::Relaxed);
    }

    pub(crate) fn suspend(&self, ms: Ms) {
        self.asleep.fetch_add(ms, Ordering::Relaxed);
    }
}

/// Since the start.
#[derive(Clone, Copy)]
struct Passed {
    awake: Ms,
    altogether: Ms,
}

impl Source {
    fn read(&self) -> Passed {
        match self {
            Self::Machine { started, throughout } => {
                // First, so that a thread that is held up in between does not look like a machine that slept.
                let altogether = throughout_ms().saturating_sub(*throughout);
                Passed { awake: millis(now().saturating_duration_since(*started)), altogether }
            }
            #[cfg(test)]
            Self::Hand(hand) => {
                let awake = hand.awake.load(Ordering::Relaxed);
                Passed { awake, altogether: awake + hand.asleep.load(Ordering::Relaxed) }
            }
        }
    }
}

impl Clock {
    fn new(last_at: Ms, wall: Ms, source: Source) -> Self {
        Self { base: last_at.max(wall), source, shared: Arc::default() }
    }

    /// A clock that goes on after `last_at`.
    pub(crate) fn start(last_at: Ms) -> Self {
        Self::new(last_at, wall(), Source::Machine { started: now(), throughout: throughout_ms() })
    }

    #[cfg(test)]
    pub(crate) fn by_hand(last_at: Ms) -> (Self, Arc<Hand>) {
        let hand = Arc::new(Hand::default());
        (Self::new(last_at, 0, Source::Hand(Arc::clone(&hand))), hand)
    }

    pub(crate) fn now(&self) -> Ms {
        let Passed { awake, altogether } = self.source.read();
        let at = self.base.saturating_add(altogether);
        let asleep = altogether.saturating_sub(awake);
        if asleep >= self.shared.asleep.load(Ordering::Acquire).saturating_add(ASLEEP_MIN) {
            // Before what others tell it by: nobody sees time jump and not why.
            self.shared.woke_at.fetch_max(at, Ordering::AcqRel);
            self.shared.asleep.fetch_max(asleep, Ordering::AcqRel);
        }
        at
    }

    /// When the machine last woke, as far as the last [`Self::now`] could tell; 0: it was not suspended since the start.
    pub(crate) fn woke_at(&self) -> Ms {
        self.shared.woke_at.load(Ordering::Acquire)
    }

    /// For how long the machine was suspended since the start, as far as the last [`Self::now`] could tell.
    pub(crate) fn asleep(&self) -> Ms {
        self.shared.asleep.load(Ordering::Acquire)
    }

    /// How long from now until the clock shows `at`, if the machine is not suspended meanwhile.
    pub(crate) fn until(&self, at: Ms) -> Duration {
        Duration::from_millis(u64::try_from(at.saturating_sub(self.now())).unwrap_or(0))
    }
}

/// The times that the broker and its machine go by may differ by this.
pub(crate) const OFF_MAX: Ms = 60_000;

/// What follows from the difference between the broker's time and the machine's clock, if there is one.
pub(crate) fn off(broker: Ms, machine: Ms) -> Option<String> {
    let by = (broker - machine).abs();
    if by <= OFF_MAX {
        return None;
    }
    let by = match by / 60_000 {
        minutes @ 0..120 => format!("{minutes} min"),
        minutes => format!("{} h {} min", minutes / 60, minutes % 60),
    };
    Some(if broker < machine {
        format!(
            "the broker's time is {by} behind its machine's clock, which was set since the broker started: what is \
             scheduled comes late by as much; start the broker again, and it goes by the clock"
        )
    } else {
        format!(
            "the broker's time is {by} ahead of its machine's clock: the clock was set back, or is wrong now. What is \
             scheduled comes early by as much; if the clock is right, start the broker again once it shows what the \
             broker does"
        )
    })
}

pub(crate) fn millis(duration: Duration) -> Ms {
    Ms::try_from(duration.as_millis()).unwrap_or(Ms::MAX)
}

fn throughout_ms() -> Ms {
    Duration::try_from(clock_gettime(THROUGHOUT)).map_or(0, millis)
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
        let cases: &[(&str, Ms, Ms, Ms)] =
            &[("wall ahead", 1_000, 5_000, 5_000), ("wall set back an hour", 9_000, 5_000, 9_000)];
        for (name, last_at, wall, expected) in cases {
            let hand = Arc::new(Hand::default());
            let clock = Clock::new(*last_at, *wall, Source::Hand(Arc::clone(&hand)));
            assert_eq!(clock.now(), *expected, "{name}");
            hand.pass(250);
            assert_eq!(clock.now(), expected + 250, "{name}");
            assert_eq!(clock.until(expected + 300), Duration::from_millis(50), "{name}");
            assert_eq!(clock.until(*expected), Duration::ZERO, "{name}");
        }
    }

    #[test]
    fn time_goes_on_while_the_machine_is_suspended_and_it_is_told_when_it_woke() {
        let (clock, hand) = Clock::by_hand(1_000);
        hand.pass(500);
        assert_eq!((clock.now(), clock.woke_at()), (1_500, 0));
        hand.suspend(ASLEEP_MIN - 1);
        assert_eq!((clock.now(), clock.woke_at()), (2_499, 0), "too short for anybody to care");
        hand.suspend(3_600_000);
        let copy = clock.clone();
        assert_eq!((copy.now(), clock.woke_at()), (3_602_499, 3_602_499));
        hand.pass(10_000);
        assert_eq!((clock.now(), copy.woke_at()), (3_612_499, 3_602_499), "it woke once");
        hand.suspend(ASLEEP_MIN);
        assert_eq!((clock.now(), copy.woke_at()), (3_613_499, 3_613_499));
    }

    #[test]
    fn a_clock_that_was_set_is_told_of_by_how_much_and_what_follows() {
        assert_eq!((off(60_000, 0), off(0, 60_000), off(5, 5)), (None, None, None));
        let behind = off(1_000, 1_000 + 6 * 3_600_000 + 59_000).unwrap();
        assert!(behind.starts_with("the broker's time is 6 h 0 min behind its machine's clock"), "{behind}");
        let ahead = off(61_000, 999).unwrap();
        assert!(ahead.starts_with("the broker's time is 1 min ahead of its machine's clock"), "{ahead}");
        for text in [behind, ahead] {
            assert!(text.len() <= nexus_wire::limits::ALERT_MESSAGE_BYTES_MAX, "{text}");
        }
    }

    #[test]
    fn the_clock_of_the_machine_shows_the_time_and_has_not_slept() {
        let clock = Clock::start(0);
        let (before, at, after) = (wall(), clock.now(), wall());
        assert!(before - 1_000 <= at && at <= after + 1_000, "{before} {at} {after}");
        assert_eq!(clock.woke_at(), 0);
    }
}
