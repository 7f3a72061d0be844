//! The WebSocket upgrade, and why one is refused.

use std::time::Duration;

use nexus_wire::limits::{FRAME_BYTES_MAX, SUBPROTOCOL};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::error::ProtocolError;
use tokio_tungstenite::tungstenite::http::header::{AUTHORIZATION, HOST, SEC_WEBSOCKET_PROTOCOL};
use tokio_tungstenite::tungstenite::http::{HeaderValue, Request};
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{self, Error};

use crate::endpoint::{Endpoint, Socket};
use crate::error::{DialError, DialErrorKind};
use crate::http::refusal;
use crate::secret::Secret;

const UPGRADE_TIMEOUT: Duration = Duration::from_secs(20);
/// The default of 128 KiB is paid by every idle link.
const READ_BUFFER_BYTES: usize = 4096;

pub(super) type LinkSocket = WebSocketStream<Box<dyn Socket>>;

pub(super) async fn upgrade(endpoint: &Endpoint, bearer: &Secret) -> Result<LinkSocket, DialError> {
    let request = request(endpoint, bearer).map_err(|error| endpoint.error(kind_of(error)))?;
    let config = WebSocketConfig::default()
        .read_buffer_size(READ_BUFFER_BYTES)
        .max_message_size(Some(FRAME_BYTES_MAX))
        .max_frame_size(Some(FRAME_BYTES_MAX));
    let socket = endpoint.open().await?;
    let upgraded = tokio_tungstenite::client_async_with_config(request, socket, Some(config));
    match tokio::time::timeout(UPGRADE_TIMEOUT, upgraded).await {
        Ok(Ok((socket, _))) => Ok(socket),
        Ok(Err(error)) => Err(endpoint.error(kind_of(error))),
        Err(_) => Err(endpoint.error(DialErrorKind::Timeout { after: UPGRADE_TIMEOUT })),
    }
}

fn request(endpoint: &Endpoint, bearer: &Secret) -> Result<Request<()>, Error> {
    // The scheme only tells tungstenite what it is; the socket is ours.
    let mut request = format!("ws://{}/connect", endpoint.authority()).into_client_request()?;
    let mut authorization = HeaderValue::from_str(&format!("Bearer {}", bearer.expose()))?;
    authorization.set_sensitive(true);
    let headers = request.headers_mut();
    headers.insert(HOST, HeaderValue::from_str(endpoint.authority())?);
    headers.insert(AUTHORIZATION, authorization);
    headers.insert(SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static(SUBPROTOCOL));
    Ok(request)
}

#[expect(clippy::wildcard_enum_match_arm, reason = "tungstenite adds kinds; what is not told apart is shown")]
fn kind_of(error: Error) -> DialErrorKind {
    match error {
        Error::Http(answer) => {
            let body = answer.body().as_deref().unwrap_or_default();
            refusal(answer.status(), answer.headers(), body)
        }
        Error::Io(error) => DialErrorKind::Io(error),
        // A token with a line break or the like: nothing the broker could have given out.
        Error::HttpFormat(tungstenite::http::Error { .. }) => DialErrorKind::Unauthorized {
            message: "the token has characters that no token has; check where it was copied from".into(),
            clock_off_s: None,
        },
        Error::Protocol(ProtocolError::HttparseError(_)) => DialErrorKind::Foreign {
            detail: "it does not speak HTTP; if it is a Nexus with TLS, use https://".into(),
        },
        other => DialErrorKind::Foreign { detail: format!("it does not upgrade to a link ({other})") },
    }
}
