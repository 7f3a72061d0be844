//! A turn's conversation that became too long: a summary is made beside everything else, and put on record.

use jiff::Timestamp;
use nexus_wire::session::SessionStuck;
use nexus_wire::{RequestId, derive};
use tokio::task::JoinHandle;

use super::compact::Written;
use super::drive::{Drive, DriveError, Out};
use crate::conversation::{Block, ProviderError, ProviderErrorKind};
use crate::outbox::Post;
use crate::provider::{Meter, RoundFailed};
use crate::session::{Entry, Payload};
use crate::tools::{Tool, is_cut};
use crate::turn::{Compacted, Input, Turn, Why};

const REASON_CHARS_MAX: usize = 1000;

/// A summary on its way. Dropping it gives it up.
pub(super) struct Compacting {
    writing: JoinHandle<Result<Written, RoundFailed>>,
    meter: Meter,
}

impl Compacting {
    pub(super) fn meter(&self) -> &Meter {
        &self.meter
    }
}

impl Drop for Compacting {
    fn drop(&mut self) {
        self.writing.abort();
    }
}

impl Drive {
    /// Whether the provider is not asked before something is done about it.
    pub(super) fn is_too_long(&self, out: &mut Out) -> bool {
        let as_it_is = std::mem::take(&mut out.as_it_is);
        !as_it_is && self.record.session().is_some() && self.compactor.is_due(&self.record.branch())
    }

    /// Looking into the session is offered once there is something in it that is not shown.
    pub(super) fn session_tools(&self) -> Vec<Tool> {
        let branch = self.record.branch();
        let is_summary = |entry: &&Entry| matches!(entry.payload, Payload::Compaction(_));
        let is_cut = |block: &Block| match block {
            Block::ToolResult { content, .. } => is_cut(content),
            Block::Text { .. } | Block::Thinking { .. } | Block::ToolUse { .. } => false,
        };
        let has_cut = |entry: &&Entry| entry.payload.content().iter().any(is_cut);
        let expand = branch.iter().any(is_summary).then_some(Tool::ExpandSummary);
        let read = branch.iter().any(has_cut).then_some(Tool::ReadOutput);
        expand.into_iter().chain(read).collect()
    }

    pub(super) fn compact(&self, why: Why, turn: &Turn, out: &mut Out) {
        out.as_it_is = true;
        let job = self.record.session().and_then(|_| self.compactor.of_turn(&self.record.branch(), why));
        let Some(job) = job else {
            out.told = Some(Input::Compacted(Compacted::Nothing));
            return;
        };
        tracing::info!(?why, "the conversation is too long; a summary takes the place of its beginning");
        let (compactor, deadline) = (self.compactor.clone(), self.clock.deadline());
        let id = RequestId(derive::derived(turn.id().0, "situation", turn.rounds()));
        let meter = Meter::default();
        let (told, leave) = (meter.clone(), Some(self.signals.gate.leave()));
        let writing = tokio::spawn(async move { compactor.write(job, id, deadline, told, leave).await });
        out.compacting = Some(Compacting { writing, meter });
    }

    pub(super) async fn compacted(
        &mut self,
        written: Result<Written, RoundFailed>,
        out: &mut Out,
    ) -> Result<Input, DriveError> {
        out.compacting = None;
        Ok(Input::Compacted(match written {
            Ok(written) => {
                let compacted = written.compacted();
                let payloads = written.into_payloads(None);
                self.record.change(move |session| session.append_all(payloads, Timestamp::now())).await?;
                compacted
            }
            Err(RoundFailed { error, charge }) => {
                tracing::warn!(%error, "no summary was made");
                Compacted::Failed { reason: error.to_string(), charge }
            }
        }))
    }

    /// Said once for this id, however often it is told.
    pub(super) async fn alert(&self, id: RequestId, reason: String) -> Result<(), DriveError> {
        let Some(session) = self.session.clone() else { return Ok(()) };
        let reason = reason.chars().take(REASON_CHARS_MAX).collect();
        let frame = SessionStuck { session, reason }.into();
        Ok(self.books.post(Post { id, trace: self.trace.carried(), frame }).await?)
    }
}

pub(super) async fn summary_written(compacting: &mut Option<Compacting>) -> Result<Written, RoundFailed> {
    match compacting {
        Some(Compacting { writing, .. }) => writing.await.unwrap_or_else(|broken| {
            let kind = ProviderErrorKind::Invalid(format!("the adapter broke down: {broken}"));
            Err(ProviderError { provider: String::new(), kind }.into())
        }),
        None => std::future::pending().await,
    }
}
