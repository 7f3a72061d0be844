//! Keeps the search index behind the commits, on a thread of its own that gives way to everything else: while much is
//! being written it waits, but no longer than [`BEHIND_MAX`].

use std::path::{Path, PathBuf};
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::runtime::{Builder, Runtime};
use tokio::sync::watch;

use crate::clock;
use crate::hub::records::Stored;
use crate::store::{Indexed, Indexer};
use crate::task;

/// What comes within this is taken up together.
const GATHER: Duration = Duration::from_millis(50);
/// When more entries than this come into the log within [`GATHER`], there is better use for the processor.
const BUSY: u64 = 500;
/// However much is written, the index gives way no longer than this.
const BEHIND_MAX: Duration = Duration::from_secs(10);
/// After an error, a full disk for example.
const RETRY: Duration = Duration::from_secs(5);

/// Starts it; it ends when `stop` says so, or is gone.
pub(crate) fn start(
    database: PathBuf,
    head: watch::Receiver<u64>,
    stop: watch::Receiver<bool>,
) -> std::io::Result<JoinHandle<()>> {
    // Not the one that serves: where a start fails, that one is gone before this thread is.
    let runtime = Builder::new_current_thread().enable_time().build()?;
    task::thread("index", move || run(&database, head, stop, &runtime))
}

/// Whether the index is written or waits. No clock.
#[derive(Debug)]
struct Turns {
    /// Where the log ended when it was looked at last.
    head: u64,
    waited: Duration,
    /// It has waited long enough, and gives way no more until it has come this far.
    owed: u64,
}

impl Turns {
    fn new(head: u64) -> Self {
        Self { head, waited: Duration::ZERO, owed: 0 }
    }

    /// `true`: the index may be written. The log ends at `head`, `since` after it was looked at before, and
    /// everything up to `indexed` is in the index.
    fn is_ours(&mut self, head: u64, indexed: u64, since: Duration) -> bool {
        let came = head.saturating_sub(std::mem::replace(&mut self.head, head));
        if indexed < self.owed {
            return true;
        }
        let is_busy = u128::from(came) * GATHER.as_nanos() > u128::from(BUSY) * since.as_nanos();
        if !is_busy {
            self.waited = Duration::ZERO;
            return true;
        }
        self.waited += since;
        let is_due = self.waited >= BEHIND_MAX;
        if is_due {
            (self.waited, self.owed) = (Duration::ZERO, head);
        }
        is_due
    }
}

/// What the index does next.
enum Next {
    Step,
    /// There is nothing before the log grows.
    News,
    Wait(Duration),
}

fn run(database: &Path, mut head: watch::Receiver<u64>, mut stop: watch::Receiver<bool>, runtime: &Runtime) {
    // On Linux this is the thread's own.
    if let Err(error) = rustix::process::setpriority_process(None, 19) {
        tracing::debug!(%error, "the search index is written at the usual priority");
    }
    let mut opened = None;
    let mut turns = Turns::new(*head.borrow());
    let (mut looked, mut indexed) = (clock::now(), 0);
    while !*stop.borrow_and_update() {
        let now = clock::now();
        let newest = *head.borrow_and_update();
        let is_ours = turns.is_ours(newest, indexed, now.saturating_duration_since(looked));
        looked = now;
        let next = match is_ours.then(|| step(&mut opened, database)) {
            None => Next::Wait(GATHER),
            Some(Ok(Indexed { seq, more: true })) => {
                indexed = seq;
                Next::Step
            }
            Some(Ok(Indexed { more: false, .. })) => {
                // Of what has come after the last message nothing belongs into the index.
                indexed = newest;
                Next::News
            }
            Some(Err(error)) => {
                tracing::warn!(%error, "cannot write the search index; trying again");
                Next::Wait(RETRY)
            }
        };
        let pause = async {
            match next {
                Next::Step => {}
                Next::Wait(pause) => tokio::time::sleep(pause).await,
                // The core has ended: nothing comes any more, and the stop is about to.
                Next::News if head.changed().await.is_err() => std::future::pending().await,
                Next::News => {
                    // How much comes is measured from here on.
                    looked = clock::now();
                    tokio::time::sleep(GATHER).await;
                }
            }
        };
        let is_wanted = runtime.block_on(async {
            tokio::select! {
                () = pause => true,
                told = stop.changed() => told.is_ok(),
            }
        });
        if !is_wanted {
            return;
        }
    }
}

fn step(opened: &mut Option<Indexer>, database: &Path) -> Stored<Indexed> {
    let indexer = match opened {
        Some(indexer) => indexer,
        None => opened.insert(Indexer::open(database)?),
    };
    indexer.step()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is said when in each `GATHER` `came` entries come and nothing gets into the index beyond what was owed.
    fn said(turns: &mut Turns, came: u64, times: u32) -> Vec<bool> {
        (0..times).map(|_| turns.is_ours(turns.head + came, turns.owed, GATHER)).collect()
    }

    #[test]
    fn the_index_is_written_while_little_comes_and_waits_while_much_does() {
        let mut turns = Turns::new(7);
        assert_eq!(said(&mut turns, 0, 2), [true, true]);
        assert_eq!(said(&mut turns, BUSY, 2), [true, true]);
        assert_eq!(said(&mut turns, BUSY + 1, 2), [false, false]);
        assert!(turns.is_ours(turns.head + 3 * BUSY, 0, 3 * GATHER), "as much in a longer time");
        assert_eq!(said(&mut turns, BUSY + 1, 1), [false]);
        assert_eq!(said(&mut turns, 0, 1), [true]);
    }

    #[test]
    fn however_much_comes_the_index_is_written_up_to_where_the_log_was_when_it_had_waited_long_enough() {
        let mut turns = Turns::new(0);
        let waits = BEHIND_MAX.as_millis() / GATHER.as_millis() - 1;
        let waits = u32::try_from(waits).unwrap();
        for _ in 0..2 {
            assert_eq!(said(&mut turns, 1_000, waits), vec![false; waits as usize]);
            let due = turns.head + 1_000;
            assert!(turns.is_ours(due, turns.owed, GATHER), "it has waited long enough");
            assert!(turns.is_ours(due + 1_000, due - 1, GATHER), "it is not there yet");
            assert!(!turns.is_ours(due + 2_000, due, GATHER), "it is there, and waits again");
            turns.waited = Duration::ZERO;
        }
    }

    #[test]
    fn a_lull_ends_the_wait() {
        let mut turns = Turns::new(0);
        let waits = u32::try_from(BEHIND_MAX.as_millis() / GATHER.as_millis()).unwrap();
        for _ in 0..3 {
            assert_eq!(said(&mut turns, 1_000, waits - 1).iter().filter(|it| **it).count(), 0);
            assert_eq!(said(&mut turns, 0, 1), [true]);
        }
    }

    #[test]
    fn it_needs_nobodys_runtime_and_ends_with_whoever_began_it() {
        let dir = tempfile::tempdir().unwrap();
        let ((_grows, head), (stop, stopped)) = (watch::channel(0), watch::channel(false));
        let index = start(dir.path().join("nexus.db"), head, stopped).unwrap();
        drop(stop);
        index.join().unwrap();
    }

    #[test]
    fn a_log_that_was_set_back_is_no_burden() {
        let mut turns = Turns::new(1_000_000);
        assert!(turns.is_ours(5, 0, GATHER));
    }
}
