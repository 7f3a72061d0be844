//! Why a command did not do what was asked, told apart by exit code. Every message says what to do next.

use nexus_client::{CallError, DialError, DialErrorKind, EndpointError, Loss};
use nexus_wire::{ErrorBody, ErrorCode};
use thiserror::Error;

#[derive(Debug, Error)]
pub enum Failure {
    /// The broker or an aspect says no, or something went wrong on the way.
    #[error("{0}")]
    Failed(String),
    #[error("{0}")]
    Usage(String),
    #[error("{0}")]
    Refused(String),
    #[error("{0}")]
    Unreachable(String),
    #[error("{0}")]
    TimedOut(String),
    #[error("{0}")]
    Interrupted(String),
    /// It was only shown what would be sent.
    #[error("nothing was sent")]
    Rehearsed,
    /// Whoever read our output has seen enough.
    #[error("standard output was closed")]
    ReaderGone,
}

impl Failure {
    /// It ended early, and as it should.
    pub fn is_no_failure(&self) -> bool {
        self.exit_code() == 0
    }

    pub fn exit_code(&self) -> u8 {
        match self {
            Self::ReaderGone | Self::Rehearsed => 0,
            Self::Failed(_) => 1,
            Self::Usage(_) => 2,
            Self::Refused(_) => 3,
            Self::Unreachable(_) => 4,
            Self::TimedOut(_) => 5,
            Self::Interrupted(_) => 130,
        }
    }
}

impl From<EndpointError> for Failure {
    fn from(error: EndpointError) -> Self {
        Self::Usage(error.to_string())
    }
}

impl From<&DialError> for Failure {
    fn from(error: &DialError) -> Self {
        if error.is_refusal() {
            let next = "get a token with `nexctl login`, or give one with $NEXUS_TOKEN or `nexctl context add`; \
                        `nexus operator add` on the broker's machine makes one";
            Self::Refused(format!("{error}\n  {next}"))
        } else if error.is_answer() {
            // The broker's own words say it all; that they came by HTTP is of no use to whoever typed the command.
            if let DialErrorKind::Status { message, .. } = &error.kind
                && !message.is_empty()
            {
                return Self::Failed(message.clone());
            }
            Self::Failed(error.to_string())
        } else {
            Self::Unreachable(error.to_string())
        }
    }
}

impl From<DialError> for Failure {
    fn from(error: DialError) -> Self {
        (&error).into()
    }
}

impl From<Loss> for Failure {
    fn from(loss: Loss) -> Self {
        match loss {
            Loss::Dial(error) => (&*error).into(),
            Loss::Link(reason) if reason.is_terminal() => Self::Refused(format!(
                "the broker closed the connection: {reason}; ask an admin for a new token"
            )),
            Loss::Link(reason) => Self::Unreachable(format!("the connection was lost: {reason}; try again")),
        }
    }
}

impl From<ErrorBody> for Failure {
    fn from(body: ErrorBody) -> Self {
        let again = if body.retryable { "; try again" } else { "" };
        match body.code {
            ErrorCode::Forbidden | ErrorCode::Unauthorized => Self::Refused(body.message),
            ErrorCode::AlreadyRegistered
            | ErrorCode::BadFrame
            | ErrorCode::BadParent
            | ErrorCode::BudgetExceeded
            | ErrorCode::Conflict
            | ErrorCode::Displaced
            | ErrorCode::Held
            | ErrorCode::HomeDiverged
            | ErrorCode::IdReused
            | ErrorCode::Internal
            | ErrorCode::Invalid
            | ErrorCode::InvalidOutput
            | ErrorCode::NoCandidate
            | ErrorCode::NotFound
            | ErrorCode::NotRegistered
            | ErrorCode::QueueFull
            | ErrorCode::QuotaExceeded
            | ErrorCode::RateLimited
            | ErrorCode::ShuttingDown
            | ErrorCode::SpendingStopped
            | ErrorCode::StaleToken
            | ErrorCode::StorageUnavailable
            | ErrorCode::ThreadPaused
            | ErrorCode::TooDeep
            | ErrorCode::TooLarge
            | ErrorCode::Unavailable
            | ErrorCode::UnknownKind
            | ErrorCode::Unsupported => Self::Failed(format!("{}{again}", body.message)),
        }
    }
}

impl From<CallError> for Failure {
    fn from(error: CallError) -> Self {
        match error {
            CallError::Refused(body) => body.into(),
            CallError::Over(loss) => loss.into(),
            CallError::BadReply(_) => Self::Failed(error.to_string()),
        }
    }
}
