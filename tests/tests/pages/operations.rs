//! `docs/operations.md`: backups and the drill, work, budgets, and keeping an aspect off, on one team.

use std::net::TcpListener;

use nexus_tests::{Process, World, wait_until};
use serde_json::json;

use super::page::{done, filled, run, shell, start, typed_here};

const NO_SYSTEMD: &str =
    "a test is no session of systemd's; tests/tests/stories/packaging.rs has it read the units";
const NO_CONTAINERS: &str = "a test has no container engine and no registry of images";
const ELSEWHERE: &[(&str, &str)] = &[
    ("systemctl --user enable --now nexus", NO_SYSTEMD),
    ("loginctl enable-linger", NO_SYSTEMD),
    ("systemctl enable --now nexus", NO_SYSTEMD),
    ("journalctl -u nexus", NO_SYSTEMD),
    (
        "podman build -t nexus -f scripts/packaging/Containerfile --build-arg NEXUS_COMMIT=\"$(git describe --always)\" .",
        NO_CONTAINERS,
    ),
    ("podman run --name nexus -v nexus:/var/lib/nexus -p 7888:7888 nexus", NO_CONTAINERS),
    ("podman exec nexus cat data/ca.pem > ca.pem", NO_CONTAINERS),
    (
        "nexctl login https://127.0.0.1:7888 --ca ca.pem --setup",
        "it asks at a terminal, and the container; tests/tests/stories/operator.rs answers it",
    ),
    ("docker run --rm -p 16686:16686 -p 4318:4318 jaegertracing/jaeger:latest", NO_CONTAINERS),
];

const SCRIPT: &str = "[[rule]]\nmatch = '.'\n[[rule.step]]\nsay = \"It is so.\"\n";

struct Team {
    world: World,
    /// What runs beside the broker, as the page has it.
    agents: Vec<Process>,
}

impl Team {
    fn new() -> Self {
        let world = World::new();
        std::fs::create_dir(world.dir().join("backups")).expect("the folder is ours");
        let hand = json!({"name": "verify-claim", "capabilities": ["verify"]});
        let home = world.home("wren", json!({"hands": [hand]}), SCRIPT);
        let agents = vec![world.agent(&home)];
        // What an operator elsewhere was given, and a home to take there.
        std::fs::copy(world.data().join("ca.pem"), world.dir().join("ca.pem")).expect("made at the start");
        std::fs::write(world.dir().join("token"), world.token()).expect("the folder is ours");
        run(&world, "agent new ./robin --hand find");
        Self { world, agents }
    }

    /// Sends work whose end nobody waits for.
    fn dispatch(&self, more: &[&str]) -> String {
        let args = [&["dispatch", "wren/verify-claim", "{\"claim\": \"it is\"}"], more].concat();
        self.world.nexctl_json(&args)["dispatch"].as_str().expect("an id").to_owned()
    }

    /// Work that has come too late, for want of a worker.
    fn timed_out(&self) -> String {
        run(&self.world, "nexctl pause wren --reason test");
        let id = self.dispatch(&["--deadline", "1s"]);
        wait_until("the deadline", || {
            let dead = self.world.nexctl_json(&["get", "dispatches", "--dead"]);
            (dead["dispatches"].as_array()?.len() == 1).then_some(())
        });
        run(&self.world, "nexctl release wren");
        id
    }

    fn type_it(&mut self, line: &str) {
        match line {
            _ if line.starts_with("nexus restore") => {
                let command = shell(&self.world, line);
                self.world.kill_broker();
                done(line, command);
                self.world.start_broker();
            }
            _ if line.ends_with(" &") => {
                let agent = line.starts_with("agent ");
                let line = line.trim_end_matches(" &");
                let mut command = shell(&self.world, &format!("exec {line}"));
                if line == "nexus serve" {
                    // One of the page's own, beside the one that is there.
                    command
                        .env("NEXUS_LISTEN", "127.0.0.1:0")
                        .env("NEXUS_DATA", self.world.dir().join("own"));
                }
                if agent {
                    self.agents.clear();
                }
                let ready = if agent { "registered" } else { "ready in" };
                self.agents.push(start(line, &mut command, ready));
            }
            _ if line.starts_with("nexctl hold") => {
                run(&self.world, line);
                let mut agent = self.agents.pop().expect("wren runs");
                assert_eq!(agent.wait().code(), Some(4), "{line}: {}", agent.text());
            }
            _ => drop(run(&self.world, line)),
        }
    }
}

#[test]
fn every_command_of_the_operations_page_does_what_is_said_of_it() {
    let mut team = Team::new();
    let free = TcpListener::bind("127.0.0.1:0").and_then(|it| it.local_addr()).expect("loopback is there");
    let at = |name: &str| team.world.dir().join(name).display().to_string();
    let mut known = vec![
        ("/backups/", format!("{}/", at("backups"))),
        ("/tmp/drill", at("drill")),
        ("127.0.0.1:7999", free.to_string()),
        (" FILE", format!(" {}", at("backups/nexus-2026-11-26.tar"))),
        ("DISPATCH", String::new()),
    ];
    for line in typed_here("docs/operations.md", ELSEWHERE) {
        let dispatch = match line.as_str() {
            "nexctl get dispatches --dead" => team.timed_out(),
            "nexctl cancel DISPATCH" => team.dispatch(&[]),
            _ => known[4].1.clone(),
        };
        known[4].1 = dispatch;
        team.type_it(&filled(&line, &known));
    }
    let drill = team.world.dir().join("drill/nexus.db");
    assert!(drill.exists(), "the drill has restored it");
}
