//! `nexctl blob`, as it is typed.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use nexus_wire::BlobId;

/// What a file is said to be when nobody says it.
pub const MEDIA_TYPE: &str = "application/octet-stream";

#[derive(Args, Clone, Debug)]
pub struct Blob {
    #[command(subcommand)]
    pub action: BlobAction,
}

#[derive(Clone, Debug, Subcommand)]
pub enum BlobAction {
    /// Fetch one to a file, or to standard output
    Get {
        /// As `nexctl blob list` shows it: sha256-…
        id: BlobId,
        /// Into this file, which must not exist
        #[arg(long, value_name = "FILE")]
        to: Option<PathBuf>,
    },
    /// What there is, the latest first
    List {
        /// Go on with what the page before said
        #[arg(long, value_name = "CURSOR")]
        cursor: Option<u64>,
        /// At most this many
        #[arg(long, value_name = "N")]
        limit: Option<u32>,
    },
    /// Put a file; what is shown first is its id
    Put {
        /// The file; - reads standard input
        file: PathBuf,
        /// What people see of it, instead of the file's own name
        #[arg(long, value_name = "NAME")]
        name: Option<String>,
        /// What it is
        #[arg(long = "type", value_name = "TYPE/SUBTYPE", default_value = MEDIA_TYPE)]
        media_type: String,
    },
    /// What is known of one, without its bytes
    Show {
        /// The blob's id, as a message or `nexctl blob list` shows it
        id: BlobId,
    },
}
