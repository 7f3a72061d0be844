//! Many seeded worlds on both stores. `SEED=17 cargo test -p nexus-tests --test simulation` replays one;
//! `SEEDS=5000` runs more of them.

use nexus_broker::store::{MemoryStore, SqliteStore};
use nexus_tests::sim::{CrashPoint, Plan, Sim};

/// Those asked for: one, or so many, or `default`; a test of which each seed is `weight` runs takes fewer.
fn seeds(default: u64, weight: u64) -> Vec<u64> {
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    match number("SEED") {
        Some(seed) => vec![seed],
        None => (0..number("SEEDS").map_or(default, |seeds| (seeds / weight).max(1))).collect(),
    }
}

fn plan(seed: u64) -> Plan {
    // Small worlds meet more coincidences; larger ones more concurrency.
    Plan {
        seed,
        agents: 2 + (seed % 4) as usize,
        operators: 1 + (seed % 3) as usize,
        steps: 600,
        crash: None,
    }
}

#[test]
fn every_promise_holds_in_memory() {
    let (mut messages, mut dispatches) = (0, 0);
    let (mut sleeps, mut ranges, mut caught_up, mut killed_behind) = (0, 0, 0, 0);
    let seeds = seeds(200, 1);
    for seed in &seeds {
        let truth = Sim::new(plan(*seed), MemoryStore::default(), |_| {}).run(plan(*seed));
        messages += truth.messages.len();
        dispatches += truth.dispatches.len();
        sleeps += truth.sleeps;
        ranges += truth.slots.ranges;
        caught_up += truth.slots.caught_up;
        killed_behind += truth.killed_behind;
    }
    assert!(messages > 0 && dispatches > 0, "the worlds were not idle: {messages} {dispatches}");
    let slept = [sleeps, ranges, caught_up, killed_behind];
    assert!(
        seeds.len() < 100 || slept.iter().all(|count| *count > 10),
        "some slept long, missed thousands of slots, and were killed before they had caught up: {slept:?}"
    );
}

/// Not where chance kills the broker but everywhere: before and after each commit of a few stories, those of
/// the way back from earlier faults included.
#[test]
fn every_promise_holds_whichever_commit_the_broker_dies_at() {
    let run = |plan: Plan| Sim::new(plan, MemoryStore::default(), |_| {}).run(plan);
    for seed in seeds(3, 100) {
        let plan = Plan { steps: 150, ..plan(seed) };
        let commits = run(plan).commits;
        assert!(commits > 20, "seed {seed}: {commits} commits are no story");
        // The first commit lets the team in; nobody was promised anything before it.
        for commit in 2..=commits {
            for point in [CrashPoint::Before, CrashPoint::After] {
                run(Plan { crash: Some((commit, point)), ..plan });
            }
        }
    }
}

#[test]
fn every_promise_holds_on_sqlite() {
    for seed in seeds(25, 8) {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let (open, mut image) = (dir.path().join("0.db"), 0);
        let store = SqliteStore::open(&open, Default::default()).expect("the store opens");
        // What a kill leaves is the files as they are at that moment, opened by somebody else.
        let reopen = move |store: &mut SqliteStore| {
            let old = dir.path().join(format!("{image}.db"));
            image += 1;
            let new = dir.path().join(format!("{image}.db"));
            for suffix in ["", "-wal"] {
                let name = |path: &std::path::Path| format!("{}{suffix}", path.display());
                std::fs::copy(name(&old), name(&new)).expect("the files of a store");
            }
            *store = SqliteStore::open(&new, Default::default()).expect("a killed store opens");
        };
        Sim::new(plan(seed), store, reopen).run(plan(seed));
    }
}
