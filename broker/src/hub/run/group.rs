//! Concurrency groups: of runs that share one, one is at work, and the others wait in the order they came.
//!
//! All groups of a run are taken at once, so two runs never hold what the other one needs. A run within a run could
//! still wait for what is held above it, or above one that waits for it; that is found when it is about to begin.

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use nexus_flow::{Plan, date};
use nexus_wire::limits::FLOW_GROUP_BYTES_MAX;
use nexus_wire::run::{RunInfo, RunState};
use nexus_wire::{ErrorCode, Ms, RunId};
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

/// The open runs by group and by parent, so that who waits for whom is found without a look at all of them, however
/// many wait.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Lines {
    of_group: BTreeMap<String, Line>,
    within: BTreeMap<RunId, BTreeSet<RunId>>,
}

/// The runs of one group.
#[derive(Clone, Debug, Default, PartialEq)]
struct Line {
    at_work: BTreeSet<RunId>,
    /// In the order they came.
    waiting: BTreeSet<(Ms, RunId)>,
}

impl Line {
    /// Those that wait and came before this run, the first one first.
    fn before(&self, run: &RunInfo) -> impl DoubleEndedIterator<Item = RunId> {
        self.waiting.range(..(run.accepted_at, run.id)).map(|(_, id)| *id)
    }
}

impl Lines {
    /// The run as it stands from here on.
    pub(super) fn put(&mut self, run: &RunInfo) {
        if let Some(parent) = &run.parent {
            self.within.entry(parent.run).or_default().insert(run.id);
        }
        for group in &run.groups {
            let line = self.of_group.entry(group.clone()).or_default();
            if run.state == RunState::Waiting {
                line.waiting.insert((run.accepted_at, run.id));
            } else {
                line.waiting.remove(&(run.accepted_at, run.id));
                line.at_work.insert(run.id);
            }
        }
    }

    pub(super) fn remove(&mut self, run: &RunInfo) {
        if let Some(parent) = &run.parent
            && let Some(within) = self.within.get_mut(&parent.run)
        {
            within.remove(&run.id);
            if within.is_empty() {
                self.within.remove(&parent.run);
            }
        }
        for group in &run.groups {
            let Some(line) = self.of_group.get_mut(group) else { continue };
            line.waiting.remove(&(run.accepted_at, run.id));
            line.at_work.remove(&run.id);
            if line.waiting.is_empty() && line.at_work.is_empty() {
                self.of_group.remove(group);
            }
        }
    }

    fn of<'a>(&'a self, run: &'a RunInfo) -> impl Iterator<Item = &'a Line> {
        run.groups.iter().filter_map(|group| self.of_group.get(group))
    }
}

impl Runs {
    /// The runs that this one waits for before it may begin.
    fn blockers(&self, run: &RunInfo) -> BTreeSet<RunId> {
        let of_line =
            |line: &Line| -> Vec<RunId> { line.before(run).chain(line.at_work.iter().copied()).collect() };
        self.lines.of(run).flat_map(of_line).filter(|other| *other != run.id).collect()
    }

    /// Whether there is any of them.
    fn is_held_back(&self, run: &RunInfo) -> bool {
        let holds = |line: &Line| {
            line.before(run).next().is_some() || line.at_work.iter().any(|other| *other != run.id)
        };
        self.lines.of(run).any(holds)
    }

    /// A run that holds back this one, which is new, and that cannot end before it.
    pub(super) fn circle(&self, id: RunId) -> Option<RunId> {
        // From where one of them was looked for in vain, the next is not to be found either.
        let mut seen = BTreeSet::new();
        self.blockers(self.open.get(&id)?.info()).into_iter().find(|blocker| {
            let mut open = vec![*blocker];
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

    /// Of the runs that have to end before this one can as many as lead to all of them: who waits in a line waits for
    /// the one before it, which waits for those before itself.
    fn awaited(&self, id: RunId) -> Vec<RunId> {
        let Some(run) = self.open.get(&id).map(|run| run.info()) else { return Vec::new() };
        if run.state == RunState::Waiting {
            let of_line = |line: &Line| -> Vec<RunId> {
                line.before(run).next_back().into_iter().chain(line.at_work.iter().copied()).collect()
            };
            return self.lines.of(run).flat_map(of_line).collect();
        }
        self.lines.within.get(&id).into_iter().flatten().copied().collect()
    }

    /// Those that may be able to begin because that one has ended: the first of each line that it stood in, as nobody
    /// overtakes.
    pub(super) fn let_in(&mut self, ended: &RunInfo) {
        let first = |line: &Line| line.waiting.first().map(|(_, id)| *id);
        self.touched.extend(self.lines.of(ended).filter_map(first));
    }
}

impl<S: Store> Step<'_, S> {
    /// Begins a run that waits, if nothing holds it back; whether it runs.
    pub(super) fn enter(&mut self, id: RunId) -> Stored<bool> {
        let runs = &mut self.hub.runs;
        let Some(run) = runs.open.get(&id) else { return Ok(false) };
        if runs.is_held_back(run.info()) {
            return Ok(false);
        }
        let Some(run) = runs.open.get_mut(&id) else { return Ok(false) };
        run.record.info.state = RunState::Running;
        run.record.info.began_at = Some(self.at);
        runs.lines.put(&run.record.info);
        self.store.put_run(&run.record)?;
        Ok(true)
    }
}
