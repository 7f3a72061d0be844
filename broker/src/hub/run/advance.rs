//! How a run goes on: what is next, by the plan and by what has ended; and how it ends.

use nexus_expr::{EvalError, nests_within};
use nexus_flow::{OnFailure, date};
use nexus_wire::hands::HandFailure;
use nexus_wire::limits::{FLOW_ITEMS_MAX, RUN_BYTES_MAX};
use nexus_wire::run::{RunState, RunStep, RunTask, StepState, TaskWork};
use nexus_wire::{Party, RunId};
use serde_json::{Map, Value, json};

use super::work::failure;
use super::{OpenRun, Place, STEP_OUTPUT_LEVELS, cut, group};
use crate::hub::inbox::json_bytes;
use crate::hub::records::{Store, Stored};
use crate::hub::step::Step;

/// What is next for a run; steps by their places.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Next {
    Nothing,
    /// The run fails with that step.
    Fail(usize),
    End,
    Unreach(usize),
    /// Everything the step needs has ended: whether it is done, and how many times.
    Decide(usize),
    Begin(usize, u32),
    /// A task has failed, and the step with it.
    Break(usize, u32),
    /// Every task has ended.
    Conclude(usize),
}

/// What the expressions of a run see; made when it is first asked for, and again when a step has ended.
#[derive(Default)]
pub(super) struct Desk {
    /// Made when so many steps had ended.
    scope: Option<(usize, Value)>,
    /// Of the step with that place.
    items: Option<(usize, Vec<Value>)>,
}

impl Desk {
    fn scope(&mut self, run: &OpenRun) -> &mut Value {
        let ended = run.info().steps.iter().filter(|step| step.state.is_end()).count();
        let made = self.scope.take().filter(|(of, _)| *of == ended);
        &mut self.scope.insert(made.unwrap_or_else(|| (ended, run.scope()))).1
    }

    /// The same for one task, with its item.
    pub(super) fn scope_of(&mut self, run: &OpenRun, place: Place) -> Result<&Value, HandFailure> {
        let Some(each) = &run.plan.steps[place.step].for_each else { return Ok(self.scope(run)) };
        if self.items.as_ref().is_none_or(|(of, _)| *of != place.step) {
            let items = each.value(self.scope(run)).map_err(unlisted)?;
            self.items = Some((place.step, items.as_array().cloned().unwrap_or_default()));
        }
        let items = self.items.as_ref().map(|(_, items)| items);
        let item = items.and_then(|items| items.get(place.index as usize)).cloned().unwrap_or_default();
        let scope = self.scope(run);
        scope["item"] = item;
        scope["index"] = Value::from(place.index);
        Ok(scope)
    }
}

fn unlisted(error: EvalError) -> HandFailure {
    failure("expression", format!("`for_each`: {error}"))
}

impl OpenRun {
    fn next(&self) -> Next {
        let (plan, steps) = (&self.plan.steps, &self.record.info.steps);
        let failed = |place: usize| {
            let on_error = plan.get(place).map_or(OnFailure::Fail, |step| step.on_error);
            (steps[place].state == StepState::Failed).then_some(on_error)
        };
        let places = || 0..steps.len();
        if let Some(place) = places().find(|place| failed(*place) == Some(OnFailure::Fail)) {
            return Next::Fail(place);
        }
        let is_halted = places().any(|place| failed(place) == Some(OnFailure::SkipRest));
        let at_work = self.tasks.values().filter(|task| !task.state.is_end()).count();
        for (place, step) in plan.iter().enumerate() {
            match steps[place].state {
                StepState::Pending if is_halted => return Next::Unreach(place),
                StepState::Pending => {
                    if !step.needs.iter().chain(&step.led_from).all(|before| steps[*before].state.is_end()) {
                        continue;
                    }
                    let passes = |before: &usize| match steps[*before].state {
                        StepState::Done | StepState::Skipped => true,
                        StepState::Failed => match failed(*before) {
                            Some(OnFailure::Continue) => true,
                            Some(OnFailure::Goto(to)) => to == place,
                            Some(OnFailure::Fail | OnFailure::SkipRest) | None => false,
                        },
                        StepState::Pending
                        | StepState::Running
                        | StepState::Unreached
                        | StepState::Cancelled => false,
                    };
                    let is_led = step.led_from.iter().any(|from| failed(*from).is_some());
                    let is_reached = step.led_from.is_empty() || is_led;
                    let is_next = is_reached && step.needs.iter().all(passes);
                    return if is_next { Next::Decide(place) } else { Next::Unreach(place) };
                }
                StepState::Running => {
                    if let Some(next) = self.next_of(place, at_work < self.plan.parallel) {
                        return next;
                    }
                }
                StepState::Done
                | StepState::Failed
                | StepState::Skipped
                | StepState::Unreached
                | StepState::Cancelled => {}
            }
        }
        if steps.iter().all(|step| step.state.is_end()) { Next::End } else { Next::Nothing }
    }

    /// Of a step at work.
    fn next_of(&self, place: usize, has_room: bool) -> Option<Next> {
        let goes_on = self.plan.steps[place].on_error == OnFailure::Continue;
        // The first item that was not begun: of those kept of a run before, some may lie behind it.
        let mut next = 0;
        let mut is_over = true;
        for (index, task) in self.tasks_of(place) {
            if task.state == StepState::Failed && !goes_on {
                return Some(Next::Break(place, index));
            }
            next += u32::from(index == next);
            is_over &= task.state.is_end();
        }
        if next < self.record.info.steps[place].times {
            return has_room.then_some(Next::Begin(place, next));
        }
        is_over.then_some(Next::Conclude(place))
    }

    /// What a step has come to.
    fn output(&self, place: usize) -> Value {
        let of_task = |task: &RunTask| task.output.clone().unwrap_or_default();
        if self.plan.steps[place].for_each.is_some() {
            let mut outputs = Vec::new();
            for (index, task) in self.tasks_of(place) {
                // One of which something was kept may have ended with items that were not begun.
                outputs.resize(index as usize, Value::Null);
                outputs.push(of_task(task));
            }
            return Value::Array(outputs);
        }
        self.tasks_of(place).next().map(|(_, task)| of_task(task)).unwrap_or_default()
    }

    /// Input, date, the run itself, and the steps that have ended.
    fn scope(&self) -> Value {
        let info = self.info();
        let ended = info.steps.iter().enumerate().filter(|(_, step)| step.state.is_end());
        let steps: Map<String, Value> = ended
            .map(|(place, step)| {
                let output = self.output(place);
                let told = json!({"error": step.error, "output": output, "state": step.state.as_str()});
                (step.id.to_string(), told)
            })
            .collect();
        json!({
            "date": date(info.as_of.unwrap_or(info.accepted_at), &self.plan.timezone),
            "input": self.record.input,
            "run": group::about(info),
            "steps": steps,
        })
    }
}

impl<S: Store> Step<'_, S> {
    /// Takes every run that something has happened to as far as it comes.
    pub(in crate::hub) fn runs_advance(&mut self) -> Stored<()> {
        while let Some(id) = self.hub.runs.touched.pop_first() {
            self.within_run(id, |step| step.advance(id))?;
        }
        Ok(())
    }

    /// What has led to a run has led to what is done for it.
    pub(super) fn within_run<T>(&mut self, id: RunId, act: impl FnOnce(&mut Self) -> T) -> T {
        let causes = self.hub.runs.open.get(&id).map(|run| run.info().causes.clone());
        self.caused(causes.unwrap_or_default(), act)
    }

    fn advance(&mut self, id: RunId) -> Stored<()> {
        let mut desk = Desk::default();
        loop {
            let Some(run) = self.hub.runs.open.get(&id) else { return Ok(()) };
            if run.info().state == RunState::Waiting && !self.enter(id)? {
                return Ok(());
            }
            let Some(run) = self.hub.runs.open.get(&id) else { return Ok(()) };
            match run.next() {
                Next::Nothing => return Ok(()),
                Next::Fail(place) => {
                    let step = &run.info().steps[place];
                    let said = step.error.as_ref().map_or("", |error| error.message.as_str());
                    let code = step.error.as_ref().map_or("failed", |error| error.code.as_str());
                    let error = failure(code, format!("step {}: {said}", step.id));
                    return self.end_run(id, RunState::Failed, Some(error));
                }
                Next::End => return self.end_run(id, RunState::Done, None),
                Next::Unreach(place) => self.end_step(id, place, StepState::Unreached, None)?,
                Next::Decide(place) => self.decide_step(id, place, &mut desk)?,
                Next::Begin(step, index) => self.begin_task(Place { run: id, step, index }, &mut desk)?,
                Next::Break(place, index) => {
                    let task = run.tasks.get(&(place, index));
                    let error = task.and_then(|task| task.error.clone());
                    self.end_step(id, place, StepState::Failed, error)?;
                }
                Next::Conclude(place) => {
                    let mut tasks = run.tasks_of(place).map(|(_, task)| task);
                    let failed = tasks.find(|task| task.state == StepState::Failed);
                    let error = failed.and_then(|task| task.error.clone());
                    let state = if failed.is_some() { StepState::Failed } else { StepState::Done };
                    drop(tasks);
                    self.end_step(id, place, state, error)?;
                }
            }
        }
    }

    /// Whether a step is done, and how many times.
    fn decide_step(&mut self, id: RunId, place: usize, desk: &mut Desk) -> Stored<()> {
        let Some(run) = self.hub.runs.open.get(&id) else { return Ok(()) };
        let step = &run.plan.steps[place];
        let scope = desk.scope(run);
        let decided = match step.when.as_ref().map(|when| when.holds(scope)) {
            Some(Ok(false)) => return self.end_step(id, place, StepState::Skipped, None),
            Some(Err(error)) => Err(failure("expression", format!("`if`: {error}"))),
            Some(Ok(true)) | None => match step.for_each.as_ref().map(|each| each.value(scope)) {
                None => Ok(1),
                Some(Ok(Value::Array(items))) if items.len() <= FLOW_ITEMS_MAX => {
                    let times = u32::try_from(items.len()).unwrap_or(u32::MAX);
                    desk.items = Some((place, items));
                    Ok(times)
                }
                Some(Ok(Value::Array(items))) => {
                    let message =
                        format!("`for_each` has {} items; {FLOW_ITEMS_MAX} is the most", items.len());
                    Err(failure("too_many", message))
                }
                Some(Ok(_)) => Err(failure("expression", "`for_each` is no list")),
                Some(Err(error)) => Err(unlisted(error)),
            },
        };
        match decided {
            Ok(times) => self.change_step(id, place, |step, at| {
                (step.state, step.times, step.began_at) = (StepState::Running, times, Some(at));
            }),
            Err(error) => self.end_step(id, place, StepState::Failed, Some(error)),
        }
    }

    fn change_step(
        &mut self,
        id: RunId,
        place: usize,
        change: impl FnOnce(&mut RunStep, nexus_wire::Ms),
    ) -> Stored<()> {
        let Some(run) = self.hub.runs.open.get_mut(&id) else { return Ok(()) };
        change(&mut run.record.info.steps[place], self.at);
        self.store.put_run(&run.record)
    }

    fn end_step(
        &mut self,
        id: RunId,
        place: usize,
        state: StepState,
        error: Option<HandFailure>,
    ) -> Stored<()> {
        if state == StepState::Failed {
            self.stop_tasks(id, Some(place), "another task of its step has failed")?;
        }
        let error = error.map(cut);
        self.change_step(id, place, |step, at| {
            (step.state, step.ended_at, step.error) = (state, Some(at), error);
        })
    }

    /// A task has come to its end, or is to be tried again. `work` is what has ended; what is not what the task is at
    /// any more changes nothing.
    pub(in crate::hub) fn end_task(
        &mut self,
        place: Place,
        work: TaskWork,
        result: Result<Value, HandFailure>,
    ) -> Stored<()> {
        let Some(run) = self.hub.runs.open.get(&place.run) else { return Ok(()) };
        let is_current = |task: &&RunTask| task.state == StepState::Running && task.work == Some(work);
        let Some(task) = run.tasks.get(&(place.step, place.index)).filter(is_current) else { return Ok(()) };
        let (mut task, plan) = (task.clone(), &run.plan.steps[place.step]);
        // What has been noted of it is part of what the run holds, and makes room for what it comes to.
        let room = (RUN_BYTES_MAX + super::size_of(&task)).saturating_sub(run.bytes);
        task.due_at = None;
        task.ended_at = Some(self.at);
        let result = match result {
            Ok(output) if json_bytes(&output) > room => {
                let message = format!("with this output the run would hold more than {RUN_BYTES_MAX} bytes");
                task.attempt = task.attempt.max(plan.retries + 1);
                Err(failure("too_large", message))
            }
            Ok(output) if !nests_within(&output, STEP_OUTPUT_LEVELS) => {
                let message = format!(
                    "the output has lists and objects more than {STEP_OUTPUT_LEVELS} deep within one another"
                );
                task.attempt = task.attempt.max(plan.retries + 1);
                Err(failure("too_deep", message))
            }
            other => other,
        };
        match result {
            // Null is no output: nobody could tell them apart once they are written down.
            Ok(output) => {
                (task.state, task.output) = (StepState::Done, Some(output).filter(|it| !it.is_null()));
            }
            Err(error) => {
                task.output = None;
                let mut error = cut(error);
                if error.message.len() > room {
                    error.message.clear();
                }
                let is_final = task.attempt > plan.retries || error.code == "cancelled";
                task.state = if is_final { StepState::Failed } else { StepState::Pending };
                task.error = Some(error);
                if !is_final {
                    task.ended_at = None;
                    task.due_at = Some(self.at.saturating_add(backoff(plan.backoff_ms, task.attempt)));
                }
            }
        }
        self.put_task(place, task)?;
        self.hub.runs.touch(place.run);
        Ok(())
    }

    /// Ends what is at work, of one step or of all.
    fn stop_tasks(&mut self, id: RunId, step: Option<usize>, why: &str) -> Stored<()> {
        let Some(run) = self.hub.runs.open.get(&id) else { return Ok(()) };
        let wanted = |place: &(usize, u32)| step.is_none_or(|step| place.0 == step);
        let at_work = run.tasks.iter().filter(|(place, task)| wanted(place) && !task.state.is_end());
        let at_work: Vec<((usize, u32), RunTask)> =
            at_work.map(|(place, task)| (*place, task.clone())).collect();
        let mut has_cancelled = false;
        for ((step, index), mut task) in at_work {
            let work = task.work.filter(|_| task.state == StepState::Running);
            (task.state, task.ended_at, task.due_at) = (StepState::Cancelled, Some(self.at), None);
            self.put_task(Place { run: id, step, index }, task)?;
            match work {
                Some(TaskWork::Approval(approval)) => self.withdraw_step(approval, why)?,
                Some(TaskWork::Dispatch(dispatch)) => {
                    let reason = format!("run {id}: {why}");
                    self.hub.queue.cancel(dispatch, &reason, self.at);
                    has_cancelled = true;
                }
                Some(TaskWork::Run(run)) => {
                    self.end_run(run, RunState::Cancelled, Some(failure("cancelled", why)))?;
                }
                Some(TaskWork::Clock | TaskWork::Event) | None => {}
            }
        }
        if has_cancelled { self.settle(None, None) } else { Ok(()) }
    }

    /// The run is over, and everything in it.
    pub(in crate::hub) fn end_run(
        &mut self,
        id: RunId,
        state: RunState,
        error: Option<HandFailure>,
    ) -> Stored<()> {
        self.within_run(id, |step| step.close_run(id, state, error))
    }

    fn close_run(&mut self, id: RunId, state: RunState, error: Option<HandFailure>) -> Stored<()> {
        let why = error.as_ref().map_or_else(|| "the run is over".to_owned(), |error| error.message.clone());
        self.stop_tasks(id, None, &why)?;
        let at = self.at;
        let Some(run) = self.hub.runs.open.get(&id) else { return Ok(()) };
        let output =
            run.plan.output.as_ref().filter(|_| state == RunState::Done).map(|it| it.value(&run.scope()));
        let room = RUN_BYTES_MAX.saturating_sub(run.bytes);
        let Some(mut run) = self.hub.runs.remove(id) else { return Ok(()) };
        let info = &mut run.record.info;
        (info.state, info.error, info.ended_at) = (state, error.map(cut), Some(at));
        match output {
            None => {}
            Some(Ok(output)) if json_bytes(&output) <= room => {
                run.record.output = Some(output).filter(|it| !it.is_null());
            }
            Some(Ok(_)) => {
                let message = format!("`output`: with it the run would hold more than {RUN_BYTES_MAX} bytes");
                (info.state, info.error) = (RunState::Failed, Some(failure("too_large", message)));
            }
            Some(Err(error)) => {
                let error = cut(failure("expression", format!("`output`: {error}")));
                (info.state, info.error) = (RunState::Failed, Some(error));
            }
        }
        for step in info.steps.iter_mut().filter(|step| !step.state.is_end()) {
            let was_begun = step.state == StepState::Running;
            step.state = if was_begun { StepState::Cancelled } else { StepState::Unreached };
            step.ended_at = Some(at);
        }
        self.store.put_run(&run.record)?;
        let info = &run.record.info;
        self.hub.runs.let_in(info);
        self.log_other(Party::System, "run.ended", id, info)?;
        let Some(parent) = &info.parent else { return self.run_is_over(&run.record) };
        let above = self.hub.runs.open.get(&parent.run).and_then(|run| run.plan.place(&parent.step));
        let Some(step) = above else { return Ok(()) };
        let place = Place { run: parent.run, step, index: parent.index };
        let result = match info.state {
            RunState::Done => Ok(run.record.output.clone().unwrap_or_default()),
            RunState::Waiting | RunState::Running | RunState::Failed | RunState::Cancelled => {
                let error = info.error.clone();
                Err(error
                    .unwrap_or_else(|| failure(info.state.as_str(), format!("run {id} did not end well"))))
            }
        };
        self.end_task(place, TaskWork::Run(id), result)
    }
}

/// It doubles each time.
fn backoff(first: nexus_wire::Ms, attempt: u32) -> nexus_wire::Ms {
    let most = nexus_wire::limits::STEP_BACKOFF_MAX.as_millis() as nexus_wire::Ms;
    let doubled = attempt.saturating_sub(1).min(20);
    first.saturating_mul(1 << doubled).min(most)
}
