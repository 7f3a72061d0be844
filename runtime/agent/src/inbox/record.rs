//! The lines of `inbox.jsonl`. The file is the runtime's own; nothing else is meant to read it.

use nexus_wire::Json;
use nexus_wire::inbox::Decision;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

pub(super) const FORMAT: &str = "nexus-inbox";
pub(super) const VERSION: u32 = 1;

/// The first line.
#[derive(Deserialize, Serialize)]
pub(super) struct Header {
    pub(super) format: String,
    pub(super) version: u32,
}

/// Every other line: one thing that happened.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Record {
    /// Delivery goes on after `offset`; `item` is what stands there, if it is known.
    Epoch {
        epoch: Uuid,
        offset: u64,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        item: Option<Uuid>,
    },
    /// Delivered, and not known before.
    Item {
        epoch: Uuid,
        offset: u64,
        id: Uuid,
        body: Json,
    },
    /// Delivered, and known already: only the cursor moves.
    Again {
        epoch: Uuid,
        offset: u64,
        id: Uuid,
    },
    /// The broker cannot send these any more.
    Gap {
        epoch: Uuid,
        from: u64,
        to: u64,
        reason: String,
    },
    Taken {
        id: Uuid,
    },
    Closed {
        id: Uuid,
        decision: Decision,
    },
    Generation {
        generation: u64,
    },
}
