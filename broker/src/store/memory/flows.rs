//! Flows and runs, in memory.

use std::collections::BTreeMap;

use nexus_wire::RunId;
use nexus_wire::name::FlowName;
use nexus_wire::run::{RunInfo, RunTask};

use super::MemoryStore;
use super::undo::Undo;
use crate::hub::records::{FlowRecord, RunRecord, RunsWanted, StepTask};

#[derive(Clone, Debug, Default)]
pub(super) struct Flows {
    pub(super) flows: BTreeMap<FlowName, FlowRecord>,
    pub(super) runs: BTreeMap<RunId, RunRecord>,
    /// By run, step and index.
    pub(super) tasks: BTreeMap<(RunId, u32, u32), RunTask>,
}

impl Flows {
    pub(super) fn kept(&self) -> impl Iterator<Item = &FlowRecord> {
        self.flows.values().filter(|record| record.flow.is_some())
    }

    pub(super) fn tasks_of(&self, run: RunId) -> Vec<StepTask> {
        let tasks = self.tasks.range((run, 0, 0)..=(run, u32::MAX, u32::MAX));
        tasks.map(|((_, step, _), task)| (*step, task.clone())).collect()
    }

    pub(super) fn page(&self, wanted: &RunsWanted, before: Option<RunId>, limit: u32) -> Vec<RunInfo> {
        let runs = self.runs.values().rev().map(|record| &record.info);
        let found = runs.filter(|info| before.is_none_or(|before| info.id < before) && wanted.takes(info));
        found.take(limit as usize).cloned().collect()
    }

    pub(super) fn open(&self) -> Vec<(RunRecord, Vec<StepTask>)> {
        let open = self.runs.values().filter(|record| record.info.ended_at.is_none());
        open.map(|record| (record.clone(), self.tasks_of(record.info.id))).collect()
    }
}

impl MemoryStore {
    pub(super) fn set_run(&mut self, record: &RunRecord) {
        let old = self.flows.runs.insert(record.info.id, record.clone());
        self.undo.push(Undo::Run(record.info.id, old.map(Box::new)));
    }

    pub(super) fn set_task(&mut self, run: RunId, step: u32, task: &RunTask) {
        let key = (run, step, task.index);
        let old = self.flows.tasks.insert(key, task.clone());
        self.undo.push(Undo::RunTask(key, old.map(Box::new)));
    }

    pub(super) fn drop_run(&mut self, id: RunId) {
        let keys: Vec<_> =
            self.flows.tasks.range((id, 0, 0)..=(id, u32::MAX, u32::MAX)).map(|(key, _)| *key).collect();
        for key in keys {
            let old = self.flows.tasks.remove(&key);
            self.undo.push(Undo::RunTask(key, old.map(Box::new)));
        }
        let old = self.flows.runs.remove(&id);
        self.undo.push(Undo::Run(id, old.map(Box::new)));
    }
}
