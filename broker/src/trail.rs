//! Refusals on their way into the audit trail: so many a minute, then one row that says how many more there
//! were, so that nobody fills the disk by being refused.

use std::collections::HashSet;
use std::sync::{Mutex, PoisonError};

use nexus_wire::{Ms, Party};

use crate::hub::Note;

const WINDOW_MS: Ms = 60_000;
const ROWS_PER_WINDOW: usize = 30;
const SUBJECT_CHARS_MAX: usize = 200;

#[derive(Debug, Default)]
pub(crate) struct Trail(Mutex<Window>);

#[derive(Debug, Default)]
struct Window {
    since: Ms,
    waiting: Vec<Note>,
    /// Kind and subject of those that got a row; the same again is only counted.
    seen: HashSet<(&'static str, String)>,
    more: u64,
}

impl Trail {
    pub(crate) fn add(&self, note: Note, now: Ms) {
        let note = Note { subject: printable(&note.subject), ..note };
        let mut window = self.lock();
        window.turn(now);
        let full = window.seen.len() >= ROWS_PER_WINDOW;
        if full || !window.seen.insert((note.kind, note.subject.clone())) {
            window.more += 1;
            return;
        }
        window.waiting.push(note);
    }

    /// What is to be written now.
    pub(crate) fn take(&self, now: Ms) -> Vec<Note> {
        let mut window = self.lock();
        window.turn(now);
        std::mem::take(&mut window.waiting)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Window> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Window {
    /// Begins a new window when this one is over. What waits is bounded by two windows' rows.
    fn turn(&mut self, now: Ms) {
        if now - self.since < WINDOW_MS {
            return;
        }
        if self.more > 0 && self.waiting.len() < 2 * ROWS_PER_WINDOW {
            let subject = format!(
                "{} more refusals within a minute, the same or beyond the first {ROWS_PER_WINDOW}",
                self.more
            );
            self.waiting.push(Note { actor: Party::System, kind: "refused.more", subject });
        }
        self.waiting.truncate(2 * ROWS_PER_WINDOW);
        self.since = now;
        self.seen.clear();
        self.more = 0;
    }
}

/// What strangers sent, as one line of bounded length.
fn printable(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).take(SUBJECT_CHARS_MAX).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn note(subject: &str) -> Note {
        Note { actor: Party::System, kind: "refused.credential", subject: subject.to_owned() }
    }

    #[test]
    fn a_flood_is_some_rows_and_a_count() {
        let trail = Trail::default();
        trail.add(note("first\n\u{1b}[31m"), WINDOW_MS);
        for n in 0..10_000 {
            trail.add(note(&format!("from 10.0.{}.{}", n / 256, n % 256)), WINDOW_MS + n);
        }
        let taken = trail.take(WINDOW_MS + 10_000);
        assert_eq!(taken.len(), ROWS_PER_WINDOW);
        assert_eq!(taken[0].subject, "first\u{fffd}\u{fffd}[31m");
        assert_eq!(trail.take(2 * WINDOW_MS - 1), Vec::new());
        let later = trail.take(2 * WINDOW_MS);
        assert_eq!(later.len(), 1);
        let expected = format!("{} more", 10_001 - ROWS_PER_WINDOW);
        assert!(later[0].kind == "refused.more" && later[0].subject.starts_with(&expected), "{later:?}");
        assert_eq!(trail.take(4 * WINDOW_MS), Vec::new());
    }

    #[test]
    fn the_same_again_is_counted() {
        let trail = Trail::default();
        for _ in 0..3 {
            trail.add(note("x"), WINDOW_MS);
        }
        assert_eq!(trail.take(WINDOW_MS), [note("x")]);
        assert!(trail.take(2 * WINDOW_MS)[0].subject.starts_with("2 more"));
    }
}
