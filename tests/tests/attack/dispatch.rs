//! Dispatches on a bad day: too late, twice, crosswise, cancelled, with nobody left to work on them.

use nexus_tests::raw::Raw;
use nexus_tests::world::text;
use nexus_tests::{World, wait_until};
use nexus_wire::limits::{JSON_DEPTH_MAX, SOFT_CAP};
use serde_json::{Value, json};

use crate::party::{Party, code, result};

fn nested(levels: usize) -> Value {
    (1..levels).fold(json!([]), |inner, _| json!([inner]))
}

#[tokio::test]
async fn an_input_at_the_limit_of_nesting_is_delivered_whole() {
    let world = World::new();
    let script = "[[rule]]\nhand = \"work\"\n[[rule.step]]\nsay = \"I have it.\"\n";
    let home = world.home("wren", json!({"hands": [{"name": "work"}]}), script);
    let agent = world.agent(&home);
    let (mut forge, mut operator) = (Party::worker(&world, "forge").await, Party::operator(&world).await);
    // The frame and its payload are two levels.
    let input = nested(JSON_DEPTH_MAX - 2);
    for hand in ["forge/work", "wren/work"] {
        let reply = operator.request("dispatch", json!({"hand": hand, "input": input})).await;
        assert_eq!(reply["kind"], "ok", "{reply}");
        let deeper = json!({"hand": hand, "input": nested(JSON_DEPTH_MAX - 1)});
        assert_eq!(code(&operator.request("dispatch", deeper).await), "too_deep");
    }
    let lease = {
        let assigned = forge.item("assignment").await;
        assert_eq!(assigned["input"], input);
        assigned["lease"].clone()
    };
    let output = nested(JSON_DEPTH_MAX - 2);
    assert_eq!(forge.request("dispatch.result", result(&lease, output.clone())).await["kind"], "ok");
    let kept = operator.request("dispatch.status", json!({"dispatch": lease["dispatch"]})).await;
    assert_eq!((&kept["payload"]["input"], &kept["payload"]["output"]), (&input, &output));
    let done = wait_until("the agent's answer", || {
        let page = world.nexctl_json(&["get", "dispatches"]);
        let all = page["dispatches"].as_array().cloned().unwrap_or_default();
        all.into_iter().find(|it| it["hand"] == "wren/work" && it["state"] == "done")
    });
    assert_eq!(done["attempt"], 1, "{done}\n{}", agent.text());
}

#[tokio::test]
async fn a_result_that_comes_after_its_timeout_is_refused() {
    let world = World::new();
    let hand = json!({"name": "work", "timeout_s": 1});
    let mut forge = Party::offering(&world, "forge", hand).await;
    let mut wren = Party::worker(&world, "wren").await;
    wren.dispatch("forge/work", None).await;
    let lease = forge.item("assignment").await["lease"].clone();
    let told = wren.item("result").await;
    assert_eq!((&told["state"], &told["error"]["code"]), (&json!("timed_out"), &json!("timeout")));
    assert_eq!(code(&forge.request("dispatch.result", result(&lease, json!("late"))).await), "stale_token");
    let kept =
        wren.request("dispatch.status", json!({"dispatch": lease["dispatch"]})).await["payload"].clone();
    assert_eq!((&kept["state"], &kept["output"]), (&json!("timed_out"), &Value::Null));
    assert_eq!(kept["stop"]["confirmed_at"], Value::Null, "its worker was told to stop: {kept}");
    assert_eq!(forge.request("dispatch.stopped", json!({"lease": lease})).await["kind"], "ok");
    let kept =
        wren.request("dispatch.status", json!({"dispatch": lease["dispatch"]})).await["payload"].clone();
    assert!(kept["stop"]["confirmed_at"].is_i64(), "{kept}");
    assert_eq!(wren.unasked().await, Vec::<Value>::new(), "the end is told once");
}

#[tokio::test]
async fn the_same_dispatch_twice_at_once_and_across_a_restart_is_one() {
    let mut world = World::new();
    let home = world.home("forge", json!({}), "");
    let register = json!({"hands": [{"name": "work", "capabilities": ["verify"]}], "slots": 4});
    let (mut forge, _) = Raw::registered(&world, &home, register.clone()).await;
    let (mut one, mut two) = (Raw::operator(&world).await, Raw::operator(&world).await);
    let (id, asked) =
        (nexus_client::new_request_id(), json!({"capability": {"needs": ["verify"]}, "input": 1}));
    one.send("dispatch", Some(id), asked.clone()).await;
    two.send("dispatch", Some(id), asked.clone()).await;
    let (first, second) = (one.reply_to(id).await, two.reply_to(id).await);
    assert_eq!(first["kind"], "ok", "{first}");
    assert_eq!(first["payload"], second["payload"]);
    assert_eq!(first["payload"]["chosen"], "forge/work");
    forge.next_of("deliver").await;
    world.restart_broker();
    let mut three = Raw::operator(&world).await;
    let again = three.request_as(id, "dispatch", asked).await["payload"].clone();
    for field in ["dispatch", "chosen", "why", "deadline_at", "clamped"] {
        assert_eq!(again[field], first["payload"][field], "{field}");
    }
    let other = json!({"capability": {"needs": ["verify"]}, "input": 2});
    assert_eq!(code(&three.request_as(id, "dispatch", other).await), "id_reused");
    let (_, registered) = Raw::registered(&world, &home, register).await;
    assert_eq!(registered["situation"]["undelivered"], 1, "one assignment: {registered}");
    let page = three.request("dispatch.list", json!({})).await;
    assert_eq!(page["payload"]["dispatches"].as_array().map(Vec::len), Some(1), "{page}");
}

#[tokio::test]
async fn three_parents_that_each_wait_for_a_child_at_three_all_end() {
    assert_eq!(SOFT_CAP, 3);
    let world = World::new();
    let (mut wren, mut operator) = (Party::worker(&world, "wren").await, Party::operator(&world).await);
    let mut parents = Vec::new();
    for _ in 0..SOFT_CAP {
        operator.dispatch("wren/work", None).await;
        parents.push(wren.item("assignment").await["lease"].clone());
    }
    let mut children = Vec::new();
    for parent in &parents {
        let child = wren.dispatch("wren/work", Some(parent)).await["payload"].clone();
        assert_eq!(child["state"], "pending", "all places are taken: {child}");
        children.push(child["dispatch"].clone());
    }
    for (parent, child) in parents.iter().zip(&children) {
        let waiting = wren.request("dispatch.wait", json!({"lease": parent, "on": [child]})).await;
        assert_eq!(waiting["kind"], "ok", "{waiting}");
    }
    let mut leases = Vec::new();
    for _ in &children {
        leases.push(wren.item("assignment").await["lease"].clone());
    }
    for lease in &leases {
        assert_eq!(wren.request("dispatch.result", result(lease, json!("child"))).await["kind"], "ok");
        assert_eq!(wren.item("result").await["state"], "done");
        let resumed = wren.item("resume").await["lease"].clone();
        assert_eq!(wren.request("dispatch.result", result(&resumed, json!("parent"))).await["kind"], "ok");
    }
    let open = operator.request("dispatch.list", json!({"open": true})).await;
    assert_eq!(open["payload"]["dispatches"], json!([]));
}

#[tokio::test]
async fn nothing_is_preempted_and_nothing_begins_when_the_ceiling_falls_below_what_is_at_work() {
    let world = World::new();
    let mut wren = Party::worker(&world, "wren").await;
    let mut others = Vec::new();
    for name in ["ash", "birch", "cedar", "elm"] {
        others.push(Party::worker(&world, name).await);
    }
    // Five are live, so six may be at work, each of another key.
    let mut operator = Party::operator(&world).await;
    let mut leases = Vec::new();
    for party in others.iter_mut().chain([&mut operator]) {
        assert_eq!(party.dispatch("wren/work", None).await["payload"]["state"], "running");
        leases.push(wren.item("assignment").await["lease"].clone());
    }
    // One stays beside wren: four may be at work, and five are.
    let mut elm = others.pop().expect("four of them");
    for mut gone in others {
        gone.request("deregister", json!({})).await;
    }
    let own = wren.dispatch("wren/work", None).await["payload"].clone();
    assert_eq!(own["state"], "pending", "its key is idle, and there is no place: {own}");
    for (n, lease) in leases.iter().enumerate().take(2) {
        assert_eq!(wren.unasked().await, Vec::<Value>::new(), "{n} have ended");
        assert_eq!(wren.request("dispatch.result", result(lease, json!(n))).await["kind"], "ok");
    }
    let assigned = wren.item("assignment").await;
    assert_eq!(assigned["lease"]["dispatch"], own["dispatch"], "three are at work, and it is the fourth");
    assert_eq!(elm.unasked().await, Vec::<Value>::new());
}

#[tokio::test]
async fn work_for_a_hand_that_is_not_declared_any_more_ends_and_can_be_tried_again() {
    let world = World::new();
    let home = world.home("forge", json!({}), "");
    let hand = |name: &str| json!({"hands": [{"name": name}], "slots": 1});
    let (mut forge, _) = Raw::registered(&world, &home, hand("work")).await;
    let mut wren = Party::worker(&world, "wren").await;
    wren.dispatch("forge/work", None).await;
    let waiting = wren.dispatch("forge/work", None).await["payload"]["dispatch"].clone();
    let assigned = forge.next_of("deliver").await["payload"]["item"]["body"].clone();
    let lease = json!({"lease": assigned["lease"]});
    drop(forge);
    let mut register = hand("other");
    (register["leases"], register["last_generation"]) = (json!([lease]), json!(1));
    let (mut forge, _) = Raw::registered(&world, &home, register).await;
    let told = wren.item("result").await;
    assert_eq!((&told["dispatch"], &told["error"]["code"]), (&waiting, &json!("hand_gone")));
    let dead = world.nexctl_json(&["get", "dispatches", "--dead"]);
    assert_eq!(dead["dispatches"][0]["id"], waiting, "{dead}");
    let id = waiting.as_str().expect("an id");
    let out = world.nexctl(&["retry", id]);
    assert!(!out.status.success() && text(&out).contains("forge has no Hand work"), "{out:?}");
    assert_eq!(forge.request("dispatch.result", result(&assigned["lease"], json!(1))).await["kind"], "ok");
    let mut register = hand("work");
    register["last_generation"] = json!(2);
    let (mut forge, _) = Raw::registered(&world, &home, register).await;
    let again = world.nexctl_json(&["retry", id]);
    let lease = loop {
        let body = forge.next_of("deliver").await["payload"]["item"]["body"].clone();
        if body["lease"]["dispatch"] == again["dispatch"] {
            break body["lease"].clone();
        }
    };
    assert_eq!(forge.request("dispatch.result", result(&lease, json!("done now"))).await["kind"], "ok");
    let info = world.nexctl_json(&["get", "dispatches", again["dispatch"].as_str().expect("an id")]);
    assert_eq!((&info["state"], &info["retry_of"]), (&json!("done"), &waiting), "{info}");
    let dead = world.nexctl_json(&["get", "dispatches", "--dead"]);
    assert_eq!(dead["dispatches"], json!([]), "what was tried again is not dead");
}

#[tokio::test]
async fn a_schema_that_would_hang_the_broker_or_reach_out_is_refused() {
    let world = World::new();
    let mut raw = Raw::aspect(&world, &world.home("wren", json!({}), "")).await;
    let doubling: serde_json::Map<String, Value> = (0..40)
        .map(|n| {
            let next = json!({"$ref": format!("#/$defs/d{}", n + 1)});
            (format!("d{n}"), json!({"items": {"allOf": [next, next]}}))
        })
        .chain([("d40".to_owned(), json!({}))])
        .collect();
    let schemas = [
        json!({"$ref": "#"}),
        json!({"$ref": "http://127.0.0.1:1/schema.json"}),
        json!({"$ref": "#/$defs/d0", "$defs": doubling}),
        json!({"description": "x".repeat(70_000)}),
        json!("no schema"),
    ];
    for schema in schemas {
        for field in ["input_schema", "output_schema"] {
            let mut hand = json!({"name": "work"});
            hand[field] = schema.clone();
            let reply = raw.request("register", json!({"hands": [{"name": "good"}, hand], "slots": 4})).await;
            assert_eq!(code(&reply), "invalid", "{schema}");
            let details = &reply["payload"]["details"];
            assert_eq!((&details["hand"], &details["schema"]), (&json!("work"), &json!(field)), "{reply}");
        }
    }
    // Patterns that others need an age for take as long as the text.
    let hand = json!({"name": "work", "input_schema": {"pattern": "^(a+)+$"}});
    let reply = raw.request("register", json!({"hands": [hand], "slots": 4})).await;
    assert_eq!(reply["kind"], "registered", "{reply}");
    let mut operator = Party::operator(&world).await;
    let evil = format!("{}!", "a".repeat(100_000));
    let reply = operator.request("dispatch", json!({"hand": "wren/work", "input": evil})).await;
    assert_eq!((code(&reply), &reply["payload"]["details"]["faults"][0]["at"]), ("invalid", &json!("")));
}

#[test]
fn an_agent_works_as_its_own_shadow_and_confirms_that_it_stopped() {
    let world = World::new();
    let script = r#"
[[rule]]
hand = "self"
match = "wait"
[[rule.step]]
hold = "gate"
[[rule.step]]
say = "too late"

[[rule]]
hand = "self"
[[rule.step]]
say = "from a fresh look"

[[rule]]
match = "think"
[[rule.step]]
name = "seen"
call = "dispatch_hand"
args = { hand = "self", input = "look" }
[[rule.step]]
say = "my shadow says: {{ seen.json.output }}"
"#;
    let home = world.home("wren", json!({"tools": ["dispatch_hand"]}), script);
    let _agent = world.agent(&home);
    let out = world.nexctl(&["ask", "wren", "think", "again"]);
    let told = text(&out);
    assert!(out.status.success() && told.contains("my shadow says: from a fresh look"), "{told}");
    let page = world.nexctl_json(&["get", "dispatches"]);
    assert_eq!(
        (&page["dispatches"][0]["hand"], &page["dispatches"][0]["invoker"]),
        (&json!("wren/self"), &json!("wren"))
    );

    let sent = world.nexctl_json(&["dispatch", "wren/self", "\"wait\""]);
    let id = sent["dispatch"].as_str().expect("an id").to_owned();
    let look = || world.nexctl_json(&["get", "dispatches", &id]);
    wait_until("the work", || (look()["state"] == "running").then_some(()));
    let receipt = world.nexctl_json(&["cancel", &id]);
    assert_eq!(receipt["unconfirmed"], json!([id]), "{receipt}");
    let stop = wait_until("the confirmation", || {
        Some(look()["stop"].clone()).filter(|stop| stop["confirmed_at"].is_i64())
    });
    assert_eq!(stop["attempt"], 1, "{stop}");
}
