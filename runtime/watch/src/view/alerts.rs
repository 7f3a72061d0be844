//! What somebody should look at.

use nexus_operator::shown::ago;
use nexus_wire::alert::{Alert, AlertNature};
use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::style::Style;

use super::detail::Text;
use super::head::clock;
use super::rows::{cell, empty, heading, list, number, row, row_width};
use super::theme::Theme;
use crate::app::{App, Focus};

pub(super) fn draw(app: &App, theme: Theme, frame: &mut Frame<'_>, area: Rect) {
    let listing = &app.alerts.listing;
    if listing.keys().is_empty() {
        let said = match (app.alerts.is_known, app.filter().is_empty()) {
            (false, _) => "asking for alerts…",
            (true, true) => "All is well: no alert is open.",
            (true, false) => "No alert fits the filter. / and Enter shows all.",
        };
        return empty(frame, area, theme, said);
    }
    let alerts: Vec<&Alert> = listing.keys().iter().filter_map(|key| app.alerts.get(key)).collect();
    let (top, bottom) = super::above(area, alerts.len(), theme, frame);
    let width = row_width(top);
    let dim = theme.dim();
    let names = vec![
        cell("", 1, dim),
        cell("alert", 16, dim),
        cell("about", 20, dim),
        cell("", 0, dim),
        number("times", 5, dim),
        number("since", 5, dim),
    ];
    super::lines(frame, Rect { height: 1, ..top }, vec![heading(names, width)]);
    let under = Rect { y: top.y + 1, height: top.height - 1, ..top };
    let focus = app.focus == Focus::List;
    list(frame, under, (alerts.len(), listing.at(), focus), theme, |at| {
        let alert = alerts[at];
        let (mark, style) = match alert.acked_at {
            Some(_) => ("✓", theme.dim()),
            None => ("▲", theme.wrong()),
        };
        let cells = vec![
            cell(mark, 1, style),
            cell(alert.kind.as_str().replace('_', " "), 16, style),
            cell(alert.subject.as_str(), 20, Style::new()),
            cell(alert.message.as_str(), 0, dim),
            number(alert.times.to_string(), 5, dim),
            number(ago(alert.raised_at, app.now), 5, Style::new()),
        ];
        row(cells, width)
    });
    if let Some(alert) = app.alerts.chosen() {
        detail(app, alert, theme, frame, bottom);
    }
}

fn detail(app: &App, alert: &Alert, theme: Theme, frame: &mut Frame<'_>, area: Rect) {
    let plain = Style::new();
    let mut text = Text::new(area.width);
    text.field(theme, "what", &alert.message, theme.strong());
    text.field(theme, "alert", &alert.key, plain);
    let since = format!("{}, {} times", clock(alert.raised_at, &app.zone), alert.times);
    text.field(theme, "since", &since, plain);
    let over = match (alert.kind.nature(), &alert.acked_by) {
        (_, Some(by)) => format!("seen by {by}"),
        (AlertNature::Condition, None) => {
            "when what it is about is over; a says that you have seen it".to_owned()
        }
        (AlertNature::Event, None) => "when somebody has seen it: a".to_owned(),
    };
    text.field(theme, "over", &over, plain);
    text.show(&app.alerts.scroll, theme, frame, area);
}
