//! Random flows with random failures, workers that finish in any order, and brokers that start anew in between: every
//! run ends, nothing is done twice, and where failures let the rest go on a run comes to what a simple model says.

mod killed;

use std::collections::{BTreeMap, BTreeSet};

use nexus_broker::hub::Change;
use nexus_broker::hub::records::{Reads, Transaction, Which};
use nexus_broker::store::MemoryStore;
use nexus_wire::hands::{DispatchState, Lease};
use nexus_wire::roster::{HeldLease, Register};
use nexus_wire::run::{RunRetry, RunStarted, RunState, RunTask, StepState, TaskWork};
use nexus_wire::{DispatchId, RunId};
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::flows::Flowing;
use crate::world::{self, World};

/// What a step is like.
#[derive(Clone, Debug)]
struct Plan {
    needs: Vec<usize>,
    items: Option<u32>,
    retries: u32,
    skipped: bool,
    on_error: usize,
    /// How many attempts of each item fail.
    fails: u32,
}

const ON_ERROR: [&str; 3] = ["continue", "skip_rest", "fail"];

fn plan(place: usize) -> impl Strategy<Value = Plan> {
    let needs = prop::collection::btree_set(0..place.max(1), 0..=place.min(3));
    (needs, prop::option::of(0_u32..4), 0_u32..3, prop::bool::weighted(0.15), 0_usize..3, 0_u32..4).prop_map(
        move |(needs, items, retries, skipped, on_error, fails)| Plan {
            needs: if place == 0 { Vec::new() } else { needs.into_iter().collect() },
            items,
            retries,
            skipped,
            on_error,
            fails,
        },
    )
}

fn plans() -> impl Strategy<Value = Vec<Plan>> {
    (1_usize..8).prop_flat_map(|steps| (0..steps).map(plan).collect::<Vec<_>>())
}

fn id(place: usize) -> String {
    format!("s{place}")
}

fn flow(plans: &[Plan], calm: bool) -> Value {
    let step = |(place, plan): (usize, &Plan)| {
        let on_error = if calm { "continue" } else { ON_ERROR[plan.on_error] };
        let mut step = json!({
            "id": id(place),
            "do": {"dispatch": {"hand": "wren/work", "input": {"step": place, "run": "{{ run.id }}"}}},
            "needs": plan.needs.iter().map(|need| id(*need)).collect::<Vec<_>>(),
            "on_error": on_error,
        });
        if plan.items.is_some() {
            step["for_each"] = json!(format!("input.items{place}"));
        }
        if plan.retries > 0 {
            step["retry"] = json!({"times": plan.retries, "backoff_s": 1});
        }
        if plan.skipped {
            step["if"] = json!("input.never");
        }
        step
    };
    let outputs: BTreeMap<String, String> =
        (0..plans.len()).map(|place| (id(place), format!("{{{{ steps.{}.output }}}}", id(place)))).collect();
    json!({
        "id": "f",
        "steps": plans.iter().enumerate().map(step).collect::<Vec<_>>(),
        "output": outputs,
        "max_parallel": 3,
    })
}

fn input(plans: &[Plan]) -> Value {
    let mut input = json!({"never": false});
    for (place, plan) in plans.iter().enumerate() {
        input[format!("items{place}")] = json!((0..plan.items.unwrap_or(0)).collect::<Vec<_>>());
    }
    input
}

/// What an attempt comes to: as often as the plan says it fails, then it is done.
fn verdict(plans: &[Plan], task: &RunTask) -> Result<Value, &'static str> {
    let place: usize = task.step.as_str()[1..].parse().unwrap();
    if task.attempt <= plans[place].fails {
        Err("as planned")
    } else {
        Ok(json!(format!("{place}.{}", task.index)))
    }
}

/// The output of each step when failures let the rest go on.
fn model(plans: &[Plan]) -> Value {
    let of_step = |(place, plan): (usize, &Plan)| {
        let comes = plan.fails <= plan.retries;
        let one = |index: u32| if comes { json!(format!("{place}.{index}")) } else { Value::Null };
        let output = match (plan.skipped, plan.items) {
            (true, Some(_)) => json!([]),
            (true, None) => Value::Null,
            (false, Some(items)) => (0..items).map(one).collect(),
            (false, None) => one(0),
        };
        (id(place), output)
    };
    Value::Object(plans.iter().enumerate().map(of_step).collect())
}

struct Watch {
    /// The dispatch of each attempt that was seen.
    seen: BTreeMap<(RunId, String, u32, u32), DispatchId>,
    dispatches: BTreeSet<DispatchId>,
}

impl Watch {
    /// No attempt has two dispatches, no dispatch two attempts, and nothing begins before what it needs.
    fn look<S: Transaction>(&mut self, world: &World<S>, run: RunId, plans: &[Plan]) {
        let info = world.info(run);
        for task in world.tasks(run) {
            let place: usize = task.step.as_str()[1..].parse().unwrap();
            for need in &plans[place].needs {
                assert!(info.steps[*need].state.is_end(), "{} began before {}", task.step, id(*need));
            }
            assert!(task.attempt <= plans[place].retries + 1, "{task:?}");
            let Some(TaskWork::Dispatch(dispatch)) = task.work else { continue };
            let key = (run, task.step.to_string(), task.index, task.attempt);
            let first = *self.seen.entry(key).or_insert(dispatch);
            assert_eq!(first, dispatch, "{task:?}");
            self.dispatches.insert(dispatch);
        }
        assert_eq!(self.seen.len(), self.dispatches.len());
        let running = world.tasks(run).iter().filter(|task| !task.state.is_end()).count();
        assert!(running <= 3, "{running} at once");
    }
}

fn register(world: &mut World<MemoryStore>, runs: &[RunId]) {
    let hands = vec![serde_json::from_value(json!({"name": "work", "concurrency": 64})).unwrap()];
    let works = runs.iter().flat_map(|run| world.at_work(*run)).filter_map(|(.., work)| match work {
        TaskWork::Dispatch(dispatch) => Some(dispatch),
        TaskWork::Approval(_) | TaskWork::Run(_) | TaskWork::Clock | TaskWork::Event => None,
    });
    let leases =
        works.map(|dispatch| HeldLease { lease: Lease { dispatch, attempt: 1 }, waiting: false }).collect();
    world.register("wren", Register { hands, slots: 64, leases, ..Register::default() }).unwrap();
}

fn play(plans: &[Plan], choices: &[u8], calm: bool) -> (World<MemoryStore>, Vec<RunId>) {
    let mut world = world::memory();
    world.team();
    world.put(flow(plans, calm)).unwrap();
    let runs: Vec<RunId> = (0..2).map(|_| world.run("f", input(plans))).collect();
    play_on(&mut world, plans, choices, &runs, |task| verdict(plans, task));
    (world, runs)
}

/// Goes on until the runs have ended; `choices` say who finishes next and when a broker starts anew.
fn play_on(
    world: &mut World<MemoryStore>,
    plans: &[Plan],
    choices: &[u8],
    runs: &[RunId],
    verdict: impl Fn(&RunTask) -> Result<Value, &'static str>,
) {
    let mut watch = Watch { seen: BTreeMap::new(), dispatches: BTreeSet::new() };
    for turn in 0.. {
        runs.iter().for_each(|run| watch.look(world, *run, plans));
        let choice = usize::from(choices[turn % choices.len()]);
        let open: Vec<RunTask> = runs.iter().flat_map(|run| world.tasks(*run)).collect();
        let running: Vec<&RunTask> = open.iter().filter(|task| task.state == StepState::Running).collect();
        if runs.iter().all(|run| world.info(*run).state.is_end()) {
            break;
        }
        assert!(turn < 1_000, "the runs do not end");
        if choice.is_multiple_of(7) {
            let config = world.config.clone();
            world.start(config);
            register(world, runs);
        } else if running.is_empty() || choice.is_multiple_of(5) {
            world.passes(1_000);
        } else {
            let task = running[choice % running.len()];
            let Some(TaskWork::Dispatch(dispatch)) = task.work else { panic!("{task:?}") };
            world.give(dispatch, verdict(task));
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn every_run_ends_and_nothing_is_done_twice(plans in plans(), choices in prop::collection::vec(1_u8.., 16)) {
        let (world, runs) = play(&plans, &choices, false);
        for run in runs {
            let info = world.info(run);
            prop_assert!(info.steps.iter().all(|step| step.state.is_end()), "{info:?}");
            prop_assert!(world.tasks(run).iter().all(|task| task.state.is_end()));
            let is_broken = |(place, plan): (usize, &Plan)| {
                ON_ERROR[plan.on_error] == "fail" && info.steps[place].state == StepState::Failed
            };
            let expected = if plans.iter().enumerate().any(is_broken) { RunState::Failed } else { RunState::Done };
            prop_assert_eq!(info.state, expected);
        }
        prop_assert_eq!(world.hub.queue().len(), 0);
    }

    #[test]
    fn what_is_tried_again_until_it_is_done_is_done_once(plans in plans(), choices in prop::collection::vec(1_u8.., 16)) {
        let (mut world, runs) = play(&plans, &choices, false);
        let mut done: BTreeMap<(RunId, String, u32), BTreeSet<DispatchId>> = BTreeMap::new();
        for first in runs {
            let (mut chain, mut last) = (vec![first], first);
            if world.info(first).state == RunState::Failed {
                let again = Change::RunRetry(RunRetry { run: first, step: None });
                last = world.request::<RunStarted>("operator/ana", again).unwrap().run;
                chain.push(last);
                let comes = |task: &RunTask| Ok(json!(format!("{}.{}", &task.step.as_str()[1..], task.index)));
                play_on(&mut world, &plans, &choices, &[last], comes);
            }
            prop_assert_eq!(world.info(last).state, RunState::Done);
            for task in chain.iter().flat_map(|run| world.tasks(*run)).filter(|task| task.state == StepState::Done) {
                let Some(TaskWork::Dispatch(dispatch)) = task.work else { panic!("{task:?}") };
                done.entry((first, task.step.to_string(), task.index)).or_default().insert(dispatch);
            }
            for (place, step) in world.info(last).steps.iter().enumerate() {
                if let (StepState::Done, Some(items)) = (step.state, plans[place].items) {
                    let expected: Vec<String> = (0..items).map(|index| format!("{place}.{index}")).collect();
                    prop_assert_eq!(&world.output(last)[step.id.as_str()], &json!(expected));
                }
            }
        }
        prop_assert!(done.values().all(|dispatches| dispatches.len() == 1), "{:?}", done);
        let all = world.store.dispatches(Which::All, None, 10_000).unwrap();
        let ended = all.iter().filter(|info| info.state == DispatchState::Done).count();
        prop_assert_eq!(ended, done.len());
    }

    #[test]
    fn a_run_comes_to_what_the_model_says(plans in plans(), choices in prop::collection::vec(1_u8.., 16)) {
        let (world, runs) = play(&plans, &choices, true);
        for run in runs {
            prop_assert_eq!(world.info(run).state, RunState::Done);
            prop_assert_eq!(world.output(run), model(&plans));
        }
    }
}
