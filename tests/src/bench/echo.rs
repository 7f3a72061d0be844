//! The yardstick for everything that passes a WebSocket: an axum server that echoes, writes coalesced.

use std::net::SocketAddr;

use axum::Router;
use axum::extract::ws::{Message, WebSocket, WebSocketUpgrade};
use axum::routing::get;
use futures_util::{FutureExt as _, SinkExt as _, StreamExt as _};
use tokio::net::TcpListener;

use super::fault::{Doing as _, Outcome};

/// Serves until the process ends.
pub(crate) fn serve(addr: SocketAddr) -> Outcome<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().doing("start tokio")?;
    runtime.block_on(async {
        let app = Router::new().route("/echo", get(upgrade));
        let listener = TcpListener::bind(addr).await.doing(format!("listen on {addr}"))?;
        let listener = axum::serve::ListenerExt::tap_io(listener, |stream| {
            // Without it a round trip measures Nagle's algorithm; should it fail, the figure shows it.
            let _ = stream.set_nodelay(true);
        });
        axum::serve(listener, app).await.doing("serve echoes")
    })
}

async fn upgrade(upgrade: WebSocketUpgrade) -> axum::response::Response {
    upgrade.protocols([nexus_wire::limits::SUBPROTOCOL]).on_upgrade(echo)
}

/// Everything that has arrived is written before the one flush.
async fn echo(mut socket: WebSocket) {
    while let Some(Ok(message)) = socket.next().await {
        if feed(&mut socket, message).await.is_err() {
            return;
        }
        while let Some(Some(Ok(message))) = socket.next().now_or_never() {
            if feed(&mut socket, message).await.is_err() {
                return;
            }
        }
        if socket.flush().await.is_err() {
            return;
        }
    }
}

async fn feed(socket: &mut WebSocket, message: Message) -> Result<(), axum::Error> {
    match message {
        Message::Text(_) | Message::Binary(_) => socket.feed(message).await,
        Message::Ping(_) | Message::Pong(_) | Message::Close(_) => Ok(()),
    }
}
