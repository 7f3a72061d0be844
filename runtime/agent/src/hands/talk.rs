//! What an agent and the process of a Hand say to each other: a line of JSON each.

use nexus_wire::AspectName;
use nexus_wire::hands::Lease;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::tools::{Outfit, ToolOutcome};

/// To the process; the first line is `begin`.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(tag = "do", rename_all = "snake_case")]
pub(super) enum Order {
    Begin {
        me: AspectName,
        lease: Lease,
        outfit: Outfit,
    },
    Call {
        n: u64,
        ordinal: u64,
        name: String,
        input: Value,
        confined: bool,
    },
    /// Nobody waits for it any more.
    Drop {
        n: u64,
    },
    /// To be answered at once.
    Ping,
}

/// From the process.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(tag = "did", rename_all = "snake_case")]
pub(super) enum Report {
    Call { n: u64, outcome: ToolOutcome },
    Pong,
}
