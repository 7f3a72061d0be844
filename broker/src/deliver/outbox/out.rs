//! What can be written to a link, and about how much room each takes while it waits.

use std::sync::Arc;

use nexus_wire::frame::FrameSet;
use nexus_wire::inbox::Gap;
use nexus_wire::observe::ObserveGap;
use nexus_wire::{ErrorBody, ErrorCode, FromBroker, Json, RequestId};
use tokio::sync::OwnedSemaphorePermit;

use super::Answer;
use crate::deliver::LogLine;
use crate::framing::Block;

/// One thing to write.
#[derive(Debug)]
pub(crate) enum Out {
    Answer {
        request: RequestId,
        reply: Reply,
    },
    /// Tells a peer that sent no readable frame.
    Complaint(ErrorBody),
    Deliver {
        offset: u64,
        item: Arc<str>,
    },
    Gap(Gap),
    Log(Arc<LogLine>),
    ObserveGap(Box<ObserveGap>),
    Ping,
    Pong(Box<[u8]>),
    /// The last words before a close.
    Shutdown(Arc<str>),
    Stream(Block),
}

/// An answer as it waits. A long queue of these is common, and nearly all are `ok`.
#[derive(Debug)]
pub(crate) enum Reply {
    Ok(Json),
    /// Of something that was read.
    Read(Box<Held>),
    Other(Box<Answer>),
}

/// An answer that may be large, and the place it takes among those of its link until it is written.
#[derive(Debug)]
pub(crate) struct Held {
    pub(crate) answer: Answer,
    /// Given back when this is dropped.
    pub(crate) _place: OwnedSemaphorePermit,
}

impl From<Answer> for Reply {
    fn from(answer: Answer) -> Self {
        match answer {
            Ok(FromBroker::Ok(json)) => Self::Ok(json),
            other => Self::Other(Box::new(other)),
        }
    }
}

impl Reply {
    fn kind(&self) -> &'static str {
        match self {
            Self::Ok(_) => "ok",
            Self::Read(held) => held.answer.as_ref().map_or("error", FrameSet::kind),
            Self::Other(answer) => answer.as_ref().as_ref().map_or("error", FrameSet::kind),
        }
    }

    fn refusal(&self) -> Option<ErrorCode> {
        match self {
            Self::Ok(_) => None,
            Self::Read(held) => held.answer.as_ref().err().map(|body| body.code),
            Self::Other(answer) => answer.as_ref().as_ref().err().map(|body| body.code),
        }
    }

    fn bytes(&self) -> usize {
        match self {
            Self::Ok(json) => json.as_str().len(),
            Self::Read(held) => match &held.answer {
                Ok(FromBroker::Ok(json)) => json.as_str().len(),
                Ok(_) | Err(_) => 256,
            },
            Self::Other(_) => 256,
        }
    }
}

impl Out {
    /// Of the frame it becomes; a ping is none.
    pub(crate) fn kind(&self) -> Option<&'static str> {
        match self {
            Self::Answer { reply, .. } => Some(reply.kind()),
            Self::Complaint(_) => Some("error"),
            Self::Deliver { .. } => Some("deliver"),
            Self::Gap(_) => Some("gap"),
            Self::Log(_) => Some("log"),
            Self::ObserveGap(_) => Some("observe.gap"),
            Self::Ping | Self::Pong(_) => None,
            Self::Shutdown(_) => Some("shutdown"),
            Self::Stream(_) => Some("observe"),
        }
    }

    /// Why a request was refused.
    pub(crate) fn refusal(&self) -> Option<ErrorCode> {
        match self {
            Self::Answer { reply, .. } => reply.refusal(),
            Self::Complaint(body) => Some(body.code),
            Self::Deliver { .. }
            | Self::Gap(_)
            | Self::Log(_)
            | Self::ObserveGap(_)
            | Self::Ping
            | Self::Pong(_)
            | Self::Shutdown(_)
            | Self::Stream(_) => None,
        }
    }

    pub(super) fn bytes(&self) -> usize {
        match self {
            Self::Answer { reply, .. } => reply.bytes(),
            Self::Deliver { item, .. } => item.len(),
            Self::Shutdown(text) => text.len(),
            Self::Log(line) => line.weight(),
            Self::Stream(block) => block.frames().len(),
            Self::Complaint(_) | Self::Gap(_) | Self::ObserveGap(_) | Self::Ping | Self::Pong(_) => 256,
        }
    }
}
