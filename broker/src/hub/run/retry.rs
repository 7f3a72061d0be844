//! A run that is tried again: what was done stays done, down to single items of `for_each` and to the steps of a run within
//! it, and the rest is done in a run of its own.

use std::collections::{BTreeMap, BTreeSet};

use nexus_flow::{OnFailure, Plan};
use nexus_wire::name::StepName;
use nexus_wire::run::{RunRetry, RunStep, StepState, TaskWork};
use nexus_wire::{ErrorBody, ErrorCode, Ms, Party, RequestId, RunId, derive};

use super::{Launch, pending};
use crate::hub::inbox::sha256_of;
use crate::hub::records::{RunRecord, StepTask, Store, Stored};
use crate::hub::step::{Done, Step, refuse};

/// What a run takes over from the one that it tries again.
pub(in crate::hub) struct Kept {
    pub(super) of: RunId,
    /// What its `date` goes by.
    pub(super) as_of: Ms,
    /// Steps that are done, or in part, by their places.
    pub(super) steps: BTreeMap<usize, RunStep>,
    /// What was done of them.
    pub(super) tasks: Vec<StepTask>,
}

/// Places of the steps that were not done.
fn undone(plan: &Plan, old: &RunRecord) -> BTreeSet<usize> {
    let is_kept = |place: usize, step: &RunStep| match step.state {
        StepState::Done | StepState::Skipped => true,
        StepState::Failed => plan.steps[place].on_error == OnFailure::Continue,
        StepState::Pending | StepState::Running | StepState::Unreached | StepState::Cancelled => false,
    };
    let steps = old.info.steps.iter().enumerate();
    steps.filter(|(place, step)| !is_kept(*place, step)).map(|(place, _)| place).collect()
}

fn plan_of(old: &RunRecord) -> Done<Plan> {
    let plan = Plan::of(&old.flow).map_err(|problems| {
        let first = problems.first().map(ToString::to_string).unwrap_or_default();
        ErrorBody::new(ErrorCode::Invalid, format!("flow {} cannot run: {first}", old.info.flow))
    })?;
    Ok(plan)
}

/// A step of which something was done: what that was is kept, and where it is a run, that goes on.
fn resumed(old: &RunRecord, place: usize, tasks: &[StepTask]) -> RunStep {
    let step = &old.info.steps[place];
    let of_step = || tasks.iter().filter(|(of, _)| *of as usize == place).map(|(_, task)| task);
    // What that run was to go on with itself, and has not begun.
    let mut goes_on = step.goes_on.clone();
    for task in of_step() {
        match (task.state, task.work) {
            (StepState::Done, _) => _ = goes_on.remove(&task.index),
            (_, Some(TaskWork::Run(run))) => _ = goes_on.insert(task.index, run),
            (_, _) => {}
        }
    }
    let is_resumed = !goes_on.is_empty() || of_step().any(|task| task.state == StepState::Done);
    RunStep { resumed: is_resumed, goes_on, ..pending(&step.id) }
}

fn named(plan: &Plan, old: &RunRecord, from: &StepName) -> Done<usize> {
    if let Some(place) = plan.place(from) {
        return Ok(place);
    }
    let known: Vec<String> = plan.steps.iter().map(|step| step.id.to_string()).collect();
    let message =
        format!("there is no step {from} in run {}; its steps are {}", old.info.id, known.join(", "));
    refuse(ErrorCode::NotFound, message)
}

impl<S: Store> Step<'_, S> {
    /// Of a run that has ended, what another one need not do again, if it begins with that step or with those that were
    /// not done.
    pub(super) fn kept_of(&self, old: &RunRecord, from: Option<&StepName>) -> Done<Kept> {
        let plan = plan_of(old)?;
        let undone = undone(&plan, old);
        let named = from.map(|from| named(&plan, old, from)).transpose()?;
        // What was asked for is done again as a whole, and so is what comes after something that is done again.
        let mut anew: BTreeSet<usize> = named.into_iter().flat_map(|place| plan.after(place)).collect();
        for place in &undone {
            anew.extend(plan.after(*place).into_iter().filter(|after| after != place));
        }
        let mut tasks = self.store.run_tasks(old.info.id)?;
        let mut steps = BTreeMap::new();
        for (place, step) in old.info.steps.iter().enumerate().filter(|(place, _)| !anew.contains(place)) {
            let step = match undone.contains(&place) {
                true => resumed(old, place, &tasks),
                false => RunStep { kept: true, resumed: false, goes_on: BTreeMap::new(), ..step.clone() },
            };
            steps.insert(place, step);
        }
        tasks.retain(|(place, task)| {
            let step = steps.get(&(*place as usize));
            step.is_some_and(|step| step.kept || task.state == StepState::Done)
        });
        let as_of = old.info.as_of.unwrap_or(old.info.accepted_at);
        Ok(Kept { of: old.info.id, as_of, steps, tasks })
    }

    pub(in crate::hub) fn run_retry(&mut self, sender: &Party, request: RequestId, retry: RunRetry) -> Done {
        let request_sha256 = sha256_of(&("retry", &retry));
        let id = derive::run_id(request, sender);
        if self.is_repeated_run(id, request, request_sha256)? {
            return Ok(());
        }
        let old = self.steerable(sender, retry.run, "retry")?;
        if !old.info.state.is_end() {
            let state = old.info.state.as_str();
            let message = format!("run {} is {state}; one that has ended is run again", retry.run);
            return refuse(ErrorCode::Invalid, message);
        }
        if retry.step.is_none() && undone(&plan_of(&old)?, &old).is_empty() {
            let message = format!(
                "every step of run {} was done; say `from` which one it is to be run again",
                old.info.id
            );
            return refuse(ErrorCode::Invalid, message);
        }
        let kept = self.kept_of(&old, retry.step.as_ref())?;
        let thread = old.info.thread.filter(|_| old.info.by == *sender);
        let (request_sha256, kept) = (Some(request_sha256), Some(kept));
        let flow = (old.flow.clone(), old.info.version);
        let launch = Launch::anew(id, flow, old.input.clone(), sender.clone());
        self.launch(Launch { thread, request_sha256, kept, ..launch })?;
        self.log_other(sender.clone(), "run.retried", retry.run, &id)?;
        self.tried_again(old, id)?;
        self.answer_started(id);
        Ok(())
    }

    pub(super) fn tried_again(&mut self, mut old: RunRecord, by: RunId) -> Stored<()> {
        old.info.retried_as = Some(by);
        self.store.put_run(&old)
    }
}
