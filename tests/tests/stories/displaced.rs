//! Two processes of one aspect: the one that came last has the link, and the other leaves it to that one.

use std::path::{Path, PathBuf};
use std::process::Command;

use nexus_tests::{Process, World, wait_until};
use serde_json::{Value, json};

const SCRIPT: &str = "[[rule]]\nmatch = \"say (?P<what>.+)\"\n[[rule.step]]\nsay = \"you said {{ what }}\"\n";

/// Of everything in it, the key included.
fn copy_of(world: &World, home: &Path) -> PathBuf {
    let copy = world.dir().join("copy");
    let copied = Command::new("cp").arg("-a").args([home, &copy]).status();
    assert!(copied.expect("cp runs").success());
    copy
}

/// A home nobody has let in yet.
fn unknown_home(world: &World, name: &str) -> PathBuf {
    let home = world.dir().join("agents").join(name);
    std::fs::create_dir_all(home.join("work")).expect("the folder is ours");
    let settings = json!({"name": name}).to_string();
    for (file, text) in [("SOUL.md", "I am."), ("script.toml", SCRIPT), ("aspect.json", &settings)] {
        std::fs::write(home.join(file), text).expect("the folder is ours");
    }
    home
}

fn ask(world: &World, what: &str) {
    let out = world.nexctl(&["ask", "wren", &format!("say {what}")]);
    let told = nexus_tests::world::text(&out);
    assert!(out.status.success() && told.contains(&format!("you said {what}")), "{told}");
}

/// Who is there, in which state, and with which of their links.
fn roster(world: &World) -> Vec<Value> {
    let team = world.nexctl_json(&["get", "aspects"]);
    let aspects = team["aspects"].as_array().expect("a list").iter();
    aspects.map(|it| json!([it["name"], it["state"], it["generation"]])).collect()
}

#[test]
fn the_process_that_was_there_first_ends_and_leaves_the_link_to_the_second() {
    let world = World::new();
    let home = world.home("wren", json!({}), SCRIPT);
    let mut first = world.agent(&home);
    ask(&world, "ahoy");
    // Copied as it is at one moment, and so no older than what the broker has seen of it.
    first.signal("STOP");
    let copy = copy_of(&world, &home);
    first.signal("CONT");
    let second = Process::start("copy", world.command("agent").arg(&copy));
    second.wait_for_text("(generation 2)");

    assert_eq!(first.wait().code(), Some(3));
    let told = first.text();
    assert!(told.contains("another process has taken over as wren; leaving it to that one"), "{told}");
    assert!(!told.contains("dialling again"), "{told}");
    let alone = [json!(["wren", "online", 2])];
    wait_until("the second alone in the roster", || (roster(&world) == alone).then_some(()));
    ask(&world, "still there");
    wait_until("the second at rest, with that link", || (roster(&world) == alone).then_some(()));
}

#[test]
fn a_process_of_the_broker_that_was_displaced_is_not_started_again() {
    let mut world = World::asleep().flag("--spawn").flag("agents");
    let wren = unknown_home(&world, "wren");
    world.start_broker();
    world.broker().wait_for_text("wren registered with");
    // Copied where no process of it is at work.
    world.broker().signal("TERM");
    assert_eq!(world.broker_mut().wait().code(), Some(0));
    let copy = copy_of(&world, &wren);
    world.start_broker();
    world.broker().wait_for_text("(generation 2)");
    let second = Process::start("copy", world.command("agent").arg(&copy));
    second.wait_for_text("(generation 3)");
    let told = "wren ended (exit status: 3); starting it again when something changes in";
    world.broker().wait_for_text(told);

    // Whoever looks after the homes has looked at them again by the time this one is there.
    unknown_home(&world, "keel");
    world.broker().wait_for_text("keel registered with");
    assert_eq!(roster(&world), [json!(["keel", "online", 1]), json!(["wren", "online", 3])]);
    let team = world.nexctl_json(&["get", "aspects"]);
    assert_eq!(team["aspects"][1]["process"], json!({"restarts": 0, "last_end": "exit status: 3"}));
    ask(&world, "still there");
}
