//! Waiting for the end of something.

use nexus_client::{CallError, Client, Followed};
use nexus_wire::ErrorCode;
use nexus_wire::log::{LogBody, Subscribe};

use crate::Run;
use crate::failure::Failure;
use crate::ui::Outage;

/// Follows the log (`kinds`; empty: all of it) until `look` finds that it has ended. `look` is asked again whenever an
/// entry is news of it, and whenever the log may have gone on without us. What it asks for has to be there at first.
pub(crate) async fn until<T>(
    run: &Run,
    client: Client,
    kinds: &[&str],
    mut look: impl AsyncFnMut(&mut Client) -> Result<Option<T>, CallError>,
    is_news: impl Fn(&LogBody) -> bool,
) -> Result<T, Failure> {
    let kinds = kinds.iter().map(|&kind| kind.to_owned()).collect();
    let mut follow = client.follow(Subscribe { kinds, ..Subscribe::default() }).await?;
    // Asked once the log is followed: an end is either known by now or still to come.
    let mut asker = run.connect().await?;
    let mut outage = Outage::default();
    loop {
        if let Some(ended) = look(&mut asker).await.map_err(failure)? {
            asker.close().await;
            return Ok(ended);
        }
        loop {
            match follow.next().await? {
                Followed::Log(entry) if is_news(&entry.body) => break,
                // The end may be in what is lost.
                Followed::Gap(_) => break,
                Followed::Lost { .. } => outage.lost(&run.ui),
                // A broker that was put back to a backup has another log, and need not know what is waited for.
                Followed::Reconnected => {
                    outage.over(&run.ui);
                    // The asker's own link may be a while in coming back. Where there is no other yet, it is waited for.
                    if let Ok(fresh) = run.connect().await {
                        asker = fresh;
                    }
                    break;
                }
                Followed::Log(_)
                | Followed::Activity(_)
                | Followed::Observed(_)
                | Followed::ObserveGap(_)
                | Followed::Roster(_) => {}
            }
        }
    }
}

fn failure(error: CallError) -> Failure {
    match error {
        CallError::Refused(body) if body.code == ErrorCode::NotFound => Failure::Failed(format!(
            "{}; it was there before, so the broker was put back to an older backup: ask for it again",
            body.message
        )),
        error @ (CallError::Refused(_) | CallError::Over(_) | CallError::BadReply(_)) => error.into(),
    }
}
