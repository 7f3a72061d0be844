//! Any sequence of operations: the harness checks all it can after each, and in the end everything accepted
//! has ended once.

use nexus_wire::DispatchId;
use nexus_wire::budget::{Budget, BudgetPer, Spending};
use nexus_wire::hands::{DispatchState, Lease};
use proptest::prelude::*;

use super::super::{Refusal, Verdict};
use super::harness::{Ask, Harness, aspect, failure, offer};

const PAYERS: [&str; 4] = ["wren", "forge", "operator/ana", "operator/bo"];
const HOSTS: [&str; 3] = ["wren", "forge", "keel"];
const HANDS: [&str; 2] = ["read", "draw"];

/// What can be done to a queue. `pick` chooses among what there is, `some` is a mask over it.
#[derive(Clone, Debug)]
enum Op {
    Root {
        invoker: u8,
        host: u8,
        hand: u8,
        idempotent: bool,
        timeout_s: u8,
        deadline_s: u16,
        budget: u8,
    },
    Child {
        pick: u8,
        host: u8,
        hand: u8,
        idempotent: bool,
        timeout_s: u8,
        deadline_s: u16,
        budget: u8,
        tenths: u8,
    },
    Purse {
        of: u8,
        month: bool,
        limit: u8,
        each: u8,
    },
    ClearPurse {
        of: u8,
        month: bool,
    },
    Spend {
        by: u8,
        tokens: u8,
    },
    /// Nothing is to be spent, or something may be.
    Stop {
        is_said: bool,
    },
    Register {
        host: u8,
        slots: u8,
        places: [u8; 2],
        some: u16,
    },
    Offline {
        host: u8,
    },
    Done {
        pick: u8,
        tenths: u8,
    },
    Failed {
        pick: u8,
        tenths: u8,
    },
    Refused {
        pick: u8,
    },
    StaleResult {
        pick: u8,
    },
    Wait {
        pick: u8,
        some: u16,
    },
    Renew {
        host: u8,
        some: u16,
    },
    /// People are asked something for it, or have answered.
    Asks {
        pick: u8,
        asks: bool,
    },
    Cancel {
        pick: u8,
    },
    Redirect {
        pick: u8,
        host: u8,
        hand: u8,
    },
    NobodyElse {
        pick: u8,
        is_early: bool,
    },
    Pass {
        s: u8,
    },
    SoftCap {
        to: u8,
    },
    Restart {
        down_s: u8,
    },
    Sleep {
        s: u8,
    },
    Gone {
        host: u8,
    },
}

fn op() -> impl Strategy<Value = Op> {
    let ask = || (0_u8..4, 0_u8..3, 0_u8..2, any::<bool>(), 1_u8..90, 1_u16..400);
    prop_oneof![
        6 => (ask(), 0_u8..12).prop_map(|((invoker, host, hand, idempotent, timeout_s, deadline_s), budget)| {
            Op::Root { invoker, host, hand, idempotent, timeout_s, deadline_s, budget }
        }),
        6 => (any::<u8>(), ask(), 0_u8..12, 0_u8..11).prop_map(
            |(pick, (_, host, hand, idempotent, timeout_s, deadline_s), budget, tenths)| {
                Op::Child { pick, host, hand, idempotent, timeout_s, deadline_s, budget, tenths }
            },
        ),
        2 => (0_u8..5, any::<bool>(), 0_u8..12, 0_u8..12)
            .prop_map(|(of, month, limit, each)| Op::Purse { of, month, limit, each }),
        1 => (0_u8..5, any::<bool>()).prop_map(|(of, month)| Op::ClearPurse { of, month }),
        1 => (0_u8..4, any::<u8>()).prop_map(|(by, tokens)| Op::Spend { by, tokens }),
        2 => any::<bool>().prop_map(|is_said| Op::Stop { is_said }),
        4 => (0_u8..3, 0_u8..4, [0_u8..4, 0_u8..4], any::<u16>())
            .prop_map(|(host, slots, places, some)| Op::Register { host, slots, places, some }),
        1 => (0_u8..3).prop_map(|host| Op::Offline { host }),
        5 => (any::<u8>(), 0_u8..11).prop_map(|(pick, tenths)| Op::Done { pick, tenths }),
        1 => (any::<u8>(), 0_u8..11).prop_map(|(pick, tenths)| Op::Failed { pick, tenths }),
        2 => any::<u8>().prop_map(|pick| Op::Refused { pick }),
        1 => any::<u8>().prop_map(|pick| Op::StaleResult { pick }),
        5 => (any::<u8>(), any::<u16>()).prop_map(|(pick, some)| Op::Wait { pick, some }),
        4 => (0_u8..3, any::<u16>()).prop_map(|(host, some)| Op::Renew { host, some }),
        4 => (any::<u8>(), any::<bool>()).prop_map(|(pick, asks)| Op::Asks { pick, asks }),
        1 => any::<u8>().prop_map(|pick| Op::Cancel { pick }),
        4 => (any::<u8>(), 0_u8..3, 0_u8..2).prop_map(|(pick, host, hand)| Op::Redirect { pick, host, hand }),
        1 => (any::<u8>(), any::<bool>()).prop_map(|(pick, is_early)| Op::NobodyElse { pick, is_early }),
        4 => (0_u8..40).prop_map(|s| Op::Pass { s }),
        1 => (0_u8..6).prop_map(|to| Op::SoftCap { to }),
        1 => (0_u8..200).prop_map(|down_s| Op::Restart { down_s }),
        1 => (1_u8..200).prop_map(|s| Op::Sleep { s }),
        1 => (0_u8..3).prop_map(|host| Op::Gone { host }),
    ]
}

fn among<T: Clone>(all: &[T], some: u16) -> Vec<T> {
    all.iter().enumerate().filter(|(n, _)| some >> (n % 16) & 1 == 1).map(|(_, one)| one.clone()).collect()
}

fn pick<T: Copy>(all: &[T], pick: u8) -> Option<T> {
    (!all.is_empty()).then(|| all[usize::from(pick) % all.len()])
}

fn to(host: u8, hand: u8) -> String {
    format!("{}/{}", HOSTS[usize::from(host)], HANDS[usize::from(hand)])
}

fn leases(it: &Harness) -> Vec<Lease> {
    HOSTS.iter().flat_map(|host| it.queue.leases(&aspect(host))).collect()
}

fn holder(it: &Harness, lease: Lease) -> String {
    it.oracle.facts(lease.dispatch).map(|facts| facts.hand.aspect.to_string()).unwrap_or_default()
}

fn perform(it: &mut Harness, op: &Op) {
    match *op {
        Op::Root { invoker, host, hand, idempotent, timeout_s, deadline_s, budget } => {
            let ask = Ask::root(PAYERS[usize::from(invoker)], &to(host, hand)).budget(amounts(budget));
            let ask = sized(ask, idempotent, timeout_s, deadline_s);
            if it.is_offered(&ask.hand) {
                let allowed = it.oracle.allowed(&ask);
                let accepted = it.accept(ask);
                assert_eq!(accepted.is_ok(), allowed.is_some(), "{accepted:?}");
            }
        }
        Op::Child { pick: n, host, hand, idempotent, timeout_s, deadline_s, budget, tenths } => {
            let Some(parent) = pick(&leases(it), n) else { return };
            let used = it.within(parent.dispatch, tenths.into());
            let ask =
                Ask::child(parent, &holder(it, parent), &to(host, hand)).budget(amounts(budget)).after(used);
            if !it.is_offered(&ask.hand) {
                return;
            }
            let too_deep = it.oracle.facts(parent.dispatch).is_some_and(|facts| facts.depth == 4);
            let too_many = it.queue.children(parent.dispatch).len() >= 32;
            let accepted = it.accept(sized(ask, idempotent, timeout_s, deadline_s));
            let too_dear = matches!(accepted, Err(Refusal::BudgetExceeded { .. }));
            assert_eq!(accepted.is_err(), too_deep || too_many || too_dear, "{accepted:?}");
        }
        Op::Purse { of, month, limit, each } => {
            let limit = amounts(limit).or(Budget { tokens: Some(120), cost_microusd: None });
            let least = |each: Option<u64>, limit: Option<u64>| Some(each.unwrap_or(7).min(limit?).max(1));
            let each = amounts(each);
            let each = Budget {
                tokens: least(each.tokens, limit.tokens),
                cost_microusd: least(each.cost_microusd, limit.cost_microusd),
            };
            it.set_purse(PAYERS.get(usize::from(of)).copied(), per(month), limit, each);
        }
        Op::ClearPurse { of, month } => it.clear_purse(PAYERS.get(usize::from(of)).copied(), per(month)),
        Op::Spend { by, tokens } => {
            let spent = Spending { tokens: tokens.into(), cost_microusd: 1 };
            it.spend(PAYERS[usize::from(by)], spent);
        }
        Op::Stop { is_said } => it.say_stopped(is_said),
        Op::Register { host, slots, places, some } => {
            let host = HOSTS[usize::from(host)];
            // One with no place is declared no more.
            let hands = HANDS.iter().copied().zip(places.map(u32::from));
            let hands: Vec<_> = hands.filter(|(_, places)| *places > 0).collect();
            let named = among(&it.queue.leases(&aspect(host)), some);
            it.register(host, offer(slots.into(), &hands), &named);
        }
        Op::Offline { host } => it.offline(HOSTS[usize::from(host)]),
        Op::Done { pick: n, tenths } => {
            let Some(lease) = pick(&leases(it), n) else { return };
            let (host, used) = (aspect(&holder(it, lease)), it.within(lease.dispatch, tenths.into()));
            let ended = it.result_using(lease, &host, Verdict::Done, used);
            assert_eq!(ended, Ok(DispatchState::Done));
        }
        Op::Failed { pick: n, tenths } => {
            let Some(lease) = pick(&leases(it), n) else { return };
            let (host, used) = (aspect(&holder(it, lease)), it.within(lease.dispatch, tenths.into()));
            let ended = it.result_using(lease, &host, Verdict::Failed(failure("no_idea")), used);
            assert_eq!(ended, Ok(DispatchState::Failed));
        }
        Op::Refused { pick: n } => {
            let Some(lease) = pick(&leases(it), n) else { return };
            let before = it.queue.entries[&lease.dispatch].refused;
            let state = it.result(lease, Verdict::Refused(failure("invalid_output"))).unwrap();
            assert_eq!(state == DispatchState::Failed, before, "the second time in an attempt is the last");
        }
        Op::StaleResult { pick: n } => {
            let Some(lease) = pick(&leases(it), n) else { return };
            let stale = Lease { attempt: lease.attempt - 1, ..lease };
            assert!(it.result(stale, Verdict::Done).is_err());
            let stranger = aspect("stranger");
            assert!(it.result_from(lease, &stranger, Verdict::Done).is_err());
        }
        Op::Wait { pick: n, some } => {
            let Some(lease) = pick(&leases(it), n) else { return };
            let on: Vec<DispatchId> = among(&it.queue.children(lease.dispatch), some);
            assert!(it.wait(lease, &on).is_ok());
        }
        Op::Renew { host, some } => {
            let host = HOSTS[usize::from(host)];
            let named = among(&it.queue.leases(&aspect(host)), some);
            assert_eq!(it.renew(host, &named), []);
        }
        Op::Asks { pick: n, asks } => {
            let Some(lease) = pick(&leases(it), n) else { return };
            it.asks(lease, asks);
        }
        Op::Cancel { pick: n } => {
            let open: Vec<_> = it.oracle.open.iter().map(|facts| facts.id).collect();
            let Some(id) = pick(&open, n) else { return };
            assert!(it.cancel(id).cancelled.contains(&id));
        }
        Op::Redirect { pick: n, host, hand } => {
            let movable: Vec<_> =
                it.movable().into_iter().flat_map(|(_, work)| work).chain(it.astray()).collect();
            let Some(id) = pick(&movable, n) else { return };
            let to = to(host, hand);
            if it.is_offered(&to.parse().unwrap()) {
                it.redirect(id, &to);
            }
        }
        Op::NobodyElse { pick: n, is_early } => {
            let movable: Vec<_> =
                it.movable().into_iter().flat_map(|(_, work)| work).chain(it.astray()).collect();
            let Some(id) = pick(&movable, n) else { return };
            it.nobody_else_yet(id, is_early);
            assert!(!it.astray().contains(&id));
        }
        Op::Pass { s } => it.pass(i64::from(s) * 1_000),
        Op::SoftCap { to } => it.set_soft_cap(to.into()),
        Op::Restart { down_s } => it.restart(i64::from(down_s) * 1_000),
        Op::Sleep { s } => it.sleep(i64::from(s) * 1_000),
        Op::Gone { host } => it.gone(HOSTS[usize::from(host)]),
    }
}

fn per(month: bool) -> BudgetPer {
    if month { BudgetPer::Month } else { BudgetPer::Day }
}

/// Half of them limit nothing.
fn amounts(n: u8) -> Budget {
    let some = |bit: u8| (n & bit != 0).then_some(u64::from(n) * 9 + 1);
    if n < 6 { Budget::default() } else { Budget { tokens: some(1), cost_microusd: some(2) } }
}

fn sized(ask: Ask, idempotent: bool, timeout_s: u8, deadline_s: u16) -> Ask {
    let ask = ask.timeout(i64::from(timeout_s) * 1_000).deadline(i64::from(deadline_s) * 1_000);
    // Of each the half.
    let ask = if timeout_s.is_multiple_of(2) { ask.movable() } else { ask };
    if idempotent { ask.idempotent() } else { ask }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn whatever_happens_the_design_holds(
        soft_cap in 0_u32..4,
        ops in prop::collection::vec(op(), 1..120),
    ) {
        let mut it = Harness::new(soft_cap)
            .live("wren", 2, &[("read", 2), ("draw", 1)])
            .live("forge", 3, &[("read", 1), ("draw", 3)]);
        for (n, op) in ops.iter().enumerate() {
            it.fault = format!("operation {n}, {op:?}");
            perform(&mut it, op);
            it.check_offered();
        }
        it.fault = "afterwards".into();
        // The longest deadline bounds everything, once it does not stand still.
        it.say_stopped(false);
        it.clear_purse(None, BudgetPer::Day);
        it.pass(400_000);
        prop_assert!(it.queue.is_empty());
        for of in PAYERS.into_iter().map(Some).chain([None]) {
            it.clear_purse(of, BudgetPer::Day);
            it.clear_purse(of, BudgetPer::Month);
        }
        prop_assert_eq!(it.queue.next_timer(), None);
    }
}
