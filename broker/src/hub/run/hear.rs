//! Steps that wait for an entry of the log. What one has waited for is noted in the commit that has the entry, and the
//! step ends at the next tick: nothing is missed in between, and nothing goes round within one command.
//!
//! What has led to an entry does not matter here, other than for triggers: a run begins once, and each of its steps
//! hears one entry an attempt, so whatever leads to whatever, it ends.

use std::collections::BTreeMap;

use nexus_expr::nests_within;
use nexus_wire::flow::StepEvent;
use nexus_wire::limits::RUN_BYTES_MAX;
use nexus_wire::log::{LogBody, LogEntry};
use nexus_wire::run::{StepState, TaskWork};
use nexus_wire::{Party, ThreadId};
use serde_json::{Value, json};

use super::{Place, STEP_OUTPUT_LEVELS};
use crate::hub::filter::{LogFilter, kind_of};
use crate::hub::inbox::json_bytes;
use crate::hub::records::{Store, Stored};
use crate::hub::step::Step;

/// What tasks wait for, by the kinds of entries, so that an entry that nobody waits for costs one look.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Listening {
    by_kind: BTreeMap<String, BTreeMap<Place, LogFilter>>,
    kinds_of: BTreeMap<Place, Vec<String>>,
}

impl Listening {
    pub(super) fn add(&mut self, place: Place, event: &StepEvent) {
        let filter = LogFilter::waiting(&event.kinds, event.by.as_ref(), event.thread);
        for kind in &filter.kinds {
            self.by_kind.entry(kind.clone()).or_default().insert(place, filter.clone());
        }
        self.kinds_of.insert(place, filter.kinds);
    }

    pub(super) fn remove(&mut self, place: Place) {
        for kind in self.kinds_of.remove(&place).unwrap_or_default() {
            let Some(places) = self.by_kind.get_mut(&kind) else { continue };
            places.remove(&place);
            if places.is_empty() {
                self.by_kind.remove(&kind);
            }
        }
    }

    fn of(&self, entry: &LogEntry) -> Vec<Place> {
        let waiting = self.by_kind.get(kind_of(&entry.body)).into_iter().flatten();
        waiting.filter(|(_, filter)| filter.matches(entry)).map(|(place, _)| *place).collect()
    }
}

/// An entry of the log that a task has waited for.
#[derive(Debug)]
pub(in crate::hub) struct Noted {
    place: Place,
    payload: Value,
}

impl<S: Store> Step<'_, S> {
    /// Which tasks have waited for this entry; they are told when the command that wrote it is through.
    pub(in crate::hub) fn runs_hear(
        &mut self,
        entry: &LogEntry,
        payload: impl Fn(&LogEntry) -> Value,
    ) -> Stored<()> {
        for place in self.hub.runs.listening.of(entry) {
            let Some(by) = self.hub.runs.open.get(&place.run).map(|run| run.info().by.clone()) else {
                continue;
            };
            if self.may_hear(&by, entry)? {
                self.noted.push(Noted { place, payload: payload(entry) });
            }
        }
        Ok(())
    }

    /// An aspect does not follow the log. A run of its own hears what it did itself, and what is said in threads that it
    /// takes part in.
    fn may_hear(&self, by: &Party, entry: &LogEntry) -> Stored<bool> {
        if by.aspect().is_none() || entry.actor == *by {
            return Ok(true);
        }
        let of_thread = |thread: ThreadId| -> Stored<bool> {
            Ok(self.store.thread(thread)?.is_some_and(|it| it.participants.contains(by)))
        };
        match &entry.body {
            LogBody::Message(_) | LogBody::Reacted(_) => entry.thread.map_or(Ok(false), of_thread),
            LogBody::ItemClosed(_)
            | LogBody::ItemTaken(_)
            | LogBody::DispatchAccepted(_)
            | LogBody::DispatchAssigned { .. }
            | LogBody::DispatchEnded(_)
            | LogBody::Alert(_)
            | LogBody::Other { .. } => Ok(false),
        }
    }

    /// The first entry that a task has waited for is what it comes to.
    pub(in crate::hub) fn note_heard(&mut self) -> Stored<()> {
        for Noted { place, mut payload } in std::mem::take(&mut self.noted) {
            let Some(run) = self.hub.runs.open.get(&place.run) else { continue };
            let waits = |task: &&nexus_wire::run::RunTask| {
                task.state == StepState::Running && task.work == Some(TaskWork::Event)
            };
            let Some(mut task) = self.hub.runs.task(place).filter(waits).cloned() else { continue };
            let has_room = run.bytes + json_bytes(&payload) <= RUN_BYTES_MAX;
            if !has_room || !nests_within(&payload, STEP_OUTPUT_LEVELS) {
                payload = json!({"kind": payload["kind"], "seq": payload["seq"], "body_left_out": true});
            }
            (task.work, task.output, task.due_at) = (Some(TaskWork::Clock), Some(payload), Some(self.at));
            self.put_task(place, task)?;
        }
        Ok(())
    }
}
