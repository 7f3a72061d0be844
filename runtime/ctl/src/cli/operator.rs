//! What is typed about people: who is let in, and with what.

use clap::{Args, Subcommand, ValueEnum};
use nexus_wire::admin::OperatorRole;
use nexus_wire::{OperatorName, TokenName};

use super::time::duration;

#[derive(Args, Clone, Debug)]
pub struct Operator {
    #[command(subcommand)]
    pub action: OperatorAction,
}

#[derive(Clone, Debug, Subcommand)]
pub enum OperatorAction {
    /// Let a person in, and show their first token once
    Add {
        /// What they are called
        name: OperatorName,
        /// What they may do
        #[arg(long, value_enum, default_value = "operator")]
        role: May,
    },
    /// Invite a person, and show the link once: they open it, choose a password and are in
    Invite {
        /// What they are called
        name: OperatorName,
        /// What they may do
        #[arg(long, value_enum, default_value = "operator")]
        role: May,
        /// The link is good this long (12h, 72h), at most 720h, and once; 72h when left out
        #[arg(long, value_name = "TIME", value_parser = duration)]
        expires: Option<std::time::Duration>,
    },
    /// Show everybody who was ever let in, and who is invited
    List,
    /// Set the password somebody logs in with; it is typed unseen, or read from standard input
    Passwd {
        /// Whose
        name: OperatorName,
    },
    /// Give a person another role; their tokens and password stay
    Role {
        /// Whose
        name: OperatorName,
        /// What they may do from now on
        #[arg(value_enum)]
        role: May,
    },
    /// Shut a person out; their links close at once. Of one who is invited, take the invitation back
    Revoke {
        /// Which
        name: OperatorName,
    },
    /// The API tokens of a person
    #[command(subcommand)]
    Token(TokenAction),
}

#[derive(Clone, Debug, Subcommand)]
pub enum TokenAction {
    /// Make a further token, or replace the one of that name, and show it once
    Add {
        /// Whose
        operator: OperatorName,
        /// What to call it: laptop
        name: TokenName,
        /// It is good no more after this long (12h, 720h); until it is revoked when left out
        #[arg(long, value_name = "TIME", value_parser = duration)]
        expires: Option<std::time::Duration>,
    },
    /// Show them, without the secrets
    List {
        /// Whose
        operator: OperatorName,
    },
    /// Make one good no more; its links close at once
    Revoke {
        /// Whose
        operator: OperatorName,
        /// Which
        name: TokenName,
    },
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum May {
    /// Look
    Viewer,
    /// Talk, send work, step in
    Operator,
    /// Everything
    Admin,
}

impl From<May> for OperatorRole {
    fn from(may: May) -> Self {
        match may {
            May::Viewer => Self::Viewer,
            May::Operator => Self::Operator,
            May::Admin => Self::Admin,
        }
    }
}
