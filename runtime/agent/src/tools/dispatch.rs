//! `dispatch_hand`: gives work to a Hand and waits until it has ended, however long that takes.
//!
//! The end comes through the inbox, so waiting for it survives reconnects; who calls again after a restart names
//! the same dispatch and gets the same end. A Hand that waits yields its place first, which is its supervisor's
//! matter: it is told of every call that waits, and lets them go on together.

use nexus_wire::approval::ApprovalEnd;
use nexus_wire::budget::Budget;
use nexus_wire::gather::GatherResult;
use nexus_wire::hands::{Dispatch, DispatchState, Dispatched, Outcome, Wanted};
use nexus_wire::{DispatchId, HandRef, HandTarget, ItemId, Party, RequestId, derive};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use tokio::sync::{mpsc, oneshot};
use uuid::Uuid;

use super::args::whole;
use super::{Caller, ToolOutcome};
use crate::uplink::Line;

#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct DispatchHand {
    /// Which one, as <aspect>/<hand>. `self` is yourself without this conversation: good for a fresh look.
    #[serde(default)]
    #[schemars(with = "HandTarget")]
    hand: Option<HandTarget>,
    /// Instead of `hand`: the capabilities it has to have. The best Hand that has them is chosen.
    #[serde(default)]
    #[schemars(with = "Vec<String>")]
    needs: Option<Vec<String>>,
    /// A skill of the team's workspace that says how it is done, for a Hand `<aspect>/self`; `input` is what it is about.
    #[serde(default)]
    #[schemars(with = "String")]
    skill: Option<String>,
    /// What it works on, as its input schema says.
    #[serde(default)]
    #[schemars(with = "Map<String, Value>")]
    input: Value,
    /// Seconds until it ends at the latest, time in the queue included (1800; at most 7200).
    #[serde(default, deserialize_with = "whole")]
    #[schemars(with = "Option<u64>")]
    deadline_s: Option<u64>,
    /// The most tokens it may use, with all it gives to others. Left out: half of what you have left, if that is
    /// limited.
    #[serde(default, deserialize_with = "whole")]
    #[schemars(with = "Option<u64>")]
    max_tokens: Option<u64>,
}

/// The end of a dispatch, a gather or something that was asked of people, and the item that brought it.
#[derive(Clone, Debug, PartialEq)]
pub struct Ended {
    pub item: ItemId,
    pub end: End,
}

#[derive(Clone, Debug, PartialEq)]
pub enum End {
    Dispatch(Outcome),
    Gather(GatherResult),
    Approval(ApprovalEnd),
}

impl Ended {
    /// The id of what has ended.
    pub fn of(&self) -> Uuid {
        match &self.end {
            End::Dispatch(outcome) => outcome.dispatch.0,
            End::Gather(result) => result.gather.0,
            End::Approval(end) => end.approval.0,
        }
    }
}

/// Somebody waits for such an end. A closed `ended` means that they do not any more.
#[derive(Debug)]
pub struct Claim {
    pub of: Uuid,
    pub ended: oneshot::Sender<Ended>,
}

/// A call of a Hand that has nothing to do but wait.
#[derive(Debug)]
pub struct Waiting {
    pub dispatches: Vec<DispatchId>,
    /// The Hand's place is its own again and the children have ended.
    pub go_on: oneshot::Sender<()>,
}

/// Where waiting is announced.
#[derive(Clone, Debug)]
pub struct Claims {
    pub claims: mpsc::Sender<Claim>,
    /// Of a Hand: its supervisor.
    pub waiting: Option<mpsc::Sender<Waiting>>,
}

impl DispatchHand {
    pub(super) async fn run(
        self,
        line: &Line,
        claims: &Claims,
        caller: &Caller,
        id: RequestId,
    ) -> ToolOutcome {
        let stopping = || ToolOutcome::error("this process is stopping");
        let dispatch = derive::dispatch_id(id, &Party::Aspect(caller.me.clone()));
        let (claim, mut ended) = oneshot::channel();
        // Claimed before it is asked for: its end may be faster than the answer.
        if claims.claims.send(Claim { of: dispatch.0, ended: claim }).await.is_err() {
            return stopping();
        }
        let capability = self.needs.filter(|needs| !needs.is_empty());
        let frame = Dispatch {
            hand: self.hand,
            capability: capability.map(|needs| Wanted { needs, ..Wanted::default() }),
            input: self.input,
            skill: self.skill,
            thread: caller.thread,
            deadline_s: self.deadline_s.map(|s| u32::try_from(s).unwrap_or(u32::MAX)),
            budget: Budget { tokens: self.max_tokens, cost_microusd: None },
            parent: caller.lease,
            parent_used: caller.parent_used(),
        };
        let (hand, clamped) = match line.ask_for::<Dispatched>(id, frame.into()).await {
            Ok(dispatched) => (dispatched.chosen, dispatched.clamped),
            Err(error) => return ToolOutcome::error(error.to_string()),
        };
        if let Some(waiting) = &claims.waiting {
            let (go_on, may_go_on) = oneshot::channel();
            if waiting.send(Waiting { dispatches: vec![dispatch], go_on }).await.is_err()
                || may_go_on.await.is_err()
            {
                return stopping();
            }
        }
        match (&mut ended).await {
            Ok(Ended { item, end: End::Dispatch(outcome) }) => shown(&hand, &outcome, item, clamped),
            // Nothing else goes by a dispatch's id.
            Ok(Ended { end: End::Gather(_) | End::Approval(_), .. }) | Err(_) => stopping(),
        }
    }
}

fn shown(hand: &HandRef, outcome: &Outcome, item: ItemId, clamped: bool) -> ToolOutcome {
    let mut told = Map::new();
    told.insert("dispatch".to_owned(), json!(outcome.dispatch));
    told.insert("hand".to_owned(), json!(hand));
    told.insert("state".to_owned(), json!(outcome.state));
    if let Some(output) = &outcome.output {
        told.insert("output".to_owned(), output.clone());
    }
    if let Some(error) = &outcome.error {
        told.insert("error".to_owned(), json!(error));
    }
    if outcome.attempts > 1 {
        told.insert("attempts".to_owned(), json!(outcome.attempts));
    }
    if clamped {
        told.insert(
            "note".to_owned(),
            json!("the deadline asked for was longer than allowed and was shortened"),
        );
    }
    let mut result = ToolOutcome::json(&told);
    result.is_error = outcome.state != DispatchState::Done;
    result.settles = Some(item);
    result.below = outcome.spent.unwrap_or_default();
    result
}
