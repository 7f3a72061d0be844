//! What a task of a run does: a dispatch, something people are asked, a run, or a wait. All of it is made with the
//! rights of whoever started the run, and with an id that derives from run, step, item and attempt.

use std::sync::Arc;

use nexus_expr::EvalError;
use nexus_flow::{Act, Plan};
use nexus_wire::approval::{ApprovalEnd, ApprovalInfo, ApprovalState, Asked};
use nexus_wire::flow::OnTimeout;
use nexus_wire::hands::{Dispatch, HandFailure};
use nexus_wire::limits::{
    APPROVAL_ARGUMENTS_BYTES_MAX, APPROVAL_SUMMARY_BYTES_MAX, RUN_TASKS_MAX, STEP_ROOM_AFTER, STEP_WAIT_MAX,
};
use nexus_wire::name::{FlowName, HandName};
use nexus_wire::registry::RegistryWrite;
use nexus_wire::run::{RunInfo, RunParent, RunState, RunTask, StepState, TaskWork};
use nexus_wire::{ApprovalId, DispatchId, ErrorCode, HandRef, HandTarget, Ms, Party, RunId, derive};
use serde_json::{Value, json};
use uuid::Uuid;

use super::advance::Desk;
use super::{Launch, Place};
use crate::hub::records::{Store, Stored};
use crate::hub::step::{Done, Refusal, Step, refuse};

pub(in crate::hub) fn failure(code: &str, message: impl Into<String>) -> HandFailure {
    HandFailure { code: code.to_owned(), message: message.into() }
}

/// Tasks whose time has come that one tick takes care of.
const PER_TICK: usize = 64;

/// What a task is about to do, with everything filled in.
enum Ready {
    Approval(Box<ApprovalInfo>),
    Clock(Ms),
    Dispatch(DispatchId, Box<Dispatch>),
    /// An entry of the log, no later than then.
    Event(Ms),
    Run(RunId, FlowName, Value),
    /// What names the row if nothing else does.
    Write(Uuid, Box<RegistryWrite>),
}

impl Ready {
    fn work(&self) -> TaskWork {
        match self {
            Self::Approval(info) => TaskWork::Approval(info.id),
            Self::Clock(_) | Self::Write(..) => TaskWork::Clock,
            Self::Dispatch(id, _) => TaskWork::Dispatch(*id),
            Self::Event(_) => TaskWork::Event,
            Self::Run(id, ..) => TaskWork::Run(*id),
        }
    }
}

impl<S: Store> Step<'_, S> {
    /// Begins a task, or begins it again.
    pub(super) fn begin_task(&mut self, place: Place, desk: &mut Desk) -> Stored<()> {
        let Some(run) = self.hub.runs.open.get(&place.run) else { return Ok(()) };
        let (info, plan) = (run.info().clone(), Arc::clone(&run.plan));
        let old = run.tasks.get(&(place.step, place.index));
        // What found no room was no attempt.
        let attempt = old.map_or(1, |task| task.attempt + u32::from(task.error.is_some()));
        let mut task = RunTask {
            step: plan.steps[place.step].id.clone(),
            index: place.index,
            state: StepState::Running,
            attempt,
            began_at: old.map_or(self.at, |task| task.began_at),
            ended_at: None,
            due_at: None,
            work: Some(TaskWork::Clock),
            output: None,
            error: None,
        };
        let scope = desk.scope_of(run, place);
        let ready = scope.and_then(|scope| self.ready(place, attempt, &info, &plan, scope));
        let is_new = old.is_none();
        if is_new && !self.count_task(place.run)? {
            let message = format!("a run and the runs within it have {RUN_TASKS_MAX} tasks at most");
            task.attempt = plan.steps[place.step].retries + 1;
            self.put_task(place, task)?;
            return self.end_task(place, TaskWork::Clock, Err(failure("too_many_tasks", message)));
        }
        let ready = match ready {
            Ok(ready) => ready,
            Err(error) => {
                self.put_task(place, task)?;
                return self.end_task(place, TaskWork::Clock, Err(error));
            }
        };
        let work = ready.work();
        task.work = Some(work);
        let timeout = plan.steps[place.step].timeout_s.map(|seconds| Ms::from(seconds) * 1000);
        task.due_at = match &ready {
            Ready::Clock(at) | Ready::Event(at) => Some(*at),
            Ready::Run(..) => timeout.map(|timeout| self.at.saturating_add(timeout)),
            Ready::Approval(_) | Ready::Dispatch(..) | Ready::Write(..) => None,
        };
        // It is known before it begins, so that its end, however soon, finds it.
        self.put_task(place, task)?;
        match self.perform(place, attempt, &info, ready) {
            Ok(()) => Ok(()),
            Err(Refusal::Store(error)) => Err(error),
            Err(Refusal::Answer(error)) if error.code == ErrorCode::QueueFull => self.make_room(place),
            Err(Refusal::Answer(error)) => {
                self.end_task(place, work, Err(failure(code_of(error.code).as_str(), error.message)))
            }
        }
    }

    /// Counts one more task for the run at the top; `false`: there are as many as there may be.
    fn count_task(&mut self, run: RunId) -> Stored<bool> {
        let top = self.hub.runs.top_of(run);
        let Some(run) = self.hub.runs.open.get_mut(&top) else { return Ok(false) };
        if run.record.info.tasks as usize >= RUN_TASKS_MAX {
            return Ok(false);
        }
        run.record.info.tasks += 1;
        self.store.put_run(&run.record)?;
        Ok(true)
    }

    /// The queue is full: the task waits a moment and is tried as if nothing had been.
    fn make_room(&mut self, place: Place) -> Stored<()> {
        let Some(mut task) = self.hub.runs.task(place).cloned() else { return Ok(()) };
        (task.state, task.work) = (StepState::Pending, None);
        task.due_at = Some(self.at.saturating_add(STEP_ROOM_AFTER.as_millis() as Ms));
        self.put_task(place, task)
    }

    fn ready(
        &self,
        place: Place,
        attempt: u32,
        info: &RunInfo,
        plan: &Plan,
        scope: &Value,
    ) -> Result<Ready, HandFailure> {
        let step = &plan.steps[place.step];
        let task = format!("{}/{}", step.id, place.index);
        let timeout = step.timeout_s.map(|seconds| Ms::from(seconds) * 1000);
        let id = |what: &str| derive::run_work(place.run, what, &task, attempt);
        let to = |hand: HandRef, input: Value| Dispatch {
            hand: Some(HandTarget::Hand(hand)),
            input,
            deadline_s: step.timeout_s,
            ..Dispatch::default()
        };
        Ok(match &step.act {
            Act::Approve { text, by, expires_ms, on_timeout } => {
                if let Some(name) =
                    by.as_ref().filter(|it| !self.hub.roster.knows(&Party::Operator((*it).clone())))
                {
                    return Err(failure(
                        "not_found",
                        format!("there is no operator {name}, who is to be asked"),
                    ));
                }
                // What nobody has said no to is not approved any sooner by that.
                let timeout = timeout.filter(|_| *on_timeout == OnTimeout::Fail);
                let text = text.text(scope).map_err(unmade)?;
                let summary = text[..text.floor_char_boundary(APPROVAL_SUMMARY_BYTES_MAX)].to_owned();
                let arguments = text[..text.floor_char_boundary(APPROVAL_ARGUMENTS_BYTES_MAX)].to_owned();
                Ready::Approval(Box::new(ApprovalInfo {
                    id: ApprovalId(id("approval")),
                    aspect: info.by.clone(),
                    asked: Asked::Tool { tool: format!("{}/{}", info.flow, step.id), summary, arguments },
                    thread: None,
                    lease: None,
                    notice: None,
                    trigger: None,
                    run: Some(place.run),
                    only: by.clone(),
                    state: ApprovalState::Open,
                    asked_at: self.at,
                    expires_at: self.at.saturating_add(timeout.map_or(*expires_ms, |it| it.min(*expires_ms))),
                    ended_at: None,
                    by: None,
                    text: None,
                }))
            }
            Act::Ask { aspect, text } => {
                let hand = HandRef { aspect: aspect.clone(), hand: HandName::own() };
                let input = Value::String(text.text(scope).map_err(unmade)?);
                Ready::Dispatch(DispatchId(id("dispatch")), Box::new(to(hand, input)))
            }
            Act::Dispatch { hand, capability, input } => {
                let input = input.value(scope).map_err(unmade)?;
                let dispatch = Dispatch {
                    hand: hand.clone().map(HandTarget::Hand),
                    capability: capability.clone(),
                    input,
                    deadline_s: step.timeout_s,
                    ..Dispatch::default()
                };
                Ready::Dispatch(DispatchId(id("dispatch")), Box::new(dispatch))
            }
            Act::Flow { id: flow, input } => {
                Ready::Run(RunId(id("run")), flow.clone(), input.value(scope).map_err(unmade)?)
            }
            Act::Hear(_) => {
                let longest = timeout.unwrap_or(STEP_WAIT_MAX.as_millis() as Ms);
                Ready::Event(self.at.saturating_add(longest))
            }
            Act::Wait(moment) => {
                let until = moment.at(scope, self.at).map_err(|error| failure("expression", error))?;
                let wait = until - self.at;
                if timeout.is_some_and(|timeout| wait > timeout) {
                    // It is known by now, and nothing is gained by waiting for it.
                    let seconds = (wait + 999) / 1000;
                    let message = format!("it would wait {seconds} s, longer than its `timeout_s`");
                    return Err(failure("timeout", message));
                }
                Ready::Clock(until)
            }
            Act::Write { registry, row, values } => {
                let row = row.as_ref().map(|row| row.text(scope)).transpose().map_err(unmade)?;
                // It was written as an object, and filling in keeps it one.
                let values = values.value(scope).map_err(unmade)?;
                let values = values.as_object().cloned().unwrap_or_default().into_iter().collect();
                let write = RegistryWrite { registry: registry.clone(), row, values, if_version: None };
                Ready::Write(id("row"), Box::new(write))
            }
        })
    }

    fn perform(&mut self, place: Place, attempt: u32, info: &RunInfo, ready: Ready) -> Done {
        self.check_starter(&info.by)?;
        match ready {
            Ready::Clock(_) | Ready::Event(_) => Ok(()),
            Ready::Approval(asked) => Ok(self.ask_for_step(*asked)?),
            Ready::Dispatch(id, dispatch) => self.dispatch_step(&info.by, place.run, id, *dispatch),
            Ready::Run(id, flow, input) => {
                let goes_on = info.steps[place.step].goes_on.get(&place.index).filter(|_| attempt == 1);
                let before = goes_on.map(|before| self.store.run(*before)).transpose()?.flatten();
                let before = before.filter(|it| it.info.flow == flow && it.input == input);
                let kept = before.as_ref().map(|before| self.kept_of(before, None)).transpose()?;
                let flow = match &before {
                    Some(before) => (before.flow.clone(), before.info.version),
                    None => self.flow_of(&flow)?,
                };
                let step = info.steps[place.step].id.clone();
                let parent = Some(RunParent { run: place.run, step, index: place.index });
                let (depth, as_of) = (info.depth + 1, info.as_of);
                let launch = Launch::anew(id, flow, input, info.by.clone());
                self.launch(Launch { parent, depth, kept, as_of, ..launch })?;
                match before {
                    Some(before) => Ok(self.tried_again(before, id)?),
                    None => Ok(()),
                }
            }
            Ready::Write(id, write) => {
                let written = self.write_row(&info.by, id, *write)?;
                let output = serde_json::to_value(&written).unwrap_or_default();
                Ok(self.end_task(place, TaskWork::Clock, Ok(output))?)
            }
        }
    }

    /// A run can do what its starter can now, and no more.
    fn check_starter(&self, by: &Party) -> Done {
        let may = match by {
            Party::System => true,
            Party::Aspect(_) => self.hub.roster.knows(by),
            Party::Operator(name) => {
                let acts = |role| role != nexus_wire::admin::OperatorRole::Viewer;
                self.hub.roster.knows(by) && self.hub.roster.operator(name).is_some_and(|it| acts(it.role))
            }
        };
        if may {
            return Ok(());
        }
        refuse(ErrorCode::Forbidden, format!("{by}, who started the run, may not act here any more"))
    }

    /// A part of the tasks whose time has come; the rest is due at once after it.
    pub(in crate::hub) fn runs_due(&mut self) -> Stored<()> {
        let due = self.hub.runs.due.iter().take_while(|(at, _)| *at <= self.at);
        let due: Vec<Place> = due.take(PER_TICK).map(|(_, place)| *place).collect();
        for place in due {
            self.within_run(place.run, |step| step.task_due(place))?;
            self.hub.runs.touch(place.run);
        }
        Ok(())
    }

    fn task_due(&mut self, place: Place) -> Stored<()> {
        // One that ended before may have ended this one with it.
        let Some(task) = self.hub.runs.task(place).filter(|task| task.due_at.is_some()) else {
            return Ok(());
        };
        match (task.state, task.work) {
            (StepState::Running, Some(work @ TaskWork::Run(run))) => {
                let error = failure("timeout", format!("run {run} has not ended in time"));
                self.end_task(place, work, Err(error.clone()))?;
                self.end_run(run, RunState::Cancelled, Some(error))
            }
            (StepState::Running, Some(work @ TaskWork::Event)) => {
                let error = failure("timeout", "what it waits for has not happened in time");
                self.end_task(place, work, Err(error))
            }
            (StepState::Running, Some(work)) => {
                // What came of an entry that it has waited for.
                let output = task.output.clone().unwrap_or_default();
                self.end_task(place, work, Ok(output))
            }
            (_, _) => self.begin_task(place, &mut Desk::default()),
        }
    }

    /// What people have said to a step, or that they have not.
    pub(in crate::hub) fn step_answered(&mut self, end: &ApprovalEnd) -> Stored<()> {
        let Some(place) = self.hub.runs.of_approval.get(&end.approval).copied() else { return Ok(()) };
        let act = self.hub.runs.open.get(&place.run).map(|run| &run.plan.steps[place.step].act);
        let goes_on = match act {
            Some(Act::Approve { on_timeout, .. }) => *on_timeout == OnTimeout::Approve,
            Some(
                Act::Ask { .. }
                | Act::Dispatch { .. }
                | Act::Flow { .. }
                | Act::Hear(_)
                | Act::Wait(_)
                | Act::Write { .. },
            )
            | None => false,
        };
        let said = json!({"approved": true, "by": end.by, "text": end.text});
        let by = end.by.as_ref().map_or_else(|| "nobody".to_owned(), Party::to_string);
        let result = match end.state {
            ApprovalState::Approved | ApprovalState::Answered => Ok(said),
            ApprovalState::Expired if goes_on => Ok(said),
            ApprovalState::Expired => Err(failure("expired", "nobody has answered in time")),
            ApprovalState::Denied => {
                let colon = if end.text.is_some() { ": " } else { "" };
                Err(failure(
                    "denied",
                    format!("{by} said no{colon}{}", end.text.as_deref().unwrap_or_default()),
                ))
            }
            ApprovalState::Open | ApprovalState::Withdrawn => {
                Err(failure("cancelled", "it is asked no more"))
            }
        };
        self.end_task(place, TaskWork::Approval(end.approval), result)
    }
}

fn unmade(error: EvalError) -> HandFailure {
    failure("expression", error.to_string())
}

/// As the wire writes it.
fn code_of(code: ErrorCode) -> String {
    serde_json::to_value(code).ok().and_then(|code| code.as_str().map(str::to_owned)).unwrap_or_default()
}
