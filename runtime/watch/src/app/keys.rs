//! What each key does: in a prompt, on the page of help, and elsewhere.

use nexus_wire::approval::Asked as AskedFor;

use super::event::{Act, Asked, Effect, Key};
use super::listing::Scroll;
use super::prompt::{Prompt, Purpose};
use super::{App, Focus, Tone, View};

/// Rows that a page moves by.
const PAGE: isize = 10;

impl App {
    #[expect(clippy::wildcard_enum_match_arm, reason = "every other key means nothing here")]
    pub(super) fn key(&mut self, key: Key) -> Vec<Effect> {
        match key {
            Key::Ctrl('c') => return vec![Effect::Quit],
            Key::Ctrl('l') => return vec![Effect::Repaint],
            Key::Ctrl('z') => return vec![Effect::Suspend],
            _ => {}
        }
        if self.prompt.is_some() {
            return self.key_in_prompt(key);
        }
        if let Some(scroll) = &mut self.help {
            match key {
                Key::Esc | Key::Enter | Key::Char('q' | '?') => self.help = None,
                _ => scrolled(scroll, key),
            }
            return Vec::new();
        }
        self.key_in_view(key)
    }

    pub(super) fn paste(&mut self, text: &str) -> Vec<Effect> {
        if let Some(prompt) = &mut self.prompt {
            prompt.line.insert(&text.replace("\r\n", "\n").replace('\r', "\n"));
            (prompt.completion, prompt.error) = (None, None);
        }
        Vec::new()
    }

    #[expect(clippy::wildcard_enum_match_arm, reason = "every other key means nothing here")]
    fn key_in_prompt(&mut self, key: Key) -> Vec<Effect> {
        match key {
            Key::Enter => return self.submit(),
            Key::Tab | Key::BackTab => {
                self.complete(key == Key::BackTab);
                return Vec::new();
            }
            Key::Up | Key::Down => {
                self.recall(key == Key::Up);
                return Vec::new();
            }
            Key::Esc => {
                self.prompt = None;
                return Vec::new();
            }
            Key::Backspace if self.prompt.as_ref().is_some_and(|prompt| prompt.line.text().is_empty()) => {
                self.prompt = None;
                return Vec::new();
            }
            _ => {}
        }
        let Some(prompt) = &mut self.prompt else { return Vec::new() };
        let line = &mut prompt.line;
        match key {
            Key::Char(c) => line.insert(c.encode_utf8(&mut [0; 4])),
            Key::Newline => line.insert("\n"),
            Key::Backspace | Key::Ctrl('h') => line.backspace(),
            Key::Delete | Key::Ctrl('d') => line.delete(),
            Key::Ctrl('w') => line.delete_word(),
            Key::Ctrl('u') => line.delete_to_start(),
            Key::Left | Key::Ctrl('b') => line.left(),
            Key::Right | Key::Ctrl('f') => line.right(),
            Key::Home | Key::Ctrl('a') => line.home(),
            Key::End | Key::Ctrl('e') => line.end(),
            _ => return Vec::new(),
        }
        (prompt.completion, prompt.error) = (None, None);
        Vec::new()
    }

    /// An earlier command, or a later one.
    fn recall(&mut self, earlier: bool) {
        let Some(prompt) = self.prompt.as_mut().filter(|prompt| prompt.purpose == Purpose::Command) else {
            return;
        };
        let back = if earlier { prompt.recalled + 1 } else { prompt.recalled.saturating_sub(1) };
        let at = self.typed.len().checked_sub(back);
        match at.and_then(|at| self.typed.get(at)) {
            Some(typed) => *prompt = Prompt { recalled: back, ..Prompt::new(Purpose::Command, typed) },
            None if back == 0 => *prompt = Prompt::new(Purpose::Command, ""),
            None => {}
        }
    }

    #[expect(clippy::wildcard_enum_match_arm, reason = "every other key means nothing here")]
    fn key_in_view(&mut self, key: Key) -> Vec<Effect> {
        match key {
            Key::Char('q') => return vec![Effect::Quit],
            Key::Char('?') => self.help = Some(Scroll::default()),
            Key::Char(':') => self.open(Purpose::Command, ""),
            Key::Char('/') => {
                let filter = self.filter().to_owned();
                self.open(Purpose::Filter, &filter);
            }
            Key::Char('i') => {
                let purpose = self.addressee();
                self.open(purpose, "");
            }
            Key::Char(digit @ '1'..='5') => {
                let at = digit as usize - '1' as usize;
                self.look_at(View::ALL[at]);
            }
            Key::Tab | Key::BackTab => {
                let count = View::ALL.len();
                let by = if key == Key::Tab { 1 } else { count - 1 };
                self.look_at(View::ALL[(self.view as usize + by) % count]);
            }
            Key::Left | Key::Char('h') => self.focus = Focus::List,
            Key::Right | Key::Char('l') => self.focus = Focus::Detail,
            Key::Esc => self.leave(),
            Key::Enter => return self.enter(),
            Key::Char(c) if self.is_of_view(c) => return self.view_key(c),
            _ => return self.moved(key),
        }
        Vec::new()
    }

    /// Esc: back to the list, then without a filter, then without the notice.
    fn leave(&mut self) {
        if self.focus == Focus::Detail {
            self.focus = Focus::List;
        } else if !self.filter().is_empty() {
            self.filters[self.view as usize].clear();
            self.refilter();
        } else {
            self.notice = None;
        }
    }

    fn enter(&mut self) -> Vec<Effect> {
        self.focus = Focus::Detail;
        match (self.view, self.threads.chosen()) {
            (View::Threads, Some(thread)) if thread.unread > 0 && self.link.is_up() => {
                let (act, what) = (Act::Mark(thread.id), "mark the thread as read".to_owned());
                vec![Effect::Act(Asked { act, what })]
            }
            (View::Threads | View::Team | View::Work | View::Approvals | View::Alerts, _) => Vec::new(),
        }
    }

    fn moved(&mut self, key: Key) -> Vec<Effect> {
        let Some(step) = step_of(key) else { return Vec::new() };
        match self.focus {
            Focus::List => {
                let moved = match self.view {
                    View::Team => self.team.listing.step(step),
                    View::Threads => self.threads.listing.step(step),
                    View::Work => self.work.listing.step(step),
                    View::Approvals => self.approvals.listing.step(step),
                    View::Alerts => self.alerts.listing.step(step),
                };
                if moved {
                    self.rest();
                }
            }
            Focus::Detail => match self.view {
                View::Team => {
                    let name = self.aspect().cloned();
                    if let Some(stream) = name.and_then(|name| self.streams.get_mut(&name)) {
                        scrolled_from_end(&mut stream.scroll, key);
                    }
                }
                View::Threads => {
                    scrolled_from_end(&mut self.threads.scroll, key);
                    if step < 0 && self.threads.scroll.is_at_end() {
                        self.threads.older();
                    }
                }
                View::Work => scrolled(&mut self.work.scroll, key),
                View::Approvals => scrolled(&mut self.approvals.scroll, key),
                View::Alerts => scrolled(&mut self.alerts.scroll, key),
            },
        }
        Vec::new()
    }

    /// What belonged to the row that was chosen before is scrolled no longer.
    fn rest(&mut self) {
        self.threads.scroll.rest();
        self.work.scroll.rest();
        self.approvals.scroll.rest();
        self.alerts.scroll.rest();
    }

    fn is_of_view(&self, c: char) -> bool {
        match self.view {
            View::Team => matches!(c, 't' | 'o' | 's' | 'r'),
            View::Threads => matches!(c, 'n'),
            View::Work => matches!(c, 'c' | 'e' | 'r'),
            View::Approvals => matches!(c, 'a' | 'd'),
            View::Alerts => c == 'a',
        }
    }

    fn view_key(&mut self, c: char) -> Vec<Effect> {
        let done = match (self.view, c) {
            (View::Team, 't') => {
                self.thinking = !self.thinking;
                return Vec::new();
            }
            (View::Team, 'o') => {
                self.tools = !self.tools;
                return Vec::new();
            }
            (View::Team, 'r') => return self.run_line("history"),
            (View::Team, _) => {
                return self.open_if(self.aspect().cloned().map(Purpose::Stop), "nobody is on the team yet");
            }
            (View::Threads, _) => {
                self.open(Purpose::Say { to: None, thread: None }, "");
                return Vec::new();
            }
            (View::Work, 'e') => {
                self.work.with_ended = !self.work.with_ended;
                self.refilter();
                return Vec::new();
            }
            (View::Work, 'c') => {
                return self
                    .open_if(self.work.listing.key().copied().map(Purpose::Cancel), "no dispatch is chosen");
            }
            (View::Work, _) => match self.work.listing.key() {
                Some(id) => self.retry(*id),
                None => Err("no dispatch is chosen".to_owned()),
            },
            (View::Approvals, _) => return self.open_if(self.verdict(c == 'a'), "nothing waits for people"),
            (View::Alerts, _) => match self.alerts.listing.key() {
                Some(key) => self.ack(key.clone()),
                None => Err("no alert is open".to_owned()),
            },
        };
        done.unwrap_or_else(|why| self.say(Tone::Wrong, why))
    }

    fn verdict(&self, is_yes: bool) -> Option<Purpose> {
        let info = self.approvals.chosen()?;
        Some(match (&info.asked, is_yes) {
            (_, false) => Purpose::Deny(info.id),
            (AskedFor::Tool { .. }, true) => Purpose::Approve(info.id),
            (AskedFor::Question { choices, .. }, true) => {
                Purpose::Answer { approval: info.id, choices: choices.clone() }
            }
        })
    }

    fn run_line(&mut self, line: &str) -> Vec<Effect> {
        self.open(Purpose::Command, line);
        let effects = self.submit();
        if let Some(why) = self.prompt.take().and_then(|prompt| prompt.error) {
            return self.say(Tone::Wrong, why);
        }
        effects
    }

    fn open_if(&mut self, purpose: Option<Purpose>, why: &str) -> Vec<Effect> {
        match purpose {
            Some(purpose) => {
                self.open(purpose, "");
                Vec::new()
            }
            None => self.say(Tone::Wrong, why.to_owned()),
        }
    }

    fn open(&mut self, purpose: Purpose, text: &str) {
        self.notice = None;
        self.prompt = Some(Prompt::new(purpose, text));
    }

    /// Where a message goes that is composed now.
    pub(super) fn addressee(&self) -> Purpose {
        match (self.view, self.threads.listing.key()) {
            (View::Threads, Some(thread)) => Purpose::Say { to: None, thread: Some(*thread) },
            (View::Threads | View::Team | View::Work | View::Approvals | View::Alerts, _) => {
                Purpose::Say { to: self.aspect().cloned(), thread: None }
            }
        }
    }

    pub(super) fn look_at(&mut self, view: View) {
        if self.view != view {
            (self.view, self.focus) = (view, Focus::List);
        }
        self.refilter();
    }
}

#[expect(clippy::wildcard_enum_match_arm, reason = "every other key means nothing here")]
fn step_of(key: Key) -> Option<isize> {
    Some(match key {
        Key::Up | Key::Char('k') => -1,
        Key::Down | Key::Char('j') => 1,
        Key::PageUp | Key::Ctrl('u' | 'b') => -PAGE,
        Key::PageDown | Key::Ctrl('d' | 'f') => PAGE,
        Key::Home | Key::Char('g') => isize::MIN,
        Key::End | Key::Char('G') => isize::MAX,
        _ => return None,
    })
}

/// Of what rests at its beginning.
fn scrolled(scroll: &mut Scroll, key: Key) {
    match step_of(key) {
        Some(isize::MIN) => scroll.rest(),
        Some(isize::MAX) => scroll.far(),
        Some(step) => scroll.step(step),
        None => {}
    }
}

/// Of what rests at its end, where the latest stands.
fn scrolled_from_end(scroll: &mut Scroll, key: Key) {
    match step_of(key) {
        Some(isize::MIN) => scroll.far(),
        Some(isize::MAX) => scroll.rest(),
        Some(step) => scroll.step(-step),
        None => {}
    }
}
