//! Watches of files: folders that the aspect's settings name are looked at, and what changes there is reported to the
//! broker, where triggers wait for it.
//!
//! Each watch keeps what it has told in a file of its own below the home. A change is told once: it is written down before
//! it is reported, reported until the broker has it on disk, and only then counts as told. What changes while no agent
//! runs is found at its next start.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use nexus_wire::WatchName;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::agent::Kits;
use crate::runner::Watch;
use crate::tools::{Root, Roots};
use crate::uplink::Line;
use state::Shelf;
use watcher::Watcher;

mod ear;
mod look;
mod report;
mod state;
mod tracker;
mod watcher;

/// Closed to every tool.
const FOLDER: &str = ".nexus/watches";

struct Running {
    watch: Watch,
    roots: Vec<Root>,
    shelf: Shelf,
    task: JoinHandle<()>,
}

impl Drop for Running {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Keeps the watches that the settings name, until it is aborted.
pub(crate) async fn follow(home: PathBuf, kits: Arc<Kits>, line: Line, generation: watch::Receiver<u64>) {
    let folder = home.join(FOLDER);
    let mut kits = kits.subscribe();
    let mut running: BTreeMap<WatchName, Running> = BTreeMap::new();
    loop {
        let kit = Arc::clone(&kits.borrow_and_update());
        let roots = &kit.settings.roots;
        let watches = kit.settings.runner.as_ref().map(|runner| &runner.watches[..]).unwrap_or_default();
        let is_wanted = |it: &Running| it.roots == *roots && watches.contains(&it.watch);
        let ended: Vec<WatchName> =
            running.iter().filter(|(_, it)| !is_wanted(it)).map(|(name, _)| name.clone()).collect();
        for name in ended {
            let Some(ended) = running.remove(&name) else { continue };
            let shelf = ended.shelf.clone();
            drop(ended);
            // Should that break down, so has the process.
            let _ = tokio::task::spawn_blocking(move || shelf.close()).await;
        }
        forget(&folder, watches).await;
        for watch in watches {
            if running.contains_key(watch.name()) {
                continue;
            }
            let shelf = Shelf::new(file_of(&folder, watch.name()));
            let watcher = Watcher {
                watch: watch.clone(),
                roots: Roots::new(roots.clone()),
                shelf: shelf.clone(),
                line: line.clone(),
                generation: generation.clone(),
            };
            let task = tokio::spawn(watcher.run());
            let it = Running { watch: watch.clone(), roots: roots.clone(), shelf, task };
            running.insert(watch.name().clone(), it);
        }
        drop(kit);
        if kits.changed().await.is_err() {
            return;
        }
    }
}

fn file_of(folder: &Path, name: &WatchName) -> PathBuf {
    folder.join(format!("{name}.json"))
}

/// A watch that is not wanted any more begins anew when it is wanted again.
async fn forget(folder: &Path, watches: &[Watch]) {
    let kept: Vec<PathBuf> = watches.iter().map(|watch| file_of(folder, watch.name())).collect();
    let folder = folder.to_owned();
    let forgetting = move || {
        // Where there is no folder there is nothing to forget.
        for entry in std::fs::read_dir(&folder).into_iter().flatten().flatten() {
            let path = entry.path();
            if !kept.contains(&path)
                && let Err(error) = std::fs::remove_file(&path)
            {
                tracing::warn!(%error, "{} cannot be removed", path.display());
            }
        }
    };
    // What is left is forgotten at the next start.
    let _ = tokio::task::spawn_blocking(forgetting).await;
}
