//! `nexctl ask`: to whom, across a cut, and each way to end.

use std::time::Duration;

use nexus_wire::chat::{ChatPage, ChatRead, ChatSent, Message};
use nexus_wire::frame::ToBroker;
use nexus_wire::inbox::{Decision, Gap, InboxClose};
use nexus_wire::log::{LogBody, LogEntry, Subscribed};
use nexus_wire::observe::{ObserveBegin, ObserveEvent, Observed, ObservedWhat, TurnEvent};
use nexus_wire::roster::{AspectInfo, AspectRole, AspectState, ContextMode, Team};
use nexus_wire::thread::{Receipt, ReceiptPage, ReceiptState};
use nexus_wire::{AspectName, ErrorBody, ErrorCode, MessageId, Party, ThreadId, TurnId, derive};
use uuid::Uuid;

use super::forms::thread;
use super::stub::{Act, Done, nexctl};

const THREAD: ThreadId = ThreadId(Uuid::from_u128(4));
const QUESTION: MessageId = MessageId(Uuid::from_u128(5));
const TURN: TurnId = TurnId(Uuid::from_u128(1));

pub(crate) fn team(names: &[(&str, AspectRole, AspectState)]) -> Team {
    let aspects = names.iter().map(|(name, role, state)| AspectInfo {
        name: name.parse().expect("a name"),
        role: *role,
        state: *state,
        since: 0,
        last_progress: None,
        model: "scripted".into(),
        provider: "scripted".into(),
        context_mode: ContextMode::Thread,
        capabilities: Vec::new(),
        hands: Vec::new(),
        slots: 4,
        watches: Vec::new(),
        generation: 1,
        backlog: 0,
        restraint: None,
        activity: None,
        process: None,
    });
    Team { aspects: aspects.collect(), more: false }
}

fn both() -> Team {
    team(&[
        ("forge", AspectRole::Worker, AspectState::Online),
        ("keel", AspectRole::Frame, AspectState::Offline),
    ])
}

fn sent() -> ChatSent {
    ChatSent { message: QUESTION, seq: 7, thread: THREAD, recipients: Vec::new(), unknown: Vec::new() }
}

fn entry(seq: u64, thread: Option<ThreadId>, body: LogBody) -> Act {
    Act::push(LogEntry { seq, at: 1000, actor: Party::System, thread, body })
}

fn message(seq: u64, from: &str, content: &str) -> Message {
    Message {
        id: MessageId(Uuid::from_u128(9)),
        seq,
        thread: THREAD,
        reply_to: Some(QUESTION),
        from: from.parse().expect("a party"),
        to: Vec::new(),
        content: content.into(),
        at: 1000,
        meta: None,
        attachments: Vec::new(),
        reactions: Vec::new(),
    }
}

fn answer(seq: u64, from: &str, content: &str) -> Act {
    entry(seq, Some(THREAD), LogBody::Message(Box::new(message(seq, from, content))))
}

/// How far the question has come with forge.
fn receipts(decision: Option<Decision>) -> Act {
    let receipt = Receipt {
        party: "forge".parse().expect("a party"),
        state: if decision.is_some() { ReceiptState::Answered } else { ReceiptState::InContext },
        at: Some(1000),
        decision,
        reason: decision.map(|_| "there was nothing to say".into()),
        reply: None,
    };
    Act::ok(&ReceiptPage { receipts: vec![receipt], more: false })
}

/// What is in the thread after the question.
fn said(read: &ChatRead, messages: Vec<Message>) -> Act {
    assert_eq!((read.thread, read.after), (Some(THREAD), 7));
    Act::ok(&ChatPage { thread: thread(&THREAD.to_string()), messages, more: false, gap: None })
}

fn closed(seq: u64, aspect: &str, decision: Decision) -> Act {
    let aspect: AspectName = aspect.parse().expect("a name");
    let item = derive::message_item(QUESTION, &aspect);
    let reason = Some("there was nothing to say".into());
    entry(
        seq,
        None,
        LogBody::ItemClosed(Box::new(InboxClose {
            item,
            decision,
            reason,
            message: None,
            outcome: None,
            spent: None,
            meta: None,
        })),
    )
}

fn observed(what: ObservedWhat) -> Act {
    let aspect = "forge".parse().expect("a name");
    Act::push(Observed { aspect, turn: TURN, thread: Some(THREAD), dispatch: None, what, seq: 1 })
}

fn event(n: u64, event: TurnEvent) -> Act {
    observed(ObservedWhat::Event(ObserveEvent { turn: TURN, n, event }))
}

fn text(n: u64, text: &str) -> Act {
    event(n, TurnEvent::Text { text: text.into() })
}

#[tokio::test]
async fn an_answer_survives_cuts_at_every_step() {
    let script = |frame: &ToBroker, before: usize| match (frame, before) {
        // Each request is cut off once, before it is answered, and comes again.
        (ToBroker::TeamList(_) | ToBroker::ChatSend(_) | ToBroker::Subscribe(_), 0) => vec![Act::Cut],
        (ToBroker::TeamList(_), _) => vec![Act::ok(&both())],
        (ToBroker::ChatSend(send), _) => {
            assert_eq!(
                (send.to.as_slice(), send.content.as_str()),
                (&["forge".to_owned()][..], "what is up")
            );
            vec![Act::ok(&sent())]
        }
        (ToBroker::Subscribe(subscribe), 1) => {
            assert_eq!((subscribe.from_seq, subscribe.observe), (Some(6), true));
            let begin =
                ObserveBegin { turn: TURN, thread: Some(THREAD), message: Some(QUESTION), dispatch: None };
            let call = TurnEvent::ToolCall {
                call: "c".into(),
                name: "dispatch_hand".into(),
                input: serde_json::json!({"hand": "wren/verify-claim"}),
            };
            vec![
                Act::ok(&Subscribed { head: 7, ..Subscribed::default() }),
                observed(ObservedWhat::Begin(begin)),
                text(0, "Let me see."),
                event(1, call),
                entry(8, None, LogBody::Other { kind: "x".into(), subject: "y".into() }),
                Act::Cut,
            ]
        }
        (ToBroker::Subscribe(subscribe), _) => {
            assert_eq!(subscribe.from_seq, Some(8), "it goes on after the last entry");
            vec![
                Act::ok(&Subscribed { head: 9, ..Subscribed::default() }),
                text(5, "t is fine."),
                answer(9, "forge", "It is fine."),
                closed(10, "forge", Decision::Replied),
            ]
        }
        // Nothing has come of it while there was no connection.
        (ToBroker::ChatReceipts(_), _) => vec![receipts(None)],
        (ToBroker::ChatRead(read), _) => vec![said(read, Vec::new())],
        other => panic!("{other:?}"),
    };
    let done = nexctl(&["ask", "forge", "what", "is", "up"], script).await;
    assert!(done.result.is_ok(), "{done:?}");
    assert_eq!(done.out, "It is fine.\n");
    for line in
        ["Let me see.", "→ dispatch_hand wren/verify-claim", "connection lost; reconnecting…", "— forge"]
    {
        assert!(done.err.contains(line), "{line:?} in {}", done.err);
    }
}

/// What happens after the question is sent, once it is followed.
fn ending(
    acts: impl Fn() -> Vec<Act> + Send + Sync + 'static,
) -> impl Fn(&ToBroker, usize) -> Vec<Act> + Send + Sync {
    move |frame, _| match frame {
        ToBroker::TeamList(_) => vec![Act::ok(&both())],
        ToBroker::ChatSend(_) => vec![Act::ok(&sent())],
        ToBroker::Subscribe(_) => {
            [Act::ok(&Subscribed { head: 7, ..Subscribed::default() })].into_iter().chain(acts()).collect()
        }
        other => panic!("{other:?}"),
    }
}

/// What comes of a question whose log has lost something. Whoever waits for ever fails.
async fn asked(
    followed: impl Fn(usize) -> Vec<Act> + Send + Sync + 'static,
    receipts: impl Fn() -> Act + Send + Sync + 'static,
    messages: impl Fn() -> Vec<Message> + Send + Sync + 'static,
) -> Done {
    let script = move |frame: &ToBroker, before: usize| match frame {
        ToBroker::TeamList(_) => vec![Act::ok(&both())],
        ToBroker::ChatSend(_) => vec![Act::ok(&sent())],
        ToBroker::Subscribe(_) => {
            let begun = Act::ok(&Subscribed { head: 7, ..Subscribed::default() });
            [begun].into_iter().chain(followed(before)).collect()
        }
        ToBroker::ChatReceipts(asked) => {
            assert_eq!(asked.message, QUESTION);
            vec![receipts()]
        }
        ToBroker::ChatRead(read) => vec![said(read, messages())],
        other => panic!("{other:?}"),
    };
    let ended = tokio::time::timeout(Duration::from_secs(60), nexctl(&["ask", "forge", "hm"], script)).await;
    ended.expect("it does not wait for ever")
}

/// The connection breaks once.
fn cut(before: usize) -> Vec<Act> {
    if before == 0 { vec![Act::Cut] } else { Vec::new() }
}

#[tokio::test]
async fn an_answer_in_what_is_lost_of_the_log_is_found() {
    let gap = |_| vec![Act::push(Gap { from: 8, to: 9, reason: "another history".into() })];
    let messages = || vec![message(8, "keel", "Not I."), message(9, "forge", "It is fine.")];
    let done = asked(gap, || receipts(Some(Decision::Replied)), messages).await;
    assert_eq!((done.code(), done.out.as_str()), (0, "It is fine.\n"), "{done:?}");
}

#[tokio::test]
async fn an_end_while_the_connection_was_lost_is_found_whatever_the_log_says() {
    let done = asked(cut, || receipts(Some(Decision::Replied)), || vec![message(9, "forge", "Yes.")]).await;
    assert_eq!((done.code(), done.out.as_str()), (0, "Yes.\n"), "{done:?}");
    let done = asked(cut, || receipts(Some(Decision::Silent)), Vec::new).await;
    assert_eq!(done.code(), 1);
    assert!(done.failure().contains("chose not to answer: there was nothing to say"), "{}", done.failure());
}

#[tokio::test]
async fn what_the_broker_cannot_say_now_is_looked_for_again() {
    let refused = std::sync::atomic::AtomicBool::new(false);
    let receipts = move || match refused.swap(true, std::sync::atomic::Ordering::Relaxed) {
        true => receipts(Some(Decision::Replied)),
        false => Act::Refuse(ErrorBody::new(ErrorCode::StorageUnavailable, "the disk is full")),
    };
    let gap = |_| vec![Act::push(Gap { from: 8, to: 9, reason: "older than what is kept".into() })];
    let done = asked(gap, receipts, || vec![message(9, "forge", "Yes.")]).await;
    assert_eq!((done.code(), done.out.as_str()), (0, "Yes.\n"), "{done:?}");
}

#[tokio::test]
async fn a_question_that_the_broker_has_no_more_is_not_waited_for() {
    let gone = || Act::Refuse(ErrorBody::new(ErrorCode::NotFound, "no message 5 that operator/ana may see"));
    let gap = |_| vec![Act::push(Gap { from: 6, to: 7, reason: "another history".into() })];
    let expected =
        "the broker no longer has the question to forge: it was put back to an older backup; ask again";
    for done in [asked(cut, gone, Vec::new).await, asked(gap, gone, Vec::new).await] {
        assert_eq!((done.code(), done.failure().as_str()), (1, expected), "{done:?}");
    }
}

#[tokio::test]
async fn without_a_name_the_lead_is_asked_and_its_absence_told() {
    let acts = || vec![answer(8, "keel", "Here."), closed(9, "keel", Decision::Replied)];
    let done = nexctl(&["ask", "anyone there?"], ending(acts)).await;
    assert_eq!((done.code(), done.out.as_str()), (0, "Here.\n"));
    assert!(
        done.err.contains("keel is offline") && done.err.contains("the question waits for it"),
        "{}",
        done.err
    );
    let done = nexctl(&["ask", "--quiet", "anyone there?"], ending(acts)).await;
    assert_eq!((done.code(), done.out.as_str(), done.err.as_str()), (0, "Here.\n", ""));
}

#[tokio::test]
async fn each_way_to_end_has_its_words_and_its_code() {
    let silent = || vec![closed(8, "forge", Decision::Silent)];
    let done = nexctl(&["ask", "forge", "hm"], ending(silent)).await;
    assert_eq!(done.code(), 1);
    assert!(done.failure().contains("chose not to answer: there was nothing to say"), "{}", done.failure());

    let failed = || vec![answer(8, "forge", "I could not."), closed(9, "forge", Decision::Failed)];
    let done = nexctl(&["ask", "forge", "hm"], ending(failed)).await;
    assert_eq!((done.code(), done.out.as_str()), (1, "I could not.\n"));
    assert!(done.failure().starts_with("forge failed: "), "{}", done.failure());

    let done = nexctl(&["ask", "--timeout", "1", "forge", "hm"], ending(Vec::new)).await;
    assert_eq!(done.code(), 5);
    assert!(done.failure().contains(&format!("nexctl get messages {THREAD}")), "{}", done.failure());

    let replied = || vec![answer(8, "forge", "Yes."), closed(9, "forge", Decision::Replied)];
    let done = nexctl(&["ask", "-o", "json", "forge", "hm"], ending(replied)).await;
    let value: serde_json::Value = serde_json::from_str(&done.out).expect("JSON");
    assert_eq!(value["message"]["content"], "Yes.");
    assert_eq!(value["decision"], "replied");
    assert_eq!(done.err, "");
}

#[tokio::test]
async fn nobody_is_asked_by_mistake() {
    let never = |frame: &ToBroker, _: usize| match frame {
        ToBroker::TeamList(_) => vec![Act::ok(&both())],
        other => panic!("{other:?}"),
    };
    let done = nexctl(&["ask", "froge", "hm"], never).await;
    assert_eq!(done.code(), 1);
    assert_eq!(done.failure(), r#"there is no aspect named "froge"; did you mean forge?"#);
    let done = nexctl(&["ask", "what", "is", "this"], never).await;
    assert_eq!(
        done.failure(),
        r#"there is no aspect named "what"; there are: forge, keel; a question to the lead stands in quotes"#
    );
    let done = nexctl(&["ask", "forge"], never).await;
    assert_eq!(done.code(), 2);
    assert_eq!(done.failure(), r#"what is forge to be asked? Write: nexctl ask forge "…""#);
    for name in ["forge", "operator/ana"] {
        let done = nexctl(&["say", name, "good", "morning"], never).await;
        let advice = format!(
            "is it for {name}? Write: nexctl say --to {name} \"…\"; where {name} begins the text, put all of it in quotes"
        );
        assert_eq!((done.code(), done.failure()), (2, advice));
    }

    let leaderless =
        |_: &ToBroker, _: usize| vec![Act::ok(&team(&[("forge", AspectRole::Worker, AspectState::Online)]))];
    let done = nexctl(&["ask", "hm"], leaderless).await;
    assert_eq!(done.failure(), "the team has no lead, so name whom you ask, one of: forge");
    let nobody = |_: &ToBroker, _: usize| vec![Act::ok(&team(&[]))];
    assert!(nexctl(&["ask", "hm"], nobody).await.failure().contains("nexus aspect add"));
}
