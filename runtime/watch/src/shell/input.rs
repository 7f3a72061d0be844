//! What is typed, read by a thread of its own and made into events.

use crossterm::event::{self, KeyCode, KeyEvent, KeyEventKind, KeyModifiers};
use tokio::sync::mpsc;

use crate::app::{Event, Key};

/// Keys that wait to be taken up.
const TYPED_MAX: usize = 256;

/// Ends when the terminal is gone.
pub(crate) fn typed() -> mpsc::Receiver<Event> {
    let (typed, taken) = mpsc::channel(TYPED_MAX);
    std::thread::spawn(move || {
        while let Ok(event) = event::read() {
            if let Some(event) = meant(event)
                && typed.blocking_send(event).is_err()
            {
                break;
            }
        }
    });
    taken
}

fn meant(event: event::Event) -> Option<Event> {
    match event {
        event::Event::Key(key) if key.kind != KeyEventKind::Release => meaning(key).map(Event::Key),
        event::Event::Paste(text) => Some(Event::Paste(text)),
        event::Event::Resize(..) | event::Event::FocusGained => Some(Event::Redraw),
        event::Event::Key(_) | event::Event::FocusLost | event::Event::Mouse(_) => None,
    }
}

#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "the library's keys: those that mean nothing here are passed over"
)]
fn meaning(key: KeyEvent) -> Option<Key> {
    let is_ctrl = key.modifiers.contains(KeyModifiers::CONTROL);
    let is_alt = key.modifiers.contains(KeyModifiers::ALT);
    Some(match key.code {
        KeyCode::Char('j') if is_ctrl => Key::Newline,
        KeyCode::Enter if is_alt => Key::Newline,
        KeyCode::Char(c) if is_ctrl => Key::Ctrl(c.to_ascii_lowercase()),
        KeyCode::Char(c) if !is_alt => Key::Char(c),
        KeyCode::Backspace => Key::Backspace,
        KeyCode::BackTab => Key::BackTab,
        KeyCode::Delete => Key::Delete,
        KeyCode::Down => Key::Down,
        KeyCode::End => Key::End,
        KeyCode::Enter => Key::Enter,
        KeyCode::Esc => Key::Esc,
        KeyCode::Home => Key::Home,
        KeyCode::Left => Key::Left,
        KeyCode::PageDown => Key::PageDown,
        KeyCode::PageUp => Key::PageUp,
        KeyCode::Right => Key::Right,
        KeyCode::Tab => Key::Tab,
        KeyCode::Up => Key::Up,
        _ => return None,
    })
}
