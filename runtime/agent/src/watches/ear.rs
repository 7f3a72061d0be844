//! Hears from the system that something has happened below a folder. What that was, a look tells: however much is lost of
//! what the system says, the next look finds it.

use std::path::Path;

use notify::{Config, Event, EventKind, RecommendedWatcher, RecursiveMode, Watcher as _};
use tokio::sync::mpsc;

/// Dropping it ends it.
pub(crate) type Ear = RecommendedWatcher;

pub(crate) fn listen(folder: &Path, is_deep: bool, tell: mpsc::Sender<()>) -> notify::Result<Ear> {
    let hear = move |event: notify::Result<Event>| {
        // After an error, such as a full queue, anything may have changed.
        if event.is_ok_and(|event| is_only_read(&event)) {
            return;
        }
        // A full channel tells of the same.
        let _ = tell.try_send(());
    };
    let mut ear = RecommendedWatcher::new(hear, Config::default().with_follow_symlinks(false))?;
    let mode = if is_deep { RecursiveMode::Recursive } else { RecursiveMode::NonRecursive };
    ear.watch(folder, mode)?;
    Ok(ear)
}

fn is_only_read(event: &Event) -> bool {
    match event.kind {
        EventKind::Access(_) => !event.need_rescan(),
        EventKind::Any
        | EventKind::Create(_)
        | EventKind::Modify(_)
        | EventKind::Remove(_)
        | EventKind::Other => false,
    }
}
