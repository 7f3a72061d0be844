//! A worker's result: whether it counts, whether it is what its Hand promises, and that a repeat counts once.

use nexus_schema::{Fault, listed};
use nexus_wire::budget::Spending;
use nexus_wire::hands::{DispatchInfo, DispatchResult, DispatchStanding, DispatchState, HandFailure};
use nexus_wire::{AspectName, ErrorBody, ErrorCode, HandRef, Party, RequestId};
use serde_json::{Value, json};

use super::{Finished, check_size, worker};
use crate::hub::blobs::named_in_value;
use crate::hub::inbox::{json_bytes, sha256_of};
use crate::hub::queue::Verdict;
use crate::hub::records::{BlobMention, DispatchRecord, Store, Stored};
use crate::hub::schema::Side;
use crate::hub::step::{Done, Step, refuse};

impl<S: Store> Step<'_, S> {
    /// A repeat of the result that ended the dispatch is answered like the first.
    pub(in crate::hub) fn dispatch_result(
        &mut self,
        sender: &Party,
        request: RequestId,
        result: DispatchResult,
    ) -> Done {
        let host = worker(sender)?;
        check_size(json_bytes(&result), "result")?;
        let lease = result.lease;
        let verdict = match (&result.output, &result.error) {
            (Some(output), None) => {
                let hand = self.hub.queue.hand(lease.dispatch).cloned();
                let faults = hand.as_ref().map(|hand| self.hub.schemas.faults(hand, Side::Output, output));
                match hand.zip(faults).filter(|(_, faults)| !faults.is_empty()) {
                    Some((hand, faults)) => {
                        return self.refuse_output(sender, request, result, &hand, faults);
                    }
                    None => Verdict::Done,
                }
            }
            (None, Some(failure)) => Verdict::Failed(failure.clone()),
            (Some(_), Some(_)) | (None, None) => {
                return refuse(
                    ErrorCode::Invalid,
                    "a result has either an output, which is not null, or an error",
                );
            }
        };
        let used = Spending::of(&result.usage, result.cost_microusd);
        match self.hub.queue.result(lease, host, verdict, used, self.at) {
            Ok(state) => {
                self.answer(&DispatchStanding { dispatch: lease.dispatch, state });
                let named = result.output.as_ref().map(named_in_value).unwrap_or_default();
                self.settle(None, Some(Finished::from(result)))?;
                self.mention_blobs(sender, BlobMention::Dispatch(lease.dispatch), named)?;
                Ok(())
            }
            Err(stale) => {
                self.settle(None, None)?;
                if let Some(state) = self.repeated(&result, host)? {
                    self.answer(&DispatchStanding { dispatch: lease.dispatch, state });
                    return Ok(());
                }
                let refused = self.refused_before(request, &result, host)?;
                Err(refused.unwrap_or_else(|| ErrorBody::from(stale)).into())
            }
        }
    }

    /// The answer that this very result had, if it was refused.
    fn refused_before(
        &self,
        request: RequestId,
        result: &DispatchResult,
        host: &AspectName,
    ) -> Stored<Option<ErrorBody>> {
        let Some(record) = self.store.dispatch_head(result.lease.dispatch)? else { return Ok(None) };
        let DispatchInfo { hand, state, .. } = &record.info;
        let is_same = hand.aspect == *host && record.refused_sha256 == Some(sha256_of(&(request, result)));
        let Some(output) = result.output.as_ref().filter(|_| is_same) else { return Ok(None) };
        let faults = self.hub.schemas.faults(hand, Side::Output, output);
        Ok(Some(invalid_output(hand, &faults, *state)))
    }

    /// How the dispatch ended, if it was this very result that ended it.
    fn repeated(&self, result: &DispatchResult, host: &AspectName) -> Stored<Option<DispatchState>> {
        let Some(record) = self.store.dispatch(result.lease.dispatch)? else { return Ok(None) };
        let info = record.info;
        let by_worker = match info.state {
            DispatchState::Done | DispatchState::Failed => true,
            DispatchState::Pending
            | DispatchState::Running
            | DispatchState::Waiting
            | DispatchState::Retaking
            | DispatchState::Unreachable
            | DispatchState::TimedOut
            | DispatchState::Cancelled => false,
        };
        let is_same = by_worker
            && info.hand.aspect == *host
            && info.attempt == result.lease.attempt
            && info.output == result.output
            && info.error == result.error;
        Ok(is_same.then_some(info.state))
    }

    /// The output is not what the Hand promises: the first time its worker may put it right.
    fn refuse_output(
        &mut self,
        sender: &Party,
        request: RequestId,
        result: DispatchResult,
        hand: &HandRef,
        faults: Vec<Fault>,
    ) -> Done {
        let host = worker(sender)?;
        let lease = result.lease;
        if let Some(refused) = self.refused_before(request, &result, host)? {
            return Err(refused.into());
        }
        let failure = HandFailure { code: "invalid_output".into(), message: refusal(hand, &faults) };
        let used = Spending::of(&result.usage, result.cost_microusd);
        let state = match self.hub.queue.result(lease, host, Verdict::Refused(failure), used, self.at) {
            Ok(state) => state,
            Err(stale) => {
                self.settle(None, None)?;
                return Err(ErrorBody::from(stale).into());
            }
        };
        if let Some(record) = self.store.dispatch_head(lease.dispatch)? {
            let refused_sha256 = Some(sha256_of(&(request, &result)));
            self.store.put_dispatch(&DispatchRecord { refused_sha256, ..record })?;
        }
        self.log_other(sender.clone(), "dispatch.output_refused", lease.dispatch, &faults)?;
        let finished = Finished { output: None, ..Finished::from(result) };
        self.settle(None, Some(finished))?;
        Err(invalid_output(hand, &faults, state).into())
    }
}

fn refusal(hand: &HandRef, faults: &[Fault]) -> String {
    format!("the output is not what {hand} promises: {}", listed(faults))
}

fn invalid_output(hand: &HandRef, faults: &[Fault], state: DispatchState) -> ErrorBody {
    let what = if state.is_end() {
        "it was the second time, so the dispatch has failed"
    } else {
        "hand it in once more, put right"
    };
    let details = json!({"hand": hand, "schema": Side::Output.field(), "faults": faults, "state": state});
    ErrorBody::new(ErrorCode::InvalidOutput, format!("{}; {what}", refusal(hand, faults))).with(details)
}

/// What a worker's result brought with it.
impl From<DispatchResult> for Finished {
    fn from(result: DispatchResult) -> Self {
        Self {
            id: result.lease.dispatch,
            output: result.output.filter(|output| *output != Value::Null),
            usage: result.usage,
            cost_microusd: result.cost_microusd,
        }
    }
}
