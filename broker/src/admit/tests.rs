use nexus_wire::envelope::decode;
use nexus_wire::frame::FrameSet;
use serde_json::{Value, json};

use super::*;

const ID: &str = "0199a0b1-c2d3-7123-8456-789abcdef012";

fn identity(role: Role) -> Identity {
    let party = if role == Role::Aspect { "wren" } else { "operator/ana" };
    Identity { party: party.parse().unwrap(), role, key_generation: 1 }
}

fn frame(kind: &str, payload: &Value) -> ToBroker {
    decode::<ToBroker>(&json!({"kind": kind, "payload": payload}).to_string()).unwrap().frame
}

fn lease() -> Value {
    json!({"dispatch": ID, "attempt": 1})
}

/// Kind, an acceptable payload, and whether aspect, viewer, operator, admin may send it.
fn table() -> Vec<(&'static str, Value, [bool; 4])> {
    let aspects = [true, false, false, false];
    let writers = [true, false, true, true];
    let all = [true; 4];
    vec![
        ("ack", json!({"offset": 1}), aspects),
        ("alert.ack", json!({"key": "aspect_missing/wren"}), [false, false, true, true]),
        ("alert.list", json!({}), [false, true, true, true]),
        ("approval.answer", json!({"approval": ID, "verdict": "approve"}), [false, false, true, true]),
        ("approval.ask", json!({"asked": {"type": "question", "question": "x"}}), aspects),
        ("approval.get", json!({"approval": ID}), [false, true, true, true]),
        ("approval.list", json!({}), [false, true, true, true]),
        ("approval.withdraw", json!({"approval": ID}), aspects),
        ("audit.list", json!({"kind": "dispatch"}), [false, true, true, true]),
        ("budget.clear", json!({"per": "day"}), [false, false, true, true]),
        ("budget.go_on", json!({}), [false, false, true, true]),
        ("budget.list", json!({}), [false, true, true, true]),
        ("budget.set", json!({"per": "day", "limit": {"tokens": 1}}), [false, false, true, true]),
        ("budget.stop", json!({}), [false, false, true, true]),
        ("chat.get", json!({"message": ID}), all),
        ("chat.mark", json!({"thread": ID}), all),
        ("chat.react", json!({"message": ID, "emoji": "x"}), writers),
        ("aspect.release", json!({"name": "wren"}), [false, false, false, true]),
        (
            "aspect.restrain",
            json!({"name": "wren", "kind": "held", "reason": "r"}),
            [false, false, false, true],
        ),
        ("chat.read", json!({"thread": ID}), all),
        ("chat.receipts", json!({"message": ID}), all),
        ("chat.search", json!({"query": "x"}), all),
        ("chat.send", json!({"content": "x"}), writers),
        ("chat.threads", json!({}), all),
        ("deregister", json!({}), aspects),
        ("dispatch", json!({"hand": "wren/verify", "input": {}}), writers),
        ("dispatch.cancel", json!({"dispatch": ID}), writers),
        ("dispatch.list", json!({}), all),
        ("dispatch.progress", json!({"lease": lease(), "note": "x"}), aspects),
        ("dispatch.result", json!({"lease": lease(), "output": 1}), aspects),
        ("dispatch.retry", json!({"dispatch": ID}), writers),
        ("dispatch.status", json!({"dispatch": ID}), all),
        ("dispatch.stopped", json!({"lease": lease()}), aspects),
        ("dispatch.wait", json!({"lease": lease(), "on": [ID]}), aspects),
        ("flow.delete", json!({"flow": "f"}), [false, false, true, true]),
        ("flow.get", json!({"flow": "f"}), all),
        ("flow.list", json!({}), all),
        (
            "flow.put",
            json!({"flow": {"id": "f", "steps": [{"id": "a", "do": {"wait": {"seconds": 1}}}]}}),
            [false, false, true, true],
        ),
        ("gather", json!({"dispatches": [ID]}), writers),
        ("gather.cancel", json!({"gather": ID, "reason": "enough"}), writers),
        ("gather.list", json!({}), all),
        ("gather.status", json!({"gather": ID}), all),
        ("inbox.close", json!({"item": ID, "decision": "silent"}), aspects),
        ("inbox.taken", json!({"message": ID}), aspects),
        ("knowledge.delete", json!({"topic": "t"}), writers),
        ("knowledge.get", json!({"topic": "t"}), all),
        ("knowledge.grant", json!({"to": "wren", "may": "share"}), [false, false, true, true]),
        ("knowledge.grants", json!({}), all),
        ("knowledge.history", json!({"topic": "t"}), all),
        ("knowledge.list", json!({}), all),
        ("knowledge.revoke", json!({"to": "wren", "may": "share"}), [false, false, true, true]),
        ("knowledge.search", json!({"query": "x"}), all),
        ("knowledge.store", json!({"topic": "t", "content": "x"}), writers),
        ("lease.renew", json!({"leases": [lease()]}), aspects),
        ("observe.begin", json!({"turn": ID}), aspects),
        ("observe.end", json!({"turn": ID, "n": 0, "decision": "silent"}), aspects),
        ("observe.event", json!({"turn": ID, "n": 0, "event": {"type": "text", "text": "x"}}), aspects),
        ("register", json!({}), aspects),
        ("registry.delete", json!({"registry": "r"}), [false, false, true, true]),
        ("registry.get", json!({"registry": "r"}), all),
        ("registry.history", json!({"registry": "r"}), all),
        ("registry.list", json!({}), all),
        (
            "registry.put",
            json!({"registry": {"name": "r", "fields": [{"name": "a", "type": "string"}]}}),
            [false, false, true, true],
        ),
        ("registry.read", json!({"registry": "r"}), all),
        ("registry.remove", json!({"registry": "r", "row": "a"}), writers),
        ("registry.row", json!({"registry": "r", "row": "a"}), all),
        ("registry.write", json!({"registry": "r", "values": {}}), writers),
        ("run.cancel", json!({"run": ID}), writers),
        ("run.get", json!({"run": ID}), all),
        ("run.list", json!({}), all),
        ("run.retry", json!({"run": ID}), writers),
        ("run.start", json!({"flow": "f"}), writers),
        ("situation", json!({}), aspects),
        ("session.answer", json!({"question": ID, "answer": {}}), aspects),
        ("session.compact", json!({"of": "wren", "session": "global"}), [false, false, true, true]),
        ("session.diff", json!({"of": "wren", "session": "global", "one": ID}), [false, true, true, true]),
        ("session.entry", json!({"of": "wren", "session": "global", "entry": ID}), [false, true, true, true]),
        (
            "session.expand",
            json!({"of": "wren", "session": "global", "entry": ID}),
            [false, true, true, true],
        ),
        ("session.fork", json!({"of": "wren", "session": "global"}), [false, false, true, true]),
        ("session.list", json!({"of": "wren"}), [false, true, true, true]),
        ("session.rewind", json!({"of": "wren", "session": "global"}), [false, false, true, true]),
        ("session.status", json!({"command": ID}), [false, true, true, true]),
        ("session.stuck", json!({"session": "global", "reason": "x"}), aspects),
        (
            "session.summarise",
            json!({"of": "wren", "session": "global", "entry": ID}),
            [false, false, true, true],
        ),
        ("session.tree", json!({"of": "wren", "session": "global"}), [false, true, true, true]),
        ("settings.broken", json!({"reason": "x"}), aspects),
        ("subscribe", json!({}), [false, true, true, true]),
        ("team.list", json!({}), all),
        ("thread.get", json!({"thread": ID}), all),
        ("thread.rename", json!({"thread": ID, "title": "x"}), writers),
        ("trigger.delete", json!({"trigger": "t"}), [false, false, true, true]),
        ("trigger.fire", json!({"trigger": "t"}), [false, false, true, true]),
        ("trigger.get", json!({"trigger": "t"}), all),
        ("trigger.history", json!({"trigger": "t"}), all),
        ("trigger.list", json!({}), all),
        ("trigger.next", json!({"trigger": "t"}), all),
        ("trigger.pause", json!({"trigger": "t"}), [false, false, true, true]),
        (
            "trigger.put",
            json!({"name": "t", "when": "manual", "do": {"ask": {"aspect": "wren", "text": "go"}}}),
            [false, false, true, true],
        ),
        ("trigger.resume", json!({"trigger": "t"}), [false, false, true, true]),
        ("trigger.rotate", json!({"trigger": "t"}), [false, false, true, true]),
        ("turn.cancel", json!({"of": "wren", "reason": "enough"}), [false, false, true, true]),
        ("turn.go_on", json!({"of": "wren"}), [false, false, true, true]),
        ("unsubscribe", json!({}), all),
        ("usage.read", json!({"by": "day"}), [false, true, true, true]),
        ("watch.changed", json!({"watch": "inbox", "changes": []}), aspects),
        ("watch.failing", json!({"watch": "inbox"}), aspects),
    ]
}

#[test]
fn each_role_may_do_its_own_and_no_more() {
    let table = table();
    let kinds: Vec<&str> = table.iter().map(|row| row.0).collect();
    assert_eq!(kinds, ToBroker::KINDS, "every kind has its row");
    for (kind, payload, allowed) in &table {
        for (role, allowed) in
            [Role::Aspect, Role::Viewer, Role::Operator, Role::Admin].into_iter().zip(allowed)
        {
            let admitted = admit(&identity(role), frame(kind, payload), 100);
            assert_eq!(admitted.is_ok(), *allowed, "{kind} by {role:?}: {admitted:?}");
            if let Err(error) = admitted {
                assert_eq!(error.code, ErrorCode::Forbidden, "{kind} by {role:?}");
            }
        }
    }
}

#[test]
fn the_name_is_the_tokens_whatever_the_frame_says() {
    let forged = json!({"name": "forge", "from": "forge", "aspect": "forge", "offset": 4});
    let admitted = admit(&identity(Role::Aspect), frame("ack", &forged), 100).unwrap();
    assert_eq!(admitted, Admitted::Ack("wren".parse().unwrap(), 4));
}

#[test]
fn what_is_kept_has_a_limit_of_its_own() {
    let operator = identity(Role::Operator);
    let many: Vec<&str> = vec!["wren"; RECIPIENTS_MAX + 1];
    let children: Vec<&str> = vec![ID; CHILDREN_PER_PARENT_MAX + 1];
    let leases: Vec<Value> = vec![lease(); SLOTS_MAX as usize + 1];
    let long = "x".repeat(TOPIC_BYTES_MAX + 1);
    let cases = [
        (
            "durable",
            Role::Operator,
            "chat.send",
            json!({"content": "x"}),
            DURABLE_BYTES_MAX + 1,
            Err(ErrorCode::TooLarge),
        ),
        ("at the limit", Role::Operator, "chat.send", json!({"content": "x"}), DURABLE_BYTES_MAX, Ok(())),
        ("a read", Role::Operator, "team.list", json!({}), DURABLE_BYTES_MAX + 1, Ok(())),
        (
            "recipients",
            Role::Operator,
            "chat.send",
            json!({"content": "x", "to": many}),
            9,
            Err(ErrorCode::Invalid),
        ),
        (
            "title",
            Role::Operator,
            "chat.send",
            json!({"content": "x", "topic": long}),
            9,
            Err(ErrorCode::Invalid),
        ),
        (
            "topic",
            Role::Operator,
            "knowledge.store",
            json!({"content": "x", "topic": long}),
            9,
            Err(ErrorCode::Invalid),
        ),
        (
            "children",
            Role::Aspect,
            "dispatch.wait",
            json!({"lease": lease(), "on": children}),
            9,
            Err(ErrorCode::Invalid),
        ),
        ("leases", Role::Aspect, "lease.renew", json!({"leases": leases}), 9, Err(ErrorCode::Invalid)),
    ];
    for (name, role, kind, payload, bytes, expected) in cases {
        let got = admit(&identity(role), frame(kind, &payload), bytes);
        assert_eq!(got.map(|_| ()).map_err(|error| error.code), expected, "{name}");
    }
    assert!(administer(&operator).is_err());
    assert!(administer(&identity(Role::Admin)).is_ok());
}

#[test]
fn so_much_is_asked_of_registries_at_once_and_no_more() {
    let put = |count: usize| {
        let registry = json!({"name": "r", "fields": [{"name": "a", "type": "string"}]});
        ("registry.put", json!({"registry": registry, "entries": vec![json!({}); count]}))
    };
    let read = |bytes: usize| ("registry.read", json!({"registry": "r", "filter": "x".repeat(bytes)}));
    let cases = [
        (put(1_000), put(1_001), "`entries`: 1001 entries, at most 1000"),
        (read(4_096), read(4_097), "`filter`: 4097 bytes, at most 4096"),
    ];
    let operator = identity(Role::Operator);
    for (fits, beyond, message) in cases {
        let refused = admit(&operator, frame(beyond.0, &beyond.1), 9).unwrap_err();
        assert_eq!((refused.code, refused.message.as_str()), (ErrorCode::Invalid, message));
        let admitted = admit(&operator, frame(fits.0, &fits.1), 9);
        assert!(admitted.is_ok(), "{admitted:?}");
    }
}
