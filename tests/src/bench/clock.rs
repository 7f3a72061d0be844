//! The one place of the benchmarks that reads a clock or waits for one.

use std::time::{Duration, Instant};

#[expect(clippy::disallowed_methods, reason = "a benchmark is a driver: measuring time is what it is for")]
pub(crate) fn now() -> Instant {
    Instant::now()
}

/// Between two looks at something that announces itself by no event.
#[expect(clippy::disallowed_methods, reason = "a port that is not open yet cannot be waited for")]
pub(crate) fn pause(duration: Duration) {
    std::thread::sleep(duration);
}

/// Milliseconds since the Unix epoch, for ids that have to be ordered by time.
#[expect(clippy::disallowed_methods, reason = "request ids carry wall time, as those of a real client do")]
pub(crate) fn unix_ms() -> u64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    since.map_or(0, |since| u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}

pub(crate) fn micros(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e6
}
