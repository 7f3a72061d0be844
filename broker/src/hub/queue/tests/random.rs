//! Any sequence of operations: the harness checks all it can after each, and in the end everything accepted
//! has ended once.

use nexus_wire::DispatchId;
use nexus_wire::hands::{DispatchState, Lease};
use proptest::prelude::*;

use super::super::Verdict;
use super::harness::{Ask, Harness, aspect, failure, offer};

const HOSTS: [&str; 3] = ["wren", "forge", "keel"];
const HANDS: [&str; 2] = ["read", "draw"];

/// What can be done to a queue. `pick` chooses among what there is, `some` is a mask over it.
#[derive(Clone, Debug)]
enum Op {
    Root { invoker: u8, host: u8, hand: u8, idempotent: bool, timeout_s: u8, deadline_s: u16 },
    Child { pick: u8, host: u8, hand: u8, idempotent: bool, timeout_s: u8, deadline_s: u16 },
    Register { host: u8, slots: u8, places: [u8; 2], some: u16 },
    Offline { host: u8 },
    Done { pick: u8 },
    Failed { pick: u8 },
    Refused { pick: u8 },
    StaleResult { pick: u8 },
    Wait { pick: u8, some: u16 },
    Renew { host: u8, some: u16 },
    Cancel { pick: u8 },
    Pass { s: u8 },
    SoftCap { to: u8 },
    Restart { down_s: u8 },
    Gone { host: u8 },
}

fn op() -> impl Strategy<Value = Op> {
    let ask = || (0_u8..4, 0_u8..3, 0_u8..2, any::<bool>(), 1_u8..90, 1_u16..400);
    prop_oneof![
        6 => ask().prop_map(|(invoker, host, hand, idempotent, timeout_s, deadline_s)| {
            Op::Root { invoker, host, hand, idempotent, timeout_s, deadline_s }
        }),
        6 => (any::<u8>(), ask()).prop_map(|(pick, (_, host, hand, idempotent, timeout_s, deadline_s))| {
            Op::Child { pick, host, hand, idempotent, timeout_s, deadline_s }
        }),
        4 => (0_u8..3, 0_u8..4, [0_u8..4, 0_u8..4], any::<u16>())
            .prop_map(|(host, slots, places, some)| Op::Register { host, slots, places, some }),
        1 => (0_u8..3).prop_map(|host| Op::Offline { host }),
        5 => any::<u8>().prop_map(|pick| Op::Done { pick }),
        1 => any::<u8>().prop_map(|pick| Op::Failed { pick }),
        2 => any::<u8>().prop_map(|pick| Op::Refused { pick }),
        1 => any::<u8>().prop_map(|pick| Op::StaleResult { pick }),
        5 => (any::<u8>(), any::<u16>()).prop_map(|(pick, some)| Op::Wait { pick, some }),
        4 => (0_u8..3, any::<u16>()).prop_map(|(host, some)| Op::Renew { host, some }),
        1 => any::<u8>().prop_map(|pick| Op::Cancel { pick }),
        4 => (0_u8..40).prop_map(|s| Op::Pass { s }),
        1 => (0_u8..6).prop_map(|to| Op::SoftCap { to }),
        1 => (0_u8..200).prop_map(|down_s| Op::Restart { down_s }),
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
        Op::Root { invoker, host, hand, idempotent, timeout_s, deadline_s } => {
            let invoker = ["wren", "forge", "operator/ana", "operator/bo"][usize::from(invoker)];
            let ask = Ask::root(invoker, &to(host, hand));
            let ask = sized(ask, idempotent, timeout_s, deadline_s);
            if it.is_offered(&ask.hand) {
                assert!(it.accept(ask).is_ok());
            }
        }
        Op::Child { pick: n, host, hand, idempotent, timeout_s, deadline_s } => {
            let Some(parent) = pick(&leases(it), n) else { return };
            let ask = Ask::child(parent, &holder(it, parent), &to(host, hand));
            if !it.is_offered(&ask.hand) {
                return;
            }
            let too_deep = it.oracle.facts(parent.dispatch).is_some_and(|facts| facts.depth == 4);
            let too_many = it.queue.children(parent.dispatch).len() >= 32;
            let accepted = it.accept(sized(ask, idempotent, timeout_s, deadline_s));
            assert_eq!(accepted.is_err(), too_deep || too_many, "{accepted:?}");
        }
        Op::Register { host, slots, places, some } => {
            let host = HOSTS[usize::from(host)];
            // One with no place is declared no more.
            let hands = HANDS.iter().copied().zip(places.map(u32::from));
            let hands: Vec<_> = hands.filter(|(_, places)| *places > 0).collect();
            let named = among(&it.queue.leases(&aspect(host)), some);
            it.register(host, offer(slots.into(), &hands), &named);
        }
        Op::Offline { host } => it.offline(HOSTS[usize::from(host)]),
        Op::Done { pick: n } => {
            let Some(lease) = pick(&leases(it), n) else { return };
            assert_eq!(it.result(lease, Verdict::Done), Ok(DispatchState::Done));
        }
        Op::Failed { pick: n } => {
            let Some(lease) = pick(&leases(it), n) else { return };
            assert_eq!(it.result(lease, Verdict::Failed(failure("no_idea"))), Ok(DispatchState::Failed));
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
        Op::Cancel { pick: n } => {
            let open: Vec<_> = it.oracle.open.iter().map(|facts| facts.id).collect();
            let Some(id) = pick(&open, n) else { return };
            assert!(it.cancel(id).cancelled.contains(&id));
        }
        Op::Pass { s } => it.pass(i64::from(s) * 1_000),
        Op::SoftCap { to } => it.set_soft_cap(to.into()),
        Op::Restart { down_s } => it.restart(i64::from(down_s) * 1_000),
        Op::Gone { host } => it.gone(HOSTS[usize::from(host)]),
    }
}

fn sized(ask: Ask, idempotent: bool, timeout_s: u8, deadline_s: u16) -> Ask {
    let ask = ask.timeout(i64::from(timeout_s) * 1_000).deadline(i64::from(deadline_s) * 1_000);
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
        // The longest deadline bounds everything.
        it.pass(400_000);
        prop_assert!(it.queue.is_empty());
        prop_assert_eq!(it.queue.next_timer(), None);
    }
}
