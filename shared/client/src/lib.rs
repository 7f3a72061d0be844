//! The one way to reach a Nexus broker: dial, TLS, authenticate, resume, request and reply.
//!
//! - [`Broker`] is an [`Endpoint`] and a [`Credential`]: it makes HTTP requests and opens links.
//! - An aspect's runtime starts a [`Session`] and owns its events; see [`session`].
//! - Operators' programs use a [`Client`], and [`Client::follow`] for the log.

/// To be added to whatever a log is filtered by: at trace level the WebSocket library writes out its upgrade request, with
/// the token in it.
pub const LOG_WITHOUT_TOKENS: &str = "tungstenite::handshake::client=info";

pub mod backoff;
pub mod blob;
pub mod broker;
pub mod client;
pub mod credential;
pub mod endpoint;
pub mod error;
pub mod home;
mod http;
pub mod keyfile;
pub mod link;
pub mod private_file;
pub mod request;
pub mod secret;
pub mod session;

pub use blob::Blob;
pub use broker::{Broker, Renewal};
pub use client::{Client, Follow, Followed, Notice};
pub use credential::Credential;
pub use endpoint::{Endpoint, EndpointError, install_crypto};
pub use error::{DialError, DialErrorKind};
pub use home::{Home, HomeError};
pub use keyfile::KeyFile;
pub use link::{CloseReason, Link, Pushes, SendError, new_request_id};
pub use request::{Reply, Request, RequestError};
pub use secret::Secret;
pub use session::{CallError, Caller, Event, Loss, Session};
