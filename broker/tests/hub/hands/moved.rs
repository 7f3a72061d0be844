//! Work that a Hand was chosen for and whose host is lost: another takes it, if one can, and what may not be done twice is
//! not.

use nexus_broker::hub::records::Transaction;
use nexus_broker::hub::{Change, CommandBody};
use nexus_wire::chat::Usage;
use nexus_wire::hands::{
    Dispatch, DispatchResult, DispatchRetry, DispatchState, DispatchStopped, Dispatched, EarlierWorker,
    HandFailure, HandSpec, Lease, LeaseRenew, Wanted,
};
use nexus_wire::log::LogBody;
use nexus_wire::roster::{AspectRestrain, Register, RestraintKind};
use nexus_wire::{DispatchId, ErrorBody, ErrorCode, HandTarget, Ms, RequestId};
use serde_json::{Value, json};

use crate::on_both_stores;
use crate::world::{World, name, parsed, party};

/// As long as a lease.
const AWAY: Ms = 30_000;

trait Runners {
    fn runner(&mut self, who: &str, spec: Value);
    fn back(&mut self, who: &str, spec: Value);
    fn leave(&mut self, who: &str);
    fn pass(&mut self, ms: Ms);
    fn ask(&mut self, input: Value) -> DispatchId;
    fn stands(&self, id: DispatchId) -> (String, DispatchState, u32);
    fn finish(&mut self, who: &str, lease: Lease) -> Result<Value, ErrorBody>;
}

fn declared(spec: &Value, last_generation: u64) -> Register {
    let mut whole =
        json!({"name": "script", "capabilities": ["script"], "idempotent": true, "concurrency": 2});
    for (key, value) in spec.as_object().unwrap() {
        whole[key] = value.clone();
    }
    let hands: Vec<HandSpec> = vec![serde_json::from_value(whole).unwrap()];
    Register { hands, slots: 4, last_generation, ..Register::default() }
}

impl<S: Transaction> Runners for World<S> {
    fn runner(&mut self, who: &str, spec: Value) {
        self.aspect(who);
        self.register(who, declared(&spec, 0)).unwrap();
    }

    /// It has forgotten what it had.
    fn back(&mut self, who: &str, spec: Value) {
        let generation = self.hub.roster().aspect(&name(who)).unwrap().generation;
        self.register(who, declared(&spec, generation)).unwrap();
    }

    fn leave(&mut self, who: &str) {
        let record = self.hub.roster().aspect(&name(who)).unwrap();
        let (link, generation) = (record.link.unwrap(), record.generation);
        self.apply(CommandBody::LinkDown { aspect: name(who), link, generation });
    }

    /// The broker's timer rings whenever it is due.
    fn pass(&mut self, ms: Ms) {
        let until = self.at + ms;
        while let Some(due) = self.hub.next_timer().filter(|due| *due <= until) {
            self.at = due.max(self.at + 1) - 1;
            self.apply(CommandBody::Tick);
        }
        self.at = until;
    }

    fn ask(&mut self, input: Value) -> DispatchId {
        let capability = Some(Wanted { needs: vec!["script".into()], ..Wanted::default() });
        let dispatch = Dispatch { capability, input, ..Dispatch::default() };
        self.request::<Dispatched>("operator/ana", Change::Dispatch(dispatch.into())).unwrap().dispatch
    }

    fn stands(&self, id: DispatchId) -> (String, DispatchState, u32) {
        let info = self.store.dispatch(id).unwrap().unwrap().info;
        (info.hand.aspect.to_string(), info.state, info.attempt)
    }

    fn finish(&mut self, who: &str, lease: Lease) -> Result<Value, ErrorBody> {
        let (output, usage) = (Some(json!("done")), Usage::default());
        self.request(
            who,
            Change::DispatchResult(DispatchResult { lease, output, error: None, usage, cost_microusd: None }),
        )
    }
}

/// Its worker has stopped, having used three tokens.
fn stopped(lease: Lease) -> Change {
    let usage = Usage { input_tokens: 3, ..Usage::default() };
    Change::DispatchStopped(DispatchStopped { lease, usage, cost_microusd: None })
}

fn at(who: &str, state: DispatchState, attempt: u32) -> (String, DispatchState, u32) {
    (who.to_owned(), state, attempt)
}

fn logged<S: Transaction>(world: &World<S>, kind: &str) -> usize {
    let all = world.store.log(0, None, 1_000).unwrap();
    all.iter().filter(|entry| matches!(&entry.body, LogBody::Other { kind: own, .. } if own == kind)).count()
}

use DispatchState::{Done, Failed, Pending, Running, Unreachable};

on_both_stores! {
    fn another_takes_what_a_lost_host_has_begun_or_not(world) {
        world.operator("ana");
        world.runner("ash", json!({}));
        let begun = [world.ask(json!(1)), world.ask(json!(2))];
        let waits = world.ask(json!(3));
        world.runner("birch", json!({"timeout_s": 90}));
        let named = Dispatch::to("ash/script".parse::<HandTarget>().unwrap(), json!(4));
        let named = world.request::<Dispatched>("operator/ana", Change::Dispatch(named.into())).unwrap().dispatch;
        let left = world.at;
        world.leave("ash");

        // What may come back is waited for, as long as a lease lasts.
        world.pass(AWAY - 100);
        assert_eq!(world.stands(waits), at("ash", Pending, 0));
        world.pass(200);
        assert_eq!(world.at, left + AWAY + 101);
        for (id, attempt) in [(begun[0], 2), (begun[1], 2)] {
            assert_eq!(world.stands(id), at("birch", Running, attempt), "begun before the host was lost");
        }
        assert_eq!(world.stands(waits), at("birch", Pending, 0), "in its turn");
        assert_eq!(world.stands(named), at("ash", Pending, 0), "ash was named, and nobody else");
        assert_eq!(world.store.dispatch(begun[0]).unwrap().unwrap().timeout_s, 90, "of the Hand that has it");

        // The lost one comes back in the middle of it: nothing of its attempt counts, and nothing is taken away again.
        world.back("ash", json!({}));
        let old = Lease { dispatch: begun[0], attempt: 1 };
        assert_eq!(world.finish("ash", old).unwrap_err().code, ErrorCode::StaleToken);
        assert_eq!(world.stands(begun[0]), at("birch", Running, 2));
        world.request::<Value>("ash", stopped(old)).unwrap();
        let info = world.store.dispatch(begun[0]).unwrap().unwrap().info;
        let [EarlierWorker { aspect, attempt: 1, stop: Some(stop) }] = &info.earlier[..] else { panic!("{info:?}") };
        assert_eq!((aspect, stop.attempt, stop.confirmed_at), (&name("ash"), 1, Some(world.at)));
        assert_eq!(info.stop, None, "the one who has it now was not told to stop");
        // Nobody confirms for another.
        let error = world.request::<Value>("birch", stopped(old)).unwrap_err();
        assert_eq!(error.code, ErrorCode::NotFound, "{}", error.message);
        for id in begun {
            world.finish("birch", Lease { dispatch: id, attempt: 2 }).unwrap();
            assert_eq!(world.stands(id), at("birch", Done, 2));
        }
        assert_eq!(world.stands(waits), at("birch", Running, 1));
        assert_eq!(world.stands(named), at("ash", Running, 1));
        assert_eq!(logged(world, "dispatch.moved"), 3);
    }

    fn what_nobody_can_take_stays_until_somebody_comes_who_can(world) {
        world.operator("ana");
        world.runner("ash", json!({}));
        world.runner("birch", json!({"capabilities": ["paint"]}));
        let id = world.ask(json!({"name": "today"}));
        world.leave("ash");
        world.pass(10 * AWAY);
        assert_eq!(world.stands(id), at("ash", Pending, 1));
        // It is what it was asked to be, input and all.
        world.runner("cedar", json!({"input_schema": {"type": "string"}}));
        world.pass(AWAY);
        assert_eq!(world.stands(id), at("ash", Pending, 1));
        world.runner("elm", json!({"allowed_invokers": []}));
        world.pass(1);
        assert_eq!(world.stands(id), at("elm", Running, 2), "an operator may use any");
        world.finish("elm", Lease { dispatch: id, attempt: 2 }).unwrap();

        // The host itself may be the one who comes.
        let id = world.ask(json!({"name": "tomorrow"}));
        assert_eq!(world.stands(id), at("elm", Running, 1));
        world.leave("elm");
        world.pass(2 * AWAY);
        world.back("elm", json!({"allowed_invokers": []}));
        assert_eq!(world.stands(id), at("elm", Running, 2));
        assert_eq!(logged(world, "dispatch.moved"), 1);
    }

    fn what_may_not_be_done_twice_is_not(world) {
        world.operator("ana");
        world.runner("ash", json!({"idempotent": false, "concurrency": 1}));
        let begun = world.ask(json!(1));
        let waits = world.ask(json!(2));
        world.runner("birch", json!({"idempotent": false}));
        world.leave("ash");
        world.pass(AWAY + 10);
        assert_eq!(world.stands(begun), at("ash", Unreachable, 1), "ash may yet hand it in");
        assert_eq!(world.stands(waits), at("birch", Running, 1), "nobody had begun it");
        world.finish("birch", Lease { dispatch: waits, attempt: 1 }).unwrap();
        world.leave("birch");

        // One that may be done twice at one Hand is not given to another that may not.
        world.runner("cedar", json!({}));
        let twice = world.ask(json!(3));
        world.leave("cedar");
        world.back("birch", json!({"idempotent": false}));
        world.pass(2 * AWAY);
        assert_eq!(world.stands(twice), at("cedar", Pending, 1));
        world.runner("elm", json!({}));
        world.pass(1);
        assert_eq!(world.stands(twice), at("elm", Running, 2));
    }

    fn a_broker_that_starts_and_a_machine_that_wakes_wait_for_the_hosts_first(world) {
        world.operator("ana");
        world.runner("ash", json!({"concurrency": 1, "timeout_s": 600}));
        let begun = world.ask(json!(1));
        let waits = world.ask(json!(2));
        world.runner("birch", json!({}));
        world.at += 10 * AWAY;
        let config = world.config.clone();
        world.start(config);
        world.back("birch", json!({}));
        world.pass(AWAY - 10);
        assert_eq!((world.stands(begun), world.stands(waits)), (at("ash", Running, 1), at("ash", Pending, 0)));
        world.apply(CommandBody::MachineWoke { slept_ms: 10 });
        // As long as the leases of a start.
        world.pass(3 * AWAY - 10);
        assert_eq!((world.stands(begun), world.stands(waits)), (at("ash", Running, 1), at("ash", Pending, 0)));
        world.pass(20);
        assert_eq!((world.stands(begun), world.stands(waits)), (at("birch", Running, 2), at("birch", Running, 1)));
    }

    fn many_are_given_away_a_part_at_a_time(world) {
        world.operator("ana");
        world.runner("ash", json!({"concurrency": 1}));
        let all: Vec<DispatchId> = (0..150).map(|n| world.ask(json!(n))).collect();
        world.runner("birch", json!({}));
        world.leave("ash");
        let due = world.at + AWAY;
        let moved = |world: &World<S>| all.iter().filter(|id| world.stands(**id).0 == "birch").count();
        let mut parts = Vec::new();
        while let Some(at) = world.hub.next_timer().filter(|at| *at <= due) {
            world.at = at.max(world.at + 1) - 1;
            world.apply(CommandBody::Tick);
            parts.push(moved(world));
        }
        // First the lease of the one that was begun runs out.
        assert_eq!(parts, [1, 65, 129, 150]);
    }

    fn one_that_is_kept_off_is_lost_and_one_that_is_paused_is_not(world) {
        world.operator("ana");
        world.runner("ash", json!({"concurrency": 1}));
        let begun = world.ask(json!(1));
        let waits = world.ask(json!(2));
        world.runner("birch", json!({}));
        let restrain = |kind| Change::AspectRestrain(AspectRestrain { name: name("ash"), kind, reason: "later".into() });
        world.request::<Value>("operator/ana", restrain(RestraintKind::Paused)).unwrap();
        let lease = Lease { dispatch: begun, attempt: 1 };
        world.request::<Value>("ash", Change::LeaseRenew(LeaseRenew { leases: vec![lease] })).unwrap();
        world.pass(AWAY - 10);
        world.request::<Value>("ash", Change::LeaseRenew(LeaseRenew { leases: vec![lease] })).unwrap();
        world.pass(AWAY - 10);
        assert_eq!((world.stands(begun), world.stands(waits)), (at("ash", Running, 1), at("ash", Pending, 0)));
        world.request::<Value>("operator/ana", restrain(RestraintKind::Held)).unwrap();
        world.pass(AWAY + 10);
        assert_eq!((world.stands(begun), world.stands(waits)), (at("birch", Running, 2), at("birch", Running, 1)));
    }

    fn what_is_tried_again_is_chosen_again(world) {
        world.operator("ana");
        world.runner("ash", json!({}));
        let id = world.ask(json!(1));
        let failure = HandFailure { code: "no_disk".into(), message: "the disk is full".into() };
        let lease = Lease { dispatch: id, attempt: 1 };
        let result = DispatchResult { lease, output: None, error: Some(failure), usage: Usage::default(), cost_microusd: None };
        world.request::<Value>("ash", Change::DispatchResult(result)).unwrap();
        assert_eq!(world.stands(id), at("ash", Failed, 1));
        world.leave("ash");
        let retry = || Change::DispatchRetry(DispatchRetry { dispatch: id, deadline_s: None, budget: Default::default() });
        let refused = world.request::<Value>("operator/ana", retry()).unwrap_err();
        assert_eq!(refused.code, ErrorCode::NoCandidate, "{}", refused.message);
        world.runner("birch", json!({}));
        let again = world.request::<Dispatched>("operator/ana", retry()).unwrap();
        assert_eq!(world.stands(again.dispatch), at("birch", Running, 1));
        let info = world.store.dispatch(again.dispatch).unwrap().unwrap().info;
        assert_eq!(info.capability, Some(Wanted { needs: vec!["script".into()], ..Wanted::default() }));
    }

    /// A host that is gone without a word: its link still looks as if it were there.
    fn what_a_silent_host_has_let_run_out_is_not_given_to_it_again(world) {
        world.operator("ana");
        world.runner("ash", json!({}));
        let id = world.ask(json!(1));
        world.runner("birch", json!({}));
        world.pass(AWAY);
        assert_eq!(world.stands(id), at("birch", Running, 2));
        // And on: each worker that was told to stop says for itself that it has, and what that has used.
        world.runner("cedar", json!({}));
        world.pass(AWAY);
        let (who, _, attempt) = world.stands(id);
        assert_eq!((attempt, who == "birch"), (3, false));
        for (who, attempt) in [("ash", 1), ("birch", 2)] {
            world.request::<Value>(who, stopped(Lease { dispatch: id, attempt })).unwrap();
        }
        let info = world.store.dispatch(id).unwrap().unwrap().info;
        let told: Vec<(String, u32, bool)> = info.earlier.iter().map(|worker| {
            let confirmed = worker.stop.is_some_and(|stop| stop.confirmed_at.is_some());
            (worker.aspect.to_string(), worker.attempt, confirmed)
        }).collect();
        assert_eq!(told, [("ash".to_owned(), 1, true), ("birch".to_owned(), 2, true)]);
        world.finish(&who, Lease { dispatch: id, attempt: 3 }).unwrap();

        // With nobody else there the one that let it run out has it again.
        world.leave("birch");
        world.leave("cedar");
        let id = world.ask(json!(2));
        world.pass(AWAY);
        assert_eq!(world.stands(id), at("ash", Running, 2));
    }

    fn what_waits_for_a_host_that_is_shut_out_is_anothers(world) {
        world.operator("ana");
        world.runner("ash", json!({"concurrency": 1}));
        let begun = world.ask(json!(1));
        let waits = world.ask(json!(2));
        world.runner("birch", json!({}));
        let revoke = |who: &str| CommandBody::RevokeAspect { by: party("operator/ana"), name: name(who) };
        world.call(revoke("ash")).0.unwrap();
        world.pass(1);
        assert_eq!((world.stands(begun), world.stands(waits)), (at("birch", Running, 2), at("birch", Running, 1)));
        world.runner("cedar", json!({}));
        world.call(revoke("birch")).0.unwrap();
        world.pass(1);
        assert_eq!((world.stands(begun), world.stands(waits)), (at("cedar", Running, 3), at("cedar", Running, 2)));
        // Nobody is left who could: then that is said, and not waited for.
        world.call(revoke("cedar")).0.unwrap();
        world.pass(1);
        let ended = world.store.dispatch(waits).unwrap().unwrap().info;
        assert_eq!((ended.state, ended.error.unwrap().code), (Failed, "hand_gone".to_owned()));
    }

    fn the_rights_of_who_asked_count_and_the_log_tells_what_was(world) {
        world.operator("ana");
        world.online("wren");
        world.runner("ash", json!({}));
        let capability = Some(Wanted { needs: vec!["script".into()], ..Wanted::default() });
        let dispatch = Dispatch { capability, input: json!(1), ..Dispatch::default() };
        let request = RequestId(world.id());
        let first = world.request_as("wren", request, Change::Dispatch(dispatch.clone().into())).0.unwrap();
        let first: Dispatched = parsed(&first);
        world.runner("birch", json!({"allowed_invokers": ["teal"]}));
        world.runner("cedar", json!({"allowed_invokers": ["wren"]}));
        let before = world.store.log(0, None, 1_000).unwrap();
        world.leave("ash");
        world.pass(AWAY + 10);
        assert_eq!(world.stands(first.dispatch), at("cedar", Running, 2));
        assert_eq!(world.store.log(0, None, before.len() as u32).unwrap(), before, "what was said stays");
        // A repeat of the request has the answer that the first one had.
        let again = world.request_as("wren", request, Change::Dispatch(dispatch.into())).0.unwrap();
        let again: Dispatched = parsed(&again);
        assert_eq!((again.chosen, again.why, again.state), (first.chosen, first.why, Running));
    }
}
