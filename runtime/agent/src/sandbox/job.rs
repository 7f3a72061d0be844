//! What the agent, the keeper and the process that becomes the command tell each other. Data alone.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::config::Mode;

/// What a helper is started as.
pub(super) const KEEP: &str = "sandbox-keep";
pub(super) const ENTER: &str = "sandbox-enter";

/// One command, from the agent to its keeper: the first line of the keeper's input.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub(super) struct Job {
    /// The program and its arguments, handed over as they are: no shell reads them.
    pub(super) argv: Vec<String>,
    /// For its standard input, which is empty when absent.
    pub(super) input: Option<String>,
    /// Variables it gets besides the usual ones.
    pub(super) env: Vec<(String, String)>,
    pub(super) timeout_ms: u64,
    /// Of what it writes, kept of each of its two outputs.
    pub(super) output_bytes_max: usize,
    /// Where bubblewrap is, when the command is to have namespaces of its own.
    pub(super) bubblewrap: Option<PathBuf>,
    /// Folders that are to be empty inside. Needs bubblewrap.
    pub(super) masked: Vec<PathBuf>,
    pub(super) terms: Terms,
}

/// On what terms a command runs: what is given up before it begins.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub(super) struct Terms {
    pub(super) mode: Mode,
    pub(super) network: bool,
    /// Where it begins, and its home.
    pub(super) folder: PathBuf,
    pub(super) home: PathBuf,
    pub(super) read: Vec<PathBuf>,
    pub(super) write: Vec<PathBuf>,
    /// Its folder for temporary files; the keeper makes it.
    pub(super) temp: PathBuf,
    /// Whether it is in namespaces of its own.
    pub(super) in_namespaces: bool,
    pub(super) cpu_s: u64,
    pub(super) memory_bytes: u64,
    pub(super) file_bytes: u64,
    pub(super) processes: u64,
}

/// From the keeper: all of its output.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Answer {
    Ran(Ran),
    /// The command was not run.
    Failed(String),
}

/// How a command went.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct Ran {
    pub end: CommandEnd,
    pub stdout: Kept,
    pub stderr: Kept,
    pub duration_ms: u64,
}

#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum CommandEnd {
    Exit(i32),
    Signal(i32),
    TimedOut,
}

/// The beginning and the end of what was written, and how many bytes between them were left out.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub struct Kept {
    pub head: String,
    pub tail: String,
    pub omitted: u64,
}
