//! `aspect.json` as a person writes it. Its JSON Schema is made from these types, doc comments included.

use std::collections::BTreeMap;

use nexus_wire::budget::Budget;
use nexus_wire::limits;
use nexus_wire::name::HandName;
use nexus_wire::roster::{AspectRole, ContextMode};
use nexus_wire::{AspectName, Party};
use schemars::{JsonSchema, Schema, schema_for};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::roots::RawRoot;
use crate::provider::ProviderConfig;
use crate::runner::RawRunner;
use crate::sandbox::SandboxConfig;
use crate::servers::RawServer;
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
    /// Has another look at each answer before it is posted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub judge: Option<RawJudge>,
    pub recall: Recall,
    pub fetch: FetchConfig,
    pub sandbox: SandboxConfig,
    pub triage: RawTriage,
    /// Servers whose tools may be named in `tools`, as `mcp:<server>` or `mcp:<server>/<tool>`.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub mcp_servers: BTreeMap<String, RawServer>,
    pub hands: Vec<RawHand>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub runner: Option<RawRunner>,
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
            judge: None,
            recall: Recall::default(),
            fetch: FetchConfig::default(),
            sandbox: SandboxConfig::default(),
            triage: RawTriage::default(),
            mcp_servers: BTreeMap::new(),
            hands: Vec::new(),
            runner: None,
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

/// Where a turn is stopped at the latest, and what may be spent. A day is one of UTC.
#[derive(Clone, Copy, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Budgets {
    /// Provider rounds of one turn.
    pub turn_rounds_max: u32,
    /// Wall time of one turn.
    pub turn_seconds: u32,
    /// What of one tool result is kept; the rest is cut off, and said so.
    pub tool_output_bytes: u32,
    /// Posts that may wait for a broker that is away; with more of them, turns wait, too. Counts from the next start.
    pub outbox_posts: u32,
    /// What one turn may spend.
    pub turn: Amount,
    /// What the turns of one thread may spend in a day.
    pub thread: Allowance,
    /// What all turns and Hands of this aspect may spend in a day.
    pub aspect: Allowance,
}

impl Default for Budgets {
    fn default() -> Self {
        Self {
            turn_rounds_max: 24,
            turn_seconds: 600,
            tool_output_bytes: 64 * 1024,
            outbox_posts: 1000,
            turn: Amount::default(),
            thread: Allowance::default(),
            aspect: Allowance::default(),
        }
    }
}

/// What may be spent; what is left out is not limited.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Amount {
    /// Of all kinds together.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tokens: Option<u64>,
    /// Millionths of a US dollar. What has no known price counts nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cost_microusd: Option<u64>,
}

impl From<Amount> for Budget {
    fn from(Amount { tokens, cost_microusd }: Amount) -> Self {
        Self { tokens, cost_microusd }
    }
}

/// What may be spent in a day; what is left out is not limited.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Allowance {
    /// Turns that begin.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub turns: Option<u64>,
    /// Of all kinds together.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tokens: Option<u64>,
    /// Millionths of a US dollar. What has no known price counts nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cost_microusd: Option<u64>,
}

/// Which messages begin a turn. An operator's always does.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct RawTriage {
    /// Senders whose messages are read with the next turn and begin none: an aspect, or `operator/<name>`.
    pub ignore: Vec<Party>,
    /// Whether a message of another aspect that is only thanks begins no turn.
    pub ignore_thanks: bool,
    /// Decides where no rule does: about messages of other aspects that do not name this one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model: Option<RawSide>,
}

impl Default for RawTriage {
    fn default() -> Self {
        Self { ignore: Vec::new(), ignore_thanks: true, model: None }
    }
}

/// A model that is asked beside the conversation, without tools.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct RawSide {
    /// What it goes by.
    pub instructions: String,
    /// The aspect's own unless said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub provider: Option<ProviderConfig>,
}

/// Has another look at each answer before it is posted: it may be posted, written once more, or left unsaid.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
#[schemars(extend("required" = ["instructions"]))]
#[serde(deny_unknown_fields, default)]
pub struct RawJudge {
    /// Needed. What an answer has to be.
    pub instructions: String,
    /// The aspect's own unless said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub provider: Option<ProviderConfig>,
    /// How often an answer is written once more at most.
    pub max: u32,
}

impl Default for RawJudge {
    fn default() -> Self {
        Self { instructions: String::new(), provider: None, max: 1 }
    }
}

/// Where an assignment is worked on.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Isolation {
    /// In the aspect's own process.
    #[default]
    Task,
    /// In a process of its own, which has neither the aspect's environment nor its keys nor a link to the broker.
    Process,
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
    /// Rounds of one assignment with the provider; as many as a turn's unless said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rounds_max: Option<u32>,
    /// What one assignment may spend, with what it gives to others; what its invoker allows counts where it is less.
    pub budget: Amount,
    /// Where it is worked on.
    pub isolation: Isolation,
    /// Another provider than the aspect's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub provider: Option<ProviderConfig>,
    /// What its commands may reach, when that is not what the aspect's own may.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sandbox: Option<SandboxConfig>,
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
            rounds_max: None,
            budget: Amount::default(),
            isolation: Isolation::default(),
            provider: None,
            sandbox: None,
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
