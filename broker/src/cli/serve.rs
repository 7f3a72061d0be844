//! `nexus serve`.

use std::path::PathBuf;
use std::time::Instant;

use clap::{ArgGroup, Args};
use tokio::signal::unix::{SignalKind, signal};

use super::CliError;
use super::print::say;
use crate::clock;
use crate::config::Config;
use crate::serve::Running;
use crate::setup::FIRST_OPERATOR;

#[derive(Debug, Args)]
#[command(group = ArgGroup::new("homes").multiple(true).args(["spawn", "workspace"]))]
pub(super) struct Serve {
    /// Where to listen; port 0 takes a free one [default: 127.0.0.1:7888]
    #[arg(long, value_name = "ADDR:PORT")]
    listen: Option<String>,
    /// TLS on a loopback address too; other addresses always have it
    #[arg(long)]
    tls: bool,
    /// Keep what this workspace says: its flows and triggers, and run the agents of its aspects [default: $NEXUS_WORKSPACE]
    #[arg(long, value_name = "DIR")]
    workspace: Option<PathBuf>,
    /// Run the agents of the homes in this folder, too, one in each sub-folder; may be given several times
    #[arg(long, value_name = "DIR", value_parser = folder)]
    spawn: Vec<PathBuf>,
    /// The program to run for each home [default: `agent` beside this program]
    #[arg(long, value_name = "FILE", requires = "homes")]
    agent_bin: Option<PathBuf>,
    /// Offer on /mcp what public conformance suites test servers with; on a loopback address alone
    #[arg(long, hide = true)]
    pub(super) conformance_fixtures: bool,
}

/// Several become one setting with commas between them.
fn folder(text: &str) -> Result<PathBuf, &'static str> {
    if text.contains(',') { Err("a path with a comma cannot be used here") } else { Ok(text.into()) }
}

impl Serve {
    pub(super) fn flags(&self) -> Result<Vec<(&'static str, String)>, CliError> {
        let mut flags = Vec::new();
        flags.extend(self.listen.clone().map(|listen| ("listen", listen)));
        flags.extend(self.tls.then(|| ("tls.always", "true".to_owned())));
        // In the file they are relative to the data directory, here to where this is typed.
        let absolute = |path: &PathBuf| match std::path::absolute(path) {
            Ok(path) => Ok(path.display().to_string()),
            Err(source) => Err(CliError::Path { path: path.clone(), source }),
        };
        if !self.spawn.is_empty() {
            let folders = self.spawn.iter().map(absolute).collect::<Result<Vec<_>, _>>()?;
            flags.push(("spawn.homes", folders.join(",")));
        }
        let workspace =
            self.workspace.clone().or_else(|| std::env::var_os("NEXUS_WORKSPACE").map(PathBuf::from));
        if let Some(workspace) = workspace.filter(|it| !it.as_os_str().is_empty()) {
            flags.push(("workspace", absolute(&workspace)?));
        }
        if let Some(program) = &self.agent_bin {
            flags.push(("spawn.agent_bin", absolute(program)?));
        }
        Ok(flags)
    }
}

/// Serves until SIGTERM or SIGINT. `started`: when the process did.
pub(super) async fn run(config: Config, started: Instant) -> Result<(), CliError> {
    // Before anything is announced, so that whoever reads the announcement can stop us in an orderly way.
    let mut terminate = signal(SignalKind::terminate()).map_err(CliError::Runtime)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(CliError::Runtime)?;
    let mut running = Running::start(config).await?;
    announce(&running, started);
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
        error = running.failed() => return Err(error.into()),
    }
    say(format_args!("stopping"));
    running.stop().await?;
    say(format_args!("stopped"));
    Ok(())
}

fn announce(running: &Running, started: Instant) {
    let token = running.data().operator_token();
    say(format_args!("nexus {}", nexus_version::VERSION));
    say(format_args!("  data       {}", running.data().path().display()));
    if let Some(workspace) = running.workspace() {
        say(format_args!("  workspace  {}", workspace.display()));
    }
    say(format_args!("  url        {}", running.url()));
    if !running.tenants().is_empty() {
        let names: Vec<String> = running.tenants().iter().map(ToString::to_string).collect();
        say(format_args!("  tenants    {}", names.join(", ")));
    }
    say(format_args!("  dashboard  {}", running.dashboard_url()));
    say(format_args!("  token      {} (operator {FIRST_OPERATOR})", token.display()));
    if let Some(first) = running.first_token() {
        say(format_args!(
            "\nMade a new Nexus in {}; if you meant one that is there already, stop this one and name that with --data.\n\
             Its first operator is {FIRST_OPERATOR}; this token is shown once and kept in the file above:\n\n  {first}\n",
            running.data().path().display()
        ));
    }
    if let Some(setup) = running.setup_token() {
        say(format_args!(
            "To begin in a browser open this; what follows #setup= is the setup token, good once, within 24 hours:\n\n  \
             {}#setup={setup}\n",
            running.dashboard_url()
        ));
    }
    // An earlier start may have shown it to nobody: it failed later on, or its output is gone.
    if running.setup_waits() {
        say(format_args!(
            "Nobody has used the setup token for a browser; if it is lost, make another: nexus token setup --data {}",
            running.data().path().display()
        ));
    }
    let took = clock::now().saturating_duration_since(started);
    say(format_args!("ready in {} ms", took.as_millis()));
}
