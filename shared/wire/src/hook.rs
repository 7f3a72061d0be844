//! Webhooks: a service outside fires a trigger by a signed request to `/hooks/<name>`.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::Ms;
use crate::name::TriggerName;
use crate::trigger::SlotState;

/// A signed request comes to `POST /hooks/<name of the trigger>`. What it is signed with is for `trigger.rotate`.
#[derive(Clone, Copy, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Webhook {
    #[serde(default)]
    pub preset: HookPreset,
}

/// Whose way of signing it is.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum HookPreset {
    /// Standard Webhooks: `webhook-id`, `webhook-timestamp` and `webhook-signature`.
    #[default]
    Generic,
    /// `X-Hub-Signature-256` and `X-GitHub-Delivery`.
    Github,
    /// `X-Slack-Signature` and `X-Slack-Request-Timestamp`.
    Slack,
    /// `Stripe-Signature`.
    Stripe,
}

impl HookPreset {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Generic => "generic",
            Self::Github => "github",
            Self::Slack => "slack",
            Self::Stripe => "stripe",
        }
    }

    /// Whether the service makes the secret itself and shows it to its user.
    pub fn brings_its_secret(self) -> bool {
        match self {
            Self::Generic | Self::Github => false,
            Self::Slack | Self::Stripe => true,
        }
    }
}

/// How the door of a webhook trigger stands.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
pub struct HookInfo {
    /// Where its requests go.
    pub path: String,
    /// Since when its secret is the one it is; absent: there is none yet, and every request is refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret_since: Option<Ms>,
    /// Until when the secret before that is good as well.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub previous_until: Option<Ms>,
}

/// `trigger.rotate`: another secret for a webhook trigger. The one before stays good for a while.
#[derive(Clone, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct TriggerRotate {
    pub trigger: TriggerName,
    /// What the service signs with; absent: the broker makes one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret: Option<String>,
    /// For how long the one before is good as well; absent: a day. 0: it is not from now on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub overlap_s: Option<u32>,
}

impl fmt::Debug for TriggerRotate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TriggerRotate").field("trigger", &self.trigger).finish_non_exhaustive()
    }
}

/// The answer to `trigger.rotate`.
#[derive(Clone, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
pub struct TriggerRotated {
    pub trigger: TriggerName,
    /// Where its requests go.
    pub path: String,
    /// The same with the address under which this Nexus is known outside, where that is configured.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// The secret that the broker made: shown here and never again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub previous_until: Option<Ms>,
}

impl fmt::Debug for TriggerRotated {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TriggerRotated").field("trigger", &self.trigger).finish_non_exhaustive()
    }
}

/// What a service outside is told of its request.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
pub struct HookTaken {
    pub trigger: TriggerName,
    /// The number of its record.
    pub slot: u64,
    /// Absent: the record is kept no longer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<SlotState>,
    /// Why it is skipped.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// It came before; nothing is done again.
    pub duplicate: bool,
}

/// What a webhook gives its trigger to work with.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
pub struct HookPayload {
    /// What has happened, in the service's word for it.
    pub event: Option<String>,
    /// The service's own name of the request.
    pub delivery: String,
    /// JSON as it came, the fields of a form, or text.
    pub body: Value,
}
