//! `nexctl session`, as it is typed.

use clap::{Args, Subcommand};
use nexus_wire::AspectName;
use uuid::Uuid;

#[derive(Args, Clone, Debug)]
pub struct Session {
    #[command(subcommand)]
    pub action: SessionAction,
}

#[derive(Clone, Debug, Subcommand)]
pub enum SessionAction {
    /// The sessions of an aspect, the latest first
    List {
        #[arg(value_name = "ASPECT")]
        of: AspectName,
        /// At most this many
        #[arg(long, value_name = "N")]
        limit: Option<u32>,
    },
    /// One entry whole
    Show {
        #[arg(value_name = "ASPECT")]
        of: AspectName,
        /// `global`, or the id of a thread or a fork
        session: String,
        entry: Uuid,
    },
    /// The entries of a session, a line each
    Tree {
        #[arg(value_name = "ASPECT")]
        of: AspectName,
        /// `global`, or the id of a thread or a fork
        session: String,
    },
}
