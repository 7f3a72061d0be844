//! What a Hand promises and who is chosen for work: schemas, capabilities, the shadow everybody offers.

mod moved;

use nexus_broker::hub::records::{Transaction, Which};
use nexus_broker::hub::{Change, CommandBody};
use nexus_wire::budget::Budget;
use nexus_wire::chat::Usage;
use nexus_wire::hands::{
    CancelReceipt, Dispatch, DispatchCancel, DispatchResult, DispatchRetry, DispatchStanding, DispatchState,
    DispatchStopped, Dispatched, HandFailure, HandSpec, Lease, Lost, Stop, Wanted,
};
use nexus_wire::inbox::ItemBody;
use nexus_wire::roster::Register;
use nexus_wire::{DispatchId, ErrorBody, ErrorCode, HandRef, HandTarget, LinkId, RequestId};
use serde_json::{Value, json};

use crate::on_both_stores;
use crate::world::{World, name, parsed, party};

fn offering(hands: &[Value]) -> Register {
    let hands = hands.iter().map(|hand| serde_json::from_value::<HandSpec>(hand.clone()).unwrap());
    Register { hands: hands.collect(), slots: 4, ..Register::default() }
}

fn to(hand: &str, input: Value) -> Dispatch {
    let hand: HandTarget = hand.parse().unwrap();
    Dispatch::to(hand, input)
}

fn needing(wanted: Value, input: Value) -> Dispatch {
    let capability: Option<Wanted> = Some(serde_json::from_value(wanted).unwrap());
    Dispatch { capability, input, ..Dispatch::default() }
}

fn output(lease: Lease, output: Value) -> Change {
    Change::DispatchResult(DispatchResult {
        lease,
        output: Some(output),
        error: None,
        usage: Usage { input_tokens: 3, ..Usage::default() },
        cost_microusd: None,
    })
}

trait Team {
    fn dispatch(&mut self, sender: &str, dispatch: Dispatch) -> Result<Dispatched, ErrorBody>;
    fn state(&self, id: DispatchId) -> DispatchState;
}

impl<S: Transaction> Team for World<S> {
    fn dispatch(&mut self, sender: &str, dispatch: Dispatch) -> Result<Dispatched, ErrorBody> {
        self.request(sender, Change::Dispatch(dispatch.into()))
    }

    fn state(&self, id: DispatchId) -> DispatchState {
        self.store.dispatch(id).unwrap().unwrap().info.state
    }
}

fn chosen(dispatched: &Dispatched) -> (String, Vec<(String, Option<Lost>)>) {
    let why = dispatched.why.iter().map(|it| (it.hand.to_string(), it.lost)).collect();
    (dispatched.chosen.to_string(), why)
}

on_both_stores! {
    fn a_registration_with_a_schema_that_cannot_be_used_is_refused_and_changes_nothing(world) {
        world.operator("ana");
        world.aspect("wren");
        world.register("wren", offering(&[json!({"name": "check"})])).unwrap();
        let bad = [
            (json!({"name": "a"}), json!({"name": "b", "input_schema": {"properties": {"n": {"type": "nothing"}}}}),
                "input_schema", "/properties/n/type"),
            (json!({"name": "b", "output_schema": {"items": {"$ref": "https://example.com/a"}}}), json!({"name": "a"}),
                "output_schema", "/items"),
        ];
        for (first, second, schema, at) in bad {
            let error = world.register("wren", offering(&[first, second])).unwrap_err();
            assert_eq!((error.code, error.details.clone()), (
                ErrorCode::Invalid, json!({"hand": "b", "schema": schema, "at": at}),
            ));
            assert!(error.message.contains("Hand b") && error.message.contains(at), "{}", error.message);
        }
        assert_eq!(world.dispatch("operator/ana", to("wren/check", json!(1))).unwrap().state, DispatchState::Running);
    }

    fn an_input_that_does_not_follow_is_refused_with_its_places(world) {
        world.operator("ana");
        world.aspect("wren");
        let schema = json!({"type": "object", "properties": {"line": {"minimum": 1}, "tags": {"items": {"type": "string"}}}});
        world.register("wren", offering(&[json!({"name": "check", "input_schema": schema})])).unwrap();
        let request = RequestId(world.id());
        let ask = |input| Change::Dispatch(to("wren/check", input).into());
        let bad = world.request_as("operator/ana", request, ask(json!({"line": 0, "tags": ["a", 7]}))).0.unwrap_err();
        assert_eq!(bad.code, ErrorCode::Invalid);
        assert_eq!((&bad.details["hand"], &bad.details["schema"]), (&json!("wren/check"), &json!("input_schema")));
        let faults = bad.details["faults"].as_array().unwrap();
        let mut at: Vec<&str> = faults.iter().map(|it| it["at"].as_str().unwrap()).collect();
        at.sort_unstable();
        assert_eq!(at, ["/line", "/tags/1"]);
        // A refusal is not remembered: put right under the same id it is accepted.
        let good = world.request_as("operator/ana", request, ask(json!({"line": 1}))).0.unwrap();
        assert_eq!(parsed::<Dispatched>(&good).state, DispatchState::Running);
    }

    fn an_output_that_does_not_follow_may_be_put_right_once(world) {
        world.operator("ana");
        world.aspect("wren");
        world.online("forge");
        let hand = json!({"name": "check", "output_schema": {"type": "object", "required": ["verdict"]}});
        world.register("wren", offering(&[hand])).unwrap();
        let sent = world.dispatch("forge", to("wren/check", json!(1))).unwrap();
        let lease = Lease { dispatch: sent.dispatch, attempt: 1 };
        let first = RequestId(world.id());
        let refused = world.request_as("wren", first, output(lease, json!({"n": 1}))).0.unwrap_err();
        assert_eq!((refused.code, &refused.details["state"]), (ErrorCode::InvalidOutput, &json!("running")));
        assert_eq!(refused.details["faults"], json!([{"at": "", "message": "\"verdict\" is a required property"}]));
        // The answer was lost and the result comes again: that is not the second time.
        for _ in 0..3 {
            let again = world.request_as("wren", first, output(lease, json!({"n": 1})));
            assert_eq!((again.0.unwrap_err(), again.1), (refused.clone(), Vec::new()));
        }
        assert_eq!(world.state(sent.dispatch), DispatchState::Running);
        world.request::<DispatchStanding>("wren", output(lease, json!({"verdict": "yes"}))).unwrap();
        assert_eq!(world.state(sent.dispatch), DispatchState::Done);

        let sent = world.dispatch("forge", to("wren/check", json!(1))).unwrap();
        let lease = Lease { dispatch: sent.dispatch, attempt: 1 };
        let (one, two) = (RequestId(world.id()), RequestId(world.id()));
        world.request_as("wren", one, output(lease, json!(1))).0.unwrap_err();
        let last = world.request_as("wren", two, output(lease, json!(1))).0.unwrap_err();
        assert_eq!((last.code, &last.details["state"]), (ErrorCode::InvalidOutput, &json!("failed")));
        assert_eq!(world.request_as("wren", two, output(lease, json!(1))).0.unwrap_err(), last, "told again the same");
        let info = world.store.dispatch(sent.dispatch).unwrap().unwrap().info;
        assert_eq!((info.state, info.output), (DispatchState::Failed, None));
        assert_eq!((info.error.unwrap().code.as_str(), info.usage.input_tokens), ("invalid_output", 3));
        let ends = world.inbox("forge").into_iter().filter(|item| matches!(item.body, ItemBody::Result(_)));
        assert_eq!(ends.count(), 2, "each end is told once");
    }

    fn a_new_attempt_may_put_right_its_own_output_once(world) {
        world.operator("ana");
        world.aspect("wren");
        let hand = json!({"name": "check", "idempotent": true, "output_schema": {"type": "object"}});
        world.register("wren", offering(std::slice::from_ref(&hand))).unwrap();
        let sent = world.dispatch("operator/ana", to("wren/check", json!(1))).unwrap();
        let lease = |attempt| Lease { dispatch: sent.dispatch, attempt };
        world.request::<DispatchStanding>("wren", output(lease(1), json!(1))).unwrap_err();
        let item = world.inbox("wren")[0].id;
        let epoch = world.hub.roster().aspect(&"wren".parse().unwrap()).unwrap().epoch;
        let resume = Some(nexus_wire::inbox::Resume { epoch, offset: 1, item: Some(item) });
        world.register("wren", Register { resume, ..offering(&[hand]) }).unwrap();
        let refused = world.request::<DispatchStanding>("wren", output(lease(2), json!(1))).unwrap_err();
        assert_eq!(refused.details["state"], json!("running"));
        world.request::<DispatchStanding>("wren", output(lease(2), json!({}))).unwrap();
        assert_eq!(world.state(sent.dispatch), DispatchState::Done);
    }

    fn the_schemas_of_a_later_registration_are_those_that_count(world) {
        world.operator("ana");
        world.aspect("wren");
        world.register("wren", offering(&[json!({"name": "check", "input_schema": {"type": "object"}})])).unwrap();
        assert!(world.dispatch("operator/ana", to("wren/check", json!(1))).is_err());
        world.register("wren", offering(&[json!({"name": "check", "input_schema": {"type": "number"}})])).unwrap();
        assert!(world.dispatch("operator/ana", to("wren/check", json!(1))).is_ok());
        world.register("wren", offering(&[json!({"name": "check"})])).unwrap();
        assert!(world.dispatch("operator/ana", to("wren/check", json!("words"))).is_ok());
    }

    fn the_hand_is_chosen_by_what_it_has_to_be_good_at(world) {
        world.operator("ana");
        for name in ["forge", "wren", "harrow", "keel"] {
            world.aspect(name);
        }
        let verify = |more: Value| {
            let mut hand = json!({"name": "check", "capabilities": ["verify", "German"]});
            hand.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            hand
        };
        world.register("forge", offering(&[verify(json!({"capabilities": ["verify"]}))])).unwrap();
        world.register("wren", offering(&[verify(json!({"input_schema": {"type": "object"}}))])).unwrap();
        world.register("harrow", offering(&[verify(json!({"allowed_invokers": ["wren"]}))])).unwrap();
        world.register("keel", Register { capabilities: vec!["VERIFY".into()], ..offering(&[]) }).unwrap();
        let asked = || needing(json!({"needs": ["verify"], "likes": ["german"]}), json!({"n": 1}));
        let request = RequestId(world.id());
        let first = world.request_as("forge", request, Change::Dispatch(asked().into())).0.unwrap();
        let first: Dispatched = parsed(&first);
        let told = |hands: &[(&str, Option<Lost>)]| {
            hands.iter().map(|(hand, lost)| ((*hand).to_owned(), *lost)).collect::<Vec<_>>()
        };
        assert_eq!(chosen(&first), ("wren/check".to_owned(), told(&[
            ("wren/check", None),
            ("forge/check", Some(Lost::FewerLikes)),
            ("keel/self", Some(Lost::FewerLikes)),
            ("harrow/check", Some(Lost::NotAllowed)),
            ("forge/self", Some(Lost::Lacks)),
            ("harrow/self", Some(Lost::Lacks)),
            ("wren/self", Some(Lost::Lacks)),
        ])));
        assert_eq!(world.state(first.dispatch), DispatchState::Running);
        // A repeat is answered with the same choice, also when it would be another by now.
        let link = world.link("wren").unwrap();
        world.apply(CommandBody::LinkDown { aspect: name("wren"), link, generation: 1 });
        let again = world.request_as("forge", request, Change::Dispatch(asked().into())).0.unwrap();
        assert_eq!(parsed::<Dispatched>(&again), first);
        let other = world.dispatch("forge", asked()).unwrap();
        assert_eq!(other.chosen, "forge/check".parse::<HandRef>().unwrap());
        assert!(other.why.iter().any(|it| it.hand == first.chosen && it.lost == Some(Lost::Offline)));
        // An input that wren does not take is for somebody else.
        world.register_on("wren", LinkId(uuid::Uuid::from_u128(77)), Register {
            last_generation: 1, ..offering(&[verify(json!({"input_schema": {"type": "object"}}))])
        }).0.unwrap();
        let text = world.dispatch("forge", needing(json!({"needs": ["verify", "german"]}), json!("text")));
        let error = text.unwrap_err();
        assert_eq!((error.code, error.retryable), (ErrorCode::NoCandidate, false));
        let because: Vec<&Value> = error.details["candidates"].as_array().unwrap().iter().map(|it| &it["lost"]).collect();
        assert_eq!(because[..3], [&json!("input_refused"), &json!("not_allowed"), &json!("lacks")]);
        assert!(error.message.contains("wren/check does not take this input"), "{}", error.message);
    }

    fn it_is_either_a_hand_or_a_capability(world) {
        world.operator("ana");
        world.aspect("wren");
        world.register("wren", offering(&[json!({"name": "check", "capabilities": ["verify"]})])).unwrap();
        let both = Dispatch { hand: Some(HandTarget::Own), ..needing(json!({"needs": ["verify"]}), json!(1)) };
        let nothing = needing(json!({"needs": [" "]}), json!(1));
        for wrong in [both, nothing, Dispatch::default(), to("self", json!(1))] {
            let error = world.dispatch("operator/ana", wrong.clone()).unwrap_err();
            assert_eq!(error.code, ErrorCode::Invalid, "{wrong:?}");
        }
    }

    fn every_aspect_offers_a_shadow_of_itself(world) {
        world.operator("ana");
        world.aspect("wren");
        world.register("wren", offering(&[])).unwrap();
        world.online("forge");
        for (sender, hand) in [("wren", "self"), ("operator/ana", "wren/self"), ("forge", "wren/self")] {
            let sent = world.dispatch(sender, to(hand, json!("think again"))).unwrap();
            assert_eq!(sent.chosen, "wren/self".parse::<HandRef>().unwrap(), "{sender}");
        }
        // Two at a time, as any Hand that does not say otherwise.
        let assigned: Vec<_> = world.inbox("wren").into_iter().filter_map(|item| match item.body {
            ItemBody::Assignment(assignment) => Some((assignment.hand.to_string(), assignment.timeout_s)),
            ItemBody::Message(_) | ItemBody::Result(_) | ItemBody::Gather(_) | ItemBody::Approval(_) | ItemBody::Run(_)
            | ItemBody::Cancel { .. } | ItemBody::Resume { .. } | ItemBody::Session(_) => None,
        }).collect();
        assert_eq!(assigned, vec![("self".to_owned(), 600); 2]);
        // One that declares it says itself who may.
        world.register("wren", Register {
            leases: Vec::new(),
            ..offering(&[json!({"name": "self", "allowed_invokers": ["wren"]})])
        }).unwrap();
        assert_eq!(world.dispatch("forge", to("wren/self", json!(1))).unwrap_err().code, ErrorCode::Forbidden);
        world.aspect("new");
        assert_eq!(world.dispatch("forge", to("new/self", json!(1))).unwrap_err().code, ErrorCode::NotFound);
    }

    fn a_cancel_says_what_stopped_and_workers_confirm_the_rest(world) {
        world.operator("ana");
        world.online("forge");
        for name in ["wren", "keel"] {
            world.aspect(name);
            world.register(name, Register { slots: 1, ..offering(&[json!({"name": "check"})]) }).unwrap();
        }
        let root = world.dispatch("forge", to("wren/check", json!(1))).unwrap().dispatch;
        let lease = Lease { dispatch: root, attempt: 1 };
        let below = |hand: &str| Change::Dispatch(Dispatch { parent: Some(lease), ..to(hand, json!(1)) }.into());
        let waiting: Dispatched = world.request("wren", below("wren/check")).unwrap();
        let away: Dispatched = world.request("wren", below("keel/check")).unwrap();
        assert_eq!((waiting.state, away.state), (DispatchState::Pending, DispatchState::Running));
        let link = world.link("keel").unwrap();
        world.apply(CommandBody::LinkDown { aspect: name("keel"), link, generation: 1 });
        let stopped = |lease| Change::DispatchStopped(DispatchStopped { lease, usage: Usage::default(), cost_microusd: None });
        let error = world.request::<Value>("wren", stopped(lease)).unwrap_err();
        assert_eq!(error.code, ErrorCode::Invalid, "it is at work: {}", error.message);

        let cancel = Change::DispatchCancel(DispatchCancel { dispatch: root, reason: None });
        let receipt: CancelReceipt = world.request("operator/ana", cancel).unwrap();
        assert_eq!(receipt, CancelReceipt {
            cancelled: vec![root, waiting.dispatch, away.dispatch],
            stopped: vec![waiting.dispatch],
            unconfirmed: vec![root],
            unreachable: vec![away.dispatch],
            already_ended: Vec::new(),
        });
        let stop = |world: &World<S>, id| world.store.dispatch(id).unwrap().unwrap().info.stop;
        assert_eq!(stop(world, waiting.dispatch), None);
        let told = stop(world, root).unwrap();
        assert_eq!((told.attempt, told.confirmed_at), (1, None));
        for stranger in ["forge", "keel"] {
            assert!(world.request::<Value>(stranger, stopped(lease)).is_err(), "{stranger}");
        }
        world.request::<Value>("wren", stopped(lease)).unwrap();
        let confirmed = stop(world, root);
        assert_eq!(confirmed, Some(Stop { confirmed_at: Some(world.at), ..told }));
        let log = world.hub.log_seq();
        world.request::<Value>("wren", stopped(lease)).unwrap();
        assert_eq!((stop(world, root), world.hub.log_seq()), (confirmed, log), "once");
        // The one who was away is told when it is back.
        let register = Register { last_generation: 1, slots: 1, ..offering(&[json!({"name": "check"})]) };
        world.register("keel", register).unwrap();
        let lease = Lease { dispatch: away.dispatch, attempt: 1 };
        assert!(world.inbox("keel").iter().any(|item| matches!(item.body, ItemBody::Cancel { lease: it, .. } if it == lease)));
        assert_eq!(stop(world, away.dispatch).unwrap().confirmed_at, None);
        world.request::<Value>("keel", stopped(lease)).unwrap();
        assert_eq!(stop(world, away.dispatch).unwrap().confirmed_at, Some(world.at));
    }

    fn what_came_to_nothing_is_listed_and_tried_again_once_a_request(world) {
        world.operator("ana");
        world.online("forge");
        world.online("harrow");
        world.aspect("wren");
        world.register("wren", offering(&[json!({"name": "check"})])).unwrap();
        let sent = world.dispatch("forge", Dispatch { deadline_s: Some(100), ..to("wren/check", json!({"n": 1})) }).unwrap();
        let dead = |world: &World<S>| -> Vec<DispatchId> {
            world.store.dispatches(Which::Dead, None, 10).unwrap().into_iter().map(|info| info.id).collect()
        };
        let retry = |dispatch| Change::DispatchRetry(DispatchRetry { dispatch, deadline_s: None, budget: Budget::default() });
        let error = world.request::<Dispatched>("forge", retry(sent.dispatch)).unwrap_err();
        assert_eq!((error.code, dead(world)), (ErrorCode::Invalid, Vec::new()), "it is at work: {}", error.message);
        let lease = Lease { dispatch: sent.dispatch, attempt: 1 };
        let failure = HandFailure { code: "no_luck".into(), message: "not today".into() };
        let failed = DispatchResult { lease, output: None, error: Some(failure), usage: Usage::default(), cost_microusd: None };
        world.request::<DispatchStanding>("wren", Change::DispatchResult(failed)).unwrap();
        assert_eq!(dead(world), vec![sent.dispatch]);
        assert_eq!(world.request::<Dispatched>("harrow", retry(sent.dispatch)).unwrap_err().code, ErrorCode::Forbidden);
        let nothing = DispatchId(world.id());
        assert_eq!(world.request::<Dispatched>("forge", retry(nothing)).unwrap_err().code, ErrorCode::NotFound);

        let request = RequestId(world.id());
        let again: Dispatched = parsed(&world.request_as("operator/ana", request, retry(sent.dispatch)).0.unwrap());
        let (repeated, effects) = world.request_as("operator/ana", request, retry(sent.dispatch));
        assert_eq!((parsed::<Dispatched>(&repeated.unwrap()), effects), (again.clone(), Vec::new()));
        let other = DispatchRetry { dispatch: sent.dispatch, deadline_s: Some(5), budget: Budget::default() };
        let other = Change::DispatchRetry(other);
        assert_eq!(world.request_as("operator/ana", request, other).0.unwrap_err().code, ErrorCode::IdReused);
        let info = world.store.dispatch(again.dispatch).unwrap().unwrap().info;
        assert_eq!((info.retry_of, info.input.clone()), (Some(sent.dispatch), json!({"n": 1})));
        assert_eq!((info.invoker, info.parent, info.deadline_at - info.accepted_at), (party("operator/ana"), None, 100_000));
        let old = world.store.dispatch(sent.dispatch).unwrap().unwrap().info;
        assert_eq!((old.state, old.retried_as, old.input), (DispatchState::Failed, Some(again.dispatch), json!({"n": 1})));
        assert_eq!(dead(world), Vec::new(), "what is tried again is not dead");
        // The Hand has changed since: the same work is not for it any more.
        world.at += 200_000;
        world.apply(CommandBody::Tick);
        assert_eq!((world.state(again.dispatch), dead(world)), (DispatchState::TimedOut, vec![again.dispatch]));
        world.register("wren", offering(&[json!({"name": "check", "input_schema": {"type": "string"}})])).unwrap();
        assert_eq!(world.request::<Dispatched>("operator/ana", retry(again.dispatch)).unwrap_err().code, ErrorCode::Invalid);
        assert_eq!(dead(world), vec![again.dispatch]);
    }

    fn work_for_a_hand_that_is_gone_ends_at_once(world) {
        world.operator("ana");
        world.online("forge");
        world.aspect("wren");
        let both = [json!({"name": "check"}), json!({"name": "paint", "idempotent": true})];
        let register = |hands: &[Value]| Register { slots: 1, ..offering(hands) };
        world.register("wren", register(&both)).unwrap();
        let running = world.dispatch("forge", to("wren/paint", json!(1))).unwrap().dispatch;
        let waiting = world.dispatch("forge", to("wren/paint", json!(2))).unwrap().dispatch;
        let other = world.dispatch("forge", to("wren/check", json!(3))).unwrap().dispatch;
        let held = nexus_wire::roster::HeldLease { lease: Lease { dispatch: running, attempt: 1 }, waiting: false };
        world.register("wren", Register { leases: vec![held], ..register(&both[..1]) }).unwrap();
        let states = [running, waiting, other].map(|id| world.state(id));
        assert_eq!(states, [DispatchState::Running, DispatchState::Failed, DispatchState::Pending]);
        let code = |world: &World<S>, id| world.store.dispatch(id).unwrap().unwrap().info.error.unwrap().code;
        assert_eq!(code(world, waiting), "hand_gone");
        // Its worker is lost as well: there is no next attempt for what nobody offers.
        world.at += 30_001;
        world.apply(CommandBody::Tick);
        assert_eq!((world.state(running), code(world, running)), (DispatchState::Failed, "hand_gone".to_owned()));
        assert_eq!(world.state(other), DispatchState::Running);
        let more = world.dispatch("forge", to("wren/check", json!(4))).unwrap().dispatch;
        let revoke = CommandBody::RevokeAspect { by: party("operator/ana"), name: name("wren") };
        world.call(revoke).0.unwrap();
        assert_eq!((world.state(other), code(world, other)), (DispatchState::Failed, "worker_lost".to_owned()));
        assert_eq!((world.state(more), code(world, more)), (DispatchState::Failed, "hand_gone".to_owned()));
        let ends = world.inbox("forge").into_iter().filter(|item| matches!(item.body, ItemBody::Result(_)));
        assert_eq!(ends.count(), 4, "and its invoker learns of each");
        assert!(world.hub.queue().is_empty());
    }
}
