//! What a slot sets to work, and what it hands over.

use nexus_broker::hub::Change;
use nexus_wire::ErrorCode;
use nexus_wire::budget::Budget;
use nexus_wire::hands::DispatchState;
use nexus_wire::roster::Register;
use nexus_wire::trigger::{SlotState, SlotWork};
use serde_json::{Value, json};

use crate::on_both_stores;
use crate::triggers::Triggering;
use crate::world::START;

fn wanted(capability: &Value, input: &Value) -> Value {
    json!({"when": "manual", "do": {"dispatch": {"capability": capability, "input": input}}, "overlap": "allow"})
}

on_both_stores! {
    /// It is chosen when the slot begins, by who is there then.
    fn a_capability_is_given_to_a_hand_that_has_it(world) {
        world.operator("ana");
        for name in ["wren", "harrow"] {
            world.aspect(name);
            let hand = json!({"name": "check", "concurrency": 8, "capabilities": ["verify"]});
            let hands = vec![serde_json::from_value(hand).unwrap()];
            world.register(name, Register { hands, slots: 8, ..Register::default() }).unwrap();
        }
        let capability = json!({"needs": ["verify"], "avoid": ["harrow"]});
        let stored = world.put(wanted(&capability, &json!({"n": "{{ payload }}"}))).unwrap();
        assert_eq!(serde_json::to_value(&stored.definition.act).unwrap()["dispatch"]["capability"], capability);
        world.fire("t", json!(7)).unwrap();
        let slot = world.slots("t").remove(0);
        let Some(SlotWork::Dispatch(id)) = slot.work else { panic!("{slot:?}") };
        let info = world.store.dispatch(id).unwrap().unwrap().info;
        assert_eq!((info.hand.to_string().as_str(), &info.input, info.state), ("wren/check", &json!({"n": 7}), DispatchState::Running));
        world.finish(id, false);
        assert_eq!(world.slots("t").remove(0).state, SlotState::Done);

        let none = json!({"needs": ["sing"]});
        world.put(wanted(&none, &json!({}))).unwrap();
        world.fire("t", Value::Null).unwrap();
        let slot = world.slots("t").pop().unwrap();
        assert_eq!(slot.state, SlotState::Failed);
        assert!(slot.reason.unwrap().contains("sing"));
    }

    fn a_hand_or_what_it_has_to_have_and_not_both(world) {
        world.team();
        let put = |act: Value| Change::TriggerPut(Box::new(crate::triggers::trigger(json!({"when": "manual", "do": {"dispatch": act}}))));
        let both = "`do.dispatch`: name a `hand`, or the `capability` it has to have, and not both";
        let many: Vec<String> = (0..17).map(|n| n.to_string()).collect();
        for (act, expected) in [
            (json!({"input": {}}), both),
            (json!({"input": {}, "hand": "wren/check", "capability": {"needs": ["verify"]}}), both),
            (json!({"input": {}, "capability": {"needs": [" "]}}), "`do.dispatch.capability`: name in `needs` at least one capability"),
            (json!({"input": {}, "capability": {"needs": many}}), "`do.dispatch.capability`: at most 16 in each list, of 256 bytes at most"),
        ] {
            let error = world.request::<nexus_wire::trigger::TriggerInfo>("operator/ana", put(act)).unwrap_err();
            assert_eq!((error.code, error.message.as_str()), (ErrorCode::Invalid, expected));
        }
    }

    /// Both of its parts, one of them, or none.
    fn its_budget_is_that_of_its_dispatch(world) {
        world.operator("ana");
        world.aspect("wren");
        let check = json!({"name": "check", "concurrency": 8, "capabilities": ["verify"]});
        let hands = vec![serde_json::from_value(check).unwrap()];
        world.register("wren", Register { hands, slots: 8, ..Register::default() }).unwrap();
        let both = Budget { tokens: Some(1_000), cost_microusd: Some(250_000) };
        let money = Budget { tokens: None, cost_microusd: Some(1) };
        let tokens = Budget { tokens: Some(7), cost_microusd: None };
        let hand = json!({"dispatch": {"hand": "wren/check", "input": {}}});
        let needs = json!({"dispatch": {"capability": {"needs": ["verify"]}, "input": {}}});
        for act in [hand, needs] {
            for budget in [both, money, tokens, Budget::default()] {
                let mut definition = json!({"when": "manual", "overlap": "allow", "do": act});
                if budget != Budget::default() {
                    definition["budget"] = json!(budget);
                }
                assert_eq!(world.put(definition).unwrap().definition.budget, budget);
                world.fire("t", Value::Null).unwrap();
                let slot = world.slots("t").pop().unwrap();
                let Some(SlotWork::Dispatch(id)) = slot.work else { panic!("{slot:?}") };
                assert_eq!(world.store.dispatch(id).unwrap().unwrap().info.budget, budget, "{act}");
            }
        }
    }

    /// By the wall clock of the trigger, whatever day it is in UTC.
    fn yesterday_is_the_day_before_the_slots(world) {
        world.team();
        let input = json!({"days": "{{ date.yesterday }} {{ date.today }} {{ date.tomorrow }} {{ date.iso }}"});
        let act = json!({"dispatch": {"hand": "wren/check", "input": input}});
        world.put(json!({"when": {"cron": "30 0 * * *"}, "timezone": "Pacific/Auckland", "do": act})).unwrap();
        let at = world.stands("t").next.unwrap();
        world.tick_at(at);
        let slot = world.slots("t").remove(0);
        let Some(SlotWork::Dispatch(id)) = slot.work else { panic!("{slot:?}") };
        let day = jiff::Timestamp::from_millisecond(at).unwrap();
        assert!(at > START && day.to_string().contains("T11:30") || day.to_string().contains("T12:30"), "{day}");
        let utc = day.to_zoned(jiff::tz::TimeZone::UTC).date();
        let (yesterday, today, tomorrow) = (utc, utc.tomorrow().unwrap(), utc.tomorrow().unwrap().tomorrow().unwrap());
        let input = world.store.dispatch(id).unwrap().unwrap().info.input;
        assert_eq!(input, json!({"days": format!("{yesterday} {today} {tomorrow} {today}")}));
    }
}
