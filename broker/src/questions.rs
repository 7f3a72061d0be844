//! Questions to an aspect's own process, from when they are asked until they are answered or it takes too long.
//! In memory only: who asked has to ask again after a restart.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use nexus_wire::session::{SessionAnswer, SessionAsk, SessionQuestion};
use nexus_wire::{AspectName, ErrorBody, ErrorCode, FromBroker, Json, LinkId, QuestionId, envelope};
use tokio::sync::oneshot;
use tokio::time::timeout;
use uuid::Uuid;

use crate::deliver::Peer;
use crate::framing::{Block, put_text};

/// An aspect that takes longer has to be asked again.
const ANSWER_WITHIN: Duration = Duration::from_secs(10);
/// Open at a time.
const QUESTIONS_MAX: usize = 256;

type Answer = Result<Json, ErrorBody>;

#[derive(Debug, Default)]
pub(crate) struct Questions(Mutex<HashMap<QuestionId, (LinkId, oneshot::Sender<Answer>)>>);

impl Questions {
    /// Asks the process behind `peer` and waits for its answer.
    pub(crate) async fn ask(&self, aspect: &AspectName, peer: &Peer, about: SessionQuestion) -> Answer {
        let question = QuestionId(Uuid::now_v7());
        let (tell, answer) = oneshot::channel();
        {
            let mut open = self.open();
            // Whoever stopped waiting left its question here.
            open.retain(|_, (_, tell)| !tell.is_closed());
            if open.len() >= QUESTIONS_MAX {
                let message = "too many questions are open; ask again in a moment";
                return Err(ErrorBody::new(ErrorCode::RateLimited, message));
            }
            open.insert(question, (peer.link, tell));
        }
        let mut frame = Vec::new();
        put_text(&mut frame, [&envelope::push(&FromBroker::SessionAsk(SessionAsk { question, about }))]);
        if !peer.outbox.stream(Block::new(frame, 1)) {
            self.open().remove(&question);
            return Err(unavailable(format!("{aspect} does not keep up with what it is sent")));
        }
        match timeout(ANSWER_WITHIN, answer).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(_)) => Err(unavailable(format!("{aspect} went away before it answered"))),
            Err(_) => {
                self.open().remove(&question);
                Err(unavailable(format!("{aspect} did not answer within {} s", ANSWER_WITHIN.as_secs())))
            }
        }
    }

    /// An answer nobody waits for, or of a link that was not asked, is dropped.
    pub(crate) fn answered(&self, link: LinkId, answer: SessionAnswer) {
        let SessionAnswer { question, answer, error } = answer;
        let mut open = self.open();
        if open.get(&question).is_none_or(|(asked, _)| *asked != link) {
            return;
        }
        let Some((_, tell)) = open.remove(&question) else { return };
        let answer = match (answer, error) {
            (_, Some(error)) => Err(error),
            (Some(json), None) => Ok(json),
            (None, None) => Err(ErrorBody::new(ErrorCode::Internal, "the aspect's answer was empty")),
        };
        // Whoever asked may have gone.
        let _ = tell.send(answer);
    }

    /// The link has ended: what it was asked has no answer.
    pub(crate) fn gone(&self, link: LinkId) {
        self.open().retain(|_, (asked, _)| *asked != link);
    }

    fn open(&self) -> MutexGuard<'_, HashMap<QuestionId, (LinkId, oneshot::Sender<Answer>)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn unavailable(message: String) -> ErrorBody {
    ErrorBody::new(ErrorCode::Unavailable, format!("{message}; `nexctl get aspects` shows how it is doing"))
}

pub(crate) fn offline(aspect: &AspectName) -> ErrorBody {
    let message = format!("{aspect} is offline, and its sessions are on its own machine; start it");
    ErrorBody::new(ErrorCode::Unavailable, message)
}
