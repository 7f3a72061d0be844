//! Logging in and out, setting up, and tokens that come and go, over real sockets.

use nexus_wire::admin::OperatorRole;
use nexus_wire::limits::CLOSE_REVOKED;
use serde_json::{Value, json};

use super::World;
use super::client::{Raw, http, http_whole};

const PASSWORD: &str = "correct horse battery";
const JSON: (&str, &str) = ("content-type", "application/json");

impl World {
    async fn admin(&self, method: &str, path: &str, body: Value) -> (u16, Value) {
        let bearer = format!("Bearer {}", self.token);
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let (status, text) = http(self, method, path, &[("authorization", &bearer), JSON], &body).await;
        (status, serde_json::from_str(&text).unwrap())
    }

    async fn log_in(&self, name: &str, password: &str) -> (u16, String) {
        let body = json!({"name": name, "password": password}).to_string();
        let answer = http_whole(self, "POST", "/api/v1/login", &[JSON], &body).await;
        let status = answer.split(' ').nth(1).unwrap().parse().unwrap();
        let cookie = answer.lines().find_map(|line| line.strip_prefix("set-cookie: "));
        (status, cookie.unwrap_or_default().to_owned())
    }
}

/// `name=value` of a cookie that was set.
fn pair(cookie: &str) -> String {
    cookie.split(';').next().unwrap().to_owned()
}

#[tokio::test]
async fn a_session_is_a_way_in_for_our_own_pages_alone() {
    let world = World::new().await;
    let _ = world.operator("ana", OperatorRole::Operator).await;
    let set = world.admin("PUT", "/api/v1/operators/ana/password", json!({"password": PASSWORD})).await;
    assert_eq!((set.0, &set.1["has_password"]), (200, &json!(true)), "{}", set.1);
    for (name, password) in [("ana", "wrong horse battery"), ("nobody", PASSWORD), ("admin", PASSWORD)] {
        assert_eq!(world.log_in(name, password).await, (401, String::new()), "{name}");
    }
    let (status, cookie) = world.log_in("ana", PASSWORD).await;
    assert_eq!(status, 200);
    assert!(cookie.ends_with("; Path=/; Max-Age=604800; HttpOnly; SameSite=Strict"), "{cookie}");
    let pair = pair(&cookie);
    let own = format!("http://{}", world.authority());
    let (cookie, origin, foreign) =
        (("cookie", pair.as_str()), ("origin", own.as_str()), ("origin", "https://evil.example"));
    let session: Value =
        serde_json::from_str(&http(&world, "GET", "/api/v1/session", &[cookie], "").await.1).unwrap();
    assert_eq!((&session["operator"], &session["role"]), (&json!("ana"), &json!("operator")));
    let body = json!({"content": "hello"}).to_string();
    let say = async |headers: &[(&str, &str)]| {
        http(&world, "POST", "/api/v1/messages", &[headers, &[JSON]].concat(), &body).await.0
    };
    assert_eq!(say(&[cookie]).await, 403, "a page that does not say where it is from");
    assert_eq!(say(&[cookie, foreign]).await, 403);
    assert_eq!(say(&[cookie, ("origin", "null")]).await, 403);
    assert_eq!(say(&[cookie, origin]).await, 200);
    let dial = async |headers: &[(&str, &str)]| Raw::dial(&world, headers).await.map(|_| ());
    assert_eq!(dial(&[cookie]).await, Err(403));
    assert_eq!(dial(&[cookie, foreign]).await, Err(403));
    let mut raw = Raw::dial(&world, &[cookie, origin]).await.unwrap();
    assert_eq!(raw.request("team.list", json!({})).await["kind"], "ok");
    let bearer = format!("Bearer {}", pair.split_once('=').unwrap().1);
    assert_eq!(dial(&[("authorization", &bearer)]).await, Err(401), "a session is no bearer token");

    let out = http_whole(&world, "POST", "/api/v1/logout", &[cookie, origin], "").await;
    assert!(out.starts_with("HTTP/1.1 200") && out.contains("nexus_session=; Path=/; Max-Age=0"), "{out}");
    assert_eq!(raw.closed().await, CLOSE_REVOKED);
    assert_eq!(http(&world, "GET", "/api/v1/session", &[cookie], "").await.0, 401);
}

#[tokio::test]
async fn a_session_can_be_had_for_a_token_and_ends_with_it() {
    let world = World::new().await;
    let token = world.operator("ana", OperatorRole::Operator).await;
    let _ = world.aspect("wren").await;
    let log_in = async |token: &str| {
        let body = json!({"token": token}).to_string();
        http_whole(&world, "POST", "/api/v1/login/token", &[JSON], &body).await
    };
    let unknown = token.chars().rev().collect::<String>();
    for no_good in ["", "nxo_", &unknown, &format!("{token}x"), "eyJhbGciOiJFZERTQSJ9.e30.AAAA"] {
        let answer = log_in(no_good).await;
        assert!(answer.starts_with("HTTP/1.1 401") && !answer.contains("set-cookie"), "{no_good}: {answer}");
    }
    let answer = log_in(&token).await;
    let cookie = answer.lines().find_map(|line| line.strip_prefix("set-cookie: ")).unwrap();
    assert!(cookie.ends_with("; HttpOnly; SameSite=Strict"), "{cookie}");
    let pair = pair(cookie);
    assert_eq!(
        log_in(pair.split_once('=').unwrap().1).await.split(' ').nth(1),
        Some("401"),
        "a session is no token"
    );
    let own = format!("http://{}", world.authority());
    let headers = [("cookie", pair.as_str()), ("origin", own.as_str())];
    let (status, session) = http(&world, "GET", "/api/v1/session", &headers, "").await;
    let session: Value = serde_json::from_str(&session).unwrap();
    assert_eq!((status, &session["operator"], &session["role"]), (200, &json!("ana"), &json!("operator")));
    let mut raw = Raw::dial(&world, &headers).await.unwrap();
    assert_eq!(raw.request("team.list", json!({})).await["kind"], "ok");
    assert_eq!(world.admin("DELETE", "/api/v1/operators/ana/tokens/first", Value::Null).await.0, 200);
    assert_eq!(raw.closed().await, CLOSE_REVOKED);
    assert_eq!(http(&world, "GET", "/api/v1/session", &headers, "").await.0, 401);
}

#[tokio::test]
async fn guesses_at_tokens_are_counted() {
    let world = World::with(&[("limits.failures_per_min", "3")]).await;
    let token = world.operator("ana", OperatorRole::Operator).await;
    let log_in = async |token: &str| {
        let body = json!({"token": token}).to_string();
        http_whole(&world, "POST", "/api/v1/login/token", &[JSON], &body).await
    };
    for _ in 0..4 {
        assert!(log_in("nxo_AAAA").await.starts_with("HTTP/1.1 401"));
    }
    let answer = log_in(&token).await;
    assert!(answer.starts_with("HTTP/1.1 429") && answer.contains("\"retry_after\":"), "{answer}");
}

#[tokio::test]
async fn a_password_gets_a_program_a_token_of_its_own() {
    let world = World::new().await;
    let _ = world.operator("ana", OperatorRole::Operator).await;
    let set = world.admin("PUT", "/api/v1/operators/ana/password", json!({"password": PASSWORD})).await;
    assert_eq!(set.0, 200, "{}", set.1);
    let log_in = async |password: &str| {
        let body =
            json!({"name": "ana", "password": password, "token": {"name": "laptop", "expires_in_s": 60}});
        let (status, text) = http(&world, "POST", "/api/v1/token/password", &[JSON], &body.to_string()).await;
        (status, serde_json::from_str::<Value>(&text).unwrap())
    };
    assert_eq!(log_in("wrong horse battery").await.0, 401);
    let (status, made) = log_in(PASSWORD).await;
    assert_eq!(
        (status, &made["operator"], &made["token_info"]["name"]),
        (200, &json!("ana"), &json!("laptop"))
    );
    let who = async |token: &str| {
        http(&world, "GET", "/api/v1/session", &[("authorization", &format!("Bearer {token}"))], "").await.0
    };
    let first = made["token"].as_str().unwrap().to_owned();
    assert_eq!(who(&first).await, 200);
    let second = log_in(PASSWORD).await.1["token"].as_str().unwrap().to_owned();
    assert_eq!((who(&first).await, who(&second).await), (401, 200), "a token of the same name is replaced");
    let (_, audit) = world.admin("GET", "/api/v1/audit?kind=operator.token_added", Value::Null).await;
    assert_eq!(
        (&audit["entries"][0]["actor"], &audit["entries"][0]["subject"]),
        (&json!("operator/ana"), &json!("ana/laptop"))
    );
}

#[tokio::test]
async fn a_new_password_takes_the_old_one_and_ends_the_sessions() {
    let world = World::new().await;
    let token = world.operator("ana", OperatorRole::Viewer).await;
    let other = world.operator("bo", OperatorRole::Operator).await;
    let set = async |token: &str, body: Value| {
        let headers = [("authorization", &*format!("Bearer {token}")), JSON];
        let (status, text) =
            http(&world, "PUT", "/api/v1/operators/ana/password", &headers, &body.to_string()).await;
        (status, text)
    };
    assert_eq!(set(&other, json!({"password": PASSWORD})).await.0, 403, "somebody else's");
    assert_eq!(set(&token, json!({"password": "short"})).await.0, 400);
    assert_eq!(set(&token, json!({"password": PASSWORD})).await.0, 200);
    let (_, cookie) = world.log_in("ana", PASSWORD).await;
    let next = "another horse battery";
    assert_eq!(set(&token, json!({"password": next})).await.0, 400, "the current one is asked for");
    assert_eq!(set(&token, json!({"password": next, "current": "wrong horse"})).await.0, 401);
    assert_eq!(http(&world, "GET", "/api/v1/session", &[("cookie", &pair(&cookie))], "").await.0, 200);
    assert_eq!(set(&token, json!({"password": next, "current": PASSWORD})).await.0, 200);
    assert_eq!(http(&world, "GET", "/api/v1/session", &[("cookie", &pair(&cookie))], "").await.0, 401);
    assert_eq!((world.log_in("ana", PASSWORD).await.0, world.log_in("ana", next).await.0), (401, 200));
}

#[tokio::test]
async fn the_setup_token_is_good_once() {
    let world = World::new().await;
    let setup = world.running.setup_token().unwrap().to_owned();
    let set_up = async |token: &str, body: Value| {
        let mut body = body;
        body["setup_token"] = json!(token);
        let (status, text) = http(&world, "POST", "/api/v1/setup", &[JSON], &body.to_string()).await;
        (status, serde_json::from_str::<Value>(&text).unwrap())
    };
    assert_eq!(set_up("nxsetup_AAAA", json!({"name": "eve"})).await.0, 401);
    assert_eq!(set_up(&setup, json!({"name": "eve", "password": "short"})).await.0, 400);
    let (status, done) = set_up(&setup, json!({"name": "ana", "password": PASSWORD})).await;
    assert_eq!(
        (status, &done["operator"]["role"], &done["token"]),
        (200, &json!("admin"), &Value::Null),
        "{done}"
    );
    assert_eq!(set_up(&setup, json!({"name": "eve", "password": PASSWORD})).await.0, 401, "used");
    assert_eq!(world.log_in("ana", PASSWORD).await.0, 200);

    let (_, offered) = world.admin("POST", "/api/v1/setup/token", Value::Null).await;
    let (status, done) = set_up(offered["setup_token"].as_str().unwrap(), json!({"name": "bo"})).await;
    assert_eq!(status, 200, "{done}");
    let mut raw = Raw::with(&world, done["token"].as_str().unwrap()).await;
    assert_eq!(raw.request("team.list", json!({})).await["kind"], "ok");
}

#[tokio::test]
async fn one_token_of_several_is_revoked_alone() {
    let world = World::new().await;
    let first = world.operator("ana", OperatorRole::Operator).await;
    let path = "/api/v1/operators/ana/tokens";
    let (status, made) = world.admin("POST", path, json!({"name": "laptop"})).await;
    assert_eq!(status, 200, "{made}");
    let laptop = made["token"].as_str().unwrap().to_owned();
    let (mut one, mut two) = (Raw::with(&world, &first).await, Raw::with(&world, &laptop).await);
    world.running.edge.write_uses().await;
    let (_, listed) = world.admin("GET", path, Value::Null).await;
    let names: Vec<_> = listed["tokens"].as_array().unwrap().iter().map(|it| it["name"].clone()).collect();
    assert_eq!(names, [json!("first"), json!("laptop")]);
    assert!(listed["tokens"][1]["last_used_at"].is_i64(), "{listed}");
    assert_eq!(world.admin("DELETE", &format!("{path}/laptop"), Value::Null).await.0, 200);
    assert_eq!(two.closed().await, CLOSE_REVOKED);
    assert_eq!(one.request("team.list", json!({})).await["kind"], "ok");
    let (_, made) = world.admin("POST", path, json!({"name": "brief", "expires_in_s": 0})).await;
    let bearer = format!("Bearer {}", made["token"].as_str().unwrap());
    assert_eq!(Raw::dial(&world, &[("authorization", &bearer)]).await.map(|_| ()), Err(401), "expired");
    let bearer = format!("Bearer {first}");
    let seen = http(&world, "GET", "/api/v1/operators/admin/tokens", &[("authorization", &bearer)], "").await;
    assert_eq!(seen.0, 403, "somebody else's");
}

#[tokio::test]
async fn another_role_is_in_force_at_once_and_needs_no_new_way_in() {
    let world = World::new().await;
    let token = world.operator("ana", OperatorRole::Operator).await;
    let bearer = format!("Bearer {token}");
    let headers = [("authorization", bearer.as_str()), JSON];
    let say = async || http(&world, "POST", "/api/v1/messages", &headers, r#"{"content": "hello"}"#).await.0;
    let mut raw = Raw::with(&world, &token).await;
    assert_eq!((say().await, raw.request("team.list", json!({})).await["kind"].clone()), (200, json!("ok")));
    let path = "/api/v1/operators/ana/role";
    let own = http(&world, "PUT", path, &headers, r#"{"role": "admin"}"#).await.0;
    assert_eq!(own, 403, "nobody but an admin gives roles");
    let (status, info) = world.admin("PUT", path, json!({"role": "viewer"})).await;
    assert_eq!((status, &info["role"]), (200, &json!("viewer")), "{info}");
    assert_eq!(raw.closed().await, CLOSE_REVOKED);
    assert_eq!(say().await, 403, "a viewer looks");
    let mut raw = Raw::with(&world, &token).await;
    assert_eq!(raw.request("team.list", json!({})).await["kind"], "ok", "the same token");
    assert_eq!(world.admin("PUT", "/api/v1/operators/admin/role", json!({"role": "viewer"})).await.0, 400);
    assert_eq!(world.admin("PUT", "/api/v1/operators/eve/role", json!({"role": "viewer"})).await.0, 404);
}

#[tokio::test]
async fn the_certificate_for_keyfiles_is_for_those_who_are_in() {
    let world = World::new().await;
    let (status, ca) = world.admin("GET", "/api/v1/ca", Value::Null).await;
    assert_eq!((status, ca["ca_pem"].as_str()), (200, Some(world.running.edge.gate.ca_pem())), "{ca}");
    assert_eq!(ca["nexus_id"], json!(world.running.edge.gate.nexus_id()));
    assert_eq!(http(&world, "GET", "/api/v1/ca", &[], "").await.0, 401);
}

#[tokio::test]
async fn whoever_shows_no_credential_has_guessed_none() {
    let world = World::new().await;
    let _ = world.operator("ana", OperatorRole::Operator).await;
    world.admin("PUT", "/api/v1/operators/ana/password", json!({"password": PASSWORD})).await;
    for _ in 0..40 {
        assert_eq!(http(&world, "GET", "/api/v1/session", &[], "").await.0, 401);
    }
    assert_eq!(world.log_in("ana", PASSWORD).await.0, 200, "the login page may be opened often");
    world.running.edge.write_trail().await;
    let (_, page) = world.admin("GET", "/api/v1/audit?kind=refused", Value::Null).await;
    assert_eq!(page["entries"], json!([]));
}
