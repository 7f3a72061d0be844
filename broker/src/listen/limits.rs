//! How often an address and an identity may ask. Bounded memory; what is refused learns when to try again.
//!
//! Everybody on this machine shares the loopback addresses, so those are not counted by address. Failed
//! credentials count from anywhere: after too many, passwords and setup tokens from there are not looked at any
//! more, and nothing else is from beyond this machine.

use std::collections::HashMap;
use std::hash::Hash;
use std::net::{IpAddr, Ipv6Addr};
use std::num::NonZeroU32;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use governor::clock::{Clock, DefaultClock, Reference};
use governor::middleware::NoOpMiddleware;
use governor::nanos::Nanos;
use governor::state::keyed::{HashMapStateStore, ShrinkableKeyedStateStore};
use governor::state::{InMemoryState, NotKeyed, StateStore};
use governor::{Quota, RateLimiter};
use nexus_wire::{ErrorBody, ErrorCode, Party};
use serde_json::json;

use crate::config::Rates;

const KEYS_MAX: usize = 8_192;
const SWEEP_INTERVAL: Duration = Duration::from_secs(1);
/// A burst may be as large as what is allowed in so many seconds.
const BURST_S: u32 = 5;

/// Whoever is known has a place of their own. Once there are too many, all others share one.
#[derive(Debug)]
struct Places<K: Hash + Eq + Clone> {
    own: HashMapStateStore<K>,
    shared: InMemoryState,
}

impl<K: Hash + Eq + Clone> StateStore for Places<K> {
    type Key = K;

    fn measure_and_replace<T, F, E>(&self, key: &K, f: F) -> Result<T, E>
    where
        F: Fn(Option<Nanos>) -> Result<(T, Nanos), E>,
    {
        let has_own = {
            let own = self.own.lock();
            own.len() < KEYS_MAX || own.contains_key(key)
        };
        match has_own {
            true => self.own.measure_and_replace(key, f),
            false => self.shared.measure_and_replace(&NotKeyed::NonKey, f),
        }
    }
}

impl<K: Hash + Eq + Clone> ShrinkableKeyedStateStore<K> for Places<K> {
    fn retain_recent(&self, drop_below: Nanos) {
        self.own.retain_recent(drop_below);
    }

    fn len(&self) -> usize {
        self.own.len()
    }

    fn is_empty(&self) -> bool {
        self.own.is_empty()
    }
}

#[derive(Debug)]
struct Limit<K: Hash + Eq + Clone, C: Clock + Clone> {
    keyed: RateLimiter<K, Places<K>, C, NoOpMiddleware<C::Instant>>,
    clock: C,
    /// When room was last made for others.
    swept: Mutex<Option<C::Instant>>,
    /// How often it said no.
    refused: AtomicU64,
}

impl<K: Hash + Eq + Clone, C: Clock + Clone> Limit<K, C> {
    fn new(quota: Quota, clock: &C) -> Self {
        let places = Places { own: HashMapStateStore::default(), shared: InMemoryState::default() };
        let keyed = RateLimiter::new(quota, places, clock.clone());
        Self { keyed, clock: clock.clone(), swept: Mutex::default(), refused: AtomicU64::new(0) }
    }

    /// `Err`: how long to wait.
    fn take(&self, key: &K) -> Result<(), Duration> {
        if self.keyed.len() >= KEYS_MAX {
            self.make_room();
        }
        self.keyed.check_key(key).map_err(|not_until| {
            self.refused.fetch_add(1, Ordering::Relaxed);
            not_until.wait_time_from(self.clock.now())
        })
    }

    /// Looks at all who are known, and so not for every request.
    fn make_room(&self) {
        let now = self.clock.now();
        let mut swept = self.swept.lock().unwrap_or_else(PoisonError::into_inner);
        if swept.is_none_or(|at| Duration::from(now.duration_since(at)) >= SWEEP_INTERVAL) {
            *swept = Some(now);
            self.keyed.retain_recent();
        }
    }
}

#[derive(Debug)]
pub(crate) struct Limits<C: Clock + Clone = DefaultClock> {
    requests_of_identity: Limit<Party, C>,
    requests_from: Limit<IpAddr, C>,
    upgrades_from: Limit<IpAddr, C>,
    failures_from: Limit<IpAddr, C>,
    /// Addresses that failed too often, and until when.
    shut_out: Mutex<HashMap<IpAddr, C::Instant>>,
    clock: C,
}

/// What a credential from some address may still be.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Standing {
    Good,
    /// Too many failures, on this machine: secrets that could be guessed are not looked at.
    Guarded(Duration),
    /// Too many failures, from elsewhere: nothing is.
    ShutOut(Duration),
}

impl Limits {
    pub(crate) fn new(rates: Rates) -> Self {
        Self::with(rates, DefaultClock::default())
    }
}

impl<C: Clock + Clone> Limits<C> {
    fn with(rates: Rates, clock: C) -> Self {
        let per_second =
            |count: NonZeroU32| Quota::per_second(count).allow_burst(count.saturating_mul(burst()));
        Self {
            requests_of_identity: Limit::new(per_second(rates.requests_per_s), &clock),
            requests_from: Limit::new(per_second(rates.requests_per_s), &clock),
            upgrades_from: Limit::new(per_second(rates.upgrades_per_s), &clock),
            failures_from: Limit::new(Quota::per_minute(rates.failures_per_min), &clock),
            shut_out: Mutex::default(),
            clock,
        }
    }

    /// How often each limit was reached since the start.
    pub(crate) fn refused(&self) -> [(&'static str, u64); 4] {
        let count = |refused: &AtomicU64| refused.load(Ordering::Relaxed);
        [
            ("requests_of_identity", count(&self.requests_of_identity.refused)),
            ("requests_from_address", count(&self.requests_from.refused)),
            ("upgrades_from_address", count(&self.upgrades_from.refused)),
            ("failures_from_address", count(&self.failures_from.refused)),
        ]
    }

    /// A request over HTTP, before anybody has said who they are.
    pub(crate) fn request(&self, from: IpAddr) -> Result<(), ErrorBody> {
        if is_here(from) {
            return Ok(());
        }
        self.requests_from.take(&network(from)).map_err(|wait| limited("requests from this address", wait))
    }

    pub(crate) fn upgrade(&self, from: IpAddr) -> Result<(), ErrorBody> {
        if is_here(from) {
            return Ok(());
        }
        self.upgrades_from
            .take(&network(from))
            .map_err(|wait| limited("links opened from this address", wait))
    }

    pub(crate) fn identity(&self, party: &Party) -> Result<(), ErrorBody> {
        let taken = self.requests_of_identity.take(party);
        taken.map_err(|wait| limited(&format!("requests of {party}"), wait))
    }

    pub(crate) fn standing(&self, from: IpAddr) -> Standing {
        let now = self.clock.now();
        let shut_out = self.shut_out.lock().unwrap_or_else(PoisonError::into_inner);
        match shut_out.get(&network(from)).filter(|until| **until > now) {
            None => Standing::Good,
            Some(until) => {
                let wait = until.duration_since(now).into();
                if is_here(from) { Standing::Guarded(wait) } else { Standing::ShutOut(wait) }
            }
        }
    }

    /// A credential from there was no good.
    pub(crate) fn failed(&self, from: IpAddr) {
        let key = network(from);
        let Err(wait) = self.failures_from.take(&key) else { return };
        let now = self.clock.now();
        let mut shut_out = self.shut_out.lock().unwrap_or_else(PoisonError::into_inner);
        if shut_out.len() >= KEYS_MAX {
            shut_out.retain(|_, until| *until > now);
        }
        if shut_out.len() < KEYS_MAX || shut_out.contains_key(&key) {
            shut_out.insert(key, now + wait.into());
        }
    }
}

pub(crate) fn limited(what: &str, wait: Duration) -> ErrorBody {
    let seconds = wait.as_secs() + 1;
    let message = format!("too many {what}; try again in {seconds} s");
    ErrorBody::new(ErrorCode::RateLimited, message).with(json!({"retry_after": seconds}))
}

fn is_here(from: IpAddr) -> bool {
    from.to_canonical().is_loopback()
}

/// An IPv6 customer has 2⁶⁴ addresses and is one.
fn network(from: IpAddr) -> IpAddr {
    match from.to_canonical() {
        IpAddr::V4(address) => IpAddr::V4(address),
        IpAddr::V6(address) if address.is_loopback() => IpAddr::V6(address),
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            IpAddr::V6(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
        }
    }
}

const fn burst() -> NonZeroU32 {
    match NonZeroU32::new(BURST_S) {
        Some(burst) => burst,
        None => NonZeroU32::MIN,
    }
}

#[cfg(test)]
mod tests {
    use governor::clock::FakeRelativeClock;

    use super::*;

    fn limits() -> (Limits<FakeRelativeClock>, FakeRelativeClock) {
        let clock = FakeRelativeClock::default();
        let number = |n: u32| NonZeroU32::new(n).unwrap();
        let rates =
            Rates { requests_per_s: number(2), upgrades_per_s: number(1), failures_per_min: number(3) };
        (Limits::with(rates, clock.clone()), clock)
    }

    #[test]
    fn who_asks_too_often_waits_and_nobody_else_does() {
        let (limits, clock) = limits();
        let (here, there): (IpAddr, IpAddr) = ("10.0.0.1".parse().unwrap(), "10.0.0.2".parse().unwrap());
        let passed = (0..20).filter(|_| limits.request(here).is_ok()).count();
        assert_eq!(passed, 10, "two a second, and a burst of five seconds");
        let error = limits.request(here).unwrap_err();
        assert_eq!((error.code, error.details), (ErrorCode::RateLimited, json!({"retry_after": 1})));
        assert!(limits.request(there).is_ok());
        clock.advance(Duration::from_secs(1));
        assert_eq!((0..5).filter(|_| limits.request(here).is_ok()).count(), 2);
        let loopback = "127.0.0.1".parse().unwrap();
        assert_eq!((0..99).filter(|_| limits.request(loopback).is_ok()).count(), 99);
        assert_eq!((0..9).filter(|_| limits.upgrade(here).is_ok()).count(), 5);
        let ana: Party = "operator/ana".parse().unwrap();
        assert_eq!((0..99).filter(|_| limits.identity(&ana).is_ok()).count(), 10);
        assert!(limits.identity(&Party::System).is_ok());
        let refused = limits.refused().map(|(_, count)| count);
        assert_eq!(refused, [89, 14, 4, 0], "of identities, requests, upgrades and failures");
    }

    #[test]
    fn failures_shut_out_what_can_be_guessed_for_a_while() {
        let (limits, clock) = limits();
        let cases: [(&str, &str); 3] =
            [("10.0.0.1", "10.0.0.2"), ("2001:db8::1", "2001:db8:0:1::1"), ("127.0.0.1", "127.0.0.2")];
        for (from, other) in cases {
            let (from, other): (IpAddr, IpAddr) = (from.parse().unwrap(), other.parse().unwrap());
            for _ in 0..4 {
                assert_eq!(limits.standing(from), Standing::Good, "{from}");
                limits.failed(from);
            }
            match limits.standing(from) {
                Standing::Guarded(wait) => assert!(is_here(from) && wait <= Duration::from_secs(20)),
                Standing::ShutOut(wait) => assert!(!is_here(from) && wait <= Duration::from_secs(20)),
                Standing::Good => panic!("{from} failed too often"),
            }
            assert_eq!(limits.standing(other), Standing::Good, "{other}");
            clock.advance(Duration::from_secs(21));
            assert_eq!(limits.standing(from), Standing::Good, "{from}");
        }
        let same: IpAddr = "2001:db8::2".parse().unwrap();
        for _ in 0..9 {
            limits.failed("2001:db8::1".parse().unwrap());
        }
        assert_ne!(limits.standing(same), Standing::Good, "one network");
    }

    #[test]
    fn when_there_are_too_many_the_known_keep_their_places_and_others_share_one() {
        let (limits, clock) = limits();
        let nth = |n: usize| IpAddr::V4((0x0b00_0000 + n as u32).into());
        for n in 0..KEYS_MAX {
            assert!(limits.request(nth(n)).is_ok(), "{n}");
        }
        let passed = (KEYS_MAX..KEYS_MAX + 99).filter(|n| limits.request(nth(*n)).is_ok()).count();
        assert_eq!(passed, 10, "all of them together as one");
        assert_eq!(
            (0..99).filter(|_| limits.request(nth(0)).is_ok()).count(),
            9,
            "as if there were no others"
        );
        assert_eq!(limits.requests_from.keyed.len(), KEYS_MAX);
        // Who has not asked for a while makes room.
        clock.advance(Duration::from_secs(60));
        assert_eq!((0..99).filter(|_| limits.request(nth(KEYS_MAX)).is_ok()).count(), 10);
        assert_eq!(limits.requests_from.keyed.len(), 1);
    }

    #[test]
    fn so_many_are_shut_out_and_no_more() {
        let (limits, _) = limits();
        for n in 0..KEYS_MAX as u32 + 64 {
            for _ in 0..4 {
                limits.failed(IpAddr::V4((0x0b00_0000 + n).into()));
            }
        }
        assert_eq!(limits.shut_out.lock().unwrap().len(), KEYS_MAX);
    }
}
