//! What can be typed after `nexus-mcp`, and which broker and identity that means.

use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::{CommandFactory, Parser, Subcommand, ValueEnum};
use nexus_client::{Broker, KeyFile, Secret};
use nexus_operator::failure::Failure;
use nexus_operator::settings::{Env, Reach, Target};

const AFTER_HELP: &str = "\
An assistant starts this program and speaks the Model Context Protocol with it
over standard input and output; `nexus-mcp config` prints what to put into the
assistant's configuration.

As whom: an aspect of its own with --keyfile (or $NEXUS_KEYFILE), made by
`nexus aspect add NAME`; else an operator, with the token in --token-file or
$NEXUS_TOKEN, or of a context of nexctl's configuration file. Each assistant
that runs at the same time needs an aspect of its own.

Nothing but the protocol is written to standard output. $NEXUS_LOG=debug tells
more on standard error.

Exit codes:
  0    the assistant has closed its end
  1    it failed
  2    it was typed or configured wrong
  3    refused: the key or token is not known
  4    the broker cannot be reached (only for `config`, never while serving)";

#[derive(Clone, Debug, Parser)]
#[command(name = "nexus-mcp", version = nexus_version::VERSION, about = "Connects an assistant that speaks MCP to a team of agents.")]
#[command(after_help = AFTER_HELP, disable_help_subcommand = true)]
pub struct Cli {
    /// The broker, as http://127.0.0.1:7888 or https://HOST:PORT [env: NEXUS_URL]
    #[arg(long, global = true, value_name = "URL", conflicts_with = "keyfile")]
    pub url: Option<String>,
    /// Be the aspect of this keyfile, which names its broker, too [env: NEXUS_KEYFILE]
    #[arg(long, global = true, value_name = "FILE", conflicts_with_all = ["token_file", "context"])]
    pub keyfile: Option<PathBuf>,
    /// Be the operator whose token is in this file [env: NEXUS_TOKEN, the token itself]
    #[arg(long, global = true, value_name = "FILE")]
    pub token_file: Option<PathBuf>,
    /// The CA certificate of the Nexus, for https [env: NEXUS_CA]
    #[arg(long, global = true, value_name = "FILE", conflicts_with = "keyfile")]
    pub ca: Option<PathBuf>,
    /// A context of nexctl's configuration file, instead of its current one
    #[arg(long, global = true, value_name = "NAME")]
    pub context: Option<String>,
    /// How long a request waits for a broker that is away, before it fails
    #[arg(long, global = true, value_name = "SECONDS", default_value_t = 30, value_parser = clap::value_parser!(u64).range(1..=600))]
    pub wait: u64,
    #[command(subcommand)]
    pub verb: Option<Verb>,
}

#[derive(Clone, Debug, Subcommand)]
pub enum Verb {
    /// Print what to paste into an assistant's configuration, with the options given here
    Config {
        /// Which assistant
        #[arg(value_enum)]
        client: Client,
    },
}

/// An assistant, by how it is configured.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub enum Client {
    /// Claude Code (.mcp.json) and Claude Desktop
    Claude,
    /// Codex: ~/.codex/config.toml
    Codex,
    /// Cursor: .cursor/mcp.json
    Cursor,
    /// VS Code: .vscode/mcp.json
    Vscode,
    /// Zed: settings.json
    Zed,
}

/// The command line by itself, for pages and completions.
pub fn command() -> clap::Command {
    Cli::command()
}

impl Cli {
    /// A request is answered, or fails, within this.
    pub(crate) fn patience(&self) -> Duration {
        Duration::from_secs(self.wait)
    }

    pub(crate) fn broker(&self, env: &Env) -> Result<Broker, Failure> {
        let operator_named = self.token_file.is_some() || self.context.is_some() || self.url.is_some();
        let of_env = || std::env::var_os("NEXUS_KEYFILE").filter(|it| !it.is_empty() && !operator_named);
        if let Some(path) = self.keyfile.clone().or_else(|| of_env().map(PathBuf::from)) {
            let keyfile = KeyFile::load(&path).map_err(|error| Failure::Usage(error.to_string()))?;
            spare_agent(&keyfile, &path)?;
            return Ok(Broker::of_keyfile(keyfile)?.renewed_from(path));
        }
        let mut env = env.clone();
        if let Some(path) = &self.token_file {
            let text = std::fs::read_to_string(path).map_err(|error| {
                Failure::Usage(format!("the token file {} cannot be read: {error}", path.display()))
            })?;
            env.token = Some(Secret::from(text.trim()));
        }
        let token = self.token_file.as_ref().and(env.token.as_ref()).map(|token| token.expose().to_owned());
        let reach =
            Reach { url: self.url.clone(), token, ca: self.ca.clone(), context: self.context.clone() };
        Target::choose(&reach, &env)?.broker()
    }
}

/// A link of ours would put out the agent that has its own; an agent holds its home while it runs.
fn spare_agent(keyfile: &KeyFile, path: &Path) -> Result<(), Failure> {
    let Some(home) = path.ancestors().nth(2).filter(|home| KeyFile::path_in(home) == path) else {
        return Ok(());
    };
    match File::open(home).map(|folder| folder.try_lock_shared()) {
        Ok(Err(TryLockError::WouldBlock)) => Err(Failure::Usage(format!(
            "the agent of {} runs in {}, and its place is not given to an assistant; that needs an aspect of its own: \
             nexus aspect add <name> --home <folder>",
            keyfile.name,
            home.display()
        ))),
        Ok(Ok(()) | Err(TryLockError::Error(_))) | Err(_) => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_well_formed() {
        command().debug_assert();
    }
}
