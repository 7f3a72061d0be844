//! Everything that only reads, on connections of its own beside the core. Decides what an identity may see:
//! operators everything, an aspect the threads it takes part in and the dispatches it has to do with.

mod chat;
mod flows;
mod knowledge;
mod registries;
mod shown;
mod triggers;
mod usage;

use std::sync::Arc;

use nexus_wire::alert::{AlertList, AlertPage};
use nexus_wire::approval::{ApprovalList, ApprovalPage};
use nexus_wire::audit::{AuditEntry, AuditPage};
use nexus_wire::hands::{DispatchInfo, DispatchList, DispatchPage, DispatchStatus};
use nexus_wire::limits::{PAGE_DEFAULT, PAGE_MAX, REPLY_BYTES_MAX};
use nexus_wire::{BlobId, DispatchId, ErrorBody, ErrorCode, Json, Party};
use serde::Serialize;
use serde_json::Value;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::admit::Read;
use crate::hub::command_info;
use crate::hub::inbox::json_bytes;
use crate::hub::is_named_to;
use crate::hub::records::{
    BlobRecord, DispatchRecord, Finds, GatherRecord, Reads, StoreError, Stored, Stretch, Which, concerns,
};
use crate::hub::{CommandBody, Origin};
use crate::sequencer::Sequencer;
use crate::store::{ReaderPool, SqliteReader};
use crate::task;
pub(crate) use knowledge::{KnowledgeRead, Recalls, search};
pub(crate) use shown::may_show;
pub(crate) use triggers::{TriggerRead, answer as triggers};

/// Readings at the same time; more wait without a thread.
pub(crate) const READERS: usize = 4;
/// Of those, readings of one link at a time: it may ask for hundreds at once, and others would come after all of them.
pub(crate) const READS_OF_ONE: usize = READERS / 2;
/// Links that read ahead in their inboxes at the same time. Each may hold a few MiB, for as long as its client does not read.
const AHEAD: usize = 16;
/// Dispatches that are looked through for those of one aspect.
const SCAN_MAX: u32 = 2_000;

tokio::task_local! {
    static SHARE: Arc<Semaphore>;
}

/// What `work` reads it reads in its turn with whatever else has this share.
pub(crate) async fn sharing<T>(share: Arc<Semaphore>, work: impl Future<Output = T>) -> T {
    SHARE.scope(share, work).await
}

/// Runs readings off the async threads, and says so when one meets damage.
#[derive(Clone, Debug)]
pub(crate) struct Library {
    pool: Arc<ReaderPool>,
    room: Arc<Semaphore>,
    /// For a look at a row or two, which is not to wait until searches have ended.
    near: Arc<Semaphore>,
    ahead: Arc<Semaphore>,
    sequencer: Sequencer,
}

impl Library {
    pub(crate) fn new(pool: impl FnOnce(usize) -> ReaderPool, sequencer: Sequencer) -> Self {
        let [room, near, ahead] = [READERS, 1, AHEAD].map(|count| Arc::new(Semaphore::new(count)));
        Self { pool: Arc::new(pool(READERS + 1)), room, near, ahead, sequencer }
    }

    /// Leave to read ahead until it is dropped, unless as many do as may.
    pub(crate) fn ahead(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.ahead).try_acquire_owned().ok()
    }

    pub(crate) async fn read<T: Send + 'static>(
        &self,
        reading: impl FnOnce(&SqliteReader) -> Stored<T> + Send + 'static,
    ) -> Stored<T> {
        // Never closed; the error type is there for semaphores that are.
        let _turn = match SHARE.try_with(Arc::clone) {
            Ok(share) => Some(share.acquire_owned().await.map_err(|_| stopping())?),
            Err(_) => None,
        };
        self.read_in(&self.room, reading).await
    }

    async fn read_in<T: Send + 'static>(
        &self,
        room: &Arc<Semaphore>,
        reading: impl FnOnce(&SqliteReader) -> Stored<T> + Send + 'static,
    ) -> Stored<T> {
        let permit = Arc::clone(room).acquire_owned().await.map_err(|_| stopping())?;
        let pool = Arc::clone(&self.pool);
        let task = task::blocking(move || {
            let result = pool.read(reading);
            drop(permit);
            result
        });
        let found = task.await.unwrap_or_else(|_| Err(stopping()));
        if let Err(error @ StoreError::Corrupt(_)) = &found {
            tracing::error!(%error, "a reading met damage");
            // A broker that is stopping raises nothing more.
            let _ = self.sequencer.submit(Origin::Broker, CommandBody::storage_failed(error), 0).await;
        }
        found
    }

    /// A reading that may be refused.
    pub(crate) async fn answer<T: Send + 'static>(
        &self,
        reading: impl FnOnce(&SqliteReader) -> Result<T, Refusal> + Send + 'static,
    ) -> Result<T, ErrorBody> {
        let read = self.read(move |store| told(reading(store)));
        read.await.map_err(|error| ErrorBody::from(Refusal::Store(error)))?
    }

    /// The same, of a row or two, for whoever nothing else goes on for meanwhile.
    pub(crate) async fn look<T: Send + 'static>(
        &self,
        reading: impl FnOnce(&SqliteReader) -> Result<T, Refusal> + Send + 'static,
    ) -> Result<T, ErrorBody> {
        let read = self.read_in(&self.near, move |store| told(reading(store)));
        read.await.map_err(|error| ErrorBody::from(Refusal::Store(error)))?
    }
}

fn stopping() -> StoreError {
    StoreError::Unavailable("the broker is stopping".to_owned())
}

/// A refusal is an answer; what is wrong with the store is not.
fn told<T>(read: Result<T, Refusal>) -> Stored<Result<T, ErrorBody>> {
    match read {
        Ok(found) => Ok(Ok(found)),
        Err(Refusal::Told(body)) => Ok(Err(body)),
        Err(Refusal::Store(error)) => Err(error),
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

/// Answers a read request of `reader`. Some are not among them: it is the core that knows the team, and the clock is
/// not read here.
pub(crate) fn answer(store: &impl Finds, reader: &Party, read: &Read) -> Result<Json, Refusal> {
    match read {
        Read::AlertList(list) => Ok(Json::of(&alerts(store, list)?)),
        Read::ApprovalGet(get) => {
            let found = store.approval(get.approval)?;
            let missing = || not_found(format!("there is no approval {}", get.approval));
            found.map(|record| Json::of(&record.info)).ok_or_else(missing)
        }
        Read::ApprovalList(list) => Ok(Json::of(&approvals(store, list)?)),
        Read::AuditList(list) => {
            let limit = page(list.limit);
            Ok(Json::of(&audit_page(store.audit_where(list, limit + 1)?, limit)))
        }
        Read::ChatGet(get) => Ok(Json::of(&chat::message(store, reader, get.message)?)),
        Read::ChatRead(read) => Ok(Json::of(&chat::read(store, reader, read)?)),
        Read::ChatReceipts(receipts) => Ok(Json::of(&chat::receipts(store, reader, receipts)?)),
        Read::ChatSearch(search) => Ok(Json::of(&chat::search(store, reader, search)?)),
        Read::ChatThreads(read) => Ok(Json::of(&chat::threads(store, reader, read)?)),
        Read::DispatchList(list) => dispatch_list(store, reader, list),
        Read::DispatchStatus(wanted) => Ok(Json::of(&status(store, reader, wanted)?)),
        Read::Knowledge(read) => knowledge::answer(store, reader, read),
        Read::FlowGet(get) => Ok(Json::of(&flows::flow(store, get)?)),
        Read::FlowList(list) => Ok(Json::of(&flows::list(store, list)?)),
        Read::Registry(look) => registries::answer(store, look),
        Read::RunGet(get) => Ok(Json::of(&flows::run(store, reader, get)?)),
        Read::RunList(list) => Ok(Json::of(&flows::runs(store, reader, list)?)),
        Read::BudgetList
        | Read::GatherList(_)
        | Read::Session(..)
        | Read::Situation(_)
        | Read::TeamList(_)
        | Read::Trigger(_) => {
            Err(Refusal::Told(ErrorBody::new(ErrorCode::Internal, "this is not in the store")))
        }
        Read::GatherStatus(status) => {
            let may = |record: &GatherRecord| reader.aspect().is_none() || record.info.invoker == *reader;
            let found = store.gather(status.gather)?.filter(may);
            found
                .map(|record| Json::of(&record.info))
                .ok_or_else(|| not_found(format!("no gather {} that {reader} made", status.gather)))
        }
        Read::SessionStatus(status) => {
            let found = command_info(store, status.command)?;
            let missing = || not_found(format!("there is no session command {}", status.command));
            Ok(Json::of(&found.ok_or_else(missing)?))
        }
        Read::ThreadGet(get) => Ok(Json::of(&chat::thread(store, reader, get.thread)?)),
        Read::UsageRead(read) => Ok(Json::of(&usage::report(store, read)?)),
    }
}

/// Of a stretch that may have one more than are asked for. The log is looked through stretch by stretch: a page may end
/// before it is full, and be empty.
fn audit_page(stretch: Stretch<AuditEntry>, limit: u32) -> AuditPage {
    let Stretch { found: mut entries, next } = stretch;
    let is_longer = entries.len() > limit as usize;
    entries.truncate(limit as usize);
    let next = if is_longer { entries.last().map(|entry| entry.seq) } else { next };
    AuditPage { entries, more: next.is_some(), next }
}

pub(crate) fn alerts(store: &impl Reads, list: &AlertList) -> Result<AlertPage, Refusal> {
    let limit = page(list.limit);
    let mut alerts = store.alerts(list.all, list.before, limit + 1)?;
    let more = alerts.len() > limit as usize;
    alerts.truncate(limit as usize);
    Ok(AlertPage { alerts, more })
}

fn approvals(store: &impl Reads, list: &ApprovalList) -> Stored<ApprovalPage> {
    let limit = page(list.limit);
    let mut approvals = store.approvals(list.all, list.before, limit + 1)?;
    let is_longer = approvals.len() > limit as usize;
    approvals.truncate(limit as usize);
    let more = fit(&mut approvals, REPLY_BYTES_MAX) || is_longer;
    Ok(ApprovalPage { approvals, more })
}

/// A dispatch, if `reader` has to do with it.
pub(crate) fn status(
    store: &impl Reads,
    reader: &Party,
    status: &DispatchStatus,
) -> Result<DispatchInfo, Refusal> {
    let found = store.dispatch(status.dispatch)?.filter(|record| concerns(&record.info, reader));
    let Some(DispatchRecord { mut info, why, .. }) = found else {
        return Err(not_found(format!("no dispatch {} that {reader} has to do with", status.dispatch)));
    };
    info.why = why;
    if status.without_output {
        info.output = None;
    }
    if json_bytes(&info) > REPLY_BYTES_MAX {
        (info.input, info.input_left_out) = (Value::Null, true);
    }
    Ok(info)
}

/// Leaves out the end of a list that would not fit into `room` bytes of JSON; whether anything was. The first
/// one stays: what could not be sent alone was refused when it came in.
pub(crate) fn fit<T: Serialize>(items: &mut Vec<T>, room: usize) -> bool {
    let mut left = room;
    let fits = items.iter().take_while(|item| {
        let bytes = json_bytes(item) + ",".len();
        let fits = bytes <= left;
        left = left.saturating_sub(bytes);
        fits
    });
    let count = fits.count().max(1);
    let is_cut = count < items.len();
    items.truncate(count);
    is_cut
}

/// An aspect's, and those of a tree, are picked out of all of them; a page of it may end before it is full.
fn dispatch_list(store: &impl Reads, reader: &Party, list: &DispatchList) -> Result<Json, Refusal> {
    let which = match (list.open, list.dead) {
        (false, false) => Which::All,
        (false, true) => Which::Dead,
        (true, false) => Which::Open,
        (true, true) => {
            let message = "a dispatch is `open` or `dead`, never both: ask for one of them";
            return Err(Refusal::Told(ErrorBody::new(ErrorCode::Invalid, message)));
        }
    };
    let page = dispatch_page_of(store, reader, list, which)?;
    Ok(Json::of(&page))
}

fn dispatch_page_of(
    store: &impl Reads,
    reader: &Party,
    list: &DispatchList,
    which: Which,
) -> Stored<DispatchPage> {
    let limit = page(list.limit) as usize;
    let (mut before, mut scanned) = (list.before, 0);
    let mut dispatches = Vec::new();
    while scanned < SCAN_MAX {
        let found = store.dispatches(which, before, PAGE_MAX)?;
        let is_last = found.is_empty();
        for info in found {
            if dispatches.len() == limit {
                return Ok(dispatch_page(dispatches, before));
            }
            before = Some(info.id);
            scanned += 1;
            if list.root.is_none_or(|root| info.root == root) && concerns(&info, reader) {
                dispatches.push(info);
            }
        }
        if is_last {
            return Ok(dispatch_page(dispatches, None));
        }
    }
    Ok(dispatch_page(dispatches, before))
}

fn dispatch_page(mut dispatches: Vec<DispatchInfo>, next: Option<DispatchId>) -> DispatchPage {
    let is_cut = fit(&mut dispatches, REPLY_BYTES_MAX);
    let next = if is_cut { dispatches.last().map(|info| info.id) } else { next };
    DispatchPage { dispatches, more: next.is_some(), next }
}

/// A blob, if `reader` may have it.
pub(crate) fn blob(store: &impl Reads, reader: &Party, id: BlobId) -> Stored<Option<BlobRecord>> {
    let Some(found) = store.blob(id)? else { return Ok(None) };
    if reader.aspect().is_none() || found.owners.contains(reader) {
        return Ok(Some(found));
    }
    if store.blob_is_shown_to(id, reader)? {
        return Ok(Some(found));
    }
    for thread in chat::threads_worked_for(store, reader)? {
        if store.blob_is_shown_in(id, thread)? {
            return Ok(Some(found));
        }
    }
    Ok(is_named_to(store, reader, id)?.then_some(found))
}

pub(crate) fn page(limit: Option<u32>) -> u32 {
    limit.unwrap_or(PAGE_DEFAULT).clamp(1, PAGE_MAX)
}

fn not_found(message: String) -> Refusal {
    Refusal::Told(ErrorBody::new(ErrorCode::NotFound, message))
}

#[cfg(test)]
mod tests;
