//! Stretches and points of time, as people type them.

use std::time::Duration;

use jiff::civil::{DateTime, Time};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use nexus_wire::Ms;

pub(super) fn duration(text: &str) -> Result<Duration, String> {
    let wrong = || format!("{text:?} is no time; write 90s, 10m or 2h");
    if let Ok(seconds) = text.parse::<u64>() {
        return Ok(Duration::from_secs(seconds));
    }
    let parsed: SignedDuration = text.parse().map_err(|_| wrong())?;
    Duration::try_from(parsed).map_err(|_| wrong())
}

/// A point of time.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum When {
    Ago(Duration),
    At(Timestamp),
    /// Where whoever typed it is.
    Local(DateTime),
    Today,
}

impl When {
    pub fn ms(self, now: Ms, zone: &TimeZone) -> Ms {
        let local =
            |at: DateTime| at.to_zoned(zone.clone()).map_or(now, |at| at.timestamp().as_millisecond());
        match self {
            Self::Ago(ago) => now.saturating_sub(Ms::try_from(ago.as_millis()).unwrap_or(Ms::MAX)),
            Self::At(at) => at.as_millisecond(),
            Self::Local(at) => local(at),
            Self::Today => Timestamp::from_millisecond(now)
                .map_or(now, |at| local(at.to_zoned(zone.clone()).date().to_datetime(Time::midnight()))),
        }
    }
}

/// The stretch from one point of time to another, each of which may be left open.
pub type Stretch = (Option<Ms>, Option<Ms>);

/// What was typed as --since and --until.
pub fn between(
    since: Option<When>,
    until: Option<When>,
    now: Ms,
    zone: &TimeZone,
) -> Result<Stretch, String> {
    let ms = |when: When| when.ms(now, zone);
    match (since.map(ms), until.map(ms)) {
        (Some(since), Some(until)) if since >= until => {
            Err("--since is not before --until: nothing lies between them".to_owned())
        }
        stretch => Ok(stretch),
    }
}

impl std::str::FromStr for When {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "today" {
            return Ok(Self::Today);
        }
        if let Some(days) = text.strip_suffix('d').and_then(|days| days.parse::<u32>().ok()) {
            return Ok(Self::Ago(Duration::from_secs(u64::from(days) * 86_400)));
        }
        if let Ok(at) = text.parse::<Timestamp>() {
            return Ok(Self::At(at));
        }
        // A day alone is its midnight.
        if let Ok(at) = text.parse::<DateTime>() {
            return Ok(Self::Local(at));
        }
        let wrong = |_| {
            format!(
                "{text:?} is no time; write how long ago (90s, 10m, 2h, 7d), today, 2026-11-26 or 2026-11-26T08:00"
            )
        };
        duration(text).map(Self::Ago).map_err(wrong)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_typed_as_one_thinks_of_it() {
        let zone = TimeZone::fixed(jiff::tz::offset(1));
        let now: Timestamp = "2026-11-26T10:30:00Z".parse().expect("a time");
        let cases = [
            ("90", "2026-11-26T10:28:30Z"),
            ("2h", "2026-11-26T08:30:00Z"),
            ("7d", "2026-11-19T10:30:00Z"),
            ("today", "2026-11-25T23:00:00Z"),
            ("2026-11-01", "2026-10-31T23:00:00Z"),
            ("2026-11-01T08:00", "2026-11-01T07:00:00Z"),
            ("2026-11-01T08:00:00Z", "2026-11-01T08:00:00Z"),
        ];
        for (text, at) in cases {
            let at: Timestamp = at.parse().expect("a time");
            let when: When = text.parse().expect(text);
            assert_eq!(when.ms(now.as_millisecond(), &zone), at.as_millisecond(), "{text}");
        }
        for text in ["", "soon", "-5m", "2026-13-01", "d"] {
            assert!(text.parse::<When>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_stretch_begins_before_it_ends() {
        let when = |text: &str| text.parse::<When>().ok();
        let (early, late) = (when("1970-01-01T00:00:01Z"), when("1970-01-01T00:00:02Z"));
        let between = |since, until| between(since, until, 0, &TimeZone::UTC);
        assert_eq!(between(early, late), Ok((Some(1_000), Some(2_000))));
        assert_eq!(between(early, None), Ok((Some(1_000), None)));
        assert_eq!(between(None, early), Ok((None, Some(1_000))));
        assert_eq!(between(None, None), Ok((None, None)));
        for since in [early, late] {
            let said = "--since is not before --until: nothing lies between them";
            assert_eq!(between(since, early), Err(said.to_owned()));
        }
    }
}
