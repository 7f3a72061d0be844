//! Where a round is heard of while it runs: its events, and what it has cost so far.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::mpsc::Sender;
use tokio::sync::watch;

use super::price::Charge;
use crate::conversation::{ProviderErrorKind, StreamEvent};
use crate::turn::Halt;

/// What a round has cost by now, also when it is given up halfway. Clones share one account.
#[derive(Clone, Debug, Default)]
pub struct Meter(Arc<Mutex<Account>>);

#[derive(Debug, Default)]
struct Account {
    /// Of attempts that are over.
    settled: Charge,
    running: Charge,
}

impl Meter {
    pub fn total(&self) -> Charge {
        let account = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        account.settled.plus(account.running)
    }

    /// The running attempt has cost this in all.
    pub(crate) fn running(&self, charge: Charge) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).running = charge;
    }

    /// The running attempt is over.
    pub(crate) fn settle(&self) {
        let mut account = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        account.settled = account.settled.plus(account.running);
        account.running = Charge::default();
    }
}

/// Who follows a round.
#[derive(Clone, Debug)]
pub struct Listener {
    pub events: Sender<StreamEvent>,
    pub meter: Meter,
    /// What says whether there may be another attempt; without it there may.
    pub(crate) leave: Option<Leave>,
}

/// Why no model may be asked, as it stands at the moment.
pub(crate) type Leave = watch::Receiver<Option<Halt>>;

impl From<Sender<StreamEvent>> for Listener {
    fn from(events: Sender<StreamEvent>) -> Self {
        Self { events, meter: Meter::default(), leave: None }
    }
}

impl Listener {
    /// Why there may be no further attempt of the round. The first one is its caller's to allow.
    pub(crate) fn stopped(&self) -> Option<ProviderErrorKind> {
        match &*self.leave.as_ref()?.borrow() {
            Some(Halt::Stopped(why)) => Some(ProviderErrorKind::Stopped(why.clone())),
            Some(Halt::Unknown) | None => None,
        }
    }

    /// A listener that went away does not end the round: the reply is still wanted.
    pub(crate) async fn tell(&self, event: StreamEvent) {
        let _ = self.events.send(event).await;
    }
}
