//! What the broker wants of an aspect that is an assistant: its items taken, and a clear no to what it cannot do.

use nexus_client::{Link, new_request_id};
use nexus_wire::hands::{DispatchResult, DispatchStopped, HandFailure};
use nexus_wire::inbox::{Ack, Decision, InboxClose, Item, ItemBody};
use nexus_wire::session::{SessionAnswer, SessionOutcome};
use nexus_wire::{ErrorBody, ErrorCode, FromBroker, ToBroker};

/// Acknowledged at once: nothing of an item is lost with this process. Messages stay unread at the broker until they are
/// read, and what became of a dispatch can be asked for at any time.
pub(crate) async fn take(link: &Link, frame: &FromBroker) {
    match frame {
        FromBroker::Deliver(deliver) => {
            if let Some(answer) = answer(&deliver.item) {
                let link = link.clone();
                tokio::spawn(async move { link.request(new_request_id(), &answer, None).await });
            }
            send(link, Ack { offset: deliver.offset }).await;
        }
        FromBroker::SessionAsk(ask) => {
            send(link, SessionAnswer { question: ask.question, answer: None, error: Some(no_sessions()) })
                .await;
        }
        FromBroker::Activity(_)
        | FromBroker::ChatReacted(_)
        | FromBroker::Error(_)
        | FromBroker::Gap(_)
        | FromBroker::Log(_)
        | FromBroker::Observe(_)
        | FromBroker::ObserveGap(_)
        | FromBroker::Ok(_)
        | FromBroker::Registered(_)
        | FromBroker::RosterChanged(_)
        | FromBroker::Shutdown(_)
        | FromBroker::SpendingChanged(_) => {}
    }
}

/// What has to be said about an item before anybody waits for it in vain.
fn answer(item: &Item) -> Option<ToBroker> {
    match &item.body {
        ItemBody::Assignment(assignment) => {
            let message = "an assistant takes no work; send it a message instead".to_owned();
            let error = Some(HandFailure { code: "unsupported".to_owned(), message });
            let lease = assignment.lease;
            Some(
                DispatchResult { lease, output: None, error, usage: Default::default(), cost_microusd: None }
                    .into(),
            )
        }
        ItemBody::Cancel { lease, .. } => {
            Some(DispatchStopped { lease: *lease, usage: Default::default(), cost_microusd: None }.into())
        }
        ItemBody::Session(_) => {
            let outcome =
                SessionOutcome { session: None, head: None, turns: Vec::new(), error: Some(no_sessions()) };
            Some(
                InboxClose {
                    item: item.id,
                    decision: Decision::Failed,
                    reason: Some("an assistant has no sessions here".to_owned()),
                    message: None,
                    outcome: Some(outcome),
                    spent: None,
                    meta: None,
                }
                .into(),
            )
        }
        ItemBody::Message(_)
        | ItemBody::Result(_)
        | ItemBody::Gather(_)
        | ItemBody::Approval(_)
        | ItemBody::Run(_)
        | ItemBody::Resume { .. } => None,
    }
}

fn no_sessions() -> ErrorBody {
    let message =
        "this aspect is an assistant that speaks MCP: its conversation is kept by the program it runs in";
    ErrorBody::new(ErrorCode::Unsupported, message)
}

async fn send(link: &Link, frame: impl Into<ToBroker>) {
    if let Err(error) = link.send(frame).await {
        tracing::debug!(%error, "not sent; it comes again on the next link");
    }
}
