//! What must hold, whatever happened.

use std::collections::{BTreeMap, BTreeSet};

use nexus_broker::hub::command_info;
use nexus_broker::hub::records::{Reads, Snapshot, Store, Which, came_to_nothing};
use nexus_broker::hub::{Effect, Hub, HubConfig};
use nexus_wire::approval::{ApprovalInfo, ApprovalState, Asked};
use nexus_wire::chat::ChatSent;
use nexus_wire::gather::GatherState;
use nexus_wire::hands::{DispatchInfo, DispatchResult, DispatchState, WaitingFor};
use nexus_wire::inbox::{Item, ItemBody};
use nexus_wire::limits::ATTEMPTS_MAX;
use nexus_wire::log::LogBody;
use nexus_wire::registry::RegistryWritten;
use nexus_wire::run::RunState;
use nexus_wire::session::SessionCommandState;
use nexus_wire::trigger::TriggerInfo;
use nexus_wire::{
    ApprovalId, AspectName, DispatchId, GatherId, MessageId, Ms, Party, RequestId, RunId, derive,
};

use super::agent::{Agent, HANDS};
use super::ends;
use super::slots::Seen;

/// What was promised to somebody.
#[derive(Debug, Default)]
pub struct Truth {
    pub messages: BTreeMap<MessageId, ChatSent>,
    pub dispatches: BTreeMap<DispatchId, Party>,
    gathers: BTreeMap<GatherId, AspectName>,
    /// Who asked people for what, and whether it is a call of a tool.
    approvals: BTreeMap<ApprovalId, (AspectName, bool)>,
    answers: BTreeMap<(Party, RequestId), String>,
    /// How often the broker committed.
    pub commits: usize,
    pub ended: BTreeMap<DispatchId, DispatchState>,
    /// Results whose taking was acknowledged.
    results: Vec<DispatchResult>,
    /// How many workers were told to stop, as the log has it.
    stops: usize,
    logged: BTreeSet<MessageId>,
    log_head: u64,
    /// As they were defined.
    pub(super) triggers: Vec<TriggerInfo>,
    /// When each was paused, and when it went on, as the log has it.
    stood: BTreeMap<String, Vec<(bool, Ms)>>,
    /// How often nothing happened for hours, days or weeks,
    pub sleeps: usize,
    /// and how often the broker was killed while something was due.
    pub killed_behind: usize,
    pub slots: Seen,
    /// What a service calls those of its requests that were on disk.
    pub(super) hooks: BTreeSet<String>,
    pub runs: BTreeMap<RunId, Party>,
    pub runs_ended: BTreeMap<RunId, RunState>,
    /// Rows, and the change that made each what it was to be.
    pub(super) written: BTreeSet<(String, u64)>,
}

impl Truth {
    pub(super) fn note_message(&mut self, sent: ChatSent) {
        self.messages.insert(sent.message, sent);
    }

    pub(super) fn note_dispatch(&mut self, dispatch: DispatchId, invoker: &Party) {
        self.dispatches.insert(dispatch, invoker.clone());
    }

    pub(super) fn note_run(&mut self, run: RunId, by: &Party) {
        self.runs.insert(run, by.clone());
    }

    pub(super) fn note_written(&mut self, written: RegistryWritten) {
        self.written.insert((written.row, written.version));
    }

    pub(super) fn note_gather(&mut self, gather: GatherId, invoker: &AspectName) {
        self.gathers.insert(gather, invoker.clone());
    }

    pub(super) fn note_approval(&mut self, info: &ApprovalInfo) {
        let is_tool = matches!(info.asked, Asked::Tool { .. });
        if let Some(aspect) = info.aspect.aspect() {
            self.approvals.insert(info.id, (aspect.clone(), is_tool));
        }
    }

    pub(super) fn asked(&self) -> Vec<(ApprovalId, bool)> {
        self.approvals.iter().map(|(id, (_, is_tool))| (*id, *is_tool)).collect()
    }

    pub(super) fn note_result(&mut self, result: DispatchResult) {
        self.results.push(result);
    }

    /// The same request of the same sender always gets the same answer, but for where a dispatch stands by now.
    pub(super) fn note_answer(&mut self, seed: u64, who: &Party, request: RequestId, answer: &str) {
        let mut value: serde_json::Value = serde_json::from_str(answer).expect("an answer is JSON");
        if let Some(object) = value.as_object_mut() {
            for moving in ["state", "position", "lost"] {
                object.remove(moving);
            }
            // What people were asked for is told as it stands.
            if object.contains_key("asked_at") {
                for moving in ["ended_at", "by", "text"] {
                    object.remove(moving);
                }
            }
        }
        let first = self.answers.entry((who.clone(), request)).or_insert_with(|| value.to_string());
        assert_eq!(
            *first,
            value.to_string(),
            "seed {seed}: a repeat of {request:?} by {who} is answered anew"
        );
    }

    /// When a trigger that was paused went on.
    pub(super) fn resumed(&self, trigger: &str) -> Vec<Ms> {
        let stood = self.stood.get(trigger).map_or(&[][..], Vec::as_slice);
        stood.iter().filter(|(paused, _)| !paused).map(|(_, at)| *at).collect()
    }

    pub(super) fn was_paused(&self, trigger: &str, at: Ms) -> bool {
        let stood = self.stood.get(trigger).map_or(&[][..], Vec::as_slice);
        // As it stood before, or as of some moment within that millisecond.
        let before = stood.iter().rfind(|(_, when)| *when < at).is_some_and(|(paused, _)| *paused);
        before || stood.iter().any(|(paused, when)| *paused && *when == at)
    }

    /// The log has no hole, and every dispatch ends in it once.
    pub(super) fn note_log(&mut self, seed: u64, effects: &[Effect], store: &impl Reads) {
        for effect in effects {
            let Effect::Logged(entry) = effect else { continue };
            assert_eq!(entry.seq, self.log_head + 1, "seed {seed}: the log has no hole");
            self.log_head = entry.seq;
            if matches!(&entry.body, LogBody::Other { kind, .. } if kind == "dispatch.work_cancelled") {
                self.stops += 1;
            }
            if let LogBody::Other { kind, subject } = &entry.body
                && kind == "run.ended"
            {
                ends::note_run(seed, &mut self.runs_ended, store, subject);
            }
            if let LogBody::Other { kind, subject } = &entry.body
                && matches!(kind.as_str(), "trigger.paused" | "trigger.resumed")
            {
                let stood = self.stood.entry(subject.clone()).or_default();
                stood.push((kind == "trigger.paused", entry.at));
            }
            if let LogBody::Message(message) = &entry.body {
                assert!(self.logged.insert(message.id), "seed {seed}: {:?} was sent twice", message.id);
            }
            if let LogBody::DispatchEnded(outcome) = &entry.body {
                assert!(outcome.state.is_end(), "seed {seed}: {:?} is no end", outcome.state);
                let before = self.ended.insert(outcome.dispatch, outcome.state);
                assert_eq!(before, None, "seed {seed}: {:?} ended twice", outcome.dispatch);
            }
        }
    }
}

pub(super) fn after_batch(seed: u64, hub: &Hub, store: &impl Store) {
    let rebuilt = Hub::rebuild(store, HubConfig::default()).expect("the store reads");
    assert!(rebuilt == *hub, "seed {seed}: rebuilt and live hub differ:\n{rebuilt:#?}\n---\n{hub:#?}");
    fairness(seed, &store.snapshot().expect("the store reads"), &HubConfig::default(), hub);
    let is_idle = hub.queue().is_empty();
    for budget in hub.budgets().budgets.iter().filter(|_| is_idle) {
        let kept = (budget.reserved, budget.waiting);
        assert_eq!(kept, Default::default(), "seed {seed}: {budget:?} and nobody is at work");
    }
}

/// What may not be tried twice is not, and nothing is tried for ever.
fn attempts(seed: u64, info: &DispatchInfo) {
    let idempotent =
        HANDS.iter().any(|(name, idempotent, _)| info.hand.hand.as_str() == *name && *idempotent);
    let most = if idempotent { ATTEMPTS_MAX } else { 1 };
    assert!(
        info.attempt <= most,
        "seed {seed}: {} at {} is tried {} times",
        info.id,
        info.hand,
        info.attempt
    );
}

/// A command that brings no worker back begins nothing beyond the ceiling.
pub(super) fn ceiling(seed: u64, before: u32, hub: &Hub, config: &HubConfig) {
    let live = hub.roster().aspects().filter(|aspect| aspect.link.is_some()).count();
    let ceiling = (config.soft_cap as usize + 1).max(live + 1) as u32;
    let active = hub.queue().active();
    assert!(
        active <= before.max(ceiling),
        "seed {seed}: {active} at work, {before} before, at most {ceiling}"
    );
}

/// No eligible item of an idle key is pending while there is room. Told from the rows alone, with nothing of
/// the queue's own reckoning.
fn fairness(seed: u64, snapshot: &Snapshot, config: &HubConfig, hub: &Hub) {
    use DispatchState as State;
    snapshot.open_dispatches.iter().for_each(|record| attempts(seed, &record.info));
    let live = snapshot.aspects.iter().filter(|aspect| aspect.link.is_some()).count();
    let ceiling = (config.soft_cap as usize + 1).max(live + 1);
    let open: Vec<_> = snapshot.open_dispatches.iter().map(|record| &record.info).collect();
    let active = open.iter().filter(|info| info.state == State::Running).count();
    if active >= ceiling {
        return;
    }
    let busy: BTreeSet<&Party> = open
        .iter()
        .filter(|info| matches!(info.state, State::Running | State::Waiting | State::Retaking))
        .map(|info| &info.key)
        .collect();
    for info in open.iter().filter(|info| info.state == State::Pending && !busy.contains(&info.key)) {
        let Some(host) = snapshot.aspects.iter().find(|aspect| aspect.name == info.hand.aspect) else {
            continue;
        };
        let Some(hand) = host.profile.hands.iter().find(|hand| hand.name == info.hand.hand) else { continue };
        let working = |other: &&&nexus_wire::hands::DispatchInfo| {
            other.state == State::Running && other.hand.aspect == info.hand.aspect
        };
        let on_host = open.iter().filter(working).count();
        let on_hand = open.iter().filter(working).filter(|other| other.hand == info.hand).count();
        // A key may not have more trees begun than could ever be at work.
        let begun = open
            .iter()
            .filter(|other| other.key == info.key && other.parent.is_none() && other.state != State::Pending)
            .count();
        // Another is looked for at the next tick, which is due at once.
        let is_astray = hub.queue().astray().any(|id| id == info.id);
        assert!(
            !is_astray || info.capability.is_some(),
            "seed {seed}: {:?} was given to a Hand by name",
            info.id
        );
        assert!(
            !is_astray || hub.next_timer().is_some_and(|due| due <= snapshot.started_at),
            "seed {seed}: nobody looks for another to do {:?}",
            info.id
        );
        let eligible = !is_astray
            && (info.parent.is_some() || begun < ceiling)
            && host.link.is_some()
            && host.restraint.is_none()
            && on_host < host.profile.slots as usize
            && on_hand < hand.concurrency as usize
            && hub.queue().waiting_for(info.id) != Some(WaitingFor::Budget);
        assert!(!eligible, "seed {seed}: {:?} of the idle key {} is left waiting", info.id, info.key);
    }
}

/// Every worker that was told to stop has said that it did, what came to nothing is listed until somebody tries it
/// again, and a retry and what it tries again know each other.
fn ends(seed: u64, store: &impl Reads) {
    let all = store.dispatches(Which::All, None, u32::MAX).expect("the store reads");
    let by_id: BTreeMap<DispatchId, &DispatchInfo> = all.iter().map(|info| (info.id, info)).collect();
    for info in &all {
        let confirmed = info.stops().all(|stop| stop.confirmed_at.is_some());
        assert!(confirmed, "seed {seed}: the worker of {} never confirmed that it stopped", info.id);
        if let Some(old) = info.retry_of {
            let old =
                by_id.get(&old).unwrap_or_else(|| panic!("seed {seed}: {old} was tried again and is gone"));
            assert!(
                came_to_nothing(old.state),
                "seed {seed}: {} is {:?} and was tried again",
                old.id,
                old.state
            );
            assert!(old.retried_as.is_some(), "seed {seed}: {} does not know that it was", old.id);
        }
        if let Some(new) = info.retried_as {
            assert_eq!(by_id.get(&new).and_then(|new| new.retry_of), Some(info.id), "seed {seed}");
        }
    }
    let dead = store.dispatches(Which::Dead, None, u32::MAX).expect("the store reads");
    let expected = all.iter().filter(|info| came_to_nothing(info.state) && info.retried_as.is_none());
    assert_eq!(dead, expected.cloned().collect::<Vec<_>>(), "seed {seed}: what came to nothing");
}

/// Once everybody is back: all that was promised has happened, once.
pub(super) fn at_rest(seed: u64, truth: &Truth, store: &impl Reads, agents: &[Agent]) {
    ends(seed, store);
    let mut stops = 0;
    for agent in agents {
        for (item, times) in &agent.taken {
            assert_eq!(*times, 1, "seed {seed}: {} took {item:?} {times} times", agent.name);
        }
        let inbox = store.inbox(&agent.name, 0, u32::MAX).expect("the store reads");
        let ids: BTreeSet<_> = inbox.iter().map(|record| record.id).collect();
        assert_eq!(ids.len(), inbox.len(), "seed {seed}: {} has an item twice", agent.name);
        let items = inbox.iter().filter_map(|record| serde_json::from_str::<Item>(&record.json).ok());
        for item in items {
            match item.body {
                ItemBody::Cancel { .. } => stops += 1,
                ItemBody::Session(_) => {
                    let info =
                        command_info(store, item.id).expect("the store reads").expect("it was asked for");
                    assert_eq!(info.state, SessionCommandState::Done, "seed {seed}: {:?}", item.id);
                }
                ItemBody::Message(_)
                | ItemBody::Assignment(_)
                | ItemBody::Result(_)
                | ItemBody::Gather(_)
                | ItemBody::Approval(_)
                | ItemBody::Run(_)
                | ItemBody::Resume { .. } => {}
            }
        }
    }
    assert_eq!(stops, truth.stops, "seed {seed}: whoever is to stop is told");
    for sent in truth.messages.values() {
        for name in sent.recipients.iter().filter_map(Party::aspect) {
            let item = derive::message_item(sent.message, name);
            let agent = agents.iter().find(|agent| agent.name == *name).expect("a recipient is on the team");
            assert!(agent.taken.contains_key(&item), "seed {seed}: {name} never got {:?}", sent.message);
            let told = store.taken(name, item).expect("the store reads");
            assert!(told.is_some(), "seed {seed}: nobody knows that {name} took {:?}", sent.message);
        }
    }
    for (dispatch, invoker) in &truth.dispatches {
        let record = store.dispatch(*dispatch).expect("the store reads");
        let record = record.unwrap_or_else(|| panic!("seed {seed}: {dispatch:?} was accepted and is gone"));
        assert!(record.info.state.is_end(), "seed {seed}: {dispatch:?} never ended");
        attempts(seed, &record.info);
        if let Some(name) = invoker.aspect() {
            let agent = agents.iter().find(|agent| agent.name == *name).expect("an invoker is on the team");
            let items = store.inbox(name, 0, u32::MAX).expect("the store reads");
            let results: Vec<Item> = items
                .iter()
                .filter_map(|record| serde_json::from_str::<Item>(&record.json).ok())
                .filter(
                    |item| matches!(&item.body, ItemBody::Result(outcome) if outcome.dispatch == *dispatch),
                )
                .collect();
            assert_eq!(results.len(), 1, "seed {seed}: {name} learns the end of {dispatch:?} once");
            assert!(
                agent.taken.contains_key(&results[0].id),
                "seed {seed}: {name} never took the result of {dispatch:?}"
            );
        }
    }
    for (approval, (aspect, _)) in &truth.approvals {
        let info = store.approval(*approval).expect("the store reads").expect("it was asked").info;
        let agent = agents.iter().find(|agent| agent.name == *aspect).expect("an asker is on the team");
        let told = agent.answered.get(approval);
        // Whoever withdrew it knows, and nobody is left who waits for what belongs to work that has ended.
        let is_told = !matches!(info.state, ApprovalState::Open | ApprovalState::Withdrawn);
        assert_eq!(
            told,
            Some(&info.state).filter(|_| is_told),
            "seed {seed}: {aspect} learns how {approval:?} ended, once it has"
        );
        assert_eq!(info.ended_at.is_none(), info.state == ApprovalState::Open, "seed {seed}: {info:?}");
        let by_people =
            matches!(info.state, ApprovalState::Approved | ApprovalState::Denied | ApprovalState::Answered);
        assert_eq!(info.by.as_ref().is_some_and(Party::is_operator), by_people, "seed {seed}: {info:?}");
    }
    for (gather, invoker) in &truth.gathers {
        let record = store.gather(*gather).expect("the store reads").expect("it was accepted");
        assert_ne!(record.info.state, GatherState::Open, "seed {seed}: {gather:?} never ended");
        let done =
            record.info.members.iter().filter(|member| member.ended == Some(DispatchState::Done)).count();
        let met = done >= record.info.need as usize;
        assert_eq!(met, record.info.state == GatherState::Met, "seed {seed}: {gather:?} has {done} done");
        let agent = agents.iter().find(|agent| agent.name == *invoker).expect("an invoker is on the team");
        let told = agent.gathered.get(gather);
        assert_eq!(told, Some(&record.info.state), "seed {seed}: {invoker} learns how {gather:?} ended");
    }
    for result in &truth.results {
        let record =
            store.dispatch(result.lease.dispatch).expect("the store reads").expect("it was assigned");
        let kept = (record.info.attempt, record.info.output);
        assert_eq!(
            kept,
            (result.lease.attempt, result.output.clone()),
            "seed {seed}: {:?} was taken",
            result.lease
        );
    }
}
