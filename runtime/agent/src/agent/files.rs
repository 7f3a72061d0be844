//! Watches the files of the home, so that a change is seen at once and not at the next turn alone; a new key, too.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use notify::{EventKind, RecommendedWatcher, RecursiveMode, Watcher as _};
use tokio::sync::mpsc;

use super::kit::Kits;
use crate::home::{NEXUS_FILE, PRIMER_FILE, SETTINGS_FILE, SOUL_FILE};
use nexus_client::keyfile::KEYFILE_PATH;
use nexus_client::{Broker, KeyFile, Renewal};

const WATCHED: [&str; 4] = [SETTINGS_FILE, SOUL_FILE, NEXUS_FILE, PRIMER_FILE];
/// An editor writes a file in several steps.
const SETTLE: Duration = Duration::from_millis(100);
/// How often to look where the system does not tell.
const SCAN_INTERVAL: Duration = Duration::from_secs(5);

/// What is told of a new key, and by whom.
pub(super) struct Keys {
    pub(super) broker: Broker,
    pub(super) rekeyed: mpsc::Sender<()>,
}

impl Keys {
    async fn look(&self) {
        match self.broker.renew_key().await {
            Ok(Renewal::New) => {
                // A full channel tells of the same.
                let _ = self.rekeyed.try_send(());
            }
            Ok(Renewal::Same) => {}
            Ok(Renewal::Elsewhere) => tracing::warn!(
                "the keyfile is for another broker, address or aspect now; stop this agent and start it again to use it"
            ),
            // It may be on its way to being written; whoever needs it says so.
            Err(error) => tracing::debug!(%error, "the key stays what it was"),
        }
    }
}

/// Until it is aborted.
pub(super) async fn follow(home: PathBuf, kits: Arc<Kits>, keys: Keys) {
    let (tell, mut told) = mpsc::channel(1);
    // Dropping it ends the watch.
    let watcher = watch(&home, tell);
    if let Err(error) = &watcher {
        let seconds = SCAN_INTERVAL.as_secs();
        tracing::debug!(%error, "the home cannot be watched; looking at it every {seconds} s");
    }
    loop {
        match &watcher {
            Ok(_) if told.recv().await.is_some() => tokio::time::sleep(SETTLE).await,
            Ok(_) | Err(_) => tokio::time::sleep(SCAN_INTERVAL).await,
        }
        // What came until now is seen by the look that follows.
        let _ = told.try_recv();
        let kits = Arc::clone(&kits);
        // A look that broke down has changed nothing.
        let _ = tokio::task::spawn_blocking(move || kits.look()).await;
        keys.look().await;
    }
}

fn watch(home: &Path, tell: mpsc::Sender<()>) -> notify::Result<RecommendedWatcher> {
    let mut watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
        // After an error, such as a full queue, anything may have changed.
        if event.is_ok_and(|event| !is_of_interest(&event)) {
            return;
        }
        // A full channel tells of the same.
        let _ = tell.try_send(());
    })?;
    // The folder and not the files: an editor puts a new file in the place of the old one.
    watcher.watch(home, RecursiveMode::NonRecursive)?;
    if let Some(folder) = KeyFile::path_in(home).parent() {
        watcher.watch(folder, RecursiveMode::NonRecursive)?;
    }
    Ok(watcher)
}

/// The inbox is in the same folder, and is written all the time.
fn is_of_interest(event: &notify::Event) -> bool {
    let is_watched =
        |path: &PathBuf| path.ends_with(KEYFILE_PATH) || WATCHED.iter().any(|name| path.ends_with(name));
    match event.kind {
        EventKind::Access(_) => false,
        EventKind::Any
        | EventKind::Create(_)
        | EventKind::Modify(_)
        | EventKind::Remove(_)
        | EventKind::Other => event.paths.iter().any(is_watched) || event.need_rescan(),
    }
}
