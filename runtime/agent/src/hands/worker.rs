//! `agent hand-worker`: the process of one assignment. It runs what a Hand does to this machine, told so on standard
//! input, and ends with it; it has no environment, no keys and no link.

use std::collections::HashMap;
use std::ffi::OsString;
use std::io::{self, Write as _};
use std::panic::AssertUnwindSafe;
use std::process::ExitCode;

use futures_util::FutureExt as _;
use tokio::sync::mpsc;
use tokio::task::AbortHandle;

use super::talk::{Order, Report};
use crate::sandbox;
use crate::tools::{Caller, ToolOutcome, Toolbox};

/// The hidden command.
pub(super) const COMMAND: &str = "hand-worker";
const ORDERS_MAX: usize = 64;
const REPORTS_MAX: usize = 64;

/// Does the work of such a process, when these are its arguments.
pub(crate) fn helper(mut arguments: impl Iterator<Item = OsString>) -> Option<ExitCode> {
    if arguments.next()? != COMMAND || arguments.next().is_some() {
        return None;
    }
    Some(match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Heard by the agent. With nobody there, the exit code says it alone.
            let _ = writeln!(io::stderr(), "{error}");
            ExitCode::FAILURE
        }
    })
}

/// Until standard input ends.
fn run() -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let ended = runtime.block_on(serve());
    // What a tool still does has nobody to tell any more.
    runtime.shutdown_background();
    ended
}

async fn serve() -> io::Result<()> {
    let mut orders = lines_of_stdin()?;
    let mut out = io::stdout().lock();
    let Some(first) = orders.recv().await else { return Ok(()) };
    let Order::Begin { me, lease, outfit } = serde_json::from_str(&first)? else {
        return Err(io::Error::other("the first line has to be `begin`"));
    };
    let toolbox = Toolbox::of_outfit(outfit, sandbox::own_program());
    let caller = Caller::of(me, lease.dispatch.0, None, Some(lease));
    let (tell, mut reports) = mpsc::channel(REPORTS_MAX);
    let mut running: HashMap<u64, AbortHandle> = HashMap::new();
    loop {
        let report = tokio::select! {
            order = orders.recv() => match order {
                None => return Ok(()),
                Some(line) => match serde_json::from_str(&line)? {
                    Order::Begin { .. } => return Err(io::Error::other("it has begun already")),
                    Order::Ping => Report::Pong,
                    Order::Drop { n } => {
                        if let Some(call) = running.remove(&n) {
                            call.abort();
                        }
                        continue;
                    }
                    Order::Call { n, ordinal, name, input, confined } => {
                        let toolbox = if confined { toolbox.clone() } else { toolbox.unconfined() };
                        let (caller, tell) = (caller.clone(), tell.clone());
                        let call = tokio::spawn(async move {
                            let run = AssertUnwindSafe(toolbox.run(&caller, ordinal, &name, input));
                            let broke = |_| ToolOutcome::error("the tool broke down; this is a defect of it");
                            let outcome = run.catch_unwind().await.unwrap_or_else(broke);
                            // Nobody hears it only when this process ends.
                            let _ = tell.send(Report::Call { n, outcome }).await;
                        });
                        running.insert(n, call.abort_handle());
                        continue;
                    }
                },
            },
            Some(report) = reports.recv() => report,
        };
        if let Report::Call { n, .. } = &report {
            running.remove(n);
        }
        let mut line = serde_json::to_string(&report)?;
        line.push('\n');
        out.write_all(line.as_bytes())?;
        out.flush()?;
    }
}

/// By a thread of its own, which ends with its pipe.
fn lines_of_stdin() -> io::Result<mpsc::Receiver<String>> {
    let (tell, lines) = mpsc::channel(ORDERS_MAX);
    std::thread::Builder::new().name("orders".to_owned()).spawn(move || {
        for line in io::stdin().lines() {
            // What cannot be read is as good as the end; so is nobody who listens.
            let Ok(line) = line else { return };
            if tell.blocking_send(line).is_err() {
                return;
            }
        }
    })?;
    Ok(lines)
}
