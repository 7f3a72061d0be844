//! Whether the broker can do its work, for `/readyz` and for whoever has to try again.

use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Mutex, PoisonError};

use nexus_wire::Ms;
use tokio::sync::Notify;

use crate::hub::records::StoreError;

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum State {
    Starting,
    Working,
    /// The last commit failed.
    Failed,
    Stopping,
}

/// Since when commits fail, and what the last one failed of.
#[derive(Clone, Debug, Default)]
struct Outage {
    since: Ms,
    reason: String,
}

#[derive(Debug, Default)]
pub(crate) struct Health {
    state: AtomicU8,
    outage: Mutex<Outage>,
    changed: Notify,
}

impl Health {
    pub(crate) fn state(&self) -> State {
        match self.state.load(Ordering::Acquire) {
            0 => State::Starting,
            1 => State::Working,
            2 => State::Failed,
            _ => State::Stopping,
        }
    }

    /// Why it is not working; empty when it is.
    pub(crate) fn reason(&self) -> String {
        match self.state() {
            State::Starting => "the broker is starting".to_owned(),
            State::Working => String::new(),
            State::Failed => self.outage().reason,
            State::Stopping => "the broker is stopping".to_owned(),
        }
    }

    fn outage(&self) -> Outage {
        self.outage.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// When the commits began to fail that still do.
    pub(crate) fn failing_since(&self) -> Option<Ms> {
        (self.state() == State::Failed).then(|| self.outage().since)
    }

    pub(crate) fn working(&self) {
        match self.state() {
            State::Working | State::Stopping => return,
            State::Starting => {}
            State::Failed => tracing::info!("storage is available again"),
        }
        self.turn(1);
    }

    pub(crate) fn failed(&self, error: &StoreError, at: Ms) {
        let before = self.state();
        let since = self.failing_since().unwrap_or(at);
        let outage = Outage { since, reason: error.to_string() };
        *self.outage.lock().unwrap_or_else(PoisonError::into_inner) = outage;
        match before {
            State::Starting | State::Working => {
                tracing::error!(%error, "a commit failed; its requests were answered storage_unavailable");
                self.turn(2);
            }
            State::Failed | State::Stopping => {}
        }
    }

    pub(crate) fn stopping(&self) {
        self.turn(3);
    }

    /// Returns once the first commit went well, or failed.
    pub(crate) async fn started(&self) {
        loop {
            let changed = self.changed.notified();
            if self.state() != State::Starting {
                return;
            }
            changed.await;
        }
    }

    fn turn(&self, state: u8) {
        self.state.store(state, Ordering::Release);
        self.changed.notify_waiters();
    }
}
