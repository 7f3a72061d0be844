//! `nexctl stop` and `nexctl go-on`, as they are typed.

use clap::Args;
use nexus_wire::{AspectName, ThreadId, TurnId};

use super::Patience;
use crate::ids::Short;

#[derive(Args, Clone, Debug)]
#[command(after_help = "\
What the turns were about is closed as failed, and their threads say who
cancelled them. The aspect stays connected and takes its next message; to keep
it off, see: nexctl hold. Work of its Hands is cancelled by: nexctl cancel.")]
pub struct Stop {
    /// Whose turns
    pub aspect: AspectName,
    /// Only those about this thread
    #[arg(long, value_name = "ID")]
    pub thread: Option<Short<ThreadId>>,
    /// Only this one
    #[arg(long, value_name = "ID")]
    pub turn: Option<TurnId>,
    /// Shown with what was cancelled
    #[arg(long, value_name = "TEXT")]
    pub reason: Option<String>,
    #[command(flatten)]
    pub patience: Patience,
}

#[derive(Args, Clone, Debug)]
pub struct GoOn {
    /// Whose turns
    pub aspect: AspectName,
    /// Only those about this thread
    #[arg(long, value_name = "ID")]
    pub thread: Option<Short<ThreadId>>,
    #[command(flatten)]
    pub patience: Patience,
}
