//! Asks an aspect what a client wants answered, and makes one text of what comes.

use std::sync::Arc;

use axum::http::StatusCode;
use nexus_wire::chat::{ChatGet, ChatSend, Message, ReplyMeta, Usage};
use nexus_wire::inbox::Decision;
use nexus_wire::limits::{CLOSE_GOING_AWAY, CLOSE_REVOKED, TOPIC_BYTES_MAX};
use nexus_wire::{AspectName, ErrorCode, MessageId, Party, RequestId, ThreadId, ToBroker, derive};
use uuid::Uuid;

use super::caller::Terms;
use super::fault::Fault;
use super::functions::Functions;
use super::models;
use super::place::{Place, Places};
use super::talk::{Call, Talk, with_functions};
use crate::edge::Edge;
use crate::identity::Identity;
use crate::listen::ask::{self, Asked, Ended, Event, Leave};

/// What a client wants.
#[derive(Debug)]
pub(super) struct Wanted {
    pub(super) model: String,
    pub(super) talk: Talk,
    pub(super) functions: Functions,
    /// The thread it is for, if that was said.
    pub(super) thread: Option<ThreadId>,
    pub(super) stream: bool,
}

/// On its way to the end.
pub(super) struct Reply {
    asked: Asked,
    aspect: String,
    functions: Functions,
    /// What streamed since the last call of a tool.
    segment: String,
    /// Something was shown.
    is_shown: bool,
    /// What is shown next begins a paragraph.
    breaks: bool,
    /// The segment may become a call, and is not shown.
    holds: bool,
}

/// The end of it.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Done {
    /// The final message alone.
    pub(super) text: String,
    /// Not yet shown of it.
    pub(super) rest: String,
    pub(super) calls: Vec<Call>,
    pub(super) usage: Usage,
    pub(super) meta: Option<ReplyMeta>,
    /// The message that answers; without one, what was decided.
    pub(super) answer: Option<MessageId>,
    pub(super) decision: Option<Decision>,
}

pub(super) enum Step {
    /// To be shown.
    Text(String),
    Done(Box<Done>),
    Failed(Fault),
}

impl Reply {
    pub(super) async fn begin(
        edge: &Arc<Edge>,
        caller: &Identity,
        terms: &Terms,
        places: &Places,
        wanted: Wanted,
    ) -> Result<Self, Fault> {
        let Wanted { model, talk, functions, thread, .. } = wanted;
        let aspect = models::find(edge, caller, &model).await?;
        let is_asked = terms.is_named && is_known(edge, caller, terms.request).await?;
        if let Some(offline) = models::offline(&aspect).filter(|_| !is_asked) {
            return Err(offline);
        }
        let name = aspect.name;
        // Whoever names a request may come back for its answer.
        let leave = if terms.is_named { Leave::GoOn } else { Leave::Cancel };
        // Until it is said, nobody else is given the thread.
        let mut taken = None;
        let (thread, content) = match thread {
            Some(thread) => (Some(thread), talk.next()),
            None if is_asked => return Self::again(edge, caller, terms, &name, &talk, functions).await,
            None => match places.find(edge, caller, &name, &talk, terms.is_retry).await? {
                Place::New => (None, talk.opening()),
                Place::GoesOn(place) => (Some(taken.insert(place).thread), talk.next()),
                Place::Asked(question) => {
                    let asked = ask::follow(edge, caller, question, leave)?;
                    return Ok(Self::of(asked, functions));
                }
            },
        };
        let content =
            if functions.are_none() { content } else { with_functions(&content, &functions.offer()) };
        let topic = if thread.is_none() { talk.title() } else { None };
        let topic = topic.filter(|topic| topic.len() <= TOPIC_BYTES_MAX);
        let bytes = content.len();
        let send = ChatSend { thread, content, topic, ..ChatSend::default() };
        let asked = ask::ask(edge, caller, terms.request, name, send, bytes, leave).await?;
        drop(taken);
        Ok(Self::of(asked, functions))
    }

    /// What a request of that name asked. Where it was said depends on what had been said before, so it is looked up
    /// and not said again.
    async fn again(
        edge: &Arc<Edge>,
        caller: &Identity,
        terms: &Terms,
        to: &AspectName,
        talk: &Talk,
        functions: Functions,
    ) -> Result<Self, Fault> {
        let message = message(edge, caller, derive::message_id(terms.request, &caller.party)).await?;
        if !message.to.contains(&Party::Aspect(to.clone())) || !talk.may_be_said_as(&message.content) {
            let message = "the Idempotency-Key was used before with another request";
            return Err(Fault::of(StatusCode::CONFLICT, ErrorCode::IdReused, "id_reused", message));
        }
        let question =
            ask::Question { to: to.clone(), message: message.id, thread: message.thread, seq: message.seq };
        Ok(Self::of(ask::follow(edge, caller, question, Leave::GoOn)?, functions))
    }

    fn of(asked: Asked, functions: Functions) -> Self {
        let aspect = asked.question.to.to_string();
        let (segment, is_shown, breaks, holds) = (String::new(), false, false, false);
        Self { asked, aspect, functions, segment, is_shown, breaks, holds }
    }

    pub(super) fn model(&self) -> &str {
        &self.aspect
    }

    pub(super) fn thread(&self) -> ThreadId {
        self.asked.question.thread
    }

    /// The message that asks.
    pub(super) fn question(&self) -> MessageId {
        self.asked.question.message
    }

    /// To the end, without what comes on the way.
    pub(super) async fn whole(&mut self) -> Result<Box<Done>, Fault> {
        loop {
            match self.next().await {
                Step::Text(_) => {}
                Step::Done(done) => return Ok(done),
                Step::Failed(fault) => return Err(fault),
            }
        }
    }

    pub(super) async fn next(&mut self) -> Step {
        loop {
            let Some(event) = self.asked.next().await else {
                return Step::Failed(lost(CLOSE_GOING_AWAY, "the broker is stopping"));
            };
            match event {
                Event::Text(text) => {
                    if let Some(shown) = self.text(&text) {
                        return Step::Text(shown);
                    }
                }
                Event::Restarted | Event::ToolCall { .. } => self.paragraph(),
                Event::Ended(ended) => return self.ended(ended),
                Event::Taken
                | Event::Began(_)
                | Event::ToolResult { .. }
                | Event::Waits(_)
                | Event::Missed => {}
            }
        }
    }

    fn text(&mut self, text: &str) -> Option<String> {
        let fresh = if self.segment.trim().is_empty() { text.trim_start() } else { text };
        self.segment.push_str(fresh);
        self.holds = self.holds || self.functions.may_be_call(&self.segment);
        if self.holds || fresh.is_empty() {
            return None;
        }
        Some(self.shown(fresh))
    }

    fn shown(&mut self, text: &str) -> String {
        self.is_shown = true;
        if std::mem::take(&mut self.breaks) { ["\n\n", text].concat() } else { text.to_owned() }
    }

    /// What comes now is another text than what came.
    fn paragraph(&mut self) {
        self.segment.clear();
        self.holds = false;
        self.breaks = self.is_shown;
    }

    fn ended(&mut self, ended: Ended) -> Step {
        match ended {
            Ended::Answered { decision: Some(Decision::Failed), reason, .. }
            | Ended::Closed { decision: Decision::Failed, reason, .. } => {
                let reason = reason.unwrap_or_else(|| "it gave no reason".to_owned());
                let message = format!("{} failed: {reason}", self.aspect);
                let status = StatusCode::BAD_GATEWAY;
                Step::Failed(Fault::of(status, ErrorCode::Unavailable, "aspect_failed", message))
            }
            Ended::Answered { message, decision, .. } => {
                Step::Done(Box::new(self.answered(*message, decision)))
            }
            Ended::Closed { decision, usage, .. } => Step::Done(Box::new(Done {
                text: String::new(),
                rest: String::new(),
                calls: Vec::new(),
                usage: usage.unwrap_or_default(),
                meta: None,
                answer: None,
                decision: Some(decision),
            })),
            Ended::Revoked => {
                let message = format!("{} was taken off the team before it answered", self.aspect);
                let status = StatusCode::BAD_GATEWAY;
                Step::Failed(Fault::of(status, ErrorCode::Unavailable, "aspect_failed", message))
            }
            Ended::Forgotten => {
                let message = "the answer is kept no longer";
                let status = StatusCode::NOT_FOUND;
                Step::Failed(Fault::of(status, ErrorCode::NotFound, "answer_not_kept", message))
            }
            Ended::Lost { code, reason } => Step::Failed(lost(code, &reason)),
        }
    }

    fn answered(&mut self, message: Message, decision: Option<Decision>) -> Done {
        let Message { id, content, meta, .. } = message;
        let calls = self.functions.called(id, &content);
        let rest = if calls.is_empty() { self.rest_of(&content) } else { String::new() };
        let usage = meta.as_ref().map(|meta| meta.usage).unwrap_or_default();
        Done { text: content, rest, calls, usage, meta, answer: Some(id), decision }
    }

    /// What is still to be shown so that all of the final message was.
    fn rest_of(&mut self, answer: &str) -> String {
        let streamed = if self.holds { "" } else { self.segment.trim_end() };
        if streamed.split_whitespace().eq(answer.split_whitespace()) {
            return String::new();
        }
        if !streamed.is_empty()
            && let Some(rest) = answer.trim_start().strip_prefix(streamed)
        {
            return rest.to_owned();
        }
        // What streamed was not all of it, or another text.
        self.breaks = self.is_shown;
        self.shown(answer)
    }
}

fn lost(code: u16, reason: &str) -> Fault {
    if code == CLOSE_REVOKED {
        let message = "the API key was revoked";
        return Fault::of(StatusCode::UNAUTHORIZED, ErrorCode::Unauthorized, "invalid_api_key", message);
    }
    let message = format!(
        "{reason}; the question is kept and may be answered: ask again with the same Idempotency-Key, if it had one"
    );
    let status = StatusCode::SERVICE_UNAVAILABLE;
    Fault::of(status, ErrorCode::ShuttingDown, "shutting_down", message).again_in(2)
}

/// Whether a request of the caller's has said something already.
async fn is_known(edge: &Edge, caller: &Identity, request: RequestId) -> Result<bool, Fault> {
    let id = derive::message_id(request, &caller.party);
    let get = ToBroker::ChatGet(ChatGet { message: id });
    match edge.request(caller, RequestId(Uuid::now_v7()), get, 0).await {
        Ok(_) => Ok(true),
        Err(body) if body.code == ErrorCode::NotFound => Ok(false),
        Err(body) => Err(body.into()),
    }
}

pub(super) async fn message(edge: &Edge, caller: &Identity, message: MessageId) -> Result<Message, Fault> {
    let get = ToBroker::ChatGet(ChatGet { message });
    let answer = edge.request(caller, RequestId(Uuid::now_v7()), get, 0).await?;
    answer.parse().map_err(|error| super::unreadable(&error))
}
