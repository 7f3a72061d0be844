//! Unread messages: offered with whatever an assistant asks, until it has read them.

use nexus_tests::wait_until;
use serde_json::json;

use crate::desk::{Desk, said, within};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_assistant_is_on_the_roster_as_itself_and_learns_what_is_for_it() {
    let desk = Desk::new();
    let client = desk.aspect("desk").await;
    let team = client.ok("list_team", json!({"aspect": "desk"})).await;
    within("the roster", async {
        while client.ok("list_team", json!({"aspect": "desk"})).await["aspects"][0]["state"] != "online" {
            tokio::task::yield_now().await;
        }
    })
    .await;
    assert_eq!(team["aspects"][0]["provider"], "mcp");
    let quiet = client.call("list_team", json!({})).await;
    assert!(!said(&quiet).contains("unread"), "{}", said(&quiet));

    let sent = desk.world.nexctl_json(&["say", "--to", "desk", "the tide is out"]);
    let offer = within("the offer", async {
        loop {
            let told = said(&client.call("search_knowledge", json!({"query": "x"})).await);
            if told.contains("1 unread") {
                return told;
            }
        }
    })
    .await;
    let thread = sent["thread"].as_str().expect("a thread");
    assert!(offer.contains("\"the tide is out\"") && offer.contains(thread), "{offer}");
    // It stays so, also where it is only listed or looked at as a resource.
    let listed = client.ok("read_chat", json!({"unread": true})).await;
    assert_eq!(listed["threads"][0]["unread"], 1);
    client.ok("read_chat_thread", json!({"thread": thread, "keep_unread": true})).await;
    let again = said(&client.call("list_team", json!({})).await);
    assert!(again.contains("1 unread"), "{again}");

    let page = client.ok("read_chat_thread", json!({"thread": thread})).await;
    let message = page["messages"][0]["id"].as_str().expect("an id").to_owned();
    let after = said(&client.call("list_team", json!({})).await);
    assert!(!after.contains("unread"), "{after}");
    let state = || {
        let shown = desk.world.nexctl_json(&["describe", "message", &message]);
        shown.to_string()
    };
    wait_until("that it is read", || state().contains("in_context").then_some(()));
    client.ok("send_chat", json!({"content": "so it is", "reply_to": message})).await;
    wait_until("that it is answered", || state().contains("answered").then_some(()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_not_shown_stays_unread() {
    let desk = Desk::new();
    let client = desk.aspect("desk").await;
    let first = desk.world.nexctl_json(&["say", "--to", "desk", "one"]);
    let thread = first["thread"].as_str().expect("a thread").to_owned();
    for text in ["two", "three"] {
        desk.world.nexctl_json(&["say", "--to", "desk", "--thread", &thread, text]);
    }
    let contents = |page: &serde_json::Value| {
        let all = page["messages"].as_array().expect("messages");
        all.iter().map(|it| it["content"].as_str().expect("a text").to_owned()).collect::<Vec<_>>()
    };
    let page = client.ok("read_chat_thread", json!({"thread": thread, "limit": 1})).await;
    assert_eq!(contents(&page), ["three"]);
    let told = said(&client.call("list_team", json!({})).await);
    assert!(told.contains("3 unread"), "{told}");
    let page = client.ok("read_chat_thread", json!({"thread": thread})).await;
    assert_eq!(contents(&page), ["one", "two", "three"]);
    let told = said(&client.call("list_team", json!({})).await);
    assert!(!told.contains("unread"), "{told}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_aspect_asks_another_and_what_it_was_answered_is_read() {
    let desk = Desk::new();
    let client = desk.aspect("desk").await;
    let answered = client.ok("ask_aspect", json!({"aspect": "wren", "content": "hello"})).await;
    assert_eq!(
        (&answered["state"], &answered["answer"]["content"]),
        (&json!("answered"), &json!("hello yourself"))
    );
    let told = said(&client.call("list_team", json!({})).await);
    assert!(!told.contains("unread"), "{told}");
    client.end().await;
    // It has said goodbye.
    wait_until("that it is gone", || {
        let team = desk.world.nexctl_json(&["get", "aspects"]);
        let all = team["aspects"].as_array()?;
        all.iter().any(|it| it["name"] == "desk" && it["state"] == "offline").then_some(())
    });
}
