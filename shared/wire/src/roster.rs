//! Who is on the team and how each is doing.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::budget::SpendingStop;
use crate::chat::ThreadInfo;
use crate::files::WatchSpec;
use crate::gather::GatherInfo;
use crate::hands::{DispatchInfo, HandSpec, Lease};
use crate::ids::{EpochId, LinkId};
use crate::inbox::Resume;
use crate::name::{AspectName, Party};
use crate::observe::Activity;
use crate::{Ms, limits};

#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum AspectRole {
    /// The lead: gets an operator's messages addressed to nobody.
    Frame,
    #[default]
    Worker,
}

#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ContextMode {
    Global,
    #[default]
    Thread,
    Stateless,
}

/// A lease that a registering runtime still holds.
#[derive(Clone, Copy, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
pub struct HeldLease {
    pub lease: Lease,
    /// The task is parked in `dispatch.wait`.
    #[serde(default)]
    pub waiting: bool,
}

/// The `provider` of an aspect that asks no model: what it does costs nothing.
pub const PROVIDER_NONE: &str = "none";

/// `register`: this link speaks for the aspect its token names.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, PartialEq, Serialize)]
pub struct Register {
    #[serde(default)]
    pub model: String,
    #[serde(default)]
    pub provider: String,
    #[serde(default)]
    pub context_mode: ContextMode,
    #[serde(default)]
    pub capabilities: Vec<String>,
    #[serde(default)]
    pub hands: Vec<HandSpec>,
    /// Hand tasks this process can run at once.
    #[serde(default)]
    pub slots: u32,
    /// Watches of files whose changes it reports.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub watches: Vec<WatchSpec>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resume: Option<Resume>,
    #[serde(default)]
    pub leases: Vec<HeldLease>,
    /// The newest link generation this home has seen; 0 for a new one.
    #[serde(default)]
    pub last_generation: u64,
    /// Go on although the home is older than what the broker has seen of it.
    #[serde(default)]
    pub adopt: bool,
    /// As in `settings.broken`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub broken: Option<String>,
}

/// `settings.broken`: whether the files of the aspect's home can be used as they are.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
pub struct SettingsBroken {
    /// What is wrong with them; the aspect goes on with what it read before. Absent once they are in order.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// The answer to `register`.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
pub struct Registered {
    pub name: AspectName,
    pub link: LinkId,
    /// Grows with every registration of this aspect.
    pub generation: u64,
    pub epoch: EpochId,
    /// Delivery starts with the item after this one.
    pub offset: u64,
    /// Of the leases named: those no longer good. Stop that work.
    pub lost: Vec<Lease>,
    #[serde(default)]
    pub limits: LinkLimits,
    pub situation: Situation,
}

/// What holds for whoever speaks on this link.
#[derive(Clone, Copy, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
pub struct LinkLimits {
    /// Of a frame, in bytes.
    pub frame_bytes: u64,
    /// Of a frame that becomes durable or is passed on.
    pub durable_bytes: u64,
    /// Items that are delivered before one of them is acknowledged.
    pub items: u64,
    /// How long a lease lasts that is not renewed.
    pub lease_ms: Ms,
}

impl Default for LinkLimits {
    fn default() -> Self {
        Self {
            frame_bytes: limits::FRAME_BYTES_MAX as u64,
            durable_bytes: limits::DURABLE_BYTES_MAX as u64,
            items: limits::CREDIT_ITEMS,
            lease_ms: limits::LEASE.as_millis() as Ms,
        }
    }
}

/// What an agent needs to know after a start or a compaction.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, PartialEq, Serialize)]
pub struct Situation {
    pub team: Vec<AspectInfo>,
    /// Dispatches it invoked that have not ended.
    pub open_dispatches: Vec<DispatchInfo>,
    /// Gathers it made that have not ended.
    #[serde(default)]
    pub gathers: Vec<GatherInfo>,
    /// Items waiting after `offset`, or unacknowledged when it is asked for later.
    pub undelivered: u64,
    /// The latest threads it takes part in, with how much of each it has not read.
    #[serde(default)]
    pub threads: Vec<ThreadInfo>,
    /// When its link before this one went; whoever of `team` has a later `since` changed meanwhile. Absent at
    /// the first registration, when that link was still up, and when it is asked for later.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub away_since: Option<Ms>,
    /// Nothing is to be spent: no call of a model begins. It ends at its `until`, or by `spending.changed`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub spending_stop: Option<SpendingStop>,
}

/// `situation`: the same as `registered` carries, as it is now.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
pub struct SituationAsk {}

#[derive(Clone, Copy, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum AspectState {
    Offline,
    Online,
    /// In a turn, or at work for a Hand.
    Busy,
    /// In a turn without any progress for a minute.
    Stalled,
    /// Its socket answers and its delivered items stay unacknowledged.
    Deaf,
}

impl AspectState {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Offline => "offline",
            Self::Online => "online",
            Self::Busy => "busy",
            Self::Stalled => "stalled",
            Self::Deaf => "deaf",
        }
    }
}

/// What an admin keeps an aspect from, until it is released.
#[derive(Clone, Copy, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum RestraintKind {
    /// Kept off: no link of it is let in, and what it worked on is lost to it.
    Held,
    /// It stays connected, is shown offline, and is given no work.
    Paused,
}

impl RestraintKind {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Held => "held",
            Self::Paused => "paused",
        }
    }
}

#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
pub struct Restraint {
    pub kind: RestraintKind,
    pub reason: String,
    pub by: Party,
    pub at: Ms,
}

/// `aspect.restrain`: admins only; it stays until `aspect.release`.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
pub struct AspectRestrain {
    pub name: AspectName,
    pub kind: RestraintKind,
    /// Told to whoever runs into it.
    pub reason: String,
}

/// `aspect.release`: admins only.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
pub struct AspectRelease {
    pub name: AspectName,
}

/// The answer to `aspect.restrain` and `aspect.release`: what is in force.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
pub struct AspectRestraint {
    pub aspect: AspectName,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub restraint: Option<Restraint>,
}

#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
pub struct AspectInfo {
    pub name: AspectName,
    pub role: AspectRole,
    pub state: AspectState,
    /// When the state began.
    pub since: Ms,
    /// Last token, tool call or frame handled; absent before the first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_progress: Option<Ms>,
    pub model: String,
    pub provider: String,
    pub context_mode: ContextMode,
    pub capabilities: Vec<String>,
    pub hands: Vec<HandSpec>,
    pub slots: u32,
    /// Watches of files whose changes it reports.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub watches: Vec<WatchSpec>,
    pub generation: u64,
    /// Items it has not acknowledged.
    pub backlog: u64,
    /// What an admin keeps it from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub restraint: Option<Restraint>,
    /// What it is doing; absent when it is offline.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub activity: Option<Activity>,
    /// Its process, where the broker runs it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub process: Option<ProcessInfo>,
}

/// The process of an aspect that the broker runs itself.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
pub struct ProcessInfo {
    /// How often it was started again since the broker began.
    pub restarts: u64,
    /// How it ended last: `exit status: 1`, `signal: 9 (SIGKILL)`. Absent before the first end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_end: Option<String>,
}

/// `team.list`: by name.
#[derive(Clone, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
pub struct TeamList {
    /// Only those after this name; the last of the page before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<AspectName>,
    /// As many as fit into a frame when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<u32>,
}

#[derive(Clone, Debug, Default, Deserialize, JsonSchema, PartialEq, Serialize)]
pub struct Team {
    pub aspects: Vec<AspectInfo>,
    #[serde(default)]
    pub more: bool,
}

/// `deregister`: the process is stopping on purpose.
#[derive(Clone, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
pub struct Deregister {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}
