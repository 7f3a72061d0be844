//! Whether a task is still supervised: it beats as long as it gets its turns on a thread, and a lease is renewed only
//! for a task that has beaten since the last time.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::time::interval;

const INTERVAL: Duration = Duration::from_secs(1);

#[derive(Clone, Debug, Default)]
pub(crate) struct Beat(Arc<AtomicU64>);

impl Beat {
    /// Beside the work, in the same task: what keeps the task from running keeps this from beating. Never ends.
    pub(crate) async fn keep(&self) -> std::convert::Infallible {
        let mut ticks = interval(INTERVAL);
        loop {
            ticks.tick().await;
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Whether it has beaten since it stood at `seen`.
    pub(crate) fn has_moved(&self, seen: &mut u64) -> bool {
        let now = self.0.load(Ordering::Relaxed);
        std::mem::replace(seen, now) != now
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_task_that_is_stuck_or_gone_does_not_beat() {
        let beat = Beat::default();
        let kept = beat.clone();
        let mut seen = u64::MAX;
        assert!(beat.has_moved(&mut seen), "one that has just begun is given its time");
        assert!(!beat.has_moved(&mut seen), "it never ran");
        let task = tokio::spawn(async move { kept.keep().await });
        tokio::time::sleep(INTERVAL).await;
        assert!(beat.has_moved(&mut seen));
        // The clock goes on, and nobody gives the task its turn.
        tokio::time::advance(30 * INTERVAL).await;
        let mut stuck = seen;
        task.abort();
        let _ = task.await;
        let _ = beat.has_moved(&mut stuck);
        tokio::time::sleep(10 * INTERVAL).await;
        assert!(!beat.has_moved(&mut stuck), "it is gone");
    }
}
