//! More is due at once than there is room for: it waits in line, in the order in which it was due, and comes to nothing
//! for no other reason than what it would have come to nothing for anyway.

use nexus_broker::hub::records::Transaction;
use nexus_broker::hub::{Change, CommandBody, Origin};
use nexus_wire::alert::AlertKind;
use nexus_wire::flow::{FlowPut, FlowStored};
use nexus_wire::hands::{Dispatch, DispatchState, Dispatched};
use nexus_wire::limits::{TRIGGER_DISPATCHES_MAX, TRIGGER_QUEUE_MAX, TRIGGER_RUNS_MAX, WORK_WAITS_LONG};
use nexus_wire::log::LogBody;
use nexus_wire::run::RunCancel;
use nexus_wire::trigger::{SlotState, SlotWork, TriggerFire, TriggerSlot, TriggerStatus};
use nexus_wire::{DispatchId, HandRef, Ms, RequestId};
use serde_json::{Value, json};

use crate::on_both_stores;
use crate::triggers::Triggering;
use crate::world::{START, World, party};

const HOUR: Ms = 3_600_000;

fn count(slots: &[TriggerSlot], state: SlotState) -> usize {
    slots.iter().filter(|slot| slot.state == state).count()
}

fn work_of(slot: &TriggerSlot) -> Option<DispatchId> {
    match slot.work {
        Some(SlotWork::Dispatch(id)) => Some(id),
        Some(SlotWork::Message(_) | SlotWork::Run(_)) | None => None,
    }
}

/// Fires `t` so often, in one commit.
fn fire<S: Transaction>(world: &mut World<S>, times: usize) {
    let commands = (0..times).map(|_| {
        let fire = TriggerFire { trigger: "t".parse().unwrap(), payload: Value::Null };
        let body = CommandBody::Request {
            sender: party("operator/ana"),
            link: None,
            request: RequestId(world.id()),
            change: Change::TriggerFire(fire),
        };
        (Origin::Call(7), body)
    });
    let commands = commands.collect();
    world.batch(commands);
}

/// Manual ones, with these overlaps.
fn put_all<S: Transaction>(world: &mut World<S>, triggers: &[(&str, &str)]) {
    let work = json!({"dispatch": {"hand": "wren/check", "input": {}, "deadline_s": 7200}});
    for (name, overlap) in triggers {
        world.put(json!({"name": name, "when": "manual", "do": work, "overlap": overlap})).unwrap();
    }
}

/// There is no room any more, and nobody in line.
fn fill<S: Transaction>(world: &mut World<S>) {
    fire(world, 260);
    world.pause("t");
}

/// Of the work of a trigger, what a worker is at.
fn running<S: Transaction>(world: &World<S>, trigger: &str) -> Vec<DispatchId> {
    let work = world.slots(trigger).iter().filter_map(work_of).collect::<Vec<_>>();
    work.into_iter().filter(|id| world.hub.queue().state(*id) == Some(DispatchState::Running)).collect()
}

on_both_stores! {
    fn dispatches_beyond_the_room_wait_in_line_and_leave_some_to_people(world) {
        world.team();
        let work = json!({"dispatch": {"hand": "wren/check", "input": {}, "deadline_s": 7200}});
        world.put(json!({"when": "manual", "do": work, "overlap": "allow"})).unwrap();
        fire(world, 260);
        let slots = world.slots("t");
        let begun = count(&slots, SlotState::Running);
        let at_work = slots.iter().filter_map(work_of).filter(|id| world.hub.queue().state(*id) == Some(DispatchState::Running)).count();
        assert_eq!((begun - at_work, count(&slots, SlotState::Queued)), (TRIGGER_DISPATCHES_MAX, TRIGGER_QUEUE_MAX));
        let in_line = &slots[begun];
        let why = "waits for room: 192 dispatches of operator/ana wait already";
        assert_eq!((in_line.state, in_line.reason.as_deref(), in_line.attempts), (SlotState::Queued, Some(why), 0));
        let beyond = slots.last().unwrap();
        let why = "overlap: 32 slots wait for room already";
        assert_eq!((beyond.state, beyond.reason.as_deref()), (SlotState::Skipped, Some(why)));
        assert_eq!(count(&slots, SlotState::Skipped), 260 - begun - TRIGGER_QUEUE_MAX);

        let by_hand = Dispatch::to("wren/check".parse::<HandRef>().unwrap(), Value::Null);
        let by_hand: Dispatched = world.request("operator/ana", Change::Dispatch(by_hand.into())).unwrap();
        assert_eq!(world.hub.queue().state(by_hand.dispatch), Some(DispatchState::Pending));

        // What waits of theirs counts, whoever made it: two have to begin before the first in line is called.
        let running: Vec<_> = slots.iter().filter_map(work_of).filter(|id| world.hub.queue().state(*id) == Some(DispatchState::Running)).take(2).collect();
        running.into_iter().for_each(|id| world.finish(id, false));
        world.drain();
        let slots = world.slots("t");
        let (called, next) = (&slots[begun], &slots[begun + 1]);
        assert_eq!((called.state, called.reason.clone(), called.attempts), (SlotState::Running, None, 1));
        assert_eq!(next.state, SlotState::Queued);

        let mut rounds = 0;
        while world.slots("t").iter().any(|slot| !slot.state.is_end()) {
            let open = world.slots("t");
            let running = open.iter().filter_map(work_of).chain([by_hand.dispatch]);
            let running: Vec<_> = running.filter(|id| world.hub.queue().state(*id) == Some(DispatchState::Running)).collect();
            running.into_iter().for_each(|id| world.finish(id, false));
            world.drain();
            rounds += 1;
            assert!(rounds < 260, "it goes on");
        }
        let slots = world.slots("t");
        assert_eq!(count(&slots, SlotState::Done), begun + TRIGGER_QUEUE_MAX);
        assert_eq!(world.stands("t").failures, 0);
    }

    fn of_many_that_are_due_at_once_none_comes_to_nothing(world) {
        world.team();
        let names: Vec<String> = (0..230).map(|n| format!("t{n:03}")).collect();
        let work = json!({"dispatch": {"hand": "wren/check", "input": {}, "deadline_s": 7200}});
        for name in &names {
            world.put(json!({"name": name, "when": {"cron": "0 * * * *"}, "do": work})).unwrap();
        }
        let due = world.stands("t000").next.unwrap();
        world.tick_at(due + 5 * HOUR + HOUR / 2);
        assert!(world.drain() > 2, "one tick does not do all of it");
        let last = |world: &World<_>, name: &str| world.slots(name).pop().unwrap();
        let states: Vec<SlotState> = names.iter().map(|name| last(world, name).state).collect();
        let begun = states.iter().position(|state| *state == SlotState::Queued).unwrap();
        assert!(begun > TRIGGER_DISPATCHES_MAX && begun < 230, "{begun}");
        assert!(states[begun..].iter().all(|state| *state == SlotState::Queued), "in the order of their names");

        // A trigger that is paused while it waits goes out of the line; those behind it move up.
        world.pause(&names[begun]);
        assert_eq!(last(world, &names[begun]).state, SlotState::Skipped);
        world.resume(&names[begun]);
        let mut rounds = 0;
        loop {
            let open = names.iter().filter_map(|name| work_of(&last(world, name)));
            let running: Vec<_> = open.filter(|id| world.hub.queue().state(*id) == Some(DispatchState::Running)).collect();
            if running.is_empty() {
                break;
            }
            running.into_iter().for_each(|id| world.finish(id, false));
            world.drain();
            rounds += 1;
            assert!(rounds < 260, "it goes on");
        }
        for (at, name) in names.iter().enumerate() {
            let slots = world.slots(name);
            let expected = if at == begun { SlotState::Skipped } else { SlotState::Done };
            assert_eq!((slots.len(), slots.last().unwrap().state), (6, expected), "{name}");
            assert_eq!(world.stands(name).status, TriggerStatus::Active, "{name}");
        }
    }

    fn in_line_one_gives_way_to_the_next_of_its_trigger_and_what_is_at_work_goes_on(world) {
        world.team();
        put_all(world, &[("r", "replace"), ("s", "skip"), ("t", "allow")]);
        world.fire("r", Value::Null).unwrap();
        fill(world);
        for name in ["r", "s", "r"] {
            world.fire(name, Value::Null).unwrap();
        }
        let states = |world: &World<_>, name: &str| -> Vec<SlotState> { world.slots(name).iter().map(|slot| slot.state).collect() };
        assert_eq!(states(world, "r"), [SlotState::Running, SlotState::Cancelled, SlotState::Queued]);
        assert_eq!(world.slots("r")[1].reason.as_deref(), Some("replaced by slot 3"));
        // The third stands where the second stood, which is before the one that came in between.
        let at_work = running(world, "t")[0];
        world.finish(at_work, false);
        let called = |world: &World<_>, name: &str| world.slots(name).last().unwrap().due.is_some();
        assert_eq!((called(world, "r"), called(world, "s")), (true, false));
        world.drain();
        assert_eq!(states(world, "r"), [SlotState::Cancelled, SlotState::Cancelled, SlotState::Running]);
    }

    fn what_is_tried_again_and_waits_for_room_fails_for_its_own_reason(world) {
        world.team();
        put_all(world, &[("s", "allow"), ("t", "allow"), ("k", "queue")]);
        let work = json!({"dispatch": {"hand": "wren/check", "input": {}, "deadline_s": 7200}});
        world.put(json!({"name": "q", "when": "manual", "do": work, "retry": {"max": 1, "backoff_s": [1]}})).unwrap();
        world.fire("q", Value::Null).unwrap();
        fill(world);
        world.finish(work_of(&world.slots("q")[0]).unwrap(), true);
        world.fire("s", Value::Null).unwrap();
        world.at += 1_000;
        world.drain();
        let waits = world.slots("q").pop().unwrap();
        assert_eq!((waits.state, waits.attempts, waits.due), (SlotState::Retrying, 1, None));
        assert!(waits.reason.as_ref().is_some_and(|why| why.contains("it is broken")), "{waits:?}");
        world.pause("q");
        let failed = world.slots("q").pop().unwrap();
        assert_eq!((failed.state, failed.reason), (SlotState::Failed, waits.reason));

        // Those that wait for one that stands in line end once each.
        (0..3).for_each(|_| drop(world.fire("k", Value::Null).unwrap()));
        world.pause("k");
        assert_eq!(count(&world.slots("k"), SlotState::Skipped), 3);
        let skipped = LogBody::Other { kind: "trigger.skipped".into(), subject: "k".into() };
        let log = world.store.log(0, None, 10_000).unwrap();
        assert_eq!(log.iter().filter(|entry| entry.body == skipped).count(), 3);
    }

    fn runs_beyond_the_room_wait_until_one_has_ended(world) {
        world.team();
        let flow = serde_json::from_value(json!({"id": "ask", "steps": [{"id": "a", "do": {"approve": {"text": "May it?"}}}]})).unwrap();
        let _: FlowStored = world.request("operator/ana", Change::FlowPut(FlowPut { flow })).unwrap();
        world.put(json!({"when": "manual", "do": {"flow": {"id": "ask"}}, "overlap": "allow"})).unwrap();
        fire(world, TRIGGER_RUNS_MAX + 2);
        let slots = world.slots("t");
        assert_eq!((count(&slots, SlotState::Running), count(&slots, SlotState::Queued)), (TRIGGER_RUNS_MAX, 2));
        assert_eq!(slots.last().unwrap().reason.as_deref(), Some("waits for room: 896 runs have not ended"));
        let told = |world: &World<S>| world.store.alert(AlertKind::WorkWaiting, "flows").unwrap();
        let since = slots[TRIGGER_RUNS_MAX].slot;
        world.tick_at(since + WORK_WAITS_LONG.as_millis() as Ms - 1);
        assert_eq!(told(world), None);
        world.tick_at(since + WORK_WAITS_LONG.as_millis() as Ms);
        assert_eq!(told(world).unwrap().message, "flows that triggers are to run have waited for more than 5 minutes, because 896 runs have not ended; see: nexctl run list");
        world.tick_at(world.at + 1);
        assert_eq!(told(world).unwrap().times, 1);
        let Some(SlotWork::Run(first)) = slots[0].work else { panic!("{:?}", slots[0]) };
        let cancel = RunCancel { run: first, reason: None };
        world.request::<Value>("operator/ana", Change::RunCancel(cancel)).unwrap();
        world.drain();
        let slots = world.slots("t");
        assert_eq!((slots[0].state, slots[TRIGGER_RUNS_MAX].state), (SlotState::Failed, SlotState::Running));
        assert_eq!(slots[TRIGGER_RUNS_MAX + 1].state, SlotState::Queued);
        assert_eq!(told(world).unwrap().cleared_at, None);
        world.pause("t");
        assert!(told(world).unwrap().cleared_at.is_some());
    }
}

#[test]
fn whoever_waits_for_room_still_does_after_a_restart() {
    let mut world = crate::world::memory();
    world.team();
    let work = json!({"dispatch": {"hand": "wren/check", "input": {}, "deadline_s": 7200}});
    world.put(json!({"when": "manual", "do": work, "overlap": "allow"})).unwrap();
    fire(&mut world, 220);
    let before = world.slots("t");
    let running = count(&before, SlotState::Running);
    world.start(nexus_broker::hub::HubConfig::default());
    assert_eq!(world.slots("t"), before);
    world.at = START + 2 * HOUR;
    // Their deadline passed; those that wait for room take their places.
    world.drain();
    let after = world.slots("t");
    assert!(count(&after, SlotState::Queued) < count(&before, SlotState::Queued), "{running}");
}
