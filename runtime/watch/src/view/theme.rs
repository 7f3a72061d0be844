//! Colours and weights: the sixteen colours every terminal has, or none. A colour never says what no sign says.

use nexus_operator::shown::Hue;
use ratatui::style::{Color, Modifier, Style};

#[derive(Clone, Copy, Debug)]
pub struct Theme {
    pub colour: bool,
}

impl Theme {
    pub fn hue(self, hue: Hue) -> Style {
        let colour = match hue {
            Hue::Blue => Color::Blue,
            Hue::Green => Color::Green,
            Hue::Grey => return self.dim(),
            Hue::Red => Color::Red,
            Hue::Yellow => Color::Yellow,
        };
        self.fg(colour)
    }

    /// Of less interest.
    pub fn dim(self) -> Style {
        if self.colour { Style::new().fg(Color::DarkGray) } else { Style::new().add_modifier(Modifier::DIM) }
    }

    pub fn strong(self) -> Style {
        Style::new().add_modifier(Modifier::BOLD)
    }

    /// The one accent: where one is, and what can be typed.
    pub fn accent(self) -> Style {
        self.fg(Color::Cyan).add_modifier(Modifier::BOLD)
    }

    pub fn wrong(self) -> Style {
        self.fg(Color::Red).add_modifier(Modifier::BOLD)
    }

    pub fn warning(self) -> Style {
        self.fg(Color::Yellow)
    }

    pub fn added(self) -> Style {
        self.fg(Color::Green)
    }

    pub fn removed(self) -> Style {
        self.fg(Color::Red)
    }

    /// The chosen row, in the part that keys move in or in the other one. Colours of its cells would make
    /// pieces of the band, so it has none.
    pub fn chosen(self, is_focused: bool) -> Style {
        if is_focused {
            Style::new()
                .fg(Color::Reset)
                .add_modifier(Modifier::REVERSED)
                .remove_modifier(Modifier::DIM | Modifier::BOLD)
        } else {
            self.strong()
        }
    }

    fn fg(self, colour: Color) -> Style {
        if self.colour { Style::new().fg(colour) } else { Style::new() }
    }
}
