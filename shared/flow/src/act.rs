//! Times in flows: what a step waits for, and the date its texts can name.

use std::sync::LazyLock;

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::{TimeZone, TimeZoneDatabase};
use nexus_expr::Template;
use nexus_wire::Ms;
use nexus_wire::limits::STEP_WAIT_MAX;
use serde_json::{Map, Value};

/// What a step waits for.
#[derive(Clone, Debug, PartialEq)]
pub enum Moment {
    /// Milliseconds.
    After(Ms),
    /// A text that is a time.
    Until(Template),
}

impl Moment {
    /// When that is, `now` at the earliest.
    pub fn at(&self, scope: &Value, now: Ms) -> Result<Ms, String> {
        let template = match self {
            Self::After(ms) => return Ok(now.saturating_add(*ms)),
            Self::Until(template) => template,
        };
        let text = template.text(scope).map_err(|error| error.to_string())?;
        let shown: String = text.chars().take(64).collect();
        let Ok(moment) = text.parse::<Timestamp>() else {
            return Err(format!("{shown:?} is no time; one is written like 2026-11-26T08:00:00Z"));
        };
        let at = moment.as_millisecond().max(now);
        let last = now.saturating_add(STEP_WAIT_MAX.as_millis() as Ms);
        if at > last {
            let days = STEP_WAIT_MAX.as_secs() / 86_400;
            return Err(format!("{shown:?} is further away than the {days} days a step may wait"));
        }
        Ok(at)
    }
}

static ZONES: LazyLock<TimeZoneDatabase> = LazyLock::new(TimeZoneDatabase::bundled);

/// Absent: UTC. The same on every machine, whatever its own rules are.
pub fn zone(name: Option<&str>) -> Result<TimeZone, String> {
    let Some(name) = name else { return Ok(TimeZone::UTC) };
    ZONES.get(name).map_err(|_| {
        let shown: String = name.chars().take(64).collect();
        format!("{shown:?} is no time zone; write one as Europe/Berlin or America/New_York")
    })
}

/// What [`date`] has.
pub const DATE_NAMES: [&str; 7] =
    ["now", "today", "today_start", "tomorrow", "tomorrow_start", "yesterday", "yesterday_start"];

/// What `date` names at that time: the moment in UTC, and the days on the wall clock of that zone, with the moments at which
/// they begin.
pub fn date(at: Ms, zone: &TimeZone) -> Map<String, Value> {
    let Ok(now) = Timestamp::from_millisecond(at) else { return Map::new() };
    let today = now.to_zoned(zone.clone()).date();
    let tomorrow = today.tomorrow().unwrap_or(today);
    let yesterday = today.yesterday().unwrap_or(today);
    // Where a clock skips midnight, the first moment of the day.
    let start = |day: Date| match day.to_zoned(zone.clone()).and_then(|day| day.start_of_day()) {
        Ok(start) => start.strftime("%Y-%m-%dT%H:%M:%S%:z").to_string(),
        Err(_) => day.to_string(),
    };
    let values = [
        now.strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
        today.to_string(),
        start(today),
        tomorrow.to_string(),
        start(tomorrow),
        yesterday.to_string(),
        start(yesterday),
    ];
    DATE_NAMES.into_iter().zip(values).map(|(name, value)| (name.to_owned(), value.into())).collect()
}
