//! The settings there are, the value each has and where it came from.

use std::collections::BTreeMap;
use std::fmt;
use std::num::NonZeroU32;
use std::path::PathBuf;
use std::str::FromStr;

use super::ConfigError;

/// One thing that can be set.
#[derive(Clone, Copy, Debug)]
pub struct Setting {
    /// As in the file, with dots for its tables.
    pub key: &'static str,
    pub default: &'static str,
    pub about: &'static str,
}

pub const SETTINGS: &[Setting] = &[
    Setting { key: "listen", default: "127.0.0.1:7888", about: "address and port; port 0 takes a free one" },
    Setting { key: "tls.always", default: "false", about: "TLS on a loopback address too" },
    Setting { key: "tls.leaf_days", default: "90", about: "how long a server certificate is good" },
    Setting { key: "public_url", default: "", about: "under which a proxy shows this broker" },
    Setting { key: "allowed_hosts", default: "", about: "further host names requests may name" },
    Setting {
        key: "dashboard.folder",
        default: "",
        about: "serve the dashboard of this folder instead of the one that is built in",
    },
    Setting {
        key: "links.flush_each",
        default: "false",
        about: "write each frame by itself; on only as the control of a benchmark",
    },
    Setting {
        key: "links.commands_per_s",
        default: "20000",
        about: "durable frames of one link; what comes faster is read later",
    },
    Setting {
        key: "links.stream_mb_per_s",
        default: "256",
        about: "MiB that one link may stream; what comes faster is read later",
    },
    Setting { key: "links_max", default: "16384", about: "links open at once" },
    Setting {
        key: "metrics.open_on_loopback",
        default: "false",
        about: "/metrics needs no token from this machine",
    },
    Setting {
        key: "expected_roster",
        default: "",
        about: "aspects that should be here; one that is not is an alert",
    },
    Setting { key: "expected_grace_s", default: "60", about: "seconds one of them may be away" },
    Setting { key: "presence.stalled_s", default: "60", about: "seconds a turn may be without progress" },
    Setting { key: "presence.deaf_s", default: "60", about: "seconds an item may be unacknowledged" },
    Setting {
        key: "backup.folder",
        default: "",
        about: "where backups asked for over HTTP go; <data>/backups when empty",
    },
    Setting { key: "blobs.quota_mb", default: "1024", about: "MiB of blobs one party may keep" },
    Setting { key: "blobs.quota_all_mb", default: "10240", about: "MiB of blobs all together may keep" },
    Setting {
        key: "blobs.grace_s",
        default: "86400",
        about: "seconds until a blob that nothing refers to is deleted",
    },
    Setting {
        key: "limits.requests_per_s",
        default: "200",
        about: "HTTP requests of one identity, and of one address beyond this machine",
    },
    Setting {
        key: "limits.upgrades_per_s",
        default: "100",
        about: "links opened from one address beyond this machine",
    },
    Setting { key: "limits.failures_per_min", default: "30", about: "bad credentials from one address" },
    Setting { key: "hands.soft_cap", default: "3", about: "Hand dispatches at work at once" },
    Setting {
        key: "hands.lease_s",
        default: "30",
        about: "seconds without a renewal until a worker is lost",
    },
    Setting { key: "hands.lease_at_boot_s", default: "90", about: "the same, after a start of the broker" },
    Setting {
        key: "hands.deadline_default_s",
        default: "1800",
        about: "deadline of a dispatch that names none",
    },
    Setting { key: "hands.deadline_max_s", default: "7200", about: "longest deadline a dispatch may have" },
    Setting {
        key: "embedder.base_url",
        default: "",
        about: "OpenAI-compatible server that makes vectors, such as http://127.0.0.1:11434/v1; none when empty",
    },
    Setting { key: "embedder.model", default: "", about: "its model" },
    Setting {
        key: "embedder.api_key_env",
        default: "",
        about: "environment variable that holds its key; none when empty",
    },
    Setting {
        key: "push.allow",
        default: "",
        about: "servers as host:port that tasks may be pushed to though they are private or speak plain HTTP",
    },
    Setting {
        key: "watch.allow",
        default: "",
        about: "servers as host:port that triggers may watch though they are private or speak plain HTTP",
    },
    Setting {
        key: "watch.every_min_s",
        default: "60",
        about: "seconds between two looks at one address, at least",
    },
    Setting { key: "push.tries", default: "12", about: "tries of one notification until it is given up" },
    Setting {
        key: "retention.inbox_days",
        default: "30",
        about: "days acknowledged items of inboxes are kept; 0 for ever",
    },
    Setting {
        key: "retention.messages_days",
        default: "0",
        about: "days messages are kept that nobody waits for; 0 for ever",
    },
    Setting {
        key: "retention.dispatches_days",
        default: "0",
        about: "days dispatches are kept after their end; 0 for ever",
    },
    Setting {
        key: "retention.approvals_days",
        default: "0",
        about: "days what people were asked for is kept after its end; 0 for ever",
    },
    Setting {
        key: "retention.log_days",
        default: "0",
        about: "days entries of the log are kept; 0 for ever",
    },
    Setting {
        key: "observe.sink",
        default: "",
        about: "file that what aspects stream is written to as JSON lines, in the data directory unless it begins with /",
    },
    Setting { key: "observe.sink_mb", default: "64", about: "MiB after which another such file is begun" },
    Setting { key: "observe.sink_files", default: "4", about: "such files kept in all" },
    Setting {
        key: "threads.loop_messages",
        default: "20",
        about: "messages of aspects in a row that pause a thread; 0 never",
    },
    Setting { key: "threads.loop_identical", default: "3", about: "the same one that often; 0 never" },
    Setting {
        key: "spending.finish_s",
        default: "60",
        about: "seconds calls of models through the broker may go on once all spending is stopped",
    },
    Setting {
        key: "spawn.homes",
        default: "",
        about: "folders of homes whose agents run beside the broker; none when empty",
    },
    Setting {
        key: "spawn.agent_bin",
        default: "",
        about: "their program; `agent` beside `nexus` when empty",
    },
    Setting {
        key: "workspace",
        default: "",
        about: "folder whose flows, triggers and aspects the broker keeps; none when empty",
    },
    Setting { key: "storage.synchronous", default: "full", about: "full; off only as the control of a test" },
];

impl Setting {
    /// `hands.soft_cap` is `NEXUS_HANDS_SOFT_CAP`.
    pub fn env_name(&self) -> String {
        format!("NEXUS_{}", self.key.to_ascii_uppercase().replace('.', "_"))
    }
}

/// Where a value came from.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Source {
    Default,
    /// A tenant has it from the broker with this data directory.
    Broker(PathBuf),
    File {
        path: PathBuf,
        line: usize,
    },
    Env(String),
    Flag,
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::Broker(data) => write!(f, "the broker of {}", data.display()),
            Self::File { path, line } => write!(f, "{}:{line}", path.display()),
            Self::Env(name) => f.write_str(name),
            Self::Flag => f.write_str("command line"),
        }
    }
}

/// Every setting's text and source.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Effective(BTreeMap<&'static str, (String, Source)>);

impl Effective {
    pub(super) fn defaults() -> Self {
        Self(SETTINGS.iter().map(|it| (it.key, (it.default.to_owned(), Source::Default))).collect())
    }

    pub(super) fn set(&mut self, key: &'static str, value: String, source: Source) {
        self.0.insert(key, (value, source));
    }

    /// In the order of [`SETTINGS`].
    pub fn rows(&self) -> impl Iterator<Item = (&'static str, &str, &Source)> {
        SETTINGS.iter().filter_map(|setting| {
            self.0.get(setting.key).map(|(value, source)| (setting.key, value.as_str(), source))
        })
    }

    pub(super) fn text(&self, key: &'static str) -> &str {
        self.0.get(key).map_or("", |it| it.0.as_str())
    }

    pub(super) fn parse<T: FromStr>(&self, key: &'static str, expected: &str) -> Result<T, ConfigError> {
        self.parse_with(key, |text| text.parse().map_err(|_| expected.to_owned()))
    }

    pub(super) fn ranged(&self, key: &'static str, min: u32, max: u32) -> Result<u32, ConfigError> {
        self.parse_with(key, |text| match text.parse() {
            Ok(number) if (min..=max).contains(&number) => Ok(number),
            Ok(_) | Err(_) => Err(format!("a whole number from {min} to {max}")),
        })
    }

    pub(super) fn count(&self, key: &'static str, max: u32) -> Result<NonZeroU32, ConfigError> {
        self.ranged(key, 1, max).map(|number| NonZeroU32::new(number).unwrap_or(NonZeroU32::MIN))
    }

    /// The error of `parse` says what was expected.
    pub(super) fn parse_with<T>(
        &self,
        key: &'static str,
        parse: impl FnOnce(&str) -> Result<T, String>,
    ) -> Result<T, ConfigError> {
        let (value, source) = self.0.get(key).map_or(("", &Source::Default), |it| (it.0.as_str(), &it.1));
        parse(value).map_err(|expected| ConfigError::Value {
            source_name: source.to_string(),
            key,
            value: value.to_owned(),
            expected: format!("expected {expected}"),
        })
    }
}
