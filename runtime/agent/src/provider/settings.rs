//! The `provider` object of `aspect.json`, and the trusted settings made from it.
//!
//! Knows which fields each kind needs and where its key comes from; nothing of requests or streams.

use std::time::Duration;

use nexus_wire::CredentialName;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use thiserror::Error;

use super::price::Price;
use super::window::{CONTEXT_WINDOW_DEFAULT, context_window};

mod command;
mod parts;

pub use command::{CommandConfig, CommandSettings, Permissions, Speaks};
pub use parts::{Effort, OpenaiQuirks, ProviderKind, Secret};

pub const MAX_TOKENS_DEFAULT: u32 = 8192;
pub const STALL_TIMEOUT_DEFAULT: Duration = Duration::from_secs(60);

/// The `provider` object as a person writes it.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct ProviderConfig {
    pub kind: ProviderKind,
    /// The model's name as the provider knows it; not needed for `command` and `scripted`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// Where the API lives when it is not the vendor's own: `http://127.0.0.1:8080/v1`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub base_url: Option<String>,
    /// The environment variable that holds the key. The key itself never stands in a file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub api_key_env: Option<String>,
    /// The broker's credential to go through instead of a key of one's own: the broker makes the calls.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub credential: Option<CredentialName>,
    /// The program to run, for kind `command`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub command: Option<CommandConfig>,
    /// How many tokens the model takes, prompt and reply together. Known for common models, else 128000.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub context_window: Option<u64>,
    /// The longest reply, in tokens (8192).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_tokens: Option<u32>,
    /// A stream without a byte for this long is cut (60; 600 for `command`).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stall_timeout_s: Option<u64>,
    /// Further fields of the request body, passed on as they are (`temperature`, `thinking`, `reasoning_effort`).
    #[serde(skip_serializing_if = "Map::is_empty")]
    pub extra: Map<String, Value>,
    /// What its tokens cost, where the list is wrong or does not have the model.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub price: Option<Price>,
    #[serde(skip_serializing_if = "OpenaiQuirks::is_usual")]
    pub quirks: OpenaiQuirks,
    /// How much the model is to think; when not said, that is left to it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub thinking: Option<Effort>,
}

/// What an adapter is made from; checked, with the key in hand.
#[derive(Clone, Debug, PartialEq)]
pub struct ProviderSettings {
    pub kind: ProviderKind,
    pub model: String,
    /// Without a slash at its end.
    pub base_url: String,
    pub api_key: Option<Secret>,
    /// With it `base_url` is empty until the broker is known.
    pub credential: Option<CredentialName>,
    /// Exactly for kind `command`.
    pub command: Option<CommandSettings>,
    /// Tokens the model takes, prompt and reply together.
    pub context_window: u64,
    pub max_tokens: u32,
    pub stall_timeout: Duration,
    pub extra: Map<String, Value>,
    pub price: Option<Price>,
    pub quirks: OpenaiQuirks,
    pub thinking: Option<Effort>,
}

impl ProviderSettings {
    /// Whose signatures it understands: they are an address's and an account's, not a model's.
    pub(crate) fn signer(&self) -> (ProviderKind, String, Option<CredentialName>) {
        (self.kind, self.base_url.clone(), self.credential.clone())
    }
}

/// Each names the field of `aspect.json` to change.
#[derive(Clone, Debug, Eq, Error, PartialEq)]
pub enum SettingsError {
    #[error("provider.model is missing; name the model {0} shall use, for example \"model\": \"{1}\"")]
    ModelMissing(&'static str, &'static str),
    #[error("provider.api_key_env: the variable {0} is not set; export it, or name another one")]
    KeyNotSet(String),
    #[error("provider.api_key_env: the variable {0} holds a character no key can have; set it again")]
    KeyMalformed(String),
    #[error("provider.base_url: {url} is not an http:// or https:// address ({reason})")]
    BaseUrl { url: String, reason: String },
    #[error("provider.command.env: the variable {0} is not set; export it, or take it off the list")]
    CommandEnv(String),
    #[error(
        "provider.command.run is missing; name the program, for example \"run\": [\"my-agent\", \"--json\"]"
    )]
    CommandMissing,
    #[error("provider.{0} must be greater than zero")]
    Zero(&'static str),
    #[error("provider.extra.{0} is set by provider.thinking; remove one of them")]
    ExtraOfThinking(String),
    #[error("provider.extra.{0} is set by the runtime itself; remove it")]
    ExtraReserved(String),
    #[error(
        "provider.{0} has no meaning with provider.credential, which names address and key; remove one of them"
    )]
    BesideCredential(&'static str),
    #[error("provider.{field} has no meaning for kind \"{kind}\"; remove it")]
    Meaningless { field: &'static str, kind: &'static str },
}

/// What says in one API or another how much to think.
const OF_THINKING: [&str; 4] = ["output_config", "reasoning_effort", "think", "thinking"];
const RESERVED: [&str; 7] =
    ["max_completion_tokens", "max_tokens", "messages", "model", "stream", "system", "tools"];

impl ProviderConfig {
    /// Checks everything a file can be wrong about. `env` looks a variable up; the process's environment is
    /// read by whoever calls this.
    pub fn resolve(&self, env: impl Fn(&str) -> Option<String>) -> Result<ProviderSettings, SettingsError> {
        let kind = self.kind;
        self.check_fields()?;
        let command = match (kind, &self.command) {
            (ProviderKind::Command, command) => Some(command.clone().unwrap_or_default().resolve(&env)?),
            (_, Some(_)) => {
                return Err(SettingsError::Meaningless { field: "command", kind: kind.name() });
            }
            (_, None) => None,
        };
        let named = self.model.as_deref().map(str::trim).filter(|model| !model.is_empty());
        let model = match (kind.usual_model(), named) {
            (None, Some(model)) if kind == ProviderKind::Command => model,
            (None, _) if kind == ProviderKind::None => "none",
            (None, _) => command.as_ref().map_or(super::scripted::MODEL, program_name),
            (Some(_), Some(model)) => model,
            (Some(usual), None) => return Err(SettingsError::ModelMissing(kind.name(), usual)),
        };
        if self.credential.is_some() {
            self.check_credential()?;
        }
        let base_url = match &self.credential {
            Some(_) => "",
            None => self.base_url.as_deref().unwrap_or_else(|| kind.usual_base_url()),
        };
        let base_url = base_url.trim_end_matches('/').to_owned();
        if kind.is_remote() && self.credential.is_none() {
            check_url(&base_url)?;
        }
        let context_window =
            self.context_window.or_else(|| context_window(model)).unwrap_or(CONTEXT_WINDOW_DEFAULT);
        Ok(ProviderSettings {
            kind,
            model: model.to_owned(),
            command,
            context_window,
            api_key: if self.credential.is_some() { None } else { self.key(env)? },
            credential: self.credential.clone(),
            base_url,
            max_tokens: self.max_tokens.unwrap_or(MAX_TOKENS_DEFAULT),
            stall_timeout: self.stall_timeout_s.map_or_else(|| kind.usual_stall(), Duration::from_secs),
            extra: self.extra.clone(),
            price: self.price,
            quirks: self.quirks,
            thinking: self.thinking,
        })
    }

    /// What needs nothing but the fields themselves.
    fn check_fields(&self) -> Result<(), SettingsError> {
        let kind = self.kind;
        if self.max_tokens == Some(0) {
            return Err(SettingsError::Zero("max_tokens"));
        }
        if self.context_window == Some(0) {
            return Err(SettingsError::Zero("context_window"));
        }
        if self.stall_timeout_s == Some(0) {
            return Err(SettingsError::Zero("stall_timeout_s"));
        }
        if let Some(name) = self.extra.keys().find(|name| RESERVED.contains(&name.as_str())) {
            return Err(SettingsError::ExtraReserved(name.clone()));
        }
        if let Some(name) = self.extra.keys().find(|name| OF_THINKING.contains(&name.as_str()))
            && self.thinking.is_some()
        {
            return Err(SettingsError::ExtraOfThinking(name.clone()));
        }
        let unscripted = [("price", self.price.is_some()), ("thinking", self.thinking.is_some())];
        if let Some((field, _)) = unscripted.iter().find(|(_, set)| *set && kind.is_without_model()) {
            return Err(SettingsError::Meaningless { field, kind: kind.name() });
        }
        if kind != ProviderKind::Openai && !self.quirks.is_usual() {
            return Err(SettingsError::Meaningless { field: "quirks", kind: kind.name() });
        }
        for (field, set) in [("base_url", &self.base_url), ("api_key_env", &self.api_key_env)] {
            if kind == ProviderKind::Command && set.is_some() {
                return Err(SettingsError::Meaningless { field, kind: kind.name() });
            }
        }
        Ok(())
    }

    fn check_credential(&self) -> Result<(), SettingsError> {
        if !self.kind.is_remote() {
            return Err(SettingsError::Meaningless { field: "credential", kind: self.kind.name() });
        }
        match (&self.base_url, &self.api_key_env) {
            (Some(_), _) => Err(SettingsError::BesideCredential("base_url")),
            (None, Some(_)) => Err(SettingsError::BesideCredential("api_key_env")),
            (None, None) => Ok(()),
        }
    }

    /// A server of one's own often needs no key, so only the vendor's address or a name given makes it a must.
    fn key(&self, env: impl Fn(&str) -> Option<String>) -> Result<Option<Secret>, SettingsError> {
        let named = self.api_key_env.as_deref().filter(|_| !self.kind.is_without_model());
        let Some(name) = named.or_else(|| self.kind.usual_key_env()) else { return Ok(None) };
        let required = self.api_key_env.is_some() || self.base_url.is_none();
        // The usual variable's key belongs to the vendor: it is not offered to an address someone typed in.
        let found = if required { env(name).map(|key| key.trim().to_owned()) } else { None };
        match found.filter(|key| !key.is_empty()) {
            Some(key) if key.bytes().all(|byte| byte.is_ascii_graphic()) => Ok(Some(Secret(key))),
            Some(_) => Err(SettingsError::KeyMalformed(name.to_owned())),
            None if required => Err(SettingsError::KeyNotSet(name.to_owned())),
            None => Ok(None),
        }
    }
}

/// What stands for the model of a program that names none.
fn program_name(command: &CommandSettings) -> &str {
    let (program, _) = command.program();
    std::path::Path::new(program).file_name().and_then(|name| name.to_str()).unwrap_or(program)
}

fn check_url(url: &str) -> Result<(), SettingsError> {
    let wrong = |reason: String| SettingsError::BaseUrl { url: url.to_owned(), reason };
    let parsed = reqwest::Url::parse(url).map_err(|error| wrong(error.to_string()))?;
    if !matches!(parsed.scheme(), "http" | "https") {
        return Err(wrong(format!("its scheme is {}", parsed.scheme())));
    }
    if parsed.query().is_some() || parsed.fragment().is_some() {
        return Err(wrong("it has a query or a fragment".to_owned()));
    }
    // Shown in errors and logs, so it is no place for a password; and this message must not repeat it.
    if !parsed.username().is_empty() || parsed.password().is_some() {
        return Err(SettingsError::BaseUrl {
            url: parsed.host_str().unwrap_or_default().to_owned(),
            reason: "it has a user or a password in it".to_owned(),
        });
    }
    Ok(())
}

#[cfg(test)]
mod tests;
