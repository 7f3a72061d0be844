//! When a round goes on with another provider, and in which order they are asked.
//!
//! One that failed is passed over for a while, so that not every round of an outage begins with its retries; then
//! it is the first to be asked again. Nobody is passed over for good: with all others failing, it is asked too.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::retry::RetryPolicy;
use crate::conversation::{Block, ProviderError, ProviderErrorKind};

/// How long one that failed is passed over.
pub const COOL_DOWN: Duration = Duration::from_secs(60);
/// The same where the provider asked for a longer wait; no longer than this.
pub const COOL_DOWN_MAX: Duration = Duration::from_secs(3600);
const _: () = assert!(COOL_DOWN.as_secs() < COOL_DOWN_MAX.as_secs());

/// With another one at hand, one is not waited for as long.
const ATTEMPTS_MAX: u32 = 2;
const PATIENCE: Duration = Duration::from_secs(10);

/// Until when a provider is passed over.
#[derive(Debug, Default)]
pub(crate) struct Rest(Mutex<Option<Instant>>);

impl Rest {
    fn until(&self) -> Option<Instant> {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn begin(&self, now: Instant, why: &ProviderErrorKind) {
        let asked = match why {
            ProviderErrorKind::RateLimit { retry_after, .. } => retry_after.unwrap_or_default(),
            ProviderErrorKind::Auth(_)
            | ProviderErrorKind::ContextWindow(_)
            | ProviderErrorKind::Invalid(_)
            | ProviderErrorKind::Overloaded(_)
            | ProviderErrorKind::Refused(_)
            | ProviderErrorKind::Stalled(_)
            | ProviderErrorKind::Stopped(_)
            | ProviderErrorKind::Transport(_)
            | ProviderErrorKind::Truncated(_) => Duration::ZERO,
        };
        let until = now + asked.clamp(COOL_DOWN, COOL_DOWN_MAX);
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(until);
    }

    pub(crate) fn end(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}

/// The order in which providers are asked at `now`, by their place in the list: those at rest come last.
pub(crate) fn order<'a>(rests: impl Iterator<Item = &'a Rest>, now: Instant) -> Vec<usize> {
    let mut order: Vec<(bool, usize)> =
        rests.enumerate().map(|(at, rest)| (rest.until().is_some_and(|until| now < until), at)).collect();
    order.sort_unstable();
    order.into_iter().map(|(_, at)| at).collect()
}

/// Whether another provider may do better. It may where the fault is this provider's or its account's. It is not
/// asked when the conversation is too long, which is to be compacted, nor when an answer was refused: nobody is to
/// look for a provider that has fewer scruples. While nothing is to be spent none is.
pub(crate) fn goes_on(why: &ProviderErrorKind) -> bool {
    match why {
        ProviderErrorKind::Auth(_)
        | ProviderErrorKind::Invalid(_)
        | ProviderErrorKind::Overloaded(_)
        | ProviderErrorKind::RateLimit { .. }
        | ProviderErrorKind::Stalled(_)
        | ProviderErrorKind::Transport(_)
        | ProviderErrorKind::Truncated(_) => true,
        ProviderErrorKind::ContextWindow(_)
        | ProviderErrorKind::Refused(_)
        | ProviderErrorKind::Stopped(_) => false,
    }
}

pub(crate) fn before_another(policy: RetryPolicy) -> RetryPolicy {
    RetryPolicy {
        attempts: policy.attempts.min(ATTEMPTS_MAX),
        patience: policy.patience.min(PATIENCE),
        ..policy
    }
}

/// The last error, with those that led to it.
pub(crate) fn after_others(error: ProviderError, others: &[ProviderError]) -> ProviderError {
    let before: String = others.iter().map(|other| format!("; before it, {other}")).collect();
    ProviderError { kind: super::map_message(error.kind, |text| text + &before), ..error }
}

/// A signature means something to whoever made it, and is refused by others.
pub(crate) fn unsign(block: &mut Block) {
    match block {
        Block::Thinking { signature, .. } => *signature = None,
        Block::Text { .. } | Block::ToolUse { .. } | Block::ToolResult { .. } => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn who_failed_is_asked_last_until_it_has_cooled_down() {
        let rests = [Rest::default(), Rest::default(), Rest::default()];
        let now = Instant::now();
        let order_at = |seconds| order(rests.iter(), now + Duration::from_secs(seconds));
        assert_eq!(order_at(0), [0, 1, 2]);
        rests[0].begin(now, &ProviderErrorKind::Overloaded("busy".to_owned()));
        assert_eq!(order_at(59), [1, 2, 0]);
        assert_eq!(order_at(60), [0, 1, 2]);
        let asks = |seconds| ProviderErrorKind::RateLimit {
            message: "slow down".to_owned(),
            retry_after: Some(Duration::from_secs(seconds)),
        };
        rests[1].begin(now, &asks(300));
        rests[2].begin(now, &asks(1_000_000));
        assert_eq!(order_at(0), [0, 1, 2], "with all at rest their places decide");
        assert_eq!(order_at(299), [0, 1, 2]);
        assert_eq!(order_at(300), [0, 1, 2]);
        rests[0].begin(now, &asks(400));
        assert_eq!(order_at(300), [1, 0, 2]);
        assert_eq!(order_at(400), [0, 1, 2]);
        rests[0].begin(now, &asks(1));
        rests[0].end();
        rests[1].end();
        assert_eq!(order_at(3599), [0, 1, 2]);
    }

    #[test]
    fn an_error_names_what_was_tried_before() {
        let error = |kind| ProviderError { provider: "openai".to_owned(), kind };
        let first = error(ProviderErrorKind::Stalled(Duration::from_secs(60)));
        let last = error(ProviderErrorKind::Auth("401: no".to_owned()));
        let told = after_others(last, &[first]).to_string();
        assert_eq!(
            told,
            "openai: the key was refused (401: no; before it, openai: no byte for 60 s; the stream was cut); \
             check the variable named by provider.api_key_env"
        );
    }
}
