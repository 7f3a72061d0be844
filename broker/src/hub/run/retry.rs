//! A run that is tried again: what was done stays done, down to single items of `for_each` and to the steps of a run within
//! it, and the rest is done in a run of its own.

use std::collections::{BTreeMap, BTreeSet};

use nexus_flow::{OnFailure, Plan};
use nexus_wire::name::StepName;
use nexus_wire::run::{RunInfo, RunRetry, RunStep, StepState, TaskWork};
use nexus_wire::{ErrorBody, ErrorCode, Ms, Party, RequestId, RunId, derive};

use super::{Launch, Place, pending};
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
}

impl Kept {
    /// Whether a task of that run is one of this one as well.
    fn keeps(&self, step: usize, state: StepState) -> bool {
        self.steps.get(&step).is_some_and(|it| it.kept || it.resumed && state == StepState::Done)
    }
}

/// Of a run that has ended, what another one need not do again, if it begins with that step or with those that were not
/// done.
pub(super) fn kept_of(old: &RunRecord, from: Option<&StepName>) -> Done<Kept> {
    let plan = Plan::of(&old.flow).map_err(|problems| {
        let first = problems.first().map(ToString::to_string).unwrap_or_default();
        ErrorBody::new(ErrorCode::Invalid, format!("flow {} cannot run: {first}", old.info.flow))
    })?;
    let mut roots = BTreeSet::new();
    for (place, step) in old.info.steps.iter().enumerate() {
        let is_kept = match step.state {
            StepState::Done | StepState::Skipped => true,
            StepState::Failed => plan.steps[place].on_error == OnFailure::Continue,
            StepState::Pending | StepState::Running | StepState::Unreached | StepState::Cancelled => false,
        };
        if !is_kept {
            roots.insert(place);
        }
    }
    let named = from.map(|from| named(&plan, old, from)).transpose()?;
    if roots.is_empty() && named.is_none() {
        let message =
            format!("every step of run {} was done; say `from` which one it is to be run again", old.info.id);
        return refuse(ErrorCode::Invalid, message);
    }
    // What was asked for is done again as a whole, and so is what comes after something that is done again.
    let mut anew: BTreeSet<usize> = named.into_iter().flat_map(|place| plan.after(place)).collect();
    for root in &roots {
        anew.extend(plan.after(*root).into_iter().filter(|place| place != root));
    }
    let steps = old.info.steps.iter().enumerate().filter(|(place, _)| !anew.contains(place));
    let steps = steps.map(|(place, step)| {
        let step = match roots.contains(&place) {
            true => RunStep { resumed: true, ..pending(&step.id) },
            false => RunStep { kept: true, ..step.clone() },
        };
        (place, step)
    });
    let as_of = old.info.as_of.unwrap_or(old.info.accepted_at);
    Ok(Kept { of: old.info.id, as_of, steps: steps.collect() })
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
        let kept = kept_of(&old, retry.step.as_ref())?;
        self.launch(Launch {
            id,
            flow: old.flow.clone(),
            version: old.info.version,
            input: old.input.clone(),
            by: sender.clone(),
            thread: old.info.thread.filter(|_| old.info.by == *sender),
            parent: None,
            depth: 0,
            request_sha256: Some(request_sha256),
            kept: Some(kept),
        })?;
        self.log_other(sender.clone(), "run.retried", retry.run, &id)?;
        self.tried_again(old, id)?;
        self.answer_started(id);
        Ok(())
    }

    pub(super) fn tried_again(&mut self, mut old: RunRecord, by: RunId) -> Stored<()> {
        old.info.retried_as = Some(by);
        self.store.put_run(&old)
    }

    /// What is taken over of single tasks.
    pub(super) fn tasks_kept(&self, kept: &Kept) -> Stored<Vec<StepTask>> {
        let mut tasks = self.store.run_tasks(kept.of)?;
        tasks.retain(|(step, task)| kept.keeps(*step as usize, task.state));
        Ok(tasks)
    }

    /// The run that a task has begun in the run that is tried again, if it may go on where that one ended.
    pub(super) fn run_before(&self, place: Place, info: &RunInfo) -> Stored<Option<RunRecord>> {
        let Some(of) = info.retry_of.filter(|_| info.steps[place.step].resumed) else { return Ok(None) };
        let tasks = self.store.run_tasks(of)?;
        let task =
            tasks.iter().find(|(step, task)| *step as usize == place.step && task.index == place.index);
        let Some(TaskWork::Run(id)) = task.and_then(|(_, task)| task.work) else { return Ok(None) };
        Ok(self.store.run(id)?.filter(|before| before.info.state.is_end()))
    }
}
