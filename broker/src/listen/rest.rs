//! The HTTP API: everything an operator or a script needs, and the OpenAPI document that is made from the
//! handlers themselves.
//!
//! A request goes the way of a frame: an extractor says who asks, `admit` says whether they may, and the core
//! or the read pool answers. To add an endpoint:
//!
//! 1. Give the request a frame (`shared/wire/src/frame.rs`), so that links and HTTP have the same abilities,
//!    and derive `JsonSchema` for what goes in and out.
//! 2. Write the handler in the file of its resource, or in a new one. What it takes, it takes as extractors:
//!    - who asks: [`caller::AnyParty`], [`caller::Viewer`], [`caller::Operator`] or [`caller::Admin`]. They
//!      come first, so that strangers learn nothing else and none of their body is read;
//!    - [`input::Path`], [`input::Query`], and last [`input::Body`], typed, refused in our words;
//!    - [`input::Idempotent`] for every durable change: the request id, from `Idempotency-Key` if it is there.
//!
//!
//!    It ends in one line: [`frame`] for what changes, [`read`] for what reads, [`page::list`] for a list
//!    in pages, [`command`] for what administers, or [`Answer::of`] for what is known here. `chat.rs` shows all of it.
//! 3. Route it in the file's `routes()` with [`openapi::doc`] (operation id, group, one line of summary), or
//!    [`openapi::doc_with`] and an example of the body. Responses, parameters, roles and the statuses of errors
//!    follow from the handler's types; [`openapi::failing`] adds what does not.
//! 4. Merge a new file's `routes()` in [`routes`], in order, and run `scripts/schemas`.

mod alerts;
pub(super) mod answer;
mod approvals;
mod aspects;
mod audit;
mod backup;
mod blobs;
mod budgets;
pub(super) mod caller;
mod chat;
mod credentials;
mod dispatches;
pub(super) mod docs;
mod events;
mod flows;
mod gathers;
pub(super) mod guard;
mod health;
pub(super) mod input;
mod invitations;
mod knowledge;
mod metrics;
mod objects;
pub(crate) mod openapi;
mod operators;
mod page;
mod people;
pub(crate) mod proxy;
mod registries;
mod routing;
mod runs;
mod session;
mod sessions;
mod token;
mod trace;
mod triggers;
mod workspace;

use std::net::SocketAddr;
use std::sync::Arc;

use aide::axum::ApiRouter;
use aide::openapi::OpenApi;
use axum::Router;
use axum::extract::{DefaultBodyLimit, State};
use axum::middleware;
use axum::routing::{any, get, post};
use nexus_wire::ToBroker;
use nexus_wire::limits::{FRAME_BYTES_MAX, HOOK_BODY_BYTES_MAX};

use super::{a2a, connect, dashboard, hooks, mcp, openai, unread};
use crate::edge::Edge;
use crate::hub::CommandBody;
use crate::identity::Identity;
use answer::{Answer, Answered};
use input::Idempotent;

/// For requests that are small by nature, those of strangers among them.
const BODY_BYTES_MAX: usize = 64 * 1024;

/// Whom the connection is with.
#[derive(Clone, Copy, Debug)]
pub(super) struct Remote(pub(super) SocketAddr);

type Shared = State<Arc<Edge>>;
type Routes = ApiRouter<Arc<Edge>>;

/// Every documented endpoint.
fn routes() -> Routes {
    // Bodies as large as a frame; how much of one may be kept is for `admit` to say.
    let large = DefaultBodyLimit::max(FRAME_BYTES_MAX);
    ApiRouter::new()
        .merge(alerts::routes())
        .merge(approvals::routes().layer(large))
        .merge(aspects::routes())
        .merge(audit::routes())
        .merge(backup::routes())
        .merge(blobs::routes())
        .merge(budgets::routes())
        .merge(chat::routes().layer(large))
        .merge(credentials::routes())
        .merge(dispatches::routes().layer(large))
        .merge(events::routes())
        .merge(flows::routes().layer(large))
        .merge(gathers::routes())
        .merge(health::nexus())
        .merge(invitations::routes())
        .merge(knowledge::routes().layer(large))
        .merge(metrics::routes())
        .merge(operators::routes())
        .merge(people::routes())
        .merge(registries::routes().layer(large))
        .merge(runs::routes().layer(large))
        .merge(session::routes())
        .merge(sessions::routes().layer(large))
        .merge(token::routes())
        .merge(triggers::routes().layer(large))
        .merge(workspace::routes())
}

pub(super) fn router(edge: Arc<Edge>) -> Router {
    // The document is made again when somebody asks for it.
    let served = routes()
        .finish_api(&mut OpenApi::default())
        .route("/connect", get(connect::connect))
        .route("/api/v1/proxy/{*path}", any(proxy::proxy))
        .route("/hooks/{trigger}", post(hooks::call).layer(DefaultBodyLimit::max(HOOK_BODY_BYTES_MAX)))
        .merge(docs::router())
        .merge(a2a::router())
        .merge(mcp::routes(&edge))
        .merge(openai::router())
        .fallback(dashboard::serve)
        .method_not_allowed_fallback(guard::wrong_method)
        .layer(middleware::from_fn_with_state(Arc::clone(&edge), guard::guard));
    // A load balancer names the host as it likes, and what these say is no secret.
    let health = health::routes().finish_api(&mut OpenApi::default());
    served
        .merge(health)
        .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
        .layer(middleware::from_fn(unread::say_close))
        .with_state(edge)
}

/// Carries out what a frame of `caller` asks for; `bytes` is the size of what came.
async fn frame<T>(
    edge: &Edge,
    caller: &Identity,
    key: Idempotent,
    frame: impl Into<ToBroker>,
    bytes: usize,
) -> Answered<T> {
    Ok(Answer::of_json(edge.request(caller, key.0, frame.into(), bytes).await?))
}

/// Answers a frame that only reads.
async fn read<T>(edge: &Edge, caller: &Identity, frame: impl Into<ToBroker>) -> Answered<T> {
    Ok(Answer::of_json(edge.request(caller, input::fresh().0, frame.into(), 0).await?))
}

/// Applies a command of an administrator.
async fn command<T>(edge: &Edge, command: CommandBody) -> Answered<T> {
    Ok(Answer::of_json(edge.call(command, 0).await?))
}
