//! Tasks and threads that say whose they are: what they log stands in the span of whoever began them, which names the
//! tenant. Nothing in a Nexus is begun by another way, but for what brings its own span.

use std::any::Any;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::{JoinError, JoinHandle};
use tokio::time::sleep;
use tracing::{Instrument as _, Span};

const SAID_CHARS_MAX: usize = 200;
const PAUSE: Duration = Duration::from_secs(1);

pub(crate) fn spawn<T: Send + 'static>(work: impl Future<Output = T> + Send + 'static) -> JoinHandle<T> {
    tokio::spawn(work.in_current_span())
}

/// What waits for a disk, or computes for long.
pub(crate) fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> JoinHandle<T> {
    let span = Span::current();
    tokio::task::spawn_blocking(move || span.in_scope(work))
}

pub(crate) fn thread<T: Send + 'static>(
    name: &str,
    work: impl FnOnce() -> T + Send + 'static,
) -> std::io::Result<std::thread::JoinHandle<T>> {
    let span = Span::current();
    std::thread::Builder::new().name(name.to_owned()).spawn(move || span.in_scope(work))
}

/// Returns when it is to stop.
pub(crate) async fn stopped(stopped: &mut watch::Receiver<bool>) {
    // Whoever could say so is gone when there is an error.
    let _ = stopped.wait_for(|stopped| *stopped).await;
}

/// One of several tasks of a task has ended. One that has broken down is told of, and no other is begun before this returns, so
/// that a defect in what one of them looks after neither ends the others nor keeps the machine busy.
pub(crate) async fn ended(what: &str, done: Result<(), JoinError>) {
    let Err(error) = done else { return };
    let Ok(broken) = error.try_into_panic() else { return };
    tracing::error!("{what} has broken down by a defect ({})", said(&*broken));
    sleep(PAUSE).await;
}

/// What something that has broken down said, on one line.
pub(crate) fn said(broken: &(dyn Any + Send)) -> String {
    let text = broken.downcast_ref::<&str>().copied().or_else(|| broken.downcast_ref().map(String::as_str));
    text.unwrap_or("it said nothing")
        .lines()
        .next()
        .unwrap_or_default()
        .chars()
        .take(SAID_CHARS_MAX)
        .collect()
}

#[cfg(test)]
mod tests {
    use tokio::time::Instant;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn what_broke_is_held_back_and_breaks_nobody_else() {
        let begun = Instant::now();
        ended("a task", spawn(async {}).await).await;
        let aborted = spawn(std::future::pending());
        aborted.abort();
        ended("a task", aborted.await).await;
        assert_eq!(begun.elapsed(), Duration::ZERO);
        ended("a task", spawn(async { panic!("a defect") }).await).await;
        assert_eq!(begun.elapsed(), PAUSE);
    }

    #[tokio::test]
    async fn what_broke_says_why_on_one_line() {
        let broken = spawn(async { panic!("a defect\nmore") }).await.unwrap_err().into_panic();
        assert_eq!(said(&*broken), "a defect");
        assert_eq!(said(&"é".repeat(300)), "é".repeat(SAID_CHARS_MAX));
        assert_eq!(said(&7), "it said nothing");
    }
}
