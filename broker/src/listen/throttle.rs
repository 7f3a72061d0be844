//! Slows down an address whose credentials keep failing. Bounded; knows no sockets and no clock.

use std::collections::HashMap;
use std::net::IpAddr;
use std::time::{Duration, Instant};

const WINDOW: Duration = Duration::from_secs(60);
const FAILURES_MAX: u32 = 30;
const ADDRESSES_MAX: usize = 8_192;

#[derive(Debug, Default)]
pub(crate) struct Throttle {
    failures: HashMap<IpAddr, Failures>,
}

#[derive(Clone, Copy, Debug)]
struct Failures {
    since: Instant,
    count: u32,
}

impl Throttle {
    /// Whether a credential from there may be looked at. Loopback is never shut out: everybody on this machine
    /// shares it, and one misconfigured agent must not lock the others out.
    pub(crate) fn admits(&self, from: IpAddr, now: Instant) -> bool {
        if from.to_canonical().is_loopback() {
            return true;
        }
        let fresh = |it: &&Failures| now.saturating_duration_since(it.since) < WINDOW;
        self.failures.get(&from).filter(fresh).is_none_or(|it| it.count < FAILURES_MAX)
    }

    pub(crate) fn failed(&mut self, from: IpAddr, now: Instant) {
        if self.failures.len() >= ADDRESSES_MAX {
            self.failures.retain(|_, it| now.saturating_duration_since(it.since) < WINDOW);
        }
        if self.failures.len() >= ADDRESSES_MAX {
            self.failures.clear();
        }
        let entry = self.failures.entry(from).or_insert(Failures { since: now, count: 0 });
        if now.saturating_duration_since(entry.since) >= WINDOW {
            *entry = Failures { since: now, count: 0 };
        }
        entry.count += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock;

    #[test]
    fn failures_of_one_address_slow_that_address_alone_and_for_a_while() {
        let (here, there, start) = ("10.0.0.1".parse().unwrap(), "10.0.0.2".parse().unwrap(), clock::now());
        let mut throttle = Throttle::default();
        for _ in 0..FAILURES_MAX {
            assert!(throttle.admits(here, start));
            throttle.failed(here, start);
        }
        assert!(!throttle.admits(here, start + WINDOW - Duration::from_secs(1)));
        assert!(throttle.admits(there, start));
        assert!(throttle.admits(here, start + WINDOW));
        let loopback = "::ffff:127.0.0.1".parse().unwrap();
        for _ in 0..2 * FAILURES_MAX {
            throttle.failed(loopback, start);
        }
        assert!(throttle.admits(loopback, start));
        for number in 0..2 * ADDRESSES_MAX as u32 {
            throttle.failed(IpAddr::V4(number.into()), start);
        }
        assert!(throttle.failures.len() <= ADDRESSES_MAX);
    }
}
