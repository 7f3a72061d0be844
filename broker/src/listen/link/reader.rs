//! From the socket to where a frame goes. Decodes once; what a frame may do is `admit`'s to say.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::ops::ControlFlow;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use nexus_wire::envelope::{DecodeError, decode};
use nexus_wire::frame::FrameSet;
use nexus_wire::hook::TriggerRotate;
use nexus_wire::limits::{
    BAD_FRAMES_MAX, CLOSE_NORMAL, CLOSE_POLICY, CLOSE_TOO_BIG, CLOSE_UNSUPPORTED, DURABLE_BYTES_MAX,
    PING_INTERVAL,
};
use nexus_wire::roster::Register;
use nexus_wire::session::SessionAnswer;
use nexus_wire::{
    AspectName, Envelope, EpochId, ErrorBody, ErrorCode, FromBroker, Json, Party, RequestId, ToBroker,
    TraceContext,
};
use serde_json::json;
use tokio::io::AsyncRead;
use tokio::time::sleep;
use uuid::Uuid;

use super::share::{Share, Slowed};
use super::socket::{Broken, Input, Progress};
use super::{Ending, Signs};
use crate::admit::{Admitted, Read, Streamed};
use crate::deliver::Peer;
use crate::edge::{Edge, stopping};
use crate::framing::{Breach, Incoming};
use crate::hub::{Change, CommandBody, Origin};
use crate::observe::{may_show, sharing};
use crate::relay::Port;
use crate::sequencer::{Sending, Stopped, Unsent};
use crate::task;
use crate::traces;

/// RFC 6455: text that is not UTF-8, and a breach of the protocol.
const CLOSE_BAD_TEXT: u16 = 1007;
const CLOSE_PROTOCOL: u16 = 1002;

/// What has to wait for others before anything more is taken from the link.
enum Waiting {
    /// The core had no room for it.
    Sending(Box<Sending>),
    /// It says where it belongs, which is looked up.
    Showing(Option<RequestId>, AspectName, Streamed),
}

/// What a message comes to.
enum Outcome {
    Nothing,
    Submit(Box<Sending>),
    End(Ending),
}

pub(super) struct Reader<'a> {
    edge: &'a Arc<Edge>,
    peer: &'a Arc<Peer>,
    signs: &'a Signs,
    /// Undecodable frames in a row.
    bad: u32,
    /// The relay's end, from the first frame that streams.
    port: Option<Port>,
    /// Events that were passed on with this read.
    streamed: u64,
    /// An acknowledgement not handed on yet: of those that came in one go only the last says anything.
    ack: Option<(AspectName, u64)>,
    rest: VecDeque<Waiting>,
    /// As many replies are owed as may be.
    owes_all: bool,
    share: Share,
    ending: Option<Ending>,
}

impl<'a> Reader<'a> {
    pub(super) fn new(edge: &'a Arc<Edge>, peer: &'a Arc<Peer>, signs: &'a Signs) -> Self {
        Self {
            edge,
            peer,
            signs,
            bad: 0,
            port: None,
            streamed: 0,
            ack: None,
            rest: VecDeque::new(),
            owes_all: false,
            share: Share::new(edge.pace),
            ending: None,
        }
    }

    pub(super) async fn run<S>(mut self, mut input: Input, stream: &mut S) -> Ending
    where
        S: AsyncRead + Unpin,
    {
        loop {
            poll_fn(|cx| self.peer.outbox.poll_request_room(cx)).await;
            self.owes_all = false;
            let take = &mut |incoming: Incoming<'_>| self.take(incoming);
            let progress = poll_fn(|cx| input.poll_frames(cx, stream, take)).await;
            let more = self.finish(progress);
            while let Some(waiting) = self.rest.pop_front() {
                match waiting {
                    Waiting::Sending(sending) => self.submit(sending).await,
                    Waiting::Showing(id, aspect, streamed) => self.show(id, aspect, streamed).await,
                }
            }
            if let Some(ending) = self.ending.take() {
                return ending;
            }
            if self.share.is_spent()
                && let Some(Slowed { by, wait }) = self.share.settle(self.edge.now())
            {
                self.edge.published.meter.slowed(by);
                self.hold(wait).await;
            } else if more {
                // There are others, the writer of this link among them.
                tokio::task::yield_now().await;
            }
        }
    }

    /// Boxed, because it is rare. That nothing is heard of the peer meanwhile is no fault of its.
    fn hold(&self, wait: Duration) -> Pin<Box<dyn Future<Output = ()> + Send + 'a>> {
        let signs = self.signs;
        Box::pin(async move {
            let mut left = wait;
            while !left.is_zero() {
                let some = left.min(PING_INTERVAL);
                sleep(some).await;
                signs.heard.store(true, Ordering::Relaxed);
                left -= some;
            }
        })
    }

    fn take(&mut self, incoming: Incoming<'_>) -> ControlFlow<()> {
        match self.message(incoming) {
            Outcome::Nothing => {}
            Outcome::Submit(sending) => {
                self.hand_over_ack();
                self.try_submit(sending);
            }
            Outcome::End(ending) => self.ending = Some(ending),
        }
        if self.ending.is_some() || self.owes_all || !self.rest.is_empty() {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        }
    }

    /// After all frames of one read, or an end. Whether there is more to read. Not async, so that an idle link
    /// keeps no room for what a frame becomes.
    fn finish(&mut self, progress: Result<Progress, Broken>) -> bool {
        self.signs.heard.store(true, Ordering::Relaxed);
        let events = std::mem::take(&mut self.streamed);
        if events > 0 {
            self.edge.published.meter.streamed(events);
            self.peer.pulse.progress(self.edge.now());
        }
        if let Some(port) = &mut self.port {
            port.release();
            if let Some(activity) = port.news() {
                let now = self.edge.now();
                self.peer.pulse.set_activity(activity, now);
                if let Some(aspect) = self.peer.identity.party.aspect() {
                    self.edge.published.presence.refresh(aspect, now);
                }
            }
        }
        // What was acknowledged before an end counts.
        self.hand_over_ack();
        match progress {
            Ok(Progress::Read { full }) => full,
            Ok(Progress::Stopped) => false,
            Err(broken) => {
                self.ending = Some(ending_of(broken));
                false
            }
        }
    }

    fn message(&mut self, incoming: Incoming<'_>) -> Outcome {
        match incoming {
            Incoming::Text(text) => self.text(text),
            Incoming::Binary => {
                let reason = "frames are text; larger things go as blobs";
                Outcome::End(Ending::close(CLOSE_UNSUPPORTED, reason))
            }
            Incoming::Ping(payload) => {
                self.peer.outbox.pong(payload);
                Outcome::Nothing
            }
            Incoming::Piece | Incoming::Pong => Outcome::Nothing,
            Incoming::Close(_) => Outcome::End(Ending::close(CLOSE_NORMAL, "")),
        }
    }

    fn text(&mut self, text: &str) -> Outcome {
        if let Some(port) = &mut self.port
            && text.len() <= DURABLE_BYTES_MAX
            && port.pass(text)
        {
            self.bad = 0;
            self.streamed += 1;
            self.share.stream(text.len());
            if self.edge.flush_each {
                port.release();
            }
            return Outcome::Nothing;
        }
        match decode::<ToBroker>(text) {
            Ok(decoded) => {
                self.bad = 0;
                self.signs.greeted.store(true, Ordering::Relaxed);
                self.edge.published.meter.received(decoded.frame.kind());
                let Envelope { id, trace, .. } = decoded.envelope;
                if id.is_some() {
                    self.owe();
                }
                if decoded.trace_ignored {
                    self.edge.published.meter.trace_ignored();
                }
                let kind = decoded.frame.kind();
                match self.frame(id, decoded.frame, text.len(), trace.as_deref()) {
                    Some(body) => {
                        let (origin, party) = (self.origin(id), &self.peer.identity.party);
                        let trace = self.edge.published.traces.requested(origin, kind, party, trace);
                        let sending = Sending::new(origin, trace, body, text.len());
                        self.share.command();
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
        self.edge.published.meter.received("");
        let outbox = &self.peer.outbox;
        match error.id {
            Some(id) => {
                self.owe();
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
    fn frame(
        &mut self,
        id: Option<RequestId>,
        frame: ToBroker,
        bytes: usize,
        trace: Option<&TraceContext>,
    ) -> Option<CommandBody> {
        let kind = frame.kind();
        match self.edge.admit(&self.peer.identity, frame, bytes) {
            Err(body) => self.refuse(id, body),
            Ok(Admitted::Change(change)) => return Some(self.change(id, change)),
            Ok(Admitted::Register(aspect, register)) => return self.register(id, aspect, register),
            Ok(Admitted::Ack(aspect, offset)) => return self.acknowledge(id, aspect, offset),
            Ok(Admitted::Read(read)) => {
                if let Some(id) = id {
                    self.read(id, read, kind, trace);
                }
            }
            Ok(Admitted::Rotate(rotate)) => self.rotate(id, rotate),
            Ok(Admitted::Answered(answer)) => self.answered(id, answer),
            Ok(Admitted::Stream(aspect, streamed)) => {
                self.share.stream(bytes);
                if streamed.says_where() {
                    self.rest.push_back(Waiting::Showing(id, aspect, streamed));
                } else {
                    self.stream(id, aspect, streamed);
                }
            }
            Ok(Admitted::Subscribe(subscribe)) => self.edge.subscribe(self.peer, id, &subscribe),
            Ok(Admitted::Unsubscribe) => {
                self.edge.unsubscribe(self.peer);
                if let Some(id) = id {
                    self.peer.outbox.answer(id, Ok(FromBroker::Ok(Json::of(&json!({})))));
                }
            }
        }
        None
    }

    fn owe(&mut self) {
        self.owes_all = !self.peer.outbox.owe();
    }

    fn hand_over_ack(&mut self) {
        if let Some((aspect, offset)) = self.ack.take() {
            self.peer.pulse.progress(self.edge.now());
            self.edge.published.traces.acknowledged(self.peer.link, offset);
            self.edge.sequencer.acknowledge(self.peer.link, aspect, offset);
        }
    }

    /// What there is no place for waits, and whatever comes after it.
    fn try_submit(&mut self, mut sending: Box<Sending>) {
        if !self.rest.is_empty() {
            return self.rest.push_back(Waiting::Sending(sending));
        }
        sending.place = Arc::clone(&self.share.commands).try_acquire_owned().ok();
        if sending.place.is_none() {
            return self.rest.push_back(Waiting::Sending(sending));
        }
        let origin = sending.origin;
        match self.edge.sequencer.try_submit(sending) {
            Ok(()) => {}
            Err(Unsent::Wait(sending)) => self.rest.push_back(Waiting::Sending(sending)),
            Err(Unsent::Stopped) => refuse_stopped(self.peer, origin, Stopped),
        }
    }

    /// Boxed, because it is rare that this has to wait.
    fn submit(&self, mut sending: Box<Sending>) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        let (edge, peer) = (Arc::clone(self.edge), Arc::clone(self.peer));
        let places = Arc::clone(&self.share.commands);
        Box::pin(async move {
            let origin = sending.origin;
            if sending.place.is_none() {
                // Never closed.
                sending.place = places.acquire_owned().await.ok();
            }
            if let Err(stopped) = edge.sequencer.send(sending).await {
                refuse_stopped(&peer, origin, stopped);
            }
        })
    }

    fn answered(&self, id: Option<RequestId>, answer: SessionAnswer) {
        self.edge.questions.answered(self.peer.link, answer);
        if let Some(id) = id {
            self.peer.outbox.answer(id, Ok(FromBroker::Ok(Json::of(&json!({})))));
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
            Ok(_) => {
                self.edge.published.traces.acknowledged(self.peer.link, offset);
                Some(CommandBody::Ack { aspect, link: self.peer.link, offset })
            }
        }
    }

    /// Beside the reader, so that a slow search holds up nothing that comes after it.
    fn read(&mut self, id: RequestId, read: Read, kind: &'static str, trace: Option<&TraceContext>) {
        self.share.command();
        let (edge, peer) = (Arc::clone(self.edge), Arc::clone(self.peer));
        let span = self.edge.published.traces.frame(kind, &peer.identity.party, trace);
        let (share, answers) = (Arc::clone(&self.share.reads), Arc::clone(&self.share.answers));
        task::spawn(async move {
            // Never closed; the error type is there for semaphores that are.
            let Ok(place) = answers.acquire_owned().await else { return };
            let answer = sharing(share, edge.answer(peer.identity.party.clone(), read)).await;
            if let (Some(mut span), Err(body)) = (span, &answer) {
                traces::refused(&mut span, body);
            }
            peer.outbox.show(id, answer.map(FromBroker::Ok), place);
        });
    }

    /// Without an id nobody would learn the secret.
    fn rotate(&self, id: Option<RequestId>, rotate: TriggerRotate) {
        let Some(id) = id else {
            let body = ErrorBody::new(ErrorCode::Invalid, "trigger.rotate needs an id");
            return self.peer.outbox.complain(body);
        };
        let (edge, peer) = (Arc::clone(self.edge), Arc::clone(self.peer));
        task::spawn(async move {
            let answer = edge.rotate(peer.identity.party.clone(), id, rotate).await;
            peer.outbox.answer(id, answer.map(FromBroker::Ok));
        });
    }

    /// Boxed, because it is rare.
    fn show(
        &mut self,
        id: Option<RequestId>,
        aspect: AspectName,
        streamed: Streamed,
    ) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        Box::pin(async move {
            let sender = self.peer.identity.party.clone();
            let looked =
                self.edge.library.look(move |store| may_show(store, &sender, &streamed).map(|()| streamed));
            match looked.await {
                Ok(streamed) => self.stream(id, aspect, streamed),
                Err(body) => self.refuse(id, body),
            }
            if let Some(port) = &mut self.port {
                port.release();
            }
        })
    }

    fn stream(&mut self, id: Option<RequestId>, aspect: AspectName, streamed: Streamed) {
        let Some(generation) = self.peer.outbox.generation() else {
            let message = "send `register` first, and wait for its answer";
            return self.refuse(id, ErrorBody::new(ErrorCode::NotRegistered, message));
        };
        let now = self.edge.now();
        let relay = &self.edge.relay;
        let port = self.port.get_or_insert_with(|| Port::new(Arc::clone(relay), &aspect, generation));
        let before = port.open_turns();
        port.stream(streamed);
        self.peer.pulse.progress(now);
        let news = port.news().map(|activity| self.peer.pulse.set_activity(activity, now));
        if port.open_turns() != before || news.is_some() {
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

fn ending_of(broken: Broken) -> Ending {
    match broken {
        Broken::Gone => Ending::Gone,
        Broken::Breach(breach) => {
            let code = match breach {
                Breach::TooBig => CLOSE_TOO_BIG,
                Breach::NotUtf8 => CLOSE_BAD_TEXT,
                Breach::Protocol(_) => CLOSE_PROTOCOL,
            };
            Ending::close(code, &breach.to_string())
        }
    }
}
