//! The ways in that are no part of the HTTP API's document: MCP, A2A, OpenAI's API, webhooks, and the rest of what the
//! broker routes. The routes are read from its source, so that a new one is walked or named here.

use std::collections::BTreeSet;
use std::path::Path;

use hmac::{Hmac, Mac as _};
use nexus_tests::wait_until;
use serde_json::{Value, json};
use sha2::Sha256;

use super::full::{Full, both};
use super::house::{Answer, bearer};

/// Beside what the document lists: a method, the route, and a body where it takes one.
const ROUTES: [(&str, &str, &str); 28] = [
    ("GET", "/.well-known/agent-card.json", ""),
    ("GET", "/.well-known/jwks.json", ""),
    ("GET", "/.well-known/oauth-protected-resource", ""),
    ("GET", "/.well-known/oauth-protected-resource/mcp", ""),
    ("POST", "/a2a/{of}", "rpc"),
    ("GET", "/a2a/{of}/.well-known/agent-card.json", ""),
    ("GET", "/a2a/{of}/extendedAgentCard", ""),
    ("POST", "/a2a/{of}/message:send", "say"),
    ("POST", "/a2a/{of}/message:stream", "say"),
    ("GET", "/a2a/{of}/tasks", ""),
    ("GET", "/a2a/{of}/tasks/{id}", ""),
    ("POST", "/a2a/{of}/tasks/{id}:cancel", "{}"),
    ("GET", "/a2a/{of}/tasks/{id}:subscribe", ""),
    ("GET", "/a2a/{of}/tasks/{id}/pushNotificationConfigs", ""),
    ("POST", "/a2a/{of}/tasks/{id}/pushNotificationConfigs", r#"{"url":"https://127.0.0.1/hook"}"#),
    ("GET", "/a2a/{of}/tasks/{id}/pushNotificationConfigs/{push}", ""),
    ("DELETE", "/a2a/{of}/tasks/{id}/pushNotificationConfigs/{push}", ""),
    ("GET", "/api/docs", ""),
    ("GET", "/api/docs/page.css", ""),
    ("GET", "/api/docs/page.js", ""),
    ("GET", "/api/v1/openapi.json", ""),
    ("GET", "/api/v1/proxy/{*path}", ""),
    ("GET", "/connect", ""),
    ("GET", "/v1/models", ""),
    ("GET", "/v1/models/{model}", ""),
    ("POST", "/v1/chat/completions", r#"{"model":"robin","messages":[{"role":"user","content":"hello"}]}"#),
    ("POST", "/v1/responses", r#"{"model":"robin","input":"hello"}"#),
    ("GET", "/v1/{*rest}", ""),
];
/// For everybody, and without anything of anybody.
const PUBLIC: [&str; 9] = [
    "/.well-known/agent-card.json",
    "/.well-known/jwks.json",
    "/.well-known/oauth-protected-resource",
    "/.well-known/oauth-protected-resource/mcp",
    "/a2a/{of}/.well-known/agent-card.json",
    "/api/docs",
    "/api/docs/page.css",
    "/api/docs/page.js",
    "/api/v1/openapi.json",
];
/// Walked by tests of their own here, or without anything to tell.
const ELSEWHERE: [&str; 2] = ["/hooks/{trigger}", "/v1/embeddings"];

/// What the broker's source routes by hand.
fn routed(folder: &Path, into: &mut BTreeSet<String>) {
    for entry in std::fs::read_dir(folder).expect("the source is there").flatten() {
        let path = entry.path();
        if path.is_dir() {
            routed(&path, into);
        } else if path.extension().is_some_and(|it| it == "rs") {
            let text = std::fs::read_to_string(&path).expect("text");
            for rest in text.split(".route(").skip(1) {
                let route = rest.trim_start().strip_prefix('"').and_then(|it| it.split('"').next());
                into.extend(route.filter(|it| it.starts_with('/')).map(str::to_owned));
            }
        }
    }
}

#[test]
fn every_route_is_walked() {
    let mut routes = BTreeSet::new();
    routed(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../broker/src/listen"), &mut routes);
    assert!(routes.len() > 20, "{routes:?}");
    let is_walked = |route: &&String| {
        ELSEWHERE.contains(&route.as_str())
            || ROUTES.iter().any(|it| it.1 == **route || it.1.starts_with(&format!("{route}:")))
    };
    let left: Vec<&String> = routes.iter().filter(|route| !is_walked(route)).collect();
    assert!(left.is_empty(), "these are not walked across tenants: {left:?}");
}

const VERSION: &str = "a2a-version: 1.0\r\n";

fn said(text: &str) -> Value {
    let id = nexus_client::new_request_id();
    json!({"message": {"messageId": id, "role": "ROLE_USER", "parts": [{"text": text}]}})
}

/// A task of the tenant's own.
fn task(full: &Full) -> String {
    let headers = format!("{VERSION}{}", bearer(&full.tokens["admin"]));
    let body = said(&format!("hello {}", full.word)).to_string();
    let answer = full.nexus.ask(&headers, "POST", "/a2a/robin/message:send", &body);
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.json()["task"]["id"].as_str().expect("a task").to_owned()
}

fn walk(at: &Full, token: Option<&str>, task: &str, route: &(&str, &str, &str)) -> Answer {
    let (method, route, body) = route;
    let path = route
        .replace("{of}", "robin")
        .replace("{id}", task)
        .replace("{push}", "one")
        .replace("{model}", "robin")
        .replace("proxy/{*path}", "proxy/vault/x")
        .replace("{*rest}", "files");
    let body = match *body {
        "say" => said("hello").to_string(),
        "rpc" => json!({"jsonrpc": "2.0", "id": 1, "method": "GetTask", "params": {"id": task}}).to_string(),
        plain => plain.to_owned(),
    };
    let headers = format!("{VERSION}{}", token.map(bearer).unwrap_or_default());
    at.nexus.ask(&headers, method, &path, &body)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_other_door_tells_one_tenant_anything_of_another() {
    let (_world, acme, beta) = both().await;
    let (of_acme, of_beta) = (task(&acme), task(&beta));
    for route in &ROUTES {
        // Public ones take no credential, so a bad one is ignored there or refused, as it comes.
        let stranger = walk(&beta, Some(&acme.tokens["admin"]), &of_acme, route);
        if !PUBLIC.contains(&route.1) {
            assert_eq!(stranger.status, 401, "{route:?}: {stranger:?}");
        }
        let own = walk(&beta, Some(&beta.tokens["admin"]), &of_acme, route);
        for answer in [&stranger, &own] {
            assert!(!answer.body.contains(&acme.word), "{route:?} tells {answer:?}");
        }
        if route.1.contains("{id}") {
            assert!(own.body.contains("TASK_NOT_FOUND"), "{route:?} knows another's task: {own:?}");
        }
    }
    let methods = [
        ("GetTask", json!({"id": of_acme})),
        ("CancelTask", json!({"id": of_acme})),
        ("SubscribeToTask", json!({"id": of_acme})),
        ("ListTasks", json!({})),
        ("SendMessage", said("hello")),
        ("SendStreamingMessage", said("hello")),
        ("CreateTaskPushNotificationConfig", json!({"taskId": of_acme, "url": "https://127.0.0.1/hook"})),
        ("ListTaskPushNotificationConfigs", json!({"taskId": of_acme})),
        ("GetTaskPushNotificationConfig", json!({"taskId": of_acme, "id": "one"})),
        ("DeleteTaskPushNotificationConfig", json!({"taskId": of_acme, "id": "one"})),
        ("GetExtendedAgentCard", json!({})),
    ];
    for (method, params) in methods {
        let names_task = params.to_string().contains(&of_acme);
        let request = json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}).to_string();
        let headers = format!("{VERSION}{}", bearer(&beta.tokens["admin"]));
        let answer = beta.nexus.ask(&headers, "POST", "/a2a/robin", &request);
        assert!(!answer.body.contains(&acme.word), "{method} tells {answer:?}");
        assert!(
            !names_task || answer.body.contains("TASK_NOT_FOUND"),
            "{method} knows another's: {answer:?}"
        );
    }
    let listed = |full: &Full| {
        let headers = format!("{VERSION}{}", bearer(&full.tokens["admin"]));
        full.nexus.ask(&headers, "GET", "/a2a/robin/tasks", "").body
    };
    assert!(listed(&acme).contains(&of_acme) && !listed(&acme).contains(&of_beta));
    assert!(listed(&beta).contains(&of_beta) && !listed(&beta).contains(&of_acme));
}

/// One message of MCP; the answer, whose session is taken over.
fn mcp(at: &Full, token: &str, session: Option<&str>, message: &Value) -> Answer {
    let session = session.map(|it| format!("mcp-session-id: {it}\r\n")).unwrap_or_default();
    let accept = "accept: application/json, text/event-stream\r\nmcp-protocol-version: 2025-11-25\r\n";
    let headers = format!("{accept}{session}{}", bearer(token));
    at.nexus.ask(&headers, "POST", "/mcp", &message.to_string())
}

fn begun(at: &Full) -> String {
    let client = json!({"name": "a test", "version": "1"});
    let params = json!({"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": client});
    let hello = json!({"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": params});
    let answer = mcp(at, &at.tokens["admin"], None, &hello);
    let session = answer.head.lines().find_map(|line| line.strip_prefix("mcp-session-id: "));
    let session = session.unwrap_or_else(|| panic!("{answer:?}")).to_owned();
    let ready = json!({"jsonrpc": "2.0", "method": "notifications/initialized"});
    assert!(mcp(at, &at.tokens["admin"], Some(&session), &ready).status < 300);
    session
}

/// What a tool is called with: what is of `full` wherever it names something.
fn arguments(tool: &Value, full: &Full) -> Value {
    let schema = &tool["inputSchema"];
    let required: Vec<&str> =
        schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    let mut arguments = serde_json::Map::new();
    for (name, of) in schema["properties"].as_object().into_iter().flatten() {
        let value = match (name.as_str(), full.ids.get(name.as_str())) {
            (_, Some(id)) => json!(id),
            ("aspect", None) => json!("robin"),
            ("to", None) => json!(["robin"]),
            ("input", None) => json!({"text": "hello"}),
            ("values", None) => json!({"id": "first"}),
            (name, None) if required.contains(&name) => match of["type"].as_str() {
                Some("integer" | "number") => json!(1),
                Some("boolean") => json!(true),
                Some("array") => json!([]),
                Some("object") => json!({}),
                _ => {
                    of["enum"].as_array().and_then(|it| it.first()).cloned().unwrap_or_else(|| json!("hello"))
                }
            },
            (_, None) => continue,
        };
        arguments.insert(name.clone(), value);
    }
    Value::Object(arguments)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_tool_or_resource_tells_an_assistant_of_one_anything_of_another() {
    let (_world, acme, beta) = both().await;
    let (of_acme, of_beta) = (begun(&acme), begun(&beta));
    let list = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/list"});
    for (token, session) in [(&acme.tokens["admin"], None), (&acme.tokens["admin"], Some(of_beta.as_str()))] {
        assert_eq!(mcp(&beta, token, session, &list).status, 401, "another's token");
    }
    assert_eq!(mcp(&beta, &beta.tokens["admin"], Some(&of_acme), &list).status, 404, "another's session");

    let ask = |at: &Full, session: &str, method: &str, params: Value| {
        let message = json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params});
        mcp(at, &at.tokens["admin"], Some(session), &message).body
    };
    let whole = |text: &str| -> Value {
        let text = text
            .lines()
            .find_map(|line| line.strip_prefix("data: {"))
            .map_or_else(|| text.to_owned(), |it| format!("{{{it}"));
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"))
    };
    let tools = whole(&ask(&beta, &of_beta, "tools/list", json!({})))["result"]["tools"].clone();
    let tools = tools.as_array().expect("tools").clone();
    assert!(tools.len() > 15, "{}", tools.len());
    let (mut own, mut others) = (BTreeSet::new(), BTreeSet::new());
    for tool in &tools {
        let name = tool["name"].as_str().expect("a name");
        let call = |full: &Full| json!({"name": name, "arguments": arguments(tool, full)});
        if ask(&acme, &of_acme, "tools/call", call(&acme)).contains(&acme.word) {
            own.insert(name);
        }
        if ask(&beta, &of_beta, "tools/call", call(&acme)).contains(&acme.word) {
            others.insert(name);
        }
    }
    assert_eq!(others, BTreeSet::new(), "these tell one of another");
    assert!(own.len() >= 5, "and they tell of one's own: {own:?}");

    let mut uris = BTreeSet::new();
    for (method, list, uri) in [
        ("resources/list", "resources", "uri"),
        ("resources/templates/list", "resourceTemplates", "uriTemplate"),
    ] {
        for at in [&acme, &beta] {
            let session = if at.word == acme.word { &of_acme } else { &of_beta };
            let answer = ask(at, session, method, json!({}));
            assert!(at.word == acme.word || !answer.contains(&acme.word), "{method}: {answer}");
            let listed = whole(&answer)["result"][list].as_array().cloned().unwrap_or_default();
            uris.extend(listed.iter().filter_map(|it| it[uri].as_str().map(str::to_owned)));
        }
    }
    assert!(!uris.is_empty());
    for uri in uris {
        let mut named = uri.clone();
        for (name, id) in
            acme.ids.iter().map(|it| (*it.0, it.1.as_str())).chain([("aspect", "robin"), ("name", "robin")])
        {
            named = named.replace(&format!("{{{name}}}"), id);
        }
        let read = ask(&beta, &of_beta, "resources/read", json!({"uri": named}));
        assert!(!read.contains(&acme.word), "{uri}: {read}");
    }
}

fn github(at: &Full, secret: &str, delivery: &str) -> Answer {
    let body = r#"{"ref":"main"}"#;
    let mut mac = <Hmac<Sha256> as hmac::Mac>::new_from_slice(secret.as_bytes()).expect("any length");
    mac.update(body.as_bytes());
    let sum: String = mac.finalize().into_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
    let headers = format!(
        "x-github-event: push\r\nx-github-delivery: {delivery}\r\nx-hub-signature-256: sha256={sum}\r\n"
    );
    at.nexus.ask(&headers, "POST", "/hooks/pushed", body)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_webhooks_secret_is_good_at_its_own_tenant_alone() {
    let (_world, acme, beta) = both().await;
    let slots = |at: &Full| {
        let page = at.nexus.admin("GET", "/api/v1/triggers/pushed/history", &Value::Null);
        page["slots"].as_array().map_or(0, Vec::len)
    };
    let stranger = github(&beta, &acme.tokens["hook"], "one");
    assert_eq!(stranger, github(&beta, "a secret of nobody's at all", "one"), "as anybody's");
    assert!(stranger.status >= 400, "{stranger:?}");
    // The name of a delivery is not used up by the other one, either.
    for full in [&acme, &beta] {
        assert_eq!(github(full, &full.tokens["hook"], "one").status, 202);
        wait_until("it to be there", || (slots(full) == 1).then_some(()));
    }
}
