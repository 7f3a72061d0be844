//! How much of its time a turn or a Hand has left. Stands still while others are waited for.

use std::time::Duration;

use tokio::time::{Instant, sleep_until};

#[derive(Debug)]
pub(crate) struct Clock {
    left: Duration,
    /// `None` while it stands still.
    since: Option<Instant>,
}

impl Clock {
    pub(crate) fn start(allowed: Duration) -> Self {
        Self { left: allowed, since: Some(Instant::now()) }
    }

    pub(crate) fn set_running(&mut self, running: bool) {
        match (running, self.since) {
            (true, None) => self.since = Some(Instant::now()),
            (false, Some(since)) => {
                self.left = self.left.saturating_sub(since.elapsed());
                self.since = None;
            }
            (true, Some(_)) | (false, None) => {}
        }
    }

    /// When the time is over, should nothing stop the clock.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.since.and_then(|since| since.checked_add(self.left))
    }

    pub(crate) fn is_over(&self) -> bool {
        let spent = self.since.map_or(Duration::ZERO, |since| since.elapsed());
        spent >= self.left
    }

    /// Waits until the time is over; for ever while the clock stands still.
    pub(crate) async fn over(&self) {
        match self.deadline() {
            Some(deadline) => sleep_until(deadline).await,
            None => std::future::pending().await,
        }
    }
}

/// Never without a time.
pub(super) async fn until(at: Option<Instant>) {
    match at {
        Some(at) => sleep_until(at).await,
        None => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn only_running_time_counts() {
        let mut clock = Clock::start(Duration::from_secs(10));
        tokio::time::advance(Duration::from_secs(6)).await;
        clock.set_running(false);
        assert_eq!(clock.deadline(), None);
        tokio::time::advance(Duration::from_secs(600)).await;
        clock.set_running(true);
        clock.set_running(true);
        let now = Instant::now();
        clock.over().await;
        assert_eq!(now.elapsed().as_secs(), 4);
    }
}
