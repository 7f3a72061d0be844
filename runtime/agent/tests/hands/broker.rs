//! A broker that says what a test tells it to, beside it a service outside that is called; and the real program run
//! against them.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::time::Duration;

use axum::extract::ws::{Message, WebSocket, WebSocketUpgrade};
use axum::extract::{Path, State};
use axum::response::IntoResponse;
use axum::routing::{any, post};
use axum::{Json as AxumJson, Router};
use nexus_client::KeyFile;
use nexus_client::keyfile::KEYFILE_PATH;
use nexus_wire::envelope::{decode, push, reply};
use nexus_wire::hands::{
    DispatchResult, DispatchStanding, DispatchState, DispatchStopped, Lease, LeasesRenewed,
};
use nexus_wire::inbox::{Deliver, Item, ItemBody};
use nexus_wire::roster::{LinkLimits, Register, Registered, Situation};
use nexus_wire::{EpochId, ErrorBody, FromBroker, ItemId, Json, LinkId, RequestId, ToBroker};
use rustix::process::{Pid, Signal, kill_process};
use serde::Serialize;
use serde_json::{Value, json};
use tokio::runtime::{Handle, Runtime};
use tokio::sync::{Notify, mpsc};
use tokio::time::timeout;
use uuid::Uuid;

/// How long anything may take before a test calls it a hang.
const PATIENCE: Duration = Duration::from_secs(60);
pub(super) const EPOCH: EpochId = EpochId(Uuid::from_u128(77));
/// The call that is answered when the test says so.
pub(super) const LONG: &str = "long";

pub(super) struct Broker {
    pub(super) home: tempfile::TempDir,
    site: String,
    links: mpsc::Receiver<Link>,
    calls: mpsc::Receiver<String>,
    called: Vec<String>,
    release: Arc<Notify>,
    runtime: Runtime,
}

/// One link as the broker has it. Dropping it drops the connection.
pub(super) struct Link {
    frames: mpsc::Receiver<(Option<RequestId>, ToBroker)>,
    out: mpsc::Sender<Message>,
    runtime: Handle,
}

/// A process of the aspect.
pub(super) struct Agent {
    child: Child,
    lines: Receiver<String>,
    printed: Vec<String>,
}

#[derive(Clone)]
struct Ends {
    links: mpsc::Sender<Link>,
    calls: mpsc::Sender<String>,
    release: Arc<Notify>,
}

impl Broker {
    /// With the home of an aspect that has no model and calls the service outside.
    pub(super) fn new() -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
        let runtime = runtime.expect("a runtime");
        let (tell, links) = mpsc::channel(8);
        let (call, calls) = mpsc::channel(64);
        let release = Arc::new(Notify::new());
        let token =
            || async { AxumJson(json!({"access_token": "t", "token_type": "Bearer", "expires_in": 900})) };
        let router = Router::new()
            .route("/api/v1/token", post(token))
            .route("/connect", any(connect))
            .route("/call/{name}", any(answer))
            .with_state(Ends { links: tell, calls: call, release: Arc::clone(&release) });
        let listener = runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0")).expect("a port");
        let site = listener.local_addr().expect("an address").to_string();
        runtime.spawn(async move { axum::serve(listener, router).await });
        let home = tempfile::tempdir().expect("a folder");
        let settings = json!({
            "name": "forge",
            "provider": {"kind": "none"},
            "runner": {"webhook": {"allow_private": [site], "timeout_s": 600}},
        });
        for folder in ["work", ".nexus"] {
            fs::create_dir(home.path().join(folder)).expect("a folder");
        }
        fs::write(home.path().join("aspect.json"), settings.to_string()).expect("written");
        let name = "forge".parse().expect("a name");
        let key = KeyFile::generate(name, Uuid::now_v7(), format!("http://{site}"), None).expect("a key");
        key.save(&home.path().join(KEYFILE_PATH)).expect("saved");
        Self { home, site, links, calls, called: Vec::new(), release, runtime }
    }

    /// The input of a dispatch that makes this call.
    pub(super) fn input(&self, name: &str) -> Value {
        json!({"url": format!("http://{}/call/{name}", self.site)})
    }

    pub(super) fn start(&self) -> Agent {
        let mut child = Command::new(env!("CARGO_BIN_EXE_agent"))
            .arg(self.home.path())
            .args(["--grace", "10m"])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the program starts");
        let stderr = child.stderr.take().expect("piped");
        let (tell, lines) = sync_channel(4096);
        std::thread::spawn(move || {
            for line in BufReader::new(stderr).lines().map_while(Result::ok) {
                // Nobody may be listening any more.
                let _ = tell.try_send(line);
            }
        });
        Agent { child, lines, printed: Vec::new() }
    }

    /// The next link, and what it registers with.
    pub(super) fn link(&mut self) -> (Link, RequestId, Register) {
        let dialled = self.runtime.block_on(async { timeout(PATIENCE, self.links.recv()).await });
        let mut link = dialled.expect("the aspect dials in time").expect("the broker is up");
        let (id, frame) = link.request();
        let ToBroker::Register(register) = frame else { panic!("not a register: {frame:?}") };
        (link, id, register)
    }

    /// Waits for the next call.
    pub(super) fn call(&mut self) -> String {
        let called = self.runtime.block_on(async { timeout(PATIENCE, self.calls.recv()).await });
        let name = called.expect("a call in time").expect("the service is up");
        self.called.push(name.clone());
        name
    }

    /// All calls so far.
    pub(super) fn calls(&mut self) -> Vec<String> {
        while let Ok(name) = self.calls.try_recv() {
            self.called.push(name);
        }
        self.called.clone()
    }

    /// The long call is answered.
    pub(super) fn release(&self) {
        self.release.notify_one();
    }
}

async fn answer(State(ends): State<Ends>, Path(name): Path<String>) -> impl IntoResponse {
    ends.calls.send(name.clone()).await.expect("the test counts calls");
    if name == LONG {
        ends.release.notified().await;
    }
    AxumJson(json!({"name": name}))
}

async fn connect(State(ends): State<Ends>, upgrade: WebSocketUpgrade) -> impl IntoResponse {
    upgrade.protocols(["nexus.v1"]).on_upgrade(move |socket| carry(socket, ends.links))
}

async fn carry(mut socket: WebSocket, tell: mpsc::Sender<Link>) {
    let (out, mut to_send) = mpsc::channel(64);
    let (received, frames) = mpsc::channel(1024);
    tell.send(Link { frames, out, runtime: Handle::current() }).await.expect("the test takes links");
    loop {
        tokio::select! {
            message = to_send.recv() => match message {
                Some(message) => {
                    if socket.send(message).await.is_err() {
                        return;
                    }
                }
                None => return,
            },
            message = socket.recv() => match message {
                Some(Ok(Message::Text(text))) => {
                    let decoded = decode::<ToBroker>(&text).expect("a frame");
                    let _ = received.send((decoded.envelope.id, decoded.frame)).await;
                }
                Some(Ok(_)) => {}
                Some(Err(_)) | None => return,
            },
        }
    }
}

impl Link {
    /// The next frame that changes what others do. Leases are renewed as time passes, which no test is about.
    fn next(&mut self) -> (Option<RequestId>, ToBroker) {
        loop {
            let received = self.runtime.block_on(async { timeout(PATIENCE, self.frames.recv()).await });
            let (id, frame) = received.expect("a frame in time").expect("the link is up");
            if let (Some(id), ToBroker::LeaseRenew(_)) = (id, &frame) {
                self.ok(id, &LeasesRenewed { lost: Vec::new() });
            } else if !matches!(frame, ToBroker::DispatchProgress(_) | ToBroker::SettingsBroken(_)) {
                return (id, frame);
            }
        }
    }

    fn request(&mut self) -> (RequestId, ToBroker) {
        let (id, frame) = self.next();
        (id.unwrap_or_else(|| panic!("no request: {frame:?}")), frame)
    }

    /// The next request hands in a result; it is taken.
    pub(super) fn handed_in(&mut self) -> DispatchResult {
        let (id, frame) = self.request();
        let ToBroker::DispatchResult(result) = frame else { panic!("no result: {frame:?}") };
        let standing = DispatchStanding { dispatch: result.lease.dispatch, state: DispatchState::Done };
        self.ok(id, &standing);
        result
    }

    /// The next request says that work has stopped; it is taken.
    pub(super) fn stopped(&mut self) -> DispatchStopped {
        let (id, frame) = self.request();
        let ToBroker::DispatchStopped(stopped) = frame else { panic!("not stopped: {frame:?}") };
        self.ok(id, &json!({}));
        stopped
    }

    /// The next request is a goodbye; it is answered.
    pub(super) fn left(&mut self) {
        let (id, frame) = self.request();
        assert!(matches!(frame, ToBroker::Deregister(_)), "no goodbye: {frame:?}");
        self.ok(id, &json!({}));
    }

    /// Delivers an item, whose id is its offset.
    pub(super) fn deliver(&mut self, offset: u64, body: ItemBody) {
        let item = item(offset, body);
        self.send(push(&FromBroker::Deliver(Box::new(Deliver { offset, item }))));
    }

    /// The next frame acknowledges everything up to `offset`.
    pub(super) fn acked(&mut self, offset: u64) {
        let (_, frame) = self.next();
        let ToBroker::Ack(ack) = frame else { panic!("no ack: {frame:?}") };
        assert_eq!(ack.offset, offset);
    }

    /// Answers a `register`. Delivery goes on after `offset`.
    pub(super) fn accept(&mut self, id: RequestId, offset: u64, generation: u64, lost: Vec<Lease>) {
        let registered = Registered {
            name: "forge".parse().expect("a name"),
            link: LinkId(Uuid::now_v7()),
            generation,
            epoch: EPOCH,
            offset,
            lost,
            limits: LinkLimits::default(),
            situation: Situation::default(),
        };
        self.send(reply(id, &FromBroker::Registered(Box::new(registered))));
    }

    pub(super) fn refuse(&mut self, id: RequestId, body: ErrorBody) {
        self.send(reply(id, &FromBroker::Error(body)));
    }

    fn ok(&mut self, id: RequestId, result: &impl Serialize) {
        self.send(reply(id, &FromBroker::Ok(Json::of(result))));
    }

    fn send(&mut self, text: String) {
        self.out.blocking_send(Message::text(text)).expect("the link is up");
    }
}

pub(super) fn item(offset: u64, body: ItemBody) -> Item {
    Item { id: ItemId(Uuid::from_u128(offset.into())), at: 0, trace: None, answered: false, body }
}

impl Agent {
    pub(super) fn terminate(&self) {
        kill_process(Pid::from_child(&self.child), Signal::TERM).expect("our own child can be told");
    }

    /// Waits until it says this.
    pub(super) fn says(&mut self, text: &str) {
        loop {
            match self.lines.recv_timeout(PATIENCE) {
                Ok(line) if line.contains(text) => return,
                Ok(line) => self.printed.push(line),
                Err(_) => panic!("it does not say {text:?}: {:?}", self.printed),
            }
        }
    }

    /// Waits for its end; the exit code.
    pub(super) fn ended(mut self) -> Option<i32> {
        // Its standard error ends with it.
        loop {
            match self.lines.recv_timeout(PATIENCE) {
                Ok(line) => self.printed.push(line),
                Err(RecvTimeoutError::Disconnected) => break,
                Err(RecvTimeoutError::Timeout) => panic!("it does not end: {:?}", self.printed),
            }
        }
        self.child.wait().expect("our own child can be waited for").code()
    }

    /// kill -9.
    pub(super) fn kill(mut self) {
        self.child.kill().expect("our own child can be killed");
        self.child.wait().expect("our own child can be waited for");
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
