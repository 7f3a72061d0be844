//! Whose trace something belongs to, on its way through a broker that tells no spans.

use serde_json::{Value, json};

use super::World;
use super::client::{Raw, http};

const PARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

async fn metric(world: &World, name: &str) -> String {
    let bearer = format!("Bearer {}", world.token);
    let (_, text) = http(world, "GET", "/metrics", &[("authorization", &bearer)], "").await;
    let line = text.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default();
    line.trim().to_owned()
}

#[tokio::test]
async fn a_trace_goes_on_to_the_item_unchanged_and_what_is_none_is_ignored_and_counted() {
    let world = World::new().await;
    let wren = world.aspect("wren").await;
    let (mut wren, _) = Raw::registered(&world, &wren, json!({})).await;
    let mut operator = Raw::operator(&world).await;
    let frame = |trace: Value| {
        json!({"kind": "chat.send", "trace": trace, "payload": {"to": ["wren"], "content": "hello"}})
            .to_string()
    };
    let good = json!({"traceparent": PARENT, "tracestate": "congo=t61rcWkgMzE"});
    for trace in [good.clone(), json!({"traceparent": PARENT.to_uppercase()}), json!([PARENT])] {
        operator.say(frame(trace)).await;
    }
    let bearer = format!("Bearer {}", world.token);
    let body = json!({"to": ["wren"], "content": "hello"}).to_string();
    for (parent, state) in [(PARENT, "congo=t61rcWkgMzE"), ("00-0-0-00", "a=1")] {
        let headers = [
            ("authorization", bearer.as_str()),
            ("content-type", "application/json"),
            ("traceparent", parent),
            ("tracestate", state),
        ];
        // Frames of a link and requests take ways of their own, so each waits for what came before it.
        let reply = operator.request("team.list", json!({})).await;
        assert_eq!(reply["kind"], "ok");
        let (status, answer) = http(&world, "POST", "/api/v1/messages", &headers, &body).await;
        assert_eq!(status, 200, "{answer}");
    }
    let mut seen = Vec::new();
    for _ in 0..5 {
        seen.push(wren.next_of("deliver").await["item"]["trace"].clone());
    }
    assert_eq!(seen, [good.clone(), Value::Null, Value::Null, good, Value::Null]);
    assert_eq!(metric(&world, "nexus_trace_contexts_ignored_total").await, "3");
    assert_eq!(metric(&world, "nexus_spans_exported_total").await, "0");
    assert_eq!(metric(&world, "nexus_rate_limited_total{limit=\"failures_from_address\"}").await, "0");
}
