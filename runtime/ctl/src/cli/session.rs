//! `nexctl session`, as it is typed.

use clap::{Args, Subcommand};
use nexus_wire::{AspectName, ItemId};
use uuid::Uuid;

use crate::ids::Short;

#[derive(Args, Clone, Debug)]
pub struct Session {
    #[command(subcommand)]
    pub action: SessionAction,
}

#[derive(Clone, Debug, Subcommand)]
pub enum SessionAction {
    /// Have a summary take the place of a session's beginning
    Compact {
        /// Whose sessions
        #[arg(value_name = "ASPECT")]
        of: AspectName,
        /// `global`, or the id of a thread or a fork
        session: String,
        #[command(flatten)]
        patience: Patience,
    },
    /// What each of two branches has since they parted
    Diff {
        /// Whose sessions
        #[arg(value_name = "ASPECT")]
        of: AspectName,
        /// `global`, or the id of a thread or a fork
        session: String,
        /// The last entry of one branch
        one: Short<Uuid>,
        /// The last entry of the other; the active branch when it is left out
        other: Option<Short<Uuid>>,
    },
    /// The entries that a summary stands for
    Expand {
        /// Whose sessions
        #[arg(value_name = "ASPECT")]
        of: AspectName,
        /// `global`, or the id of a thread or a fork
        session: String,
        /// The summary's entry
        entry: Short<Uuid>,
    },
    /// A new session of the branch that ends at an entry, or where the session stands
    Fork {
        /// Whose sessions
        #[arg(value_name = "ASPECT")]
        of: AspectName,
        /// `global`, or the id of a thread or a fork
        session: String,
        /// An entry's id, as `nexctl session tree` shows it
        entry: Option<Short<Uuid>>,
        /// What the user says next in it
        #[arg(long, value_name = "TEXT")]
        say: Option<String>,
        #[command(flatten)]
        patience: Patience,
    },
    /// The sessions of an aspect, the latest first
    List {
        /// Whose sessions
        #[arg(value_name = "ASPECT")]
        of: AspectName,
        /// At most this many
        #[arg(long, value_name = "N")]
        limit: Option<u32>,
    },
    /// Have a session go on after an earlier entry; nothing of it is removed
    Rewind {
        /// Whose sessions
        #[arg(value_name = "ASPECT")]
        of: AspectName,
        /// `global`, or the id of a thread or a fork
        session: String,
        /// An entry's id, or `start` for before the first
        entry: Place,
        #[command(flatten)]
        patience: Patience,
    },
    /// One entry whole
    Show {
        /// Whose sessions
        #[arg(value_name = "ASPECT")]
        of: AspectName,
        /// `global`, or the id of a thread or a fork
        session: String,
        /// An entry's id, as `nexctl session tree` shows it
        entry: Short<Uuid>,
    },
    /// What came of a command about a session
    Status {
        /// The id that the command showed
        command: Short<ItemId>,
    },
    /// Have a summary of a branch that was left put on the active one
    Summarise {
        /// Whose sessions
        #[arg(value_name = "ASPECT")]
        of: AspectName,
        /// `global`, or the id of a thread or a fork
        session: String,
        /// The last entry of that branch
        entry: Short<Uuid>,
        #[command(flatten)]
        patience: Patience,
    },
    /// The entries of a session, a line each
    Tree {
        /// Whose sessions
        #[arg(value_name = "ASPECT")]
        of: AspectName,
        /// `global`, or the id of a thread or a fork
        session: String,
    },
}

/// How long to wait for an aspect to do what it is told, between its turns.
#[derive(Args, Clone, Copy, Debug)]
pub struct Patience {
    /// Seconds to wait for what comes of it; 0 does not wait
    #[arg(long, value_name = "SECONDS", default_value_t = 30)]
    pub wait: u64,
}

/// Where a session goes on; `None` is before its first entry.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Place(pub Option<Short<Uuid>>);

impl std::str::FromStr for Place {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "start" {
            return Ok(Self(None));
        }
        text.parse().map(|id| Self(Some(id))).map_err(|error: String| format!("{error}, or `start`"))
    }
}
