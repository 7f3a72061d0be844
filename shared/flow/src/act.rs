//! Times in flows: what a step waits for, and the date its texts can name.

use jiff::{SignedDuration, Timestamp};
use nexus_expr::Template;
use nexus_wire::Ms;
use nexus_wire::limits::STEP_WAIT_MAX;
use serde_json::{Value, json};

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

/// What `date` names, in UTC, at that time.
pub fn date(at: Ms) -> Value {
    let Ok(now) = Timestamp::from_millisecond(at) else { return json!({}) };
    let day = |days: i64| -> String {
        let moment = now.saturating_add(SignedDuration::from_hours(24 * days)).unwrap_or(now);
        moment.strftime("%Y-%m-%d").to_string()
    };
    json!({
        "now": now.strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
        "today": day(0),
        "tomorrow": day(1),
        "yesterday": day(-1),
    })
}
