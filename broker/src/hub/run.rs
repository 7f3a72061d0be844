//! Runs: what is known of those that have not ended, and the requests about them. How one goes on is in `advance`,
//! what a step of it does in `work`.
//!
//! A run's steps are ordinary dispatches, approvals and runs, made with the rights of whoever started it. They end
//! within some command; what that means for the run is worked out at the end of the same command, so that there is
//! no moment at which a step has ended and its run does not know.

mod advance;
mod end;
mod group;
mod hear;
mod retry;
mod room;
mod work;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use nexus_expr::{OUTPUT_DEPTH_MAX, nests_within};
use nexus_flow::{Act, Plan};
use nexus_schema::{Schema, listed};
use nexus_wire::flow::Flow;
use nexus_wire::hands::{DispatchState, HandFailure};
use nexus_wire::limits::{JSON_DEPTH_MAX, JSON_DEPTH_SENT_MAX, RUN_BYTES_MAX, RUN_DEPTH_MAX};
use nexus_wire::name::FlowName;
use nexus_wire::run::{
    RunCancel, RunInfo, RunParent, RunStart, RunStarted, RunState, RunStep, RunTask, StepState, TaskWork,
};
use nexus_wire::{
    ApprovalId, DispatchId, ErrorBody, ErrorCode, Ms, Party, RequestId, RunId, ThreadId, derive,
};
use serde_json::{Value, json};

use super::inbox::{json_bytes, sha256_of};
use super::records::{RunRecord, StepTask, Store, StoreError, Stored};
use super::step::{Done, Step, refuse};
use group::Lines;
use hear::Listening;
pub(super) use hear::Noted;
use retry::Kept;
pub(super) use work::failure;

/// Levels of what a step comes to. It is shown within the task, their list, a payload and a frame.
const STEP_OUTPUT_LEVELS: usize = JSON_DEPTH_SENT_MAX - 4;
// What an expression makes could have come from a client, within a payload and a frame.
const _: () = assert!(OUTPUT_DEPTH_MAX + 2 <= JSON_DEPTH_MAX && OUTPUT_DEPTH_MAX <= STEP_OUTPUT_LEVELS);

/// One task of one run: its step's place in the flow, and which time it is done.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(super) struct Place {
    pub(super) run: RunId,
    pub(super) step: usize,
    pub(super) index: u32,
}

/// A run that has not ended.
#[derive(Clone, Debug, PartialEq)]
struct OpenRun {
    record: RunRecord,
    plan: Arc<Plan>,
    /// By step and index.
    tasks: BTreeMap<(usize, u32), RunTask>,
    /// Of input and outputs, as JSON.
    bytes: usize,
}

impl OpenRun {
    fn info(&self) -> &RunInfo {
        &self.record.info
    }

    fn tasks_of(&self, step: usize) -> impl Iterator<Item = (u32, &RunTask)> {
        self.tasks.range((step, 0)..=(step, u32::MAX)).map(|((_, index), task)| (*index, task))
    }
}

/// Those that have not ended.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Runs {
    open: BTreeMap<RunId, OpenRun>,
    /// Whom the end of a dispatch, an approval or an entry of the log concerns, who waits for whom, and when a task is
    /// due; functions of `open`.
    of_dispatch: BTreeMap<DispatchId, Place>,
    of_approval: BTreeMap<ApprovalId, Place>,
    listening: Listening,
    lines: Lines,
    due: BTreeSet<(Ms, Place)>,
    /// Those that something has happened to within the command at hand.
    touched: BTreeSet<RunId>,
}

impl Runs {
    pub(super) fn open_count(&self) -> usize {
        self.open.len()
    }

    pub(super) fn new(open: Vec<(RunRecord, Vec<StepTask>)>) -> Stored<Self> {
        let mut runs = Self::default();
        for (record, tasks) in open {
            let id = record.info.id;
            let plan = Plan::of(&record.flow).map_err(|problems| {
                let first = problems.first().map(ToString::to_string).unwrap_or_default();
                StoreError::Corrupt(format!("the flow of run {id} cannot run: {first}"))
            })?;
            runs.insert(record, Arc::new(plan));
            for (step, task) in tasks {
                let index = task.index;
                runs.set(Place { run: id, step: step as usize, index }, task);
            }
        }
        Ok(runs)
    }

    /// When a task is over, or is tried again.
    pub(super) fn due(&self) -> Option<Ms> {
        self.due.first().map(|(at, _)| *at)
    }

    /// Nothing has happened to any that it has not been taken further for.
    pub(super) fn is_at_rest(&self) -> bool {
        self.touched.is_empty()
    }

    fn insert(&mut self, record: RunRecord, plan: Arc<Plan>) {
        let bytes = json_bytes(&record.input);
        let id = record.info.id;
        self.lines.put(&record.info);
        self.open.insert(id, OpenRun { record, plan, tasks: BTreeMap::new(), bytes });
    }

    fn task(&self, place: Place) -> Option<&RunTask> {
        self.open.get(&place.run)?.tasks.get(&(place.step, place.index))
    }

    /// The task as it stands from here on.
    fn set(&mut self, place: Place, task: RunTask) {
        let Some(run) = self.open.get_mut(&place.run) else { return };
        run.bytes += size_of(&task);
        let old = run.tasks.insert((place.step, place.index), task.clone());
        if let Some(old) = old {
            run.bytes -= size_of(&old);
            self.unlist(place, &old);
        }
        if task.state.is_end() {
            return;
        }
        if let Some(at) = task.due_at {
            self.due.insert((at, place));
        }
        if task.state == StepState::Running {
            match task.work {
                Some(TaskWork::Approval(id)) => _ = self.of_approval.insert(id, place),
                Some(TaskWork::Dispatch(id)) => _ = self.of_dispatch.insert(id, place),
                Some(TaskWork::Event) => {
                    let run = self.open.get(&place.run);
                    if let Some(Act::Hear(event)) = run.map(|run| &run.plan.steps[place.step].act) {
                        self.listening.add(place, event);
                    }
                }
                Some(TaskWork::Run(_) | TaskWork::Clock) | None => {}
            }
        }
    }

    fn unlist(&mut self, place: Place, old: &RunTask) {
        if let Some(at) = old.due_at {
            self.due.remove(&(at, place));
        }
        match old.work {
            Some(TaskWork::Approval(id)) => _ = self.of_approval.remove(&id),
            Some(TaskWork::Dispatch(id)) => _ = self.of_dispatch.remove(&id),
            Some(TaskWork::Event) => self.listening.remove(place),
            Some(TaskWork::Run(_) | TaskWork::Clock) | None => {}
        }
    }

    fn remove(&mut self, id: RunId) -> Option<OpenRun> {
        let run = self.open.remove(&id)?;
        self.lines.remove(run.info());
        for ((step, index), task) in &run.tasks {
            self.unlist(Place { run: id, step: *step, index: *index }, task);
        }
        self.touched.remove(&id);
        Some(run)
    }

    /// The run that is no step of another one.
    fn top_of(&self, run: RunId) -> RunId {
        let mut top = run;
        while let Some(above) = self.open.get(&top).and_then(|run| run.info().parent.as_ref()) {
            top = above.run;
        }
        top
    }

    /// Those that runs which have not ended will go on with.
    pub(super) fn gone_on_with(&self) -> BTreeSet<RunId> {
        let steps = self.open.values().flat_map(|open| &open.info().steps);
        steps.flat_map(|step| step.goes_on.values()).copied().collect()
    }

    /// The flow that was started, of a run that may be a step.
    pub(super) fn started(&self, run: RunId) -> Option<FlowName> {
        self.open.get(&self.top_of(run)).map(|run| run.info().flow.clone())
    }

    fn touch(&mut self, id: RunId) {
        if self.open.contains_key(&id) {
            self.touched.insert(id);
        }
    }
}

/// What of a task counts against the most a run may hold.
fn size_of(task: &RunTask) -> usize {
    let said = task.error.as_ref().map_or(0, |error| error.code.len() + error.message.len());
    task.output.as_ref().map_or(0, json_bytes) + said
}

/// A run that is about to be accepted.
pub(super) struct Launch {
    pub(super) id: RunId,
    pub(super) flow: Flow,
    pub(super) version: u32,
    pub(super) input: Value,
    pub(super) by: Party,
    pub(super) thread: Option<ThreadId>,
    pub(super) parent: Option<RunParent>,
    pub(super) depth: u32,
    pub(super) request_sha256: Option<[u8; 32]>,
    pub(super) kept: Option<Kept>,
    /// What its `date` goes by, where nothing of what is kept says so.
    pub(super) as_of: Option<Ms>,
}

impl Launch {
    /// One that is no step of another, and tries nothing again.
    fn anew(id: RunId, (flow, version): (Flow, u32), input: Value, by: Party) -> Self {
        Self {
            id,
            flow,
            version,
            input,
            by,
            thread: None,
            parent: None,
            depth: 0,
            request_sha256: None,
            kept: None,
            as_of: None,
        }
    }
}

impl<S: Store> Step<'_, S> {
    pub(super) fn run_start(&mut self, sender: &Party, request: RequestId, start: RunStart) -> Done {
        let request_sha256 = sha256_of(&start);
        let id = derive::run_id(request, sender);
        if self.is_repeated_run(id, request, request_sha256)? {
            return Ok(());
        }
        if let Some(thread) = start.thread
            && self.reachable_thread(sender, thread)?.is_none()
        {
            return refuse(ErrorCode::NotFound, format!("there is no thread {thread}"));
        }
        let flow = self.flow_of(&start.flow)?;
        let (thread, request_sha256) = (start.thread, Some(request_sha256));
        let launch = Launch::anew(id, flow, start.input, sender.clone());
        self.launch(Launch { thread, request_sha256, ..launch })?;
        self.answer_started(id);
        Ok(())
    }

    /// A run that a trigger starts.
    pub(super) fn start_run(&mut self, id: RunId, flow: &FlowName, input: Value, by: Party) -> Done {
        let flow = self.flow_of(flow)?;
        self.launch(Launch::anew(id, flow, input, by))
    }

    /// The flow as it is kept.
    pub(super) fn flow_of(&self, name: &FlowName) -> Done<(Flow, u32)> {
        match self.store.flow(name)?.map(|found| (found.flow, found.version)) {
            Some((Some(flow), version)) => Ok((flow, version)),
            Some((None, _)) | None => refuse(
                ErrorCode::NotFound,
                format!("there is no flow {name}; `nexctl flow list` shows those there are"),
            ),
        }
    }

    fn is_repeated_run(&mut self, id: RunId, request: RequestId, request_sha256: [u8; 32]) -> Done<bool> {
        let Some(first) = self.store.run(id)? else { return Ok(false) };
        if first.request_sha256 != Some(request_sha256) {
            return refuse(
                ErrorCode::IdReused,
                format!("request {request} started something else before; a new one needs a new id"),
            );
        }
        self.answer(&started(&first.info));
        Ok(true)
    }

    fn answer_started(&mut self, id: RunId) {
        if let Some(info) = self.hub.runs.open.get(&id).map(|run| started(run.info())) {
            self.answer(&info);
        }
    }

    /// Takes a run in. It begins at the end of the command, and was caused by what is at work at the moment.
    fn launch(&mut self, launch: Launch) -> Done {
        let Launch { id, flow, version, input, by, thread, parent, depth, request_sha256, kept, as_of } =
            launch;
        if depth > RUN_DEPTH_MAX {
            let message = format!("runs within one another go {RUN_DEPTH_MAX} deep, and this is one more");
            return refuse(ErrorCode::Invalid, message);
        }
        let causes = self.causes.clone().unwrap_or_default();
        self.hub.runs.check_room(&by, parent.is_some(), &causes)?;
        let plan = Plan::of(&flow).map_err(|problems| {
            let first = problems.first().map(ToString::to_string).unwrap_or_default();
            ErrorBody::new(ErrorCode::Invalid, format!("flow {} cannot run: {first}", flow.id))
        })?;
        check_input(&flow, &input)?;
        let mut info = RunInfo {
            id,
            flow: flow.id.clone(),
            version,
            by: by.clone(),
            thread,
            parent,
            depth,
            causes,
            state: RunState::Waiting,
            accepted_at: self.at,
            as_of: kept.as_ref().map(|kept| kept.as_of).or(as_of),
            began_at: None,
            ended_at: None,
            groups: Vec::new(),
            error: None,
            retry_of: kept.as_ref().map(|kept| kept.of),
            retried_as: None,
            tasks: 0,
            steps: plan.steps.iter().map(|step| pending(&step.id)).collect(),
        };
        info.groups = group::groups(&plan, &info, &input)?;
        let kept = kept.map(|kept| (kept.steps, kept.tasks));
        let (steps, tasks) = kept.unwrap_or_default();
        for (place, step) in steps {
            info.steps[place] = step;
        }
        let record = RunRecord { info, flow, input, output: None, request_sha256 };
        self.hub.runs.insert(record.clone(), Arc::new(plan));
        if let Some(held) = self.hub.runs.circle(id) {
            self.hub.runs.remove(id);
            let message =
                format!("run {held} holds a concurrency group that this one needs, and waits for it in turn");
            return refuse(ErrorCode::Invalid, message);
        }
        self.store.add_run(&record)?;
        self.log_other(by, "run.started", id, &record.info)?;
        for (step, task) in tasks {
            let place = Place { run: id, step: step as usize, index: task.index };
            self.put_task(place, task)?;
        }
        self.enter(id)?;
        self.hub.runs.touch(id);
        Ok(())
    }

    fn put_task(&mut self, place: Place, task: RunTask) -> Stored<()> {
        let step = u32::try_from(place.step).unwrap_or(u32::MAX);
        self.store.put_run_task(place.run, step, &task)?;
        self.hub.runs.set(place, task);
        Ok(())
    }

    /// By who started it, or an operator.
    fn steerable(&self, sender: &Party, id: RunId, what: &str) -> Done<RunRecord> {
        let Some(record) = self.store.run(id)? else {
            return refuse(
                ErrorCode::NotFound,
                format!("there is no run {id}; `nexctl run list` shows them"),
            );
        };
        let by = &record.info.by;
        match sender {
            Party::Aspect(_) if by != sender => refuse(
                ErrorCode::Forbidden,
                format!("run {id} was started by {by}; they or an operator may {what} it"),
            ),
            Party::Aspect(_) | Party::Operator(_) | Party::System => Ok(record),
        }
    }

    pub(super) fn run_cancel(&mut self, sender: &Party, request: RequestId, cancel: RunCancel) -> Done {
        let Some(fresh) = self.first_time(sender, request, &cancel)? else { return Ok(()) };
        let RunCancel { run: id, reason } = cancel;
        let record = self.steerable(sender, id, "cancel")?;
        if record.info.state.is_end() {
            return Ok(self.answer_once(fresh, &record.info)?);
        }
        let reason = match reason {
            Some(reason) if !reason.is_empty() => format!("cancelled by {sender}: {reason}"),
            Some(_) | None => format!("cancelled by {sender}"),
        };
        self.log_other(sender.clone(), "run.cancelled", id, &reason)?;
        self.end_run(id, RunState::Cancelled, Some(failure("cancelled", reason)))?;
        let info = self.store.run(id)?.map_or(record.info, |ended| ended.info);
        Ok(self.answer_once(fresh, &info)?)
    }

    /// These dispatches ended within this command.
    pub(super) fn runs_told(&mut self, ended: &[(DispatchId, DispatchState)]) -> Stored<()> {
        for (id, state) in ended {
            let Some(place) = self.hub.runs.of_dispatch.get(id).copied() else { continue };
            let Some(record) = self.store.dispatch(*id)? else { continue };
            let result = match (state, record.info.output, record.info.error) {
                (DispatchState::Done, output, _) => Ok(output.unwrap_or_default()),
                (_, _, Some(error)) => Err(error),
                (state, _, None) => {
                    Err(failure(state.as_str(), format!("dispatch {id} is {}", state.as_str())))
                }
            };
            self.end_task(place, TaskWork::Dispatch(*id), result)?;
        }
        Ok(())
    }
}

fn started(info: &RunInfo) -> RunStarted {
    RunStarted { run: info.id, flow: info.flow.clone(), version: info.version, state: info.state }
}

fn pending(id: &nexus_wire::name::StepName) -> RunStep {
    RunStep {
        id: id.clone(),
        state: StepState::Pending,
        times: 1,
        began_at: None,
        ended_at: None,
        error: None,
        kept: false,
        resumed: false,
        goes_on: BTreeMap::new(),
    }
}

pub(super) fn check_input(flow: &Flow, input: &Value) -> Done {
    let bytes = json_bytes(input);
    if bytes > RUN_BYTES_MAX / 2 {
        let message = format!("the input is {bytes} bytes as JSON; {} is the most", RUN_BYTES_MAX / 2);
        return refuse(ErrorCode::TooLarge, message);
    }
    if !nests_within(input, OUTPUT_DEPTH_MAX) {
        let message =
            format!("the input has lists and objects more than {OUTPUT_DEPTH_MAX} deep within one another");
        return refuse(ErrorCode::TooDeep, message);
    }
    let Some(schema) = &flow.input else { return Ok(()) };
    let schema = Schema::compile(schema).map_err(|fault| {
        ErrorBody::new(ErrorCode::Invalid, format!("flow {}: `input` is no schema: {fault}", flow.id))
    })?;
    let faults = schema.faults(input);
    if faults.is_empty() {
        return Ok(());
    }
    let message = format!("the input is not what flow {} takes: {}", flow.id, listed(&faults));
    Err(ErrorBody::new(ErrorCode::Invalid, message).with(json!({"flow": flow.id, "faults": faults})).into())
}

/// Of a failure as much as a run keeps.
fn cut(mut error: HandFailure) -> HandFailure {
    error.code.truncate(error.code.floor_char_boundary(64));
    error.message.truncate(error.message.floor_char_boundary(nexus_wire::limits::RUN_ERROR_BYTES_MAX));
    error
}
