//! Keys, assertions and tokens: nobody gets in twice, late, from elsewhere or as somebody else.

use std::path::Path;

use jsonwebtoken::{Algorithm, EncodingKey, Header};
use nexus_client::{Broker, KeyFile};
use nexus_tests::World;
use nexus_tests::raw::Raw;
use nexus_tests::world::text;
use nexus_wire::admin::GRANT_JWT_BEARER;
use nexus_wire::limits::CLOSE_REVOKED;
use serde_json::{Value, json};

use crate::http::request;

fn keyfile(home: &Path) -> KeyFile {
    KeyFile::load(&KeyFile::path_in(home)).expect("the aspect was let in")
}

async fn access_token(home: &Path) -> String {
    let broker = Broker::of_keyfile(keyfile(home)).expect("a keyfile has an endpoint");
    broker.bearer().await.expect("the key is good").expose().to_owned()
}

async fn status_of_dial(world: &World, token: &str) -> Result<(), u16> {
    Raw::dial(world, &[("authorization", &format!("Bearer {token}"))]).await.map(drop)
}

fn nexus(world: &World, args: &[&str]) -> String {
    let data = world.data().display().to_string();
    let out = world.run("nexus", &[args, &["--data", &data]].concat());
    assert!(out.status.success(), "nexus {args:?}: {}", text(&out));
    text(&out)
}

fn operator_token(world: &World, name: &str, role: &str) -> String {
    let shown = nexus(world, &["operator", "add", name, "--role", role]);
    shown.split_whitespace().find(|word| word.starts_with("nxo_")).expect("the token is shown").to_owned()
}

#[test]
fn whoever_is_let_in_again_learns_that_the_first_token_is_void() {
    let world = World::new();
    let add = || nexus(&world, &["operator", "add", "ana", "--role", "viewer"]);
    let (first, second) = (add(), add());
    assert!(first.contains("ana is in. This token is shown once"), "{first}");
    assert!(
        second.contains("ana was in already; the token they were let in with is good no more"),
        "{second}"
    );
}

#[expect(clippy::disallowed_methods, reason = "an assertion carries the time of its machine")]
fn now() -> u64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    since.expect("it is later than 1970").as_secs()
}

fn claims(key: &KeyFile) -> Value {
    json!({
        "iss": key.name, "sub": key.name, "aud": key.nexus_id, "exp": now() + 30,
        "jti": nexus_client::new_request_id(),
    })
}

fn with(mut claims: Value, field: &str, value: Value) -> Value {
    claims[field] = value;
    claims
}

fn without(mut claims: Value, field: &str) -> Value {
    claims.as_object_mut().expect("claims are an object").remove(field);
    claims
}

fn signed(key: &KeyFile, claims: &Value) -> String {
    let signer = EncodingKey::from_ed_pem(key.private_key.expose().as_bytes()).expect("a key");
    jsonwebtoken::encode(&Header::new(Algorithm::EdDSA), claims, &signer).expect("it can be signed")
}

fn exchange(world: &World, assertion: &str) -> (u16, Value) {
    let body = json!({"grant_type": GRANT_JWT_BEARER, "assertion": assertion}).to_string();
    request(world, "POST", "/api/v1/token", None, &body)
}

#[tokio::test]
async fn a_revoked_key_closes_its_links_and_opens_none() {
    let world = World::new();
    let home = world.home("wren", json!({}), "");
    let token = access_token(&home).await;
    let (mut registered, _) = Raw::registered(&world, &home, json!({})).await;
    let mut idle = Raw::with_token(&world, &token).await;
    nexus(&world, &["aspect", "revoke", "wren"]);
    assert_eq!((registered.closed().await, idle.closed().await), (CLOSE_REVOKED, CLOSE_REVOKED));
    assert_eq!(status_of_dial(&world, &token).await, Err(401), "its token opens no link");
    let key = keyfile(&home);
    assert_eq!(exchange(&world, &signed(&key, &claims(&key))).0, 401, "and its key gets no other");
    let mut operator = Raw::operator(&world).await;
    assert_eq!(
        operator.request("team.list", json!({})).await["payload"],
        json!({"aspects": [], "more": false})
    );
}

#[tokio::test]
async fn a_rotated_key_shuts_out_the_old_one_and_lets_the_new_one_in() {
    let world = World::new();
    let home = world.home("wren", json!({}), "");
    let (old_key, old_token) = (keyfile(&home), access_token(&home).await);
    let (mut old, _) = Raw::registered(&world, &home, json!({})).await;
    nexus(&world, &["aspect", "rotate", "wren", "--home", &home.display().to_string()]);
    assert_eq!(old.closed().await, CLOSE_REVOKED);
    assert_eq!(status_of_dial(&world, &old_token).await, Err(401));
    assert_eq!(exchange(&world, &signed(&old_key, &claims(&old_key))).0, 401);
    let (_new, registered) = Raw::registered(&world, &home, json!({"last_generation": 1})).await;
    assert_eq!(registered["generation"], 2);
}

#[tokio::test]
async fn two_keys_of_an_overlap_work_side_by_side_until_it_ends() {
    let world = World::new();
    let home = world.home("wren", json!({}), "");
    let old_key = keyfile(&home);
    let (mut old, _) = Raw::registered(&world, &home, json!({})).await;
    let rotate = |overlap: &str| {
        nexus(
            &world,
            &["aspect", "rotate", "wren", "--home", &home.display().to_string(), "--overlap", overlap],
        )
    };
    rotate("10m");
    let new_key = keyfile(&home);
    assert_ne!(old_key.public_key, new_key.public_key);
    assert_eq!(exchange(&world, &signed(&old_key, &claims(&old_key))).0, 200, "the old key is good still");
    assert_eq!(exchange(&world, &signed(&new_key, &claims(&new_key))).0, 200, "and the new one already");
    assert_eq!(old.request("team.list", json!({})).await["kind"], "ok", "its link stays");
    rotate("1s");
    assert_eq!(old.closed().await, CLOSE_REVOKED, "the key before the last has no overlap any more");
    assert_eq!(exchange(&world, &signed(&old_key, &claims(&old_key))).0, 401);
    let (mut new, _) = Raw::registered(&world, &home, json!({"last_generation": 1})).await;
    assert_eq!(new.request("team.list", json!({})).await["kind"], "ok");
}

#[tokio::test]
async fn a_link_ends_with_the_token_that_opened_it() {
    let world = World::new();
    operator_token(&world, "ana", "viewer");
    let shown = nexus(&world, &["operator", "token", "add", "ana", "short", "--expires", "5s"]);
    let short = shown.split_whitespace().find(|word| word.starts_with("nxo_")).expect("the token is shown");
    let mut link = Raw::with_token(&world, short).await;
    assert_eq!(link.request("team.list", json!({})).await["kind"], "ok");
    assert_eq!(link.closed().await, CLOSE_REVOKED);
    assert_eq!(status_of_dial(&world, short).await, Err(401));
}

#[test]
fn an_aspect_that_asks_for_tokens_without_end_leaves_others_theirs() {
    let mut world = World::asleep().config("[limits]\nrequests_per_s = 1\n");
    world.start_broker();
    let [greedy, other] = ["wren", "forge"].map(|name| keyfile(&world.home(name, json!({}), "")));
    let taken = (0..50).map(|_| exchange(&world, &signed(&greedy, &claims(&greedy))));
    let refused = taken.map(|(status, problem)| (status, problem["code"].clone())).find(|it| it.0 != 200);
    assert_eq!(refused, Some((429, json!("rate_limited"))));
    assert_eq!(exchange(&world, &signed(&other, &claims(&other))).0, 200);
}

#[test]
fn an_assertion_is_not_good_again_after_a_restart() {
    let mut world = World::new();
    let home = world.home("wren", json!({}), "");
    let key = keyfile(&home);
    let once = signed(&key, &claims(&key));
    assert_eq!(exchange(&world, &once).0, 200);
    world.restart_broker();
    let again = exchange(&world, &once);
    assert_eq!(again.0, 401, "{}", again.1);
    assert!(again.1["detail"].as_str().is_some_and(|it| it.contains("used before")), "{}", again.1);
    assert_eq!(exchange(&world, &signed(&key, &claims(&key))).0, 200);
}

#[tokio::test]
async fn a_revocation_closes_a_link_before_it_is_answered_elsewhere() {
    let world = World::new();
    let home = world.home("wren", json!({}), "");
    let (mut link, _) = Raw::registered(&world, &home, json!({})).await;
    let revoked = request(&world, "DELETE", "/api/v1/aspects/wren", Some(&world.token()), "");
    assert_eq!(revoked.0, 200);
    // What is asked after the answer is never served on the link.
    assert_eq!(link.closed().await, CLOSE_REVOKED);
}

#[tokio::test]
async fn a_revoked_or_demoted_operator_is_closed_too() {
    let world = World::new();
    let first = operator_token(&world, "eve", "operator");
    let mut link = Raw::with_token(&world, &first).await;
    let second = operator_token(&world, "eve", "viewer");
    assert_eq!(link.closed().await, CLOSE_REVOKED, "another token and another role");
    assert_eq!(status_of_dial(&world, &first).await, Err(401));
    let mut link = Raw::with_token(&world, &second).await;
    nexus(&world, &["operator", "revoke", "eve"]);
    assert_eq!(link.closed().await, CLOSE_REVOKED);
    assert_eq!(status_of_dial(&world, &second).await, Err(401));
}

#[test]
fn an_assertion_is_good_once() {
    let world = World::new();
    let key = keyfile(&world.home("wren", json!({}), ""));
    let assertion = signed(&key, &claims(&key));
    let (status, answer) = exchange(&world, &assertion);
    assert_eq!((status, &answer["token_type"], &answer["expires_in"]), (200, &json!("Bearer"), &json!(900)));
    let (status, problem) = exchange(&world, &assertion);
    assert_eq!((status, &problem["code"]), (401, &json!("unauthorized")), "{problem}");
    // The same jti under other claims is the same assertion.
    let jti = claims(&key)["jti"].clone();
    let first = with(claims(&key), "jti", jti);
    let again = with(first.clone(), "exp", json!(now() + 40));
    assert_eq!(
        (exchange(&world, &signed(&key, &first)).0, exchange(&world, &signed(&key, &again)).0),
        (200, 401)
    );
}

#[test]
fn an_assertion_that_is_not_exactly_right_is_refused() {
    let world = World::new();
    let key = keyfile(&world.home("wren", json!({}), ""));
    let forge = keyfile(&world.home("forge", json!({}), ""));
    let good = || claims(&key);
    let cases = [
        ("expired", with(good(), "exp", json!(now() - 30))),
        ("too long", with(good(), "exp", json!(now() + 600))),
        ("never expires", without(good(), "exp")),
        ("exp of text", with(good(), "exp", json!("tomorrow"))),
        ("exp beyond all numbers", with(good(), "exp", json!(1e300))),
        ("negative exp", with(good(), "exp", json!(-1))),
        ("another Nexus", with(good(), "aud", json!("7d444840-9dc0-11d1-b245-5ffdce74fad2"))),
        ("no audience", without(good(), "aud")),
        ("no jti", without(good(), "jti")),
        ("empty jti", with(good(), "jti", json!(""))),
        ("endless jti", with(good(), "jti", json!("j".repeat(4000)))),
        ("another issuer", with(good(), "iss", json!("forge"))),
        ("another subject", with(good(), "sub", json!("forge"))),
        ("somebody else entirely", with(with(good(), "sub", json!("forge")), "iss", json!("forge"))),
        ("nobody", with(with(good(), "sub", json!("nobody")), "iss", json!("nobody"))),
        ("an operator", with(with(good(), "sub", json!("operator/admin")), "iss", json!("operator/admin"))),
        ("later", with(good(), "nbf", json!(now() + 600))),
    ];
    for (name, claims) in cases {
        let (status, problem) = exchange(&world, &signed(&key, &claims));
        assert_eq!((status, &problem["code"]), (401, &json!("unauthorized")), "{name}: {problem}");
    }
    let other = signed(&forge, &good());
    assert_eq!(exchange(&world, &other).0, 401, "signed with another aspect's key");
    for text in ["", ".", "..", "a.b.c", "\u{0}", &"x.".repeat(30_000)] {
        assert_eq!(exchange(&world, text).0, 401, "{:?}", text.get(..8));
    }
    let body = json!({"grant_type": "password", "assertion": signed(&key, &good())}).to_string();
    assert_eq!(request(&world, "POST", "/api/v1/token", None, &body).0, 400);
    assert_eq!(exchange(&world, &signed(&key, &good())).0, 200, "and the right one passes");
}

#[test]
fn no_other_algorithm_is_believed() {
    use base64::Engine as _;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
    let world = World::new();
    let key = keyfile(&world.home("wren", json!({}), ""));
    let part = |value: &Value| BASE64.encode(value.to_string());
    for alg in ["none", "None", "NONE", "nOnE", ""] {
        let unsigned = format!("{}.{}.", part(&json!({"alg": alg, "typ": "JWT"})), part(&claims(&key)));
        assert_eq!(exchange(&world, &unsigned).0, 401, "{alg:?}");
    }
    // What everybody may know, used as a shared secret.
    let public = BASE64.decode(&key.public_key).expect("a public key");
    let ca = world.ca_pem().into_bytes();
    let secrets =
        [&public, &key.public_key.clone().into_bytes(), &key.nexus_id.to_string().into_bytes(), &ca];
    for secret in secrets {
        for alg in [Algorithm::HS256, Algorithm::HS384, Algorithm::HS512] {
            let signer = EncodingKey::from_secret(secret);
            let forged = jsonwebtoken::encode(&Header::new(alg), &claims(&key), &signer).expect("signed");
            assert_eq!(exchange(&world, &forged).0, 401, "{alg:?}");
        }
    }
    // A good signature under a header that names another algorithm, or asks for what we do not do.
    let good = signed(&key, &claims(&key));
    let (_, rest) = good.split_once('.').expect("a JWT has parts");
    for header in
        [json!({"alg": "HS256"}), json!({"alg": "ES256"}), json!({"alg": "EdDSA", "crit": ["x"], "x": 1})]
    {
        assert_eq!(exchange(&world, &format!("{}.{rest}", part(&header))).0, 401, "{header}");
    }
}

#[tokio::test]
async fn a_token_of_another_nexus_or_of_another_kind_opens_nothing() {
    let (here, there) = (World::new(), World::new());
    let (home, other) = (here.home("wren", json!({}), ""), there.home("wren", json!({}), ""));
    let (key, foreign) = (keyfile(&home), access_token(&other).await);
    assert_eq!(status_of_dial(&there, &foreign).await, Ok(()), "it is good where it comes from");
    assert_eq!(status_of_dial(&here, &foreign).await, Err(401));
    assert_eq!(status_of_dial(&here, &there.token()).await, Err(401));
    let away = keyfile(&other);
    assert_eq!(exchange(&here, &signed(&away, &claims(&away))).0, 401);
    assert_eq!(exchange(&here, &signed(&away, &claims(&key))).0, 401);
    // An assertion is no access token, and the other way round.
    assert_eq!(status_of_dial(&here, &signed(&key, &claims(&key))).await, Err(401));
    assert_eq!(exchange(&here, &access_token(&home).await).0, 401);
    // A key's own signature under an access token's claims.
    let claims = json!({
        "iss": key.nexus_id, "aud": key.nexus_id, "sub": "wren", "key_generation": 1,
        "iat": now(), "exp": now() + 900,
    });
    assert_eq!(status_of_dial(&here, &signed(&key, &claims)).await, Err(401));
}

#[tokio::test]
async fn a_viewer_looks_and_does_not_touch() {
    let world = World::new();
    let wren = world.home("wren", json!({}), "");
    let (_wren, _) = Raw::registered(&world, &wren, json!({"hands": [{"name": "verify"}], "slots": 1})).await;
    let mut admin = Raw::operator(&world).await;
    let sent = admin.request("chat.send", json!({"content": "hello"})).await;
    let dispatch = admin.request("dispatch", json!({"hand": "wren/verify", "input": 1})).await;
    let id = dispatch["payload"]["dispatch"].clone();
    let mut viewer = Raw::with_token(&world, &operator_token(&world, "eve", "viewer")).await;
    let refused = [
        ("chat.send", json!({"content": "hello"})),
        ("dispatch", json!({"hand": "wren/verify", "input": 1})),
        ("dispatch.cancel", json!({"dispatch": id})),
        ("knowledge.store", json!({"topic": "t", "content": "c"})),
        ("deregister", json!({})),
        ("lease.renew", json!({"leases": [{"dispatch": id, "attempt": 1}]})),
        ("observe.begin", json!({"turn": nexus_client::new_request_id()})),
    ];
    for (kind, payload) in refused {
        let reply = viewer.request(kind, payload).await;
        assert_eq!(reply["payload"]["code"], "forbidden", "{kind}: {reply}");
    }
    let thread = &sent["payload"]["thread"];
    let page = viewer.request("chat.read", json!({"thread": thread})).await;
    assert_eq!(page["payload"]["messages"].as_array().map(Vec::len), Some(1), "{page}");
    let state = viewer.request("dispatch.status", json!({"dispatch": id})).await;
    assert_eq!(state["payload"]["state"], "running", "{state}");
}

#[tokio::test]
async fn administration_is_for_admins() {
    let world = World::new();
    let home = world.home("wren", json!({}), "");
    let aspect = access_token(&home).await;
    let (viewer, operator) =
        (operator_token(&world, "eve", "viewer"), operator_token(&world, "bob", "operator"));
    let add = json!({"name": "mole", "role": "worker", "public_key": keyfile(&home).public_key}).to_string();
    let promote = json!({"name": "bob", "role": "admin", "token_sha256": "00".repeat(32)}).to_string();
    let calls = [
        ("POST", "/api/v1/aspects", add.as_str()),
        ("DELETE", "/api/v1/aspects/wren", ""),
        ("POST", "/api/v1/operators", &promote),
        ("DELETE", "/api/v1/operators/admin", ""),
    ];
    for (method, path, body) in calls {
        assert_eq!(request(&world, method, path, None, body).0, 401, "{method} {path}");
        for (who, token) in [("aspect", &aspect), ("viewer", &viewer), ("operator", &operator)] {
            let (status, problem) = request(&world, method, path, Some(token), body);
            assert_eq!(
                (status, &problem["code"]),
                (403, &json!("forbidden")),
                "{who} {method} {path}: {problem}"
            );
        }
    }
    for path in ["/api/v1/operators", "/api/v1/aspects/wren/key"] {
        assert_eq!(request(&world, "GET", path, Some(&aspect), "").0, 403, "{path}");
        assert_eq!(request(&world, "GET", path, Some(&viewer), "").0, 200, "{path}");
    }
    let team = request(&world, "GET", "/api/v1/aspects", Some(&viewer), "").1;
    assert_eq!(team["aspects"].as_array().map(Vec::len), Some(1), "nobody was let in or shut out: {team}");
}

#[tokio::test]
async fn an_aspect_has_no_way_into_what_does_not_concern_it() {
    let world = World::new();
    let (wren, forge) = (world.home("wren", json!({}), ""), world.home("forge", json!({}), ""));
    let hands = json!({"hands": [{"name": "verify"}], "slots": 4});
    let (mut wren, _) = Raw::registered(&world, &wren, hands.clone()).await;
    let (_forge, _) = Raw::registered(&world, &forge, hands).await;
    let mut operator = Raw::operator(&world).await;
    let sent = operator.request("chat.send", json!({"to": ["forge"], "content": "between us"})).await;
    let (thread, message) = (&sent["payload"]["thread"], &sent["payload"]["message"]);
    let dispatched = operator.request("dispatch", json!({"hand": "forge/verify", "input": "ours"})).await;
    let dispatch = &dispatched["payload"]["dispatch"];
    let refused = [
        ("chat.read", json!({"thread": thread})),
        ("chat.read", json!({"message": message})),
        ("dispatch.status", json!({"dispatch": dispatch})),
        // Neither by taking part nor by working for it does one get in uninvited.
        ("chat.send", json!({"thread": thread, "content": "let me in"})),
        ("chat.send", json!({"reply_to": message, "content": "let me in"})),
        ("dispatch", json!({"hand": "wren/verify", "input": 1, "thread": thread})),
    ];
    for (kind, payload) in refused {
        let reply = wren.request(kind, payload).await;
        assert_eq!(reply["payload"]["code"], "not_found", "{kind}: {reply}");
    }
    assert_eq!(
        wren.request("chat.threads", json!({})).await["payload"],
        json!({"threads": [], "more": false})
    );
    assert_eq!(
        wren.request("dispatch.list", json!({})).await["payload"],
        json!({"dispatches": [], "more": false})
    );
    // Once it is spoken to there, it is in.
    let invited = json!({"thread": thread, "to": ["wren"], "content": "come in"});
    assert_eq!(operator.request("chat.send", invited).await["kind"], "ok");
    let page = wren.request("chat.read", json!({"thread": thread})).await;
    assert_eq!(page["payload"]["messages"].as_array().map(Vec::len), Some(2), "{page}");
    let reply = wren.request("chat.send", json!({"thread": thread, "content": "here I am"})).await;
    assert_eq!(reply["kind"], "ok", "{reply}");
}
