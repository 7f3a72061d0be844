//! What is typed about this program: which brokers it knows, and how a shell completes it.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Subcommand};
use nexus_wire::OperatorName;

use super::time::duration;

#[derive(Args, Clone, Debug)]
#[command(
    after_help = "For example: nexctl completions bash > ~/.local/share/bash-completion/completions/nexctl"
)]
pub struct Completions {
    /// For which shell
    pub shell: clap_complete::Shell,
}

#[derive(Args, Clone, Debug)]
pub struct ContextArgs {
    #[command(subcommand)]
    pub action: ContextAction,
}

#[derive(Clone, Debug, Subcommand)]
pub enum ContextAction {
    /// Add a context, or replace the one of that name; takes --url, --ca and a token
    Add {
        /// What to call it
        name: String,
        /// Read the token from this file at each use
        #[arg(long, value_name = "FILE", conflicts_with = "token")]
        token_file: Option<PathBuf>,
        /// Make it the current one; the first one is in any case
        #[arg(long = "use")]
        make_current: bool,
    },
    /// Show all of them
    List,
    /// Forget one
    Remove {
        /// Which, as `nexctl context list` shows it
        #[arg(value_name = "CONTEXT")]
        name: String,
    },
    /// Make one the current one
    Use {
        /// Which, as `nexctl context list` shows it
        #[arg(value_name = "CONTEXT")]
        name: String,
    },
}

#[derive(Args, Clone, Debug)]
#[command(after_help = "\
For example: nexctl login                            # a broker on this machine
             nexctl login https://10.0.0.5:7888 --ca ca.pem --name ana
             nexctl login --setup                    # nobody has been let in yet
It asks for the password (unseen), gets an API token of its own for it, and
keeps that in a file that you alone may read. `nexctl logout` ends it.")]
pub struct Login {
    /// The broker; else --url, $NEXUS_URL, or http://127.0.0.1:7888
    #[arg(value_name = "URL")]
    pub broker: Option<String>,
    /// Your name there; asked for when it is left out
    #[arg(long, value_name = "NAME")]
    pub name: Option<OperatorName>,
    /// Become the first admin, with the setup token that `nexus serve` shows
    #[arg(long)]
    pub setup: bool,
    /// What to call the context; after the broker's host when left out
    #[arg(long = "as", value_name = "NAME")]
    pub save_as: Option<String>,
    /// The token is good no more after this long (12h, 720h); until you log out when left out
    #[arg(long, value_name = "TIME", value_parser = duration)]
    pub expires: Option<Duration>,
    /// Read the answers from standard input, a line each: with --setup the setup token, then the password
    #[arg(long)]
    pub stdin: bool,
}

#[derive(Args, Clone, Debug)]
#[command(after_help = "\
The token that `nexctl login` got is made good no more at the broker, and it is
forgotten here with its context.")]
pub struct Logout {
    /// Forget it here although the broker cannot be told
    #[arg(long)]
    pub force: bool,
}
