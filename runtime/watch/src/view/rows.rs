//! Rows of a list: columns of a width each, one of which takes what is left.

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::{Line, Span};

use super::text::{cut, fit, width_of};
use super::theme::Theme;

/// One place in a row.
#[derive(Debug)]
pub(super) struct Cell {
    text: String,
    style: Style,
    /// In columns; 0 takes what the others leave.
    width: usize,
    is_number: bool,
}

pub(super) fn cell(text: impl Into<String>, width: usize, style: Style) -> Cell {
    Cell { text: text.into(), style, width, is_number: false }
}

/// Stands at the right of its place.
pub(super) fn number(text: impl Into<String>, width: usize, style: Style) -> Cell {
    Cell { is_number: true, ..cell(text, width, style) }
}

/// The row, exactly `width` columns.
pub(super) fn row(cells: Vec<Cell>, width: usize) -> Line<'static> {
    let gaps = cells.len().saturating_sub(1);
    let fixed: usize = cells.iter().map(|cell| cell.width).sum();
    let left = width.saturating_sub(fixed + gaps);
    let mut spans = Vec::new();
    for (at, cell) in cells.into_iter().enumerate() {
        if at > 0 {
            spans.push(Span::raw(" "));
        }
        let wide = if cell.width == 0 { left } else { cell.width };
        let text = if cell.is_number {
            let text = cut(&cell.text, wide);
            format!("{}{text}", " ".repeat(wide.saturating_sub(width_of(&text))))
        } else {
            fit(&cell.text, wide)
        };
        spans.push(Span::styled(text, cell.style));
    }
    Line::from(spans)
}

/// A list with one row chosen: as many rows as fit, the chosen one among them, and how many there are besides.
pub(super) fn list(
    frame: &mut Frame<'_>,
    area: Rect,
    (count, chosen, is_focused): (usize, usize, bool),
    theme: Theme,
    row: impl Fn(usize) -> Line<'static>,
) {
    let height = usize::from(area.height);
    let from = chosen.saturating_sub(height / 2).min(count.saturating_sub(height));
    let shown = (from..count).take(height).map(|at| {
        let mark = if at == chosen { Span::styled("▸", theme.accent()) } else { Span::raw(" ") };
        let mut line = row(at);
        if at == chosen {
            let style = theme.chosen(is_focused);
            for span in &mut line.spans {
                span.style = span.style.patch(style);
            }
        }
        line.spans.insert(0, mark);
        line
    });
    super::lines(frame, area, shown.collect());
}

/// The width a row of [`list`] has.
pub(super) fn row_width(area: Rect) -> usize {
    usize::from(area.width).saturating_sub(1)
}

/// The names of columns.
pub(super) fn heading(cells: Vec<Cell>, width: usize) -> Line<'static> {
    let mut line = row(cells, width);
    line.spans.insert(0, Span::raw(" "));
    line
}

/// What an empty list says, and what to do.
pub(super) fn empty(frame: &mut Frame<'_>, area: Rect, theme: Theme, text: &str) {
    let width = usize::from(area.width).saturating_sub(2);
    let lines = super::text::wrap(text, width);
    let lines = lines.into_iter().map(|line| Line::styled(format!(" {line}"), theme.dim()));
    super::lines(frame, area, lines.collect());
}
