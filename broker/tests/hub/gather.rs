//! Gathers: one answer about several dispatches, once, whatever happens in between.

use nexus_broker::hub::records::Transaction;
use nexus_broker::hub::{Change, CommandBody, Effect, HubConfig};
use nexus_wire::gather::{
    Gather, GatherCancel, GatherCancelled, GatherPolicy, GatherResult, GatherState, Gathered,
};
use nexus_wire::hands::{
    CancelReceipt, Dispatch, DispatchResult, DispatchState, Dispatched, HandFailure, Lease,
};
use nexus_wire::inbox::ItemBody;
use nexus_wire::limits::{GATHER_BYTES_MAX, GATHERS_OPEN_MAX};
use nexus_wire::roster::Register;
use nexus_wire::{DispatchId, ErrorCode, RequestId};
use serde_json::{Value, json};

use crate::on_both_stores;
use crate::world::{World, parsed, party};

fn of(dispatches: &[DispatchId], policy: GatherPolicy) -> Gather {
    Gather { dispatches: dispatches.to_vec(), policy, ..Gather::default() }
}

trait Gathering {
    fn team(&mut self);
    fn give(&mut self, sender: &str, parent: Option<Lease>) -> DispatchId;
    fn finish(&mut self, id: DispatchId, output: Result<Value, &str>) -> Vec<Effect>;
    fn gather(&mut self, sender: &str, gather: Gather) -> Gathered;
    fn results(&self, who: &str) -> Vec<GatherResult>;
    fn stands(&self, id: DispatchId) -> DispatchState;
}

impl<S: Transaction> Gathering for World<S> {
    /// ana and forge ask, wren works.
    fn team(&mut self) {
        self.operator("ana");
        let hand = serde_json::from_value(json!({"name": "check", "concurrency": 8})).unwrap();
        let worker = Register { hands: vec![hand], slots: 8, ..Register::default() };
        for name in ["forge", "wren"] {
            self.aspect(name);
            self.register(name, worker.clone()).unwrap();
        }
    }

    fn give(&mut self, sender: &str, parent: Option<Lease>) -> DispatchId {
        let hand: nexus_wire::HandRef = "wren/check".parse().unwrap();
        let dispatch = Dispatch { parent, ..Dispatch::to(hand, json!(1)) };
        self.request::<Dispatched>(sender, Change::Dispatch(dispatch.into())).unwrap().dispatch
    }

    fn finish(&mut self, id: DispatchId, output: Result<Value, &str>) -> Vec<Effect> {
        let error =
            output.as_ref().err().map(|why| HandFailure { code: "no".into(), message: (*why).into() });
        let lease = Lease { dispatch: id, attempt: 1 };
        let host = self.store.dispatch(id).unwrap().unwrap().info.hand.aspect;
        let result = DispatchResult {
            lease,
            output: output.ok(),
            error,
            usage: Default::default(),
            cost_microusd: None,
        };
        let request = RequestId(self.id());
        let (answer, effects) = self.request_as(host.as_str(), request, Change::DispatchResult(result));
        answer.unwrap();
        effects
    }

    fn gather(&mut self, sender: &str, gather: Gather) -> Gathered {
        self.request(sender, Change::Gather(gather)).unwrap()
    }

    fn results(&self, who: &str) -> Vec<GatherResult> {
        let result = |body| if let ItemBody::Gather(result) = body { Some(result) } else { None };
        self.inbox(who).into_iter().filter_map(|item| result(item.body)).collect()
    }

    fn stands(&self, id: DispatchId) -> DispatchState {
        self.store.dispatch(id).unwrap().unwrap().info.state
    }
}

on_both_stores! {
    fn all_of_them_are_told_of_together_across_a_start_of_the_broker(world) {
        world.team();
        let ids = [world.give("forge", None), world.give("forge", None)];
        world.finish(ids[0], Ok(json!("a")));
        let gathered = world.gather("forge", of(&ids, GatherPolicy::All));
        assert_eq!(gathered.state, GatherState::Open);
        world.start(HubConfig::default());
        world.register("wren", Register {
            leases: vec![nexus_wire::roster::HeldLease { lease: Lease { dispatch: ids[1], attempt: 1 }, waiting: false }],
            last_generation: 1, ..Register::default()
        }).unwrap();
        assert_eq!(world.results("forge"), []);
        world.finish(ids[1], Ok(json!("b")));
        let told = world.results("forge");
        assert_eq!(told.len(), 1, "once");
        assert_eq!((told[0].gather, told[0].state, told[0].need), (gathered.gather, GatherState::Met, 2));
        let outputs: Vec<_> = told[0].outcomes.iter().map(|it| (it.dispatch, it.output.clone())).collect();
        assert_eq!(outputs, [(ids[0], Some(json!("a"))), (ids[1], Some(json!("b")))]);
        assert_eq!((told[0].open.clone(), told[0].left_out.clone()), (vec![], vec![]));
    }

    fn open_ones_are_listed_to_whom_they_concern(world) {
        world.team();
        let given = [world.give("forge", None), world.give("forge", None), world.give("operator/ana", None)];
        let first = world.gather("forge", of(&given[..1], GatherPolicy::All)).gather;
        let second = world.gather("forge", of(&given[..2], GatherPolicy::All)).gather;
        let anas = world.gather("operator/ana", of(&given[2..], GatherPolicy::All)).gather;
        for (reader, before, expected) in [
            ("operator/ana", None, vec![anas, second, first]),
            ("operator/ana", Some(anas), vec![second, first]),
            ("forge", None, vec![second, first]),
            ("forge", Some(second), vec![first]),
            ("wren", None, vec![]),
        ] {
            let party = party(reader);
            let shown: Vec<_> = world.hub.open_gathers(&party, before).map(|info| info.id).collect();
            assert_eq!(shown, expected, "{reader} {before:?}");
        }
        world.finish(given[0], Ok(json!(1)));
        world.start(HubConfig::default());
        let shown: Vec<_> = world.hub.open_gathers(&party("forge"), None).cloned().collect();
        assert_eq!(shown, [world.store.gather(second).unwrap().unwrap().info]);
        assert_eq!(shown[0].members[0].ended, Some(DispatchState::Done));
    }

    fn the_first_one_done_ends_it_and_the_losers_too(world) {
        world.team();
        let ids = [world.give("forge", None), world.give("forge", None), world.give("forge", None)];
        world.gather("forge", of(&ids, GatherPolicy::First));
        world.finish(ids[1], Err("no luck"));
        assert_eq!(world.results("forge"), [], "one that failed decides nothing yet");
        world.finish(ids[2], Ok(json!(3)));
        let told = world.results("forge").remove(0);
        assert_eq!((told.state, told.open.clone()), (GatherState::Met, vec![ids[0]]));
        let states: Vec<_> = told.outcomes.iter().map(|it| it.state).collect();
        assert_eq!(states, [DispatchState::Failed, DispatchState::Done]);
        assert_eq!(world.stands(ids[0]), DispatchState::Cancelled);
        let kept = [world.give("forge", None), world.give("forge", None)];
        world.gather("forge", Gather { cancel_rest: Some(false), ..of(&kept, GatherPolicy::First) });
        world.finish(kept[0], Ok(json!(1)));
        assert_eq!(world.stands(kept[1]), DispatchState::Running);
    }

    fn it_fails_once_it_cannot_be_met_any_more(world) {
        world.team();
        let ids = [world.give("forge", None), world.give("forge", None), world.give("forge", None)];
        world.gather("forge", Gather { n: Some(2), ..of(&ids, GatherPolicy::N) });
        world.gather("forge", of(&ids[..2], GatherPolicy::All));
        world.finish(ids[0], Err("no"));
        let all = world.results("forge");
        assert_eq!((all.len(), all[0].state, all[0].open.clone()), (1, GatherState::Failed, vec![ids[1]]));
        assert_eq!(world.stands(ids[1]), DispatchState::Running, "for `all` the rest goes on");
        world.finish(ids[1], Err("no"));
        let told = world.results("forge");
        assert_eq!((told.len(), told[1].state, told[1].need), (2, GatherState::Failed, 2));
        assert_eq!(world.stands(ids[2]), DispatchState::Cancelled, "beyond hope");
    }

    fn it_is_cancelled_by_whom_it_belongs_to_with_its_dispatches_or_without(world) {
        world.team();
        let cancel = |gather, cancel_rest| {
            Change::GatherCancel(GatherCancel { gather, reason: Some("enough".into()), cancel_rest })
        };
        // (as it was made, as the cancel says, whether the rest ends)
        let cases = [(None, None, false), (Some(true), None, true), (None, Some(true), true), (Some(true), Some(false), false)];
        for (at, (made, said, ends)) in cases.into_iter().enumerate() {
            let ids = [world.give("forge", None), world.give("forge", None)];
            let gather = Gather { cancel_rest: made, ..of(&ids, GatherPolicy::All) };
            let gather = world.gather("forge", gather).gather;
            world.finish(ids[0], Ok(json!("a")));
            for stranger in ["wren", "operator/nobody"] {
                let refused = world.request::<Value>(stranger, cancel(gather, said)).unwrap_err();
                assert!(matches!(refused.code, ErrorCode::NotFound | ErrorCode::Unauthorized), "{refused:?}");
            }
            let request = RequestId(world.id());
            let by = ["forge", "operator/ana"][at % 2];
            for _ in 0..2 {
                let cancelled: GatherCancelled = parsed(&world.request_as(by, request, cancel(gather, said)).0.unwrap());
                let rest = if ends { vec![ids[1]] } else { vec![] };
                assert_eq!((cancelled.state, cancelled.rest.cancelled), (GatherState::Cancelled, rest), "case {at}");
            }
            let told = world.results("forge");
            assert_eq!(told.len(), at + 1, "once");
            let told = &told[at];
            let reason = format!("cancelled by {by}: enough");
            assert_eq!((told.state, told.reason.as_deref()), (GatherState::Cancelled, Some(reason.as_str())));
            assert_eq!((told.outcomes.len(), told.open.clone()), (1, vec![ids[1]]));
            let state = if ends { DispatchState::Cancelled } else { DispatchState::Running };
            assert_eq!(world.stands(ids[1]), state, "case {at}");
            if !ends {
                world.finish(ids[1], Ok(json!("b")));
            }
            let again: GatherCancelled = world.request(by, cancel(gather, None)).unwrap();
            assert_eq!((again.state, again.rest), (GatherState::Cancelled, CancelReceipt::default()));
            let other = world.request_as(by, request, cancel(gather, Some(!ends))).0;
            assert_eq!(other.unwrap_err().code, ErrorCode::IdReused);
        }
        assert_eq!(world.hub.open_gathers(&party("forge"), None).count(), 0);
        let id = world.give("forge", None);
        let met = world.gather("forge", of(&[id], GatherPolicy::All)).gather;
        world.finish(id, Ok(json!(1)));
        let late: GatherCancelled = world.request("operator/ana", cancel(met, Some(true))).unwrap();
        assert_eq!((late.gather, late.state), (met, GatherState::Met));
    }

    fn its_deadline_ends_it(world) {
        world.team();
        let ids = [world.give("forge", None)];
        let gathered = world.gather("forge", Gather { deadline_s: Some(2), ..of(&ids, GatherPolicy::First) });
        assert_eq!(gathered.deadline_at, world.at + 2_000);
        assert_eq!(world.hub.next_timer(), Some(gathered.deadline_at));
        world.at = gathered.deadline_at - 1;
        world.apply(CommandBody::Tick);
        assert_eq!(world.results("forge")[0].state, GatherState::TimedOut);
        assert_eq!(world.stands(ids[0]), DispatchState::Cancelled);
    }

    fn a_repeat_is_the_first_one_and_only_ones_own_are_gathered(world) {
        world.team();
        let own = world.give("forge", None);
        let others = world.give("operator/ana", None);
        let request = RequestId(world.id());
        let first: Gathered =
            parsed(&world.request_as("forge", request, Change::Gather(of(&[own], GatherPolicy::All))).0.unwrap());
        world.finish(own, Ok(json!(1)));
        let again: Gathered =
            parsed(&world.request_as("forge", request, Change::Gather(of(&[own], GatherPolicy::All))).0.unwrap());
        assert_eq!(again, Gathered { state: GatherState::Met, ..first });
        let other = world.request_as("forge", request, Change::Gather(of(&[own], GatherPolicy::First))).0;
        assert_eq!(other.unwrap_err().code, ErrorCode::IdReused);
        assert_eq!(world.results("forge").len(), 1);
        let cases = [
            ("another's", of(&[others], GatherPolicy::All), ErrorCode::NotFound),
            ("none", of(&[], GatherPolicy::All), ErrorCode::Invalid),
            ("twice", of(&[own, own], GatherPolicy::All), ErrorCode::Invalid),
            ("n of none", of(&[own], GatherPolicy::N), ErrorCode::Invalid),
            ("too many", Gather { n: Some(2), ..of(&[own], GatherPolicy::N) }, ErrorCode::Invalid),
            ("zero", Gather { n: Some(0), ..of(&[own], GatherPolicy::N) }, ErrorCode::Invalid),
            ("n with all", Gather { n: Some(1), ..of(&[own], GatherPolicy::All) }, ErrorCode::Invalid),
        ];
        for (case, gather, code) in cases {
            let refused = world.request::<Gathered>("forge", Change::Gather(gather)).unwrap_err();
            assert_eq!(refused.code, code, "{case}: {refused}");
        }
        // What has ended already is told at once; an operator has no inbox and reads it.
        world.finish(others, Ok(json!(1)));
        let gathered = world.gather("operator/ana", of(&[others], GatherPolicy::All));
        let kept = world.store.gather(gathered.gather).unwrap().unwrap().info;
        assert_eq!((kept.state, kept.ended_at), (GatherState::Met, Some(world.at)));
    }

    fn each_invoker_has_so_many_open_and_no_more(world) {
        world.team();
        let (own, done) = (world.give("forge", None), world.give("forge", None));
        let others = world.give("operator/ana", None);
        world.finish(done, Ok(json!(1)));
        let request = RequestId(world.id());
        let first = |world: &mut World<S>| {
            let (answer, _) = world.request_as("forge", request, Change::Gather(of(&[own], GatherPolicy::All)));
            parsed::<Gathered>(&answer.unwrap())
        };
        let one = first(world);
        for _ in 1..GATHERS_OPEN_MAX {
            // One that is decided as it is made takes no room.
            world.gather("forge", of(&[done], GatherPolicy::All));
            world.gather("forge", of(&[own], GatherPolicy::All));
        }
        let refused = world.request::<Gathered>("forge", Change::Gather(of(&[own], GatherPolicy::First))).unwrap_err();
        let message = "forge has 256 open gathers, and 256 is the most; wait for one to end, or cancel one";
        assert_eq!((refused.code, refused.message.as_str()), (ErrorCode::QueueFull, message));
        assert_eq!(first(world), one, "a repeat is no more");
        world.gather("operator/ana", of(&[others], GatherPolicy::All));
        let cancel = GatherCancel { gather: one.gather, reason: None, cancel_rest: None };
        let _: GatherCancelled = world.request("forge", Change::GatherCancel(cancel)).unwrap();
        world.gather("forge", of(&[own], GatherPolicy::All));
        assert_eq!(world.hub.open_gathers(&party("forge"), None).count(), GATHERS_OPEN_MAX);
    }

    /// In whatever order they are made, each ends when its own deadline passes.
    fn the_first_deadline_is_the_next_timer(world) {
        world.team();
        let id = world.give("forge", None);
        let mut ends = Vec::new();
        for seconds in [12, 4, 8, 4] {
            let gathered = world.gather("forge", Gather { deadline_s: Some(seconds), ..of(&[id], GatherPolicy::All) });
            ends.push((gathered.deadline_at, gathered.gather));
        }
        ends.sort_unstable();
        for (at, (deadline, gather)) in ends.iter().enumerate() {
            world.at = deadline - 2;
            world.apply(CommandBody::Tick);
            assert_eq!((world.results("forge").len(), world.hub.next_timer()), (at, Some(*deadline)), "{gather}");
            world.apply(CommandBody::Tick);
            let told = world.results("forge");
            let last = told.last().map(|told| (told.gather, told.state));
            assert_eq!((told.len(), last), (at + 1, Some((*gather, GatherState::TimedOut))));
        }
    }

    fn a_hand_yields_its_place_until_none_of_them_is_open(world) {
        world.team();
        let root = {
            let hand: nexus_wire::HandRef = "forge/check".parse().unwrap();
            let dispatch = Dispatch::to(hand, json!(1));
            world.request::<Dispatched>("operator/ana", Change::Dispatch(dispatch.into())).unwrap().dispatch
        };
        let lease = Lease { dispatch: root, attempt: 1 };
        let ids = [world.give("forge", Some(lease)), world.give("forge", Some(lease))];
        let stranger = world.give("forge", None);
        let cases = [
            ("keeps the rest", Gather { lease: Some(lease), cancel_rest: Some(false), ..of(&ids, GatherPolicy::First) }, ErrorCode::Invalid),
            ("no child", Gather { lease: Some(lease), ..of(&[stranger], GatherPolicy::First) }, ErrorCode::Invalid),
            ("stale", Gather { lease: Some(Lease { attempt: 2, ..lease }), ..of(&ids, GatherPolicy::First) }, ErrorCode::StaleToken),
        ];
        for (case, gather, code) in cases {
            let refused = world.request::<Gathered>("forge", Change::Gather(gather)).unwrap_err();
            assert_eq!(refused.code, code, "{case}: {refused}");
            assert_eq!(world.stands(root), DispatchState::Running, "{case}");
        }
        let gather = Gather { lease: Some(lease), ..of(&ids, GatherPolicy::First) };
        let request = RequestId(world.id());
        world.request_as("forge", request, Change::Gather(gather.clone())).0.unwrap();
        assert_eq!(world.stands(root), DispatchState::Waiting);
        world.finish(ids[0], Ok(json!(1)));
        assert_eq!(world.stands(ids[1]), DispatchState::Cancelled);
        assert_eq!(world.stands(root), DispatchState::Running);
        let resumes = world.inbox("forge").into_iter().filter(|it| matches!(it.body, ItemBody::Resume { .. }));
        assert_eq!((resumes.count(), world.results("forge").len()), (1, 1));
        // A repeat yields nothing again.
        world.request_as("forge", request, Change::Gather(gather)).0.unwrap();
        assert_eq!(world.stands(root), DispatchState::Running);
    }

    fn outputs_beyond_a_frames_room_are_left_to_their_own_results(world) {
        world.team();
        let ids = [world.give("forge", None), world.give("forge", None), world.give("forge", None)];
        let large = "x".repeat(GATHER_BYTES_MAX / 2);
        world.finish(ids[0], Ok(json!(large)));
        world.finish(ids[1], Ok(json!(large)));
        let mut deep = json!(1);
        for _ in 0..57 {
            deep = json!([deep]);
        }
        world.finish(ids[2], Ok(deep));
        world.gather("forge", of(&ids, GatherPolicy::All));
        let told = world.results("forge").remove(0);
        assert_eq!((told.state, told.left_out.clone()), (GatherState::Met, vec![ids[1]]));
        let has_output: Vec<bool> = told.outcomes.iter().map(|it| it.output.is_some()).collect();
        assert_eq!(has_output, [true, false, true]);
        let rows = world.store.inbox(&"forge".parse().unwrap(), 0, 100).unwrap();
        for row in rows {
            let text = nexus_wire::envelope::deliver_text(row.offset, &row.json);
            assert!(nexus_wire::envelope::decode::<nexus_wire::FromBroker>(&text).is_ok(), "{}", row.offset);
        }
    }
}
