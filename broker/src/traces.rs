//! Whose trace it is that something happens on account of, from where it comes in to the command that carries it on.

use crate::hub::Traced;

tokio::task_local! {
    static CURRENT: Traced;
}

/// Of the request that this task answers.
pub(crate) fn current() -> Option<Traced> {
    CURRENT.try_with(Traced::clone).ok()
}

/// What `work` asks of the core is asked on this account.
pub(crate) async fn on_account_of<T>(trace: Option<Traced>, work: impl Future<Output = T>) -> T {
    match trace {
        Some(trace) => CURRENT.scope(trace, work).await,
        None => work.await,
    }
}
