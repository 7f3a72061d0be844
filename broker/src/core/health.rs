//! Whether the broker can do its work, for `/readyz` and for whoever has to try again.

use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Mutex, PoisonError};

use nexus_wire::Ms;
use nexus_wire::alert::{Alert, AlertKind};
use nexus_wire::limits::ALERT_MESSAGE_BYTES_MAX;
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

/// What the last commit that failed did so of, and when the first one of the outage did.
#[derive(Clone, Debug, Default)]
struct Failure {
    reason: String,
    since: Ms,
}

#[derive(Debug, Default)]
pub(crate) struct Health {
    state: AtomicU8,
    failure: Mutex<Failure>,
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
            State::Failed => self.failure().reason,
            State::Stopping => "the broker is stopping".to_owned(),
        }
    }

    fn failure(&self) -> Failure {
        self.failure.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The alert about the store that fails, which could not be written down. `head` is the newest entry of the log.
    pub(crate) fn alert(&self, head: u64) -> Option<Alert> {
        if self.state() != State::Failed {
            return None;
        }
        let Failure { reason, since } = self.failure();
        Some(Alert {
            key: Alert::key_of(AlertKind::Storage, ""),
            kind: AlertKind::Storage,
            subject: String::new(),
            message: told(&reason),
            seq: head + 1,
            raised_at: since,
            times: 1,
            cleared_at: None,
            acked_at: None,
            acked_by: None,
        })
    }

    /// Whether an outage may be over with this: one of before a start, too.
    pub(crate) fn working(&self) -> bool {
        match self.state() {
            State::Working | State::Stopping => return false,
            State::Starting => {}
            State::Failed => tracing::info!("storage is available again"),
        }
        self.turn(1);
        true
    }

    pub(crate) fn failed(&self, error: &StoreError, at: Ms) {
        let before = self.state();
        let since = if before == State::Failed { self.failure().since } else { at };
        let failure = Failure { reason: error.to_string(), since };
        *self.failure.lock().unwrap_or_else(PoisonError::into_inner) = failure;
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

/// What an operator is told of it, cut to what an alert may say.
pub(super) fn told(reason: &str) -> String {
    let told = format!("nothing can be written, so new work is refused; reading goes on: {reason}");
    told[..told.floor_char_boundary(ALERT_MESSAGE_BYTES_MAX)].to_owned()
}
