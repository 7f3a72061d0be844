//! The screen, drawn from the state. Pure: it reads no clock, and the same state gives the same screen.

mod alerts;
mod approvals;
mod detail;
mod foot;
mod head;
mod help;
mod rows;
mod stream;
mod team;
mod text;
mod theme;
mod threads;
mod work;

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::style::{Modifier, Style};
use ratatui::text::Line;
use ratatui::widgets::Paragraph;

use crate::app::{App, View};

pub use text::{cut, fit, width_of, wrap};
pub use theme::Theme;

/// What a screen has to have at least.
pub const WIDTH_MIN: u16 = 80;
pub const HEIGHT_MIN: u16 = 24;

/// Draws everything.
pub fn draw(app: &App, theme: Theme, frame: &mut Frame<'_>) {
    let area = frame.area();
    if area.width < WIDTH_MIN || area.height < HEIGHT_MIN {
        return too_small(area, frame);
    }
    let row = |y: u16, height: u16| Rect { x: 0, y, width: area.width, height };
    lines(frame, row(0, 3), head::lines(app, theme, usize::from(area.width)));
    let body = row(3, area.height - 5);
    match (&app.help, app.view) {
        (Some(scroll), _) => help::draw(scroll, theme, frame, body),
        (None, View::Team) => team::draw(app, theme, frame, body),
        (None, View::Threads) => threads::draw(app, theme, frame, body),
        (None, View::Work) => work::draw(app, theme, frame, body),
        (None, View::Approvals) => approvals::draw(app, theme, frame, body),
        (None, View::Alerts) => alerts::draw(app, theme, frame, body),
    }
    if app.help.is_none() && app.stale_since().is_some() {
        // It is the last that was known, and looks like it.
        frame.buffer_mut().set_style(body, Style::new().add_modifier(Modifier::DIM));
    }
    foot::draw(app, theme, frame, row(area.height - 2, 2));
}

fn too_small(area: Rect, frame: &mut Frame<'_>) {
    let said = [
        format!("nexus-watch needs {WIDTH_MIN}×{HEIGHT_MIN}."),
        format!("This terminal has {}×{}.", area.width, area.height),
        "Make it larger; q leaves.".to_owned(),
    ];
    let height = (said.len() as u16).min(area.height);
    let y = area.y + (area.height - height) / 2;
    let said: Vec<Line<'_>> = said.into_iter().map(|line| Line::from(line).centered()).collect();
    frame.render_widget(Paragraph::new(said), Rect { y, height, ..area });
}

/// Lines as they are, those that fit.
fn lines(frame: &mut Frame<'_>, area: Rect, lines: Vec<Line<'_>>) {
    frame.render_widget(Paragraph::new(lines), area);
}

/// Both parts of a view side by side, with a hairline between: the list as wide as `wanted` where there is room.
fn beside(area: Rect, theme: Theme, frame: &mut Frame<'_>) -> (Rect, Rect) {
    let left = (area.width * 3 / 10).clamp(30, 64);
    let rule: Vec<Line<'_>> = (0..area.height).map(|_| Line::styled("│", theme.dim())).collect();
    lines(frame, Rect { x: area.x + left, width: 1, ..area }, rule);
    let x = area.x + left + 2;
    (Rect { width: left, ..area }, Rect { x, width: area.width - left - 2, ..area })
}

/// One part above the other, with a hairline between.
fn above(area: Rect, rows: usize, theme: Theme, frame: &mut Frame<'_>) -> (Rect, Rect) {
    // As many rows as there are, and no more than leaves the other part the larger half.
    let most = area.height / 2;
    let top = u16::try_from(rows + 1).unwrap_or(most).clamp(3, most);
    let rule = Rect { y: area.y + top, height: 1, ..area };
    lines(frame, rule, vec![Line::styled("─".repeat(usize::from(area.width)), theme.dim())]);
    let y = area.y + top + 1;
    (Rect { height: top, ..area }, Rect { y, height: area.height - top - 1, ..area })
}

#[cfg(test)]
mod tests;
