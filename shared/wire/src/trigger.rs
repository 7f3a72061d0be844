//! Triggers: what the team does while nobody types, and when. Each time it is due is a *slot*, and each slot has
//! one record that says what became of it.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::Ms;
use crate::budget::{self, Budget};
use crate::files::{FilesWatch, WatcherInfo};
use crate::hands::Wanted;
use crate::hook::{HookInfo, Webhook};
use crate::ids::{DispatchId, MessageId, RequestId, RunId, ThreadId, TriggerId};
use crate::name::{AspectName, FlowName, HandRef, Party, TriggerName};

/// `trigger.put`: define a trigger, or define it anew. The same definition again changes nothing, a changed one
/// keeps what it has done so far, and whether it is paused.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Trigger {
    pub name: TriggerName,
    /// For people.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub description: String,
    pub when: When,
    #[serde(rename = "do")]
    pub act: Act,
    /// The time zone in which `cron` is read, and on whose clock texts have their `date`, such as `Europe/Berlin`;
    /// absent: UTC.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timezone: Option<String>,
    #[serde(default)]
    pub misfire: Misfire,
    #[serde(default)]
    pub overlap: Overlap,
    /// Each slot is late by up to so many seconds, always by the same: many triggers at eight are not one burst.
    #[serde(default)]
    pub jitter_s: u32,
    #[serde(default)]
    pub retry: Retry,
    /// What each dispatch it makes may spend.
    #[serde(default, deserialize_with = "budget::known", skip_serializing_if = "Budget::is_unlimited")]
    pub budget: Budget,
    /// From here on it does nothing any more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Ms>,
    /// Of `trigger.put` alone, and not kept: only if the trigger was defined last at that time, its `defined_at`; 0:
    /// only if there is no such trigger.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub if_defined_at: Option<Ms>,
}

/// When something is done.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum When {
    /// Five fields (minute, hour, day of month, month, day of week), or six with the second in front.
    Cron(String),
    Every(Every),
    /// Once.
    At(Ms),
    /// When a matching entry comes into the log.
    Event(Event),
    /// When a slot of another trigger has ended, or a run of a flow.
    After(After),
    /// When what is at an address has changed.
    Watch(Watch),
    /// When an aspect reports that files it watches have changed.
    Files(FilesWatch),
    /// When a service outside says so by a signed request.
    Webhook(Webhook),
    /// When somebody fires it by hand, which goes for each of the others as well.
    Manual,
}

impl When {
    pub fn watch(&self) -> Option<&Watch> {
        if let Self::Watch(watch) = self { Some(watch) } else { None }
    }

    pub fn files(&self) -> Option<&FilesWatch> {
        if let Self::Files(files) = self { Some(files) } else { None }
    }

    pub fn webhook(&self) -> Option<&Webhook> {
        if let Self::Webhook(hook) = self { Some(hook) } else { None }
    }
}

/// Counted from the anchor, however long the work takes.
#[derive(Clone, Copy, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Every {
    pub seconds: u32,
    /// Absent: when the trigger was first defined.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub anchor: Option<Ms>,
}

/// Which entries of the log are meant; as in `subscribe`. Nothing a trigger has caused fires it again.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Event {
    /// At least one: the `type` of a body, or the `kind` of one of type `other`.
    pub kinds: Vec<String>,
    /// Only what this party did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<Party>,
    /// Only what belongs to this thread.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub thread: Option<ThreadId>,
}

/// The broker looks at it, and fires once for each change.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Watch {
    /// `https://host/path`; where it leads is followed.
    pub url: String,
    /// How often it is looked at.
    pub every_s: u32,
}

/// What is known of the address of a watch.
#[derive(Clone, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
pub struct WatchInfo {
    /// What was there last; absent: it was not seen yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seen: Option<Seen>,
    /// Since when that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<Ms>,
    /// Looks in a row that came to nothing.
    #[serde(default)]
    pub failures: u32,
    /// Why the last of them did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

/// What tells one state of an address from another.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
pub struct Seen {
    pub status: u16,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub etag: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_modified: Option<String>,
    /// Of the body, in hex.
    pub sha256: String,
    /// Of its first MiB: there is more.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub truncated: bool,
}

impl Seen {
    /// Whether `now` is something else. A name that the server gives it twice is believed; without one the body
    /// decides, and of one that is too long to be read whatever else the server says.
    pub fn differs_from(&self, now: &Self) -> bool {
        if self.etag.is_some() && self.etag == now.etag {
            return false;
        }
        let is_longer = self.truncated && now.truncated;
        let others = |seen: &Self| (seen.etag.clone(), seen.last_modified.clone());
        self.sha256 != now.sha256
            || self.truncated != now.truncated
            || (is_longer && others(self) != others(now))
    }
}

/// Exactly one of `trigger` and `flow`. Of a flow those runs count that are no step of another one.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct After {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trigger: Option<TriggerName>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub flow: Option<FlowName>,
    #[serde(default)]
    pub on: AfterEnd,
}

/// After which ends.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum AfterEnd {
    #[default]
    Success,
    Failure,
    Both,
}

/// What is done, as whoever defined the trigger last.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Act {
    Ask(AskAspect),
    Dispatch(DispatchHand),
    Flow(StartFlow),
}

/// A message to an aspect, in a thread of the trigger's own.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct AskAspect {
    pub aspect: AspectName,
    pub text: String,
}

/// Work for a Hand. Exactly one of `hand` and `capability`.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct DispatchHand {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hand: Option<HandRef>,
    /// The broker chooses a Hand that fits when the slot begins, and for each attempt anew.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub capability: Option<Wanted>,
    pub input: Value,
    /// As in `dispatch`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deadline_s: Option<u32>,
}

/// A run of a flow.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct StartFlow {
    pub id: FlowName,
    #[serde(default)]
    pub input: Value,
}

/// What becomes of slots that were missed, because no broker ran or the machine slept.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Misfire {
    /// Nothing.
    Skip,
    /// The last of them is caught up.
    #[default]
    Once,
    /// As many as this are caught up, the last ones.
    All(u32),
}

/// What becomes of a slot while the work of one before it goes on.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Overlap {
    #[default]
    Skip,
    /// It waits until that has ended.
    Queue,
    /// That is cancelled.
    Replace,
    /// Both go on.
    Allow,
}

/// What is done when the work of a slot comes to nothing.
#[derive(Clone, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Retry {
    /// How often it is tried again.
    pub max: u32,
    /// Seconds before each time; the last one goes for the rest. Empty: a minute.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub backoff_s: Vec<u32>,
}

/// `trigger.delete`: the trigger and its history. Work that is under way goes on.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
pub struct TriggerDelete {
    pub trigger: TriggerName,
}

/// `trigger.fire`: now, beside its schedule. Also while it is paused.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
pub struct TriggerFire {
    pub trigger: TriggerName,
    /// What it is given to work with.
    #[serde(default, skip_serializing_if = "Value::is_null")]
    pub payload: Value,
}

/// `trigger.get`.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
pub struct TriggerGet {
    pub trigger: TriggerName,
}

/// `trigger.history`: what became of its slots, the latest first.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
pub struct TriggerHistory {
    pub trigger: TriggerName,
    /// Only those before this one: the last of the page before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<u32>,
}

/// `trigger.list`: by name.
#[derive(Clone, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
pub struct TriggerList {
    /// Only those after this one: the last of the page before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<TriggerName>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<u32>,
}

/// `trigger.next`: when it will be due, as far as that is known.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
pub struct TriggerNext {
    pub trigger: TriggerName,
    /// How many times; absent: ten.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<u32>,
}

/// `trigger.pause`: its slots are skipped until `trigger.resume`.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
pub struct TriggerPause {
    pub trigger: TriggerName,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// `trigger.resume`.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
pub struct TriggerResume {
    pub trigger: TriggerName,
}

#[derive(Clone, Copy, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum TriggerStatus {
    Active,
    Paused,
    /// There is nothing it will do any more.
    Done,
}

impl TriggerStatus {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Paused => "paused",
            Self::Done => "done",
        }
    }
}

/// A trigger as it stands.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
pub struct TriggerInfo {
    pub id: TriggerId,
    pub definition: Trigger,
    /// Who defined it last. It acts as they may act when it does.
    pub owner: Party,
    pub status: TriggerStatus,
    /// Why it is paused or done.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    pub created_at: Ms,
    /// When the definition changed last; no two definitions of a trigger have the same.
    pub defined_at: Ms,
    /// Its next slot, if it has a schedule; `jitter_s` makes it later.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<Ms>,
    /// The number of its last record.
    pub slots: u64,
    /// Attempts in a row that came to nothing.
    pub failures: u32,
    /// Where it asks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub thread: Option<ThreadId>,
    /// Of one that is fired by webhooks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hook: Option<HookInfo>,
    /// Of one that watches an address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub watch: Option<WatchInfo>,
    /// Of one that waits for changes of files.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub watcher: Option<WatcherInfo>,
}

/// The answer to `trigger.list`.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, PartialEq, Serialize)]
pub struct TriggerPage {
    pub triggers: Vec<TriggerInfo>,
    #[serde(default)]
    pub more: bool,
}

/// The answer to `trigger.delete`.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
pub struct TriggerDeleted {
    /// Whether there was one.
    pub deleted: bool,
}

/// Where a slot stands.
#[derive(Clone, Copy, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum SlotState {
    /// It waits for the one before it, for its turn, or, as `reason` says then, for room.
    Queued,
    Running,
    /// Its work came to nothing and is tried again.
    Retrying,
    Done,
    Failed,
    /// A later one replaced it.
    Cancelled,
    Skipped,
}

impl SlotState {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Running => "running",
            Self::Retrying => "retrying",
            Self::Done => "done",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
            Self::Skipped => "skipped",
        }
    }

    pub fn is_end(self) -> bool {
        match self {
            Self::Queued | Self::Running | Self::Retrying => false,
            Self::Done | Self::Failed | Self::Cancelled | Self::Skipped => true,
        }
    }
}

/// Why a slot is there.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Cause {
    Schedule,
    /// Somebody fired it by hand.
    Person(Party),
    /// The entry of the log with this number.
    Event(u64),
    /// A slot of another trigger has ended.
    After(AfterSlot),
    /// A run of a flow has ended.
    AfterRun(AfterRun),
    /// What is at its address has changed; the SHA-256 of what is there now, in hex.
    Watch(String),
    /// The report of an aspect with this id: files that it watches have changed.
    Files(RequestId),
    /// The request of a service outside with this name.
    Webhook(String),
}

#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
pub struct AfterSlot {
    pub trigger: TriggerName,
    pub no: u64,
}

#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
pub struct AfterRun {
    pub flow: FlowName,
    pub run: RunId,
}

/// What was set to work.
#[derive(Clone, Copy, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum SlotWork {
    Message(MessageId),
    Dispatch(DispatchId),
    Run(RunId),
}

/// The one record of a slot; or of several in a row, when many were skipped for one reason.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
pub struct TriggerSlot {
    /// Counts the records of a trigger, from 1.
    pub no: u64,
    pub cause: Cause,
    /// When it was due by the schedule, or came.
    pub slot: Ms,
    /// The last one, where the record is about several.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Ms>,
    /// How many slots it is about.
    pub count: u64,
    /// When that was decided.
    pub at: Ms,
    pub state: SlotState,
    /// It had been missed.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub caught_up: bool,
    /// Why it was skipped, cancelled, or came to nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// How often it was tried.
    pub attempts: u32,
    /// Of the last attempt.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub work: Option<SlotWork>,
    /// When it goes on by itself: is tried again, or given up.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub due: Option<Ms>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended_at: Option<Ms>,
}

/// The answer to `trigger.fire`.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
pub struct TriggerFired {
    pub trigger: TriggerName,
    pub slot: TriggerSlot,
}

/// The answer to `trigger.history`.
#[derive(Clone, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
pub struct TriggerSlots {
    pub slots: Vec<TriggerSlot>,
    #[serde(default)]
    pub more: bool,
}

#[derive(Clone, Copy, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
pub struct PlannedSlot {
    pub slot: Ms,
    /// With what `jitter_s` adds.
    pub due: Ms,
}

/// The answer to `trigger.next`.
#[derive(Clone, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
pub struct TriggerPlan {
    pub slots: Vec<PlannedSlot>,
    /// Why there are none, or what keeps them from happening.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}
