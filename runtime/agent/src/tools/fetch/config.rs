//! `fetch` in `aspect.json`: what `fetch_url` may reach beside the public internet, and how much it takes.

use nexus_outbound::Allowed;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

const BYTES_MAX: u32 = 32 * 1024 * 1024;
const SECONDS_MAX: u32 = 600;

/// What `fetch_url` may reach.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct FetchConfig {
    /// Servers on private addresses that may be asked all the same, each as `host:port`, written as in the URL.
    pub allow_private: Vec<String>,
    /// Bytes of one answer.
    pub bytes_max: u32,
    /// How long one call may take, redirects and all.
    pub seconds_max: u32,
}

impl Default for FetchConfig {
    fn default() -> Self {
        Self { allow_private: Vec::new(), bytes_max: 2 * 1024 * 1024, seconds_max: 30 }
    }
}

impl FetchConfig {
    /// Fields and what is wrong with them.
    pub(crate) fn faults(&self) -> Vec<(String, String)> {
        let mut faults = Vec::new();
        for (field, value, most) in
            [("bytes_max", self.bytes_max, BYTES_MAX), ("seconds_max", self.seconds_max, SECONDS_MAX)]
        {
            if !(1..=most).contains(&value) {
                faults.push((format!("fetch.{field}"), format!("{value} is not from 1 to {most}")));
            }
        }
        let servers = Allowed::faults(&self.allow_private).into_iter();
        faults.extend(servers.map(|it| (format!("fetch.allow_private[{}]", it.at), it.to_string())));
        faults
    }
}
