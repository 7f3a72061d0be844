//! An `observe.event` becomes an `observe` frame without being taken apart: its event is checked against the
//! contract in one pass without copies, then its text is set between a beginning and an end.

use std::borrow::Cow;

use nexus_wire::envelope::{Envelope, encode};
use nexus_wire::observe::{ObserveBegin, Observed, ObservedWhat};
use nexus_wire::{AspectName, DispatchId, FromBroker, ThreadId, TurnId};
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::value::RawValue;

/// How such a frame begins when it was written by a client that puts the kind first, as ours do.
const START: &str = r#"{"kind":"observe.event","payload":"#;

#[derive(Deserialize)]
struct Frame<'a> {
    #[serde(borrow)]
    payload: Event<'a>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Event<'a> {
    pub(super) turn: TurnId,
    n: u64,
    #[serde(borrow)]
    event: &'a RawValue,
}

/// The variants of `TurnEvent` laid over each other, so that nothing has to be buffered to find the tag.
#[derive(Deserialize)]
struct AnyEvent<'a> {
    #[serde(borrow, rename = "type")]
    kind: Cow<'a, str>,
    #[serde(borrow, default)]
    text: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    reason: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    call: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    name: Option<Cow<'a, str>>,
    #[serde(default)]
    input: Option<IgnoredAny>,
    #[serde(default)]
    is_error: Option<bool>,
    #[serde(borrow, default)]
    preview: Option<Cow<'a, str>>,
}

impl AnyEvent<'_> {
    fn is_whole(&self) -> bool {
        match self.kind.as_ref() {
            "text" | "thinking" => self.text.is_some(),
            "restarted" => self.reason.is_some(),
            "tool_call" => self.call.is_some() && self.name.is_some() && self.input.is_some(),
            "tool_result" => {
                self.call.is_some()
                    && self.name.is_some()
                    && self.is_error.is_some()
                    && self.preview.is_some()
            }
            _ => false,
        }
    }
}

/// `None`: another frame, or one that the ordinary decoder has to judge.
pub(super) fn event(text: &str) -> Option<Event<'_>> {
    if !text.starts_with(START) || nests_deeply(text) {
        return None;
    }
    let frame: Frame<'_> = serde_json::from_str(text).ok()?;
    let event: AnyEvent<'_> = serde_json::from_str(frame.payload.event.get()).ok()?;
    event.is_whole().then_some(frame.payload)
}

/// Few brackets cannot nest deeply; counting them is much cheaper than following them.
fn nests_deeply(text: &str) -> bool {
    text.bytes().filter(|byte| matches!(byte, b'{' | b'[')).count() > nexus_wire::limits::JSON_DEPTH_MAX
}

/// Everything before the number of an event of this turn.
pub(super) fn prefix(
    aspect: &AspectName,
    turn: TurnId,
    thread: Option<ThreadId>,
    dispatch: Option<DispatchId>,
) -> String {
    let begin = ObserveBegin { turn, thread: None, message: None, dispatch: None };
    let observed =
        Observed { aspect: aspect.clone(), turn, thread, dispatch, what: ObservedWhat::Begin(begin) };
    let text = encode(&Envelope::default(), &FromBroker::Observe(observed));
    // The contract writes fields in the order they are declared; the test below holds it to that.
    match text.split_once(r#"{"type":"begin""#) {
        Some((before, _)) => format!(r#"{before}{{"type":"event","turn":"{turn}","n":"#),
        None => text,
    }
}

pub(super) fn observe(prefix: &str, event: &Event<'_>) -> String {
    let raw = event.event.get();
    let mut text = String::with_capacity(prefix.len() + raw.len() + 40);
    text.push_str(prefix);
    text.push_str(itoa(event.n, &mut [0; 20]));
    text.push_str(r#","event":"#);
    text.push_str(raw);
    text.push_str("}}}");
    text
}

/// Decimal digits without the formatting machinery, which costs as much as the rest of the frame.
fn itoa(mut number: u64, digits: &mut [u8; 20]) -> &str {
    let mut at = digits.len();
    loop {
        at -= 1;
        digits[at] = b'0' + (number % 10) as u8;
        number /= 10;
        if number == 0 {
            return std::str::from_utf8(&digits[at..]).unwrap_or("0");
        }
    }
}

#[cfg(test)]
mod tests {
    use nexus_wire::ToBroker;
    use nexus_wire::envelope::{decode, push};
    use nexus_wire::observe::{ObserveEvent, TurnEvent};
    use serde_json::json;
    use uuid::Uuid;

    use super::*;

    fn events() -> Vec<TurnEvent> {
        vec![
            TurnEvent::Text { text: "plain".into() },
            TurnEvent::Text { text: "quote \" brace { } \u{0} \u{1f980} \\".into() },
            TurnEvent::Thinking { text: String::new() },
            TurnEvent::Restarted { reason: "cut".into() },
            TurnEvent::ToolCall {
                call: "1".into(),
                name: "read_file".into(),
                input: json!({"path": ["a", {"b": null}]}),
            },
            TurnEvent::ToolCall { call: "1".into(), name: "x".into(), input: json!(1) },
            TurnEvent::ToolResult { call: "1".into(), name: "x".into(), is_error: true, preview: "p".into() },
        ]
    }

    #[test]
    fn the_short_way_writes_what_the_long_way_writes() {
        let aspect: AspectName = "wren".parse().unwrap();
        let turn = TurnId(Uuid::from_u128(5));
        let (thread, dispatch) = (Some(ThreadId(Uuid::from_u128(6))), Some(DispatchId(Uuid::from_u128(7))));
        for (n, event) in (0_u64..).zip(events()).chain([(u64::MAX, events()[0].clone())]) {
            for (thread, dispatch) in [(None, None), (thread, None), (thread, dispatch)] {
                let event = ObserveEvent { turn, n, event: event.clone() };
                let text = encode(&Envelope::default(), &ToBroker::ObserveEvent(event.clone()));
                let what = ObservedWhat::Event(event);
                let observed = Observed { aspect: aspect.clone(), turn, thread, dispatch, what };
                let short = observe(&prefix(&aspect, turn, thread, dispatch), &super::event(&text).unwrap());
                assert_eq!(short, push(&FromBroker::Observe(observed.clone())));
                assert_eq!(
                    decode::<FromBroker>(&short).map(|it| it.frame),
                    Ok(FromBroker::Observe(observed))
                );
            }
        }
    }

    #[test]
    fn what_is_not_quite_right_takes_the_long_way() {
        let turn = Uuid::from_u128(5);
        let frame = |event: &str| format!(r#"{START}{{"turn":"{turn}","n":1,"event":{event}}}}}"#);
        assert!(event(&frame(r#"{"type":"text","text":"x","new":1}"#)).is_some());
        let cases = [
            ("another kind", r#"{"kind":"observe.end","payload":{}}"#.to_owned()),
            ("an unknown event", frame(r#"{"type":"shout","text":"x"}"#)),
            ("a field missing", frame(r#"{"type":"text"}"#)),
            ("a wrong type", frame(r#"{"type":"text","text":1}"#)),
            ("a lone surrogate", frame(r#"{"type":"text","text":"\ud800"}"#)),
            ("no event", format!(r#"{START}{{"turn":"{turn}","n":1}}}}"#)),
            ("trailing text", frame(r#"{"type":"text","text":"x"}"#) + " {}"),
            (
                "deep",
                frame(&format!(
                    r#"{{"type":"tool_call","call":"","name":"","input":{}{}}}"#,
                    "[".repeat(64),
                    "]".repeat(64)
                )),
            ),
        ];
        for (name, text) in cases {
            assert!(event(&text).is_none(), "{name}");
        }
    }
}
