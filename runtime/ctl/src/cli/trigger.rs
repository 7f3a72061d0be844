//! `nexctl trigger`, as it is typed.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Subcommand, ValueEnum, value_parser};
use nexus_wire::files::FileChangeKind;
use nexus_wire::hook::HookPreset;
use nexus_wire::name::FlowName;
use nexus_wire::trigger::{AfterEnd, Misfire};
use nexus_wire::{AspectName, HandRef, Party, ThreadId, TriggerName, WatchRef};

use super::OfDispatch;
use super::time::{When, duration};
use crate::ids::Short;

#[derive(Args, Clone, Debug)]
#[command(after_help = "\
For example:
  nexctl trigger add morning --cron '0 8 * * 1-5' --zone Europe/Berlin \\
    --ask harrow 'What changed yesterday?'
  nexctl trigger add sweep --every 10m --dispatch runner/script '{\"name\": \"sweep\"}'
  nexctl trigger add pushed --webhook github --ask harrow 'What was pushed?'
  nexctl trigger add arrived --watch runner/inbox --ask harrow 'What has come?'
  nexctl trigger add early --cron '0 7 * * *' --flow look '{\"topics\": [\"rain\"]}'
  nexctl trigger next morning
  nexctl trigger history morning")]
pub struct TriggerArgs {
    #[command(subcommand)]
    pub action: TriggerAction,
}

#[derive(Clone, Debug, Subcommand)]
pub enum TriggerAction {
    /// Define a trigger, or define it anew
    Add(Box<AddTrigger>),
    /// Delete a trigger and its history; work that is under way goes on
    Delete {
        /// Which one
        name: TriggerName,
    },
    /// Fire a trigger now, beside its schedule
    Fire {
        /// Which one
        name: TriggerName,
        /// What it is given to work with
        #[arg(long, value_name = "JSON")]
        payload: Option<String>,
    },
    /// What became of each time it was due, the latest first
    History {
        /// Which one
        name: TriggerName,
        /// At most so many
        #[arg(long, value_name = "N")]
        limit: Option<u32>,
        /// Only those before this number: the last of the page before
        #[arg(long, value_name = "NO")]
        before: Option<u64>,
    },
    /// Show all of them
    List {
        /// At most so many
        #[arg(long, value_name = "N")]
        limit: Option<u32>,
        /// Only those after this one: the last of the page before
        #[arg(long, value_name = "NAME")]
        after: Option<TriggerName>,
    },
    /// When it will be due; without a name, what is next of all of them
    Next {
        /// Which one
        name: Option<TriggerName>,
        /// How many times, at most 100
        #[arg(short, long, value_name = "N", default_value_t = 10, value_parser = value_parser!(u32).range(1..=100))]
        number: u32,
    },
    /// Skip what it is due for until it is resumed
    Pause {
        /// Which one
        name: TriggerName,
        /// Shown to others
        #[arg(long, value_name = "TEXT")]
        reason: Option<String>,
    },
    /// Define a trigger as a file says, in YAML or JSON; - reads standard input
    Put {
        /// The file, or -
        file: PathBuf,
    },
    /// Let a paused trigger go on
    Resume {
        /// Which one
        name: TriggerName,
    },
    /// Give a webhook trigger another secret, and show it once; the one before stays good for a day
    Rotate {
        /// Which one
        name: TriggerName,
        /// Read the secret from this file instead, or - for standard input: what Stripe or Slack shows you
        #[arg(long, value_name = "FILE")]
        secret_file: Option<PathBuf>,
        /// For how long the secret before it is good as well; 0s: no longer
        #[arg(long, value_name = "TIME", value_parser = duration)]
        overlap: Option<Duration>,
    },
    /// Everything about one
    Show {
        /// Which one
        name: TriggerName,
    },
}

#[derive(Args, Clone, Debug)]
#[command(group = clap::ArgGroup::new("when").required(true).args(["cron", "every", "at", "in_", "after", "after_flow", "event", "watch", "webhook", "manual"]).multiple(true))]
#[command(group = clap::ArgGroup::new("once").args(["cron", "at", "in_", "after", "after_flow", "event", "watch", "webhook", "manual"]))]
#[command(group = clap::ArgGroup::new("timed").args(["cron", "at", "in_", "after", "after_flow", "event", "webhook", "manual"]).conflicts_with("every"))]
#[command(group = clap::ArgGroup::new("do").required(true).args(["ask", "dispatch", "flow", "needs"]))]
#[command(group = clap::ArgGroup::new("work").args(["dispatch", "needs"]))]
#[command(group = clap::ArgGroup::new("ending").args(["after", "after_flow"]))]
pub struct AddTrigger {
    /// How it is called
    pub name: TriggerName,
    /// What is asked; with --dispatch, --needs or --flow its input, as JSON
    #[arg(required_unless_present = "flow", value_name = "TEXT")]
    pub words: Vec<String>,
    /// Minute, hour, day of month, month, day of week; six fields begin with the second
    #[arg(long, value_name = "FIELDS")]
    pub cron: Option<String>,
    /// Again and again after this long (90s, 10m, 24h); with --watch, how often it is looked at
    #[arg(long, value_name = "TIME", value_parser = duration)]
    pub every: Option<Duration>,
    /// Once, then (2026-11-27T08:00 here or on the clock of --zone, or with an offset)
    #[arg(long, value_name = "WHEN")]
    pub at: Option<When>,
    /// Once, after this long
    #[arg(long = "in", value_name = "TIME", value_parser = duration)]
    pub in_: Option<Duration>,
    /// When a slot of this trigger has ended
    #[arg(long, value_name = "TRIGGER")]
    pub after: Option<TriggerName>,
    /// When a run of this flow has ended
    #[arg(long, value_name = "FLOW")]
    pub after_flow: Option<FlowName>,
    /// How it has to have ended
    #[arg(long, value_enum, requires = "ending", default_value_t)]
    pub on: On,
    /// When an entry of such a kind comes into the log; repeat it for several
    #[arg(long, value_name = "KIND", value_delimiter = ',')]
    pub event: Vec<String>,
    /// Only what this party did
    #[arg(long, value_name = "PARTY", requires = "event")]
    pub by: Option<Party>,
    /// Only what belongs to this thread
    #[arg(long, value_name = "ID", requires = "event")]
    pub thread: Option<Short<ThreadId>>,
    /// When what is at this address has changed; it is looked at every 5 minutes unless --every says otherwise. Or when
    /// files have changed that an aspect watches: ASPECT/WATCH, as its settings call it
    #[arg(long, value_name = "URL|WATCH", value_parser = watched)]
    pub watch: Option<Watched>,
    /// Only when files were changed in this way; repeat it for several
    #[arg(long, value_enum, value_name = "KIND", value_delimiter = ',', requires = "watch")]
    pub changes: Vec<Changes>,
    /// When this service says so by a signed request; the address and the secret are shown once
    #[arg(long, value_enum, value_name = "SERVICE")]
    pub webhook: Option<Preset>,
    /// Read the webhook's secret from this file, or - for standard input: what Stripe or Slack shows you
    #[arg(long, value_name = "FILE", requires = "webhook")]
    pub secret_file: Option<PathBuf>,
    /// Only when somebody fires it
    #[arg(long)]
    pub manual: bool,
    /// Ask this aspect, in a thread of the trigger's own
    #[arg(long, value_name = "ASPECT")]
    pub ask: Option<AspectName>,
    /// Give this Hand work
    #[arg(long, value_name = "ASPECT/HAND")]
    pub dispatch: Option<HandRef>,
    /// Give work to a Hand that has this capability, chosen when it is due; repeat it for several
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
    /// Run this flow
    #[arg(long, value_name = "FLOW")]
    pub flow: Option<FlowName>,
    /// The work has to have ended after this long
    #[arg(long, value_name = "TIME", value_parser = duration, requires = "work")]
    pub deadline: Option<Duration>,
    /// The time zone of --cron, and of `date` in what is asked and handed over, such as Europe/Berlin; UTC
    #[arg(long, value_name = "ZONE")]
    pub zone: Option<String>,
    /// What becomes of slots that were missed: skip, once, or a number of them
    #[arg(long, value_name = "HOW", value_parser = misfire, default_value = "once")]
    pub misfire: Misfire,
    /// What becomes of a slot while the work of one before it goes on: skip, and with --watch and --webhook queue,
    /// where it is not said
    #[arg(long, value_enum)]
    pub overlap: Option<Overlap>,
    /// Each slot is late by up to this long, always by the same
    #[arg(long, value_name = "TIME", value_parser = duration)]
    pub jitter: Option<Duration>,
    /// How often it is tried again when it comes to nothing
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub retry: u32,
    /// How long it waits before each time; the last one goes for the rest
    #[arg(long, value_name = "TIME", value_parser = duration, value_delimiter = ',', requires = "retry")]
    pub backoff: Vec<Duration>,
    /// From then on it does nothing any more
    #[arg(long, value_name = "WHEN")]
    pub expires: Option<When>,
    /// What it is for
    #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true)]
    pub description: String,
    #[command(flatten)]
    pub budget: OfDispatch,
}

/// What is watched.
#[derive(Clone, Debug)]
pub enum Watched {
    Address(String),
    Files(WatchRef),
}

fn watched(text: &str) -> Result<Watched, String> {
    if text.contains("://") {
        return Ok(Watched::Address(text.to_owned()));
    }
    let watch = text.parse().map(Watched::Files);
    watch.map_err(|error| format!("it is no address (https://…), and {error}"))
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum Changes {
    Created,
    Modified,
    Removed,
}

impl From<Changes> for FileChangeKind {
    fn from(changes: Changes) -> Self {
        match changes {
            Changes::Created => Self::Created,
            Changes::Modified => Self::Modified,
            Changes::Removed => Self::Removed,
        }
    }
}

#[derive(Clone, Copy, Debug, Default, ValueEnum)]
pub enum On {
    #[default]
    Success,
    Failure,
    Both,
}

impl From<On> for AfterEnd {
    fn from(on: On) -> Self {
        match on {
            On::Success => Self::Success,
            On::Failure => Self::Failure,
            On::Both => Self::Both,
        }
    }
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum Preset {
    Generic,
    Github,
    Slack,
    Stripe,
}

impl From<Preset> for HookPreset {
    fn from(preset: Preset) -> Self {
        match preset {
            Preset::Generic => Self::Generic,
            Preset::Github => Self::Github,
            Preset::Slack => Self::Slack,
            Preset::Stripe => Self::Stripe,
        }
    }
}

#[derive(Clone, Copy, Debug, Default, ValueEnum)]
pub enum Overlap {
    #[default]
    Skip,
    Queue,
    Replace,
    Allow,
}

impl From<Overlap> for nexus_wire::trigger::Overlap {
    fn from(overlap: Overlap) -> Self {
        match overlap {
            Overlap::Skip => Self::Skip,
            Overlap::Queue => Self::Queue,
            Overlap::Replace => Self::Replace,
            Overlap::Allow => Self::Allow,
        }
    }
}

fn misfire(text: &str) -> Result<Misfire, String> {
    match text {
        "skip" => Ok(Misfire::Skip),
        "once" => Ok(Misfire::Once),
        number => match number.parse() {
            Ok(most) => Ok(Misfire::All(most)),
            Err(_) => Err(format!("{text:?} is neither skip, once, nor a number of slots")),
        },
    }
}
