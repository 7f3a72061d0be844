//! An alert told to a server outside: a trigger on alerts, and the Hand that calls.

use std::fs;

use nexus_tests::{World, wait_until};
use serde_json::{Value, json};

use super::common::runner;
use super::webhooks::{Service, header};

fn body_of(request: &str) -> Value {
    let (_, body) = request.split_once("\r\n\r\n").expect("a body");
    serde_json::from_str(body).unwrap_or_else(|error| panic!("{error}: {request}"))
}

/// The runner is not there when it is raised, and the broker is killed before it can be told.
#[test]
fn an_alert_is_told_to_a_server_outside_once_when_it_is_raised_and_when_it_is_over() {
    let (service, mut world) = (Service::start(), World::new());
    let home = runner(&world, "runner", json!({"webhook": {"allow_private": [service.address]}}));
    let mut agent = world.agent(&home);
    let url = format!("http://{}/alerts", service.address);
    let input = json!({"url": url, "body": "{{ payload }}"}).to_string();
    let tell = ["trigger", "add", "tell", "--event", "alert", "--overlap", "queue"];
    world.nexctl_json(&[&tell[..], &["--dispatch", "runner/webhook", &input]].concat());
    let put = |world: &World, hand: &str| {
        let file = world.dir().join("flow.yaml");
        let flow = format!(
            "id: nightly\nsteps:\n- id: a\n  do: {{ dispatch: {{ hand: runner/{hand}, input: {{ url: '{url}' }} }} }}\n"
        );
        fs::write(&file, flow).expect("the folder is ours");
        world.nexctl_json(&["flow", "put", &file.to_string_lossy()]);
    };
    put(&world, "none");
    agent.kill();
    let run = world.nexctl_json(&["flow", "run", "nightly"])["run"].as_str().expect("an id").to_owned();
    let alert = wait_until("the alert", || {
        let page = world.nexctl_json(&["get", "alerts"]);
        page["alerts"].as_array()?.iter().find(|alert| alert["kind"] == "run_failed").cloned()
    });
    world.kill_broker();
    assert_eq!(service.asked("/alerts"), [""; 0], "nobody is there who could tell it");
    world.start_broker();
    let _agent = world.agent(&home);
    let slots = world.ended_slots("tell", 1);
    assert_eq!((slots.len(), &slots[0]["state"]), (1, &json!("done")), "{slots:?}");
    let [raised] = service.asked("/alerts").try_into().expect("it was told once");
    let message = format!(
        "a run of flow nightly has failed; nexctl run show {run} tells where, nexctl run retry {run} tries it again: step a: "
    );
    let expected = json!({
        "kind": "alert.raised", "seq": alert["seq"], "at": alert["raised_at"], "actor": "system", "thread": null,
        "body": {
            "type": "alert", "change": "raised", "key": "run_failed/nightly", "kind": "run_failed",
            "subject": "nightly", "message": message,
        },
    });
    let mut told = body_of(&raised);
    let said = told["body"]["message"].as_str().expect("a message").to_owned();
    assert!(said.starts_with(&message) && said == alert["message"], "{said}");
    told["body"]["message"] = json!(message);
    assert_eq!(told, expected);
    assert!(raised.starts_with("POST /alerts HTTP/1.1\r\n"), "{raised}");
    assert_eq!(header(&raised, "content-type"), Some("application/json"));
    assert_eq!(header(&raised, "idempotency-key"), slots[0]["work"]["dispatch"].as_str());
    assert_eq!(slots[0]["cause"], json!({"event": alert["seq"]}));

    // A run that is done ends it.
    put(&world, "webhook");
    let out = world.nexctl(&["flow", "run", "nightly", "--wait"]);
    assert!(out.status.success(), "{out:?}");
    let slots = world.ended_slots("tell", 2);
    assert_eq!((slots.len(), &slots[1]["state"]), (2, &json!("done")), "{slots:?}");
    let asked = service.asked("/alerts");
    let told: Vec<Value> =
        asked.iter().filter(|it| it.contains("run_failed")).map(|it| body_of(it)).collect();
    assert_eq!(told.len(), 2, "{asked:?}");
    let mut expected = body_of(&raised);
    (expected["kind"], expected["body"]["change"]) = (json!("alert.cleared"), json!("cleared"));
    (expected["seq"], expected["at"]) = (told[1]["seq"].clone(), told[1]["at"].clone());
    assert_eq!(told, [body_of(&raised), expected]);
    assert!(told[1]["seq"].as_u64() > told[0]["seq"].as_u64(), "{told:?}");
}
