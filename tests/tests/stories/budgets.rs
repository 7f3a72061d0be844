//! What may be spent, through the real binaries: counted to the token, whoever is killed meanwhile.
//!
//! The scripted provider counts four bytes as one token, so every number here follows from what is said.

use nexus_client::{Broker, Credential, Endpoint};
use nexus_tests::raw::Raw;
use nexus_tests::session::SessionFile;
use nexus_tests::{Process, World, wait_until};
use serde_json::{Value, json};

const DAY_MS: i64 = 86_400_000;

const ASKER: &str = r#"
[[rule]]
match = "ask both"
[[rule.step]]
name = "told"
call = "gather"
args = { work = [{ hand = "left/verify" }, { hand = "right/verify" }] }
[[rule.step]]
say = "{{ told.json.state }}: {{ told.json.parts[0].output }} and {{ told.json.parts[1].output }}"
"#;

const LEAD: &str = r#"
[[rule]]
hand = "lavish"
[[rule.step]]
name = "told"
call = "dispatch_hand"
args = { hand = "right/verify", input = "x", max_tokens = 5000 }
[[rule.step]]
say = "{{ told.text }}"

[[rule]]
hand = "spender"
[[rule.step]]
name = "told"
call = "dispatch_hand"
args = { hand = "right/verify", input = "x" }
[[rule.step]]
say = "never said"
"#;

fn checker(says: &str) -> String {
    format!("[[rule]]\nhand = \"verify\"\n[[rule.step]]\nhold = \"gate\"\n[[rule.step]]\nsay = \"{says}\"\n")
}

/// A checker whose work may begin and end as it likes.
fn right(world: &World) -> Process {
    let home = world.home("right", json!({"hands": [{"name": "verify"}]}), &checker("no"));
    open(world, "right");
    world.agent(&home)
}

fn open(world: &World, name: &str) {
    let gate = world.dir().join("agents").join(name).join("gate");
    std::fs::write(gate, "").expect("the folder is ours");
}

fn spent(tokens: u64) -> Value {
    json!({"tokens": tokens, "cost_microusd": 0})
}

fn usage(input: u64, output: u64) -> Value {
    json!({"input_tokens": input, "output_tokens": output, "cache_read_tokens": 0, "cache_write_tokens": 0})
}

/// The one budget there is.
fn budget(world: &World) -> Value {
    let list = world.nexctl_json(&["budget", "list"]);
    let budgets = list["budgets"].as_array().expect("a list");
    assert_eq!(budgets.len(), 1, "{list}");
    budgets[0].clone()
}

fn alerts(world: &World) -> Vec<Value> {
    let list = world.nexctl_json(&["get", "alerts", "--all"]);
    list["alerts"].as_array().expect("a list").clone()
}

/// Everything about the dispatch to this Hand, once it is in this state.
fn dispatch(world: &World, hand: &str, state: &str) -> Value {
    wait_until(&format!("{hand} {state}"), || {
        let list = world.nexctl_json(&["get", "dispatches"]);
        let all = list["dispatches"].as_array().expect("a list");
        let found = all.iter().find(|it| it["hand"] == hand && it["state"] == state)?;
        let id = found["id"].as_str().expect("an id");
        Some(world.nexctl_json(&["get", "dispatches", id]))
    })
}

/// Tokens of every round of the only session in the asker's home, as the home itself has them.
fn said_in_session(world: &World) -> u64 {
    let session = SessionFile::all(&world.dir().join("agents/asker")).pop().expect("a session");
    let of = |entry: &Value| {
        let usage = &entry["payload"]["usage"];
        ["input_tokens", "output_tokens"].map(|kind| usage[kind].as_u64().expect("it is counted"))
    };
    session.of_kind("turn.assistant").flat_map(of).sum()
}

#[tokio::test]
async fn what_exceeds_the_day_waits_across_a_kill_until_there_is_more() {
    let mut world = World::new();
    let verify = json!({"name": "verify", "timeout_s": 600});
    let homes = [
        world.home("asker", json!({"tools": ["gather"]}), ASKER),
        world.home("left", json!({"hands": [verify]}), &checker("yes")),
        world.home("right", json!({"hands": [verify]}), &checker("no")),
    ];
    let agents = homes.map(|home| world.agent(&home));
    let set = world.nexctl_json(&[
        "budget",
        "set",
        "asker",
        "--per",
        "day",
        "--tokens",
        "100",
        "--each-tokens",
        "100",
    ]);
    let since = set["since"].as_i64().expect("a time");
    assert_eq!(since % DAY_MS, 0, "midnight");
    let mut stands = json!({
        "of": "asker", "per": "day", "limit": {"tokens": 100}, "each": {"tokens": 100},
        "used": spent(0), "reserved": spent(0), "waiting": 0,
        "since": since, "until": since + DAY_MS, "set_by": "operator/admin", "set_at": set["set_at"],
    });
    assert_eq!(set, stands);

    // All of the day is set aside for the first, so the second finds nothing; that may come back yet.
    let mut ask = Process::start("nexctl", &mut world.nexctl_command(&["ask", "asker", "ask both"]));
    let waits = dispatch(&world, "right/verify", "pending");
    assert_eq!(waits["waiting_for"], "budget", "{waits}");
    assert_eq!(dispatch(&world, "left/verify", "running")["granted"], json!({"tokens": 100}));
    stands["reserved"] = spent(100);
    stands["waiting"] = json!(1);
    assert_eq!(budget(&world), stands);
    assert_eq!(alerts(&world), Vec::<Value>::new());

    // `null` in and `yes` out are two tokens: 98 come back, and 100 are asked for.
    open(&world, "left");
    let left = dispatch(&world, "left/verify", "done");
    assert_eq!((&left["usage"], &left["spent"]), (&usage(1, 1), &spent(2)));
    stands["used"] = spent(2);
    stands["reserved"] = spent(0);
    assert_eq!(budget(&world), stands);
    let raised = alerts(&world);
    let told: Vec<_> = raised.iter().map(|it| (&it["key"], &it["times"], &it["cleared_at"])).collect();
    assert_eq!(told, [(&json!("budget_spent/asker/day"), &json!(1), &Value::Null)]);
    let message = "not enough is left of asker's budget of 100 tokens for this day: work waits for the next day (UTC), \
                   or until it is raised with: nexctl budget set asker --per day";
    assert_eq!(raised[0]["message"], message);

    world.restart_broker();
    agents.iter().for_each(|agent| await_twice(agent, "registered"));
    assert_eq!(dispatch(&world, "right/verify", "pending"), waits, "it waits as before");
    assert_eq!((budget(&world), alerts(&world)), (stands.clone(), raised.clone()));

    // An operator raises it; what is spent stays spent.
    let endpoint = Endpoint::new(&world.url(), None, None).expect("a URL");
    let broker = Broker::new(endpoint, Credential::Token(world.token().as_str().into()));
    let more = json!({"of": "asker", "per": "day", "limit": {"tokens": 1000}, "each": {"tokens": 100}});
    let set: Value = broker.post_json("/api/v1/budgets", &more).await.expect("it is set");
    stands["limit"] = json!({"tokens": 1000});
    stands["set_at"] = set["set_at"].clone();
    stands["reserved"] = spent(100);
    stands["waiting"] = json!(0);
    assert_eq!(set, stands);
    assert_eq!(dispatch(&world, "right/verify", "running")["granted"], json!({"tokens": 100}));
    open(&world, "right");
    assert!(ask.wait().success(), "{}", ask.text());
    assert!(ask.text().contains("met: yes and no"), "{}", ask.text());
    let right = dispatch(&world, "right/verify", "done");
    assert_eq!((&right["usage"], &right["spent"]), (&usage(1, 1), &spent(2)));
    stands["used"] = spent(2 + 2 + said_in_session(&world));
    stands["reserved"] = spent(0);
    assert_eq!(budget(&world), stands);
    let over = alerts(&world);
    let told: Vec<_> = over.iter().map(|it| (&it["key"], &it["times"], it["cleared_at"].is_i64())).collect();
    assert_eq!(told, [(&raised[0]["key"], &json!(1), true)]);
}

/// Waits for the second line with this text.
fn await_twice(agent: &Process, text: &str) {
    let mut times = 0;
    agent.wait_for(text, |line| {
        times += usize::from(line.contains(text));
        (times == 2).then_some(())
    });
}

#[tokio::test]
async fn a_child_is_refused_what_its_parent_has_not_left() {
    let world = World::new();
    let lead = world.home("lead", json!({"hands": [{"name": "lead"}]}), "");
    let register = json!({"hands": [{"name": "lead", "timeout_s": 600}], "slots": 4});
    let (mut lead, _) = Raw::registered(&world, &lead, register).await;
    let mut operator = Raw::operator(&world).await;
    let given = json!({"hand": "lead/lead", "input": "x", "budget": {"tokens": 1000}});
    let parent = operator.request("dispatch", given).await["payload"]["dispatch"].clone();
    let assigned = lead.next_of("deliver").await["payload"]["item"]["body"].clone();
    assert_eq!((&assigned["lease"]["dispatch"], &assigned["budget"]), (&parent, &json!({"tokens": 1000})));

    let child = |tokens: u64| {
        json!({
            "hand": "lead/lead", "input": "x", "parent": assigned["lease"], "parent_used": spent(120),
            "budget": {"tokens": tokens},
        })
    };
    let (asked, left) = (json!({"tokens": 881}), json!({"tokens": 880}));
    let refused = lead.request("dispatch", child(881)).await;
    let message = format!(
        "880 tokens is what dispatch {} has left, and it is not enough for 881 tokens; ask for less, or wait until \
         other children of it have ended",
        parent.as_str().expect("an id")
    );
    let details = json!({"parent": parent, "asked": asked, "left": left});
    let expected =
        json!({"code": "budget_exceeded", "message": message, "retryable": false, "details": details});
    assert_eq!((&refused["kind"], &refused["payload"]), (&json!("error"), &expected));
    let taken = lead.request("dispatch", child(880)).await;
    assert_eq!((&taken["kind"], &taken["payload"]["budget"]), (&json!("ok"), &left), "{taken}");
    let details = json!({"parent": parent, "asked": {"tokens": 1}, "left": {"tokens": 0}});
    assert_eq!(lead.request("dispatch", child(1)).await["payload"]["details"], details);
}

#[test]
fn a_worker_is_told_what_is_left_when_it_gives_away_too_much() {
    let world = World::new();
    let lavish = json!({"name": "lavish", "tools": ["dispatch_hand"]});
    let _lead = world.agent(&world.home("lead", json!({"hands": [lavish]}), LEAD));
    let _right = right(&world);
    // 100 tokens in, and nothing said before it asks.
    let input = json!("word".repeat(100)).to_string();
    let out = world.nexctl(&["dispatch", "lead/lavish", &input, "--budget-tokens", "1000", "--wait"]);
    assert!(out.status.success(), "{}", nexus_tests::world::text(&out));
    let done = dispatch(&world, "lead/lavish", "done");
    let told = format!(
        "the broker refused it: budget_exceeded: 900 tokens is what dispatch {} has left, and it is not enough for \
         5000 tokens; ask for less, or wait until other children of it have ended",
        done["id"].as_str().expect("an id")
    );
    assert_eq!(done["output"], told);
    let list = world.nexctl_json(&["get", "dispatches"]);
    assert_eq!(list["dispatches"].as_array().map(Vec::len), Some(1), "nobody was asked: {list}");
}

#[test]
fn a_worker_that_would_go_over_its_budget_stops_before() {
    let world = World::new();
    let spender = json!({"name": "spender", "tools": ["dispatch_hand"]});
    let _lead = world.agent(&world.home("lead", json!({"hands": [spender]}), LEAD));
    let _right = right(&world);
    // 100 tokens in. Of the 100 that are left its child may have half, and uses 2. The next prompt is at least as
    // long as the first, and there are 98 for it.
    let input = json!("word".repeat(100)).to_string();
    let out = world.nexctl(&["dispatch", "lead/spender", &input, "--budget-tokens", "200", "--wait"]);
    assert!(!out.status.success(), "{}", nexus_tests::world::text(&out));
    let child = dispatch(&world, "right/verify", "done");
    assert_eq!((&child["budget"], &child["spent"]), (&json!({"tokens": 50}), &spent(2)));
    assert_eq!(child["usage"], usage(1, 1));
    let failed = dispatch(&world, "lead/spender", "failed");
    let error = json!({
        "code": "budget_exceeded",
        "message": "another round would go over its budget of 200 tokens; spent: 102 tokens and 0.00 USD",
    });
    assert_eq!((&failed["error"], &failed["output"]), (&error, &Value::Null));
    assert_eq!((&failed["usage"], &failed["spent"]), (&usage(100, 0), &spent(102)));
}
