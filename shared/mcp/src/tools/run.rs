//! Flows, and their runs.

use nexus_wire::flow::{FlowList, FlowPage};
use nexus_wire::hands::HandFailure;
use nexus_wire::name::FlowName;
use nexus_wire::run::{
    RunCancel, RunDetail, RunGet, RunInfo, RunList, RunPage, RunRetry, RunStart, RunStarted, RunState,
    RunStep,
};
use nexus_wire::{ErrorBody, RunId};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

use super::args;
use crate::bus::Bus;
use crate::server::{Call, TeamServer};

/// A run without its flow and its tasks.
#[derive(Debug, JsonSchema, Serialize)]
pub(super) struct RunSeen {
    run: RunId,
    flow: FlowName,
    state: RunState,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<HandFailure>,
    #[serde(skip_serializing_if = "Option::is_none")]
    output: Option<Value>,
    steps: Vec<RunStep>,
}

impl<B: Bus> TeamServer<B> {
    pub(super) async fn list_flows(&self, args: args::ListFlows) -> Result<FlowPage, ErrorBody> {
        let args::ListFlows { after, limit } = args;
        self.look(FlowList { after, limit }).await
    }

    pub(super) async fn run_flow(&self, args: args::RunFlow, call: &Call) -> Result<RunStarted, ErrorBody> {
        let args::RunFlow { flow, input, idempotency_key } = args;
        let id = call.id(idempotency_key.as_deref())?;
        self.ask(id, RunStart { flow, input, thread: None }).await
    }

    pub(super) async fn run_status(&self, args: &args::RunStatus) -> Result<RunSeen, ErrorBody> {
        let RunDetail { info, output, .. } = self.look(RunGet { run: args.run }).await?;
        Ok(RunSeen {
            run: info.id,
            flow: info.flow,
            state: info.state,
            error: info.error,
            output,
            steps: info.steps,
        })
    }

    pub(super) async fn list_runs(&self, args: args::ListRuns) -> Result<RunPage, ErrorBody> {
        let args::ListRuns { flow, all, before, limit } = args;
        self.look(RunList { flow, all, before, limit }).await
    }

    pub(super) async fn cancel_run(&self, args: args::CancelRun, call: &Call) -> Result<RunInfo, ErrorBody> {
        let args::CancelRun { run, reason } = args;
        self.ask(call.id(None)?, RunCancel { run, reason }).await
    }

    pub(super) async fn retry_run(&self, args: args::RetryRun, call: &Call) -> Result<RunStarted, ErrorBody> {
        let args::RetryRun { run, step, idempotency_key } = args;
        self.ask(call.id(idempotency_key.as_deref())?, RunRetry { run, step }).await
    }
}
