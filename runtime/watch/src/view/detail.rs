//! A text beside or below a list, scrolled from its beginning.

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::{Line, Span};

use super::text::wrap;
use super::theme::Theme;
use crate::app::Scroll;

/// Prose is not wider than one can read.
pub(super) const READABLE: usize = 110;

/// Lines that are put together.
#[derive(Debug)]
pub(super) struct Text {
    width: usize,
    /// Columns that the names of fields take.
    names: usize,
    pub(super) lines: Vec<Line<'static>>,
}

impl Text {
    pub(super) fn new(width: u16) -> Self {
        Self { width: usize::from(width).saturating_sub(1), names: 10, lines: Vec::new() }
    }

    /// With shorter names, where there is little room.
    pub(super) fn narrow(width: u16) -> Self {
        Self { names: 7, ..Self::new(width) }
    }

    pub(super) fn line(&mut self, line: Line<'static>) {
        self.lines.push(line);
    }

    pub(super) fn blank(&mut self) {
        self.lines.push(Line::default());
    }

    /// Words, wrapped, with something in front of each line.
    pub(super) fn prose(&mut self, before: &str, text: &str, style: Style) {
        let width = self.width.saturating_sub(before.chars().count()).min(READABLE);
        for line in wrap(text, width) {
            self.lines.push(Line::styled(format!("{before}{line}"), style));
        }
    }

    /// A name and what stands for it.
    pub(super) fn field(&mut self, theme: Theme, name: &str, text: &str, style: Style) {
        let names = self.names;
        let mut lines = wrap(text, self.width.saturating_sub(names + 1).min(READABLE)).into_iter();
        let first = lines.next().unwrap_or_default();
        let name = Span::styled(format!("{name:<names$} "), theme.dim());
        self.lines.push(Line::from(vec![name, Span::styled(first, style)]));
        for line in lines {
            self.lines.push(Line::from(vec![Span::raw(" ".repeat(names + 1)), Span::styled(line, style)]));
        }
    }

    /// Shows as much as fits, from where it is scrolled to, and says when there is more.
    pub(super) fn show(self, scroll: &Scroll, theme: Theme, frame: &mut Frame<'_>, area: Rect) {
        let (count, height) = (self.lines.len(), usize::from(area.height));
        let passed = scroll.of(count, height);
        let mut shown: Vec<Line<'_>> = self.lines.into_iter().skip(passed).take(height).collect();
        let below = count.saturating_sub(passed + height);
        if below > 0
            && let Some(last) = shown.last_mut()
        {
            *last = Line::styled(format!("↓ {} more lines", below + 1), theme.dim());
        }
        super::lines(frame, area, shown);
    }
}
