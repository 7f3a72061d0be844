//! What must hold, whatever happened.

use std::collections::{BTreeMap, BTreeSet};

use nexus_broker::hub::records::{Reads, Snapshot, Store};
use nexus_broker::hub::{Effect, Hub, HubConfig};
use nexus_wire::chat::ChatSent;
use nexus_wire::hands::DispatchState;
use nexus_wire::inbox::{Item, ItemBody};
use nexus_wire::log::LogBody;
use nexus_wire::{DispatchId, MessageId, Party, RequestId, derive};

use super::agent::Agent;

/// What was promised to somebody.
#[derive(Debug, Default)]
pub struct Truth {
    pub messages: BTreeMap<MessageId, ChatSent>,
    pub dispatches: BTreeMap<DispatchId, Party>,
    answers: BTreeMap<(Party, RequestId), String>,
    pub ended: BTreeMap<DispatchId, DispatchState>,
    log_head: u64,
}

impl Truth {
    pub(super) fn note_message(&mut self, sent: ChatSent) {
        self.messages.insert(sent.message, sent);
    }

    pub(super) fn note_dispatch(&mut self, dispatch: DispatchId, invoker: &Party) {
        self.dispatches.insert(dispatch, invoker.clone());
    }

    /// The same request of the same sender always gets the same answer, but for where a dispatch stands by now.
    pub(super) fn note_answer(&mut self, seed: u64, who: &Party, request: RequestId, answer: &str) {
        let mut value: serde_json::Value = serde_json::from_str(answer).expect("an answer is JSON");
        if let Some(object) = value.as_object_mut() {
            for moving in ["state", "position", "lost", "cancelled", "already_ended"] {
                object.remove(moving);
            }
        }
        let first = self.answers.entry((who.clone(), request)).or_insert_with(|| value.to_string());
        assert_eq!(
            *first,
            value.to_string(),
            "seed {seed}: a repeat of {request:?} by {who} is answered anew"
        );
    }

    /// The log has no hole, and every dispatch ends in it once.
    pub(super) fn note_log(&mut self, seed: u64, effects: &[Effect]) {
        for effect in effects {
            let Effect::Logged(entry) = effect else { continue };
            assert_eq!(entry.seq, self.log_head + 1, "seed {seed}: the log has no hole");
            self.log_head = entry.seq;
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
    fairness(seed, &store.snapshot().expect("the store reads"), &HubConfig::default());
}

/// No eligible item of an idle key is pending while there is room. Told from the rows alone, with nothing of
/// the queue's own reckoning.
fn fairness(seed: u64, snapshot: &Snapshot, config: &HubConfig) {
    use DispatchState as State;
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
        let eligible = host.link.is_some()
            && on_host < host.profile.slots as usize
            && on_hand < hand.concurrency as usize;
        assert!(!eligible, "seed {seed}: {:?} of the idle key {} is left waiting", info.id, info.key);
    }
}

/// Once everybody is back: all that was promised has happened, once.
pub(super) fn at_rest(seed: u64, truth: &Truth, store: &impl Reads, agents: &[Agent]) {
    for agent in agents {
        for (item, times) in &agent.taken {
            assert_eq!(*times, 1, "seed {seed}: {} took {item:?} {times} times", agent.name);
        }
    }
    for sent in truth.messages.values() {
        for name in sent.recipients.iter().filter_map(Party::aspect) {
            let item = derive::message_item(sent.message, name);
            let agent = agents.iter().find(|agent| agent.name == *name).expect("a recipient is on the team");
            assert!(agent.taken.contains_key(&item), "seed {seed}: {name} never got {:?}", sent.message);
        }
    }
    for (dispatch, invoker) in &truth.dispatches {
        let record = store.dispatch(*dispatch).expect("the store reads");
        let record = record.unwrap_or_else(|| panic!("seed {seed}: {dispatch:?} was accepted and is gone"));
        assert!(record.info.state.is_end(), "seed {seed}: {dispatch:?} never ended");
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
}
