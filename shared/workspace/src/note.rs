//! What somebody wrote down to come back to: `followups.yaml`, each once, and `checks.yaml`, again and again. Each is a
//! trigger that asks an aspect. Pure.

use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use jiff::{Span, SpanRelativeTo, Timestamp};
use nexus_expr::Place;
use nexus_flow::{Format, Places};
use nexus_wire::{AspectName, Ms};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::load::{Item, Said};

pub(crate) const FOLLOWUPS: &str = "followups.yaml";
pub(crate) const CHECKS: &str = "checks.yaml";
const BYTES_MAX: usize = 512 * 1024;
/// Entries of one file.
const NOTES_MAX: usize = 1_000;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Followup {
    id: String,
    /// `2026-12-01T09:00` on the clock of `timezone`, or with an offset.
    at: String,
    /// On whose clock the text has its `date` as well.
    timezone: Option<String>,
    ask: AspectName,
    text: String,
    #[serde(default)]
    description: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Check {
    id: String,
    every: Option<String>,
    cron: Option<String>,
    timezone: Option<String>,
    ask: AspectName,
    text: String,
    #[serde(default)]
    description: String,
}

/// A field that is wrong, and why.
type Wrong = (&'static str, String);
type Read = Result<Vec<Said>, Vec<nexus_flow::Fault>>;

pub(crate) fn followups(text: &str) -> Read {
    read(text, |note: Followup| {
        let at = moment(&note.at, &zone(note.timezone.as_deref())?)?;
        let Followup { id, timezone, ask, text, description, .. } = note;
        Ok(json!({
            "name": format!("followup-{id}"), "description": description, "when": {"at": at}, "timezone": timezone,
            "do": {"ask": {"aspect": ask, "text": text}},
        }))
    })
}

pub(crate) fn checks(text: &str) -> Read {
    read(text, |note: Check| {
        let when = match (&note.every, &note.cron) {
            (Some(every), None) => json!({"every": {"seconds": seconds(every)?}}),
            (None, Some(cron)) => json!({"cron": cron}),
            (Some(_), Some(_)) => {
                return Err(("cron", "it has `every` already; leave one of them out".to_owned()));
            }
            (None, None) => return Err(("id", "how often? write `every: 10m`, or a `cron`".to_owned())),
        };
        zone(note.timezone.as_deref())?;
        let Check { id, timezone, ask, text, description, .. } = note;
        Ok(json!({
            "name": format!("check-{id}"), "description": description, "when": when, "timezone": timezone,
            "do": {"ask": {"aspect": ask, "text": text}},
        }))
    })
}

/// The trigger of each entry, or what is wrong with all of them.
fn read<T: DeserializeOwned>(text: &str, trigger: impl Fn(T) -> Result<Value, Wrong>) -> Read {
    // A file in which nothing is noted yet is no fault.
    if text.lines().all(|line| line.trim().is_empty() || line.trim_start().starts_with('#')) {
        return Ok(Vec::new());
    }
    let (notes, places) = nexus_flow::read_as::<Vec<T>>(text, Format::Yaml, BYTES_MAX)?;
    let mut faults = Vec::new();
    if notes.len() > NOTES_MAX {
        let message = format!("there are {} entries; {NOTES_MAX} is the most", notes.len());
        faults.push(nexus_flow::Fault { place: Place { line: 1, column: 1 }, message });
    }
    let mut said = Vec::new();
    for (at, note) in notes.into_iter().enumerate().take(NOTES_MAX) {
        let root = format!("[{at}]");
        let named = |value| serde_json::from_value(value).map_err(|error| ("id", error.to_string()));
        match trigger(note).and_then(named) {
            Ok(trigger) => {
                let item = Item::Trigger(Box::new(trigger));
                said.push(Said { item, places: Some(places.clone()), root });
            }
            Err((field, message)) => faults.push(placed(&places, &format!("{root}.{field}"), message)),
        }
    }
    if faults.is_empty() { Ok(said) } else { Err(faults) }
}

fn placed(places: &Places, path: &str, message: String) -> nexus_flow::Fault {
    nexus_flow::Fault { place: places.of(path), message }
}

/// As the broker knows it.
fn zone(name: Option<&str>) -> Result<TimeZone, Wrong> {
    nexus_flow::zone(name).map_err(|wrong| ("timezone", wrong))
}

fn moment(at: &str, zone: &TimeZone) -> Result<Ms, Wrong> {
    if let Ok(moment) = at.parse::<Timestamp>() {
        return Ok(moment.as_millisecond());
    }
    let unread = || {
        let message = format!(
            "{at:?} is no time; write it as 2026-12-01T09:00, with a `timezone`, or as 2026-12-01T09:00:00+01:00"
        );
        ("at", message)
    };
    let civil: DateTime = at.parse().map_err(|_| unread())?;
    let zoned = civil.to_zoned(zone.clone()).map_err(|_| unread())?;
    Ok(zoned.timestamp().as_millisecond())
}

fn seconds(every: &str) -> Result<i64, Wrong> {
    let unread = || ("every", format!("{every:?} is no span of time; write it as 30s, 10m, 2h or 1d"));
    let span: Span = every.parse().map_err(|_| unread())?;
    let span = span.to_duration(SpanRelativeTo::days_are_24_hours()).map_err(|_| unread())?;
    match span.as_secs() {
        seconds if seconds > 0 => Ok(seconds),
        _ => Err(unread()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(read: Read) -> Vec<String> {
        match read {
            Ok(said) => said
                .into_iter()
                .map(|it| match it.item {
                    Item::Trigger(trigger) => {
                        serde_json::to_string(&(&trigger.name, &trigger.when, &trigger.timezone)).unwrap()
                    }
                    Item::Flow(_) | Item::Home(_) | Item::Registry(_) => it.item.key(),
                })
                .collect(),
            Err(faults) => faults.iter().map(ToString::to_string).collect(),
        }
    }

    #[test]
    fn each_entry_is_a_trigger() {
        let text = "# Not forgotten.\n\
                    - { id: tax, at: 2026-12-01T09:00, timezone: Europe/Berlin, ask: wren, text: Is it paid? }\n\
                    - { id: call, at: \"2026-12-01T09:00:00+02:00\", ask: wren, text: Call back. }\n\
                    - { id: far, at: \"2026-12-01T09:00:00+02:00\", timezone: Asia/Tokyo, ask: wren, text: Is it? }\n";
        let expected = [
            r#"["followup-tax",{"at":1796112000000},"Europe/Berlin"]"#,
            r#"["followup-call",{"at":1796108400000},null]"#,
            r#"["followup-far",{"at":1796108400000},"Asia/Tokyo"]"#,
        ];
        assert_eq!(told(followups(text)), expected);
        let text = "- { id: disk, every: 10m, ask: wren, text: Is there room? }\n\
                    - { id: tide, every: 6h, timezone: Asia/Tokyo, ask: wren, text: Is it high? }\n\
                    - { id: books, cron: 0 9 * * 1, timezone: Europe/Berlin, ask: wren, text: Are they in order? }\n";
        let expected = [
            r#"["check-disk",{"every":{"seconds":600}},null]"#,
            r#"["check-tide",{"every":{"seconds":21600}},"Asia/Tokyo"]"#,
            r#"["check-books",{"cron":"0 9 * * 1"},"Europe/Berlin"]"#,
        ];
        assert_eq!(told(checks(text)), expected);
        assert_eq!(told(checks("# None yet.\n\n")), [""; 0]);
    }

    #[test]
    fn what_is_wrong_is_told_where_it_stands() {
        let text = "- id: tax\n  at: tomorrow\n  ask: wren\n  text: x\n\
                    - id: Tax Office\n  at: 2026-12-01T09:00\n  ask: wren\n  text: x\n\
                    - id: far\n  at: 2026-12-01T09:00\n  timezone: Mars/Olympus\n  ask: wren\n  text: x\n";
        let found = told(followups(text));
        let expected = [
            "2:7: \"tomorrow\" is no time; write it as",
            "5:7: ",
            "11:13: \"Mars/Olympus\" is no time zone; write one as Europe/Berlin",
        ];
        assert_eq!(found.len(), expected.len(), "{found:#?}");
        for (found, expected) in found.iter().zip(expected) {
            assert!(found.starts_with(expected), "{found}, not {expected}");
        }
        let wrong = [
            ("- { id: a, ask: wren, text: x }", "1:9: how often? write `every: 10m`, or a `cron`"),
            ("- { id: a, every: soon, ask: wren, text: x }", "1:19: \"soon\" is no span of time"),
            ("- { id: a, every: 1m, ask: wren, text: x, to: y }", "1:43: unknown field `to`"),
            (
                "- { id: a, every: 1h, timezone: Mars, ask: wren, text: x }",
                "1:33: \"Mars\" is no time zone; write one as Europe/Berlin",
            ),
            ("id: a", "1:1: "),
        ];
        for (text, expected) in wrong {
            let found = told(checks(text));
            assert!(found.len() == 1 && found[0].starts_with(expected), "{found:?}, not {expected}");
        }
    }
}
