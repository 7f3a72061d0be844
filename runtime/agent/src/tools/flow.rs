//! Flows that a model starts, and how their runs get on.

use nexus_wire::RequestId;
use nexus_wire::run::{RunDetail, RunGet, RunStart, RunStarted};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Caller, ToolOutcome};
use crate::uplink::Line;

#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RunFlow {
    /// The flow's id.
    flow: String,
    /// What it is started with, as the flow's schema asks for it.
    #[serde(default)]
    input: Value,
}

impl RunFlow {
    pub(super) async fn run(self, line: &Line, caller: &Caller, id: RequestId) -> ToolOutcome {
        let flow = match self.flow.trim().parse() {
            Ok(flow) => flow,
            Err(error) => return ToolOutcome::error(format!("argument `flow`: {error}")),
        };
        // A Hand has no conversation that could go on when its work is long done.
        let thread = caller.thread.filter(|_| caller.lease.is_none());
        let note = match thread {
            Some(_) => "you will be told in this conversation when it has ended",
            None => "show_run tells how it gets on",
        };
        match line.ask_for::<RunStarted>(id, RunStart { flow, input: self.input, thread }.into()).await {
            Ok(RunStarted { run, flow, version, state }) => ToolOutcome::json(
                &json!({"run": run, "flow": flow, "version": version, "state": state, "note": note}),
            ),
            Err(error) => ToolOutcome::error(error.to_string()),
        }
    }
}

#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ShowRun {
    /// As run_flow returned it.
    run: String,
}

impl ShowRun {
    pub(super) async fn run(self, line: &Line, id: RequestId) -> ToolOutcome {
        let Ok(run) = self.run.trim().parse() else {
            return ToolOutcome::error(format!("argument `run`: {:?} is no run's id", self.run));
        };
        match line.ask_for::<RunDetail>(id, RunGet { run }.into()).await {
            Ok(detail) => ToolOutcome::json(&shown(&detail)),
            Err(error) => ToolOutcome::error(error.to_string()),
        }
    }
}

/// What a reader needs of a run; the flow and the tasks only take up room.
fn shown(detail: &RunDetail) -> Value {
    let info = &detail.info;
    let steps: Vec<Value> = info
        .steps
        .iter()
        .map(|step| json!({"id": step.id, "state": step.state, "error": step.error}))
        .collect();
    json!({
        "run": info.id,
        "flow": info.flow,
        "state": info.state,
        "error": info.error,
        "output": detail.output,
        "steps": steps,
    })
}
