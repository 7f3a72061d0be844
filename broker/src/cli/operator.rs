//! `nexus operator`: tokens are made here and shown once; the broker keeps a digest.

use std::time::Duration;

use clap::{Subcommand, ValueEnum};
use nexus_wire::access::{InvitationAdd, InvitationInfo, InvitationMade, TokenAdd, TokenInfo};
use nexus_wire::admin::{OperatorAdd, OperatorInfo, OperatorRole};
use nexus_wire::{Ms, OperatorName, Party, TokenName};

use super::CliError;
use super::admin::Admin;
use super::print::{say, table};
use super::secret;
use super::words::lifetime;
use crate::config::Config;
use crate::identity::{password, token};

#[derive(Debug, Subcommand)]
pub(super) enum Operator {
    /// Let somebody in, or replace the token they were let in with; the old one is good no more
    Add {
        /// What to call them: a lower-case name, which stands before what they say
        name: OperatorName,
        /// What they may do
        #[arg(long, value_enum)]
        role: Role,
    },
    /// Invite somebody: they open the link, choose a password and are in
    Invite {
        /// What to call them: a lower-case name, which stands before what they say
        name: OperatorName,
        /// What they may do
        #[arg(long, value_enum)]
        role: Role,
        /// How long the link is good (12h, 7d), at most 30d; it is good once
        #[arg(long, value_name = "TIME", value_parser = lifetime, default_value = "3d")]
        expires: Duration,
    },
    /// Show who is in, and who is invited
    List,
    /// Give somebody another role; what they get in with stays
    Role {
        /// Who
        name: OperatorName,
        /// What they may do
        #[arg(long, value_enum)]
        role: Role,
    },
    /// Set the password somebody logs in with; read from the terminal, or one line of standard input
    Passwd {
        /// Who
        name: OperatorName,
    },
    /// Shut somebody out; their links close. Of somebody who is invited, take the invitation back
    Revoke {
        /// Who
        name: OperatorName,
    },
    /// API tokens of an operator, each with a name
    #[command(subcommand)]
    Token(Token),
}

#[derive(Debug, Subcommand)]
pub(super) enum Token {
    /// Make one and show it once
    Add {
        /// Whose
        operator: OperatorName,
        /// What to call it, such as the machine or the program it is for
        name: TokenName,
        /// How long it is good (90s, 12h, 30d); until it is revoked when left out
        #[arg(long, value_name = "TIME", value_parser = lifetime)]
        expires: Option<Duration>,
        /// Take the place of the token of that name, which is good no more then
        #[arg(long)]
        replace: bool,
    },
    /// Show them, without the secrets
    List {
        /// Whose
        operator: OperatorName,
    },
    /// Make one good no more; links it opened close
    Revoke {
        /// Whose
        operator: OperatorName,
        /// Which, as `nexus operator token list` shows it
        name: TokenName,
    },
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
    match operator {
        Operator::Add { name, role } => {
            let token = token::mint();
            let token_sha256 = token::sha256_hex(&token);
            let add = OperatorAdd { name: name.clone(), role: role.into(), token_sha256 };
            let mut admin = Admin::open(&config).await?;
            let was_in = admin
                .operators()
                .await?
                .operators
                .iter()
                .any(|it| it.name == name && it.revoked_at.is_none());
            admin.add_operator(add).await?;
            let what = match was_in {
                true => {
                    "was in already; the token they were let in with is good no more, this one takes its place"
                }
                false => "is in",
            };
            say(format_args!("{name} {what}. This token is shown once:\n\n  {token}\n"));
        }
        Operator::Invite { name, role, expires } => {
            let add = InvitationAdd { name, role: role.into(), expires_in_s: Some(expires.as_secs()) };
            let InvitationMade { invitation, link, .. } = Admin::open(&config).await?.invite(add).await?;
            say(format_args!(
                "{} is invited as {}, once, until {}. Whoever opens this link chooses their password; it is shown once:\n\n  {link}\n",
                invitation.name,
                role_word(invitation.role),
                time(invitation.expires_at)
            ));
        }
        Operator::List => {
            let all = Admin::open(&config).await?.operators().await?;
            let invited = all.invitations.iter().map(invited_row);
            let rows: Vec<Vec<String>> = all.operators.iter().map(row).chain(invited).collect();
            table(&["name", "role", "since", "state", "password", "tokens"], &rows);
        }
        Operator::Role { name, role } => {
            let info = Admin::open(&config).await?.set_role(&name, role.into()).await?;
            say(format_args!("{name} is {} now", role_word(info.role)));
        }
        Operator::Passwd { name } => {
            let password = secret::read("New password", true)?;
            password::acceptable(&password).map_err(CliError::Refused)?;
            Admin::open(&config).await?.set_password(&name, password).await?;
            say(format_args!("{name} has a new password; their sessions have ended"));
        }
        Operator::Revoke { name } => {
            let mut admin = Admin::open(&config).await?;
            if admin.operators().await?.invitations.iter().any(|it| it.name == name) {
                admin.revoke_invitation(name.clone()).await?;
                say(format_args!("{name} is invited no more"));
            } else {
                admin.revoke_operator(name.clone()).await?;
                say(format_args!("{name} is out"));
            }
        }
        Operator::Token(action) => tokens(action, &config).await?,
    }
    Ok(())
}

async fn tokens(action: Token, config: &Config) -> Result<(), CliError> {
    let mut admin = Admin::open(config).await?;
    match action {
        Token::Add { operator, name, expires, replace } => {
            if !replace && admin.tokens(&operator).await?.iter().any(|it| it.name == name) {
                return Err(CliError::TokenThere { operator, name });
            }
            let token = token::mint();
            let add = TokenAdd {
                name: name.clone(),
                token_sha256: Some(token::sha256_hex(&token)),
                expires_in_s: expires.map(|it| it.as_secs()),
            };
            let until = match admin.add_token(&operator, add).await?.token_info.expires_at {
                Some(at) => format!("until {}", time(at)),
                None => "until it is revoked".to_owned(),
            };
            say(format_args!(
                "{operator} has the token {name}, good {until}. It is shown once:\n\n  {token}\n"
            ));
        }
        Token::List { operator } => {
            let rows: Vec<Vec<String>> = admin.tokens(&operator).await?.iter().map(token_row).collect();
            table(&["name", "made", "last used", "expires"], &rows);
        }
        Token::Revoke { operator, name } => {
            admin.revoke_token(&operator, &name).await?;
            say(format_args!("the token {name} of {operator} is good no more"));
        }
    }
    Ok(())
}

fn role_word(role: OperatorRole) -> &'static str {
    match role {
        OperatorRole::Viewer => "viewer",
        OperatorRole::Operator => "operator",
        OperatorRole::Admin => "admin",
    }
}

fn row(info: &OperatorInfo) -> Vec<String> {
    let tokens: Vec<&str> = info.tokens.iter().map(|it| it.name.as_str()).collect();
    vec![
        info.name.to_string(),
        role_word(info.role).to_owned(),
        time(info.created_at),
        if info.revoked_at.is_some() { "revoked" } else { "in" }.to_owned(),
        if info.has_password { "yes" } else { "no" }.to_owned(),
        tokens.join(","),
    ]
}

fn invited_row(info: &InvitationInfo) -> Vec<String> {
    let by = match &info.invited_by {
        Party::Operator(name) => name.to_string(),
        Party::System => "the owner of the data directory".to_owned(),
        Party::Aspect(name) => format!("aspect {name}"),
    };
    vec![
        info.name.to_string(),
        role_word(info.role).to_owned(),
        time(info.created_at),
        format!("invited by {by} until {}", time(info.expires_at)),
        "no".to_owned(),
        String::new(),
    ]
}

fn token_row(info: &TokenInfo) -> Vec<String> {
    let or = |at: Option<Ms>, never: &str| at.map_or_else(|| never.to_owned(), time);
    vec![
        info.name.to_string(),
        time(info.created_at),
        or(info.last_used_at, "never"),
        or(info.expires_at, "never"),
    ]
}

fn time(at: Ms) -> String {
    jiff::Timestamp::from_millisecond(at).map_or_else(|_| String::new(), |it| it.to_string())
}
