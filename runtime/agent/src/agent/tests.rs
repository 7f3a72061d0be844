//! A whole aspect against a broker that does what a test tells it to, over real sockets and real files.

use nexus_wire::chat::{ChatSend, ChatSent, Message};
use nexus_wire::hands::{
    Assignment, DispatchResult, DispatchStanding, DispatchState, DispatchStopped, Dispatched, Lease, Outcome,
};
use nexus_wire::inbox::{Decision, Gap, InboxClose, ItemBody};
use nexus_wire::limits::{CLOSE_DISPLACED, CLOSE_HELD, CLOSE_REVOKED};
use nexus_wire::{
    DispatchId, EpochId, ErrorBody, ErrorCode, ItemId, MessageId, Party, RequestId, ThreadId, ToBroker,
    derive,
};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::cli::Exit;
use fake::{Fake, FakeLink};

mod fake;
mod hands;
mod links;
mod sessions;

const EPOCH: EpochId = EpochId(Uuid::from_u128(77));
const THREAD: ThreadId = ThreadId(Uuid::from_u128(500));

const ECHO: &str = r#"
[[rule]]
match = "say (?P<what>.+)"
[[rule.step]]
say = "you said {{ what }}"

[[rule]]
match = "hold (?P<what>.+)"
[[rule.step]]
name = "note"
call = "read_file"
args = { path = "work/note.txt" }
[[rule.step]]
hold = "go"
say = "{{ note.json.text | trim }}, {{ what }}"

[[rule]]
match = "ask wren"
[[rule.step]]
name = "verdict"
call = "dispatch_hand"
args = { hand = "wren/check", input = { claim = "x" } }
[[rule.step]]
say = "wren says {{ verdict.json.output.verdict }}"

[[rule]]
match = "nothing"
[[rule.step]]
stop = true

[[rule]]
match = "break"
[[rule.step]]
fail = { kind = "invalid", message = "broken on purpose" }

[[rule]]
hand = "check"
when = "input.child"
[[rule.step]]
name = "child"
call = "dispatch_hand"
args = { hand = "wren/deep", input = { n = 1 } }
[[rule.step]]
answer = { verdict = "{{ child.json.output.verdict }}" }

[[rule]]
hand = "check"
when = "input.hold"
[[rule.step]]
hold = "go"
answer = { verdict = "late" }

[[rule]]
hand = "check"
when = "input.claim"
[[rule.step]]
answer = { verdict = "yes, {{ input.claim }}" }

[[rule]]
hand = "check"
[[rule.step]]
say = "not an object"
"#;

fn message(n: u128, from: &str, content: &str) -> ItemBody {
    message_in(THREAD, n, from, content)
}

fn message_in(thread: ThreadId, n: u128, from: &str, content: &str) -> ItemBody {
    ItemBody::Message(Message {
        id: MessageId(Uuid::from_u128(1000 + n)),
        seq: 1,
        thread,
        reply_to: None,
        from: from.parse().expect("a party"),
        to: vec!["forge".parse().expect("a party")],
        content: content.to_owned(),
        at: 0,
        meta: None,
        attachments: Vec::new(),
        reactions: Vec::new(),
    })
}

fn sent(id: RequestId) -> ChatSent {
    let message = derive::message_id(id, &"forge".parse::<Party>().expect("a party"));
    ChatSent { message, seq: 2, thread: THREAD, recipients: Vec::new(), unknown: Vec::new() }
}

fn reply_id(item: u128) -> RequestId {
    RequestId(derive::derived(Uuid::from_u128(item), "reply", 0))
}

impl FakeLink {
    /// The next request is a post; it is answered.
    fn posted(&mut self) -> (RequestId, ChatSend) {
        let (id, frame) = self.request();
        let ToBroker::ChatSend(send) = frame else { panic!("no post: {frame:?}") };
        self.ok(id, &sent(id));
        (id, send)
    }

    /// The next request closes an item; it is answered.
    fn closed(&mut self) -> InboxClose {
        let (id, frame) = self.request();
        let ToBroker::InboxClose(close) = frame else { panic!("no decision: {frame:?}") };
        self.ok(id, &json!({}));
        close
    }
}

/// How often a session file has an entry of this kind.
fn count(file: &str, kind: &str) -> usize {
    file.lines().filter(|line| line.contains(&format!("\"kind\":\"{kind}\""))).count()
}

#[test]
fn a_message_is_acknowledged_answered_and_closed() {
    let mut fake = Fake::new(ECHO);
    let process = fake.start();
    let (mut link, register) = fake.registered(EPOCH, 0, 1);
    assert_eq!((register.resume, register.last_generation), (None, 0));
    assert_eq!(register.hands.len(), 1);
    link.deliver(1, 1, message(1, "operator/ana", "say hello"));
    link.acked(1);
    assert!(fake.inbox().contains("say hello"), "acknowledged before it was on disk");
    let (id, send) = link.posted();
    assert_eq!(id, reply_id(1));
    assert_eq!(
        (send.content.as_str(), send.reply_to),
        ("you said hello", Some(MessageId(Uuid::from_u128(1001))))
    );
    assert_eq!(send.meta.expect("meta").provider, "scripted");
    let close = link.closed();
    assert_eq!((close.item, close.decision), (ItemId(Uuid::from_u128(1)), Decision::Replied));
    assert_eq!(close.message, Some(sent(id).message));
    let files = fake.session_files();
    assert_eq!(files.len(), 1);
    for (kind, times) in
        [("turn.user", 1), ("turn.assistant", 1), ("custom.decision", 1), ("system.prompt", 1)]
    {
        assert_eq!(count(&files[0], kind), times, "{kind}");
    }
    process.kill(&fake);
}

#[test]
fn silence_and_failure_are_decisions_too() {
    let mut fake = Fake::new(ECHO);
    let process = fake.start();
    let (mut link, _) = fake.registered(EPOCH, 0, 1);
    link.deliver(1, 1, message(1, "wren", "nothing"));
    link.acked(1);
    assert_eq!(link.closed().decision, Decision::Silent);
    link.deliver(2, 2, message(2, "wren", "break"));
    link.acked(2);
    let close = link.closed();
    assert_eq!(close.decision, Decision::Failed);
    assert!(close.reason.expect("a reason").contains("broken on purpose"));
    link.deliver(3, 3, message(3, "operator/ana", "break"));
    link.acked(3);
    let (_, notice) = link.posted();
    assert!(notice.content.starts_with("I could not answer this: "), "{}", notice.content);
    assert_eq!(link.closed().decision, Decision::Failed);
    link.deliver(4, 4, message(4, "forge", "say it is from myself"));
    link.acked(4);
    assert_eq!(link.closed().decision, Decision::Silent);
    process.kill(&fake);
}

#[test]
fn a_turn_goes_on_after_a_kill_and_posts_once() {
    let mut fake = Fake::new(ECHO);
    let process = fake.start();
    let (mut link, _) = fake.registered(EPOCH, 0, 1);
    link.deliver(1, 1, message(1, "operator/ana", "hold on"));
    link.acked(1);
    // The tool's result is on record when its call is shown as done; the round after it waits for a file.
    while !fake.session_files().iter().any(|file| count(file, "turn.tool_result") == 1) {
        std::thread::yield_now();
    }
    process.kill(&fake);
    let process = fake.start();
    let (mut link, register) = fake.registered(EPOCH, 1, 2);
    assert_eq!(register.last_generation, 1);
    let resume = register.resume.expect("a place to resume");
    assert_eq!((resume.epoch, resume.offset, resume.item), (EPOCH, 1, Some(ItemId(Uuid::from_u128(1)))));
    std::fs::write(fake.home.path().join("go"), "").expect("written");
    let (id, frame) = link.request();
    let ToBroker::ChatSend(send) = frame else { panic!("no post: {frame:?}") };
    assert_eq!((id, send.content.as_str()), (reply_id(1), "a note, on"));
    // Killed again before the broker's answer: the post is in the outbox.
    process.kill(&fake);
    let process = fake.start();
    let (mut link, _) = fake.registered(EPOCH, 1, 3);
    let (again, resent) = link.posted();
    assert_eq!((again, resent), (id, send));
    assert_eq!(link.closed().decision, Decision::Replied);
    let file = &fake.session_files()[0];
    for (kind, times) in
        [("turn.user", 1), ("turn.tool_result", 1), ("turn.assistant", 2), ("custom.decision", 1)]
    {
        assert_eq!(count(file, kind), times, "{kind}");
    }
    process.kill(&fake);
}

#[test]
fn what_arrives_while_a_turn_runs_joins_it_or_gets_its_own() {
    let mut fake = Fake::new(ECHO);
    let process = fake.start();
    let (mut link, _) = fake.registered(EPOCH, 0, 1);
    link.deliver(1, 1, message(1, "operator/ana", "ask wren"));
    link.acked(1);
    let (id, frame) = link.request();
    let ToBroker::Dispatch(_) = frame else { panic!("no dispatch: {frame:?}") };
    link.deliver(2, 2, message(2, "operator/ana", "say more"));
    link.acked(2);
    let dispatch = derive::dispatch_id(id, &"forge".parse().expect("a party"));
    link.ok(id, &dispatched(dispatch));
    link.deliver(3, 3, outcome(dispatch, "wren/check", json!({"verdict": "yes"})));
    link.acked(3);
    let (_, send) = link.posted();
    assert_eq!(send.content, "wren says yes\n\nyou said more");
    let closed = [link.closed(), link.closed()];
    assert_eq!(closed.map(|close| close.item.0.as_u128()), [2, 1]);
    process.kill(&fake);
}

#[test]
fn a_dispatch_is_not_made_twice_and_its_result_is_found_after_a_kill() {
    let mut fake = Fake::new(ECHO);
    let process = fake.start();
    let (mut link, _) = fake.registered(EPOCH, 0, 1);
    link.deliver(1, 1, message(1, "operator/ana", "ask wren"));
    link.acked(1);
    let (id, first) = link.request();
    let dispatch = derive::dispatch_id(id, &"forge".parse().expect("a party"));
    link.ok(id, &dispatched(dispatch));
    process.kill(&fake);
    // The result comes before anybody asks for it.
    let process = fake.start();
    let (mut link, _) = fake.registered(EPOCH, 1, 2);
    link.deliver(2, 2, outcome(dispatch, "wren/check", json!({"verdict": "no"})));
    loop {
        match link.next() {
            (Some(again), frame @ ToBroker::Dispatch(_)) => {
                assert_eq!((again, frame), (id, first.clone()));
                let done = Dispatched { state: DispatchState::Done, ..dispatched(dispatch) };
                link.ok(again, &done);
            }
            (None, ToBroker::Ack(_)) => {}
            (Some(post), ToBroker::ChatSend(send)) => {
                assert_eq!(send.content, "wren says no");
                link.ok(post, &sent(post));
                break;
            }
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(link.closed().decision, Decision::Replied);
    // A result nobody asked for is closed and does no harm.
    link.deliver(3, 3, outcome(DispatchId(Uuid::nil()), "wren/check", json!({})));
    link.acked(3);
    link.deliver(4, 4, message(4, "operator/ana", "say all is well"));
    link.acked(4);
    assert_eq!(link.posted().1.content, "you said all is well");
    process.kill(&fake);
}

fn dispatched(dispatch: DispatchId) -> Dispatched {
    Dispatched {
        dispatch,
        chosen: "wren/check".parse().expect("a Hand"),
        why: Vec::new(),
        state: DispatchState::Pending,
        position: 0,
        deadline_at: 0,
        clamped: false,
        budget: Default::default(),
    }
}

fn outcome(dispatch: DispatchId, hand: &str, output: Value) -> ItemBody {
    ItemBody::Result(Outcome {
        dispatch,
        hand: hand.parse().expect("a Hand"),
        parent: None,
        thread: None,
        state: DispatchState::Done,
        output: Some(output),
        error: None,
        attempts: 1,
        usage: Default::default(),
        cost_microusd: None,
        spent: None,
    })
}
