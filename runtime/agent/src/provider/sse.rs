//! Turns a response's bytes into the data of its server-sent events.
//!
//! Parsing is `sse-stream`'s; what the data means is the adapters' matter.

use std::time::Duration;

use bytes::Bytes;
use futures_util::{Stream, StreamExt};
use sse_stream::SseByteStream;

use super::bounds::{self, ByteError, STREAM_BYTES_MAX, Unit};
use crate::conversation::ProviderErrorKind;

/// The `data` of each event, in order. Ends after the first error, and without one where the connection closed.
pub(crate) fn events<S, E>(
    bytes: S,
    stall: Duration,
) -> impl Stream<Item = Result<String, ProviderErrorKind>> + Send
where
    S: Stream<Item = Result<Bytes, E>> + Send + Unpin,
    E: std::error::Error + Send + 'static,
{
    SseByteStream::new(Box::pin(bounds::bounded(bytes, stall, Unit::Event, STREAM_BYTES_MAX))).filter_map(
        async |event| {
            match event {
                // A block without data is a comment's or a reconnection hint's.
                Ok(event) => event.data.filter(|data| !data.is_empty()).map(Ok),
                Err(error) => Some(Err(failure(error))),
            }
        },
    )
}

fn failure(error: sse_stream::Error) -> ProviderErrorKind {
    let sse_stream::Error::Body(source) = error else {
        return ProviderErrorKind::Truncated(error.to_string());
    };
    match source.downcast::<ByteError>().map(|error| *error) {
        Ok(error) => error.meaning(),
        Err(error) => ProviderErrorKind::Truncated(error.to_string()),
    }
}

#[cfg(test)]
mod tests;
