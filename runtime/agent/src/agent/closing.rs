//! How the process ends: what has begun may end within the grace, the rest is left as it stands on disk, and the
//! broker is told goodbye.

use std::time::Duration;

use nexus_wire::roster::Deregister;
use tokio::time::{Instant, sleep_until, timeout};

use super::drive::Stage;
use super::owner::Owner;
use crate::cli::Exit;

/// For what was parked to come to rest, and then for a last word to the broker.
const REST_TIMEOUT: Duration = Duration::from_secs(2);
const BYE_TIMEOUT: Duration = Duration::from_secs(2);

/// When the grace is over, once it has begun.
#[derive(Debug)]
pub(super) struct Closing {
    grace: Duration,
    until: Option<Instant>,
}

impl Closing {
    pub(super) fn new(grace: Duration) -> Self {
        Self { grace, until: None }
    }

    /// Safe to cancel.
    pub(super) async fn over(&self) {
        match self.until {
            Some(until) => sleep_until(until).await,
            None => std::future::pending().await,
        }
    }
}

impl Owner {
    /// Nothing begins any more. Whoever says it a second time does not want to wait.
    pub(super) fn begin_closing(&mut self) -> Option<Exit> {
        if self.closing.until.is_some() {
            return Some(Exit::Done);
        }
        self.closing.until = Some(Instant::now() + self.closing.grace);
        self.channels.stop.send_replace(Stage::Closing);
        self.seats.close();
        if !(self.seats.is_at_rest() && self.tasks.is_at_rest()) {
            let seconds = self.closing.grace.as_secs();
            tracing::info!(
                "stopping: turns at work may end within {seconds} s; the signal again stops at once"
            );
        }
        None
    }

    /// Whether it is to end and everything has come to rest. What is posted is waited for while there is a link.
    pub(super) async fn may_end(&self) -> bool {
        self.closing.until.is_some()
            && self.seats.is_at_rest()
            && self.tasks.is_at_rest()
            && (self.uplink.link().is_none() || self.shared.books.all_sent().await.unwrap_or(true))
    }

    /// Parks what is at work, says goodbye.
    pub(super) async fn stop(self) {
        let Self { shared, uplink, channels, mut seats, mut tasks, worker_news, news, .. } = self;
        channels.stop.send_replace(Stage::Stopping);
        seats.close();
        // A worker that has something to tell must not wait for somebody to hear it.
        drop((worker_news, news));
        let at_rest = async {
            while seats.ended().await.is_some() {}
            while let Some(finished) = tasks.finished().await {
                if let Err(error) = tasks.hand_in(finished).await {
                    tracing::warn!(%error, "a result could not be put on record");
                }
            }
        };
        if timeout(REST_TIMEOUT, at_rest).await.is_err() {
            tracing::warn!("some work did not come to rest in time; it goes on from what is on disk");
        }
        if let Some(link) = uplink.link().cloned() {
            let bye = Deregister { reason: Some("stopping".to_owned()) };
            let _ = timeout(BYE_TIMEOUT, link.call(bye)).await;
            let _ = timeout(BYE_TIMEOUT, link.close()).await;
        }
        if let Err(error) = shared.books.flush().await {
            tracing::warn!(%error, "what was sent is not on record, and will be sent again");
        }
    }
}
