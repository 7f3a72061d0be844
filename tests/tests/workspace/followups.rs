//! What somebody comes back to, and what is looked at again and again, through a broker that keeps a workspace.

use std::process::Command;
use std::time::Duration;

use jiff::{Timestamp, tz::TimeZone};
use nexus_tests::{World, wait_until};
use serde_json::{Value, json};

use super::common::{put, said};

/// On whose clock it is half past when it is full in UTC, all year.
const ZONE: &str = "Asia/Kolkata";

fn in_an_hour() -> String {
    let zone = TimeZone::get(ZONE).expect("it is known");
    let then = Timestamp::now() + Duration::from_secs(3660);
    then.to_zoned(zone).strftime("%Y-%m-%dT%H:%M").to_string()
}

/// Who said what in the trigger's thread.
fn talk(world: &World, trigger: &str) -> Vec<(String, String)> {
    let info = world.nexctl_json(&["trigger", "show", trigger]);
    let Some(thread) = info["thread"].as_str() else { return Vec::new() };
    let page = world.nexctl_json(&["get", "messages", thread]);
    let text = |value: &Value| value.as_str().expect("a text").to_owned();
    let messages = page["messages"].as_array().expect("a list").iter();
    messages.map(|message| (text(&message["from"]), text(&message["content"]))).collect()
}

/// kill -9, of the broker itself where another program has started it.
fn kill(world: &mut World) {
    let run =
        std::fs::read_to_string(world.data().join("nexus.run")).expect("a ready broker says where it is");
    let run: Value = serde_json::from_str(&run).expect("JSON");
    let killed = Command::new("kill").args(["-9", &run["pid"].to_string()]).status();
    assert!(killed.is_ok_and(|status| status.success()), "{run}");
    world.broker_mut().wait();
    world.kill_broker();
}

/// State, how many it stands for, and whether it was caught up.
fn told(slots: &[Value]) -> Vec<Value> {
    slots.iter().map(|slot| json!([slot["state"], slot["count"], slot["caught_up"]])).collect()
}

#[test]
fn what_has_come_due_meanwhile_is_asked_once_though_the_broker_is_killed_over_it() {
    let mut world = World::asleep().flag("--workspace").flag("workspace");
    said(&world, &["init", "demo"]);
    let followup = format!(
        "- {{ id: tax, at: {}, timezone: {ZONE}, ask: harrow, text: 'Is the tax paid? {{{{ trigger.no }}}}' }}\n",
        in_an_hour()
    );
    put(&world, "followups.yaml", &followup);
    put(&world, "checks.yaml", "- { id: books, every: 1h, ask: harrow, text: Are the books in order? }\n");
    world.start_broker();
    wait_until("both to be loaded", || {
        let shown = |name: &str| world.nexctl(&["trigger", "show", name]).status.success();
        (shown("followup-tax") && shown("check-books")).then_some(())
    });
    world.broker().wait_for_text("harrow registered");
    assert_eq!((world.slots("followup-tax"), world.slots("check-books")), (vec![], vec![]), "it is not time");
    let plan = world.nexctl_json(&["trigger", "next", "followup-tax"]);
    let due = plan["slots"][0]["slot"].clone();

    // The first slot of each is missed by half an hour; whatever has come of it by then, it is killed again.
    kill(&mut world);
    world.start_broker_under(&["faketime", "+90 minutes"]);
    wait_until("both to have begun", || {
        let begun = |name: &str| !world.slots(name).is_empty();
        (begun("followup-tax") && begun("check-books")).then_some(())
    });
    for minutes in ["+91 minutes", "+92 minutes"] {
        kill(&mut world);
        world.start_broker_under(&["faketime", minutes]);
    }
    let once = json!(["done", 1, true]);
    let (tax, books) = (world.ended_slots("followup-tax", 1), world.ended_slots("check-books", 1));
    assert_eq!((told(&tax), told(&books)), (vec![once.clone()], vec![once.clone()]));
    assert_eq!(tax[0]["slot"], due);
    let asked = |name: &str| -> Vec<(String, String)> {
        talk(&world, name).into_iter().filter(|(from, _)| from == "operator/workspace").collect()
    };
    let by = "operator/workspace".to_owned();
    assert_eq!(asked("followup-tax"), [(by.clone(), "Is the tax paid? 1".to_owned())]);
    assert_eq!(asked("check-books"), [(by, "Are the books in order?".to_owned())]);
    for name in ["followup-tax", "check-books"] {
        let answers = talk(&world, name).into_iter().filter(|(from, _)| from == "harrow").count();
        assert_eq!(answers, 1, "{name}: {:?}", talk(&world, name));
    }

    // An hour later only the check is due again.
    kill(&mut world);
    world.start_broker_under(&["faketime", "+150 minutes"]);
    let books = world.ended_slots("check-books", 2);
    assert_eq!(told(&books), [once.clone(), once.clone()]);
    assert_eq!(told(&world.slots("followup-tax")), [once]);
    assert_eq!(world.nexctl_json(&["trigger", "show", "followup-tax"])["status"], "done");
}
