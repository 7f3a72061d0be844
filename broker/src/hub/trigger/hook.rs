//! Webhooks: what a service outside has signed fires a trigger, once for each name it gives its requests. Whether the
//! signature is good was decided before, and secrets come in sealed.

use nexus_wire::hook::{HookInfo, HookPreset, HookTaken, TriggerRotated};
use nexus_wire::limits::{HOOK_DELIVERIES_KEPT, HOOK_SLOTS_OPEN_MAX, HOOKS_PER_MINUTE};
use nexus_wire::trigger::{Cause, When};
use nexus_wire::{ErrorBody, ErrorCode, Ms, Party, RequestId, TriggerId, TriggerName};
use serde_json::{Value, json};

use super::hear::MINUTE_MS;
use crate::hub::Hub;
use crate::hub::records::{Digest, Sealed, Store, Stored, TriggerRecord};
use crate::hub::step::{Done, Step, refuse};

/// A request of a service outside, with a good signature.
#[derive(Clone, Debug, PartialEq)]
pub struct HookCall {
    pub trigger: TriggerName,
    /// The one whose secret it was signed with.
    pub id: TriggerId,
    /// The service's name of it.
    pub delivery: String,
    pub payload: Value,
}

/// Another secret, sealed. `proof` tells it from every other one and says nothing of it.
#[derive(Clone, Debug, PartialEq)]
pub struct RotateHook {
    pub trigger: TriggerName,
    pub id: TriggerId,
    pub sealed: String,
    pub proof: Digest,
    pub overlap_ms: Ms,
}

/// What is needed to check a signature.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct HookDoor {
    pub trigger: TriggerName,
    pub id: TriggerId,
    pub preset: HookPreset,
    /// The one that is good first.
    pub secrets: Vec<Sealed>,
}

impl Hub {
    /// Every webhook there is, by name.
    pub fn hooks(&self) -> impl Iterator<Item = HookDoor> {
        let records = self.triggers.hooked.iter().filter_map(|name| self.triggers.get(name));
        records.filter_map(|record| {
            let preset = preset_of(&record.info.definition.when)?;
            let trigger = record.name().clone();
            Some(HookDoor { trigger, id: record.info.id, preset, secrets: record.secrets.clone() })
        })
    }
}

pub(super) fn preset_of(when: &When) -> Option<HookPreset> {
    when.webhook().map(|hook| hook.preset)
}

/// The door of a definition that takes the place of another: a secret is good for the preset it was given for.
pub(super) fn fit_hook(record: &mut TriggerRecord, before: &When) {
    let preset = preset_of(&record.info.definition.when);
    if preset.is_none() || preset != preset_of(before) {
        record.secrets.clear();
        record.info.hook = None;
    }
    if preset.is_some() && record.info.hook.is_none() {
        let path = path_of(record.name());
        record.info.hook = Some(HookInfo { path, secret_since: None, previous_until: None });
    }
}

fn path_of(name: &TriggerName) -> String {
    format!("/hooks/{name}")
}

impl<S: Store> Step<'_, S> {
    pub(in crate::hub) fn trigger_rotate(
        &mut self,
        sender: &Party,
        request: RequestId,
        rotate: RotateHook,
    ) -> Done {
        let RotateHook { trigger: name, id, sealed, proof, overlap_ms } = rotate;
        let asked = (&name, id, proof, overlap_ms);
        let Some(fresh) = self.first_time(sender, request, &asked)? else { return Ok(()) };
        let mut record = self.trigger(&name)?;
        if record.info.id != id || preset_of(&record.info.definition.when).is_none() {
            return refuse(
                ErrorCode::Invalid,
                format!("somebody else changed trigger {name} at the same time; look at it and try again"),
            );
        }
        let until = self.at.saturating_add(overlap_ms);
        let before = record.secrets.drain(..).next().filter(|_| overlap_ms > 0);
        let previous = before.map(|before| Sealed { until: Some(until), ..before });
        let previous_until = previous.as_ref().map(|_| until);
        record.secrets = std::iter::once(Sealed { sealed, until: None }).chain(previous).collect();
        let path = path_of(&name);
        record.info.hook = Some(HookInfo { path: path.clone(), secret_since: Some(self.at), previous_until });
        self.log_other(sender.clone(), "trigger.rotated", &name, &previous_until)?;
        let rotated = TriggerRotated { trigger: name, path, url: None, secret: None, previous_until };
        self.answer_once(fresh, &rotated)?;
        Ok(self.keep_trigger(record)?)
    }

    pub(in crate::hub) fn hook_called(&mut self, call: HookCall) -> Done {
        let HookCall { trigger: name, id, delivery, payload } = call;
        let is_it = |record: &&TriggerRecord| {
            record.info.id == id && preset_of(&record.info.definition.when).is_some()
        };
        let Some(mut record) = self.hub.triggers.get(&name).filter(is_it).cloned() else {
            return refuse(ErrorCode::Unauthorized, "it is another trigger by now");
        };
        if let Some(no) = self.store.hook_delivery(id, &delivery)? {
            let slot = self.store.trigger_slots(id, no + 1, 1)?.into_iter().find(|it| it.slot.no == no);
            let (state, reason) =
                slot.map_or((None, None), |record| (Some(record.slot.state), record.slot.reason));
            self.answer(&HookTaken { trigger: name, slot: no, state, reason, duplicate: true });
            return Ok(());
        }
        let over = |record: &TriggerRecord| {
            let why = record.info.reason.as_deref().unwrap_or("it is done");
            ErrorBody::new(
                ErrorCode::Invalid,
                format!("trigger {} does nothing any more: {why}", record.name()),
            )
        };
        if record.is_done() {
            return Err(over(&record).into());
        }
        if let Some(wait_s) = self.too_much(&record) {
            let message = format!("trigger {name} takes no more at the moment; try again in {wait_s} s");
            let body = ErrorBody::new(ErrorCode::RateLimited, message);
            return Err(body.with(json!({"retry_after": wait_s})).into());
        }
        record.rate = record.rate.counted(self.at.div_euclid(MINUTE_MS));
        self.keep_trigger(record)?;
        let cause = Cause::Webhook(delivery.clone());
        let Some(slot) = self.arrive(&name, cause, payload, Vec::new())? else {
            return match self.hub.triggers.get(&name) {
                Some(record) => Err(over(record).into()),
                None => refuse(ErrorCode::Unauthorized, "it is there no longer"),
            };
        };
        let no = slot.slot.no;
        self.remember_delivery(id, &delivery, no)?;
        let (state, reason) = (Some(slot.slot.state), slot.slot.reason);
        self.answer(&HookTaken { trigger: name, slot: no, state, reason, duplicate: false });
        Ok(())
    }

    pub(super) fn remember_delivery(&mut self, id: TriggerId, delivery: &str, no: u64) -> Stored<()> {
        self.store.put_hook_delivery(id, delivery, no)?;
        match no.checked_sub(HOOK_DELIVERIES_KEPT) {
            Some(up_to) if up_to > 0 => self.store.drop_hook_deliveries(id, up_to),
            Some(_) | None => Ok(()),
        }
    }

    /// Whether there are more than it can take, and how long to wait.
    pub(super) fn too_much(&self, record: &TriggerRecord) -> Option<Ms> {
        let minute = self.at.div_euclid(MINUTE_MS);
        if record.rate.minute == minute && record.rate.count >= HOOKS_PER_MINUTE {
            return Some((MINUTE_MS - self.at.rem_euclid(MINUTE_MS)).div_euclid(1_000) + 1);
        }
        let open = self.hub.triggers.open_of(record.name()).take(HOOK_SLOTS_OPEN_MAX).count();
        (open >= HOOK_SLOTS_OPEN_MAX).then_some(MINUTE_MS / 1_000)
    }
}
