//! Commands of a model, run where they can reach little: what a home allows, and the way to the helper that runs them.
//!
//! Three processes take part. The agent asks ([`Sandbox::run`]) and holds a pipe open; the *keeper*
//! (`agent sandbox-keep`) watches over one command, its output and everything it starts, and ends all of it when the
//! pipe closes, whatever became of the agent; `agent sandbox-enter` gives up its rights and becomes the command. They
//! are processes of their own because rights can only be given up for good, and because `unsafe` code, which doing so
//! between fork and exec takes, is forbidden here.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{ExitCode, Stdio};
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::process::Command;
use tokio::sync::OnceCell;

use job::{Answer, ENTER, Job, KEEP, Terms};

mod bubble;
mod calls;
mod capture;
mod config;
mod enter;
mod job;
mod keeper;
mod probe;
mod tree;

pub use config::{Mode, SandboxConfig};
pub use job::{CommandEnd, Kept, Ran};
pub(crate) use keeper::SEARCHED;
pub use probe::{Layer, Probed, probe};

/// How much longer than its command a keeper may take.
const KEEPER_SLACK: Duration = Duration::from_secs(15);
/// What a keeper may answer beyond the output it keeps; bytes that are no text may take six times their room as JSON.
const ANSWER_BYTES_MAX: u64 = 64 * 1024;
const MEGABYTE: u64 = 1024 * 1024;

/// Runs the commands of one home.
#[derive(Clone, Debug)]
pub struct Sandbox {
    config: SandboxConfig,
    /// The `agent` program.
    helper: PathBuf,
    /// Where bubblewrap is, once it has been tried out.
    bubblewrap: Arc<OnceCell<Option<PathBuf>>>,
}

/// A command and what it is about.
#[derive(Clone, Debug)]
pub struct Request {
    /// The program and its arguments; [`shell`] makes them of a command line.
    pub argv: Vec<String>,
    /// For its standard input, which is empty when absent.
    pub input: Option<String>,
    /// Variables it gets besides the usual ones.
    pub env: Vec<(String, String)>,
    /// Where it begins.
    pub folder: PathBuf,
    /// Its home.
    pub home: PathBuf,
    pub read: Vec<PathBuf>,
    pub write: Vec<PathBuf>,
    /// Folders within these that nobody may look into.
    pub closed: Vec<PathBuf>,
    /// Within what the home allows.
    pub timeout: Option<Duration>,
    /// Of each of its two outputs.
    pub output_bytes_max: usize,
}

/// A command line as a program and its arguments.
pub fn shell(command: &str) -> Vec<String> {
    ["/bin/sh", "-c", command].map(str::to_owned).into()
}

#[derive(Debug, thiserror::Error)]
pub enum SandboxError {
    #[error(
        "{} holds keys and lies within a root, which without bubblewrap cannot be kept from commands; install \
         bubblewrap, or name roots that do not hold it", .0.display()
    )]
    Closed(PathBuf),
    #[error("the command was not run: {0}")]
    Failed(String),
    #[error("the command was lost: {0}")]
    Lost(String),
}

impl Sandbox {
    /// `helper` is the `agent` program, which this process usually is itself.
    pub fn new(config: SandboxConfig, helper: PathBuf) -> Self {
        Self { config, helper, bubblewrap: Arc::default() }
    }

    /// The same without namespaces, as on a machine that has no bubblewrap.
    #[must_use]
    pub fn without_bubblewrap(self) -> Self {
        Self { bubblewrap: Arc::new(OnceCell::new_with(Some(None))), ..self }
    }

    /// The same with nothing closed, for what a person has allowed.
    #[must_use]
    pub fn opened(&self) -> Self {
        let config = SandboxConfig { mode: Mode::Full, ..self.config.clone() };
        Self { config, ..self.clone() }
    }

    /// The same on other terms.
    #[must_use]
    pub(crate) fn on_terms(&self, config: SandboxConfig) -> Self {
        Self { config, ..self.clone() }
    }

    /// Whether anything is closed to commands.
    pub fn is_closed(&self) -> bool {
        self.config.mode != Mode::Full
    }

    /// Whether commands get namespaces of their own. Found out once, by trying.
    pub async fn has_namespaces(&self) -> bool {
        self.bubblewrap().await.is_some()
    }

    pub(crate) fn config(&self) -> &SandboxConfig {
        &self.config
    }

    async fn bubblewrap(&self) -> Option<PathBuf> {
        if self.config.mode == Mode::Full {
            return None;
        }
        self.bubblewrap.get_or_init(probed).await.clone()
    }

    /// Runs a command to its end. Dropping the future ends it, and all it has started.
    pub async fn run(&self, request: Request) -> Result<Ran, SandboxError> {
        let ran = self.run_unless(request, std::future::pending()).await?;
        ran.ok_or_else(|| SandboxError::Lost("it was given up".to_owned()))
    }

    /// Runs a command to its end, or until it is given up: `None`, and by then it and all it has started are gone.
    pub(crate) async fn run_unless(
        &self,
        request: Request,
        given_up: impl Future<Output = ()> + Send,
    ) -> Result<Option<Ran>, SandboxError> {
        let bubblewrap = self.bubblewrap().await;
        match (request.closed.first(), self.config.mode) {
            (Some(closed), Mode::ReadOnly | Mode::WorkspaceWrite) if bubblewrap.is_none() => {
                return Err(SandboxError::Closed(closed.clone()));
            }
            (Some(_) | None, _) => {}
        }
        let job = self.job(request, bubblewrap);
        let most = Duration::from_millis(job.timeout_ms) + KEEPER_SLACK;
        let answered = tokio::time::timeout(most, self.kept(&job, given_up)).await;
        match answered.map_err(|_| SandboxError::Lost("its keeper does not answer".to_owned()))? {
            Ok(Some(Answer::Ran(ran))) => Ok(Some(ran)),
            Ok(Some(Answer::Failed(why))) => Err(SandboxError::Failed(why)),
            Ok(None) => Ok(None),
            Err(error) => Err(SandboxError::Lost(error.to_string())),
        }
    }

    fn job(&self, request: Request, bubblewrap: Option<PathBuf>) -> Job {
        let config = &self.config;
        let most = Duration::from_secs(config.seconds_max.into());
        let timeout = request.timeout.map_or(most, |timeout| timeout.min(most));
        let mut read = request.read;
        read.extend(config.read.iter().map(PathBuf::from));
        let mut write = request.write;
        if config.mode == Mode::ReadOnly {
            read.append(&mut write);
        }
        Job {
            argv: request.argv,
            input: request.input,
            env: request.env,
            timeout_ms: u64::try_from(timeout.as_millis()).unwrap_or(u64::MAX),
            output_bytes_max: request.output_bytes_max,
            masked: if bubblewrap.is_some() { request.closed } else { Vec::new() },
            terms: Terms {
                mode: config.mode,
                network: config.network,
                folder: request.folder,
                home: request.home,
                read,
                write,
                temp: PathBuf::new(),
                in_namespaces: bubblewrap.is_some(),
                cpu_s: config.seconds_max.into(),
                memory_bytes: u64::from(config.memory_mb) * MEGABYTE,
                file_bytes: u64::from(config.file_mb) * MEGABYTE,
                processes: config.processes.into(),
            },
            bubblewrap,
        }
    }

    async fn kept(
        &self,
        job: &Job,
        given_up: impl Future<Output = ()> + Send,
    ) -> std::io::Result<Option<Answer>> {
        let mut keeper = Command::new(&self.helper)
            .arg(KEEP)
            .current_dir("/")
            // The agent's own variables hold keys.
            .env_clear()
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()?;
        let closed = || std::io::Error::other("its keeper has no input or output");
        // Held until the answer is there: when it closes, the command ends.
        let mut lifeline = keeper.stdin.take().ok_or_else(closed)?;
        let output = keeper.stdout.take().ok_or_else(closed)?;
        let mut line = serde_json::to_vec(job)?;
        line.push(b'\n');
        lifeline.write_all(&line).await?;
        lifeline.flush().await?;
        let mut answer = Vec::new();
        let most = ANSWER_BYTES_MAX + 16 * job.output_bytes_max as u64;
        let mut output = output.take(most);
        let is_wanted = tokio::select! {
            read = output.read_to_end(&mut answer) => { read?; true }
            () = given_up => false,
        };
        drop(lifeline);
        // It ends when nothing of the command is left.
        keeper.wait().await?;
        if !is_wanted {
            return Ok(None);
        }
        if answer.is_empty() {
            return Err(std::io::Error::other("its keeper has ended without a word"));
        }
        Ok(Some(serde_json::from_slice(&answer)?))
    }
}

/// Bubblewrap, if it can be used.
async fn probed() -> Option<PathBuf> {
    match probe::bubblewrap().await {
        Ok(program) => Some(program),
        Err(why) => {
            tracing::warn!(why, "bubblewrap cannot be used here; commands get no namespaces");
            None
        }
    }
}

/// Does the work of a helper, when these are the arguments of one.
pub fn helper(arguments: impl Iterator<Item = OsString>) -> Option<ExitCode> {
    let arguments: Vec<OsString> = arguments.collect();
    match arguments.as_slice() {
        [name] if name == KEEP => Some(keeper::keep()),
        [name, terms, argv @ ..] if name == ENTER => Some(enter::enter(terms.to_str()?, argv)),
        _ => None,
    }
}

/// The folders of the system's programs.
pub(crate) fn searched() -> impl Iterator<Item = PathBuf> {
    std::env::split_paths(SEARCHED)
}

/// This program itself, to be started as a helper.
pub fn own_program() -> PathBuf {
    std::env::current_exe().unwrap_or_else(|_| Path::new("/proc/self/exe").to_path_buf())
}
