//! `runner.webhook` in `aspect.json`: which servers are called, and what is put into a request in the place of a name.

use std::collections::BTreeMap;

use nexus_outbound::{Allowed, Url};
use nexus_wire::CredentialName;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::provider::Secret;

const BODY_BYTES_MAX: u32 = 512 * 1024;
const ANSWER_BYTES_MAX: u32 = 256 * 1024;
const SECONDS_MAX: u32 = 600;

/// Calls servers.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct RawWebhook {
    /// Servers on the public internet that may be called over TLS, each as `host`, or `host:port` where it is not 443.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub hosts: Vec<String>,
    /// Servers that may be called on private addresses, and without TLS, each as `host:port`, written as in the URL.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub allow_private: Vec<String>,
    /// What a dispatch names as `secret:<name>`.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub secrets: BTreeMap<String, RawSecret>,
    /// Credentials of the broker that a dispatch may go through, as `credential:<name>/<path>`: the broker makes the call.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub credentials: Vec<CredentialName>,
    /// The largest body that is sent.
    pub body_bytes: u32,
    /// What of an answer is kept.
    pub answer_bytes: u32,
    /// How long a call may take.
    pub timeout_s: u32,
    /// Whether a call may be made again when nobody knows what came of it: its servers tell a repeat by its
    /// `Idempotency-Key`.
    pub repeatable: bool,
}

impl Default for RawWebhook {
    fn default() -> Self {
        Self {
            hosts: Vec::new(),
            allow_private: Vec::new(),
            secrets: BTreeMap::new(),
            credentials: Vec::new(),
            body_bytes: 256 * 1024,
            answer_bytes: 64 * 1024,
            timeout_s: 30,
            repeatable: false,
        }
    }
}

/// A secret: where its value is, and where it may go.
#[derive(Clone, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[schemars(extend("required" = ["env", "hosts"]))]
#[serde(deny_unknown_fields, default)]
pub struct RawSecret {
    /// Needed. The variable of the agent that holds it.
    pub env: String,
    /// Needed. The servers it is for, written as in `hosts` or `allow_private`.
    pub hosts: Vec<String>,
}

/// The same once nobody has to check it again.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Webhook {
    pub(super) about: RawWebhook,
    /// Each with the servers it is for.
    pub(super) secrets: BTreeMap<String, (Secret, Vec<String>)>,
}

impl RawWebhook {
    /// What it means, or every fault of it.
    pub(crate) fn resolve(
        self,
        env: &dyn Fn(&str) -> Option<String>,
    ) -> Result<Webhook, Vec<(String, String)>> {
        let mut faults = Vec::new();
        let mut fault = |field: String, message: String| faults.push((field, message));
        if self.hosts.is_empty() && self.allow_private.is_empty() && self.credentials.is_empty() {
            let message =
                "it names no server; add some `hosts`, for example \"hosts\": [\"hooks.example.com\"]";
            fault(String::new(), message.to_owned());
        }
        for (at, host) in self.hosts.iter().enumerate().filter(|(_, host)| !is_host(host)) {
            fault(format!("hosts[{at}]"), format!("{host:?} is no host, for example \"hooks.example.com\""));
        }
        for error in Allowed::faults(&self.allow_private) {
            fault(format!("allow_private[{}]", error.at), error.to_string());
        }
        for (field, value, most) in [
            ("body_bytes", self.body_bytes, BODY_BYTES_MAX),
            ("answer_bytes", self.answer_bytes, ANSWER_BYTES_MAX),
            ("timeout_s", self.timeout_s, SECONDS_MAX),
        ] {
            if !(1..=most).contains(&value) {
                fault(field.to_owned(), format!("{value} is not from 1 to {most}"));
            }
        }
        let mut secrets = BTreeMap::new();
        for (name, RawSecret { env: variable, hosts }) in &self.secrets {
            if !super::super::config::is_name(name) {
                fault(
                    format!("secrets.{name}"),
                    format!("{name:?} is no name: a-z, 0-9, - and _, a letter first"),
                );
            }
            if hosts.is_empty() {
                let message = "missing; name the servers it is for, and it goes to no other".to_owned();
                fault(format!("secrets.{name}.hosts"), message);
            }
            let known = |host: &&String| self.hosts.contains(host) || self.allow_private.contains(host);
            for (at, host) in hosts.iter().enumerate().filter(|(_, host)| !known(host)) {
                let message = format!("{host:?} is among neither `hosts` nor `allow_private`");
                fault(format!("secrets.{name}.hosts[{at}]"), message);
            }
            match env(variable).filter(|value| !value.trim().is_empty()) {
                Some(value) => {
                    _ = secrets.insert(name.clone(), (Secret::new(value.trim()), hosts.clone()));
                }
                None => {
                    let message =
                        format!("the variable {variable:?} is not set; set it where the agent is started");
                    fault(format!("secrets.{name}.env"), message);
                }
            }
        }
        if faults.is_empty() { Ok(Webhook { about: self, secrets }) } else { Err(faults) }
    }
}

impl Webhook {
    /// Whether that server may be called.
    pub(super) fn allows(&self, url: &Url) -> bool {
        is_among(&self.about.hosts, url) || is_among(&self.about.allow_private, url)
    }

    pub(crate) fn servers(&self) -> String {
        let named = self.about.hosts.iter().chain(&self.about.allow_private).cloned();
        named.collect::<Vec<_>>().join(", ")
    }

    pub(crate) fn about(&self) -> &RawWebhook {
        &self.about
    }
}

/// A list of `host` and `host:port`; 443 where no port is said.
pub(super) fn is_among(servers: &[String], url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default();
    let port = url.port_or_known_default().unwrap_or_default();
    servers.iter().any(|server| {
        let (name, at) = split(server);
        name.eq_ignore_ascii_case(host) && at == port
    })
}

fn split(server: &str) -> (&str, u16) {
    let port = server.rsplit_once(':').and_then(|(host, port)| Some((host, port.parse::<u16>().ok()?)));
    // The last group of an IPv6 address in brackets is no port.
    port.filter(|(host, _)| !host.starts_with('[') || host.ends_with(']')).unwrap_or((server, 443))
}

/// Whether it is a host and perhaps a port, as a URL has them.
fn is_host(text: &str) -> bool {
    let Ok(url) = Url::parse(&format!("https://{text}/")) else { return false };
    let (host, port) = split(text);
    url.host_str().is_some_and(|it| it.eq_ignore_ascii_case(host))
        && port > 0
        && url.path() == "/"
        && url.query().is_none()
        && url.username().is_empty()
        && !text.contains('*')
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn a_server_is_allowed_by_its_host_and_port() {
        let servers = ["a.test", "b.test:8443", "[::1]", "127.0.0.1:80"].map(str::to_owned);
        let cases = [
            ("https://a.test/x", true),
            ("https://A.TEST/", true),
            ("https://a.test:443/", true),
            ("https://a.test:444/", false),
            ("https://b.test/", false),
            ("https://b.test:8443/", true),
            ("https://x.a.test/", false),
            ("https://a.test.evil.test/", false),
            ("https://a.test@evil.test/", false),
            ("https://[::1]/", true),
            ("http://127.0.0.1/", true),
            ("http://0x7f.1/", true),
        ];
        for (url, expected) in cases {
            assert_eq!(is_among(&servers, &Url::parse(url).expect("an address")), expected, "{url}");
        }
        for (host, expected) in [
            ("a.test", true),
            ("a.test:8443", true),
            ("[::1]:9", true),
            ("a.test/x", false),
            ("u@a.test", false),
            ("", false),
            ("a.test:0", false),
            ("*.a.test", false),
        ] {
            assert_eq!(is_host(host), expected, "{host}");
        }
    }

    #[test]
    fn every_fault_is_told_with_its_place() {
        let faults = |raw: Value| -> Vec<String> {
            let raw: RawWebhook = serde_json::from_value(raw).expect("settings");
            let found = raw.resolve(&|name| (name == "SET").then(|| "canary-61f2".to_owned()));
            found.map_or_else(|faults| faults.into_iter().map(|(field, _)| field).collect(), |_| Vec::new())
        };
        let none: [&str; 0] = [];
        assert_eq!(
            faults(json!({"hosts": ["a.test"], "secrets": {"k": {"env": "SET", "hosts": ["a.test"]}}})),
            none
        );
        assert_eq!(faults(json!({})), [""]);
        assert_eq!(
            faults(json!({"hosts": ["a.test", "b/c"], "allow_private": ["x"]})),
            ["hosts[1]", "allow_private[0]"]
        );
        assert_eq!(
            faults(
                json!({"hosts": ["a.test"], "timeout_s": 601, "body_bytes": 0, "answer_bytes": 1_000_000})
            ),
            ["body_bytes", "answer_bytes", "timeout_s"]
        );
        assert_eq!(
            faults(json!({"hosts": ["a.test"], "secrets": {
                "k": {"env": "NONE", "hosts": []}, "L": {"env": "SET", "hosts": ["b.test"]},
            }})),
            ["secrets.L", "secrets.L.hosts[0]", "secrets.k.hosts", "secrets.k.env"]
        );
        let raw: RawWebhook = serde_json::from_value(
            json!({"hosts": ["a.test"], "secrets": {"k": {"env": "SET", "hosts": ["a.test"]}}}),
        )
        .expect("settings");
        let webhook = raw.resolve(&|_| Some("canary-61f2".to_owned())).expect("in order");
        assert!(!format!("{webhook:?}").contains("canary-61f2"), "it is not shown");
    }
}
