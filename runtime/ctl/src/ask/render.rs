//! What one sees of a question being answered: log entries and streamed events in, pieces of text out. Pure.
//!
//! The answer's text streams; what happens on the way becomes notes. The final message supersedes what streamed:
//! when the two differ, because something was missed, the message is shown whole.

use std::collections::{HashMap, HashSet};

use nexus_operator::words;
use nexus_wire::chat::Message;
use nexus_wire::hands::{DispatchState, Outcome};
use nexus_wire::inbox::{Decision, InboxClose};
use nexus_wire::log::{LogBody, LogEntry};
use nexus_wire::observe::{ObserveEvent, Observed, ObservedWhat, TurnEvent};
use nexus_wire::thread::Receipt;
use nexus_wire::{AspectName, DispatchId, HandRef, ItemId, MessageId, Ms, ThreadId, TurnId};

use crate::table::span;
use crate::ui::{Tone, dispatch_mark, printable, shortened};

/// What was asked, and of whom.
#[derive(Clone, Debug)]
pub struct Question {
    pub aspect: AspectName,
    pub message: MessageId,
    pub thread: ThreadId,
    /// The item of the aspect's inbox that carries it.
    pub item: ItemId,
}

/// Where the answer's text goes while it streams.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Mode {
    /// To the result, as it comes.
    Stream,
    /// To the result once it is final; what is said on the way becomes notes.
    Whole,
    /// Nowhere: the caller shows [`Renderer::answer`] its own way.
    Silent,
}

#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Piece {
    /// Goes to the result as it is.
    Result(String),
    /// A line of its own beside it.
    Note(Tone, String),
}

/// How the question ended.
#[derive(Clone, Debug, PartialEq)]
pub struct Closed {
    pub decision: Decision,
    pub reason: Option<String>,
}

#[derive(Debug)]
pub struct Renderer {
    question: Question,
    mode: Mode,
    asked_at: Option<Ms>,
    turns: HashMap<TurnId, Turn>,
    hands: HashMap<DispatchId, Work>,
    /// The text since the last tool call, as far as it came: if nothing was missed, the answer's beginning.
    segment: String,
    /// What streamed to the result stands in a line that is not at its end.
    line_open: bool,
    /// White space after it, shown when something follows.
    held: String,
    tool_calls: HashSet<String>,
    /// Something that streamed was not seen.
    missed: bool,
    /// There is no connection.
    away: bool,
    /// The aspect's latest message that is no reply to the question.
    other: Option<Message>,
    answer: Option<Message>,
    closed: Option<Closed>,
}

#[derive(Debug, Default)]
struct Turn {
    /// The number the next event should have; absent where it is not known.
    next: Option<u64>,
    /// It answers something else.
    foreign: bool,
}

#[derive(Debug)]
struct Work {
    hand: HandRef,
    begun_at: Option<Ms>,
}

impl Renderer {
    pub fn new(question: Question, mode: Mode) -> Self {
        Self {
            question,
            mode,
            asked_at: None,
            turns: HashMap::new(),
            hands: HashMap::new(),
            segment: String::new(),
            line_open: false,
            held: String::new(),
            tool_calls: HashSet::new(),
            missed: false,
            away: false,
            other: None,
            answer: None,
            closed: None,
        }
    }

    /// The final message, once it is there.
    pub fn answer(&self) -> Option<&Message> {
        self.answer.as_ref()
    }

    /// What the aspect decided about the question.
    pub fn closed(&self) -> Option<&Closed> {
        self.closed.as_ref()
    }

    pub fn question(&self) -> &Question {
        &self.question
    }

    /// Ends what stands half written, when nobody waits for the rest.
    pub fn leave(&mut self) -> Option<Piece> {
        self.end_line()
    }

    /// Tool calls that were seen.
    pub fn tool_calls(&self) -> usize {
        self.tool_calls.len()
    }

    pub fn log(&mut self, entry: &LogEntry) -> Vec<Piece> {
        let ours = entry.thread == Some(self.question.thread);
        match &entry.body {
            LogBody::Message(message) if message.id == self.question.message => {
                self.asked_at = Some(message.at);
                Vec::new()
            }
            LogBody::Message(message) if message.thread == self.question.thread => self.message(message),
            LogBody::ItemClosed(close) if close.item == self.question.item => self.close(close),
            LogBody::DispatchAccepted(info) if info.thread == Some(self.question.thread) => {
                let hand = info.hand.clone();
                let line = format!("⇢ {hand} was sent work by {}", info.invoker);
                self.hands.insert(info.id, Work { hand, begun_at: None });
                self.note(Tone::Dim, line)
            }
            LogBody::DispatchAssigned { dispatch, attempt, aspect } => {
                let Some(work) = self.hands.get_mut(dispatch) else { return Vec::new() };
                work.begun_at = Some(entry.at);
                let again = if *attempt > 1 { format!(", attempt {attempt}") } else { String::new() };
                let line = format!("⇢ {} begun by {aspect}{again}", work.hand);
                self.note(Tone::Dim, line)
            }
            LogBody::DispatchEnded(outcome) if ours || self.hands.contains_key(&outcome.dispatch) => {
                self.dispatch_ended(outcome, entry.at)
            }
            LogBody::Other { kind, subject } if ours && kind == "approval.asked" => {
                let line = format!("{} waits for people: nexctl get approvals {subject}", entry.actor);
                self.note(Tone::Warning, line)
            }
            LogBody::Message(_)
            | LogBody::ItemClosed(_)
            | LogBody::ItemTaken(_)
            | LogBody::Reacted(_)
            | LogBody::DispatchAccepted(_)
            | LogBody::DispatchEnded(_)
            | LogBody::Alert(_)
            | LogBody::Other { .. } => Vec::new(),
        }
    }

    fn message(&mut self, message: &Message) -> Vec<Piece> {
        let from_asked = message.from.aspect() == Some(&self.question.aspect);
        if from_asked && message.reply_to == Some(self.question.message) {
            return self.answered(message);
        }
        if from_asked {
            self.other = Some(message.clone());
        }
        let said = shortened(&message.content, 100);
        self.note(Tone::Dim, format!("{}: {said}", message.from))
    }

    fn answered(&mut self, message: &Message) -> Vec<Piece> {
        if self.answer.is_some() {
            return Vec::new();
        }
        let streamed = std::mem::take(&mut self.segment);
        let mut pieces = Vec::new();
        match self.mode {
            Mode::Stream if !streamed.trim().is_empty() && same_words(&streamed, &message.content) => {
                pieces.extend(self.end_line());
            }
            Mode::Stream => {
                if !streamed.trim().is_empty() {
                    let note = "(what streamed was not all of it; the whole answer:)".into();
                    pieces.extend(self.note(Tone::Dim, note));
                }
                pieces.push(Piece::Result(format!("{}\n", printable(message.content.trim_end()))));
            }
            Mode::Whole => pieces.push(Piece::Result(format!("{}\n", message.content.trim_end()))),
            Mode::Silent => {}
        }
        let took = self.asked_at.map(|asked| span(message.at.saturating_sub(asked)));
        let calls = (self.tool_calls.len(), self.missed);
        let cost = words::cost(self.question.aspect.as_str(), message.meta.as_ref(), calls, took);
        pieces.extend(self.note(Tone::Dim, format!("— {cost}")));
        self.answer = Some(message.clone());
        pieces
    }

    fn close(&mut self, close: &InboxClose) -> Vec<Piece> {
        self.closed = Some(Closed { decision: close.decision, reason: close.reason.clone() });
        // One message may answer several, and is a reply to one of them only.
        match self.other.take().filter(|other| close.message == Some(other.id)) {
            Some(other) => self.answered(&other),
            None => Vec::new(),
        }
    }

    /// What was said in the thread after the question, and how far that has come with who was asked: the log has left
    /// some of it out. Only the answer and the decision are taken, for the rest may have been shown.
    pub fn caught_up(&mut self, said: &[Message], receipt: Option<&Receipt>) -> Vec<Piece> {
        let reply = receipt.and_then(|receipt| receipt.reply);
        let mut pieces = Vec::new();
        for message in said {
            if message.from.aspect() != Some(&self.question.aspect) {
                continue;
            }
            if message.reply_to == Some(self.question.message) {
                pieces.extend(self.answered(message));
            } else if reply.is_none_or(|reply| reply == message.id) {
                self.other = Some(message.clone());
            }
        }
        if let Some((receipt, decision)) = receipt.and_then(|it| Some((it, it.decision?))) {
            let close = InboxClose {
                item: self.question.item,
                decision,
                reason: receipt.reason.clone(),
                message: receipt.reply,
                outcome: None,
                spent: None,
                meta: None,
            };
            pieces.extend(self.close(&close));
        }
        pieces
    }

    fn dispatch_ended(&mut self, outcome: &Outcome, at: Ms) -> Vec<Piece> {
        let begun = self.hands.remove(&outcome.dispatch).and_then(|work| work.begun_at);
        let took = begun.map(|begun| format!(" · {}", span(at.saturating_sub(begun)))).unwrap_or_default();
        let why = outcome.error.as_ref().map(|error| format!(": {}", error.message)).unwrap_or_default();
        let (mark, tone) = match outcome.state {
            DispatchState::Done => ('⇠', Tone::Dim),
            state @ (DispatchState::Failed | DispatchState::TimedOut | DispatchState::Cancelled) => {
                (dispatch_mark(state).0, Tone::Warning)
            }
            // No ends; a broker of a later version may know more of them.
            DispatchState::Pending
            | DispatchState::Running
            | DispatchState::Waiting
            | DispatchState::Retaking
            | DispatchState::Unreachable => ('⇠', Tone::Dim),
        };
        self.note(tone, format!("{mark} {} {}{why}{took}", outcome.hand, outcome.state.as_str()))
    }

    pub fn observed(&mut self, observed: &Observed) -> Vec<Piece> {
        if observed.thread.is_some() && observed.thread != Some(self.question.thread) {
            return Vec::new();
        }
        let by_asked = observed.aspect == self.question.aspect && observed.dispatch.is_none();
        match &observed.what {
            ObservedWhat::Begin(begin) => {
                let foreign = by_asked && begin.message.is_some_and(|it| it != self.question.message);
                self.turns.insert(observed.turn, Turn { next: None, foreign });
                Vec::new()
            }
            ObservedWhat::Event(event) => self.event(observed, by_asked, event),
            ObservedWhat::End(_) => {
                self.turns.remove(&observed.turn);
                Vec::new()
            }
            ObservedWhat::Progress { note } => {
                let who = self.whose(observed);
                self.note(Tone::Dim, format!("  {who}{}", shortened(note, 100)))
            }
        }
    }

    fn event(&mut self, observed: &Observed, by_asked: bool, event: &ObserveEvent) -> Vec<Piece> {
        // Without a thread it belongs to a turn whose beginning we have seen, or to none of ours.
        if observed.thread.is_none() && !self.turns.contains_key(&observed.turn) {
            return Vec::new();
        }
        let turn = self.turns.entry(observed.turn).or_default();
        if turn.foreign || turn.next.is_some_and(|next| event.n < next) {
            return Vec::new();
        }
        let missed = turn.next.is_some_and(|next| event.n > next);
        turn.next = Some(event.n + 1);
        let mut pieces = Vec::new();
        if missed {
            self.missed = true;
            pieces.extend(self.note(Tone::Dim, "… (a part of the stream was missed)".into()));
        }
        let who = if by_asked { String::new() } else { format!("  {}", self.whose(observed)) };
        pieces.extend(match &event.event {
            TurnEvent::Text { text } if by_asked => self.text(text),
            TurnEvent::Text { .. } | TurnEvent::Thinking { .. } => Vec::new(),
            TurnEvent::Restarted { reason } => {
                let line = format!("{who}↻ asked again: {}", shortened(reason, 80));
                if by_asked {
                    self.segment.clear();
                }
                self.note(Tone::Dim, line)
            }
            TurnEvent::ToolCall { call, name, input } => {
                if by_asked {
                    self.tool_calls.insert(call.clone());
                }
                let mut pieces = if by_asked { self.said_on_the_way() } else { Vec::new() };
                pieces.extend(self.note(Tone::Dim, format!("{who}→ {}", words::call(name, input))));
                pieces
            }
            TurnEvent::ToolResult { is_error, preview, .. } => {
                let (mark, tone) = if *is_error { ('✕', Tone::Warning) } else { ('←', Tone::Dim) };
                self.note(tone, format!("{who}{mark} {}", words::result(preview)))
            }
        });
        pieces
    }

    /// `wren: `, or the Hand it works as.
    fn whose(&self, observed: &Observed) -> String {
        match observed.dispatch.and_then(|dispatch| self.hands.get(&dispatch)) {
            Some(work) => format!("{}: ", work.hand),
            None => format!("{}: ", observed.aspect),
        }
    }

    fn text(&mut self, text: &str) -> Vec<Piece> {
        if self.answer.is_some() {
            return Vec::new();
        }
        self.segment.push_str(text);
        if self.mode != Mode::Stream {
            return Vec::new();
        }
        let fresh = if self.line_open { text } else { text.trim_start() };
        let whole = std::mem::take(&mut self.held) + fresh;
        let shown = whole.trim_end();
        self.held = whole[shown.len()..].to_owned();
        if shown.is_empty() {
            return Vec::new();
        }
        self.line_open = true;
        vec![Piece::Result(printable(shown))]
    }

    /// What was said before a tool call is no part of the final message.
    fn said_on_the_way(&mut self) -> Vec<Piece> {
        let said = std::mem::take(&mut self.segment);
        match self.mode {
            Mode::Whole => {
                said.trim().lines().map(|line| Piece::Note(Tone::Plain, line.to_owned())).collect()
            }
            Mode::Stream | Mode::Silent => Vec::new(),
        }
    }

    fn end_line(&mut self) -> Option<Piece> {
        self.held.clear();
        std::mem::take(&mut self.line_open).then(|| Piece::Result("\n".into()))
    }

    /// A line of its own; streamed text that stands before it ends its line first.
    fn note(&mut self, tone: Tone, line: String) -> Vec<Piece> {
        if self.mode == Mode::Silent {
            return Vec::new();
        }
        self.end_line().into_iter().chain([Piece::Note(tone, line)]).collect()
    }

    /// The link was lost; what comes next may not follow what came last.
    pub fn lost(&mut self) -> Vec<Piece> {
        if std::mem::replace(&mut self.away, true) {
            return Vec::new();
        }
        self.missed = true;
        for turn in self.turns.values_mut() {
            turn.next = None;
        }
        self.note(Tone::Warning, "connection lost; reconnecting…".into())
    }

    pub fn reconnected(&mut self) -> Vec<Piece> {
        self.away = false;
        self.note(Tone::Dim, "reconnected".into())
    }
}

/// Whether two texts differ in white space alone.
fn same_words(one: &str, other: &str) -> bool {
    one.split_whitespace().eq(other.split_whitespace())
}

#[cfg(test)]
mod tests;
