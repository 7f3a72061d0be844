//! What a link costs that only waits.

use std::time::Duration;

use nexus_wire::log::Subscribe;

use crate::broker::{Nexus, ask};
use crate::clock::pause;
use crate::fault::{Doing as _, Outcome};
use crate::input::IDLE;
use crate::report::Samples;
use crate::ws::Link;

pub(crate) const LINKS: usize = 5_000;
/// Links opened at the same time.
const AT_ONCE: usize = 64;
/// For what the broker does after the last answer.
const SETTLE: Duration = Duration::from_millis(500);

/// Opens the links on a broker that was just started.
pub(crate) async fn round(nexus: &Nexus, samples: &mut Samples) -> Outcome<()> {
    // The first few pay for what all others share.
    let first = open(nexus, AT_ONCE).await?;
    let before = nexus.process.rss_kib()?;
    let links = open(nexus, LINKS).await?;
    pause(SETTLE);
    let after = nexus.process.rss_kib()?;
    drop((first, links));
    samples.add("idle-link", (after - before) / LINKS as f64, None);
    Ok(())
}

async fn open(nexus: &Nexus, count: usize) -> Outcome<Vec<Link>> {
    let mut links = Vec::with_capacity(count);
    while links.len() < count {
        let some = AT_ONCE.min(count - links.len());
        let opening = (0..some).map(|_| async {
            let mut link = nexus.operator_link(IDLE).await?;
            ask(&mut link, Subscribe::default().into()).await?;
            Ok(link)
        });
        links.extend(
            futures_util::future::join_all(opening)
                .await
                .into_iter()
                .collect::<Outcome<Vec<_>>>()
                .doing(format!("open {count} idle links, {} are open", links.len()))?,
        );
    }
    Ok(links)
}
