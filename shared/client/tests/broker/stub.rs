//! A broker that hands each link to the test and answers HTTP as the test has set it.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::extract::ws::{CloseFrame, Message, WebSocket, WebSocketUpgrade};
use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{any, get};
use nexus_client::{Broker, Credential, Endpoint};
use nexus_wire::envelope::{decode, push, reply};
use nexus_wire::frame::{FromBroker, ToBroker};
use nexus_wire::limits::SUBPROTOCOL;
use nexus_wire::{Decoded, Json, RequestId};
use tokio::net::TcpListener;
use tokio::sync::mpsc;

type Gate = Arc<dyn Fn(&HeaderMap) -> Option<Response> + Send + Sync>;

#[derive(Clone)]
struct Shared {
    links: mpsc::Sender<WebSocket>,
    gate: Arc<Mutex<Gate>>,
}

pub(crate) struct Stub {
    pub(crate) address: SocketAddr,
    links: mpsc::Receiver<WebSocket>,
    gate: Arc<Mutex<Gate>>,
}

/// The broker's side of one link.
pub(crate) struct Served(WebSocket);

impl Stub {
    pub(crate) async fn start() -> Self {
        Self::start_with(Router::new()).await
    }

    /// With further routes.
    pub(crate) async fn start_with(routes: Router) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
        let address = listener.local_addr().expect("it is bound");
        let (router, links, gate) = router(routes);
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { address, links, gate }
    }

    pub(crate) fn broker(&self) -> Broker {
        let endpoint = Endpoint::new(&format!("http://{}", self.address), None, None).expect("a URL");
        Broker::new(endpoint, Credential::Token("nxo_test".into()))
    }

    /// Decides about every upgrade from now on.
    pub(crate) fn gate(&self, gate: impl Fn(&HeaderMap) -> Option<Response> + Send + Sync + 'static) {
        *self.gate.lock().expect("no test panicked in it") = Arc::new(gate);
    }

    /// The next link that is opened.
    pub(crate) async fn link(&mut self) -> Served {
        Served(self.links.recv().await.expect("the stub runs"))
    }

    pub(crate) fn has_link(&mut self) -> bool {
        self.links.try_recv().is_ok()
    }
}

/// The stub's routes, its links and its gate, for whoever serves them otherwise.
pub(crate) fn router(routes: Router) -> (Router, mpsc::Receiver<WebSocket>, Arc<Mutex<Gate>>) {
    let (links, link_end) = mpsc::channel(8);
    let gate: Arc<Mutex<Gate>> = Arc::new(Mutex::new(Arc::new(|_| None)));
    let shared = Shared { links, gate: Arc::clone(&gate) };
    let router = Router::new()
        .route("/connect", any(connect))
        .route("/api/v1/nexus", get(nexus))
        .with_state(shared)
        .merge(routes);
    (router, link_end, gate)
}

async fn nexus() -> &'static str {
    r#"{"nexus_id":"00000000-0000-0000-0000-000000000007","version":"0.1.0","protocol":"nexus.v1"}"#
}

async fn connect(State(shared): State<Shared>, upgrade: WebSocketUpgrade, request: Request) -> Response {
    let gate = Arc::clone(&shared.gate.lock().expect("no test panicked in it"));
    if let Some(refusal) = gate(request.headers()) {
        return refusal;
    }
    upgrade.protocols([SUBPROTOCOL]).on_upgrade(move |socket| async move {
        // The test may be over.
        let _ = shared.links.send(socket).await;
    })
}

pub(crate) fn problem(status: StatusCode, detail: &str) -> Response {
    (status, serde_json::json!({"title": "refused", "detail": detail}).to_string()).into_response()
}

impl Served {
    pub(crate) fn new(socket: WebSocket) -> Self {
        Self(socket)
    }

    /// The next frame of the client, and its id.
    pub(crate) async fn recv(&mut self) -> (Option<RequestId>, ToBroker) {
        loop {
            let message = self.0.recv().await.expect("the link is open").expect("it is not broken");
            if let Message::Text(text) = message {
                let Decoded { envelope, frame, .. } = decode::<ToBroker>(&text).expect("a frame");
                return (envelope.id, frame);
            }
        }
    }

    /// The code that the client closes with.
    pub(crate) async fn recv_close(&mut self) -> Option<u16> {
        loop {
            match self.0.recv().await {
                Some(Ok(Message::Close(frame))) => return frame.map(|frame| frame.code),
                Some(Ok(_)) => {}
                Some(Err(_)) | None => return None,
            }
        }
    }

    pub(crate) async fn send(&mut self, text: impl Into<String>) {
        self.0.send(Message::text(text.into())).await.expect("the client reads");
    }

    pub(crate) async fn push(&mut self, frame: impl Into<FromBroker>) {
        self.send(push(&frame.into())).await;
    }

    pub(crate) async fn ok(&mut self, id: Option<RequestId>, result: &impl serde::Serialize) {
        self.send(reply(id.expect("a request"), &FromBroker::Ok(Json::of(result)))).await;
    }

    pub(crate) async fn close(mut self, code: u16) {
        let frame = CloseFrame { code, reason: "because".into() };
        self.0.send(Message::Close(Some(frame))).await.expect("the client reads");
        // Dropping it with something unread would reset the connection and take the close frame along.
        while let Some(Ok(_)) = self.0.recv().await {}
    }
}
