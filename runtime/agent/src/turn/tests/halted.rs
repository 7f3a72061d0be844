//! Turns that may ask no model for a while.

use super::*;

fn stopped(why: &str) -> Option<Halt> {
    Some(Halt::Stopped(why.to_owned()))
}

fn begun(why: Option<Halt>) -> (Turn, Vec<Effect>) {
    let (mut turn, effects) = Turn::start(turn_id(), RULES, said(1, "operator/ana"));
    let effects = turn.under(why, effects);
    (turn, effects)
}

#[test]
fn a_turn_stops_between_two_rounds_and_goes_on_with_what_came_meanwhile() {
    let (mut turn, effects) = begun(None);
    assert_eq!(brief(&effects), ["turn.user", "ask"]);
    assert!(turn.handle(Input::Halted(stopped("too dear"))).is_empty(), "what has begun ends as it would");
    let effects = turn.handle(answer(vec![tool("a", "look")], StopReason::ToolUse));
    assert_eq!(brief(&effects), ["turn.assistant", "observe", "run look 0"], "a call costs nothing");
    assert!(!turn.is_halted());
    let effects = turn.handle(done("a"));
    assert_eq!(brief(&effects), ["turn.tool_result", "observe", "post Halted(0)"]);
    let Effect::Post(post) = &effects[2] else { panic!("a post") };
    assert_eq!((post.text.as_str(), post.answers.id), ("too dear", Uuid::from_u128(1)));
    assert!(turn.is_halted() && !turn.waits_for_budget());
    // Nothing else moves it, and it is said once.
    assert!(turn.handle(Input::Granted { by: "operator/ana".into() }).is_empty());
    assert!(turn.handle(Input::Halted(stopped("much too dear"))).is_empty());
    assert!(turn.handle(Input::Arrived(said(2, "operator/ana"))).is_empty());
    assert_eq!(brief(&turn.handle(Input::Halted(None))), ["custom.relief", "turn.user", "ask"]);
    assert!(turn.handle(Input::Halted(None)).is_empty());
    let effects = turn.handle(answer(vec![text("done")], StopReason::EndTurn));
    assert_eq!(brief(&effects)[1..], ["post Reply", "close 2 Replied", "close 1 Replied", "end Replied"]);
}

#[test]
fn before_the_broker_has_said_anything_a_turn_waits_in_silence() {
    let (mut turn, effects) = begun(Some(Halt::Unknown));
    assert_eq!((brief(&effects), turn.is_halted()), (vec!["turn.user".to_owned()], true));
    assert_eq!(brief(&turn.handle(Input::Halted(stopped("too dear")))), ["post Halted(0)"]);
    assert_eq!(brief(&turn.handle(Input::Halted(None))), ["custom.relief", "ask"]);
    let (mut turn, _) = begun(Some(Halt::Unknown));
    assert_eq!(brief(&turn.handle(Input::Halted(None))), ["ask"], "nobody was told");
    // Another aspect is not told: it could answer that.
    let (mut turn, effects) = Turn::start(turn_id(), RULES, said(1, "wren"));
    assert_eq!(brief(&turn.under(stopped("too dear"), effects)), ["turn.user"]);
}

#[test]
fn what_is_halted_can_be_cancelled_and_asks_nothing_afterwards() {
    let (mut turn, _) = begun(stopped("too dear"));
    let effects = turn.handle(Input::Cancelled { reason: "enough".into() });
    assert_eq!(brief(&effects), ["abandon", "post Notice", "close 1 Failed", "end Failed"]);
    assert!(turn.handle(Input::Halted(None)).is_empty() && !turn.is_halted());
}

#[test]
fn summaries_and_judges_are_models_too() {
    let rules = Rules { revisions_max: Some(1), ..RULES };
    let (mut turn, effects) = Turn::start(turn_id(), rules, said(1, "operator/ana"));
    let _ = turn.under(None, effects);
    let _ = turn.handle(Input::Halted(stopped("too dear")));
    assert_eq!(brief(&turn.handle(Input::TooLong)), ["post Halted(0)"]);
    assert_eq!(brief(&turn.handle(Input::Halted(None))), ["custom.relief", "compact Due"]);
    assert_eq!(brief(&turn.handle(Input::Compacted(Compacted::Nothing))), ["ask"]);
    let _ = turn.handle(Input::Halted(stopped("too dear")));
    let effects = turn.handle(answer(vec![text("done")], StopReason::EndTurn));
    assert_eq!(brief(&effects), ["turn.assistant", "post Halted(1)"]);
    assert_eq!(brief(&turn.handle(Input::Halted(None))), ["custom.relief", "judge"]);
}

#[test]
fn a_round_that_was_refused_for_it_is_made_anew_once_something_may_be_spent() {
    let refused = |why: &str| {
        let kind = ProviderErrorKind::Stopped(why.to_owned());
        let error = ProviderError { provider: "p".into(), kind };
        let usage = Tokens { input_tokens: 7, ..Tokens::default() };
        Input::RoundFailed(RoundFailed { error, charge: Charge { usage, cost_microusd: None } })
    };
    // The broker's proxy has said so before the broker has told us.
    let (mut turn, _) = begun(None);
    let effects = turn.handle(refused("too dear"));
    assert_eq!((brief(&effects), turn.is_halted()), (vec!["post Halted(0)".to_owned()], true));
    assert_eq!(turn.own().tokens, 7, "what was broken off has cost something");
    assert!(turn.handle(Input::Halted(stopped("too dear"))).is_empty(), "it was told");
    assert_eq!(brief(&turn.handle(Input::Halted(None))), ["custom.relief", "ask"]);
    // And once more, with a stop that is known: nothing is asked in between.
    let _ = turn.handle(Input::Halted(stopped("much too dear")));
    let effects = turn.handle(refused("too dear"));
    let Effect::Post(post) = &effects[0] else { panic!("a post") };
    assert_eq!((brief(&effects), post.text.as_str()), (vec!["post Halted(1)".to_owned()], "much too dear"));
    assert_eq!(brief(&turn.handle(Input::Halted(None))), ["custom.relief", "ask"]);
    let effects = turn.handle(answer(vec![text("done")], StopReason::EndTurn));
    assert_eq!(brief(&effects)[1..], ["post Reply", "close 1 Replied", "end Replied"]);
}
