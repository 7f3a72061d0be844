//! How long to wait before dialling again. Pure: the jitter is drawn from the caller's source.

use std::time::Duration;

use nexus_wire::limits::{BACKOFF_MAX, BACKOFF_MIN};
use rand::{Rng, RngExt as _};

/// Doubles from half a second to half a minute. Each wait is drawn from the upper half of its step, so that a team
/// that lost its broker at once does not come back at once.
#[derive(Clone, Debug)]
pub struct Backoff {
    step: Duration,
}

impl Default for Backoff {
    fn default() -> Self {
        Self { step: BACKOFF_MIN }
    }
}

impl Backoff {
    /// The next wait; the one after it will be twice as long.
    pub fn next(&mut self, jitter: &mut impl Rng) -> Duration {
        let step = self.step;
        self.step = (step * 2).min(BACKOFF_MAX);
        step.mul_f64(jitter.random_range(0.5..=1.0))
    }

    pub fn reset(&mut self) {
        *self = Self::default();
    }
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng as _;
    use rand::rngs::StdRng;

    use super::*;

    #[test]
    fn it_doubles_to_its_limit_and_starts_over() {
        for seed in 0..100 {
            let mut jitter = StdRng::seed_from_u64(seed);
            let mut backoff = Backoff::default();
            for step in [500, 1000, 2000, 4000, 8000, 16_000, 30_000, 30_000] {
                let wait = backoff.next(&mut jitter);
                assert!(wait <= Duration::from_millis(step), "seed {seed}: {wait:?} at {step}");
                assert!(wait >= Duration::from_millis(step / 2), "seed {seed}: {wait:?} at {step}");
            }
            backoff.reset();
            assert!(backoff.next(&mut jitter) <= BACKOFF_MIN, "seed {seed}");
        }
    }
}
