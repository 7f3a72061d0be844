//! Who is on the team, and which link speaks for whom.
//!
//! A link is named by its id *and* its generation: whatever comes late from an older link changes nothing.

use foldhash::fast::RandomState;
use indexmap::IndexMap;
use nexus_wire::limits::{CLOSE_NORMAL, CLOSE_REVOKED};
use nexus_wire::roster::AspectRole;
use nexus_wire::{AspectName, ErrorBody, ErrorCode, LinkId, Ms, OperatorName, Party};
use serde_json::json;

use super::command::HubConfig;
use super::effect::Effect;
use super::queue::QueueConfig;
use super::records::{AspectRecord, OperatorRecord, Store, Stored};
use super::step::{Done, Step, refuse};

/// In the order of their names, and found by them faster than a tree finds: every message asks for several.
type ByName<N, R> = IndexMap<N, R, RandomState>;

/// Everybody ever let in, the revoked included.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Roster {
    aspects: ByName<AspectName, AspectRecord>,
    operators: ByName<OperatorName, OperatorRecord>,
}

impl Roster {
    pub fn new(aspects: Vec<AspectRecord>, operators: Vec<OperatorRecord>) -> Self {
        let mut roster = Self::default();
        aspects.into_iter().for_each(|record| roster.put_aspect(record));
        operators.into_iter().for_each(|record| roster.put_operator(record));
        roster
    }

    pub fn aspect(&self, name: &AspectName) -> Option<&AspectRecord> {
        self.aspects.get(name)
    }

    pub(super) fn aspect_mut(&mut self, name: &AspectName) -> Option<&mut AspectRecord> {
        self.aspects.get_mut(name)
    }

    pub fn operator(&self, name: &OperatorName) -> Option<&OperatorRecord> {
        self.operators.get(name)
    }

    /// By name.
    pub fn aspects(&self) -> impl Iterator<Item = &AspectRecord> {
        self.aspects.values()
    }

    /// By name.
    pub fn operators(&self) -> impl Iterator<Item = &OperatorRecord> {
        self.operators.values()
    }

    /// Those whose key is good.
    pub fn active(&self) -> impl Iterator<Item = &AspectRecord> {
        self.aspects.values().filter(|record| record.is_active())
    }

    pub fn lead(&self) -> Option<&AspectRecord> {
        self.active().find(|record| record.role == AspectRole::Frame)
    }

    /// Whoever is called that: an aspect, or an operator where no aspect is.
    pub(super) fn named(&self, name: &str) -> Option<Party> {
        let aspect = self.aspects.get(name).filter(|it| it.is_active());
        aspect.map(|it| Party::Aspect(it.name.clone())).or_else(|| self.operator_named(name))
    }

    pub(super) fn operator_named(&self, name: &str) -> Option<Party> {
        let operator = self.operators.get(name).filter(|it| it.is_active());
        operator.map(|it| Party::Operator(it.name.clone()))
    }

    pub fn knows(&self, party: &Party) -> bool {
        match party {
            Party::Aspect(name) => self.aspects.get(name).is_some_and(AspectRecord::is_active),
            Party::Operator(name) => self.operators.get(name).is_some_and(OperatorRecord::is_active),
            Party::System => true,
        }
    }

    pub(super) fn put_aspect(&mut self, record: AspectRecord) {
        self.aspects.insert_sorted(record.name.clone(), record);
    }

    pub(super) fn put_operator(&mut self, record: OperatorRecord) {
        self.operators.insert_sorted(record.name.clone(), record);
    }
}

pub(super) fn unknown_aspect(name: &AspectName) -> ErrorBody {
    ErrorBody::new(
        ErrorCode::Unauthorized,
        format!("{name} is not known here: `nexus aspect add {name}` lets it in"),
    )
}

impl<S: Store> Step<'_, S> {
    /// The sender still is who `admit` took it for, and an aspect speaks on the link that is its own.
    pub(super) fn check_sender(&self, sender: &Party, link: Option<LinkId>) -> Done {
        let name = match sender {
            Party::System => return Ok(()),
            Party::Operator(name) => {
                if self.hub.roster.knows(sender) {
                    return Ok(());
                }
                return refuse(
                    ErrorCode::Unauthorized,
                    format!("operator {name} is not known here, or was revoked: an admin can add them again"),
                );
            }
            Party::Aspect(name) => name,
        };
        let Some(record) = self.hub.roster.aspect(name) else { return Err(unknown_aspect(name).into()) };
        match (record.link, link) {
            (Some(own), Some(link)) if own == link => Ok(()),
            (Some(_), Some(_)) => {
                refuse(ErrorCode::Displaced, format!("another link speaks for {name} now; do not dial again"))
            }
            (None, _) | (_, None) => refuse(
                ErrorCode::NotRegistered,
                format!("{name} is not registered on this link: send `register` first"),
            ),
        }
    }

    pub(super) fn broker_started(&mut self, config: HubConfig) -> Done {
        self.hub.queue.broker_started(QueueConfig::from(&config), self.at);
        self.hub.config = config;
        self.hub.started_at = self.at;
        self.store.put_started_at(self.at)?;
        let up: Vec<AspectName> = self
            .hub
            .roster
            .aspects()
            .filter(|record| record.link.is_some())
            .map(|record| record.name.clone())
            .collect();
        self.store.put_last_at(self.at)?;
        for name in up {
            self.vacate(&name)?;
        }
        self.log_other(Party::System, "broker.started", "", &"")?;
        self.storage_anew()?;
        self.processes_anew()?;
        self.expect()?;
        self.settle(None, None)?;
        Ok(())
    }

    pub(super) fn machine_woke(&mut self, slept_ms: Ms) -> Done {
        // What nobody did meanwhile is not held against them.
        self.hub.started_at = self.at;
        self.store.put_started_at(self.at)?;
        self.hub.queue.machine_woke(self.at, slept_ms);
        self.log_other(Party::System, "machine.woke", format!("{} s", slept_ms / 1_000), &slept_ms)?;
        Ok(self.settle(None, None)?)
    }

    pub(super) fn link_down(&mut self, name: &AspectName, link: LinkId, generation: u64) -> Done {
        let own = self
            .hub
            .roster
            .aspect(name)
            .is_some_and(|record| record.link == Some(link) && record.generation == generation);
        if own {
            self.unseat(name)?;
        }
        Ok(())
    }

    pub(super) fn deregister(&mut self, sender: &Party) -> Done {
        let Some(name) = sender.aspect() else {
            return refuse(ErrorCode::Invalid, "only an aspect registers, so only an aspect deregisters");
        };
        let link = self.hub.roster.aspect(name).and_then(|record| record.link);
        self.answer(&json!({}));
        self.unseat(name)?;
        if let Some(link) = link {
            self.effect(Effect::Close { link, code: CLOSE_NORMAL, reason: "deregistered".into() });
        }
        Ok(())
    }

    /// The aspect's key stopped being good: its link goes.
    pub(super) fn close_revoked(&mut self, name: &AspectName) -> Stored<()> {
        let link = self.hub.roster.aspect(name).and_then(|record| record.link);
        if let Some(link) = link {
            self.unseat(name)?;
            self.effect(Effect::Close { link, code: CLOSE_REVOKED, reason: "revoked".into() });
        }
        Ok(())
    }

    /// The aspect has no link any more, and the queue no worker there.
    fn unseat(&mut self, name: &AspectName) -> Stored<()> {
        self.vacate(name)?;
        self.hub.queue.offline(name, self.at);
        self.settle(None, None)
    }

    pub(super) fn vacate(&mut self, name: &AspectName) -> Stored<()> {
        let at = self.at;
        let Some(record) = self.hub.roster.aspect_mut(name) else { return Ok(()) };
        record.link = None;
        record.since = at;
        let generation = record.generation;
        self.store.put_aspect(record)?;
        self.effect(Effect::RosterChanged { aspect: name.clone() });
        self.departed(name)?;
        self.log_other(Party::Aspect(name.clone()), "aspect.offline", name, &generation)
    }
}
