//! `nexus token`: where the token of the data directory's owner is, how to replace it, and how to get a setup
//! token for somebody who comes over the network.

use clap::{Args, Subcommand};

use super::CliError;
use super::admin::{Admin, AdminError};
use super::print::say;
use crate::config::Config;
use crate::datadir::{DataDir, TOKEN_FILE};
use crate::identity::token;
use crate::setup::{FIRST_OPERATOR, first_operator, local_token};

#[derive(Debug, Args)]
pub(super) struct Token {
    #[command(subcommand)]
    action: Option<Action>,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Make a new one; the old one is good no more
    New,
    /// Make a setup token: whoever has it becomes an admin, once, within 24 hours
    Setup,
}

#[cfg(test)]
pub(super) fn new_token() -> Token {
    Token { action: Some(Action::New) }
}

pub(super) async fn run(token: Token, config: Config) -> Result<(), CliError> {
    match token.action {
        Some(Action::New) => replace(&config).await,
        Some(Action::Setup) => {
            let token = Admin::open(&config).await?.offer_setup().await?;
            say(format_args!(
                "This setup token makes its holder an admin, once, within 24 hours; an earlier one is void:\n\n  {token}\n"
            ));
            Ok(())
        }
        None => {
            let data = DataDir::open(&config.data).map_err(AdminError::from)?;
            let path = data.operator_token();
            if path.exists() {
                say(format_args!("The token of operator {FIRST_OPERATOR} is in {}", path.display()));
                say(format_args!("Use it with: export NEXUS_TOKEN=\"$(cat {})\"", path.display()));
            } else {
                say(format_args!(
                    "There is no token yet: `nexus serve` makes one at its first start, `nexus token new` at once"
                ));
            }
            Ok(())
        }
    }
}

async fn replace(config: &Config) -> Result<(), CliError> {
    let mut admin = Admin::open(config).await?;
    let token = token::mint();
    let local = local_token(&token);
    // The broker first: it is asked with the old token, and a refusal must leave the file as it is.
    admin.local_token(local).await?;
    let data = DataDir::open(&config.data).map_err(AdminError::from)?;
    data.write_private(TOKEN_FILE, &format!("{token}\n")).map_err(AdminError::from)?;
    say(format_args!(
        "A new token for operator {}, also in {}:\n\n  {token}\n",
        first_operator(),
        data.operator_token().display()
    ));
    Ok(())
}
