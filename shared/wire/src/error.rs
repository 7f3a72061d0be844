//! The closed set of error codes and the body of an `error` reply.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

macro_rules! codes {
    ($($(#[$doc:meta])* $variant:ident = $text:literal, retryable: $retryable:literal;)*) => {
        #[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, JsonSchema, Ord, PartialEq, PartialOrd, Serialize)]
        #[serde(rename_all = "snake_case")]
        pub enum ErrorCode {
            $($(#[$doc])* $variant,)*
        }

        impl ErrorCode {
            pub const ALL: &[Self] = &[$(Self::$variant,)*];

            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text,)* }
            }

            /// Whether the same request could succeed later with nothing else changed.
            pub fn is_retryable(self) -> bool {
                match self { $(Self::$variant => $retryable,)* }
            }
        }
    };
}

codes! {
    /// The link already registered, or registered as something else.
    AlreadyRegistered = "already_registered", retryable: false;
    /// Not a frame: not JSON, not an object, a field missing or of the wrong type.
    BadFrame = "bad_frame", retryable: false;
    /// `parent` names no dispatch whose token this link holds.
    BadParent = "bad_parent", retryable: false;
    /// More than what is left, or than may ever be spent; details say how much is.
    BudgetExceeded = "budget_exceeded", retryable: false;
    /// It has another version than was named; details say which.
    Conflict = "conflict", retryable: false;
    /// Another link of the same aspect took over.
    Displaced = "displaced", retryable: false;
    /// The identity may not do this.
    Forbidden = "forbidden", retryable: false;
    /// An admin keeps the aspect off until it is released.
    Held = "held", retryable: false;
    /// The home is an old copy, or a clone, of one that has gone on since.
    HomeDiverged = "home_diverged", retryable: false;
    /// The id was used before with another payload.
    IdReused = "id_reused", retryable: false;
    /// A defect of the broker.
    Internal = "internal", retryable: true;
    /// The frame is well formed and says something that cannot be.
    Invalid = "invalid", retryable: false;
    /// The output does not follow the Hand's schema; details name the places.
    InvalidOutput = "invalid_output", retryable: false;
    /// No Hand of the team has the wanted capability, or none that has it can take the work; details say why.
    NoCandidate = "no_candidate", retryable: false;
    /// No such aspect, thread, message, dispatch or entry, or none this identity may see.
    NotFound = "not_found", retryable: false;
    /// The link must register first.
    NotRegistered = "not_registered", retryable: false;
    /// The invoker's part of the Hand queue is full.
    QueueFull = "queue_full", retryable: true;
    /// The blob would be more than the sender, or all together, may keep.
    QuotaExceeded = "quota_exceeded", retryable: false;
    /// Too many requests from this identity or address.
    RateLimited = "rate_limited", retryable: true;
    /// The broker is stopping.
    ShuttingDown = "shutting_down", retryable: true;
    /// Nothing may be spent: an operator has stopped all spending, or the day's budget is used up; details say until when.
    SpendingStopped = "spending_stopped", retryable: true;
    /// The lease token is not the one of the running attempt.
    StaleToken = "stale_token", retryable: false;
    /// The change could not be made durable; nothing of it happened.
    StorageUnavailable = "storage_unavailable", retryable: true;
    /// The thread is paused until an operator speaks in it.
    ThreadPaused = "thread_paused", retryable: false;
    /// The frame nests deeper than the limit.
    TooDeep = "too_deep", retryable: false;
    /// The frame or the durable part of it is larger than the limit.
    TooLarge = "too_large", retryable: false;
    /// No valid credential.
    Unauthorized = "unauthorized", retryable: false;
    /// The aspect's process is not there to answer, or does not answer.
    Unavailable = "unavailable", retryable: true;
    /// This broker does not know the kind.
    UnknownKind = "unknown_kind", retryable: false;
    /// The aspect's runtime cannot do this.
    Unsupported = "unsupported", retryable: false;
}

impl std::fmt::Display for ErrorCode {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What an `error` reply carries.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
pub struct ErrorBody {
    pub code: ErrorCode,
    /// For people: what was wrong, where, and what to do.
    pub message: String,
    pub retryable: bool,
    #[serde(default, skip_serializing_if = "Value::is_null")]
    pub details: Value,
}

impl ErrorBody {
    pub fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), retryable: code.is_retryable(), details: Value::Null }
    }

    #[must_use]
    pub fn with(mut self, details: Value) -> Self {
        self.details = details;
        self
    }
}

impl std::fmt::Display for ErrorBody {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.code, self.message)
    }
}

impl std::error::Error for ErrorBody {}
