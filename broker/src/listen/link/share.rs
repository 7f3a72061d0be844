//! What one link may take of what all links share. Beyond it nothing is refused or lost: what it sends stays in its socket
//! for a while, and other links are served meanwhile.

use std::sync::Arc;
use std::time::Duration;

use nexus_wire::Ms;
use tokio::sync::Semaphore;

use crate::config::Pace;
use crate::deliver::outbox::OWED_MAX;
use crate::observe::READS_OF_ONE;

/// A link that was quiet may go on for so long as if there were no limit.
const BURST_S: u64 = 5;
/// Commands of one link that may wait for the core: as many as it may be owed answers for, as those that want no answer
/// would otherwise take all the places there are.
const WAITING_OF_ONE: usize = OWED_MAX;

/// Answers to what one link asked to read that may be there at once, of a frame at most each. Who asks for more and does
/// not read them waits.
const ANSWERS_OF_ONE: usize = 32;

/// Places that are taken and given back, and how much it has sent lately.
#[derive(Debug)]
pub(super) struct Share {
    pub(super) commands: Arc<Semaphore>,
    pub(super) reads: Arc<Semaphore>,
    pub(super) answers: Arc<Semaphore>,
    spent: Spent,
    asked: Bucket,
    streamed: Bucket,
}

/// Since the socket was last read.
#[derive(Clone, Copy, Debug, Default)]
struct Spent {
    commands: u64,
    streamed: u64,
}

/// What a link has had too much of.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Slowed {
    pub(super) by: &'static str,
    pub(super) wait: Duration,
}

impl Share {
    pub(super) fn new(pace: Pace) -> Self {
        Self {
            commands: Arc::new(Semaphore::new(WAITING_OF_ONE)),
            reads: Arc::new(Semaphore::new(READS_OF_ONE)),
            answers: Arc::new(Semaphore::new(ANSWERS_OF_ONE)),
            spent: Spent::default(),
            asked: Bucket::new(u64::from(pace.commands_per_s.get())),
            streamed: Bucket::new(pace.stream_bytes_per_s),
        }
    }

    pub(super) fn command(&mut self) {
        self.spent.commands += 1;
    }

    pub(super) fn stream(&mut self, bytes: usize) {
        self.spent.streamed += bytes as u64;
    }

    /// Whether what came since the last call is to be counted, for which the clock is read.
    pub(super) fn is_spent(&self) -> bool {
        self.spent.commands + self.spent.streamed > 0
    }

    /// Counts what came since the last call. `Some`: so long nothing more is to be taken.
    pub(super) fn settle(&mut self, now: Ms) -> Option<Slowed> {
        let Spent { commands, streamed } = std::mem::take(&mut self.spent);
        let slowed = [
            Slowed { by: "commands_of_link", wait: self.asked.take(commands, now) },
            Slowed { by: "streams_of_link", wait: self.streamed.take(streamed, now) },
        ];
        slowed.into_iter().filter(|it| !it.wait.is_zero()).max_by_key(|it| it.wait)
    }
}

/// So much a second. What was taken beyond it is a debt that is paid by waiting.
#[derive(Clone, Copy, Debug)]
struct Bucket {
    per_s: u64,
    /// In thousandths.
    left: i64,
    at: Ms,
}

impl Bucket {
    fn new(per_s: u64) -> Self {
        let per_s = per_s.max(1);
        Self { per_s, left: Self::most(per_s), at: Ms::MIN }
    }

    fn most(per_s: u64) -> i64 {
        i64::try_from(per_s.saturating_mul(1_000 * BURST_S)).unwrap_or(i64::MAX)
    }

    /// How long to wait after it.
    fn take(&mut self, count: u64, now: Ms) -> Duration {
        let passed = now.saturating_sub(self.at).max(0);
        // A thousandth of what a second brings comes each millisecond.
        let gained = passed.saturating_mul(i64::try_from(self.per_s).unwrap_or(i64::MAX));
        self.left = self.left.saturating_add(gained).min(Self::most(self.per_s));
        self.at = self.at.max(now);
        let cost = i64::try_from(count.saturating_mul(1_000)).unwrap_or(i64::MAX);
        self.left = self.left.saturating_sub(cost);
        Duration::from_millis(self.left.min(0).unsigned_abs().div_ceil(self.per_s))
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU32;

    use super::*;

    fn share(commands: u32, bytes: u64) -> Share {
        let commands_per_s = NonZeroU32::new(commands).unwrap();
        Share::new(Pace { commands_per_s, stream_bytes_per_s: bytes })
    }

    fn slowed(by: &'static str, ms: u64) -> Option<Slowed> {
        Some(Slowed { by, wait: Duration::from_millis(ms) })
    }

    #[test]
    fn a_burst_is_free_and_what_comes_beyond_it_is_waited_for() {
        let mut share = share(10, 1_000);
        assert!(!share.is_spent());
        let mut say = |count: usize, now| {
            (0..count).for_each(|_| share.command());
            assert_eq!(share.is_spent(), count > 0);
            share.settle(now)
        };
        assert_eq!(say(50, 1_000_000), None, "five seconds' worth");
        assert_eq!(say(1, 1_000_000), slowed("commands_of_link", 100));
        assert_eq!(say(0, 1_000_050), slowed("commands_of_link", 50), "who comes too early waits on");
        assert_eq!(say(1, 1_000_200), None);
        assert_eq!(say(25, 1_000_200), slowed("commands_of_link", 2_500));
        assert_eq!(
            say(51, 2_000_000),
            slowed("commands_of_link", 100),
            "quiet for long, it has a burst and no more"
        );
        assert_eq!(
            say(1, 1_999_000),
            slowed("commands_of_link", 200),
            "a clock that stands still pays nothing"
        );
    }

    #[test]
    fn each_kind_of_work_has_its_own() {
        let mut share = share(10, 1_000);
        share.stream(5_500);
        (0..50).for_each(|_| share.command());
        assert_eq!(share.settle(7), slowed("streams_of_link", 500));
        (0..9).for_each(|_| share.command());
        assert_eq!(share.settle(7), slowed("commands_of_link", 900));
    }

    #[test]
    fn no_number_is_too_large() {
        let mut share = share(u32::MAX, u64::MAX);
        share.stream(usize::MAX);
        assert_eq!(share.settle(Ms::MAX), None);
        share.stream(usize::MAX);
        assert!(share.settle(Ms::MAX).is_some());
    }
}
