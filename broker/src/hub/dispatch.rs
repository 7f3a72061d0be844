//! Requests about Hands: what is checked before the queue sees one, and how each is answered. Which dispatch
//! runs when is `queue`'s; what its events write and whom they reach is `settle`'s.

mod settle;

use nexus_wire::chat::Usage;
use nexus_wire::hands::{
    Dispatch, DispatchCancel, DispatchInfo, DispatchResult, DispatchStanding, DispatchState, DispatchWait,
    Dispatched, HandSpec, LeaseRenew, LeasesRenewed,
};
use nexus_wire::limits::DURABLE_BYTES_MAX;
use nexus_wire::name::HandName;
use nexus_wire::{AspectName, DispatchId, ErrorBody, ErrorCode, Ms, Party, RequestId, derive};
use serde::Serialize;
use serde_json::{Value, json};

use super::inbox::{json_bytes, sha256_of};
use super::queue::{NewDispatch, Offer, Verdict};
use super::records::{AspectRecord, DispatchRecord, Profile, Store, Stored};
use super::step::{Done, Step, refuse};
pub(super) use settle::Finished;

/// What the queue needs to know of a profile.
pub(super) fn offer_of(profile: &Profile) -> Offer {
    Offer {
        hands: profile.hands.iter().map(|hand| (hand.name.clone(), hand.concurrency)).collect(),
        slots: profile.slots,
    }
}

impl<S: Store> Step<'_, S> {
    pub(super) fn dispatch(&mut self, sender: &Party, request: RequestId, dispatch: Dispatch) -> Done {
        let request_sha256 = sha256_of(&dispatch);
        let id = derive::dispatch_id(request, sender);
        if let Some(first) = self.store.dispatch_head(id)? {
            if first.request_sha256 != request_sha256 {
                return refuse(
                    ErrorCode::IdReused,
                    format!("request {request} made another dispatch before; a new one needs a new id"),
                );
            }
            self.answer_dispatched(&first.info, first.clamped);
            return Ok(());
        }
        check_size(&dispatch, "dispatch")?;
        let spec = self.find_hand(&dispatch)?;
        check_invoker(&dispatch, spec, sender)?;
        let (timeout_s, idempotent) = (spec.timeout_s, spec.idempotent);
        if let Some(thread) = dispatch.thread
            && self.reachable_thread(sender, thread)?.is_none()
        {
            return refuse(ErrorCode::NotFound, format!("there is no thread {thread}"));
        }
        let (deadline_at, clamped) = self.deadline(dispatch.deadline_s)?;
        let new = NewDispatch {
            id,
            hand: dispatch.hand.clone(),
            idempotent,
            timeout_ms: Ms::from(timeout_s) * 1000,
            deadline_at,
            invoker: sender.clone(),
            parent: dispatch.parent,
        };
        let accepted = match self.hub.queue.accept(new, self.at) {
            Ok(accepted) => accepted,
            Err(refusal) => {
                // Others may have expired on the way.
                self.settle(None, None)?;
                return Err(ErrorBody::from(refusal).into());
            }
        };
        let record = DispatchRecord {
            info: DispatchInfo {
                id,
                hand: dispatch.hand,
                invoker: sender.clone(),
                key: accepted.key,
                root: accepted.root,
                parent: dispatch.parent.map(|lease| lease.dispatch),
                depth: accepted.depth,
                thread: dispatch.thread,
                state: DispatchState::Pending,
                attempt: 0,
                accepted_at: self.at,
                assigned_at: None,
                ended_at: None,
                deadline_at,
                input: dispatch.input,
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
            request_sha256,
        };
        let state = self.hub.queue.state(id).unwrap_or(DispatchState::Pending);
        let position = self.hub.queue.position(id);
        self.answer(&Dispatched { dispatch: id, state, position, deadline_at, clamped });
        self.settle(Some(record), None)?;
        Ok(())
    }

    fn answer_dispatched(&mut self, info: &DispatchInfo, clamped: bool) {
        let position = self.hub.queue.position(info.id);
        self.answer(&Dispatched {
            dispatch: info.id,
            state: info.state,
            position,
            deadline_at: info.deadline_at,
            clamped,
        });
    }

    /// The Hand as its aspect last declared it; the aspect need not be online.
    fn find_hand(&self, dispatch: &Dispatch) -> Done<&HandSpec> {
        let (aspect, hand) = (&dispatch.hand.aspect, &dispatch.hand.hand);
        let Some(host) = self.hub.roster.aspect(aspect).filter(|record| record.is_active()) else {
            return Err(self.no_such_aspect(aspect).into());
        };
        match host.profile.hands.iter().find(|spec| spec.name == *hand) {
            Some(spec) => Ok(spec),
            None => Err(no_such_hand(host, hand).into()),
        }
    }

    fn no_such_aspect(&self, aspect: &AspectName) -> ErrorBody {
        let offering: Vec<String> = self.hub.roster.active().flat_map(hands_of).take(32).collect();
        ErrorBody::new(
            ErrorCode::NotFound,
            format!("there is no aspect {aspect}; {}", listed("Hands on this team are", &offering)),
        )
        .with(json!({"hands": offering}))
    }

    /// When a dispatch has to end, and whether that is sooner than asked for.
    fn deadline(&self, asked_s: Option<u32>) -> Done<(Ms, bool)> {
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

    /// A repeat of the result that ended the dispatch is answered like the first.
    pub(super) fn dispatch_result(&mut self, sender: &Party, result: DispatchResult) -> Done {
        let host = worker(sender)?;
        check_size(&result, "result")?;
        let lease = result.lease;
        let verdict = match (&result.output, &result.error) {
            (Some(_), None) => Verdict::Done,
            (None, Some(failure)) => Verdict::Failed(failure.clone()),
            (Some(_), Some(_)) | (None, None) => {
                return refuse(
                    ErrorCode::Invalid,
                    "a result has either an output, which is not null, or an error",
                );
            }
        };
        let outcome = self.hub.queue.result(lease, host, verdict, self.at);
        match outcome {
            Ok(state) => {
                self.answer(&DispatchStanding { dispatch: lease.dispatch, state });
                self.settle(None, Some(Finished::from(result)))?;
                Ok(())
            }
            Err(stale) => {
                self.settle(None, None)?;
                let state = self.repeated(&result, host)?.ok_or_else(|| ErrorBody::from(stale))?;
                self.answer(&DispatchStanding { dispatch: lease.dispatch, state });
                Ok(())
            }
        }
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

    pub(super) fn dispatch_cancel(&mut self, sender: &Party, cancel: DispatchCancel) -> Done {
        check_size(&cancel, "cancel")?;
        let id = cancel.dispatch;
        let Some(record) = self.store.dispatch_head(id)? else {
            return refuse(ErrorCode::NotFound, format!("there is no dispatch {id}"));
        };
        let may = match sender {
            Party::Aspect(_) => record.info.invoker == *sender,
            Party::Operator(_) | Party::System => true,
        };
        if !may {
            return refuse(
                ErrorCode::Forbidden,
                format!(
                    "dispatch {id} was made by {}; they or an operator may cancel it",
                    record.info.invoker
                ),
            );
        }
        let reason = match cancel.reason {
            Some(reason) if !reason.is_empty() => format!("cancelled by {sender}: {reason}"),
            Some(_) | None => format!("cancelled by {sender}"),
        };
        let receipt = self.hub.queue.cancel(id, &reason, self.at);
        self.answer(&receipt);
        if !receipt.cancelled.is_empty() {
            self.log_other(sender.clone(), "dispatch.cancelled", id, &reason)?;
        }
        self.settle(None, None)?;
        Ok(())
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
        let waited = self.hub.queue.wait(lease, host, &open, self.at);
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

fn worker(sender: &Party) -> Done<&AspectName> {
    match sender {
        Party::Aspect(name) => Ok(name),
        Party::Operator(_) | Party::System => {
            refuse(ErrorCode::Invalid, format!("{sender} holds no lease; only an aspect works for its Hands"))
        }
    }
}

fn check_size(request: &impl Serialize, what: &str) -> Done {
    let bytes = json_bytes(request);
    if bytes > DURABLE_BYTES_MAX {
        return refuse(
            ErrorCode::TooLarge,
            format!("the {what} is {bytes} bytes as JSON; {DURABLE_BYTES_MAX} is the most"),
        );
    }
    Ok(())
}

fn check_invoker(dispatch: &Dispatch, spec: &HandSpec, sender: &Party) -> Done {
    let (Party::Aspect(name), Some(allowed)) = (sender, &spec.allowed_invokers) else { return Ok(()) };
    if allowed.contains(name) {
        return Ok(());
    }
    let allowed: Vec<String> = allowed.iter().map(AspectName::to_string).collect();
    let message =
        format!("{name} may not dispatch to {}; {}", dispatch.hand, listed("those who may are", &allowed));
    Err(ErrorBody::new(ErrorCode::Forbidden, message).with(json!({"allowed_invokers": allowed})).into())
}

fn hands_of(record: &AspectRecord) -> impl Iterator<Item = String> {
    record.profile.hands.iter().map(|spec| format!("{}/{}", record.name, spec.name))
}

fn no_such_hand(host: &AspectRecord, hand: &HandName) -> ErrorBody {
    let offered: Vec<String> = hands_of(host).collect();
    let message = if host.generation == 0 {
        format!(
            "{} has never been online, so it is not known to have a Hand {hand}; start it first",
            host.name
        )
    } else {
        format!("{} has no Hand {hand}; {}", host.name, listed("its Hands are", &offered))
    };
    ErrorBody::new(ErrorCode::NotFound, message).with(json!({"hands": offered}))
}

fn listed(what: &str, names: &[String]) -> String {
    if names.is_empty() { format!("{what} none") } else { format!("{what} {}", names.join(", ")) }
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
