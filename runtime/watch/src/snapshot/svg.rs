//! A screen as a picture, dark, in whatever monospaced face is there.

use std::fmt::Write as _;

use ratatui::buffer::{Buffer, Cell};
use ratatui::style::{Color, Modifier};

const CELL_WIDTH: f32 = 8.4;
const CELL_HEIGHT: f32 = 18.0;
const MARGIN: f32 = 12.0;
const PAPER: &str = "#14171c";
const INK: &str = "#d7dae0";

pub(super) fn of(screen: &Buffer) -> String {
    let width = f32::from(screen.area.width) * CELL_WIDTH + 2.0 * MARGIN;
    let height = f32::from(screen.area.height) * CELL_HEIGHT + 2.0 * MARGIN;
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width:.0} {height:.0}\" width=\"{width:.0}\" \
         height=\"{height:.0}\" font-family=\"ui-monospace, 'DejaVu Sans Mono', Menlo, Consolas, monospace\" \
         font-size=\"14\">\n<rect width=\"100%\" height=\"100%\" rx=\"8\" fill=\"{PAPER}\"/>\n"
    );
    for y in 0..screen.area.height {
        row(screen, y, &mut out);
    }
    out.push_str("</svg>\n");
    out
}

/// Cells that look alike are one piece of text, stretched to the columns it takes: faces differ in their widths.
fn row(screen: &Buffer, y: u16, out: &mut String) {
    let mut run: Option<(u16, &Cell, String)> = None;
    for (x, cell) in super::columns(screen, y) {
        match &mut run {
            Some((_, first, text)) if looks(first) == looks(cell) => text.push_str(cell.symbol()),
            Some(_) | None => {
                if let Some(done) = run.replace((x, cell, cell.symbol().to_owned())) {
                    piece(done, y, out);
                }
            }
        }
    }
    if let Some(done) = run {
        piece(done, y, out);
    }
}

fn looks(cell: &Cell) -> (Color, Modifier) {
    (cell.fg, cell.modifier)
}

fn piece((x, cell, text): (u16, &Cell, String), y: u16, out: &mut String) {
    let left = MARGIN + f32::from(x) * CELL_WIDTH;
    let top = MARGIN + f32::from(y) * CELL_HEIGHT;
    let columns = crate::view::width_of(&text);
    let is_reversed = cell.modifier.contains(Modifier::REVERSED);
    let (ink, paper) = if is_reversed { (PAPER, colour(cell.fg)) } else { (colour(cell.fg), PAPER) };
    let wide = columns as f32 * CELL_WIDTH;
    if is_reversed {
        let _ = writeln!(
            out,
            "<rect x=\"{left:.1}\" y=\"{top:.1}\" width=\"{wide:.1}\" height=\"{CELL_HEIGHT}\" fill=\"{paper}\"/>"
        );
    }
    // Blanks at both ends are left out, so that what is stretched is the text.
    let before = text.len() - text.trim_start().len();
    let shown = text.trim();
    if shown.is_empty() {
        return;
    }
    let left = left + before as f32 * CELL_WIDTH;
    let wide = crate::view::width_of(shown) as f32 * CELL_WIDTH;
    let weight = if cell.modifier.contains(Modifier::BOLD) { " font-weight=\"bold\"" } else { "" };
    let slant = if cell.modifier.contains(Modifier::ITALIC) { " font-style=\"italic\"" } else { "" };
    let faint = if cell.modifier.contains(Modifier::DIM) { " opacity=\"0.6\"" } else { "" };
    let base = top + 13.5;
    let _ = writeln!(
        out,
        "<text x=\"{left:.1}\" y=\"{base:.1}\" textLength=\"{wide:.1}\" fill=\"{ink}\"{weight}{slant}{faint} \
         xml:space=\"preserve\">{}</text>",
        escaped(shown)
    );
}

#[expect(clippy::wildcard_enum_match_arm, reason = "the library's colours: others are drawn as plain text")]
fn colour(colour: Color) -> &'static str {
    match colour {
        Color::Red => "#e5695f",
        Color::Green => "#7fb970",
        Color::Yellow => "#d8a657",
        Color::Blue => "#6ea8dc",
        Color::Cyan => "#63c0c0",
        Color::DarkGray => "#7d8590",
        _ => INK,
    }
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}
