//! What is on the screen and what is done about it. Pure: events come in with their time, effects go out.
//!
//! Call [`App::update`] for each event, carry out the [`Effect`]s it returns, and draw when something changed. It holds
//! the last that is known of everything, also while there is no connection, and nothing in it grows without bound.

mod act;
mod alerts;
mod approvals;
mod command;
mod complete;
mod due;
mod event;
mod keys;
mod line;
mod link;
mod listing;
mod news;
mod prompt;
mod streams;
mod submit;
mod team;
mod threads;
mod turn;
mod work;

use jiff::tz::TimeZone;
use nexus_wire::{AspectName, Ms};

pub use act::short;
pub use alerts::Alerts;
pub use approvals::Approvals;
pub use command::{COMMANDS, Spec};
pub use due::{Due, List};
pub use event::{Act, Asked, Effect, Event, Key, Load, Loaded, News};
pub use line::Line;
pub use link::{Link, Standing};
pub use listing::{Listing, Scroll};
pub use prompt::{Prompt, Purpose};
pub use streams::{Entry, Stream, Streams};
pub use team::{Member, Team};
pub use threads::{Said, Threads};
pub use turn::{Block, Call, DiffLine, Sign, Turn};
pub use work::{Row, Work};

/// How long what was said about an act stays on the screen.
const NOTICE_MS: Ms = 12_000;
/// Commands that were typed and can be had again.
const TYPED_MAX: usize = 50;

#[derive(Clone, Copy, Debug, Default, Eq, Ord, PartialEq, PartialOrd)]
pub enum View {
    #[default]
    Team,
    Threads,
    Work,
    Approvals,
    Alerts,
}

impl View {
    pub const ALL: [Self; 5] = [Self::Team, Self::Threads, Self::Work, Self::Approvals, Self::Alerts];

    pub fn name(self) -> &'static str {
        match self {
            Self::Team => "team",
            Self::Threads => "threads",
            Self::Work => "work",
            Self::Approvals => "approvals",
            Self::Alerts => "alerts",
        }
    }
}

/// Which of a view's two parts the keys move in.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Focus {
    #[default]
    List,
    Detail,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Tone {
    Done,
    Wrong,
}

/// What came of an act, for a while.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Notice {
    pub text: String,
    pub tone: Tone,
    pub until: Ms,
}

#[derive(Debug)]
pub struct App {
    pub link: Link,
    pub zone: TimeZone,
    pub view: View,
    pub focus: Focus,
    /// In each view, the text that shown rows hold.
    pub filters: [String; View::ALL.len()],
    pub team: Team,
    pub streams: Streams,
    pub threads: Threads,
    pub work: Work,
    pub approvals: Approvals,
    pub alerts: Alerts,
    pub prompt: Option<Prompt>,
    /// The page of keys and commands, when it is open.
    pub help: Option<Scroll>,
    pub notice: Option<Notice>,
    /// Thinking is shown whole.
    pub thinking: bool,
    /// Tool calls are shown with what they were given and gave back.
    pub tools: bool,
    /// The time of the last event.
    pub now: Ms,
    due: Due,
    typed: Vec<String>,
    /// An aspect to look at once it is there.
    sought: Option<String>,
    /// An aspect whose thread is to be read once the threads are known.
    sought_thread: Option<AspectName>,
}

impl App {
    /// `broker` is how people call it: its address, and the context it comes from.
    pub fn new(broker: String, zone: TimeZone, now: Ms) -> Self {
        Self {
            link: Link::new(broker),
            zone,
            view: View::default(),
            focus: Focus::default(),
            filters: Default::default(),
            team: Team::default(),
            streams: Streams::default(),
            threads: Threads::default(),
            work: Work::default(),
            approvals: Approvals::default(),
            alerts: Alerts::default(),
            prompt: None,
            help: None,
            notice: None,
            thinking: false,
            tools: false,
            now,
            due: Due::default(),
            typed: Vec::new(),
            sought: None,
            sought_thread: None,
        }
    }

    /// The aspect of that name is chosen once the team is known.
    pub fn looks_for(&mut self, name: Option<String>) {
        self.sought = name;
    }

    /// Whether everything that is asked for has been answered.
    pub fn is_settled(&self) -> bool {
        let looked_at = match self.view {
            View::Threads => self.threads.is_read() || self.threads.chosen().is_none(),
            View::Work => self.work.detail().is_some() || self.work.chosen().is_none(),
            View::Team | View::Approvals | View::Alerts => true,
        };
        self.due.is_settled() && looked_at
    }

    /// What an event changes, and what is to be done about it.
    pub fn update(&mut self, event: Event, now: Ms) -> Vec<Effect> {
        self.now = self.now.max(now);
        let mut effects = match event {
            Event::Key(key) => self.key(key),
            Event::Paste(text) => self.paste(&text),
            Event::News(news) => self.news(*news),
            Event::Loaded(loaded) => self.loaded(*loaded),
            Event::NotLoaded { load, why } => self.not_loaded(load, why),
            Event::Done(said) => self.say(Tone::Done, said),
            Event::Refused(why) => self.say(Tone::Wrong, why),
            Event::Redraw | Event::Tick => Vec::new(),
        };
        self.notice.take_if(|notice| notice.until <= self.now);
        effects.extend(self.due.loads(self.now, self.link.is_up()).map(Effect::Load));
        if let Some(load) = self.wanted() {
            effects.push(Effect::Load(load));
        }
        effects
    }

    /// The aspect that is looked at.
    pub fn aspect(&self) -> Option<&AspectName> {
        self.team.listing.key()
    }

    pub fn filter(&self) -> &str {
        &self.filters[self.view as usize]
    }

    pub(crate) fn say(&mut self, tone: Tone, text: String) -> Vec<Effect> {
        self.notice = Some(Notice { text: line::clipped(text, 512), tone, until: self.now + NOTICE_MS });
        Vec::new()
    }

    /// What is looked at and not known yet.
    fn wanted(&mut self) -> Option<Load> {
        if !self.link.is_up() {
            return None;
        }
        match self.view {
            View::Threads => self.threads.wanted(),
            View::Work => self.work.wanted(),
            View::Team | View::Approvals | View::Alerts => None,
        }
    }

    fn loaded(&mut self, loaded: Loaded) -> Vec<Effect> {
        if let Some(list) = loaded.list() {
            self.due.done(list);
        }
        match loaded {
            Loaded::Team(members) => {
                self.team.replace(members, &self.filters[View::Team as usize]);
                return self.seek();
            }
            Loaded::Threads(threads) => {
                self.threads.replace(threads, &self.filters[View::Threads as usize]);
                return self.seek_thread();
            }
            Loaded::Messages { page, older } => self.threads.page(page, older),
            Loaded::Dispatches(all) => self.work.replace(all, &self.filters[View::Work as usize]),
            Loaded::Dispatch(info) => self.work.detailed(*info),
            Loaded::Approvals(all) => self.approvals.replace(all, &self.filters[View::Approvals as usize]),
            Loaded::Alerts(all) => self.alerts.replace(all, &self.filters[View::Alerts as usize]),
            Loaded::Usage(report) => self.team.spent(&report),
        }
        Vec::new()
    }

    fn seek(&mut self) -> Vec<Effect> {
        let Some(name) = self.sought.take() else { return Vec::new() };
        let is_there = name.parse().is_ok_and(|name| self.team.listing.choose(&name));
        if is_there { Vec::new() } else { self.say(Tone::Wrong, format!("there is no aspect {name:?}")) }
    }

    fn seek_thread(&mut self) -> Vec<Effect> {
        let still_here = self.view == View::Team && self.prompt.is_none();
        let Some(aspect) = self.sought_thread.take().filter(|_| still_here) else { return Vec::new() };
        self.history(&aspect).unwrap_or_else(|why| self.say(Tone::Wrong, why))
    }

    fn not_loaded(&mut self, load: Load, why: String) -> Vec<Effect> {
        match load {
            Load::List(list) => self.due.failed(list, self.now),
            Load::Messages { .. } => self.threads.failed(),
            Load::Dispatch(id) => self.work.failed(id),
        }
        self.say(Tone::Wrong, why)
    }

    /// Rows may have come, gone or stopped fitting the filter.
    pub(crate) fn refilter(&mut self) {
        match self.view {
            View::Team => self.team.refilter(&self.filters[0]),
            View::Threads => self.threads.refilter(&self.filters[1]),
            View::Work => self.work.refilter(&self.filters[2]),
            View::Approvals => self.approvals.refilter(&self.filters[3]),
            View::Alerts => self.alerts.refilter(&self.filters[4]),
        }
    }

    /// An upper bound of the bytes of what others wrote that are held: what must not grow.
    pub fn weight(&self) -> usize {
        self.streams.weight() + self.threads.weight() + self.work.weight() + self.approvals.weight()
    }
}

#[cfg(test)]
mod tests;
