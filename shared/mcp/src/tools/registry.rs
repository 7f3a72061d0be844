//! Tables that the team shares.

use nexus_wire::ErrorBody;
use nexus_wire::limits::PAGE_MAX;
use nexus_wire::registry::{
    Registry, RegistryGet, RegistryHead, RegistryInfo, RegistryList, RegistryPage, RegistryRead, RegistryRow,
    RegistryRows, RegistryWrite, RegistryWritten,
};
use schemars::JsonSchema;
use serde::Serialize;

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
}
