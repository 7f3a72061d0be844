//! What one reader that never reads costs all others.

use std::time::Duration;

use nexus_wire::log::Subscribe;

use crate::broker::ask;
use crate::fault::Outcome;
use crate::flow::{Flow, rate};
use crate::input::IDLE;
use crate::report::Samples;
use crate::rows::durable::LINKS;
use crate::rows::relay::relay_lanes;
use crate::run::Stage;

const WINDOW: u64 = 64;

pub(crate) async fn round(stage: &mut Stage, samples: &mut Samples, length: Duration) -> Outcome<()> {
    let flow = Flow { window: WINDOW, length };
    let without = rate(relay_lanes(&stage.nexus, &mut stage.members[..LINKS]).await?, flow).await?;
    let lanes = relay_lanes(&stage.nexus, &mut stage.members[..LINKS]).await?;
    // It is told of everything, from the beginning of the log, and reads nothing after the answer.
    let mut stuck = stage.nexus.operator_link(IDLE).await?;
    let all = Subscribe { from_seq: Some(0), observe: true, roster: true, ..Subscribe::default() };
    ask(&mut stuck, all.into()).await?;
    let with = rate(lanes, flow).await?;
    samples.add("stuck-reader", with, Some(without));
    drop(stuck);
    Ok(())
}
