//! How far a message has come, and what is read, said and reacted to, through the real programs.

use nexus_tests::raw::Raw;
use nexus_tests::{World, wait_until};
use serde_json::{Value, json};

async fn receipt(raw: &mut Raw, message: &Value) -> Value {
    let page = raw.request("chat.receipts", json!({"message": message})).await;
    assert_eq!(page["payload"]["more"], json!(false), "{page}");
    page["payload"]["receipts"][0].clone()
}

#[tokio::test]
async fn a_receipt_tells_the_truth_at_every_step() {
    let mut world = World::new();
    let home = world.home("wren", json!({}), "");
    let mut operator = Raw::operator(&world).await;
    let sent =
        operator.request("chat.send", json!({"to": ["wren"], "content": "look"})).await["payload"].clone();
    let message = &sent["message"];
    assert_eq!(receipt(&mut operator, message).await, json!({"party": "wren", "state": "stored"}));
    let (mut wren, registered) = Raw::registered(&world, &home, json!({})).await;
    let item = wren.next_of("deliver").await["payload"].clone();
    assert_eq!(receipt(&mut operator, message).await["state"], "stored", "sent is not delivered");
    assert_eq!(wren.request("ack", json!({"offset": 1})).await["kind"], "ok");
    assert_eq!(receipt(&mut operator, message).await, json!({"party": "wren", "state": "delivered"}));
    operator.request("subscribe", json!({"thread": sent["thread"]})).await;
    assert_eq!(wren.request("inbox.taken", json!({"message": message})).await["kind"], "ok");
    let logged = operator.next_of("log").await["payload"]["body"].clone();
    assert_eq!(logged, json!({"type": "item_taken", "message": message}));
    assert_eq!(receipt(&mut operator, message).await["state"], "in_context");
    // The same after a restart of the broker.
    world.restart_broker();
    let resume = json!({"epoch": registered["epoch"], "offset": 1, "item": item["item"]["id"]});
    let (mut wren, _) = Raw::registered(&world, &home, json!({"last_generation": 1, "resume": resume})).await;
    let mut operator = Raw::operator(&world).await;
    assert_eq!(receipt(&mut operator, message).await["state"], "in_context");
    let reply =
        wren.request("chat.send", json!({"reply_to": message, "content": "seen"})).await["payload"].clone();
    let close = json!({"item": item["item"]["id"], "decision": "replied", "message": reply["message"]});
    assert_eq!(wren.request("inbox.close", close).await["kind"], "ok");
    let answered = receipt(&mut operator, message).await;
    let expected = json!({
        "party": "wren", "state": "answered", "at": answered["at"], "decision": "replied", "reply": reply["message"],
    });
    assert_eq!(answered, expected);
    // The reply went to the operator, who reads it.
    assert_eq!(receipt(&mut wren, &reply["message"]).await["state"], "stored");
    let threads =
        operator.request("chat.threads", json!({"unread": true})).await["payload"]["threads"].clone();
    assert_eq!((&threads[0]["id"], &threads[0]["unread"]), (&sent["thread"], &json!(1)));
    operator.request("chat.mark", json!({"thread": sent["thread"], "seq": reply["seq"]})).await;
    assert_eq!(receipt(&mut wren, &reply["message"]).await["state"], "in_context");
    let threads = operator.request("chat.threads", json!({"unread": true})).await;
    assert_eq!(threads["payload"]["threads"], json!([]));
}

#[tokio::test]
async fn a_reaction_reaches_those_who_take_part_and_stays() {
    let mut world = World::new();
    let home = world.home("wren", json!({}), "");
    let (mut wren, _) = Raw::registered(&world, &home, json!({})).await;
    let mut operator = Raw::operator(&world).await;
    let sent =
        operator.request("chat.send", json!({"to": ["wren"], "content": "look"})).await["payload"].clone();
    let (message, thread) = (&sent["message"], &sent["thread"]);
    let react = json!({"message": message, "emoji": "👍"});
    assert_eq!(operator.request("chat.react", react).await["kind"], "ok");
    let told = wren.next_of("chat.reacted").await["payload"].clone();
    let by = told["by"].clone();
    assert_eq!(told, json!({"message": message, "thread": thread, "emoji": "👍", "by": by}));
    world.restart_broker();
    let mut operator = Raw::operator(&world).await;
    let page = operator.request("chat.read", json!({"thread": thread})).await;
    assert_eq!(page["payload"]["messages"][0]["reactions"], json!([{"emoji": "👍", "by": [by]}]));
}

/// Searches until the index has come as far as `seq`.
async fn search(raw: &mut Raw, search: Value, seq: &Value) -> Value {
    loop {
        let found = raw.request("chat.search", search.clone()).await;
        assert_eq!(found["kind"], "ok", "{found}");
        if found["payload"]["indexed_seq"].as_u64() >= seq.as_u64() {
            return found["payload"].clone();
        }
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn what_was_acknowledged_is_found_after_kills_and_only_by_those_who_may() {
    const ROUNDS: u64 = 3;
    let mut world = World::new();
    let (wren, forge) = (world.home("wren", json!({}), ""), world.home("forge", json!({}), ""));
    let mut acknowledged = Vec::new();
    let mut last = json!(0);
    for round in 0..ROUNDS {
        let mut operator = Raw::operator(&world).await;
        for n in 0..100 {
            let content = format!("moon {round} {n}");
            let sent = operator.request("chat.send", json!({"to": ["wren"], "content": content})).await;
            last = sent["payload"]["seq"].clone();
            acknowledged.push(sent["payload"]["message"].clone());
        }
        // With the index somewhere on its way.
        world.restart_broker();
    }
    let mut operator = Raw::operator(&world).await;
    let (mut found, mut cursor) = (Vec::new(), Value::Null);
    loop {
        let page =
            search(&mut operator, json!({"query": "moons", "limit": 70, "cursor": cursor}), &last).await;
        found.extend(page["hits"].as_array().into_iter().flatten().map(|hit| hit["message"].clone()));
        cursor = page["next"].clone();
        if page["more"] == json!(false) {
            break;
        }
    }
    found.reverse();
    assert_eq!(found, acknowledged);
    let (mut wren, _) = Raw::registered(&world, &wren, json!({})).await;
    let (mut forge, _) = Raw::registered(&world, &forge, json!({})).await;
    let asked = json!({"query": "\"moon 2 99\""});
    let of_wren = search(&mut wren, asked.clone(), &last).await;
    let pieces = json!([{"text": "moon 2 99", "hit": true}]);
    assert_eq!((&of_wren["hits"][0]["snippet"], &of_wren["more"]), (&pieces, &json!(false)));
    assert_eq!(search(&mut forge, asked, &last).await["hits"], json!([]));
    let shown = world.nexctl(&["search", "\"moon 2 99\""]);
    assert!(
        String::from_utf8_lossy(&shown.stdout).contains("*moon 2 99*"),
        "{}",
        nexus_tests::world::text(&shown)
    );
}

/// The runtime says what its session took, without being asked.
#[tokio::test]
async fn a_real_agent_tells_that_it_has_a_message_before_it() {
    let world = World::new();
    let script = "[[rule]]\nname = \"echo\"\n[[rule.step]]\nsay = \"seen\"\n";
    let home = world.home("wren", json!({}), script);
    let _agent = world.agent(&home);
    let out = world.nexctl(&["ask", "wren", "hello"]);
    assert!(out.status.success(), "{}", nexus_tests::world::text(&out));
    let threads = world.nexctl_json(&["get", "threads"]);
    let thread = threads["threads"][0]["id"].as_str().expect("an id").to_owned();
    let messages = world.nexctl_json(&["get", "messages", &thread]);
    let message = messages["messages"][0]["id"].as_str().expect("an id").to_owned();
    let receipts = world.nexctl_json(&["get", "receipts", &message]);
    assert_eq!(receipts["receipts"][0]["state"], "answered", "{receipts}");
    assert_eq!(world.nexctl_json(&["react", &message, "👍"])["emoji"], "👍");
    assert_eq!(world.nexctl_json(&["rename", &thread, "the", "plan"])["title"], "the plan");
    assert_eq!(world.nexctl_json(&["mark", &thread])["thread"], thread.as_str());
    let threads = world.nexctl_json(&["get", "threads", "--participant", "wren"]);
    assert_eq!(threads["threads"][0]["title"], "the plan");
    // Told without being asked, beside the decision.
    let mut operator = Raw::operator(&world).await;
    operator.request("subscribe", json!({"from_seq": 0})).await;
    loop {
        let body = operator.next_of("log").await["payload"]["body"].clone();
        if body["type"] == "item_taken" {
            assert_eq!(body["message"], message.as_str());
            break;
        }
    }
}

/// What was said in a thread, and by whom.
fn said(world: &World, thread: &str) -> Vec<(String, String)> {
    let page = world.nexctl_json(&["get", "messages", thread]);
    let text = |message: &Value, field: &str| message[field].as_str().expect("a text").to_owned();
    let messages = page["messages"].as_array().expect("a list").iter();
    messages.map(|message| (text(message, "from"), text(message, "content"))).collect()
}

#[tokio::test]
async fn two_that_answer_each_other_without_end_are_stopped_until_a_person_speaks() {
    let mut world = World::asleep().config("[threads]\nloop_messages = 6\nloop_identical = 0\n");
    world.start_broker();
    let script = "[[rule]]\n[[rule.step]]\nsay = \"@wren @keel and you?\"\n";
    let agents = ["wren", "keel"].map(|name| world.agent(&world.home(name, json!({}), script)));
    let opened = world.nexctl_json(&["say", "--to", "wren", "begin"]);
    let thread = opened["thread"].as_str().expect("an id").to_owned();

    let round = |opening: &str| {
        let mut all = vec![("operator/admin".to_owned(), opening.to_owned())];
        let talk = ["wren", "keel"].iter().cycle().take(6);
        all.extend(talk.map(|name| ((*name).to_owned(), "@wren @keel and you?".to_owned())));
        let paused = "Paused: 6 messages in a row came from agents only. Write here to let the thread go on.";
        all.push(("system".to_owned(), paused.to_owned()));
        all
    };
    let until_stopped = |world: &World, count: usize| {
        wait_until("the end of the talk", || {
            let said = said(world, &thread);
            (said.len() >= count).then_some(said)
        })
    };
    assert_eq!(until_stopped(&world, 8), round("begin"));
    // Whoever would speak next is refused, and leaves it.
    agents[0].wait_for_text(&format!("thread {thread} is paused until an operator writes in it"));
    let heard = world.nexctl_json(&["get", "messages", &thread])["messages"][6]["id"].clone();
    let heard = heard.as_str().expect("an id").to_owned();
    let receipt = wait_until("what became of the message it would have answered", || {
        let page = world.nexctl_json(&["get", "receipts", &heard]);
        page["receipts"]
            .as_array()?
            .iter()
            .find(|it| it["party"] == "wren" && it["state"] == "answered")
            .cloned()
    });
    let reason = "its answer was refused and is in the aspect's session alone";
    assert_eq!((&receipt["decision"], &receipt["reason"]), (&json!("failed"), &json!(reason)));
    assert_eq!(receipt["reply"], Value::Null, "there is none");
    let alert = world.nexctl_json(&["get", "alerts"])["alerts"].clone();
    let shown = json!([alert[0]["key"], alert[0]["severity"], alert[0]["nature"], alert[0]["message"]]);
    let message =
        "begin: Paused: 6 messages in a row came from agents only. Write here to let the thread go on.";
    assert_eq!(shown, json!([format!("thread_paused/{thread}"), "warning", "condition", message]));
    assert_eq!(alert.as_array().map(Vec::len), Some(1), "{alert}");

    // It stays so over a restart, for whoever is no person.
    world.restart_broker();
    agents[0].wait_for_text("(generation 2)");
    assert_eq!(said(&world, &thread), round("begin"));
    world.nexctl_json(&["say", "--thread", &thread, "--to", "wren", "go on"]);
    // Both of them hear that, so who speaks when is open.
    let nobodys = |said: Vec<(String, String)>| -> Vec<(String, String)> {
        let is_agents = |from: &str| ["wren", "keel"].contains(&from);
        let by = |from: String| if is_agents(&from) { "an agent".to_owned() } else { from };
        said.into_iter().map(|(from, content)| (by(from), content)).collect()
    };
    let all = [round("begin"), round("go on")].concat();
    assert_eq!(nobodys(until_stopped(&world, 16)), nobodys(all));
    let mut operator = Raw::operator(&world).await;
    operator.request("subscribe", json!({"from_seq": 0})).await;
    let mut changes = Vec::new();
    while changes.len() < 3 {
        let body = operator.next_of("log").await["payload"]["body"].clone();
        if body["type"] == "alert" {
            changes.push((body["key"].clone(), body["change"].clone()));
        }
    }
    let key = alert[0]["key"].clone();
    assert_eq!(changes, ["raised", "cleared", "raised"].map(|change| (key.clone(), json!(change))));
}
