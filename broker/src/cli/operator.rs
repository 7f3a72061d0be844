//! `nexus operator`: tokens are made here and shown once; the broker keeps a digest.

use clap::{Subcommand, ValueEnum};
use nexus_wire::OperatorName;
use nexus_wire::admin::{OperatorAdd, OperatorInfo, OperatorRole};

use super::CliError;
use super::admin::Admin;
use super::print::{say, table};
use crate::config::Config;
use crate::identity::token;

#[derive(Debug, Subcommand)]
pub(super) enum Operator {
    /// Let somebody in, or give them a new token; the old one is good no more
    Add {
        name: OperatorName,
        #[arg(long, value_enum)]
        role: Role,
    },
    /// Show who is in
    List,
    /// Shut somebody out; their links close
    Revoke { name: OperatorName },
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(super) enum Role {
    /// Looks
    Viewer,
    /// Speaks, dispatches, cancels
    Operator,
    /// Lets others in and out, too
    Admin,
}

impl From<Role> for OperatorRole {
    fn from(role: Role) -> Self {
        match role {
            Role::Viewer => Self::Viewer,
            Role::Operator => Self::Operator,
            Role::Admin => Self::Admin,
        }
    }
}

pub(super) async fn run(operator: Operator, config: Config) -> Result<(), CliError> {
    let mut admin = Admin::open(&config).await?;
    match operator {
        Operator::Add { name, role } => {
            let token = token::mint();
            let token_sha256 = token::sha256_hex(&token);
            admin.add_operator(OperatorAdd { name: name.clone(), role: role.into(), token_sha256 }).await?;
            say(format_args!("{name} is in. This token is shown once:\n\n  {token}\n"));
        }
        Operator::List => {
            let rows: Vec<Vec<String>> = admin.operators().await?.iter().map(row).collect();
            table(&["name", "role", "since", "state"], &rows);
        }
        Operator::Revoke { name } => {
            admin.revoke_operator(name.clone()).await?;
            say(format_args!("{name} is out"));
        }
    }
    Ok(())
}

fn row(info: &OperatorInfo) -> Vec<String> {
    let role = match info.role {
        OperatorRole::Viewer => "viewer",
        OperatorRole::Operator => "operator",
        OperatorRole::Admin => "admin",
    };
    let since = jiff::Timestamp::from_millisecond(info.created_at)
        .map_or_else(|_| String::new(), |it| it.to_string());
    let state = if info.revoked_at.is_some() { "revoked" } else { "in" };
    vec![info.name.to_string(), role.to_owned(), since, state.to_owned()]
}
