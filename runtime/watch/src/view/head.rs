//! The head of the screen: whether there is a connection, the team in numbers, and where one is.

use jiff::Timestamp;
use jiff::tz::TimeZone;
use nexus_operator::shown::ago;
use nexus_wire::Ms;
use nexus_wire::budget::dollars;
use nexus_wire::roster::AspectState;
use ratatui::text::{Line, Span};

use super::text::{cut, width_of};
use super::theme::Theme;
use crate::app::{App, Standing, View};

pub(super) fn lines(app: &App, theme: Theme, width: usize) -> Vec<Line<'static>> {
    vec![connection(app, theme, width), tabs(app, theme), Line::styled("─".repeat(width), theme.dim())]
}

/// The time of day where this is read.
pub(super) fn clock(at: Ms, zone: &TimeZone) -> String {
    Timestamp::from_millisecond(at).map_or_else(
        |_| "--:--:--".to_owned(),
        |at| at.to_zoned(zone.clone()).strftime("%H:%M:%S").to_string(),
    )
}

/// Money to a hundredth of a cent, as short as it can be.
pub(super) fn money(microusd: u64) -> String {
    match microusd {
        0 => "$0".to_owned(),
        1..100 => "<$0.0001".to_owned(),
        100..1_000_000 => format!("${}", dollars(microusd / 100 * 100)),
        _ => format!("${}", dollars(microusd / 10_000 * 10_000)),
    }
}

fn connection(app: &App, theme: Theme, width: usize) -> Line<'static> {
    let (mark, style, said) = match &app.link.standing {
        Standing::Up => ("●", theme.added(), "connected".to_owned()),
        Standing::Down { since, retry_at, .. } => {
            let retry = match (retry_at - app.now).max(0) {
                0 => "trying again".to_owned(),
                wait => format!("trying again in {} s", (wait + 999) / 1000),
            };
            ("▲", theme.warning(), format!("no connection for {}; {retry}", ago(*since, app.now)))
        }
        Standing::Over { since, .. } => {
            ("✕", theme.wrong(), format!("disconnected for {}", ago(*since, app.now)))
        }
    };
    let team = team(app);
    let broker = if app.link.is_up() { format!("  {}", app.link.broker) } else { String::new() };
    let left = width.saturating_sub(width_of(&team) + 19);
    let said = cut(&said, left);
    let broker = cut(&broker, left.saturating_sub(width_of(&said)));
    let used = 15 + width_of(&said) + width_of(&broker) + width_of(&team) + 1;
    Line::from(vec![
        Span::styled(" nexus-watch ", theme.strong()),
        Span::styled(format!("{mark} {said}"), style),
        Span::styled(broker, theme.dim()),
        Span::raw(" ".repeat(width.saturating_sub(used))),
        Span::raw(team),
    ])
}

fn team(app: &App) -> String {
    if let Some(since) = app.stale_since() {
        return format!("as of {}", clock(since, &app.zone));
    }
    let of =
        |states: &[AspectState]| app.team.members().filter(|member| states.contains(&member.state)).count();
    let here = of(&[AspectState::Online, AspectState::Busy, AspectState::Stalled, AspectState::Deaf]);
    let busy = of(&[AspectState::Busy, AspectState::Stalled]);
    let total = &app.team.total;
    let unpriced = if total.unpriced > 0 { "+" } else { "" };
    let all = app.team.members().count();
    format!("{here} of {all} here · {busy} busy · {}{unpriced} today", money(total.cost_microusd))
}

fn tabs(app: &App, theme: Theme) -> Line<'static> {
    let (pending, at_work) = app.work.open();
    let waiting = app.approvals.all().len();
    let unseen = app.alerts.unseen();
    let mut spans = vec![Span::raw(" ")];
    for (at, view) in View::ALL.into_iter().enumerate() {
        let (count, style) = match view {
            View::Team => (String::new(), theme.dim()),
            View::Threads if app.threads.unread() == 0 => (String::new(), theme.dim()),
            View::Threads => (format!(" {} new", app.threads.unread()), theme.accent()),
            View::Work if pending + at_work == 0 => (String::new(), theme.dim()),
            View::Work => (format!(" ◐{at_work} ○{pending}"), theme.dim()),
            View::Approvals if waiting == 0 => (String::new(), theme.dim()),
            View::Approvals => (format!(" ▲{waiting}"), theme.warning().patch(theme.strong())),
            View::Alerts if unseen == 0 => (String::new(), theme.dim()),
            View::Alerts => (format!(" ▲{unseen}"), theme.wrong()),
        };
        let is_here = app.view == view;
        let mut name = view.name().to_owned();
        name[..1].make_ascii_uppercase();
        let (open, close) = if is_here { ("[", "]") } else { (" ", " ") };
        let name_style = if is_here { theme.accent() } else { theme.dim() };
        spans.push(Span::styled(format!("{open}{} {name}", at + 1), name_style));
        spans.push(Span::styled(count, style));
        spans.push(Span::styled(format!("{close} "), name_style));
    }
    let filter = app.filter();
    if !filter.is_empty() {
        spans.push(Span::styled(format!("/{}", cut(filter, 20)), theme.accent()));
    }
    Line::from(spans)
}
