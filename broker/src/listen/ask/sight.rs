//! What one sees of a question: what a link is sent in, what became of it out. Pure.

use nexus_wire::chat::{Message, Usage};
use nexus_wire::inbox::{Decision, InboxClose};
use nexus_wire::log::{LogBody, LogEntry};
use nexus_wire::observe::{ObserveEnd, ObserveEvent, Observed, ObservedWhat, TurnEvent};
use nexus_wire::{FromBroker, ItemId, TurnId, envelope};
use serde_json::Value;

use super::Question;
use crate::deliver::outbox::Out;

#[derive(Clone, Debug, PartialEq)]
pub(in crate::listen) enum Event {
    /// It has been put before the aspect's model.
    Taken,
    /// A turn about it began, or goes on after the aspect's process was away.
    Began(TurnId),
    /// The aspect's text, as it comes.
    Text(String),
    /// The text since the last tool call is void: its model is asked again.
    Restarted,
    ToolCall {
        call: String,
        name: String,
        input: Value,
    },
    ToolResult {
        call: String,
        name: String,
        is_error: bool,
    },
    /// The aspect waits for people to approve or to answer; the subject of the approval.
    Waits(String),
    /// A part of what streamed was not seen. The final message has all of it.
    Missed,
    /// Nothing comes after it.
    Ended(Ended),
}

/// How a question ended for whoever follows it.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::listen) enum Ended {
    /// The final message; its `meta` has the usage. An aspect that failed says so in a message, too: then the decision
    /// is `failed`, for this reason. Without a decision it did not come in time.
    Answered { message: Box<Message>, decision: Option<Decision>, reason: Option<String> },
    /// The aspect is done with it, and no message answers it. `usage` is what streamed of it, and `None` if that was
    /// not seen.
    Closed { decision: Decision, reason: Option<String>, usage: Option<Usage> },
    /// The aspect was revoked before it answered.
    Revoked,
    /// So old that the log does not say what became of it.
    Forgotten,
    /// The broker ends the stream, with the code of a link's close frame.
    Lost { code: u16, reason: String },
}

#[derive(Debug)]
pub(super) struct Sight {
    question: Question,
    /// Of the aspect's inbox, that carries it.
    item: ItemId,
    turn: Option<TurnId>,
    /// The number the next event of the turn should have.
    next: Option<u64>,
    usage: Option<Usage>,
    /// The latest reply to the question. What no model wrote, such as that the aspect waits for people, is one, too.
    answer: Option<Box<Message>>,
    /// The aspect's latest message that is no reply to the question.
    other: Option<Box<Message>>,
}

impl Sight {
    pub(super) fn new(question: Question, item: ItemId) -> Self {
        Self { question, item, turn: None, next: None, usage: None, answer: None, other: None }
    }

    pub(super) fn question(&self) -> &Question {
        &self.question
    }

    /// The one that is about the question.
    pub(super) fn turn(&self) -> Option<TurnId> {
        self.turn
    }

    /// The answer is there, and what was decided is not.
    pub(super) fn is_answered(&self) -> bool {
        self.answer.as_ref().is_some_and(|message| message.meta.is_some())
    }

    /// The answer without what was decided, if that does not come.
    pub(super) fn answered(&mut self) -> Option<Ended> {
        let message = self.answer.take()?;
        Some(Ended::Answered { message, decision: None, reason: None })
    }

    pub(super) fn take(&mut self, out: &Out, seen: &mut Vec<Event>) {
        match out {
            Out::Log(line) => self.log(line.entry(), seen),
            Out::Stream(block) => {
                for text in block.texts() {
                    // What the relay made, or `chat.reacted`, which is nothing here.
                    if let Ok(FromBroker::Observe(observed)) = envelope::decode(text).map(|it| it.frame) {
                        self.observed(&observed, seen);
                    }
                }
            }
            Out::ObserveGap(gap) if gap.aspect == self.question.to => self.missed(seen),
            // What the log had before the question is nothing to it.
            Out::Gap(gap) if gap.to >= self.question.seq => seen.push(Event::Ended(Ended::Forgotten)),
            Out::Gap(_)
            | Out::ObserveGap(_)
            | Out::Answer { .. }
            | Out::Complaint(_)
            | Out::Deliver { .. }
            | Out::Ping
            | Out::Pong(_)
            | Out::Shutdown(_) => {}
        }
    }

    fn log(&mut self, entry: &LogEntry, seen: &mut Vec<Event>) {
        let by_asked = entry.actor.aspect() == Some(&self.question.to);
        match &entry.body {
            LogBody::Message(message) if by_asked && message.thread == self.question.thread => {
                let is_reply = message.reply_to == Some(self.question.message);
                let place = if is_reply { &mut self.answer } else { &mut self.other };
                *place = Some(message.clone());
            }
            LogBody::ItemTaken(taken) if by_asked && taken.message == self.question.message => {
                seen.push(Event::Taken);
            }
            LogBody::ItemClosed(close) if close.item == self.item => {
                let ended = self.closed(close);
                seen.push(Event::Ended(ended));
            }
            LogBody::Other { kind, subject } if kind == "approval.asked" => {
                if by_asked && entry.thread == Some(self.question.thread) {
                    seen.push(Event::Waits(subject.clone()));
                }
            }
            LogBody::Other { kind, subject } if kind == "aspect.revoked" => {
                if subject == self.question.to.as_str() {
                    seen.push(Event::Ended(Ended::Revoked));
                }
            }
            LogBody::Message(_)
            | LogBody::ItemTaken(_)
            | LogBody::ItemClosed(_)
            | LogBody::Reacted(_)
            | LogBody::DispatchAccepted(_)
            | LogBody::DispatchAssigned { .. }
            | LogBody::DispatchEnded(_)
            | LogBody::Alert(_)
            | LogBody::Other { .. } => {}
        }
    }

    /// One message may answer several, and is a reply to one of them only.
    fn closed(&mut self, close: &InboxClose) -> Ended {
        let (decision, reason) = (close.decision, close.reason.clone());
        let shared = || self.other.take().filter(|other| close.message == Some(other.id));
        match self.answer.take().or_else(shared) {
            Some(message) => Ended::Answered { message, decision: Some(decision), reason },
            None => Ended::Closed { decision, reason, usage: self.usage },
        }
    }

    fn observed(&mut self, observed: &Observed, seen: &mut Vec<Event>) {
        let ours = observed.aspect == self.question.to
            && observed.dispatch.is_none()
            && observed.thread == Some(self.question.thread);
        if !ours {
            return;
        }
        match &observed.what {
            ObservedWhat::Begin(begin) if begin.message == Some(self.question.message) => {
                self.turn = Some(observed.turn);
                self.next = None;
                seen.push(Event::Began(observed.turn));
            }
            ObservedWhat::Event(event) if self.turn == Some(observed.turn) => self.event(event, seen),
            ObservedWhat::End(ObserveEnd { usage, .. }) if self.turn == Some(observed.turn) => {
                self.usage = Some(*usage);
            }
            ObservedWhat::Begin(_)
            | ObservedWhat::Event(_)
            | ObservedWhat::End(_)
            | ObservedWhat::Progress { .. } => {}
        }
    }

    fn event(&mut self, event: &ObserveEvent, seen: &mut Vec<Event>) {
        if self.next.is_some_and(|next| event.n < next) {
            return;
        }
        if self.next.is_some_and(|next| event.n > next) {
            self.missed(seen);
        }
        self.next = Some(event.n + 1);
        match &event.event {
            TurnEvent::Text { text } => match seen.last_mut() {
                Some(Event::Text(before)) => before.push_str(text),
                Some(_) | None => seen.push(Event::Text(text.clone())),
            },
            TurnEvent::Thinking { .. } => {}
            TurnEvent::Restarted { .. } => seen.push(Event::Restarted),
            TurnEvent::ToolCall { call, name, input } => {
                seen.push(Event::ToolCall { call: call.clone(), name: name.clone(), input: input.clone() });
            }
            TurnEvent::ToolResult { call, name, is_error, .. } => {
                seen.push(Event::ToolResult { call: call.clone(), name: name.clone(), is_error: *is_error });
            }
        }
    }

    fn missed(&self, seen: &mut Vec<Event>) {
        if self.turn.is_some() && seen.last() != Some(&Event::Missed) {
            seen.push(Event::Missed);
        }
    }
}

#[cfg(test)]
mod tests;
