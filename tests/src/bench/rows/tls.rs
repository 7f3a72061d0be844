//! The same relay and the same idle links with TLS around them, on a broker of its own for each round.

use std::path::Path;
use std::time::Duration;

use crate::broker::{Nexus, Variant};
use crate::child::free_addr;
use crate::fault::Outcome;
use crate::flow::{Flow, rate};
use crate::report::Samples;
use crate::rows::idle::memory_of;
use crate::rows::relay::relay_lanes;
use crate::run::Stage;

/// Fewer than without: each costs both sides a handshake.
const LINKS: usize = 1_000;
const PAIRS: usize = 4;
const WINDOW: u64 = 256;

pub(crate) async fn round(
    stage: &mut Stage,
    program: &Path,
    samples: &mut Samples,
    length: Duration,
) -> Outcome<()> {
    let flow = Flow { window: WINDOW, length };
    let plain = rate(relay_lanes(&stage.nexus, &mut stage.members[..PAIRS]).await?, flow).await?;
    let variant = Variant { tls: true, ..Variant::default() };
    let data = stage.dir.join("tls");
    let nexus = Nexus::start_as(variant, program, &data, free_addr()?, &stage.dir).await?;
    samples.add("tls-link", memory_of(&nexus, LINKS).await?, None);
    stage.tls_members += 1;
    let mut members = nexus.add_members(&format!("tls-{}", stage.tls_members), PAIRS).await?;
    let secure = rate(relay_lanes(&nexus, &mut members).await?, flow).await?;
    samples.add("tls-relay", secure, Some(plain));
    Ok(())
}
