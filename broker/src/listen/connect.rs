//! The upgrade to a link. Everything that can be refused is refused before it.

use std::sync::Arc;

use axum::Extension;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use hyper::upgrade::{OnUpgrade, Parts, Upgraded};
use hyper_util::rt::TokioIo;
use nexus_wire::limits::SUBPROTOCOL;
use nexus_wire::{ErrorCode, Party};
use tokio::net::TcpStream;
use tokio::sync::OwnedSemaphorePermit;
use tokio_rustls::server::TlsStream;
use tokio_tungstenite::tungstenite::handshake::server::create_response_with_body;
use tracing::Instrument as _;

use super::link;
use super::problem::Problem;
use super::rest::Remote;
use super::rest::caller::authenticate;
use crate::edge::Edge;
use crate::identity::Identity;

pub(super) async fn connect(
    State(edge): State<Arc<Edge>>,
    Extension(remote): Extension<Remote>,
    mut request: Request,
) -> Result<Response, Problem> {
    let from = remote.0.ip();
    let too_much = |_: &_| edge.too_much(Party::System, format!("links opened from {from}"));
    edge.limits.upgrade(from).inspect_err(too_much)?;
    let identity = authenticate(&edge, request.headers(), remote)?;
    let permit = link::room(&edge)?;
    let mut response = create_response_with_body(&request, Body::empty).map_err(|error| {
        let message = format!("this is where links are opened by a WebSocket upgrade: {error}");
        Problem::new(StatusCode::UPGRADE_REQUIRED, ErrorCode::Invalid, message)
    })?;
    if !speaks_ours(request.headers()) {
        let message = format!("ask for the sub-protocol {SUBPROTOCOL} in Sec-WebSocket-Protocol");
        return Err(Problem::new(StatusCode::BAD_REQUEST, ErrorCode::Invalid, message));
    }
    response.headers_mut().insert(header::SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static(SUBPROTOCOL));
    // A task of its own, so that what serves HTTP is given back.
    let span = edge.span.clone();
    tokio::spawn(open(edge, hyper::upgrade::on(&mut request), identity, permit).instrument(span));
    Ok(response.into_response())
}

fn speaks_ours(headers: &HeaderMap) -> bool {
    let offers =
        headers.get_all(header::SEC_WEBSOCKET_PROTOCOL).iter().filter_map(|value| value.to_str().ok());
    offers.flat_map(|value| value.split(',')).any(|offer| offer.trim() == SUBPROTOCOL)
}

async fn open(edge: Arc<Edge>, upgrade: OnUpgrade, identity: Identity, permit: OwnedSemaphorePermit) {
    let upgraded = match upgrade.await {
        Ok(upgraded) => upgraded,
        Err(error) => {
            tracing::debug!(%error, "a client went before its upgrade");
            return;
        }
    };
    // The socket itself instead of a boxed one behind another boxed one; and tasks of their own again, because
    // what was needed to get here is larger than an idle link.
    match upgraded.downcast::<TokioIo<TcpStream>>() {
        Ok(Parts { io, read_buf, .. }) => {
            let span = edge.span.clone();
            tokio::spawn(link::run(io.into_inner(), read_buf, edge, identity, permit).instrument(span));
        }
        Err(upgraded) => open_tls(edge, upgraded, identity, permit),
    }
}

fn open_tls(edge: Arc<Edge>, upgraded: Upgraded, identity: Identity, permit: OwnedSemaphorePermit) {
    match upgraded.downcast::<TokioIo<TlsStream<TcpStream>>>() {
        Ok(Parts { io, read_buf, .. }) => {
            let span = edge.span.clone();
            tokio::spawn(link::run(io.into_inner(), read_buf, edge, identity, permit).instrument(span));
        }
        Err(_) => tracing::error!("a link came over a transport that this broker does not serve"),
    }
}
