//! Tables that the team shares, and flows that are run.

use nexus_wire::flow::{FlowList, FlowPage};
use nexus_wire::hands::HandFailure;
use nexus_wire::limits::PAGE_MAX;
use nexus_wire::name::FlowName;
use nexus_wire::registry::{
    Registry, RegistryGet, RegistryHead, RegistryInfo, RegistryList, RegistryPage, RegistryRead, RegistryRow,
    RegistryRows, RegistryWrite, RegistryWritten,
};
use nexus_wire::run::{RunDetail, RunGet, RunStart, RunStarted, RunState, RunStep};
use nexus_wire::{ErrorBody, RunId};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

use super::args;
use crate::bus::Bus;
use crate::server::{Call, TeamServer};

/// The tables there are, or one of them with rows.
#[derive(Debug, Default, JsonSchema, Serialize)]
pub(super) struct TableRead {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    registries: Vec<RegistryHead>,
    /// What a row is like.
    #[serde(skip_serializing_if = "Option::is_none")]
    registry: Option<Registry>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    rows: Vec<RegistryRow>,
    more: bool,
}

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
    pub(super) async fn read_registry(&self, args: args::ReadRegistry) -> Result<TableRead, ErrorBody> {
        let args::ReadRegistry { registry, filter, after, limit } = args;
        let Some(registry) = registry else {
            let list = RegistryList { after: None, limit: Some(PAGE_MAX) };
            let RegistryPage { registries, more } = self.look(list).await?;
            return Ok(TableRead { registries, more, ..TableRead::default() });
        };
        let info: RegistryInfo = self.look(RegistryGet { registry: registry.clone() }).await?;
        let read = RegistryRead { registry, filter, after, limit };
        let RegistryRows { rows, more } = self.look(read).await?;
        Ok(TableRead { registry: Some(info.registry), rows, more, ..TableRead::default() })
    }

    pub(super) async fn write_registry(
        &self,
        args: args::WriteRegistry,
        call: &Call,
    ) -> Result<RegistryWritten, ErrorBody> {
        let args::WriteRegistry { registry, row, values, if_version, idempotency_key } = args;
        let id = call.id(idempotency_key.as_deref())?;
        self.ask(id, RegistryWrite { registry, row, values, if_version }).await
    }

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
}
