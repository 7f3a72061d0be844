//! What a slot sets to work, and what becomes of that: a message, a dispatch or a run of the owner's, tried again when
//! it comes to nothing.

use nexus_wire::admin::OperatorRole;
use nexus_wire::alert::AlertKind;
use nexus_wire::chat::ChatSend;
use nexus_wire::hands::{Dispatch, DispatchState};
use nexus_wire::inbox::Decision;
use nexus_wire::limits::{TRIGGER_ANSWER_MAX, TRIGGER_FAILURES_MAX};
use nexus_wire::run::RunState;
use nexus_wire::trigger::{Act, Overlap, SlotState, SlotWork, TriggerStatus};
use nexus_wire::turn::TurnCancel;
use nexus_wire::{
    AspectName, DispatchId, ErrorBody, HandTarget, ItemId, Ms, Party, RequestId, TriggerName, derive,
};

use super::define::WHILE_PAUSED;
use super::fill;
use crate::hub::cause::longer;
use crate::hub::records::{RunRecord, SlotRecord, Store, Stored, TriggerRecord, Watched};
use crate::hub::run::failure;
use crate::hub::step::{Done, Refusal, Step};

const BACKOFF_MS: Ms = 60_000;
const ANSWER_MS: Ms = TRIGGER_ANSWER_MAX.as_millis() as Ms;

impl<S: Store> Step<'_, S> {
    /// A new slot begins, waits, or is skipped. `now`: it begins within this step.
    pub(super) fn take_on(
        &mut self,
        mut slot: SlotRecord,
        refused: Option<String>,
        now: bool,
    ) -> Stored<SlotRecord> {
        let Some(record) = self.hub.triggers.get(&slot.name) else { return Ok(slot) };
        let waits = record.info.definition.overlap == Overlap::Queue
            && self.hub.triggers.open_of(&slot.name).next().is_some();
        if refused.is_some() {
            self.end_slot(slot.clone(), SlotState::Skipped, refused)?;
        } else if waits {
            self.keep_slot(&slot)?;
        } else if now {
            self.begin(slot.clone())?;
        } else {
            slot.slot.due = Some(self.at);
            self.keep_slot(&slot)?;
        }
        let kept = self.store.trigger_slots(slot.trigger, slot.slot.no + 1, 1)?;
        Ok(kept.into_iter().next().unwrap_or(slot))
    }

    /// Something is to happen to a slot by itself.
    pub(super) fn slot_due(&mut self, name: &TriggerName, no: u64) -> Stored<()> {
        let Some(slot) = self.hub.triggers.open.get(&(name.clone(), no)).cloned() else { return Ok(()) };
        match slot.slot.state {
            SlotState::Queued | SlotState::Retrying => self.begin(slot),
            SlotState::Running => {
                let hours = TRIGGER_ANSWER_MAX.as_secs() / 3600;
                self.came_to_nothing(slot, format!("it was not answered within {hours} hours"))
            }
            // None of these is open.
            SlotState::Done | SlotState::Failed | SlotState::Cancelled | SlotState::Skipped => Ok(()),
        }
    }

    /// The next attempt of a slot.
    fn begin(&mut self, mut slot: SlotRecord) -> Stored<()> {
        let Some(record) = self.hub.triggers.get(&slot.name).cloned() else { return Ok(()) };
        if let Some(why) = self.may_not(&record) {
            self.end_slot(slot, SlotState::Skipped, Some(why.clone()))?;
            return self.pause_for(record.name(), &why);
        }
        let line = longer(record.name(), &slot.lineage);
        if let Some(room) = self.no_room(&record.info, &slot) {
            return self.stand_in_line(slot, room);
        }
        if record.info.definition.overlap == Overlap::Replace {
            self.caused(line.clone(), |step| step.replace(&record, slot.slot.no))?;
        }
        (slot.waits_for, slot.waits_since) = (None, None);
        slot.slot.attempts += 1;
        slot.slot.due = None;
        match self.caused(line, |step| step.do_it(&record, &slot)) {
            Ok((work, asked)) => {
                slot.slot.state = SlotState::Running;
                slot.slot.work = Some(work);
                slot.slot.due = asked.is_some().then(|| self.at.saturating_add(ANSWER_MS));
                slot.asked = asked;
                self.began(&record, &slot)
            }
            Err(Refusal::Answer(error)) => self.came_to_nothing(slot, error.message),
            Err(Refusal::Store(error)) => Err(error),
        }
    }

    fn began(&mut self, record: &TriggerRecord, slot: &SlotRecord) -> Stored<()> {
        self.log_other(record.info.owner.clone(), "trigger.ran", record.name(), &slot.slot)?;
        self.keep_slot(slot)?;
        // What was set to work may have ended within the same step.
        if let Some(SlotWork::Dispatch(id)) = slot.slot.work
            && self.hub.queue.state(id).is_none()
            && let Some(ended) = self.store.dispatch_head(id)?
            && ended.info.state.is_end()
        {
            self.triggers_told(&[(id, ended.info.state)])?;
        }
        Ok(())
    }

    /// Why its owner may not do what it is to do.
    fn may_not(&self, record: &TriggerRecord) -> Option<String> {
        let Party::Operator(name) = &record.info.owner else {
            return Some(format!("{} is no operator", record.info.owner));
        };
        let owner = self.hub.roster.operator(name).filter(|owner| owner.revoked_at.is_none());
        match owner.map(|owner| owner.role) {
            Some(OperatorRole::Admin | OperatorRole::Operator) => None,
            Some(OperatorRole::Viewer) => Some(format!("its owner {name} may look and not act")),
            None => Some(format!("its owner {name} was revoked")),
        }
    }

    /// The message, the dispatch or the run, as its owner would make it.
    fn do_it(&mut self, record: &TriggerRecord, slot: &SlotRecord) -> Done<(SlotWork, Option<AspectName>)> {
        let info = &record.info;
        let request = derive::trigger_request(info.id, slot.slot.no, slot.slot.attempts, self.at);
        let owner = info.owner.clone();
        match &info.definition.act {
            Act::Ask(ask) => {
                self.on_team(&ask.aspect)?;
                let thread = match info.thread {
                    Some(thread) => self.store.thread(thread)?,
                    None => None,
                };
                if thread.as_ref().is_some_and(|thread| thread.paused) {
                    let message = "the thread in which it asks is paused until an operator writes in it";
                    return Err(ErrorBody::new(nexus_wire::ErrorCode::ThreadPaused, message).into());
                }
                let send = ChatSend {
                    thread: thread.map(|thread| thread.id),
                    to: vec![ask.aspect.to_string()],
                    content: filled(fill::text(&ask.text, &info.definition, slot))?,
                    topic: Some(format!("Trigger {}", record.name())),
                    ..ChatSend::default()
                };
                self.silently(|step| step.chat_send(&owner, request, send.into()))?;
                let message = derive::message_id(request, &owner);
                let thread = self.store.message(message)?.map(|sent| sent.message.thread);
                if info.thread != thread
                    && let Some(mut record) = self.hub.triggers.get(record.name()).cloned()
                {
                    record.info.thread = thread;
                    self.keep_trigger(record)?;
                }
                Ok((SlotWork::Message(message), Some(ask.aspect.clone())))
            }
            Act::Dispatch(dispatch) => {
                let field = "do.dispatch.input";
                let input = filled(fill::input(field, &dispatch.input, &info.definition, slot))?;
                let dispatch = Dispatch {
                    hand: dispatch.hand.clone().map(HandTarget::Hand),
                    capability: dispatch.capability.clone(),
                    input,
                    deadline_s: dispatch.deadline_s,
                    budget: info.definition.budget,
                    ..Dispatch::default()
                };
                self.silently(|step| step.dispatch(&owner, request, dispatch.into()))?;
                Ok((SlotWork::Dispatch(derive::dispatch_id(request, &owner)), None))
            }
            Act::Flow(flow) => {
                let input = filled(fill::input("do.flow.input", &flow.input, &info.definition, slot))?;
                let run = derive::run_id(request, &owner);
                self.start_run(run, &flow.id, input, owner)?;
                Ok((SlotWork::Run(run), None))
            }
        }
    }

    /// Whatever of a trigger is at work or waits makes room for its slot `no`.
    fn replace(&mut self, record: &TriggerRecord, no: u64) -> Stored<()> {
        let open = self.hub.triggers.open_of(record.name()).filter(|slot| slot.slot.no < no);
        let open: Vec<SlotRecord> = open.cloned().collect();
        for slot in open {
            let (work, asked, reason) =
                (slot.watched(), slot.asked.clone(), format!("replaced by slot {no}"));
            // It is watched no more before it ends, which is no failure of it.
            self.end_slot(slot.clone(), SlotState::Cancelled, Some(reason.clone()))?;
            match work {
                Some(Watched::Dispatch(id)) => {
                    self.hub.queue.cancel(id, &reason, self.at);
                    self.settle(None, None)?;
                }
                Some(Watched::Item(_)) => {
                    let (Some(of), Some(thread)) = (asked, record.info.thread) else { continue };
                    let cancel = TurnCancel { of, thread: Some(thread), turn: None, reason: Some(reason) };
                    let (request, owner) = (of_replaced(&slot, self.at), record.info.owner.clone());
                    match self.silently(|step| step.session_command(&owner, request, cancel.into())) {
                        // Who is gone has no turn to cancel.
                        Ok(()) | Err(Refusal::Answer(_)) => {}
                        Err(Refusal::Store(error)) => return Err(error),
                    }
                }
                Some(Watched::Run(run)) => {
                    self.end_run(run, RunState::Cancelled, Some(failure("cancelled", reason)))?;
                }
                None => {}
            }
        }
        Ok(())
    }

    /// These dispatches ended within this command.
    pub(in crate::hub) fn triggers_told(&mut self, ended: &[(DispatchId, DispatchState)]) -> Stored<()> {
        if self.hub.triggers.watched.is_empty() {
            return Ok(());
        }
        for (id, state) in ended {
            let Some(slot) = self.watched_slot(Watched::Dispatch(*id)) else { continue };
            match state {
                DispatchState::Done => self.end_slot(slot, SlotState::Done, None)?,
                DispatchState::Failed
                | DispatchState::TimedOut
                | DispatchState::Cancelled
                | DispatchState::Pending
                | DispatchState::Running
                | DispatchState::Waiting
                | DispatchState::Retaking
                | DispatchState::Unreachable => {
                    let failure = self.store.dispatch_head(*id)?.and_then(|record| record.info.error);
                    let because = failure.map(|it| format!(": {}", it.message)).unwrap_or_default();
                    let reason = format!("dispatch {id} is {}{because}", state.as_str());
                    self.came_to_nothing(slot, reason)?;
                }
            }
        }
        Ok(())
    }

    /// A run that is no step of another one has ended: the slot that waits for it, and those who come after its flow.
    pub(in crate::hub) fn triggers_told_of_run(&mut self, ended: &RunRecord) -> Stored<()> {
        let info = &ended.info;
        if let Some(slot) = self.watched_slot(Watched::Run(info.id)) {
            match info.state {
                RunState::Done => self.end_slot(slot, SlotState::Done, None)?,
                RunState::Failed | RunState::Cancelled | RunState::Waiting | RunState::Running => {
                    let because = info.error.as_ref().map(|it| format!(": {}", it.message));
                    let reason =
                        format!("run {} is {}{}", info.id, info.state.as_str(), because.unwrap_or_default());
                    self.came_to_nothing(slot, reason)?;
                }
            }
        }
        self.tell_flow_followers(ended)
    }

    /// An aspect has decided on an item. Anyone who knows of a message can name the item it is to another.
    pub(in crate::hub) fn trigger_answered(
        &mut self,
        by: &AspectName,
        item: ItemId,
        decision: Decision,
        reason: Option<&str>,
    ) -> Stored<()> {
        let slot = self.watched_slot(Watched::Item(item)).filter(|slot| slot.asked.as_ref() == Some(by));
        let Some(slot) = slot else { return Ok(()) };
        match decision {
            Decision::Replied | Decision::Acted | Decision::Silent => {
                self.end_slot(slot, SlotState::Done, None)
            }
            Decision::Failed => {
                let because = reason.map(|it| format!(": {it}")).unwrap_or_default();
                self.came_to_nothing(slot, format!("the aspect could not answer{because}"))
            }
        }
    }

    fn watched_slot(&self, watched: Watched) -> Option<SlotRecord> {
        let key = self.hub.triggers.watched.get(&watched)?;
        self.hub.triggers.open.get(key).cloned()
    }

    /// An attempt came to nothing: there is another one, or the slot has failed.
    fn came_to_nothing(&mut self, mut slot: SlotRecord, reason: String) -> Stored<()> {
        let Some(mut record) = self.hub.triggers.get(&slot.name).cloned() else { return Ok(()) };
        record.info.failures = record.info.failures.saturating_add(1);
        let failures = record.info.failures;
        let retry = record.info.definition.retry.clone();
        let is_paused = record.info.status == TriggerStatus::Paused;
        self.keep_trigger(record)?;
        if slot.slot.attempts <= retry.max && !is_paused {
            let at = usize::try_from(slot.slot.attempts).unwrap_or(usize::MAX).saturating_sub(1);
            let pause = retry.backoff_s.get(at).or_else(|| retry.backoff_s.last());
            let pause = pause.map_or(BACKOFF_MS, |seconds| Ms::from(*seconds) * 1000);
            slot.slot.state = SlotState::Retrying;
            slot.slot.due = Some(self.at.saturating_add(pause));
            slot.slot.reason = Some(shortened(&reason));
            self.log_other(Party::System, "trigger.retrying", &slot.name, &slot.slot)?;
            return self.keep_slot(&slot);
        }
        let name = slot.name.clone();
        self.end_slot(slot, SlotState::Failed, Some(reason.clone()))?;
        if failures >= TRIGGER_FAILURES_MAX && !is_paused {
            self.pause_for(
                &name,
                &format!("{failures} attempts in a row came to nothing; the last: {reason}"),
            )?;
        }
        Ok(())
    }

    /// Pauses it because it cannot go on like this, and tells operators.
    fn pause_for(&mut self, name: &TriggerName, why: &str) -> Stored<()> {
        let why = shortened(why);
        if self.hub.triggers.get(name).is_none_or(|record| record.info.status != TriggerStatus::Active) {
            return Ok(());
        }
        self.log_other(Party::System, "trigger.paused", name, &why)?;
        self.pause_trigger(name, &why)?;
        let message =
            format!("trigger {name} is paused: {why}. When that is mended: nexctl trigger resume {name}");
        self.raise_alert(AlertKind::TriggerPaused, name.as_str(), &message)
    }

    /// The end of a slot: kept, told to those that come after, and room for the next one that waits.
    pub(super) fn end_slot(
        &mut self,
        mut slot: SlotRecord,
        state: SlotState,
        reason: Option<String>,
    ) -> Stored<()> {
        slot.slot.state = state;
        slot.slot.reason = reason.map(|reason| shortened(&reason));
        slot.slot.ended_at = Some(self.at);
        slot.slot.due = None;
        (slot.waits_for, slot.waits_since) = (None, None);
        slot.payload = serde_json::Value::Null;
        let kind = match state {
            SlotState::Skipped => "trigger.skipped",
            SlotState::Done
            | SlotState::Failed
            | SlotState::Cancelled
            | SlotState::Queued
            | SlotState::Running
            | SlotState::Retrying => "trigger.ended",
        };
        self.log_other(Party::System, kind, &slot.name, &slot.slot)?;
        self.keep_slot(&slot)?;
        if state == SlotState::Done
            && let Some(mut record) =
                self.hub.triggers.get(&slot.name).filter(|it| it.info.failures > 0).cloned()
        {
            record.info.failures = 0;
            self.keep_trigger(record)?;
        }
        self.tell_followers(&slot)?;
        self.next_in_line(&slot.name)
    }

    /// With the overlap `queue`, the oldest that waits has its turn when nothing else is open.
    fn next_in_line(&mut self, name: &TriggerName) -> Stored<()> {
        let is_queued = |slot: &&SlotRecord| slot.slot.state == SlotState::Queued;
        let first = self.hub.triggers.open_of(name).next().filter(is_queued);
        let is_held = |slot: &&SlotRecord| slot.slot.due.is_none() && slot.waits_for.is_none();
        let Some(mut first) = first.filter(is_held).cloned() else { return Ok(()) };
        if self.hub.triggers.get(name).is_some_and(|it| it.info.status == TriggerStatus::Paused) {
            return self.end_slot(first, SlotState::Skipped, Some(WHILE_PAUSED.to_owned()));
        }
        first.slot.due = Some(self.at);
        self.keep_slot(&first)
    }

    pub(super) fn keep_slot(&mut self, slot: &SlotRecord) -> Stored<()> {
        self.store.put_trigger_slot(slot)?;
        self.hub.triggers.put_slot(slot.clone());
        Ok(())
    }
}

/// What cannot be filled in is refused like anything else that is wrong with a request.
fn filled<T>(filled: Result<T, String>) -> Done<T> {
    filled.map_err(|wrong| ErrorBody::new(nexus_wire::ErrorCode::Invalid, wrong).into())
}

/// The request by which the turn of a slot that is replaced is cancelled.
fn of_replaced(slot: &SlotRecord, at: Ms) -> RequestId {
    derive::trigger_request(slot.trigger, slot.slot.no, u32::MAX, at)
}

fn shortened(text: &str) -> String {
    text[..text.floor_char_boundary(nexus_wire::limits::ALERT_MESSAGE_BYTES_MAX)].to_owned()
}
