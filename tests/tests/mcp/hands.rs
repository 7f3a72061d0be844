//! Hands as tools: they come and go with their aspects, say how it goes, and end when nobody wants them any more.

use rmcp::model::{CallToolRequest, ClientRequest};
use rmcp::service::PeerRequestOptions;
use serde_json::json;

use crate::desk::{Desk, request, within};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hand_is_a_tool_from_when_its_aspect_registers_until_it_goes() {
    let mut desk = Desk::new();
    let client = desk.operator().await;
    let tools = client.tools().await;
    assert!(
        tools.contains(&"hand_wren_shout".to_owned()) && tools.contains(&"hand_wren_hold_on".to_owned()),
        "{tools:?}"
    );
    assert_eq!(client.ok("hand_wren_shout", json!({"text": "hey"})).await, json!({"loud": "HEY"}));
    let by_skill = json!({"hand": "wren/self", "skill": "summarise", "input": {"text": "x"}});
    let told = client.refused("dispatch_hand", by_skill).await;
    assert!(told.contains("this broker keeps no workspace, so there are no skills"), "{told}");

    let forge = desk.world.home("forge", json!({"hands": [{"name": "mend"}]}), "");
    let mut agent = desk.world.agent(&forge);
    client.tools_until("the new Hand", |tools| tools.contains(&"hand_forge_mend".to_owned())).await;
    agent.kill();
    client.tools_until("the end of it", |tools| !tools.contains(&"hand_forge_mend".to_owned())).await;
    desk.agent.kill();
    client.tools_until("no Hand at all", |tools| !tools.iter().any(|tool| tool.starts_with("hand_"))).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_aspect_sees_hands_come_and_go_too() {
    let desk = Desk::new();
    let client = desk.aspect("desk").await;
    client.tools_until("the Hands", |tools| tools.contains(&"hand_wren_shout".to_owned())).await;
    assert_eq!(client.ok("hand_wren_shout", json!({"text": "hey"})).await, json!({"loud": "HEY"}));
    let forge = desk.world.home("forge", json!({"hands": [{"name": "mend"}]}), "");
    let _agent = desk.world.agent(&forge);
    client.tools_until("the new Hand", |tools| tools.contains(&"hand_forge_mend".to_owned())).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn how_it_goes_is_told_and_cancelling_the_call_cancels_the_work() {
    let desk = Desk::new();
    let client = desk.operator().await;
    let call = ClientRequest::CallToolRequest(CallToolRequest::new(request(
        "hand_wren_hold_on",
        json!({"input": 1}),
    )));
    let options = PeerRequestOptions::no_options();
    let handle =
        within("the call", client.peer().send_cancellable_request(call, options)).await.expect("it is sent");
    client
        .told("that it runs", |told| told.progress.iter().any(|note| note == "wren/hold-on is running"))
        .await;
    within("cancelling", handle.cancel(Some("never mind".to_owned()))).await.expect("it is told");
    desk.reaches("wren/hold-on", "cancelled");
    // It goes on with others.
    assert_eq!(client.ok("hand_wren_shout", json!({"text": "hey"})).await, json!({"loud": "HEY"}));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_question_that_is_cancelled_ends_its_turn() {
    let desk = Desk::new();
    let client = desk.operator().await;
    let asked = request("ask_aspect", json!({"aspect": "wren", "content": "wait"}));
    let call = ClientRequest::CallToolRequest(CallToolRequest::new(asked));
    let options = PeerRequestOptions::no_options();
    let handle =
        within("the call", client.peer().send_cancellable_request(call, options)).await.expect("it is sent");
    client.told("that it is read", |told| told.progress.iter().any(|note| note.contains("wren has"))).await;
    within("cancelling", handle.cancel(None)).await.expect("it is told");
    within("the end of the turn", async {
        while client.ok("list_team", json!({})).await["aspects"][0]["state"] != "online" {
            tokio::task::yield_now().await;
        }
    })
    .await;
}
