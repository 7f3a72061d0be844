//! What the broker is told to do: defaults, then `<data>/nexus.toml`, then `NEXUS_*`, then flags; parsed once
//! into a [`Config`] that nothing checks again.

mod file;
mod settings;

use std::io::ErrorKind;
use std::net::{IpAddr, SocketAddr};
use std::num::NonZeroU32;
use std::path::{Path, PathBuf};
use std::time::Duration;

use nexus_client::secret::Secret;
use nexus_outbound::{Allowed, Url};
use nexus_wire::{AspectName, limits};
use thiserror::Error;

use crate::edge::retention::Retention;
use crate::hub::HubConfig;
use crate::listen::hosts::{host_in, url_below};
pub use crate::relay::presence::Patience;
pub use crate::relay::sink::SinkSettings;
use crate::serve::local_url;
pub use crate::spawn::SpawnSettings;
use crate::tenants::{Tenancy, TenantName};
use crate::workspace;
pub use settings::{Effective, SETTINGS, Setting, Source};

/// Settings that have been checked.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    pub data: PathBuf,
    pub listen: SocketAddr,
    /// Whether the listener speaks TLS: always, unless the address is a loopback one.
    pub tls: bool,
    pub leaf_days: u32,
    /// Scheme and authority under which a proxy shows this broker, such as `https://nexus.example`.
    pub public_url: Option<String>,
    /// Served as the dashboard in place of the one that is built in.
    pub dashboard: Option<PathBuf>,
    /// Names beyond loopback, the certificate's own and `public_url`'s under which requests may come.
    pub allowed_hosts: Vec<String>,
    /// Slow on purpose. Exists so that a benchmark can tell what writing many frames at once is worth.
    pub flush_each: bool,
    pub links_max: usize,
    /// Whether `/metrics` needs no credential from this machine.
    pub metrics_open_on_loopback: bool,
    pub rates: Rates,
    pub pace: Pace,
    pub hub: HubConfig,
    pub patience: Patience,
    pub retention: Retention,
    /// Where backups that are asked for over HTTP go.
    pub backups: PathBuf,
    /// How long a blob nothing refers to is kept.
    pub blob_grace: Duration,
    /// Where what streams is written, if anywhere.
    pub sink: Option<SinkSettings>,
    /// What makes vectors, if something does.
    pub embedder: Option<EmbedderSettings>,
    /// How clients of A2A are told of their tasks.
    pub push: PushSettings,
    /// Servers, as `host:port`, that may be watched though they are no public ones or speak plain HTTP.
    pub watch_allow: Vec<String>,
    /// How long calls of models that the broker makes may go on once all spending is stopped.
    pub finish: Duration,
    /// Which agents run beside the broker, if any.
    pub spawn: Option<SpawnSettings>,
    /// The folder whose flows, triggers and aspects the broker keeps, if there is one.
    pub workspace: Option<PathBuf>,
    pub synchronous: Synchronous,
    /// `/mcp` has what conformance suites look for, too. Only the command line says so.
    pub conformance_fixtures: bool,
    /// Whose the data directory is, if a broker serves it among others.
    pub tenancy: Option<Tenancy>,
}

/// What tenants have from the broker that serves them.
const BROKERS: [&str; 3] = ["listen", "tls.always", "links.flush_each"];

pub(crate) const FILE: &str = "nexus.toml";
const MEGABYTES_MAX: u32 = 1 << 30;
const YEAR_S: u32 = 366 * 24 * 3_600;
/// How often one may ask.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Rates {
    pub requests_per_s: NonZeroU32,
    pub upgrades_per_s: NonZeroU32,
    pub failures_per_min: NonZeroU32,
}

/// How much one link may send before no more is read of it for a while.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Pace {
    /// What becomes durable.
    pub commands_per_s: NonZeroU32,
    /// What streams while it happens.
    pub stream_bytes_per_s: u64,
}

/// A server that speaks OpenAI's API and makes vectors.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct EmbedderSettings {
    /// Without a slash at its end.
    pub base_url: String,
    pub model: String,
    pub key: Option<Secret>,
}

/// Whom clients may have told of their tasks, and how persistently.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct PushSettings {
    /// Servers, as `host:port`, that are no public ones or speak plain HTTP.
    pub allow: Vec<String>,
    /// How often one notification is tried.
    pub tries: u32,
}

/// When a commit counts as made.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Synchronous {
    Full,
    /// Loses acknowledged work in a power cut. Exists so that the durability test has something to catch.
    Off,
}

#[derive(Clone, Debug, Error, Eq, PartialEq)]
pub enum ConfigError {
    #[error("{}: {message}", path.display())]
    Read { path: PathBuf, message: String },
    #[error("{}:{line}: {message}", path.display())]
    Syntax { path: PathBuf, line: usize, message: String },
    #[error("{}:{line}: there is no setting {key:?}; did you mean {nearest:?}? `nexus config show` lists all", path.display())]
    Unknown { path: PathBuf, line: usize, key: String, nearest: &'static str },
    #[error(
        "{}:{line}: {key} is for the broker of all tenants to say: set it in {}", path.display(), broker.display()
    )]
    Brokers { path: PathBuf, line: usize, key: &'static str, broker: PathBuf },
    #[error("{source_name}: {key} = {value:?}: {expected}")]
    Value { source_name: String, key: &'static str, value: String, expected: String },
}

impl Config {
    /// `flags` are pairs of a setting's key and its value; `env` is what `std::env::var` would say. A tenant's
    /// directory is known by where it lies; flags and environment are for the broker around it then.
    pub fn load(
        data: &Path,
        flags: &[(&'static str, String)],
        env: impl Fn(&str) -> Option<String>,
    ) -> Result<(Self, Effective), ConfigError> {
        match Tenancy::of(data) {
            Some(Tenancy { name, broker }) => {
                let (broker, _) = Self::load_whole(&broker, flags, &env)?;
                Self::of_tenant(data, &name, &broker, env)
            }
            None => Self::load_whole(data, flags, &env),
        }
    }

    fn load_whole(
        data: &Path,
        flags: &[(&'static str, String)],
        env: &impl Fn(&str) -> Option<String>,
    ) -> Result<(Self, Effective), ConfigError> {
        let mut effective = Effective::defaults();
        let (path, entries) = entries(data)?;
        for entry in entries {
            effective.set(entry.key, entry.value, Source::File { path: path.clone(), line: entry.line });
        }
        for setting in SETTINGS {
            let name = setting.env_name();
            if let Some(value) = env(&name) {
                effective.set(setting.key, value, Source::Env(name));
            }
        }
        for (key, value) in flags {
            effective.set(key, value.clone(), Source::Flag);
        }
        Ok((Self::parse(data, &effective, env)?, effective))
    }

    /// Of the tenant in `data`, which the broker with the settings `broker` serves.
    pub(crate) fn of_tenant(
        data: &Path,
        name: &TenantName,
        broker: &Self,
        env: impl Fn(&str) -> Option<String>,
    ) -> Result<(Self, Effective), ConfigError> {
        let mut effective = Effective::defaults();
        let (path, entries) = entries(data)?;
        for entry in entries {
            if BROKERS.contains(&entry.key) {
                let broker = broker.data.join(FILE);
                return Err(ConfigError::Brokers { path, line: entry.line, key: entry.key, broker });
            }
            effective.set(entry.key, entry.value, Source::File { path: path.clone(), line: entry.line });
        }
        for (key, value) in [
            ("listen", broker.listen.to_string()),
            ("tls.always", broker.tls.to_string()),
            ("links.flush_each", broker.flush_each.to_string()),
        ] {
            effective.set(key, value, Source::Broker(broker.data.clone()));
        }
        // One of its own, or the broker's with its name before it.
        let below = broker.public_url.as_deref().and_then(|url| url_below(url, name.as_str()));
        if let Some(below) = below.filter(|_| effective.text("public_url").is_empty()) {
            effective.set("public_url", below, Source::Broker(broker.data.clone()));
        }
        effective.parse_with("public_url", tenants_url)?;
        effective.parse_with("allowed_hosts", tenants_hosts)?;
        let tenancy = Some(Tenancy { name: name.clone(), broker: broker.data.clone() });
        Ok((Self { tenancy, ..Self::parse(data, &effective, &env)? }, effective))
    }

    /// Which lead to it: those it is allowed, and that of its public address.
    pub(crate) fn own_hosts(&self) -> Vec<String> {
        let public = self.public_url.as_deref().map(host_in);
        let mut hosts: Vec<String> = public
            .into_iter()
            .chain(self.allowed_hosts.iter().map(String::as_str))
            .map(str::to_owned)
            .collect();
        hosts.sort();
        hosts.dedup();
        hosts
    }

    fn parse(
        data: &Path,
        effective: &Effective,
        env: &impl Fn(&str) -> Option<String>,
    ) -> Result<Self, ConfigError> {
        let listen: SocketAddr =
            effective.parse("listen", "an address and a port, such as 127.0.0.1:7888")?;
        let always: bool = effective.parse("tls.always", "true or false")?;
        let public_url = effective.parse_with("public_url", public_url)?;
        let lease_s: u32 = effective.ranged("hands.lease_s", 2, 3_600)?;
        let lease_at_boot_s: u32 = effective.ranged("hands.lease_at_boot_s", 2, 3_600)?;
        let deadline_max_s: u32 =
            effective.ranged("hands.deadline_max_s", 1, limits::DEADLINE_MAX.as_secs() as u32)?;
        let deadline_default_s: u32 = effective.ranged("hands.deadline_default_s", 1, deadline_max_s)?;
        let hub = HubConfig {
            soft_cap: effective.ranged("hands.soft_cap", 1, 10_000)?,
            loop_messages: effective.ranged("threads.loop_messages", 0, 1_000_000)?,
            loop_identical: effective.ranged("threads.loop_identical", 0, 1_000_000)?,
            lease_ms: i64::from(lease_s) * 1_000,
            lease_at_boot_ms: i64::from(lease_at_boot_s) * 1_000,
            deadline_default_ms: i64::from(deadline_default_s) * 1_000,
            deadline_max_ms: i64::from(deadline_max_s) * 1_000,
            expected: effective.parse_with("expected_roster", aspect_names)?,
            expected_grace_ms: i64::from(effective.ranged("expected_grace_s", 0, 86_400)?) * 1_000,
            blob_quota: u64::from(effective.ranged("blobs.quota_mb", 0, MEGABYTES_MAX)?) << 20,
            blob_quota_all: u64::from(effective.ranged("blobs.quota_all_mb", 0, MEGABYTES_MAX)?) << 20,
            watch_every_min_s: effective.ranged("watch.every_min_s", 1, 86_400)?,
        };
        let patience = Patience {
            stalled_ms: i64::from(effective.ranged("presence.stalled_s", 1, 3_600)?) * 1_000,
            deaf_ms: i64::from(effective.ranged("presence.deaf_s", 1, 3_600)?) * 1_000,
        };
        Ok(Self {
            data: data.to_owned(),
            listen,
            tls: always || !listen.ip().is_loopback(),
            leaf_days: effective.ranged("tls.leaf_days", 1, 825)?,
            public_url,
            dashboard: folder(data, effective, "dashboard.folder"),
            allowed_hosts: effective.parse_with("allowed_hosts", host_names)?,
            flush_each: effective.parse("links.flush_each", "true or false")?,
            rates: Rates {
                requests_per_s: effective.count("limits.requests_per_s", 1_000_000)?,
                upgrades_per_s: effective.count("limits.upgrades_per_s", 1_000_000)?,
                failures_per_min: effective.count("limits.failures_per_min", 1_000_000)?,
            },
            pace: Pace {
                commands_per_s: effective.count("links.commands_per_s", 1_000_000)?,
                stream_bytes_per_s: u64::from(effective.ranged("links.stream_mb_per_s", 1, 1_000_000)?) << 20,
            },
            links_max: effective.ranged("links_max", 1, limits::LINKS_MAX as u32)? as usize,
            metrics_open_on_loopback: effective.parse("metrics.open_on_loopback", "true or false")?,
            hub,
            patience,
            retention: Retention {
                inbox: effective.parse_with("retention.inbox_days", days)?,
                log: effective.parse_with("retention.log_days", days)?,
                messages: effective.parse_with("retention.messages_days", days)?,
                dispatches: effective.parse_with("retention.dispatches_days", days)?,
                approvals: effective.parse_with("retention.approvals_days", days)?,
            },
            backups: effective.parse_with("backup.folder", |folder| backup_folder(data, folder))?,
            blob_grace: Duration::from_secs(u64::from(effective.ranged("blobs.grace_s", 1, YEAR_S)?)),
            sink: match effective.text("observe.sink") {
                "" => None,
                path => Some(SinkSettings {
                    path: data.join(path),
                    file_bytes: u64::from(effective.ranged("observe.sink_mb", 1, MEGABYTES_MAX)?) << 20,
                    files: effective.ranged("observe.sink_files", 1, 1_000)?,
                }),
            },
            embedder: embedder(effective, env)?,
            push: PushSettings {
                allow: effective.parse_with("push.allow", servers)?,
                tries: effective.ranged("push.tries", 1, 100)?,
            },
            watch_allow: effective.parse_with("watch.allow", servers)?,
            finish: Duration::from_secs(u64::from(effective.ranged("spending.finish_s", 0, 3_600)?)),
            spawn: spawn(data, effective)?,
            workspace: folder(data, effective, "workspace"),
            synchronous: effective.parse_with("storage.synchronous", synchronous)?,
            conformance_fixtures: false,
            tenancy: None,
        })
    }

    /// Where it is reached, as far as that is known before it runs.
    pub(crate) fn url(&self) -> String {
        match (&self.public_url, &self.tenancy) {
            (Some(url), _) => url.clone(),
            (None, Some(tenancy)) => tenancy.name.url(self.listen, self.tls),
            (None, None) => local_url(self.listen, self.tls),
        }
    }

    /// What is allowed and still deserves a word.
    pub fn warnings(&self) -> Vec<String> {
        let mut warnings = Vec::new();
        if self.conformance_fixtures {
            warnings.push(
                "--conformance-fixtures: /mcp has tools, prompts and resources with which public suites test servers; for tests alone"
                    .to_owned(),
            );
        }
        let renewals = 2 * limits::LEASE_RENEW_INTERVAL;
        if Duration::from_millis(self.hub.lease_ms.unsigned_abs()) <= renewals {
            warnings.push(format!(
                "hands.lease_s is so short that a worker which is held up for a moment loses its lease; use more than {}",
                renewals.as_secs()
            ));
        }
        warnings
    }
}

/// What the file of a data directory says, and where that is.
fn entries(data: &Path) -> Result<(PathBuf, Vec<file::Entry>), ConfigError> {
    let path = data.join(FILE);
    let text = match std::fs::read_to_string(&path) {
        Ok(text) => text,
        // A data directory that is no folder is for whoever opens it to complain of.
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => String::new(),
        Err(error) => return Err(ConfigError::Read { path, message: error.to_string() }),
    };
    let entries = file::entries(&path, &text)?;
    Ok((path, entries))
}

fn aspect_names(text: &str) -> Result<Vec<AspectName>, String> {
    let names = text.split(',').map(str::trim).filter(|name| !name.is_empty());
    let mut names: Vec<AspectName> = names
        .map(|name| name.parse().map_err(|error: nexus_wire::NameError| format!("names of aspects: {error}")))
        .collect::<Result<_, _>>()?;
    names.sort();
    names.dedup();
    if names.len() > limits::EXPECTED_ROSTER_MAX {
        return Err(format!("at most {} names", limits::EXPECTED_ROSTER_MAX));
    }
    Ok(names)
}

/// A number of days, also a part of one; 0 is for ever.
fn days(text: &str) -> Result<Option<Duration>, String> {
    let seconds = text.parse::<f64>().ok().map(|days| days * 24.0 * 3_600.0);
    match seconds.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok()) {
        Some(Duration::ZERO) => Ok(None),
        Some(keep) if keep <= Duration::from_secs(100 * u64::from(YEAR_S)) => Ok(Some(keep)),
        Some(_) | None => Err("a number of days, 0 for ever".to_owned()),
    }
}

fn embedder(
    effective: &Effective,
    env: &impl Fn(&str) -> Option<String>,
) -> Result<Option<EmbedderSettings>, ConfigError> {
    let base_url = effective.text("embedder.base_url");
    if base_url.is_empty() {
        return Ok(None);
    }
    let key = effective.parse_with("embedder.api_key_env", |name| match name {
        "" => Ok(None),
        name => match env(name).filter(|key| !key.trim().is_empty()) {
            Some(key) => Ok(Some(Secret::from(key.trim()))),
            None => Err("the name of an environment variable that is set when the broker starts".to_owned()),
        },
    })?;
    let base_url = effective.parse_with("embedder.base_url", |text| server_url(text, key.is_some()))?;
    let model = effective.parse_with("embedder.model", |text| match text.len() {
        1..=256 => Ok(text.to_owned()),
        _ => Err("the name of a model of the server that embedder.base_url names".to_owned()),
    })?;
    Ok(Some(EmbedderSettings { base_url, model, key }))
}

/// A key goes over the network encrypted only.
fn server_url(text: &str, has_key: bool) -> Result<String, String> {
    let expected = || "an address such as https://api.example/v1, without a user or a query".to_owned();
    let url = Url::parse(text).map_err(|_| expected())?;
    let host = url.host_str().filter(|host| !host.is_empty()).ok_or_else(expected)?;
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    let is_here = bare == "localhost" || bare.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback());
    let is_plain = url.username().is_empty() && url.password().is_none();
    if !is_plain || url.query().is_some() || url.fragment().is_some() {
        return Err(expected());
    }
    match url.scheme() {
        "https" => {}
        "http" if is_here || !has_key => {}
        "http" => return Err("https://, or a server on this machine: a key goes there".to_owned()),
        _ => return Err(expected()),
    }
    Ok(url.as_str().trim_end_matches('/').to_owned())
}

fn servers(text: &str) -> Result<Vec<String>, String> {
    let servers: Vec<String> =
        text.split(',').map(str::trim).filter(|it| !it.is_empty()).map(str::to_owned).collect();
    match Allowed::faults(&servers).first() {
        Some(fault) => Err(format!("servers as host:port; {fault}")),
        None => Ok(servers),
    }
}

/// The homes that are named, and those of the workspace.
fn spawn(data: &Path, effective: &Effective) -> Result<Option<SpawnSettings>, ConfigError> {
    let mut folders = effective.parse_with("spawn.homes", |text| Ok(folders(data, text)))?;
    folders.extend(folder(data, effective, "workspace").map(|_| data.join(workspace::HOMES)));
    let agent_bin = folder(data, effective, "spawn.agent_bin");
    Ok((!folders.is_empty()).then_some(SpawnSettings { folders, agent_bin }))
}

/// What a setting names, if it names something.
fn folder(data: &Path, effective: &Effective, key: &'static str) -> Option<PathBuf> {
    Some(effective.text(key)).filter(|it| !it.is_empty()).map(|it| data.join(it))
}

/// Relative to the data directory, as everything in its file is.
fn folders(data: &Path, text: &str) -> Vec<PathBuf> {
    text.split(',')
        .map(str::trim)
        .filter(|folder| !folder.is_empty())
        .map(|folder| data.join(folder))
        .collect()
}

/// Relative to the data directory, so that it is the same wherever the broker is started.
fn backup_folder(data: &Path, text: &str) -> Result<PathBuf, String> {
    Ok(data.join(if text.is_empty() { "backups" } else { text }))
}

fn synchronous(text: &str) -> Result<Synchronous, String> {
    match text {
        "full" => Ok(Synchronous::Full),
        "off" => Ok(Synchronous::Off),
        _ => Err("full or off".to_owned()),
    }
}

fn public_url(text: &str) -> Result<Option<String>, String> {
    if text.is_empty() {
        return Ok(None);
    }
    let bare = text.strip_suffix('/').unwrap_or(text);
    let authority = bare.strip_prefix("https://").or_else(|| bare.strip_prefix("http://"));
    match authority {
        Some(authority) if !authority.is_empty() && !authority.contains(['/', '?', '#', '@', ' ']) => {
            Ok(Some(bare.to_ascii_lowercase()))
        }
        Some(_) | None => Err("a URL without a path, such as https://nexus.example".to_owned()),
    }
}

/// Whoever names an address asks the broker's own Nexus.
pub(crate) fn tenants_url(text: &str) -> Result<String, String> {
    let url = public_url(text)?.unwrap_or_default();
    if is_address(host_in(&url)) {
        return Err(
            "a URL with a name, such as https://acme.example: addresses are the broker's own".to_owned()
        );
    }
    Ok(url)
}

pub(crate) fn tenants_hosts(text: &str) -> Result<Vec<String>, String> {
    let names = host_names(text)?;
    match names.iter().find(|name| is_address(name)) {
        Some(name) => Err(format!("names; {name} is an address, and those are the broker's own")),
        None => Ok(names),
    }
}

fn is_address(host: &str) -> bool {
    host.parse::<IpAddr>().is_ok()
}

fn host_names(text: &str) -> Result<Vec<String>, String> {
    let names: Vec<String> =
        text.split(',').map(str::trim).filter(|name| !name.is_empty()).map(str::to_ascii_lowercase).collect();
    let plain = |name: &&String| {
        name.parse::<std::net::IpAddr>().is_err()
            && !name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_'))
    };
    match names.iter().find(plain) {
        Some(name) => Err(format!("host names without scheme or port; {name:?} is none")),
        None => Ok(names),
    }
}

#[cfg(test)]
mod fuzz;
#[cfg(test)]
mod tests;
