//! Saying something and getting an answer, by both bindings.

use nexus_tests::wait_until;
use serde_json::{Value, json};

use super::client::{Team, message};

/// What an answer says.
fn said(task: &Value) -> &str {
    task["artifacts"][0]["parts"][0]["text"].as_str().unwrap_or_default()
}

#[test]
fn a_message_is_answered_and_its_task_is_there_afterwards() {
    let team = Team::new();
    let params = json!({"message": message("m-1", "hello")});
    let answer = team.rpc("wren", "SendMessage", params.clone());
    let task = &answer["result"]["task"];
    assert_eq!(task["status"]["state"], "TASK_STATE_COMPLETED", "{answer}");
    assert_eq!((said(task), &task["metadata"]), ("hello yourself", &json!({"aspect": "wren"})));
    assert_eq!(team.task(&task["id"]), *task);
    // The same message again is the same task, and is not said twice.
    assert_eq!(team.rpc("wren", "SendMessage", params), answer);
    let thread = team.world.nexctl_json(&["get", "messages", task["contextId"].as_str().expect("a thread")]);
    assert_eq!(thread["messages"].as_array().map(Vec::len), Some(2), "{thread}");
    // Under the same id another message is refused.
    let other = team.rpc("wren", "SendMessage", json!({"message": message("m-1", "something else")}));
    assert_eq!(other["error"]["code"], -32602, "{other}");

    // The lead answers for the Nexus, and the conversation goes on in the same context.
    let mut next = message("m-2", "hello");
    next["contextId"] = task["contextId"].clone();
    let (status, again) = team.rest("POST", "/a2a/nexus/message:send", &json!({"message": next}).to_string());
    assert_eq!((status, said(&again["task"])), (200, "hello yourself"), "{again}");
    assert_eq!(again["task"]["contextId"], task["contextId"]);
    let id = again["task"]["id"].as_str().expect("an id");
    let (_, found) = team.rest("GET", &format!("/a2a/wren/tasks/{id}?historyLength=0"), "");
    assert_eq!((said(&found), &found["history"]), ("hello yourself", &Value::Null));
    // It is none of forge's.
    let (status, missing) = team.rest("GET", &format!("/a2a/forge/tasks/{id}"), "");
    assert_eq!((status, &missing["error"]["details"][0]["reason"]), (404, &json!("TASK_NOT_FOUND")));

    let listed = team.rpc("wren", "ListTasks", json!({"pageSize": 1}));
    let page = &listed["result"];
    assert_eq!((&page["tasks"][0]["id"], &page["totalSize"]), (&json!(id), &json!(2)), "{page}");
    assert_eq!(page["tasks"][0]["artifacts"], Value::Null, "they are large, and not asked for");
    let token = page["nextPageToken"].as_str().expect("a token");
    let path = format!("/a2a/wren/tasks?pageSize=5&includeArtifacts=true&pageToken={token}");
    let (_, page) = team.rest("GET", &path, "");
    assert_eq!((&page["tasks"][0], &page["nextPageToken"]), (task, &json!("")), "{page}");
    assert_eq!(page["totalSize"], 2);
    let none = team.rpc("forge", "ListTasks", json!({}));
    assert_eq!(none["result"]["tasks"], json!([]), "{none}");
    let state = json!({"status": "TASK_STATE_FAILED"});
    assert_eq!(team.rpc("wren", "ListTasks", state)["result"]["tasks"], json!([]));
}

#[test]
fn a_skill_that_is_named_is_work_for_a_hand() {
    let team = Team::new();
    let asked = json!({
        "messageId": "w-1", "role": "ROLE_USER", "parts": [{"data": {"claim": "x"}}], "metadata": {"skill": "verify"},
    });
    let at_once = json!({"message": asked, "configuration": {"returnImmediately": true}});
    let begun = team.rpc("wren", "SendMessage", at_once);
    let id = begun["result"]["task"]["id"].clone();
    assert_eq!(
        team.until(&id, "TASK_STATE_WORKING")["history"][0]["parts"][0]["data"],
        json!({"claim": "x"})
    );
    team.open("gate");
    let done = team.until(&id, "TASK_STATE_COMPLETED");
    assert_eq!(done["artifacts"][0]["parts"][0]["data"], json!({"holds": true}), "{done}");
    let again = team.rpc("wren", "SendMessage", json!({"message": asked}));
    assert_eq!(again["result"]["task"], done, "the same message is the same work");
    let listed = team.rpc("nexus", "ListTasks", json!({}));
    assert_eq!(listed["result"]["tasks"][0]["id"], id, "{listed}");

    let unknown = json!({
        "messageId": "w-2", "role": "ROLE_USER", "parts": [{"text": "x"}], "metadata": {"skill": "dance"},
    });
    let refused = team.rpc("wren", "SendMessage", json!({"message": unknown}));
    assert_eq!(refused["error"]["code"], -32602, "{refused}");
}

#[test]
fn what_an_agent_asks_is_answered_in_its_task() {
    let team = Team::new();
    let asked = team.rpc("wren", "SendMessage", json!({"message": message("q-1", "which colour is it")}));
    let task = &asked["result"]["task"];
    let status = &task["status"];
    assert_eq!(status["state"], "TASK_STATE_INPUT_REQUIRED", "{asked}");
    assert_eq!(status["message"]["parts"][0]["text"], "Which colour?");
    let mut reply = message("q-2", "red");
    reply["taskId"] = task["id"].clone();
    let done = team.rpc("wren", "SendMessage", json!({"message": reply}));
    assert_eq!(done["result"]["task"]["id"], task["id"], "it is the same task: {done}");
    let done = team.until(&task["id"], "TASK_STATE_COMPLETED");
    assert_eq!(said(&done), "it is red");
    // A repeat changes nothing; something else is a task of its own.
    let again = team.rpc("wren", "SendMessage", json!({"message": reply}));
    assert_eq!(again["result"]["task"], done);
    let mut late = message("q-3", "blue");
    late["taskId"] = task["id"].clone();
    let refused = team.rpc("wren", "SendMessage", json!({"message": late}));
    assert_eq!(refused["error"]["code"], -32004, "{refused}");
}

#[test]
fn a_task_is_cancelled_and_says_so() {
    let team = Team::new();
    let task = team.begun("c-1", "wait for it");
    team.until(&task["id"], "TASK_STATE_WORKING");
    let cancelled = team.rpc("wren", "CancelTask", json!({"id": task["id"]}));
    let status = &cancelled["result"]["status"];
    assert_eq!(status["state"], "TASK_STATE_CANCELED", "{cancelled}");
    assert_eq!(status["message"]["parts"][0]["text"], "cancelled by operator/admin");
    let again = team.rpc("wren", "CancelTask", json!({"id": task["id"]}));
    assert_eq!(again["error"]["code"], -32002, "{again}");

    let work = json!({
        "messageId": "c-2", "role": "ROLE_USER", "parts": [{"text": "x"}], "metadata": {"skill": "verify"},
    });
    let begun = team.rpc(
        "wren",
        "SendMessage",
        json!({"message": work, "configuration": {"returnImmediately": true}}),
    );
    let id = begun["result"]["task"]["id"].as_str().expect("an id").to_owned();
    let (status, ended) = team.rest("POST", &format!("/a2a/wren/tasks/{id}:cancel"), "{}");
    assert_eq!((status, &ended["status"]["state"]), (200, &json!("TASK_STATE_CANCELED")), "{ended}");
}

#[test]
fn bytes_come_as_files_and_go_as_their_address() {
    let team = Team::new();
    let parts =
        json!([{"text": "hello"}, {"raw": "aGVsbG8=", "filename": "a.txt", "mediaType": "text/plain"}]);
    let sent = json!({"messageId": "f-1", "role": "ROLE_USER", "parts": parts});
    let answer = team.rpc("wren", "SendMessage", json!({"message": sent}));
    let file = answer["result"]["task"]["history"][0]["parts"][1].clone();
    assert_eq!((&file["filename"], &file["mediaType"]), (&json!("a.txt"), &json!("text/plain")), "{answer}");
    let url = file["url"].as_str().expect("an address");
    let path = url.strip_prefix(&team.world.url()).expect("it is ours");
    assert_eq!(team.rest("GET", path, ""), (200, json!("hello")));
    // What is there already is named by its address.
    let parts = json!([{"text": "hello again"}, {"url": url, "filename": "b.txt"}]);
    let sent = json!({"messageId": "f-2", "role": "ROLE_USER", "parts": parts});
    let answer = team.rpc("wren", "SendMessage", json!({"message": sent}));
    assert_eq!(answer["result"]["task"]["history"][0]["parts"][1]["url"], url, "{answer}");
}

#[test]
fn an_agent_that_is_killed_answers_when_it_is_back() {
    let mut team = Team::new();
    let task = team.begun("k-1", "wait for it");
    team.until(&task["id"], "TASK_STATE_WORKING");
    team.agents[0].kill();
    team.world.restart_broker();
    let found = wait_until("the task", || Some(team.task(&task["id"])).filter(Value::is_object));
    assert_eq!(found["status"]["state"], "TASK_STATE_WORKING", "its state needs no memory: {found}");
    team.open("go");
    let _wren = team.world.agent(&team.wren);
    assert_eq!(said(&team.until(&task["id"], "TASK_STATE_COMPLETED")), "late");
}
