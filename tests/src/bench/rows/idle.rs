//! What a link costs that only waits.

use std::time::Duration;

use nexus_wire::log::Subscribe;

use crate::broker::{Nexus, ask};
use crate::clock::pause;
use crate::fault::{Doing as _, Outcome};
use crate::input::IDLE;
use crate::report::Samples;
use crate::ws::Link;

pub(crate) const LINKS: usize = 10_000;
/// Links opened at the same time.
const AT_ONCE: usize = 64;
/// For what the broker does after the last answer.
const SETTLE: Duration = Duration::from_millis(500);

/// Opens the links on a broker that was just started.
pub(crate) async fn round(nexus: &Nexus, samples: &mut Samples) -> Outcome<()> {
    samples.add("idle-link", memory_of(nexus, LINKS).await?, None);
    Ok(())
}

/// By how many KiB the broker grows with each.
pub(crate) async fn memory_of(nexus: &Nexus, links: usize) -> Outcome<f64> {
    // The first few pay for what all others share.
    let first = open(nexus, AT_ONCE).await?;
    let before = nexus.process.rss_kib()?;
    let open = open(nexus, links).await?;
    pause(SETTLE);
    let after = nexus.process.rss_kib()?;
    drop((first, open));
    Ok((after - before) / links as f64)
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
