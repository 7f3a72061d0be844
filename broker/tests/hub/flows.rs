//! Flows and their runs: what runs when, with whose rights, and what it comes to, whatever ends in which order.

mod absent;
mod deep;
mod many;
mod retry;
mod times;

use nexus_broker::hub::records::{RunsWanted, Transaction};
use nexus_broker::hub::{Change, CommandBody, HubConfig};
use nexus_wire::approval::{ApprovalAnswer, ApprovalInfo, ApprovalState, Verdict};
use nexus_wire::flow::{Flow, FlowDelete, FlowDeleted, FlowPut, FlowStored};
use nexus_wire::hands::{DispatchResult, DispatchState, HandFailure, Lease};
use nexus_wire::limits::{RUN_BYTES_MAX, STEP_ROOM_AFTER};
use nexus_wire::roster::Register;
use nexus_wire::run::{RunCancel, RunInfo, RunStart, RunStarted, RunState, RunTask, StepState, TaskWork};
use nexus_wire::{DispatchId, ErrorBody, ErrorCode, Ms, Party, RequestId, RunId};
use serde_json::{Value, json};

use crate::on_both_stores;
use crate::world::World;

pub(crate) trait Flowing {
    fn team(&mut self);
    fn put(&mut self, flow: Value) -> Result<FlowStored, ErrorBody>;
    fn try_start(&mut self, by: &str, flow: &str, input: Value) -> Result<RunStarted, ErrorBody>;
    fn run(&mut self, flow: &str, input: Value) -> RunId;
    fn info(&self, run: RunId) -> RunInfo;
    fn tasks(&self, run: RunId) -> Vec<RunTask>;
    fn at_work(&self, run: RunId) -> Vec<(String, u32, TaskWork)>;
    fn dispatch_of(&self, run: RunId, step: &str) -> DispatchId;
    fn input_of(&self, run: RunId, step: &str) -> Value;
    fn give(&mut self, dispatch: DispatchId, result: Result<Value, &str>);
    fn done(&mut self, run: RunId, step: &str, output: Value);
    fn fails(&mut self, run: RunId, step: &str, why: &str);
    fn states(&self, run: RunId) -> String;
    fn passes(&mut self, ms: Ms);
    fn output(&self, run: RunId) -> Value;
}

impl<S: Transaction> Flowing for World<S> {
    /// ana, bo and forge start; wren works.
    fn team(&mut self) {
        self.operator("ana");
        self.operator("bo");
        let hands = [
            json!({"name": "work", "concurrency": 64}),
            json!({"name": "own", "concurrency": 64, "allowed_invokers": ["keel"]}),
        ];
        let hands = hands.into_iter().map(|hand| serde_json::from_value(hand).unwrap()).collect();
        let worker = Register { hands, slots: 64, ..Register::default() };
        self.aspect("wren");
        self.aspect("forge");
        self.register("forge", Register::default()).unwrap();
        let config = HubConfig { soft_cap: 64, ..HubConfig::default() };
        self.start(config);
        self.register("wren", worker).unwrap();
        self.register("forge", Register::default()).unwrap();
    }

    fn put(&mut self, flow: Value) -> Result<FlowStored, ErrorBody> {
        let flow: Flow = serde_json::from_value(flow).unwrap();
        self.request("operator/ana", Change::FlowPut(FlowPut { flow }))
    }

    fn try_start(&mut self, by: &str, flow: &str, input: Value) -> Result<RunStarted, ErrorBody> {
        let flow = flow.parse().unwrap();
        self.request(by, Change::RunStart(RunStart { flow, input, thread: None }))
    }

    fn run(&mut self, flow: &str, input: Value) -> RunId {
        self.try_start("operator/ana", flow, input).unwrap().run
    }

    fn info(&self, run: RunId) -> RunInfo {
        self.store.run(run).unwrap().unwrap().info
    }

    fn tasks(&self, run: RunId) -> Vec<RunTask> {
        self.store.run_tasks(run).unwrap().into_iter().map(|(_, task)| task).collect()
    }

    fn at_work(&self, run: RunId) -> Vec<(String, u32, TaskWork)> {
        let running = self.tasks(run).into_iter().filter(|task| task.state == StepState::Running);
        running.map(|task| (task.step.to_string(), task.index, task.work.unwrap())).collect()
    }

    fn dispatch_of(&self, run: RunId, step: &str) -> DispatchId {
        let found = self.at_work(run).into_iter().find(|(id, ..)| id == step);
        let Some((.., TaskWork::Dispatch(dispatch))) = found else {
            panic!("{step} is at no dispatch: {found:?}")
        };
        dispatch
    }

    fn input_of(&self, run: RunId, step: &str) -> Value {
        self.store.dispatch(self.dispatch_of(run, step)).unwrap().unwrap().info.input
    }

    fn give(&mut self, dispatch: DispatchId, result: Result<Value, &str>) {
        let error =
            result.as_ref().err().map(|why| HandFailure { code: "no".into(), message: (*why).into() });
        let lease = Lease { dispatch, attempt: 1 };
        let (output, usage) = (result.ok(), Default::default());
        let result = DispatchResult { lease, output, error, usage, cost_microusd: None };
        let host = self.store.dispatch(dispatch).unwrap().unwrap().info.hand.aspect;
        let request = RequestId(self.id());
        self.request_as(host.as_str(), request, Change::DispatchResult(result)).0.unwrap();
    }

    fn done(&mut self, run: RunId, step: &str, output: Value) {
        self.give(self.dispatch_of(run, step), Ok(output));
    }

    fn fails(&mut self, run: RunId, step: &str, why: &str) {
        self.give(self.dispatch_of(run, step), Err(why));
    }

    /// `running: a=done b=running`.
    fn states(&self, run: RunId) -> String {
        let info = self.info(run);
        let steps = info.steps.iter().map(|step| format!("{}={}", step.id, step.state.as_str()));
        format!("{}: {}", info.state.as_str(), steps.collect::<Vec<_>>().join(" "))
    }

    fn passes(&mut self, ms: Ms) {
        self.at += ms - 1;
        self.apply(CommandBody::Tick);
    }

    fn output(&self, run: RunId) -> Value {
        self.store.run(run).unwrap().unwrap().output.unwrap()
    }
}

/// Work for wren.
pub(crate) fn work(id: &str, needs: &[&str], input: Value) -> Value {
    json!({"id": id, "needs": needs, "do": {"dispatch": {"hand": "wren/work", "input": input}}})
}

pub(crate) fn with(mut step: Value, more: Value) -> Value {
    step.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    step
}

pub(crate) fn flow(id: &str, steps: &[Value]) -> Value {
    json!({"id": id, "steps": steps})
}

pub(crate) fn code(error: Result<RunStarted, ErrorBody>) -> (ErrorCode, String) {
    let error = error.unwrap_err();
    (error.code, error.message)
}

on_both_stores! {
    /// Each step sees what those before it came to, and nobody but the run is told of their ends.
    fn one_step_follows_another(world) {
        world.team();
        let steps = [
            work("look", &[], json!({"city": "{{ input.city }}", "by": "{{ run.by }}"})),
            work("tell", &["look"], json!("{{ steps.look.output.text }} ({{ steps.look.state }})")),
        ];
        let output = json!({"said": "{{ steps.tell.output }}"});
        let stored = world.put(with(flow("news", &steps), json!({"output": output}))).unwrap();
        assert_eq!((stored.version, stored.changed), (1, true));
        let run = world.try_start("forge", "news", json!({"city": "Bern"})).unwrap().run;
        assert_eq!(world.states(run), "running: look=running tell=pending");
        assert_eq!(world.input_of(run, "look"), json!({"city": "Bern", "by": "forge"}));
        let before = world.inbox("forge").len();
        let dispatch = world.dispatch_of(run, "look");
        let info = world.store.dispatch(dispatch).unwrap().unwrap().info;
        assert_eq!((info.invoker, info.run), ("forge".parse::<Party>().unwrap(), Some(run)));
        world.done(run, "look", json!({"text": "sunny"}));
        assert_eq!(world.states(run), "running: look=done tell=running");
        assert_eq!(world.input_of(run, "tell"), json!("sunny (done)"));
        world.done(run, "tell", json!("ok"));
        assert_eq!(world.states(run), "done: look=done tell=done");
        assert_eq!(world.output(run), json!({"said": "ok"}));
        assert_eq!(world.inbox("forge").len(), before + 1, "of the steps' ends the run alone is told");
    }

    fn a_repeated_start_is_the_first_one(world) {
        world.team();
        world.put(flow("f", &[work("a", &[], json!(1))])).unwrap();
        let request = RequestId(world.id());
        let start = |input: Value| Change::RunStart(RunStart { flow: "f".parse().unwrap(), input, thread: None });
        let first: RunStarted = crate::world::parsed(&world.request_as("operator/ana", request, start(json!(1))).0.unwrap());
        let again: RunStarted = crate::world::parsed(&world.request_as("operator/ana", request, start(json!(1))).0.unwrap());
        assert_eq!(first, again);
        let other = world.request_as("operator/ana", request, start(json!(2))).0.unwrap_err();
        assert_eq!(other.code, ErrorCode::IdReused);
        let wanted = RunsWanted { all: true, ..RunsWanted::default() };
        assert_eq!(world.store.runs(&wanted, None, 10).unwrap().len(), 1);
    }

    fn items_are_done_side_by_side_and_their_outputs_stand_in_order(world) {
        world.team();
        let each = with(
            work("each", &[], json!("{{ index }}: {{ item }}")),
            json!({"for_each": "input.names"}),
        );
        let all = json!({"max_parallel": 2, "output": "{{ steps.each.output }}"});
        world.put(with(flow("f", &[each]), all)).unwrap();
        let run = world.run("f", json!({"names": ["a", "b", "c"]}));
        let at_work = world.at_work(run);
        assert_eq!(at_work.iter().map(|it| it.1).collect::<Vec<_>>(), [0, 1], "two at a time");
        let TaskWork::Dispatch(second) = at_work[1].2 else { panic!("{at_work:?}") };
        world.give(second, Ok(json!("B")));
        assert_eq!(world.at_work(run).iter().map(|it| it.1).collect::<Vec<_>>(), [0, 2]);
        world.done(run, "each", json!("A"));
        world.done(run, "each", json!("C"));
        assert_eq!(world.output(run), json!(["A", "B", "C"]));
        let empty = world.run("f", json!({"names": []}));
        assert_eq!(world.output(empty), json!([]));
        let none = world.run("f", json!({"names": "abc"}));
        assert_eq!(world.info(none).error.unwrap().message, "step each: `for_each` is no list");
    }

    fn a_condition_decides_and_what_needs_a_skipped_step_goes_on(world) {
        world.team();
        let steps = [
            with(work("maybe", &[], json!(1)), json!({"if": "input.go == true"})),
            work("then", &["maybe"], json!("{{ default(steps.maybe.output, 'nothing') }}")),
            with(work("bad", &["then"], json!(1)), json!({"if": "input.text", "on_error": "continue"})),
        ];
        world.put(flow("f", &steps)).unwrap();
        let run = world.run("f", json!({"go": false, "text": "x"}));
        assert_eq!(world.states(run), "running: maybe=skipped then=running bad=pending");
        assert_eq!(world.input_of(run, "then"), json!("nothing"));
        world.done(run, "then", json!(1));
        assert_eq!(world.states(run), "done: maybe=skipped then=done bad=failed");
        let error = world.info(run).steps[2].error.clone().unwrap();
        assert_eq!(error.code, "expression");
    }

    fn a_failure_ends_the_run_and_cancels_the_rest(world) {
        world.team();
        let steps = [work("a", &[], json!(1)), work("b", &[], json!(2)), work("c", &["a"], json!(3))];
        world.put(flow("f", &steps)).unwrap();
        let run = world.run("f", json!(null));
        let other = world.dispatch_of(run, "b");
        world.fails(run, "a", "it broke");
        assert_eq!(world.states(run), "failed: a=failed b=cancelled c=unreached");
        let error = world.info(run).error.unwrap();
        assert_eq!((error.code.as_str(), error.message.as_str()), ("no", "step a: it broke"));
        assert_eq!(world.store.dispatch(other).unwrap().unwrap().info.state, DispatchState::Cancelled);
        assert_eq!(world.hub.queue().len(), 0);
    }

    fn a_failure_means_what_the_step_says(world) {
        world.team();
        let steps = [
            with(work("a", &[], json!(1)), json!({"on_error": "continue"})),
            with(work("b", &["a"], json!("{{ steps.a.error.message }}")), json!({"on_error": {"goto": "mend"}})),
            work("c", &["b"], json!(3)),
            work("mend", &["a"], json!("{{ steps.b.error.code }}")),
            work("after", &["mend"], json!(5)),
        ];
        world.put(flow("f", &steps)).unwrap();
        let run = world.run("f", json!(null));
        world.fails(run, "a", "first");
        assert_eq!(world.states(run), "running: a=failed b=running c=pending mend=pending after=pending");
        assert_eq!(world.input_of(run, "b"), json!("first"));
        world.fails(run, "b", "second");
        assert_eq!(world.states(run), "running: a=failed b=failed c=unreached mend=running after=pending");
        assert_eq!(world.input_of(run, "mend"), json!("no"));
        world.done(run, "mend", json!(1));
        world.done(run, "after", json!(1));
        assert_eq!(world.states(run), "done: a=failed b=failed c=unreached mend=done after=done");
        let well = world.run("f", json!(null));
        world.done(well, "a", json!(1));
        assert_eq!(world.info(well).steps[1].state, StepState::Failed, "`steps.a.error.message` is not there");
        let steps = [
            with(work("a", &[], json!(1)), json!({"on_error": "skip_rest"})),
            work("b", &[], json!(2)),
            work("c", &["b"], json!(3)),
        ];
        world.put(flow("g", &steps)).unwrap();
        let run = world.run("g", json!(null));
        world.fails(run, "a", "enough");
        assert_eq!(world.states(run), "running: a=failed b=running c=unreached");
        world.done(run, "b", json!(1));
        assert_eq!(world.states(run), "done: a=failed b=done c=unreached");
    }

    fn a_way_out_that_is_not_taken_is_not_reached(world) {
        world.team();
        let steps = [
            with(work("a", &[], json!(1)), json!({"on_error": {"goto": "mend"}})),
            work("mend", &[], json!(2)),
            work("b", &["a"], json!(3)),
        ];
        world.put(flow("f", &steps)).unwrap();
        let run = world.run("f", json!(null));
        assert_eq!(world.states(run), "running: a=running mend=pending b=pending");
        world.done(run, "a", json!(1));
        world.done(run, "b", json!(1));
        assert_eq!(world.states(run), "done: a=done mend=unreached b=done");
    }

    fn a_step_is_tried_again_after_a_while(world) {
        world.team();
        let retry = json!({"retry": {"times": 2, "backoff_s": 4}});
        world.put(flow("f", &[with(work("a", &[], json!(1)), retry)])).unwrap();
        let run = world.run("f", json!(null));
        let first = world.dispatch_of(run, "a");
        world.fails(run, "a", "once");
        assert_eq!((world.at_work(run).len(), world.hub.next_timer()), (0, Some(world.at + 4_000)));
        world.passes(4_000);
        let second = world.dispatch_of(run, "a");
        assert_ne!(first, second);
        world.fails(run, "a", "twice");
        world.passes(7_999);
        assert_eq!(world.at_work(run).len(), 0, "it has doubled");
        world.passes(1);
        world.done(run, "a", json!("third"));
        let task = &world.tasks(run)[0];
        assert_eq!((task.attempt, task.output.clone()), (3, Some(json!("third"))));
        let run = world.run("f", json!(null));
        for wait in [4_000, 8_000, 0] {
            world.fails(run, "a", "always");
            if wait > 0 {
                world.passes(wait);
            }
        }
        assert_eq!(world.states(run), "failed: a=failed");
    }

    fn a_cancelled_dispatch_is_not_tried_again(world) {
        world.team();
        let retry = json!({"retry": {"times": 2}});
        world.put(flow("f", &[with(work("a", &[], json!(1)), retry)])).unwrap();
        let run = world.run("f", json!(null));
        let dispatch = world.dispatch_of(run, "a");
        let cancel = nexus_wire::hands::DispatchCancel { dispatch, reason: None };
        let _: Value = world.request("operator/ana", Change::DispatchCancel(cancel)).unwrap();
        assert_eq!(world.states(run), "failed: a=failed");
    }

    fn people_are_asked_like_by_any_aspect(world) {
        world.team();
        let ask = |more: Value| with(json!({"id": "leave", "do": {"approve": {"text": "Post {{ input }}?"}}}), more);
        world.put(with(flow("f", &[ask(json!({}))]), json!({"output": "{{ steps.leave.output }}"}))).unwrap();
        let asked = |world: &World<S>, run: RunId| -> ApprovalInfo {
            let TaskWork::Approval(id) = world.at_work(run)[0].2 else { panic!("it asks nobody") };
            world.store.approval(id).unwrap().unwrap().info
        };
        let answer = |world: &mut World<S>, by: &str, run: RunId, verdict: Verdict, text: Option<&str>| {
            let approval = asked(world, run).id;
            let text = text.map(str::to_owned);
            world.request::<ApprovalInfo>(by, Change::ApprovalAnswer(ApprovalAnswer { approval, verdict, text }))
        };
        let run = world.run("f", json!("the news"));
        let info = asked(world, run);
        assert_eq!((info.asked.summary(), info.aspect.to_string(), info.run), ("Post the news?", "operator/ana".to_owned(), Some(run)));
        answer(world, "operator/bo", run, Verdict::Approve, Some("fine")).unwrap();
        assert_eq!(world.output(run), json!({"approved": true, "by": "operator/bo", "text": "fine"}));
        let run = world.run("f", json!("x"));
        answer(world, "operator/bo", run, Verdict::Deny, Some("no")).unwrap();
        let error = world.info(run).error.unwrap();
        assert_eq!((error.code.as_str(), error.message.as_str()), ("denied", "step leave: operator/bo said no: no"));
        let run = world.run("f", json!("x"));
        world.passes(24 * 3_600_000);
        assert_eq!(world.info(run).error.unwrap().code, "expired");
        let only = json!({"do": {"approve": {"text": "?", "by": "bo", "expires_s": 5, "on_timeout": "approve"}}});
        world.put(with(flow("g", &[ask(only)]), json!({"output": "{{ steps.leave.output.approved }}"}))).unwrap();
        let run = world.run("g", json!(1));
        let refused = answer(world, "operator/ana", run, Verdict::Approve, None).unwrap_err();
        assert_eq!(refused.code, ErrorCode::Forbidden);
        world.passes(5_000);
        assert_eq!(world.output(run), json!(true));
        let run = world.run("g", json!(1));
        let open = asked(world, run).id;
        let cancel = RunCancel { run, reason: Some("enough".into()) };
        let info: RunInfo = world.request("operator/ana", Change::RunCancel(cancel)).unwrap();
        assert_eq!(info.error.unwrap().message, "cancelled by operator/ana: enough");
        assert_eq!(world.store.approval(open).unwrap().unwrap().info.state, ApprovalState::Withdrawn);
    }

    fn a_flow_is_a_step_of_another(world) {
        world.team();
        let inner = with(flow("inner", &[work("a", &[], json!("{{ input.x }}"))]), json!({"output": "{{ steps.a.output }}"}));
        world.put(inner).unwrap();
        let call = json!({"id": "call", "do": {"flow": {"id": "inner", "input": {"x": "{{ input }}"}}}, "timeout_s": 60});
        world.put(with(flow("outer", std::slice::from_ref(&call)), json!({"output": "{{ steps.call.output }}"}))).unwrap();
        let child = |world: &World<S>, run: RunId| {
            let TaskWork::Run(child) = world.at_work(run)[0].2 else { panic!("no run") };
            child
        };
        let run = world.run("outer", json!(7));
        let inner = child(world, run);
        assert_eq!(world.input_of(inner, "a"), json!(7));
        assert_eq!((world.info(inner).depth, world.info(run).tasks, world.info(inner).tasks), (1, 2, 0));
        world.done(inner, "a", json!("out"));
        assert_eq!(world.output(run), json!("out"));
        let run = world.run("outer", json!(7));
        world.fails(child(world, run), "a", "it broke");
        assert_eq!(world.info(run).error.unwrap().message, "step call: step a: it broke");
        let run = world.run("outer", json!(7));
        let inner = child(world, run);
        let cancel = RunCancel { run, reason: None };
        let _: RunInfo = world.request("operator/bo", Change::RunCancel(cancel)).unwrap();
        assert_eq!([world.states(run), world.states(inner)], ["cancelled: call=cancelled", "cancelled: a=cancelled"]);
        assert_eq!(world.hub.queue().len(), 0);
        let run = world.run("outer", json!(7));
        let inner = child(world, run);
        world.passes(60_000);
        assert_eq!([world.states(run), world.states(inner)], ["failed: call=failed", "cancelled: a=cancelled"]);
        let mutual = json!({"id": "call", "do": {"flow": {"id": "outer"}}});
        world.put(flow("inner", &[mutual])).unwrap();
        let run = world.run("outer", json!(7));
        let error = world.info(run).error.unwrap();
        assert!(error.message.ends_with("runs within one another go 4 deep, and this is one more"), "{error:?}");
    }

    fn of_a_group_one_runs_and_the_others_wait_in_order(world) {
        world.team();
        let group = json!({"concurrency_group": ["team {{ input.team }}"]});
        world.put(with(flow("f", &[work("a", &[], json!(1))]), group)).unwrap();
        let runs: Vec<RunId> = (0..3).map(|_| world.run("f", json!({"team": "docs"}))).collect();
        let other = world.run("f", json!({"team": "web"}));
        let states = |world: &World<S>| runs.iter().map(|run| world.info(*run).state.as_str()).collect::<Vec<_>>().join(" ");
        assert_eq!((states(world).as_str(), world.info(other).state), ("running waiting waiting", RunState::Running));
        let cancel = RunCancel { run: runs[1], reason: None };
        let _: RunInfo = world.request("operator/ana", Change::RunCancel(cancel)).unwrap();
        assert_eq!(states(world), "running cancelled waiting");
        world.done(runs[0], "a", json!(1));
        assert_eq!(states(world), "done cancelled running");
        let missing = code(world.try_start("operator/ana", "f", json!({})));
        assert_eq!(missing.0, ErrorCode::Invalid);
        assert!(missing.1.contains("there is no `input.team`"), "{}", missing.1);
        let held = with(flow("held", &[work("a", &[], json!(1))]), json!({"concurrency_group": ["x"]}));
        world.put(held).unwrap();
        let call = json!({"id": "call", "do": {"flow": {"id": "held"}}});
        world.put(with(flow("holds", &[call]), json!({"concurrency_group": ["x"]}))).unwrap();
        let run = world.run("holds", json!(null));
        let error = world.info(run).error.unwrap();
        assert!(error.message.contains("waits for it in turn"), "{error:?}");
    }

    fn a_run_may_what_its_starter_may_and_no_more(world) {
        world.team();
        let own = json!({"id": "a", "do": {"dispatch": {"hand": "wren/own", "input": 1}}});
        world.put(flow("own", &[own])).unwrap();
        let run = world.try_start("forge", "own", json!(null)).unwrap().run;
        assert_eq!(world.info(run).error.unwrap().code, "forbidden");
        world.put(flow("two", &[work("a", &[], json!(1)), work("b", &["a"], json!(2))])).unwrap();
        let run = world.try_start("operator/bo", "two", json!(null)).unwrap().run;
        let (by, name) = (Party::System, "bo".parse().unwrap());
        world.call(CommandBody::RevokeOperator { by, name }).0.unwrap();
        world.done(run, "a", json!(1));
        assert_eq!(world.states(run), "failed: a=done b=failed");
        assert!(world.info(run).error.unwrap().message.contains("may not act here any more"));
        let run = world.run("two", json!(null));
        let cancel = RunCancel { run, reason: None };
        let foreign = world.request::<RunInfo>("forge", Change::RunCancel(cancel)).unwrap_err();
        assert_eq!(foreign.code, ErrorCode::Forbidden);
    }

    fn there_is_a_most_of_everything(world) {
        world.team();
        world.put(with(flow("f", &[work("a", &[], json!(1))]), json!({"input": {"type": "object"}}))).unwrap();
        let (bad, message) = code(world.try_start("operator/ana", "f", json!(3)));
        assert_eq!((bad, message.as_str()), (ErrorCode::Invalid, "the input is not what flow f takes: 3 is not of type \"object\""));
        let large = json!({"x": "x".repeat(RUN_BYTES_MAX / 2)});
        assert_eq!(code(world.try_start("operator/ana", "f", large)).0, ErrorCode::TooLarge);
        let run = world.run("f", json!({}));
        world.done(run, "a", json!("x".repeat(RUN_BYTES_MAX)));
        assert_eq!(world.info(run).error.unwrap().code, "too_large");
        let many = with(json!({"id": "each", "do": {"wait": {"seconds": 5}}}), json!({"for_each": "input.n"}));
        world.put(flow("many", &[many])).unwrap();
        let run = world.run("many", json!({"n": vec![0; 257]}));
        assert_eq!(world.info(run).error.unwrap().code, "too_many");
        let inner = json!({"id": "each", "for_each": "input.n", "do": {"wait": {"until": "2000-01-01T00:00:00Z"}}});
        world.put(with(flow("inner", &[inner]), json!({"max_parallel": 32}))).unwrap();
        let outer = json!({"id": "each", "for_each": "input.n", "do": {"flow": {"id": "inner", "input": {"n": "{{ input.n }}"}}}});
        world.put(flow("outer", &[outer])).unwrap();
        let run = world.run("outer", json!({"n": vec![0; 200]}));
        for _ in 0..40 {
            world.passes(1);
        }
        let error = world.info(run).error.unwrap();
        assert_eq!((error.code.as_str(), world.info(run).tasks), ("too_many_tasks", 1024));
    }

    fn a_wait_is_over_when_its_time_has_come(world) {
        world.team();
        let steps = [
            json!({"id": "a", "do": {"wait": {"seconds": 30}}}),
            json!({"id": "b", "needs": ["a"], "do": {"wait": {"until": "{{ input }}"}}, "on_error": "continue"}),
        ];
        world.put(flow("f", &steps)).unwrap();
        let run = world.run("f", json!("2020-01-01T00:00:00Z"));
        assert_eq!(world.hub.next_timer(), Some(world.at + 30_000));
        world.passes(29_999);
        assert_eq!(world.states(run), "running: a=running b=pending");
        world.passes(1);
        world.passes(1);
        assert_eq!(world.states(run), "done: a=done b=done");
        let run = world.run("f", json!("soon"));
        world.passes(30_000);
        assert_eq!(world.info(run).steps[1].error.clone().unwrap().message, "\"soon\" is no time; one is written like 2026-11-26T08:00:00Z");
    }

    /// More at once than the queue takes of one party: what finds no room waits for it.
    fn a_full_queue_is_waited_for(world) {
        world.team();
        let each = with(work("each", &[], json!("{{ item }}")), json!({"for_each": "input"}));
        world.put(with(flow("f", &[each]), json!({"max_parallel": 32}))).unwrap();
        let runs: Vec<RunId> = (0..11).map(|_| world.run("f", json!(vec![0; 30]))).collect();
        let last = runs[10];
        let pending = world.tasks(last).iter().filter(|task| task.state == StepState::Pending).count();
        assert!(pending > 0, "{:?}", world.tasks(last));
        for run in &runs[..10] {
            let cancel = RunCancel { run: *run, reason: None };
            let _: RunInfo = world.request("operator/ana", Change::RunCancel(cancel)).unwrap();
        }
        world.passes(STEP_ROOM_AFTER.as_millis() as Ms);
        assert_eq!(world.at_work(last).len(), 30);
        assert!(world.tasks(last).iter().all(|task| task.attempt == 1));
    }

    fn a_flow_is_kept_replaced_and_deleted(world) {
        world.team();
        let one = flow("f", &[work("a", &[], json!(1))]);
        assert_eq!(world.put(one.clone()).unwrap().version, 1);
        let same = world.put(one).unwrap();
        assert_eq!((same.version, same.changed), (1, false));
        assert_eq!(world.put(flow("f", &[work("b", &[], json!(1))])).unwrap().version, 2);
        let delete = || Change::FlowDelete(FlowDelete { flow: "f".parse().unwrap() });
        let gone: FlowDeleted = world.request("operator/ana", delete()).unwrap();
        let again: FlowDeleted = world.request("operator/ana", delete()).unwrap();
        assert_eq!((gone.deleted, again.deleted), (true, false));
        assert_eq!((world.store.flow_count().unwrap(), world.store.flows(None, 9).unwrap()), (0, vec![]));
        let started = code(world.try_start("operator/ana", "f", json!(1)));
        assert_eq!(started, (ErrorCode::NotFound, "there is no flow f; `nexctl flow list` shows those there are".to_owned()));
        assert_eq!(world.put(flow("f", &[work("b", &[], json!(1))])).unwrap().version, 3);
        let bad = world.put(flow("f", &[work("b", &["c"], json!("{{ x }}"))])).unwrap_err();
        assert_eq!(bad.message, "flow f cannot run: steps[0].needs[0]: there is no step `c`; there are none");
        let schema = world.put(with(flow("f", &[work("b", &[], json!(1))]), json!({"input": {"type": 3}}))).unwrap_err();
        assert!(schema.message.starts_with("flow f: `input` is no schema"), "{}", schema.message);
    }

    fn a_run_that_is_over_is_kept_for_a_while(world) {
        world.team();
        world.put(flow("f", &[work("a", &[], json!(1))])).unwrap();
        let (over, open) = (world.run("f", json!(1)), world.run("f", json!(2)));
        world.done(over, "a", json!(1));
        let before = world.at + 1;
        assert_eq!(world.store.runs_older(before, None, 10).unwrap(), [over]);
        world.call(CommandBody::PruneRuns { before, runs: vec![over, open] }).0.unwrap();
        assert_eq!(world.store.run(over).unwrap(), None);
        assert_eq!((world.tasks(over).len(), world.states(open).as_str()), (0, "running: a=running"));
    }

    fn a_run_outlives_the_broker(world) {
        world.team();
        world.put(flow("f", &[work("a", &[], json!(1)), work("b", &["a"], json!("{{ steps.a.output }}"))])).unwrap();
        let run = world.run("f", json!(1));
        let dispatch = world.dispatch_of(run, "a");
        let config = world.config.clone();
        world.start(config);
        assert_eq!(world.dispatch_of(run, "a"), dispatch, "nothing is begun twice");
        let hands = vec![serde_json::from_value(json!({"name": "work", "concurrency": 8})).unwrap()];
        let lease = Lease { dispatch, attempt: 1 };
        let leases = vec![nexus_wire::roster::HeldLease { lease, waiting: false }];
        world.register("wren", Register { hands, slots: 8, leases, ..Register::default() }).unwrap();
        world.done(run, "a", json!("A"));
        assert_eq!(world.input_of(run, "b"), json!("A"));
    }
}
