//! What must hold of triggers, runs and tables once everybody is back: every slot has one record, every run has ended
//! and its steps were done once, and what a table says is what its history comes to.

use std::collections::{BTreeMap, BTreeSet};

use nexus_broker::hub::records::{Reads, RunsWanted, Which};
use nexus_wire::hands::{DispatchInfo, DispatchState};
use nexus_wire::limits::TRIGGER_SLOTS_KEPT;
use nexus_wire::run::{RunInfo, RunState, StepState, TaskWork};
use nexus_wire::trigger::{Cause, SlotState, SlotWork, TriggerSlot};
use nexus_wire::{DispatchId, Ms, Party, RunId, derive};

use super::agent::Agent;
use super::check::Truth;
use super::schedule;
use super::slots::{Kept, Seen};

/// Of a trigger all records are kept for as long as most worlds last.
const SLOTS_MAX: u32 = TRIGGER_SLOTS_KEPT as u32;

pub(super) fn at_rest(seed: u64, now: Ms, truth: &Truth, store: &impl Reads, agents: &[Agent]) -> Seen {
    let mut works = BTreeSet::new();
    let mut seen = Seen::default();
    for first in &truth.triggers {
        let name = &first.definition.name;
        let info = store.trigger(name).expect("the store reads").expect("it was put").info;
        let rows = store.trigger_slots(info.id, info.slots + 1, SLOTS_MAX).expect("the store reads");
        let slots: Vec<TriggerSlot> = rows.into_iter().rev().map(|row| row.slot).collect();
        let kept = info.slots.min(TRIGGER_SLOTS_KEPT);
        assert_eq!(slots.len() as u64, kept, "seed {seed}: {name} has all its records");
        for (no, slot) in (info.slots - kept + 1..).zip(&slots) {
            assert_eq!(slot.no, no, "seed {seed}: {name}");
            assert!(slot.state.is_end(), "seed {seed}: a slot of {name} never ended: {slot:?}");
            let was_tried = matches!(slot.state, SlotState::Done | SlotState::Failed);
            assert!(!was_tried || slot.attempts > 0, "seed {seed}: {name}: {slot:?}");
            let was_skipped = slot.state == SlotState::Skipped;
            assert!(
                !was_skipped || slot.attempts == 0 && slot.work.is_none(),
                "seed {seed}: {name}: {slot:?}"
            );
            if let Some(work) = slot.work {
                assert!(works.insert(key(work)), "seed {seed}: {name}: {work:?} is of two slots");
            }
        }
        let kept = Kept { seed, now, first, info: &info, slots: &slots };
        kept.scheduled(truth, &mut seen);
        kept.overlap(store);
    }
    hooks(seed, truth, store);
    runs(seed, truth, store, agents);
    table(seed, truth, store);
    seen
}

fn key(work: SlotWork) -> uuid::Uuid {
    match work {
        SlotWork::Message(id) => id.0,
        SlotWork::Dispatch(id) => id.0,
        SlotWork::Run(id) => id.0,
    }
}

/// What a service said and what was on disk before it was answered has one slot.
fn hooks(seed: u64, truth: &Truth, store: &impl Reads) {
    let name = "hooked".parse().expect("a name");
    let info = store.trigger(&name).expect("the store reads").expect("it was put").info;
    let rows = store.trigger_slots(info.id, info.slots + 1, SLOTS_MAX).expect("the store reads");
    let mut seen = BTreeSet::new();
    for row in rows {
        if let Cause::Webhook(delivery) = row.slot.cause {
            assert!(seen.insert(delivery.clone()), "seed {seed}: {delivery} has two slots");
        }
    }
    assert_eq!(seen, truth.hooks, "seed {seed}: each request of a service has a slot");
}

fn runs(seed: u64, truth: &Truth, store: &impl Reads, agents: &[Agent]) {
    let wanted = RunsWanted { all: true, ..RunsWanted::default() };
    let all = store.runs(&wanted, None, u32::MAX).expect("the store reads");
    let ids: BTreeSet<RunId> = all.iter().map(|info| info.id).collect();
    for (run, by) in &truth.runs {
        assert!(ids.contains(run), "seed {seed}: {run} of {by} was accepted and is gone");
    }
    let logged: BTreeSet<RunId> = truth.runs_ended.keys().copied().collect();
    assert_eq!(logged, ids, "seed {seed}: the log has the end of every run");
    let dispatches = store.dispatches(Which::All, None, u32::MAX).expect("the store reads");
    let mut of_run: BTreeMap<RunId, BTreeMap<DispatchId, DispatchInfo>> = BTreeMap::new();
    for info in dispatches {
        if let Some(run) = info.run {
            of_run.entry(run).or_default().insert(info.id, info);
        }
    }
    let told = |name: &nexus_wire::AspectName, run: RunId| {
        agents.iter().find(|agent| agent.name == *name).and_then(|agent| agent.ended.get(&run).copied())
    };
    for info in &all {
        assert!(info.state.is_end(), "seed {seed}: {} never ended: {info:?}", info.id);
        assert_eq!(truth.runs_ended.get(&info.id), Some(&info.state), "seed {seed}: {info:?}");
        assert!(info.steps.iter().all(|step| step.state.is_end()), "seed {seed}: {info:?}");
        steps(seed, info, store, of_run.remove(&info.id).unwrap_or_default());
        if let Party::Aspect(name) = &info.by {
            let expected = info.parent.is_none().then_some(info.state);
            assert_eq!(told(name, info.id), expected, "seed {seed}: {name} learns the end of {}", info.id);
        }
    }
    assert!(of_run.is_empty(), "seed {seed}: work of runs that are not there: {of_run:?}");
}

/// A task that is done is done once: each attempt has its own work, and after one that came to something there is none.
fn steps(seed: u64, info: &RunInfo, store: &impl Reads, mut made: BTreeMap<DispatchId, DispatchInfo>) {
    let tasks = store.run_tasks(info.id).expect("the store reads");
    for (place, task) in tasks {
        assert!(task.state.is_end(), "seed {seed}: {task:?} of {} never ended", info.id);
        assert!(task.attempt <= 3, "seed {seed}: {task:?} of {} is tried too often", info.id);
        if info.steps[place as usize].kept {
            continue;
        }
        let mut is_done = false;
        for attempt in 1..=task.attempt {
            let of_task = format!("{}/{}", task.step, task.index);
            let id = DispatchId(derive::run_work(info.id, "dispatch", &of_task, attempt));
            let Some(work) = made.remove(&id) else { continue };
            assert!(!is_done, "seed {seed}: {task:?} of {} was done before", info.id);
            is_done = work.state == DispatchState::Done;
            let is_last = attempt == task.attempt;
            assert!(work.state.is_end(), "seed {seed}: {id} of {} never ended", info.id);
            let is_its = matches!(task.work, Some(TaskWork::Dispatch(of)) if of == id);
            assert!(!is_last || is_its, "seed {seed}: {task:?} of {} does not know of {id}", info.id);
            assert!(
                !is_last || task.state != StepState::Done || is_done,
                "seed {seed}: {task:?} of {}",
                info.id
            );
        }
    }
    assert!(made.is_empty(), "seed {seed}: {} has made more than its steps: {made:?}", info.id);
}

/// Read from its beginning the history of a table comes to its rows, and has everything that was written once.
fn table(seed: u64, truth: &Truth, store: &impl Reads) {
    let name = schedule::table();
    let record = store.registry(&name).expect("the store reads").expect("it was put");
    let mut changes = store.registry_changes(&name, None, u64::MAX >> 1, u32::MAX).expect("the store reads");
    changes.reverse();
    assert_eq!(changes.len() as u64, record.changes, "seed {seed}: the history has no hole");
    let mut rows = BTreeMap::new();
    for (at, change) in changes.iter().enumerate() {
        assert_eq!(change.version, at as u64 + 1, "seed {seed}: {change:?}");
        let before = match &change.after {
            Some(after) => rows.insert(change.row.clone(), after.clone()),
            None => rows.remove(&change.row),
        };
        assert_eq!(before, change.before, "seed {seed}: {change:?} goes on where the row was");
        assert_ne!(change.before, change.after, "seed {seed}: {change:?} changes nothing");
    }
    let kept = store.registry_rows(&name, None, u32::MAX).expect("the store reads");
    let kept: BTreeMap<_, _> = kept.into_iter().map(|row| (row.row, row.values)).collect();
    assert_eq!(kept, rows, "seed {seed}: the table is what its history comes to");
    for (row, version) in &truth.written {
        let change = changes.iter().find(|change| change.version == *version);
        assert_eq!(
            change.map(|it| &it.row),
            Some(row),
            "seed {seed}: version {version} was promised to {row}"
        );
    }
}

/// Runs that have ended, as the log has them, in which none ends twice.
pub(super) fn note_run(seed: u64, ended: &mut BTreeMap<RunId, RunState>, store: &impl Reads, subject: &str) {
    let id: RunId = subject.parse().expect("the subject is a run's id");
    let state = store.run(id).expect("the store reads").expect("a run that ended is there").info.state;
    assert!(state.is_end(), "seed {seed}: {id} is {state:?} and has ended");
    assert_eq!(ended.insert(id, state), None, "seed {seed}: {id} ended twice");
}
