//! Turns a response's bytes into the data of its server-sent events.
//!
//! Bounds what a stream may hold and how long it may be silent. Parsing is `sse-stream`'s; what the data means
//! is the adapters' matter.

use std::time::Duration;

use bytes::Bytes;
use futures_util::{Stream, StreamExt};
use sse_stream::SseByteStream;
use thiserror::Error;

use crate::conversation::ProviderErrorKind;

/// The longest event. A tool call's whole arguments may stand in one.
pub(crate) const EVENT_BYTES_MAX: usize = 4 * 1024 * 1024;
/// The longest stream. Nothing a model says comes near; a runaway server does.
pub(crate) const STREAM_BYTES_MAX: usize = 64 * 1024 * 1024;
const _: () = assert!(EVENT_BYTES_MAX < STREAM_BYTES_MAX);

/// Why the bytes ended before the stream did.
#[derive(Debug, Error)]
enum ByteError {
    #[error("silent")]
    Stalled(Duration),
    #[error("an event of more than {EVENT_BYTES_MAX} bytes")]
    EventTooLong,
    #[error("more than {STREAM_BYTES_MAX} bytes")]
    StreamTooLong,
    #[error("{0}")]
    Read(String),
}

/// The `data` of each event, in order. Ends after the first error, and without one where the connection closed.
pub(crate) fn events<S, E>(
    bytes: S,
    stall: Duration,
) -> impl Stream<Item = Result<String, ProviderErrorKind>> + Send
where
    S: Stream<Item = Result<Bytes, E>> + Send + Unpin,
    E: std::error::Error + Send + 'static,
{
    SseByteStream::new(Box::pin(bounded(bytes, stall))).filter_map(async |event| match event {
        // A block without data is a comment's or a reconnection hint's.
        Ok(event) => event.data.filter(|data| !data.is_empty()).map(Ok),
        Err(error) => Some(Err(failure(error))),
    })
}

fn bounded<S, E>(bytes: S, stall: Duration) -> impl Stream<Item = Result<Bytes, ByteError>> + Send
where
    S: Stream<Item = Result<Bytes, E>> + Send + Unpin,
    E: std::error::Error + Send + 'static,
{
    futures_util::stream::unfold((bytes, Bounds::default()), move |(mut bytes, mut bounds)| async move {
        let item = match tokio::time::timeout(stall, bytes.next()).await {
            Err(_) => Err(ByteError::Stalled(stall)),
            Ok(None) => return None,
            Ok(Some(Err(error))) => Err(ByteError::Read(super::http::causes(&error))),
            Ok(Some(Ok(chunk))) => bounds.take(&chunk).map(|()| chunk),
        };
        Some((item, (bytes, bounds)))
    })
}

/// Counts the bytes of the stream and of its running event: an event ends at an empty line.
#[derive(Debug, Default)]
struct Bounds {
    stream: usize,
    event: usize,
    line_is_empty: bool,
}

impl Bounds {
    fn take(&mut self, chunk: &[u8]) -> Result<(), ByteError> {
        self.stream += chunk.len();
        if self.stream > STREAM_BYTES_MAX {
            return Err(ByteError::StreamTooLong);
        }
        for byte in chunk {
            self.event += 1;
            match byte {
                b'\n' if self.line_is_empty => self.event = 0,
                b'\n' => self.line_is_empty = true,
                b'\r' => {}
                0..=9 | 11 | 12 | 14..=255 => self.line_is_empty = false,
            }
            if self.event > EVENT_BYTES_MAX {
                return Err(ByteError::EventTooLong);
            }
        }
        Ok(())
    }
}

fn failure(error: sse_stream::Error) -> ProviderErrorKind {
    let sse_stream::Error::Body(source) = error else {
        return ProviderErrorKind::Truncated(error.to_string());
    };
    match source.downcast::<ByteError>().map(|error| *error) {
        Ok(ByteError::Stalled(after)) => ProviderErrorKind::Stalled(after),
        // The same request would be answered in the same way: these two are not worth another try.
        Ok(error @ (ByteError::EventTooLong | ByteError::StreamTooLong)) => {
            ProviderErrorKind::Invalid(format!("the server sent {error}; is base_url that of a model's API?"))
        }
        Ok(ByteError::Read(reason)) => ProviderErrorKind::Truncated(reason),
        Err(error) => ProviderErrorKind::Truncated(error.to_string()),
    }
}

#[cfg(test)]
mod tests;
