//! What is typed to give work to Hands.

use std::time::Duration;

use clap::Args;
use nexus_wire::{AspectName, DispatchId, GatherId, ThreadId};

use super::OfDispatch;
use super::time::duration;
use crate::ids::Short;

#[derive(Args, Clone, Debug)]
pub struct Cancel {
    /// The dispatch's id, as `nexctl get dispatches` shows it
    #[arg(required_unless_present = "gather")]
    pub dispatch: Option<Short<DispatchId>>,
    /// Instead: end the gather before it is decided, an id as `nexctl get gathers` shows it
    #[arg(long, value_name = "GATHER", conflicts_with = "dispatch")]
    pub gather: Option<Short<GatherId>>,
    /// Cancel the gather's open dispatches with it, whatever was said when it was made
    #[arg(long, requires = "gather")]
    pub rest: bool,
    /// Let the gather's open dispatches go on, whatever was said when it was made
    #[arg(long, requires = "gather", conflicts_with = "rest")]
    pub keep_rest: bool,
    /// Told to whoever worked on it
    #[arg(long, value_name = "TEXT")]
    pub reason: Option<String>,
}

#[derive(Args, Clone, Debug)]
#[command(after_help = "\
For example: nexctl dispatch wren/verify-claim '{\"claim\": \"…\"}' --wait
Without a Hand's name the broker chooses one, and says why it is that one:
  nexctl dispatch --needs verify '{\"claim\": \"…\"}'
An aspect works by a skill of the broker's workspace (see nexctl get skills):
  nexctl dispatch harrow/self '{\"text\": \"…\"}' --skill summarise --wait")]
pub struct Dispatch {
    /// The Hand, unless one is to be chosen, then its input; - reads the input from standard input
    #[arg(num_args = 0..=2, value_names = ["ASPECT/HAND", "JSON"])]
    pub words: Vec<String>,
    /// How it is to be done: a skill of the workspace, for an aspect's Hand self
    #[arg(long, value_name = "NAME", conflicts_with = "needs")]
    pub skill: Option<String>,
    /// A capability the Hand has to have; repeat it for several
    #[arg(long, value_name = "CAPABILITY", value_delimiter = ',')]
    pub needs: Vec<String>,
    /// A capability that counts for a Hand
    #[arg(long, value_name = "CAPABILITY", value_delimiter = ',', requires = "needs")]
    pub likes: Vec<String>,
    /// An aspect that comes before others
    #[arg(long, value_name = "ASPECT", value_delimiter = ',', requires = "needs")]
    pub prefer: Vec<AspectName>,
    /// An aspect that is taken only if there is nobody else
    #[arg(long, value_name = "ASPECT", value_delimiter = ',', requires = "needs")]
    pub avoid: Vec<AspectName>,
    /// Wait for its end and show the output
    #[arg(long)]
    pub wait: bool,
    /// The thread it belongs to
    #[arg(long, value_name = "ID")]
    pub thread: Option<Short<ThreadId>>,
    /// It has to have ended after this long (90s, 10m; at most 2h)
    #[arg(long, value_name = "TIME", value_parser = duration)]
    pub deadline: Option<Duration>,
    #[command(flatten)]
    pub budget: OfDispatch,
}

#[derive(Args, Clone, Debug)]
#[command(after_help = "What there is to retry: nexctl get dispatches --dead")]
pub struct Retry {
    /// The dispatch's id, as `nexctl get dispatches` shows it
    pub dispatch: Short<DispatchId>,
    /// Wait for its end and show the output
    #[arg(long)]
    pub wait: bool,
    /// It has to have ended after this long (90s, 10m; at most 2h); as long as the first had
    #[arg(long, value_name = "TIME", value_parser = duration)]
    pub deadline: Option<Duration>,
    #[command(flatten)]
    pub budget: OfDispatch,
}
