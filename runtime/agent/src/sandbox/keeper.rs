//! The keeper of one command: starts it, holds what it writes, and ends it and everything it has started.
//!
//! Reads a [`Job`] from its input and writes one [`Answer`]. When the input ends before that, the agent is gone or has
//! given the command up, and so the command ends. The keeper is outside of the sandbox, so the command can neither
//! signal nor trace it.

use std::io::{self, BufRead as _, BufReader, Read, Write as _};
use std::path::Path;
use std::process::{ChildStdin, Command, ExitCode, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use rustix::process::{Signal, WaitOptions, WaitStatus, set_child_subreaper};

use super::bubble;
use super::capture::Capture;
use super::enter::{FAILED, SAID};
use super::job::{Answer, CommandEnd, ENTER, Job, Kept, Ran, Terms};
use super::tree;

/// An input of the largest size, and as JSON in JSON twice that; the rest is small.
const JOB_BYTES_MAX: u64 = 4 * 1024 * 1024;
/// Rounds of stopping and killing what is left of a command.
const ROUNDS_MAX: u32 = 500;
const ROUND: Duration = Duration::from_millis(10);
/// For the last of the output once all processes have ended.
const DRAIN: Duration = Duration::from_secs(2);
const EVENTS_MAX: usize = 64;
/// Where programs without a folder are looked for.
pub(crate) const SEARCHED: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

enum Event {
    /// The agent is gone, or does not want the command any more.
    Abandoned,
    /// The command itself has ended.
    Ended(WaitStatus),
    /// Something else below has.
    Reaped,
    /// One of the outputs is at its end.
    Drained,
}

/// The whole life of a keeper.
pub(super) fn keep() -> ExitCode {
    // What the agent was given by whoever started it is not for the command.
    close_fds::set_fds_cloexec(3, &[]);
    let answer = match kept() {
        Ok(Some(ran)) => Answer::Ran(ran),
        Ok(None) => return ExitCode::FAILURE,
        Err(error) => Answer::Failed(error),
    };
    let written = serde_json::to_writer(io::stdout().lock(), &answer).map_err(io::Error::from);
    match written.and_then(|()| io::stdout().flush()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}

/// `None`: it was given up.
fn kept() -> Result<Option<Ran>, String> {
    let mut input = BufReader::new(io::stdin());
    let mut line = String::new();
    let read = (&mut input).take(JOB_BYTES_MAX).read_line(&mut line);
    read.map_err(|error| format!("the command could not be handed over: {error}"))?;
    let mut job: Job = serde_json::from_str(&line)
        .map_err(|error| format!("the command could not be handed over: {error}"))?;
    let temp = tempfile::Builder::new()
        .prefix("nexus-run-")
        .tempdir()
        .map_err(|error| format!("no folder for temporary files could be made: {error}"))?;
    temp.path().clone_into(&mut job.terms.temp);
    set_child_subreaper(Some(rustix::process::getpid()))
        .map_err(|error| format!("processes could not be kept together: {error}"))?;
    let ran = run(&job, input);
    // Emptied before it is told that the command has ended.
    drop(temp);
    ran
}

#[expect(
    clippy::disallowed_methods,
    reason = "the keeper is a driver: it measures how long the command takes"
)]
fn run(job: &Job, input: BufReader<io::Stdin>) -> Result<Option<Ran>, String> {
    let (tell, events) = sync_channel(EVENTS_MAX);
    let begun = Instant::now();
    let mut command = command(job)?;
    let mut child =
        command.spawn().map_err(|error| format!("{} could not be started: {error}", program(&command)))?;
    let stdout = listen(child.stdout.take(), job.output_bytes_max, &tell);
    let stderr = listen(child.stderr.take(), job.output_bytes_max, &tell);
    feed(child.stdin.take(), job.input.clone());
    let pid = i32::try_from(child.id()).map_err(|_| "the command has no number".to_owned())?;
    reap(pid, tell.clone());
    watch(input, tell);
    let timeout = Duration::from_millis(job.timeout_ms);
    let end = loop {
        match events.recv_timeout(timeout.saturating_sub(begun.elapsed())) {
            Ok(Event::Ended(status)) => break Some(ended(status)),
            Ok(Event::Abandoned) => break None,
            Ok(Event::Reaped | Event::Drained) => {}
            Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {
                break Some(CommandEnd::TimedOut);
            }
        }
    };
    let duration_ms = u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX);
    end_all(&events);
    let Some(end) = end else { return Ok(None) };
    let drained = Instant::now();
    // Both are held here and by the two that read, who let go of theirs at the end.
    while (Arc::strong_count(&stdout) > 1 || Arc::strong_count(&stderr) > 1) && drained.elapsed() < DRAIN {
        let _ = events.recv_timeout(ROUND);
    }
    let kept = |capture: &Arc<Mutex<Capture>>| capture.lock().unwrap_or_else(PoisonError::into_inner).kept();
    let ran = Ran { end, stdout: kept(&stdout), stderr: kept(&stderr), duration_ms };
    refused(job, &ran).map_or(Ok(Some(ran)), Err)
}

/// Why the command was never begun.
fn refused(job: &Job, ran: &Ran) -> Option<String> {
    let Kept { head, .. } = &ran.stderr;
    match ran.end {
        CommandEnd::Exit(FAILED) => head.strip_prefix(SAID).map(|said| said.trim_end().to_owned()),
        CommandEnd::Exit(1) if job.bubblewrap.is_some() && head.starts_with("bwrap: ") => {
            Some(format!("the sandbox could not be made: {}", head.trim_end()))
        }
        CommandEnd::Exit(_) | CommandEnd::Signal(_) | CommandEnd::TimedOut => None,
    }
}

fn command(job: &Job) -> Result<Command, String> {
    let helper = std::env::current_exe()
        .map_err(|error| format!("the program that makes the sandbox cannot be found: {error}"))?;
    let terms = Terms { in_namespaces: job.bubblewrap.is_some(), ..job.terms.clone() };
    let terms = serde_json::to_string(&terms).map_err(|error| error.to_string())?;
    let mut command = match &job.bubblewrap {
        Some(program) => {
            let mut command = Command::new(program);
            command.args(bubble::arguments(job, &helper, terms));
            command
        }
        None => {
            let mut command = Command::new(&helper);
            command.args([ENTER, &terms]).args(&job.argv);
            command
        }
    };
    command
        .current_dir("/")
        .env_clear()
        .env("HOME", &job.terms.home)
        .env("LANG", "C.UTF-8")
        .env("PATH", SEARCHED)
        .env("TERM", "dumb")
        .env("TMPDIR", &job.terms.temp)
        .envs(job.env.iter().map(|(name, value)| (name, value)))
        .stdin(if job.input.is_some() { Stdio::piped() } else { Stdio::null() })
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    Ok(command)
}

fn program(command: &Command) -> String {
    Path::new(command.get_program()).display().to_string()
}

fn ended(status: WaitStatus) -> CommandEnd {
    match (status.exit_status(), status.terminating_signal()) {
        (Some(code), _) => CommandEnd::Exit(code),
        (None, Some(signal)) => CommandEnd::Signal(signal),
        (None, None) => CommandEnd::Exit(-1),
    }
}

/// Writes the input, as much of it as the command takes.
fn feed(pipe: Option<ChildStdin>, input: Option<String>) {
    let (Some(mut pipe), Some(input)) = (pipe, input) else { return };
    // One that ends, or closes its input, has read what it wanted.
    std::thread::spawn(move || drop(pipe.write_all(input.as_bytes())));
}

/// Reads one of the outputs to its end, however much of it is kept, so that the command is never held up.
fn listen(
    output: Option<impl Read + Send + 'static>,
    bytes_max: usize,
    tell: &SyncSender<Event>,
) -> Arc<Mutex<Capture>> {
    let capture = Arc::new(Mutex::new(Capture::new(bytes_max)));
    let Some(mut output) = output else { return capture };
    let (written, tell) = (Arc::clone(&capture), tell.clone());
    std::thread::spawn(move || {
        let mut buffer = vec![0; 64 * 1024];
        loop {
            match output.read(&mut buffer) {
                Ok(0) => break,
                Ok(read) => {
                    let bytes = buffer.get(..read).unwrap_or_default();
                    written.lock().unwrap_or_else(PoisonError::into_inner).take(bytes);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => break,
            }
        }
        drop(written);
        let _ = tell.try_send(Event::Drained);
    });
    capture
}

/// Waits for whatever ends below this process, which is the parent of all that lose theirs.
fn reap(command: i32, tell: SyncSender<Event>) {
    std::thread::spawn(move || {
        while let Ok(Some((pid, status))) = rustix::process::wait(WaitOptions::empty()) {
            if pid.as_raw_nonzero().get() == command {
                let _ = tell.send(Event::Ended(status));
            } else {
                let _ = tell.try_send(Event::Reaped);
            }
        }
    });
}

/// The input says nothing more; that it ends does.
fn watch(mut input: BufReader<io::Stdin>, tell: SyncSender<Event>) {
    std::thread::spawn(move || {
        let _ = io::copy(&mut input, &mut io::sink());
        let _ = tell.send(Event::Abandoned);
    });
}

/// Ends what is left. First all are stopped, so that none of them starts another while the others end.
fn end_all(events: &Receiver<Event>) {
    let me = rustix::process::getpid().as_raw_nonzero().get();
    let mut stopped = std::collections::HashSet::new();
    for _ in 0..ROUNDS_MAX {
        let Ok(left) = tree::below(me) else { return };
        if left.is_empty() {
            return;
        }
        let fresh: Vec<_> = left.iter().filter(|proc| stopped.insert(**proc)).copied().collect();
        if !fresh.is_empty() {
            fresh.into_iter().for_each(|proc| tree::signal(proc, Signal::STOP));
            continue;
        }
        left.into_iter().for_each(|proc| tree::signal(proc, Signal::KILL));
        let _ = events.recv_timeout(ROUND);
    }
}
