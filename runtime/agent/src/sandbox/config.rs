//! `sandbox` in `aspect.json`: what commands may reach, and how much they may take.

use std::path::Path;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

const SECONDS_MAX: u32 = 3600;
const MEGABYTES_MAX: u32 = 1024 * 1024;
const PROCESSES_MAX: u32 = 65_536;

/// What the commands of `run_command` may reach.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct SandboxConfig {
    pub mode: Mode,
    /// Whether commands may use the network.
    pub network: bool,
    /// Folders and files that commands may read and run beside the roots and the system's own: absolute paths.
    pub read: Vec<String>,
    /// How long a command may run when a call does not say less.
    pub seconds_max: u32,
    /// Address space of one process, in MiB.
    pub memory_mb: u32,
    /// A file a command writes, in MiB.
    pub file_mb: u32,
    /// Processes and threads of one command.
    pub processes: u32,
}

impl Default for SandboxConfig {
    fn default() -> Self {
        Self {
            mode: Mode::default(),
            network: false,
            read: Vec::new(),
            seconds_max: 300,
            memory_mb: 4096,
            file_mb: 256,
            processes: 256,
        }
    }
}

#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Mode {
    /// Commands change no file but those of a temporary folder of their own.
    ReadOnly,
    /// Commands also write in the roots that may be written in.
    #[default]
    WorkspaceWrite,
    /// Nothing is closed to commands: they may do what the agent's own user may do.
    Full,
}

impl SandboxConfig {
    /// Fields and what is wrong with them.
    pub(crate) fn faults(&self) -> Vec<(String, String)> {
        let mut faults = Vec::new();
        let numbers = [
            ("seconds_max", self.seconds_max, 1, SECONDS_MAX),
            ("memory_mb", self.memory_mb, 16, MEGABYTES_MAX),
            ("file_mb", self.file_mb, 1, MEGABYTES_MAX),
            ("processes", self.processes, 1, PROCESSES_MAX),
        ];
        for (field, value, least, most) in numbers {
            if !(least..=most).contains(&value) {
                faults.push((format!("sandbox.{field}"), format!("{value} is not from {least} to {most}")));
            }
        }
        for (at, path) in self.read.iter().enumerate() {
            if !Path::new(path).is_absolute() || path == "/" {
                let message = format!("{path:?} is no absolute path of a folder or file below /");
                faults.push((format!("sandbox.read[{at}]"), message));
            }
        }
        faults
    }
}
