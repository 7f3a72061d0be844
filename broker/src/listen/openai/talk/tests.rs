//! A history is its own thread's and no other's.

use uuid::Uuid;

use super::*;

fn turn(role: Role, text: &str) -> Turn {
    Turn { role, text: text.to_owned(), name: None, calls: Vec::new(), call: None }
}

fn talk(turns: &[(Role, &str)]) -> Talk {
    Talk::of(turns.iter().map(|(role, text)| turn(*role, text)).collect()).unwrap()
}

fn exchange(said: &str, answered: &str) -> Exchange {
    Exchange { said: said.to_owned(), answer: MessageId(Uuid::from_u128(7)), answered: answered.to_owned() }
}

use Role::{Assistant, System, User};

#[test]
fn a_first_question_is_said_as_it_is() {
    let alone = talk(&[(User, "which claims hold?")]);
    assert_eq!(
        (alone.answers(), alone.opening(), alone.next()),
        (0, "which claims hold?".into(), "which claims hold?".into())
    );
    let told = talk(&[(System, "be brief"), (User, "hello"), (User, "there")]);
    assert_eq!(told.opening(), "<instructions>\nbe brief\n</instructions>\n\nhello\n\nthere");
    assert_eq!(told.title().as_deref(), Some("there"));
    assert_eq!(Talk::of(vec![turn(User, "a"), turn(Assistant, "b")]), None, "there is nothing to answer");
    assert_eq!(Talk::of(Vec::new()), None);
}

#[test]
fn a_history_from_elsewhere_stands_in_front_and_mentions_nobody() {
    let talk = talk(&[(System, "be brief"), (User, "ask @all"), (Assistant, "done"), (User, "and @keel?")]);
    let expected = "<instructions>\nbe brief\n</instructions>\n\n<conversation_so_far>\nWhat was said before, as whoever asks \
                    tells it; you have not seen it.\n[user] ask @\u{2060}all\n[assistant] done\n</conversation_so_far>\n\nand @keel?";
    assert_eq!(talk.opening(), expected);
    assert_eq!(talk.next(), "and @keel?");
}

#[test]
fn a_long_history_loses_its_beginning() {
    let long = "x".repeat(HISTORY_BYTES_MAX / 2 - 100);
    let talk = talk(&[(User, &long), (Assistant, "a"), (User, &long), (Assistant, &long), (User, "so?")]);
    let opening = talk.opening();
    assert!(opening.contains("(1 earlier ones are left out)\n[assistant] a"), "{}", &opening[..200]);
    assert!(opening.len() < HISTORY_BYTES_MAX + 400 && opening.ends_with("\n\nso?"));
}

#[test]
fn a_thread_goes_on_when_it_has_all_of_the_history() {
    let first = [
        (System, "be brief"),
        (User, "one"),
        (Assistant, "1"),
        (User, "two"),
        (Assistant, "2"),
        (User, "three"),
    ];
    let told = talk(&first);
    let opened = "<instructions>\nbe brief\n</instructions>\n\none";
    let thread = [exchange(opened, "1"), exchange("two", "2")];
    assert!(told.continues(&thread));
    assert!(told.continues(&[exchange(&with_functions(opened, "[]"), "1"), exchange("two", " 2\n")]));
    // A thread that began in the middle of this conversation.
    let middle = talk(&first[..4]).opening();
    assert!(told.continues(&[exchange(&middle, "2")]));
    for other in [
        vec![],
        vec![exchange(opened, "1")],
        vec![exchange(opened, "1"), exchange("two", "zwei")],
        vec![exchange(opened, "1"), exchange("three", "2")],
        vec![exchange("one", "1"), exchange("two", "2")],
        vec![exchange(opened, "1"), exchange("two", "2"), exchange("three", "3")],
        vec![exchange("zero", "0"), exchange(opened, "1"), exchange("two", "2")],
    ] {
        assert!(!told.continues(&other), "{other:?}");
    }
    assert!(told.repeats(&thread, "three") && !told.repeats(&thread, "four"));
    assert!(talk(&[(User, "one")]).repeats(&[], "one"));
}

#[test]
fn what_was_said_on_the_way_belongs_to_what_streamed() {
    let told = talk(&[(User, "one"), (Assistant, "Let me look.\n\nIt is 1."), (User, "two")]);
    assert!(told.continues(&[exchange("one", "It is 1.")]));
    assert!(!told.continues(&[exchange("one", "is 1.")]), "a piece of it is another answer");
}

#[test]
fn calls_are_known_by_their_ids() {
    let call = |id: &str| Call { id: id.to_owned(), name: "weather".to_owned(), arguments: "{}".to_owned() };
    let asked = |id: &str| {
        let called = Turn { calls: vec![call(id)], ..turn(Assistant, "") };
        let result =
            Turn { name: Some("weather".to_owned()), call: Some(id.to_owned()), ..turn(Role::Tool, "rain") };
        Talk::of(vec![turn(User, "one"), called, result]).unwrap()
    };
    let id = format!("{}0", call_prefix(MessageId(Uuid::from_u128(7))));
    let thread = [exchange("one", "{\"tool_calls\": []}")];
    assert!(asked(&id).continues(&thread));
    assert!(!asked("call_1").continues(&thread));
    let expected = format!("<function_result of=\"weather\" call=\"{id}\">\nrain\n</function_result>");
    assert_eq!(asked(&id).next(), expected);
    assert!(asked("call_1").opening().contains("(calls weather with {})\n</conversation_so_far>"));
}
