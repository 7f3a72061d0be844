//! The owner's side of the link: registering, and taking in what is delivered. Nothing is acknowledged before it
//! is in the books, and nothing that does not follow what they hold.

use std::time::Duration;

use futures_util::FutureExt as _;
use nexus_client::{Event, Link, Loss, Session};
use nexus_wire::budget::SpendingChanged;
use nexus_wire::inbox::{Ack, Deliver, Resume};
use nexus_wire::roster::{Register, Registered};
use nexus_wire::session::SessionAsk;
use nexus_wire::{EpochId, FromBroker, ItemId, Json};

use super::books::{Books, BooksError, Delivered};
use crate::agent::Said;
use crate::inbox::{Accept, Delivery, ResumePoint};

/// Deliveries written together.
const BATCH_MAX: usize = 256;
/// A broker that takes longer than this to say `registered` is dialled again.
pub(crate) const REGISTER_TIMEOUT: Duration = Duration::from_secs(30);

#[derive(Debug)]
pub(crate) struct Uplink {
    session: Session,
    books: Books,
    spending: Said,
    stage: Stage,
    /// Counts links, so that an answer that came on an earlier one is told from this one's.
    attempt: u64,
    /// Came while a batch was gathered, and does not belong to it.
    next: Option<Event>,
}

#[derive(Debug)]
enum Stage {
    Down,
    /// `early` came before we knew of `registered`.
    Registering {
        link: Link,
        early: Vec<FromBroker>,
    },
    Up {
        link: Link,
        epoch: EpochId,
    },
}

impl Stage {
    fn link(&self) -> Option<&Link> {
        match self {
            Self::Registering { link, .. } | Self::Up { link, .. } => Some(link),
            Self::Down => None,
        }
    }
}

/// What the owner has to act upon.
#[derive(Debug)]
pub(crate) enum Happening {
    /// Say who you are, then call [`Uplink::registered`].
    Connected {
        link: Link,
        attempt: u64,
    },
    Items(Vec<Deliver>),
    /// An operator wants to see something of this home.
    /// To be answered on this link: who knows us may ask before we know of that.
    Asked(Link, SessionAsk),
    Lost {
        loss: Loss,
        retry_in: Duration,
    },
    Over(Loss),
}

impl Uplink {
    pub(crate) fn new(session: Session, books: Books, spending: Said) -> Self {
        Self { session, books, spending, stage: Stage::Down, attempt: 0, next: None }
    }

    /// Safe to cancel.
    pub(crate) async fn event(&mut self) -> Event {
        match self.next.take() {
            Some(event) => event,
            None => self.session.next().await,
        }
    }

    /// Whether that link still waits to be registered.
    pub(crate) fn is_registering(&self, attempt: u64) -> bool {
        matches!(self.stage, Stage::Registering { .. }) && attempt == self.attempt
    }

    /// The link, once it is registered.
    pub(crate) fn link(&self) -> Option<&Link> {
        match &self.stage {
            Stage::Up { link, .. } => Some(link),
            Stage::Down | Stage::Registering { .. } => None,
        }
    }

    /// What the books add to a `register`.
    pub(crate) async fn complete(&self, register: Register) -> Result<Register, BooksError> {
        let mark = self.books.bookmark().await?;
        let resume = mark.resume.map(|ResumePoint { epoch, offset, item }| Resume {
            epoch: EpochId(epoch),
            offset,
            item: item.map(ItemId),
        });
        Ok(Register { resume, last_generation: mark.last_generation, ..register })
    }

    pub(crate) async fn apply(&mut self, event: Event) -> Result<Option<Happening>, BooksError> {
        Ok(match event {
            Event::Connected(link) => {
                self.attempt += 1;
                self.stage = Stage::Registering { link: link.clone(), early: Vec::new() };
                Some(Happening::Connected { link, attempt: self.attempt })
            }
            Event::Frame(frame) => {
                let frame = *frame;
                if let FromBroker::SessionAsk(ask) = frame {
                    return Ok(self.stage.link().map(|link| Happening::Asked(link.clone(), ask)));
                }
                self.frame(frame).await?.map(Happening::Items)
            }
            Event::Lost { loss, retry_in } => {
                self.stage = Stage::Down;
                Some(Happening::Lost { loss, retry_in })
            }
            Event::Terminal(loss) => {
                self.stage = Stage::Down;
                Some(Happening::Over(loss))
            }
        })
    }

    /// The broker knows us: from here on that link is in use. Returns what it had delivered by then; `None` when
    /// the link was lost in the meantime.
    pub(crate) async fn registered(
        &mut self,
        attempt: u64,
        registered: &Registered,
    ) -> Result<Option<Vec<Deliver>>, BooksError> {
        let (link, early) = match &mut self.stage {
            Stage::Registering { link, early } if attempt == self.attempt => {
                (link.clone(), std::mem::take(early))
            }
            Stage::Registering { .. } | Stage::Down | Stage::Up { .. } => return Ok(None),
        };
        let Registered { epoch, offset, generation, situation, .. } = registered;
        self.spending.send_replace(Some(SpendingChanged { stop: situation.spending_stop.clone() }));
        self.books.registered(epoch.0, *offset, *generation).await?;
        // A turn that is under way says so as soon as it hears of the link, on the link.
        self.session.established(&link).await;
        self.stage = Stage::Up { link, epoch: *epoch };
        let mut items = Vec::new();
        let mut early = early.into_iter().peekable();
        while let Some(frame) = early.next() {
            let mut batch = Vec::new();
            if let FromBroker::Deliver(deliver) = frame {
                batch.push(*deliver);
            } else {
                self.other(frame).await?;
                continue;
            }
            while let Some(FromBroker::Deliver(deliver)) =
                early.next_if(|frame| matches!(frame, FromBroker::Deliver(_)))
            {
                batch.push(*deliver);
            }
            items.extend(self.take_in(batch).await?);
        }
        Ok(Some(items))
    }

    async fn frame(&mut self, frame: FromBroker) -> Result<Option<Vec<Deliver>>, BooksError> {
        if let Stage::Registering { early, .. } = &mut self.stage {
            early.push(frame);
            return Ok(None);
        }
        let mut batch = Vec::new();
        if let FromBroker::Deliver(first) = frame {
            batch.push(*first);
        } else {
            self.other(frame).await?;
            return Ok(None);
        }
        // What has arrived by now shares one fsync.
        while batch.len() < BATCH_MAX && self.next.is_none() {
            match self.session.next().now_or_never() {
                Some(Event::Frame(frame)) => {
                    if let FromBroker::Deliver(deliver) = *frame {
                        batch.push(*deliver);
                    } else {
                        self.next = Some(Event::Frame(frame));
                    }
                }
                Some(event) => self.next = Some(event),
                None => break,
            }
        }
        self.take_in(batch).await.map(Some)
    }

    async fn take_in(&mut self, batch: Vec<Deliver>) -> Result<Vec<Deliver>, BooksError> {
        let Stage::Up { epoch, .. } = &self.stage else { return Ok(Vec::new()) };
        let epoch = epoch.0;
        let deliveries = batch.iter().map(|deliver| Delivery {
            epoch,
            offset: deliver.offset,
            id: deliver.item.id.0,
            body: Json::of(&deliver.item),
        });
        let delivered = self.books.deliver(deliveries.collect()).await?;
        let stored = batch.into_iter().zip(&delivered.accepts);
        let items = stored.filter(|(_, accept)| **accept == Accept::Stored).map(|(deliver, _)| deliver);
        let items = items.collect();
        self.acknowledge(&delivered).await;
        Ok(items)
    }

    async fn other(&mut self, frame: FromBroker) -> Result<(), BooksError> {
        match frame {
            FromBroker::Gap(gap) => {
                tracing::warn!(
                    from = gap.from,
                    to = gap.to,
                    reason = gap.reason,
                    "items are lost to this aspect"
                );
                let delivered = self.books.gap(gap.from, gap.to, gap.reason).await?;
                self.acknowledge(&delivered).await;
            }
            FromBroker::Shutdown(shutdown) => {
                tracing::info!(reason = shutdown.reason, "the broker goes away for a moment");
            }
            FromBroker::Error(body) => tracing::warn!(error = %body, "the broker did not accept a frame"),
            FromBroker::SpendingChanged(changed) => _ = self.spending.send_replace(Some(changed)),
            FromBroker::ChatReacted(_)
            | FromBroker::Deliver(_)
            | FromBroker::Log(_)
            | FromBroker::Observe(_)
            | FromBroker::ObserveGap(_)
            | FromBroker::Activity(_)
            | FromBroker::Ok(_)
            | FromBroker::Registered(_)
            | FromBroker::RosterChanged(_)
            | FromBroker::SessionAsk(_) => {}
        }
        Ok(())
    }

    /// Says what is on disk; what does not follow it is asked for again on another link.
    async fn acknowledge(&mut self, delivered: &Delivered) {
        let Stage::Up { link, .. } = &self.stage else { return };
        if let Some(offset) = delivered.ack {
            // A link that has ended is told as lost.
            let _ = link.send(Ack { offset }).await;
        }
        let wrong = delivered.accepts.iter().find(|accept| match accept {
            Accept::Gap { .. } | Accept::WrongEpoch { .. } => true,
            Accept::Stored | Accept::Duplicate => false,
        });
        if let Some(wrong) = wrong {
            tracing::warn!(?wrong, "a delivery does not follow the last one; dialling again");
            self.hang_up();
        }
    }

    /// Ends the link; the session dials again after a while.
    pub(crate) fn hang_up(&mut self) {
        match std::mem::replace(&mut self.stage, Stage::Down) {
            Stage::Registering { link, .. } | Stage::Up { link, .. } => {
                tokio::spawn(async move { link.close().await });
            }
            Stage::Down => {}
        }
    }
}
