//! Watches the files of the home, so that a change is seen at once and not at the next turn alone.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use notify::{EventKind, RecommendedWatcher, RecursiveMode, Watcher as _};
use tokio::sync::mpsc;

use super::kit::Kits;
use crate::home::{NEXUS_FILE, PRIMER_FILE, SETTINGS_FILE, SOUL_FILE};

const WATCHED: [&str; 4] = [SETTINGS_FILE, SOUL_FILE, NEXUS_FILE, PRIMER_FILE];
/// An editor writes a file in several steps.
const SETTLE: Duration = Duration::from_millis(100);
/// How often to look where the system does not tell.
const SCAN_INTERVAL: Duration = Duration::from_secs(5);

/// Until it is aborted.
pub(super) async fn follow(home: PathBuf, kits: Arc<Kits>) {
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
    Ok(watcher)
}

/// The inbox is in the same folder, and is written all the time.
fn is_of_interest(event: &notify::Event) -> bool {
    let is_watched =
        |path: &PathBuf| path.file_name().is_some_and(|name| WATCHED.iter().any(|it| name == *it));
    match event.kind {
        EventKind::Access(_) => false,
        EventKind::Any
        | EventKind::Create(_)
        | EventKind::Modify(_)
        | EventKind::Remove(_)
        | EventKind::Other => event.paths.iter().any(is_watched) || event.need_rescan(),
    }
}
