//! Conversations: read, written, reacted to.

use std::time::Duration;

use nexus_wire::chat::{
    ChatFound, ChatGet, ChatPage, ChatRead, ChatSearch, ChatSend, ChatSent, ChatThreads, Message, ThreadPage,
};
use nexus_wire::inbox::Decision;
use nexus_wire::limits::{LOOKS_MAX, PAGE_MAX};
use nexus_wire::roster::Team;
use nexus_wire::thread::{ChatReact, ChatReceipts, Reacted, Receipt, ReceiptPage};
use nexus_wire::{ErrorBody, ErrorCode, MessageId, ThreadId};
use schemars::JsonSchema;
use serde::Serialize;

use super::args;
use crate::aspects::Answer;
use crate::bus::Bus;
use crate::heard::{WAIT_MAX, Waited};
use crate::server::{Call, TeamServer};

const PAGE: u32 = 20;
const WAIT_DEFAULT: Duration = Duration::from_secs(120);

/// A message, and how far it has come.
#[derive(Debug, JsonSchema, Serialize)]
pub(super) struct MessageRead {
    message: Message,
    receipts: Vec<Receipt>,
}

/// What became of a question.
#[derive(Clone, Copy, Debug, JsonSchema, Serialize)]
#[serde(rename_all = "snake_case")]
enum AskState {
    /// `answer` is the reply.
    Answered,
    /// The agent decided not to reply, or could not.
    Unanswered,
    /// It is still at it, or has not got to it.
    Waiting,
}

/// An answer, or why there is none yet.
#[derive(Debug, JsonSchema, Serialize)]
pub(super) struct Answered {
    state: AskState,
    thread: ThreadId,
    /// The question.
    message: MessageId,
    /// What the agent wrote.
    #[serde(skip_serializing_if = "Option::is_none")]
    answer: Option<Message>,
    /// What the agent decided, where it wrote nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    decision: Option<Decision>,
}

impl<B: Bus> TeamServer<B> {
    pub(super) async fn list_team(&self, args: &args::ListTeam) -> Result<Team, ErrorBody> {
        let mut team = self.team().await?;
        if let Some(name) = &args.aspect {
            team.aspects.retain(|aspect| aspect.name == *name);
            if team.aspects.is_empty() {
                return Err(ErrorBody::new(ErrorCode::NotFound, format!("there is no agent {name}")));
            }
        }
        Ok(team)
    }

    pub(super) async fn read_chat(&self, args: &args::ReadChat) -> Result<ThreadPage, ErrorBody> {
        let args::ReadChat { unread, participant, before, limit } = args;
        // What is new for an operator is what they take part in, and not all that goes on.
        let participant = participant.clone().or_else(|| unread.then(|| self.who().party));
        let limit = Some(limit.unwrap_or(PAGE));
        self.look(ChatThreads { before: *before, participant, unread: *unread, limit }).await
    }

    pub(super) async fn read_chat_thread(&self, args: &args::ReadChatThread) -> Result<ChatPage, ErrorBody> {
        let args::ReadChatThread { thread, after, before, limit, keep_unread } = args;
        let before = before.or_else(|| after.is_none().then_some(u64::MAX >> 1));
        let page_of = |limit| {
            let after = after.unwrap_or(0);
            ChatRead { thread: Some(*thread), message: None, after, before, limit: Some(limit) }
        };
        let mut page: ChatPage = self.look(page_of(limit.unwrap_or(PAGE))).await?;
        // Whoever asks for no number in particular is shown all that is new.
        if limit.is_none() && after.is_none() && !self.shows_all_unread(&page) {
            page = self.look(page_of(PAGE_MAX)).await?;
        }
        if !keep_unread {
            self.has_read(&page).await;
        }
        Ok(page)
    }

    pub(super) async fn read_chat_message(
        &self,
        args: &args::ReadChatMessage,
    ) -> Result<MessageRead, ErrorBody> {
        let message: Message = self.look(ChatGet { message: args.message }).await?;
        let receipts: ReceiptPage =
            self.look(ChatReceipts { message: args.message, after: None, limit: None }).await?;
        Ok(MessageRead { message, receipts: receipts.receipts })
    }

    pub(super) async fn search_chat(&self, args: args::SearchChat) -> Result<ChatFound, ErrorBody> {
        let args::SearchChat { query, thread, by, cursor, limit } = args;
        let limit = Some(limit.unwrap_or(PAGE));
        let wanted = ChatSearch { query, thread, by, cursor, limit, ..ChatSearch::default() };
        let mut found: ChatFound = self.look(wanted.clone()).await?;
        // One with nothing in it would be taken for the last.
        for _ in 1..LOOKS_MAX {
            let Some(rest) = found.rest(&wanted) else { break };
            found.append(self.look(rest).await?);
        }
        Ok(found)
    }

    pub(super) async fn send_chat(&self, args: args::SendChat, call: &Call) -> Result<ChatSent, ErrorBody> {
        let args::SendChat { content, to, thread, reply_to, topic, idempotency_key } = args;
        let id = call.id(idempotency_key.as_deref())?;
        let send = ChatSend { thread, reply_to, to, content, topic, ..ChatSend::default() };
        let sent: ChatSent = self.ask(id, send).await?;
        if let Some(answered) = reply_to {
            self.has_replied(answered, sent.message).await;
        }
        Ok(sent)
    }

    pub(super) async fn react_to(&self, args: args::ReactTo, call: &Call) -> Result<Reacted, ErrorBody> {
        let args::ReactTo { message, emoji, remove } = args;
        self.ask(call.id(None)?, ChatReact { message, emoji, remove }).await
    }

    pub(super) async fn ask_aspect(&self, args: args::AskAspect, call: &Call) -> Result<Answered, ErrorBody> {
        let args::AskAspect { aspect, content, thread, wait_s, idempotency_key } = args;
        let within = wait_s.map_or(WAIT_DEFAULT, Duration::from_secs).min(WAIT_MAX);
        let ear = self.ear(thread);
        let send = ChatSend { thread, to: vec![aspect.to_string()], content, ..ChatSend::default() };
        let sent: ChatSent = self.ask(call.id(idempotency_key.as_deref())?, send).await?;
        let (message, thread_of) = (sent.message, sent.thread);
        if !sent.unknown.is_empty() {
            return Err(ErrorBody::new(ErrorCode::NotFound, format!("there is no agent {aspect}")));
        }
        let asked =
            Answered { state: AskState::Waiting, thread: thread_of, message, answer: None, decision: None };
        match self.answered(&aspect, &sent, ear, within, call).await? {
            Waited::Got(Answer { reply: Some(reply), decision }) => {
                self.has_read_to(thread_of, reply.seq, &[reply.id]).await;
                Ok(Answered { state: AskState::Answered, answer: Some(*reply), decision, ..asked })
            }
            Waited::Got(Answer { reply: None, decision }) => {
                Ok(Answered { state: AskState::Unanswered, decision, ..asked })
            }
            Waited::Cancelled => {
                // A conversation of its own has nothing else in it that would end as well.
                if thread.is_none() {
                    self.stop_turn(&aspect, thread_of, call).await;
                }
                Ok(asked)
            }
            Waited::Late => Ok(asked),
        }
    }
}
