//! A read buffer over a socket: reads much at once, hands out ranges, copies only what is left over.

use std::io;
use std::ops::Range;

use tokio::io::{AsyncRead, AsyncReadExt as _};

/// As much as the kernel gives at once when a sender is ahead.
pub(crate) const BUSY: usize = 256 * 1024;
/// For links that are many and idle.
pub(crate) const IDLE: usize = 2 * 1024;

#[derive(Debug)]
pub(crate) struct Input {
    bytes: Vec<u8>,
    start: usize,
    end: usize,
}

impl Input {
    pub(crate) fn new(size: usize) -> Self {
        Self { bytes: vec![0; size], start: 0, end: 0 }
    }

    pub(crate) fn unread(&self) -> &[u8] {
        &self.bytes[self.start..self.end]
    }

    /// Where the next `count` unread bytes are; they stay there until the next [`Self::fill`].
    pub(crate) fn take(&mut self, count: usize) -> Range<usize> {
        let range = self.start..self.start + count;
        self.start = range.end;
        range
    }

    pub(crate) fn at(&self, range: Range<usize>) -> &[u8] {
        &self.bytes[range]
    }

    /// Waits until there is more to read. Cancelling it loses nothing.
    pub(crate) async fn fill(&mut self, stream: &mut (impl AsyncRead + Unpin + ?Sized)) -> io::Result<()> {
        if self.start == self.end {
            (self.start, self.end) = (0, 0);
        } else if self.end == self.bytes.len() {
            if self.start > 0 {
                self.bytes.copy_within(self.start..self.end, 0);
                (self.start, self.end) = (0, self.end - self.start);
            } else {
                self.bytes.resize(2 * self.bytes.len(), 0);
            }
        }
        match stream.read(&mut self.bytes[self.end..]).await? {
            0 => Err(io::ErrorKind::UnexpectedEof.into()),
            read => {
                self.end += read;
                Ok(())
            }
        }
    }
}
