//! Several Hands asked at once, through the real binaries: one answer, whoever is killed meanwhile.

use std::path::PathBuf;

use nexus_tests::session::SessionFile;
use nexus_tests::world::text;
use nexus_tests::{Process, World, wait_until};
use serde_json::{Value, json};

const ASKER: &str = r#"
[[rule]]
match = "ask both"
[[rule.step]]
name = "told"
call = "gather"
args = { work = [{ hand = "left/verify" }, { hand = "right/verify" }] }
[[rule.step]]
say = "{{ told.json.state }}: {{ told.json.parts[0].output }} and {{ told.json.parts[1].output }}"

[[rule]]
match = "ask either"
[[rule.step]]
name = "told"
call = "gather"
args = { work = [{ hand = "left/verify" }, { hand = "right/verify" }], need = 1 }
[[rule.step]]
say = "{{ told.json.state }}: {{ told.json.parts[0].output }}"

[[rule]]
match = "wait for both"
[[rule.step]]
name = "told"
call = "gather"
args = { work = [{ hand = "left/verify" }, { hand = "right/verify" }] }
[[rule.step]]
say = "they were {{ told.json.state }}"

[[rule]]
match = "meanwhile"
[[rule.step]]
say = "well"

[[rule]]
hand = "lead"
[[rule.step]]
name = "told"
call = "gather"
args = { work = [{ hand = "left/verify" }, { hand = "right/verify" }, { hand = "left/verify" }] }
[[rule.step]]
say = "{{ told.json.state }} {{ told.json.parts | length }}"
"#;

fn checker(says: &str) -> String {
    format!("[[rule]]\nhand = \"verify\"\n[[rule.step]]\nhold = \"gate\"\n[[rule.step]]\nsay = \"{says}\"\n")
}

struct Team {
    world: World,
    asker: PathBuf,
    agents: Vec<Process>,
}

impl Team {
    fn new(config: &str) -> Self {
        Self::limited(config, json!({}))
    }

    /// `budgets`: of who asks.
    fn limited(config: &str, budgets: Value) -> Self {
        let mut world = World::asleep().config(config);
        world.start_broker();
        let verify = json!({"name": "verify", "timeout_s": 600});
        let lead = json!({"name": "lead", "tools": ["gather"], "timeout_s": 600});
        let settings = json!({"tools": ["gather"], "hands": [lead], "budgets": budgets});
        let asker = world.home("asker", settings, ASKER);
        let left = world.home("left", json!({"hands": [verify]}), &checker("yes"));
        let right = world.home("right", json!({"hands": [verify]}), &checker("no"));
        let agents = [&asker, &left, &right].map(|home| world.agent(home)).into();
        Self { world, asker, agents }
    }

    fn open(&self, name: &str) {
        let gate = self.world.dir().join("agents").join(name).join("gate");
        std::fs::write(gate, "").expect("the folder is ours");
    }

    fn ask(&self, question: &str) -> Process {
        Process::start("nexctl", &mut self.world.nexctl_command(&["ask", "asker", question]))
    }

    fn states(&self) -> Vec<(String, String)> {
        let list = self.world.nexctl_json(&["get", "dispatches"]);
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let all = list["dispatches"].as_array().cloned().unwrap_or_default();
        let mut states: Vec<_> = all.iter().map(|it| (text(&it["hand"]), text(&it["state"]))).collect();
        states.sort();
        states
    }

    fn running(&self, count: usize) {
        wait_until("the work", || {
            (self.states().iter().filter(|(_, state)| state == "running").count() == count).then_some(())
        });
    }
}

fn state(hand: &str, state: &str) -> (String, String) {
    (hand.to_owned(), state.to_owned())
}

#[test]
fn both_answers_come_as_one_though_asker_and_broker_are_killed_meanwhile() {
    let mut team = Team::new("");
    let mut ask = team.ask("ask both");
    team.running(2);
    team.open("left");
    team.running(1);
    team.world.restart_broker();
    team.agents[0].kill();
    team.agents[0] = team.world.agent(&team.asker);
    team.open("right");
    assert!(ask.wait().success(), "{}", ask.text());
    assert!(ask.text().contains("met: yes and no"), "{}", ask.text());
    let done = [state("left/verify", "done"), state("right/verify", "done")];
    assert_eq!(team.states(), done, "each was asked once");
    let session = SessionFile::all(&team.asker).pop().expect("a session");
    assert_eq!(session.of_kind("turn.tool_result").count(), 1, "and told once");
}

#[test]
fn both_answers_come_as_one_though_others_spend_and_the_asker_is_killed_meanwhile() {
    let mut team = Team::limited("", json!({"aspect": {"tokens": 1_000_000}}));
    let mut ask = team.ask("ask both");
    team.running(2);
    let mut other = team.ask("meanwhile");
    assert!(other.wait().success(), "{}", other.text());
    // What is left of the day for the turn that waits is not what it was when it asked.
    team.agents[0].kill();
    team.agents[0] = team.world.agent(&team.asker);
    team.open("left");
    team.open("right");
    assert!(ask.wait().success(), "{}", ask.text());
    assert!(ask.text().contains("met: yes and no"), "{}", ask.text());
    let done = [state("left/verify", "done"), state("right/verify", "done")];
    assert_eq!(team.states(), done, "each was asked once");
    let sessions = SessionFile::all(&team.asker);
    let told = sessions.iter().flat_map(|session| session.of_kind("turn.tool_result")).count();
    assert_eq!((sessions.len(), told), (2, 1), "and told once");
}

#[test]
fn the_first_answer_ends_the_other() {
    let team = Team::new("");
    let mut ask = team.ask("ask either");
    team.running(2);
    team.open("right");
    assert!(ask.wait().success(), "{}", ask.text());
    assert!(ask.text().contains("met: no"), "{}", ask.text());
    assert_eq!(team.states(), [state("left/verify", "cancelled"), state("right/verify", "done")]);
}

#[test]
fn an_operator_ends_it_and_what_belongs_to_it() {
    let team = Team::new("");
    let mut ask = team.ask("wait for both");
    team.running(2);
    let gathers = team.world.nexctl_json(&["get", "gathers"]);
    let id = gathers["gathers"][0]["id"].as_str().expect("it is open").to_owned();
    let cancel = ["cancel", "--gather", &id, "--rest", "--reason", "no longer needed"];
    let out = team.world.nexctl(&cancel);
    assert!(out.status.success(), "{}", text(&out));
    let said = String::from_utf8_lossy(&out.stdout);
    assert!(said.starts_with(&format!("cancelled gather {id}\ncancelled ")), "{said}");
    assert!(ask.wait().success(), "{}", ask.text());
    assert!(ask.text().contains("they were cancelled"), "{}", ask.text());
    wait_until("both to have stopped", || {
        let ended = [state("left/verify", "cancelled"), state("right/verify", "cancelled")];
        (team.states() == ended).then_some(())
    });
    let again = team.world.nexctl(&cancel);
    let said = String::from_utf8_lossy(&again.stdout);
    assert!(said.starts_with(&format!("cancelled gather {id}\n")), "asked again, it says the same: {said}");
    let wrong = team.world.nexctl(&["cancel", "--rest"]);
    assert_eq!(wrong.status.code(), Some(2), "{}", text(&wrong));
}

#[test]
fn a_hand_that_gathers_yields_the_one_place_there_is() {
    let team = Team::new("[hands]\nsoft_cap = 1\n");
    team.open("left");
    team.open("right");
    let out = team.world.nexctl(&["dispatch", "asker/lead", "{}", "--wait"]);
    let text = text(&out);
    assert!(out.status.success(), "{text}");
    assert!(text.contains("met 3"), "{text}");
}

#[test]
fn an_operator_takes_dispatches_together_and_waits_for_their_end() {
    let team = Team::new("");
    let dispatch = |hand: &str| {
        let accepted = team.world.nexctl_json(&["dispatch", hand, "{}"]);
        accepted["dispatch"].as_str().expect("an id").to_owned()
    };
    let (left, right) = (dispatch("left/verify"), dispatch("right/verify"));
    team.running(2);
    let dry = team.world.nexctl(&["gather", &left, &right, "--first", "--dry-run"]);
    assert!(text(&dry).contains("gather {") && text(&dry).contains("\"first\""), "{}", text(&dry));
    let none = team.world.nexctl_json(&["get", "gathers"]);
    assert_eq!(none["gathers"], json!([]), "the rehearsal made none");

    let both = team.world.nexctl_json(&["gather", &left, &right]);
    // Of an id its end will do.
    let arguments = ["gather", &left[24..], &right[24..], "--first", "--wait"];
    let mut first = Process::start("nexctl", &mut team.world.nexctl_command(&arguments));
    wait_until("both gathers", || {
        let open = team.world.nexctl_json(&["get", "gathers"]);
        (open["gathers"].as_array()?.len() == 2).then_some(())
    });
    team.open("right");
    assert!(first.wait().success(), "{}", first.text());
    let (said, done) = (first.text(), format!("done       {right}"));
    assert!(said.contains(&done) && said.contains(&format!("open       {left}")), "{said}");

    // The first that was done cancels the rest, so that all of them cannot be had any more.
    let both = both["gather"].as_str().expect("an id");
    let ended = wait_until("the other one to have come to nothing", || {
        let info = team.world.nexctl_json(&["get", "gather", both]);
        (info["state"] != "open").then_some(info)
    });
    assert_eq!((&ended["state"], &ended["need"]), (&json!("failed"), &json!(2)));
    let again = team.world.nexctl(&["gather", &left, &right, "--wait"]);
    assert_eq!(again.status.code(), Some(1), "{}", text(&again));
    assert!(text(&again).contains(" failed"), "{}", text(&again));
    let both_ways = team.world.nexctl(&["gather", &left, "--first", "--need", "2"]);
    assert_eq!(both_ways.status.code(), Some(2), "{}", text(&both_ways));
}
