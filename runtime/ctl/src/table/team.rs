//! Who is on the team, at what, and the sessions of each.

use nexus_wire::Ms;
use nexus_wire::observe::Activity;
use nexus_wire::roster::{AspectInfo, AspectRole};
use nexus_wire::session::{SessionInfo, SessionTreePage};
use serde_json::Value;

use super::grid::Give::{Cut, Go, Id, Keep, Wide};
use super::grid::{Cell, Grid};
use super::{ago, marked, or_dash, span, title};
use crate::ui::{Ui, aspect_mark, printable};

pub fn aspects(ui: &Ui, aspects: &[AspectInfo], now: Ms) -> String {
    let mut table = Grid::new(
        ui,
        &[
            ("NAME", Keep),
            ("STATE", Keep),
            ("SINCE", Keep),
            ("DOING", Cut),
            ("ROLE", Go(1)),
            ("MODEL", Go(2)),
            ("HANDS", Cut),
            ("BACKLOG", Go(3)),
            ("PROVIDER", Wide),
            ("CONTEXT", Wide),
            ("SLOTS", Wide),
            ("CAPABILITIES", Wide),
        ],
    );
    for aspect in aspects {
        let role = match aspect.role {
            AspectRole::Frame => "lead",
            AspectRole::Worker => "worker",
        };
        let hands: Vec<&str> = aspect.hands.iter().map(|hand| hand.name.as_str()).collect();
        table.add_row(vec![
            Cell::new(&aspect.name),
            state(aspect),
            Cell::new(ago(aspect.since, now)),
            Cell::new(doing(aspect)),
            Cell::new(role),
            Cell::new(or_dash(&aspect.model)),
            Cell::new(or_dash(&hands.join(", "))),
            Cell::new(aspect.backlog),
            Cell::new(or_dash(&aspect.provider)),
            Cell::new(format!("{:?}", aspect.context_mode).to_lowercase()),
            Cell::new(aspect.slots),
            Cell::new(or_dash(&aspect.capabilities.join(", "))),
        ]);
    }
    table.text()
}

/// A line for each Hand; `TAKES` are the fields of its input, those that may be left out with `?`.
pub fn hands(ui: &Ui, aspects: &[AspectInfo]) -> String {
    let columns = [
        ("HAND", Keep),
        ("STATE", Go(1)),
        ("FOR", Cut),
        ("TAKES", Cut),
        ("CAPABILITIES", Wide),
        ("TIMEOUT", Wide),
        ("AT ONCE", Wide),
    ];
    let mut table = Grid::new(ui, &columns);
    for aspect in aspects {
        for hand in &aspect.hands {
            table.add_row(vec![
                Cell::new(format_args!("{}/{}", aspect.name, hand.name)),
                state(aspect),
                Cell::new(or_dash(&title(ui, &hand.description))),
                Cell::new(or_dash(&fields(hand.input_schema.as_ref()))),
                Cell::new(or_dash(&hand.capabilities.join(", "))),
                Cell::new(span(i64::from(hand.timeout_s) * 1_000)),
                Cell::new(hand.concurrency),
            ]);
        }
    }
    table.text()
}

/// As far as a schema lists them.
fn fields(schema: Option<&Value>) -> String {
    let Some(schema) = schema else { return "anything".to_owned() };
    let required = schema["required"].as_array().map(Vec::as_slice).unwrap_or_default();
    let named = schema["properties"].as_object().into_iter().flat_map(|it| it.keys());
    let shown = named
        .map(|name| if required.iter().any(|it| it == name) { name.clone() } else { format!("{name}?") });
    shown.collect::<Vec<_>>().join(", ")
}

/// What an admin keeps it from, or how it is.
pub(super) fn state(aspect: &AspectInfo) -> Cell {
    let word = aspect.restraint.as_ref().map_or(aspect.state.as_str(), |it| it.kind.as_str());
    marked(word, aspect_mark(aspect.state))
}

/// What it does, in how many turns, and at how many dispatches of as many as it can take.
fn doing(aspect: &AspectInfo) -> String {
    let Some(activity) = &aspect.activity else { return "-".to_owned() };
    let mut text = doing_of(activity);
    if activity.approvals > 0 {
        text.push_str(", waits for people");
    }
    if activity.approvals > 1 {
        text.push_str(&format!(" ({})", activity.approvals));
    }
    if activity.dispatches > 0 {
        text.push_str(&format!(", {} of {} dispatches", activity.dispatches, aspect.slots));
    }
    text
}

pub(super) fn doing_of(activity: &Activity) -> String {
    let doing = match &activity.tool {
        Some(tool) => printable(tool),
        None => activity.doing.as_str().to_owned(),
    };
    if activity.turns > 1 { format!("{doing} ({} turns)", activity.turns) } else { doing }
}

pub fn sessions(ui: &Ui, sessions: &[SessionInfo], now: Ms) -> String {
    let mut table = Grid::new(ui, &[("SESSION", Id), ("KIND", Keep), ("LAST", Keep), ("BYTES", Go(1))]);
    for session in sessions {
        table.add_row(vec![
            or_dash(&session.session),
            session.kind.as_str().to_owned(),
            ago(session.at, now),
            session.bytes.to_string(),
        ]);
    }
    table.text()
}

/// In the order of the file; the mark says where the active branch is, and its head.
pub fn session_tree(ui: &Ui, tree: &SessionTreePage, now: Ms) -> String {
    let mut table =
        Grid::new(ui, &[("", Keep), ("ENTRY", Id), ("AGE", Go(1)), ("KIND", Keep), ("SUMMARY", Cut)]);
    for node in &tree.entries {
        let mark = match (tree.head == Some(node.id), node.active) {
            (true, _) => "◉",
            (false, true) => "●",
            (false, false) => "○",
        };
        table.add_row(vec![
            mark.to_owned(),
            node.id.to_string(),
            ago(node.at, now),
            or_dash(&node.kind),
            or_dash(&title(ui, &node.summary)),
        ]);
    }
    table.text()
}
