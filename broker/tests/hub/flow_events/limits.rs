//! The bounds of flows and their runs: what is at one is taken, what is beyond it is refused and leaves nothing.

use nexus_broker::hub::records::{Reads as _, RunsWanted, Transaction};
use nexus_broker::hub::{Change, CommandBody, Origin};
use nexus_wire::flow::{Flow, FlowDelete, FlowDeleted, FlowPut};
use nexus_wire::limits::{
    FLOW_BYTES_MAX, FLOW_DESCRIPTION_BYTES_MAX, FLOW_GROUP_BYTES_MAX, FLOW_GROUPS_MAX, FLOW_ITEMS_MAX,
    FLOW_PARALLEL_DEFAULT, FLOW_STEPS_MAX, FLOWS_MAX, RUN_BYTES_MAX, RUN_ERROR_BYTES_MAX, RUNS_OPEN_MAX,
};
use nexus_wire::run::{RunCancel, RunInfo, RunStart, RunState};
use nexus_wire::{ErrorCode, RequestId};
use serde_json::{Value, json};

use crate::flows::{Flowing, work};
use crate::on_both_stores;
use crate::world::{World, memory, party};

fn x(bytes: usize) -> String {
    "x".repeat(bytes)
}

/// One step, and more of the flow.
fn flow(more: &Value) -> Value {
    let mut flow = json!({"id": "f", "steps": [{"id": "a", "do": {"wait": {"seconds": 5}}}]});
    flow.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    flow
}

/// One step with more to it.
fn step(more: &Value) -> Value {
    let mut flow = flow(&json!({}));
    flow["steps"][0].as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    flow
}

fn steps(count: usize) -> Value {
    let steps: Vec<Value> =
        (0..count).map(|n| json!({"id": format!("s{n}"), "do": {"wait": {"seconds": 5}}})).collect();
    flow(&json!({"steps": steps}))
}

/// As large as that as JSON, as it is kept.
fn large(bytes: usize) -> Value {
    // One text is 16 KiB at most.
    let with = |last: usize| flow(&json!({"output": [x(13_000), x(13_000), x(13_000), x(13_000), x(last)]}));
    let parsed: Flow = serde_json::from_value(with(0)).unwrap();
    with(bytes - serde_json::to_string(&parsed).unwrap().len())
}

/// What is taken, what is one too many, and how that is said.
fn cases() -> Vec<(Value, Value, &'static str)> {
    let groups = |count: usize| flow(&json!({"concurrency_group": vec!["g"; count]}));
    let description = |bytes: usize| flow(&json!({"description": x(bytes)}));
    let parallel = |most: u32| flow(&json!({"max_parallel": most}));
    let retry = |retry: Value| step(&json!({"retry": retry}));
    let wait = |seconds: u32| step(&json!({"do": {"wait": {"seconds": seconds}}}));
    let timeout = |seconds: u32| step(&json!({"timeout_s": seconds}));
    let expires = |seconds: u32| step(&json!({"do": {"approve": {"text": "?", "expires_s": seconds}}}));
    let able = |count: usize| {
        let names: Vec<String> = (0..count).map(|n| format!("c{n}")).collect();
        step(&json!({"do": {"dispatch": {"capability": {"needs": names}, "input": 1}}}))
    };
    vec![
        (
            large(FLOW_BYTES_MAX),
            large(FLOW_BYTES_MAX + 1),
            "the flow is 65537 bytes as JSON; 65536 is the most",
        ),
        (steps(FLOW_STEPS_MAX), steps(FLOW_STEPS_MAX + 1), "steps: 65 steps; 64 is the most"),
        (steps(1), steps(0), "steps: a flow has at least one step"),
        (
            description(FLOW_DESCRIPTION_BYTES_MAX),
            description(FLOW_DESCRIPTION_BYTES_MAX + 1),
            "description: 1025 bytes; 1024 is the most",
        ),
        (groups(FLOW_GROUPS_MAX), groups(FLOW_GROUPS_MAX + 1), "concurrency_group: 9 groups; 8 is the most"),
        (parallel(32), parallel(33), "max_parallel: 33 is not from 1 to 32"),
        (parallel(1), parallel(0), "max_parallel: 0 is not from 1 to 32"),
        (
            retry(json!({"times": 10})),
            retry(json!({"times": 11})),
            "steps[0].retry.times: 11 is not from 1 to 10",
        ),
        (
            retry(json!({"times": 1, "backoff_s": 3600})),
            retry(json!({"times": 1, "backoff_s": 3601})),
            "steps[0].retry.backoff_s: 3601 is not from 1 to 3600",
        ),
        (wait(2_592_000), wait(2_592_001), "steps[0].do.wait.seconds: 2592001 is not from 1 to 2592000"),
        (timeout(2_592_000), timeout(2_592_001), "steps[0].timeout_s: 2592001 is not from 1 to 2592000"),
        (expires(604_800), expires(604_801), "steps[0].do.approve.expires_s: 604801 is not from 1 to 604800"),
        (
            able(16),
            able(17),
            "steps[0].do.dispatch.capability: at most 16 in each list, of 256 bytes at most",
        ),
    ]
}

on_both_stores! {
    fn a_flow_is_as_large_as_it_may_be_and_no_larger(world) {
        world.team();
        for (fits, beyond, message) in cases() {
            let before = world.store.flow(&"f".parse().unwrap()).unwrap();
            let refused = world.put(beyond).unwrap_err();
            assert_eq!((refused.code, refused.message), (ErrorCode::Invalid, format!("flow f cannot run: {message}")));
            assert_eq!(world.store.flow(&"f".parse().unwrap()).unwrap(), before);
            world.put(fits.clone()).unwrap();
            let kept = world.store.flow(&"f".parse().unwrap()).unwrap().unwrap().flow;
            assert_eq!(kept, serde_json::from_value(fits).unwrap());
        }
    }

    /// Of a group's name, of items, of what goes in, and of why a step has failed.
    fn a_run_has_bounds_of_its_own(world) {
        world.team();
        world.put(flow(&json!({"concurrency_group": ["{{ input }}"]}))).unwrap();
        let run = world.run("f", json!(x(FLOW_GROUP_BYTES_MAX)));
        assert_eq!(world.info(run).groups, [x(FLOW_GROUP_BYTES_MAX)]);
        let refused = world.try_start("operator/ana", "f", json!(x(FLOW_GROUP_BYTES_MAX + 1))).unwrap_err();
        let message = "a concurrency group of 257 bytes; 256 is the most";
        assert_eq!((refused.code, refused.message.as_str()), (ErrorCode::Invalid, message));
        world.put(flow(&json!({}))).unwrap();
        // As JSON, with its quotation marks.
        let run = world.run("f", json!(x(RUN_BYTES_MAX / 2 - 2)));
        assert_eq!(world.info(run).state, RunState::Running);
        let refused = world.try_start("operator/ana", "f", json!(x(RUN_BYTES_MAX / 2 - 1))).unwrap_err();
        let message = "the input is 262145 bytes as JSON; 262144 is the most";
        assert_eq!((refused.code, refused.message.as_str()), (ErrorCode::TooLarge, message));
        world.put(step(&json!({"for_each": "input"}))).unwrap();
        let run = world.run("f", json!(vec![0; FLOW_ITEMS_MAX]));
        assert_eq!((world.info(run).state, world.info(run).steps[0].times), (RunState::Running, 256));
        let run = world.run("f", json!(vec![0; FLOW_ITEMS_MAX + 1]));
        assert_eq!(world.info(run).error.unwrap().code, "too_many");
        world.put(json!({"id": "f", "steps": [work("a", &[], json!(1))]})).unwrap();
        let run = world.run("f", Value::Null);
        world.fails(run, "a", &x(2 * RUN_ERROR_BYTES_MAX));
        let told = world.info(run).steps[0].error.clone().unwrap().message;
        assert_eq!(told, x(RUN_ERROR_BYTES_MAX));
    }
}

fn request<S>(world: &mut World<S>, change: Change) -> (Origin, CommandBody)
where
    S: Transaction,
{
    request_of(world, "operator/ana", change)
}

fn request_of<S>(world: &mut World<S>, by: &str, change: Change) -> (Origin, CommandBody)
where
    S: Transaction,
{
    let (sender, request) = (party(by), RequestId(world.id()));
    (Origin::Call(7), CommandBody::Request { sender, link: None, request, change })
}

/// One more is refused until one has ended; a step that would start one waits for it.
#[test]
fn there_are_so_many_open_runs_and_no_more() {
    let mut world = memory();
    world.team();
    world.put(step(&json!({"do": {"wait": {"seconds": 86_400}}}))).unwrap();
    let call = json!({"id": "call", "steps": [
        {"id": "a", "do": {"wait": {"until": "2000-01-01T00:00:00Z"}}},
        {"id": "b", "needs": ["a"], "do": {"flow": {"id": "f"}}},
    ]});
    world.put(call).unwrap();
    let outer = world.run("call", Value::Null);
    assert_eq!(world.states(outer), "running: a=running b=pending");
    // One party alone may not have as many.
    ["cy", "di", "ed"].into_iter().for_each(|name| world.operator(name));
    let parties = ["ana", "bo", "cy", "di"].map(|name| format!("operator/{name}"));
    let commands: Vec<_> = (1..RUNS_OPEN_MAX)
        .map(|n| {
            let start = RunStart { flow: "f".parse().unwrap(), input: Value::Null, thread: None };
            request_of(&mut world, &parties[n % parties.len()], Change::RunStart(start))
        })
        .collect();
    world.at += 1;
    world.batch(commands);
    let refused = world.try_start("operator/ed", "f", Value::Null).unwrap_err();
    let message = "1024 runs have not ended, which is the most; try again later";
    assert_eq!((refused.code, refused.message.as_str()), (ErrorCode::QueueFull, message));
    world.passes(1);
    assert_eq!(world.states(outer), "running: a=done b=running");
    let task = world.tasks(outer).remove(1);
    assert_eq!((task.state.as_str(), task.work, task.error), ("pending", None, None), "it waits for room");
    let wanted = RunsWanted { all: true, ..RunsWanted::default() };
    let open = world.store.runs(&wanted, None, 1).unwrap().remove(0);
    let cancel = RunCancel { run: open.id, reason: None };
    let _: RunInfo = world.request("operator/ana", Change::RunCancel(cancel)).unwrap();
    world.passes(5_000);
    assert_eq!(world.at_work(outer).len(), 1, "it has found room");
    let refused = world.try_start("operator/ed", "f", Value::Null).unwrap_err();
    assert_eq!(refused.code, ErrorCode::QueueFull);
}

/// Where a flow does not say how many steps and items are at work at once.
#[test]
fn so_much_of_a_run_is_at_work_and_no_more() {
    let mut world = memory();
    world.team();
    let each = json!({"id": "each", "for_each": "input", "do": {"wait": {"seconds": 86_400}}});
    world.put(flow(&json!({"steps": [each]}))).unwrap();
    let items: Vec<usize> = (0..20).collect();
    let run = world.run("f", json!(items));
    assert_eq!(world.at_work(run).len(), FLOW_PARALLEL_DEFAULT as usize);
}

/// One more is refused; what is there can be put anew, and one that is gone makes room.
#[test]
fn there_are_so_many_flows_and_no_more() {
    let mut world = memory();
    world.team();
    let named = |n: usize, more: Value| -> Flow {
        let mut flow = flow(&more);
        flow["id"] = json!(format!("f{n}"));
        serde_json::from_value(flow).unwrap()
    };
    let commands: Vec<_> = (0..FLOWS_MAX)
        .map(|n| request(&mut world, Change::FlowPut(FlowPut { flow: named(n, json!({})) })))
        .collect();
    world.at += 1;
    world.batch(commands);
    assert_eq!(world.store.flow_count().unwrap(), FLOWS_MAX as u64);
    let put = |world: &mut World<_>, n: usize, more: Value| {
        world.request::<Value>("operator/ana", Change::FlowPut(FlowPut { flow: named(n, more) }))
    };
    let refused = put(&mut world, FLOWS_MAX, json!({})).unwrap_err();
    let message = "there are 512 flows, which is the most; delete one first";
    assert_eq!((refused.code, refused.message.as_str()), (ErrorCode::QueueFull, message));
    assert_eq!(put(&mut world, 7, json!({"description": "another"})).unwrap()["version"], 2);
    let delete = FlowDelete { flow: "f7".parse().unwrap() };
    world.request::<FlowDeleted>("operator/ana", Change::FlowDelete(delete)).unwrap();
    assert_eq!(put(&mut world, FLOWS_MAX, json!({})).unwrap()["version"], 1);
    assert_eq!(world.store.flow_count().unwrap(), FLOWS_MAX as u64);
}
