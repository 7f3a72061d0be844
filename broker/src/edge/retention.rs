//! Retention at work: from time to time, in small steps behind everything else, as commands like any other.

use std::sync::Arc;
use std::time::Duration;

use nexus_wire::{ErrorBody, ErrorCode};
use serde::Deserialize;
use tokio::time::sleep;

use super::Edge;
use crate::clock::millis;
use crate::hub::CommandBody;
use crate::hub::records::{Checkpoint, Reads, StoreError};
use crate::identity::keys::NexusKeys;
use crate::observe;

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
        if let Err(error) = edge.prune(&keys, retention).await {
            tracing::warn!(error = %error.message, "cannot drop what is kept no longer; trying again later");
        }
        sleep((shortest / 10).clamp(INTERVAL_MIN, INTERVAL_MAX)).await;
    }
}

impl Retention {
    fn shortest(&self) -> Option<Duration> {
        [self.inbox, self.log, self.messages, self.dispatches, self.approvals].into_iter().flatten().min()
    }
}

impl Edge {
    /// Offers what is old enough, a little at a time; the hub says which of it may go.
    async fn prune_contents(&self, retention: Retention) -> Result<(), ErrorBody> {
        let refused = |error: StoreError| ErrorBody::from(observe::Refusal::from(error));
        if let Some(keep) = retention.messages {
            let (before, mut after) = (self.now() - millis(keep), 0);
            loop {
                let older = self.library.read(move |store| store.messages_older(before, after, CONTENTS));
                let older = older.await.map_err(refused)?;
                let Some((last, _)) = older.last() else { break };
                after = *last;
                let messages = older.into_iter().map(|(_, id)| id).collect();
                self.call(CommandBody::PruneMessages { before, messages }, 0).await?;
            }
        }
        if let Some(keep) = retention.dispatches {
            let (before, mut after) = (self.now() - millis(keep), None);
            loop {
                let older = self.library.read(move |store| store.dispatches_older(before, after, CONTENTS));
                let dispatches = older.await.map_err(refused)?;
                let Some(last) = dispatches.last() else { break };
                after = Some(*last);
                self.call(CommandBody::PruneDispatches { before, dispatches }, 0).await?;
            }
            let mut after = None;
            loop {
                let older = self.library.read(move |store| store.runs_older(before, after, CONTENTS));
                let runs = older.await.map_err(refused)?;
                let Some(last) = runs.last() else { break };
                after = Some(*last);
                self.call(CommandBody::PruneRuns { before, runs }, 0).await?;
            }
        }
        if let Some(keep) = retention.approvals {
            let (before, mut after) = (self.now() - millis(keep), None);
            loop {
                let older = self.library.read(move |store| store.approvals_older(before, after, CONTENTS));
                let approvals = older.await.map_err(refused)?;
                let Some(last) = approvals.last() else { break };
                after = Some(*last);
                self.call(CommandBody::PruneApprovals { before, approvals }, 0).await?;
            }
        }
        Ok(())
    }

    async fn prune(&self, keys: &NexusKeys, retention: Retention) -> Result<(), ErrorBody> {
        #[derive(Deserialize)]
        struct Pruned {
            blocks: u32,
        }
        while let Some(keep) = retention.inbox {
            let before = self.now() - millis(keep);
            let prune = CommandBody::PruneInboxes { before, limit: BLOCKS };
            let pruned: Option<Pruned> = self.call(prune, 0).await?.parse().ok();
            if pruned.is_none_or(|pruned| pruned.blocks < BLOCKS) {
                break;
            }
        }
        self.prune_contents(retention).await?;
        while let Some(keep) = retention.log {
            let before = self.now() - millis(keep);
            let found = self.library.read(move |store| {
                // The newest stays, so that there always is a head.
                let newest = store.snapshot()?.log_seq;
                let seq = store.log_before(before, ENTRIES)?.map(|seq| seq.min(newest.saturating_sub(1)));
                let Some(seq) = seq.filter(|seq| *seq > 0) else { return Ok(None) };
                Ok(store.log_hash(seq)?.map(|hash| (seq, hash)))
            });
            let found = found.await.map_err(|error| ErrorBody::from(observe::Refusal::from(error)))?;
            let Some((seq, hash)) = found else { break };
            let signature = keys.sign_checkpoint(seq, &hash);
            let signature =
                signature.map_err(|error| ErrorBody::new(ErrorCode::Internal, error.to_string()))?;
            self.call(CommandBody::PruneLog(Checkpoint { seq, at: 0, hash, signature }), 0).await?;
        }
        Ok(())
    }
}
