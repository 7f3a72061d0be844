//! How an agent ends, and how it goes on when its key changes.

use std::path::{Path, PathBuf};
use std::process::Child;

use nexus_tests::{Process, World, wait_until};
use serde_json::json;

const SCRIPT: &str = r#"
[[rule]]
match = "hold"
[[rule.step]]
name = "note"
call = "list_files"
args = { path = "work" }
[[rule.step]]
hold = "go"
say = "let go"

[[rule]]
match = "say (?P<what>.+)"
[[rule.step]]
say = "you said {{ what }}"
"#;

fn home(world: &World) -> PathBuf {
    world.home("wren", json!({"tools": ["list_files"]}), SCRIPT)
}

/// An agent in the middle of a turn, and who waits for its answer.
fn at_work(world: &World, home: &Path, args: &[&str]) -> (Process, Child) {
    let agent = Process::start("wren", world.command("agent").arg(home).args(args));
    agent.wait_for_text("registered");
    let mut asking = world.nexctl_command(&["ask", "wren", "hold"]);
    let asking = asking.stdout(std::process::Stdio::piped()).spawn().expect("nexctl runs");
    wait_until("the turn in its last step", || {
        let files = std::fs::read_dir(home.join("session/threads")).ok()?;
        let texts = files.filter_map(|file| std::fs::read_to_string(file.ok()?.path()).ok());
        texts.into_iter().any(|text| text.contains("turn.tool_result")).then_some(())
    });
    (agent, asking)
}

fn answered(asking: Child) -> bool {
    let out = asking.wait_with_output().expect("nexctl ends");
    out.status.success() && String::from_utf8_lossy(&out.stdout).contains("let go")
}

fn state(world: &World) -> String {
    world.nexctl_json(&["get", "aspects"])["aspects"][0]["state"].as_str().expect("a state").to_owned()
}

#[test]
fn a_turn_that_has_begun_ends_before_its_process_does() {
    let world = World::new();
    let home = home(&world);
    let (mut agent, asking) = at_work(&world, &home, &["--grace", "1h"]);
    agent.signal("TERM");
    agent.wait_for_text("stopping: turns at work may end within 3600 s");
    std::fs::write(home.join("go"), "").expect("written");
    assert!(answered(asking), "the answer came before the process ended");
    assert_eq!(agent.wait().code(), Some(0));
    assert_eq!(state(&world), "offline");
}

#[test]
fn a_second_signal_stops_at_once_and_the_turn_goes_on_at_the_next_start() {
    let world = World::new();
    let home = home(&world);
    let (mut agent, asking) = at_work(&world, &home, &["--grace", "1h"]);
    agent.signal("TERM");
    agent.wait_for_text("stopping: turns at work");
    agent.signal("INT");
    assert_eq!(agent.wait().code(), Some(0));
    std::fs::write(home.join("go"), "").expect("written");
    let again = world.agent(&home);
    assert!(answered(asking));
    assert!(again.text().contains("going on with a turn that was interrupted"));
}

#[test]
fn a_turn_that_takes_longer_than_the_grace_goes_on_at_the_next_start() {
    let world = World::new();
    let home = home(&world);
    let (mut agent, asking) = at_work(&world, &home, &["--grace", "1s"]);
    agent.signal("TERM");
    assert_eq!(agent.wait().code(), Some(0));
    assert!(agent.text().contains("some turns have not ended in time"));
    std::fs::write(home.join("go"), "").expect("written");
    let _again = world.agent(&home);
    assert!(answered(asking));
}

#[test]
fn a_time_without_its_unit_is_refused() {
    let world = World::asleep();
    let out = world.run("agent", &["somewhere", "--grace", "10"]);
    assert_eq!(out.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&out.stderr).contains("say the unit: 10s, 10m or 10h"));
}

/// The agent's process stays the same.
#[test]
fn a_new_key_is_taken_from_the_home_and_an_agent_that_is_shut_out_ends() {
    let world = World::new();
    let home = home(&world);
    let mut agent = world.agent(&home);
    let (data, at) = (world.data().display().to_string(), home.display().to_string());
    for (generation, overlap) in [(2, "0s"), (3, "10m")] {
        let rotate = ["aspect", "rotate", "wren", "--home", &at, "--data", &data, "--overlap", overlap];
        let out = world.run("nexus", &rotate);
        assert!(out.status.success(), "{}", nexus_tests::world::text(&out));
        agent.wait_for_text(&format!("(generation {generation})"));
        let out = world.nexctl(&["ask", "wren", "say hello"]);
        assert!(out.status.success(), "{}", nexus_tests::world::text(&out));
    }
    let out = world.run("nexus", &["aspect", "revoke", "wren", "--data", &data]);
    assert!(out.status.success(), "{}", nexus_tests::world::text(&out));
    assert_eq!(agent.wait().code(), Some(5));
    let told = "the key was revoked or replaced; an admin lets it in again with: nexus aspect add wren";
    assert!(agent.text().contains(told), "{}", agent.text());
}

/// The outbox may hold one post; what it is full of, and what waits for it, is in the books of nobody but the disk's.
#[test]
fn turns_wait_for_a_broker_that_is_away_and_a_kill_with_a_full_outbox_loses_nothing() {
    const THREADS: usize = 3;
    let mut world = World::new();
    let settings = json!({"tools": ["list_files"], "budgets": {"outbox_posts": 1}});
    let home = world.home("wren", settings, SCRIPT);
    let mut agent = world.agent(&home);
    let threads: Vec<String> = (0..THREADS)
        .map(|_| {
            let said = world.nexctl_json(&["say", "--to", "wren", "hold"]);
            said["thread"].as_str().expect("a thread").to_owned()
        })
        .collect();
    wait_until("all turns in their last step", || {
        let files = std::fs::read_dir(home.join("session/threads")).ok()?;
        let texts = files.filter_map(|file| std::fs::read_to_string(file.ok()?.path()).ok());
        (texts.filter(|text| text.contains("turn.tool_result")).count() == THREADS).then_some(())
    });
    world.kill_broker();
    agent.wait_for_text("no link to the broker");
    std::fs::write(home.join("go"), "").expect("written");
    agent.wait_for_text("turns wait until it has taken some");
    agent.kill();
    let agent = world.agent_under(&[], &home);
    agent.wait_for_text("going on from what was left open");
    world.start_broker();
    for thread in threads {
        let replies = wait_until("the answer", || {
            let page = world.nexctl_json(&["get", "messages", &thread]);
            let messages = page["messages"].as_array().expect("messages").clone();
            let replies: Vec<_> = messages.into_iter().filter(|it| it["from"] == "wren").collect();
            (!replies.is_empty()).then_some(replies)
        });
        let told: Vec<_> = replies.iter().map(|it| it["content"].as_str().expect("text")).collect();
        assert_eq!(told, ["let go"]);
    }
}

/// Keys and messages of the alerts that are open.
fn alerts(world: &World) -> Vec<(String, String)> {
    let page = world.nexctl_json(&["get", "alerts"]);
    let text = |alert: &serde_json::Value, field: &str| alert[field].as_str().unwrap_or_default().to_owned();
    let alerts = page["alerts"].as_array().expect("a list");
    alerts.iter().map(|alert| (text(alert, "key"), text(alert, "message"))).collect()
}

#[test]
fn a_home_that_breaks_under_a_running_agent_is_an_alert_until_it_is_mended() {
    let mut world = World::new();
    let home = home(&world);
    let settings = home.join("aspect.json");
    let whole = std::fs::read_to_string(&settings).expect("it is there");
    let agent = world.agent(&home);
    std::fs::write(&settings, whole.replace("\"tools\"", "\"tolls\"")).expect("the folder is ours");
    let message = |parts: &[&str]| {
        wait_until("the alert", || {
            let alerts = alerts(&world);
            let [(key, message)] = alerts.as_slice() else { return None };
            (key == "settings_broken/wren" && parts.iter().all(|part| message.contains(part))).then_some(())
        });
    };
    message(&["wren goes on with the settings it had", "aspect.json:1:", "tolls", "tools"]);
    // It works on, and another fault is another alert.
    let said = world.nexctl(&["ask", "wren", "say ahoy"]);
    assert!(String::from_utf8_lossy(&said.stdout).contains("you said ahoy"), "{said:?}");
    std::fs::write(&settings, "{").expect("the folder is ours");
    message(&["this is not JSON"]);
    // Whether the broker was there when it was mended or not.
    world.kill_broker();
    std::fs::write(&settings, &whole).expect("the folder is ours");
    agent.wait_for_text("the files of the home are in order again");
    world.start_broker();
    wait_until("its end", || alerts(&world).is_empty().then_some(()));
    std::fs::write(&settings, "{").expect("the folder is ours");
    wait_until("the alert", || (alerts(&world).len() == 1).then_some(()));
    std::fs::write(&settings, &whole).expect("the folder is ours");
    wait_until("its end", || alerts(&world).is_empty().then_some(()));
}

/// Its owner's words in one thread, and what it answered there.
fn answers(world: &World, thread: &str) -> Vec<String> {
    let page = world.nexctl_json(&["get", "messages", thread]);
    let messages = page["messages"].as_array().expect("messages").iter();
    let told = messages.filter(|it| it["from"] == "wren");
    told.map(|it| it["content"].as_str().expect("text").to_owned()).collect()
}

#[test]
fn an_old_copy_of_a_home_is_refused_until_somebody_says_that_it_is_the_one_to_go_on_with() {
    let world = World::new();
    let home = home(&world);
    let ask = |what: &str| {
        let out = world.nexctl(&["ask", "wren", &format!("say {what}")]);
        assert!(out.status.success(), "{}", nexus_tests::world::text(&out));
        let threads = world.nexctl_json(&["get", "threads"]);
        threads["threads"][0]["id"].as_str().expect("an id").to_owned()
    };
    let mut agent = world.agent(&home);
    ask("ahoy");
    agent.signal("TERM");
    assert_eq!(agent.wait().code(), Some(0));
    let copy = world.dir().join("copy");
    let copied = std::process::Command::new("cp").arg("-a").args([&home, &copy]).status();
    assert!(copied.expect("cp runs").success());

    // The home goes on, and so its copy is old.
    let mut agent = world.agent(&home);
    let meanwhile = ask("meanwhile");
    let refused = || {
        let mut old = Process::start("copy", world.command("agent").arg(&copy));
        assert_eq!(old.wait().code(), Some(5), "something has to be put right first");
        let told = "agent: the home of wren last saw link 1, but a later one, 2, acknowledged items: this home is an \
                    old copy or a clone; stop the other one, or start this one with --adopt to go on with it";
        assert!(old.text().ends_with(told), "{}", old.text());
    };
    refused();
    let further = ask("further");
    assert_eq!(state(&world), "online", "the one that is there stays");
    agent.signal("TERM");
    assert_eq!(agent.wait().code(), Some(0));
    refused();

    let mut adopted = Process::start("copy", world.command("agent").arg(&copy).arg("--adopt"));
    adopted.wait_for_text("registered");
    let now = ask("now");
    adopted.signal("TERM");
    assert_eq!(adopted.wait().code(), Some(0));
    // What was answered by the lost one is not answered again, and nobody has to say it twice.
    let mut again = Process::start("copy", world.command("agent").arg(&copy));
    again.wait_for_text("registered");
    let later = ask("later");
    let threads = [&meanwhile, &further, &now, &later].map(|thread| answers(&world, thread));
    let wanted = ["meanwhile", "further", "now", "later"].map(|what| vec![format!("you said {what}")]);
    assert_eq!(threads, wanted);
    // The copy is the one now, and the home is what is old.
    again.signal("TERM");
    assert_eq!(again.wait().code(), Some(0));
    let mut left = world.agent_under(&[], &home);
    assert_eq!(left.wait().code(), Some(5));
    assert!(
        left.text().contains("last saw link 2, but a later one, 4, acknowledged items"),
        "{}",
        left.text()
    );
}
