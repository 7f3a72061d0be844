//! Access tokens: what is asked for, how long it is kept, and what a refusal says.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse as _, Response};
use axum::routing::post;
use axum::{Json, Router};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use nexus_client::credential::AssertionClaims;
use nexus_client::{Broker, DialErrorKind, KeyFile};
use nexus_wire::admin::{GRANT_JWT_BEARER, TokenRequest, TokenResponse};
use uuid::Uuid;

use super::stub::{Stub, problem};

fn keyfile() -> KeyFile {
    let name = "wren".parse().expect("a name");
    KeyFile::generate(name, Uuid::from_u128(7), "http://127.0.0.1:1".into(), None).expect("a key")
}

fn issue(keyfile: &KeyFile, request: &TokenRequest, serial: u64, lifetime_s: u64) -> Response {
    assert_eq!(request.grant_type, GRANT_JWT_BEARER);
    let public = URL_SAFE_NO_PAD.decode(&keyfile.public_key).expect("base64url");
    let mut validation = Validation::new(Algorithm::EdDSA);
    validation.set_audience(&[keyfile.nexus_id]);
    let key = DecodingKey::from_ed_der(&public);
    jsonwebtoken::decode::<AssertionClaims>(&request.assertion, &key, &validation).expect("it verifies");
    let access_token = format!("access-{serial}");
    Json(TokenResponse { access_token, token_type: "Bearer".into(), expires_in: lifetime_s }).into_response()
}

/// A stub that issues tokens `access-1`, `access-2` …
async fn issuing(keyfile: &KeyFile, lifetime_s: u64) -> (Stub, Broker, Arc<AtomicU64>) {
    let issued = Arc::new(AtomicU64::new(0));
    let routes = Router::new().route(
        "/api/v1/token",
        post({
            let (issued, keyfile) = (Arc::clone(&issued), keyfile.clone());
            async move |Json(request): Json<TokenRequest>| {
                issue(&keyfile, &request, issued.fetch_add(1, Ordering::SeqCst) + 1, lifetime_s)
            }
        }),
    );
    let stub = Stub::start_with(routes).await;
    let keyfile = KeyFile { url: format!("http://{}", stub.address), ..keyfile.clone() };
    let broker = Broker::of_keyfile(keyfile).expect("an endpoint");
    (stub, broker, issued)
}

fn bearer(headers: &HeaderMap) -> String {
    headers["authorization"].to_str().expect("text").to_owned()
}

#[tokio::test]
async fn a_token_is_kept_until_shortly_before_its_end() {
    for (lifetime_s, requests) in [(900, 1), (20, 3)] {
        let (_stub, broker, issued) = issuing(&keyfile(), lifetime_s).await;
        for _ in 0..3 {
            broker.connect().await.expect("connected");
        }
        assert_eq!(issued.load(Ordering::SeqCst), requests, "{lifetime_s} s");
    }
}

#[tokio::test]
async fn a_kept_token_that_is_refused_is_replaced_once() {
    let (stub, broker, issued) = issuing(&keyfile(), 900).await;
    broker.connect().await.expect("connected");
    stub.gate(|headers| match bearer(headers).as_str() {
        "Bearer access-1" => Some(problem(StatusCode::UNAUTHORIZED, "an older key")),
        _ => None,
    });
    broker.connect().await.expect("connected with a new token");
    assert_eq!(issued.load(Ordering::SeqCst), 2);
    stub.gate(|_| Some(problem(StatusCode::UNAUTHORIZED, "revoked")));
    let error = broker.connect().await.expect_err("refused");
    assert!(error.to_string().ends_with("unauthorized: revoked"), "{error}");
    assert_eq!(issued.load(Ordering::SeqCst), 3, "it tried one new token and no more");
}

#[tokio::test]
async fn a_refused_assertion_mentions_a_clock_that_is_off() {
    let routes = Router::new().route(
        "/api/v1/token",
        post(async || {
            let mut refusal = problem(StatusCode::UNAUTHORIZED, "the assertion has expired");
            let date = "Sun, 06 Nov 1994 08:49:37 GMT".parse().expect("a header");
            refusal.headers_mut().insert("date", date);
            refusal
        }),
    );
    let stub = Stub::start_with(routes).await;
    let keyfile = KeyFile { url: format!("http://{}", stub.address), ..keyfile() };
    let error = Broker::of_keyfile(keyfile).expect("an endpoint").connect().await.expect_err("refused");
    let DialErrorKind::Unauthorized { message, clock_off_s: Some(off) } = &error.kind else {
        panic!("{error}")
    };
    assert_eq!(message, "the assertion has expired");
    assert!(*off < 0);
    assert!(error.to_string().contains("s ahead of the broker's: set it"), "{error}");
    assert!(error.is_terminal() && error.is_refusal());
}
