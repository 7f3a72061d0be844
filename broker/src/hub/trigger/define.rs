//! What people say of triggers: defined, deleted, fired by hand, paused, resumed.

use jiff::Timestamp;
use nexus_wire::alert::AlertKind;
use nexus_wire::files::WatcherState;
use nexus_wire::hands::HAND_OR_CAPABILITY;
use nexus_wire::limits::{
    KINDS_MAX, RESTRAINT_REASON_BYTES_MAX, TOPIC_BYTES_MAX, TRIGGER_BACKOFF_MAX_S, TRIGGER_CATCH_UP_MAX,
    TRIGGER_INPUT_BYTES_MAX, TRIGGER_JITTER_MAX_S, TRIGGER_RETRIES_MAX, TRIGGER_TEXT_BYTES_MAX, TRIGGERS_MAX,
};
use nexus_wire::trigger::{
    Act, Cause, Misfire, SlotState, StartFlow, Trigger, TriggerDelete, TriggerDeleted, TriggerFire,
    TriggerFired, TriggerInfo, TriggerPause, TriggerResume, TriggerStatus, When,
};
use nexus_wire::{ApprovalId, ErrorBody, ErrorCode, Ms, Party, RequestId, TriggerId, TriggerName, derive};
use serde_json::json;

use super::Ending;
use super::due::LAST;
use super::files::watcher;
use super::fill;
use super::hook::{fit_hook, preset_of};
use super::look::{door_of, fit_watch};
use super::schedule::Schedule;
use crate::hub::dispatch::check_budget;
use crate::hub::effect::Effect;
use crate::hub::inbox::json_bytes;
use crate::hub::records::{Rate, Store, Stored, TriggerRecord, Void};
use crate::hub::run::check_input;
use crate::hub::step::{Done, Step, refuse};

/// Why the slots of a paused trigger are skipped.
pub(super) const WHILE_PAUSED: &str = "the trigger was paused";

impl<S: Store> Step<'_, S> {
    pub(in crate::hub) fn trigger_put(
        &mut self,
        sender: &Party,
        request: RequestId,
        mut put: Trigger,
    ) -> Done {
        let Some(fresh) = self.first_time(sender, request, &put)? else { return Ok(()) };
        let wanted = put.if_defined_at.take();
        self.check_is_of(&put.name, wanted)?;
        if let Some(known) = self.hub.triggers.get(&put.name)
            && known.info.definition == put
        {
            let info = self.shown(known.info.clone())?;
            return Ok(self.answer_once(fresh, &info)?);
        }
        let info = self.define(sender, derive::trigger_id(request, sender), put)?;
        let info = self.shown(info)?;
        Ok(self.answer_once(fresh, &info)?)
    }

    /// An aspect's proposal becomes a trigger of whoever approves it.
    pub(in crate::hub) fn define_proposed(
        &mut self,
        owner: &Party,
        approval: ApprovalId,
        mut trigger: Trigger,
    ) -> Done {
        self.check_is_new(&trigger.name)?;
        // There is none, whatever it was to be.
        trigger.if_defined_at = None;
        self.define(owner, derive::proposed_trigger(approval), trigger)?;
        Ok(())
    }

    /// What would be refused when it is approved is refused when it is proposed.
    pub(in crate::hub) fn check_proposed(&self, trigger: &Trigger) -> Done {
        self.check_is_new(&trigger.name)?;
        self.check_definition(trigger)?;
        if let Some(files) = trigger.when.files() {
            // Whoever approves it does not see what the aspect offers.
            let aspect = self.store.aspect(&files.watch.aspect)?;
            let watcher = watcher(self.store, aspect.as_ref(), &files.watch)?;
            if let (WatcherState::NotOffered, Some(reason)) = (watcher.state, watcher.reason) {
                return refuse(ErrorCode::Invalid, format!("`when.files.watch`: {reason}"));
            }
        }
        self.first_slot(trigger, self.at).map(drop)
    }

    /// Nobody overwrites what is there with an approval that does not show it.
    fn check_is_new(&self, name: &TriggerName) -> Done {
        if self.hub.triggers.get(name).is_none() {
            return Ok(());
        }
        refuse(ErrorCode::Invalid, format!("there is a trigger {name} already; propose another name"))
    }

    /// Nobody's change is written over by somebody who has not seen it.
    fn check_is_of(&self, name: &TriggerName, wanted: Option<Ms>) -> Done {
        let known = self.hub.triggers.get(name).map(|record| &record.info);
        let is = known.map_or(0, |info| info.defined_at);
        let Some(wanted) = wanted.filter(|wanted| *wanted != is) else { return Ok(()) };
        let message = match known {
            None => {
                format!(
                    "there is no trigger {name} any more, or there never was; define it as a new one if it is wanted"
                )
            }
            Some(info) => {
                let how = if wanted == 0 { "defined" } else { "changed" };
                let at = Timestamp::from_millisecond(is).map_or_else(|_| is.to_string(), |at| at.to_string());
                format!(
                    "{} has {how} trigger {name} meanwhile, at {at}; look at it as it is now, and change that",
                    info.owner
                )
            }
        };
        Err(ErrorBody::new(ErrorCode::Conflict, message).with(json!({"defined_at": is})).into())
    }

    /// Defines a trigger, or defines it anew; a new one is known as `id`.
    fn define(&mut self, sender: &Party, id: TriggerId, put: Trigger) -> Done<TriggerInfo> {
        let known = self.hub.triggers.get(&put.name).cloned();
        if known.is_none() && self.hub.triggers.by_name.len() >= TRIGGERS_MAX {
            let message = format!("there are {TRIGGERS_MAX} triggers already; delete one that is not needed");
            return refuse(ErrorCode::Invalid, message);
        }
        self.check_definition(&put)?;
        let created_at = known.as_ref().map_or(self.at, |known| known.info.created_at);
        let next = self.first_slot(&put, created_at)?;
        // It is what one definition is told from another by, so two in one millisecond differ in it.
        let defined_at = known.as_ref().map_or(self.at, |known| self.at.max(known.info.defined_at + 1));
        let name = put.name.clone();
        let mut record = known.unwrap_or_else(|| TriggerRecord {
            info: TriggerInfo {
                id,
                definition: put.clone(),
                owner: sender.clone(),
                status: TriggerStatus::Active,
                reason: None,
                created_at,
                defined_at,
                next: None,
                slots: 0,
                failures: 0,
                thread: None,
                hook: None,
                watch: None,
                watcher: None,
            },
            secrets: Vec::new(),
            void: None,
            lineage: Vec::new(),
            rate: Rate::default(),
        });
        let info = &mut record.info;
        info.owner = sender.clone();
        info.defined_at = defined_at;
        info.next = next;
        if info.status == TriggerStatus::Done {
            (info.status, info.reason) = (TriggerStatus::Active, None);
        }
        record.void = None;
        let content = put.clone();
        let before = std::mem::replace(&mut record.info.definition, put).when;
        fit_hook(&mut record, &before);
        fit_watch(&mut record, &before);
        self.log_other(sender.clone(), "trigger.put", &name, &content)?;
        let info = record.info.clone();
        self.keep_trigger(record)?;
        Ok(info)
    }

    pub(in crate::hub) fn trigger_delete(
        &mut self,
        sender: &Party,
        request: RequestId,
        delete: &TriggerDelete,
    ) -> Done {
        let Some(fresh) = self.first_time(sender, request, delete)? else { return Ok(()) };
        let known = self.hub.triggers.get(&delete.trigger).map(|record| record.info.id);
        if let Some(id) = known {
            let name = &delete.trigger;
            let followers = self.hub.triggers.after.get(&Ending::Trigger(name.clone()));
            if let Some(follower) = followers.and_then(|followers| followers.first()) {
                return refuse(
                    ErrorCode::Invalid,
                    format!("trigger {follower} comes after {name}; delete or change that one first"),
                );
            }
            let open: Vec<u64> = self.hub.triggers.open_of(name).map(|record| record.slot.no).collect();
            for no in open {
                self.hub.triggers.remove_slot(&(name.clone(), no));
            }
            if self.hub.triggers.hooked.contains(name) {
                self.effect(Effect::HooksChanged);
            }
            if self.hub.triggers.watching.contains(name) {
                self.effect(Effect::WatchesChanged);
            }
            self.hub.triggers.remove(name);
            self.store.remove_trigger(name, id)?;
            self.log_other(sender.clone(), "trigger.deleted", name, delete)?;
            self.clear_alert(AlertKind::TriggerPaused, name.as_str())?;
            self.clear_alert(AlertKind::WatchFailing, name.as_str())?;
        }
        Ok(self.answer_once(fresh, &TriggerDeleted { deleted: known.is_some() })?)
    }

    pub(in crate::hub) fn trigger_fire(
        &mut self,
        sender: &Party,
        request: RequestId,
        fire: TriggerFire,
    ) -> Done {
        let Some(fresh) = self.first_time(sender, request, &fire)? else { return Ok(()) };
        let bytes = json_bytes(&fire.payload);
        at_most("payload", bytes, TRIGGER_INPUT_BYTES_MAX)?;
        let name = fire.trigger;
        let record = self.trigger(&name)?;
        if record.is_done() {
            let why = record.info.reason.as_deref().unwrap_or("it is done");
            return refuse(
                ErrorCode::Invalid,
                format!("trigger {name} does nothing any more ({why}); define it anew to let it go on"),
            );
        }
        let cause = Cause::Person(sender.clone());
        let Some(slot) = self.arrive(&name, cause, fire.payload, Vec::new())? else {
            return refuse(ErrorCode::Invalid, format!("trigger {name} has expired; define it anew"));
        };
        Ok(self.answer_once(fresh, &TriggerFired { trigger: name, slot: slot.slot })?)
    }

    pub(in crate::hub) fn trigger_pause(
        &mut self,
        sender: &Party,
        request: RequestId,
        pause: &TriggerPause,
    ) -> Done {
        let Some(fresh) = self.first_time(sender, request, pause)? else { return Ok(()) };
        if let Some(reason) = &pause.reason {
            at_most("reason", reason.len(), RESTRAINT_REASON_BYTES_MAX)?;
        }
        let mut info = self.trigger(&pause.trigger)?.info;
        match info.status {
            TriggerStatus::Active => {
                let colon = if pause.reason.is_some() { ": " } else { "" };
                let reason = format!("by {sender}{colon}{}", pause.reason.as_deref().unwrap_or_default());
                self.log_other(sender.clone(), "trigger.paused", &pause.trigger, pause)?;
                info = self.pause_trigger(&pause.trigger, &reason)?.unwrap_or(info);
            }
            TriggerStatus::Paused => {}
            TriggerStatus::Done => {
                return refuse(ErrorCode::Invalid, "it is done: there is nothing to pause");
            }
        }
        let info = self.shown(info)?;
        Ok(self.answer_once(fresh, &info)?)
    }

    pub(in crate::hub) fn trigger_resume(
        &mut self,
        sender: &Party,
        request: RequestId,
        resume: &TriggerResume,
    ) -> Done {
        let Some(fresh) = self.first_time(sender, request, resume)? else { return Ok(()) };
        let mut record = self.trigger(&resume.trigger)?;
        if record.info.status == TriggerStatus::Paused {
            self.log_other(sender.clone(), "trigger.resumed", &resume.trigger, resume)?;
            self.clear_alert(AlertKind::TriggerPaused, resume.trigger.as_str())?;
            let info = &mut record.info;
            (info.status, info.reason, info.failures) = (TriggerStatus::Active, None, 0);
            let is_behind = info.next.is_some_and(|next| next <= self.at);
            record.void = is_behind.then(|| Void { until: self.at, reason: WHILE_PAUSED.to_owned() });
            let is_over = info.next.is_none() && has_schedule(&info.definition);
            self.keep_trigger(record)?;
            if is_over {
                self.finish_trigger(&resume.trigger, LAST)?;
            }
        }
        let info = self.trigger(&resume.trigger)?.info;
        let info = self.shown(info)?;
        Ok(self.answer_once(fresh, &info)?)
    }

    pub(super) fn trigger(&self, name: &TriggerName) -> Done<TriggerRecord> {
        match self.hub.triggers.get(name) {
            Some(record) => Ok(record.clone()),
            None => refuse(
                ErrorCode::NotFound,
                format!("there is no trigger {name}; `nexctl trigger list` shows all of them"),
            ),
        }
    }

    /// What waits for its turn is skipped; what is at work goes on.
    pub(super) fn pause_trigger(&mut self, name: &TriggerName, reason: &str) -> Stored<Option<TriggerInfo>> {
        let Some(mut record) = self.hub.triggers.get(name).cloned() else { return Ok(None) };
        (record.info.status, record.info.reason) = (TriggerStatus::Paused, Some(reason.to_owned()));
        let info = record.info.clone();
        self.keep_trigger(record)?;
        let open: Vec<u64> = self.hub.triggers.open_of(name).map(|slot| slot.slot.no).collect();
        for no in open {
            // The end of one may have been that of those behind it.
            let Some(slot) = self.hub.triggers.open.get(&(name.clone(), no)).cloned() else { continue };
            match slot.slot.state {
                SlotState::Queued => {
                    self.end_slot(slot, SlotState::Skipped, Some(WHILE_PAUSED.to_owned()))?;
                }
                SlotState::Retrying => {
                    let reason = slot.slot.reason.clone();
                    self.end_slot(slot, SlotState::Failed, reason)?;
                }
                SlotState::Running
                | SlotState::Done
                | SlotState::Failed
                | SlotState::Cancelled
                | SlotState::Skipped => {}
            }
        }
        Ok(Some(info))
    }

    pub(super) fn keep_trigger(&mut self, record: TriggerRecord) -> Stored<()> {
        self.store.put_trigger(&record)?;
        let before = self.hub.triggers.get(record.name());
        let hook = |record: &TriggerRecord| preset_of(&record.info.definition.when);
        let secrets = before.map_or(&[][..], |before| &before.secrets);
        let hooks_change = before.and_then(hook) != hook(&record) || secrets != record.secrets;
        let watches_change = before.and_then(door_of) != door_of(&record);
        let fails = |record: &TriggerRecord| record.info.watch.as_ref().is_some_and(|it| it.failures > 0);
        let mended = before.filter(|before| fails(before) && !fails(&record)).map(|_| record.name().clone());
        if hooks_change {
            self.effect(Effect::HooksChanged);
        }
        if watches_change {
            self.effect(Effect::WatchesChanged);
        }
        self.hub.triggers.put(record);
        match mended {
            Some(name) => self.clear_alert(AlertKind::WatchFailing, name.as_str()),
            None => Ok(()),
        }
    }

    /// The first slot of a definition; one that would never do anything is refused.
    fn first_slot(&self, put: &Trigger, created_at: Ms) -> Done<Option<Ms>> {
        let schedule = match Schedule::of(put, created_at) {
            Ok(schedule) => schedule,
            Err(wrong) => return refuse(ErrorCode::Invalid, wrong),
        };
        if put.expires_at.is_some_and(|end| end <= self.at) {
            return refuse(ErrorCode::Invalid, "`expires_at` has passed: nothing would happen any more");
        }
        let next = schedule.next(self.at).filter(|next| put.expires_at.is_none_or(|end| *next < end));
        if let Some(first) = next {
            let pause = schedule.next(first).map(|second| second - first);
            let jitter = Ms::from(put.jitter_s) * 1000;
            if pause.is_some_and(|pause| jitter > pause) {
                let message = format!(
                    "`jitter_s` is {}, longer than the {} s from one slot to the next",
                    put.jitter_s,
                    pause.unwrap_or(0) / 1000
                );
                return refuse(ErrorCode::Invalid, message);
            }
            return Ok(next);
        }
        let why = match &put.when {
            When::Event(_)
            | When::After(_)
            | When::Watch(_)
            | When::Files(_)
            | When::Webhook(_)
            | When::Manual => {
                return Ok(None);
            }
            When::At(_) => "`when.at` has passed, or lies behind `expires_at`",
            When::Cron(_) | When::Every(_) => "`when` names no time before `expires_at`, or none there is",
        };
        refuse(ErrorCode::Invalid, format!("{why}: nothing would happen"))
    }

    fn check_definition(&self, put: &Trigger) -> Done {
        at_most("description", put.description.len(), TRIGGER_TEXT_BYTES_MAX)?;
        within("jitter_s", put.jitter_s, 0, TRIGGER_JITTER_MAX_S)?;
        within("retry.max", put.retry.max, 0, TRIGGER_RETRIES_MAX)?;
        within("retry.backoff_s", put.retry.backoff_s.len() as u32, 0, TRIGGER_RETRIES_MAX)?;
        for pause in &put.retry.backoff_s {
            within("retry.backoff_s", *pause, 1, TRIGGER_BACKOFF_MAX_S)?;
        }
        match put.misfire {
            Misfire::All(most) => within("misfire.all", most, 1, TRIGGER_CATCH_UP_MAX)?,
            Misfire::Once | Misfire::Skip => {}
        }
        check_budget("budget", put.budget)?;
        fill::check(&put.act).or_else(|wrong| refuse(ErrorCode::Invalid, wrong))?;
        self.check_when(put)?;
        let aspect = match &put.act {
            Act::Ask(ask) => {
                at_most("do.ask.text", ask.text.len(), TRIGGER_TEXT_BYTES_MAX)?;
                if ask.text.trim().is_empty() {
                    return refuse(ErrorCode::Invalid, "`do.ask.text` is empty: what is asked?");
                }
                if !put.budget.is_unlimited() {
                    return refuse(
                        ErrorCode::Invalid,
                        "`budget` is for dispatches; what an aspect spends on an answer is limited by budget.set",
                    );
                }
                &ask.aspect
            }
            Act::Dispatch(dispatch) => {
                at_most("do.dispatch.input", json_bytes(&dispatch.input), TRIGGER_INPUT_BYTES_MAX)?;
                self.deadline(dispatch.deadline_s)?;
                match (&dispatch.hand, &dispatch.capability) {
                    (Some(hand), None) => &hand.aspect,
                    (None, Some(wanted)) => {
                        return match wanted.fault() {
                            Some(fault) => {
                                refuse(ErrorCode::Invalid, format!("`do.dispatch.capability`: {fault}"))
                            }
                            None => Ok(()),
                        };
                    }
                    (Some(_), Some(_)) | (None, None) => {
                        return refuse(ErrorCode::Invalid, format!("`do.dispatch`: {HAND_OR_CAPABILITY}"));
                    }
                }
            }
            Act::Flow(flow) => return self.check_start(put, flow),
        };
        if !self.hub.roster.knows(&Party::Aspect(aspect.clone())) {
            return refuse(
                ErrorCode::NotFound,
                format!("there is no aspect {aspect}; `nexctl get aspects` shows who is there"),
            );
        }
        Ok(())
    }

    fn check_start(&self, put: &Trigger, start: &StartFlow) -> Done {
        at_most("do.flow.input", json_bytes(&start.input), TRIGGER_INPUT_BYTES_MAX)?;
        if !put.budget.is_unlimited() {
            return refuse(
                ErrorCode::Invalid,
                "`budget` is for dispatches; what the steps of a flow spend is limited by budget.set",
            );
        }
        let (flow, _) = self.flow_of(&start.id)?;
        match fill::constant(&start.input) {
            Some(input) => check_input(&flow, &input),
            None => Ok(()),
        }
    }

    fn check_when(&self, put: &Trigger) -> Done {
        match &put.when {
            When::Event(event) => {
                let count = event.kinds.len();
                if count == 0 || count > KINDS_MAX {
                    let message =
                        format!("`when.event.kinds` names {count} kinds; it can be from 1 to {KINDS_MAX}");
                    return refuse(ErrorCode::Invalid, message);
                }
                for kind in &event.kinds {
                    at_most("when.event.kinds", kind.len(), TOPIC_BYTES_MAX)?;
                    if kind.starts_with("trigger.") {
                        let message = format!(
                            "`when.event.kinds`: {kind} is about triggers; use `when.after` for those"
                        );
                        return refuse(ErrorCode::Invalid, message);
                    }
                }
                Ok(())
            }
            When::After(after) => match Ending::of(after) {
                Some(Ending::Trigger(trigger)) if trigger == put.name => {
                    refuse(ErrorCode::Invalid, "`when.after.trigger` is the trigger itself")
                }
                Some(Ending::Trigger(trigger)) => self.trigger(&trigger).map(drop),
                Some(Ending::Flow(flow)) => self.flow_of(&flow).map(drop),
                None => refuse(ErrorCode::Invalid, "`when.after` names a `trigger` or a `flow`, one of them"),
            },
            When::Watch(watch) => self.check_watch(put, watch),
            When::Files(files) => self.check_files(files),
            When::Cron(_) | When::Every(_) | When::At(_) | When::Webhook(_) | When::Manual => Ok(()),
        }
    }
}

fn has_schedule(definition: &Trigger) -> bool {
    match &definition.when {
        When::Cron(_) | When::Every(_) | When::At(_) => true,
        When::Event(_)
        | When::After(_)
        | When::Watch(_)
        | When::Files(_)
        | When::Webhook(_)
        | When::Manual => false,
    }
}

fn at_most(field: &str, bytes: usize, most: usize) -> Done {
    if bytes <= most {
        return Ok(());
    }
    refuse(ErrorCode::TooLarge, format!("`{field}` is {bytes} bytes; {most} is the most"))
}

fn within(field: &str, value: u32, least: u32, most: u32) -> Done {
    if (least..=most).contains(&value) {
        return Ok(());
    }
    refuse(ErrorCode::Invalid, format!("`{field}` is {value}; it can be from {least} to {most}"))
}
