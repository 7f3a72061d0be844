//! What a stream of bytes may hold and how long it may be silent, whatever is in it.

use std::time::Duration;

use bytes::Bytes;
use futures_util::{Stream, StreamExt};
use thiserror::Error;

use crate::conversation::ProviderErrorKind;

/// The longest event or line. A tool call's whole arguments may stand in one.
pub(crate) const EVENT_BYTES_MAX: usize = 4 * 1024 * 1024;
/// The longest stream. Nothing a model says comes near; a runaway server does.
pub(crate) const STREAM_BYTES_MAX: usize = 64 * 1024 * 1024;
const _: () = assert!(EVENT_BYTES_MAX < STREAM_BYTES_MAX);

/// Why the bytes ended before the stream did.
#[derive(Debug, Error)]
pub(crate) enum ByteError {
    #[error("silent")]
    Stalled(Duration),
    #[error("an event of more than {EVENT_BYTES_MAX} bytes")]
    EventTooLong,
    #[error("more than {0} bytes")]
    StreamTooLong(usize),
    #[error("{0}")]
    Read(String),
}

impl ByteError {
    pub(crate) fn meaning(self) -> ProviderErrorKind {
        match self {
            Self::Stalled(after) => ProviderErrorKind::Stalled(after),
            // The same request would be answered in the same way: these two are not worth another try.
            error @ (Self::EventTooLong | Self::StreamTooLong(_)) => {
                ProviderErrorKind::Invalid(format!("it sent {error}; is it a model that answers there?"))
            }
            Self::Read(reason) => ProviderErrorKind::Truncated(reason),
        }
    }
}

/// Where one event ends and the next begins.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Unit {
    /// At an empty line.
    Event,
    Line,
    /// Nowhere: it is one value, as long as a stream may be.
    Whole,
}

/// The same bytes, up to the first that go too far: `most` are let through in all.
pub(crate) fn bounded<S, E>(
    bytes: S,
    stall: Duration,
    unit: Unit,
    most: usize,
) -> impl Stream<Item = Result<Bytes, ByteError>> + Send
where
    S: Stream<Item = Result<Bytes, E>> + Send + Unpin,
    E: std::error::Error + Send + 'static,
{
    let bounds = Bounds { unit, most, stream: 0, event: 0, line_is_empty: false };
    futures_util::stream::unfold((bytes, bounds), move |(mut bytes, mut bounds)| async move {
        let item = match tokio::time::timeout(stall, bytes.next()).await {
            Err(_) => Err(ByteError::Stalled(stall)),
            Ok(None) => return None,
            Ok(Some(Err(error))) => Err(ByteError::Read(super::http::causes(&error))),
            Ok(Some(Ok(chunk))) => bounds.take(&chunk).map(|()| chunk),
        };
        Some((item, (bytes, bounds)))
    })
}

/// Counts the bytes of the stream and of its running event.
#[derive(Debug)]
struct Bounds {
    unit: Unit,
    most: usize,
    stream: usize,
    event: usize,
    line_is_empty: bool,
}

impl Bounds {
    fn take(&mut self, chunk: &[u8]) -> Result<(), ByteError> {
        self.stream = self.stream.saturating_add(chunk.len());
        if self.stream > self.most {
            return Err(ByteError::StreamTooLong(self.most));
        }
        for byte in chunk {
            self.event += 1;
            match byte {
                b'\n' if self.line_is_empty || self.unit == Unit::Line => self.event = 0,
                b'\n' => self.line_is_empty = true,
                b'\r' => {}
                0..=9 | 11 | 12 | 14..=255 => self.line_is_empty = false,
            }
            if self.event > EVENT_BYTES_MAX && self.unit != Unit::Whole {
                return Err(ByteError::EventTooLong);
            }
        }
        Ok(())
    }
}
