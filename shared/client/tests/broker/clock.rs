//! A clock that goes wrong: waited for by an aspect that was let in before, and by nobody else.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use axum::routing::post;
use axum::{Json, Router};
use nexus_client::{Broker, CloseReason, DialErrorKind, Event, KeyFile, Link, Loss, Session};
use nexus_wire::admin::TokenResponse;
use uuid::Uuid;

use super::stub::{Stub, problem};

/// What a broker says whose clock is another one.
fn refused() -> Response {
    let mut refusal = problem(StatusCode::UNAUTHORIZED, "the assertion has expired");
    let date = "Sun, 06 Nov 1994 08:49:37 GMT".parse().expect("a header");
    refusal.headers_mut().insert("date", date);
    refusal
}

/// A broker that gives tokens of no duration to a key, unless a clock is off.
async fn broker(is_off: &Arc<AtomicBool>) -> (Stub, Broker) {
    let is_off = Arc::clone(is_off);
    let token = async move || {
        if is_off.load(Ordering::SeqCst) {
            return refused();
        }
        let access_token = "access".to_owned();
        Json(TokenResponse { access_token, token_type: "Bearer".into(), expires_in: 0 }).into_response()
    };
    let stub = Stub::start_with(Router::new().route("/api/v1/token", post(token))).await;
    let (name, url) = ("wren".parse().expect("a name"), format!("http://{}", stub.address));
    let key = KeyFile::generate(name, Uuid::from_u128(7), url, None).expect("a key");
    let broker = Broker::of_keyfile(key).expect("an endpoint");
    (stub, broker)
}

fn is_of_the_clock(loss: &Loss) -> bool {
    let Loss::Dial(error) = loss else { return false };
    matches!(error.kind, DialErrorKind::Unauthorized { clock_off_s: Some(_), .. })
}

/// Why there is no link now. The wait for the next one is passed over.
async fn lost(session: &mut Session) -> Loss {
    let Event::Lost { loss, retry_in } = session.next().await else { panic!("not lost") };
    // Only the clock is moved: dialling needs it to run.
    tokio::time::pause();
    tokio::time::advance(retry_in).await;
    tokio::time::resume();
    loss
}

/// The next link, after however many attempts.
async fn connected(session: &mut Session) -> Link {
    loop {
        match session.next().await {
            Event::Connected(link) => return link,
            Event::Lost { .. } => {}
            over @ (Event::Frame(_) | Event::Terminal(_)) => panic!("{over:?}"),
        }
    }
}

#[tokio::test]
async fn an_aspect_that_was_let_in_comes_back_once_the_clock_is_right() {
    let is_off = Arc::new(AtomicBool::new(false));
    let (mut stub, broker) = broker(&is_off).await;
    let mut session = Session::start(broker);
    for _ in 0..2 {
        let link = connected(&mut session).await;
        session.established(&link).await;
        is_off.store(true, Ordering::SeqCst);
        drop(stub.link().await);
        let loss = lost(&mut session).await;
        assert!(matches!(loss, Loss::Link(CloseReason::Broken(_))), "{loss}");
        for _ in 0..3 {
            let loss = lost(&mut session).await;
            assert!(is_of_the_clock(&loss), "{loss}");
        }
        is_off.store(false, Ordering::SeqCst);
    }
    connected(&mut session).await;
    // The key is judged as soon as it can be.
    stub.gate(|_| Some(problem(StatusCode::UNAUTHORIZED, "revoked")));
    drop(stub.link().await);
    lost(&mut session).await;
    let Event::Terminal(Loss::Dial(error)) = session.next().await else { panic!("it goes on") };
    assert!(error.to_string().ends_with("unauthorized: revoked"), "{error}");
}

#[tokio::test]
async fn an_aspect_that_was_never_let_in_is_told_of_its_clock() {
    let (_stub, broker) = broker(&Arc::new(AtomicBool::new(true))).await;
    let Event::Terminal(loss) = Session::start(broker).next().await else { panic!("it goes on") };
    assert!(is_of_the_clock(&loss), "{loss}");
}

#[tokio::test]
async fn an_operators_token_that_is_refused_is_none_of_the_clocks_business() {
    let mut stub = Stub::start().await;
    let mut session = Session::start(stub.broker());
    let Event::Connected(link) = session.next().await else { panic!("no link") };
    session.established(&link).await;
    stub.gate(|_| Some(refused()));
    drop(stub.link().await);
    lost(&mut session).await;
    let Event::Terminal(loss) = session.next().await else { panic!("it goes on") };
    assert!(is_of_the_clock(&loss), "{loss}");
}
