//! `run_command`: a shell command in the sandbox of the home.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::args::whole;
use super::roots::{PathError, Roots, is_closed};
use crate::sandbox::{CommandEnd, Kept, Ran, Request, Sandbox, SandboxError, shell};

const COMMAND_BYTES_MAX: usize = 64 * 1024;
/// How far roots are looked through for folders of keys.
const CLOSED_DEPTH_MAX: usize = 8;
const CLOSED_FOLDERS_MAX: usize = 20_000;

#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RunCommand {
    /// For `/bin/sh -c`. It has no input, no terminal and an empty environment.
    command: String,
    /// The folder to run it in, as <root>/<path in that root>; the first root that may be written in when absent.
    #[serde(default)]
    folder: Option<String>,
    /// How long it may take; as long as the home allows when absent. Then it is ended with all it has started.
    #[serde(default, deserialize_with = "whole")]
    #[schemars(with = "Option<u64>")]
    timeout_s: Option<u64>,
}

/// How a command went, as a model is told.
#[derive(Debug, PartialEq, Serialize)]
pub(crate) struct CommandResult {
    #[serde(skip_serializing_if = "Option::is_none")]
    exit_code: Option<i32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    signal: Option<i32>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    timed_out: bool,
    #[serde(serialize_with = "text")]
    stdout: Kept,
    #[serde(serialize_with = "text")]
    stderr: Kept,
    /// Something is left out of an output.
    truncated: bool,
    duration_ms: u64,
}

impl super::Shrink for CommandResult {
    fn shrink(&mut self) -> bool {
        self.truncated = true;
        // The longer one first, so that an error survives a flood.
        let size = |kept: &Kept| kept.head.len() + kept.tail.len();
        let (first, second) = match size(&self.stdout) >= size(&self.stderr) {
            true => (&mut self.stdout, &mut self.stderr),
            false => (&mut self.stderr, &mut self.stdout),
        };
        first.shrink() || second.shrink()
    }
}

impl CommandResult {
    pub(super) fn has_timed_out(&self) -> bool {
        self.timed_out
    }
}

fn text<S: serde::Serializer>(kept: &Kept, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&kept.text())
}

impl From<Ran> for CommandResult {
    fn from(ran: Ran) -> Self {
        let (exit_code, signal) = match ran.end {
            CommandEnd::Exit(code) => (Some(code), None),
            CommandEnd::Signal(signal) => (None, Some(signal)),
            CommandEnd::TimedOut => (None, None),
        };
        Self {
            exit_code,
            signal,
            timed_out: ran.end == CommandEnd::TimedOut,
            truncated: !ran.stdout.is_whole() || !ran.stderr.is_whole(),
            stdout: ran.stdout,
            stderr: ran.stderr,
            duration_ms: ran.duration_ms,
        }
    }
}

#[derive(Debug, thiserror::Error)]
pub(crate) enum CommandError {
    #[error("argument `command` is empty")]
    Empty,
    #[error("argument `folder`: {0:?} is a file; name a folder")]
    File(String),
    #[error("there is no root to run a command in; the home names some as `roots`")]
    NoRoot,
    #[error("argument `command`: a NUL byte is no part of a command")]
    Nul,
    #[error(transparent)]
    Path(#[from] PathError),
    #[error(transparent)]
    Sandbox(#[from] SandboxError),
    #[error(
        "argument `command` has {0} bytes; at most {COMMAND_BYTES_MAX}. Write a script with write_file and run that"
    )]
    TooLong(usize),
}

impl RunCommand {
    /// What to run, once it is clear where. Looks at files.
    pub(crate) fn request(&self, roots: &Roots, output_bytes_max: usize) -> Result<Request, CommandError> {
        if self.command.trim().is_empty() {
            return Err(CommandError::Empty);
        }
        if self.command.len() > COMMAND_BYTES_MAX {
            return Err(CommandError::TooLong(self.command.len()));
        }
        if self.command.contains('\0') {
            return Err(CommandError::Nul);
        }
        let first = roots.iter().find(|root| root.write).or_else(|| roots.iter().next());
        let first = first.ok_or(CommandError::NoRoot)?;
        let place = roots.resolve(self.folder.as_deref().unwrap_or(&first.label))?;
        if !place.real.is_dir() {
            return Err(CommandError::File(place.shown));
        }
        let Folders { read, write, closed } = Folders::of(roots);
        Ok(Request {
            argv: shell(&self.command),
            input: None,
            env: Vec::new(),
            home: place.root.clone(),
            folder: place.real,
            read,
            write,
            closed,
            timeout: self.timeout_s.map(|seconds| Duration::from_secs(seconds.max(1))),
            output_bytes_max,
        })
    }
}

/// What a command reaches of the roots.
#[derive(Debug, Default)]
pub(crate) struct Folders {
    pub(crate) read: Vec<PathBuf>,
    pub(crate) write: Vec<PathBuf>,
    /// Folders within these that nobody may look into.
    pub(crate) closed: Vec<PathBuf>,
}

impl Folders {
    /// Looks at files.
    pub(crate) fn of(roots: &Roots) -> Self {
        let mut folders = Self::default();
        for root in roots.iter() {
            // One that is gone is in nobody's reach.
            let Ok(top) = root.path.canonicalize() else { continue };
            closed_below(&top, &mut folders.closed);
            let list = if root.write { &mut folders.write } else { &mut folders.read };
            list.push(top);
        }
        folders
    }
}

/// Folders of keys below a root. Links are not followed: a command is held to where they lead.
fn closed_below(top: &Path, closed: &mut Vec<PathBuf>) {
    let mut todo = vec![(top.to_path_buf(), 0)];
    let mut seen = 0;
    while let Some((folder, depth)) = todo.pop() {
        for entry in fs::read_dir(&folder).into_iter().flatten().flatten() {
            if !entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                continue;
            }
            let path = entry.path();
            seen += 1;
            if is_closed(Path::new(&entry.file_name())) {
                closed.push(path);
            } else if depth < CLOSED_DEPTH_MAX && seen < CLOSED_FOLDERS_MAX {
                todo.push((path, depth + 1));
            }
        }
    }
}

/// Runs it; dropping the future ends the command.
pub(super) async fn run(sandbox: &Sandbox, request: Request) -> Result<CommandResult, CommandError> {
    Ok(sandbox.run(request).await?.into())
}

/// What programs say that were not let.
const STOPPED: [&str; 7] = [
    "permission denied",
    "operation not permitted",
    "read-only file system",
    "network is unreachable",
    "could not resolve",
    "name resolution",
    "name or service not known",
];

/// Whether the sandbox is what a command failed at, as far as one can tell from outside: it was not made, or the command
/// failed and said that it was not let.
pub(super) fn was_stopped(ran: &Result<CommandResult, CommandError>) -> bool {
    match ran {
        Ok(result) => {
            let said = [result.stderr.text(), result.stdout.text()].concat().to_lowercase();
            result.exit_code.is_some_and(|code| code != 0) && STOPPED.iter().any(|words| said.contains(words))
        }
        Err(CommandError::Sandbox(SandboxError::Closed(_) | SandboxError::Failed(_))) => true,
        Err(
            CommandError::Sandbox(SandboxError::Lost(_))
            | CommandError::Empty
            | CommandError::File(_)
            | CommandError::NoRoot
            | CommandError::Nul
            | CommandError::Path(_)
            | CommandError::TooLong(_),
        ) => false,
    }
}
