//! What a model gives each tool. The comments are what it reads about them.

use nexus_wire::RunId;
use nexus_wire::name::{FlowName, RegistryName, StepName, TriggerName};
use nexus_wire::registry::RegistryValues;
use nexus_wire::{DispatchId, HandTarget, MessageId, Party, ThreadId};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct AskAspect {
    /// The agent, as list_team names it.
    pub(super) aspect: nexus_wire::AspectName,
    /// What you want to know or want done, with everything needed to answer it: the agent does not see your
    /// conversation.
    pub(super) content: String,
    /// Go on in this conversation; without it a new one begins.
    #[serde(default)]
    pub(super) thread: Option<ThreadId>,
    /// How many seconds to wait for the answer: 120 unless given, 600 at most.
    #[serde(default)]
    #[schemars(range(min = 1, max = 600))]
    pub(super) wait_s: Option<u64>,
    /// Any text of your own that names this question. Calling again with the same key and content does not ask twice.
    #[serde(default)]
    pub(super) idempotency_key: Option<String>,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct CancelDispatch {
    /// As dispatch_hand returned it.
    pub(super) dispatch: DispatchId,
    /// Told to whoever is at work on it.
    #[serde(default)]
    pub(super) reason: Option<String>,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct DispatchHand {
    /// The Hand, as `wren/verify-claim`. Give this or `needs`.
    #[serde(default)]
    pub(super) hand: Option<HandTarget>,
    /// Capabilities the Hand has to have; the broker chooses one. Give this or `hand`.
    #[serde(default)]
    pub(super) needs: Vec<String>,
    /// What the Hand gets, following its input schema in list_team.
    pub(super) input: Value,
    /// A skill of the broker's workspace that says how it is done, for a Hand `<aspect>/self`. `input` then is an object, of
    /// what it is about.
    #[serde(default)]
    pub(super) skill: Option<String>,
    /// The conversation it belongs to.
    #[serde(default)]
    pub(super) thread: Option<ThreadId>,
    /// Seconds until it has to have ended: 1800 unless given, 7200 at most.
    #[serde(default)]
    pub(super) deadline_s: Option<u32>,
    /// How many seconds to wait for the end, 600 at most. Without it the call returns at once.
    #[serde(default)]
    #[schemars(range(min = 0, max = 600))]
    pub(super) wait_s: Option<u64>,
    /// Any text of your own that names this piece of work. Calling again with the same key and input does not send it
    /// twice.
    #[serde(default)]
    pub(super) idempotency_key: Option<String>,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct LookAtDispatch {
    /// As dispatch_hand returned it.
    pub(super) dispatch: DispatchId,
    /// How many seconds to wait for the end first, 600 at most.
    #[serde(default)]
    #[schemars(range(min = 0, max = 600))]
    pub(super) wait_s: Option<u64>,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ListTeam {
    /// Only this agent.
    #[serde(default)]
    pub(super) aspect: Option<nexus_wire::AspectName>,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ReactTo {
    pub(super) message: MessageId,
    /// An emoji, or another short sign without spaces.
    pub(super) emoji: String,
    /// Take it back.
    #[serde(default)]
    pub(super) remove: bool,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ReadChat {
    /// Only conversations you take part in that have something you have not read.
    #[serde(default)]
    pub(super) unread: bool,
    /// Only those in which this one takes part: `wren` or `operator/ana`.
    #[serde(default)]
    pub(super) participant: Option<Party>,
    /// The `next` of the page before.
    #[serde(default)]
    pub(super) before: Option<u64>,
    /// How many: 20 unless given.
    #[serde(default)]
    #[schemars(range(min = 1, max = 200))]
    pub(super) limit: Option<u32>,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ReadChatMessage {
    pub(super) message: MessageId,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ReadChatThread {
    pub(super) thread: ThreadId,
    /// Only messages after this `seq`, from there on.
    #[serde(default)]
    pub(super) after: Option<u64>,
    /// Only messages before this `seq`, the last of them.
    #[serde(default)]
    pub(super) before: Option<u64>,
    /// How many: 20 unless given.
    #[serde(default)]
    #[schemars(range(min = 1, max = 200))]
    pub(super) limit: Option<u32>,
    /// Leave them unread.
    #[serde(default)]
    pub(super) keep_unread: bool,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct SearchChat {
    pub(super) query: String,
    /// Only in this conversation.
    #[serde(default)]
    pub(super) thread: Option<ThreadId>,
    /// Only what this one wrote: `wren` or `operator/ana`.
    #[serde(default)]
    pub(super) by: Option<Party>,
    /// The `next` of the page before.
    #[serde(default)]
    pub(super) cursor: Option<u64>,
    /// How many: 20 unless given.
    #[serde(default)]
    #[schemars(range(min = 1, max = 200))]
    pub(super) limit: Option<u32>,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct SearchKnowledge {
    pub(super) query: String,
    /// Only what this one stored: `wren` or `operator/ana`.
    #[serde(default)]
    pub(super) of: Option<Party>,
    /// Of the page before.
    #[serde(default)]
    pub(super) cursor: Option<String>,
    /// How many: 10 unless given.
    #[serde(default)]
    #[schemars(range(min = 1, max = 200))]
    pub(super) limit: Option<u32>,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct SendChat {
    pub(super) content: String,
    /// Who gets it: agents by name, people as `operator/ana`, or `all`.
    #[serde(default)]
    pub(super) to: Vec<String>,
    /// The conversation it goes into.
    #[serde(default)]
    pub(super) thread: Option<ThreadId>,
    /// The message it answers; everybody in that conversation gets it.
    #[serde(default)]
    pub(super) reply_to: Option<MessageId>,
    /// The title of a new conversation.
    #[serde(default)]
    pub(super) topic: Option<String>,
    /// Any text of your own that names this message. Calling again with the same key and content does not send it twice.
    #[serde(default)]
    pub(super) idempotency_key: Option<String>,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct StoreKnowledge {
    /// What it is about, 256 bytes at most. Storing the same topic again replaces your entry.
    pub(super) topic: String,
    pub(super) content: String,
    /// For the whole team, not for you alone.
    #[serde(default)]
    pub(super) shared: bool,
    /// Any text of your own that names this entry's version. Calling again with the same key does not store it twice.
    #[serde(default)]
    pub(super) idempotency_key: Option<String>,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ListFlows {
    /// Only those behind this one: the last of the page before.
    #[serde(default)]
    pub(super) after: Option<FlowName>,
    /// At most so many (50, at most 200).
    #[serde(default)]
    pub(super) limit: Option<u32>,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RunFlow {
    /// The flow's id, as list_flows shows it.
    pub(super) flow: FlowName,
    /// What it is started with.
    #[serde(default)]
    pub(super) input: Value,
    /// Any text of your own that names this run. Calling again with the same key and input does not start it twice.
    #[serde(default)]
    pub(super) idempotency_key: Option<String>,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RunStatus {
    /// As run_flow returned it.
    pub(super) run: RunId,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ReadRegistry {
    /// The table's name; without it the tables there are.
    #[serde(default)]
    pub(super) registry: Option<RegistryName>,
    /// Only rows for which this is true: an expression over the fields, such as `state == "open" and hours > 10`.
    #[serde(default)]
    pub(super) filter: Option<String>,
    /// Only rows behind this one: the `row` of the last of the page before.
    #[serde(default)]
    pub(super) after: Option<String>,
    /// At most so many (50, at most 200).
    #[serde(default)]
    pub(super) limit: Option<u32>,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct WriteRegistry {
    pub(super) registry: RegistryName,
    /// Which row; not needed where `values` has the table's key, nor for a new row of a table without one.
    #[serde(default)]
    pub(super) row: Option<String>,
    /// Fields by their names.
    pub(super) values: RegistryValues,
    /// Only if this is the row's version; 0: only if there is no such row.
    #[serde(default)]
    pub(super) if_version: Option<u64>,
    /// Any text of your own that names this change. Calling again with the same key does not make it twice.
    #[serde(default)]
    pub(super) idempotency_key: Option<String>,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ListRuns {
    /// Only of this flow.
    #[serde(default)]
    pub(super) flow: Option<FlowName>,
    /// Also those that have ended.
    #[serde(default)]
    pub(super) all: bool,
    /// Only those before this one: the last of the page before.
    #[serde(default)]
    pub(super) before: Option<RunId>,
    /// At most so many (50, at most 200).
    #[serde(default)]
    pub(super) limit: Option<u32>,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct CancelRun {
    /// As run_flow returned it.
    pub(super) run: RunId,
    /// Told to others.
    #[serde(default)]
    pub(super) reason: Option<String>,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RetryRun {
    /// One that has ended.
    pub(super) run: RunId,
    /// This step is done again, and what needs it; without it, those that were not done.
    #[serde(default)]
    pub(super) step: Option<StepName>,
    /// Any text of your own that names this run. Calling again with the same key does not do it twice.
    #[serde(default)]
    pub(super) idempotency_key: Option<String>,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ListTriggers {
    /// Only those behind this one: the last of the page before.
    #[serde(default)]
    pub(super) after: Option<TriggerName>,
    /// At most so many (50, at most 200).
    #[serde(default)]
    pub(super) limit: Option<u32>,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct TriggerHistory {
    /// As list_triggers shows it.
    pub(super) trigger: TriggerName,
    /// Only slots before this one: the last of the page before.
    #[serde(default)]
    pub(super) before: Option<u64>,
    /// At most so many (50, at most 200).
    #[serde(default)]
    pub(super) limit: Option<u32>,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct FireTrigger {
    /// As list_triggers shows it.
    pub(super) trigger: TriggerName,
    /// What it is given to work with.
    #[serde(default)]
    pub(super) payload: Value,
    /// Any text of your own that names this firing. Calling again with the same key does not do it twice.
    #[serde(default)]
    pub(super) idempotency_key: Option<String>,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct PauseTrigger {
    /// As list_triggers shows it.
    pub(super) trigger: TriggerName,
    /// Shown to others.
    #[serde(default)]
    pub(super) reason: Option<String>,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ResumeTrigger {
    /// As list_triggers shows it.
    pub(super) trigger: TriggerName,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ListAlerts {
    /// Also those that are over.
    #[serde(default)]
    pub(super) all: bool,
    /// Only those with a smaller `seq`: the last of the page before.
    #[serde(default)]
    pub(super) before: Option<u64>,
    /// At most so many (50, at most 200).
    #[serde(default)]
    pub(super) limit: Option<u32>,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct AckAlert {
    /// As list_alerts shows it.
    pub(super) key: String,
}
