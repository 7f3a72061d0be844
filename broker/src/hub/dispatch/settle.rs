//! What the queue decided, written down and told: items to workers and invokers, log entries, rows. Everything
//! a dispatch goes through within one command is written once.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};

use nexus_wire::alert::AlertKind;
use nexus_wire::budget::{Budget, Spending};
use nexus_wire::chat::Usage;
use nexus_wire::hands::{Assignment, DispatchInfo, DispatchState, HandFailure, Lease, Outcome, Stop};
use nexus_wire::log::LogBody;
use nexus_wire::{AspectName, DispatchId, Ms, Party, TraceContext, derive};
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use crate::hub::effect::{Effect, Milestone};
use crate::hub::inbox::{BodyRef, sha256_of};
use crate::hub::queue::Event;
use crate::hub::records::{DispatchRecord, Store, StoreError, Stored, outcome};
use crate::hub::step::Step;

/// What the worker of the dispatch that this command finishes has brought.
#[derive(Debug)]
pub(in crate::hub) struct Finished {
    pub(super) id: DispatchId,
    pub(super) output: Option<Value>,
    pub(super) usage: Usage,
    pub(super) cost_microusd: Option<u64>,
}

/// The rows touched on the way; `new` is not in the store yet, the others lack input and output.
#[derive(Default)]
struct Touched {
    new: Option<DispatchRecord>,
    others: BTreeMap<DispatchId, DispatchRecord>,
}

impl Touched {
    fn record(&mut self, store: &impl Store, id: DispatchId) -> Stored<&mut DispatchRecord> {
        if self.new.as_ref().is_some_and(|new| new.info.id == id) {
            return self.new.as_mut().ok_or_else(|| lost(id));
        }
        match self.others.entry(id) {
            Entry::Occupied(found) => Ok(found.into_mut()),
            Entry::Vacant(free) => Ok(free.insert(store.dispatch_head(id)?.ok_or_else(|| lost(id))?)),
        }
    }

    /// What the items of the dispatch carry.
    fn context(&mut self, store: &impl Store, id: DispatchId) -> Stored<Option<TraceContext>> {
        Ok(self.record(store, id)?.trace.as_ref().map(|trace| trace.context.clone()))
    }
}

fn lost(id: DispatchId) -> StoreError {
    StoreError::Corrupt(format!("dispatch {id} is in the queue and has no row"))
}

impl<S: Store> Step<'_, S> {
    /// Carries out what the queue decided since the last call. `new` is the dispatch this command brought.
    pub(in crate::hub) fn settle(
        &mut self,
        new: Option<DispatchRecord>,
        mut finished: Option<Finished>,
    ) -> Stored<()> {
        let events = self.hub.queue.take_events();
        let changes = self.hub.queue.take_changes().map_err(|error| {
            StoreError::Corrupt(format!("the state of the queue cannot be written: {error}"))
        })?;
        if let Some(new) = &new {
            let content = sha256_of(&new.info.input);
            let (invoker, thread) = (new.info.invoker.clone(), new.info.thread);
            self.log(invoker, thread, LogBody::DispatchAccepted(Box::new(new.info.clone())), content)?;
        }
        let mut touched = Touched { new, others: BTreeMap::new() };
        let mut ends = Vec::new();
        for event in events {
            match event {
                Event::Assigned { lease, host, granted, budget } => {
                    self.assigned(&mut touched, lease, &host, granted, budget)?;
                }
                Event::Resumed { lease, wait, host } => {
                    let id = derive::dispatch_item(lease.dispatch, "resume", resume_ordinal(lease, wait));
                    let trace = touched.context(self.store, lease.dispatch)?;
                    self.push(&host, id, None, trace.as_ref(), &BodyRef::Resume { lease, wait }.text())?;
                    self.log_other(Party::System, "dispatch.resumed", lease.dispatch, &lease)?;
                }
                Event::CancelWork { lease, host, reason, said } => {
                    let stop = Stop { attempt: lease.attempt, told_at: self.at, said, confirmed_at: None };
                    touched.record(self.store, lease.dispatch)?.info.stop = Some(stop);
                    let id = derive::dispatch_item(lease.dispatch, "cancel", u64::from(lease.attempt));
                    let trace = touched.context(self.store, lease.dispatch)?;
                    let body = BodyRef::Cancel { lease, reason: &reason }.text();
                    self.push(&host, id, None, trace.as_ref(), &body)?;
                    self.log_other(Party::System, "dispatch.work_cancelled", lease.dispatch, &lease)?;
                }
                Event::Ended { id, state, failure, attempts, granted, spent } => {
                    ends.push((id, state));
                    let brought = finished.take_if(|finished| finished.id == id);
                    let end = End { state, failure, attempts, granted, spent };
                    self.ended(&mut touched, id, end, brought)?;
                }
            }
        }
        for (id, queue) in changes.dispatches {
            let (state, deadline) = (self.hub.queue.state(id), self.hub.queue.deadline(id));
            let record = touched.record(self.store, id)?;
            if let Some(state) = state {
                record.info.state = state;
            }
            record.info.deadline_at = deadline.unwrap_or(record.info.deadline_at);
            record.queue = queue;
        }
        if let Some(new) = &touched.new {
            self.store.add_dispatch(new)?;
        }
        for record in touched.others.values() {
            self.store.put_dispatch(record)?;
        }
        let all = touched.new.iter().chain(touched.others.values());
        let hosts: BTreeSet<AspectName> = all.map(|record| record.info.hand.aspect.clone()).collect();
        hosts.iter().for_each(|host| self.show_work(host));
        if !changes.clocks.is_empty() {
            self.store.put_clocks(&changes.clocks)?;
            self.store.put_last_at(self.at)?;
        }
        for (key, purse) in changes.purses {
            match purse {
                Some(purse) => self.store.put_purse(&purse)?,
                None => self.store.remove_purse(&key)?,
            }
        }
        self.gathers_moved()?;
        self.end_long_waits()?;
        self.tell_purses()?;
        self.approvals_told(&ends)?;
        self.runs_told(&ends)?;
        self.gathers_told(&ends)?;
        self.triggers_told(&ends)
    }

    /// An attempt begins: its worker gets the work.
    fn assigned(
        &mut self,
        touched: &mut Touched,
        lease: Lease,
        host: &AspectName,
        granted: Budget,
        budget: Budget,
    ) -> Stored<()> {
        let id = lease.dispatch;
        let at = self.at;
        let record = touched.record(self.store, id)?;
        // A row that was loaded has its input left out.
        let mut input = std::mem::take(&mut record.info.input);
        if input.is_null() {
            input = self.store.dispatch(id)?.map_or(Value::Null, |full| full.info.input);
        }
        let since = waiting_since(&record.info);
        record.info.state = DispatchState::Running;
        record.info.attempt = lease.attempt;
        record.info.assigned_at = Some(at);
        record.info.granted = granted;
        record.refused_sha256 = None;
        let assignment = Assignment {
            lease,
            hand: record.info.hand.hand.clone(),
            input,
            invoker: record.info.invoker.clone(),
            thread: record.info.thread,
            depth: record.info.depth,
            timeout_s: record.timeout_s,
            deadline_at: record.info.deadline_at,
            budget,
        };
        let (thread, hand) = (record.info.thread, record.info.hand.clone());
        let trace = record.trace.clone();
        let body = BodyRef::Assignment(&assignment).text();
        let item = derive::dispatch_item(id, "assignment", u64::from(lease.attempt));
        let context = trace.as_ref().map(|trace| &trace.context);
        let offset = self.push(host, item, None, context, &body)?;
        if let Some(trace) = trace.filter(|trace| trace.under.is_some()) {
            let attempt = lease.attempt;
            let passed = Milestone::Queued { trace, dispatch: id, hand, attempt, since, at };
            self.effect(Effect::Passed(Box::new(passed)));
        }
        let record = touched.record(self.store, id)?;
        record.assigned_offset = offset;
        record.info.input = assignment.input;
        let body = LogBody::DispatchAssigned { dispatch: id, attempt: lease.attempt, aspect: host.clone() };
        self.log(Party::System, thread, body, sha256_of(&lease))
    }

    fn ended(
        &mut self,
        touched: &mut Touched,
        id: DispatchId,
        end: End,
        brought: Option<Finished>,
    ) -> Stored<()> {
        let at = self.at;
        let record = touched.record(self.store, id)?;
        let info = &mut record.info;
        let actor = match &brought {
            Some(_) => Party::Aspect(info.hand.aspect.clone()),
            None => Party::System,
        };
        info.state = end.state;
        info.error = end.failure;
        info.attempt = end.attempts;
        info.ended_at = Some(at);
        if let Some(finished) = brought {
            info.output = finished.output;
            info.usage = finished.usage;
            info.cost_microusd = finished.cost_microusd;
        }
        info.spent = (!end.granted.is_unlimited()).then_some(end.spent);
        let (invoker, thread, accepted_at) = (info.invoker.clone(), info.thread, info.accepted_at);
        let is_step = info.run.is_some();
        let ended = outcome(info);
        let body = BodyRef::Result(&ended).text();
        let trace = record.trace.clone();
        // A run waits for it, and not who started that.
        if let Party::Aspect(name) = &invoker
            && !is_step
        {
            let item = derive::dispatch_item(id, "result", 0);
            // Whoever cancelled it may be in another trace.
            let context = trace.as_ref().map(|trace| trace.context.clone()).or_else(|| self.context());
            self.push(name, item, None, context.as_ref(), &body)?;
        }
        if let Some(trace) = trace.filter(|trace| trace.under.is_some()) {
            let outcome = Box::new(without_output(&ended));
            let passed = Milestone::Ended { trace, outcome, invoker, since: accepted_at, at };
            self.effect(Effect::Passed(Box::new(passed)));
        }
        if let Some(failure) = ended.error.as_ref().filter(|failure| failure.code == "worker_lost")
            && actor == Party::System
        {
            let message = format!("dispatch {id} failed: {}", failure.message);
            self.raise_alert(AlertKind::WorkerLost, &ended.hand.to_string(), &message)?;
        }
        if !end.granted.covers(end.spent) {
            let message = format!("dispatch {id} has spent {} of {}", end.spent, end.granted);
            self.raise_alert(AlertKind::BudgetExceeded, &ended.hand.to_string(), &message)?;
        }
        let content = Sha256::digest(body).into();
        self.log(actor, thread, LogBody::DispatchEnded(Box::new(ended)), content)
    }
}

fn without_output(ended: &Outcome) -> Outcome {
    // Spelled out so that what is left out is never copied.
    let Outcome {
        dispatch,
        hand,
        parent,
        thread,
        state,
        output: _,
        error,
        attempts,
        usage,
        cost_microusd,
        spent,
    } = ended;
    Outcome {
        dispatch: *dispatch,
        hand: hand.clone(),
        parent: *parent,
        thread: *thread,
        state: *state,
        output: None,
        error: error.clone(),
        attempts: *attempts,
        usage: *usage,
        cost_microusd: *cost_microusd,
        spent: *spent,
    }
}

/// Since when it has waited for its next attempt, as far as its row tells.
fn waiting_since(info: &DispatchInfo) -> Ms {
    let stopped = info.stops().last().filter(|stop| stop.attempt == info.attempt).map(|stop| stop.told_at);
    stopped.or(info.assigned_at).unwrap_or(info.accepted_at)
}

struct End {
    state: DispatchState,
    failure: Option<HandFailure>,
    attempts: u32,
    granted: Budget,
    spent: Spending,
}

/// Tells the waits of all attempts apart.
fn resume_ordinal(lease: Lease, wait: u32) -> u64 {
    (u64::from(lease.attempt) << 32) | u64::from(wait)
}
