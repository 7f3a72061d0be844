//! A signed request at one tenant that names what is another's: wherever the text goes, the other is as it was.

use std::collections::BTreeMap;

use hmac::{Hmac, Mac as _};
use nexus_tests::wait_until;
use serde_json::{Value, json};
use sha2::Sha256;

use super::full::{Full, both};
use super::walk::{looked, operations, settled};

/// As GitHub signs and sends it.
fn push(at: &Full, trigger: &str, secret: &str, delivery: &str, body: &str) -> super::house::Answer {
    let mut mac = <Hmac<Sha256> as hmac::Mac>::new_from_slice(secret.as_bytes()).expect("any length will do");
    mac.update(body.as_bytes());
    let digits: String = mac.finalize().into_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
    let headers = format!(
        "content-type: application/json\r\nx-github-event: push\r\nx-github-delivery: {delivery}\r\n\
         x-hub-signature-256: sha256={digits}\r\n"
    );
    at.nexus.ask(&headers, "POST", &format!("/hooks/{trigger}"), body)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_payload_names_of_another_tenant_is_a_text_and_no_more() {
    let (_world, acme, beta) = both().await;
    let post = |path: &str, body: Value| acme.nexus.admin("POST", &format!("/api/v1{path}"), &body);
    let place = "{{ input.text }}";
    let step = |id: &str, act: Value| json!({"id": id, "on_error": "continue", "do": act});
    let steps = json!([
        step("shout", json!({"dispatch": {"hand": "robin/shout", "input": {"text": place}}})),
        step("ask", json!({"ask": {"aspect": "robin", "text": place}})),
        step("row", json!({"write": {"registry": "clients", "row": place, "values": {"note": place}}})),
        step("until", json!({"wait": {"until": place}})),
    ]);
    let output = json!({"shout": "{{ steps.shout.output }}", "text": place});
    let flow = json!({"id": "steered", "steps": steps, "output": output});
    acme.nexus.admin("PUT", "/api/v1/flows/steered", &flow);
    let to_do = json!({"flow": {"id": "steered", "input": "{{ payload.body }}"}});
    post(
        "/triggers",
        json!({"name": "steered", "overlap": "queue", "when": {"webhook": {"preset": "github"}}, "do": to_do}),
    );
    let secret = post("/triggers/steered/secret", json!({}))["secret"].as_str().expect("a secret").to_owned();
    let operations = operations(&acme);
    let before = settled(looked(&operations, &beta));

    let named: BTreeMap<&str, &String> =
        beta.ids.iter().chain(&beta.tokens).map(|(name, id)| (*name, id)).collect();
    assert!(named.len() > 20, "{named:?}");
    for (no, (what, text)) in named.iter().enumerate() {
        let body = json!({"text": text, "tenant": "beta", "host": beta.nexus.host});
        let answer = push(&acme, "steered", &secret, &format!("d-{no}"), &body.to_string());
        assert_eq!(answer.status, 202, "{what}: {answer:?}");
        let slot = wait_until("its end", || {
            let page = acme.nexus.admin("GET", "/api/v1/triggers/steered/history", &Value::Null);
            let slot = page["slots"].as_array()?.iter().find(|slot| slot["no"] == no + 1)?.clone();
            slot["ended_at"].is_number().then_some(slot)
        });
        let run = slot["work"]["run"].as_str().unwrap_or_else(|| panic!("{what}: {slot}"));
        let run = acme.nexus.admin("GET", &format!("/api/v1/runs/{run}"), &Value::Null);
        assert_eq!(run["input"], body, "{what}");
        assert_eq!(run["output"], json!({"shout": {"loud": text}, "text": text}), "{what}");
    }
    let after = settled(looked(&operations, &beta));
    for (id, before) in &before {
        assert_eq!(before, &after[id], "{id} of the other tenant has changed");
    }

    // What was signed for a trigger of one is no good at the one of that name of the other.
    let body = json!({"text": "x"}).to_string();
    let (of_acme, of_beta) = (&acme.tokens["hook"], &beta.tokens["hook"]);
    for (at, secret, status) in
        [(&acme, of_beta, 401), (&beta, of_acme, 401), (&beta, &secret, 401), (&acme, of_acme, 202)]
    {
        assert_eq!(push(at, "pushed", secret, "e-1", &body).status, status);
    }
    assert_eq!(push(&beta, "steered", &secret, "e-1", &body).status, 401);
}
