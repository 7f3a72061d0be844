//! A broker that says what a test tells it to, over real sockets; and an aspect run against it.

use std::fs;
use std::path::Path;
use std::time::Duration;

use axum::extract::State;
use axum::extract::ws::{CloseFrame, Message, WebSocket, WebSocketUpgrade};
use axum::response::IntoResponse;
use axum::routing::{any, post};
use axum::{Json as AxumJson, Router};
use nexus_client::KeyFile;
use nexus_wire::envelope::{decode, push, reply};
use nexus_wire::hands::LeasesRenewed;
use nexus_wire::inbox::{Deliver, Item, ItemBody};
use nexus_wire::roster::{LinkLimits, Register, Registered, Situation};
use nexus_wire::{EpochId, ErrorBody, FromBroker, Json, LinkId, RequestId, ToBroker};
use serde::Serialize;
use serde_json::json;
use tokio::sync::mpsc;
use uuid::Uuid;

use crate::agent::serve;
use crate::cli::{Exit, RunOptions};
use crate::home::Home;
use crate::journal::Durability;

const PATIENCE: Duration = Duration::from_secs(20);

pub(super) struct Fake {
    pub(super) home: tempfile::TempDir,
    url: String,
    links: mpsc::Receiver<FakeLink>,
    _runtime: tokio::runtime::Runtime,
}

/// One link as the broker has it. Dropping it drops the connection.
pub(super) struct FakeLink {
    frames: mpsc::Receiver<(Option<RequestId>, ToBroker)>,
    out: mpsc::Sender<Message>,
}

/// A process of the aspect.
pub(super) struct Process {
    runtime: Option<tokio::runtime::Runtime>,
    exit: std::sync::mpsc::Receiver<Result<Exit, String>>,
}

impl Fake {
    /// A home whose script is `script`, with one Hand, `check`, and every tool.
    pub(super) fn new(script: &str) -> Self {
        Self::with_mode(script, "thread")
    }

    pub(super) fn with_mode(script: &str, mode: &str) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
        let runtime = runtime.expect("a runtime");
        let (tell, links) = mpsc::channel(8);
        let router = Router::new()
            .route(
                "/api/v1/token",
                post(|| async {
                    AxumJson(json!({"access_token": "t", "token_type": "Bearer", "expires_in": 900}))
                }),
            )
            .route("/connect", any(connect))
            .with_state(tell);
        let listener = runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0")).expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        runtime.spawn(async move { axum::serve(listener, router).await });
        let home = tempfile::tempdir().expect("a folder");
        write_home(home.path(), script, mode, &url);
        Self { home, url, links, _runtime: runtime }
    }

    pub(super) fn start(&self) -> Process {
        let options = RunOptions {
            home: self.home.path().to_owned(),
            adopt: false,
            durability: Durability::Fsync,
            grace: PATIENCE,
            with_parent: false,
        };
        let home = Home::load(&options.home, |_| None).expect("a home in order");
        let keyfile = KeyFile::load(&home.keyfile_path()).expect("a keyfile");
        assert_eq!(keyfile.url, self.url);
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
        let runtime = runtime.expect("a runtime");
        let (tell, exit) = std::sync::mpsc::sync_channel(1);
        runtime.spawn(async move {
            let ended = serve(options, home, keyfile).await.map_err(|error| error.to_string());
            let _ = tell.send(ended);
        });
        Process { runtime: Some(runtime), exit }
    }

    /// The next link, and what it registered with.
    pub(super) fn link(&mut self) -> (FakeLink, RequestId, Register) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(async {
            let mut link = tokio::time::timeout(PATIENCE, self.links.recv()).await;
            let link = link.as_mut().ok().and_then(Option::take).expect("the aspect dials");
            let mut link = link;
            let (id, frame) = link.receive().await.expect("a first frame");
            let ToBroker::Register(register) = frame else { panic!("not a register: {frame:?}") };
            (link, id.expect("an id"), register)
        })
    }

    /// The next link, registered in this epoch at this offset.
    pub(super) fn registered(
        &mut self,
        epoch: EpochId,
        offset: u64,
        generation: u64,
    ) -> (FakeLink, Register) {
        let (mut link, id, register) = self.link();
        link.accept(id, epoch, offset, generation);
        (link, register)
    }

    pub(super) fn settings(&self) -> serde_json::Value {
        let text = fs::read_to_string(self.home.path().join("aspect.json")).expect("settings");
        serde_json::from_str(&text).expect("JSON")
    }

    pub(super) fn write_settings(&self, settings: &serde_json::Value) {
        fs::write(self.home.path().join("aspect.json"), settings.to_string()).expect("written");
    }

    pub(super) fn session_files(&self) -> Vec<String> {
        let mut files = Vec::new();
        for entry in fs::read_dir(self.home.path().join("session/threads")).into_iter().flatten() {
            let path = entry.expect("an entry").path();
            files.push(fs::read_to_string(path).expect("a session"));
        }
        files
    }

    pub(super) fn inbox(&self) -> String {
        fs::read_to_string(self.home.path().join("inbox.jsonl")).expect("an inbox")
    }
}

async fn connect(State(tell): State<mpsc::Sender<FakeLink>>, upgrade: WebSocketUpgrade) -> impl IntoResponse {
    upgrade.protocols(["nexus.v1"]).on_upgrade(move |socket| carry(socket, tell))
}

async fn carry(mut socket: WebSocket, tell: mpsc::Sender<FakeLink>) {
    let (out, mut to_send) = mpsc::channel(64);
    let (received, frames) = mpsc::channel(1024);
    tell.send(FakeLink { frames, out }).await.expect("the test takes links");
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

impl FakeLink {
    async fn receive(&mut self) -> Option<(Option<RequestId>, ToBroker)> {
        tokio::time::timeout(PATIENCE, self.frames.recv()).await.expect("a frame in time")
    }

    /// The next frame that changes what others do. Leases are renewed as time passes, which no test is about.
    pub(super) fn next(&mut self) -> (Option<RequestId>, ToBroker) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(async {
            loop {
                let (id, frame) = self.receive().await.expect("the link is up");
                if let (Some(id), ToBroker::LeaseRenew(_)) = (id, &frame) {
                    let renewed = FromBroker::Ok(Json::of(&LeasesRenewed { lost: Vec::new() }));
                    self.out.send(Message::text(reply(id, &renewed))).await.expect("the link is up");
                    continue;
                }
                let shown = matches!(
                    frame,
                    ToBroker::ObserveBegin(_)
                        | ToBroker::ObserveEvent(_)
                        | ToBroker::ObserveEnd(_)
                        | ToBroker::InboxTaken(_)
                        | ToBroker::SettingsBroken(_)
                );
                if !shown {
                    return (id, frame);
                }
            }
        })
    }

    pub(super) fn request(&mut self) -> (RequestId, ToBroker) {
        let (id, frame) = self.next();
        (id.unwrap_or_else(|| panic!("no request: {frame:?}")), frame)
    }

    /// The next frame is an acknowledgement up to `offset`.
    pub(super) fn acked(&mut self, offset: u64) {
        let (_, frame) = self.next();
        let ToBroker::Ack(ack) = frame else { panic!("no ack: {frame:?}") };
        assert_eq!(ack.offset, offset);
    }

    fn send(&mut self, message: Message) {
        self.out.blocking_send(message).expect("the link is up");
    }

    pub(super) fn push(&mut self, frame: impl Into<FromBroker>) {
        self.send(Message::text(push(&frame.into())));
    }

    pub(super) fn ok(&mut self, id: RequestId, result: &impl Serialize) {
        self.send(Message::text(reply(id, &FromBroker::Ok(Json::of(result)))));
    }

    pub(super) fn refuse(&mut self, id: RequestId, body: ErrorBody) {
        self.send(Message::text(reply(id, &FromBroker::Error(body))));
    }

    pub(super) fn close(&mut self, code: u16) {
        self.send(Message::Close(Some(CloseFrame { code, reason: "".into() })));
    }

    pub(super) fn accept(&mut self, id: RequestId, epoch: EpochId, offset: u64, generation: u64) {
        let registered = Registered {
            name: "forge".parse().expect("a name"),
            link: LinkId(Uuid::now_v7()),
            generation,
            epoch,
            offset,
            lost: Vec::new(),
            limits: LinkLimits::default(),
            situation: Situation::default(),
        };
        self.send(Message::text(reply(id, &FromBroker::Registered(Box::new(registered)))));
    }

    pub(super) fn deliver(&mut self, offset: u64, id: u128, body: ItemBody) {
        let id = nexus_wire::ItemId(Uuid::from_u128(id));
        let item = Item { id, at: 0, trace: None, answered: false, body };
        self.push(Box::new(Deliver { offset, item }));
    }
}

impl Process {
    /// As kill -9 does: everything in memory is gone, nothing is tidied up.
    pub(super) fn kill(mut self, fake: &Fake) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_timeout(PATIENCE);
        }
        // The thread that writes lets go of its files a moment later.
        for name in ["inbox.jsonl", "outbox.jsonl"] {
            let file = fs::File::open(fake.home.path().join(name)).expect("a file");
            file.lock().expect("let go of");
        }
    }

    pub(super) fn exit(self) -> Result<Exit, String> {
        self.exit.recv_timeout(PATIENCE).expect("the process ends")
    }
}

fn write_home(home: &Path, script: &str, mode: &str, url: &str) {
    let settings = json!({
        "name": "forge",
        "context_mode": mode,
        "recall": {"hits": 0},
        "tools": ["read_file", "dispatch_hand", "send_message", "store_knowledge"],
        "hands": [{
            "name": "check",
            "instructions": "Check it.",
            "tools": ["read_file", "dispatch_hand"],
            "output_schema": {"type": "object", "required": ["verdict"]},
        }],
    });
    let key = KeyFile::generate("forge".parse().expect("a name"), Uuid::now_v7(), url.to_owned(), None);
    let key = key.expect("a key");
    for folder in ["work", ".nexus"] {
        fs::create_dir(home.join(folder)).expect("a folder");
    }
    fs::write(home.join("work/note.txt"), "a note\n").expect("written");
    fs::write(home.join("aspect.json"), settings.to_string()).expect("written");
    fs::write(home.join("SOUL.md"), "I am a test.").expect("written");
    fs::write(home.join("NEXUS.md"), "I answer.").expect("written");
    fs::write(home.join("script.toml"), script).expect("written");
    key.save(&home.join(nexus_client::keyfile::KEYFILE_PATH)).expect("saved");
}
