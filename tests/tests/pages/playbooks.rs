//! `docs/playbooks.md`, with the agency that it is about.

use nexus_tests::inlet::Inlet;
use nexus_tests::world::free_port;
use nexus_tests::{World, wait_until};
use serde_json::Value;

use super::page::{filled, run, typed_here};

/// The first of a list, once there is one that is right.
fn first(world: &World, args: &[&str], list: &str, is_it: impl Fn(&Value) -> bool) -> String {
    wait_until(list, || {
        let page = world.nexctl_json(args);
        let it = page[list].as_array()?.first().filter(|it| is_it(it))?;
        Some(it["id"].as_str()?.to_owned())
    })
}

#[test]
fn every_command_of_the_playbooks_does_what_is_said_of_it() {
    let mut world = World::asleep().flag("--workspace").flag("workspace");
    let begun = [
        ("nexus workspace init demo", "it comes before the broker"),
        ("nexus serve --workspace workspace", "it goes on, and was started"),
    ];
    let out = world.command("nexus").args(["workspace", "init", "demo"]).output().expect("nexus runs");
    assert!(out.status.success());
    let port = free_port();
    for file in ["flows/morning.yaml", "aspects/runner/aspect.patch.toml"] {
        let path = world.dir().join("workspace").join(file);
        let text = std::fs::read_to_string(&path).expect("it is made");
        std::fs::write(&path, text.replace(":9099", &format!(":{port}"))).expect("written");
    }
    world.start_broker();
    wait_until("the trigger", || {
        world.nexctl(&["trigger", "show", "morning"]).status.success().then_some(())
    });
    let mut inlet = None;
    for line in typed_here("docs/playbooks.md", &begun) {
        let mut known = Vec::new();
        if line.contains("APPROVAL") {
            known.push(("APPROVAL", first(&world, &["get", "approvals"], "approvals", |_| true)));
        }
        if line.contains("RUN") {
            let is_retry = line.contains("retry");
            let has_ended = |run: &Value| !is_retry || run["ended_at"].is_number();
            known.push(("RUN", first(&world, &["run", "list", "morning", "--all"], "runs", has_ended)));
            if is_retry {
                // Whoever did not answer the first time does now.
                inlet = Some(Inlet::start(port));
            }
        }
        run(&world, &filled(&line, &known));
    }
    assert_eq!(inlet.expect("a run was tried again").taken().len(), 1);
    assert!(world.dir().join("there/nexus.db").is_file(), "it is moved");
}
