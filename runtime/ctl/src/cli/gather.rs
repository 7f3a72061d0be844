//! What is typed to take dispatches together.

use std::time::Duration;

use clap::Args;
use nexus_wire::DispatchId;
use nexus_wire::gather::GatherPolicy;

use super::time::duration;
use crate::ids::Short;

#[derive(Args, Clone, Debug)]
#[command(after_help = "\
For example, which of two answers comes first:
  nexctl gather 4f21 90ab --first --wait
How it stands: nexctl get gather GATHER; to end it: nexctl cancel --gather GATHER")]
pub struct Gather {
    /// The dispatches' ids, as `nexctl get dispatches` shows them; they have to be your own
    #[arg(required = true, value_name = "DISPATCH")]
    pub dispatches: Vec<Short<DispatchId>>,
    /// The first that is done decides it, and not all of them
    #[arg(long, conflicts_with = "need")]
    pub first: bool,
    /// So many that are done decide it
    #[arg(long, value_name = "N")]
    pub need: Option<u32>,
    /// It ends after this long at the latest (90s, 10m; at most 2h)
    #[arg(long, value_name = "TIME", value_parser = duration)]
    pub deadline: Option<Duration>,
    /// When it ends, what is open is cancelled; without --first and --need it goes on
    #[arg(long)]
    pub rest: bool,
    /// When it ends, what is open goes on; with --first and --need it is cancelled
    #[arg(long, conflicts_with = "rest")]
    pub keep_rest: bool,
    /// Wait for its end and show how each of them has ended
    #[arg(long)]
    pub wait: bool,
}

impl Gather {
    pub fn policy(&self) -> GatherPolicy {
        match (self.first, self.need) {
            (true, _) => GatherPolicy::First,
            (false, Some(_)) => GatherPolicy::N,
            (false, None) => GatherPolicy::All,
        }
    }
}
