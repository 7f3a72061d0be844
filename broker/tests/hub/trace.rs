//! A trace goes on through what is durable: messages, items, dispatches and each of their attempts.

use nexus_broker::hub::records::{DispatchTrace, Transaction};
use nexus_broker::hub::{Change, CommandBody, Effect, Milestone, Traced};
use nexus_wire::chat::Usage;
use nexus_wire::hands::{
    Dispatch, DispatchResult, DispatchRetry, DispatchState, Dispatched, HandSpec, Lease,
};
use nexus_wire::inbox::{Decision, InboxClose, Item, ItemBody};
use nexus_wire::roster::Register;
use nexus_wire::{HandRef, RequestId, TraceContext, derive};
use serde_json::json;

use crate::on_both_stores;
use crate::world::{World, name, parsed, party};

fn context(span: u8) -> TraceContext {
    TraceContext::new([4; 16], [span; 8], true).unwrap().with_state("vendor=1")
}

fn traced(span: u8, is_recorded: bool) -> Option<Box<Traced>> {
    Some(Box::new(Traced { context: context(span), is_recorded }))
}

fn hand() -> HandRef {
    "wren/check".parse().unwrap()
}

fn worker() -> Register {
    let check: HandSpec = serde_json::from_value(json!({"name": "check", "idempotent": true})).unwrap();
    Register { hands: vec![check], slots: 4, ..Register::default() }
}

fn result(lease: Lease) -> Change {
    let (output, usage) = (Some(json!("it holds")), Usage::default());
    Change::DispatchResult(DispatchResult { lease, output, error: None, usage, cost_microusd: None })
}

fn traces<S: Transaction>(world: &World<S>, aspect: &str) -> Vec<Option<TraceContext>> {
    world.inbox(aspect).into_iter().map(|item| item.trace).collect()
}

fn milestones(effects: &[Effect]) -> Vec<Milestone> {
    let passed = |effect: &Effect| if let Effect::Passed(it) = effect { Some((**it).clone()) } else { None };
    effects.iter().filter_map(passed).collect()
}

on_both_stores! {
    fn what_nobody_traces_says_nothing_of_it(world) {
        world.operator("ana");
        world.aspect("wren");
        world.register("wren", worker()).unwrap();
        world.say("operator/ana", "@wren hello");
        let (_, effects) = world.call(CommandBody::Request {
            sender: party("operator/ana"),
            link: None,
            request: RequestId(uuid::Uuid::from_u128(5)),
            change: Change::Dispatch(Dispatch::to(hand(), json!(1)).into()),
        });
        assert_eq!(milestones(&effects), []);
        assert_eq!(traces(world, "wren"), [None, None]);
        let texts = world.store.inbox(&name("wren"), 0, 9).unwrap();
        assert!(texts.iter().all(|row| !row.json.contains("trace")), "{texts:?}");
    }

    fn a_message_keeps_its_trace_in_every_inbox_and_when_it_is_read_again(world) {
        world.operator("ana");
        world.online("wren");
        world.aspect("forge");
        world.trace = traced(1, true);
        let (_, effects) = world.request_as(
            "operator/ana",
            RequestId(uuid::Uuid::from_u128(5)),
            Change::ChatSend(crate::world::message("@wren @forge hello").into()),
        );
        let pushed = effects.iter().filter_map(|effect| {
            if let Effect::Push { item, trace, .. } = effect { Some((item.to_string(), trace.clone())) } else { None }
        });
        let pushed: Vec<_> = pushed.collect();
        world.trace = None;
        let stored = world.store.inbox(&name("wren"), 0, 1).unwrap().remove(0).json.to_string();
        assert_eq!(pushed, [(stored, Some(Box::new(context(1))))]);
        assert_eq!(traces(world, "forge"), [Some(context(1))]);

        // Also once it is marked as answered, which changes the item's text.
        world.ack("wren", 1).unwrap();
        let item = world.inbox("wren").remove(0);
        let close = InboxClose { item: item.id, decision: Decision::Silent, reason: None, message: None, outcome: None, spent: None, meta: None };
        world.request::<serde_json::Value>("wren", Change::InboxClose(close)).unwrap();
        assert_eq!(world.inbox("wren"), [Item { answered: true, ..item }]);
    }

    fn the_items_of_a_dispatch_carry_its_trace_wherever_its_result_comes_from(world) {
        world.operator("ana");
        world.online("forge");
        world.aspect("wren");
        world.register("wren", worker()).unwrap();
        world.trace = traced(1, false);
        let made: Dispatched = world.request("forge", Change::Dispatch(Dispatch::to(hand(), json!(1)).into())).unwrap();
        world.trace = traced(2, true);
        let lease = Lease { dispatch: made.dispatch, attempt: 1 };
        world.request::<serde_json::Value>("wren", result(lease)).unwrap();
        assert_eq!(traces(world, "wren"), [Some(context(1))], "the assignment");
        assert_eq!(traces(world, "forge"), [Some(context(1))], "the result");
        let record = world.store.dispatch(made.dispatch).unwrap().unwrap();
        assert_eq!(record.trace, Some(DispatchTrace { context: context(1), under: None, retries: None }));
    }

    fn a_broker_that_tells_spans_tells_of_each_wait_and_of_the_end(world) {
        world.online("forge");
        world.aspect("wren");
        world.trace = traced(1, true);
        let request = RequestId(world.id());
        let (answer, effects) =
            world.request_as("forge", request, Change::Dispatch(Dispatch::to(hand(), json!(1)).into()));
        assert!(answer.is_err() && milestones(&effects).is_empty(), "there is no such Hand yet");
        world.trace = None;
        world.register("wren", worker()).unwrap();
        world.trace = traced(1, true);
        let (answer, effects) =
            world.request_as("forge", request, Change::Dispatch(Dispatch::to(hand(), json!(1)).into()));
        let made: Dispatched = parsed(&answer.unwrap());
        world.trace = None;
        let own = context(1).at(derive::span_id(made.dispatch, "span", 0));
        let trace = DispatchTrace { context: own.clone(), under: Some(context(1)), retries: None };
        let accepted = world.at;
        let queued = |attempt, since, at| Milestone::Queued {
            trace: trace.clone(), dispatch: made.dispatch, hand: hand(), attempt, since, at,
        };
        assert_eq!(milestones(&effects), [queued(1, accepted, accepted)]);
        assert_eq!(traces(world, "wren"), [Some(own.clone())]);

        // Its lease runs out and it is tried again; then its deadline passes.
        world.at += 31_000;
        let effects = world.apply(CommandBody::Tick);
        assert_eq!(milestones(&effects), [queued(2, world.at, world.at)]);
        world.at += 3_600_000;
        let effects = world.apply(CommandBody::Tick);
        let [.., Milestone::Ended { trace: ended, outcome, invoker, since, at }] = &milestones(&effects)[..] else {
            panic!("it has ended: {effects:?}")
        };
        assert_eq!((ended, invoker, *since, *at), (&trace, &party("forge"), accepted, world.at));
        assert_eq!((outcome.state, outcome.attempts), (DispatchState::TimedOut, 2));
        assert_eq!(traces(world, "forge"), [Some(own.clone())]);

        // Tried again by somebody, in another trace.
        world.trace = traced(3, true);
        let retry = DispatchRetry { dispatch: made.dispatch, deadline_s: None, budget: Default::default() };
        let again: Dispatched = world.request("forge", Change::DispatchRetry(retry)).unwrap();
        let record = world.store.dispatch(again.dispatch).unwrap().unwrap();
        let context_of_it = context(3).at(derive::span_id(again.dispatch, "span", 0));
        assert_eq!(record.trace, Some(DispatchTrace { context: context_of_it, under: Some(context(3)), retries: Some(own) }));
    }
}

#[test]
fn an_item_reads_back_whatever_its_body_is() {
    let item = Item {
        id: nexus_wire::ItemId(uuid::Uuid::from_u128(1)),
        at: 5,
        trace: Some(context(7)),
        answered: true,
        body: ItemBody::Cancel {
            lease: Lease { dispatch: nexus_wire::DispatchId(uuid::Uuid::from_u128(2)), attempt: 1 },
            reason: r#","body":"trace""#.into(),
        },
    };
    let body = serde_json::to_string(&item.body).unwrap();
    let around = |answered| {
        let mut text = nexus_broker::hub::text::Text::default();
        text.item_around(item.id, item.at, item.trace.as_ref(), answered, &body);
        text.as_str().to_owned()
    };
    let text = around(true);
    assert_eq!(text, serde_json::to_string(&item).unwrap());
    assert_eq!(serde_json::from_str::<Item>(&text).unwrap(), item);
    assert_eq!(nexus_broker::hub::inbox::as_answered(&around(false)), text);
}
