//! When a trigger is due: its slots, as a function of its definition and of nothing else. The rules of the time
//! zones are part of the program, so that they do not differ from one start to the next.
//!
//! A cron pattern is a set of readings of a wall clock. A reading that the clock skips stands for the moment at
//! which it skips it, one that the clock shows twice for the first of the two; so no slot is lost and none is there
//! twice.

use croner::Cron;
use croner::parser::{CronParser, Seconds, Year};
use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use nexus_wire::limits::{TRIGGER_CRON_BYTES_MAX, TRIGGER_EVERY_MAX_S};
use nexus_wire::trigger::{Trigger, When};
use nexus_wire::{Ms, TriggerId, derive};

#[derive(Clone, Debug)]
pub(crate) struct Schedule(Kind);

#[derive(Clone, Debug)]
enum Kind {
    Cron(Box<(Cron, TimeZone)>),
    Every {
        anchor: Ms,
        every: Ms,
    },
    At(Ms),
    /// It is not time that decides.
    None,
}

impl Schedule {
    /// `created_at` is what an `every` without an anchor is counted from. Says what is wrong with the definition.
    pub(crate) fn of(trigger: &Trigger, created_at: Ms) -> Result<Self, String> {
        let zone = zone(trigger.timezone.as_deref())?;
        Ok(Self(match &trigger.when {
            When::Cron(pattern) => Kind::Cron(Box::new((cron(pattern)?, zone))),
            When::Every(every) => {
                if !(1..=TRIGGER_EVERY_MAX_S).contains(&every.seconds) {
                    return Err(format!(
                        "`when.every.seconds` is {}; it can be from 1 to {TRIGGER_EVERY_MAX_S}",
                        every.seconds
                    ));
                }
                let anchor = every.anchor.unwrap_or(created_at);
                instant(anchor)
                    .ok_or_else(|| format!("`when.every.anchor`: {anchor} is no time there is"))?;
                Kind::Every { anchor, every: Ms::from(every.seconds) * 1000 }
            }
            When::At(at) => {
                instant(*at).ok_or_else(|| format!("`when.at`: {at} is no time there is"))?;
                Kind::At(*at)
            }
            When::Event(_)
            | When::After(_)
            | When::Watch(_)
            | When::Files(_)
            | When::Webhook(_)
            | When::Manual => Kind::None,
        }))
    }

    /// The first slot after that time; `None`: there is none any more.
    pub(crate) fn next(&self, after: Ms) -> Option<Ms> {
        match &self.0 {
            Kind::Cron(cron) => next_reading(&cron.0, &cron.1, after),
            Kind::Every { anchor, every } => {
                let passed = after.saturating_sub(*anchor).div_euclid(*every);
                anchor.checked_add(passed.checked_add(1)?.max(0).checked_mul(*every)?)
            }
            Kind::At(at) => (*at > after).then_some(*at),
            Kind::None => None,
        }
    }

    /// Slots from `from`, which is one, to `until`, where they can be counted without looking at each: the last one
    /// and how many there are.
    pub(crate) fn count(&self, from: Ms, until: Ms) -> Option<(Ms, u64)> {
        match &self.0 {
            Kind::Every { every, .. } => {
                let more = until.checked_sub(from)?.div_euclid(*every);
                Some((from + more * every, u64::try_from(more).ok()? + 1))
            }
            Kind::Cron(_) | Kind::At(_) | Kind::None => None,
        }
    }
}

/// When the slot is due: always the same for the same trigger and slot.
pub(crate) fn due(id: TriggerId, trigger: &Trigger, slot: Ms) -> Ms {
    let most = u64::from(trigger.jitter_s) * 1000;
    let late = derive::trigger_jitter(id, slot, most);
    slot.saturating_add(Ms::try_from(late).unwrap_or(0))
}

fn instant(at: Ms) -> Option<Timestamp> {
    Timestamp::from_millisecond(at).ok()
}

pub(super) fn zone(name: Option<&str>) -> Result<TimeZone, String> {
    nexus_flow::zone(name).map_err(|wrong| format!("`timezone`: {wrong}"))
}

fn cron(pattern: &str) -> Result<Cron, String> {
    if pattern.len() > TRIGGER_CRON_BYTES_MAX {
        return Err(format!("`when.cron` is {} bytes; {TRIGGER_CRON_BYTES_MAX} is the most", pattern.len()));
    }
    let parser = CronParser::builder().seconds(Seconds::Optional).year(Year::Disallowed).build();
    parser.parse(pattern).map_err(|error| {
        format!(
            "`when.cron`: {pattern:?} cannot be read: {error}; write minute, hour, day of month, month and day of \
            week, as in 0 8 * * 1-5"
        )
    })
}

/// The wall clock is looked at in the order of its readings; what they stand for is in order as well.
fn next_reading(cron: &Cron, zone: &TimeZone, after: Ms) -> Option<Ms> {
    let mut reading: DateTime = zone.to_datetime(instant(after)?);
    let mut inclusive = true;
    loop {
        reading = cron.find_next_occurrence(&reading, inclusive).ok()?;
        inclusive = false;
        let at = stands_for(zone, reading)?;
        if at > after {
            return Some(at);
        }
    }
}

/// The one moment that a reading of the wall clock stands for.
fn stands_for(zone: &TimeZone, reading: DateTime) -> Option<Ms> {
    use jiff::tz::AmbiguousOffset;
    let ambiguous = zone.to_ambiguous_timestamp(reading);
    let at = match ambiguous.offset() {
        AmbiguousOffset::Unambiguous { offset } => offset.to_timestamp(reading).ok()?,
        AmbiguousOffset::Fold { before, .. } => before.to_timestamp(reading).ok()?,
        AmbiguousOffset::Gap { before, after } => {
            // Read by the clock as it goes before, it lies behind the moment at which that is set forward.
            let behind = before.to_timestamp(reading).ok()?;
            let ahead = after.to_timestamp(reading).ok()?;
            zone.following(ahead).next().map_or(behind, |change| change.timestamp())
        }
    };
    Some(at.as_millisecond())
}

#[cfg(test)]
mod tests;
