//! nexus-mcp: the team for an assistant that speaks MCP over its standard streams.
//!
//! - `snippet` writes what an assistant's configuration needs;
//! - `link` is the way to the broker, which outlives links and restarts;
//! - what is said on the streams is the library `nexus_mcp_server`'s.
//!
//! Nothing but the protocol is written to standard output; what there is to tell a person goes to standard error.

use std::io::Write as _;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use clap::Parser as _;
use nexus_client::{LOG_WITHOUT_TOKENS, install_crypto};
use nexus_mcp_server::TeamServer;
use nexus_operator::failure::Failure;
use nexus_operator::settings::Env;
use nexus_operator::shown::printable;
use rmcp::service::{QuitReason, ServerInitializeError, serve_server};
use rmcp::transport::async_rw::AsyncRwTransport;
use rmcp::transport::io::stdio_pipes;
use tracing_subscriber::EnvFilter;

use cli::{Cli, Verb};
use link::Uplink;

pub mod cli;
mod link;
mod snippet;
mod work;

/// A longer line is dropped: no call has more to say than a frame can carry, however it is escaped.
const LINE_BYTES_MAX: usize = 4 * 1024 * 1024;
/// How long the end waits for what is still to be said to the broker.
const FAREWELL: Duration = Duration::from_secs(2);

/// The program: what is typed, the standard streams, the environment.
pub fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            let _ = error.print();
            return ExitCode::from(if error.use_stderr() { 2 } else { 0 });
        }
    };
    match start(&cli) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) if failure.is_no_failure() => ExitCode::SUCCESS,
        Err(failure) => {
            let _ = writeln!(std::io::stderr(), "nexus-mcp: {}", printable(&failure.to_string()));
            ExitCode::from(failure.exit_code())
        }
    }
}

fn start(cli: &Cli) -> Result<(), Failure> {
    if let Some(Verb::Config { client }) = &cli.verb {
        return print(&snippet::of(*client, cli)?);
    }
    start_logging();
    install_crypto();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .map_err(|error| Failure::Failed(format!("this program cannot start: {error}")))?;
    let done = runtime.block_on(serve(cli));
    // A read of standard input cannot be given up, and must not hold up the end.
    runtime.shutdown_background();
    done
}

/// To standard error.
fn start_logging() {
    let filter = EnvFilter::try_from_env("NEXUS_LOG").unwrap_or_else(|_| EnvFilter::new("warn,rmcp=error"));
    let filter = match LOG_WITHOUT_TOKENS.parse() {
        Ok(directive) => filter.add_directive(directive),
        Err(_) => filter,
    };
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_ansi(false).init();
}

async fn serve(cli: &Cli) -> Result<(), Failure> {
    let uplink = Uplink::start(cli.broker(&Env::of_process())?, cli.patience()).await?;
    let uplink = Arc::new(uplink);
    let server = TeamServer::new(Arc::clone(&uplink), nexus_version::VERSION);
    let (input, output) = stdio_pipes();
    let streams = AsyncRwTransport::new_server(input, output).with_max_line_length(LINE_BYTES_MAX);
    let done = match serve_server(server, streams).await {
        Ok(running) => match running.waiting().await {
            Ok(QuitReason::JoinError(error)) | Err(error) => {
                Err(Failure::Failed(format!("the server has broken: {error}")))
            }
            Ok(_) => Ok(()),
        },
        // Whoever started it went away again.
        Err(ServerInitializeError::ConnectionClosed(_)) => Ok(()),
        Err(error) => Err(Failure::Failed(format!(
            "the client does not begin as the Model Context Protocol asks: {error}"
        ))),
    };
    let _ = tokio::time::timeout(FAREWELL, uplink.leave()).await;
    done
}

fn print(text: &str) -> Result<(), Failure> {
    let mut out = std::io::stdout();
    out.write_all(text.as_bytes()).and_then(|()| out.flush()).map_err(|error| {
        if error.kind() == std::io::ErrorKind::BrokenPipe {
            Failure::ReaderGone
        } else {
            Failure::Failed(format!("the configuration cannot be written: {error}"))
        }
    })
}
