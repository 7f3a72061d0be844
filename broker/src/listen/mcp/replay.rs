//! What a session was sent, so that a client whose connection broke can come back for it. Bounded; what is no
//! longer kept cannot be asked for.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use futures_util::stream;
use rmcp::model::ServerJsonRpcMessage;
use rmcp::transport::streamable_http_server::session::{
    EventId, EventStore, EventStoreError, EventStream, ServerSseMessage,
};
use thiserror::Error;
use tokio::sync::watch;

const EVENTS_MAX: usize = 256;
const BYTES_MAX: usize = 2 * 1024 * 1024;

/// The events of all streams of one session.
#[derive(Clone, Debug, Default)]
pub(super) struct Replay(Arc<Kept>);

#[derive(Debug)]
struct Kept {
    inner: Mutex<Inner>,
    /// The number of the newest event.
    newest: watch::Sender<u64>,
}

#[derive(Debug, Default)]
struct Inner {
    events: VecDeque<Event>,
    bytes: usize,
}

#[derive(Clone, Debug)]
struct Event {
    /// From 1, without gaps, over all streams.
    number: u64,
    stream: Arc<str>,
    message: ServerSseMessage,
    bytes: usize,
}

impl Event {
    /// Nothing of its stream comes after it.
    fn is_last(&self) -> bool {
        let message = self.message.message.as_deref();
        matches!(message, Some(ServerJsonRpcMessage::Response(_) | ServerJsonRpcMessage::Error(_)))
    }
}

#[derive(Debug, Error)]
#[error("no event {0} is kept")]
struct Unknown(String);

impl Default for Kept {
    fn default() -> Self {
        Self { inner: Mutex::default(), newest: watch::Sender::new(0) }
    }
}

impl Kept {
    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn add(&self, stream: &str, message: &ServerSseMessage) -> u64 {
        let text = message.message.as_deref().map(serde_json::to_vec);
        let bytes = text.and_then(Result::ok).map_or(0, |text| text.len());
        let mut inner = self.inner();
        let number = *self.newest.borrow() + 1;
        let known =
            inner.events.iter().rev().find(|it| *it.stream == *stream).map(|it| Arc::clone(&it.stream));
        let stream = known.unwrap_or_else(|| stream.into());
        let mut message = message.clone();
        message.event_id = Some(number.to_string());
        inner.events.push_back(Event { number, stream, message, bytes });
        inner.bytes += bytes;
        while inner.events.len() > EVENTS_MAX || inner.bytes > BYTES_MAX {
            let Some(oldest) = inner.events.pop_front() else { break };
            inner.bytes -= oldest.bytes;
        }
        self.newest.send_replace(number);
        number
    }

    fn stream_of(&self, number: u64) -> Option<Arc<str>> {
        let inner = self.inner();
        let first = inner.events.front()?.number;
        let index = usize::try_from(number.checked_sub(first)?).ok()?;
        inner.events.get(index).map(|it| Arc::clone(&it.stream))
    }

    /// The next event of a stream, or whether there will be none.
    fn after(&self, stream: &str, number: u64) -> Next {
        let inner = self.inner();
        let mut of_stream = inner.events.iter().filter(|it| *it.stream == *stream);
        if let Some(event) = of_stream.clone().find(|it| it.number > number) {
            return Next::Event(Box::new(event.clone()));
        }
        if of_stream.any(Event::is_last) { Next::End } else { Next::Wait }
    }
}

enum Next {
    Event(Box<Event>),
    Wait,
    End,
}

#[async_trait]
impl EventStore for Replay {
    async fn store_event(&self, stream: &str, event: &ServerSseMessage) -> Result<EventId, EventStoreError> {
        Ok(self.0.add(stream, event).to_string())
    }

    async fn replay_events_after(&self, last: &str) -> Result<EventStream, EventStoreError> {
        let number: u64 = last.parse().map_err(|_| Unknown(last.to_owned()))?;
        let stream = self.0.stream_of(number).ok_or_else(|| Unknown(last.to_owned()))?;
        Ok(Box::pin(stream::unfold((Arc::clone(&self.0), stream, number), next)))
    }
}

type Place = (Arc<Kept>, Arc<str>, u64);

async fn next((replay, stream, number): Place) -> Option<(ServerSseMessage, Place)> {
    let mut newest = replay.newest.subscribe();
    loop {
        match replay.after(&stream, number) {
            Next::Event(event) => return Some((event.message, (replay, stream, event.number))),
            Next::End => return None,
            // The sender is in what this holds.
            Next::Wait => newest.changed().await.ok()?,
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::{FutureExt, StreamExt};
    use rmcp::model::{ErrorCode, ErrorData, JsonRpcError, RequestId};

    use super::*;

    fn event(last: bool, text: &str) -> ServerSseMessage {
        if !last {
            return ServerSseMessage::priming("", std::time::Duration::from_secs(1));
        }
        let error = ErrorData::new(ErrorCode::INTERNAL_ERROR, text.to_owned(), None);
        ServerSseMessage::from_message(ServerJsonRpcMessage::Error(JsonRpcError::new(
            Some(RequestId::Number(1)),
            error,
        )))
    }

    async fn rest(replay: &Replay, last: &str) -> Option<Vec<String>> {
        let stream = replay.replay_events_after(last).await.ok()?;
        Some(stream.filter_map(async |event| event.event_id).collect().await)
    }

    #[tokio::test]
    async fn a_stream_goes_on_behind_its_own_event_and_ends_with_its_answer() {
        let replay = Replay::default();
        for (stream, last) in [("a", false), ("b", false), ("a", false), ("b", true), ("a", true)] {
            replay.store_event(stream, &event(last, "")).await.unwrap();
        }
        let of = async |last| rest(&replay, last).await;
        assert_eq!(of("1").await, Some(vec!["3".to_owned(), "5".to_owned()]));
        assert_eq!(of("2").await, Some(vec!["4".to_owned()]));
        assert_eq!(of("5").await, Some(vec![]), "it has ended");
        for unknown in ["0", "6", "", "-1", "1/0", "99999999999999999999"] {
            assert_eq!(of(unknown).await, None, "{unknown}");
        }
    }

    #[tokio::test]
    async fn what_is_not_there_yet_is_waited_for() {
        let replay = Replay::default();
        replay.store_event("a", &event(false, "")).await.unwrap();
        let mut stream = replay.replay_events_after("1").await.unwrap();
        assert!(stream.next().now_or_never().is_none());
        replay.store_event("b", &event(true, "")).await.unwrap();
        assert!(stream.next().now_or_never().is_none(), "of another stream");
        replay.store_event("a", &event(true, "")).await.unwrap();
        assert_eq!(stream.next().await.and_then(|it| it.event_id).as_deref(), Some("3"));
        assert!(stream.next().await.is_none());
    }

    #[tokio::test]
    async fn it_is_bounded_in_events_and_in_bytes() {
        let replay = Replay::default();
        for _ in 0..3 * EVENTS_MAX {
            replay.store_event("a", &event(false, "")).await.unwrap();
        }
        assert_eq!(replay.0.inner().events.len(), EVENTS_MAX);
        let large = "x".repeat(BYTES_MAX / 4);
        for _ in 0..9 {
            replay.store_event("a", &event(true, &large)).await.unwrap();
        }
        let inner = replay.0.inner();
        assert!(inner.bytes <= BYTES_MAX, "{}", inner.bytes);
        assert_eq!(inner.events.len(), 3);
    }
}
