//! `nexus serve --spawn`: the broker runs the agents of a folder of homes, and none outlives it.

use std::path::{Path, PathBuf};

use nexus_tests::{World, wait_until};
use serde_json::json;

const SCRIPT: &str = "[[rule]]\nmatch = \"say (?P<what>.+)\"\n[[rule.step]]\nsay = \"you said {{ what }}\"\n";

/// A home nobody has let in yet.
fn home(world: &World, name: &str) -> PathBuf {
    let home = world.dir().join("agents").join(name);
    std::fs::create_dir_all(home.join("work")).expect("the folder is ours");
    let settings = json!({"name": name}).to_string();
    for (file, text) in [("aspect.json", settings.as_str()), ("SOUL.md", "I am."), ("script.toml", SCRIPT)] {
        std::fs::write(home.join(file), text).expect("the folder is ours");
    }
    home
}

fn spawning() -> World {
    let world = World::asleep().flag("--spawn").flag("agents");
    std::fs::create_dir(world.dir().join("agents")).expect("the folder is ours");
    world
}

fn answers(world: &World, name: &str) {
    let out = world.nexctl(&["ask", name, "say hello"]);
    assert!(out.status.success(), "{}", nexus_tests::world::text(&out));
}

/// Waits for the `nth` line of `name` that says so.
fn wait_for(world: &World, name: &str, text: &str, nth: usize) {
    let mut seen = 0;
    world.broker().wait_for(text, |line| {
        let is_it = line.trim_start().starts_with(&format!("{name} │ ")) && line.contains(text);
        seen += usize::from(is_it);
        (seen == nth).then_some(())
    });
}

/// Processes that run in one of these homes.
fn agents(homes: &Path) -> Vec<u32> {
    let homes = homes.display().to_string();
    let all = std::fs::read_dir("/proc").expect("there is a /proc").filter_map(|entry| {
        let pid: u32 = entry.ok()?.file_name().to_string_lossy().parse().ok()?;
        let command = std::fs::read(format!("/proc/{pid}/cmdline")).ok()?;
        let command = String::from_utf8_lossy(&command).into_owned();
        (command.contains("--with-parent") && command.contains(&homes)).then_some(pid)
    });
    all.collect()
}

fn kill(pid: u32, signal: &str) {
    let done = std::process::Command::new("kill").args([signal, &pid.to_string()]).status();
    assert!(done.is_ok_and(|status| status.success()));
}

#[test]
fn homes_are_let_in_started_and_started_again_and_end_with_the_broker() {
    let mut world = spawning();
    let homes = world.dir().join("agents");
    home(&world, "wren");
    world.start_broker();
    wait_for(&world, "wren", "registered", 1);
    answers(&world, "wren");

    home(&world, "keel");
    wait_for(&world, "keel", "registered", 1);
    assert_eq!(agents(&homes).len(), 2);

    for pid in agents(&homes) {
        kill(pid, "-KILL");
    }
    wait_for(&world, "wren", "registered", 2);
    wait_for(&world, "keel", "registered", 2);
    world.broker().wait_for_text("wren ended (signal: 9 (SIGKILL)); starting it again in 1 s");
    answers(&world, "keel");
    let team = world.nexctl_json(&["get", "aspects"]);
    let processes = team["aspects"].as_array().expect("a list").iter().map(|aspect| &aspect["process"]);
    let killed = json!({"restarts": 1, "last_end": "signal: 9 (SIGKILL)"});
    assert_eq!(processes.collect::<Vec<_>>(), [&killed, &killed]);
    let metrics = world.http("GET", "/metrics", "", "");
    assert!(metrics.contains("nexus_agent_restarts_total 2"), "{metrics}");

    let audit = world.nexctl_json(&["audit", "--kind", "aspect.restarted"]);
    let subjects = audit["entries"].as_array().expect("a list").iter().map(|entry| entry["subject"].as_str());
    let mut subjects: Vec<&str> = subjects.flatten().collect();
    subjects.sort_unstable();
    assert_eq!(subjects, ["keel: signal: 9 (SIGKILL)", "wren: signal: 9 (SIGKILL)"], "{audit}");

    std::fs::remove_dir_all(homes.join("keel")).expect("removed");
    world.broker().wait_for_text("keel ended (exit status: 0)");

    world.broker().signal("TERM");
    assert_eq!(world.broker_mut().wait().code(), Some(0));
    assert_eq!(agents(&homes), [0_u32; 0]);
    assert!(world.broker().text().contains("wren ended (exit status: 0)"), "{}", world.broker().text());
}

/// Keys and messages of the open alerts.
fn alerts(world: &World) -> Vec<(String, String)> {
    let page = world.nexctl_json(&["get", "alerts"]);
    let text = |alert: &serde_json::Value, field: &str| alert[field].as_str().unwrap_or_default().to_owned();
    let alerts = page["alerts"].as_array().expect("a list");
    alerts.iter().map(|alert| (text(alert, "key"), text(alert, "message"))).collect()
}

#[test]
fn an_agent_that_cannot_run_is_an_alert_until_it_can_or_is_gone() {
    let mut world = spawning();
    let wren = home(&world, "wren");
    let settings = wren.join("aspect.json");
    std::fs::write(&settings, r#"{"name": "wren", "slots": 5000}"#).expect("the folder is ours");
    world.start_broker();
    let alert = || {
        wait_until("the alert", || {
            let alerts = alerts(&world);
            alerts.first().map(|(key, message)| (alerts.len(), key.clone(), message.clone()))
        })
    };
    let (count, key, message) = alert();
    assert_eq!((count, key.as_str()), (1, "aspect_failing/wren"));
    let advice = format!("agent check {}", wren.display());
    assert!(message.contains("exit status: 5") && message.contains("says what to put right"), "{message}");
    assert!(message.contains(&advice) || message.contains("agent check agents/wren"), "{message}");
    std::fs::remove_dir_all(&wren).expect("removed");
    wait_until("its end", || alerts(&world).is_empty().then_some(()));

    // One that ends by itself three times in a row, whoever is to blame.
    home(&world, "keel");
    let homes = world.dir().join("agents");
    for start in 1..=3 {
        wait_for(&world, "keel", "registered", start);
        agents(&homes).into_iter().for_each(|pid| kill(pid, "-KILL"));
    }
    let (_, key, message) = alert();
    assert_eq!(key, "aspect_failing/keel");
    assert!(message.contains("ends soon after each start (signal: 9 (SIGKILL))"), "{message}");
    // The next broker looks for itself.
    world.kill_broker();
    std::fs::remove_dir_all(homes.join("keel")).expect("removed");
    world.start_broker();
    assert_eq!(alerts(&world), []);
}

#[test]
fn no_agent_outlives_a_broker_that_is_killed() {
    let mut world = spawning();
    let homes = world.dir().join("agents");
    home(&world, "wren");
    home(&world, "keel");
    world.start_broker();
    wait_for(&world, "wren", "registered", 1);
    wait_for(&world, "keel", "registered", 1);
    let first = agents(&homes);
    assert_eq!(first.len(), 2);
    world.kill_broker();
    wait_until("the agents gone", || agents(&homes).is_empty().then_some(()));
    world.start_broker();
    wait_for(&world, "wren", "registered", 1);
    answers(&world, "wren");
}

#[test]
fn who_is_held_stays_down_until_released_also_across_a_restart() {
    let mut world = spawning();
    let homes = world.dir().join("agents");
    home(&world, "wren");
    world.start_broker();
    wait_for(&world, "wren", "registered", 1);
    let out = world.nexctl(&["hold", "wren", "--reason", "a test"]);
    assert!(out.status.success(), "{}", nexus_tests::world::text(&out));
    world.broker().wait_for_text("wren is held; starting it again when it is released");
    assert_eq!(agents(&homes), [0_u32; 0]);
    world.restart_broker();
    home(&world, "keel");
    wait_for(&world, "keel", "registered", 1);
    assert_eq!(agents(&homes).len(), 1, "keel alone");
    let out = world.nexctl(&["release", "wren"]);
    assert!(out.status.success(), "{}", nexus_tests::world::text(&out));
    wait_for(&world, "wren", "registered", 1);
    answers(&world, "wren");
}

#[test]
fn a_fault_is_named_and_the_home_tried_again_when_it_changes() {
    let mut world = spawning();
    let wren = home(&world, "wren");
    std::fs::write(wren.join("aspect.json"), "{\n  \"name\": \"wren\",\n  \"slots\": 0\n}\n")
        .expect("written");
    world.start_broker();
    wait_for(&world, "wren", "agents/wren/aspect.json:3:12: slots: 0 is too small; at least 1", 1);
    world.broker().wait_for_text("starting it again when something changes in");
    std::fs::write(wren.join("aspect.json"), "{\"name\": \"wren\"}").expect("written");
    wait_for(&world, "wren", "registered", 1);
    answers(&world, "wren");
}

#[test]
fn who_was_shut_out_is_not_let_in_again() {
    let mut world = spawning();
    let wren = home(&world, "wren");
    world.start_broker();
    wait_for(&world, "wren", "registered", 1);
    let data = world.data().display().to_string();
    let out = world.run("nexus", &["aspect", "revoke", "wren", "--data", &data]);
    assert!(out.status.success(), "{}", nexus_tests::world::text(&out));
    world.broker().wait_for_text("wren ended (exit status: 5)");
    std::fs::remove_file(wren.join(".nexus/key.json")).expect("removed");
    world.broker().wait_for_text("wren was shut out; to let it in again: nexus aspect add wren");
    assert!(!wren.join(".nexus/key.json").exists());
    let home = wren.display().to_string();
    let out = world.run("nexus", &["aspect", "add", "wren", "--home", &home, "--data", &data]);
    assert!(out.status.success(), "{}", nexus_tests::world::text(&out));
    wait_for(&world, "wren", "registered", 2);
}

#[test]
fn what_cannot_be_spawned_is_said_at_once() {
    let world = World::asleep();
    let data = world.data().display().to_string();
    let out =
        world.run("nexus", &["serve", "--data", &data, "--listen", "127.0.0.1:0", "--spawn", "nowhere"]);
    assert_eq!(out.status.code(), Some(1));
    let told = String::from_utf8_lossy(&out.stderr).into_owned();
    assert!(told.contains("cannot look for homes in") && told.contains("correct --spawn"), "{told}");
    std::fs::create_dir(world.dir().join("agents")).expect("the folder is ours");
    let out = world.run(
        "nexus",
        &["serve", "--data", &data, "--listen", "127.0.0.1:0", "--spawn", "agents", "--agent-bin", "gone"],
    );
    assert_eq!(out.status.code(), Some(1));
    let told = String::from_utf8_lossy(&out.stderr).into_owned();
    assert!(told.contains("gone; build it, or name it with --agent-bin"), "{told}");
}
