use super::*;
use crate::chat::ChatSend;
use crate::frame::ToBroker;
use crate::inbox::{Ack, Deliver, Item, ItemBody};

const ID: &str = "0199a0b1-c2d3-7123-8456-789abcdef012";

#[test]
fn a_frame_reads_back_as_it_was_written() {
    let trace = TraceContext::new([1; 16], [2; 8], true).map(|it| Box::new(it.with_state("a=1")));
    for trace in [None, trace] {
        let envelope = Envelope { id: ID.parse().ok(), in_reply_to: None, trace };
        let frame = ToBroker::ChatSend(ChatSend { content: "hé\u{0}\n".into(), ..ChatSend::default() });
        let text = encode(&envelope, &frame);
        assert_eq!(decode::<ToBroker>(&text), Ok(Decoded { envelope, frame, trace_ignored: false }));
    }
}

#[test]
fn a_trace_context_that_is_none_is_ignored_and_noted() {
    let parent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    let of = |trace: &str| {
        let text = format!(r#"{{"kind":"ack","trace":{trace},"payload":{{"offset":3}}}}"#);
        let decoded = decode::<ToBroker>(&text).expect("a frame all the same");
        assert_eq!(decoded.frame, ToBroker::Ack(Ack { offset: 3 }));
        (
            decoded.envelope.trace.map(|trace| (trace.parent(), trace.state().map(str::to_owned))),
            decoded.trace_ignored,
        )
    };
    let good = Some((parent.to_owned(), None));
    for (trace, read) in [
        (format!(r#"{{"traceparent":"{parent}"}}"#), (good.clone(), false)),
        (format!(r#"{{"traceparent":"{parent}","tracestate":"=","more":[1]}}"#), (good.clone(), false)),
        (format!(r#"{{"traceparent":"{parent}","tracestate":7}}"#), (good, false)),
        ("null".into(), (None, false)),
    ] {
        assert_eq!(of(&trace), read, "{trace}");
    }
    for trace in
        [format!("{parent:?}"), "7".into(), "[]".into(), "{}".into(), r#"{"traceparent":"00"}"#.into()]
    {
        assert_eq!(of(&trace), (None, true), "{trace}");
    }
}

#[test]
fn unknown_payload_fields_are_ignored() {
    let text = r#"{"kind":"ack","ts":"2026-01-01T00:00:00Z","new":1,"payload":{"offset":3,"new":[]}}"#;
    assert_eq!(decode::<ToBroker>(text).map(|decoded| decoded.frame), Ok(ToBroker::Ack(Ack { offset: 3 })));
}

#[test]
fn what_is_no_frame_is_refused_with_a_position() {
    let deep = format!(r#"{{"kind":"ack","payload":{}{}}}"#, "[".repeat(64), "]".repeat(64));
    let cases: &[(&str, String, &str)] = &[
        ("empty", String::new(), "not a frame: EOF while parsing a value (line 1 column 0)"),
        ("array", "[1]".into(), "not a frame: "),
        ("no kind", "{}".into(), "not a frame: missing field `kind` (line 1 column 2)"),
        (
            "two values",
            r#"{"kind":"ack","payload":{"offset":1}} 1"#.into(),
            "not a frame: trailing characters",
        ),
        ("bad id", r#"{"kind":"ack","id":"x"}"#.into(), "not a frame: UUID parsing failed"),
        ("unknown", r#"{"kind":"shout"}"#.into(), r#"unknown kind "shout""#),
        ("own reply", r#"{"kind":"ok","payload":{}}"#.into(), r#"unknown kind "ok""#),
        (
            "field missing",
            r#"{"kind":"ack"}"#.into(),
            r#"payload of "ack": missing field `offset` (line 1 column 2 of the payload)"#,
        ),
        (
            "negative",
            r#"{"kind":"ack","payload":{"offset":-1}}"#.into(),
            r#"payload of "ack": invalid value"#,
        ),
        (
            "huge",
            r#"{"kind":"ack","payload":{"offset":1e999}}"#.into(),
            r#"payload of "ack": number out of range"#,
        ),
        (
            "lone surrogate",
            r#"{"kind":"chat.send","payload":{"content":"\ud800"}}"#.into(),
            r#"payload of "chat.send": "#,
        ),
        ("deep", deep, "nests deeper than 64 levels at byte 87"),
        ("large", " ".repeat(FRAME_BYTES_MAX + 1), "1048577 bytes are more than the 1048576"),
    ];
    for (name, text, message) in cases {
        let error = decode::<ToBroker>(text).expect_err(name).to_string();
        assert!(error.starts_with(message), "{name}: {error}");
    }
}

#[test]
fn a_request_that_nests_too_deeply_is_known_by_its_id() {
    let id = "0199a0b1-c2d3-7123-8456-789abcdef012";
    let deep = "[".repeat(400_000);
    for text in [
        format!(r#"{{"kind":"ack","id":"{id}","payload":{}{}}}"#, "[".repeat(64), "]".repeat(64)),
        format!(r#"{{"payload":{}{},"id":"{id}","kind":"ack"}}"#, deep, "]".repeat(400_000)),
    ] {
        let error = decode::<ToBroker>(&text).expect_err("is too deep");
        assert_eq!(error.id.map(|id| id.to_string()), Some(id.to_owned()));
    }
    let open_ended = format!(r#"{{"kind":"ack","id":"{id}","payload":{deep}"#);
    assert_eq!(decode::<ToBroker>(&open_ended).expect_err("is too deep").id, None);
}

#[test]
fn what_a_client_may_send_fits_into_what_the_broker_sends() {
    let nested = |levels: usize| format!("{}{}", "[".repeat(levels), "]".repeat(levels));
    let dispatch = |levels| {
        format!(r#"{{"kind":"dispatch","payload":{{"hand":"wren/check","input":{}}}}}"#, nested(levels))
    };
    assert!(decode::<ToBroker>(&dispatch(JSON_DEPTH_MAX - 2)).is_ok());
    assert!(decode::<ToBroker>(&dispatch(JSON_DEPTH_MAX - 1)).is_err());
    let assignment = format!(
        r#"{{"id":"{ID}","at":5,"body":{{"type":"assignment","lease":{{"dispatch":"{ID}","attempt":1}},"hand":"check",
        "input":{},"invoker":"wren","depth":1,"timeout_s":1,"deadline_at":5}}}}"#,
        nested(JSON_DEPTH_MAX - 2)
    );
    assert!(decode::<FromBroker>(&deliver_text(1, &assignment)).is_ok());
}

#[test]
fn the_fast_text_of_an_ok_is_the_frame() {
    let payload = crate::Json::of(&serde_json::json!({"text": "a \"word\"", "more": [1, null]}));
    let text = ok_parts(ID, payload.as_str()).concat();
    assert_eq!(text, reply(crate::RequestId(ID.parse().expect("an id")), &FromBroker::Ok(payload)));
}

#[test]
fn the_fast_text_of_a_deliver_is_the_frame() {
    let item = Item {
        id: crate::ItemId(uuid::Uuid::from_u128(7)),
        at: 5,
        trace: TraceContext::new([1; 16], [2; 8], false),
        answered: false,
        body: ItemBody::Cancel {
            lease: crate::hands::Lease { dispatch: crate::DispatchId(uuid::Uuid::from_u128(9)), attempt: 1 },
            reason: "no".into(),
        },
    };
    let text = deliver_text(4, &serde_json::to_string(&item).expect("items serialize"));
    assert_eq!(text, push(&FromBroker::Deliver(Box::new(Deliver { offset: 4, item }))));
}
