//! `aspect.json` as a person writes it. Its JSON Schema is made from these types, doc comments included.

use std::collections::BTreeMap;

use nexus_wire::AspectName;
use nexus_wire::limits;
use nexus_wire::name::HandName;
use nexus_wire::roster::{AspectRole, ContextMode};
use schemars::{JsonSchema, Schema, schema_for};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::roots::RawRoot;
use crate::provider::ProviderConfig;
use crate::sandbox::SandboxConfig;
use crate::tools::{ApprovalPolicy, FetchConfig};

/// The settings of one aspect: `aspect.json` in its home.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
#[schemars(title = "aspect.json", extend("required" = ["name"]))]
#[serde(deny_unknown_fields, default)]
pub struct RawSettings {
    /// The schema this file follows, for editors; not read.
    #[serde(rename = "$schema", skip_serializing_if = "Option::is_none")]
    pub schema: Option<String>,
    /// Who this is. Needed, and the same as in the keyfile.
    #[schemars(with = "AspectName")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<AspectName>,
    /// `frame` is the lead, who gets an operator's messages addressed to nobody; everyone else is a `worker`.
    pub role: AspectRole,
    /// One session for everything (`global`), one for each thread, or none.
    pub context_mode: ContextMode,
    /// What this aspect is for, in a sentence.
    pub description: String,
    pub provider: ProviderConfig,
    /// Providers that stand in when `provider` fails, in this order.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub failover: Vec<ProviderConfig>,
    /// The folders of the file tools, by the name they have in paths. Relative to the home.
    pub roots: BTreeMap<String, RawRoot>,
    /// The tools the aspect may use in its own turns.
    pub tools: Vec<String>,
    pub approval: RawApproval,
    /// What it is good at, for whoever looks for somebody.
    pub capabilities: Vec<String>,
    /// Hands this process works on at the same time.
    pub slots: u32,
    pub budgets: Budgets,
    pub recall: Recall,
    pub fetch: FetchConfig,
    pub sandbox: SandboxConfig,
    pub hands: Vec<RawHand>,
}

impl Default for RawSettings {
    fn default() -> Self {
        Self {
            schema: None,
            name: None,
            role: AspectRole::default(),
            context_mode: ContextMode::default(),
            description: String::new(),
            provider: ProviderConfig::default(),
            failover: Vec::new(),
            roots: BTreeMap::from([("work".to_owned(), RawRoot::of("work"))]),
            tools: Vec::new(),
            approval: RawApproval::default(),
            capabilities: Vec::new(),
            slots: 4,
            budgets: Budgets::default(),
            recall: Recall::default(),
            fetch: FetchConfig::default(),
            sandbox: SandboxConfig::default(),
            hands: Vec::new(),
        }
    }
}

/// When people are asked before a tool runs.
#[derive(Clone, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct RawApproval {
    pub policy: ApprovalPolicy,
    /// Tools that people are asked about before each call, whatever the policy.
    pub always: Vec<String>,
    /// Tools that people are never asked about.
    pub never: Vec<String>,
    /// Seconds after which a call that nobody has answered for is denied; 86400 unless said, 604800 at most.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub wait_s: Option<u32>,
}

/// Where a turn is stopped at the latest.
#[derive(Clone, Copy, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Budgets {
    /// Provider rounds of one turn.
    pub turn_rounds_max: u32,
    /// Wall time of one turn.
    pub turn_seconds: u32,
    /// What of one tool result is kept; the rest is cut off, and said so.
    pub tool_output_bytes: u32,
}

impl Default for Budgets {
    fn default() -> Self {
        Self { turn_rounds_max: 24, turn_seconds: 600, tool_output_bytes: 64 * 1024 }
    }
}

/// What the team knows is searched for the words of a thread's first message, and put before it.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Recall {
    /// At most this many entries, the best ones (20 at most); 0 recalls nothing.
    pub hits: u32,
    /// Entries that fit less well are left out. A word that few entries have is worth about 3.5 in the text of an
    /// entry and 6 in its topic.
    pub min_score: f64,
}

impl Default for Recall {
    fn default() -> Self {
        Self { hits: 3, min_score: 4.0 }
    }
}

/// A stateless capability this aspect offers to the team.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
#[schemars(extend("required" = ["name", "instructions"]))]
#[serde(deny_unknown_fields, default)]
pub struct RawHand {
    /// Needed. Others call it `<aspect>/<name>`.
    #[schemars(with = "HandName")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<HandName>,
    /// What it does, for whoever chooses a Hand.
    pub description: String,
    /// Needed. Added to the persona when it works.
    pub instructions: String,
    /// The tools it may use; none unless said.
    pub tools: Vec<String>,
    /// JSON Schema its input must follow.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub input_schema: Option<Value>,
    /// JSON Schema its output must follow.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub output_schema: Option<Value>,
    /// How long one attempt may take.
    pub timeout_s: u32,
    /// How many dispatches of it run at the same time.
    pub concurrency: u32,
    /// The aspects that may dispatch it; anyone unless said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub allowed_invokers: Option<Vec<AspectName>>,
    pub capabilities: Vec<String>,
    /// Whether it may be tried again when its worker was lost.
    pub idempotent: bool,
}

impl Default for RawHand {
    fn default() -> Self {
        Self {
            name: None,
            description: String::new(),
            instructions: String::new(),
            tools: Vec::new(),
            input_schema: None,
            output_schema: None,
            timeout_s: u32::try_from(limits::HAND_TIMEOUT_DEFAULT.as_secs()).unwrap_or(60),
            concurrency: limits::HAND_CONCURRENCY_DEFAULT,
            allowed_invokers: None,
            capabilities: Vec::new(),
            idempotent: false,
        }
    }
}

/// The JSON Schema of `aspect.json`.
pub fn settings_schema() -> Schema {
    schema_for!(RawSettings)
}
