//! Watches of files: an aspect looks at folders of its own machine, as its settings say, and reports what has changed
//! there. Triggers wait for such reports.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::name::{TriggerName, WatchName, WatchRef};

/// A trigger is fired by the reports of a watch.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct FilesWatch {
    /// `<aspect>/<watch>`: the aspect's settings name the watch.
    pub watch: WatchRef,
    /// Only changes of these kinds; empty: of every kind.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub kinds: Vec<FileChangeKind>,
}

impl FilesWatch {
    pub fn wants(&self, kind: FileChangeKind) -> bool {
        self.kinds.is_empty() || self.kinds.contains(&kind)
    }
}

/// What has become of a file. One that was moved is gone where it was, and new where it is.
#[derive(Clone, Copy, Debug, Deserialize, Eq, JsonSchema, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum FileChangeKind {
    Created,
    Modified,
    Removed,
}

impl FileChangeKind {
    pub const ALL: [Self; 3] = [Self::Created, Self::Modified, Self::Removed];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::Modified => "modified",
            Self::Removed => "removed",
        }
    }
}

#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
pub struct FileChange {
    /// `<root>/<path>`, as the aspect's scripts and file tools take it. What is no UTF-8 in it reads as U+FFFD.
    pub path: String,
    /// The path as it is, in hex, where it is no UTF-8.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bytes: Option<String>,
    pub kind: FileChangeKind,
    /// Of the file as it is now; absent for one that is gone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub size: Option<u64>,
}

/// How many changes there are of each kind.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(default)]
pub struct FileCounts {
    pub created: u64,
    pub modified: u64,
    pub removed: u64,
}

impl FileCounts {
    pub fn of(self, kind: FileChangeKind) -> u64 {
        match kind {
            FileChangeKind::Created => self.created,
            FileChangeKind::Modified => self.modified,
            FileChangeKind::Removed => self.removed,
        }
    }

    pub fn add(&mut self, kind: FileChangeKind) {
        let count = match kind {
            FileChangeKind::Created => &mut self.created,
            FileChangeKind::Modified => &mut self.modified,
            FileChangeKind::Removed => &mut self.removed,
        };
        *count = count.saturating_add(1);
    }

    pub fn is_none(&self) -> bool {
        *self == Self::default()
    }
}

/// A watch as its aspect declares it.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
pub struct WatchSpec {
    pub name: WatchName,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub description: String,
}

/// `watch.changed`: what has changed since the report before. The same again, under the same id, does nothing.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
pub struct WatchChanged {
    pub watch: WatchName,
    /// In the order of their paths.
    pub changes: Vec<FileChange>,
    /// Changes that are not listed.
    #[serde(default, skip_serializing_if = "FileCounts::is_none")]
    pub more: FileCounts,
}

/// The answer to `watch.changed`: it is on disk.
#[derive(Clone, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
pub struct WatchTold {
    /// Those that have a slot for it.
    pub triggers: Vec<TriggerName>,
}

/// `watch.failing`: whether the aspect sees the files of a watch.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
pub struct WatchFailing {
    pub watch: WatchName,
    /// Why it does not. Absent once it does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// Whether somebody looks at the files that a trigger waits for.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
pub struct WatcherInfo {
    pub state: WatcherState,
    /// Why nobody does, and what to do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

#[derive(Clone, Copy, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum WatcherState {
    Watching,
    /// The aspect does not see the files.
    Failing,
    /// The aspect is not connected. It finds what changes meanwhile when it comes back.
    Away,
    /// The aspect has no such watch.
    NotOffered,
}

impl WatcherState {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Watching => "watching",
            Self::Failing => "failing",
            Self::Away => "away",
            Self::NotOffered => "not_offered",
        }
    }
}
