//! From the socket to where a frame goes. Decodes once; what a frame may do is `admit`'s to say.

use std::future::poll_fn;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::Poll;

use futures_util::StreamExt;
use futures_util::stream::SplitStream;
use nexus_wire::envelope::{DecodeError, decode};
use nexus_wire::limits::{BAD_FRAMES_MAX, CLOSE_POLICY, CLOSE_TOO_BIG, CLOSE_UNSUPPORTED};
use nexus_wire::log::Subscribe;
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
use crate::observe;
use crate::relay::Port;
use crate::sequencer::Stopped;

/// RFC 6455: text that is not UTF-8, and a breach of the protocol.
const CLOSE_BAD_TEXT: u16 = 1007;
const CLOSE_PROTOCOL: u16 = 1002;

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
            let ended = match next.await {
                None => self.hand_on_ack().await.err().map(|Stopped| Ending::Gone),
                Some(None) => Some(Ending::Gone),
                Some(Some(Err(error))) => Some(broken(&error)),
                Some(Some(Ok(message))) => self.message(message).await,
            };
            if let Some(ending) = ended {
                // What it acknowledged before it went counts.
                let _ = self.hand_on_ack().await;
                return ending;
            }
        }
    }

    async fn message(&mut self, message: Message) -> Option<Ending> {
        self.signs.heard.store(true, Ordering::Relaxed);
        match message {
            Message::Text(text) => self.text(&text).await,
            Message::Binary(_) => {
                Some(Ending::close(CLOSE_UNSUPPORTED, "frames are text; larger things go as blobs"))
            }
            Message::Ping(_) | Message::Pong(_) | Message::Frame(_) => None,
            Message::Close(_) => Some(Ending::Gone),
        }
    }

    async fn text(&mut self, text: &str) -> Option<Ending> {
        if let Some(port) = &mut self.port
            && port.pass(text)
        {
            self.bad = 0;
            self.peer.pulse.progress(self.edge.now());
            return None;
        }
        match decode::<ToBroker>(text) {
            Ok(decoded) => {
                self.bad = 0;
                self.signs.greeted.store(true, Ordering::Relaxed);
                let id = decoded.envelope.id;
                if id.is_some() {
                    self.peer.outbox.owe();
                }
                self.frame(id, decoded.frame, text.len()).await;
                None
            }
            Err(error) => self.undecodable(&error),
        }
    }

    /// An unknown kind comes from a newer peer and is no offence.
    fn undecodable(&mut self, error: &DecodeError) -> Option<Ending> {
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
            return None;
        }
        self.bad += 1;
        (self.bad >= BAD_FRAMES_MAX).then(|| Ending::close(CLOSE_POLICY, "too many bad frames in a row"))
    }

    async fn frame(&mut self, id: Option<RequestId>, frame: ToBroker, bytes: usize) {
        let sent = match admit(&self.peer.identity, frame, bytes) {
            Err(body) => {
                self.refuse(id, body);
                Ok(())
            }
            Ok(Admitted::Change(change)) => self.change(id, change, bytes).await,
            Ok(Admitted::Register(aspect, register)) => self.register(id, aspect, register, bytes).await,
            Ok(Admitted::Ack(aspect, offset)) => self.acknowledge(id, aspect, offset).await,
            Ok(Admitted::Read(read)) => {
                if let Some(id) = id {
                    self.read(id, read);
                }
                Ok(())
            }
            Ok(Admitted::Stream(aspect, streamed)) => {
                self.stream(id, aspect, streamed);
                Ok(())
            }
            Ok(Admitted::Subscribe(subscribe)) => {
                self.subscribe(id, &subscribe);
                Ok(())
            }
        };
        if let Err(stopped) = sent {
            self.refuse(id, stopping(stopped));
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

    async fn change(&mut self, id: Option<RequestId>, change: Change, bytes: usize) -> Result<(), Stopped> {
        self.hand_on_ack().await?;
        let sender = self.peer.identity.party.clone();
        let link = match &sender {
            Party::Aspect(_) => Some(self.peer.link),
            Party::Operator(_) | Party::System => None,
        };
        let request = id.unwrap_or_else(|| RequestId(Uuid::now_v7()));
        let body = CommandBody::Request { sender, link, request, change };
        self.edge.sequencer.submit(self.origin(id), body, bytes).await
    }

    async fn register(
        &mut self,
        id: Option<RequestId>,
        aspect: AspectName,
        register: Register,
        bytes: usize,
    ) -> Result<(), Stopped> {
        if id.is_none() {
            // Without its answer the client could not know where delivery starts.
            self.peer.outbox.complain(ErrorBody::new(ErrorCode::Invalid, "register needs an id"));
            return Ok(());
        }
        let body = CommandBody::Register {
            aspect,
            link: self.peer.link,
            key_generation: self.peer.identity.key_generation,
            register,
            new_epoch: EpochId(Uuid::now_v7()),
        };
        self.edge.sequencer.submit(self.origin(id), body, bytes).await
    }

    async fn acknowledge(
        &mut self,
        id: Option<RequestId>,
        aspect: AspectName,
        offset: u64,
    ) -> Result<(), Stopped> {
        match self.peer.outbox.ack(offset) {
            Err(beyond) => {
                let message =
                    format!("{offset} was never sent on this link; the last item sent is {}", beyond.sent);
                self.refuse(id, ErrorBody::new(ErrorCode::Invalid, message));
            }
            Ok(moved) if id.is_none() => {
                if moved {
                    self.ack = Some((aspect, offset));
                }
            }
            Ok(_) => {
                self.hand_on_ack().await?;
                let body = CommandBody::Ack { aspect, link: self.peer.link, offset };
                self.edge.sequencer.submit(self.origin(id), body, 0).await?;
            }
        }
        Ok(())
    }

    async fn hand_on_ack(&mut self) -> Result<(), Stopped> {
        let Some((aspect, offset)) = self.ack.take() else { return Ok(()) };
        self.peer.pulse.progress(self.edge.now());
        let body = CommandBody::Ack { aspect, link: self.peer.link, offset };
        self.edge.sequencer.submit(self.origin(None), body, 0).await
    }

    /// Beside the reader, so that a slow search holds up nothing that comes after it.
    fn read(&self, id: RequestId, read: Read) {
        let (edge, peer) = (Arc::clone(self.edge), Arc::clone(self.peer));
        tokio::spawn(async move {
            let answer = match read {
                Read::TeamList => edge.team().await.map(|team| Json::of(&team)),
                Read::ChatRead(_)
                | Read::ChatThreads(_)
                | Read::DispatchList(_)
                | Read::DispatchStatus(_)
                | Read::KnowledgeSearch(_) => {
                    let reader = peer.identity.party.clone();
                    let found =
                        edge.library.read(move |store| Ok(observe::answer(store, &reader, &read))).await;
                    found.map_err(observe::Refusal::Store).flatten().map_err(ErrorBody::from)
                }
            };
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

    fn subscribe(&self, id: Option<RequestId>, subscribe: &Subscribe) {
        let Edge { published, relay, .. } = &**self.edge;
        published.deliver.follow(self.peer, id, subscribe);
        if subscribe.observe {
            relay.watch(self.peer, subscribe.thread);
        } else {
            relay.unwatch(self.peer.link);
        }
        if subscribe.roster {
            published.presence.follow(self.peer);
        } else {
            published.presence.unfollow(self.peer.link);
        }
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
