//! Following a task while it goes on, across the end of the broker.

use nexus_tests::wait_until;
use serde_json::{Value, json};

use super::client::{Events, Team, kind, message};

fn kinds(events: &[Value]) -> Vec<String> {
    events.iter().map(kind).collect()
}

#[test]
fn a_stream_begins_with_the_task_and_ends_with_it() {
    let team = Team::new();
    let events = team.stream("SendStreamingMessage", json!({"message": message("s-1", "hello")})).rest();
    let all = kinds(&events);
    assert_eq!(all.first().map(String::as_str), Some("task"), "{all:?}");
    assert_eq!(all[all.len() - 2..], ["whole", "TASK_STATE_COMPLETED"], "{events:?}");
    let whole = &events[events.len() - 2]["artifactUpdate"]["artifact"];
    assert_eq!(whole["parts"], json!([{"text": "hello yourself"}]));
    // Pieces make the same text.
    let pieces = events.iter().filter(|it| ["piece", "more"].contains(&kind(it).as_str()));
    let text: String = pieces
        .filter_map(|it| it["artifactUpdate"]["artifact"]["parts"][0]["text"].as_str().map(str::to_owned))
        .collect();
    assert_eq!(text, "hello yourself");
    // What has ended is got, and not followed.
    let id = &events[0]["task"]["id"];
    let refused = team.rpc("wren", "SubscribeToTask", json!({"id": id}));
    assert_eq!(refused["error"]["code"], -32004, "{refused}");
    assert_eq!(team.rpc("wren", "SubscribeToTask", json!({"id": "x"}))["error"]["code"], -32001);
}

#[test]
fn who_comes_later_gets_the_state_and_then_what_comes() {
    let team = Team::new();
    let task = team.begun("s-2", "wait for it");
    team.until(&task["id"], "TASK_STATE_WORKING");
    let id = task["id"].as_str().expect("an id");
    let mut one = team.stream("SubscribeToTask", json!({"id": id}));
    let mut other = team.rest_stream("GET", &format!("/a2a/nexus/tasks/{id}:subscribe"), "");
    for (events, of) in [(&mut one, "result"), (&mut other, "")] {
        let first = events.next().expect("the task").1;
        let first = if of.is_empty() { &first } else { &first[of] };
        assert_eq!(first["task"]["status"]["state"], "TASK_STATE_WORKING", "{first}");
    }
    team.open("go");
    let events = one.rest();
    assert_eq!(kinds(&events)[events.len() - 2..], ["whole", "TASK_STATE_COMPLETED"], "{events:?}");
    let last = std::iter::from_fn(|| other.next()).last().expect("an end").1;
    assert_eq!(last["statusUpdate"]["status"]["state"], "TASK_STATE_COMPLETED", "{last}");
}

#[test]
fn a_broker_that_goes_ends_every_stream_and_the_task_goes_on() {
    let mut team = Team::new();
    let task = team.begun("s-3", "wait for it");
    let id = task["id"].clone();
    team.until(&id, "TASK_STATE_WORKING");
    // One that stops says so.
    let mut told = team.stream("SubscribeToTask", json!({"id": id}));
    told.next().expect("the task");
    team.world.broker().signal("TERM");
    let (name, said) = std::iter::from_fn(|| told.next()).last().expect("a last event");
    assert_eq!(
        (name.as_str(), &said["error"]["data"][0]["reason"]),
        ("error", &json!("SHUTTING_DOWN")),
        "{said}"
    );
    team.world.broker_mut().wait();
    team.world.start_broker();
    // One that is killed cannot, and the connection ends.
    let mut cut = subscribed(&team, &id);
    team.world.restart_broker();
    assert_eq!(std::iter::from_fn(|| cut.next()).count(), 0, "nothing came, and nothing hangs");
    let mut again = subscribed(&team, &id);
    team.open("go");
    let last = std::iter::from_fn(|| again.next()).last().expect("an end").1;
    assert_eq!(last["result"]["statusUpdate"]["status"]["state"], "TASK_STATE_COMPLETED", "{last}");
}

/// A stream of the task, which is still at work, once there is one.
fn subscribed(team: &Team, id: &Value) -> Events {
    wait_until("a stream", || {
        let mut events = team.stream("SubscribeToTask", json!({"id": id}));
        events.next().filter(|(_, first)| first["result"]["task"].is_object()).map(|_| events)
    })
}

#[test]
fn work_is_followed_too() {
    let team = Team::new();
    let work = json!({
        "messageId": "s-4", "role": "ROLE_USER", "parts": [{"data": {}}], "metadata": {"skill": "verify"},
    });
    let mut events =
        team.rest_stream("POST", "/a2a/wren/message:stream", &json!({"message": work}).to_string());
    let first = events.next().expect("the task").1;
    assert_eq!(first["task"]["metadata"]["aspect"], "wren", "{first}");
    team.open("gate");
    let all: Vec<Value> = std::iter::from_fn(|| events.next()).map(|(_, data)| data).collect();
    assert_eq!(kinds(&all)[all.len() - 2..], ["whole", "TASK_STATE_COMPLETED"], "{all:?}");
    assert_eq!(all[all.len() - 2]["artifactUpdate"]["artifact"]["parts"][0]["data"], json!({"holds": true}));
}
