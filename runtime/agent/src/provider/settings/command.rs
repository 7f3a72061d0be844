//! The `command` object of a provider: a program that thinks, and what it gets of ours.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Secret, SettingsError};

/// Without these few programs start at all.
const ENV_USUAL: [&str; 3] = ["HOME", "LANG", "PATH"];

/// A program that thinks, as a person writes it.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct CommandConfig {
    /// The program and its arguments. It works in the home's `work` folder.
    pub run: Vec<String>,
    pub speaks: Speaks,
    /// The variables it gets of our environment, and no others. `HOME`, `LANG` and `PATH` unless said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub env: Option<Vec<String>>,
    /// What it gets when it asks for a permission (`acp`).
    #[serde(skip_serializing_if = "Permissions::is_usual")]
    pub permissions: Permissions,
}

/// What is spoken over its stdin and stdout.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Speaks {
    /// Lines of JSON: one in, several out.
    #[default]
    Lines,
    /// The Agent Client Protocol.
    Acp,
}

#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Permissions {
    /// Each is refused.
    #[default]
    Deny,
    /// Each is given, once.
    Allow,
}

impl Permissions {
    fn is_usual(&self) -> bool {
        *self == Self::default()
    }
}

/// The same, once nobody has to check it again.
#[derive(Clone, Debug, PartialEq)]
pub struct CommandSettings {
    /// Never empty.
    pub run: Vec<String>,
    pub speaks: Speaks,
    /// Names with their values. A value may be a key.
    pub env: Vec<(String, Secret)>,
    pub permissions: Permissions,
}

impl CommandSettings {
    pub(crate) fn program(&self) -> (&str, &[String]) {
        self.run.split_first().map_or(("", &[]), |(program, arguments)| (program.as_str(), arguments))
    }
}

impl CommandConfig {
    pub(super) fn resolve(
        &self,
        env: impl Fn(&str) -> Option<String>,
    ) -> Result<CommandSettings, SettingsError> {
        if self.run.first().is_none_or(|program| program.trim().is_empty()) {
            return Err(SettingsError::CommandMissing);
        }
        let found = match &self.env {
            None => {
                let usual = ENV_USUAL.iter().map(|name| (*name).to_owned());
                usual.filter_map(|name| env(&name).map(|value| (name, Secret::new(value)))).collect()
            }
            Some(names) => names
                .iter()
                .map(|name| match env(name) {
                    Some(value) => Ok((name.clone(), Secret::new(value))),
                    None => Err(SettingsError::CommandEnv(name.clone())),
                })
                .collect::<Result<_, _>>()?,
        };
        Ok(CommandSettings {
            run: self.run.clone(),
            speaks: self.speaks,
            env: found,
            permissions: self.permissions,
        })
    }
}
