//! Keys, commands, and what each sign means.

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::{Line, Span};

use super::detail::Text;
use super::theme::Theme;
use crate::app::{COMMANDS, Scroll};

/// The same in `docs/watch.md`.
const KEYS: &[(&str, &str)] = &[
    ("1 … 5, Tab", "team, threads, work, approvals, alerts"),
    ("↑ ↓ or k j", "choose in a list; scroll in what is beside or below it"),
    ("→ ← or l h, Enter", "into what is beside or below the list, and back"),
    ("PgUp PgDn, Home End or g G", "farther"),
    ("i", "say something to the chosen aspect, or in the chosen thread"),
    ("/", "show only rows that hold a text"),
    (":", "a command"),
    ("Esc", "out of what is typed, back to the list, without the filter"),
    ("Ctrl-L, Ctrl-Z", "draw anew; stop, until fg"),
    ("q, Ctrl-C", "quit"),
    ("team: t o s r", "thinking shown, tool calls unfolded, stop its turns, read its thread"),
    ("threads: n", "a new thread"),
    ("work: c r e", "cancel, retry, show also what has ended"),
    ("approvals: a d", "approve or answer, deny"),
    ("alerts: a", "it has been seen"),
];

const SIGNS: &[(&str, &str)] = &[
    ("● ◐ ◌ ▲ ○ ✕", "aspect: online, busy, stalled, deaf, offline, held"),
    ("○ ◐ ◌ ▲ ● ✕", "dispatch: pending, running, waiting, unreachable, done, failed or cancelled"),
    ("★", "the lead, who gets what is addressed to nobody"),
    ("• ‖", "thread: something is unread, paused until an operator speaks"),
    ("→ ← ✕", "a tool is called, gave something back, failed"),
    ("▹ ↻ ╌╌", "thinking that is folded, the model was asked again, a gap"),
    ("$0.02+", "and something whose price is not known"),
];

pub(super) fn draw(scroll: &Scroll, theme: Theme, frame: &mut Frame<'_>, area: Rect) {
    let mut text = Text::new(area.width);
    let section = |text: &mut Text, title: &str| text.line(Line::styled(format!(" {title}"), theme.strong()));
    let entry = |text: &mut Text, what: &str, means: &str| {
        const WIDE: usize = 30;
        let room = usize::from(area.width).saturating_sub(WIDE + 5);
        for (at, line) in super::text::wrap(means, room).into_iter().enumerate() {
            let what = if at == 0 { what } else { "" };
            text.line(Line::from(vec![
                Span::styled(format!("   {} ", super::text::fit(what, WIDE)), theme.accent()),
                Span::styled(line, Style::new()),
            ]));
        }
    };
    section(&mut text, "Keys");
    KEYS.iter().for_each(|(key, means)| entry(&mut text, key, means));
    text.blank();
    section(&mut text, "Commands, after : (the beginning of a name will do, and Tab completes)");
    COMMANDS
        .iter()
        .for_each(|spec| entry(&mut text, &format!(":{} {}", spec.name, spec.arguments), spec.help));
    text.blank();
    section(&mut text, "Signs");
    SIGNS.iter().for_each(|(sign, means)| entry(&mut text, sign, means));
    text.show(scroll, theme, frame, area);
}
