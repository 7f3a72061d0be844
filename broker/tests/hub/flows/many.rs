//! Many open runs: of one group, and of one party.

use nexus_broker::hub::records::{RunsWanted, Transaction};
use nexus_broker::hub::{Change, CommandBody, Origin};
use nexus_wire::limits::{RUNS_OPEN_PER_PARTY_MAX, RUNS_OPEN_WITHIN_PER_PARTY_MAX, STEP_ROOM_AFTER};
use nexus_wire::run::{RunCancel, RunInfo, RunStart, RunStarted, RunState, StepState};
use nexus_wire::{ErrorCode, Ms, RequestId, RunId, derive};
use serde_json::{Value, json};

use super::{Flowing, code, flow, with, work};
use crate::on_both_stores;
use crate::world::{World, memory, party};

/// Starts `f` so often, in one commit.
fn start<S: Transaction>(world: &mut World<S>, by: &str, times: usize) -> Vec<RunId> {
    let mut runs = Vec::new();
    let mut commands = Vec::new();
    for _ in 0..times {
        let (sender, request) = (party(by), RequestId(world.id()));
        let start = RunStart { flow: "f".parse().unwrap(), input: Value::Null, thread: None };
        runs.push(derive::run_id(request, &sender));
        let body = CommandBody::Request { sender, link: None, request, change: Change::RunStart(start) };
        commands.push((Origin::Call(7), body));
    }
    world.at += 1;
    world.batch(commands);
    runs
}

fn cancel<S: Transaction>(world: &mut World<S>, run: RunId) {
    let cancel = RunCancel { run, reason: None };
    let _: RunInfo = world.request("operator/ana", Change::RunCancel(cancel)).unwrap();
}

fn open_of<S: Transaction>(world: &World<S>, by: &str) -> Vec<RunInfo> {
    let wanted = RunsWanted { by: Some(party(by)), ..RunsWanted::default() };
    world.store.runs(&wanted, None, 2_000).unwrap()
}

on_both_stores! {
    fn the_runs_of_one_party_leave_room_for_those_of_others(world) {
        world.team();
        world.put(flow("f", &[work("a", &[], json!(1))])).unwrap();
        let runs = start(world, "operator/ana", RUNS_OPEN_PER_PARTY_MAX - 1);
        let request = RequestId(world.id());
        let last = || Change::RunStart(RunStart { flow: "f".parse().unwrap(), input: Value::Null, thread: None });
        let first: RunStarted = crate::world::parsed(&world.request_as("operator/ana", request, last()).0.unwrap());
        let message = "operator/ana has 256 runs that have not ended, which is the most of one party; try again when some have, \
            or cancel some";
        let refused = code(world.try_start("operator/ana", "f", Value::Null));
        assert_eq!(refused, (ErrorCode::QueueFull, message.to_owned()));
        let again = world.request_as("operator/ana", request, last()).0.unwrap();
        assert_eq!(crate::world::parsed::<RunStarted>(&again), first, "a repeat is no more");
        for other in ["operator/bo", "forge"] {
            let started = world.try_start(other, "f", Value::Null).unwrap();
            assert_eq!(world.states(started.run), "running: a=running");
        }
        cancel(world, runs[0]);
        world.try_start("operator/ana", "f", Value::Null).unwrap();
        assert_eq!(code(world.try_start("operator/ana", "f", Value::Null)).0, ErrorCode::QueueFull);
    }

    /// Who may begin no more can still end what was begun, as the runs within find room.
    fn the_runs_within_those_of_one_party_leave_room_for_those_of_others(world) {
        world.team();
        world.put(flow("inner", &[json!({"id": "a", "do": {"wait": {"seconds": 3_600}}})])).unwrap();
        let steps = [
            json!({"id": "a", "do": {"wait": {"until": "2000-01-01T00:00:00Z"}}}),
            json!({"id": "b", "needs": ["a"], "for_each": "[1, 2]", "do": {"flow": {"id": "inner"}}}),
        ];
        world.put(flow("f", &steps)).unwrap();
        let runs = start(world, "operator/ana", RUNS_OPEN_PER_PARTY_MAX);
        assert_eq!(open_of(world, "operator/ana").len(), RUNS_OPEN_PER_PARTY_MAX);
        for _ in 0..5 {
            world.passes(1);
        }
        assert_eq!(open_of(world, "operator/ana").len(), RUNS_OPEN_WITHIN_PER_PARTY_MAX);
        let waits = runs.iter().flat_map(|run| world.tasks(*run)).find(|task| task.state == StepState::Pending).unwrap();
        assert_eq!((waits.attempt, waits.error, waits.work), (1, None, None), "it waits for room");
        let message = "operator/ana has 512 runs that have not ended, those within others counted, which is the most of one \
            party; try again when some have, or cancel some";
        let refused = code(world.try_start("operator/ana", "inner", Value::Null));
        assert_eq!(refused, (ErrorCode::QueueFull, message.to_owned()));
        let others = world.try_start("operator/bo", "f", Value::Null).unwrap().run;
        world.passes(1);
        assert_eq!(world.at_work(others).len(), 2);
        // One that has ended makes room for what waits.
        cancel(world, runs[0]);
        world.passes(STEP_ROOM_AFTER.as_millis() as Ms);
        assert_eq!(open_of(world, "operator/ana").len(), RUNS_OPEN_WITHIN_PER_PARTY_MAX);
    }
}

/// One looks for what it waits for among all that wait, and none of them is looked at twice.
#[test]
fn of_a_group_as_many_may_wait_as_there_may_be() {
    let mut world = memory();
    world.team();
    let group = json!({"concurrency_group": ["g", "h"]});
    let ask = json!({"id": "a", "do": {"approve": {"text": "?"}}});
    world.put(with(flow("f", &[ask]), group)).unwrap();
    let mut runs = start(&mut world, "operator/ana", 250);
    runs.extend(start(&mut world, "operator/bo", 250));
    let at_work = |world: &World<_>| -> Vec<RunId> {
        runs.iter().filter(|run| world.info(**run).state == RunState::Running).copied().collect()
    };
    assert_eq!(at_work(&world), [runs[0]]);
    // Those of one moment stand in the order of their ids.
    let mut line = runs[1..250].to_vec();
    line.sort_unstable();
    // Whoever waits and goes lets nobody in; whoever is at work lets the next one in, and no other.
    cancel(&mut world, line[0]);
    assert_eq!(at_work(&world), [runs[0]]);
    cancel(&mut world, runs[0]);
    assert_eq!(at_work(&world), [line[1]]);
}
