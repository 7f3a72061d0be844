//! `docs/flows.md`: from a file to a run, as it is typed there.

use nexus_tests::{World, wait_until};
use serde_json::json;

use super::page::{filled, read, run, typed_here};

const SCRIPT: &str = "[[rule]]\nhand = '*'\n[[rule.step]]\nsay = \"wet\"\n\n[[rule]]\nmatch = '.'\n[[rule.step]]\nsay = \"It is wet.\"\n";

#[test]
fn every_command_of_the_flows_page_does_what_is_said_of_it() {
    let world = World::new();
    let home = world.home("wren", json!({"hands": [{"name": "look"}]}), SCRIPT);
    let _wren = world.agent(&home);
    let page = read("docs/flows.md");
    let flow = page.split("```yaml\n").nth(1).and_then(|rest| rest.split("```").next()).expect("the flow");
    std::fs::write(world.dir().join("look.yaml"), flow).expect("the folder is ours");
    let mut known: Vec<(&str, String)> = Vec::new();
    for line in typed_here("docs/flows.md", &[]) {
        if line == "nexctl get approvals" {
            let (approval, id) = wait_until("the question", || {
                let page = world.nexctl_json(&["get", "approvals"]);
                let first = page["approvals"].as_array()?.first()?;
                Some((first["id"].as_str()?.to_owned(), first["run"].as_str()?.to_owned()))
            });
            known = vec![("APPROVAL", approval), ("RUN", id)];
        }
        let line = filled(&line, &known);
        if line.starts_with("nexctl run retry") {
            let id = known[1].1.as_str();
            wait_until("the end of the run", || {
                let run = world.nexctl_json(&["run", "show", id]);
                run["info"]["ended_at"].is_number().then_some(())
            });
        }
        run(&world, &line);
    }
    let gone = world.nexctl_json(&["flow", "list"]);
    assert_eq!(gone["flows"], json!([]));
    let ends = world.nexctl_json(&["run", "list", "--all"]);
    let states: Vec<_> =
        ends["runs"].as_array().into_iter().flatten().map(|it| it["state"].clone()).collect();
    assert_eq!(states, [json!("done"), json!("done"), json!("done")], "{ends}");
}
