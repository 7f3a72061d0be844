//! What this aspect has spent today, with its threads: a journal beside the inbox, so that it counts over restarts. A
//! day is one of UTC; what is older is forgotten.
//!
//! A kill between a round and its line here loses that line: the count may be one round short, never too high.

use std::collections::HashMap;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use jiff::Timestamp;
use jiff::tz::TimeZone;
use nexus_wire::budget::{Budget, Spending};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::home::Allowance;
use crate::journal::{Durability, Journal, JournalError};
use crate::turn::Day;

pub(crate) const SPENT_FILE: &str = "spent.jsonl";

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
    day: jiff::civil::Date,
    all: Sum,
    threads: HashMap<Uuid, Sum>,
}

impl Ledger {
    /// Opens `<home>/spent.jsonl`, making it when it is missing. A line that cannot be read counts nothing.
    pub(crate) fn open(home: &Path, durability: Durability, now: Timestamp) -> Result<Self, JournalError> {
        let path = home.join(SPENT_FILE);
        let (mut lines, mut old) = (Vec::new(), 0);
        let (journal, torn) = Journal::open(&path, durability, |line| {
            let read = serde_json::from_slice::<Spent>(line.bytes);
            match &read {
                Ok(spent) if day_of(spent.ts) == day_of(now) => lines.push(*spent),
                Ok(_) => old += 1,
                Err(error) => {
                    tracing::warn!(path = %path.display(), line = line.number, %error, "not a line of this; skipped");
                }
            }
            read.is_ok()
        })?;
        if let Some(torn) = torn {
            tracing::warn!(path = %path.display(), line = torn.line, "cut a torn last line");
        }
        let mut book = Book { journal, day: day_of(now), all: Sum::default(), threads: HashMap::new() };
        for spent in &lines {
            book.count(spent);
        }
        if old > 0 {
            let lines: Vec<String> =
                lines.iter().filter_map(|spent| serde_json::to_string(spent).ok()).collect();
            book.journal.rewrite(&lines)?;
        }
        Ok(Self(Arc::new(Mutex::new(book))))
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
        let today = book.day == day_of(now);
        let all = if today { book.all } else { Sum::default() };
        let of = thread.and_then(|thread| book.threads.get(&thread)).filter(|_| today);
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
        let is_new_day = self.day != day_of(spent.ts);
        if is_new_day {
            (self.day, self.all) = (day_of(spent.ts), Sum::default());
            self.threads.clear();
        }
        self.count(spent);
        // Numbers and ids are always JSON.
        let Ok(line) = serde_json::to_string(spent) else { return Ok(()) };
        if is_new_day { self.journal.rewrite(&[line]) } else { self.journal.append(&[line]).map(drop) }
    }

    fn count(&mut self, spent: &Spent) {
        self.all.add(spent);
        if let Some(thread) = spent.thread {
            self.threads.entry(thread).or_default().add(spent);
        }
    }
}

fn day_of(at: Timestamp) -> jiff::civil::Date {
    at.to_zoned(TimeZone::UTC).date()
}

#[cfg(test)]
mod tests {
    use super::*;

    const THREAD: Uuid = Uuid::from_u128(7);

    fn at(text: &str) -> Timestamp {
        text.parse().expect("a time")
    }

    fn spent(ts: &str, thread: Option<Uuid>, turns: u64, tokens: u64) -> Spent {
        Spent { ts: at(ts), thread, turns, tokens, cost_microusd: tokens * 2 }
    }

    fn put(ledger: &Ledger, spent: Spent) {
        ledger.0.lock().expect("nobody broke down").put(&spent).expect("written");
    }

    #[test]
    fn what_was_spent_today_counts_over_a_restart_and_a_new_day_begins_anew() {
        let home = tempfile::tempdir().expect("a folder");
        let open = |now: &str| Ledger::open(home.path(), Durability::Fsync, at(now)).expect("a ledger");
        let limit = |turns, tokens| Allowance { turns, tokens, cost_microusd: None };
        let tokens = |tokens| Budget { tokens, cost_microusd: None };
        let noon = "2026-11-21T12:00:00Z";
        let ledger = open(noon);
        put(&ledger, spent(noon, Some(THREAD), 1, 0));
        put(&ledger, spent(noon, Some(THREAD), 0, 30));
        put(&ledger, spent(noon, None, 0, 12));
        let left = |ledger: &Ledger, turns, now: &str| {
            ledger.left_at(Some(THREAD), limit(turns, Some(100)), limit(None, Some(50)), at(now))
        };
        let expected = Day { thread: tokens(Some(70)), all: tokens(Some(8)) };
        assert_eq!(left(&ledger, None, noon), expected);
        drop(ledger);
        let ledger = open("2026-11-21T23:59:59Z");
        assert_eq!(left(&ledger, None, noon), expected);
        assert_eq!(left(&ledger, Some(1), noon).thread, tokens(Some(0)), "one turn was all it had");
        assert_eq!(left(&ledger, Some(2), noon).thread, tokens(Some(70)));
        let next = "2026-11-22T00:00:00Z";
        let fresh = Day { thread: tokens(Some(100)), all: tokens(Some(50)) };
        assert_eq!(left(&ledger, Some(1), next), fresh);
        put(&ledger, spent(next, None, 0, 1));
        drop(ledger);
        let text = std::fs::read_to_string(home.path().join(SPENT_FILE)).expect("a file");
        assert_eq!(text.lines().count(), 1, "the day before is forgotten: {text}");
        std::fs::write(home.path().join(SPENT_FILE), format!("{text}nonsense\n{{\"ts\"")).expect("written");
        assert_eq!(left(&open(next), None, next).all, tokens(Some(49)));
    }
}
