//! One question among others: what belongs to it is seen, and nothing else.

use std::sync::Arc;

use nexus_wire::chat::{Message, ReplyMeta};
use nexus_wire::inbox::{Decision, Gap, InboxClose};
use nexus_wire::log::{LogBody, LogEntry};
use nexus_wire::observe::{ObserveBegin, ObserveEnd, ObserveEvent, Observed, ObservedWhat, TurnEvent};
use nexus_wire::thread::InboxTaken;
use nexus_wire::{AspectName, FromBroker, MessageId, Party, ThreadId, TurnId, derive, envelope};
use uuid::Uuid;

use super::*;
use crate::deliver::LogLine;
use crate::framing::{Block, put_text};

fn id(n: u128) -> Uuid {
    Uuid::from_u128(n)
}

fn wren() -> AspectName {
    "wren".parse().unwrap()
}

fn sight() -> Sight {
    let question = Question { to: wren(), message: MessageId(id(1)), thread: ThreadId(id(2)), seq: 10 };
    Sight::new(question, derive::message_item(MessageId(id(1)), &wren()))
}

fn message(n: u128, from: &str, reply_to: Option<u128>, content: &str) -> Message {
    Message {
        id: MessageId(id(n)),
        seq: 11,
        thread: ThreadId(id(2)),
        reply_to: reply_to.map(|n| MessageId(id(n))),
        from: from.parse().unwrap(),
        to: Vec::new(),
        content: content.to_owned(),
        at: 0,
        meta: None,
        attachments: Vec::new(),
        reactions: Vec::new(),
    }
}

fn logged(actor: &str, body: LogBody) -> Out {
    let actor: Party = actor.parse().unwrap();
    let thread = if let LogBody::Message(message) = &body { Some(message.thread) } else { None };
    Out::Log(Arc::new(LogLine::new(LogEntry { seq: 11, at: 0, actor, thread, body })))
}

fn streamed(aspect: &str, turn: u128, what: &[ObservedWhat]) -> Out {
    let mut bytes = Vec::new();
    for what in what {
        let observed = Observed {
            aspect: aspect.parse().unwrap(),
            turn: TurnId(id(turn)),
            thread: Some(ThreadId(id(2))),
            dispatch: None,
            what: what.clone(),
            seq: 0,
        };
        put_text(&mut bytes, [&envelope::push(&FromBroker::Observe(observed))]);
    }
    Out::Stream(Block::new(bytes, what.len() as u64))
}

fn begin(turn: u128, message: u128) -> ObservedWhat {
    let message = Some(MessageId(id(message)));
    ObservedWhat::Begin(ObserveBegin { turn: TurnId(id(turn)), thread: None, message, dispatch: None })
}

fn text(turn: u128, n: u64, text: &str) -> ObservedWhat {
    let event = TurnEvent::Text { text: text.to_owned() };
    ObservedWhat::Event(ObserveEvent { turn: TurnId(id(turn)), n, event })
}

fn seen(sight: &mut Sight, outs: &[Out]) -> Vec<Event> {
    let mut seen = Vec::new();
    outs.iter().for_each(|out| sight.take(out, &mut seen));
    seen
}

#[test]
fn an_answer_streams_and_ends_with_its_message() {
    let mut sight = sight();
    let meta = ReplyMeta {
        turn: TurnId(id(5)),
        provider: "scripted".to_owned(),
        model: "scripted".to_owned(),
        usage: Usage::default(),
        cost_microusd: None,
    };
    let answer = Message { meta: Some(meta), ..message(7, "wren", Some(1), "the answer") };
    let events = seen(
        &mut sight,
        &[
            streamed("wren", 5, &[begin(5, 1), text(5, 0, "the "), text(5, 1, "answer")]),
            // Another aspect's turn, a turn about something else, and a frame that came before.
            streamed("forge", 6, &[begin(6, 1), text(6, 0, "mine")]),
            streamed("wren", 8, &[begin(8, 3), text(8, 0, "else")]),
            streamed("wren", 5, &[text(5, 1, "answer")]),
            logged("forge", LogBody::Message(Box::new(message(9, "forge", Some(1), "I am asked nothing")))),
            logged("wren", LogBody::ItemTaken(InboxTaken { message: MessageId(id(1)) })),
            logged("wren", LogBody::Message(Box::new(answer.clone()))),
        ],
    );
    let expected = [Event::Began(TurnId(id(5))), Event::Text("the answer".to_owned()), Event::Taken];
    assert_eq!(events, expected);
    assert!(sight.is_answered(), "what was decided may follow");
    let answered = Ended::Answered { message: Box::new(answer), decision: None, reason: None };
    assert_eq!(sight.answered(), Some(answered));
    assert_eq!(sight.turn(), Some(TurnId(id(5))));
}

#[test]
fn what_is_missed_is_said_and_what_is_void_is_too() {
    let mut sight = sight();
    let restarted = TurnEvent::Restarted { reason: "overloaded".to_owned() };
    let restarted = ObservedWhat::Event(ObserveEvent { turn: TurnId(id(5)), n: 3, event: restarted });
    let events =
        seen(&mut sight, &[streamed("wren", 5, &[begin(5, 1), text(5, 0, "a"), text(5, 2, "c"), restarted])]);
    let expected = [
        Event::Began(TurnId(id(5))),
        Event::Text("a".to_owned()),
        Event::Missed,
        Event::Text("c".to_owned()),
        Event::Restarted,
    ];
    assert_eq!(events, expected);
}

#[test]
fn an_end_without_an_answer_says_why_and_what_it_took() {
    let item = derive::message_item(MessageId(id(1)), &wren());
    let close = |message: Option<u128>| {
        LogBody::ItemClosed(Box::new(InboxClose {
            item,
            decision: Decision::Failed,
            reason: Some("cancelled".to_owned()),
            message: message.map(|n| MessageId(id(n))),
            outcome: None,
            spent: None,
            meta: None,
        }))
    };
    let usage = Usage { input_tokens: 3, ..Usage::default() };
    let end =
        ObserveEnd { turn: TurnId(id(5)), n: 0, decision: Decision::Failed, usage, cost_microusd: None };
    let mut first = sight();
    let outs = [streamed("wren", 5, &[begin(5, 1), ObservedWhat::End(end)]), logged("wren", close(None))];
    let ended = Ended::Closed {
        decision: Decision::Failed,
        reason: Some("cancelled".to_owned()),
        usage: Some(usage),
    };
    assert_eq!(seen(&mut first, &outs), [Event::Began(TurnId(id(5))), Event::Ended(ended)]);

    // One message that answers several names one of them alone.
    let shared = message(7, "wren", Some(99), "to both of you");
    let outs = [logged("wren", LogBody::Message(Box::new(shared.clone()))), logged("wren", close(Some(7)))];
    let answered = |message| Ended::Answered {
        message: Box::new(message),
        decision: Some(Decision::Failed),
        reason: Some("cancelled".to_owned()),
    };
    assert_eq!(seen(&mut sight(), &outs), [Event::Ended(answered(shared))]);

    // A word on the way is no answer, and what was decided says whether the last one is.
    let notice = message(7, "wren", Some(1), "I could not answer this");
    let mut waiting = sight();
    let word =
        logged("wren", LogBody::Message(Box::new(message(8, "wren", Some(1), "I wait for an operator"))));
    assert_eq!((seen(&mut waiting, &[word]), waiting.is_answered()), (Vec::new(), false));
    let outs = [logged("wren", LogBody::Message(Box::new(notice.clone()))), logged("wren", close(Some(7)))];
    assert_eq!(seen(&mut waiting, &outs), [Event::Ended(answered(notice))]);

    let revoked = |name: &str| LogBody::Other { kind: "aspect.revoked".to_owned(), subject: name.to_owned() };
    let outs = [logged("operator/ada", revoked("forge")), logged("operator/ada", revoked("wren"))];
    assert_eq!(seen(&mut sight(), &outs), [Event::Ended(Ended::Revoked)]);

    let gap = |to| Out::Gap(Gap { from: 1, to, reason: String::new() });
    assert_eq!(seen(&mut sight(), &[gap(9), gap(10)]), [Event::Ended(Ended::Forgotten)]);
}
