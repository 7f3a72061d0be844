//! A question to one aspect: waiting for what it decides about it, whether a log or an inbox tells of it or nothing does.

use std::time::Duration;

use nexus_wire::chat::{ChatGet, ChatSent, Message};
use nexus_wire::derive::message_item;
use nexus_wire::inbox::{Decision, ItemBody};
use nexus_wire::log::LogBody;
use nexus_wire::thread::{ChatReceipts, ReceiptPage, ReceiptState};
use nexus_wire::turn::TurnCancel;
use nexus_wire::{AspectName, ErrorBody, FromBroker, MessageId, Party, ThreadId};
use tokio::sync::broadcast;

use crate::bus::{Bus, Heard};
use crate::heard::{Meaning, Waited, seen, wait};
use crate::server::{Call, TeamServer};

/// What an aspect made of a question.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) reply: Option<Box<Message>>,
    pub(crate) decision: Option<Decision>,
}

impl<B: Bus> TeamServer<B> {
    pub(crate) async fn answered(
        &self,
        aspect: &AspectName,
        sent: &ChatSent,
        ear: broadcast::Receiver<Heard>,
        within: Duration,
        call: &Call,
    ) -> Result<Waited<Answer>, ErrorBody> {
        let look = || self.answer_of(aspect, sent.message);
        let mut pieces = 0;
        let means = |frame: &FromBroker| about(frame, aspect, sent, &mut pieces);
        wait(ear, call, within, look, means).await.map_err(|body| {
            let message = format!(
                "{}; the question is sent, its thread is {}, see read_chat_thread",
                body.message, sent.thread
            );
            ErrorBody { message, ..body }
        })
    }

    async fn answer_of(&self, aspect: &AspectName, message: MessageId) -> Result<Option<Answer>, ErrorBody> {
        let page: ReceiptPage = self.look(ChatReceipts { message, after: None, limit: None }).await?;
        let asked = Party::Aspect(aspect.clone());
        let Some(receipt) = page.receipts.into_iter().find(|it| it.party == asked) else { return Ok(None) };
        if receipt.state != ReceiptState::Answered {
            return Ok(None);
        }
        let reply = match receipt.reply {
            Some(message) => Some(Box::new(self.look(ChatGet { message }).await?)),
            None => None,
        };
        Ok(Some(Answer { reply, decision: receipt.decision }))
    }

    /// Nobody waits for what `aspect` is at in this conversation any more. Of no use to who may not say so.
    pub(crate) async fn stop_turn(&self, aspect: &AspectName, thread: ThreadId, call: &Call) {
        let reason = Some("cancelled by the MCP client".to_owned());
        let cancel = TurnCancel { of: aspect.clone(), thread: Some(thread), turn: None, reason };
        let stopped: Result<serde_json::Value, _> = self.ask(call.derived("stop-turn"), cancel).await;
        if let Err(error) = stopped {
            tracing::debug!(%aspect, %error, "its turn goes on");
        }
    }
}

fn about(frame: &FromBroker, aspect: &AspectName, sent: &ChatSent, pieces: &mut u64) -> Meaning {
    let closes = message_item(sent.message, aspect);
    match frame {
        FromBroker::Log(entry) => match &entry.body {
            LogBody::ItemClosed(close) if close.item == closes => Meaning::Look,
            LogBody::ItemTaken(taken) if taken.message == sent.message => {
                Meaning::Note(format!("{aspect} has read it"))
            }
            LogBody::ItemClosed(_)
            | LogBody::ItemTaken(_)
            | LogBody::Message(_)
            | LogBody::Reacted(_)
            | LogBody::DispatchAccepted(_)
            | LogBody::DispatchAssigned { .. }
            | LogBody::DispatchEnded(_)
            | LogBody::Alert(_)
            | LogBody::Other { .. } => Meaning::Nothing,
        },
        FromBroker::Deliver(deliver) => match &deliver.item.body {
            ItemBody::Message(message) if message.thread == sent.thread => Meaning::Look,
            ItemBody::Message(_)
            | ItemBody::Assignment(_)
            | ItemBody::Result(_)
            | ItemBody::Gather(_)
            | ItemBody::Approval(_)
            | ItemBody::Run(_)
            | ItemBody::Cancel { .. }
            | ItemBody::Resume { .. }
            | ItemBody::Session(_) => Meaning::Nothing,
        },
        FromBroker::Observe(observed)
            if observed.aspect == *aspect && observed.thread == Some(sent.thread) =>
        {
            seen(observed, pieces)
        }
        FromBroker::Observe(_)
        | FromBroker::Activity(_)
        | FromBroker::ChatReacted(_)
        | FromBroker::Error(_)
        | FromBroker::Gap(_)
        | FromBroker::ObserveGap(_)
        | FromBroker::Ok(_)
        | FromBroker::Registered(_)
        | FromBroker::RosterChanged(_)
        | FromBroker::SessionAsk(_)
        | FromBroker::Shutdown(_)
        | FromBroker::SpendingChanged(_) => Meaning::Nothing,
    }
}
