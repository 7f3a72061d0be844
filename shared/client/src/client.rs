//! For operators: requests that outlive links, and following the log across reconnects.

use std::collections::BTreeMap;
use std::pin::Pin;
use std::time::Duration;

use nexus_wire::frame::FromBroker;
use nexus_wire::inbox::Gap;
use nexus_wire::log::{LogEntry, Subscribe, Subscribed};
use nexus_wire::observe::{ActivityChanged, ObserveGap, Observed, RosterChanged};
use nexus_wire::{AspectName, ErrorCode, RequestId, TraceContext};

use crate::broker::Broker;
use crate::error::DialError;
use crate::link::{Link, new_request_id};
use crate::request::{Request, RequestError};
use crate::session::{CallError, Caller, Event, Loss, Session};

/// Told when a link is lost while a request runs, and when it goes on.
pub type OnNotice = Box<dyn FnMut(Notice<'_>) + Send>;

#[derive(Debug)]
pub enum Notice<'a> {
    Lost { loss: &'a Loss, retry_in: Duration },
    Reconnected,
}

/// One operator's connection. The first dial fails at once; later ones are repeated.
pub struct Client {
    session: Session,
    link: Option<Link>,
    trace: Option<TraceContext>,
    on_notice: OnNotice,
}

impl Client {
    pub async fn connect(broker: Broker) -> Result<Self, DialError> {
        let first = broker.connect().await?;
        Ok(Self {
            session: Session::start_with(broker, Some(first)),
            link: None,
            trace: None,
            on_notice: Box::new(|_| ()),
        })
    }

    pub fn on_notice(&mut self, on_notice: impl FnMut(Notice<'_>) + Send + 'static) {
        self.on_notice = Box::new(on_notice);
    }

    /// Requests are made on account of this span from here on.
    pub fn traced(&mut self, trace: Option<TraceContext>) {
        self.trace = trace;
    }

    pub async fn call<R: Request>(&mut self, request: R) -> Result<R::Reply, CallError> {
        self.call_as(new_request_id(), request).await
    }

    /// Sends the request, again with the same id on the next link when one is lost before the reply.
    pub async fn call_as<R: Request>(&mut self, id: RequestId, request: R) -> Result<R::Reply, CallError> {
        loop {
            let link = match &self.link {
                Some(link) => link.clone(),
                None => self.next_link().await?,
            };
            match link.call_traced(id, request.clone(), self.trace.as_ref()).await {
                Ok(reply) => {
                    link.established();
                    return Ok(reply);
                }
                Err(RequestError::Lost(_)) => self.link = None,
                Err(RequestError::Refused(body)) if body.code == ErrorCode::ShuttingDown => {
                    link.ended().await;
                    self.link = None;
                }
                Err(RequestError::Refused(body)) => return Err(CallError::Refused(body)),
                Err(RequestError::BadReply(error)) => return Err(CallError::BadReply(error)),
            }
        }
    }

    async fn next_link(&mut self) -> Result<Link, CallError> {
        let mut lost = false;
        loop {
            match self.session.next().await {
                Event::Connected(link) => {
                    if lost {
                        (self.on_notice)(Notice::Reconnected);
                    }
                    self.link = Some(link.clone());
                    return Ok(link);
                }
                Event::Lost { loss, retry_in } => {
                    lost = true;
                    (self.on_notice)(Notice::Lost { loss: &loss, retry_in });
                }
                Event::Terminal(loss) => return Err(CallError::Over(loss)),
                // Nothing is subscribed to yet.
                Event::Frame(_) => {}
            }
        }
    }

    /// Subscribes, and goes on from there across reconnects.
    pub async fn follow(mut self, subscribe: Subscribe) -> Result<Follow, CallError> {
        let begun = self.call(subscribe.clone()).await?;
        let last_seq = subscribe.from_seq.unwrap_or(begun.head);
        // Who goes on from somewhere is given all that is kept of those it does not name.
        let observed = subscribe.observe_from.clone().unwrap_or(begun.observed);
        Ok(Follow { session: self.session, subscribe, last_seq, observed, subscribing: None })
    }

    /// Closes the link properly.
    pub async fn close(self) {
        if let Some(link) = &self.link {
            link.close().await;
        }
    }
}

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Client").field("link", &self.link).finish_non_exhaustive()
    }
}

/// What a [`Follow`] yields.
#[derive(Debug)]
pub enum Followed {
    /// Each entry once, in order.
    Log(Box<LogEntry>),
    Observed(Box<Observed>),
    Roster(Box<RosterChanged>),
    Activity(Box<ActivityChanged>),
    /// These entries cannot be had any more.
    Gap(Gap),
    /// These frames of an aspect cannot be had any more.
    ObserveGap(ObserveGap),
    Lost {
        loss: Loss,
        retry_in: Duration,
    },
    /// What is missed of what streamed in between is told; no log entry is missed.
    Reconnected,
}

/// A subscription that goes on after the last entry seen, and the last frame of each aspect.
pub struct Follow {
    session: Session,
    subscribe: Subscribe,
    last_seq: u64,
    observed: BTreeMap<AspectName, u64>,
    subscribing: Option<Subscribing>,
}

struct Subscribing {
    link: Link,
    reply: Pin<Box<dyn Future<Output = Result<Subscribed, RequestError>> + Send>>,
}

impl Follow {
    /// What comes next. The error is the end. Safe to cancel.
    pub async fn next(&mut self) -> Result<Followed, CallError> {
        loop {
            let event = match &mut self.subscribing {
                None => self.session.next().await,
                Some(subscribing) => tokio::select! {
                    biased;
                    reply = &mut subscribing.reply => {
                        let link = subscribing.link.clone();
                        self.subscribing = None;
                        match reply {
                            Ok(Subscribed { .. }) => {
                                link.established();
                                return Ok(Followed::Reconnected);
                            }
                            // The session tells of the loss, and of the next link.
                            Err(RequestError::Lost(_)) => continue,
                            Err(RequestError::Refused(body)) if body.code == ErrorCode::ShuttingDown => continue,
                            Err(RequestError::Refused(body)) => return Err(CallError::Refused(body)),
                            Err(RequestError::BadReply(error)) => return Err(CallError::BadReply(error)),
                        }
                    }
                    event = self.session.next() => event,
                },
            };
            match event {
                Event::Connected(link) => self.resume(link),
                Event::Lost { loss, retry_in } => return Ok(Followed::Lost { loss, retry_in }),
                Event::Terminal(loss) => return Err(CallError::Over(loss)),
                Event::Frame(frame) => {
                    if let Some(followed) = self.take(*frame) {
                        return Ok(followed);
                    }
                }
            }
        }
    }

    /// For requests beside it, on the same link.
    pub fn caller(&self) -> Caller {
        self.session.caller()
    }

    fn resume(&mut self, link: Link) {
        let observe_from = self.subscribe.observe.then(|| self.observed.clone());
        let subscribe = Subscribe { from_seq: Some(self.last_seq), observe_from, ..self.subscribe.clone() };
        let caller = link.clone();
        let reply = Box::pin(async move { caller.call(subscribe).await });
        self.subscribing = Some(Subscribing { link, reply });
    }

    fn take(&mut self, frame: FromBroker) -> Option<Followed> {
        match frame {
            FromBroker::Log(entry) => {
                let fresh = entry.seq > self.last_seq;
                self.last_seq = self.last_seq.max(entry.seq);
                fresh.then(|| Followed::Log(Box::new(entry)))
            }
            FromBroker::Observe(observed) => {
                self.observed.insert(observed.aspect.clone(), observed.seq);
                Some(Followed::Observed(Box::new(observed)))
            }
            FromBroker::ObserveGap(gap) => {
                // Ahead of us, they are not kept; behind, we have seen what was never there.
                let seen = self.observed.entry(gap.aspect.clone()).or_default();
                *seen = if gap.from > *seen { gap.to } else { gap.from.saturating_sub(1) };
                Some(Followed::ObserveGap(gap))
            }
            FromBroker::Activity(changed) => Some(Followed::Activity(Box::new(changed))),
            FromBroker::RosterChanged(changed) => Some(Followed::Roster(changed)),
            FromBroker::Error(body) => {
                tracing::warn!(%body, "the broker complains");
                None
            }
            FromBroker::Gap(gap) => {
                // Ahead of us, they are not kept; behind, the log has another history and goes on from there.
                self.last_seq = if gap.from > self.last_seq { gap.to } else { gap.from.saturating_sub(1) };
                Some(Followed::Gap(gap))
            }
            FromBroker::ChatReacted(_)
            | FromBroker::Deliver(_)
            | FromBroker::Ok(_)
            | FromBroker::Registered(_)
            | FromBroker::SessionAsk(_)
            | FromBroker::Shutdown(_)
            | FromBroker::SpendingChanged(_) => None,
        }
    }
}

impl std::fmt::Debug for Follow {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Follow").field("last_seq", &self.last_seq).finish_non_exhaustive()
    }
}
