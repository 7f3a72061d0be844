//! `cancel_dispatch`: work that this aspect gave to others is not wanted any more.

use nexus_wire::hands::{CancelReceipt, DispatchCancel};
use nexus_wire::{DispatchId, RequestId};
use schemars::JsonSchema;
use serde::Deserialize;

use super::ToolOutcome;
use crate::uplink::Line;

#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct CancelDispatch {
    /// The dispatch's id.
    dispatch: DispatchId,
    /// Why, for whoever works on it.
    #[serde(default)]
    reason: Option<String>,
}

impl CancelDispatch {
    pub(super) async fn run(self, line: &Line, id: RequestId) -> ToolOutcome {
        let cancel = DispatchCancel { dispatch: self.dispatch, reason: self.reason };
        ToolOutcome::of(line.ask_for::<CancelReceipt>(id, cancel.into()).await)
    }
}
