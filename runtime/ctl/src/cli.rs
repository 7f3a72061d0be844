//! What can be typed. Parsing only; what commands do is elsewhere.

mod approval;
mod aspect;
mod blob;
mod budget;
mod credential;
mod flow;
mod gather;
mod get;
mod help;
mod keep;
mod knowledge;
mod logs;
mod operator;
mod program;
mod registry;
mod session;
mod talk;
mod time;
mod trigger;
mod turns;
mod work;

use clap::{Args, Parser, Subcommand, ValueEnum};
use nexus_operator::settings::Reach;

pub use approval::{Answer, Decide};
pub use aspect::{Aspect, AspectAction};
pub use blob::{Blob, BlobAction, MEDIA_TYPE};
pub use budget::{Amounts, BudgetAction, BudgetArgs, OfDispatch};
pub use credential::{CredentialAction, CredentialArgs, Kind, Mode};
pub use flow::{Flow, FlowAction, RunAction, Runs, RunsOf};
pub use gather::Gather;
pub use get::{Describe, Get, One, What};
pub use help::command;
pub use keep::{Ack, Backup, Release, Restrain};
pub use knowledge::{Grant, Knowledge, KnowledgeAction, May, Whose};
pub use logs::{Audit, By, Logs, Top, Usage};
pub use operator::{Operator, OperatorAction, TokenAction};
pub use program::{Completions, ContextAction, ContextArgs, Login, Logout};
pub use registry::{RegistryAction, RegistryArgs};
pub use session::{Patience, Session, SessionAction};
pub use talk::{Along, Ask, Mark, React, Rename, Say, Search};
pub use time::{Stretch, When, between};
pub use trigger::{AddTrigger, TriggerAction, TriggerArgs, Watched};
pub use turns::{GoOn, Stop};
pub use work::{Cancel, Dispatch, Retry};

const AFTER_HELP: &str = "\
Which broker: --url or --context, else $NEXUS_URL, else the current context of
the configuration file ($NEXUS_CONFIG, or ~/.nexus/config.toml). A context is
made with one of:
  nexctl login https://HOST:PORT --ca ca.pem
  nexctl context add home --url http://127.0.0.1:7888 \\
    --token-file <data>/operator.token

Exit codes:
  0    done
  1    it failed: the broker or the aspect says why
  2    it was typed wrong
  3    refused: the token is not known, or may not do this
  4    the broker cannot be reached
  5    no answer in time
  130  interrupted with Ctrl-C";

#[derive(Clone, Debug, Parser)]
#[command(name = "nexctl", version = nexus_version::VERSION, about = "Talks to a team of agents through their Nexus broker.")]
#[command(after_help = AFTER_HELP, propagate_version = true, disable_help_subcommand = true)]
pub struct Cli {
    #[command(flatten)]
    pub global: Global,
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "Global options")]
pub struct Global {
    #[command(flatten)]
    pub reach: Reach,
    /// How results are shown
    #[arg(long, short, global = true, value_enum, default_value_t, value_name = "FORM")]
    pub output: Output,
    /// Send nothing that changes anything; show what would be sent
    #[arg(long, global = true)]
    pub dry_run: bool,
    /// No colours; the same as setting $NO_COLOR
    #[arg(long, global = true)]
    pub no_color: bool,
}

#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, ValueEnum)]
pub enum Output {
    /// Columns, as many as fit
    #[default]
    Table,
    /// All columns, nothing cut
    Wide,
    Json,
    Yaml,
}

#[derive(Clone, Debug, Subcommand)]
pub enum Command {
    /// Say that an alert has been seen; one about an event is cleared by it
    Ack(Ack),
    /// Answer a question that an aspect asks of people
    Answer(Answer),
    /// Let an aspect use the tool it waits for
    Approve(Decide),
    /// Ask an aspect and show its answer as it comes
    Ask(Ask),
    /// Aspects: let them in, shut them out, give them new keys
    Aspect(Aspect),
    /// Who changed what about the Nexus, and what was refused
    Audit(Audit),
    /// Make a backup in the broker's folder for them
    Backup(Backup),
    /// Files that messages attach: put, fetch, look
    Blob(Blob),
    /// What may be spent in a day or a month
    Budget(BudgetArgs),
    /// Cancel a dispatch and everything below it
    Cancel(Cancel),
    /// Print a script that completes what is typed, for a shell
    Completions(Completions),
    /// The brokers this machine knows
    Context(ContextArgs),
    /// Secrets for services outside, which the broker uses for aspects
    Credential(CredentialArgs),
    /// Do not let an aspect use the tool it waits for
    Deny(Decide),
    /// Everything about one thing, and what belongs to it
    Describe(Describe),
    /// Send work to a Hand
    Dispatch(Dispatch),
    /// Several steps as one piece of work: check them, keep them, run them
    Flow(Flow),
    /// Take dispatches together, for one end of all of them
    Gather(Gather),
    /// Lists: aspects, threads, messages, dispatches, approvals, alerts, sessions and more
    Get(Get),
    /// Let turns go on that wait because a budget of the aspect is used up
    GoOn(GoOn),
    /// Keep an aspect off: its link is closed, and it may not come back until it is released
    Hold(Restrain),
    /// What the team knows: read it, change it, say who may
    Knowledge(Knowledge),
    /// Get a token of a broker with a name and a password, and keep it as a context
    Login(Login),
    /// Give the token of a context back, and forget it
    Logout(Logout),
    /// What happens: the log, and with -f what aspects think and do as they do it
    Logs(Logs),
    /// Say how far a thread is read
    Mark(Mark),
    /// People: let them in, shut them out, their tokens and passwords
    Operator(Operator),
    /// Give an aspect no work and show it offline, though it stays connected, until it is released
    Pause(Restrain),
    /// Put a reaction to a message, or take it back
    React(React),
    /// Typed tables: what they are like, and what stands in them
    Registry(RegistryArgs),
    /// Let an aspect go on that is held or paused
    Release(Release),
    /// Give a thread another title
    Rename(Rename),
    /// Do again what failed or timed out
    Retry(Retry),
    /// Flows at work: look at them, end them, run them again
    Run(Runs),
    /// Post a message without waiting for an answer
    Say(Say),
    /// Search in all messages, the newest first
    Search(Search),
    /// Look into the sessions of an aspect that is online, and change them
    Session(Session),
    /// Cancel the turns an aspect is at; it goes on with what comes next
    Stop(Stop),
    /// The team as it works: states, what each does, what waits, what it costs
    Top(Top),
    /// What the team does while nobody types: define it, plan it, see what became of it
    Trigger(TriggerArgs),
    /// Tokens and cost, by aspect, Hand, model or day
    Usage(Usage),
}

#[cfg(test)]
mod tests;
