//! Runs the agents of some homes beside the broker: starts them, starts them again, and ends them with itself.
//!
//! `fleet` decides; this file looks at the disk and the roster, and has the processes. No agent outlives the broker,
//! however that ends: each holds the end of a pipe as its standard input, and stops when the other end is gone.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use nexus_wire::alert::AlertKind;
use nexus_wire::roster::RestraintKind;
use nexus_wire::{AspectName, Party};
use rustix::process::{Pid, Signal, kill_process};
use thiserror::Error;
use tokio::process::{Child, Command};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio::time::{MissedTickBehavior, interval, sleep_until};
use tracing::Instrument as _;

use crate::clock;
use crate::edge::Edge;
use crate::hub::{Access, CommandBody, Hub, Note, Origin};
use crate::task;
use crate::tenants::TenantName;
use admission::Issuer;
use fleet::{Act, End, Fleet, Found, Outlook};
use homes::OnDisk;
use lines::Lines;

mod admission;
mod fleet;
mod homes;
mod lines;

pub(crate) use lines::is_colour_unwanted;

/// How often the folders are looked at.
const SCAN_INTERVAL: Duration = Duration::from_secs(1);
const ENDS_MAX: usize = 64;
/// An agent gets two: to end, and to end at once.
const SIGNALS_MAX: usize = 2;

/// Which agents run beside the broker.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct SpawnSettings {
    /// Each sub-folder with an `aspect.json` is a home.
    pub folders: Vec<PathBuf>,
    /// The one beside this program unless said.
    pub agent_bin: Option<PathBuf>,
}

#[derive(Debug, Error)]
pub enum SpawnError {
    #[error("cannot look for homes in {}: {source}; correct --spawn, or make the folder", folder.display())]
    Folder { folder: PathBuf, source: io::Error },
    #[error("there is no program {}; build it, or name it with --agent-bin", .0.display())]
    NoAgent(PathBuf),
    #[error("cannot tell where this program is ({0}); name the agent's with --agent-bin")]
    Nowhere(io::Error),
    #[error("cannot start a thread: {0}")]
    Thread(io::Error),
}

/// The spawner at work.
#[derive(Debug)]
pub(crate) struct Spawner {
    stop: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

impl Spawner {
    /// The broker answers by now.
    pub(crate) fn start(
        settings: SpawnSettings,
        tenant: Option<&TenantName>,
        edge: Arc<Edge>,
        url: String,
        ca_pem: String,
    ) -> Result<Self, SpawnError> {
        let SpawnSettings { folders, agent_bin } = settings;
        let agent_bin = match agent_bin {
            Some(agent_bin) => agent_bin,
            None => std::env::current_exe().map_err(SpawnError::Nowhere)?.with_file_name("agent"),
        };
        if !agent_bin.is_file() {
            return Err(SpawnError::NoAgent(agent_bin));
        }
        homes::scan(&folders).map_err(|(folder, source)| SpawnError::Folder { folder, source })?;
        let issuer = Issuer { nexus_id: edge.gate.nexus_id(), url, ca_pem };
        let lines = Lines::start(tenant).map_err(SpawnError::Thread)?;
        let (tell, ends) = mpsc::channel(ENDS_MAX);
        let (stop, stopped) = oneshot::channel();
        let work = Work {
            folders,
            agent_bin,
            edge,
            issuer,
            lines,
            fleet: Fleet::default(),
            homes: BTreeMap::new(),
            running: BTreeMap::new(),
            told: BTreeMap::new(),
            failing: BTreeMap::new(),
            started: 0,
            tell,
        };
        let span = work.edge.span.clone();
        Ok(Self { stop, task: tokio::spawn(work.run(ends, stopped).instrument(span)) })
    }

    /// Ends all agents, and returns when they have ended.
    pub(crate) async fn stop(self) {
        // It has ended by itself only by a defect.
        let _ = self.stop.send(());
        let _ = self.task.await;
    }
}

struct Work {
    folders: Vec<PathBuf>,
    agent_bin: PathBuf,
    edge: Arc<Edge>,
    issuer: Issuer,
    lines: Lines,
    fleet: Fleet,
    /// As they were found last.
    homes: BTreeMap<PathBuf, OnDisk>,
    running: BTreeMap<PathBuf, Running>,
    /// Why a home could not be started, so that it is said once.
    told: BTreeMap<PathBuf, String>,
    /// Homes whose aspect operators were told fails, and how it is called.
    failing: BTreeMap<PathBuf, String>,
    /// How many were started in all, for their colours.
    started: usize,
    tell: mpsc::Sender<Ended>,
}

struct Running {
    /// To the task that has the process.
    signals: mpsc::Sender<Signal>,
    /// How it is called.
    name: String,
    who: Option<AspectName>,
    /// Its pipe: closing it ends the process.
    _leash: Option<tokio::process::ChildStdin>,
}

struct Ended {
    dir: PathBuf,
    status: io::Result<ExitStatus>,
}

impl Work {
    async fn run(mut self, mut ends: mpsc::Receiver<Ended>, mut stopped: oneshot::Receiver<()>) {
        let mut scan = interval(SCAN_INTERVAL);
        scan.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut is_stopping = false;
        loop {
            while let Some(act) = self.fleet.next(clock::now()) {
                self.carry_out(act).await;
            }
            if is_stopping && self.fleet.is_empty() {
                return;
            }
            let due = self.fleet.due();
            tokio::select! {
                _ = scan.tick(), if !is_stopping => self.look().await,
                Some(ended) = ends.recv() => self.ended(ended).await,
                () = until(due) => {}
                _ = &mut stopped, if !is_stopping => {
                    is_stopping = true;
                    self.fleet.stop();
                }
            }
        }
    }

    /// Looks which homes there are, and whom an admin keeps off.
    async fn look(&mut self) {
        let folders = self.folders.clone();
        let found = match task::blocking(move || homes::scan(&folders)).await {
            Ok(Ok(found)) => found,
            Ok(Err((folder, error))) => {
                let message = format!("cannot look for homes: {error}; those that run go on");
                self.say_once(&folder, message);
                return;
            }
            Err(_) => return,
        };
        self.folders.iter().for_each(|folder| drop(self.told.remove(folder)));
        let Ok(held) = self.edge.ask(held).await else { return };
        let is_held = |home: &OnDisk| home.who.as_ref().is_some_and(|who| held.contains(&who.name));
        let fresh = found
            .iter()
            .map(|home| Found { dir: home.dir.clone(), stamp: home.stamp, is_held: is_held(home) })
            .collect();
        self.homes = found.into_iter().map(|home| (home.dir.clone(), home)).collect();
        self.fleet.found(fresh, clock::now());
        let mut well = self.fleet.steady(clock::now());
        well.extend(self.failing.keys().filter(|dir| !self.fleet.has(dir)).cloned());
        for dir in well {
            self.works_again(&dir).await;
        }
    }

    async fn carry_out(&mut self, act: Act) {
        match act {
            Act::Start(dir) => {
                if let Err(reason) = self.start(&dir).await {
                    self.say_once(&dir, reason);
                    self.fleet.not_started(&dir, clock::now());
                }
            }
            Act::Terminate(dir) => self.signal(&dir, Signal::TERM),
            Act::Kill(dir) => {
                let name = self.label(&dir);
                tracing::warn!("{name} does not end; killing it");
                self.signal(&dir, Signal::KILL);
            }
        }
    }

    async fn start(&mut self, dir: &Path) -> Result<(), String> {
        let who = self.homes.get(dir).and_then(|home| home.who.clone());
        if let Some(who) = &who {
            let same = |home: &&OnDisk| home.who.as_ref().is_some_and(|it| it.name == who.name);
            let first = self.homes.values().find(same).map_or(dir, |home| home.dir.as_path());
            if first != dir {
                return Err(format!(
                    "{} is a home of {} too; give one of them another name",
                    first.display(),
                    who.name
                ));
            }
            let admitted = admission::admit(&self.edge, &self.issuer, dir, who).await;
            admitted.map_err(|error| error.to_string())?;
        }
        let mut child = Command::new(&self.agent_bin)
            .arg("--with-parent")
            .arg(dir)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            // A Ctrl-C in the terminal reaches the broker alone, which then ends the others in order.
            .process_group(0)
            .kill_on_drop(true)
            .spawn()
            .map_err(|error| format!("cannot start {}: {error}", self.agent_bin.display()))?;
        self.told.remove(dir);
        let name = self.label(dir);
        let prefix = self.lines.prefix(&name, self.width(), self.started);
        self.started += 1;
        if let Some(out) = child.stdout.take() {
            task::spawn(self.lines.clone().pass_on(prefix.clone(), out));
        }
        if let Some(err) = child.stderr.take() {
            task::spawn(self.lines.clone().pass_on(prefix, err));
        }
        let (signals, to_send) = mpsc::channel(SIGNALS_MAX);
        if let Some(who) = &who
            && let Some(how) = self.edge.published.processes.started(&who.name)
        {
            let note = Note {
                actor: Party::System,
                kind: "aspect.restarted",
                subject: format!("{}: {how}", who.name),
            };
            self.submit(CommandBody::Access { by: Party::System, act: Access::Note(vec![note]) }).await;
        }
        let running = Running { signals, name, who: who.map(|who| who.name), _leash: child.stdin.take() };
        self.running.insert(dir.to_owned(), running);
        task::spawn(wait(child, to_send, dir.to_owned(), self.tell.clone()));
        Ok(())
    }

    async fn ended(&mut self, ended: Ended) {
        let Ended { dir, status } = ended;
        let running = self.running.remove(&dir);
        let (name, who) = running.map_or_else(|| (self.label(&dir), None), |it| (it.name, it.who));
        let end = end_of(&status);
        let outlook = self.fleet.ended(&dir, end, clock::now());
        let how = match &status {
            Ok(status) => status.to_string(),
            Err(error) => error.to_string(),
        };
        if let Some(who) = &who {
            self.edge.published.processes.ended(who, &how);
        }
        self.tell(&dir, &name, &how, end, outlook).await;
        match outlook {
            Outlook::Never => tracing::info!("{name} ended ({how})"),
            Outlook::StartsIn(wait) => {
                tracing::warn!("{name} ended ({how}); starting it again in {} s", wait.as_secs());
            }
            Outlook::WhenReleased => tracing::info!("{name} is held; starting it again when it is released"),
            Outlook::WhenItsFilesChange => tracing::error!(
                "{name} ended ({how}); starting it again when something changes in {}",
                dir.display()
            ),
        }
    }

    /// Operators are told of one that fails, and of one that is no longer looked after, not any more.
    async fn tell(&mut self, dir: &Path, name: &str, how: &str, end: End, outlook: Outlook) {
        if outlook == Outlook::Never {
            self.works_again(dir).await;
        } else if self.fleet.is_failing(dir) {
            let home = dir.display();
            let message = match end {
                End::Unfit => format!(
                    "{name} cannot be started as its home is ({how}); agent check {home} says what to put right"
                ),
                End::Displaced | End::Ended | End::Held => format!(
                    "{name} ends soon after each start ({how}), and is started again all the same; its last lines are in \
                     the log of nexus serve, and agent {home} shows them by hand"
                ),
            };
            self.failing.insert(dir.to_owned(), name.to_owned());
            let (kind, subject) = (AlertKind::AspectFailing, name.to_owned());
            self.submit(CommandBody::RaiseAlert { kind, subject, message }).await;
        }
    }

    async fn works_again(&mut self, dir: &Path) {
        if let Some(subject) = self.failing.remove(dir) {
            self.submit(CommandBody::ClearAlert { kind: AlertKind::AspectFailing, subject }).await;
        }
    }

    /// A broker that stops tells nobody any more.
    async fn submit(&self, body: CommandBody) {
        let _ = self.edge.sequencer.submit(Origin::Broker, body, 0).await;
    }

    fn signal(&self, dir: &Path, signal: Signal) {
        if let Some(running) = self.running.get(dir) {
            // One that has ended by itself needs none.
            let _ = running.signals.try_send(signal);
        }
    }

    fn say_once(&mut self, dir: &Path, message: String) {
        if self.told.get(dir) != Some(&message) {
            tracing::error!("{}: {message}", dir.display());
            self.told.insert(dir.to_owned(), message);
        }
    }

    fn label(&self, dir: &Path) -> String {
        match self.homes.get(dir).and_then(|home| home.who.as_ref()) {
            Some(who) => who.name.to_string(),
            None => dir.file_name().unwrap_or_default().to_string_lossy().into_owned(),
        }
    }

    /// Of the longest name.
    fn width(&self) -> usize {
        self.homes.keys().map(|dir| self.label(dir).chars().count()).max().unwrap_or(0)
    }
}

fn held(hub: &Hub) -> Vec<AspectName> {
    let is_held = |it: &&crate::hub::records::AspectRecord| {
        it.restraint.as_ref().is_some_and(|restraint| restraint.kind == RestraintKind::Held)
    };
    hub.roster().active().filter(is_held).map(|record| record.name.clone()).collect()
}

/// The exit codes of `agent`.
fn end_of(status: &io::Result<ExitStatus>) -> End {
    match status.as_ref().ok().and_then(ExitStatus::code) {
        Some(3) => End::Displaced,
        Some(4) => End::Held,
        Some(5) => End::Unfit,
        Some(_) | None => End::Ended,
    }
}

/// Signals go by way of whoever waits for the process: only there it is known not to be another's number by now.
async fn wait(
    mut child: Child,
    mut signals: mpsc::Receiver<Signal>,
    dir: PathBuf,
    tell: mpsc::Sender<Ended>,
) {
    let status = loop {
        tokio::select! {
            status = child.wait() => break status,
            Some(signal) = signals.recv() => {
                let pid = child.id().and_then(|pid| i32::try_from(pid).ok()).and_then(Pid::from_raw);
                if let Some(Err(error)) = pid.map(|pid| kill_process(pid, signal)) {
                    tracing::debug!(%error, home = %dir.display(), "it cannot be signalled");
                }
            }
        }
    };
    // Nobody asks any more when the broker is being torn down.
    let _ = tell.send(Ended { dir, status }).await;
}

async fn until(due: Option<Instant>) {
    match due {
        Some(due) => sleep_until(due.into()).await,
        None => std::future::pending().await,
    }
}
