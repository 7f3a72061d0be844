//! `gather`: gives work to several Hands and waits for one answer about all of it.
//!
//! Ids derive from the call's own, so a call made again after a restart names the same dispatches and the same
//! gather, and leaves each part the budget that it was given first. A Hand yields its place for all of them at once,
//! which is its supervisor's matter.

use nexus_wire::budget::{Budget, Spending};
use nexus_wire::gather::{Gather, GatherPolicy, GatherResult, GatherState, Gathered};
use nexus_wire::hands::{CancelReceipt, Dispatch, DispatchCancel, DispatchInfo, DispatchStatus, Dispatched};
use nexus_wire::limits::GATHER_MAX;
use nexus_wire::{AspectName, DispatchId, ErrorCode, HandRef, ItemId, Party, RequestId, derive};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use tokio::sync::oneshot;

use super::args::whole;
use super::dispatch::{Claim, Claims, End, Ended, Waiting};
use super::{Caller, ToolOutcome};
use crate::uplink::{Line, LineError};

#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct GatherHands {
    /// The work, at most 32 parts.
    work: Vec<Part>,
    /// How many of them have to be done; all when absent.
    #[serde(default, deserialize_with = "whole")]
    #[schemars(with = "Option<u64>")]
    need: Option<u64>,
    /// Seconds until it ends at the latest, time in the queue included (1800; at most 7200).
    #[serde(default, deserialize_with = "whole")]
    #[schemars(with = "Option<u64>")]
    deadline_s: Option<u64>,
}

#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Part {
    /// Which one, as <aspect>/<hand>.
    hand: HandRef,
    /// What it works on, as its input schema says.
    #[serde(default)]
    #[schemars(with = "Map<String, Value>")]
    input: Value,
}

impl GatherHands {
    pub(super) async fn run(
        self,
        line: &Line,
        claims: &Claims,
        caller: &Caller,
        id: RequestId,
    ) -> ToolOutcome {
        let stopping = || ToolOutcome::error("this process is stopping");
        let parts = self.work.len();
        if parts == 0 || parts > GATHER_MAX {
            return ToolOutcome::error(format!("argument `work`: {parts} parts; give 1 to {GATHER_MAX}"));
        }
        let n = match self.need {
            None => None,
            Some(need) if (1..=parts as u64).contains(&need) => u32::try_from(need).ok(),
            Some(need) => {
                return ToolOutcome::error(format!("argument `need`: {need}; there are {parts} parts"));
            }
        };
        let me = Party::Aspect(caller.me.clone());
        let gather = derive::gather_id(id, &me);
        let (claim, mut ended) = oneshot::channel();
        if claims.claims.send(Claim { of: gather.0, ended: claim }).await.is_err() {
            return stopping();
        }
        let deadline_s = self.deadline_s.map(|s| u32::try_from(s).unwrap_or(u32::MAX));
        // Of a limited budget each part gets the same, and one is kept to end with.
        let share = caller.left.map(|left| (left / (parts as u64 + 1)).max(1));
        let mut dispatches: Vec<DispatchId> = Vec::with_capacity(parts);
        for (at, part) in self.work.iter().enumerate() {
            let dispatch = |budget| Dispatch {
                thread: caller.thread,
                deadline_s,
                budget,
                parent: caller.lease,
                parent_used: caller.parent_used(),
                ..Dispatch::to(part.hand.clone(), part.input.clone())
            };
            match accepted(line, &me, part_id(id, at), share, dispatch).await {
                Ok(accepted) => dispatches.push(accepted.dispatch),
                Err(error) => {
                    give_up(line, id, &dispatches).await;
                    return ToolOutcome::error(format!("part {at}, {}: {error}", part.hand));
                }
            }
        }
        let policy = if n.is_some() { GatherPolicy::N } else { GatherPolicy::All };
        // A Hand goes on when none of its children is open, so what is not needed has to end.
        let cancel_rest = caller.lease.is_some().then_some(true);
        let frame =
            Gather { dispatches: dispatches.clone(), policy, n, deadline_s, cancel_rest, lease: None };
        if let Err(error) = line.ask_for::<Gathered>(id, frame.into()).await {
            give_up(line, id, &dispatches).await;
            return ToolOutcome::error(error.to_string());
        }
        if let Some(waiting) = &claims.waiting {
            let (go_on, may_go_on) = oneshot::channel();
            if waiting.send(Waiting { dispatches, go_on }).await.is_err() || may_go_on.await.is_err() {
                return stopping();
            }
        }
        match (&mut ended).await {
            Ok(Ended { item, end: End::Gather(result) }) => shown(&result, item),
            // Nothing else goes by a gather's id.
            Ok(Ended { end: End::Dispatch(_) | End::Approval(_), .. }) | Err(_) => stopping(),
        }
    }
}

/// Asks for a part. One that was asked for before a restart may have had another budget, for what is left changes with
/// whatever else is spent meanwhile. So it is asked for again with the first one: whether the rest is the same as well,
/// which a model that was asked anew need not have said, is for the broker to tell.
async fn accepted(
    line: &Line,
    me: &Party,
    request: RequestId,
    share: Budget,
    dispatch: impl Fn(Budget) -> Dispatch,
) -> Result<Dispatched, LineError> {
    match line.ask_for(request, dispatch(share).into()).await {
        Err(LineError::Refused(body)) if body.code == ErrorCode::IdReused => {}
        answer => return answer,
    }
    let status = DispatchStatus { dispatch: derive::dispatch_id(request, me), without_output: true };
    let id = RequestId(derive::derived(request.0, "first", 0));
    let first: DispatchInfo = line.ask_for(id, status.into()).await?;
    line.ask_for(request, dispatch(first.budget).into()).await
}

/// The dispatches that a call with this input makes, in its order.
pub(super) fn dispatch_ids(id: RequestId, me: &AspectName, input: &Value) -> Vec<DispatchId> {
    let parts = input.get("work").and_then(Value::as_array).map_or(0, Vec::len);
    let me = Party::Aspect(me.clone());
    (0..parts.min(GATHER_MAX)).map(|at| derive::dispatch_id(part_id(id, at), &me)).collect()
}

fn part_id(id: RequestId, at: usize) -> RequestId {
    RequestId(derive::derived(id.0, "part", at as u64))
}

/// Nobody is left who wants what was begun.
async fn give_up(line: &Line, id: RequestId, dispatches: &[DispatchId]) {
    for (at, dispatch) in dispatches.iter().enumerate() {
        let request = RequestId(derive::derived(id.0, "give up", at as u64));
        let reason = Some("another part of the same gather was refused".to_owned());
        let cancel = DispatchCancel { dispatch: *dispatch, reason };
        if let Err(error) = line.ask_for::<CancelReceipt>(request, cancel.into()).await {
            tracing::debug!(%dispatch, %error, "a part of a gather goes on for nobody");
        }
    }
}

fn shown(result: &GatherResult, item: ItemId) -> ToolOutcome {
    let ended = result.outcomes.iter().map(|outcome| {
        let mut part = Map::new();
        part.insert("dispatch".to_owned(), json!(outcome.dispatch));
        part.insert("hand".to_owned(), json!(outcome.hand));
        part.insert("state".to_owned(), json!(outcome.state));
        if let Some(output) = &outcome.output {
            part.insert("output".to_owned(), output.clone());
        }
        if let Some(error) = &outcome.error {
            part.insert("error".to_owned(), json!(error));
        }
        if result.left_out.contains(&outcome.dispatch) {
            part.insert("note".to_owned(), json!("the output is too large to be shown here"));
        }
        Value::Object(part)
    });
    let parts: Vec<Value> = ended.collect();
    let mut told = json!({"state": result.state, "parts": parts, "not_ended": result.open});
    if let Some(reason) = &result.reason {
        told["reason"] = json!(reason);
    }
    let mut outcome = ToolOutcome::json(&told);
    outcome.is_error = result.state != GatherState::Met;
    outcome.settles = Some(item);
    let spent = result.outcomes.iter().filter_map(|outcome| outcome.spent);
    outcome.below = spent.fold(Spending::default(), Spending::plus);
    outcome
}
