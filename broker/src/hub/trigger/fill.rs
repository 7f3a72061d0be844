//! What a trigger says and hands over, with expressions in it filled in from what set it off. What comes of them is
//! data, and is not read as a template again.

use std::borrow::Cow;

use jiff::Timestamp;
use nexus_expr::{Shape, Template};
use nexus_flow::DATE_NAMES;
use nexus_wire::limits::TRIGGER_INPUT_BYTES_MAX;
use nexus_wire::trigger::{Act, Trigger};
use serde_json::{Value, json};

use super::hear::told;
use super::schedule;
use crate::hub::inbox::json_bytes;
use crate::hub::records::SlotRecord;

/// What there is to name.
fn shape() -> Shape {
    let any = |names: &[&'static str]| Shape::fields(names.iter().map(|name| (*name, Shape::Any)));
    Shape::fields([
        (
            "date",
            any(&[&DATE_NAMES[..], &["day", "hour", "iso", "minute", "month", "weekday", "year"]].concat()),
        ),
        ("payload", Shape::Any),
        ("trigger", any(&["attempt", "caught_up", "name", "no", "slot"])),
    ])
}

/// What is wrong with the expressions of a definition, and where.
pub(super) fn check(act: &Act) -> Result<(), String> {
    let (field, template) = match act {
        Act::Ask(ask) => {
            let parsed = Template::parse_text(&ask.text);
            ("do.ask.text", parsed.map_err(|error| format!("`do.ask.text` {error}"))?)
        }
        Act::Dispatch(dispatch) => ("do.dispatch.input", parsed("do.dispatch.input", &dispatch.input)?),
        Act::Flow(flow) => ("do.flow.input", parsed("do.flow.input", &flow.input)?),
    };
    match template.check(&shape()).first() {
        Some(missing) => Err(format!("`{field}` {}:{}: {missing}", missing.place.line, missing.place.column)),
        None => Ok(()),
    }
}

/// What an aspect is asked. Where the text names nothing of what set it off, that stands below it.
pub(super) fn text(text: &str, definition: &Trigger, slot: &SlotRecord) -> Result<String, String> {
    let template = Template::parse_text(text).map_err(|error| format!("`do.ask.text` {error}"))?;
    let filled =
        template.text(&scope(definition, slot)).map_err(|error| format!("`do.ask.text`: {error}"))?;
    let names_it = template.paths().iter().any(|path| path.first() == Some(&"payload"));
    Ok(if names_it { filled } else { told(&filled, &shown(&slot.payload)) })
}

pub(super) fn input(
    field: &str,
    input: &Value,
    definition: &Trigger,
    slot: &SlotRecord,
) -> Result<Value, String> {
    let template = parsed(field, input)?;
    template.value(&scope(definition, slot)).map_err(|error| format!("`{field}`: {error}"))
}

/// What an input will be every time; `None`: that is known when the trigger is due.
pub(super) fn constant(input: &Value) -> Option<Value> {
    let template = Template::parse(input).ok().filter(|template| template.paths().is_empty())?;
    template.value(&Value::Null).ok()
}

fn parsed(field: &str, input: &Value) -> Result<Template, String> {
    Template::parse(input).map_err(|(path, error)| format!("`{field}{path}` {error}"))
}

/// A large body is left out, as nobody reads it; a text that names parts of it has those.
fn shown(payload: &Value) -> Cow<'_, Value> {
    if json_bytes(payload) <= TRIGGER_INPUT_BYTES_MAX {
        return Cow::Borrowed(payload);
    }
    let mut shown = payload.clone();
    if let Some(fields) = shown.as_object_mut() {
        fields.remove("body");
        fields.insert("body_left_out".to_owned(), Value::Bool(true));
    }
    Cow::Owned(shown)
}

fn scope(definition: &Trigger, slot: &SlotRecord) -> Value {
    let at = &slot.slot;
    json!({
        "date": date(definition, slot),
        "payload": slot.payload,
        "trigger": {
            "name": slot.name, "no": at.no, "slot": at.slot, "attempt": at.attempts, "caught_up": at.caught_up,
        },
    })
}

/// The slot's day and time on the trigger's wall clock.
fn date(definition: &Trigger, slot: &SlotRecord) -> Value {
    let zone = schedule::zone(definition.timezone.as_deref());
    let (Ok(zone), Ok(at)) = (zone, Timestamp::from_millisecond(slot.slot.slot)) else { return Value::Null };
    let mut date = nexus_flow::date(slot.slot.slot, &zone);
    let at = at.to_zoned(zone);
    let parts = [("year", i64::from(at.year())), ("month", at.month().into()), ("day", at.day().into())];
    let clock = [("hour", i64::from(at.hour())), ("minute", at.minute().into())];
    date.extend(parts.into_iter().chain(clock).map(|(name, value)| (name.to_owned(), value.into())));
    date.insert("iso".to_owned(), at.date().to_string().into());
    date.insert("weekday".to_owned(), at.strftime("%A").to_string().into());
    Value::Object(date)
}
