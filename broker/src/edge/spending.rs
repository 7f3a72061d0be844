//! Calls of models that the broker makes for somebody: none goes out while all spending is stopped, and one that is out
//! when it comes may go on for a while and no longer. Programs that heed no `spending.changed` are held by it as well.

use std::time::Duration;

use jiff::Timestamp;
use nexus_wire::budget::SpendingStop;
use nexus_wire::{ErrorBody, ErrorCode, Ms};
use serde_json::json;
use tokio::sync::watch;
use tokio::time::sleep;

use super::Edge;

impl Edge {
    /// Refuses a call of a model while nothing may be spent.
    pub(crate) fn may_spend(&self) -> Result<(), ErrorBody> {
        let now = self.now();
        // It ends with its day, though nobody may be able to write that down.
        let stop = self.published.spending.borrow().clone().filter(|stop| now < stop.until);
        stop.map_or(Ok(()), |stop| Err(refusal(&stop, now)))
    }

    /// Returns once a call of a model that is out has to end, and why. Safe to cancel.
    pub(crate) fn has_to_end(&self) -> impl Future<Output = ErrorBody> + Send + 'static {
        let (stop, finish, clock) = (self.published.spending.subscribe(), self.finish, self.clock.clone());
        async move {
            let stop = lasting(stop, finish).await;
            refusal(&stop, clock.now())
        }
    }
}

/// Returns when there has been a stop for as long as `finish`.
async fn lasting(mut stop: watch::Receiver<Option<SpendingStop>>, finish: Duration) -> SpendingStop {
    loop {
        if stop.wait_for(Option::is_some).await.is_err() {
            // The broker ends, and everything that is out with it.
            return std::future::pending().await;
        }
        let goes_on = async { stop.wait_for(Option::is_none).await.is_ok() };
        tokio::select! {
            biased;
            // Another one in its place is no reason to go on for longer.
            is_there = goes_on => if !is_there {
                return std::future::pending().await;
            },
            () = sleep(finish) => {}
        }
        if let Some(stop) = stop.borrow().clone() {
            return stop;
        }
    }
}

fn refusal(stop: &SpendingStop, now: Ms) -> ErrorBody {
    let SpendingStop { reason, by, until } = stop;
    let said = by.as_ref().map(|by| format!(" by {by}")).unwrap_or_default();
    let because = reason.as_ref().map(|reason| format!(" ({reason})")).unwrap_or_default();
    let end = Timestamp::from_millisecond(*until).map(|end| end.to_string()).unwrap_or_default();
    let message = format!(
        "all spending is stopped{said}{because}, so no model is asked; it goes on at {end}, or once an operator says: nexctl budget go-on"
    );
    let retry_after = u64::try_from(until.saturating_sub(now)).unwrap_or(0).div_ceil(1_000).max(1);
    let mut details = json!({"until": until, "retry_after": retry_after});
    if let Some(by) = by {
        details["by"] = json!(by);
    }
    if let Some(reason) = reason {
        details["reason"] = json!(reason);
    }
    ErrorBody::new(ErrorCode::SpendingStopped, message).with(details)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stop() -> SpendingStop {
        let by = Some("operator/ana".parse().unwrap());
        SpendingStop { reason: Some("too dear".into()), by, until: 86_400_000 }
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_out_ends_once_a_stop_has_lasted() {
        let finish = Duration::from_secs(60);
        let (say, said) = watch::channel(None);
        let ends = tokio::spawn(lasting(said, finish));
        // The clock moves by itself whenever nothing else can happen.
        sleep(10 * finish).await;
        assert!(!ends.is_finished(), "nobody has stopped anything");
        say.send_replace(Some(stop()));
        sleep(finish / 2).await;
        say.send_replace(None);
        sleep(10 * finish).await;
        assert!(!ends.is_finished(), "it went on in time");
        say.send_replace(Some(SpendingStop { by: None, ..stop() }));
        sleep(finish / 2).await;
        say.send_replace(Some(stop()));
        let began = tokio::time::Instant::now();
        assert_eq!(ends.await.unwrap(), stop());
        assert_eq!(began.elapsed(), finish / 2, "a stop in place of a stop gives no more time");
    }

    #[tokio::test]
    async fn with_no_time_given_it_ends_at_once() {
        let (_say, said) = watch::channel(Some(stop()));
        assert_eq!(lasting(said, Duration::ZERO).await, stop());
    }

    #[test]
    fn a_refusal_says_why_and_how_it_goes_on() {
        let message = "all spending is stopped by operator/ana (too dear), so no model is asked; it goes on at \
                       1970-01-02T00:00:00Z, or once an operator says: nexctl budget go-on";
        let details =
            json!({"until": 86_400_000, "retry_after": 3, "by": "operator/ana", "reason": "too dear"});
        let expected = ErrorBody::new(ErrorCode::SpendingStopped, message).with(details);
        assert_eq!(refusal(&stop(), 86_397_500), expected);
        let bare = refusal(&SpendingStop { reason: None, by: None, until: 0 }, 5);
        assert_eq!(bare.details, json!({"until": 0, "retry_after": 1}));
    }
}
