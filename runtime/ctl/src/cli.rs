//! What can be typed. Parsing only; what commands do is elsewhere.

mod approval;
mod blob;
mod budget;
mod credential;
mod help;
mod knowledge;
mod session;
mod turns;

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};
use jiff::SignedDuration;
use nexus_operator::settings::Reach;
use nexus_wire::backup::BackupName;
use nexus_wire::{ApprovalId, AspectName, DispatchId, MessageId, Party, ThreadId};

pub use approval::{Answer, Decide};
pub use blob::{Blob, BlobAction};
pub use budget::{Amounts, BudgetAction, BudgetArgs, OfDispatch};
pub use credential::{CredentialAction, CredentialArgs, Kind, Mode};
pub use help::command;
pub use knowledge::{Grant, Knowledge, KnowledgeAction, May, Whose};
pub use session::{Patience, Session, SessionAction};
pub use turns::{GoOn, Stop};

const AFTER_HELP: &str = "\
Which broker: --url or --context, else $NEXUS_URL, else the current context of
the configuration file ($NEXUS_CONFIG, or ~/.nexus/config.toml). A context is
made with:
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
#[command(name = "nexctl", version, about = "Talks to a team of agents through their Nexus broker.")]
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
    /// No colours; the same as setting $NO_COLOR
    #[arg(long, global = true)]
    pub no_color: bool,
}

#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, ValueEnum)]
pub enum Output {
    #[default]
    Table,
    Json,
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
    /// Secrets for services outside, which the broker uses for aspects
    Credential(CredentialArgs),
    /// Print a script that completes what is typed, for a shell
    Completions(Completions),
    /// The brokers this machine knows
    Context(ContextArgs),
    /// Do not let an aspect use the tool it waits for
    Deny(Decide),
    /// Send work to a Hand
    Dispatch(Dispatch),
    /// Let turns go on that wait because a budget of the aspect is used up
    GoOn(GoOn),
    /// Look at alerts, approvals, aspects, threads, messages, their receipts, or dispatches
    Get(Get),
    /// Say how far a thread is read
    Mark(Mark),
    /// Put a reaction to a message, or take it back
    React(React),
    /// Give a thread another title
    Rename(Rename),
    /// Do again what failed or timed out
    Retry(Retry),
    /// What the team knows: read it, change it, say who may
    Knowledge(Knowledge),
    /// Keep an aspect off: its link is closed, and it may not come back until it is released
    Hold(Restrain),
    /// Give an aspect no work and show it offline, though it stays connected, until it is released
    Pause(Restrain),
    /// Let an aspect go on that is held or paused
    Release(Release),
    /// Post a message without waiting for an answer
    Say(Say),
    /// Look into the sessions of an aspect that is online
    Session(Session),
    /// Search in all messages, the newest first
    Search(Search),
    /// Cancel the turns an aspect is at; it goes on with what comes next
    Stop(Stop),
}

#[derive(Args, Clone, Debug)]
#[command(after_help = "\
With an aspect: nexctl ask forge \"where is the routing rule?\"
Without one the lead is asked. A text of - is read from standard input.

The answer goes to standard output, what happens on the way to standard error.
On a terminal both come as they happen; otherwise standard output gets the
answer whole, once it is final.
Ctrl-C leaves the aspect at work; its answer stays in the thread.")]
pub struct Ask {
    /// The aspect, unless it is the lead, then the text
    #[arg(required = true, num_args = 1.., value_names = ["[ASPECT] TEXT"])]
    pub words: Vec<String>,
    /// Continue this thread
    #[arg(long, value_name = "ID")]
    pub thread: Option<ThreadId>,
    /// Give up waiting after this long (90s, 10m, 2h; 0 waits for ever)
    #[arg(long, value_name = "TIME", default_value = "30m", value_parser = duration)]
    pub timeout: Duration,
    /// Show the answer only, not what happens on the way
    #[arg(long, short)]
    pub quiet: bool,
    /// Stream the answer to standard output although it is no terminal
    #[arg(long)]
    pub stream: bool,
}

#[derive(Args, Clone, Debug)]
pub struct Say {
    /// To whom: an aspect, operator/NAME or all; repeat it for several. Nobody: the lead, in a new thread
    #[arg(long, value_name = "NAME", value_delimiter = ',')]
    pub to: Vec<String>,
    /// Continue this thread
    #[arg(long, value_name = "ID")]
    pub thread: Option<ThreadId>,
    /// Answer this message
    #[arg(long, value_name = "ID")]
    pub reply_to: Option<MessageId>,
    /// The text; - reads it from standard input
    #[arg(required = true, value_name = "TEXT")]
    pub words: Vec<String>,
}

#[derive(Args, Clone, Debug)]
pub struct Mark {
    /// The thread's id, as `nexctl get threads` shows it
    pub thread: ThreadId,
    /// Up to this message; all of it when left out
    pub seq: Option<u64>,
}

#[derive(Args, Clone, Debug)]
pub struct React {
    /// The message's id, as `nexctl get messages` shows it
    pub message: MessageId,
    /// An emoji, or another short sign
    pub emoji: String,
    /// Take it back
    #[arg(long)]
    pub remove: bool,
}

#[derive(Args, Clone, Debug)]
pub struct Rename {
    /// The thread's id, as `nexctl get threads` shows it
    pub thread: ThreadId,
    /// Its new title
    #[arg(required = true, value_name = "TITLE")]
    pub words: Vec<String>,
}

#[derive(Args, Clone, Debug)]
#[command(after_help = "\
All words have to occur; \"a phrase\", OR, -without and begin* work. Quote the
query for the shell: nexctl search '\"harsh mistress\" -movie'")]
pub struct Search {
    /// What to look for
    #[arg(required = true, value_name = "QUERY", allow_hyphen_values = true)]
    pub query: String,
    /// Only in this thread
    #[arg(long, value_name = "ID")]
    pub thread: Option<ThreadId>,
    /// Only what this party said: an aspect, or operator/NAME
    #[arg(long, value_name = "NAME")]
    pub by: Option<Party>,
    /// Only those before this one's SEQ
    #[arg(long, value_name = "SEQ")]
    pub before: Option<u64>,
    /// At most this many
    #[arg(long, value_name = "N")]
    pub limit: Option<u32>,
}

#[derive(Args, Clone, Debug)]
pub struct Get {
    #[command(subcommand)]
    pub what: What,
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
        /// One of them, with what the tool would be called with; its beginning or its end will do
        id: Option<String>,
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
    Aspects,
    /// Work sent to Hands, the latest first
    #[command(visible_alias = "dispatch")]
    Dispatches {
        /// One of them, with its input and output
        id: Option<DispatchId>,
        /// Only those that have not ended
        #[arg(long, conflicts_with = "dead")]
        open: bool,
        /// Only those that failed or timed out, and that nobody has tried again
        #[arg(long)]
        dead: bool,
        /// Only those of the tree with this root
        #[arg(long, value_name = "ROOT")]
        tree: Option<DispatchId>,
        /// Only those before this one
        #[arg(long, value_name = "ID")]
        before: Option<DispatchId>,
        /// At most this many
        #[arg(long, value_name = "N")]
        limit: Option<u32>,
    },
    /// The messages of a thread, the oldest first
    #[command(visible_alias = "message")]
    Messages {
        /// The thread's id, as `nexctl get threads` shows it
        thread: ThreadId,
        /// Only those after this one's SEQ
        #[arg(long, value_name = "SEQ", default_value_t = 0)]
        after: u64,
        /// At most this many
        #[arg(long, value_name = "N")]
        limit: Option<u32>,
    },
    /// How far a message has come with each recipient
    #[command(visible_alias = "receipt")]
    Receipts {
        /// The message's id, as `nexctl get messages` shows it
        message: MessageId,
    },
    /// Conversations, the latest activity first
    #[command(visible_alias = "thread")]
    Threads {
        /// One of them
        id: Option<ThreadId>,
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
}

#[derive(Args, Clone, Debug)]
pub struct Ack {
    /// As `nexctl get alerts` shows it: aspect_missing/wren
    pub key: String,
}

#[derive(Args, Clone, Debug)]
pub struct Audit {
    /// A kind, such as operator.added, or the first word of some, such as refused
    #[arg(long, value_name = "KIND")]
    pub kind: Option<String>,
    /// Only what this one did: an aspect, operator/NAME or system
    #[arg(long, value_name = "NAME")]
    pub by: Option<Party>,
    /// Only rows before this one's SEQ
    #[arg(long, value_name = "SEQ")]
    pub before: Option<u64>,
    /// At most this many
    #[arg(long, value_name = "N", default_value_t = 50)]
    pub limit: u32,
}

#[derive(Args, Clone, Debug)]
#[command(after_help = "\
The file is made on the broker's machine, in the folder that the setting
backup.folder names (<data>/backups). Fetch it from there, and check it with:
  nexus verify FILE")]
pub struct Backup {
    /// Of the file; one that is there is not overwritten. Without it: `nexus-TIME.tar`
    pub name: Option<BackupName>,
    /// The private keys of this Nexus too: keep such a file as you keep them
    #[arg(long)]
    pub with_keys: bool,
}

#[derive(Args, Clone, Debug)]
pub struct Restrain {
    /// Which aspect
    pub aspect: AspectName,
    /// Told to whoever runs into it
    #[arg(long, value_name = "TEXT")]
    pub reason: String,
}

#[derive(Args, Clone, Debug)]
pub struct Release {
    /// Which aspect
    pub aspect: AspectName,
}

#[derive(Args, Clone, Debug)]
pub struct Cancel {
    /// The dispatch's id, as `nexctl get dispatches` shows it
    pub dispatch: DispatchId,
    /// Told to whoever worked on it
    #[arg(long, value_name = "TEXT")]
    pub reason: Option<String>,
}

#[derive(Args, Clone, Debug)]
#[command(after_help = "\
For example: nexctl dispatch wren/verify-claim '{\"claim\": \"…\"}' --wait
Without a Hand's name the broker chooses one, and says why it is that one:
  nexctl dispatch --needs verify '{\"claim\": \"…\"}'")]
pub struct Dispatch {
    /// The Hand, unless one is to be chosen, then its input; - reads the input from standard input
    #[arg(num_args = 0..=2, value_names = ["ASPECT/HAND", "JSON"])]
    pub words: Vec<String>,
    /// A capability the Hand has to have; repeat it for several
    #[arg(long, value_name = "CAPABILITY", value_delimiter = ',')]
    pub needs: Vec<String>,
    /// A capability that counts for a Hand
    #[arg(long, value_name = "CAPABILITY", value_delimiter = ',', requires = "needs")]
    pub likes: Vec<String>,
    /// An aspect that comes before others
    #[arg(long, value_name = "ASPECT", value_delimiter = ',', requires = "needs")]
    pub prefer: Vec<AspectName>,
    /// An aspect that is taken only if there is nobody else
    #[arg(long, value_name = "ASPECT", value_delimiter = ',', requires = "needs")]
    pub avoid: Vec<AspectName>,
    /// Wait for its end and show the output
    #[arg(long)]
    pub wait: bool,
    /// The thread it belongs to
    #[arg(long, value_name = "ID")]
    pub thread: Option<ThreadId>,
    /// It has to have ended after this long (90s, 10m; at most 2h)
    #[arg(long, value_name = "TIME", value_parser = duration)]
    pub deadline: Option<Duration>,
    #[command(flatten)]
    pub budget: OfDispatch,
}

#[derive(Args, Clone, Debug)]
#[command(after_help = "What there is to retry: nexctl get dispatches --dead")]
pub struct Retry {
    /// The dispatch's id, as `nexctl get dispatches` shows it
    pub dispatch: DispatchId,
    /// Wait for its end and show the output
    #[arg(long)]
    pub wait: bool,
    /// It has to have ended after this long (90s, 10m; at most 2h); as long as the first had
    #[arg(long, value_name = "TIME", value_parser = duration)]
    pub deadline: Option<Duration>,
    #[command(flatten)]
    pub budget: OfDispatch,
}

#[derive(Args, Clone, Debug)]
#[command(
    after_help = "For example: nexctl completions bash > ~/.local/share/bash-completion/completions/nexctl"
)]
pub struct Completions {
    /// For which shell
    pub shell: clap_complete::Shell,
}

#[derive(Args, Clone, Debug)]
pub struct ContextArgs {
    #[command(subcommand)]
    pub action: ContextAction,
}

#[derive(Clone, Debug, Subcommand)]
pub enum ContextAction {
    /// Add a context, or replace the one of that name; takes --url, --ca and a token
    Add {
        /// What to call it
        name: String,
        /// Read the token from this file at each use
        #[arg(long, value_name = "FILE", conflicts_with = "token")]
        token_file: Option<PathBuf>,
        /// Make it the current one; the first one is in any case
        #[arg(long = "use")]
        make_current: bool,
    },
    /// Show all of them
    List,
    /// Forget one
    Remove {
        /// Which, as `nexctl context list` shows it
        name: String,
    },
    /// Make one the current one
    Use {
        /// Which, as `nexctl context list` shows it
        name: String,
    },
}

fn duration(text: &str) -> Result<Duration, String> {
    let wrong = || format!("{text:?} is no time; write 90s, 10m or 2h");
    if let Ok(seconds) = text.parse::<u64>() {
        return Ok(Duration::from_secs(seconds));
    }
    let parsed: SignedDuration = text.parse().map_err(|_| wrong())?;
    Duration::try_from(parsed).map_err(|_| wrong())
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_command_line_is_well_formed() {
        Cli::command().debug_assert();
    }

    #[test]
    fn what_people_type_is_understood() {
        let good = [
            "nexctl ask forge what",
            "nexctl ask what --thread 0199a0b1-c2d3-7123-8456-789abcdef012 --timeout 5m",
            "nexctl --context up get aspects",
            "nexctl get aspect -o json",
            "nexctl ack worker_lost/wren/verify-claim",
            "nexctl get alerts --all --limit 3",
            "nexctl get approvals --all --limit 3",
            "nexctl get approval 1234abcd",
            "nexctl approve 1234abcd --note go",
            "nexctl deny 0199a0b1-c2d3-7123-8456-789abcdef012",
            "nexctl answer 1234abcd the red one",
            "nexctl backup friday.tar --with-keys",
            "nexctl blob put notes.txt --type text/plain",
            "nexctl completions zsh",
            "nexctl get threads 0199a0b1-c2d3-7123-8456-789abcdef012",
            "nexctl budget list",
            "nexctl budget set wren --per day --usd 5 --tokens 100000 --each-usd 0.25",
            "nexctl budget set --per month --tokens 100000 --each-tokens 900",
            "nexctl budget clear operator/ana --per month",
            "nexctl hold wren --reason enough",
            "nexctl pause wren --reason enough",
            "nexctl release wren",
            "nexctl get dispatches --open",
            "nexctl get messages 0199a0b1-c2d3-7123-8456-789abcdef012",
            "nexctl get threads --unread --participant operator/ana",
            "nexctl get receipts 0199a0b1-c2d3-7123-8456-789abcdef012",
            "nexctl mark 0199a0b1-c2d3-7123-8456-789abcdef012 7",
            "nexctl react 0199a0b1-c2d3-7123-8456-789abcdef012 👍 --remove",
            "nexctl rename 0199a0b1-c2d3-7123-8456-789abcdef012 the plan",
            "nexctl knowledge grant wren read --of forge",
            "nexctl knowledge get rivers --of operator/ana --at-version 2",
            "nexctl knowledge search rivers -sea OR lake*",
            "nexctl session tree wren global",
            "nexctl search moon --by wren --before 7",
            "nexctl stop wren --thread 0199a0b1-c2d3-7123-8456-789abcdef012 --reason enough --wait 5",
            "nexctl go-on wren",
            "nexctl say -o json hello",
            "nexctl say --to wren,forge --to keel hello",
            "nexctl dispatch wren/verify-claim {} --wait --deadline 90 --budget-tokens 9 --budget-usd 0.01",
            "nexctl get dispatches --dead --limit 3",
            "nexctl get dispatches --tree 0199a0b1-c2d3-7123-8456-789abcdef012",
            "nexctl retry 0199a0b1-c2d3-7123-8456-789abcdef012 --wait --deadline 5m",
            "nexctl dispatch --needs verify,german --prefer wren {}",
            "nexctl context add up --url http://127.0.0.1:1 --token-file f --use",
        ];
        for line in good {
            assert!(Cli::try_parse_from(line.split(' ')).is_ok(), "{line}");
        }
        let bad = [
            "nexctl",
            "nexctl answer 1234abcd",
            "nexctl approve",
            "nexctl ask",
            "nexctl ask what --timeout soon",
            "nexctl ask what --timeout -5m",
            "nexctl backup ../friday.tar",
            "nexctl blob get sha256-0",
            "nexctl budget set wren --per day",
            "nexctl budget set wren --usd 5",
            "nexctl budget set wren --per day --usd 5 --each-tokens 5",
            "nexctl budget set wren --per day --usd 1e3",
            "nexctl hold wren",
            "nexctl stop",
            "nexctl stop wren --turn x",
            "nexctl get messages",
            "nexctl get messages x",
            "nexctl dispatch wren/verify-claim {} more",
            "nexctl dispatch {} --avoid wren",
            "nexctl get dispatches --dead --open",
            "nexctl knowledge grant wren read",
            "nexctl knowledge grant wren write",
            "nexctl get aspects -o xml",
        ];
        for line in bad {
            assert!(Cli::try_parse_from(line.split(' ')).is_err(), "{line}");
        }
    }
}
