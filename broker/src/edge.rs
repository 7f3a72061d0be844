//! What every connection needs, put together once: the gate, the way to the core and what it published, the
//! relay, the readers. Decides nothing itself.

pub(crate) mod backup;
pub(crate) mod blobs;
pub(crate) mod hooks;
pub(crate) mod machine;
pub(crate) mod retention;
pub(crate) mod spending;
pub(crate) mod watches;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use nexus_wire::admin::NexusInfo;
use nexus_wire::alert::AlertList;
use nexus_wire::frame::FrameSet as _;
use nexus_wire::gather::{GatherInfo, GatherList, GatherPage};
use nexus_wire::hands::{DispatchState, DispatchStatus};
use nexus_wire::knowledge::KnowledgeSearch;
use nexus_wire::limits::{REPLY_BYTES_MAX, SUBPROTOCOL};
use nexus_wire::log::Subscribe;
use nexus_wire::roster::{AspectInfo, Situation, Team, TeamList};
use nexus_wire::session::SessionQuestion;
use nexus_wire::{AspectName, ErrorBody, ErrorCode, FromBroker, Json, Ms, Party, RequestId, ToBroker};
use tokio::sync::Semaphore;

use crate::admit::{Admitted, Read, admit};
use crate::blobs::Blobs;
use crate::clock::{self, Clock};
use crate::config::Pace;
use crate::core::Published;
use crate::deliver::Peer;
use crate::hub::records::{AspectRecord, StoreError};
use crate::hub::{Access, Change, CommandBody, Hub, Note, Origin, situation, unwritten_alert};
use crate::identity::seal::Sealer;
use crate::identity::{Gate, Identity, Now, Seconds};
use crate::listen::a2a::push::Pushing;
use crate::listen::dashboard::Dashboard;
use crate::listen::hooks::Doorstep;
use crate::listen::hosts::Hosts;
use crate::listen::limits::Limits;
use crate::listen::openai::embeddings::Embedder;
use crate::listen::rest::proxy::Outside;
use crate::observe::{self, KnowledgeRead, Library, Recalls, fit};
use crate::questions::{self, Questions};
use crate::relay::{Relay, Starts};
use crate::sequencer::{Sending, Sequencer, Stopped};
use crate::traces;
use crate::trail::Trail;
use crate::workspace::Board;

#[derive(Debug)]
pub(crate) struct Edge {
    pub(crate) gate: Gate,
    pub(crate) published: Arc<Published>,
    pub(crate) relay: Arc<Relay>,
    pub(crate) sequencer: Sequencer,
    pub(crate) library: Library,
    pub(crate) backups: backup::Backups,
    pub(crate) blobs: Blobs,
    /// How knowledge is used, until it is written down.
    pub(crate) recalls: Recalls,
    pub(crate) questions: Questions,
    pub(crate) clock: Clock,
    pub(crate) dashboard: Dashboard,
    pub(crate) hosts: Hosts,
    /// Links write each frame by itself.
    pub(crate) flush_each: bool,
    /// How much one link may send.
    pub(crate) pace: Pace,
    pub(crate) limits: Limits,
    pub(crate) sealer: Sealer,
    pub(crate) doorstep: Doorstep,
    pub(crate) outside: Outside,
    /// How long a call of a model may go on once all spending is stopped.
    pub(crate) finish: Duration,
    pub(crate) pushing: Pushing,
    /// What makes vectors, if something does.
    pub(crate) embedder: Option<Embedder>,
    pub(crate) trail: Trail,
    /// The files of the workspace, if this broker keeps one.
    pub(crate) workspace: Board,
    /// One permit for each link that may be open.
    pub(crate) links: Arc<Semaphore>,
    pub(crate) links_max: usize,
    /// For its size.
    pub(crate) database: PathBuf,
    /// What all blobs together may be.
    pub(crate) blob_bytes_max: u64,
    pub(crate) metrics_open_on_loopback: bool,
    /// What conformance suites look for is there, beside the team.
    pub(crate) conformance_fixtures: bool,
    /// Whose log lines these are, where a broker serves several.
    pub(crate) span: tracing::Span,
}

impl Edge {
    /// Tells the hub when tokens and sessions were used, if any were.
    pub(crate) async fn write_uses(&self) {
        let uses = self.gate.take_uses(self.now());
        if !uses.is_empty() {
            let body = CommandBody::Access { by: Party::System, act: Access::Used(uses) };
            // Lost with a failing disk, it only makes a token look unused for longer.
            let _ = self.sequencer.submit(Origin::Broker, body, 0).await;
        }
    }

    /// Puts what was refused into the log, if anything was.
    pub(crate) async fn write_trail(&self) {
        let notes = self.trail.take(self.now());
        if !notes.is_empty() {
            let body = CommandBody::Access { by: Party::System, act: Access::Note(notes) };
            // Waited for, so that whoever reads the trail next finds them.
            let _ = self.call(body, 0).await;
        }
    }

    /// Something was refused: `subject` says what and where from, and holds no secret.
    pub(crate) fn refused(&self, kind: &'static str, subject: String) {
        self.trail.add(Note { actor: Party::System, kind, subject }, self.now());
    }

    /// What is forbidden to somebody known is in the audit trail, whichever way it came.
    pub(crate) fn admit(
        &self,
        identity: &Identity,
        frame: ToBroker,
        bytes: usize,
    ) -> Result<Admitted, ErrorBody> {
        let kind = frame.kind();
        let admitted = admit(identity, frame, bytes).inspect_err(|refused| {
            if refused.code == ErrorCode::Forbidden {
                self.forbidden(&identity.party, kind.to_owned());
            }
        })?;
        let Admitted::Change(Change::Dispatch(measured)) = admitted else { return Ok(admitted) };
        Ok(Admitted::Change(Change::Dispatch(measured.filled(|dispatch| self.workspace.filled(dispatch)))))
    }

    /// Somebody known asked for what is not theirs to do.
    pub(crate) fn forbidden(&self, party: &Party, subject: String) {
        self.trail.add(Note { actor: party.clone(), kind: "refused.forbidden", subject }, self.now());
    }

    /// Somebody asked for more than the limits give; `subject` says of what, and is the same each time.
    pub(crate) fn too_much(&self, party: Party, subject: String) {
        self.trail.add(Note { actor: party, kind: "refused.rate", subject }, self.now());
    }

    /// For whatever checks a credential.
    pub(crate) fn both_clocks(&self) -> Now {
        Now { wall: seconds(), at: self.now() }
    }

    pub(crate) fn now(&self) -> Ms {
        self.clock.now()
    }

    /// Applies a command and waits until it is on disk; `bytes`: about what it holds of the heap.
    pub(crate) async fn call(&self, body: CommandBody, bytes: usize) -> Result<Json, ErrorBody> {
        let (origin, answer) = self.published.deliver.call();
        let trace = traces::current().map(Box::new);
        let sending = Box::new(Sending::new(origin, trace, body, bytes));
        self.sequencer.send(sending).await.map_err(stopping)?;
        match answer.await.map_err(|_| stopping(Stopped))?? {
            FromBroker::Ok(json) => Ok(json),
            FromBroker::Deliver(_)
            | FromBroker::Error(_)
            | FromBroker::Gap(_)
            | FromBroker::Log(_)
            | FromBroker::ChatReacted(_)
            | FromBroker::Observe(_)
            | FromBroker::ObserveGap(_)
            | FromBroker::Activity(_)
            | FromBroker::Registered(_)
            | FromBroker::RosterChanged(_)
            | FromBroker::SessionAsk(_)
            | FromBroker::Shutdown(_)
            | FromBroker::SpendingChanged(_) => {
                Err(ErrorBody::new(ErrorCode::Internal, "the answer was of an unexpected kind"))
            }
        }
    }

    /// A frame that came without a link. It goes the way of every frame, from `admit` on; those that are
    /// about a link are refused.
    pub(crate) async fn request(
        &self,
        identity: &Identity,
        request: RequestId,
        frame: ToBroker,
        bytes: usize,
    ) -> Result<Json, ErrorBody> {
        match self.admit(identity, frame, bytes)? {
            Admitted::Change(change) => {
                let sender = identity.party.clone();
                self.call(CommandBody::Request { sender, link: None, request, change }, bytes).await
            }
            Admitted::Read(read) => self.answer(identity.party.clone(), read).await,
            Admitted::Rotate(rotate) => self.rotate(identity.party.clone(), request, rotate).await,
            Admitted::Ack(..)
            | Admitted::Answered(_)
            | Admitted::Register(..)
            | Admitted::Stream(..)
            | Admitted::Subscribe(_)
            | Admitted::Unsubscribe => {
                Err(ErrorBody::new(ErrorCode::Invalid, "this takes a link: open one at /connect"))
            }
        }
    }

    /// Answers a read request of `reader`.
    pub(crate) async fn answer(&self, reader: Party, read: Read) -> Result<Json, ErrorBody> {
        match read {
            Read::AlertList(list) => self.alerts(list).await,
            Read::BudgetList => Ok(Json::of(&self.ask(Hub::budgets).await?)),
            Read::DispatchStatus(status) => self.status(reader, status).await,
            Read::GatherList(list) => Ok(Json::of(&self.gathers(reader, list).await?)),
            Read::Session(aspect, about) => self.question(&aspect, about).await,
            Read::Situation(name) => Ok(Json::of(&self.situation(name).await?)),
            Read::TeamList(list) => Ok(Json::of(&self.team_page(list).await?)),
            Read::Knowledge(KnowledgeRead::Search(search)) => self.search(reader, search).await,
            Read::Trigger(read) => {
                let now = self.now();
                self.library.answer(move |store| observe::triggers(store, &reader, &read, now)).await
            }
            Read::ApprovalGet(_)
            | Read::ApprovalList(_)
            | Read::AuditList(_)
            | Read::ChatGet(_)
            | Read::ChatRead(_)
            | Read::ChatReceipts(_)
            | Read::ChatSearch(_)
            | Read::ChatThreads(_)
            | Read::DispatchList(_)
            | Read::FlowGet(_)
            | Read::FlowList(_)
            | Read::GatherStatus(_)
            | Read::Knowledge(_)
            | Read::Registry(_)
            | Read::RunGet(_)
            | Read::RunList(_)
            | Read::SessionStatus(_)
            | Read::ThreadGet(_)
            | Read::UsageRead(_) => {
                self.library.answer(move |store| observe::answer(store, &reader, &read)).await
            }
        }
    }

    /// Those on disk, and before them the one that cannot be on it.
    async fn alerts(&self, list: AlertList) -> Result<Json, ErrorBody> {
        let head = *self.published.head.borrow();
        let unwritten = self.published.health.failing_since().map(|since| unwritten_alert(since, head));
        let limit = observe::page(list.limit) as usize;
        let first_page = list.before.is_none();
        let mut page = self.library.answer(move |store| observe::alerts(store, &list)).await?;
        if let Some(alert) = unwritten.filter(|_| first_page) {
            page.alerts.retain(|it| it.key != alert.key);
            page.alerts.insert(0, alert);
            page.more |= page.alerts.len() > limit;
            page.alerts.truncate(limit);
        }
        Ok(Json::of(&page))
    }

    /// What is on disk of a dispatch; why it waits is for the hub to say.
    async fn status(&self, reader: Party, status: DispatchStatus) -> Result<Json, ErrorBody> {
        let id = status.dispatch;
        let mut info = self.library.answer(move |store| observe::status(store, &reader, &status)).await?;
        if matches!(info.state, DispatchState::Pending | DispatchState::Retaking) {
            info.waiting_for = self.ask(move |hub| hub.queue().waiting_for(id)).await?;
        }
        Ok(Json::of(&info))
    }

    /// Asks the process that speaks for an aspect now.
    async fn question(&self, aspect: &AspectName, about: SessionQuestion) -> Result<Json, ErrorBody> {
        let name = aspect.clone();
        let link = self.ask(move |hub| hub.roster().aspect(&name).map(|record| record.link)).await?;
        let missing = || ErrorBody::new(ErrorCode::NotFound, format!("there is no aspect {aspect}"));
        let peer = link.ok_or_else(missing)?.and_then(|link| self.published.deliver.peer(link));
        let peer = peer.ok_or_else(|| questions::offline(aspect))?;
        self.questions.ask(aspect, &peer, about).await
    }

    /// What it brings an aspect is counted; people who look around are not.
    async fn search(&self, reader: Party, search: KnowledgeSearch) -> Result<Json, ErrorBody> {
        let (recalled, is_aspect) = (search.recall, reader.aspect().is_some());
        let found = self.library.answer(move |store| observe::search(store, &reader, &search)).await?;
        if is_aspect {
            self.recalls.note(&found.hits, recalled, self.now());
        }
        Ok(Json::of(&found))
    }

    pub(crate) async fn ask<T: Send + 'static>(
        &self,
        question: impl FnOnce(&Hub) -> T + Send + 'static,
    ) -> Result<T, ErrorBody> {
        self.sequencer.ask(question).await.map_err(stopping)
    }

    /// `peer` follows the log, and what else it asks for; in place of what it followed before.
    pub(crate) fn subscribe(&self, peer: &Arc<Peer>, id: Option<RequestId>, subscribe: &Subscribe) {
        let Self { published, relay, .. } = self;
        relay.unwatch(peer);
        let marks = if subscribe.observe { relay.marks() } else { BTreeMap::new() };
        published.deliver.follow(peer, id, subscribe, marks.clone());
        if subscribe.observe {
            // What was streamed since the marks were read is kept, and comes first.
            relay.watch(peer, subscribe.thread, &Starts { from: subscribe.observe_from.clone(), marks });
        }
        published.presence.follow(peer, subscribe.roster, subscribe.activity);
    }

    /// `peer` follows nothing any more.
    pub(crate) fn unsubscribe(&self, peer: &Peer) {
        self.relay.unwatch(peer);
        self.published.presence.unfollow(peer.link);
        self.published.deliver.unfollow(peer);
    }

    /// The team as the hub has it, with what is seen of each.
    pub(crate) async fn team(&self) -> Result<Team, ErrorBody> {
        let mut aspects: Vec<AspectInfo> =
            self.ask(|hub| hub.roster().active().map(AspectRecord::info).collect()).await?;
        self.published.presence.overlay(&mut aspects);
        self.published.processes.overlay(&mut aspects);
        Ok(Team { aspects, more: false })
    }

    /// As much of it as was asked for and fits into a frame.
    pub(crate) async fn team_page(&self, list: TeamList) -> Result<Team, ErrorBody> {
        let TeamList { after, limit } = list;
        let (mut aspects, mut more) = self
            .ask(move |hub| {
                let is_later =
                    |record: &&AspectRecord| after.as_ref().is_none_or(|after| record.name > *after);
                let mut later = hub.roster().active().filter(is_later);
                let limit = limit.map_or(usize::MAX, |limit| limit.max(1) as usize);
                let aspects: Vec<AspectInfo> = later.by_ref().take(limit).map(AspectRecord::info).collect();
                (aspects, later.next().is_some())
            })
            .await?;
        self.published.presence.overlay(&mut aspects);
        self.published.processes.overlay(&mut aspects);
        more |= fit(&mut aspects, REPLY_BYTES_MAX);
        Ok(Team { aspects, more })
    }

    /// Open gathers as the hub has them, as many as were asked for and fit into a frame.
    async fn gathers(&self, reader: Party, list: GatherList) -> Result<GatherPage, ErrorBody> {
        let limit = observe::page(list.limit) as usize;
        let (mut gathers, mut more) = self
            .ask(move |hub| {
                let mut open = hub.open_gathers(&reader, list.before);
                let gathers: Vec<GatherInfo> = open.by_ref().take(limit).cloned().collect();
                (gathers, open.next().is_some())
            })
            .await?;
        more |= fit(&mut gathers, REPLY_BYTES_MAX);
        Ok(GatherPage { gathers, more })
    }

    /// What is open for an aspect now.
    pub(crate) async fn situation(&self, name: AspectName) -> Result<Situation, ErrorBody> {
        let of = name.clone();
        let (team, undelivered, stop) = self
            .ask(move |hub| {
                let (team, undelivered) = hub.situation_of(&of);
                (team, undelivered, hub.spending_stop())
            })
            .await?;
        let read = self.library.read(move |store| situation(store, &name, team, undelivered, None));
        let unavailable =
            |error: StoreError| ErrorBody::new(ErrorCode::StorageUnavailable, error.to_string());
        let mut situation = read.await.map_err(unavailable)?;
        situation.spending_stop = stop;
        self.published.presence.overlay(&mut situation.team);
        Ok(situation)
    }

    pub(crate) fn info(&self) -> NexusInfo {
        NexusInfo {
            nexus_id: self.gate.nexus_id(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            protocol: SUBPROTOCOL.to_owned(),
        }
    }
}

pub(crate) fn stopping(stopped: Stopped) -> ErrorBody {
    ErrorBody::new(ErrorCode::ShuttingDown, stopped.to_string())
}

/// Wall-clock seconds, for tokens and certificates.
pub(crate) fn seconds() -> Seconds {
    Seconds::try_from(clock::wall() / 1_000).unwrap_or(0)
}
