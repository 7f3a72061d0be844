//! Whoever waits for what a backup does not know is told so when the broker is back with it.

use nexus_tests::world::text;
use nexus_tests::{Process, World, wait_until};
use serde_json::json;

const SCRIPT: &str = r#"
[[rule]]
hand = "work"
[[rule.step]]
hold = "go"
say = "done"
"#;

#[test]
fn a_dispatch_that_is_lost_with_a_restore_is_waited_for_no_more() {
    let mut world = World::new();
    let home = world.home("wren", json!({"hands": [{"name": "work", "timeout_s": 600}]}), SCRIPT);
    let agent = world.agent(&home);
    let (data, file) = (world.data().display().to_string(), world.dir().join("nexus.tar"));
    let file = file.display().to_string();
    let nexus = |world: &World, action: &str| {
        let out = world.run("nexus", &[action, &file, "--data", &data]);
        assert!(out.status.success(), "{}", text(&out));
    };
    nexus(&world, "backup");
    let mut waiting =
        Process::start("nexctl", &mut world.nexctl_command(&["dispatch", "wren/work", "--wait"]));
    agent.wait_for_text("work begins");
    // One follows the log, and one asks.
    wait_until("its two links beside the agent's", || {
        world.http("GET", "/metrics", "", "").contains("\nnexus_links 3\n").then_some(())
    });
    world.kill_broker();
    nexus(&world, "restore");
    world.start_broker();
    assert_eq!(waiting.wait().code(), Some(1), "{}", waiting.text());
    let said = waiting.text();
    let line = said.lines().find_map(|line| line.strip_prefix("nexctl: no dispatch "));
    let (id, rest) = line.and_then(|line| line.split_once(' ')).unwrap_or_else(|| panic!("{said}"));
    let why = "that operator/admin has to do with; it was there before, so the broker was put back to an older backup: ask \
               for it again";
    assert_eq!(rest, why);
    assert!(said.contains(&format!("dispatch {id} to wren/work is ")), "{said}");
}
