//! Which broker is meant and with what token: flags, then the environment, then a context of the configuration file.

use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use clap::Args;
use nexus_client::secret::without_value;
use nexus_client::{Broker, Credential, Endpoint, Secret, private_file};
use nexus_wire::{OperatorName, TokenName, TraceContext};
use serde::{Deserialize, Serialize};

use crate::failure::Failure;

pub const URL_DEFAULT: &str = "http://127.0.0.1:7888";
const ADD_FIRST: &str = "log in with: nexctl login, or on the broker's own machine: nexctl context add home --url http://127.0.0.1:7888 --token-file <data>/operator.token";

/// Which broker, as it is typed.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "Global options")]
pub struct Reach {
    /// The broker, as http://127.0.0.1:7888 or https://HOST:PORT [env: NEXUS_URL]
    #[arg(long, global = true, value_name = "URL")]
    pub url: Option<String>,
    /// An operator's token; other users of this machine may see it here, $NEXUS_TOKEN is better
    #[arg(long, global = true, value_name = "TOKEN")]
    pub token: Option<String>,
    /// The CA certificate of the Nexus, for https [env: NEXUS_CA]
    #[arg(long, global = true, value_name = "FILE")]
    pub ca: Option<PathBuf>,
    /// A context of the configuration file, instead of its current one
    #[arg(long, global = true, value_name = "NAME")]
    pub context: Option<String>,
}

/// The variables that are looked at.
#[derive(Clone, Debug, Default)]
pub struct Env {
    pub url: Option<String>,
    pub token: Option<Secret>,
    pub ca: Option<PathBuf>,
    pub config: Option<PathBuf>,
    pub home: Option<PathBuf>,
    pub no_color: bool,
    /// Of `TRACEPARENT` and `TRACESTATE`; nothing where that is malformed.
    pub trace: Option<TraceContext>,
}

impl Env {
    pub fn of_process() -> Self {
        let text = |name: &str| {
            std::env::var(name).ok().map(|value| value.trim().to_owned()).filter(|value| !value.is_empty())
        };
        let path = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
        Self {
            url: text("NEXUS_URL"),
            token: text("NEXUS_TOKEN").map(Secret::from),
            ca: path("NEXUS_CA"),
            config: path("NEXUS_CONFIG"),
            home: path("HOME"),
            no_color: path("NO_COLOR").is_some(),
            trace: text("TRACEPARENT")
                .and_then(|parent| TraceContext::parse(&parent, text("TRACESTATE").as_deref())),
        }
    }

    pub fn config_path(&self) -> Result<PathBuf, Failure> {
        if let Some(path) = &self.config {
            return Ok(path.clone());
        }
        let home = self.home.as_ref().ok_or_else(|| {
            Failure::Usage("neither $HOME nor $NEXUS_CONFIG is set, so there is no configuration file".into())
        })?;
        Ok(home.join(".nexus").join("config.toml"))
    }
}

/// The configuration file.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub current: Option<String>,
    #[serde(default)]
    pub contexts: BTreeMap<String, Context>,
}

#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Context {
    pub url: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token: Option<Secret>,
    /// Read at each use, so a broker that was set up anew at the same place goes on working.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token_file: Option<PathBuf>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca_file: Option<PathBuf>,
    /// Set where `nexctl login` got the token, which `nexctl logout` gives back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub login: Option<LoggedIn>,
}

/// Whose token it is, and what it is called at the broker.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct LoggedIn {
    pub operator: OperatorName,
    pub token: TokenName,
}

impl Config {
    /// What the file says; nothing when it is not there.
    pub fn load(path: &Path) -> Result<Self, Failure> {
        let wrong = |what: &dyn std::fmt::Display| Failure::Usage(format!("{}: {what}", path.display()));
        let file = match File::open(path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Self::default()),
            Err(error) => return Err(wrong(&error)),
        };
        let (mode, open_to_others) = private_file::mode_of(&file).map_err(|error| wrong(&error))?;
        let text = io::read_to_string(file).map_err(|error| wrong(&error))?;
        let config: Self = toml::from_str(&text).map_err(|error| wrong(&fault(&text, &error)))?;
        if open_to_others && config.contexts.values().any(|context| context.token.is_some()) {
            let path = path.display();
            return Err(wrong(&format_args!(
                "it holds a token and others may read it (mode {mode:04o}); run: chmod 600 {path}"
            )));
        }
        Ok(config)
    }

    pub fn save(&self, path: &Path) -> Result<(), Failure> {
        let failed = |what: &dyn std::fmt::Display| {
            Failure::Failed(format!("{} cannot be written: {what}", path.display()))
        };
        let text = toml::to_string(self).map_err(|error| failed(&error))?;
        private_file::write(path, text.as_bytes()).map_err(|error| failed(&error))
    }

    pub fn context(&self, name: &str) -> Result<&Context, Failure> {
        self.contexts.get(name).ok_or_else(|| {
            let known: Vec<&str> = self.contexts.keys().map(String::as_str).collect();
            Failure::Usage(if known.is_empty() {
                format!("there is no context {name:?}, nor any other; {ADD_FIRST}")
            } else {
                format!("there is no context {name:?}; there are: {}", known.join(", "))
            })
        })
    }
}

/// What is wrong and where, without what stands there: that may be a token.
fn fault(text: &str, error: &toml::de::Error) -> String {
    let start = error.span().map_or(0, |span| span.start);
    let before = text.get(..start).unwrap_or_default();
    let line = before.matches('\n').count() + 1;
    let column = before.chars().rev().take_while(|char| *char != '\n').count() + 1;
    let message = error.message();
    let is_toml = toml::from_str::<toml::Table>(text).is_ok();
    let said = if is_toml { without_value(message) } else { message.to_owned() };
    format!("line {line}, column {column}: {said}")
}

/// Where the broker is and what to show it.
#[derive(Clone, Debug)]
pub struct Target {
    pub url: String,
    pub token: Secret,
    pub ca_file: Option<PathBuf>,
}

impl Target {
    /// A context is taken whole: its token is not shown to a broker that another URL names.
    pub fn choose(flags: &Reach, env: &Env) -> Result<Self, Failure> {
        // A context that was asked for wins over the environment.
        let env_counts = flags.context.is_none();
        let env_of = |value: bool| env_counts && value;
        let url = flags.url.clone().or_else(|| env.url.clone().filter(|_| env_of(true)));
        let token =
            flags.token.as_deref().map(Secret::from).or_else(|| env.token.clone().filter(|_| env_of(true)));
        let ca_file = flags.ca.clone().or_else(|| env.ca.clone().filter(|_| env_of(true)));
        let context = match (&flags.context, &url) {
            (None, Some(_)) => None,
            (Some(name), _) => Some(Config::load(&env.config_path()?)?.context(name)?.clone()),
            (None, None) => {
                let config = Config::load(&env.config_path()?)?;
                config.current.as_deref().map(|name| config.context(name).cloned()).transpose()?
            }
        };
        let same_broker = |context: &&Context| url.as_ref().is_none_or(|url| *url == context.url);
        let context = context.as_ref();
        let own_token = match token {
            Some(token) => Some(token),
            None => context.filter(same_broker).map(Context::read_token).transpose()?.flatten(),
        };
        let url = url.clone().or_else(|| context.map(|context| context.url.clone()));
        let (url, token) = match (url, own_token) {
            (Some(url), Some(token)) => (url, token),
            (None, Some(token)) => (URL_DEFAULT.to_owned(), token),
            (None, None) => return Err(Failure::Usage(format!("no broker is named; {ADD_FIRST}"))),
            (Some(url), None) => {
                // What is no URL is told as that: no token would help.
                if !url.contains("://") {
                    Endpoint::new(&url, None, None)?;
                }
                return Err(Failure::Usage(format!(
                    "there is no token for {url}; set NEXUS_TOKEN, or add one with: nexctl context add home --url {url} --token-file <data>/operator.token"
                )));
            }
        };
        let ca_file = ca_file.or_else(|| context.and_then(|context| context.ca_file.clone()));
        Ok(Self { url, token, ca_file })
    }

    pub fn broker(&self) -> Result<Broker, Failure> {
        // On plain http nothing is verified, so nothing is read either.
        let secure = self.url.trim_start().starts_with("https:");
        let ca_pem = self.ca_file.as_ref().filter(|_| secure).map(|path| {
            std::fs::read_to_string(path).map_err(|error| {
                Failure::Usage(format!("the CA certificate {} cannot be read: {error}", path.display()))
            })
        });
        if secure && ca_pem.is_none() {
            return Err(Failure::Usage(format!(
                "{} needs the CA certificate of the Nexus: give <data>/ca.pem of its machine with --ca or $NEXUS_CA",
                self.url
            )));
        }
        let endpoint = Endpoint::new(&self.url, ca_pem.transpose()?.as_deref(), None)?;
        Ok(Broker::new(endpoint, Credential::Token(self.token.clone())))
    }
}

impl Context {
    /// This context alone, whatever flags and environment say.
    pub fn target(&self) -> Result<Target, Failure> {
        let token = self.read_token()?.ok_or_else(|| Failure::Usage("the context has no token".into()))?;
        Ok(Target { url: self.url.clone(), token, ca_file: self.ca_file.clone() })
    }

    fn read_token(&self) -> Result<Option<Secret>, Failure> {
        let Some(path) = &self.token_file else { return Ok(self.token.clone()) };
        let text = std::fs::read_to_string(path).map_err(|error| {
            let path = path.display();
            Failure::Usage(if error.kind() == io::ErrorKind::NotFound {
                format!(
                    "there is no token file {path}; a broker writes it when it starts for the first time: start it with \
                     `nexus serve`, or name the file of another with `nexctl context add`"
                )
            } else {
                format!("the token file {path} cannot be read: {error}")
            })
        })?;
        Ok(Some(text.trim().into()))
    }
}

#[cfg(test)]
mod tests;
