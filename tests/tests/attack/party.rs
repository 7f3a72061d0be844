//! A link that a test speaks on by hand, as an aspect that works or an operator.

use std::collections::VecDeque;

use nexus_tests::World;
use nexus_tests::raw::Raw;
use serde_json::{Value, json};

/// Somebody's link; what is delivered between requests is kept for whoever asks for it.
pub(crate) struct Party {
    pub(crate) raw: Raw,
    items: VecDeque<Value>,
}

impl Party {
    pub(crate) async fn operator(world: &World) -> Self {
        Self { raw: Raw::operator(world).await, items: VecDeque::new() }
    }

    /// An aspect with a Hand for everybody.
    pub(crate) async fn worker(world: &World, name: &str) -> Self {
        Self::offering(world, name, json!({"name": "work", "timeout_s": 3600, "concurrency": 64})).await
    }

    /// An aspect with one Hand.
    pub(crate) async fn offering(world: &World, name: &str, hand: Value) -> Self {
        let register = json!({"hands": [hand], "slots": 64});
        let raw = Raw::registered(world, &world.home(name, json!({}), ""), register).await.0;
        Self { raw, items: VecDeque::new() }
    }

    async fn keep(&mut self, frame: &Value) {
        if frame["kind"] == "deliver" {
            self.raw.send("ack", None, json!({"offset": frame["payload"]["offset"]})).await;
            self.items.push_back(frame["payload"]["item"]["body"].clone());
        }
    }

    pub(crate) async fn request(&mut self, kind: &str, payload: Value) -> Value {
        let (before, reply) = self.raw.frames_until_reply(kind, payload).await;
        for frame in &before {
            self.keep(frame).await;
        }
        reply
    }

    pub(crate) async fn dispatch(&mut self, hand: &str, parent: Option<&Value>) -> Value {
        let mut payload = json!({"hand": hand, "input": {"n": 1}});
        if let Some(parent) = parent {
            payload["parent"] = parent.clone();
        }
        self.request("dispatch", payload).await
    }

    /// The next item, which has to be of this type.
    pub(crate) async fn item(&mut self, kind: &str) -> Value {
        while self.items.is_empty() {
            let frame = self.raw.next().await.expect("the link stays");
            self.keep(&frame).await;
        }
        let body = self.items.pop_front().unwrap_or_default();
        assert_eq!(body["type"], kind, "{body}");
        body
    }

    /// The types of what was delivered by now and not asked for.
    pub(crate) async fn unasked(&mut self) -> Vec<Value> {
        self.request("chat.threads", json!({})).await;
        self.items.drain(..).map(|body| body["type"].clone()).collect()
    }
}

pub(crate) fn code(reply: &Value) -> &str {
    reply["payload"]["code"].as_str().unwrap_or_else(|| panic!("not refused: {reply}"))
}

pub(crate) fn result(lease: &Value, output: Value) -> Value {
    json!({"lease": lease, "output": output})
}
