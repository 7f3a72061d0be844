//! The tables that the team shares, read and written by a model.

use nexus_wire::RequestId;
use nexus_wire::limits::PAGE_MAX;
use nexus_wire::name::RegistryName;
use nexus_wire::registry::{
    RegistryGet, RegistryInfo, RegistryList, RegistryPage, RegistryRead, RegistryRows, RegistryValues,
    RegistryWrite, RegistryWritten,
};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::ToolOutcome;
use super::args::whole;
use crate::uplink::Line;

/// Rows of one answer, unless asked for otherwise.
const ROWS: u32 = 50;

#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ReadRegistry {
    /// The table's name; absent: which tables there are.
    #[serde(default)]
    registry: Option<String>,
    /// Only rows for which this is true: an expression over the fields, such as `state == "open" and hours > 10`.
    #[serde(default)]
    filter: Option<String>,
    /// Only rows behind this one: the `row` of the last of the answer before.
    #[serde(default)]
    after: Option<String>,
    /// How many (50; at most 200).
    #[serde(default, deserialize_with = "whole")]
    #[schemars(with = "Option<u64>")]
    limit: Option<u64>,
}

impl ReadRegistry {
    pub(super) async fn run(self, line: &Line, id: RequestId) -> ToolOutcome {
        let limit = self.limit.map_or(ROWS, |limit| u32::try_from(limit).unwrap_or(PAGE_MAX));
        let Some(name) = self.registry.as_deref().map(str::trim).filter(|name| !name.is_empty()) else {
            let list = RegistryList { after: None, limit: Some(PAGE_MAX) };
            return ToolOutcome::of(line.ask_for::<RegistryPage>(id, list.into()).await);
        };
        let registry = match named(name) {
            Ok(registry) => registry,
            Err(error) => return ToolOutcome::error(error),
        };
        let get = RegistryGet { registry: registry.clone() };
        let info = match line.ask_for::<RegistryInfo>(id, get.into()).await {
            Ok(info) => info,
            Err(error) => return ToolOutcome::error(error.to_string()),
        };
        let read = RegistryRead { registry, filter: self.filter, after: self.after, limit: Some(limit) };
        match line.ask_for::<RegistryRows>(id, read.into()).await {
            Ok(page) => {
                ToolOutcome::json(&json!({"registry": info.registry, "rows": page.rows, "more": page.more}))
            }
            Err(error) => ToolOutcome::error(error.to_string()),
        }
    }
}

#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct WriteRegistry {
    /// The table's name.
    registry: String,
    /// Which row; absent where `values` has the table's key, and for a new row of a table without one.
    #[serde(default)]
    row: Option<String>,
    /// The fields to write, by their names.
    values: Map<String, Value>,
    /// Write only if this is the row's version, as it was read; 0: only if there is no such row.
    #[serde(default, deserialize_with = "whole")]
    #[schemars(with = "Option<u64>")]
    if_version: Option<u64>,
}

impl WriteRegistry {
    pub(super) async fn run(self, line: &Line, id: RequestId) -> ToolOutcome {
        let registry = match named(self.registry.trim()) {
            Ok(registry) => registry,
            Err(error) => return ToolOutcome::error(error),
        };
        let values: RegistryValues = self.values.into_iter().collect();
        let write = RegistryWrite { registry, row: self.row, values, if_version: self.if_version };
        ToolOutcome::of(line.ask_for::<RegistryWritten>(id, write.into()).await)
    }
}

fn named(name: &str) -> Result<RegistryName, String> {
    name.parse().map_err(|error| format!("argument `registry`: {error}"))
}
