//! What admins keep an aspect from: it holds until it is released, and work goes on or ends accordingly.

use nexus_broker::hub::records::Transaction;
use nexus_broker::hub::{Change, CommandBody, Effect, HubConfig};
use nexus_wire::hands::{Dispatch, DispatchState, Dispatched};
use nexus_wire::limits::CLOSE_HELD;
use nexus_wire::roster::{
    AspectRelease, AspectRestrain, AspectRestraint, AspectState, Register, Restraint, RestraintKind,
};
use nexus_wire::{DispatchId, ErrorCode, LinkId, RequestId};
use serde_json::json;

use crate::on_both_stores;
use crate::world::{World, name, party};

fn restrain(kind: RestraintKind, reason: &str) -> Change {
    Change::AspectRestrain(AspectRestrain { name: name("wren"), kind, reason: reason.into() })
}

fn release() -> Change {
    Change::AspectRelease(AspectRelease { name: name("wren") })
}

fn worker(last_generation: u64) -> Register {
    let hand = |text| serde_json::from_str(text).unwrap();
    let hands =
        vec![hand(r#"{"name":"check","concurrency":4}"#), hand(r#"{"name":"look","idempotent":true}"#)];
    Register { hands, slots: 4, last_generation, ..Register::default() }
}

fn closes(effects: &[Effect]) -> Vec<(LinkId, u16)> {
    let close = |effect: &Effect| {
        let Effect::Close { link, code, .. } = effect else { return None };
        Some((*link, *code))
    };
    effects.iter().filter_map(close).collect()
}

trait Team {
    fn team(&mut self);
    fn give(&mut self, hand: &str) -> DispatchId;
    fn stands(&self, id: DispatchId) -> DispatchState;
}

impl<S: Transaction> Team for World<S> {
    fn team(&mut self) {
        self.operator("ana");
        self.aspect("wren");
        self.register("wren", worker(0)).unwrap();
    }

    fn give(&mut self, hand: &str) -> DispatchId {
        let hand: nexus_wire::HandRef = hand.parse().unwrap();
        let dispatch = Dispatch::to(hand, json!(1));
        self.request::<Dispatched>("operator/ana", Change::Dispatch(dispatch.into())).unwrap().dispatch
    }

    fn stands(&self, id: DispatchId) -> DispatchState {
        self.store.dispatch(id).unwrap().unwrap().info.state
    }
}

on_both_stores! {
    fn whoever_is_held_is_closed_and_stays_down_until_released(world) {
        world.team();
        let (check, look) = (world.give("wren/check"), world.give("wren/look"));
        world.ack("wren", 2).unwrap();
        let link = world.link("wren").unwrap();
        let request = RequestId(world.id());
        let held = restrain(RestraintKind::Held, "it deletes files");
        let (answer, effects) = world.request_as("operator/ana", request, held.clone());
        answer.unwrap();
        assert_eq!(closes(&effects), [(link, CLOSE_HELD)]);
        assert_eq!(world.stands(check), DispatchState::Failed, "it may not be tried twice");
        assert_eq!(world.stands(look), DispatchState::Pending, "it may");
        let in_force = AspectRestraint {
            aspect: name("wren"),
            restraint: Some(Restraint {
                kind: RestraintKind::Held, reason: "it deletes files".into(), by: party("operator/ana"), at: world.at,
            }),
        };
        let again: AspectRestraint = world.request("operator/ana", held).unwrap();
        assert_eq!(again, in_force, "the first one stands");
        for _ in 0..2 {
            let link = LinkId(world.id());
            let (refused, effects) = world.register_on("wren", link, worker(1));
            let refused = refused.unwrap_err();
            assert_eq!((refused.code, refused.retryable), (ErrorCode::Held, false));
            assert!(refused.message.contains("it deletes files"), "{}", refused.message);
            assert_eq!(closes(&effects), [(link, CLOSE_HELD)]);
            world.start(HubConfig::default());
        }
        let released: AspectRestraint = world.request("operator/ana", release()).unwrap();
        assert_eq!(released, AspectRestraint { aspect: name("wren"), restraint: None });
        world.register("wren", worker(1)).unwrap();
        assert_eq!(world.stands(look), DispatchState::Running);
    }

    fn whoever_is_paused_keeps_what_it_has_and_is_given_nothing(world) {
        world.team();
        let first = world.give("wren/check");
        let (_, effects) = {
            let request = RequestId(world.id());
            world.request_as("operator/ana", request, restrain(RestraintKind::Paused, "a new disk"))
        };
        assert_eq!(closes(&effects), []);
        let shown = world.hub.roster().aspect(&name("wren")).unwrap().info();
        assert_eq!((shown.state, shown.since), (AspectState::Offline, world.at));
        let second = world.give("wren/check");
        assert_eq!((world.stands(first), world.stands(second)), (DispatchState::Running, DispatchState::Pending));
        // It holds for another link too, and across a start of the broker.
        world.start(HubConfig::default());
        let held = nexus_wire::roster::HeldLease {
            lease: nexus_wire::hands::Lease { dispatch: first, attempt: 1 }, waiting: false,
        };
        world.register("wren", Register { leases: vec![held], ..worker(1) }).unwrap();
        assert_eq!((world.stands(first), world.stands(second)), (DispatchState::Running, DispatchState::Pending));
        world.request::<AspectRestraint>("operator/ana", release()).unwrap();
        assert_eq!((world.stands(first), world.stands(second)), (DispatchState::Running, DispatchState::Running));
        let shown = world.hub.roster().aspect(&name("wren")).unwrap().info();
        assert_eq!((shown.state, shown.restraint), (AspectState::Online, None));
    }

    fn a_repeat_is_answered_like_the_first_and_holds_nobody_again(world) {
        world.team();
        let request = RequestId(world.id());
        let held = restrain(RestraintKind::Held, "so");
        let first = world.request_as("operator/ana", request, held.clone()).0.unwrap();
        world.request::<AspectRestraint>("operator/ana", release()).unwrap();
        let (again, effects) = world.request_as("operator/ana", request, held);
        assert_eq!((again.unwrap(), effects), (first, vec![]));
        assert_eq!(world.hub.roster().aspect(&name("wren")).unwrap().restraint, None, "the release stands");
        let other = world.request_as("operator/ana", request, release()).0.unwrap_err();
        assert_eq!(other.code, ErrorCode::IdReused);
    }

    fn one_restraint_takes_the_place_of_another_and_each_is_in_the_log(world) {
        world.team();
        let kinds = |effects: &[Effect]| -> Vec<String> {
            let kind = |effect: &Effect| {
                let Effect::Logged(entry) = effect else { return None };
                let nexus_wire::log::LogBody::Other { kind, .. } = &entry.body else { return None };
                (entry.actor == party("operator/ana")).then(|| kind.clone())
            };
            effects.iter().filter_map(kind).collect()
        };
        let steps = [
            (release(), &[][..]),
            (restrain(RestraintKind::Paused, "a"), &["aspect.paused"][..]),
            (restrain(RestraintKind::Paused, "b"), &["aspect.paused"][..]),
            (restrain(RestraintKind::Held, "b"), &["aspect.held"][..]),
            (restrain(RestraintKind::Held, "b"), &[][..]),
            (restrain(RestraintKind::Paused, "b"), &["aspect.paused"][..]),
            (release(), &["aspect.released"][..]),
            (release(), &[][..]),
        ];
        for (change, expected) in steps {
            let request = RequestId(world.id());
            let (answer, effects) = world.request_as("operator/ana", request, change.clone());
            answer.unwrap();
            assert_eq!(kinds(&effects), expected, "{change:?}");
        }
        let nobody = Change::AspectRelease(AspectRelease { name: name("moth") });
        assert_eq!(world.request::<AspectRestraint>("operator/ana", nobody).unwrap_err().code, ErrorCode::NotFound);
        let mute = restrain(RestraintKind::Held, "  ");
        assert_eq!(world.request::<AspectRestraint>("operator/ana", mute).unwrap_err().code, ErrorCode::Invalid);
    }

    fn nobody_who_is_held_is_missed(world) {
        world.team();
        let config = HubConfig { expected: vec![name("wren")], expected_grace_ms: 5, ..HubConfig::default() };
        world.start(config);
        assert!(world.hub.next_timer().is_some());
        world.request::<AspectRestraint>("operator/ana", restrain(RestraintKind::Held, "so")).unwrap();
        assert_eq!(world.hub.next_timer(), None);
        world.at += 100;
        world.apply(CommandBody::Tick);
        assert_eq!(world.store.alerts(true, None, 9).unwrap(), []);
        world.request::<AspectRestraint>("operator/ana", release()).unwrap();
        assert!(world.hub.next_timer().is_some());
    }
}
