//! The broker keeps what a workspace says: at its start and whenever a file changes, the registries, flows and triggers in effect are
//! put by an operator of their own, the home page is laid out, and the homes of its aspects are copied to where they are run.
//!
//! What was put is known by the hash of what it says, so reading the files again changes nothing: a trigger that
//! somebody has paused, changed or deleted since stays so until its file says something else. What a file says no
//! longer is not deleted: a trigger is paused, a flow and a registry stay. What is wrong is an alert for each file, and keeps back
//! nothing else.

mod board;
mod homes;
mod put;
mod record;

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use nexus_wire::alert::AlertKind;
use nexus_wire::trigger::{Trigger, When};
use nexus_wire::{ErrorBody, ErrorCode};
use nexus_workspace::{Fault, HOME_FILE, Item, Load, Loaded, Overlay, Skills};
use thiserror::Error;
use tokio::time::sleep;

use crate::clock;
use crate::datadir::DataDir;
use crate::edge::Edge;
use crate::hub::{CommandBody, Origin};
use crate::task;
pub(crate) use board::Board;
use put::Acting;
pub(crate) use record::{Known, Record, State};

/// Within the data directory: where the homes lie that are run.
pub(crate) const HOMES: &str = "workspace/aspects";
const LOOK_INTERVAL: Duration = Duration::from_secs(1);
/// So long a trigger may name an aspect that is not let in yet.
const PATIENCE: Duration = Duration::from_secs(30);
/// Between attempts at what the broker has refused.
const AGAIN: Duration = Duration::from_secs(10);

/// Where an alert says what to do.
const HOW: &str = "everything else was loaded; nexus workspace validate shows all that is wrong";

#[derive(Debug, Error)]
pub enum WorkspaceError {
    #[error(
        "cannot read the workspace {}: {source}; name it with --workspace, or make one: nexus workspace init", folder.display()
    )]
    Unread { folder: PathBuf, source: io::Error },
    #[error(
        "the data directory {} lies within the workspace {}; name another with --data", data.display(), folder.display()
    )]
    DataWithin { data: PathBuf, folder: PathBuf },
    #[error("cannot copy the homes of the workspace into {}: {source}; make it writable", folder.display())]
    Homes { folder: PathBuf, source: io::Error },
    #[error(transparent)]
    Data(#[from] crate::datadir::DataDirError),
    #[error("{} is no record of a workspace ({why}); delete it, and everything is loaded anew", path.display())]
    Record { path: PathBuf, why: String },
}

/// A workspace as it was read last.
#[derive(Debug)]
pub(crate) struct Workspace {
    folder: PathBuf,
    data: DataDir,
    record: Record,
    load: Load,
    /// As they are shown, but for what is wrong.
    files: board::Files,
    stamp: u64,
    /// When the files changed last.
    changed_at: Instant,
}

impl Workspace {
    /// Reads it, and copies its homes. What is wrong with single files is found, and keeps nothing else back.
    pub(crate) fn open(folder: &Path, data: &DataDir) -> Result<Self, WorkspaceError> {
        let is_within = folder.canonicalize().is_ok_and(|folder| data.path().starts_with(folder));
        if is_within {
            return Err(WorkspaceError::DataWithin {
                data: data.path().to_owned(),
                folder: folder.to_owned(),
            });
        }
        let record = Record::load(data)?;
        let mut workspace = Self {
            folder: folder.to_owned(),
            data: data.clone(),
            // What another workspace has said is nothing that this one says no longer.
            record: if record.workspace == folder { record } else { Record::of(folder, record.faults) },
            load: Load::default(),
            files: board::Files::default(),
            stamp: 0,
            changed_at: clock::now(),
        };
        workspace.read()?;
        Ok(workspace)
    }

    fn read(&mut self) -> Result<(), WorkspaceError> {
        let folder = self.folder.clone();
        let unread = |source| WorkspaceError::Unread { folder: folder.clone(), source };
        // Before the files themselves: what changes meanwhile is seen the next time.
        self.stamp = nexus_workspace::stamp(&self.folder).map_err(unread)?;
        let (own, faults) = nexus_workspace::read(&self.folder).map_err(unread)?;
        let mut overlay = Overlay::of(&nexus_workspace::framework(), &own);
        overlay.faults.extend(faults);
        self.load = nexus_workspace::load(&overlay);
        self.files = board::files_of(&overlay);
        self.changed_at = clock::now();
        let to = self.data.file("workspace");
        let copied = homes::copy(&overlay, &self.load.faults, &to, &mut self.record.files);
        let copied = copied.map_err(|source| WorkspaceError::Homes { folder: to, source })?;
        self.load.faults.extend(copied.faults);
        for home in &copied.left {
            tracing::info!("{home} is no longer in the workspace: its agent is run no more, its home stays");
        }
        if copied.written > 0 {
            tracing::info!("copied {} files of homes from {}", copied.written, self.folder.display());
        }
        Ok(())
    }

    fn read_again(mut self) -> (Self, Result<(), WorkspaceError>) {
        let read = self.read();
        (self, read)
    }

    pub(crate) fn skills(&self) -> Skills {
        self.load.skills.clone()
    }

    /// Keeps the broker as the files are, for as long as it runs.
    pub(crate) async fn run(mut self, edge: Arc<Edge>) {
        let mut is_settled = self.put(&edge).await;
        let mut put_at = clock::now();
        let mut seen = self.stamp;
        loop {
            sleep(LOOK_INTERVAL).await;
            let folder = self.folder.clone();
            let Ok(stamp) = task::blocking(move || nexus_workspace::stamp(&folder)).await else {
                return;
            };
            let stamp = stamp.unwrap_or(self.stamp);
            // Files that are still being written change from one look to the next.
            if stamp != self.stamp && stamp == seen {
                match task::blocking(move || self.read_again()).await {
                    Ok((workspace, read)) => {
                        self = workspace;
                        if let Err(error) = read {
                            tracing::warn!("{error}; what was read before stays");
                            continue;
                        }
                        edge.workspace.teach(self.load.skills.clone());
                    }
                    Err(_) => return,
                }
                is_settled = false;
            } else if clock::now().saturating_duration_since(put_at) < self.pause() {
                seen = stamp;
                continue;
            }
            seen = stamp;
            if !is_settled {
                is_settled = self.put(&edge).await;
                put_at = clock::now();
            }
        }
    }

    /// Until what the broker has refused is tried again.
    fn pause(&self) -> Duration {
        if self.is_patient() { LOOK_INTERVAL } else { AGAIN }
    }

    fn is_patient(&self) -> bool {
        clock::now().saturating_duration_since(self.changed_at) < PATIENCE
    }

    /// Puts what is new; `true` when there is nothing left to do.
    async fn put(&mut self, edge: &Edge) -> bool {
        let mut faults = self.load.faults.clone();
        let is_settled = match Acting::open(edge).await {
            Ok(acting) => {
                // Before the log says that it is another one, and whoever hears that asks for it.
                self.lay_out(&edge.workspace);
                let refused = self.put_items(&acting, edge.now()).await;
                let is_settled = refused.is_empty();
                let is_patient = self.is_patient();
                let told = refused
                    .into_iter()
                    .filter(|(_, error)| !(is_patient && error.code == ErrorCode::NotFound));
                faults.extend(told.map(|(at, error)| self.load.items[at].refused(&error.message)));
                self.leave(&acting).await;
                is_settled
            }
            Err(error) => {
                faults.push(Fault::of_file(self.folder.display().to_string(), error.message));
                false
            }
        };
        self.tell(edge, faults).await;
        self.record.read_at = edge.now();
        edge.workspace.show(&self.folder, self.record.read_at, &self.files, &self.record.faults);
        if let Err(error) = self.record.save(&self.data) {
            tracing::warn!("{error}; after the next start of the broker this workspace is loaded anew");
        }
        is_settled
    }

    /// A layout that cannot be read at the moment stays as it was read last.
    fn lay_out(&self, board: &Board) {
        let found = self.load.items.iter().find_map(|loaded| match &loaded.item {
            Item::Home(layout) => Some(((**layout).clone(), loaded.file.clone())),
            Item::Flow(_) | Item::Registry(_) | Item::Trigger(_) => None,
        });
        match found {
            Some((layout, file)) => board.lay_out(layout, Some(file).filter(|file| file == HOME_FILE)),
            None if self.load.faults.iter().any(|fault| fault.file == HOME_FILE) => {}
            None => board.lay_out(nexus_workspace::shipped_home(), None),
        }
    }

    /// Gives back which of them the broker refused, and why.
    async fn put_items(&mut self, acting: &Acting<'_>, now: nexus_wire::Ms) -> Vec<(usize, ErrorBody)> {
        let mut left: Vec<usize> = (0..self.load.items.len()).collect();
        loop {
            let mut refused = Vec::new();
            let count = left.len();
            for at in left {
                let Some(loaded) = self.load.items.get(at) else { continue };
                let key = loaded.item.key();
                if let Err(error) = put_one(acting, loaded, self.record.items.get(&key), now).await {
                    refused.push((at, error));
                    continue;
                }
                let state = if is_past(&loaded.item, now) { State::Past } else { State::Loaded };
                let known = Known { file: loaded.file.clone(), sha256: loaded.sha256.clone(), state };
                self.record.items.insert(key, known);
            }
            // One that comes after another one has its turn once that is there.
            if refused.is_empty() || refused.len() == count {
                return refused;
            }
            left = refused.into_iter().map(|(at, _)| at).collect();
        }
    }

    /// What no file says any more. One whose file cannot be read at the moment is still there.
    async fn leave(&mut self, acting: &Acting<'_>) {
        let said: Vec<String> = self.load.items.iter().map(|loaded| loaded.item.key()).collect();
        for (key, known) in &mut self.record.items {
            let is_faulty = self.load.faults.iter().any(|fault| fault.file == known.file);
            if said.contains(key) || is_faulty || known.state == State::Left {
                continue;
            }
            match acting.leave(key).await {
                Ok(()) => {
                    tracing::info!("{key} is no longer in the workspace");
                    known.state = State::Left;
                }
                Err(error) => tracing::warn!("{key} has left the workspace: {}", error.message),
            }
        }
    }

    /// One alert for each file, and none for those that are in order.
    async fn tell(&mut self, edge: &Edge, faults: Vec<Fault>) {
        let mut now: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for fault in faults {
            now.entry(fault.file.clone()).or_default().push(fault.to_string());
        }
        let now: BTreeMap<String, String> = now
            .into_iter()
            .map(|(file, told)| {
                let more = match told.len() - 1 {
                    0 => String::new(),
                    more => format!(" (and {more} more)"),
                };
                (file, format!("{}{more}; {HOW}", told.first().map_or("", String::as_str)))
            })
            .collect();
        for (file, message) in &now {
            if self.record.faults.get(file) != Some(message) {
                tracing::warn!("workspace: {message}");
            }
            let (kind, subject) = (AlertKind::WorkspaceFault, file.clone());
            alert(edge, CommandBody::RaiseAlert { kind, subject, message: message.clone() }).await;
        }
        for file in self.record.faults.keys().filter(|file| !now.contains_key(*file)) {
            let (kind, subject) = (AlertKind::WorkspaceFault, file.clone());
            alert(edge, CommandBody::ClearAlert { kind, subject }).await;
        }
        self.record.faults = now;
    }
}

/// A broker that stops tells nobody any more.
async fn alert(edge: &Edge, body: CommandBody) {
    let _ = edge.sequencer.submit(Origin::Broker, body, 0).await;
}

async fn put_one(
    acting: &Acting<'_>,
    loaded: &Loaded,
    known: Option<&Known>,
    now: nexus_wire::Ms,
) -> Result<(), ErrorBody> {
    let is_same = known.is_some_and(|known| known.sha256 == loaded.sha256);
    let is_back = known.is_some_and(|known| known.state == State::Left);
    if !is_same && !is_past(&loaded.item, now) {
        if loaded.is_shipped() {
            acting.check_free(&loaded.item).await?;
        }
        acting.put(&loaded.item).await?;
        tracing::info!("{} is loaded from {}", loaded.item.key(), loaded.file);
    }
    if is_back { acting.come_back(&loaded.item).await } else { Ok(()) }
}

/// There is nothing it would ever do.
fn is_past(item: &Item, now: nexus_wire::Ms) -> bool {
    match item {
        Item::Flow(_) | Item::Home(_) | Item::Registry(_) => false,
        Item::Trigger(trigger) => {
            let Trigger { when, expires_at, .. } = &**trigger;
            let is_over = expires_at.is_some_and(|end| end <= now);
            is_over || matches!(when, When::At(at) if *at <= now)
        }
    }
}
