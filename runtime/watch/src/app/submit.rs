//! What is done with a line once it is whole.

use nexus_wire::approval::Verdict;
use nexus_wire::{AspectName, ThreadId};

use super::act::Doing;
use super::command::{self, Spec};
use super::due::List;
use super::event::Effect;
use super::listing::Scroll;
use super::prompt::{Prompt, Purpose};
use super::{App, Focus, TYPED_MAX, View};

impl App {
    /// Enter: what was typed is done, or the prompt stays and says why not.
    pub(super) fn submit(&mut self) -> Vec<Effect> {
        let Some(prompt) = self.prompt.take() else { return Vec::new() };
        let text = prompt.line.text().to_owned();
        let done = match &prompt.purpose {
            Purpose::Command => self.command(&text),
            Purpose::Filter => self.filtered(&text),
            // `/cancel` typed as a message is a command: nobody wants to say that.
            Purpose::Say { .. } if text.starts_with('/') => self.command(&text),
            Purpose::Say { to, thread } => self.post(to.clone(), *thread, &text),
            Purpose::Approve(approval) => self.decide(*approval, Verdict::Approve, &text),
            Purpose::Deny(approval) => self.decide(*approval, Verdict::Deny, &text),
            Purpose::Answer { approval, .. } => self.decide(*approval, Verdict::Answer, &text),
            Purpose::Cancel(dispatch) => self.cancel(*dispatch, &text),
            Purpose::Stop(aspect) => self.stop(aspect.clone(), &text),
        };
        if prompt.purpose == Purpose::Command && !text.trim().is_empty() {
            self.typed.retain(|typed| *typed != text);
            self.typed.push(text);
            let surplus = self.typed.len().saturating_sub(TYPED_MAX);
            self.typed.drain(..surplus);
        }
        done.unwrap_or_else(|why| {
            self.prompt = Some(Prompt { error: Some(why), completion: None, ..prompt });
            Vec::new()
        })
    }

    fn filtered(&mut self, text: &str) -> Doing {
        text.trim().clone_into(&mut self.filters[self.view as usize]);
        self.refilter();
        Ok(Vec::new())
    }

    fn command(&mut self, text: &str) -> Doing {
        let text = text.trim();
        let text = text.strip_prefix('/').unwrap_or(text);
        if text.is_empty() {
            return Ok(Vec::new());
        }
        let (name, rest) = text.split_once(char::is_whitespace).unwrap_or((text, ""));
        let spec = command::find(name)?;
        self.carry_out(spec, rest.trim())
    }

    fn carry_out(&mut self, spec: &Spec, rest: &str) -> Doing {
        match spec.name {
            "ack" => {
                let key = match rest {
                    "" => self.alerts.listing.key().cloned().ok_or("no alert is open")?,
                    key => {
                        self.alerts.get(key).ok_or_else(|| format!("no alert {key:?} is open"))?.key.clone()
                    }
                };
                self.ack(key)
            }
            "answer" | "approve" | "deny" => {
                let all = self.approvals.all().iter().map(|info| info.id);
                let chosen = self.approvals.listing.key().copied();
                let (approval, text) = named(rest, all, chosen, "nothing waits for people")?;
                let verdict = match spec.name {
                    "answer" => Verdict::Answer,
                    "approve" => Verdict::Approve,
                    _ => Verdict::Deny,
                };
                self.decide(approval, verdict, text)
            }
            "cancel" | "retry" => {
                let all = self.work.all().map(|info| info.id);
                let chosen = self.work.listing.key().copied();
                let (dispatch, text) = named(rest, all, chosen, "no dispatch is shown")?;
                if spec.name == "cancel" { self.cancel(dispatch, text) } else { self.retry(dispatch) }
            }
            "filter" => self.filtered(rest),
            "go-on" => {
                let (aspect, _) = self.named_aspect(rest)?;
                self.go_on(aspect)
            }
            "help" => {
                self.help = Some(Scroll::default());
                Ok(Vec::new())
            }
            "history" => {
                let (aspect, _) = self.named_aspect(rest)?;
                self.history(&aspect)
            }
            "quit" => Ok(vec![Effect::Quit]),
            "read" => {
                let all = self.threads.all().iter().map(|info| info.id);
                let (thread, _) = named(rest, all, None, "which thread? Tab completes its id")?;
                self.read(thread)
            }
            "say" => self.say_text(rest),
            "stop" => {
                let (aspect, reason) = self.named_aspect(rest)?;
                self.stop(aspect, reason)
            }
            "switch" => self.switch(rest),
            "who" => self.switch(View::Team.name()),
            other => Err(format!(":{other} does nothing here")),
        }
    }

    /// The aspect that is named first and what follows, or the one that is looked at and everything.
    fn named_aspect<'a>(&self, rest: &'a str) -> Result<(AspectName, &'a str), String> {
        let (first, after) = rest.split_once(char::is_whitespace).unwrap_or((rest, ""));
        match first.strip_prefix('@').unwrap_or(first).parse::<AspectName>() {
            Ok(name) if self.team.get(&name).is_some() => Ok((name, after.trim())),
            _ if rest.is_empty() => {
                let chosen = self.aspect().cloned().ok_or("nobody is on the team yet")?;
                Ok((chosen, ""))
            }
            _ => Err(self.nobody(first)),
        }
    }

    fn nobody(&self, typed: &str) -> String {
        let names: Vec<&str> = self.team.members().map(|member| member.name.as_str()).take(12).collect();
        format!("there is no aspect {typed:?}; there are: {}", names.join(", "))
    }

    /// To whom or where it goes is as for a message that is composed, unless the text begins with names.
    fn say_text(&self, text: &str) -> Doing {
        if text.starts_with('@') {
            return self.post(None, None, text);
        }
        let Purpose::Say { to, thread } = self.addressee() else { return Ok(Vec::new()) };
        self.post(to, thread, text)
    }

    fn switch(&mut self, to: &str) -> Doing {
        if let Some(view) = View::ALL.into_iter().find(|view| view.name() == to) {
            self.look_at(view);
            return Ok(Vec::new());
        }
        if to.is_empty() {
            return Err("switch to whom or what? Tab completes it".to_owned());
        }
        let (aspect, _) = self.named_aspect(to)?;
        self.look_at(View::Team);
        if !self.team.listing.choose(&aspect) {
            self.filters[View::Team as usize].clear();
            self.refilter();
            self.team.listing.choose(&aspect);
        }
        Ok(Vec::new())
    }

    /// The thread an aspect was last in.
    pub(super) fn history(&mut self, aspect: &AspectName) -> Doing {
        let streamed =
            self.streams.get(aspect).and_then(|stream| stream.turns().rev().find_map(|turn| turn.thread));
        let is_in =
            |party: &nexus_wire::Party| matches!(party, nexus_wire::Party::Aspect(name) if name == aspect);
        let listed = self.threads.all().iter().find(|info| info.participants.iter().any(is_in));
        match streamed.filter(|id| self.threads.get(id).is_some()).or_else(|| listed.map(|info| info.id)) {
            Some(thread) => self.read(thread),
            // A thread that has just begun, or begun while there was no connection, is in the list in a moment.
            None if self.due.awaits(List::Threads) => {
                self.sought_thread = Some(aspect.clone());
                Ok(Vec::new())
            }
            None => Err(format!("{aspect} takes part in none of the latest threads")),
        }
    }

    fn read(&mut self, thread: ThreadId) -> Doing {
        self.look_at(View::Threads);
        if !self.threads.open(thread) {
            self.filters[View::Threads as usize].clear();
            self.refilter();
            self.threads.open(thread);
        }
        self.focus = Focus::Detail;
        self.threads.scroll.rest();
        Ok(Vec::new())
    }
}

/// The one of `all` that the first word is the beginning or the end of, and what follows; or the chosen one and all of
/// the text.
fn named<'a, Id: Copy + std::fmt::Display>(
    rest: &'a str,
    all: impl Iterator<Item = Id>,
    chosen: Option<Id>,
    none: &str,
) -> Result<(Id, &'a str), String> {
    let (first, after) = rest.split_once(char::is_whitespace).unwrap_or((rest, ""));
    let typed = first.trim_start_matches('…').to_ascii_lowercase();
    let is_like_an_id = typed.len() >= 4 && typed.chars().all(|c| c.is_ascii_hexdigit() || c == '-');
    if !is_like_an_id {
        return chosen.map(|id| (id, rest)).ok_or_else(|| none.to_owned());
    }
    let fits = |id: &Id| {
        let id = id.to_string();
        id.starts_with(&typed) || id.ends_with(&typed)
    };
    let found: Vec<Id> = all.filter(fits).collect();
    match found[..] {
        [one] => Ok((one, after.trim())),
        [] => Err(format!("nothing that is shown has an id like {typed:?}")),
        [..] => Err(format!("{} have an id like {typed:?}; type more of it", found.len())),
    }
}
