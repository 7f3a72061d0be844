//! The home page: laid out by a file, as it was while the file is broken, and as it is shipped without one.

use std::fs;

use nexus_tests::world::text;
use nexus_tests::{World, wait_until};
use serde_json::{Value, json};

use super::common::{put, said, workspace};

/// The layout as the broker shows it, once `is_so`.
fn home(world: &World, is_so: impl Fn(&Value) -> bool) -> Value {
    wait_until("the home page to be as expected", || {
        let answer = world.http("GET", "/api/v1/home", "", "");
        let (head, body) = answer.split_once("\r\n\r\n").expect("a body");
        assert!(head.starts_with("HTTP/1.1 200"), "{answer}");
        Some(serde_json::from_str::<Value>(body).expect("JSON")).filter(&is_so)
    })
}

fn titles(home: &Value) -> Vec<&str> {
    let widgets = home["widgets"].as_array().expect("widgets");
    widgets.iter().map(|widget| widget["title"].as_str().unwrap_or_default()).collect()
}

const SHIPPED: [&str; 7] =
    ["Waits for you", "Alerts", "At work", "Last runs", "Who is there", "Planned", "Spent today"];
const RATES: &str = "name: rates\nfields:\n  - { name: id, type: string }\n";

#[test]
fn without_a_workspace_it_is_as_it_is_shipped() {
    let world = World::new();
    let shipped = home(&world, |_| true);
    assert_eq!(titles(&shipped), SHIPPED);
    assert_eq!((shipped.get("file"), shipped.get("fault")), (None, None));
}

#[test]
fn a_file_lays_it_out_and_a_broken_one_changes_nothing() {
    let mut world = World::asleep().flag("--workspace").flag("workspace");
    said(&world, &["init"]);
    put(&world, "registries/rates.yaml", RATES);
    world.start_broker();
    assert_eq!(titles(&home(&world, |_| true)), SHIPPED);

    let stat =
        "home:\n  widgets:\n    - { kind: stat, title: Rates, source: { registry: { name: rates } } }\n";
    put(&world, "workspace.yaml", stat);
    let own = home(&world, |home| home["file"].is_string());
    let source = json!({"registry": {"name": "rates"}});
    let widget = json!({"kind": "stat", "title": "Rates", "source": source, "width": "wide"});
    assert_eq!(own, json!({"widgets": [widget], "file": "workspace.yaml"}));
    let audit = wait_until("the log to say so", || {
        let audit = text(&world.nexctl(&["audit", "--subject", "workspace.yaml"]));
        audit.contains("home.changed").then_some(audit)
    });
    assert!(audit.contains("operator/workspace"), "{audit}");

    put(&world, "workspace.yaml", &stat.replace("stat", "gauge"));
    let broken = home(&world, |home| home["fault"].is_string());
    let fault = broken["fault"].as_str().expect("text");
    assert!(fault.starts_with("3:15: unknown variant `gauge`, expected one of `agents`"), "{fault}");
    assert_eq!(broken["widgets"], own["widgets"], "what could be read last stays");
    let alerts = world.nexctl_json(&["get", "alerts"]);
    assert_eq!(alerts["alerts"][0]["key"], "workspace_fault/workspace.yaml");

    world.restart_broker();
    let anew = home(&world, |home| home["fault"].is_string());
    assert_eq!(titles(&anew), SHIPPED, "nobody knows what it said before");
    put(&world, "workspace.yaml", &stat.replace("Rates", "Prices"));
    let mended = home(&world, |home| titles(home) == ["Prices"] && home.get("fault").is_none());
    assert_eq!(mended["file"], "workspace.yaml");
    let data = world.data().display().to_string();
    let shown = said(&world, &["status", "--data", &data]);
    assert!(shown.contains("home/layout"), "{shown}");

    fs::remove_file(world.dir().join("workspace/workspace.yaml")).expect("removed");
    let gone = home(&world, |home| home.get("file").is_none());
    assert_eq!(titles(&gone), SHIPPED);
}

#[test]
fn what_it_shows_that_is_not_there_is_told_with_its_place() {
    let world = World::asleep();
    said(&world, &["init", "demo"]);
    assert!(said(&world, &["validate"]).contains("workspace is in order"));
    put(
        &world,
        "workspace.yaml",
        "home:\n  widgets:\n    - { kind: table, source: { registry: { name: reports, columns: [day, mood] } } }\n    \
         - { kind: stat, source: { registry: { name: prices } } }\n    \
         - { kind: timeline, source: { runs: { flow: evening } } }\n    \
         - { kind: chat, source: { thread: { with: gull } } }\n",
    );
    let out = workspace(&world, &["validate"]);
    assert_eq!(out.status.code(), Some(1), "{}", text(&out));
    let shown = String::from_utf8(out.stdout).expect("text");
    let expected = [
        "workspace/workspace.yaml:3:74: registry reports has no field \"mood\"; it has day, points, answer",
        "workspace/workspace.yaml:4:49: there is no registry \"prices\" in this workspace; there are reports",
        "workspace/workspace.yaml:5:49: there is no flow \"evening\" in this workspace; there are brief, morning, pushed",
        "workspace/workspace.yaml:6:47: there is no aspect \"gull\" in this workspace; there are harrow, runner",
    ];
    assert_eq!(shown.lines().collect::<Vec<_>>(), expected);
}
