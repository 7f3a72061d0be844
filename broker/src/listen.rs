//! Sockets: accepts connections, plain or with TLS, and serves HTTP on them; an upgrade makes one a link. The
//! only part of the broker, beside its read API, that knows axum.

pub(crate) mod a2a;
mod ask;
mod connect;
pub(crate) mod dashboard;
pub(crate) mod door;
pub(crate) mod hooks;
pub(crate) mod hosts;
pub(crate) mod limits;
mod link;
mod mcp;
pub(crate) mod openai;
mod problem;
pub(crate) mod rest;
mod unread;

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsAcceptor;

use door::{Door, Met};
use rest::Remote;
pub(crate) use rest::openapi::text as openapi;

/// From the connection to the end of the TLS handshake, and to the end of a request's headers.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);
const HEADER_TIMEOUT: Duration = Duration::from_secs(10);
const HEADER_BYTES_MAX: usize = 32 * 1024;
/// Connections that are no links yet, or never will be.
const CONNECTIONS_MAX: usize = 4_096;
/// When the system has no file descriptor left, waiting helps and asking again at once does not.
const ACCEPT_RETRY: Duration = Duration::from_millis(100);

const STOP_GRACE: Duration = Duration::from_secs(3);

/// Accepts until `stop` turns true. Connections that do not become links end with the server; links end when
/// they are closed.
pub(crate) async fn serve(
    listener: TcpListener,
    tls: Option<TlsAcceptor>,
    door: Arc<Door>,
    mut stop: watch::Receiver<bool>,
) {
    let room = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    loop {
        let accepted = tokio::select! {
            _ = stop.wait_for(|stop| *stop) => break,
            accepted = listener.accept() => accepted,
        };
        let (socket, remote) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::warn!(%error, "cannot accept a connection");
                sleep(ACCEPT_RETRY).await;
                continue;
            }
        };
        // Beyond the bound connections wait in the system's queue.
        let Ok(permit) = Arc::clone(&room).acquire_owned().await else { break };
        let (door, tls, stop) = (Arc::clone(&door), tls.clone(), stop.clone());
        tokio::spawn(async move {
            connection(socket, remote, tls, door, stop).await;
            drop(permit);
        });
    }
    // Requests under way get their answers, unless they take too long.
    let _ = timeout(STOP_GRACE, room.acquire_many(CONNECTIONS_MAX as u32)).await;
}

async fn connection(
    socket: TcpStream,
    remote: SocketAddr,
    tls: Option<TlsAcceptor>,
    door: Arc<Door>,
    stop: watch::Receiver<bool>,
) {
    // Frames are small and written in batches already; waiting for more would only delay them.
    if socket.set_nodelay(true).is_err() {
        return;
    }
    let Some(acceptor) = tls else { return http(socket, remote, door, Met::Nobody, stop).await };
    match timeout(HANDSHAKE_TIMEOUT, acceptor.accept(socket)).await {
        Ok(Ok(stream)) => {
            let met = door.met(stream.get_ref().1.server_name());
            http(stream, remote, door, met, stop).await;
        }
        Ok(Err(error)) => tracing::debug!(%remote, %error, "TLS handshake failed"),
        Err(_) => tracing::debug!(%remote, "TLS handshake took too long"),
    }
}

async fn http<S>(socket: S, remote: SocketAddr, door: Arc<Door>, met: Met, mut stop: watch::Receiver<bool>)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let service = service_fn(move |request| {
        let (door, met) = (Arc::clone(&door), met.clone());
        async move { Ok::<_, Infallible>(door.answer(request, Remote(remote), met).await) }
    });
    let serving = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER_TIMEOUT)
        .max_buf_size(HEADER_BYTES_MAX)
        .serve_connection(TokioIo::new(socket), service)
        .with_upgrades();
    tokio::pin!(serving);
    tokio::select! {
        served = serving.as_mut() => {
            if let Err(error) = served {
                tracing::debug!(%remote, %error, "HTTP ended");
            }
            return;
        }
        _ = stop.wait_for(|stop| *stop) => serving.as_mut().graceful_shutdown(),
    }
    // The request under way gets its answer.
    let _ = serving.await;
}

#[cfg(test)]
mod tests;
