//! Rows and columns that fit a line. What has no room is cut or left out, never wrapped. Pure.

use unicode_width::{UnicodeWidthChar as _, UnicodeWidthStr as _};

use crate::ui::{Hue, Ui, begin};

/// Between columns.
const GAP: usize = 2;
/// A column that may be cut keeps so much while another can go.
const CUT_MIN: usize = 24;
/// And so much in the end.
const CUT_LEAST: usize = 8;
/// An id written whole, and its end, by which it can be named.
const ID_CHARS: usize = 36;
const ID_END_CHARS: usize = 12;

/// What becomes of a column when a line has no room for all of them.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Give {
    Keep,
    /// Long texts end with `…`.
    Cut,
    /// Ids are shown by their end.
    Id,
    /// It is left out; the highest number first.
    Go(u8),
    /// It is shown only where all was asked for.
    Wide,
}

pub(super) struct Cell {
    text: String,
    colour: Option<Hue>,
}

impl Cell {
    pub(super) fn new(text: impl ToString) -> Self {
        Self { text: text.to_string(), colour: None }
    }

    pub(super) fn fg(self, colour: Hue) -> Self {
        Self { colour: Some(colour), ..self }
    }
}

impl From<String> for Cell {
    fn from(text: String) -> Self {
        Self { text, colour: None }
    }
}

pub(super) struct Grid<'a> {
    columns: Vec<(&'a str, Give)>,
    rows: Vec<Vec<Cell>>,
    room: Option<usize>,
    colour: bool,
}

impl<'a> Grid<'a> {
    pub(super) fn new(ui: &Ui, columns: &[(&'a str, Give)]) -> Self {
        let shown = |give: Give| ui.is_wide() || give != Give::Wide;
        // Left out from the end on, so that a row is cut to the columns that are there.
        debug_assert!(columns.is_sorted_by_key(|(_, give)| *give == Give::Wide));
        let columns = columns.iter().copied().filter(|(_, give)| shown(*give)).collect();
        Self { columns, rows: Vec::new(), room: ui.room(), colour: ui.colour }
    }

    pub(super) fn add_row(&mut self, cells: Vec<impl Into<Cell>>) {
        self.rows.push(cells.into_iter().take(self.columns.len()).map(Into::into).collect());
    }

    /// Lines without white space at their ends.
    pub(super) fn text(&self) -> String {
        let layout = self.layout();
        let mut text = String::new();
        let header = self.columns.iter().map(|(title, _)| (*title, None)).collect::<Vec<_>>();
        self.line(&mut text, &layout, &header);
        for row in &self.rows {
            let cells = row.iter().map(|cell| (cell.text.as_str(), cell.colour)).collect::<Vec<_>>();
            self.line(&mut text, &layout, &cells);
        }
        text
    }

    fn line(&self, text: &mut String, layout: &[(usize, usize)], cells: &[(&str, Option<Hue>)]) {
        let mut left = self.room.unwrap_or(usize::MAX);
        let mut pad = 0;
        for (column, width) in layout {
            let Some((cell, colour)) = cells.get(*column) else { continue };
            left = left.saturating_sub(pad);
            let shown = fitted(cell, (*width).min(left), self.columns[*column].1);
            if shown.is_empty() {
                pad += width + GAP;
                continue;
            }
            text.extend(std::iter::repeat_n(' ', pad));
            left = left.saturating_sub(shown.width());
            pad = (width + GAP).saturating_sub(shown.width());
            match colour.filter(|_| self.colour) {
                Some(colour) => text.extend([begin(colour), &shown, "\u{1b}[0m"]),
                None => text.push_str(&shown),
            }
        }
        text.push('\n');
    }

    /// The columns that are shown, each with its width.
    fn layout(&self) -> Vec<(usize, usize)> {
        let natural = |column: usize| {
            let cells = self.rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.text.width());
            cells.chain([self.columns[column].0.width()]).max().unwrap_or(0)
        };
        let mut layout: Vec<(usize, usize)> =
            (0..self.columns.len()).map(|column| (column, natural(column))).collect();
        let Some(room) = self.room else { return layout };
        loop {
            let total = layout.iter().map(|(_, width)| width + GAP).sum::<usize>().saturating_sub(GAP);
            let over = total.saturating_sub(room);
            if over == 0 || !self.give_way(&mut layout, over, natural) {
                return layout;
            }
        }
    }

    /// One step towards less; none is left when it is `false`.
    fn give_way(
        &self,
        layout: &mut Vec<(usize, usize)>,
        over: usize,
        natural: impl Fn(usize) -> usize,
    ) -> bool {
        let give = |column: usize| self.columns[column].1;
        let id = layout.iter_mut().find(|(column, width)| give(*column) == Give::Id && *width == ID_CHARS);
        if let Some((column, width)) = id {
            *width = ID_END_CHARS.max(self.columns[*column].0.width());
            return true;
        }
        let cut = |layout: &mut Vec<(usize, usize)>, least: usize| {
            let longest =
                layout.iter_mut().filter(|(column, width)| give(*column) == Give::Cut && *width > least);
            let Some((_, width)) = longest.max_by_key(|(_, width)| *width) else { return false };
            *width -= over.min(*width - least);
            true
        };
        if cut(layout, CUT_MIN) {
            return true;
        }
        let rank = |column: usize| match give(column) {
            Give::Go(rank) => Some(rank),
            Give::Keep | Give::Cut | Give::Id | Give::Wide => None,
        };
        let first =
            layout.iter().enumerate().filter_map(|(at, (column, _))| Some((rank(*column)?, at))).max();
        let Some((_, at)) = first else { return cut(layout, CUT_LEAST) };
        layout.remove(at);
        // What went made room for what was cut.
        for (column, width) in layout.iter_mut().filter(|(column, _)| give(*column) == Give::Cut) {
            *width = natural(*column);
        }
        true
    }
}

/// At most `width` columns of a text.
fn fitted(text: &str, width: usize, give: Give) -> String {
    if text.width() <= width {
        return text.to_owned();
    }
    if give == Give::Id && text.len() == ID_CHARS && text.is_ascii() && width >= ID_END_CHARS {
        return text[ID_CHARS - ID_END_CHARS..].to_owned();
    }
    let Some(room) = width.checked_sub(1) else { return String::new() };
    let (mut kept, mut used) = (String::new(), 0);
    for c in text.chars() {
        used += c.width().unwrap_or(0);
        if used > room {
            break;
        }
        kept.push(c);
    }
    format!("{}…", kept.trim_end())
}

#[cfg(test)]
mod tests {
    use super::Give::{Cut, Go, Id, Keep, Wide};
    use super::*;
    use crate::cli::Output;

    fn grid(ui: &Ui) -> String {
        let columns =
            [("ID", Id), ("STATE", Keep), ("AGE", Go(1)), ("N", Go(2)), ("TITLE", Cut), ("MORE", Wide)];
        let mut grid = Grid::new(ui, &columns);
        let id = "01a1fda6-6863-8f81-9de1-76c52d2b6209";
        let title = "the moon is a harsh mistress, and so on and so forth";
        grid.add_row(vec![
            Cell::new(id),
            Cell::new("● done").fg(Hue::Green),
            Cell::new("3m"),
            Cell::new(12),
            Cell::new(title),
            Cell::new("all of it"),
        ]);
        grid.text()
    }

    fn ui() -> Ui {
        Ui::of(std::io::sink(), std::io::sink())
    }

    #[test]
    fn a_table_gives_way_column_by_column_and_never_wraps() {
        let cases = [
            (
                120,
                "ID                                    STATE   AGE  N   TITLE\n\
                 01a1fda6-6863-8f81-9de1-76c52d2b6209  ● done  3m   12  the moon is a harsh mistress, and so on and so forth\n",
            ),
            (
                80,
                "ID            STATE   AGE  N   TITLE\n\
                 76c52d2b6209  ● done  3m   12  the moon is a harsh mistress, and so on and so f…\n",
            ),
            (51, "ID            STATE   AGE  TITLE\n76c52d2b6209  ● done  3m   the moon is a harsh mis…\n"),
            (50, "ID            STATE   TITLE\n76c52d2b6209  ● done  the moon is a harsh mistres…\n"),
            (34, "ID            STATE   TITLE\n76c52d2b6209  ● done  the moon is…\n"),
        ];
        for (width, text) in cases {
            assert_eq!(grid(&ui().sized(width)), text, "{width}");
        }
        for width in 1..130 {
            let text = grid(&ui().sized(width));
            assert_eq!(text.lines().count(), 2, "{width}: {text}");
            assert!(text.lines().all(|line| line.width() <= width), "{width}: {text}");
        }
    }

    #[test]
    fn programs_and_whoever_asks_for_all_get_all() {
        assert_eq!(grid(&ui()), grid(&ui().sized(500)));
        let all = grid(&ui().sized(20).formed(Output::Wide));
        assert!(all.lines().all(|line| line.ends_with("MORE") || line.ends_with("all of it")), "{all}");
    }

    #[test]
    fn a_wide_letter_takes_two_columns() {
        assert_eq!(fitted("月は無慈悲な", 8, Cut), "月は無…");
        assert_eq!(fitted("月は", 4, Cut), "月は");
        assert_eq!(fitted("ab", 0, Cut), "");
    }
}
