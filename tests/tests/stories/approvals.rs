//! What aspects ask of people, through the real binaries: asked once, answered once, whoever is killed meanwhile.

use std::path::PathBuf;

use nexus_tests::raw::Raw;
use nexus_tests::session::SessionFile;
use nexus_tests::world::text;
use nexus_tests::{Process, World, wait_until};
use serde_json::{Value, json};

const SCRIPT: &str = r#"
[[rule]]
match = "store it"
[[rule.step]]
name = "stored"
call = "store_knowledge"
args = { topic = "colour", content = "red" }
[[rule.step]]
say = "{% if not stored.ok %}not stored: {{ stored.text }}{% else %}stored{% endif %}"

[[rule]]
match = "what colour"
[[rule.step]]
name = "said"
call = "ask_operator"
args = { question = "Which colour?", choices = ["red", "blue"] }
[[rule.step]]
say = "{% if not said.ok %}no answer: {{ said.text }}{% else %}it is {{ said.json.answer }}{% endif %}"

[[rule]]
match = "look every morning"
[[rule.step]]
name = "made"
call = "create_trigger"
[rule.step.args]
name = "morning"
description = "Somebody wants to be told each day."
when = { cron = "0 8 * * *" }
timezone = "Europe/Berlin"
misfire = { all = 2 }
overlap = "queue"
retry = { max = 1, backoff_s = [30] }
expires_at = "2099-01-01T00:00:00Z"
do = { ask = { aspect = "wren", text = "what is new on {{ '{{ date.iso }}' }}?" } }
[[rule.step]]
say = "{% if not made.ok %}no: {{ made.text }}{% else %}{{ made.json.trigger }} is {{ made.json.owner }}'s{% endif %}"

[[rule]]
match = "watch the feed"
[[rule.step]]
name = "made"
call = "create_trigger"
[rule.step.args]
name = "feed"
description = "Somebody wants to know what changes there."
when = { watch = { url = "https://example.org/feed", every_s = 3600 } }
do = { dispatch = { hand = "wren/store", input = { changed = "{{ '{{ payload.status }}' }}" } } }
budget = { cost_microusd = 50000 }
[[rule.step]]
say = "{% if not made.ok %}no: {{ made.text }}{% else %}{{ made.json.trigger }} is {{ made.json.owner }}'s{% endif %}"

[[rule]]
hand = "store"
[[rule.step]]
name = "stored"
call = "store_knowledge"
args = { topic = "hand", content = "green" }
[[rule.step]]
say = "{% if not stored.ok %}no: {{ stored.text }}{% else %}yes{% endif %}"
"#;

struct Team {
    world: World,
    home: PathBuf,
    agent: Process,
}

impl Team {
    fn new(wait_s: u32) -> Self {
        let world = World::new();
        let approval = json!({"policy": "untrusted", "always": ["store_knowledge"], "wait_s": wait_s});
        // Its own time is short: it stands still while people are asked.
        let hand = json!({"name": "store", "tools": ["store_knowledge"], "timeout_s": 5});
        let tools = ["store_knowledge", "ask_operator", "create_trigger"];
        let settings = json!({"role": "frame", "tools": tools, "approval": approval, "hands": [hand]});
        let home = world.home("wren", settings, SCRIPT);
        let agent = world.agent(&home);
        Self { world, home, agent }
    }

    fn ask(&self, question: &str) -> Process {
        Process::start("nexctl", &mut self.world.nexctl_command(&["ask", "wren", question]))
    }

    /// All that was ever asked, the latest first.
    fn all(&self) -> Vec<Value> {
        let page = self.world.nexctl_json(&["get", "approvals", "--all"]);
        page["approvals"].as_array().cloned().unwrap_or_default()
    }

    /// The one that waits, once it does.
    fn waiting(&self) -> Value {
        wait_until("something to wait for people", || {
            let page = self.world.nexctl_json(&["get", "approvals"]);
            page["approvals"].as_array()?.first().cloned()
        })
    }

    fn states(&self) -> Vec<String> {
        self.all().iter().map(|it| it["state"].as_str().unwrap_or_default().to_owned()).collect()
    }

    fn nexctl(&self, args: &[&str]) -> String {
        let out = self.world.nexctl(args);
        assert!(out.status.success(), "{args:?}: {}", text(&out));
        text(&out)
    }

    fn versions(&self) -> Option<u64> {
        let page = self.world.nexctl_json(&["knowledge", "list"]);
        page["entries"].as_array()?.iter().find(|it| it["topic"] == "colour")?["version"].as_u64()
    }

    fn marks(&self) -> Vec<String> {
        let session = SessionFile::all(&self.home).pop().expect("a session");
        let state = |entry: &Value| entry["payload"]["state"].as_str().unwrap_or_default().to_owned();
        session.of_kind("custom.approval").map(state).collect()
    }

    fn restart_agent(&mut self) {
        self.agent.kill();
        self.agent = self.world.agent(&self.home);
    }
}

fn id(approval: &Value) -> &str {
    approval["id"].as_str().unwrap_or_default()
}

#[test]
fn approved_once_it_runs_once_though_agent_and_broker_are_killed_while_it_waits() {
    let mut team = Team::new(3600);
    let mut ask = team.ask("store it");
    let first = team.waiting();
    let shown = &first["asked"];
    assert_eq!((shown["type"].as_str(), shown["tool"].as_str()), (Some("tool"), Some("store_knowledge")));
    assert!(shown["arguments"].as_str().unwrap_or_default().contains("\"content\": \"red\""), "{shown}");
    team.restart_agent();
    team.world.restart_broker();
    assert_eq!(id(&team.waiting()), id(&first));
    assert_eq!(team.versions(), None);
    team.agent.kill();
    // Answered while nobody is there to hear it.
    let said = team.nexctl(&["approve", &id(&first)[20..], "--note", "go"]);
    assert!(said.contains("approved by operator/admin (go): store_knowledge"), "{said}");
    let late = team.world.nexctl(&["deny", id(&first)]);
    assert!(
        !late.status.success() && text(&late).contains("it was approved by operator/admin"),
        "{}",
        text(&late)
    );
    team.agent = team.world.agent(&team.home);
    assert!(ask.wait().success(), "{}", ask.text());
    assert!(ask.text().contains("stored"), "{}", ask.text());
    assert!(ask.text().contains("waits for people: nexctl get approvals"), "{}", ask.text());
    assert_eq!((team.states(), team.versions()), (vec!["approved".to_owned()], Some(1)));
    assert_eq!(team.marks(), ["open", "approved"]);
    team.restart_agent();
    team.agent.wait_for_text("registered");
    assert_eq!((team.states(), team.versions()), (vec!["approved".to_owned()], Some(1)));
}

#[test]
fn denied_expired_and_cancelled_calls_do_not_run() {
    let team = Team::new(3600);
    let mut ask = team.ask("store it");
    let first = team.waiting();
    let detail = team.nexctl(&["get", "approvals", id(&first)]);
    assert!(detail.contains("store_knowledge") && detail.contains("\"topic\": \"colour\""), "{detail}");
    team.nexctl(&["deny", id(&first), "--note", "blue is better"]);
    assert!(ask.wait().success(), "{}", ask.text());
    assert!(ask.text().contains("not stored: not run: denied by operator/admin"), "{}", ask.text());
    assert!(ask.text().contains("blue is better"), "{}", ask.text());
    // What a Hand asks goes with its dispatch.
    let sent = team.world.nexctl_json(&["dispatch", "wren/store", "{}"]);
    let second = team.waiting();
    assert_eq!(second["lease"]["dispatch"], sent["dispatch"]);
    team.nexctl(&["cancel", sent["dispatch"].as_str().unwrap_or_default()]);
    wait_until("the end", || (team.states() == ["withdrawn", "denied"]).then_some(()));
    let mut waited =
        Process::start("nexctl", &mut team.world.nexctl_command(&["dispatch", "wren/store", "{}", "--wait"]));
    team.nexctl(&["approve", id(&team.waiting())]);
    assert!(waited.wait().success(), "{}", waited.text());
    assert!(waited.text().contains("yes"), "{}", waited.text());
    assert_eq!(team.versions(), None);

    let team = Team::new(1);
    let mut ask = team.ask("store it");
    assert!(ask.wait().success(), "{}", ask.text());
    assert!(ask.text().contains("nobody answered in time"), "{}", ask.text());
    assert_eq!((team.states(), team.versions()), (vec!["expired".to_owned()], None));
}

#[test]
fn a_question_is_answered_by_a_command_or_by_a_reply_in_chat() {
    let mut team = Team::new(3600);
    let mut ask = team.ask("what colour");
    let first = team.waiting();
    assert_eq!(first["asked"]["choices"], json!(["red", "blue"]));
    team.restart_agent();
    team.nexctl(&["answer", id(&first), "the", "blue", "one"]);
    assert!(ask.wait().success(), "{}", ask.text());
    assert!(ask.text().contains("it is the blue one"), "{}", ask.text());
    let mut ask = team.ask("what colour");
    let second = team.waiting();
    let notice = second["notice"].as_str().expect("it is said in the thread");
    let thread = second["thread"].as_str().expect("it has a thread");
    wait_until("the notice", || {
        team.nexctl(&["get", "messages", thread]).contains("Reply to this message").then_some(())
    });
    team.nexctl(&["say", "--reply-to", notice, "red"]);
    assert!(ask.wait().success(), "{}", ask.text());
    assert!(ask.text().contains("it is red"), "{}", ask.text());
    let mut ask = team.ask("store it");
    let third = team.waiting();
    let notice = third["notice"].as_str().expect("it is said in the thread");
    let thread = third["thread"].as_str().expect("it has a thread");
    wait_until("the notice", || {
        team.nexctl(&["get", "messages", thread]).contains("May I use store_knowledge").then_some(())
    });
    team.nexctl(&["say", "--reply-to", notice, "approve"]);
    assert!(ask.wait().success(), "{}", ask.text());
    assert_eq!((team.states().len(), team.versions()), (3, Some(1)));
}

#[tokio::test]
async fn the_time_of_a_hand_stands_still_while_people_are_asked() {
    let team = Team::new(3600);
    let settings = json!({"name": "brief", "timeout_s": 5});
    let home = team.world.home("crow", json!({}), "");
    let (mut crow, _) = Raw::registered(&team.world, &home, json!({"hands": [settings], "slots": 1})).await;
    let mut asks =
        Process::start("nexctl", &mut team.world.nexctl_command(&["dispatch", "wren/store", "{}", "--wait"]));
    let asked = team.waiting();
    // A Hand that is as brief and asks nobody, begun later: its time is up first.
    let mut idles =
        Process::start("nexctl", &mut team.world.nexctl_command(&["dispatch", "crow/brief", "{}", "--wait"]));
    let work = crow.next_of("deliver").await["payload"].clone();
    assert_eq!(work["item"]["body"]["timeout_s"], 5);
    assert!(!idles.wait().success());
    assert!(idles.text().contains("timeout"), "{}", idles.text());
    team.nexctl(&["approve", id(&asked)]);
    assert!(asks.wait().success(), "{}", asks.text());
    assert!(asks.text().contains("yes"), "{}", asks.text());
}

const COMMAND: &str = r#"
[[rule]]
match = "write there"
[[rule.step]]
name = "ran"
call = "run_command"
args = { command = "echo once >> ../outside && echo written" }
[[rule.step]]
say = "{{ ran.text }}"
"#;

#[test]
fn what_the_sandbox_stopped_runs_once_more_without_it_when_people_allow_it() {
    let world = World::new();
    let root = json!({"work": {"path": "work", "write": true}});
    let home = world.home("wren", json!({"role": "frame", "tools": ["run_command"], "roots": root}), COMMAND);
    let agent = world.agent(&home);
    let mut team = Team { world, home, agent };
    let mut ask = team.ask("write there");
    let asked = team.waiting();
    let summary = asked["asked"]["summary"].as_str().unwrap_or_default();
    assert!(summary.contains("without the sandbox that stopped it"), "{summary}");
    assert!(!team.home.join("outside").exists());
    // What has run once and was stopped is not run again by a restart, but by people's leave.
    team.restart_agent();
    team.nexctl(&["approve", id(&asked)]);
    assert!(ask.wait().success(), "{}", ask.text());
    assert!(ask.text().contains("written"), "{}", ask.text());
    let written = std::fs::read_to_string(team.home.join("outside")).expect("it was written");
    assert_eq!((written.as_str(), team.marks()), ("once\n", vec!["open".to_owned(), "approved".to_owned()]));
}

#[tokio::test]
async fn two_people_who_answer_at_once_are_told_the_same_and_the_asker_once() {
    let world = World::new();
    let home = world.home("wren", json!({}), "");
    let data = world.data().display().to_string();
    let shown = world.run("nexus", &["operator", "add", "bo", "--role", "operator", "--data", &data]);
    let shown = String::from_utf8(shown.stdout).expect("text");
    let token = shown.split_whitespace().find(|word| word.starts_with("nxo_")).expect("a token");
    let (mut wren, _) = Raw::registered(&world, &home, json!({})).await;
    let (mut ana, mut bo) = (Raw::operator(&world).await, Raw::with_token(&world, token).await);
    let asked = json!({"asked": {
        "type": "tool", "tool": "run_command", "summary": "run it", "arguments": "{}",
    }});
    for _ in 0..25 {
        let approval = wren.request("approval.ask", asked.clone()).await["payload"]["id"].clone();
        let answer = |verdict: &str| json!({"approval": approval, "verdict": verdict});
        let (approve, deny) = (answer("approve"), answer("deny"));
        let (one, other) =
            tokio::join!(ana.request("approval.answer", approve), bo.request("approval.answer", deny));
        assert_eq!((&one["kind"], &other["kind"]), (&json!("ok"), &json!("ok")), "{one} {other}");
        assert_eq!(one["payload"], other["payload"], "whoever came later gets it as it stands");
        let info = &one["payload"];
        let expected = match info["by"].as_str() {
            Some("operator/admin") => "approved",
            Some("operator/bo") => "denied",
            by => panic!("answered by {by:?}"),
        };
        assert_eq!(info["state"], expected);
        let delivered = wren.next_of("deliver").await["payload"].clone();
        let told = &delivered["item"]["body"];
        assert_eq!(
            (&told["type"], &told["approval"], &told["state"], &told["by"]),
            (&json!("approval"), &approval, &info["state"], &info["by"])
        );
        wren.send("ack", None, json!({"offset": delivered["offset"]})).await;
    }
    // In the log each ended once, and nothing else is on its way to who asked.
    let page = ana.request("audit.list", json!({"kind": "approval", "limit": 200})).await;
    let kinds: Vec<&str> = page["payload"]["entries"]
        .as_array()
        .expect("a list")
        .iter()
        .filter_map(|it| it["kind"].as_str())
        .collect();
    let ended = kinds.iter().filter(|kind| matches!(**kind, "approval.approved" | "approval.denied")).count();
    assert_eq!((kinds.len(), ended), (50, 25), "{kinds:?}");
    assert_eq!(wren.request("situation", json!({})).await["payload"]["undelivered"], 0);
}

#[test]
fn a_trigger_that_is_proposed_is_the_approvers_and_one_that_is_denied_is_nobodys() {
    let mut team = Team::new(3600);
    let mut ask = team.ask("look every morning");
    let first = team.waiting();
    let arguments: Value =
        serde_json::from_str(first["asked"]["arguments"].as_str().unwrap_or_default()).expect("a definition");
    assert_eq!(arguments, first["trigger"], "what is shown is what comes of it");
    assert_eq!(
        arguments,
        json!({
            "name": "morning",
            "description": "Somebody wants to be told each day.",
            "when": {"cron": "0 8 * * *"},
            "do": {"ask": {"aspect": "wren", "text": "what is new on {{ date.iso }}?"}},
            "timezone": "Europe/Berlin",
            "misfire": {"all": 2},
            "overlap": "queue",
            "jitter_s": 0,
            "retry": {"max": 1, "backoff_s": [30]},
            "expires_at": 4_070_908_800_000_i64,
        })
    );
    let shown = team.nexctl(&["get", "approvals", id(&first)]);
    for part in ["cron 0 8 * * *, Europe/Berlin", "asks wren: what is new on", "ends        20"] {
        assert!(shown.contains(part), "{part}: {shown}");
    }
    team.restart_agent();
    team.world.restart_broker();
    assert!(!team.world.nexctl(&["trigger", "show", "morning"]).status.success());
    team.nexctl(&["approve", id(&first)]);
    assert!(ask.wait().success(), "{}", ask.text());
    assert!(ask.text().contains("morning is operator/admin's"), "{}", ask.text());
    let made = team.world.nexctl_json(&["trigger", "show", "morning"]);
    assert_eq!((&made["definition"], &made["owner"]), (&arguments, &json!("operator/admin")));

    // It is there, so it is proposed by nobody again; deleted and denied, it is nobody's.
    let mut again = team.ask("look every morning");
    assert!(again.wait().success());
    assert!(again.text().contains("no: "), "{}", again.text());
    assert!(again.text().contains("there is a trigger morning already"), "{}", again.text());
    team.nexctl(&["trigger", "delete", "morning"]);
    let mut third = team.ask("look every morning");
    team.nexctl(&["deny", id(&team.waiting()), "--note", "not each day"]);
    assert!(third.wait().success());
    assert!(third.text().contains("people do not want this trigger: not each day"), "{}", third.text());
    assert!(!team.world.nexctl(&["trigger", "show", "morning"]).status.success());

    // What is told once is not lost while the work before it goes on.
    let mut feed = team.ask("watch the feed");
    let asked = team.waiting();
    let shown = team.nexctl(&["get", "approvals", id(&asked)]);
    assert!(shown.contains("change of https://example.org/feed, looked at every 1 h"), "{shown}");
    assert!(shown.contains("may spend   0.05 USD"), "{shown}");
    team.nexctl(&["approve", id(&asked)]);
    assert!(feed.wait().success(), "{}", feed.text());
    let made = team.world.nexctl_json(&["trigger", "show", "feed"]);
    let made = &made["definition"];
    let expected = (&json!("queue"), &json!({"cost_microusd": 50_000}));
    assert_eq!((&made["overlap"], &made["budget"]), expected);
}
