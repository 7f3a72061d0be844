//! An `observe.event` becomes an `observe` frame without being taken apart: its event is checked against the
//! contract in one pass without copies, then its text is set between a beginning and an end.

use std::borrow::Cow;

use nexus_wire::envelope::{Envelope, encode};
use nexus_wire::observe::{Doing, ObserveBegin, Observed, ObservedWhat};
use nexus_wire::{AspectName, DispatchId, FromBroker, ThreadId, TurnId};
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::framing::put_text;

/// How such a frame begins when it was written by a client that puts the kind first, as ours do.
const START: &str = r#"{"kind":"observe.event","payload":"#;

#[derive(Deserialize)]
struct Frame<'a> {
    #[serde(borrow)]
    payload: Payload<'a>,
}

#[derive(Deserialize)]
struct Payload<'a> {
    turn: TurnId,
    n: u64,
    #[serde(borrow)]
    event: &'a RawValue,
}

#[derive(Debug, Eq, PartialEq)]
pub(super) struct Event<'a> {
    pub(super) turn: TurnId,
    /// What it shows the aspect doing.
    pub(super) doing: Doing,
    n: u64,
    event: &'a str,
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
    is_error: Option<bool>,
    #[serde(borrow, default)]
    preview: Option<Cow<'a, str>>,
}

impl AnyEvent<'_> {
    fn doing(&self) -> Doing {
        match self.kind.as_ref() {
            "text" => Doing::Writing,
            "thinking" => Doing::Thinking,
            _ => Doing::Waiting,
        }
    }

    fn is_whole(&self) -> bool {
        match self.kind.as_ref() {
            "text" | "thinking" => self.text.is_some(),
            "restarted" => self.reason.is_some(),
            // An input may hold what JSON allows and no value can: a lone surrogate, a number beyond all bounds.
            "tool_call" => false,
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
    text.strip_prefix(START).and_then(streamed_text).or_else(|| parsed(text))
}

fn parsed(text: &str) -> Option<Event<'_>> {
    if !text.starts_with(START) || nests_deeply(text) {
        return None;
    }
    let Frame { payload } = serde_json::from_str(text).ok()?;
    let event: AnyEvent<'_> = serde_json::from_str(payload.event.get()).ok()?;
    event.is_whole().then_some(Event {
        turn: payload.turn,
        doing: event.doing(),
        n: payload.n,
        event: payload.event.get(),
    })
}

/// The commonest event by far, a piece of text, when it is written exactly as our own encoder writes it. That costs
/// a fraction of parsing it; anything else about it is left to the parser.
fn streamed_text(payload: &str) -> Option<Event<'_>> {
    let (turn, rest) = payload.strip_prefix(r#"{"turn":""#)?.split_at_checked(36)?;
    let rest = rest.strip_prefix(r#"","n":"#)?;
    let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
    let (n, rest) = rest.split_at(digits);
    if n.len() > 1 && n.starts_with('0') {
        return None;
    }
    let event = rest.strip_prefix(r#","event":"#)?.strip_suffix("}}")?;
    let (doing, text) = match event.strip_prefix(r#"{"type":"text","text":""#) {
        Some(text) => (Doing::Writing, text),
        None => (Doing::Thinking, event.strip_prefix(r#"{"type":"thinking","text":""#)?),
    };
    let text = text.strip_suffix(r#""}"#)?;
    let (turn, n) = (TurnId(turn.parse().ok()?), n.parse().ok()?);
    stands_between_quotes(text.as_bytes()).then_some(Event { turn, doing, n, event })
}

/// Whether JSON allows this as the content of a string, by its short escapes alone.
fn stands_between_quotes(text: &[u8]) -> bool {
    let is_odd = |byte: u8| byte < b' ' || byte == b'"' || byte == b'\\';
    // No way out within a piece, so that the compiler looks at many bytes at once.
    let is_plain = |piece: &&[u8]| !piece.iter().fold(false, |odd, &byte| odd | is_odd(byte));
    let plain: usize = text.chunks(64).take_while(is_plain).map(<[u8]>::len).sum();
    let mut rest = text[plain..].iter();
    while let Some(&byte) = rest.next() {
        let escapes = byte == b'\\'
            && matches!(rest.next(), Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't'));
        if is_odd(byte) && !escapes {
            return false;
        }
    }
    true
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
        Observed { aspect: aspect.clone(), turn, thread, dispatch, what: ObservedWhat::Begin(begin), seq: 0 };
    let text = encode(&Envelope::default(), &FromBroker::Observe(observed));
    // The contract writes fields in the order they are declared; the test below holds it to that.
    match text.split_once(r#"{"type":"begin""#) {
        Some((before, _)) => format!(r#"{before}{{"type":"event","turn":"{turn}","n":"#),
        None => text,
    }
}

/// Appends the frame to `out`, encoded.
pub(super) fn observe(prefix: &str, event: &Event<'_>, seq: u64, out: &mut Vec<u8>) {
    let (mut n_digits, mut seq_digits) = (itoa::Buffer::new(), itoa::Buffer::new());
    let (n, seq) = (n_digits.format(event.n), seq_digits.format(seq));
    put_text(out, [prefix, n, r#","event":"#, event.event, r#"},"seq":"#, seq, "}}"]);
}

#[cfg(test)]
mod tests {
    use nexus_wire::ToBroker;
    use nexus_wire::envelope::{decode, push};
    use nexus_wire::observe::{ObserveEvent, TurnEvent};
    use uuid::Uuid;

    use super::*;
    use crate::framing::Block;

    fn events() -> Vec<TurnEvent> {
        vec![
            TurnEvent::Text { text: "plain".into() },
            TurnEvent::Text { text: "quote \" brace { } \u{0} \u{1f980} \\".into() },
            TurnEvent::Thinking { text: String::new() },
            TurnEvent::Restarted { reason: "cut".into() },
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
                let seq = u64::MAX - n;
                let observed = Observed { aspect: aspect.clone(), turn, thread, dispatch, what, seq };
                let mut frame = Vec::new();
                let prefix = prefix(&aspect, turn, thread, dispatch);
                observe(&prefix, &super::event(&text).unwrap(), seq, &mut frame);
                let block = Block::new(frame, 1);
                let short = block.texts().next().unwrap();
                assert_eq!(short, push(&FromBroker::Observe(observed.clone())));
                assert_eq!(decode::<FromBroker>(short).map(|it| it.frame), Ok(FromBroker::Observe(observed)));
            }
        }
    }

    #[test]
    fn what_is_not_parsed_is_what_the_parser_finds() {
        let turn = Uuid::from_u128(5);
        let frame = |n: &str, text: &str| {
            format!(r#"{START}{{"turn":"{turn}","n":{n},"event":{{"type":"text","text":"{text}"}}}}}}"#)
        };
        let long = "x".repeat(200);
        // Whether the quick way takes it; the parser has to agree with all it takes.
        let texts: &[(&str, bool)] = &[
            ("", true),
            ("plain, with { } [ ] and \u{1f980}", true),
            (r#"\" \\ \/ \b \f \n \r \t"#, true),
            (&format!(r#"{long}\n{long}"#), true),
            (r#"\\\""#, true),
            (r"\u0041", false),
            (r#"quote " inside"#, false),
            (r"ends in \", false),
            (r"\x", false),
            ("a\u{1f}b", false),
            (&format!("{long}\"{long}"), false),
            (r#"x","text":"y"#, false),
            (r#"x"},"new":{"a":"y"#, false),
        ];
        for (text, taken) in texts {
            let frame = frame("7", text);
            let quick = frame.strip_prefix(START).and_then(streamed_text);
            assert_eq!(quick.is_some(), *taken, "{text}");
            assert!(quick.is_none() || quick == parsed(&frame), "{text}");
        }
        for (n, taken) in [("0", true), ("18446744073709551615", true), ("18446744073709551616", false)] {
            assert_eq!(event(&frame(n, "x")).is_some(), taken, "{n}");
        }
        for n in ["", "00", "-1", "1.0", "1e2", "+1", " 1"] {
            assert_eq!(frame(n, "x").strip_prefix(START).and_then(streamed_text), None, "{n}");
        }
        let frame = frame("1", "x");
        for end in (0..frame.len()).filter(|end| frame.is_char_boundary(*end)) {
            assert_eq!(event(&frame[..end]), None, "cut at {end}");
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
            ("a call", frame(r#"{"type":"tool_call","call":"1","name":"x","input":"\ud800"}"#)),
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
