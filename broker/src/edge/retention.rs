//! Retention at work: from time to time, in small steps behind everything else, as commands like any other.

use std::sync::Arc;
use std::time::Duration;

use nexus_wire::{ErrorBody, ErrorCode, Ms};
use serde::Deserialize;
use tokio::time::sleep;

use super::Edge;
use crate::clock::millis;
use crate::hub::CommandBody;
use crate::hub::records::{Checkpoint, Reads, StoreError, Stored};
use crate::identity::keys::NexusKeys;
use crate::observe;
use crate::store::SqliteReader;

/// Blocks of items dropped with one command.
const BLOCKS: u32 = 16;
/// Entries of the log dropped with one command.
const ENTRIES: u32 = 2_000;
/// Messages, dispatches, runs or approvals offered with one command.
const CONTENTS: u32 = 128;
const INTERVAL_MIN: Duration = Duration::from_secs(1);
const INTERVAL_MAX: Duration = Duration::from_secs(3_600);

/// How long what is kept; `None`: for ever.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Retention {
    /// Acknowledged items.
    pub inbox: Option<Duration>,
    pub log: Option<Duration>,
    pub messages: Option<Duration>,
    /// From their end; runs as long.
    pub dispatches: Option<Duration>,
    /// The same.
    pub approvals: Option<Duration>,
}

/// Drops what is kept no longer, for as long as the broker runs.
pub(crate) async fn retain(edge: Arc<Edge>, keys: Arc<NexusKeys>, retention: Retention) {
    let Some(shortest) = retention.shortest() else { return };
    loop {
        edge.prune(&keys, retention).await;
        sleep((shortest / 10).clamp(INTERVAL_MIN, INTERVAL_MAX)).await;
    }
}

impl Retention {
    /// In the order in which they are pruned.
    fn kinds(self) -> [(Kind, Option<Duration>); 6] {
        let Self { inbox, log, messages, dispatches, approvals } = self;
        [
            (Kind::Inboxes, inbox),
            (Kind::Messages, messages),
            (Kind::Dispatches, dispatches),
            (Kind::Runs, dispatches),
            (Kind::Approvals, approvals),
            (Kind::Log, log),
        ]
    }

    fn shortest(self) -> Option<Duration> {
        self.kinds().into_iter().filter_map(|(_, keep)| keep).min()
    }
}

#[derive(Clone, Copy, Debug)]
enum Kind {
    Inboxes,
    Messages,
    Dispatches,
    Runs,
    Approvals,
    Log,
}

impl Edge {
    /// What stands in the way of one kind keeps none of the others.
    async fn prune(&self, keys: &NexusKeys, retention: Retention) {
        for (kind, keep) in retention.kinds() {
            let Some(keep) = keep else { continue };
            match self.prune_kind(kind, keys, keep).await {
                Ok(()) => {}
                Err(error) if error.code == ErrorCode::ShuttingDown => return,
                Err(error) => {
                    let error = error.message;
                    tracing::warn!(?kind, error, "cannot drop what is kept no longer; trying again later");
                }
            }
        }
    }

    async fn prune_kind(&self, kind: Kind, keys: &NexusKeys, keep: Duration) -> Result<(), ErrorBody> {
        match kind {
            Kind::Inboxes => self.prune_inboxes(keep).await,
            Kind::Messages => {
                let older = |store: &SqliteReader, before, after: Option<(u64, _)>| {
                    store.messages_older(before, after.map_or(0, |(seq, _)| seq), CONTENTS)
                };
                let prune = |before, messages: Vec<(_, _)>| {
                    let messages = messages.into_iter().map(|(_, id)| id).collect();
                    CommandBody::PruneMessages { before, messages }
                };
                self.offer(keep, older, prune).await
            }
            Kind::Dispatches => {
                let older =
                    |store: &SqliteReader, before, after| store.dispatches_older(before, after, CONTENTS);
                self.offer(keep, older, |before, dispatches| CommandBody::PruneDispatches {
                    before,
                    dispatches,
                })
                .await
            }
            Kind::Runs => {
                let older = |store: &SqliteReader, before, after| store.runs_older(before, after, CONTENTS);
                self.offer(keep, older, |before, runs| CommandBody::PruneRuns { before, runs }).await
            }
            Kind::Approvals => {
                let older =
                    |store: &SqliteReader, before, after| store.approvals_older(before, after, CONTENTS);
                self.offer(keep, older, |before, approvals| CommandBody::PruneApprovals { before, approvals })
                    .await
            }
            Kind::Log => self.prune_log(keys, keep).await,
        }
    }

    async fn prune_inboxes(&self, keep: Duration) -> Result<(), ErrorBody> {
        #[derive(Deserialize)]
        struct Pruned {
            blocks: u32,
        }
        loop {
            let before = self.now() - millis(keep);
            let prune = CommandBody::PruneInboxes { before, limit: BLOCKS };
            let pruned: Option<Pruned> = self.call(prune, 0).await?.parse().ok();
            if pruned.is_none_or(|pruned| pruned.blocks < BLOCKS) {
                return Ok(());
            }
        }
    }

    /// Offers what is old enough, a little at a time; the hub says which of it may go.
    async fn offer<T: Copy + Send + 'static>(
        &self,
        keep: Duration,
        older: fn(&SqliteReader, Ms, Option<T>) -> Stored<Vec<T>>,
        prune: fn(Ms, Vec<T>) -> CommandBody,
    ) -> Result<(), ErrorBody> {
        let (before, mut after) = (self.now() - millis(keep), None);
        loop {
            let found = self.library.read(move |store| older(store, before, after)).await.map_err(refused)?;
            let Some(last) = found.last() else { return Ok(()) };
            after = Some(*last);
            self.call(prune(before, found), 0).await?;
        }
    }

    async fn prune_log(&self, keys: &NexusKeys, keep: Duration) -> Result<(), ErrorBody> {
        loop {
            let before = self.now() - millis(keep);
            let found = self.library.read(move |store| {
                // The newest stays, so that there always is a head.
                let newest = store.snapshot()?.log_seq;
                let seq = store.log_before(before, ENTRIES)?.map(|seq| seq.min(newest.saturating_sub(1)));
                let Some(seq) = seq.filter(|seq| *seq > 0) else { return Ok(None) };
                Ok(store.log_hash(seq)?.map(|hash| (seq, hash)))
            });
            let Some((seq, hash)) = found.await.map_err(refused)? else { return Ok(()) };
            let signature = keys.sign_checkpoint(seq, &hash);
            let signature =
                signature.map_err(|error| ErrorBody::new(ErrorCode::Internal, error.to_string()))?;
            self.call(CommandBody::PruneLog(Checkpoint { seq, at: 0, hash, signature }), 0).await?;
        }
    }
}

fn refused(error: StoreError) -> ErrorBody {
    observe::Refusal::from(error).into()
}
