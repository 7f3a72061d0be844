//! The thread that owns what this process owes and is owed: inbox and outbox. Everything it is asked to write is
//! on disk when it answers.
//!
//! It waits for nobody but the disk, so whoever asks may wait for it. What is queued together is written together.

use std::collections::VecDeque;
use std::path::Path;
use std::sync::Arc;

use nexus_wire::RequestId;
use nexus_wire::inbox::Decision;
use thiserror::Error;
use tokio::sync::{Notify, mpsc, oneshot};
use uuid::Uuid;

use crate::inbox::{Accept, Delivery, Inbox, InboxError, InboxItem, ResumePoint};
use crate::journal::Durability;
use crate::outbox::{Outbox, OutboxError, Post, Room};

const COMMANDS_MAX: usize = 256;
/// Commands taken up at once.
const BATCH_MAX: usize = 64;

/// A handle to the thread, which ends with the last of them.
#[derive(Clone, Debug)]
pub(crate) struct Books {
    commands: mpsc::Sender<Command>,
    posted: Arc<Notify>,
}

/// After one of these nothing more may be acknowledged: the process stops, and goes on from what is on disk.
#[derive(Debug, Error)]
pub enum BooksError {
    #[error(transparent)]
    Inbox(#[from] InboxError),
    #[error(transparent)]
    Outbox(#[from] OutboxError),
    #[error("the thread that writes inbox and outbox has ended")]
    Ended,
}

/// What the books held when they were opened.
#[derive(Debug)]
pub(crate) struct Opened {
    pub(crate) books: Books,
    /// Items without a decision, in the order they came.
    pub(crate) items: Vec<InboxItem>,
    pub(crate) posts: Vec<Post>,
}

#[derive(Debug)]
pub(crate) struct Delivered {
    pub(crate) accepts: Vec<Accept>,
    /// Everything up to this offset is on disk.
    pub(crate) ack: Option<u64>,
}

/// What a `register` tells of the home.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bookmark {
    pub(crate) resume: Option<ResumePoint>,
    pub(crate) last_generation: u64,
}

type Done<T> = oneshot::Sender<Result<T, BooksError>>;

#[derive(Debug)]
enum Command {
    Deliver {
        deliveries: Vec<Delivery>,
        done: Done<Delivered>,
    },
    Gap {
        from: u64,
        to: u64,
        reason: String,
        done: Done<Delivered>,
    },
    Registered {
        epoch: Uuid,
        offset: u64,
        generation: u64,
        done: Done<()>,
    },
    Bookmark {
        done: oneshot::Sender<Bookmark>,
    },
    Taken {
        id: Uuid,
        done: Done<()>,
    },
    Closed {
        id: Uuid,
        decision: Decision,
        done: Done<()>,
    },
    /// `waits`: until there is room.
    Post {
        posts: Vec<Post>,
        waits: bool,
        done: Done<()>,
    },
    Sent {
        id: RequestId,
        done: Done<()>,
    },
    First {
        done: oneshot::Sender<Option<Post>>,
    },
    Flush {
        done: Done<()>,
    },
}

impl Books {
    /// Opens both files and starts the thread.
    pub(crate) fn open(home: &Path, durability: Durability, room: Room) -> Result<Opened, BooksError> {
        let inbox = Inbox::open(home, durability)?;
        let outbox = Outbox::open(home, durability)?;
        let items = inbox.open_items().cloned().collect();
        let posts = outbox.pending().cloned().collect();
        let (commands, taken) = mpsc::channel(COMMANDS_MAX);
        std::thread::Builder::new()
            .name("books".to_owned())
            .spawn(move || Thread { inbox, outbox, room, waiting: VecDeque::new() }.serve(taken))
            .map_err(|_| BooksError::Ended)?;
        Ok(Opened { books: Self { commands, posted: Arc::default() }, items, posts })
    }

    pub(crate) async fn deliver(&self, deliveries: Vec<Delivery>) -> Result<Delivered, BooksError> {
        self.ask(|done| Command::Deliver { deliveries, done }).await
    }

    pub(crate) async fn gap(&self, from: u64, to: u64, reason: String) -> Result<Delivered, BooksError> {
        self.ask(|done| Command::Gap { from, to, reason, done }).await
    }

    /// To be called before anything is acknowledged on that link.
    pub(crate) async fn registered(
        &self,
        epoch: Uuid,
        offset: u64,
        generation: u64,
    ) -> Result<(), BooksError> {
        self.ask(|done| Command::Registered { epoch, offset, generation, done }).await
    }

    pub(crate) async fn bookmark(&self) -> Result<Bookmark, BooksError> {
        self.query(|done| Command::Bookmark { done }).await
    }

    pub(crate) async fn taken(&self, id: Uuid) -> Result<(), BooksError> {
        self.ask(|done| Command::Taken { id, done }).await
    }

    pub(crate) async fn closed(&self, id: Uuid, decision: Decision) -> Result<(), BooksError> {
        self.ask(|done| Command::Closed { id, decision, done }).await
    }

    pub(crate) async fn post(&self, post: Post) -> Result<(), BooksError> {
        self.put(post, false).await
    }

    /// The same for what is not bounded by anything else: waits while too much is on its way to the broker. Not for
    /// the owner, who has to get it there.
    pub(crate) async fn post_when_there_is_room(&self, post: Post) -> Result<(), BooksError> {
        self.put(post, true).await
    }

    async fn put(&self, post: Post, waits: bool) -> Result<(), BooksError> {
        self.ask(|done| Command::Post { posts: vec![post], waits, done }).await?;
        self.posted.notify_one();
        Ok(())
    }

    pub(crate) async fn sent(&self, id: RequestId) -> Result<(), BooksError> {
        self.ask(|done| Command::Sent { id, done }).await
    }

    /// The oldest post that was not sent; waits until there is one.
    pub(crate) async fn next_post(&self) -> Result<Post, BooksError> {
        loop {
            if let Some(post) = self.query(|done| Command::First { done }).await? {
                return Ok(post);
            }
            // A post put in since then has left its permit.
            self.posted.notified().await;
        }
    }

    /// Whether everything that was posted has been sent.
    pub(crate) async fn all_sent(&self) -> Result<bool, BooksError> {
        Ok(self.query(|done| Command::First { done }).await?.is_none())
    }

    pub(crate) async fn flush(&self) -> Result<(), BooksError> {
        self.ask(|done| Command::Flush { done }).await
    }

    async fn ask<T>(&self, command: impl FnOnce(Done<T>) -> Command) -> Result<T, BooksError> {
        self.query(command).await?
    }

    async fn query<T>(&self, command: impl FnOnce(oneshot::Sender<T>) -> Command) -> Result<T, BooksError> {
        let (done, answer) = oneshot::channel();
        self.commands.send(command(done)).await.map_err(|_| BooksError::Ended)?;
        answer.await.map_err(|_| BooksError::Ended)
    }
}

struct Thread {
    inbox: Inbox,
    outbox: Outbox,
    room: Room,
    /// Posts that wait for room, each with who waits for it: as many as turns run.
    waiting: VecDeque<(Vec<Post>, Done<()>)>,
}

impl Thread {
    fn serve(mut self, mut commands: mpsc::Receiver<Command>) {
        let mut batch = Vec::with_capacity(BATCH_MAX);
        while commands.blocking_recv_many(&mut batch, BATCH_MAX) > 0 {
            let mut posts = Vec::new();
            let mut posted = Vec::new();
            for command in batch.drain(..) {
                if let Command::Post { posts: more, waits, done } = command {
                    if waits {
                        // What came before takes room, too.
                        self.put(&mut posts, &mut posted);
                        if !self.waiting.is_empty() || !self.outbox.has(self.room) {
                            self.wait(more, done);
                            continue;
                        }
                    }
                    posts.extend(more);
                    posted.push(done);
                    continue;
                }
                self.put(&mut posts, &mut posted);
                self.carry_out(command);
            }
            self.put(&mut posts, &mut posted);
            self.let_in();
        }
        if let Err(error) = self.outbox.flush() {
            tracing::warn!(%error, "what was sent is not on record, and will be sent again");
        }
    }

    fn wait(&mut self, posts: Vec<Post>, done: Done<()>) {
        if self.waiting.is_empty() {
            let pending = self.outbox.pending().count();
            tracing::warn!(
                "{pending} posts wait for the broker, as many as may: turns wait until it has taken some"
            );
        }
        self.waiting.push_back((posts, done));
    }

    /// Takes in what waits, as far as there is room.
    fn let_in(&mut self) {
        let were_waiting = !self.waiting.is_empty();
        while self.outbox.has(self.room)
            && let Some((posts, done)) = self.waiting.pop_front()
        {
            // A turn that was given up posts nothing.
            if !done.is_closed() {
                let _ = done.send(self.outbox.put(posts).map_err(BooksError::from));
            }
        }
        if were_waiting && self.waiting.is_empty() {
            tracing::info!("the broker takes posts again; turns go on");
        }
    }

    fn put(&mut self, posts: &mut Vec<Post>, posted: &mut Vec<Done<()>>) {
        if posted.is_empty() {
            return;
        }
        // One error, told to the first who asked; the others learn that nothing more can be done.
        let mut outcome = self.outbox.put(std::mem::take(posts)).map_err(BooksError::from);
        for done in posted.drain(..) {
            let told = std::mem::replace(&mut outcome, Err(BooksError::Ended));
            if told.is_ok() {
                outcome = Ok(());
            }
            let _ = done.send(told);
        }
    }

    /// Whoever asked may have gone; the work is done all the same.
    fn carry_out(&mut self, command: Command) {
        match command {
            Command::Deliver { deliveries, done } => {
                let accepts = self.inbox.append_batch(deliveries);
                let delivered = accepts.map(|accepts| Delivered { accepts, ack: self.inbox.ack_offset() });
                let _ = done.send(delivered.map_err(BooksError::from));
            }
            Command::Gap { from, to, reason, done } => {
                let accept = self.inbox.note_gap(from, to, &reason);
                let delivered =
                    accept.map(|accept| Delivered { accepts: vec![accept], ack: self.inbox.ack_offset() });
                let _ = done.send(delivered.map_err(BooksError::from));
            }
            Command::Registered { epoch, offset, generation, done } => {
                let noted = self.inbox.note_generation(generation);
                let noted = noted.and_then(|()| self.inbox.new_epoch(epoch, offset));
                let _ = done.send(noted.map(drop).map_err(BooksError::from));
            }
            Command::Bookmark { done } => {
                let (resume, last_generation) = (self.inbox.resume_point(), self.inbox.last_generation());
                let _ = done.send(Bookmark { resume, last_generation });
            }
            Command::Taken { id, done } => {
                let _ = done.send(self.inbox.taken(id).map_err(BooksError::from));
            }
            Command::Closed { id, decision, done } => {
                let _ = done.send(self.inbox.closed(id, decision).map_err(BooksError::from));
            }
            Command::Post { posts, waits: _, done } => {
                let _ = done.send(self.outbox.put(posts).map_err(BooksError::from));
            }
            Command::Sent { id, done } => {
                let _ = done.send(self.outbox.sent(id).map_err(BooksError::from));
            }
            Command::First { done } => {
                let _ = done.send(self.outbox.first().cloned());
            }
            Command::Flush { done } => {
                let _ = done.send(self.outbox.flush().map_err(BooksError::from));
            }
        }
    }
}

#[cfg(test)]
mod tests;
