//! The Nexus wire contract: typed ids, names, limits, frames and error codes.
//!
//! Shared by the broker and by everything that dials it. It does no I/O, reads no clock and draws no
//! randomness; a conversation reads like this:
//!
//! 1. a client upgrades `GET /connect` and sends [`frame::ToBroker::Register`] (an aspect) or
//!    [`frame::ToBroker::Subscribe`] (an operator);
//! 2. each request carries an id and gets one reply: `ok` (or `registered`) or `error`;
//! 3. what is durable for an aspect comes as [`inbox::Deliver`] and is acknowledged by [`inbox::Ack`].

pub mod access;
pub mod admin;
pub mod alert;
pub mod approval;
pub mod attachment;
pub mod audit;
pub mod backup;
pub mod blob;
pub mod budget;
pub mod chat;
pub mod credential;
pub mod derive;
pub mod envelope;
pub mod error;
pub mod files;
pub mod flow;
pub mod frame;
pub mod gather;
pub mod hands;
pub mod home;
pub mod hook;
pub mod ids;
pub mod inbox;
pub mod json;
pub mod knowledge;
pub mod limits;
pub mod log;
pub mod name;
pub mod observe;
pub mod problem;
pub mod registry;
pub mod roster;
pub mod run;
pub mod schema;
pub mod session;
pub mod snippet;
pub mod thread;
pub mod trace;
pub mod trigger;
pub mod turn;
pub mod workspace;

pub use blob::BlobId;
pub use envelope::{DecodeError, Decoded, Envelope};
pub use error::{ErrorBody, ErrorCode};
pub use frame::{FromBroker, ToBroker};
pub use ids::*;
pub use json::Json;
pub use name::{
    AspectName, CredentialName, FlowName, HandRef, HandTarget, NameError, OperatorName, Party, RegistryName,
    StepName, TokenName, TriggerName, WatchName, WatchRef,
};
pub use trace::TraceContext;

/// Milliseconds since the Unix epoch, UTC.
pub type Ms = i64;
