//! How states look wherever people see them, and text of others made safe to show.

use nexus_wire::Ms;
use nexus_wire::hands::DispatchState;
use nexus_wire::roster::AspectState;

/// A colour that every terminal has. It never says anything that a sign beside it does not.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Hue {
    Blue,
    Green,
    Grey,
    Red,
    Yellow,
}

/// The shape and the colour that a state has everywhere.
pub fn aspect_mark(state: AspectState) -> (char, Hue) {
    match state {
        AspectState::Online => ('●', Hue::Green),
        AspectState::Busy => ('◐', Hue::Blue),
        AspectState::Stalled => ('◌', Hue::Yellow),
        AspectState::Deaf => ('▲', Hue::Yellow),
        AspectState::Offline => ('○', Hue::Grey),
    }
}

pub fn dispatch_mark(state: DispatchState) -> (char, Hue) {
    match state {
        DispatchState::Pending => ('○', Hue::Grey),
        DispatchState::Running => ('◐', Hue::Blue),
        DispatchState::Waiting | DispatchState::Retaking => ('◌', Hue::Blue),
        DispatchState::Unreachable => ('▲', Hue::Yellow),
        DispatchState::Done => ('●', Hue::Green),
        DispatchState::Failed | DispatchState::TimedOut => ('✕', Hue::Red),
        DispatchState::Cancelled => ('✕', Hue::Grey),
    }
}

/// What other people and models wrote, without what would move the cursor or recolour the terminal.
pub fn printable(text: &str) -> String {
    text.chars().filter(|c| !c.is_control() || matches!(c, '\n' | '\t')).collect()
}

/// One line of at most `width` characters.
pub fn shortened(text: &str, width: usize) -> String {
    let line = printable(text).split_whitespace().collect::<Vec<_>>().join(" ");
    if line.chars().count() <= width {
        return line;
    }
    let kept: String = line.chars().take(width.saturating_sub(1)).collect();
    format!("{}…", kept.trim_end())
}

/// How long ago, in its one largest unit.
pub fn ago(at: Ms, now: Ms) -> String {
    let seconds = (now.saturating_sub(at) / 1000).max(0);
    match seconds {
        0 => "now".into(),
        1..60 => format!("{seconds}s"),
        60..3600 => format!("{}m", seconds / 60),
        3600..86_400 => format!("{}h", seconds / 3600),
        _ => format!("{}d", seconds / 86_400),
    }
}

/// A stretch of time as one reads it aloud.
pub fn span(ms: Ms) -> String {
    let ms = ms.max(0);
    match ms {
        0..1000 => format!("{ms} ms"),
        1000..60_000 => format!("{}.{} s", ms / 1000, ms % 1000 / 100),
        60_000..3_600_000 => format!("{} min {} s", ms / 60_000, ms % 60_000 / 1000),
        3_600_000..86_400_000 => format!("{} h {} min", ms / 3_600_000, ms % 3_600_000 / 60_000),
        _ => format!("{} d {} h", ms / 86_400_000, ms % 86_400_000 / 3_600_000),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_others_wrote_cannot_drive_the_terminal() {
        assert_eq!(printable("a\u{1b}[2Jb\r\u{7}\u{9b}31mc\td\ne"), "a[2Jb31mc\td\ne");
        assert_eq!(shortened(" one\n two \u{1b}three ", 9), "one two…");
        assert_eq!(shortened("one two", 7), "one two");
    }
}
