//! Triggers, their plans, and what became of their slots.

use jiff::tz::TimeZone;
use nexus_wire::trigger::{
    Act, After, Cause, PlannedSlot, SlotState, SlotWork, Trigger, TriggerInfo, TriggerSlot, TriggerStatus,
    When,
};
use nexus_wire::{Ms, TriggerName};

use super::grid::Give::{Cut, Go, Id, Keep};
use super::grid::{Cell, Grid};
use super::{exact, marked, or_dash, span, title};
use crate::ui::{Hue, Ui};

pub fn triggers(ui: &Ui, triggers: &[TriggerInfo], now: Ms) -> String {
    let columns = [
        ("NAME", Keep),
        ("STATUS", Keep),
        ("NEXT IN", Keep),
        ("WHEN", Cut),
        ("DOES", Cut),
        ("SLOTS", Go(2)),
        ("OWNER", Go(1)),
    ];
    let mut table = Grid::new(ui, &columns);
    for info in triggers {
        let next = info.next.filter(|_| info.status == TriggerStatus::Active);
        table.add_row(vec![
            Cell::new(&info.definition.name),
            status(info.status),
            Cell::new(next.map_or_else(|| "-".to_owned(), |next| span((next - now).max(0)))),
            Cell::new(title(ui, &when(&info.definition))),
            Cell::new(title(ui, &does(&info.definition.act))),
            Cell::new(info.slots),
            Cell::new(&info.owner),
        ]);
    }
    table.text()
}

pub fn plan(ui: &Ui, slots: &[PlannedSlot], now: Ms, zone: &TimeZone) -> String {
    let mut table = Grid::new(ui, &[("SLOT", Keep), ("DUE", Keep), ("IN", Keep)]);
    for planned in slots {
        table.add_row(of_plan(planned, now, zone).to_vec());
    }
    table.text()
}

/// Of several triggers.
pub fn plans<'a>(
    ui: &Ui,
    slots: impl Iterator<Item = (&'a TriggerName, &'a PlannedSlot)>,
    now: Ms,
    zone: &TimeZone,
) -> String {
    let mut table = Grid::new(ui, &[("TRIGGER", Keep), ("SLOT", Go(1)), ("DUE", Keep), ("IN", Keep)]);
    for (trigger, planned) in slots {
        let [slot, due, rest] = of_plan(planned, now, zone);
        table.add_row(vec![trigger.to_string(), slot, due, rest]);
    }
    table.text()
}

fn of_plan(planned: &PlannedSlot, now: Ms, zone: &TimeZone) -> [String; 3] {
    [exact(planned.slot, zone), exact(planned.due, zone), span((planned.due - now).max(0))]
}

pub fn slots(ui: &Ui, slots: &[TriggerSlot], zone: &TimeZone) -> String {
    let columns = [
        ("NO", Keep),
        ("SLOT", Keep),
        ("STATE", Keep),
        ("CAUSE", Go(1)),
        ("TRIES", Go(2)),
        ("WORK", Id),
        ("WHY", Cut),
    ];
    let mut table = Grid::new(ui, &columns);
    for slot in slots {
        let work = match slot.work {
            Some(SlotWork::Message(id)) => id.to_string(),
            Some(SlotWork::Dispatch(id)) => id.to_string(),
            Some(SlotWork::Run(id)) => id.to_string(),
            None => "-".to_owned(),
        };
        table.add_row(vec![
            Cell::new(slot.no),
            Cell::new(exact(slot.slot, zone)),
            state(slot),
            Cell::new(cause(&slot.cause)),
            Cell::new(slot.attempts),
            Cell::new(work),
            Cell::new(title(ui, &or_dash(&why(slot, zone)))),
        ]);
    }
    table.text()
}

fn status(status: TriggerStatus) -> Cell {
    let mark = match status {
        TriggerStatus::Active => ('●', Hue::Green),
        TriggerStatus::Paused => ('▲', Hue::Yellow),
        TriggerStatus::Done => ('○', Hue::Grey),
    };
    marked(status.as_str(), mark)
}

fn state(slot: &TriggerSlot) -> Cell {
    let mark = match slot.state {
        SlotState::Queued => ('◌', Hue::Grey),
        SlotState::Running => ('◐', Hue::Blue),
        SlotState::Retrying => ('◌', Hue::Yellow),
        SlotState::Done => ('●', Hue::Green),
        SlotState::Failed => ('✗', Hue::Red),
        SlotState::Cancelled | SlotState::Skipped => ('○', Hue::Grey),
    };
    let caught_up = if slot.caught_up { ", caught up" } else { "" };
    marked(&format!("{}{caught_up}", slot.state.as_str()), mark)
}

fn when(definition: &Trigger) -> String {
    match &definition.when {
        When::Cron(pattern) => {
            let zone = definition.timezone.as_deref().map(|zone| format!(", {zone}"));
            format!("cron {pattern}{}", zone.unwrap_or_default())
        }
        When::Every(every) => format!("every {}", span(Ms::from(every.seconds) * 1000)),
        When::At(_) => "once".to_owned(),
        When::Event(event) => format!("event {}", event.kinds.join(", ")),
        When::After(After { trigger: Some(trigger), .. }) => format!("after {trigger}"),
        When::After(After { flow: Some(flow), .. }) => format!("after flow {flow}"),
        When::After(After { trigger: None, flow: None, .. }) => "never".to_owned(),
        When::Watch(watch) => {
            format!("change of {}, looked at every {}", watch.url, span(Ms::from(watch.every_s) * 1000))
        }
        When::Files(files) if files.kinds.is_empty() => format!("files of {}", files.watch),
        When::Files(files) => {
            let kinds: Vec<&str> = files.kinds.iter().map(|kind| kind.as_str()).collect();
            format!("files of {} {}", files.watch, kinds.join(", "))
        }
        When::Webhook(hook) => format!("webhook {}", hook.preset.as_str()),
        When::Manual => "by hand".to_owned(),
    }
}

/// What of a definition is numbers for machines, in words.
pub fn proposed(definition: &Trigger, zone: &TimeZone) -> String {
    let times = match &definition.when {
        When::At(at) => format!("once, {}", exact(*at, zone)),
        When::Cron(_)
        | When::Every(_)
        | When::Event(_)
        | When::After(_)
        | When::Watch(_)
        | When::Files(_)
        | When::Webhook(_)
        | When::Manual => when(definition),
    };
    let budget = Some(definition.budget).filter(|budget| !budget.is_unlimited());
    let spends = budget.map(|budget| format!("may spend   {budget}\n")).unwrap_or_default();
    let ends = definition.expires_at.map(|at| format!("ends        {}\n", exact(at, zone)));
    format!(
        "when        {times}\ndoes        {}\n{spends}{}",
        does(&definition.act),
        ends.unwrap_or_default()
    )
}

fn does(act: &Act) -> String {
    match act {
        Act::Ask(ask) => format!("asks {}: {}", ask.aspect, ask.text),
        Act::Dispatch(dispatch) => match (&dispatch.hand, &dispatch.capability) {
            (Some(hand), _) => format!("dispatch to {hand}"),
            (None, Some(wanted)) => format!("dispatch to whoever can {}", wanted.needs.join(", ")),
            (None, None) => "dispatch".to_owned(),
        },
        Act::Flow(flow) => format!("runs flow {}", flow.id),
    }
}

fn cause(cause: &Cause) -> String {
    match cause {
        Cause::Schedule => "schedule".to_owned(),
        Cause::Person(party) => party.to_string(),
        Cause::Event(seq) => format!("entry {seq}"),
        Cause::After(after) => format!("{} {}", after.trigger, after.no),
        Cause::AfterRun(after) => format!("flow {}", after.flow),
        Cause::Watch(sha256) => format!("change {}", sha256.get(..12).unwrap_or(sha256)),
        Cause::Files(report) => format!("report {report}"),
        Cause::Webhook(delivery) => format!("webhook {delivery}"),
    }
}

fn why(slot: &TriggerSlot, zone: &TimeZone) -> String {
    let reason = slot.reason.clone().unwrap_or_default();
    match slot.until {
        Some(until) => format!("{} slots until {}: {reason}", slot.count, exact(until, zone)),
        None => reason,
    }
}
