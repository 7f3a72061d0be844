//! The rest of the process's end of the link: ask something of the broker, show what happens.
//!
//! Callers know no socket: a request outlives any number of reconnects and is answered once.

use std::sync::Arc;

use nexus_wire::{ErrorBody, Json, RequestId, ToBroker, TraceContext};
use serde::de::DeserializeOwned;
use thiserror::Error;
use tokio::sync::{mpsc, oneshot};

/// Requests that wait to be taken up by the link; more than that wait in their callers.
const REQUESTS_MAX: usize = 64;
/// What is shown while it happens may be dropped, and is when the link is slower than this.
const SHOWN_MAX: usize = 512;

#[derive(Clone, Debug)]
pub struct Line {
    requests: mpsc::Sender<Request>,
    shown: mpsc::Sender<ToBroker>,
    trace: Option<Arc<TraceContext>>,
}

/// The link's end of it.
#[derive(Debug)]
pub(crate) struct LineEnd {
    pub(crate) requests: mpsc::Receiver<Request>,
    pub(crate) shown: mpsc::Receiver<ToBroker>,
}

#[derive(Debug)]
pub(crate) struct Request {
    /// The same thing asked again has the same one, so that it is not done twice.
    pub(crate) id: RequestId,
    /// The span on whose account it is asked.
    pub(crate) trace: Option<Arc<TraceContext>>,
    pub(crate) frame: ToBroker,
    pub(crate) reply: oneshot::Sender<Result<Json, ErrorBody>>,
}

#[derive(Debug, Error)]
pub enum LineError {
    #[error("the broker's answer was not understood ({0}); is it of another version?")]
    Answer(#[from] serde_json::Error),
    #[error("this process is stopping")]
    Closed,
    #[error("the broker refused it: {0}")]
    Refused(#[from] ErrorBody),
}

pub(crate) fn line() -> (Line, LineEnd) {
    let (requests, taken) = mpsc::channel(REQUESTS_MAX);
    let (shown, shows) = mpsc::channel(SHOWN_MAX);
    (Line { requests, shown, trace: None }, LineEnd { requests: taken, shown: shows })
}

impl Line {
    /// The same for what is asked on account of this span.
    #[must_use]
    pub(crate) fn traced(&self, trace: Option<TraceContext>) -> Self {
        Self { trace: trace.map(Arc::new), ..self.clone() }
    }

    /// Waits for the answer as long as it takes, over every reconnect in between.
    pub async fn ask(&self, id: RequestId, frame: ToBroker) -> Result<Json, LineError> {
        let (reply, answer) = oneshot::channel();
        let trace = self.trace.clone();
        self.requests.send(Request { id, trace, frame, reply }).await.map_err(|_| LineError::Closed)?;
        Ok(answer.await.map_err(|_| LineError::Closed)??)
    }

    /// The answer as what it is documented to be.
    pub async fn ask_for<T: DeserializeOwned>(&self, id: RequestId, frame: ToBroker) -> Result<T, LineError> {
        Ok(self.ask(id, frame).await?.parse()?)
    }

    /// Says something nobody has to hear.
    pub fn show(&self, frame: ToBroker) {
        // A full queue means that whoever watches falls behind; the numbers in the frames show the gap.
        let _ = self.shown.try_send(frame);
    }
}
