//! Years of schedules in moments: random triggers in many time zones, a broker that is away for hours and starts
//! again, ticks that come twice and late, work that ends, fails, or does not. Whatever happens, every slot of the
//! schedule has exactly one record, in order, and the hub is what its store says.

use nexus_broker::hub::records::{self, Reads, SlotRecord};
use nexus_broker::hub::{Change, CommandBody, HubConfig, Origin, plan};
use nexus_broker::store::MemoryStore;
use nexus_wire::flow::{FlowPut, FlowStored};
use nexus_wire::hands::DispatchState;
use nexus_wire::inbox::Decision;
use nexus_wire::run::{StepState, TaskWork};
use nexus_wire::trigger::{
    Cause, SlotState, SlotWork, TriggerInfo, TriggerPause, TriggerResume, TriggerSlot, TriggerStatus,
};
use nexus_wire::{DispatchId, Ms, derive};
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::triggers::{Triggering, trigger};
use crate::world::{START, World, memory, name};

const HOUR: Ms = 3_600_000;

/// Twelve of them.
const ZONES: &str = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/fixtures/zones.txt"));
const PATTERNS: [&str; 6] =
    ["30 2 * * *", "0 */6 * * *", "15 1,2,3 * * 7", "0 0 L * *", "*/45 2 * * *", "0 8 * * 1-5"];

fn definition() -> impl Strategy<Value = Value> {
    let when = prop_oneof![
        3 => (0..PATTERNS.len()).prop_map(|at| json!({"cron": PATTERNS[at]})),
        1 => (60_u32..200_000).prop_map(|seconds| json!({"every": {"seconds": seconds}})),
        1 => (1..300 * HOUR).prop_map(|after| json!({"at": START + after})),
    ];
    let misfire =
        prop_oneof![Just(json!("skip")), Just(json!("once")), (1_u32..5).prop_map(|n| json!({"all": n}))];
    let overlap = prop::sample::select(vec!["skip", "queue", "replace", "allow"]);
    let retry = (0_u32..3).prop_map(|max| json!({"max": max, "backoff_s": [30, 4_000]}));
    let zone = prop::sample::select(ZONES.lines().collect::<Vec<_>>());
    (when, zone, misfire, overlap, 0_u32..2, retry, 0_u32..3).prop_map(
        |(when, zone, misfire, overlap, jitter, retry, does)| {
            let mut definition =
                json!({"when": when, "misfire": misfire, "overlap": overlap, "jitter_s": jitter, "retry": retry});
            if definition["when"].get("cron").is_some() {
                definition["timezone"] = json!(zone);
            }
            match does {
                0 => {}
                1 => {
                    definition["do"] =
                        json!({"dispatch": {"hand": "wren/check", "input": {}, "deadline_s": 600}});
                }
                _ => definition["do"] = json!({"flow": {"id": "look", "input": "{{ trigger.no }}"}}),
            }
            definition
        },
    )
}

#[derive(Clone, Debug)]
enum Act {
    /// To when something is due next, and this much later.
    Next {
        late: Ms,
    },
    /// The broker is away.
    Away {
        hours: i64,
    },
    Again,
    Restart,
    Pause {
        of: prop::sample::Index,
    },
    Resume {
        of: prop::sample::Index,
    },
    Fire {
        of: prop::sample::Index,
    },
    Redefine {
        of: prop::sample::Index,
    },
    End {
        fails: bool,
    },
}

fn act() -> impl Strategy<Value = Act> {
    let of = any::<prop::sample::Index>;
    prop_oneof![
        60 => prop_oneof![5 => Just(0), 2 => 1..50_000_i64, 1 => 50_000..HOUR].prop_map(|late| Act::Next { late }),
        4 => (1_i64..400).prop_map(|hours| Act::Away { hours }),
        4 => Just(Act::Again),
        2 => Just(Act::Restart),
        1 => of().prop_map(|of| Act::Pause { of }),
        3 => of().prop_map(|of| Act::Resume { of }),
        2 => of().prop_map(|of| Act::Fire { of }),
        1 => of().prop_map(|of| Act::Redefine { of }),
        20 => any::<bool>().prop_map(|fails| Act::End { fails }),
    ]
}

/// What is known of one trigger, read along so that what is kept no longer was seen.
struct Watched {
    first: TriggerInfo,
    seen: u64,
    slots: Vec<TriggerSlot>,
}

fn read_along(world: &World<MemoryStore>, watched: &mut [Watched]) {
    for one in watched {
        let info = world.stands(one.first.definition.name.as_str());
        let limit = u32::try_from(info.slots - one.seen).unwrap();
        let new = world.store.trigger_slots(info.id, info.slots + 1, limit).unwrap();
        one.slots.extend(new.into_iter().rev().map(|row| row.slot));
        one.seen = info.slots;
    }
}

/// The records of the schedule cover its slots, one after the other, none twice and none left out.
fn check(world: &World<MemoryStore>, one: &Watched) {
    for (at, slot) in one.slots.iter().enumerate() {
        assert_eq!(slot.no, at as u64 + 1);
    }
    let scheduled: Vec<&TriggerSlot> =
        one.slots.iter().filter(|slot| slot.cause == Cause::Schedule).collect();
    let count: u64 = scheduled.iter().map(|slot| slot.count).sum();
    let expected = plan(&one.first, 0, count as usize + 1).slots;
    let mut at = 0;
    for slot in scheduled {
        assert_eq!(expected[at].slot, slot.slot, "{slot:?}");
        at += slot.count as usize;
        assert_eq!(expected[at - 1].slot, slot.until.unwrap_or(slot.slot), "{slot:?}");
        assert!(slot.at >= expected[at - 1].due, "before its time: {slot:?}");
        assert!(slot.count == 1 || slot.state == SlotState::Skipped);
        assert_eq!(
            slot.state == SlotState::Skipped,
            slot.attempts == 0 && slot.ended_at.is_some(),
            "{slot:?}"
        );
    }
    // Of what is due nothing is left, unless it is paused.
    let info = world.stands(one.first.definition.name.as_str());
    if info.status == TriggerStatus::Active {
        assert_eq!(info.next, expected.get(at).map(|planned| planned.slot));
        assert!(expected.get(at).is_none_or(|planned| planned.due > world.at));
    }
}

fn finish(world: &mut World<MemoryStore>, id: DispatchId, fails: bool) {
    let info = world.store.dispatch(id).unwrap().unwrap().info;
    // Its time may be over in the very moment in which it says that it is done.
    let is_late = world.hub.next_timer().is_some_and(|due| due <= world.at + 1);
    if info.state == DispatchState::Running && info.attempt == 1 && !is_late {
        world.finish(id, fails);
    }
}

/// A flow of two steps, the second of which waits for an entry of the log.
fn put_flow(world: &mut World<MemoryStore>) {
    let flow = json!({"id": "look", "steps": [
        {"id": "a", "do": {"dispatch": {"hand": "wren/check", "input": "{{ input }}"}}, "timeout_s": 600},
        {"id": "b", "needs": ["a"], "do": {"wait": {"event": {"kinds": ["item_closed", "trigger.skipped"]}}}, "timeout_s": 900},
    ]});
    let put = FlowPut { flow: serde_json::from_value(flow).unwrap() };
    let _: FlowStored = world.request("operator/ana", Change::FlowPut(put)).unwrap();
}

/// The oldest work that is open ends.
fn end(world: &mut World<MemoryStore>, fails: bool) {
    if world.link("wren").is_none() {
        world.register("wren", wren()).unwrap();
    }
    let snapshot = world.store.snapshot().unwrap();
    let running = snapshot.open_slots.into_iter().find(|slot| slot.slot.state == SlotState::Running);
    match running.and_then(|slot| slot.slot.work) {
        Some(SlotWork::Dispatch(id)) => finish(world, id, fails),
        Some(SlotWork::Run(id)) => {
            let tasks = world.store.run_tasks(id).unwrap();
            for (_, task) in tasks.into_iter().filter(|(_, task)| task.state == StepState::Running) {
                if let Some(TaskWork::Dispatch(dispatch)) = task.work {
                    finish(world, dispatch, fails);
                }
            }
        }
        Some(SlotWork::Message(id)) => {
            let item = derive::message_item(id, &name("wren"));
            world.close(item, if fails { Decision::Failed } else { Decision::Replied });
        }
        None => {}
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(ProptestConfig::default().cases / 16))]

    #[test]
    fn every_slot_has_exactly_one_record_in_order(
        definitions in prop::collection::vec(definition(), 1..5),
        acts in prop::collection::vec(act(), 1..250),
    ) {
        let mut world = memory();
        world.team();
        put_flow(&mut world);
        let mut watched = Vec::new();
        for (n, mut definition) in definitions.into_iter().enumerate() {
            definition["name"] = json!(format!("t{n}"));
            if let Ok(first) = world.put(definition) {
                watched.push(Watched { first, seen: 0, slots: Vec::new() });
            }
        }
        for act in acts {
            if watched.is_empty() {
                break;
            }
            let name = |of: &prop::sample::Index, watched: &[Watched]| {
                of.get(watched).first.definition.name.clone()
            };
            match act {
                Act::Next { late } => {
                    world.at = world.hub.next_timer().unwrap_or(world.at).max(world.at) + late;
                    world.drain();
                }
                Act::Away { hours } => {
                    world.at += hours * HOUR;
                    world.start(HubConfig::default());
                    world.drain();
                }
                Act::Again => {
                    let tick = || (Origin::Broker, CommandBody::Tick);
                    world.batch(vec![tick(), tick()]);
                }
                Act::Restart => {
                    world.start(HubConfig::default());
                }
                Act::Pause { of } => {
                    let pause = TriggerPause { trigger: name(&of, &watched), reason: None };
                    // One that is done is not paused.
                    let _ = world.request::<TriggerInfo>("operator/ana", Change::TriggerPause(pause));
                }
                Act::Resume { of } => {
                    let resume = TriggerResume { trigger: name(&of, &watched) };
                    world.request::<TriggerInfo>("operator/ana", Change::TriggerResume(resume)).unwrap();
                }
                Act::Fire { of } => {
                    let _ = world.fire(name(&of, &watched).as_str(), Value::Null);
                }
                Act::Redefine { of } => {
                    let same = of.get(&watched).first.definition.clone();
                    let now = world.stands(same.name.as_str());
                    let put = Change::TriggerPut(Box::new(same));
                    let info: TriggerInfo = world.request("operator/ana", put).unwrap();
                    prop_assert_eq!(info, now);
                }
                Act::End { fails } => end(&mut world, fails),
            }
            world.drain();
            read_along(&world, &mut watched);
        }
        for one in &watched {
            check(&world, one);
        }
        no_run_is_lost(&world);
    }
}

/// Each run of a slot that has ended has ended as well, and each that goes on has a slot that waits for it.
fn no_run_is_lost(world: &World<MemoryStore>) {
    let snapshot = world.store.snapshot().unwrap();
    let of_slot = |slot: &SlotRecord| match slot.watched()? {
        records::Watched::Run(run) => Some(run),
        records::Watched::Dispatch(_) | records::Watched::Item(_) => None,
    };
    let mut waited: Vec<_> = snapshot.open_slots.iter().filter_map(of_slot).collect();
    let mut open: Vec<_> = snapshot.open_runs.iter().map(|(record, _)| record.info.id).collect();
    waited.sort_unstable();
    open.sort_unstable();
    assert_eq!(waited, open);
}

fn wren() -> nexus_wire::roster::Register {
    let hand = serde_json::from_value(json!({"name": "check", "concurrency": 8})).unwrap();
    nexus_wire::roster::Register { hands: vec![hand], slots: 8, ..Default::default() }
}

/// Three years of every zone, with a start of the broker every so often: each slot once, whatever the clocks did.
#[test]
fn three_years_in_twelve_zones() {
    let mut world = memory();
    world.team();
    let mut watched = Vec::new();
    for (n, zone) in ZONES.lines().enumerate() {
        let definition = json!({"name": format!("t{n}"), "when": {"cron": "30 */6 * * *"}, "timezone": zone});
        let put = Change::TriggerPut(Box::new(trigger(definition)));
        let first = world.request::<TriggerInfo>("operator/ana", put).unwrap();
        watched.push(Watched { first, seen: 0, slots: Vec::new() });
    }
    let mut step = 0;
    while world.at < START + 3 * 366 * 24 * HOUR {
        step += 1;
        world.at += 61 * HOUR;
        if step % 50 == 0 {
            world.start(HubConfig::default());
        }
        world.drain();
        for _ in &watched {
            end(&mut world, false);
        }
        read_along(&world, &mut watched);
    }
    for one in &watched {
        check(&world, one);
        let slots: u64 = one.slots.iter().map(|slot| slot.count).sum();
        assert!((4_380..4_405).contains(&slots), "{slots}");
    }
}
