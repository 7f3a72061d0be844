//! Clocks that are an hour off: the one of the broker's machine while work is under way, and the one of an aspect's.

use std::path::{Path, PathBuf};

use nexus_tests::world::text;
use nexus_tests::{Process, World, wait_until};
use serde_json::{Value, json};

/// What faketime preloads: its program would stay between the broker and whoever kills it.
fn library() -> String {
    let folders = std::fs::read_dir("/usr/lib").expect("it is there").flatten();
    let mut paths = folders.map(|folder| folder.path().join("faketime/libfaketimeMT.so.1"));
    let path = paths.find(|path| path.exists()).expect("Debian's faketime is installed");
    path.display().to_string()
}

/// Timers go on as they are. The name of the setting depends on the version.
const WALL_ALONE: [&str; 2] = ["DONT_FAKE_MONOTONIC", "FAKETIME_DONT_FAKE_MONOTONIC"];

/// A broker and its agents on one machine, whose wall clock a file sets.
struct Machine {
    world: World,
    clock: PathBuf,
}

impl Machine {
    fn new() -> Self {
        let world = World::asleep();
        let clock = world.dir().join("clock");
        let world = world
            .env("LD_PRELOAD", &library())
            .env("FAKETIME_TIMESTAMP_FILE", &clock.display().to_string())
            .env("FAKETIME_NO_CACHE", "1")
            .env(WALL_ALONE[0], "1")
            .env(WALL_ALONE[1], "1");
        let mut machine = Self { world, clock };
        machine.set("+0");
        machine.world.start_broker();
        machine
    }

    /// In one step, so that nobody reads half of it.
    fn set(&self, by: &str) {
        let next = self.clock.with_extension("next");
        std::fs::write(&next, by)
            .and_then(|()| std::fs::rename(&next, &self.clock))
            .expect("the folder is ours");
    }

    /// The broker dies, the clock is set, the broker is started again.
    fn jump(&mut self, by: &str) {
        self.world.kill_broker();
        self.set(by);
        self.world.start_broker();
    }
}

const SCRIPT: &str = r#"
[[rule]]
hand = "work"
match = "first"
[[rule.step]]
hold = "go"
say = "held through it"

[[rule]]
hand = "work"
[[rule.step]]
say = "in its turn"
"#;

/// One dispatch that is worked on, and one that waits behind it for ten minutes at most.
struct Work {
    agent: Process,
    home: PathBuf,
    held: String,
    waiting: String,
}

impl Work {
    fn begin(world: &World) -> Self {
        // A lease that is lost would show as another attempt.
        let hand = json!({"name": "work", "timeout_s": 7200, "concurrency": 1, "idempotent": true});
        let home = world.home("wren", json!({"hands": [hand]}), SCRIPT);
        let agent = world.agent(&home);
        let give = |input: &str, deadline: &str| {
            let given = world.nexctl_json(&["dispatch", "wren/work", input, "--deadline", deadline]);
            given["dispatch"].as_str().expect("an id").to_owned()
        };
        let held = give("\"first\"", "2h");
        agent.wait_for_text("work begins");
        let waiting = give("\"second\"", "10m");
        assert_eq!(outcome(world, &waiting), json!(["pending", 0, null, null]));
        Self { agent, home, held, waiting }
    }

    fn let_go(&self) {
        std::fs::write(self.home.join("go"), "").expect("the folder is ours");
    }
}

fn info(world: &World, dispatch: &str) -> Value {
    world.nexctl_json(&["get", "dispatches", dispatch])
}

fn outcome(world: &World, dispatch: &str) -> Value {
    let info = info(world, dispatch);
    json!([info["state"], info["attempt"], info["output"], info["error"]["code"]])
}

fn ended(world: &World, dispatch: &str) -> Value {
    wait_until("its end", || {
        let outcome = outcome(world, dispatch);
        (!["pending", "running"].contains(&outcome[0].as_str().expect("a state"))).then_some(outcome)
    })
}

/// What became of it, the first first.
fn steps(world: &World, dispatch: &str) -> Vec<Value> {
    let page = world.nexctl_json(&["audit", "--subject", dispatch]);
    let entries = page["entries"].as_array().expect("a list");
    entries.iter().rev().map(|entry| entry["kind"].clone()).collect()
}

fn alerts(world: &World) -> Vec<(String, String)> {
    let page = world.nexctl_json(&["get", "alerts"]);
    let text = |alert: &Value, field: &str| alert[field].as_str().expect("a text").to_owned();
    let alerts = page["alerts"].as_array().expect("a list");
    alerts.iter().map(|alert| (text(alert, "key"), text(alert, "message"))).collect()
}

#[test]
fn a_clock_that_is_set_back_an_hour_takes_no_lease_and_brings_no_deadline() {
    let mut machine = Machine::new();
    let work = Work::begin(&machine.world);
    let deadline = info(&machine.world, &work.waiting)["deadline_at"].clone();
    machine.jump("-3630");
    let world = &machine.world;
    // What it signs has its machine's time, and so has the broker when it looks at that.
    work.agent.wait_for_text("(generation 2)");
    assert_eq!(outcome(world, &work.held), json!(["running", 1, null, null]));
    assert_eq!(outcome(world, &work.waiting), json!(["pending", 0, null, null]));
    assert_eq!(info(world, &work.waiting)["deadline_at"], deadline);
    work.let_go();
    assert_eq!(ended(world, &work.held), json!(["done", 1, "held through it", null]));
    assert_eq!(ended(world, &work.waiting), json!(["done", 1, "in its turn", null]));
    for dispatch in [&work.held, &work.waiting] {
        let all = ["dispatch.accepted", "dispatch.assigned", "dispatch.ended"];
        assert_eq!(steps(world, dispatch), all);
    }

    // Time does not run back in the log, and whoever looks is told of it.
    let page = world.nexctl_json(&["audit", "--limit", "200"]);
    let times: Vec<i64> =
        page["entries"].as_array().expect("a list").iter().filter_map(|entry| entry["at"].as_i64()).collect();
    assert!(times.is_sorted_by(|later, earlier| later >= earlier), "{page}");
    let told = wait_until("the alert", || alerts(world).pop());
    assert_eq!(told.0, "clock_off/broker");
    assert!(told.1.contains("ahead of its machine's clock: the clock was set back"), "{}", told.1);
    assert_eq!(alerts(world), [told], "and of nothing else");
    let doctor = world.run("nexus", &["doctor", "-o", "json", "--data", &world.data().to_string_lossy()]);
    assert_eq!(doctor.status.code(), Some(1), "{}", text(&doctor));
    let findings: Vec<Value> = serde_json::from_slice(&doctor.stdout).expect("JSON");
    let bad: Vec<&Value> = findings.iter().filter(|finding| finding["level"] == "bad").collect();
    let [clock] = bad.as_slice() else { panic!("{}", text(&doctor)) };
    let found = clock["found"].as_str().expect("a text");
    assert!(clock["check"] == "clock" && found.ends_with(" s behind the newest entry of the log"), "{clock}");
}

#[test]
fn a_clock_that_is_set_forward_an_hour_brings_deadlines_and_takes_no_lease() {
    let mut machine = Machine::new();
    let work = Work::begin(&machine.world);
    machine.jump("+3630");
    let world = &machine.world;
    assert_eq!(ended(world, &work.waiting), json!(["timed_out", 0, null, "deadline"]));
    work.agent.wait_for_text("(generation 2)");
    assert_eq!(outcome(world, &work.held), json!(["running", 1, null, null]), "it has two hours");
    work.let_go();
    assert_eq!(ended(world, &work.held), json!(["done", 1, "held through it", null]));
    assert_eq!(steps(world, &work.waiting), ["dispatch.accepted", "dispatch.ended"]);
    assert_eq!(steps(world, &work.held), ["dispatch.accepted", "dispatch.assigned", "dispatch.ended"]);
    let late = info(world, &work.waiting);
    assert!(late["ended_at"].as_i64() > late["deadline_at"].as_i64(), "{late}");
    assert_eq!(alerts(world), Vec::<(String, String)>::new(), "the broker goes by its machine's clock");
}

/// An agent on a machine of its own, whose clock is off by this.
fn agent_off_by(world: &World, home: &Path, by: &str) -> Process {
    let mut command = world.command("agent");
    command.arg(home).env("LD_PRELOAD", library()).env("FAKETIME", by);
    command.envs(WALL_ALONE.map(|name| (name, "1")));
    Process::start("wren", &mut command)
}

#[test]
fn an_aspect_whose_clock_is_an_hour_off_is_refused_and_told_that_it_is_the_clock() {
    let world = World::new();
    let home = world.home("wren", json!({}), "");
    // The broker allows five seconds.
    for by in ["-4", "+4"] {
        agent_off_by(&world, &home, by).wait_for_text("registered");
    }
    let cases = [
        ("-3600", "it has expired; is the clock of its machine right?", "behind"),
        ("+3600", "`exp` is more than 60 s ahead; is the clock of its machine right?", "ahead of"),
    ];
    for (by, why, way) in cases {
        let mut agent = agent_off_by(&world, &home, by);
        assert_eq!(agent.wait().code(), Some(5), "{by}: something has to be put right first");
        let said = agent.text();
        let refused = format!(
            "agent: wren cannot reach its broker: {}: unauthorized: the assertion was not accepted: {why}; this \
             machine's clock is ",
            world.url()
        );
        let hint = said.split_once(&refused).unwrap_or_else(|| panic!("{by}: {said}")).1;
        let (seconds, hint) = hint.split_once(" s ").expect("how far");
        assert!(hint.starts_with(&format!("{way} the broker's: set it, then try again")), "{by}: {said}");
        let seconds: i64 = seconds.parse().expect("a number");
        assert!((seconds - 3600).abs() < 60, "{by}: {said}");
    }
    // Refusals are gathered for a second before they are written.
    let wanted = cases.map(|(_, why, _)| format!("from 127.0.0.1: the assertion was not accepted: {why}"));
    wait_until("both refusals in the trail", || {
        let page = world.nexctl_json(&["audit", "--kind", "refused"]);
        let entries = page["entries"].as_array().expect("a list").iter().rev();
        let told: Vec<(Value, Value)> =
            entries.map(|entry| (entry["kind"].clone(), entry["subject"].clone())).collect();
        (told == wanted.clone().map(|subject| (json!("refused.credential"), json!(subject)))).then_some(())
    });
}
