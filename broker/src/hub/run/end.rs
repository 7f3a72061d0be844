//! Who is told of the end of a run that is no step of another one: operators when it has failed, the aspect that
//! started it, and the triggers that wait for it.

use nexus_wire::alert::AlertKind;
use nexus_wire::limits::TRIGGER_INPUT_BYTES_MAX;
use nexus_wire::run::{RunEnd, RunState};
use nexus_wire::{Party, derive};

use crate::hub::inbox::{BodyRef, json_bytes};
use crate::hub::records::{RunRecord, Store, Stored};
use crate::hub::step::Step;

impl<S: Store> Step<'_, S> {
    pub(super) fn run_is_over(&mut self, ended: &RunRecord) -> Stored<()> {
        self.alert_of_run(ended)?;
        if let Party::Aspect(name) = &ended.info.by {
            let body = BodyRef::Run(&end_of(ended)).text();
            let context = self.context();
            self.push(name, derive::run_item(ended.info.id), None, context.as_ref(), &body)?;
        }
        self.triggers_told_of_run(ended)
    }

    /// One for each flow, however often runs of it fail; the way out stands in front of what may be cut.
    fn alert_of_run(&mut self, ended: &RunRecord) -> Stored<()> {
        let info = &ended.info;
        let (id, flow) = (info.id, &info.flow);
        match info.state {
            RunState::Done => self.clear_alert(AlertKind::RunFailed, flow.as_str())?,
            RunState::Failed => {
                let why = info.error.as_ref().map_or("", |error| error.message.as_str());
                let message = format!(
                    "a run of flow {flow} has failed; nexctl run show {id} tells where, nexctl run retry {id} tries it \
                     again: {why}"
                );
                return self.raise_alert(AlertKind::RunFailed, flow.as_str(), &message);
            }
            // Somebody wanted it so, and knows.
            RunState::Cancelled | RunState::Waiting | RunState::Running => return Ok(()),
        }
        if ended.flow.output.is_none() || ended.output.is_some() {
            return self.clear_alert(AlertKind::RunWithoutOutput, flow.as_str());
        }
        let message = format!(
            "a run of flow {flow} is done, and its output is null; nexctl run show {id} tells what its steps came to"
        );
        self.raise_alert(AlertKind::RunWithoutOutput, flow.as_str(), &message)
    }
}

/// As its starter is told of it.
fn end_of(ended: &RunRecord) -> RunEnd {
    let info = &ended.info;
    let output = ended.output.clone();
    let output_left_out = output.as_ref().is_some_and(|it| json_bytes(it) > TRIGGER_INPUT_BYTES_MAX);
    RunEnd {
        run: info.id,
        flow: info.flow.clone(),
        thread: info.thread,
        state: info.state,
        output: output.filter(|_| !output_left_out),
        output_left_out,
        error: info.error.clone(),
    }
}
