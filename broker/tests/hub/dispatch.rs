//! Hands through the hub: who may ask for what, what workers and invokers get, and that it all survives.

use nexus_broker::hub::records::Transaction;
use nexus_broker::hub::{Change, CommandBody, Effect, HubConfig, MeasuredDispatch};
use nexus_wire::audit::AuditList;
use nexus_wire::chat::Usage;
use nexus_wire::hands::{
    CancelReceipt, Dispatch, DispatchCancel, DispatchResult, DispatchStanding, DispatchState, DispatchWait,
    Dispatched, HandFailure, HandSpec, Lease, LeaseRenew, LeasesRenewed, Outcome,
};
use nexus_wire::inbox::{ItemBody, Resume};
use nexus_wire::limits::DURABLE_BYTES_MAX;
use nexus_wire::log::LogBody;
use nexus_wire::roster::{HeldLease, Register, Registered};
use nexus_wire::{DispatchId, ErrorBody, ErrorCode, LinkId, RequestId, ThreadId};
use serde_json::{Value, json};

use crate::on_both_stores;
use crate::world::{World, name, parsed, party};

fn hand(text: &str) -> HandSpec {
    serde_json::from_str(text).unwrap()
}

fn worker() -> Register {
    Register { hands: vec![hand(r#"{"name":"check"}"#)], slots: 4, ..Register::default() }
}

fn to(hand: &str) -> Dispatch {
    let hand: nexus_wire::HandRef = hand.parse().unwrap();
    Dispatch::to(hand, json!({"n": 1.5}))
}

fn done(lease: Lease, output: Value) -> Change {
    Change::DispatchResult(DispatchResult {
        lease,
        output: Some(output),
        error: None,
        usage: Usage { input_tokens: 7, ..Usage::default() },
        cost_microusd: Some(12),
    })
}

fn failed(lease: Lease) -> Change {
    let error = HandFailure { code: "no_luck".into(), message: "not today".into() };
    Change::DispatchResult(DispatchResult {
        lease,
        output: None,
        error: Some(error),
        usage: Usage::default(),
        cost_microusd: None,
    })
}

trait Hands {
    fn team(&mut self) -> Registered;
    fn dispatch(&mut self, sender: &str, dispatch: Dispatch) -> Dispatched;
    fn assigned(&self, host: &str) -> Vec<Lease>;
    fn outcomes(&self, invoker: &str) -> Vec<Outcome>;
    fn state(&self, id: DispatchId) -> DispatchState;
}

impl<S: Transaction> Hands for World<S> {
    /// ana, forge online, and wren online with the Hand `check`.
    fn team(&mut self) -> Registered {
        self.operator("ana");
        self.online("forge");
        self.aspect("wren");
        self.register("wren", worker()).unwrap()
    }

    fn dispatch(&mut self, sender: &str, dispatch: Dispatch) -> Dispatched {
        self.request(sender, Change::Dispatch(dispatch.into())).unwrap()
    }

    fn assigned(&self, host: &str) -> Vec<Lease> {
        let lease = |item: nexus_wire::inbox::Item| match item.body {
            ItemBody::Assignment(assignment) => Some(assignment.lease),
            ItemBody::Message(_)
            | ItemBody::Result(_)
            | ItemBody::Gather(_)
            | ItemBody::Approval(_)
            | ItemBody::Run(_)
            | ItemBody::Cancel { .. }
            | ItemBody::Resume { .. }
            | ItemBody::Session(_) => None,
        };
        self.inbox(host).into_iter().filter_map(lease).collect()
    }

    fn outcomes(&self, invoker: &str) -> Vec<Outcome> {
        let outcome = |item: nexus_wire::inbox::Item| match item.body {
            ItemBody::Result(outcome) => Some(outcome),
            ItemBody::Message(_)
            | ItemBody::Assignment(_)
            | ItemBody::Gather(_)
            | ItemBody::Approval(_)
            | ItemBody::Run(_)
            | ItemBody::Cancel { .. }
            | ItemBody::Resume { .. }
            | ItemBody::Session(_) => None,
        };
        self.inbox(invoker).into_iter().filter_map(outcome).collect()
    }

    fn state(&self, id: DispatchId) -> DispatchState {
        self.store.dispatch(id).unwrap().unwrap().info.state
    }
}

fn log_of(effects: &[Effect]) -> Vec<LogBody> {
    let logged =
        |effect: &Effect| if let Effect::Logged(entry) = effect { Some(entry.body.clone()) } else { None };
    effects.iter().filter_map(logged).collect()
}

on_both_stores! {
    fn work_goes_to_the_worker_and_its_result_to_the_invoker_once(world) {
        world.team();
        let asked = Dispatch { deadline_s: Some(600), ..to("wren/check") };
        let sent = world.dispatch("forge", asked);
        assert_eq!((sent.state, sent.position, sent.clamped), (DispatchState::Running, 0, false));
        assert_eq!(sent.deadline_at, world.at + 600_000);
        let ItemBody::Assignment(assignment) = world.inbox("wren").remove(0).body else { panic!("an assignment") };
        assert_eq!(assignment.lease, Lease { dispatch: sent.dispatch, attempt: 1 });
        assert_eq!((assignment.input.clone(), assignment.invoker.clone()), (json!({"n": 1.5}), party("forge")));
        assert_eq!((assignment.timeout_s, assignment.depth), (60, 1));

        let request = RequestId(world.id());
        let result = done(assignment.lease, json!({"ok": [1, null]}));
        let (answer, effects) = world.request_as("wren", request, result.clone());
        let standing: DispatchStanding = parsed(&answer.unwrap());
        assert_eq!(standing, DispatchStanding { dispatch: sent.dispatch, state: DispatchState::Done });
        let outcome = Outcome {
            dispatch: sent.dispatch,
            hand: "wren/check".parse().unwrap(),
            parent: None,
            thread: None,
            state: DispatchState::Done,
            output: Some(json!({"ok": [1, null]})),
            error: None,
            attempts: 1,
            usage: Usage { input_tokens: 7, ..Usage::default() },
            cost_microusd: Some(12),
            spent: None,
        };
        assert_eq!(log_of(&effects), vec![LogBody::DispatchEnded(Box::new(outcome.clone()))]);
        assert_eq!(world.outcomes("forge"), vec![outcome.clone()]);

        // The same result again, under the same id or another, is answered like the first; another is stale.
        let again = world.request_as("wren", request, result.clone()).0.unwrap();
        assert_eq!(parsed::<DispatchStanding>(&again), standing);
        assert_eq!(world.request::<DispatchStanding>("wren", result).unwrap(), standing);
        for other in [done(assignment.lease, json!(2)), failed(assignment.lease)] {
            let error = world.request::<DispatchStanding>("wren", other).unwrap_err();
            assert_eq!(error.code, ErrorCode::StaleToken);
        }
        assert_eq!(world.outcomes("forge"), vec![outcome]);
        let kept = world.store.dispatch(sent.dispatch).unwrap().unwrap();
        assert_eq!((kept.info.input, kept.queue, kept.info.ended_at.is_some()), (json!({"n": 1.5}), None, true));
    }

    fn the_log_tells_the_life_of_a_dispatch_however_it_went_on(world) {
        world.team();
        let from = world.hub.log_seq();
        let request = RequestId(world.id());
        let (_, mut live) = world.request_as("operator/ana", request, Change::Dispatch(to("wren/check").into()));
        let lease = world.assigned("wren")[0];
        let request = RequestId(world.id());
        live.extend(world.request_as("wren", request, failed(lease)).1);
        let live = log_of(&live);
        assert!(matches!(live[..], [
            LogBody::DispatchAccepted(_), LogBody::DispatchAssigned { attempt: 1, .. }, LogBody::DispatchEnded(_),
        ]), "{live:?}");
        let kept: Vec<LogBody> = world.store.log(from, None, 10).unwrap().into_iter().map(|it| it.body).collect();
        assert_eq!(kept, live);
        assert!(world.outcomes("forge").is_empty(), "ana has no inbox; forge did not ask");
    }

    fn who_asks_for_what_is_not_there_is_told_what_is(world) {
        world.team();
        world.aspect("new");
        let private = hand(r#"{"name":"private","allowed_invokers":["keel"]}"#);
        world.aspect("harrow");
        world.register("harrow", Register { hands: vec![private], slots: 1, ..Register::default() }).unwrap();
        let thread = ThreadId(world.id());
        let cases = [
            ("nobody", to("nobody/check"), ErrorCode::NotFound, "harrow/private, wren/check"),
            ("no Hand", to("wren/paint"), ErrorCode::NotFound, "wren/check"),
            ("never online", to("new/check"), ErrorCode::NotFound, "never been online"),
            ("not for forge", to("harrow/private"), ErrorCode::Forbidden, "keel"),
            ("no thread", Dispatch { thread: Some(thread), ..to("wren/check") }, ErrorCode::NotFound, "thread"),
            ("no time", Dispatch { deadline_s: Some(0), ..to("wren/check") }, ErrorCode::Invalid, "at least 1"),
            (
                "no such parent",
                Dispatch { parent: Some(Lease { dispatch: DispatchId(thread.0), attempt: 1 }), ..to("wren/check") },
                ErrorCode::BadParent,
                "parent",
            ),
            (
                "too large",
                Dispatch { input: json!("x".repeat(DURABLE_BYTES_MAX)), ..to("wren/check") },
                ErrorCode::TooLarge,
                "bytes",
            ),
        ];
        for (case, dispatch, code, says) in cases {
            let error = world.request::<Dispatched>("forge", Change::Dispatch(dispatch.into())).unwrap_err();
            assert_eq!(error.code, code, "{case}");
            assert!(error.message.contains(says), "{case}: {}", error.message);
        }
        world.dispatch("operator/ana", to("harrow/private"));
        let revoke = CommandBody::RevokeAspect { by: party("operator/ana"), name: name("wren") };
        world.call(revoke).0.unwrap();
        let error = world.request::<Dispatched>("forge", Change::Dispatch(to("wren/check").into())).unwrap_err();
        assert_eq!(error.code, ErrorCode::NotFound);
    }

    fn a_deadline_beyond_the_limit_is_clamped_and_said_so(world) {
        world.team();
        let sent = world.dispatch("forge", Dispatch { deadline_s: Some(u32::MAX), ..to("wren/check") });
        assert_eq!((sent.deadline_at, sent.clamped), (world.at + HubConfig::default().deadline_max_ms, true));
        let sent = world.dispatch("forge", to("wren/check"));
        assert_eq!((sent.deadline_at, sent.clamped), (world.at + HubConfig::default().deadline_default_ms, false));
    }

    fn the_same_id_is_one_dispatch(world) {
        world.team();
        let request = RequestId(world.id());
        let ask = |dispatch: Dispatch| Change::Dispatch(dispatch.into());
        let (first, _) = world.request_as("forge", request, ask(to("wren/check")));
        let first: Dispatched = parsed(&first.unwrap());
        let (again, effects) = world.request_as("forge", request, ask(to("wren/check")));
        assert_eq!(parsed::<Dispatched>(&again.unwrap()), first);
        assert_eq!(effects, Vec::new());
        let other = Dispatch { input: json!(2), ..to("wren/check") };
        assert_eq!(world.request_as("forge", request, ask(other)).0.unwrap_err().code, ErrorCode::IdReused);
        let lease = world.assigned("wren")[0];
        world.request::<DispatchStanding>("wren", done(lease, json!(1))).unwrap();
        let (after, effects) = world.request_as("forge", request, ask(to("wren/check")));
        let after: Dispatched = parsed(&after.unwrap());
        assert_eq!((after.dispatch, after.state, effects), (first.dispatch, DispatchState::Done, Vec::new()));
        assert_eq!(world.assigned("wren").len(), 1);
        // Its skill may be gone by then, which only a new request is told.
        let gone = |_: &Dispatch| Some(Err(ErrorBody::new(ErrorCode::Invalid, "there is no such skill")));
        let by_skill = || Change::Dispatch(MeasuredDispatch::from(to("wren/check")).filled(gone));
        let (after, _) = world.request_as("forge", request, by_skill());
        assert_eq!(parsed::<Dispatched>(&after.unwrap()).dispatch, first.dispatch);
        let refused = world.request::<Dispatched>("forge", by_skill()).unwrap_err();
        assert_eq!((refused.code, refused.message.as_str()), (ErrorCode::Invalid, "there is no such skill"));
        let large = |_: &Dispatch| Some(Ok(json!("x".repeat(DURABLE_BYTES_MAX))));
        let by_skill = Change::Dispatch(MeasuredDispatch::from(to("wren/check")).filled(large));
        assert_eq!(world.request::<Dispatched>("forge", by_skill).unwrap_err().code, ErrorCode::TooLarge);
    }

    fn work_for_a_worker_who_is_away_waits_for_its_return(world) {
        world.team();
        let link = world.link("wren").unwrap();
        world.apply(CommandBody::LinkDown { aspect: name("wren"), link, generation: 1 });
        let sent = world.dispatch("forge", to("wren/check"));
        assert_eq!(sent.state, DispatchState::Pending);
        assert_eq!(world.inbox("wren").len(), 0);
        let link = LinkId(world.id());
        let (registered, effects) = world.register_on("wren", link, Register { last_generation: 1, ..worker() });
        registered.unwrap();
        let attach = effects.iter().position(|it| matches!(it, Effect::Attach { cursor: 0, tail: 0, .. })).unwrap();
        let push = effects.iter().position(|it| matches!(it, Effect::Push { offset: 1, .. })).unwrap();
        assert!(attach < push);
        assert_eq!(world.state(sent.dispatch), DispatchState::Running);
    }

    fn an_assignment_not_yet_delivered_is_not_taken_for_lost_work(world) {
        let first = world.team();
        let sent = world.dispatch("forge", to("wren/check"));
        // The link broke before the item arrived: the runtime cannot name the lease.
        let again = world.register("wren", worker()).unwrap();
        assert_eq!((again.lost, again.offset), (Vec::new(), 0));
        assert_eq!(world.state(sent.dispatch), DispatchState::Running);
        // Now it has the item and has lost the work.
        let item = world.inbox("wren")[0].id;
        let resume = Some(Resume { epoch: first.epoch, offset: 1, item: Some(item) });
        world.register("wren", Register { resume, ..worker() }).unwrap();
        assert_eq!(world.state(sent.dispatch), DispatchState::Failed);
        assert_eq!(world.outcomes("forge")[0].error.as_ref().unwrap().code, "worker_lost");
    }

    fn a_lease_that_is_no_longer_good_is_named_at_registration(world) {
        world.team();
        let sent = world.dispatch("forge", to("wren/check"));
        let lease = world.assigned("wren")[0];
        let cancel = Change::DispatchCancel(DispatchCancel { dispatch: sent.dispatch, reason: None });
        world.request::<CancelReceipt>("forge", cancel).unwrap();
        let held = vec![HeldLease { lease, waiting: false }];
        let registered = world.register("wren", Register { leases: held, ..worker() }).unwrap();
        assert_eq!(registered.lost, vec![lease]);
    }

    fn a_cancel_is_for_the_invoker_or_an_operator_and_reaches_the_worker(world) {
        world.team();
        world.online("harrow");
        let sent = world.dispatch("forge", to("wren/check"));
        let cancel = |dispatch| Change::DispatchCancel(DispatchCancel { dispatch, reason: Some("enough".into()) });
        let error = world.request::<CancelReceipt>("harrow", cancel(sent.dispatch)).unwrap_err();
        assert_eq!(error.code, ErrorCode::Forbidden);
        let nothing = DispatchId(world.id());
        assert_eq!(world.request::<CancelReceipt>("forge", cancel(nothing)).unwrap_err().code, ErrorCode::NotFound);
        let request = RequestId(world.id());
        let expected = CancelReceipt {
            cancelled: vec![sent.dispatch], unconfirmed: vec![sent.dispatch], ..CancelReceipt::default()
        };
        // A repeat of the request has the same receipt; another request finds that it had ended.
        for _ in 0..2 {
            let (receipt, _) = world.request_as("operator/ana", request, cancel(sent.dispatch));
            assert_eq!(parsed::<CancelReceipt>(&receipt.unwrap()), expected);
        }
        let receipt: CancelReceipt = world.request("forge", cancel(sent.dispatch)).unwrap();
        assert_eq!(receipt, CancelReceipt { already_ended: vec![sent.dispatch], ..CancelReceipt::default() });
        let outcome = world.outcomes("forge").remove(0);
        assert_eq!(outcome.state, DispatchState::Cancelled);
        assert!(outcome.error.unwrap().message.contains("operator/ana: enough"));
        let lease = world.assigned("wren")[0];
        let ItemBody::Cancel { lease: stopped, .. } = world.inbox("wren").pop().unwrap().body else { panic!("a cancel") };
        assert_eq!(stopped, lease);
        let error = world.request::<DispatchStanding>("wren", done(lease, json!(1))).unwrap_err();
        assert_eq!(error.code, ErrorCode::StaleToken);
    }

    fn a_parent_waits_for_its_children_and_goes_on_once(world) {
        world.team();
        let root = world.dispatch("forge", to("wren/check"));
        let lease = world.assigned("wren")[0];
        let child = world.dispatch("wren", Dispatch { parent: Some(lease), ..to("wren/check") });
        let info = world.store.dispatch(child.dispatch).unwrap().unwrap().info;
        assert_eq!((info.root, info.key, info.depth), (root.dispatch, party("forge"), 2));
        let wait = |on: Vec<DispatchId>| Change::DispatchWait(DispatchWait { lease, on });
        let error = world.request::<DispatchStanding>("wren", wait(vec![root.dispatch])).unwrap_err();
        assert_eq!(error.code, ErrorCode::Invalid);
        let request = RequestId(world.id());
        let (answer, _) = world.request_as("wren", request, wait(vec![child.dispatch]));
        assert_eq!(parsed::<DispatchStanding>(&answer.unwrap()).state, DispatchState::Waiting);
        assert_eq!(world.state(root.dispatch), DispatchState::Waiting);

        let child_lease = world.assigned("wren")[1];
        world.request::<DispatchStanding>("wren", done(child_lease, json!("child"))).unwrap();
        assert_eq!(world.state(root.dispatch), DispatchState::Running);
        let resumes = |world: &World<S>| {
            world.inbox("wren").iter().filter(|it| matches!(it.body, ItemBody::Resume { wait: 1, .. })).count()
        };
        assert_eq!(resumes(world), 1);
        // The reply was lost and the request comes again: it must not yield a second time.
        let (answer, effects) = world.request_as("wren", request, wait(vec![child.dispatch]));
        assert_eq!(parsed::<DispatchStanding>(&answer.unwrap()).state, DispatchState::Running);
        assert_eq!(effects, Vec::new());
        // A new wait for what has ended comes back at once, as the second.
        world.request::<DispatchStanding>("wren", wait(vec![child.dispatch])).unwrap();
        assert_eq!(world.inbox("wren").iter().filter(|it| matches!(it.body, ItemBody::Resume { wait: 2, .. })).count(), 1);
        world.request::<DispatchStanding>("wren", done(lease, json!("root"))).unwrap();
        assert_eq!(world.outcomes("forge").len(), 1);
        let own: Vec<DispatchId> = world.outcomes("wren").into_iter().map(|it| it.dispatch).collect();
        assert_eq!(own, vec![child.dispatch]);
        // The wait that was over at once was none, and its repeat neither.
        let steps = AuditList { subject: Some(root.dispatch.to_string()), ..AuditList::default() };
        let steps = world.store.audit(&steps, 20).unwrap();
        let kinds: Vec<&str> = steps.iter().rev().map(|entry| entry.kind.as_str()).collect();
        assert_eq!(kinds, [
            "dispatch.accepted", "dispatch.assigned", "dispatch.waiting", "dispatch.resumed", "dispatch.resumed",
            "dispatch.ended",
        ]);
    }

    fn time_ends_what_nobody_ends(world) {
        world.team();
        let sent = world.dispatch("forge", Dispatch { deadline_s: Some(20), ..to("wren/check") });
        let lease = world.assigned("wren")[0];
        let due = world.hub.next_timer().unwrap();
        assert_eq!(due, world.at + 20_000, "the deadline is before the lease's end");
        world.at = due - 2;
        world.apply(CommandBody::Tick);
        assert_eq!(world.state(sent.dispatch), DispatchState::Running);
        world.apply(CommandBody::Tick);
        assert_eq!(world.state(sent.dispatch), DispatchState::TimedOut);
        assert_eq!(world.outcomes("forge")[0].state, DispatchState::TimedOut);
        let late = world.request::<DispatchStanding>("wren", done(lease, json!(1))).unwrap_err();
        assert_eq!(late.code, ErrorCode::StaleToken);
        assert_eq!(world.hub.next_timer(), None);
    }

    fn a_lease_is_renewed_without_a_trace_in_the_log(world) {
        world.team();
        world.dispatch("forge", to("wren/check"));
        let lease = world.assigned("wren")[0];
        let head = world.hub.log_seq();
        world.at += 10_000;
        let strange = Lease { attempt: 9, ..lease };
        let renewed: LeasesRenewed =
            world.request("wren", Change::LeaseRenew(LeaseRenew { leases: vec![lease, strange] })).unwrap();
        assert_eq!(renewed.lost, vec![strange]);
        assert_eq!(world.hub.log_seq(), head);
        assert_eq!(world.store.snapshot().unwrap().last_at, world.at);
        let error = world.request::<LeasesRenewed>("operator/ana", Change::LeaseRenew(LeaseRenew { leases: vec![] }));
        assert_eq!(error.unwrap_err().code, ErrorCode::Invalid);
    }

    fn a_broker_that_starts_gives_every_lease_time_to_come_back(world) {
        let first = world.team();
        let sent = world.dispatch("forge", to("wren/check"));
        let lease = world.assigned("wren")[0];
        world.at += 3_600_000;
        world.apply(CommandBody::BrokerStarted(HubConfig::default()));
        // Longer than the default deadline away: it was due while the broker was down.
        assert_eq!(world.state(sent.dispatch), DispatchState::TimedOut);
        world.register("forge", Register { last_generation: 1, ..Register::default() }).unwrap();
        let resume = Some(Resume { epoch: first.epoch, offset: 0, item: None });
        world.register("wren", Register { resume, leases: vec![HeldLease { lease, waiting: false }], ..worker() }).unwrap();
        let sent = world.dispatch("forge", to("wren/check"));
        world.apply(CommandBody::BrokerStarted(HubConfig::default()));
        assert_eq!(world.state(sent.dispatch), DispatchState::Running);
        assert_eq!(world.hub.next_timer(), Some(world.at + HubConfig::default().lease_at_boot_ms));
        let open = world.register("forge", Register { last_generation: 1, ..Register::default() }).unwrap().situation;
        assert_eq!(open.open_dispatches.iter().map(|it| it.id).collect::<Vec<_>>(), vec![sent.dispatch]);
    }

    fn a_machine_that_slept_loses_no_work_and_says_so(world) {
        world.team();
        let sent = world.dispatch("forge", to("wren/check"));
        let lease = world.assigned("wren")[0];
        world.at += 600_000;
        world.apply(CommandBody::MachineWoke { slept_ms: 600_000 });
        world.apply(CommandBody::Tick);
        assert_eq!(world.state(sent.dispatch), DispatchState::Running);
        assert_eq!(world.hub.roster().aspect(&"wren".parse().unwrap()).map(|it| it.link.is_some()), Some(true));
        let body = LogBody::Other { kind: "machine.woke".into(), subject: "600 s".into() };
        let log = world.store.log(0, None, 1_000).unwrap();
        assert_eq!(log.iter().filter(|entry| entry.body == body).count(), 1, "{log:?}");
        let renewed: LeasesRenewed =
            world.request("wren", Change::LeaseRenew(LeaseRenew { leases: vec![lease] })).unwrap();
        assert_eq!(renewed.lost, vec![]);
        let woke = log.iter().find(|entry| entry.body == body).map(|entry| entry.at);
        assert_eq!(Some(world.store.snapshot().unwrap().started_at), woke, "what nobody did before it is held against none");
    }

    fn a_result_is_either_an_output_or_an_error(world) {
        world.team();
        world.dispatch("forge", to("wren/check"));
        let lease = world.assigned("wren")[0];
        let usage = Usage::default();
        let result = |output, error| DispatchResult { lease, output, error, usage, cost_microusd: None };
        let failure = HandFailure { code: "x".into(), message: String::new() };
        let large = json!("x".repeat(DURABLE_BYTES_MAX));
        let cases = [
            (result(None, None), ErrorCode::Invalid),
            (result(Some(json!(1)), Some(failure)), ErrorCode::Invalid),
            (result(Some(large), None), ErrorCode::TooLarge),
        ];
        for (result, code) in cases {
            let error = world.request::<DispatchStanding>("wren", Change::DispatchResult(result)).unwrap_err();
            assert_eq!(error.code, code);
        }
        let error = world.request::<DispatchStanding>("forge", done(lease, json!(1))).unwrap_err();
        assert_eq!(error.code, ErrorCode::StaleToken, "another's token");
        assert!(world.request::<DispatchStanding>("wren", done(lease, json!(1))).is_ok());
    }
}
