//! `nexctl registry`, as it is typed.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use nexus_wire::name::RegistryName;

#[derive(Args, Clone, Debug)]
#[command(after_help = "\
For example:
  nexctl registry put clients.yaml
  nexctl registry write clients acme state=active hours=12.5
  nexctl registry rows clients --filter 'state == \"active\" and hours > 10'")]
pub struct RegistryArgs {
    #[command(subcommand)]
    pub action: RegistryAction,
}

#[derive(Clone, Debug, Subcommand)]
pub enum RegistryAction {
    /// Keep a registry no longer, nor its rows and their history
    Delete {
        /// Its name
        #[arg(value_name = "REGISTRY")]
        registry: RegistryName,
    },
    /// One row, with its version
    Get {
        /// The registry's name
        #[arg(value_name = "REGISTRY")]
        registry: RegistryName,
        /// What names the row
        #[arg(value_name = "ROW")]
        row: String,
    },
    /// Who changed what, the latest first
    History {
        /// The registry's name
        #[arg(value_name = "REGISTRY")]
        registry: RegistryName,
        /// Only of this row
        #[arg(value_name = "ROW")]
        row: Option<String>,
        /// At most so many (50)
        #[arg(long, value_name = "N")]
        limit: Option<u32>,
        /// Only those before this change
        #[arg(long, value_name = "VERSION")]
        before: Option<u64>,
    },
    /// Registries that there are
    List,
    /// Keep a registry, in the place of one that has its name, and write the entries that are not there
    Put {
        /// A YAML file; - reads standard input
        #[arg(value_name = "FILE")]
        file: PathBuf,
    },
    /// Take a row out; its history stays
    Remove {
        /// The registry's name
        #[arg(value_name = "REGISTRY")]
        registry: RegistryName,
        /// What names the row
        #[arg(value_name = "ROW")]
        row: String,
        /// Only if this is its version
        #[arg(long, value_name = "VERSION")]
        if_version: Option<u64>,
    },
    /// Rows, by what names them
    Rows {
        /// The registry's name
        #[arg(value_name = "REGISTRY")]
        registry: RegistryName,
        /// Only those for which this expression over the fields is true
        #[arg(long, value_name = "EXPRESSION")]
        filter: Option<String>,
        /// At most so many (50)
        #[arg(long, value_name = "N")]
        limit: Option<u32>,
        /// Only those behind this row
        #[arg(long, value_name = "ROW")]
        after: Option<String>,
    },
    /// What rows of a registry are like, as a file that can be put
    Show {
        /// Its name
        #[arg(value_name = "REGISTRY")]
        registry: RegistryName,
    },
    /// Write a row, or other values of one that is there
    Write {
        /// The registry's name
        #[arg(value_name = "REGISTRY")]
        registry: RegistryName,
        /// What names the row; - for a new row of a registry without a key
        #[arg(value_name = "ROW")]
        row: String,
        /// field=value, with a value as the field's type has it; field= takes the value away
        #[arg(value_name = "FIELD=VALUE", required = true)]
        values: Vec<String>,
        /// Only if this is its version; 0: only if there is no such row
        #[arg(long, value_name = "VERSION")]
        if_version: Option<u64>,
    },
}
