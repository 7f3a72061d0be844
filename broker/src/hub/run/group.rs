//! Concurrency groups: of runs that share one, one is at work, and the others wait in the order they came.
//!
//! All groups of a run are taken at once, so two runs never hold what the other one needs. A run within a run could
//! still wait for what is held above it, or above one that waits for it; that is found when it is about to begin.

use std::collections::BTreeSet;

use nexus_flow::{Plan, date};
use nexus_wire::limits::FLOW_GROUP_BYTES_MAX;
use nexus_wire::run::{RunInfo, RunState};
use nexus_wire::{ErrorCode, RunId};
use serde_json::{Value, json};

use super::Runs;
use crate::hub::records::{Store, Stored};
use crate::hub::step::{Done, Step, refuse};

/// Its groups by name, sorted.
pub(super) fn groups(plan: &Plan, info: &RunInfo, input: &Value) -> Done<Vec<String>> {
    if plan.groups.is_empty() {
        return Ok(Vec::new());
    }
    let scope = json!({"date": date(info.as_of.unwrap_or(info.accepted_at), &plan.timezone), "input": input, "run": about(info)});
    let mut groups = BTreeSet::new();
    for template in &plan.groups {
        match template.text(&scope) {
            Ok(group) if group.len() <= FLOW_GROUP_BYTES_MAX => _ = groups.insert(group),
            Ok(group) => {
                let bytes = group.len();
                let message =
                    format!("a concurrency group of {bytes} bytes; {FLOW_GROUP_BYTES_MAX} is the most");
                return refuse(ErrorCode::Invalid, message);
            }
            Err(error) => {
                let message = format!("flow {}: the concurrency group has no value: {error}", info.flow);
                return refuse(ErrorCode::Invalid, message);
            }
        }
    }
    Ok(groups.into_iter().collect())
}

/// What `run` names in an expression.
pub(super) fn about(info: &RunInfo) -> Value {
    json!({"by": info.by, "flow": info.flow, "id": info.id})
}

impl Runs {
    /// The runs that this one waits for before it may begin.
    fn blockers(&self, id: RunId) -> Vec<RunId> {
        let Some(run) = self.open.get(&id).map(|run| run.info()) else { return Vec::new() };
        if run.groups.is_empty() {
            return Vec::new();
        }
        let others = self.open.values().map(|other| other.info());
        let blocks = |other: &&RunInfo| {
            let is_first =
                other.state != RunState::Waiting || (other.accepted_at, other.id) < (run.accepted_at, run.id);
            other.id != id && is_first && shares(other, run)
        };
        others.filter(blocks).map(|other| other.id).collect()
    }

    /// A run that holds back this one, which is new, and that cannot end before it.
    pub(super) fn circle(&self, id: RunId) -> Option<RunId> {
        self.blockers(id).into_iter().find(|blocker| {
            let (mut seen, mut open) = (BTreeSet::new(), vec![*blocker]);
            while let Some(next) = open.pop() {
                if next == id {
                    return true;
                }
                if seen.insert(next) {
                    open.extend(self.awaited(next));
                }
            }
            false
        })
    }

    /// The runs that have to end before this one can.
    fn awaited(&self, id: RunId) -> Vec<RunId> {
        if self.open.get(&id).is_some_and(|run| run.info().state == RunState::Waiting) {
            return self.blockers(id);
        }
        let is_child = |info: &&RunInfo| info.parent.as_ref().is_some_and(|parent| parent.run == id);
        self.open.values().map(|run| run.info()).filter(is_child).map(|info| info.id).collect()
    }

    /// Those that may be able to begin because that one has ended.
    pub(super) fn let_in(&mut self, ended: &RunInfo) {
        if ended.groups.is_empty() {
            return;
        }
        let waiting = self.open.values().map(|run| run.info());
        let freed: Vec<RunId> = waiting
            .filter(|info| info.state == RunState::Waiting && shares(info, ended))
            .map(|info| info.id)
            .collect();
        self.touched.extend(freed);
    }
}

fn shares(one: &RunInfo, other: &RunInfo) -> bool {
    one.groups.iter().any(|group| other.groups.contains(group))
}

impl<S: Store> Step<'_, S> {
    /// Begins a run that waits, if nothing holds it back; whether it runs.
    pub(super) fn enter(&mut self, id: RunId) -> Stored<bool> {
        if !self.hub.runs.blockers(id).is_empty() {
            return Ok(false);
        }
        let Some(run) = self.hub.runs.open.get_mut(&id) else { return Ok(false) };
        run.record.info.state = RunState::Running;
        run.record.info.began_at = Some(self.at);
        self.store.put_run(&run.record)?;
        Ok(true)
    }
}
