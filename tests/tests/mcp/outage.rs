//! A broker that is killed, restarted or gone for good: requests end, and the assistant notices as little as can be.

use serde_json::json;

use crate::desk::Desk;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_goes_on_through_a_broker_that_is_killed() {
    let mut desk = Desk::new();
    let client = desk.operator().await;
    let work = client.call("hand_wren_hold_on", json!({"input": 1}));
    let meanwhile = async {
        tokio::task::block_in_place(|| desk.reaches("wren/hold-on", "running"));
        tokio::task::block_in_place(|| desk.world.restart_broker());
        desk.open("hand-gate");
    };
    let (result, ()) = tokio::join!(work, meanwhile);
    assert_eq!(result.structured_content, Some(json!({"output": "held"})), "{result:?}");
    let states = tokio::task::block_in_place(|| desk.states());
    assert_eq!(states, [("wren/hold-on".to_owned(), "done".to_owned())], "it was done once");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_waits_for_a_broker_that_is_coming_back() {
    let mut desk = Desk::new();
    let client = desk.aspect("desk").await;
    desk.world.kill_broker();
    let sent = client.ok("send_chat", json!({"content": "hello", "to": ["wren"]}));
    let meanwhile = async { tokio::task::block_in_place(|| desk.world.start_broker()) };
    let (sent, ()) = tokio::join!(sent, meanwhile);
    assert_eq!(sent["recipients"], json!(["wren"]));
    let page = client.ok("read_chat_thread", json!({"thread": sent["thread"]})).await;
    assert_eq!(page["messages"][0]["from"], "desk", "as whom it was before");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_broker_that_stays_away_is_a_clear_failure() {
    let mut desk = Desk::new();
    let token = desk.world.data().join("operator.token");
    let client = desk.assistant(&["--token-file", &token.to_string_lossy(), "--wait", "1"]).await;
    assert!(client.tools().await.contains(&"list_team".to_owned()));
    let url = desk.world.url();
    desk.world.kill_broker();
    let refused = client.refused("list_team", json!({})).await;
    assert!(
        refused.contains(&format!("unavailable: the broker at {url} has not answered for 1 s")),
        "{refused}"
    );
    desk.world.start_broker();
    // As soon as it is there again, without being started anew.
    crate::desk::within("the broker", async {
        while client.call("list_team", json!({})).await.is_error == Some(true) {}
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_assistant_that_starts_before_the_broker_is_served() {
    let mut desk = Desk::new();
    let token = desk.world.data().join("operator.token");
    let command = desk.command(&["--token-file", &token.to_string_lossy()]);
    desk.world.kill_broker();
    let client = crate::desk::Assistant::start(command).await;
    let team = client.ok("list_team", json!({}));
    let meanwhile = async { tokio::task::block_in_place(|| desk.world.start_broker()) };
    let (team, ()) = tokio::join!(team, meanwhile);
    assert_eq!(team["aspects"][0]["name"], "wren");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_assistant_of_the_same_aspect_takes_over_and_the_first_says_so() {
    let desk = Desk::new();
    let first = desk.aspect("desk").await;
    first.ok("list_team", json!({})).await;
    let keyfile = desk.world.dir().join("desk/.nexus/key.json");
    let second = desk.assistant_of(&keyfile).await;
    second.ok("list_team", json!({})).await;
    let refused = crate::desk::within("the first", async {
        loop {
            let result = first.call("list_team", json!({})).await;
            if result.is_error == Some(true) {
                return crate::desk::said(&result);
            }
        }
    })
    .await;
    assert!(refused.contains("displaced") && refused.contains("keyfile of its own"), "{refused}");
}
