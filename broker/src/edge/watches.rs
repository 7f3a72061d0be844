//! Looks at the addresses of watches: one task for each, so that one that answers slowly keeps nobody else waiting, and
//! few at the same time. What is found goes to the hub, which alone says what it means.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use nexus_outbound::{Allowed, Answer, Failure, Outbound};
use nexus_wire::TriggerName;
use nexus_wire::limits::{WATCH_BODY_BYTES_MAX, WATCH_VALIDATOR_BYTES_MAX};
use nexus_wire::trigger::Seen;
use rand::RngExt as _;
use reqwest::header::{
    ETAG, HeaderMap, HeaderName, HeaderValue, IF_MODIFIED_SINCE, IF_NONE_MATCH, LAST_MODIFIED,
};
use sha2::{Digest as _, Sha256};
use tokio::sync::{Semaphore, watch};
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::{sleep, timeout};
use tracing::Instrument as _;

use crate::edge::Edge;
use crate::hub::{CommandBody, Found, Look, WatchDoor};
use crate::task;

const USER_AGENT: &str = concat!("nexus/", env!("CARGO_PKG_VERSION"));
/// Of all together.
const AT_ONCE: usize = 8;
/// Whoever takes longer has not answered.
const PATIENCE: Duration = Duration::from_secs(30);
/// After a start many are due: they begin within this, or within their own interval.
const SPREAD_MAX: Duration = Duration::from_secs(10);
const PAUSE_MAX: Duration = Duration::from_secs(60 * 60);
const NOT_MODIFIED: u16 = 304;

/// Looks at what is to be looked at, until the broker stops.
pub(crate) async fn look(edge: Arc<Edge>, allow: Vec<String>, mut stop: watch::Receiver<bool>) {
    nexus_client::install_crypto();
    let outbound = Arc::new(Outbound::new(USER_AGENT).encrypted().allowing(Allowed::new(allow)));
    let at_once = Arc::new(Semaphore::new(AT_ONCE));
    let mut wanted = edge.published.watches.subscribe();
    let mut lookers = JoinSet::new();
    let mut running: BTreeMap<TriggerName, (WatchDoor, AbortHandle)> = BTreeMap::new();
    loop {
        let doors = Arc::clone(&wanted.borrow_and_update());
        running.retain(|name, (door, looker)| {
            let at = doors.binary_search_by(|it| it.trigger.cmp(name)).ok();
            let is_wanted = at.and_then(|at| doors.get(at)).is_some_and(|it| is_same(it, door));
            if !is_wanted {
                looker.abort();
            }
            is_wanted && !looker.is_finished()
        });
        for door in doors.iter() {
            if running.contains_key(&door.trigger) {
                continue;
            }
            let looker = Looker {
                edge: Arc::clone(&edge),
                outbound: Arc::clone(&outbound),
                at_once: Arc::clone(&at_once),
                door: door.clone(),
            };
            running
                .insert(door.trigger.clone(), (door.clone(), lookers.spawn(looker.run().in_current_span())));
        }
        tokio::select! {
            () = task::stopped(&mut stop) => return,
            changed = wanted.changed() => if changed.is_err() { return },
            Some(done) = lookers.join_next() => task::ended("what looks at a watch", done).await
        }
    }
}

/// Whether the same is looked at as often; what was seen the looker knows itself.
fn is_same(one: &WatchDoor, other: &WatchDoor) -> bool {
    (one.id, &one.url, one.every_s) == (other.id, &other.url, other.every_s)
}

struct Looker {
    edge: Arc<Edge>,
    outbound: Arc<Outbound>,
    at_once: Arc<Semaphore>,
    door: WatchDoor,
}

impl Looker {
    async fn run(mut self) {
        let every = Duration::from_secs(self.door.every_s.into());
        if self.door.seen.is_some() || self.door.failures > 0 {
            sleep(spread(every.min(SPREAD_MAX))).await;
        }
        loop {
            let found = self.look().await;
            if let Some(found) = found.filter(|found| self.is_new(found)) {
                if !self.tell(found.clone()).await {
                    // The broker stops, or its disk is full: the same is found again.
                    sleep(spread(every.min(SPREAD_MAX))).await;
                    continue;
                }
                match found {
                    Found::Seen(seen) => (self.door.seen, self.door.failures) = (Some(seen), 0),
                    Found::Nothing { .. } => self.door.failures = self.door.failures.saturating_add(1),
                }
            }
            sleep(pause(every, self.door.failures)).await;
        }
    }

    /// What is there; `None`: the same as before, says the server.
    async fn look(&self) -> Option<Found> {
        let _turn = self.at_once.acquire().await.ok()?;
        let looked = timeout(PATIENCE, self.ask()).await;
        looked.unwrap_or_else(|_| Some(nothing(format!("it took longer than {} s", PATIENCE.as_secs()))))
    }

    async fn ask(&self) -> Option<Found> {
        let asked = async {
            let url = self.outbound.parse(&self.door.url)?;
            let answer = self.outbound.get(url, &conditions(self.door.seen.as_ref())).await?;
            let status = answer.status();
            if status == NOT_MODIFIED && self.door.seen.is_some() {
                return Ok(self.door.seen.clone().map(Found::Seen));
            }
            if !(200..300).contains(&status) {
                return Ok(Some(nothing(format!("it answered {status}"))));
            }
            Ok(Some(Found::Seen(seen(answer).await?)))
        };
        asked.await.unwrap_or_else(|failure: Failure| {
            let is_final = failure.is_final();
            Some(Found::Nothing { why: reason(&failure), is_final })
        })
    }

    /// Whether the hub has to hear of it.
    fn is_new(&self, found: &Found) -> bool {
        match found {
            Found::Seen(seen) => self.door.failures > 0 || self.door.seen.as_ref() != Some(seen),
            Found::Nothing { .. } => true,
        }
    }

    async fn tell(&self, found: Found) -> bool {
        let WatchDoor { trigger, id, url, .. } = self.door.clone();
        self.edge.call(CommandBody::Looked(Look { trigger, id, url, found }), 0).await.is_ok()
    }
}

fn nothing(why: String) -> Found {
    Found::Nothing { why, is_final: false }
}

/// RFC 9110, 13.1: the server is asked for what is there only if it is something else.
fn conditions(seen: Option<&Seen>) -> HeaderMap {
    let mut headers = HeaderMap::new();
    let mut put = |name: HeaderName, value: Option<&String>| {
        if let Some(value) = value.and_then(|value| HeaderValue::from_str(value).ok()) {
            headers.insert(name, value);
        }
    };
    put(IF_NONE_MATCH, seen.and_then(|seen| seen.etag.as_ref()));
    put(IF_MODIFIED_SINCE, seen.and_then(|seen| seen.last_modified.as_ref()));
    headers
}

async fn seen(answer: Answer) -> Result<Seen, Failure> {
    let validator = |name: HeaderName| {
        answer.header(&name).filter(|value| !value.is_empty() && value.len() <= WATCH_VALIDATOR_BYTES_MAX)
    };
    let (status, etag, last_modified) = (answer.status(), validator(ETAG), validator(LAST_MODIFIED));
    let body = answer.body(WATCH_BODY_BYTES_MAX).await?;
    let sha256 = format!("{:x}", Sha256::digest(&body.bytes));
    Ok(Seen { status, etag, last_modified, sha256, truncated: body.truncated })
}

/// Without the address, which may hold a secret of its own.
fn reason(failure: &Failure) -> String {
    match failure {
        Failure::Failed { why, .. } => format!("it could not be reached ({why})"),
        Failure::Slow { seconds, .. } => format!("it took longer than {seconds} s"),
        Failure::Redirects { .. } => "it leads on and on".to_owned(),
        Failure::Closed { .. } => {
            format!("{failure}, unless an admin allows the server by name as watch.allow")
        }
        Failure::Client(_) | Failure::Invalid(_) | Failure::NoAddress { .. } => failure.to_string(),
    }
}

/// Twice as long after each look that failed, to an hour; where looks are rarer anyway, as ever.
fn pause(every: Duration, failures: u32) -> Duration {
    let longer = every.saturating_mul(1_u32.checked_shl(failures).unwrap_or(u32::MAX));
    longer.min(PAUSE_MAX.max(every))
}

fn spread(most: Duration) -> Duration {
    most.mul_f64(rand::rng().random_range(0.0..1.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_waits_longer_after_each_failure_and_never_less_than_its_interval() {
        let minute = Duration::from_secs(60);
        let waits = [0, 1, 2, 5, 6, 31, 32, 900].map(|failures| pause(minute, failures).as_secs());
        assert_eq!(waits, [60, 120, 240, 1920, 3600, 3600, 3600, 3600]);
        let day = Duration::from_secs(86_400);
        assert_eq!([pause(day, 0), pause(day, 7)], [day, day]);
    }

    #[test]
    fn a_server_is_asked_for_what_has_changed_alone() {
        let seen = Seen {
            status: 200,
            etag: Some("\"a\"".into()),
            last_modified: Some("Thu, 26 Nov 2026 08:00:00 GMT".into()),
            sha256: String::new(),
            truncated: false,
        };
        let headers = conditions(Some(&seen));
        assert_eq!(headers.get(IF_NONE_MATCH).map(HeaderValue::as_bytes), Some(&b"\"a\""[..]));
        assert_eq!(headers.len(), 2);
        assert!(conditions(None).is_empty());
    }
}
