//! The `nexus` command: what people type, and what they are told.

mod admin;
mod aspect;
mod backup;
mod doctor;
mod operator;
mod print;
mod secret;
mod serve;
mod show;
mod tenant;
mod token;
mod verify;
mod words;
mod workspace;

use std::io::IsTerminal;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

use clap::{CommandFactory as _, Parser, Subcommand};
use thiserror::Error;
use tracing_subscriber::EnvFilter;

use crate::backup::BackupError;
use crate::clock;
use crate::config::{Config, ConfigError, Effective};
use crate::serve::ServeError;
use crate::setup::SetupError;
use crate::store;
use crate::tenants::{TenantName, TenantsError, folder_of, is_nexus};
use print::say;

/// Several agents, one team: the broker they meet at.
#[derive(Debug, Parser)]
#[command(name = "nexus", version = nexus_version::VERSION, disable_help_subcommand = true)]
struct Cli {
    /// Data directory [default: $NEXUS_DATA, or ~/.nexus/data]
    #[arg(long, global = true, value_name = "DIR")]
    data: Option<PathBuf>,
    /// A tenant of the broker with that data directory, instead of the broker itself
    #[arg(long, global = true, value_name = "NAME")]
    tenant: Option<TenantName>,
    #[command(subcommand)]
    command: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Run the broker
    Serve(serve::Serve),
    /// Let aspects in and shut them out
    #[command(subcommand)]
    Aspect(aspect::Aspect),
    /// Let operators in and shut them out
    #[command(subcommand)]
    Operator(operator::Operator),
    /// Say where the token of this data directory's owner is, make a new one, or a setup token
    Token(token::Token),
    /// Write everything the broker keeps into one file, also while it runs
    Backup(backup::Backup),
    /// Put a backup in the place of the database; the broker must not run
    Restore(backup::Restore),
    /// Check the database, or a backup, and its log's hash chain
    Verify(verify::Verify),
    /// Name what is insecure or broken, and what to do about it
    Doctor(doctor::Doctor),
    /// Look at the settings
    #[command(subcommand)]
    Config(show::Show),
    /// Serve several teams apart from each other: each a Nexus of its own, under a name of its own
    #[command(subcommand)]
    Tenant(tenant::Tenant),
    /// Look after the files a team is made of: what is shipped, and what stands in its place
    #[command(subcommand)]
    Workspace(workspace::Workspace),
    /// Print the version
    Version,
}

#[derive(Debug, Error)]
enum CliError {
    #[error(transparent)]
    Config(#[from] ConfigError),
    #[error(transparent)]
    Serve(#[from] ServeError),
    #[error(transparent)]
    Setup(#[from] SetupError),
    #[error(transparent)]
    Admin(#[from] admin::AdminError),
    #[error(transparent)]
    Backup(#[from] BackupError),
    #[error(transparent)]
    Verify(#[from] verify::Unverified),
    #[error(transparent)]
    Home(#[from] nexus_client::HomeError),
    #[error("cannot tell where {} is: {source}", path.display())]
    Path { path: PathBuf, source: std::io::Error },
    #[error(
        "{operator} has a token {name} already; revoke it, take another name, or replace it with --replace"
    )]
    TokenThere { operator: nexus_wire::OperatorName, name: nexus_wire::TokenName },
    #[error("no home directory is known; name the data directory with --data or NEXUS_DATA")]
    NoDataDir,
    #[error("{}", .0.message)]
    Refused(nexus_wire::ErrorBody),
    #[error("{0} of these want something done")]
    Unwell(usize),
    #[error("cannot read the secret: {0}")]
    Secret(std::io::Error),
    #[error("cannot start: {0}")]
    Runtime(std::io::Error),
    #[error(transparent)]
    Tenants(#[from] TenantsError),
    #[error(transparent)]
    Workspace(#[from] workspace::WorkspaceError),
}

impl CliError {
    fn exit_code(&self) -> ExitCode {
        match self {
            Self::Verify(unverified) => ExitCode::from(unverified.exit_code()),
            Self::Config(_)
            | Self::Serve(_)
            | Self::Setup(_)
            | Self::Admin(_)
            | Self::Backup(_)
            | Self::Home(_)
            | Self::NoDataDir
            | Self::TokenThere { .. }
            | Self::Path { .. }
            | Self::Refused(_)
            | Self::Secret(_)
            | Self::Unwell(_)
            | Self::Runtime(_)
            | Self::Tenants(_)
            | Self::Workspace(_) => ExitCode::FAILURE,
        }
    }
}

/// What can be typed, for whoever writes it down.
pub fn command() -> clap::Command {
    Cli::command()
}

/// Runs the command line of this process. `0` is success, `1` a failure that was explained, `2` a command line
/// that was not understood; `nexus verify` has two more for what it found.
pub fn main() -> ExitCode {
    let started = clock::now();
    let cli = Cli::parse();
    start_logging();
    match run(cli, started) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            print::complain(&error);
            error.exit_code()
        }
    }
}

fn run(cli: Cli, started: Instant) -> Result<(), CliError> {
    let data = match cli.data.or_else(|| std::env::var_os("NEXUS_DATA").map(PathBuf::from)) {
        Some(data) => data,
        None => std::env::home_dir().ok_or(CliError::NoDataDir)?.join(".nexus").join("data"),
    };
    let data = match cli.tenant {
        Some(name) if is_nexus(&folder_of(&data, &name)) => folder_of(&data, &name),
        Some(name) => return Err(TenantsError::Unknown(name).into()),
        None => data,
    };
    let load = |flags: &[(&'static str, String)]| -> Result<(Config, Effective), ConfigError> {
        Config::load(&data, flags, |name| std::env::var(name).ok())
    };
    match cli.command {
        Action::Serve(serve) => {
            let (mut config, _) = load(&serve.flags()?)?;
            config.conformance_fixtures = serve.conformance_fixtures;
            runtime(false)?.block_on(serve::run(config, started))
        }
        Action::Aspect(aspect) => runtime(true)?.block_on(aspect::run(aspect, load(&[])?.0)),
        Action::Operator(operator) => runtime(true)?.block_on(operator::run(operator, load(&[])?.0)),
        Action::Token(token) => runtime(true)?.block_on(token::run(token, load(&[])?.0)),
        Action::Backup(backup) => backup::make(&backup, &load(&[])?.0),
        Action::Restore(restore) => backup::restore(&restore, &load(&[])?.0),
        Action::Verify(verify) => verify::run(&verify, &load(&[])?.0),
        Action::Doctor(doctor) => doctor::run(&doctor, &load(&[])?.0),
        Action::Config(show::Show::Show) => {
            show::run(&data, &load(&[])?.1);
            Ok(())
        }
        Action::Tenant(tenant) => runtime(true)?.block_on(tenant::run(tenant, load(&[])?.0)),
        Action::Workspace(workspace) => workspace::run(&workspace, &data),
        Action::Version => {
            say(format_args!("nexus {}", nexus_version::VERSION));
            Ok(())
        }
    }
}

fn runtime(single: bool) -> Result<tokio::runtime::Runtime, CliError> {
    let mut builder = if single {
        tokio::runtime::Builder::new_current_thread()
    } else {
        tokio::runtime::Builder::new_multi_thread()
    };
    builder.enable_all().build().map_err(CliError::Runtime)
}

fn start_logging() {
    let filter = EnvFilter::try_from_env("NEXUS_LOG")
        // What libraries say of each of their steps is for whoever looks for it.
        .unwrap_or_else(|_| EnvFilter::new(format!("info,rmcp=warn,{}", store::LOG_FILTER)));
    // An error means that whoever embeds us has set its own logging up.
    let _ = tracing_subscriber::fmt()
        .with_env_filter(filter)
        // Where a line comes from matters to whoever sets a filter by it.
        .with_target(std::env::var_os("NEXUS_LOG").is_some())
        .with_ansi(std::io::stderr().is_terminal() && !crate::spawn::is_colour_unwanted())
        .with_writer(std::io::stderr)
        .try_init();
}

#[cfg(test)]
mod tests;
