//! Every tool, resource and prompt does what it says.

use rmcp::model::{
    ArgumentInfo, CompleteRequestParams, GetPromptRequestParams, ReadResourceRequestParams, Reference,
    ResourceContents,
};
use serde_json::{Value, json};

use crate::desk::{Assistant, Desk, said, within};

fn id(value: &Value) -> String {
    value.as_str().expect("a text").to_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_conversation_is_had() {
    let desk = Desk::new();
    let client = desk.operator().await;
    let team = client.ok("list_team", json!({})).await;
    assert_eq!(team["aspects"][0]["name"], "wren");

    let sent =
        client.ok("send_chat", json!({"content": "hello", "to": ["wren"], "idempotency_key": "one"})).await;
    let again =
        client.ok("send_chat", json!({"content": "hello", "to": ["wren"], "idempotency_key": "one"})).await;
    assert_eq!(sent, again, "the same key is the same message");
    let other = client
        .refused("send_chat", json!({"content": "bye", "to": ["wren"], "idempotency_key": "one"}))
        .await;
    assert!(other.contains("id_reused"), "{other}");

    let (thread, message) = (id(&sent["thread"]), id(&sent["message"]));
    let asked = json!({"aspect": "wren", "content": "hello again", "thread": thread});
    let answered = client.ok("ask_aspect", asked).await;
    assert_eq!(answered["state"], "answered", "{answered}");
    assert_eq!(answered["answer"]["content"], "hello yourself");
    assert_eq!(answered["thread"], sent["thread"]);

    let page = client.ok("read_chat_thread", json!({"thread": thread})).await;
    let mut contents: Vec<String> = page["messages"]
        .as_array()
        .expect("messages")
        .iter()
        .map(|message| id(&message["content"]))
        .collect();
    // The two answers come when they come.
    contents.sort();
    assert_eq!(contents, ["hello", "hello again", "hello yourself", "hello yourself"]);

    let reacted = client.ok("react_to", json!({"message": message, "emoji": "👍"})).await;
    assert_eq!(reacted["emoji"], "👍");
    let read = client.ok("read_chat_message", json!({"message": message})).await;
    assert_eq!(read["message"]["reactions"][0]["emoji"], "👍");
    assert_eq!(read["receipts"][0]["state"], "answered");

    let threads = client.ok("read_chat", json!({})).await;
    assert_eq!(threads["threads"][0]["id"], sent["thread"]);
    let text = search(&client, "again").await;
    assert_eq!(text["hits"][0]["thread"], sent["thread"]);
}

/// The index follows a moment behind.
async fn search(client: &Assistant, query: &str) -> Value {
    within("the index", async {
        loop {
            let found = client.ok("search_chat", json!({"query": query})).await;
            if found["hits"].as_array().is_some_and(|hits| !hits.is_empty()) {
                return found;
            }
            tokio::task::yield_now().await;
        }
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn knowledge_is_kept_and_found() {
    let desk = Desk::new();
    let client = desk.operator().await;
    let stored = json!({"topic": "harbour", "content": "the ferry leaves at nine", "shared": true});
    assert_eq!(client.ok("store_knowledge", stored).await["version"], 1);
    let found = client.ok("search_knowledge", json!({"query": "ferry"})).await;
    assert_eq!(found["hits"][0]["topic"], "harbour");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tables_are_read_and_written_and_flows_run() {
    let desk = Desk::new();
    let table = "name: clients\nkey: id\nfields: [{name: id, type: string}, {name: hours, type: number}]\n";
    let flow = "id: note\nsteps: [{id: row, do: {write: {registry: clients, values: {id: blue, hours: 2}}}}]\noutput: '{{ steps.row.output.row }}'\n";
    for (what, text) in [("registry", table), ("flow", flow)] {
        let path = desk.world.dir().join(format!("{what}.yaml"));
        std::fs::write(&path, text).expect("the folder is ours");
        desk.world.nexctl_json(&[what, "put", &path.to_string_lossy()]);
    }
    let client = desk.operator().await;
    let write =
        json!({"registry": "clients", "values": {"id": "acme", "hours": 12}, "idempotency_key": "one"});
    let written = client.ok("write_registry", write.clone()).await;
    assert_eq!(written, json!({"registry": "clients", "row": "acme", "version": 1, "changed": true}));
    assert_eq!(client.ok("write_registry", write).await, written, "twice is once");
    assert_eq!(client.ok("list_flows", json!({})).await["flows"][0]["id"], "note");
    let run = client.ok("run_flow", json!({"flow": "note"})).await;
    let seen = client.ok("run_status", json!({"run": run["run"]})).await;
    assert_eq!((&seen["state"], &seen["output"]), (&json!("done"), &json!("blue")), "{seen}");
    let read = client.ok("read_registry", json!({"registry": "clients", "filter": "hours > 10"})).await;
    assert_eq!((&read["rows"][0]["row"], read["rows"].as_array().map(Vec::len)), (&json!("acme"), Some(1)));
    assert_eq!(client.ok("read_registry", json!({})).await["registries"][0]["name"], "clients");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn triggers_are_seen_and_steered_and_what_failed_is_run_again() {
    let desk = Desk::new();
    let flow = "id: note\nsteps: [{id: row, do: {write: {registry: clients, values: {id: blue}}}}]\noutput: '{{ steps.row.output.row }}'\n";
    let table = "name: clients\nkey: id\nfields: [{name: id, type: string}]\n";
    let put = |what: &str, text: &str| {
        let path = desk.world.dir().join(format!("{what}.yaml"));
        std::fs::write(&path, text).expect("the folder is ours");
        desk.world.nexctl_json(&[what, "put", &path.to_string_lossy()]);
    };
    put("flow", flow);
    desk.world.nexctl_json(&["trigger", "add", "sweep", "--manual", "--flow", "note"]);
    let client = desk.operator().await;
    let listed = client.ok("list_triggers", json!({})).await;
    assert_eq!(
        (&listed["triggers"][0]["definition"]["name"], &listed["more"]),
        (&json!("sweep"), &json!(false))
    );

    // There is no such table yet.
    let fire = json!({"trigger": "sweep", "idempotency_key": "one"});
    let fired = client.ok("fire_trigger", fire.clone()).await;
    assert_eq!(client.ok("fire_trigger", fire).await["slot"]["no"], fired["slot"]["no"], "twice is once");
    let history = client.ok("trigger_history", json!({"trigger": "sweep"})).await;
    assert_eq!(
        (history["slots"].as_array().map(Vec::len), &history["slots"][0]["state"]),
        (Some(1), &json!("failed"))
    );
    let alerts = client.ok("list_alerts", json!({})).await;
    let failed =
        alerts["alerts"].as_array().expect("a list").iter().find(|it| it["key"] == "run_failed/note");
    assert!(failed.is_some_and(|it| it.get("acked_at").is_none()), "{alerts}");
    assert!(client.ok("ack_alert", json!({"key": "run_failed/note"})).await["acked_at"].is_number());

    put("registry", table);
    let runs = client.ok("list_runs", json!({"flow": "note", "all": true})).await;
    assert_eq!(
        (&runs["runs"][0]["state"], runs["runs"].as_array().map(Vec::len)),
        (&json!("failed"), Some(1))
    );
    let again = client.ok("retry_run", json!({"run": runs["runs"][0]["id"]})).await;
    let seen = client.ok("run_status", json!({"run": again["run"]})).await;
    assert_eq!((&seen["state"], &seen["output"]), (&json!("done"), &json!("blue")), "{seen}");
    let over = client.ok("cancel_run", json!({"run": again["run"], "reason": "late"})).await;
    assert_eq!(over["state"], "done", "what has ended stays as it ended");

    let paused = client.ok("pause_trigger", json!({"trigger": "sweep", "reason": "the table moves"})).await;
    assert_eq!(
        (&paused["status"], &paused["reason"]),
        (&json!("paused"), &json!("by operator/admin: the table moves"))
    );
    assert_eq!(client.ok("resume_trigger", json!({"trigger": "sweep"})).await["status"], "active");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn work_is_sent_looked_at_and_cancelled() {
    let desk = Desk::new();
    let client = desk.operator().await;
    let input = json!({"text": "quiet"});
    let sent = client.ok("dispatch_hand", json!({"hand": "wren/shout", "input": input, "wait_s": 60})).await;
    assert_eq!((&sent["state"], &sent["output"]), (&json!("done"), &json!({"loud": "QUIET"})), "{sent}");
    let held = client.ok("dispatch_hand", json!({"hand": "wren/hold-on", "input": {}})).await;
    desk.reaches("wren/hold-on", "running");
    let status = client.ok("dispatch_status", json!({"dispatch": held["dispatch"]})).await;
    assert_eq!(status["state"], "running");
    let receipt =
        client.ok("cancel_dispatch", json!({"dispatch": held["dispatch"], "reason": "enough"})).await;
    assert_eq!(receipt["cancelled"], json!([held["dispatch"]]));
    let status = client.ok("dispatch_status", json!({"dispatch": held["dispatch"], "wait_s": 60})).await;
    assert_eq!(status["state"], "cancelled");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_goes_wrong_is_told_to_the_model_with_what_to_do() {
    let desk = Desk::new();
    let client = desk.operator().await;
    let cases = [
        ("send_chat", json!({"content": "x", "whom": "wren"}), "unknown field `whom`"),
        ("send_chat", json!({"to": ["wren"]}), "missing field `content`"),
        ("ask_aspect", json!({"aspect": "nobody", "content": "x"}), "there is no agent nobody"),
        ("dispatch_hand", json!({"hand": "wren/none", "input": {}}), "not_found"),
        ("dispatch_hand", json!({"hand": "wren/shout", "input": {"text": 7}}), "/text"),
        (
            "read_chat_thread",
            json!({"thread": "00000000-0000-0000-0000-000000000001"}),
            "Take ids and names from",
        ),
        ("hand_wren_shout", json!({}), "Correct the arguments"),
    ];
    for (tool, arguments, wanted) in cases {
        let refused = client.refused(tool, arguments).await;
        assert!(refused.contains(wanted), "{tool}: {refused}");
    }
    let unknown = client.peer().call_tool(crate::desk::request("rm_rf", json!({}))).await;
    assert!(unknown.is_err_and(|error| error.to_string().contains("Unknown tool: rm_rf")));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn resources_are_listed_read_and_followed() {
    let desk = Desk::new();
    let client = desk.operator().await;
    let sent = client.ok("ask_aspect", json!({"aspect": "wren", "content": "hello"})).await;
    client.ok("store_knowledge", json!({"topic": "a/b", "content": "tides", "shared": true})).await;
    let thread = format!("nexus://thread/{}", id(&sent["thread"]));
    let listed = within("resources", client.peer().list_all_resources()).await.expect("listed");
    let uris: Vec<&str> = listed.iter().map(|it| it.uri.as_str()).collect();
    let mine = uris.last().expect("knowledge comes last").to_string();
    assert_eq!(uris[..3], ["nexus://team", "nexus://unread", thread.as_str()]);
    assert!(mine.starts_with("nexus://knowledge/operator%2F") && mine.ends_with("/a%2Fb"), "{mine}");
    let session = format!("nexus://session/wren/{}", id(&sent["thread"]));
    for (uri, part) in [
        ("nexus://team", "wren"),
        ("nexus://unread", "threads"),
        (thread.as_str(), "hello yourself"),
        (mine.as_str(), "tides"),
        ("nexus://session/wren", "sessions"),
        (session.as_str(), "entries"),
    ] {
        let text = read(&client, uri).await;
        assert!(text.contains(part), "{uri}: {text}");
    }
    let templates = within("templates", client.peer().list_all_resource_templates()).await.expect("listed");
    assert_eq!(templates.len(), 6);
    let missing = client.peer().read_resource(ReadResourceRequestParams::new("nexus://thread/7")).await;
    assert!(missing.is_err());

    #[expect(deprecated, reason = "what clients of the protocol with sessions send")]
    within("subscribing", client.peer().subscribe(rmcp::model::SubscribeRequestParams::new(thread.clone())))
        .await
        .expect("subscribed");
    client.ok("send_chat", json!({"content": "hello", "thread": sent["thread"], "to": ["wren"]})).await;
    client.told("the update", |told| told.updated.contains(&thread)).await;
}

async fn read(client: &Assistant, uri: &str) -> String {
    let request = ReadResourceRequestParams::new(uri);
    let result = within(uri, client.peer().read_resource(request))
        .await
        .unwrap_or_else(|error| panic!("{uri}: {error}"));
    match &result.contents[..] {
        [ResourceContents::TextResourceContents { text, .. }] => text.clone(),
        other => panic!("{uri}: {other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn prompts_tell_how_it_stands_and_arguments_complete() {
    let desk = Desk::new();
    let client = desk.operator().await;
    let listed = within("prompts", client.peer().list_all_prompts()).await.expect("listed");
    let names: Vec<&str> = listed.iter().map(|it| it.name.as_str()).collect();
    assert_eq!(names, ["brief_me", "catch_up", "hand_over"]);
    let sent = client.ok("ask_aspect", json!({"aspect": "wren", "content": "hello"})).await;
    let cases = [
        ("brief_me", json!({}), "- wren is online; Hands: shout, hold-on"),
        ("catch_up", json!({"thread": sent["thread"]}), "wren wrote:\nhello yourself"),
        (
            "hand_over",
            json!({"aspect": "wren", "work": "the survey"}),
            "wren/shout: does what the test needs",
        ),
    ];
    for (name, arguments, wanted) in cases {
        let Value::Object(arguments) = arguments else { panic!("an object") };
        let request = GetPromptRequestParams::new(name).with_arguments(arguments);
        let prompt = within(name, client.peer().get_prompt(request)).await.expect("it is there");
        let text = serde_json::to_string(&prompt.messages).expect("JSON");
        assert!(text.contains(&wanted.replace('\n', "\\n")), "{name}: {text}");
    }
    let missing = client.peer().get_prompt(GetPromptRequestParams::new("hand_over")).await;
    assert!(missing.is_err_and(|error| error.to_string().contains("needs `aspect`")));
    let argument = ArgumentInfo::new("aspect", "wr");
    let complete = CompleteRequestParams::new(Reference::for_prompt("hand_over"), argument);
    let completed = within("completing", client.peer().complete(complete)).await.expect("completed");
    assert_eq!(completed.completion.values, ["wren"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_tool_returns_follows_its_schema() {
    let desk = Desk::new();
    let client = desk.operator().await;
    let tools = within("tools", client.peer().list_all_tools()).await.expect("listed");
    let sent = client.ok("ask_aspect", json!({"aspect": "wren", "content": "hello"})).await;
    let work =
        client.ok("dispatch_hand", json!({"hand": "wren/shout", "input": {"text": "a"}, "wait_s": 60})).await;
    // There is no such table, so it fails.
    let flow = "id: note\nsteps: [{id: row, do: {write: {registry: clients, values: {id: blue}}}}]\n";
    let path = desk.world.dir().join("note.yaml");
    std::fs::write(&path, flow).expect("the folder is ours");
    desk.world.nexctl_json(&["flow", "put", &path.to_string_lossy()]);
    desk.world.nexctl_json(&["trigger", "add", "sweep", "--manual", "--flow", "note"]);
    let run = client.ok("run_flow", json!({"flow": "note"})).await;
    let calls = [
        ("list_team", json!({})),
        ("read_chat", json!({})),
        ("read_chat_thread", json!({"thread": sent["thread"]})),
        ("read_chat_message", json!({"message": sent["message"]})),
        ("dispatch_status", json!({"dispatch": work["dispatch"]})),
        ("cancel_dispatch", json!({"dispatch": work["dispatch"]})),
        ("search_knowledge", json!({"query": "x"})),
        ("search_chat", json!({"query": "x"})),
        ("send_chat", json!({"content": "x"})),
        ("store_knowledge", json!({"topic": "x", "content": "x"})),
        ("react_to", json!({"message": sent["message"], "emoji": "x"})),
        ("hand_wren_shout", json!({"text": "x"})),
        ("list_triggers", json!({})),
        ("fire_trigger", json!({"trigger": "sweep"})),
        ("trigger_history", json!({"trigger": "sweep"})),
        ("pause_trigger", json!({"trigger": "sweep"})),
        ("resume_trigger", json!({"trigger": "sweep"})),
        ("list_runs", json!({"all": true})),
        ("run_status", json!({"run": run["run"]})),
        ("cancel_run", json!({"run": run["run"]})),
        ("retry_run", json!({"run": run["run"]})),
        ("list_alerts", json!({})),
        ("ack_alert", json!({"key": "run_failed/note"})),
    ];
    for (name, arguments) in calls {
        let result = client.call(name, arguments).await;
        let value = result.structured_content.clone().unwrap_or_else(|| panic!("{name}: {}", said(&result)));
        let tool = tools.iter().find(|tool| tool.name == name).expect("it is listed");
        let schema = Value::Object(tool.output_schema.as_deref().expect("a schema").clone());
        let faults: Vec<String> = jsonschema::validator_for(&schema)
            .expect("a schema")
            .iter_errors(&value)
            .map(|fault| format!("{}: {fault}", fault.instance_path()))
            .collect();
        assert_eq!(faults, Vec::<String>::new(), "{name}");
    }
}
