//! From the socket to where a frame goes. Decodes once; what a frame may do is `admit`'s to say.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::Poll;

use futures_util::StreamExt;
use futures_util::stream::SplitStream;
use nexus_wire::envelope::{DecodeError, decode};
use nexus_wire::limits::{BAD_FRAMES_MAX, CLOSE_POLICY, CLOSE_TOO_BIG, CLOSE_UNSUPPORTED, DURABLE_BYTES_MAX};
use nexus_wire::roster::Register;
use nexus_wire::{AspectName, EpochId, ErrorBody, ErrorCode, FromBroker, Json, Party, RequestId, ToBroker};
use serde_json::json;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::{self, Message};
use uuid::Uuid;

use super::{Ending, Signs};
use crate::admit::{Admitted, Read, Streamed, admit};
use crate::deliver::Peer;
use crate::edge::{Edge, stopping};
use crate::hub::{Change, CommandBody, Origin};
use crate::relay::Port;
use crate::sequencer::{Sending, Stopped, Unsent};

/// RFC 6455: text that is not UTF-8, and a breach of the protocol.
const CLOSE_BAD_TEXT: u16 = 1007;
const CLOSE_PROTOCOL: u16 = 1002;

/// What a message comes to.
enum Outcome {
    Nothing,
    Submit(Box<Sending>),
    End(Ending),
}

type Waiting = Pin<Box<dyn Future<Output = ()> + Send>>;

/// What has to be waited for before the next message, and whether there is one.
struct Step {
    waiting: Option<Waiting>,
    ending: Option<Ending>,
}

pub(super) struct Reader<'a> {
    edge: &'a Arc<Edge>,
    peer: &'a Arc<Peer>,
    signs: &'a Signs,
    /// Undecodable frames in a row.
    bad: u32,
    /// The relay's end, from the first frame that streams.
    port: Option<Port>,
    /// An acknowledgement not handed on yet: of those that came in one go only the last says anything.
    ack: Option<(AspectName, u64)>,
}

impl<'a> Reader<'a> {
    pub(super) fn new(edge: &'a Arc<Edge>, peer: &'a Arc<Peer>, signs: &'a Signs) -> Self {
        Self { edge, peer, signs, bad: 0, port: None, ack: None }
    }

    pub(super) async fn run<S>(mut self, stream: &mut SplitStream<WebSocketStream<S>>) -> Ending
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        loop {
            poll_fn(|cx| self.peer.outbox.poll_request_room(cx)).await;
            let held = self.ack.is_some();
            let next = poll_fn(|cx| match stream.poll_next_unpin(cx) {
                Poll::Ready(message) => Poll::Ready(Some(message)),
                Poll::Pending if held => Poll::Ready(None),
                Poll::Pending => Poll::Pending,
            });
            let step = self.step(next.await);
            if let Some(waiting) = step.waiting {
                waiting.await;
            }
            if let Some(ending) = step.ending {
                return ending;
            }
        }
    }

    /// Deals with what came; `None`: nothing more comes for now. Not async, so that an idle link keeps no room
    /// for what a frame becomes.
    fn step(&mut self, next: Option<Option<Result<Message, tungstenite::Error>>>) -> Step {
        let outcome = match next {
            None => return Step { waiting: self.hand_over(None), ending: None },
            Some(None) => Outcome::End(Ending::Gone),
            Some(Some(Err(error))) => Outcome::End(broken(&error)),
            Some(Some(Ok(message))) => self.message(message),
        };
        match outcome {
            Outcome::Nothing => Step { waiting: None, ending: None },
            Outcome::Submit(sending) => Step { waiting: self.hand_over(Some(sending)), ending: None },
            // What was acknowledged before the end counts.
            Outcome::End(ending) => Step { waiting: self.hand_over(None), ending: Some(ending) },
        }
    }

    fn message(&mut self, message: Message) -> Outcome {
        self.signs.heard.store(true, Ordering::Relaxed);
        match message {
            Message::Text(text) => self.text(&text),
            Message::Binary(_) => {
                let reason = "frames are text; larger things go as blobs";
                Outcome::End(Ending::close(CLOSE_UNSUPPORTED, reason))
            }
            Message::Ping(_) | Message::Pong(_) | Message::Frame(_) => Outcome::Nothing,
            Message::Close(_) => Outcome::End(Ending::Gone),
        }
    }

    fn text(&mut self, text: &str) -> Outcome {
        if let Some(port) = &mut self.port
            && text.len() <= DURABLE_BYTES_MAX
            && port.pass(text)
        {
            self.bad = 0;
            self.peer.pulse.progress(self.edge.now());
            return Outcome::Nothing;
        }
        match decode::<ToBroker>(text) {
            Ok(decoded) => {
                self.bad = 0;
                self.signs.greeted.store(true, Ordering::Relaxed);
                let id = decoded.envelope.id;
                if id.is_some() {
                    self.peer.outbox.owe();
                }
                match self.frame(id, decoded.frame, text.len()) {
                    Some(body) => {
                        let sending = Sending { origin: self.origin(id), body, bytes: text.len() };
                        Outcome::Submit(Box::new(sending))
                    }
                    None => Outcome::Nothing,
                }
            }
            Err(error) => self.undecodable(&error),
        }
    }

    /// An unknown kind comes from a newer peer and is no offence.
    fn undecodable(&mut self, error: &DecodeError) -> Outcome {
        let outbox = &self.peer.outbox;
        match error.id {
            Some(id) => {
                outbox.owe();
                outbox.answer(id, Err(error.to_body()));
            }
            None if error.is_unknown_kind() => {
                tracing::debug!(link = %self.peer.link, %error, "ignored a frame");
            }
            None => outbox.complain(error.to_body()),
        }
        if error.is_unknown_kind() {
            return Outcome::Nothing;
        }
        self.bad += 1;
        if self.bad < BAD_FRAMES_MAX {
            return Outcome::Nothing;
        }
        Outcome::End(Ending::close(CLOSE_POLICY, "too many bad frames in a row"))
    }

    /// What a frame asks of the core; the rest is done here.
    fn frame(&mut self, id: Option<RequestId>, frame: ToBroker, bytes: usize) -> Option<CommandBody> {
        match admit(&self.peer.identity, frame, bytes) {
            Err(body) => self.refuse(id, body),
            Ok(Admitted::Change(change)) => return Some(self.change(id, change)),
            Ok(Admitted::Register(aspect, register)) => return self.register(id, aspect, register),
            Ok(Admitted::Ack(aspect, offset)) => return self.acknowledge(id, aspect, offset),
            Ok(Admitted::Read(read)) => {
                if let Some(id) = id {
                    self.read(id, read);
                }
            }
            Ok(Admitted::Stream(aspect, streamed)) => self.stream(id, aspect, streamed),
            Ok(Admitted::Subscribe(subscribe)) => self.edge.subscribe(self.peer, id, &subscribe),
        }
        None
    }

    /// Submits the acknowledgement that is held, and then the command. Something to wait for when the core has
    /// no room now; boxed, because that is rare.
    fn hand_over(&mut self, command: Option<Box<Sending>>) -> Option<Waiting> {
        let mut rest = VecDeque::new();
        if let Some((aspect, offset)) = self.ack.take() {
            self.peer.pulse.progress(self.edge.now());
            let body = CommandBody::Ack { aspect, link: self.peer.link, offset };
            let sending = Sending { origin: self.origin(None), body, bytes: 0 };
            rest.extend(self.try_submit(Box::new(sending)));
        }
        if let Some(command) = command {
            if rest.is_empty() {
                rest.extend(self.try_submit(command));
            } else {
                rest.push_back(command);
            }
        }
        if rest.is_empty() {
            return None;
        }
        let (edge, peer) = (Arc::clone(self.edge), Arc::clone(self.peer));
        Some(Box::pin(async move {
            for sending in rest {
                let Sending { origin, body, bytes } = *sending;
                if let Err(stopped) = edge.sequencer.submit(origin, body, bytes).await {
                    refuse_stopped(&peer, origin, stopped);
                }
            }
        }))
    }

    /// What could not be submitted without waiting.
    fn try_submit(&self, sending: Box<Sending>) -> Option<Box<Sending>> {
        let origin = sending.origin;
        match self.edge.sequencer.try_submit(sending) {
            Ok(()) => None,
            Err(Unsent::Wait(sending)) => Some(sending),
            Err(Unsent::Stopped) => {
                refuse_stopped(self.peer, origin, Stopped);
                None
            }
        }
    }

    fn refuse(&self, id: Option<RequestId>, body: ErrorBody) {
        match id {
            Some(id) => self.peer.outbox.answer(id, Err(body)),
            None => tracing::debug!(link = %self.peer.link, %body, "refused a frame that wants no reply"),
        }
    }

    fn origin(&self, request: Option<RequestId>) -> Origin {
        Origin::Link { link: self.peer.link, request }
    }

    fn change(&self, id: Option<RequestId>, change: Change) -> CommandBody {
        let sender = self.peer.identity.party.clone();
        let link = match &sender {
            Party::Aspect(_) => Some(self.peer.link),
            Party::Operator(_) | Party::System => None,
        };
        let request = id.unwrap_or_else(|| RequestId(Uuid::now_v7()));
        CommandBody::Request { sender, link, request, change }
    }

    fn register(&self, id: Option<RequestId>, aspect: AspectName, register: Register) -> Option<CommandBody> {
        if id.is_none() {
            // Without its answer the client could not know where delivery starts.
            self.peer.outbox.complain(ErrorBody::new(ErrorCode::Invalid, "register needs an id"));
            return None;
        }
        Some(CommandBody::Register {
            aspect,
            link: self.peer.link,
            key_generation: self.peer.identity.key_generation,
            register,
            new_epoch: EpochId(Uuid::now_v7()),
        })
    }

    fn acknowledge(&mut self, id: Option<RequestId>, aspect: AspectName, offset: u64) -> Option<CommandBody> {
        match self.peer.outbox.ack(offset) {
            Err(beyond) => {
                let message =
                    format!("{offset} was never sent on this link; the last item sent is {}", beyond.sent);
                self.refuse(id, ErrorBody::new(ErrorCode::Invalid, message));
                None
            }
            Ok(moved) if id.is_none() => {
                if moved {
                    self.ack = Some((aspect, offset));
                }
                None
            }
            Ok(_) => Some(CommandBody::Ack { aspect, link: self.peer.link, offset }),
        }
    }

    /// Beside the reader, so that a slow search holds up nothing that comes after it.
    fn read(&self, id: RequestId, read: Read) {
        let (edge, peer) = (Arc::clone(self.edge), Arc::clone(self.peer));
        tokio::spawn(async move {
            let answer = edge.answer(peer.identity.party.clone(), read).await;
            peer.outbox.answer(id, answer.map(FromBroker::Ok));
        });
    }

    fn stream(&mut self, id: Option<RequestId>, aspect: AspectName, streamed: Streamed) {
        if !self.peer.outbox.is_seated() {
            let message = "send `register` first, and wait for its answer";
            return self.refuse(id, ErrorBody::new(ErrorCode::NotRegistered, message));
        }
        let now = self.edge.now();
        let port = self.port.get_or_insert_with(|| Port::new(Arc::clone(&self.edge.relay), aspect.clone()));
        let before = port.open_turns();
        port.stream(streamed);
        self.peer.pulse.progress(now);
        if port.open_turns() != before {
            self.peer.pulse.set_turns(port.open_turns());
            self.edge.published.presence.refresh(&aspect, now);
        }
        if let Some(id) = id {
            self.peer.outbox.answer(id, Ok(FromBroker::Ok(Json::of(&json!({})))));
        }
    }
}

fn refuse_stopped(peer: &Peer, origin: Origin, stopped: Stopped) {
    match origin {
        Origin::Link { request: Some(id), .. } => peer.outbox.answer(id, Err(stopping(stopped))),
        Origin::Link { request: None, .. } | Origin::Call(_) | Origin::Broker => {}
    }
}

#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "tungstenite adds kinds; after any of them the socket is of no use"
)]
fn broken(error: &tungstenite::Error) -> Ending {
    match error {
        tungstenite::Error::Capacity(_) => Ending::close(CLOSE_TOO_BIG, "a frame has at most 1 MiB"),
        tungstenite::Error::Utf8(_) => Ending::close(CLOSE_BAD_TEXT, "text is UTF-8"),
        tungstenite::Error::Protocol(_) => Ending::close(CLOSE_PROTOCOL, "not as RFC 6455 has it"),
        _ => Ending::Gone,
    }
}
