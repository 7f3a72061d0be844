//! Dialling again: what is repeated, and when it must stop.

use std::time::Duration;

use axum::http::StatusCode;
use nexus_client::{CloseReason, DialErrorKind, Event, Loss, Session, new_request_id};
use nexus_wire::MessageId;
use nexus_wire::chat::{ChatSend, ChatSent};
use nexus_wire::frame::{FromBroker, ToBroker};
use nexus_wire::inbox::Gap;
use nexus_wire::limits::{CLOSE_DISPLACED, CLOSE_GOING_AWAY, CLOSE_REVOKED};
use nexus_wire::log::Shutdown;
use uuid::Uuid;

use super::stub::{Stub, problem};

fn sent() -> ChatSent {
    ChatSent {
        message: MessageId(Uuid::from_u128(1)),
        seq: 1,
        thread: nexus_wire::ThreadId(Uuid::from_u128(2)),
        recipients: Vec::new(),
        unknown: Vec::new(),
    }
}

#[tokio::test]
async fn a_request_outlives_its_link_under_the_same_id() {
    let mut stub = Stub::start().await;
    let mut session = Session::start(stub.broker());
    let caller = session.caller();
    let id = new_request_id();
    let request = ChatSend { content: "hello".into(), ..ChatSend::default() };
    let asked = tokio::spawn({
        let request = request.clone();
        async move { caller.call_as(id, request).await }
    });

    let Event::Connected(link) = session.next().await else { panic!("no link") };
    link.established();
    let mut served = stub.link().await;
    assert_eq!(served.recv().await, (Some(id), ToBroker::ChatSend(request.clone())));
    drop(served);
    let Event::Lost { loss, .. } = session.next().await else { panic!("not lost") };
    assert!(matches!(loss, Loss::Link(CloseReason::Broken(_))), "{loss}");

    let Event::Connected(link) = session.next().await else { panic!("no second link") };
    let mut served = stub.link().await;
    link.established();
    let (again, frame) = served.recv().await;
    assert_eq!((again, frame), (Some(id), ToBroker::ChatSend(request)));
    served.ok(again, &sent()).await;
    assert_eq!(asked.await.expect("it ran").expect("answered"), sent());
}

#[tokio::test]
async fn displaced_and_revoked_are_the_end() {
    for (code, reason) in [(CLOSE_DISPLACED, CloseReason::Displaced), (CLOSE_REVOKED, CloseReason::Revoked)] {
        let mut stub = Stub::start().await;
        let mut session = Session::start(stub.broker());
        let caller = session.caller();
        let Event::Connected(link) = session.next().await else { panic!("no link") };
        link.established();
        let mut served = stub.link().await;
        served.push(Gap { from: 1, to: 1, reason: String::new() }).await;
        served.close(code).await;
        let Event::Frame(frame) = session.next().await else { panic!("what came before is told first") };
        assert!(matches!(*frame, FromBroker::Gap(_)));
        let Event::Terminal(Loss::Link(told)) = session.next().await else { panic!("it goes on") };
        assert_eq!(told, reason);
        let over = caller.call_as(new_request_id(), ChatSend::default()).await.expect_err("it is over");
        assert!(over.to_string().contains(&reason.to_string()), "{over}");
        assert!(!stub.has_link(), "it dialled again");
    }
}

#[tokio::test]
async fn a_broker_that_stops_or_is_full_is_dialled_again_and_a_refusal_is_not() {
    let mut stub = Stub::start().await;
    let mut session = Session::start(stub.broker());
    let Event::Connected(_) = session.next().await else { panic!("no link") };
    stub.gate(|_| Some(problem(StatusCode::SERVICE_UNAVAILABLE, "too many links")));
    stub.link().await.close(CLOSE_GOING_AWAY).await;
    let Event::Lost { loss, .. } = session.next().await else { panic!("not lost") };
    assert!(matches!(loss, Loss::Link(CloseReason::Closed { code: CLOSE_GOING_AWAY, .. })), "{loss}");
    let Event::Lost { loss: Loss::Dial(error), .. } = session.next().await else { panic!("not refused") };
    assert!(matches!(error.kind, DialErrorKind::Unavailable { .. }), "{error}");
    stub.gate(|_| Some(problem(StatusCode::UNAUTHORIZED, "revoked")));
    let Event::Terminal(Loss::Dial(error)) = session.next().await else { panic!("it goes on") };
    assert!(matches!(error.kind, DialErrorKind::Unauthorized { .. }), "{error}");
}

#[tokio::test]
async fn a_dropped_session_closes_its_link_for_callers_too() {
    let mut stub = Stub::start().await;
    let mut session = Session::start(stub.broker());
    let caller = session.caller();
    let Event::Connected(link) = session.next().await else { panic!("no link") };
    link.established();
    let mut served = stub.link().await;
    drop((session, link));
    assert_eq!(served.recv_close().await, Some(1000));
    assert!(caller.call_as(new_request_id(), ChatSend::default()).await.is_err());
}

#[tokio::test]
async fn a_broker_that_says_when_to_come_back_is_not_dialled_before() {
    let mut stub = Stub::start().await;
    let mut session = Session::start(stub.broker());
    let Event::Connected(link) = session.next().await else { panic!("no link") };
    link.established();
    let mut served = stub.link().await;
    served.push(Shutdown { reason: "an upgrade".into(), retry_after_ms: 7_000 }).await;
    served.close(CLOSE_GOING_AWAY).await;
    assert!(matches!(session.next().await, Event::Frame(frame) if matches!(*frame, FromBroker::Shutdown(_))));
    let Event::Lost { retry_in, .. } = session.next().await else { panic!("not lost") };
    assert!(retry_in >= Duration::from_secs(7) && retry_in < Duration::from_secs(11), "{retry_in:?}");
}

/// How long to wait is announced for a link that was established or was not. The wait itself is passed over.
async fn lost(stub: &mut Stub, session: &mut Session, is_established: bool) -> Duration {
    let Event::Connected(link) = session.next().await else { panic!("no link") };
    if is_established {
        session.established(&link).await;
    }
    stub.link().await.close(CLOSE_GOING_AWAY).await;
    let Event::Lost { loss, retry_in } = session.next().await else { panic!("not lost") };
    assert!(matches!(loss, Loss::Link(CloseReason::Closed { code: CLOSE_GOING_AWAY, .. })), "{loss}");
    // Only the clock is moved: dialling needs it to run.
    tokio::time::pause();
    tokio::time::advance(retry_in).await;
    tokio::time::resume();
    retry_in
}

#[tokio::test]
async fn waits_grow_with_each_link_that_ends_and_start_over_only_with_one_that_was_established() {
    let mut stub = Stub::start().await;
    let mut session = Session::start(stub.broker());
    let unknown = [500, 1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000].map(|step| (false, step));
    let known = [(true, 500), (true, 500), (false, 1_000)];
    for (is_established, step) in unknown.into_iter().chain(known) {
        let wait = lost(&mut stub, &mut session, is_established).await;
        // The upper half of its step.
        let wanted = Duration::from_millis(step / 2)..=Duration::from_millis(step);
        assert!(wanted.contains(&wait), "{wait:?} at {step}, established: {is_established}");
    }
}

#[tokio::test]
async fn whoever_hears_of_a_link_from_its_owner_has_it() {
    for _ in 0..100 {
        let mut stub = Stub::start().await;
        let mut session = Session::start(stub.broker());
        let caller = session.caller();
        let Event::Connected(link) = session.next().await else { panic!("no link") };
        assert!(caller.link().is_none(), "nobody has said who we are");
        session.established(&link).await;
        assert!(caller.link().is_some(), "it has it at once");
        let served = stub.link().await;
        drop(served);
        link.ended().await;
        // One that has ended is waited for no more.
        session.established(&link).await;
    }
}
