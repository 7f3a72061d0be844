//! What aspects wait for people for, whole, to be decided here.

use nexus_operator::shown::ago;
use nexus_wire::approval::{ApprovalInfo, Asked};
use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::style::Style;

use super::detail::Text;
use super::head::clock;
use super::rows::{cell, empty, heading, list, number, row, row_width};
use super::theme::Theme;
use crate::app::{App, Focus, short};

pub(super) fn draw(app: &App, theme: Theme, frame: &mut Frame<'_>, area: Rect) {
    let listing = &app.approvals.listing;
    if listing.keys().is_empty() {
        let said = match (app.approvals.is_known, app.filter().is_empty()) {
            (false, _) => "asking what waits for people…",
            (true, true) => {
                "Nothing waits for people. What an aspect asks leave for, or asks you, shows here."
            }
            (true, false) => "Nothing fits the filter. / and Enter shows all.",
        };
        return empty(frame, area, theme, said);
    }
    let infos: Vec<&ApprovalInfo> = listing.keys().iter().filter_map(|id| app.approvals.get(id)).collect();
    let (top, bottom) = super::above(area, infos.len(), theme, frame);
    let width = row_width(top);
    let dim = theme.dim();
    let names = vec![
        cell("aspect", 12, dim),
        cell("wants", 16, dim),
        cell("", 0, dim),
        number("waits", 5, dim),
        number("ends in", 7, dim),
        cell("id", 9, dim),
    ];
    super::lines(frame, Rect { height: 1, ..top }, vec![heading(names, width)]);
    let under = Rect { y: top.y + 1, height: top.height - 1, ..top };
    let focus = app.focus == Focus::List;
    list(frame, under, (infos.len(), listing.at(), focus), theme, |at| {
        let info = infos[at];
        let wants = match &info.asked {
            Asked::Tool { tool, .. } => tool.clone(),
            Asked::Question { .. } => "an answer".to_owned(),
        };
        let cells = vec![
            cell(info.aspect.to_string(), 12, Style::new()),
            cell(wants, 16, theme.warning()),
            cell(info.asked.summary(), 0, Style::new()),
            number(ago(info.asked_at, app.now), 5, Style::new()),
            number(ago(app.now, info.expires_at), 7, dim),
            cell(format!("…{}", short(info.id)), 9, dim),
        ];
        row(cells, width)
    });
    if let Some(info) = app.approvals.chosen() {
        detail(app, info, theme, frame, bottom);
    }
}

fn detail(app: &App, info: &ApprovalInfo, theme: Theme, frame: &mut Frame<'_>, area: Rect) {
    let plain = Style::new();
    let mut text = Text::new(area.width);
    match &info.asked {
        Asked::Tool { tool, summary, arguments } => {
            text.field(
                theme,
                "may it",
                &format!("{} wants to use {tool}: {summary}", info.aspect),
                theme.strong(),
            );
            context(app, info, theme, &mut text);
            text.field(theme, "with", if arguments.is_empty() { "no arguments" } else { arguments }, plain);
        }
        Asked::Question { question, choices } => {
            text.field(theme, "asks", question, theme.strong());
            context(app, info, theme, &mut text);
            for (at, choice) in choices.iter().enumerate() {
                text.field(theme, if at == 0 { "choices" } else { "" }, &format!("• {choice}"), plain);
            }
        }
    }
    text.show(&app.approvals.scroll, theme, frame, area);
}

fn context(app: &App, info: &ApprovalInfo, theme: Theme, text: &mut Text) {
    let (at, waits) = (clock(info.asked_at, &app.zone), ago(info.asked_at, app.now));
    let asked = format!("{at}, {waits} ago; ends unanswered in {}", ago(app.now, info.expires_at));
    text.field(theme, "asked", &asked, theme.dim());
    if let Some(thread) = info.thread {
        let title = app.threads.get(&thread).map_or_else(|| thread.to_string(), |info| info.title.clone());
        text.field(theme, "in", &title, theme.dim());
    }
    if let Some(lease) = info.lease {
        let hand = app.work.get(&lease.dispatch).map_or_else(String::new, |info| format!("{} ", info.hand));
        text.field(theme, "for", &format!("{hand}…{}", short(lease.dispatch)), theme.dim());
    }
    text.field(theme, "id", &info.id.to_string(), theme.dim());
}
