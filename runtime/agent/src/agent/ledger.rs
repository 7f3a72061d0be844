//! What this aspect has spent today, with its threads: a journal beside the inbox, so that it counts over restarts. A
//! day is one of UTC.
//!
//! What is spent counts for the day that the clock names then. A few days are remembered, so that a clock that is set
//! back, or was wrong for a while, has nobody spend twice what a day allows.
//!
//! A kill between a round and its line here loses that line: the count may be one round short, never too high.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use nexus_wire::budget::{Budget, Spending};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::home::Allowance;
use crate::journal::{Durability, Journal, JournalError};
use crate::turn::Day;

pub(crate) const SPENT_FILE: &str = "spent.jsonl";

/// Days that are remembered: those that were spent on last. Not the latest ones, of which a clock that was wrong may
/// have named some that are far off.
const DAYS_KEPT: usize = 4;

/// One line.
#[derive(Clone, Copy, Debug, Deserialize, Serialize)]
struct Spent {
    ts: Timestamp,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    thread: Option<Uuid>,
    /// Turns that have begun.
    #[serde(default, skip_serializing_if = "is_none")]
    turns: u64,
    #[serde(default, skip_serializing_if = "is_none")]
    tokens: u64,
    #[serde(default, skip_serializing_if = "is_none")]
    cost_microusd: u64,
}

fn is_none(count: &u64) -> bool {
    *count == 0
}

#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
struct Sum {
    turns: u64,
    spending: Spending,
}

impl Sum {
    fn add(&mut self, spent: &Spent) {
        let Spent { turns, tokens, cost_microusd, .. } = *spent;
        self.turns = self.turns.saturating_add(turns);
        self.spending = self.spending.plus(Spending { tokens, cost_microusd });
    }

    fn left_of(self, Allowance { turns, tokens, cost_microusd }: Allowance) -> Budget {
        // A turn that may not begin may spend nothing.
        let none = turns.is_some_and(|most| self.turns >= most);
        let left = Budget { tokens, cost_microusd }.less(self.spending);
        if none { Budget { tokens: Some(0), ..left } } else { left }
    }
}

/// Any number of handles to one book.
#[derive(Clone, Debug)]
pub(crate) struct Ledger(Arc<Mutex<Book>>);

#[derive(Debug)]
struct Book {
    journal: Journal,
    days: Days,
}

/// In the order in which they were spent on last.
#[derive(Debug, Default)]
struct Days(Vec<OfDay>);

#[derive(Debug)]
struct OfDay {
    /// When something was spent last.
    ts: Timestamp,
    all: Sum,
    /// Of each thread, and of what belongs to none.
    parts: BTreeMap<Option<Uuid>, Sum>,
}

impl Ledger {
    /// Opens `<home>/spent.jsonl`, making it when it is missing. A line that cannot be read counts nothing.
    pub(crate) fn open(home: &Path, durability: Durability, now: Timestamp) -> Result<Self, JournalError> {
        let path = home.join(SPENT_FILE);
        let mut days = Days::default();
        let (journal, torn) = Journal::open(&path, durability, |line| {
            let read = serde_json::from_slice::<Spent>(line.bytes);
            match &read {
                Ok(spent) => _ = days.count(spent),
                Err(error) => {
                    tracing::warn!(path = %path.display(), line = line.number, %error, "not a line of this; skipped");
                }
            }
            read.is_ok()
        })?;
        if let Some(torn) = torn {
            tracing::warn!(path = %path.display(), line = torn.line, "cut a torn last line");
        }
        let today = day_of(now);
        if let Some(day) = days.0.iter().map(OfDay::day).find(|day| *day > today) {
            tracing::warn!(%day, %today, "something was spent on a day that is yet to come; is the clock right?");
        }
        Ok(Self(Arc::new(Mutex::new(Book { journal, days }))))
    }

    /// A turn begins. `None` for a Hand, whose turns are not counted.
    pub(crate) async fn begins(&self, thread: Option<Uuid>) {
        self.write(Spent { ts: Timestamp::now(), thread, turns: 1, tokens: 0, cost_microusd: 0 }).await;
    }

    pub(crate) async fn spent(&self, thread: Option<Uuid>, Spending { tokens, cost_microusd }: Spending) {
        if tokens > 0 || cost_microusd > 0 {
            self.write(Spent { ts: Timestamp::now(), thread, turns: 0, tokens, cost_microusd }).await;
        }
    }

    /// What is left of the day for a turn of this thread; `has_begun`: it is counted among the turns already.
    pub(crate) fn left(
        &self,
        thread: Option<Uuid>,
        of_thread: Allowance,
        of_all: Allowance,
        has_begun: bool,
    ) -> Day {
        // One more turn may begin for the one that has.
        let with_own = |allowed: Allowance| Allowance {
            turns: allowed.turns.map(|turns| turns.saturating_add(has_begun.into())),
            ..allowed
        };
        self.left_at(thread, with_own(of_thread), with_own(of_all), Timestamp::now())
    }

    fn left_at(&self, thread: Option<Uuid>, of_thread: Allowance, of_all: Allowance, now: Timestamp) -> Day {
        let book = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let today = book.days.0.iter().find(|it| it.day() == day_of(now));
        let all = today.map(|it| it.all).unwrap_or_default();
        let of = today.zip(thread).and_then(|(it, thread)| it.parts.get(&Some(thread)));
        let thread = of.copied().unwrap_or_default();
        Day { thread: thread.left_of(of_thread), all: all.left_of(of_all) }
    }

    /// A disk that does not take it is told of; the count in memory stands.
    async fn write(&self, spent: Spent) {
        let book = Arc::clone(&self.0);
        let writing = tokio::task::spawn_blocking(move || {
            book.lock().unwrap_or_else(PoisonError::into_inner).put(&spent)
        });
        if let Ok(Err(error)) = writing.await {
            tracing::error!(%error, "what was spent is not on record, and is forgotten by a restart");
        }
    }
}

impl Book {
    fn put(&mut self, spent: &Spent) -> Result<(), JournalError> {
        // Numbers and ids are always JSON.
        let line = |spent: &Spent| serde_json::to_string(spent).ok();
        if self.days.count(spent) {
            let lines: Vec<String> = self.days.sums().filter_map(|sum| line(&sum)).collect();
            self.journal.rewrite(&lines)
        } else {
            self.journal.append(line(spent).as_slice()).map(drop)
        }
    }
}

impl Days {
    /// Says whether a day has begun.
    fn count(&mut self, spent: &Spent) -> bool {
        let known = self.0.iter().position(|it| it.day() == day_of(spent.ts));
        let mut of_day = known.map_or_else(|| OfDay::begun(spent.ts), |at| self.0.remove(at));
        of_day.add(spent);
        self.0.push(of_day);
        if self.0.len() > DAYS_KEPT {
            self.0.remove(0);
        }
        known.is_none()
    }

    /// The fewest lines that say the same.
    fn sums(&self) -> impl Iterator<Item = Spent> {
        self.0.iter().flat_map(|OfDay { ts, parts, .. }| {
            parts.iter().map(move |(thread, sum)| Spent {
                ts: *ts,
                thread: *thread,
                turns: sum.turns,
                tokens: sum.spending.tokens,
                cost_microusd: sum.spending.cost_microusd,
            })
        })
    }
}

impl OfDay {
    fn begun(ts: Timestamp) -> Self {
        Self { ts, all: Sum::default(), parts: BTreeMap::new() }
    }

    fn day(&self) -> Date {
        day_of(self.ts)
    }

    fn add(&mut self, spent: &Spent) {
        self.ts = spent.ts;
        self.all.add(spent);
        self.parts.entry(spent.thread).or_default().add(spent);
    }
}

fn day_of(at: Timestamp) -> Date {
    at.to_zoned(TimeZone::UTC).date()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    const THREAD: Uuid = Uuid::from_u128(7);

    fn at(text: &str) -> Timestamp {
        text.parse().expect("a time")
    }

    fn spent(ts: &str, thread: Option<Uuid>, turns: u64, tokens: u64) -> Spent {
        Spent { ts: at(ts), thread, turns, tokens, cost_microusd: tokens * 2 }
    }

    fn tokens(tokens: u64) -> Budget {
        Budget { tokens: Some(tokens), cost_microusd: None }
    }

    fn put(ledger: &Ledger, spent: Spent) {
        ledger.0.lock().expect("nobody broke down").put(&spent).expect("written");
    }

    #[test]
    fn what_was_spent_today_counts_over_a_restart_and_a_new_day_begins_anew() {
        let home = tempfile::tempdir().expect("a folder");
        let open = |now: &str| Ledger::open(home.path(), Durability::Fsync, at(now)).expect("a ledger");
        let limit = |turns, tokens| Allowance { turns, tokens, cost_microusd: None };
        let noon = "2026-11-21T12:00:00Z";
        let ledger = open(noon);
        put(&ledger, spent(noon, Some(THREAD), 1, 0));
        put(&ledger, spent(noon, Some(THREAD), 0, 30));
        put(&ledger, spent(noon, None, 0, 12));
        let left = |ledger: &Ledger, turns, now: &str| {
            ledger.left_at(Some(THREAD), limit(turns, Some(100)), limit(None, Some(50)), at(now))
        };
        let expected = Day { thread: tokens(70), all: tokens(8) };
        assert_eq!(left(&ledger, None, noon), expected);
        drop(ledger);
        let ledger = open("2026-11-21T23:59:59Z");
        assert_eq!(left(&ledger, None, noon), expected);
        assert_eq!(left(&ledger, Some(1), noon).thread, tokens(0), "one turn was all it had");
        assert_eq!(left(&ledger, Some(2), noon).thread, tokens(70));
        let next = "2026-11-22T00:00:00Z";
        let fresh = Day { thread: tokens(100), all: tokens(50) };
        assert_eq!(left(&ledger, Some(1), next), fresh);
        put(&ledger, spent(next, None, 0, 1));
        drop(ledger);
        let text = std::fs::read_to_string(home.path().join(SPENT_FILE)).expect("a file");
        let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
        let sums = [
            json!({"ts": noon, "tokens": 12, "cost_microusd": 24}),
            json!({"ts": noon, "thread": THREAD, "turns": 1, "tokens": 30, "cost_microusd": 60}),
            json!({"ts": next, "tokens": 1, "cost_microusd": 2}),
        ];
        assert_eq!(lines, sums, "the day before is put together");
        std::fs::write(home.path().join(SPENT_FILE), format!("{text}nonsense\n{{\"ts\"")).expect("written");
        assert_eq!(left(&open(next), None, next).all, tokens(49));
    }

    /// What is left of a day, with 100 tokens a day, on each of these.
    fn left_on(ledger: &Ledger, days: &[&str]) -> Vec<Budget> {
        let all = Allowance { turns: None, tokens: Some(100), cost_microusd: None };
        days.iter().map(|day| ledger.left_at(None, Allowance::default(), all, at(day)).all).collect()
    }

    #[test]
    fn a_clock_that_was_wrong_for_a_while_grants_no_day_twice_and_takes_none() {
        let home = tempfile::tempdir().expect("a folder");
        let open = |now: &str| Ledger::open(home.path(), Durability::Fsync, at(now)).expect("a ledger");
        let (before, day, next) = ("2026-11-20T23:59:59Z", "2026-11-21T00:00:01Z", "2026-11-22T08:00:00Z");
        let (battery_dead, far) = ("1970-01-01T00:00:09Z", "2106-02-07T06:28:15Z");
        let ledger = open(day);
        put(&ledger, spent(day, None, 0, 30));
        // It is set back over midnight, and there again.
        put(&ledger, spent(before, None, 0, 5));
        assert_eq!(left_on(&ledger, &[before, day]), [tokens(95), tokens(70)]);
        put(&ledger, spent(day, None, 0, 2));
        drop(ledger);
        for wrong in [far, battery_dead] {
            let ledger = open(wrong);
            assert_eq!(left_on(&ledger, &[before, day]), [tokens(95), tokens(68)], "{wrong}");
            put(&ledger, spent(wrong, None, 0, 7));
        }
        let ledger = open(day);
        let days = [before, day, next, battery_dead, far];
        assert_eq!(
            left_on(&ledger, &days),
            [tokens(95), tokens(68), tokens(100), tokens(93), tokens(93)],
            "each has its own"
        );
        put(&ledger, spent(day, None, 0, 8));
        // A day begins though a later one is on record; the one that was not spent on for longest is forgotten.
        put(&ledger, spent(next, None, 0, 1));
        let expected = [tokens(100), tokens(60), tokens(99), tokens(93), tokens(93)];
        assert_eq!(left_on(&ledger, &days), expected);
        drop(ledger);
        assert_eq!(left_on(&open(next), &days), expected);
    }
}
