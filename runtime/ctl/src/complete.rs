//! What a shell is told while somebody types: commands and flags, and what is known here and at the broker.

use std::time::Duration;

use clap::Command;
use clap_complete::CompleteEnv;
use clap_complete::engine::{ArgValueCandidates, CompletionCandidate};
use clap_complete::env::Shells;
use nexus_client::install_crypto;
use nexus_wire::roster::Team;

use crate::cli;
use crate::failure::Failure;
use crate::settings::{Config, Env, Reach, Target};

/// The variable by which the script of a shell asks.
const VARIABLE: &str = "COMPLETE";
/// Who types does not wait for a broker that is slow, or gone.
const PATIENCE: Duration = Duration::from_millis(500);

/// Answers a shell that asks for completions; there is nothing else to do then.
pub(crate) fn is_asked() -> bool {
    let asking = CompleteEnv::with_factory(command).var(VARIABLE).bin("nexctl").completer("nexctl");
    let here = std::env::current_dir().ok();
    // A shell that asks what nobody understands is shown nothing.
    asking.try_complete(std::env::args_os(), here.as_deref()).unwrap_or(true)
}

/// The script that makes a shell ask.
pub fn script(shell: clap_complete::Shell) -> Result<Vec<u8>, Failure> {
    let failed =
        |why: &dyn std::fmt::Display| Failure::Failed(format!("there is no script for {shell}: {why}"));
    let shells = Shells::builtins();
    let completer = shells.completer(&shell.to_string()).ok_or_else(|| failed(&"it is not known"))?;
    let mut script = Vec::new();
    let written = completer.write_registration(VARIABLE, "nexctl", "nexctl", "nexctl", &mut script);
    written.map_err(|error| failed(&error))?;
    Ok(script)
}

/// The command line with what its values may be.
fn command() -> Command {
    known(cli::command())
}

fn known(command: Command) -> Command {
    let command = command.mut_args(|argument| {
        let names = argument.get_value_names().unwrap_or_default();
        let is = |name: &str| names.iter().any(|it| it.as_str() == name);
        if is("ASPECT") || is("[ASPECT] TEXT") {
            argument.add(ArgValueCandidates::new(aspects))
        } else if is("CONTEXT") || argument.get_id() == "context" {
            argument.add(ArgValueCandidates::new(contexts))
        } else {
            argument
        }
    });
    command.mut_subcommands(known)
}

fn contexts() -> Vec<CompletionCandidate> {
    let config = Env::of_process().config_path().and_then(|path| Config::load(&path)).unwrap_or_default();
    config.contexts.into_keys().map(CompletionCandidate::new).collect()
}

fn aspects() -> Vec<CompletionCandidate> {
    let target = Target::choose(&Reach::default(), &Env::of_process());
    let Ok(broker) = target.and_then(|target| target.broker()) else { return Vec::new() };
    install_crypto();
    let Ok(runtime) = tokio::runtime::Builder::new_current_thread().enable_all().build() else {
        return Vec::new();
    };
    let asked = runtime
        .block_on(async { tokio::time::timeout(PATIENCE, broker.get_json::<Team>("/api/v1/aspects")).await });
    let Ok(Ok(team)) = asked else { return Vec::new() };
    let said = |aspect: nexus_wire::roster::AspectInfo| {
        CompletionCandidate::new(aspect.name.as_str()).help(Some(aspect.state.as_str().into()))
    };
    team.aspects.into_iter().map(said).collect()
}
