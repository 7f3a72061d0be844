//! Work for Hands: sent, looked at, waited for, cancelled.

use std::time::Duration;

use nexus_wire::ErrorBody;
use nexus_wire::hands::{
    CancelReceipt, Candidate, Dispatch, DispatchCancel, DispatchInfo, DispatchState, Dispatched, HandFailure,
    Wanted,
};
use nexus_wire::{DispatchId, HandRef, Ms};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

use super::args;
use crate::bus::Bus;
use crate::heard::{WAIT_MAX, Waited};
use crate::server::{Call, TeamServer};

/// What became of work that was sent, as far as that was waited for.
#[derive(Debug, JsonSchema, Serialize)]
pub(super) struct Sent {
    dispatch: DispatchId,
    /// The Hand it went to.
    hand: HandRef,
    state: DispatchState,
    /// How many are before it in the queue.
    #[serde(skip_serializing_if = "Option::is_none")]
    position: Option<u32>,
    deadline_at: Ms,
    /// The candidates, the chosen one first, when the broker chose.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    why: Vec<Candidate>,
    /// What the Hand returned, once it is done.
    #[serde(skip_serializing_if = "Option::is_none")]
    output: Option<Value>,
    /// Why it did not end as done.
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<HandFailure>,
}

impl<B: Bus> TeamServer<B> {
    pub(super) async fn dispatch_hand(
        &self,
        args: args::DispatchHand,
        call: &Call,
    ) -> Result<Sent, ErrorBody> {
        let args::DispatchHand { hand, needs, input, skill, thread, deadline_s, wait_s, idempotency_key } =
            args;
        let capability = (!needs.is_empty()).then(|| Wanted { needs, ..Wanted::default() });
        let frame = Dispatch { hand, capability, input, skill, thread, deadline_s, ..Dispatch::default() };
        let ear = self.ear(thread);
        let Dispatched { dispatch, chosen: hand, why, state, position, deadline_at, .. } =
            self.ask(call.id(idempotency_key.as_deref())?, frame).await?;
        let sent = Sent {
            dispatch,
            hand,
            state,
            position: Some(position),
            deadline_at,
            why,
            output: None,
            error: None,
        };
        let Some(wait_s) = wait_s.filter(|it| *it > 0) else { return Ok(sent) };
        match self.ended(dispatch, ear, bounded(wait_s), call).await? {
            Waited::Got(info) => {
                let DispatchInfo { state, output, error, .. } = *info;
                Ok(Sent { state, position: None, output, error, ..sent })
            }
            Waited::Cancelled => {
                self.give_up(dispatch, call).await;
                Ok(Sent { state: DispatchState::Cancelled, ..sent })
            }
            Waited::Late => Ok(sent),
        }
    }

    pub(super) async fn dispatch_status(
        &self,
        args: args::LookAtDispatch,
        call: &Call,
    ) -> Result<DispatchInfo, ErrorBody> {
        let args::LookAtDispatch { dispatch, wait_s } = args;
        if let Some(wait_s) = wait_s.filter(|it| *it > 0) {
            // Whoever only looks cancels nothing by looking no longer.
            if let Waited::Got(info) = self.ended(dispatch, self.ear(None), bounded(wait_s), call).await? {
                return Ok(*info);
            }
        }
        self.status(dispatch).await
    }

    pub(super) async fn cancel_dispatch(
        &self,
        args: args::CancelDispatch,
        call: &Call,
    ) -> Result<CancelReceipt, ErrorBody> {
        let args::CancelDispatch { dispatch, reason } = args;
        self.ask(call.id(None)?, DispatchCancel { dispatch, reason }).await
    }
}

fn bounded(seconds: u64) -> Duration {
    Duration::from_secs(seconds).min(WAIT_MAX)
}
