//! What the settings of a provider are made of: kinds, servers' differences, keys.

use std::fmt;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::STALL_TIMEOUT_DEFAULT;

#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ProviderKind {
    Anthropic,
    Command,
    /// It has no model and takes part in no conversation: for an aspect that only runs what its settings name.
    None,
    Ollama,
    Openai,
    #[default]
    Scripted,
}

impl ProviderKind {
    pub fn name(self) -> &'static str {
        match self {
            Self::Anthropic => "anthropic",
            Self::Command => "command",
            Self::None => "none",
            Self::Ollama => "ollama",
            Self::Openai => "openai",
            Self::Scripted => "scripted",
        }
    }

    /// The variable asked for when `api_key_env` is not given.
    pub(crate) fn usual_key_env(self) -> Option<&'static str> {
        match self {
            Self::Anthropic => Some("ANTHROPIC_API_KEY"),
            Self::Openai => Some("OPENAI_API_KEY"),
            // A server of one's own: a key is sent only when one is named.
            Self::Command | Self::None | Self::Ollama | Self::Scripted => None,
        }
    }

    pub(super) fn usual_base_url(self) -> &'static str {
        match self {
            Self::Anthropic => "https://api.anthropic.com",
            Self::Ollama => "http://127.0.0.1:11434",
            Self::Openai => "https://api.openai.com/v1",
            Self::Command | Self::None | Self::Scripted => "",
        }
    }

    /// A model to begin with, where one has to be named.
    pub(crate) fn usual_model(self) -> Option<&'static str> {
        match self {
            Self::Anthropic => Some("claude-sonnet-5-5"),
            Self::Ollama => Some("qwen3:8b"),
            Self::Openai => Some("gpt-5.4-mini"),
            Self::Command | Self::None | Self::Scripted => None,
        }
    }

    /// Whether it answers by rules, or not at all.
    pub(crate) fn is_without_model(self) -> bool {
        match self {
            Self::None | Self::Scripted => true,
            Self::Anthropic | Self::Command | Self::Ollama | Self::Openai => false,
        }
    }

    /// Whether it is an address that is asked.
    pub(super) fn is_remote(self) -> bool {
        match self {
            Self::Anthropic | Self::Ollama | Self::Openai => true,
            Self::Command | Self::None | Self::Scripted => false,
        }
    }

    /// How long it may be silent where nobody says.
    pub(super) fn usual_stall(self) -> Duration {
        match self {
            // It may run a tool of its own and say nothing of it.
            Self::Command => Duration::from_secs(600),
            Self::Anthropic | Self::None | Self::Ollama | Self::Openai | Self::Scripted => {
                STALL_TIMEOUT_DEFAULT
            }
        }
    }
}

/// How much a model is to think before it answers.
#[derive(Clone, Copy, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Effort {
    Off,
    Low,
    Medium,
    High,
}

impl Effort {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
        }
    }
}

/// Where servers that speak OpenAI's protocol differ. Each is guessed from `base_url` when not said.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct OpenaiQuirks {
    /// Name the limit `max_completion_tokens` (OpenAI itself) instead of `max_tokens` (everyone else).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_completion_tokens: Option<bool>,
    /// Send `stream_options`; off for a server that refuses the field.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stream_usage: Option<bool>,
    /// Send back the reasoning that led to tool calls, as DeepSeek demands.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub send_reasoning: Option<bool>,
}

impl OpenaiQuirks {
    pub(super) fn is_usual(&self) -> bool {
        *self == Self::default()
    }
}

/// A key. It can be sent, and that is all: it has no way to be printed.
#[derive(Clone, Eq, PartialEq)]
pub struct Secret(pub(super) String);

impl Secret {
    pub fn new(key: impl Into<String>) -> Self {
        Self(key.into())
    }

    pub(crate) fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[secret]")
    }
}
