//! What is kept no longer goes while the broker runs, and whoever comes from before is told what is missing.

use nexus_tests::World;
use nexus_tests::raw::Raw;
use nexus_tests::world::text;
use serde_json::json;

fn verify(world: &World, more: &[&str]) -> (i32, String) {
    let data = world.data().to_string_lossy().into_owned();
    let out = world.run("nexus", &[&["verify", "--data", &data], more].concat());
    (out.status.code().expect("it was not killed"), text(&out))
}

/// Waits for an entry of this kind in the log.
async fn logged(operator: &mut Raw, kind: &str) {
    loop {
        let entry = operator.next_of("log").await;
        if entry["payload"]["body"]["kind"] == kind {
            return;
        }
    }
}

#[tokio::test]
async fn a_client_from_before_is_told_of_the_gap_and_goes_on() {
    // A second, and two.
    let mut world = World::asleep().config("[retention]\ninbox_days = 0.0000116\nlog_days = \"0.0000232\"\n");
    world.start_broker();
    let home = world.home("wren", json!({}), "");
    let (mut wren, first) = Raw::registered(&world, &home, json!({})).await;
    let mut operator = Raw::operator(&world).await;
    let mut items = Vec::new();
    for n in 0..140 {
        operator.request("chat.send", json!({"to": ["wren"], "content": format!("{n}")})).await;
        let delivered = wren.next_of("deliver").await;
        wren.send("ack", None, json!({"offset": delivered["payload"]["offset"]})).await;
        items.push(delivered["payload"]["item"]["id"].clone());
    }
    let (code, head) = verify(&world, &["--export-head"]);
    assert_eq!(code, 0, "{head}");
    let head = head.lines().nth(1).expect("a head").to_owned();
    operator.request("subscribe", json!({"from_seq": 0})).await;
    logged(&mut operator, "inbox.pruned").await;
    drop(wren);
    // The second block may go a little later than the first.
    let (mut floor, mut frames) = (0, Vec::new());
    while floor < 128 {
        let resume = json!({"epoch": first["epoch"], "offset": 10, "item": items[9]});
        let register = json!({"resume": resume, "last_generation": 1_000_000});
        let (mut wren, registered) = Raw::registered(&world, &home, register).await;
        assert_eq!((&registered["epoch"], &registered["offset"]), (&first["epoch"], &json!(10)));
        let gap = wren.next_of("gap").await["payload"].clone();
        assert_eq!(gap["from"], 11, "{gap}");
        floor = gap["to"].as_u64().expect("a gap has an end");
        frames = vec![wren.next_of("deliver").await["payload"].clone()];
        wren.send("ack", None, json!({"offset": frames[0]["offset"]})).await;
    }
    assert_eq!(floor, 128);
    assert_eq!((&frames[0]["offset"], &frames[0]["item"]["id"]), (&json!(129), &items[128]));

    logged(&mut operator, "log.pruned").await;
    let (code, said) = verify(&world, &[]);
    assert_eq!(code, 0, "{said}");
    let (_, newer) = verify(&world, &["--export-head"]);
    let newer = newer.lines().nth(1).expect("a head").to_owned();
    let (code, said) = verify(&world, &["--against", &newer]);
    // Pruned on meanwhile, or contained.
    assert!(code == 0 || said.contains("not kept any more"), "{said}");
    world.restart_broker();
    let (code, said) = verify(&world, &["--against", &head]);
    assert!(code == 0 || said.contains("not kept any more"), "{said}");
    let mut operator = Raw::operator(&world).await;
    let sent = operator.request("chat.send", json!({"to": ["wren"], "content": "still here"})).await;
    assert_eq!(sent["kind"], "ok", "{sent}");
}
