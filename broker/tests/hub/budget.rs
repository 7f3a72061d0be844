//! What may be spent: a tree's budget shared out among its dispatches, an operator's for a day or month, and that
//! everything set aside comes back once.

use nexus_broker::hub::records::{Spent, SpentOn, Transaction};
use nexus_broker::hub::{Change, CommandBody, HubConfig};
use nexus_wire::alert::{AlertChange, AlertKind};
use nexus_wire::budget::{Budget, BudgetClear, BudgetCleared, BudgetInfo, BudgetPer, BudgetSet, Spending};
use nexus_wire::chat::{ChatSend, ReplyMeta, Usage};
use nexus_wire::hands::{
    Assignment, CancelReceipt, Dispatch, DispatchCancel, DispatchInfo, DispatchResult, DispatchRetry,
    DispatchStanding, DispatchState, DispatchStopped, Dispatched, HandFailure, HandSpec, Lease, WaitingFor,
};
use nexus_wire::inbox::{Decision, InboxClose, Item, ItemBody};
use nexus_wire::roster::Register;
use nexus_wire::{DispatchId, ErrorBody, ErrorCode, HandRef, Ms, RequestId, TurnId};
use serde_json::{Value, json};

use crate::alerts::notes;
use crate::on_both_stores;
use crate::world::{World, message, parsed, party};

/// Midnight before the world begins, and the day and month after it.
const TODAY: Ms = 1_799_971_200_000;
const DAY: Ms = 86_400_000;
/// 1 February 2027.
const NEXT_MONTH: Ms = 1_801_440_000_000;

fn tokens(tokens: u64) -> Budget {
    Budget { tokens: Some(tokens), cost_microusd: None }
}

fn spent(tokens: u64) -> Spending {
    Spending { tokens, cost_microusd: 0 }
}

fn to(hand: &str, budget: Budget) -> Dispatch {
    let hand: HandRef = hand.parse().unwrap();
    Dispatch { budget, ..Dispatch::to(hand, json!(1)) }
}

fn worker() -> Register {
    let hand = json!({"name": "check", "concurrency": 8, "idempotent": true, "timeout_s": 6000});
    Register {
        hands: vec![serde_json::from_value::<HandSpec>(hand).unwrap()],
        slots: 8,
        ..Register::default()
    }
}

fn done(lease: Lease, tokens: u64) -> Change {
    Change::DispatchResult(DispatchResult {
        lease,
        output: Some(json!("done")),
        error: None,
        usage: Usage { output_tokens: tokens, ..Usage::default() },
        cost_microusd: None,
    })
}

fn daily(of: Option<&str>, limit: Budget, each: Budget) -> Change {
    Change::BudgetSet(BudgetSet { of: of.map(party), per: BudgetPer::Day, limit, each })
}

trait Purse {
    fn team(&mut self);
    fn give(&mut self, sender: &str, dispatch: Dispatch) -> Result<Dispatched, ErrorBody>;
    fn child(&mut self, parent: Lease, budget: Budget, used: u64) -> Result<Dispatched, ErrorBody>;
    fn end(&mut self, lease: Lease, tokens: u64) -> DispatchStanding;
    /// The worker says that it has stopped, having used so many tokens.
    fn stopped(&mut self, lease: Lease, tokens: u64);
    fn assignments(&self, host: &str) -> Vec<Assignment>;
    fn info(&self, id: DispatchId) -> DispatchInfo;
    fn purse(&self) -> (Spending, Spending, u32);
}

impl<S: Transaction> Purse for World<S> {
    /// ana, and wren with a Hand that may be lost and tried again, and with room for everything these tests begin.
    fn team(&mut self) {
        self.start(HubConfig { soft_cap: 8, ..HubConfig::default() });
        self.operator("ana");
        self.aspect("wren");
        self.register("wren", worker()).unwrap();
    }

    fn give(&mut self, sender: &str, dispatch: Dispatch) -> Result<Dispatched, ErrorBody> {
        self.request(sender, Change::Dispatch(dispatch.into()))
    }

    fn child(&mut self, parent: Lease, budget: Budget, used: u64) -> Result<Dispatched, ErrorBody> {
        let child = Dispatch { parent: Some(parent), parent_used: spent(used), ..to("wren/check", budget) };
        self.give("wren", child)
    }

    fn end(&mut self, lease: Lease, tokens: u64) -> DispatchStanding {
        self.request("wren", done(lease, tokens)).unwrap()
    }

    fn stopped(&mut self, lease: Lease, tokens: u64) {
        let usage = Usage { input_tokens: tokens, ..Usage::default() };
        let stopped = DispatchStopped { lease, usage, cost_microusd: None };
        let _: Value = self.request("wren", Change::DispatchStopped(stopped)).unwrap();
    }

    fn assignments(&self, host: &str) -> Vec<Assignment> {
        let assignment = |item: Item| match item.body {
            ItemBody::Assignment(assignment) => Some(assignment),
            ItemBody::Message(_)
            | ItemBody::Result(_)
            | ItemBody::Gather(_)
            | ItemBody::Approval(_)
            | ItemBody::Run(_)
            | ItemBody::Cancel { .. }
            | ItemBody::Resume { .. }
            | ItemBody::Session(_) => None,
        };
        self.inbox(host).into_iter().filter_map(assignment).collect()
    }

    fn info(&self, id: DispatchId) -> DispatchInfo {
        self.store.dispatch(id).unwrap().unwrap().info
    }

    /// Of the first budget: spent, set aside, and how many wait.
    fn purse(&self) -> (Spending, Spending, u32) {
        let all = self.hub.budgets().budgets;
        (all[0].used, all[0].reserved, all[0].waiting)
    }
}

fn first(dispatch: &Dispatched) -> Lease {
    Lease { dispatch: dispatch.dispatch, attempt: 1 }
}

on_both_stores! {
    fn a_child_gets_what_its_parent_has_left_and_gives_the_rest_back(world) {
        world.team();
        let root = world.give("operator/ana", to("wren/check", tokens(1000))).unwrap();
        assert_eq!((root.state, root.budget), (DispatchState::Running, tokens(1000)));
        assert_eq!(world.assignments("wren")[0].budget, tokens(1000));

        // 100 spent by the parent itself, 600 for one child: 300 are left.
        let one = world.child(first(&root), tokens(600), 100).unwrap();
        assert_eq!((one.budget, world.assignments("wren")[1].budget), (tokens(600), tokens(600)));
        let refused = world.child(first(&root), tokens(301), 100).unwrap_err();
        assert_eq!(refused.code, ErrorCode::BudgetExceeded);
        let details = json!({"parent": root.dispatch, "asked": {"tokens": 301}, "left": {"tokens": 300}});
        assert_eq!(refused.details, details);
        // Without a budget of its own it gets half of that.
        let two = world.child(first(&root), Budget::default(), 100).unwrap();
        assert_eq!(two.budget, tokens(150));

        // 50 of 600 were spent, so 550 come back: 1000 - 100 - 50 - 150 are left.
        world.end(first(&one), 50);
        assert_eq!(world.info(one.dispatch).spent, Some(spent(50)));
        let refused = world.child(first(&root), tokens(701), 100).unwrap_err();
        assert_eq!(refused.details["left"], json!({"tokens": 700}));
        let three = world.child(first(&root), tokens(700), 100).unwrap();

        // An end that is none of its own gives it back, too: it ends with its parent.
        let receipt: CancelReceipt = world
            .request("operator/ana", Change::DispatchCancel(DispatchCancel { dispatch: three.dispatch, reason: None }))
            .unwrap();
        assert_eq!(receipt.cancelled, [three.dispatch]);
        assert_eq!(world.child(first(&root), tokens(700), 100).unwrap().budget, tokens(700));
        world.end(first(&root), 120);
        assert_eq!(world.info(two.dispatch).state, DispatchState::Cancelled);
        let ended = world.info(root.dispatch);
        assert_eq!((ended.state, ended.budget, ended.granted), (DispatchState::Done, tokens(1000), tokens(1000)));
        assert_eq!(ended.spent, Some(spent(170)));
    }

    fn a_lost_attempt_keeps_what_it_said_it_spent(world) {
        world.team();
        let root = world.give("operator/ana", to("wren/check", tokens(100))).unwrap();
        world.child(first(&root), tokens(10), 30).unwrap();
        // wren comes back without it, and is given it anew.
        let tail = world.inbox("wren").len() as u64;
        world.ack("wren", tail).unwrap();
        world.register("wren", Register { last_generation: 1, ..worker() }).unwrap();
        let again = world.assignments("wren").into_iter().rfind(|it| it.lease.dispatch == root.dispatch).unwrap();
        assert_eq!((again.lease.attempt, again.budget), (2, tokens(70)));
        world.end(again.lease, 5);
        assert_eq!(world.info(root.dispatch).spent, Some(spent(35)));
    }

    fn more_than_was_given_is_told(world) {
        world.team();
        let root = world.give("operator/ana", to("wren/check", tokens(10))).unwrap();
        let (_, effects) = world.request_as("wren", RequestId(uuid::Uuid::from_u128(9)), done(first(&root), 11));
        assert_eq!(notes(&effects), [(AlertChange::Raised, "budget_exceeded/wren/check".to_owned())]);
        let message = world.store.alert(AlertKind::BudgetExceeded, "wren/check").unwrap().unwrap().message;
        assert_eq!(
            message,
            format!("dispatch {} has spent 11 tokens and 0.00 USD of 10 tokens", root.dispatch)
        );
    }

    fn what_stopped_work_had_used_is_counted_once(world) {
        world.team();
        let _: BudgetInfo = world.request("operator/ana", daily(None, tokens(1000), tokens(100))).unwrap();
        let root = world.give("operator/ana", to("wren/check", tokens(100))).unwrap();
        let child = world.child(first(&root), tokens(60), 10).unwrap();
        let cancel = |dispatch| Change::DispatchCancel(DispatchCancel { dispatch, reason: None });
        let _: CancelReceipt = world.request("operator/ana", cancel(child.dispatch)).unwrap();
        assert_eq!(world.purse().0, spent(0), "nobody has said yet that anything was used");
        world.stopped(first(&child), 20);
        assert_eq!((world.purse().0, world.info(child.dispatch).usage.tokens()), (spent(20), 20));
        assert_eq!(world.info(child.dispatch).spent, Some(spent(20)));
        // So much less has its parent, which has used 10 itself.
        assert!(world.child(first(&root), tokens(71), 10).is_err());
        let other = world.child(first(&root), tokens(70), 10).unwrap();

        let _: CancelReceipt = world.request("operator/ana", cancel(root.dispatch)).unwrap();
        assert_eq!(world.purse().0, spent(30), "the 10 had been said");
        for _ in 0..2 {
            world.stopped(first(&root), 45);
            assert_eq!(world.purse().0, spent(65), "what was said is part of it, and a repeat adds nothing");
        }
        world.stopped(first(&other), 1);
        assert_eq!(world.purse(), (spent(66), spent(0), 0));
        let info = world.info(root.dispatch);
        assert_eq!((info.usage.tokens(), info.spent), (45, Some(spent(65))));
    }

    fn an_attempt_that_was_lost_says_late_what_it_had_used(world) {
        world.team();
        let root = world.give("operator/ana", to("wren/check", tokens(100))).unwrap();
        world.at += 31_000;
        world.apply(CommandBody::Tick);
        let again = world.assignments("wren").into_iter().rfind(|it| it.lease.dispatch == root.dispatch).unwrap();
        assert_eq!(again.lease.attempt, 2);
        world.stopped(first(&root), 40);
        world.end(again.lease, 5);
        assert_eq!(world.info(root.dispatch).spent, Some(spent(45)));
    }

    fn a_turn_without_a_message_is_paid_for_with_its_decision(world) {
        world.team();
        let _: BudgetInfo = world.request("operator/ana", daily(Some("wren"), tokens(100), tokens(30))).unwrap();
        let root = world.give("operator/ana", to("wren/check", Budget::default())).unwrap();
        let item = world.inbox("wren")[0].id;
        let (decision, reason) = (Decision::Failed, Some("no luck".to_owned()));
        let close = InboxClose { item, decision, reason, message: None, outcome: None, spent: Some(spent(7)), meta: None };
        for _ in 0..2 {
            let _: Value = world.request("wren", Change::InboxClose(close.clone())).unwrap();
            assert_eq!(world.purse().0, spent(7));
        }
        world.end(first(&root), 3);
        assert_eq!(world.purse().0, spent(7), "whoever asked pays for that");
    }

    fn what_no_message_says_is_counted_with_the_rest(world) {
        world.online("wren");
        world.operator("ana");
        let usage = Usage { input_tokens: 40, cache_read_tokens: 2, ..Usage::default() };
        let (provider, model) = ("anthropic".to_owned(), "m".to_owned());
        let meta = ReplyMeta { turn: TurnId(world.id()), provider, model, usage, cost_microusd: None };
        let cases = [(None, Some(meta.clone())), (Some(spent(7)), None), (Some(spent(7)), Some(meta)), (None, None)];
        for (spent, meta) in cases {
            world.send("operator/ana", ChatSend { to: vec!["wren".into()], ..message("hello") }).unwrap();
            let item = world.inbox("wren").last().unwrap().id;
            let decision = Decision::Silent;
            let close = InboxClose { item, decision, reason: None, message: None, outcome: None, spent, meta };
            for _ in 0..2 {
                let _: Value = world.request("wren", Change::InboxClose(close.clone())).unwrap();
            }
        }
        let mut seen = Vec::new();
        world.store.spent(0, world.at, &mut |spent| seen.push(spent.clone())).unwrap();
        seen.sort_by_key(|it| it.at);
        let by_sum = Usage { input_tokens: 7, ..Usage::default() };
        let shown: Vec<_> = seen.iter().map(|it| (it.model.as_deref(), it.usage, it.cost_microusd)).collect();
        let exact = (Some("anthropic/m"), usage, None);
        assert_eq!(shown, [exact, (None, by_sum, Some(0)), exact]);
        let is_told = |it: &Spent| it.what == SpentOn::Closing && it.by == party("wren");
        assert!(seen.iter().all(is_told), "{seen:?}");
        let mut later = 0;
        world.store.spent(world.at, world.at + 1, &mut |_| later += 1).unwrap();
        assert_eq!(later, 0);
    }

    fn what_failed_is_tried_again_with_the_same_budget_or_another(world) {
        world.team();
        let root = world.give("operator/ana", to("wren/check", tokens(10))).unwrap();
        let error = HandFailure { code: "budget_exceeded".into(), message: "more".into() };
        let result = DispatchResult {
            lease: first(&root), output: None, error: Some(error), usage: Usage::default(), cost_microusd: None,
        };
        let _: DispatchStanding = world.request("wren", Change::DispatchResult(result)).unwrap();
        for (budget, expected) in [(Budget::default(), tokens(10)), (tokens(20), tokens(20))] {
            let retry = DispatchRetry { dispatch: root.dispatch, deadline_s: None, budget };
            let again: Dispatched = world.request("operator/ana", Change::DispatchRetry(retry)).unwrap();
            assert_eq!(again.budget, expected);
        }
    }

    fn nonsense_is_refused(world) {
        world.team();
        let zero = world.give("operator/ana", to("wren/check", tokens(0))).unwrap_err();
        assert_eq!(zero.code, ErrorCode::Invalid);
        let huge = world.give("operator/ana", to("wren/check", tokens(u64::MAX))).unwrap_err();
        assert_eq!(huge.code, ErrorCode::Invalid);
        let cases = [
            (daily(Some("moth"), tokens(5), Budget::default()), ErrorCode::NotFound),
            (daily(Some("system"), tokens(5), Budget::default()), ErrorCode::Invalid),
            (daily(None, Budget::default(), Budget::default()), ErrorCode::Invalid),
            (daily(None, tokens(5), tokens(6)), ErrorCode::Invalid),
            (daily(None, tokens(5), Budget { tokens: None, cost_microusd: Some(1) }), ErrorCode::Invalid),
            (daily(None, tokens(5), tokens(0)), ErrorCode::Invalid),
            (daily(None, tokens(1 << 53), Budget::default()), ErrorCode::Invalid),
        ];
        for (set, code) in cases {
            let refused = world.request::<BudgetInfo>("operator/ana", set.clone()).unwrap_err();
            assert_eq!(refused.code, code, "{set:?}");
        }
        assert_eq!(world.hub.budgets().budgets, []);
    }

    fn a_repeat_is_answered_like_the_first(world) {
        world.team();
        let request = RequestId(world.id());
        let set = daily(None, tokens(100), Budget::default());
        let (one, _) = world.request_as("operator/ana", request, set.clone());
        let one: BudgetInfo = parsed(&one.unwrap());
        assert_eq!((one.limit, one.each, one.since, one.until), (tokens(100), tokens(10), TODAY, TODAY + DAY));
        assert_eq!((one.set_by.clone(), one.set_at), (party("operator/ana"), world.at));
        let other = daily(None, tokens(7), Budget::default());
        assert_eq!(world.request_as("operator/ana", request, other).0.unwrap_err().code, ErrorCode::IdReused);
        let (again, effects) = world.request_as("operator/ana", request, set);
        assert_eq!((parsed::<BudgetInfo>(&again.unwrap()), effects), (one, vec![]));
        let clear = BudgetClear { of: None, per: BudgetPer::Day };
        for cleared in [true, false] {
            let answer: BudgetCleared = world.request("operator/ana", Change::BudgetClear(clear.clone())).unwrap();
            assert_eq!(answer, BudgetCleared { cleared });
        }
    }

    fn work_waits_for_the_next_day_or_until_more_may_be_spent(world) {
        world.team();
        let set = daily(Some("operator/ana"), tokens(100), tokens(60));
        let _: BudgetInfo = world.request("operator/ana", set).unwrap();
        let one = world.give("operator/ana", to("wren/check", Budget::default())).unwrap();
        assert_eq!((one.state, world.assignments("wren")[0].budget), (DispatchState::Running, tokens(60)));
        // 40 are left, which is not enough; who asks for less gets it, and others are not concerned.
        let two = world.give("operator/ana", to("wren/check", Budget::default())).unwrap();
        assert_eq!(two.state, DispatchState::Pending);
        assert_eq!(world.hub.queue().waiting_for(two.dispatch), Some(WaitingFor::Budget));
        assert_eq!(world.purse(), (spent(0), spent(60), 1));
        let three = world.give("operator/ana", to("wren/check", tokens(40))).unwrap();
        assert_eq!(three.state, DispatchState::Running);
        let own = world.give("wren", to("wren/check", Budget::default())).unwrap();
        assert_eq!((own.state, world.assignments("wren")[2].budget), (DispatchState::Running, Budget::default()));
        let refused = world.give("operator/ana", to("wren/check", tokens(101))).unwrap_err();
        assert_eq!((refused.code, refused.details["left"].clone()), (ErrorCode::BudgetExceeded, json!({"tokens": 100})));

        // What is not spent comes back; no alert as long as that may be enough.
        assert_eq!(world.store.alerts(true, None, 9).unwrap(), []);
        world.end(first(&one), 60);
        world.end(first(&three), 10);
        assert_eq!(world.purse(), (spent(70), spent(0), 1));
        let alert = world.store.alert(AlertKind::BudgetSpent, "operator/ana/day").unwrap().unwrap();
        assert_eq!((alert.times, alert.cleared_at), (1, None));
        world.apply(CommandBody::Tick);
        assert_eq!(world.store.alert(AlertKind::BudgetSpent, "operator/ana/day").unwrap().unwrap().times, 1);

        // The next day begins, by a timer.
        assert!(world.hub.next_timer().unwrap() <= TODAY + DAY);
        let four = world.give("operator/ana", Dispatch { deadline_s: Some(7200), ..to("wren/check", tokens(90)) }).unwrap();
        let _: BudgetInfo = world.request("operator/ana", daily(Some("operator/ana"), tokens(140), tokens(60))).unwrap();
        assert_eq!(world.info(two.dispatch).state, DispatchState::Running, "there is enough for it");
        let alert = world.store.alert(AlertKind::BudgetSpent, "operator/ana/day").unwrap().unwrap();
        assert_eq!((alert.times, alert.cleared_at), (2, None), "another one waits, and the limit is another");
        world.end(first(&two), 0);
        let cleared = Change::BudgetClear(BudgetClear { of: Some(party("operator/ana")), per: BudgetPer::Day });
        let _: BudgetCleared = world.request("operator/ana", cleared).unwrap();
        assert_eq!(world.info(four.dispatch).state, DispatchState::Running);
        let alert = world.store.alert(AlertKind::BudgetSpent, "operator/ana/day").unwrap().unwrap();
        assert!(alert.cleared_at.is_some());
    }

    fn a_day_and_a_month_turn(world) {
        world.team();
        let month = BudgetSet { of: None, per: BudgetPer::Month, limit: tokens(500), each: tokens(50) };
        let info: BudgetInfo = world.request("operator/ana", Change::BudgetSet(month)).unwrap();
        assert_eq!(info.until, NEXT_MONTH);
        let _: BudgetInfo = world.request("operator/ana", daily(None, tokens(50), tokens(50))).unwrap();
        let one = world.give("operator/ana", to("wren/check", Budget::default())).unwrap();
        world.end(first(&one), 50);
        world.at = TODAY + DAY - 60_000;
        let two = world.give("operator/ana", to("wren/check", Budget::default())).unwrap();
        assert_eq!(two.state, DispatchState::Pending);
        assert_eq!(world.hub.next_timer(), Some(TODAY + DAY));
        world.at = TODAY + DAY - 1;
        world.apply(CommandBody::Tick);
        assert_eq!(world.info(two.dispatch).state, DispatchState::Running);
        let used: Vec<_> = world.hub.budgets().budgets.iter().map(|it| (it.per, it.used, it.reserved)).collect();
        assert_eq!(used, [(BudgetPer::Day, spent(0), spent(50)), (BudgetPer::Month, spent(50), spent(50))]);
        world.end(first(&two), 20);
        world.at = NEXT_MONTH;
        world.apply(CommandBody::Tick);
        let used: Vec<_> = world.hub.budgets().budgets.iter().map(|it| (it.since, it.used)).collect();
        assert_eq!(used, [(NEXT_MONTH, spent(0)), (NEXT_MONTH, spent(0))]);
    }

    fn what_nothing_was_set_aside_for_counts_too(world) {
        world.team();
        let _: BudgetInfo = world.request("operator/ana", daily(Some("wren"), tokens(100), tokens(30))).unwrap();
        let reply = ChatSend {
            content: "well".into(),
            meta: Some(ReplyMeta {
                turn: TurnId(world.id()),
                provider: "scripted".into(),
                model: "scripted".into(),
                usage: Usage { input_tokens: 60, cache_read_tokens: 20, ..Usage::default() },
                cost_microusd: None,
            }),
            ..ChatSend::default()
        };
        world.send("wren", reply).unwrap();
        assert_eq!(world.purse(), (spent(80), spent(0), 0));
        // A tree of wren's is wren's to pay for, whoever works.
        let own = world.give("wren", to("wren/check", Budget::default())).unwrap();
        assert_eq!((own.state, world.hub.queue().waiting_for(own.dispatch)), (DispatchState::Pending, Some(WaitingFor::Budget)));
        let small = world.give("wren", to("wren/check", tokens(20))).unwrap();
        let below = world.child(first(&small), tokens(15), 1).unwrap();
        world.end(first(&below), 10);
        assert_eq!(world.purse(), (spent(90), spent(10), 1), "what a child spent is not set aside any more");
        world.end(first(&small), 3);
        assert_eq!(world.purse(), (spent(93), spent(0), 1));
    }
}
