//! What of a workspace was loaded, in `<data>/workspace.json`: read again at the next start, and shown by
//! `nexus workspace status`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use nexus_wire::Ms;
use serde::{Deserialize, Serialize};

use super::WorkspaceError;
use crate::datadir::{DataDir, DataDirError};

const RECORD_FILE: &str = "workspace.json";

#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub(crate) struct Record {
    pub(crate) workspace: PathBuf,
    /// When it was looked through last.
    pub(crate) read_at: Ms,
    /// By `<kind>/<name>`.
    pub(crate) items: BTreeMap<String, Known>,
    /// What was copied into homes, by path, and the hash of each.
    pub(crate) files: BTreeMap<String, String>,
    /// What is wrong, by file.
    pub(crate) faults: BTreeMap<String, String>,
}

#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub(crate) struct Known {
    pub(crate) file: String,
    pub(crate) sha256: String,
    pub(crate) state: State,
}

#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum State {
    Loaded,
    /// No file says it any more.
    Left,
    /// Its time had passed.
    Past,
}

impl State {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Loaded => "loaded",
            Self::Left => "left",
            Self::Past => "past",
        }
    }
}

impl Record {
    /// Of another workspace; alerts there may be of it end with the first look.
    pub(super) fn of(workspace: &Path, faults: BTreeMap<String, String>) -> Self {
        Self { workspace: workspace.to_owned(), faults, ..Self::default() }
    }

    pub(super) fn load(data: &DataDir) -> Result<Self, WorkspaceError> {
        let Some(text) = data.read(RECORD_FILE)? else { return Ok(Self::default()) };
        serde_json::from_str(&text).map_err(|error| WorkspaceError::Record {
            path: data.path().join(RECORD_FILE),
            why: error.to_string(),
        })
    }

    /// What the broker of a data directory has loaded of `workspace`, if it keeps that one.
    pub(crate) fn of_data(data: &Path, workspace: &Path) -> Option<Self> {
        let text = std::fs::read_to_string(data.join(RECORD_FILE)).ok()?;
        let record: Self = serde_json::from_str(&text).ok()?;
        (record.workspace == std::path::absolute(workspace).ok()?).then_some(record)
    }

    pub(super) fn save(&self, data: &DataDir) -> Result<(), DataDirError> {
        data.write_private(RECORD_FILE, &serde_json::to_string_pretty(self).unwrap_or_default())
    }
}
