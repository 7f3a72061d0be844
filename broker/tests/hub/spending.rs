//! All spending stopped for a day, and more allowed for one: what waits, what goes on, who is told, and that it ends with
//! the day.

use nexus_broker::hub::records::Transaction;
use nexus_broker::hub::{Change, CommandBody, Effect, HubConfig};
use nexus_wire::alert::{AlertChange, AlertKind};
use nexus_wire::budget::{
    Budget, BudgetGoOn, BudgetInfo, BudgetPer, BudgetSet, BudgetStop, SpendingChanged, SpendingDay,
    SpendingStop,
};
use nexus_wire::chat::{ChatSend, ReplyMeta, Usage};
use nexus_wire::gather::{Gather, GatherPolicy, GatherState, Gathered};
use nexus_wire::hands::{
    Dispatch, DispatchCancel, DispatchStanding, DispatchState, DispatchWait, Dispatched, HandSpec, Lease,
    WaitingFor,
};
use nexus_wire::roster::{HeldLease, PROVIDER_NONE, Register, Registered};
use nexus_wire::{ErrorBody, ErrorCode, FromBroker, HandRef, LinkId, Ms, RequestId, TurnId};
use serde_json::{Value, json};

use crate::alerts::notes;
use crate::on_both_stores;
use crate::world::{World, message, parsed, party};

/// Midnight before the world begins, and the day after it.
const TODAY: Ms = 1_799_971_200_000;
const DAY: Ms = 86_400_000;

fn worker(provider: &str) -> Register {
    let hand = json!({"name": "check", "concurrency": 8, "timeout_s": 6000});
    Register {
        provider: provider.to_owned(),
        hands: vec![serde_json::from_value::<HandSpec>(hand).unwrap()],
        slots: 8,
        ..Register::default()
    }
}

fn to(hand: &str) -> Dispatch {
    let hand: HandRef = hand.parse().unwrap();
    Dispatch::to(hand, json!(1))
}

fn stop() -> Change {
    Change::BudgetStop(BudgetStop { reason: Some("the bill is too high".into()) })
}

fn go_on(unlimited: bool, cost_microusd: Option<u64>) -> Change {
    Change::BudgetGoOn(BudgetGoOn { unlimited, cost_microusd })
}

fn stopped(until: Ms) -> SpendingStop {
    SpendingStop { reason: Some("the bill is too high".into()), by: Some(party("operator/ana")), until }
}

/// Whom the effects tell of spending, and what.
fn told(effects: &[Effect]) -> Vec<(Vec<LinkId>, Option<SpendingStop>)> {
    let told = |effect: &Effect| {
        let Effect::Insist { links, frame } = effect else { return None };
        let FromBroker::SpendingChanged(SpendingChanged { stop }) = frame else { return None };
        Some((links.clone(), stop.clone()))
    };
    effects.iter().filter_map(told).collect()
}

trait Till {
    /// ana, wren who asks a model, and a runner who asks none.
    fn team(&mut self) -> Registered;
    fn links(&self) -> Vec<LinkId>;
    fn give(&mut self, hand: &str) -> Dispatched;
    fn state(&self, dispatch: &Dispatched) -> DispatchState;
    fn says(&mut self, change: Change) -> (Result<SpendingDay, ErrorBody>, Vec<Effect>);
    /// wren replies, which has cost so much.
    fn costs(&mut self, microusd: u64) -> Vec<Effect>;
}

impl<S: Transaction> Till for World<S> {
    fn team(&mut self) -> Registered {
        self.start(HubConfig { soft_cap: 8, ..HubConfig::default() });
        self.operator("ana");
        self.aspect("runner");
        self.register("runner", worker(PROVIDER_NONE)).unwrap();
        self.aspect("wren");
        self.register("wren", worker("anthropic")).unwrap()
    }

    fn links(&self) -> Vec<LinkId> {
        vec![self.link("runner").unwrap(), self.link("wren").unwrap()]
    }

    fn give(&mut self, hand: &str) -> Dispatched {
        self.request("operator/ana", Change::Dispatch(to(hand).into())).unwrap()
    }

    fn state(&self, dispatch: &Dispatched) -> DispatchState {
        self.store.dispatch(dispatch.dispatch).unwrap().unwrap().info.state
    }

    fn says(&mut self, change: Change) -> (Result<SpendingDay, ErrorBody>, Vec<Effect>) {
        let request = RequestId(self.id());
        let (answer, effects) = self.request_as("operator/ana", request, change);
        (answer.map(|frame| parsed(&frame)), effects)
    }

    fn costs(&mut self, microusd: u64) -> Vec<Effect> {
        let meta = ReplyMeta {
            turn: TurnId(self.id()),
            provider: "anthropic".into(),
            model: "m".into(),
            usage: Usage::default(),
            cost_microusd: Some(microusd),
        };
        let request = RequestId(self.id());
        let reply = ChatSend { meta: Some(meta), ..message("well") };
        let (answer, effects) = self.request_as("wren", request, Change::ChatSend(reply.into()));
        answer.unwrap();
        effects
    }
}

on_both_stores! {
    fn nothing_that_costs_begins_until_somebody_says_so(world) {
        assert_eq!(world.team().situation.spending_stop, None);
        let links = world.links();
        let running = world.give("wren/check");
        let (day, effects) = world.says(stop());
        let day = day.unwrap();
        let until = TODAY + DAY;
        let expected = SpendingDay {
            until, stop: Some(stopped(until)), unlimited: false, cost_microusd: None, by: party("operator/ana"),
            at: world.at,
        };
        assert_eq!((&day, world.hub.budgets().today), (&expected, Some(expected.clone())));
        assert_eq!(told(&effects), [(links, Some(stopped(until)))]);
        assert_eq!(notes(&effects), [(AlertChange::Raised, "spending_stopped/all".to_owned())]);
        assert_eq!(world.state(&running), DispatchState::Running, "what has begun is its worker's to halt");

        // What costs nothing goes on; a child of what has begun waits like everything else.
        let (waits, free) = (world.give("wren/check"), world.give("runner/check"));
        assert_eq!((waits.state, free.state), (DispatchState::Pending, DispatchState::Running));
        assert_eq!(world.hub.queue().waiting_for(waits.dispatch), Some(WaitingFor::Budget));
        let parent = Some(Lease { dispatch: running.dispatch, attempt: 1 });
        let child = Dispatch { parent, ..to("wren/check") };
        let child: Dispatched = world.request("wren", Change::Dispatch(child.into())).unwrap();
        assert_eq!(child.state, DispatchState::Pending);
        assert_eq!(world.hub.queue().waiting_for(child.dispatch), Some(WaitingFor::Budget));

        // Whoever comes later, or comes back, hears it with its registration; so does a broker that starts anew.
        let again = world.register("wren", worker("anthropic")).unwrap();
        assert_eq!(again.situation.spending_stop, Some(stopped(until)));
        world.start(HubConfig { soft_cap: 8, ..HubConfig::default() });
        world.register("runner", worker(PROVIDER_NONE)).unwrap();
        let again = world.register("wren", worker("anthropic")).unwrap();
        assert_eq!(again.situation.spending_stop, Some(stopped(until)));
        assert_eq!(world.state(&waits), DispatchState::Pending);

        let (day, effects) = world.says(go_on(false, None));
        let day = day.unwrap();
        assert_eq!((day.stop, day.unlimited, day.cost_microusd), (None, false, None));
        assert_eq!(told(&effects), [(world.links(), None)]);
        assert_eq!(notes(&effects), [(AlertChange::Cleared, "spending_stopped/all".to_owned())]);
        assert_eq!(world.hub.budgets().today, None, "nothing is otherwise today");
        assert_eq!(world.state(&waits), DispatchState::Running);
        let (_, effects) = world.says(go_on(false, None));
        assert_eq!((told(&effects), notes(&effects)), (vec![], vec![]), "it goes on already");
    }

    fn a_hand_that_has_to_wait_gives_its_place_to_others_and_loses_no_time(world) {
        let lease_ms = DAY;
        world.team();
        world.start(HubConfig { soft_cap: 1, lease_ms, lease_at_boot_ms: lease_ms, ..HubConfig::default() });
        world.register("runner", worker(PROVIDER_NONE)).unwrap();
        world.register("wren", worker("anthropic")).unwrap();
        let dispatch = |deadline_s| Change::Dispatch(Dispatch { deadline_s: Some(deadline_s), ..to("wren/check") }.into());
        let begun: Dispatched = world.request("operator/ana", dispatch(600)).unwrap();
        let gather = Gather {
            dispatches: vec![begun.dispatch], policy: GatherPolicy::All, n: None, deadline_s: Some(300), cancel_rest: Some(true), lease: None,
        };
        let gathered: Gathered = world.request("operator/ana", Change::Gather(gather)).unwrap();
        world.says(stop()).0.unwrap();
        let waits: Dispatched = world.request("operator/ana", dispatch(600)).unwrap();
        let yielded_at = world.at + 1;
        let lease = Lease { dispatch: begun.dispatch, attempt: 1 };
        let wait = Change::DispatchWait(DispatchWait { lease, on: Vec::new() });
        let standing: DispatchStanding = world.request("wren", wait).unwrap();
        assert_eq!((standing.state, world.at), (DispatchState::Retaking, yielded_at));
        assert_eq!(world.hub.queue().waiting_for(begun.dispatch), Some(WaitingFor::Budget));
        let free = world.give("runner/check");
        assert_eq!(free.state, DispatchState::Running, "the one place there is");

        // Later than any of the deadlines, and after a restart.
        world.at += 3_600_000;
        world.apply(CommandBody::Tick);
        assert_eq!((world.state(&begun), world.state(&waits)), (DispatchState::Retaking, DispatchState::TimedOut));
        assert_eq!(world.store.gather(gathered.gather).unwrap().unwrap().info.state, GatherState::Open);
        world.start(HubConfig { soft_cap: 1, lease_ms, lease_at_boot_ms: lease_ms, ..HubConfig::default() });
        let leases = vec![HeldLease { lease, waiting: true }];
        world.register("wren", Register { leases, ..worker("anthropic") }).unwrap();
        assert_eq!(world.state(&begun), DispatchState::Retaking);
        let before = world.inbox("wren").len();
        world.request::<Value>("operator/ana", Change::DispatchCancel(DispatchCancel { dispatch: free.dispatch, reason: None })).unwrap();
        world.says(go_on(false, None)).0.unwrap();
        assert_eq!(world.state(&begun), DispatchState::Running);
        assert_eq!(world.inbox("wren").len(), before + 1, "it is told to go on");
        let stood = world.at - yielded_at;
        let info = world.store.dispatch(begun.dispatch).unwrap().unwrap().info;
        assert_eq!((info.deadline_at, info.attempt), (begun.deadline_at + stood, 1));
        let gather = world.store.gather(gathered.gather).unwrap().unwrap().info;
        assert_eq!(gather.deadline_at, gathered.deadline_at + stood);
        // What it has left passes as ever.
        world.at = gather.deadline_at;
        world.apply(CommandBody::Tick);
        assert_eq!(world.store.gather(gathered.gather).unwrap().unwrap().info.state, GatherState::TimedOut);
        assert_eq!(world.state(&begun), DispatchState::Cancelled, "the gather takes the rest with it");
    }

    fn a_stop_ends_with_its_day(world) {
        world.team();
        world.at = TODAY + DAY - 60_000;
        world.says(stop()).0.unwrap();
        let waits = world.give("wren/check");
        assert_eq!(world.hub.next_timer(), Some(TODAY + DAY));
        world.at = TODAY + DAY - 2;
        let effects = world.apply(CommandBody::Tick);
        assert_eq!((told(&effects), world.state(&waits)), (vec![], DispatchState::Pending));
        let effects = world.apply(CommandBody::Tick);
        assert_eq!(told(&effects), [(world.links(), None)]);
        assert_eq!(notes(&effects), [(AlertChange::Cleared, "spending_stopped/all".to_owned())]);
        assert_eq!((world.state(&waits), world.hub.budgets().today), (DispatchState::Running, None));
        let alert = world.store.alert(AlertKind::SpendingStopped, "all").unwrap().unwrap();
        assert_eq!((alert.times, alert.cleared_at), (1, Some(world.at)));
    }

    fn nothing_left_of_everybodys_day_stops_agents_and_more_lets_them_go_on(world) {
        world.team();
        let limit = Budget { tokens: None, cost_microusd: Some(100) };
        let set = |per, of| Change::BudgetSet(BudgetSet { of, per, limit, each: Budget::default() });
        let _: BudgetInfo = world.request("operator/ana", set(BudgetPer::Day, None)).unwrap();
        let _: BudgetInfo = world.request("operator/ana", set(BudgetPer::Month, None)).unwrap();
        let _: BudgetInfo = world.request("operator/ana", set(BudgetPer::Day, Some(party("wren")))).unwrap();
        assert_eq!(told(&world.costs(99)), []);
        let reason = Some("everybody's budget of 0.0001 USD for the day is used up".to_owned());
        let empty = SpendingStop { reason, by: None, until: TODAY + DAY };
        assert_eq!(told(&world.costs(1)), [(world.links(), Some(empty.clone()))]);
        assert_eq!(told(&world.costs(1)), [], "they know");
        assert_eq!(world.register("wren", worker("anthropic")).unwrap().situation.spending_stop, Some(empty.clone()));
        assert_eq!(world.store.alert(AlertKind::SpendingStopped, "all").unwrap(), None, "nobody has stopped anything");

        // 50 more for today, of which one is gone.
        let (day, effects) = world.says(go_on(false, Some(50)));
        assert_eq!(day.unwrap().cost_microusd, Some(50));
        assert_eq!(told(&effects), [(world.links(), None)]);
        assert_eq!(told(&world.costs(48)), []);
        assert_eq!(told(&world.costs(1)), [(world.links(), Some(empty))]);
        let (_, effects) = world.says(go_on(true, None));
        assert_eq!(told(&effects), [(world.links(), None)]);
        assert_eq!(told(&world.costs(5000)), []);
        // A stop said on top of it takes nothing of it back.
        world.says(stop()).0.unwrap();
        let today = world.hub.budgets().today.unwrap();
        assert_eq!((today.stop.is_some(), today.unlimited), (true, true));
        // The next day is as any other.
        world.at = TODAY + DAY - 1;
        let effects = world.apply(CommandBody::Tick);
        assert_eq!(told(&effects), [(world.links(), None)]);
        assert_eq!(world.hub.budgets().today, None);
        assert_eq!(told(&world.costs(99)), []);
        assert_eq!(told(&world.costs(1)).len(), 1);
    }

    fn nonsense_is_refused_and_a_repeat_is_answered_like_the_first(world) {
        world.team();
        let cases = [
            (go_on(true, Some(1)), ErrorCode::Invalid),
            (go_on(false, Some(0)), ErrorCode::Invalid),
            (go_on(false, Some(1 << 53)), ErrorCode::Invalid),
            (Change::BudgetStop(BudgetStop { reason: Some("x".repeat(513)) }), ErrorCode::TooLarge),
        ];
        for (change, code) in cases {
            let (answer, effects) = world.says(change.clone());
            assert_eq!((answer.unwrap_err().code, told(&effects)), (code, vec![]), "{change:?}");
        }
        assert_eq!(world.hub.budgets().today, None);
        let request = RequestId(world.id());
        let (first, _) = world.request_as("operator/ana", request, stop());
        let first: SpendingDay = parsed(&first.unwrap());
        let (again, effects) = world.request_as("operator/ana", request, stop());
        assert_eq!((parsed::<SpendingDay>(&again.unwrap()), effects), (first, vec![]));
        let (other, _) = world.request_as("operator/ana", request, Change::BudgetStop(BudgetStop::default()));
        assert_eq!(other.unwrap_err().code, ErrorCode::IdReused);
    }
}
