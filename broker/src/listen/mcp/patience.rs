//! An answer that takes long. Without a session, `rmcp` says nothing before the first message of a handler, and what
//! stands between a client and here gives a silent connection up. So after a while the answer begins as a stream of
//! events, and what it comes to is sent in it.

use std::pin::Pin;
use std::time::Duration;

use axum::body::{Body, BodyDataStream, Bytes, to_bytes};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use futures_util::{StreamExt, stream};
use nexus_wire::limits::FRAME_BYTES_MAX;
use tokio::time::{sleep, timeout};

use super::KEEP_ALIVE;

/// How long an answer may take before it begins without being known.
const PATIENCE: Duration = Duration::from_secs(10);
/// An answer is as large as what may be in a frame, and what the protocol puts around it.
const ANSWER_BYTES_MAX: usize = 4 * FRAME_BYTES_MAX;

type Answer = Pin<Box<dyn Future<Output = Response> + Send>>;

enum Trickle {
    Waiting(Answer),
    Passing(BodyDataStream),
    Over,
}

/// `answer`, if it is there soon, else a stream in which it comes when it is. A client that goes takes it along.
pub(super) async fn first_or_trickle(answer: impl Future<Output = Response> + Send + 'static) -> Response {
    let mut answer: Answer = Box::pin(answer);
    match timeout(PATIENCE, answer.as_mut()).await {
        Ok(response) => response,
        Err(_) => {
            let headers = [
                (header::CONTENT_TYPE, "text/event-stream"),
                (header::CACHE_CONTROL, "no-cache"),
                (header::HeaderName::from_static("x-accel-buffering"), "no"),
            ];
            let first = stream::iter([Ok(Bytes::from_static(b":\n\n"))]);
            let rest = stream::unfold(Trickle::Waiting(answer), trickle);
            (StatusCode::OK, headers, Body::from_stream(first.chain(rest))).into_response()
        }
    }
}

async fn trickle(state: Trickle) -> Option<(Result<Bytes, axum::Error>, Trickle)> {
    match state {
        Trickle::Waiting(mut answer) => tokio::select! {
            response = answer.as_mut() => Some(begun(response).await),
            () = sleep(KEEP_ALIVE) => Some((Ok(Bytes::from_static(b":\n\n")), Trickle::Waiting(answer))),
        },
        Trickle::Passing(mut body) => {
            let piece = body.next().await?;
            Some((piece, Trickle::Passing(body)))
        }
        Trickle::Over => None,
    }
}

/// What the stream says once the answer is known.
async fn begun(response: Response) -> (Result<Bytes, axum::Error>, Trickle) {
    let kind = response.headers().get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let is_stream = kind.is_some_and(|kind| kind.starts_with("text/event-stream"));
    if is_stream {
        return (Ok(Bytes::from_static(b":\n\n")), Trickle::Passing(response.into_body().into_data_stream()));
    }
    // The status can no longer be told; the message itself says whether it is an error.
    let event = to_bytes(response.into_body(), ANSWER_BYTES_MAX).await.map(|body| {
        let mut event = Vec::with_capacity(body.len() + 8);
        event.extend_from_slice(b"data: ");
        // JSON as it is written here has no line breaks; what is no JSON is kept to one line.
        event.extend(body.iter().map(|byte| if matches!(byte, b'\n' | b'\r') { b' ' } else { *byte }));
        event.extend_from_slice(b"\n\n");
        Bytes::from(event)
    });
    (event, Trickle::Over)
}
