//! Which Hand a dispatch goes to: one that is named, the sender's own shadow, or one chosen by capability; and
//! whether it may go there.

use std::borrow::Cow;

use nexus_schema::listed as faults_listed;
use nexus_wire::hands::{Candidate, Dispatch, HAND_OR_CAPABILITY, HandSpec, Wanted};
use nexus_wire::name::HandName;
use nexus_wire::roster::{PROVIDER_NONE, RestraintKind};
use nexus_wire::{AspectName, ErrorBody, ErrorCode, HandRef, HandTarget, Party};
use serde_json::{Value, json};

use crate::hub::choose::{self, Choice, Load, Offered};
use crate::hub::queue::Offer;
use crate::hub::records::{AspectRecord, Profile, Store};
use crate::hub::schema::Side;
use crate::hub::step::{Done, Step, refuse};

/// Candidates that an error's message names; its details have more.
const NAMED_MAX: usize = 5;

/// What the queue may give an aspect: one that is paused has no slot.
pub(in crate::hub) fn offer_of(record: &AspectRecord) -> Offer {
    let profile = &record.profile;
    let hands = hands_offered(profile).iter().map(|hand| (hand.name.clone(), hand.concurrency)).collect();
    let slots = if record.is_restrained(RestraintKind::Paused) { 0 } else { profile.slots };
    Offer { hands, slots, is_free: profile.provider == PROVIDER_NONE }
}

/// The Hands an aspect has declared, and `self`, which it need not declare.
fn hands_offered(profile: &Profile) -> Vec<Cow<'_, HandSpec>> {
    let mut hands: Vec<_> = profile.hands.iter().map(Cow::Borrowed).collect();
    if !profile.hands.iter().any(|hand| hand.name.is_own()) {
        hands.push(Cow::Owned(HandSpec::own(profile.capabilities.clone())));
    }
    hands
}

/// Where a dispatch goes.
#[derive(Debug)]
pub(super) struct Target {
    pub(super) hand: HandRef,
    pub(super) timeout_s: u32,
    pub(super) idempotent: bool,
    pub(super) why: Vec<Candidate>,
}

/// Whether somebody has begun the work before.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Begun {
    No,
    /// Then it may only go where it may be done twice.
    Yes,
}

impl<S: Store> Step<'_, S> {
    pub(super) fn target(&self, sender: &Party, dispatch: &Dispatch) -> Done<Target> {
        let hand = match (&dispatch.hand, &dispatch.capability) {
            (Some(HandTarget::Hand(hand)), None) => hand.clone(),
            (Some(HandTarget::Own), None) => match sender {
                Party::Aspect(name) => HandRef { aspect: name.clone(), hand: HandName::own() },
                Party::Operator(_) | Party::System => {
                    return refuse(
                        ErrorCode::Invalid,
                        "`self` is an aspect's own shadow; say whose, for example wren/self",
                    );
                }
            },
            (None, Some(wanted)) => return self.chosen(sender, wanted, &dispatch.input, Begun::No, None),
            (Some(_), Some(_)) | (None, None) => {
                return refuse(ErrorCode::Invalid, HAND_OR_CAPABILITY);
            }
        };
        self.named(sender, hand, &dispatch.input)
    }

    /// A Hand by its name, as its aspect last declared it; the aspect need not be online.
    pub(super) fn named(&self, sender: &Party, hand: HandRef, input: &Value) -> Done<Target> {
        let spec = self.offered(&hand)?;
        if !choose::may_invoke(&spec, sender) {
            return Err(not_allowed(sender, &hand, &spec).into());
        }
        self.check_input(&hand, input)?;
        let (timeout_s, idempotent) = (spec.timeout_s, spec.idempotent);
        Ok(Target { hand, timeout_s, idempotent, why: Vec::new() })
    }

    pub(in crate::hub) fn offered(&self, hand: &HandRef) -> Result<Cow<'_, HandSpec>, ErrorBody> {
        let host = self.hub.roster.aspect(&hand.aspect).filter(|record| record.is_active());
        let Some(host) = host else { return Err(self.no_such_aspect(&hand.aspect)) };
        let spec = hands_offered(&host.profile).into_iter().find(|spec| spec.name == hand.hand);
        spec.filter(|_| host.generation > 0).ok_or_else(|| no_such_hand(host, &hand.hand))
    }

    fn check_input(&self, hand: &HandRef, input: &Value) -> Done {
        let faults = self.hub.schemas.faults(hand, Side::Input, input);
        if faults.is_empty() {
            return Ok(());
        }
        let message = format!("the input is not what {hand} takes: {}", faults_listed(&faults));
        let details = json!({"hand": hand, "schema": Side::Input.field(), "faults": faults});
        Err(ErrorBody::new(ErrorCode::Invalid, message).with(details).into())
    }

    pub(super) fn chosen(
        &self,
        sender: &Party,
        wanted: &Wanted,
        input: &Value,
        begun: Begun,
        shunned: Option<&AspectName>,
    ) -> Done<Target> {
        if wanted.needs.iter().all(|name| name.trim().is_empty()) {
            return refuse(
                ErrorCode::Invalid,
                "capability.needs: name at least one capability the Hand has to have",
            );
        }
        let waiting = self.hub.queue.waiting();
        let team: Vec<(&AspectRecord, Vec<Cow<'_, HandSpec>>)> =
            self.hub.roster.active().map(|record| (record, hands_offered(&record.profile))).collect();
        let offered = team.iter().flat_map(|(record, hands)| {
            let waiting = waiting.get(&record.name).copied().unwrap_or(0);
            hands.iter().map(move |spec| (*record, spec.as_ref(), waiting))
        });
        let offered = offered.filter(|(record, spec, _)| {
            Some(&record.name) != shunned && (begun == Begun::No || spec.idempotent)
        });
        let offered = offered.map(|(record, spec, waiting)| {
            let hand = HandRef { aspect: record.name.clone(), hand: spec.name.clone() };
            let (running_on_host, running_of_hand) = self.hub.queue.running(&hand);
            Offered {
                aspect: &record.name,
                spec,
                online: record.is_up(),
                slots: record.profile.slots,
                load: Load { running_on_host, running_of_hand, waiting },
            }
        });
        let Choice { chosen, why, left_out } = choose::choose(wanted, sender, offered, |hand| {
            let faults = self.hub.schemas.faults(hand, Side::Input, input);
            if faults.is_empty() {
                return Ok(());
            }
            Err(format!("does not take this input: {}", faults_listed(&faults)))
        });
        let Some(hand) = chosen else { return Err(no_candidate(wanted, &why, left_out).into()) };
        let hands = team.iter().find(|(record, _)| record.name == hand.aspect).map(|(_, hands)| hands);
        let spec = hands.and_then(|hands| hands.iter().find(|spec| spec.name == hand.hand));
        let Some(spec) = spec else { return Err(no_candidate(wanted, &why, left_out).into()) };
        let (timeout_s, idempotent) = (spec.timeout_s, spec.idempotent);
        Ok(Target { hand, timeout_s, idempotent, why })
    }

    fn no_such_aspect(&self, aspect: &AspectName) -> ErrorBody {
        let offering: Vec<String> = self.hub.roster.active().flat_map(declared).take(32).collect();
        ErrorBody::new(
            ErrorCode::NotFound,
            format!("there is no aspect {aspect}; {}", listed("Hands on this team are", &offering)),
        )
        .with(json!({"hands": offering}))
    }
}

fn no_candidate(wanted: &Wanted, why: &[Candidate], left_out: usize) -> ErrorBody {
    let told: Vec<String> =
        why.iter().take(NAMED_MAX).map(|it| format!("{} {}", it.hand, it.because)).collect();
    let more = match why.len().saturating_sub(NAMED_MAX) + left_out {
        0 => String::new(),
        more => format!("; and {more} more"),
    };
    let told = if told.is_empty() { "nobody is on the team".to_owned() } else { told.join("; ") };
    let message = format!("no Hand can take what needs {}: {told}{more}", wanted.needs.join(", "));
    ErrorBody::new(ErrorCode::NoCandidate, message).with(json!({"candidates": why, "left_out": left_out}))
}

fn not_allowed(sender: &Party, hand: &HandRef, spec: &HandSpec) -> ErrorBody {
    let allowed: Vec<String> = spec.allowed_invokers.iter().flatten().map(AspectName::to_string).collect();
    let message = format!("{sender} may not dispatch to {hand}; {}", listed("those who may are", &allowed));
    ErrorBody::new(ErrorCode::Forbidden, message).with(json!({"allowed_invokers": allowed}))
}

fn declared(record: &AspectRecord) -> impl Iterator<Item = String> {
    record.profile.hands.iter().map(|spec| format!("{}/{}", record.name, spec.name))
}

fn no_such_hand(host: &AspectRecord, hand: &HandName) -> ErrorBody {
    let offered: Vec<String> = declared(host).collect();
    let message = if host.generation == 0 {
        format!(
            "{} has never been online, so it is not known to have a Hand {hand}; start it first",
            host.name
        )
    } else {
        format!("{} has no Hand {hand}; {}", host.name, listed("its Hands are", &offered))
    };
    ErrorBody::new(ErrorCode::NotFound, message).with(json!({"hands": offered}))
}

fn listed(what: &str, names: &[String]) -> String {
    if names.is_empty() { format!("{what} none") } else { format!("{what} {}", names.join(", ")) }
}
