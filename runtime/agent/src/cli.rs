//! The command line of `agent`: reads arguments, calls what they ask for, says how it went.
//!
//! Every command writes to the streams it is given, so that tests read what a person would. The one thing it does
//! not know is how an aspect runs: that is handed in.

use std::error::Error;
use std::ffi::OsString;
use std::io::{self, IsTerminal, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Args, CommandFactory, Parser, Subcommand, ValueEnum};
use jiff::Timestamp;

use crate::hands;
use crate::journal::Durability;
use crate::sandbox;

mod branches;
mod draw;
mod export;
mod home;
mod new;
mod sessions;

pub(crate) use draw::summary;

/// How the process ends.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Exit {
    Done,
    Failure,
    /// The arguments make no sense.
    Usage,
    /// Another process took this aspect's link. Starting again would only take it back.
    Displaced,
    /// An admin keeps this aspect off. Starting again is of no use before it is released.
    Held,
    /// Something of the home, or its key, has to be put right before starting again is of use.
    Unfit,
}

impl Exit {
    pub fn code(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::Failure => 1,
            Self::Usage => 2,
            Self::Displaced => 3,
            Self::Held => 4,
            Self::Unfit => 5,
        }
    }
}

/// Why an aspect cannot run before something of its home is put right.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct Unfit(String);

impl Unfit {
    pub(crate) fn because(why: impl ToString) -> Self {
        Self(why.to_string())
    }
}

/// What running an aspect needs to know.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct RunOptions {
    pub home: PathBuf,
    /// Go on although the broker has seen a later state of this home.
    pub adopt: bool,
    pub durability: Durability,
    /// For turns at work to end when the process is told to.
    pub grace: Duration,
    /// Whether to end with whoever holds the other end of standard input.
    pub with_parent: bool,
}

/// Runs an aspect until it is told to stop.
pub type Runner = fn(RunOptions) -> Result<Exit, Box<dyn Error>>;

/// Runs one aspect of a Nexus team, and looks after its home.
#[derive(Debug, Parser)]
#[command(name = "agent", version = nexus_version::VERSION, args_conflicts_with_subcommands = true, arg_required_else_help = true)]
struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    run: RunArguments,
}

#[derive(Args, Debug)]
struct RunArguments {
    /// The home of the aspect to run
    home: Option<PathBuf>,
    /// Go on although the broker has seen a later state of this home (it was restored from an old copy)
    #[arg(long, requires = "home")]
    adopt: bool,
    /// How long turns at work may take to end when the process is told to (10s, 2m); what has not ended by then
    /// goes on at the next start
    #[arg(long, requires = "home", value_name = "TIME", value_parser = time, default_value = "10s")]
    grace: Duration,
    /// End at once when standard input does: for whoever starts this process and should not outlive it
    #[arg(long, requires = "home")]
    with_parent: bool,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Make a home that works as it stands; asks what it shall be when nothing but the folder is said at a terminal
    New(new::New),
    /// Say what is wrong with a home, each fault with its place
    Check {
        /// The home to look at
        home: PathBuf,
        /// Try the broker, too: whether it answers, and takes the key
        #[arg(long)]
        online: bool,
        #[command(flatten)]
        output: Output,
    },
    /// Look at sessions, go back in one, or branch off
    #[command(subcommand)]
    Session(sessions::Command),
    /// Say which version this is
    Version,
}

#[derive(Args, Clone, Copy, Debug)]
struct Output {
    /// How to print
    #[arg(short, long, value_enum, default_value_t = Format::Text)]
    output: Format,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
enum Format {
    Text,
    Json,
}

/// Where a command writes, and what it may know of the world.
struct Context<'a> {
    out: &'a mut dyn Write,
    env: &'a dyn Fn(&str) -> Option<String>,
    durability: Durability,
    now: Timestamp,
}

type Outcome = Result<Exit, Box<dyn Error>>;

/// What can be typed, for whoever writes it down.
pub fn command() -> clap::Command {
    Arguments::command()
}

/// The whole program: to be called by `main` with what runs an aspect.
pub fn main(runner: Runner) -> ExitCode {
    // What this program starts of itself is no business of a person's, and has no time for logs.
    if let Some(code) = sandbox::helper(std::env::args_os().skip(1)) {
        return code;
    }
    if let Some(code) = hands::helper(std::env::args_os().skip(1)) {
        return code;
    }
    let env = |name: &str| std::env::var(name).ok();
    start_logging();
    let durability = Durability::from_env();
    let (mut out, mut err) = (io::stdout(), io::stderr());
    let context = Context { out: &mut out, env: &env, durability, now: Timestamp::now() };
    ExitCode::from(run(std::env::args_os(), context, &mut err, runner).code())
}

/// To standard error, at `info` unless `NEXUS_LOG` says otherwise.
fn start_logging() {
    let filter = tracing_subscriber::EnvFilter::try_from_env("NEXUS_LOG")
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new("info"));
    let filter = match nexus_client::LOG_WITHOUT_TOKENS.parse() {
        Ok(directive) => filter.add_directive(directive),
        Err(_) => filter,
    };
    let log = tracing_subscriber::fmt()
        .with_env_filter(filter)
        // Where a line comes from matters to whoever sets a filter by it.
        .with_target(std::env::var_os("NEXUS_LOG").is_some())
        .with_ansi(io::stderr().is_terminal())
        .with_writer(io::stderr);
    // Fails only when a log is there already.
    let _ = log.try_init();
}

fn run(
    arguments: impl IntoIterator<Item = OsString>,
    mut context: Context<'_>,
    err: &mut dyn Write,
    runner: Runner,
) -> Exit {
    let arguments = match Arguments::try_parse_from(arguments) {
        Ok(arguments) => arguments,
        Err(error) => return usage(&error, context.out, err),
    };
    let outcome = match arguments.command {
        Some(Command::New(new)) => new::run(&mut context, new),
        Some(Command::Check { home, online, output }) => {
            home::check(&mut context, &home, output.output, online)
        }
        Some(Command::Session(command)) => sessions::run(&mut context, command),
        Some(Command::Version) => version(&mut context),
        None => match arguments.run {
            RunArguments { home: Some(home), adopt, grace, with_parent } => {
                runner(RunOptions { home, adopt, durability: context.durability, grace, with_parent })
            }
            RunArguments { home: None, .. } => {
                let missing = clap::error::ErrorKind::MissingRequiredArgument;
                let error = Arguments::command().error(missing, "name the home of the aspect to run");
                return usage(&error, context.out, err);
            }
        },
    };
    match outcome {
        Ok(exit) => exit,
        // `agent … | head` is no failure.
        Err(error) if is_broken_pipe(&*error) => Exit::Done,
        Err(error) => {
            let _ = writeln!(err, "agent: {error}");
            if error.is::<Unfit>() { Exit::Unfit } else { Exit::Failure }
        }
    }
}

/// Help and version are asked for and go to standard output; everything else is a mistake.
fn usage(error: &clap::Error, out: &mut dyn Write, err: &mut dyn Write) -> Exit {
    let text = error.render();
    // With nowhere to write to, the exit code says it alone.
    if error.use_stderr() {
        let _ = write!(err, "{text}");
        Exit::Usage
    } else {
        let _ = write!(out, "{text}");
        Exit::Done
    }
}

fn version(context: &mut Context<'_>) -> Outcome {
    writeln!(context.out, "agent {}", nexus_version::VERSION)?;
    Ok(Exit::Done)
}

fn is_broken_pipe(error: &(dyn Error + 'static)) -> bool {
    error.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
}

/// A number and its unit.
fn time(text: &str) -> Result<Duration, String> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    let unit: u64 = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 3_600,
        "" if digits > 0 => return Err(format!("say the unit: {text}s, {text}m or {text}h")),
        _ => return Err("write a number and its unit, such as 10s, 2m or 1h".to_owned()),
    };
    let seconds = number.parse::<u64>().ok().and_then(|number| number.checked_mul(unit));
    seconds.map(Duration::from_secs).ok_or_else(|| format!("{text} is too long"))
}

fn parse<T: serde::de::DeserializeOwned>(text: &str, known: &str) -> Result<T, String> {
    serde_json::from_value(serde_json::Value::String(text.to_owned())).map_err(|_| format!("write {known}"))
}

#[cfg(test)]
mod tests;
