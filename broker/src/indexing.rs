//! Keeps the search index behind the commits, on a thread of its own that gives way to everything else.

use std::path::{Path, PathBuf};
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::watch;

use crate::hub::records::Stored;
use crate::store::{Indexed, Indexer};

/// What comes within this is taken up together.
const GATHER: Duration = Duration::from_millis(50);
/// After an error, a full disk for example.
const RETRY: Duration = Duration::from_secs(5);

/// Starts it; it ends when `stop` says so. Must be called on a runtime.
pub(crate) fn start(
    database: PathBuf,
    head: watch::Receiver<u64>,
    stop: watch::Receiver<bool>,
) -> std::io::Result<JoinHandle<()>> {
    let runtime = Handle::current();
    std::thread::Builder::new().name("index".to_owned()).spawn(move || run(&database, head, stop, &runtime))
}

fn run(database: &Path, mut head: watch::Receiver<u64>, mut stop: watch::Receiver<bool>, runtime: &Handle) {
    // On Linux this is the thread's own.
    if let Err(error) = rustix::process::setpriority_process(None, 19) {
        tracing::debug!(%error, "the search index is written at the usual priority");
    }
    let mut opened = None;
    while !*stop.borrow_and_update() {
        head.borrow_and_update();
        let pause = match step(&mut opened, database) {
            Ok(Indexed { more: true, .. }) => continue,
            Ok(Indexed { more: false, .. }) => None,
            Err(error) => {
                tracing::warn!(%error, "cannot write the search index; trying again");
                Some(RETRY)
            }
        };
        runtime.block_on(async {
            let news = async {
                match pause {
                    Some(pause) => tokio::time::sleep(pause).await,
                    // The core has ended: nothing comes any more, and the stop is about to.
                    None if head.changed().await.is_err() => std::future::pending().await,
                    None => tokio::time::sleep(GATHER).await,
                }
            };
            tokio::select! {
                () = news => {}
                _ = stop.changed() => {}
            }
        });
    }
}

fn step(opened: &mut Option<Indexer>, database: &Path) -> Stored<Indexed> {
    let indexer = match opened {
        Some(indexer) => indexer,
        None => opened.insert(Indexer::open(database)?),
    };
    indexer.step()
}
