//! Every frame there is, and every feed: with the ids of one tenant on links of the other.

use std::collections::BTreeSet;
use std::io::{Read as _, Write as _};
use std::path::Path;

use nexus_client::new_request_id;
use nexus_tests::connect;
use nexus_wire::frame::{FrameSet as _, ToBroker};
use serde_json::{Value, json};

use super::full::{Full, access_token, both, dial};
use super::house::bearer;

/// The payload of the frame's fixture, with what is of `full` for what it names.
fn payload(kind: &str, full: &Full) -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("fixtures/wire/to-broker/{kind}.json"));
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{kind}: {error}"));
    let frame: Value = serde_json::from_str(&text).expect("JSON");
    full.named(&frame["payload"])
}

/// Everything that comes until what was sent has been dealt with.
async fn told(at: &Full, token: &str, is_aspect: bool, kind: &str, payload: Value) -> String {
    let mut link = dial(&at.nexus, token).await.expect("let in");
    if is_aspect {
        link.request("register", json!({})).await;
    }
    link.send(kind, Some(new_request_id()), payload).await;
    let fence = new_request_id();
    link.send("situation", Some(fence), json!({})).await;
    let mut all = String::new();
    loop {
        match link.next().await {
            Ok(frame) => {
                all.push_str(&frame.to_string());
                if frame["in_reply_to"] == json!(fence) {
                    return all;
                }
            }
            // It says goodbye by itself after some.
            Err(_) => return all,
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_frame_tells_one_tenant_anything_of_another() {
    let (_world, acme, beta) = both().await;
    for token in ["admin", "ana", "aspect"] {
        assert_eq!(dial(&beta.nexus, &acme.tokens[token]).await.err(), Some(401), "{token} of another's");
    }
    for kind in ToBroker::KINDS {
        for (is_aspect, token) in [(false, &beta.tokens["admin"]), (true, &access_token(&beta.wren).await)] {
            let told = told(&beta, token, is_aspect, kind, payload(kind, &acme)).await;
            assert!(!told.contains(&acme.word), "{kind} tells {told}");
        }
    }
    // The same frames show what is there where it is from.
    let mut own = BTreeSet::new();
    let looks = [
        "approval.get",
        "chat.get",
        "dispatch.status",
        "registry.get",
        "run.get",
        "thread.get",
        "trigger.get",
    ];
    for kind in looks {
        if told(&acme, &acme.tokens["admin"], false, kind, payload(kind, &acme)).await.contains(&acme.word) {
            own.insert(kind);
        }
    }
    assert_eq!(own, looks.into_iter().collect());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_feed_carries_anything_of_another() {
    let (_world, acme, beta) = both().await;
    let everything = json!({"from_seq": 0, "observe": true, "roster": true, "activity": true});
    let mut links = Vec::new();
    for token in [beta.tokens["admin"].clone(), access_token(&beta.wren).await] {
        links.push(dial(&beta.nexus, &token).await.expect("let in"));
    }
    assert_eq!(links[1].request("register", json!({})).await["kind"], "registered");
    for link in &mut links {
        let reply = link.request("subscribe", everything.clone()).await;
        let text = reply.to_string();
        assert!(!text.contains(&acme.word), "{text}");
    }
    let path = "/api/v1/events?from_seq=0&observe=true&roster=true&activity=true";
    let head = format!(
        "GET {path} HTTP/1.1\r\nhost: {}\r\naccept: text/event-stream\r\n{}\r\n",
        beta.nexus.host,
        bearer(&beta.tokens["admin"])
    );
    let mut stream = connect(&beta.nexus.address);
    stream.write_all(head.as_bytes()).expect("it reads");

    // Something happens here and there, and the last thing is known by its own word.
    for full in [&acme, &beta] {
        let said = json!({"to": ["robin", "wren"], "content": format!("hello again {}", full.word)});
        full.nexus.admin("POST", "/api/v1/messages", &said);
        full.nexus.admin("POST", "/api/v1/triggers/weekly/fire", &json!({}));
        full.nexus.admin("POST", "/api/v1/runs", &json!({"flow": "evening"}));
    }
    let last = json!({"to": ["wren"], "content": "thelastofall"});
    beta.nexus.admin("POST", "/api/v1/messages", &last);

    let mut seen = String::new();
    while !seen.contains("thelastofall") {
        let mut piece = [0; 4096];
        let read = stream.read(&mut piece).expect("it goes on");
        assert!(read > 0, "the feed has ended: {seen}");
        seen.push_str(&String::from_utf8_lossy(&piece[..read]));
    }
    assert!(seen.contains(&beta.word) && !seen.contains(&acme.word), "{seen}");
    for (at, link) in links.iter_mut().enumerate() {
        let mut seen = String::new();
        while !seen.contains("thelastofall") {
            seen.push_str(&link.next().await.expect("it goes on").to_string());
        }
        assert!(!seen.contains(&acme.word), "link {at}: {seen}");
    }
}
