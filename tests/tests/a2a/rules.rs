//! Who learns what and may do what at this door: no more than over the bus.

use std::path::Path;

use nexus_client::{Broker, KeyFile};
use serde_json::json;

use super::client::{Team, VERSION, message};

#[test]
fn strangers_learn_nothing_of_who_is_on_the_team() {
    let team = Team::new();
    let card = |path: &str, token: Option<&str>| team.ask("GET", path, token, "", "");
    let (status, public) = card("/.well-known/agent-card.json", None);
    assert_eq!((status, &public["name"]), (200, &json!("Nexus")), "{public}");
    let base = format!("{}/a2a/nexus", team.world.url());
    assert_eq!(public["supportedInterfaces"][0]["url"], json!(base));
    assert!(!public.to_string().contains("wren"), "{public}");
    let of = |name: &str| card(&format!("/a2a/{name}/.well-known/agent-card.json"), None).1.to_string();
    assert_eq!(of("wren").replace("wren", "nobody"), of("nobody"));
    assert_eq!(card("/a2a/No/.well-known/agent-card.json", None).0, 404);

    let token = team.world.token();
    let (_, own) = card("/a2a/wren/.well-known/agent-card.json", Some(&token));
    let skills: Vec<_> =
        own["skills"].as_array().expect("skills").iter().map(|it| it["id"].clone()).collect();
    assert!(skills.contains(&json!("talk")) && skills.contains(&json!("verify")), "{own}");
    let (_, whole) = card("/.well-known/agent-card.json", Some(&token));
    assert!(whole.to_string().contains("/a2a/forge/.well-known/agent-card.json"), "{whole}");
    assert_eq!(team.rpc("nexus", "GetExtendedAgentCard", json!({}))["result"], whole);
    let (_, extended) = team.rest("GET", "/a2a/wren/extendedAgentCard", "");
    assert_eq!(extended, own);
    assert_eq!(card("/a2a/nobody/.well-known/agent-card.json", Some(&token)).0, 404);
    assert_eq!(card("/.well-known/agent-card.json", Some("nxo_wrong")).0, 401);
}

#[test]
fn each_request_needs_a_credential_and_a_version() {
    let team = Team::new();
    let request = json!({"jsonrpc": "2.0", "id": 1, "method": "GetTask", "params": {"id": "x"}}).to_string();
    for of in ["wren", "nobody"] {
        assert_eq!(team.ask("POST", &format!("/a2a/{of}"), None, VERSION, &request).0, 401, "{of}");
    }
    assert_eq!(team.ask("GET", "/a2a/wren/tasks", None, VERSION, "").0, 401);
    let token = team.world.token();
    for version in ["", "a2a-version: 0.3\r\n", "a2a-version: 2.0\r\n"] {
        let (_, answer) = team.ask("POST", "/a2a/wren", Some(&token), version, &request);
        assert_eq!(answer["error"]["code"], -32009, "{version}: {answer}");
    }
    let (status, answer) = team.ask("GET", "/a2a/wren/tasks/x", Some(&token), "", "");
    assert_eq!((status, &answer["error"]["details"][0]["reason"]), (400, &json!("VERSION_NOT_SUPPORTED")));
    let (status, _) =
        team.ask("POST", "/a2a/wren", Some(&token), "origin: http://evil.example\r\n", &request);
    assert_eq!(status, 403, "pages of others may not");
}

#[test]
fn a_viewer_looks_and_does_not_speak() {
    let team = Team::new();
    let task = team.begun("v-1", "wait for it");
    team.until(&task["id"], "TASK_STATE_WORKING");
    let viewer = team.token_of("vic", "viewer");
    let work = json!({
        "messageId": "v-3", "role": "ROLE_USER", "parts": [{"text": "x"}], "metadata": {"skill": "verify"},
    });
    let file = json!({"messageId": "v-4", "role": "ROLE_USER", "parts": [{"raw": "aGk="}]});
    let acts = [
        ("SendMessage", json!({"message": message("v-2", "hello")})),
        ("SendStreamingMessage", json!({"message": message("v-2", "hello")})),
        ("SendMessage", json!({"message": work})),
        ("SendMessage", json!({"message": file})),
        ("CancelTask", json!({"id": task["id"]})),
    ];
    for (method, params) in acts {
        let (status, answer) = team.rpc_as(&viewer, "wren", method, params);
        let reason = &answer["error"]["data"][0]["reason"];
        assert_eq!((status, reason), (403, &json!("FORBIDDEN")), "{method}: {answer}");
    }
    // What may be read over the bus may be read here, others' tasks among it.
    let (_, seen) = team.rpc_as(&viewer, "wren", "GetTask", json!({"id": task["id"]}));
    assert_eq!(seen["result"]["status"]["state"], "TASK_STATE_WORKING", "{seen}");
    // A list is of one's own.
    let (_, listed) = team.rpc_as(&viewer, "wren", "ListTasks", json!({}));
    assert_eq!(listed["result"]["tasks"], json!([]), "{listed}");
}

#[test]
fn an_aspect_reads_what_it_takes_part_in_and_speaks_on_its_link() {
    let team = Team::new();
    let forge = aspect_token(&team.world.dir().join("agents/forge"));
    let sent = team.rpc("forge", "SendMessage", json!({"message": message("a-1", "hello")}));
    let own = &sent["result"]["task"];
    assert_eq!(own["status"]["state"], "TASK_STATE_COMPLETED", "{sent}");
    let (_, seen) = team.rpc_as(&forge, "forge", "GetTask", json!({"id": own["id"]}));
    assert_eq!(seen["result"], *own);
    let others = team.rpc("wren", "SendMessage", json!({"message": message("a-2", "hello")}));
    let hidden = json!({"id": others["result"]["task"]["id"]});
    let (_, hidden) = team.rpc_as(&forge, "wren", "GetTask", hidden);
    assert_eq!(hidden["error"]["code"], -32001, "what others say is as if it were not there: {hidden}");
    let acts = [
        ("SendMessage", json!({"message": message("a-3", "hello")}), 200, "NOT_REGISTERED"),
        // What concerns every request alike is a status of HTTP's, too.
        ("ListTasks", json!({}), 403, "FORBIDDEN"),
    ];
    for (method, params, status, reason) in acts {
        let (found, answer) = team.rpc_as(&forge, "wren", method, params);
        assert_eq!((found, &answer["error"]["data"][0]["reason"]), (status, &json!(reason)), "{answer}");
    }
}

#[test]
fn what_cannot_be_taken_is_refused_in_its_words() {
    let team = Team::new();
    let token = team.world.token();
    let (status, broken) = team.ask("POST", "/a2a/wren", Some(&token), VERSION, "{");
    assert_eq!((status, &broken["error"]["code"]), (200, &json!(-32700)), "{broken}");
    let deep = format!("{}{}", "[".repeat(100), "]".repeat(100));
    assert_eq!(team.ask("POST", "/a2a/wren", Some(&token), VERSION, &deep).1["error"]["code"], -32600);
    assert_eq!(team.rpc("wren", "message/send", json!({}))["error"]["code"], -32601);
    let url = json!({"messageId": "x", "role": "ROLE_USER", "parts": [{"url": "http://169.254.169.254/"}]});
    assert_eq!(team.rpc("wren", "SendMessage", json!({"message": url}))["error"]["code"], -32005);
    let mut lost = message("y", "hello");
    lost["contextId"] = json!("0199a0b1-c2d3-7123-8456-789abcdef012");
    let (status, refused) =
        team.rest("POST", "/a2a/wren/message:send", &json!({"message": lost}).to_string());
    assert_eq!((status, &refused["error"]["status"]), (400, &json!("INVALID_ARGUMENT")), "{refused}");
    let unknown = team.rpc("nobody", "GetTask", json!({"id": "x"}));
    assert_eq!(unknown["error"]["code"], -32602, "{unknown}");
    assert_eq!(team.rest("POST", "/a2a/wren/tasks/x", "{}").0, 404);
    assert_eq!(team.rpc("wren", "ListTasks", json!({"pageSize": 101}))["error"]["code"], -32602);
}

/// An access token of the aspect of this home.
pub(crate) fn aspect_token(home: &Path) -> String {
    let keyfile = KeyFile::load(&KeyFile::path_in(home)).expect("the aspect was let in");
    let broker = Broker::of_keyfile(keyfile).expect("a keyfile has an endpoint");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(broker.bearer()).expect("the key is good").expose().to_owned()
}
