//! What the HTTP endpoints answer, and whom they refuse.

use nexus_wire::admin::OperatorRole;
use serde_json::{Value, json};

use super::World;
use super::client::{Raw, http};

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
    assert!(!seen.1.contains("token"), "{}", seen.1);
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
