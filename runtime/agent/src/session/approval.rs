//! What a session says of a call that people have to allow: `custom.approval`, once when they are asked and once when
//! it is known what came of it.

use nexus_wire::approval::ApprovalState;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::Payload;

const NAME: &str = "approval";
const KIND: &str = "custom.approval";

#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct ApprovalMark {
    pub tool_use_id: String,
    /// `open`: people are asked.
    pub state: ApprovalState,
    /// Its id on the bus, once it has ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub approval: Option<Uuid>,
    /// Who answered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
    /// What they said with it; or why they could not be asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// What the tool brought when the sandbox stopped it; what is asked is whether it may run again without.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub blocked: Option<String>,
}

impl ApprovalMark {
    /// What such an entry says; `None` for any other, and for one that cannot be read.
    pub fn of(payload: &Payload) -> Option<Self> {
        match payload {
            Payload::Other { kind, payload } if kind == KIND => Self::deserialize(payload).ok(),
            Payload::Other { .. }
            | Payload::User(_)
            | Payload::Assistant(_)
            | Payload::ToolResult(_)
            | Payload::SystemPrompt(_)
            | Payload::Compaction(_)
            | Payload::BranchSummary(_)
            | Payload::Situation(_)
            | Payload::Decision(_)
            | Payload::Head(_)
            | Payload::ToolStarted(_) => None,
        }
    }
}

impl From<ApprovalMark> for Payload {
    fn from(mark: ApprovalMark) -> Self {
        // A record of texts serializes without fail.
        Self::custom(NAME, serde_json::to_value(mark).unwrap_or_default())
    }
}
