//! What the broker tells, and the coming and going of the connection.

use nexus_wire::Ms;
use nexus_wire::inbox::Gap;
use nexus_wire::log::{LogBody, LogEntry};

use super::due::List;
use super::event::{Effect, News};
use super::{App, Tone, View};

impl App {
    pub(super) fn news(&mut self, news: News) -> Vec<Effect> {
        let now = self.now;
        match news {
            News::Activity(changed) => self.team.acts(changed),
            News::Log(entry) => self.logged(entry),
            News::LogGap(gap) => return self.log_gap(&gap),
            News::Lost { why, retry_in } => self.link.lost(why, retry_in, now),
            News::Observed(observed) => self.streams.take(observed, now),
            News::ObserveGap(gap) => self.streams.gap(&gap, now),
            News::Over(why) => self.link.over(why, now),
            News::Reconnected => return self.reconnected(),
            News::Roster(info) => self.team.changed(info, &self.filters[View::Team as usize]),
        }
        Vec::new()
    }

    /// Everything may have changed meanwhile, so everything is asked for again. What was streamed and is kept comes by
    /// itself, and so does each entry of the log.
    fn reconnected(&mut self) -> Vec<Effect> {
        let Some(since) = self.link.back() else { return Vec::new() };
        self.streams.outage(since, self.now);
        self.everything_is_due();
        let lasted = nexus_operator::shown::span(self.now - since);
        self.say(
            Tone::Done,
            format!("connected again after {lasted}; what is missing of a stream is marked there"),
        )
    }

    fn log_gap(&mut self, gap: &Gap) -> Vec<Effect> {
        self.everything_is_due();
        let Gap { from, to, reason } = gap;
        self.say(
            Tone::Wrong,
            format!("entries {from} to {to} of the log cannot be had: {reason}; all is asked for anew"),
        )
    }

    fn everything_is_due(&mut self) {
        self.due.mark_all();
        self.threads.forget();
        self.work.forget();
        self.work.stale(None);
    }

    fn logged(&mut self, entry: LogEntry) {
        let mut mark = |lists: &[List]| lists.iter().for_each(|list| self.due.mark(*list));
        match entry.body {
            LogBody::Message(message) => {
                mark(&[List::Threads]);
                if message.meta.is_some() {
                    mark(&[List::Usage]);
                }
                self.threads.said(*message);
            }
            LogBody::DispatchAccepted(_) => mark(&[List::Dispatches]),
            LogBody::DispatchAssigned { dispatch, .. } => {
                mark(&[List::Dispatches]);
                self.work.stale(Some(dispatch));
            }
            LogBody::DispatchEnded(outcome) => {
                mark(&[List::Dispatches, List::Usage]);
                self.work.stale(Some(outcome.dispatch));
            }
            LogBody::Alert(_) => mark(&[List::Alerts]),
            LogBody::ItemClosed(_) | LogBody::ItemTaken(_) => {}
            LogBody::Reacted(reacted) => {
                if self.threads.listing.key() == Some(&reacted.thread) {
                    self.threads.forget();
                }
            }
            LogBody::Other { kind, subject } => {
                let family = kind.split('.').next().unwrap_or_default();
                match family {
                    "approval" => mark(&[List::Approvals]),
                    "aspect" => mark(&[List::Team]),
                    "dispatch" | "gather" => {
                        mark(&[List::Dispatches]);
                        self.work.stale(subject.parse().ok());
                    }
                    "thread" => mark(&[List::Threads]),
                    _ => {}
                }
            }
        }
    }

    /// When what is shown was true, if that is not now.
    pub fn stale_since(&self) -> Option<Ms> {
        self.link.stale_since()
    }
}
