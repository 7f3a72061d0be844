//! A team of two and their broker, all of which tell spans to a collector.

use std::path::PathBuf;

use nexus_tests::world::text;
use nexus_tests::{Process, World, wait_until};
use serde_json::json;

pub(crate) const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
pub(crate) const CALLER: &str = "00f067aa0ba902b7";
pub(crate) const KEY: &str = "collector-key-5c1f0ffee-never-in-a-span";
pub(crate) const PROMPT: &str = "check the heliotrope-77aa-prompt";

const ASKER: &str = r#"
[[rule]]
match = "check (?P<what>.+)"
[[rule.step]]
name = "verdict"
call = "dispatch_hand"
args = { hand = "checker/verify", input = { what = "{{ what }}" } }
[[rule.step]]
say = "The checker says: {{ verdict.json.state }} {{ verdict.json.output | default('nothing') }}"
"#;

const CHECKER: &str = r#"
[[rule]]
hand = "verify"
[[rule.step]]
name = "seen"
call = "read_file"
args = { path = "work/fact.txt" }
[[rule.step]]
hold = "gate"
[[rule.step]]
say = "{{ seen.json.text | trim }}"
"#;

pub(crate) struct Team {
    pub(crate) world: World,
    pub(crate) homes: [PathBuf; 2],
    pub(crate) agents: Vec<Process>,
}

impl Team {
    pub(crate) fn new(collector: &str, env: &[(&str, &str)]) -> Self {
        let world = World::asleep()
            .env("OTEL_EXPORTER_OTLP_ENDPOINT", collector)
            .env("OTEL_EXPORTER_OTLP_HEADERS", &format!("x-key={KEY}"))
            .env("OTEL_BSP_SCHEDULE_DELAY", "50");
        let mut world = env.iter().fold(world, |world, (name, value)| world.env(name, value));
        world.start_broker();
        let asker = world.home("asker", json!({"tools": ["dispatch_hand"]}), ASKER);
        let hand = json!({"name": "verify", "tools": ["read_file"], "timeout_s": 600, "idempotent": true});
        let checker = world.home("checker", json!({"hands": [hand]}), CHECKER);
        std::fs::write(checker.join("work/fact.txt"), "it holds\n").expect("the folder is ours");
        let agents = vec![world.agent(&asker), world.agent(&checker)];
        Self { world, homes: [asker, checker], agents }
    }

    pub(crate) fn open(&self) {
        std::fs::write(self.homes[1].join("gate"), "").expect("the folder is ours");
    }

    pub(crate) fn say(&self) {
        self.say_under(&format!("00-{TRACE}-{CALLER}-01"));
    }

    pub(crate) fn say_under(&self, parent: &str) {
        let mut command = self.world.nexctl_command(&["say", "--to", "asker", PROMPT]);
        let out = command.env("TRACEPARENT", parent).output().expect("nexctl runs");
        assert!(out.status.success(), "{}", text(&out));
    }

    /// Waits for the answer in the thread.
    pub(crate) fn answered(&self) {
        wait_until("the answer", || {
            let threads = self.world.nexctl_json(&["get", "threads"]);
            (threads["threads"][0]["messages"] == 2).then_some(())
        });
    }

    pub(crate) fn metrics(&self) -> String {
        self.http("GET", "/metrics", "", "")
    }

    pub(crate) fn http(&self, method: &str, path: &str, headers: &str, body: &str) -> String {
        self.world.http(method, path, headers, body)
    }
}
