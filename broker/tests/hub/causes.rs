//! What leads to what: triggers that run flows and come after them, and that no line of them closes into a circle.

use nexus_broker::hub::records::Transaction;
use nexus_broker::hub::{Change, CommandBody};
use nexus_wire::flow::{FlowPut, FlowStored};
use nexus_wire::hands::DispatchState;
use nexus_wire::inbox::{Decision, ItemBody};
use nexus_wire::limits::TRIGGER_LINE_MAX;
use nexus_wire::run::{RunCancel, RunInfo, RunState, TaskWork};
use nexus_wire::trigger::{SlotWork, TriggerSlot, TriggerStatus};
use nexus_wire::{DispatchId, Party, RunId};
use serde_json::{Value, json};

use crate::flows::Flowing;
use crate::on_both_stores;
use crate::triggers::{Triggering, told};
use crate::world::World;

const STEP: Value = Value::Null;

/// ana defines, wren works; the flow `look` is one dispatch to it with the input of the run.
fn team<S: Transaction>(world: &mut World<S>) {
    Triggering::team(world);
    flow(
        world,
        json!({"id": "look", "steps": [
        {"id": "a", "do": {"dispatch": {"hand": "wren/check", "input": "{{ input }}"}}},
    ], "output": "{{ steps.a.output }}"}),
    );
}

fn flow<S: Transaction>(world: &mut World<S>, flow: Value) {
    let put = FlowPut { flow: serde_json::from_value(flow).unwrap() };
    let _: FlowStored = world.request("operator/ana", Change::FlowPut(put)).unwrap();
}

fn put<S: Transaction>(world: &mut World<S>, definition: Value) {
    Triggering::put(world, definition).unwrap();
}

fn look(input: Value) -> Value {
    json!({"flow": {"id": "look", "input": input}})
}

fn run_of(slot: &TriggerSlot) -> RunId {
    match slot.work {
        Some(SlotWork::Run(id)) => id,
        other => panic!("{other:?} is no run"),
    }
}

/// What the first step of a run is at.
fn at<S: Transaction>(world: &World<S>, run: RunId) -> DispatchId {
    let work = world.at_work(run)[0].2;
    let TaskWork::Dispatch(id) = work else { panic!("{work:?} is no dispatch") };
    id
}

fn names(causes: &[nexus_wire::TriggerName]) -> Vec<&str> {
    causes.iter().map(|name| name.as_str()).collect()
}

on_both_stores! {
    fn a_slot_is_a_run_and_ends_as_that_does(world) {
        team(world);
        put(world, json!({"when": "manual", "do": look(json!({"no": "{{ trigger.no }}", "it": "{{ payload }}"}))}));
        let fired = world.fire("t", json!("rain")).unwrap();
        let run = run_of(&fired.slot);
        let info = world.info(run);
        assert_eq!((info.by.to_string().as_str(), names(&info.causes)), ("operator/ana", vec!["t"]));
        assert_eq!(world.input_of(run, "a"), json!({"no": 1, "it": "rain"}));
        assert_eq!(told(&world.slots("t")), [("running", None)]);
        world.finish(at(world, run), false);
        assert_eq!((told(&world.slots("t")), world.info(run).state), (vec![("done", None)], RunState::Done));
        let run = run_of(&world.fire("t", Value::Null).unwrap().slot);
        world.finish(at(world, run), true);
        let reason = format!("run {run} is failed: step a: it is broken");
        assert_eq!(told(&world.slots("t"))[1], ("failed", Some(reason.as_str())));
        let run = run_of(&world.fire("t", Value::Null).unwrap().slot);
        let cancel = RunCancel { run, reason: None };
        let _: RunInfo = world.request("operator/ana", Change::RunCancel(cancel)).unwrap();
        let reason = format!("run {run} is cancelled: cancelled by operator/ana");
        assert_eq!(told(&world.slots("t"))[2], ("failed", Some(reason.as_str())));
    }

    fn a_run_that_fails_is_another_run_and_then_the_trigger_is_paused(world) {
        team(world);
        put(world, json!({"when": "manual", "do": look(STEP), "retry": {"max": 2, "backoff_s": [10]}}));
        let mut runs = vec![run_of(&world.fire("t", Value::Null).unwrap().slot)];
        for _ in 0..2 {
            world.finish(at(world, *runs.last().unwrap()), true);
            let slot = world.slots("t")[0].clone();
            assert_eq!(slot.state.as_str(), "retrying");
            world.tick_at(slot.due.unwrap());
            runs.push(run_of(&world.slots("t")[0]));
        }
        world.finish(at(world, runs[2]), true);
        runs.dedup();
        assert_eq!(runs.len(), 3, "each is one of its own");
        let info = world.stands("t");
        assert_eq!(info.status, TriggerStatus::Paused);
        assert!(info.reason.unwrap().starts_with("3 attempts in a row came to nothing; the last: run "));
    }

    fn runs_overlap_as_the_trigger_says(world) {
        team(world);
        put(world, json!({"name": "one", "when": "manual", "do": look(STEP), "overlap": "replace"}));
        let first = run_of(&world.fire("one", Value::Null).unwrap().slot);
        let dispatch = at(world, first);
        let second = run_of(&world.fire("one", Value::Null).unwrap().slot);
        assert_eq!((world.info(first).state, world.info(second).state), (RunState::Cancelled, RunState::Running));
        assert_eq!(world.store.dispatch(dispatch).unwrap().unwrap().info.state, DispatchState::Cancelled);
        assert_eq!(told(&world.slots("one")), [("cancelled", Some("replaced by slot 2")), ("running", None)]);
        put(world, json!({"name": "two", "when": "manual", "do": look(STEP), "overlap": "queue"}));
        let first = run_of(&world.fire("two", Value::Null).unwrap().slot);
        assert_eq!(world.fire("two", Value::Null).unwrap().slot.state.as_str(), "queued");
        world.finish(at(world, first), false);
        world.drain();
        assert_eq!(told(&world.slots("two")), [("done", None), ("running", None)]);
        put(world, json!({"name": "three", "when": "manual", "do": look(STEP)}));
        world.fire("three", Value::Null).unwrap();
        world.fire("three", Value::Null).unwrap();
        assert_eq!(told(&world.slots("three"))[1], ("skipped", Some("overlap: slot 1 has not ended")));
    }

    fn what_is_wrong_with_a_flow_to_run_is_said_when_it_is_known(world) {
        team(world);
        flow(world, json!({"id": "strict", "input": {"type": "object", "required": ["n"]}, "steps": [
            {"id": "a", "do": {"wait": {"seconds": 1}}},
        ]}));
        let strict = |input: Value| json!({"when": "manual", "do": {"flow": {"id": "strict", "input": input}}});
        let after = |after: Value| json!({"when": {"after": after}});
        let cases = [
            (json!({"when": "manual", "do": {"flow": {"id": "none"}}}), "there is no flow none; `nexctl flow list` shows those there are"),
            (json!({"when": "manual", "do": look(json!("{{ dat }}"))}), "`do.flow.input` 1:4: there is no `dat`; did you mean `date`?"),
            (json!({"when": "manual", "do": look(STEP), "budget": {"tokens": 5}}), "`budget` is for dispatches; what the steps of a flow spend is limited by budget.set"),
            (after(json!({})), "`when.after` names a `trigger` or a `flow`, one of them"),
            (after(json!({"trigger": "t", "flow": "look"})), "`when.after` names a `trigger` or a `flow`, one of them"),
            (after(json!({"flow": "none"})), "there is no flow none; `nexctl flow list` shows those there are"),
        ];
        for (definition, wrong) in cases {
            assert_eq!(Triggering::put(world, definition).unwrap_err().message, wrong);
        }
        let error = Triggering::put(world, strict(json!({"m": 1}))).unwrap_err();
        assert!(error.message.starts_with("the input is not what flow strict takes: "), "{}", error.message);
        // Here it is not known before it is due.
        put(world, strict(json!("{{ payload }}")));
        let slot = world.fire("t", json!({"m": 1})).unwrap().slot;
        assert!(slot.reason.unwrap().starts_with("the input is not what flow strict takes: "));
        assert_eq!(run_state(world, "t"), "failed");
        world.fire("t", json!({"n": 1})).unwrap();
        assert_eq!(run_state(world, "t"), "running");
    }

    fn one_comes_after_a_flow_however_that_was_begun(world) {
        team(world);
        put(world, json!({"name": "well", "when": {"after": {"flow": "look"}}}));
        put(world, json!({"name": "badly", "when": {"after": {"flow": "look", "on": "failure"}}}));
        let run = world.run("look", json!(1));
        world.finish(at(world, run), false);
        world.drain();
        let slots = world.slots("well");
        let because = serde_json::to_value(&slots[0].cause).unwrap();
        assert_eq!((slots.len(), because), (1, json!({"after_run": {"flow": "look", "run": run}})));
        let inbox = world.inbox("wren");
        let ItemBody::Message(asked) = &inbox.last().unwrap().body else { panic!("{inbox:?}") };
        assert!(asked.content.contains("\"output\":\"well\""), "{}", asked.content);
        world.close(inbox.last().unwrap().id, Decision::Silent);
        let run = world.run("look", json!(1));
        world.finish(at(world, run), true);
        let run = world.run("look", json!(1));
        let cancel = RunCancel { run, reason: None };
        let _: RunInfo = world.request("operator/ana", Change::RunCancel(cancel)).unwrap();
        world.drain();
        assert_eq!((world.slots("well").len(), world.slots("badly").len()), (1, 1));
    }

    /// By the ends of flows, by entries of the log about runs and dispatches, by whatever closes an item.
    fn no_circle_goes_through_a_flow(world) {
        team(world);
        flow(world, json!({"id": "outer", "steps": [{"id": "a", "do": {"flow": {"id": "look"}}}]}));
        let outer = json!({"flow": {"id": "outer"}});
        let kinds = json!(["run.started", "run.ended", "dispatch_accepted", "dispatch_assigned", "dispatch_ended", "item_closed", "alert", "approval.asked"]);
        put(world, json!({"name": "a", "when": "manual", "do": outer}));
        put(world, json!({"name": "b", "when": {"after": {"flow": "outer", "on": "both"}}, "do": look(STEP)}));
        put(world, json!({"name": "c", "when": {"after": {"trigger": "b", "on": "both"}}, "do": outer}));
        put(world, json!({"name": "e", "when": {"event": {"kinds": kinds}}, "do": look(STEP), "overlap": "replace"}));
        world.fire("a", Value::Null).unwrap();
        for round in 0..200 {
            world.drain();
            let open = world.store.snapshot().unwrap().open_dispatches;
            let Some(dispatch) = open.first().map(|record| record.info.id) else {
                assert!(round > 3, "each has had its turn: {round}");
                break;
            };
            world.finish(dispatch, round % 2 == 1);
            let inbox = world.inbox("wren");
            let given = inbox.iter().find(|item| matches!(&item.body, ItemBody::Assignment(given) if given.lease.dispatch == dispatch));
            world.close(given.unwrap().id, Decision::Acted);
        }
        assert_eq!(world.store.snapshot().unwrap().open_dispatches, []);
        world.drain();
        assert_eq!(["a", "b", "c"].map(|name| world.slots(name).len()), [1, 1, 1]);
        let causes: Vec<Vec<String>> = world.slots("e").iter().filter_map(|slot| match slot.work {
            Some(SlotWork::Run(run)) => Some(names(&world.info(run).causes).into_iter().map(str::to_owned).collect()),
            Some(SlotWork::Message(_) | SlotWork::Dispatch(_)) | None => None,
        }).collect();
        assert!(!causes.is_empty());
        for line in &causes {
            assert_eq!(line.iter().filter(|name| *name == "e").count(), 1, "{line:?}");
            assert!(line.len() <= 4, "{line:?}");
        }
        for name in ["a", "b", "c"] {
            assert!(causes.iter().any(|line| line[1] == name), "it hears of what {name} does: {causes:?}");
        }
    }

    fn a_line_has_an_end(world) {
        team(world);
        put(world, json!({"name": "t0", "when": "manual", "do": look(STEP)}));
        for no in 1..TRIGGER_LINE_MAX + 3 {
            let before = json!({"after": {"trigger": format!("t{}", no - 1)}});
            put(world, json!({"name": format!("t{no}"), "when": before, "do": look(STEP)}));
        }
        world.fire("t0", Value::Null).unwrap();
        let mut longest = 0;
        while let Some(record) = world.store.snapshot().unwrap().open_dispatches.first() {
            let run = world.store.dispatch(record.info.id).unwrap().unwrap().info.run.unwrap();
            longest = longest.max(world.info(run).causes.len());
            world.finish(record.info.id, false);
            world.drain();
        }
        let fired = (0..TRIGGER_LINE_MAX + 3).filter(|no| !world.slots(&format!("t{no}")).is_empty()).count();
        assert_eq!((fired, longest), (TRIGGER_LINE_MAX, TRIGGER_LINE_MAX));
    }

    fn a_run_of_an_owner_who_was_revoked_goes_no_further(world) {
        team(world);
        world.operator("bo");
        let definition = crate::triggers::trigger(json!({"when": "manual", "do": look(STEP)}));
        let put = Change::TriggerPut(Box::new(definition));
        world.request::<Value>("operator/bo", put).unwrap();
        let run = run_of(&world.fire("t", Value::Null).unwrap().slot);
        assert_eq!(world.info(run).by, "operator/bo".parse::<Party>().unwrap());
        let body = CommandBody::RevokeOperator { by: Party::System, name: "bo".parse().unwrap() };
        world.call(body).0.unwrap();
        let slot = world.fire("t", Value::Null).unwrap().slot;
        assert_eq!(slot.reason.as_deref(), Some("overlap: slot 1 has not ended"));
        world.finish(at(world, run), false);
        let slot = world.fire("t", Value::Null).unwrap().slot;
        assert_eq!(slot.reason.as_deref(), Some("its owner bo was revoked"));
        assert_eq!(world.stands("t").status, TriggerStatus::Paused);
    }
}

fn run_state<S: Transaction>(world: &World<S>, name: &str) -> &'static str {
    world.slots(name).last().unwrap().state.as_str()
}
