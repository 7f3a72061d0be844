//! A program as a child of this process: a group of its own, an environment of its own, lines in and out.
//!
//! However the value is dropped, the whole group is ended with it. A group that this process was too dead to end
//! loses its stdin, by which a program sees that nobody listens any more.

use std::collections::VecDeque;
use std::fmt;
use std::path::Path;
use std::pin::Pin;
use std::process::Stdio;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures_util::{Stream, StreamExt};
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process_group, waitid};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::process::{Child, ChildStderr, ChildStdin, ChildStdout, Command};
use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::super::bounds::ByteError;
use super::super::lines;
use super::super::settings::CommandSettings;
use crate::conversation::ProviderErrorKind;

/// What it said last is told when it dies.
const SAID_LINES_MAX: usize = 5;
const SAID_CHARS_MAX: usize = 300;
/// A line of its log is cut here.
const LOG_LINE_BYTES_MAX: u64 = 8 * 1024;
/// After the end of its output it has so long to be gone, before its end is looked at.
const EXIT_WAIT: Duration = Duration::from_secs(2);
const EXIT_LOOK: Duration = Duration::from_millis(10);

type Lines = Pin<Box<dyn Stream<Item = Result<Bytes, ProviderErrorKind>> + Send>>;

pub(super) struct Process {
    program: String,
    child: Child,
    /// `None` once it was ended.
    group: Option<Pid>,
    stdin: Option<ChildStdin>,
    lines: Lines,
    written: Written,
    said: Said,
    log: Option<JoinHandle<()>>,
    stall: Duration,
}

impl fmt::Debug for Process {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Process").field("program", &self.program).field("group", &self.group).finish()
    }
}

impl Process {
    /// `aspect` stands before its lines in the log. It may write `most` bytes whenever it is asked something.
    pub(super) fn start(
        settings: &CommandSettings,
        folder: &Path,
        aspect: &str,
        stall: Duration,
        most: usize,
    ) -> Result<Self, ProviderErrorKind> {
        let (program, arguments) = settings.program();
        let mut child = Command::new(program)
            .args(arguments)
            .current_dir(folder)
            .env_clear()
            .envs(settings.env.iter().map(|(name, value)| (name, value.expose())))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0)
            .kill_on_drop(true)
            .spawn()
            .map_err(|error| {
                ProviderErrorKind::Invalid(format!(
                    "{program} cannot be started: {error}; provider.command.run names the program"
                ))
            })?;
        let group = child.id().and_then(|id| Pid::from_raw(id.try_into().ok()?));
        let said = Said::default();
        let log = child
            .stderr
            .take()
            .map(|stderr| tokio::spawn(said.clone().listen(stderr, aspect.to_owned(), program.to_owned())));
        let written = Written { bytes: Arc::default(), most };
        let lines: Lines = match child.stdout.take() {
            Some(stdout) => {
                let bytes = Box::pin(bytes(stdout, written.clone()));
                // Whoever stops a session listens to its end, which may have been heard before.
                Box::pin(lines::lines(bytes, stall, usize::MAX).fuse())
            }
            None => Box::pin(futures_util::stream::empty()),
        };
        let (program, stdin) = (program.to_owned(), child.stdin.take());
        Ok(Self { program, stdin, child, group, lines, written, said, log, stall })
    }

    /// Writes one line. A program that does not read it may have said already what it has to say.
    pub(super) async fn say(&mut self, value: &serde_json::Value) -> Result<(), ProviderErrorKind> {
        let Some(stdin) = &mut self.stdin else { return Ok(()) };
        let line = format!("{value}\n");
        let writing = async {
            stdin.write_all(line.as_bytes()).await?;
            stdin.flush().await
        };
        match tokio::time::timeout(self.stall, writing).await {
            Ok(Ok(())) => {}
            Ok(Err(_)) => self.stdin = None,
            Err(_) => return Err(ProviderErrorKind::Stalled(self.stall)),
        }
        Ok(())
    }

    /// Nothing more will be said to it.
    pub(super) fn hang_up(&mut self) {
        self.stdin = None;
    }

    /// It is asked something else: what it has written so far no longer counts.
    pub(super) fn ask_anew(&mut self) {
        self.written.bytes.store(0, Ordering::Relaxed);
    }

    /// The next line it writes; `None` at the end of them.
    pub(super) async fn hear(&mut self) -> Option<Result<Bytes, ProviderErrorKind>> {
        let line = self.lines.next().await;
        if self.written.is_too_much() {
            // This may be the first half of a line.
            return Some(Err(ByteError::StreamTooLong(self.written.most).meaning()));
        }
        line
    }

    /// What to say of one that has ended before its time.
    pub(super) async fn died(&mut self) -> ProviderErrorKind {
        self.stdin = None;
        let until = Instant::now() + EXIT_WAIT;
        while !self.has_exited() && Instant::now() < until {
            tokio::time::sleep(EXIT_LOOK).await;
        }
        let by_itself = self.has_exited();
        self.end();
        let status = self.child.wait().await;
        if let Some(log) = &mut self.log {
            // What it said last may still be on its way.
            let _ = tokio::time::timeout(EXIT_WAIT, log).await;
        }
        let program = &self.program;
        let how = match status {
            Ok(status) if by_itself => format!("{program} ended before its answer did ({status})"),
            Ok(_) => format!("{program} closed its output before its answer was complete"),
            Err(error) => format!("{program} is lost: {error}"),
        };
        ProviderErrorKind::Transport(match self.said.last() {
            Some(last) => format!("{how}; it said last: {last}"),
            None => how,
        })
    }

    /// Without taking note of it: as long as nobody does, its number and its group's are its own.
    fn has_exited(&self) -> bool {
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
        self.group.is_none_or(|group| !matches!(waitid(WaitId::Pid(group), options), Ok(None)))
    }

    fn end(&mut self) {
        if let Some(group) = self.group.take() {
            // Nobody is left in it: it ended by itself.
            let _ = kill_process_group(group, Signal::KILL);
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.end();
    }
}

/// Ends where it is too much.
fn bytes(stdout: ChildStdout, written: Written) -> impl Stream<Item = Result<Bytes, std::io::Error>> + Send {
    futures_util::stream::unfold((stdout, written), async |(mut stdout, written)| {
        let mut chunk = BytesMut::with_capacity(16 * 1024);
        match stdout.read_buf(&mut chunk).await {
            Ok(0) => None,
            Ok(more) => {
                written.bytes.fetch_add(more, Ordering::Relaxed);
                (!written.is_too_much()).then(|| (Ok(chunk.freeze()), (stdout, written)))
            }
            Err(error) => Some((Err(error), (stdout, written))),
        }
    })
}

/// How much it has written since it was asked, and may. Of a session there is no end, of an answer there has to be.
#[derive(Clone)]
struct Written {
    bytes: Arc<AtomicUsize>,
    most: usize,
}

impl Written {
    fn is_too_much(&self) -> bool {
        self.bytes.load(Ordering::Relaxed) > self.most
    }
}

/// The last lines of its log.
#[derive(Clone, Default)]
struct Said(Arc<Mutex<VecDeque<String>>>);

impl Said {
    async fn listen(self, stderr: ChildStderr, aspect: String, program: String) {
        let mut reader = BufReader::new(stderr);
        let mut line = Vec::new();
        loop {
            line.clear();
            // A line that is too long goes on as the next one.
            match (&mut reader).take(LOG_LINE_BYTES_MAX).read_until(b'\n', &mut line).await {
                Ok(0) | Err(_) => return,
                Ok(_) => {}
            }
            let text = String::from_utf8_lossy(&line);
            let text = text.trim();
            if text.is_empty() {
                continue;
            }
            tracing::info!(aspect, program, "{text}");
            let mut said = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            if said.len() == SAID_LINES_MAX {
                said.pop_front();
            }
            said.push_back(text.chars().take(SAID_CHARS_MAX).collect());
        }
    }

    fn last(&self) -> Option<String> {
        let said = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        (!said.is_empty()).then(|| said.iter().map(String::as_str).collect::<Vec<_>>().join(" / "))
    }
}
