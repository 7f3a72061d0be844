//! A link becomes an aspect's own: what it must bring for that, where delivery starts, which work it still has.

use nexus_wire::frame::FromBroker;
use nexus_wire::limits::{
    CLOSE_DISPLACED, CLOSE_HELD, CLOSE_REVOKED, DURABLE_BYTES_MAX, HANDS_PER_ASPECT_MAX, SLOTS_MAX,
};
use nexus_wire::roster::{HeldLease, LinkLimits, Register, Registered};
use nexus_wire::{AspectName, EpochId, ErrorBody, ErrorCode, LinkId, Party, WatchName};
use serde_json::json;

use super::dispatch::offer_of;
use super::effect::Effect;
use super::inbox::{self, Start};
use super::records::{AspectRecord, DispatchRecord, Profile, Store, Stored};
use super::restrain::held;
use super::roster::unknown_aspect;
use super::schema::{BadSchema, Compiled};
use super::situation::situation;
use super::step::{Done, Step, refuse};
use super::trigger::check_watches;

impl<S: Store> Step<'_, S> {
    pub(super) fn register(
        &mut self,
        name: &AspectName,
        link: LinkId,
        key_generation: u64,
        register: Register,
        new_epoch: EpochId,
    ) -> Done {
        let Some(record) = self.hub.roster.aspect(name) else { return Err(unknown_aspect(name).into()) };
        if !record.accepts(key_generation, self.at) {
            self.answer_with(Err(ErrorBody::new(
                ErrorCode::Unauthorized,
                format!(
                    "the key of {name} was revoked or replaced; `nexus aspect add {name}` makes a new keyfile"
                ),
            )));
            self.effect(Effect::Close { link, code: CLOSE_REVOKED, reason: "revoked".into() });
            return Ok(());
        }
        if let Some(held) = held(record) {
            let reason = held.message.clone();
            self.answer_with(Err(held));
            // The close says it too: a client that sees the link end may not look at what came before.
            self.effect(Effect::Close { link, code: CLOSE_HELD, reason });
            return Ok(());
        }
        if record.link == Some(link) {
            return refuse(
                ErrorCode::AlreadyRegistered,
                format!("this link is registered as {name} already"),
            );
        }
        check_profile(&register)?;
        let schemas = Compiled::of(&register.hands).map_err(bad_schema)?;
        check_home(record, &register)?;

        let mut record = record.clone();
        let start = inbox::start(&*self.store, &record, register.resume.as_ref())?;
        let offset = begin(&mut record, start, new_epoch);
        let away_since = (record.generation > 0 && record.link.is_none()).then_some(record.since);
        let displaced = record.link.replace(link);
        record.generation += 1;
        record.since = self.at;
        if let Some(previous) = &mut record.previous_key {
            previous.holds_link = previous.key_generation == key_generation;
        }
        let held = register.leases.clone();
        let broken = register.broken.clone();
        let watches: Vec<WatchName> = register.watches.iter().map(|watch| watch.name.clone()).collect();
        record.profile = profile_of(register);
        let offer = offer_of(&record);
        let (epoch, generation, tail) = (record.epoch, record.generation, record.tail);
        self.store.put_aspect(&record)?;
        self.hub.roster.put_aspect(record);
        self.hub.schemas.put(name, schemas);
        self.log_other(Party::Aspect(name.clone()), "aspect.online", name, &generation)?;
        self.arrived(name)?;
        self.home_is(name, broken.as_deref())?;
        self.watches_are(name, &watches)?;
        let leases = self.leases_of(name, &held, offset)?;
        let lost = self.hub.queue.register(name, offer, &leases, self.at);
        self.settle(None, None)?;

        // What the queue gives the aspect now comes after its attachment.
        let later = self.take_effects();
        if let Some(old) = displaced {
            self.effect(Effect::Close { link: old, code: CLOSE_DISPLACED, reason: "displaced".into() });
        }
        let (team, _) = self.hub.situation_of(name);
        let mut situation = situation(&*self.store, name, team, tail - offset, away_since)?;
        situation.spending_stop = self.hub.spending_stop();
        let limits = LinkLimits { lease_ms: self.hub.queue.lease_ms(), ..LinkLimits::default() };
        let registered =
            Registered { name: name.clone(), link, generation, epoch, offset, lost, limits, situation };
        // Before the answer, which shows what the roster does.
        self.effect(Effect::RosterChanged { aspect: name.clone() });
        self.answer_with(Ok(FromBroker::Registered(Box::new(registered))));
        self.effect(Effect::Attach { link, aspect: name.clone(), cursor: offset, tail });
        self.append(later);
        self.show_work(name);
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
}

/// Where delivery starts; the record's epoch and cursor are moved accordingly.
fn begin(record: &mut AspectRecord, start: Start, new_epoch: EpochId) -> u64 {
    if record.epoch.0.is_nil() {
        record.epoch = new_epoch;
    }
    match start {
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
    }
}

/// A home that has not seen a link which acknowledged items lacks those items.
fn check_home(record: &AspectRecord, register: &Register) -> Done {
    let (home, broker) = (register.last_generation, record.acked_generation);
    if home >= broker || register.adopt {
        return Ok(());
    }
    let message = format!(
        "the home of {} last saw link {home}, but a later one, {broker}, acknowledged items: this home is an old copy or \
         a clone",
        record.name
    );
    let details = json!({"last_generation": home, "acked_generation": broker});
    Err(ErrorBody::new(ErrorCode::HomeDiverged, message).with(details).into())
}

fn profile_of(register: Register) -> Profile {
    Profile {
        model: register.model,
        provider: register.provider,
        context_mode: register.context_mode,
        capabilities: register.capabilities,
        hands: register.hands,
        slots: register.slots,
        watches: register.watches,
    }
}

fn bad_schema(bad: BadSchema) -> ErrorBody {
    let BadSchema { hand, side, fault } = bad;
    let field = side.field();
    let message = format!("the {field} of the Hand {hand} cannot be used: {fault}");
    let details = json!({"hand": hand, "schema": field, "at": fault.at});
    ErrorBody::new(ErrorCode::Invalid, message).with(details)
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
    check_watches(&register.watches)?;
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
