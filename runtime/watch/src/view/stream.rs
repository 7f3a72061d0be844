//! What an aspect streams: its latest turns, the newest at the foot.

use nexus_operator::shown::{Hue, span};
use nexus_operator::words;
use nexus_wire::AspectName;
use nexus_wire::inbox::Decision;
use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::style::{Modifier, Style};
use ratatui::text::{Line, Span};

use super::detail::{READABLE, Text};
use super::head::{clock, money};
use super::text::{cut, fit};
use super::theme::Theme;
use crate::app::{App, Block, Call, Entry, Focus, Scroll, Sign, Turn};

pub(super) fn draw(app: &App, name: &AspectName, theme: Theme, frame: &mut Frame<'_>, area: Rect) {
    let Some(stream) = app.streams.get(name) else {
        let said = format!(
            "{name} has streamed nothing that is kept. i says something to it; r reads its last thread."
        );
        return super::rows::empty(frame, area, theme, &said);
    };
    let mut text = Text::new(area.width);
    for entry in &stream.entries {
        match entry {
            Entry::Turn(turn) => turn_lines(app, turn, theme, &mut text, usize::from(area.width)),
            Entry::Gap { at, why } => {
                let said = format!("╌╌ ▲ gap at {}: {why} ", clock(*at, &app.zone));
                text.prose("", &said, theme.warning());
            }
        }
    }
    from_end(text.lines, &stream.scroll, theme, frame, area, app.focus == Focus::Detail);
}

/// The end of the lines, or what is before it when scrolled back.
pub(super) fn from_end(
    lines: Vec<Line<'static>>,
    scroll: &Scroll,
    theme: Theme,
    frame: &mut Frame<'_>,
    area: Rect,
    is_focused: bool,
) {
    let (count, height) = (lines.len(), usize::from(area.height));
    let back = scroll.of_end(count, height);
    let from = count.saturating_sub(height + back);
    let mut shown: Vec<Line<'static>> = lines.into_iter().skip(from).take(height).collect();
    if back > 0
        && let Some(last) = shown.last_mut()
    {
        *last = Line::styled(format!("↓ {} more lines; G goes to the end", back + 1), theme.accent());
    } else if from > 0
        && is_focused
        && let Some(first) = shown.first_mut()
    {
        *first = Line::styled(format!("↑ {} more lines", from + 1), theme.dim());
    }
    super::lines(frame, area, shown);
}

fn turn_lines(app: &App, turn: &Turn, theme: Theme, text: &mut Text, width: usize) {
    text.line(heading(app, turn, theme, width));
    if turn.is_cut {
        text.prose("  ", "↑ the beginning of this turn is not held", theme.dim());
    }
    for block in &turn.blocks {
        match block {
            Block::Text(said) => prose(said, theme, text),
            Block::Thinking(thought) if app.thinking => {
                text.prose("  ┆ ", thought, theme.dim().add_modifier(Modifier::ITALIC));
            }
            Block::Thinking(thought) => {
                let count = thought.lines().count();
                text.prose("  ", &format!("▹ thinking, {count} lines; t shows it"), theme.dim());
            }
            Block::Call(call) => call_lines(call, app.tools, theme, text, width),
            Block::Restarted(reason) => {
                text.prose("  ", &format!("↻ asked again: {reason}"), theme.warning());
            }
            Block::Note(note) => text.prose("  ", &format!("· {note}"), theme.dim()),
            Block::Missed(count) => {
                text.prose("  ", &format!("▲ {count} pieces were not sent"), theme.warning());
            }
        }
    }
    match &turn.end {
        None => text.line(Line::styled("  ▌", theme.accent())),
        Some(end) => {
            let (mark, hue, said) = match end.decision {
                Decision::Replied => ('●', Hue::Green, "replied"),
                Decision::Acted => ('●', Hue::Green, "acted"),
                Decision::Silent => ('○', Hue::Grey, "stayed silent"),
                Decision::Failed => ('✕', Hue::Red, "failed"),
            };
            let usage = &end.usage;
            let input = usage.tokens().saturating_sub(usage.output_tokens);
            let cost = end.cost_microusd.filter(|cost| *cost > 0).map(|cost| format!(" · {}", money(cost)));
            let took = span(end.at - turn.begun);
            let rest = format!(
                " · {input} in / {} out tokens{} · {took}",
                usage.output_tokens,
                cost.unwrap_or_default()
            );
            text.line(Line::from(vec![
                Span::styled(format!("  {mark} {said}"), theme.hue(hue)),
                Span::styled(rest, theme.dim()),
            ]));
        }
    }
    text.blank();
}

fn heading(app: &App, turn: &Turn, theme: Theme, width: usize) -> Line<'static> {
    let about = match (turn.dispatch.and_then(|id| app.work.get(&id)), turn.dispatch, turn.thread) {
        (Some(info), ..) => format!("at work as {}, for {}", info.hand, info.invoker),
        (None, Some(_), _) => "at work for a dispatch".to_owned(),
        (None, None, Some(thread)) => app
            .threads
            .get(&thread)
            .map_or_else(|| "in a thread".to_owned(), |info| format!("“{}”", info.title)),
        (None, None, None) => "a turn".to_owned(),
    };
    let begun = clock(turn.begun, &app.zone);
    let about = cut(&about, width.saturating_sub(16));
    let used = 13 + super::text::width_of(&about);
    Line::from(vec![
        Span::styled(format!("── {begun} "), theme.dim()),
        Span::styled(about, theme.strong()),
        Span::styled(format!(" {}", "─".repeat(width.saturating_sub(used + 1))), theme.dim()),
    ])
}

/// Words as they are, with what stands in fences left unwrapped and diffs in colour.
pub(super) fn prose(said: &str, theme: Theme, text: &mut Text) {
    let mut fence: Option<String> = None;
    for line in said.lines() {
        let mark = line.trim_start();
        if let Some(language) = mark.strip_prefix("```") {
            fence = if fence.is_some() { None } else { Some(language.trim().to_owned()) };
            text.prose("  ", line, theme.dim());
            continue;
        }
        match &fence {
            None if line.trim().is_empty() => text.blank(),
            None if mark.starts_with('#') => text.prose("  ", line, theme.strong()),
            None => text.prose("  ", line, Style::new()),
            Some(language) => {
                let style = if language == "diff" { diff_style(line, theme) } else { Style::new() };
                text.line(Line::styled(format!("  {}", cut(line, READABLE)), style));
            }
        }
    }
}

/// As `diff -u` writes it.
fn diff_style(line: &str, theme: Theme) -> Style {
    match line.as_bytes().first() {
        Some(b'+') => theme.added(),
        Some(b'-') => theme.removed(),
        Some(b'@') => theme.accent(),
        Some(_) | None => theme.dim(),
    }
}

fn call_lines(call: &Call, is_open: bool, theme: Theme, text: &mut Text, width: usize) {
    let (added, removed) = call.changes();
    let room = width.saturating_sub(20);
    let mut spans = vec![Span::styled("  → ", theme.accent()), Span::raw(cut(&call.summary, room))];
    if added + removed > 0 {
        spans.push(Span::styled(format!("  +{added}"), theme.added()));
        spans.push(Span::styled(format!(" −{removed}"), theme.removed()));
    }
    text.line(Line::from(spans));
    // What is changed is shown while it is all there is to see of it.
    if is_open || (added + removed > 0 && call.result.is_none()) {
        for line in &call.diff {
            let (sign, style) = match line.sign {
                Sign::Added => ('+', theme.added()),
                Sign::Removed => ('-', theme.removed()),
                Sign::Same => (' ', theme.dim()),
            };
            text.line(Line::styled(
                format!("    {sign} {}", fit(&line.text, width.saturating_sub(8)).trim_end()),
                style,
            ));
        }
    }
    if is_open && call.diff.is_empty() {
        text.prose("    ", &call.input, theme.dim());
    }
    match &call.result {
        // What was changed stands there already.
        Some(result) if !is_open && !result.is_error && added + removed > 0 => {}
        None => text.line(Line::styled("  ◌ running", theme.hue(Hue::Blue))),
        Some(result) => {
            let (mark, style) = if result.is_error { ("✕", theme.wrong()) } else { ("←", theme.dim()) };
            let told = cut(&words::result(&result.preview), width.saturating_sub(6));
            text.line(Line::from(vec![
                Span::styled(format!("  {mark} "), style),
                Span::styled(told, theme.dim()),
            ]));
            if is_open {
                for line in result.preview.lines() {
                    text.prose("    ", line, diff_style(line, theme));
                }
            }
        }
    }
}
