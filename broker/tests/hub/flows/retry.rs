//! A run that is tried again does what was not done, and nothing a second time.

use nexus_broker::hub::records::{Transaction, Which};
use nexus_broker::hub::{Change, CommandBody};
use nexus_wire::run::{RunCancel, RunRetry, RunStarted, RunState, StepState, TaskWork};
use nexus_wire::{ErrorBody, ErrorCode, RunId};
use serde_json::{Value, json};

use super::{Flowing, code, flow, with, work};
use crate::on_both_stores;
use crate::world::World;

trait Retrying {
    fn again(&mut self, by: &str, run: RunId, from: Option<&str>) -> Result<RunStarted, ErrorBody>;
    /// What the step's tasks are at, each with the input of its dispatch.
    fn inputs(&self, run: RunId, step: &str) -> Vec<(u32, Value)>;
    /// Ends the dispatch of one item.
    fn item(&mut self, run: RunId, index: u32, result: Result<Value, &str>);
    fn below(&self, run: RunId, step: &str) -> RunId;
}

impl<S: Transaction> Retrying for World<S> {
    fn again(&mut self, by: &str, run: RunId, from: Option<&str>) -> Result<RunStarted, ErrorBody> {
        let step = from.map(|id| id.parse().unwrap());
        self.request(by, Change::RunRetry(RunRetry { run, step }))
    }

    fn inputs(&self, run: RunId, step: &str) -> Vec<(u32, Value)> {
        let of_step = self.at_work(run).into_iter().filter(|(id, ..)| id == step);
        let dispatches = of_step.filter_map(|(_, index, work)| match work {
            TaskWork::Dispatch(id) => Some((index, id)),
            TaskWork::Approval(_) | TaskWork::Run(_) | TaskWork::Clock | TaskWork::Event => None,
        });
        dispatches.map(|(index, id)| (index, self.store.dispatch(id).unwrap().unwrap().info.input)).collect()
    }

    fn item(&mut self, run: RunId, index: u32, result: Result<Value, &str>) {
        let found = self.at_work(run).into_iter().find(|(_, at, _)| *at == index);
        let Some((.., TaskWork::Dispatch(id))) = found else { panic!("item {index}: {found:?}") };
        self.give(id, result);
    }

    fn below(&self, run: RunId, step: &str) -> RunId {
        let found = self.at_work(run).into_iter().find(|(id, ..)| id == step);
        let Some((.., TaskWork::Run(below))) = found else { panic!("{step} is no run: {found:?}") };
        below
    }
}

fn each() -> Value {
    with(
        work("each", &["a"], json!({"of": "{{ item }}", "on": "{{ date.now }}"})),
        json!({"for_each": "input"}),
    )
}

on_both_stores! {
    fn a_run_is_tried_again_from_a_step(world) {
        world.team();
        let steps = [
            work("a", &[], json!(1)),
            work("b", &["a"], json!("{{ steps.a.output }}")),
            work("c", &["b"], json!("{{ steps.b.output }}")),
        ];
        world.put(with(flow("f", &steps), json!({"output": "{{ steps.c.output }}"}))).unwrap();
        let run = world.run("f", json!(null));
        assert_eq!(code(world.again("operator/ana", run, None)).0, ErrorCode::Invalid);
        world.done(run, "a", json!("A"));
        world.fails(run, "b", "once");
        world.put(flow("f", &[work("other", &[], json!(1))])).unwrap();
        let second = world.again("operator/bo", run, None).unwrap().run;
        assert_eq!(world.states(second), "running: a=done b=running c=pending");
        assert_eq!((world.info(second).retry_of, world.info(run).retried_as), (Some(run), Some(second)));
        assert_eq!(world.info(second).steps.iter().map(|step| step.kept).collect::<Vec<_>>(), [true, false, false]);
        assert_eq!(world.input_of(second, "b"), json!("A"));
        world.done(second, "b", json!("B"));
        world.done(second, "c", json!("C"));
        assert_eq!(world.output(second), json!("C"));
        let all = world.again("operator/ana", second, None);
        assert!(code(all).1.contains("every step of run"));
        let third = world.again("operator/ana", second, Some("c")).unwrap().run;
        assert_eq!((world.states(third).as_str(), world.input_of(third, "c")), ("running: a=done b=done c=running", json!("B")));
        let unknown = world.again("operator/ana", second, Some("d"));
        assert!(code(unknown).1.contains("its steps are a, b, c"));
        let foreign = world.again("forge", second, Some("c"));
        assert_eq!(code(foreign).0, ErrorCode::Forbidden);
    }

    fn items_that_were_done_are_not_done_again(world) {
        world.team();
        let steps = [work("a", &[], json!(0)), each(), work("last", &["each"], json!("{{ steps.each.output }}"))];
        world.put(with(flow("f", &steps), json!({"output": "{{ steps.last.output }}", "max_parallel": 3}))).unwrap();
        let run = world.run("f", json!(["p", "q", "r", "s", "t"]));
        world.done(run, "a", json!("A"));
        let began = world.inputs(run, "each");
        assert_eq!(began.iter().map(|(index, input)| (*index, input["of"].clone())).collect::<Vec<_>>(),
            [(0, json!("p")), (1, json!("q")), (2, json!("r"))]);
        let on = began[0].1["on"].clone();
        world.item(run, 0, Ok(json!("P")));
        world.item(run, 2, Ok(json!("R")));
        world.item(run, 1, Err("full"));
        assert_eq!(world.states(run), "failed: a=done each=failed last=unreached");

        // An hour later: by its date it is the same run.
        world.passes(3_600_000);
        let second = world.again("operator/bo", run, None).unwrap().run;
        let info = world.info(second);
        assert_eq!(info.as_of, Some(world.info(run).accepted_at));
        assert_eq!(info.steps.iter().map(|step| (step.kept, step.resumed)).collect::<Vec<_>>(),
            [(true, false), (false, true), (false, false)]);
        let input = |of: &str| json!({"of": of, "on": on.clone()});
        assert_eq!(world.inputs(second, "each"), [(1, input("q")), (3, input("s")), (4, input("t"))]);
        world.item(second, 1, Ok(json!("Q")));
        world.item(second, 4, Err("full"));

        let third = world.again("operator/ana", second, None).unwrap().run;
        assert_eq!(world.info(third).as_of, Some(world.info(run).accepted_at));
        assert_eq!(world.inputs(third, "each"), [(3, input("s")), (4, input("t"))]);
        world.item(third, 3, Ok(json!("S")));
        world.item(third, 4, Ok(Value::Null));
        assert_eq!(world.input_of(third, "last"), json!(["P", "Q", "R", "S", null]));
        world.done(third, "last", json!("all"));
        assert_eq!((world.states(third).as_str(), world.output(third)), ("done: a=done each=done last=done", json!("all")));

        // Whoever names the step, or one before it, wants all of it.
        let named = world.again("operator/ana", second, Some("each")).unwrap().run;
        assert_eq!(world.inputs(named, "each").iter().map(|(index, _)| *index).collect::<Vec<_>>(), [0, 1, 2]);
        let before = world.again("operator/ana", second, Some("a")).unwrap().run;
        world.done(before, "a", json!("A"));
        assert_eq!(world.inputs(before, "each").iter().map(|(index, _)| *index).collect::<Vec<_>>(), [0, 1, 2]);
    }

    fn a_run_within_goes_on_where_it_ended(world) {
        world.team();
        let inner = [work("x", &[], json!("{{ input }}")), with(each(), json!({"needs": ["x"], "for_each": "[1, 2]"}))];
        world.put(with(flow("inner", &inner), json!({"output": "{{ steps.each.output }}"}))).unwrap();
        let call = json!({"id": "call", "needs": ["a"], "do": {"flow": {"id": "inner", "input": "{{ input }}"}}});
        let steps = [work("a", &[], json!(0)), call];
        world.put(with(flow("f", &steps), json!({"output": "{{ steps.call.output }}"}))).unwrap();
        let run = world.run("f", json!("in"));
        world.done(run, "a", json!("A"));
        let first = world.below(run, "call");
        world.done(first, "x", json!("X"));
        world.item(first, 0, Ok(json!("one")));
        world.item(first, 1, Err("full"));
        assert_eq!((world.info(run).state, world.info(first).state), (RunState::Failed, RunState::Failed));

        // The flow within is another one by now; what was begun goes on as it began.
        world.put(flow("inner", &[work("other", &[], json!(1))])).unwrap();
        let second = world.again("operator/ana", run, None).unwrap().run;
        let below = world.below(second, "call");
        assert_eq!(world.states(below), "running: x=done each=running");
        assert_eq!((world.info(below).retry_of, world.info(first).retried_as), (Some(first), Some(below)));
        assert_eq!(world.info(below).parent.map(|it| it.run), Some(second));
        assert_eq!(world.inputs(below, "each").iter().map(|(index, _)| *index).collect::<Vec<_>>(), [1]);
        world.item(below, 1, Ok(json!("two")));
        assert_eq!(world.output(second), json!(["one", "two"]));

        // As a whole, it is the flow as it is now.
        let whole = world.again("operator/ana", run, Some("call")).unwrap().run;
        assert_eq!(world.states(world.below(whole, "call")), "running: other=running");
    }

    /// The second one was cancelled before it began; ten minutes later the third one does what is left of the first.
    fn what_one_try_has_not_begun_the_next_one_goes_on_with(world) {
        world.team();
        world.put(flow("inner", &[work("x", &[], json!("{{ date.now }}")), work("y", &["x"], json!(2))])).unwrap();
        let call = json!({"id": "call", "for_each": "[1, 2]", "do": {"flow": {"id": "inner", "input": "{{ item }}"}}});
        let shared = json!({"max_parallel": 1, "concurrency_group": ["g"], "output": "{{ steps.call.output }}"});
        world.put(with(flow("f", &[call]), shared)).unwrap();
        world.put(with(flow("holds", &[work("h", &[], json!(1))]), json!({"concurrency_group": ["g"]}))).unwrap();
        let cancel = |world: &mut World<S>, run: RunId| {
            let cancel = Change::RunCancel(RunCancel { run, reason: None });
            world.request::<nexus_wire::run::RunInfo>("operator/ana", cancel).unwrap();
        };
        let run = world.run("f", json!(null));
        let first = world.below(run, "call");
        let day = world.input_of(first, "x");
        world.done(first, "x", json!("X"));
        cancel(world, run);
        let holds = world.run("holds", json!(null));
        let second = world.again("operator/ana", run, None).unwrap().run;
        let step = world.info(second).steps.remove(0);
        assert_eq!((step.resumed, step.goes_on), (true, [(0, first)].into()));
        assert_eq!(world.states(second), "waiting: call=pending");
        cancel(world, second);
        world.passes(600_000);
        // What is tried again is kept until it has begun, however old it is.
        let old = CommandBody::PruneRuns { before: world.at, runs: vec![run, first] };
        let third = world.again("operator/ana", second, None).unwrap().run;
        world.apply(old);
        assert!(world.store.run(first).unwrap().is_some());
        assert!(world.store.run(run).unwrap().is_none());
        world.done(holds, "h", json!(1));
        let below = world.below(third, "call");
        assert_eq!(world.states(below), "running: x=done y=running");
        world.done(below, "y", json!("Y"));
        // The other item was never begun, and is one of the same day.
        let other = world.below(third, "call");
        assert_eq!((world.states(other).as_str(), world.input_of(other, "x")), ("running: x=running y=pending", day));
        world.done(other, "x", json!("X"));
        world.done(other, "y", json!("Y"));
        assert_eq!(world.output(third), json!([null, null]));
    }

    fn a_run_within_that_did_everything_does_nothing_again(world) {
        world.team();
        let wrong = with(flow("inner", &[work("x", &[], json!(1))]), json!({"output": "{{ steps.x.output.none }}"}));
        world.put(wrong).unwrap();
        world.put(flow("f", &[json!({"id": "call", "do": {"flow": {"id": "inner"}}})])).unwrap();
        let run = world.run("f", json!(null));
        let first = world.below(run, "call");
        world.done(first, "x", json!({}));
        assert_eq!(world.info(run).error.unwrap().code, "expression");
        let second = world.again("operator/ana", run, None).unwrap().run;
        assert_eq!((world.states(second).as_str(), world.info(second).error.unwrap().code.as_str()), ("failed: call=failed", "expression"));
        assert_eq!(world.store.dispatches(Which::All, None, 9).unwrap().len(), 1);
    }

    /// One of them was never begun and one is refused at once: each stands in its own place.
    fn outputs_stand_in_the_place_of_their_items(world) {
        world.team();
        let each = json!({"id": "each", "for_each": "input", "on_error": {"goto": "mend"},
            "do": {"dispatch": {"hand": "wren/work", "input": "{{ item.a }}"}}});
        let mend = work("mend", &["each"], json!("{{ steps.each.output }}"));
        world.put(with(flow("f", &[each, mend]), json!({"max_parallel": 3}))).unwrap();
        let run = world.run("f", json!([{}, {"a": 1}, {"a": 2}]));
        // The first item has no `a`: the step failed before others began.
        assert_eq!(world.input_of(run, "mend"), json!([null]));
    }

    fn what_was_cancelled_goes_on_and_another_input_begins_anew(world) {
        world.team();
        world.put(flow("inner", &[work("x", &[], json!(1)), work("y", &["x"], json!(2))])).unwrap();
        let call = json!({"id": "call", "do": {"flow": {"id": "inner", "input": "{{ run.by }}"}}});
        world.put(flow("f", &[call])).unwrap();
        let run = world.run("f", json!(null));
        let first = world.below(run, "call");
        world.done(first, "x", json!("X"));
        let cancel = Change::RunCancel(RunCancel { run, reason: None });
        world.request::<nexus_wire::run::RunInfo>("operator/ana", cancel).unwrap();
        assert_eq!(world.tasks(run)[0].state, StepState::Cancelled);
        let same = world.again("operator/ana", run, None).unwrap().run;
        assert_eq!(world.states(world.below(same, "call")), "running: x=done y=running");
        let other = world.again("operator/bo", run, None).unwrap().run;
        assert_eq!(world.states(world.below(other, "call")), "running: x=running y=pending");
    }
}
