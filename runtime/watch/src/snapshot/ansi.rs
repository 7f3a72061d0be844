//! A screen as a terminal is told it: rows of text with the sequences that colour them.

use std::fmt::Write as _;

use ratatui::buffer::{Buffer, Cell};
use ratatui::style::{Color, Modifier};

pub(super) fn of(screen: &Buffer) -> String {
    let mut out = String::new();
    for y in 0..screen.area.height {
        let mut now = String::new();
        for (_, cell) in super::columns(screen, y) {
            let wanted = sequence(cell);
            if wanted != now {
                let _ = write!(out, "\u{1b}[0{wanted}m");
                now = wanted;
            }
            out.push_str(cell.symbol());
        }
        out.push_str("\u{1b}[0m\n");
    }
    out
}

fn sequence(cell: &Cell) -> String {
    let mut codes = String::new();
    let weights = [
        (Modifier::BOLD, 1),
        (Modifier::DIM, 2),
        (Modifier::ITALIC, 3),
        (Modifier::UNDERLINED, 4),
        (Modifier::REVERSED, 7),
    ];
    for (weight, code) in weights {
        if cell.modifier.contains(weight) {
            let _ = write!(codes, ";{code}");
        }
    }
    if let Some(code) = colour(cell.fg) {
        let _ = write!(codes, ";{code}");
    }
    codes
}

/// Of those the theme uses.
#[expect(clippy::wildcard_enum_match_arm, reason = "the library's colours: others are drawn as plain text")]
fn colour(colour: Color) -> Option<u8> {
    Some(match colour {
        Color::Red => 31,
        Color::Green => 32,
        Color::Yellow => 33,
        Color::Blue => 34,
        Color::Cyan => 36,
        Color::DarkGray => 90,
        _ => return None,
    })
}
