//! What is typed about aspects: who is let in, with which key.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Subcommand, ValueEnum};
use nexus_wire::AspectName;
use nexus_wire::roster::AspectRole;

use super::time::duration;

#[derive(Args, Clone, Debug)]
#[command(after_help = "\
The key is made on this machine, in the aspect's home, and only its public part
is sent. On the broker's own machine `nexus aspect` does the same, also while no
broker runs. Who is in: nexctl get aspects")]
pub struct Aspect {
    #[command(subcommand)]
    pub action: AspectAction,
}

#[derive(Clone, Debug, Subcommand)]
pub enum AspectAction {
    /// Let an aspect in and write its keyfile; a good keyfile that is there already stays
    Add {
        /// The aspect's name, as its aspect.json has it
        #[arg(value_name = "ASPECT")]
        name: AspectName,
        /// The aspect's home on this machine; its keyfile is .nexus/key.json in there
        #[arg(long)]
        home: PathBuf,
        /// Its place in the team
        #[arg(long, value_enum, default_value = "worker")]
        role: Place,
        /// The aspect may store knowledge that the whole team reads
        #[arg(long)]
        share_knowledge: bool,
        /// Where the aspect finds the broker, if not where this program does
        #[arg(long, value_name = "URL")]
        broker: Option<String>,
        /// Replace the keyfile although it is for another Nexus, which then does not know this home any more
        #[arg(long)]
        force: bool,
    },
    /// Shut an aspect out; its link closes and its key is good no more
    Revoke {
        /// Which
        #[arg(value_name = "ASPECT")]
        name: AspectName,
    },
    /// Replace an aspect's key; links of the old one close when the overlap is over, and its agent takes up the new one
    Rotate {
        /// Whose
        #[arg(value_name = "ASPECT")]
        name: AspectName,
        /// The aspect's home on this machine; its keyfile is .nexus/key.json in there
        #[arg(long)]
        home: PathBuf,
        /// How long the old key stays good beside the new one (90s, 10m; at most 24h)
        #[arg(long, value_name = "TIME", value_parser = duration, default_value = "0s")]
        overlap: Duration,
        /// Where the aspect finds the broker, if not where this program does
        #[arg(long, value_name = "URL")]
        broker: Option<String>,
    },
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum Place {
    /// The lead: gets what operators address to nobody
    Frame,
    Worker,
}

impl From<Place> for AspectRole {
    fn from(place: Place) -> Self {
        match place {
            Place::Frame => Self::Frame,
            Place::Worker => Self::Worker,
        }
    }
}
