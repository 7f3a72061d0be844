#![expect(clippy::wildcard_enum_match_arm, reason = "a test names what it expects")]

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use nexus_wire::approval::ApprovalState;
use proptest::prelude::*;
use serde_json::json;
use uuid::Uuid;

use super::words::POST_BYTES_MAX;
use super::*;
use crate::conversation::{ProviderError, ProviderErrorKind, Usage as Tokens};
use crate::session::{Compaction, Entry, Summariser};

mod crashes;
mod halted;

const RULES: Rules = Rules {
    rounds_max: 4,
    natures: Natures::Fixed(|name| Nature {
        repeatable: !matches!(name, "fire" | "dig"),
        acts: matches!(name, "fire" | "send" | "dig"),
        asks: name == "dig",
        asks_again: name == "fire",
    }),
    budget: Budget { tokens: None, cost_microusd: None },
    helping: Budget { tokens: None, cost_microusd: None },
    day: Day::UNLIMITED,
    revisions_max: None,
};

fn turn_id() -> TurnId {
    TurnId(Uuid::from_u128(7))
}

fn item(n: u128, from: &str) -> ItemRef {
    let id = Uuid::from_u128(n);
    ItemRef {
        id,
        offset: Some(1),
        kind: "message".into(),
        from: from.into(),
        thread: Some(Uuid::from_u128(900)),
        message: Some(Uuid::from_u128(1000 + n)),
        trace: None,
    }
}

fn said(n: u128, from: &str) -> UserTurn {
    UserTurn { content: vec![Block::Text { text: format!("message {n}") }], item: Some(item(n, from)) }
}

fn text(text: &str) -> Block {
    Block::Text { text: text.to_owned() }
}

fn tool(id: &str, name: &str) -> Block {
    Block::ToolUse { id: id.to_owned(), name: name.to_owned(), input: json!({}) }
}

fn answer(content: Vec<Block>, stop: StopReason) -> Input {
    let usage = Tokens { input_tokens: 10, output_tokens: 1, ..Tokens::default() };
    let reply = ModelReply { content, stop, usage, model: "m".into() };
    Input::Answered(Answer { reply, provider: "p".into(), cost_microusd: Some(3) })
}

fn done(call: &str) -> Input {
    Input::ToolDone {
        call: call.into(),
        content: "result".into(),
        is_error: false,
        below: Spending::default(),
    }
}

fn verdict(call: &str, state: ApprovalState) -> ApprovalMark {
    let by = (state != ApprovalState::Expired).then(|| "operator/ana".to_owned());
    let approval = Some(Uuid::from_u128(4));
    ApprovalMark { tool_use_id: call.into(), state, approval, by, text: None, blocked: None }
}

/// One word for each effect.
fn brief(effects: &[Effect]) -> Vec<String> {
    effects
        .iter()
        .map(|effect| match effect {
            Effect::Append(payload) => payload.kind().to_owned(),
            Effect::Ask => "ask".into(),
            Effect::Run(call) if call.free => format!("run {} {} free", call.name, call.ordinal),
            Effect::Compact(why) => format!("compact {why:?}"),
            Effect::Alert(_) => "alert".into(),
            Effect::Run(call) => format!("run {} {}", call.name, call.ordinal),
            Effect::AskPeople { call, blocked } => format!("ask people {} {blocked}", call.name),
            Effect::Abandon => "abandon".into(),
            Effect::Observe(_) => "observe".into(),
            Effect::Judge(_) => "judge".into(),
            Effect::Wait { .. } => "wait".into(),
            Effect::Post(post) => format!("post {:?}", post.kind),
            Effect::Close(closing) => format!("close {} {:?}", closing.item.id.as_u128(), closing.decision),
            Effect::End(ending) => format!("end {:?}", ending.decision),
        })
        .collect()
}

#[test]
fn a_question_is_answered_with_the_help_of_tools() {
    let (mut turn, effects) = Turn::start(turn_id(), RULES, said(1, "operator/ana"));
    assert_eq!(brief(&effects), ["turn.user", "ask"]);
    let effects = turn.handle(answer(vec![tool("a", "look"), tool("b", "fire")], StopReason::ToolUse));
    assert_eq!(
        brief(&effects),
        ["turn.assistant", "observe", "run look 0", "custom.tool_started", "observe", "run fire 1"]
    );
    assert_eq!(brief(&turn.handle(done("b"))), ["turn.tool_result", "observe"]);
    assert_eq!(brief(&turn.handle(Input::Arrived(said(2, "operator/ana")))), [""; 0]);
    assert_eq!(brief(&turn.handle(done("a"))), ["turn.tool_result", "observe", "turn.user", "ask"]);
    let effects = turn.handle(answer(vec![text("one"), text(" two ")], StopReason::EndTurn));
    assert_eq!(
        brief(&effects),
        ["turn.assistant", "post Reply", "close 2 Replied", "close 1 Replied", "end Replied"]
    );
    let Effect::Post(post) = &effects[1] else { panic!("a post") };
    assert_eq!((post.text.as_str(), post.answers.id), ("one\n\ntwo", Uuid::from_u128(1)));
    let meta = post.meta.clone().expect("meta");
    assert_eq!((meta.usage.input_tokens, meta.cost_microusd, meta.model.as_str()), (20, Some(6), "m"));
    assert_eq!(turn.asked(), 2);
    assert!(turn.has_ended() && turn.into_waiting().is_empty());
}

#[test]
fn each_way_to_end_has_its_decision() {
    let refused = StopReason::Refusal;
    let failure = ProviderError { provider: "p".into(), kind: ProviderErrorKind::Overloaded("busy".into()) };
    let cases: Vec<(&str, &str, Input, Vec<&str>)> = vec![
        ("nothing to say", "wren", answer(vec![], StopReason::EndTurn), vec!["close 1 Silent", "end Silent"]),
        (
            "blank",
            "wren",
            answer(vec![text(" \n")], StopReason::EndTurn),
            vec!["close 1 Silent", "end Silent"],
        ),
        (
            "cut short",
            "wren",
            answer(vec![text("so far")], StopReason::MaxTokens),
            vec!["post Reply", "close 1 Replied", "end Replied"],
        ),
        (
            "cut before a word",
            "wren",
            answer(vec![], StopReason::MaxTokens),
            vec!["abandon", "close 1 Failed", "end Failed"],
        ),
        (
            "failed for an aspect",
            "wren",
            Input::RoundFailed(failure.clone().into()),
            vec!["abandon", "close 1 Failed", "end Failed"],
        ),
        (
            "failed for an operator",
            "operator/ana",
            Input::RoundFailed(failure.into()),
            vec!["abandon", "post Notice", "close 1 Failed", "end Failed"],
        ),
        (
            "refused in the middle of calls",
            "wren",
            answer(vec![tool("a", "look")], refused),
            vec!["abandon", "turn.tool_result", "observe", "close 1 Failed", "end Failed"],
        ),
        (
            "out of time",
            "wren",
            Input::OutOfTime { reason: "too slow".into() },
            vec!["abandon", "close 1 Failed", "end Failed"],
        ),
    ];
    for (name, from, input, expected) in cases {
        let (mut turn, _effects) = Turn::start(turn_id(), RULES, said(1, from));
        let effects: Vec<String> =
            brief(&turn.handle(input)).into_iter().filter(|effect| effect != "turn.assistant").collect();
        assert_eq!(effects, expected, "{name}");
        assert!(turn.has_ended(), "{name}");
        assert!(turn.handle(answer(vec![text("late")], StopReason::EndTurn)).is_empty(), "{name}");
    }
}

#[test]
fn what_a_round_without_a_reply_has_cost_is_spent() {
    let charge = |input_tokens, cost_microusd| Charge {
        usage: Tokens { input_tokens, ..Tokens::default() },
        cost_microusd,
    };
    let error = ProviderError { provider: "p".into(), kind: ProviderErrorKind::Overloaded("busy".into()) };
    let failed = RoundFailed { error, charge: charge(7, None) };
    let cases = [
        ("failed", Input::RoundFailed(failed), charge(17, None)),
        ("given up", Input::Cancelled { reason: "enough".into() }, charge(15, Some(5))),
    ];
    for (name, input, expected) in cases {
        let (mut turn, _effects) = Turn::start(turn_id(), RULES, said(1, "wren"));
        turn.runs_up(charge(100, None));
        // What the reply says counts in the place of what was told while it came.
        let _ = turn.handle(answer(vec![tool("a", "look")], StopReason::ToolUse));
        turn.runs_up(charge(100, None));
        let _ = turn.handle(done("a"));
        turn.runs_up(charge(5, Some(2)));
        let effects = turn.handle(input);
        // Nobody is written to, so the decision says what it took.
        let told = effects
            .iter()
            .find_map(|effect| if let Effect::Close(it) = effect { it.meta.clone() } else { None });
        assert_eq!(told.map(|it| it.usage.tokens()), Some(expected.usage.input_tokens + 1), "{name}");
        let Some(Effect::End(Ending { spent, .. })) = effects.last() else { panic!("{name}: {effects:?}") };
        let Spent { usage, cost_microusd, rounds } = *spent;
        assert_eq!(
            (usage.input_tokens, cost_microusd),
            (expected.usage.input_tokens, expected.cost_microusd),
            "{name}"
        );
        assert_eq!(rounds, 1, "{name}");
    }
}

#[test]
fn an_operator_who_joined_a_turn_of_others_is_told_that_it_failed() {
    let (mut turn, _) = Turn::start(turn_id(), RULES, said(1, "wren"));
    turn.handle(answer(vec![tool("a", "look")], StopReason::ToolUse));
    turn.handle(Input::Arrived(said(2, "operator/ana")));
    assert_eq!(brief(&turn.handle(done("a"))), ["turn.tool_result", "observe", "turn.user", "ask"]);
    let effects = turn.handle(Input::Cancelled { reason: "enough".into() });
    let posts = effects.iter().filter_map(|effect| match effect {
        Effect::Post(post) => Some(&post.answers),
        _ => None,
    });
    assert_eq!(posts.collect::<Vec<_>>(), [&item(2, "operator/ana")]);
}

#[test]
fn a_post_is_cut_by_what_it_takes_as_json() {
    for piece in ["a", "\u{1}", "\"", "\n", "é", "𝄞"] {
        let text = piece.repeat(700 * 1024);
        let post = shortened(&text);
        let bytes = serde_json::to_string(&post).expect("a string").len();
        assert!((POST_BYTES_MAX..POST_BYTES_MAX + 100).contains(&bytes), "{piece:?}: {bytes}");
        assert!(post.ends_with("more bytes stand in the session file.]"), "{piece:?}");
        assert_eq!(shortened(piece), piece);
    }
}

#[test]
fn a_call_that_people_have_to_allow_waits_for_them_and_others_go_on() {
    let (mut turn, _effects) = Turn::start(turn_id(), RULES, said(1, "operator/ana"));
    let calls = vec![tool("a", "dig"), tool("b", "dig"), tool("c", "look")];
    let effects = turn.handle(answer(calls, StopReason::ToolUse));
    assert_eq!(
        brief(&effects),
        [
            "turn.assistant",
            "custom.approval",
            "observe",
            "ask people dig false",
            "custom.approval",
            "observe",
            "ask people dig false",
            "observe",
            "run look 2"
        ]
    );
    assert_eq!(brief(&turn.handle(done("c"))), ["turn.tool_result", "observe"]);
    let effects = turn.handle(Input::Decided(verdict("a", ApprovalState::Approved)));
    assert_eq!(brief(&effects), ["custom.approval", "custom.tool_started", "run dig 0"]);
    let again = turn.handle(Input::Decided(verdict("a", ApprovalState::Denied)));
    assert_eq!(brief(&again), [""; 0], "the first answer counts");
    let said = ApprovalMark { text: Some("too deep".into()), ..verdict("b", ApprovalState::Denied) };
    let effects = turn.handle(Input::Decided(said));
    assert_eq!(brief(&effects), ["custom.approval", "turn.tool_result", "observe"]);
    let Effect::Append(Payload::ToolResult(results)) = &effects[1] else { panic!("a result") };
    let Block::ToolResult { content, is_error: true, .. } = &results.content[0] else { panic!("an error") };
    assert!(content.contains("denied by operator/ana, who said: too deep"), "{content}");
    assert_eq!(brief(&turn.handle(done("a"))), ["turn.tool_result", "observe", "ask"]);
}

#[test]
fn what_the_sandbox_stopped_runs_again_without_it_when_people_say_so() {
    let (mut turn, _effects) = Turn::start(turn_id(), RULES, said(1, "operator/ana"));
    let effects = turn.handle(answer(vec![tool("a", "fire"), tool("b", "fire")], StopReason::ToolUse));
    assert!(brief(&effects).contains(&"run fire 1".to_owned()));
    let blocked = |call: &str| Input::Blocked { call: call.into(), content: "no network".into() };
    let effects = turn.handle(blocked("a"));
    assert_eq!(brief(&effects), ["custom.approval", "ask people fire true"]);
    let effects = turn.handle(Input::Decided(verdict("a", ApprovalState::Approved)));
    assert_eq!(brief(&effects), ["custom.approval", "custom.tool_started", "run fire 0 free"]);
    let _ = turn.handle(blocked("b"));
    let effects = turn.handle(Input::Decided(verdict("b", ApprovalState::Expired)));
    let Effect::Append(Payload::ToolResult(results)) = &effects[1] else { panic!("a result") };
    let Block::ToolResult { content, is_error: true, .. } = &results.content[0] else { panic!("an error") };
    assert!(
        content.starts_with("no network\n\n[Not run again without the sandbox: nobody answered"),
        "{content}"
    );
    // A tool that is not asked about again brings what it brought.
    let (mut turn, _effects) = Turn::start(turn_id(), RULES, said(1, "operator/ana"));
    let _ = turn.handle(answer(vec![tool("a", "send")], StopReason::ToolUse));
    assert_eq!(brief(&turn.handle(blocked("a"))), ["turn.tool_result", "observe", "ask"]);
}

#[test]
fn a_turn_whose_tools_did_something_need_not_speak() {
    let (mut turn, _effects) = Turn::start(turn_id(), RULES, said(1, "wren"));
    let _ = turn.handle(answer(vec![tool("a", "send")], StopReason::ToolUse));
    let _ = turn.handle(done("a"));
    let effects = turn.handle(answer(vec![], StopReason::EndTurn));
    assert_eq!(brief(&effects), ["turn.assistant", "close 1 Acted", "end Acted"]);
}

#[test]
fn rounds_are_counted_and_the_last_calls_still_get_results() {
    let (mut turn, _effects) = Turn::start(turn_id(), RULES, said(1, "wren"));
    for round in 0..RULES.rounds_max {
        assert!(!turn.has_ended());
        let effects = turn.handle(answer(vec![tool("same", "look")], StopReason::ToolUse));
        assert!(brief(&effects).contains(&format!("run look {round}")));
        let _ = turn.handle(done("same"));
    }
    assert!(turn.has_ended());
}

#[test]
fn of_a_flood_of_calls_a_part_is_made_and_each_gets_its_result() {
    let (mut turn, _effects) = Turn::start(turn_id(), RULES, said(1, "wren"));
    let calls = (0..1000).map(|n| tool(&format!("c{n}"), "look")).collect();
    let effects = brief(&turn.handle(answer(calls, StopReason::ToolUse)));
    let count = |effects: &[String], what: &str| effects.iter().filter(|it| it.starts_with(what)).count();
    assert_eq!((count(&effects, "run look"), count(&effects, "turn.tool_result")), (64, 936));
    for n in 0..63 {
        assert_eq!(count(&brief(&turn.handle(done(&format!("c{n}")))), "ask"), 0);
    }
    assert_eq!(count(&brief(&turn.handle(done("c63"))), "ask"), 1);
    // What only thinks says nothing.
    let thought = Block::Thinking { text: "hm".into(), signature: None };
    let effects = turn.handle(answer(vec![thought], StopReason::EndTurn));
    assert_eq!(brief(&effects), ["turn.assistant", "close 1 Silent", "end Silent"]);
}

#[test]
fn calls_with_the_same_id_or_none_are_told_apart() {
    let content = vec![tool("", "look"), tool("x", "look"), tool("x", "look"), tool("", "look")];
    let ids: Vec<String> = calls_of(&with_distinct_ids(content, 5), 5).map(|call| call.id).collect();
    assert_eq!(ids, ["call_5_", "x", "call_7_x", "call_8_"]);
}

#[test]
fn a_hand_gives_its_text_and_can_be_asked_to_mend_it() {
    let opening = UserTurn { content: vec![text("input")], item: None };
    let (mut turn, _effects) = Turn::start(turn_id(), RULES, opening.clone());
    let _ = turn.handle(answer(vec![tool("a", "look")], StopReason::ToolUse));
    let _ = turn.handle(done("a"));
    let effects = turn.handle(answer(vec![text("{]")], StopReason::EndTurn));
    assert_eq!(brief(&effects), ["turn.assistant", "end Replied"]);
    let (mut turn, effects) = turn.again(opening);
    assert_eq!(brief(&effects), ["turn.user", "ask"]);
    let effects = turn.handle(answer(vec![tool("a", "look")], StopReason::ToolUse));
    assert_eq!(brief(&effects), ["turn.assistant", "observe", "run look 1"]);
}

#[test]
fn a_turn_over_its_budget_waits_until_an_operator_lets_it_go_on_or_cancels_it() {
    let tokens = |tokens| Budget { tokens: Some(tokens), cost_microusd: None };
    // A round has 10 tokens of prompt and gives one.
    let rules = Rules { budget: tokens(15), helping: tokens(15), ..RULES };
    let (mut turn, effects) = Turn::start(turn_id(), rules.clone(), said(1, "operator/ana"));
    assert_eq!(brief(&effects), ["turn.user", "ask"]);
    let _ = turn.handle(answer(vec![tool("a", "look")], StopReason::ToolUse));
    let effects = turn.handle(done("a"));
    assert_eq!(brief(&effects), ["turn.tool_result", "observe", "wait", "post Waiting(0)"]);
    assert!(turn.waits_for_budget() && turn.room() == Some(0));
    let granted = || Input::Granted { by: "operator/ana".into() };
    assert_eq!(brief(&turn.handle(granted())), ["custom.go_on", "ask"]);
    assert!(turn.handle(granted()).is_empty(), "it does not wait");
    assert_eq!(turn.left(), tokens(15));
    let _ = turn.handle(answer(vec![tool("b", "look")], StopReason::ToolUse));
    let effects = turn.handle(done("b"));
    assert_eq!(brief(&effects)[2..], ["wait", "post Waiting(1)"]);
    let effects = turn.handle(Input::Cancelled { reason: "enough".into() });
    assert_eq!(brief(&effects), ["post Notice", "close 1 Failed", "end Failed"]);
    // Another aspect is not told: it could answer that.
    let (turn, effects) = Turn::start(turn_id(), Rules { budget: tokens(0), ..rules }, said(1, "wren"));
    assert_eq!(brief(&effects), ["turn.user", "wait"]);
    assert!(!turn.has_ended());
}

#[test]
fn a_turn_that_waits_goes_on_by_itself_once_its_limits_have_room() {
    let tokens = |tokens| Budget { tokens: Some(tokens), cost_microusd: None };
    let limits = |budget, day| Input::Limited(Limits { budget, helping: budget, day });
    let rules = Rules { budget: tokens(15), helping: tokens(15), ..RULES };
    let wait = |turn: &mut Turn, call: &str| {
        let _ = turn.handle(answer(vec![tool(call, "look")], StopReason::ToolUse));
        brief(&turn.handle(done(call))[2..])
    };
    let (mut turn, _) = Turn::start(turn_id(), rules.clone(), said(1, "operator/ana"));
    assert!(
        turn.handle(limits(tokens(100), Day::UNLIMITED)).is_empty(),
        "it is told when it waits, and not before"
    );
    assert_eq!(wait(&mut turn, "a"), ["wait", "post Waiting(0)"]);
    // 11 are spent, and the next prompt has 10 at least.
    assert!(turn.handle(limits(tokens(21), Day::UNLIMITED)).is_empty());
    let spent_day = Day { thread: tokens(0), all: Budget::default() };
    assert!(turn.handle(limits(tokens(22), spent_day)).is_empty(), "another limit is in the way");
    assert_eq!(brief(&turn.handle(limits(tokens(22), Day::UNLIMITED))), ["custom.relief", "ask"]);
    assert_eq!(wait(&mut turn, "b"), ["wait", "post Waiting(1)"]);
    // What is left of a new day counts from here on.
    let new_day = Day { thread: tokens(11), all: tokens(100) };
    assert_eq!(brief(&turn.handle(limits(Budget::default(), new_day))), ["custom.relief", "ask"]);
    assert_eq!(turn.left(), tokens(11));
    assert_eq!(wait(&mut turn, "c"), ["wait", "post Waiting(2)"]);
    // What an operator has granted is not taken back by lower limits.
    assert_eq!(brief(&turn.handle(Input::Granted { by: "operator/ana".into() })), ["custom.go_on", "ask"]);
    let (mut turn, _) = Turn::start(turn_id(), rules, said(1, "operator/ana"));
    let _ = wait(&mut turn, "a");
    let _ = turn.handle(Input::Granted { by: "operator/ana".into() });
    assert_eq!(wait(&mut turn, "b"), ["wait", "post Waiting(1)"]);
    assert!(turn.handle(limits(tokens(1), Day::UNLIMITED)).is_empty());
    assert_eq!(turn.most(), tokens(26));
}

fn judged(ruling: Ruling) -> Input {
    let fields = json!({"verdict": ruling.word(), "reason": ruling.note()});
    let entry = Payload::custom(judging::VERDICT, fields);
    Input::Judged { ruling, entry, charge: Charge::default() }
}

#[test]
fn an_answer_is_looked_at_and_posted_written_once_more_or_left_unsaid() {
    let rules = Rules { revisions_max: Some(1), ..RULES };
    let begun = |opening| {
        let (mut turn, _effects) = Turn::start(turn_id(), rules.clone(), opening);
        let effects = turn.handle(answer(vec![text("first")], StopReason::EndTurn));
        (turn, brief(&effects))
    };
    let (mut turn, effects) = begun(said(1, "wren"));
    assert_eq!(effects, ["turn.assistant", "judge"]);
    let effects = turn.handle(judged(Ruling::Revise("shorter".into())));
    assert_eq!(brief(&effects), ["custom.verdict", "turn.user", "ask"]);
    assert!(turn.handle(judged(Ruling::Post)).is_empty(), "nobody was asked");
    let effects = turn.handle(answer(vec![text("second")], StopReason::EndTurn));
    assert_eq!(brief(&effects), ["turn.assistant", "judge"]);
    let effects = turn.handle(judged(Ruling::Revise("shorter still".into())));
    assert_eq!(brief(&effects), ["custom.verdict", "post Reply", "close 1 Replied", "end Replied"]);
    let Effect::Post(post) = &effects[1] else { panic!("a post") };
    assert_eq!(post.text, "second");

    let (mut turn, _) = begun(said(1, "operator/ana"));
    let effects = turn.handle(judged(Ruling::Silent("it repeats wren".into())));
    assert_eq!(brief(&effects), ["custom.verdict", "close 1 Silent", "end Silent"]);
    let (mut turn, _) = begun(said(1, "wren"));
    let effects = turn.handle(Input::Cancelled { reason: "enough".into() });
    assert_eq!(brief(&effects), ["abandon", "close 1 Failed", "end Failed"]);
    // A Hand's output is checked by its schema.
    let (_, effects) = begun(UserTurn { content: vec![text("input")], item: None });
    assert_eq!(effects, ["turn.assistant", "end Replied"]);
}

#[test]
fn the_day_limits_a_turn_beside_its_own_budget() {
    let tokens = |tokens| Budget { tokens, cost_microusd: None };
    let wait = |budget, thread, all| {
        let day = Day { thread: tokens(thread), all: tokens(all) };
        let rules = Rules { budget: tokens(budget), helping: tokens(budget), day, ..RULES };
        let (turn, effects) = Turn::start(turn_id(), rules, said(1, "wren"));
        let reason = effects.iter().find_map(|effect| match effect {
            Effect::Wait { reason } => Some(reason.clone()),
            _ => None,
        });
        (reason.unwrap_or_default(), turn.left().tokens)
    };
    assert_eq!(wait(Some(90), Some(80), Some(70)), (String::new(), Some(70)));
    let spent = "spent: 0 tokens and 0.00 USD";
    let expected = format!("another round would go over what its thread may spend today, 0 tokens; {spent}");
    assert_eq!(wait(Some(90), Some(0), None), (expected, Some(0)));
    let expected =
        format!("another round would go over what all turns and Hands may spend today, 0 tokens; {spent}");
    assert_eq!(wait(None, None, Some(0)), (expected, Some(0)));
}

fn overflow() -> Input {
    let kind = ProviderErrorKind::ContextWindow("213 000 tokens".into());
    Input::RoundFailed(ProviderError { provider: "p".into(), kind }.into())
}

fn summarised() -> Input {
    let usage = Tokens { input_tokens: 100, output_tokens: 7, ..Tokens::default() };
    Input::Compacted(Compacted::Done(Charge { usage, cost_microusd: Some(5) }))
}

#[test]
fn a_round_that_does_not_fit_is_tried_again_once_after_a_summary_that_counts() {
    let (mut turn, _effects) = Turn::start(turn_id(), RULES, said(1, "operator/ana"));
    assert_eq!(brief(&turn.handle(Input::TooLong)), ["compact Due"]);
    assert_eq!(brief(&turn.handle(summarised())), ["ask"]);
    assert_eq!(brief(&turn.handle(overflow())), ["compact Overflow"]);
    assert_eq!(brief(&turn.handle(answer(vec![text("late")], StopReason::EndTurn))), [""; 0]);
    assert_eq!(brief(&turn.handle(summarised())), ["ask"]);
    let effects = turn.handle(overflow());
    assert_eq!(brief(&effects), ["abandon", "post Notice", "close 1 Failed", "end Failed"]);
    let Some(Effect::End(ending)) = effects.last() else { panic!("an end") };
    assert_eq!((ending.spent.usage.input_tokens, ending.spent.cost_microusd), (200, Some(10)));
    assert_eq!(ending.spent.rounds, 0, "a summary is no round of the turn");
    assert_eq!(brief(&turn.handle(summarised())), [""; 0]);
}

#[test]
fn a_later_round_may_overflow_anew() {
    let (mut turn, _effects) = Turn::start(turn_id(), RULES, said(1, "wren"));
    for _ in 0..2 {
        assert_eq!(brief(&turn.handle(overflow())), ["compact Overflow"]);
        let _ = turn.handle(summarised());
        let _ = turn.handle(answer(vec![tool("a", "look")], StopReason::ToolUse));
        assert_eq!(brief(&turn.handle(done("a"))), ["turn.tool_result", "observe", "ask"]);
    }
}

#[test]
fn three_failures_are_enough_and_operators_are_told() {
    let charge = Charge::default();
    let failed = || Input::Compacted(Compacted::Failed { reason: "overloaded".into(), charge });
    let (mut turn, _effects) = Turn::start(turn_id(), RULES, said(1, "operator/ana"));
    assert_eq!(brief(&turn.handle(Input::TooLong)), ["compact Due"]);
    assert_eq!(brief(&turn.handle(failed())), ["compact Due"]);
    assert_eq!(brief(&turn.handle(failed())), ["compact Due"]);
    let effects = turn.handle(failed());
    assert_eq!(brief(&effects), ["alert", "abandon", "post Notice", "close 1 Failed", "end Failed"]);
    let Effect::Alert(reason) = &effects[0] else { panic!("an alert") };
    let expected =
        "its conversation has become too long, and making a summary of it failed 3 times: overloaded";
    assert_eq!(reason, expected);
}

#[test]
fn what_no_summary_can_shorten_is_asked_as_it_is_or_fails_with_the_providers_words() {
    let nothing = || Input::Compacted(Compacted::Nothing);
    let (mut turn, _effects) = Turn::start(turn_id(), RULES, said(1, "operator/ana"));
    let _ = turn.handle(Input::TooLong);
    assert_eq!(brief(&turn.handle(nothing())), ["ask"]);
    let _ = turn.handle(overflow());
    let effects = turn.handle(nothing());
    assert_eq!(brief(&effects), ["abandon", "post Notice", "close 1 Failed", "end Failed"]);
    let Effect::Post(post) = &effects[1] else { panic!("a notice") };
    assert!(post.text.contains("213 000 tokens") && post.text.contains("nothing left"), "{}", post.text);
}

#[test]
fn a_cancel_ends_a_turn_that_waits_for_a_summary_or_a_second_look_and_both_are_paid() {
    let charge =
        |input_tokens| Charge { usage: Tokens { input_tokens, ..Tokens::default() }, cost_microusd: Some(1) };
    let (mut turn, _effects) = Turn::start_after(turn_id(), RULES, said(1, "wren"), charge(5));
    let _ = turn.handle(Input::TooLong);
    turn.runs_up(charge(100));
    let _ = turn.handle(summarised());
    let _ = turn.handle(overflow());
    turn.runs_up(charge(40));
    let effects = turn.handle(Input::Cancelled { reason: "stop".into() });
    assert_eq!(brief(&effects), ["abandon", "close 1 Failed", "end Failed"]);
    let Effect::Close(closing) = &effects[1] else { panic!("a decision") };
    // What it took to find out that it is worth a turn, a summary, and what was told of another one.
    let spent = Spending { tokens: 5 + (100 + 7) + 40, cost_microusd: 1 + 5 + 1 };
    assert_eq!((closing.spent, closing.meta.clone()), (Some(spent), None), "no round is on record");

    let rules = Rules { revisions_max: Some(1), ..RULES };
    let (mut turn, _effects) = Turn::start(turn_id(), rules, said(1, "wren"));
    assert_eq!(
        brief(&turn.handle(answer(vec![text("done")], StopReason::EndTurn))),
        ["turn.assistant", "judge"]
    );
    turn.runs_up(charge(9));
    let effects = turn.handle(Input::Cancelled { reason: "stop".into() });
    assert_eq!(brief(&effects), ["abandon", "close 1 Failed", "end Failed"]);
    let Effect::Close(closing) = &effects[1] else { panic!("a decision") };
    let told = closing.meta.as_ref().map(|meta| (meta.usage.tokens(), meta.cost_microusd));
    assert_eq!((told, closing.spent), (Some((11 + 9, Some(3 + 1))), None));
}

/// What would stand on a disk, and what has left the process.
#[derive(Default)]
struct World {
    session: Vec<Entry>,
    closed: BTreeMap<Uuid, Closing>,
    posts: BTreeMap<(Uuid, PostKind), Post>,
    fired: BTreeSet<u64>,
    asking: bool,
    judging: bool,
    compacting: bool,
    running: Vec<Call>,
    /// What people are asked.
    people: Vec<(Call, bool)>,
    /// What they said, which stays as it is whoever asks again.
    verdicts: BTreeMap<(u64, bool), ApprovalState>,
    ended: Option<Ending>,
}

impl World {
    fn carry_out(&mut self, effects: Vec<Effect>) {
        for effect in effects {
            match effect {
                Effect::Append(payload) => {
                    let id = Uuid::from_u128(5000 + self.session.len() as u128);
                    let parent_id = self.session.last().map(|entry| entry.id);
                    self.session.push(Entry { id, parent_id, ts: Timestamp::UNIX_EPOCH, payload });
                }
                Effect::Ask => {
                    assert!(!self.asking && self.running.is_empty(), "one round at a time");
                    self.asking = true;
                }
                Effect::Compact(_) => {
                    assert!(
                        !self.asking && !self.compacting && self.running.is_empty(),
                        "one round at a time"
                    );
                    self.compacting = true;
                }
                Effect::Alert(_) => {}
                Effect::Run(call) => {
                    let once = matches!(call.name.as_str(), "fire" | "dig");
                    // The first time the sandbox stopped it.
                    let key = 2 * call.ordinal + u64::from(call.free);
                    assert!(!once || self.fired.insert(key), "ran twice: {call:?}");
                    let leave = self.verdicts.get(&(call.ordinal, call.free));
                    let needs_leave = call.name == "dig" || call.free;
                    assert!(!needs_leave || leave == Some(&ApprovalState::Approved), "not allowed: {call:?}");
                    self.running.push(call);
                }
                Effect::AskPeople { call, blocked } => {
                    let is_asked = self.people.iter().any(|(it, _)| it.id == call.id);
                    assert!(!is_asked, "asked twice: {call:?}");
                    self.people.push((call, blocked));
                }
                Effect::Abandon => {
                    (self.asking, self.judging, self.compacting) = (false, false, false);
                    self.people.clear();
                    self.running.clear();
                }
                Effect::Observe(_) | Effect::Wait { .. } => {}
                Effect::Judge(_) => {
                    assert!(!self.asking && !self.judging && self.running.is_empty(), "one at a time");
                    self.judging = true;
                }
                Effect::Post(post) => {
                    if let Some(before) = self.posts.insert((post.answers.id, post.kind), post.clone())
                        && post.kind == PostKind::Reply
                    {
                        assert_eq!(before, post, "the same id with another payload");
                    }
                }
                Effect::Close(closing) => {
                    assert!(!self.closed.contains_key(&closing.item.id), "two decisions: {closing:?}");
                    if let Some(kind) = closing.post {
                        assert!(
                            self.posts.contains_key(&(closing.first.id, kind)),
                            "closed before it was posted"
                        );
                    }
                    self.closed.insert(closing.item.id, closing);
                }
                Effect::End(ending) => self.ended = Some(ending),
            }
        }
    }

    /// A summary is on record before the turn hears of it.
    fn summarised(&mut self) -> Compacted {
        let (usage, cost_microusd) = (Tokens { input_tokens: 50, ..Tokens::default() }, Some(2));
        let by = Summariser { provider: "p".into(), model: "m".into(), usage, cost_microusd };
        let compaction = Compaction {
            summary: "short".into(),
            first_kept: self.session.first().map(|entry| entry.id).unwrap_or_default(),
            tokens_before: None,
            turns: None,
            item: None,
            by: Some(by),
        };
        self.carry_out(vec![Effect::Append(Payload::Compaction(compaction))]);
        Compacted::Done(Charge { usage, cost_microusd })
    }

    /// Items the session took and has not closed, as it would tell after a restart.
    fn open(&self) -> Vec<ItemRef> {
        let taken = self.session.iter().filter_map(|entry| match &entry.payload {
            Payload::User(said) => said.item.clone(),
            _ => None,
        });
        taken.filter(|item| !self.closed.contains_key(&item.id)).collect()
    }

    fn taken(&self) -> BTreeSet<Uuid> {
        let items = self.session.iter().filter_map(|entry| match &entry.payload {
            Payload::User(said) => said.item.as_ref().map(|item| item.id),
            _ => None,
        });
        let all: Vec<Uuid> = items.collect();
        let set: BTreeSet<Uuid> = all.iter().copied().collect();
        assert_eq!(all.len(), set.len(), "taken twice");
        set
    }

    /// Every call of a round has exactly one result before the next round; `all` if the last one's must be there.
    fn check_results(&self, all: bool) {
        let mut open: BTreeSet<String> = BTreeSet::new();
        for entry in &self.session {
            match &entry.payload {
                Payload::Assistant(round) => {
                    assert!(open.is_empty(), "a round without the results of the last");
                    open = calls_of(&round.content, 0).map(|call| call.id).collect();
                }
                Payload::ToolResult(results) => {
                    for block in &results.content {
                        let Block::ToolResult { tool_use_id, .. } = block else { panic!("a result") };
                        assert!(open.remove(tool_use_id), "a result without a call, or a second one");
                    }
                }
                _ => {}
            }
        }
        assert!(!all || open.is_empty(), "calls without a result: {open:?}");
    }
}

struct Dice(std::vec::IntoIter<u32>);

impl Dice {
    fn roll(&mut self, sides: u32) -> u32 {
        self.0.next().unwrap_or(0) % sides
    }
}

/// Carries out all, or dies in the middle and goes on from what was written.
fn carry_out(world: &mut World, turn: &mut Turn, mut effects: Vec<Effect>, dice: &mut Dice) {
    while dice.roll(6) == 5 {
        let survive = dice.roll(effects.len() as u32 + 1) as usize;
        effects.truncate(survive);
        world.carry_out(effects);
        // A process that died has nothing running, and nothing in memory.
        (world.asking, world.judging, world.compacting) = (false, false, false);
        (world.running, world.ended) = (Vec::new(), None);
        world.people.clear();
        world.check_results(false);
        let open = world.open();
        let Some(first) = open.first().cloned() else {
            // All closed, or nothing begun.
            if world.closed.is_empty() {
                (*turn, effects) = Turn::start(turn_id(), RULES, said(1, "operator/ana"));
                continue;
            }
            world.ended = Some(Ending {
                decision: Decision::Replied,
                reason: None,
                text: String::new(),
                spent: Spent::default(),
                out_of_budget: false,
            });
            return;
        };
        assert_eq!(first.id, Uuid::from_u128(1), "the first item is the last to be closed");
        let branch: Vec<&Entry> = world.session.iter().collect();
        (*turn, effects) = Turn::resume(turn_id(), RULES, &branch, open);
    }
    world.carry_out(effects);
}

fn some_reply(dice: &mut Dice) -> Input {
    let names = ["look", "fire", "send", "dig"];
    let calls = dice.roll(4);
    let mut content: Vec<Block> = (0..calls)
        .map(|n| tool(&format!("c{}", if dice.roll(5) == 0 { 0 } else { n }), names[dice.roll(4) as usize]))
        .collect();
    if dice.roll(2) == 0 {
        content.insert(0, text("words"));
    }
    let stop = match (calls, dice.roll(8)) {
        (_, 0) => StopReason::Refusal,
        (0, 1) => StopReason::MaxTokens,
        (0, _) => StopReason::EndTurn,
        _ => StopReason::ToolUse,
    };
    answer(content, stop)
}

fn live(rolls: Vec<u32>) {
    let mut dice = Dice(rolls.into_iter());
    let mut world = World::default();
    let mut arrived = 1;
    let (mut turn, effects) = Turn::start(turn_id(), RULES, said(1, "operator/ana"));
    carry_out(&mut world, &mut turn, effects, &mut dice);
    for _ in 0..60 {
        if world.ended.is_some() {
            break;
        }
        let kind = match dice.roll(2) {
            0 => ProviderErrorKind::Truncated("cut".into()),
            _ => ProviderErrorKind::ContextWindow("long".into()),
        };
        let failure = ProviderError { provider: "p".into(), kind };
        let input = match dice.roll(12) {
            0 => Input::RoundFailed(failure.into()),
            1 => Input::Cancelled { reason: "stop".into() },
            2 => Input::ToolDone {
                call: "nobody".into(),
                content: String::new(),
                is_error: true,
                below: Spending::default(),
            },
            3 | 4 => {
                arrived += 1;
                Input::Arrived(said(arrived, "wren"))
            }
            5 if world.asking => Input::TooLong,
            _ if world.asking => {
                world.asking = false;
                some_reply(&mut dice)
            }
            _ if world.compacting => {
                world.compacting = false;
                Input::Compacted(match dice.roll(3) {
                    0 => world.summarised(),
                    1 => Compacted::Nothing,
                    _ => Compacted::Failed { reason: "no".into(), charge: Charge::default() },
                })
            }
            _ if !world.people.is_empty() && (world.running.is_empty() || dice.roll(2) == 0) => {
                let (call, blocked) = world.people.remove(0);
                let says = [ApprovalState::Approved, ApprovalState::Denied, ApprovalState::Expired];
                let said = says[dice.roll(3) as usize];
                let state = *world.verdicts.entry((call.ordinal, blocked)).or_insert(said);
                Input::Decided(verdict(&call.id, state))
            }
            _ if !world.running.is_empty() => {
                let index = dice.roll(world.running.len() as u32) as usize;
                let call = world.running.remove(index);
                let is_stopped = call.name == "fire" && !call.free && dice.roll(2) == 0;
                if is_stopped {
                    Input::Blocked { call: call.id, content: "stopped".into() }
                } else {
                    Input::ToolDone {
                        call: call.id,
                        content: "result".into(),
                        is_error: dice.roll(3) == 0,
                        below: Spending::default(),
                    }
                }
            }
            _ => Input::Cancelled { reason: "nothing is out".into() },
        };
        if let Input::RoundFailed(_) | Input::TooLong = &input {
            world.asking = false;
        }
        let effects = turn.handle(input);
        carry_out(&mut world, &mut turn, effects, &mut dice);
        world.check_results(false);
        let is_out = !world.running.is_empty() || !world.people.is_empty();
        let waits = world.asking || world.compacting || is_out;
        assert!(world.ended.is_some() || waits, "neither ended nor waiting for anything");
    }
    let effects = turn.handle(Input::OutOfTime { reason: "the end of the test".into() });
    world.carry_out(effects);
    assert!(world.ended.is_some(), "it never ended");
    world.check_results(true);
    let closed: BTreeSet<Uuid> = world.closed.keys().copied().collect();
    assert_eq!(closed, world.taken(), "a decision for each item taken and for no other");
    assert!(closed.contains(&Uuid::from_u128(1)));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn whatever_happens_it_ends_with_every_result_and_every_decision(
        rolls in proptest::collection::vec(any::<u32>(), 0..200)
    ) {
        live(rolls);
    }
}
