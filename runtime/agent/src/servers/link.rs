//! Keeps one server: reaches it, asks what it offers, and does both again when it changes or goes.

use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use process_wrap::tokio::{CommandWrap, ProcessGroup};
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use rmcp::model::{
    CallToolRequestParams, CallToolResponse, ClientCapabilities, ClientConfig, Implementation,
    ProgressNotificationParam,
};
use rmcp::service::{NotificationContext, RoleClient, RunningService, ServiceExt as _};
use rmcp::transport::streamable_http_client::StreamableHttpClientTransportConfig;
use rmcp::transport::{StreamableHttpClientTransport, TokioChildProcess};
use rmcp::{ClientHandler, Peer};
use serde_json::Value;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, BufReader};
use tokio::process::ChildStderr;
use tokio::sync::watch;
use tokio::time::{Instant, sleep, timeout};

use super::offer::OFFERS_MAX;
use super::result::{mark, shown};
use super::{Called, Offer, ServerConfig, State, Way};
use crate::provider::http;

const START_TIMEOUT: Duration = Duration::from_secs(30);
const BACKOFF_MIN: Duration = Duration::from_millis(500);
const BACKOFF_MAX: Duration = Duration::from_secs(60);
/// A server that lived for so long is reached again at once.
const SETTLED: Duration = Duration::from_secs(60);
/// Of a line that a server writes beside its protocol.
const LINE_BYTES_MAX: u64 = 4096;
/// However much progress it tells of, a call ends after so many of its timeouts.
const TIMEOUTS_MAX: u32 = 30;

/// A server that answers.
#[derive(Clone, Debug)]
pub(crate) struct Link {
    peer: Peer<RoleClient>,
    /// Counts what it says of progress.
    progress: watch::Receiver<u64>,
}

/// What a server is told of us, and hears from.
struct Listener {
    changed: watch::Sender<u64>,
    progress: watch::Sender<u64>,
}

impl ClientHandler for Listener {
    async fn on_tool_list_changed(&self, _context: NotificationContext<RoleClient>) {
        self.changed.send_modify(|n| *n += 1);
    }

    async fn on_progress(&self, _: ProgressNotificationParam, _: NotificationContext<RoleClient>) {
        self.progress.send_modify(|n| *n += 1);
    }

    fn get_info(&self) -> ClientConfig {
        ClientConfig::new(
            ClientCapabilities::default(),
            Implementation::new("nexus-agent", env!("CARGO_PKG_VERSION")),
        )
    }
}

type Running = RunningService<RoleClient, Listener>;

/// Until told to stop.
pub(super) async fn keep(config: ServerConfig, state: watch::Sender<State>, mut stop: watch::Receiver<bool>) {
    let mut backoff = BACKOFF_MIN;
    let mut is_told = false;
    loop {
        let began = Instant::now();
        let ended = live(&config, &state, stop.clone()).await;
        let was_there = has_link(&state);
        state.send_modify(|state| state.link = None);
        if *stop.borrow() {
            break;
        }
        if was_there {
            is_told = false;
        }
        let server = &config.name;
        match ended {
            Ok(()) => {
                tracing::warn!(server, "a server has ended; its tools are missing until it is there again");
            }
            Err(error) if !is_told => {
                tracing::warn!(
                    server,
                    error,
                    "a server cannot be used; its tools are missing, and it is tried again"
                );
                is_told = true;
            }
            Err(error) => tracing::debug!(server, error, "a server still cannot be used"),
        }
        backoff = if began.elapsed() >= SETTLED { BACKOFF_MIN } else { (backoff * 2).min(BACKOFF_MAX) };
        tokio::select! {
            () = sleep(backoff) => {}
            () = stopped(&mut stop) => break,
        }
    }
    state.send_modify(|state| state.ended = true);
}

/// Waits until the server is to end, or nobody knows of it any more.
async fn stopped(stop: &mut watch::Receiver<bool>) {
    let _ = stop.wait_for(|stop| *stop).await.is_ok();
}

fn has_link(state: &watch::Sender<State>) -> bool {
    state.borrow().link.is_some()
}

/// Reaches the server and stays with it until it goes.
async fn live(
    config: &ServerConfig,
    state: &watch::Sender<State>,
    mut stop: watch::Receiver<bool>,
) -> Result<(), String> {
    let (changed, mut changes) = watch::channel(0);
    let (progress, progresses) = watch::channel(0);
    let listener = Listener { changed, progress };
    let begin = async {
        let begun = timeout(START_TIMEOUT, reach(config, listener)).await;
        let running = begun.map_err(|_| "it does not answer".to_owned())??;
        let offers = offers(config, &running).await?;
        Ok::<_, String>((running, offers))
    };
    // One that is given up on the way is dropped, and its process ended with it.
    let (mut running, offers) = tokio::select! {
        begun = begin => begun?,
        () = stopped(&mut stop) => return Ok(()),
    };
    let link = Link { peer: running.peer().clone(), progress: progresses };
    tracing::info!(server = config.name, tools = offers.len(), "a server is there");
    state.send_modify(|state| {
        state.offers = Arc::new(offers);
        state.link = Some(link);
    });
    loop {
        tokio::select! {
            () = stopped(&mut stop) => {
                // Closed in the order of the protocol: end of input, then signals.
                let _ = running.close().await;
                return Ok(());
            }
            () = closed(&running) => {
                let _ = running.close().await;
                return Ok(());
            }
            Ok(()) = changes.changed() => {
                let offers = self::offers(config, &running).await?;
                tracing::info!(server = config.name, tools = offers.len(), "a server has changed its tools");
                state.send_modify(|state| state.offers = Arc::new(offers));
            }
        }
    }
}

async fn closed(running: &Running) {
    while !running.is_transport_closed() {
        sleep(Duration::from_millis(200)).await;
    }
}

async fn reach(config: &ServerConfig, listener: Listener) -> Result<Running, String> {
    match &config.way {
        Way::Command { program, args, env, cwd } => {
            let mut command = tokio::process::Command::new(program);
            command.args(args).current_dir(cwd).env_clear().kill_on_drop(true);
            command.envs(std::env::var_os("PATH").map(|path| ("PATH", path)));
            command.envs(env.iter().map(|(name, value)| (name, value)));
            let mut command = CommandWrap::from(command);
            // What it starts ends with it.
            command.wrap(ProcessGroup::leader());
            let started = TokioChildProcess::builder(command).stderr(Stdio::piped()).spawn();
            let (transport, stderr) =
                started.map_err(|error| format!("{program} cannot be started: {error}"))?;
            if let Some(stderr) = stderr {
                tokio::spawn(said_beside(config.name.clone(), stderr));
            }
            listener.serve(transport).await.map_err(|error| format!("it does not speak as a server: {error}"))
        }
        Way::Http { url, headers } => {
            let client = http::builder_for(url.as_str(), None)
                .default_headers(header_map(headers)?)
                .build()
                .map_err(|error| error.to_string())?;
            let terms = StreamableHttpClientTransportConfig::with_uri(url.as_str());
            let transport = StreamableHttpClientTransport::with_client(client, terms);
            // The error may name the address, which holds no secret.
            listener.serve(transport).await.map_err(|error| format!("it cannot be reached: {error}"))
        }
    }
}

fn header_map(headers: &[(String, String)]) -> Result<HeaderMap, String> {
    let mut map = HeaderMap::new();
    for (name, value) in headers {
        let bad = || format!("the header {name} cannot be sent");
        let mut value = HeaderValue::from_str(value).map_err(|_| bad())?;
        value.set_sensitive(true);
        map.insert(HeaderName::from_bytes(name.as_bytes()).map_err(|_| bad())?, value);
    }
    Ok(map)
}

/// What a server writes beside its protocol goes into the log.
async fn said_beside(server: String, stderr: ChildStderr) {
    let mut lines = BufReader::new(stderr);
    loop {
        let mut line = Vec::new();
        match (&mut lines).take(LINE_BYTES_MAX).read_until(b'\n', &mut line).await {
            Ok(0) | Err(_) => return,
            Ok(_) => tracing::info!(server, "{}", String::from_utf8_lossy(&line).trim_end()),
        }
    }
}

/// What it offers, as far as it may be used.
async fn offers(config: &ServerConfig, running: &Running) -> Result<Vec<Offer>, String> {
    let listed = timeout(START_TIMEOUT, running.peer().list_all_tools()).await;
    let listed = listed.map_err(|_| "it does not say which tools it has".to_owned())?;
    let listed = listed.map_err(|error| format!("it does not say which tools it has: {error}"))?;
    let server = &config.name;
    if listed.len() > OFFERS_MAX {
        tracing::warn!(
            server,
            tools = listed.len(),
            "a server has too many tools; the first {OFFERS_MAX} count"
        );
    }
    let mut offers = Vec::new();
    for tool in listed.iter().take(OFFERS_MAX) {
        let is_wanted = |names: &Vec<String>| names.iter().any(|name| *name == tool.name);
        if !config.tools.as_ref().is_none_or(is_wanted) {
            continue;
        }
        match Offer::of(server, tool) {
            Ok(offer) => offers.push(offer),
            Err(why) => tracing::warn!(server, "a tool is left out: {why}"),
        }
    }
    for missing in config.tools.iter().flatten().filter(|name| !listed.iter().any(|tool| tool.name == **name))
    {
        tracing::warn!(server, "it has no tool {missing:?}, which aspect.json names");
    }
    Ok(offers)
}

impl Link {
    pub(super) async fn call(&self, config: &ServerConfig, offer: &Offer, input: Value) -> Called {
        let failed =
            |why: String| Called { content: format!("{}\n{why}", mark(&config.name)), is_error: true };
        let mut params = CallToolRequestParams::new(offer.tool.clone());
        match input {
            Value::Object(arguments) => params = params.with_arguments(arguments),
            Value::Null => {}
            Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => {
                return failed("arguments have to be an object".to_owned());
            }
        }
        let mut progress = self.progress.clone();
        progress.mark_unchanged();
        let most = Instant::now() + config.timeout * TIMEOUTS_MAX;
        let mut due = Instant::now() + config.timeout;
        // Dropped, it tells the server that nobody waits.
        let mut call = std::pin::pin!(self.peer.call_tool_once(params));
        loop {
            tokio::select! {
                result = &mut call => return match result {
                    Ok(CallToolResponse::Complete(result)) => shown(&config.name, &result),
                    Ok(_) => failed("it wants to ask something in return, which it cannot do here".to_owned()),
                    Err(error) => failed(error.to_string()),
                },
                () = tokio::time::sleep_until(due) => {
                    let seconds = config.timeout.as_secs();
                    return failed(format!("no answer and no progress within {seconds} s; it was given up"));
                }
                Ok(()) = progress.changed() => due = most.min(Instant::now() + config.timeout),
            }
        }
    }
}
