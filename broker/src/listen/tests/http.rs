//! What the HTTP endpoints answer, and whom they refuse.

use nexus_wire::admin::OperatorRole;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::World;
use super::client::{Raw, head, http};

type Headers<'a> = &'a [(&'a str, &'a str)];

#[tokio::test]
async fn what_can_be_refused_is_refused_before_the_upgrade() {
    let world = World::with(&[("links_max", "1")]).await;
    let bearer = format!("Bearer {}", world.token);
    let good = ("authorization", bearer.as_str());
    let own = format!("http://{}", world.authority());
    let cases: &[(&str, Headers<'_>, Result<(), u16>)] = &[
        ("no token", &[], Err(401)),
        ("a made-up token", &[("authorization", "Bearer nxo_AAAA")], Err(401)),
        ("an empty token", &[("authorization", "Bearer ")], Err(401)),
        ("a token of another scheme", &[("authorization", "Basic YTpi")], Err(401)),
        ("a foreign origin", &[good, ("origin", "https://evil.example")], Err(403)),
        ("a foreign host", &[good, ("host", "evil.example")], Err(403)),
        ("another protocol", &[good, ("sec-websocket-protocol", "graphql-ws")], Err(400)),
        ("our own origin", &[good, ("origin", &own)], Ok(())),
        ("a good token", &[good], Ok(())),
    ];
    for (name, headers, expected) in cases {
        let dialled = Raw::dial(&world, headers).await;
        assert_eq!(dialled.as_ref().map(|_| ()).map_err(|status| *status), *expected, "{name}");
        if let Ok(mut raw) = dialled {
            // While it is open there is no room for another.
            assert_eq!(Raw::dial(&world, &[good]).await.map(|_| ()), Err(503));
            raw.0.close(None).await.unwrap();
            raw.closed().await;
            let edge = &world.running.edge;
            drop(edge.links.acquire().await.unwrap());
        }
    }
}

#[tokio::test]
async fn http_answers_in_one_form() {
    let world = World::new().await;
    let bearer = format!("Bearer {}", world.token);
    let auth = ("authorization", bearer.as_str());
    let json = ("content-type", "application/json");
    let large = "x".repeat(100_000);
    let deep = "[".repeat(100) + &"]".repeat(100);
    let key = "k".repeat(256);
    let long = ("idempotency-key", key.as_str());
    let none = format!("/api/v1/dispatches/{}", uuid::Uuid::nil());
    let cases: &[(&str, &str, &str, Headers<'_>, &str, u16, &str)] = &[
        ("health", "GET", "/healthz", &[], "", 200, "ok"),
        ("health under any name", "GET", "/healthz", &[("host", "lb.example")], "", 200, "ok"),
        ("readiness", "GET", "/readyz", &[], "", 200, "ready"),
        ("who are you", "GET", "/api/v1/nexus", &[], "", 200, "\"protocol\":\"nexus.v1\""),
        (
            "a foreign name",
            "GET",
            "/api/v1/nexus",
            &[("host", "evil.example")],
            "",
            403,
            "\"code\":\"forbidden\"",
        ),
        ("no such path", "GET", "/api/v1/nothing", &[], "", 404, "\"code\":\"not_found\""),
        ("wrong method", "PUT", "/api/v1/token", &[], "", 405, "PUT is not for"),
        ("no upgrade", "GET", "/connect", &[auth], "", 426, "WebSocket"),
        ("no credential", "GET", "/api/v1/aspects", &[], "", 401, "\"code\":\"unauthorized\""),
        ("aspects", "GET", "/api/v1/aspects", &[auth], "", 200, "\"aspects\":[]"),
        ("no such aspect", "GET", "/api/v1/aspects/wren/key", &[auth], "", 404, "no aspect wren"),
        ("no name", "DELETE", "/api/v1/aspects/Wren", &[auth], "", 400, "is not a name"),
        ("unknown aspect", "DELETE", "/api/v1/aspects/wren", &[auth], "", 404, "not_found"),
        ("one aspect", "GET", "/api/v1/aspects/wren", &[auth], "", 404, "no aspect wren"),
        ("a thread of no form", "GET", "/api/v1/threads/7/messages", &[auth], "", 400, "thread"),
        ("no number", "GET", "/api/v1/threads?limit=many", &[auth], "", 400, "limit"),
        ("no such dispatch", "GET", &none, &[auth], "", 404, "no dispatch"),
        ("a key too long", "POST", "/api/v1/messages", &[auth, json, long], "{}", 400, "Idempotency-Key"),
        ("a body too deep", "POST", "/api/v1/knowledge", &[auth, json], &deep, 400, "too_deep"),
        ("a body that is no text", "POST", "/api/v1/token", &[json], "\u{0}", 400, "\"code\":\"invalid\""),
        ("no body", "POST", "/api/v1/aspects", &[auth, json], "", 400, "EOF"),
        ("a body of another kind", "POST", "/api/v1/aspects", &[auth], "{}", 415, "application/json"),
        ("a body that lacks much", "POST", "/api/v1/aspects", &[auth, json], "{}", 422, "missing field"),
        ("too much", "POST", "/api/v1/aspects", &[auth, json], &large, 413, "too_large"),
        (
            "wrong grant",
            "POST",
            "/api/v1/token",
            &[json],
            r#"{"grant_type":"password","assertion":""}"#,
            400,
            "jwt-bearer",
        ),
        (
            "no assertion",
            "POST",
            "/api/v1/token",
            &[json],
            r#"{"grant_type":"urn:ietf:params:oauth:grant-type:jwt-bearer","assertion":"x"}"#,
            401,
            "not accepted",
        ),
    ];
    for (name, method, path, headers, body, status, part) in cases {
        let answer = http(&world, method, path, headers, body).await;
        assert_eq!(answer.0, *status, "{name}: {}", answer.1);
        assert!(answer.1.contains(part), "{name}: {}", answer.1);
        if answer.0 >= 400 {
            let problem: Value = serde_json::from_str(&answer.1).unwrap();
            assert_eq!(problem["status"], *status, "{name}");
            assert!(problem["detail"].is_string() && problem["title"].is_string(), "{name}: {problem}");
        }
    }
}

#[tokio::test]
async fn administration_is_for_admins() {
    let world = World::new().await;
    let wren = world.aspect("wren").await;
    let access = nexus_client::Broker::of_keyfile(wren).unwrap().bearer().await.unwrap();
    let operator = world.operator("ana", OperatorRole::Operator).await;
    let add = json!({"name": "bo", "role": "viewer", "token_sha256": "ab".repeat(32)}).to_string();
    let json = ("content-type", "application/json");
    for (token, status) in [(access.expose(), 403), (operator.as_str(), 403), (world.token.as_str(), 200)] {
        let bearer = format!("Bearer {token}");
        let answer =
            http(&world, "POST", "/api/v1/operators", &[("authorization", &bearer), json], &add).await;
        assert_eq!(answer.0, status, "{}", answer.1);
    }
    let bearer = format!("Bearer {}", access.expose());
    let seen = http(&world, "GET", "/api/v1/operators", &[("authorization", &bearer)], "").await;
    assert_eq!(seen.0, 403);
    let bearer = format!("Bearer {operator}");
    let seen = http(&world, "GET", "/api/v1/operators", &[("authorization", &bearer)], "").await;
    let names: Value = serde_json::from_str(&seen.1).unwrap();
    assert_eq!(names["operators"][2]["name"], "bo", "{names}");
    assert!(!seen.1.contains("abab") && !seen.1.contains("sha256"), "{}", seen.1);
}

#[tokio::test]
async fn an_operator_who_is_shut_out_is_out_at_once() {
    let world = World::new().await;
    let token = world.operator("ana", OperatorRole::Operator).await;
    let mut raw = Raw::with(&world, &token).await;
    assert_eq!(raw.request("team.list", json!({})).await["kind"], "ok");
    let bearer = format!("Bearer {}", world.token);
    let gone = http(&world, "DELETE", "/api/v1/operators/ana", &[("authorization", &bearer)], "").await;
    assert_eq!(gone.0, 200, "{}", gone.1);
    assert_eq!(raw.closed().await, nexus_wire::limits::CLOSE_REVOKED);
    assert_eq!(
        Raw::dial(&world, &[("authorization", &format!("Bearer {token}"))]).await.map(|_| ()),
        Err(401)
    );
}

#[tokio::test]
async fn what_a_frame_can_do_a_request_can_do() {
    let world = World::new().await;
    let bearer = format!("Bearer {}", world.token);
    let (auth, json) = (("authorization", bearer.as_str()), ("content-type", "application/json"));
    let say = json!({"content": "hello", "topic": "first"}).to_string();
    let key = ("idempotency-key", "nightly 7");
    let sent = http(&world, "POST", "/api/v1/messages", &[auth, json, key], &say).await;
    assert_eq!(sent.0, 200, "{}", sent.1);
    let again = http(&world, "POST", "/api/v1/messages", &[auth, json, key], &say).await;
    assert_eq!(again, sent, "the same key gets the first answer");
    let other = json!({"content": "something else"}).to_string();
    let reused = http(&world, "POST", "/api/v1/messages", &[auth, json, key], &other).await;
    assert_eq!(reused.0, 409, "{}", reused.1);
    assert!(reused.1.contains("id_reused"), "{}", reused.1);
    let sent: Value = serde_json::from_str(&sent.1).unwrap();
    let path = format!("/api/v1/threads/{}/messages", sent["thread"].as_str().unwrap());
    let page = http(&world, "GET", &path, &[auth], "").await;
    let page: Value = serde_json::from_str(&page.1).unwrap();
    let contents: Vec<&Value> =
        page["messages"].as_array().unwrap().iter().map(|it| &it["content"]).collect();
    assert_eq!(contents, ["hello"], "{page}");
    assert_eq!(page["thread"]["title"], "first");
    let viewer = world.operator("vic", OperatorRole::Viewer).await;
    let bearer = format!("Bearer {viewer}");
    let looked = http(&world, "GET", &path, &[("authorization", &bearer)], "").await;
    assert_eq!(looked.0, 200);
    let acted = http(&world, "POST", "/api/v1/messages", &[("authorization", &bearer), json], &say).await;
    assert_eq!(acted.0, 403, "{}", acted.1);
}

#[tokio::test]
async fn the_document_names_every_route_and_its_page_shows_nothing_of_others() {
    let world = World::new().await;
    let served = http(&world, "GET", "/api/v1/openapi.json", &[], "").await;
    assert_eq!(served, (200, crate::openapi()));
    let document: Value = serde_json::from_str(&served.1).unwrap();
    assert_eq!(document["openapi"], "3.1.0");
    let mut ids = std::collections::BTreeSet::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            let id = operation["operationId"].as_str().unwrap_or_else(|| panic!("{method} {path} has no id"));
            assert!(ids.insert(id.to_owned()), "{id} is named twice");
            assert!(operation["summary"].is_string() && operation["tags"][0].is_string(), "{id}");
            let fails = |status: &str| operation["responses"][status]["$ref"].is_string();
            assert!(fails("503"), "{id} may meet a stopping broker");
            assert!(fails("421"), "{id} may come over a connection that was made for another");
            assert_eq!(fails("402"), id == "fetchCredential", "{id}");
            let open = [
                "acceptInvitation",
                "getNexus",
                "getToken",
                "health",
                "logIn",
                "logInByToken",
                "ready",
                "setUp",
                "tokenForPassword",
            ]
            .contains(&id);
            assert_eq!(operation["security"].is_array(), !open, "{id}");
        }
    }
    let about = document["info"]["description"].as_str().unwrap();
    for part in ["`/connect`", "426", "`/api/v1/proxy/{credential}/…`", "502"] {
        assert!(about.contains(part), "it is not said of what the document leaves out: {part}");
    }
    for reference in references(&document) {
        let pointer = reference.strip_prefix('#').unwrap();
        assert!(document.pointer(pointer).is_some(), "{reference} leads nowhere");
    }
    let page = http(&world, "GET", "/api/docs", &[], "").await.1;
    for (name, text) in
        [("page", page.as_str()), ("style", &http(&world, "GET", "/api/docs/page.css", &[], "").await.1)]
    {
        assert!(!text.contains("//") && !text.contains("style="), "{name} is complete in itself");
    }
    assert!(page.contains("<script src=\"/api/docs/page.js\" defer></script>"), "{page}");
}

fn references(value: &Value) -> Vec<&str> {
    match value {
        Value::Object(map) => {
            let own = map.get("$ref").and_then(Value::as_str);
            map.values().flat_map(references).chain(own).collect()
        }
        Value::Array(items) => items.iter().flat_map(references).collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => Vec::new(),
    }
}

#[tokio::test]
async fn who_did_what_can_be_asked_for_in_parts() {
    let world = World::new().await;
    let bearer = format!("Bearer {}", world.token);
    let (auth, json) = (("authorization", bearer.as_str()), ("content-type", "application/json"));
    for content in ["one", "two", "three"] {
        let say = json!({"content": content, "meta": {
            "turn": uuid::Uuid::nil(), "provider": "scripted", "model": "m", "usage": {"input_tokens": 5},
            "cost_microusd": (content != "one").then_some(7),
        }});
        let sent = http(&world, "POST", "/api/v1/messages", &[auth, json], &say.to_string()).await;
        assert_eq!(sent.0, 200, "{}", sent.1);
    }
    let get = async |path: &str| {
        let answer = http(&world, "GET", path, &[auth], "").await;
        assert_eq!(answer.0, 200, "{path}: {}", answer.1);
        serde_json::from_str::<Value>(&answer.1).unwrap()
    };
    let first = get("/api/v1/audit?kind=message&limit=2").await;
    let seqs = |page: &Value| -> Vec<u64> {
        page["entries"].as_array().unwrap().iter().map(|it| it["seq"].as_u64().unwrap()).collect()
    };
    assert_eq!((seqs(&first).len(), &first["more"]), (2, &json!(true)), "{first}");
    let cursor = first["next_cursor"].as_str().unwrap();
    let second = get(&format!("/api/v1/audit?kind=message&limit=2&cursor={cursor}")).await;
    assert_eq!((seqs(&second).len(), second.get("next_cursor")), (1, None), "{second}");
    assert!(seqs(&second)[0] < seqs(&first)[1]);
    let odd = http(&world, "GET", "/api/v1/audit?cursor=%00", &[auth], "").await;
    assert_eq!(odd.0, 400, "{}", odd.1);

    let usage = get("/api/v1/usage?by=model").await;
    let row = json!({"key": "scripted/m", "messages": 3, "closings": 0, "dispatches": 0, "cost_microusd": 14, "unpriced": 1,
        "usage": {"input_tokens": 15, "output_tokens": 0, "cache_read_tokens": 0, "cache_write_tokens": 0}});
    assert_eq!(usage["rows"], json!([row]));
    let mut total = row;
    total["key"] = json!("total");
    assert_eq!(usage["total"], total);
    let later = get("/api/v1/usage?by=day&since=9000000000000").await;
    assert_eq!((&later["rows"], &later["total"]["messages"]), (&json!([]), &json!(0)));
}

#[tokio::test]
async fn metrics_are_for_operators_unless_this_machine_may() {
    let world = World::new().await;
    assert_eq!(http(&world, "GET", "/metrics", &[], "").await.0, 401);
    let viewer = world.operator("vic", OperatorRole::Viewer).await;
    let bearer = format!("Bearer {viewer}");
    let mut raw = Raw::with(&world, &viewer).await;
    assert_eq!(raw.request("chat.send", json!({"content": "x"})).await["kind"], "error");
    let seen = http(&world, "GET", "/metrics", &[("authorization", &bearer)], "").await;
    assert_eq!(seen.0, 200, "{}", seen.1);
    for line in [
        "nexus_links 1",
        "nexus_frames_received_total{kind=\"chat.send\"} 1",
        "nexus_frames_sent_total{kind=\"error\"} 1",
        "nexus_refusals_total{code=\"forbidden\"} 1",
        "nexus_refusals_total{code=\"unauthorized\"} 1",
        "nexus_http_requests_total{status=\"4xx\"} 1",
        "nexus_storage_up 1",
    ] {
        assert!(seen.1.lines().any(|it| it == line), "{line} is not in\n{}", seen.1);
    }
    let open = World::with(&[("metrics.open_on_loopback", "true")]).await;
    assert_eq!(http(&open, "GET", "/metrics", &[], "").await.0, 200);
}

#[tokio::test]
async fn a_connection_that_ends_with_its_answer_says_so() {
    let world = World::new().await;
    let bearer = format!("Bearer {}", world.token);
    let (auth, json) = (("authorization", bearer.as_str()), ("content-type", "application/json"));
    let large = "x".repeat(100_000);
    let cases: &[(&str, Headers<'_>, &str, u16, bool)] = &[
        ("a stranger's body is not read", &[json], "{}", 401, true),
        ("one that is too large is not read to its end", &[auth, json], &large, 413, true),
        ("one that was read costs nothing", &[auth, json], "{}", 422, false),
        ("nor does one that is not there", &[], "", 401, false),
    ];
    for (name, headers, body, status, closes) in cases {
        let mut socket = TcpStream::connect(world.authority()).await.unwrap();
        let path = "/api/v1/aspects";
        // A body may follow its head late, as it does from clients that write the two one after the other.
        socket.write_all(head(&world, "POST", path, headers, body.len()).as_bytes()).await.unwrap();
        if *status != 401 {
            socket.write_all(body.as_bytes()).await.unwrap();
        }
        let answer = answer_head(&mut socket).await;
        assert!(answer.starts_with(&format!("http/1.1 {status}")), "{name}: {answer}");
        assert_eq!(answer.contains("\r\nconnection: close\r\n"), *closes, "{name}: {answer}");
    }
}

async fn answer_head(socket: &mut TcpStream) -> String {
    let mut answer = Vec::new();
    while !answer.ends_with(b"\r\n\r\n") {
        answer.push(socket.read_u8().await.unwrap());
    }
    String::from_utf8(answer).unwrap().to_lowercase()
}
