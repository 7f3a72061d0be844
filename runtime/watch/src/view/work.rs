//! The queue of dispatches as trees with ages, and everything known of the chosen one.

use nexus_operator::shown::{ago, dispatch_mark, span};
use nexus_wire::budget::dollars;
use nexus_wire::hands::{DispatchInfo, DispatchState, WaitingFor};
use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::Line;

use super::detail::Text;
use super::head::clock;
use super::rows::{cell, empty, heading, list, number, row, row_width};
use super::theme::Theme;
use crate::app::{App, Focus, short};

pub(super) fn draw(app: &App, theme: Theme, frame: &mut Frame<'_>, area: Rect) {
    let rows = app.work.rows();
    if rows.is_empty() {
        let said = match (app.work.is_known, app.filter().is_empty(), app.work.with_ended) {
            (false, ..) => "asking for dispatches…",
            (true, true, false) => {
                "Nothing waits and nothing is at work. e shows what has ended; nexctl dispatch sends work."
            }
            (true, true, true) => "Nothing was dispatched yet. nexctl dispatch sends work to a Hand.",
            (true, false, _) => "No dispatch fits the filter. / and Enter shows all.",
        };
        return empty(frame, area, theme, said);
    }
    let (top, bottom) = super::above(area, rows.len(), theme, frame);
    let width = row_width(top);
    let dim = theme.dim();
    let names = vec![
        cell("", 1, dim),
        cell("state", 11, dim),
        cell("Hand", 0, dim),
        cell("for", 16, dim),
        cell("waits for", 9, dim),
        number("age", 5, dim),
        cell("id", 9, dim),
    ];
    super::lines(frame, Rect { height: 1, ..top }, vec![heading(names, width)]);
    let under = Rect { y: top.y + 1, height: top.height - 1, ..top };
    let listing = &app.work.listing;
    let focus = app.focus == Focus::List;
    list(frame, under, (rows.len(), listing.at(), focus), theme, |at| {
        let Some(info) = app.work.get(&rows[at].id) else { return Line::default() };
        let (mark, hue) = dispatch_mark(info.state);
        let branch = match rows[at].depth {
            0 => String::new(),
            depth => format!("{}└ ", "  ".repeat(depth.min(8) - 1)),
        };
        let cells = vec![
            cell(mark.to_string(), 1, theme.hue(hue)),
            cell(info.state.as_str().replace('_', " "), 11, theme.hue(hue)),
            cell(format!("{branch}{}", info.hand), 0, Style::new()),
            cell(info.invoker.to_string(), 16, dim),
            cell(waits_for(info), 9, theme.warning()),
            number(age(info, app.now), 5, Style::new()),
            cell(format!("…{}", short(info.id)), 9, dim),
        ];
        row(cells, width)
    });
    detail(app, theme, frame, bottom);
}

fn waits_for(info: &DispatchInfo) -> String {
    match (info.state, info.waiting_for) {
        (DispatchState::Pending, Some(waiting)) => waiting.as_str().to_owned(),
        (DispatchState::Waiting, _) => "children".to_owned(),
        (DispatchState::Retaking, _) => "place".to_owned(),
        _ => String::new(),
    }
}

/// How long it waits, is at work, or took.
fn age(info: &DispatchInfo, now: i64) -> String {
    let begun = info.assigned_at.unwrap_or(info.accepted_at);
    match info.ended_at {
        Some(ended) => ago(begun, ended.max(begun + 1_000)),
        None => ago(begun, now),
    }
}

fn detail(app: &App, theme: Theme, frame: &mut Frame<'_>, area: Rect) {
    let Some(info) = app.work.detail().map(|detail| &detail.info).or_else(|| app.work.chosen()) else {
        return;
    };
    let plain = Style::new();
    let mut text = Text::new(area.width);
    let (mark, hue) = dispatch_mark(info.state);
    let state = format!("{mark} {}{}", info.state.as_str().replace('_', " "), attempt(info));
    text.field(theme, "state", &state, theme.hue(hue));
    if let Some(waiting) = info.waiting_for.filter(|_| info.state == DispatchState::Pending) {
        text.field(theme, "waits for", waits_in_words(waiting), theme.warning());
    }
    if let Some(error) = &info.error {
        text.field(theme, "error", &format!("{}: {}", error.code, error.message), theme.wrong());
    }
    text.field(theme, "Hand", &format!("{}, for {}", info.hand, info.invoker), plain);
    text.field(theme, "id", &info.id.to_string(), plain);
    let accepted = format!("accepted {}", clock(info.accepted_at, &app.zone));
    let assigned = info.assigned_at.map(|at| format!(", begun {}", clock(at, &app.zone))).unwrap_or_default();
    let end = match info.ended_at {
        Some(at) => format!(", ended {} after {}", clock(at, &app.zone), span(at - info.accepted_at)),
        None => format!(", must end by {}", clock(info.deadline_at, &app.zone)),
    };
    text.field(theme, "times", &format!("{accepted}{assigned}{end}"), plain);
    let stops = info.earlier.iter().map(|worker| (worker.aspect.as_str(), worker.stop.as_ref()));
    for (worker, stop) in stops.chain([("its worker", info.stop.as_ref())]) {
        let Some(stop) = stop else { continue };
        let said = if stop.confirmed_at.is_some() {
            "has stopped"
        } else {
            "is told to stop and has not said that it did"
        };
        text.field(theme, "stop", &format!("{worker} {said}"), theme.warning());
    }
    if !info.budget.is_unlimited() {
        text.field(theme, "budget", &info.budget.to_string(), plain);
    }
    if info.usage.tokens() > 0 {
        let cost = info
            .cost_microusd
            .map_or_else(|| "price not known".to_owned(), |cost| format!("{} USD", dollars(cost)));
        text.field(theme, "used", &format!("{} tokens, {cost}", info.usage.tokens()), plain);
    }
    for (at, candidate) in info.why.iter().enumerate() {
        let name = if at == 0 { "chosen" } else { "not" };
        let because =
            if candidate.because.is_empty() { String::new() } else { format!(": {}", candidate.because) };
        text.field(theme, name, &format!("{}{because}", candidate.hand), theme.dim());
    }
    match app.work.detail() {
        None if app.link.is_up() => text.prose("", "asking for the rest…", theme.dim()),
        None => text.prose("", "without a connection the rest cannot be asked for", theme.dim()),
        Some(detail) => {
            text.field(theme, "input", &detail.input, plain);
            if let Some(output) = &detail.output {
                text.field(theme, "output", output, plain);
            }
        }
    }
    text.show(&app.work.scroll, theme, frame, area);
}

fn attempt(info: &DispatchInfo) -> String {
    if info.attempt > 1 { format!(", attempt {}", info.attempt) } else { String::new() }
}

fn waits_in_words(waiting: WaitingFor) -> &'static str {
    match waiting {
        WaitingFor::Budget => "a budget that has too little left; nexctl budget shows which",
        WaitingFor::Aspect => "its aspect, which is offline or paused",
        WaitingFor::Place => "a place: the Hand or its aspect is at work on as much as it can be",
        WaitingFor::Turn => "its turn: others come first",
    }
}
