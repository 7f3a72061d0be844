//! The one place that decides whether a failed round is tried again, and when.
//!
//! Adapters make single attempts and say how they failed. What an attempt told before it failed is made void
//! by [`StreamEvent::Restart`]; what it is known to have cost stays on the meter.

use std::time::Duration;

use tokio::time::Instant;

use super::meter::Listener;
use super::price::Tariff;
use crate::conversation::{ModelReply, ProviderError, ProviderErrorKind, StreamEvent, Usage};

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct RetryPolicy {
    /// Attempts in all, the first one included.
    pub attempts: u32,
    /// The wait before the second attempt; it doubles from there.
    pub base: Duration,
    /// The longest wait chosen by ourselves.
    pub cap: Duration,
    /// The longest wait taken from a provider's `retry-after`; a longer one is the caller's matter.
    pub patience: Duration,
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self {
            attempts: 5,
            base: Duration::from_millis(500),
            cap: Duration::from_secs(30),
            patience: Duration::from_secs(120),
        }
    }
}

impl RetryPolicy {
    /// How long to wait after attempt number `attempt` (from 1) failed; `None` when it is to be the last.
    /// `jitter` lies in 0..1: waits are spread over the upper half, so that many agents do not return at once.
    pub fn wait_after(&self, attempt: u32, error: &ProviderError, jitter: f64) -> Option<Duration> {
        if attempt >= self.attempts || !error.is_transient() {
            return None;
        }
        let doubled = self.base.saturating_mul(2u32.saturating_pow(attempt - 1)).min(self.cap);
        let own = doubled.mul_f64(0.5 + jitter.clamp(0.0, 1.0) / 2.0);
        match asked_for(error) {
            Some(asked) if asked > self.patience => None,
            Some(asked) => Some(own.max(asked)),
            None => Some(own),
        }
    }
}

fn asked_for(error: &ProviderError) -> Option<Duration> {
    if let ProviderErrorKind::RateLimit { retry_after, .. } = &error.kind { *retry_after } else { None }
}

/// Where an attempt tells its events and what it costs.
#[derive(Debug)]
pub(crate) struct Telling {
    listener: Listener,
    tariff: Tariff,
    told: bool,
}

impl Telling {
    fn new(listener: Listener, tariff: Tariff) -> Self {
        Self { listener, tariff, told: false }
    }

    pub(crate) async fn tell(&mut self, event: StreamEvent) {
        self.told = true;
        self.listener.tell(event).await;
    }

    /// The latest count of this attempt; counts are cumulative, as providers give them.
    pub(crate) fn spent(&mut self, usage: Usage) {
        self.listener.meter.running(self.tariff.charge(&self.tariff.model, usage));
    }
}

/// One try at a round; numbered from 1.
pub(crate) trait Attempt: Sync {
    fn attempt(
        &self,
        number: u32,
        telling: &mut Telling,
    ) -> impl Future<Output = Result<ModelReply, ProviderError>> + Send;
}

/// A round that was given up.
#[derive(Debug, PartialEq)]
pub(crate) struct GivenUp {
    pub(crate) error: ProviderError,
    /// The last attempt has shown something, which is void.
    pub(crate) told: bool,
}

/// Tries until an attempt succeeds, one fails for good, or the next would begin after `deadline`. What all of
/// them cost is on the listener's meter.
pub(crate) async fn drive(
    policy: RetryPolicy,
    deadline: Option<Instant>,
    listener: &Listener,
    tariff: &Tariff,
    round: impl Attempt,
) -> Result<ModelReply, GivenUp> {
    let mut number = 1;
    loop {
        let mut telling = Telling::new(listener.clone(), tariff.clone());
        let error = match round.attempt(number, &mut telling).await {
            Ok(reply) => {
                listener.meter.running(tariff.charge(&reply.model, reply.usage));
                listener.meter.settle();
                return Ok(reply);
            }
            Err(error) => error,
        };
        listener.meter.settle();
        let given_up = |error| Err(GivenUp { error, told: telling.told });
        let Some(wait) = policy.wait_after(number, &error, rand::random()) else { return given_up(error) };
        if let Some(deadline) = deadline
            && deadline.saturating_duration_since(Instant::now()) <= wait
        {
            return given_up(error);
        }
        tracing::info!(attempt = number, wait_ms = wait.as_millis(), %error, "trying the provider again");
        if telling.told {
            listener.tell(StreamEvent::Restart).await;
        }
        tokio::time::sleep(wait).await;
        if let Some(kind) = listener.stopped() {
            let error = ProviderError { provider: error.provider, kind };
            // What it had shown is void by now.
            return Err(GivenUp { error, told: false });
        }
        number += 1;
    }
}

#[cfg(test)]
mod tests;
