//! The bounds of triggers: what is at one is taken, what is beyond it is refused and leaves nothing.

use nexus_broker::hub::records::{Reads as _, Transaction};
use nexus_broker::hub::{Change, CommandBody, Origin};
use nexus_wire::hook::HookTaken;
use nexus_wire::limits::{
    HOOK_SLOTS_OPEN_MAX, HOOKS_PER_MINUTE, KINDS_MAX, TRIGGER_CRON_BYTES_MAX, TRIGGER_INPUT_BYTES_MAX,
    TRIGGER_QUEUE_MAX, TRIGGER_TEXT_BYTES_MAX, TRIGGERS_MAX,
};
use nexus_wire::trigger::{SlotState, TriggerDelete, TriggerDeleted};
use nexus_wire::{ErrorBody, ErrorCode, RequestId};
use serde_json::{Value, json};

use crate::hooks::call;
use crate::on_both_stores;
use crate::triggers::{Triggering, trigger};
use crate::world::{World, memory, parsed, party};

fn x(bytes: usize) -> String {
    "x".repeat(bytes)
}

/// Several, as one is 16 KiB at most, and so many bytes as JSON.
fn texts(bytes: usize) -> Value {
    let some = |last: usize| json!([x(13_000), x(13_000), x(13_000), x(13_000), x(last)]);
    some(bytes - some(0).to_string().len())
}

/// What is taken, what is one too many, and how that is said.
fn cases() -> Vec<(Value, Value, String)> {
    let ask = |text: String| json!({"when": "manual", "do": {"ask": {"aspect": "wren", "text": text}}});
    let work =
        |input: Value| json!({"when": "manual", "do": {"dispatch": {"hand": "wren/check", "input": input}}});
    let with = |field: &str, value: Value| {
        let mut definition = json!({"when": {"every": {"seconds": 7200}}});
        definition[field] = value;
        definition
    };
    let every = |seconds: u32| json!({"when": {"every": {"seconds": seconds}}});
    let event = |kinds: Value| json!({"when": {"event": {"kinds": kinds}}});
    let cron = |bytes: usize| {
        let minutes = "0,".repeat(bytes);
        json!({"when": {"cron": format!("{}0 * * * *", &minutes[..(bytes - 9) / 2 * 2])}})
    };
    let many = |count: usize| json!((0..count).map(|n| format!("kind-{n}")).collect::<Vec<_>>());
    let most =
        |field: &str, bytes: usize, most: usize| format!("`{field}` is {bytes} bytes; {most} is the most");
    let to = |field: &str, given: u64, least: u64, most: u64| {
        format!("`{field}` is {given}; it can be from {least} to {most}")
    };
    let (text, input) = (TRIGGER_TEXT_BYTES_MAX, TRIGGER_INPUT_BYTES_MAX);
    vec![
        (
            ask(x(text)),
            ask(x(text + 1)),
            "`do.ask.text` 1:1: the text is 16385 bytes; 16384 is the most".to_owned(),
        ),
        (
            with("description", json!(x(text))),
            with("description", json!(x(text + 1))),
            most("description", text + 1, text),
        ),
        (work(texts(input)), work(texts(input + 1)), most("do.dispatch.input", input + 1, input)),
        (with("jitter_s", json!(3600)), with("jitter_s", json!(3601)), to("jitter_s", 3601, 0, 3600)),
        (with("retry", json!({"max": 10})), with("retry", json!({"max": 11})), to("retry.max", 11, 0, 10)),
        (
            with("retry", json!({"max": 1, "backoff_s": vec![86_400; 10]})),
            with("retry", json!({"max": 1, "backoff_s": [86_401]})),
            to("retry.backoff_s", 86_401, 1, 86_400),
        ),
        (
            with("retry", json!({"max": 1, "backoff_s": [1]})),
            with("retry", json!({"max": 1, "backoff_s": vec![1; 11]})),
            to("retry.backoff_s", 11, 0, 10),
        ),
        (
            with("misfire", json!({"all": 100})),
            with("misfire", json!({"all": 101})),
            to("misfire.all", 101, 1, 100),
        ),
        (every(31_622_400), every(31_622_401), to("when.every.seconds", 31_622_401, 1, 31_622_400)),
        (
            cron(TRIGGER_CRON_BYTES_MAX),
            cron(TRIGGER_CRON_BYTES_MAX + 2),
            most("when.cron", TRIGGER_CRON_BYTES_MAX + 1, TRIGGER_CRON_BYTES_MAX),
        ),
        (
            event(many(KINDS_MAX)),
            event(many(KINDS_MAX + 1)),
            "`when.event.kinds` names 65 kinds; it can be from 1 to 64".to_owned(),
        ),
        (event(json!([x(256)])), event(json!([x(257)])), most("when.event.kinds", 257, 256)),
    ]
}

fn knock<S: Transaction>(world: &mut World<S>, delivery: &str) -> Result<HookTaken, ErrorBody> {
    let id = world.stands("t").id;
    world.call(call(id, "t", delivery, Value::Null)).0.map(|frame| parsed(&frame))
}

on_both_stores! {
    fn what_is_as_large_as_it_may_be_is_taken_and_no_more(world) {
        world.team();
        for (fits, beyond, message) in cases() {
            let before = world.store.trigger(&"t".parse().unwrap()).unwrap();
            let refused = world.put(beyond).unwrap_err();
            // What is too many is too large; what is no such number is invalid.
            let is_large = message.ends_with(" is the most") && !message.contains("1:1") && !message.contains("cron");
            let code = if is_large { ErrorCode::TooLarge } else { ErrorCode::Invalid };
            assert_eq!((refused.code, refused.message), (code, message));
            assert_eq!(world.store.trigger(&"t".parse().unwrap()).unwrap(), before);
            let taken = world.put(fits.clone()).unwrap();
            assert_eq!(taken.definition, trigger(fits));
        }
        world.put(json!({"when": "manual"})).unwrap();
        world.fire("t", json!(x(TRIGGER_INPUT_BYTES_MAX - 2))).unwrap();
        let refused = world.fire("t", json!(x(TRIGGER_INPUT_BYTES_MAX - 1))).unwrap_err();
        assert_eq!(refused.message, "`payload` is 65537 bytes; 65536 is the most");
        assert_eq!(world.slots("t").len(), 1);
    }

    /// Those that wait for the one at work: 32 of them, and the next is skipped.
    fn so_many_wait_for_the_one_before(world) {
        world.team();
        world.put(json!({"when": "manual", "overlap": "queue"})).unwrap();
        for _ in 0..TRIGGER_QUEUE_MAX + 2 {
            world.fire("t", Value::Null).unwrap();
        }
        let slots = world.slots("t");
        let states: Vec<SlotState> = slots.iter().map(|slot| slot.state).collect();
        let mut expected = vec![SlotState::Running];
        expected.extend([SlotState::Queued; TRIGGER_QUEUE_MAX]);
        expected.push(SlotState::Skipped);
        assert_eq!(states, expected);
        let reason = slots.last().unwrap().reason.clone();
        assert_eq!(reason.as_deref(), Some("overlap: 32 slots wait for slot 1 already"));
    }
}

/// A service outside that is never answered is sent away, and its request is no slot.
#[test]
fn a_webhook_has_so_many_open_slots_and_no_more() {
    let mut world = memory();
    world.team();
    world.put(json!({"when": {"webhook": {"preset": "github"}}, "overlap": "allow"})).unwrap();
    let id = world.stands("t").id;
    let mut sent = 0;
    while sent < HOOK_SLOTS_OPEN_MAX {
        world.at += 60_000 - world.at.rem_euclid(60_000);
        let some = (HOOK_SLOTS_OPEN_MAX - sent).min(HOOKS_PER_MINUTE as usize);
        let calls =
            (sent..sent + some).map(|no| (Origin::Broker, call(id, "t", &format!("d-{no}"), Value::Null)));
        world.batch(calls.collect());
        sent += some;
    }
    world.drain();
    let open =
        |world: &World<_>| world.slots("t").iter().filter(|slot| slot.state == SlotState::Running).count();
    assert_eq!(open(&world), HOOK_SLOTS_OPEN_MAX);
    let refused = knock(&mut world, "more").unwrap_err();
    assert_eq!((refused.code, &refused.details), (ErrorCode::RateLimited, &json!({"retry_after": 60})));
    // One it has already is told as before, and the next is taken when one has ended.
    assert!(knock(&mut world, "d-0").unwrap().duplicate);
    assert_eq!(world.stands("t").slots, HOOK_SLOTS_OPEN_MAX as u64);
    let asked = world.inbox("wren")[0].id;
    world.close(asked, nexus_wire::inbox::Decision::Replied);
    let taken = knock(&mut world, "more").unwrap();
    assert_eq!((taken.slot, taken.duplicate), (HOOK_SLOTS_OPEN_MAX as u64 + 1, false));
}

/// One more is refused; what is there can be defined anew, and one that is gone makes room.
#[test]
fn there_are_so_many_triggers_and_no_more() {
    let mut world = memory();
    world.team();
    let commands: Vec<_> = (0..TRIGGERS_MAX)
        .map(|n| {
            let put = trigger(json!({"name": format!("t{n}"), "when": "manual"}));
            let (sender, request) = (party("operator/ana"), RequestId(world.id()));
            let change = Change::TriggerPut(Box::new(put));
            (Origin::Call(7), CommandBody::Request { sender, link: None, request, change })
        })
        .collect();
    world.at += 1;
    world.batch(commands);
    let more = json!({"name": "more", "when": "manual"});
    let refused = world.put(more.clone()).unwrap_err();
    let message = "there are 20000 triggers already; delete one that is not needed";
    assert_eq!((refused.code, refused.message.as_str()), (ErrorCode::Invalid, message));
    assert_eq!(world.store.trigger(&"more".parse().unwrap()).unwrap(), None);
    world.put(json!({"name": "t7", "when": "manual", "description": "another"})).unwrap();
    let delete = TriggerDelete { trigger: "t7".parse().unwrap() };
    world.request::<TriggerDeleted>("operator/ana", Change::TriggerDelete(delete)).unwrap();
    assert_eq!(world.put(more).unwrap().definition.name.as_str(), "more");
}
