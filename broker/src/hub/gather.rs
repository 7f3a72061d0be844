//! Gathers: several dispatches of one invoker, and one answer when enough of them are done, when too many have
//! ended otherwise, or when the deadline passes. What runs when stays the queue's; this only counts ends.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;

use nexus_expr::nests_within;
use nexus_wire::gather::{
    Gather, GatherCancel, GatherCancelled, GatherInfo, GatherMember, GatherPolicy, GatherResult, GatherState,
    Gathered,
};
use nexus_wire::hands::{CancelReceipt, DispatchState, Outcome};
use nexus_wire::limits::{GATHER_BYTES_MAX, GATHERS_OPEN_MAX, JSON_DEPTH_SENT_MAX};
use nexus_wire::{AspectName, DispatchId, ErrorBody, ErrorCode, GatherId, Ms, Party, RequestId, derive};

use super::Hub;
use super::inbox::{BodyRef, json_bytes, sha256_of};
use super::queue::Queue;
use super::records::{GatherRecord, Store, Stored, outcome};
use super::step::{Done, Step, refuse};

/// What stands around an output in the frame that delivers the end of a gather.
const LEVELS_AROUND: usize = 8;
/// Of a failure's message in the end of a gather.
const MESSAGE_BYTES_MAX: usize = 1024;

/// Those that are open.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Gathers {
    open: BTreeMap<GatherId, GatherRecord>,
    /// Which of them wait for a dispatch, and by when they end at the latest; functions of `open`.
    of: BTreeMap<DispatchId, BTreeSet<GatherId>>,
    due: BTreeSet<(Ms, GatherId)>,
}

impl Gathers {
    pub(super) fn new(open: Vec<GatherRecord>) -> Self {
        let mut gathers = Self::default();
        open.into_iter().for_each(|record| gathers.insert(record));
        gathers
    }

    /// When the first deadline passes.
    pub(super) fn due(&self, queue: &Queue) -> Option<Ms> {
        self.moving(queue).map(|record| record.info.deadline_at).next()
    }

    /// Those whose deadline does not stand still, the first one first: one stands as long as one of its dispatches does.
    fn moving<'a>(&'a self, queue: &'a Queue) -> impl Iterator<Item = &'a GatherRecord> {
        let stands = |member: &GatherMember| member.ended.is_none() && queue.stands(member.dispatch);
        let does_any = queue.does_any_stand();
        let records = self.due.iter().filter_map(|(_, id)| self.open.get(id));
        records.filter(move |record| !does_any || !record.info.members.iter().any(stands))
    }

    fn count_of(&self, invoker: &Party) -> usize {
        self.open.values().filter(|record| record.info.invoker == *invoker).count()
    }

    /// Deadlines of dispatches have moved; so do those of the gathers that wait for them, as far as the furthest.
    fn shift(&mut self, moved: &BTreeMap<DispatchId, Ms>) -> BTreeSet<GatherId> {
        let mut by: BTreeMap<GatherId, Ms> = BTreeMap::new();
        for (dispatch, ms) in moved {
            for id in self.of.get(dispatch).into_iter().flatten() {
                by.entry(*id).and_modify(|most| *most = (*most).max(*ms)).or_insert(*ms);
            }
        }
        for (id, ms) in &by {
            if let Some(record) = self.open.get_mut(id) {
                self.due.remove(&(record.info.deadline_at, *id));
                record.info.deadline_at = record.info.deadline_at.saturating_add(*ms);
                self.due.insert((record.info.deadline_at, *id));
            }
        }
        by.into_keys().collect()
    }

    /// Whether an open one is about this dispatch, whether or not that has ended.
    pub(super) fn holds(&self, dispatch: DispatchId) -> bool {
        self.open.values().any(|record| record.info.members.iter().any(|member| member.dispatch == dispatch))
    }

    fn insert(&mut self, record: GatherRecord) {
        let id = record.info.id;
        for member in record.info.members.iter().filter(|member| member.ended.is_none()) {
            self.of.entry(member.dispatch).or_default().insert(id);
        }
        self.due.insert((record.info.deadline_at, id));
        self.open.insert(id, record);
    }

    fn remove(&mut self, id: GatherId) -> Option<GatherRecord> {
        let record = self.open.remove(&id)?;
        self.due.remove(&(record.info.deadline_at, id));
        for member in &record.info.members {
            if let Some(waiting) = self.of.get_mut(&member.dispatch) {
                waiting.remove(&id);
                if waiting.is_empty() {
                    self.of.remove(&member.dispatch);
                }
            }
        }
        Some(record)
    }

    /// A dispatch ended. Which gathers that concerns.
    fn note(&mut self, dispatch: DispatchId, state: DispatchState) -> BTreeSet<GatherId> {
        let concerned = self.of.remove(&dispatch).unwrap_or_default();
        for id in &concerned {
            let members = self.open.get_mut(id).into_iter().flat_map(|record| &mut record.info.members);
            members
                .filter(|member| member.dispatch == dispatch)
                .for_each(|member| member.ended = Some(state));
        }
        concerned
    }
}

impl Hub {
    /// The open ones before `before`, the latest first; of an aspect its own alone.
    pub fn open_gathers(
        &self,
        reader: &Party,
        before: Option<GatherId>,
    ) -> impl Iterator<Item = &GatherInfo> {
        let end = before.map_or(Bound::Unbounded, Bound::Excluded);
        let earlier = self.gathers.open.range((Bound::Unbounded, end)).rev().map(|(_, record)| &record.info);
        earlier.filter(move |info| reader.aspect().is_none() || info.invoker == *reader)
    }
}

/// How a gather ends.
struct End {
    state: GatherState,
    reason: Option<String>,
    cancel_rest: bool,
}

/// What the ends so far come to.
fn standing(info: &GatherInfo) -> GatherState {
    let count = |wanted: fn(&GatherMember) -> bool| info.members.iter().filter(|it| wanted(it)).count();
    let done = count(|member| member.ended == Some(DispatchState::Done));
    let open = count(|member| member.ended.is_none());
    let need = info.need as usize;
    if done >= need {
        GatherState::Met
    } else if done + open < need {
        GatherState::Failed
    } else {
        GatherState::Open
    }
}

/// How many have to be done.
fn need(gather: &Gather) -> Done<u32> {
    let all = u32::try_from(gather.dispatches.len()).unwrap_or(u32::MAX);
    match (gather.policy, gather.n) {
        (GatherPolicy::All, None) => Ok(all),
        (GatherPolicy::First, None) => Ok(1),
        (GatherPolicy::N, Some(n)) if (1..=all).contains(&n) => Ok(n),
        (GatherPolicy::N, _) => {
            refuse(ErrorCode::Invalid, format!("with the policy n say how many as `n`, from 1 to {all}"))
        }
        (GatherPolicy::All | GatherPolicy::First, Some(_)) => {
            refuse(ErrorCode::Invalid, "`n` goes with the policy n alone")
        }
    }
}

impl<S: Store> Step<'_, S> {
    pub(super) fn gather(&mut self, sender: &Party, request: RequestId, gather: Gather) -> Done {
        let request_sha256 = sha256_of(&gather);
        let id = derive::gather_id(request, sender);
        if let Some(first) = self.store.gather(id)? {
            if first.request_sha256 != request_sha256 {
                return refuse(
                    ErrorCode::IdReused,
                    format!("request {request} made another gather before; a new one needs a new id"),
                );
            }
            self.answer_gathered(&first.info);
            return Ok(());
        }
        // What is due by now has ended before it is counted.
        self.hub.queue.tick(self.at);
        self.settle(None, None)?;
        let need = need(&gather)?;
        let cancel_rest = cancels_rest(&gather)?;
        let members = self.members(sender, &gather)?;
        let open = self.hub.gathers.count_of(sender);
        if open >= GATHERS_OPEN_MAX {
            let message = format!(
                "{sender} has {open} open gathers, and {GATHERS_OPEN_MAX} is the most; wait for one to end, or cancel one"
            );
            return refuse(ErrorCode::QueueFull, message);
        }
        let (deadline_at, clamped) = self.deadline(gather.deadline_s)?;
        self.yield_to(sender, &gather, &members)?;
        let info = GatherInfo {
            id,
            invoker: sender.clone(),
            policy: gather.policy,
            need,
            cancel_rest,
            state: GatherState::Open,
            accepted_at: self.at,
            deadline_at,
            clamped,
            ended_at: None,
            reason: None,
            members,
        };
        self.answer_gathered(&info);
        self.log_other(sender.clone(), "gather.accepted", id, &info)?;
        let record = GatherRecord { info, request_sha256 };
        self.store.put_gather(&record)?;
        self.hub.gathers.insert(record);
        self.settle(None, None)?;
        self.conclude(id)?;
        Ok(())
    }

    fn answer_gathered(&mut self, info: &GatherInfo) {
        let GatherInfo { id, state, deadline_at, clamped, .. } = *info;
        self.answer(&Gathered { gather: id, state, deadline_at, clamped });
    }

    /// The dispatches named, each the sender's own and named once.
    fn members(&self, sender: &Party, gather: &Gather) -> Done<Vec<GatherMember>> {
        if gather.dispatches.is_empty() {
            return refuse(ErrorCode::Invalid, "`dispatches` names none; there is nothing to gather");
        }
        let mut members: Vec<GatherMember> = Vec::with_capacity(gather.dispatches.len());
        for id in &gather.dispatches {
            if members.iter().any(|member| member.dispatch == *id) {
                return refuse(ErrorCode::Invalid, format!("dispatch {id} is named twice"));
            }
            let found = self.store.dispatch_head(*id)?.filter(|record| record.info.invoker == *sender);
            let Some(record) = found else {
                return refuse(
                    ErrorCode::NotFound,
                    format!("there is no dispatch {id} that {sender} made; only one's own can be gathered"),
                );
            };
            if gather.lease.is_some_and(|lease| record.info.parent != Some(lease.dispatch)) {
                return refuse(
                    ErrorCode::Invalid,
                    format!("dispatch {id} is no child of the lease; a task may wait only for its own"),
                );
            }
            let state = record.info.state;
            members.push(GatherMember { dispatch: *id, ended: state.is_end().then_some(state) });
        }
        Ok(members)
    }

    /// A Hand at work yields its place, as by `dispatch.wait`.
    fn yield_to(&mut self, sender: &Party, gather: &Gather, members: &[GatherMember]) -> Done {
        let Some(lease) = gather.lease else { return Ok(()) };
        let host: &AspectName = match sender {
            Party::Aspect(name) => name,
            Party::Operator(_) | Party::System => {
                return refuse(ErrorCode::Invalid, format!("{sender} holds no lease; leave it out"));
            }
        };
        let open: Vec<DispatchId> =
            members.iter().filter(|member| member.ended.is_none()).map(|member| member.dispatch).collect();
        match self.wait(lease, host, &open)? {
            Ok(_) => Ok(()),
            Err(error) => {
                self.settle(None, None)?;
                Err(ErrorBody::from(error).into())
            }
        }
    }

    /// Ends an open gather before it is decided.
    pub(super) fn gather_cancel(&mut self, sender: &Party, request: RequestId, cancel: GatherCancel) -> Done {
        let Some(fresh) = self.first_time(sender, request, &cancel)? else { return Ok(()) };
        // What is due by now has ended before it is cancelled.
        self.hub.queue.tick(self.at);
        self.settle(None, None)?;
        self.gathers_due()?;
        let GatherCancel { gather: id, reason, cancel_rest } = cancel;
        let may = |record: &GatherRecord| sender.aspect().is_none() || record.info.invoker == *sender;
        let Some(GatherRecord { info, .. }) = self.store.gather(id)?.filter(may) else {
            return refuse(ErrorCode::NotFound, format!("there is no gather {id}, or it is not yours"));
        };
        let mut cancelled = GatherCancelled { gather: id, state: info.state, rest: CancelReceipt::default() };
        if info.state == GatherState::Open {
            let colon = if reason.is_some() { ": " } else { "" };
            let reason = format!("cancelled by {sender}{colon}{}", reason.unwrap_or_default());
            self.log_other(sender.clone(), "gather.cancelled", id, &reason)?;
            let end = End {
                state: GatherState::Cancelled,
                reason: Some(reason),
                cancel_rest: cancel_rest.unwrap_or(info.cancel_rest),
            };
            cancelled.state = end.state;
            cancelled.rest = self.end_gather(id, end)?;
        }
        Ok(self.answer_once(fresh, &cancelled)?)
    }

    /// These dispatches ended within this command.
    pub(super) fn gathers_told(&mut self, ended: &[(DispatchId, DispatchState)]) -> Stored<()> {
        let mut concerned = BTreeSet::new();
        for (dispatch, state) in ended {
            concerned.append(&mut self.hub.gathers.note(*dispatch, *state));
        }
        concerned.into_iter().try_for_each(|id| self.conclude(id))
    }

    /// Those that waited for what may go on have as much time left as that has.
    pub(super) fn gathers_moved(&mut self) -> Stored<()> {
        let moved = self.hub.queue.take_moved();
        for id in self.hub.gathers.shift(&moved) {
            if let Some(record) = self.hub.gathers.open.get(&id) {
                self.store.put_gather(record)?;
            }
        }
        Ok(())
    }

    /// Gathers whose deadline has passed.
    pub(super) fn gathers_due(&mut self) -> Stored<()> {
        let at = self.at;
        let is_due = |record: &&GatherRecord| record.info.deadline_at <= at;
        let moving = self.hub.gathers.moving(&self.hub.queue);
        let due: BTreeSet<GatherId> = moving.take_while(is_due).map(|record| record.info.id).collect();
        due.into_iter().try_for_each(|id| self.end_as(id, GatherState::TimedOut))
    }

    /// Ends the gather if it is decided, and writes down how far it is.
    fn conclude(&mut self, id: GatherId) -> Stored<()> {
        // Ended meanwhile, by what the end of another one cancelled.
        let Some(record) = self.hub.gathers.open.get(&id) else { return Ok(()) };
        match standing(&record.info) {
            GatherState::Open => self.store.put_gather(record),
            end @ (GatherState::Met
            | GatherState::Failed
            | GatherState::TimedOut
            | GatherState::Cancelled) => self.end_as(id, end),
        }
    }

    fn end_as(&mut self, id: GatherId, state: GatherState) -> Stored<()> {
        let Some(record) = self.hub.gathers.open.get(&id) else { return Ok(()) };
        let end = End { state, reason: None, cancel_rest: record.info.cancel_rest };
        self.end_gather(id, end).map(drop)
    }

    /// What became of those still open, where they are cancelled.
    fn end_gather(&mut self, id: GatherId, end: End) -> Stored<CancelReceipt> {
        let End { state, reason, cancel_rest } = end;
        let mut receipt = CancelReceipt::default();
        let Some(mut record) = self.hub.gathers.remove(id) else { return Ok(receipt) };
        record.info.state = state;
        record.info.reason = reason;
        record.info.ended_at = Some(self.at);
        self.store.put_gather(&record)?;
        let info = &record.info;
        if let Party::Aspect(name) = &info.invoker {
            let result = self.gather_result(info)?;
            let context = self.context();
            let body = BodyRef::Gather(&result).text();
            self.push(name, derive::gather_item(id), None, context.as_ref(), &body)?;
        }
        self.log_other(Party::System, "gather.ended", id, info)?;
        if cancel_rest {
            let reason = format!("gather {id} is {} without it", state.as_str());
            for member in info.members.iter().filter(|member| member.ended.is_none()) {
                let CancelReceipt { cancelled, stopped, unconfirmed, unreachable, already_ended } =
                    self.hub.queue.cancel(member.dispatch, &reason, self.at);
                receipt.cancelled.extend(cancelled);
                receipt.stopped.extend(stopped);
                receipt.unconfirmed.extend(unconfirmed);
                receipt.unreachable.extend(unreachable);
                receipt.already_ended.extend(already_ended);
            }
            self.settle(None, None)?;
        }
        Ok(receipt)
    }

    /// With as much of the outputs as one frame has room for.
    fn gather_result(&self, info: &GatherInfo) -> Stored<GatherResult> {
        let mut result = GatherResult {
            gather: info.id,
            state: info.state,
            reason: info.reason.clone(),
            need: info.need,
            outcomes: Vec::new(),
            open: Vec::new(),
            left_out: Vec::new(),
        };
        let mut room = GATHER_BYTES_MAX;
        for member in &info.members {
            if member.ended.is_none() {
                result.open.push(member.dispatch);
                continue;
            }
            let Some(record) = self.store.dispatch(member.dispatch)? else { continue };
            let mut ended = outcome(&record.info);
            if let Some(error) = &mut ended.error {
                error.message.truncate(error.message.floor_char_boundary(MESSAGE_BYTES_MAX));
            }
            match room.checked_sub(json_bytes(&ended)).filter(|_| fits(&ended)) {
                Some(left) => room = left,
                None => {
                    ended.output = None;
                    result.left_out.push(member.dispatch);
                }
            }
            result.outcomes.push(ended);
        }
        Ok(result)
    }
}

/// Whether a gather ends what it does not need; a Hand that yielded could not go on before that has ended.
fn cancels_rest(gather: &Gather) -> Done<bool> {
    match (gather.cancel_rest, gather.lease) {
        (Some(false), Some(_)) => refuse(
            ErrorCode::Invalid,
            "with a lease the rest is cancelled: the place is taken again once none of them is open",
        ),
        (Some(asked), _) => Ok(asked),
        (None, lease) => Ok(lease.is_some() || gather.policy != GatherPolicy::All),
    }
}

fn fits(outcome: &Outcome) -> bool {
    outcome.output.as_ref().is_none_or(|output| nests_within(output, JSON_DEPTH_SENT_MAX - LEVELS_AROUND))
}
