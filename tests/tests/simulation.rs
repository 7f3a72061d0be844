//! Many seeded worlds on both stores. `SEED=17 cargo test -p nexus-tests --test simulation` replays one;
//! `SEEDS=50000` runs more of them.

use std::cell::Cell;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use nexus_broker::store::{MemoryStore, SqliteReader, SqliteStore};
use nexus_tests::sim::{CrashPoint, Plan, Sim, Truth};

/// Those asked for: one, or so many, or `default`; a test of which each seed is `weight` runs takes fewer.
fn seeds(default: u64, weight: u64) -> Vec<u64> {
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    match number("SEED") {
        Some(seed) => vec![seed],
        None => (0..number("SEEDS").map_or(default, |seeds| (seeds / weight).max(1))).collect(),
    }
}

/// Small and short worlds meet more coincidences; larger ones more concurrency.
fn plan(seed: u64) -> Plan {
    Plan {
        seed,
        agents: 2 + (seed % 4) as usize,
        operators: 1 + (seed % 3) as usize,
        steps: [150, 600, 300, 150][(seed / 4 % 4) as usize],
        look_every: if seed.is_multiple_of(16) { 1 } else { 8 },
        crash: None,
    }
}

fn in_memory(plan: Plan) -> Truth {
    Sim::new(plan, MemoryStore::default(), |_| {}).run(plan)
}

/// With the files as a whole looked through at the end, as `nexus verify` does.
fn on_sqlite(plan: Plan) -> Truth {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let image = |n: usize| dir.path().join(format!("{n}.db"));
    let open = |path: &Path| SqliteStore::open(path, Default::default()).expect("the store opens");
    let last = Rc::new(Cell::new(0));
    let (current, folder) = (Rc::clone(&last), dir.path().to_owned());
    // What a kill leaves is the files as they are at that moment, opened by somebody else.
    let reopen = move |store: &mut SqliteStore| {
        let n = current.get();
        let file = |n: usize, suffix: &str| -> PathBuf { folder.join(format!("{n}.db{suffix}")) };
        for suffix in ["", "-wal"] {
            std::fs::copy(file(n, suffix), file(n + 1, suffix)).expect("the files of a store");
        }
        *store = open(&file(n + 1, ""));
        current.set(n + 1);
    };
    let truth = Sim::new(plan, open(&image(0)), reopen).run(plan);
    let reader = SqliteReader::open(&image(last.get())).expect("the store opens");
    if let Err(fault) = reader.verify(None).and_then(|_| reader.check_derived()) {
        panic!("seed {}: {fault}", plan.seed);
    }
    truth
}

#[derive(Debug, Default)]
struct Seen {
    messages: usize,
    dispatches: usize,
    sleeps: usize,
    ranges: usize,
    caught_up: usize,
    killed_behind: usize,
}

#[test]
fn every_promise_holds_in_memory() {
    let seeds = seeds(2_000, 1);
    // Half of them on a thread of their own.
    let (first, second) = seeds.split_at(seeds.len() / 2);
    let play = |seeds: &[u64]| {
        let mut seen = Seen::default();
        for seed in seeds {
            let truth = in_memory(plan(*seed));
            seen.messages += truth.messages.len();
            seen.dispatches += truth.dispatches.len();
            seen.sleeps += truth.sleeps;
            seen.ranges += truth.slots.ranges;
            seen.caught_up += truth.slots.caught_up;
            seen.killed_behind += truth.killed_behind;
        }
        seen
    };
    let halves = std::thread::scope(|scope| {
        let other = scope.spawn(|| play(second));
        [play(first), other.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))]
    });
    let sum = |count: fn(&Seen) -> usize| halves.iter().map(count).sum::<usize>();
    assert!(sum(|it| it.messages) > 0 && sum(|it| it.dispatches) > 0, "the worlds were not idle: {halves:?}");
    // Some slept long, missed thousands of slots, and were killed before they had caught up.
    let slept =
        [sum(|it| it.sleeps), sum(|it| it.ranges), sum(|it| it.caught_up), sum(|it| it.killed_behind)];
    assert!(seeds.len() < 500 || slept.iter().all(|count| *count > 10), "{slept:?} of {halves:?}");
}

#[test]
fn every_promise_holds_on_sqlite() {
    for seed in seeds(50, 8) {
        on_sqlite(plan(seed));
    }
}

/// Not where chance kills the broker but everywhere: before and after each commit of a few stories, those of
/// the way back from earlier faults included.
#[test]
fn every_promise_holds_whichever_commit_the_broker_dies_at() {
    for seed in seeds(3, 500) {
        dies_at_each(Plan { steps: 150, ..plan(seed) }, in_memory);
    }
    for seed in seeds(1, 1_000) {
        dies_at_each(Plan { steps: 60, ..plan(seed) }, on_sqlite);
    }
}

fn dies_at_each(plan: Plan, run: impl Fn(Plan) -> Truth) {
    let commits = run(plan).commits;
    assert!(commits > 20, "seed {}: {commits} commits are no story", plan.seed);
    // The first commit lets the team in; nobody was promised anything before it.
    for commit in 2..=commits {
        for point in [CrashPoint::Before, CrashPoint::After] {
            run(Plan { crash: Some((commit, point)), ..plan });
        }
    }
}
