//! Waiting for an end that no entry of the log tells of.

use std::time::Duration;

use nexus_wire::frame::ToBroker;
use nexus_wire::gather::{GatherInfo, GatherPolicy, GatherState, Gathered};
use nexus_wire::inbox::Gap;
use nexus_wire::log::Subscribed;
use nexus_wire::{ErrorBody, ErrorCode, GatherId};
use uuid::Uuid;

use super::stub::{Act, Done, nexctl};

const GATHER: GatherId = GatherId(Uuid::from_u128(6));
const WAIT: [&str; 3] = ["gather", "00000000-0000-0000-0000-000000000003", "--wait"];

fn info(state: GatherState) -> GatherInfo {
    GatherInfo {
        id: GATHER,
        invoker: "operator/ana".parse().expect("a party"),
        policy: GatherPolicy::All,
        need: 1,
        cancel_rest: false,
        state,
        accepted_at: 1000,
        deadline_at: 9000,
        clamped: false,
        ended_at: None,
        reason: None,
        members: Vec::new(),
    }
}

/// What comes of waiting. Whoever waits for ever fails.
async fn waited(
    followed: impl Fn(usize) -> Vec<Act> + Send + Sync + 'static,
    looked: impl Fn(usize) -> Act + Send + Sync + 'static,
) -> Done {
    let gathered = Gathered { gather: GATHER, state: GatherState::Open, deadline_at: 9000, clamped: false };
    let script = move |frame: &ToBroker, before: usize| match frame {
        ToBroker::Gather(_) => vec![Act::ok(&gathered)],
        ToBroker::Subscribe(_) => {
            let mut acts = vec![Act::ok(&Subscribed { head: 9, ..Subscribed::default() })];
            acts.extend(followed(before));
            acts
        }
        ToBroker::GatherStatus(_) => vec![looked(before)],
        other => panic!("{other:?}"),
    };
    let ended = tokio::time::timeout(Duration::from_secs(60), nexctl(&WAIT, script)).await;
    ended.expect("it does not wait for ever")
}

#[tokio::test]
async fn an_end_in_what_is_lost_of_the_log_is_found() {
    let gap = |_| vec![Act::push(Gap { from: 5, to: 9, reason: "another history".into() })];
    let looked = |before| Act::ok(&info(if before == 0 { GatherState::Open } else { GatherState::Met }));
    let done = waited(gap, looked).await;
    assert!(done.result.is_ok(), "{done:?}");
}

#[tokio::test]
async fn an_end_while_the_connection_was_lost_is_found_whatever_the_log_says() {
    let cut = |before| if before == 0 { vec![Act::Cut] } else { Vec::new() };
    let looked = |before| Act::ok(&info(if before == 0 { GatherState::Open } else { GatherState::Failed }));
    let done = waited(cut, looked).await;
    assert_eq!((done.code(), done.failure()), (1, format!("gather {GATHER} failed")));
    assert!(done.err.contains("connection lost; reconnecting…\nreconnected\n"), "{}", done.err);
}

#[tokio::test]
async fn what_the_broker_knows_no_more_is_not_waited_for() {
    let cut = |before| if before == 0 { vec![Act::Cut] } else { Vec::new() };
    let looked = |before| match before {
        0 => Act::ok(&info(GatherState::Open)),
        _ => Act::Refuse(ErrorBody::new(ErrorCode::NotFound, "no gather 6 that operator/ana made")),
    };
    let done = waited(cut, looked).await;
    let expected = "no gather 6 that operator/ana made; it was there before, so the broker was put back to an older \
                    backup: ask for it again";
    assert_eq!((done.code(), done.failure()), (1, expected.to_owned()));
}
