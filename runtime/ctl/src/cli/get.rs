//! What is typed to look at something.

use clap::{Args, Subcommand};
use nexus_wire::name::{FlowName, RegistryName};
use nexus_wire::{
    ApprovalId, AspectName, CredentialName, DispatchId, GatherId, MessageId, OperatorName, Party, RunId,
    ThreadId, TriggerName,
};

use super::Whose;
use crate::ids::Short;

#[derive(Args, Clone, Debug)]
#[command(after_help = "\
Of an id its beginning or its end will do, wherever one is typed.
With --watch a terminal shows how it changes until Ctrl-C; otherwise what it
comes to is written anew each time, with -o json as one line.")]
pub struct Get {
    #[command(subcommand)]
    pub what: What,
    /// Go on showing it as it changes
    #[arg(long, short, global = true)]
    pub watch: bool,
}

#[derive(Clone, Debug, Subcommand)]
pub enum What {
    /// What somebody should look at, the latest first
    #[command(visible_alias = "alert")]
    Alerts {
        /// Also those that are over
        #[arg(long)]
        all: bool,
        /// Only those raised before this one's SEQ
        #[arg(long, value_name = "SEQ")]
        before: Option<u64>,
        /// At most this many
        #[arg(long, value_name = "N")]
        limit: Option<u32>,
    },
    /// What aspects wait for people for, the latest first
    #[command(visible_alias = "approval")]
    Approvals {
        /// One of them, with what the tool would be called with
        id: Option<Short<ApprovalId>>,
        /// Also those that have ended
        #[arg(long)]
        all: bool,
        /// Only those before this one
        #[arg(long, value_name = "ID")]
        before: Option<ApprovalId>,
        /// At most this many
        #[arg(long, value_name = "N")]
        limit: Option<u32>,
    },
    /// Who is on the team, and how each is doing
    #[command(visible_alias = "aspect")]
    Aspects {
        /// Only these
        #[arg(value_name = "ASPECT")]
        names: Vec<AspectName>,
    },
    /// What may be spent, and how much of it is
    #[command(visible_alias = "budget")]
    Budgets,
    /// Secrets that are kept for services outside, without the secrets
    #[command(visible_alias = "credential")]
    Credentials {
        /// One of them
        name: Option<CredentialName>,
    },
    /// Work sent to Hands, the latest first
    #[command(visible_alias = "dispatch")]
    Dispatches {
        /// One of them, with its input and output
        id: Option<Short<DispatchId>>,
        /// Only those that have not ended
        #[arg(long, conflicts_with = "dead")]
        open: bool,
        /// Only those that failed or timed out, and that nobody has tried again
        #[arg(long)]
        dead: bool,
        /// Only those of the tree with this root
        #[arg(long, value_name = "ROOT")]
        tree: Option<Short<DispatchId>>,
        /// Only those before this one
        #[arg(long, value_name = "ID")]
        before: Option<DispatchId>,
        /// At most this many
        #[arg(long, value_name = "N")]
        limit: Option<u32>,
    },
    /// Flows that can be run
    #[command(visible_alias = "flow")]
    Flows {
        /// One of them, as it is kept
        #[arg(value_name = "FLOW")]
        name: Option<FlowName>,
    },
    /// Dispatches taken together that have not ended, the latest first
    #[command(visible_alias = "gather")]
    Gathers {
        /// One of them, open or ended
        id: Option<Short<GatherId>>,
        /// Only those before this one
        #[arg(long, value_name = "ID")]
        before: Option<GatherId>,
        /// At most this many
        #[arg(long, value_name = "N")]
        limit: Option<u32>,
    },
    /// What aspects can be given to do, by aspect
    #[command(visible_alias = "hand")]
    Hands {
        /// Only those of these aspects
        #[arg(value_name = "ASPECT")]
        of: Vec<AspectName>,
    },
    /// What the team knows, by author and topic
    Knowledge {
        /// One entry, whole
        topic: Option<String>,
        #[command(flatten)]
        whose: Whose,
        /// Only topics that begin so
        #[arg(long, value_name = "TEXT", default_value = "")]
        prefix: String,
        /// At most this many
        #[arg(long, value_name = "N")]
        limit: Option<u32>,
    },
    /// The messages of a thread, the oldest first
    #[command(visible_alias = "message")]
    Messages {
        /// The thread's id, as `nexctl get threads` shows it
        thread: Short<ThreadId>,
        /// Only those after this one's SEQ
        #[arg(long, value_name = "SEQ", default_value_t = 0)]
        after: u64,
        /// Only those before this one's SEQ; with --limit the last of them
        #[arg(long, value_name = "SEQ")]
        before: Option<u64>,
        /// At most this many
        #[arg(long, value_name = "N")]
        limit: Option<u32>,
    },
    /// Everybody who was ever let in
    #[command(visible_alias = "operator")]
    Operators {
        /// One of them
        name: Option<OperatorName>,
    },
    /// How far a message has come with each recipient
    #[command(visible_alias = "receipt")]
    Receipts {
        /// The message's id, as `nexctl get messages` shows it
        message: Short<MessageId>,
    },
    /// Registries that there are
    #[command(visible_alias = "registry")]
    Registries {
        /// One of them, as it is kept; its rows: nexctl registry rows
        #[arg(value_name = "REGISTRY")]
        name: Option<RegistryName>,
    },
    /// Runs of flows that have not ended, the latest first
    #[command(visible_alias = "run")]
    Runs {
        /// One of them, step by step
        id: Option<Short<RunId>>,
        /// Only of this flow
        #[arg(long, value_name = "FLOW")]
        flow: Option<FlowName>,
        /// Also those that have ended
        #[arg(long)]
        all: bool,
        /// At most this many
        #[arg(long, value_name = "N")]
        limit: Option<u32>,
    },
    /// The sessions of an aspect that is online, the latest first
    #[command(visible_alias = "session")]
    Sessions {
        /// Whose sessions
        #[arg(value_name = "ASPECT")]
        of: AspectName,
        /// The entries of this one: `global`, or the id of a thread or a fork
        session: Option<String>,
        /// At most this many sessions
        #[arg(long, value_name = "N")]
        limit: Option<u32>,
    },
    /// Skills of the broker's workspace: how something is done
    #[command(visible_alias = "skill")]
    Skills,
    /// Conversations, the latest activity first
    #[command(visible_alias = "thread")]
    Threads {
        /// One of them
        id: Option<Short<ThreadId>>,
        /// Only those whose last message is before this SEQ
        #[arg(long, value_name = "SEQ")]
        before: Option<u64>,
        /// Only those this party takes part in
        #[arg(long, value_name = "NAME")]
        participant: Option<Party>,
        /// Only those with messages you have not read
        #[arg(long)]
        unread: bool,
        /// At most this many
        #[arg(long, value_name = "N")]
        limit: Option<u32>,
    },
    /// What sets work off, by name
    #[command(visible_alias = "trigger")]
    Triggers {
        /// One of them, as it stands
        #[arg(value_name = "NAME")]
        name: Option<TriggerName>,
        /// Only those after this one: the last of the page before
        #[arg(long, value_name = "NAME")]
        after: Option<TriggerName>,
        /// At most this many
        #[arg(long, value_name = "N")]
        limit: Option<u32>,
    },
}

#[derive(Args, Clone, Debug)]
pub struct Describe {
    #[command(subcommand)]
    pub what: One,
}

#[derive(Clone, Debug, Subcommand)]
pub enum One {
    /// An alert: what is wrong, since when, and who has seen it
    Alert {
        /// As `nexctl get alerts` shows it: aspect_missing/wren
        key: String,
    },
    /// A question to people: what was asked, by whom, and what was answered
    Approval {
        /// As `nexctl get approvals` shows it
        id: Short<ApprovalId>,
    },
    /// An aspect: how it is doing, its key and its Hands, what it is at work on and what it may spend
    Aspect {
        /// Which
        #[arg(value_name = "ASPECT")]
        name: AspectName,
    },
    /// A budget: its limit, what is used and set aside, and when it begins anew
    Budget {
        /// An aspect, or operator/NAME; `all`: everybody together
        of: String,
    },
    /// A credential: where it goes and who may use it; never the secret
    Credential {
        /// Which, as `nexctl get credentials` shows it
        name: CredentialName,
    },
    /// A dispatch: how it stands, its input and output, what it has spent
    Dispatch {
        /// As `nexctl get dispatches` shows it
        id: Short<DispatchId>,
    },
    /// A flow, as it is kept
    Flow {
        /// As `nexctl get flows` shows it
        #[arg(value_name = "FLOW")]
        name: FlowName,
    },
    /// A gather: how it stands, and each of its dispatches
    Gather {
        /// As `nexctl get gathers` shows it
        id: Short<GatherId>,
    },
    /// An entry of knowledge: its text, its versions, how it is used
    Knowledge {
        /// The name it stands under
        topic: String,
        #[command(flatten)]
        whose: Whose,
    },
    /// A message: its text, what produced it, and how far it has come
    Message {
        /// As `nexctl get messages` shows it
        id: Short<MessageId>,
    },
    /// A person: what they may, their tokens and sessions
    Operator {
        /// Which
        name: OperatorName,
    },
    /// A registry: its fields, and who may write
    Registry {
        /// As `nexctl get registries` shows it
        #[arg(value_name = "REGISTRY")]
        name: RegistryName,
    },
    /// A run of a flow, step by step
    Run {
        /// As `nexctl get runs` shows it
        id: Short<RunId>,
    },
    /// A session: how long it is, and where it stands
    Session {
        /// Whose
        #[arg(value_name = "ASPECT")]
        of: AspectName,
        /// `global`, or the id of a thread or a fork
        session: String,
    },
    /// A skill: what it says, and what it has to be given
    Skill {
        /// As `nexctl get skills` shows it
        name: String,
    },
    /// A thread: who takes part, and its last messages
    Thread {
        /// As `nexctl get threads` shows it
        id: Short<ThreadId>,
    },
    /// A trigger: what it waits for and does, and how it stands
    Trigger {
        /// As `nexctl get triggers` shows it
        #[arg(value_name = "NAME")]
        name: TriggerName,
    },
}
