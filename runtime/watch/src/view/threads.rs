//! Conversations, and the messages of the chosen one.

use nexus_operator::shown::ago;
use nexus_wire::Party;
use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::{Line, Span};

use super::detail::Text;
use super::head::{clock, money};
use super::rows::{cell, empty, list, number, row, row_width};
use super::stream;
use super::text::cut;
use super::theme::Theme;
use crate::app::{App, Focus, Said};

pub(super) fn draw(app: &App, theme: Theme, frame: &mut Frame<'_>, area: Rect) {
    let (left, right) = super::beside(area, theme, frame);
    let listing = &app.threads.listing;
    if listing.keys().is_empty() {
        let said = match (app.threads.is_known, app.filter().is_empty()) {
            (false, _) => "asking for threads…",
            (true, true) => "No threads yet. n begins one.",
            (true, false) => "No thread fits the filter. / and Enter shows all.",
        };
        return empty(frame, left, theme, said);
    }
    let infos: Vec<_> = listing.keys().iter().filter_map(|id| app.threads.get(id)).collect();
    let focus = app.focus == Focus::List;
    list(frame, left, (infos.len(), listing.at(), focus), theme, |at| {
        let info = infos[at];
        let (mark, style) = match (info.paused, info.unread) {
            (true, _) => ("‖".to_owned(), theme.warning()),
            (false, 0) => (" ".to_owned(), theme.dim()),
            (false, _) => ("•".to_owned(), theme.accent()),
        };
        let unread = if info.unread > 0 { info.unread.to_string() } else { String::new() };
        let title = if info.unread > 0 { theme.strong() } else { Style::new() };
        let cells = vec![
            cell(mark, 1, style),
            cell(info.title.as_str(), 0, title),
            number(unread, 3, theme.accent()),
            number(ago(info.last_at, app.now), 4, theme.dim()),
        ];
        row(cells, row_width(left))
    });
    messages(app, theme, frame, right);
}

fn messages(app: &App, theme: Theme, frame: &mut Frame<'_>, area: Rect) {
    let Some(info) = app.threads.chosen() else { return };
    let width = usize::from(area.width);
    let names: Vec<String> = info.participants.iter().map(Party::to_string).collect();
    let more = match info.participants_left_out {
        0 => String::new(),
        count => format!(" and {count} more"),
    };
    let paused = if info.paused { "‖ paused until an operator speaks · " } else { "" };
    let head = vec![
        Line::styled(cut(&info.title, width), theme.strong()),
        Line::styled(cut(&format!("{paused}{}{more}", names.join(", ")), width), theme.dim()),
    ];
    super::lines(frame, Rect { height: 2.min(area.height), ..area }, head);
    let below = Rect { y: area.y + 2, height: area.height.saturating_sub(2), ..area };
    if !app.threads.is_read() {
        let said = if app.link.is_up() {
            "asking for its messages…"
        } else {
            "without a connection its messages cannot be asked for"
        };
        return empty(frame, below, theme, said);
    }
    let mut text = Text::new(area.width);
    if let Some(reason) = &app.threads.gap {
        text.prose("", &format!("▲ some messages are kept no longer: {reason}"), theme.warning());
    }
    if app.threads.is_full {
        text.prose("", &format!("↑ older ones: nexctl get messages {}", info.id), theme.dim());
    } else if app.threads.more {
        text.prose("", "↑ there are older ones; scroll up to have them", theme.dim());
    }
    for said in &app.threads.messages {
        said_lines(app, said, theme, &mut text);
    }
    if app.threads.messages.is_empty() {
        text.prose("", "no message of it is kept", theme.dim());
    }
    stream::from_end(text.lines, &app.threads.scroll, theme, frame, below, app.focus == Focus::Detail);
}

fn said_lines(app: &App, said: &Said, theme: Theme, text: &mut Text) {
    text.blank();
    let who = match &said.from {
        Party::Aspect(_) => theme.accent(),
        Party::Operator(_) | Party::System => theme.strong(),
    };
    let cost = said.cost_microusd.filter(|cost| *cost > 0).map(|cost| format!(" · {}", money(cost)));
    text.line(Line::from(vec![
        Span::styled(said.from.to_string(), who),
        Span::styled(format!(" · {}{}", clock(said.at, &app.zone), cost.unwrap_or_default()), theme.dim()),
    ]));
    stream::prose(&said.content, theme, text);
    for name in &said.attachments {
        text.prose("  ", &format!("⎘ {name}"), theme.dim());
    }
    if !said.reactions.is_empty() {
        let all: Vec<String> =
            said.reactions.iter().map(|(emoji, count)| format!("{emoji} {count}")).collect();
        text.prose("  ", &all.join("  "), theme.dim());
    }
}
