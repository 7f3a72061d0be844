//! Bytes of one link, in and out. What is read goes through a buffer that all links of a thread share, so that a
//! link that waits holds none, and a busy one reads much at a time.

use std::cell::RefCell;
use std::future::poll_fn;
use std::io;
use std::ops::ControlFlow;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, ReadBuf};

use crate::framing::{Breach, Decoder, Incoming, frame_bytes};

/// Read at once, at most.
const READ_BYTES: usize = 64 * 1024;
/// The beginning of a frame that is not whole yet is put before what is read next if it is as short as this; one
/// that is longer is read to where it waits.
const SHORT_BYTES: usize = 4 * 1024;
/// A buffer beyond this is given back when it is empty.
const KEEP_BYTES: usize = 1024;

thread_local! {
    static SHARED: RefCell<Box<[u8]>> = RefCell::new(vec![0; READ_BYTES].into_boxed_slice());
}

/// What one read came to.
#[derive(Debug, Eq, PartialEq)]
pub(super) enum Progress {
    /// Every frame that was whole has been taken. `full`: there probably is more to read at once.
    Read { full: bool },
    /// The taker wants no more for now.
    Stopped,
}

/// Why nothing more can be read.
#[derive(Debug, Eq, PartialEq)]
pub(super) enum Broken {
    Breach(Breach),
    Gone,
}

impl From<Breach> for Broken {
    fn from(breach: Breach) -> Self {
        Self::Breach(breach)
    }
}

/// The side that reads.
#[derive(Debug, Default)]
pub(super) struct Input {
    decoder: Decoder,
    /// Read and not taken.
    held: Vec<u8>,
    /// There may be whole frames in what is held.
    has_frames: bool,
}

impl Input {
    /// `read`: what came before this was made.
    pub(super) fn new(read: &[u8]) -> Self {
        Self { held: read.to_vec(), has_frames: !read.is_empty(), ..Self::default() }
    }

    /// Reads once and gives `take` every frame that is whole, until it breaks.
    pub(super) fn poll_frames<S: AsyncRead + Unpin>(
        &mut self,
        cx: &mut Context<'_>,
        stream: &mut S,
        take: &mut impl FnMut(Incoming<'_>) -> ControlFlow<()>,
    ) -> Poll<Result<Progress, Broken>> {
        if self.has_frames || self.held.len() > SHORT_BYTES {
            return self.poll_held(cx, stream, take);
        }
        SHARED.with_borrow_mut(|shared| {
            let held = self.held.len();
            let mut buffer = ReadBuf::new(&mut shared[held..]);
            let room = buffer.capacity();
            let read = match ready!(Pin::new(stream).poll_read(cx, &mut buffer)) {
                Ok(()) if !buffer.filled().is_empty() => buffer.filled().len(),
                Ok(()) | Err(_) => return Poll::Ready(Err(Broken::Gone)),
            };
            shared[..held].copy_from_slice(&self.held);
            self.held.clear();
            let bytes = &mut shared[..held + read];
            let (taken, stopped) = drain(&mut self.decoder, bytes, take)?;
            self.keep(&bytes[taken..], stopped);
            Poll::Ready(Ok(progress(stopped, read == room)))
        })
    }

    /// The same for a frame that is long, and for what was left when the taker had enough.
    fn poll_held<S: AsyncRead + Unpin>(
        &mut self,
        cx: &mut Context<'_>,
        stream: &mut S,
        take: &mut impl FnMut(Incoming<'_>) -> ControlFlow<()>,
    ) -> Poll<Result<Progress, Broken>> {
        if !self.has_frames {
            let (held, whole) = (self.held.len(), frame_bytes(&self.held));
            if held == self.held.capacity() {
                // Memory is given as bytes come, not as a head announces them.
                self.held.reserve_exact(whole.saturating_sub(held).clamp(1, held.max(READ_BYTES)));
            }
            match ready!(pin!(stream.read_buf(&mut self.held)).poll(cx)) {
                Ok(read) if read > 0 => {}
                Ok(_) | Err(_) => return Poll::Ready(Err(Broken::Gone)),
            }
            if self.held.len() < whole {
                return Poll::Ready(Ok(Progress::Read { full: false }));
            }
        }
        let mut bytes = std::mem::take(&mut self.held);
        let (taken, stopped) = drain(&mut self.decoder, &mut bytes, take)?;
        self.keep(&bytes[taken..], stopped);
        Poll::Ready(Ok(progress(stopped, true)))
    }

    fn keep(&mut self, rest: &[u8], has_frames: bool) {
        if self.held.capacity() > KEEP_BYTES {
            self.held = Vec::new();
        }
        self.held.extend_from_slice(rest);
        self.has_frames = has_frames && !rest.is_empty();
    }
}

fn progress(stopped: bool, full: bool) -> Progress {
    if stopped { Progress::Stopped } else { Progress::Read { full } }
}

/// How many bytes were taken, and whether `take` broke off.
fn drain(
    decoder: &mut Decoder,
    bytes: &mut [u8],
    take: &mut impl FnMut(Incoming<'_>) -> ControlFlow<()>,
) -> Result<(usize, bool), Breach> {
    let mut at = 0;
    while let Some((took, incoming)) = decoder.next(&mut bytes[at..])? {
        at += took;
        if take(incoming).is_break() {
            return Ok((at, true));
        }
    }
    Ok((at, false))
}

/// Frames that wait for their one write, of which a part may be written already. Outlives whoever writes, so that
/// what comes later never gets into the middle of a frame.
#[derive(Debug)]
pub(super) struct Output {
    pub(super) bytes: Vec<u8>,
    written: usize,
    plenty: usize,
}

impl Output {
    pub(super) fn new(flush_each: bool) -> Self {
        Self { bytes: Vec::new(), written: 0, plenty: if flush_each { 1 } else { READ_BYTES } }
    }

    /// So much that waiting for more gains nothing.
    pub(super) fn is_plenty(&self) -> bool {
        self.bytes.len() >= self.plenty
    }

    pub(super) async fn write<S: AsyncWrite + Unpin>(&mut self, stream: &mut S) -> io::Result<()> {
        poll_fn(|cx| self.poll_write(cx, stream)).await
    }

    fn poll_write<S: AsyncWrite + Unpin>(
        &mut self,
        cx: &mut Context<'_>,
        stream: &mut S,
    ) -> Poll<io::Result<()>> {
        while let Some(rest) = self.bytes.get(self.written..).filter(|rest| !rest.is_empty()) {
            match ready!(Pin::new(&mut *stream).poll_write(cx, rest))? {
                0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                some => self.written += some,
            }
        }
        self.bytes.clear();
        self.written = 0;
        Pin::new(stream).poll_flush(cx)
    }

    /// Nothing will be written for a while.
    pub(super) fn rest(&mut self) {
        if self.bytes.capacity() > KEEP_BYTES {
            self.bytes = Vec::new();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::task::Waker;

    use super::*;

    /// Gives so many bytes with each read.
    struct Dripping<'a> {
        rest: &'a [u8],
        at_once: usize,
    }

    impl AsyncRead for Dripping<'_> {
        fn poll_read(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
            buf: &mut ReadBuf<'_>,
        ) -> Poll<io::Result<()>> {
            let some = self.at_once.min(self.rest.len()).min(buf.remaining());
            let (some, rest) = self.rest.split_at(some);
            buf.put_slice(some);
            self.rest = rest;
            Poll::Ready(Ok(()))
        }
    }

    fn frames(lengths: &[usize]) -> Vec<u8> {
        let mut bytes = Vec::new();
        for length in lengths {
            bytes.extend([0x81, 0x80 | 127]);
            bytes.extend((*length as u64).to_be_bytes());
            bytes.extend([0; 4]);
            bytes.resize(bytes.len() + length, b'x');
        }
        bytes
    }

    /// Lengths of the texts read, breaking off after every `stop`th.
    fn read(bytes: &[u8], at_once: usize, stop: usize) -> Vec<usize> {
        let mut stream = Dripping { rest: bytes, at_once };
        let (mut input, mut seen) = (Input::default(), Vec::new());
        let mut cx = Context::from_waker(Waker::noop());
        loop {
            let mut take = |incoming: Incoming<'_>| {
                let Incoming::Text(text) = incoming else { panic!("{incoming:?}") };
                seen.push(text.len());
                if seen.len().is_multiple_of(stop) {
                    ControlFlow::Break(())
                } else {
                    ControlFlow::Continue(())
                }
            };
            match input.poll_frames(&mut cx, &mut stream, &mut take) {
                Poll::Ready(Ok(_)) => {}
                Poll::Ready(Err(broken)) => {
                    assert_eq!(broken, Broken::Gone);
                    return seen;
                }
                Poll::Pending => panic!("bytes are always there"),
            }
        }
    }

    #[test]
    fn frames_come_whole_and_in_order_however_they_arrive() {
        let lengths = [0, 1, 300, 4_090, 5_000, 7, 300_000, 70_000, 12, 65_500, 3];
        let bytes = frames(&lengths);
        for at_once in [1, 13, 4_096, 10_000, usize::MAX] {
            for stop in [1, 3, usize::MAX] {
                assert_eq!(read(&bytes, at_once, stop), lengths, "{at_once} bytes at once, {stop}");
            }
        }
    }

    #[test]
    fn a_link_that_waits_holds_little() {
        let bytes = frames(&[100_000, 5]);
        let mut stream = Dripping { rest: &bytes, at_once: usize::MAX };
        let mut input = Input::new(&bytes[..3]);
        stream.rest = &bytes[3..];
        let mut cx = Context::from_waker(Waker::noop());
        let mut count = 0;
        while count < 2 {
            let polled = input.poll_frames(&mut cx, &mut stream, &mut |_| {
                count += 1;
                ControlFlow::Continue(())
            });
            assert!(matches!(polled, Poll::Ready(Ok(_))), "{polled:?}");
        }
        assert!(input.held.is_empty() && input.held.capacity() <= KEEP_BYTES);
        let announced = &frames(&[900_000])[..5_000];
        let mut stream = Dripping { rest: announced, at_once: usize::MAX };
        for _ in 0..2 {
            let _ = input.poll_frames(&mut cx, &mut stream, &mut |_| ControlFlow::Continue(()));
        }
        assert!(input.held.capacity() < 3 * READ_BYTES, "what is announced is not allocated yet");
    }
}
