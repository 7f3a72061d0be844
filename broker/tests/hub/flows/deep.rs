//! How deep what a run holds nests: whatever is put into what, it can be read back, and shown in one frame.

use nexus_broker::hub::Change;
use nexus_broker::hub::records::Transaction;
use nexus_wire::envelope::{decode, deliver_text, reply};
use nexus_wire::hands::{Dispatch, Dispatched};
use nexus_wire::run::{RunDetail, RunState};
use nexus_wire::trigger::{Trigger, TriggerFire, TriggerFired, TriggerInfo};
use nexus_wire::{ErrorCode, FromBroker, HandRef, Json, RequestId, RunId};
use serde_json::{Value, json};

use super::{Flowing, code, flow, with, work};
use crate::on_both_stores;
use crate::world::{World, name, sqlite};

/// Levels of what an expression makes, and of what a step may come to.
const MADE: usize = 62;
const COME_TO: usize = 68;
const SAID: &str = "this makes lists and objects more than 62 deep within one another";

fn nested(levels: usize) -> Value {
    (0..levels).fold(json!(1), |inner, _| json!([inner]))
}

/// One that is skipped, so that its run is over at once.
fn nothing() -> Value {
    with(work("a", &[], json!(1)), json!({"if": "false"}))
}

/// Steps that each put what the one before came to into thirty lists, and one that waits for people.
fn goes_round<S: Transaction>(world: &mut World<S>) -> RunId {
    let around = (0..30).fold(json!("{{ input.x }}"), |inner, _| json!([inner]));
    world.put(with(flow("around", &[nothing()]), json!({"output": around}))).unwrap();
    let step = |n: usize, x: Value| {
        let needs = if n == 1 { vec![] } else { vec![format!("s{}", n - 1)] };
        let act = json!({"flow": {"id": "around", "input": {"x": x}}});
        json!({"id": format!("s{n}"), "needs": needs, "do": act, "on_error": "continue"})
    };
    let mut steps = vec![step(1, json!(1))];
    steps.extend((2..=5).map(|n| step(n, json!(format!("{{{{ steps.s{}.output }}}}", n - 1)))));
    steps.push(json!({"id": "leave", "needs": ["s5"], "do": {"approve": {"text": "?"}}}));
    world.put(flow("round", &steps)).unwrap();
    world.run("round", Value::Null)
}

/// Every item that waits for the aspect is one that a client can read.
fn assert_readable<S: Transaction>(world: &World<S>, who: &str) {
    for row in world.store.inbox(&name(who), 0, 100).unwrap() {
        let text = deliver_text(row.offset, &row.json);
        assert!(decode::<FromBroker>(&text).is_ok(), "item {} of {who}", row.offset);
    }
}

on_both_stores! {
    fn what_goes_round_through_steps_does_not_grow_without_end(world) {
        world.team();
        let run = goes_round(world);
        assert_eq!(world.states(run), "running: s1=done s2=done s3=failed s4=done s5=done leave=running");
        let error = world.info(run).steps[2].error.clone().unwrap();
        assert_eq!((error.code, error.message), ("expression".to_owned(), format!("`output`: {SAID}")));
        let outputs: Vec<_> = world.tasks(run).into_iter().map(|task| task.output).collect();
        assert_eq!(outputs[1], Some(nested(60)));
        assert_eq!(outputs[2], None);
    }

    fn a_step_that_would_make_something_deeper_fails_with_that(world) {
        world.team();
        let cases = [
            (json!({"do": {"dispatch": {"hand": "wren/work", "input": ["{{ input }}"]}}}), ""),
            (json!({"do": {"flow": {"id": "g", "input": {"x": "{{ input }}"}}}}), ""),
            (json!({"do": {"write": {"registry": "r", "values": {"x": "{{ input }}"}}}}), ""),
            (json!({"do": {"wait": {"seconds": 5}}, "for_each": "[input]"}), "`for_each`: "),
        ];
        world.put(flow("g", &[nothing()])).unwrap();
        for (step, at) in cases {
            world.put(flow("f", &[with(json!({"id": "a"}), step.clone())])).unwrap();
            let run = world.run("f", nested(MADE));
            let error = world.info(run).error.unwrap();
            assert_eq!((error.code.as_str(), error.message), ("expression", format!("step a: {at}{SAID}")), "{step}");
        }
        world.put(with(flow("f", &[nothing()]), json!({"output": ["{{ input }}"]}))).unwrap();
        let run = world.run("f", nested(MADE));
        assert_eq!(world.info(run).error.unwrap().message, format!("`output`: {SAID}"));
    }

    fn what_is_as_deep_as_it_may_be_reaches_everybody(world) {
        world.team();
        world.put(with(flow("f", &[work("a", &[], json!("{{ input }}"))]), json!({"output": "{{ input }}"}))).unwrap();
        let run = world.try_start("forge", "f", nested(MADE)).unwrap().run;
        assert_eq!(world.input_of(run, "a"), nested(MADE));
        world.done(run, "a", json!(1));
        assert_eq!(world.output(run), nested(MADE));
        assert_readable(world, "wren");
        assert_readable(world, "forge");
        let refused = code(world.try_start("forge", "f", nested(MADE + 1)));
        let message = "the input has lists and objects more than 62 deep within one another";
        assert_eq!(refused, (ErrorCode::TooDeep, message.to_owned()));
    }

    fn what_a_step_comes_to_is_shown_in_one_frame(world) {
        world.team();
        world.put(flow("f", &[with(work("a", &[], json!(1)), json!({"retry": {"times": 2}}))])).unwrap();
        let run = world.run("f", nested(MADE));
        world.done(run, "a", nested(COME_TO));
        assert_eq!(world.states(run), "done: a=done");
        let record = world.store.run(run).unwrap().unwrap();
        let (info, flow, input, output) = (record.info, record.flow, record.input, record.output);
        let detail = RunDetail { info, flow, input, output, tasks: world.tasks(run) };
        let request = RequestId(world.id());
        let shown = decode::<FromBroker>(&reply(request, &FromBroker::Ok(Json::of(&detail))));
        assert!(shown.is_ok(), "{shown:?}");
        let run = world.run("f", Value::Null);
        world.done(run, "a", nested(COME_TO + 1));
        assert_eq!(world.states(run), "failed: a=failed", "it would be the same another time");
        let error = world.info(run).steps[0].error.clone().unwrap();
        let message = "the output has lists and objects more than 68 deep within one another";
        assert_eq!((error.code.as_str(), error.message.as_str()), ("too_deep", message));
    }

    fn an_entry_of_the_log_that_is_deeper_comes_without_its_body(world) {
        world.team();
        let hear = json!({"id": "a", "do": {"wait": {"event": {"kinds": ["dispatch_accepted"]}}}, "timeout_s": 60});
        world.put(flow("hear", &[hear])).unwrap();
        for (levels, is_whole) in [(60, true), (70, false)] {
            let run = world.run("hear", Value::Null);
            let dispatch = Dispatch::to("wren/work".parse::<HandRef>().unwrap(), nested(levels));
            let _: Dispatched = world.request("operator/ana", Change::Dispatch(dispatch.into())).unwrap();
            world.passes(1);
            assert_eq!(world.info(run).state, RunState::Done);
            let heard = world.tasks(run).remove(0).output.unwrap();
            if is_whole {
                assert_eq!(heard["body"]["input"], nested(levels));
            } else {
                let rest = json!({"kind": "dispatch.accepted", "seq": heard["seq"], "body_left_out": true});
                assert_eq!(heard, rest);
            }
        }
    }

    fn a_trigger_hands_over_nothing_deeper(world) {
        world.team();
        world.put(flow("f", &[work("a", &[], json!("{{ input.x }}"))])).unwrap();
        let trigger: Trigger = serde_json::from_value(json!({
            "name": "t", "when": "manual", "overlap": "allow", "do": {"flow": {"id": "f", "input": {"x": "{{ payload }}"}}},
        })).unwrap();
        let put: TriggerInfo = world.request("operator/ana", Change::TriggerPut(Box::new(trigger))).unwrap();
        for (levels, reason) in [(MADE - 1, None), (MADE, Some(format!("`do.flow.input`: {SAID}")))] {
            let fire = TriggerFire { trigger: "t".parse().unwrap(), payload: nested(levels) };
            let _: TriggerFired = world.request("operator/ana", Change::TriggerFire(fire)).unwrap();
            let slot = world.store.trigger_slots(put.id, u64::MAX, 1).unwrap().remove(0);
            assert_eq!(slot.slot.reason, reason, "{levels}");
        }
    }
}

#[test]
fn a_broker_starts_with_whatever_its_runs_have_made() {
    let dir = tempfile::tempdir().unwrap();
    let mut world = sqlite(dir.path());
    world.team();
    let run = goes_round(&mut world);
    let tasks = world.tasks(run);
    drop(world);
    let again = sqlite(dir.path());
    assert_eq!(again.tasks(run), tasks);
}
