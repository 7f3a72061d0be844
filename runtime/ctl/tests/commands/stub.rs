//! A broker that answers each frame as the test says, and a terminal that keeps what was printed.

use std::collections::HashMap;
use std::io::Write;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::extract::State;
use axum::extract::ws::{Message, WebSocket, WebSocketUpgrade};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::any;
use clap::Parser as _;
use nexctl::cli::Cli;
use nexctl::failure::Failure;
use nexctl::settings::Env;
use nexctl::ui::Ui;
use nexus_wire::envelope::{decode, push, reply};
use nexus_wire::frame::{FromBroker, ToBroker};
use nexus_wire::limits::SUBPROTOCOL;
use nexus_wire::{Decoded, ErrorBody, Json};
use tokio::net::TcpListener;

pub(crate) const TOKEN: &str = "nxo_canary_3f9c";

/// What the broker does on a frame.
pub(crate) enum Act {
    Ok(Json),
    Refuse(ErrorBody),
    Push(Box<FromBroker>),
    /// The connection breaks.
    Cut,
}

impl Act {
    pub(crate) fn ok(result: &impl serde::Serialize) -> Self {
        Self::Ok(Json::of(result))
    }

    pub(crate) fn push(frame: impl Into<FromBroker>) -> Self {
        Self::Push(Box::new(frame.into()))
    }
}

/// The frame, and how often one of its kind came before.
type Script = dyn Fn(&ToBroker, usize) -> Vec<Act> + Send + Sync;

#[derive(Clone)]
struct Shared {
    script: Arc<Script>,
    seen: Arc<Mutex<HashMap<&'static str, usize>>>,
}

/// What a command printed and how it ended.
#[derive(Debug)]
pub(crate) struct Done {
    pub(crate) result: Result<(), Failure>,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Done {
    pub(crate) fn code(&self) -> u8 {
        self.result.as_ref().err().map_or(0, Failure::exit_code)
    }

    pub(crate) fn failure(&self) -> String {
        self.result.as_ref().err().map(ToString::to_string).unwrap_or_default()
    }
}

#[derive(Clone, Default)]
struct Screen(Arc<Mutex<Vec<u8>>>);

impl Write for Screen {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().expect("no test panicked in it").extend(bytes);
        Ok(bytes.len())
    }
    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl Screen {
    fn text(&self) -> String {
        String::from_utf8(self.0.lock().expect("no test panicked in it").clone()).expect("UTF-8")
    }
}

/// Starts the broker, runs one command against it and returns what came of it.
pub(crate) async fn nexctl(
    args: &[&str],
    script: impl Fn(&ToBroker, usize) -> Vec<Act> + Send + Sync + 'static,
) -> Done {
    let address = broker(script).await;
    let env = Env { url: Some(format!("http://{address}")), token: Some(TOKEN.into()), ..Env::default() };
    run(args, &env).await
}

pub(crate) async fn run(args: &[&str], env: &Env) -> Done {
    let cli = Cli::try_parse_from([&["nexctl"], args].concat()).expect("it parses");
    let (out, err) = (Screen::default(), Screen::default());
    let result = nexctl::run(cli, env, Ui::of(out.clone(), err.clone())).await;
    let done = Done { result, out: out.text(), err: err.text() };
    assert!(!format!("{done:?}").contains(TOKEN), "the token was shown: {done:?}");
    done
}

async fn broker(script: impl Fn(&ToBroker, usize) -> Vec<Act> + Send + Sync + 'static) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
    let address = listener.local_addr().expect("it is bound");
    let shared = Shared { script: Arc::new(script), seen: Arc::default() };
    let router = Router::new().route("/connect", any(connect)).with_state(shared);
    tokio::spawn(async move { axum::serve(listener, router).await });
    address
}

async fn connect(State(shared): State<Shared>, headers: HeaderMap, upgrade: WebSocketUpgrade) -> Response {
    if headers["authorization"] != format!("Bearer {TOKEN}") {
        return (StatusCode::UNAUTHORIZED, r#"{"detail":"no such token"}"#).into_response();
    }
    upgrade.protocols([SUBPROTOCOL]).on_upgrade(|socket| serve(socket, shared))
}

async fn serve(mut socket: WebSocket, shared: Shared) {
    while let Some(Ok(message)) = socket.recv().await {
        let Message::Text(text) = message else { continue };
        let Decoded { envelope, frame, .. } = decode::<ToBroker>(&text).expect("a frame");
        let kind = nexus_wire::frame::FrameSet::kind(&frame);
        let before = {
            let mut seen = shared.seen.lock().expect("no test panicked in it");
            let count = seen.entry(kind).or_default();
            *count += 1;
            *count - 1
        };
        for act in (shared.script)(&frame, before) {
            let id = envelope.id.expect("every frame of nexctl is a request");
            let text = match act {
                Act::Ok(json) => reply(id, &FromBroker::Ok(json)),
                Act::Refuse(body) => reply(id, &FromBroker::Error(body)),
                Act::Push(frame) => push(&frame),
                Act::Cut => return,
            };
            // The command may have ended.
            let _ = socket.send(Message::text(text)).await;
        }
    }
}
