//! Turns a response's bytes into lines, one JSON value each. What a value means is the adapter's matter.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures_util::{Stream, StreamExt};

use super::bounds::{self, ByteError, Unit};
use crate::conversation::ProviderErrorKind;

/// The lines that are not empty, in order, the last one whether or not it was ended. Ends after the first error,
/// and with one after `most` bytes.
pub(crate) fn lines<S, E>(
    bytes: S,
    stall: Duration,
    most: usize,
) -> impl Stream<Item = Result<Bytes, ProviderErrorKind>> + Send
where
    S: Stream<Item = Result<Bytes, E>> + Send + Unpin,
    E: std::error::Error + Send + 'static,
{
    let bytes = Box::pin(bounds::bounded(bytes, stall, Unit::Line, most));
    futures_util::stream::unfold(Some((bytes, Held::default())), async |state| {
        let (mut bytes, mut held) = state?;
        loop {
            if let Some(line) = held.line() {
                if !line.trim_ascii().is_empty() {
                    return Some((Ok(line), Some((bytes, held))));
                }
                continue;
            }
            match bytes.next().await {
                Some(Ok(chunk)) => held.bytes.extend_from_slice(&chunk),
                Some(Err(error)) => return Some((Err(ByteError::meaning(error)), None)),
                None if held.bytes.trim_ascii().is_empty() => return None,
                None => return Some((Ok(held.bytes.freeze()), None)),
            }
        }
    })
}

/// What has arrived of the next lines.
#[derive(Default)]
struct Held {
    bytes: BytesMut,
    /// So many of them have no end of a line.
    searched: usize,
}

impl Held {
    fn line(&mut self) -> Option<Bytes> {
        let fresh = self.bytes.iter().skip(self.searched);
        match fresh.enumerate().find(|(_, byte)| **byte == b'\n') {
            Some((at, _)) => {
                let end = self.searched + at + 1;
                self.searched = 0;
                Some(self.bytes.split_to(end).freeze())
            }
            None => {
                self.searched = self.bytes.len();
                None
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::bounds::EVENT_BYTES_MAX;
    use super::*;

    async fn read(chunks: Vec<Vec<u8>>) -> Vec<Result<String, ProviderErrorKind>> {
        let chunks = chunks.into_iter().map(|chunk| Ok::<_, std::io::Error>(Bytes::from(chunk)));
        let lines = lines(futures_util::stream::iter(chunks), Duration::from_secs(1), usize::MAX);
        let text = |line: Bytes| String::from_utf8_lossy(line.trim_ascii()).into_owned();
        lines.map(|line| line.map(text)).collect().await
    }

    #[tokio::test]
    async fn lines_are_whole_however_they_are_cut() {
        let text = "{\"a\":\"é\"}\n\r\n{\"b\":2}\r\n\n{\"c\":3}";
        let expected = ["{\"a\":\"é\"}", "{\"b\":2}", "{\"c\":3}"].map(|line| Ok(line.to_owned()));
        for size in 1..text.len() {
            let chunks = text.as_bytes().chunks(size).map(<[u8]>::to_vec).collect();
            assert_eq!(read(chunks).await, expected, "in chunks of {size}");
        }
        assert_eq!(read(vec![b" \n".to_vec()]).await, []);
    }

    #[tokio::test]
    async fn a_line_without_end_is_an_error_once() {
        let endless = vec![vec![b'x'; EVENT_BYTES_MAX / 2 + 1]; 3];
        let read = read(endless).await;
        assert!(matches!(read.as_slice(), [Err(ProviderErrorKind::Invalid(_))]), "{read:?}");
    }
}
