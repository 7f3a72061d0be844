//! Two runners that can do the same, and one of them is lost.

use std::fs;

use nexus_tests::{World, wait_until};
use serde_json::{Value, json};

use super::common::runner;

fn script(run: &[&str]) -> Value {
    json!({"scripts": {"today": {"run": run, "repeatable": true}}})
}

#[test]
fn what_a_lost_runner_had_is_done_by_the_other_once_and_only_there_what_was_named() {
    let mut world = World::asleep().config("[hands]\nlease_s = 11\n");
    world.start_broker();
    let ash = runner(&world, "ash", script(&["sh", "-c", "touch begun; sleep 1000"]));
    let mut first = world.agent(&ash);
    let input = r#"{"name": "today"}"#;
    let send = |words: &[&str]| {
        let sent = world.nexctl_json(&[&["dispatch"], words, &[input]].concat());
        (sent["dispatch"].as_str().expect("an id").to_owned(), sent["chosen"].clone())
    };
    let (moved, chosen) = send(&["--needs", "repeatable"]);
    assert_eq!(chosen, json!("ash/script-repeatable"));
    wait_until("it to begin", || fs::exists(ash.join("work/begun")).is_ok_and(|is| is).then_some(()));
    let _second = world.agent(&runner(&world, "birch", script(&["echo", "by birch"])));
    first.kill();
    let (named, _) = send(&["ash/script-repeatable"]);

    let status = |id: &str| world.nexctl_json(&["get", "dispatches", id]);
    let info = wait_until("it to end", || Some(status(&moved)).filter(|info| info["state"] == "done"));
    assert_eq!(
        (&info["hand"], &info["attempt"], &info["output"]["output"]),
        (&json!("birch/script-repeatable"), &json!(2), &json!("by birch\n"))
    );
    assert_eq!(info["capability"], json!({"needs": ["repeatable"]}));
    assert_eq!(
        (&info["earlier"][0]["aspect"], &info["earlier"][0]["stop"]["attempt"]),
        (&json!("ash"), &json!(1))
    );
    let steps = world.nexctl_json(&["audit", "--subject", &moved]);
    let kinds: Vec<&str> = steps["entries"]
        .as_array()
        .expect("rows")
        .iter()
        .rev()
        .filter_map(|it| it["kind"].as_str())
        .collect();
    assert_eq!(
        kinds,
        ["accepted", "assigned", "work_cancelled", "moved", "assigned", "ended"]
            .map(|step| format!("dispatch.{step}"))
    );
    let shown = world.nexctl(&["get", "dispatches", &moved]);
    let shown = String::from_utf8_lossy(&shown.stdout).into_owned();
    for line in [
        "asked of whoever can repeatable",
        "moved from ash/script-repeatable to birch/script-repeatable",
        "ash had it before and was told to stop",
    ] {
        assert!(shown.contains(line), "{line:?} is not in\n{shown}");
    }
    assert_eq!(status(&named)["state"], "pending");

    // The one that was lost is told, and does what was meant for it alone.
    fs::write(ash.join("aspect.json"), {
        let text = fs::read_to_string(ash.join("aspect.json")).expect("its settings");
        text.replace("touch begun; sleep 1000", "echo by ash")
    })
    .expect("written");
    let _first = world.agent(&ash);
    let info = wait_until("it to end", || Some(status(&named)).filter(|info| info["state"] == "done"));
    assert_eq!(
        (&info["hand"], &info["output"]["output"]),
        (&json!("ash/script-repeatable"), &json!("by ash\n"))
    );
    let info = wait_until("it to confirm", || {
        Some(status(&moved)).filter(|info| info["earlier"][0]["stop"]["confirmed_at"].is_number())
    });
    assert_eq!(
        (&info["hand"], &info["attempt"], &info["state"]),
        (&json!("birch/script-repeatable"), &json!(2), &json!("done"))
    );
}
