//! A machine that is suspended while a broker runs on it.

use nexus_wire::admin::{AspectAdd, OperatorAdd, OperatorRole};
use nexus_wire::roster::AspectRole;
use nexus_wire::trigger::{SlotState, Trigger};
use nexus_wire::{Ms, Party, RequestId};
use serde_json::json;
use tokio::time::Instant;

use super::*;
use crate::hub::records::Reads as _;
use crate::hub::{Change, Hub, HubConfig};
use crate::relay::presence::Patience;
use crate::store::MemoryStore;

const HOUR: Ms = 3_600_000;
const KEY: &str = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

fn hourly() -> Vec<CommandBody> {
    let add = AspectAdd {
        name: "wren".parse().unwrap(),
        role: AspectRole::Worker,
        public_key: KEY.into(),
        share_knowledge: false,
    };
    let ana = OperatorAdd {
        name: "ana".parse().unwrap(),
        role: OperatorRole::Admin,
        token_sha256: "ab".repeat(32),
    };
    let definition = json!({
        "name": "hourly",
        "when": {"cron": "0 * * * *"},
        "do": {"ask": {"aspect": "wren", "text": "Look around."}},
    });
    let trigger: Trigger = serde_json::from_value(definition).unwrap();
    vec![
        CommandBody::AddAspect { by: Party::System, add },
        CommandBody::AddOperator { by: Party::System, add: ana },
        CommandBody::Request {
            sender: "operator/ana".parse().unwrap(),
            link: None,
            request: RequestId(Uuid::from_u128(1)),
            change: Change::TriggerPut(Box::new(trigger)),
        },
    ]
}

#[tokio::test(start_paused = true)]
async fn what_was_slept_over_is_seen_to_within_seconds_of_waking() {
    let (clock, machine) = Clock::by_hand(1_700_000_000_000);
    let store = MemoryStore::new();
    let hub = Hub::rebuild(&store, HubConfig::default()).unwrap();
    let published = Arc::new(Published::of(&hub, Patience::default(), clock.clone()));
    let (sequencer, intake) = sequencer(clock.clone());
    let (core, due) = Core::new(store, hub, HubConfig::default(), intake, published);
    let mut seen = due.clone();
    let core = std::thread::spawn(move || core.run());
    let ticking = task::spawn(tick(sequencer.clone(), clock.clone(), due));
    for body in hourly() {
        sequencer.submit(Origin::Broker, body, 0).await.unwrap();
    }
    sequencer.ask(|_| ()).await.unwrap();
    let first = seen.borrow_and_update().unwrap();

    machine.suspend(first + 2 * HOUR + HOUR / 2 - clock.now());
    let woke = Instant::now();
    seen.wait_for(|next| *next == Some(first + 3 * HOUR)).await.unwrap();
    assert!(woke.elapsed() <= LOOK_INTERVAL, "{:?} of the time of timers", woke.elapsed());

    sequencer.stop().await;
    let store = core.join().unwrap();
    ticking.abort();
    let trigger = store.triggers(None, 1).unwrap().remove(0);
    let slots = store.trigger_slots(trigger.info.id, u64::MAX, 10).unwrap();
    let told: Vec<_> =
        slots.iter().rev().map(|it| (it.slot.slot, it.slot.state, it.slot.caught_up)).collect();
    let expected = [
        (first, SlotState::Skipped, false),
        (first + HOUR, SlotState::Skipped, false),
        (first + 2 * HOUR, SlotState::Running, true),
    ];
    assert_eq!(told, expected);
}
