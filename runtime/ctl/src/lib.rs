//! nexctl, the operator's command line: it asks and shows, and holds no rule of its own.

use std::process::ExitCode;
use std::time::Duration;

use clap::FromArgMatches as _;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use nexus_client::{Broker, Client, Notice, Request, install_crypto};
use nexus_wire::approval::Verdict;
use nexus_wire::frame::{FrameSet as _, ToBroker};
use nexus_wire::roster::{RestraintKind, Team};
use nexus_wire::{Ms, TraceContext};

pub use nexus_operator::{failure, settings};

use cli::{Cli, Command};
use failure::Failure;
use page::Page;
use settings::{Env, Target};
use ui::{Outage, Shape, Tone, Ui, printable};

mod act;
mod approval;
pub mod ask;
mod aspect;
mod attach;
mod blob;
mod budget;
pub mod cli;
pub mod complete;
mod context;
mod describe;
mod flow;
mod gather;
pub mod ids;
mod knowledge;
mod login;
mod logs;
mod look;
pub mod near;
mod operator;
mod page;
mod registry;
mod report;
mod restrain;
mod screen;
mod session;
mod skill;
pub mod table;
mod text;
mod threads;
pub mod top;
mod trail;
pub mod trigger;
pub mod ui;
mod until;
mod vault;
mod watch;

/// How long a request that is no waiting may take, reconnects included.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(30);

/// What every command works with.
#[derive(Debug)]
pub struct Run {
    pub ui: Ui,
    /// Nothing that changes anything is sent.
    pub rehearsal: bool,
    pub target: Option<Target>,
    pub zone: TimeZone,
    /// The span that this program was called on account of.
    pub trace: Option<TraceContext>,
}

/// The program: what is typed, the process's streams and environment.
pub fn main() -> ExitCode {
    if complete::is_asked() {
        return ExitCode::SUCCESS;
    }
    let typed = cli::command().try_get_matches().and_then(|matches| Cli::from_arg_matches(&matches));
    let cli = match typed {
        Ok(cli) => cli,
        Err(error) => {
            // Help is a result, a mistake is not; clap knows which stream each goes to.
            let _ = error.print();
            return ExitCode::from(if error.use_stderr() { 2 } else { 0 });
        }
    };
    install_crypto();
    let env = Env::of_process();
    let ui = Ui::of_process(!(cli.global.no_color || env.no_color));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let done = match runtime {
        Ok(runtime) => runtime.block_on(run(cli, &env, ui.clone())),
        Err(error) => Err(Failure::Failed(format!("this program cannot start: {error}"))),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            if !failure.is_no_failure() {
                ui.note(Tone::Error, &format!("nexctl: {failure}"));
            }
            ExitCode::from(failure.exit_code())
        }
    }
}

/// Does what was typed.
pub async fn run(cli: Cli, env: &Env, ui: Ui) -> Result<(), Failure> {
    let (ui, rehearsal) = (ui.formed(cli.global.output), cli.global.dry_run);
    let mut run = Run { ui, rehearsal, target: None, zone: TimeZone::system(), trace: env.trace.clone() };
    if let Command::Context(args) = cli.command {
        return context::context(&run, &cli.global, env, args.action);
    }
    if let Command::Login(args) = cli.command {
        return login::login(&run, &cli.global, env, args).await;
    }
    if let Command::Logout(args) = &cli.command {
        return login::logout(&run, &cli.global, env, args).await;
    }
    if let Command::Completions(args) = cli.command {
        return run.ui.result_bytes(&complete::script(args.shell)?);
    }
    if let Command::Flow(cli::Flow { action: cli::FlowAction::Validate { files } }) = &cli.command {
        return flow::validate(&run, files);
    }
    run.target = Some(Target::choose(&cli.global.reach, env)?);
    match carry_out(&run, cli.command).await {
        Err(Failure::Failed(message)) => Err(Failure::Failed(hinted(&run, message).await)),
        done => done,
    }
}

/// With the names that are like one there is no aspect of.
async fn hinted(run: &Run, message: String) -> String {
    let Some(name) = near::missing(&message).map(str::to_owned) else { return message };
    let Ok(broker) = run.broker() else { return message };
    let Ok(Ok(team)) = run.within(broker.get_json::<Team>("/api/v1/aspects")).await else { return message };
    let names = team.aspects.iter().map(|aspect| aspect.name.as_str()).collect();
    format!("{message}; {}", near::hint(&name, names))
}

async fn carry_out(run: &Run, command: Command) -> Result<(), Failure> {
    match command {
        Command::Ack(args) => act::ack(run, args).await,
        Command::Answer(args) => approval::answer(run, args).await,
        Command::Approve(args) => approval::decide(run, args, Verdict::Approve).await,
        Command::Ask(args) => ask::ask(run, args).await,
        Command::Aspect(args) => aspect::aspect(run, args.action).await,
        Command::Audit(args) => report::audit(run, args).await,
        Command::Credential(args) => vault::credential(run, args.action).await,
        Command::Backup(args) => blob::backup(run, args).await,
        Command::Blob(args) => blob::blob(run, args.action).await,
        Command::Budget(args) => budget::budget(run, args.action).await,
        Command::Cancel(args) => act::cancel(run, args).await,
        Command::Deny(args) => approval::decide(run, args, Verdict::Deny).await,
        Command::Dispatch(args) => act::dispatch(run, args).await,
        Command::Describe(args) => describe::describe(run, args.what).await,
        Command::Flow(args) => flow::flow(run, args.action).await,
        Command::Gather(args) => gather::gather(run, args).await,
        Command::Get(args) => look::get(run, args).await,
        Command::GoOn(args) => session::go_on(run, args).await,
        Command::Logs(args) => logs::logs(run, args).await,
        Command::Mark(args) => threads::mark(run, args).await,
        Command::React(args) => threads::react(run, args).await,
        Command::Operator(args) => operator::operator(run, args.action).await,
        Command::Rename(args) => threads::rename(run, args).await,
        Command::Retry(args) => act::retry(run, args).await,
        Command::Knowledge(args) => knowledge::knowledge(run, args.action).await,
        Command::Hold(args) => restrain::restrain(run, args, RestraintKind::Held).await,
        Command::Pause(args) => restrain::restrain(run, args, RestraintKind::Paused).await,
        Command::Release(args) => restrain::release(run, args).await,
        Command::Registry(args) => registry::registry(run, args.action).await,
        Command::Run(args) => flow::runs(run, args.action).await,
        Command::Say(args) => act::say(run, args).await,
        Command::Session(args) => session::session(run, args.action).await,
        Command::Search(args) => threads::search(run, args).await,
        Command::Stop(args) => session::stop(run, args).await,
        Command::Top(args) => top::top(run, args).await,
        Command::Trigger(args) => trigger::trigger(run, args.action).await,
        Command::Usage(args) => report::usage(run, args).await,
        Command::Completions(_) | Command::Context(_) | Command::Login(_) | Command::Logout(_) => Ok(()),
    }
}

impl Run {
    /// Connects, and says when the connection is lost and regained.
    pub(crate) async fn connect(&self) -> Result<Client, Failure> {
        let mut client = Client::connect(self.broker()?).await?;
        client.traced(self.trace.clone());
        let (ui, mut outage) = (self.ui.clone(), Outage::default());
        client.on_notice(move |notice| match notice {
            Notice::Lost { .. } => outage.lost(&ui),
            Notice::Reconnected => outage.over(&ui),
        });
        Ok(client)
    }

    /// For what goes by HTTP.
    pub(crate) fn broker(&self) -> Result<Broker, Failure> {
        self.target.as_ref().ok_or_else(|| Failure::Usage("no broker is named".to_owned()))?.broker()
    }

    /// Bounds what should be quick.
    pub(crate) async fn within<T>(&self, work: impl Future<Output = T>) -> Result<T, Failure> {
        let work = screen::patiently(&self.ui, "waiting for the broker", work);
        tokio::time::timeout(REQUEST_TIMEOUT, work).await.map_err(|_| {
            Failure::TimedOut(format!(
                "no answer within {} s; what was sent may have been done; see: nexctl get threads",
                REQUEST_TIMEOUT.as_secs()
            ))
        })
    }

    /// The stretch of time that was typed.
    pub(crate) fn between(
        &self,
        since: Option<cli::When>,
        until: Option<cli::When>,
    ) -> Result<cli::Stretch, Failure> {
        cli::between(since, until, self.now(), &self.zone).map_err(Failure::Usage)
    }

    /// Sends what changes something, unless it is only to be shown what that would be.
    pub(crate) async fn change<R: Request>(
        &self,
        client: &mut Client,
        request: R,
    ) -> Result<R::Reply, Failure> {
        let frame: ToBroker = request.clone().into();
        self.rehearse(frame.kind(), &frame)?;
        Ok(self.within(client.call(request)).await??)
    }

    /// Shows what would be sent, and ends the command, when nothing is to be changed.
    pub(crate) fn rehearse(&self, kind: &str, payload: &impl serde::Serialize) -> Result<(), Failure> {
        if !self.rehearsal {
            return Ok(());
        }
        let payload = serde_json::to_value(payload).unwrap_or_default();
        match self.ui.shape() {
            Shape::Data => {
                self.ui.data(&serde_json::json!({"dry_run": true, "kind": kind, "payload": payload}))?;
            }
            Shape::Text => {
                let text = serde_json::to_string_pretty(&payload).unwrap_or_default();
                self.ui.result_line(&printable(&format!("{kind} {text}")))?;
                self.ui.note(Tone::Dim, "dry run: that would be sent; nothing was");
            }
        }
        Err(Failure::Rehearsed)
    }

    /// The answer as the broker gave it, or in words.
    pub(crate) fn answer(
        &self,
        value: &impl serde::Serialize,
        words: impl FnOnce() -> String,
    ) -> Result<(), Failure> {
        match self.ui.shape() {
            Shape::Data => self.ui.data(value),
            Shape::Text => self.ui.result_line(&words()),
        }
    }

    /// A list as the broker gave it, or as rows.
    pub(crate) fn list(
        &self,
        page: &impl serde::Serialize,
        empty: Option<&str>,
        rows: &str,
    ) -> Result<(), Failure> {
        Page::of(self, page, empty, || rows.to_owned())?.print(self)
    }

    pub(crate) fn now(&self) -> Ms {
        Timestamp::now().as_millisecond()
    }
}
