//! Seeds of the simulated world. `SEED=<n>` replays one, `SEEDS=<n>` runs that many of each test.

use std::collections::BTreeSet;

use nexus_wire::hands::DispatchState;

use super::world::World;

fn seeds(first: u64, usual: u64) -> Vec<u64> {
    let from_env = |name| std::env::var(name).ok().map(|n| n.parse::<u64>().unwrap());
    match from_env("SEED") {
        Some(seed) => vec![seed],
        None => (first..first + from_env("SEEDS").unwrap_or(usual)).collect(),
    }
}

/// With nobody failing, everything that was dispatched is done and nothing has to wait for its deadline: no
/// deadlock, whatever waits for whatever, at any soft cap and any number of slots.
#[test]
fn a_calm_world_does_all_its_work() {
    for seed in seeds(0, 4) {
        let mut world = World::new(seed, 20, 0);
        world.run();
        assert_eq!(world.roots.len(), 20, "SEED={seed}");
        for root in &world.roots {
            assert_eq!(world.it.ended(*root), Some(DispatchState::Done), "SEED={seed}");
        }
        assert_eq!(world.timed_out, [], "SEED={seed}");
    }
}

/// The same with little to spend: whoever does as they are told never spends more than there is, which the ledger
/// checks after every call, and what waits for a budget goes on when it is raised.
#[test]
fn a_frugal_world_does_all_its_work_too() {
    for seed in seeds(3_000, 4) {
        let mut world = World::new(seed, 20, 0).frugal();
        world.run();
        for root in &world.roots {
            assert_eq!(world.it.ended(*root), Some(DispatchState::Done), "SEED={seed}");
        }
        assert_eq!(world.timed_out, [], "SEED={seed}");
    }
    for seed in seeds(4_000, 4) {
        let mut world = World::new(seed, 20, 14).frugal();
        world.run();
        assert_eq!(world.timed_out, [], "SEED={seed}: nothing was forgotten until its deadline");
    }
}

/// Links, processes and the broker fail, work is cancelled, caps change: everything accepted ends once, by an
/// answer taken once or for a reason, long before its deadline.
#[test]
fn a_failing_world_ends_all_its_work_once() {
    for seed in seeds(1_000, 8) {
        let mut world = World::new(seed, 20, 14);
        world.run();
        assert_eq!(world.timed_out, [], "SEED={seed}: nothing was forgotten until its deadline");
        let answered: BTreeSet<_> = world.answered.iter().copied().collect();
        assert_eq!(answered.len(), world.answered.len(), "SEED={seed}: an answer was taken twice");
        for id in answered {
            let ended = world.it.ended(id);
            assert!(
                matches!(ended, Some(DispatchState::Done | DispatchState::Failed)),
                "SEED={seed}: {ended:?}"
            );
        }
        for (id, state) in &world.it.oracle.ended {
            assert!(
                *state != DispatchState::Done || world.answered.contains(id),
                "SEED={seed}: done by nobody"
            );
        }
    }
}

/// The same seed is the same world: what the queue does depends on nothing but what it is told.
#[test]
fn a_world_runs_the_same_way_twice() {
    for seed in seeds(2_000, 2) {
        let runs = [0, 1].map(|_| {
            let mut world = World::new(seed, 12, 8);
            let steps = world.run();
            (steps, world.it.now, world.it.oracle.ended, world.answered)
        });
        assert_eq!(runs[0], runs[1], "SEED={seed}");
    }
}
