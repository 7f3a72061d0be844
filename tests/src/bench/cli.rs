//! The command line of the benchmarks, and everything they print.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use clap::{Parser, Subcommand};

use super::echo;
use super::fault::{Doing as _, Fault, Outcome};
use super::report::{Report, markdown};
use super::rows::core;
use super::run::{Settings, run};

/// Measures a broker against yardsticks in the same run.
#[derive(Debug, Parser)]
#[command(name = "nexus-bench")]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// The yardstick for sockets: echoes what it gets at /echo.
    Echo { listen: SocketAddr },
    /// Applies messages to a database in this process and nothing else: for a profiler.
    Core { dir: PathBuf, messages: usize },
    /// Runs the figures and prints the table.
    Run(Box<RunArguments>),
}

#[derive(Debug, clap::Args)]
struct RunArguments {
    /// The broker under measurement.
    #[arg(long)]
    nexus: PathBuf,
    #[arg(long)]
    nats: Option<PathBuf>,
    #[arg(long)]
    redis: Option<PathBuf>,
    /// A yardstick that is not there, and why: `redis-server=not installed`.
    #[arg(long, value_parser = name_and_reason)]
    missing: Vec<(String, String)>,
    /// An empty directory on the disk to be measured.
    #[arg(long)]
    dir: PathBuf,
    /// Where `bench.json` and `bench.md` go.
    #[arg(long)]
    out: PathBuf,
    #[arg(long, default_value_t = 7)]
    rounds: u32,
    #[arg(long, default_value_t = 1000)]
    length_ms: u64,
    #[arg(long, default_value_t = 200_000)]
    items: u64,
    /// Figures or groups of them; all when there is none.
    #[arg(long, value_delimiter = ',')]
    rows: Vec<String>,
    #[arg(long, default_value = "unknown")]
    commit: String,
}

fn name_and_reason(text: &str) -> Result<(String, String), String> {
    let (name, why) = text.split_once('=').ok_or("write NAME=REASON")?;
    Ok((name.to_owned(), why.to_owned()))
}

pub(crate) fn main() -> ExitCode {
    let outcome = match Cli::parse().command {
        Command::Echo { listen } => echo::serve(listen),
        Command::Core { dir, messages } => core::exercise(&dir, messages),
        Command::Run(arguments) => measure(*arguments),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(fault) => {
            tell(&format!("nexus-bench: {fault}"));
            ExitCode::FAILURE
        }
    }
}

fn measure(arguments: RunArguments) -> Outcome<()> {
    known(&arguments.rows)?;
    let out = arguments.out;
    let settings = Settings {
        nexus: absolute(&arguments.nexus)?,
        nats: arguments.nats.as_deref().map(absolute).transpose()?,
        redis: arguments.redis.as_deref().map(absolute).transpose()?,
        missing: arguments.missing.into_iter().collect(),
        dir: absolute(&arguments.dir)?,
        rounds: arguments.rounds,
        length: Duration::from_millis(arguments.length_ms),
        items: arguments.items,
        rows: arguments.rows,
        commit: arguments.commit,
    };
    // One thread: on few cores a client that takes more leaves less for what it measures.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().doing("start tokio")?;
    let report = tokio::task::LocalSet::new().block_on(&runtime, run(&settings, &tell))?;
    write(&report, &out)
}

/// Links are not followed: what a program does can depend on the name it is called by.
fn absolute(path: &Path) -> Outcome<PathBuf> {
    std::path::absolute(path).doing(format!("find {}", path.display()))
}

fn known(rows: &[String]) -> Outcome<()> {
    let figures = super::report::figures::FIGURES;
    let is_known = |row: &String| figures.iter().any(|figure| figure.name == row || figure.group == row);
    match rows.iter().find(|row| !is_known(row)) {
        None => Ok(()),
        Some(row) => {
            let names: Vec<&str> = figures.iter().map(|figure| figure.name).collect();
            Err(Fault::new(format!("select the row {row:?}"), format!("there are: {}", names.join(", "))))
        }
    }
}

fn write(report: &Report, out: &Path) -> Outcome<()> {
    let table = markdown(report);
    let json = serde_json::to_string_pretty(report).doing("write the report as JSON")?;
    for (name, text) in [("bench.md", &table), ("bench.json", &json)] {
        let path = out.join(name);
        std::fs::write(&path, text).doing(format!("write {}", path.display()))?;
    }
    print(&table);
    Ok(())
}

#[expect(clippy::print_stdout, reason = "the table is what the program is for")]
fn print(text: &str) {
    print!("{text}");
}

#[expect(clippy::print_stderr, reason = "a run of minutes says how far it is")]
fn tell(line: &str) {
    eprintln!("{line}");
}
