//! Summaries that operators ask for, between turns: of a session's beginning, or of a branch that was left.

use jiff::Timestamp;
use nexus_wire::chat::ReplyMeta;
use nexus_wire::session::{SessionAct, SessionOutcome};
use nexus_wire::{ErrorBody, ErrorCode, RequestId, TurnId, derive};
use uuid::Uuid;

use super::compact::{Compactor, Job};
use super::drive::{DriveError, Signals};
use super::record::Record;
use super::worker::{Order, Worker};
use crate::provider::Meter;
use crate::session::{Parting, Tree, failed};

impl Worker {
    /// Does it once, however often it is told; with what it has cost. `None`: the process stops, and the next one sees
    /// to it.
    pub(super) async fn condense(
        &self,
        record: &mut Record,
        order: &Order,
    ) -> Result<Option<(SessionOutcome, Option<ReplyMeta>)>, DriveError> {
        let (key, item) = (self.key, order.item.0);
        let done = record.change(move |session| session.condensed(key, item, Timestamp::now())).await?;
        if let Some(outcome) = done.flatten() {
            return Ok(Some((outcome, None)));
        }
        let Signals { mut stop, mut gate, .. } = self.shared.signals.clone();
        let may = tokio::select! {
            () = stop.wanted() => return Ok(None),
            may = gate.answer() => may,
        };
        if let Err(why) = may {
            let outcome = failed(ErrorCode::Unavailable, format!("no summary was made: {why}"));
            return Ok(Some((outcome, None)));
        }
        let kit = self.shared.fresh_kit().await;
        let line = kit.toolbox.line().traced(order.trace.as_deref().cloned());
        let compactor = kit.compactor(Some(line));
        let job =
            match record.session().map(|session| job(&compactor, session.tree(), &order.act, Some(item))) {
                Some(Ok(job)) => job,
                Some(Err(error)) => {
                    return Ok(Some((SessionOutcome { error: Some(error), ..Default::default() }, None)));
                }
                // An order goes to no session that is in memory alone.
                None => return Ok(Some((SessionOutcome::default(), None))),
            };
        let id = RequestId(derive::derived(item, "situation", 0));
        let (meter, leave) = (Meter::default(), Some(self.shared.signals.gate.leave()));
        let written = tokio::select! {
            () = stop.wanted() => None,
            written = compactor.write(job, id, None, meter.clone(), leave) => Some(written),
        };
        let charge = match &written {
            Some(Ok(written)) => written.by().charge(),
            Some(Err(failed)) => failed.charge,
            None => meter.total(),
        };
        self.shared.ledger.spent(None, charge.spending()).await;
        let turn = TurnId(derive::derived(item, "turn", 0));
        let written = match written {
            Some(Ok(written)) => written,
            Some(Err(reason)) => {
                let meta = charge.told(turn, &reason.error.provider, &kit.settings.provider.model);
                let outcome = failed(ErrorCode::Unavailable, format!("no summary was made: {reason}"));
                return Ok(Some((outcome, meta)));
            }
            None => return Ok(None),
        };
        let meta = charge.told(turn, &written.by().provider, &written.by().model);
        let payloads = written.into_payloads(Some(item));
        let done = record.change(move |session| {
            session.append_all(payloads, Timestamp::now())?;
            session.condensed(key, item, Timestamp::now())
        });
        Ok(done.await?.flatten().map(|outcome| (outcome, meta)))
    }
}

/// What is to be summarised, or why nothing is.
pub(crate) fn job(
    compactor: &Compactor,
    tree: &Tree,
    act: &SessionAct,
    item: Option<Uuid>,
) -> Result<Job, ErrorBody> {
    let refused = |code, message: String| Err(ErrorBody::new(code, message));
    match act {
        SessionAct::Compact => compactor.of_session(&tree.branch(tree.head()), item).ok_or_else(|| {
            let message = "there is nothing a summary could stand for: the last turns are kept as they are, and \
                           before them nothing has been said since the last summary";
            ErrorBody::new(ErrorCode::Invalid, message)
        }),
        SessionAct::Summarise { entry } => {
            let Some(found) = tree.entry(*entry) else {
                return refused(ErrorCode::NotFound, format!("no entry {entry} in this session"));
            };
            if found.payload.is_rewind() {
                return refused(
                    ErrorCode::Invalid,
                    format!("entry {entry} is the record of a rewind; name the last entry of the branch"),
                );
            }
            let parting = Parting::of(tree, tree.head(), Some(*entry));
            if parting.other.is_empty() {
                return refused(
                    ErrorCode::Invalid,
                    format!("entry {entry} is on the active branch; name the last entry of one that was left"),
                );
            }
            Ok(compactor.of_branch(&parting, *entry, item))
        }
        SessionAct::CancelTurns { .. }
        | SessionAct::Fork { .. }
        | SessionAct::GoOn { .. }
        | SessionAct::Rewind { .. } => {
            refused(ErrorCode::Internal, "no summary belongs to this; this is a defect".to_owned())
        }
    }
}
