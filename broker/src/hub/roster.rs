//! Who is on the team, and which link speaks for whom.
//!
//! A link is named by its id *and* its generation: whatever comes late from an older link changes nothing.

use std::collections::BTreeMap;

use nexus_wire::frame::FromBroker;
use nexus_wire::limits::{
    CLOSE_DISPLACED, CLOSE_NORMAL, CLOSE_REVOKED, DURABLE_BYTES_MAX, HANDS_PER_ASPECT_MAX, SLOTS_MAX,
};
use nexus_wire::roster::{AspectRole, HeldLease, Register, Registered, Situation};
use nexus_wire::{AspectName, EpochId, ErrorBody, ErrorCode, LinkId, OperatorName, Party};
use serde_json::json;

use super::command::HubConfig;
use super::dispatch::offer_of;
use super::effect::Effect;
use super::inbox::{self, Start};
use super::queue::QueueConfig;
use super::records::{AspectRecord, DispatchRecord, OperatorRecord, Profile, Store, Stored};
use super::step::{Done, Step, refuse};

/// Everybody ever let in, the revoked included.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Roster {
    aspects: BTreeMap<AspectName, AspectRecord>,
    operators: BTreeMap<OperatorName, OperatorRecord>,
}

impl Roster {
    pub fn new(aspects: Vec<AspectRecord>, operators: Vec<OperatorRecord>) -> Self {
        Self {
            aspects: aspects.into_iter().map(|record| (record.name.clone(), record)).collect(),
            operators: operators.into_iter().map(|record| (record.name.clone(), record)).collect(),
        }
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

    pub fn knows(&self, party: &Party) -> bool {
        match party {
            Party::Aspect(name) => self.aspects.get(name).is_some_and(AspectRecord::is_active),
            Party::Operator(name) => self.operators.get(name).is_some_and(|it| it.revoked_at.is_none()),
            Party::System => true,
        }
    }

    pub(super) fn put_aspect(&mut self, record: AspectRecord) {
        self.aspects.insert(record.name.clone(), record);
    }

    pub(super) fn put_operator(&mut self, record: OperatorRecord) {
        self.operators.insert(record.name.clone(), record);
    }
}

fn unknown_aspect(name: &AspectName) -> ErrorBody {
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
        self.settle(None, None)?;
        Ok(())
    }

    pub(super) fn register(
        &mut self,
        name: &AspectName,
        link: LinkId,
        key_generation: u64,
        register: Register,
        new_epoch: EpochId,
    ) -> Done {
        let Some(record) = self.hub.roster.aspect(name) else { return Err(unknown_aspect(name).into()) };
        if !record.is_active() || record.key_generation != key_generation {
            self.answer_with(Err(ErrorBody::new(
                ErrorCode::Unauthorized,
                format!(
                    "the key of {name} was revoked or replaced; `nexus aspect add {name}` makes a new keyfile"
                ),
            )));
            self.effect(Effect::Close { link, code: CLOSE_REVOKED, reason: "revoked".into() });
            return Ok(());
        }
        if record.link == Some(link) {
            return refuse(
                ErrorCode::AlreadyRegistered,
                format!("this link is registered as {name} already"),
            );
        }
        check_profile(&register)?;
        if register.last_generation < record.acked_generation && !register.adopt {
            let (home, broker) = (register.last_generation, record.acked_generation);
            return Err(ErrorBody::new(
                ErrorCode::HomeDiverged,
                format!(
                    "the home of {name} last saw link {home}, but a later one, {broker}, acknowledged items: this \
                     home is an old copy or a clone. Stop the other one, or start this one with --adopt to go on \
                     with it"
                ),
            )
            .with(json!({"last_generation": home, "acked_generation": broker}))
            .into());
        }
        let mut record = record.clone();
        let start = inbox::start(&*self.store, &record, register.resume.as_ref())?;
        let displaced = record.link.replace(link);
        record.generation += 1;
        record.since = self.at;
        let offset = match start {
            Start::At { offset, verified } => {
                if verified {
                    record.cursor = record.cursor.max(offset);
                }
                offset
            }
            Start::OtherEpoch => record.cursor,
            Start::OtherHistory => {
                record.epoch = new_epoch;
                record.cursor
            }
        };
        if record.epoch.0.is_nil() {
            record.epoch = new_epoch;
        }
        let register_leases = register.leases.clone();
        record.profile = profile_of(register);
        let offer = offer_of(&record.profile);
        self.store.put_aspect(&record)?;
        let (epoch, generation, tail) = (record.epoch, record.generation, record.tail);
        self.hub.roster.put_aspect(record);
        self.log_other(Party::Aspect(name.clone()), "aspect.online", name, &generation)?;
        let leases = self.leases_of(name, &register_leases, offset)?;
        let lost = self.hub.queue.register(name, offer, &leases, self.at);
        // What the queue gives the aspect now comes after its attachment.
        self.settle(None, None)?;
        let later = self.take_effects();
        if let Some(old) = displaced {
            self.effect(Effect::Close { link: old, code: CLOSE_DISPLACED, reason: "displaced".into() });
        }
        let situation = Situation {
            team: self.hub.roster.active().map(AspectRecord::info).collect(),
            open_dispatches: self.store.open_dispatches(&Party::Aspect(name.clone()))?,
            undelivered: self.hub.roster.aspect(name).map_or(0, |record| record.tail - offset),
        };
        let registered =
            Registered { name: name.clone(), link, generation, epoch, offset, lost: Vec::new(), situation };
        self.answer_with(Ok(FromBroker::Registered(registered)));
        self.effect(Effect::Attach { link, aspect: name.clone(), cursor: offset, tail });
        self.effect(Effect::RosterChanged { aspect: name.clone() });
        self.append(later);
        Ok(())
    }

    /// What a registering aspect holds: what it says, and what it cannot know of yet because the assignment
    /// lies behind where its delivery starts.
    fn leases_of(&self, name: &AspectName, held: &[HeldLease], offset: u64) -> Stored<Vec<HeldLease>> {
        let mut all = held.to_vec();
        for lease in self.hub.queue.leases(name) {
            let is_ahead = |record: DispatchRecord| record.assigned_offset > offset;
            if self.store.dispatch_head(lease.dispatch)?.is_some_and(is_ahead)
                && !all.iter().any(|it| it.lease == lease)
            {
                all.push(HeldLease { lease, waiting: false });
            }
        }
        Ok(all)
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

    fn vacate(&mut self, name: &AspectName) -> Stored<()> {
        let at = self.at;
        let Some(record) = self.hub.roster.aspect_mut(name) else { return Ok(()) };
        record.link = None;
        record.since = at;
        let generation = record.generation;
        self.store.put_aspect(record)?;
        self.effect(Effect::RosterChanged { aspect: name.clone() });
        self.log_other(Party::Aspect(name.clone()), "aspect.offline", name, &generation)
    }
}

fn profile_of(register: Register) -> Profile {
    Profile {
        model: register.model,
        provider: register.provider,
        context_mode: register.context_mode,
        capabilities: register.capabilities,
        hands: register.hands,
        slots: register.slots,
    }
}

fn check_profile(register: &Register) -> Done {
    let hands = &register.hands;
    if hands.len() > HANDS_PER_ASPECT_MAX {
        let count = hands.len();
        return refuse(
            ErrorCode::Invalid,
            format!("{count} Hands are more than the {HANDS_PER_ASPECT_MAX} an aspect may offer"),
        );
    }
    if register.slots > SLOTS_MAX {
        return refuse(ErrorCode::Invalid, format!("{} slots are more than {SLOTS_MAX}", register.slots));
    }
    for (at, hand) in hands.iter().enumerate() {
        let name = &hand.name;
        if hands[..at].iter().any(|earlier| earlier.name == *name) {
            return refuse(ErrorCode::Invalid, format!("the Hand {name} is declared twice"));
        }
        if hand.concurrency == 0 {
            return refuse(
                ErrorCode::Invalid,
                format!("the Hand {name} has concurrency 0 and could never run; use at least 1"),
            );
        }
        if hand.timeout_s == 0 {
            return refuse(
                ErrorCode::Invalid,
                format!("the Hand {name} has timeout_s 0 and could never finish; use at least 1"),
            );
        }
    }
    let bytes = inbox::json_bytes(register);
    if bytes > DURABLE_BYTES_MAX {
        return refuse(
            ErrorCode::TooLarge,
            format!(
                "the registration is {bytes} bytes; {DURABLE_BYTES_MAX} is the most: shorten the Hands' schemas and descriptions"
            ),
        );
    }
    Ok(())
}
