//! Work whose worker is not heard of: it is no end, it is not tried twice, and its worker may yet bring it.

use std::path::PathBuf;

use nexus_tests::World;
use nexus_tests::raw::Raw;
use serde_json::{Value, json};

use crate::party::{Party, code, result};

/// A worker that takes work and lets its lease run out.
struct Lost {
    world: World,
    home: PathBuf,
    work: Value,
    lease: Value,
}

fn offer() -> Value {
    json!({"hands": [{"name": "work", "timeout_s": 3600}], "slots": 1})
}

async fn state(operator: &mut Party, work: &Value) -> Value {
    operator.request("dispatch.status", json!({"dispatch": work})).await["payload"].clone()
}

/// Until the state of `work` is this one.
async fn until(operator: &mut Party, work: &Value, wanted: &str) -> Value {
    loop {
        let info = state(operator, work).await;
        let is = info["state"].as_str().expect("a state");
        if is == wanted {
            return info;
        }
        assert!(["running", "unreachable"].contains(&is), "{info}");
        tokio::task::yield_now().await;
    }
}

impl Lost {
    async fn new() -> Self {
        let mut world = World::asleep().config("[hands]\nlease_s = 2\n");
        world.start_broker();
        let home = world.home("forge", json!({}), "");
        let (mut forge, _) = Raw::registered(&world, &home, offer()).await;
        let mut operator = Party::operator(&world).await;
        let work = operator.dispatch("forge/work", None).await["payload"]["dispatch"].clone();
        let delivered = forge.next_of("deliver").await["payload"].clone();
        forge.send("ack", None, json!({"offset": delivered["offset"]})).await;
        forge.request("situation", json!({})).await;
        let lease = delivered["item"]["body"]["lease"].clone();
        drop(forge);
        until(&mut operator, &work, "unreachable").await;
        Self { world, home, work, lease }
    }

    async fn back(&self, leases: Value) -> (Raw, Value) {
        let mut register = offer();
        (register["leases"], register["last_generation"]) = (leases, json!(1));
        Raw::registered(&self.world, &self.home, register).await
    }
}

const SLOW: &str = r#"
[[rule]]
hand = "slow"
pace_ms = 1000
[[rule.step]]
say = "one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen"
"#;

#[tokio::test]
async fn an_agent_renews_as_often_as_a_short_lease_wants() {
    let mut world = World::asleep().config("[hands]\nlease_s = 6\n");
    world.start_broker();
    let (mut operator, mut silent) = (Party::operator(&world).await, Party::worker(&world, "moth").await);
    let home = world.home("wren", json!({"hands": [{"name": "slow", "timeout_s": 600}]}), SLOW);
    let agent = world.agent(&home);
    agent.wait_for_text("registered");
    let slow = operator.dispatch("wren/slow", None).await["payload"]["dispatch"].clone();
    until(&mut operator, &slow, "running").await;
    // One that began later and renews nothing: once it is lost, the other would be lost as well.
    let idle = operator.dispatch("moth/work", None).await["payload"]["dispatch"].clone();
    silent.item("assignment").await;
    until(&mut operator, &idle, "unreachable").await;
    assert_eq!(state(&mut operator, &slow).await["state"], "running");
}

#[tokio::test]
async fn a_worker_that_comes_back_with_its_lease_goes_on_and_brings_its_result() {
    let mut lost = Lost::new().await;
    let mut operator = Party::operator(&lost.world).await;
    let shown = lost.world.nexctl(&["get", "dispatches"]);
    assert!(nexus_tests::world::text(&shown).contains("unreachable"), "{}", nexus_tests::world::text(&shown));
    lost.world.restart_broker();
    operator.raw = Raw::operator(&lost.world).await;
    assert_eq!(state(&mut operator, &lost.work).await["state"], "unreachable", "a restart ends nothing");
    let held = json!([{"lease": lost.lease}]);
    let (mut forge, registered) = lost.back(held).await;
    assert_eq!(registered["lost"], json!([]));
    let limits = json!({"frame_bytes": 1_048_576, "durable_bytes": 786_432, "items": 256, "lease_ms": 2_000});
    assert_eq!(registered["limits"], limits);
    assert_eq!(state(&mut operator, &lost.work).await["state"], "running");
    let done = forge.request("dispatch.result", result(&lost.lease, json!("late"))).await;
    assert_eq!(done["payload"], json!({"dispatch": lost.work, "state": "done"}));
    let info = state(&mut operator, &lost.work).await;
    assert_eq!(
        (&info["state"], &info["output"], &info["attempt"]),
        (&json!("done"), &json!("late"), &json!(1))
    );
}

#[tokio::test]
async fn a_worker_that_comes_back_without_it_has_lost_it() {
    let lost = Lost::new().await;
    let mut operator = Party::operator(&lost.world).await;
    let (mut forge, _) = lost.back(json!([])).await;
    let info = until(&mut operator, &lost.work, "failed").await;
    assert_eq!(info["error"]["code"], "worker_lost", "{info}");
    let late = forge.request("dispatch.result", result(&lost.lease, json!("late"))).await;
    assert_eq!(code(&late), "stale_token", "{late}");
    let ended = state(&mut operator, &lost.work).await;
    assert_eq!((&ended["state"], &ended["attempt"]), (&json!("failed"), &json!(1)), "{ended}");
}

#[tokio::test]
async fn what_is_unreachable_can_be_cancelled_and_its_worker_is_told_when_it_is_back() {
    let lost = Lost::new().await;
    let mut operator = Party::operator(&lost.world).await;
    let receipt =
        operator.request("dispatch.cancel", json!({"dispatch": lost.work})).await["payload"].clone();
    let expected = json!({
        "cancelled": [lost.work], "stopped": [], "unconfirmed": [], "unreachable": [lost.work], "already_ended": [],
    });
    assert_eq!(receipt, expected);
    let (mut forge, registered) = lost.back(json!([{"lease": lost.lease}])).await;
    assert_eq!(registered["lost"], json!([lost.lease]));
    let told = forge.next_of("deliver").await["payload"]["item"]["body"].clone();
    assert_eq!((&told["type"], &told["lease"]), (&json!("cancel"), &lost.lease), "{told}");
    let late = forge.request("dispatch.result", result(&lost.lease, json!("late"))).await;
    assert_eq!(code(&late), "stale_token", "{late}");
}
