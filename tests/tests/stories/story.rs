//! The main story through the real binaries, with kill -9 of each process at each of its points.
//!
//! An operator asks `asker`, who dispatches `checker/verify`, who answers; the operator gets the answer.
//! Gates (files the scripts wait for) stop the story at a point exactly, without a clock.

use std::collections::BTreeMap;
use std::path::PathBuf;

use nexus_tests::session::SessionFile;
use nexus_tests::{Process, World, wait_until};
use serde_json::{Value, json};

const ASKER: &str = r#"
[[rule]]
match = "check (?P<what>.+)"
[[rule.step]]
say = "I am asking."
[[rule.step]]
hold = "gate-before"
[[rule.step]]
name = "verdict"
call = "dispatch_hand"
args = { hand = "checker/verify", input = { what = "{{ what }}" } }
[[rule.step]]
hold = "gate-after"
[[rule.step]]
say = "The checker says: {{ verdict.json.state }} {{ verdict.json.output | default('nothing') }}"
"#;

const CHECKER: &str = r#"
[[rule]]
hand = "verify"
[[rule.step]]
call = "read_file"
args = { path = "work/fact.txt" }
[[rule.step]]
hold = "gate-hand"
[[rule.step]]
name = "seen"
call = "read_file"
args = { path = "work/fact.txt" }
[[rule.step]]
say = "{{ seen.json.text | trim }}"
"#;

const GATES: [(&str, &str); 3] =
    [("asker", "gate-before"), ("checker", "gate-hand"), ("asker", "gate-after")];

/// Where the story is stopped.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Point {
    /// The turn has begun.
    Turn,
    /// The Hand is at work.
    Hand,
    /// The Hand's result is in the asker's session.
    Result,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Victim {
    Broker,
    Asker,
    Checker,
}

struct Story {
    world: World,
    homes: BTreeMap<&'static str, PathBuf>,
    agents: BTreeMap<&'static str, Process>,
    ask: Process,
}

impl Story {
    /// Everything is up and the question is asked; every gate is closed.
    fn begin(idempotent: bool) -> Self {
        let world = World::new();
        let asker = world.home("asker", json!({"tools": ["dispatch_hand"]}), ASKER);
        let hand =
            json!({"name": "verify", "tools": ["read_file"], "idempotent": idempotent, "timeout_s": 600});
        let checker = world.home("checker", json!({"hands": [hand]}), CHECKER);
        std::fs::write(checker.join("work/fact.txt"), "it holds\n").expect("the folder is ours");
        let agents = BTreeMap::from([("asker", world.agent(&asker)), ("checker", world.agent(&checker))]);
        let mut ask = world.nexctl_command(&["ask", "asker", "check the fact"]);
        let ask = Process::start("nexctl", &mut ask);
        Self { world, homes: BTreeMap::from([("asker", asker), ("checker", checker)]), agents, ask }
    }

    fn open(&self, (agent, gate): (&str, &str)) {
        std::fs::write(self.homes[agent].join(gate), "").expect("the folder is ours");
    }

    fn session(&self) -> Option<SessionFile> {
        SessionFile::all(&self.homes["asker"]).pop()
    }

    /// Lets the story go on up to `point` and no further.
    fn go_to(&self, point: Point) {
        wait_until("the turn", || self.session()?.of_kind("turn.user").next().cloned());
        if point == Point::Turn {
            return;
        }
        self.open(GATES[0]);
        self.ask.wait_for_text("checker/verify: → read_file");
        if point == Point::Hand {
            return;
        }
        self.open(GATES[1]);
        wait_until("the result", || self.session()?.of_kind("turn.tool_result").next().cloned());
    }

    fn kill_and_restart(&mut self, victim: Victim) {
        let name = match victim {
            Victim::Broker => return self.world.restart_broker(),
            Victim::Asker => "asker",
            Victim::Checker => "checker",
        };
        self.agents.get_mut(name).expect("it was started").kill();
        self.agents.insert(name, self.world.agent(&self.homes[name]));
    }

    /// Opens every gate and returns what `nexctl ask` printed.
    fn end(&mut self) -> String {
        for gate in GATES {
            self.open(gate);
        }
        let status = self.ask.wait();
        assert!(status.success(), "nexctl ask: {status}\n{}", self.ask.text());
        self.ask.text()
    }

    /// What happened once happened once.
    fn check_session(&self, name: &str) {
        let session = wait_until("the decision", || {
            self.session().filter(|session| session.of_kind("custom.decision").next().is_some())
        });
        let once = |counts: BTreeMap<String, usize>| counts.values().all(|count| *count == 1);
        assert!(once(session.takes_by_item()), "{name}: {:?}", session.takes_by_item());
        assert!(once(session.results_by_call()), "{name}: {:?}", session.results_by_call());
        let decisions: Vec<Vec<String>> = session.decisions_by_item().into_values().collect();
        assert_eq!(decisions, vec![vec!["replied".to_owned()]], "{name}");
        let dispatches = self.world.nexctl_json(&["get", "dispatches"]);
        let count = dispatches["dispatches"].as_array().map(Vec::len);
        assert_eq!(count, Some(1), "{name}: asked once for the Hand: {dispatches}");
        let threads = self.world.nexctl_json(&["get", "threads"]);
        let thread = threads["threads"][0]["id"].as_str().expect("there is a thread").to_owned();
        let page = self.world.nexctl_json(&["get", "messages", &thread]);
        let from: Vec<&Value> =
            page["messages"].as_array().expect("a page").iter().map(|message| &message["from"]).collect();
        assert_eq!(from.len(), 2, "{name}: one question and one answer: {page}");
        assert_eq!(from[1], "asker", "{name}");
    }
}

fn tell(point: Point, victim: Victim) {
    let name = format!("kill -9 of {victim:?} at {point:?}");
    let mut story = Story::begin(true);
    story.go_to(point);
    story.kill_and_restart(victim);
    let answer = story.end();
    assert!(answer.contains("The checker says: done it holds"), "{name}:\n{answer}");
    story.check_session(&name);
}

#[test]
fn the_broker_is_killed_at_each_point() {
    for point in [Point::Turn, Point::Hand, Point::Result] {
        tell(point, Victim::Broker);
    }
}

#[test]
fn the_asking_agent_is_killed_at_each_point() {
    for point in [Point::Turn, Point::Hand, Point::Result] {
        tell(point, Victim::Asker);
    }
}

#[test]
fn the_hosting_agent_is_killed_at_each_point() {
    for point in [Point::Turn, Point::Hand, Point::Result] {
        tell(point, Victim::Checker);
    }
}

#[test]
fn work_that_may_not_be_done_twice_fails_with_its_worker_and_the_asker_learns_it() {
    let mut story = Story::begin(false);
    story.go_to(Point::Hand);
    story.kill_and_restart(Victim::Checker);
    let answer = story.end();
    assert!(answer.contains("The checker says: failed nothing"), "{answer}");
    let dispatches = story.world.nexctl_json(&["get", "dispatches"]);
    assert_eq!(dispatches["dispatches"][0]["error"]["code"], "worker_lost", "{dispatches}");
    assert_eq!(dispatches["dispatches"][0]["attempt"], 1, "{dispatches}");
    story.check_session("worker lost");
}

#[test]
fn nothing_is_canned() {
    let mut story = Story::begin(true);
    story.go_to(Point::Hand);
    std::fs::write(story.homes["checker"].join("work/fact.txt"), "it does not\n")
        .expect("the folder is ours");
    let answer = story.end();
    assert!(answer.contains("The checker says: done it does not"), "{answer}");
}
