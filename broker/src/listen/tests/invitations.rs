//! Inviting people over real sockets: the link is shown once, is good for one thing, and its guesses are counted.

use nexus_wire::admin::OperatorRole;
use serde_json::{Value, json};

use super::World;
use super::client::http;

const PASSWORD: &str = "correct horse battery";
const JSON: (&str, &str) = ("content-type", "application/json");

async fn ask(world: &World, token: &str, method: &str, path: &str, body: &Value) -> (u16, Value) {
    let bearer = format!("Bearer {token}");
    let body = if body.is_null() { String::new() } else { body.to_string() };
    let path = format!("/api/v1/{path}");
    let (status, text) = http(world, method, &path, &[("authorization", &bearer), JSON], &body).await;
    (status, serde_json::from_str(&text).unwrap())
}

async fn accept(world: &World, token: &str, password: &str, more: &[(&str, &str)]) -> (u16, Value) {
    let body = json!({"token": token, "password": password}).to_string();
    let headers = [&[JSON], more].concat();
    let (status, text) = http(world, "POST", "/api/v1/invitations/accept", &headers, &body).await;
    (status, serde_json::from_str(&text).unwrap())
}

#[tokio::test]
async fn an_invitation_is_shown_once_and_accepted_once() {
    let world = World::new().await;
    let admin = world.token.clone();
    let (status, made) =
        ask(&world, &admin, "POST", "invitations", &json!({"name": "ana", "role": "viewer"})).await;
    assert_eq!(status, 200, "{made}");
    let token = made["token"].as_str().unwrap();
    assert!(token.starts_with("nxinvite_"), "{token}");
    assert_eq!(made["link"], json!(format!("http://{}/#invite={token}", world.authority())));
    let info = made["invitation"].clone();
    let lifetime = info["expires_at"].as_i64().unwrap() - info["created_at"].as_i64().unwrap();
    assert_eq!((lifetime, &info["invited_by"]), (3 * 24 * 3_600 * 1_000, &json!("operator/admin")));
    let viewer = world.operator("vic", OperatorRole::Viewer).await;
    let (_, list) = ask(&world, &viewer, "GET", "invitations", &Value::Null).await;
    assert_eq!(list, json!({"invitations": [info]}), "nothing of the token is in it");
    let (_, people) = ask(&world, &viewer, "GET", "operators", &Value::Null).await;
    assert_eq!(people["invitations"], list["invitations"]);

    assert_eq!(accept(&world, "nxinvite_AAAA", PASSWORD, &[]).await.0, 401);
    assert_eq!(accept(&world, token, "short", &[]).await.0, 400, "and it is good still");
    let (status, accepted) = accept(&world, token, PASSWORD, &[]).await;
    assert_eq!(
        (status, &accepted["operator"]["name"], &accepted["operator"]["role"]),
        (200, &json!("ana"), &json!("viewer")),
        "{accepted}"
    );
    let (status, again) = accept(&world, token, "another horse battery", &[]).await;
    assert_eq!(status, 401);
    assert!(again["detail"].as_str().unwrap().contains("was used or taken back, or has expired"), "{again}");
    let login = |password: &str| json!({"name": "ana", "password": password}).to_string();
    assert_eq!(http(&world, "POST", "/api/v1/login", &[JSON], &login(PASSWORD)).await.0, 200);
    assert_eq!(http(&world, "POST", "/api/v1/login", &[JSON], &login("another horse battery")).await.0, 401);
    let (_, list) = ask(&world, &viewer, "GET", "invitations", &Value::Null).await;
    assert_eq!(list, json!({"invitations": []}));
}

#[tokio::test]
async fn inviting_is_for_admins_and_has_bounds() {
    let world = World::new().await;
    let admin = world.token.clone();
    let operator = world.operator("ops", OperatorRole::Operator).await;
    let body = json!({"name": "ana", "role": "admin"});
    assert_eq!(ask(&world, &operator, "POST", "invitations", &body).await.0, 403);
    assert_eq!(ask(&world, &operator, "DELETE", "invitations/ana", &Value::Null).await.0, 403);
    let wrong = [
        (400, json!({"name": "ana", "role": "viewer", "expires_in_s": 0})),
        (400, json!({"name": "ana", "role": "viewer", "expires_in_s": 2_592_001})),
        (400, json!({"name": "ana", "role": "viewer", "expires_in_s": u64::MAX})),
        (400, json!({"name": "ops", "role": "viewer"})),
        (400, json!({"name": "accept", "role": "viewer"})),
        (422, json!({"name": "ana", "role": "owner"})),
        (422, json!({"name": "Ana", "role": "viewer"})),
        (422, json!({"name": "ana", "role": "viewer", "token_sha256": "ab".repeat(32)})),
    ];
    for (status, body) in wrong {
        assert_eq!(ask(&world, &admin, "POST", "invitations", &body).await.0, status, "{body}");
    }
    let long = json!({"name": "ana", "role": "viewer", "expires_in_s": 2_592_000});
    let (_, made) = ask(&world, &admin, "POST", "invitations", &long).await;
    assert_eq!(ask(&world, &admin, "DELETE", "invitations/ana", &Value::Null).await.0, 200);
    assert_eq!(ask(&world, &admin, "DELETE", "invitations/ana", &Value::Null).await.0, 404);
    assert_eq!(accept(&world, made["token"].as_str().unwrap(), PASSWORD, &[]).await.0, 401);
}

#[tokio::test]
async fn pages_of_others_accept_nothing_and_guesses_are_counted() {
    let world = World::with(&[("limits.failures_per_min", "3")]).await;
    let admin = world.token.clone();
    let (_, made) =
        ask(&world, &admin, "POST", "invitations", &json!({"name": "ana", "role": "viewer"})).await;
    let token = made["token"].as_str().unwrap();
    assert_eq!(accept(&world, token, PASSWORD, &[("origin", "https://evil.example")]).await.0, 403);
    for _ in 0..4 {
        assert_eq!(accept(&world, "nxinvite_AAAA", PASSWORD, &[]).await.0, 401);
    }
    let (status, limited) = accept(&world, token, PASSWORD, &[]).await;
    assert_eq!(
        (status, &limited["code"]),
        (429, &json!("rate_limited")),
        "not even the right one is looked at"
    );
    let (_, people) = ask(&world, &admin, "GET", "operators", &Value::Null).await;
    assert_eq!(people["invitations"], json!([made["invitation"]]));
}
