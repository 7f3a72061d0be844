//! An answer as it comes, as server-sent events. Whoever reads slowly holds up nothing but their own; whoever goes
//! drops the body, and with it the question.

use std::convert::Infallible;
use std::fmt::Write;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::http::{HeaderName, header};
use axum::response::{IntoResponse, Response};
use futures_util::stream;
use serde_json::Value;
use tokio::time::timeout;

use super::about;
use super::fault::Fault;
use super::reply::{Done, Reply, Step};

/// A proxy that hears nothing for long gives a connection up.
const HEARTBEAT: Duration = Duration::from_secs(15);

/// How an API shows an answer in pieces.
pub(super) trait Form: Send + 'static {
    fn begin(&mut self, out: &mut Piece);
    fn text(&mut self, text: &str, out: &mut Piece);
    /// `about`: what is known of it here. Its `rest` has been shown.
    fn done(&mut self, done: &Done, about: Value, out: &mut Piece);
    fn failed(&mut self, fault: &Fault, out: &mut Piece);
}

/// Some events.
#[derive(Debug, Default)]
pub(super) struct Piece(String);

impl Piece {
    pub(super) fn data(&mut self, value: &Value) {
        // Writing to a string does not fail.
        let _ = write!(self.0, "data: {value}\n\n");
    }

    pub(super) fn event(&mut self, name: &str, value: &Value) {
        let _ = write!(self.0, "event: {name}\ndata: {value}\n\n");
    }

    /// As a stream of chat completions ends.
    pub(super) fn end(&mut self) {
        self.0.push_str("data: [DONE]\n\n");
    }
}

enum State<F> {
    Beginning(Reply, F),
    Going(Reply, F),
    Over,
}

pub(super) fn respond<F: Form>(reply: Reply, form: impl FnOnce(&Reply) -> F) -> Response {
    let form = form(&reply);
    let pieces = stream::unfold(State::Beginning(reply, form), |state| async move {
        let (piece, state) = next(state).await?;
        Some((Ok::<_, Infallible>(Bytes::from(piece.0)), state))
    });
    let headers = [
        (header::CONTENT_TYPE, "text/event-stream; charset=utf-8"),
        (header::CACHE_CONTROL, "no-store"),
        // Proxies that gather an answer before they pass it on.
        (HeaderName::from_static("x-accel-buffering"), "no"),
    ];
    (headers, Body::from_stream(pieces)).into_response()
}

async fn next<F: Form>(state: State<F>) -> Option<(Piece, State<F>)> {
    let mut piece = Piece::default();
    let (mut reply, mut form) = match state {
        State::Beginning(reply, mut form) => {
            form.begin(&mut piece);
            return Some((piece, State::Going(reply, form)));
        }
        State::Going(reply, form) => (reply, form),
        State::Over => return None,
    };
    match timeout(HEARTBEAT, reply.next()).await {
        Err(_) => {
            piece.0.push_str(": waiting\n\n");
            Some((piece, State::Going(reply, form)))
        }
        Ok(Step::Text(text)) => {
            form.text(&text, &mut piece);
            Some((piece, State::Going(reply, form)))
        }
        Ok(Step::Done(done)) => {
            if !done.rest.is_empty() {
                form.text(&done.rest, &mut piece);
            }
            let about = about(&reply, Some(&done));
            form.done(&done, about, &mut piece);
            Some((piece, State::Over))
        }
        Ok(Step::Failed(fault)) => {
            form.failed(&fault, &mut piece);
            Some((piece, State::Over))
        }
    }
}
