//! What a model may do: one enum of tools, and the box that runs those an aspect or Hand was given.
//!
//! A call ends with a text for the model, also when it went wrong; nothing here ends a turn. Knows neither
//! sessions nor providers.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use nexus_client::Broker;
use nexus_wire::TraceContext;
use serde_json::Value;
use tokio::sync::{Semaphore, mpsc};

use crate::conversation::{ToolSpec, invalid_arguments};
use crate::sandbox::{self, Sandbox, SandboxConfig};
use crate::servers::{Called, Grant, Servers};
use crate::session::Blobs;
use crate::turn::{Call, Nature, Natures};
use crate::uplink::Line;
use outcome::Shrink;
use seen::Seen;

mod args;
mod attach;
mod away;
mod bus;
mod caller;
mod cancel;
mod catalog;
mod command;
mod diff;
mod dispatch;
mod edit;
mod fetch;
mod flow;
mod gather;
mod leave;
mod list;
mod nature;
mod outcome;
mod own;
mod people;
mod propose;
mod read;
mod registry;
mod replace;
mod roots;
mod search;
mod seen;
mod write;

pub(crate) use away::{Away, Outfit};
pub use caller::Caller;
pub use catalog::Tool;
pub(crate) use command::Folders;
pub use dispatch::{Claim, Claims, End, Ended, Waiting};
pub use fetch::{FetchConfig, Fetcher};
pub use leave::{ApprovalPolicy, Leave, asked};
pub use outcome::ToolOutcome;
pub(crate) use own::is_cut;
pub use people::{ask, notice, put_to_people};
pub use roots::{PathError, PathErrorKind, Root, Roots};
pub(crate) use roots::{Place, is_closed};

/// File tools at work at the same time in this process.
const FILE_TASKS_MAX: usize = 4;
const NO_SESSION: &str = "there is no session here: what is said is kept in none";
const NO_BROKER: &str = "there is no broker here that keeps attachments";

/// What the tools reach outside of the bus.
#[derive(Clone, Debug)]
pub struct Reach {
    pub roots: Roots,
    pub sandbox: Sandbox,
    pub fetcher: Fetcher,
}

/// The tools of one aspect or Hand, ready to run.
#[derive(Clone, Debug)]
pub struct Toolbox {
    allowed: Vec<Tool>,
    reach: Reach,
    line: Line,
    claims: Claims,
    /// The session that calls come from.
    session: Option<own::OwnSession>,
    /// Where attachments are.
    broker: Option<Broker>,
    /// Where calls go that touch this machine; here when absent.
    away: Option<mpsc::Sender<Away>>,
    file_tasks: Arc<Semaphore>,
    seen: Seen,
    /// A result longer than this is cut, and says so.
    result_bytes_max: usize,
    leave: Leave,
    servers: Servers,
    /// What of the servers may be used.
    grants: Vec<Grant>,
    /// People have allowed the call.
    is_allowed: bool,
    /// What runs, runs in the sandbox, where there is one for it.
    confined: bool,
}

impl Toolbox {
    pub fn new(
        allowed: Vec<Tool>,
        reach: Reach,
        line: Line,
        claims: Claims,
        broker: Option<Broker>,
        result_bytes_max: usize,
    ) -> Self {
        let file_tasks = Arc::new(Semaphore::new(FILE_TASKS_MAX));
        let (leave, servers, grants) = (Leave::default(), Servers::default(), Vec::new());
        let (is_allowed, confined) = (false, true);
        Self {
            allowed,
            reach,
            line,
            claims,
            session: None,
            broker,
            away: None,
            file_tasks,
            seen: Seen::default(),
            result_bytes_max,
            leave,
            servers,
            grants,
            is_allowed,
            confined,
        }
    }

    /// The same with people asked as `leave` says.
    #[must_use]
    pub fn with_leave(&self, leave: Leave) -> Self {
        Self { leave, ..self.clone() }
    }

    /// The same with the tools of these servers as far as they are granted.
    #[must_use]
    pub fn with_servers(&self, servers: Servers, grants: Vec<Grant>) -> Self {
        Self { servers, grants, ..self.clone() }
    }

    /// The same without the sandbox.
    #[must_use]
    pub fn unconfined(&self) -> Self {
        Self { confined: false, ..self.clone() }
    }

    /// The same for a call that people have allowed, perhaps to run without the sandbox.
    #[must_use]
    pub fn for_call(&self, call: &Call) -> Self {
        Self { is_allowed: call.allowed, confined: !call.free, ..self.clone() }
    }

    pub fn claims(&self) -> &Claims {
        &self.claims
    }

    /// Seconds that people are waited for; the broker's own default when absent.
    pub fn wait_s(&self) -> Option<u32> {
        self.leave.wait_s
    }

    /// What each tool is to a turn. One that is not known only fails.
    pub fn natures(&self) -> Natures {
        let (leave, servers, grants) = (self.leave.clone(), self.servers.clone(), self.grants.clone());
        let unknown = Nature { repeatable: true, ..Nature::default() };
        Natures::Of(Arc::new(move |name| match Tool::from_name(name) {
            Some(tool) => leave.nature(tool),
            None => servers.find(&grants, name).map_or(unknown, |offer| leave.nature_of(name, &offer)),
        }))
    }

    pub(crate) fn roots(&self) -> &Roots {
        &self.reach.roots
    }

    pub(crate) fn sandbox(&self) -> &Sandbox {
        &self.reach.sandbox
    }

    pub fn line(&self) -> &Line {
        &self.line
    }

    /// The same files and the same link for somebody who may use other tools.
    #[must_use]
    pub fn with_tools(&self, allowed: Vec<Tool>, grants: Vec<Grant>) -> Self {
        Self { allowed, grants, ..self.clone() }
    }

    /// The same for turns in a session.
    #[must_use]
    pub fn in_session(&self, file: PathBuf, blobs: Blobs) -> Self {
        Self { session: Some(own::OwnSession { file, blobs }), ..self.clone() }
    }

    /// The same for a Hand whose commands may reach something else.
    #[must_use]
    pub fn with_sandbox(&self, config: SandboxConfig) -> Self {
        let sandbox = Sandbox::new(config, sandbox::own_program());
        let reach = Reach { sandbox, ..self.reach.clone() };
        Self { reach, ..self.clone() }
    }

    /// The same for a Hand, whose supervisor is told of calls that wait.
    #[must_use]
    pub fn supervised(&self, waiting: mpsc::Sender<Waiting>) -> Self {
        let claims = Claims { waiting: Some(waiting), ..self.claims.clone() };
        Self { claims, ..self.clone() }
    }

    /// The same for a call on account of this span.
    #[must_use]
    pub fn traced(&self, trace: Option<TraceContext>) -> Self {
        Self { line: self.line.traced(trace), ..self.clone() }
    }

    pub fn specs(&self) -> Vec<ToolSpec> {
        let own = self.allowed.iter().map(|tool| tool.spec());
        own.chain(self.servers.specs(&self.grants)).collect()
    }

    /// With those that look into a session in which there is something to look for.
    pub fn specs_with(&self, more: &[Tool]) -> Vec<ToolSpec> {
        let more = more.iter().filter(|tool| !self.allowed.contains(tool)).map(|tool| tool.spec());
        self.specs().into_iter().chain(more).collect()
    }

    /// Runs one call. Dropping the future gives it up; what the broker was asked for may still happen.
    pub async fn run(&self, caller: &Caller, ordinal: u64, name: &str, input: Value) -> ToolOutcome {
        let tool = match Tool::from_name(name) {
            Some(tool) if self.allowed.contains(&tool) => tool,
            Some(tool) if tool.is_of_session() && self.session.is_some() => tool,
            Some(_) => return ToolOutcome::error(self.no_such(name)),
            None => return self.kept(self.call_server(name, input).await).await,
        };
        if let Some(outcome) = self.elsewhere(tool, ordinal, &input).await {
            return outcome;
        }
        let id = caller.request_id(tool, ordinal);
        let (line, roots, max) = (&self.line, self.reach.roots.clone(), self.result_bytes_max);
        let (seen, reader) = (self.seen.clone(), caller.reader());
        let outcome = match tool {
            Tool::ReadFile => {
                // As JSON a text may take twice its room.
                let text_max = (max / 2).saturating_sub(512);
                let run = move |args: read::ReadFile, _: &AtomicBool| {
                    ToolOutcome::of(args.run(&roots, text_max, &seen, reader))
                };
                self.on_files(input, run).await
            }
            Tool::SearchFiles => {
                let run = move |args: search::SearchFiles, stop: &AtomicBool| {
                    ToolOutcome::fitting(args.run(&roots, stop), max)
                };
                self.on_files(input, run).await
            }
            Tool::ListFiles => {
                let run =
                    move |args: list::ListFiles, _: &AtomicBool| ToolOutcome::fitting(args.run(&roots), max);
                self.on_files(input, run).await
            }
            Tool::WriteFile => {
                let run = move |args: write::WriteFile, _: &AtomicBool| {
                    ToolOutcome::of(args.run(&roots, &seen, reader))
                };
                self.on_files(input, run).await
            }
            Tool::EditFile => {
                let run = move |args: edit::EditFile, _: &AtomicBool| {
                    ToolOutcome::of(args.run(&roots, &seen, reader))
                };
                self.on_files(input, run).await
            }
            Tool::RunCommand => self.run_command(input).await,
            Tool::FetchUrl => match args::parse(&input) {
                Ok(asked) => ToolOutcome::fitting(self.reach.fetcher.fetch(asked).await, max),
                Err(error) => ToolOutcome::error(error),
            },
            Tool::ExpandSummary => {
                let Some(session) = self.session.clone() else { return ToolOutcome::error(NO_SESSION) };
                let run = move |args: own::ExpandSummary, _: &AtomicBool| {
                    ToolOutcome::fitting(args.run(&session.file), max)
                };
                self.on_files(input, run).await
            }
            Tool::ReadOutput => {
                let Some(session) = self.session.clone() else { return ToolOutcome::error(NO_SESSION) };
                let text_max = (max / 2).saturating_sub(512);
                let run = move |args: own::ReadOutput, _: &AtomicBool| {
                    ToolOutcome::of(args.run(&session.blobs, text_max))
                };
                self.on_files(input, run).await
            }
            Tool::AttachFile => self.attach_file(input).await,
            Tool::ReadAttachment => self.read_attachment(input).await,
            Tool::SendMessage => {
                on_bus(input, async |args: bus::SendMessage| args.run(line, caller, id).await).await
            }
            Tool::ReadThread => {
                on_bus(input, async |args: bus::ReadThread| args.run(line, caller, id).await).await
            }
            Tool::SearchMessages => {
                on_bus(input, async |args: bus::SearchMessages| args.run(line, id).await).await
            }
            Tool::ListTeam => on_bus(input, async |args: bus::ListTeam| args.run(line, id).await).await,
            Tool::Gather => {
                let claims = &self.claims;
                on_bus(input, async |args: gather::GatherHands| args.run(line, claims, caller, id).await)
                    .await
            }
            Tool::DispatchHand => {
                on_bus(input, async |args: dispatch::DispatchHand| {
                    args.run(line, &self.claims, caller, id).await
                })
                .await
            }
            Tool::CancelDispatch => {
                on_bus(input, async |args: cancel::CancelDispatch| args.run(line, id).await).await
            }
            Tool::AskOperator => {
                let (claims, wait_s) = (&self.claims, self.leave.wait_s);
                let ask = async |args: people::AskOperator| args.run(line, claims, caller, id, wait_s).await;
                on_bus(input, ask).await
            }
            Tool::CreateTrigger => {
                let (claims, wait_s) = (&self.claims, self.leave.wait_s);
                let ask =
                    async |args: propose::CreateTrigger| args.run(line, claims, caller, id, wait_s).await;
                on_bus(input, ask).await
            }
            Tool::SearchKnowledge => {
                on_bus(input, async |args: bus::SearchKnowledge| args.run(line, id).await).await
            }
            Tool::StoreKnowledge => {
                on_bus(input, async |args: bus::StoreKnowledge| args.run(line, id).await).await
            }
            Tool::ReadRegistry => {
                on_bus(input, async |args: registry::ReadRegistry| args.run(line, id).await).await
            }
            Tool::WriteRegistry => {
                on_bus(input, async |args: registry::WriteRegistry| args.run(line, id).await).await
            }
            Tool::RunFlow => {
                on_bus(input, async |args: flow::RunFlow| args.run(line, caller, id).await).await
            }
            Tool::ShowRun => on_bus(input, async |args: flow::ShowRun| args.run(line, id).await).await,
        };
        // What is read again is there already.
        if tool.is_of_session() { outcome.capped(max) } else { self.kept(outcome).await }
    }

    /// What is too long to be given back whole is kept beside the session.
    async fn kept(&self, outcome: ToolOutcome) -> ToolOutcome {
        let max = self.result_bytes_max;
        let Some(session) = self.session.clone().filter(|_| outcome.content.len() > max) else {
            return outcome.capped(max);
        };
        let kept = self.blocking(move |_| (session.blobs.put(outcome.content.as_bytes()), outcome)).await;
        match kept {
            Ok((Ok(name), outcome)) => outcome.capped_with(max, &own::pointer(&name)),
            Ok((Err(error), outcome)) => {
                tracing::warn!(%error, "an output that is too long could not be kept");
                outcome.capped(max)
            }
            Err(broken) => broken,
        }
    }

    async fn call_server(&self, name: &str, input: Value) -> ToolOutcome {
        let Some(offer) = self.servers.find(&self.grants, name) else {
            return ToolOutcome::error(self.no_such(name));
        };
        if let Some(reason) = invalid_arguments(&input) {
            return ToolOutcome::error(reason);
        }
        // It may have come between the look at it and the call.
        if self.leave.nature_of(name, &offer).asks && !self.is_allowed {
            return ToolOutcome::error("people have to allow this first; call it again and they are asked");
        }
        match self.servers.call(&self.grants, name, input).await {
            Some(Called { content, is_error }) => ToolOutcome { content, is_error, ..ToolOutcome::default() },
            None => ToolOutcome::error(self.no_such(name)),
        }
    }

    fn no_such(&self, name: &str) -> String {
        let servers = self.servers.specs(&self.grants);
        let allowed = self.allowed.iter().map(|tool| tool.name());
        let allowed: Vec<&str> = allowed.chain(servers.iter().map(|spec| spec.name.as_str())).collect();
        let allowed = if allowed.is_empty() { "none".to_owned() } else { allowed.join(", ") };
        let name: String = name.chars().take(64).collect();
        format!("there is no tool {name:?} here; the tools are {allowed}")
    }

    async fn run_command(&self, input: Value) -> ToolOutcome {
        let args = match args::parse::<command::RunCommand>(&input) {
            Ok(args) => args,
            Err(error) => return ToolOutcome::error(error),
        };
        let (roots, max) = (self.reach.roots.clone(), self.result_bytes_max);
        let request = match self.blocking(move |_| args.request(&roots, max)).await {
            Ok(Ok(request)) => request,
            Ok(Err(error)) => return ToolOutcome::error(error.to_string()),
            Err(broken) => return broken,
        };
        let sandbox = &self.reach.sandbox;
        let opened;
        let ran = match self.confined {
            true => command::run(sandbox, request).await,
            false => {
                opened = sandbox.opened();
                command::run(&opened, request).await
            }
        };
        let blocked_by_sandbox = self.confined && sandbox.is_closed() && command::was_stopped(&ran);
        let has_timed_out = ran.as_ref().is_ok_and(command::CommandResult::has_timed_out);
        let outcome = ToolOutcome::fitting(ran, max);
        let is_error = outcome.is_error || has_timed_out;
        ToolOutcome { is_error, blocked_by_sandbox, ..outcome }
    }

    async fn attach_file(&self, input: Value) -> ToolOutcome {
        let args = match args::parse::<attach::AttachFile>(&input) {
            Ok(args) => args,
            Err(error) => return ToolOutcome::error(error),
        };
        let roots = self.reach.roots.clone();
        match self.blocking(move |_| args.read(&roots)).await {
            Ok(Ok(file)) => match &self.broker {
                Some(broker) => ToolOutcome::of(file.put(broker).await),
                None => ToolOutcome::error(NO_BROKER),
            },
            Ok(Err(error)) => ToolOutcome::error(error.to_string()),
            Err(broken) => broken,
        }
    }

    async fn read_attachment(&self, input: Value) -> ToolOutcome {
        let args = match args::parse::<attach::ReadAttachment>(&input) {
            Ok(args) => args,
            Err(error) => return ToolOutcome::error(error),
        };
        let Some(broker) = &self.broker else { return ToolOutcome::error(NO_BROKER) };
        let text_max = (self.result_bytes_max / 2).saturating_sub(512);
        match args.fetch(broker).await {
            Ok(blob) => ToolOutcome::of(args.text(&blob, text_max)),
            Err(error) => ToolOutcome::error(error.to_string()),
        }
    }

    async fn on_files<A, F>(&self, input: Value, work: F) -> ToolOutcome
    where
        A: serde::de::DeserializeOwned + Send + 'static,
        F: FnOnce(A, &AtomicBool) -> ToolOutcome + Send + 'static,
    {
        match args::parse::<A>(&input) {
            Ok(args) => self.blocking(move |stop| work(args, stop)).await.unwrap_or_else(|broken| broken),
            Err(error) => ToolOutcome::error(error),
        }
    }

    /// Runs file work away from the threads that keep the link alive.
    async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce(&AtomicBool) -> T + Send + 'static,
    ) -> Result<T, ToolOutcome> {
        // Never closed; should it be, the work is done without a permit.
        let permit = Arc::clone(&self.file_tasks).acquire_owned().await.ok();
        let stop = StopOnDrop(Arc::new(AtomicBool::new(false)));
        let seen = Arc::clone(&stop.0);
        let done = tokio::task::spawn_blocking(move || {
            let _permit = permit;
            work(&seen)
        });
        done.await.map_err(|error| ToolOutcome::error(format!("the tool broke down: {error}")))
    }
}

/// Tells blocking work that nobody waits for it any more.
struct StopOnDrop(Arc<AtomicBool>);

impl Drop for StopOnDrop {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

async fn on_bus<A: serde::de::DeserializeOwned>(
    input: Value,
    run: impl AsyncFnOnce(A) -> ToolOutcome,
) -> ToolOutcome {
    match args::parse::<A>(&input) {
        Ok(args) => run(args).await,
        Err(error) => ToolOutcome::error(error),
    }
}

#[cfg(test)]
mod tests;
