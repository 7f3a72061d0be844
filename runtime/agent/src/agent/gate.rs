//! Whether models may be asked: operators can stop all spending for a day, and a day's budget can be used up. The broker
//! says so; nothing is asked before it has said anything.

use std::future::pending;
use std::time::Duration;

use jiff::Timestamp;
use nexus_wire::Ms;
use nexus_wire::budget::{SpendingChanged, SpendingStop};
use tokio::sync::watch;
use tokio::time::sleep;

use crate::provider::Leave;
use crate::turn::Halt;

/// A clock may be set, and a machine may sleep.
const LOOK_INTERVAL: Duration = Duration::from_secs(60);

/// What the broker said last, for who keeps the gate; `None`: nothing yet.
pub(crate) type Said = watch::Sender<Option<SpendingChanged>>;

/// What everything that asks a model looks at.
#[derive(Clone, Debug)]
pub(crate) struct Gate(watch::Receiver<Option<Halt>>);

impl Gate {
    /// It is kept as long as `Said` is there.
    pub(crate) fn new() -> (Said, Self) {
        let (say, said) = watch::channel(None);
        let (halt, halts) = watch::channel(Some(Halt::Unknown));
        tokio::spawn(keep(said, halt));
        (say, Self(halts))
    }

    /// For rounds, which may take several attempts.
    pub(crate) fn leave(&self) -> Leave {
        self.0.clone()
    }

    /// Why no model may be asked.
    pub(crate) fn why(&mut self) -> Option<Halt> {
        self.0.borrow_and_update().clone()
    }

    /// The same, once it is something else than it was when it was last looked at. Safe to cancel.
    pub(crate) async fn changed(&mut self) -> Option<Halt> {
        if self.0.changed().await.is_err() {
            // The process ends.
            pending::<()>().await;
        }
        self.why()
    }

    /// Waits until one may be. Safe to cancel.
    pub(crate) async fn open(&mut self) {
        while self.why().is_some() {
            self.changed().await;
        }
    }

    /// The same, unless somebody has said that none may be: why. Safe to cancel.
    pub(crate) async fn answer(&mut self) -> Result<(), String> {
        loop {
            match self.why() {
                None => return Ok(()),
                Some(Halt::Stopped(why)) => return Err(why),
                Some(Halt::Unknown) => _ = self.changed().await,
            }
        }
    }
}

/// A stop ends by itself.
async fn keep(mut said: watch::Receiver<Option<SpendingChanged>>, halt: watch::Sender<Option<Halt>>) {
    loop {
        let last = said.borrow_and_update().clone();
        let now = Timestamp::now().as_millisecond();
        let (why, left) = match last {
            None => (Some(Halt::Unknown), None),
            Some(SpendingChanged { stop }) => match stop.filter(|stop| now < stop.until) {
                None => (None, None),
                Some(stop) => (Some(Halt::Stopped(words(&stop))), Some(left(stop.until, now))),
            },
        };
        halt.send_if_modified(|before| {
            let is_new = *before != why;
            match &why {
                Some(Halt::Stopped(why)) if is_new => tracing::warn!("no model is asked: {why}"),
                None if is_new => tracing::debug!("models may be asked"),
                Some(_) | None => {}
            }
            *before = why;
            is_new
        });
        let look = async {
            match left {
                Some(left) => sleep(left).await,
                None => pending().await,
            }
        };
        tokio::select! {
            changed = said.changed() => if changed.is_err() {
                return;
            },
            () = look => {}
        }
    }
}

fn left(until: Ms, now: Ms) -> Duration {
    let left = u64::try_from(until.saturating_sub(now)).unwrap_or(0);
    Duration::from_millis(left.max(1)).min(LOOK_INTERVAL)
}

fn words(stop: &SpendingStop) -> String {
    let by = stop.by.as_ref().map(|by| format!(" by {by}")).unwrap_or_default();
    let until = Timestamp::from_millisecond(stop.until).map(|until| until.to_string()).unwrap_or_default();
    let because = stop.reason.as_ref().map(|reason| format!(": {reason}")).unwrap_or_default();
    format!("all spending is stopped{by} until {until}{because}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stop(until: Ms) -> Option<SpendingChanged> {
        let by = Some("operator/ana".parse().expect("a party"));
        Some(SpendingChanged { stop: Some(SpendingStop { reason: Some("too dear".into()), by, until }) })
    }

    #[tokio::test]
    async fn nothing_is_asked_before_the_broker_has_said_that_it_may_be() {
        let (say, mut gate) = Gate::new();
        assert_eq!(gate.why(), Some(Halt::Unknown));
        let far: Ms = 4_102_444_800_000;
        say.send_replace(stop(far));
        let words = "all spending is stopped by operator/ana until 2100-01-01T00:00:00Z: too dear";
        assert_eq!(gate.changed().await, Some(Halt::Stopped(words.into())));
        assert_eq!(gate.answer().await, Err(words.into()));
        say.send_replace(Some(SpendingChanged { stop: None }));
        gate.open().await;
        assert_eq!((gate.why(), gate.answer().await), (None, Ok(())));
    }

    #[tokio::test]
    async fn a_stop_is_over_when_its_day_is_though_nobody_says_so() {
        let (say, mut gate) = Gate::new();
        say.send_replace(stop(Timestamp::now().as_millisecond() + 50));
        gate.open().await;
        say.send_replace(stop(1));
        gate.open().await;
    }
}
