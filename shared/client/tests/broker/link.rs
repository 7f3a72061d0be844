//! One link: replies, pushes, nonsense from the broker, and its end.

use nexus_client::{CloseReason, DialErrorKind, RequestError, SendError, new_request_id};
use nexus_wire::chat::ChatSend;
use nexus_wire::envelope::reply;
use nexus_wire::frame::{FromBroker, ToBroker};
use nexus_wire::inbox::{Ack, Gap};
use nexus_wire::limits::{BAD_FRAMES_MAX, CLOSE_POLICY, FRAME_BYTES_MAX};
use nexus_wire::roster::{Register, Team, TeamList};
use nexus_wire::{ErrorBody, ErrorCode};

use super::stub::{Stub, problem};

fn gap(from: u64) -> Gap {
    Gap { from, to: from, reason: "pruned".into() }
}

#[tokio::test]
async fn replies_find_their_requests_in_whatever_order_they_come() {
    let mut stub = Stub::start().await;
    let (link, mut pushes) = stub.broker().connect().await.expect("connected");
    let mut served = stub.link().await;
    let script = async {
        let (first, _) = served.recv().await;
        let (second, _) = served.recv().await;
        served.push(gap(1)).await;
        served.ok(second, &Team::default()).await;
        let body = ErrorBody::new(ErrorCode::QueueFull, "256 wait");
        served.send(reply(first.expect("an id"), &FromBroker::Error(body))).await;
        served.push(gap(2)).await;
    };
    let (first, second, ()) =
        tokio::join!(link.call(TeamList::default()), link.call(TeamList::default()), script);
    assert_eq!(first, Err(RequestError::Refused(ErrorBody::new(ErrorCode::QueueFull, "256 wait"))));
    assert_eq!(second, Ok(Team::default()));
    assert_eq!(pushes.recv().await, Some(FromBroker::Gap(gap(1))));
    assert_eq!(pushes.recv().await, Some(FromBroker::Gap(gap(2))));
}

#[tokio::test]
async fn nonsense_from_the_broker_is_ignored_up_to_a_point() {
    let mut stub = Stub::start().await;
    let (link, mut pushes) = stub.broker().connect().await.expect("connected");
    let mut served = stub.link().await;
    let deep = format!(r#"{{"kind":"gap","payload":{}{}}}"#, "[".repeat(200), "]".repeat(200));
    let nonsense = [
        "",
        "{",
        "[]",
        "null",
        r#"{"kind":"gap"}"#,
        r#"{"kind":"ok","payload":{}}"#,
        r#"{"kind":"ok","in_reply_to":"00000000-0000-0000-0000-000000000001","payload":{}}"#,
        r#"{"kind":"gap","payload":{"from":1e999,"to":-1,"reason":"\ud800"}}"#,
        r#"{"kind":"brand.new","id":"00000000-0000-0000-0000-000000000001","payload":[]}"#,
        &deep,
    ];
    for text in nonsense {
        served.send(text).await;
    }
    served.push(gap(1)).await;
    assert_eq!(pushes.recv().await, Some(FromBroker::Gap(gap(1))));

    for _ in 0..BAD_FRAMES_MAX {
        served.send("{").await;
    }
    assert_eq!(served.recv_close().await, Some(CLOSE_POLICY));
    assert!(matches!(link.ended().await, CloseReason::Protocol(_)));
    assert_eq!(pushes.recv().await, None);
}

#[tokio::test]
async fn a_reply_that_cannot_be_read_ends_its_request() {
    let mut stub = Stub::start().await;
    let (link, _pushes) = stub.broker().connect().await.expect("connected");
    let mut served = stub.link().await;
    let script = async {
        let (id, _) = served.recv().await;
        let id = id.expect("an id");
        served.send(format!(r#"{{"kind":"registered","in_reply_to":"{id}","payload":{{}}}}"#)).await;
        let (id, _) = served.recv().await;
        served.ok(id, &"no team").await;
    };
    let calls = async { (link.call(Register::default()).await, link.call(TeamList::default()).await) };
    let ((register, team), ()) = tokio::join!(calls, script);
    assert!(matches!(&register, Err(RequestError::BadReply(text)) if text.contains("name")), "{register:?}");
    assert!(matches!(team, Err(RequestError::BadReply(_))), "{team:?}");
}

#[tokio::test]
async fn what_would_break_the_link_is_not_sent() {
    let mut stub = Stub::start().await;
    let (link, _pushes) = stub.broker().connect().await.expect("connected");
    let mut served = stub.link().await;
    let large = ChatSend { content: "x".repeat(FRAME_BYTES_MAX), ..ChatSend::default() };
    let refused = link.call(large.clone()).await;
    assert!(
        matches!(&refused, Err(RequestError::Refused(body)) if body.code == ErrorCode::TooLarge),
        "{refused:?}"
    );
    assert!(matches!(link.try_send(large), Err(SendError::Invalid(_))));
    link.send(Ack { offset: 1 }).await.expect("sent");
    assert_eq!(served.recv().await, (None, ToBroker::Ack(Ack { offset: 1 })));
}

#[tokio::test]
async fn closing_sends_what_is_queued_first() {
    let mut stub = Stub::start().await;
    let (link, _pushes) = stub.broker().connect().await.expect("connected");
    let mut served = stub.link().await;
    let script = async {
        for offset in 0..500 {
            assert_eq!(served.recv().await, (None, ToBroker::Ack(Ack { offset })));
        }
        served.recv_close().await
    };
    for offset in 0..500 {
        link.try_send(Ack { offset }).expect("there is room");
    }
    let (reason, code) = tokio::join!(link.close(), script);
    assert_eq!((reason, code), (CloseReason::Local, Some(1000)));
    assert_eq!(link.try_send(Ack { offset: 0 }), Err(SendError::Ended(CloseReason::Local)));
    assert_eq!(
        link.call_as(new_request_id(), TeamList::default()).await,
        Err(RequestError::Lost(CloseReason::Local))
    );
}

#[tokio::test]
async fn a_dropped_link_closes() {
    let mut stub = Stub::start().await;
    let (link, pushes) = stub.broker().connect().await.expect("connected");
    let mut served = stub.link().await;
    drop((link, pushes));
    assert_eq!(served.recv_close().await, Some(1000));
}

#[tokio::test]
async fn a_refused_upgrade_tells_why() {
    use axum::http::StatusCode;
    let stub = Stub::start().await;
    let cases = [
        (StatusCode::UNAUTHORIZED, true, "unauthorized: that token is not known"),
        (StatusCode::FORBIDDEN, true, "forbidden: that token is not known"),
        (StatusCode::SERVICE_UNAVAILABLE, false, "not available: that token is not known; try again"),
        (StatusCode::NOT_FOUND, false, "HTTP 404: that token is not known"),
    ];
    for (status, terminal, message) in cases {
        stub.gate(move |headers| {
            assert_eq!(headers["authorization"], "Bearer nxo_test");
            Some(problem(status, "that token is not known"))
        });
        let error = stub.broker().connect().await.expect_err("refused");
        assert_eq!(error.to_string(), format!("http://{}: {message}", stub.address));
        assert_eq!(error.is_terminal(), terminal, "{status}");
    }
}

#[tokio::test]
async fn what_is_not_there_and_what_is_no_broker_are_told_apart() {
    let closed = {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
        listener.local_addr().expect("it is bound")
    };
    let broker = |url: String| {
        let endpoint = nexus_client::Endpoint::new(&url, None, None).expect("a URL");
        nexus_client::Broker::new(endpoint, nexus_client::Credential::Token("nxo_test".into()))
    };
    let error = broker(format!("http://{closed}")).connect().await.expect_err("nobody listens");
    assert!(matches!(error.kind, DialErrorKind::Refused), "{error}");

    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
    let address = listener.local_addr().expect("it is bound");
    tokio::spawn(async move {
        while let Ok((mut socket, _)) = listener.accept().await {
            let _ = tokio::io::AsyncWriteExt::write_all(&mut socket, b"SSH-2.0-OpenSSH\r\n").await;
        }
    });
    let error = broker(format!("http://{address}")).info().await.expect_err("no HTTP");
    assert!(matches!(error.kind, DialErrorKind::Foreign { .. }), "{error}");
    let error = broker(format!("http://{address}")).connect().await.expect_err("no HTTP");
    assert!(matches!(error.kind, DialErrorKind::Foreign { .. }), "{error}");
}
