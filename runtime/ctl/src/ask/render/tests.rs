use nexus_wire::Party;
use nexus_wire::chat::{ReplyMeta, Usage};
use nexus_wire::hands::{DispatchInfo, HandFailure};
use nexus_wire::inbox::Decision;
use nexus_wire::observe::{ObserveBegin, ObserveEnd};
use nexus_wire::thread::ReceiptState;
use serde_json::{Value, json};
use uuid::Uuid;

use super::*;

const TURN: TurnId = TurnId(Uuid::from_u128(1));
const HAND_TURN: TurnId = TurnId(Uuid::from_u128(2));
const DISPATCH: DispatchId = DispatchId(Uuid::from_u128(3));
const THREAD: ThreadId = ThreadId(Uuid::from_u128(4));
const QUESTION: MessageId = MessageId(Uuid::from_u128(5));
const ITEM: ItemId = ItemId(Uuid::from_u128(6));

/// A renderer and what it has shown: each line with the stream it went to.
struct Screen {
    renderer: Renderer,
    pieces: Vec<Piece>,
    n: u64,
    seq: u64,
}

impl Screen {
    fn new(mode: Mode) -> Self {
        let aspect = "forge".parse().expect("a name");
        let question = Question { aspect, message: QUESTION, thread: THREAD, item: ITEM };
        Self { renderer: Renderer::new(question, mode), pieces: Vec::new(), n: 0, seq: 0 }
    }

    fn observe(&mut self, aspect: &str, turn: TurnId, dispatch: Option<DispatchId>, what: ObservedWhat) {
        let aspect = aspect.parse().expect("a name");
        let observed = Observed { aspect, turn, thread: Some(THREAD), dispatch, what, seq: self.n };
        self.pieces.extend(self.renderer.observed(&observed));
    }

    fn event(&mut self, event: TurnEvent) {
        self.observe("forge", TURN, None, ObservedWhat::Event(ObserveEvent { turn: TURN, n: self.n, event }));
        self.n += 1;
    }

    fn begin(&mut self, message: MessageId) {
        let begin = ObserveBegin { turn: TURN, thread: Some(THREAD), message: Some(message), dispatch: None };
        self.observe("forge", TURN, None, ObservedWhat::Begin(begin));
    }

    fn text(&mut self, text: &str) {
        self.event(TurnEvent::Text { text: text.into() });
    }

    fn call(&mut self, name: &str, input: Value) {
        self.event(TurnEvent::ToolCall { call: format!("call-{}", self.n), name: name.into(), input });
    }

    fn result(&mut self, preview: &str, is_error: bool) {
        let (call, name) = (String::new(), String::new());
        self.event(TurnEvent::ToolResult { call, name, is_error, preview: preview.into() });
    }

    fn log(&mut self, at: Ms, body: LogBody) {
        self.seq += 1;
        let entry = LogEntry { seq: self.seq, at, actor: Party::System, thread: Some(THREAD), body };
        self.pieces.extend(self.renderer.log(&entry));
    }

    fn asked(&mut self) {
        let question = message(QUESTION.0.as_u128(), "operator/ana", None, "where?", 1000);
        self.log(1000, LogBody::Message(Box::new(question)));
    }

    fn answered(&mut self, content: &str) {
        let mut answer = message(9, "forge", Some(QUESTION), content, 2250);
        answer.meta = Some(ReplyMeta {
            turn: TURN,
            provider: "scripted".into(),
            model: "scripted".into(),
            usage: Usage { input_tokens: 12, output_tokens: 34, ..Usage::default() },
            cost_microusd: Some(0),
        });
        self.log(2250, LogBody::Message(Box::new(answer)));
    }

    fn close(&mut self, decision: Decision, message: Option<MessageId>) {
        let reason = Some("because".into());
        let close =
            InboxClose { item: ITEM, decision, reason, message, outcome: None, spent: None, meta: None };
        self.seq += 1;
        // As the broker logs it: a decision belongs to no thread.
        let body = LogBody::ItemClosed(Box::new(close));
        let entry = LogEntry { seq: self.seq, at: 2300, actor: Party::System, thread: None, body };
        self.pieces.extend(self.renderer.log(&entry));
    }

    /// As it would stand on a terminal that shows both streams.
    fn both(&self) -> String {
        self.pieces
            .iter()
            .map(|piece| match piece {
                Piece::Result(text) => text.clone(),
                Piece::Note(_, line) => format!("{line}\n"),
            })
            .collect()
    }

    fn result_text(&self) -> String {
        self.pieces
            .iter()
            .map(|piece| match piece {
                Piece::Result(text) => text.as_str(),
                Piece::Note(..) => "",
            })
            .collect()
    }
}

fn message(id: u128, from: &str, reply_to: Option<MessageId>, content: &str, at: Ms) -> Message {
    Message {
        id: MessageId(Uuid::from_u128(id)),
        seq: 1,
        thread: THREAD,
        reply_to,
        from: from.parse().expect("a party"),
        to: Vec::new(),
        content: content.into(),
        at,
        meta: None,
        attachments: Vec::new(),
        reactions: Vec::new(),
    }
}

#[test]
fn one_answer_to_several_is_found_behind_what_the_log_has_left_out() {
    let mut screen = Screen::new(Mode::Whole);
    screen.asked();
    let said = [(8, "for both"), (9, "and later")].map(|(id, said)| message(id, "forge", None, said, 2000));
    let [several, _] = &said;
    let receipt = Receipt {
        party: "forge".parse().expect("a party"),
        state: ReceiptState::Answered,
        at: Some(2000),
        decision: Some(Decision::Replied),
        reason: None,
        reply: Some(several.id),
    };
    let pieces = screen.renderer.caught_up(&said, Some(&receipt));
    screen.pieces.extend(pieces);
    assert_eq!(screen.renderer.answer(), Some(several));
    assert_eq!(screen.result_text(), "for both\n");
    let decision = screen.renderer.closed().map(|closed| closed.decision);
    assert_eq!(decision, Some(Decision::Replied));
}

fn accepted() -> LogBody {
    LogBody::DispatchAccepted(Box::new(DispatchInfo {
        id: DISPATCH,
        hand: "wren/verify-claim".parse().expect("a Hand"),
        invoker: "forge".parse().expect("a party"),
        key: "forge".parse().expect("a party"),
        root: DISPATCH,
        parent: None,
        depth: 1,
        capability: None,
        earlier: Vec::new(),
        run: None,
        source: None,
        thread: Some(THREAD),
        state: DispatchState::Pending,
        attempt: 0,
        accepted_at: 0,
        assigned_at: None,
        ended_at: None,
        deadline_at: 0,
        retry_of: None,
        retried_as: None,
        stop: None,
        input: Value::Null,
        input_left_out: false,
        output: None,
        error: None,
        usage: Usage::default(),
        cost_microusd: None,
        budget: Default::default(),
        granted: Default::default(),
        spent: None,
        waiting_for: None,
        why: Vec::new(),
    }))
}

fn assigned(attempt: u32) -> LogBody {
    LogBody::DispatchAssigned { dispatch: DISPATCH, attempt, aspect: "wren".parse().expect("a name") }
}

fn ended(state: DispatchState, error: Option<&str>) -> LogBody {
    LogBody::DispatchEnded(Box::new(Outcome {
        dispatch: DISPATCH,
        hand: "wren/verify-claim".parse().expect("a Hand"),
        parent: None,
        thread: Some(THREAD),
        state,
        output: None,
        error: error.map(|text| HandFailure { code: "timeout".into(), message: text.into() }),
        attempts: 1,
        usage: Usage::default(),
        cost_microusd: None,
        spent: None,
    }))
}

/// The question of the README, from its first token to its cost.
fn story(screen: &mut Screen) {
    screen.asked();
    screen.begin(QUESTION);
    screen.text("\nI will ");
    screen.text("look.\n\n");
    screen.call("read_file", json!({"path": "broker/src/hub/route.rs"}));
    screen.result(
        r#"{"path":"broker/src/hub/route.rs","from_line":1,"text":"a\nb\nc\n","total_lines":3}"#,
        false,
    );
    screen.call("dispatch_hand", json!({"hand": "wren/verify-claim", "input": {}}));
    screen.log(1400, accepted());
    screen.log(1500, assigned(1));
    let call = TurnEvent::ToolCall {
        call: "h".into(),
        name: "search_files".into(),
        input: json!({"query": "route"}),
    };
    let event = ObserveEvent { turn: HAND_TURN, n: 0, event: call };
    screen.observe("wren", HAND_TURN, Some(DISPATCH), ObservedWhat::Event(event));
    let said = TurnEvent::Text { text: "not shown".into() };
    let event = ObserveEvent { turn: HAND_TURN, n: 1, event: said };
    screen.observe("wren", HAND_TURN, Some(DISPATCH), ObservedWhat::Event(event));
    screen.log(2000, ended(DispatchState::Done, None));
    screen.result(r#"{"dispatch":"x","state":"done","output":{"verdict":"confirmed"}}"#, false);
    screen.text("In `route.rs`:\n\n> fn route");
    screen.text("\n\n**confirmed**");
    screen.text(".\n");
    screen.answered("In `route.rs`:\n\n> fn route\n\n**confirmed**.");
    screen.close(Decision::Replied, Some(MessageId(Uuid::from_u128(9))));
}

#[test]
fn on_a_terminal_everything_comes_in_its_order_and_the_answer_once() {
    let mut screen = Screen::new(Mode::Stream);
    story(&mut screen);
    assert_eq!(
        screen.both(),
        "\
I will look.
→ read_file broker/src/hub/route.rs
← 3 lines
→ dispatch_hand wren/verify-claim
⇢ wren/verify-claim was sent work by forge
⇢ wren/verify-claim begun by wren
  wren/verify-claim: → search_files route
⇠ wren/verify-claim done · 500 ms
← done verdict: confirmed
In `route.rs`:

> fn route

**confirmed**.
— forge · scripted · 2 tool calls · 12 in / 34 out tokens · 1.2 s
"
    );
    assert!(screen.renderer.answer().is_some() && screen.renderer.closed().is_some());
}

#[test]
fn into_a_file_goes_the_final_message_and_nothing_else() {
    let mut screen = Screen::new(Mode::Whole);
    story(&mut screen);
    assert_eq!(screen.result_text(), "In `route.rs`:\n\n> fn route\n\n**confirmed**.\n");
    assert!(screen.both().starts_with("I will look.\n→ read_file broker"), "{}", screen.both());

    let mut screen = Screen::new(Mode::Silent);
    story(&mut screen);
    assert_eq!(screen.pieces, []);
    assert_eq!(screen.renderer.tool_calls(), 2);
}

#[test]
fn what_was_missed_is_made_up_for_by_the_message() {
    let mut screen = Screen::new(Mode::Stream);
    screen.asked();
    screen.begin(QUESTION);
    screen.text("The first ");
    screen.pieces.extend(screen.renderer.lost());
    screen.pieces.extend(screen.renderer.lost());
    screen.pieces.extend(screen.renderer.reconnected());
    screen.n += 1;
    screen.text("third.");
    screen.answered("The first second third.");
    assert_eq!(
        screen.both(),
        "\
The first
connection lost; reconnecting…
reconnected
third.
(what streamed was not all of it; the whole answer:)
The first second third.
— forge · scripted · 0 or more tool calls · 12 in / 34 out tokens · 1.2 s
"
    );
}

#[test]
fn numbers_that_jump_or_repeat_are_noticed() {
    let mut screen = Screen::new(Mode::Stream);
    screen.begin(QUESTION);
    screen.text("one ");
    screen.n = 0;
    screen.text("one ");
    screen.n = 5;
    screen.text("two");
    assert_eq!(screen.both(), "one\n… (a part of the stream was missed)\ntwo");
    assert_eq!(screen.renderer.leave(), Some(Piece::Result("\n".into())));
    assert_eq!(screen.renderer.leave(), None);
}

#[test]
fn a_provider_that_is_asked_again_voids_what_it_said() {
    let mut screen = Screen::new(Mode::Stream);
    screen.begin(QUESTION);
    screen.text("Half an ans");
    screen.event(TurnEvent::Restarted { reason: "overloaded".into() });
    screen.text("An answer.");
    screen.answered("An answer.");
    let shown = screen.both();
    assert!(shown.starts_with("Half an ans\n↻ asked again: overloaded\nAn answer.\n— forge"), "{shown}");
}

#[test]
fn an_answer_without_a_stream_is_shown_whole_and_tamed() {
    let mut screen = Screen::new(Mode::Stream);
    screen.answered("red \u{1b}[31malert\u{7}\n");
    assert!(screen.both().starts_with("red [31malert\n— forge · scripted"), "{}", screen.both());
    screen.answered("again");
    screen.text("late");
    assert!(!screen.both().contains("again") && !screen.both().contains("late"));
}

#[test]
fn what_belongs_to_others_is_not_taken_for_the_answer() {
    let mut screen = Screen::new(Mode::Stream);
    screen.begin(MessageId(Uuid::from_u128(77)));
    screen.text("to somebody else");
    let observed = Observed {
        aspect: "forge".parse().expect("a name"),
        turn: HAND_TURN,
        thread: Some(ThreadId(Uuid::from_u128(78))),
        dispatch: None,
        what: ObservedWhat::Event(ObserveEvent {
            turn: HAND_TURN,
            n: 0,
            event: TurnEvent::Text { text: "x".into() },
        }),
        seq: 1,
    };
    screen.pieces.extend(screen.renderer.observed(&observed));
    screen.log(1, LogBody::Message(Box::new(message(10, "wren", Some(QUESTION), "I heard\nthat", 1))));
    screen.log(2, LogBody::Message(Box::new(message(11, "forge", None, "an aside", 2))));
    let close = InboxClose {
        item: ItemId(Uuid::from_u128(12)),
        decision: Decision::Silent,
        reason: None,
        message: None,
        outcome: None,
        spent: None,
        meta: None,
    };
    screen.log(3, LogBody::ItemClosed(Box::new(close)));
    assert_eq!(screen.both(), "wren: I heard that\nforge: an aside\n");
    assert!(screen.renderer.answer().is_none() && screen.renderer.closed().is_none());
}

#[test]
fn one_message_that_answers_several_is_found_by_the_decision() {
    let mut screen = Screen::new(Mode::Whole);
    let other = Some(MessageId(Uuid::from_u128(80)));
    screen.log(2, LogBody::Message(Box::new(message(11, "forge", other, "Both of you: yes.", 2))));
    screen.close(Decision::Replied, Some(MessageId(Uuid::from_u128(11))));
    assert_eq!(screen.result_text(), "Both of you: yes.\n");
    assert!(screen.renderer.answer().is_some());
}

#[test]
fn a_decision_without_an_answer_is_the_end_too() {
    let mut screen = Screen::new(Mode::Stream);
    screen.text("hm");
    let end = ObserveEnd {
        turn: TURN,
        n: 1,
        decision: Decision::Silent,
        usage: Usage::default(),
        cost_microusd: None,
    };
    screen.observe("forge", TURN, None, ObservedWhat::End(end));
    screen.close(Decision::Silent, None);
    let closed = Closed { decision: Decision::Silent, reason: Some("because".into()) };
    assert_eq!(screen.renderer.closed(), Some(&closed));
}

#[test]
fn work_that_fails_says_why() {
    let mut screen = Screen::new(Mode::Stream);
    screen.begin(QUESTION);
    screen.log(1, accepted());
    screen.log(2, assigned(2));
    let note = ObservedWhat::Progress { note: "half done".into() };
    screen.observe("wren", HAND_TURN, Some(DISPATCH), note);
    screen.log(60_002, ended(DispatchState::TimedOut, Some("60 s were not enough")));
    screen.result("no such file", true);
    assert_eq!(
        screen.both(),
        "\
⇢ wren/verify-claim was sent work by forge
⇢ wren/verify-claim begun by wren, attempt 2
  wren/verify-claim: half done
✕ wren/verify-claim timed_out: 60 s were not enough · 1 min 0 s
✕ no such file
"
    );
}
