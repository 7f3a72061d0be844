//! The process that started this one, as far as it can be known: it holds the other end of standard input.

use std::io;
use std::os::fd::AsFd as _;

use tokio::io::AsyncReadExt as _;
use tokio::net::unix::pipe;

#[derive(Debug)]
pub(super) struct Parent(Option<pipe::Receiver>);

impl Parent {
    /// Needs the runtime. Fails when standard input is no pipe.
    pub(super) fn new(watched: bool) -> io::Result<Self> {
        if !watched {
            return Ok(Self(None));
        }
        let input = io::stdin().as_fd().try_clone_to_owned()?;
        Ok(Self(Some(pipe::Receiver::from_owned_fd(input)?)))
    }

    /// Waits until it is gone; for ever, if nobody watches it. Safe to cancel.
    pub(super) async fn gone(&mut self) {
        let Some(input) = &mut self.0 else { return std::future::pending().await };
        let mut said = [0; 64];
        // What it says is of no interest, and a pipe that cannot be read tells no more than one that has ended.
        while input.read(&mut said).await.is_ok_and(|bytes| bytes > 0) {}
    }
}
