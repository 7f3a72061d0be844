use std::sync::Arc;

use nexus_wire::flow::Flow;
use nexus_wire::run::RunParent;
use proptest::prelude::*;
use proptest::sample::Index;
use uuid::Uuid;

use super::*;
use crate::hub::records::RunRecord;
use crate::hub::run::OpenRun;

/// When a run came, its groups, whether it waits, and which of those before it it is within.
type Told = (Ms, BTreeSet<u8>, bool, Option<Index>);

fn told() -> impl Strategy<Value = Vec<Told>> {
    let groups = prop::collection::btree_set(0_u8..3, 0..3);
    let one = (0_i64..4, groups, any::<bool>(), prop::option::of(any::<Index>()));
    prop::collection::vec(one, 1..12)
}

fn id(at: usize) -> RunId {
    RunId(Uuid::from_u128(at as u128))
}

fn flow() -> Flow {
    serde_json::from_value(json!({"id": "f", "steps": [{"id": "a", "do": {"wait": {"seconds": 5}}}]}))
        .unwrap()
}

fn record(at: usize, (accepted_at, groups, waits, parent): &Told) -> RunRecord {
    let within =
        |parent: &Index| RunParent { run: id(parent.index(at)), step: "a".parse().unwrap(), index: 0 };
    let info = RunInfo {
        id: id(at),
        flow: "f".parse().unwrap(),
        version: 1,
        by: "wren".parse().unwrap(),
        thread: None,
        parent: parent.as_ref().filter(|_| at > 0).map(within),
        depth: 0,
        causes: Vec::new(),
        state: if *waits { RunState::Waiting } else { RunState::Running },
        accepted_at: *accepted_at,
        as_of: None,
        began_at: None,
        ended_at: None,
        groups: groups.iter().map(u8::to_string).collect(),
        error: None,
        retry_of: None,
        retried_as: None,
        tasks: 0,
        steps: Vec::new(),
    };
    RunRecord { info, flow: flow(), input: Value::Null, output: None, request_sha256: None }
}

fn runs_of(all: &[Told]) -> Runs {
    let plan = Arc::new(Plan::of(&flow()).unwrap());
    let mut runs = Runs::default();
    all.iter().enumerate().for_each(|(at, told)| runs.insert(record(at, told), Arc::clone(&plan)));
    runs
}

/// The same by a look at every run for every question, as the rules say it.
struct Looking<'a>(Vec<&'a RunInfo>);

fn looking(runs: &Runs) -> Looking<'_> {
    Looking(runs.open.values().map(OpenRun::info).collect())
}

impl Looking<'_> {
    fn blockers(&self, id: RunId) -> BTreeSet<RunId> {
        let Some(run) = self.0.iter().find(|run| run.id == id) else { return BTreeSet::new() };
        let blocks = |other: &&&RunInfo| {
            let is_first =
                other.state != RunState::Waiting || (other.accepted_at, other.id) < (run.accepted_at, run.id);
            let shares = other.groups.iter().any(|group| run.groups.contains(group));
            other.id != id && is_first && shares
        };
        self.0.iter().filter(blocks).map(|other| other.id).collect()
    }

    fn awaited(&self, id: RunId) -> BTreeSet<RunId> {
        if self.0.iter().any(|run| run.id == id && run.state == RunState::Waiting) {
            return self.blockers(id);
        }
        let is_child = |run: &&&RunInfo| run.parent.as_ref().is_some_and(|parent| parent.run == id);
        self.0.iter().filter(is_child).map(|run| run.id).collect()
    }

    fn circle(&self, id: RunId) -> Option<RunId> {
        self.blockers(id).into_iter().find(|blocker| {
            let (mut seen, mut open) = (BTreeSet::new(), vec![*blocker]);
            while let Some(next) = open.pop() {
                if next == id {
                    return true;
                }
                if seen.insert(next) {
                    open.extend(self.awaited(next));
                }
            }
            false
        })
    }
}

proptest! {
    #[test]
    fn who_waits_for_whom_is_what_a_look_at_all_of_them_says(all in told()) {
        let runs = runs_of(&all);
        let all_of_them = looking(&runs);
        for run in runs.open.values().map(OpenRun::info) {
            let blockers = all_of_them.blockers(run.id);
            prop_assert_eq!(runs.is_held_back(run), !blockers.is_empty(), "{}", run.id);
            prop_assert_eq!(runs.blockers(run), blockers, "{}", run.id);
            prop_assert_eq!(runs.circle(run.id), all_of_them.circle(run.id), "{}", run.id);
        }
    }

    /// Whoever may begin now, and could not before, is told.
    #[test]
    fn the_end_of_a_run_lets_in_whom_it_held_back(all in told(), ended in any::<Index>()) {
        let mut runs = runs_of(&all);
        let free = |runs: &Runs| -> BTreeSet<RunId> {
            let waits = runs.open.values().map(OpenRun::info).filter(|run| run.state == RunState::Waiting);
            waits.map(|run| run.id).filter(|id| looking(runs).blockers(*id).is_empty()).collect()
        };
        let before = free(&runs);
        let ended = runs.remove(id(ended.index(all.len()))).map(|run| run.record.info).unwrap();
        runs.let_in(&ended);
        let freed: BTreeSet<RunId> = free(&runs).difference(&before).copied().collect();
        prop_assert!(freed.is_subset(&runs.touched), "{:?} of {:?}", freed, runs.touched);
    }

    /// However they came and went, nothing is left of those that are gone.
    #[test]
    fn lines_are_those_of_the_open_runs(all in told(), gone in 0_usize..12) {
        let gone = gone.min(all.len());
        let mut runs = runs_of(&all);
        (0..gone).for_each(|at| drop(runs.remove(id(at))));
        let mut left = Lines::default();
        runs.open.values().for_each(|run| left.put(run.info()));
        prop_assert_eq!(runs.lines, left);
    }
}
