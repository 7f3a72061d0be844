//! What was spent, by what has led to it.

use nexus_wire::TurnId;
use nexus_wire::audit::{UsageBy, UsageRead, UsageReport};
use nexus_wire::chat::{ReplyMeta, Usage};
use nexus_wire::flow::FlowPut;
use nexus_wire::hands::{DispatchResult, DispatchRetry, DispatchState, HandFailure};
use nexus_wire::run::RunStart;
use nexus_wire::trigger::{TriggerFire, TriggerFired};

use super::*;

impl World {
    fn put_trigger(&mut self, definition: serde_json::Value) {
        let put = serde_json::from_value(definition).unwrap();
        self.request("operator/ana", Change::TriggerPut(Box::new(put)));
    }

    fn fire(&mut self, trigger: &str) {
        let fire = TriggerFire { trigger: trigger.parse().unwrap(), payload: serde_json::Value::Null };
        let fired: TriggerFired = self.request("operator/ana", Change::TriggerFire(fire)).parse().unwrap();
        assert_eq!(fired.slot.reason, None);
    }

    /// The one dispatch that runs on `host` ends, and has used so much.
    fn ends(&mut self, host: &str, tokens: u64, error: Option<HandFailure>) -> Lease {
        let list = DispatchList { open: true, ..DispatchList::default() };
        let page: nexus_wire::hands::DispatchPage =
            self.read("operator/ana", Read::DispatchList(list)).unwrap().parse().unwrap();
        let info = page.dispatches.into_iter().find(|it| it.hand.aspect.as_str() == host);
        let info = info.filter(|it| it.state == DispatchState::Running).unwrap();
        let lease = Lease { dispatch: info.id, attempt: info.attempt };
        let usage = Usage { input_tokens: tokens, ..Usage::default() };
        let output = error.is_none().then(|| json!({}));
        let result = DispatchResult { lease, output, error, usage, cost_microusd: None };
        self.request(host, Change::DispatchResult(result));
        lease
    }

    fn replies(&mut self, thread: Option<ThreadId>, tokens: u64) {
        let meta = ReplyMeta {
            turn: TurnId(Uuid::from_u128(1)),
            provider: "p".to_owned(),
            model: "m".to_owned(),
            usage: Usage { input_tokens: tokens, ..Usage::default() },
            cost_microusd: None,
        };
        let send = ChatSend {
            thread,
            to: vec!["operator/ana".to_owned()],
            content: "so it is".to_owned(),
            meta: Some(meta),
            ..ChatSend::default()
        };
        self.request("wren", Change::ChatSend(send.into()));
    }
}

#[test]
fn what_was_spent_is_told_by_what_has_led_to_it() {
    let mut world = World::new();
    let work = json!({"dispatch": {"hand": "wren/verify", "input": {}}});
    let inner = json!({"id": "inner", "steps": [{"id": "a", "do": work}]});
    let outer = json!({"id": "outer", "steps": [{"id": "b", "do": {"flow": {"id": "inner"}}}]});
    for flow in [inner, outer] {
        let flow = serde_json::from_value(flow).unwrap();
        world.request("operator/ana", Change::FlowPut(FlowPut { flow }));
    }
    world.put_trigger(json!({"name": "sweep", "when": "manual", "do": work}));
    world.put_trigger(
        json!({"name": "morning", "when": "manual", "do": {"ask": {"aspect": "wren", "text": "?"}}}),
    );
    world.put_trigger(json!({"name": "early", "when": "manual", "do": {"flow": {"id": "outer"}}}));

    // A trigger's work, with what it leads to; it fails, and somebody tries it again.
    world.fire("sweep");
    let list = DispatchList { open: true, ..DispatchList::default() };
    let page: nexus_wire::hands::DispatchPage =
        world.read("operator/ana", Read::DispatchList(list)).unwrap().parse().unwrap();
    let lease = Lease { dispatch: page.dispatches[0].id, attempt: 1 };
    let hand: nexus_wire::HandRef = "harrow/verify".parse().unwrap();
    let child = Dispatch { parent: Some(lease), ..Dispatch::to(hand, json!({})) };
    world.request("wren", Change::Dispatch(child.into()));
    world.ends("harrow", 1, None);
    let failed = world.ends("wren", 2, Some(HandFailure { code: "no".into(), message: "no".into() }));
    let retry = DispatchRetry { dispatch: failed.dispatch, deadline_s: None, budget: Default::default() };
    world.request("operator/ana", Change::DispatchRetry(retry));
    world.ends("wren", 4, None);

    // A flow that somebody starts, and one that a trigger does.
    let start = RunStart { flow: "outer".parse().unwrap(), input: json!(null), thread: None };
    world.request("operator/ana", Change::RunStart(start));
    world.ends("wren", 8, None);
    world.fire("early");
    world.ends("wren", 16, None);

    // Work that somebody sends, an answer to a trigger, and one to nobody's.
    let hand: nexus_wire::HandRef = "wren/verify".parse().unwrap();
    world.request("operator/ana", Change::Dispatch(Dispatch::to(hand, json!({})).into()));
    world.ends("wren", 32, None);
    world.fire("morning");
    let asks = world.store.trigger(&"morning".parse().unwrap()).unwrap().unwrap().info.thread;
    world.replies(asks, 64);
    world.replies(None, 128);

    let by = |by| {
        let read = Read::UsageRead(UsageRead { by, since: None, until: None });
        let report: UsageReport = world.read("operator/ana", read).unwrap().parse().unwrap();
        let mut rows: Vec<(String, u64)> =
            report.rows.into_iter().map(|row| (row.key, row.usage.input_tokens)).collect();
        rows.sort();
        (rows, report.total.usage.input_tokens)
    };
    let expected = [
        ("chat", 128),
        ("dispatch", 32),
        ("flow/outer", 8),
        ("trigger/early", 16),
        ("trigger/morning", 64),
        ("trigger/sweep", 7),
    ];
    let expected = expected.map(|(key, tokens)| (key.to_owned(), tokens)).to_vec();
    assert_eq!(by(UsageBy::Source), (expected, 255));
    assert_eq!(by(UsageBy::Aspect).0, [("harrow".to_owned(), 1), ("wren".to_owned(), 254)]);
}
