//! The process of one assignment, from the agent's side: started, given calls, watched over and ended with it.

use std::collections::{HashMap, VecDeque};
use std::io;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use nexus_wire::AspectName;
use nexus_wire::hands::Lease;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStderr, ChildStdin, ChildStdout, Command};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio::time::{Instant, MissedTickBehavior, interval, timeout};

use super::talk::{Order, Report};
use super::worker::COMMAND;
use crate::sandbox;
use crate::tools::{Away, Outfit, ToolOutcome};

const CALLS_MAX: usize = 64;
/// It is asked for a sign of life this often, and has this long to give one.
const PING_INTERVAL: Duration = Duration::from_secs(2);
const PATIENCE: Duration = Duration::from_secs(10);
/// Of what it said last, shown when it ended before its time.
const SAID_LINES: usize = 5;
const SAID_CHARS_MAX: usize = 1000;

/// The running process. Dropping this ends it.
#[derive(Debug)]
pub(super) struct Apart {
    pub(super) calls: mpsc::Sender<Away>,
    /// Why it ended before its time.
    pub(super) crashed: oneshot::Receiver<String>,
    watching: JoinHandle<()>,
}

impl Drop for Apart {
    fn drop(&mut self) {
        // With the task goes the process.
        self.watching.abort();
    }
}

impl Apart {
    pub(super) fn begin(me: AspectName, lease: Lease, outfit: Outfit) -> io::Result<Self> {
        let mut process = Command::new(sandbox::own_program())
            .arg(COMMAND)
            .env_clear()
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()?;
        let missing = || io::Error::other("a pipe to it is missing");
        let orders = process.stdin.take().ok_or_else(missing)?;
        let reports = BufReader::new(process.stdout.take().ok_or_else(missing)?).lines();
        let said = BufReader::new(process.stderr.take().ok_or_else(missing)?).lines();
        let (calls, called) = mpsc::channel(CALLS_MAX);
        let (tell, crashed) = oneshot::channel();
        let watch =
            Watch { process, orders, reports, said, called, open: HashMap::new(), last: VecDeque::new() };
        let watching = tokio::spawn(async move {
            let why = watch.run(Order::Begin { me, lease, outfit }).await;
            tracing::warn!(dispatch = %lease.dispatch, why, "the process of a Hand ended before its time");
            // The Hand may have ended a moment before.
            let _ = tell.send(why);
        });
        Ok(Self { calls, crashed, watching })
    }
}

struct Watch {
    process: Child,
    orders: ChildStdin,
    reports: Lines<BufReader<ChildStdout>>,
    said: Lines<BufReader<ChildStderr>>,
    called: mpsc::Receiver<Away>,
    open: HashMap<u64, oneshot::Sender<ToolOutcome>>,
    last: VecDeque<String>,
}

impl Watch {
    /// Why it ended.
    async fn run(mut self, begin: Order) -> String {
        let ended = self.speak(begin).await;
        let status = match ended {
            Ended::Itself => self.process.wait().await.ok(),
            Ended::Stuck => {
                let _ = self.process.kill().await;
                return format!("it gave no sign of life for {} s and was killed", PATIENCE.as_secs());
            }
        };
        while let Ok(Ok(Some(line))) = timeout(PING_INTERVAL, self.said.next_line()).await {
            self.note(line);
        }
        told(status, &self.last)
    }

    async fn speak(&mut self, begin: Order) -> Ended {
        if let Err(ended) = self.order(&begin).await {
            return ended;
        }
        let mut ping = interval(PING_INTERVAL);
        ping.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let (mut heard, mut next, mut speaks) = (Instant::now(), 0, true);
        loop {
            let orders = tokio::select! {
                Some(call) = self.called.recv() => {
                    next += 1;
                    let Away { name, ordinal, input, confined, outcome } = call;
                    self.open.insert(next, outcome);
                    vec![Order::Call { n: next, ordinal, name, input, confined }]
                }
                report = self.reports.next_line() => match report.ok().flatten().map(|it| serde_json::from_str(&it)) {
                    Some(Ok(report)) => {
                        heard = Instant::now();
                        self.hear(report);
                        continue;
                    }
                    Some(Err(error)) => {
                        tracing::warn!(%error, "the process of a Hand says what is no report");
                        continue;
                    }
                    None => return Ended::Itself,
                },
                line = self.said.next_line(), if speaks => {
                    match line.ok().flatten() {
                        Some(line) => self.note(line),
                        None => speaks = false,
                    }
                    continue;
                }
                _ = ping.tick() => {
                    if heard.elapsed() > PATIENCE {
                        return Ended::Stuck;
                    }
                    let dropped: Vec<u64> =
                        self.open.iter().filter(|(_, outcome)| outcome.is_closed()).map(|(n, _)| *n).collect();
                    self.open.retain(|_, outcome| !outcome.is_closed());
                    dropped.into_iter().map(|n| Order::Drop { n }).chain([Order::Ping]).collect()
                }
            };
            for order in &orders {
                if let Err(ended) = self.order(order).await {
                    return ended;
                }
            }
        }
    }

    /// A process that takes nothing is stuck, or gone.
    async fn order(&mut self, order: &Order) -> Result<(), Ended> {
        // Orders are plain values, which are always JSON.
        let mut line = serde_json::to_string(order).unwrap_or_default();
        line.push('\n');
        match timeout(PATIENCE, self.orders.write_all(line.as_bytes())).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) => Err(Ended::Itself),
            Err(_) => Err(Ended::Stuck),
        }
    }

    fn hear(&mut self, report: Report) {
        match report {
            Report::Pong => {}
            Report::Call { n, outcome } => {
                if let Some(waiting) = self.open.remove(&n) {
                    // Given up meanwhile.
                    let _ = waiting.send(outcome);
                }
            }
        }
    }

    fn note(&mut self, line: String) {
        tracing::debug!(line, "the process of a Hand says");
        if self.last.len() == SAID_LINES {
            self.last.pop_front();
        }
        self.last.push_back(line);
    }
}

enum Ended {
    Itself,
    Stuck,
}

fn told(status: Option<ExitStatus>, last: &VecDeque<String>) -> String {
    let status = status.map_or_else(|| "it is gone".to_owned(), |status| status.to_string());
    let said: Vec<&str> = last.iter().map(String::as_str).collect();
    let said: String = said.join(" / ").chars().take(SAID_CHARS_MAX).collect();
    if said.is_empty() { status } else { format!("{status}; it said last: {said}") }
}
