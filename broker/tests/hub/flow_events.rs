//! Steps that wait for an entry of the log, and who is told of the end of a run.

mod limits;

use nexus_broker::hub::records::Transaction;
use nexus_broker::hub::{Change, HubConfig};
use nexus_wire::alert::{Alert, AlertAck, AlertKind};
use nexus_wire::chat::ChatSend;
use nexus_wire::flow::{FlowDelete, FlowDeleted};
use nexus_wire::inbox::ItemBody;
use nexus_wire::limits::{RUN_BYTES_MAX, TRIGGER_INPUT_BYTES_MAX};
use nexus_wire::roster::Register;
use nexus_wire::run::{RunCancel, RunEnd, RunInfo, RunRetry, RunStart, RunStarted, RunState, TaskWork};
use nexus_wire::{ErrorCode, RunId, ThreadId, derive};
use serde_json::{Value, json};

use crate::flows::{Flowing, work};
use crate::on_both_stores;
use crate::world::World;

/// A step that waits for an entry, and one that works with what the entry says.
fn waits(event: Value, timeout_s: u32) -> Value {
    json!({"id": "waits", "steps": [
        {"id": "a", "do": {"wait": {"event": event}}, "timeout_s": timeout_s},
        work("b", &["a"], json!("{{ steps.a.output.body.content }}")),
    ], "output": "{{ steps.a.output.kind }}"})
}

/// Only words of wren.
fn of_wren() -> Value {
    json!({"kinds": ["message"], "by": "wren"})
}

fn says<S: Transaction>(world: &mut World<S>, by: &str, to: &str, content: &str) -> ThreadId {
    let (to, content) = (vec![to.to_owned()], content.to_owned());
    world.send(by, ChatSend { to, content, ..ChatSend::default() }).unwrap().thread
}

fn worker() -> Register {
    let hand = serde_json::from_value(json!({"name": "work", "concurrency": 64})).unwrap();
    Register { hands: vec![hand], slots: 64, ..Register::default() }
}

fn alert<S: Transaction>(world: &World<S>, kind: AlertKind, flow: &str) -> Option<Alert> {
    world.store.alert(kind, flow).unwrap()
}

/// How often it was raised, and whether it is over.
fn stands<S: Transaction>(world: &World<S>, kind: AlertKind, flow: &str) -> Option<(u32, bool)> {
    alert(world, kind, flow).map(|alert| (alert.times, alert.cleared_at.is_some()))
}

/// What forge was told of the ends of runs.
fn told<S: Transaction>(world: &World<S>) -> Vec<RunEnd> {
    let of_run = |body| if let ItemBody::Run(end) = body { Some(end) } else { None };
    world.inbox("forge").into_iter().filter_map(|item| of_run(item.body)).collect()
}

fn cancel<S: Transaction>(world: &mut World<S>, run: RunId) {
    let cancel = RunCancel { run, reason: None };
    let _: RunInfo = world.request("operator/ana", Change::RunCancel(cancel)).unwrap();
}

/// Of a kind, about one of two flows or about a run.
pub(crate) fn change(kind: u8, run: RunId) -> Change {
    let calls = kind.is_multiple_of(2);
    let flow = || if calls { "calls" } else { "waits" }.parse().unwrap();
    match kind {
        0 | 1 => {
            let event = json!({"kinds": ["message", "alert", "item_closed", "run.ended", "trigger.ran"]});
            let first = match calls {
                true => json!({"id": "a", "do": {"flow": {"id": "waits"}}, "timeout_s": 30}),
                false => json!({"id": "a", "do": {"wait": {"event": event}}, "timeout_s": 10}),
            };
            let dispatch = json!({"dispatch": {"hand": "wren/h0", "input": "{{ steps.a.output.seq }}"}});
            let put = json!({"flow": {
                "id": if calls { "calls" } else { "waits" },
                "steps": [first, {"id": "b", "needs": ["a"], "do": dispatch, "retry": {"times": 1, "backoff_s": 1}}],
                "output": "{{ steps.b.output }}",
            }});
            Change::FlowPut(serde_json::from_value(put).unwrap())
        }
        2 | 3 => Change::FlowDelete(FlowDelete { flow: flow() }),
        4 => Change::RunCancel(RunCancel { run, reason: None }),
        5 => Change::RunRetry(RunRetry { run, step: None }),
        _ => Change::RunStart(RunStart { flow: flow(), input: Value::Null, thread: None }),
    }
}

on_both_stores! {
    fn a_step_waits_for_an_entry_of_the_log_and_misses_none(world) {
        world.team();
        world.put(waits(of_wren(), 60)).unwrap();
        says(world, "wren", "operator/ana", "before");
        let run = world.run("waits", Value::Null);
        assert_eq!(world.at_work(run), [("a".to_owned(), 0, TaskWork::Event)]);
        says(world, "operator/ana", "wren", "not me");
        assert_eq!(world.hub.next_timer(), Some(world.info(run).steps[0].began_at.unwrap() + 60_000));
        says(world, "wren", "operator/ana", "one");
        says(world, "wren", "operator/ana", "two");
        assert_eq!(world.hub.next_timer(), Some(world.at - 1), "it is noted, and goes on at once");
        // Between the entry and the end of the step the broker is killed.
        world.start(HubConfig::default());
        world.register("wren", worker()).unwrap();
        world.passes(1);
        assert_eq!((world.states(run).as_str(), world.input_of(run, "b")), ("running: a=done b=running", json!("one")));
        world.done(run, "b", json!("B"));
        assert_eq!(world.output(run), json!("message"));
    }

    fn a_wait_for_an_entry_has_an_end(world) {
        world.team();
        world.put(waits(of_wren(), 60)).unwrap();
        let late = world.run("waits", Value::Null);
        world.passes(59_999);
        assert_eq!(world.states(late), "running: a=running b=pending");
        world.passes(1);
        let error = world.info(late).error.unwrap();
        let message = "step a: what it waits for has not happened in time";
        assert_eq!((error.code.as_str(), error.message.as_str()), ("timeout", message));
        let gone = world.run("waits", Value::Null);
        cancel(world, gone);
        says(world, "wren", "operator/ana", "too late");
        assert_eq!(world.states(gone), "cancelled: a=cancelled b=unreached");
        assert_eq!(world.hub.next_timer(), None);
    }

    /// One attempt hears nothing, the next one does.
    fn a_wait_that_is_tried_again_listens_anew(world) {
        world.team();
        let mut flow = waits(of_wren(), 10);
        flow["steps"][0]["retry"] = json!({"times": 1, "backoff_s": 5});
        world.put(flow).unwrap();
        let run = world.run("waits", Value::Null);
        world.passes(10_000);
        says(world, "wren", "operator/ana", "while nobody listens");
        world.passes(5_000);
        says(world, "wren", "operator/ana", "heard");
        world.passes(1);
        assert_eq!(world.input_of(run, "b"), json!("heard"));
        assert_eq!(world.tasks(run)[0].attempt, 2);
    }

    /// What a run has led to itself wakes it: it starts something and waits for its end.
    fn a_run_hears_of_what_it_has_led_to(world) {
        world.team();
        world.put(json!({"id": "both", "steps": [
            work("does", &[], json!("x")),
            {"id": "hears", "do": {"wait": {"event": {"kinds": ["dispatch_ended"]}}}},
        ], "output": {
            "came": "{{ steps.hears.output.body.output }}", "used": "{{ steps.hears.output.body.usage.input_tokens }}",
        }})).unwrap();
        let run = world.run("both", Value::Null);
        world.done(run, "does", json!("well"));
        assert_eq!(world.states(run), "running: does=done hears=running");
        world.passes(1);
        let output = json!({"came": "well", "used": 0});
        assert_eq!((world.states(run).as_str(), world.output(run)), ("done: does=done hears=done", output));
    }

    /// Each goes on one tick after the other, and none goes round within a command.
    fn runs_that_wait_for_each_other_s_entries_end(world) {
        world.team();
        world.put(json!({"id": "waits", "steps": [{"id": "a", "do": {"wait": {"event": {"kinds": ["run.ended"]}}}}]})).unwrap();
        world.put(json!({"id": "one", "steps": [work("a", &[], json!(1))]})).unwrap();
        let runs: Vec<RunId> = (0..5).map(|_| world.run("waits", Value::Null)).collect();
        let first = world.run("one", Value::Null);
        world.done(first, "a", json!(1));
        assert!(runs.iter().all(|run| world.info(*run).state == RunState::Running));
        world.passes(1);
        assert!(runs.iter().all(|run| world.info(*run).state == RunState::Done));
    }

    /// A log that an aspect may not follow is not there for a run of its own either.
    fn an_aspect_s_run_hears_what_the_aspect_may_see(world) {
        world.team();
        let anything = json!({"kinds": ["message", "item_closed", "alert", "flow.put", "run.started"]});
        world.put(waits(anything, 60)).unwrap();
        let theirs = world.try_start("forge", "waits", Value::Null).unwrap().run;
        let all = world.run("waits", Value::Null);
        says(world, "operator/ana", "wren", "a secret");
        world.put(json!({"id": "other", "steps": [{"id": "a", "do": {"wait": {"seconds": 1}}}]})).unwrap();
        world.passes(1);
        assert_eq!([world.at_work(theirs)[0].2, world.at_work(all)[0].2].map(|it| it == TaskWork::Event), [true, false]);
        says(world, "operator/ana", "forge", "for you");
        world.passes(1);
        assert_eq!(world.input_of(theirs, "b"), json!("for you"));
        let own = world.try_start("forge", "waits", Value::Null).unwrap().run;
        says(world, "forge", "operator/ana", "mine");
        world.passes(1);
        assert_eq!(world.input_of(own, "b"), json!("mine"));
    }

    /// What does not fit is left out, so that a run that is nearly full goes on.
    fn a_large_entry_is_heard_without_its_body(world) {
        world.team();
        let heard = json!("{{ steps.a.output.body_left_out }} {{ steps.a.output.kind }}");
        world.put(json!({"id": "waits", "steps": [
            work("fill", &[], json!(1)),
            {"id": "a", "needs": ["fill"], "do": {"wait": {"event": of_wren()}}},
            work("b", &["a"], heard),
        ]})).unwrap();
        for (filled, said) in [(0, TRIGGER_INPUT_BYTES_MAX), (RUN_BYTES_MAX / 2 - 10_000, 20_000)] {
            let run = world.run("waits", json!("x".repeat(RUN_BYTES_MAX / 2 - 2)));
            world.done(run, "fill", json!("x".repeat(filled)));
            says(world, "wren", "operator/ana", &"y".repeat(said));
            world.passes(1);
            assert_eq!(world.input_of(run, "b"), json!("true message"));
            world.done(run, "b", json!("well"));
            assert_eq!(world.states(run), "done: fill=done a=done b=done");
        }
    }

    fn a_failed_run_is_one_alert_until_one_is_done(world) {
        world.team();
        world.put(json!({"id": "one", "steps": [work("a", &[], json!(1))]})).unwrap();
        world.put(json!({"id": "outer", "steps": [{"id": "a", "do": {"flow": {"id": "one"}}}]})).unwrap();
        let failed = AlertKind::RunFailed;
        let run = world.run("one", Value::Null);
        world.fails(run, "a", "it is broken");
        assert_eq!(stands(world, failed, "one"), Some((1, false)));
        let run = world.run("one", Value::Null);
        world.fails(run, "a", "it is broken");
        let message = format!(
            "a run of flow one has failed; nexctl run show {run} tells where, nexctl run retry {run} tries it again: \
             step a: it is broken"
        );
        assert_eq!(alert(world, failed, "one").unwrap().message, message);
        assert_eq!(stands(world, failed, "one"), Some((2, false)));
        let run = world.run("one", Value::Null);
        cancel(world, run);
        assert_eq!(stands(world, failed, "one"), Some((2, false)), "somebody wanted that");
        let run = world.run("one", Value::Null);
        world.done(run, "a", json!(1));
        assert_eq!(stands(world, failed, "one"), Some((2, true)));
        // Of a run within another one that one tells.
        let run = world.run("outer", Value::Null);
        let TaskWork::Run(inner) = world.at_work(run)[0].2 else { panic!("no run") };
        world.fails(inner, "a", "it is broken");
        assert_eq!((stands(world, failed, "one"), stands(world, failed, "outer")), (Some((2, true)), Some((1, false))));
        let ack = AlertAck { key: Alert::key_of(failed, "outer") };
        let _: Alert = world.request("operator/ana", Change::AlertAck(ack)).unwrap();
        assert_eq!(stands(world, failed, "outer"), Some((1, true)));
        let run = world.run("outer", Value::Null);
        let TaskWork::Run(inner) = world.at_work(run)[0].2 else { panic!("no run") };
        world.fails(inner, "a", "it is broken");
        let _: FlowDeleted =
            world.request("operator/ana", Change::FlowDelete(FlowDelete { flow: "outer".parse().unwrap() })).unwrap();
        assert_eq!(stands(world, failed, "outer"), Some((2, true)));
    }

    fn a_run_without_the_output_that_its_flow_promises_is_an_alert(world) {
        world.team();
        world.put(json!({"id": "f", "steps": [work("a", &[], json!(1))], "output": "{{ steps.a.output }}"})).unwrap();
        world.put(json!({"id": "none", "steps": [work("a", &[], json!(1))]})).unwrap();
        let empty = AlertKind::RunWithoutOutput;
        for (flow, output, expected) in [
            ("f", json!(null), Some((1, false))),
            ("f", json!(0), Some((1, true))),
            ("none", json!(null), None),
        ] {
            let run = world.run(flow, Value::Null);
            world.done(run, "a", output);
            assert_eq!(world.info(run).state, RunState::Done);
            assert_eq!(stands(world, empty, flow), expected);
        }
    }

    /// As the end of a dispatch is its invoker's to know, whatever it is, and nobody else's.
    fn an_aspect_is_told_of_the_end_of_its_runs(world) {
        world.team();
        world.put(json!({"id": "f", "steps": [work("a", &[], json!(1))], "output": "{{ steps.a.output }}"})).unwrap();
        world.put(json!({"id": "outer", "steps": [{"id": "a", "do": {"flow": {"id": "f"}}}]})).unwrap();
        let thread = says(world, "operator/ana", "forge", "run it");
        let start = |flow: &str| {
            let flow = flow.parse().unwrap();
            Change::RunStart(RunStart { flow, input: Value::Null, thread: Some(thread) })
        };
        let run = world.request::<RunStarted>("forge", start("f")).unwrap().run;
        world.done(run, "a", json!("well"));
        let item = world.inbox("forge").pop().unwrap();
        assert_eq!(item.id, derive::run_item(run));
        let well = RunEnd {
            run,
            flow: "f".parse().unwrap(),
            thread: Some(thread),
            state: RunState::Done,
            output: Some(json!("well")),
            output_left_out: false,
            error: None,
        };
        assert_eq!(told(world), std::slice::from_ref(&well));
        let run = world.try_start("forge", "f", Value::Null).unwrap().run;
        world.done(run, "a", json!("x".repeat(TRIGGER_INPUT_BYTES_MAX)));
        let long = RunEnd { run, thread: None, output: None, output_left_out: true, ..well.clone() };
        assert_eq!(told(world).pop(), Some(long));
        // A run within it is not one that it started, and whose it is may try it again.
        let outer = world.request::<RunStarted>("forge", start("outer")).unwrap().run;
        let TaskWork::Run(inner) = world.at_work(outer)[0].2 else { panic!("no run") };
        world.fails(inner, "a", "it is broken");
        let error = world.info(outer).error;
        assert_eq!(error.as_ref().map(|it| it.message.as_str()), Some("step a: step a: it is broken"));
        let failed = RunEnd {
            run: outer, flow: "outer".parse().unwrap(), state: RunState::Failed, output: None, error, ..well
        };
        assert_eq!((told(world).len(), told(world).pop()), (3, Some(failed)));
        let retry = || Change::RunRetry(RunRetry { run: outer, step: None });
        let again = world.request::<RunStarted>("forge", retry()).unwrap().run;
        assert_eq!(world.info(again).thread, Some(thread));
        let ana_s = world.request::<RunStarted>("operator/ana", retry()).unwrap().run;
        assert_eq!(world.info(ana_s).thread, None);
        for run in [again, ana_s] {
            cancel(world, run);
        }
        let ends: Vec<_> = told(world).into_iter().map(|end| (end.run, end.state)).collect();
        assert_eq!(ends[3..], [(again, RunState::Cancelled)]);
    }

    fn a_run_belongs_to_a_conversation_that_its_starter_is_in(world) {
        world.team();
        world.put(json!({"id": "f", "steps": [work("a", &[], json!(1))]})).unwrap();
        let thread = says(world, "operator/ana", "wren", "between us");
        let start = || {
            let flow = "f".parse().unwrap();
            Change::RunStart(RunStart { flow, input: Value::Null, thread: Some(thread) })
        };
        let refused = world.request::<RunStarted>("forge", start()).unwrap_err();
        assert_eq!((refused.code, refused.message), (ErrorCode::NotFound, format!("there is no thread {thread}")));
        let run = world.request::<RunStarted>("operator/ana", start()).unwrap().run;
        assert_eq!(world.info(run).thread, Some(thread));
    }
}
