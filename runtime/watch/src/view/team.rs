//! The roster, and what the chosen aspect streams.

use nexus_operator::shown::{ago, aspect_mark};
use nexus_wire::observe::Doing;
use nexus_wire::roster::{AspectRole, AspectState, RestraintKind};
use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::Line;

use super::detail::Text;
use super::head::money;
use super::rows::{cell, empty, list, number, row, row_width};
use super::stream;
use super::theme::Theme;
use crate::app::{App, Focus, Member, Scroll};

/// What is known of the chosen one, below the list.
const ABOUT_ROWS: u16 = 6;

pub(super) fn draw(app: &App, theme: Theme, frame: &mut Frame<'_>, area: Rect) {
    let (left, right) = super::beside(area, theme, frame);
    let listing = &app.team.listing;
    if listing.keys().is_empty() {
        let said = match (app.team.is_known, app.filter().is_empty()) {
            (false, _) => "asking who is here…",
            (true, true) => {
                "Nobody is on the team yet. Let an aspect in with: nexus aspect add NAME --home HOME"
            }
            (true, false) => "Nobody fits the filter. / and Enter shows all.",
        };
        return empty(frame, left, theme, said);
    }
    let roster = Rect { height: left.height.saturating_sub(ABOUT_ROWS + 1), ..left };
    let focus = app.focus == Focus::List;
    let members: Vec<&Member> = listing.keys().iter().filter_map(|name| app.team.get(name)).collect();
    list(frame, roster, (members.len(), listing.at(), focus), theme, |at| {
        row(cells(app, members[at], theme, row_width(left)), row_width(left))
    });
    if let Some(member) = members.get(listing.at()) {
        let y = left.y + left.height.saturating_sub(ABOUT_ROWS);
        about(app, member, theme, frame, Rect { y, height: ABOUT_ROWS, ..left });
        stream::draw(app, &member.name, theme, frame, right);
    }
}

/// What it is doing, in a word.
fn doing(member: &Member) -> String {
    if let Some(restraint) = &member.restraint {
        return restraint.kind.as_str().to_owned();
    }
    match (member.state, &member.activity) {
        (AspectState::Offline | AspectState::Stalled | AspectState::Deaf, _) | (AspectState::Busy, None) => {
            member.state.as_str().to_owned()
        }
        (_, Some(activity)) if activity.approvals > 0 => "asks you".to_owned(),
        (AspectState::Busy, Some(activity)) => match (activity.doing, activity.dispatches) {
            (Doing::Idle, 0) => "busy".to_owned(),
            (Doing::Idle, work) => format!("work ×{work}"),
            (Doing::Waiting | Doing::Thinking | Doing::Writing | Doing::Tool, _) => {
                activity.doing.as_str().to_owned()
            }
        },
        (AspectState::Online, _) => "idle".to_owned(),
    }
}

fn cells(app: &App, member: &Member, theme: Theme, width: usize) -> Vec<super::rows::Cell> {
    let (mark, hue) = match &member.restraint {
        Some(restraint) if restraint.kind == RestraintKind::Held => ('✕', nexus_operator::shown::Hue::Red),
        Some(_) | None => aspect_mark(member.state),
    };
    let lead = if member.role == AspectRole::Frame { "★" } else { " " };
    let cost = app.team.usage(&member.name).map_or_else(String::new, |row| {
        let more = if row.unpriced > 0 { "+" } else { "" };
        format!("{}{more}", money(row.cost_microusd))
    });
    let plain = Style::new();
    let mut cells = vec![
        cell(mark.to_string(), 1, theme.hue(hue)),
        cell(member.name.as_str(), 0, plain),
        cell(lead, 1, theme.dim()),
        cell(doing(member), 8, theme.hue(hue)),
    ];
    if width >= 40 {
        cells.push(number(ago(member.since, app.now), 4, theme.dim()));
    }
    if width >= 56 {
        cells.push(cell(member.model.as_str(), 18, theme.dim()));
    }
    cells.push(number(cost, 7, plain));
    cells
}

fn about(app: &App, member: &Member, theme: Theme, frame: &mut Frame<'_>, area: Rect) {
    let mut text = Text::narrow(area.width);
    text.line(Line::styled("─".repeat(usize::from(area.width)), theme.dim()));
    let plain = Style::new();
    let state = format!("{} for {}", member.state.as_str(), ago(member.since, app.now));
    text.field(theme, "state", &state, plain);
    if let Some(restraint) = &member.restraint {
        let said = format!("{} by {}: {}", restraint.kind.as_str(), restraint.by, restraint.reason);
        text.field(theme, "kept", &said, theme.warning());
    }
    if member.backlog > 0 {
        text.field(theme, "backlog", &format!("{} items not taken", member.backlog), theme.warning());
    }
    let is_one = member.model == member.provider || member.model.is_empty() || area.width < 44;
    let model = match (is_one, member.model.as_str()) {
        (true, "") => member.provider.clone(),
        (true, model) => model.to_owned(),
        (false, model) => format!("{}/{model}", member.provider),
    };
    text.field(theme, "model", &model, plain);
    let (turns, work) =
        member.activity.as_ref().map_or((0, 0), |activity| (activity.turns, activity.dispatches));
    text.field(theme, "at", &format!("{turns} turns, {work}/{} slots", member.slots), plain);
    if let Some(row) = app.team.usage(&member.name) {
        let spent = format!("{} tokens {}", counted(row.usage.tokens()), money(row.cost_microusd));
        text.field(theme, "today", &spent, plain);
    }
    if !member.hands.is_empty() {
        text.field(theme, "Hands", &member.hands.join(", "), plain);
    }
    text.lines.truncate(usize::from(area.height));
    text.show(&Scroll::default(), theme, frame, area);
}

/// A number as short as it can be told apart.
fn counted(count: u64) -> String {
    match count {
        0..10_000 => count.to_string(),
        10_000..10_000_000 => format!("{}k", count / 1_000),
        _ => format!("{}M", count / 1_000_000),
    }
}
