//! Tasks and threads that say whose they are: what they log stands in the span of whoever began them, which names the
//! tenant. Nothing in a Nexus is begun by another way, but for what brings its own span.

use std::any::Any;

use tokio::task::{JoinError, JoinHandle};
use tracing::{Instrument as _, Span};

const SAID_CHARS_MAX: usize = 200;

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

/// One of several tasks of a task has ended. What broke it breaks that, too, so that it is seen by whoever looks after it.
pub(crate) fn ended<T>(done: Result<T, JoinError>) -> Option<T> {
    match done {
        Ok(done) => Some(done),
        Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
        Err(_) => None,
    }
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
    use super::*;

    #[tokio::test]
    async fn what_broke_a_task_breaks_whoever_waits_for_it() {
        let whole = spawn(async { 7 });
        assert_eq!(ended(whole.await), Some(7));
        let aborted = spawn(std::future::pending::<()>());
        aborted.abort();
        assert_eq!(ended(aborted.await), None);
        let broken = spawn(async { panic!("a defect") });
        let waits = spawn(async move { ended::<()>(broken.await) });
        let said = waits.await.unwrap_err().into_panic();
        assert_eq!(super::said(&*said), "a defect");
        assert_eq!(super::said(&format!("{}\nmore", "é".repeat(300))), "é".repeat(SAID_CHARS_MAX));
        assert_eq!(super::said(&7), "it said nothing");
    }
}
