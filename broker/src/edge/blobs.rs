//! Blobs between disk and core: in what order a file and its row come and go, so that a row is never without its
//! file.

use std::sync::Arc;
use std::time::Duration;

use nexus_wire::blob::BlobInfo;
use nexus_wire::{BlobId, ErrorBody, ErrorCode, Json, Ms, Party};
use tokio::time::sleep;

use super::Edge;
use crate::blobs::Upload;
use crate::clock::millis;
use crate::hub::records::{BlobRecord, Reads};
use crate::hub::{CommandBody, PutBlob};
use crate::observe;
use crate::task;

/// Blobs forgotten with one command.
const FORGET_MAX: u32 = 64;
const COLLECT_INTERVAL_MIN: Duration = Duration::from_secs(1);
const COLLECT_INTERVAL_MAX: Duration = Duration::from_secs(3_600);

pub(crate) fn unavailable(error: &std::io::Error) -> ErrorBody {
    let message = format!("storage is unavailable: {error}; nothing of this request happened, send it again");
    ErrorBody::new(ErrorCode::StorageUnavailable, message)
}

impl Edge {
    /// Gives what came its name and then its row. Goes on when whoever sent it has gone: stopped between the two,
    /// the file could be taken for one without a row while its row is being written.
    pub(crate) async fn put_blob(
        self: &Arc<Self>,
        by: Party,
        upload: Upload,
        media_type: String,
        name: Option<String>,
    ) -> Result<Json, ErrorBody> {
        let edge = Arc::clone(self);
        let finishing = task::spawn(async move {
            let _deciding = edge.blobs.decide().await;
            let (id, bytes) = edge.blobs.place(upload).await.map_err(|error| unavailable(&error))?;
            let blob = PutBlob { id, bytes, media_type, name };
            let answer = edge.call(CommandBody::PutBlob { by, blob }, 0).await;
            if let Err(error) = &answer
                && error.code != ErrorCode::ShuttingDown
                && matches!(edge.library.read(move |store| store.blob(id)).await, Ok(None))
            {
                // Refused, and nobody else's: what is left of it otherwise goes later.
                let _ = edge.blobs.remove(id).await;
            }
            answer
        });
        let stopped = |_| ErrorBody::new(ErrorCode::ShuttingDown, "the broker is stopping; send it again");
        finishing.await.map_err(stopped)?
    }

    /// A blob `reader` may have.
    pub(crate) async fn blob(&self, reader: Party, id: BlobId) -> Result<BlobRecord, ErrorBody> {
        let missing =
            ErrorBody::new(ErrorCode::NotFound, format!("there is no blob {id} that {reader} may read"));
        let found = self.library.read(move |store| observe::blob(store, &reader, id)).await;
        found.map_err(|error| ErrorBody::from(observe::Refusal::from(error)))?.ok_or(missing)
    }

    /// What is known of a blob `reader` may have; whose else it is, is not an aspect's to know.
    pub(crate) async fn blob_info(&self, reader: Party, id: BlobId) -> Result<BlobInfo, ErrorBody> {
        let blob = self.blob(reader.clone(), id).await?;
        let references = self.library.read(move |store| store.blob_references(id)).await;
        let references = references.map_err(|error| ErrorBody::from(observe::Refusal::from(error)))?;
        let mut info = blob.info(references);
        if reader.aspect().is_some() {
            info.owners.retain(|owner| *owner == reader);
        }
        Ok(info)
    }

    pub(crate) async fn blobs_page(
        &self,
        before: Option<u64>,
        limit: u32,
    ) -> Result<Vec<(u64, BlobInfo)>, ErrorBody> {
        let found = self.library.read(move |store| {
            let blobs = store.blobs(before, limit)?.into_iter();
            blobs.map(|(no, blob)| Ok((no, blob.info(store.blob_references(blob.id)?)))).collect()
        });
        found.await.map_err(|error| observe::Refusal::from(error).into())
    }

    /// Bytes of all blobs together.
    pub(crate) async fn blobs_used(&self) -> Result<u64, ErrorBody> {
        let used = self.library.read(|store| store.blob_usage(None)).await;
        used.map_err(|error| observe::Refusal::from(error).into())
    }

    /// Forgets blobs nothing has referred to for `grace` and removes their files, and files that are no blob's.
    async fn collect_blobs(&self, grace: Duration) -> Result<(), ErrorBody> {
        let Some(_lock) = self.blobs.lock_for_removal().map_err(|error| unavailable(&error))? else {
            // A backup is being made of what there is.
            return Ok(());
        };
        loop {
            let _deciding = self.blobs.decide().await;
            let before: Ms = self.now() - millis(grace);
            let forget = CommandBody::ForgetBlobs { before, limit: FORGET_MAX };
            let forgotten: Vec<BlobId> = self.call(forget, 0).await?.parse().unwrap_or_default();
            for id in &forgotten {
                self.blobs.remove(*id).await.map_err(|error| unavailable(&error))?;
            }
            if forgotten.len() < FORGET_MAX as usize {
                break;
            }
        }
        for id in self.blobs.all().await.map_err(|error| unavailable(&error))? {
            let _deciding = self.blobs.decide().await;
            let row = self.library.read(move |store| store.blob(id)).await;
            if row.map_err(|error| ErrorBody::from(observe::Refusal::from(error)))?.is_none() {
                self.blobs.remove(id).await.map_err(|error| unavailable(&error))?;
            }
        }
        Ok(())
    }
}

/// Removes what nobody needs, from time to time.
pub(crate) async fn collect(edge: Arc<Edge>, grace: Duration) {
    loop {
        if let Err(error) = edge.collect_blobs(grace).await {
            tracing::warn!(error = %error.message, "cannot remove blobs nothing refers to; trying again later");
        }
        sleep(grace.clamp(COLLECT_INTERVAL_MIN, COLLECT_INTERVAL_MAX)).await;
    }
}
