//! Dispatches, leases and results in the wrong hands.

use nexus_tests::World;
use nexus_tests::raw::Raw;
use nexus_wire::limits::{CHILDREN_PER_PARENT_MAX, DISPATCH_DEPTH_MAX, PENDING_PER_KEY_MAX, SOFT_CAP};
use serde_json::{Value, json};

use crate::party::{Party, code, result};

#[tokio::test]
async fn a_parent_is_named_by_who_holds_its_token() {
    let world = World::new();
    let (mut forge, mut wren) = (Party::worker(&world, "forge").await, Party::worker(&world, "wren").await);
    let mut operator = Party::operator(&world).await;
    operator.dispatch("forge/work", None).await;
    let lease = forge.item("assignment").await["lease"].clone();
    let forged = [
        lease.clone(),
        json!({"dispatch": lease["dispatch"], "attempt": 2}),
        json!({"dispatch": lease["dispatch"], "attempt": 0}),
        json!({"dispatch": "0199a0b1-c2d3-7123-8456-789abcdef012", "attempt": 1}),
    ];
    for parent in &forged {
        let reply = wren.dispatch("wren/work", Some(parent)).await;
        assert_eq!(code(&reply), "bad_parent", "{parent}: {reply}");
        let reply = operator.dispatch("wren/work", Some(parent)).await;
        assert_eq!(code(&reply), "bad_parent", "{parent}: {reply}");
    }
    for parent in &forged[1..] {
        assert_eq!(code(&forge.dispatch("wren/work", Some(parent)).await), "bad_parent", "{parent}");
    }
    assert_eq!(wren.unasked().await, Vec::<Value>::new(), "nothing of it was begun");
    let child = forge.dispatch("wren/work", Some(&lease)).await;
    assert_eq!(child["kind"], "ok", "{child}");
}

#[tokio::test]
async fn a_result_counts_once_and_from_its_worker() {
    let world = World::new();
    let (mut forge, mut wren) = (Party::worker(&world, "forge").await, Party::worker(&world, "wren").await);
    let mut moth = Party::worker(&world, "moth").await;
    let accepted = wren.dispatch("forge/work", None).await["payload"].clone();
    let lease = forge.item("assignment").await["lease"].clone();
    // Not by another aspect, its invoker included, in no way.
    for stranger in [&mut wren, &mut moth] {
        assert_eq!(
            code(&stranger.request("dispatch.result", result(&lease, json!("forged"))).await),
            "stale_token"
        );
        let renewed = stranger.request("lease.renew", json!({"leases": [lease]})).await;
        assert_eq!(renewed["payload"], json!({"lost": [lease]}), "and it is told nothing else");
        assert_eq!(
            code(&stranger.request("dispatch.wait", json!({"lease": lease, "on": []})).await),
            "stale_token"
        );
    }
    for wrong in [
        json!({"lease": lease}),
        json!({"lease": lease, "output": 1, "error": {"code": "c", "message": "m"}}),
    ] {
        assert_eq!(code(&forge.request("dispatch.result", wrong.clone()).await), "invalid", "{wrong}");
    }
    let done = forge.request("dispatch.result", result(&lease, json!("true"))).await;
    assert_eq!(done["payload"], json!({"dispatch": accepted["dispatch"], "state": "done"}));
    // The same again is answered the same; another is not taken.
    let again = forge.request("dispatch.result", result(&lease, json!("true"))).await;
    assert_eq!(again["payload"], done["payload"]);
    assert_eq!(code(&forge.request("dispatch.result", result(&lease, json!("other"))).await), "stale_token");
    let failed = json!({"lease": lease, "error": {"code": "c", "message": "m"}});
    assert_eq!(code(&forge.request("dispatch.result", failed).await), "stale_token");
    let told = wren.item("result").await;
    assert_eq!((&told["state"], &told["output"]), (&json!("done"), &json!("true")));
    assert_eq!(wren.unasked().await, Vec::<Value>::new(), "the end is told once");
    let kept = wren.request("dispatch.status", json!({"dispatch": accepted["dispatch"]})).await;
    assert_eq!((&kept["payload"]["state"], &kept["payload"]["output"]), (&json!("done"), &json!("true")));
}

#[tokio::test]
async fn a_cancel_is_its_invokers_or_an_operators_and_fences() {
    let world = World::new();
    let (mut forge, mut wren) = (Party::worker(&world, "forge").await, Party::worker(&world, "wren").await);
    let mut moth = Party::worker(&world, "moth").await;
    let accepted = wren.dispatch("forge/work", None).await["payload"].clone();
    let id = &accepted["dispatch"];
    let lease = forge.item("assignment").await["lease"].clone();
    let child = forge.dispatch("moth/work", Some(&lease)).await["payload"]["dispatch"].clone();
    let below = moth.item("assignment").await["lease"].clone();
    for stranger in [&mut moth, &mut forge] {
        assert_eq!(code(&stranger.request("dispatch.cancel", json!({"dispatch": id})).await), "forbidden");
    }
    assert_eq!(code(&moth.request("dispatch.cancel", json!({"dispatch": child})).await), "forbidden");
    let receipt = wren.request("dispatch.cancel", json!({"dispatch": id, "reason": "enough"})).await;
    let both = json!([id, child]);
    let expected = json!({
        "cancelled": both, "stopped": [], "unconfirmed": both, "unreachable": [], "already_ended": [],
    });
    assert_eq!(receipt["payload"], expected);
    assert_eq!(forge.item("result").await["dispatch"], child, "children first");
    assert_eq!(forge.item("cancel").await["lease"], lease);
    assert_eq!(moth.item("cancel").await["lease"], below);
    // Nothing of it can deliver any more, begin anything, or be cancelled again.
    assert_eq!(code(&forge.request("dispatch.result", result(&lease, json!(1))).await), "stale_token");
    assert_eq!(code(&moth.request("dispatch.result", result(&below, json!(1))).await), "stale_token");
    assert_eq!(code(&forge.dispatch("moth/work", Some(&lease)).await), "bad_parent");
    let again = wren.request("dispatch.cancel", json!({"dispatch": id})).await;
    assert_eq!(
        (&again["payload"]["cancelled"], &again["payload"]["already_ended"]),
        (&json!([]), &json!([id]))
    );
    let told = wren.item("result").await;
    assert_eq!((&told["dispatch"], &told["state"]), (id, &json!("cancelled")));
    assert_eq!(wren.unasked().await, Vec::<Value>::new(), "the end is told once");
    let missing = json!({"dispatch": "0199a0b1-c2d3-7123-8456-789abcdef012"});
    assert_eq!(code(&wren.request("dispatch.cancel", missing).await), "not_found");
}

#[tokio::test]
async fn a_full_queue_says_so_and_is_one_keys_alone() {
    let world = World::new();
    let (mut forge, mut wren) = (Party::worker(&world, "forge").await, Party::worker(&world, "wren").await);
    let mut operator = Party::operator(&world).await;
    let room = SOFT_CAP as usize + PENDING_PER_KEY_MAX;
    for n in 0..room {
        let reply = operator.dispatch("forge/work", None).await;
        assert_eq!(reply["kind"], "ok", "{n}: {reply}");
    }
    let id = nexus_client::new_request_id();
    let asked = json!({"hand": "forge/work", "input": {"n": 1}});
    let full = operator.raw.request_as(id, "dispatch", asked.clone()).await;
    let error = &full["payload"];
    let limit = PENDING_PER_KEY_MAX;
    assert_eq!(
        (code(&full), &error["retryable"], &error["details"]),
        ("queue_full", &json!(true), &json!({"depth": limit, "limit": limit}))
    );
    // Somebody else's work goes on, at once.
    assert_eq!(wren.dispatch("forge/work", None).await["payload"]["state"], "running");
    // A refusal is not remembered: with room, the same id is accepted.
    let lease = forge.item("assignment").await["lease"].clone();
    assert_eq!(forge.request("dispatch.result", result(&lease, json!(1))).await["kind"], "ok");
    // Of the key that was over the soft cap none begins; of the other one has ended, or the other way round.
    let more = forge.item("assignment").await["lease"].clone();
    assert_eq!(forge.request("dispatch.result", result(&more, json!(1))).await["kind"], "ok");
    let accepted = operator.raw.request_as(id, "dispatch", asked).await;
    assert_eq!(accepted["kind"], "ok", "{accepted}");
}

#[tokio::test]
async fn trees_have_a_depth_and_a_breadth() {
    let world = World::new();
    let mut wren = Party::worker(&world, "wren").await;
    let mut operator = Party::operator(&world).await;
    let root = operator.dispatch("wren/work", None).await["payload"]["dispatch"].clone();
    let mut lease = wren.item("assignment").await["lease"].clone();
    for depth in 2..=DISPATCH_DEPTH_MAX {
        let child = wren.dispatch("wren/work", Some(&lease)).await["payload"]["dispatch"].clone();
        let waiting = wren.request("dispatch.wait", json!({"lease": lease, "on": [child]})).await;
        assert_eq!(waiting["payload"]["state"], "waiting", "{waiting}");
        let assigned = wren.item("assignment").await;
        assert_eq!(assigned["depth"], depth, "{assigned}");
        lease = assigned["lease"].clone();
    }
    let deeper = wren.dispatch("wren/work", Some(&lease)).await;
    let (depth, limit) = (DISPATCH_DEPTH_MAX + 1, DISPATCH_DEPTH_MAX);
    assert_eq!(
        (code(&deeper), &deeper["payload"]["details"]),
        ("invalid", &json!({"depth": depth, "limit": limit}))
    );
    // A wait for what is nobody's child is no wait.
    assert_eq!(code(&wren.request("dispatch.wait", json!({"lease": lease, "on": [root]})).await), "invalid");

    let mut moth = Party::worker(&world, "moth").await;
    wren.dispatch("moth/work", None).await;
    let parent = moth.item("assignment").await["lease"].clone();
    for n in 0..CHILDREN_PER_PARENT_MAX {
        let reply = moth.dispatch("wren/work", Some(&parent)).await;
        assert_eq!(reply["kind"], "ok", "{n}: {reply}");
    }
    let broader = moth.dispatch("wren/work", Some(&parent)).await;
    let limit = CHILDREN_PER_PARENT_MAX;
    let details = json!({"depth": limit, "limit": limit, "parent": parent["dispatch"]});
    assert_eq!((code(&broader), &broader["payload"]["details"]), ("queue_full", &details));
    // The end of a parent is the end of all of them.
    let cancelled = operator.request("dispatch.cancel", json!({"dispatch": parent["dispatch"]})).await;
    assert_eq!(cancelled["payload"]["cancelled"].as_array().map(Vec::len), Some(1 + limit), "{cancelled}");
    let open = operator.request("dispatch.list", json!({"open": true, "limit": 200})).await;
    let left = open["payload"]["dispatches"].as_array().map(Vec::len);
    assert_eq!(left, Some(DISPATCH_DEPTH_MAX as usize), "the other tree goes on: {open}");
}

#[tokio::test]
async fn numbers_nobody_means_do_no_harm() {
    let world = World::new();
    let mut wren = Party::worker(&world, "wren").await;
    let mut operator = Party::operator(&world).await;
    let deadlines = [json!(0), json!(u32::MAX), json!(1)];
    let kinds: Vec<Value> = {
        let mut kinds = Vec::new();
        for deadline in &deadlines {
            let payload = json!({"hand": "wren/work", "input": null, "deadline_s": deadline});
            let reply = operator.request("dispatch", payload).await;
            kinds.push(json!([reply["kind"], reply["payload"]["clamped"]]));
        }
        kinds
    };
    assert_eq!(kinds, [json!(["error", null]), json!(["ok", true]), json!(["ok", false])]);
    for wrong in [json!(-1), json!(1.5), json!(u64::MAX), json!("1"), json!([])] {
        let payload = json!({"hand": "wren/work", "input": 1, "deadline_s": wrong});
        assert_eq!(code(&operator.request("dispatch", payload).await), "bad_frame", "{wrong}");
    }
    for hand in
        ["", "/", "wren", "wren/", "/work", "wren/work/more", "../wren/work", "WREN/work", "wren/\u{0}"]
    {
        let reply = operator.request("dispatch", json!({"hand": hand, "input": 1})).await;
        assert!(["bad_frame", "invalid"].contains(&code(&reply)), "{hand:?}: {reply}");
    }
    for hand in ["wren/nothing", "nobody/work"] {
        assert_eq!(code(&operator.request("dispatch", json!({"hand": hand, "input": 1})).await), "not_found");
    }
    // One that registers what could never run, or far too much, is refused and may try again.
    let home = world.home("moth", json!({}), "");
    let mut moth = Raw::aspect(&world, &home).await;
    let hand = |over: Value| {
        let mut hand = json!({"name": "work"});
        for (key, value) in over.as_object().into_iter().flatten() {
            hand[key] = value.clone();
        }
        hand
    };
    let many: Vec<Value> = (0..65).map(|n| json!({"name": format!("work-{n}")})).collect();
    let refused = [
        json!({"hands": [hand(json!({"concurrency": 0}))]}),
        json!({"hands": [hand(json!({"timeout_s": 0}))]}),
        json!({"hands": [hand(json!({})), hand(json!({}))]}),
        json!({"hands": many}),
        json!({"slots": 1025}),
        json!({"leases": vec![json!({"lease": {"dispatch": nexus_client::new_request_id(), "attempt": 1}}); 1025]}),
    ];
    for register in refused {
        let reply = moth.request("register", register).await;
        assert_eq!(code(&reply), "invalid", "{reply}");
    }
    let made_up =
        json!({"lease": {"dispatch": nexus_client::new_request_id(), "attempt": u32::MAX}, "waiting": true});
    let reply = moth.request("register", json!({"leases": [made_up], "last_generation": u64::MAX})).await;
    assert_eq!(reply["payload"]["lost"], json!([made_up["lease"]]), "{reply}");
    assert_eq!(code(&moth.request("register", json!({})).await), "already_registered");
    for offset in [json!(1), json!(u64::MAX)] {
        assert_eq!(code(&moth.request("ack", json!({"offset": offset})).await), "invalid", "{offset}");
    }
    // The worker whose leases were spoken of is none the wiser.
    let kinds = wren.unasked().await;
    assert!(
        !kinds.is_empty() && kinds.iter().all(|kind| kind == "assignment" || kind == "cancel"),
        "{kinds:?}"
    );
}

#[tokio::test]
async fn a_hand_for_some_is_for_them_and_people_alone() {
    let world = World::new();
    let hand =
        json!({"name": "work", "allowed_invokers": ["wren"], "concurrency": 64, "capabilities": ["weld"]});
    let mut forge = Party::offering(&world, "forge", hand).await;
    let (mut wren, mut moth) = (Party::worker(&world, "wren").await, Party::worker(&world, "moth").await);
    let refused = moth.dispatch("forge/work", None).await;
    assert_eq!(code(&refused), "forbidden", "{refused}");
    assert_eq!(refused["payload"]["details"], json!({"allowed_invokers": ["wren"]}));
    // Nor by what it can do, nor for somebody's work that it was given.
    let wanted = json!({"capability": {"needs": ["weld"]}, "input": {}});
    let refused = moth.request("dispatch", wanted.clone()).await;
    assert_eq!(code(&refused), "no_candidate", "{refused}");
    wren.dispatch("moth/work", None).await;
    let lease = moth.item("assignment").await["lease"].clone();
    assert_eq!(code(&moth.dispatch("forge/work", Some(&lease)).await), "forbidden");
    assert_eq!(forge.unasked().await, Vec::<Value>::new(), "nothing of it reached it");
    assert_eq!(wren.dispatch("forge/work", None).await["kind"], "ok");
    assert_eq!(wren.request("dispatch", wanted).await["kind"], "ok");
    let people = world.nexctl(&["dispatch", "forge/work", "{}"]);
    assert!(people.status.success(), "{people:?}");
    for invoker in ["wren", "wren", "operator/admin"] {
        assert_eq!(forge.item("assignment").await["invoker"], invoker);
    }
}

#[tokio::test]
async fn an_output_that_does_not_fit_may_be_put_right_once() {
    let world = World::new();
    let schema = json!({"type": "object", "required": ["ok"], "properties": {"ok": {"type": "boolean"}}});
    let hand = json!({"name": "work", "output_schema": schema, "concurrency": 64});
    let mut forge = Party::offering(&world, "forge", hand).await;
    let mut operator = Party::operator(&world).await;
    let (right, wrong) = (json!({"ok": true}), json!({"ok": "yes"}));
    for (outputs, state) in [([&wrong, &right], "done"), ([&wrong, &wrong], "failed")] {
        let work = operator.dispatch("forge/work", None).await["payload"]["dispatch"].clone();
        let lease = forge.item("assignment").await["lease"].clone();
        let [first, second] = outputs;
        let refused = forge.request("dispatch.result", result(&lease, first.clone())).await;
        let details = &refused["payload"]["details"];
        assert_eq!((code(&refused), &details["state"]), ("invalid_output", &json!("running")), "{refused}");
        assert!(details["faults"].to_string().contains("/ok"), "{refused}");
        let reply = forge.request("dispatch.result", result(&lease, second.clone())).await;
        let info = operator.request("dispatch.status", json!({"dispatch": work})).await["payload"].clone();
        assert_eq!(info["state"], state, "{info}");
        if state == "done" {
            assert_eq!((&reply["kind"], &info["output"]), (&json!("ok"), &right));
        } else {
            assert_eq!((code(&reply), &info["error"]["code"]), ("invalid_output", &json!("invalid_output")));
            let third = forge.request("dispatch.result", result(&lease, right.clone())).await;
            assert_eq!(code(&third), "stale_token", "{third}");
        }
    }
    let dead = world.nexctl_json(&["get", "dispatches", "--dead"]);
    assert_eq!(dead["dispatches"].as_array().map(Vec::len), Some(1), "{dead}");
}
