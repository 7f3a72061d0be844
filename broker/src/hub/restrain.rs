//! What admins keep an aspect from, until they release it: being connected, or being given work.

use nexus_wire::alert::AlertKind;
use nexus_wire::limits::CLOSE_HELD;
use nexus_wire::roster::{AspectRelease, AspectRestrain, AspectRestraint, Restraint, RestraintKind};
use nexus_wire::{AspectName, ErrorBody, ErrorCode, Party, RequestId};
use serde_json::json;

use super::dispatch::offer_of;
use super::effect::Effect;
use super::records::{AspectRecord, Store, Stored};
use super::remember::Fresh;
use super::step::{Done, Step, refuse};

/// Why an aspect that is held may not register.
pub(super) fn held(record: &AspectRecord) -> Option<ErrorBody> {
    let restraint = record.restraint.as_ref().filter(|it| it.kind == RestraintKind::Held)?;
    let message = format!(
        "{name} is held by {by}: {reason}; an admin lets it in again with: nexctl release {name}",
        name = record.name,
        by = restraint.by,
        reason = restraint.reason
    );
    Some(ErrorBody::new(ErrorCode::Held, message).with(json!({"restraint": restraint})))
}

impl<S: Store> Step<'_, S> {
    /// The same again changes nothing; another kind or reason takes the place of what is in force.
    pub(super) fn aspect_restrain(
        &mut self,
        sender: &Party,
        request: RequestId,
        restrain: AspectRestrain,
    ) -> Done {
        let Some(fresh) = self.first_time(sender, request, &restrain)? else { return Ok(()) };
        let AspectRestrain { name, kind, reason } = restrain;
        if reason.trim().is_empty() {
            return refuse(ErrorCode::Invalid, "say why: the reason is told to whoever runs into it");
        }
        let record = self.on_team(&name)?;
        if record.restraint.as_ref().is_some_and(|it| it.kind == kind && it.reason == reason) {
            self.answer_restraint(fresh, &name)?;
            return Ok(());
        }
        let restraint = Restraint { kind, reason, by: sender.clone(), at: self.at };
        self.put_restraint(fresh, record, Some(restraint.clone()))?;
        let what = match kind {
            RestraintKind::Held => "aspect.held",
            RestraintKind::Paused => "aspect.paused",
        };
        self.log_other(sender.clone(), what, &name, &restraint)?;
        match kind {
            RestraintKind::Held => self.keep_off(&name)?,
            RestraintKind::Paused => {
                self.departed(&name)?;
                self.offer_anew(&name)?;
            }
        }
        Ok(())
    }

    pub(super) fn aspect_release(
        &mut self,
        sender: &Party,
        request: RequestId,
        release: &AspectRelease,
    ) -> Done {
        let Some(fresh) = self.first_time(sender, request, release)? else { return Ok(()) };
        let name = &release.name;
        let record = self.on_team(name)?;
        let Some(restraint) = record.restraint.clone() else {
            self.answer_restraint(fresh, name)?;
            return Ok(());
        };
        self.put_restraint(fresh, record, None)?;
        self.log_other(sender.clone(), "aspect.released", name, &restraint)?;
        self.offer_anew(name)?;
        Ok(())
    }

    pub(super) fn on_team(&self, name: &AspectName) -> Done<AspectRecord> {
        match self.hub.roster.aspect(name).filter(|record| record.is_active()) {
            Some(record) => Ok(record.clone()),
            None => refuse(ErrorCode::NotFound, format!("there is no aspect {name}")),
        }
    }

    fn put_restraint(
        &mut self,
        fresh: Fresh,
        record: AspectRecord,
        restraint: Option<Restraint>,
    ) -> Stored<()> {
        let record = AspectRecord { restraint, ..record };
        let name = record.name.clone();
        self.store.put_aspect(&record)?;
        self.hub.roster.put_aspect(record);
        self.answer_restraint(fresh, &name)?;
        self.effect(Effect::RosterChanged { aspect: name });
        Ok(())
    }

    fn answer_restraint(&mut self, fresh: Fresh, name: &AspectName) -> Stored<()> {
        let restraint = self.hub.roster.aspect(name).and_then(|record| record.restraint.clone());
        self.answer_once(fresh, &AspectRestraint { aspect: name.clone(), restraint })
    }

    /// The aspect's link goes, and what it worked on is lost to it.
    fn keep_off(&mut self, name: &AspectName) -> Stored<()> {
        self.clear_alert(AlertKind::AspectMissing, name.as_str())?;
        let link = self.hub.roster.aspect(name).and_then(|record| record.link);
        if link.is_some() {
            self.vacate(name)?;
        }
        self.hub.queue.dismiss(name, &format!("{name} is held"), self.at);
        self.settle(None, None)?;
        if let Some(link) = link {
            let held = self.hub.roster.aspect(name).and_then(held);
            let reason = held.map_or_else(String::new, |held| held.message);
            self.effect(Effect::Close { link, code: CLOSE_HELD, reason });
        }
        Ok(())
    }

    /// The queue learns what an aspect that is connected may be given now.
    fn offer_anew(&mut self, name: &AspectName) -> Stored<()> {
        let offer = match self.hub.roster.aspect(name) {
            Some(record) if record.link.is_some() => offer_of(record),
            Some(_) | None => return Ok(()),
        };
        self.hub.queue.offer(name, offer, self.at);
        self.settle(None, None)?;
        self.show_work(name);
        Ok(())
    }
}
