//! Links that break, jump, and end.

use nexus_wire::session::{SessionAnswer, SessionAsk, SessionPage, SessionQuestion};
use nexus_wire::{Json, QuestionId};

use super::*;

#[test]
fn a_request_without_an_answer_is_made_again_under_the_same_id() {
    let mut fake = Fake::new(ECHO);
    let process = fake.start();
    let (mut link, _) = fake.registered(EPOCH, 0, 1);
    link.deliver(1, 1, message(1, "operator/ana", "say hello"));
    link.acked(1);
    let (id, first) = link.request();
    drop(link);
    let (mut link, register) = fake.registered(EPOCH, 1, 2);
    assert_eq!(register.resume.map(|resume| resume.offset), Some(1));
    assert_eq!(register.last_generation, 1);
    let (again, frame) = link.request();
    assert_eq!((again, &frame), (id, &first));
    link.refuse(again, ErrorBody::new(ErrorCode::StorageUnavailable, "the disk is full"));
    let (again, frame) = link.request();
    assert_eq!((again, &frame), (id, &first));
    link.ok(again, &sent(again));
    assert_eq!(link.closed().decision, Decision::Replied);
    process.kill(&fake);
}

#[test]
fn what_does_not_follow_is_not_acknowledged_and_asked_for_again() {
    let mut fake = Fake::new(ECHO);
    let process = fake.start();
    let (mut link, _) = fake.registered(EPOCH, 0, 1);
    link.deliver(1, 1, message(1, "wren", "nothing"));
    link.acked(1);
    link.deliver(3, 3, message(3, "wren", "nothing"));
    let (mut link, register) = loop {
        let (link, register) = fake.registered(EPOCH, 1, 2);
        if register.resume.is_some() {
            break (link, register);
        }
    };
    assert_eq!(register.resume.map(|resume| resume.offset), Some(1));
    link.push(Gap { from: 2, to: 2, reason: "pruned".into() });
    link.deliver(3, 3, message(3, "operator/ana", "say hello"));
    loop {
        match link.next() {
            (None, ToBroker::Ack(ack)) => assert!((2..=3).contains(&ack.offset), "{ack:?}"),
            (Some(id), ToBroker::ChatSend(send)) => {
                assert_eq!(send.content, "you said hello");
                link.ok(id, &sent(id));
                break;
            }
            (Some(id), ToBroker::InboxClose(_)) => link.ok(id, &json!({})),
            other => panic!("{other:?}"),
        }
    }
    process.kill(&fake);
}

#[test]
fn another_history_is_followed_and_repeats_are_known_by_their_ids() {
    let mut fake = Fake::new(ECHO);
    let process = fake.start();
    let (mut link, _) = fake.registered(EPOCH, 0, 1);
    link.deliver(1, 1, message(1, "operator/ana", "say hello"));
    link.acked(1);
    link.posted();
    link.closed();
    drop(link);
    let other = EpochId(Uuid::from_u128(78));
    let (mut link, _) = fake.registered(other, 40, 2);
    link.deliver(41, 1, message(1, "operator/ana", "say hello"));
    link.acked(41);
    link.deliver(42, 2, message(2, "operator/ana", "say again"));
    link.acked(42);
    assert_eq!(link.posted().1.content, "you said again", "the first one is not answered twice");
    process.kill(&fake);
}

#[test]
fn a_displaced_process_ends_with_its_own_code_and_does_not_dial() {
    let mut fake = Fake::new(ECHO);
    let process = fake.start();
    let (mut link, _) = fake.registered(EPOCH, 0, 1);
    link.close(CLOSE_DISPLACED);
    assert_eq!(process.exit(), Ok(Exit::Displaced));
}

#[test]
fn a_held_process_ends_with_its_own_code_and_does_not_dial() {
    let mut fake = Fake::new(ECHO);
    let process = fake.start();
    let (mut link, _) = fake.registered(EPOCH, 0, 1);
    link.close(CLOSE_HELD);
    assert_eq!(process.exit(), Ok(Exit::Held));

    let mut fake = Fake::new(ECHO);
    let process = fake.start();
    let (mut link, id, _) = fake.link();
    link.refuse(id, ErrorBody::new(ErrorCode::Held, "forge is held by operator/ana: enough"));
    assert_eq!(process.exit(), Ok(Exit::Held));
}

#[test]
fn a_revoked_key_and_a_diverged_home_end_the_process_with_advice() {
    let mut fake = Fake::new(ECHO);
    let process = fake.start();
    let (mut link, _) = fake.registered(EPOCH, 0, 1);
    link.close(CLOSE_REVOKED);
    let told = process.exit().expect_err("it cannot go on");
    assert!(told.contains("nexus aspect add forge"), "{told}");

    let mut fake = Fake::new(ECHO);
    let process = fake.start();
    let (mut link, id, _) = fake.link();
    link.refuse(id, ErrorBody::new(ErrorCode::HomeDiverged, "generation 7 has gone on since"));
    let told = process.exit().expect_err("it cannot go on");
    assert_eq!(
        told,
        "generation 7 has gone on since; stop the other one, or start this one with --adopt to go on with it"
    );
}

#[test]
fn a_registration_that_fails_for_now_is_tried_again() {
    let mut fake = Fake::new(ECHO);
    let process = fake.start();
    let (mut link, id, _) = fake.link();
    link.refuse(id, ErrorBody::new(ErrorCode::StorageUnavailable, "the disk is full"));
    let (mut link, _) = fake.registered(EPOCH, 0, 1);
    link.deliver(1, 1, message(1, "wren", "nothing"));
    link.acked(1);
    process.kill(&fake);
}

/// The broker may ask as soon as it knows us, which is before we know that it does.
#[test]
fn a_question_that_comes_before_the_registration_is_heard_of_is_answered() {
    let mut fake = Fake::new(ECHO);
    let process = fake.start();
    let (mut link, id, _) = fake.link();
    let question = QuestionId(Uuid::from_u128(7));
    link.push(SessionAsk { question, about: SessionQuestion::List { limit: 10, cursor: None } });
    let answer = loop {
        match link.next() {
            (None, ToBroker::SessionAnswer(answer)) => break answer,
            (None, _) => {}
            other => panic!("{other:?}"),
        }
    };
    let none = SessionPage { sessions: Vec::new(), cursor: None };
    assert_eq!(answer, SessionAnswer { question, answer: Some(Json::of(&none)), error: None });
    link.accept(id, EPOCH, 0, 1);
    process.kill(&fake);
}
