//! Waiting for the end of something.

use nexus_client::{CallError, Client, Followed};
use nexus_wire::log::{LogBody, Subscribe};

use crate::Run;
use crate::failure::Failure;
use crate::ui::Outage;

/// Follows the log (`kinds`; empty: all of it) until `look` finds that it has ended. `look` is asked again whenever an
/// entry is news of it.
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
        if let Some(ended) = look(&mut asker).await? {
            asker.close().await;
            return Ok(ended);
        }
        loop {
            match follow.next().await? {
                Followed::Log(entry) if is_news(&entry.body) => break,
                Followed::Lost { .. } => outage.lost(&run.ui),
                Followed::Reconnected => outage.over(&run.ui),
                Followed::Log(_)
                | Followed::Activity(_)
                | Followed::Gap(_)
                | Followed::Observed(_)
                | Followed::ObserveGap(_)
                | Followed::Roster(_) => {}
            }
        }
    }
}
