//! nexus-watch: a team of agents at a glance, in a terminal.
//!
//! - [`app`] holds what is known and decides; it is pure, and so is [`view`], which draws it;
//! - [`pace`] says when to draw;
//! - `shell` owns the terminal and the link to the broker;
//! - `snapshot` prints one screen.

use std::io::Write as _;
use std::process::ExitCode;

use clap::Parser as _;
use jiff::tz::TimeZone;
use nexus_client::install_crypto;
use nexus_operator::failure::Failure;
use nexus_operator::settings::{Env, Target};
use nexus_operator::shown::printable;

use app::{App, View};
use cli::{Cli, First};
use shell::End;
use view::Theme;

pub mod app;
pub mod cli;
pub mod pace;
mod shell;
mod snapshot;
#[cfg(test)]
mod testing;
pub mod view;

/// The program: what is typed, the terminal, the environment.
pub fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            let _ = error.print();
            return ExitCode::from(if error.use_stderr() { 2 } else { 0 });
        }
    };
    install_crypto();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let done = match runtime {
        Ok(runtime) => {
            let done = runtime.block_on(run(cli, &Env::of_process()));
            // What still waits for an answer does not hold up the end.
            runtime.shutdown_background();
            done
        }
        Err(error) => Err(Failure::Failed(format!("this program cannot start: {error}"))),
    };
    match done {
        Ok(End::Quit) => ExitCode::SUCCESS,
        Ok(End::Signal(number)) => ExitCode::from(u8::try_from(128 + number).unwrap_or(1)),
        Err(failure) if failure.is_no_failure() => ExitCode::SUCCESS,
        Err(failure) => {
            let _ = writeln!(std::io::stderr(), "nexus-watch: {}", printable(&failure.to_string()));
            ExitCode::from(failure.exit_code())
        }
    }
}

async fn run(cli: Cli, env: &Env) -> Result<End, Failure> {
    if cli.snapshot.is_none() {
        shell::terminal::check()?;
    }
    let target = Target::choose(&cli.reach, env)?;
    let broker = target.broker()?;
    let mut app = App::new(target.url.clone(), TimeZone::system(), shell::wall());
    app.view = match cli.view {
        First::Team => View::Team,
        First::Threads => View::Threads,
        First::Work => View::Work,
        First::Approvals => View::Approvals,
        First::Alerts => View::Alerts,
    };
    app.looks_for(cli.aspect);
    let theme = Theme { colour: !(cli.no_color || env.no_color) };
    let Some(size) = cli.snapshot else { return shell::run(app, broker, theme).await };
    let screen = snapshot::take(app, broker, size, cli.format, theme).await?;
    let mut out = std::io::stdout();
    out.write_all(screen.as_bytes()).and_then(|()| out.flush()).map_err(|error| {
        if error.kind() == std::io::ErrorKind::BrokenPipe {
            Failure::ReaderGone
        } else {
            Failure::Failed(format!("the screen cannot be written: {error}"))
        }
    })?;
    Ok(End::Quit)
}
