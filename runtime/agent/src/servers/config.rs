//! `mcp_servers` in `aspect.json`, and what of them an aspect or a Hand may use.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use reqwest::Url;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Offer;

const NAME_BYTES_MAX: usize = 32;
const TIMEOUT_S_MAX: u32 = 3600;

/// A server whose tools may be used (Model Context Protocol): a `command` that is started, or a `url` that is there.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct RawServer {
    /// A program that speaks on its standard input and output.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub command: Option<String>,
    pub args: Vec<String>,
    /// Variables of the agent's environment that it gets besides `PATH`; it gets no other.
    pub env: Vec<String>,
    /// The folder it is started in, relative to the home; the home unless said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cwd: Option<String>,
    /// Where it is reached by streamable HTTP.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// Headers of every request, each with the name of the variable that holds its value.
    pub headers: BTreeMap<String, String>,
    /// The tools of it that may be used, by the names it gives them; all unless said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tools: Option<Vec<String>>,
    /// Seconds a call may take without a word of progress.
    pub timeout_s: u32,
}

impl Default for RawServer {
    fn default() -> Self {
        Self {
            command: None,
            args: Vec::new(),
            env: Vec::new(),
            cwd: None,
            url: None,
            headers: BTreeMap::new(),
            tools: None,
            timeout_s: 60,
        }
    }
}

#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ServerConfig {
    pub name: String,
    pub way: Way,
    pub tools: Option<Vec<String>>,
    pub timeout: Duration,
}

/// How it is reached.
#[derive(Clone, Eq, PartialEq)]
pub enum Way {
    Command { program: String, args: Vec<String>, env: Vec<(String, String)>, cwd: PathBuf },
    Http { url: Url, headers: Vec<(String, String)> },
}

/// What is secret is not shown.
impl fmt::Debug for Way {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Command { program, .. } => f.debug_struct("Command").field("program", program).finish(),
            Self::Http { url, .. } => f.debug_struct("Http").field("host", &url.host_str()).finish(),
        }
    }
}

/// A field of a server and what is wrong with it.
pub type ServerFault = (String, String);

impl RawServer {
    /// What it means, or every fault of it.
    pub fn resolve(
        &self,
        name: &str,
        home: &Path,
        env: impl Fn(&str) -> Option<String>,
    ) -> Result<ServerConfig, Vec<ServerFault>> {
        let mut faults = Vec::new();
        let mut fault = |field: &str, message: String| faults.push((field.to_owned(), message));
        let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_' || c == '-';
        if name.is_empty() || name.len() > NAME_BYTES_MAX || !name.chars().all(fits) {
            let most = NAME_BYTES_MAX;
            fault("", format!("{name:?} is no name of a server: 1 to {most} of a-z, 0-9, _ and -"));
        }
        if !(1..=TIMEOUT_S_MAX).contains(&self.timeout_s) {
            fault("timeout_s", format!("{} is not from 1 to {TIMEOUT_S_MAX}", self.timeout_s));
        }
        let mut value = |field: String, variable: &String| match env(variable) {
            Some(value) => Some(value),
            None => {
                fault(
                    &field,
                    format!("the variable {variable} is not set; set it where the agent is started"),
                );
                None
            }
        };
        let way = match (&self.command, &self.url) {
            (Some(program), None) => {
                let names = self.env.iter().enumerate();
                let env =
                    names.filter_map(|(at, name)| Some((name.clone(), value(format!("env[{at}]"), name)?)));
                let env = env.collect();
                let cwd = home.join(self.cwd.as_deref().unwrap_or("."));
                if !self.headers.is_empty() {
                    fault("headers", "these go with a `url`; a command gets `env`".to_owned());
                }
                if !cwd.is_dir() {
                    fault("cwd", format!("{} is no folder", cwd.display()));
                }
                Some(Way::Command { program: program.clone(), args: self.args.clone(), env, cwd })
            }
            (None, Some(url)) => {
                let headers = self.headers.iter();
                let headers = headers
                    .filter_map(|(name, of)| Some((name.clone(), value(format!("headers.{name}"), of)?)));
                let headers = headers.collect();
                match Url::parse(url) {
                    Ok(url) if matches!(url.scheme(), "http" | "https") && url.password().is_none() => {
                        Some(Way::Http { url, headers })
                    }
                    Ok(_) => {
                        fault("url", "an address is http:// or https:// and holds no password".to_owned());
                        None
                    }
                    Err(error) => {
                        fault("url", format!("this is no address: {error}"));
                        None
                    }
                }
            }
            (Some(_), Some(_)) => {
                fault(
                    "",
                    "it has a `command` and a `url`; a server is reached one way: remove one".to_owned(),
                );
                None
            }
            (None, None) => {
                fault("", "it has neither a `command` nor a `url`; give it one".to_owned());
                None
            }
        };
        match way {
            Some(way) if faults.is_empty() => Ok(ServerConfig {
                name: name.to_owned(),
                way,
                tools: self.tools.clone(),
                timeout: Duration::from_secs(self.timeout_s.into()),
            }),
            Some(_) | None => Err(faults),
        }
    }
}

/// `mcp:<server>` or `mcp:<server>/<tool>` among the tools of an aspect or a Hand.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Grant {
    pub server: String,
    /// As the server calls it; all of them when absent.
    pub tool: Option<String>,
}

impl Grant {
    /// `None`: the name is of no server's tool.
    pub fn of(name: &str) -> Option<Self> {
        let rest = name.strip_prefix("mcp:")?;
        Some(match rest.split_once('/') {
            Some((server, tool)) => Self { server: server.to_owned(), tool: Some(tool.to_owned()) },
            None => Self { server: rest.to_owned(), tool: None },
        })
    }

    pub fn covers(&self, offer: &Offer) -> bool {
        self.server == offer.server && self.tool.as_ref().is_none_or(|tool| *tool == offer.tool)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn resolve(raw: serde_json::Value) -> Result<ServerConfig, Vec<ServerFault>> {
        let raw: RawServer = serde_json::from_value(raw).expect("it reads");
        raw.resolve("files", Path::new("/tmp"), |name| (name == "TOKEN").then(|| "s3cret".to_owned()))
    }

    #[test]
    fn a_server_is_reached_one_way_and_every_fault_is_told() {
        let config = resolve(json!({"command": "serve", "env": ["TOKEN"]})).expect("in order");
        assert!(!format!("{config:?}").contains("s3cret"));
        let faults =
            |raw| resolve(raw).expect_err("faults").into_iter().map(|(field, _)| field).collect::<Vec<_>>();
        assert_eq!(faults(json!({})), [""]);
        assert_eq!(faults(json!({"command": "a", "url": "http://b/"})), [""]);
        assert_eq!(
            faults(json!({"command": "a", "env": ["NONE"], "cwd": "none", "timeout_s": 0})),
            ["timeout_s", "env[0]", "cwd"]
        );
        assert_eq!(faults(json!({"url": "ftp://b/", "headers": {"x": "NONE"}})), ["headers.x", "url"]);
        assert_eq!(faults(json!({"url": "http://a:b@c/"})), ["url"]);
    }

    #[test]
    fn a_grant_is_of_a_server_or_of_one_tool_of_it() {
        let grant = |server: &str, tool: Option<&str>| {
            Some(Grant { server: server.into(), tool: tool.map(Into::into) })
        };
        assert_eq!(Grant::of("mcp:git"), grant("git", None));
        assert_eq!(Grant::of("mcp:git/log/all"), grant("git", Some("log/all")));
        assert_eq!(Grant::of("read_file"), None);
    }
}
