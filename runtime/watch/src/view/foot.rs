//! The foot of the screen: what is typed or what came of it, and the keys that do something here.

use ratatui::Frame;
use ratatui::layout::{Position, Rect};
use ratatui::text::{Line, Span};

use super::text::{cut, width_of};
use super::theme::Theme;
use crate::app::{App, Focus, Prompt, Purpose, Standing, Tone, View};

pub(super) fn draw(app: &App, theme: Theme, frame: &mut Frame<'_>, area: Rect) {
    let width = usize::from(area.width);
    let (first, second) = match &app.prompt {
        Some(prompt) => {
            let (line, cursor) = typed(app, prompt, theme, width);
            let x = area.x + u16::try_from(cursor).unwrap_or(0).min(area.width.saturating_sub(1));
            frame.set_cursor_position(Position { x, y: area.y });
            (line, under(prompt, theme, width))
        }
        None => (notice(app, theme, width), keys(app, theme, width)),
    };
    super::lines(frame, area, vec![first, second]);
}

fn label(app: &App, purpose: &Purpose) -> String {
    match purpose {
        Purpose::Command => ":".to_owned(),
        Purpose::Filter => "/".to_owned(),
        Purpose::Say { thread: Some(thread), .. } => {
            let title = app.threads.get(thread).map_or("this thread", |info| info.title.as_str());
            format!("in “{}” › ", cut(title, 24))
        }
        Purpose::Say { to: Some(name), .. } => format!("new thread, to {name} › "),
        Purpose::Say { to: None, .. } => "new thread › ".to_owned(),
        Purpose::Approve(_) => "approve; a word with it, if you like › ".to_owned(),
        Purpose::Deny(_) => "deny; a word with it, if you like › ".to_owned(),
        Purpose::Answer { .. } => "your answer › ".to_owned(),
        Purpose::Cancel(_) => "cancel it and all below; a reason, if you like › ".to_owned(),
        Purpose::Stop(name) => format!("end the turns of {name}; a reason, if you like › "),
    }
}

/// The line and where its cursor stands. Of a long one, the part around the cursor.
fn typed(app: &App, prompt: &Prompt, theme: Theme, width: usize) -> (Line<'static>, usize) {
    let label = label(app, &prompt.purpose);
    let room = width.saturating_sub(width_of(&label) + 2);
    let (before, after) = prompt.line.halves();
    let (before, after) = (before.replace('\n', "⏎"), after.replace('\n', "⏎"));
    let mut begin = before.as_str();
    while width_of(begin) >= room {
        let mut rest = begin.chars();
        rest.next();
        begin = rest.as_str();
    }
    let at = width_of(&label) + 1 + width_of(begin);
    let after = cut(&after, room.saturating_sub(width_of(begin)));
    let spans =
        vec![Span::raw(" "), Span::styled(label, theme.accent()), Span::raw(format!("{begin}{after}"))];
    (Line::from(spans), at)
}

/// Below what is typed: why it cannot be done, what it can be completed to, or what the keys do.
fn under(prompt: &Prompt, theme: Theme, width: usize) -> Line<'static> {
    if let Some(error) = &prompt.error {
        return Line::styled(cut(&format!(" ✕ {error}"), width), theme.wrong());
    }
    if let Some(completion) = &prompt.completion {
        let mut spans = vec![Span::raw(" ")];
        let mut used = 1;
        for (at, candidate) in completion.candidates.iter().enumerate().skip(completion.at.saturating_sub(2))
        {
            let shown = cut(candidate, 40);
            used += width_of(&shown) + 2;
            if used > width {
                break;
            }
            let style = if at == completion.at { theme.accent() } else { theme.dim() };
            spans.extend([Span::styled(shown, style), Span::raw("  ")]);
        }
        return Line::from(spans);
    }
    let keys: &[(&str, &str)] = match &prompt.purpose {
        Purpose::Command => {
            &[("Enter", "do it"), ("Tab", "complete"), ("↑", "earlier ones"), ("Esc", "leave")]
        }
        Purpose::Filter => &[("Enter", "filter; nothing shows all"), ("Esc", "leave")],
        Purpose::Say { .. } => {
            &[("Enter", "send"), ("Alt-Enter", "new line"), ("@ Tab", "complete a name"), ("Esc", "leave")]
        }
        Purpose::Answer { choices, .. } if !choices.is_empty() => {
            &[("Enter", "send"), ("Tab", "next choice"), ("Esc", "leave")]
        }
        Purpose::Answer { .. }
        | Purpose::Approve(_)
        | Purpose::Deny(_)
        | Purpose::Cancel(_)
        | Purpose::Stop(_) => &[("Enter", "send"), ("Esc", "leave it as it is")],
    };
    hints(keys, theme, width)
}

fn notice(app: &App, theme: Theme, width: usize) -> Line<'static> {
    match (&app.notice, &app.link.standing) {
        (None, Standing::Up) => Line::default(),
        // Nothing is of more interest than why.
        (None, Standing::Down { why, .. }) => Line::styled(cut(&format!(" ▲ {why}"), width), theme.warning()),
        (None, Standing::Over { why, .. }) => Line::styled(cut(&format!(" ✕ {why}"), width), theme.wrong()),
        (Some(notice), _) => {
            let (mark, style) = match notice.tone {
                Tone::Done => ("●", theme.added()),
                Tone::Wrong => ("✕", theme.wrong()),
            };
            Line::styled(cut(&format!(" {mark} {}", notice.text), width), style)
        }
    }
}

fn keys(app: &App, theme: Theme, width: usize) -> Line<'static> {
    if app.help.is_some() {
        return hints(&[("↑↓", "scroll"), ("Esc", "back")], theme, width);
    }
    let moves = match app.focus {
        Focus::List => ("↑↓", "choose"),
        Focus::Detail => ("↑↓", "scroll"),
    };
    let other = match app.focus {
        Focus::List => ("→", "in"),
        Focus::Detail => ("←", "back"),
    };
    let own: &[(&str, &str)] = match app.view {
        View::Team => &[("i", "say"), ("t", "thinking"), ("o", "tools"), ("s", "stop"), ("r", "thread")],
        View::Threads => &[("i", "reply"), ("n", "new")],
        View::Work => &[("c", "cancel"), ("r", "retry"), ("e", "ended too")],
        View::Approvals => &[("a", "approve, answer"), ("d", "deny")],
        View::Alerts => &[("a", "seen")],
    };
    let last = [("?", "help"), ("q", "quit")];
    let taken: usize = last.iter().map(|(key, what)| width_of(key) + width_of(what) + 3).sum();
    let all: Vec<_> =
        [moves, other].iter().chain(own).chain(&[("/", "filter"), (":", "command")]).copied().collect();
    let mut line = hints(&all, theme, width.saturating_sub(taken));
    line.spans.extend(hints(&last, theme, taken + 1).spans.into_iter().skip(1));
    line
}

fn hints(keys: &[(&str, &str)], theme: Theme, width: usize) -> Line<'static> {
    let mut spans = vec![Span::raw(" ")];
    let mut used = 1;
    for (key, what) in keys {
        used += width_of(key) + width_of(what) + 3;
        // The last one needs no blanks behind it.
        if used > width + 2 {
            break;
        }
        spans.push(Span::styled((*key).to_owned(), theme.accent()));
        spans.push(Span::styled(format!(" {what}  "), theme.dim()));
    }
    Line::from(spans)
}
