//! What can be typed about secrets for services outside.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};
use nexus_wire::credential::{CredentialKind, CredentialMode};
use nexus_wire::{AspectName, CredentialName};

#[derive(Args, Clone, Debug)]
pub struct CredentialArgs {
    #[command(subcommand)]
    pub action: CredentialAction,
}

#[derive(Clone, Debug, Subcommand)]
pub enum CredentialAction {
    /// Keep a secret, or replace everything of the one of that name; it is typed unseen, or read from standard
    /// input
    Add {
        /// What to call it
        name: CredentialName,
        /// What it is for
        #[arg(long, value_enum)]
        kind: Kind,
        /// How it may be used
        #[arg(long, value_enum, default_value = "proxy")]
        mode: Mode,
        /// Where the broker's calls go
        #[arg(long, value_name = "https://HOST/PATH")]
        base_url: Option<String>,
        /// The header the secret goes into (authorization)
        #[arg(long, value_name = "NAME")]
        header: Option<String>,
        /// What stands before the secret in that header ("Bearer " for authorization)
        #[arg(long, value_name = "TEXT")]
        prefix: Option<String>,
        /// An aspect that may use it; repeat it for several
        #[arg(long, value_name = "ASPECT", value_delimiter = ',')]
        allow: Vec<AspectName>,
        /// Read the secret from this file
        #[arg(long, value_name = "FILE")]
        secret_file: Option<PathBuf>,
    },
    /// Say who may use one from now on, in place of those who may; the secret stays as it is
    Allow {
        /// Which, as `nexctl credential list` shows it
        name: CredentialName,
        /// Aspects that may use it; none, and nobody may
        #[arg(value_name = "ASPECT", value_delimiter = ',')]
        aspects: Vec<AspectName>,
    },
    /// Show all of them, without the secrets
    List,
    /// Forget one
    Remove {
        /// Which, as `nexctl credential list` shows it
        name: CredentialName,
    },
    /// Replace the secret
    Rotate {
        /// What to call it
        name: CredentialName,
        /// Read the secret from this file
        #[arg(long, value_name = "FILE")]
        secret_file: Option<PathBuf>,
    },
    /// Show one, without its secret
    Show {
        /// Which, as `nexctl credential list` shows it
        name: CredentialName,
    },
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum Kind {
    Provider,
    Git,
    Jira,
    Imap,
    Custom,
}

impl From<Kind> for CredentialKind {
    fn from(kind: Kind) -> Self {
        match kind {
            Kind::Provider => Self::Provider,
            Kind::Git => Self::Git,
            Kind::Jira => Self::Jira,
            Kind::Imap => Self::Imap,
            Kind::Custom => Self::Custom,
        }
    }
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum Mode {
    /// The broker makes the calls; nobody gets the secret
    Proxy,
    /// An allowed aspect may read it
    Fetch,
    Both,
}

impl From<Mode> for CredentialMode {
    fn from(mode: Mode) -> Self {
        match mode {
            Mode::Proxy => Self::Proxy,
            Mode::Fetch => Self::Fetch,
            Mode::Both => Self::Both,
        }
    }
}
