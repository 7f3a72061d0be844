//! The one vocabulary in which sessions, turns, tools and providers speak of a conversation.
//!
//! Neutral about the provider: an adapter translates to and from it and nothing else does. What is stored
//! in a session file is these types as JSON, so a change here is a change of the public session format.

use std::time::Duration;

use nexus_wire::TraceContext;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use thiserror::Error;

/// One piece of a message.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Block {
    Text {
        text: String,
    },
    /// Reasoning a provider showed. `signature` must be sent back unchanged to the provider that made it.
    Thinking {
        text: String,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        signature: Option<String>,
    },
    /// `input` is an object, always. Arguments that were no JSON stand in it under [`INVALID_ARGUMENTS`].
    ToolUse {
        id: String,
        name: String,
        input: Value,
    },
    ToolResult {
        tool_use_id: String,
        content: String,
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        is_error: bool,
    },
}

/// The one field of a tool call's input when the model wrote arguments that are no JSON object; its value is
/// what was written. No tool has such a field: the call is answered with an error, and the model tries again.
pub const INVALID_ARGUMENTS: &str = "_invalid_arguments";

/// What to answer a call with whose arguments were no JSON object, or `None` when they were one.
pub fn invalid_arguments(input: &Value) -> Option<String> {
    let written = input.get(INVALID_ARGUMENTS)?.as_str()?;
    let reason = match serde_json::from_str::<Value>(written) {
        Ok(_) => "not a JSON object".to_owned(),
        Err(error) => format!("not JSON: {error}"),
    };
    Some(format!(
        "the arguments of this call are {reason}. Nothing was done; call again with one JSON object."
    ))
}

#[derive(Clone, Copy, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    User,
    Assistant,
}

#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
pub struct Message {
    pub role: Role,
    pub content: Vec<Block>,
}

/// A tool as it is shown to a model. `input_schema` is a JSON Schema object.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct ToolSpec {
    pub name: String,
    pub description: String,
    pub input_schema: Value,
}

/// On whose behalf a round runs. A model is never shown this; the scripted provider may choose its rule by it.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(default)]
pub struct Origin {
    /// The aspect whose turn or Hand this is.
    pub aspect: String,
    /// The Hand's own name (`verify-claim`) when the round belongs to an assignment.
    pub hand: Option<String>,
    /// Who asked, as the bus writes it: `forge`, or `operator/ada`.
    pub from: Option<String>,
    pub thread: Option<String>,
    /// The span that the round is told as, for whoever is ours on the way.
    #[serde(skip)]
    pub trace: Option<TraceContext>,
    /// What is asked for is a summary of what is shown, and not an answer to anybody.
    pub summary: bool,
    /// How many of the user's last texts this turn has taken. Not known: 0, and the last one alone counts.
    pub asked: usize,
}

/// One provider round: everything the model gets to see, and for whom.
#[derive(Clone, Debug, PartialEq)]
pub struct ModelRequest {
    pub system: String,
    pub messages: Vec<Message>,
    pub tools: Vec<ToolSpec>,
    pub max_tokens: u32,
    pub origin: Origin,
}

/// Why the model stopped. A reply with tool calls in it has `ToolUse` (or `Refusal`), whatever cut it short.
#[derive(Clone, Copy, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum StopReason {
    EndTurn,
    ToolUse,
    MaxTokens,
    Refusal,
}

/// Tokens as the provider counted them; zero where it does not say. `input_tokens` excludes the cached ones.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(default)]
pub struct Usage {
    pub input_tokens: u64,
    pub output_tokens: u64,
    pub cache_read_tokens: u64,
    pub cache_write_tokens: u64,
}

impl From<Usage> for nexus_wire::chat::Usage {
    fn from(usage: Usage) -> Self {
        let Usage { input_tokens, output_tokens, cache_read_tokens, cache_write_tokens } = usage;
        Self { input_tokens, output_tokens, cache_read_tokens, cache_write_tokens }
    }
}

/// What a round ended with.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct ModelReply {
    pub content: Vec<Block>,
    pub stop: StopReason,
    pub usage: Usage,
    /// The model that answered, in the provider's words.
    pub model: String,
}

/// What a provider tells while it streams. `Done` is the last event of a stream that did not fail.
///
/// Everything before `Done` is for showing only: after a `Restart` all of it is void, tool calls included, so
/// calls are carried out from the [`ModelReply`] alone.
#[derive(Clone, Debug, PartialEq)]
pub enum StreamEvent {
    /// The attempt failed after it had told something and another one begins: forget what was shown.
    Restart,
    TextDelta(String),
    ThinkingDelta(String),
    /// A complete tool call: its arguments have arrived whole and parse as JSON.
    ToolUse {
        id: String,
        name: String,
        input: Value,
    },
    Done(ModelReply),
}

/// Why a round failed. Whether trying again could help is [`ProviderError::is_transient`].
#[derive(Clone, Debug, Error, PartialEq)]
#[error("{provider}: {kind}")]
pub struct ProviderError {
    pub provider: String,
    pub kind: ProviderErrorKind,
}

#[derive(Clone, Debug, Error, PartialEq)]
pub enum ProviderErrorKind {
    #[error("the key was refused ({0}); check the variable named by provider.api_key_env")]
    Auth(String),
    #[error("the conversation does not fit the model's context window ({0})")]
    ContextWindow(String),
    #[error("the request was not accepted ({0})")]
    Invalid(String),
    #[error("the provider is overloaded ({0})")]
    Overloaded(String),
    #[error("rate limited ({message})")]
    RateLimit { message: String, retry_after: Option<Duration> },
    #[error("the provider refused to answer ({0})")]
    Refused(String),
    /// Not asked at all, or broken off: nothing is to be spent.
    #[error("{0}")]
    Stopped(String),
    #[error("no byte for {} s; the stream was cut", .0.as_secs())]
    Stalled(Duration),
    #[error("the connection failed ({0})")]
    Transport(String),
    #[error("the stream broke off before the answer was complete ({0})")]
    Truncated(String),
}

impl ProviderError {
    pub fn is_transient(&self) -> bool {
        match self.kind {
            ProviderErrorKind::Overloaded(_)
            | ProviderErrorKind::RateLimit { .. }
            | ProviderErrorKind::Stalled(_)
            | ProviderErrorKind::Transport(_)
            | ProviderErrorKind::Truncated(_) => true,
            ProviderErrorKind::Auth(_)
            | ProviderErrorKind::ContextWindow(_)
            | ProviderErrorKind::Invalid(_)
            | ProviderErrorKind::Refused(_)
            | ProviderErrorKind::Stopped(_) => false,
        }
    }
}
