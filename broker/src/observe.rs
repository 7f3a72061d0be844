//! Everything that only reads, on connections of its own beside the core. Decides what an identity may see:
//! operators everything, an aspect the threads it takes part in and the dispatches it has to do with.

use std::sync::Arc;

use nexus_wire::alert::AlertPage;
use nexus_wire::chat::{ChatPage, ChatRead, ThreadPage};
use nexus_wire::hands::{DispatchInfo, DispatchPage};
use nexus_wire::knowledge::KnowledgeHits;
use nexus_wire::limits::{PAGE_DEFAULT, PAGE_MAX};
use nexus_wire::{ErrorBody, ErrorCode, Json, Party, ThreadId};
use tokio::sync::Semaphore;

use crate::admit::Read;
use crate::hub::records::{Reads, StoreError, Stored};
use crate::store::{ReaderPool, SqliteReader};

/// Readings at the same time; more wait without a thread.
const READERS: usize = 4;
/// Dispatches that are looked through for those of one aspect.
const SCAN_MAX: u32 = 2_000;

/// Runs readings off the async threads.
#[derive(Clone, Debug)]
pub(crate) struct Library {
    pool: Arc<ReaderPool>,
    room: Arc<Semaphore>,
}

impl Library {
    pub(crate) fn new(pool: impl FnOnce(usize) -> ReaderPool) -> Self {
        Self { pool: Arc::new(pool(READERS)), room: Arc::new(Semaphore::new(READERS)) }
    }

    pub(crate) async fn read<T: Send + 'static>(
        &self,
        reading: impl FnOnce(&SqliteReader) -> Stored<T> + Send + 'static,
    ) -> Stored<T> {
        let gone = |_| StoreError::Unavailable("the broker is stopping".to_owned());
        // Never closed; the error type is there for semaphores that are.
        let permit = Arc::clone(&self.room).acquire_owned().await.map_err(|_| gone(()))?;
        let pool = Arc::clone(&self.pool);
        let task = tokio::task::spawn_blocking(move || {
            let result = pool.read(reading);
            drop(permit);
            result
        });
        task.await.unwrap_or_else(|_| Err(gone(())))
    }
}

/// Why a reading has no answer.
#[derive(Debug)]
pub(crate) enum Refusal {
    Told(ErrorBody),
    Store(StoreError),
}

impl From<StoreError> for Refusal {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl From<Refusal> for ErrorBody {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Told(body) => body,
            Refusal::Store(error) => Self::new(ErrorCode::StorageUnavailable, error.to_string()),
        }
    }
}

/// Answers a read request of `reader`. `team.list` is not among them: it is the core that knows the team.
pub(crate) fn answer(store: &impl Reads, reader: &Party, read: &Read) -> Result<Json, Refusal> {
    match read {
        Read::AlertList(list) => {
            let limit = page(list.limit);
            let mut alerts = store.alerts(list.all, list.before, limit + 1)?;
            let more = alerts.len() > limit as usize;
            alerts.truncate(limit as usize);
            Ok(Json::of(&AlertPage { alerts, more }))
        }
        Read::ChatRead(read) => chat_read(store, reader, read),
        Read::ChatThreads(read) => {
            let of = reader.aspect().map(|_| reader);
            Ok(Json::of(&ThreadPage { threads: store.threads(of, page(read.limit))? }))
        }
        Read::DispatchList(list) => {
            let limit = page(list.limit);
            let mut dispatches = match reader {
                Party::Operator(_) | Party::System => store.dispatches(list.open, limit)?,
                Party::Aspect(_) => store.dispatches(list.open, SCAN_MAX)?,
            };
            dispatches.retain(|info| concerns(info, reader));
            dispatches.truncate(limit as usize);
            Ok(Json::of(&DispatchPage { dispatches }))
        }
        Read::DispatchStatus(status) => {
            let found = store.dispatch(status.dispatch)?.filter(|record| concerns(&record.info, reader));
            found.map(|record| Json::of(&record.info)).ok_or_else(|| {
                not_found(format!("no dispatch {} that {reader} has to do with", status.dispatch))
            })
        }
        Read::KnowledgeSearch(search) => {
            let hits = store.knowledge_search(reader, &search.query, page(search.limit))?;
            Ok(Json::of(&KnowledgeHits { hits }))
        }
        Read::Situation(_) | Read::TeamList => {
            Err(Refusal::Told(ErrorBody::new(ErrorCode::Internal, "the core answers this")))
        }
    }
}

fn chat_read(store: &impl Reads, reader: &Party, read: &ChatRead) -> Result<Json, Refusal> {
    let id = match (read.thread, read.message) {
        (Some(thread), None) => thread,
        (None, Some(message)) => match store.message(message)? {
            Some(record) => record.message.thread,
            None => return Err(not_found(format!("no message {message} that {reader} may read"))),
        },
        (Some(_), Some(_)) | (None, None) => {
            let message = "name the thread, or a message in it, and not both";
            return Err(Refusal::Told(ErrorBody::new(ErrorCode::Invalid, message)));
        }
    };
    let unseen = || not_found(format!("no thread {id} that {reader} takes part in"));
    let thread = store.thread(id)?.ok_or_else(unseen)?.info;
    let takes_part = reader.aspect().is_none() || thread.participants.contains(reader);
    if !takes_part && !works_for(store, reader, id)? {
        return Err(unseen());
    }
    let limit = page(read.limit);
    // One more than asked for tells whether there are more; a page may also end early, and is looked behind.
    let mut messages = store.messages(id, read.after, limit + 1)?;
    let more = if messages.len() > limit as usize {
        messages.truncate(limit as usize);
        true
    } else {
        match messages.last() {
            Some(last) => !store.messages(id, last.seq, 1)?.is_empty(),
            None => false,
        }
    };
    Ok(Json::of(&ChatPage { thread, messages, more }))
}

/// A Hand at work may read the thread its work comes from.
fn works_for(store: &impl Reads, reader: &Party, thread: ThreadId) -> Stored<bool> {
    let open = store.dispatches(true, SCAN_MAX)?;
    Ok(open.iter().any(|info| info.thread == Some(thread) && reader.aspect() == Some(&info.hand.aspect)))
}

fn concerns(info: &DispatchInfo, reader: &Party) -> bool {
    match reader {
        Party::Operator(_) | Party::System => true,
        Party::Aspect(name) => info.hand.aspect == *name || info.invoker == *reader || info.key == *reader,
    }
}

fn page(limit: Option<u32>) -> u32 {
    limit.unwrap_or(PAGE_DEFAULT).clamp(1, PAGE_MAX)
}

fn not_found(message: String) -> Refusal {
    Refusal::Told(ErrorBody::new(ErrorCode::NotFound, message))
}

#[cfg(test)]
mod tests;
