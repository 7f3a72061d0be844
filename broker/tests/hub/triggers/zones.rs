//! The time zone of a trigger: on whose clock the dates are that its texts and inputs name, whatever sets it off.

use nexus_broker::hub::Change;
use nexus_broker::hub::records::Transaction;
use nexus_wire::flow::{FlowPut, FlowStored};
use nexus_wire::hands::DispatchInfo;
use nexus_wire::inbox::ItemBody;
use nexus_wire::trigger::SlotWork;
use nexus_wire::{ErrorCode, Ms};
use serde_json::{Value, json};

use crate::hooks::call;
use crate::on_both_stores;
use crate::triggers::Triggering;
use crate::world::{START, World};

/// Noon of a Friday in UTC.
const NOON: Ms = START + 4 * 3_600_000;
const ONE: Ms = NOON + 3_600_000;
/// Fourteen hours ahead of UTC.
const ZONE: &str = "Pacific/Kiritimati";

fn with_zone(name: &str, when: &Value) -> Value {
    let act = json!({"dispatch": {"hand": "wren/check", "input": {"date": "{{ date }}"}}});
    json!({"name": name, "when": when, "timezone": ZONE, "overlap": "allow", "do": act})
}

/// What the first slot of the trigger has handed over.
fn work_of<S: Transaction>(world: &World<S>, name: &str) -> DispatchInfo {
    let slot = world.slots(name).remove(0);
    let Some(SlotWork::Dispatch(id)) = slot.work else { panic!("{slot:?}") };
    world.store.dispatch(id).unwrap().unwrap().info
}

/// A day later there, at that hour.
fn saturday(hour: u8, now: &str) -> Value {
    json!({"date": {
        "day": 16, "hour": hour, "iso": "2027-01-16", "minute": 0, "month": 1, "now": now, "today": "2027-01-16",
        "today_start": "2027-01-16T00:00:00+14:00", "tomorrow": "2027-01-17",
        "tomorrow_start": "2027-01-17T00:00:00+14:00", "weekday": "Saturday", "year": 2027, "yesterday": "2027-01-15",
        "yesterday_start": "2027-01-15T00:00:00+14:00",
    }})
}

on_both_stores! {
    fn dates_are_on_its_clock_whatever_sets_it_off(world) {
        world.team();
        world.at = NOON;
        let hook = world.put(with_zone("hook", &json!({"webhook": {"preset": "github"}}))).unwrap();
        world.put(with_zone("hand", &json!("manual"))).unwrap();
        world.put(with_zone("event", &json!({"event": {"kinds": ["message"]}}))).unwrap();
        world.put(with_zone("after", &json!({"after": {"trigger": "hand"}}))).unwrap();
        world.put(with_zone("every", &json!({"every": {"seconds": 7200, "anchor": ONE}}))).unwrap();
        world.put(with_zone("cron", &json!({"cron": "0 3 * * *"}))).unwrap();
        let at = world.put(with_zone("at", &json!({"at": ONE}))).unwrap();
        assert_eq!(at.next, Some(ONE), "it is a moment, on whatever clock");

        world.fire("hand", Value::Null).unwrap();
        let done = work_of(world, "hand");
        world.finish(done.id, false);
        world.say("operator/ana", "hello");
        world.call(call(hook.id, "hook", "d-1", Value::Null)).0.unwrap();
        world.drain();
        for name in ["hand", "after", "event", "hook"] {
            assert_eq!(work_of(world, name).input, saturday(2, "2027-01-15T12:00:00Z"), "{name}");
        }
        world.tick_at(ONE);
        world.drain();
        for name in ["every", "cron", "at"] {
            assert_eq!(work_of(world, name).input, saturday(3, "2027-01-15T13:00:00Z"), "{name}");
        }
    }

    fn what_is_asked_and_what_a_flow_is_given_is_on_its_clock(world) {
        world.team();
        world.at = NOON;
        let text = "{{ date.yesterday }} {{ date.today }} {{ date.tomorrow }}, {{ date.weekday }} {{ date.hour }}; {{ date.now }}";
        let ask = json!({"ask": {"aspect": "wren", "text": text}});
        let expected = [
            (json!(ZONE), "2027-01-15 2027-01-16 2027-01-17, Saturday 2; 2027-01-15T12:00:00Z"),
            (Value::Null, "2027-01-14 2027-01-15 2027-01-16, Friday 12; 2027-01-15T12:00:00Z"),
        ];
        for (at, (zone, _)) in expected.iter().enumerate() {
            let name = format!("ask-{at}");
            world.put(json!({"name": name, "when": "manual", "timezone": zone, "do": ask})).unwrap();
            world.fire(&name, Value::Null).unwrap();
        }
        let asked: Vec<String> = world
            .inbox("wren")
            .into_iter()
            .filter_map(|item| if let ItemBody::Message(asked) = item.body { Some(asked.content) } else { None })
            .collect();
        assert_eq!(asked, expected.map(|(_, told)| told));

        let step = json!({"id": "s", "do": {"dispatch": {"hand": "wren/check", "input": "{{ input }}, {{ date.today }}"}}});
        let flow = serde_json::from_value(json!({"id": "look", "steps": [step]})).unwrap();
        world.request::<FlowStored>("operator/ana", Change::FlowPut(FlowPut { flow })).unwrap();
        let act = json!({"flow": {"id": "look", "input": "{{ date.today }}"}});
        world.put(json!({"name": "run", "when": "manual", "timezone": ZONE, "do": act})).unwrap();
        world.fire("run", Value::Null).unwrap();
        world.drain();
        let begun = world.store.snapshot().unwrap().open_dispatches;
        let input = |id| world.store.dispatch(id).unwrap().unwrap().info.input;
        let inputs: Vec<Value> = begun.iter().map(|dispatch| input(dispatch.info.id)).collect();
        assert_eq!(inputs, [json!("2027-01-16, 2027-01-15")], "the flow has a clock of its own");
    }

    fn a_wrong_one_is_refused_whatever_the_kind(world) {
        world.team();
        let kinds = [
            json!({"cron": "0 8 * * *"}), json!({"every": {"seconds": 60}}), json!({"at": ONE}), json!("manual"),
            json!({"event": {"kinds": ["message"]}}), json!({"webhook": {}}),
        ];
        for when in kinds {
            let error = world.put(json!({"when": when, "timezone": "Mars/Olympus"})).unwrap_err();
            let expected = "`timezone`: \"Mars/Olympus\" is no time zone; write one as Europe/Berlin or America/New_York";
            assert_eq!((error.code, error.message.as_str()), (ErrorCode::Invalid, expected), "{when}");
        }
        assert_eq!(world.store.triggers(None, 10).unwrap(), []);
    }
}
