//! Who should be here and is not, who is here and does not move, and whose home is broken: the alerts about aspects.
//!
//! The hub sees no progress and no clock. Whoever does sends `CommandBody::Seen`; the grace of the expected roster
//! is one of the hub's own timers.

use nexus_wire::alert::AlertKind;
use nexus_wire::roster::{AspectState, RestraintKind, SettingsBroken};
use nexus_wire::{AspectName, ErrorCode, LinkId, Ms, Party};
use serde_json::json;

use super::Hub;
use super::effect::Effect;
use super::records::{Store, Stored};
use super::step::{Done, Step, refuse};

impl Hub {
    /// When somebody of the expected roster will have been away for too long. Whoever is told of already has no
    /// timer any more.
    pub(super) fn missing_due(&self) -> Option<Ms> {
        self.config.expected.iter().filter_map(|name| self.missed_at(name)).min()
    }

    fn missed_at(&self, name: &AspectName) -> Option<Ms> {
        let record = self.roster.aspect(name);
        if record.is_some_and(|record| record.link.is_some() || record.is_restrained(RestraintKind::Held))
            || self.alerts.is_open(AlertKind::AspectMissing, name.as_str())
        {
            return None;
        }
        // While no broker ran nobody could come.
        let since = record.map_or(0, |record| record.since).max(self.started_at);
        Some(since.saturating_add(self.config.expected_grace_ms))
    }
}

impl<S: Store> Step<'_, S> {
    /// A link does not get along, or does again.
    pub(super) fn seen(&mut self, name: &AspectName, link: LinkId, state: AspectState) -> Stored<()> {
        if self.hub.roster.aspect(name).and_then(|record| record.link) != Some(link) {
            return Ok(());
        }
        let (deaf, stalled) = (AlertKind::AspectDeaf, AlertKind::AspectStalled);
        let (raised, cleared): (&[AlertKind], &[AlertKind]) = match state {
            AspectState::Deaf => (&[deaf], &[stalled]),
            AspectState::Stalled => (&[stalled], &[deaf]),
            AspectState::Online | AspectState::Busy | AspectState::Offline => (&[], &[deaf, stalled]),
        };
        for kind in cleared {
            self.clear_alert(*kind, name.as_str())?;
        }
        for kind in raised {
            let what = if *kind == deaf {
                "is connected and acknowledges nothing that is delivered to it"
            } else {
                "is in a turn that makes no progress"
            };
            let message = format!("{name} {what}; look at its process, or start it again");
            self.raise_alert(*kind, name.as_str(), &message)?;
        }
        Ok(())
    }

    /// The aspect has a new link, of which nothing is known yet.
    pub(super) fn arrived(&mut self, name: &AspectName) -> Stored<()> {
        self.clear_alert(AlertKind::AspectMissing, name.as_str())?;
        self.departed(name)
    }

    /// An aspect says whether it can use the files of its home. What it said last counts.
    pub(super) fn settings_broken(&mut self, sender: &Party, broken: &SettingsBroken) -> Done {
        let Some(name) = sender.aspect() else {
            return refuse(ErrorCode::Invalid, "only an aspect has a home that could be broken");
        };
        self.home_is(name, broken.reason.as_deref())?;
        self.answer(&json!({}));
        Ok(())
    }

    /// What is wrong with the aspect's home, if anything is.
    pub(super) fn home_is(&mut self, name: &AspectName, broken: Option<&str>) -> Stored<()> {
        let Some(reason) = broken else {
            return self.clear_alert(AlertKind::SettingsBroken, name.as_str());
        };
        let message =
            format!("{name} goes on with the settings it had, because its home is broken: {reason}");
        self.raise_alert(AlertKind::SettingsBroken, name.as_str(), &message)
    }

    /// The processes and the tenants that the broker runs are begun anew with it.
    pub(super) fn processes_anew(&mut self) -> Stored<()> {
        for kind in [AlertKind::AspectFailing, AlertKind::TenantDown] {
            for subject in self.hub.alerts.subjects(kind) {
                self.clear_alert(kind, &subject)?;
            }
        }
        Ok(())
    }

    /// What was said of a link that is gone.
    pub(super) fn departed(&mut self, name: &AspectName) -> Stored<()> {
        self.clear_alert(AlertKind::AspectDeaf, name.as_str())?;
        self.clear_alert(AlertKind::AspectStalled, name.as_str())
    }

    /// Raises an alert for each of the expected roster whose grace is over.
    pub(super) fn miss(&mut self) -> Stored<()> {
        let due = |name: &&AspectName| self.hub.missed_at(name).is_some_and(|due| due <= self.at);
        let missed: Vec<AspectName> = self.hub.config.expected.iter().filter(due).cloned().collect();
        for name in missed {
            let message = match self.hub.roster.aspect(&name) {
                Some(_) => format!("{name} is expected and not here; start it with: agent <home of {name}>"),
                None => format!(
                    "{name} is expected and was never let in; add it with: nexus aspect add {name} --home <home>"
                ),
            };
            self.raise_alert(AlertKind::AspectMissing, name.as_str(), &message)?;
        }
        Ok(())
    }

    /// Nobody is missed who is not expected any more.
    pub(super) fn expect(&mut self) -> Stored<()> {
        for subject in self.hub.alerts.subjects(AlertKind::AspectMissing) {
            if !self.hub.config.expected.iter().any(|name| name.as_str() == subject) {
                self.clear_alert(AlertKind::AspectMissing, &subject)?;
            }
        }
        Ok(())
    }

    /// How many dispatches the aspect is at work on and what it waits for people for, for whoever shows how it is doing.
    pub(super) fn show_work(&mut self, name: &AspectName) {
        if let Some(link) = self.hub.roster.aspect(name).and_then(|record| record.link) {
            let dispatches = self.hub.queue.running_on(name);
            let approvals = self.hub.approvals.count(name);
            self.effect(Effect::AtWork { link, aspect: name.clone(), dispatches, approvals });
        }
    }
}
