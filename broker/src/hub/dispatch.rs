//! Requests about Hands: what is checked before the queue sees one, and how each is answered. Which dispatch
//! runs when is `queue`'s; what its events write and whom they reach is `settle`'s.

mod moved;
mod result;
mod retry;
mod settle;
mod stop;
mod target;

use nexus_wire::budget::{Budget, Spending};
use nexus_wire::chat::Usage;
use nexus_wire::hands::{
    Dispatch, DispatchInfo, DispatchStanding, DispatchState, DispatchWait, Dispatched, Lease, LeaseRenew,
    LeasesRenewed, Wanted, WorkSource,
};
use nexus_wire::limits::{BUDGET_AMOUNT_MAX, DURABLE_BYTES_MAX};
use nexus_wire::{
    AspectName, DispatchId, ErrorBody, ErrorCode, Ms, Party, RequestId, RunId, ThreadId, TraceContext, derive,
};
use serde_json::Value;

use super::blobs::named_in_value;
use super::command::Traced;
use super::measured::MeasuredDispatch;
use super::queue::{NewDispatch, WaitError};
use super::records::{BlobMention, DispatchRecord, DispatchTrace, Store, Stored};
use super::step::{Done, Step, refuse};
pub(super) use settle::Finished;
use stop::check_may_steer;
use target::Target;
pub(super) use target::offer_of;

impl<S: Store> Step<'_, S> {
    pub(super) fn dispatch(
        &mut self,
        sender: &Party,
        request: RequestId,
        measured: MeasuredDispatch,
    ) -> Done {
        let MeasuredDispatch { dispatch, request_sha256, bytes } = measured;
        if self.is_repeated(sender, request, request_sha256)? {
            return Ok(());
        }
        let dispatch = dispatch?;
        check_size(bytes, "dispatch")?;
        let target = self.target(sender, &dispatch)?;
        if let Some(thread) = dispatch.thread
            && self.reachable_thread(sender, thread)?.is_none()
        {
            return refuse(ErrorCode::NotFound, format!("there is no thread {thread}"));
        }
        check_budget("budget", dispatch.budget)?;
        let (deadline_at, clamped) = self.deadline(dispatch.deadline_s)?;
        let order = Order {
            id: derive::dispatch_id(request, sender),
            request_sha256,
            target,
            capability: dispatch.capability,
            input: dispatch.input,
            thread: dispatch.thread,
            deadline_at,
            clamped,
            budget: dispatch.budget,
            parent: dispatch.parent,
            parent_used: dispatch.parent_used,
            retry: None,
            run: None,
        };
        self.accept(sender, order)
    }

    /// A step of a run, with the rights of `by`; nobody is answered.
    pub(super) fn dispatch_step(
        &mut self,
        by: &Party,
        run: RunId,
        id: DispatchId,
        dispatch: Dispatch,
    ) -> Done {
        let MeasuredDispatch { dispatch, request_sha256, bytes } = dispatch.into();
        let dispatch = dispatch?;
        check_size(bytes, "dispatch")?;
        let target = self.target(by, &dispatch)?;
        let (deadline_at, clamped) = self.deadline(dispatch.deadline_s)?;
        let order = Order {
            id,
            request_sha256,
            target,
            capability: dispatch.capability,
            input: dispatch.input,
            thread: None,
            deadline_at,
            clamped,
            budget: Budget::default(),
            parent: None,
            parent_used: Spending::default(),
            retry: None,
            run: Some(run),
        };
        self.accept(by, order)
    }

    /// Whether this request made a dispatch before, which is then the answer.
    fn is_repeated(&mut self, sender: &Party, request: RequestId, request_sha256: [u8; 32]) -> Done<bool> {
        let Some(first) = self.store.dispatch_head(derive::dispatch_id(request, sender))? else {
            return Ok(false);
        };
        if first.request_sha256 != request_sha256 {
            return refuse(
                ErrorCode::IdReused,
                format!("request {request} made another dispatch before; a new one needs a new id"),
            );
        }
        self.answer_dispatched(first);
        Ok(true)
    }

    /// What was checked goes into the queue.
    fn accept(&mut self, sender: &Party, order: Order) -> Done {
        let source = self.source_of(&order)?;
        let Order { id, target, deadline_at, clamped, .. } = order;
        let Target { hand, timeout_s, idempotent, why } = target;
        let new = NewDispatch {
            id,
            hand: hand.clone(),
            idempotent,
            movable: order.capability.is_some(),
            timeout_ms: Ms::from(timeout_s) * 1000,
            deadline_at,
            invoker: sender.clone(),
            parent: order.parent,
            budget: order.budget,
            parent_used: order.parent_used,
        };
        let accepted = match self.hub.queue.accept(new, self.at) {
            Ok(accepted) => accepted,
            Err(refusal) => {
                // Others may have expired on the way.
                self.settle(None, None)?;
                return Err(ErrorBody::from(refusal).into());
            }
        };
        let named = named_in_value(&order.input);
        let budget = accepted.budget;
        let record = DispatchRecord {
            info: DispatchInfo {
                id,
                hand: hand.clone(),
                invoker: sender.clone(),
                key: accepted.key,
                root: accepted.root,
                parent: order.parent.map(|lease| lease.dispatch),
                depth: accepted.depth,
                capability: order.capability,
                earlier: Vec::new(),
                run: order.run,
                source,
                thread: order.thread,
                state: DispatchState::Pending,
                attempt: 0,
                accepted_at: self.at,
                assigned_at: None,
                ended_at: None,
                deadline_at,
                retry_of: order.retry.as_ref().map(|retry| retry.of),
                retried_as: None,
                stop: None,
                budget,
                granted: Budget::default(),
                spent: None,
                waiting_for: None,
                why: Vec::new(),
                input: order.input,
                input_left_out: false,
                output: None,
                error: None,
                usage: Usage::default(),
                cost_microusd: None,
            },
            queue: None,
            timeout_s,
            assigned_offset: 0,
            wait_request: None,
            clamped,
            why: why.clone(),
            refused_sha256: None,
            cancel: None,
            trace: self.trace_of(id, order.retry.and_then(|retry| retry.trace)),
            request_sha256: order.request_sha256,
        };
        let state = self.hub.queue.state(id).unwrap_or(DispatchState::Pending);
        let position = self.hub.queue.position(id);
        let dispatch = id;
        if order.run.is_none() {
            self.answer(&Dispatched {
                dispatch,
                chosen: hand,
                why,
                state,
                position,
                deadline_at,
                clamped,
                budget,
            });
        }
        self.settle(Some(record), None)?;
        self.mention_blobs(sender, BlobMention::Dispatch(id), named)?;
        Ok(())
    }

    /// A tree has one source, and so has what is tried again.
    fn source_of(&self, order: &Order) -> Stored<Option<WorkSource>> {
        let before =
            order.parent.map(|lease| lease.dispatch).or_else(|| order.retry.as_ref().map(|retry| retry.of));
        if let Some(before) = before {
            return Ok(self.store.dispatch_head(before)?.and_then(|record| record.info.source));
        }
        let of_thread = || self.hub.triggers.line_of_thread(order.thread?)?.into_iter().next();
        if let Some(name) = self.causes.iter().flatten().next().cloned().or_else(of_thread) {
            return Ok(Some(WorkSource::Trigger(name)));
        }
        Ok(order.run.and_then(|run| self.hub.runs.started(run)).map(WorkSource::Flow))
    }

    /// Whose trace a new dispatch belongs to. Where the broker tells spans it is one itself, and its items come from it.
    fn trace_of(&self, id: DispatchId, retries: Option<TraceContext>) -> Option<DispatchTrace> {
        let Traced { context, is_recorded } = self.trace.as_deref()?;
        Some(match is_recorded {
            true => {
                let own = context.at(derive::span_id(id, "span", 0));
                DispatchTrace { context: own, under: Some(context.clone()), retries }
            }
            false => DispatchTrace { context: context.clone(), under: None, retries: None },
        })
    }

    fn answer_dispatched(&mut self, first: DispatchRecord) {
        let chosen = first.first_hand().clone();
        let DispatchRecord { info, why, clamped, .. } = first;
        let position = self.hub.queue.position(info.id);
        self.answer(&Dispatched {
            dispatch: info.id,
            chosen,
            why,
            state: info.state,
            position,
            deadline_at: info.deadline_at,
            clamped,
            budget: info.budget,
        });
    }

    /// When a dispatch has to end, and whether that is sooner than asked for.
    pub(super) fn deadline(&self, asked_s: Option<u32>) -> Done<(Ms, bool)> {
        let config = &self.hub.config;
        let asked = match asked_s {
            None => config.deadline_default_ms,
            Some(0) => {
                return refuse(
                    ErrorCode::Invalid,
                    "deadline_s is 0: nothing could end in time; use at least 1",
                );
            }
            Some(seconds) => Ms::from(seconds) * 1000,
        };
        let given = asked.min(config.deadline_max_ms);
        Ok((self.at.saturating_add(given), given < asked))
    }

    pub(super) fn dispatch_wait(&mut self, sender: &Party, request: RequestId, wait: DispatchWait) -> Done {
        let host = worker(sender)?;
        let (lease, id) = (wait.lease, wait.lease.dispatch);
        let record = self.store.dispatch_head(id)?;
        if let Some(record) = &record
            && record.wait_request == Some(request)
            && record.info.hand.aspect == *host
        {
            self.answer(&DispatchStanding { dispatch: id, state: record.info.state });
            return Ok(());
        }
        let mut open = Vec::with_capacity(wait.on.len());
        for child in wait.on {
            if self.hub.queue.state(child).is_some() || !self.has_ended_under(child, id)? {
                open.push(child);
            }
        }
        let waited = self.wait(lease, host, &open)?;
        if waited.is_ok()
            && let Some(record) = record
        {
            self.store.put_dispatch(&DispatchRecord { wait_request: Some(request), ..record })?;
        }
        if let Ok(state) = waited {
            self.answer(&DispatchStanding { dispatch: id, state });
        }
        self.settle(None, None)?;
        waited.map(drop).map_err(|error| ErrorBody::from(error).into())
    }

    /// Yields the place of a worker. The log says so when it begins, as it says `dispatch.resumed` when it is over.
    pub(super) fn wait(
        &mut self,
        lease: Lease,
        host: &AspectName,
        on: &[DispatchId],
    ) -> Stored<Result<DispatchState, WaitError>> {
        let before = self.hub.queue.state(lease.dispatch);
        let waited = self.hub.queue.wait(lease, host, on, self.at);
        let is_away = matches!(waited, Ok(DispatchState::Waiting | DispatchState::Retaking));
        if is_away && before == Some(DispatchState::Running) {
            self.log_other(Party::Aspect(host.clone()), "dispatch.waiting", lease.dispatch, &lease)?;
        }
        Ok(waited)
    }

    fn has_ended_under(&self, child: DispatchId, parent: DispatchId) -> Stored<bool> {
        let found = self.store.dispatch_head(child)?;
        Ok(found.is_some_and(|record| record.info.parent == Some(parent) && record.info.state.is_end()))
    }

    pub(super) fn lease_renew(&mut self, sender: &Party, renew: LeaseRenew) -> Done {
        let host = worker(sender)?;
        let lost = self.hub.queue.renew(host, &renew.leases, self.at);
        self.answer(&LeasesRenewed { lost });
        self.settle(None, None)?;
        Ok(())
    }
}

/// A dispatch that may go into the queue.
struct Order {
    id: DispatchId,
    request_sha256: [u8; 32],
    target: Target,
    /// What the target was chosen for.
    capability: Option<Wanted>,
    input: Value,
    thread: Option<ThreadId>,
    deadline_at: Ms,
    clamped: bool,
    budget: Budget,
    parent: Option<Lease>,
    parent_used: Spending,
    retry: Option<Retry>,
    /// The run it is a step of; nobody is answered then.
    run: Option<RunId>,
}

/// What is tried again.
struct Retry {
    of: DispatchId,
    trace: Option<TraceContext>,
}

fn worker(sender: &Party) -> Done<&AspectName> {
    match sender {
        Party::Aspect(name) => Ok(name),
        Party::Operator(_) | Party::System => {
            refuse(ErrorCode::Invalid, format!("{sender} holds no lease; only an aspect works for its Hands"))
        }
    }
}

/// Amounts that mean something. Nothing at all is for [`crate::hub::budget`] to allow.
pub(super) fn check_budget(field: &str, budget: Budget) -> Done {
    if budget.is_spent() {
        return refuse(
            ErrorCode::Invalid,
            format!("`{field}` has a 0 in it: nothing could be done with that"),
        );
    }
    check_amounts(field, budget)
}

pub(super) fn check_amounts(field: &str, budget: Budget) -> Done {
    let Budget { tokens, cost_microusd } = budget;
    if tokens.max(cost_microusd).is_some_and(|most| most > BUDGET_AMOUNT_MAX) {
        let message = format!("`{field}`: {BUDGET_AMOUNT_MAX} is the largest amount there is");
        return refuse(ErrorCode::Invalid, message);
    }
    Ok(())
}

/// `bytes`: of its JSON.
fn check_size(bytes: usize, what: &str) -> Done {
    if bytes > DURABLE_BYTES_MAX {
        return refuse(
            ErrorCode::TooLarge,
            format!("the {what} is {bytes} bytes as JSON; {DURABLE_BYTES_MAX} is the most"),
        );
    }
    Ok(())
}
