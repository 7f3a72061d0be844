//! Who watches misses nothing, and what they type breaks nothing.

use nexus_tests::World;
use nexus_tests::raw::Raw;
use serde_json::{Value, json};

/// Follows the log from `after` to its head as of now.
async fn follow(world: &World, after: u64, into: &mut Vec<Value>) {
    let mut raw = Raw::operator(world).await;
    let id = nexus_client::new_request_id();
    raw.send("subscribe", Some(id), json!({"from_seq": after})).await;
    let mut head = None;
    let mut last = after;
    while head.is_none_or(|head| last < head) {
        let frame = raw.next().await.expect("the link stays");
        if frame["in_reply_to"] == json!(id) {
            head = Some(frame["payload"]["head"].as_u64().expect("subscribe says the head"));
        } else {
            assert_eq!(frame["kind"], "log", "{frame}");
            last = frame["payload"]["seq"].as_u64().expect("an entry has a seq");
            into.push(frame["payload"].clone());
        }
    }
}

#[tokio::test]
async fn the_log_has_neither_gap_nor_repeat_across_kills_of_the_broker() {
    const ROUNDS: u64 = 4;
    let mut world = World::new();
    let mut seen: Vec<Value> = Vec::new();
    let mut acknowledged: Vec<Value> = Vec::new();
    for round in 0..ROUNDS {
        let after = seen.last().map_or(0, |entry| entry["seq"].as_u64().expect("a seq"));
        follow(&world, after, &mut seen).await;
        let mut raw = Raw::operator(&world).await;
        for n in 0..20 {
            let content = format!("{round}-{n}");
            let sent = raw.request("chat.send", json!({"content": content})).await;
            acknowledged.push(sent["payload"]["message"].clone());
        }
        // More are under way when it dies; they may or may not have been taken.
        for n in 20..60 {
            let id = nexus_client::new_request_id();
            raw.send("chat.send", Some(id), json!({"content": format!("{round}-{n}")})).await;
        }
        world.restart_broker();
    }
    let after = seen.last().map_or(0, |entry| entry["seq"].as_u64().expect("a seq"));
    follow(&world, after, &mut seen).await;
    let seqs: Vec<u64> = seen.iter().filter_map(|entry| entry["seq"].as_u64()).collect();
    assert_eq!(seqs, (1..=seqs.len() as u64).collect::<Vec<_>>());
    let logged: Vec<&Value> =
        seen.iter().filter(|it| it["body"]["type"] == "message").map(|it| &it["body"]["id"]).collect();
    for message in &acknowledged {
        assert_eq!(logged.iter().filter(|id| **id == message).count(), 1, "{message} was acknowledged");
    }
    // Whoever reads it all at once reads the same.
    let mut anew = Vec::new();
    follow(&world, 0, &mut anew).await;
    assert_eq!(anew, seen);
}

#[tokio::test]
async fn any_text_is_a_query_and_any_content_can_be_kept() {
    let world = World::new();
    let mut raw = Raw::operator(&world).await;
    let stored = raw
        .request(
            "knowledge.store",
            json!({"topic": "canon", "content": "the moon is a harsh mistress", "shared": true}),
        )
        .await;
    assert_eq!(stored["kind"], "ok", "{stored}");
    let (deep, long) = ("(".repeat(20_000), "moon ".repeat(40_000));
    let hostile = [
        "",
        " ",
        "\"",
        "\"\"",
        "'",
        "';DROP TABLE knowledge;--",
        "*",
        "**",
        "-",
        "--",
        "- -",
        "OR",
        "OR OR OR",
        "AND",
        "NOT",
        "NEAR(a b)",
        "NEAR/0",
        "topic:moon",
        "{topic content}: moon",
        "^moon",
        "moon^2",
        "a*b*c",
        "\"unclosed phrase",
        "\"\"\"\"\"",
        "(((",
        ")))",
        "a AND (b OR",
        "\u{0}",
        "moon\u{0}stone",
        "\u{202e}noom",
        "\u{fffd}",
        "𝕞𝕠𝕠𝕟",
        "é*",
        "%",
        "_",
        "\\",
        "\\\"",
        "1e400",
        "?1",
        ":a",
        "$a",
        "@a",
        "#",
        "+moon",
        "-moon",
        "-\"the moon\"",
        "\"moon\"*",
        "moon OR",
        "OR moon",
        &deep,
        &long,
    ];
    for query in hostile {
        let found = raw.request("chat.search", json!({"query": query})).await;
        assert_eq!(found["kind"], "ok", "{:?}: {found}", query.chars().take(40).collect::<String>());
        let reply = raw.request("knowledge.search", json!({"query": query})).await;
        assert_eq!(reply["kind"], "ok", "{:?}: {reply}", query.chars().take(40).collect::<String>());
        assert!(reply["payload"]["hits"].is_array(), "{reply}");
        // The same text as content and topic comes back as it went in.
        let topic: String = query.chars().take(60).collect();
        if !topic.trim().is_empty() {
            let store = json!({"topic": topic, "content": query});
            let reply = raw.request("knowledge.store", store).await;
            assert_eq!(reply["kind"], "ok", "{topic:?}: {reply}");
        }
    }
    let found = raw.request("knowledge.search", json!({"query": "harsh mistresses"})).await;
    let topics: Vec<&Value> =
        found["payload"]["hits"].as_array().into_iter().flatten().map(|hit| &hit["topic"]).collect();
    assert_eq!(topics, ["canon"], "{found}");
}
