//! A signed request of a service outside: its body through every part of a flow.

use hmac::{Hmac, Mac as _};
use nexus_tests::{World, wait_until};
use serde_json::{Value, json};
use sha2::Sha256;

use super::desk::{Desk, same_files};
use super::parts::{calls, faults, flow};
use super::texts::{Hostile, texts};

/// As GitHub signs and sends it; the number of its slot.
fn push(world: &World, trigger: &str, secret: &str, delivery: &str, body: &str) -> u64 {
    let mut mac = <Hmac<Sha256> as hmac::Mac>::new_from_slice(secret.as_bytes()).expect("any length will do");
    mac.update(body.as_bytes());
    let digits: String = mac.finalize().into_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
    let headers = format!(
        "x-github-event: push\r\nx-github-delivery: {delivery}\r\nx-hub-signature-256: sha256={digits}\r\n"
    );
    let answer = world.http_with(&headers, "POST", &format!("/hooks/{trigger}"), body);
    let (head, taken) = answer.split_once("\r\n\r\n").expect("an answer");
    assert!(head.starts_with("HTTP/1.1 202 "), "{answer}");
    let taken: Value = serde_json::from_str(taken).expect("JSON");
    assert_eq!(taken["duplicate"], json!(false), "{taken}");
    taken["slot"].as_u64().expect("a number")
}

/// What it posts besides is called like what a flow knows itself.
fn body(hostile: &Hostile) -> Value {
    json!({
        "no": hostile.no, "text": hostile.text,
        "__proto__": {"text": "another"}, "constructor": {"prototype": {"text": "another"}}, "toString": "another",
        "input": {"text": "another"}, "run": {"by": "operator/root", "id": "another"}, "secrets": ["another"],
        "steps": {"same": {"output": "another"}}, "item": "another", "payload": "{{ payload }}",
        "{{ input.no }}": "{{ input.no }}",
    })
}

#[test]
fn what_a_service_has_signed_goes_through_a_flow_as_the_text_it_is() {
    let desk = Desk::new("");
    let theirs = desk.world.nexctl_json(&["dispatch", "wren/echo", r#"{"text": "x"}"#]);
    let theirs = theirs["dispatch"].as_str().expect("an id");
    desk.put(&flow(&desk, "hooked", "input.text", &[]));
    let added = desk.world.nexctl_json(&[
        "trigger",
        "add",
        "hooked",
        "--webhook",
        "github",
        "--overlap",
        "allow",
        "--flow",
        "hooked",
        r#""{{ payload.body }}""#,
    ]);
    let secret = added["secret"].as_str().expect("a secret");
    let dispatch = || {
        wait_until("its end", || {
            let info = desk.get(&format!("/dispatches/{theirs}"));
            info["ended_at"].is_number().then_some(info)
        })
    };
    let (before, files) = (dispatch(), desk.files());
    let (mut wrong, all) = (Vec::new(), texts(&desk.world, theirs));
    for some in all.chunks(6) {
        let slots: Vec<u64> = some
            .iter()
            .map(|one| push(&desk.world, "hooked", secret, &format!("d-{}", one.no), &body(one).to_string()))
            .collect();
        let run = |no: &u64| {
            wait_until("its run", || {
                let history = desk.world.slots("hooked");
                let slot = history.iter().find(|slot| slot["no"] == *no)?;
                slot["work"]["run"].as_str().map(str::to_owned)
            })
        };
        let runs: Vec<String> = slots.iter().map(run).collect();
        let questions: Vec<Value> = runs.iter().map(|run| desk.question(run)).collect();
        questions.iter().for_each(|question| desk.approve(question));
        let runs: Vec<Value> = runs.iter().map(|run| desk.ended(run)).collect();
        let asked = desk.asked_by(&runs);
        for ((hostile, run), question) in some.iter().zip(&runs).zip(&questions) {
            assert_eq!(run["input"], body(hostile), "{}", hostile.no);
            wrong.extend(faults(&desk, hostile, run, question));
            wrong.extend(calls(hostile, run, &asked));
        }
    }
    println!("{} hostile texts in signed requests", all.len());
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    same_files(&files, &desk.files());
    assert_eq!(dispatch(), before, "what a text names is not touched by it");
}
