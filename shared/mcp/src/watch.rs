//! Telling a client that something has changed: the tools, because a Hand came or went, and the resources it asked about.

use std::time::Duration;

use nexus_wire::inbox::ItemBody;
use nexus_wire::log::{LogBody, LogEntry, Subscribe};
use nexus_wire::{FromBroker, Party};
use rmcp::service::{Peer, SubscriptionSink};
use rmcp::{RoleServer, model::ResourceUpdatedNotificationParam};
use sha2::{Digest as _, Sha256};
use tokio::sync::broadcast::error::RecvError;
use tokio::time::{MissedTickBehavior, interval};

use crate::bus::{Bus, Heard, Role};
use crate::resources::{Place, TEAM, UNREAD};
use crate::server::TeamServer;

/// How often is looked at what is not told: an aspect hears nothing of others.
const LOOK_EVERY: Duration = Duration::from_secs(2);
/// How often it is seen that a client has gone, and looked at everything all the same.
const LOOK_ANYWAY: u32 = 15;

/// Whom changes are told to. An error is that nobody is there any more.
pub(crate) trait Sink: Send + Sync {
    fn tools_changed(&self) -> impl Future<Output = Result<(), Gone>> + Send;
    fn updated(&self, uri: String) -> impl Future<Output = Result<(), Gone>> + Send;
    /// What the client holds for its tools when it begins to be told of changes.
    fn holds(&self) -> Holds;
    /// The URIs that are of interest.
    fn wanted(&self) -> Vec<String>;
    fn is_gone(&self) -> bool;
}

#[derive(Debug)]
pub(crate) struct Gone;

/// Which tools a client knows of.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) enum Holds {
    /// It has not asked for them, and needs to be told of no change.
    #[default]
    Nothing,
    /// Those with this digest.
    Listed([u8; 32]),
    /// It may have asked at any time, so between that and now they may have become others.
    Unknown,
}

/// A client of the protocol with sessions, which asks for resources one by one.
pub(crate) struct Session<B> {
    pub(crate) server: TeamServer<B>,
    pub(crate) peer: Peer<RoleServer>,
}

impl<B: Bus> Sink for Session<B> {
    async fn tools_changed(&self) -> Result<(), Gone> {
        self.peer.notify_tool_list_changed().await.map_err(|_| Gone)
    }

    async fn updated(&self, uri: String) -> Result<(), Gone> {
        self.peer.notify_resource_updated(ResourceUpdatedNotificationParam::new(uri)).await.map_err(|_| Gone)
    }

    fn holds(&self) -> Holds {
        self.server.listed()
    }

    fn wanted(&self) -> Vec<String> {
        self.server.wanted()
    }

    fn is_gone(&self) -> bool {
        self.peer.is_transport_closed()
    }
}

/// A request to listen, which says at its beginning what for.
impl Sink for SubscriptionSink {
    async fn tools_changed(&self) -> Result<(), Gone> {
        if self.accepted().tools_list_changed != Some(true) {
            return Ok(());
        }
        self.notify_tool_list_changed().await.map_err(|_| Gone)
    }

    async fn updated(&self, uri: String) -> Result<(), Gone> {
        self.notify_resource_updated(uri).await.map_err(|_| Gone)
    }

    fn holds(&self) -> Holds {
        Holds::Unknown
    }

    fn wanted(&self) -> Vec<String> {
        self.accepted().resource_subscriptions.clone().unwrap_or_default()
    }

    fn is_gone(&self) -> bool {
        false
    }
}

/// What was seen last, to tell whether it has changed.
#[derive(Default)]
struct Seen {
    tools: Option<[u8; 32]>,
    team: Option<[u8; 32]>,
    unread: Option<[u8; 32]>,
}

impl<B: Bus> TeamServer<B> {
    /// Tells `sink` what changes, until nobody is there.
    pub(crate) async fn watch(&self, sink: &impl Sink) {
        let Err(Gone) = self.watching(sink).await;
    }

    async fn watching(&self, sink: &impl Sink) -> Result<std::convert::Infallible, Gone> {
        let mut ear = self.bus().hear(Subscribe { roster: true, ..Subscribe::default() });
        let mut seen = Seen::default();
        self.look_around(&mut seen, sink).await?;
        let is_told = self.who().role != Role::Aspect;
        let (mut hears, mut idle) = (true, 0);
        let mut ticks = interval(LOOK_EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let heard = tokio::select! {
                biased;
                heard = ear.recv(), if hears => heard,
                _ = ticks.tick() => {
                    if sink.is_gone() {
                        return Err(Gone);
                    }
                    idle += 1;
                    if !(hears && is_told) || idle >= LOOK_ANYWAY {
                        idle = 0;
                        self.look_around(&mut seen, sink).await?;
                    }
                    continue;
                }
            };
            match heard {
                Ok(Heard::Frame(frame)) => self.take(&frame, &mut seen, sink).await?,
                Ok(Heard::Anew) | Err(RecvError::Lagged(_)) => self.look_around(&mut seen, sink).await?,
                Err(RecvError::Closed) => hears = false,
            }
        }
    }

    async fn take(&self, frame: &FromBroker, seen: &mut Seen, sink: &impl Sink) -> Result<(), Gone> {
        match frame {
            FromBroker::RosterChanged(_) => self.look_around(seen, sink).await,
            FromBroker::Log(entry) => {
                let me = self.who().party;
                for uri in sink.wanted().into_iter().filter(|uri| touches(entry, uri, &me)) {
                    sink.updated(uri).await?;
                }
                Ok(())
            }
            FromBroker::Deliver(deliver) => {
                let ItemBody::Message(message) = &deliver.item.body else { return Ok(()) };
                let touched = [UNREAD.to_owned(), Place::Thread(message.thread).uri()];
                for uri in sink.wanted().into_iter().filter(|uri| touched.contains(uri)) {
                    sink.updated(uri).await?;
                }
                Ok(())
            }
            FromBroker::Activity(_)
            | FromBroker::ChatReacted(_)
            | FromBroker::Error(_)
            | FromBroker::Gap(_)
            | FromBroker::Observe(_)
            | FromBroker::ObserveGap(_)
            | FromBroker::Ok(_)
            | FromBroker::Registered(_)
            | FromBroker::SessionAsk(_)
            | FromBroker::Shutdown(_)
            | FromBroker::SpendingChanged(_) => Ok(()),
        }
    }

    /// While the broker cannot be asked, nothing has changed.
    async fn look_around(&self, seen: &mut Seen, sink: &impl Sink) -> Result<(), Gone> {
        if let Ok(tools) = self.tools().await {
            let now = digest(&tools);
            let is_known = match seen.tools.replace(now) {
                Some(before) => before == now,
                None => match sink.holds() {
                    Holds::Nothing => true,
                    Holds::Listed(held) => held == now,
                    Holds::Unknown => false,
                },
            };
            if !is_known {
                sink.tools_changed().await?;
            }
        }
        let wanted = sink.wanted();
        if wanted.iter().any(|uri| uri == TEAM)
            && let Ok(team) = self.team().await
        {
            let states: Vec<_> =
                team.aspects.iter().map(|aspect| (&aspect.name, aspect.state, aspect.since)).collect();
            if is_news(&mut seen.team, &states) {
                sink.updated(TEAM.to_owned()).await?;
            }
        }
        if wanted.iter().any(|uri| uri == UNREAD)
            && let Ok(page) = self.unread(50).await
            && is_news(&mut seen.unread, &page)
        {
            sink.updated(UNREAD.to_owned()).await?;
        }
        Ok(())
    }
}

/// Whether `now` is another than what was seen last; the first sight is none.
fn is_news(seen: &mut Option<[u8; 32]>, now: &impl serde::Serialize) -> bool {
    let now = digest(now);
    seen.replace(now).is_some_and(|before| before != now)
}

pub(crate) fn digest(what: &impl serde::Serialize) -> [u8; 32] {
    Sha256::digest(serde_json::to_string(what).unwrap_or_default()).into()
}

/// Whether what a URI stands for has changed by this entry.
fn touches(entry: &LogEntry, uri: &str, me: &Party) -> bool {
    let Some(place) = Place::parse(uri) else { return false };
    match place {
        // Seen by looking.
        Place::Team => false,
        Place::Unread => match &entry.body {
            LogBody::Message(message) => message.to.contains(me) || message.from == *me,
            LogBody::ItemClosed(_)
            | LogBody::ItemTaken(_)
            | LogBody::Reacted(_)
            | LogBody::DispatchAccepted(_)
            | LogBody::DispatchAssigned { .. }
            | LogBody::DispatchEnded(_)
            | LogBody::Alert(_)
            | LogBody::Other { .. } => false,
        },
        Place::Thread(thread) => entry.thread == Some(thread),
        Place::Message(message) => {
            matches!(&entry.body, LogBody::Reacted(reacted) if reacted.message == message)
        }
        Place::Dispatch(dispatch) => match &entry.body {
            LogBody::DispatchAccepted(info) => info.id == dispatch,
            LogBody::DispatchAssigned { dispatch: it, .. } => *it == dispatch,
            LogBody::DispatchEnded(outcome) => outcome.dispatch == dispatch,
            LogBody::Other { subject, .. } => *subject == dispatch.to_string(),
            LogBody::Message(_)
            | LogBody::ItemClosed(_)
            | LogBody::ItemTaken(_)
            | LogBody::Reacted(_)
            | LogBody::Alert(_) => false,
        },
        Place::Knowledge { of, .. } => {
            matches!(&entry.body, LogBody::Other { kind, .. } if kind.starts_with("knowledge."))
                && entry.actor == of
        }
        Place::Sessions(of) | Place::Session { of, .. } => {
            matches!(&entry.body, LogBody::ItemClosed(_) | LogBody::ItemTaken(_))
                && entry.actor == Party::Aspect(of)
        }
    }
}
